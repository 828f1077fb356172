/*
 * cpu/fpu/sse_fp.c: SSE floating-point arithmetic, minimum, maximum, horizontal and dot products,
 * rounding, approximations.
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

#define FP_PS(name, fn)                           \
    OP(name##ps)                                  \
    {                                             \
        fpu_check_sse(c);                         \
        const union vreg s = src128(c, i);        \
        union vreg *d = &c->xmm[i->d], r;         \
        struct lane_ctx x = lane_ctx(c);          \
        for (unsigned k = 0; k < 4; k++)          \
            r.d[k] = fn##32(&x, d->d[k], s.d[k]); \
        sse_raise(c, &x.e);                       \
        memcpy(d->b, r.b, 16);                    \
    }
#define FP_PD(name, fn)                           \
    OP(name##pd)                                  \
    {                                             \
        fpu_check_sse(c);                         \
        const union vreg s = src128(c, i);        \
        union vreg *d = &c->xmm[i->d], r;         \
        struct lane_ctx x = lane_ctx(c);          \
        for (unsigned k = 0; k < 2; k++)          \
            r.q[k] = fn##64(&x, d->q[k], s.q[k]); \
        sse_raise(c, &x.e);                       \
        memcpy(d->b, r.b, 16);                    \
    }
#define FP_SS(name, fn)                                      \
    OP(name##ss)                                             \
    {                                                        \
        fpu_check_sse(c);                                    \
        const uint32_t s = src32(c, i);                      \
        struct lane_ctx x = lane_ctx(c);                     \
        const uint32_t r = fn##32(&x, c->xmm[i->d].d[0], s); \
        sse_raise(c, &x.e);                                  \
        c->xmm[i->d].d[0] = r;                               \
    }
#define FP_SD(name, fn)                                      \
    OP(name##sd)                                             \
    {                                                        \
        fpu_check_sse(c);                                    \
        const uint64_t s = src64(c, i);                      \
        struct lane_ctx x = lane_ctx(c);                     \
        const uint64_t r = fn##64(&x, c->xmm[i->d].q[0], s); \
        sse_raise(c, &x.e);                                  \
        c->xmm[i->d].q[0] = r;                               \
    }
/* The host's result needs neither an environment nor flags: tried before one is made. */
#define FP_FAST_SS(name)                                                                \
    OP(name##ss)                                                                        \
    {                                                                                   \
        fpu_check_sse(c);                                                               \
        const uint32_t s = src32(c, i), a = c->xmm[i->d].d[0];                          \
        uint32_t r;                                                                     \
        if (__builtin_expect(!fast_##name##32(fast_mode(c->fpu.mxcsr), a, s, &r), 0)) { \
            struct fp_env e = sse_env(c);                                               \
            r = soft_##name##32(&e, a, s);                                              \
            sse_raise(c, &e);                                                           \
        }                                                                               \
        c->xmm[i->d].d[0] = r;                                                          \
    }
#define FP_FAST_SD(name)                                                                \
    OP(name##sd)                                                                        \
    {                                                                                   \
        fpu_check_sse(c);                                                               \
        const uint64_t s = src64(c, i), a = c->xmm[i->d].q[0];                          \
        uint64_t r;                                                                     \
        if (__builtin_expect(!fast_##name##64(fast_mode(c->fpu.mxcsr), a, s, &r), 0)) { \
            struct fp_env e = sse_env(c);                                               \
            r = soft_##name##64(&e, a, s);                                              \
            sse_raise(c, &e);                                                           \
        }                                                                               \
        c->xmm[i->d].q[0] = r;                                                          \
    }
#define FP_FAST(name) \
    FP_PS(name, name) \
    FP_PD(name, name) \
    FP_FAST_SS(name)  \
    FP_FAST_SD(name)
#define FP_ALL(name)  \
    FP_PS(name, name) \
    FP_PD(name, name) \
    FP_SS(name, name) \
    FP_SD(name, name)
FP_FAST(add)
FP_FAST(sub)
FP_FAST(mul)
FP_FAST(div)
FP_ALL(sqrt)
FP_ALL(min)
FP_ALL(max)

/* ---- SSE3: alternating and horizontal -------------------------------------------------------- */

OP(addsubps)
{
    fpu_check_sse(c);
    const union vreg s = src128(c, i);
    union vreg *d = &c->xmm[i->d], r;
    struct lane_ctx x = lane_ctx(c);
    for (unsigned k = 0; k < 4; k++)
        r.d[k] = k & 1 ? add32(&x, d->d[k], s.d[k]) : sub32(&x, d->d[k], s.d[k]);
    sse_raise(c, &x.e);
    memcpy(d->b, r.b, 16);
}

OP(addsubpd)
{
    fpu_check_sse(c);
    const union vreg s = src128(c, i);
    union vreg *d = &c->xmm[i->d], r;
    struct lane_ctx x = lane_ctx(c);
    r.q[0] = sub64(&x, d->q[0], s.q[0]);
    r.q[1] = add64(&x, d->q[1], s.q[1]);
    sse_raise(c, &x.e);
    memcpy(d->b, r.b, 16);
}

#define HORIZONTAL(name, fn)                                     \
    OP(name##ps)                                                 \
    {                                                            \
        fpu_check_sse(c);                                        \
        const union vreg s = src128(c, i);                       \
        union vreg *d = &c->xmm[i->d], r;                        \
        struct lane_ctx x = lane_ctx(c);                         \
        for (unsigned k = 0; k < 2; k++) {                       \
            r.d[k] = fn##32(&x, d->d[2 * k], d->d[2 * k + 1]);   \
            r.d[k + 2] = fn##32(&x, s.d[2 * k], s.d[2 * k + 1]); \
        }                                                        \
        sse_raise(c, &x.e);                                      \
        memcpy(d->b, r.b, 16);                                   \
    }                                                            \
    OP(name##pd)                                                 \
    {                                                            \
        fpu_check_sse(c);                                        \
        const union vreg s = src128(c, i);                       \
        union vreg *d = &c->xmm[i->d], r;                        \
        struct lane_ctx x = lane_ctx(c);                         \
        r.q[0] = fn##64(&x, d->q[0], d->q[1]);                   \
        r.q[1] = fn##64(&x, s.q[0], s.q[1]);                     \
        sse_raise(c, &x.e);                                      \
        memcpy(d->b, r.b, 16);                                   \
    }
HORIZONTAL(hadd, add)
HORIZONTAL(hsub, sub)

/* ---- SSE4.1: dot products, rounding ---------------------------------------------------------- */

/* Each stage is an operation of its own: its exceptions are raised before the next begins. */
OP(dpps)
{
    fpu_check_sse(c);
    const union vreg s = src128(c, i);
    union vreg *d = &c->xmm[i->d];
    const unsigned imm = (unsigned)i->imm;
    struct lane_ctx x = lane_ctx(c);
    uint32_t p[4] = {0};
    for (unsigned k = 0; k < 4; k++) {
        if (imm >> (4 + k) & 1)
            p[k] = mul32(&x, d->d[k], s.d[k]);
    }
    sse_raise(c, &x.e);
    x = lane_ctx(c);
    const uint32_t lo = add32(&x, p[0], p[1]), hi = add32(&x, p[2], p[3]);
    sse_raise(c, &x.e);
    x = lane_ctx(c);
    const uint32_t sum = add32(&x, lo, hi);
    sse_raise(c, &x.e);
    for (unsigned k = 0; k < 4; k++)
        d->d[k] = imm >> k & 1 ? sum : 0;
}

OP(dppd)
{
    fpu_check_sse(c);
    const union vreg s = src128(c, i);
    union vreg *d = &c->xmm[i->d];
    const unsigned imm = (unsigned)i->imm;
    struct lane_ctx x = lane_ctx(c);
    uint64_t p[2] = {0};
    for (unsigned k = 0; k < 2; k++) {
        if (imm >> (4 + k) & 1)
            p[k] = mul64(&x, d->q[k], s.q[k]);
    }
    sse_raise(c, &x.e);
    x = lane_ctx(c);
    const uint64_t sum = add64(&x, p[0], p[1]);
    sse_raise(c, &x.e);
    for (unsigned k = 0; k < 2; k++)
        d->q[k] = imm >> k & 1 ? sum : 0;
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

OP(roundps)
{
    fpu_check_sse(c);
    union vreg r = src128(c, i);
    struct fp_env e = sse_env(c);
    for (unsigned k = 0; k < 4; k++)
        r.d[k] = round32(&e, r.d[k], (unsigned)i->imm);
    sse_raise(c, &e);
    memcpy(c->xmm[i->d].b, r.b, 16);
}

OP(roundpd)
{
    fpu_check_sse(c);
    union vreg r = src128(c, i);
    struct fp_env e = sse_env(c);
    for (unsigned k = 0; k < 2; k++)
        r.q[k] = round64(&e, r.q[k], (unsigned)i->imm);
    sse_raise(c, &e);
    memcpy(c->xmm[i->d].b, r.b, 16);
}

OP(roundss)
{
    fpu_check_sse(c);
    const uint32_t s = src32(c, i);
    struct fp_env e = sse_env(c);
    const uint32_t r = round32(&e, s, (unsigned)i->imm);
    sse_raise(c, &e);
    c->xmm[i->d].d[0] = r;
}

OP(roundsd)
{
    fpu_check_sse(c);
    const uint64_t s = src64(c, i);
    struct fp_env e = sse_env(c);
    const uint64_t r = round64(&e, s, (unsigned)i->imm);
    sse_raise(c, &e);
    c->xmm[i->d].q[0] = r;
}

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

#define APPROX(name)                               \
    OP(name##ps)                                   \
    {                                              \
        fpu_check_sse(c);                          \
        const union vreg s = src128(c, i);         \
        for (unsigned k = 0; k < 4; k++)           \
            c->xmm[i->d].d[k] = name##32(s.d[k]);  \
    }                                              \
    OP(name##ss)                                   \
    {                                              \
        fpu_check_sse(c);                          \
        c->xmm[i->d].d[0] = name##32(src32(c, i)); \
    }
APPROX(rcp)
APPROX(rsqrt)
