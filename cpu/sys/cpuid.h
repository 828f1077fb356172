/*
 * cpu/sys/cpuid.h: processor models. A model is a name, a level of the table cpuid.def, and the
 * features of that table that were added to it or taken away.
 */
#ifndef CPU_SYS_CPUID_H
#define CPU_SYS_CPUID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cpu/isa/isa.h"

struct err;

enum cpu_level { CPU_LEVEL_V2, CPU_LEVEL_V3, CPU_LEVEL_MAX };
#define CPUID_ROW_WORDS 4

struct cpu_model {
    const char *name;
    const char *help;
    const char *brand;
    uint64_t tsc_hz;
    enum cpu_level level;
    uint64_t flip[CPUID_ROW_WORDS]; /* bit per row of cpuid_bits that is not as the level says */
};

/* Crystal clock of CPUID leaf 15H, which is also the local APIC timer's input clock: as fast as the
 * bus clock of family 6, model 42. A tick is ten instructions. */
#define CPU_CRYSTAL_HZ 100000000u

struct cpuid_bit {
    uint32_t leaf, sub;
    uint8_t reg, bit; /* reg: 0 EAX .. 3 EDX */
    uint8_t feature;  /* enum isa_feature */
    uint8_t level;    /* enum cpu_level: the first that has it */
    const char *name;
};
extern const struct cpuid_bit cpuid_bits[];
extern const unsigned cpuid_bit_count;
extern const struct cpu_model cpu_models[];
extern const unsigned cpu_model_count;

bool cpu_model_has(const struct cpu_model *m, unsigned row);
/* Features that a model turns on, as c->features. */
void cpuid_features(const struct cpu_model *m, uint64_t features[F_WORDS]);

/* "MODEL[,+feature,-feature...]", e.g. "max,-vmx" or "v2,+aes". What a feature needs comes and goes
 * with it. 0 or -errno with the nearest name as hint. */
int cpu_model_parse(const char *text, struct cpu_model *m, struct err *err);

#endif
