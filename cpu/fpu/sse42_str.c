/*
 * cpu/fpu/sse42_str.c: PCMPESTRI PCMPESTRM PCMPISTRI PCMPISTRM and their VEX forms.
 *
 * SDM 1 12.11 / SDM 2B 4.1 (immediate, aggregation, validity table 4-7, outputs). The memory
 * operand needs no alignment.
 */
#include "cpu/fpu/sse.h"

#include "cpu/flags.h"

struct text {
    int32_t el[16];
    unsigned len;
};

/* imm[1:0]: 0 unsigned bytes, 1 unsigned words, 2 signed bytes, 3 signed words */
static struct text unpack_text(const union vreg *v, unsigned imm)
{
    struct text t;
    t.len = 0;
    const unsigned n = imm & 1 ? 8 : 16;
    for (unsigned k = 0; k < n; k++) {
        if (imm & 1)
            t.el[k] = imm & 2 ? (int16_t)v->w[k] : v->w[k];
        else
            t.el[k] = imm & 2 ? (int8_t)v->b[k] : v->b[k];
    }
    return t;
}

static unsigned implicit_length(const struct text *t, unsigned n)
{
    unsigned k = 0;
    while (k < n && t->el[k] != 0)
        k++;
    return k;
}

static unsigned explicit_length(uint64_t reg, bool wide, unsigned n)
{
    const int64_t v = wide ? (int64_t)reg : (int32_t)reg;
    const uint64_t mag = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    return mag > n ? n : (unsigned)mag;
}

/* One result bit for element j of b (a is the first operand: the set, ranges or needle). */
static bool aggregate(const struct text *a, const struct text *b, unsigned j, unsigned mode,
                      unsigned n)
{
    const bool b_ok = j < b->len;
    switch (mode) {
    case 0: /* equal any */
        for (unsigned k = 0; k < a->len && b_ok; k++) {
            if (a->el[k] == b->el[j])
                return true;
        }
        return false;
    case 1: /* ranges */
        for (unsigned k = 0; k + 1 < a->len && b_ok; k += 2) {
            if (a->el[k] <= b->el[j] && b->el[j] <= a->el[k + 1])
                return true;
        }
        return false;
    case 2: /* equal each */
        if (j >= a->len || !b_ok)
            return j >= a->len && !b_ok;
        return a->el[j] == b->el[j];
    default: /* equal ordered: a is a substring of b at j, as far as b's register reaches */
        for (unsigned k = 0; k < a->len && j + k < n; k++) {
            if (j + k >= b->len || a->el[k] != b->el[j + k])
                return false;
        }
        return true;
    }
}

/* Returns IntRes2 and sets the flags. */
static unsigned compare_strings(struct cpu *c, const struct text *a, const struct text *b,
                                unsigned imm)
{
    const unsigned n = imm & 1 ? 8 : 16;
    unsigned res = 0;
    for (unsigned j = 0; j < n; j++)
        res |= (unsigned)aggregate(a, b, j, imm >> 2 & 3, n) << j;
    if (imm & 0x10) /* negative polarity, bit 5: only valid elements of b */
        res ^= imm & 0x20 ? (1u << b->len) - 1 : (1u << n) - 1;
    lf_from_flags((res ? FL_CF : 0) | (b->len < n ? FL_ZF : 0) | (a->len < n ? FL_SF : 0) |
                      (res & 1 ? FL_OF : 0),
                  &c->lf_res, &c->lf_aux);
    return res;
}

static unsigned string_op(struct cpu *c, const struct insn *i, bool explicit)
{
    const unsigned imm = (unsigned)i->imm & 0xff, n = imm & 1 ? 8 : 16;
    union vreg s;
    if (is_mem(i))
        mem_ld128(c, insn_la(c, i, 16, ACC_R), s.b);
    else
        memcpy(s.b, c->xmm[i->s].b, 16);
    struct text a = unpack_text(&c->xmm[i->d], imm), b = unpack_text(&s, imm);
    if (explicit) {
        a.len = explicit_length(c->r[R_AX], i->osize == 8, n);
        b.len = explicit_length(c->r[R_DX], i->osize == 8, n);
    } else {
        a.len = implicit_length(&a, n);
        b.len = implicit_length(&b, n);
    }
    return compare_strings(c, &a, &b, imm);
}

static void put_index(struct cpu *c, const struct insn *i, unsigned res)
{
    unsigned index = i->imm & 1 ? 8 : 16;
    if (res)
        index = i->imm & 0x40 ? 31u - (unsigned)__builtin_clz(res) : (unsigned)__builtin_ctz(res);
    c->r[R_CX] = index;
}

static void put_mask(struct cpu *c, const struct insn *i, unsigned res)
{
    union vreg *d = &c->xmm[0];
    d->q[0] = d->q[1] = 0;
    if (!(i->imm & 0x40)) {
        d->d[0] = res;
        return;
    }
    for (unsigned k = 0; k < (i->imm & 1 ? 8u : 16u); k++) {
        if (!(res >> k & 1))
            continue;
        if (i->imm & 1)
            d->w[k] = 0xffff;
        else
            d->b[k] = 0xff;
    }
}

#define STRING_OP(name, put, explicit)        \
    OP(name)                                  \
    {                                         \
        fpu_check_sse(c);                     \
        put(c, i, string_op(c, i, explicit)); \
    }
#define STRING_OP_VEX(name, put, explicit)    \
    OP(name)                                  \
    {                                         \
        fpu_check_avx(c);                     \
        put(c, i, string_op(c, i, explicit)); \
    }
STRING_OP(pcmpestri, put_index, true)
STRING_OP(pcmpestrm, put_mask, true)
STRING_OP(pcmpistri, put_index, false)
STRING_OP(pcmpistrm, put_mask, false)

static void put_mask_vex(struct cpu *c, const struct insn *i, unsigned res)
{
    put_mask(c, i, res);
    c->xmm[0].q[2] = c->xmm[0].q[3] = 0;
}
STRING_OP_VEX(vpcmpestri, put_index, true)
STRING_OP_VEX(vpcmpestrm, put_mask_vex, true)
STRING_OP_VEX(vpcmpistri, put_index, false)
STRING_OP_VEX(vpcmpistrm, put_mask_vex, false)
