/*
 * cpu/fpu/sse_cvt.c: SSE and AVX conversions and compares.
 *
 * SDM 1 11.4.1.6 and 11.4.4 (conversions), 11.5; SDM 2 CMPPS table 3-1, COMISS. Conversions to
 * integers raise I and P only; the integer indefinite is the smallest integer.
 */
#include "cpu/fpu/sse.h"

#include "cpu/flags.h"

static inline int64_t to_int32(struct fp_env *e, uint32_t v, bool truncate, unsigned bits)
{
    return fp_to_int(e, fp_from_f32(e, v), truncate ? RC_ZERO : e->rc, bits);
}

static inline int64_t to_int64(struct fp_env *e, uint64_t v, bool truncate, unsigned bits)
{
    return fp_to_int(e, fp_from_f64(e, v), truncate ? RC_ZERO : e->rc, bits);
}

static inline uint32_t int_to_f32(struct fp_env *e, int64_t v)
{
    return fp_to_f32(e, fp_wide(fp_from_int(v)));
}

static inline uint64_t int_to_f64(struct fp_env *e, int64_t v)
{
    return fp_to_f64(e, fp_wide(fp_from_int(v)));
}

static inline uint64_t widen(struct fp_env *e, uint32_t v)
{
    return fp_to_f64(e, fp_convert(e, fp_from_f32(e, v)));
}

static inline uint32_t narrow(struct fp_env *e, uint64_t v)
{
    return fp_to_f32(e, fp_convert(e, fp_from_f64(e, v)));
}

/* ---- between the formats --------------------------------------------------------------------- */

OP(cvtps2pd)
{
    fpu_check_sse(c);
    const uint64_t s = src64(c, i);
    struct fp_env e = sse_env(c);
    const uint64_t lo = widen(&e, (uint32_t)s), hi = widen(&e, (uint32_t)(s >> 32));
    sse_raise(c, &e);
    c->xmm[i->d].q[0] = lo;
    c->xmm[i->d].q[1] = hi;
}

OP(cvtpd2ps)
{
    fpu_check_sse(c);
    const union vreg s = src128(c, i);
    struct fp_env e = sse_env(c);
    const uint32_t lo = narrow(&e, s.q[0]), hi = narrow(&e, s.q[1]);
    sse_raise(c, &e);
    c->xmm[i->d].q[0] = lo | (uint64_t)hi << 32;
    c->xmm[i->d].q[1] = 0;
}

/* 2 or 4 elements of 4 bytes from half the vector length */
static union vreg half_src(struct cpu *c, const struct insn *i)
{
    union vreg v = {{0}};
    if (vex_256(i))
        return vex_src128(c, i);
    v.q[0] = src64(c, i);
    return v;
}

OP(vcvtps2pd)
{
    fpu_check_avx(c);
    const union vreg s = half_src(c, i);
    union vreg r = {{0}};
    struct fp_env e = sse_env(c);
    for (unsigned k = 0; k < (vex_256(i) ? 4u : 2u); k++)
        r.q[k] = widen(&e, s.d[k]);
    sse_raise(c, &e);
    vex_put(c, i, r);
}

OP(vcvtpd2ps)
{
    fpu_check_avx(c);
    const union vreg s = vex_src(c, i);
    union vreg r = {{0}};
    struct fp_env e = sse_env(c);
    for (unsigned k = 0; k < (vex_256(i) ? 4u : 2u); k++)
        r.d[k] = narrow(&e, s.q[k]);
    sse_raise(c, &e);
    vex_put128(c, i, r);
}

OP(vcvtss2sd)
{
    fpu_check_avx(c);
    const uint32_t s = src32(c, i);
    union vreg r = *vex_v(c, i);
    struct fp_env e = sse_env(c);
    r.q[0] = widen(&e, s);
    sse_raise(c, &e);
    vex_put128(c, i, r);
}

OP(vcvtsd2ss)
{
    fpu_check_avx(c);
    const uint64_t s = src64(c, i);
    union vreg r = *vex_v(c, i);
    struct fp_env e = sse_env(c);
    r.d[0] = narrow(&e, s);
    sse_raise(c, &e);
    vex_put128(c, i, r);
}

OP(cvtss2sd)
{
    fpu_check_sse(c);
    const uint32_t s = src32(c, i);
    struct fp_env e = sse_env(c);
    const uint64_t r = widen(&e, s);
    sse_raise(c, &e);
    c->xmm[i->d].q[0] = r;
}

OP(cvtsd2ss)
{
    fpu_check_sse(c);
    const uint64_t s = src64(c, i);
    struct fp_env e = sse_env(c);
    const uint32_t r = narrow(&e, s);
    sse_raise(c, &e);
    c->xmm[i->d].d[0] = r;
}

/* ---- packed integers ------------------------------------------------------------------------- */

OP(cvtdq2ps)
{
    fpu_check_sse(c);
    union vreg v = src128(c, i);
    struct fp_env e = sse_env(c);
    for (unsigned k = 0; k < 4; k++)
        v.d[k] = int_to_f32(&e, (int32_t)v.d[k]);
    sse_raise(c, &e);
    memcpy(c->xmm[i->d].b, v.b, 16);
}

OP(cvtdq2pd)
{
    fpu_check_sse(c);
    const uint64_t s = src64(c, i);
    struct fp_env e = sse_env(c); /* always exact */
    c->xmm[i->d].q[0] = int_to_f64(&e, (int32_t)s);
    c->xmm[i->d].q[1] = int_to_f64(&e, (int32_t)(s >> 32));
}

/* Element by element, vector length to vector length */
#define VEX_CVT(name, expr)                                   \
    OP(name)                                                  \
    {                                                         \
        fpu_check_avx(c);                                     \
        union vreg v = vex_src(c, i);                         \
        struct fp_env e = sse_env(c);                         \
        for (unsigned k = 0; k < (vex_256(i) ? 8u : 4u); k++) \
            v.d[k] = (expr);                                  \
        sse_raise(c, &e);                                     \
        vex_put(c, i, v);                                     \
    }
VEX_CVT(vcvtdq2ps, int_to_f32(&e, (int32_t)v.d[k]))
VEX_CVT(vcvtps2dq, (uint32_t)to_int32(&e, v.d[k], false, 32))
VEX_CVT(vcvttps2dq, (uint32_t)to_int32(&e, v.d[k], true, 32))

OP(vcvtdq2pd)
{
    fpu_check_avx(c);
    const union vreg s = half_src(c, i);
    union vreg r = {{0}};
    struct fp_env e = sse_env(c); /* always exact */
    for (unsigned k = 0; k < (vex_256(i) ? 4u : 2u); k++)
        r.q[k] = int_to_f64(&e, (int32_t)s.d[k]);
    vex_put(c, i, r);
}

static void vex_pd_to_dq(struct cpu *c, const struct insn *i, bool truncate)
{
    fpu_check_avx(c);
    const union vreg s = vex_src(c, i);
    union vreg r = {{0}};
    struct fp_env e = sse_env(c);
    for (unsigned k = 0; k < (vex_256(i) ? 4u : 2u); k++)
        r.d[k] = (uint32_t)to_int64(&e, s.q[k], truncate, 32);
    sse_raise(c, &e);
    vex_put128(c, i, r);
}

OP(vcvtpd2dq)
{
    vex_pd_to_dq(c, i, false);
}
OP(vcvttpd2dq)
{
    vex_pd_to_dq(c, i, true);
}

static void ps_to_dq(struct cpu *c, const struct insn *i, bool truncate)
{
    fpu_check_sse(c);
    union vreg v = src128(c, i);
    struct fp_env e = sse_env(c);
    for (unsigned k = 0; k < 4; k++)
        v.d[k] = (uint32_t)to_int32(&e, v.d[k], truncate, 32);
    sse_raise(c, &e);
    memcpy(c->xmm[i->d].b, v.b, 16);
}

static void pd_to_dq(struct cpu *c, const struct insn *i, bool truncate)
{
    fpu_check_sse(c);
    const union vreg v = src128(c, i);
    struct fp_env e = sse_env(c);
    const uint32_t lo = (uint32_t)to_int64(&e, v.q[0], truncate, 32);
    const uint32_t hi = (uint32_t)to_int64(&e, v.q[1], truncate, 32);
    sse_raise(c, &e);
    c->xmm[i->d].q[0] = lo | (uint64_t)hi << 32;
    c->xmm[i->d].q[1] = 0;
}

OP(cvtps2dq)
{
    ps_to_dq(c, i, false);
}
OP(cvttps2dq)
{
    ps_to_dq(c, i, true);
}
OP(cvtpd2dq)
{
    pd_to_dq(c, i, false);
}
OP(cvttpd2dq)
{
    pd_to_dq(c, i, true);
}

/* ---- general registers ----------------------------------------------------------------------- */

static int64_t int_src(struct cpu *c, const struct insn *i)
{
    const bool wide = i->osize == 8;
    if (!is_mem(i))
        return wide ? (int64_t)c->r[i->s] : (int32_t)c->r[i->s];
    const uint64_t la = insn_la(c, i, wide ? 8 : 4, ACC_R);
    return wide ? (int64_t)mem_ld64(c, la) : (int32_t)mem_ld32(c, la);
}

OP(cvtsi2ss)
{
    fpu_check_sse(c);
    const int64_t s = int_src(c, i);
    struct fp_env e = sse_env(c);
    const uint32_t r = int_to_f32(&e, s);
    sse_raise(c, &e);
    c->xmm[i->d].d[0] = r;
}

OP(cvtsi2sd)
{
    fpu_check_sse(c);
    const int64_t s = int_src(c, i);
    struct fp_env e = sse_env(c);
    const uint64_t r = int_to_f64(&e, s);
    sse_raise(c, &e);
    c->xmm[i->d].q[0] = r;
}

OP(vcvtsi2ss)
{
    fpu_check_avx(c);
    const int64_t s = int_src(c, i);
    union vreg r = *vex_v(c, i);
    struct fp_env e = sse_env(c);
    r.d[0] = int_to_f32(&e, s);
    sse_raise(c, &e);
    vex_put128(c, i, r);
}

OP(vcvtsi2sd)
{
    fpu_check_avx(c);
    const int64_t s = int_src(c, i);
    union vreg r = *vex_v(c, i);
    struct fp_env e = sse_env(c);
    r.q[0] = int_to_f64(&e, s);
    sse_raise(c, &e);
    vex_put128(c, i, r);
}

static void to_gpr(struct cpu *c, const struct insn *i, bool is_double, bool truncate)
{
    const unsigned bits = i->osize == 8 ? 64 : 32;
    struct fp_env e = sse_env(c);
    int64_t r;
    if (is_double)
        r = to_int64(&e, src64(c, i), truncate, bits);
    else
        r = to_int32(&e, src32(c, i), truncate, bits);
    sse_raise(c, &e);
    c->r[i->d] = bits == 64 ? (uint64_t)r : (uint32_t)r;
}

#define TO_GPR(name, is_double, truncate)  \
    OP(name)                               \
    {                                      \
        fpu_check_sse(c);                  \
        to_gpr(c, i, is_double, truncate); \
    }                                      \
    OP(v##name)                            \
    {                                      \
        fpu_check_avx(c);                  \
        to_gpr(c, i, is_double, truncate); \
    }
TO_GPR(cvtss2si, false, false)
TO_GPR(cvttss2si, false, true)
TO_GPR(cvtsd2si, true, false)
TO_GPR(cvttsd2si, true, true)

/* ---- MMX registers --------------------------------------------------------------------------- */

/* SSE gate and MMX gate together */
static void begin_both(struct cpu *c)
{
    fpu_check_sse(c);
    mmx_begin(c);
}

OP(cvtpi2ps)
{
    begin_both(c);
    const uint64_t s = mmx_src64(c, i);
    struct fp_env e = sse_env(c);
    const uint32_t lo = int_to_f32(&e, (int32_t)s), hi = int_to_f32(&e, (int32_t)(s >> 32));
    mmx_enter(c);
    sse_raise(c, &e);
    c->xmm[i->d].q[0] = lo | (uint64_t)hi << 32;
}

OP(cvtpi2pd)
{
    fpu_check_sse(c);
    if (!is_mem(i)) /* a memory source does not touch the MMX state (SDM 2A) */
        mmx_begin(c);
    const uint64_t s = mmx_src64(c, i);
    struct fp_env e = sse_env(c);
    if (!is_mem(i))
        mmx_enter(c);
    c->xmm[i->d].q[0] = int_to_f64(&e, (int32_t)s);
    c->xmm[i->d].q[1] = int_to_f64(&e, (int32_t)(s >> 32));
}

static void ps_to_pi(struct cpu *c, const struct insn *i, bool truncate)
{
    begin_both(c);
    const uint64_t s = src64(c, i);
    struct fp_env e = sse_env(c);
    const uint32_t lo = (uint32_t)to_int32(&e, (uint32_t)s, truncate, 32);
    const uint32_t hi = (uint32_t)to_int32(&e, (uint32_t)(s >> 32), truncate, 32);
    mmx_enter(c);
    sse_raise(c, &e);
    mmx_set(c, i->d, lo | (uint64_t)hi << 32);
}

static void pd_to_pi(struct cpu *c, const struct insn *i, bool truncate)
{
    begin_both(c);
    const union vreg s = src128(c, i);
    struct fp_env e = sse_env(c);
    const uint32_t lo = (uint32_t)to_int64(&e, s.q[0], truncate, 32);
    const uint32_t hi = (uint32_t)to_int64(&e, s.q[1], truncate, 32);
    mmx_enter(c);
    sse_raise(c, &e);
    mmx_set(c, i->d, lo | (uint64_t)hi << 32);
}

OP(cvtps2pi)
{
    ps_to_pi(c, i, false);
}
OP(cvttps2pi)
{
    ps_to_pi(c, i, true);
}
OP(cvtpd2pi)
{
    pd_to_pi(c, i, false);
}
OP(cvttpd2pi)
{
    pd_to_pi(c, i, true);
}

/* ---- compares -------------------------------------------------------------------------------- */

/* The 32 predicates (SDM 2A CMPPD, table 3-1): the relations for which they hold, and whether quiet
 * NaNs raise #I. Legacy forms have the first eight. 16-31 are 0-15 with the other rule for quiet
 * NaNs. */
static inline bool predicate(struct fp_env *e, struct fp a, struct fp b, unsigned p)
{
    enum { LT = 1 << FR_LT, EQ = 1 << FR_EQ, GT = 1 << FR_GT, UN = 1 << FR_UN };
    static const uint8_t holds[16] = {
        EQ,      LT,      LT | EQ,      UN, LT | GT | UN, EQ | GT | UN, GT | UN, LT | EQ | GT,
        EQ | UN, LT | UN, LT | EQ | UN, 0,  LT | GT,      EQ | GT,      GT,      LT | EQ | GT | UN};
    const bool signals = (0x6666 >> (p & 15) & 1) != (p >> 4 & 1);
    return holds[p & 15] >> fp_compare(e, a, b, !signals) & 1;
}

static inline void cmp_ps(struct fp_env *e, union vreg *d, const union vreg *s, unsigned n,
                          unsigned p)
{
    for (unsigned k = 0; k < n; k++)
        d->d[k] = predicate(e, fp_from_f32(e, d->d[k]), fp_from_f32(e, s->d[k]), p) ? ~0u : 0;
}

static inline void cmp_pd(struct fp_env *e, union vreg *d, const union vreg *s, unsigned n,
                          unsigned p)
{
    for (unsigned k = 0; k < n; k++)
        d->q[k] = predicate(e, fp_from_f64(e, d->q[k]), fp_from_f64(e, s->q[k]), p) ? ~0ull : 0;
}

#define CMP_PACKED(name, count)                                              \
    OP(cmp##name)                                                            \
    {                                                                        \
        fpu_check_sse(c);                                                    \
        const union vreg s = src128(c, i);                                   \
        union vreg r = c->xmm[i->d];                                         \
        struct fp_env e = sse_env(c);                                        \
        cmp_##name(&e, &r, &s, count, i->imm & 7);                           \
        sse_raise(c, &e);                                                    \
        memcpy(c->xmm[i->d].b, r.b, 16);                                     \
    }                                                                        \
    OP(vcmp##name)                                                           \
    {                                                                        \
        fpu_check_avx(c);                                                    \
        const union vreg s = vex_src(c, i);                                  \
        union vreg r = *vex_v(c, i);                                         \
        struct fp_env e = sse_env(c);                                        \
        cmp_##name(&e, &r, &s, vex_256(i) ? 2 * count : count, i->imm & 31); \
        sse_raise(c, &e);                                                    \
        vex_put(c, i, r);                                                    \
    }
CMP_PACKED(ps, 4)
CMP_PACKED(pd, 2)

#define CMP_SCALAR(name, bits, lane, fn)               \
    OP(cmp##name)                                      \
    {                                                  \
        fpu_check_sse(c);                              \
        const union vreg s = {.q = {src##bits(c, i)}}; \
        union vreg r = c->xmm[i->d];                   \
        struct fp_env e = sse_env(c);                  \
        fn(&e, &r, &s, 1, i->imm & 7);                 \
        sse_raise(c, &e);                              \
        c->xmm[i->d].lane = r.lane;                    \
    }                                                  \
    OP(vcmp##name)                                     \
    {                                                  \
        fpu_check_avx(c);                              \
        const union vreg s = {.q = {src##bits(c, i)}}; \
        union vreg r = *vex_v(c, i);                   \
        struct fp_env e = sse_env(c);                  \
        fn(&e, &r, &s, 1, i->imm & 31);                \
        sse_raise(c, &e);                              \
        vex_put128(c, i, r);                           \
    }
CMP_SCALAR(ss, 32, d[0], cmp_ps)
CMP_SCALAR(sd, 64, q[0], cmp_pd)

static void comi(struct cpu *c, struct fp_env *e, struct fp a, struct fp b, bool quiet)
{
    static const uint32_t fl[4] = {
        [FR_LT] = FL_CF, [FR_EQ] = FL_ZF, [FR_UN] = FL_CF | FL_PF | FL_ZF};
    const enum fp_rel r = fp_compare(e, a, b, quiet);
    sse_raise(c, e);
    lf_from_flags(fl[r], &c->lf_res, &c->lf_aux);
}

static inline void comi32(struct cpu *c, const struct insn *i, bool quiet)
{
    struct fp_env e = sse_env(c);
    const struct fp b = fp_from_f32(&e, src32(c, i));
    comi(c, &e, fp_from_f32(&e, c->xmm[i->d].d[0]), b, quiet);
}

static inline void comi64(struct cpu *c, const struct insn *i, bool quiet)
{
    struct fp_env e = sse_env(c);
    const struct fp b = fp_from_f64(&e, src64(c, i));
    comi(c, &e, fp_from_f64(&e, c->xmm[i->d].q[0]), b, quiet);
}

#define COMI(name, fn, quiet) \
    OP(name)                  \
    {                         \
        fpu_check_sse(c);     \
        fn(c, i, quiet);      \
    }                         \
    OP(v##name)               \
    {                         \
        fpu_check_avx(c);     \
        fn(c, i, quiet);      \
    }
COMI(comiss, comi32, false)
COMI(ucomiss, comi32, true)
COMI(comisd, comi64, false)
COMI(ucomisd, comi64, true)
