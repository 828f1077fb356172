/*
 * cpu/interp/alu.h: integer arithmetic with lazy flags: the one home of these semantics. Generic
 * semantic functions (int_*.c) and chained fast handlers (fast_*.c) both are made from it.
 *
 * Every function takes values that may have rubbish above `size` bytes and returns such values.
 * Where hardware leaves a flag undefined, these give a fixed value.
 */
#ifndef CPU_INTERP_ALU_H
#define CPU_INTERP_ALU_H

#include "cpu/flags.h"

#define ALU_INLINE static inline __attribute__((always_inline))

struct lf {
    uint64_t res, aux;
};

ALU_INLINE uint64_t alu_sext(uint64_t v, unsigned size)
{
    const unsigned sh = 64 - 8 * size;
    return (uint64_t)((int64_t)(v << sh) >> sh);
}

ALU_INLINE uint64_t alu_zext(uint64_t v, unsigned size)
{
    const unsigned sh = 64 - 8 * size;
    return v << sh >> sh;
}

/* All six flags from a result and the vector of carries out of each bit. */
ALU_INLINE void lf_set(struct lf *f, uint64_t r, uint64_t carries, unsigned size)
{
    f->res = alu_sext(r, size);
    f->aux = (carries << (64 - 8 * size) & (LF_CF | LF_PO)) | (carries & LF_AF);
}

/* Result flags with CF and OF given, AF clear. */
ALU_INLINE void lf_set_cf_of(struct lf *f, uint64_t r, bool cf, bool of, unsigned size)
{
    f->res = alu_sext(r, size);
    f->aux = (uint64_t)cf << 63 | (uint64_t)(cf ^ of) << 62;
}

/* CF and OF only; SF, ZF, AF, PF stay. */
ALU_INLINE void lf_put_cf_of(struct lf *f, bool cf, bool of)
{
    f->aux = (f->aux & ~(LF_CF | LF_PO)) | (uint64_t)cf << 63 | (uint64_t)(cf ^ of) << 62;
}

ALU_INLINE void lf_put_cf(struct lf *f, bool cf)
{
    lf_put_cf_of(f, cf, lf_of(f->aux));
}

ALU_INLINE uint64_t alu_add(struct lf *f, uint64_t a, uint64_t b, unsigned size)
{
    const uint64_t r = a + b;
    lf_set(f, r, (a & b) | ((a | b) & ~r), size);
    return r;
}

ALU_INLINE uint64_t alu_adc(struct lf *f, uint64_t a, uint64_t b, unsigned size)
{
    const uint64_t r = a + b + (f->aux >> 63);
    lf_set(f, r, (a & b) | ((a | b) & ~r), size);
    return r;
}

ALU_INLINE uint64_t alu_sub(struct lf *f, uint64_t a, uint64_t b, unsigned size)
{
    const uint64_t r = a - b;
    lf_set(f, r, (~a & b) | ((~a | b) & r), size);
    return r;
}

ALU_INLINE uint64_t alu_sbb(struct lf *f, uint64_t a, uint64_t b, unsigned size)
{
    const uint64_t r = a - b - (f->aux >> 63);
    lf_set(f, r, (~a & b) | ((~a | b) & r), size);
    return r;
}

#define ALU_LOGIC(name, expr)                                                           \
    ALU_INLINE uint64_t alu_##name(struct lf *f, uint64_t a, uint64_t b, unsigned size) \
    {                                                                                   \
        const uint64_t r = expr;                                                        \
        f->res = alu_sext(r, size);                                                     \
        f->aux = 0;                                                                     \
        return r;                                                                       \
    }
ALU_LOGIC(and, a &b)
ALU_LOGIC(or, a | b)
ALU_LOGIC(xor, a ^ b)
#undef ALU_LOGIC

/* cmp and test: what the callers treat as "result not stored" */
ALU_INLINE uint64_t alu_cmp(struct lf *f, uint64_t a, uint64_t b, unsigned size)
{
    return alu_sub(f, a, b, size);
}
ALU_INLINE uint64_t alu_test(struct lf *f, uint64_t a, uint64_t b, unsigned size)
{
    return alu_and(f, a, b, size);
}

ALU_INLINE uint64_t alu_inc(struct lf *f, uint64_t a, unsigned size)
{
    const bool cf = lf_cf(f->aux);
    const uint64_t r = alu_add(f, a, 1, size);
    lf_put_cf(f, cf);
    return r;
}

ALU_INLINE uint64_t alu_dec(struct lf *f, uint64_t a, unsigned size)
{
    const bool cf = lf_cf(f->aux);
    const uint64_t r = alu_sub(f, a, 1, size);
    lf_put_cf(f, cf);
    return r;
}

ALU_INLINE uint64_t alu_neg(struct lf *f, uint64_t a, unsigned size)
{
    return alu_sub(f, 0, a, size);
}

ALU_INLINE uint64_t alu_not(struct lf *f, uint64_t a, unsigned size)
{
    (void)f, (void)size;
    return ~a;
}

/* ---- shifts and rotates: count as in the instruction, masked here ---- */
ALU_INLINE unsigned shift_count(uint64_t n, unsigned size)
{
    return (unsigned)n & (size == 8 ? 63 : 31);
}

ALU_INLINE bool alu_msb(uint64_t v, unsigned size)
{
    return v >> (8 * size - 1) & 1;
}

ALU_INLINE uint64_t alu_shl(struct lf *f, uint64_t a, uint64_t n, unsigned size)
{
    const unsigned k = shift_count(n, size), bits = 8 * size;
    if (!k)
        return a;
    const uint64_t r = a << k;
    const bool cf = k <= bits && (a >> (bits - k) & 1);
    lf_set_cf_of(f, r, cf, cf ^ alu_msb(r, size), size);
    return r;
}

ALU_INLINE uint64_t alu_shr(struct lf *f, uint64_t a, uint64_t n, unsigned size)
{
    const unsigned k = shift_count(n, size);
    if (!k)
        return a;
    a = alu_zext(a, size);
    const uint64_t r = a >> k;
    lf_set_cf_of(f, r, a >> (k - 1) & 1, alu_msb(a, size), size);
    return r;
}

ALU_INLINE uint64_t alu_sar(struct lf *f, uint64_t a, uint64_t n, unsigned size)
{
    const unsigned k = shift_count(n, size);
    if (!k)
        return a;
    const int64_t s = (int64_t)alu_sext(a, size);
    lf_set_cf_of(f, (uint64_t)(s >> k), s >> (k - 1) & 1, false, size);
    return (uint64_t)(s >> k);
}

ALU_INLINE uint64_t alu_rol(struct lf *f, uint64_t a, uint64_t n, unsigned size)
{
    const unsigned k = shift_count(n, size), bits = 8 * size, m = k & (bits - 1);
    if (!k)
        return a;
    a = alu_zext(a, size);
    const uint64_t r = m ? a << m | a >> (bits - m) : a;
    lf_put_cf_of(f, r & 1, (r & 1) ^ alu_msb(r, size));
    return r;
}

ALU_INLINE uint64_t alu_ror(struct lf *f, uint64_t a, uint64_t n, unsigned size)
{
    const unsigned k = shift_count(n, size), bits = 8 * size, m = k & (bits - 1);
    if (!k)
        return a;
    a = alu_zext(a, size);
    const uint64_t r = m ? a >> m | a << (bits - m) : a;
    lf_put_cf_of(f, alu_msb(r, size), alu_msb(r, size) ^ alu_msb(r << 1, size));
    return r;
}

ALU_INLINE uint64_t alu_rcl(struct lf *f, uint64_t a, uint64_t n, unsigned size)
{
    const unsigned bits = 8 * size;
    unsigned k = shift_count(n, size);
    if (size < 4)
        k %= bits + 1;
    bool cf = lf_cf(f->aux);
    if (!shift_count(n, size))
        return a;
    for (unsigned j = 0; j < k; j++) {
        const bool out = alu_msb(a, size);
        a = a << 1 | cf;
        cf = out;
    }
    lf_put_cf_of(f, cf, cf ^ alu_msb(a, size));
    return a;
}

ALU_INLINE uint64_t alu_rcr(struct lf *f, uint64_t a, uint64_t n, unsigned size)
{
    const unsigned bits = 8 * size;
    unsigned k = shift_count(n, size);
    if (size < 4)
        k %= bits + 1;
    bool cf = lf_cf(f->aux);
    if (!shift_count(n, size))
        return a;
    a = alu_zext(a, size);
    for (unsigned j = 0; j < k; j++) {
        const bool out = a & 1;
        a = a >> 1 | (uint64_t)cf << (bits - 1);
        cf = out;
    }
    lf_put_cf_of(f, cf, alu_msb(a, size) ^ alu_msb(a << 1, size));
    return a;
}

/* 16-bit double shifts by more than 16 (undefined in the SDM) go on with the source again. */
ALU_INLINE uint64_t alu_shld(struct lf *f, uint64_t a, uint64_t b, uint64_t n, unsigned size)
{
    const unsigned k = shift_count(n, size), bits = 8 * size;
    if (!k)
        return a;
    a = alu_zext(a, size);
    b = alu_zext(b, size);
    uint64_t r;
    bool cf;
    if (size == 2) {
        const uint64_t v = a << 32 | b << 16 | b;
        r = v << k >> 32;
        cf = v << k >> 48 & 1;
    } else {
        r = a << k | b >> (bits - k);
        cf = a >> (bits - k) & 1;
    }
    lf_set_cf_of(f, r, cf, alu_msb(r ^ a, size), size);
    return r;
}

ALU_INLINE uint64_t alu_shrd(struct lf *f, uint64_t a, uint64_t b, uint64_t n, unsigned size)
{
    const unsigned k = shift_count(n, size), bits = 8 * size;
    if (!k)
        return a;
    a = alu_zext(a, size);
    b = alu_zext(b, size);
    uint64_t r;
    bool cf;
    if (size == 2) {
        const uint64_t v = b << 32 | b << 16 | a;
        r = v >> k;
        cf = v >> (k - 1) & 1;
    } else {
        r = a >> k | b << (bits - k);
        cf = a >> (k - 1) & 1;
    }
    lf_set_cf_of(f, r, cf, alu_msb(r ^ a, size), size);
    return r;
}

/* ---- multiplication: CF = OF = the product does not fit ---- */
ALU_INLINE uint64_t alu_imul(struct lf *f, uint64_t a, uint64_t b, unsigned size)
{
    const __int128 p = (__int128)(int64_t)alu_sext(a, size) * (int64_t)alu_sext(b, size);
    const uint64_t r = (uint64_t)p;
    const bool over = (__int128)(int64_t)alu_sext(r, size) != p;
    lf_set_cf_of(f, r, over, over, size);
    return r;
}

ALU_INLINE uint64_t alu_bswap(uint64_t v, unsigned size)
{
    return size == 8   ? __builtin_bswap64(v)
           : size == 4 ? __builtin_bswap32((uint32_t)v)
                       : __builtin_bswap16((uint16_t)v);
}

/* Condition codes of the opcode's low four bits (SDM 1 B.1). */
ALU_INLINE bool lf_cond(unsigned cc, uint64_t res, uint64_t aux)
{
    bool v = false;
    switch (cc >> 1) {
    case 0:
        v = lf_of(aux);
        break;
    case 1:
        v = lf_cf(aux);
        break;
    case 2:
        v = lf_zf(res);
        break;
    case 3:
        v = (unsigned)lf_cf(aux) | (unsigned)lf_zf(res);
        break;
    case 4:
        v = lf_sf(res, aux);
        break;
    case 5:
        v = lf_pf(res, aux);
        break;
    case 6:
        v = (res ^ aux << 47 ^ aux ^ aux << 1) >> 63;
        break;
    default:
        v = (res ^ aux << 47 ^ aux ^ aux << 1) >> 63 | (unsigned)lf_zf(res);
        break;
    }
    return v ^ (cc & 1);
}

#endif
