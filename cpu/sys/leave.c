/*
 * Leaving an instruction: faults, exits. Flags as one image. The time-stamp counter.
 */
#include "cpu/sys/sys_int.h"

static _Noreturn void leave(struct cpu *c, int how)
{
    c->in_insn = false;
    longjmp(c->leave, how);
}

static _Noreturn void fault(struct cpu *c, int vector, bool has_err, uint32_t error)
{
    c->rip = cpu_rip(c);
    c->fault_vec = (uint8_t)vector;
    c->fault_has_err = has_err;
    c->fault_err = error;
    leave(c, LEAVE_FAULT);
}

_Noreturn void cpu_fault(struct cpu *c, int vector, uint32_t error)
{
    fault(c, vector, true, error);
}

_Noreturn void cpu_fault_noerr(struct cpu *c, int vector)
{
    fault(c, vector, false, 0);
}

_Noreturn void fault_db(struct cpu *c, uint64_t dr6_bits)
{
    fault(c, EXC_DB, false, (uint32_t)dr6_bits);
}

_Noreturn void cpu_page_fault(struct cpu *c, uint64_t la, uint32_t error)
{
    c->fault_addr = la;
    fault(c, EXC_PF, true, error);
}

_Noreturn void cpu_leave(struct cpu *c, bool retired)
{
    leave(c, retired ? LEAVE_RETIRED : LEAVE_RETRY);
}

uint64_t cpu_rflags(const struct cpu *c)
{
    return c->eflags | FL_FIXED1 | lf_flags(c->lf_res, c->lf_aux);
}

void cpu_set_rflags(struct cpu *c, uint64_t value)
{
    const uint32_t old = c->eflags;
    lf_from_flags((uint32_t)value, &c->lf_res, &c->lf_aux);
    c->eflags = ((uint32_t)value & ~(uint32_t)FL_ARITH & 0x3f7fd7) | FL_FIXED1;
    if ((old ^ c->eflags) & FL_VM)
        cpu_update_mode(c);
    if ((old ^ c->eflags) & (FL_AC | FL_VM))
        mmu_update_ctx(c);
}

/* ns * hz / 10^9 without overflow */
uint64_t cpu_tsc_ticks(const struct cpu *c, uint64_t ns)
{
    if (c->tsc_hz == 1000000000u)
        return ns;
    const uint64_t s = ns / 1000000000u, rest = ns % 1000000000u;
    return s * c->tsc_hz + rest * (c->tsc_hz / 1000u) / 1000000u;
}

uint64_t cpu_raw_tsc(const struct cpu *c)
{
    return cpu_tsc_ticks(c, c->clock ? clock_now(c->clock) : 0);
}

uint64_t cpu_tsc(const struct cpu *c)
{
    return cpu_raw_tsc(c) + (uint64_t)c->tsc_offset;
}
