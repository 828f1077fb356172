/*
 * machine/machine.h: the machine as front ends and the debugger see it: configure, build, run,
 * look.
 *
 * One thread owns a machine. LPs take turns of a fixed number of instructions; virtual time is
 * common to all and goes on by a nanosecond for each instruction that any of them retires, or by
 * modelled cycles (enum machine_time), so it never runs backwards between LPs. Events fire at exact
 * instruction boundaries, with modelled cycles at the first one behind a stretch of code
 * (cpu/timing/timing.h).
 */
#ifndef MACHINE_MACHINE_H
#define MACHINE_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct boot_module; /* devices/boot/boot.h */
struct cpu;
struct disk;
struct input;
struct machine;
struct net_card_config; /* devices/net/virtio_net.h */
struct ram;
struct trace;
struct vga;
struct vtd;

/* What virtual time goes by: a nanosecond an instruction, or the cycle model of cpu/timing. */
enum machine_time { MACHINE_TIME_INSN, MACHINE_TIME_BLOCK };

/* A disk and where it is plugged; the disk stays the caller's and outlives the machine. */
enum machine_bus { MACHINE_NVME, MACHINE_AHCI, MACHINE_VIRTIO };
struct machine_disk {
    struct disk *disk;
    enum machine_bus bus;
    bool is_cdrom; /* AHCI only */
};

struct machine_config {
    uint64_t memory;       /* bytes; multiple of 1 MiB */
    unsigned smp;          /* 1..16 */
    const char *cpu_model; /* "MODEL[,+feature,-feature]"; NULL: v2 */
    uint64_t seed;         /* of the processors' random-number generators, and of virtio-rng */
    bool rng;              /* virtio-rng */
    enum machine_time time;
    uint64_t quantum;   /* instructions of a turn when smp > 1; 0: default */
    uint64_t rtc_epoch; /* seconds since 1970 that the RTC starts with; fixed default */
    const void *kernel; /* bzImage, ELF multiboot 1 or PVH: found by content */
    size_t kernel_len;
    const char *kernel_name; /* for messages */
    const char *cmdline;
    const struct boot_module *modules; /* bzImage: modules[0] is the initrd */
    size_t module_count;
    const void
        *firmware; /* image whose last byte is at 4 GiB - 1; NULL: kernel is started directly */
    size_t firmware_len;
    const char *firmware_name;
    const void *firmware_vars; /* template of its variable flash, right below; may be NULL */
    size_t firmware_vars_len;
    const char *firmware_vars_name;
    const struct boot_module *option_roms; /* that the firmware runs; names are ignored */
    size_t option_rom_count;
    const char *boot_order;           /* file "bootorder" for the firmware; may be NULL */
    bool iommu;                       /* VT-d for all PCI functions, announced by ACPI */
    bool test_devices;                /* pci-testdev and edu, for test programs */
    const struct machine_disk *disks; /* in the order in which the guest counts them */
    size_t disk_count;
    const char *const *console_ports; /* virtio-console port names; NULL: no such device */
    size_t console_port_count;
    const struct net_card_config *nics; /* network cards; back ends outlive the machine */
    size_t nic_count;
    bool display;        /* VGA-compatible display; keyboard and mouse, as with firmware */
    const void *vga_rom; /* its expansion ROM (a VGA BIOS); NULL: none */
    size_t vga_rom_len;
    unsigned screen_width, screen_height; /* of a direct boot's frame buffer; 0: text mode */
    /* output of the guest, on the machine's thread: source "serial0", "serial1", "debugcon",
     * "console/NAME" */
    void (*output)(void *opaque, const char *source, const void *bytes, size_t len);
    void *opaque;
};

enum machine_stop {
    MACHINE_STOP_POSITION,     /* ran as many instructions / nanoseconds as asked */
    MACHINE_STOP_POWEROFF,     /* ACPI S5 */
    MACHINE_STOP_RESET,        /* guest reset; machine_reset and go on, or stop */
    MACHINE_STOP_EXIT,         /* debug-exit port: machine_exit_value */
    MACHINE_STOP_PANIC,        /* the guest told the panic device */
    MACHINE_STOP_SHUTDOWN,     /* triple fault */
    MACHINE_STOP_REQUEST,      /* machine_request_stop, e.g. from an output callback or a signal */
    MACHINE_STOP_BREAK,        /* debugger: machine_break_lp says where */
    MACHINE_STOP_IDLE_FOREVER, /* all LPs sleep, no event armed, no input to come */
};

/* NULL on failure with *err a message (lib/err.h struct err *). */
struct err;
struct machine *machine_new(const struct machine_config *cfg, struct err *err);
void machine_free(struct machine *m);
int machine_reset(struct machine *m, struct err *err); /* power-on state, kernel loaded again */

/* Run until a stop reason; at most `insns` retired instructions (sum over LPs; UINT64_MAX: no
 * limit) and `until_ns` virtual time. Returns regularly to poll input when `slice_hook` is set. */
enum machine_stop machine_run(struct machine *m, uint64_t insns, uint64_t until_ns);
/* Run machines of one process in step, by windows of virtual time, until until_ns or until one of
 * them stops: its index and why it did; -1 at until_ns. window_ns is at most the latency of what
 * joins them (NET_HUB_LATENCY_NS). The caller may go on with the others: they are at most a window
 * apart. */
int machine_run_together(struct machine *const *m, unsigned count, uint64_t window_ns,
                         uint64_t until_ns, enum machine_stop *why);
/* Called every few million instructions and when nothing can run; returns whether input may still
 * come from outside: a machine that sleeps with no event armed stops when it may not. */
void machine_set_slice_hook(struct machine *m, bool (*hook)(void *opaque), void *opaque);
/* While all LPs sleep, virtual time goes on by at most this much between calls of the slice hook,
 * so that a front end can pace it; 0: it jumps to the next event. The guest sees no difference. */
void machine_set_idle_step(struct machine *m, uint64_t ns);
void machine_request_stop(struct machine *m); /* async-signal-safe */

unsigned machine_lp_count(const struct machine *m);
struct cpu *machine_lp(struct machine *m, unsigned i);
struct ram *machine_ram(struct machine *m);
struct input *machine_input(struct machine *m);
struct trace *machine_trace(struct machine *m);
struct vtd *machine_iommu(const struct machine *m); /* iommu/vtd.h; NULL: none */
struct vga *machine_vga(const struct machine *m);   /* devices/video/vga.h; NULL: no display */
uint64_t machine_icount(const struct machine *m);   /* retired by all LPs */
uint64_t machine_now_ns(const struct machine *m);
uint32_t machine_exit_value(const struct machine *m);
unsigned machine_break_lp(const struct machine *m);
/* In the slice hook: all LPs sleep, so a front end may sleep too; waiting: with no event armed. */
bool machine_is_idle(const struct machine *m);
bool machine_is_waiting(const struct machine *m);

/* The firmware's variables as they are now; NULL: none. */
const void *machine_firmware_vars(struct machine *m, size_t *len);

uint64_t machine_hash(const struct machine *m); /* RAM, processors, devices, clock */
/* Step one instruction of one LP (debugger); other LPs stand still. */
enum machine_stop machine_step(struct machine *m, unsigned lp);

#endif
