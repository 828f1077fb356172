/*
 * devices/pci/testdev.c: the PCI test device of emulators (1b36:0005): programs measure accesses by
 * it. BAR 0 is memory, BAR 1 ports. Byte 0 selects one of three tests of its BAR; the header that
 * reads from the BAR's start says where, how wide and with what byte to write, and counts the
 * writes that hit: number, width, 2 bytes of padding, offset (4), data, 3 bytes of padding, count
 * (4), name.
 */
#include <stdlib.h>
#include <string.h>

#include "devices/pci/test.h"

#define BAR_SIZE_MEM 4096u
#define BAR_SIZE_IO  256u
#define TESTS        3u /* per BAR */
#define DATA         0xfau
#define AT           0x80u /* of the writes: + 16 per test */

struct pci_testdev {
    struct pci_func f;
    /* state */
    uint8_t test[2]; /* selected, per BAR; TESTS: none */
    uint32_t count[2];
};

static const struct field fields[] = {
    PCI_FUNC_FIELDS,
    FIELD_ARRAY(struct pci_testdev, test, TESTS, "selected test of each BAR"),
    FIELD_ARRAY(struct pci_testdev, count, 0, "writes that hit"),
    FIELD_END,
};

struct test_header {
    uint8_t test, width, pad0[2];
    uint32_t offset;
    uint8_t data, pad1[3];
    uint32_t count;
    char name[32];
};

static struct test_header header_of(const struct pci_testdev *t, unsigned bar)
{
    static const char *const name[2][TESTS] = {
        {"mmio-no-eventfd", "mmio-wildcard-eventfd", "mmio-datamatch-eventfd"},
        {"portio-no-eventfd", "portio-wildcard-eventfd", "portio-datamatch-eventfd"}};
    const unsigned n = t->test[bar];
    struct test_header h = {.test = (uint8_t)n};
    if (n >= TESTS)
        return h; /* width 0: no such test */
    h.width = 1;
    h.offset = AT + 16 * n;
    h.data = DATA;
    h.count = t->count[bar];
    strcpy(h.name, name[bar][n]);
    return h;
}

static uint64_t test_read(const struct pci_testdev *t, unsigned bar, uint64_t offset, unsigned size)
{
    const struct test_header h = header_of(t, bar);
    uint64_t v = 0;
    if (offset + size <= sizeof h)
        memcpy(&v, (const uint8_t *)&h + offset, size);
    return v;
}

static void test_write(struct pci_testdev *t, unsigned bar, uint64_t offset, unsigned size,
                       uint64_t v)
{
    if (offset == 0) {
        t->test[bar] = v < TESTS ? (uint8_t)v : TESTS;
        t->count[bar] = 0;
        return;
    }
    const struct test_header h = header_of(t, bar);
    const bool any_data = h.test == 1;
    if (h.width == size && offset == h.offset && (any_data || (uint8_t)v == h.data))
        t->count[bar]++;
}

static uint64_t mem_read(void *dev, uint64_t offset, unsigned size)
{
    return test_read(dev, 0, offset, size);
}
static void mem_write(void *dev, uint64_t offset, unsigned size, uint64_t v)
{
    test_write(dev, 0, offset, size, v);
}
static uint64_t io_read(void *dev, uint64_t offset, unsigned size)
{
    return test_read(dev, 1, offset, size);
}
static void io_write(void *dev, uint64_t offset, unsigned size, uint64_t v)
{
    test_write(dev, 1, offset, size, v);
}
static const struct bus_ops mem_ops = {mem_read, mem_write, 8}, io_ops = {io_read, io_write, 4};

static void testdev_reset(struct dev *d)
{
    pci_func_reset((struct pci_func *)d);
}
static void testdev_free(struct dev *d)
{
    free(d);
}
static const struct dev_class testdev_class = {"pci-testdev", fields, testdev_reset, testdev_free,
                                               NULL};

struct pci_func *pci_testdev_new(void)
{
    struct pci_testdev *const t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->f.dev = (struct dev){.cls = &testdev_class, .id = "pci-testdev"};
    pci_func_init(&t->f, 0x1b36, 0x0005, 0x00ff0000, 0x1af4, 0x1100);
    pci_add_bar32(&t->f, 0, BAR_SIZE_MEM, &mem_ops);
    pci_add_bar_io(&t->f, 1, BAR_SIZE_IO, &io_ops);
    return &t->f;
}
