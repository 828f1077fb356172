/*
 * What to do about each VM exit (SDM 3C 26, 28). Runs with hv_lock held and the VMCS current.
 * Not modelled: task switches in guests (reported as unsupported), single steps over emulated
 * instructions.
 */
#include "hypervisor/apic/hv_apic.h"
#include "hypervisor/hcall/hcall.h"
#include "hypervisor/icept/icept.h"
#include "hypervisor/mm/mm.h"
#include "hypervisor/sched/sched.h"
#include "hypervisor/vmx/hv_vmx.h"

typedef void exit_fn(struct hv_vp *vp);

static void dump_and_panic(struct hv_vp *vp, const char *what)
{
    hv_vp_fetch(vp);
    const struct hv_regs *r = &vp->regs;
    hv_panic(
        "%s: partition %lu VP %u reason %x qual %lx rip %lx rsp %lx rflags %lx cr0 %lx cr3 %lx "
        "cr4 %lx efer %lx cs %x gpa %lx gla %lx",
        what, vp->partition->id, vp->index, vp->exit_reason, hv_vmread(VMCS_EXIT_QUAL), vp->rip,
        vp->gpr[HV_RSP], vp->rflags, r->cr0, r->cr3, r->cr4, r->efer, r->seg[SEG_CS].selector,
        hv_vmread(VMCS_GUEST_PHYS_ADDR), hv_vmread(VMCS_GUEST_LINEAR_ADDR));
}

static void exit_exception(struct hv_vp *vp)
{
    const uint32_t info = (uint32_t)hv_vmread(VMCS_EXIT_INTR_INFO);
    if ((info & VMX_INTR_TYPE_MASK) == VMX_INTR_NMI) {
        if (hv_root->vp[vp->lp->index])
            hv_root->vp[vp->lp->index]->nmi_pending = true;
        return;
    }
    hv_icept_exception(vp, info);
}

static void exit_ext_int(struct hv_vp *vp)
{
    hv_lp_interrupt(vp->lp, (uint32_t)hv_vmread(VMCS_EXIT_INTR_INFO) & VMX_INTR_VECTOR_MASK);
}

static void exit_triple_fault(struct hv_vp *vp)
{
    if (vp->partition->is_root)
        dump_and_panic(vp, "root triple fault");
    hv_vp_fetch(vp);
    hv_log(HV_LOG_DEBUG, "partition %lu VP %u triple fault at %lx", vp->partition->id, vp->index,
           vp->rip);
    hv_icept_plain(vp, HV_MSG_UNRECOVERABLE_EXCEPTION);
}

static void exit_nothing(struct hv_vp *vp)
{
    (void)vp; /* windows: delivery happens at the next entry */
}

static void exit_unsupported(struct hv_vp *vp)
{
    if (vp->partition->is_root)
        dump_and_panic(vp, "unsupported exit");
    hv_log_sin(vp->partition, "STUB exit %u of partition %lu at %lx", vp->exit_reason,
               vp->partition->id, vp->rip);
    hv_icept_plain(vp, HV_MSG_UNSUPPORTED_FEATURE);
}

static void exit_ud(struct hv_vp *vp)
{
    hv_vp_ud(vp);
}

static void exit_gp(struct hv_vp *vp)
{
    hv_vp_gp(vp);
}

static void exit_hlt(struct hv_vp *vp)
{
    hv_vp_advance(vp);
    vp->halted = true;
    hv_vp_update(vp);
}

static void exit_skip(struct hv_vp *vp)
{
    hv_vp_advance(vp);
}

static void exit_pause(struct hv_vp *vp)
{
    vp->lp->resched = true;
}

static void exit_cr_access(struct hv_vp *vp)
{
    const uint64_t q = hv_vmread(VMCS_EXIT_QUAL);
    const uint32_t cr = VMX_QUAL_CR_NUM(q), type = VMX_QUAL_CR_TYPE(q), gpr = VMX_QUAL_CR_GPR(q);
    if (cr == 8 && type == VMX_QUAL_CR_MOV_TO) {
        if (vp->gpr[gpr] > 15) {
            hv_vp_gp(vp);
            return;
        }
        vp->apic.tpr = (uint32_t)vp->gpr[gpr] << 4;
    } else if (cr == 8 && type == VMX_QUAL_CR_MOV_FROM) {
        vp->gpr[gpr] = vp->apic.tpr >> 4;
        vp->dirty_rsp |= gpr == HV_RSP;
    } else if (cr == 4) {
        hv_vp_gp(vp); /* a bit of what CPUID does not offer */
        return;
    } else if (cr == 0) {
        /* NE differs from its shadow: hardware keeps it set, the guest sees what it wrote. */
        uint64_t value = vp->gpr[gpr];
        const uint64_t old = hv_vmread(VMCS_GUEST_CR0);
        if (type == VMX_QUAL_CR_LMSW)
            value = (old & ~0xeull) | (VMX_QUAL_CR_LMSW_SRC(q) & 0xf);
        if (((value & CR0_PG) && !(value & CR0_PE)) || ((value & CR0_NW) && !(value & CR0_CD)) ||
            value >> 32) {
            hv_vp_gp(vp);
            return;
        }
        hv_vp_fetch(vp);
        const uint64_t efer = vp->regs.efer;
        const bool long_code = (efer & EFER_LMA) && (vp->regs.seg[SEG_CS].attributes & SA_L);
        if (!(value & CR0_PG) && (long_code || (vp->regs.cr4 & CR4_PCIDE))) {
            hv_vp_gp(vp);
            return;
        }
        if ((value & CR0_PG) && !(old & CR0_PG) && (efer & EFER_LME)) {
            if (!(vp->regs.cr4 & CR4_PAE)) {
                hv_vp_gp(vp);
                return;
            }
            vp->regs.efer |= EFER_LMA;
        } else if (!(value & CR0_PG)) {
            vp->regs.efer &= ~(uint64_t)EFER_LMA;
        }
        vp->regs.cr0 = value | CR0_ET;
        vp->regs_dirty = true;
    }
    hv_vp_advance(vp);
}

static void exit_io(struct hv_vp *vp)
{
    hv_icept_io(vp);
}

static void exit_rdmsr(struct hv_vp *vp)
{
    uint64_t value;
    if (hv_msr_read(vp, (uint32_t)vp->gpr[HV_RCX], &value)) {
        vp->gpr[HV_RAX] = (uint32_t)value;
        vp->gpr[HV_RDX] = value >> 32;
        hv_vp_advance(vp);
    } else if (vp->partition->msr_intercept) {
        hv_icept_msr(vp, HV_INTERCEPT_READ);
    } else {
        hv_vp_gp(vp);
    }
}

static void exit_wrmsr(struct hv_vp *vp)
{
    const uint64_t value = vp->gpr[HV_RDX] << 32 | (uint32_t)vp->gpr[HV_RAX];
    const uint32_t epoch = vp->epoch;
    if (hv_msr_write(vp, (uint32_t)vp->gpr[HV_RCX], value)) {
        if (hv_msr_wants_parent(vp, (uint32_t)vp->gpr[HV_RCX], value))
            hv_icept_msr(vp, HV_INTERCEPT_WRITE);
        else if (vp->epoch == epoch) /* else it sent INIT to itself */
            hv_vp_advance(vp);
    } else if (vp->partition->msr_intercept) {
        hv_icept_msr(vp, HV_INTERCEPT_WRITE);
    } else {
        hv_vp_gp(vp);
    }
}

static void exit_ept_violation(struct hv_vp *vp)
{
    struct hv_partition *p = vp->partition;
    const uint64_t q = hv_vmread(VMCS_EXIT_QUAL), gpa = hv_vmread(VMCS_GUEST_PHYS_ADDR);
    int level;
    const uint64_t e = hv_ept_lookup(p, gpa, &level);
    const uint64_t want = q & (EPT_R | EPT_W | EPT_X);
    if ((e & want) == want && want) { /* another LP mapped it meanwhile */
        vp->flush_tlb = true;
        hv_invept(p->eptp);
        return;
    }
    if (e & HV_EPT_OVERLAY) {
        hv_vp_gp(vp);
        return;
    }
    if (hv_vlapic_mmio(vp, gpa, q) || hv_ept_demand(p, gpa))
        return;
    if (p->is_root)
        dump_and_panic(vp, "root touched memory that is not its own");
    hv_icept_gpa(vp, gpa, q,
                 e & (EPT_R | EPT_W | EPT_X) ? HV_MSG_GPA_INTERCEPT : HV_MSG_UNMAPPED_GPA);
}

static void exit_entry_failure(struct hv_vp *vp)
{
    if (vp->partition->is_root)
        dump_and_panic(vp, "root VM entry failed");
    hv_log_sin(vp->partition, "partition %lu VP %u: VM entry refused its state (qualification %lx)",
               vp->partition->id, vp->index, hv_vmread(VMCS_EXIT_QUAL));
    hv_icept_plain(vp, HV_MSG_INVALID_VP_REGISTER);
}

static void exit_xsetbv(struct hv_vp *vp)
{
    const uint64_t value = vp->gpr[HV_RDX] << 32 | (uint32_t)vp->gpr[HV_RAX];
    const bool avx_ok = !(value & 4) || (value & 2);
    const bool avx512_ok = !(value & 0xe0) || (value & 0xe6) == 0xe6;
    if ((uint32_t)vp->gpr[HV_RCX] != 0 || !(value & 1) || (value & ~hv_vmx.xcr0_mask) || !avx_ok ||
        !avx512_ok || hv_vp_cpl(vp) != 0) {
        hv_vp_gp(vp);
        return;
    }
    vp->xcr0 = value;
    hv_xsetbv(value);
    vp->lp->xcr0 = value;
    hv_vp_advance(vp);
}

static exit_fn *const handlers[VMX_EXIT_COUNT] = {
    [VMX_EXIT_EXCEPTION_NMI] = exit_exception,
    [VMX_EXIT_EXT_INT] = exit_ext_int,
    [VMX_EXIT_TRIPLE_FAULT] = exit_triple_fault,
    [VMX_EXIT_INT_WINDOW] = exit_nothing,
    [VMX_EXIT_NMI_WINDOW] = exit_nothing,
    [VMX_EXIT_CPUID] = hv_cpuid_emulate,
    [VMX_EXIT_GETSEC] = exit_ud,
    [VMX_EXIT_HLT] = exit_hlt,
    [VMX_EXIT_INVD] = exit_skip,
    [VMX_EXIT_RDPMC] = exit_gp,
    [VMX_EXIT_VMCALL] = hv_hypercall,
    [VMX_EXIT_VMCLEAR] = exit_ud,
    [VMX_EXIT_VMLAUNCH] = exit_ud,
    [VMX_EXIT_VMPTRLD] = exit_ud,
    [VMX_EXIT_VMPTRST] = exit_ud,
    [VMX_EXIT_VMREAD] = exit_ud,
    [VMX_EXIT_VMRESUME] = exit_ud,
    [VMX_EXIT_VMWRITE] = exit_ud,
    [VMX_EXIT_VMXOFF] = exit_ud,
    [VMX_EXIT_VMXON] = exit_ud,
    [VMX_EXIT_CR_ACCESS] = exit_cr_access,
    [VMX_EXIT_IO] = exit_io,
    [VMX_EXIT_RDMSR] = exit_rdmsr,
    [VMX_EXIT_WRMSR] = exit_wrmsr,
    [VMX_EXIT_ENTRY_GUEST_STATE] = exit_entry_failure,
    [VMX_EXIT_MWAIT] = exit_ud,
    [VMX_EXIT_MONITOR] = exit_ud,
    [VMX_EXIT_PAUSE] = exit_pause,
    [VMX_EXIT_EPT_VIOLATION] = exit_ept_violation,
    [VMX_EXIT_INVEPT] = exit_ud,
    [VMX_EXIT_INVVPID] = exit_ud,
    [VMX_EXIT_WBINVD] = exit_skip,
    [VMX_EXIT_XSETBV] = exit_xsetbv,
    [VMX_EXIT_VMFUNC] = exit_ud,
    [VMX_EXIT_ENCLS] = exit_ud,
};

/* An event whose delivery the exit cut short goes in again with the next entry. */
static void keep_vectored_event(struct hv_vp *vp)
{
    const uint32_t info = (uint32_t)hv_vmread(VMCS_IDT_VEC_INFO);
    if (!(info & VMX_INTR_VALID))
        return;
    vp->event = info & ~(uint32_t)VMX_INTR_NMI_UNBLOCK_IRET;
    if (info & VMX_INTR_ERROR_CODE)
        vp->event_error = (uint32_t)hv_vmread(VMCS_IDT_VEC_ERROR);
    const uint32_t type = info & VMX_INTR_TYPE_MASK;
    vp->event_len = type >= VMX_INTR_SW_INT ? (uint32_t)hv_vmread(VMCS_EXIT_INSN_LEN) : 0;
    if (type == VMX_INTR_NMI && (vp->interruptibility & VMX_INT_BLOCK_NMI)) {
        vp->interruptibility &= ~VMX_INT_BLOCK_NMI;
        vp->dirty_interruptibility = true;
    }
}

void hv_exit_dispatch(struct hv_vp *vp)
{
    const uint32_t reason = vp->exit_reason & VMX_EXIT_BASIC_MASK;
    if (!(vp->exit_reason & VMX_EXIT_ENTRY_FAILURE))
        keep_vectored_event(vp);
    exit_fn *const f = reason < VMX_EXIT_COUNT ? handlers[reason] : NULL;
    (f ? f : exit_unsupported)(vp);
}
