/*
 * devices/pci/edu.c: the teaching device of emulators (1234:11e8; QEMU's docs/specs/edu):
 * factorial, interrupts (pin or MSI), DMA with a 28-bit address mask between memory and a buffer of
 * 4 KiB.
 * Programs that test DMA and interrupt remapping use it.
 *
 * BAR 0: 0x00 identification, 0x04 inverts what is written, 0x08 factorial, 0x20 status (1 busy, 80
 * interrupt when done), 0x24 interrupt status, 0x60 raise, 0x64 acknowledge, 0x80 source, 0x88
 * destination, 0x90 count, 0x98 command (1 go, 2 to memory, 4 interrupt 100 when done). Registers
 * below 0x80 take accesses of 4 bytes, the others of 4 or 8.
 * A factorial takes 1 us, a transfer 100 us.
 */
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "devices/pci/test.h"
#include "lib/log.h"

#define BAR_SIZE     (1u << 20)
#define BUFFER_AT    0x40000u
#define BUFFER_SIZE  4096u
#define DMA_MASK     ((1u << 28) - 1)
#define STS_BUSY     1u
#define STS_IRQ      0x80u
#define IRQ_FACT     1u
#define IRQ_DMA      0x100u
#define DMA_GO       1u
#define DMA_TO_RAM   2u
#define DMA_IRQ      4u
#define FACTORIAL_NS 1000u
#define TRANSFER_NS  100000u

enum {
    ID = 0x00,
    LIVE = 0x04,
    FACT = 0x08,
    STATUS = 0x20,
    IRQ_STATUS = 0x24,
    IRQ_RAISE = 0x60,
    IRQ_ACK = 0x64,
    SOURCE = 0x80,
    DEST = 0x88,
    COUNT = 0x90,
    COMMAND = 0x98,
};

struct edu {
    struct pci_func f;
    struct clock *clock;
    struct clock_event computed, moved;
    /* state */
    uint32_t live, fact, status, irq;
    uint64_t source, dest, count, command;
    uint8_t buffer[BUFFER_SIZE];
};

static const struct field fields[] = {
    PCI_FUNC_FIELDS,
    FIELD(struct edu, live, 0, "inverted value"),
    FIELD(struct edu, fact, 0, "factorial"),
    FIELD(struct edu, status, 0, "status"),
    FIELD(struct edu, irq, 0, "interrupt status"),
    FIELD(struct edu, source, 0, "DMA source"),
    FIELD(struct edu, dest, 0, "DMA destination"),
    FIELD(struct edu, count, 0, "DMA count"),
    FIELD(struct edu, command, 0, "DMA command"),
    FIELD_ARRAY(struct edu, buffer, 0, "DMA buffer"),
    FIELD_END,
};

static void raise(struct edu *e, uint32_t bits)
{
    e->irq |= bits;
    if (!e->irq)
        return;
    if (pci_msi_enabled(&e->f))
        pci_msi_send(&e->f, 0);
    pci_intx_set(&e->f, 1);
}

static void computed(void *opaque, uint64_t now)
{
    struct edu *const e = opaque;
    (void)now;
    uint32_t r = 1;
    for (uint32_t n = e->fact; n > 1 && r; n--) /* 34! and on: 0 in 32 bits */
        r *= n;
    e->fact = r;
    e->status &= ~STS_BUSY;
    if (e->status & STS_IRQ)
        raise(e, IRQ_FACT);
}

static bool in_buffer(uint64_t at, uint64_t count)
{
    return at >= BUFFER_AT && at < BUFFER_AT + BUFFER_SIZE && count <= BUFFER_AT + BUFFER_SIZE - at;
}

static void moved(void *opaque, uint64_t now)
{
    struct edu *const e = opaque;
    (void)now;
    const bool out = e->command & DMA_TO_RAM;
    const uint64_t inside = out ? e->source : e->dest;
    const uint64_t memory = (out ? e->dest : e->source) & DMA_MASK;
    bool ok = in_buffer(inside, e->count);
    if (ok && out)
        ok = dma_write(&e->f.dma, iova(memory), e->buffer + (inside - BUFFER_AT), e->count);
    else if (ok)
        ok = dma_read(&e->f.dma, iova(memory), e->buffer + (inside - BUFFER_AT), e->count);
    if (!ok)
        LOG_GUEST("edu", "DMA from 0x%llx to 0x%llx, %llu bytes", (unsigned long long)e->source,
                  (unsigned long long)e->dest, (unsigned long long)e->count);
    e->command &= ~(uint64_t)DMA_GO;
    if (e->command & DMA_IRQ)
        raise(e, IRQ_DMA);
}

static uint64_t *dma_register(struct edu *e, uint64_t offset)
{
    switch (offset) {
    case SOURCE:
        return &e->source;
    case DEST:
        return &e->dest;
    case COUNT:
        return &e->count;
    case COMMAND:
        return &e->command;
    default:
        return NULL;
    }
}

static uint64_t edu_read(void *dev, uint64_t offset, unsigned size)
{
    struct edu *const e = dev;
    if (size < 4 || (size == 8 && offset < SOURCE))
        return UINT64_MAX;
    switch (offset) {
    case ID:
        return 0x010000ed;
    case LIVE:
        return e->live;
    case FACT:
        return e->fact;
    case STATUS:
        return e->status;
    case IRQ_STATUS:
        return e->irq;
    default:
        break;
    }
    const uint64_t *const r = dma_register(e, offset & ~4ull);
    return !r ? UINT64_MAX : offset & 4 ? *r >> 32 : *r;
}

static void low_write(struct edu *e, uint64_t offset, uint32_t v)
{
    switch (offset) {
    case LIVE:
        e->live = ~v;
        break;
    case FACT:
        if (e->status & STS_BUSY)
            break;
        e->fact = v;
        e->status |= STS_BUSY;
        clock_arm(e->clock, &e->computed, clock_now(e->clock) + FACTORIAL_NS);
        break;
    case STATUS:
        e->status = (e->status & ~STS_IRQ) | (v & STS_IRQ);
        break;
    case IRQ_RAISE:
        raise(e, v);
        break;
    case IRQ_ACK:
        e->irq &= ~v;
        if (!e->irq)
            pci_intx_set(&e->f, 0);
        break;
    default:
        break;
    }
}

static void edu_write(void *dev, uint64_t offset, unsigned size, uint64_t v)
{
    struct edu *const e = dev;
    if (size < 4 || (size == 8 && offset < SOURCE))
        return;
    if (offset < SOURCE) {
        low_write(e, offset, (uint32_t)v);
        return;
    }
    uint64_t *const r = dma_register(e, offset & ~4ull);
    if (!r || (e->command & DMA_GO)) /* busy: ignored */
        return;
    if (size == 8)
        *r = v;
    else
        *r = offset & 4 ? (uint32_t)*r | v << 32 : (*r & 0xffffffff00000000ull) | (uint32_t)v;
    if (offset == COMMAND && (v & DMA_GO))
        clock_arm(e->clock, &e->moved, clock_now(e->clock) + TRANSFER_NS);
}
static const struct bus_ops ops = {edu_read, edu_write, 8};

static void edu_reset(struct dev *d)
{
    struct edu *const e = (struct edu *)d;
    clock_cancel(e->clock, &e->computed);
    clock_cancel(e->clock, &e->moved);
    pci_func_reset(&e->f);
}
static void edu_free(struct dev *d)
{
    free(d);
}
static const struct dev_class edu_class = {"edu", fields, edu_reset, edu_free, NULL};

struct pci_func *edu_new(struct clock *clock, const struct dma *dma, const struct msi_sink *msi)
{
    struct edu *const e = calloc(1, sizeof *e);
    if (!e)
        return NULL;
    e->f.dev = (struct dev){.cls = &edu_class, .id = "edu"};
    e->f.dma = *dma;
    e->f.msi = *msi;
    e->clock = clock;
    pci_func_init(&e->f, 0x1234, 0x11e8, 0x00ff0010, 0x1af4, 0x1100);
    pci_add_bar32(&e->f, 0, BAR_SIZE, &ops);
    pci_add_intx(&e->f, 1);
    pci_add_msi(&e->f, 1);
    clock_event_init(clock, &e->computed, "edu-factorial", 40, computed, e);
    clock_event_init(clock, &e->moved, "edu-dma", 40, moved, e);
    return &e->f;
}
