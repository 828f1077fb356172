/*
 * vmwp/pit.c: 8254 timer (Intel 8254 data sheet) and port 0x61: counters are functions of time.
 *
 * Not modelled: BCD counting, modes 1 and 5 (a gate edge never comes but for channel 2), the
 * speaker.
 */
#include "partitions/root/vmwp/models.h"

#define PIT_HZ 1193182ull
#define NS     1000000000ull

static uint64_t pit_ticks(uint64_t ns)
{
    return ns / NS * PIT_HZ + ns % NS * PIT_HZ / NS;
}

/* The first nanosecond at which `ticks` have passed. */
static uint64_t pit_ns(uint64_t ticks)
{
    return ticks / PIT_HZ * NS + (ticks % PIT_HZ * NS + PIT_HZ - 1) / PIT_HZ;
}

static bool pit_periodic(const struct pit_channel *c)
{
    return c->mode == 2 || c->mode == 3;
}

void pit_init(struct pit *p)
{
    *p = (struct pit){0};
    p->ch[0].gate = p->ch[1].gate = true;
    for (unsigned i = 0; i < 3; i++)
        p->ch[i].access = 3;
}

static uint64_t pit_elapsed(const struct pit_channel *c, uint64_t now)
{
    return c->gate && now > c->start ? pit_ticks(now - c->start) : 0;
}

static uint16_t pit_count(const struct pit_channel *c, uint64_t now)
{
    if (!c->reload)
        return 0;
    uint64_t t = pit_elapsed(c, now);
    if (!pit_periodic(c))
        return (uint16_t)(c->reload - t);
    if (c->mode == 3)
        return (uint16_t)(c->reload - t * 2 % c->reload);
    return (uint16_t)(c->reload - t % c->reload);
}

static bool pit_output(const struct pit_channel *c, uint64_t now)
{
    if (!c->reload)
        return c->mode != 0;
    uint64_t t = pit_elapsed(c, now);
    switch (c->mode) {
    case 0:
        return t >= c->reload;
    case 2:
        return t % c->reload != c->reload - 1;
    case 3:
        return t % c->reload < (c->reload + 1) / 2;
    default:
        return t != c->reload;
    }
}

static void pit_load(struct pit *p, unsigned n, uint16_t v, uint64_t now)
{
    struct pit_channel *c = &p->ch[n];
    c->reload = v ? v : 0x10000;
    c->start = now;
    c->null_count = false;
    if (n == 0)
        p->irq_done = 0;
}

static void pit_write(struct pit *p, unsigned n, uint8_t v, uint64_t now)
{
    struct pit_channel *c = &p->ch[n];
    switch (c->access) {
    case 1:
        pit_load(p, n, v, now);
        break;
    case 2:
        pit_load(p, n, (uint16_t)(v << 8), now);
        break;
    default:
        if (c->write_high)
            pit_load(p, n, (uint16_t)(v << 8 | c->write_low), now);
        else
            c->write_low = v;
        c->write_high = !c->write_high;
    }
}

static uint8_t pit_read(struct pit_channel *c, uint64_t now)
{
    if (c->status_latched) {
        c->status_latched = false;
        return c->status_latch;
    }
    uint16_t v = c->latched ? c->latch : pit_count(c, now);
    if (c->access == 1 || c->access == 2) {
        c->latched = false;
        return (uint8_t)(c->access == 1 ? v : v >> 8);
    }
    bool high = c->read_high;
    c->read_high = !high;
    if (high)
        c->latched = false;
    return (uint8_t)(high ? v >> 8 : v);
}

static void pit_latch(struct pit_channel *c, uint64_t now)
{
    if (c->latched)
        return;
    c->latch = pit_count(c, now);
    c->latched = true;
    c->read_high = false;
}

static void pit_control(struct pit *p, uint8_t v, uint64_t now)
{
    if (v >> 6 == 3) { /* read-back */
        for (unsigned i = 0; i < 3; i++) {
            struct pit_channel *c = &p->ch[i];
            if (!(v & 2u << i))
                continue;
            if (!(v & 0x10) && !c->status_latched) {
                c->status_latched = true;
                c->status_latch = (uint8_t)(pit_output(c, now) << 7 |
                                            (!c->reload || c->null_count) << 6 | c->access << 4 |
                                            c->mode << 1 | c->bcd);
            }
            if (!(v & 0x20))
                pit_latch(c, now);
        }
        return;
    }
    struct pit_channel *c = &p->ch[v >> 6];
    if (!(v >> 4 & 3)) {
        pit_latch(c, now);
        return;
    }
    uint8_t mode = v >> 1 & 7;
    *c = (struct pit_channel){.access = v >> 4 & 3,
                              .mode = mode > 5 ? mode & 3 : mode,
                              .bcd = v & 1,
                              .gate = c->gate,
                              .null_count = true};
}

uint8_t pit_in(struct pit *p, uint16_t port, uint64_t now)
{
    if (port == 0x61) {
        const struct pit_channel *c = &p->ch[2];
        unsigned refresh = (unsigned)(now / 15085) & 1;
        return (uint8_t)((p->port61 & 3) | refresh << 4 | (unsigned)pit_output(c, now) << 5);
    }
    return port < 0x43 ? pit_read(&p->ch[port & 3], now) : 0xff;
}

void pit_out(struct pit *p, uint16_t port, uint8_t v, uint64_t now)
{
    if (port == 0x61) {
        if ((v & 1) && !p->ch[2].gate)
            p->ch[2].start = now; /* a rising gate reloads */
        p->ch[2].gate = v & 1;
        p->port61 = v & 3;
    } else if (port == 0x43) {
        pit_control(p, v, now);
    } else {
        pit_write(p, port & 3, v, now);
    }
}

uint64_t pit_next(const struct pit *p)
{
    const struct pit_channel *c = &p->ch[0];
    if (!c->reload || c->null_count || (!pit_periodic(c) && p->irq_done))
        return ~0ull;
    return c->start + pit_ns((p->irq_done + 1) * c->reload);
}

bool pit_take_edge(struct pit *p, uint64_t now)
{
    if (pit_next(p) > now)
        return false;
    /* Edges that came late are one interrupt. */
    p->irq_done = pit_elapsed(&p->ch[0], now) / p->ch[0].reload;
    if (!p->irq_done)
        p->irq_done = 1;
    return true;
}
