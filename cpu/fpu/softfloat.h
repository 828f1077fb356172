/*
 * cpu/fpu/softfloat.h: exact binary floating point in integers, with x86 rules.
 *
 * IEEE 754-2008 for binary16, binary32, binary64 and the 80-bit extended format of SDM 1 4.2 and
 * 8; NaN rules of SDM 1 table 4-7, exceptions of SDM 1 8.5 and 11.5, tininess after rounding.
 * Operands are unpacked into one form (struct fp), operations give an exact-with-sticky 128-bit
 * value (struct fpw), packing rounds it to a format. The same bits on every host.
 */
#ifndef CPU_FPU_SOFTFLOAT_H
#define CPU_FPU_SOFTFLOAT_H

#include <stdbool.h>
#include <stdint.h>

#include "cpu/cpu.h" /* struct f80 */

/* Exceptions, in the bit positions of the x87 status word and of MXCSR */
#define FX_I   0x01
#define FX_D   0x02
#define FX_Z   0x04
#define FX_O   0x08
#define FX_U   0x10
#define FX_P   0x20
#define FX_ALL 0x3f

/* Rounding control, as encoded in the control word and in MXCSR */
enum fp_rc { RC_NEAR, RC_DOWN, RC_UP, RC_ZERO };

/* What an operation runs under, and what it raised. `pre` are the exceptions found before
 * computing (I, D, Z), `post` those of rounding: an unmasked `pre` suppresses `post`. */
struct fp_env {
    uint8_t rc;
    uint8_t prec;   /* x87: significand bits of results: 24, 53, 64 */
    uint8_t masked; /* FX_* that are masked */
    bool x87;       /* NaN choice of the x87; unmasked O/U give results with wrapped exponent */
    bool daz, ftz;
    uint8_t pre, post;
    bool up; /* the last rounding raised the magnitude: C1 */
};

enum fp_class { FC_ZERO, FC_NUM, FC_INF, FC_QNAN, FC_SNAN, FC_BAD };

/* FC_NUM: (-1)^sign * sig * 2^(exp - 63), bit 63 of sig set. NaN: sig as in the 80-bit format. */
struct fp {
    uint64_t sig;
    int32_t exp;
    uint8_t cls; /* enum fp_class; FC_BAD: encodings that the x87 no longer supports */
    bool sign;
    bool den; /* was encoded as a denormal: raises D */
};

typedef unsigned __int128 fp_u128;

/* FC_NUM: (-1)^sign * sig * 2^(exp - 127), bit 127 of sig set, bit 0 sticky. */
struct fpw {
    fp_u128 sig;
    int32_t exp;
    uint8_t cls;
    bool sign;
};

#define F32_QNAN     0xffc00000u /* the indefinite */
#define F64_QNAN     0xfff8000000000000ull
#define F80_QNAN_SIG 0xc000000000000000ull
#define F80_QNAN_SE  0xffffu

/* Results of compares */
enum fp_rel { FR_LT, FR_EQ, FR_GT, FR_UN };

struct fp fp_from_f32(const struct fp_env *e, uint32_t v);
struct fp fp_from_f64(const struct fp_env *e, uint64_t v);
struct fp fp_from_f16(uint16_t v);
struct fp fp_from_f80(struct f80 v);
struct fp fp_from_int(int64_t v);

uint16_t fp_to_f16(struct fp_env *e, struct fpw v);
uint32_t fp_to_f32(struct fp_env *e, struct fpw v);
uint64_t fp_to_f64(struct fp_env *e, struct fpw v);
struct f80 fp_to_f80(struct fp_env *e, struct fpw v, unsigned prec); /* rounds to prec bits */

struct fpw fp_wide(struct fp a); /* the value as it is */
struct fpw fp_add(struct fp_env *e, struct fp a, struct fp b);
struct fpw fp_sub(struct fp_env *e, struct fp a, struct fp b);
struct fpw fp_mul(struct fp_env *e, struct fp a, struct fp b);
/* a * b + c rounded once; operands of at most 53 bits */
struct fpw fp_fma(struct fp_env *e, struct fp a, struct fp b, struct fp c);
struct fpw fp_div(struct fp_env *e, struct fp a, struct fp b);
struct fpw fp_sqrt(struct fp_env *e, struct fp a);
/* NaN and denormal rules of a one-operand operation that then uses the value as it is: format
 * conversions, rounding to integral. NaN operands come back quiet. */
struct fpw fp_convert(struct fp_env *e, struct fp a);
/* Round to an integral value with mode rc; no D. Inexact raises P. */
struct fpw fp_round_int(struct fp_env *e, struct fp a, unsigned rc);
/* To a two's complement integer of `bits`: invalid gives the indefinite (only the top bit set). */
int64_t fp_to_int(struct fp_env *e, struct fp a, unsigned rc, unsigned bits);
/* quiet: QNaN operands do not raise I */
enum fp_rel fp_compare(struct fp_env *e, struct fp a, struct fp b, bool quiet);
/* The NaN that results from two operands of which at least one is a NaN or unsupported. */
struct fpw fp_nan2(struct fp_env *e, struct fp a, struct fp b);
struct fpw fp_invalid(struct fp_env *e); /* raises I, gives the indefinite */
/* Integer square root: floor, with the remainder. */
uint64_t fp_isqrt(fp_u128 v, fp_u128 *rem);

static inline bool fp_is_nan(struct fp a)
{
    return a.cls >= FC_QNAN;
}

/* May the rounding-phase results be used: no unmasked exception before computing. */
static inline bool fp_pre_ok(const struct fp_env *e)
{
    return !(e->pre & ~e->masked);
}

/* All exceptions to be set in the status register. */
static inline unsigned fp_raised(const struct fp_env *e)
{
    return fp_pre_ok(e) ? e->pre | e->post : e->pre;
}

static inline int fp_clz128(fp_u128 v)
{
    const uint64_t hi = (uint64_t)(v >> 64);
    return hi ? __builtin_clzll(hi) : 64 + __builtin_clzll((uint64_t)v);
}

/* Shift right, or-ing what falls out into bit 0. */
static inline fp_u128 fp_shr_jam(fp_u128 v, unsigned n)
{
    if (n == 0)
        return v;
    if (n >= 128)
        return v != 0;
    return v >> n | ((v << (128 - n)) != 0);
}

#endif
