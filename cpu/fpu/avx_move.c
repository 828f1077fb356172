/*
 * cpu/fpu/avx_move.c: VEX moves, broadcasts, permutations across lanes, masked moves, gathers.
 *
 * SDM 1 14.1-14.3, 14.7, 14.8; SDM 2A 2.4 (alignment: only the aligned and non-temporal moves ask
 * for it). A gather does its elements from the lowest up; one that faults leaves those before it
 * done, their mask elements zero, so that it goes on from there when restarted.
 */
#include "cpu/fpu/sse.h"

/* ---- whole vectors --------------------------------------------------------------------------- */

static uint64_t aligned_la(struct cpu *c, const struct insn *i, int access)
{
    const unsigned len = vex_256(i) ? 32 : 16;
    const uint64_t la = insn_la(c, i, len, access);
    if (la & (len - 1))
        cpu_fault(c, EXC_GP, 0);
    return la;
}

static inline void load(struct cpu *c, const struct insn *i, uint64_t la)
{
    union vreg v = {{0}};
    if (vex_256(i))
        mem_ld256(c, la, v.b);
    else
        mem_ld128(c, la, v.b);
    c->xmm[i->d] = v;
}

static inline void store(struct cpu *c, const struct insn *i, uint64_t la)
{
    if (vex_256(i))
        mem_st256(c, la, c->xmm[i->d].b);
    else
        mem_st128(c, la, c->xmm[i->d].b);
}

OP(vmovaps_ld)
{
    fpu_check_avx(c);
    if (is_mem(i))
        load(c, i, aligned_la(c, i, ACC_R));
    else
        vex_put(c, i, c->xmm[i->s]);
}

OP(vmovups_ld)
{
    fpu_check_avx(c);
    if (is_mem(i))
        load(c, i, insn_la(c, i, vex_256(i) ? 32 : 16, ACC_R));
    else
        vex_put(c, i, c->xmm[i->s]);
}

static void store_reg(struct cpu *c, const struct insn *i)
{
    union vreg v = c->xmm[i->d];
    if (!vex_256(i))
        v.q[2] = v.q[3] = 0;
    c->xmm[i->s] = v;
}

OP(vmovaps_st)
{
    fpu_check_avx(c);
    if (is_mem(i))
        store(c, i, aligned_la(c, i, ACC_W));
    else
        store_reg(c, i);
}

OP(vmovups_st)
{
    fpu_check_avx(c);
    if (is_mem(i))
        store(c, i, insn_la(c, i, vex_256(i) ? 32 : 16, ACC_W));
    else
        store_reg(c, i);
}

/* ---- scalars and halves ---------------------------------------------------------------------- */

OP(vmovss_ld)
{
    fpu_check_avx(c);
    vex_put128(c, i, (union vreg){.d = {src32(c, i)}});
}

OP(vmovsd_ld)
{
    fpu_check_avx(c);
    vex_put128(c, i, (union vreg){.q = {src64(c, i)}});
}

OP(vmovss_st)
{
    fpu_check_avx(c);
    mem_st32(c, insn_la(c, i, 4, ACC_W), c->xmm[i->d].d[0]);
}

OP(vmovsd_st)
{
    fpu_check_avx(c);
    mem_st64(c, insn_la(c, i, 8, ACC_W), c->xmm[i->d].q[0]);
}

OP(vmovss_rr)
{
    fpu_check_avx(c);
    union vreg r = *vex_v(c, i);
    r.d[0] = c->xmm[i->s].d[0];
    vex_put128(c, i, r);
}

OP(vmovsd_rr)
{
    fpu_check_avx(c);
    union vreg r = *vex_v(c, i);
    r.q[0] = c->xmm[i->s].q[0];
    vex_put128(c, i, r);
}

OP(vmovss_rr_st)
{
    fpu_check_avx(c);
    union vreg r = *vex_v(c, i);
    r.d[0] = c->xmm[i->d].d[0];
    vreg_set128(&c->xmm[i->s], r);
}

OP(vmovsd_rr_st)
{
    fpu_check_avx(c);
    union vreg r = *vex_v(c, i);
    r.q[0] = c->xmm[i->d].q[0];
    vreg_set128(&c->xmm[i->s], r);
}

OP(vmovlps_ld) /* register form: VMOVHLPS */
{
    fpu_check_avx(c);
    union vreg r = *vex_v(c, i);
    r.q[0] = is_mem(i) ? mem_ld64(c, insn_la(c, i, 8, ACC_R)) : c->xmm[i->s].q[1];
    vex_put128(c, i, r);
}

OP(vmovhps_ld) /* register form: VMOVLHPS */
{
    fpu_check_avx(c);
    union vreg r = *vex_v(c, i);
    r.q[1] = is_mem(i) ? mem_ld64(c, insn_la(c, i, 8, ACC_R)) : c->xmm[i->s].q[0];
    vex_put128(c, i, r);
}

OP(vmovlps_st)
{
    fpu_check_avx(c);
    mem_st64(c, insn_la(c, i, 8, ACC_W), c->xmm[i->d].q[0]);
}

OP(vmovhps_st)
{
    fpu_check_avx(c);
    mem_st64(c, insn_la(c, i, 8, ACC_W), c->xmm[i->d].q[1]);
}

OP(vx_movq_ld)
{
    fpu_check_avx(c);
    vex_put128(c, i, (union vreg){.q = {src64(c, i)}});
}

OP(vx_movq_st)
{
    fpu_check_avx(c);
    if (is_mem(i))
        mem_st64(c, insn_la(c, i, 8, ACC_W), c->xmm[i->d].q[0]);
    else
        c->xmm[i->s] = (union vreg){.q = {c->xmm[i->d].q[0]}};
}

OP(vmovddup_128)
{
    fpu_check_avx(c);
    const uint64_t v = src64(c, i);
    vex_put128(c, i, (union vreg){.q = {v, v}});
}

OP(vmovddup_256)
{
    fpu_check_avx(c);
    const union vreg s = vex_src(c, i);
    vex_put(c, i, (union vreg){.q = {s.q[0], s.q[0], s.q[2], s.q[2]}});
}

OP(vzeroupper)
{
    (void)i;
    fpu_check_avx(c);
    for (unsigned n = 0; n < (cpu_code64(c) ? 16 : 8); n++)
        c->xmm[n].q[2] = c->xmm[n].q[3] = 0;
}

OP(vzeroall)
{
    (void)i;
    fpu_check_avx(c);
    memset(c->xmm, 0, (cpu_code64(c) ? 16 : 8) * sizeof c->xmm[0]);
}

/* ---- broadcasts ------------------------------------------------------------------------------ */

#define BROADCAST(name, lane, bytes)                                                 \
    OP(name)                                                                         \
    {                                                                                \
        fpu_check_avx(c);                                                            \
        const uint64_t v = is_mem(i) ? mem_ld(c, insn_la(c, i, bytes, ACC_R), bytes) \
                                     : c->xmm[i->s].lane[0];                         \
        union vreg r;                                                                \
        for (unsigned k = 0; k < 32 / bytes; k++)                                    \
            r.lane[k] = (__typeof__(r.lane[0]))v;                                    \
        vex_put(c, i, r);                                                            \
    }
BROADCAST(vbroadcast_b, b, 1)
BROADCAST(vbroadcast_w, w, 2)
BROADCAST(vbroadcast_d, d, 4)
BROADCAST(vbroadcast_q, q, 8)

OP(vbroadcast_dq)
{
    fpu_check_avx(c);
    union vreg r = vex_src128(c, i);
    r.q[2] = r.q[0];
    r.q[3] = r.q[1];
    vex_put(c, i, r);
}

/* ---- lanes and permutations ------------------------------------------------------------------ */

OP(vinsertf128)
{
    fpu_check_avx(c);
    const union vreg s = vex_src128(c, i);
    union vreg r = *vex_v(c, i);
    memcpy(r.b + 16 * (i->imm & 1), s.b, 16);
    c->xmm[i->d] = r;
}

OP(vextractf128)
{
    fpu_check_avx(c);
    union vreg r = {{0}};
    memcpy(r.b, c->xmm[i->d].b + 16 * (i->imm & 1), 16);
    if (is_mem(i))
        mem_st128(c, insn_la(c, i, 16, ACC_W), r.b);
    else
        c->xmm[i->s] = r;
}

OP(vperm2f128)
{
    fpu_check_avx(c);
    const union vreg s = vex_src(c, i), v = *vex_v(c, i);
    union vreg r = {{0}};
    for (unsigned k = 0; k < 2; k++) {
        const unsigned sel = (unsigned)i->imm >> 4 * k;
        const union vreg *from = sel & 2 ? &s : &v;
        if (!(sel & 8))
            memcpy(r.b + 16 * k, from->b + 16 * (sel & 1), 16);
    }
    c->xmm[i->d] = r;
}

OP(vpermd)
{
    fpu_check_avx(c);
    const union vreg s = vex_src(c, i), index = *vex_v(c, i);
    union vreg r;
    for (unsigned k = 0; k < 8; k++)
        r.d[k] = s.d[index.d[k] & 7];
    c->xmm[i->d] = r;
}

OP(vpermq)
{
    fpu_check_avx(c);
    const union vreg s = vex_src(c, i);
    union vreg r;
    for (unsigned k = 0; k < 4; k++)
        r.q[k] = s.q[i->imm >> 2 * k & 3];
    c->xmm[i->d] = r;
}

OP(vpermilps)
{
    fpu_check_avx(c);
    const union vreg s = vex_src(c, i), v = *vex_v(c, i);
    union vreg r;
    for (unsigned k = 0; k < 8; k++)
        r.d[k] = v.d[(k & 4) | (s.d[k] & 3)];
    vex_put(c, i, r);
}

OP(vpermilpd)
{
    fpu_check_avx(c);
    const union vreg s = vex_src(c, i), v = *vex_v(c, i);
    union vreg r;
    for (unsigned k = 0; k < 4; k++)
        r.q[k] = v.q[(k & 2) | (s.q[k] >> 1 & 1)];
    vex_put(c, i, r);
}

OP(vpermilps_i)
{
    fpu_check_avx(c);
    const union vreg s = vex_src(c, i);
    union vreg r;
    for (unsigned k = 0; k < 8; k++)
        r.d[k] = s.d[(k & 4) | (i->imm >> 2 * (k & 3) & 3)];
    vex_put(c, i, r);
}

OP(vpermilpd_i)
{
    fpu_check_avx(c);
    const union vreg s = vex_src(c, i);
    union vreg r;
    for (unsigned k = 0; k < 4; k++)
        r.q[k] = s.q[(k & 2) | (i->imm >> k & 1)];
    vex_put(c, i, r);
}

OP(vpblendd)
{
    fpu_check_avx(c);
    const union vreg s = vex_src(c, i);
    union vreg r = *vex_v(c, i);
    for (unsigned k = 0; k < 8; k++) {
        if (i->imm >> k & 1)
            r.d[k] = s.d[k];
    }
    vex_put(c, i, r);
}

/* ---- masked moves ---------------------------------------------------------------------------- */

/* Elements whose mask bit is clear are not touched, not even for faults. */
static inline bool masked_in(const union vreg *mask, unsigned k, unsigned size)
{
    return mask->b[k + size - 1] >> 7;
}

static inline uint64_t element_la(struct cpu *c, const struct insn *i, unsigned k, unsigned size,
                                  int access)
{
    return seg_linear(c, i->seg, insn_ea(c, i) + k, size, access);
}

static inline void masked_load(struct cpu *c, const struct insn *i, unsigned size)
{
    fpu_check_avx(c);
    const union vreg mask = *vex_v(c, i);
    union vreg r = {{0}};
    for (unsigned k = 0; k < (vex_256(i) ? 32u : 16u); k += size) {
        if (!masked_in(&mask, k, size))
            continue;
        const uint64_t v = mem_ld(c, element_la(c, i, k, size, ACC_R), size);
        memcpy(r.b + k, &v, size);
    }
    c->xmm[i->d] = r;
}

static inline void masked_store(struct cpu *c, const struct insn *i, unsigned size)
{
    fpu_check_avx(c);
    const unsigned len = vex_256(i) ? 32 : 16;
    const union vreg mask = *vex_v(c, i), v = c->xmm[i->d];
    for (unsigned k = 0; k < len; k += size) {
        if (masked_in(&mask, k, size))
            mmu_probe(c, element_la(c, i, k, size, ACC_W), size, ACC_W);
    }
    for (unsigned k = 0; k < len; k += size) {
        if (masked_in(&mask, k, size))
            mem_st(c, element_la(c, i, k, size, ACC_W), size, size == 8 ? v.q[k / 8] : v.d[k / 4]);
    }
}

OP(vmaskmov_d_ld)
{
    masked_load(c, i, 4);
}
OP(vmaskmov_q_ld)
{
    masked_load(c, i, 8);
}
OP(vmaskmov_d_st)
{
    masked_store(c, i, 4);
}
OP(vmaskmov_q_st)
{
    masked_store(c, i, 8);
}

/* ---- gathers --------------------------------------------------------------------------------- */

static uint64_t gather_la(struct cpu *c, const struct insn *i, int64_t index, unsigned size)
{
    uint64_t ea = c->r[i->b] + ((uint64_t)index << i->scale) + (uint64_t)(int64_t)i->disp;
    if (i->flags & INSN_A32)
        ea = (uint32_t)ea;
    return seg_linear(c, i->seg, ea, size, ACC_R);
}

/* isize: bytes of an index, size: of an element. The greater of them decides how many there are. */
static inline void gather(struct cpu *c, const struct insn *i, unsigned isize, unsigned size)
{
    const unsigned v = VEX_V(i->aux), len = vex_256(i) ? 32 : 16;
    if (v == i->d || v == i->x || i->d == i->x)
        cpu_fault_noerr(c, EXC_UD);
    fpu_check_avx(c);
    const unsigned count = len / (isize > size ? isize : size);
    union vreg *d = &c->xmm[i->d], *mask = &c->xmm[v];
    const union vreg index = c->xmm[i->x];
    for (unsigned k = 0; k < count * size; k++)
        mask->b[k] = mask->b[k / size * size + size - 1] >> 7 ? 0xff : 0;
    memset(mask->b + count * size, 0, 32 - count * size);
    for (unsigned k = 0; k < count; k++) {
        if (mask->b[(k + 1) * size - 1] >> 7) {
            const int64_t n = isize == 8 ? (int64_t)index.q[k] : (int32_t)index.d[k];
            const uint64_t value = mem_ld(c, gather_la(c, i, n, size), size);
            memcpy(d->b + k * size, &value, size);
        }
        memset(mask->b + k * size, 0, size);
    }
    memset(d->b + count * size, 0, 32 - count * size);
}

OP(vgather_dd)
{
    gather(c, i, 4, 4);
}
OP(vgather_dq)
{
    gather(c, i, 4, 8);
}
OP(vgather_qd)
{
    gather(c, i, 8, 4);
}
OP(vgather_qq)
{
    gather(c, i, 8, 8);
}
