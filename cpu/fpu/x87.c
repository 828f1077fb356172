/*
 * cpu/fpu/x87.c: gates, exception delivery, loads, stores and register-stack instructions.
 *
 * SDM 1 8.3, 8.5; SDM 2 per instruction. With CR0.NE clear errors are reported by FERR# (SDM 1
 * 8.7.2): see fpu_pending.
 */
#include "cpu/fpu/x87.h"

#include "cpu/fpu/fpu.h"
#include "cpu/flags.h"

/* ---- gates and exceptions -------------------------------------------------------------------- */

struct fpu *x87_begin(struct cpu *c)
{
    fpu_check_x87(c);
    if (__builtin_expect(c->fpu.sw & SW_ES, 0))
        fpu_pending(c);
    return &c->fpu;
}

void x87_note(struct cpu *c, const struct insn *i)
{
    struct fpu *f = &c->fpu;
    f->ip = insn_rip(c, i);
    f->cs = c->seg[SEG_CS].sel;
    if (i->flags & INSN_MEM) {
        f->dp = insn_ea(c, i);
        f->ds = c->seg[i->seg].sel;
    }
}

/* FOP is recorded when an unmasked exception asks for it (SDM 1 8.1.9.1). */
static void note_opcode(struct cpu *c, const struct insn *i)
{
    c->fpu.op = (uint16_t)((isa_rows[i->op].opcode & 7) << 8 | (i->aux & 0xff));
}

bool x87_raise(struct cpu *c, const struct insn *i, unsigned flags, bool up)
{
    struct fpu *f = &c->fpu;
    f->sw = (uint16_t)((f->sw & ~SW_C1) | flags | (up ? SW_C1 : 0));
    const unsigned unmasked = flags & ~f->cw & FX_ALL;
    if (unmasked) {
        f->sw |= SW_ES | SW_B;
        note_opcode(c, i);
    }
    return !(unmasked & (FX_I | FX_D | FX_Z));
}

bool x87_finish(struct cpu *c, const struct insn *i, const struct fp_env *e)
{
    const unsigned flags = fp_raised(e);
    return x87_raise(c, i, flags, e->up && (flags & FX_P));
}

bool x87_stack_fault(struct cpu *c, const struct insn *i, bool overflow)
{
    return x87_raise(c, i, FX_I | SW_SF, overflow);
}

void x87_update_es(struct fpu *f)
{
    if (f->sw & ~f->cw & FX_ALL)
        f->sw |= SW_ES | SW_B;
    else
        f->sw &= (uint16_t) ~(SW_ES | SW_B);
}

/* ---- loads ----------------------------------------------------------------------------------- */

struct f80 x87_ld_f80(struct cpu *c, uint64_t la)
{
    uint8_t b[10];
    struct f80 v;
    mmu_ld_bytes(c, la, b, 10);
    memcpy(&v.sig, b, 8);
    memcpy(&v.se, b + 8, 2);
    return v;
}

void x87_st_f80(struct cpu *c, uint64_t la, struct f80 v)
{
    uint8_t b[10];
    memcpy(b, &v.sig, 8);
    memcpy(b + 8, &v.se, 2);
    mmu_st_bytes(c, la, b, 10);
}

/* Push a value that carries no exceptions. */
static void load(struct cpu *c, const struct insn *i, struct f80 v)
{
    struct fpu *f = &c->fpu;
    x87_note(c, i);
    if (!x87_empty(f, 7)) {
        if (x87_stack_fault(c, i, true))
            x87_push(f, x87_indefinite());
        return;
    }
    f->sw &= (uint16_t)~SW_C1;
    x87_push(f, v);
}

/* Push a single or double: SNaN raises I, denormals D. */
static void load_float(struct cpu *c, const struct insn *i, struct fp a)
{
    struct fpu *f = &c->fpu;
    x87_note(c, i);
    if (!x87_empty(f, 7)) {
        if (x87_stack_fault(c, i, true))
            x87_push(f, x87_indefinite());
        return;
    }
    struct fp_env e = x87_env(f);
    const struct fpw w = fp_convert(&e, a);
    const struct f80 v = fp_to_f80(&e, w, 64);
    /* an unmasked D does not keep the value from being loaded */
    if (x87_finish(c, i, &e) || !(e.pre & FX_I))
        x87_push(f, v);
}

static struct f80 int_to_f80(int64_t v)
{
    struct fp_env e = {0};
    return fp_to_f80(&e, fp_wide(fp_from_int(v)), 64);
}

static const struct fp_env exact_env = {.masked = FX_ALL, .x87 = true, .prec = 64};

void op_fld_m32(struct cpu *c, const struct insn *i)
{
    x87_begin(c);
    load_float(c, i, fp_from_f32(&exact_env, mem_ld32(c, insn_la(c, i, 4, ACC_R))));
}

void op_fld_m64(struct cpu *c, const struct insn *i)
{
    x87_begin(c);
    load_float(c, i, fp_from_f64(&exact_env, mem_ld64(c, insn_la(c, i, 8, ACC_R))));
}

void op_fld_m80(struct cpu *c, const struct insn *i)
{
    x87_begin(c);
    load(c, i, x87_ld_f80(c, insn_la(c, i, 10, ACC_R)));
}

void op_fild_m16(struct cpu *c, const struct insn *i)
{
    x87_begin(c);
    load(c, i, int_to_f80((int16_t)mem_ld16(c, insn_la(c, i, 2, ACC_R))));
}

void op_fild_m32(struct cpu *c, const struct insn *i)
{
    x87_begin(c);
    load(c, i, int_to_f80((int32_t)mem_ld32(c, insn_la(c, i, 4, ACC_R))));
}

void op_fild_m64(struct cpu *c, const struct insn *i)
{
    x87_begin(c);
    load(c, i, int_to_f80((int64_t)mem_ld64(c, insn_la(c, i, 8, ACC_R))));
}

void op_fld_st(struct cpu *c, const struct insn *i)
{
    struct fpu *f = x87_begin(c);
    const struct f80 v = x87_get(f, i->s & 7);
    const bool under = x87_empty(f, i->s & 7);
    x87_note(c, i);
    if (under || !x87_empty(f, 7)) {
        if (x87_stack_fault(c, i, !under))
            x87_push(f, x87_indefinite());
        return;
    }
    f->sw &= (uint16_t)~SW_C1;
    x87_push(f, v);
}

void op_fbld(struct cpu *c, const struct insn *i)
{
    x87_begin(c);
    const uint64_t la = insn_la(c, i, 10, ACC_R);
    uint8_t b[10];
    mmu_ld_bytes(c, la, b, 10);
    uint64_t v = 0;
    for (int k = 8; k >= 0; k--)
        v = v * 100 + (b[k] >> 4) * 10u + (b[k] & 15);
    struct f80 r = int_to_f80((int64_t)v);
    r.se |= (uint16_t)((b[9] & 0x80) << 8);
    load(c, i, r);
}

/* Constants; the inexact ones follow the rounding control (SDM 1 8.3.8). */
static void load_const(struct cpu *c, const struct insn *i, uint64_t sig, uint16_t se,
                       bool rounded_up)
{
    const struct fpu *f = x87_begin(c);
    const unsigned rc = f->cw >> 10 & 3;
    /* sig is the value rounded to nearest */
    if (rounded_up && (rc == RC_DOWN || rc == RC_ZERO))
        sig--;
    load(c, i, (struct f80){.sig = sig, .se = se});
}

static void load_const_low(struct cpu *c, const struct insn *i, uint64_t sig, uint16_t se)
{
    const struct fpu *f = x87_begin(c);
    load(c, i, (struct f80){.sig = sig + ((f->cw >> 10 & 3) == RC_UP), .se = se});
}

#define FLD_CONST(name, sig, se, up)                    \
    void op_##name(struct cpu *c, const struct insn *i) \
    {                                                   \
        load_const(c, i, sig, se, up);                  \
    }
#define FLD_CONST_LOW(name, sig, se)                    \
    void op_##name(struct cpu *c, const struct insn *i) \
    {                                                   \
        load_const_low(c, i, sig, se);                  \
    }
FLD_CONST(fld1, 0x8000000000000000, 0x3fff, false)
FLD_CONST(fldz, 0, 0, false)
FLD_CONST_LOW(fldl2t, 0xd49a784bcd1b8afe, 0x4000) /* log2 10, below the true value */
FLD_CONST(fldl2e, 0xb8aa3b295c17f0bc, 0x3fff, true)
FLD_CONST(fldpi, 0xc90fdaa22168c235, 0x4000, true)
FLD_CONST(fldlg2, 0x9a209a84fbcff799, 0x3ffd, true)
FLD_CONST(fldln2, 0xb17217f7d1cf79ac, 0x3ffe, true)

/* ---- stores ---------------------------------------------------------------------------------- */

static void pop_if(struct fpu *f, bool pop)
{
    if (pop)
        x87_pop(f);
}

static void store_float(struct cpu *c, const struct insn *i, unsigned size, bool pop)
{
    struct fpu *f = x87_begin(c);
    const uint64_t la = insn_la(c, i, size, ACC_W);
    if (x87_empty(f, 0)) {
        if (!(f->cw & FX_I)) {
            mmu_probe(c, la, size, ACC_W);
        } else {
            mem_st(c, la, size, size == 4 ? F32_QNAN : F64_QNAN);
        }
        x87_note(c, i);
        if (x87_stack_fault(c, i, false))
            pop_if(f, pop);
        return;
    }
    struct fp_env e = x87_env(f);
    const struct fp a = fp_from_f80(x87_get(f, 0));
    const struct fpw w = fp_is_nan(a) ? fp_nan2(&e, a, a) : fp_wide(a);
    const uint64_t v = size == 4 ? fp_to_f32(&e, w) : fp_to_f64(&e, w);
    const unsigned unmasked = fp_raised(&e) & ~e.masked;
    const bool store = !(unmasked & ~FX_P);
    if (store) {
        mem_st(c, la, size, v);
    } else {
        mmu_probe(c, la, size, ACC_W);
        e.post &= (uint8_t)~FX_P; /* nothing was rounded */
    }
    x87_note(c, i);
    x87_finish(c, i, &e);
    if (store)
        pop_if(f, pop);
}

static void store_int(struct cpu *c, const struct insn *i, unsigned size, bool pop, bool truncate)
{
    struct fpu *f = x87_begin(c);
    const uint64_t la = insn_la(c, i, size, ACC_W);
    struct fp_env e = x87_env(f);
    const bool empty = x87_empty(f, 0);
    int64_t v;
    if (empty) {
        v = (int64_t)(~0ull << (size * 8 - 1));
        e.pre = FX_I;
    } else {
        v = fp_to_int(&e, fp_from_f80(x87_get(f, 0)), truncate ? RC_ZERO : e.rc, size * 8);
    }
    const bool store = fp_pre_ok(&e);
    if (store)
        mem_st(c, la, size, (uint64_t)v);
    else
        mmu_probe(c, la, size, ACC_W);
    x87_note(c, i);
    if (empty)
        x87_stack_fault(c, i, false);
    else
        x87_finish(c, i, &e);
    if (store)
        pop_if(f, pop);
}

#define FST_MEM(name, how, ...)                         \
    void op_##name(struct cpu *c, const struct insn *i) \
    {                                                   \
        how(c, i, __VA_ARGS__);                         \
    }
FST_MEM(fst_m32, store_float, 4, false)
FST_MEM(fst_m64, store_float, 8, false)
FST_MEM(fstp_m32, store_float, 4, true)
FST_MEM(fstp_m64, store_float, 8, true)
FST_MEM(fist_m16, store_int, 2, false, false)
FST_MEM(fist_m32, store_int, 4, false, false)
FST_MEM(fistp_m16, store_int, 2, true, false)
FST_MEM(fistp_m32, store_int, 4, true, false)
FST_MEM(fistp_m64, store_int, 8, true, false)
FST_MEM(fisttp_m16, store_int, 2, true, true)
FST_MEM(fisttp_m32, store_int, 4, true, true)
FST_MEM(fisttp_m64, store_int, 8, true, true)

void op_fstp_m80(struct cpu *c, const struct insn *i)
{
    struct fpu *f = x87_begin(c);
    const uint64_t la = insn_la(c, i, 10, ACC_W);
    if (x87_empty(f, 0)) {
        if (f->cw & FX_I)
            x87_st_f80(c, la, x87_indefinite());
        else
            mmu_probe(c, la, 10, ACC_W);
        x87_note(c, i);
        if (x87_stack_fault(c, i, false))
            x87_pop(f);
        return;
    }
    x87_st_f80(c, la, x87_get(f, 0));
    x87_note(c, i);
    f->sw &= (uint16_t)~SW_C1;
    x87_pop(f);
}

void op_fbstp(struct cpu *c, const struct insn *i)
{
    struct fpu *f = x87_begin(c);
    const uint64_t la = insn_la(c, i, 10, ACC_W);
    struct fp_env e = x87_env(f);
    static const uint8_t indefinite[10] = {0, 0, 0, 0, 0, 0, 0, 0xc0, 0xff, 0xff};
    const bool empty = x87_empty(f, 0);
    const struct fp a = fp_from_f80(x87_get(f, 0));
    int64_t v = 0;
    if (empty)
        e.pre = FX_I;
    else
        v = fp_to_int(&e, a, e.rc, 64);
    uint64_t mag = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    if (mag > 999999999999999999u) {
        e.pre = FX_I;
        e.post = 0;
        e.up = false;
    }
    uint8_t b[10];
    if (e.pre) {
        memcpy(b, indefinite, 10);
    } else {
        for (int k = 0; k < 9; k++, mag /= 100)
            b[k] = (uint8_t)(mag / 10 % 10 << 4 | mag % 10);
        b[9] = a.sign ? 0x80 : 0;
    }
    const bool store = fp_pre_ok(&e);
    if (store)
        mmu_st_bytes(c, la, b, 10);
    else
        mmu_probe(c, la, 10, ACC_W);
    x87_note(c, i);
    if (empty)
        x87_stack_fault(c, i, false);
    else
        x87_finish(c, i, &e);
    if (store)
        x87_pop(f);
}

static void store_st(struct cpu *c, const struct insn *i, bool pop)
{
    struct fpu *f = x87_begin(c);
    x87_note(c, i);
    struct f80 v = x87_get(f, 0);
    if (x87_empty(f, 0)) {
        if (!x87_stack_fault(c, i, false))
            return;
        v = x87_indefinite();
    } else {
        f->sw &= (uint16_t)~SW_C1;
    }
    x87_set(f, i->s & 7, v);
    pop_if(f, pop);
}

void op_fst_st(struct cpu *c, const struct insn *i)
{
    store_st(c, i, false);
}

void op_fstp_st(struct cpu *c, const struct insn *i)
{
    store_st(c, i, true);
}

/* D9 D8+i: like FSTP, but an empty ST(0) is popped without a fault and without a store. */
void op_fstpnce(struct cpu *c, const struct insn *i)
{
    struct fpu *f = x87_begin(c);
    x87_note(c, i);
    f->sw &= (uint16_t)~SW_C1;
    if (!x87_empty(f, 0))
        x87_set(f, i->s & 7, x87_get(f, 0));
    x87_pop(f);
}

/* ---- register stack -------------------------------------------------------------------------- */

void op_fxch(struct cpu *c, const struct insn *i)
{
    struct fpu *f = x87_begin(c);
    const unsigned n = i->s & 7;
    x87_note(c, i);
    struct f80 a = x87_get(f, 0), b = x87_get(f, n);
    if (x87_empty(f, 0) || x87_empty(f, n)) {
        if (x87_empty(f, 0))
            a = x87_indefinite();
        if (x87_empty(f, n))
            b = x87_indefinite();
        if (!x87_stack_fault(c, i, false))
            return;
    } else {
        f->sw &= (uint16_t)~SW_C1;
    }
    x87_set(f, 0, b);
    x87_set(f, n, a);
}

static void fcmov(struct cpu *c, const struct insn *i, bool take)
{
    struct fpu *f = x87_begin(c);
    const unsigned n = i->s & 7;
    x87_note(c, i);
    if (x87_empty(f, 0) || x87_empty(f, n)) {
        if (x87_stack_fault(c, i, false)) /* whether the condition holds or not */
            x87_set(f, 0, x87_indefinite());
        return;
    }
    if (take)
        x87_set(f, 0, x87_get(f, n));
}

#define FCMOV(name, cond)                                   \
    void op_##name(struct cpu *c, const struct insn *i)     \
    {                                                       \
        const uint32_t fl = lf_flags(c->lf_res, c->lf_aux); \
        fcmov(c, i, cond);                                  \
    }
FCMOV(fcmovb, fl &FL_CF)
FCMOV(fcmove, fl &FL_ZF)
FCMOV(fcmovbe, fl &(FL_CF | FL_ZF))
FCMOV(fcmovu, fl &FL_PF)
FCMOV(fcmovnb, !(fl & FL_CF))
FCMOV(fcmovne, !(fl & FL_ZF))
FCMOV(fcmovnbe, !(fl & (FL_CF | FL_ZF)))
FCMOV(fcmovnu, !(fl & FL_PF))

void op_ffree(struct cpu *c, const struct insn *i)
{
    struct fpu *f = x87_begin(c);
    x87_note(c, i);
    f->sw &= (uint16_t)~SW_C1;
    f->valid &= (uint8_t) ~(1u << x87_phys(f, i->s & 7));
}

void op_ffreep(struct cpu *c, const struct insn *i)
{
    struct fpu *f = x87_begin(c);
    x87_note(c, i);
    f->sw &= (uint16_t)~SW_C1;
    f->valid &= (uint8_t) ~(1u << x87_phys(f, i->s & 7));
    x87_pop(f);
}

void op_fincstp(struct cpu *c, const struct insn *i)
{
    struct fpu *f = x87_begin(c);
    x87_note(c, i);
    f->sw &= (uint16_t)~SW_C1;
    x87_move_top(f, 1);
}

void op_fdecstp(struct cpu *c, const struct insn *i)
{
    struct fpu *f = x87_begin(c);
    x87_note(c, i);
    f->sw &= (uint16_t)~SW_C1;
    x87_move_top(f, -1);
}

void op_fnop(struct cpu *c, const struct insn *i)
{
    x87_begin(c);
    x87_note(c, i);
}
