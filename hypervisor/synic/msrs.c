/*
 * Synthetic MSRs 0x40000000-0x400010ff (TLFS 2-12): privilege first, then the register's own rules.
 * False means #GP. The clock registers work before GUEST_OS_ID is set, since guests read them
 * first. Not modelled: STATS, SYNDBG, NPIEP, reenlightenment, unhalted timer, nested SynIC, SIRBP.
 */
#include "hypervisor/apic/hv_apic.h"
#include "hypervisor/icept/icept.h"
#include "hypervisor/mm/mm.h"
#include "hypervisor/sched/sched.h"
#include "hypervisor/synic/hv_synic.h"
#include "hypervisor/vmx/hv_vmx.h"

/* Which bit of leaf 3 EAX guards a register, plus 1; BY_FEATURE: crash registers, leaf 3 EDX. */
#define BY_FEATURE 0xff
static const uint8_t guard[0x120] = {
    [0x00 ... 0x01] = 5 + 1,  /* GUEST_OS_ID, HYPERCALL */
    [0x02] = 6 + 1,           /* VP_INDEX */
    [0x03] = 7 + 1,           /* RESET */
    [0x10] = 0 + 1,           /* VP_RUNTIME */
    [0x20] = 1 + 1,           /* TIME_REF_COUNT */
    [0x21] = 9 + 1,           /* REFERENCE_TSC */
    [0x22 ... 0x23] = 11 + 1, /* frequencies */
    [0x70 ... 0x73] = 4 + 1,  /* EOI, ICR, TPR, VP_ASSIST_PAGE */
    [0x80 ... 0x84] = 2 + 1,  /* SynIC */
    [0x90 ... 0x9f] = 2 + 1,  /* SINTs */
    [0xb0 ... 0xb7] = 3 + 1,  /* synthetic timers */
    [0xf0] = 10 + 1,          /* GUEST_IDLE */
    [0x100 ... 0x105] = BY_FEATURE,
    [0x118] = 15 + 1, /* TSC_INVARIANT_CONTROL */
};

static bool allowed(const struct hv_partition *p, uint32_t msr)
{
    const uint32_t n = msr - HV_MSR_FIRST;
    const uint8_t g = n < sizeof(guard) ? guard[n] : 0;
    if (g == BY_FEATURE)
        return p->features & HV_FEAT_CRASH_MSRS;
    return g && (p->privileges >> (g - 1) & 1);
}

bool hv_synth_msr_read(struct hv_vp *vp, uint32_t msr, uint64_t *value)
{
    struct hv_partition *p = vp->partition;
    if (!allowed(p, msr))
        return false;
    if (msr >= HV_MSR_SINT0 && msr <= HV_MSR_SINT15) {
        *value = vp->synic.sint[msr - HV_MSR_SINT0];
        return true;
    }
    if (msr >= HV_MSR_STIMER0_CONFIG && msr <= HV_MSR_STIMER3_COUNT) {
        const struct hv_stimer *t = &vp->stimer[(msr - HV_MSR_STIMER0_CONFIG) / 2];
        *value = msr & 1 ? t->count : t->config;
        return true;
    }
    switch (msr) {
    case HV_MSR_GUEST_OS_ID:
        *value = p->guest_os_id;
        return true;
    case HV_MSR_HYPERCALL:
        *value = p->hypercall_msr;
        return true;
    case HV_MSR_VP_INDEX:
        *value = vp->index;
        return true;
    case HV_MSR_RESET:
        *value = 0;
        return true;
    case HV_MSR_VP_RUNTIME:
        *value = hv_mul_hi(vp->run_time + hv_rdtsc() - vp->run_start, hv_ref_scale());
        return true;
    case HV_MSR_TIME_REF_COUNT:
        *value = hv_ref_time(p);
        return true;
    case HV_MSR_REFERENCE_TSC:
        *value = p->reference_tsc_msr;
        return true;
    case HV_MSR_TSC_FREQUENCY:
        *value = hv_tsc_hz;
        return true;
    case HV_MSR_APIC_FREQUENCY:
        *value = HV_VLAPIC_HZ;
        return true;
    case HV_MSR_ICR:
        *value = (uint64_t)vp->apic.icr_hi << 32 | vp->apic.icr_lo;
        return true;
    case HV_MSR_TPR:
        *value = vp->apic.tpr;
        return true;
    case HV_MSR_VP_ASSIST_PAGE:
        *value = vp->assist_page;
        return true;
    case HV_MSR_SCONTROL:
        *value = vp->synic.scontrol;
        return true;
    case HV_MSR_SVERSION:
        *value = 1;
        return true;
    case HV_MSR_SIEFP:
        *value = vp->synic.siefp;
        return true;
    case HV_MSR_SIMP:
        *value = vp->synic.simp;
        return true;
    case HV_MSR_EOM:
        *value = 0;
        return true;
    case HV_MSR_CRASH_CTL:
        *value = HV_CRASH_NOTIFY | HV_CRASH_MESSAGE;
        return true;
    default:
        break;
    }
    if (msr >= HV_MSR_CRASH_P0 && msr <= HV_MSR_CRASH_P4) {
        *value = p->crash[msr - HV_MSR_CRASH_P0];
        return true;
    }
    return false; /* EOI is write-only, GUEST_IDLE and TSC_INVARIANT are not offered */
}

static void write_guest_os_id(struct hv_partition *p, uint64_t value)
{
    p->guest_os_id = value;
    if (!value) {
        p->hypercall_msr &= ~HV_MSR_ENABLE;
        hv_overlay_clear(p, &p->hypercall_overlay);
    }
}

static bool write_hypercall(struct hv_partition *p, uint64_t value)
{
    struct hv_overlay *o = &p->hypercall_overlay;
    if (p->hypercall_msr & HV_HYPERCALL_LOCKED)
        return true;
    value &= ~HV_HYPERCALL_LOCKED; /* locking is not offered */
    if (!p->guest_os_id)
        value &= ~HV_MSR_ENABLE;
    if ((value & HV_MSR_ENABLE) && o->active && o->gpfn == value >> 12) {
        p->hypercall_msr = value;
        return true;
    }
    hv_overlay_clear(p, o);
    if ((value & HV_MSR_ENABLE) && !hv_overlay_set(p, o, value >> 12)) {
        p->hypercall_msr &= ~HV_MSR_ENABLE;
        return false;
    }
    p->hypercall_msr = value;
    return true;
}

/* The page is the guest's own; offset 0 because its TSC and reference time start together. */
static bool write_reference_tsc(struct hv_partition *p, uint64_t value)
{
    if (value & HV_MSR_ENABLE) {
        struct hv_tsc_page *t = hv_gpa_page(p, value & X86_PAGE_MASK, EPT_R | EPT_W);
        if (!t)
            return false;
        t->sequence = 0;
        hv_barrier();
        t->scale = hv_ref_scale();
        t->offset = 0;
        hv_barrier();
        t->sequence = p->tsc_written ? 0 : 1;
    }
    p->reference_tsc_msr = value;
    return true;
}

static bool write_assist_page(struct hv_vp *vp, uint64_t value)
{
    if (value & HV_MSR_ENABLE) {
        uint32_t *page = hv_gpa_page(vp->partition, value & X86_PAGE_MASK, EPT_R | EPT_W);
        if (!page)
            return false;
        page[0] = 0; /* "no EOI required" is never offered */
    }
    vp->assist_page = value;
    return true;
}

static bool write_synic(struct hv_vp *vp, uint32_t msr, uint64_t value)
{
    switch (msr) {
    case HV_MSR_SCONTROL:
        vp->synic.scontrol = value;
        if (value & HV_MSR_ENABLE)
            hv_synic_scan(vp);
        return true;
    case HV_MSR_SIEFP:
        return hv_synic_set_page(vp, &vp->synic.siefp, value);
    case HV_MSR_SIMP:
        return hv_synic_set_page(vp, &vp->synic.simp, value);
    case HV_MSR_EOM:
        hv_synic_scan(vp);
        return true;
    default:
        return false; /* SVERSION */
    }
}

bool hv_msr_wants_parent(const struct hv_vp *vp, uint32_t msr, uint64_t value)
{
    return !vp->partition->is_root && msr == HV_MSR_CRASH_CTL && (value & HV_CRASH_NOTIFY);
}

bool hv_synth_msr_write(struct hv_vp *vp, uint32_t msr, uint64_t value)
{
    struct hv_partition *p = vp->partition;
    if (!allowed(p, msr))
        return false;
    if (msr >= HV_MSR_SCONTROL && msr <= HV_MSR_EOM)
        return write_synic(vp, msr, value);
    if (msr >= HV_MSR_SINT0 && msr <= HV_MSR_SINT15)
        return hv_synic_set_sint(vp, msr - HV_MSR_SINT0, value);
    if (msr >= HV_MSR_STIMER0_CONFIG && msr <= HV_MSR_STIMER3_COUNT) {
        const unsigned n = (msr - HV_MSR_STIMER0_CONFIG) / 2;
        if (!(msr & 1))
            return hv_stimer_set_config(vp, n, value);
        hv_stimer_set_count(vp, n, value);
        return true;
    }
    if (msr >= HV_MSR_CRASH_P0 && msr <= HV_MSR_CRASH_P4) {
        p->crash[msr - HV_MSR_CRASH_P0] = value;
        return true;
    }
    switch (msr) {
    case HV_MSR_GUEST_OS_ID:
        write_guest_os_id(p, value);
        return true;
    case HV_MSR_HYPERCALL:
        return write_hypercall(p, value);
    case HV_MSR_REFERENCE_TSC:
        return write_reference_tsc(p, value);
    case HV_MSR_EOI:
        hv_vlapic_eoi(vp);
        return true;
    case HV_MSR_ICR:
        vp->apic.icr_hi = (uint32_t)(value >> 32);
        vp->apic.icr_lo = (uint32_t)value;
        hv_vlapic_icr(vp, (uint32_t)value,
                      hv_vlapic_x2apic(vp) ? vp->apic.icr_hi : vp->apic.icr_hi >> 24);
        return true;
    case HV_MSR_TPR:
        if (value > 0xff)
            return false;
        vp->apic.tpr = (uint32_t)value;
        return true;
    case HV_MSR_VP_ASSIST_PAGE:
        return write_assist_page(vp, value);
    case HV_MSR_CRASH_CTL:
        p->crash_ctl = value;
        if (value & HV_CRASH_NOTIFY)
            hv_log_sin(p, "partition %lu reports a crash: %lx %lx %lx %lx %lx", p->id, p->crash[0],
                       p->crash[1], p->crash[2], p->crash[3], p->crash[4]);
        return true;
    default:
        return false;
    }
}
