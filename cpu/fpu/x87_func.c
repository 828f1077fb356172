/*
 * cpu/fpu/x87_func.c: FSIN FCOS FSINCOS FPTAN FPATAN F2XM1 FYL2X FYL2XP1: operand classes.
 *
 * SDM 2A/2B result tables per instruction; the functions themselves are in x87_trans.c. Operands
 * outside the range that the manual defines are computed all the same where the function exists.
 */
#include "cpu/fpu/x87.h"

static struct fpw zero(bool sign)
{
    return (struct fpw){.cls = FC_ZERO, .sign = sign};
}

static struct fpw infinity(bool sign)
{
    return (struct fpw){.cls = FC_INF, .sign = sign};
}

/* pi * num / 4, as atan2 gives for zeros and infinities; inexact. */
static struct fpw quarter_pi(unsigned num, bool sign)
{
    /* floor(pi/4 * 2^128) and its multiples, normalised */
    const fp_u128 pi = (fp_u128)0xc90fdaa22168c234 << 64 | 0xc4c6628b80dc1cd1;
    struct fpw r = {.sig = pi | 1, .exp = -1, .cls = FC_NUM, .sign = sign};
    if (num == 3) {
        r.sig = ((pi >> 2) * 3) | 1;
        r.exp = 1;
    } else {
        r.exp = num == 1 ? -1 : num == 2 ? 0 : 1;
    }
    return r;
}

/* ---- one operand ----------------------------------------------------------------------------- */

static void replace(struct cpu *c, const struct insn *i, struct fp_env *e, struct fpw w)
{
    const struct f80 r = fp_to_f80(e, w, 64);
    if (x87_finish(c, i, e))
        x87_set(&c->fpu, 0, r);
}

static bool underflow_top(struct cpu *c, const struct insn *i)
{
    if (!x87_empty(&c->fpu, 0))
        return false;
    if (x87_stack_fault(c, i, false))
        x87_set(&c->fpu, 0, x87_indefinite());
    return true;
}

void op_f2xm1(struct cpu *c, const struct insn *i)
{
    struct fpu *f = x87_begin(c);
    x87_note(c, i);
    if (underflow_top(c, i))
        return;
    struct fp_env e = x87_env(f);
    const struct fp a = fp_from_f80(x87_get(f, 0));
    struct fpw w = fp_wide(a);
    if (fp_is_nan(a)) {
        w = fp_nan2(&e, a, a);
    } else if (a.cls == FC_INF) {
        if (a.sign)
            w = fp_wide(fp_from_int(-1));
    } else if (a.cls == FC_NUM) {
        e.pre |= a.den ? FX_D : 0;
        if (a.exp < 0) {
            w = trans_exp2m1(a);
        } else if (a.exp == 0 && a.sig == 1ull << 63 && a.sign) {
            w = fp_wide(fp_from_int(-1)); /* 2^-1 - 1 */
            w.exp = -1;
        } /* 1 gives 1; beyond +-1 the result is undefined: the operand */
    }
    replace(c, i, &e, w);
}

enum trig { TRIG_SIN, TRIG_COS, TRIG_TAN };

static struct fpw trig_value(enum trig fn, struct fp a)
{
    if (a.cls == FC_ZERO)
        return fn == TRIG_COS ? fp_wide(fp_from_int(1)) : fp_wide(a);
    switch (fn) {
    case TRIG_SIN:
        return trans_sin(a);
    case TRIG_COS:
        return trans_cos(a);
    default:
        return trans_tan(a);
    }
}

/* FSIN, FCOS; with `second`, FPTAN (pushes 1) and FSINCOS (pushes the cosine). */
static void trig(struct cpu *c, const struct insn *i, enum trig fn, bool two)
{
    struct fpu *f = x87_begin(c);
    x87_note(c, i);
    f->sw &= (uint16_t)~SW_C2;
    const bool under = x87_empty(f, 0);
    if (under || (two && !x87_empty(f, 7))) {
        if (x87_stack_fault(c, i, !under)) {
            x87_set(f, 0, x87_indefinite());
            if (two)
                x87_push(f, x87_indefinite());
        }
        return;
    }
    struct fp_env e = x87_env(f);
    const struct fp a = fp_from_f80(x87_get(f, 0));
    struct fpw w, v;
    if (fp_is_nan(a)) {
        w = v = fp_nan2(&e, a, a);
    } else if (a.cls == FC_INF) {
        w = v = fp_invalid(&e);
    } else if (a.cls == FC_NUM && a.exp >= 63) {
        f->sw = (uint16_t)((f->sw & ~SW_C1) | SW_C2); /* out of range: operand unchanged */
        return;
    } else {
        e.pre |= a.den ? FX_D : 0;
        w = trig_value(fn, a);
        v = fn == TRIG_TAN ? fp_wide(fp_from_int(1)) : trig_value(TRIG_COS, a);
    }
    struct f80 second = {0, 0};
    if (two)
        second = fp_to_f80(&e, v, 64);
    const struct f80 first = fp_to_f80(&e, w, 64);
    if (!x87_finish(c, i, &e))
        return;
    x87_set(f, 0, first);
    if (two)
        x87_push(f, second);
}

#define TRIG_OP(name, fn, two)                          \
    void op_##name(struct cpu *c, const struct insn *i) \
    {                                                   \
        trig(c, i, fn, two);                            \
    }
TRIG_OP(fsin, TRIG_SIN, false)
TRIG_OP(fcos, TRIG_COS, false)
TRIG_OP(fsincos, TRIG_SIN, true)
TRIG_OP(fptan, TRIG_TAN, true)

/* ---- two operands, pop ----------------------------------------------------------------------- */

/* y = ST1, x = ST0 */
typedef struct fpw two_fn(struct fp_env *e, struct fp y, struct fp x);

static struct fpw atan_class(struct fp_env *e, struct fp y, struct fp x)
{
    e->pre |= y.den || x.den ? FX_D : 0;
    if (y.cls == FC_INF)
        return quarter_pi(x.cls != FC_INF ? 2 : x.sign ? 3 : 1, y.sign);
    if (x.cls == FC_INF || y.cls == FC_ZERO) {
        if (x.sign)
            return quarter_pi(4, y.sign);
        return zero(y.sign);
    }
    if (x.cls == FC_ZERO)
        return quarter_pi(2, y.sign);
    if (y.exp - x.exp > 200) /* the quotient no longer matters */
        return quarter_pi(2, y.sign);
    if (x.sign && x.exp - y.exp > 200)
        return quarter_pi(4, y.sign);
    return trans_atan2(y, x);
}

/* y * l for l = log2(..) a zero or infinity; l_sign its sign */
static struct fpw times_special(struct fp_env *e, struct fp y, bool l_inf, bool l_sign)
{
    if (l_inf ? y.cls == FC_ZERO : y.cls == FC_INF)
        return fp_invalid(e);
    e->pre |= y.den ? FX_D : 0;
    return l_inf ? infinity(y.sign ^ l_sign) : zero(y.sign ^ l_sign);
}

static struct fpw log_class(struct fp_env *e, struct fp y, struct fp x)
{
    const bool is_one = x.cls == FC_NUM && x.exp == 0 && x.sig == 1ull << 63 && !x.sign;
    if (x.cls != FC_ZERO && x.sign)
        return fp_invalid(e);
    if (x.cls == FC_ZERO) {
        if (y.cls == FC_ZERO)
            return fp_invalid(e);
        if (y.cls == FC_NUM)
            e->pre |= FX_Z;
        return infinity(!y.sign);
    }
    if (x.cls == FC_INF)
        return times_special(e, y, true, false);
    if (is_one)
        return times_special(e, y, false, false);
    e->pre |= y.den || x.den ? FX_D : 0;
    if (y.cls == FC_NUM)
        return trans_ylog2(y, x);
    const bool sign = y.sign ^ (x.exp < 0);
    return y.cls == FC_INF ? infinity(sign) : zero(sign);
}

static struct fpw log1_class(struct fp_env *e, struct fp y, struct fp x)
{
    if (x.cls == FC_ZERO)
        return times_special(e, y, false, x.sign);
    if (x.cls == FC_INF) {
        if (x.sign)
            return fp_invalid(e);
        return times_special(e, y, true, false);
    }
    const bool below = x.sign && x.exp >= 0; /* 1 + x <= 0 */
    if (below && x.exp == 0 && x.sig == 1ull << 63)
        return log_class(e, y, (struct fp){.cls = FC_ZERO});
    if (below)
        return fp_invalid(e);
    e->pre |= y.den || x.den ? FX_D : 0;
    if (y.cls == FC_NUM)
        return trans_ylog2p1(y, x);
    const bool sign = y.sign ^ x.sign;
    return y.cls == FC_INF ? infinity(sign) : zero(sign);
}

static void two_operands(struct cpu *c, const struct insn *i, two_fn *fn)
{
    struct fpu *f = x87_begin(c);
    x87_note(c, i);
    struct f80 r = x87_indefinite();
    if (x87_empty(f, 0) || x87_empty(f, 1)) {
        if (!x87_stack_fault(c, i, false))
            return;
    } else {
        struct fp_env e = x87_env(f);
        const struct fp x = fp_from_f80(x87_get(f, 0)), y = fp_from_f80(x87_get(f, 1));
        const bool nan = fp_is_nan(x) || fp_is_nan(y);
        r = fp_to_f80(&e, nan ? fp_nan2(&e, x, y) : fn(&e, y, x), 64);
        if (!x87_finish(c, i, &e))
            return;
    }
    x87_set(f, 1, r);
    x87_pop(f);
}

#define TWO_OP(name, fn)                                \
    void op_##name(struct cpu *c, const struct insn *i) \
    {                                                   \
        two_operands(c, i, fn);                         \
    }
TWO_OP(fpatan, atan_class)
TWO_OP(fyl2x, log_class)
TWO_OP(fyl2xp1, log1_class)
