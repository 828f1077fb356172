/*
 * cpu/interp/ops.h: operand access for generic integer semantic functions.
 */
#ifndef CPU_INTERP_OPS_H
#define CPU_INTERP_OPS_H

#include "cpu/interp/alu.h"
#include "cpu/mem.h"
#include "cpu/sys/sys.h"

#define INSN(map, opcode, prefix, modrm, name, o1, o2, o3, feat, attrs, flr, flw, flu, sem) \
    op_fn op_##sem;
#include "cpu/isa/int.def"
#undef INSN

static inline struct lf lf_load(const struct cpu *c)
{
    return (struct lf){c->lf_res, c->lf_aux};
}

static inline void lf_save(struct cpu *c, struct lf f)
{
    c->lf_res = f.res;
    c->lf_aux = f.aux;
}

/* Makes sure that a later store to these bytes cannot fault. */
static inline void mmu_probe_w(struct cpu *c, uint64_t la, unsigned len)
{
    const struct tlb_entry *e = &c->tlb_w[tlb_index(la)];
    if (__builtin_expect(e->tag != (((la + len - 1) & TLB_PAGE_MASK) | c->ctx), 0))
        mmu_probe(c, la, len, ACC_W);
}

/* The E operand: opened once, read and written any number of times. A memory operand opened for
 * writing has had its write faults raised. */
struct rm {
    uint64_t la;
    uint8_t size;
    bool is_mem;
    uint8_t reg;
};

static inline struct rm rm_open(struct cpu *c, const struct insn *i, unsigned size, bool write)
{
    if (!(i->flags & INSN_MEM))
        return (struct rm){0, (uint8_t)size, false, i->s};
    const uint64_t la = insn_la(c, i, size, write ? ACC_RW : ACC_R);
    if (write)
        mmu_probe_w(c, la, size);
    return (struct rm){la, (uint8_t)size, true, 0};
}

static inline uint64_t rm_get(struct cpu *c, const struct rm *m)
{
    return m->is_mem ? mem_ld(c, m->la, m->size) : reg_get(c, m->reg, m->size);
}

static inline void rm_put(struct cpu *c, const struct rm *m, uint64_t v)
{
    if (m->is_mem)
        mem_st(c, m->la, m->size, v);
    else
        reg_set(c, m->reg, m->size, v);
}

static inline uint64_t rm_value(struct cpu *c, const struct insn *i, unsigned size)
{
    return i->flags & INSN_MEM ? mem_ld(c, insn_la(c, i, size, ACC_R), size)
                               : reg_get(c, i->s, size);
}

/* Store only: no read, so no probe is needed before. */
static inline void rm_store(struct cpu *c, const struct insn *i, unsigned size, uint64_t v)
{
    if (i->flags & INSN_MEM)
        mem_st(c, insn_la(c, i, size, ACC_W), size, v);
    else
        reg_set(c, i->s, size, v);
}

static inline uint64_t ea_wrap(const struct insn *i, uint64_t ea)
{
    return i->flags & INSN_A32 ? (uint32_t)ea : i->flags & INSN_A16 ? (uint16_t)ea : ea;
}

static inline uint64_t insn_ea_add(const struct cpu *c, const struct insn *i, uint64_t more)
{
    return ea_wrap(i, insn_ea(c, i) + more);
}

/* Bytes of a register that address arithmetic uses: rCX of LOOP, rSI, rDI. */
static inline unsigned asize(const struct insn *i)
{
    return i->flags & INSN_A32 ? 4 : i->flags & INSN_A16 ? 2 : 8;
}

#endif
