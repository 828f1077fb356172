/*
 * Chained near branches of 64-bit and flat 32-bit code, and cmp/test fused with the Jcc behind
 * them.
 *
 * i->disp of a relative branch is the target's offset from R_PAGE (set by fast_branch): inside
 * 0..4095 the target is in this page and linked directly, otherwise it goes through the jump cache.
 */
#include "cpu/interp/fast.h"
#include "cpu/interp/ops.h"

#define TARGET_8   (c->r[R_PAGE] + (uint64_t)(int64_t)i->disp)
#define TARGET_4   ((uint32_t)TARGET_8)
#define NEXT_RIP_8 (c->r[R_PAGE] + i->rip_off + i->len)
#define NEXT_RIP_4 ((uint32_t)NEXT_RIP_8)
#define NOTHING    (void)0

/* One handler per condition; in: target in this page. The fall-through may lie in the next page
 * (slot 1 then stays unlinked and h_end does it). */
#define JCC(cc)                              \
    H(f_jcc_in_##cc)                         \
    {                                        \
        if (lf_cond(cc, lf_res, lf_aux))     \
            GO_LINK(0);                      \
        GO_LINK(1);                          \
    }                                        \
    H(f_jcc_out_##cc##_8)                    \
    {                                        \
        if (lf_cond(cc, lf_res, lf_aux))     \
            GO_TO(TARGET_8, NOTHING, h_end); \
        GO_LINK(1);                          \
    }                                        \
    H(f_jcc_out_##cc##_4)                    \
    {                                        \
        if (lf_cond(cc, lf_res, lf_aux))     \
            GO_TO(TARGET_4, NOTHING, h_end); \
        GO_LINK(1);                          \
    }
#define ALL_CC(m) \
    m(0) m(1) m(2) m(3) m(4) m(5) m(6) m(7) m(8) m(9) m(10) m(11) m(12) m(13) m(14) m(15)
ALL_CC(JCC)

H(f_jmp_in)
{
    GO_LINK(0);
}
H(f_jmp_out_8)
{
    GO_TO(TARGET_8, NOTHING, h_end);
}
H(f_jmp_out_4)
{
    GO_TO(TARGET_4, NOTHING, h_end);
}

/* End of a block without a branch. */
void h_fall(PARAMS)
{
    struct block *const b = (struct block *)insn_block(i);
    if (LIKELY(b->link[1] && budget >= b->link[1]->n)) {
        const struct block *const to = b->link[1];
        budget -= to->n;
        i = to->insn;
        TAIL(i->fn);
    }
    c->link_from = b;
    c->link_slot = 1;
    LEAVE(cpu_code64(c) ? c->r[R_PAGE] + i->rip_off : (uint32_t)(c->r[R_PAGE] + i->rip_off));
}
void h_fall_out(PARAMS)
{
    GO_TO(c->r[R_PAGE] + 4096, NOTHING, h_fall);
}

#define CALL_COMMIT(S) host_st(at, S, NEXT_RIP_##S), c->r[R_SP] = at_la
#define SP_DOWN_8      (c->r[R_SP] - 8)
#define SP_DOWN_4      ((uint32_t)(c->r[R_SP] - 4))
#define CALLS(S)                                                  \
    H(f_call_in_##S)                                              \
    {                                                             \
        struct block *const from = (struct block *)insn_block(i); \
        const struct block *const to = from->link[0];             \
        if (UNLIKELY(!to || budget < to->n)) {                    \
            c->link_from = from;                                  \
            c->link_slot = 0;                                     \
            TAIL(h_end);                                          \
        }                                                         \
        MEM_W(at, SP_DOWN_##S, S, h_end);                         \
        CALL_COMMIT(S);                                           \
        budget -= to->n;                                          \
        i = to->insn;                                             \
        TAIL(i->fn);                                              \
    }                                                             \
    H(f_call_out_##S)                                             \
    {                                                             \
        MEM_W(at, SP_DOWN_##S, S, h_end);                         \
        GO_TO(TARGET_##S, CALL_COMMIT(S), h_end);                 \
    }
CALLS(8)
CALLS(4)

H(f_call_r_8)
{
    MEM_W(at, SP_DOWN_8, 8, h_end);
    GO_TO(c->r[i->s], CALL_COMMIT(8), h_end);
}
H(f_call_m_8)
{
    MEM_R(from, EA_gen, 8, h_end);
    MEM_W(at, SP_DOWN_8, 8, h_end);
    GO_TO(host_ld(from, 8), CALL_COMMIT(8), h_end);
}
H(f_jmp_r_8)
{
    GO_TO(c->r[i->s], NOTHING, h_end);
}
H(f_jmp_m_8)
{
    MEM_R(from, EA_gen, 8, h_end);
    GO_TO(host_ld(from, 8), NOTHING, h_end);
}
H(f_ret_8)
{
    MEM_R(at, c->r[R_SP], 8, h_end);
    GO_TO(host_ld(at, 8), c->r[R_SP] = at_la + 8, h_end);
}
H(f_ret_i_8)
{
    MEM_R(at, c->r[R_SP], 8, h_end);
    GO_TO(host_ld(at, 8), c->r[R_SP] = at_la + 8 + (uint16_t)i->imm, h_end);
}
H(f_call_r_4)
{
    MEM_W(at, SP_DOWN_4, 4, h_end);
    GO_TO((uint32_t)c->r[i->s], CALL_COMMIT(4), h_end);
}
H(f_jmp_r_4)
{
    GO_TO((uint32_t)c->r[i->s], NOTHING, h_end);
}
H(f_ret_4)
{
    MEM_R(at, (uint32_t)c->r[R_SP], 4, h_end);
    GO_TO(host_ld(at, 4), c->r[R_SP] = (uint32_t)(at_la + 4), h_end);
}

#define CC_IN(cc)   f_jcc_in_##cc,
#define CC_OUT8(cc) f_jcc_out_##cc##_8,
#define CC_OUT4(cc) f_jcc_out_##cc##_4,
static insn_fn *const jcc_in[16] = {ALL_CC(CC_IN)};
static insn_fn *const jcc_out_8[16] = {ALL_CC(CC_OUT8)};
static insn_fn *const jcc_out_4[16] = {ALL_CC(CC_OUT4)};

static bool in_page(int32_t disp)
{
    return disp >= 0 && disp < 4096;
}

/* Fast relative branches need their target as an offset that fits. */
static bool relative(struct insn *i)
{
    const int64_t off = (int64_t)i->rip_off + i->len + i->imm;
    i->disp = (int32_t)off;
    return off == i->disp;
}

insn_fn *fast_branch(const struct block *b, const struct insn *ci)
{
    struct insn *i = (struct insn *)ci;
    op_fn *const sem = isa_rows[i->op].sem;
    const bool is64 = (b->mode & MODE_CODE_MASK) == MODE_CODE64;
    const bool stack32 = b->mode & MODE_STACK32;
    const bool mem = i->flags & INSN_MEM;
    if (i->osize != (is64 ? 8 : 4))
        return NULL;
    if (sem == op_jcc && relative(i))
        return in_page(i->disp) ? jcc_in[i->aux] : is64 ? jcc_out_8[i->aux] : jcc_out_4[i->aux];
    if (sem == op_jmp_rel && relative(i))
        return in_page(i->disp) ? f_jmp_in : is64 ? f_jmp_out_8 : f_jmp_out_4;
    if (!is64 && !stack32)
        return NULL;
    if (sem == op_call_rel && relative(i)) {
        if (in_page(i->disp))
            return is64 ? f_call_in_8 : f_call_in_4;
        return is64 ? f_call_out_8 : f_call_out_4;
    }
    if (sem == op_ret)
        return is64 ? f_ret_8 : f_ret_4;
    if (!is64)
        return mem ? NULL : sem == op_call_e ? f_call_r_4 : sem == op_jmp_e ? f_jmp_r_4 : NULL;
    if (sem == op_ret_i)
        return f_ret_i_8;
    if (sem == op_call_e)
        return mem ? f_call_m_8 : f_call_r_8;
    if (sem == op_jmp_e)
        return mem ? f_jmp_m_8 : f_jmp_r_8;
    return NULL;
}

/* ---- fusion: cmp/test with the Jcc that follows, target in this page ---- */
#define FUSED_GO(cond)  \
    do {                \
        i++;            \
        if (cond)       \
            GO_LINK(0); \
        GO_LINK(1);     \
    } while (0)
#define SIGNED(S, v)   ((int64_t)alu_sext(v, S))
#define UNSIGNED(S, v) alu_zext(v, S)
#define CMP_COND_2(S)  UNSIGNED(S, a) < UNSIGNED(S, b)
#define CMP_COND_3(S)  UNSIGNED(S, a) >= UNSIGNED(S, b)
#define CMP_COND_4(S)  UNSIGNED(S, a) == UNSIGNED(S, b)
#define CMP_COND_5(S)  UNSIGNED(S, a) != UNSIGNED(S, b)
#define CMP_COND_6(S)  UNSIGNED(S, a) <= UNSIGNED(S, b)
#define CMP_COND_7(S)  UNSIGNED(S, a) > UNSIGNED(S, b)
#define CMP_COND_12(S) SIGNED(S, a) < SIGNED(S, b)
#define CMP_COND_13(S) SIGNED(S, a) >= SIGNED(S, b)
#define CMP_COND_14(S) SIGNED(S, a) <= SIGNED(S, b)
#define CMP_COND_15(S) SIGNED(S, a) > SIGNED(S, b)

#define FUSE_CMP(cc, S)                                                        \
    H(f_cmp_rr_##S##_j##cc)                                                    \
    {                                                                          \
        const uint64_t a = reg_get(c, i->s, S), b = reg_get(c, i->d, S);       \
        struct lf f;                                                           \
        alu_cmp(&f, a, b, S);                                                  \
        lf_res = f.res, lf_aux = f.aux;                                        \
        FUSED_GO(CMP_COND_##cc(S));                                            \
    }                                                                          \
    H(f_cmp_ri_##S##_j##cc)                                                    \
    {                                                                          \
        const uint64_t a = reg_get(c, i->s, S), b = (uint64_t)(int64_t)i->imm; \
        struct lf f;                                                           \
        alu_cmp(&f, a, b, S);                                                  \
        lf_res = f.res, lf_aux = f.aux;                                        \
        FUSED_GO(CMP_COND_##cc(S));                                            \
    }
#define ALL_FUSED(m, S) \
    m(2, S) m(3, S) m(4, S) m(5, S) m(6, S) m(7, S) m(12, S) m(13, S) m(14, S) m(15, S)
ALL_FUSED(FUSE_CMP, 1)
ALL_FUSED(FUSE_CMP, 4)
ALL_FUSED(FUSE_CMP, 8)

#define TEST_COND_4  f.res == 0
#define TEST_COND_5  f.res != 0
#define TEST_COND_8  (int64_t) f.res < 0
#define TEST_COND_9  (int64_t) f.res >= 0
#define TEST_COND_14 (int64_t) f.res <= 0
#define TEST_COND_15 (int64_t) f.res > 0
#define FUSE_TEST(cc, S)                                                 \
    H(f_test_rr_##S##_j##cc)                                             \
    {                                                                    \
        struct lf f;                                                     \
        alu_test(&f, reg_get(c, i->s, S), reg_get(c, i->d, S), S);       \
        lf_res = f.res, lf_aux = f.aux;                                  \
        FUSED_GO(TEST_COND_##cc);                                        \
    }                                                                    \
    H(f_test_ri_##S##_j##cc)                                             \
    {                                                                    \
        struct lf f;                                                     \
        alu_test(&f, reg_get(c, i->s, S), (uint64_t)(int64_t)i->imm, S); \
        lf_res = f.res, lf_aux = f.aux;                                  \
        FUSED_GO(TEST_COND_##cc);                                        \
    }
#define ALL_TESTS(m, S) m(4, S) m(5, S) m(8, S) m(9, S) m(14, S) m(15, S)
ALL_TESTS(FUSE_TEST, 1)
ALL_TESTS(FUSE_TEST, 4)
ALL_TESTS(FUSE_TEST, 8)

/* dec/sub r,imm and jnz: loop ends */
#define FUSE_DEC(op, form, expr, cc, S) \
    H(f_##op##_##S##_j##cc)             \
    {                                   \
        struct lf f = {lf_res, lf_aux}; \
        const uint64_t r = expr;        \
        reg_set(c, i->s, S, r);         \
        lf_res = f.res, lf_aux = f.aux; \
        FUSED_GO(TEST_COND_##cc);       \
    }
#define FUSE_DECS(S)                                                                        \
    FUSE_DEC(dec, e, alu_dec(&f, reg_get(c, i->s, S), S), 4, S)                             \
    FUSE_DEC(dec, e, alu_dec(&f, reg_get(c, i->s, S), S), 5, S)                             \
    FUSE_DEC(sub, ei, alu_sub(&f, reg_get(c, i->s, S), (uint64_t)(int64_t)i->imm, S), 4, S) \
    FUSE_DEC(sub, ei, alu_sub(&f, reg_get(c, i->s, S), (uint64_t)(int64_t)i->imm, S), 5, S) \
    FUSE_DEC(add, ei, alu_add(&f, reg_get(c, i->s, S), (uint64_t)(int64_t)i->imm, S), 4, S) \
    FUSE_DEC(add, ei, alu_add(&f, reg_get(c, i->s, S), (uint64_t)(int64_t)i->imm, S), 5, S)
FUSE_DECS(4)
FUSE_DECS(8)

#define E_CMP_RR(cc, S)  [cc] = f_cmp_rr_##S##_j##cc,
#define E_CMP_RI(cc, S)  [cc] = f_cmp_ri_##S##_j##cc,
#define E_TEST_RR(cc, S) [cc] = f_test_rr_##S##_j##cc,
#define E_TEST_RI(cc, S) [cc] = f_test_ri_##S##_j##cc,
#define E_DEC(op, S)     [4] = f_##op##_##S##_j4, [5] = f_##op##_##S##_j5

static const struct fused {
    op_fn *sem;
    insn_fn *fn[4][16];
} fused[] = {
    {op_cmp_eg,
     {{ALL_FUSED(E_CMP_RR, 1)}, {NULL}, {ALL_FUSED(E_CMP_RR, 4)}, {ALL_FUSED(E_CMP_RR, 8)}}},
    {op_cmp_ei,
     {{ALL_FUSED(E_CMP_RI, 1)}, {NULL}, {ALL_FUSED(E_CMP_RI, 4)}, {ALL_FUSED(E_CMP_RI, 8)}}},
    {op_test_eg,
     {{ALL_TESTS(E_TEST_RR, 1)}, {NULL}, {ALL_TESTS(E_TEST_RR, 4)}, {ALL_TESTS(E_TEST_RR, 8)}}},
    {op_test_ei,
     {{ALL_TESTS(E_TEST_RI, 1)}, {NULL}, {ALL_TESTS(E_TEST_RI, 4)}, {ALL_TESTS(E_TEST_RI, 8)}}},
    {op_dec_e, {{NULL}, {NULL}, {E_DEC(dec, 4)}, {E_DEC(dec, 8)}}},
    {op_sub_ei, {{NULL}, {NULL}, {E_DEC(sub, 4)}, {E_DEC(sub, 8)}}},
    {op_add_ei, {{NULL}, {NULL}, {E_DEC(add, 4)}, {E_DEC(add, 8)}}},
};

insn_fn *fast_fused(const struct block *b, const struct insn *i)
{
    const struct insn *j = i + 1;
    if (j->op >= isa_row_count || isa_rows[j->op].sem != op_jcc || j->fn != jcc_in[j->aux])
        return NULL;
    if (i->flags & INSN_MEM)
        return NULL;
    (void)b;
    const unsigned size = i->osize == 8 ? 3 : i->osize == 4 ? 2 : i->osize - 1u;
    for (unsigned k = 0; k < sizeof fused / sizeof fused[0]; k++) {
        if (fused[k].sem == isa_rows[i->op].sem)
            return fused[k].fn[size][j->aux];
    }
    return NULL;
}
