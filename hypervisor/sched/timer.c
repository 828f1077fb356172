/*
 * Time: the TSC frequency, reference time, and one deadline timer per LP behind the timers of all
 * VPs that live there.
 *
 * A partition's TSC and reference counter both start at 0 when it is created, so that the offset of
 * its reference TSC page is 0: time = (tsc * scale) >> 64 in 100 ns units, exact in the page, the
 * MSR and the timers alike (TLFS 12.7).
 */
#include "hypervisor/sched/sched.h"
#include "hypervisor/apic/hv_apic.h"
#include "hypervisor/synic/hv_synic.h"

uint64_t hv_tsc_hz;
static uint64_t scale;

/* TSC ticks in 10 ms of the PIT's channel 2 (1193182 Hz), which counts whether or not IRQ 0 is
 * used. */
static uint64_t pit_10ms(void)
{
    const uint32_t count = 11932;
    hv_outb(0x61, (hv_inb(0x61) & 0xfc) | 1); /* gate on, speaker off */
    hv_outb(0x43, 0xb0);                      /* channel 2, mode 0 */
    hv_outb(0x42, count & 0xff);
    hv_outb(0x42, count >> 8);
    const uint64_t start = hv_rdtsc();
    for (uint32_t i = 0; i < 100000000 && !(hv_inb(0x61) & 0x20); i++)
        continue;
    return hv_rdtsc() - start;
}

void hv_timer_init(void)
{
    const uint32_t max = hv_cpuid(0, 0).eax;
    const char *from = "CPUID leaf 15h";
    if (max >= 0x15) {
        const struct hv_cpuid c = hv_cpuid(0x15, 0);
        if (c.eax && c.ebx && c.ecx)
            hv_tsc_hz = (uint64_t)c.ecx * c.ebx / c.eax;
    }
    if (!hv_tsc_hz) {
        from = "PIT";
        hv_tsc_hz = pit_10ms() * 100;
    }
    if (hv_tsc_hz < 20000000)
        hv_tsc_hz = 20000000; /* the scale below needs more than 10 MHz */
    /* floor(10^7 * 2^64 / hz) */
    uint64_t rem;
    __asm__("divq %4"
            : "=a"(scale), "=d"(rem)
            : "0"(0ull), "1"(10000000ull), "r"(hv_tsc_hz)
            : "cc");
    hv_log(HV_LOG_INFO, "TSC %lu kHz by %s", hv_tsc_hz / 1000, from);
}

uint64_t hv_ref_scale(void)
{
    return scale;
}

uint64_t hv_ref_time(const struct hv_partition *p)
{
    return hv_mul_hi(hv_rdtsc() - p->tsc_base, scale);
}

/* The first host TSC at which hv_ref_time is at least ref. */
uint64_t hv_ref_to_tsc(const struct hv_partition *p, uint64_t ref)
{
    uint64_t tsc = hv_muldiv(ref, hv_tsc_hz, 10000000);
    if (tsc > UINT64_MAX / 2)
        return HV_NO_DEADLINE - 1;
    while (hv_mul_hi(tsc, scale) < ref)
        tsc++;
    return tsc + p->tsc_base;
}

void hv_timer_update(struct hv_vp *vp)
{
    uint64_t first = vp->apic.deadline;
    for (unsigned i = 0; i < HV_STIMER_COUNT; i++) {
        if (vp->stimer[i].deadline < first)
            first = vp->stimer[i].deadline;
    }
    if (vp->deadline == first)
        return;
    vp->deadline = first;
    vp->lp->timer_stale = true;
    if (vp->lp != hv_this_lp())
        hv_lp_kick(vp->lp);
}

static void vp_expire(struct hv_vp *vp, uint64_t now)
{
    if (vp->apic.deadline <= now)
        hv_vlapic_timer_expired(vp, now);
    for (unsigned i = 0; i < HV_STIMER_COUNT; i++) {
        if (vp->stimer[i].deadline <= now)
            hv_stimer_expired(vp, i);
    }
    hv_timer_update(vp);
}

void hv_timer_expire(struct hv_lp *lp)
{
    const uint64_t now = hv_rdtsc();
    lp->timer = HV_NO_DEADLINE; /* it has fired */
    lp->timer_stale = true;
    for (uint32_t i = 0; i < lp->vp_count; i++) {
        if (lp->vps[i]->deadline <= now)
            vp_expire(lp->vps[i], now);
    }
    if (lp->slice_end <= now) {
        lp->slice_end = HV_NO_DEADLINE;
        lp->resched = true;
    }
}

/* The LAPIC is written only when the earliest deadline changed. */
void hv_timer_program(struct hv_lp *lp)
{
    if (!lp->timer_stale)
        return;
    lp->timer_stale = false;
    uint64_t first = lp->slice_end;
    for (uint32_t i = 0; i < lp->vp_count; i++) {
        if (lp->vps[i]->deadline < first)
            first = lp->vps[i]->deadline;
    }
    if (first != lp->timer) {
        lp->timer = first;
        hv_lapic_timer(first);
    }
}
