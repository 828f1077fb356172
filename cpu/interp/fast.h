/*
 * cpu/interp/fast.h: how chained handlers are written (engine.md A.2).
 *
 * Rules: no out-of-line call in a fast path; when it does not apply, tail-call h_sem (or h_end for
 * block-ending rows) with nothing changed. Memory forms come in three: `base` (64-bit address,
 * segment base 0, no index), `flat` (with index) and `gen` (32-bit addresses, FS/GS bases).
 */
#ifndef CPU_INTERP_FAST_H
#define CPU_INTERP_FAST_H

#include "cpu/interp/alu.h"
#include "cpu/interp/engine.h"
#include "cpu/mem.h"

#define LIKELY(x)   __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

/* Sibling calls need optimisation, and no sanitizer that keeps frames alive (engine.md A.2). */
#if !defined(__OPTIMIZE__) || defined(VITRINE_SANITIZE) || defined(VITRINE_DISPATCH_LOOP)
#define DISPATCH_LOOP 1
#else
#define DISPATCH_LOOP 0
#endif

#define PARAMS struct cpu *c, const struct insn *i, int64_t budget, uint64_t lf_res, uint64_t lf_aux

#if DISPATCH_LOOP
#define TAIL(f)             \
    do {                    \
        c->next_fn = (f);   \
        c->next = i;        \
        c->budget = budget; \
        c->lf_res = lf_res; \
        c->lf_aux = lf_aux; \
        return;             \
    } while (0)
#elif defined(__clang__)
#define TAIL(f) __attribute__((musttail)) return (f)(c, i, budget, lf_res, lf_aux)
#else
#define TAIL(f) return (f)(c, i, budget, lf_res, lf_aux)
#endif

#define H(name) static void name(PARAMS)
#define NEXT         \
    do {             \
        i++;         \
        TAIL(i->fn); \
    } while (0)

/* Leave the chain: the state in struct cpu becomes exact; `at` is the next instruction. */
#define LEAVE(at)           \
    do {                    \
        c->rip = (at);      \
        c->budget = budget; \
        c->lf_res = lf_res; \
        c->lf_aux = lf_aux; \
        c->cur = NULL;      \
        c->in_insn = false; \
        return;             \
    } while (0)

#define EA_flat (c->r[i->b] + (c->r[i->x] << i->scale) + (uint64_t)(int64_t)i->disp)
ALU_INLINE uint64_t ea_gen(const struct cpu *c, const struct insn *i)
{
    uint64_t ea = EA_flat;
    if (i->flags & INSN_A32)
        ea = (uint32_t)ea;
    return i->seg >= SEG_FS ? c->seg[i->seg].base + ea : ea;
}
#define EA_gen  ea_gen(c, i)
#define EA_base (c->r[i->b] + (uint64_t)(int64_t)i->disp)

#define TLB_OF(table, la)  (&c->table[tlb_index(la)])
#define TLB_WANT(la, size) ((((la) + (size)-1) & TLB_PAGE_MASK) | c->ctx)

ALU_INLINE uint64_t host_ld(uintptr_t at, unsigned size)
{
    uint8_t v8;
    uint16_t v16;
    uint32_t v32;
    uint64_t v64;
    switch (size) {
    case 1:
        memcpy(&v8, (const void *)at, 1);
        return v8;
    case 2:
        memcpy(&v16, (const void *)at, 2);
        return v16;
    case 4:
        memcpy(&v32, (const void *)at, 4);
        return v32;
    default:
        memcpy(&v64, (const void *)at, 8);
        return v64;
    }
}

ALU_INLINE void host_st(uintptr_t at, unsigned size, uint64_t v)
{
    const uint8_t v8 = (uint8_t)v;
    const uint16_t v16 = (uint16_t)v;
    const uint32_t v32 = (uint32_t)v;
    switch (size) {
    case 1:
        memcpy((void *)at, &v8, 1);
        break;
    case 2:
        memcpy((void *)at, &v16, 2);
        break;
    case 4:
        memcpy((void *)at, &v32, 4);
        break;
    default:
        memcpy((void *)at, &v, 8);
        break;
    }
}

/* `at` becomes the host address of the memory operand, or the slow handler takes over. */
#define MEM_R(at, la, size, slow)                            \
    const uint64_t at##_la = (la);                           \
    const struct tlb_entry *at##_e = TLB_OF(tlb_r, at##_la); \
    if (UNLIKELY(at##_e->tag != TLB_WANT(at##_la, size)))    \
        TAIL(slow);                                          \
    const uintptr_t at = at##_e->addend + at##_la
#define MEM_W(at, la, size, slow)                            \
    const uint64_t at##_la = (la);                           \
    const struct tlb_entry *at##_e = TLB_OF(tlb_w, at##_la); \
    if (UNLIKELY(at##_e->tag != TLB_WANT(at##_la, size)))    \
        TAIL(slow);                                          \
    const uintptr_t at = at##_e->addend + at##_la

/* On to the linked block of this slot; unlinked or out of budget: h_end does the branch and
 * leaves. */
#define GO_LINK(slot)                                              \
    do {                                                           \
        struct block *const from_ = (struct block *)insn_block(i); \
        const struct block *const to_ = from_->link[slot];         \
        if (UNLIKELY(!to_)) {                                      \
            c->link_from = from_;                                  \
            c->link_slot = slot;                                   \
            TAIL(h_end);                                           \
        }                                                          \
        if (UNLIKELY(budget < to_->n))                             \
            TAIL(h_end);                                           \
        budget -= to_->n;                                          \
        i = to_->insn;                                             \
        TAIL(i->fn);                                               \
    } while (0)

/* On to linear address `to` by the jump cache after `commit`; else `miss` (nothing changed yet). */
#define GO_TO(to, commit, miss)                                         \
    do {                                                                \
        const uint64_t to_la = (to);                                    \
        const struct jump_entry *const j_ = &c->jump[jump_hash(to_la)]; \
        if (UNLIKELY(!jump_is_current(c, j_, to_la) || budget < j_->n)) \
            TAIL(miss);                                                 \
        commit;                                                         \
        c->r[R_PAGE] = to_la & ~4095ull;                                \
        budget -= j_->n;                                                \
        i = j_->insn;                                                   \
        TAIL(i->fn);                                                    \
    } while (0)

/* Fast forms of one row; NULL where there is none. Index of size: 0-3 for 1, 2, 4, 8 bytes. The
 * last index is 1 for the variant that does not compute flags. */
struct fast_forms {
    op_fn *sem;
    insn_fn *reg[4][2];
    insn_fn *flat[4][2];
    insn_fn *gen[4][2];
    insn_fn *base[4][2]; /* NULL: flat serves */
};

/* One list per source file, ended by sem == NULL. Register forms of the last three may
 * leave. */
extern const struct fast_forms fast_alu_forms[], fast_alu2_forms[], fast_mov_forms[],
    fast_sse_forms[], fast_avx_forms[], fast_x87_forms[];

/* fast_mov.c: pushes and pops in a row get handlers for several at once. */
void fast_runs(struct block *b);

/* fast_branch.c: handler of a block-ending row in 64-bit or flat 32-bit mode, or NULL. */
insn_fn *fast_branch(const struct block *b, const struct insn *i);
/* The handler of cmp/test i fused with the Jcc behind it, or NULL. */
insn_fn *fast_fused(const struct block *b, const struct insn *i);

#endif
