/*
 * devices/chipset/hpet.c: IA-PC HPET 1.0a: 100 MHz 64-bit main counter, three comparators, timer 0
 * periodic, legacy replacement. Interrupts to the I/O APIC, edge or level, or as messages (FSB
 * delivery). Accesses of 4 and 8 bytes.
 */
#include <stdbool.h>
#include <stdlib.h>

#include "devices/chipset/chipset.h"

#define PERIOD_FS     10000000ull /* 10 ns */
#define TICK_NS       10ull
#define TIMERS        3
#define CFG_ENABLE    1u
#define CFG_LEGACY    2u
#define T_LEVEL       (1u << 1)
#define T_ENABLE      (1u << 2)
#define T_PERIODIC    (1u << 3)
#define T_PER_CAP     (1u << 4)
#define T_SIZE_CAP    (1u << 5)
#define T_SET         (1u << 6)
#define T_32BIT       (1u << 8)
#define T_ROUTE_SHIFT 9
#define T_FSB         (1u << 14)
#define T_FSB_CAP     (1u << 15)
#define T_WRITABLE \
    (T_LEVEL | T_ENABLE | T_PERIODIC | T_SET | T_32BIT | T_FSB | 31u << T_ROUTE_SHIFT)

struct hpet;
struct timer {
    struct hpet *h;
    struct clock_event event;
    unsigned n;
};

struct hpet {
    struct dev dev;
    struct clock *clock;
    struct irq_line irq[24], legacy[2];
    struct msi_sink msi;
    struct timer t[TIMERS];
    /* state */
    uint64_t base_ns; /* counter was `frozen` at this time */
    uint64_t frozen;
    uint64_t cfg[TIMERS], cmp[TIMERS], period[TIMERS];
    uint64_t fsb[TIMERS]; /* address << 32 | data */
    uint32_t config, status;
};

static const struct field fields[] = {
    FIELD(struct hpet, base_ns, 0, "time of the counter's value"),
    FIELD(struct hpet, frozen, 0, "main counter then"),
    FIELD_ARRAY(struct hpet, cfg, 0, "timer configurations"),
    FIELD_ARRAY(struct hpet, cmp, UINT64_MAX, "comparators"),
    FIELD_ARRAY(struct hpet, period, 0, "periods"),
    FIELD_ARRAY(struct hpet, fsb, 0, "message address and data"),
    FIELD(struct hpet, config, 0, "general configuration"),
    FIELD(struct hpet, status, 0, "general interrupt status"),
    FIELD_END,
};

static uint64_t counter(const struct hpet *h)
{
    if (!(h->config & CFG_ENABLE))
        return h->frozen;
    return h->frozen + (clock_now(h->clock) - h->base_ns) / TICK_NS;
}

static bool is_32bit(const struct hpet *h, unsigned n)
{
    return h->cfg[n] & T_32BIT;
}

static void arm(struct hpet *h, unsigned n)
{
    struct clock_event *const ev = &h->t[n].event;
    if (!(h->config & CFG_ENABLE)) {
        clock_cancel(h->clock, ev);
        return;
    }
    const uint64_t now = counter(h);
    uint64_t left = h->cmp[n] - now;
    if (is_32bit(h, n))
        left = (uint32_t)left ? (uint32_t)left : 1ull << 32;
    if (left == 0 || left > 1ull << 50) { /* just matched, or years away */
        clock_cancel(h->clock, ev);
        return;
    }
    clock_arm(h->clock, ev, h->base_ns + (now + left - h->frozen) * TICK_NS);
}

static void interrupt(struct hpet *h, unsigned n)
{
    const bool legacy = (h->config & CFG_LEGACY) && n < 2, level = h->cfg[n] & T_LEVEL;
    const struct irq_line *line = legacy ? &h->legacy[n]
                                         : &h->irq[(h->cfg[n] >> T_ROUTE_SHIFT & 31) % 24];
    if (level)
        h->status |= 1u << n;
    if ((h->cfg[n] & T_ENABLE) && (h->cfg[n] & T_FSB) && !legacy) {
        msi_send(&h->msi, h->fsb[n] >> 32, (uint32_t)h->fsb[n]);
    } else if (h->cfg[n] & T_ENABLE) {
        irq_set(line, 1);
        if (!level)
            irq_set(line, 0);
    }
}

static void fire(void *opaque, uint64_t now_ns)
{
    struct timer *const t = opaque;
    struct hpet *const h = t->h;
    const unsigned n = t->n;
    (void)now_ns;
    interrupt(h, n);
    if ((h->cfg[n] & T_PERIODIC) && h->period[n]) {
        const uint64_t late = counter(h) - h->cmp[n];
        const uint64_t periods = (is_32bit(h, n) ? (uint32_t)late : late) / h->period[n] + 1;
        h->cmp[n] += periods * h->period[n];
        if (is_32bit(h, n))
            h->cmp[n] = (uint32_t)h->cmp[n];
    }
    arm(h, n);
}

static uint64_t timer_read(const struct hpet *h, unsigned n, unsigned reg)
{
    switch (reg) {
    case 0:
        return h->cfg[n] | T_SIZE_CAP | T_FSB_CAP | (n == 0 ? T_PER_CAP : 0) |
               0x00f00000ull << 32; /* pins 20-23 */
    case 8:
        return h->cmp[n];
    case 16:
        return h->fsb[n];
    default:
        return 0;
    }
}

static uint64_t reg_read(const struct hpet *h, uint64_t offset)
{
    if (offset >= 0x100 && offset < 0x100 + 0x20 * TIMERS)
        return timer_read(h, (unsigned)(offset - 0x100) / 0x20, offset & 0x18);
    switch (offset) {
    case 0x00:
        return PERIOD_FS << 32 | 0x8086ull << 16 | 1u << 15 | 1u << 13 | (TIMERS - 1) << 8 | 1;
    case 0x10:
        return h->config;
    case 0x20:
        return h->status;
    case 0xf0:
        return counter(h);
    default:
        return 0;
    }
}

static void config_write(struct hpet *h, uint32_t v)
{
    const uint64_t now = counter(h);
    h->frozen = now;
    h->base_ns = clock_now(h->clock) / TICK_NS * TICK_NS;
    h->config = v & 3;
    for (unsigned n = 0; n < TIMERS; n++)
        arm(h, n);
}

static void timer_write(struct hpet *h, unsigned n, unsigned reg, uint64_t v)
{
    if (reg == 0) {
        h->cfg[n] = v & T_WRITABLE & (n == 0 ? ~0ull : ~(uint64_t)T_PERIODIC);
        if (is_32bit(h, n))
            h->cmp[n] = (uint32_t)h->cmp[n];
    } else if (reg == 8) {
        if (is_32bit(h, n))
            v = (uint32_t)v;
        if (!(h->cfg[n] & T_PERIODIC) || (h->cfg[n] & T_SET))
            h->cmp[n] = v;
        if (h->cfg[n] & T_PERIODIC && !(h->cfg[n] & T_SET))
            h->period[n] = v;
        h->cfg[n] &= ~(uint64_t)T_SET;
    } else if (reg == 16) {
        h->fsb[n] = v;
        return;
    }
    arm(h, n);
}

static void reg_write(struct hpet *h, uint64_t offset, uint64_t v)
{
    if (offset >= 0x100 && offset < 0x100 + 0x20 * TIMERS) {
        timer_write(h, (unsigned)(offset - 0x100) / 0x20, offset & 0x18, v);
        return;
    }
    switch (offset) {
    case 0x10:
        config_write(h, (uint32_t)v);
        break;
    case 0x20:
        for (unsigned n = 0; n < TIMERS; n++) {
            if (v >> n & 1 && h->status >> n & 1)
                irq_set(&h->irq[(h->cfg[n] >> T_ROUTE_SHIFT & 31) % 24], 0);
        }
        h->status &= ~(uint32_t)v;
        break;
    case 0xf0:
        if (!(h->config & CFG_ENABLE))
            h->frozen = v;
        break;
    default:
        break;
    }
}

static uint64_t hpet_read(void *dev, uint64_t offset, unsigned size)
{
    return size == 8 ? reg_read(dev, offset & ~7ull)
                     : reg_read(dev, offset & ~7ull) >> 8 * (offset & 7);
}

static void hpet_write(void *dev, uint64_t offset, unsigned size, uint64_t v)
{
    struct hpet *const h = dev;
    if (size == 8) {
        reg_write(h, offset & ~7ull, v);
        return;
    }
    if (size < 4)
        return;
    const uint64_t old = reg_read(h, offset & ~7ull);
    if ((offset & ~7ull) == 0x20)
        reg_write(h, 0x20, offset & 4 ? 0 : v);
    else
        reg_write(h, offset & ~7ull,
                  offset & 4 ? (uint32_t)old | v << 32
                             : (old & 0xffffffff00000000ull) | (uint32_t)v);
}

static const struct bus_ops ops = {hpet_read, hpet_write, 8};

static void hpet_reset(struct dev *d)
{
    struct hpet *const h = (struct hpet *)d;
    for (unsigned n = 0; n < TIMERS; n++)
        clock_cancel(h->clock, &h->t[n].event);
}
static void hpet_free(struct dev *d)
{
    free(d);
}
static const struct dev_class hpet_class = {"hpet", fields, hpet_reset, hpet_free, NULL};

struct dev *hpet_new(struct bus *bus, struct clock *clock, const struct irq_line irq[24],
                     const struct irq_line *legacy0, const struct irq_line *legacy8,
                     const struct msi_sink *msi)
{
    static const char *const names[TIMERS] = {"hpet0", "hpet1", "hpet2"};
    struct hpet *h = calloc(1, sizeof *h);
    if (!h)
        return NULL;
    h->dev = (struct dev){.cls = &hpet_class, .id = "hpet0"};
    h->clock = clock;
    for (unsigned i = 0; i < 24; i++)
        h->irq[i] = irq[i];
    h->legacy[0] = *legacy0;
    h->legacy[1] = *legacy8;
    h->msi = *msi;
    for (unsigned n = 0; n < TIMERS; n++) {
        h->t[n].h = h;
        h->t[n].n = n;
        clock_event_init(clock, &h->t[n].event, names[n], 15, fire, &h->t[n]);
    }
    if (bus_map_mmio(bus, hpa(HPET_BASE), 0x400, &ops, h, "hpet")) {
        free(h);
        return NULL;
    }
    return &h->dev;
}
