/* Softfloat against the host's IEEE arithmetic, the fast path against the soft one, and corners. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "cpu/cpu.h"
#include "cpu/fpu/f80.h"
#include "cpu/fpu/fpu.h"
#include "cpu/fpu/softfloat.h"
#include "cpu/sys/sys.h"

static uint64_t rng_state;

static uint64_t rnd(void)
{
    uint64_t z = rng_state += 0x9e3779b97f4a7c15ull;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

/* A double with corners: zeros, denormals, limits, few fraction bits, close exponents. */
static uint64_t random_f64(void)
{
    uint64_t v = rnd();
    const uint64_t sign = v & 1ull << 63, frac = v & 0xfffffffffffffull;
    switch (rnd() % 8) {
    case 0:
        return sign;
    case 1:
        return sign | frac;
    case 2:
        return sign | (1 + rnd() % 3) << 52 | frac;
    case 3:
        return sign | (2044 + rnd() % 3) << 52 | frac;
    case 4:
        return sign | (1000 + rnd() % 50) << 52 | (frac & ~0ull << 40);
    case 5:
        return sign | (400 + rnd() % 1200) << 52 | frac;
    default:
        return sign | (1020 + rnd() % 8) << 52 | frac;
    }
}

static uint32_t random_f32(void)
{
    const uint32_t v = (uint32_t)rnd(), sign = v & 1u << 31, frac = v & 0x7fffff;
    switch (rnd() % 8) {
    case 0:
        return sign;
    case 1:
        return sign | frac;
    case 2:
        return sign | (uint32_t)(1 + rnd() % 3) << 23 | frac;
    case 3:
        return sign | (uint32_t)(252 + rnd() % 3) << 23 | frac;
    case 4:
        return sign | (uint32_t)(110 + rnd() % 40) << 23 | (frac & 0x7f0000);
    default:
        return sign | (uint32_t)(60 + rnd() % 130) << 23 | frac;
    }
}

static struct fp_env env(unsigned rc)
{
    return (struct fp_env){.rc = (uint8_t)rc, .masked = FX_ALL};
}

START_TEST(results_to_nearest_are_those_of_the_host)
{
    rng_state = 1;
    for (unsigned n = 0; n < 200000; n++) {
        const uint64_t a = random_f64(), b = random_f64();
        double x, y;
        memcpy(&x, &a, 8);
        memcpy(&y, &b, 8);
        struct fp_env e = env(RC_NEAR);
        const struct fp fa = fp_from_f64(&e, a), fb = fp_from_f64(&e, b);
        const volatile double want[4] = {x + y, x - y, x * y, x / y};
        const struct fpw got[4] = {fp_add(&e, fa, fb), fp_sub(&e, fa, fb), fp_mul(&e, fa, fb),
                                   fp_div(&e, fa, fb)};
        for (unsigned k = 0; k < 4; k++) {
            const double w = want[k];
            uint64_t bits;
            memcpy(&bits, &w, 8);
            if (isnan(w))
                ck_assert_int_eq(got[k].cls, FC_QNAN);
            else
                ck_assert_uint_eq(fp_to_f64(&e, got[k]), bits);
        }
        const float f = (float)x;
        uint32_t bits32;
        memcpy(&bits32, &f, 4);
        ck_assert_uint_eq(fp_to_f32(&e, fp_convert(&e, fa)), bits32);
    }
}
END_TEST

START_TEST(square_roots_are_those_of_the_host)
{
    rng_state = 2;
    for (unsigned n = 0; n < 20000; n++) {
        const uint64_t a = random_f64() & ~(1ull << 63);
        double x;
        memcpy(&x, &a, 8);
        const double want = sqrt(x);
        uint64_t bits;
        memcpy(&bits, &want, 8);
        struct fp_env e = env(RC_NEAR);
        ck_assert_uint_eq(fp_to_f64(&e, fp_sqrt(&e, fp_from_f64(&e, a))), bits);
    }
}
END_TEST

START_TEST(directed_results_bracket_the_nearest_one)
{
    rng_state = 3;
    for (unsigned n = 0; n < 50000; n++) {
        const uint64_t a = random_f64() & ~(1ull << 63), b = random_f64() & ~(1ull << 63);
        uint64_t r[4];
        uint8_t flags[4];
        for (unsigned rc = 0; rc < 4; rc++) {
            struct fp_env e = env(rc);
            r[rc] = fp_to_f64(&e, fp_mul(&e, fp_from_f64(&e, a), fp_from_f64(&e, b)));
            flags[rc] = e.post;
        }
        ck_assert_uint_eq(r[RC_DOWN], r[RC_ZERO]);
        ck_assert(r[RC_NEAR] == r[RC_DOWN] || r[RC_NEAR] == r[RC_UP]);
        ck_assert_uint_eq(r[RC_UP] - r[RC_DOWN], flags[RC_NEAR] & FX_P ? 1 : 0);
    }
}
END_TEST

struct corner {
    uint32_t a, b, want;
    char op;
    uint8_t rc, flags;
};

START_TEST(single_precision_corners_raise_their_exceptions)
{
    static const struct corner t[] = {
        {0x00800000, 0x3f000000, 0x00400000, '*', RC_NEAR, 0},           /* exact and tiny */
        {0x00800001, 0x3f000000, 0x00400000, '*', RC_NEAR, FX_U | FX_P}, /* inexact and tiny */
        {0x00ffffff, 0x3f000000, 0x00800000, '*', RC_NEAR, FX_U | FX_P}, /* rounds up to normal */
        {0x7f7fffff, 0x40000000, 0x7f800000, '*', RC_NEAR, FX_O | FX_P},
        {0x7f7fffff, 0x40000000, 0x7f7fffff, '*', RC_DOWN, FX_O | FX_P},
        {0xff7fffff, 0x40000000, 0xff800000, '*', RC_DOWN, FX_O | FX_P},
        {0x7f800000, 0xff800000, 0xffc00000, '+', RC_NEAR, FX_I},
        {0x3f800000, 0x00000000, 0x7f800000, '/', RC_NEAR, FX_Z},
        {0x00000000, 0x80000000, 0xffc00000, '/', RC_NEAR, FX_I},
        {0x7f800000, 0x00000000, 0xffc00000, '*', RC_NEAR, FX_I},
        {0x7fa00000, 0x3f800000, 0x7fe00000, '+', RC_NEAR, FX_I},
        {0x3f800000, 0xff812345, 0xffc12345, '+', RC_NEAR, FX_I},
        {0x7fc00001, 0x7fa00002, 0x7fc00001, '+', RC_NEAR, FX_I}, /* the first of two NaNs */
        {0x00000001, 0x3f800000, 0x3f800000, '+', RC_NEAR, FX_D | FX_P},
        {0x3f800000, 0xbf800000, 0x80000000, '+', RC_DOWN, 0},
        {0x3f800000, 0xbf800000, 0x00000000, '+', RC_NEAR, 0},
    };
    for (unsigned n = 0; n < sizeof t / sizeof t[0]; n++) {
        struct fp_env e = env(t[n].rc);
        const struct fp a = fp_from_f32(&e, t[n].a), b = fp_from_f32(&e, t[n].b);
        const struct fpw w = t[n].op == '+'   ? fp_add(&e, a, b)
                             : t[n].op == '*' ? fp_mul(&e, a, b)
                                              : fp_div(&e, a, b);
        const uint32_t r = fp_to_f32(&e, w);
        ck_assert_msg(r == t[n].want && fp_raised(&e) == t[n].flags, "row %u: %08x flags %x", n, r,
                      fp_raised(&e));
    }
}
END_TEST

START_TEST(integers_convert_with_the_indefinite_beyond_their_range)
{
    struct fp_env e = env(RC_NEAR);
    ck_assert_int_eq(fp_to_int(&e, fp_from_f64(&e, 0x41dfffffffc00000), RC_NEAR, 32), 0x7fffffff);
    ck_assert_uint_eq(fp_raised(&e), 0);
    ck_assert_int_eq(fp_to_int(&e, fp_from_f64(&e, 0x41e0000000000000), RC_NEAR, 32), INT32_MIN);
    ck_assert_uint_eq(fp_raised(&e), FX_I);
    e = env(RC_NEAR);
    ck_assert_int_eq(fp_to_int(&e, fp_from_int(INT64_MIN), RC_NEAR, 64), INT64_MIN);
    ck_assert_uint_eq(fp_raised(&e), 0);
    ck_assert_int_eq(fp_to_int(&e, fp_from_f64(&e, 0x4004000000000000), RC_NEAR, 32), 2); /* 2.5 */
    ck_assert_int_eq(fp_to_int(&e, fp_from_f64(&e, 0x400c000000000000), RC_NEAR, 32), 4); /* 3.5 */
    ck_assert_uint_eq(fp_raised(&e), FX_P);
}
END_TEST

/* ---- fast path ------------------------------------------------------------------------------- */

op_fn op_addps, op_subps, op_mulps, op_divps, op_sqrtps, op_addpd, op_subpd, op_mulpd, op_divpd,
    op_sqrtpd;

static bool run_op(struct cpu *c, op_fn *op, const union vreg *a, const union vreg *b,
                   uint32_t mxcsr, bool fast)
{
    static const struct insn i = {.d = 0, .s = 1};
    fpu_use_host = fast;
    c->xmm[0] = *a;
    c->xmm[1] = *b;
    c->fpu.mxcsr = mxcsr;
    if (setjmp(c->leave))
        return false;
    op(c, &i);
    return true;
}

START_TEST(host_arithmetic_on_and_off_give_the_same_bits_and_flags)
{
    static op_fn *const ops[] = {op_addps, op_subps, op_mulps, op_divps, op_sqrtps,
                                 op_addpd, op_subpd, op_mulpd, op_divpd, op_sqrtpd};
    static const uint32_t modes[] = {0x1f80, 0x1fa0, 0x1f80 | 0x8040, 0x0fa0, 0x3f80, 0x7fa0};
    struct cpu *c = cpu_new(0, cpu_model_find("v2"));
    c->cr4 = CR4_OSFXSR | CR4_OSXMMEXCPT;
    rng_state = 4;
    for (unsigned n = 0; n < 300000; n++) {
        union vreg a = {.q = {0}}, b = a;
        op_fn *const op = ops[n % 10];
        for (unsigned k = 0; k < 4; k++) {
            if (n % 10 < 5) {
                a.d[k] = random_f32();
                b.d[k] = random_f32();
            } else if (k < 2) {
                a.q[k] = random_f64();
                b.q[k] = random_f64();
            }
        }
        const uint32_t mxcsr = modes[n / 10 % 6];
        const bool soft_ok = run_op(c, op, &a, &b, mxcsr, false);
        const union vreg soft = c->xmm[0];
        const uint32_t soft_mxcsr = c->fpu.mxcsr;
        const bool fast_ok = run_op(c, op, &a, &b, mxcsr, true);
        ck_assert_msg(
            soft_ok == fast_ok && soft_mxcsr == c->fpu.mxcsr && !memcmp(soft.b, c->xmm[0].b, 16),
            "case %u mxcsr %x: soft %x %016llx fast %x %016llx", n, mxcsr, soft_mxcsr,
            (unsigned long long)soft.q[0], c->fpu.mxcsr, (unsigned long long)c->xmm[0].q[0]);
    }
    cpu_free(c);
}
END_TEST

/* Exponents close together or at the ends, significands full of ones, zeros or noise. */
static struct f80 random_f80(void)
{
    const uint64_t noise = rnd(), top = 1ull << 63;
    const unsigned cut = (unsigned)(rnd() % 64);
    const uint64_t sig[4] = {noise | top, top | noise >> cut, top | noise << cut, ~(noise >> cut)};
    static const uint16_t from[4] = {1, 0x7ffe - 70, 0x3fff - 35, 0x3fff - 8000};
    static const uint16_t range[4] = {70, 70, 70, 16000};
    const unsigned n = (unsigned)(rnd() % 4);
    const unsigned exp = from[n] + (unsigned)(rnd() % range[n]);
    return (struct f80){.sig = sig[rnd() % 4] | top, .se = (uint16_t)(exp | (noise & 0x8000))};
}

START_TEST(short_80_bit_arithmetic_agrees_with_the_full_one)
{
    static bool (*const brief[4])(struct f80_result *, struct f80, struct f80) = {f80_add, f80_sub,
                                                                                  f80_mul, f80_div};
    static struct fpw (*const full[4])(struct fp_env *, struct fp, struct fp) = {fp_add, fp_sub,
                                                                                 fp_mul, fp_div};
    unsigned decided = 0;
    for (unsigned n = 0; n < 160000; n++) {
        const struct f80 a = random_f80(), b = random_f80();
        struct fp_env e = {.prec = 64, .masked = FX_ALL, .x87 = true};
        struct f80_result r;
        ck_assert(f80_normal(a) && f80_normal(b));
        const struct f80 v = fp_to_f80(&e, full[n % 4](&e, fp_from_f80(a), fp_from_f80(b)), 64);
        const unsigned flags = fp_raised(&e);
        if (!brief[n % 4](&r, a, b))
            continue;
        decided++;
        ck_assert_msg(r.v.sig == v.sig && r.v.se == v.se && flags == (r.inexact ? FX_P : 0u) &&
                          r.up == (e.up && r.inexact),
                      "case %u: %04x:%016llx, %04x:%016llx", n, a.se, (unsigned long long)a.sig,
                      b.se, (unsigned long long)b.sig);
    }
    ck_assert_uint_gt(decided, 80000);
}
END_TEST

START_TEST(narrowing_80_bits_agrees_with_the_full_conversion)
{
    for (unsigned n = 0; n < 200000; n++) {
        struct f80 a = random_f80();
        struct fp_env e = {.prec = 64, .masked = FX_ALL, .x87 = true};
        const bool wide = n % 2;
        if (n % 8 < 6) /* within reach of the format */
            a.se = (uint16_t)((a.se & 0x8000) |
                              (0x3fff - (wide ? 1030 : 133) + (int)(rnd() % (wide ? 2060 : 266))));
        const struct fpw w = fp_wide(fp_from_f80(a));
        const uint64_t v = wide ? fp_to_f64(&e, w) : fp_to_f32(&e, w);
        uint64_t to;
        bool inexact, up;
        if (!f80_narrow(a, wide ? 52 : 23, wide ? 1023 : 127, &to, &inexact, &up)) {
            ck_assert(n % 8 >= 6 || (a.se & 0x7fff) < 0x3fff - 100 ||
                      (a.se & 0x7fff) > 0x3fff + 100);
            continue;
        }
        ck_assert_uint_eq(v, to | (uint64_t)(a.se >> 15) << (wide ? 63 : 31));
        ck_assert_uint_eq(fp_raised(&e), inexact ? FX_P : 0u);
        ck_assert_int_eq(up, e.up && inexact);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fpu_soft");
    TCase *tc = tcase_create("fpu_soft");
    tcase_add_test(tc, results_to_nearest_are_those_of_the_host);
    tcase_add_test(tc, square_roots_are_those_of_the_host);
    tcase_add_test(tc, directed_results_bracket_the_nearest_one);
    tcase_add_test(tc, single_precision_corners_raise_their_exceptions);
    tcase_add_test(tc, integers_convert_with_the_indefinite_beyond_their_range);
    tcase_add_test(tc, host_arithmetic_on_and_off_give_the_same_bits_and_flags);
    tcase_add_test(tc, short_80_bit_arithmetic_agrees_with_the_full_one);
    tcase_add_test(tc, narrowing_80_bits_agrees_with_the_full_conversion);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
