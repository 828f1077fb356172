/*
 * cpu/fpu/sse_int.c: packed integer arithmetic, logic, compares and shifts of MMX, SSE and AVX.
 *
 * SDM 1 9.4, 10.4.4, 11.4.2, 12.6 (SSSE3), 12.10-12.13 (SSE4.1), 14.6 (AVX2). op_x_* work on XMM,
 * op_m_* on MMX registers, op_v* are VEX forms.
 */
#include "cpu/fpu/kernels.h"

#include "cpu/flags.h"

/* ---- add, subtract --------------------------------------------------------------------------- */

LANES(paddsb, int8_t, clamp(x + y, -128, 127))
LANES(paddsw, int16_t, clamp(x + y, -32768, 32767))
LANES(psubsb, int8_t, clamp(x - y, -128, 127))
LANES(psubsw, int16_t, clamp(x - y, -32768, 32767))
LANES(paddusb, uint8_t, clamp(x + y, 0, 255))
LANES(paddusw, uint16_t, clamp(x + y, 0, 65535))
LANES(psubusb, uint8_t, clamp(x - y, 0, 255))
LANES(psubusw, uint16_t, clamp(x - y, 0, 65535))
LANES(pavgb, uint8_t, (x + y + 1) >> 1)
LANES(pavgw, uint16_t, (x + y + 1) >> 1)
BOTH_OP(paddb)
BOTH_OP(paddw)
BOTH_OP(paddd)
BOTH_OP(paddq)
BOTH_OP(psubb)
BOTH_OP(psubw)
BOTH_OP(psubd)
BOTH_OP(psubq)
BOTH_OP(paddsb)
BOTH_OP(paddsw)
BOTH_OP(psubsb)
BOTH_OP(psubsw)
BOTH_OP(paddusb)
BOTH_OP(paddusw)
BOTH_OP(psubusb)
BOTH_OP(psubusw)
BOTH_OP(pavgb)
BOTH_OP(pavgw)

/* ---- logic, compare, minimum, maximum -------------------------------------------------------- */

LANES(pcmpeqq, uint64_t, -(int64_t)(x == y))
LANES(pcmpgtw, int16_t, -(x > y))
LANES(pcmpgtd, int32_t, -(x > y))
LANES(pcmpgtq, int64_t, -(x > y))
LANES(pminsw, int16_t, x < y ? x : y)
LANES(pmaxsw, int16_t, x > y ? x : y)
LANES(pminsb, int8_t, x < y ? x : y)
LANES(pmaxsb, int8_t, x > y ? x : y)
LANES(pminuw, uint16_t, x < y ? x : y)
LANES(pmaxuw, uint16_t, x > y ? x : y)
LANES(pminud, uint32_t, x < y ? x : y)
LANES(pmaxud, uint32_t, x > y ? x : y)
LANES(pminsd, int32_t, x < y ? x : y)
LANES(pmaxsd, int32_t, x > y ? x : y)
BOTH_OP(pand)
BOTH_OP(pandn)
BOTH_OP(por)
BOTH_OP(pxor)
BOTH_OP(pcmpeqb)
BOTH_OP(pcmpeqw)
BOTH_OP(pcmpeqd)
XMM_OP(x_pcmpeqq, pcmpeqq)
BOTH_OP(pcmpgtb)
BOTH_OP(pcmpgtw)
BOTH_OP(pcmpgtd)
XMM_OP(x_pcmpgtq, pcmpgtq)
BOTH_OP(pminub)
BOTH_OP(pmaxub)
BOTH_OP(pminsw)
BOTH_OP(pmaxsw)
XMM_OP(x_pminsb, pminsb)
XMM_OP(x_pmaxsb, pmaxsb)
XMM_OP(x_pminuw, pminuw)
XMM_OP(x_pmaxuw, pmaxuw)
XMM_OP(x_pminud, pminud)
XMM_OP(x_pmaxud, pmaxud)
XMM_OP(x_pminsd, pminsd)
XMM_OP(x_pmaxsd, pmaxsd)

static void test_bits(struct cpu *c, const union vreg *d, const union vreg *s, uint64_t mask,
                      unsigned words)
{
    uint64_t both = 0, rest = 0;
    for (unsigned k = 0; k < words; k++) {
        both |= d->q[k] & s->q[k] & mask;
        rest |= ~d->q[k] & s->q[k] & mask;
    }
    lf_from_flags((both ? 0 : FL_ZF) | (rest ? 0 : FL_CF), &c->lf_res, &c->lf_aux);
}

OP(ptest)
{
    fpu_check_sse(c);
    const union vreg s = src128(c, i);
    test_bits(c, &c->xmm[i->d], &s, ~0ull, 2);
}

#define VEX_TEST(name, mask)                                       \
    OP(name)                                                       \
    {                                                              \
        fpu_check_avx(c);                                          \
        const union vreg s = vex_src(c, i);                        \
        test_bits(c, &c->xmm[i->d], &s, mask, vex_256(i) ? 4 : 2); \
    }
VEX_TEST(vptest, ~0ull)
VEX_TEST(vtestps, 0x8000000080000000ull)
VEX_TEST(vtestpd, 0x8000000000000000ull)

/* ---- multiply -------------------------------------------------------------------------------- */

LANES(pmullw, uint16_t, (uint32_t)x *y)
LANES(pmulhw, int16_t, (int32_t)x *y >> 16)
LANES(pmulhuw, uint16_t, (uint32_t)x *y >> 16)
LANES(pmulld, uint32_t, x *y)
LANES(pmuludq, uint64_t, (x & 0xffffffff) * (y & 0xffffffff))
LANES(pmuldq, uint64_t, (int64_t)(int32_t)x *(int32_t)y)
LANES(pmulhrsw, int16_t, (((int32_t)x * y >> 14) + 1) >> 1)

KERNEL(pmaddwd)
{
    for (unsigned k = 0; k < n / 4; k++)
        d->d[k] = (uint32_t)((int16_t)d->w[2 * k] * (int16_t)s->w[2 * k]) +
                  (uint32_t)((int16_t)d->w[2 * k + 1] * (int16_t)s->w[2 * k + 1]);
}

KERNEL(pmaddubsw)
{
    for (unsigned k = 0; k < n / 2; k++)
        d->w[k] = (uint16_t)clamp(d->b[2 * k] * (int8_t)s->b[2 * k] +
                                      d->b[2 * k + 1] * (int8_t)s->b[2 * k + 1],
                                  -32768, 32767);
}

KERNEL(psadbw)
{
    for (unsigned k = 0; k < n; k += 8) {
        unsigned sum = 0;
        for (unsigned j = k; j < k + 8; j++)
            sum += d->b[j] > s->b[j] ? d->b[j] - s->b[j] : s->b[j] - d->b[j];
        d->q[k / 8] = sum;
    }
}
BOTH_OP(pmullw)
BOTH_OP(pmulhw)
BOTH_OP(pmulhuw)
XMM_OP(x_pmulld, pmulld)
BOTH_OP(pmuludq)
XMM_OP(x_pmuldq, pmuldq)
BOTH_OP(pmulhrsw)
BOTH_OP(pmaddwd)
BOTH_OP(pmaddubsw)
BOTH_OP(psadbw)

KERNEL_IMM(mpsadbw)
{
    const union vreg x = *d, y = *s;
    const unsigned from = (imm >> 2 & 1) * 4u, block = (imm & 3) * 4u;
    for (unsigned k = 0; k < 8; k++) {
        unsigned sum = 0;
        for (unsigned j = 0; j < 4; j++) {
            const int diff = x.b[from + k + j] - y.b[block + j];
            sum += (unsigned)(diff < 0 ? -diff : diff);
        }
        d->w[k] = (uint16_t)sum;
    }
}
XMM_OP_IMM(mpsadbw, mpsadbw, 3)

KERNEL(phminposuw)
{
    unsigned best = 0;
    for (unsigned k = 1; k < n / 2; k++) {
        if (s->w[k] < s->w[best])
            best = k;
    }
    d->q[0] = s->w[best] | (uint64_t)best << 16;
    d->q[1] = 0;
}
XMM_OP(phminposuw, phminposuw)

/* ---- SSSE3: sign, absolute, horizontal ------------------------------------------------------- */

LANES(psignb, int8_t, y < 0 ? -x : y == 0 ? 0 : x)
LANES(psignw, int16_t, y < 0 ? -x : y == 0 ? 0 : x)
LANES(psignd, int32_t, y < 0 ? (int64_t)0 - x : y == 0 ? 0 : x)
LANES(pabsb, int8_t, ((void)x, y < 0 ? -y : y))
LANES(pabsw, int16_t, ((void)x, y < 0 ? -y : y))
LANES(pabsd, int32_t, ((void)x, y < 0 ? (int64_t)0 - y : y))
BOTH_OP(psignb)
BOTH_OP(psignw)
BOTH_OP(psignd)
BOTH_OP(pabsb)
BOTH_OP(pabsw)
BOTH_OP(pabsd)

#define HORIZONTAL_INT(name, lane, step, type, expr)                         \
    KERNEL(name)                                                             \
    {                                                                        \
        union vreg r;                                                        \
        const unsigned half = n / (2 * step);                                \
        for (unsigned k = 0; k < 2 * half; k++) {                            \
            const union vreg *from = k < half ? d : s;                       \
            const unsigned j = 2 * (k < half ? k : k - half);                \
            const type x = (type)from->lane[j], y = (type)from->lane[j + 1]; \
            r.lane[k] = (expr);                                              \
        }                                                                    \
        memcpy(d->b, r.b, n);                                                \
    }
HORIZONTAL_INT(phaddw, w, 2, uint16_t, (uint16_t)(x + y))
HORIZONTAL_INT(phaddd, d, 4, uint32_t, x + y)
HORIZONTAL_INT(phsubw, w, 2, uint16_t, (uint16_t)(x - y))
HORIZONTAL_INT(phsubd, d, 4, uint32_t, x - y)
HORIZONTAL_INT(phaddsw, w, 2, int16_t, (uint16_t)clamp(x + y, -32768, 32767))
HORIZONTAL_INT(phsubsw, w, 2, int16_t, (uint16_t)clamp(x - y, -32768, 32767))
BOTH_OP(phaddw)
BOTH_OP(phaddd)
BOTH_OP(phsubw)
BOTH_OP(phsubd)
BOTH_OP(phaddsw)
BOTH_OP(phsubsw)

/* ---- shifts ---------------------------------------------------------------------------------- */

/* Result to the vvvv operand */
static inline void put_v(struct cpu *c, const struct insn *i, union vreg v)
{
    if (!vex_256(i))
        v.q[2] = v.q[3] = 0;
    *vex_v(c, i) = v;
}

/* The count is the low 64 bits of the source. */
#define SHIFT(name, type, over, expr)                                       \
    static inline void sh_##name(union vreg *d, uint64_t count, unsigned n) \
    {                                                                       \
        const unsigned bits = sizeof(type) * 8;                             \
        for (unsigned k = 0; k < n; k += sizeof(type)) {                    \
            type x, r;                                                      \
            memcpy(&x, d->b + k, sizeof x);                                 \
            r = count < bits ? (type)(expr) : (type)(over);                 \
            memcpy(d->b + k, &r, sizeof r);                                 \
        }                                                                   \
    }                                                                       \
    KERNEL(name)                                                            \
    {                                                                       \
        sh_##name(d, s->q[0], n);                                           \
    }                                                                       \
    OP(x_##name)                                                            \
    {                                                                       \
        fpu_check_sse(c);                                                   \
        const union vreg s = src128(c, i);                                  \
        sh_##name(&c->xmm[i->d], s.q[0], 16);                               \
    }                                                                       \
    MMX_OP(m_##name, name)                                                  \
    OP(vx_##name)                                                           \
    {                                                                       \
        fpu_check_avx(c);                                                   \
        const union vreg s = vex_src128(c, i);                              \
        union vreg r = *vex_v(c, i);                                        \
        sh_##name(&r, s.q[0], 32);                                          \
        vex_put(c, i, r);                                                   \
    }                                                                       \
    OP(x_##name##_i)                                                        \
    {                                                                       \
        fpu_check_sse(c);                                                   \
        sh_##name(&c->xmm[i->s], (uint8_t)i->imm, 16);                      \
    }                                                                       \
    OP(vx_##name##_i)                                                       \
    {                                                                       \
        fpu_check_avx(c);                                                   \
        union vreg r = c->xmm[i->s];                                        \
        sh_##name(&r, (uint8_t)i->imm, 32);                                 \
        put_v(c, i, r);                                                     \
    }                                                                       \
    OP(m_##name##_i)                                                        \
    {                                                                       \
        mmx_begin(c);                                                       \
        union vreg d = {.q = {mmx_get(c, i->s)}};                           \
        mmx_enter(c);                                                       \
        sh_##name(&d, (uint8_t)i->imm, 8);                                  \
        mmx_set(c, i->s, d.q[0]);                                           \
    }
SHIFT(psrlw, uint16_t, 0, x >> count)
SHIFT(psrld, uint32_t, 0, x >> count)
SHIFT(psrlq, uint64_t, 0, x >> count)
SHIFT(psllw, uint16_t, 0, (uint32_t)x << count)
SHIFT(pslld, uint32_t, 0, x << count)
SHIFT(psllq, uint64_t, 0, x << count)
SHIFT(psraw, int16_t, x >> 15, x >> count)
SHIFT(psrad, int32_t, x >> 31, x >> count)

static fp_u128 get128(const union vreg *v)
{
    return (fp_u128)v->q[1] << 64 | v->q[0];
}

static void set128(union vreg *v, fp_u128 x)
{
    v->q[0] = (uint64_t)x;
    v->q[1] = (uint64_t)(x >> 64);
}

static inline void bytes_right(union vreg *d, unsigned n)
{
    set128(d, n > 15 ? 0 : get128(d) >> 8 * n);
}

static inline void bytes_left(union vreg *d, unsigned n)
{
    set128(d, n > 15 ? 0 : get128(d) << 8 * n);
}

#define SHIFT_BYTES(name, fn)                          \
    OP(x_##name##_i)                                   \
    {                                                  \
        fpu_check_sse(c);                              \
        fn(&c->xmm[i->s], (uint8_t)i->imm);            \
    }                                                  \
    OP(vx_##name##_i)                                  \
    {                                                  \
        fpu_check_avx(c);                              \
        union vreg r = c->xmm[i->s], hi = vreg_hi(&r); \
        fn(&r, (uint8_t)i->imm);                       \
        fn(&hi, (uint8_t)i->imm);                      \
        vreg_join(&r, &hi);                            \
        put_v(c, i, r);                                \
    }
SHIFT_BYTES(psrldq, bytes_right)
SHIFT_BYTES(pslldq, bytes_left)

KERNEL_IMM(palignr)
{
    fp_u128 r = 0;
    if (imm < 16)
        r = imm == 0 ? get128(s) : get128(s) >> 8 * imm | get128(d) << (128 - 8 * imm);
    else if (imm < 32)
        r = get128(d) >> 8 * (imm - 16);
    set128(d, r);
}
XMM_OP_IMM(x_palignr, palignr, 0)

OP(m_palignr)
{
    mmx_begin(c);
    const uint64_t s = mmx_src64(c, i);
    const unsigned n = (uint8_t)i->imm;
    const fp_u128 both = (fp_u128)mmx_get(c, i->d) << 64 | s;
    mmx_enter(c);
    mmx_set(c, i->d, n < 16 ? (uint64_t)(both >> 8 * n) : 0);
}

/* ---- AVX2: a count for each element ---------------------------------------------------------- */

#define SHIFT_EACH(name, lane, count, type, over, expr)     \
    OP(name)                                                \
    {                                                       \
        fpu_check_avx(c);                                   \
        const union vreg s = vex_src(c, i);                 \
        union vreg r = *vex_v(c, i);                        \
        for (unsigned k = 0; k < count; k++) {              \
            const type x = (type)r.lane[k];                 \
            const uint64_t n = s.lane[k];                   \
            r.lane[k] = n < 8 * sizeof x ? (expr) : (over); \
        }                                                   \
        vex_put(c, i, r);                                   \
    }
SHIFT_EACH(vpsrlvd, d, 8, uint32_t, 0, x >> n)
SHIFT_EACH(vpsrlvq, q, 4, uint64_t, 0, x >> n)
SHIFT_EACH(vpsravd, d, 8, int32_t, (uint32_t)(x >> 31), (uint32_t)(x >> n))
SHIFT_EACH(vpsllvd, d, 8, uint32_t, 0, x << n)
SHIFT_EACH(vpsllvq, q, 4, uint64_t, 0, x << n)
