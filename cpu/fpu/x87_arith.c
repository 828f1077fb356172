/*
 * cpu/fpu/x87_arith.c: arithmetic, compares and transcendental instructions of the x87.
 *
 * SDM 1 8.3.5-8.3.10, SDM 2 per instruction (result tables for zeros, infinities, NaNs).
 * Precision control acts on add, subtract, multiply, divide and square root only.
 */
#include "cpu/fpu/x87.h"

#include "cpu/flags.h"

/* ---- two-operand arithmetic ------------------------------------------------------------------ */

enum arith { AR_ADD, AR_MUL, AR_SUB, AR_SUBR, AR_DIV, AR_DIVR };

static struct fpw compute(struct fp_env *e, enum arith op, struct fp a, struct fp b)
{
    switch (op) {
    case AR_ADD:
        return fp_add(e, a, b);
    case AR_MUL:
        return fp_mul(e, a, b);
    case AR_SUB:
        return fp_sub(e, a, b);
    case AR_SUBR:
        return fp_sub(e, b, a);
    case AR_DIV:
        return fp_div(e, a, b);
    default:
        return fp_div(e, b, a);
    }
}

/* ST(dst) = ST(dst) op src */
static void arith(struct cpu *c, const struct insn *i, enum arith op, unsigned dst, struct fp src,
                  bool empty, bool pop)
{
    struct fpu *f = &c->fpu;
    x87_note(c, i);
    if (empty || x87_empty(f, dst)) {
        if (!x87_stack_fault(c, i, false))
            return;
        x87_set(f, dst, x87_indefinite());
    } else {
        struct fp_env e = x87_env(f);
        const struct fpw w = compute(&e, op, fp_from_f80(x87_get(f, dst)), src);
        const struct f80 r = fp_to_f80(&e, w, e.prec);
        if (!x87_finish(c, i, &e))
            return;
        x87_set(f, dst, r);
    }
    if (pop)
        x87_pop(f);
}

static const struct fp_env exact_env = {.masked = FX_ALL, .x87 = true, .prec = 64};

static void arith_m32(struct cpu *c, const struct insn *i, enum arith op)
{
    x87_begin(c);
    const uint32_t v = mem_ld32(c, insn_la(c, i, 4, ACC_R));
    arith(c, i, op, 0, fp_from_f32(&exact_env, v), false, false);
}

static void arith_m64(struct cpu *c, const struct insn *i, enum arith op)
{
    x87_begin(c);
    const uint64_t v = mem_ld64(c, insn_la(c, i, 8, ACC_R));
    arith(c, i, op, 0, fp_from_f64(&exact_env, v), false, false);
}

static void arith_i16(struct cpu *c, const struct insn *i, enum arith op)
{
    x87_begin(c);
    const int16_t v = (int16_t)mem_ld16(c, insn_la(c, i, 2, ACC_R));
    arith(c, i, op, 0, fp_from_int(v), false, false);
}

static void arith_i32(struct cpu *c, const struct insn *i, enum arith op)
{
    x87_begin(c);
    const int32_t v = (int32_t)mem_ld32(c, insn_la(c, i, 4, ACC_R));
    arith(c, i, op, 0, fp_from_int(v), false, false);
}

static void arith_reg(struct cpu *c, const struct insn *i, enum arith op, unsigned dst,
                      unsigned src, bool pop)
{
    const struct fpu *f = x87_begin(c);
    arith(c, i, op, dst, fp_from_f80(x87_get(f, src)), x87_empty(f, src), pop);
}

#define ARITH(name, op)                                                               \
    void op_f##name##_m32(struct cpu *c, const struct insn *i)                        \
    {                                                                                 \
        arith_m32(c, i, op);                                                          \
    }                                                                                 \
    void op_f##name##_m64(struct cpu *c, const struct insn *i)                        \
    {                                                                                 \
        arith_m64(c, i, op);                                                          \
    }                                                                                 \
    void op_fi##name##_m16(struct cpu *c, const struct insn *i)                       \
    {                                                                                 \
        arith_i16(c, i, op);                                                          \
    }                                                                                 \
    void op_fi##name##_m32(struct cpu *c, const struct insn *i)                       \
    {                                                                                 \
        arith_i32(c, i, op);                                                          \
    }                                                                                 \
    void op_f##name##_st0(struct cpu *c, const struct insn *i) /* ST0 = ST0 op STi */ \
    {                                                                                 \
        arith_reg(c, i, op, 0, i->s & 7, false);                                      \
    }                                                                                 \
    void op_f##name##_sti(struct cpu *c, const struct insn *i) /* STi = STi op ST0 */ \
    {                                                                                 \
        arith_reg(c, i, op, i->s & 7, 0, false);                                      \
    }                                                                                 \
    void op_f##name##p(struct cpu *c, const struct insn *i)                           \
    {                                                                                 \
        arith_reg(c, i, op, i->s & 7, 0, true);                                       \
    }
ARITH(add, AR_ADD)
ARITH(mul, AR_MUL)
ARITH(sub, AR_SUB)
ARITH(subr, AR_SUBR)
ARITH(div, AR_DIV)
ARITH(divr, AR_DIVR)

/* ---- compares -------------------------------------------------------------------------------- */

static const uint16_t rel_cc[4] = {
    [FR_LT] = SW_C0, [FR_EQ] = SW_C3, [FR_GT] = 0, [FR_UN] = SW_C0 | SW_C2 | SW_C3};

static void set_cc(struct fpu *f, unsigned cc)
{
    f->sw = (uint16_t)((f->sw & ~(SW_C0 | SW_C2 | SW_C3)) | cc);
}

static void compare(struct cpu *c, const struct insn *i, struct fp b, bool empty, bool quiet,
                    unsigned pops)
{
    struct fpu *f = &c->fpu;
    x87_note(c, i);
    unsigned cc = rel_cc[FR_UN];
    bool ok;
    if (empty || x87_empty(f, 0)) {
        ok = x87_stack_fault(c, i, false);
    } else {
        struct fp_env e = x87_env(f);
        cc = rel_cc[fp_compare(&e, fp_from_f80(x87_get(f, 0)), b, quiet)];
        ok = x87_finish(c, i, &e);
    }
    set_cc(f, cc); /* also with an unmasked exception, which only keeps the stack */
    if (!ok)
        return;
    while (pops--)
        x87_pop(f);
}

static void compare_mem(struct cpu *c, const struct insn *i, unsigned kind, unsigned pops)
{
    x87_begin(c);
    static const uint8_t size[4] = {4, 8, 2, 4};
    const uint64_t v = mem_ld(c, insn_la(c, i, size[kind], ACC_R), size[kind]);
    struct fp b;
    if (kind == 0)
        b = fp_from_f32(&exact_env, (uint32_t)v);
    else if (kind == 1)
        b = fp_from_f64(&exact_env, v);
    else
        b = fp_from_int(kind == 2 ? (int16_t)v : (int32_t)v);
    compare(c, i, b, false, false, pops);
}

static void compare_reg(struct cpu *c, const struct insn *i, unsigned n, bool quiet, unsigned pops)
{
    const struct fpu *f = x87_begin(c);
    compare(c, i, fp_from_f80(x87_get(f, n)), x87_empty(f, n), quiet, pops);
}

static void compare_eflags(struct cpu *c, const struct insn *i, bool quiet, bool pop)
{
    struct fpu *f = x87_begin(c);
    const unsigned n = i->s & 7;
    x87_note(c, i);
    static const uint32_t rel_fl[4] = {
        [FR_LT] = FL_CF, [FR_EQ] = FL_ZF, [FR_UN] = FL_CF | FL_PF | FL_ZF};
    uint32_t fl = rel_fl[FR_UN];
    bool ok;
    if (x87_empty(f, 0) || x87_empty(f, n)) {
        ok = x87_stack_fault(c, i, false);
    } else {
        struct fp_env e = x87_env(f);
        fl = rel_fl[fp_compare(&e, fp_from_f80(x87_get(f, 0)), fp_from_f80(x87_get(f, n)), quiet)];
        ok = x87_finish(c, i, &e);
    }
    lf_from_flags(fl, &c->lf_res, &c->lf_aux);
    if (ok && pop)
        x87_pop(f);
}

#define X87_OP(name, call)                              \
    void op_##name(struct cpu *c, const struct insn *i) \
    {                                                   \
        call;                                           \
    }
X87_OP(fcom_m32, compare_mem(c, i, 0, 0))
X87_OP(fcom_m64, compare_mem(c, i, 1, 0))
X87_OP(fcomp_m32, compare_mem(c, i, 0, 1))
X87_OP(fcomp_m64, compare_mem(c, i, 1, 1))
X87_OP(ficom_m16, compare_mem(c, i, 2, 0))
X87_OP(ficom_m32, compare_mem(c, i, 3, 0))
X87_OP(ficomp_m16, compare_mem(c, i, 2, 1))
X87_OP(ficomp_m32, compare_mem(c, i, 3, 1))
X87_OP(fcom_st, compare_reg(c, i, i->s & 7, false, 0))
X87_OP(fcomp_st, compare_reg(c, i, i->s & 7, false, 1))
X87_OP(fcompp, compare_reg(c, i, 1, false, 2))
X87_OP(fucom_st, compare_reg(c, i, i->s & 7, true, 0))
X87_OP(fucomp_st, compare_reg(c, i, i->s & 7, true, 1))
X87_OP(fucompp, compare_reg(c, i, 1, true, 2))
X87_OP(fcomi, compare_eflags(c, i, false, false))
X87_OP(fcomip, compare_eflags(c, i, false, true))
X87_OP(fucomi, compare_eflags(c, i, true, false))
X87_OP(fucomip, compare_eflags(c, i, true, true))

void op_ftst(struct cpu *c, const struct insn *i)
{
    x87_begin(c);
    compare(c, i, (struct fp){.cls = FC_ZERO}, false, false, 0);
}

void op_fxam(struct cpu *c, const struct insn *i)
{
    struct fpu *f = x87_begin(c);
    x87_note(c, i);
    static const uint16_t by_class[] = {
        [FC_ZERO] = SW_C3, [FC_NUM] = SW_C2,  [FC_INF] = SW_C2 | SW_C0,
        [FC_QNAN] = SW_C0, [FC_SNAN] = SW_C0, [FC_BAD] = 0,
    };
    const struct fp a = fp_from_f80(x87_get(f, 0));
    unsigned cc = by_class[a.cls];
    if (a.den)
        cc = SW_C3 | SW_C2;
    if (x87_empty(f, 0))
        cc = SW_C3 | SW_C0;
    f->sw = (uint16_t)((f->sw & ~SW_CC) | cc | (a.sign ? SW_C1 : 0));
}

/* ---- one-operand arithmetic ------------------------------------------------------------------ */

/* Underflow of ST(0): true when the instruction is over. */
static bool top_empty(struct cpu *c, const struct insn *i)
{
    struct fpu *f = &c->fpu;
    if (!x87_empty(f, 0))
        return false;
    if (x87_stack_fault(c, i, false))
        x87_set(f, 0, x87_indefinite());
    return true;
}

static void sign_op(struct cpu *c, const struct insn *i, uint16_t and_mask, uint16_t xor_mask)
{
    struct fpu *f = x87_begin(c);
    x87_note(c, i);
    if (top_empty(c, i))
        return;
    struct f80 v = x87_get(f, 0);
    v.se = (uint16_t)((v.se & and_mask) ^ xor_mask);
    f->sw &= (uint16_t)~SW_C1;
    x87_set(f, 0, v);
}

X87_OP(fchs, sign_op(c, i, 0xffff, 0x8000))
X87_OP(fabs, sign_op(c, i, 0x7fff, 0))

static void deliver(struct cpu *c, const struct insn *i, struct fp_env *e, struct fpw w,
                    unsigned prec)
{
    const struct f80 r = fp_to_f80(e, w, prec);
    if (x87_finish(c, i, e))
        x87_set(&c->fpu, 0, r);
}

void op_fsqrt(struct cpu *c, const struct insn *i)
{
    struct fpu *f = x87_begin(c);
    x87_note(c, i);
    if (top_empty(c, i))
        return;
    struct fp_env e = x87_env(f);
    const struct fpw w = fp_sqrt(&e, fp_from_f80(x87_get(f, 0)));
    deliver(c, i, &e, w, e.prec);
}

void op_frndint(struct cpu *c, const struct insn *i)
{
    struct fpu *f = x87_begin(c);
    x87_note(c, i);
    if (top_empty(c, i))
        return;
    struct fp_env e = x87_env(f);
    const struct fp a = fp_from_f80(x87_get(f, 0));
    if (a.den)
        e.pre |= FX_D;
    const struct fpw w = fp_round_int(&e, a, e.rc);
    const bool up = e.up; /* packing an integer is exact and would clear it */
    const struct f80 r = fp_to_f80(&e, w, 64);
    e.up = up;
    if (x87_finish(c, i, &e))
        x87_set(f, 0, r);
}

/* ---- scale, extract, remainder --------------------------------------------------------------- */

static struct fpw scale(struct fp_env *e, struct fp a, struct fp b)
{
    if (fp_is_nan(a) || fp_is_nan(b))
        return fp_nan2(e, a, b);
    if (b.cls == FC_INF) {
        if (b.sign ? a.cls == FC_INF : a.cls == FC_ZERO)
            return fp_invalid(e);
        e->pre |= a.den ? FX_D : 0;
        return (struct fpw){.cls = b.sign ? FC_ZERO : FC_INF, .sign = a.sign};
    }
    if (a.den || b.den)
        e->pre |= FX_D;
    struct fpw w = fp_wide(a);
    if (a.cls != FC_NUM || b.cls == FC_ZERO || b.exp < 0)
        return w;
    const int32_t n = b.exp > 16 ? 0x20000 : (int32_t)(b.sig >> (63 - b.exp));
    w.exp += b.sign ? -n : n;
    return w;
}

void op_fscale(struct cpu *c, const struct insn *i)
{
    struct fpu *f = x87_begin(c);
    x87_note(c, i);
    if (x87_empty(f, 0) || x87_empty(f, 1)) {
        if (x87_stack_fault(c, i, false))
            x87_set(f, 0, x87_indefinite());
        return;
    }
    struct fp_env e = x87_env(f);
    const struct fp by = fp_from_f80(x87_get(f, 1));
    struct fpw w = scale(&e, fp_from_f80(x87_get(f, 0)), by);
    /* by zero: a tiny number stays as it is, without underflow (Intel's processors do so) */
    if (by.cls == FC_ZERO && w.cls == FC_NUM && w.exp < -16382) {
        x87_finish(c, i, &e);
        return;
    }
    /* massive overflow or underflow: beyond the wrapped exponent (SDM 1 8.5.4, 8.5.5) */
    if (w.cls == FC_NUM && w.exp > 16383 + 24576 && !(e.masked & FX_O)) {
        w.cls = FC_INF;
        e.post |= FX_O | FX_P;
        e.up = true;
    } else if (w.cls == FC_NUM && w.exp < -16382 - 24576 && !(e.masked & FX_U)) {
        w.cls = FC_ZERO;
        e.post |= FX_U | FX_P;
    }
    deliver(c, i, &e, w, 64);
}

void op_fxtract(struct cpu *c, const struct insn *i)
{
    struct fpu *f = x87_begin(c);
    x87_note(c, i);
    const bool under = x87_empty(f, 0);
    if (under || !x87_empty(f, 7)) {
        if (x87_stack_fault(c, i, !under)) {
            x87_set(f, 0, x87_indefinite());
            x87_push(f, x87_indefinite());
        }
        return;
    }
    struct fp_env e = x87_env(f);
    const struct fp a = fp_from_f80(x87_get(f, 0));
    struct fpw exp, sig;
    if (fp_is_nan(a)) {
        exp = sig = fp_nan2(&e, a, a);
    } else if (a.cls == FC_ZERO) {
        e.pre |= FX_Z;
        exp = (struct fpw){.cls = FC_INF, .sign = true};
        sig = fp_wide(a);
    } else if (a.cls == FC_INF) {
        exp = (struct fpw){.cls = FC_INF};
        sig = fp_wide(a);
    } else {
        e.pre |= a.den ? FX_D : 0;
        exp = fp_wide(fp_from_int(a.exp));
        sig = fp_wide(a);
        sig.exp = 0;
    }
    const struct f80 re = fp_to_f80(&e, exp, 64), rs = fp_to_f80(&e, sig, 64);
    if (x87_finish(c, i, &e)) {
        x87_set(f, 0, re);
        x87_push(f, rs);
    }
}

/* ST0 - ST1 * Q. Incomplete steps reduce the exponent by 32 to 63. */
static struct fpw remainder_of(struct fp_env *e, struct fp a, struct fp b, bool nearest,
                               uint64_t *q, bool *partial)
{
    *q = 0;
    *partial = false;
    if (fp_is_nan(a) || fp_is_nan(b))
        return fp_nan2(e, a, b);
    if (a.cls == FC_INF || b.cls == FC_ZERO)
        return fp_invalid(e);
    e->pre |= a.den || b.den ? FX_D : 0;
    if (a.cls == FC_ZERO || b.cls == FC_INF)
        return fp_wide(a);
    const int d = a.exp - b.exp;
    if (d < -1 || (d < 0 && !nearest))
        return fp_wide(a);
    struct fpw r = {.cls = FC_NUM, .sign = a.sign, .exp = b.exp};
    uint64_t rem; /* in units of 2^(b.exp - 63), or one more factor of two when d = -1 */
    if (d < 0) {
        rem = a.sig;
        if (a.sig <= b.sig) /* a/b <= 1/2 */
            return fp_wide(a);
        /* a in (b/2, b): quotient 1, remainder a - b */
        *q = 1;
        const fp_u128 diff = ((fp_u128)b.sig << 1) - rem;
        r.sign = !a.sign;
        const int n = fp_clz128(diff << 63);
        r.sig = diff << 63 << n;
        r.exp = b.exp - n;
        return r;
    }
    const int n = d < 64 ? d : (d & 31) | 32;
    *partial = d >= 64;
    fp_u128 left = a.sig;
    uint64_t quot = 0;
    for (int k = 0; k <= n; k++) {
        quot <<= 1;
        if (left >= b.sig) {
            left -= b.sig;
            quot |= 1;
        }
        if (k < n)
            left <<= 1;
    }
    r.exp = b.exp + (d - n);
    if (nearest && !*partial) {
        const fp_u128 twice = left << 1;
        if (twice > b.sig || (twice == b.sig && (quot & 1))) {
            left = b.sig - left;
            r.sign = !r.sign;
            quot++;
        }
    }
    *q = quot;
    if (left == 0)
        return (struct fpw){.cls = FC_ZERO, .sign = a.sign};
    const int z = fp_clz128(left << 64);
    r.sig = left << 64 << z;
    r.exp -= z;
    return r;
}

static void fprem(struct cpu *c, const struct insn *i, bool nearest)
{
    struct fpu *f = x87_begin(c);
    x87_note(c, i);
    f->sw &= (uint16_t)~SW_C2;
    if (x87_empty(f, 0) || x87_empty(f, 1)) {
        if (x87_stack_fault(c, i, false))
            x87_set(f, 0, x87_indefinite());
        return;
    }
    struct fp_env e = x87_env(f);
    uint64_t q;
    bool partial;
    const struct fpw w = remainder_of(&e, fp_from_f80(x87_get(f, 0)), fp_from_f80(x87_get(f, 1)),
                                      nearest, &q, &partial);
    const struct f80 r = fp_to_f80(&e, w, 64);
    if (!x87_finish(c, i, &e))
        return;
    x87_set(f, 0, r);
    if (w.cls == FC_QNAN) /* C0 and C3 stay */
        return;
    f->sw &= (uint16_t)~SW_CC;
    if (partial)
        f->sw |= SW_C2;
    else
        f->sw |= (q & 1 ? SW_C1 : 0) | (q & 2 ? SW_C3 : 0) | (q & 4 ? SW_C0 : 0);
}

X87_OP(fprem, fprem(c, i, false))
X87_OP(fprem1, fprem(c, i, true))
