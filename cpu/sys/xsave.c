/*
 * XSAVE, XSAVEOPT, XSAVEC, XRSTOR, XGETBV, XSETBV for x87 and SSE state (SDM 1 13).
 *
 * Both components always count as in use (SDM 1 13.6 allows it), so XSAVEOPT and XSAVEC write what
 * was asked for and images do not depend on history.
 *
 * Not modelled: XSAVES/XRSTORS and supervisor state, AVX (not announced).
 */
#include "cpu/fpu/fpu.h"
#include "cpu/sys/sys_int.h"

enum { XS_X87 = 1, XS_SSE = 2, XS_ALL = 3, XS_HEADER = 512, XS_SIZE = 576, XS_COMPACT_SIZE = 576 };
#define XCOMP_COMPACT (1ull << 63)

static void need_osxsave(struct cpu *c)
{
    if (!(c->cr4 & CR4_OSXSAVE))
        fault_ud(c);
}

static uint64_t requested(const struct cpu *c)
{
    return ((uint32_t)c->r[R_AX] | c->r[R_DX] << 32) & c->xcr0;
}

static uint64_t area(struct cpu *c, const struct insn *i, int access)
{
    need_osxsave(c);
    if (c->cr0 & CR0_TS)
        cpu_fault_noerr(c, EXC_NM);
    const uint64_t la = insn_la(c, i, XS_SIZE, access);
    if (la & 63)
        fault_gp(c);
    return la;
}

static void save_components(struct cpu *c, const struct insn *i, uint64_t la, uint64_t rfbm)
{
    uint8_t image[FX_SIZE] = {0};
    fpu_save_x87(c, image, i->osize == 8);
    fpu_save_xmm(c, image);
    if (rfbm & XS_X87) {
        mmu_st_bytes(c, la, image, FX_MXCSR);
        mmu_st_bytes(c, la + FX_ST, image + FX_ST, FX_XMM - FX_ST);
    }
    if (rfbm & XS_SSE) {
        const uint32_t csr[2] = {c->fpu.mxcsr, MXCSR_MASK};
        mmu_st_bytes(c, la + FX_MXCSR, csr, 8);
        mmu_st_bytes(c, la + FX_XMM, image + FX_XMM, cpu_code64(c) ? 256 : 128);
    }
}

static void xsave(struct cpu *c, const struct insn *i)
{
    const uint64_t la = area(c, i, ACC_W), rfbm = requested(c);
    mmu_probe(c, la, XS_SIZE, ACC_W);
    const uint64_t old = mem_ld64(c, la + XS_HEADER);
    save_components(c, i, la, rfbm);
    mem_st64(c, la + XS_HEADER, (old & ~rfbm) | (rfbm & XS_ALL));
}

void op_xsave(struct cpu *c, const struct insn *i)
{
    xsave(c, i);
}

void op_xsaveopt(struct cpu *c, const struct insn *i)
{
    xsave(c, i);
}

void op_xsavec(struct cpu *c, const struct insn *i)
{
    const uint64_t la = area(c, i, ACC_W), rfbm = requested(c);
    mmu_probe(c, la, XS_COMPACT_SIZE, ACC_W);
    save_components(c, i, la, rfbm);
    mem_st64(c, la + XS_HEADER, rfbm & XS_ALL);
    mem_st64(c, la + XS_HEADER + 8, XCOMP_COMPACT | rfbm);
}

static void init_x87(struct cpu *c)
{
    fpu_init(&c->fpu);
    memset(c->fpu.st, 0, sizeof c->fpu.st);
    c->fpu.op = c->fpu.cs = c->fpu.ds = 0;
    c->fpu.ip = c->fpu.dp = 0;
}

/* XSTATE_BV, XCOMP_BV and reserved bytes of the header (SDM 1 13.8). */
static bool header_ok(const struct cpu *c, const uint64_t h[8])
{
    uint64_t rest = 0;
    for (unsigned n = 2; n < 8; n++)
        rest |= h[n];
    if (!(h[1] & XCOMP_COMPACT)) /* bytes 8-23 must be 0; the rest is ignored */
        return !(h[0] & ~c->xcr0) && !h[1] && !h[2];
    return cpu_has(c, F_XSAVEC) && !(h[1] & ~XCOMP_COMPACT & ~c->xcr0) && !(h[0] & ~h[1]) && !rest;
}

void op_xrstor(struct cpu *c, const struct insn *i)
{
    const uint64_t la = area(c, i, ACC_R), rfbm = requested(c);
    uint8_t image[XS_SIZE];
    uint64_t h[8];
    uint32_t mxcsr;
    mmu_ld_bytes(c, la, image, XS_SIZE);
    memcpy(h, image + XS_HEADER, sizeof h);
    memcpy(&mxcsr, image + FX_MXCSR, 4);
    if (!header_ok(c, h))
        fault_gp(c);
    const bool compact = h[1] & XCOMP_COMPACT;
    const bool csr = (rfbm & XS_SSE) && (!compact || (h[0] & XS_SSE));
    if (csr && (mxcsr & ~MXCSR_MASK))
        fault_gp(c);
    if (rfbm & h[0] & XS_X87)
        fpu_load_x87(c, image, i->osize == 8);
    else if (rfbm & XS_X87)
        init_x87(c);
    if (rfbm & h[0] & XS_SSE) {
        fpu_load_xmm(c, image);
    } else if (rfbm & XS_SSE) {
        for (unsigned n = 0; n < (cpu_code64(c) ? 16 : 8); n++)
            c->xmm[n].q[0] = c->xmm[n].q[1] = 0;
    }
    if (csr)
        c->fpu.mxcsr = mxcsr;
    else if (rfbm & XS_SSE)
        c->fpu.mxcsr = MXCSR_DEFAULT;
}

void op_xgetbv(struct cpu *c, const struct insn *i)
{
    (void)i;
    need_osxsave(c);
    if ((uint32_t)c->r[R_CX] > 1)
        fault_gp(c);
    c->r[R_AX] = (uint32_t)c->xcr0; /* XCR0 & XINUSE is the same: everything is in use */
    c->r[R_DX] = c->xcr0 >> 32;
}

void op_xsetbv(struct cpu *c, const struct insn *i)
{
    const uint64_t v = (uint32_t)c->r[R_AX] | c->r[R_DX] << 32;
    (void)i;
    need_osxsave(c);
    need_cpl0(c);
    if (c->non_root)
        vmx_intercept_insn(c, VMX_EXIT_XSETBV, 0);
    if ((uint32_t)c->r[R_CX] || !(v & XS_X87) || (v & ~(uint64_t)XS_ALL))
        fault_gp(c);
    c->xcr0 = v;
}
