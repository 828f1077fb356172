/*
 * cpu/interp/engine.h: private to cpu/interp: the block cache and the rules of chained handlers.
 *
 * Blocks are keyed by machine physical address and mode. Three ways lead from one to the next:
 *   link        within a page: same linear page, same frame; a dead block's first handler leaves
 *   jump cache  across pages: keyed by linear address, mode, c->code_gen and context; code in
 *               global pages has one entry for all address spaces
 *   lookup      translation plus hash, in the run loop
 *
 * Chained handlers (fast.h) keep budget and lazy flags in argument registers. A handler whose fast
 * path does not apply tail-calls h_sem or h_end, which run the row's semantic function from the
 * start; nothing has changed before. c->attn is looked at after slow paths only: nothing else can
 * set it.
 */
#ifndef CPU_INTERP_ENGINE_H
#define CPU_INTERP_ENGINE_H

#include "cpu/cpu.h"
#include "mmu/ram.h"

#define ENGINE_LPS     256
#define JUMP_BITS      15
#define JUMP_ENTRIES   (1u << JUMP_BITS)
#define HASH_BITS      16
#define SPLIT_LISTS    4096
#define KILLS_IN_A_ROW 4 /* written code pages without decoding in between: data now */
#define ARENA_SIZE     (44u << 20)

struct jump_entry {
    uint64_t la, key;
    const struct insn *insn; /* the first; of a killed block: h_dead */
    int64_t n;
};

struct engine {
    /* configuration: optimisations, all on by default; results are equal with any setting */
    bool fast, fuse, link, dead_flags;
    bool timed; /* blocks carry the cycles of the cycle model (cpu/timing); engine_use_timing */
    /* wiring */
    struct ram *ram;
    struct cpu *cpus[ENGINE_LPS];
    unsigned cpu_count;
    struct jump_entry *jumps[ENGINE_LPS]; /* owned; cpus may be gone before the engine */
    uint64_t bp_sum[ENGINE_LPS];          /* of the debugger's breakpoints when last seen */
    /* derived */
    struct block *hash[1u << HASH_BITS];
    struct block *split[SPLIT_LISTS]; /* page-split instructions by second frame, by link[0] */
    uint8_t *arena;
    size_t used[2]; /* per half */
    unsigned half;
    /* T0: a block that is never in the cache: one instruction, or the tail of a budget */
    _Alignas(struct block) uint8_t
        step_memory[sizeof(struct block) + (BLOCK_MAX_INSNS + 1) * sizeof(struct insn)];
    /* how the stepped instruction started */
    bool stepping, step_tf, step_rf, step_non_root;
    uint8_t step_shadow;
    uint64_t step_next; /* address of the instruction behind it */
    unsigned faults;    /* in a row */
};

static inline struct block *step_block(struct engine *e)
{
    return (struct block *)e->step_memory;
}

enum { BLOCK_SPLIT = 1 << 0 };

/* block.c */
struct block *block_find(struct engine *e, uint64_t hpa, uint32_t mode);
/* Decode at linear address la, hpa its machine address, p the host bytes to the end of the page.
 * May fault when the first instruction runs into a page that cannot be fetched. */
struct block *block_build(struct cpu *c, uint64_t la, uint64_t hpa, const uint8_t *p);
void block_kill(struct engine *e, struct block *b);
/* Decode the one instruction at c->rip into e->step; may fault. */
const struct insn *step_decode(struct cpu *c, uint64_t la);

/* fast.c: choose i->fn for all instructions of a new block */
void fast_assign(const struct engine *e, struct block *b);
insn_fn h_sem, h_end, h_count, h_fall, h_fall_out, h_nop, h_dead;

static inline bool jump_is_current(const struct cpu *c, const struct jump_entry *j, uint64_t la)
{
    const uint64_t key = j->key;
    return j->la == la && (key == c->jump_key || key == c->jump_key_g);
}

static inline unsigned jump_hash(uint64_t la)
{
    return (unsigned)(la ^ la >> 12) & (JUMP_ENTRIES - 1);
}

#endif
