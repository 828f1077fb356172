/*
 * core/bus.c: dispatch of port and MMIO accesses (core/bus.h).
 *
 * Ports: one 16-bit slot number per port, so a lookup is one load. MMIO: a sorted array of ranges
 * with the last hit remembered; a machine has about ten.
 */
#include "core/bus.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define BUS_PORT_RANGES 128
#define BUS_MMIO_RANGES 64

struct range {
    uint64_t base, len;
    const struct bus_ops *ops;
    void *dev;
    const char *name;
};

struct bus {
    uint8_t slot[65536]; /* index into port[] + 1, 0 = unmapped */
    struct range port[BUS_PORT_RANGES];
    struct range mmio[BUS_MMIO_RANGES]; /* sorted by base */
    unsigned mmio_count, mmio_last;
};

struct bus *bus_new(void)
{
    return calloc(1, sizeof(struct bus));
}

void bus_free(struct bus *b)
{
    free(b);
}

int bus_map_port(struct bus *b, uint16_t base, unsigned count, const struct bus_ops *ops, void *dev,
                 const char *name)
{
    if (count == 0 || base + count > 65536)
        return -EINVAL;
    for (unsigned i = 0; i < count; i++) {
        if (b->slot[base + i])
            return -EBUSY;
    }
    for (unsigned n = 0; n < BUS_PORT_RANGES; n++) {
        if (b->port[n].ops)
            continue;
        b->port[n] = (struct range){base, count, ops, dev, name};
        memset(b->slot + base, (int)n + 1, count);
        return 0;
    }
    return -ENOSPC;
}

void bus_unmap_port(struct bus *b, uint16_t base, unsigned count)
{
    for (unsigned n = 0; n < BUS_PORT_RANGES; n++) {
        struct range *r = &b->port[n];
        if (r->ops && r->base == base && r->len == count) {
            memset(b->slot + base, 0, count);
            *r = (struct range){0};
        }
    }
}

int bus_map_mmio(struct bus *b, hpa_t base, uint64_t len, const struct bus_ops *ops, void *dev,
                 const char *name)
{
    if (len == 0 || base.v + len - 1 < base.v)
        return -EINVAL;
    if (b->mmio_count == BUS_MMIO_RANGES)
        return -ENOSPC;
    unsigned at = 0;
    while (at < b->mmio_count && b->mmio[at].base < base.v)
        at++;
    if (at < b->mmio_count && b->mmio[at].base - base.v < len)
        return -EBUSY;
    if (at > 0 && base.v - b->mmio[at - 1].base < b->mmio[at - 1].len)
        return -EBUSY;
    memmove(&b->mmio[at + 1], &b->mmio[at], (b->mmio_count - at) * sizeof b->mmio[0]);
    b->mmio[at] = (struct range){base.v, len, ops, dev, name};
    b->mmio_count++;
    b->mmio_last = 0;
    return 0;
}

void bus_unmap_mmio(struct bus *b, hpa_t base, uint64_t len)
{
    for (unsigned i = 0; i < b->mmio_count; i++) {
        if (b->mmio[i].base != base.v || b->mmio[i].len != len)
            continue;
        memmove(&b->mmio[i], &b->mmio[i + 1], (b->mmio_count - i - 1) * sizeof b->mmio[0]);
        b->mmio_count--;
        b->mmio[b->mmio_count] = (struct range){0};
        b->mmio_last = 0;
        return;
    }
}

static const struct range *find_port(struct bus *b, uint64_t at)
{
    const unsigned n = at < 65536 ? b->slot[at] : 0;
    return n ? &b->port[n - 1] : NULL;
}

static const struct range *find_mmio(struct bus *b, uint64_t at)
{
    const struct range *last = &b->mmio[b->mmio_last];
    if (at - last->base < last->len)
        return last;
    for (unsigned i = 0; i < b->mmio_count; i++) {
        if (at - b->mmio[i].base < b->mmio[i].len) {
            b->mmio_last = i;
            return &b->mmio[i];
        }
    }
    return NULL;
}

typedef const struct range *find_fn(struct bus *b, uint64_t at);

static uint64_t all_ones(unsigned size)
{
    return size >= 8 ? UINT64_MAX : (1ull << size * 8) - 1;
}

static bool is_whole(const struct range *r, uint64_t at, unsigned size)
{
    return at - r->base + size <= r->len && (r->ops->max_size == 0 || size <= r->ops->max_size);
}

static uint64_t bus_read(struct bus *b, find_fn *find, uint64_t at, unsigned size)
{
    const struct range *r = find(b, at);
    if (r && is_whole(r, at, size))
        return r->ops->read(r->dev, at - r->base, size) & all_ones(size);
    if (size == 1 || (!r && !find(b, at + size - 1)))
        return all_ones(size);
    /* in halves: reaches max_size of the device, or the byte where a range ends */
    const unsigned half = size / 2;
    const uint64_t low = bus_read(b, find, at, half);
    return low | bus_read(b, find, at + half, half) << half * 8;
}

static void bus_write(struct bus *b, find_fn *find, uint64_t at, unsigned size, uint64_t value)
{
    const struct range *r = find(b, at);
    if (r && is_whole(r, at, size)) {
        r->ops->write(r->dev, at - r->base, size, value & all_ones(size));
        return;
    }
    if (size == 1 || (!r && !find(b, at + size - 1)))
        return;
    const unsigned half = size / 2;
    bus_write(b, find, at, half, value);
    bus_write(b, find, at + half, half, value >> half * 8);
}

uint64_t bus_port_read(struct bus *b, uint16_t port, unsigned size)
{
    return bus_read(b, find_port, port, size);
}

void bus_port_write(struct bus *b, uint16_t port, unsigned size, uint64_t value)
{
    bus_write(b, find_port, port, size, value);
}

uint64_t bus_mmio_read(struct bus *b, hpa_t at, unsigned size)
{
    return bus_read(b, find_mmio, at.v, size);
}

void bus_mmio_write(struct bus *b, hpa_t at, unsigned size, uint64_t value)
{
    bus_write(b, find_mmio, at.v, size, value);
}
