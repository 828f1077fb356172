/*
 * cpu/mem.h: what semantic functions use to reach memory.
 *
 * All take linear addresses and the current privilege; they return only on success (faults,
 * intercepts and MMIO are dealt with inside; a fault leaves the instruction by cpu_fault).
 * Values are little-endian; any alignment. Device memory is reached through c->bus.
 */
#ifndef CPU_MEM_H
#define CPU_MEM_H

#include <string.h>

#include "cpu/cpu.h"

enum { ACC_R = 1, ACC_W = 2, ACC_X = 4, ACC_RW = 3 };

/* mmu/: misses, page crossings, MMIO, code pages, watched pages, #AC. size 1..8 */
uint64_t mmu_ld_slow(struct cpu *c, uint64_t la, unsigned size);
void mmu_st_slow(struct cpu *c, uint64_t la, unsigned size, uint64_t v);
/* Any length; write faults are raised before the first byte is stored. */
void mmu_ld_bytes(struct cpu *c, uint64_t la, void *to, unsigned len);
void mmu_st_bytes(struct cpu *c, uint64_t la, const void *from, unsigned len);
/* Raise the fault that a write (ACC_W) or read of these bytes would raise; no data moves. */
void mmu_probe(struct cpu *c, uint64_t la, unsigned len, int access);
/* Supervisor accesses made by the processor itself (descriptor tables, TSS): CPL is ignored. */
uint64_t mmu_ld_sys(struct cpu *c, uint64_t la, unsigned size);
void mmu_st_sys(struct cpu *c, uint64_t la, unsigned size, uint64_t v);
/* Host pointer for bulk work, valid to the end of la's page, or NULL (MMIO, code page on write,
 * watched ...: then use the functions above). Raises faults. */
void *mmu_bulk(struct cpu *c, uint64_t la, int access);

#define MEM_LD(name, type)                                                                         \
    static inline type name(struct cpu *c, uint64_t la)                                            \
    {                                                                                              \
        const struct tlb_entry *e = &c->tlb_r[tlb_index(la)];                                      \
        if (__builtin_expect(e->tag == (((la + sizeof(type) - 1) & TLB_PAGE_MASK) | c->ctx), 1)) { \
            type v;                                                                                \
            memcpy(&v, (const void *)(e->addend + la), sizeof v);                                  \
            return v;                                                                              \
        }                                                                                          \
        return (type)mmu_ld_slow(c, la, sizeof(type));                                             \
    }
MEM_LD(mem_ld8, uint8_t)
MEM_LD(mem_ld16, uint16_t)
MEM_LD(mem_ld32, uint32_t)
MEM_LD(mem_ld64, uint64_t)
#undef MEM_LD

#define MEM_ST(name, type)                                                                         \
    static inline void name(struct cpu *c, uint64_t la, type v)                                    \
    {                                                                                              \
        const struct tlb_entry *e = &c->tlb_w[tlb_index(la)];                                      \
        if (__builtin_expect(e->tag == (((la + sizeof(type) - 1) & TLB_PAGE_MASK) | c->ctx), 1)) { \
            memcpy((void *)(e->addend + la), &v, sizeof v);                                        \
            return;                                                                                \
        }                                                                                          \
        mmu_st_slow(c, la, sizeof(type), v);                                                       \
    }
MEM_ST(mem_st8, uint8_t)
MEM_ST(mem_st16, uint16_t)
MEM_ST(mem_st32, uint32_t)
MEM_ST(mem_st64, uint64_t)
#undef MEM_ST

static inline uint64_t mem_ld(struct cpu *c, uint64_t la, unsigned size)
{
    switch (size) {
    case 1:
        return mem_ld8(c, la);
    case 2:
        return mem_ld16(c, la);
    case 4:
        return mem_ld32(c, la);
    default:
        return mem_ld64(c, la);
    }
}

static inline void mem_st(struct cpu *c, uint64_t la, unsigned size, uint64_t v)
{
    switch (size) {
    case 1:
        mem_st8(c, la, (uint8_t)v);
        break;
    case 2:
        mem_st16(c, la, (uint16_t)v);
        break;
    case 4:
        mem_st32(c, la, (uint32_t)v);
        break;
    default:
        mem_st64(c, la, v);
        break;
    }
}

/* Offset of the memory operand within its segment, wrapped to the address size. */
static inline uint64_t insn_ea(const struct cpu *c, const struct insn *i)
{
    const uint64_t ea = c->r[i->b] + (c->r[i->x] << i->scale) + (uint64_t)(int64_t)i->disp;
    if (i->flags & INSN_A32)
        return (uint32_t)ea;
    if (i->flags & INSN_A16)
        return (uint16_t)ea;
    return ea;
}

/* Linear address of `len` bytes at offset `off` of segment `seg`, with the checks of the mode:
 * limits, type and null selector outside 64-bit mode (#GP/#SS), canonical form in it. cpu/sys. */
uint64_t seg_linear_slow(struct cpu *c, unsigned seg, uint64_t off, unsigned len, int access);

static inline uint64_t seg_linear(struct cpu *c, unsigned seg, uint64_t off, unsigned len,
                                  int access)
{
    if (__builtin_expect(cpu_code64(c), 1)) {
        /* canonical: bits 63..47 all equal (48-bit linear addresses), to the last byte */
        const uint64_t la = seg >= SEG_FS ? c->seg[seg].base + off : off;
        if (__builtin_expect(
                ((uint64_t)((int64_t)la >> 47) + 1) <= 1 && !((la ^ (la + len - 1)) >> 47), 1))
            return la;
    }
    return seg_linear_slow(c, seg, off, len, access);
}

/* Linear address of the instruction's memory operand. */
static inline uint64_t insn_la(struct cpu *c, const struct insn *i, unsigned len, int access)
{
    return seg_linear(c, i->seg, insn_ea(c, i), len, access);
}

/* Same, for 16-byte operands that must be aligned: #GP(0). */
static inline uint64_t insn_la16(struct cpu *c, const struct insn *i, int access)
{
    const uint64_t la = insn_la(c, i, 16, access);
    if (la & 15)
        cpu_fault(c, EXC_GP, 0);
    return la;
}

static inline void mem_ld128(struct cpu *c, uint64_t la, void *to)
{
    const struct tlb_entry *e = &c->tlb_r[tlb_index(la)];
    if (__builtin_expect(e->tag == (((la + 15) & TLB_PAGE_MASK) | c->ctx), 1))
        memcpy(to, (const void *)(e->addend + la), 16);
    else
        mmu_ld_bytes(c, la, to, 16);
}

static inline void mem_st128(struct cpu *c, uint64_t la, const void *from)
{
    const struct tlb_entry *e = &c->tlb_w[tlb_index(la)];
    if (__builtin_expect(e->tag == (((la + 15) & TLB_PAGE_MASK) | c->ctx), 1))
        memcpy((void *)(e->addend + la), from, 16);
    else
        mmu_st_bytes(c, la, from, 16);
}

/* General registers by operand size. 32-bit writes clear the upper half, 8/16-bit writes do not.
 * For byte operands `reg` is the offset in bytes that the decoder stored. */
static inline uint64_t reg_get(const struct cpu *c, unsigned reg, unsigned size)
{
    switch (size) {
    case 1:
        return ((const uint8_t *)c->r)[reg];
    case 2:
        return (uint16_t)c->r[reg];
    case 4:
        return (uint32_t)c->r[reg];
    default:
        return c->r[reg];
    }
}

static inline void reg_set(struct cpu *c, unsigned reg, unsigned size, uint64_t v)
{
    switch (size) {
    case 1:
        ((uint8_t *)c->r)[reg] = (uint8_t)v;
        break;
    case 2:
        c->r[reg] = (c->r[reg] & ~0xffffull) | (uint16_t)v;
        break;
    case 4:
        c->r[reg] = (uint32_t)v;
        break;
    default:
        c->r[reg] = v;
        break;
    }
}

#endif
