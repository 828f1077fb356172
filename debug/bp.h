/*
 * Breakpoints, watchpoints and single-step of all LPs of a machine, as gdb and the monitor set
 * them. They are wishes in cpu->dbg, never machine state: the state hash does not see them.
 */
#ifndef DEBUG_BP_H
#define DEBUG_BP_H

#include <stdbool.h>
#include <stdint.h>

#include "cpu/cpu.h"

struct machine;

#define BP_MAX 64

enum bp_kind { BP_SOFTWARE = 0, BP_HARDWARE = 1, BP_WRITE = 2, BP_READ = 3, BP_ACCESS = 4 };

struct bp {
    uint64_t la;
    uint64_t len;
    uint8_t kind; /* enum bp_kind: gdb's Z number */
};

struct bp_set {
    struct machine *machine;
    struct bp bp[BP_MAX];
    unsigned count;
    /* derived: what the LPs point to */
    uint64_t exec[BP_MAX];
    struct cpu_watch watch[BP_MAX];
};

void bp_init(struct bp_set *s, struct machine *m);
/* 0, -ENOSPC or -EINVAL. Inserting the same one twice is one breakpoint. */
int bp_insert(struct bp_set *s, enum bp_kind kind, uint64_t la, uint64_t len);
int bp_remove(struct bp_set *s, enum bp_kind kind, uint64_t la, uint64_t len);
void bp_clear(struct bp_set *s);
/* The breakpoint or watchpoint at la, or NULL. */
const struct bp *bp_find(const struct bp_set *s, uint64_t la, bool watch);

/* Single-step of one LP; on before running, off after the stop. */
void bp_set_step(struct bp_set *s, unsigned lp, bool on);
/* Run over breakpoints at the present addresses of all LPs once. */
void bp_resume_over(struct bp_set *s);
/* Instruction trace hook on all LPs; NULL: off. */
void bp_set_trace(struct machine *m, void (*hook)(void *opaque, struct cpu *c), void *opaque);

#endif
