/*
 * Architectural performance monitoring, version 2: four general and three fixed counters of 48
 * bits, global control, status and overflow control, PMI, RDPMC (SDM 3B 20.2).
 *
 * A cycle is an instruction, so instructions, core cycles and reference cycles are the position of
 * this processor: nothing is counted while it runs, a counter is brought up to date when somebody
 * looks, when the privilege level changes and when it overflows. The run loop cuts its slice at the
 * next overflow that interrupts, so that a PMI comes exactly behind its instruction. Branches are
 * counted by blocks that are built for it (MODE_COUNT).
 *
 * Not modelled: cache events and mispredicted branches (not announced), edge detection,
 * CMASK beyond rates of one a cycle; all other events count nothing. VM entry and exit do not load
 * IA32_PERF_GLOBAL_CTRL (not announced).
 */
#include "cpu/sys/pmu.h"
#include "cpu/sys/sys_int.h"

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
#define CTRL_VALID  0x70000000full
#define OVF_VALID   (CTRL_VALID | 3ull << 62)

#define DEBUGCTL_FREEZE_PMI (1u << 12)

enum kind { KIND_NONE, KIND_INSN, KIND_BRANCH };

static uint64_t counter_bit(unsigned n)
{
    return n < PMU_GENERAL ? 1ull << n : 1ull << (32 + n - PMU_GENERAL);
}

static unsigned fixed_bits(const struct cpu *c, unsigned n)
{
    return c->pmu.fixed_ctrl >> 4 * (n - PMU_GENERAL) & 15;
}

static enum kind kind_of(const struct cpu *c, unsigned n)
{
    if (n >= PMU_GENERAL)
        return KIND_INSN;
    const uint64_t sel = c->pmu.sel[n];
    const unsigned cmask = sel >> 24 & 0xff;
    const bool inv = sel & SEL_INV;
    switch (sel & 0xffff) {
    case 0x003c: /* core cycles */
    case 0x013c: /* reference cycles */
    case 0x00c0: /* instructions */
        return !cmask || (cmask <= 1) != inv ? KIND_INSN : KIND_NONE;
    case 0x00c4: /* branches */
        return cmask <= 1 && !inv ? KIND_BRANCH : KIND_NONE;
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

void pmu_sync(struct cpu *c)
{
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
    c->pmu.insn_mask = c->pmu.branch_mask = 0;
    c->pmu_on = false;
    for (unsigned n = 0; n < PMU_COUNTERS; n++) {
        if (!is_enabled(c, n))
            continue;
        c->pmu_on = true;
        if (!counts_at_this_level(c, n))
            continue;
        const enum kind k = kind_of(c, n);
        if (k == KIND_INSN)
            c->pmu.insn_mask |= (uint8_t)(1u << n);
        else if (k == KIND_BRANCH)
            c->pmu.branch_mask |= (uint8_t)(1u << n);
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

void pmu_poll(struct cpu *c)
{
    pmu_sync(c);
    if (c->pmu.pmi)
        raise_pmi(c);
    c->attn &= ~(uint32_t)ATTN_PMU;
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
    pmu_derive(c);
}

void pmu_cpuid(uint32_t r[4])
{
    r[0] |= PMU_GENERAL << 8 | PMU_WIDTH << 16 | 7u << 24;
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

static void warn_event(uint64_t sel)
{
    const unsigned event = sel & 0xffff;
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
        warn_event(v);
        c->pmu.sel[msr - MSR_PERFEVTSEL0] = v;
    } else if (msr == MSR_FIXED_CTR_CTRL) {
        if (v & ~FIXED_VALID)
            return false;
        c->pmu.fixed_ctrl = v;
    } else if (msr == MSR_PERF_GLOBAL_CTRL) {
        if (v & ~CTRL_VALID)
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
