/*
 * cpu/fpu/sse_cvt.c: SSE conversions and compares.
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

static void to_gpr(struct cpu *c, const struct insn *i, bool is_double, bool truncate)
{
    fpu_check_sse(c);
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

OP(cvtss2si)
{
    to_gpr(c, i, false, false);
}
OP(cvttss2si)
{
    to_gpr(c, i, false, true);
}
OP(cvtsd2si)
{
    to_gpr(c, i, true, false);
}
OP(cvttsd2si)
{
    to_gpr(c, i, true, true);
}

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

/* Predicates 0-3: EQ LT LE UNORD; 4-7 their complements. LT and LE signal on quiet NaNs. */
static inline bool predicate(struct fp_env *e, struct fp a, struct fp b, unsigned p)
{
    const enum fp_rel r = fp_compare(e, a, b, (p & 3) == 0 || (p & 3) == 3);
    static const uint8_t holds[4] = {1 << FR_EQ, 1 << FR_LT, 1 << FR_LT | 1 << FR_EQ, 1 << FR_UN};
    return (holds[p & 3] >> r & 1) != (p >> 2 & 1);
}

OP(cmpps)
{
    fpu_check_sse(c);
    const union vreg s = src128(c, i);
    union vreg *d = &c->xmm[i->d], r;
    struct fp_env e = sse_env(c);
    for (unsigned k = 0; k < 4; k++)
        r.d[k] = predicate(&e, fp_from_f32(&e, d->d[k]), fp_from_f32(&e, s.d[k]), i->imm & 7) ? ~0u
                                                                                              : 0;
    sse_raise(c, &e);
    memcpy(d->b, r.b, 16);
}

OP(cmppd)
{
    fpu_check_sse(c);
    const union vreg s = src128(c, i);
    union vreg *d = &c->xmm[i->d], r;
    struct fp_env e = sse_env(c);
    for (unsigned k = 0; k < 2; k++)
        r.q[k] = predicate(&e, fp_from_f64(&e, d->q[k]), fp_from_f64(&e, s.q[k]), i->imm & 7)
                     ? ~0ull
                     : 0;
    sse_raise(c, &e);
    memcpy(d->b, r.b, 16);
}

OP(cmpss)
{
    fpu_check_sse(c);
    const uint32_t s = src32(c, i);
    struct fp_env e = sse_env(c);
    const struct fp a = fp_from_f32(&e, c->xmm[i->d].d[0]);
    const bool t = predicate(&e, a, fp_from_f32(&e, s), i->imm & 7);
    sse_raise(c, &e);
    c->xmm[i->d].d[0] = t ? ~0u : 0;
}

OP(cmpsd)
{
    fpu_check_sse(c);
    const uint64_t s = src64(c, i);
    struct fp_env e = sse_env(c);
    const struct fp a = fp_from_f64(&e, c->xmm[i->d].q[0]);
    const bool t = predicate(&e, a, fp_from_f64(&e, s), i->imm & 7);
    sse_raise(c, &e);
    c->xmm[i->d].q[0] = t ? ~0ull : 0;
}

static void comi(struct cpu *c, struct fp_env *e, struct fp a, struct fp b, bool quiet)
{
    static const uint32_t fl[4] = {
        [FR_LT] = FL_CF, [FR_EQ] = FL_ZF, [FR_UN] = FL_CF | FL_PF | FL_ZF};
    const enum fp_rel r = fp_compare(e, a, b, quiet);
    sse_raise(c, e);
    lf_from_flags(fl[r], &c->lf_res, &c->lf_aux);
}

#define COMI(name, bits, lane, quiet)                               \
    OP(name)                                                        \
    {                                                               \
        fpu_check_sse(c);                                           \
        struct fp_env e = sse_env(c);                               \
        const struct fp b = fp_from_f##bits(&e, src##bits(c, i));   \
        const struct fp a = fp_from_f##bits(&e, c->xmm[i->d].lane); \
        comi(c, &e, a, b, quiet);                                   \
    }
COMI(comiss, 32, d[0], false)
COMI(ucomiss, 32, d[0], true)
COMI(comisd, 64, q[0], false)
COMI(ucomisd, 64, q[0], true)
