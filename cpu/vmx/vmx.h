/*
 * cpu/vmx/vmx.h: VT-x as cpu/sys, cpu/interp and mmu see it (SDM 3C chapters 24-31).
 *
 * Rules for callers
 *  - The vmx_intercept_* functions return when nothing intercepts and leave the instruction by a VM
 *    exit otherwise. Call them only when c->non_root, after the faults that have priority (#UD, CPL
 *    #GP), before any effect.
 *  - The saved guest RIP is cpu_rip(c), so call them while that is the instruction's own address.
 *  - Exits do not retire the instruction; VM entries do.
 *
 * Not modelled: SMM with the dual-monitor treatment, SMX, and the controls that abi/vmx_ctl.def
 * marks OFF.
 */
#ifndef CPU_VMX_VMX_H
#define CPU_VMX_VMX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/clock.h"
#include "cpu/cpu.h"
#include "cpu/vmx/vmcs.h"

struct field;

#define VMX_NO_VMCS UINT64_MAX

/* Public on purpose: the debugger reads it, cpu/sys asks it through the inlines below. */
struct vmx {
    /* state */
    uint64_t vmxon_ptr;
    uint64_t current; /* address of the current VMCS or VMX_NO_VMCS */
    struct vmcs vmcs; /* the current one, decoded */
    uint8_t launched; /* launch state of the current VMCS */
    uint8_t shadow;   /* the current VMCS is a shadow VMCS */
    uint8_t dirty;    /* VMX_CG_* to be checked again at the next entry */
    uint8_t inject;   /* VM entry left an event to deliver (entry_intr_info) */
    uint8_t mtf;      /* enum vmx_mtf */
    uint8_t tpr_exit; /* VTPR fell below the threshold */
    uint8_t vintr;    /* a pending virtual interrupt is recognized */
    uint16_t apic_write; /* offset of a write to be emulated on the virtual-APIC page, or 0 */
    uint8_t timer_on, timer_expired;
    uint8_t host_nmi_masked; /* blocking by NMI outside, while virtual NMIs hide it */
    uint8_t inject_ilen;     /* RIP was advanced by this for an injected software event */
    uint64_t timer_deadline; /* raw TSC >> VMX_TIMER_SHIFT at which the preemption timer is 0 */
    uint64_t mtf_pos;        /* position at which MTF was armed */
    uint64_t ple_last, ple_first; /* raw TSC of PAUSEs for PLE */
    /* event in delivery (valid while c->delivering >= 0) */
    uint32_t idt_info, idt_error, idt_ilen;
    /* derived at VM entry */
    uint32_t proc2;     /* secondary controls in force: 0 when not activated */
    struct vmx_env env; /* constants of this processor for the entry checks */
    struct clock_event timer_event;
    bool timer_wired;
    /* for the debugger */
    uint32_t last_check; /* enum vmx_check that failed the last VM entry, or VMX_CHECK_NONE */
    uint32_t last_error; /* VM-instruction error of the last VMfail */
    uint64_t entries;
    uint64_t exits[VMX_EXIT_COUNT];
};

enum vmx_mtf { VMX_MTF_OFF, VMX_MTF_ARMED, VMX_MTF_PENDING };

#define VMX_TIMER_SHIFT    2   /* the preemption timer counts changes of TSC bit 2 */
#define VMX_MSR_LIST_MAX   512 /* entries, as VMX_MISC says */
#define VMX_CR3_TARGETS    4u
#define VMX_DEBUGCTL_VALID 0x3ull /* LBR (no effect), BTF */

/* life */
struct vmx *vmx_new(struct cpu *c);
void vmx_free(struct vmx *x);
void vmx_reset(struct cpu *c); /* power-on and INIT outside VMX operation */
uint64_t vmx_hash(const struct cpu *c, uint64_t seed);

/* Capability MSRs 480-491 and IA32_FEATURE_CONTROL's VMX part. false: #GP(0). */
bool vmx_msr_read(const struct cpu *c, uint32_t msr, uint64_t *value);
/* CR0/CR4 values legal in VMX operation? CR writes and XSETBV users call it when c->vmx_on. */
bool vmx_cr0_legal(const struct cpu *c, uint64_t v);
bool vmx_cr4_legal(const struct cpu *c, uint64_t v);
/* Words of allowed settings: bits 31:0 must be 1, bits 63:32 may be 1. */
uint64_t vmx_cap_pin(void);
uint64_t vmx_cap_proc(void);
uint64_t vmx_cap_proc2(void);
uint64_t vmx_cap_exit(void);
uint64_t vmx_cap_entry(void);
uint64_t vmx_cap_vmfunc(void); /* VM functions that may be enabled */

/* ---- instructions (rows of the instruction table) ---- */
op_fn op_vmxon, op_vmxoff, op_vmclear, op_vmptrld, op_vmptrst, op_vmread, op_vmwrite, op_vmlaunch,
    op_vmresume, op_vmcall, op_invept, op_invvpid, op_vmfunc;

/* ---- VM exits ---- */
/* Saves guest state, fills the information fields, loads host state, leaves. */
_Noreturn void vmx_exit(struct cpu *c, uint32_t reason, uint64_t qual);
struct ept_violation {
    uint64_t gpa, qual; /* qual: VMX_QUAL_EPT_* */
    uint64_t gla;       /* when VMX_QUAL_EPT_GLA_VALID is set, else 0 */
    bool suppress_ve;   /* bit 63 of the EPT entry: not to become a #VE */
};
/* VM exit or virtualization exception */
_Noreturn void vmx_ept_violation(struct cpu *c, const struct ept_violation *e);
_Noreturn void vmx_exit_ept_misconfig(struct cpu *c, uint64_t gpa);
/* source: VMX_QUAL_TS_*; always exits */
_Noreturn void vmx_exit_task_switch(struct cpu *c, uint16_t sel, unsigned source);
_Noreturn void vmx_triple_fault(struct cpu *c);
/* INIT while non_root exits; returns false when not non_root: with c->vmx_on INIT stays blocked. */
bool vmx_init_signal(struct cpu *c);
/* SIPI while non_root: exits in the wait-for-SIPI activity state, otherwise is dropped. */
void vmx_sipi(struct cpu *c, uint8_t vector);

/* ---- events ---- */
/* Before an exception is delivered: exception bitmap, #PF mask and match. qual: #PF linear address,
 * #DB the DR6 bits, else 0. CR2 and DR6 must not have been written yet. ilen for software ones.
 * Not for INT n and NMI. #DF too: it hides the event in delivery. */
void vmx_intercept_exception(struct cpu *c, int vector, unsigned type, bool has_err, uint32_t err,
                             uint64_t qual, unsigned ilen);
/* event_deliver: at its start, and at its end when it succeeded. */
void vmx_delivery_begin(struct cpu *c, int vector, unsigned type, bool has_err, uint32_t err,
                        unsigned ilen);
void vmx_delivery_done(struct cpu *c);

/* Called by event_poll when non_root and c->attn has ATTN_VMX, at four places of the order of
 * events: before all others (APIC-write emulation, injection, TPR threshold), before debug traps
 * (MTF), before NMIs (preemption timer, NMI window), before external interrupts (interrupt window,
 * virtual interrupts). May leave by a VM exit; true: an event was delivered. */
enum vmx_poll_stage { VMX_POLL_FIRST, VMX_POLL_TRAPS, VMX_POLL_NMI, VMX_POLL_INTR };
bool vmx_poll(struct cpu *c, enum vmx_poll_stage stage);
/* Would vmx_poll do something now? For event_pending (wakes HLT). */
bool vmx_pending(const struct cpu *c);
/* MTF: the run loop must execute one instruction and poll again. */
static inline bool vmx_wants_step(const struct cpu *c)
{
    return c->non_root && c->vmx->mtf == VMX_MTF_ARMED;
}

/* External interrupt pending: with external-interrupt exiting it exits whatever RFLAGS.IF says. */
static inline bool vmx_ext_int_exits(const struct cpu *c)
{
    return c->non_root && (c->vmx->vmcs.pin_ctl & VMX_PIN_EXT_INT);
}
/* Acknowledges when the exit control says so. Returns when it was a posted interrupt. */
void vmx_external_interrupt(struct cpu *c);
static inline bool vmx_nmi_exits(const struct cpu *c)
{
    return c->non_root && (c->vmx->vmcs.pin_ctl & VMX_PIN_NMI);
}
/* NMIs blocked? With virtual NMIs c->nmi_masked is about virtual ones only. */
static inline bool vmx_nmi_blocked(const struct cpu *c)
{
    return c->nmi_masked && !(c->non_root && (c->vmx->vmcs.pin_ctl & VMX_PIN_VIRTUAL_NMI));
}
_Noreturn void vmx_nmi(struct cpu *c); /* when vmx_nmi_exits */
/* IRET ends blocking by NMI (or by virtual NMI), except with NMI exiting but no virtual NMIs. */
static inline bool vmx_iret_unmasks_nmi(const struct cpu *c)
{
    return !c->non_root ||
           (c->vmx->vmcs.pin_ctl & (VMX_PIN_NMI | VMX_PIN_VIRTUAL_NMI)) != VMX_PIN_NMI;
}

/* ---- instruction intercepts ---- */
/* CPUID GETSEC HLT INVD INVLPG RDPMC RDTSC RDTSCP RSM MWAIT MONITOR WBINVD XSETBV: unconditional
 * ones exit, conditional ones by their control. qual: INVLPG the linear address, MWAIT whether the
 * monitor is armed, else 0. */
void vmx_intercept_insn(struct cpu *c, uint32_t reason, uint64_t qual);
void vmx_intercept_pause(struct cpu *c); /* PAUSE exiting and PAUSE-loop exiting */
void vmx_intercept_invpcid(struct cpu *c, const struct insn *i);
void vmx_intercept_random(struct cpu *c, const struct insn *i, uint32_t reason);
/* XSAVES and XRSTORS; wanted: EDX:EAX & IA32_XSS */
void vmx_intercept_xsaves(struct cpu *c, const struct insn *i, uint32_t reason, uint64_t wanted);
/* RDTSCP, INVPCID, XSAVES and XRSTORS raise #UD in non-root operation unless enabled. */
static inline bool vmx_rdtscp_ud(const struct cpu *c)
{
    return c->non_root && !(c->vmx->proc2 & VMX_PROC2_RDTSCP);
}
static inline bool vmx_invpcid_ud(const struct cpu *c)
{
    return c->non_root && !(c->vmx->proc2 & VMX_PROC2_INVPCID);
}
static inline bool vmx_xsaves_ud(const struct cpu *c)
{
    return c->non_root && !(c->vmx->proc2 & VMX_PROC2_XSAVES);
}
/* LGDT..STR; kinds number as in the instruction-information field */
enum vmx_desc_insn { VMX_SGDT, VMX_SIDT, VMX_LGDT, VMX_LIDT, VMX_SLDT, VMX_STR, VMX_LLDT, VMX_LTR };
void vmx_intercept_desc(struct cpu *c, const struct insn *i, enum vmx_desc_insn which);
/* I/O; the bits of the permission map of the TSS come first. imm: the port was an immediate; string
 * forms give the linear address of the memory operand. i may be NULL for non-string forms. */
void vmx_intercept_io(struct cpu *c, const struct insn *i, uint16_t port, unsigned size, bool in,
                      bool string, bool rep, bool imm, uint64_t gla);
void vmx_intercept_msr(struct cpu *c, uint32_t msr, bool write);
/* RDMSR/WRMSR that passed vmx_intercept_msr: true when x2APIC virtualization or a VMX rule for the
 * MSR served it (the TSC is separate: vmx_guest_tsc). */
bool vmx_msr_virtual_read(struct cpu *c, uint32_t msr, uint64_t *value);
bool vmx_msr_virtual_write(struct cpu *c, uint32_t msr, uint64_t value);
/* What RDTSC, RDTSCP and RDMSR 10H read when the TSC is `tsc`: in non-root operation it is scaled
 * and an offset is added, as the controls say (SDM 3C 26.3). */
static inline uint64_t vmx_guest_tsc(const struct cpu *c, uint64_t tsc)
{
    __extension__ typedef unsigned __int128 u128;
    if (!c->non_root || !(c->vmx->vmcs.proc_ctl & VMX_PROC_TSC_OFFSET))
        return tsc;
    if (c->vmx->proc2 & VMX_PROC2_TSC_SCALING)
        tsc = (uint64_t)((u128)tsc * c->vmx->vmcs.tsc_multiplier >> VMX_TSC_FRACTION);
    return tsc + c->vmx->vmcs.tsc_offset;
}

/* MOV from CR: value that the guest sees (masks and shadows); exits for CR3, CR8 by control. */
uint64_t vmx_mov_from_cr(struct cpu *c, unsigned n, unsigned gpr);
uint64_t vmx_guest_cr0(const struct cpu *c); /* for SMSW */
/* MOV to CR: exits, or returns the value that cr_write is to write (host-owned bits kept). CR8 with
 * the TPR shadow is done here: returns true in *done. */
uint64_t vmx_mov_to_cr(struct cpu *c, unsigned n, unsigned gpr, uint64_t value, bool *done);
bool vmx_clts(struct cpu *c); /* exits, or: true CR0.TS is to be cleared, false it stays */
/* LMSW: exits or returns the new CR0. mem: memory operand at gla. */
uint64_t vmx_lmsw(struct cpu *c, uint16_t src, bool mem, uint64_t gla);
void vmx_intercept_dr(struct cpu *c, unsigned n, bool from, unsigned gpr); /* before DR7.GD #DB */

/* ---- for mmu ---- */
static inline bool vmx_ept_enabled(const struct cpu *c)
{
    return c->non_root && (c->vmx->proc2 & VMX_PROC2_EPT);
}
static inline uint64_t vmx_eptp(const struct cpu *c)
{
    return c->vmx->vmcs.eptp;
}
/* Page-modification logging. Before EPT accessed or dirty flags are set: when the log is full they
 * stay as they are and vmx_exit_pml_full is due. For each dirty flag set: note its page. */
bool vmx_pml_full(const struct cpu *c);
void vmx_pml_log(struct cpu *c, uint64_t gpa);
_Noreturn void vmx_exit_pml_full(struct cpu *c);
/* 0 when VPIDs are off: then entries and exits invalidate VPID 0 themselves. */
static inline uint16_t vmx_vpid(const struct cpu *c)
{
    return c->non_root && (c->vmx->proc2 & VMX_PROC2_VPID) ? c->vmx->vmcs.vpid : 0;
}
/* The page of machine-physical address hpa is the APIC-access page: never a fast TLB entry; loads
 * and stores go to vmx_apic_read / vmx_apic_write, fetches to vmx_exit_apic_access. */
static inline bool vmx_is_apic_page(const struct cpu *c, uint64_t hpa)
{
    return c->non_root && (c->vmx->proc2 & VMX_PROC2_APIC_ACCESS) &&
           (hpa & ~4095ull) == c->vmx->vmcs.apic_access_addr;
}
uint64_t vmx_apic_read(struct cpu *c, uint32_t offset, unsigned size, uint64_t gla);
void vmx_apic_write(struct cpu *c, uint32_t offset, unsigned size, uint64_t value, uint64_t gla);
_Noreturn void vmx_exit_apic_access(struct cpu *c, uint32_t offset, unsigned type, uint64_t gla);

/* ---- for the debugger ---- */
/* The VMCS at a machine address as it is now: the decoded one when it is current on this LP. */
bool vmx_peek_vmcs(const struct cpu *c, uint64_t hpa, struct vmcs *out);
void vmx_env_of(const struct cpu *c, struct vmx_env *e);
const char *vmx_exit_name(uint32_t reason);
const char *vmx_insn_error_text(uint32_t error);

#endif
