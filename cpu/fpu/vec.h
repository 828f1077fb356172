/*
 * cpu/fpu/vec.h: private to cpu/fpu: packed-integer kernels wrapped as MMX and XMM instructions.
 *
 * A kernel `k(union vreg *d, const union vreg *s, unsigned n)` works on the low n bytes (8 or 16).
 */
#ifndef CPU_FPU_VEC_H
#define CPU_FPU_VEC_H

#include "cpu/fpu/sse.h"

#define KERNEL(name) static inline void k_##name(union vreg *d, const union vreg *s, unsigned n)

/* XMM: both operands 16 bytes */
#define XMM_OP(name, kernel)               \
    OP(name)                               \
    {                                      \
        fpu_check_sse(c);                  \
        const union vreg s = src128(c, i); \
        k_##kernel(&c->xmm[i->d], &s, 16); \
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
