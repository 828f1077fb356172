/*
 * cpu/sys/cpuid.h: processor models. A model is a name and the tables of cpuid.def.
 */
#ifndef CPU_SYS_CPUID_H
#define CPU_SYS_CPUID_H

#include <stdint.h>

#include "cpu/isa/isa.h"

struct cpu_model {
    const char *name;
    const char *help;
    uint64_t tsc_hz;
};

/* Crystal clock of CPUID leaf 15H, which is also the local APIC timer's input clock. */
#define CPU_CRYSTAL_HZ 25000000u

struct cpuid_bit {
    uint32_t leaf, sub;
    uint8_t reg, bit; /* reg: 0 EAX .. 3 EDX */
    const char *name;
    uint8_t feature; /* enum isa_feature */
};
extern const struct cpuid_bit cpuid_bits[];
extern const unsigned cpuid_bit_count;

/* Features that a model turns on, as c->features. */
void cpuid_features(const struct cpu_model *m, uint64_t features[1]);

#endif
