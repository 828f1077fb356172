/*
 * IN, OUT, INS, OUTS: permission by IOPL and the TSS bitmap (SDM 1 19.5), VMX intercepts, I/O
 * breakpoints.
 *
 * A repeated string instruction does one iteration each time it runs; RIP stays on it until the
 * count is 0.
 */
#include "cpu/sys/sys_int.h"

bool io_allowed(struct cpu *c, uint16_t port, unsigned size)
{
    const struct seg *tr = &c->seg[SEG_TR];
    if (cpu_real(c) || (!cpu_vm86(c) && c->cpl <= (c->eflags & FL_IOPL) >> FL_IOPL_SHIFT))
        return true;
    if ((tr->attr & SA_UNUSABLE) || !(tr->attr & 8) || tr->limit < 103)
        return false;
    const uint32_t at = (uint32_t)mmu_ld_sys(c, tr->base + 102, 2) + port / 8u;
    if (at + 1 > tr->limit)
        return false;
    const uint64_t bits = mmu_ld_sys(c, tr->base + at, 2) >> (port & 7);
    return !(bits & ((1u << size) - 1));
}

static void io_breakpoints(struct cpu *c, uint16_t port, unsigned size)
{
    static const uint8_t len[4] = {1, 2, 8, 4};
    uint64_t hit = 0;
    if (!(c->cr4 & CR4_DE) || !(c->dr[7] & 0xff))
        return;
    for (unsigned n = 0; n < 4; n++) {
        const unsigned rw = c->dr[7] >> (16 + 4 * n) & 3, l = len[c->dr[7] >> (18 + 4 * n) & 3];
        const uint64_t at = c->dr[n] & ~(uint64_t)(l - 1);
        if (rw == 2 && (c->dr[7] >> (2 * n) & 3) && port < at + l && port + size > at)
            hit |= DR6_B0 << n;
    }
    if (hit)
        event_debug_trap(c, hit);
}

static uint64_t port_in(struct cpu *c, uint16_t port, unsigned size)
{
    const uint64_t v = bus_port_read(c->bus, port, size);
    if (trace_on(c->trace, TP_io_in))
        trace_emit(c->trace, TP_io_in, (uint8_t)c->index, cpu_icount(c), clock_now(c->clock), port,
                   size, v, cpu_rip(c), 0, 0);
    io_breakpoints(c, port, size);
    return v;
}

static void port_out(struct cpu *c, uint16_t port, unsigned size, uint64_t v)
{
    if (trace_on(c->trace, TP_io_out))
        trace_emit(c->trace, TP_io_out, (uint8_t)c->index, cpu_icount(c), clock_now(c->clock), port,
                   size, v, cpu_rip(c), 0, 0);
    bus_port_write(c->bus, port, size, v);
    io_breakpoints(c, port, size);
}

/* Operand size of I/O never exceeds 32 bits. */
static unsigned io_size(const struct insn *i)
{
    return i->osize == 8 ? 4 : i->osize;
}

static void in(struct cpu *c, const struct insn *i, uint16_t port, bool imm)
{
    const unsigned size = io_size(i);
    if (!io_allowed(c, port, size))
        fault_gp(c);
    if (c->non_root)
        vmx_intercept_io(c, i, port, size, true, false, false, imm, 0);
    reg_set(c, 0, size, port_in(c, port, size));
}

static void out(struct cpu *c, const struct insn *i, uint16_t port, bool imm)
{
    const unsigned size = io_size(i);
    if (!io_allowed(c, port, size))
        fault_gp(c);
    if (c->non_root)
        vmx_intercept_io(c, i, port, size, false, false, false, imm, 0);
    port_out(c, port, size, reg_get(c, 0, size));
}

void op_in_i(struct cpu *c, const struct insn *i)
{
    in(c, i, (uint8_t)i->imm, true);
}

void op_in_dx(struct cpu *c, const struct insn *i)
{
    in(c, i, (uint16_t)c->r[R_DX], false);
}

void op_out_i(struct cpu *c, const struct insn *i)
{
    out(c, i, (uint8_t)i->imm, true);
}

void op_out_dx(struct cpu *c, const struct insn *i)
{
    out(c, i, (uint16_t)c->r[R_DX], false);
}

static unsigned addr_size(const struct insn *i)
{
    return i->flags & INSN_A16 ? 2 : i->flags & INSN_A32 ? 4 : 8;
}

/* Step the index register and the count; true while iterations are left. */
static void string_step(struct cpu *c, const struct insn *i, unsigned index, unsigned size)
{
    const unsigned as = addr_size(i);
    const uint64_t by = c->eflags & FL_DF ? -(uint64_t)size : size;
    reg_set(c, index, as, reg_get(c, index, as) + by);
    if (!(i->flags & (INSN_REP | INSN_REPNE)))
        return;
    const uint64_t left = reg_get(c, R_CX, as) - 1;
    reg_set(c, R_CX, as, left);
    if (as == 8 ? left : left & (as == 4 ? 0xffffffffu : 0xffffu))
        c->rip = cpu_code64(c) ? insn_rip(c, i) : (uint32_t)insn_rip(c, i);
}

static bool string_done(const struct cpu *c, const struct insn *i)
{
    return (i->flags & (INSN_REP | INSN_REPNE)) && !reg_get(c, R_CX, addr_size(i));
}

void op_ins(struct cpu *c, const struct insn *i)
{
    const unsigned size = io_size(i);
    const uint16_t port = (uint16_t)c->r[R_DX];
    if (string_done(c, i))
        return;
    if (!io_allowed(c, port, size))
        fault_gp(c);
    const uint64_t la = seg_linear(c, SEG_ES, reg_get(c, R_DI, addr_size(i)), size, ACC_W);
    if (c->non_root)
        vmx_intercept_io(c, i, port, size, true, true, i->flags & (INSN_REP | INSN_REPNE), false,
                         la);
    mmu_probe(c, la, size, ACC_W);
    mem_st(c, la, size, port_in(c, port, size));
    string_step(c, i, R_DI, size);
}

void op_outs(struct cpu *c, const struct insn *i)
{
    const unsigned size = io_size(i);
    const uint16_t port = (uint16_t)c->r[R_DX];
    if (string_done(c, i))
        return;
    if (!io_allowed(c, port, size))
        fault_gp(c);
    const uint64_t la = seg_linear(c, i->seg, reg_get(c, R_SI, addr_size(i)), size, ACC_R);
    if (c->non_root)
        vmx_intercept_io(c, i, port, size, false, true, i->flags & (INSN_REP | INSN_REPNE), false,
                         la);
    port_out(c, port, size, mem_ld(c, la, size));
    string_step(c, i, R_SI, size);
}
