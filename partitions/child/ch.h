/*
 * The tiny child: a guest of a few kilobytes that checks each enlightenment it is given and says
 * what it found on COM1. Runs in a child partition, in long mode, on the identity map of ch_boot.S.
 */
#ifndef CHILD_CH_H
#define CHILD_CH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/hv.h"
#include "abi/x86.h"

/* lib.c */
void *memset(void *dst, int c, size_t n);
void ch_put(const char *s);
void ch_outb(uint16_t port, uint8_t v);
void ch_check(const char *name, bool good, const char *why);
unsigned ch_summary(void); /* number of failures */

struct ch_cpuid {
    uint32_t eax, ebx, ecx, edx;
};
struct ch_cpuid ch_cpuid(uint32_t leaf, uint32_t subleaf);
uint64_t ch_rdtsc(void);
bool ch_rdmsr(uint32_t msr, uint64_t *v); /* false: #GP */
bool ch_wrmsr(uint32_t msr, uint64_t v);
uint64_t ch_msr(uint32_t msr); /* of one that can be read */

/* trap.c */
#define CH_VECTOR 0x40u /* first of the vectors that tests use */
void ch_trap_init(void);
void ch_trap_load(void);
unsigned ch_interrupts(uint32_t vector);         /* how many arrived so far */
bool ch_wait(uint32_t vector, unsigned count);   /* HLT until that many, or a second is over */
uint64_t ch_probe(uint64_t address, bool write); /* vector of the fault an access takes, or ~0 */
extern volatile bool ch_faulted;

/* tests */
uint64_t ch_hypercall(uint64_t control, uint64_t in, uint64_t out);
uint64_t ch_ref_time(void);
void ch_test_cpuid(void);
void ch_test_msrs(void);
void ch_test_hypercalls(void);
void ch_test_time(void);
void ch_test_synic(void);
void ch_test_vmbus(void);
void ch_test_apic(void);
void ch_test_smp(void);
void ch_test_fpu(void);

extern uint8_t ch_in[4096], ch_out[4096], ch_code[4096];

#endif
