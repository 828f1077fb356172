/* tests/fuzz/pc.h: one machine for the targets that need a whole one; power-on state per input. */
#ifndef TESTS_FUZZ_PC_H
#define TESTS_FUZZ_PC_H

#include "machine/machine_int.h"

#define PC_MEMORY (16u << 20)
#define PC_CODE   0x200000u /* where targets put guest code */

struct machine *pc_reset(void); /* built at the first call */
/* The boot processor in flat 64-bit mode, identity map; 32-bit mode is what pc_reset leaves. */
void pc_enter_64(struct machine *m, uint64_t rip);
void pc_enter_16(struct machine *m, uint32_t ip); /* real mode, CS 0 */
void pc_write(struct machine *m, uint64_t at, const void *bytes, size_t len);

#endif
