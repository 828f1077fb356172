/*
 * Caches: tags of L1I, L1D, L2 (of a processor) and L3 (of the machine), true LRU, and what a miss
 * costs.
 *
 * A load that misses stalls the core for the latency of the level that has the line, unless it
 * hides behind an earlier miss: within TIMING_MISS_WINDOW instructions of one, with a buffer free,
 * and with an address that no register loaded by these misses is part of. A stream of neighbouring
 * lines within a page is prefetched from its third line on. Stores wait in their buffer, they cost
 * the bandwidth of a line.
 *
 * Not modelled: dependencies on a miss through other instructions than the load itself, traffic
 * between the caches of processors, inclusion, write-back, memory types, DMA, CLFLUSH.
 */
#include "cpu/timing/timing_int.h"

/* TIMING_x_SETS are powers of two. */
static uint64_t *set_of(uint64_t *cache, uint64_t line, unsigned sets, unsigned ways)
{
    return cache + (line & (sets - 1)) * ways;
}

static enum level beyond_l1(struct timing *t, uint64_t line)
{
    const uint64_t tag = line + 1;
    if (set_touch(set_of(t->l2, line, TIMING_L2_SETS, TIMING_L2_WAYS), TIMING_L2_WAYS, tag))
        return LEVEL_L2;
    t->counts.l2_misses++;
    t->counts.llc_references++;
    /* neighbouring pages do not all begin in set 0 of a slice */
    const uint64_t spread = line ^ line >> 13;
    if (set_touch(set_of(t->shared->l3, spread, TIMING_L3_SETS, TIMING_L3_WAYS), TIMING_L3_WAYS,
                  tag))
        return LEVEL_L3;
    t->counts.llc_misses++;
    return LEVEL_DRAM;
}

enum level cache_code(struct timing *t, uint64_t line)
{
    if (set_touch(set_of(t->l1i, line, TIMING_L1I_SETS, TIMING_L1I_WAYS), TIMING_L1I_WAYS,
                  line + 1))
        return LEVEL_L1;
    t->counts.l1i_misses++;
    return beyond_l1(t, line);
}

enum level cache_data(struct timing *t, uint64_t line)
{
    if (set_touch(set_of(t->l1d, line, TIMING_L1D_SETS, TIMING_L1D_WAYS), TIMING_L1D_WAYS,
                  line + 1))
        return LEVEL_L1;
    t->counts.l1d_misses++;
    return beyond_l1(t, line);
}

unsigned cache_latency(enum level l)
{
    static const uint16_t cycles[] = {TIMING_L1_LATENCY, TIMING_L2_LATENCY, TIMING_L3_LATENCY,
                                      TIMING_DRAM_LATENCY};
    return cycles[l];
}

static unsigned overlap(enum level l)
{
    static const uint8_t cycles[] = {0, TIMING_L2_OVERLAP, TIMING_L3_OVERLAP, TIMING_DRAM_OVERLAP};
    return cycles[l];
}

/* ---- misses ---- */

/* Does this miss go on with a stream of neighbouring lines that was seen before? */
static bool is_streamed(struct timing *t, uint64_t line)
{
    const uint64_t page = (line >> 6) + 1;
    const uint8_t at = line & 63;
    for (unsigned n = 0; n < TIMING_STREAMS; n++) {
        if (t->stream_page[n] != page)
            continue;
        const bool next = at == t->stream_line[n] + 1 || at + 1 == t->stream_line[n];
        t->stream_line[n] = at;
        t->stream_run[n] = !next ? 0 : t->stream_run[n] < 2 ? t->stream_run[n] + 1 : 2;
        return t->stream_run[n] == 2;
    }
    const unsigned n = t->stream_next++ % TIMING_STREAMS;
    t->stream_page[n] = page;
    t->stream_line[n] = at;
    t->stream_run[n] = 0;
    return false;
}

/* General register that a load writes, as a mask; 0: none, or unknown. */
static uint32_t loaded_reg(const struct insn *i)
{
    if (i->op >= isa_row_count)
        return 0;
    switch (isa_rows[i->op].op[0]) {
    case OP_Gb:
        return 1u << (i->d / 8);
    case OP_Gw:
    case OP_Gd:
    case OP_Gq:
    case OP_Gv:
    case OP_Gy:
        return 1u << (i->d & 15);
    default:
        return 0;
    }
}

static uint32_t address_regs(const struct insn *i)
{
    if (!(i->flags & INSN_MEM))
        return 0;
    return (1u << i->b | 1u << i->x) & 0xffff;
}

/* Stalling cycles of a load that found its line at level l. */
static unsigned load_miss(struct cpu *c, enum level l, bool streamed)
{
    struct timing *const t = c->timing;
    const struct insn *const i = c->in_insn ? c->cur : NULL;
    const uint64_t pos = cpu_icount(c);
    const bool behind = t->miss_count && pos - t->miss_pos < TIMING_MISS_WINDOW &&
                        t->miss_count < TIMING_MISS_BUFFERS;
    const bool depends = i && (address_regs(i) & t->miss_regs);
    const uint32_t loads = i ? loaded_reg(i) : 0;
    if (streamed)
        return overlap(l);
    if (behind && !depends) {
        t->miss_count++;
        t->miss_regs |= loads;
        return overlap(l);
    }
    t->miss_pos = pos;
    t->miss_count = 1;
    t->miss_regs = loads;
    return cache_latency(l) - TIMING_L1_LATENCY;
}

static void access_line(struct cpu *c, uint64_t line, bool is_write)
{
    struct timing *const t = c->timing;
    const enum level l = cache_data(t, line);
    if (l == LEVEL_L1)
        return;
    const bool streamed = is_streamed(t, line);
    t->ticks += TICKS(is_write ? overlap(l) : load_miss(c, l, streamed));
}

void cache_load(struct cpu *c, uint64_t hpa, unsigned size, bool is_write)
{
    const uint64_t first = hpa >> 6, last = (hpa + size - 1) >> 6;
    for (uint64_t line = first; line <= last; line++)
        access_line(c, line, is_write);
}

/* A line of code; the next one in order is fetched ahead. */
void cache_fetch(struct timing *t, uint64_t hpa)
{
    const uint64_t line = hpa >> 6;
    const bool ahead = line == t->line + 1;
    const enum level l = cache_code(t, line);
    t->line = line;
    if (l != LEVEL_L1)
        t->ticks += TICKS(ahead ? overlap(l) : cache_latency(l) - TIMING_L1_LATENCY);
}
