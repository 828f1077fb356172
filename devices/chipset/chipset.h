/*
 * devices/chipset/chipset.h: the small devices of a PC's board, one constructor each. Each claims
 * its ports or range on the bus, registers its events, and returns its struct dev (NULL: out of
 * memory or range taken).
 */
#ifndef DEVICES_CHIPSET_CHIPSET_H
#define DEVICES_CHIPSET_CHIPSET_H

#include <stddef.h>
#include <stdint.h>

#include "core/bus.h"
#include "core/clock.h"
#include "core/dev.h"
#include "core/dma.h"
#include "core/irq.h"

/* What a guest can ask of the whole machine. */
enum board_request {
    BOARD_POWEROFF,
    BOARD_RESET,
    BOARD_EXIT,
    BOARD_PANIC,
    BOARD_A20,     /* value 1: open, 0: closed */
    BOARD_PM_BASE, /* value: where the PM block's ports begin, 0: nowhere */
    BOARD_SLEEP,   /* S3: only memory and what wakes it keep their power */
    BOARD_WAKE,
};
struct board_port {
    void (*request)(void *opaque, enum board_request what, uint32_t value);
    void (*output)(void *opaque, const char *source, const void *bytes, size_t len);
    void *opaque;
};

/* 8254 and port 0x61: IRQ 0 */
struct dev *pit_new(struct bus *bus, struct clock *clock, const struct irq_line *irq);
/* MC146818 at 0x70: IRQ 8, and a line that is pulsed by the alarm; seconds since 1970 at power-on;
 * RAM sizes for CMOS 0x34.. */
struct dev *rtc_new(struct bus *bus, struct clock *clock, const struct irq_line *irq,
                    const struct irq_line *alarm, uint64_t epoch, uint64_t ram_low,
                    uint64_t ram_high);
/* IA-PC HPET at 0xfed00000, three timers; irq: 24 I/O APIC lines, legacy: IRQ 0 and 8 lines */
#define HPET_BASE 0xfed00000ull
struct dev *hpet_new(struct bus *bus, struct clock *clock, const struct irq_line irq[24],
                     const struct irq_line *legacy0, const struct irq_line *legacy8,
                     const struct msi_sink *msi);
/* ACPI fixed hardware: PM1a at 0x600, PM timer at 0x608, GPE0 at 0x620, unless it is moved; SCI:
 * IRQ 9; sink "power-button": a press for each byte */
#define PM_BASE       0x600
#define PM_SIZE       0x80 /* of the range that the LPC bridge decodes */
#define PM_TIMER      0x608
#define PM_GPE0       0x620
#define PM_SLP_TYP_S3 1
#define PM_SLP_TYP_S5 5
struct input;
struct dev *pm_new(struct bus *bus, struct clock *clock, const struct irq_line *sci,
                   const struct board_port *board, struct input *input);
struct irq_line pm_rtc_alarm(struct dev *pm); /* for rtc_new */
void pm_move(struct dev *pm, uint16_t base);  /* a multiple of 128; 0: no ports */
/* FERR#, IGNNE#, port 0xf0: IRQ 13; a line for each processor to report errors by */
struct dev *ferr_new(struct bus *bus, const struct irq_line *irq13, const struct irq_line *ignne);
struct irq_line ferr_line(struct dev *ferr, unsigned processor);
/* Debug console 0xe9 and 0x402, exit 0xf4, POST code 0x80, port 0x92, i8042's reset command */
struct dev *debugport_new(struct bus *bus, const struct board_port *board);
/* Keyboard controller at 0x60: IRQ 1 and 12. With `input`: a keyboard and a mouse on it, with the
 * sinks "keyboard" (records of two bytes: HID usage, 1 down / 0 up) and "mouse" (four: buttons, dx,
 * dy upwards, dz as signed bytes). */
struct i8042_config {
    struct bus *bus;
    struct clock *clock;
    struct irq_line irq1, irq12;
    struct board_port board;
    struct input *input;
};
struct dev *i8042_new(const struct i8042_config *cfg);
/* Ports 0xe0 and 0x2000, MMIO 0xff000000 for test programs; line: interrupt lines by GSI */
struct dev *testdev_new(struct bus *bus, const struct irq_line line[24]);
/* Panic device of emulators */
#define PVPANIC_PORT 0x505
struct dev *pvpanic_new(struct bus *bus, const struct board_port *board);
/* NOR flash over a ROM of the machine's memory (ram_add_rom): stores are commands */
struct ram;
struct dev *flash_new(struct bus *bus, struct ram *ram, unsigned rom);
/* fw_cfg at 0x510 with DMA */
struct fwcfg_file {
    const char *name;
    const void *bytes; /* must outlive the device */
    size_t len;
};
struct fwcfg_item { /* by number, below FWCFG_FILE_FIRST */
    uint16_t key;
    const void *bytes; /* likewise */
    size_t len;
};
struct fwcfg_config {
    const struct fwcfg_file *files; /* must outlive the device, too */
    unsigned count;
    const struct fwcfg_item *items;
    unsigned item_count;
    unsigned cpus;
    uint64_t ram;
};
struct dev *fwcfg_new(struct bus *bus, const struct dma *dma, const struct fwcfg_config *cfg);

#endif
