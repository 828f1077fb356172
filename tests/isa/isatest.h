/*
 * tests/isa/isatest.h: random instructions, run by the host's processor and by the engine.
 *
 * One case is one 64-bit user-mode instruction, or a short chain, with all registers and memory.
 * Both sides see the same bytes at the same addresses: CODE is read-only and executable, DATA is
 * two writable pages and a read-only one; everything around is unmapped.
 */
#ifndef TESTS_ISA_ISATEST_H
#define TESTS_ISA_ISATEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cpu/isa/isa.h"

#define CODE_VA   0x20000000ull
#define CODE_SIZE 0x2000ull
#define DATA_VA   0x30000000ull
#define DATA_RW   0x2000ull
#define DATA_SIZE 0x3000ull
#define GS_BASE   (DATA_VA + 0x800)
#define FX_USED   416 /* bytes of the FXSAVE image that are state */
#define VEC_NONE  (-1)

struct test_case {
    uint64_t r[16], flags;
    uint8_t fx[FX_USED];
    uint8_t ymm[16][16]; /* upper halves */
    uint8_t code[64];
    uint64_t undefined; /* arithmetic flags left undefined at the end */
    uint64_t rip;
    uint64_t target; /* address of the memory operand, or 0 */
    uint32_t row;    /* index into isa_rows that the generator aimed at */
    uint8_t len, insns;
};

struct test_result {
    uint64_t r[16], rip, flags;
    uint8_t fx[FX_USED];
    uint8_t ymm[16][16];
    int32_t vec; /* exception, or VEC_NONE */
    uint32_t err;
    uint64_t cr2;
    bool mem_changed;
    uint8_t mem[DATA_RW]; /* valid when mem_changed */
};

/* What may differ, and why (differ.def). */
enum {
    DF_SKIP = 1,       /* not run at all */
    DF_FX_MEM = 2,     /* stored FIP, FDP, FOP, MXCSR_MASK */
    DF_ULP = 4,        /* x87 function: results within 2 units; C1, P, U, ES free */
    DF_COUNT = 256,    /* shift count beyond the operand size */
    DF_ZERO_SRC = 8,   /* destination undefined when the source is zero */
    DF_FLAGS = 16,     /* all arithmetic flags free */
    DF_FAULT = 64,     /* CR2, memory, x87 state free when a fault is raised */
    DF_MEM_X87 = 128,  /* x87 state free with a memory operand */
    DF_C1 = 512,       /* C1 free */
    DF_ORDER = 1024,   /* of two faults either may come first */
    DF_MASKED = 2048,  /* faults free */
    DF_NOREP = 4096,   /* not with a repeat prefix */
    DF_MXCSR = 8192,   /* MXCSR bit 17 exists on the host */
    DF_LOAD16 = 16384, /* faults of a 16-bit load free */
    DF_VEX = 32768,    /* not with the wrong VEX.L or W */
    DF_NO66 = 32,      /* not with operand-size prefix */
    DF_WRAP = 65536,   /* element beyond 4 GiB of a 32-bit address: CR2 may have wrapped */
    DF_NAN = 1 << 17,  /* of several NaNs any */
    DF_NO_B = 1 << 23, /* not with REX.B */
    /* When a fault is raised, free are: */
    DF_FAULT_FPU = 1 << 18,   /* x87 state and MXCSR */
    DF_FAULT_FLAGS = 1 << 19, /* arithmetic flags */
    DF_FAULT_HIGH = 1 << 20,  /* upper halves of RCX, RSI, RDI with 32-bit addresses; if ECX = 0 */
    DF_FAULT_MASK = 1 << 21,  /* the register named by VEX.vvvv, upper half of the other */
    DF_NO_STORE = 1 << 22,    /* an unmasked x87 exception may keep a store from memory's faults */
};
struct differ {
    const char *sem, *mnemonic, *reason;
    unsigned what;
};
unsigned differ_of(const struct isa_row *row);
/* The n-th reason why something of the row is not compared, or NULL. */
const char *differ_reason(const struct isa_row *row, unsigned n);

/* page.c */
void page_count(const struct isa_row *row);
void page_write(uint64_t cases, uint64_t seed);

/* gen.c: reproducible from seed and number. pattern: initial contents of DATA. */
void gen_pattern(uint64_t seed, uint8_t pattern[DATA_SIZE]);
/* Returns false when the row has no case (the caller takes another number). */
bool gen_case(uint64_t seed, uint64_t number, const uint8_t *pattern, unsigned row,
              struct test_case *t);
bool gen_usable(const struct isa_row *row);
/* Append up to three more instructions that keep to registers and RIP-relative memory. */
void gen_chain(uint64_t seed, uint64_t number, const uint32_t *rows, unsigned row_count,
               const struct isa_row *first, struct test_case *t);

/* native.c: a child process that runs batches; results in shared memory. */
#define BATCH 512
struct shared {
    uint32_t count;
    volatile uint32_t at; /* case in progress, for crash reports */
    uint8_t pattern[DATA_SIZE];
    struct test_case cases[BATCH];
    struct test_result results[BATCH];
};
const char *native_missing(void);  /* why this host cannot do it, or NULL */
bool native_has(unsigned feature); /* enum isa_feature */
struct shared *native_start(void); /* NULL: errno */
bool native_run(struct shared *s); /* false: the child died */
void native_stop(void);

/* engine.c: a bare processor in flat 64-bit user mode. */
struct engine_side;
struct engine_side *engine_side_new(bool semantic);
void engine_side_free(struct engine_side *e);
void engine_side_batch(struct engine_side *e, const uint8_t pattern[DATA_SIZE]);
void engine_side_run(struct engine_side *e, const struct test_case *t, struct test_result *r);
/* Row that the decoder finds for the case, or NULL. */
const struct isa_row *engine_side_decode(struct engine_side *e, const struct test_case *t,
                                         struct insn *i);

#endif
