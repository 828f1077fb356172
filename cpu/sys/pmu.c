/*
 * Architectural performance monitoring, version 2: four general and three fixed counters of 48
 * bits, global control, status and overflow control, PMI, RDPMC (SDM 3B 20.2).
 *
 * Without a cycle model a cycle is an instruction, so instructions, core cycles and reference
 * cycles are the position of this processor: nothing is counted while it runs, a counter is
 * brought up to date when somebody looks, when the privilege level changes and when it overflows.
 * The run loop cuts its slice at the next overflow that interrupts, so that a PMI comes exactly
 * behind its instruction. Branches are counted by blocks that are built for it (MODE_COUNT).
 *
 * With a cycle model (cpu/timing) cycles, last-level cache references and misses and mispredicted
 * branches are its counts; all PMIs then come between stretches of code, where interrupts are
 * taken.
 *
 * Not modelled: cache events and mispredicted branches without a cycle model (not announced), edge
 * detection, CMASK beyond rates of one a cycle; all other events count nothing.
 */
#include "cpu/sys/pmu.h"
#include "cpu/sys/sys_int.h"
#include "cpu/timing/timing.h"

#define VALUE_MASK ((1ull << PMU_WIDTH) - 1)

/* IA32_PERFEVTSELn */
#define SEL_USR      (1u << 16)
#define SEL_OS       (1u << 17)
#define SEL_INT      (1u << 20)
#define SEL_EN       (1u << 22)
#define SEL_INV      (1u << 23)
#define SEL_RESERVED 0xffffffff00200000ull

#define FIXED_OS    1u
#define FIXED_USR   2u
#define FIXED_PMI   8u
#define FIXED_VALID 0xbbbull
#define OVF_VALID   (PMU_CTRL_VALID | 3ull << 62)

#define DEBUGCTL_FREEZE_PMI (1u << 12)

enum kind { KIND_NONE, KIND_INSN, KIND_BRANCH, KIND_MODEL }; /* KIND_MODEL + enum model */
enum model {
    MODEL_CYCLES,
    MODEL_REFERENCE,
    MODEL_LLC_REFERENCES,
    MODEL_LLC_MISSES,
    MODEL_BRANCH_MISSES,
    MODEL_COUNT
};

static uint64_t counter_bit(unsigned n)
{
    return n < PMU_GENERAL ? 1ull << n : 1ull << (32 + n - PMU_GENERAL);
}

static unsigned fixed_bits(const struct cpu *c, unsigned n)
{
    return c->pmu.fixed_ctrl >> 4 * (n - PMU_GENERAL) & 15;
}

/* Of one that is an instruction without a cycle model. */
static unsigned cycle_kind(const struct cpu *c, enum model m)
{
    return c->timing ? KIND_MODEL + m : (unsigned)KIND_INSN;
}

static unsigned model_kind(const struct cpu *c, enum model m, bool usable)
{
    return c->timing && usable ? KIND_MODEL + m : (unsigned)KIND_NONE;
}

static unsigned kind_of(const struct cpu *c, unsigned n)
{
    if (n == PMU_GENERAL)
        return KIND_INSN;
    if (n > PMU_GENERAL)
        return cycle_kind(c, n == PMU_GENERAL + 1 ? MODEL_CYCLES : MODEL_REFERENCE);
    const uint64_t sel = c->pmu.sel[n];
    const unsigned cmask = sel >> 24 & 0xff;
    const bool inv = sel & SEL_INV;
    const bool every_cycle = !cmask || (cmask <= 1) != inv, plain = cmask <= 1 && !inv;
    switch (sel & 0xffff) {
    case 0x003c: /* core cycles */
        return every_cycle ? cycle_kind(c, MODEL_CYCLES) : KIND_NONE;
    case 0x013c: /* reference cycles */
        return every_cycle ? cycle_kind(c, MODEL_REFERENCE) : KIND_NONE;
    case 0x00c0: /* instructions */
        return every_cycle ? KIND_INSN : KIND_NONE;
    case 0x00c4: /* branches */
        return plain ? KIND_BRANCH : KIND_NONE;
    case 0x00c5: /* mispredicted ones */
        return model_kind(c, MODEL_BRANCH_MISSES, plain);
    case 0x4f2e:
        return model_kind(c, MODEL_LLC_REFERENCES, plain);
    case 0x412e:
        return model_kind(c, MODEL_LLC_MISSES, plain);
    default:
        return KIND_NONE;
    }
}

static bool is_enabled(const struct cpu *c, unsigned n)
{
    if (!(c->pmu.global_ctrl & counter_bit(n)))
        return false;
    return n < PMU_GENERAL ? c->pmu.sel[n] & SEL_EN : fixed_bits(c, n) & (FIXED_OS | FIXED_USR);
}

static bool counts_at_this_level(const struct cpu *c, unsigned n)
{
    if (n < PMU_GENERAL)
        return c->pmu.sel[n] & (c->cpl ? SEL_USR : SEL_OS);
    return fixed_bits(c, n) & (c->cpl ? FIXED_USR : FIXED_OS);
}

static bool interrupts(const struct cpu *c, unsigned n)
{
    return n < PMU_GENERAL ? c->pmu.sel[n] & SEL_INT : fixed_bits(c, n) & FIXED_PMI;
}

static void count(struct cpu *c, unsigned mask, uint64_t by)
{
    for (unsigned n = 0; by && n < PMU_COUNTERS; n++) {
        if (!(mask >> n & 1))
            continue;
        const uint64_t v = c->pmu.counter[n] + by;
        c->pmu.counter[n] = v & VALUE_MASK;
        if (v <= VALUE_MASK)
            continue;
        c->pmu.global_status |= counter_bit(n);
        if (interrupts(c, n)) {
            c->pmu.pmi = 1;
            c->attn |= ATTN_PMU;
        }
    }
}

static uint64_t model_count(struct cpu *c, enum model m)
{
    const struct timing_counts *const k = timing_counts(c->timing);
    switch (m) {
    case MODEL_CYCLES:
        return timing_ticks(c) / TIMING_TICKS_PER_CYCLE;
    case MODEL_REFERENCE: /* at the rate of the TSC */
        return cpu_tsc_ticks(c, timing_ticks(c) / TIMING_TICKS_PER_NS);
    case MODEL_LLC_REFERENCES:
        return k->llc_references;
    case MODEL_LLC_MISSES:
        return k->llc_misses;
    default:
        return k->branch_misses;
    }
}

static void model_sync(struct cpu *c)
{
    for (unsigned m = 0; m < MODEL_COUNT; m++) {
        const uint64_t now = model_count(c, (enum model)m);
        if (c->pmu_on)
            count(c, c->pmu.model_mask[m], now - c->pmu.model_at[m]);
        c->pmu.model_at[m] = now;
    }
}

void pmu_sync(struct cpu *c)
{
    if (c->timing)
        model_sync(c);
    const uint64_t at = cpu_icount(c);
    if (c->pmu_on) {
        count(c, c->pmu.insn_mask, at - c->pmu.at);
        count(c, c->pmu.branch_mask, c->pmu.branches);
    }
    c->pmu.branches = 0;
    c->pmu.at = at;
}

/* What counts from here on; the caller has called pmu_sync. */
static void pmu_derive(struct cpu *c)
{
    c->pmu.insn_mask = c->pmu.branch_mask = c->pmu.model_used = 0;
    memset(c->pmu.model_mask, 0, sizeof c->pmu.model_mask);
    c->pmu_on = false;
    for (unsigned n = 0; n < PMU_COUNTERS; n++) {
        if (!is_enabled(c, n))
            continue;
        c->pmu_on = true;
        if (!counts_at_this_level(c, n))
            continue;
        const unsigned k = kind_of(c, n);
        if (k == KIND_INSN)
            c->pmu.insn_mask |= (uint8_t)(1u << n);
        else if (k == KIND_BRANCH)
            c->pmu.branch_mask |= (uint8_t)(1u << n);
        else if (k >= KIND_MODEL)
            c->pmu.model_mask[k - KIND_MODEL] |= (uint8_t)(1u << n);
    }
    c->attn |= ATTN_PMU;
}

void pmu_level_changed(struct cpu *c)
{
    pmu_sync(c);
    pmu_derive(c);
}

static void changed(struct cpu *c)
{
    pmu_derive(c);
    cpu_update_mode(c);
}

/* Events until the next overflow that interrupts, of the counters in mask. */
static uint64_t left(const struct cpu *c, unsigned mask)
{
    uint64_t least = UINT64_MAX;
    for (unsigned n = 0; n < PMU_COUNTERS; n++) {
        const uint64_t l = VALUE_MASK + 1 - c->pmu.counter[n];
        if ((mask >> n & 1) && interrupts(c, n) && l < least)
            least = l;
    }
    return least;
}

static void raise_pmi(struct cpu *c)
{
    c->pmu.pmi = 0;
    if (c->debugctl & DEBUGCTL_FREEZE_PMI) {
        c->pmu.global_ctrl = 0;
        changed(c);
    }
    if (c->apic_ops && c->apic_ops->pmi)
        c->apic_ops->pmi(c->apic);
}

static void model_limits(struct cpu *c)
{
    c->pmu.model_used = 0;
    for (unsigned m = 0; m < MODEL_COUNT; m++) {
        const uint64_t l = left(c, c->pmu.model_mask[m]);
        c->pmu.model_limit[m] = l == UINT64_MAX ? l : c->pmu.model_at[m] + l;
        if (l != UINT64_MAX)
            c->pmu.model_used |= (uint8_t)(1u << m);
    }
}

bool pmu_model_due(struct cpu *c)
{
    if (c->pmu.pmi)
        return true;
    for (unsigned m = 0; c->pmu.model_used >> m; m++) {
        if ((c->pmu.model_used >> m & 1) && model_count(c, (enum model)m) >= c->pmu.model_limit[m])
            return true;
    }
    return false;
}

void pmu_poll(struct cpu *c)
{
    pmu_sync(c);
    if (c->pmu.pmi && !(c->timing && timing_in_stretch(c)))
        raise_pmi(c);
    c->attn &= ~(uint32_t)ATTN_PMU;
    if (c->timing)
        model_limits(c);
    const uint64_t pos = cpu_icount(c);
    uint64_t run = c->slice_end - pos;
    if (c->pmu_on) {
        const uint64_t next = left(c, c->pmu.insn_mask);
        run = next < run ? next : run;
        c->pmu.branch_left = left(c, c->pmu.branch_mask);
    }
    c->budget = (int64_t)run;
    c->icount_end = pos + run;
}

void pmu_branch(struct cpu *c)
{
    c->pmu.branches++;
    if (c->pmu.branches >= c->pmu.branch_left)
        c->attn |= ATTN_PMU;
}

void pmu_reset(struct cpu *c)
{
    c->pmu.at = cpu_icount(c);
    c->pmu.branches = 0;
    for (unsigned m = 0; m < MODEL_COUNT && c->timing; m++)
        c->pmu.model_at[m] = model_count(c, (enum model)m);
    pmu_derive(c);
}

void pmu_cpuid(const struct cpu *c, uint32_t r[4])
{
    r[0] |= PMU_GENERAL << 8 | PMU_WIDTH << 16 | 7u << 24;
    if (!c->timing)
        r[1] = 1u << 3 | 1u << 4 | 1u << 6; /* no cache events, no mispredictions */
    r[3] = PMU_FIXED | PMU_WIDTH << 5;
}

/* ---- registers ---- */

/* The counter that an MSR is, or -1. */
static int counter_of(uint32_t msr)
{
    if (msr - MSR_PMC0 < PMU_GENERAL)
        return (int)(msr - MSR_PMC0);
    if (msr - MSR_A_PMC0 < PMU_GENERAL)
        return (int)(msr - MSR_A_PMC0);
    if (msr - MSR_FIXED_CTR0 < PMU_FIXED)
        return (int)(msr - MSR_FIXED_CTR0) + PMU_GENERAL;
    return -1;
}

bool pmu_msr_read(struct cpu *c, uint32_t msr, uint64_t *v)
{
    const int n = counter_of(msr);
    pmu_sync(c);
    if (n >= 0)
        *v = c->pmu.counter[n];
    else if (msr - MSR_PERFEVTSEL0 < PMU_GENERAL)
        *v = c->pmu.sel[msr - MSR_PERFEVTSEL0];
    else if (msr == MSR_FIXED_CTR_CTRL)
        *v = c->pmu.fixed_ctrl;
    else if (msr == MSR_PERF_GLOBAL_STATUS)
        *v = c->pmu.global_status;
    else if (msr == MSR_PERF_GLOBAL_CTRL)
        *v = c->pmu.global_ctrl;
    else
        *v = 0; /* overflow control reads as 0 */
    return true;
}

static bool counter_write(struct cpu *c, uint32_t msr, unsigned n, uint64_t v)
{
    if (msr - MSR_PMC0 < PMU_GENERAL)
        v = (uint64_t)(int64_t)(int32_t)v & VALUE_MASK;
    if (v & ~VALUE_MASK)
        return false;
    c->pmu.counter[n] = v;
    return true;
}

static void warn_event(const struct cpu *c, uint64_t sel)
{
    const unsigned event = sel & 0xffff;
    if (c->timing && (event == 0x4f2e || event == 0x412e))
        return;
    if ((sel & SEL_EN) && event != 0x003c && event != 0x013c && event != 0x00c0 &&
        event != 0x00c4 && event != 0x00c5)
        LOG_STUB("pmu", "event %02x, unit mask %02x: counts nothing", event & 0xff, event >> 8);
}

bool pmu_msr_write(struct cpu *c, uint32_t msr, uint64_t v)
{
    const int n = counter_of(msr);
    pmu_sync(c);
    if (n >= 0) {
        if (!counter_write(c, msr, (unsigned)n, v))
            return false;
    } else if (msr - MSR_PERFEVTSEL0 < PMU_GENERAL) {
        if (v & SEL_RESERVED)
            return false;
        warn_event(c, v);
        c->pmu.sel[msr - MSR_PERFEVTSEL0] = v;
    } else if (msr == MSR_FIXED_CTR_CTRL) {
        if (v & ~FIXED_VALID)
            return false;
        c->pmu.fixed_ctrl = v;
    } else if (msr == MSR_PERF_GLOBAL_CTRL) {
        if (v & ~PMU_CTRL_VALID)
            return false;
        c->pmu.global_ctrl = v;
    } else if (msr == MSR_PERF_GLOBAL_OVF) {
        if (v & ~OVF_VALID)
            return false;
        c->pmu.global_status &= ~v;
    } else {
        return false; /* status */
    }
    changed(c);
    return true;
}

bool pmu_rdpmc(struct cpu *c, uint32_t index, uint64_t *v)
{
    const uint32_t n = index & ~(1u << 30);
    const bool fixed = index >> 30 & 1;
    if (!cpu_has(c, F_PMU) || n >= (fixed ? PMU_FIXED : PMU_GENERAL))
        return false;
    pmu_sync(c);
    *v = c->pmu.counter[fixed ? n + PMU_GENERAL : n];
    return true;
}
