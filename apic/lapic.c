/*
 * apic/lapic.c: one local APIC: registers, priorities, acceptance, timer (SDM 3A 11.4-11.8, 11.12).
 *
 * Workload: Linux in x2APIC mode writes EOI, TSC_DEADLINE and ICR; each is one MSR access. State
 * that decides about interrupts (highest IRR and ISR) is recomputed after every change.
 * Not modelled: focus processor, arbitration, CMCI, remote read, thermal events.
 */
#include <stdlib.h>
#include <string.h>

#include "abi/lapic.h"
#include "abi/x86.h"
#include "apic/apic_int.h"
#include "lib/log.h"

static const struct field lapic_fields[] = {
    FIELD(struct lapic, base, 0, "IA32_APIC_BASE"),
    FIELD(struct lapic, id, 0, "APIC id"),
    FIELD(struct lapic, tpr, 0, "task priority"),
    FIELD(struct lapic, ldr, 0, "logical destination, xAPIC"),
    FIELD(struct lapic, dfr, 0xffffffff, "destination format"),
    FIELD(struct lapic, svr, 0xff, "spurious vector"),
    FIELD_ARRAY(struct lapic, irr, 0, "requested"),
    FIELD_ARRAY(struct lapic, isr, 0, "in service"),
    FIELD_ARRAY(struct lapic, tmr, 0, "level triggered"),
    FIELD(struct lapic, esr, 0, "errors latched"),
    FIELD(struct lapic, esr_pending, 0, "errors since the last write"),
    FIELD(struct lapic, icr, 0, "interrupt command"),
    FIELD_ARRAY(struct lapic, lvt, LAPIC_MASKED, "local vector table"),
    FIELD(struct lapic, timer_initial, 0, "initial count"),
    FIELD(struct lapic, timer_expired, 0, "one-shot count reached 0"),
    FIELD(struct lapic, timer_divide, 0, "divide configuration"),
    FIELD(struct lapic, timer_start_ns, 0, "time of the count's start"),
    FIELD(struct lapic, deadline, 0, "TSC deadline"),
    FIELD_ARRAY(struct lapic, lint, 0, "pin levels"),
    FIELD(struct lapic, extint, 0, "ExtINT message waiting"),
    FIELD_END,
};

static void update(struct lapic *l);

/* ---- vectors ---- */

static bool vec_test(const uint32_t *v, unsigned n)
{
    return v[n / 32] >> (n % 32) & 1;
}
static void vec_set(uint32_t *v, unsigned n)
{
    v[n / 32] |= 1u << (n % 32);
}
static void vec_clear(uint32_t *v, unsigned n)
{
    v[n / 32] &= ~(1u << (n % 32));
}

static int vec_highest(const uint32_t *v)
{
    for (int i = 7; i >= 0; i--) {
        if (v[i])
            return i * 32 + 31 - __builtin_clz(v[i]);
    }
    return -1;
}

static uint8_t ppr(const struct lapic *l)
{
    const int isr = vec_highest(l->isr);
    const uint8_t isr_class = isr < 0 ? 0 : (uint8_t)(isr & 0xf0);
    return (l->tpr & 0xf0) >= isr_class ? l->tpr : isr_class;
}

bool lapic_enabled(const struct lapic *l)
{
    return (l->base & APIC_BASE_EN) && (l->svr & LAPIC_SVR_ENABLE);
}

static bool extint_pending(const struct lapic *l)
{
    if (!(l->base & APIC_BASE_EN))
        return l->lint[0]; /* the pin is INTR */
    if (l->extint)
        return true;
    const uint32_t e = l->lvt[LVT_LINT0];
    return l->lint[0] && !(e & LAPIC_MASKED) &&
           (e & LAPIC_DELIVERY) >> LAPIC_DELIVERY_SHIFT == LAPIC_DM_EXTINT;
}

static bool fixed_pending(const struct lapic *l)
{
    const int irr = vec_highest(l->irr);
    return irr >= 0 && (irr & 0xf0) > (ppr(l) & 0xf0) && lapic_enabled(l);
}

/* Tell the processor whether an interrupt waits. */
static void update(struct lapic *l)
{
    l->cfg.signals->set_intr(l->cfg.cpu, extint_pending(l) || fixed_pending(l));
}

static void error(struct lapic *l, uint32_t bit)
{
    l->esr_pending |= bit;
    const uint32_t e = l->lvt[LVT_ERROR];
    if (!(e & LAPIC_MASKED) && (e & LAPIC_VECTOR) >= 16 && lapic_enabled(l))
        vec_set(l->irr, e & LAPIC_VECTOR);
}

void lapic_accept(struct lapic *l, uint8_t vector, uint8_t delivery, bool level)
{
    const struct lp_signals *const s = l->cfg.signals;
    switch (delivery) {
    case LAPIC_DM_FIXED:
    case LAPIC_DM_LOWEST:
        if (!lapic_enabled(l))
            return;
        if (vector < 16) {
            error(l, LAPIC_ESR_RECV_ILLEGAL);
        } else {
            vec_set(l->irr, vector);
            if (level)
                vec_set(l->tmr, vector);
            else
                vec_clear(l->tmr, vector);
        }
        update(l);
        break;
    case LAPIC_DM_SMI:
        s->smi(l->cfg.cpu);
        break;
    case LAPIC_DM_NMI:
        s->nmi(l->cfg.cpu);
        break;
    case LAPIC_DM_INIT:
        s->init(l->cfg.cpu);
        break;
    case LAPIC_DM_STARTUP:
        s->sipi(l->cfg.cpu, vector);
        break;
    case LAPIC_DM_EXTINT:
        l->extint = l->base & APIC_BASE_EN ? 1 : 0;
        update(l);
        break;
    default:
        LOG_GUEST("apic", "delivery mode %u is reserved", delivery);
        break;
    }
}

static int lapic_ack(void *apic)
{
    struct lapic *l = apic;
    if (extint_pending(l) && l->cfg.extint_ack) {
        l->extint = 0;
        const int v = l->cfg.extint_ack(l->cfg.extint_opaque);
        update(l);
        return v;
    }
    if (!fixed_pending(l))
        return lapic_enabled(l) ? (int)(l->svr & LAPIC_VECTOR) : -1;
    const int v = vec_highest(l->irr);
    vec_clear(l->irr, (unsigned)v);
    vec_set(l->isr, (unsigned)v);
    update(l);
    return v;
}

static void eoi(struct lapic *l)
{
    const int v = vec_highest(l->isr);
    if (v < 0)
        return;
    vec_clear(l->isr, (unsigned)v);
    if (vec_test(l->tmr, (unsigned)v) && !(l->svr & LAPIC_SVR_EOI_OFF))
        apic_net_eoi(l->net, (uint8_t)v);
    apic_net_trace_eoi(l, (uint8_t)v);
    update(l);
}

/* ---- timer ---- */

static unsigned divider_shift(const struct lapic *l)
{
    const unsigned d = (l->timer_divide & 3) | (l->timer_divide >> 1 & 4);
    return d == 7 ? 0 : d + 1;
}

/* Nanoseconds of `count` ticks, rounded up, and the reverse rounded down; no overflow for 2^32
 * ticks. */
static uint64_t ticks_to_ns(const struct lapic *l, uint64_t count)
{
    const unsigned __int128 n = ((unsigned __int128)count << divider_shift(l)) * 1000000000u;
    return (uint64_t)((n + l->cfg.timer_hz - 1) / l->cfg.timer_hz);
}
static uint64_t ns_to_ticks(const struct lapic *l, uint64_t ns)
{
    return (uint64_t)((unsigned __int128)ns * l->cfg.timer_hz / 1000000000u) >> divider_shift(l);
}

static uint32_t timer_mode(const struct lapic *l)
{
    return l->lvt[LVT_TIMER] & LAPIC_TIMER_MODE;
}

static uint32_t timer_current(const struct lapic *l)
{
    if (!l->timer_initial || l->timer_expired || timer_mode(l) == LAPIC_TIMER_DEADLINE)
        return 0;
    const uint64_t gone = ns_to_ticks(l, clock_now(l->clock) - l->timer_start_ns);
    if (timer_mode(l) == LAPIC_TIMER_PERIODIC)
        return l->timer_initial - (uint32_t)(gone % l->timer_initial);
    return gone >= l->timer_initial ? 0 : l->timer_initial - (uint32_t)gone;
}

static void timer_arm(struct lapic *l)
{
    const uint64_t now = clock_now(l->clock);
    if (timer_mode(l) == LAPIC_TIMER_DEADLINE) {
        if (!l->deadline) {
            clock_cancel(l->clock, &l->timer);
            return;
        }
        const uint64_t tsc = l->cfg.tsc(l->cfg.cpu);
        const uint64_t left = l->deadline > tsc ? l->deadline - tsc : 0;
        const unsigned __int128 ns = ((unsigned __int128)left * 1000000000u + l->cfg.tsc_hz - 1) /
                                     l->cfg.tsc_hz;
        if (ns > (1ull << 62)) /* centuries: never */
            clock_cancel(l->clock, &l->timer);
        else
            clock_arm(l->clock, &l->timer, now + (uint64_t)ns);
        return;
    }
    if (!l->timer_initial || l->timer_expired) {
        clock_cancel(l->clock, &l->timer);
        return;
    }
    uint64_t count = l->timer_initial;
    if (timer_mode(l) == LAPIC_TIMER_PERIODIC) {
        const uint64_t gone = ns_to_ticks(l, now - l->timer_start_ns);
        count *= gone / l->timer_initial + 1;
    }
    clock_arm(l->clock, &l->timer, l->timer_start_ns + ticks_to_ns(l, count));
}

/* Go on from the count `left`, at the rate and in the mode that are set now. */
static void timer_resume(struct lapic *l, uint32_t left)
{
    l->timer_start_ns = clock_now(l->clock) - ticks_to_ns(l, l->timer_initial - left);
    timer_arm(l);
}

static void timer_fire(void *opaque, uint64_t now)
{
    struct lapic *l = opaque;
    (void)now;
    if (timer_mode(l) == LAPIC_TIMER_DEADLINE)
        l->deadline = 0;
    else if (timer_mode(l) == LAPIC_TIMER_PERIODIC)
        timer_arm(l);
    else
        l->timer_expired = 1; /* until the next initial count, also when the mode changes */
    if (!(l->lvt[LVT_TIMER] & LAPIC_MASKED))
        lapic_accept(l, (uint8_t)l->lvt[LVT_TIMER], LAPIC_DM_FIXED, false);
}

uint64_t lapic_tsc_deadline(const struct lapic *l)
{
    return l->deadline;
}

/* ---- local pins ---- */

void lapic_lint(struct lapic *l, unsigned pin, int level)
{
    const bool rises = level && !l->lint[pin];
    l->lint[pin] = !!level;
    if (!(l->base & APIC_BASE_EN)) {
        if (pin == 1 && rises)
            l->cfg.signals->nmi(l->cfg.cpu);
        update(l);
        return;
    }
    const uint32_t e = l->lvt[LVT_LINT0 + pin];
    const uint32_t mode = (e & LAPIC_DELIVERY) >> LAPIC_DELIVERY_SHIFT;
    if (mode != LAPIC_DM_EXTINT && rises && !(e & LAPIC_MASKED))
        lapic_accept(l, (uint8_t)e, (uint8_t)mode,
                     mode == LAPIC_DM_FIXED && e & LAPIC_TRIGGER_LEVEL);
    update(l);
}

/* ---- registers ---- */

static int lvt_index(uint32_t reg)
{
    switch (reg) {
    case LAPIC_LVT_TIMER:
        return LVT_TIMER;
    case LAPIC_LVT_THERMAL:
        return LVT_THERMAL;
    case LAPIC_LVT_PERF:
        return LVT_PERF;
    case LAPIC_LVT_LINT0:
        return LVT_LINT0;
    case LAPIC_LVT_LINT1:
        return LVT_LINT1;
    case LAPIC_LVT_ERROR:
        return LVT_ERROR;
    default:
        return -1;
    }
}

bool lapic_x2(const struct lapic *l)
{
    return l->base & APIC_BASE_EXTD;
}

static uint32_t read_ldr(const struct lapic *l)
{
    return lapic_x2(l) ? (l->id >> 4) << 16 | 1u << (l->id & 15) : l->ldr;
}

/* false: no such register */
static bool reg_read(const struct lapic *l, uint32_t reg, uint32_t *v)
{
    const int lvt = lvt_index(reg);
    if (lvt >= 0) {
        *v = l->lvt[lvt];
        return true;
    }
    if (reg >= LAPIC_ISR && reg < LAPIC_IRR + 0x80) {
        const uint32_t *const bank = reg < LAPIC_TMR ? l->isr : reg < LAPIC_IRR ? l->tmr : l->irr;
        *v = bank[reg >> 4 & 7];
        return true;
    }
    switch (reg) {
    case LAPIC_ID:
        *v = lapic_x2(l) ? l->id : l->id << 24;
        return true;
    case LAPIC_VERSION:
        *v = 0x01050014;
        return true; /* 6 LVT entries, EOI broadcast suppression */
    case LAPIC_TPR:
        *v = l->tpr;
        return true;
    case LAPIC_APR:
        *v = ppr(l);
        return !lapic_x2(l);
    case LAPIC_PPR:
        *v = ppr(l);
        return true;
    case LAPIC_LDR:
        *v = read_ldr(l);
        return true;
    case LAPIC_DFR:
        *v = l->dfr;
        return !lapic_x2(l);
    case LAPIC_SVR:
        *v = l->svr;
        return true;
    case LAPIC_ESR:
        *v = l->esr;
        return true;
    case LAPIC_ICR:
        *v = (uint32_t)l->icr;
        return true;
    case LAPIC_ICR_HIGH:
        *v = (uint32_t)(l->icr >> 32);
        return !lapic_x2(l);
    case LAPIC_TIMER_INITIAL:
        *v = l->timer_initial;
        return true;
    case LAPIC_TIMER_CURRENT:
        *v = timer_current(l);
        return true;
    case LAPIC_TIMER_DIVIDE:
        *v = l->timer_divide;
        return true;
    default:
        *v = 0;
        return false;
    }
}

static void lvt_write(struct lapic *l, int n, uint32_t v)
{
    static const uint32_t mask[LVT_COUNT] = {
        [LVT_TIMER] = 0x700ff, [LVT_THERMAL] = 0x107ff, [LVT_PERF] = 0x107ff,
        [LVT_LINT0] = 0x1a7ff, [LVT_LINT1] = 0x1a7ff,   [LVT_ERROR] = 0x100ff,
    };
    const uint32_t old = l->lvt[n], left = n == LVT_TIMER ? timer_current(l) : 0;
    l->lvt[n] = v & mask[n];
    if (n == LVT_TIMER && l->cfg.no_deadline)
        l->lvt[n] &= ~(uint32_t)LAPIC_TIMER_DEADLINE;
    if (!(l->svr & LAPIC_SVR_ENABLE))
        l->lvt[n] |= LAPIC_MASKED;
    if (n == LVT_TIMER && (old ^ l->lvt[n]) & LAPIC_TIMER_MODE) {
        if ((old & LAPIC_TIMER_MODE) == LAPIC_TIMER_DEADLINE ||
            (l->lvt[n] & LAPIC_TIMER_MODE) == LAPIC_TIMER_DEADLINE) {
            l->deadline = 0;
            l->timer_initial = 0;
        }
        timer_resume(l, left);
    }
    update(l);
}

static void svr_write(struct lapic *l, uint32_t v)
{
    l->svr = v & 0x13ff;
    if (!(v & LAPIC_SVR_ENABLE)) {
        for (unsigned n = 0; n < LVT_COUNT; n++)
            l->lvt[n] |= LAPIC_MASKED;
    }
    update(l);
}

static void icr_send(struct lapic *l)
{
    const uint32_t low = (uint32_t)l->icr;
    struct apic_message m = {
        .vector = (uint8_t)low,
        .delivery = (low & LAPIC_DELIVERY) >> LAPIC_DELIVERY_SHIFT,
        .logical = low & LAPIC_LOGICAL,
        .level = low & LAPIC_TRIGGER_LEVEL,
        .assert = low & LAPIC_ASSERT,
        .x2apic_dest = lapic_x2(l),
        .dest = lapic_x2(l) ? (uint32_t)(l->icr >> 32) : (uint32_t)(l->icr >> 56),
    };
    if (m.delivery == LAPIC_DM_INIT && m.level && !m.assert)
        return; /* INIT level de-assert: no effect since the Pentium 4 */
    if (m.delivery <= LAPIC_DM_LOWEST && m.vector < 16) {
        error(l, LAPIC_ESR_SEND_ILLEGAL);
        update(l);
        return;
    }
    m.level = false; /* IPIs are edge triggered */
    apic_net_ipi(l->net, l, &m, low >> LAPIC_SHORTHAND_SHIFT & 3);
}

/* false: no such register, or not writable (x2APIC: #GP) */
static bool reg_write(struct lapic *l, uint32_t reg, uint32_t v)
{
    const int lvt = lvt_index(reg);
    if (lvt >= 0) {
        lvt_write(l, lvt, v);
        return true;
    }
    switch (reg) {
    case LAPIC_ID:
        if (lapic_x2(l))
            return false;
        l->id = v >> 24;
        return true;
    case LAPIC_TPR:
        l->tpr = (uint8_t)v;
        update(l);
        return true;
    case LAPIC_EOI:
        eoi(l);
        return true;
    case LAPIC_LDR:
        l->ldr = v & 0xff000000;
        return !lapic_x2(l);
    case LAPIC_DFR:
        l->dfr = v | 0x0fffffff;
        return !lapic_x2(l);
    case LAPIC_SVR:
        svr_write(l, v);
        return true;
    case LAPIC_ESR:
        l->esr = l->esr_pending;
        l->esr_pending = 0;
        return true;
    case LAPIC_ICR:
        l->icr = (l->icr & 0xffffffff00000000ull) | (v & 0xcdfff);
        icr_send(l);
        return true;
    case LAPIC_ICR_HIGH:
        l->icr = (uint32_t)l->icr | (uint64_t)v << 32;
        return true;
    case LAPIC_TIMER_INITIAL:
        if (timer_mode(l) == LAPIC_TIMER_DEADLINE)
            return true;
        l->timer_initial = v;
        l->timer_expired = 0;
        l->timer_start_ns = clock_now(l->clock);
        timer_arm(l);
        return true;
    case LAPIC_TIMER_DIVIDE: {
        const uint32_t left = timer_current(l);
        l->timer_divide = v & 0xb;
        timer_resume(l, left); /* goes on from here at the new rate */
        return true;
    }
    default:
        return false;
    }
}

static uint64_t mmio_read(void *apic, uint32_t offset, unsigned size)
{
    struct lapic *l = apic;
    uint32_t v = 0;
    if (!reg_read(l, offset & 0xff0, &v))
        error(l, LAPIC_ESR_REGISTER);
    const unsigned shift = (offset & 3) * 8;
    if ((offset & 0xf) + size > 4 && size > 4)
        LOG_GUEST("apic", "%u-byte read at %#x", size, offset);
    return (offset & 0xf) >= 4 ? 0 : (uint64_t)v >> shift;
}

static void mmio_write(void *apic, uint32_t offset, unsigned size, uint64_t v)
{
    struct lapic *l = apic;
    if ((offset & 0xf) || size < 4) {
        LOG_GUEST("apic", "%u-byte write at %#x ignored", size, offset);
        return;
    }
    if (!reg_write(l, offset & 0xff0, (uint32_t)v))
        error(l, LAPIC_ESR_REGISTER);
}

/* ---- MSRs ---- */

static void tell_page(struct lapic *l)
{
    const bool page = (l->base & (APIC_BASE_EN | APIC_BASE_EXTD)) == APIC_BASE_EN;
    l->cfg.signals->set_apic_page(l->cfg.cpu, page ? l->base & 0xfffffff000ull : UINT64_MAX);
}

static bool base_write(struct lapic *l, uint64_t v)
{
    const uint64_t was = l->base & (APIC_BASE_EN | APIC_BASE_EXTD);
    const uint64_t now = v & (APIC_BASE_EN | APIC_BASE_EXTD);
    if (v & ~(0xfffffff000ull | APIC_BASE_EN | APIC_BASE_EXTD | APIC_BASE_BSP))
        return false;
    if ((now & APIC_BASE_EXTD) && l->cfg.no_x2apic)
        return false;
    if (now == APIC_BASE_EXTD || (was == 0 && now == (APIC_BASE_EN | APIC_BASE_EXTD)) ||
        (was == (APIC_BASE_EN | APIC_BASE_EXTD) && now == APIC_BASE_EN))
        return false; /* SDM 3A figure 11-27 */
    l->base = (v & ~(uint64_t)APIC_BASE_BSP) | (l->base & APIC_BASE_BSP);
    if (now != was && (now & APIC_BASE_EXTD)) {
        l->id = l->cfg.id;
        l->icr = 0;
    }
    if (was && !now) { /* SDM 3A 11.4.3: as after a reset, the id too */
        lapic_init_signal(l);
        l->id = l->cfg.id;
    }
    tell_page(l);
    update(l);
    return true;
}

static bool x2_read(struct lapic *l, uint32_t reg, uint64_t *v)
{
    uint32_t low;
    if (reg == LAPIC_ICR) {
        *v = l->icr;
        return true;
    }
    if (reg == LAPIC_EOI || reg == LAPIC_SELF_IPI || !reg_read(l, reg, &low))
        return false;
    *v = low;
    return true;
}

static bool x2_write(struct lapic *l, uint32_t reg, uint64_t v)
{
    switch (reg) {
    case LAPIC_ICR:
        if (v & 0xfff32000)
            return false;
        l->icr = v;
        icr_send(l);
        return true;
    case LAPIC_SELF_IPI:
        if (v >> 8)
            return false;
        l->icr = 0x40000 | v;
        icr_send(l);
        return true;
    case LAPIC_EOI:
    case LAPIC_ESR:
        if (v)
            return false;
        break;
    case LAPIC_TPR:
        if (v >> 8)
            return false;
        break;
    default:
        break;
    }
    if (v >> 32 || reg == LAPIC_ICR_HIGH)
        return false;
    return reg_write(l, reg, (uint32_t)v);
}

static bool msr_read(void *apic, uint32_t msr, uint64_t *v)
{
    struct lapic *l = apic;
    if (msr == MSR_APIC_BASE) {
        *v = l->base;
        return true;
    }
    if (msr == MSR_TSC_DEADLINE) {
        *v = timer_mode(l) == LAPIC_TIMER_DEADLINE ? l->deadline : 0;
        return true;
    }
    return lapic_x2(l) && x2_read(l, (msr - MSR_X2APIC_BASE) << 4, v);
}

static bool msr_write(void *apic, uint32_t msr, uint64_t v)
{
    struct lapic *l = apic;
    if (msr == MSR_APIC_BASE)
        return base_write(l, v);
    if (msr == MSR_TSC_DEADLINE) {
        if (timer_mode(l) == LAPIC_TIMER_DEADLINE) {
            l->deadline = v;
            timer_arm(l);
        }
        return true;
    }
    return lapic_x2(l) && x2_write(l, (msr - MSR_X2APIC_BASE) << 4, v);
}

static uint8_t get_cr8(void *apic)
{
    return ((struct lapic *)apic)->tpr >> 4;
}
static void set_cr8(void *apic, uint8_t cr8)
{
    struct lapic *l = apic;
    l->tpr = (uint8_t)(cr8 << 4);
    update(l);
}

static void pmi(void *apic)
{
    struct lapic *l = apic;
    const uint32_t e = l->lvt[LVT_PERF];
    if (e & LAPIC_MASKED)
        return;
    l->lvt[LVT_PERF] |= LAPIC_MASKED;
    lapic_accept(l, (uint8_t)e, (e & LAPIC_DELIVERY) >> LAPIC_DELIVERY_SHIFT, false);
}

static void init(void *apic)
{
    lapic_init_signal(apic);
}

static void eoi_op(void *apic)
{
    eoi(apic);
}

const struct lp_apic_ops lapic_ops = {
    .ack = lapic_ack,
    .eoi = eoi_op,
    .get_cr8 = get_cr8,
    .set_cr8 = set_cr8,
    .msr_read = msr_read,
    .msr_write = msr_write,
    .mmio_read = mmio_read,
    .mmio_write = mmio_write,
    .pmi = pmi,
    .init = init,
};

/* ---- life ---- */

void lapic_init_signal(struct lapic *l)
{
    const uint64_t base = l->base;
    const uint32_t id = l->id;
    const uint8_t lint0 = l->lint[0], lint1 = l->lint[1];
    fields_reset(l, lapic_fields);
    l->base = base;
    l->id = id;
    l->lint[0] = lint0;
    l->lint[1] = lint1;
    clock_cancel(l->clock, &l->timer);
    update(l);
}

static void reset(struct dev *d)
{
    struct lapic *l = (struct lapic *)d;
    l->base = LAPIC_BASE | APIC_BASE_EN | (l->cfg.bsp ? APIC_BASE_BSP : 0);
    l->id = l->cfg.id;
    if (l->cfg.bsp) { /* as firmware leaves it: virtual wire */
        l->svr = 0xff | LAPIC_SVR_ENABLE;
        l->lvt[LVT_LINT0] = LAPIC_DM_EXTINT << LAPIC_DELIVERY_SHIFT;
        l->lvt[LVT_LINT1] = LAPIC_DM_NMI << LAPIC_DELIVERY_SHIFT;
    }
    clock_cancel(l->clock, &l->timer);
    tell_page(l);
    update(l);
}

static void lapic_free(struct dev *d)
{
    free(d);
}
static const struct dev_class lapic_class = {"lapic", lapic_fields, reset, lapic_free, NULL};
static const char *const ids[] = {"lapic0",  "lapic1",  "lapic2",  "lapic3", "lapic4",  "lapic5",
                                  "lapic6",  "lapic7",  "lapic8",  "lapic9", "lapic10", "lapic11",
                                  "lapic12", "lapic13", "lapic14", "lapic15"};

struct lapic *lapic_new(struct apic_net *net, struct clock *clock, const struct lapic_config *cfg)
{
    struct lapic *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->dev = (struct dev){.cls = &lapic_class, .id = ids[cfg->id & 15]};
    l->cfg = *cfg;
    l->net = net;
    l->clock = clock;
    clock_event_init(clock, &l->timer, "lapic-timer", 10, timer_fire, l);
    apic_net_add(net, l);
    return l;
}

struct dev *lapic_dev(struct lapic *l)
{
    return &l->dev;
}
