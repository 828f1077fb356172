/*
 * core/lp.h: the two-way contract between a logical processor (cpu/) and its local APIC (apic/).
 *
 * The processor knows its APIC only as lp_apic_ops; the APIC knows the processor only as
 * lp_signals. Both sides are wired by machine/. Everything here happens on the machine's thread.
 */
#ifndef CORE_LP_H
#define CORE_LP_H

#include <stdbool.h>
#include <stdint.h>

/* Implemented by apic/, called by cpu/. */
struct lp_apic_ops {
    int (*ack)(
        void *apic); /* INTA: moves the highest IRR to ISR, returns its vector; -1: spurious */
    void (*eoi)(void *apic); /* as by a write to the EOI register */
    uint8_t (*get_cr8)(void *apic);
    void (*set_cr8)(void *apic, uint8_t cr8);
    /* IA32_APIC_BASE, TSC_DEADLINE and x2APIC range 0x800-0x8ff; false: #GP(0) */
    bool (*msr_read)(void *apic, uint32_t msr, uint64_t *value);
    bool (*msr_write)(void *apic, uint32_t msr, uint64_t value);
    /* xAPIC page; offset 0..4095, any size; only called while the page is enabled */
    uint64_t (*mmio_read)(void *apic, uint32_t offset, unsigned size);
    void (*mmio_write)(void *apic, uint32_t offset, unsigned size, uint64_t value);
    /* A performance counter overflowed: the interrupt of its LVT entry, which masks itself. */
    void (*pmi)(void *apic);
    /* The processor takes an INIT: registers to their INIT values; base address and mode stay. */
    void (*init)(void *apic);
};

/* Implemented by cpu/ (cpu_signals in cpu/cpu.h), called by apic/. Levels are remembered; edges
 * (nmi, init, sipi) are latched until taken. Each makes a running processor stop at the next
 * instruction boundary to look. */
struct lp_signals {
    void (*set_intr)(void *cpu,
                     bool level); /* an interrupt above PPR is pending (LAPIC or ExtINT) */
    void (*nmi)(void *cpu);
    void (*smi)(void *cpu); /* SMM is not modelled: STUB log line */
    void (*init)(void *cpu);
    void (*sipi)(void *cpu, uint8_t vector);
    /* APIC base/enable changed: page is the xAPIC page's machine address, or UINT64_MAX */
    void (*set_apic_page)(void *cpu, uint64_t hpa);
};

#endif
