/*
 * VM entry behind the checks that fail with an error number (SDM 3C 27.3-27.7): guest-state checks,
 * loading guest state, the MSR-load list, what is pending right after entry.
 *
 * The injected event is not delivered here but by vmx_poll, first thing at the next instruction
 * boundary: delivery may fault or exit, and must not look like part of VMLAUNCH.
 * Not modelled: entry to SMM, controls not announced.
 */
#include "cpu/sys/pmu.h"
#include "cpu/timing/timing.h"
#include "cpu/vmx/vmx_int.h"

#include "cpu/vmx/state.h"
#include "mmu/mmu.h"

static void load_segments(struct cpu *c, const struct vmcs *v)
{
#define GUEST_SEG(n, p)                                                                           \
    c->seg[n] = (struct seg){.base = v->guest_##p##_base, .limit = v->guest_##p##_limit,          \
                             .attr = v->guest_##p##_ar & ~VMX_AR_RESERVED,                         \
                             .sel = v->guest_##p##_sel};
    GUEST_SEGS
#undef GUEST_SEG
    c->gdtr = (struct dtable){v->guest_gdtr_base, (uint16_t)v->guest_gdtr_limit};
    c->idtr = (struct dtable){v->guest_idtr_base, (uint16_t)v->guest_idtr_limit};
    c->cpl = c->seg[SEG_SS].attr >> SA_DPL_SHIFT & 3;
}

static void load_registers(struct cpu *c, const struct vmcs *v)
{
    const bool ia32e = v->entry_ctl & VMX_NCTL_IA32E_GUEST;
    c->cr0 = (v->guest_cr0 & ~VMX_CR0_KEEP) | (c->cr0 & VMX_CR0_KEEP);
    c->cr3 = v->guest_cr3;
    c->cr4 = v->guest_cr4;
    if (v->entry_ctl & VMX_NCTL_LOAD_DEBUG) {
        const uint64_t old = c->dr[7];
        c->dr[7] = (v->guest_dr7 & 0xffff2fff) | DR7_FIXED1;
        if ((old | c->dr[7]) & 0xff)
            mmu_watch_changed(c);
        c->debugctl = v->guest_debugctl;
    }
    c->sysenter_cs = v->guest_sysenter_cs;
    c->sysenter_esp = v->guest_sysenter_esp;
    c->sysenter_eip = v->guest_sysenter_eip;
    if (v->entry_ctl & VMX_NCTL_LOAD_PAT)
        c->pat = v->guest_pat;
    if (v->entry_ctl & VMX_NCTL_LOAD_EFER) {
        c->efer = v->guest_efer;
    } else {
        c->efer = (c->efer & ~(uint64_t)EFER_LMA) | (ia32e ? EFER_LMA : 0);
        if (c->cr0 & CR0_PG)
            c->efer = (c->efer & ~(uint64_t)EFER_LME) | (ia32e ? EFER_LME : 0);
    }
    c->r[R_SP] = v->guest_rsp;
    c->rip = v->guest_rip;
}

static void load_non_register(struct cpu *c, const struct vmcs *v)
{
    static const uint8_t activity[] = {
        [VMX_ACTIVITY_ACTIVE] = CPU_ACTIVE, [VMX_ACTIVITY_HLT] = CPU_HALTED,
        [VMX_ACTIVITY_SHUTDOWN] = CPU_SHUTDOWN, [VMX_ACTIVITY_SIPI] = CPU_WAIT_SIPI,
    };
    const uint32_t blocking = v->guest_interruptibility;
    c->shadow = (blocking & VMX_INT_BLOCK_STI ? SHADOW_STI : 0) |
                (blocking & VMX_INT_BLOCK_MOVSS ? SHADOW_MOVSS : 0);
    c->vmx->host_nmi_masked = c->nmi_masked;
    c->nmi_masked = blocking & VMX_INT_BLOCK_NMI;
    c->activity = activity[v->guest_activity & 3];
    c->pending_db = v->guest_pending_dbg & (VMX_PDBG_B | VMX_PDBG_BS);
    if (!(v->guest_pending_dbg & (VMX_PDBG_ENABLED_BP | VMX_PDBG_BS)))
        c->pending_db = 0;
    /* an injected event replaces what was pending (27.7.3) */
    if (v->entry_intr_info & VMX_INTR_VALID)
        c->pending_db = 0;
}

static bool load_guest_msrs(struct cpu *c, const struct vmcs *v, uint64_t *failed)
{
    for (uint32_t n = 0; n < v->entry_msr_load_count; n++) {
        struct vmx_msr_entry e;
        *failed = n + 1ull;
        timing_stall(c, TIMING_STALL_VM_MSR);
        if (n >= VMX_MSR_LIST_MAX ||
            !ram_read(c->ram, hpa(v->entry_msr_load_addr + 16ull * n), &e, sizeof e) ||
            !vmx_msr_list_value_ok(c, &e, false) || !msr_write(c, e.index, e.value))
            return false;
    }
    return true;
}

static bool load_pdptes(struct cpu *c, const struct vmcs *v)
{
    if (!(c->cr0 & CR0_PG) || !(c->cr4 & CR4_PAE) || cpu_long_mode(c))
        return true;
    if (!(c->vmx->proc2 & VMX_PROC2_EPT))
        return mmu_load_pdptes(c, c->cr3, c->pdpte);
    c->pdpte[0] = v->guest_pdpte0;
    c->pdpte[1] = v->guest_pdpte1;
    c->pdpte[2] = v->guest_pdpte2;
    c->pdpte[3] = v->guest_pdpte3;
    return true;
}

static void arm_pending(struct cpu *c)
{
    struct vmx *x = c->vmx;
    const struct vmcs *v = &x->vmcs;
    x->inject = v->entry_intr_info & VMX_INTR_VALID ? 1 : 0;
    x->inject_ilen = 0;
    x->mtf = v->proc_ctl & VMX_PROC_MTF ? VMX_MTF_ARMED : VMX_MTF_OFF;
    x->mtf_pos = cpu_icount(c) + 1; /* the entry itself retires */
    x->tpr_exit = 0;
    x->vintr = 0;
    x->apic_write = 0;
    if (v->proc_ctl & VMX_PROC_TPR_SHADOW)
        vmx_virtualize_tpr(c);
    vmx_timer_start(c);
    vmx_update_attn(c);
    if (c->pending_db)
        c->attn |= ATTN_TRAP;
    else
        c->attn &= ~(uint32_t)ATTN_TRAP;
}

_Noreturn void vmx_enter(struct cpu *c, bool launch)
{
    struct vmx *x = c->vmx;
    const struct vmcs *v = &x->vmcs;
    uint64_t qual = 0;

    timing_stall(c, TIMING_STALL_VM_ENTRY);
    x->proc2 = v->proc_ctl & VMX_PROC_SECONDARY ? v->proc2_ctl : 0;
    x->host_nmi_masked = c->nmi_masked;
    if (x->dirty) {
        x->last_check = vmx_check_run(v, &x->env, x->dirty);
        if (x->last_check != VMX_CHECK_NONE)
            vmx_entry_failed(c, VMX_EXIT_ENTRY_GUEST_STATE, vmx_checks[x->last_check].qual);
        x->dirty = 0;
    }
    load_registers(c, v);
    load_segments(c, v);
    load_non_register(c, v);
    c->non_root = true;
    cpu_set_rflags(c, v->guest_rflags);
    cpu_update_mode(c);
    if (v->entry_ctl & VMX_NCTL_LOAD_PERF_GLOBAL)
        pmu_msr_write(c, MSR_PERF_GLOBAL_CTRL, v->guest_perf_global);
    mmu_update_ctx(c);
    if (!(x->proc2 & VMX_PROC2_VPID))
        mmu_invvpid(c, INVVPID_SINGLE, 0, 0);
    if (!load_pdptes(c, v)) {
        x->dirty = VMX_CG_GUEST;
        vmx_entry_failed(c, VMX_EXIT_ENTRY_GUEST_STATE, VMX_QUAL_ENTRY_PDPTE);
    }
    if (v->entry_msr_load_count && !load_guest_msrs(c, v, &qual))
        vmx_entry_failed(c, VMX_EXIT_ENTRY_MSR_LOAD, qual);
    if (launch)
        x->launched = 1;
    x->entries++;
    arm_pending(c);
    if (trace_on(c->trace, TP_vmx_entry))
        trace_emit(c->trace, TP_vmx_entry, (uint8_t)c->index, cpu_icount(c), clock_now(c->clock),
                   v->guest_rip, v->guest_rsp,
                   v->entry_intr_info & VMX_INTR_VALID ? v->entry_intr_info : 0, v->guest_cr3,
                   vmx_vpid(c), x->proc2 & VMX_PROC2_EPT ? v->eptp : 0);
    cpu_leave(c, true);
}
