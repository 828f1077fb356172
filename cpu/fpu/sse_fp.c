/*
 * cpu/fpu/sse_fp.c: SSE and AVX floating-point arithmetic, minimum, maximum, horizontal and dot
 * products, rounding, approximations.
 *
 * SDM 1 10.4.1, 11.4.1, 12.3 (SSE3), 12.8 (SSE4.1), 11.5 (exceptions: those of all lanes are
 * merged; any unmasked pre-computation exception suppresses the post-computation ones).
 * RCPPS, RSQRTPS: own tables by formula, error below 1.5 * 2^-12; real processors differ.
 */
#include "cpu/fpu/fast.h"
#include "cpu/fpu/sse.h"

bool fpu_use_host = true;

/* ---- lane operations ------------------------------------------------------------------------- */

struct lane_ctx {
    struct fp_env e;
    enum fast_mode m;
};

static inline struct lane_ctx lane_ctx(const struct cpu *c)
{
    return (struct lane_ctx){.e = sse_env(c), .m = fast_mode(c->fpu.mxcsr)};
}

#define SOFT2(op, bits, utype)                                                                 \
    static __attribute__((noinline)) utype soft_##op##bits(struct fp_env *e, utype a, utype b) \
    {                                                                                          \
        const struct fpw w = fp_##op(e, fp_from_f##bits(e, a), fp_from_f##bits(e, b));         \
        return fp_to_f##bits(e, w);                                                            \
    }                                                                                          \
    static inline utype op##bits(struct lane_ctx *x, utype a, utype b)                         \
    {                                                                                          \
        utype r;                                                                               \
        if (fast_##op##bits(x->m, a, b, &r))                                                   \
            return r;                                                                          \
        return soft_##op##bits(&x->e, a, b);                                                   \
    }
SOFT2(add, 32, uint32_t)
SOFT2(sub, 32, uint32_t)
SOFT2(mul, 32, uint32_t)
SOFT2(div, 32, uint32_t)
SOFT2(add, 64, uint64_t)
SOFT2(sub, 64, uint64_t)
SOFT2(mul, 64, uint64_t)
SOFT2(div, 64, uint64_t)

#define SQRT(bits, utype)                                                       \
    static inline utype sqrt##bits(struct lane_ctx *x, utype a, utype b)        \
    {                                                                           \
        utype r;                                                                \
        (void)a;                                                                \
        if (fast_sqrt##bits(x->m, b, &r))                                       \
            return r;                                                           \
        return fp_to_f##bits(&x->e, fp_sqrt(&x->e, fp_from_f##bits(&x->e, b))); \
    }
SQRT(32, uint32_t)
SQRT(64, uint64_t)

/* MIN, MAX: the second operand unless the first is strictly less/greater; never quieted. */
#define MINMAX(name, bits, utype, want)                                                 \
    static inline utype name##bits(struct lane_ctx *x, utype a, utype b)                \
    {                                                                                   \
        const struct fp fa = fp_from_f##bits(&x->e, a), fb = fp_from_f##bits(&x->e, b); \
        const bool first = fp_compare(&x->e, fa, fb, false) == want;                    \
        const struct fp chosen = first ? fa : fb;                                       \
        const utype v = first ? a : b;                                                  \
        return chosen.cls == FC_ZERO ? v & (utype)1 << (bits - 1) : v; /* DAZ */        \
    }
MINMAX(min, 32, uint32_t, FR_LT)
MINMAX(max, 32, uint32_t, FR_GT)
MINMAX(min, 64, uint64_t, FR_LT)
MINMAX(max, 64, uint64_t, FR_GT)

/* ---- packed and scalar forms ----------------------------------------------------------------- */

/* k_NAME works on 16 bytes; the legacy and the VEX instruction are made from it. */
#define FP_KERNEL(name)                                                                 \
    static inline void k_##name(struct lane_ctx *x, union vreg *d, const union vreg *s, \
                                unsigned imm)
#define FP_PACKED(name)                                  \
    OP(name)                                             \
    {                                                    \
        fpu_check_sse(c);                                \
        const union vreg s = src128(c, i);               \
        union vreg r = c->xmm[i->d];                     \
        struct lane_ctx x = lane_ctx(c);                 \
        k_##name(&x, &r, &s, (uint8_t)i->imm);           \
        sse_raise(c, &x.e);                              \
        memcpy(c->xmm[i->d].b, r.b, 16);                 \
    }                                                    \
    OP(v##name)                                          \
    {                                                    \
        fpu_check_avx(c);                                \
        const union vreg s = vex_src(c, i);              \
        union vreg r = *vex_v(c, i);                     \
        struct lane_ctx x = lane_ctx(c);                 \
        k_##name(&x, &r, &s, (uint8_t)i->imm);           \
        if (vex_256(i)) {                                \
            const union vreg s_hi = vreg_hi(&s);         \
            union vreg r_hi = vreg_hi(&r);               \
            k_##name(&x, &r_hi, &s_hi, (uint8_t)i->imm); \
            vreg_join(&r, &r_hi);                        \
        }                                                \
        sse_raise(c, &x.e);                              \
        vex_put(c, i, r);                                \
    }
#define FP_PS(name, fn)                            \
    FP_KERNEL(name##ps)                            \
    {                                              \
        (void)imm;                                 \
        for (unsigned k = 0; k < 4; k++)           \
            d->d[k] = fn##32(x, d->d[k], s->d[k]); \
    }                                              \
    FP_PACKED(name##ps)
#define FP_PD(name, fn)                            \
    FP_KERNEL(name##pd)                            \
    {                                              \
        (void)imm;                                 \
        for (unsigned k = 0; k < 2; k++)           \
            d->q[k] = fn##64(x, d->q[k], s->q[k]); \
    }                                              \
    FP_PACKED(name##pd)
#define FP_SCALAR(name, fn, bits, lane, utype)              \
    OP(name)                                                \
    {                                                       \
        fpu_check_sse(c);                                   \
        const utype s = src##bits(c, i);                    \
        struct lane_ctx x = lane_ctx(c);                    \
        const utype r = fn##bits(&x, c->xmm[i->d].lane, s); \
        sse_raise(c, &x.e);                                 \
        c->xmm[i->d].lane = r;                              \
    }                                                       \
    OP(v##name)                                             \
    {                                                       \
        fpu_check_avx(c);                                   \
        const utype s = src##bits(c, i);                    \
        union vreg r = *vex_v(c, i);                        \
        struct lane_ctx x = lane_ctx(c);                    \
        r.lane = fn##bits(&x, r.lane, s);                   \
        sse_raise(c, &x.e);                                 \
        vex_put128(c, i, r);                                \
    }
/* The host's result needs neither an environment nor flags: tried before one is made. */
#define FP_FAST_SCALAR(name, fn, bits, lane, utype)                                     \
    static inline utype fast_or_soft_##fn##bits(struct cpu *c, utype a, utype s)        \
    {                                                                                   \
        utype r;                                                                        \
        if (__builtin_expect(!fast_##fn##bits(fast_mode(c->fpu.mxcsr), a, s, &r), 0)) { \
            struct fp_env e = sse_env(c);                                               \
            r = soft_##fn##bits(&e, a, s);                                              \
            sse_raise(c, &e);                                                           \
        }                                                                               \
        return r;                                                                       \
    }                                                                                   \
    OP(name)                                                                            \
    {                                                                                   \
        fpu_check_sse(c);                                                               \
        const utype s = src##bits(c, i);                                                \
        c->xmm[i->d].lane = fast_or_soft_##fn##bits(c, c->xmm[i->d].lane, s);           \
    }                                                                                   \
    OP(v##name)                                                                         \
    {                                                                                   \
        fpu_check_avx(c);                                                               \
        const utype s = src##bits(c, i);                                                \
        union vreg r = *vex_v(c, i);                                                    \
        r.lane = fast_or_soft_##fn##bits(c, r.lane, s);                                 \
        vex_put128(c, i, r);                                                            \
    }
#define FP_FAST(name)                                  \
    FP_PS(name, name)                                  \
    FP_PD(name, name)                                  \
    FP_FAST_SCALAR(name##ss, name, 32, d[0], uint32_t) \
    FP_FAST_SCALAR(name##sd, name, 64, q[0], uint64_t)
#define FP_ALL(name)                              \
    FP_PS(name, name)                             \
    FP_PD(name, name)                             \
    FP_SCALAR(name##ss, name, 32, d[0], uint32_t) \
    FP_SCALAR(name##sd, name, 64, q[0], uint64_t)
FP_FAST(add)
FP_FAST(sub)
FP_FAST(mul)
FP_FAST(div)
FP_ALL(sqrt)
FP_ALL(min)
FP_ALL(max)

/* ---- SSE3: alternating and horizontal -------------------------------------------------------- */

FP_KERNEL(addsubps)
{
    (void)imm;
    for (unsigned k = 0; k < 4; k++)
        d->d[k] = k & 1 ? add32(x, d->d[k], s->d[k]) : sub32(x, d->d[k], s->d[k]);
}
FP_PACKED(addsubps)

FP_KERNEL(addsubpd)
{
    (void)imm;
    d->q[0] = sub64(x, d->q[0], s->q[0]);
    d->q[1] = add64(x, d->q[1], s->q[1]);
}
FP_PACKED(addsubpd)

#define HORIZONTAL(name, fn)                                      \
    FP_KERNEL(name##ps)                                           \
    {                                                             \
        union vreg r;                                             \
        (void)imm;                                                \
        for (unsigned k = 0; k < 2; k++) {                        \
            r.d[k] = fn##32(x, d->d[2 * k], d->d[2 * k + 1]);     \
            r.d[k + 2] = fn##32(x, s->d[2 * k], s->d[2 * k + 1]); \
        }                                                         \
        memcpy(d->b, r.b, 16);                                    \
    }                                                             \
    FP_PACKED(name##ps)                                           \
    FP_KERNEL(name##pd)                                           \
    {                                                             \
        (void)imm;                                                \
        d->q[0] = fn##64(x, d->q[0], d->q[1]);                    \
        d->q[1] = fn##64(x, s->q[0], s->q[1]);                    \
    }                                                             \
    FP_PACKED(name##pd)
HORIZONTAL(hadd, add)
HORIZONTAL(hsub, sub)

/* ---- SSE4.1: dot products, rounding ---------------------------------------------------------- */

/* Each stage is an operation of its own, on all lanes: its exceptions are raised before the next
 * begins. */
static void dot_ps(struct cpu *c, union vreg *d, const union vreg *s, unsigned imm, unsigned lanes)
{
    struct lane_ctx x = lane_ctx(c);
    uint32_t p[8] = {0};
    for (unsigned k = 0; k < 4 * lanes; k++) {
        if (imm >> (4 + (k & 3)) & 1)
            p[k] = mul32(&x, d->d[k], s->d[k]);
    }
    sse_raise(c, &x.e);
    x = lane_ctx(c);
    for (unsigned k = 0; k < 2 * lanes; k++)
        p[2 * k] = add32(&x, p[2 * k], p[2 * k + 1]);
    sse_raise(c, &x.e);
    x = lane_ctx(c);
    for (unsigned k = 0; k < lanes; k++)
        p[4 * k] = add32(&x, p[4 * k], p[4 * k + 2]);
    sse_raise(c, &x.e);
    for (unsigned k = 0; k < 4 * lanes; k++)
        d->d[k] = imm >> (k & 3) & 1 ? p[k & 4] : 0;
}

static void dot_pd(struct cpu *c, union vreg *d, const union vreg *s, unsigned imm)
{
    struct lane_ctx x = lane_ctx(c);
    uint64_t p[2] = {0};
    for (unsigned k = 0; k < 2; k++) {
        if (imm >> (4 + k) & 1)
            p[k] = mul64(&x, d->q[k], s->q[k]);
    }
    sse_raise(c, &x.e);
    x = lane_ctx(c);
    const uint64_t sum = add64(&x, p[0], p[1]);
    sse_raise(c, &x.e);
    for (unsigned k = 0; k < 2; k++)
        d->q[k] = imm >> k & 1 ? sum : 0;
}

OP(dpps)
{
    fpu_check_sse(c);
    const union vreg s = src128(c, i);
    dot_ps(c, &c->xmm[i->d], &s, (unsigned)i->imm, 1);
}

OP(vdpps)
{
    fpu_check_avx(c);
    const union vreg s = vex_src(c, i);
    union vreg r = *vex_v(c, i);
    dot_ps(c, &r, &s, (unsigned)i->imm, vex_256(i) ? 2 : 1);
    vex_put(c, i, r);
}

OP(dppd)
{
    fpu_check_sse(c);
    const union vreg s = src128(c, i);
    dot_pd(c, &c->xmm[i->d], &s, (unsigned)i->imm);
}

OP(vdppd)
{
    fpu_check_avx(c);
    const union vreg s = vex_src(c, i);
    union vreg r = *vex_v(c, i);
    dot_pd(c, &r, &s, (unsigned)i->imm);
    vex_put128(c, i, r);
}

static uint32_t round32(struct fp_env *e, uint32_t v, unsigned imm)
{
    const uint8_t before = e->post;
    const struct fpw w = fp_round_int(e, fp_from_f32(e, v), imm & 4 ? e->rc : imm & 3);
    if (imm & 8)
        e->post = before;
    return fp_to_f32(e, w);
}

static uint64_t round64(struct fp_env *e, uint64_t v, unsigned imm)
{
    const uint8_t before = e->post;
    const struct fpw w = fp_round_int(e, fp_from_f64(e, v), imm & 4 ? e->rc : imm & 3);
    if (imm & 8)
        e->post = before;
    return fp_to_f64(e, w);
}

FP_KERNEL(roundps)
{
    for (unsigned k = 0; k < 4; k++)
        d->d[k] = round32(&x->e, s->d[k], imm);
}
FP_PACKED(roundps)

FP_KERNEL(roundpd)
{
    for (unsigned k = 0; k < 2; k++)
        d->q[k] = round64(&x->e, s->q[k], imm);
}
FP_PACKED(roundpd)

#define ROUND_SCALAR(name, bits, lane)                 \
    OP(name)                                           \
    {                                                  \
        fpu_check_sse(c);                              \
        union vreg r = c->xmm[i->d];                   \
        const uint##bits##_t s = src##bits(c, i);      \
        struct fp_env e = sse_env(c);                  \
        r.lane = round##bits(&e, s, (unsigned)i->imm); \
        sse_raise(c, &e);                              \
        c->xmm[i->d] = r;                              \
    }                                                  \
    OP(v##name)                                        \
    {                                                  \
        fpu_check_avx(c);                              \
        union vreg r = *vex_v(c, i);                   \
        const uint##bits##_t s = src##bits(c, i);      \
        struct fp_env e = sse_env(c);                  \
        r.lane = round##bits(&e, s, (unsigned)i->imm); \
        sse_raise(c, &e);                              \
        vex_put128(c, i, r);                           \
    }
ROUND_SCALAR(roundss, 32, d[0])
ROUND_SCALAR(roundsd, 64, q[0])

/* ---- approximations -------------------------------------------------------------------------- */

/* 1/x from the top 11 fraction bits, at the middle of the interval; 14 result bits. */
static uint32_t rcp32(uint32_t v)
{
    const uint32_t sign = v & 0x80000000u, exp = v >> 23 & 0xff;
    if (exp == 0xff)
        return v << 9 ? v | 0x400000 : sign;
    if (exp == 0)
        return sign | 0x7f800000;                                      /* denormals count as zero */
    const uint32_t mid = (0x800 | (v >> 12 & 0x7ff)) * 2 + 1;          /* m * 2^12, m in (1, 2) */
    uint32_t r = (uint32_t)((((uint64_t)1 << 38) / mid + 4096) >> 13); /* 2^13 / m: (2^12, 2^13) */
    const int e = 253 - (int)exp;
    r = (r << 11) & 0x7fffff;
    if (e <= 0)
        return sign; /* tiny results are flushed */
    return sign | (uint32_t)e << 23 | r;
}

static uint32_t rsqrt32(uint32_t v)
{
    const uint32_t exp = v >> 23 & 0xff;
    if (exp == 0xff && v << 9)
        return v | 0x400000;
    if (exp == 0)
        return (v & 0x80000000u) | 0x7f800000;
    if (v >> 31)
        return F32_QNAN;
    if (exp == 0xff)
        return 0;
    const int e = (int)exp - 127;
    const bool odd = e & 1;
    uint64_t mid = (0x800 | (v >> 12 & 0x7ff)) * 2 + 1; /* m * 2^12 */
    mid <<= odd;                                        /* [1, 4) */
    fp_u128 rem;
    /* 2^13 / sqrt(m) = sqrt(2^26 / m), with 12 more bits for rounding */
    const uint64_t root = fp_isqrt((((fp_u128)1 << 62) / mid), &rem); /* 2^25 / sqrt(m) */
    uint32_t r = (uint32_t)((root + 2048) >> 12); /* 2^13 / sqrt(m): (2^12, 2^13] */
    uint32_t re = (uint32_t)(126 - (e - odd) / 2);
    if (r >> 13) {
        r >>= 1;
        re++;
    }
    return re << 23 | ((r << 11) & 0x7fffff);
}

#define APPROX(name)                                          \
    OP(name##ps)                                              \
    {                                                         \
        fpu_check_sse(c);                                     \
        const union vreg s = src128(c, i);                    \
        for (unsigned k = 0; k < 4; k++)                      \
            c->xmm[i->d].d[k] = name##32(s.d[k]);             \
    }                                                         \
    OP(v##name##ps)                                           \
    {                                                         \
        fpu_check_avx(c);                                     \
        union vreg r = vex_src(c, i);                         \
        for (unsigned k = 0; k < (vex_256(i) ? 8u : 4u); k++) \
            r.d[k] = name##32(r.d[k]);                        \
        vex_put(c, i, r);                                     \
    }                                                         \
    OP(name##ss)                                              \
    {                                                         \
        fpu_check_sse(c);                                     \
        c->xmm[i->d].d[0] = name##32(src32(c, i));            \
    }                                                         \
    OP(v##name##ss)                                           \
    {                                                         \
        fpu_check_avx(c);                                     \
        const uint32_t s = src32(c, i);                       \
        union vreg r = *vex_v(c, i);                          \
        r.d[0] = name##32(s);                                 \
        vex_put128(c, i, r);                                  \
    }
APPROX(rcp)
APPROX(rsqrt)
