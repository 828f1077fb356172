/*
 * devices/chipset/pvpanic.c: port 0x505: a guest tells that it panicked (bit 0), or that it goes on
 * with a crash kernel (bit 1). Reads say which events are known.
 */
#include <stdlib.h>

#include "devices/chipset/chipset.h"
#include "lib/log.h"

#define PANICKED 1u
#define CRASHED  2u

struct pvpanic {
    struct dev dev;
    struct board_port board;
    /* state */
    uint8_t events; /* that came */
};

static const struct field fields[] = {
    FIELD(struct pvpanic, events, 0, "events that the guest told"),
    FIELD_END,
};

static uint64_t panic_read(void *dev, uint64_t offset, unsigned size)
{
    (void)dev;
    (void)offset;
    (void)size;
    return PANICKED | CRASHED;
}
static void panic_write(void *dev, uint64_t offset, unsigned size, uint64_t v)
{
    struct pvpanic *const p = dev;
    (void)offset;
    (void)size;
    p->events |= v & (PANICKED | CRASHED);
    if (v & CRASHED)
        LOG_GUEST("pvpanic", "the guest crashed and loads its crash kernel");
    if (v & PANICKED)
        p->board.request(p->board.opaque, BOARD_PANIC, 0);
}
static const struct bus_ops ops = {panic_read, panic_write, 1};

static void pvpanic_free(struct dev *d)
{
    free(d);
}
static const struct dev_class pvpanic_class = {"pvpanic", fields, NULL, pvpanic_free, NULL};

struct dev *pvpanic_new(struct bus *bus, const struct board_port *board)
{
    struct pvpanic *const p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->dev = (struct dev){.cls = &pvpanic_class, .id = "pvpanic"};
    p->board = *board;
    if (bus_map_port(bus, PVPANIC_PORT, 1, &ops, p, "pvpanic")) {
        free(p);
        return NULL;
    }
    return &p->dev;
}
