/*
 * One line of text per instruction: position, LP, level, address, bytes, disassembly.
 */
#ifndef DEBUG_INSN_TRACE_H
#define DEBUG_INSN_TRACE_H

#include <stddef.h>
#include <stdint.h>

struct cpu;
struct insn_text {
    uint8_t bytes[15];
    unsigned len;   /* by our decoder; 0 when the bytes cannot be read */
    char text[128]; /* mnemonic and operands */
};

/* Disassemble what the LP is about to execute. */
void insn_at_rip(const struct cpu *c, struct insn_text *out);
/* Disassemble at a linear address in the LP's present mode. */
void insn_at(const struct cpu *c, uint64_t la, struct insn_text *out);

#endif
