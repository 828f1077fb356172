/*
 * XSAVE, XSAVEOPT, XSAVEC, XSAVES, XRSTOR, XRSTORS, XGETBV, XSETBV (SDM 1 13).
 *
 * The legacy region holds x87 and SSE state; every other component is a row of xcomps. All
 * components always count as in use (SDM 1 13.6 allows it), so XSAVEOPT and XSAVEC write what was
 * asked for and images do not depend on history.
 *
 * Not modelled: supervisor components (IA32_XSS has no bits), components that no row has.
 */
#include "cpu/fpu/fpu.h"
#include "cpu/sys/sys_int.h"
#include "cpu/sys/xsave.h"

enum {
    XS_X87 = 1,
    XS_SSE = 2,
    XS_AVX = 4,
    XS_LEGACY = 3,
    XS_HEADER = 512,
    XS_EXT = 576,
    XS_MAX = 1024
};
#define XCOMP_COMPACT (1ull << 63)

static void save_ymm(const struct cpu *c, uint8_t *to)
{
    for (unsigned n = 0; n < 16; n++)
        memcpy(to + 16 * n, c->xmm[n].b + 16, 16);
}

static void load_ymm(struct cpu *c, const uint8_t *from)
{
    for (unsigned n = 0; n < (cpu_code64(c) ? 16u : 8u); n++) {
        if (from)
            memcpy(c->xmm[n].b + 16, from + 16 * n, 16);
        else
            memset(c->xmm[n].b + 16, 0, 16);
    }
}

static void save_pkru(const struct cpu *c, uint8_t *to)
{
    memset(to, 0, 8);
    memcpy(to, &c->pkru, 4);
}

static void load_pkru(struct cpu *c, const uint8_t *from)
{
    uint32_t v = 0;
    if (from)
        memcpy(&v, from, 4);
    cpu_set_pkru(c, v);
}

static const struct xcomp {
    uint8_t bit, feature;
    uint16_t offset, size; /* in the standard form; all within XS_MAX */
    void (*save)(const struct cpu *c, uint8_t *to);
    void (*load)(struct cpu *c, const uint8_t *from); /* NULL: the initial configuration */
} xcomps[] = {
    {2, F_AVX, 576, 256, save_ymm, load_ymm},
    {9, F_PKU, 832, 8, save_pkru, load_pkru},
};
#define XCOMPS (sizeof xcomps / sizeof xcomps[0])

uint64_t xcr0_valid(const struct cpu *c)
{
    uint64_t v = XS_LEGACY;
    for (unsigned n = 0; n < XCOMPS; n++)
        v |= cpu_has(c, xcomps[n].feature) ? 1ull << xcomps[n].bit : 0;
    return v;
}

unsigned xsave_size(uint64_t mask, bool compact)
{
    unsigned size = XS_EXT;
    for (unsigned n = 0; n < XCOMPS; n++) {
        if (mask >> xcomps[n].bit & 1)
            size = compact ? size + xcomps[n].size : xcomps[n].offset + xcomps[n].size;
    }
    return size;
}

/* CPUID leaf 13 (SDM 1 13.2) */
void xsave_cpuid(const struct cpu *c, uint32_t sub, uint32_t r[4])
{
    const uint64_t valid = xcr0_valid(c);
    if (sub == 0) {
        r[0] = (uint32_t)valid;
        r[1] = xsave_size(c->xcr0, false);
        r[2] = xsave_size(valid, false);
    } else if (sub == 1) {
        r[1] = cpu_has(c, F_XSAVEC) ? xsave_size(c->xcr0 | c->xss, true) : 0;
    }
    for (unsigned n = 0; n < XCOMPS; n++) {
        if (xcomps[n].bit == sub && (valid >> sub & 1)) {
            r[0] = xcomps[n].size;
            r[1] = xcomps[n].offset;
        }
    }
}

static void need_osxsave(struct cpu *c)
{
    if (!(c->cr4 & CR4_OSXSAVE))
        fault_ud(c);
}

static uint64_t instruction_mask(const struct cpu *c)
{
    return (uint32_t)c->r[R_AX] | c->r[R_DX] << 32;
}

static uint64_t requested(const struct cpu *c, bool supervisor)
{
    return instruction_mask(c) & (c->xcr0 | (supervisor ? c->xss : 0));
}

static uint64_t area(struct cpu *c, const struct insn *i, unsigned size, int access)
{
    need_osxsave(c);
    if (c->cr0 & CR0_TS)
        cpu_fault_noerr(c, EXC_NM);
    const uint64_t la = insn_la(c, i, size, access);
    if (la & 63)
        fault_gp(c);
    return la;
}

/* Bytes of a component that are written: outside 64-bit mode there are 8 vector registers. */
static unsigned written(const struct cpu *c, const struct xcomp *x)
{
    return x->bit == 2 && !cpu_code64(c) ? x->size / 2u : x->size;
}

static void save_components(struct cpu *c, const struct insn *i, uint64_t la, uint64_t rfbm,
                            bool compact)
{
    uint8_t image[XS_MAX] = {0};
    fpu_save_x87(c, image, i->osize == 8);
    fpu_save_xmm(c, image);
    if (rfbm & XS_X87) {
        mmu_st_bytes(c, la, image, FX_MXCSR);
        mmu_st_bytes(c, la + FX_ST, image + FX_ST, FX_XMM - FX_ST);
    }
    if ((rfbm & XS_SSE) || (!compact && (rfbm & XS_AVX))) {
        const uint32_t csr[2] = {c->fpu.mxcsr, MXCSR_MASK};
        mmu_st_bytes(c, la + FX_MXCSR, csr, 8);
    }
    if (rfbm & XS_SSE) {
        mmu_st_bytes(c, la + FX_XMM, image + FX_XMM, cpu_code64(c) ? 256 : 128);
    }
    unsigned at = XS_EXT;
    for (unsigned n = 0; n < XCOMPS; n++) {
        if (!(rfbm >> xcomps[n].bit & 1))
            continue;
        if (!compact)
            at = xcomps[n].offset;
        xcomps[n].save(c, image);
        mmu_st_bytes(c, la + at, image, written(c, &xcomps[n]));
        at += xcomps[n].size;
    }
}

static void xsave(struct cpu *c, const struct insn *i)
{
    const uint64_t rfbm = requested(c, false);
    const unsigned size = xsave_size(rfbm, false);
    const uint64_t la = area(c, i, size, ACC_W);
    mmu_probe(c, la, size, ACC_W);
    const uint64_t old = mem_ld64(c, la + XS_HEADER);
    save_components(c, i, la, rfbm, false);
    mem_st64(c, la + XS_HEADER, (old & ~rfbm) | rfbm);
}

void op_xsave(struct cpu *c, const struct insn *i)
{
    xsave(c, i);
}

void op_xsaveopt(struct cpu *c, const struct insn *i)
{
    xsave(c, i);
}

static void xsave_compact(struct cpu *c, const struct insn *i, bool supervisor)
{
    const uint64_t rfbm = requested(c, supervisor);
    const unsigned size = xsave_size(rfbm, true);
    const uint64_t la = area(c, i, size, ACC_W);
    mmu_probe(c, la, size, ACC_W);
    save_components(c, i, la, rfbm, true);
    mem_st64(c, la + XS_HEADER, rfbm);
    mem_st64(c, la + XS_HEADER + 8, XCOMP_COMPACT | rfbm);
}

void op_xsavec(struct cpu *c, const struct insn *i)
{
    xsave_compact(c, i, false);
}

static void need_supervisor(struct cpu *c, const struct insn *i, uint32_t exit_reason)
{
    if (vmx_xsaves_ud(c))
        fault_ud(c);
    need_osxsave(c);
    need_cpl0(c);
    if (c->non_root)
        vmx_intercept_xsaves(c, i, exit_reason, instruction_mask(c) & c->xss);
}

void op_xsaves(struct cpu *c, const struct insn *i)
{
    need_supervisor(c, i, VMX_EXIT_XSAVES);
    xsave_compact(c, i, true);
}

static void init_x87(struct cpu *c)
{
    fpu_init(&c->fpu);
    memset(c->fpu.st, 0, sizeof c->fpu.st);
    c->fpu.op = c->fpu.cs = c->fpu.ds = 0;
    c->fpu.ip = c->fpu.dp = 0;
}

/* XSTATE_BV, XCOMP_BV and reserved bytes of the header (SDM 1 13.8, 13.12). */
static bool header_ok(const struct cpu *c, const uint64_t h[8], bool supervisor)
{
    const uint64_t valid = c->xcr0 | (supervisor ? c->xss : 0);
    uint64_t rest = 0;
    for (unsigned n = 2; n < 8; n++)
        rest |= h[n];
    if (!(h[1] & XCOMP_COMPACT)) /* bytes 8-23 must be 0; the rest is ignored */
        return !supervisor && !(h[0] & ~c->xcr0) && !h[1] && !h[2];
    return cpu_has(c, F_XSAVEC) && !(h[1] & ~XCOMP_COMPACT & ~valid) && !(h[0] & ~h[1]) && !rest;
}

static void load_legacy(struct cpu *c, const struct insn *i, const uint8_t *image, uint64_t rfbm,
                        uint64_t bv, bool csr)
{
    uint32_t mxcsr;
    memcpy(&mxcsr, image + FX_MXCSR, 4);
    if (rfbm & bv & XS_X87)
        fpu_load_x87(c, image, i->osize == 8);
    else if (rfbm & XS_X87)
        init_x87(c);
    if (rfbm & bv & XS_SSE) {
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

static void xrstor(struct cpu *c, const struct insn *i, bool supervisor)
{
    const uint64_t rfbm = requested(c, supervisor), la = area(c, i, XS_EXT, ACC_R);
    uint8_t image[XS_MAX];
    uint64_t h[8];
    uint32_t mxcsr;
    mmu_ld_bytes(c, la, image, XS_EXT);
    memcpy(h, image + XS_HEADER, sizeof h);
    memcpy(&mxcsr, image + FX_MXCSR, 4);
    if (!header_ok(c, h, supervisor))
        fault_gp(c);
    const bool compact = h[1] & XCOMP_COMPACT;
    const bool csr = compact ? rfbm & h[0] & XS_SSE : rfbm & (XS_SSE | XS_AVX);
    if (csr && (mxcsr & ~MXCSR_MASK))
        fault_gp(c);
    insn_la(c, i, xsave_size(compact ? h[1] : rfbm & h[0], compact), ACC_R); /* all of it */
    unsigned at[XCOMPS], next = XS_EXT;
    for (unsigned n = 0; n < XCOMPS; n++) { /* read all before anything changes */
        at[n] = compact ? next : xcomps[n].offset;
        if (h[1] >> xcomps[n].bit & 1)
            next += xcomps[n].size;
        if (rfbm & h[0] & 1ull << xcomps[n].bit)
            mmu_ld_bytes(c, la + at[n], image + at[n], xcomps[n].size);
    }
    load_legacy(c, i, image, rfbm, h[0], csr);
    for (unsigned n = 0; n < XCOMPS; n++) {
        const uint64_t bit = 1ull << xcomps[n].bit;
        if (rfbm & bit)
            xcomps[n].load(c, h[0] & bit ? image + at[n] : NULL);
    }
}

void op_xrstor(struct cpu *c, const struct insn *i)
{
    xrstor(c, i, false);
}

void op_xrstors(struct cpu *c, const struct insn *i)
{
    need_supervisor(c, i, VMX_EXIT_XRSTORS);
    xrstor(c, i, true);
}

void op_xgetbv(struct cpu *c, const struct insn *i)
{
    (void)i;
    need_osxsave(c);
    if ((uint32_t)c->r[R_CX] > (cpu_has(c, F_XGETBV1) ? 1 : 0))
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
    if ((uint32_t)c->r[R_CX] || !(v & XS_X87) || (v & ~xcr0_valid(c)))
        fault_gp(c);
    if ((v & XS_AVX) && !(v & XS_SSE))
        fault_gp(c);
    c->xcr0 = v;
}

/* ---- protection keys ---- */

void cpu_set_pkru(struct cpu *c, uint32_t v)
{
    const uint32_t old = c->pkru;
    c->pkru = v;
    if (v != old && (c->cr4 & CR4_PKE))
        mmu_rights_changed(c);
}

static void need_pke(struct cpu *c)
{
    if (!(c->cr4 & CR4_PKE))
        fault_ud(c);
}

void op_rdpkru(struct cpu *c, const struct insn *i)
{
    (void)i;
    need_pke(c);
    if ((uint32_t)c->r[R_CX])
        fault_gp(c);
    c->r[R_AX] = c->pkru;
    c->r[R_DX] = 0;
}

void op_wrpkru(struct cpu *c, const struct insn *i)
{
    (void)i;
    need_pke(c);
    if ((uint32_t)c->r[R_CX] || (uint32_t)c->r[R_DX])
        fault_gp(c);
    cpu_set_pkru(c, (uint32_t)c->r[R_AX]);
}
