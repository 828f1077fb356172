/*
 * cpu/timing/timing.h: the cycle model behind --time=block (docs/how-it-works/timing.md).
 *
 * Without it (c->timing == NULL) an instruction is a nanosecond. With it time goes on by cycles of
 * a core of TIMING_CYCLES_PER_NS: static ones, worked out when a block is built, and dynamic ones
 * of caches, translation, branches, events and VM entries and exits. All of it follows from the
 * instructions and addresses that the guest has executed: how the engine cut them into blocks and
 * slices, and whether a debugger looked, makes no difference.
 *
 * A *stretch* is what static cycles are worked out for: it begins behind a block-ending
 * instruction, an event, an instruction in the last 15 bytes of a page or 64 instructions. Blocks
 * are stretches; when one is left in its middle, the rest is stepped. The clock's events are looked
 * at between stretches.
 */
#ifndef CPU_TIMING_TIMING_H
#define CPU_TIMING_TIMING_H

#include <stdbool.h>
#include <stdint.h>

#include "cpu/cpu.h"

enum timing_param {
#define PARAM(name, value, help) TIMING_##name = (value),
#include "cpu/timing/params.def"
#undef PARAM
};

/* Time is counted in quarters of a cycle. */
#define TIMING_TICKS_PER_CYCLE 4u
#define TIMING_TICKS_PER_NS    (TIMING_TICKS_PER_CYCLE * TIMING_CYCLES_PER_NS)

struct timing;
struct timing_shared; /* the last-level cache of a machine */

struct timing_shared *timing_shared_new(void);
void timing_shared_free(struct timing_shared *s);
void timing_shared_reset(struct timing_shared *s);
uint64_t timing_shared_hash(const struct timing_shared *s, uint64_t seed);

/* Give a processor the model; before its engine builds a block. false: no memory. */
bool timing_attach(struct cpu *c, struct timing_shared *s);
void timing_free(struct timing *t);
void timing_reset(struct timing *t);
uint64_t timing_hash(const struct timing *t, uint64_t seed);

/* Exact at the current instruction, also in the middle of a block. */
uint64_t timing_ticks(struct cpu *c);
/* cpu_run returns at the first end of a stretch at or after this. */
void timing_set_stop(struct cpu *c, uint64_t ticks);
/* The last instruction was not the end of its stretch. */
bool timing_in_stretch(const struct cpu *c);

/* What happened so far; not state, but what the performance counters are made of. */
struct timing_counts {
    uint64_t branch_misses, llc_references, llc_misses;
    uint64_t l1i_misses, l1d_misses, l2_misses, tlb_misses, walks, walk_loads;
};
const struct timing_counts *timing_counts(const struct timing *t);

/* Something took time beyond the instruction that did it. */
enum timing_stall {
    TIMING_STALL_EVENT,
    TIMING_STALL_VM_ENTRY,
    TIMING_STALL_VM_EXIT,
    TIMING_STALL_VM_MSR,
    TIMING_STALL_DEVICE_READ,
    TIMING_STALL_DEVICE_WRITE,
    TIMING_STALL_APIC,
};
void timing_stall_slow(struct cpu *c, enum timing_stall what);
void timing_cycles_slow(struct cpu *c, uint64_t cycles);
static inline void timing_stall(struct cpu *c, enum timing_stall what)
{
    if (c->timing)
        timing_stall_slow(c, what);
}
static inline void timing_cycles(struct cpu *c, uint64_t cycles)
{
    if (c->timing)
        timing_cycles_slow(c, cycles);
}

/* ---- mmu ---- */
/* Data access of one page that has succeeded. */
void timing_access(struct cpu *c, uint64_t la, uint64_t hpa, unsigned size, bool is_write);
/* Serial numbers under which translations are cached from now on. */
void timing_space(struct cpu *c, uint32_t as, uint32_t global);
void timing_forget_page(struct cpu *c, uint64_t la);

/* ---- engine ---- */
/* Cycles of a block by number of instructions done, in ticks: b->n + 1 words behind the block. */
static inline uint32_t *timing_costs(const struct block *b)
{
    return (uint32_t *)(uintptr_t)&b->insn[b->n + 1];
}
static inline unsigned timing_costs_size(unsigned n)
{
    return ((n + 1) * 4 + 31) & ~31u;
}
void timing_block_built(const struct block *b);
/* The next instruction would begin a new stretch. */
static inline bool timing_ends_at(unsigned rip_off)
{
    return rip_off > 4096 - 15;
}

/* Run loop: between stretches, with the time of the next event reached. */
bool timing_due(const struct cpu *c);
/* A block is about to run, and has run up to the present position. */
void timing_enter(struct cpu *c, const struct block *b, uint64_t la);
void timing_left(struct cpu *c);
/* By longjmp: what c->cur was, before position and c->cur are put right, and then. */
void timing_abort(struct cpu *c);
/* One instruction outside of blocks; hpa: of its first byte. */
void timing_step_begin(struct cpu *c, const struct insn *i, uint64_t la, uint64_t hpa);
void timing_step_end(struct cpu *c, const struct insn *i);
void timing_new_stretch(struct cpu *c);

#endif
