/*
 * tests/lib/rig.h: a bare processor with RAM, bus and clock for unit tests, and page-table
 * building.
 */
#ifndef TESTS_LIB_RIG_H
#define TESTS_LIB_RIG_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/bus.h"
#include "core/clock.h"
#include "cpu/cpu.h"
#include "cpu/mem.h"
#include "cpu/sys/sys.h"
#include "mmu/mmu.h"
#include "mmu/ram.h"

struct rig {
    struct cpu *c;
    struct ram *ram;
    struct bus *bus;
    struct clock *clock;
    struct engine *engine;
    uint64_t next_table; /* page tables are taken from here */
};

struct rig rig_new(uint64_t ram_size);
struct rig rig_new_cpu(uint64_t ram_size, const char *model); /* "max,-vmx": one at a time */
void rig_free(struct rig *r);

/* 64-bit mode, flat segments, CPL 0, CR3 = an empty table. */
void rig_long_mode(struct rig *r);
void rig_set_cpl(struct rig *r, unsigned cpl);
/* Map one page of 1 << shift bytes (12, 21, 30) in the 4-level tables of cr3. */
void rig_map(struct rig *r, uint64_t cr3, uint64_t la, uint64_t pa, uint64_t flags, unsigned shift);
/* Machine address of the leaf entry, 0 when there is none. */
uint64_t rig_leaf(struct rig *r, uint64_t cr3, uint64_t la);
uint64_t rig_ld64(struct rig *r, uint64_t pa);
void rig_st64(struct rig *r, uint64_t pa, uint64_t v);
uint64_t rig_new_table(struct rig *r);

/* Programs: flat code and data segments, and an IDT of which each handler is a HLT of its own.
 * rig_programs sets GDTR and IDTR; the caller maps the first MiB one to one. */
#define RIG_CODE     0x10000ull
#define RIG_IDT      0x20000ull
#define RIG_HANDLERS 0x30000ull /* 16 bytes a vector */
void rig_programs(struct rig *r);
void rig_put(struct rig *r, uint64_t at, const void *bytes, unsigned len);
#define RIG_PUT(rig, at, ...) \
    rig_put(rig, at, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))
void rig_start(struct rig *r, uint64_t rip); /* RIP, a stack, awake */
/* To a HLT: the vector whose handler it was in, -1 for the program's own, -2 for a triple fault. */
int rig_run(struct rig *r);

/* Run `stmt`; the vector of the fault it raised, or -1. r.c->fault_err and fault_addr have the
 * rest. */
#define RIG_TRY(rig, stmt)                  \
    __extension__({                         \
        volatile int vec_ = -1;             \
        if (setjmp((rig)->c->leave) == 0) { \
            stmt;                           \
        } else {                            \
            vec_ = (rig)->c->fault_vec;     \
        }                                   \
        vec_;                               \
    })

#endif
