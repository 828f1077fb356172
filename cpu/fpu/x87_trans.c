/*
 * cpu/fpu/x87_trans.c: transcendental functions of the x87 in fixed-point integers.
 *
 * SDM 1 8.3.7, 8.3.10. 128-bit series around table points, about 100 correct bits, then one
 * rounding: results are correctly rounded in all but about one case in 2^36, and the same on
 * every host. Range reduction of sin, cos, tan is exact, by the 66-bit pi that SDM 1 8.3.8 names
 * and processors use: far from zero their results are those of an angle slightly off.
 */
#include "cpu/fpu/x87.h"

#include "cpu/fpu/trans_tables.h"

#define COUNT(t) ((int)(sizeof(t) / sizeof(t)[0]))
#define TOP128   ((fp_u128)1 << 127)
/* pi/2 = HALF_PI_66 * 2^-65 */
#define HALF_PI_66 ((fp_u128)0x3 << 64 | 0x243f6a8885a308d3)

/* High 128 bits of the product. */
static fp_u128 mulhi(fp_u128 a, fp_u128 b)
{
    const uint64_t a1 = (uint64_t)(a >> 64), a0 = (uint64_t)a;
    const uint64_t b1 = (uint64_t)(b >> 64), b0 = (uint64_t)b;
    const fp_u128 lo = (fp_u128)a0 * b0;
    const fp_u128 m1 = (fp_u128)a1 * b0 + (uint64_t)(lo >> 64);
    const fp_u128 m2 = (fp_u128)a0 * b1 + (uint64_t)m1;
    return (fp_u128)a1 * b1 + (uint64_t)(m1 >> 64) + (uint64_t)(m2 >> 64);
}

static fp_u128 shr(fp_u128 v, int n)
{
    return n >= 128 ? 0 : v >> n;
}

/* sig * 2^(exp - 127) with any leading zeros; a sticky bit says that it is never exact. */
static struct fpw make(fp_u128 sig, int exp, bool sign)
{
    const int n = fp_clz128(sig);
    return (struct fpw){.sig = sig << n | 1, .exp = exp - n, .cls = FC_NUM, .sign = sign};
}

/* n/d of normalised 128-bit significands: quotient in [1/2, 2) as sig with exponent 0 or -1. */
static fp_u128 div_sig(fp_u128 n, fp_u128 d, int *exp)
{
    /* restoring division, one bit a step: 128 steps on two words */
    fp_u128 q = 0;
    *exp = 0;
    bool carry = false;
    if (n < d) {
        *exp = -1;
        carry = n >> 127;
        n <<= 1;
    }
    for (int k = 0; k < 128; k++) {
        q <<= 1;
        if (carry || n >= d) {
            n -= d;
            q |= 1;
        }
        carry = n >> 127;
        n <<= 1;
    }
    return q;
}

/* c[0] -+ t c[1] + t^2 c[2] -+ ...; c in Q127, t in Q128 */
static fp_u128 series(const fp_u128 *c, int n, fp_u128 t, bool alternate)
{
    fp_u128 s = c[n - 1];
    for (int k = n - 2; k >= 0; k--)
        s = alternate ? c[k] - mulhi(s, t) : c[k] + mulhi(s, t);
    return s;
}

/* value * series, of a normalised value and a Q127 factor in (1/2, 2) */
static struct fpw scaled(fp_u128 sig, int exp, fp_u128 factor, bool sign)
{
    return make(mulhi(sig, factor), exp + 1, sign);
}

/* ---- sin, cos, tan --------------------------------------------------------------------------- */

struct angle {
    fp_u128 sig; /* normalised; |r| <= pi/4 */
    int exp;
    bool sign;
    unsigned quadrant;
};

static struct angle reduce(struct fp a)
{
    struct angle r = {.sig = (fp_u128)a.sig << 64, .exp = a.exp, .sign = a.sign};
    if (a.exp < -1 || (a.exp == -1 && r.sig <= PI_4))
        return r;
    /* exact remainder of |x| by pi/2, in units of 2^-65: one bit of the exponent a step */
    fp_u128 rem = a.sig;
    unsigned q = 0;
    for (int k = 0; k < a.exp + 2; k++) {
        rem <<= 1;
        q <<= 1;
        if (rem >= HALF_PI_66) {
            rem -= HALF_PI_66;
            q |= 1;
        }
    }
    if (rem << 1 > HALF_PI_66) { /* nearest quadrant: -pi/4 .. pi/4 */
        rem = HALF_PI_66 - rem;
        q++;
        r.sign = !r.sign;
    }
    const int n = fp_clz128(rem);
    r.sig = rem << n;
    r.exp = 127 - n - 65;
    r.quadrant = a.sign ? 0 - q : q;
    return r;
}

static fp_u128 square_q128(const struct angle *r)
{
    /* sig^2 * 2^(2 exp - 254) in Q128 */
    return shr(mulhi(r->sig, r->sig), -2 * r->exp - 2);
}

static struct fpw sin_kernel(const struct angle *r, bool sign)
{
    fp_u128 f = series(sin_coef, COUNT(sin_coef), square_q128(r), true);
    if (f == TOP128) /* r^2/6 vanished: keep the result below r */
        f--;
    return scaled(r->sig, r->exp, f, sign);
}

static struct fpw cos_kernel(const struct angle *r, bool sign)
{
    fp_u128 f = series(cos_coef, COUNT(cos_coef), square_q128(r), true);
    if (f == TOP128)
        f--;
    return make(f, 0, sign);
}

static struct fpw sin_quadrant(const struct angle *r, unsigned q, bool negate_odd_symmetry)
{
    const bool neg = q >> 1 & 1;
    if (q & 1)
        return cos_kernel(r, neg);
    return sin_kernel(r, neg ^ negate_odd_symmetry);
}

struct fpw trans_sin(struct fp a)
{
    const struct angle r = reduce(a);
    return sin_quadrant(&r, r.quadrant, r.sign);
}

struct fpw trans_cos(struct fp a)
{
    const struct angle r = reduce(a);
    return sin_quadrant(&r, r.quadrant + 1, r.sign);
}

struct fpw trans_tan(struct fp a)
{
    const struct angle r = reduce(a);
    const struct fpw s = sin_quadrant(&r, r.quadrant, r.sign);
    const struct fpw k = sin_quadrant(&r, r.quadrant + 1, r.sign);
    int e;
    const fp_u128 q = div_sig(s.sig, k.sig, &e);
    /* tan r > r: make() sets the sticky bit, the kernels' r^2 = 0 case gives at least r */
    if (!(r.quadrant & 1) && r.exp < -62)
        return make(r.sig, r.exp, r.sign);
    return make(q, s.exp - k.exp + e, s.sign ^ k.sign);
}

/* ---- atan ------------------------------------------------------------------------------------ */

/* atan(z) of z = sig * 2^(exp - 127), |z| <= 1/31 */
static struct fpw atan_small(fp_u128 sig, int exp, bool sign)
{
    const fp_u128 sq = shr(mulhi(sig, sig), -2 * exp - 2);
    fp_u128 f = series(odd_coef, COUNT(odd_coef), sq, true);
    if (f == TOP128)
        f--;
    return scaled(sig, exp, f, sign);
}

/* fixed point Q124 of a value below 4 in magnitude */
static __int128 to_q124(struct fpw v)
{
    const fp_u128 m = shr(v.sig, 3 - v.exp);
    return v.sign ? -(__int128)m : (__int128)m;
}

static struct fpw from_q124(__int128 v, bool sign)
{
    return make((fp_u128)v, 3, sign);
}

/* atan(n/d) for positive n <= d, both FC_NUM */
static struct fpw atan_quotient(struct fp n, struct fp d)
{
    const int shift = d.exp - n.exp;
    /* z in sixteenths, rounded: from the top bits */
    const fp_u128 ratio = shift > 8 ? 0 : ((fp_u128)n.sig << 6 >> shift) / d.sig;
    const unsigned j = (unsigned)((ratio + 2) >> 2);
    int e;
    if (j == 0) {
        const fp_u128 q = div_sig((fp_u128)n.sig << 64, (fp_u128)d.sig << 64, &e);
        return atan_small(q, e - shift, false);
    }
    /* t = (16 n - j d) / (16 d + j n), scaled by 2^8 so that n's shift loses nothing */
    const __int128 a = (__int128)((fp_u128)n.sig << 12 >> shift);
    const __int128 num = a * 16 - (__int128)d.sig * j * 4096;
    const fp_u128 den = (fp_u128)d.sig * 4096 * 16 + (fp_u128)a * j;
    const __int128 base = (__int128)(atan_tab[j] >> 4);
    if (num == 0)
        return from_q124(base, false);
    const fp_u128 mag = num < 0 ? (fp_u128)-num : (fp_u128)num;
    const int kn = fp_clz128(mag), kd = fp_clz128(den);
    const fp_u128 q = div_sig(mag << kn, den << kd, &e);
    return from_q124(base + to_q124(atan_small(q, e + kd - kn, num < 0)), false);
}

struct fpw trans_atan2(struct fp y, struct fp x)
{
    const bool sign = y.sign, left = x.sign;
    y.sign = x.sign = false;
    const bool steep = y.exp > x.exp || (y.exp == x.exp && y.sig > x.sig);
    struct fpw r = steep ? atan_quotient(x, y) : atan_quotient(y, x);
    if (!steep && !left) {
        r.sign = sign;
        return r;
    }
    const __int128 a = to_q124(r);
    const __int128 half_pi = (__int128)(PI_2 >> 3);
    if (steep) /* pi/2 - atan(x/y), mirrored on the left */
        return from_q124(left ? half_pi + a : half_pi - a, sign);
    return from_q124(2 * half_pi - a, sign);
}

/* ---- 2^x - 1 --------------------------------------------------------------------------------- */

struct fpw trans_exp2m1(struct fp a)
{
    const fp_u128 prod = mulhi((fp_u128)a.sig << 64, LN2); /* |x| ln 2 */
    const int n = fp_clz128(prod);
    const fp_u128 sig = prod << n;
    const int exp = a.exp - n; /* LN2 is Q128: sig * 2^(exp - 127) */
    const fp_u128 t = shr(sig, -exp - 1);
    const fp_u128 f = series(exp_coef, COUNT(exp_coef), t, a.sign);
    return scaled(sig, exp, f, a.sign);
}

/* ---- logarithms ------------------------------------------------------------------------------ */

/* y * l, of a 64-bit y and a normalised 128-bit l */
static struct fpw times_y(struct fp y, struct fpw l)
{
    return make(mulhi((fp_u128)y.sig << 64, l.sig), y.exp + l.exp + 1, y.sign ^ l.sign);
}

/* log2(n/d) = 2/ln2 * atanh((n - d)/(n + d)) from the difference and the sum; |s| < 1/40 */
static struct fpw log2_small(fp_u128 diff, int diff_exp, fp_u128 sum, int sum_exp, bool sign)
{
    int e;
    const fp_u128 s = div_sig(diff, sum, &e);
    const int exp = diff_exp - sum_exp + e;
    const fp_u128 sq = shr(mulhi(s, s), -2 * exp - 2);
    const struct fpw at = scaled(s, exp, series(odd_coef, COUNT(odd_coef), sq, false), sign);
    return make(mulhi(at.sig, LOG2E), at.exp + 2, sign); /* LOG2E is Q127; doubled */
}

/* log2 of m * 2^e, m in [1, 2) as Q127 with at least six zero low bits or inexact there */
static struct fpw log2_wide(fp_u128 m, int e)
{
    if (m > W128(0xb504f333f9de6484, 0x597d89b3754abe9f)) { /* sqrt 2: halve m */
        m >>= 1; /* exact: operands have at most 126 significant bits */
        e++;
    }
    /* m in Q127 within [0.707, 1.415]; nearest thirty-second */
    const unsigned j = (unsigned)((m + ((fp_u128)1 << 121)) >> 122);
    const fp_u128 point = (fp_u128)j << 122;
    const bool neg = m < point;
    const fp_u128 diff = neg ? point - m : m - point;
    struct fpw part = {.cls = FC_ZERO};
    if (diff) {
        const int n = fp_clz128(diff);
        /* the sum is below 4: halve both to keep it in 128 bits */
        const fp_u128 sum = (m >> 1) + (point >> 1);
        const int k = fp_clz128(sum);
        part = log2_small(diff << n, -n, sum << k, 1 - k, neg);
    }
    if (e == 0 && j == 32)
        return part;
    /* Q111 sum: 16 bits of exponent */
    const __int128 tab = (__int128)(log_tab[j - LOG_FIRST] >> 16);
    __int128 sum = (__int128)e * ((__int128)1 << 111) + (j < 32 ? -tab : tab);
    if (part.cls == FC_NUM) {
        const __int128 p = (__int128)shr(part.sig, 16 - part.exp);
        sum += part.sign ? -p : p;
    }
    return make((fp_u128)(sum < 0 ? -sum : sum), 16, sum < 0);
}

struct fpw trans_ylog2(struct fp y, struct fp x)
{
    if (x.sig == 1ull << 63) { /* a power of two: exact logarithm */
        struct fp_env e = {0};
        return fp_mul(&e, y, fp_from_int(x.exp));
    }
    return times_y(y, log2_wide((fp_u128)x.sig << 64, x.exp));
}

struct fpw trans_ylog2p1(struct fp y, struct fp x)
{
    const fp_u128 xs = (fp_u128)x.sig << 64;
    if (x.exp < -6) {                            /* s = x / (2 + x) */
        const fp_u128 tiny = shr(xs, 1 - x.exp); /* x in Q126 */
        const fp_u128 two = TOP128;              /* 2 in Q126 */
        const fp_u128 sum = x.sign ? two - tiny : two + tiny;
        const int k = fp_clz128(sum);
        return times_y(y, log2_small(xs, x.exp, sum << k, 1 - k, x.sign));
    }
    struct fp_env e = {0};
    const struct fp one = fp_from_int(1);
    const struct fpw m = fp_add(&e, one, x); /* exact enough: 1 + x fits 127 bits */
    if ((uint64_t)m.sig == 0 && (uint64_t)(m.sig >> 64) == 1ull << 63)
        return trans_ylog2(y, (struct fp){.sig = 1ull << 63, .exp = m.exp, .cls = FC_NUM});
    return times_y(y, log2_wide(m.sig, m.exp));
}
