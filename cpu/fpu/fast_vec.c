/*
 * cpu/fpu/fast_vec.c: chained handlers (cpu/interp/fast.h) of the vector instructions that string
 * functions and numeric loops are made of: moves, logic, simple integer arithmetic, sign masks,
 * scalar double arithmetic. Legacy and VEX forms.
 *
 * Where one does not apply (registers not enabled, TLB miss, misalignment, an operand that the host
 * may not compute) h_sem runs the semantic function instead, so all of them may fault.
 */
#include "cpu/fpu/fast.h"
#include "cpu/fpu/kernels.h"
#include "cpu/interp/fast.h"

ALU_INLINE bool sse_on(const struct cpu *c)
{
    return !(c->cr0 & (CR0_EM | CR0_TS)) && (c->cr4 & CR4_OSFXSR);
}

ALU_INLINE bool avx_on(const struct cpu *c)
{
    return (c->xcr0 & 6) == 6 && (c->cr4 & CR4_OSXSAVE) && !(c->cr0 & CR0_TS);
}

#define NEED(on)         \
    if (UNLIKELY(!(on))) \
    TAIL(h_sem)

/* ---- moves ----------------------------------------------------------------------------------- */

ALU_INLINE void set128(union vreg *d, const void *from)
{
    memcpy(d->b, from, 16);
    d->q[2] = d->q[3] = 0;
}

/* mask: alignment that the instruction asks for, of its own length, minus 1; or 0 */
#define MOVE_MEM(name, ea, aligned)                       \
    H(name##_ld_##ea)                                     \
    {                                                     \
        NEED(sse_on(c));                                  \
        MEM_R(at, EA_##ea, 16, h_sem);                    \
        NEED(!aligned || !(at_la & 15));                  \
        memcpy(c->xmm[i->d].b, (const void *)at, 16);     \
        NEXT;                                             \
    }                                                     \
    H(name##_st_##ea)                                     \
    {                                                     \
        NEED(sse_on(c));                                  \
        MEM_W(at, EA_##ea, 16, h_sem);                    \
        NEED(!aligned || !(at_la & 15));                  \
        memcpy((void *)at, c->xmm[i->d].b, 16);           \
        NEXT;                                             \
    }                                                     \
    H(v##name##_ld_##ea)                                  \
    {                                                     \
        NEED(avx_on(c));                                  \
        if (vex_256(i)) {                                 \
            MEM_R(at, EA_##ea, 32, h_sem);                \
            NEED(!aligned || !(at_la & 31));              \
            memcpy(c->xmm[i->d].b, (const void *)at, 32); \
        } else {                                          \
            MEM_R(at, EA_##ea, 16, h_sem);                \
            NEED(!aligned || !(at_la & 15));              \
            set128(&c->xmm[i->d], (const void *)at);      \
        }                                                 \
        NEXT;                                             \
    }                                                     \
    H(v##name##_st_##ea)                                  \
    {                                                     \
        NEED(avx_on(c));                                  \
        if (vex_256(i)) {                                 \
            MEM_W(at, EA_##ea, 32, h_sem);                \
            NEED(!aligned || !(at_la & 31));              \
            memcpy((void *)at, c->xmm[i->d].b, 32);       \
        } else {                                          \
            MEM_W(at, EA_##ea, 16, h_sem);                \
            NEED(!aligned || !(at_la & 15));              \
            memcpy((void *)at, c->xmm[i->d].b, 16);       \
        }                                                 \
        NEXT;                                             \
    }
#define MOVE(name, aligned)       \
    MOVE_MEM(name, base, aligned) \
    MOVE_MEM(name, flat, aligned) \
    MOVE_MEM(name, gen, aligned)
MOVE(movups, false)
MOVE(movaps, true)

H(mov_ld_reg)
{
    NEED(sse_on(c));
    memcpy(c->xmm[i->d].b, c->xmm[i->s].b, 16);
    NEXT;
}

H(mov_st_reg)
{
    NEED(sse_on(c));
    memcpy(c->xmm[i->s].b, c->xmm[i->d].b, 16);
    NEXT;
}

H(vmov_ld_reg)
{
    NEED(avx_on(c));
    vex_put(c, i, c->xmm[i->s]);
    NEXT;
}

H(vzeroupper_reg)
{
    NEED(avx_on(c) && cpu_code64(c));
    for (unsigned n = 0; n < 16; n++)
        c->xmm[n].q[2] = c->xmm[n].q[3] = 0;
    NEXT;
}

/* ---- integers -------------------------------------------------------------------------------- */

#define INTEGER_MEM(name, ea)                  \
    H(x_##name##_##ea)                         \
    {                                          \
        union vreg s;                          \
        NEED(sse_on(c));                       \
        MEM_R(at, EA_##ea, 16, h_sem);         \
        NEED(!(at_la & 15));                   \
        memcpy(s.b, (const void *)at, 16);     \
        k_##name(&c->xmm[i->d], &s, 16);       \
        NEXT;                                  \
    }                                          \
    H(vx_##name##_##ea)                        \
    {                                          \
        union vreg s, r = *vex_v(c, i);        \
        NEED(avx_on(c));                       \
        if (vex_256(i)) {                      \
            MEM_R(at, EA_##ea, 32, h_sem);     \
            memcpy(s.b, (const void *)at, 32); \
            k_##name(&r, &s, 32);              \
            c->xmm[i->d] = r;                  \
        } else {                               \
            MEM_R(at, EA_##ea, 16, h_sem);     \
            memcpy(s.b, (const void *)at, 16); \
            k_##name(&r, &s, 16);              \
            set128(&c->xmm[i->d], r.b);        \
        }                                      \
        NEXT;                                  \
    }
#define INTEGER(name)                      \
    H(x_##name##_reg)                      \
    {                                      \
        NEED(sse_on(c));                   \
        const union vreg s = c->xmm[i->s]; \
        k_##name(&c->xmm[i->d], &s, 16);   \
        NEXT;                              \
    }                                      \
    H(vx_##name##_reg)                     \
    {                                      \
        NEED(avx_on(c));                   \
        const union vreg s = c->xmm[i->s]; \
        union vreg r = *vex_v(c, i);       \
        if (vex_256(i)) {                  \
            k_##name(&r, &s, 32);          \
            c->xmm[i->d] = r;              \
        } else {                           \
            k_##name(&r, &s, 16);          \
            set128(&c->xmm[i->d], r.b);    \
        }                                  \
        NEXT;                              \
    }                                      \
    INTEGER_MEM(name, base)                \
    INTEGER_MEM(name, flat)                \
    INTEGER_MEM(name, gen)

#define INTEGERS(X)                                                                       \
    X(paddb)                                                                              \
    X(paddw) X(paddd) X(paddq) X(psubb) X(psubd) X(psubq) X(pand) X(pandn) X(por) X(pxor) \
        X(pcmpeqb) X(pcmpeqw) X(pcmpeqd) X(pcmpgtb) X(pminub) X(pmaxub)
INTEGERS(INTEGER)

H(x_pmovmskb_reg)
{
    NEED(sse_on(c));
    const union vreg *s = &c->xmm[i->s];
    c->r[i->d] = top_bits(s->q[0]) | top_bits(s->q[1]) << 8;
    NEXT;
}

H(vx_pmovmskb_reg)
{
    NEED(avx_on(c));
    const union vreg *s = &c->xmm[i->s];
    unsigned m = top_bits(s->q[0]) | top_bits(s->q[1]) << 8;
    if (vex_256(i))
        m |= top_bits(s->q[2]) << 16 | top_bits(s->q[3]) << 24;
    c->r[i->d] = m;
    NEXT;
}

/* ---- scalar double --------------------------------------------------------------------------- */

#define DOUBLE(name)                                                                              \
    H(name##sd_reg)                                                                               \
    {                                                                                             \
        uint64_t r;                                                                               \
        NEED(sse_on(c));                                                                          \
        NEED(fast_##name##64(fast_mode(c->fpu.mxcsr), c->xmm[i->d].q[0], c->xmm[i->s].q[0], &r)); \
        c->xmm[i->d].q[0] = r;                                                                    \
        NEXT;                                                                                     \
    }                                                                                             \
    H(v##name##sd_reg)                                                                            \
    {                                                                                             \
        union vreg r = *vex_v(c, i);                                                              \
        uint64_t low;                                                                             \
        NEED(avx_on(c));                                                                          \
        NEED(fast_##name##64(fast_mode(c->fpu.mxcsr), r.q[0], c->xmm[i->s].q[0], &low));          \
        r.q[0] = low;                                                                             \
        set128(&c->xmm[i->d], r.b);                                                               \
        NEXT;                                                                                     \
    }
DOUBLE(add)
DOUBLE(sub)
DOUBLE(mul)

/* ---- rows ------------------------------------------------------------------------------------ */

#define ALL_SIZES(h)            \
    {                           \
        {h, h}, {h, h}, {h, h}, \
        {                       \
            h, h                \
        }                       \
    }
#define FORMS_REG(sem, r) {sem, .reg = ALL_SIZES(r)},
#define FORMS(sem, r, name)                                                                  \
    {sem, .reg = ALL_SIZES(r), .flat = ALL_SIZES(name##_flat), .gen = ALL_SIZES(name##_gen), \
     .base = ALL_SIZES(name##_base)},
#define DECLARE(name)         op_fn op_##name;
#define DECLARE_INTEGER(name) op_fn op_x_##name, op_vx_##name;
#define INTEGER_FORMS(name)                      \
    FORMS(op_x_##name, x_##name##_reg, x_##name) \
    FORMS(op_vx_##name, vx_##name##_reg, vx_##name)
INTEGERS(DECLARE_INTEGER)
op_fn op_movups_ld, op_movups_st, op_movaps_ld, op_movaps_st, op_vmovups_ld, op_vmovups_st,
    op_vmovaps_ld, op_vmovaps_st, op_vzeroupper, op_x_pmovmskb, op_vx_pmovmskb, op_addsd, op_vaddsd,
    op_subsd, op_vsubsd, op_mulsd, op_vmulsd;

/* clang-format off */
const struct fast_forms fast_vec_forms[] = {
    FORMS(op_movups_ld, mov_ld_reg, movups_ld)
    FORMS(op_movups_st, mov_st_reg, movups_st)
    FORMS(op_movaps_ld, mov_ld_reg, movaps_ld)
    FORMS(op_movaps_st, mov_st_reg, movaps_st)
    FORMS(op_vmovups_ld, vmov_ld_reg, vmovups_ld)
    FORMS(op_vmovups_st, h_sem, vmovups_st)
    FORMS(op_vmovaps_ld, vmov_ld_reg, vmovaps_ld)
    FORMS(op_vmovaps_st, h_sem, vmovaps_st)
    INTEGERS(INTEGER_FORMS)
    FORMS_REG(op_x_pmovmskb, x_pmovmskb_reg)
    FORMS_REG(op_vx_pmovmskb, vx_pmovmskb_reg)
    FORMS_REG(op_vzeroupper, vzeroupper_reg)
    FORMS_REG(op_addsd, addsd_reg)
    FORMS_REG(op_vaddsd, vaddsd_reg)
    FORMS_REG(op_subsd, subsd_reg)
    FORMS_REG(op_vsubsd, vsubsd_reg)
    FORMS_REG(op_mulsd, mulsd_reg)
    FORMS_REG(op_vmulsd, vmulsd_reg)
    {0},
};
/* clang-format on */
