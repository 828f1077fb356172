/*
 * cpu/fpu/sse.h: private to cpu/fpu: operands, MXCSR and exceptions of SSE and AVX, entry of MMX.
 *
 * SDM 1 9.5 (MMX and the x87), 10.2.3 (MXCSR), 11.5 (SIMD exceptions), 14.1 (AVX), SDM 2A 2.4
 * (exception classes of VEX instructions). Legacy SSE instructions leave bits 255:128 alone,
 * VEX.128 ones clear them.
 */
#ifndef CPU_FPU_SSE_H
#define CPU_FPU_SSE_H

#include "cpu/cpu.h"
#include "cpu/fpu/fpu.h"
#include "cpu/fpu/softfloat.h"
#include "cpu/mem.h"
#include "cpu/sys/sys.h"

#define MXCSR_DAZ        0x40u
#define MXCSR_RC_SHIFT   13
#define MXCSR_FTZ        0x8000u
#define MXCSR_MASK_SHIFT 7

#define OP(name) void op_##name(struct cpu *c, const struct insn *i)

/* ---- operands: the r/m operand, by size; memory faults come before any change ---------------- */

static inline bool is_mem(const struct insn *i)
{
    return i->flags & INSN_MEM;
}

/* 16 bytes, aligned when in memory */
static inline union vreg src128(struct cpu *c, const struct insn *i)
{
    union vreg v;
    if (is_mem(i))
        mem_ld128(c, insn_la16(c, i, ACC_R), v.b);
    else
        memcpy(v.b, c->xmm[i->s].b, 16);
    return v;
}

static inline uint64_t src64(struct cpu *c, const struct insn *i)
{
    return is_mem(i) ? mem_ld64(c, insn_la(c, i, 8, ACC_R)) : c->xmm[i->s].q[0];
}

static inline uint32_t src32(struct cpu *c, const struct insn *i)
{
    return is_mem(i) ? mem_ld32(c, insn_la(c, i, 4, ACC_R)) : c->xmm[i->s].d[0];
}

/* ---- operands of VEX-encoded instructions ---------------------------------------------------- */

/* #UD unless the system has enabled both halves of the registers; #NM */
static inline void fpu_check_avx(struct cpu *c)
{
    if (__builtin_expect(!(c->cr4 & CR4_OSXSAVE) || (c->xcr0 & 6) != 6, 0))
        cpu_fault_noerr(c, EXC_UD);
    if (__builtin_expect(c->cr0 & CR0_TS, 0))
        cpu_fault_noerr(c, EXC_NM);
}

static inline bool vex_256(const struct insn *i)
{
    return VEX_L(i->aux);
}

static inline union vreg *vex_v(struct cpu *c, const struct insn *i)
{
    return &c->xmm[VEX_V(i->aux)];
}

static inline void mem_ld256(struct cpu *c, uint64_t la, void *to)
{
    const struct tlb_entry *e = &c->tlb_r[tlb_index(la)];
    if (__builtin_expect(e->tag == (((la + 31) & TLB_PAGE_MASK) | c->ctx), 1))
        memcpy(to, (const void *)(e->addend + la), 32);
    else
        mmu_ld_bytes(c, la, to, 32);
}

static inline void mem_st256(struct cpu *c, uint64_t la, const void *from)
{
    const struct tlb_entry *e = &c->tlb_w[tlb_index(la)];
    if (__builtin_expect(e->tag == (((la + 31) & TLB_PAGE_MASK) | c->ctx), 1))
        memcpy((void *)(e->addend + la), from, 32);
    else
        mmu_st_bytes(c, la, from, 32);
}

/* The r/m operand of the vector length; any alignment. */
static inline union vreg vex_src(struct cpu *c, const struct insn *i)
{
    union vreg v = {{0}};
    if (!is_mem(i))
        return c->xmm[i->s];
    if (vex_256(i))
        mem_ld256(c, insn_la(c, i, 32, ACC_R), v.b);
    else
        mem_ld128(c, insn_la(c, i, 16, ACC_R), v.b);
    return v;
}

/* 16 bytes, whatever the vector length */
static inline union vreg vex_src128(struct cpu *c, const struct insn *i)
{
    union vreg v = {{0}};
    if (is_mem(i))
        mem_ld128(c, insn_la(c, i, 16, ACC_R), v.b);
    else
        memcpy(v.b, c->xmm[i->s].b, 16);
    return v;
}

static inline void vreg_set128(union vreg *d, union vreg v)
{
    v.q[2] = v.q[3] = 0;
    *d = v;
}

/* Results: the vector length, or 16 bytes; the rest becomes zero. */
static inline void vex_put(struct cpu *c, const struct insn *i, union vreg v)
{
    if (!vex_256(i))
        v.q[2] = v.q[3] = 0;
    c->xmm[i->d] = v;
}

static inline void vex_put128(struct cpu *c, const struct insn *i, union vreg v)
{
    vreg_set128(&c->xmm[i->d], v);
}

/* The upper lane as a value of its own, and back */
static inline union vreg vreg_hi(const union vreg *v)
{
    return (union vreg){.q = {v->q[2], v->q[3]}};
}

static inline void vreg_join(union vreg *v, const union vreg *hi)
{
    v->q[2] = hi->q[0];
    v->q[3] = hi->q[1];
}

/* ---- MXCSR ----------------------------------------------------------------------------------- */

static inline struct fp_env sse_env(const struct cpu *c)
{
    const uint32_t m = c->fpu.mxcsr;
    return (struct fp_env){.rc = m >> MXCSR_RC_SHIFT & 3,
                           .masked = m >> MXCSR_MASK_SHIFT & FX_ALL,
                           .daz = m & MXCSR_DAZ,
                           .ftz = m & MXCSR_FTZ};
}

/* Set the sticky bits; an unmasked exception leaves by #XM, or #UD without CR4.OSXMMEXCPT. */
static inline void sse_raise(struct cpu *c, const struct fp_env *e)
{
    const unsigned flags = fp_raised(e);
    c->fpu.mxcsr |= flags;
    if (__builtin_expect(flags & ~e->masked, 0))
        cpu_fault_noerr(c, c->cr4 & CR4_OSXMMEXCPT ? EXC_XM : EXC_UD);
}

/* ---- MMX ------------------------------------------------------------------------------------- */

/* #UD, #NM, pending x87 errors */
static inline void mmx_begin(struct cpu *c)
{
    fpu_check_mmx(c);
    if (__builtin_expect(c->fpu.sw & 0x80, 0))
        fpu_pending(c);
}

/* TOP = 0, all tags valid: every MMX instruction but EMMS, once it can no longer fault */
static inline void mmx_enter(struct cpu *c)
{
    c->fpu.sw &= (uint16_t)~0x3800u;
    c->fpu.valid = 0xff;
}

static inline uint64_t mmx_get(const struct cpu *c, unsigned n)
{
    return c->fpu.st[n & 7].sig;
}

static inline void mmx_set(struct cpu *c, unsigned n, uint64_t v)
{
    c->fpu.st[n & 7].sig = v;
    c->fpu.st[n & 7].se = 0xffff;
}

static inline uint64_t mmx_src64(struct cpu *c, const struct insn *i)
{
    return is_mem(i) ? mem_ld64(c, insn_la(c, i, 8, ACC_R)) : mmx_get(c, i->s);
}

#endif
