/*
 * Intercept decisions (SDM 3C chapter 26): which instructions and accesses exit, with their
 * qualifications and instruction information (28.2.1, 28.2.5), and what CR accesses see otherwise.
 */
#include "cpu/mem.h"
#include "cpu/vmx/vmx_int.h"

/* ---- instruction information (SDM 3C 28.2.5) ---- */

uint32_t vmx_insn_info(const struct cpu *c, const struct insn *i, unsigned reg2)
{
    const unsigned asize = i->flags & INSN_A16 ? 0 : i->flags & INSN_A32 ? 1 : 2;
    uint32_t info = asize << 7 | reg2 << 28;
    (void)c;
    if (!(i->flags & INSN_MEM))
        return info | (uint32_t)i->s << 3 | 1u << 10;
    info |= i->scale | (uint32_t)i->seg << 15;
    info |= i->x < 16 ? (uint32_t)i->x << 18 : 1u << 22;
    info |= i->b < 16 ? (uint32_t)i->b << 23 : 1u << 27;
    return info;
}

/* Displacement; RIP-relative operands give the whole address (the sum with the next RIP). */
uint64_t vmx_insn_disp(const struct cpu *c, const struct insn *i)
{
    const uint64_t disp = (uint64_t)(int64_t)i->disp;
    return i->b == R_PAGE ? c->r[R_PAGE] + disp : disp;
}

static _Noreturn void exit_insn(struct cpu *c, const struct insn *i, uint32_t reason, uint64_t qual,
                                uint32_t info)
{
    const struct vmx_exit_info x = {.reason = reason, .qual = qual, .insn_info = info,
                                    .ilen = i ? i->len : c->in_insn ? c->cur->len : 0};
    vmx_exit_now(c, &x);
}

/* ---- plain instructions ---- */

/* Control that makes the instruction exit: 0 always, ALL_BITS never. */
struct insn_rule {
    uint32_t proc, proc2;
    bool always;
};

static const struct insn_rule insn_rules[VMX_EXIT_COUNT] = {
    [VMX_EXIT_CPUID] = {.always = true},
    [VMX_EXIT_GETSEC] = {.always = true},
    [VMX_EXIT_INVD] = {.always = true},
    [VMX_EXIT_XSETBV] = {.always = true},
    [VMX_EXIT_HLT] = {.proc = (uint32_t)VMX_PROC_HLT},
    [VMX_EXIT_INVLPG] = {.proc = (uint32_t)VMX_PROC_INVLPG},
    [VMX_EXIT_MWAIT] = {.proc = (uint32_t)VMX_PROC_MWAIT},
    [VMX_EXIT_MONITOR] = {.proc = (uint32_t)VMX_PROC_MONITOR},
    [VMX_EXIT_RDPMC] = {.proc = (uint32_t)VMX_PROC_RDPMC},
    [VMX_EXIT_RDTSC] = {.proc = (uint32_t)VMX_PROC_RDTSC},
    [VMX_EXIT_RDTSCP] = {.proc = (uint32_t)VMX_PROC_RDTSC},
    [VMX_EXIT_WBINVD] = {.proc2 = (uint32_t)VMX_PROC2_WBINVD},
};

void vmx_intercept_insn(struct cpu *c, uint32_t reason, uint64_t qual)
{
    const struct insn_rule *r = &insn_rules[reason];
    if (r->always || (c->vmx->vmcs.proc_ctl & r->proc) || (c->vmx->proc2 & r->proc2))
        vmx_exit(c, reason, qual);
}

/* PAUSE-loop exiting (26.1.3): PAUSEs within `gap` of each other are one loop; a loop longer than
 * `window` exits. Only at CPL 0. */
void vmx_intercept_pause(struct cpu *c)
{
    struct vmx *x = c->vmx;
    if (x->vmcs.proc_ctl & VMX_PROC_PAUSE)
        vmx_exit(c, VMX_EXIT_PAUSE, 0);
    if (!(x->proc2 & VMX_PROC2_PLE) || c->cpl > 0)
        return;
    const uint64_t now = cpu_raw_tsc(c);
    if (now - x->ple_last > x->vmcs.ple_gap)
        x->ple_first = now;
    x->ple_last = now;
    if (now - x->ple_first > x->vmcs.ple_window) {
        x->ple_last = 0;
        vmx_exit(c, VMX_EXIT_PAUSE, 0);
    }
}

void vmx_intercept_invpcid(struct cpu *c, const struct insn *i)
{
    if (c->vmx->vmcs.proc_ctl & VMX_PROC_INVLPG)
        exit_insn(c, i, VMX_EXIT_INVPCID, vmx_insn_disp(c, i), vmx_insn_info(c, i, i->d));
}

void vmx_intercept_random(struct cpu *c, const struct insn *i, uint32_t reason)
{
    const uint32_t control = (uint32_t)(reason == VMX_EXIT_RDRAND ? VMX_PROC2_RDRAND
                                                                  : VMX_PROC2_RDSEED);
    if (c->vmx->proc2 & control)
        exit_insn(c, i, reason, 0, (uint32_t)i->s << 3 | (uint32_t)(i->osize >> 2) << 11);
}

void vmx_intercept_xsaves(struct cpu *c, const struct insn *i, uint32_t reason, uint64_t wanted)
{
    if (wanted & c->vmx->vmcs.xss_exit_bitmap)
        exit_insn(c, i, reason, vmx_insn_disp(c, i), vmx_insn_info(c, i, 0));
}

void vmx_intercept_desc(struct cpu *c, const struct insn *i, enum vmx_desc_insn which)
{
    if (!(c->vmx->proc2 & VMX_PROC2_DESC_TABLE))
        return;
    const uint64_t qual = i->flags & INSN_MEM ? vmx_insn_disp(c, i) : 0;
    uint32_t info = vmx_insn_info(c, i, 0);
    if (which >= VMX_SLDT)
        exit_insn(c, i, VMX_EXIT_LDTR_TR, qual, info | (which - VMX_SLDT) << 28);
    info &= ~(1u << 10);
    if (!cpu_code64(c) && !(i->flags & INSN_OPSZ) == ((c->mode & MODE_CODE_MASK) == MODE_CODE32))
        info |= 1u << 11;
    exit_insn(c, i, VMX_EXIT_GDTR_IDTR, qual, info | (uint32_t)which << 28);
}

/* ---- I/O and MSRs ---- */

static bool io_intercepted(struct cpu *c, uint16_t port, unsigned size)
{
    const struct vmcs *v = &c->vmx->vmcs;
    if (!(v->proc_ctl & VMX_PROC_IO_BITMAPS))
        return v->proc_ctl & VMX_PROC_UNCOND_IO;
    if (port + size > 0x10000)
        return true;
    for (uint32_t p = port; p < port + size; p++) {
        const uint64_t map = p < 0x8000 ? v->io_bitmap_a : v->io_bitmap_b;
        if (vmx_phys_ld(c, map + (p >> 3 & 0xfff), 1) >> (p & 7) & 1)
            return true;
    }
    return false;
}

void vmx_intercept_io(struct cpu *c, const struct insn *i, uint16_t port, unsigned size, bool in,
                      bool string, bool rep, bool imm, uint64_t gla)
{
    uint32_t info = 0;
    if (!io_intercepted(c, port, size))
        return;
    uint64_t qual = (size - 1) | (uint64_t)port << 16;
    qual |= (in ? VMX_QUAL_IO_IN : 0) | (string ? VMX_QUAL_IO_STRING : 0) |
            (rep ? VMX_QUAL_IO_REP : 0) | (imm ? VMX_QUAL_IO_IMM : 0);
    if (string) {
        c->vmx->vmcs.guest_linear_addr = gla;
        if (i)
            info = (i->flags & INSN_A16 ? 0u : i->flags & INSN_A32 ? 1u : 2u) << 7 |
                   (in ? 0u : (uint32_t)i->seg << 15);
    }
    exit_insn(c, i, VMX_EXIT_IO, qual, info);
}

void vmx_intercept_msr(struct cpu *c, uint32_t msr, bool write)
{
    const struct vmcs *v = &c->vmx->vmcs;
    bool hit = true;
    if (v->proc_ctl & VMX_PROC_MSR_BITMAPS) {
        const uint32_t low = msr & 0x1fff, base = msr & ~0x1fffu;
        if (base == 0 || base == 0xc0000000) {
            const uint64_t at = v->msr_bitmap + (write ? 0x800 : 0) + (base ? 0x400 : 0);
            hit = vmx_phys_ld(c, at + (low >> 3), 1) >> (low & 7) & 1;
        }
    }
    if (hit)
        vmx_exit(c, write ? VMX_EXIT_WRMSR : VMX_EXIT_RDMSR, 0);
}

/* ---- control and debug registers (26.1.3, 26.3) ---- */

static uint64_t cr_qual(unsigned n, unsigned type, unsigned gpr)
{
    return n | (uint64_t)type << 4 | (uint64_t)gpr << 8;
}

uint64_t vmx_guest_cr0(const struct cpu *c)
{
    const struct vmcs *v = &c->vmx->vmcs;
    return (v->cr0_shadow & v->cr0_mask) | (c->cr0 & ~v->cr0_mask);
}

static uint64_t guest_cr4(const struct cpu *c)
{
    const struct vmcs *v = &c->vmx->vmcs;
    return (v->cr4_shadow & v->cr4_mask) | (c->cr4 & ~v->cr4_mask);
}

uint64_t vmx_mov_from_cr(struct cpu *c, unsigned n, unsigned gpr)
{
    const uint32_t proc = c->vmx->vmcs.proc_ctl;
    switch (n) {
    case 0: return vmx_guest_cr0(c);
    case 2: return c->cr2;
    case 3:
        if (proc & VMX_PROC_CR3_STORE)
            vmx_exit(c, VMX_EXIT_CR_ACCESS, cr_qual(3, VMX_QUAL_CR_MOV_FROM, gpr));
        return c->cr3;
    case 4: return guest_cr4(c);
    default: /* CR8 */
        if (proc & VMX_PROC_CR8_STORE)
            vmx_exit(c, VMX_EXIT_CR_ACCESS, cr_qual(8, VMX_QUAL_CR_MOV_FROM, gpr));
        if (proc & VMX_PROC_TPR_SHADOW)
            return vmx_vtpr(c) >> 4 & 15;
        return cr_read(c, 8);
    }
}

static bool cr3_is_target(const struct vmcs *v, uint64_t value)
{
    const uint64_t target[] = {v->cr3_target0, v->cr3_target1, v->cr3_target2, v->cr3_target3};
    for (unsigned t = 0; t < v->cr3_target_count && t < VMX_CR3_TARGETS; t++)
        if (target[t] == value)
            return true;
    return false;
}

uint64_t vmx_mov_to_cr(struct cpu *c, unsigned n, unsigned gpr, uint64_t value, bool *done)
{
    const struct vmcs *v = &c->vmx->vmcs;
    const uint64_t qual = cr_qual(n, VMX_QUAL_CR_MOV_TO, gpr);
    *done = false;
    switch (n) {
    case 0:
        if ((value ^ v->cr0_shadow) & v->cr0_mask)
            vmx_exit(c, VMX_EXIT_CR_ACCESS, qual);
        return (value & ~v->cr0_mask) | (c->cr0 & v->cr0_mask);
    case 3:
        if ((v->proc_ctl & VMX_PROC_CR3_LOAD) && !cr3_is_target(v, value))
            vmx_exit(c, VMX_EXIT_CR_ACCESS, qual);
        return value;
    case 4:
        if ((value ^ v->cr4_shadow) & v->cr4_mask)
            vmx_exit(c, VMX_EXIT_CR_ACCESS, qual);
        return (value & ~v->cr4_mask) | (c->cr4 & v->cr4_mask);
    case 8:
        if (v->proc_ctl & VMX_PROC_CR8_LOAD)
            vmx_exit(c, VMX_EXIT_CR_ACCESS, qual);
        if (v->proc_ctl & VMX_PROC_TPR_SHADOW) {
            if (value & ~15ull)
                cpu_fault(c, EXC_GP, 0);
            vmx_set_vtpr(c, (uint32_t)value << 4);
            *done = true;
        }
        return value;
    default: return value;
    }
}

bool vmx_clts(struct cpu *c)
{
    const struct vmcs *v = &c->vmx->vmcs;
    if (!(v->cr0_mask & CR0_TS))
        return true;
    if (v->cr0_shadow & CR0_TS)
        vmx_exit(c, VMX_EXIT_CR_ACCESS, cr_qual(0, VMX_QUAL_CR_CLTS, 0));
    return false;
}

uint64_t vmx_lmsw(struct cpu *c, uint16_t src, bool mem, uint64_t gla)
{
    const struct vmcs *v = &c->vmx->vmcs;
    const uint64_t mask = v->cr0_mask;
    const bool sets_pe = (mask & CR0_PE) && (src & CR0_PE) && !(v->cr0_shadow & CR0_PE);
    if (sets_pe || ((src ^ v->cr0_shadow) & mask & (CR0_MP | CR0_EM | CR0_TS))) {
        if (mem)
            c->vmx->vmcs.guest_linear_addr = gla;
        vmx_exit(c, VMX_EXIT_CR_ACCESS,
                 cr_qual(0, VMX_QUAL_CR_LMSW, 0) | (mem ? VMX_QUAL_CR_LMSW_MEM : 0) |
                     (uint64_t)src << 16);
    }
    const uint64_t low = (CR0_MP | CR0_EM | CR0_TS) & ~mask;
    return (c->cr0 & ~low) | (src & low) | (src & CR0_PE & ~mask);
}

void vmx_intercept_dr(struct cpu *c, unsigned n, bool from, unsigned gpr)
{
    if (c->vmx->vmcs.proc_ctl & VMX_PROC_MOV_DR)
        vmx_exit(c, VMX_EXIT_MOV_DR, n | (from ? VMX_QUAL_DR_FROM : 0) | (uint64_t)gpr << 8);
}
