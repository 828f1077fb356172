/*
 * Uncore performance monitoring of the processor that CPUID names, 06_2AH (SDM 4 table 2-21, 3B
 * 20.3.4.6): global control and status, the fixed counter of uncore clocks, event selects and
 * counters of four C-Boxes and of the arbiter. They belong to the package: processor 0 keeps them.
 *
 * Workload fact: stock kernels on a bare processor of this model write the global control, without
 * a guard against faults, as soon as the module for it is loaded.
 *
 * The uncore clock is that of the TSC: the counter is brought up to date when somebody looks.
 *
 * Not modelled: events of the C-Boxes and the arbiter (caches and their traffic: a counter that is
 * told to count is logged as STUB and stays), interrupts and freezing on overflow.
 */
#include "cpu/sys/pmu.h"
#include "cpu/sys/sys_int.h"
#include "lib/log.h"

#define BOXES (sizeof((struct cpu_uncore *)0)->cbo / sizeof((struct cpu_uncore *)0)->cbo[0])

#define COUNTER_MASK ((1ull << 48) - 1)

/* MSR_UNC_PERF_GLOBAL_CTRL */
#define GLOBAL_EN     (1u << 29)
#define GLOBAL_FREEZE (1u << 31)
#define GLOBAL_VALID  0xe000001full

#define STATUS_FIXED 1u
#define STATUS_VALID 0xfull

/* MSR_UNC_PERF_FIXED_CTRL and the event selects */
#define OVF_EN      (1u << 20)
#define COUNT_EN    (1u << 22)
#define FIXED_VALID (OVF_EN | COUNT_EN)
#define SEL_VALID   0x1fd4ffffull

static struct cpu_uncore *package(struct cpu *c)
{
    return c->peers ? &c->peers[0]->uncore : &c->uncore;
}

static void sync(struct cpu *c, struct cpu_uncore *u)
{
    const uint64_t now = cpu_raw_tsc(c);
    if (now < u->at) /* another processor, whose turn is not as far */
        return;
    const uint64_t passed = now - u->at;
    u->at = now;
    if (!(u->global_ctrl & GLOBAL_EN) || !(u->fixed_ctrl & COUNT_EN))
        return;
    const uint64_t v = u->fixed_ctr + passed;
    if (v > COUNTER_MASK)
        u->global_status |= STATUS_FIXED;
    u->fixed_ctr = v & COUNTER_MASK;
}

/* Select, status or counter of a C-Box by its place in 16 MSRs; NULL where there is none */
static uint64_t *cbo(struct cpu_uncore *u, uint32_t msr)
{
    const unsigned box = (msr - MSR_UNC_CBO) >> 4, n = msr & 15;
    return n == 4 || n > 9 ? NULL : &u->cbo[box][n];
}

bool uncore_msr_read(struct cpu *c, uint32_t msr, uint64_t *v)
{
    struct cpu_uncore *const u = package(c);
    const uint64_t *reg = NULL;
    sync(c, u);
    switch (msr) {
    case MSR_UNC_GLOBAL_CTRL:
        reg = &u->global_ctrl;
        break;
    case MSR_UNC_GLOBAL_STATUS:
        reg = &u->global_status;
        break;
    case MSR_UNC_FIXED_CTRL:
        reg = &u->fixed_ctrl;
        break;
    case MSR_UNC_FIXED_CTR:
        reg = &u->fixed_ctr;
        break;
    case MSR_UNC_CBO_CONFIG:
        *v = BOXES;
        return true;
    default:
        reg = msr >= MSR_UNC_CBO ? cbo(u, msr) : &u->arb[msr - MSR_UNC_ARB];
    }
    if (reg)
        *v = *reg;
    return reg;
}

static bool select_write(uint64_t *reg, uint64_t v)
{
    if (v & ~SEL_VALID)
        return false;
    if (v & COUNT_EN)
        LOG_STUB("uncore", "event %02x, unit mask %02x: counts nothing", (unsigned)v & 0xff,
                 (unsigned)v >> 8 & 0xff);
    *reg = v;
    return true;
}

static bool plain_write(uint64_t *reg, uint64_t v, uint64_t valid)
{
    if (v & ~valid)
        return false;
    *reg = v;
    return true;
}

bool uncore_msr_write(struct cpu *c, uint32_t msr, uint64_t v)
{
    struct cpu_uncore *const u = package(c);
    sync(c, u);
    switch (msr) {
    case MSR_UNC_GLOBAL_CTRL:
        if (v & GLOBAL_FREEZE)
            LOG_STUB("uncore", "counters do not freeze on overflow");
        return plain_write(&u->global_ctrl, v, GLOBAL_VALID);
    case MSR_UNC_GLOBAL_STATUS: /* writing 0 clears */
        if (v & ~STATUS_VALID)
            return false;
        u->global_status &= v;
        return true;
    case MSR_UNC_FIXED_CTRL:
        if (v & OVF_EN)
            LOG_STUB("uncore", "an overflow does not interrupt");
        return plain_write(&u->fixed_ctrl, v, FIXED_VALID);
    case MSR_UNC_FIXED_CTR:
        return plain_write(&u->fixed_ctr, v, COUNTER_MASK);
    case MSR_UNC_CBO_CONFIG:
        return false;
    }
    if (msr < MSR_UNC_CBO) { /* two counters, then their selects */
        uint64_t *const reg = &u->arb[msr - MSR_UNC_ARB];
        return msr - MSR_UNC_ARB >= 2 ? select_write(reg, v) : plain_write(reg, v, COUNTER_MASK);
    }
    uint64_t *const reg = cbo(u, msr);
    if (!reg)
        return false;
    if ((msr & 15) < 4)
        return select_write(reg, v);
    return plain_write(reg, v, (msr & 15) == 5 ? STATUS_VALID : COUNTER_MASK);
}
