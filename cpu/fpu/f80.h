/*
 * cpu/fpu/f80.h: private to cpu/fpu: 80-bit arithmetic on normal numbers, to nearest, 64 bits.
 *
 * The common case of the x87 without the unpacking and classes of softfloat.h: integers only, so
 * the same bits on every host. Each function returns false when softfloat has to decide: a zero or
 * a result that leaves the range of normal numbers. Operands are normal (f80_normal).
 *
 * SDM 1 4.8.4 (rounding), 8.5. Not modelled: other rounding and precision control.
 */
#ifndef CPU_FPU_F80_H
#define CPU_FPU_F80_H

#include "cpu/fpu/softfloat.h"

/* A result, whether it was rounded, and whether that raised its magnitude (P and C1). */
struct f80_result {
    struct f80 v;
    bool inexact, up;
};

static inline bool f80_normal(struct f80 v)
{
    const unsigned exp = v.se & 0x7fff;
    return v.sig >> 63 && exp - 1u < 0x7ffe;
}

/* (-1)^sign * sig * 2^(exp - 16383 - 127), bit 127 of sig set, bit 0 sticky. */
static inline bool f80_round(struct f80_result *r, unsigned sign, int exp, fp_u128 sig)
{
    const uint64_t low = (uint64_t)sig, half = 1ull << 63;
    uint64_t high = (uint64_t)(sig >> 64);
    if (exp <= 0) /* tiny, or only just not */
        return false;
    r->inexact = low != 0;
    r->up = low > half || (low == half && (high & 1));
    high += r->up;
    if (r->up && high == 0) {
        high = half;
        exp++;
    }
    r->v = (struct f80){.sig = high, .se = (uint16_t)(sign << 15 | (unsigned)exp)};
    return exp < 0x7fff;
}

static inline bool f80_add(struct f80_result *r, struct f80 a, struct f80 b)
{
    if ((a.se & 0x7fff) < (b.se & 0x7fff)) {
        const struct f80 t = a;
        a = b;
        b = t;
    }
    const int exp = a.se & 0x7fff;
    const unsigned d = (unsigned)exp - (b.se & 0x7fff);
    const fp_u128 x = (fp_u128)a.sig << 63, wide = (fp_u128)b.sig << 63;
    fp_u128 y = d < 127 ? wide >> d : 0;
    if (d > 63 && (d >= 127 || y << d != wide))
        y |= 1;
    if (!((a.se ^ b.se) & 0x8000)) {
        const fp_u128 sum = x + y;
        const unsigned carry = (unsigned)(sum >> 127);
        return f80_round(r, a.se >> 15, exp + (int)carry, sum << (1 - carry));
    }
    const bool swap = y > x;
    const fp_u128 diff = swap ? y - x : x - y;
    if (diff == 0)
        return false;
    const uint64_t high = (uint64_t)(diff >> 64);
    const unsigned n = high ? (unsigned)__builtin_clzll(high)
                            : 64 + (unsigned)__builtin_clzll((uint64_t)diff);
    return f80_round(r, (a.se >> 15) ^ swap, exp + 1 - (int)n, diff << n);
}

static inline bool f80_sub(struct f80_result *r, struct f80 a, struct f80 b)
{
    b.se ^= 0x8000;
    return f80_add(r, a, b);
}

static inline bool f80_mul(struct f80_result *r, struct f80 a, struct f80 b)
{
    const fp_u128 p = (fp_u128)a.sig * b.sig;
    const unsigned top = (unsigned)(p >> 127);
    const int exp = (a.se & 0x7fff) + (b.se & 0x7fff) - 16383;
    return f80_round(r, (a.se ^ b.se) >> 15, exp + (int)top, p << (1 - top));
}

static inline bool f80_div(struct f80_result *r, struct f80 a, struct f80 b)
{
    const unsigned less = a.sig < b.sig;
    const fp_u128 n = (fp_u128)a.sig << (63 + less);
    const uint64_t q = (uint64_t)(n / b.sig), rest = (uint64_t)n - q * b.sig;
    /* the rest in two bits: none, less than half, half, more */
    const uint64_t twice = rest << 1;
    const bool over = rest >> 63 || twice > b.sig;
    const uint64_t low = over ? 3ull << 62 : rest == 0 ? 0 : twice == b.sig ? 1ull << 63 : 1;
    const int exp = (a.se & 0x7fff) - (b.se & 0x7fff) + 16383 - (int)less;
    return f80_round(r, (a.se ^ b.se) >> 15, exp, (fp_u128)q << 64 | low);
}

/* To a double or single: bits of fraction, exponent bias. Gives the encoding without the sign. */
static inline bool f80_narrow(struct f80 v, unsigned frac, int bias, uint64_t *to, bool *inexact,
                              bool *up)
{
    const unsigned drop = 63 - frac;
    const uint64_t low = v.sig << (64 - drop), half = 1ull << 63;
    uint64_t sig = v.sig >> drop;
    const int exp = (v.se & 0x7fff) - 16383 + bias;
    *inexact = low != 0;
    *up = low > half || (low == half && (sig & 1));
    sig += *up; /* a carry out of the fraction moves on into the exponent */
    *to = sig + ((uint64_t)(exp - 1) << frac);
    return exp > 0 && exp <= 2 * bias && *to >> frac <= 2u * (unsigned)bias;
}

#endif
