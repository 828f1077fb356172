/*
 * cpu/fpu/vec.h: private to cpu/fpu: packed-integer kernels wrapped as MMX, XMM and VEX
 * instructions.
 *
 * A kernel `k(union vreg *d, const union vreg *s, unsigned n)` works on the low n bytes (8 or 16).
 * Kernels of instructions with an immediate take that instead of n, and work on 16 bytes. The VEX
 * form of op_NAME is op_vNAME: its first source is vvvv, and with VEX.L the kernel runs on both
 * lanes.
 */
#ifndef CPU_FPU_VEC_H
#define CPU_FPU_VEC_H

#include "cpu/fpu/sse.h"

#define KERNEL(name) static inline void k_##name(union vreg *d, const union vreg *s, unsigned n)

/* XMM: both operands 16 bytes */
#define XMM_OP(name, kernel)                     \
    OP(name)                                     \
    {                                            \
        fpu_check_sse(c);                        \
        const union vreg s = src128(c, i);       \
        k_##kernel(&c->xmm[i->d], &s, 16);       \
    }                                            \
    OP(v##name)                                  \
    {                                            \
        fpu_check_avx(c);                        \
        const union vreg s = vex_src(c, i);      \
        union vreg r = *vex_v(c, i);             \
        k_##kernel(&r, &s, 16);                  \
        if (vex_256(i)) {                        \
            const union vreg s_hi = vreg_hi(&s); \
            union vreg r_hi = vreg_hi(&r);       \
            k_##kernel(&r_hi, &s_hi, 16);        \
            vreg_join(&r, &r_hi);                \
        }                                        \
        vex_put(c, i, r);                        \
    }

/* The same with an immediate; the upper lane uses imm >> shift. */
#define KERNEL_IMM(name) \
    static inline void k_##name(union vreg *d, const union vreg *s, unsigned imm)
#define XMM_OP_IMM(name, kernel, shift)                         \
    OP(name)                                                    \
    {                                                           \
        fpu_check_sse(c);                                       \
        const union vreg s = src128(c, i);                      \
        k_##kernel(&c->xmm[i->d], &s, (uint8_t)i->imm);         \
    }                                                           \
    OP(v##name)                                                 \
    {                                                           \
        fpu_check_avx(c);                                       \
        const union vreg s = vex_src(c, i);                     \
        union vreg r = *vex_v(c, i);                            \
        k_##kernel(&r, &s, (uint8_t)i->imm);                    \
        if (vex_256(i)) {                                       \
            const union vreg s_hi = vreg_hi(&s);                \
            union vreg r_hi = vreg_hi(&r);                      \
            k_##kernel(&r_hi, &s_hi, (uint8_t)i->imm >> shift); \
            vreg_join(&r, &r_hi);                               \
        }                                                       \
        vex_put(c, i, r);                                       \
    }

/* MMX: both operands 8 bytes */
#define MMX_OP(name, kernel)                           \
    OP(name)                                           \
    {                                                  \
        mmx_begin(c);                                  \
        const union vreg s = {.q = {mmx_src64(c, i)}}; \
        union vreg d = {.q = {mmx_get(c, i->d)}};      \
        mmx_enter(c);                                  \
        k_##kernel(&d, &s, 8);                         \
        mmx_set(c, i->d, d.q[0]);                      \
    }

#define BOTH_OP(name)      \
    XMM_OP(x_##name, name) \
    MMX_OP(m_##name, name)

/* Lane by lane: `type` elements x, y -> expression */
#define LANES(name, type, expr)                          \
    KERNEL(name)                                         \
    {                                                    \
        for (unsigned k = 0; k < n; k += sizeof(type)) { \
            type x, y;                                   \
            memcpy(&x, d->b + k, sizeof x);              \
            memcpy(&y, s->b + k, sizeof y);              \
            const type r = (type)(expr);                 \
            memcpy(d->b + k, &r, sizeof r);              \
        }                                                \
    }

static inline int32_t clamp(int32_t v, int32_t lo, int32_t hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}

#endif
