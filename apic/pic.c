/*
 * apic/pic.c: the 8259A pair of a PC: ICW1-4, OCW1-3, ELCR, fully nested, special mask, rotation,
 * poll, AEOI. Not modelled: special fully nested and buffered mode (stored bits only).
 */
#include <stdlib.h>

#include "apic/apic.h"

struct chip {
    uint8_t irr, isr, imr, level; /* level: pin levels */
    uint8_t base, init;           /* init: next ICW, 0 when done */
    uint8_t icw4, read_isr, poll, special_mask, rotate_aeoi;
    uint8_t priority_add; /* lowest priority + 1 */
    uint8_t elcr;
    uint8_t out; /* INT output */
};

struct pic {
    struct dev dev;
    struct irq_line intr;
    struct chip c[2]; /* state */
};

static const struct field fields[] = {
    {"chips", offsetof(struct pic, c), 1, 2 * sizeof(struct chip), 0, "both 8259A, byte by byte"},
    FIELD_END,
};

/* Highest-priority bit of mask as a priority number 0-7, 8 when none. */
static unsigned highest(const struct chip *c, uint8_t mask)
{
    unsigned p = 0;
    while (p < 8 && !(mask >> ((p + c->priority_add) & 7) & 1))
        p++;
    return p;
}

/* The pin to serve, or -1. */
static int candidate(const struct chip *c)
{
    const unsigned want = highest(c, c->irr & (uint8_t)~c->imr);
    if (want == 8)
        return -1;
    const uint8_t busy = c->special_mask ? c->isr & (uint8_t)~c->imr : c->isr;
    return want < highest(c, busy) ? (int)((want + c->priority_add) & 7) : -1;
}

static void chip_pin(struct chip *c, unsigned n, int level);

static void update(struct pic *p)
{
    p->c[1].out = candidate(&p->c[1]) >= 0;
    chip_pin(&p->c[0], 2, p->c[1].out);
    p->c[0].out = candidate(&p->c[0]) >= 0;
    irq_set(&p->intr, p->c[0].out);
}

static void chip_pin(struct chip *c, unsigned n, int level)
{
    const uint8_t bit = (uint8_t)(1u << n);
    if (c->elcr & bit) {
        c->irr = level ? c->irr | bit : c->irr & (uint8_t)~bit;
    } else if (level) {
        if (!(c->level & bit))
            c->irr |= bit;
    } else {
        c->irr &= (uint8_t)~bit; /* the request must stay until acknowledged */
    }
    c->level = level ? c->level | bit : c->level & (uint8_t)~bit;
}

static void pin_set(void *opaque, unsigned n, int level)
{
    struct pic *p = opaque;
    chip_pin(&p->c[n >> 3], n & 7, level);
    update(p);
}

static void chip_ack(struct chip *c, unsigned n)
{
    const uint8_t bit = (uint8_t)(1u << n);
    if (c->icw4 & 2) {
        if (c->rotate_aeoi)
            c->priority_add = (n + 1) & 7;
    } else {
        c->isr |= bit;
    }
    if (!(c->elcr & bit))
        c->irr &= (uint8_t)~bit;
}

static unsigned chip_inta(struct chip *c, unsigned *pin)
{
    const int n = candidate(c);
    *pin = n < 0 ? 7 : (unsigned)n; /* spurious: 7 */
    if (n >= 0)
        chip_ack(c, (unsigned)n);
    return c->base + *pin;
}

int pic_ack(void *opaque)
{
    struct pic *p = opaque;
    unsigned pin;
    const bool real = candidate(&p->c[0]) >= 0;
    unsigned vector = chip_inta(&p->c[0], &pin);
    if (pin == 2 && real)
        vector = chip_inta(&p->c[1], &pin);
    update(p);
    return (int)vector;
}

static void ocw2(struct chip *c, uint8_t v)
{
    const unsigned cmd = v >> 5;
    unsigned n = v & 7;
    if (cmd == 6) { /* set priority */
        c->priority_add = (n + 1) & 7;
        return;
    }
    if (cmd == 4 || cmd == 0) { /* rotate in AEOI on, off */
        c->rotate_aeoi = cmd == 4;
        return;
    }
    if (cmd == 1 || cmd == 5) { /* non-specific */
        const unsigned p = highest(c, c->isr);
        if (p == 8)
            return;
        n = (p + c->priority_add) & 7;
    } else if (cmd == 2) {
        return;
    }
    c->isr &= (uint8_t) ~(1u << n);
    if (cmd == 5 || cmd == 7)
        c->priority_add = (n + 1) & 7;
}

static void command(struct chip *c, uint8_t v)
{
    if (v & 0x10) { /* ICW1 */
        const uint8_t elcr = c->elcr, level = c->level;
        *c = (struct chip){.elcr = elcr, .level = level, .init = 2};
        c->icw4 = v & 1 ? 0x80 : 0; /* remember that ICW4 comes */
    } else if (v & 8) {
        if (v & 2)
            c->read_isr = v & 1;
        if (v & 4)
            c->poll = 1;
        if (v & 0x40)
            c->special_mask = v >> 5 & 1;
    } else {
        ocw2(c, v);
    }
}

static void data(struct chip *c, uint8_t v)
{
    switch (c->init) {
    case 2:
        c->base = v & 0xf8;
        c->init = 3;
        break;
    case 3:
        c->init = c->icw4 & 0x80 ? 4 : 0;
        c->icw4 = 0;
        break;
    case 4:
        c->icw4 = v;
        c->init = 0;
        break;
    default:
        c->imr = v;
        break;
    }
}

static uint64_t port_read(struct pic *p, struct chip *c, uint64_t offset)
{
    if (c->poll) {
        unsigned pin;
        c->poll = 0;
        const bool any = candidate(c) >= 0;
        chip_inta(c, &pin);
        update(p);
        return any ? 0x80 | pin : 0;
    }
    return offset ? c->imr : c->read_isr ? c->isr : c->irr;
}

static void port_write(struct pic *p, struct chip *c, uint64_t offset, uint8_t v)
{
    if (offset)
        data(c, v);
    else
        command(c, v);
    update(p);
}

static uint64_t read0(void *d, uint64_t o, unsigned s)
{
    struct pic *p = d;
    (void)s;
    return port_read(p, &p->c[0], o);
}
static uint64_t read1(void *d, uint64_t o, unsigned s)
{
    struct pic *p = d;
    (void)s;
    return port_read(p, &p->c[1], o);
}
static void write0(void *d, uint64_t o, unsigned s, uint64_t v)
{
    struct pic *p = d;
    (void)s;
    port_write(p, &p->c[0], o, (uint8_t)v);
}
static void write1(void *d, uint64_t o, unsigned s, uint64_t v)
{
    struct pic *p = d;
    (void)s;
    port_write(p, &p->c[1], o, (uint8_t)v);
}
static uint64_t elcr_read(void *d, uint64_t o, unsigned s)
{
    (void)s;
    return ((struct pic *)d)->c[o].elcr;
}
static void elcr_write(void *d, uint64_t o, unsigned s, uint64_t v)
{
    (void)s;
    ((struct pic *)d)->c[o].elcr = (uint8_t)(v & (o ? 0xde : 0xf8));
}
static const struct bus_ops ops0 = {read0, write0, 1}, ops1 = {read1, write1, 1},
                            elcr_ops = {elcr_read, elcr_write, 1};

static void pic_free(struct dev *d)
{
    free(d);
}
static const struct dev_class pic_class = {"pic", fields, NULL, pic_free, NULL};

struct pic *pic_new(struct bus *bus, const struct irq_line *intr)
{
    struct pic *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->dev = (struct dev){.cls = &pic_class, .id = "pic0"};
    p->intr = *intr;
    if (bus_map_port(bus, 0x20, 2, &ops0, p, "pic") ||
        bus_map_port(bus, 0xa0, 2, &ops1, p, "pic") ||
        bus_map_port(bus, 0x4d0, 2, &elcr_ops, p, "elcr")) {
        free(p);
        return NULL;
    }
    return p;
}

struct dev *pic_dev(struct pic *p)
{
    return &p->dev;
}
struct irq_line pic_pin(struct pic *p, unsigned irq)
{
    return (struct irq_line){pin_set, p, irq};
}
