/*
 * Chained handlers of one-operand arithmetic, shifts, bit tests, multiplication, conditional moves.
 */
#include "cpu/interp/fast.h"
#include "cpu/interp/ops.h"

#define FLAGS_live lf_res = f.res, lf_aux = f.aux
#define FLAGS_dead (void)f

/* dst register member, expression over a (its value) */
#define UNARY_REG(op, form, reg_, S, fl)                                 \
    H(f_##op##_##form##_r_##S##_##fl)                                    \
    {                                                                    \
        struct lf f = {lf_res, lf_aux};                                  \
        reg_set(c, i->reg_, S, alu_##op(&f, reg_get(c, i->reg_, S), S)); \
        FLAGS_##fl;                                                      \
        NEXT;                                                            \
    }
#define UNARY_MEM(op, S, ea)                             \
    H(f_##op##_e_##ea##_##S)                             \
    {                                                    \
        MEM_W(at, EA_##ea, S, h_sem);                    \
        struct lf f = {lf_res, lf_aux};                  \
        host_st(at, S, alu_##op(&f, host_ld(at, S), S)); \
        FLAGS_live;                                      \
        NEXT;                                            \
    }
#define UNARY_SIZE(op, S)        \
    UNARY_REG(op, e, s, S, live) \
    UNARY_REG(op, e, s, S, dead) \
    UNARY_MEM(op, S, flat)       \
    UNARY_MEM(op, S, gen)
#define UNARY(op) UNARY_SIZE(op, 1) UNARY_SIZE(op, 2) UNARY_SIZE(op, 4) UNARY_SIZE(op, 8)
UNARY(inc)
UNARY(dec)
UNARY(neg)
UNARY(not )
#define UNARY_R(op)              \
    UNARY_REG(op, r, d, 2, live) \
    UNARY_REG(op, r, d, 2, dead) UNARY_REG(op, r, d, 4, live) UNARY_REG(op, r, d, 4, dead)
UNARY_R(inc)
UNARY_R(dec)

#define SHIFT(op, S, fl)                                                            \
    H(f_##op##_ei_r_##S##_##fl)                                                     \
    {                                                                               \
        struct lf f = {lf_res, lf_aux};                                             \
        reg_set(c, i->s, S, alu_##op(&f, reg_get(c, i->s, S), (uint8_t)i->imm, S)); \
        FLAGS_##fl;                                                                 \
        NEXT;                                                                       \
    }                                                                               \
    H(f_##op##_ecl_r_##S##_##fl)                                                    \
    {                                                                               \
        struct lf f = {lf_res, lf_aux};                                             \
        reg_set(c, i->s, S, alu_##op(&f, reg_get(c, i->s, S), c->r[R_CX], S));      \
        FLAGS_##fl;                                                                 \
        NEXT;                                                                       \
    }
#define SHIFT_ALL(op)                                                                              \
    SHIFT(op, 1, live)                                                                             \
    SHIFT(op, 2, live) SHIFT(op, 4, live) SHIFT(op, 8, live) SHIFT(op, 1, dead) SHIFT(op, 2, dead) \
        SHIFT(op, 4, dead) SHIFT(op, 8, dead)
SHIFT_ALL(shl)
SHIFT_ALL(shr)
SHIFT_ALL(sar)
SHIFT_ALL(rol)
SHIFT_ALL(ror)

/* double shifts by a constant, rotates through carry and by CL stay generic */

#define IMUL(S, fl)                                                                  \
    H(f_imul_ge_r_##S##_##fl)                                                        \
    {                                                                                \
        struct lf f = {lf_res, lf_aux};                                              \
        reg_set(c, i->d, S, alu_imul(&f, c->r[i->d], c->r[i->s], S));                \
        FLAGS_##fl;                                                                  \
        NEXT;                                                                        \
    }                                                                                \
    H(f_imul_gei_r_##S##_##fl)                                                       \
    {                                                                                \
        struct lf f = {lf_res, lf_aux};                                              \
        reg_set(c, i->d, S, alu_imul(&f, c->r[i->s], (uint64_t)(int64_t)i->imm, S)); \
        FLAGS_##fl;                                                                  \
        NEXT;                                                                        \
    }
IMUL(2, live)
IMUL(4, live)
IMUL(8, live)
IMUL(2, dead)
IMUL(4, dead)
IMUL(8, dead)
#define IMUL_MEM(S, ea)                                                   \
    H(f_imul_ge_##ea##_##S)                                               \
    {                                                                     \
        MEM_R(at, EA_##ea, S, h_sem);                                     \
        struct lf f = {lf_res, lf_aux};                                   \
        reg_set(c, i->d, S, alu_imul(&f, c->r[i->d], host_ld(at, S), S)); \
        FLAGS_live;                                                       \
        NEXT;                                                             \
    }
IMUL_MEM(4, flat)
IMUL_MEM(8, flat)

#define MUL(S, type, wide)                                        \
    H(f_mul_e_r_##S)                                              \
    {                                                             \
        struct lf f;                                              \
        const wide p = (wide)(type)c->r[R_AX] * (type)c->r[i->s]; \
        const uint64_t high = (uint64_t)(p >> (8 * S));           \
        lf_set_cf_of(&f, (uint64_t)p, high != 0, high != 0, S);   \
        reg_set(c, R_AX, S, (uint64_t)p);                         \
        reg_set(c, R_DX, S, high);                                \
        FLAGS_live;                                               \
        NEXT;                                                     \
    }
MUL(4, uint32_t, uint64_t)
MUL(8, uint64_t, unsigned __int128)

#define BT(op, S, change)                                                               \
    H(f_##op##_ei_r_##S)                                                                \
    {                                                                                   \
        struct lf f = {lf_res, lf_aux};                                                 \
        const uint64_t v = reg_get(c, i->s, S), m = 1ull << (i->imm & (8 * S - 1));     \
        change;                                                                         \
        lf_put_cf(&f, v &m);                                                            \
        FLAGS_live;                                                                     \
        NEXT;                                                                           \
    }                                                                                   \
    H(f_##op##_eg_r_##S)                                                                \
    {                                                                                   \
        struct lf f = {lf_res, lf_aux};                                                 \
        const uint64_t v = reg_get(c, i->s, S), m = 1ull << (c->r[i->d] & (8 * S - 1)); \
        change;                                                                         \
        lf_put_cf(&f, v &m);                                                            \
        FLAGS_live;                                                                     \
        NEXT;                                                                           \
    }
BT(bt, 4, (void)0)
BT(bt, 8, (void)0)
BT(bts, 4, reg_set(c, i->s, 4, v | m))
BT(bts, 8, reg_set(c, i->s, 8, v | m))
BT(btr, 4, reg_set(c, i->s, 4, v & ~m))
BT(btr, 8, reg_set(c, i->s, 8, v & ~m))

#define E2(op, form, S)                                                \
    {                                                                  \
        f_##op##_##form##_r_##S##_live, f_##op##_##form##_r_##S##_dead \
    }
#define SAME(f) \
    {           \
        f, f    \
    }
#define NONE2      \
    {              \
        NULL, NULL \
    }
#define UM(op, ea, S) SAME(f_##op##_e_##ea##_##S)
#define UNARY_ROW(op)                                                                        \
    {                                                                                        \
        .sem = op_##op##_e, .reg = {E2(op, e, 1), E2(op, e, 2), E2(op, e, 4), E2(op, e, 8)}, \
        .flat = {UM(op, flat, 1), UM(op, flat, 2), UM(op, flat, 4), UM(op, flat, 8)},        \
        .gen = {UM(op, gen, 1), UM(op, gen, 2), UM(op, gen, 4), UM(op, gen, 8)},             \
    }
#define REG_ROW(op, form)                 \
    {                                     \
        .sem = op_##op##_##form, .reg = { \
            E2(op, form, 1),              \
            E2(op, form, 2),              \
            E2(op, form, 4),              \
            E2(op, form, 8)               \
        }                                 \
    }
#define BT_ROW(op, form)                  \
    {                                     \
        .sem = op_##op##_##form, .reg = { \
            NONE2,                        \
            NONE2,                        \
            SAME(f_##op##_##form##_r_4),  \
            SAME(f_##op##_##form##_r_8)   \
        }                                 \
    }

const struct fast_forms fast_alu2_forms[] = {
    UNARY_ROW(inc),
    UNARY_ROW(dec),
    UNARY_ROW(neg),
    UNARY_ROW(not ),
    {.sem = op_inc_r, .reg = {NONE2, E2(inc, r, 2), E2(inc, r, 4), NONE2}},
    {.sem = op_dec_r, .reg = {NONE2, E2(dec, r, 2), E2(dec, r, 4), NONE2}},
    REG_ROW(shl, ei),
    REG_ROW(shr, ei),
    REG_ROW(sar, ei),
    REG_ROW(rol, ei),
    REG_ROW(ror, ei),
    REG_ROW(shl, ecl),
    REG_ROW(shr, ecl),
    REG_ROW(sar, ecl),
    REG_ROW(rol, ecl),
    REG_ROW(ror, ecl),
    {.sem = op_imul_ge,
     .reg = {NONE2, E2(imul, ge, 2), E2(imul, ge, 4), E2(imul, ge, 8)},
     .flat = {NONE2, NONE2, SAME(f_imul_ge_flat_4), SAME(f_imul_ge_flat_8)}},
    {.sem = op_imul_gei, .reg = {NONE2, E2(imul, gei, 2), E2(imul, gei, 4), E2(imul, gei, 8)}},
    {.sem = op_mul_e, .reg = {NONE2, NONE2, SAME(f_mul_e_r_4), SAME(f_mul_e_r_8)}},
    BT_ROW(bt, ei),
    BT_ROW(bt, eg),
    BT_ROW(bts, ei),
    BT_ROW(bts, eg),
    BT_ROW(btr, ei),
    BT_ROW(btr, eg),
    {.sem = NULL},
};
