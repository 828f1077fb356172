/*
 * cpu/fpu/fast_avx.c: chained handlers (cpu/interp/fast.h) of the VEX instructions that string
 * functions and numeric loops are made of: moves, logic, simple integer arithmetic, sign masks,
 * scalar arithmetic. The legacy forms are in fast_sse.c.
 *
 * Where one does not apply (registers not enabled, TLB miss, misalignment, an operand that the host
 * may not compute) h_sem runs the semantic function instead, so all of them may fault.
 */
#include "cpu/fpu/fast.h"
#include "cpu/fpu/kernels.h"
#include "cpu/interp/fast.h"

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

#define MOVE_MEM(name, ea, aligned)                       \
    H(name##_ld_##ea)                                     \
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
    H(name##_st_##ea)                                     \
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
MOVE(vmovups, false)
MOVE(vmovaps, true)

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

#define MOVE_SCALAR_MEM(name, size, lane, ea)                  \
    H(name##_ld_##ea)                                          \
    {                                                          \
        NEED(avx_on(c));                                       \
        MEM_R(at, EA_##ea, size, h_sem);                       \
        c->xmm[i->d] = (union vreg){.q = {host_ld(at, size)}}; \
        NEXT;                                                  \
    }                                                          \
    H(name##_st_##ea)                                          \
    {                                                          \
        NEED(avx_on(c));                                       \
        MEM_W(at, EA_##ea, size, h_sem);                       \
        host_st(at, size, c->xmm[i->d].lane);                  \
        NEXT;                                                  \
    }
#define MOVE_SCALAR(name, size, lane)       \
    MOVE_SCALAR_MEM(name, size, lane, base) \
    MOVE_SCALAR_MEM(name, size, lane, flat) \
    MOVE_SCALAR_MEM(name, size, lane, gen)
MOVE_SCALAR(vmovsd, 8, q[0])
MOVE_SCALAR(vmovss, 4, d[0])

/* ---- integers -------------------------------------------------------------------------------- */

#define INTEGER_MEM(name, ea)                  \
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

/* clang-format off */
#define INTEGERS(X)                                                                        \
    X(paddb) X(paddw) X(paddd) X(paddq) X(psubb) X(psubw) X(psubd) X(psubq) X(pand)        \
    X(pandn) X(por) X(pxor) X(pcmpeqb) X(pcmpeqw) X(pcmpeqd) X(pcmpgtb) X(pminub) X(pmaxub)
/* clang-format on */
INTEGERS(INTEGER)

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

/* ---- scalar arithmetic ----------------------------------------------------------------------- */

#define SCALAR_OP(name, bits, lane, s)                                 \
    union vreg r = *vex_v(c, i);                                       \
    uint##bits##_t low;                                                \
    NEED(fast_##name##bits(fast_mode(c->fpu.mxcsr), r.lane, s, &low)); \
    r.lane = low;                                                      \
    set128(&c->xmm[i->d], r.b)
#define SCALAR_MEM(name, suffix, bits, lane, ea)                        \
    H(v##name##suffix##_##ea)                                           \
    {                                                                   \
        NEED(avx_on(c));                                                \
        MEM_R(at, EA_##ea, bits / 8, h_sem);                            \
        const uint##bits##_t s = (uint##bits##_t)host_ld(at, bits / 8); \
        SCALAR_OP(name, bits, lane, s);                                 \
        NEXT;                                                           \
    }
#define SCALAR(name, suffix, bits, lane)            \
    H(v##name##suffix##_reg)                        \
    {                                               \
        NEED(avx_on(c));                            \
        const uint##bits##_t s = c->xmm[i->s].lane; \
        SCALAR_OP(name, bits, lane, s);             \
        NEXT;                                       \
    }                                               \
    SCALAR_MEM(name, suffix, bits, lane, base)      \
    SCALAR_MEM(name, suffix, bits, lane, flat)      \
    SCALAR_MEM(name, suffix, bits, lane, gen)
SCALAR(add, sd, 64, q[0])
SCALAR(sub, sd, 64, q[0])
SCALAR(mul, sd, 64, q[0])
SCALAR(div, sd, 64, q[0])
SCALAR(add, ss, 32, d[0])
SCALAR(sub, ss, 32, d[0])
SCALAR(mul, ss, 32, d[0])
SCALAR(div, ss, 32, d[0])

/* ---- rows ------------------------------------------------------------------------------------ */

/* clang-format off */
#define ALL_SIZES(h)  {{h, h}, {h, h}, {h, h}, {h, h}}
#define FORMS_REG(sem_, r) {.sem = sem_, .reg = ALL_SIZES(r)},
#define FORMS(sem_, r, name)                                                                  \
    {.sem = sem_, .reg = ALL_SIZES(r), .flat = ALL_SIZES(name##_flat),                        \
     .gen = ALL_SIZES(name##_gen), .base = ALL_SIZES(name##_base)},
#define FORMS_OF(name) FORMS(op_##name, name##_reg, name)
#define DECLARE_INTEGER(name) op_fn op_vx_##name;
#define INTEGER_FORMS(name) FORMS_OF(vx_##name)
INTEGERS(DECLARE_INTEGER)
op_fn op_vmovups_ld, op_vmovups_st, op_vmovaps_ld, op_vmovaps_st, op_vmovsd_ld, op_vmovsd_st,
    op_vmovss_ld, op_vmovss_st, op_vzeroupper, op_vx_pmovmskb, op_vaddsd, op_vsubsd, op_vmulsd,
    op_vdivsd, op_vaddss, op_vsubss, op_vmulss, op_vdivss;

const struct fast_forms fast_avx_forms[] = {
    FORMS(op_vmovups_ld, vmov_ld_reg, vmovups_ld)
    FORMS(op_vmovups_st, h_sem, vmovups_st)
    FORMS(op_vmovaps_ld, vmov_ld_reg, vmovaps_ld)
    FORMS(op_vmovaps_st, h_sem, vmovaps_st)
    FORMS(op_vmovsd_ld, h_sem, vmovsd_ld)
    FORMS(op_vmovsd_st, h_sem, vmovsd_st)
    FORMS(op_vmovss_ld, h_sem, vmovss_ld)
    FORMS(op_vmovss_st, h_sem, vmovss_st)
    INTEGERS(INTEGER_FORMS)
    FORMS_REG(op_vx_pmovmskb, vx_pmovmskb_reg)
    FORMS_REG(op_vzeroupper, vzeroupper_reg)
    FORMS_OF(vaddsd)
    FORMS_OF(vsubsd)
    FORMS_OF(vmulsd)
    FORMS_OF(vdivsd)
    FORMS_OF(vaddss)
    FORMS_OF(vsubss)
    FORMS_OF(vmulss)
    FORMS_OF(vdivss)
    {.sem = NULL},
};
/* clang-format on */
