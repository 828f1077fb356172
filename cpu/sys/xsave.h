/*
 * cpu/sys/xsave.h: private to cpu/sys: which state components there are, and how large areas are.
 */
#ifndef CPU_SYS_XSAVE_H
#define CPU_SYS_XSAVE_H

#include <stdbool.h>
#include <stdint.h>

struct cpu;

uint64_t xcr0_valid(const struct cpu *c);
unsigned xsave_size(uint64_t mask, bool compact); /* bytes of an area with these components */
void xsave_cpuid(const struct cpu *c, uint32_t sub, uint32_t r[4]);
void cpu_set_pkru(struct cpu *c, uint32_t v);

#endif
