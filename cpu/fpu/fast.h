/*
 * cpu/fpu/fast.h: host floating point where it provably gives the bits of the soft one.
 *
 * Under round-to-nearest, with operands zero or normal and a normal result clear of the underflow
 * boundary, an IEEE host's +, -, *, / and square root are the same function. Only the inexact flag
 * has to be found out: it is already set and masked, or the result is exact by a residual that
 * cannot itself round. Anything else returns false and goes the soft way. The host's rounding
 * mode is never changed; contraction is off in the build.
 */
#ifndef CPU_FPU_FAST_H
#define CPU_FPU_FAST_H

#include <float.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "cpu/fpu/fpu.h"

#if FLT_EVAL_METHOD != 0
#define FAST_POSSIBLE 0
#else
#define FAST_POSSIBLE 1
#endif

#define FAST_FN        static inline __attribute__((always_inline))
#define FAST_LIKELY(x) __builtin_expect(x, 1)

/* What the current MXCSR allows. */
enum fast_mode { FAST_OFF, FAST_EXACT, FAST_ANY };

FAST_FN enum fast_mode fast_mode(uint32_t mxcsr)
{
    if (!FAST_POSSIBLE || !fpu_use_host || (mxcsr & 0x6000))
        return FAST_OFF;
    return (mxcsr & 0x1020) == 0x1020 ? FAST_ANY : FAST_EXACT; /* PM and PE set */
}

FAST_FN float f32_host(uint32_t v)
{
    float f;
    memcpy(&f, &v, 4);
    return f;
}

FAST_FN double f64_host(uint64_t v)
{
    double f;
    memcpy(&f, &v, 8);
    return f;
}

FAST_FN uint32_t f32_bits(float f)
{
    uint32_t v;
    memcpy(&v, &f, 4);
    return v;
}

FAST_FN uint64_t f64_bits(double f)
{
    uint64_t v;
    memcpy(&v, &f, 8);
    return v;
}

/* Classes of numbers. normal: exponent neither 0 nor all ones; one addition moves both ends of the
 * range out of the mask. result: normal and three above the smallest exponent, so it cannot have
 * been tiny. operand: normal or zero.
 * *_ok: operands and result of an operation that the host does right, inexactness apart. */
#define FAST_CLASSES(bits, utype, frac, mask)                                                  \
    FAST_FN bool f##bits##_normal(utype v)                                                     \
    {                                                                                          \
        return (v + ((utype)1 << frac)) & (utype)(mask - 1) << frac;                           \
    }                                                                                          \
    FAST_FN bool f##bits##_result(utype v)                                                     \
    {                                                                                          \
        return (v + ((utype)1 << frac)) & (utype)(mask - 3) << frac;                           \
    }                                                                                          \
    FAST_FN bool f##bits##_zero(utype v)                                                       \
    {                                                                                          \
        return !(utype)(v << 1);                                                               \
    }                                                                                          \
    FAST_FN bool f##bits##_operand(utype v)                                                    \
    {                                                                                          \
        return f##bits##_normal(v) || f##bits##_zero(v);                                       \
    }                                                                                          \
    /* the usual case, without a branch for each */                                            \
    FAST_FN bool f##bits##_all_normal(utype a, utype b, utype r)                               \
    {                                                                                          \
        return (int)f##bits##_normal(a) & (int)f##bits##_normal(b) & (int)f##bits##_result(r); \
    }                                                                                          \
    FAST_FN bool f##bits##_add_ok(utype a, utype b, utype r)                                   \
    {                                                                                          \
        return FAST_LIKELY(f##bits##_all_normal(a, b, r)) ||                                   \
               (f##bits##_operand(a) && f##bits##_operand(b) &&                                \
                (f##bits##_result(r) || f##bits##_zero(r)));                                   \
    }                                                                                          \
    FAST_FN bool f##bits##_mul_ok(utype a, utype b, utype r)                                   \
    {                                                                                          \
        return FAST_LIKELY(f##bits##_all_normal(a, b, r)) ||                                   \
               (f##bits##_operand(a) && f##bits##_operand(b) &&                                \
                (f##bits##_zero(a) || f##bits##_zero(b)));                                     \
    }                                                                                          \
    FAST_FN bool f##bits##_div_ok(utype a, utype b, utype r)                                   \
    {                                                                                          \
        return FAST_LIKELY(f##bits##_all_normal(a, b, r)) ||                                   \
               (f##bits##_normal(b) && f##bits##_zero(a));                                     \
    }
FAST_CLASSES(32, uint32_t, 23, 0xffu)
FAST_CLASSES(64, uint64_t, 52, 0x7ffull)
#undef FAST_CLASSES

FAST_FN uint64_t f64_sig(uint64_t v)
{
    return (v & 0xfffffffffffffull) | 1ull << 52;
}

/* Residual of a sum (Moller, Knuth): zero exactly when a + b = s, all finite. */
#define FAST_ADD(bits, type, utype)                                           \
    FAST_FN bool fast_add##bits(enum fast_mode m, utype a, utype b, utype *r) \
    {                                                                         \
        if (m == FAST_OFF)                                                    \
            return false;                                                     \
        const type x = f##bits##_host(a), y = f##bits##_host(b), s = x + y;   \
        *r = f##bits##_bits(s);                                               \
        if (!f##bits##_add_ok(a, b, *r))                                      \
            return false;                                                     \
        if (m == FAST_ANY)                                                    \
            return true;                                                      \
        const type bb = s - x;                                                \
        return (x - (s - bb)) + (y - bb) == 0;                                \
    }                                                                         \
    FAST_FN bool fast_sub##bits(enum fast_mode m, utype a, utype b, utype *r) \
    {                                                                         \
        return fast_add##bits(m, a, b ^ (utype)1 << (bits - 1), r);           \
    }
FAST_ADD(32, float, uint32_t)
FAST_ADD(64, double, uint64_t)
#undef FAST_ADD

FAST_FN bool fast_mul32(enum fast_mode m, uint32_t a, uint32_t b, uint32_t *r)
{
    if (m == FAST_OFF)
        return false;
    const float x = f32_host(a), y = f32_host(b), p = x * y;
    *r = f32_bits(p);
    return f32_mul_ok(a, b, *r) && (m == FAST_ANY || (double)x * (double)y == (double)p);
}

FAST_FN bool fast_mul64(enum fast_mode m, uint64_t a, uint64_t b, uint64_t *r)
{
    if (m == FAST_OFF)
        return false;
    *r = f64_bits(f64_host(a) * f64_host(b));
    return f64_mul_ok(a, b, *r) &&
           (m == FAST_ANY || __builtin_ctzll(f64_sig(a)) + __builtin_ctzll(f64_sig(b)) >= 53);
}

FAST_FN bool fast_div32(enum fast_mode m, uint32_t a, uint32_t b, uint32_t *r)
{
    if (m == FAST_OFF)
        return false;
    const float x = f32_host(a), y = f32_host(b), q = x / y;
    *r = f32_bits(q);
    return f32_div_ok(a, b, *r) && (m == FAST_ANY || (double)q * (double)y == (double)x);
}

FAST_FN bool fast_div64(enum fast_mode m, uint64_t a, uint64_t b, uint64_t *r)
{
    if (m == FAST_OFF)
        return false;
    *r = f64_bits(f64_host(a) / f64_host(b));
    if (m == FAST_ANY || !f64_div_ok(a, b, *r))
        return f64_div_ok(a, b, *r);
    if (f64_zero(a))
        return true;
    const unsigned __int128 back = (unsigned __int128)f64_sig(*r) * f64_sig(b);
    const unsigned __int128 from = (unsigned __int128)f64_sig(a) << 52;
    return back == from || back == from << 1;
}

/* a * b + c. Only where the inexact flag is already set: no residual is known to be exact. */
FAST_FN bool fast_fma32(enum fast_mode m, uint32_t a, uint32_t b, uint32_t c, uint32_t *r)
{
    if (m != FAST_ANY || !f32_normal(a) || !f32_normal(b) || !f32_normal(c))
        return false;
    *r = f32_bits(__builtin_fmaf(f32_host(a), f32_host(b), f32_host(c)));
    return f32_result(*r);
}

FAST_FN bool fast_fma64(enum fast_mode m, uint64_t a, uint64_t b, uint64_t c, uint64_t *r)
{
    if (m != FAST_ANY || !f64_normal(a) || !f64_normal(b) || !f64_normal(c))
        return false;
    *r = f64_bits(__builtin_fma(f64_host(a), f64_host(b), f64_host(c)));
    return f64_result(*r);
}

FAST_FN bool fast_sqrt32(enum fast_mode m, uint32_t a, uint32_t *r)
{
    if (m == FAST_OFF || !f32_normal(a) || a >> 31)
        return false;
    const float x = f32_host(a), q = __builtin_sqrtf(x);
    *r = f32_bits(q);
    return m == FAST_ANY || (double)q * (double)q == (double)x;
}

FAST_FN bool fast_sqrt64(enum fast_mode m, uint64_t a, uint64_t *r)
{
    if (m == FAST_OFF || !f64_normal(a) || a >> 63)
        return false;
    *r = f64_bits(__builtin_sqrt(f64_host(a)));
    if (m == FAST_ANY)
        return true;
    const unsigned __int128 back = (unsigned __int128)f64_sig(*r) * f64_sig(*r);
    const unsigned __int128 from = (unsigned __int128)f64_sig(a) << 52;
    return back == from || back == from << 1;
}

#endif
