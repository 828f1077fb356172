/*
 * devices/chipset/debugport.c: ports for tests and early output: debug console 0xe9 and 0x402
 * (reads tell that it is there), debug exit 0xf4 (0: pass), POST code 0x80, port 0x92 (fast reset,
 * A20 gate). The gate is one with the keyboard controller's: the last write to either counts.
 */
#include <stdlib.h>

#include "devices/chipset/chipset.h"

struct debugport {
    struct dev dev;
    struct board_port board;
    /* state */
    uint8_t post, port92;
};

static const struct field fields[] = {
    FIELD(struct debugport, post, 0, "POST code"),
    FIELD(struct debugport, port92, 2, "port 0x92: A20 on"),
    FIELD_END,
};

static uint64_t con_read(void *dev, uint64_t offset, unsigned size)
{
    (void)dev;
    (void)offset;
    (void)size;
    return 0xe9;
}
static void con_write(void *dev, uint64_t offset, unsigned size, uint64_t v)
{
    const struct debugport *d = dev;
    const uint8_t byte = (uint8_t)v;
    (void)offset;
    (void)size;
    if (d->board.output)
        d->board.output(d->board.opaque, "debugcon", &byte, 1);
}
static uint64_t exit_read(void *dev, uint64_t offset, unsigned size)
{
    (void)dev;
    (void)offset;
    (void)size;
    return 0;
}
static void exit_write(void *dev, uint64_t offset, unsigned size, uint64_t v)
{
    const struct debugport *d = dev;
    (void)offset;
    (void)size;
    d->board.request(d->board.opaque, BOARD_EXIT, (uint32_t)v);
}
static uint64_t post_read(void *dev, uint64_t offset, unsigned size)
{
    (void)offset;
    (void)size;
    return ((const struct debugport *)dev)->post;
}
static void post_write(void *dev, uint64_t offset, unsigned size, uint64_t v)
{
    (void)offset;
    (void)size;
    ((struct debugport *)dev)->post = (uint8_t)v;
}
static uint64_t p92_read(void *dev, uint64_t offset, unsigned size)
{
    (void)offset;
    (void)size;
    return ((const struct debugport *)dev)->port92;
}
static void p92_write(void *dev, uint64_t offset, unsigned size, uint64_t v)
{
    struct debugport *d = dev;
    (void)offset;
    (void)size;
    d->port92 = v & 2;
    d->board.request(d->board.opaque, BOARD_A20, v >> 1 & 1);
    if (v & 1)
        d->board.request(d->board.opaque, BOARD_RESET, 0);
}

static const struct bus_ops con_ops = {con_read, con_write, 1},
                            exit_ops = {exit_read, exit_write, 4},
                            post_ops = {post_read, post_write, 1},
                            p92_ops = {p92_read, p92_write, 1};

static void debugport_free(struct dev *d)
{
    free(d);
}
static const struct dev_class debugport_class = {"debugport", fields, NULL, debugport_free, NULL};

struct dev *debugport_new(struct bus *bus, const struct board_port *board)
{
    struct debugport *d = calloc(1, sizeof *d);
    if (!d)
        return NULL;
    d->dev = (struct dev){.cls = &debugport_class, .id = "debugport"};
    d->board = *board;
    if (bus_map_port(bus, 0xe9, 1, &con_ops, d, "debugcon") ||
        bus_map_port(bus, 0x402, 1, &con_ops, d, "debugcon") ||
        bus_map_port(bus, 0xf4, 4, &exit_ops, d, "debug-exit") ||
        bus_map_port(bus, 0x80, 1, &post_ops, d, "post") ||
        bus_map_port(bus, 0x92, 1, &p92_ops, d, "port92")) {
        free(d);
        return NULL;
    }
    return &d->dev;
}
