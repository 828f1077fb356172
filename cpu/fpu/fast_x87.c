/*
 * cpu/fpu/fast_x87.c: chained handlers (cpu/interp/fast.h) of the x87: loads and stores, the
 * register stack, the four operations, compares into EFLAGS.
 *
 * SDM 1 8.3, 8.5. They apply where nothing special is going on: no pending exception, no empty or
 * wrongly full register, normal operands and result, round to nearest with 64 bits, an inexact
 * result masked. Arithmetic is in integers (cpu/fpu/f80.h), the same on every host. All else goes
 * the way of the row's semantic function, so register forms may fault too.
 * Not modelled: see x87.c.
 */
#include "cpu/fpu/f80.h"
#include "cpu/fpu/x87.h"
#include "cpu/interp/fast.h"

#define INSN(map, opcode, prefix, modrm, name, o1, o2, o3, feat, attrs, flr, flw, flu, sem) \
    op_fn op_##sem;
#include "cpu/isa/x87.def"
#undef INSN

#define NEED(cond)         \
    if (UNLIKELY(!(cond))) \
    TAIL(h_sem)

ALU_INLINE bool ready(const struct cpu *c)
{
    return !(c->cr0 & (CR0_EM | CR0_TS)) && !(c->fpu.sw & SW_ES);
}

/* Round to nearest, 64 bits. */
ALU_INLINE bool plain_mode(const struct fpu *f)
{
    return (f->cw & 0xf00) == 0x300;
}

ALU_INLINE void note(struct cpu *c, const struct insn *i)
{
    c->fpu.ip = insn_rip(c, i);
    c->fpu.cs = c->seg[SEG_CS].sel;
}

ALU_INLINE void note_mem(struct cpu *c, const struct insn *i)
{
    note(c, i);
    c->fpu.dp = insn_ea(c, i);
    c->fpu.ds = c->seg[i->seg].sel;
}

ALU_INLINE void status(struct fpu *f, bool inexact, bool up)
{
    f->sw = (uint16_t)((f->sw & ~SW_C1) | (inexact ? FX_P : 0) | (up ? SW_C1 : 0));
}

/* ---- operands in memory ---------------------------------------------------------------------- */

ALU_INLINE struct f80 widen(uint64_t v, unsigned frac, unsigned exp_bits)
{
    const unsigned exp = (unsigned)(v >> frac) & ((1u << exp_bits) - 1);
    const unsigned sign = (unsigned)(v >> (frac + exp_bits)) & 1;
    return (struct f80){.sig = 1ull << 63 | v << (63 - frac),
                        .se = (uint16_t)(sign << 15 | (exp + 16384 - (1u << (exp_bits - 1))))};
}

/* Normal, or for loads zero as well. */
ALU_INLINE bool f64_loads(uint64_t v, struct f80 *to)
{
    *to = widen(v, 52, 11);
    if (v << 1 == 0)
        *to = (struct f80){.sig = 0, .se = (uint16_t)(v >> 48)};
    return v << 1 == 0 || (v >> 52 & 0x7ff) - 1 < 0x7fe;
}

ALU_INLINE bool f32_loads(uint64_t v, struct f80 *to)
{
    *to = widen(v, 23, 8);
    if ((uint32_t)(v << 1) == 0)
        *to = (struct f80){.sig = 0, .se = (uint16_t)(v >> 16)};
    return (uint32_t)(v << 1) == 0 || (v >> 23 & 0xff) - 1 < 0xfe;
}

ALU_INLINE struct f80 from_int(int64_t v)
{
    const uint64_t mag = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    if (mag == 0)
        return (struct f80){0};
    const unsigned n = (unsigned)__builtin_clzll(mag);
    return (struct f80){.sig = mag << n,
                        .se = (uint16_t)((v < 0 ? 0x8000u : 0) | (16383 + 63 - n))};
}

/* ---- arithmetic ------------------------------------------------------------------------------ */

#define ADD(a, b)  f80_add(&r, a, b)
#define MUL(a, b)  f80_mul(&r, a, b)
#define SUB(a, b)  f80_sub(&r, a, b)
#define SUBR(a, b) f80_sub(&r, b, a)
#define DIV(a, b)  f80_div(&r, a, b)
#define DIVR(a, b) f80_div(&r, b, a)

/* ST(dst) = ST(dst) op ST(src) */
#define ARITH_REG(name, op, dst, src, pop)                                                     \
    H(f_##name##_reg)                                                                          \
    {                                                                                          \
        struct fpu *const f = &c->fpu;                                                         \
        const unsigned to = x87_phys(f, dst), from = x87_phys(f, src);                         \
        struct f80_result r;                                                                   \
        NEED(ready(c) && plain_mode(f) && (f->valid >> to & f->valid >> from & 1) &&           \
             f80_normal(f->st[to]) && f80_normal(f->st[from]) && op(f->st[to], f->st[from]) && \
             (!r.inexact || (f->cw & FX_P)));                                                  \
        note(c, i);                                                                            \
        f->st[to] = r.v;                                                                       \
        status(f, r.inexact, r.up);                                                            \
        pop;                                                                                   \
        NEXT;                                                                                  \
    }
/* ST(0) = ST(0) op memory */
#define ARITH_MEM(name, op, bits, ea)                                                            \
    H(f_##name##_m##bits##_##ea)                                                                 \
    {                                                                                            \
        struct fpu *const f = &c->fpu;                                                           \
        MEM_R(at, EA_##ea, bits / 8, h_sem);                                                     \
        const unsigned to = x87_top(f);                                                          \
        struct f80 v;                                                                            \
        struct f80_result r;                                                                     \
        NEED(f##bits##_loads(host_ld(at, bits / 8), &v) && v.sig && ready(c) && plain_mode(f) && \
             (f->valid >> to & 1) && f80_normal(f->st[to]) && op(f->st[to], v) &&                \
             (!r.inexact || (f->cw & FX_P)));                                                    \
        note_mem(c, i);                                                                          \
        f->st[to] = r.v;                                                                         \
        status(f, r.inexact, r.up);                                                              \
        NEXT;                                                                                    \
    }
#define EACH_EA(m, ...) m(__VA_ARGS__, flat) m(__VA_ARGS__, gen) m(__VA_ARGS__, base)
#define ARITH(name, op)                             \
    ARITH_REG(name##_st0, op, 0, i->s & 7, (void)0) \
    ARITH_REG(name##_sti, op, i->s & 7, 0, (void)0) \
    ARITH_REG(name##p, op, i->s & 7, 0, x87_pop(f)) \
    EACH_EA(ARITH_MEM, name, op, 32)                \
    EACH_EA(ARITH_MEM, name, op, 64)
ARITH(fadd, ADD)
ARITH(fmul, MUL)
ARITH(fsub, SUB)
ARITH(fsubr, SUBR)
ARITH(fdiv, DIV)
ARITH(fdivr, DIVR)

/* ---- loads ----------------------------------------------------------------------------------- */

/* Room for one more. */
ALU_INLINE bool has_room(const struct fpu *f)
{
    return x87_empty(f, 7);
}

#define LOAD_MEM(name, size, value, ea)           \
    H(f_##name##_##ea)                            \
    {                                             \
        struct fpu *const f = &c->fpu;            \
        MEM_R(at, EA_##ea, size, h_sem);          \
        struct f80 v;                             \
        NEED((value) && ready(c) && has_room(f)); \
        note_mem(c, i);                           \
        f->sw &= (uint16_t)~SW_C1;                \
        x87_push(f, v);                           \
        NEXT;                                     \
    }
#define LOAD(name, size, value) EACH_EA(LOAD_MEM, name, size, value)
LOAD(fld_m32, 4, f32_loads(host_ld(at, 4), &v))
LOAD(fld_m64, 8, f64_loads(host_ld(at, 8), &v))
LOAD(fld_m80, 10, (v.sig = host_ld(at, 8), v.se = (uint16_t)host_ld(at + 8, 2), true))
LOAD(fild_m16, 2, (v = from_int((int16_t)host_ld(at, 2)), true))
LOAD(fild_m32, 4, (v = from_int((int32_t)host_ld(at, 4)), true))
LOAD(fild_m64, 8, (v = from_int((int64_t)host_ld(at, 8)), true))

#define LOAD_REG(name, need, ...)                \
    H(f_##name##_reg)                            \
    {                                            \
        struct fpu *const f = &c->fpu;           \
        NEED(ready(c) && has_room(f) && (need)); \
        const struct f80 v = __VA_ARGS__;        \
        note(c, i);                              \
        f->sw &= (uint16_t)~SW_C1;               \
        x87_push(f, v);                          \
        NEXT;                                    \
    }
LOAD_REG(fld_st, !x87_empty(f, i->s & 7), x87_get(f, i->s & 7))
LOAD_REG(fld1, true, {.sig = 1ull << 63, .se = 16383})
LOAD_REG(fldz, true, {0})

/* ---- stores ---------------------------------------------------------------------------------- */

#define STORE_MEM(name, bits, frac, bias, pop, ea)                                 \
    H(f_##name##_m##bits##_##ea)                                                   \
    {                                                                              \
        struct fpu *const f = &c->fpu;                                             \
        MEM_W(at, EA_##ea, bits / 8, h_sem);                                       \
        const struct f80 v = x87_get(f, 0);                                        \
        uint64_t to = 0;                                                           \
        bool inexact = false, up = false;                                          \
        NEED(ready(c) && !(f->cw & 0xc00) && !x87_empty(f, 0) &&                   \
             ((v.sig == 0 && !(v.se & 0x7fff)) ||                                  \
              (f80_normal(v) && f80_narrow(v, frac, bias, &to, &inexact, &up))) && \
             (!inexact || (f->cw & FX_P)));                                        \
        host_st(at, bits / 8, to | (uint64_t)(v.se >> 15) << (bits - 1));          \
        note_mem(c, i);                                                            \
        status(f, inexact, up);                                                    \
        pop;                                                                       \
        NEXT;                                                                      \
    }
#define STORES(name, pop)                      \
    EACH_EA(STORE_MEM, name, 32, 23, 127, pop) \
    EACH_EA(STORE_MEM, name, 64, 52, 1023, pop)
STORES(fst, (void)0)
STORES(fstp, x87_pop(f))

#define STORE_80(name, ea)                  \
    H(f_##name##_##ea)                      \
    {                                       \
        struct fpu *const f = &c->fpu;      \
        MEM_W(at, EA_##ea, 10, h_sem);      \
        NEED(ready(c) && !x87_empty(f, 0)); \
        const struct f80 v = x87_get(f, 0); \
        host_st(at, 8, v.sig);              \
        host_st(at + 8, 2, v.se);           \
        note_mem(c, i);                     \
        f->sw &= (uint16_t)~SW_C1;          \
        x87_pop(f);                         \
        NEXT;                               \
    }
EACH_EA(STORE_80, fstp_m80)

#define STORE_REG(name, pop)                 \
    H(f_##name##_reg)                        \
    {                                        \
        struct fpu *const f = &c->fpu;       \
        NEED(ready(c) && !x87_empty(f, 0));  \
        note(c, i);                          \
        f->sw &= (uint16_t)~SW_C1;           \
        x87_set(f, i->s & 7, x87_get(f, 0)); \
        pop;                                 \
        NEXT;                                \
    }
STORE_REG(fst_st, (void)0)
STORE_REG(fstp_st, x87_pop(f))

H(f_fxch_reg)
{
    struct fpu *const f = &c->fpu;
    const unsigned n = i->s & 7;
    NEED(ready(c) && !x87_empty(f, 0) && !x87_empty(f, n));
    note(c, i);
    f->sw &= (uint16_t)~SW_C1;
    const struct f80 a = x87_get(f, 0);
    x87_set(f, 0, x87_get(f, n));
    x87_set(f, n, a);
    NEXT;
}

#define SIGN(name, op)                      \
    H(f_##name##_reg)                       \
    {                                       \
        struct fpu *const f = &c->fpu;      \
        NEED(ready(c) && !x87_empty(f, 0)); \
        note(c, i);                         \
        f->sw &= (uint16_t)~SW_C1;          \
        f->st[x87_top(f)].se op;            \
        NEXT;                               \
    }
SIGN(fchs, ^= 0x8000)
SIGN(fabs, &= 0x7fff)

/* ---- compares -------------------------------------------------------------------------------- */

ALU_INLINE bool comparable(struct f80 v)
{
    return f80_normal(v) || (v.sig == 0 && !(v.se & 0x7fff));
}

/* Is a below b? Both comparable. */
ALU_INLINE bool below(struct f80 a, struct f80 b)
{
    const bool na = (a.se >> 15) && a.sig, nb = (b.se >> 15) && b.sig;
    if (na != nb)
        return na;
    const fp_u128 x = (fp_u128)(a.se & 0x7fffu) << 64 | a.sig;
    const fp_u128 y = (fp_u128)(b.se & 0x7fffu) << 64 | b.sig;
    return na ? y < x : x < y;
}

#define COMPARE(name, pop)                                                                        \
    H(f_##name##_reg)                                                                             \
    {                                                                                             \
        struct fpu *const f = &c->fpu;                                                            \
        const unsigned n = i->s & 7;                                                              \
        const struct f80 a = x87_get(f, 0), b = x87_get(f, n);                                    \
        NEED(ready(c) && !x87_empty(f, 0) && !x87_empty(f, n) && comparable(a) && comparable(b)); \
        const bool less = below(a, b);                                                            \
        note(c, i);                                                                               \
        f->sw &= (uint16_t)~SW_C1;                                                                \
        lf_res = less || below(b, a);                                                             \
        lf_aux = less ? LF_CF | LF_PO : lf_res ? 0 : 1ull << LF_PD_SHIFT;                         \
        pop;                                                                                      \
        NEXT;                                                                                     \
    }
COMPARE(fcomi, (void)0)
COMPARE(fcomip, x87_pop(f))
COMPARE(fucomi, (void)0)
COMPARE(fucomip, x87_pop(f))

/* ---- table ----------------------------------------------------------------------------------- */

/* clang-format off */
#define S4(f) {{f, f}, {f, f}, {f, f}, {f, f}}
#define ROW_REG(op) {.sem = op_##op, .reg = S4(f_##op##_reg)}
#define ROW_MEM(op)                                                                             \
    {.sem = op_##op, .flat = S4(f_##op##_flat), .gen = S4(f_##op##_gen), .base = S4(f_##op##_base)}
#define ROWS_ARITH(op)                                                                          \
    ROW_REG(op##_st0), ROW_REG(op##_sti), ROW_REG(op##p), ROW_MEM(op##_m32), ROW_MEM(op##_m64)
/* clang-format on */

const struct fast_forms fast_x87_forms[] = {
    ROWS_ARITH(fadd),  ROWS_ARITH(fmul),  ROWS_ARITH(fsub),  ROWS_ARITH(fsubr), ROWS_ARITH(fdiv),
    ROWS_ARITH(fdivr), ROW_MEM(fld_m32),  ROW_MEM(fld_m64),  ROW_MEM(fld_m80),  ROW_MEM(fild_m16),
    ROW_MEM(fild_m32), ROW_MEM(fild_m64), ROW_REG(fld_st),   ROW_REG(fld1),     ROW_REG(fldz),
    ROW_MEM(fst_m32),  ROW_MEM(fst_m64),  ROW_MEM(fstp_m32), ROW_MEM(fstp_m64), ROW_MEM(fstp_m80),
    ROW_REG(fst_st),   ROW_REG(fstp_st),  ROW_REG(fxch),     ROW_REG(fchs),     ROW_REG(fabs),
    ROW_REG(fcomi),    ROW_REG(fcomip),   ROW_REG(fucomi),   ROW_REG(fucomip),  {.sem = NULL},
};
