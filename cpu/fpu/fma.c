/*
 * cpu/fpu/fma.c: fused multiply-add (SDM 1 14.5) and half-precision conversions (F16C, SDM 1 14.4).
 *
 * The three forms differ in which operand is which: 132: d * s + v, 213: v * d + s, 231: v * s + d,
 * with v the vvvv operand, s the r/m one. Of NaN operands the first in that order of the
 * multiplicands, then the addend, gives the result.
 */
#include "cpu/fpu/fast.h"
#include "cpu/fpu/sse.h"

/* What is negated: the product, the addend. */
enum { FMA_ADD = 0, FMA_SUB = 1, FMA_NADD = 2, FMA_NSUB = 3 };

struct fma_ctx {
    struct fp_env e;
    enum fast_mode m;
};

static inline struct fma_ctx fma_ctx(const struct cpu *c)
{
    return (struct fma_ctx){.e = sse_env(c), .m = fast_mode(c->fpu.mxcsr)};
}

static struct fp negated_if(struct fp a, bool negate)
{
    if (!fp_is_nan(a))
        a.sign ^= negate;
    return a;
}

#define FMA_LANE(bits, utype)                                                                  \
    static __attribute__((noinline))                                                           \
    utype soft_fma##bits(struct fp_env *e, utype a, utype b, utype c, unsigned kind)           \
    {                                                                                          \
        const struct fp x = negated_if(fp_from_f##bits(e, a), kind & 2);                       \
        const struct fp z = negated_if(fp_from_f##bits(e, c), kind & 1);                       \
        return fp_to_f##bits(e, fp_fma(e, x, fp_from_f##bits(e, b), z));                       \
    }                                                                                          \
    static inline utype fma##bits(struct fma_ctx *x, utype a, utype b, utype c, unsigned kind) \
    {                                                                                          \
        const utype top = (utype)1 << (bits - 1);                                              \
        utype r;                                                                               \
        if (fast_fma##bits(x->m, kind & 2 ? a ^ top : a, b, kind & 1 ? c ^ top : c, &r))       \
            return r;                                                                          \
        return soft_fma##bits(&x->e, a, b, c, kind);                                           \
    }
FMA_LANE(32, uint32_t)
FMA_LANE(64, uint64_t)

/* The operands in the order of the form. */
#define ORDER_132(d, v, s)         d, s, v
#define ORDER_213(d, v, s)         v, d, s
#define ORDER_231(d, v, s)         v, s, d
#define FMA_CALL(fn, x, kind, ...) fn(x, __VA_ARGS__, kind)

/* Packed: elements with an even number are of one kind, the others of another. */
#define FMA_PACKED(name, form, bits, lane, per, even, odd)                       \
    OP(name)                                                                     \
    {                                                                            \
        fpu_check_avx(c);                                                        \
        const union vreg s = vex_src(c, i), v = *vex_v(c, i);                    \
        union vreg r = c->xmm[i->d];                                             \
        struct fma_ctx x = fma_ctx(c);                                           \
        for (unsigned k = 0; k < (vex_256(i) ? 2 * per : per); k++)              \
            r.lane[k] = FMA_CALL(fma##bits, &x, k & 1 ? odd : even,              \
                                 ORDER_##form(r.lane[k], v.lane[k], s.lane[k])); \
        sse_raise(c, &x.e);                                                      \
        vex_put(c, i, r);                                                        \
    }
#define FMA_SCALAR(name, form, bits, lane, kind)                                           \
    OP(name)                                                                               \
    {                                                                                      \
        fpu_check_avx(c);                                                                  \
        const uint##bits##_t s = src##bits(c, i);                                          \
        const union vreg *v = vex_v(c, i);                                                 \
        union vreg r = c->xmm[i->d];                                                       \
        struct fma_ctx x = fma_ctx(c);                                                     \
        r.lane[0] = FMA_CALL(fma##bits, &x, kind, ORDER_##form(r.lane[0], v->lane[0], s)); \
        sse_raise(c, &x.e);                                                                \
        vex_put128(c, i, r);                                                               \
    }
#define FMA_FORM(form)                                                 \
    FMA_PACKED(vfmadd##form##ps, form, 32, d, 4u, FMA_ADD, FMA_ADD)    \
    FMA_PACKED(vfmadd##form##pd, form, 64, q, 2u, FMA_ADD, FMA_ADD)    \
    FMA_PACKED(vfmsub##form##ps, form, 32, d, 4u, FMA_SUB, FMA_SUB)    \
    FMA_PACKED(vfmsub##form##pd, form, 64, q, 2u, FMA_SUB, FMA_SUB)    \
    FMA_PACKED(vfnmadd##form##ps, form, 32, d, 4u, FMA_NADD, FMA_NADD) \
    FMA_PACKED(vfnmadd##form##pd, form, 64, q, 2u, FMA_NADD, FMA_NADD) \
    FMA_PACKED(vfnmsub##form##ps, form, 32, d, 4u, FMA_NSUB, FMA_NSUB) \
    FMA_PACKED(vfnmsub##form##pd, form, 64, q, 2u, FMA_NSUB, FMA_NSUB) \
    FMA_PACKED(vfmaddsub##form##ps, form, 32, d, 4u, FMA_SUB, FMA_ADD) \
    FMA_PACKED(vfmaddsub##form##pd, form, 64, q, 2u, FMA_SUB, FMA_ADD) \
    FMA_PACKED(vfmsubadd##form##ps, form, 32, d, 4u, FMA_ADD, FMA_SUB) \
    FMA_PACKED(vfmsubadd##form##pd, form, 64, q, 2u, FMA_ADD, FMA_SUB) \
    FMA_SCALAR(vfmadd##form##ss, form, 32, d, FMA_ADD)                 \
    FMA_SCALAR(vfmadd##form##sd, form, 64, q, FMA_ADD)                 \
    FMA_SCALAR(vfmsub##form##ss, form, 32, d, FMA_SUB)                 \
    FMA_SCALAR(vfmsub##form##sd, form, 64, q, FMA_SUB)                 \
    FMA_SCALAR(vfnmadd##form##ss, form, 32, d, FMA_NADD)               \
    FMA_SCALAR(vfnmadd##form##sd, form, 64, q, FMA_NADD)               \
    FMA_SCALAR(vfnmsub##form##ss, form, 32, d, FMA_NSUB)               \
    FMA_SCALAR(vfnmsub##form##sd, form, 64, q, FMA_NSUB)
FMA_FORM(132)
FMA_FORM(213)
FMA_FORM(231)

/* ---- half precision -------------------------------------------------------------------------- */

OP(vcvtph2ps)
{
    fpu_check_avx(c);
    union vreg s = {{0}}, r = {{0}};
    if (vex_256(i))
        s = vex_src128(c, i);
    else
        s.q[0] = src64(c, i);
    struct fp_env e = sse_env(c);
    for (unsigned k = 0; k < (vex_256(i) ? 8u : 4u); k++)
        r.d[k] = fp_to_f32(&e, fp_convert(&e, fp_from_f16(s.w[k])));
    sse_raise(c, &e);
    vex_put(c, i, r);
}

/* Tiny results are kept whatever FTZ says. */
OP(vcvtps2ph)
{
    fpu_check_avx(c);
    const unsigned count = vex_256(i) ? 8 : 4;
    union vreg r = {{0}};
    struct fp_env e = sse_env(c);
    e.ftz = false;
    if (!(i->imm & 4))
        e.rc = i->imm & 3;
    for (unsigned k = 0; k < count; k++)
        r.w[k] = fp_to_f16(&e, fp_convert(&e, fp_from_f32(&e, c->xmm[i->d].d[k])));
    const uint64_t la = is_mem(i) ? insn_la(c, i, 2 * count, ACC_W) : 0;
    if (is_mem(i))
        mmu_probe(c, la, 2 * count, ACC_W);
    sse_raise(c, &e);
    if (!is_mem(i))
        c->xmm[i->s] = r;
    else if (vex_256(i))
        mem_st128(c, la, r.b);
    else
        mem_st64(c, la, r.q[0]);
}
