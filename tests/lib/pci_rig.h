/* tests/lib/pci_rig.h: bus, clock, memory and a host bridge for tests of one PCI device. */
#ifndef TESTS_LIB_PCI_RIG_H
#define TESTS_LIB_PCI_RIG_H

#include <stdlib.h>

#include "abi/pci.h"
#include "core/bus.h"
#include "core/clock.h"
#include "core/dma.h"
#include "devices/pci/pci.h"
#include "mmu/ram.h"
#include "tests/lib/suite.h"

#define RIG_DEV  3
#define RIG_RAM  (16ull << 20)
#define RIG_REGS 0xc0000000ull
#define RIG_MSIX 0xc0100000ull

struct pci_rig {
    struct bus *bus;
    struct clock *clock;
    struct ram *ram;
    struct dma dma;
    struct msi_sink msi;
    struct pci_host *host;
    struct pci_func *f;
    unsigned messages;
    uint32_t last_data;
};

static void pci_rig_message(void *opaque, uint16_t rid, uint64_t address, uint32_t data)
{
    struct pci_rig *const r = opaque;
    (void)rid, (void)address;
    r->messages++;
    r->last_data = data;
}

static inline void pci_rig_init(struct pci_rig *r)
{
    static const struct board_port board;
    r->bus = bus_new();
    r->clock = clock_new();
    r->ram = ram_new(RIG_RAM);
    r->dma = (struct dma){.ram = r->ram};
    r->msi = (struct msi_sink){.send = pci_rig_message, .opaque = r};
    r->host = pci_host_new(r->bus, &board);
    r->messages = 0;
}

static inline uint32_t pci_rig_cfg(struct pci_rig *r, unsigned reg)
{
    return (uint32_t)bus_mmio_read(r->bus, hpa(PCI_ECAM_BASE + PCI_ECAM(0, RIG_DEV, 0, reg)), 4);
}
static inline void pci_rig_cfg_set(struct pci_rig *r, unsigned reg, uint32_t v)
{
    bus_mmio_write(r->bus, hpa(PCI_ECAM_BASE + PCI_ECAM(0, RIG_DEV, 0, reg)), 4, v);
}

/* Plugs the device, puts BAR `bar` at RIG_REGS, turns decoding and bus mastering on. */
static inline void pci_rig_plug(struct pci_rig *r, struct pci_func *f, unsigned bar)
{
    r->f = f;
    ck_assert_int_eq(pci_host_plug(r->host, f, RIG_DEV << 3), 0);
    dev_reset(pci_host_dev(r->host));
    dev_reset(&f->dev);
    pci_rig_cfg_set(r, PCI_BAR0 + 4 * bar, (uint32_t)RIG_REGS);
    pci_rig_cfg_set(r, PCI_COMMAND, PCI_CMD_MEMORY | PCI_CMD_MASTER);
}
static inline unsigned pci_rig_cap(struct pci_rig *r, uint8_t id)
{
    unsigned at = pci_rig_cfg(r, PCI_CAP_PTR) & 0xff;
    while (at && (pci_rig_cfg(r, at) & 0xff) != id)
        at = pci_rig_cfg(r, at) >> 8 & 0xff;
    ck_assert_uint_ne(at, 0);
    return at;
}

static inline uint32_t pci_rig_get(struct pci_rig *r, unsigned reg)
{
    return (uint32_t)bus_mmio_read(r->bus, hpa(RIG_REGS + reg), 4);
}
static inline void pci_rig_set(struct pci_rig *r, unsigned reg, uint32_t v)
{
    bus_mmio_write(r->bus, hpa(RIG_REGS + reg), 4, v);
}

static inline void pci_rig_run(struct pci_rig *r, uint64_t ns)
{
    clock_advance(r->clock, clock_now(r->clock) + ns);
}
/* Lets time pass until no event is armed, at most n events. */
static inline void pci_rig_settle(struct pci_rig *r, unsigned n)
{
    while (n-- && clock_next(r->clock) != CLOCK_NEVER)
        clock_advance(r->clock, clock_next(r->clock));
}

static inline void pci_rig_free(struct pci_rig *r)
{
    r->f->dev.cls->free(&r->f->dev);
    pci_host_dev(r->host)->cls->free(pci_host_dev(r->host));
    ram_free(r->ram);
    clock_free(r->clock);
    bus_free(r->bus);
}

#endif
