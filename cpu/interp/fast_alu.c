/*
 * Chained handlers of the two-operand ALU rows: every form, size 1-8, with and without flags.
 * Semantics are those of alu.h.
 */
#include "cpu/interp/fast.h"
#include "cpu/interp/ops.h"

#define FLAGS_live lf_res = f.res, lf_aux = f.aux
#define FLAGS_dead (void)f

#define STORE_yes(x) x
#define STORE_no(x)  (void)0

#define REG_FORMS(op, S, fl, st)                                                            \
    H(f_##op##_eg_r_##S##_##fl)                                                             \
    {                                                                                       \
        struct lf f = {lf_res, lf_aux};                                                     \
        const uint64_t r = alu_##op(&f, reg_get(c, i->s, S), reg_get(c, i->d, S), S);       \
        STORE_##st(reg_set(c, i->s, S, r));                                                 \
        (void)r;                                                                            \
        FLAGS_##fl;                                                                         \
        NEXT;                                                                               \
    }                                                                                       \
    H(f_##op##_ei_r_##S##_##fl)                                                             \
    {                                                                                       \
        struct lf f = {lf_res, lf_aux};                                                     \
        const uint64_t r = alu_##op(&f, reg_get(c, i->s, S), (uint64_t)(int64_t)i->imm, S); \
        STORE_##st(reg_set(c, i->s, S, r));                                                 \
        (void)r;                                                                            \
        FLAGS_##fl;                                                                         \
        NEXT;                                                                               \
    }

#define GE_REG(op, S, fl, st)                                                         \
    H(f_##op##_ge_r_##S##_##fl)                                                       \
    {                                                                                 \
        struct lf f = {lf_res, lf_aux};                                               \
        const uint64_t r = alu_##op(&f, reg_get(c, i->d, S), reg_get(c, i->s, S), S); \
        STORE_##st(reg_set(c, i->d, S, r));                                           \
        (void)r;                                                                      \
        FLAGS_##fl;                                                                   \
        NEXT;                                                                         \
    }

/* Memory: flags are always computed, the next instruction is far away anyway */
#define ACCESS_yes MEM_W
#define ACCESS_no  MEM_R
#define MEM_FORMS(op, S, ea, st)                                                       \
    H(f_##op##_eg_##ea##_##S)                                                          \
    {                                                                                  \
        ACCESS_##st(at, EA_##ea, S, h_sem);                                            \
        struct lf f = {lf_res, lf_aux};                                                \
        const uint64_t r = alu_##op(&f, host_ld(at, S), reg_get(c, i->d, S), S);       \
        STORE_##st(host_st(at, S, r));                                                 \
        (void)r;                                                                       \
        FLAGS_live;                                                                    \
        NEXT;                                                                          \
    }                                                                                  \
    H(f_##op##_ei_##ea##_##S)                                                          \
    {                                                                                  \
        ACCESS_##st(at, EA_##ea, S, h_sem);                                            \
        struct lf f = {lf_res, lf_aux};                                                \
        const uint64_t r = alu_##op(&f, host_ld(at, S), (uint64_t)(int64_t)i->imm, S); \
        STORE_##st(host_st(at, S, r));                                                 \
        (void)r;                                                                       \
        FLAGS_live;                                                                    \
        NEXT;                                                                          \
    }

#define GE_MEM(op, S, ea, st, fl)                                                \
    H(f_##op##_ge_##ea##_##S##_##fl)                                             \
    {                                                                            \
        MEM_R(at, EA_##ea, S, h_sem);                                            \
        struct lf f = {lf_res, lf_aux};                                          \
        const uint64_t r = alu_##op(&f, reg_get(c, i->d, S), host_ld(at, S), S); \
        STORE_##st(reg_set(c, i->d, S, r));                                      \
        (void)r;                                                                 \
        FLAGS_##fl;                                                              \
        NEXT;                                                                    \
    }

#define OP_SIZE(op, S, st)        \
    REG_FORMS(op, S, live, st)    \
    REG_FORMS(op, S, dead, st)    \
    GE_REG(op, S, live, st)       \
    GE_REG(op, S, dead, st)       \
    MEM_FORMS(op, S, flat, st)    \
    MEM_FORMS(op, S, gen, st)     \
    MEM_FORMS(op, S, base, st)    \
    GE_MEM(op, S, flat, st, live) \
    GE_MEM(op, S, flat, st, dead) \
    GE_MEM(op, S, gen, st, live)  \
    GE_MEM(op, S, base, st, live) \
    GE_MEM(op, S, base, st, dead)

#define OP_ALL(op, st) OP_SIZE(op, 1, st) OP_SIZE(op, 2, st) OP_SIZE(op, 4, st) OP_SIZE(op, 8, st)
OP_ALL(add, yes)
OP_ALL(or, yes)
OP_ALL(adc, yes)
OP_ALL(sbb, yes)
OP_ALL(and, yes)
OP_ALL(sub, yes)
OP_ALL(xor, yes)
OP_ALL(cmp, no)

#define TEST_SIZE(S)             \
    REG_FORMS(test, S, live, no) \
    REG_FORMS(test, S, dead, no) \
    MEM_FORMS(test, S, flat, no) \
    MEM_FORMS(test, S, gen, no)  \
    MEM_FORMS(test, S, base, no)
TEST_SIZE(1)
TEST_SIZE(2)
TEST_SIZE(4)
TEST_SIZE(8)

#define SIZES2(m, op, form)                                            \
    {                                                                  \
        m(op, form, 1), m(op, form, 2), m(op, form, 4), m(op, form, 8) \
    }
#define E_REG(op, form, S)                                             \
    {                                                                  \
        f_##op##_##form##_r_##S##_live, f_##op##_##form##_r_##S##_dead \
    }
#define E_FLAT(op, form, S)                                    \
    {                                                          \
        f_##op##_##form##_flat_##S, f_##op##_##form##_flat_##S \
    }
#define E_GEN(op, form, S)                                   \
    {                                                        \
        f_##op##_##form##_gen_##S, f_##op##_##form##_gen_##S \
    }
#define E_BASE(op, form, S)                                    \
    {                                                          \
        f_##op##_##form##_base_##S, f_##op##_##form##_base_##S \
    }
#define E_GE_BASE(op, form, S)                                   \
    {                                                            \
        f_##op##_ge_base_##S##_live, f_##op##_ge_base_##S##_dead \
    }
#define E_GE_FLAT(op, form, S)                                   \
    {                                                            \
        f_##op##_ge_flat_##S##_live, f_##op##_ge_flat_##S##_dead \
    }
#define E_GE_GEN(op, form, S)                                  \
    {                                                          \
        f_##op##_ge_gen_##S##_live, f_##op##_ge_gen_##S##_live \
    }

#define FORMS_E(op, form)                                                    \
    {                                                                        \
        op_##op##_##form, SIZES2(E_REG, op, form), SIZES2(E_FLAT, op, form), \
            SIZES2(E_GEN, op, form), SIZES2(E_BASE, op, form)                \
    }
#define FORMS(op)                                                                                 \
    FORMS_E(op, eg), FORMS_E(op, ei),                                                             \
    {                                                                                             \
        op_##op##_ge, SIZES2(E_REG, op, ge), SIZES2(E_GE_FLAT, op, ge), SIZES2(E_GE_GEN, op, ge), \
            SIZES2(E_GE_BASE, op, ge)                                                             \
    }

const struct fast_forms fast_alu_forms[] = {
    FORMS(add), FORMS(or),  FORMS(adc),        FORMS(sbb),        FORMS(and),    FORMS(sub),
    FORMS(xor), FORMS(cmp), FORMS_E(test, eg), FORMS_E(test, ei), {.sem = NULL},
};
