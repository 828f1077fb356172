/*
 * devices/chipset/pit.c: 8254 timer (Intel 8254 datasheet) and the speaker/gate port 0x61.
 *
 * Counter 0 drives IRQ 0, counter 2 is gated by port 0x61 and read back in its bit 5. The input
 * clock is 1193182 Hz in virtual time; counts are computed on access, only OUT edges of counter 0
 * are events. Counts are binary inside; BCD counters show and take four decimal digits.
 * Not modelled: mode 5 triggers, the speaker.
 */
#include <stdlib.h>

#include "devices/chipset/chipset.h"

#define PIT_HZ 1193182ull
#define NS     1000000000ull

struct counter {
    uint64_t start_ns; /* when the count was loaded (or the gate rose) */
    uint32_t reload;   /* 1..65536 */
    uint16_t latch;
    uint8_t mode, access, bcd;
    uint8_t latched; /* bytes of the latch still to read */
    uint8_t status_latched, status;
    uint8_t read_high, write_high, write_low;
    uint8_t loaded, gate;
};

struct pit {
    struct dev dev;
    struct clock *clock;
    struct irq_line irq;
    struct clock_event tick;
    /* state */
    struct counter c[3];
    uint8_t port61;
};

static const struct field fields[] = {
    {"start", offsetof(struct pit, c), 1, sizeof(struct counter) * 3, 0, "counters, byte by byte"},
    FIELD(struct pit, port61, 0, "port 0x61"),
    FIELD_END,
};

static uint64_t ns_to_ticks(uint64_t ns)
{
    return (uint64_t)((unsigned __int128)ns * PIT_HZ / NS);
}
static uint64_t ticks_to_ns(uint64_t t)
{
    return (uint64_t)(((unsigned __int128)t * NS + PIT_HZ - 1) / PIT_HZ);
}

static uint64_t elapsed(const struct pit *p, const struct counter *c)
{
    return ns_to_ticks(clock_now(p->clock) - c->start_ns);
}

static uint32_t modulus(const struct counter *c)
{
    return c->bcd ? 10000 : 65536;
}

/* A count as the guest sees it. */
static uint16_t shown(const struct counter *c, uint64_t count)
{
    const unsigned v = (unsigned)(count % modulus(c));
    return (uint16_t)(c->bcd ? v / 1000 << 12 | v / 100 % 10 << 8 | v / 10 % 10 << 4 | v % 10 : v);
}

static uint16_t current(const struct pit *p, const struct counter *c)
{
    if (!c->loaded)
        return 0;
    const uint64_t t = elapsed(p, c);
    switch (c->mode) {
    case 2:
        return shown(c, c->reload - t % c->reload);
    case 3:
        return shown(c, c->reload - t * 2 % c->reload);
    default: /* wraps */
        return shown(c, c->reload + modulus(c) - t % modulus(c));
    }
}

static int out(const struct pit *p, const struct counter *c)
{
    if (!c->loaded)
        return c->mode != 0;
    const uint64_t t = elapsed(p, c);
    switch (c->mode) {
    case 0:
    case 1:
        return t >= c->reload;
    case 2:
        return t % c->reload != c->reload - 1;
    case 3:
        return t % c->reload < (c->reload + 1) / 2;
    default:
        return t != c->reload;
    }
}

/* Next time counter 0's OUT rises. */
static void arm(struct pit *p)
{
    const struct counter *c = &p->c[0];
    if (!c->loaded) {
        clock_cancel(p->clock, &p->tick);
        return;
    }
    const uint64_t t = elapsed(p, c);
    if (c->mode == 2 || c->mode == 3)
        clock_arm(p->clock, &p->tick, c->start_ns + ticks_to_ns((t / c->reload + 1) * c->reload));
    else if (t < c->reload)
        clock_arm(p->clock, &p->tick, c->start_ns + ticks_to_ns(c->reload));
    else
        clock_cancel(p->clock, &p->tick);
}

static void fire(void *opaque, uint64_t now)
{
    struct pit *p = opaque;
    (void)now;
    if (p->c[0].mode == 2 || p->c[0].mode == 3) {
        irq_set(&p->irq, 0); /* the low half is shorter than anybody looks */
        irq_set(&p->irq, 1);
        arm(p);
    } else {
        irq_set(&p->irq, 1);
    }
}

static void load(struct pit *p, struct counter *c, uint32_t v)
{
    if (c->bcd)
        v = (v >> 12) * 1000 + (v >> 8 & 15) * 100 + (v >> 4 & 15) * 10 + (v & 15);
    c->reload = v ? v : modulus(c);
    c->start_ns = clock_now(p->clock);
    c->loaded = c->gate || c->mode == 0 || c->mode == 4 ? 1 : c->loaded;
    if (c == &p->c[0]) {
        if (c->mode == 0)
            irq_set(&p->irq, 0);
        arm(p);
    }
}

static void control(struct pit *p, uint8_t v)
{
    const unsigned n = v >> 6;
    if (n == 3) { /* read-back */
        for (unsigned i = 0; i < 3; i++) {
            struct counter *c = &p->c[i];
            if (!(v >> (i + 1) & 1))
                continue;
            if (!(v & 0x20) && !c->latched) {
                c->latch = current(p, c);
                c->latched = c->access == 3 ? 2 : 1;
            }
            if (!(v & 0x10) && !c->status_latched) {
                c->status = (uint8_t)(out(p, c) << 7 | (c->loaded ? 0 : 0x40) | c->access << 4 |
                                      c->mode << 1 | c->bcd);
                c->status_latched = 1;
            }
        }
        return;
    }
    struct counter *c = &p->c[n];
    if (!(v >> 4 & 3)) {
        if (!c->latched) {
            c->latch = current(p, c);
            c->latched = c->access == 3 ? 2 : 1;
        }
        return;
    }
    c->access = v >> 4 & 3;
    c->mode = (v >> 1 & 7) > 5 ? v >> 1 & 3 : v >> 1 & 7;
    c->bcd = v & 1;
    c->loaded = 0;
    c->read_high = c->write_high = c->latched = 0;
    if (n == 0) {
        clock_cancel(p->clock, &p->tick);
        irq_set(&p->irq, c->mode != 0);
    }
}

static void count_write(struct pit *p, struct counter *c, uint8_t v)
{
    switch (c->access) {
    case 1:
        load(p, c, v);
        break;
    case 2:
        load(p, c, (uint32_t)v << 8);
        break;
    case 3:
        if (c->write_high)
            load(p, c, c->write_low | (uint32_t)v << 8);
        else
            c->write_low = v;
        c->write_high ^= 1;
        break;
    default:
        break;
    }
}

static uint8_t count_read(struct pit *p, struct counter *c)
{
    if (c->status_latched) {
        c->status_latched = 0;
        return c->status;
    }
    const uint16_t v = c->latched ? c->latch : current(p, c);
    uint8_t r;
    if (c->access == 3) {
        r = c->read_high ? (uint8_t)(v >> 8) : (uint8_t)v;
        c->read_high ^= 1;
    } else {
        r = c->access == 2 ? (uint8_t)(v >> 8) : (uint8_t)v;
    }
    if (c->latched)
        c->latched--;
    return r;
}

static uint64_t pit_read(void *dev, uint64_t offset, unsigned size)
{
    struct pit *p = dev;
    (void)size;
    return offset < 3 ? count_read(p, &p->c[offset]) : 0xff;
}

static void pit_write(void *dev, uint64_t offset, unsigned size, uint64_t v)
{
    struct pit *p = dev;
    (void)size;
    if (offset == 3)
        control(p, (uint8_t)v);
    else
        count_write(p, &p->c[offset], (uint8_t)v);
}

static uint64_t p61_read(void *dev, uint64_t offset, unsigned size)
{
    struct pit *p = dev;
    (void)offset;
    (void)size;
    const uint64_t refresh = clock_now(p->clock) / 15085 & 1; /* DRAM refresh toggles */
    return (p->port61 & 0x0f) | refresh << 4 | (uint64_t)out(p, &p->c[2]) << 5;
}

static void p61_write(void *dev, uint64_t offset, unsigned size, uint64_t v)
{
    struct pit *p = dev;
    struct counter *c = &p->c[2];
    (void)offset;
    (void)size;
    p->port61 = v & 0x0f;
    if ((v & 1) && !c->gate) {
        c->start_ns = clock_now(p->clock); /* a rising gate starts or restarts the count */
        c->loaded = c->reload != 0;
    }
    c->gate = v & 1;
}

static const struct bus_ops pit_ops = {pit_read, pit_write, 1}, p61_ops = {p61_read, p61_write, 1};

static void pit_reset(struct dev *d)
{
    struct pit *p = (struct pit *)d;
    for (unsigned i = 0; i < 3; i++) {
        p->c[i].access = 3;
        p->c[i].mode = 3;
        p->c[i].gate = i < 2;
    }
    clock_cancel(p->clock, &p->tick);
}
static void pit_free(struct dev *d)
{
    free(d);
}
static const struct dev_class pit_class = {"pit", fields, pit_reset, pit_free, NULL};

struct dev *pit_new(struct bus *bus, struct clock *clock, const struct irq_line *irq)
{
    struct pit *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->dev = (struct dev){.cls = &pit_class, .id = "pit0"};
    p->clock = clock;
    p->irq = *irq;
    clock_event_init(clock, &p->tick, "pit", 20, fire, p);
    if (bus_map_port(bus, 0x40, 4, &pit_ops, p, "pit") ||
        bus_map_port(bus, 0x61, 1, &p61_ops, p, "port61")) {
        free(p);
        return NULL;
    }
    return &p->dev;
}
