/*
 * cpu/timing/timing_int.h: private to cpu/timing: the state of the model.
 *
 * Sets are kept in order of use, most recent first, so replacement is true LRU and the common case
 * is one compare.
 */
#ifndef CPU_TIMING_TIMING_INT_H
#define CPU_TIMING_TIMING_INT_H

#include <string.h>

#include "core/dev.h"
#include "cpu/cpu.h"
#include "cpu/timing/timing.h"

#define TICKS(cycles) ((uint64_t)(cycles)*TIMING_TICKS_PER_CYCLE)

/* ---- static costs (cost.c) ---- */
enum timing_port {
    PORT_NONE,
    PORT_SHIFT,
    PORT_MUL,
    PORT_DIV,
    PORT_FP,
    PORT_VEC,
    PORT_SHUF,
    PORT_LOAD,
    PORT_STORE,
    PORT_BRANCH,
    PORT_FRONT,
    PORT_COUNT
};
enum { CHAIN_FLAGS = 16, CHAIN_VEC = 17, CHAIN_X87 = 33, CHAIN_REGS = 34, CHAIN_NONE = 0xff };

/* What is known of a stretch so far: cycles by port, and for each register how far it is behind the
 * entry value of the register that it depends on most. */
struct timing_chain {
    uint16_t port[PORT_COUNT];  /* ticks */
    uint16_t depth[CHAIN_REGS]; /* cycles */
    uint8_t origin[CHAIN_REGS];
    uint16_t carried; /* longest chain from a register to itself, cycles */
    uint8_t fuses;    /* a CMP or the like was last: a Jcc joins it */
    uint32_t stall;   /* ticks */
};
void chain_reset(struct timing_chain *h);
/* Another instruction: ticks of the stretch up to and with it. */
uint32_t chain_add(struct timing_chain *h, const struct insn *i);

/* ---- dynamic costs ---- */
struct timing_shared {
    uint64_t l3[TIMING_L3_SETS * TIMING_L3_WAYS];
};

struct timing {
    /* wiring */
    struct timing_shared *shared;
    /* state */
    uint64_t ticks;
    uint32_t in_stretch;           /* instructions stepped since it began */
    uint32_t cost;                 /* of these */
    struct timing_chain chain;     /* of these */
    uint64_t line;                 /* of code, last fetched (physical address / 64) */
    uint64_t code_page, data_page; /* last looked up; with the address space */
    uint32_t code_as, data_as;
    uint64_t miss_pos; /* position of the miss that others hide behind */
    uint32_t miss_count, miss_regs;
    uint64_t history, path; /* of branches */
    uint32_t return_top;
    uint32_t stream_next;
    uint64_t l1i[TIMING_L1I_SETS * TIMING_L1I_WAYS];
    uint64_t l1d[TIMING_L1D_SETS * TIMING_L1D_WAYS];
    uint64_t l2[TIMING_L2_SETS * TIMING_L2_WAYS];
    uint64_t stream_page[TIMING_STREAMS];
    uint8_t stream_line[TIMING_STREAMS], stream_run[TIMING_STREAMS];
    uint64_t dtlb[TIMING_DTLB_SETS * TIMING_DTLB_WAYS];
    uint64_t dtlb_big[TIMING_DTLB_BIG_SETS * TIMING_DTLB_BIG_WAYS];
    uint64_t itlb[TIMING_ITLB_SETS * TIMING_ITLB_WAYS];
    uint64_t itlb_big[TIMING_ITLB_BIG_SETS * TIMING_ITLB_BIG_WAYS];
    uint64_t stlb[TIMING_STLB_SETS * TIMING_STLB_WAYS];
    uint64_t pde[TIMING_PDE_SETS * TIMING_PDE_WAYS];
    uint64_t ept_pde[TIMING_EPT_PDE_SETS * TIMING_EPT_PDE_WAYS];
    uint64_t btb[TIMING_BTB_SETS * TIMING_BTB_WAYS];
    uint64_t indirect[1u << TIMING_INDIRECT_BITS];
    uint64_t returns[TIMING_RETURNS];
    uint8_t pattern[1u << TIMING_PATTERN_BITS];
    /* derived */
    uint32_t as, global;       /* what translations are cached under */
    uint64_t stop;             /* timing_set_stop */
    const struct block *block; /* running; NULL: stepping, or between blocks */
    uint64_t entry;            /* position at its start */
    uint32_t fetched;          /* its code up to this page offset has been fetched */
    uint64_t code_hpa;         /* page of the code that runs */
    struct timing_counts counts;
};

/* Was the tag there? It is now, as the most recent one. Tags are never 0. */
static inline bool set_touch(uint64_t *set, unsigned ways, uint64_t tag)
{
    unsigned n = 0;
    if (set[0] == tag)
        return true;
    while (n < ways - 1 && set[n] != tag)
        n++;
    const bool hit = set[n] == tag;
    memmove(set + 1, set, n * sizeof *set);
    set[0] = tag;
    return hit;
}

static inline bool set_has(uint64_t *set, unsigned ways, uint64_t tag)
{
    for (unsigned n = 0; n < ways; n++) {
        if (set[n] == tag)
            return set_touch(set, ways, tag);
    }
    return false;
}

/* cache.c */
enum level { LEVEL_L1, LEVEL_L2, LEVEL_L3, LEVEL_DRAM };
enum level cache_code(struct timing *t, uint64_t line);
enum level cache_data(struct timing *t, uint64_t line);
unsigned cache_latency(enum level l); /* cycles, from load to use */
void cache_load(struct cpu *c, uint64_t hpa, unsigned size, bool is_write);
void cache_fetch(struct timing *t, uint64_t hpa);

/* tlb.c: charge what the translation of this page takes. */
void tlb_data(struct cpu *c, uint64_t la, bool is_write);
void tlb_code(struct cpu *c, uint64_t la);

/* branch.c */
void branch_retired(struct timing *t, const struct isa_row *r, uint64_t la, uint64_t next,
                    uint64_t target);

#endif
