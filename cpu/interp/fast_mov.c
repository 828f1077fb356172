/*
 * Chained handlers of moves, extensions, LEA, conditional moves and sets, and pushes and pops of
 * 64-bit code.
 */
#include "cpu/interp/fast.h"
#include "cpu/interp/ops.h"

#define MOV(S)                                          \
    H(f_mov_eg_r_##S)                                   \
    {                                                   \
        reg_set(c, i->s, S, reg_get(c, i->d, S));       \
        NEXT;                                           \
    }                                                   \
    H(f_mov_ge_r_##S)                                   \
    {                                                   \
        reg_set(c, i->d, S, reg_get(c, i->s, S));       \
        NEXT;                                           \
    }                                                   \
    H(f_mov_ei_r_##S)                                   \
    {                                                   \
        reg_set(c, i->s, S, (uint64_t)(int64_t)i->imm); \
        NEXT;                                           \
    }                                                   \
    H(f_mov_ri_r_##S)                                   \
    {                                                   \
        reg_set(c, i->d, S, i->imm64);                  \
        NEXT;                                           \
    }                                                   \
    H(f_mov_ri8_r_##S)                                  \
    {                                                   \
        reg_set(c, i->d, S, (uint64_t)(int64_t)i->imm); \
        NEXT;                                           \
    }                                                   \
    MOV_MEM(S, flat)                                    \
    MOV_MEM(S, gen)                                     \
    MOV_MEM(S, base)
#define MOV_MEM(S, ea)                             \
    H(f_mov_eg_##ea##_##S)                         \
    {                                              \
        MEM_W(at, EA_##ea, S, h_sem);              \
        host_st(at, S, reg_get(c, i->d, S));       \
        NEXT;                                      \
    }                                              \
    H(f_mov_ge_##ea##_##S)                         \
    {                                              \
        MEM_R(at, EA_##ea, S, h_sem);              \
        reg_set(c, i->d, S, host_ld(at, S));       \
        NEXT;                                      \
    }                                              \
    H(f_mov_ei_##ea##_##S)                         \
    {                                              \
        MEM_W(at, EA_##ea, S, h_sem);              \
        host_st(at, S, (uint64_t)(int64_t)i->imm); \
        NEXT;                                      \
    }
MOV(1)
MOV(2)
MOV(4)
MOV(8)

/* name, source size, destination size, conversion */
#define EXTEND(name, from, S, conv)                              \
    H(f_##name##_r_##S)                                          \
    {                                                            \
        reg_set(c, i->d, S, conv(reg_get(c, i->s, from), from)); \
        NEXT;                                                    \
    }                                                            \
    H(f_##name##_flat_##S)                                       \
    {                                                            \
        MEM_R(at, EA_flat, from, h_sem);                         \
        reg_set(c, i->d, S, conv(host_ld(at, from), from));      \
        NEXT;                                                    \
    }                                                            \
    H(f_##name##_base_##S)                                       \
    {                                                            \
        MEM_R(at, EA_base, from, h_sem);                         \
        reg_set(c, i->d, S, conv(host_ld(at, from), from));      \
        NEXT;                                                    \
    }                                                            \
    H(f_##name##_gen_##S)                                        \
    {                                                            \
        MEM_R(at, EA_gen, from, h_sem);                          \
        reg_set(c, i->d, S, conv(host_ld(at, from), from));      \
        NEXT;                                                    \
    }
EXTEND(movzx8, 1, 2, alu_zext)
EXTEND(movzx8, 1, 4, alu_zext)
EXTEND(movzx8, 1, 8, alu_zext)
EXTEND(movzx16, 2, 4, alu_zext)
EXTEND(movzx16, 2, 8, alu_zext)
EXTEND(movsx8, 1, 2, alu_sext)
EXTEND(movsx8, 1, 4, alu_sext)
EXTEND(movsx8, 1, 8, alu_sext)
EXTEND(movsx16, 2, 4, alu_sext)
EXTEND(movsx16, 2, 8, alu_sext)
EXTEND(movsxd, 4, 4, alu_sext)
EXTEND(movsxd, 4, 8, alu_sext)

H(f_lea_8)
{
    c->r[i->d] = EA_flat;
    NEXT;
}
H(f_lea_4)
{
    c->r[i->d] = (uint32_t)EA_flat;
    NEXT;
}
H(f_lea_a32)
{
    c->r[i->d] = (uint32_t)EA_flat; /* 32-bit address into a 32- or 64-bit register */
    NEXT;
}

void h_nop(PARAMS)
{
    NEXT;
}

H(f_xchg_ra_8)
{
    const uint64_t a = c->r[R_AX];
    c->r[R_AX] = c->r[i->d];
    c->r[i->d] = a;
    NEXT;
}
H(f_cbw_4)
{
    c->r[R_AX] = (uint32_t)(int16_t)c->r[R_AX];
    NEXT;
}
H(f_cbw_8)
{
    c->r[R_AX] = (uint64_t)(int64_t)(int32_t)c->r[R_AX];
    NEXT;
}
H(f_cwd_4)
{
    c->r[R_DX] = (uint32_t)((int32_t)c->r[R_AX] >> 31);
    NEXT;
}
H(f_cwd_8)
{
    c->r[R_DX] = (uint64_t)((int64_t)c->r[R_AX] >> 63);
    NEXT;
}
H(f_bswap_4)
{
    c->r[i->d] = __builtin_bswap32((uint32_t)c->r[i->d]);
    NEXT;
}
H(f_bswap_8)
{
    c->r[i->d] = __builtin_bswap64(c->r[i->d]);
    NEXT;
}

/* ---- conditional: the condition is in aux ---- */
#define CMOV(S)                                                          \
    H(f_cmov_r_##S)                                                      \
    {                                                                    \
        const bool take = lf_cond(i->aux, lf_res, lf_aux);               \
        const uint64_t a = reg_get(c, i->s, S), b = reg_get(c, i->d, S); \
        reg_set(c, i->d, S, take ? a : b);                               \
        NEXT;                                                            \
    }                                                                    \
    H(f_cmov_flat_##S)                                                   \
    {                                                                    \
        MEM_R(at, EA_flat, S, h_sem);                                    \
        const bool take = lf_cond(i->aux, lf_res, lf_aux);               \
        const uint64_t a = host_ld(at, S), b = reg_get(c, i->d, S);      \
        reg_set(c, i->d, S, take ? a : b);                               \
        NEXT;                                                            \
    }
CMOV(4)
CMOV(8)

H(f_setcc_r)
{
    reg_set(c, i->s, 1, lf_cond(i->aux, lf_res, lf_aux));
    NEXT;
}

/* ---- stack, 64-bit code ---- */
H(f_push_r_8)
{
    MEM_W(at, c->r[R_SP] - 8, 8, h_sem);
    host_st(at, 8, c->r[i->d]);
    c->r[R_SP] = at_la;
    NEXT;
}
H(f_push_i_8)
{
    MEM_W(at, c->r[R_SP] - 8, 8, h_sem);
    host_st(at, 8, (uint64_t)(int64_t)i->imm);
    c->r[R_SP] = at_la;
    NEXT;
}
H(f_pop_r_8)
{
    MEM_R(at, c->r[R_SP], 8, h_sem);
    const uint64_t v = host_ld(at, 8);
    c->r[R_SP] += 8;
    c->r[i->d] = v;
    NEXT;
}
/* Two to four in a row, none of RSP, within one page: one handler. Else one by one. */
#define RUNS(n)                                             \
    H(f_pushes_##n)                                         \
    {                                                       \
        MEM_W(at, c->r[R_SP] - 8 * n, 8 * n, f_push_r_8);   \
        for (unsigned k = 0; k < n; k++)                    \
            host_st(at + 8 * (n - 1 - k), 8, c->r[i[k].d]); \
        c->r[R_SP] = at_la;                                 \
        i += n;                                             \
        TAIL(i->fn);                                        \
    }                                                       \
    H(f_pops_##n)                                           \
    {                                                       \
        MEM_R(at, c->r[R_SP], 8 * n, f_pop_r_8);            \
        for (unsigned k = 0; k < n; k++)                    \
            c->r[i[k].d] = host_ld(at + 8 * k, 8);          \
        c->r[R_SP] = at_la + 8 * n;                         \
        i += n;                                             \
        TAIL(i->fn);                                        \
    }
RUNS(2)
RUNS(3)
RUNS(4)

static insn_fn *const push_runs[] = {NULL, f_push_r_8, f_pushes_2, f_pushes_3, f_pushes_4};
static insn_fn *const pop_runs[] = {NULL, f_pop_r_8, f_pops_2, f_pops_3, f_pops_4};

void fast_runs(struct block *b)
{
    unsigned pushes = 0, pops = 0;
    for (unsigned n = b->n; n-- > 0;) {
        struct insn *const i = &b->insn[n];
        pushes = i->fn == f_push_r_8 && i->d != R_SP ? pushes + (pushes < 4) : 0;
        pops = i->fn == f_pop_r_8 && i->d != R_SP ? pops + (pops < 4) : 0;
        if (pushes)
            i->fn = push_runs[pushes];
        else if (pops)
            i->fn = pop_runs[pops];
    }
}

H(f_leave_8)
{
    MEM_R(at, c->r[R_BP], 8, h_sem);
    const uint64_t v = host_ld(at, 8);
    c->r[R_SP] = at_la + 8;
    c->r[R_BP] = v;
    NEXT;
}
/* 32-bit flat code with a 32-bit stack */
H(f_push_r_4)
{
    MEM_W(at, (uint32_t)(c->r[R_SP] - 4), 4, h_sem);
    host_st(at, 4, c->r[i->d]);
    c->r[R_SP] = at_la;
    NEXT;
}
H(f_push_i_4)
{
    MEM_W(at, (uint32_t)(c->r[R_SP] - 4), 4, h_sem);
    host_st(at, 4, (uint64_t)(int64_t)i->imm);
    c->r[R_SP] = at_la;
    NEXT;
}
H(f_pop_r_4)
{
    MEM_R(at, (uint32_t)c->r[R_SP], 4, h_sem);
    const uint64_t v = host_ld(at, 4);
    c->r[R_SP] = (uint32_t)(at_la + 4);
    c->r[i->d] = v;
    NEXT;
}

#define S2(f) \
    {         \
        f, f  \
    }
#define NONE2      \
    {              \
        NULL, NULL \
    }
#define ALL(form, ea)                                                                      \
    {                                                                                      \
        S2(form##_##ea##_1), S2(form##_##ea##_2), S2(form##_##ea##_4), S2(form##_##ea##_8) \
    }
#define EXT(name, ea)                                                                    \
    {                                                                                    \
        NONE2, S2(f_##name##_##ea##_2), S2(f_##name##_##ea##_4), S2(f_##name##_##ea##_8) \
    }
#define EXT48(name, ea)                                                \
    {                                                                  \
        NONE2, NONE2, S2(f_##name##_##ea##_4), S2(f_##name##_##ea##_8) \
    }
#define R48(a, b)                  \
    {                              \
        NONE2, NONE2, S2(a), S2(b) \
    }

const struct fast_forms fast_mov_forms[] = {
    {op_mov_eg, ALL(f_mov_eg, r), ALL(f_mov_eg, flat), ALL(f_mov_eg, gen), ALL(f_mov_eg, base)},
    {op_mov_ge, ALL(f_mov_ge, r), ALL(f_mov_ge, flat), ALL(f_mov_ge, gen), ALL(f_mov_ge, base)},
    {op_mov_ei, ALL(f_mov_ei, r), ALL(f_mov_ei, flat), ALL(f_mov_ei, gen), ALL(f_mov_ei, base)},
    {.sem = op_mov_ri, .reg = ALL(f_mov_ri8, r)},
    {.sem = op_mov_ri64, .reg = ALL(f_mov_ri, r)},
    {op_movzx8, EXT(movzx8, r), EXT(movzx8, flat), EXT(movzx8, gen), EXT(movzx8, base)},
    {op_movsx8, EXT(movsx8, r), EXT(movsx8, flat), EXT(movsx8, gen), EXT(movsx8, base)},
    {op_movzx16, EXT48(movzx16, r), EXT48(movzx16, flat), EXT48(movzx16, gen),
     EXT48(movzx16, base)},
    {op_movsx16, EXT48(movsx16, r), EXT48(movsx16, flat), EXT48(movsx16, gen),
     EXT48(movsx16, base)},
    {op_movsxd, EXT48(movsxd, r), EXT48(movsxd, flat), EXT48(movsxd, gen), EXT48(movsxd, base)},
    {.sem = op_lea, .flat = R48(f_lea_4, f_lea_8), .gen = R48(f_lea_a32, f_lea_a32)},
    {.sem = op_nop,
     .reg = {S2(h_nop), S2(h_nop), S2(h_nop), S2(h_nop)},
     .flat = {S2(h_nop), S2(h_nop), S2(h_nop), S2(h_nop)},
     .gen = {S2(h_nop), S2(h_nop), S2(h_nop), S2(h_nop)}},
    {.sem = op_xchg_ra, .reg = {NONE2, NONE2, NONE2, S2(f_xchg_ra_8)}},
    {.sem = op_cbw, .reg = R48(f_cbw_4, f_cbw_8)},
    {.sem = op_cwd, .reg = R48(f_cwd_4, f_cwd_8)},
    {.sem = op_bswap_r, .reg = R48(f_bswap_4, f_bswap_8)},
    {.sem = op_cmov, .reg = R48(f_cmov_r_4, f_cmov_r_8), .flat = R48(f_cmov_flat_4, f_cmov_flat_8)},
    {.sem = op_setcc, .reg = {S2(f_setcc_r), NONE2, NONE2, NONE2}},
    {.sem = op_push_r, .reg = R48(f_push_r_4, f_push_r_8)},
    {.sem = op_push_i, .reg = R48(f_push_i_4, f_push_i_8)},
    {.sem = op_pop_r, .reg = R48(f_pop_r_4, f_pop_r_8)},
    {.sem = op_leave, .reg = {NONE2, NONE2, NONE2, S2(f_leave_8)}},
    {.sem = NULL},
};
