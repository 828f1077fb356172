/*
 * cpu/fpu/sse_shuffle.c: shuffle, unpack, pack, blend, insert, extract, extend of MMX, SSE and
 * AVX forms of them.
 *
 * SDM 1 9.4.4-9.4.5, 10.4.1.4, 11.4.1.5, 12.6.9, 12.8, 12.10, 14.3.
 */
#include "cpu/fpu/kernels.h"

/* ---- pack and unpack ------------------------------------------------------------------------- */

#define PACK(name, to, from, ftype, lo, hi)                                         \
    KERNEL(name)                                                                    \
    {                                                                               \
        union vreg r;                                                               \
        const unsigned half = n / (unsigned)sizeof(ftype);                          \
        for (unsigned k = 0; k < half; k++) {                                       \
            r.to[k] = (__typeof__(r.to[0]))clamp((ftype)d->from[k], lo, hi);        \
            r.to[k + half] = (__typeof__(r.to[0]))clamp((ftype)s->from[k], lo, hi); \
        }                                                                           \
        memcpy(d->b, r.b, n);                                                       \
    }
PACK(packsswb, b, w, int16_t, -128, 127)
PACK(packuswb, b, w, int16_t, 0, 255)
PACK(packssdw, w, d, int32_t, -32768, 32767)
PACK(packusdw, w, d, int32_t, 0, 65535)
BOTH_OP(packsswb)
BOTH_OP(packuswb)
BOTH_OP(packssdw)
XMM_OP(x_packusdw, packusdw)

/* Interleave the lanes of the low (base 0) or high half. */
#define UNPACK(name, lane, size, high)                                \
    KERNEL(name)                                                      \
    {                                                                 \
        union vreg r;                                                 \
        const unsigned half = n / (2 * size), base = high ? half : 0; \
        for (unsigned k = 0; k < half; k++) {                         \
            r.lane[2 * k] = d->lane[base + k];                        \
            r.lane[2 * k + 1] = s->lane[base + k];                    \
        }                                                             \
        memcpy(d->b, r.b, n);                                         \
    }
UNPACK(punpcklbw, b, 1, 0)
UNPACK(punpcklwd, w, 2, 0)
UNPACK(punpckldq, d, 4, 0)
UNPACK(punpcklqdq, q, 8, 0)
UNPACK(punpckhbw, b, 1, 1)
UNPACK(punpckhwd, w, 2, 1)
UNPACK(punpckhdq, d, 4, 1)
UNPACK(punpckhqdq, q, 8, 1)
XMM_OP(x_punpcklbw, punpcklbw)
XMM_OP(x_punpcklwd, punpcklwd)
XMM_OP(x_punpckldq, punpckldq)
XMM_OP(x_punpcklqdq, punpcklqdq)
BOTH_OP(punpckhbw)
BOTH_OP(punpckhwd)
BOTH_OP(punpckhdq)
XMM_OP(x_punpckhqdq, punpckhqdq)

/* The low unpacks of MMX read four bytes from memory. */
#define MMX_LOW(name)                                                                           \
    OP(m_##name)                                                                                \
    {                                                                                           \
        mmx_begin(c);                                                                           \
        const uint64_t v = is_mem(i) ? mem_ld32(c, insn_la(c, i, 4, ACC_R)) : mmx_get(c, i->s); \
        const union vreg s = {.q = {v}};                                                        \
        union vreg d = {.q = {mmx_get(c, i->d)}};                                               \
        mmx_enter(c);                                                                           \
        k_##name(&d, &s, 8);                                                                    \
        mmx_set(c, i->d, d.q[0]);                                                               \
    }
MMX_LOW(punpcklbw)
MMX_LOW(punpcklwd)
MMX_LOW(punpckldq)

/* ---- shuffles -------------------------------------------------------------------------------- */

KERNEL(pshufb)
{
    union vreg r;
    for (unsigned k = 0; k < n; k++)
        r.b[k] = s->b[k] & 0x80 ? 0 : d->b[s->b[k] & (n - 1)];
    memcpy(d->b, r.b, n);
}
BOTH_OP(pshufb)

KERNEL_IMM(pshufd)
{
    const union vreg x = *s;
    for (unsigned k = 0; k < 4; k++)
        d->d[k] = x.d[imm >> 2 * k & 3];
}
XMM_OP_IMM(pshufd, pshufd, 0)

KERNEL_IMM(pshuflw)
{
    const union vreg x = *s;
    for (unsigned k = 0; k < 4; k++)
        d->w[k] = x.w[imm >> 2 * k & 3];
    d->q[1] = x.q[1];
}
XMM_OP_IMM(pshuflw, pshuflw, 0)

KERNEL_IMM(pshufhw)
{
    const union vreg x = *s;
    for (unsigned k = 0; k < 4; k++)
        d->w[4 + k] = x.w[4 + (imm >> 2 * k & 3)];
    d->q[0] = x.q[0];
}
XMM_OP_IMM(pshufhw, pshufhw, 0)

OP(pshufw)
{
    mmx_begin(c);
    const union vreg s = {.q = {mmx_src64(c, i)}};
    union vreg r = s;
    for (unsigned k = 0; k < 4; k++)
        r.w[k] = s.w[i->imm >> 2 * k & 3];
    mmx_enter(c);
    mmx_set(c, i->d, r.q[0]);
}

KERNEL_IMM(shufps)
{
    union vreg r;
    for (unsigned k = 0; k < 4; k++)
        r.d[k] = (k < 2 ? d->d : s->d)[imm >> 2 * k & 3];
    memcpy(d->b, r.b, 16);
}
XMM_OP_IMM(shufps, shufps, 0)

KERNEL_IMM(shufpd)
{
    d->q[0] = d->q[imm & 1];
    d->q[1] = s->q[imm >> 1 & 1];
}
XMM_OP_IMM(shufpd, shufpd, 2)

/* ---- blends ---------------------------------------------------------------------------------- */

#define BLEND_IMM(name, lane, count, shift)  \
    KERNEL_IMM(name)                         \
    {                                        \
        for (unsigned k = 0; k < count; k++) \
            if (imm >> k & 1)                \
                d->lane[k] = s->lane[k];     \
    }                                        \
    XMM_OP_IMM(name, name, shift)
BLEND_IMM(blendps, d, 4, 4)
BLEND_IMM(blendpd, q, 2, 2)
BLEND_IMM(pblendw, w, 8, 0)

/* By the top bits of a mask: XMM0, or with VEX the register in imm[7:4]. */
#define BLEND_MASK(name, lane, count, bits)                                                \
    OP(name)                                                                               \
    {                                                                                      \
        fpu_check_sse(c);                                                                  \
        const union vreg s = src128(c, i), mask = c->xmm[0];                               \
        for (unsigned k = 0; k < count; k++) {                                             \
            if (mask.lane[k] >> (bits - 1) & 1)                                            \
                c->xmm[i->d].lane[k] = s.lane[k];                                          \
        }                                                                                  \
    }                                                                                      \
    OP(v##name)                                                                            \
    {                                                                                      \
        fpu_check_avx(c);                                                                  \
        const union vreg s = vex_src(c, i);                                                \
        const union vreg *mask = &c->xmm[(uint8_t)i->imm >> 4 & (cpu_code64(c) ? 15 : 7)]; \
        union vreg r = *vex_v(c, i);                                                       \
        for (unsigned k = 0; k < 2 * count; k++) {                                         \
            if (mask->lane[k] >> (bits - 1) & 1)                                           \
                r.lane[k] = s.lane[k];                                                     \
        }                                                                                  \
        vex_put(c, i, r);                                                                  \
    }
BLEND_MASK(pblendvb, b, 16, 8)
BLEND_MASK(blendvps, d, 4, 32)
BLEND_MASK(blendvpd, q, 2, 64)

/* ---- extensions ------------------------------------------------------------------------------ */

/* 2 to 16 bytes of a register or memory */
static inline union vreg part_src(struct cpu *c, const struct insn *i, unsigned bytes)
{
    union vreg v = {{0}};
    if (!is_mem(i))
        return c->xmm[i->s];
    const uint64_t la = insn_la(c, i, bytes, ACC_R);
    if (bytes == 16)
        mem_ld128(c, la, v.b);
    else
        v.q[0] = mem_ld(c, la, bytes);
    return v;
}

/* `bytes` source bytes become 16, or twice as many 32 */
#define EXTEND(name, to, count, from_type, to_type)                                                \
    OP(name)                                                                                       \
    {                                                                                              \
        fpu_check_sse(c);                                                                          \
        const unsigned bytes = count * (unsigned)sizeof(from_type);                                \
        const union vreg s = {                                                                     \
            .q = {is_mem(i) ? mem_ld(c, insn_la(c, i, bytes, ACC_R), bytes) : c->xmm[i->s].q[0]}}; \
        for (unsigned k = 0; k < count; k++) {                                                     \
            from_type x;                                                                           \
            memcpy(&x, s.b + k * sizeof x, sizeof x);                                              \
            c->xmm[i->d].to[k] = (to_type)x;                                                       \
        }                                                                                          \
    }                                                                                              \
    OP(v##name)                                                                                    \
    {                                                                                              \
        fpu_check_avx(c);                                                                          \
        const union vreg s = part_src(c, i, count * (unsigned)sizeof(from_type) << vex_256(i));    \
        union vreg r = {{0}};                                                                      \
        for (unsigned k = 0; k < 2 * count; k++) {                                                 \
            from_type x;                                                                           \
            memcpy(&x, s.b + k * sizeof x, sizeof x);                                              \
            r.to[k] = (to_type)x;                                                                  \
        }                                                                                          \
        vex_put(c, i, r);                                                                          \
    }
EXTEND(pmovsxbw, w, 8, int8_t, uint16_t)
EXTEND(pmovsxbd, d, 4, int8_t, uint32_t)
EXTEND(pmovsxbq, q, 2, int8_t, uint64_t)
EXTEND(pmovsxwd, d, 4, int16_t, uint32_t)
EXTEND(pmovsxwq, q, 2, int16_t, uint64_t)
EXTEND(pmovsxdq, q, 2, int32_t, uint64_t)
EXTEND(pmovzxbw, w, 8, uint8_t, uint16_t)
EXTEND(pmovzxbd, d, 4, uint8_t, uint32_t)
EXTEND(pmovzxbq, q, 2, uint8_t, uint64_t)
EXTEND(pmovzxwd, d, 4, uint16_t, uint32_t)
EXTEND(pmovzxwq, q, 2, uint16_t, uint64_t)
EXTEND(pmovzxdq, q, 2, uint32_t, uint64_t)

/* ---- insert and extract ---------------------------------------------------------------------- */

static uint64_t gpr_or_mem(struct cpu *c, const struct insn *i, unsigned size)
{
    return is_mem(i) ? mem_ld(c, insn_la(c, i, size, ACC_R), size) : c->r[i->s];
}

OP(x_pinsrw)
{
    fpu_check_sse(c);
    c->xmm[i->d].w[i->imm & 7] = (uint16_t)gpr_or_mem(c, i, 2);
}

OP(vx_pinsrw)
{
    fpu_check_avx(c);
    union vreg r = *vex_v(c, i);
    r.w[i->imm & 7] = (uint16_t)gpr_or_mem(c, i, 2);
    vex_put128(c, i, r);
}

OP(m_pinsrw)
{
    mmx_begin(c);
    const uint16_t v = (uint16_t)gpr_or_mem(c, i, 2);
    union vreg d = {.q = {mmx_get(c, i->d)}};
    d.w[i->imm & 3] = v;
    mmx_enter(c);
    mmx_set(c, i->d, d.q[0]);
}

OP(pinsrb)
{
    fpu_check_sse(c);
    c->xmm[i->d].b[i->imm & 15] = (uint8_t)gpr_or_mem(c, i, 1);
}

OP(vpinsrb)
{
    fpu_check_avx(c);
    union vreg r = *vex_v(c, i);
    r.b[i->imm & 15] = (uint8_t)gpr_or_mem(c, i, 1);
    vex_put128(c, i, r);
}

static inline void insert_dq(struct cpu *c, const struct insn *i, union vreg *d)
{
    if (i->osize == 8)
        d->q[i->imm & 1] = gpr_or_mem(c, i, 8);
    else
        d->d[i->imm & 3] = (uint32_t)gpr_or_mem(c, i, 4);
}

OP(pinsrd)
{
    fpu_check_sse(c);
    insert_dq(c, i, &c->xmm[i->d]);
}

OP(vpinsrd)
{
    fpu_check_avx(c);
    union vreg r = *vex_v(c, i);
    insert_dq(c, i, &r);
    vex_put128(c, i, r);
}

static inline void insert_single(struct cpu *c, const struct insn *i, union vreg *d)
{
    const unsigned imm = (unsigned)i->imm;
    const uint32_t v = is_mem(i) ? mem_ld32(c, insn_la(c, i, 4, ACC_R))
                                 : c->xmm[i->s].d[imm >> 6 & 3];
    d->d[imm >> 4 & 3] = v;
    for (unsigned k = 0; k < 4; k++) {
        if (imm >> k & 1)
            d->d[k] = 0;
    }
}

OP(insertps)
{
    fpu_check_sse(c);
    insert_single(c, i, &c->xmm[i->d]);
}

OP(vinsertps)
{
    fpu_check_avx(c);
    union vreg r = *vex_v(c, i);
    insert_single(c, i, &r);
    vex_put128(c, i, r);
}

/* To a register (zero-extended) or to memory of `size` bytes. */
static void extract(struct cpu *c, const struct insn *i, unsigned size, uint64_t v)
{
    if (is_mem(i))
        mem_st(c, insn_la(c, i, size, ACC_W), size, v);
    else
        c->r[i->s] = v;
}

/* Legacy and VEX forms differ in what allows them only. */
#define EXTRACT(name, statement) \
    OP(name)                     \
    {                            \
        fpu_check_sse(c);        \
        statement;               \
    }                            \
    OP(v##name)                  \
    {                            \
        fpu_check_avx(c);        \
        statement;               \
    }
EXTRACT(pextrb, extract(c, i, 1, c->xmm[i->d].b[i->imm & 15]))
EXTRACT(pextrw_store, extract(c, i, 2, c->xmm[i->d].w[i->imm & 7]))
EXTRACT(extractps, extract(c, i, 4, c->xmm[i->d].d[i->imm & 3]))
EXTRACT(x_pextrw, c->r[i->d] = c->xmm[i->s].w[i->imm & 7])
EXTRACT(pextrd, extract(c, i, i->osize == 8 ? 8 : 4,
                        i->osize == 8 ? c->xmm[i->d].q[i->imm & 1] : c->xmm[i->d].d[i->imm & 3]))

OP(m_pextrw)
{
    mmx_begin(c);
    const uint64_t v = mmx_get(c, i->s);
    mmx_enter(c);
    c->r[i->d] = v >> 16 * (i->imm & 3) & 0xffff;
}

/* ---- sign masks ------------------------------------------------------------------------------ */

static unsigned sign_mask(const uint8_t *b, unsigned n, unsigned step)
{
    unsigned m = 0;
    if (step == 1) {
        for (unsigned k = 0; k < n; k += 8) {
            uint64_t v;
            memcpy(&v, b + k, 8);
            m |= top_bits(v) << k;
        }
        return m;
    }
    for (unsigned k = 0; k < n / step; k++)
        m |= (unsigned)(b[k * step + step - 1] >> 7) << k;
    return m;
}

#define SIGN_MASK(name, step)                                               \
    OP(name)                                                                \
    {                                                                       \
        fpu_check_sse(c);                                                   \
        c->r[i->d] = sign_mask(c->xmm[i->s].b, 16, step);                   \
    }                                                                       \
    OP(v##name)                                                             \
    {                                                                       \
        fpu_check_avx(c);                                                   \
        c->r[i->d] = sign_mask(c->xmm[i->s].b, vex_256(i) ? 32 : 16, step); \
    }
SIGN_MASK(x_pmovmskb, 1)
SIGN_MASK(movmskps, 4)
SIGN_MASK(movmskpd, 8)

OP(m_pmovmskb)
{
    mmx_begin(c);
    const uint64_t v = mmx_get(c, i->s);
    const union vreg s = {.q = {v}};
    mmx_enter(c);
    c->r[i->d] = sign_mask(s.b, 8, 1);
}
