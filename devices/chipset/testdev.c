/*
 * devices/chipset/testdev.c: the test device of PC emulators that public test programs use: a
 * register behind ports 0xe0-0xe3, interrupt lines 0-23 by ports 0x2000-0x2017, 64 KiB of plain
 * memory behind MMIO at 0xff000000. Port 0xe4 (drop a cached translation) has nothing to do here.
 * The register is there once more, byte by byte, behind 0xe8, 0xea and 0xeb.
 * Not modelled: its byte 1 behind 0xe9, which is the debug console.
 */
#include <stdlib.h>
#include <string.h>

#include "devices/chipset/chipset.h"

#define TESTDEV_MMIO     0xff000000ull
#define TESTDEV_MMIO_LEN 0x10000u
#define TESTDEV_IRQ      0x2000
#define TESTDEV_LINES    24

struct testdev {
    struct dev dev;
    struct irq_line line[TESTDEV_LINES];
    /* state */
    uint8_t data[4];
    uint8_t mem[TESTDEV_MMIO_LEN];
};

static const struct field fields[] = {
    FIELD_ARRAY(struct testdev, data, 0, "ports 0xe0-0xe3"),
    FIELD_ARRAY(struct testdev, mem, 0, "memory behind MMIO"),
    FIELD_END,
};

static uint64_t data_read(void *dev, uint64_t offset, unsigned size)
{
    uint64_t v = 0;
    memcpy(&v, ((const struct testdev *)dev)->data + offset, size);
    return v;
}
static void data_write(void *dev, uint64_t offset, unsigned size, uint64_t v)
{
    memcpy(((struct testdev *)dev)->data + offset, &v, size);
}
/* Bytes 2 and 3, behind ports 0xea and 0xeb. */
static uint64_t upper_read(void *dev, uint64_t offset, unsigned size)
{
    return data_read(dev, offset + 2, size);
}
static void upper_write(void *dev, uint64_t offset, unsigned size, uint64_t v)
{
    data_write(dev, offset + 2, size, v);
}
static uint64_t flush_read(void *dev, uint64_t offset, unsigned size)
{
    (void)dev;
    (void)offset;
    (void)size;
    return 0;
}
static void flush_write(void *dev, uint64_t offset, unsigned size, uint64_t v)
{
    (void)dev;
    (void)offset;
    (void)size;
    (void)v;
}
static void line_write(void *dev, uint64_t offset, unsigned size, uint64_t v)
{
    (void)size;
    irq_set(&((struct testdev *)dev)->line[offset], v != 0);
}
static uint64_t mem_read(void *dev, uint64_t offset, unsigned size)
{
    uint64_t v = 0;
    memcpy(&v, ((const struct testdev *)dev)->mem + offset, size);
    return v;
}
static void mem_write(void *dev, uint64_t offset, unsigned size, uint64_t v)
{
    memcpy(((struct testdev *)dev)->mem + offset, &v, size);
}

static const struct bus_ops data_ops = {data_read, data_write, 4},
                            byte_ops = {data_read, data_write, 1},
                            upper_ops = {upper_read, upper_write, 1},
                            flush_ops = {flush_read, flush_write, 4},
                            line_ops = {flush_read, line_write, 1},
                            mem_ops = {mem_read, mem_write, 8};

static void testdev_free(struct dev *d)
{
    free(d);
}
static const struct dev_class testdev_class = {"testdev", fields, NULL, testdev_free, NULL};

struct dev *testdev_new(struct bus *bus, const struct irq_line line[24])
{
    struct testdev *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->dev = (struct dev){.cls = &testdev_class, .id = "testdev"};
    memcpy(t->line, line, sizeof t->line);
    if (bus_map_port(bus, 0xe0, 4, &data_ops, t, "testdev") ||
        bus_map_port(bus, 0xe8, 1, &byte_ops, t, "testdev-byte") ||
        bus_map_port(bus, 0xea, 2, &upper_ops, t, "testdev-bytes") ||
        bus_map_port(bus, 0xe4, 4, &flush_ops, t, "testdev-flush") ||
        bus_map_port(bus, TESTDEV_IRQ, TESTDEV_LINES, &line_ops, t, "testdev-irq") ||
        bus_map_mmio(bus, hpa(TESTDEV_MMIO), TESTDEV_MMIO_LEN, &mem_ops, t, "testdev-mem")) {
        free(t);
        return NULL;
    }
    return &t->dev;
}
