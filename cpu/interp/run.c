/*
 * The run loop of one logical processor: lookup, chains, single steps, events (engine.md F.3).
 *
 * At the top of the loop no instruction is executing, so c->rip, flags and budget are exact. Faults
 * and exits come back by longjmp (cpu/sys/leave.c), c->cur telling how far the block had got.
 * Single steps (T0) serve the tail of a budget, TF, RF, interrupt shadows, instruction breakpoints,
 * MTF, the debugger, and code in device memory; they run the same semantic functions and give the
 * same state.
 */
#include <stdlib.h>
#include <string.h>

#include "cpu/decode/decode.h"
#include "cpu/interp/fast.h"
#include "cpu/sys/pmu.h"
#include "cpu/sys/sys.h"
#include "cpu/timing/timing.h"
#include "cpu/vmx/vmx.h"
#include "mmu/mmu.h"

/* Faults in a row without a retired instruction after which one is charged, so that time goes
 * on. */
#define FAULTS_FREE 4096

void cpu_kick(struct cpu *c)
{
    c->attn |= ATTN_STOP;
}

uint64_t cpu_icount(const struct cpu *c)
{
    uint64_t pos = c->icount_end - (uint64_t)c->budget;
    if (c->in_insn && c->cur)
        pos -= insn_block(c->cur)->n - (uint64_t)c->cur->idx;
    return pos;
}

uint64_t cpu_rip(const struct cpu *c)
{
    if (!c->in_insn || !c->cur)
        return c->rip;
    const uint64_t rip = insn_rip(c, c->cur);
    return (insn_block(c->cur)->mode & MODE_CODE_MASK) == MODE_CODE64 ? rip : (uint32_t)rip;
}

/* ---- single steps ---- */
/* What TF, RF and the shadows were when the instruction started. */
static void step_begin(struct cpu *c)
{
    struct engine *e = c->engine;
    e->stepping = true;
    e->step_tf = c->eflags & FL_TF;
    e->step_rf = c->eflags & FL_RF;
    e->step_shadow = c->shadow;
    e->step_non_root = c->non_root;
}

/* INT n, INT3, INTO, INT1 and SYSCALL clear TF before the trap could be taken; IRET loads RF. */
static bool clears_tf(const struct isa_row *r)
{
    return r && ((r->map == MAP_1 && (r->opcode == 0xcc || r->opcode == 0xcd || r->opcode == 0xce ||
                                      r->opcode == 0xf1)) ||
                 (r->map == MAP_0F && r->opcode == 0x05));
}

/* With DebugCtl.BTF single steps stop at taken branches only. */
static bool branched(const struct cpu *c, const struct isa_row *r)
{
    return r && !(r->attrs & A_REP) && c->rip != c->engine->step_next;
}

/* After a retired instruction. */
static void step_end(struct cpu *c)
{
    struct engine *e = c->engine;
    const struct isa_row *r = insn_row(&step_block(e)->insn[0]);
    e->stepping = false;
    if ((step_block(e)->mode & MODE_COUNT) && r && isa_is_branch(r))
        pmu_branch(c);
    if (c->non_root != e->step_non_root)
        return; /* VM entry: the new state is the guest's */
    if (e->step_shadow)
        c->shadow = c->shadow == e->step_shadow ? 0 : c->shadow & (uint8_t)~e->step_shadow;
    if (e->step_rf && !(r && r->map == MAP_1 && r->opcode == 0xcf))
        c->eflags &= ~(uint32_t)FL_RF;
    if (e->step_tf && !clears_tf(r) && (!(c->debugctl & DEBUGCTL_BTF) || branched(c, r)))
        event_debug_trap(c, DR6_BS);
}

static const struct insn *step_fetch(struct cpu *c, uint64_t la, uint64_t *hpa_)
{
    struct engine *e = c->engine;
    void *host = NULL;
    const uint64_t page = mmu_fetch_page(c, la, &host);
    const unsigned off = la & 4095;
    *hpa_ = page + off;
    const struct block *b = host ? block_find(e, page + off, c->mode) : NULL;
    if (!b && host && c->shadow) /* STI, MOV SS: it comes this way each time */
        b = block_build(c, la, page + off, (const uint8_t *)host + off);
    if (!b || (b->flags & BLOCK_SPLIT))
        return step_decode(c, la);
    struct block *const s = step_block(e);
    memset(s, 0, sizeof *s);
    s->insn[0] = b->insn[0];
    s->n = 1;
    s->mode = b->mode;
    return &s->insn[0];
}

static void step_one(struct cpu *c, uint64_t la)
{
    uint64_t hpa_;
    const struct insn *i = step_fetch(c, la, &hpa_);
    const bool is64 = cpu_code64(c);
    step_begin(c);
    c->r[R_PAGE] = c->rip - (la & 4095);
    const uint64_t next = is64 ? insn_next_rip(c, i) : (uint32_t)insn_next_rip(c, i);
    c->engine->step_next = next;
    c->cur = i;
    c->in_insn = true;
    c->budget--;
    if (c->timing)
        timing_step_begin(c, i, la, hpa_);
    if (insn_ends(i)) {
        c->rip = next;
        insn_sem(i)(c, i);
    } else {
        insn_sem(i)(c, i);
        c->rip = next;
    }
    c->cur = NULL;
    c->in_insn = false;
    if (c->timing)
        timing_step_end(c, i);
    step_end(c);
}

/* ---- lookup ---- */
/* Linear address of the next instruction; #GP when it is outside the code segment. */
static uint64_t code_la(struct cpu *c)
{
    if (cpu_code64(c)) {
        if (!cpu_canonical(c, c->rip))
            cpu_fault(c, EXC_GP, 0);
        return c->rip;
    }
    if (c->rip > c->seg[SEG_CS].limit)
        cpu_fault(c, EXC_GP, 0);
    return (uint32_t)(c->seg[SEG_CS].base + c->rip);
}

/* A page-split block also depends on where the next page is now. */
static bool split_is_current(struct cpu *c, const struct block *b, uint64_t la)
{
    void *host;
    const uint64_t next = (la & ~4095ull) + 4096;
    return mmu_fetch_page(c, cpu_long_mode(c) ? next : (uint32_t)next, &host) >> 12 == b->frame2;
}

/* NULL: not RAM. */
static struct block *find_or_build(struct cpu *c, uint64_t la)
{
    struct engine *e = c->engine;
    void *host = NULL;
    const uint64_t page = mmu_fetch_page(c, la, &host);
    const unsigned off = la & 4095;
    if (!host)
        return NULL;
    struct block *b = block_find(e, page + off, c->mode);
    if (b && (b->flags & BLOCK_SPLIT) && !split_is_current(c, b, la)) {
        block_kill(e, b);
        b = NULL;
    }
    if (!b)
        b = block_build(c, la, page + off, (const uint8_t *)host + off);
    if (!(b->flags & BLOCK_SPLIT)) {
        struct jump_entry *j = &c->jump[jump_hash(la)];
        *j = (struct jump_entry){la, mmu_fetch_is_global(c, la) ? c->jump_key_g : c->jump_key,
                                 b->insn, b->n};
    }
    return b;
}

static struct block *lookup(struct cpu *c, uint64_t la)
{
    const struct jump_entry *j = &c->jump[jump_hash(la)];
    if (jump_is_current(c, j, la)) {
        struct block *const b = (struct block *)insn_block(j->insn);
        if (b->valid)
            return b;
    }
    return find_or_build(c, la);
}

/* Connect the block that was left last with the one that follows, when both are in one page. */
static void connect(struct cpu *c, struct block *from, struct block *to, uint64_t la)
{
    if (!from->valid || !c->engine->link || ((from->flags | to->flags) & BLOCK_SPLIT) ||
        from->mode != to->mode || (from->key ^ to->key) & ~4095ull ||
        c->r[R_PAGE] != c->rip - (la & 4095))
        return;
    const struct insn *last = &from->insn[from->n - 1];
    const int target = c->link_slot ? from->insn[from->n].rip_off : last->disp;
    if (target == (int)to->start_off)
        from->link[c->link_slot] = to;
}

static void enter(struct cpu *c, const struct block *b, uint64_t la)
{
    const struct insn *i = b->insn;
    c->r[R_PAGE] = c->rip - (la & 4095);
    c->cur = i;
    c->in_insn = true;
    c->budget -= b->n;
#if DISPATCH_LOOP
    c->next_fn = i->fn;
    c->next = i;
    while (c->next_fn) {
        insn_fn *fn = c->next_fn;
        c->next_fn = NULL;
        fn(c, c->next, c->budget, c->lf_res, c->lf_aux);
    }
#else
    i->fn(c, i, c->budget, c->lf_res, c->lf_aux);
#endif
}

/* Fewer instructions are left than the block has: run that many through a copy, all with exact
 * flags and none fused. */
static void enter_tail(struct cpu *c, const struct block *b, uint64_t la)
{
    struct block *const s = step_block(c->engine);
    const unsigned n = (unsigned)c->budget;
    memcpy(s, b, sizeof *b + (n + 1) * sizeof(struct insn));
    s->n = (uint16_t)n;
    s->valid = 0;
    s->link[0] = s->link[1] = NULL;
    for (unsigned k = 0; k < n; k++)
        s->insn[k].fn = h_sem;
    s->insn[n].fn = h_fall;
    enter(c, s, la);
}

/* ---- the loop ---- */
static bool has_code_bp(const struct cpu *c)
{
    for (unsigned n = 0; n < 4; n++) {
        if ((c->dr[7] >> (2 * n) & 3) && !(c->dr[7] >> (16 + 4 * n) & 3))
            return true;
    }
    return false;
}

/* A breakpoint of the debugger in [la, la + len). */
static bool debugger_bp(const struct cpu *c, uint64_t la, uint64_t len)
{
    unsigned low = 0, high = c->dbg.bp_count;
    while (low < high) {
        const unsigned mid = (low + high) / 2;
        if (c->dbg.bp[mid] < la)
            low = mid + 1;
        else
            high = mid;
    }
    return low < c->dbg.bp_count && c->dbg.bp[low] - la < len;
}

/* Pages with breakpoints are stepped and never enter the jump cache, so chains cannot run into
 * them; all others run at full speed. */
static bool debugger_steps(const struct cpu *c, uint64_t la)
{
    return (c->attn & ATTN_DEBUG) &&
           (c->dbg.step || c->dbg.insn || debugger_bp(c, la & ~4095ull, 4096));
}

/* Breakpoints changed: what the jump cache has may not be entered any more. */
static void debugger_sync(struct cpu *c)
{
    uint64_t sum = c->dbg.bp_count;
    for (unsigned n = 0; n < c->dbg.bp_count; n++)
        sum = (sum ^ c->dbg.bp[n]) * 0x100000001b3ull;
    uint64_t *const seen = &c->engine->bp_sum[c->index % ENGINE_LPS];
    if (*seen != sum)
        mmu_code_changed(c);
    *seen = sum;
}

static bool must_step(const struct cpu *c, uint64_t la)
{
    return c->shadow || (c->eflags & (FL_TF | FL_RF)) || debugger_steps(c, la) ||
           ((c->dr[7] & 0xff) && has_code_bp(c)) || vmx_wants_step(c);
}

/* Before an instruction of the slow loop; true: the debugger wants to stop here. */
static bool debugger_before(struct cpu *c, uint64_t la, bool over)
{
    if (!(c->attn & ATTN_DEBUG))
        return false;
    if (!over && debugger_bp(c, la, 1)) {
        c->dbg.hit_kind = 1;
        c->dbg.hit_la = la;
        return true;
    }
    if (c->dbg.insn)
        c->dbg.insn(c->dbg.opaque, c);
    return false;
}

static bool debugger_after(struct cpu *c)
{
    if (!(c->attn & ATTN_DEBUG) || !c->dbg.step)
        return false;
    c->dbg.hit_kind = 3;
    return true;
}

/* Code of a non-flat segment whose limit ends within this page is checked at each instruction. */
static bool near_limit(const struct cpu *c, uint64_t la)
{
    return !cpu_code64(c) && c->rip + (4095 - (la & 4095)) > c->seg[SEG_CS].limit;
}

/* One chain or one step. True: the debugger stops us. */
static bool advance(struct cpu *c, struct block *from)
{
    const uint64_t la = code_la(c);
    const bool over = c->dbg.resume_over;
    c->dbg.resume_over = false;
    if (must_step(c, la) || near_limit(c, la) || (c->timing && timing_in_stretch(c))) {
        if (debugger_before(c, la, over))
            return true;
        if (c->dr[7] & 0xff)
            event_check_code_bp(c, la);
        step_one(c, la);
        return debugger_after(c);
    }
    struct block *b = lookup(c, la);
    if (b && from)
        connect(c, from, b, la);
    if (b && c->timing)
        timing_enter(c, b, la);
    if (!b)
        step_one(c, la);
    else if (c->budget < b->n)
        enter_tail(c, b, la);
    else
        enter(c, b, la);
    return false;
}

/* With a cycle model (`timed`, a constant for each of the two callers) accounts are kept between
 * blocks, and the slice also ends when the time of the next event has come. */
ALU_INLINE enum cpu_stop run_loop(struct cpu *c, const bool timed)
{
    for (;;) {
        struct block *const from = c->link_from;
        c->link_from = NULL;
        if (timed && c->pmu_on && !timing_in_stretch(c) && pmu_model_due(c))
            c->attn |= ATTN_PMU;
        if (UNLIKELY(c->attn)) {
            c->attn &= ~(uint32_t)ATTN_CODE;
            if (c->attn & ATTN_PMU)
                pmu_poll(c);
            if (c->attn & ATTN_STOP) {
                c->attn &= ~(uint32_t)ATTN_STOP;
                return c->dbg.hit_kind == 2 ? CPU_STOP_BREAK : CPU_STOP_KICK;
            }
        }
        if (c->budget <= 0) {
            if (c->icount_end - (uint64_t)c->budget >= c->slice_end)
                return CPU_STOP_BUDGET;
            c->attn |= ATTN_PMU; /* only a counter overflows here */
            continue;
        }
        if (timed && timing_due(c))
            return CPU_STOP_BUDGET;
        if (UNLIKELY(c->attn & ~(uint32_t)ATTN_DEBUG) && event_poll(c)) {
            if (timed)
                timing_new_stretch(c);
            continue;
        }
        if (UNLIKELY(c->activity != CPU_ACTIVE))
            return c->activity == CPU_SHUTDOWN ? CPU_STOP_SHUTDOWN : CPU_STOP_IDLE;
        c->attn_seen = c->attn;
        const bool stopped = advance(c, from);
        if (timed)
            timing_left(c);
        if (stopped)
            return CPU_STOP_BREAK;
        c->engine->faults = 0;
    }
}

/* Back from an instruction by longjmp. */
static void left(struct cpu *c, int why)
{
    struct engine *e = c->engine;
    const struct insn *const i = c->cur;
    if (c->timing)
        timing_abort(c);
    if (i) {
        const struct block *b = insn_block(i);
        c->budget += b->n - i->idx - (why == LEAVE_RETIRED);
        c->cur = NULL;
    }
    c->in_insn = false;
    c->link_from = NULL;
    if (c->timing) {
        timing_left(c);
        if (i && e->stepping && why == LEAVE_RETIRED)
            timing_step_end(c, i);
        timing_new_stretch(c);
    }
    if (e->stepping && why == LEAVE_RETIRED)
        step_end(c);
    e->stepping = false;
    if (why == LEAVE_FAULT) {
        if (++e->faults > FAULTS_FREE && c->budget > 0) {
            c->budget--;
            e->faults = 0;
        }
        event_fault(c);
    }
}

static void attach(struct cpu *c)
{
    struct engine *e = c->engine;
    c->jump = huge_alloc(JUMP_ENTRIES * sizeof(struct jump_entry));
    if (!c->jump || e->cpu_count == ENGINE_LPS)
        abort(); /* out of host memory at start-up */
    memset(c->jump, 0xff, JUMP_ENTRIES * sizeof(struct jump_entry));
    e->jumps[e->cpu_count] = c->jump;
    e->cpus[e->cpu_count++] = c;
}

enum cpu_stop cpu_run(struct cpu *c, uint64_t insns)
{
    const uint64_t pos = c->icount_end - (uint64_t)c->budget;
    if (!c->jump)
        attach(c);
    c->budget = insns > INT64_MAX ? INT64_MAX : (int64_t)insns;
    c->icount_end = c->slice_end = pos + (uint64_t)c->budget;
    if (c->pmu_on)
        c->attn |= ATTN_PMU;
    c->cur = NULL;
    c->link_from = NULL;
    if (c->attn & ATTN_DEBUG)
        debugger_sync(c);
    const int why = setjmp(c->leave);
    if (why)
        left(c, why);
    return c->timing ? run_loop(c, true) : run_loop(c, false);
}
