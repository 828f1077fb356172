/*
 * Scheduler: the root VP of an LP runs whenever it can; its children share the rest round robin in
 * slices. VPs never move between LPs.
 *
 * Loading a VP switches what the VMCS does not: FPU state, debug registers, CR2, some MSRs.
 * Not modelled: weights, caps and reserves (CpuWeight and so on are kept and not acted upon).
 */
#include "hypervisor/sched/sched.h"
#include "hypervisor/apic/hv_apic.h"
#include "hypervisor/mm/mm.h"
#include "hypervisor/vmx/hv_vmx.h"

#define SLICE_HZ 200 /* 5 ms */

struct hv_lp *hv_sched_place(void)
{
    struct hv_lp *best = &hv_lps[0];
    for (uint32_t i = 1; i < hv_lp_count; i++) {
        if (hv_lps[i].online && hv_lps[i].vp_count < best->vp_count)
            best = &hv_lps[i];
    }
    return best;
}

struct hv_vp *hv_sched_pick(struct hv_lp *lp)
{
    struct hv_vp *cur = lp->current;
    if (cur && cur->state == VITRINE_VP_READY && !lp->resched)
        return cur;
    lp->resched = false;
    if (lp->slice_end != HV_NO_DEADLINE) {
        lp->slice_end = HV_NO_DEADLINE;
        lp->timer_stale = true;
    }
    struct hv_vp *root = hv_root->vp[lp->index];
    if (root && root->state == VITRINE_VP_READY)
        return root;
    uint32_t ready = 0, at = lp->next, picked = 0;
    struct hv_vp *pick = NULL;
    for (uint32_t i = 0; i < lp->vp_count; i++, at++) {
        if (at >= lp->vp_count)
            at = 0;
        if (lp->vps[at]->state != VITRINE_VP_READY)
            continue;
        ready++;
        if (!pick) {
            pick = lp->vps[at];
            picked = at;
        }
    }
    if (ready > 1) {
        lp->slice_end = hv_rdtsc() + hv_tsc_hz / SLICE_HZ;
        lp->timer_stale = true;
    }
    lp->next = picked + 1;
    return pick;
}

static void fpu_save(struct hv_lp *lp, struct hv_vp *vp)
{
    if (!hv_vmx.xsave) {
        __asm__ volatile("fxsave64 (%0)" : : "r"(vp->fpu) : "memory");
        return;
    }
    if (lp->xcr0 != hv_vmx.xcr0_mask) {
        hv_xsetbv(hv_vmx.xcr0_mask);
        lp->xcr0 = hv_vmx.xcr0_mask;
    }
    __asm__ volatile("xsave64 (%0)" : : "r"(vp->fpu), "a"(-1), "d"(-1) : "memory");
}

static void fpu_load(struct hv_lp *lp, struct hv_vp *vp)
{
    if (!hv_vmx.xsave) {
        __asm__ volatile("fxrstor64 (%0)" : : "r"(vp->fpu) : "memory");
        return;
    }
    if (lp->xcr0 != hv_vmx.xcr0_mask)
        hv_xsetbv(hv_vmx.xcr0_mask);
    __asm__ volatile("xrstor64 (%0)" : : "r"(vp->fpu), "a"(-1), "d"(-1) : "memory");
    if (vp->xcr0 != hv_vmx.xcr0_mask)
        hv_xsetbv(vp->xcr0);
    lp->xcr0 = vp->xcr0;
}

static const uint32_t swmsr_number[HV_SWMSR_COUNT] = {MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SFMASK,
                                                      MSR_TSC_AUX};

static void unload(struct hv_lp *lp, struct hv_vp *vp)
{
    fpu_save(lp, vp);
    vp->cr2 = hv_read_cr2();
    vp->dr[0] = hv_read_dr0();
    vp->dr[1] = hv_read_dr1();
    vp->dr[2] = hv_read_dr2();
    vp->dr[3] = hv_read_dr3();
    vp->dr6 = hv_read_dr6();
    vp->kernel_gs_base = hv_rdmsr(MSR_KERNEL_GS_BASE);
    vp->run_time += hv_rdtsc() - vp->run_start;
}

static void load(struct hv_lp *lp, struct hv_vp *vp)
{
    if (!hv_vmptrld(vp->vmcs))
        hv_panic("VMPTRLD of VP %u of partition %lu failed", vp->index, vp->partition->id);
    fpu_load(lp, vp);
    hv_write_cr2(vp->cr2);
    hv_write_dr0(vp->dr[0]);
    hv_write_dr1(vp->dr[1]);
    hv_write_dr2(vp->dr[2]);
    hv_write_dr3(vp->dr[3]);
    hv_write_dr6(vp->dr6);
    hv_wrmsr(MSR_KERNEL_GS_BASE, vp->kernel_gs_base);
    for (unsigned i = 0; i < HV_SWMSR_COUNT; i++) {
        if (lp->swmsr[i] == vp->swmsr[i])
            continue;
        if (i == HV_SWMSR_TSC_AUX && !(hv_vmx.proc2 & VMX_PROC2_RDTSCP))
            continue;
        hv_wrmsr(swmsr_number[i], vp->swmsr[i]);
        lp->swmsr[i] = vp->swmsr[i];
    }
    vp->run_start = hv_rdtsc();
}

/* Makes vp the one whose state is in this LP. */
void hv_vp_load(struct hv_lp *lp, struct hv_vp *vp)
{
    if (lp->current == vp)
        return;
    if (lp->current) {
        struct hv_vp *old = lp->current;
        unload(lp, old);
        if (old->info && old->state == VITRINE_VP_READY)
            old->info->state = VITRINE_VP_READY;
    }
    lp->current = vp;
    if (!vp->launched && !vp->vmcs_ready) {
        hv_vmcs_setup(vp);
        vp->vmcs_ready = true;
    }
    load(lp, vp);
}

static void set_windows(struct hv_vp *vp, uint32_t want)
{
    const uint32_t windows = VMX_PROC_INT_WINDOW | VMX_PROC_NMI_WINDOW;
    const uint32_t ctl = (vp->proc_ctl & ~windows) | want;
    if (ctl != vp->proc_ctl) {
        vp->proc_ctl = ctl;
        hv_vmwrite(VMCS_PROC_CTL, ctl);
    }
}

static void inject(uint32_t info, uint32_t error, uint32_t length)
{
    hv_vmwrite(VMCS_ENTRY_INTR_INFO, info);
    if (info & VMX_INTR_ERROR_CODE)
        hv_vmwrite(VMCS_ENTRY_ERROR_CODE, error);
    if (length)
        hv_vmwrite(VMCS_ENTRY_INSN_LEN, length);
}

static bool extint_open(const struct hv_vp *vp)
{
    const uint32_t lint0 = vp->apic.lvt[HV_LVT_LINT0];
    return vp->extint >= 0 &&
           (!(vp->apic.base & APIC_BASE_EN) || (lint0 & (APIC_LVT_MASKED | 0x700)) == 0x700);
}

/* One event enters with the VP; windows are opened for what has to wait. */
static void deliver_events(struct hv_vp *vp)
{
    uint32_t windows = 0;
    bool free = true;
    if (vp->event) {
        inject(vp->event, vp->event_error, vp->event_len);
        vp->event = 0;
        free = false;
    }
    if (vp->nmi_pending) {
        if (free && !(vp->interruptibility &
                      (VMX_INT_BLOCK_NMI | VMX_INT_BLOCK_MOVSS | VMX_INT_BLOCK_STI))) {
            vp->nmi_pending = false;
            inject(EXC_NMI | VMX_INTR_NMI | VMX_INTR_VALID, 0, 0);
            free = false;
        } else {
            windows |= VMX_PROC_NMI_WINDOW;
        }
    }
    const bool extint = extint_open(vp);
    const int vector = extint ? vp->extint : hv_vlapic_pending(vp);
    if (vector >= 0) {
        const bool open = (vp->rflags & FL_IF) &&
                          !(vp->interruptibility & (VMX_INT_BLOCK_STI | VMX_INT_BLOCK_MOVSS));
        if (free && open) {
            inject((uint32_t)vector | VMX_INTR_EXT | VMX_INTR_VALID, 0, 0);
            if (extint)
                vp->extint = -1;
            else
                hv_vlapic_accept(vp, (uint32_t)vector);
            if (hv_vlapic_pending(vp) >= 0 || extint_open(vp))
                windows |= VMX_PROC_INT_WINDOW;
        } else {
            windows |= VMX_PROC_INT_WINDOW;
        }
    }
    set_windows(vp, windows);
}

bool hv_vp_prepare(struct hv_lp *lp, struct hv_vp *vp)
{
    struct hv_partition *p = vp->partition;
    if (vp->regs_dirty)
        hv_vmcs_flush(vp);
    vp->regs_valid = false;
    if (vp->dirty_rip)
        hv_vmwrite(VMCS_GUEST_RIP, vp->rip);
    if (vp->dirty_rflags)
        hv_vmwrite(VMCS_GUEST_RFLAGS, vp->rflags);
    if (vp->dirty_rsp)
        hv_vmwrite(VMCS_GUEST_RSP, vp->gpr[HV_RSP]);
    if (vp->dirty_interruptibility)
        hv_vmwrite(VMCS_GUEST_INTERRUPTIBILITY, vp->interruptibility);
    vp->dirty_rip = vp->dirty_rflags = vp->dirty_rsp = vp->dirty_interruptibility = false;
    deliver_events(vp);
    if (vp->ept_gen != p->ept_gen) {
        hv_invept(p->eptp);
        vp->ept_gen = p->ept_gen;
    }
    if (vp->flush_tlb) {
        if (hv_vmx.vpid)
            hv_invvpid(vp->vpid);
        vp->flush_tlb = false;
    }
    (void)lp;
    return true;
}
