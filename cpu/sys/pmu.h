/*
 * cpu/sys/pmu.h: what the engine and cpu/sys ask of the performance counters.
 */
#ifndef CPU_SYS_PMU_H
#define CPU_SYS_PMU_H

#include <stdbool.h>
#include <stdint.h>

struct cpu;

#define PMU_GENERAL  4
#define PMU_FIXED    3
#define PMU_COUNTERS (PMU_GENERAL + PMU_FIXED)
#define PMU_WIDTH    48
/* bits of IA32_PERF_GLOBAL_CTRL */
#define PMU_CTRL_VALID (((1ull << PMU_GENERAL) - 1) | ((1ull << PMU_FIXED) - 1) << 32)

/* Bring the counters up to the current position; overflows are noted. */
void pmu_sync(struct cpu *c);
/* The privilege level changed: count until here by the old one. */
void pmu_level_changed(struct cpu *c);
/* Run loop, at a boundary: raise what is due and limit the slice to the next overflow that
 * interrupts. */
void pmu_poll(struct cpu *c);
/* A branch has retired (MODE_COUNT). */
void pmu_branch(struct cpu *c);
void pmu_reset(struct cpu *c);
void pmu_cpuid(const struct cpu *c, uint32_t r[4]); /* leaf 10, version bits apart */
/* With a cycle model, between stretches: has a counter overflowed that interrupts? */
bool pmu_model_due(struct cpu *c);

/* false: #GP(0) */
bool pmu_msr_read(struct cpu *c, uint32_t msr, uint64_t *v);
bool pmu_msr_write(struct cpu *c, uint32_t msr, uint64_t v);
/* Counters of the package, outside of its processors (cpu/sys/uncore.c). false: #GP(0) */
bool uncore_msr_read(struct cpu *c, uint32_t msr, uint64_t *v);
bool uncore_msr_write(struct cpu *c, uint32_t msr, uint64_t v);
bool pmu_rdpmc(struct cpu *c, uint32_t index, uint64_t *v);

#endif
