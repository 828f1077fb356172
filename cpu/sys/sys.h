/*
 * cpu/sys/sys.h: events, segments, control registers, MSRs, CPUID: what the engine and VT-x call.
 */
#ifndef CPU_SYS_SYS_H
#define CPU_SYS_SYS_H

#include <stdbool.h>
#include <stdint.h>

#include "cpu/cpu.h"

#define CPU_PHYS_BITS   40 /* physical and linear address widths, as CPUID 80000008 says */
#define CPU_LINEAR_BITS 48

/* Kinds of event delivery, numbered as in VM-entry interruption information (SDM 3C 25.8.3). */
enum event_type {
    EVT_EXT_INTR = 0,
    EVT_NMI = 2,
    EVT_HW_EXC = 3,
    EVT_SW_INT = 4,
    EVT_PRIV_SW_EXC = 5, /* INT1 */
    EVT_SW_EXC = 6,      /* INT3, INTO */
};

/* Deliver through the IDT/IVT of the current mode: pushes, loads CS:RIP, ... Faults on the way are
 * raised by cpu_fault (the run loop turns them into #DF / shutdown by c->delivering). `insn_len`:
 * for software events RIP pushed = c->rip (caller has advanced it already); kept for VMX info.
 * Does no VMX intercept checks: those are in event_exception / event_software. */
void event_deliver(struct cpu *c, int vector, enum event_type type, bool has_err, uint32_t err,
                   unsigned insn_len);

/* Run loop: the fault recorded by cpu_fault (c->fault_*), with exception-bitmap intercept,
 * contributory and double-fault rules (SDM 3A table 6-5), #PF sets CR2, #DB sets DR6; may shut
 * down. */
void event_fault(struct cpu *c);
/* Run loop, when c->attn is set (other than DEBUG/STOP): INIT, traps, NMI, external interrupts, VMX
 * windows, in the order of SDM 3A table 6-2. Returns true when an event was taken or state
 * changed. */
bool event_poll(struct cpu *c);
/* Would event_poll take something now? For HLT wake-ups. */
bool event_pending(const struct cpu *c);
/* After each instruction that ran with TF=1 or matched an instruction breakpoint/data watch. */
void event_debug_trap(struct cpu *c, uint64_t dr6_bits);
/* Instruction breakpoints (DR0-3, R/W = 0) at this linear address; raises #DB unless RF. */
void event_check_code_bp(struct cpu *c, uint64_t la);

/* Segment loads (SDM 3A 5, 6): all checks; cpl/rpl rules by target register. */
void seg_load(struct cpu *c, unsigned seg, uint16_t sel);      /* MOV Sreg, POP Sreg, LxS */
void seg_load_real(struct cpu *c, unsigned seg, uint16_t sel); /* real and VM86 modes */
void seg_far_jump(struct cpu *c, uint16_t sel, uint64_t off, unsigned osize);
void seg_far_call(struct cpu *c, uint16_t sel, uint64_t off, unsigned osize, uint64_t ret_rip);
void seg_far_ret(struct cpu *c, unsigned osize, unsigned pop_bytes);
void seg_iret(struct cpu *c, unsigned osize);
/* Near branch target check: canonical in 64-bit mode, within CS limit otherwise: #GP(0). */
uint64_t seg_branch_target(struct cpu *c, uint64_t rip);

/* Stack pushes/pops with the stack's address size and segment checks; RSP changes only on
 * success. */
void stack_push(struct cpu *c, unsigned size, uint64_t v);
uint64_t stack_pop(struct cpu *c, unsigned size);

/* Control and debug registers with all checks (#GP) and effects (mode, ctx, flushes). */
void cr_write(struct cpu *c, unsigned n, uint64_t v);
uint64_t cr_read(struct cpu *c, unsigned n);
void cr0_set(struct cpu *c, uint64_t v); /* effects only; VM entry/exit and reset use it */
void cr4_set(struct cpu *c, uint64_t v);
void efer_set(struct cpu *c, uint64_t v);
/* Bits that exist on this processor; the others are reserved. */
uint64_t cr4_valid(const struct cpu *c);
uint64_t efer_valid(const struct cpu *c);
/* false: #GP(0) */
bool msr_read(struct cpu *c, uint32_t msr, uint64_t *v);
bool msr_write(struct cpu *c, uint32_t msr, uint64_t v);

/* CPUID (cpu/sys/cpuid.def). query fills r[4] = EAX, EBX, ECX, EDX. */
struct cpu_model;
const struct cpu_model *cpu_model_find(const char *name); /* NULL when unknown */
void cpuid_query(const struct cpu *c, uint32_t leaf, uint32_t sub, uint32_t r[4]);

/* FPU/SSE gate used by x87 and SSE rows: #NM/#UD by CR0.EM/TS, CR4.OSFXSR. */
static inline void fpu_check_x87(struct cpu *c)
{
    if (c->cr0 & (CR0_EM | CR0_TS))
        cpu_fault_noerr(c, EXC_NM);
}
static inline void fpu_check_sse(struct cpu *c)
{
    if ((c->cr0 & CR0_EM) || !(c->cr4 & CR4_OSFXSR))
        cpu_fault_noerr(c, EXC_UD);
    if (c->cr0 & CR0_TS)
        cpu_fault_noerr(c, EXC_NM);
}
static inline void fpu_check_mmx(struct cpu *c)
{
    if (c->cr0 & CR0_EM)
        cpu_fault_noerr(c, EXC_UD);
    if (c->cr0 & CR0_TS)
        cpu_fault_noerr(c, EXC_NM);
}

#endif
