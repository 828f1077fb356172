/*
 * cpu/fpu/softfloat.c: exact binary floating point in integers (see softfloat.h).
 *
 * Rounding (SDM 1 4.8.4, 4.9.1): first to the format's precision with unbounded exponent, which
 * decides tininess; a tiny result is rounded again at the denormal position. Unmasked overflow
 * and underflow of the x87 deliver the result with the exponent moved by 24576 (SDM 1 8.5.4).
 */
#include "cpu/fpu/softfloat.h"

struct fp_format {
    int prec, emin, emax;
    int bits; /* of the exponent field; 0 for the extended format */
};

struct rounded {
    uint64_t sig; /* prec bits left-aligned; 0: zero; bit 63 clear: denormal */
    int32_t exp;
    bool inf;
};

#define X87_WRAP 24576

/* ---- unpacking ------------------------------------------------------------------------------- */

static struct fp unpack(const struct fp_env *e, bool sign, int field, uint64_t frac, int prec)
{
    const int emax = prec == 24 ? 127 : prec == 53 ? 1023 : 15;
    struct fp r = {.sign = sign};
    const uint64_t sig = frac << (64 - prec);
    if (field == 0) {
        if (frac == 0 || e->daz) {
            r.cls = FC_ZERO;
            return r;
        }
        const int n = __builtin_clzll(sig);
        r.cls = FC_NUM;
        r.den = true;
        r.sig = sig << n;
        r.exp = 1 - emax - n;
    } else if (field == 2 * emax + 1) {
        r.cls = frac == 0 ? FC_INF : frac >> (prec - 2) & 1 ? FC_QNAN : FC_SNAN;
        r.sig = sig | 1ull << 63;
    } else {
        r.cls = FC_NUM;
        r.sig = sig | 1ull << 63;
        r.exp = field - emax;
    }
    return r;
}

struct fp fp_from_f32(const struct fp_env *e, uint32_t v)
{
    return unpack(e, v >> 31, v >> 23 & 0xff, v & 0x7fffff, 24);
}

/* Denormals are read as they are, whatever DAZ says, and raise no D (SDM 2C VCVTPH2PS). */
struct fp fp_from_f16(uint16_t v)
{
    const struct fp_env plain = {0};
    struct fp r = unpack(&plain, v >> 15, v >> 10 & 0x1f, v & 0x3ff, 11);
    r.den = false;
    return r;
}

struct fp fp_from_f64(const struct fp_env *e, uint64_t v)
{
    return unpack(e, v >> 63, v >> 52 & 0x7ff, v & 0xfffffffffffffull, 53);
}

struct fp fp_from_f80(struct f80 v)
{
    struct fp r = {.sign = v.se >> 15, .sig = v.sig};
    const int field = v.se & 0x7fff;
    const bool top = v.sig >> 63;
    if (field == 0) {
        if (v.sig == 0) {
            r.cls = FC_ZERO;
            return r;
        }
        const int n = __builtin_clzll(v.sig);
        r.cls = FC_NUM;
        r.den = true; /* pseudo-denormals too */
        r.sig <<= n;
        r.exp = -16382 - n;
    } else if (!top) {
        r.cls = FC_BAD; /* unnormal, pseudo-infinity, pseudo-NaN */
    } else if (field == 0x7fff) {
        r.cls = v.sig << 1 == 0 ? FC_INF : v.sig >> 62 & 1 ? FC_QNAN : FC_SNAN;
    } else {
        r.cls = FC_NUM;
        r.exp = field - 16383;
    }
    return r;
}

struct fp fp_from_int(int64_t v)
{
    struct fp r = {.sign = v < 0};
    if (v == 0)
        return r;
    const uint64_t mag = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    const int n = __builtin_clzll(mag);
    r.cls = FC_NUM;
    r.sig = mag << n;
    r.exp = 63 - n;
    return r;
}

struct fpw fp_wide(struct fp a)
{
    return (struct fpw){.sig = (fp_u128)a.sig << 64, .exp = a.exp, .cls = a.cls, .sign = a.sign};
}

/* ---- rounding -------------------------------------------------------------------------------- */

/* Round v (128 bits) to its top `prec` bits. Returns the kept bits, left-aligned in 64; *carry says
 * that rounding ran over the top (the result then is 1000...). */
static uint64_t round_bits(const struct fp_env *e, bool sign, fp_u128 v, int prec, bool *inexact,
                           bool *up, bool *carry)
{
    const int drop = 128 - prec;
    const fp_u128 rest = v << prec; /* what falls away, left-aligned */
    const fp_u128 half = (fp_u128)1 << 127;
    uint64_t kept = (uint64_t)(v >> drop);
    bool inc;
    switch (e->rc) {
    case RC_NEAR:
        inc = rest > half || (rest == half && (kept & 1));
        break;
    case RC_DOWN:
        inc = sign && rest;
        break;
    case RC_UP:
        inc = !sign && rest;
        break;
    default:
        inc = false;
        break;
    }
    *inexact = rest != 0;
    *up = inc;
    *carry = false;
    if (inc) {
        kept++;
        if (prec == 64 ? kept == 0 : kept >> prec != 0) {
            *carry = true;
            return 1ull << 63;
        }
    }
    return kept << (64 - prec);
}

static struct rounded overflow(struct fp_env *e, bool sign, const struct fp_format *f)
{
    const bool to_inf = e->rc == RC_NEAR || (e->rc == RC_DOWN && sign) || (e->rc == RC_UP && !sign);
    e->post |= FX_O | FX_P;
    e->up = to_inf;
    if (to_inf)
        return (struct rounded){.sig = 1ull << 63, .exp = f->emax + 1, .inf = true};
    return (struct rounded){.sig = ~0ull << (64 - f->prec), .exp = f->emax};
}

static struct rounded round_wide(struct fp_env *e, const struct fpw *v, const struct fp_format *f)
{
    struct rounded r = {.exp = v->exp};
    bool inexact, up, carry;
    r.sig = round_bits(e, v->sign, v->sig, f->prec, &inexact, &up, &carry);
    r.exp += carry;
    e->up = up;
    if (__builtin_expect(r.exp > f->emax, 0)) {
        if (e->masked & FX_O)
            return overflow(e, v->sign, f);
        e->post |= FX_O | (inexact ? FX_P : 0);
        r.exp -= X87_WRAP;
        return r;
    }
    if (__builtin_expect(v->exp >= f->emin, 1)) {
        e->post |= inexact ? FX_P : 0;
        return r;
    }
    const bool tiny = r.exp < f->emin;
    if (tiny && !(e->masked & FX_U)) {
        e->post |= FX_U | (inexact ? FX_P : 0);
        r.exp += X87_WRAP; /* SSE delivers nothing */
        return r;
    } else if (tiny && e->ftz) {
        e->post |= FX_U | FX_P;
        return (struct rounded){.sig = 0};
    }
    const fp_u128 den = fp_shr_jam(v->sig, (unsigned)(f->emin - v->exp));
    r.sig = round_bits(e, v->sign, den, f->prec, &inexact, &up, &carry);
    r.exp = f->emin;
    e->up = up;
    if (inexact)
        e->post |= tiny ? FX_U | FX_P : FX_P;
    return r;
}

static uint64_t pack(struct fp_env *e, struct fpw v, const struct fp_format *f)
{
    const int mbits = f->prec - 1;
    const int inf_field = 2 * f->emax + 1;
    const uint64_t sign = (uint64_t)v.sign << (mbits + f->bits);
    const uint64_t mask = (1ull << mbits) - 1;
    switch (v.cls) {
    case FC_ZERO:
        return sign;
    case FC_INF:
        return sign | (uint64_t)inf_field << mbits;
    case FC_NUM:
        break;
    default:
        return sign | (uint64_t)inf_field << mbits | ((uint64_t)(v.sig >> (128 - f->prec)) & mask);
    }
    const struct rounded r = round_wide(e, &v, f);
    const uint64_t frac = r.sig >> (64 - f->prec) & mask;
    if (r.inf)
        return sign | (uint64_t)inf_field << mbits;
    if (!(r.sig >> 63))
        return sign | frac; /* zero or denormal */
    return sign | (uint64_t)(r.exp + f->emax) << mbits | frac;
}

uint32_t fp_to_f32(struct fp_env *e, struct fpw v)
{
    static const struct fp_format f32 = {24, -126, 127, 8};
    return (uint32_t)pack(e, v, &f32);
}

uint16_t fp_to_f16(struct fp_env *e, struct fpw v)
{
    static const struct fp_format f16 = {11, -14, 15, 5};
    return (uint16_t)pack(e, v, &f16);
}

uint64_t fp_to_f64(struct fp_env *e, struct fpw v)
{
    static const struct fp_format f64 = {53, -1022, 1023, 11};
    return pack(e, v, &f64);
}

struct f80 fp_to_f80(struct fp_env *e, struct fpw v, unsigned prec)
{
    const struct fp_format f80 = {(int)prec, -16382, 16383, 0};
    const uint16_t sign = (uint16_t)(v.sign << 15);
    switch (v.cls) {
    case FC_ZERO:
        return (struct f80){.sig = 0, .se = sign};
    case FC_INF:
        return (struct f80){.sig = 1ull << 63, .se = sign | 0x7fff};
    case FC_NUM:
        break;
    default:
        return (struct f80){.sig = (uint64_t)(v.sig >> 64), .se = sign | 0x7fff};
    }
    const struct rounded r = round_wide(e, &v, &f80);
    if (!(r.sig >> 63))
        return (struct f80){.sig = r.sig, .se = sign};
    return (struct f80){.sig = r.sig, .se = (uint16_t)(sign | (r.exp + 16383))};
}

/* ---- NaNs ------------------------------------------------------------------------------------ */

struct fpw fp_invalid(struct fp_env *e)
{
    e->pre |= FX_I;
    return (struct fpw){.sig = (fp_u128)F80_QNAN_SIG << 64, .cls = FC_QNAN, .sign = true};
}

static struct fpw quiet(struct fp a)
{
    a.sig |= 1ull << 62;
    a.cls = FC_QNAN;
    return fp_wide(a);
}

struct fpw fp_nan2(struct fp_env *e, struct fp a, struct fp b)
{
    if (a.cls == FC_BAD || b.cls == FC_BAD)
        return fp_invalid(e);
    if (a.cls == FC_SNAN || b.cls == FC_SNAN)
        e->pre |= FX_I;
    if (!fp_is_nan(b))
        return quiet(a);
    if (!fp_is_nan(a))
        return quiet(b);
    if (!e->x87)
        return quiet(a);
    if (a.cls != b.cls) /* the QNaN operand */
        return quiet(a.cls == FC_QNAN ? a : b);
    if (a.sig != b.sig)
        return quiet(a.sig > b.sig ? a : b);
    return quiet(a.sign ? b : a);
}

/* ---- arithmetic ------------------------------------------------------------------------------ */

static inline void raise_den(struct fp_env *e, struct fp a, struct fp b)
{
    if (a.den || b.den)
        e->pre |= FX_D;
}

static struct fpw normalise(fp_u128 sig, int32_t exp, bool sign)
{
    const int n = fp_clz128(sig);
    return (struct fpw){.sig = sig << n, .exp = exp - n, .cls = FC_NUM, .sign = sign};
}

struct fpw fp_add(struct fp_env *e, struct fp a, struct fp b)
{
    if (fp_is_nan(a) || fp_is_nan(b))
        return fp_nan2(e, a, b);
    if (a.cls == FC_INF && b.cls == FC_INF && a.sign != b.sign)
        return fp_invalid(e);
    raise_den(e, a, b);
    if (a.cls == FC_INF)
        return fp_wide(a);
    if (b.cls == FC_INF)
        return fp_wide(b);
    if (a.cls == FC_ZERO && b.cls == FC_ZERO) {
        a.sign = a.sign == b.sign ? a.sign : e->rc == RC_DOWN;
        return fp_wide(a);
    }
    if (a.cls == FC_ZERO)
        return fp_wide(b);
    if (b.cls == FC_ZERO)
        return fp_wide(a);
    if (a.exp < b.exp || (a.exp == b.exp && a.sig < b.sig)) {
        const struct fp t = a;
        a = b;
        b = t;
    }
    const fp_u128 x = (fp_u128)a.sig << 63;
    const fp_u128 y = fp_shr_jam((fp_u128)b.sig << 63, (unsigned)(a.exp - b.exp));
    const fp_u128 sum = a.sign == b.sign ? x + y : x - y;
    if (sum == 0)
        return (struct fpw){.cls = FC_ZERO, .sign = e->rc == RC_DOWN};
    return normalise(sum, a.exp + 1, a.sign);
}

struct fpw fp_sub(struct fp_env *e, struct fp a, struct fp b)
{
    if (!fp_is_nan(b))
        b.sign = !b.sign;
    return fp_add(e, a, b);
}

struct fpw fp_mul(struct fp_env *e, struct fp a, struct fp b)
{
    if (fp_is_nan(a) || fp_is_nan(b))
        return fp_nan2(e, a, b);
    const bool sign = a.sign ^ b.sign;
    if ((a.cls == FC_INF && b.cls == FC_ZERO) || (a.cls == FC_ZERO && b.cls == FC_INF))
        return fp_invalid(e);
    raise_den(e, a, b);
    if (a.cls == FC_INF || b.cls == FC_INF)
        return (struct fpw){.cls = FC_INF, .sign = sign};
    if (a.cls == FC_ZERO || b.cls == FC_ZERO)
        return (struct fpw){.cls = FC_ZERO, .sign = sign};
    return normalise((fp_u128)a.sig * b.sig, a.exp + b.exp + 1, sign);
}

/* p + c, both finite numbers of which the product has at most 107 bits */
static struct fpw add_wide(const struct fp_env *e, struct fpw p, struct fpw c)
{
    if (p.exp < c.exp || (p.exp == c.exp && p.sig < c.sig)) {
        const struct fpw t = p;
        p = c;
        c = t;
    }
    const fp_u128 x = p.sig >> 1, y = fp_shr_jam(c.sig >> 1, (unsigned)(p.exp - c.exp));
    const fp_u128 sum = p.sign == c.sign ? x + y : x - y;
    if (sum == 0)
        return (struct fpw){.cls = FC_ZERO, .sign = e->rc == RC_DOWN};
    return normalise(sum, p.exp + 1, p.sign);
}

/* Rules for NaNs: SDM 1 14.5.1. */
struct fpw fp_fma(struct fp_env *e, struct fp a, struct fp b, struct fp c)
{
    const bool sign = a.sign ^ b.sign;
    const bool no_product = (a.cls == FC_INF && b.cls == FC_ZERO) ||
                            (a.cls == FC_ZERO && b.cls == FC_INF);
    if (fp_is_nan(a) || fp_is_nan(b) || fp_is_nan(c)) {
        if (a.cls == FC_SNAN || b.cls == FC_SNAN || c.cls == FC_SNAN)
            e->pre |= FX_I;
        return quiet(fp_is_nan(a) ? a : fp_is_nan(b) ? b : c);
    }
    const bool inf_product = a.cls == FC_INF || b.cls == FC_INF;
    if (no_product || (inf_product && c.cls == FC_INF && c.sign != sign))
        return fp_invalid(e);
    raise_den(e, a, b);
    raise_den(e, c, c);
    if (inf_product)
        return (struct fpw){.cls = FC_INF, .sign = sign};
    if (c.cls == FC_INF)
        return fp_wide(c);
    if (a.cls == FC_ZERO || b.cls == FC_ZERO) {
        if (c.cls == FC_ZERO && c.sign != sign)
            c.sign = e->rc == RC_DOWN;
        return fp_wide(c);
    }
    const struct fpw p = normalise((fp_u128)a.sig * b.sig, a.exp + b.exp + 1, sign);
    return c.cls == FC_ZERO ? p : add_wide(e, p, fp_wide(c));
}

struct fpw fp_div(struct fp_env *e, struct fp a, struct fp b)
{
    if (fp_is_nan(a) || fp_is_nan(b))
        return fp_nan2(e, a, b);
    const bool sign = a.sign ^ b.sign;
    if (a.cls == b.cls && (a.cls == FC_INF || a.cls == FC_ZERO))
        return fp_invalid(e);
    if (b.cls == FC_ZERO && a.cls != FC_INF) {
        e->pre |= FX_Z;
        return (struct fpw){.cls = FC_INF, .sign = sign};
    }
    raise_den(e, a, b);
    if (a.cls == FC_INF)
        return (struct fpw){.cls = FC_INF, .sign = sign};
    if (b.cls == FC_INF || a.cls == FC_ZERO)
        return (struct fpw){.cls = FC_ZERO, .sign = sign};
    /* 64 quotient bits, then the half bit and a sticky bit from the remainder */
    const bool less = a.sig < b.sig;
    const fp_u128 n = (fp_u128)a.sig << (less ? 64 : 63);
    const uint64_t q = (uint64_t)(n / b.sig);
    const uint64_t rem = (uint64_t)(n - (fp_u128)q * b.sig);
    uint64_t lo = 0;
    if (rem) {
        const bool half = rem >= b.sig - rem;
        lo = (half ? 1ull << 63 : 0) | (half && rem == b.sig - rem ? 0 : 1);
    }
    return (struct fpw){
        .sig = (fp_u128)q << 64 | lo, .exp = a.exp - b.exp - less, .cls = FC_NUM, .sign = sign};
}

uint64_t fp_isqrt(fp_u128 v, fp_u128 *rem)
{
    fp_u128 root = 0, left = v;
    for (fp_u128 bit = (fp_u128)1 << 126; bit; bit >>= 2) {
        if (left >= root + bit) {
            left -= root + bit;
            root = (root >> 1) + bit;
        } else {
            root >>= 1;
        }
    }
    *rem = left;
    return (uint64_t)root;
}

struct fpw fp_sqrt(struct fp_env *e, struct fp a)
{
    if (fp_is_nan(a))
        return fp_nan2(e, a, a);
    if (a.cls == FC_ZERO)
        return fp_wide(a);
    if (a.sign)
        return fp_invalid(e);
    raise_den(e, a, a);
    if (a.cls == FC_INF)
        return fp_wide(a);
    fp_u128 rem;
    /* exponent of the radicand made even: sig in [1,4) */
    const bool odd = a.exp & 1;
    const uint64_t root = fp_isqrt((fp_u128)a.sig << (odd ? 64 : 63), &rem);
    /* a root halfway between two integers is no root of an integer: sticky whenever inexact */
    const uint64_t lo = rem == 0 ? 0 : (rem > root ? 1ull << 63 : 0) | 1;
    return (struct fpw){.sig = (fp_u128)root << 64 | lo, .exp = (a.exp - odd) / 2, .cls = FC_NUM};
}

struct fpw fp_convert(struct fp_env *e, struct fp a)
{
    if (fp_is_nan(a))
        return fp_nan2(e, a, a);
    raise_den(e, a, a);
    return fp_wide(a);
}

/* ---- integers and compares ------------------------------------------------------------------- */

/* |a| < 2^63 rounded to an integer; a is FC_NUM. */
static uint64_t round_to_u64(struct fp a, unsigned rc, bool *inexact, bool *up)
{
    /* integer part in the upper half, fraction in the lower */
    const fp_u128 v = fp_shr_jam((fp_u128)a.sig << 64, (unsigned)(63 - a.exp));
    const uint64_t frac = (uint64_t)v;
    const uint64_t half = 1ull << 63;
    uint64_t n = (uint64_t)(v >> 64);
    bool inc = false;
    if (rc == RC_NEAR)
        inc = frac > half || (frac == half && (n & 1));
    else if (rc == RC_DOWN)
        inc = a.sign && frac;
    else if (rc == RC_UP)
        inc = !a.sign && frac;
    *inexact = frac != 0;
    *up = inc;
    return n + inc;
}

struct fpw fp_round_int(struct fp_env *e, struct fp a, unsigned rc)
{
    if (fp_is_nan(a))
        return fp_nan2(e, a, a);
    if (a.cls != FC_NUM || a.exp >= 63)
        return fp_wide(a);
    bool inexact, up;
    const uint64_t n = round_to_u64(a, rc, &inexact, &up);
    e->up = up;
    if (inexact)
        e->post |= FX_P;
    if (n == 0)
        return (struct fpw){.cls = FC_ZERO, .sign = a.sign};
    return normalise((fp_u128)n << 64, 63, a.sign);
}

int64_t fp_to_int(struct fp_env *e, struct fp a, unsigned rc, unsigned bits)
{
    const int64_t indefinite = (int64_t)(~0ull << (bits - 1));
    if (a.cls == FC_ZERO)
        return 0;
    if (a.cls != FC_NUM || a.exp > 63) {
        e->pre |= FX_I;
        return indefinite;
    }
    bool inexact, up;
    const uint64_t n = round_to_u64(a, rc, &inexact, &up);
    const uint64_t limit = 1ull << (bits - 1);
    if (n > limit || (n == limit && !a.sign)) {
        e->pre |= FX_I;
        return indefinite;
    }
    e->up = up;
    if (inexact)
        e->post |= FX_P;
    return (int64_t)(a.sign ? 0 - n : n);
}

enum fp_rel fp_compare(struct fp_env *e, struct fp a, struct fp b, bool quiet_nan)
{
    if (fp_is_nan(a) || fp_is_nan(b)) {
        if (!quiet_nan || a.cls > FC_QNAN || b.cls > FC_QNAN)
            e->pre |= FX_I;
        return FR_UN;
    }
    raise_den(e, a, b);
    if (a.cls == FC_ZERO && b.cls == FC_ZERO)
        return FR_EQ;
    /* signed magnitude keys */
    if (a.cls == FC_ZERO)
        return b.sign ? FR_GT : FR_LT;
    if (b.cls == FC_ZERO || a.sign != b.sign)
        return a.sign ? FR_LT : FR_GT;
    bool less;
    if (a.cls == FC_INF || b.cls == FC_INF) {
        if (a.cls == b.cls)
            return FR_EQ;
        less = b.cls == FC_INF;
    } else if (a.exp != b.exp) {
        less = a.exp < b.exp;
    } else if (a.sig != b.sig) {
        less = a.sig < b.sig;
    } else {
        return FR_EQ;
    }
    return less != a.sign ? FR_LT : FR_GT;
}
