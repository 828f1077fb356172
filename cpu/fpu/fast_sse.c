/*
 * cpu/fpu/fast_sse.c: chained handlers (cpu/interp/fast.h) of SSE: moves, logic, packed integers,
 * scalar and packed arithmetic, compares, conversions. The VEX forms are in fast_avx.c.
 *
 * Floating point is the host's where that gives the same bits and flags (cpu/fpu/fast.h says why):
 * operands normal or zero, the result normal and clear of the underflow boundary or an exact zero,
 * round to nearest, and inexactness already recorded and masked. Compares, conversions from 32-bit
 * integers and widening are exact, so they need no look at MXCSR. All else goes the way of the
 * row's semantic function.
 *
 * Register forms may fault too (#NM, #XM): fast_assign keeps flags alive before them.
 */
#include "cpu/fpu/fast.h"
#include "cpu/fpu/kernels.h"
#include "cpu/interp/fast.h"

#define INSN(map, opcode, prefix, modrm, name, o1, o2, o3, feat, attrs, flr, flw, flu, sem) \
    op_fn op_##sem;
#include "cpu/isa/sse.def"
#undef INSN

/* ---- operands -------------------------------------------------------------------------------- */

typedef uint64_t v2u64 __attribute__((vector_size(16)));
typedef uint32_t v4u32 __attribute__((vector_size(16)));
typedef uint16_t v8u16 __attribute__((vector_size(16)));
typedef uint8_t v16u8 __attribute__((vector_size(16)));
typedef double v2f64 __attribute__((vector_size(16)));
typedef float v4f32 __attribute__((vector_size(16)));

ALU_INLINE v2u64 x_get(const struct cpu *c, unsigned n)
{
    v2u64 v;
    memcpy(&v, c->xmm[n].b, 16);
    return v;
}

ALU_INLINE void x_set(struct cpu *c, unsigned n, v2u64 v)
{
    memcpy(c->xmm[n].b, &v, 16);
}

ALU_INLINE v2u64 x_ld(uintptr_t at)
{
    v2u64 v;
    memcpy(&v, (const void *)at, 16);
    return v;
}

ALU_INLINE bool sse_on(const struct cpu *c)
{
    return !(c->cr0 & (CR0_EM | CR0_TS)) && (c->cr4 & CR4_OSFXSR);
}

#define GATE                  \
    if (UNLIKELY(!sse_on(c))) \
    TAIL(h_sem)
#define NEED(cond)         \
    if (UNLIKELY(!(cond))) \
    TAIL(h_sem)

/* The r/m operand `s`, by size; A: 16 bytes that must be aligned, U: may be unaligned. */
#define SRC_A_r const v2u64 s = x_get(c, i->s)
#define SRC_A_m(ea)                \
    MEM_R(at, EA_##ea, 16, h_sem); \
    NEED(!(at_la & 15));           \
    const v2u64 s = x_ld(at)
#define SRC_U_r const v2u64 s = x_get(c, i->s)
#define SRC_U_m(ea)                \
    MEM_R(at, EA_##ea, 16, h_sem); \
    const v2u64 s = x_ld(at)
#define SRC_8_r const uint64_t s = c->xmm[i->s].q[0]
#define SRC_8_m(ea)               \
    MEM_R(at, EA_##ea, 8, h_sem); \
    const uint64_t s = host_ld(at, 8)
#define SRC_4_r const uint32_t s = c->xmm[i->s].d[0]
#define SRC_4_m(ea)               \
    MEM_R(at, EA_##ea, 4, h_sem); \
    const uint32_t s = (uint32_t)host_ld(at, 4)
/* a general register */
#define SRC_G4_r const uint32_t s = (uint32_t)c->r[i->s]
#define SRC_G4_m SRC_4_m
#define SRC_G8_r const uint64_t s = c->r[i->s]
#define SRC_G8_m SRC_8_m

/* All four forms of a row that reads its r/m operand. */
#define X_MEM(name, src, ea, ...) \
    H(f_##name##_##ea)            \
    {                             \
        GATE;                     \
        SRC_##src##_m(ea);        \
        __VA_ARGS__;              \
        NEXT;                     \
    }
#define X_ROW(name, src, ...)           \
    H(f_##name##_r)                     \
    {                                   \
        GATE;                           \
        SRC_##src##_r;                  \
        __VA_ARGS__;                    \
        NEXT;                           \
    }                                   \
    X_MEM(name, src, flat, __VA_ARGS__) \
    X_MEM(name, src, gen, __VA_ARGS__)  \
    X_MEM(name, src, base, __VA_ARGS__)
/* ... that stores it: `st` writes to host address `at`, `reg` to the register. */
#define X_ST_MEM(name, size, need, ea, st) \
    H(f_##name##_##ea)                     \
    {                                      \
        GATE;                              \
        MEM_W(at, EA_##ea, size, h_sem);   \
        NEED(need);                        \
        st;                                \
        NEXT;                              \
    }
#define X_STORE(name, size, need, st, reg) \
    H(f_##name##_r)                        \
    {                                      \
        GATE;                              \
        reg;                               \
        NEXT;                              \
    }                                      \
    X_ST_MEM(name, size, need, flat, st)   \
    X_ST_MEM(name, size, need, gen, st)    \
    X_ST_MEM(name, size, need, base, st)

/* ---- moves ----------------------------------------------------------------------------------- */

#define STORE16 memcpy((void *)at, c->xmm[i->d].b, 16)
#define STORE8  host_st(at, 8, c->xmm[i->d].q[0])

X_ROW(movaps_ld, A, x_set(c, i->d, s))
X_ROW(movups_ld, U, x_set(c, i->d, s))
X_STORE(movaps_st, 16, !(at_la & 15), STORE16, x_set(c, i->s, x_get(c, i->d)))
X_STORE(movups_st, 16, true, STORE16, x_set(c, i->s, x_get(c, i->d)))
X_STORE(movsd_st, 8, true, STORE8, c->xmm[i->s].q[0] = c->xmm[i->d].q[0])
X_STORE(movss_st, 4, true, host_st(at, 4, c->xmm[i->d].d[0]), c->xmm[i->s].d[0] = c->xmm[i->d].d[0])
X_STORE(x_movq_st, 8, true, STORE8, x_set(c, i->s, (v2u64){c->xmm[i->d].q[0], 0}))
X_STORE(movhps_st, 8, true, host_st(at, 8, c->xmm[i->d].q[1]), TAIL(h_sem))
X_STORE(movlps_st, 8, true, STORE8, TAIL(h_sem))
X_STORE(movd4_st, 4, true, host_st(at, 4, c->xmm[i->d].d[0]), c->r[i->s] = c->xmm[i->d].d[0])
X_STORE(movd8_st, 8, true, STORE8, c->r[i->s] = c->xmm[i->d].q[0])
X_ROW(x_movq_ld, 8, x_set(c, i->d, (v2u64){s, 0}))
X_ROW(movd4_ld, G4, x_set(c, i->d, (v2u64){s, 0}))
X_ROW(movd8_ld, G8, x_set(c, i->d, (v2u64){s, 0}))
X_ROW(movddup, 8, x_set(c, i->d, (v2u64){s, s}))
/* clang-format off */
/* register moves merge, loads clear the rest */
#define MOVS_ld(name, src, lane)                          \
    H(f_##name##_r)                                       \
    {                                                     \
        GATE;                                             \
        c->xmm[i->d].lane = c->xmm[i->s].lane;            \
        NEXT;                                             \
    }                                                     \
    X_MEM(name, src, flat, x_set(c, i->d, (v2u64){s, 0})) \
    X_MEM(name, src, gen, x_set(c, i->d, (v2u64){s, 0}))  \
    X_MEM(name, src, base, x_set(c, i->d, (v2u64){s, 0}))
MOVS_ld(movsd_ld, 8, q[0])
MOVS_ld(movss_ld, 4, d[0])
/* register forms take the other half */
#define MOVH_ld(name, to, from)                    \
    H(f_##name##_r)                                \
    {                                              \
        GATE;                                      \
        c->xmm[i->d].q[to] = c->xmm[i->s].q[from]; \
        NEXT;                                      \
    }                                              \
    X_MEM(name, 8, flat, c->xmm[i->d].q[to] = s)   \
    X_MEM(name, 8, gen, c->xmm[i->d].q[to] = s)    \
    X_MEM(name, 8, base, c->xmm[i->d].q[to] = s)
MOVH_ld(movhps_ld, 1, 0)
MOVH_ld(movlps_ld, 0, 1)

/* ---- logic, packed integers, shuffles -------------------------------------------------------- */

ALU_INLINE v2u64 shuffle_d(v2u64 lo, v2u64 hi, unsigned imm)
{
    const v4u32 l = (v4u32)lo, h = (v4u32)hi;
    return (v2u64)(v4u32){l[imm & 3], l[imm >> 2 & 3], h[imm >> 4 & 3], h[imm >> 6 & 3]};
}

#define D x_get(c, i->d)
#define LANES_OP(name, type, op) X_ROW(name, A, x_set(c, i->d, (v2u64)((type)D op (type)s)))
LANES_OP(x_pand, v2u64, &)
LANES_OP(x_por, v2u64, |)
LANES_OP(x_pxor, v2u64, ^)
X_ROW(x_pandn, A, x_set(c, i->d, ~D & s))
LANES_OP(x_paddb, v16u8, +)
LANES_OP(x_paddw, v8u16, +)
LANES_OP(x_paddd, v4u32, +)
LANES_OP(x_paddq, v2u64, +)
LANES_OP(x_psubb, v16u8, -)
LANES_OP(x_psubw, v8u16, -)
LANES_OP(x_psubd, v4u32, -)
LANES_OP(x_psubq, v2u64, -)
LANES_OP(x_pcmpeqb, v16u8, ==)
LANES_OP(x_pcmpeqw, v8u16, ==)
LANES_OP(x_pcmpeqd, v4u32, ==)
X_ROW(x_punpcklqdq, A, c->xmm[i->d].q[1] = s[0])
X_ROW(x_punpckhqdq, A, x_set(c, i->d, (v2u64){D[1], s[1]}))
X_ROW(pshufd, A, x_set(c, i->d, shuffle_d(s, s, (unsigned)i->imm)))
X_ROW(shufps, A, x_set(c, i->d, shuffle_d(D, s, (unsigned)i->imm)))
X_ROW(shufpd, A, x_set(c, i->d, (v2u64){D[i->imm & 1], s[i->imm >> 1 & 1]}))

H(f_x_pmovmskb_r)
{
    GATE;
    c->r[i->d] = top_bits(c->xmm[i->s].q[0]) | top_bits(c->xmm[i->s].q[1]) << 8;
    NEXT;
}
H(f_movmskpd_r)
{
    GATE;
    c->r[i->d] = c->xmm[i->s].q[0] >> 63 | c->xmm[i->s].q[1] >> 63 << 1;
    NEXT;
}
/* clang-format on */

/* ---- arithmetic ------------------------------------------------------------------------------ */

/* Results may be rounded: to nearest, and the inexact flag is set and masked already. */
ALU_INLINE bool host_rounds(const struct cpu *c)
{
    return fast_mode(c->fpu.mxcsr) == FAST_ANY;
}

#define SCALAR(bits, lane, kind, op)                                                 \
    const uint##bits##_t a = c->xmm[i->d].lane;                                      \
    const uint##bits##_t r = f##bits##_bits(f##bits##_host(a) op f##bits##_host(s)); \
    NEED(host_rounds(c) && f##bits##_##kind##_ok(a, s, r));                          \
    c->xmm[i->d].lane = r

#define PACKED_PD(kind, op)                                     \
    const v2u64 a = D, r = (v2u64)((v2f64)a op(v2f64) s);       \
    NEED(host_rounds(c) && f64_##kind##_ok(a[0], s[0], r[0]) && \
         f64_##kind##_ok(a[1], s[1], r[1]));                    \
    x_set(c, i->d, r)

#define PACKED_PS(kind, op)                                                        \
    const v4u32 a = (v4u32)D, b = (v4u32)s, r = (v4u32)((v4f32)a op(v4f32) b);     \
    NEED(host_rounds(c) && f32_##kind##_ok(a[0], b[0], r[0]) &&                    \
         f32_##kind##_ok(a[1], b[1], r[1]) && f32_##kind##_ok(a[2], b[2], r[2]) && \
         f32_##kind##_ok(a[3], b[3], r[3]));                                       \
    x_set(c, i->d, (v2u64)r)

#define ARITH(name, kind, op)                      \
    X_ROW(name##sd, 8, SCALAR(64, q[0], kind, op)) \
    X_ROW(name##ss, 4, SCALAR(32, d[0], kind, op)) \
    X_ROW(name##pd, A, PACKED_PD(kind, op))        \
    X_ROW(name##ps, A, PACKED_PS(kind, op))
ARITH(add, add, +)
ARITH(sub, add, -)
ARITH(mul, mul, *)
ARITH(div, div, /)

X_ROW(sqrtsd, 8, NEED(host_rounds(c) && f64_normal(s) && !(s >> 63));
      c->xmm[i->d].q[0] = f64_bits(__builtin_sqrt(f64_host(s))))
X_ROW(sqrtss, 4, NEED(host_rounds(c) && f32_normal(s) && !(s >> 31));
      c->xmm[i->d].d[0] = f32_bits(__builtin_sqrtf(f32_host(s))))

/* MIN, MAX: the second operand unless the first is strictly less/greater. */
#define MINMAX(name, op)                                          \
    X_ROW(name##sd, 8, const uint64_t a = c->xmm[i->d].q[0];      \
          NEED(f64_operand(a) && f64_operand(s));                 \
          c->xmm[i->d].q[0] = f64_host(a) op f64_host(s) ? a : s) \
    X_ROW(name##ss, 4, const uint32_t a = c->xmm[i->d].d[0];      \
          NEED(f32_operand(a) && f32_operand(s));                 \
          c->xmm[i->d].d[0] = f32_host(a) op f32_host(s) ? a : s)
MINMAX(min, <)
MINMAX(max, >)

/* (U)COMIS: ZF and CF only. */
#define COMPARE(bits, lane)                                        \
    const uint##bits##_t a = c->xmm[i->d].lane;                    \
    NEED(f##bits##_operand(a) && f##bits##_operand(s));            \
    lf_res = f##bits##_host(a) != f##bits##_host(s);               \
    lf_aux = f##bits##_host(a) < f##bits##_host(s) ? LF_CF | LF_PO \
             : lf_res                              ? 0             \
                                                   : 1ull << LF_PD_SHIFT
X_ROW(ucomisd, 8, COMPARE(64, q[0]))
X_ROW(ucomiss, 4, COMPARE(32, d[0]))

/* ---- conversions ----------------------------------------------------------------------------- */

X_ROW(cvtsi2sd_4, G4, c->xmm[i->d].q[0] = f64_bits((double)(int32_t)s))
X_ROW(cvtsi2sd_8, G8, const int64_t v = (int64_t)s;
      NEED((v + (1ll << 52)) >> 53 == 0 || host_rounds(c)); c->xmm[i->d].q[0] = f64_bits((double)v))
X_ROW(cvtsi2ss_4, G4, const int32_t v = (int32_t)s;
      NEED((v + (1ll << 23)) >> 24 == 0 || host_rounds(c)); c->xmm[i->d].d[0] = f32_bits((float)v))
X_ROW(cvtsi2ss_8, G8, const int64_t v = (int64_t)s;
      NEED((v + (1ll << 23)) >> 24 == 0 || host_rounds(c)); c->xmm[i->d].d[0] = f32_bits((float)v))
X_ROW(cvtdq2pd, 8,
      x_set(c, i->d, (v2u64){f64_bits((double)(int32_t)s), f64_bits((double)(int32_t)(s >> 32))}))
X_ROW(cvtss2sd, 4, NEED(f32_operand(s)); c->xmm[i->d].q[0] = f64_bits((double)f32_host(s)))
X_ROW(cvtsd2ss, 8, const uint32_t r = f32_bits((float)f64_host(s));
      NEED(host_rounds(c) && (f64_zero(s) || (f64_normal(s) && f32_result(r))));
      c->xmm[i->d].d[0] = r)

/* Truncation of values in range; exact ones set no flag. */
#define TRUNCATE(bits, itype, limit)                           \
    NEED(f##bits##_operand(s));                                \
    const double v = (double)f##bits##_host(s);                \
    NEED(v > -(limit) && v < (limit));                         \
    const itype n = (itype)v;                                  \
    NEED((double)n == v || (c->fpu.mxcsr & 0x1020) == 0x1020); \
    c->r[i->d] = sizeof n == 4 ? (uint32_t)n : (uint64_t)n
X_ROW(cvttsd2si_4, 8, TRUNCATE(64, int32_t, 2147483648.0))
X_ROW(cvttsd2si_8, 8, TRUNCATE(64, int64_t, 9223372036854775808.0))
X_ROW(cvttss2si_4, 4, TRUNCATE(32, int32_t, 2147483648.0))
X_ROW(cvttss2si_8, 4, TRUNCATE(32, int64_t, 9223372036854775808.0))

/* ---- table ----------------------------------------------------------------------------------- */

/* clang-format off */
#define S4(f)     {{f, f}, {f, f}, {f, f}, {f, f}}
#define S31(f, g) {{f, f}, {f, f}, {f, f}, {g, g}} /* by operand size: 4 or 8 bytes */
#define ROW_AS(op, f)                                                                 \
    {op_##op, S4(f_##f##_r), S4(f_##f##_flat), S4(f_##f##_gen), S4(f_##f##_base)}
#define ROW(op) ROW_AS(op, op)
#define ROW_2(op, f, g)                                                               \
    {op_##op, S31(f_##f##_r, f_##g##_r), S31(f_##f##_flat, f_##g##_flat),             \
     S31(f_##f##_gen, f_##g##_gen), S31(f_##f##_base, f_##g##_base)}
#define ROW_REG(op) {.sem = op_##op, .reg = S4(f_##op##_r)}
/* clang-format on */
#define ROWS_FP(op) ROW(op##sd), ROW(op##ss), ROW(op##pd), ROW(op##ps)

const struct fast_forms fast_sse_forms[] = {
    ROW(movaps_ld),
    ROW(movaps_st),
    ROW(movups_ld),
    ROW(movups_st),
    ROW(movsd_ld),
    ROW(movsd_st),
    ROW(movss_ld),
    ROW(movss_st),
    ROW(movhps_ld),
    ROW(movlps_ld),
    ROW(movhps_st),
    ROW(movlps_st),
    ROW(x_movq_ld),
    ROW(x_movq_st),
    ROW(movddup),
    ROW_2(x_movd_ld, movd4_ld, movd8_ld),
    ROW_2(x_movd_st, movd4_st, movd8_st),
    ROW(x_pand),
    ROW(x_pandn),
    ROW(x_por),
    ROW(x_pxor),
    ROW(x_paddb),
    ROW(x_paddw),
    ROW(x_paddd),
    ROW(x_paddq),
    ROW(x_psubb),
    ROW(x_psubw),
    ROW(x_psubd),
    ROW(x_psubq),
    ROW(x_pcmpeqb),
    ROW(x_pcmpeqw),
    ROW(x_pcmpeqd),
    ROW(x_punpcklqdq),
    ROW(x_punpckhqdq),
    ROW(pshufd),
    ROW(shufps),
    ROW(shufpd),
    ROW_REG(x_pmovmskb),
    ROW_REG(movmskpd),
    ROWS_FP(add),
    ROWS_FP(sub),
    ROWS_FP(mul),
    ROWS_FP(div),
    ROW(sqrtsd),
    ROW(sqrtss),
    ROW(minsd),
    ROW(minss),
    ROW(maxsd),
    ROW(maxss),
    ROW(ucomisd),
    ROW(ucomiss),
    ROW_AS(comisd, ucomisd),
    ROW_AS(comiss, ucomiss),
    ROW_2(cvtsi2sd, cvtsi2sd_4, cvtsi2sd_8),
    ROW_2(cvtsi2ss, cvtsi2ss_4, cvtsi2ss_8),
    ROW(cvtdq2pd),
    ROW(cvtss2sd),
    ROW(cvtsd2ss),
    ROW_2(cvttsd2si, cvttsd2si_4, cvttsd2si_8),
    ROW_2(cvttss2si, cvttss2si_4, cvttss2si_8),
    {.sem = NULL},
};
