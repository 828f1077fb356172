/*
 * What VT-x does around EPT besides the walk (mmu/ept.c): VM exits by violations and
 * misconfigurations, virtualization exceptions, the page-modification log, and VMFUNC with EPTP
 * switching (SDM 3C 26.5.6, 26.5.7, 28.2.1, 29.3.3, 29.3.6).
 *
 * Not modelled: VM functions other than EPTP switching, sub-page write permissions.
 */
#include "cpu/vmx/vmx_int.h"
#include "mmu/mmu.h"

/* ---- violations ---- */

/* Virtualization-exception information area (26.5.7.2) */
enum {
    VE_REASON = 0,
    VE_BUSY = 4,
    VE_QUAL = 8,
    VE_GLA = 16,
    VE_GPA = 24,
    VE_EPTP_INDEX = 32,
};

static bool becomes_ve(const struct cpu *c, const struct ept_violation *e)
{
    const struct vmx *x = c->vmx;
    return (x->proc2 & VMX_PROC2_EPT_VE) && !e->suppress_ve && (c->cr0 & CR0_PE) &&
           c->delivering < 0 && vmx_phys_ld(c, x->vmcs.ve_info_addr + VE_BUSY, 4) == 0;
}

static _Noreturn void raise_ve(struct cpu *c, const struct ept_violation *e)
{
    const struct vmcs *v = &c->vmx->vmcs;
    const uint64_t area = v->ve_info_addr;
    vmx_phys_st(c, area + VE_REASON, 4, VMX_EXIT_EPT_VIOLATION);
    vmx_phys_st(c, area + VE_BUSY, 4, UINT32_MAX);
    vmx_phys_st(c, area + VE_QUAL, 8, e->qual);
    vmx_phys_st(c, area + VE_GLA, 8, e->gla);
    vmx_phys_st(c, area + VE_GPA, 8, e->gpa);
    vmx_phys_st(c, area + VE_EPTP_INDEX, 2, v->eptp_index);
    cpu_fault_noerr(c, EXC_VE);
}

_Noreturn void vmx_ept_violation(struct cpu *c, const struct ept_violation *e)
{
    struct vmcs *v = &c->vmx->vmcs;
    if (becomes_ve(c, e))
        raise_ve(c, e);
    v->guest_phys_addr = e->gpa;
    if (e->qual & VMX_QUAL_EPT_GLA_VALID)
        v->guest_linear_addr = e->gla;
    vmx_exit(c, VMX_EXIT_EPT_VIOLATION, e->qual);
}

_Noreturn void vmx_exit_ept_misconfig(struct cpu *c, uint64_t gpa)
{
    c->vmx->vmcs.guest_phys_addr = gpa;
    vmx_exit(c, VMX_EXIT_EPT_MISCONFIG, 0);
}

/* ---- page-modification logging (29.3.6) ---- */

bool vmx_pml_full(const struct cpu *c)
{
    return (c->vmx->proc2 & VMX_PROC2_PML) && c->vmx->vmcs.pml_index >= VMX_PML_ENTRIES;
}

void vmx_pml_log(struct cpu *c, uint64_t gpa)
{
    struct vmcs *v = &c->vmx->vmcs;
    if (!(c->vmx->proc2 & VMX_PROC2_PML))
        return;
    vmx_phys_st(c, v->pml_addr + 8 * (uint64_t)v->pml_index, 8, gpa & ~0xfffull);
    v->pml_index--; /* 0 becomes ffff: full */
}

_Noreturn void vmx_exit_pml_full(struct cpu *c)
{
    vmx_exit(c, VMX_EXIT_PML_FULL, 0);
}

/* ---- VM functions (26.5.6) ---- */

bool vmx_eptp_ok(const struct vmx *x, uint64_t eptp)
{
    const unsigned t = eptp & EPTP_MEMTYPE_MASK;
    return (t == EPT_MT_UC || t == EPT_MT_WB) && (eptp & EPTP_WALK_MASK) == EPTP_WALK4 &&
           !(eptp & (EPTP_RESERVED_LOW | ~x->env.phys_mask));
}

void op_vmfunc(struct cpu *c, const struct insn *i)
{
    struct vmx *const x = c->vmx;
    struct vmcs *const v = &x->vmcs;
    (void)i;
    if (!c->non_root || !(x->proc2 & VMX_PROC2_VMFUNC))
        cpu_fault_noerr(c, EXC_UD);
    const uint32_t function = (uint32_t)c->r[R_AX], entry = (uint32_t)c->r[R_CX];
    if (function >= 64 || !(v->vmfunc_ctl >> function & 1) || entry >= VMX_EPTP_LIST_ENTRIES)
        vmx_exit(c, VMX_EXIT_VMFUNC, 0);
    const uint64_t eptp = vmx_phys_ld(c, v->eptp_list_addr + 8ull * entry, 8);
    if (!vmx_eptp_ok(x, eptp))
        vmx_exit(c, VMX_EXIT_VMFUNC, 0);
    v->eptp = eptp;
    if (x->proc2 & VMX_PROC2_EPT_VE)
        v->eptp_index = (uint16_t)entry;
    mmu_update_ctx(c);
}
