/*
 * cpu/interp/int_bmi.c: bit manipulation in general registers: BMI1, BMI2, LZCNT, TZCNT.
 *
 * SDM 1 5.1.16, SDM 2A ANDN, BEXTR ..., 2D SARX ... . VEX-encoded forms need no XCR0 bit.
 */
#include "cpu/interp/ops.h"

#define OP(name) void op_##name(struct cpu *c, const struct insn *i)

static inline uint64_t by(const struct cpu *c, const struct insn *i)
{
    return reg_get(c, VEX_V(i->aux), i->osize);
}

/* SF and ZF of the result, CF as given, the others clear. */
static inline void set_sz_cf(struct cpu *c, const struct insn *i, uint64_t r, bool cf)
{
    struct lf f;
    lf_set_cf_of(&f, r, cf, false, i->osize);
    lf_save(c, f);
}

OP(andn)
{
    const uint64_t r = ~by(c, i) & rm_value(c, i, i->osize);
    set_sz_cf(c, i, r, false);
    reg_set(c, i->d, i->osize, r);
}

OP(blsr)
{
    const uint64_t s = rm_value(c, i, i->osize), r = s & (s - 1);
    set_sz_cf(c, i, r, s == 0);
    reg_set(c, VEX_V(i->aux), i->osize, r);
}

OP(blsmsk)
{
    const uint64_t s = rm_value(c, i, i->osize), r = s ^ (s - 1);
    set_sz_cf(c, i, r, s == 0);
    reg_set(c, VEX_V(i->aux), i->osize, r);
}

OP(blsi)
{
    const uint64_t s = rm_value(c, i, i->osize), r = s & (0 - s);
    set_sz_cf(c, i, r, s != 0);
    reg_set(c, VEX_V(i->aux), i->osize, r);
}

OP(bextr)
{
    const uint64_t s = rm_value(c, i, i->osize), v = by(c, i);
    const unsigned start = (uint8_t)v, len = (uint8_t)(v >> 8);
    uint64_t r = start < 64 ? s >> start : 0;
    if (len < 64)
        r &= (1ull << len) - 1;
    set_sz_cf(c, i, r, false);
    reg_set(c, i->d, i->osize, r);
}

OP(bzhi)
{
    const uint64_t s = rm_value(c, i, i->osize);
    const unsigned n = (uint8_t)by(c, i), bits = 8u * i->osize;
    const uint64_t r = n < bits ? s & ((1ull << n) - 1) : s;
    set_sz_cf(c, i, r, n >= bits);
    reg_set(c, i->d, i->osize, r);
}

OP(pext)
{
    uint64_t mask = rm_value(c, i, i->osize), r = 0;
    const uint64_t s = by(c, i);
    for (unsigned k = 0; mask; k++, mask &= mask - 1)
        r |= (s >> __builtin_ctzll(mask) & 1) << k;
    reg_set(c, i->d, i->osize, r);
}

OP(pdep)
{
    uint64_t mask = rm_value(c, i, i->osize), r = 0;
    const uint64_t s = by(c, i);
    for (unsigned k = 0; mask; k++, mask &= mask - 1)
        r |= (s >> k & 1) << __builtin_ctzll(mask);
    reg_set(c, i->d, i->osize, r);
}

/* The high half wins when both results go to one register. */
OP(mulx)
{
    const uint64_t s = rm_value(c, i, i->osize);
    const unsigned __int128 p = (unsigned __int128)s * reg_get(c, R_DX, i->osize);
    reg_set(c, VEX_V(i->aux), i->osize, (uint64_t)p);
    reg_set(c, i->d, i->osize, (uint64_t)(p >> 8 * i->osize));
}

OP(shlx)
{
    const uint64_t s = rm_value(c, i, i->osize);
    reg_set(c, i->d, i->osize, s << shift_count(by(c, i), i->osize));
}

OP(shrx)
{
    const uint64_t s = rm_value(c, i, i->osize);
    reg_set(c, i->d, i->osize, s >> shift_count(by(c, i), i->osize));
}

OP(sarx)
{
    const int64_t s = (int64_t)alu_sext(rm_value(c, i, i->osize), i->osize);
    reg_set(c, i->d, i->osize, (uint64_t)(s >> shift_count(by(c, i), i->osize)));
}

OP(rorx)
{
    const uint64_t s = rm_value(c, i, i->osize);
    const unsigned bits = 8u * i->osize, n = (unsigned)i->imm & (bits - 1);
    reg_set(c, i->d, i->osize, n ? s >> n | s << (bits - n) : s);
}

/* ZF: the count is 0; CF: there is no bit to be found. */
static void put_count(struct cpu *c, const struct insn *i, bool none, unsigned n)
{
    set_sz_cf(c, i, n, none);
    reg_set(c, i->d, i->osize, n);
}

OP(tzcnt)
{
    const uint64_t s = rm_value(c, i, i->osize);
    put_count(c, i, !s, s ? (unsigned)__builtin_ctzll(s) : 8u * i->osize);
}

OP(lzcnt)
{
    const uint64_t s = rm_value(c, i, i->osize);
    put_count(c, i, !s, s ? (unsigned)__builtin_clzll(s) - (64 - 8u * i->osize) : 8u * i->osize);
}
