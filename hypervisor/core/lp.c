/*
 * The life of a logical processor: pick a VP, enter it, handle its exit, and again. Also what
 * physical interrupts mean, and idling.
 */
#include "hypervisor/apic/hv_apic.h"
#include "hypervisor/iommu/hv_iommu.h"
#include "hypervisor/mm/mm.h"
#include "hypervisor/sched/sched.h"
#include "hypervisor/vmx/hv_vmx.h"

struct hv_lp hv_lps[HV_MAX_LPS];
uint32_t hv_lp_count = 1;

void hv_lp_kick(struct hv_lp *lp)
{
    lp->resched = true;
    if (lp != hv_this_lp() && lp->online)
        hv_lapic_ipi(lp->apic_id, HV_VECTOR_KICK);
}

/* The physical LAPIC holds level interrupts until the root has ended them. Its EOI ends the highest
 * one in service, so ours follow that order whatever order the root's come in. */
void hv_lp_end_level(struct hv_lp *lp, uint32_t vector)
{
    const uint64_t bit = 1ull << (vector & 63);
    if (!(lp->held[vector / 64] & bit))
        return; /* an interrupt of the virtual LAPIC only */
    lp->held_eoi[vector / 64] |= bit;
    for (int i = 3; i >= 0; i--) {
        while (lp->held[i]) {
            const uint64_t top = 1ull << hv_top_bit(lp->held[i]);
            if (!(lp->held_eoi[i] & top))
                return;
            lp->held[i] &= ~top;
            lp->held_eoi[i] &= ~top;
            hv_lapic_eoi();
        }
    }
}

static void device_interrupt(struct hv_lp *lp, uint32_t vector)
{
    struct hv_vp *vp = hv_root->vp[lp->index];
    const bool level = hv_lapic_is_level(vector);
    if (level)
        lp->held[vector / 64] |= 1ull << (vector & 63);
    else
        hv_lapic_eoi();
    if (vp)
        hv_vlapic_post(vp, vector, level);
}

void hv_lp_interrupt(struct hv_lp *lp, uint32_t vector)
{
    switch (vector) {
    case HV_VECTOR_TIMER:
        hv_lapic_eoi();
        hv_timer_expire(lp);
        break;
    case HV_VECTOR_KICK:
        hv_lapic_eoi();
        lp->resched = true;
        break;
    case HV_VECTOR_IOMMU:
        hv_lapic_eoi();
        hv_iommu_fault();
        break;
    case HV_VECTOR_SPURIOUS:
        break;
    default:
        device_interrupt(lp, vector);
        break;
    }
}

/* Nothing to run: sleep until an interrupt; its handler does the work (boot/idt.c). */
static void idle(struct hv_lp *lp)
{
    hv_timer_program(lp);
    lp->idle = true;
    hv_unlock();
    hv_lp_service(lp);
    __asm__ volatile("sti; hlt; cli" : : : "memory");
    hv_lp_service(lp);
    hv_lock();
    lp->idle = false;
}

static void run(struct hv_lp *lp, struct hv_vp *vp)
{
    const uint32_t epoch = vp->epoch;
    lp->in_guest = 1;
    if (vp->info)
        vp->info->state = VITRINE_VP_RUNNING;
    hv_unlock();
    const bool failed = hv_vmx_enter(vp, vp->launched);
    if (failed)
        hv_panic("VM entry of partition %lu VP %u: error %lu", vp->partition->id, vp->index,
                 hv_vmread(VMCS_INSN_ERROR));
    vp->launched = true;
    vp->exit_reason = (uint32_t)hv_vmread(VMCS_EXIT_REASON);
    vp->rip = hv_vmread(VMCS_GUEST_RIP);
    vp->rflags = hv_vmread(VMCS_GUEST_RFLAGS);
    vp->gpr[HV_RSP] = hv_vmread(VMCS_GUEST_RSP);
    vp->interruptibility = (uint32_t)hv_vmread(VMCS_GUEST_INTERRUPTIBILITY);
    hv_barrier();
    const bool interrupt = vp->exit_reason == VMX_EXIT_EXT_INT;
    const uint32_t vector = interrupt ? (uint32_t)hv_vmread(VMCS_EXIT_INTR_INFO) & 0xff : 0;
    lp->in_guest = 0;
    hv_lp_service(lp);
    hv_lock();
    /* While this LP waited, another may have deleted the VP or given it a new RIP: then the exit is
     * of a VP that is no more. An interrupt has to be taken in any case. */
    if (lp->current == vp && vp->epoch == epoch)
        hv_exit_dispatch(vp);
    else if (interrupt)
        hv_lp_interrupt(lp, vector);
}

void hv_lp_run(struct hv_lp *lp)
{
    lp->timer = HV_NO_DEADLINE;
    lp->timer_stale = true;
    lp->slice_end = HV_NO_DEADLINE;
    hv_lock();
    lp->resched = true;
    for (;;) {
        struct hv_vp *vp = hv_sched_pick(lp);
        if (!vp) {
            idle(lp);
            continue;
        }
        hv_vp_load(lp, vp);
        if (!hv_vp_prepare(lp, vp))
            continue;
        hv_timer_program(lp);
        run(lp, vp);
    }
}
