/*
 * Virtual local APIC (SDM 3A 10.4-10.12), xAPIC and x2APIC: registers, delivery, IPIs, timer.
 *
 * A VP takes an interrupt at VM entry (sched/inject.c); nothing here touches the VMCS. The timer
 * counts at HV_VLAPIC_HZ. For the root, EOI of a level vector that came from a device also ends it
 * in the physical LAPIC (lp.c).
 * Not modelled: focus processor, remote read, SMI, error interrupt on reserved register access,
 * cluster model with more than 4 bits of members in flat xAPIC.
 */
#include "hypervisor/apic/hv_apic.h"
#include "hypervisor/icept/icept.h"
#include "hypervisor/sched/sched.h"
#include "hypervisor/synic/hv_synic.h"

#define VERSION             0x00050014u /* 6 LVT entries, integrated */
#define ICR_LOGICAL         (1u << 11)
#define ICR_LEVEL_ASSERT    (1u << 14)
#define ICR_TRIGGER_LEVEL   (1u << 15)
#define ICR_WRITABLE        0x000ccfffu
#define ESR_ILLEGAL_SEND    (1u << 5)
#define ESR_ILLEGAL_RECEIVE (1u << 6)

static const uint32_t lvt_writable[6] = {0x700ff, 0x107ff, 0x107ff, 0x1a7ff, 0x1a7ff, 0x100ff};

static uint32_t x2apic_ldr(uint32_t id)
{
    return (id >> 4) << 16 | 1u << (id & 15);
}

void hv_vlapic_init(struct hv_vp *vp)
{
    struct hv_vlapic *a = &vp->apic;
    const uint64_t base = a->base;
    const uint32_t id = a->id;
    memset(a, 0, sizeof(*a));
    a->base = base;
    a->id = id;
    a->dfr = 0xffffffff;
    a->svr = 0xff;
    a->deadline = HV_NO_DEADLINE;
    for (unsigned i = 0; i < 6; i++)
        a->lvt[i] = APIC_LVT_MASKED;
    if (hv_vlapic_x2apic(vp))
        a->ldr = x2apic_ldr(id);
    hv_timer_update(vp);
}

void hv_vlapic_reset(struct hv_vp *vp)
{
    const bool bsp = vp->index == 0;
    vp->apic.id = vp->partition->is_root ? vp->lp->apic_id : vp->index;
    vp->apic.base = 0xfee00000u | APIC_BASE_EN | (bsp ? APIC_BASE_BSP : 0);
    hv_vlapic_init(vp);
    if (bsp) { /* as firmware leaves it: PIC through LINT0, NMI on LINT1 */
        vp->apic.lvt[HV_LVT_LINT0] = 0x700;
        vp->apic.lvt[HV_LVT_LINT1] = 0x400;
    }
}

static int highest(const uint64_t *map)
{
    for (int i = 3; i >= 0; i--) {
        if (map[i])
            return i * 64 + hv_top_bit(map[i]);
    }
    return -1;
}

static uint32_t ppr(const struct hv_vlapic *a)
{
    const int isr = highest(a->isr);
    const uint32_t isr_class = isr < 0 ? 0 : (uint32_t)isr & 0xf0;
    return isr_class > (a->tpr & 0xf0) ? isr_class : a->tpr & 0xff;
}

int hv_vlapic_pending(const struct hv_vp *vp)
{
    const struct hv_vlapic *a = &vp->apic;
    if (!(a->irr[0] | a->irr[1] | a->irr[2] | a->irr[3]))
        return -1; /* the usual case on the exit path */
    const int irr = highest(a->irr);
    if (irr < 0 || ((uint32_t)irr & 0xf0) <= (ppr(a) & 0xf0))
        return -1;
    return irr;
}

void hv_vlapic_accept(struct hv_vp *vp, uint32_t vector)
{
    const uint64_t bit = 1ull << (vector & 63);
    vp->apic.irr[vector / 64] &= ~bit;
    if (!(vp->synic.auto_eoi[vector / 64] & bit))
        vp->apic.isr[vector / 64] |= bit;
    else if (vp->synic.queued_sints)
        hv_synic_scan(vp);
}

void hv_vlapic_post(struct hv_vp *vp, uint32_t vector, bool level)
{
    struct hv_vlapic *a = &vp->apic;
    const uint64_t bit = 1ull << (vector & 63);
    if (vector < 16) {
        a->esr_next |= ESR_ILLEGAL_RECEIVE;
        return;
    }
    if (!(a->base & APIC_BASE_EN) || !(a->svr & APIC_SVR_ENABLE))
        return;
    if (level)
        a->tmr[vector / 64] |= bit;
    else
        a->tmr[vector / 64] &= ~bit;
    if (a->irr[vector / 64] & bit)
        return;
    a->irr[vector / 64] |= bit;
    hv_vp_kick(vp);
}

void hv_vlapic_eoi(struct hv_vp *vp)
{
    struct hv_vlapic *a = &vp->apic;
    const int vector = highest(a->isr);
    if (vector < 0)
        return;
    const uint64_t bit = 1ull << (vector & 63);
    a->isr[vector / 64] &= ~bit;
    if (a->tmr[vector / 64] & bit) {
        if (vp->partition->is_root)
            hv_lp_end_level(vp->lp, (uint32_t)vector);
        else
            hv_icept_eoi(vp, (uint32_t)vector);
    }
    if (vp->synic.queued_sints && (vp->synic.sint_vector[vector / 64] & bit))
        hv_synic_scan(vp);
}

/* ---- delivery ---- */
static bool is_target(const struct hv_vp *vp, uint32_t dest, bool logical)
{
    const struct hv_vlapic *a = &vp->apic;
    const bool x2 = hv_vlapic_x2apic(vp);
    if (dest == 0xffffffff || (!x2 && dest == 0xff))
        return true;
    if (!logical)
        return a->id == dest;
    if (x2)
        return dest >> 16 == a->ldr >> 16 && (dest & a->ldr & 0xffff);
    const uint32_t ldr = a->ldr >> 24;
    if (a->dfr >> 28 == 0xf)
        return ldr & dest & 0xff;
    return (dest >> 4 & 0xf) == ldr >> 4 && (dest & ldr & 0xf);
}

static void deliver_one(struct hv_vp *vp, uint32_t type, uint32_t vector, bool level)
{
    switch (type) {
    case HV_INTERRUPT_FIXED:
    case HV_INTERRUPT_LOWEST_PRIORITY:
        hv_vlapic_post(vp, vector, level);
        break;
    case HV_INTERRUPT_NMI:
        vp->nmi_pending = true;
        hv_vp_kick(vp);
        break;
    case HV_INTERRUPT_INIT:
        hv_vp_stop(vp);
        hv_vp_fetch(vp);
        hv_vp_init(vp);
        break;
    case HV_INTERRUPT_SIPI:
        hv_vp_sipi(vp, vector);
        break;
    case HV_INTERRUPT_EXTINT:
        vp->extint = (int)vector;
        hv_vp_kick(vp);
        break;
    default:
        break;
    }
}

bool hv_vlapic_deliver(struct hv_partition *p, uint32_t dest, bool logical, uint32_t type,
                       uint32_t vector, bool level)
{
    bool found = false;
    for (uint32_t i = 0; i < HV_MAX_VPS; i++) {
        struct hv_vp *vp = p->vp[i];
        if (!vp || !is_target(vp, dest, logical))
            continue;
        deliver_one(vp, type, vector, level);
        found = true;
        if (type == HV_INTERRUPT_LOWEST_PRIORITY)
            break;
    }
    return found;
}

void hv_vlapic_icr(struct hv_vp *vp, uint32_t low, uint32_t dest)
{
    const uint32_t type = low >> 8 & 7, vector = low & 0xff, shorthand = low >> 18 & 3;
    const bool level = low & ICR_TRIGGER_LEVEL;
    if (type == HV_INTERRUPT_INIT && level && !(low & ICR_LEVEL_ASSERT))
        return; /* INIT level de-assert: no effect since the Pentium 4 */
    if (type == HV_INTERRUPT_EXTINT || type == HV_INTERRUPT_REMOTE_READ)
        return; /* reserved in the ICR: only the parent's interrupt controllers send ExtINT */
    if (type <= HV_INTERRUPT_LOWEST_PRIORITY && vector < 16) {
        vp->apic.esr_next |= ESR_ILLEGAL_SEND;
        return;
    }
    if (shorthand == 0) {
        hv_vlapic_deliver(vp->partition, dest, low & ICR_LOGICAL, type, vector, false);
        return;
    }
    for (uint32_t i = 0; i < HV_MAX_VPS; i++) {
        struct hv_vp *t = vp->partition->vp[i];
        if (t && (shorthand == 2 || (shorthand == 1) == (t == vp)))
            deliver_one(t, type, vector, false);
    }
}

/* ---- timer ---- */
static uint64_t ticks_to_tsc(const struct hv_vlapic *a, uint32_t ticks)
{
    const unsigned shift = ((a->tdcr & 3) | (a->tdcr >> 1 & 4)) + 1;
    return hv_muldiv((uint64_t)ticks << (shift & 7), hv_tsc_hz, HV_VLAPIC_HZ);
}

static uint64_t clamp_period(uint64_t tsc)
{
    const uint64_t least = hv_tsc_hz / HV_MIN_PERIOD_HZ;
    return tsc < least ? least : tsc;
}

static void timer_start(struct hv_vp *vp)
{
    struct hv_vlapic *a = &vp->apic;
    const uint32_t mode = a->lvt[HV_LVT_TIMER] & APIC_TIMER_MODE;
    a->timer_period = 0;
    if (mode == APIC_TIMER_TSC)
        return;
    if (!a->ticr) {
        a->deadline = HV_NO_DEADLINE;
    } else {
        const uint64_t length = ticks_to_tsc(a, a->ticr);
        a->deadline = hv_rdtsc() + length;
        if (mode == APIC_TIMER_PERIODIC)
            a->timer_period = clamp_period(length);
    }
    hv_timer_update(vp);
}

static uint32_t timer_current(const struct hv_vlapic *a)
{
    if (a->deadline == HV_NO_DEADLINE || (a->lvt[HV_LVT_TIMER] & APIC_TIMER_MODE) == APIC_TIMER_TSC)
        return 0;
    const uint64_t now = hv_rdtsc();
    if (now >= a->deadline)
        return 0;
    const unsigned shift = ((a->tdcr & 3) | (a->tdcr >> 1 & 4)) + 1;
    return (uint32_t)(hv_muldiv(a->deadline - now, HV_VLAPIC_HZ, hv_tsc_hz) >> (shift & 7));
}

void hv_vlapic_set_tsc_deadline(struct hv_vp *vp, uint64_t value)
{
    struct hv_vlapic *a = &vp->apic;
    if ((a->lvt[HV_LVT_TIMER] & APIC_TIMER_MODE) != APIC_TIMER_TSC)
        return;
    a->tsc_deadline = value;
    a->deadline = value ? value - vp->tsc_offset : HV_NO_DEADLINE;
    hv_timer_update(vp);
}

void hv_vlapic_timer_expired(struct hv_vp *vp, uint64_t now)
{
    struct hv_vlapic *a = &vp->apic;
    if (a->timer_period) {
        a->deadline += a->timer_period;
        if (a->deadline <= now) /* ticks missed while the VP did not run coalesce */
            a->deadline = now + a->timer_period - (now - a->deadline) % a->timer_period;
    } else {
        a->deadline = HV_NO_DEADLINE;
        a->tsc_deadline = 0;
    }
    if (!(a->lvt[HV_LVT_TIMER] & APIC_LVT_MASKED))
        hv_vlapic_post(vp, a->lvt[HV_LVT_TIMER] & 0xff, false);
}

/* ---- registers ---- */
bool hv_vlapic_read(struct hv_vp *vp, uint32_t reg, uint32_t *value)
{
    const struct hv_vlapic *a = &vp->apic;
    const bool x2 = hv_vlapic_x2apic(vp);
    *value = 0;
    if (reg >= APIC_ISR && reg < APIC_ESR) {
        const uint64_t *map = reg < APIC_TMR ? a->isr : reg < APIC_IRR ? a->tmr : a->irr;
        *value = (uint32_t)(map[(reg & 7) / 2] >> (reg & 1 ? 32 : 0));
        return true;
    }
    switch (reg) {
    case APIC_ID:
        *value = x2 ? a->id : a->id << 24;
        return true;
    case APIC_VERSION:
        *value = VERSION;
        return true;
    case APIC_TPR:
        *value = a->tpr;
        return true;
    case APIC_APR:
        return !x2;
    case APIC_PPR:
        *value = ppr(a);
        return true;
    case APIC_EOI:
        return !x2;
    case APIC_LDR:
        *value = a->ldr;
        return true;
    case APIC_DFR:
        *value = a->dfr;
        return !x2;
    case APIC_SVR:
        *value = a->svr;
        return true;
    case APIC_ESR:
        *value = a->esr;
        return true;
    case APIC_ICR:
        *value = a->icr_lo;
        return true;
    case APIC_ICR_HI:
        *value = a->icr_hi;
        return !x2;
    case APIC_TICR:
        *value = a->ticr;
        return true;
    case APIC_TCCR:
        *value = timer_current(a);
        return true;
    case APIC_TDCR:
        *value = a->tdcr;
        return true;
    default:
        break;
    }
    if (reg >= APIC_LVT_TIMER && reg <= APIC_LVT_ERROR) {
        *value = a->lvt[reg - APIC_LVT_TIMER];
        return true;
    }
    return !x2;
}

static void write_lvt(struct hv_vp *vp, uint32_t n, uint32_t value)
{
    struct hv_vlapic *a = &vp->apic;
    const uint32_t old = a->lvt[n];
    a->lvt[n] = value & lvt_writable[n];
    if (!(a->svr & APIC_SVR_ENABLE))
        a->lvt[n] |= APIC_LVT_MASKED;
    if (n != HV_LVT_TIMER || !((old ^ value) & APIC_TIMER_MODE))
        return;
    if (((old ^ value) & APIC_TIMER_TSC)) { /* into or out of deadline mode disarms */
        a->deadline = HV_NO_DEADLINE;
        a->tsc_deadline = a->ticr = 0;
        a->timer_period = 0;
        hv_timer_update(vp);
    } else if (a->deadline != HV_NO_DEADLINE) {
        a->timer_period = value & APIC_TIMER_PERIODIC ? clamp_period(ticks_to_tsc(a, a->ticr)) : 0;
    }
}

static void write_svr(struct hv_vp *vp, uint32_t value)
{
    struct hv_vlapic *a = &vp->apic;
    a->svr = value & 0x1ff;
    if (!(a->svr & APIC_SVR_ENABLE)) {
        for (unsigned i = 0; i < 6; i++)
            a->lvt[i] |= APIC_LVT_MASKED;
    }
}

bool hv_vlapic_write(struct hv_vp *vp, uint32_t reg, uint32_t value)
{
    struct hv_vlapic *a = &vp->apic;
    const bool x2 = hv_vlapic_x2apic(vp);
    switch (reg) {
    case APIC_ID:
        return !x2; /* read-only here, as on current processors */
    case APIC_TPR:
        a->tpr = value & 0xff;
        return true;
    case APIC_EOI:
        if (x2 && value)
            return false;
        hv_vlapic_eoi(vp);
        return true;
    case APIC_LDR:
        if (x2)
            return false;
        a->ldr = value & 0xff000000;
        return true;
    case APIC_DFR:
        if (x2)
            return false;
        a->dfr = value | 0x0fffffff;
        return true;
    case APIC_SVR:
        write_svr(vp, value);
        return true;
    case APIC_ESR:
        if (x2 && value)
            return false;
        a->esr = a->esr_next;
        a->esr_next = 0;
        return true;
    case APIC_ICR:
        a->icr_lo = value & ICR_WRITABLE;
        hv_vlapic_icr(vp, a->icr_lo, a->icr_hi >> 24);
        return true;
    case APIC_ICR_HI:
        a->icr_hi = value & 0xff000000;
        return !x2;
    case APIC_TICR:
        if ((a->lvt[HV_LVT_TIMER] & APIC_TIMER_MODE) != APIC_TIMER_TSC) {
            a->ticr = value;
            timer_start(vp);
        }
        return true;
    case APIC_TDCR:
        a->tdcr = value & 0xb;
        return true;
    default:
        break;
    }
    if (reg >= APIC_LVT_TIMER && reg <= APIC_LVT_ERROR) {
        write_lvt(vp, reg - APIC_LVT_TIMER, value);
        return true;
    }
    return !x2;
}

bool hv_vlapic_msr_read(struct hv_vp *vp, uint32_t msr, uint64_t *value)
{
    const uint32_t reg = msr - MSR_X2APIC_BASE;
    uint32_t low;
    if (!hv_vlapic_x2apic(vp) || reg == APIC_EOI || reg == APIC_SELF_IPI ||
        !hv_vlapic_read(vp, reg, &low))
        return false;
    *value = low;
    if (reg == APIC_ICR)
        *value |= (uint64_t)vp->apic.icr_hi << 32;
    return true;
}

bool hv_vlapic_msr_write(struct hv_vp *vp, uint32_t msr, uint64_t value)
{
    const uint32_t reg = msr - MSR_X2APIC_BASE;
    if (!hv_vlapic_x2apic(vp))
        return false;
    if (reg == APIC_ICR) {
        vp->apic.icr_hi = (uint32_t)(value >> 32);
        vp->apic.icr_lo = (uint32_t)value & ICR_WRITABLE;
        hv_vlapic_icr(vp, vp->apic.icr_lo, vp->apic.icr_hi);
        return true;
    }
    if (value >> 32)
        return false;
    if (reg == APIC_SELF_IPI) {
        hv_vlapic_post(vp, (uint32_t)value & 0xff, false);
        return true;
    }
    const bool read_only = reg == APIC_VERSION || reg == APIC_PPR || reg == APIC_TCCR ||
                           (reg >= APIC_ISR && reg < APIC_ESR);
    return !read_only && hv_vlapic_write(vp, reg, (uint32_t)value);
}

/* IA32_APIC_BASE: only the transitions of SDM 3A figure 10-27, and the page stays where it is. */
bool hv_vlapic_set_base(struct hv_vp *vp, uint64_t value)
{
    const uint64_t modes = APIC_BASE_EN | APIC_BASE_EXTD;
    const uint64_t old = vp->apic.base;
    if ((value ^ old) & ~modes)
        return false;
    const uint64_t from = old & modes, to = value & modes;
    if (to == APIC_BASE_EXTD || (from == modes && to == APIC_BASE_EN) || (!from && to == modes))
        return false;
    if (to == modes && !vp->partition->is_root && !(vp->partition->flags & HV_PART_FLAG_X2APIC))
        return false;
    vp->apic.base = value;
    if (to == modes && from != modes)
        vp->apic.ldr = x2apic_ldr(vp->apic.id);
    if (!to)
        hv_vlapic_init(vp);
    return true;
}
