/*
 * Virtual processors: life, reset states (SDM 3A 9.1), suspension, and access to their registers.
 */
#include "hypervisor/apic/hv_apic.h"
#include "hypervisor/mm/mm.h"
#include "hypervisor/sched/sched.h"
#include "hypervisor/synic/hv_synic.h"
#include "hypervisor/vmx/hv_vmx.h"

static void set_state(struct hv_vp *vp, uint32_t state)
{
    vp->state = state;
    if (vp->info)
        vp->info->state = state;
}

static void reset_regs(struct hv_vp *vp)
{
    struct hv_regs *r = &vp->regs;
    memset(r, 0, sizeof(*r));
    for (unsigned i = 0; i < 6; i++)
        r->seg[i] = (struct hv_segment){.limit = 0xffff, .attributes = SA_P | SA_S | 3};
    r->seg[SEG_CS] = (struct hv_segment){
        .base = 0xffff0000, .limit = 0xffff, .selector = 0xf000, .attributes = SA_P | SA_S | 11};
    r->seg[SEG_LDTR] = (struct hv_segment){.limit = 0xffff, .attributes = SA_P | ST_LDT};
    r->seg[SEG_TR] = (struct hv_segment){.limit = 0xffff, .attributes = SA_P | ST_TSS_BUSY};
    r->gdt_limit = r->idt_limit = 0xffff;
    r->cr0 = CR0_ET | CR0_CD | CR0_NW;
    r->dr7 = DR7_FIXED1;
    r->pat = 0x0007040600070406ull;
    vp->regs_valid = vp->regs_dirty = true;
    memset(vp->gpr, 0, sizeof(vp->gpr));
    vp->gpr[HV_RDX] = 0x600;
    vp->rip = 0xfff0;
    vp->rflags = FL_FIXED1;
    vp->interruptibility = 0;
    vp->dirty_rip = vp->dirty_rsp = vp->dirty_rflags = vp->dirty_interruptibility = true;
    vp->cr2 = 0;
    memset(vp->dr, 0, sizeof(vp->dr));
    vp->dr6 = DR6_FIXED1;
    vp->event = 0;
    vp->nmi_pending = false;
    vp->extint = -1;
}

void hv_vp_reset(struct hv_vp *vp)
{
    reset_regs(vp);
    vp->xcr0 = 1;
    vp->kernel_gs_base = 0;
    memset(vp->swmsr, 0, sizeof(vp->swmsr));
    memset(vp->fpu, 0, HV_PAGE);
    *(uint16_t *)(vp->fpu + 0) = 0x37f;   /* FCW */
    *(uint32_t *)(vp->fpu + 24) = 0x1f80; /* MXCSR */
    *(uint64_t *)(vp->fpu + 512) = 3;     /* XSTATE_BV */
    vp->mtrr = (struct hv_mtrrs){.def_type = 0xc06};
    for (unsigned i = 0; i < HV_ARRAY_SIZE(vp->mtrr.fixed); i++)
        vp->mtrr.fixed[i] = 0x0606060606060606ull;
    hv_vlapic_reset(vp);
    hv_synic_reset(vp);
    vp->wait_sipi = vp->index != 0;
}

uint32_t hv_vp_create(struct hv_partition *p, uint32_t index, struct hv_lp *lp)
{
    if (index >= HV_MAX_VPS || p->vp[index])
        return HV_STATUS_INVALID_VP_INDEX;
    if (lp->vp_count == HV_LP_VPS)
        return HV_STATUS_NO_RESOURCES;
    const uint64_t page = hv_partition_page(p), vmcs = hv_partition_page(p);
    const uint64_t fpu = hv_partition_page(p);
    if (!page || !vmcs || !fpu) {
        if (page)
            hv_partition_free_page(p, page);
        if (vmcs)
            hv_partition_free_page(p, vmcs);
        return HV_STATUS_INSUFFICIENT_MEMORY;
    }
    struct hv_vp *vp = hv_va(page);
    vp->partition = p;
    vp->index = index;
    vp->lp = lp;
    vp->vmcs = vmcs;
    vp->fpu = hv_va(fpu);
    vp->vpid = 1 + (uint32_t)(p - hv_partitions) * HV_MAX_VPS + index;
    vp->tsc_offset = (uint64_t)0 - p->tsc_base;
    vp->flush_tlb = true;
    vp->explicit_suspend = true;
    vp->deadline = HV_NO_DEADLINE;
    hv_vp_reset(vp);
    vp->info = &p->info->vp[index];
    *vp->info = (struct vitrine_vp){.index = index, .vmcs_hpa = vmcs, .ept_root_hpa = p->ept_root};
    p->vp[index] = vp;
    p->vp_count++;
    p->info->vp_count = p->vp_count;
    lp->vps[lp->vp_count++] = vp;
    hv_vp_update(vp);
    return HV_STATUS_SUCCESS;
}

/* The processor may keep parts of an active VMCS: its LP clears it before the page is used
 * again. */
static void release_vmcs(struct hv_vp *vp)
{
    struct hv_lp *lp = vp->lp, *self = hv_this_lp();
    if (!vp->vmcs_ready)
        return;
    if (lp == self) {
        hv_vmclear(vp->vmcs);
        if (lp->current)
            hv_vmptrld(lp->current->vmcs);
        return;
    }
    lp->clear = vp->vmcs;
    hv_lp_kick(lp);
    while (lp->clear)
        hv_pause();
}

/* The VP is stopped. */
void hv_vp_destroy(struct hv_vp *vp)
{
    struct hv_partition *p = vp->partition;
    struct hv_lp *lp = vp->lp;
    for (uint32_t i = 0; i < lp->vp_count; i++) {
        if (lp->vps[i] == vp) {
            lp->vps[i] = lp->vps[--lp->vp_count];
            break;
        }
    }
    if (lp->current == vp)
        lp->current = NULL;
    release_vmcs(vp);
    hv_synic_forget(vp);
    memset(vp->info, 0, sizeof(*vp->info));
    p->vp[vp->index] = NULL;
    p->info->vp_count = --p->vp_count;
    hv_partition_free_page(p, vp->vmcs);
    hv_partition_free_page(p, hv_pa(vp->fpu));
    hv_partition_free_page(p, hv_pa(vp));
}

void hv_vp_init(struct hv_vp *vp)
{
    reset_regs(vp);
    vp->epoch++;
    hv_vlapic_init(vp);
    vp->wait_sipi = vp->index != 0;
    vp->halted = false;
    hv_vp_update(vp);
    hv_vp_kick(vp);
}

void hv_vp_sipi(struct hv_vp *vp, uint32_t vector)
{
    if (!vp->wait_sipi)
        return;
    vp->wait_sipi = false;
    vp->regs.seg[SEG_CS].selector = (uint16_t)(vector << 8);
    vp->regs.seg[SEG_CS].base = (uint64_t)vector << 12;
    vp->regs_dirty = true;
    hv_vp_set_rip(vp, 0);
    hv_vp_update(vp);
    hv_vp_kick(vp);
}

static bool must_wake(const struct hv_vp *vp)
{
    return vp->nmi_pending || vp->event ||
           ((vp->rflags & FL_IF) && (vp->extint >= 0 || hv_vlapic_pending(vp) >= 0));
}

void hv_vp_update(struct hv_vp *vp)
{
    if (vp->explicit_suspend || vp->intercept_suspend) {
        set_state(vp, VITRINE_VP_SUSPENDED);
    } else if (vp->wait_sipi) {
        set_state(vp, VITRINE_VP_WAIT_SIPI);
    } else {
        if (vp->halted && must_wake(vp))
            vp->halted = false;
        set_state(vp, vp->halted ? VITRINE_VP_HALTED : VITRINE_VP_READY);
    }
    struct hv_lp *lp = vp->lp;
    if (lp->current != vp || vp->state != VITRINE_VP_READY)
        lp->resched = true;
}

/* After something was made pending for the VP. */
void hv_vp_kick(struct hv_vp *vp)
{
    if (vp->halted)
        hv_vp_update(vp);
    struct hv_lp *lp = vp->lp;
    if (lp != hv_this_lp() && (lp->idle || lp->current == vp || vp->partition->is_root))
        hv_lp_kick(lp);
}

void hv_vp_stop(struct hv_vp *vp)
{
    struct hv_lp *lp = vp->lp;
    hv_vp_update(vp);
    if (lp == hv_this_lp() || lp->current != vp)
        return;
    if (lp->in_guest)
        hv_lp_kick(lp);
    while (lp->in_guest)
        hv_pause();
}

/* The VP is not in guest mode: it is this LP's own, suspended, or stopped. */
void hv_vp_fetch(struct hv_vp *vp)
{
    if (vp->regs_valid)
        return;
    struct hv_lp *self = hv_this_lp();
    if (vp->lp != self) {
        vp->lp->fetch = vp;
        hv_lp_kick(vp->lp);
        while (vp->lp->fetch)
            hv_pause();
        return;
    }
    if (self->current != vp)
        hv_vmptrld(vp->vmcs);
    hv_vmcs_fetch(vp);
    if (self->current && self->current != vp)
        hv_vmptrld(self->current->vmcs);
}

/* Past the instruction that exited. Not modelled: a single-step trap after an emulated
 * instruction. */
void hv_vp_advance(struct hv_vp *vp)
{
    hv_vp_set_rip(vp, vp->rip + hv_vmread(VMCS_EXIT_INSN_LEN));
    if (vp->interruptibility & (VMX_INT_BLOCK_STI | VMX_INT_BLOCK_MOVSS)) {
        vp->interruptibility &= ~(VMX_INT_BLOCK_STI | VMX_INT_BLOCK_MOVSS);
        vp->dirty_interruptibility = true;
    }
}

void hv_vp_inject(struct hv_vp *vp, uint32_t vector, bool has_error, uint32_t error)
{
    hv_vp_fetch(vp);
    const bool protected_mode = vp->regs.cr0 & CR0_PE;
    vp->event = vector | VMX_INTR_HW_EXC | VMX_INTR_VALID;
    if (has_error && protected_mode)
        vp->event |= VMX_INTR_ERROR_CODE;
    vp->event_error = error;
    vp->event_len = 0;
}

/* Of the VP that just exited on this LP, or one whose registers were fetched. */
unsigned hv_vp_cpl(struct hv_vp *vp)
{
    const uint32_t ar = vp->regs_valid || vp->lp->current != vp || vp->lp != hv_this_lp()
                            ? vp->regs.seg[SEG_SS].attributes
                            : (uint32_t)hv_vmread(VMCS_GUEST_SS_AR);
    return (ar & SA_DPL) >> SA_DPL_SHIFT;
}
