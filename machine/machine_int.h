/* machine/machine_int.h: the machine's struct, shared by board*.c (build), run.c (turns),
 * machine.c. */
#ifndef MACHINE_MACHINE_INT_H
#define MACHINE_MACHINE_INT_H

#include "abi/fwcfg.h"
#include "apic/apic.h"
#include "core/bus.h"
#include "core/clock.h"
#include "core/dma.h"
#include "core/input.h"
#include "core/trace.h"
#include "cpu/cpu.h"
#include "devices/acpi/acpi.h"
#include "cpu/sys/cpuid.h"
#include "cpu/timing/timing.h"
#include "devices/chipset/chipset.h"
#include "devices/pci/pci.h"
#include "iommu/vtd.h"
#include "lib/err.h"
#include "machine/machine.h"
#include "mmu/ram.h"

#define MACHINE_LPS_MAX   16
#define MACHINE_QUANTUM   16384         /* instructions */
#define MACHINE_RTC_EPOCH 1577836800ull /* 2020-01-01 00:00:00 UTC */

/* What fw_cfg has for firmware (board_firmware.c). */
#define BOARD_FW_FILES 32
#define BOARD_FW_ITEMS 8
struct board_fw {
    struct fwcfg_file file[BOARD_FW_FILES];
    struct fwcfg_item item[BOARD_FW_ITEMS];
    uint32_t number[BOARD_FW_ITEMS]; /* values of items that are one */
    unsigned files, items;
    struct fwcfg_e820 e820[2];
    unsigned e820_count;
    unsigned vars_rom; /* ROM of the memory that is the variables' flash */
};

struct machine {
    struct machine_config cfg;
    struct cpu_model model; /* cfg.cpu_model as the processors know it */
    /* parts */
    struct clock *clock;
    struct bus *bus;
    struct input *input;
    struct ram *ram;
    struct engine *engine;
    struct timing_shared *timing; /* NULL: a nanosecond an instruction */
    struct cpu *cpu[MACHINE_LPS_MAX];
    struct apic_net *net;
    struct lapic *lapic[MACHINE_LPS_MAX];
    struct dma dma;      /* of PCI functions */
    struct msi_sink msi; /* of PCI functions, HPET and I/O APIC */
    struct dev *devs;    /* in build order */
    struct trace trace;
    struct acpi_tables *acpi;
    struct board_fw fw;
    uint64_t rsdp;
    struct pic *pic;
    struct ioapic *ioapic;
    struct pci_host *pci;
    struct lpc *lpc;
    struct dev *pm;
    struct vga *vga; /* NULL: no display */
    struct vtd *vtd; /* NULL: no IOMMU */
    /* state */
    uint64_t now_ns, icount;
    uint32_t part_ticks; /* of the cycle model, beyond now_ns: less than a nanosecond */
    uint64_t quantum_left;
    unsigned turn;                                       /* LP whose turn it is */
    enum { POWER_ON, POWER_ASLEEP, POWER_WAKING } power; /* from the PM block's state: not hashed */
    /* not state */
    struct cpu *running;  /* inside cpu_run */
    uint64_t slice_start; /* its position when the slice began */
    uint64_t slice_ticks; /* its time then, with a cycle model */
    bool event_kick;      /* the slice was ended for an event */
    bool stopping;        /* a device asked for `stop` */
    enum machine_stop stop;
    uint32_t exit_value;
    unsigned break_lp;
    volatile int stop_request; /* from a signal handler */
    bool (*slice_hook)(void *opaque);
    void *slice_opaque;
    uint64_t hook_at; /* icount of the next call of slice_hook */
    uint64_t idle_step_ns;
    bool idle;
};

/* Time of the running processor in its slice; with a cycle model what is left over a nanosecond
 * is in *part. */
uint64_t run_slice_ns(const struct machine *m, uint32_t *part);

/* Out of S3: what lost its power is reset, memory stays, the boot processor goes where the
 * operating system said (FACS), or to the firmware. */
void machine_wake(struct machine *m);

int board_build(struct machine *m, struct err *err);
void board_free(struct machine *m);
/* What firmware does before it starts a kernel: interrupt routing, addresses of BARs. */
void board_init_pci(struct machine *m);
/* The same for the display, with what it tells the kernel; 0 or an error. */
struct bp_screen_info;
int board_init_screen(struct machine *m, struct bp_screen_info *screen, struct err *err);

/* ---- for the builders of machine/devices.def ---- */
#define DEV(builder, name) int board_##builder(struct machine *m, struct err *err);
#include "machine/devices.def"
#undef DEV

/* Add a device to the list; NULL (its constructor failed) is an error. */
int board_add(struct machine *m, struct dev *d, const char *name, struct err *err);
/* Add a PCI function at a fixed place (PCI_DEVFN), or at BOARD_ANY_SLOT. */
#define BOARD_ANY_SLOT (-1)
int board_plug(struct machine *m, struct pci_func *f, int devfn, const char *name, struct err *err);
/* A file of fw_cfg; name and bytes must outlive the machine. Before the fwcfg row only. */
int board_add_file(struct machine *m, const char *name, const void *bytes, size_t len,
                   struct err *err);
bool board_has_keyboard(const struct machine *m);
struct irq_line board_isa(struct machine *m, unsigned irq); /* ISA interrupt 0-15 */
struct board_port board_port(struct machine *m);            /* power, reset, output */

#endif
