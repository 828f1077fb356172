/*
 * cpu/vmx/vmx_int.h: private to cpu/vmx: memory of VMX areas, instruction information, entry, exit.
 */
#ifndef CPU_VMX_VMX_INT_H
#define CPU_VMX_VMX_INT_H

#include "core/trace.h"
#include "cpu/flags.h"
#include "cpu/sys/sys.h"
#include "cpu/vmx/vmx.h"
#include "mmu/ram.h"

/* Loads and stores of VMX data structures use machine addresses (SDM 3C 25.11.4): never EPT, never
 * faults. What is not RAM reads as ones and ignores writes. */
static inline uint64_t vmx_phys_ld(const struct cpu *c, uint64_t pa, unsigned size)
{
    uint64_t v = UINT64_MAX;
    if (!ram_read(c->ram, hpa(pa), &v, size))
        v = UINT64_MAX;
    return size == 8 ? v : v & ((1ull << (8 * size)) - 1);
}

static inline void vmx_phys_st(const struct cpu *c, uint64_t pa, unsigned size, uint64_t v)
{
    ram_write(c->ram, hpa(pa), &v, size);
}

/* VMsucceed, VMfailInvalid, VMfailValid (SDM 3C 31.2) on the lazy flags. */
static inline void vmx_set_flags(struct cpu *c, uint32_t flags)
{
    lf_from_flags(flags, &c->lf_res, &c->lf_aux);
}

struct vmx_exit_info {
    uint32_t reason;
    uint64_t qual;
    uint32_t intr_info, intr_error;
    uint32_t ilen;
    uint32_t insn_info;
    bool hides_delivery; /* the event itself, #DF, triple fault: no IDT-vectoring information */
    bool set_rf;         /* faults: RF is 1 in the saved RFLAGS */
    bool nmi;            /* NMI: blocks NMIs after the exit */
};
_Noreturn void vmx_exit_now(struct cpu *c, const struct vmx_exit_info *x);
/* VM-entry failure after the point of no return: reasons 33, 34. */
_Noreturn void vmx_entry_failed(struct cpu *c, uint32_t reason, uint64_t qual);
_Noreturn void vmx_abort(struct cpu *c, uint32_t indicator);

/* VMLAUNCH and VMRESUME behind their checks of the launch state */
_Noreturn void vmx_enter(struct cpu *c, bool launch);

void vmx_write_back(struct cpu *c); /* current VMCS to memory */
bool vmx_msr_list_value_ok(const struct cpu *c, const struct vmx_msr_entry *e, bool store);

/* Instruction information and displacement for the exit qualification. */
uint32_t vmx_insn_info(const struct cpu *c, const struct insn *i, unsigned reg2);
uint64_t vmx_insn_disp(const struct cpu *c, const struct insn *i);

bool vmx_eptp_ok(const struct vmx *x, uint64_t eptp); /* as the entry checks want it */
/* VMCS shadowing: does this VMREAD or VMWRITE in non-root operation work on the linked VMCS? Then
 * these do it; read: false when it has failed. All set the flags, but read when it succeeds. */
bool vmx_shadowed(const struct cpu *c, uint64_t enc, bool write);
bool vmx_shadow_read(struct cpu *c, uint64_t enc, uint64_t *value);
void vmx_shadow_write(struct cpu *c, uint64_t enc, uint64_t value, unsigned size);

/* APIC virtualization */
uint32_t vmx_vtpr(const struct cpu *c);
void vmx_set_vtpr(struct cpu *c, uint32_t v);
void vmx_virtualize_tpr(struct cpu *c);
void vmx_apic_emulate(struct cpu *c); /* of the write that apic_write says; may exit */
bool vmx_virtual_interrupt_ready(const struct cpu *c);
void vmx_deliver_virtual_interrupt(struct cpu *c);
/* The acknowledged interrupt is the notification: its requests are taken over. */
bool vmx_posted_interrupt(struct cpu *c, int vector);

void vmx_timer_start(struct cpu *c);
void vmx_timer_stop(struct cpu *c);
uint32_t vmx_timer_left(const struct cpu *c);
void vmx_update_attn(struct cpu *c);

#endif
