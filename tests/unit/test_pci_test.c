/* Unit tests of the PCI devices for test programs: edu and pci-testdev. */
#include "tests/lib/suite.h"

#include <string.h>

#include "abi/pci.h"
#include "core/clock.h"
#include "devices/pci/test.h"
#include "mmu/ram.h"

#define EDU  0xc0000000ull
#define MEM  0xc1000000ull
#define PORT 0xc000

static struct bus *bus;
static struct ram *ram;
static struct clock *clk;
static struct fake_line pirq[PCI_PIRQS];
static unsigned messages;

static void message(void *opaque, uint16_t rid, uint64_t address, uint32_t data)
{
    (void)opaque, (void)rid;
    (void)address;
    (void)data;
    messages++;
}

static void cfg(unsigned dev, unsigned reg, unsigned size, uint32_t v)
{
    bus_mmio_write(bus, hpa(PCI_ECAM_BASE + PCI_ECAM(0, dev, 0, reg)), size, v);
}
static uint32_t edu(unsigned reg)
{
    return (uint32_t)bus_mmio_read(bus, hpa(EDU + reg), 4);
}
static void edu_set(unsigned reg, unsigned size, uint64_t v)
{
    bus_mmio_write(bus, hpa(EDU + reg), size, v);
}

static struct pci_func *e;

static void setup(void)
{
    const struct board_port board = {0};
    struct irq_line lines[PCI_PIRQS];
    memset(pirq, 0, sizeof pirq);
    messages = 0;
    bus = bus_new();
    ram = ram_new(4 << 20);
    clk = clock_new();
    const struct dma dma = {.ram = ram};
    const struct msi_sink msi = {.send = message};
    struct pci_host *const host = pci_host_new(bus, &board);
    for (unsigned i = 0; i < PCI_PIRQS; i++)
        lines[i] = (struct irq_line){fake_line_set, pirq, i};
    pci_host_route(host, lines);
    e = edu_new(clk, &dma, &msi);
    struct pci_func *const t = pci_testdev_new();
    ck_assert_int_eq(pci_host_plug_any(host, e), 0); /* 00:02.0: PIRQG */
    ck_assert_int_eq(pci_host_plug_any(host, t), 0);
    dev_reset(pci_host_dev(host));
    dev_reset(&e->dev);
    dev_reset(&t->dev);
    cfg(2, PCI_BAR0, 4, (uint32_t)EDU);
    cfg(2, PCI_COMMAND, 2, PCI_CMD_MEMORY | PCI_CMD_MASTER);
    cfg(3, PCI_BAR0, 4, (uint32_t)MEM);
    cfg(3, PCI_BAR0 + 4, 4, PORT);
    cfg(3, PCI_COMMAND, 2, PCI_CMD_MEMORY | PCI_CMD_IO);
}

START_TEST(edu_tells_who_it_is_and_inverts)
{
    setup();
    ck_assert_uint_eq(edu(0), 0x010000ed);
    edu_set(4, 4, 0x12345678);
    ck_assert_uint_eq(edu(4), ~0x12345678u);
    ck_assert_uint_eq(bus_mmio_read(bus, hpa(EDU), 1), 0xff);
}
END_TEST

START_TEST(edu_computes_a_factorial_and_interrupts)
{
    setup();
    edu_set(0x20, 4, 0x80);
    edu_set(8, 4, 10);
    ck_assert_uint_eq(edu(0x20), 0x81);
    clock_advance(clk, 10000);
    ck_assert_uint_eq(edu(8), 3628800);
    ck_assert_uint_eq(edu(0x20), 0x80);
    ck_assert_uint_eq(edu(0x24), 1);
    ck_assert_int_eq(pirq[6].level, 1);
    edu_set(0x64, 4, 1);
    ck_assert_int_eq(pirq[6].level, 0);
    edu_set(8, 4, ~0u); /* ends at once, though the product has four billion factors */
    clock_advance(clk, 20000);
    ck_assert_uint_eq(edu(8), 0);
}
END_TEST

START_TEST(edu_moves_data_both_ways_and_sends_a_message)
{
    setup();
    const char text[] = "sixteen bytes...";
    char back[16] = {0};
    ram_write(ram, hpa(0x2000), text, 16);
    cfg(2, e->msi_cap + PCI_MSI_CTRL, 2, PCI_MSI_CTRL_ENABLE);
    edu_set(0x80, 8, 0x2000);
    edu_set(0x88, 8, 0x40010);
    edu_set(0x90, 8, 16);
    edu_set(0x98, 8, 1 | 4);
    ck_assert_uint_eq(edu(0x98), 5);
    edu_set(0x90, 8, 99); /* busy: ignored */
    clock_advance(clk, 1000000);
    ck_assert_uint_eq(edu(0x98), 4);
    ck_assert_uint_eq(edu(0x24), 0x100);
    ck_assert_uint_eq(messages, 1);
    ck_assert_int_eq(pirq[6].level, 0);
    edu_set(0x80, 8, 0x40010);
    edu_set(0x88, 8, 0xf0003000); /* 28 bits are decoded */
    edu_set(0x98, 4, 1 | 2);
    clock_advance(clk, 2000000);
    ram_read(ram, hpa(0x3000), back, 16);
    ck_assert_int_eq(memcmp(back, text, 16), 0);
}
END_TEST

START_TEST(edu_refuses_what_lies_outside_of_its_buffer)
{
    setup();
    static const uint64_t bad[][2] = {{0x3ffff, 1},        {0x40000, 4097}, {0x41000, 0},
                                      {0x40fff, 2},        {UINT64_MAX, 1}, {0x40000, UINT64_MAX},
                                      {0x40ff0, ~0ull - 8}};
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        for (unsigned out = 0; out < 2; out++) {
            edu_set(out ? 0x80 : 0x88, 8, bad[i][0]);
            edu_set(out ? 0x88 : 0x80, 8, 0x1000);
            edu_set(0x90, 8, bad[i][1]);
            edu_set(0x98, 8, 1 | out << 1);
            clock_advance(clk, (i * 2 + out + 1) * 1000000ull);
            ck_assert_uint_eq(edu(0x98) & 1, 0);
        }
    }
}
END_TEST

START_TEST(pci_testdev_counts_the_writes_that_it_asked_for)
{
    setup();
    for (unsigned test = 0; test < 3; test++) {
        bus_mmio_write(bus, hpa(MEM), 1, test);
        bus_port_write(bus, PORT, 1, test);
        const uint32_t at = (uint32_t)bus_mmio_read(bus, hpa(MEM + 4), 4);
        const uint8_t data = (uint8_t)bus_mmio_read(bus, hpa(MEM + 8), 1);
        ck_assert_uint_eq(bus_mmio_read(bus, hpa(MEM + 1), 1), 1);
        ck_assert_uint_eq(bus_port_read(bus, PORT + 4, 4), at);
        for (unsigned i = 0; i < 5; i++) {
            bus_mmio_write(bus, hpa(MEM + at), 1, data);
            bus_port_write(bus, (uint16_t)(PORT + at), 1, data);
        }
        bus_mmio_write(bus, hpa(MEM + at), 1, data ^ 1u);
        bus_mmio_write(bus, hpa(MEM + at + 1), 1, data);
        ck_assert_uint_eq(bus_mmio_read(bus, hpa(MEM + 12), 4), test == 1 ? 6 : 5);
        ck_assert_uint_eq(bus_port_read(bus, PORT + 12, 4), 5);
        ck_assert_uint_ne(bus_mmio_read(bus, hpa(MEM + 16), 1), 0);
    }
    bus_mmio_write(bus, hpa(MEM), 1, 3); /* no such test */
    ck_assert_uint_eq(bus_mmio_read(bus, hpa(MEM + 1), 1), 0);
}
END_TEST

START_TEST(random_accesses_do_no_harm)
{
    uint64_t x = 88172645463325252ull;
    setup();
    for (unsigned i = 0; i < 200000; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        const uint64_t at = (x & 1 ? EDU : MEM) + (x >> 8 & 0xff);
        bus_mmio_write(bus, hpa(at), 1u << (x >> 4 & 3), x & 2 ? x >> 60 : x >> 20);
        bus_mmio_read(bus, hpa(at), 1u << (x >> 6 & 3));
        bus_port_write(bus, (uint16_t)(PORT + (x >> 16 & 0xff)), 1, x >> 24);
        clock_advance(clk, i * 50ull);
    }
}
END_TEST

SUITE("pci-test", edu_tells_who_it_is_and_inverts, edu_computes_a_factorial_and_interrupts,
      edu_moves_data_both_ways_and_sends_a_message, edu_refuses_what_lies_outside_of_its_buffer,
      pci_testdev_counts_the_writes_that_it_asked_for, random_accesses_do_no_harm)
