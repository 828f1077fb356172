/* machine/machine_int.h: the machine's struct, shared by board.c (builds), run.c (turns),
 * machine.c. */
#ifndef MACHINE_MACHINE_INT_H
#define MACHINE_MACHINE_INT_H

#include "apic/apic.h"
#include "core/bus.h"
#include "core/clock.h"
#include "core/dma.h"
#include "core/input.h"
#include "core/trace.h"
#include "cpu/cpu.h"
#include "cpu/sys/cpuid.h"
#include "devices/chipset/chipset.h"
#include "lib/err.h"
#include "machine/machine.h"
#include "mmu/ram.h"

#define MACHINE_LPS_MAX   4
#define MACHINE_QUANTUM   16384         /* instructions */
#define MACHINE_RTC_EPOCH 1577836800ull /* 2020-01-01 00:00:00 UTC */

struct machine {
    struct machine_config cfg;
    struct cpu_model model; /* cfg.cpu_model as the processors know it */
    /* parts */
    struct clock *clock;
    struct bus *bus;
    struct input *input;
    struct ram *ram;
    struct engine *engine;
    struct cpu *cpu[MACHINE_LPS_MAX];
    struct apic_net *net;
    struct lapic *lapic[MACHINE_LPS_MAX];
    struct dma dma;
    struct dev *devs; /* in build order */
    struct trace trace;
    uint64_t rsdp;
    /* wiring of the ISA lines: each goes to the PIC and to the I/O APIC */
    struct pic *pic;
    struct ioapic *ioapic;
    /* state */
    uint64_t now_ns, icount;
    uint64_t quantum_left;
    unsigned turn; /* LP whose turn it is */
    /* not state */
    struct cpu *running;  /* inside cpu_run */
    uint64_t slice_start; /* its position when the slice began */
    bool stopping;        /* a device asked for `stop` */
    enum machine_stop stop;
    uint32_t exit_value;
    unsigned break_lp;
    volatile int stop_request; /* from a signal handler */
    bool (*slice_hook)(void *opaque);
    void *slice_opaque;
    uint64_t hook_at; /* icount of the next call of slice_hook */
    bool idle;
};

int board_build(struct machine *m, struct err *err);
void board_free(struct machine *m);

#endif
