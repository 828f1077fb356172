/*
 * The cycle model: life, the accounts of blocks and steps, stalls (timing.h).
 *
 * A block's static cycles are added when it has been left, by the number of its instructions that
 * have retired; penalties are added as they come. Code is fetched before the data of its
 * instruction, also when the instruction then faults; lines that no data access needed in that
 * order are fetched when the block is left.
 *
 * Workload: an access that hits the first set entries of L1D and of the last page costs some five
 * nanoseconds of the host, a block some twenty.
 */
#include "cpu/timing/timing.h"

#include <stdlib.h>

#include "cpu/decode/decode.h"
#include "cpu/timing/timing_int.h"
#include "mmu/mmu.h"

static const struct field shared_fields[] = {
    FIELD_ARRAY(struct timing_shared, l3, 0, "tags of L3"),
    FIELD_END,
};

static const struct field fields[] = {
    FIELD(struct timing, ticks, 0, "quarters of a core cycle not spent asleep"),
    FIELD(struct timing, in_stretch, 0, "instructions stepped since the stretch began"),
    FIELD(struct timing, cost, 0, "static ticks of these"),
    FIELD_ARRAY(struct timing, chain.port, 0, ""),
    FIELD_ARRAY(struct timing, chain.depth, 0, ""),
    FIELD_ARRAY(struct timing, chain.origin, 0, ""),
    FIELD(struct timing, chain.carried, 0, ""),
    FIELD(struct timing, chain.fuses, 0, ""),
    FIELD(struct timing, chain.stall, 0, ""),
    FIELD(struct timing, line, 0, "of code, last fetched"),
    FIELD(struct timing, code_page, 0, "last looked up"),
    FIELD(struct timing, code_as, 0, ""),
    FIELD(struct timing, data_page, 0, ""),
    FIELD(struct timing, data_as, 0, ""),
    FIELD(struct timing, miss_pos, 0, "position of the miss that others hide behind"),
    FIELD(struct timing, miss_count, 0, "misses under way"),
    FIELD(struct timing, miss_regs, 0, "registers that they load"),
    FIELD(struct timing, history, 0, "conditional branches, last one in bit 0"),
    FIELD(struct timing, path, 0, "indirect branches"),
    FIELD(struct timing, return_top, 0, ""),
    FIELD_ARRAY(struct timing, returns, 0, "return stack"),
    FIELD(struct timing, stream_next, 0, ""),
    FIELD_ARRAY(struct timing, stream_page, 0, "prefetcher"),
    FIELD_ARRAY(struct timing, stream_line, 0, ""),
    FIELD_ARRAY(struct timing, stream_run, 0, ""),
    FIELD_ARRAY(struct timing, l1i, 0, "tags"),
    FIELD_ARRAY(struct timing, l1d, 0, "tags"),
    FIELD_ARRAY(struct timing, l2, 0, "tags"),
    FIELD_ARRAY(struct timing, dtlb, 0, "tags"),
    FIELD_ARRAY(struct timing, dtlb_big, 0, "tags"),
    FIELD_ARRAY(struct timing, itlb, 0, "tags"),
    FIELD_ARRAY(struct timing, itlb_big, 0, "tags"),
    FIELD_ARRAY(struct timing, stlb, 0, "tags"),
    FIELD_ARRAY(struct timing, pde, 0, "tags"),
    FIELD_ARRAY(struct timing, ept_pde, 0, "tags"),
    FIELD_ARRAY(struct timing, btb, 0, "tags"),
    FIELD_ARRAY(struct timing, indirect, 0, "targets"),
    FIELD_ARRAY(struct timing, pattern, 0, "two-bit counters"),
    FIELD_END,
};

/* ---- life ---- */

struct timing_shared *timing_shared_new(void)
{
    return calloc(1, sizeof(struct timing_shared));
}

void timing_shared_free(struct timing_shared *s)
{
    free(s);
}

void timing_shared_reset(struct timing_shared *s)
{
    fields_reset(s, shared_fields);
}

uint64_t timing_shared_hash(const struct timing_shared *s, uint64_t seed)
{
    return fields_hash(s, shared_fields, seed);
}

bool timing_attach(struct cpu *c, struct timing_shared *s)
{
    struct timing *const t = calloc(1, sizeof *t);
    if (!t || !mmu_use_timing(c)) {
        free(t);
        return false;
    }
    t->shared = s;
    c->timing = t;
    timing_reset(t);
    return true;
}

void timing_free(struct timing *t)
{
    free(t);
}

void timing_reset(struct timing *t)
{
    fields_reset(t, fields);
    chain_reset(&t->chain);
    t->block = NULL;
    t->stop = UINT64_MAX;
    memset(&t->counts, 0, sizeof t->counts);
}

uint64_t timing_hash(const struct timing *t, uint64_t seed)
{
    return fields_hash(t, fields, seed);
}

const struct timing_counts *timing_counts(const struct timing *t)
{
    return &t->counts;
}

/* ---- fetching ---- */

/* Code of the running page up to this offset. Its translation was looked up at the beginning: the
 * tables may be others by the time that the last lines are fetched. */
static void fetch_to(struct cpu *c, unsigned end)
{
    struct timing *const t = c->timing;
    while (t->fetched < end) {
        cache_fetch(t, t->code_hpa + t->fetched);
        t->fetched += 64;
    }
}

static void fetch_begin(struct cpu *c, uint64_t la, uint64_t hpa)
{
    struct timing *const t = c->timing;
    if (la >> 12 != t->code_page || t->code_as != t->as)
        tlb_code(c, la);
    t->code_hpa = hpa & ~4095ull;
    t->fetched = hpa & 4032;
    if (t->line == hpa >> 6)
        t->fetched += 64;
}

/* A page-split instruction is charged for its first page only. */
static unsigned insn_end(const struct insn *i)
{
    const unsigned end = i->rip_off + i->len;
    return end < 4096 ? end : 4096;
}

static void fetch_code(struct cpu *c, const struct insn *i)
{
    fetch_to(c, insn_end(i));
}

/* ---- time ---- */

uint64_t timing_ticks(struct cpu *c)
{
    struct timing *const t = c->timing;
    if (!t->block || !c->in_insn || !c->cur)
        return t->ticks;
    fetch_code(c, c->cur);
    return t->ticks + timing_costs(t->block)[c->cur->idx];
}

void timing_set_stop(struct cpu *c, uint64_t ticks)
{
    c->timing->stop = ticks;
}

bool timing_in_stretch(const struct cpu *c)
{
    return c->timing->in_stretch != 0;
}

bool timing_due(const struct cpu *c)
{
    const struct timing *const t = c->timing;
    return t->ticks >= t->stop && !t->in_stretch;
}

void timing_stall_slow(struct cpu *c, enum timing_stall what)
{
    static const uint16_t cycles[] = {
        [TIMING_STALL_EVENT] = TIMING_EVENT,
        [TIMING_STALL_VM_ENTRY] = TIMING_VM_ENTRY,
        [TIMING_STALL_VM_EXIT] = TIMING_VM_EXIT,
        [TIMING_STALL_VM_MSR] = TIMING_VM_MSR,
        [TIMING_STALL_DEVICE_READ] = TIMING_DEVICE_READ,
        [TIMING_STALL_DEVICE_WRITE] = TIMING_DEVICE_WRITE,
        [TIMING_STALL_APIC] = TIMING_APIC_ACCESS,
    };
    c->timing->ticks += TICKS(cycles[what]);
}

void timing_cycles_slow(struct cpu *c, uint64_t cycles)
{
    c->timing->ticks += TICKS(cycles);
}

void timing_access(struct cpu *c, uint64_t la, uint64_t hpa, unsigned size, bool is_write)
{
    struct timing *const t = c->timing;
    if (t->block && c->cur && t->fetched < insn_end(c->cur))
        fetch_to(c, insn_end(c->cur));
    if (la >> 12 != t->data_page || t->data_as != t->as)
        tlb_data(c, la, is_write);
    const uint64_t line = hpa >> 6;
    if (t->l1d[(line & (TIMING_L1D_SETS - 1)) * TIMING_L1D_WAYS] != line + 1 ||
        (hpa & 63) + size > 64)
        cache_load(c, hpa, size, is_write);
}

/* ---- blocks and steps ---- */

void timing_new_stretch(struct cpu *c)
{
    struct timing *const t = c->timing;
    if (t->in_stretch) {
        t->in_stretch = t->cost = 0;
        chain_reset(&t->chain);
    }
}

/* `i` has retired, last of its stretch or not. */
static void retired_last(struct cpu *c, const struct insn *i)
{
    const struct isa_row *const r = insn_row(i);
    if (!r || !(r->attrs & A_END) || !isa_is_branch(r))
        return;
    uint64_t next = insn_next_rip(c, i);
    if (!cpu_code64(c))
        next = (uint32_t)next;
    branch_retired(c->timing, r, insn_rip(c, i), next, c->rip);
}

void timing_enter(struct cpu *c, const struct block *b, uint64_t la)
{
    struct timing *const t = c->timing;
    t->block = b;
    t->entry = cpu_icount(c);
    fetch_begin(c, la, b->key);
}

void timing_left(struct cpu *c)
{
    struct timing *const t = c->timing;
    const struct block *const b = t->block;
    if (!b)
        return;
    const unsigned n = (unsigned)(cpu_icount(c) - t->entry);
    t->block = NULL;
    if (!n)
        return;
    fetch_code(c, &b->insn[n - 1]);
    t->ticks += timing_costs(b)[n];
    if (n == b->n) {
        retired_last(c, &b->insn[n - 1]);
        return;
    }
    for (unsigned k = 0; k < n; k++)
        t->cost = chain_add(&t->chain, &b->insn[k]);
    t->in_stretch = n;
}

void timing_abort(struct cpu *c)
{
    if (c->timing->block && c->cur)
        fetch_code(c, c->cur);
}

void timing_step_begin(struct cpu *c, const struct insn *i, uint64_t la, uint64_t hpa)
{
    fetch_begin(c, la, hpa);
    fetch_code(c, i);
}

void timing_step_end(struct cpu *c, const struct insn *i)
{
    struct timing *const t = c->timing;
    const uint32_t cost = chain_add(&t->chain, i);
    t->ticks += cost - t->cost;
    t->cost = cost;
    t->in_stretch++;
    if (insn_ends(i) || timing_ends_at(i->rip_off + i->len) || t->in_stretch == BLOCK_MAX_INSNS) {
        retired_last(c, i);
        timing_new_stretch(c);
    }
}
