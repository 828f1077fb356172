/*
 * cpu/insn.h: one decoded instruction and one block of them (engine.md F.2).
 *
 * A block is a straight run of instructions inside one 4 KiB page, decoded once, cached by machine
 * physical address and mode. It is followed in memory by its instructions; the last one is
 * either a block-ending instruction or the END pseudo-instruction.
 */
#ifndef CPU_INSN_H
#define CPU_INSN_H

#include <stdint.h>

struct cpu;
struct insn;

/* Chained handler: `budget` and the lazy flags are pinned in argument registers. Every fast handler
 * ends in a sibling call of the next one; slow paths spill to struct cpu first. */
typedef void insn_fn(struct cpu *c, const struct insn *i, int64_t budget, uint64_t lf_res,
                     uint64_t lf_aux);

/* Semantic function of a table row: state is in struct cpu, faults leave by cpu_fault (longjmp).
 * Must not change architectural state before its last possible fault. */
typedef void op_fn(struct cpu *c, const struct insn *i);

enum {
    INSN_MEM = 1 << 0,   /* the r/m operand is memory */
    INSN_LOCK = 1 << 1,
    INSN_REP = 1 << 2,   /* F3 present (REP/REPE) */
    INSN_REPNE = 1 << 3, /* F2 present */
    INSN_A32 = 1 << 4,   /* address size 32; neither A32 nor A16: 64 */
    INSN_A16 = 1 << 5,
    INSN_REX = 1 << 6,   /* a REX prefix counts: byte registers 4-7 are SPL.. */
    INSN_OPSZ = 1 << 7,  /* 66 present */
};

struct insn {
    insn_fn *fn;
    /* Register operands: index 0-15; for byte operands the offset into c->r in bytes
     * (index * 8, or (index - 4) * 8 + 1 for AH..BH). */
    uint8_t d;     /* ModRM.reg, or the register in the opcode, or the implied register */
    uint8_t s;     /* ModRM.rm when it is a register */
    uint8_t b, x;  /* base and index: a register, R_ZERO, R_PAGE (RIP-relative), R_8K */
    uint8_t scale; /* index shift, 0-3 */
    uint8_t seg;   /* effective segment after overrides and defaults (SEG_*) */
    uint8_t osize; /* operand size in bytes: 1, 2, 4, 8 (REX.W, 66, row defaults applied) */
    uint8_t flags; /* INSN_* */
    union {
        struct {
            int32_t disp; /* RIP-relative: already relative to R_PAGE */
            int32_t imm;  /* sign-extended; ENTER: imm16 | imm8 << 16 */
        };
        uint64_t imm64; /* MOV r64,imm64; moffs (the address); far pointer: sel << 32 | offset */
    };
    uint8_t idx;      /* index within the block */
    uint8_t len;      /* bytes */
    uint16_t rip_off; /* offset of the first byte from the block's page, i.e. 0-4095 */
    uint16_t op;      /* row of the instruction table */
    uint16_t aux;     /* handler's own: condition, fused partner, opcode byte 3 ... */
};
_Static_assert(sizeof(struct insn) == 32, "two instructions a cache line");

#define BLOCK_MAX_INSNS 64

struct block {
    uint64_t key;         /* machine physical address of the first byte */
    uint64_t granules;    /* mask of the page's 64-byte granules that it was decoded from */
    struct block *link[2];/* taken, fall-through successor within reach, or NULL */
    struct block *next;   /* list of its frame */
    struct block *hash_next;
    uint32_t mode;        /* c->mode at decode time */
    uint32_t frame2;      /* second frame of a page-split instruction, or 0 */
    uint16_t n;           /* instructions */
    uint16_t start_off;   /* rip_off of the first one */
    uint16_t flags;       /* engine's own */
    uint8_t valid;
    uint8_t room;         /* instructions that its memory holds (n may be less) */
    struct insn insn[];
};

static inline const struct block *insn_block(const struct insn *i)
{
    return (const struct block *)((const char *)(i - i->idx) - sizeof(struct block));
}

#endif
