/*
 * Registers of a logical processor in gdb's numbering; table gdb_regs.def. Values are little
 * endian bytes of the width that the table states.
 */
#ifndef DEBUG_GDB_REGS_H
#define DEBUG_GDB_REGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cpu;

#define GDB_REG_BYTES_MAX 16

unsigned gdb_reg_count(void);
unsigned gdb_reg_size(unsigned reg); /* bytes */
const char *gdb_reg_name(unsigned reg);
void gdb_reg_read(struct cpu *c, unsigned reg, uint8_t *bytes);
/* False when the register cannot be changed by the debugger. */
bool gdb_reg_write(struct cpu *c, unsigned reg, const uint8_t *bytes);

/* The target description (target.xml); static storage. */
const char *gdb_target_xml(void);

#endif
