/*
 * cpu/fpu/sse_move.c: moves of MMX and SSE, masked and non-temporal stores, EMMS.
 *
 * SDM 1 9.4.1, 9.6.3, 10.4.1.1, 10.4.6, 11.4.1.1, 12.3.
 */
#include "cpu/fpu/vec.h"

static inline void set_xmm(struct cpu *c, const struct insn *i, union vreg v)
{
    memcpy(c->xmm[i->d].b, v.b, 16);
}

/* ---- 16 bytes -------------------------------------------------------------------------------- */

OP(movaps_ld)
{
    fpu_check_sse(c);
    set_xmm(c, i, src128(c, i));
}

OP(movaps_st)
{
    fpu_check_sse(c);
    if (is_mem(i))
        mem_st128(c, insn_la16(c, i, ACC_W), c->xmm[i->d].b);
    else
        memcpy(c->xmm[i->s].b, c->xmm[i->d].b, 16);
}

OP(movups_ld)
{
    fpu_check_sse(c);
    if (is_mem(i)) {
        union vreg v;
        mem_ld128(c, insn_la(c, i, 16, ACC_R), v.b);
        set_xmm(c, i, v);
    } else {
        memcpy(c->xmm[i->d].b, c->xmm[i->s].b, 16);
    }
}

OP(movups_st)
{
    fpu_check_sse(c);
    if (is_mem(i))
        mem_st128(c, insn_la(c, i, 16, ACC_W), c->xmm[i->d].b);
    else
        memcpy(c->xmm[i->s].b, c->xmm[i->d].b, 16);
}

/* ---- scalars: loads clear the rest, register moves merge ------------------------------------- */

OP(movss_ld)
{
    fpu_check_sse(c);
    const uint32_t v = src32(c, i);
    union vreg *d = &c->xmm[i->d];
    d->d[0] = v;
    if (is_mem(i)) {
        d->d[1] = 0;
        d->q[1] = 0;
    }
}

OP(movss_st)
{
    fpu_check_sse(c);
    if (is_mem(i))
        mem_st32(c, insn_la(c, i, 4, ACC_W), c->xmm[i->d].d[0]);
    else
        c->xmm[i->s].d[0] = c->xmm[i->d].d[0];
}

OP(movsd_ld)
{
    fpu_check_sse(c);
    const uint64_t v = src64(c, i);
    c->xmm[i->d].q[0] = v;
    if (is_mem(i))
        c->xmm[i->d].q[1] = 0;
}

OP(movsd_st)
{
    fpu_check_sse(c);
    if (is_mem(i))
        mem_st64(c, insn_la(c, i, 8, ACC_W), c->xmm[i->d].q[0]);
    else
        c->xmm[i->s].q[0] = c->xmm[i->d].q[0];
}

/* ---- halves ---------------------------------------------------------------------------------- */

OP(movlps_ld) /* register form: MOVHLPS */
{
    fpu_check_sse(c);
    c->xmm[i->d].q[0] = is_mem(i) ? mem_ld64(c, insn_la(c, i, 8, ACC_R)) : c->xmm[i->s].q[1];
}

OP(movhps_ld) /* register form: MOVLHPS */
{
    fpu_check_sse(c);
    c->xmm[i->d].q[1] = is_mem(i) ? mem_ld64(c, insn_la(c, i, 8, ACC_R)) : c->xmm[i->s].q[0];
}

OP(movlps_st)
{
    fpu_check_sse(c);
    mem_st64(c, insn_la(c, i, 8, ACC_W), c->xmm[i->d].q[0]);
}

OP(movhps_st)
{
    fpu_check_sse(c);
    mem_st64(c, insn_la(c, i, 8, ACC_W), c->xmm[i->d].q[1]);
}

OP(movddup)
{
    fpu_check_sse(c);
    const uint64_t v = src64(c, i);
    c->xmm[i->d].q[0] = c->xmm[i->d].q[1] = v;
}

KERNEL(movsldup)
{
    (void)n;
    const union vreg v = *s;
    d->d[0] = d->d[1] = v.d[0];
    d->d[2] = d->d[3] = v.d[2];
}
XMM_OP(movsldup, movsldup)

KERNEL(movshdup)
{
    (void)n;
    const union vreg v = *s;
    d->d[0] = d->d[1] = v.d[1];
    d->d[2] = d->d[3] = v.d[3];
}
XMM_OP(movshdup, movshdup)

/* ---- between register files ------------------------------------------------------------------ */

static uint64_t gpr_src(struct cpu *c, const struct insn *i)
{
    const unsigned size = i->osize == 8 ? 8 : 4;
    if (is_mem(i))
        return mem_ld(c, insn_la(c, i, size, ACC_R), size);
    return size == 8 ? c->r[i->s] : (uint32_t)c->r[i->s];
}

static void gpr_dst(struct cpu *c, const struct insn *i, uint64_t v)
{
    const unsigned size = i->osize == 8 ? 8 : 4;
    if (is_mem(i))
        mem_st(c, insn_la(c, i, size, ACC_W), size, v);
    else
        c->r[i->s] = size == 8 ? v : (uint32_t)v;
}

OP(x_movd_ld)
{
    fpu_check_sse(c);
    const uint64_t v = gpr_src(c, i);
    c->xmm[i->d].q[0] = v;
    c->xmm[i->d].q[1] = 0;
}

OP(vx_movd_ld)
{
    fpu_check_avx(c);
    vex_put128(c, i, (union vreg){.q = {gpr_src(c, i)}});
}

OP(vx_movd_st)
{
    fpu_check_avx(c);
    gpr_dst(c, i, c->xmm[i->d].q[0]);
}

OP(x_movd_st)
{
    fpu_check_sse(c);
    gpr_dst(c, i, c->xmm[i->d].q[0]);
}

OP(x_movq_ld)
{
    fpu_check_sse(c);
    const uint64_t v = src64(c, i);
    c->xmm[i->d].q[0] = v;
    c->xmm[i->d].q[1] = 0;
}

OP(x_movq_st)
{
    fpu_check_sse(c);
    if (is_mem(i)) {
        mem_st64(c, insn_la(c, i, 8, ACC_W), c->xmm[i->d].q[0]);
    } else {
        c->xmm[i->s].q[0] = c->xmm[i->d].q[0];
        c->xmm[i->s].q[1] = 0;
    }
}

OP(m_movd_ld)
{
    mmx_begin(c);
    const uint64_t v = gpr_src(c, i);
    mmx_enter(c);
    mmx_set(c, i->d, v);
}

OP(m_movd_st)
{
    mmx_begin(c);
    gpr_dst(c, i, mmx_get(c, i->d));
    mmx_enter(c);
}

OP(m_movq_ld)
{
    mmx_begin(c);
    const uint64_t v = mmx_src64(c, i);
    mmx_enter(c);
    mmx_set(c, i->d, v);
}

OP(m_movq_st)
{
    mmx_begin(c);
    const uint64_t v = mmx_get(c, i->d);
    if (is_mem(i))
        mem_st64(c, insn_la(c, i, 8, ACC_W), v);
    mmx_enter(c);
    if (!is_mem(i))
        mmx_set(c, i->s, v);
}

OP(movq2dq)
{
    fpu_check_sse(c);
    mmx_begin(c);
    const uint64_t v = mmx_get(c, i->s);
    mmx_enter(c);
    c->xmm[i->d].q[0] = v;
    c->xmm[i->d].q[1] = 0;
}

OP(movdq2q)
{
    fpu_check_sse(c);
    mmx_begin(c);
    mmx_enter(c);
    mmx_set(c, i->d, c->xmm[i->s].q[0]);
}

/* ---- masked stores to DS:rDI ----------------------------------------------------------------- */

static uint64_t rdi_la(struct cpu *c, const struct insn *i, unsigned len)
{
    uint64_t off = c->r[R_DI];
    if (i->flags & INSN_A32)
        off = (uint32_t)off;
    else if (i->flags & INSN_A16)
        off = (uint16_t)off;
    return seg_linear(c, i->seg, off, len, ACC_W);
}

static void masked_store(struct cpu *c, uint64_t la, const uint8_t *v, const uint8_t *mask,
                         unsigned n)
{
    unsigned first = n, last = 0;
    for (unsigned k = 0; k < n; k++) {
        if (mask[k] & 0x80) {
            if (first == n)
                first = k;
            last = k;
        }
    }
    if (first == n)
        return; /* a zero mask touches nothing */
    mmu_probe(c, la + first, last - first + 1, ACC_W);
    for (unsigned k = first; k <= last; k++) {
        if (mask[k] & 0x80)
            mem_st8(c, la + k, v[k]);
    }
}

OP(maskmovdqu)
{
    fpu_check_sse(c);
    masked_store(c, rdi_la(c, i, 16), c->xmm[i->d].b, c->xmm[i->s].b, 16);
}

OP(vmaskmovdqu)
{
    fpu_check_avx(c);
    masked_store(c, rdi_la(c, i, 16), c->xmm[i->d].b, c->xmm[i->s].b, 16);
}

OP(maskmovq)
{
    mmx_begin(c);
    const union vreg v = {.q = {mmx_get(c, i->d)}}, m = {.q = {mmx_get(c, i->s)}};
    masked_store(c, rdi_la(c, i, 8), v.b, m.b, 8);
    mmx_enter(c);
}

OP(emms)
{
    (void)i;
    mmx_begin(c);
    mmx_enter(c);
    c->fpu.valid = 0;
}
