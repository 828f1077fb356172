/*
 * Synthetic timers (TLFS 12.2): four per VP, one-shot or periodic in reference time, expiring as a
 * message or, in direct mode, as an interrupt.
 * Not modelled: lazy timers are as punctual as the others.
 */
#include "hypervisor/apic/hv_apic.h"
#include "hypervisor/sched/sched.h"
#include "hypervisor/synic/hv_synic.h"

void hv_stimer_reset(struct hv_vp *vp)
{
    for (unsigned i = 0; i < HV_STIMER_COUNT; i++) {
        vp->stimer[i].config = vp->stimer[i].count = 0;
        vp->stimer[i].expiry = vp->stimer[i].deadline = HV_NO_DEADLINE;
    }
    hv_timer_update(vp);
}

static void arm(struct hv_vp *vp, struct hv_stimer *t, uint64_t expiry)
{
    t->expiry = expiry;
    t->deadline = expiry == HV_NO_DEADLINE ? HV_NO_DEADLINE : hv_ref_to_tsc(vp->partition, expiry);
    hv_timer_update(vp);
}

static void restart(struct hv_vp *vp, unsigned n)
{
    struct hv_stimer *t = &vp->stimer[n];
    if (!(t->config & HV_STIMER_ENABLE) || !t->count) {
        arm(vp, t, HV_NO_DEADLINE);
        return;
    }
    if (!(t->config & HV_STIMER_PERIODIC)) {
        arm(vp, t, t->count);
        return;
    }
    const uint64_t now = hv_ref_time(vp->partition);
    arm(vp, t, t->count > UINT64_MAX / 2 - now ? HV_NO_DEADLINE : now + t->count);
}

static void notify(struct hv_vp *vp, unsigned n, uint64_t now)
{
    struct hv_stimer *t = &vp->stimer[n];
    if (t->config & HV_STIMER_DIRECT) {
        hv_vlapic_post(vp, t->config >> HV_STIMER_VECTOR_SHIFT & 0xff, false);
        return;
    }
    if (t->msg.queued)
        return; /* the last tick is not taken yet: they coalesce */
    const struct hv_timer_payload p = {.index = n, .expiration = t->expiry, .delivery = now};
    t->msg.msg = (struct hv_message){.type = HV_MSG_TIMER_EXPIRED, .size = sizeof(p)};
    memcpy(t->msg.msg.payload, &p, sizeof(p));
    hv_synic_post(vp, t->config >> HV_STIMER_SINT_SHIFT & 0xf, &t->msg);
}

void hv_stimer_expired(struct hv_vp *vp, unsigned n)
{
    struct hv_stimer *t = &vp->stimer[n];
    const uint64_t now = hv_ref_time(vp->partition);
    notify(vp, n, now);
    if (t->config & HV_STIMER_PERIODIC) {
        const uint64_t least = 10000000 / HV_MIN_PERIOD_HZ;
        const uint64_t period = t->count < least ? least : t->count;
        uint64_t next = t->expiry + period;
        if (next <= now)
            next = now + period - (now - t->expiry) % period;
        arm(vp, t, next);
    } else {
        t->config &= ~HV_STIMER_ENABLE;
        arm(vp, t, HV_NO_DEADLINE);
    }
}

bool hv_stimer_set_config(struct hv_vp *vp, unsigned n, uint64_t value)
{
    struct hv_stimer *t = &vp->stimer[n];
    const bool direct = value & HV_STIMER_DIRECT;
    if (value & ~HV_STIMER_VALID)
        return false;
    if (direct && !(vp->partition->features & HV_FEAT_DIRECT_STIMER))
        return false;
    if (direct && (value >> HV_STIMER_VECTOR_SHIFT & 0xff) < 16)
        return false;
    t->config = value;
    if (!direct && !(value >> HV_STIMER_SINT_SHIFT & 0xf))
        t->config &= ~HV_STIMER_ENABLE;
    restart(vp, n);
    return true;
}

void hv_stimer_set_count(struct hv_vp *vp, unsigned n, uint64_t value)
{
    struct hv_stimer *t = &vp->stimer[n];
    t->count = value;
    if (!value)
        t->config &= ~HV_STIMER_ENABLE;
    else if (t->config & HV_STIMER_AUTO_ENABLE)
        t->config |= HV_STIMER_ENABLE;
    restart(vp, n);
}
