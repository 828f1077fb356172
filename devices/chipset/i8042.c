/*
 * devices/chipset/i8042.c: keyboard controller as far as a machine without a keyboard needs it:
 * self-test, configuration byte, port tests, reset pulse. Devices answer nothing.
 * Not modelled: keyboard and mouse (reads time out in the guest's driver).
 */
#include <stdlib.h>

#include "devices/chipset/chipset.h"

struct i8042 {
    struct dev dev;
    struct irq_line irq1;
    struct board_port board;
    /* state */
    uint8_t out, full, config, expect_config;
};

static const struct field fields[] = {
    FIELD(struct i8042, out, 0, "output buffer"),
    FIELD(struct i8042, full, 0, "output buffer full"),
    FIELD(struct i8042, config, 0x30, "configuration byte: both ports off"),
    FIELD(struct i8042, expect_config, 0, "next data byte is the configuration byte"),
    FIELD_END,
};

static void put(struct i8042 *k, uint8_t v)
{
    k->out = v;
    k->full = 1;
}

static uint64_t data_read(void *dev, uint64_t offset, unsigned size)
{
    struct i8042 *k = dev;
    (void)offset;
    (void)size;
    k->full = 0;
    return k->out;
}
static void data_write(void *dev, uint64_t offset, unsigned size, uint64_t v)
{
    struct i8042 *k = dev;
    (void)offset;
    (void)size;
    if (k->expect_config)
        k->config = (uint8_t)v;
    k->expect_config = 0;
}
static uint64_t status_read(void *dev, uint64_t offset, unsigned size)
{
    (void)offset;
    (void)size;
    return 0x1c | ((const struct i8042 *)dev)->full; /* not locked, system flag */
}
static void command(void *dev, uint64_t offset, unsigned size, uint64_t v)
{
    struct i8042 *k = dev;
    (void)offset;
    (void)size;
    k->expect_config = 0;
    switch (v & 0xff) {
    case 0x20:
        put(k, k->config);
        break;
    case 0x60:
        k->expect_config = 1;
        break;
    case 0xa7:
        k->config |= 0x20;
        break;
    case 0xa8:
        k->config &= (uint8_t)~0x20;
        break;
    case 0xa9:
    case 0xab:
        put(k, 1);
        break; /* interface tests: clock line stuck: nothing there */
    case 0xaa:
        put(k, 0x55);
        break;
    case 0xad:
        k->config |= 0x10;
        break;
    case 0xae:
        k->config &= (uint8_t)~0x10;
        break;
    default:
        if ((v & 0xf1) == 0xf0) /* pulse bit 0: CPU reset */
            k->board.request(k->board.opaque, BOARD_RESET, 0);
        break;
    }
}

static const struct bus_ops data_ops = {data_read, data_write, 1},
                            command_ops = {status_read, command, 1};

static void i8042_free(struct dev *d)
{
    free(d);
}
static const struct dev_class i8042_class = {"i8042", fields, NULL, i8042_free};

struct dev *i8042_new(struct bus *bus, const struct irq_line *irq1, const struct board_port *board)
{
    struct i8042 *k = calloc(1, sizeof *k);
    if (!k)
        return NULL;
    k->dev = (struct dev){.cls = &i8042_class, .id = "i8042"};
    k->irq1 = *irq1;
    k->board = *board;
    if (bus_map_port(bus, 0x60, 1, &data_ops, k, "i8042") ||
        bus_map_port(bus, 0x64, 1, &command_ops, k, "i8042")) {
        free(k);
        return NULL;
    }
    return &k->dev;
}
