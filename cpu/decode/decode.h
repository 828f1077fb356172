/*
 * cpu/decode/decode.h: bytes to struct insn. Pure: depends on its arguments and the table only.
 */
#ifndef CPU_DECODE_DECODE_H
#define CPU_DECODE_DECODE_H

#include <stdbool.h>
#include <stdint.h>

#include "cpu/insn.h"
#include "cpu/isa/isa.h"

#define INSN_MAX_LEN 15

/* Values of insn.op beyond the table: instructions that only raise a fault. */
enum { OPX_UD = 0xfffe, OPX_GP = 0xfffd, OPX_END = 0xffff };

enum decode_status {
    DECODE_OK,
    DECODE_MORE, /* the bytes given end before the instruction does */
};

/* Fills everything but fn and idx. `avail` bytes at p, at page offset rip_off; mode: MODE_*;
 * features: bit per enum isa_feature. An illegal encoding gives DECODE_OK with op OPX_UD or
 * OPX_GP (longer than 15 bytes). */
enum decode_status decode(struct insn *i, const uint8_t *p, unsigned avail, unsigned rip_off,
                          uint32_t mode, const uint64_t *features);

/* Semantic function of a decoded instruction, OPX_* included, and its row (NULL for OPX_*). */
op_fn *insn_sem(const struct insn *i);
const struct isa_row *insn_row(const struct insn *i);
/* The instruction ends its block. */
bool insn_ends(const struct insn *i);

#endif
