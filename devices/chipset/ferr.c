/*
 * devices/chipset/ferr.c: how a PC reports x87 errors to programs that keep CR0.NE clear (SDM 1
 * D.2): FERR# of the processors is latched and raises IRQ 13; a write to port 0xf0 (or 0xf1) drops
 * the interrupt and asserts IGNNE#, with which processors ignore the error, until FERR# falls.
 */
#include <stdlib.h>

#include "devices/chipset/chipset.h"

#define FERR_PORT 0xf0

struct ferr {
    struct dev dev;
    struct irq_line irq, ignne;
    /* state */
    uint32_t asserted; /* bit per processor */
    uint8_t latched, ignoring;
};

static const struct field fields[] = {
    FIELD(struct ferr, asserted, 0, "FERR#, a bit for each processor"),
    FIELD(struct ferr, latched, 0, "IRQ 13 is raised"),
    FIELD(struct ferr, ignoring, 0, "IGNNE#"),
    FIELD_END,
};

static void ferr_set(void *opaque, unsigned n, int level)
{
    struct ferr *const f = opaque;
    const uint32_t before = f->asserted;

    f->asserted = level ? before | 1u << n : before & ~(1u << n);
    if (f->asserted && !before && !f->ignoring) {
        f->latched = 1;
        irq_set(&f->irq, 1);
    }
    if (!f->asserted && f->ignoring) {
        f->ignoring = 0;
        irq_set(&f->ignne, 0);
    }
}

static uint64_t port_read(void *dev, uint64_t offset, unsigned size)
{
    (void)dev;
    (void)offset;
    (void)size;
    return 0xff;
}

static void port_write(void *dev, uint64_t offset, unsigned size, uint64_t v)
{
    struct ferr *const f = dev;

    (void)offset;
    (void)size;
    (void)v;
    f->latched = 0;
    irq_set(&f->irq, 0);
    if (f->asserted && !f->ignoring) {
        f->ignoring = 1;
        irq_set(&f->ignne, 1);
    }
}

static const struct bus_ops port_ops = {port_read, port_write, 1};

static void ferr_reset(struct dev *d)
{
    const struct ferr *const f = (struct ferr *)d;

    irq_set(&f->irq, 0);
    irq_set(&f->ignne, 0);
}

static void ferr_free(struct dev *d)
{
    free(d);
}
static const struct dev_class ferr_class = {"ferr", fields, ferr_reset, ferr_free, NULL};

struct irq_line ferr_line(struct dev *d, unsigned processor)
{
    return (struct irq_line){ferr_set, d, processor};
}

struct dev *ferr_new(struct bus *bus, const struct irq_line *irq13, const struct irq_line *ignne)
{
    struct ferr *const f = calloc(1, sizeof *f);

    if (!f)
        return NULL;
    f->dev = (struct dev){.cls = &ferr_class, .id = "ferr"};
    f->irq = *irq13;
    f->ignne = *ignne;
    if (bus_map_port(bus, FERR_PORT, 2, &port_ops, f, "ferr")) {
        free(f);
        return NULL;
    }
    return &f->dev;
}
