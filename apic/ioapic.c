/*
 * apic/ioapic.c: 24-pin I/O APIC (82093AA; EOI register of version 0x20, 16 bits of destination).
 * An entry is sent as a message whose address and data are its fields, so that an interrupt-
 * remapping unit can sit behind it. A level entry keeps Remote IRR from delivery to EOI; a pin
 * still asserted then is sent again.
 */
#include <stdlib.h>

#include "abi/lapic.h"
#include "abi/pci.h"
#include "apic/apic_int.h"

struct ioapic {
    struct dev dev;
    /* wiring */
    struct msi_sink msi;
    uint8_t id_reset;
    /* state */
    uint64_t entry[IOAPIC_PINS];
    uint8_t level[IOAPIC_PINS];
    uint32_t id;
    uint8_t select;
};

static const struct field fields[] = {
    FIELD_ARRAY(struct ioapic, entry, LAPIC_MASKED, "redirection table"),
    FIELD_ARRAY(struct ioapic, level, 0, "pin levels"),
    FIELD(struct ioapic, id, 0, "APIC id"),
    FIELD(struct ioapic, select, 0, "register select"),
    FIELD_END,
};

static void deliver(struct ioapic *io, unsigned n)
{
    uint64_t *const e = &io->entry[n];
    const bool level = *e & LAPIC_TRIGGER_LEVEL;
    if ((*e & LAPIC_MASKED) || (level && (*e & LAPIC_REMOTE_IRR)))
        return;
    if (level)
        *e |= LAPIC_REMOTE_IRR;
    msi_send(&io->msi,
             MSI_ADDR_BASE | (*e >> IOAPIC_ENTRY_EXT_SHIFT) << IOAPIC_MSI_EXT_SHIFT |
                 (*e & LAPIC_LOGICAL ? MSI_ADDR_LOGICAL : 0),
             (uint32_t)(*e & (LAPIC_VECTOR | LAPIC_DELIVERY)) | MSI_DATA_ASSERT |
                 (level ? MSI_DATA_LEVEL : 0));
}

static void pin_set(void *opaque, unsigned n, int level)
{
    struct ioapic *io = opaque;
    const bool rises = level && !io->level[n];
    io->level[n] = !!level;
    if (rises)
        deliver(io, n);
}

static void eoi(void *opaque, uint8_t vector)
{
    struct ioapic *io = opaque;
    for (unsigned n = 0; n < IOAPIC_PINS; n++) {
        if ((uint8_t)io->entry[n] != vector || !(io->entry[n] & LAPIC_REMOTE_IRR))
            continue;
        io->entry[n] &= ~(uint64_t)LAPIC_REMOTE_IRR;
        if (io->level[n])
            deliver(io, n);
    }
}

static uint32_t reg_read(const struct ioapic *io)
{
    const unsigned n = (io->select - IOAPIC_REG_TABLE) / 2u;
    if (io->select >= IOAPIC_REG_TABLE && n < IOAPIC_PINS)
        return (uint32_t)(io->entry[n] >> (io->select & 1 ? 32 : 0));
    switch (io->select) {
    case IOAPIC_REG_ID:
    case IOAPIC_REG_ARB:
        return io->id;
    case IOAPIC_REG_VERSION:
        return (IOAPIC_PINS - 1) << 16 | 0x20;
    default:
        return 0;
    }
}

static void entry_write(struct ioapic *io, unsigned n, uint32_t v)
{
    uint64_t *const e = &io->entry[n];
    const uint64_t ro = LAPIC_PENDING | LAPIC_REMOTE_IRR;
    if (io->select & 1) {
        *e = (uint32_t)*e | (uint64_t)(v & 0xffff0000) << 32;
        return;
    }
    *e = (*e & (0xffffffff00000000ull | ro)) | (v & 0x1ffff & ~ro);
    if (!(*e & LAPIC_TRIGGER_LEVEL))
        *e &= ~(uint64_t)LAPIC_REMOTE_IRR;
    if (io->level[n] && (*e & LAPIC_TRIGGER_LEVEL))
        deliver(io, n);
}

static uint64_t mmio_read(void *dev, uint64_t offset, unsigned size)
{
    const struct ioapic *io = dev;
    (void)size;
    switch (offset & 0xff) {
    case IOAPIC_REGSEL:
        return io->select;
    case IOAPIC_WINDOW:
        return reg_read(io);
    default:
        return 0;
    }
}

static void mmio_write(void *dev, uint64_t offset, unsigned size, uint64_t v)
{
    struct ioapic *io = dev;
    const unsigned n = (io->select - IOAPIC_REG_TABLE) / 2u;
    (void)size;
    switch (offset & 0xff) {
    case IOAPIC_REGSEL:
        io->select = (uint8_t)v;
        break;
    case IOAPIC_WINDOW:
        if (io->select >= IOAPIC_REG_TABLE && n < IOAPIC_PINS)
            entry_write(io, n, (uint32_t)v);
        else if (io->select == IOAPIC_REG_ID)
            io->id = (uint32_t)v & 0x0f000000;
        break;
    case IOAPIC_EOI:
        eoi(io, (uint8_t)v);
        break;
    default:
        break;
    }
}

static const struct bus_ops ops = {mmio_read, mmio_write, 4};

static void reset(struct dev *d)
{
    struct ioapic *io = (struct ioapic *)d;
    io->id = (uint32_t)io->id_reset << 24;
}
static void ioapic_free(struct dev *d)
{
    free(d);
}
static const struct dev_class ioapic_class = {"ioapic", fields, reset, ioapic_free, NULL};

struct ioapic *ioapic_new(struct bus *bus, struct apic_net *net, const struct msi_sink *msi,
                          uint8_t id)
{
    struct ioapic *io = calloc(1, sizeof *io);
    if (!io)
        return NULL;
    io->dev = (struct dev){.cls = &ioapic_class, .id = "ioapic0"};
    io->msi = *msi;
    io->id_reset = id;
    apic_net_on_eoi(net, eoi, io);
    if (bus_map_mmio(bus, hpa(IOAPIC_BASE), 4096, &ops, io, "ioapic")) {
        free(io);
        return NULL;
    }
    return io;
}

struct dev *ioapic_dev(struct ioapic *io)
{
    return &io->dev;
}
struct irq_line ioapic_pin(struct ioapic *io, unsigned pin)
{
    return (struct irq_line){pin_set, io, pin};
}
