/*
 * VM exits (SDM 3C chapter 28): information fields, saving guest state, MSR lists, loading host
 * state, VMX aborts; and VM-entry failures (27.8), which share the loading of host state.
 *
 * Facts: exits of a Linux guest under KVM come some 10^4 a second, under a test some 10^6, so this
 * path copies no pages and flushes nothing: contexts of the soft TLB carry VPID and EPTP.
 * Not modelled: SMM, controls not announced.
 */
#include "cpu/sys/pmu.h"
#include "cpu/timing/timing.h"
#include "cpu/vmx/vmx_int.h"

#include "cpu/vmx/state.h"
#include "lib/log.h"
#include "mmu/mmu.h"

/* ---- MSR lists ---- */

/* x2APIC MSRs and, for loads, FS and GS base are excluded (SDM 3C 27.4, 28.4). */
bool vmx_msr_list_value_ok(const struct cpu *c, const struct vmx_msr_entry *e, bool store)
{
    (void)c;
    if (e->reserved)
        return false;
    if (e->index >> 8 == 8) /* x2APIC range */
        return false;
    return store || (e->index != MSR_FS_BASE && e->index != MSR_GS_BASE);
}

static bool msr_entry_ld(const struct cpu *c, uint64_t pa, struct vmx_msr_entry *e)
{
    return ram_read(c->ram, hpa(pa), e, sizeof *e);
}

static void store_msrs(struct cpu *c, const struct vmcs *v)
{
    for (uint32_t n = 0; n < v->exit_msr_store_count; n++) {
        const uint64_t pa = v->exit_msr_store_addr + 16ull * n;
        struct vmx_msr_entry e;
        uint64_t value;
        timing_stall(c, TIMING_STALL_VM_MSR);
        if (!msr_entry_ld(c, pa, &e) || !vmx_msr_list_value_ok(c, &e, true) ||
            !msr_read(c, e.index, &value))
            vmx_abort(c, 1);
        vmx_phys_st(c, pa + 8, 8, value);
    }
}

static void load_host_msrs(struct cpu *c, const struct vmcs *v)
{
    for (uint32_t n = 0; n < v->exit_msr_load_count; n++) {
        struct vmx_msr_entry e;
        timing_stall(c, TIMING_STALL_VM_MSR);
        if (!msr_entry_ld(c, v->exit_msr_load_addr + 16ull * n, &e) ||
            !vmx_msr_list_value_ok(c, &e, false) || !msr_write(c, e.index, e.value))
            vmx_abort(c, 4);
    }
}

/* VMX abort (28.7): the indicator goes to the VMCS region, the processor shuts down. */
_Noreturn void vmx_abort(struct cpu *c, uint32_t indicator)
{
    LOG_GUEST("vmx", "VMX abort %u", indicator);
    vmx_phys_st(c, c->vmx->current + 4, 4, indicator);
    c->non_root = false;
    c->activity = CPU_SHUTDOWN;
    cpu_leave(c, false);
}

/* ---- saving guest state (28.3) ---- */

static uint32_t saved_activity(const struct cpu *c)
{
    switch (c->activity) {
    case CPU_HALTED: return VMX_ACTIVITY_HLT;
    case CPU_SHUTDOWN: return VMX_ACTIVITY_SHUTDOWN;
    case CPU_WAIT_SIPI: return VMX_ACTIVITY_SIPI;
    default: return VMX_ACTIVITY_ACTIVE;
    }
}

static void save_segments(struct vmcs *v, const struct cpu *c)
{
#define GUEST_SEG(n, p)                                                                           \
    v->guest_##p##_sel = c->seg[n].sel;                                                           \
    v->guest_##p##_base = c->seg[n].base;                                                         \
    v->guest_##p##_limit = c->seg[n].limit;                                                       \
    v->guest_##p##_ar = c->seg[n].attr & ~VMX_AR_RESERVED;
    GUEST_SEGS
#undef GUEST_SEG
    v->guest_gdtr_base = c->gdtr.base;
    v->guest_gdtr_limit = c->gdtr.limit;
    v->guest_idtr_base = c->idtr.base;
    v->guest_idtr_limit = c->idtr.limit;
}

static void save_non_register(struct vmcs *v, const struct cpu *c, uint64_t rflags)
{
    v->guest_activity = saved_activity(c);
    v->guest_interruptibility = (c->shadow & SHADOW_STI ? VMX_INT_BLOCK_STI : 0) |
                                (c->shadow & SHADOW_MOVSS ? VMX_INT_BLOCK_MOVSS : 0) |
                                (c->nmi_masked ? VMX_INT_BLOCK_NMI : 0);
    uint64_t pdbg = c->pending_db & (VMX_PDBG_B | VMX_PDBG_BS);
    if (pdbg & VMX_PDBG_B)
        pdbg |= VMX_PDBG_ENABLED_BP;
    if (c->shadow || v->guest_activity == VMX_ACTIVITY_HLT) {
        /* the trap of a blocked or halted single-step is still to come */
        const bool steps = (rflags & FL_TF) && !(c->debugctl & 2);
        pdbg = steps ? pdbg | VMX_PDBG_BS : pdbg & ~(uint64_t)VMX_PDBG_BS;
    }
    v->guest_pending_dbg = pdbg;
}

static void save_guest(struct cpu *c, uint64_t rflags)
{
    struct vmcs *v = &c->vmx->vmcs;
    v->guest_cr0 = c->cr0;
    v->guest_cr3 = c->cr3;
    v->guest_cr4 = c->cr4;
    if (v->exit_ctl & VMX_XCTL_SAVE_DEBUG) {
        v->guest_dr7 = c->dr[7];
        v->guest_debugctl = c->debugctl;
    }
    v->guest_sysenter_cs = (uint32_t)c->sysenter_cs;
    v->guest_sysenter_esp = c->sysenter_esp;
    v->guest_sysenter_eip = c->sysenter_eip;
    if (v->exit_ctl & VMX_XCTL_SAVE_PAT)
        v->guest_pat = c->pat;
    if (v->exit_ctl & VMX_XCTL_SAVE_EFER)
        v->guest_efer = c->efer;
    if (v->exit_ctl & VMX_XCTL_SAVE_PERF_GLOBAL)
        v->guest_perf_global = c->pmu.global_ctrl;
    v->guest_rsp = c->r[R_SP];
    v->guest_rip = cpu_rip(c);
    v->guest_rflags = rflags;
    save_segments(v, c);
    save_non_register(v, c, rflags);
    if (v->exit_ctl & VMX_XCTL_SAVE_PREEMPTION_TIMER)
        v->preemption_timer = vmx_timer_left(c);
    if (cpu_long_mode(c))
        v->entry_ctl |= VMX_NCTL_IA32E_GUEST;
    else
        v->entry_ctl &= ~(uint32_t)VMX_NCTL_IA32E_GUEST;
    if ((c->vmx->proc2 & VMX_PROC2_EPT) && (c->cr0 & CR0_PG) && (c->cr4 & CR4_PAE) &&
        !cpu_long_mode(c)) {
        v->guest_pdpte0 = c->pdpte[0];
        v->guest_pdpte1 = c->pdpte[1];
        v->guest_pdpte2 = c->pdpte[2];
        v->guest_pdpte3 = c->pdpte[3];
    }
}

/* ---- loading host state (28.5) ---- */

static void load_host_segments(struct cpu *c, const struct vmcs *v, bool host64)
{
    const uint32_t data = SA_RW | SA_ACCESSED | SA_S | SA_P | SA_DB | SA_G;
    const uint32_t code = SA_CODE | SA_RW | SA_ACCESSED | SA_S | SA_P | SA_G |
                          (host64 ? SA_L : SA_DB);
    const uint16_t sel[] = {[SEG_ES] = v->host_es_sel, [SEG_CS] = v->host_cs_sel,
                            [SEG_SS] = v->host_ss_sel, [SEG_DS] = v->host_ds_sel,
                            [SEG_FS] = v->host_fs_sel, [SEG_GS] = v->host_gs_sel};
    for (unsigned n = SEG_ES; n <= SEG_GS; n++) {
        c->seg[n] = (struct seg){.base = 0, .limit = UINT32_MAX, .sel = sel[n], .attr = data};
        if (n != SEG_CS && sel[n] == 0)
            c->seg[n].attr |= SA_UNUSABLE;
    }
    c->seg[SEG_CS].attr = code;
    c->seg[SEG_FS].base = v->host_fs_base;
    c->seg[SEG_GS].base = v->host_gs_base;
    c->seg[SEG_TR] = (struct seg){.base = v->host_tr_base, .limit = 0x67, .sel = v->host_tr_sel,
                                  .attr = ST_TSS_BUSY | SA_P};
    c->seg[SEG_LDTR] = (struct seg){.base = 0, .limit = 0, .sel = 0, .attr = SA_UNUSABLE};
    c->gdtr = (struct dtable){v->host_gdtr_base, 0xffff};
    c->idtr = (struct dtable){v->host_idtr_base, 0xffff};
}

static void load_host_registers(struct cpu *c, const struct vmcs *v, bool host64)
{
    c->cr0 = (v->host_cr0 & ~VMX_CR0_KEEP) | (c->cr0 & VMX_CR0_KEEP);
    c->cr3 = v->host_cr3;
    c->cr4 = v->host_cr4;
    if (c->dr[7] & 0xff) {
        c->dr[7] = DR7_FIXED1;
        mmu_watch_changed(c);
    }
    c->dr[7] = DR7_FIXED1;
    c->debugctl = 0;
    c->sysenter_cs = v->host_sysenter_cs;
    c->sysenter_esp = v->host_sysenter_esp;
    c->sysenter_eip = v->host_sysenter_eip;
    if (v->exit_ctl & VMX_XCTL_LOAD_PAT)
        c->pat = v->host_pat;
    if (v->exit_ctl & VMX_XCTL_LOAD_EFER)
        c->efer = v->host_efer;
    else
        c->efer = (c->efer & ~(uint64_t)(EFER_LMA | EFER_LME)) |
                  (host64 ? (uint64_t)(EFER_LMA | EFER_LME) : 0);
}

/* Everything after the guest state is saved; also the end of failed VM entries. */
static _Noreturn void load_host(struct cpu *c, bool retired)
{
    struct vmx *x = c->vmx;
    const struct vmcs *v = &x->vmcs;
    const bool host64 = v->exit_ctl & VMX_XCTL_HOST_64;

    load_host_registers(c, v, host64);
    load_host_segments(c, v, host64);
    c->r[R_SP] = v->host_rsp;
    c->rip = v->host_rip;
    c->cpl = 0;
    c->shadow = 0;
    c->pending_db = 0;
    c->activity = CPU_ACTIVE;
    c->delivering = -1;
    c->attn &= ~(uint32_t)(ATTN_VMX | ATTN_TRAP);
    cpu_set_rflags(c, FL_FIXED1);
    cpu_update_mode(c);
    if (v->exit_ctl & VMX_XCTL_LOAD_PERF_GLOBAL)
        pmu_msr_write(c, MSR_PERF_GLOBAL_CTRL, v->host_perf_global);
    mmu_update_ctx(c);
    if (!(x->proc2 & VMX_PROC2_VPID)) /* mappings of VPID 0, of guest and host alike */
        mmu_invvpid(c, INVVPID_SINGLE, 0, 0);
    if (!host64 && (c->cr4 & CR4_PAE) && !mmu_load_pdptes(c, c->cr3, c->pdpte))
        vmx_abort(c, 2);
    if (v->exit_msr_load_count)
        load_host_msrs(c, v);
    cpu_leave(c, retired);
}

/* ---- exits ---- */

static void set_information(struct cpu *c, const struct vmx_exit_info *e)
{
    struct vmx *x = c->vmx;
    struct vmcs *v = &x->vmcs;
    v->exit_reason = e->reason;
    v->exit_qual = e->qual;
    v->exit_intr_info = e->intr_info;
    v->exit_intr_error = e->intr_error;
    v->exit_insn_len = e->ilen;
    v->exit_insn_info = e->insn_info;
    v->entry_intr_info &= ~VMX_INTR_VALID;
    v->idt_vec_info = 0;
    if (c->delivering >= 0 && !e->hides_delivery) {
        v->idt_vec_info = x->idt_info;
        v->idt_vec_error = x->idt_error;
        if (x->idt_ilen)
            v->exit_insn_len = x->idt_ilen;
    }
}

_Noreturn void vmx_exit_now(struct cpu *c, const struct vmx_exit_info *e)
{
    struct vmx *x = c->vmx;
    const uint64_t rflags = cpu_rflags(c) | (e->set_rf ? FL_RF : 0);

    if (x->inject_ilen && !c->in_insn) /* an injected software event did not get through */
        c->rip -= x->inject_ilen;
    x->inject_ilen = 0;
    if (e->reason < VMX_EXIT_COUNT)
        x->exits[e->reason]++;
    c->st.exits++;
    timing_stall(c, TIMING_STALL_VM_EXIT);
    set_information(c, e);
    save_guest(c, rflags);
    vmx_timer_stop(c);
    if (trace_on(c->trace, TP_vmx_exit))
        trace_emit(c->trace, TP_vmx_exit, (uint8_t)c->index, cpu_icount(c), clock_now(c->clock),
                   e->reason, e->qual, x->vmcs.guest_rip, x->vmcs.guest_phys_addr, e->intr_info,
                   vmx_vpid(c));
    if (x->vmcs.pin_ctl & VMX_PIN_VIRTUAL_NMI)
        c->nmi_masked = x->host_nmi_masked;
    if (e->nmi)
        c->nmi_masked = true;
    x->mtf = VMX_MTF_OFF;
    x->tpr_exit = x->inject = x->vintr = 0;
    x->apic_write = 0;
    c->non_root = false;
    if (x->vmcs.exit_msr_store_count)
        store_msrs(c, &x->vmcs);
    load_host(c, false);
}

_Noreturn void vmx_exit(struct cpu *c, uint32_t reason, uint64_t qual)
{
    const struct vmx_exit_info e = {.reason = reason, .qual = qual,
                                    .ilen = c->in_insn ? c->cur->len : 0};
    vmx_exit_now(c, &e);
}

_Noreturn void vmx_entry_failed(struct cpu *c, uint32_t reason, uint64_t qual)
{
    struct vmx *x = c->vmx;
    x->vmcs.exit_reason = reason | VMX_EXIT_ENTRY_FAILURE;
    x->vmcs.exit_qual = qual;
    x->vmcs.idt_vec_info = 0;
    x->exits[reason]++;
    c->st.exits++;
    timing_stall(c, TIMING_STALL_VM_EXIT);
    if (trace_on(c->trace, TP_vmx_entry_fail))
        trace_emit(c->trace, TP_vmx_entry_fail, (uint8_t)c->index, cpu_icount(c),
                   clock_now(c->clock), reason, qual, x->last_check, 0, 0, 0);
    if (x->vmcs.pin_ctl & VMX_PIN_VIRTUAL_NMI)
        c->nmi_masked = x->host_nmi_masked;
    x->mtf = VMX_MTF_OFF;
    x->tpr_exit = x->inject = x->vintr = 0;
    x->apic_write = 0;
    vmx_timer_stop(c);
    c->non_root = false;
    load_host(c, true);
}

_Noreturn void vmx_exit_task_switch(struct cpu *c, uint16_t sel, unsigned source)
{
    vmx_exit(c, VMX_EXIT_TASK_SWITCH, sel | (uint64_t)source << 30);
}

_Noreturn void vmx_triple_fault(struct cpu *c)
{
    const struct vmx_exit_info e = {.reason = VMX_EXIT_TRIPLE_FAULT, .hides_delivery = true};
    vmx_exit_now(c, &e);
}

bool vmx_init_signal(struct cpu *c)
{
    if (!c->non_root)
        return false;
    vmx_exit(c, VMX_EXIT_INIT, 0);
}

void vmx_sipi(struct cpu *c, uint8_t vector)
{
    if (c->non_root && c->activity == CPU_WAIT_SIPI)
        vmx_exit(c, VMX_EXIT_SIPI, vector);
}
