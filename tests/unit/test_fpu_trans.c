/* Transcendental functions of the x87: reference values, MPFR when its library is there. */
#include <check.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "cpu/fpu/x87.h"

#if __has_include(<mpfr.h>) && __has_include(<gmp.h>)
#include <mpfr.h>
#define HAVE_MPFR 1
#else
#define HAVE_MPFR 0
#endif

#define TRANS_HASH 0xdfd04c537d06dc8full /* of 70,000 results: any host, any compiler */

enum fn { FN_sin, FN_cos, FN_tan, FN_exp2m1, FN_ylog2, FN_ylog2p1, FN_atan2, FN_COUNT };
static const char *const fn_name[] = {"sin", "cos", "tan", "exp2m1", "ylog2", "ylog2p1", "atan2"};

static struct fpw call(enum fn fn, struct fp y, struct fp x)
{
    switch (fn) {
    case FN_sin:
        return trans_sin(x);
    case FN_cos:
        return trans_cos(x);
    case FN_tan:
        return trans_tan(x);
    case FN_exp2m1:
        return trans_exp2m1(x);
    case FN_ylog2:
        return trans_ylog2(y, x);
    case FN_ylog2p1:
        return trans_ylog2p1(y, x);
    default:
        return trans_atan2(y, x);
    }
}

static struct f80 value(enum fn fn, struct f80 y, struct f80 x)
{
    struct fp_env e = {.masked = FX_ALL, .x87 = true, .prec = 64};
    return fp_to_f80(&e, call(fn, fp_from_f80(y), fp_from_f80(x)), 64);
}

START_TEST(results_are_the_reference_values_rounded_to_nearest)
{
    static const struct {
        enum fn fn;
        struct f80 y, x, r;
    } refs[] = {
#define TRANS(f, ye, ys, xe, xs, re, rs) {FN_##f, {ys, ye}, {xs, xe}, {rs, re}},
#include "tests/unit/fpu_trans.def"
#undef TRANS
    };
    for (unsigned n = 0; n < sizeof refs / sizeof refs[0]; n++) {
        const struct f80 r = value(refs[n].fn, refs[n].y, refs[n].x);
        ck_assert_msg(r.se == refs[n].r.se && r.sig == refs[n].r.sig,
                      "%s row %u: %04x %016llx, want %04x %016llx", fn_name[refs[n].fn], n, r.se,
                      (unsigned long long)r.sig, refs[n].r.se, (unsigned long long)refs[n].r.sig);
    }
}
END_TEST

static uint64_t rng_state;

static uint64_t rnd(void)
{
    uint64_t z = rng_state += 0x9e3779b97f4a7c15ull;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

static struct f80 random_f80(int lo, int hi, bool sign)
{
    uint64_t sig = rnd() | 1ull << 63;
    if (rnd() % 4 == 0)
        sig = (sig >> 63 << 63) | sig << (rnd() % 60) >> 1;
    const int exp = lo + (int)(rnd() % (unsigned)(hi - lo + 1));
    return (struct f80){.sig = sig | 1ull << 63,
                        .se = (uint16_t)((exp + 16383) | (sign && (rnd() & 1) ? 0x8000 : 0))};
}

/* Operands of a function over its range. */
static void operands(enum fn fn, struct f80 *y, struct f80 *x)
{
    *y = random_f80(-40, 40, true);
    switch (fn) {
    case FN_exp2m1:
        *x = random_f80(-70, -1, true);
        break;
    case FN_ylog2:
        *x = rnd() & 1 ? random_f80(-1, 0, false) : random_f80(-3000, 3000, false);
        break;
    case FN_ylog2p1:
        *x = random_f80(-70, -3, true);
        break;
    case FN_atan2:
        *x = rnd() & 1 ? random_f80(-45, 45, true) : random_f80(-2, 2, true);
        break;
    default:
        *x = rnd() & 1 ? random_f80(-40, 62, true) : random_f80(-3, 8, true);
        break;
    }
}

START_TEST(the_same_bits_on_every_host)
{
    uint64_t h = 0xcbf29ce484222325ull;
    rng_state = 1;
    for (unsigned n = 0; n < 70000; n++) {
        struct f80 y, x;
        operands((enum fn)(n % FN_COUNT), &y, &x);
        if (x.sig == 1ull << 63 && n % FN_COUNT == FN_ylog2)
            continue;
        const struct f80 r = value((enum fn)(n % FN_COUNT), y, x);
        h = (h ^ r.sig) * 0x100000001b3ull;
        h = (h ^ r.se) * 0x100000001b3ull;
    }
    ck_assert_msg(h == TRANS_HASH, "hash %llx", (unsigned long long)h);
}
END_TEST

#if HAVE_MPFR

#undef mpfr_set_ui_2exp
static struct {
    void (*init2)(mpfr_ptr, mpfr_prec_t);
    void (*clear)(mpfr_ptr);
    void (*free_cache)(void);
    int (*set_ui_2exp)(mpfr_ptr, unsigned long, mpfr_exp_t, mpfr_rnd_t);
    int (*neg)(mpfr_ptr, mpfr_srcptr, mpfr_rnd_t);
    int (*one[4])(mpfr_ptr, mpfr_srcptr, mpfr_rnd_t); /* sin cos tan expm1 */
    int (*log2)(mpfr_ptr, mpfr_srcptr, mpfr_rnd_t);
    int (*log1p)(mpfr_ptr, mpfr_srcptr, mpfr_rnd_t);
    int (*const_log2)(mpfr_ptr, mpfr_rnd_t);
    int (*const_pi)(mpfr_ptr, mpfr_rnd_t);
    int (*atan2)(mpfr_ptr, mpfr_srcptr, mpfr_srcptr, mpfr_rnd_t);
    int (*mul)(mpfr_ptr, mpfr_srcptr, mpfr_srcptr, mpfr_rnd_t);
    int (*div)(mpfr_ptr, mpfr_srcptr, mpfr_srcptr, mpfr_rnd_t);
    int (*sub)(mpfr_ptr, mpfr_srcptr, mpfr_srcptr, mpfr_rnd_t);
    int (*add)(mpfr_ptr, mpfr_srcptr, mpfr_srcptr, mpfr_rnd_t);
    int (*rint)(mpfr_ptr, mpfr_srcptr, mpfr_rnd_t);
    double (*get_d)(mpfr_srcptr, mpfr_rnd_t);
} m;

static bool load_mpfr(void)
{
    void *so = dlopen("libmpfr.so.6", RTLD_NOW);
    if (!so)
        return false;
#define SYM(field, name) *(void **)&m.field = dlsym(so, "mpfr_" name)
    SYM(init2, "init2");
    SYM(clear, "clear");
    SYM(free_cache, "free_cache");
    SYM(set_ui_2exp, "set_ui_2exp");
    SYM(neg, "neg");
    SYM(one[0], "sin");
    SYM(one[1], "cos");
    SYM(one[2], "tan");
    SYM(one[3], "expm1");
    SYM(log2, "log2");
    SYM(log1p, "log1p");
    SYM(const_log2, "const_log2");
    SYM(const_pi, "const_pi");
    SYM(atan2, "atan2");
    SYM(mul, "mul");
    SYM(div, "div");
    SYM(sub, "sub");
    SYM(add, "add");
    SYM(rint, "rint");
    SYM(get_d, "get_d");
#undef SYM
    return m.init2 && m.get_d && m.rint;
}

static void to_mpfr(mpfr_ptr to, struct f80 v)
{
    m.set_ui_2exp(to, v.sig, (v.se & 0x7fff) - 16383 - 63, MPFR_RNDN);
    if (v.se >> 15)
        m.neg(to, to, MPFR_RNDN);
}

/* x - k * (66-bit pi)/2 + k * (true pi)/2: the angle whose true functions the x87 gives */
static void shift_angle(mpfr_ptr x, mpfr_ptr t, mpfr_ptr half)
{
    m.set_ui_2exp(half, 0x3243f6a8885a308dull, -61, MPFR_RNDN); /* upper 64 bits */
    m.set_ui_2exp(t, 3, -65, MPFR_RNDN);                        /* and the last hexadecimal digit */
    m.add(half, half, t, MPFR_RNDN);
    m.div(t, x, half, MPFR_RNDN);
    m.rint(t, t, MPFR_RNDN);
    m.mul(half, half, t, MPFR_RNDN);
    m.sub(x, x, half, MPFR_RNDN);
    m.const_pi(half, MPFR_RNDN);
    m.mul(t, t, half, MPFR_RNDN);
    m.set_ui_2exp(half, 1, -1, MPFR_RNDN);
    m.mul(t, t, half, MPFR_RNDN);
    m.add(x, x, t, MPFR_RNDN);
}

static void reference(enum fn fn, mpfr_ptr r, mpfr_ptr y, mpfr_ptr x, mpfr_ptr t, mpfr_ptr u)
{
    switch (fn) {
    case FN_sin:
    case FN_cos:
    case FN_tan:
        shift_angle(x, t, u);
        m.one[fn](r, x, MPFR_RNDN);
        break;
    case FN_exp2m1:
        m.const_log2(t, MPFR_RNDN);
        m.mul(t, t, x, MPFR_RNDN);
        m.one[3](r, t, MPFR_RNDN);
        break;
    case FN_ylog2:
        m.log2(t, x, MPFR_RNDN);
        m.mul(r, t, y, MPFR_RNDN);
        break;
    case FN_ylog2p1:
        m.log1p(t, x, MPFR_RNDN);
        m.const_log2(u, MPFR_RNDN);
        m.div(t, t, u, MPFR_RNDN);
        m.mul(r, t, y, MPFR_RNDN);
        break;
    default:
        m.atan2(r, y, x, MPFR_RNDN);
        break;
    }
}

/* Error of a result in units of its last place. */
static double error_ulp(struct f80 r, mpfr_ptr want, mpfr_ptr t)
{
    to_mpfr(t, r);
    m.sub(t, t, want, MPFR_RNDN);
    mpfr_t unit;
    m.init2(unit, 64);
    m.set_ui_2exp(unit, 1, (r.se & 0x7fff) - 16383 - 63, MPFR_RNDN);
    m.div(t, t, unit, MPFR_RNDN);
    const double d = m.get_d(t, MPFR_RNDN);
    m.clear(unit);
    return d < 0 ? -d : d;
}

START_TEST(results_are_within_half_a_unit_of_mpfr)
{
    if (!load_mpfr()) {
        printf("skip x87 functions against MPFR: libmpfr.so.6 not found\n");
        return;
    }
    mpfr_t v[5];
    for (unsigned n = 0; n < 5; n++)
        m.init2(v[n], 400);
    const mpfr_ptr x = v[0], y = v[1], r = v[2], t = v[3], u = v[4];
    rng_state = 2;
    for (unsigned n = 0; n < 21000; n++) {
        const enum fn fn = (enum fn)(n % FN_COUNT);
        struct f80 fy, fx;
        operands(fn, &fy, &fx);
        to_mpfr(x, fx);
        to_mpfr(y, fy);
        reference(fn, r, y, x, t, u);
        const struct f80 ours = value(fn, fy, fx);
        if (ours.sig == 0)
            continue;
        const double err = error_ulp(ours, r, t);
        ck_assert_msg(err < 0.501, "%s y %04x %016llx x %04x %016llx: off by %g", fn_name[fn],
                      fy.se, (unsigned long long)fy.sig, fx.se, (unsigned long long)fx.sig, err);
    }
    for (unsigned n = 0; n < 5; n++)
        m.clear(v[n]);
    m.free_cache();
}
END_TEST

#endif

int main(void)
{
    Suite *suite = suite_create("fpu_trans");
    TCase *tc = tcase_create("fpu_trans");
    tcase_add_test(tc, results_are_the_reference_values_rounded_to_nearest);
    tcase_add_test(tc, the_same_bits_on_every_host);
#if HAVE_MPFR
    tcase_add_test(tc, results_are_within_half_a_unit_of_mpfr);
#endif
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
