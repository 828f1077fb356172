/* Unit tests of PCI functions: kinds of BAR, interrupt pins and their routing through the LPC
 * bridge, MSI, multi-function devices, the firmware's share. */
#include "tests/lib/suite.h"

#include <stdlib.h>
#include <string.h>

#include "abi/pci.h"
#include "core/bus.h"
#include "devices/pci/pci.h"

#define DEV 4

struct thing {
    struct pci_func f;
    uint8_t mem[4096];
};

static const struct field fields[] = {PCI_FUNC_FIELDS, FIELD_END};
static void thing_reset(struct dev *d)
{
    pci_func_reset((struct pci_func *)d);
}
static const struct dev_class thing_class = {"thing", fields, thing_reset, NULL, NULL};

static uint64_t thing_read(void *dev, uint64_t offset, unsigned size)
{
    uint64_t v = 0;
    memcpy(&v, ((struct thing *)dev)->mem + offset, size);
    return v;
}
static void thing_write(void *dev, uint64_t offset, unsigned size, uint64_t v)
{
    memcpy(((struct thing *)dev)->mem + offset, &v, size);
}
static const struct bus_ops ops = {thing_read, thing_write, 8};

static struct bus *bus;
static struct pci_host *host;
static struct lpc *lpc;
static struct thing a, b;
static struct fake_line pic[16], io[24];
static uint64_t msi_address;
static uint32_t msi_data;
static unsigned messages;
static uint8_t rom[3000];

static void message(void *opaque, uint16_t rid, uint64_t address, uint32_t data)
{
    (void)opaque, (void)rid;
    msi_address = address;
    msi_data = data;
    messages++;
}

static uint32_t get(unsigned devfn, unsigned reg)
{
    return (uint32_t)bus_mmio_read(bus, hpa(PCI_ECAM_BASE + ((uint64_t)devfn << 12) + reg), 4);
}
static void set(unsigned devfn, unsigned reg, unsigned size, uint32_t v)
{
    bus_mmio_write(bus, hpa(PCI_ECAM_BASE + ((uint64_t)devfn << 12) + reg), size, v);
}

static void thing_init(struct thing *t, const char *id)
{
    memset(t, 0, sizeof *t);
    t->f.dev = (struct dev){.cls = &thing_class, .id = id};
    t->f.msi = (struct msi_sink){.send = message};
    pci_func_init(&t->f, 0x1234, 0x5678, 0x01060101, 0x1af4, 0x1100);
    pci_add_bar32(&t->f, 0, 4096, &ops);
    pci_add_bar_io(&t->f, 1, 32, &ops);
    pci_add_bar64(&t->f, 2, 1 << 20, &ops);
    pci_add_rom(&t->f, rom, sizeof rom);
    pci_add_intx(&t->f, 1);
    pci_add_msi(&t->f, 4);
}

static uint32_t pm_base; /* where the LPC bridge has put the PM block */

static void fake_request(void *opaque, enum board_request what, uint32_t value)
{
    (void)opaque;
    if (what == BOARD_PM_BASE)
        pm_base = value;
}

static void setup(void)
{
    const struct board_port board = {fake_request, NULL, NULL};
    struct irq_line to_pic[16], to_io[24], pirq[PCI_PIRQS];
    memset(pic, 0, sizeof pic);
    memset(io, 0, sizeof io);
    messages = 0;
    for (unsigned i = 0; i < 16; i++)
        to_pic[i] = (struct irq_line){fake_line_set, pic, i};
    for (unsigned i = 0; i < 24; i++)
        to_io[i] = (struct irq_line){fake_line_set, io, i};
    bus = bus_new();
    host = pci_host_new(bus, &board);
    lpc = lpc_new(to_pic, to_io, &board);
    thing_init(&a, "a");
    thing_init(&b, "b");
    rom[0] = 0x55;
    rom[1] = 0xaa;
    ck_assert_int_eq(pci_host_plug(host, lpc_func(lpc), PCI_DEVFN(31, 0)), 0);
    for (unsigned i = 0; i < PCI_PIRQS; i++)
        pirq[i] = lpc_pirq(lpc, i);
    pci_host_route(host, pirq);
    ck_assert_int_eq(pci_host_plug(host, &a.f, PCI_DEVFN(DEV, 0)), 0);
    ck_assert_int_eq(pci_host_plug(host, &b.f, PCI_DEVFN(DEV, 0)), -16);
    ck_assert_int_eq(pci_host_plug_any(host, &b.f), 0);
    dev_reset(pci_host_dev(host));
    dev_reset(&lpc_func(lpc)->dev);
    dev_reset(&a.f.dev);
    dev_reset(&b.f.dev);
}
#define A PCI_DEVFN(DEV, 0)
#define B PCI_DEVFN(2, 0)

START_TEST(each_kind_of_bar_tells_its_size)
{
    setup();
    for (unsigned n = 0; n < 4; n++)
        set(A, PCI_BAR0 + 4 * n, 4, ~0u);
    set(A, PCI_ROM, 4, ~0u);
    ck_assert_uint_eq(get(A, PCI_BAR0), 0xfffff000);
    ck_assert_uint_eq(get(A, PCI_BAR0 + 4), 0xffffffe1);
    ck_assert_uint_eq(get(A, PCI_BAR0 + 8), 0xfff00004);
    ck_assert_uint_eq(get(A, PCI_BAR0 + 12), 0xffffffff);
    ck_assert_uint_eq(get(A, PCI_BAR0 + 16), 0);
    ck_assert_uint_eq(get(A, PCI_ROM), 0xfffff001);
}
END_TEST

START_TEST(bars_decode_only_where_command_lets_them)
{
    setup();
    set(A, PCI_BAR0, 4, 0xc0000000);
    set(A, PCI_BAR0 + 4, 4, 0xc100);
    a.mem[0] = 0x5a;
    ck_assert_uint_eq(bus_mmio_read(bus, hpa(0xc0000000), 1), 0xff);
    set(A, PCI_COMMAND, 2, PCI_CMD_MEMORY);
    ck_assert_uint_eq(bus_mmio_read(bus, hpa(0xc0000000), 1), 0x5a);
    ck_assert_uint_eq(bus_port_read(bus, 0xc100, 1), 0xff);
    set(A, PCI_COMMAND, 2, PCI_CMD_IO);
    ck_assert_uint_eq(bus_mmio_read(bus, hpa(0xc0000000), 1), 0xff);
    ck_assert_uint_eq(bus_port_read(bus, 0xc100, 1), 0x5a);
    set(A, PCI_BAR0 + 4, 4, 0xd000);
    ck_assert_uint_eq(bus_port_read(bus, 0xc100, 1), 0xff);
    ck_assert_uint_eq(bus_port_read(bus, 0xd000, 1), 0x5a);
    set(A, PCI_ROM, 4, 0xc0010001);
    set(A, PCI_COMMAND, 2, PCI_CMD_MEMORY);
    ck_assert_uint_eq(bus_mmio_read(bus, hpa(0xc0010000), 2), 0xaa55);
    ck_assert_uint_eq(bus_mmio_read(bus, hpa(0xc0010ffe), 2), 0);
}
END_TEST

START_TEST(a_bar_in_the_way_of_another_gets_its_place_when_that_leaves)
{
    setup();
    a.mem[0] = 1;
    b.mem[0] = 2;
    set(A, PCI_BAR0, 4, 0xc0000000);
    set(B, PCI_BAR0, 4, 0xc0000000);
    set(A, PCI_COMMAND, 2, PCI_CMD_MEMORY);
    set(B, PCI_COMMAND, 2, PCI_CMD_MEMORY);
    ck_assert_uint_eq(bus_mmio_read(bus, hpa(0xc0000000), 1), 1);
    set(A, PCI_BAR0, 4, 0xc0001000);
    ck_assert_uint_eq(bus_mmio_read(bus, hpa(0xc0000000), 1), 2);
    ck_assert_uint_eq(bus_mmio_read(bus, hpa(0xc0001000), 1), 1);
}
END_TEST

START_TEST(an_interrupt_pin_reaches_its_io_apic_pin_and_the_routed_8259_input)
{
    setup();
    const unsigned n = pci_pirq_of(DEV, 1);
    ck_assert_uint_eq(n, 4);
    pci_intx_set(&a.f, 1);
    ck_assert_int_eq(io[PCI_GSI_BASE + n].level, 1);
    for (unsigned i = 0; i < 16; i++)
        ck_assert_int_eq(pic[i].level, 0);
    ck_assert(get(A, PCI_COMMAND) >> 16 & PCI_STS_INTX);
    set(PCI_DEVFN(31, 0), 0x68, 1, 11);
    ck_assert_int_eq(pic[11].level, 1);
    set(PCI_DEVFN(31, 0), 0x68, 1, 10);
    ck_assert_int_eq(pic[11].level, 0);
    ck_assert_int_eq(pic[10].level, 1);
    set(PCI_DEVFN(31, 0), 0x68, 1, 2); /* not an interrupt that may be routed to */
    ck_assert_int_eq(pic[10].level | pic[2].level, 0);
    pci_intx_set(&a.f, 0);
    ck_assert_int_eq(io[PCI_GSI_BASE + n].level, 0);
}
END_TEST

START_TEST(a_shared_line_falls_when_the_last_source_lets_go)
{
    setup();
    const uint8_t irq[PCI_PIRQS] = {10, 10, 10, 10, 10, 10, 10, 10};
    const struct irq_line isa = lpc_isa(lpc, 10);
    lpc_route(lpc, irq);
    pci_intx_set(&a.f, 1);
    pci_intx_set(&b.f, 1);
    irq_set(&isa, 1);
    pci_intx_set(&a.f, 0);
    pci_intx_set(&b.f, 0);
    ck_assert_int_eq(pic[10].level, 1);
    irq_set(&isa, 0);
    ck_assert_int_eq(pic[10].level, 0);
    ck_assert_uint_eq(pic[10].rises, 1);
}
END_TEST

START_TEST(a_pin_is_silent_while_disabled_or_while_messages_are_on)
{
    setup();
    set(A, PCI_COMMAND, 2, PCI_CMD_INTX_DISABLE);
    pci_intx_set(&a.f, 1);
    ck_assert_int_eq(io[20].level, 0);
    set(A, PCI_COMMAND, 2, 0);
    ck_assert_int_eq(io[20].level, 1);
    set(A, a.f.msi_cap + PCI_MSI_CTRL, 2, PCI_MSI_CTRL_ENABLE);
    ck_assert_int_eq(io[20].level, 0);
    set(A, a.f.msi_cap + PCI_MSI_CTRL, 2, 0);
    ck_assert_int_eq(io[20].level, 1);
}
END_TEST

START_TEST(msi_sends_the_vector_in_the_low_bits_of_its_data)
{
    setup();
    const unsigned cap = a.f.msi_cap;
    set(A, PCI_COMMAND, 2, PCI_CMD_MASTER);
    pci_msi_send(&a.f, 0);
    ck_assert_uint_eq(messages, 0);
    set(A, cap + PCI_MSI_ADDR, 4, 0xfee01000);
    set(A, cap + PCI_MSI_DATA, 2, 0x4140);
    set(A, cap + PCI_MSI_CTRL, 2, PCI_MSI_CTRL_ENABLE | 2 << PCI_MSI_CTRL_MME);
    pci_msi_send(&a.f, 3);
    ck_assert_uint_eq(messages, 1);
    ck_assert_uint_eq(msi_address, 0xfee01000);
    ck_assert_uint_eq(msi_data, 0x4143);
    set(A, cap + PCI_MSI_MASK, 4, ~0u);
    ck_assert_uint_eq(get(A, cap + PCI_MSI_MASK), 15);
    pci_msi_send(&a.f, 2);
    ck_assert_uint_eq(messages, 1);
    ck_assert_uint_eq(get(A, cap + PCI_MSI_PENDING), 4);
    set(A, cap + PCI_MSI_MASK, 4, 0);
    ck_assert_uint_eq(messages, 2);
    ck_assert_uint_eq(msi_data, 0x4142);
    set(A, cap + PCI_MSI_CTRL, 2, PCI_MSI_CTRL_ENABLE);
    pci_msi_send(&a.f, 3); /* one vector only: all share it */
    ck_assert_uint_eq(msi_data, 0x4140);
}
END_TEST

START_TEST(what_firmware_does_gives_every_bar_a_place_of_its_own)
{
    setup();
    const uint8_t irq[PCI_PIRQS] = {10, 10, 11, 11, 10, 10, 11, 11};
    pci_host_assign(host, irq);
    a.mem[4] = 0xa4;
    b.mem[4] = 0xb4;
    const uint32_t at = get(A, PCI_BAR0), bt = get(B, PCI_BAR0), ap = get(A, PCI_BAR0 + 4) & ~3u;
    ck_assert_uint_ne(at, bt);
    ck_assert_uint_eq(bus_mmio_read(bus, hpa(at + 4), 1), 0xa4);
    ck_assert_uint_eq(bus_mmio_read(bus, hpa(bt + 4), 1), 0xb4);
    ck_assert_uint_eq(bus_port_read(bus, (uint16_t)(ap + 4), 1), 0xa4);
    ck_assert_uint_eq(get(A, PCI_INT_LINE) & 0xff, irq[pci_pirq_of(DEV, 1)]);
}
END_TEST

START_TEST(a_second_function_makes_the_first_one_multifunction)
{
    setup();
    static struct thing c;
    ck_assert_uint_eq(get(A, PCI_CACHE_LINE) >> 16 & PCI_HEADER_MULTI, 0);
    thing_init(&c, "c");
    ck_assert_int_eq(pci_host_plug(host, &c.f, PCI_DEVFN(DEV, 3)), 0);
    dev_reset(&a.f.dev);
    ck_assert_uint_eq(get(A, PCI_CACHE_LINE) >> 16 & PCI_HEADER_MULTI, PCI_HEADER_MULTI);
}
END_TEST

START_TEST(the_ecam_window_moves_with_pciexbar)
{
    setup();
    set(0, 0x60, 4, 0xe0000001);
    ck_assert_uint_eq(bus_mmio_read(bus, hpa(PCI_ECAM_BASE), 4), 0xffffffff);
    ck_assert_uint_eq(bus_mmio_read(bus, hpa(0xe0000000), 4), 0x29c08086);
    bus_mmio_write(bus, hpa(0xe0000060), 4, 0);
    ck_assert_uint_eq(bus_mmio_read(bus, hpa(0xe0000000), 4), 0xffffffff);
    bus_port_write(bus, PCI_CONFIG_ADDRESS, 4, PCI_CF8(0, 31, 0, 0));
    ck_assert_uint_eq(bus_port_read(bus, PCI_CONFIG_DATA, 4), 0x29188086);
}
END_TEST

START_TEST(the_pm_block_is_where_pmbase_says_while_it_is_on)
{
    setup();
    const unsigned lpc_at = PCI_DEVFN(31, 0);
    ck_assert_uint_eq(pm_base, PM_BASE);
    set(lpc_at, 0x40, 4, 0xb081);
    ck_assert_uint_eq(pm_base, 0xb080);
    set(lpc_at, 0x44, 1, 0);
    ck_assert_uint_eq(pm_base, 0);
    set(lpc_at, 0x44, 1, 0x80);
    ck_assert_uint_eq(pm_base, 0xb080);
    dev_reset(&lpc_func(lpc)->dev);
    ck_assert_uint_eq(pm_base, PM_BASE);
}
END_TEST

START_TEST(random_writes_to_every_register_do_no_harm)
{
    uint64_t x = 88172645463325252ull;
    setup();
    for (unsigned i = 0; i < 200000; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        const unsigned devfn = (unsigned[]){A, B, PCI_DEVFN(31, 0), 0}[x & 3];
        bus_port_write(bus, PCI_CONFIG_ADDRESS, 4,
                       PCI_CONFIG_ENABLE | devfn << 8 | ((unsigned)(x >> 8) & 0xfc));
        bus_port_write(bus, (uint16_t)(PCI_CONFIG_DATA + (x >> 20 & 3)), 1u << (x >> 24 & 1),
                       x >> 32);
        pci_intx_set(x & 4 ? &a.f : &b.f, x >> 5 & 1);
        pci_msi_send(&a.f, x >> 6 & 31);
    }
    pci_intx_set(&a.f, 0);
    pci_intx_set(&b.f, 0);
    for (unsigned i = 16; i < 24; i++)
        ck_assert_int_eq(io[i].level, 0);
}
END_TEST

SUITE("pci", each_kind_of_bar_tells_its_size, bars_decode_only_where_command_lets_them,
      a_bar_in_the_way_of_another_gets_its_place_when_that_leaves,
      an_interrupt_pin_reaches_its_io_apic_pin_and_the_routed_8259_input,
      a_shared_line_falls_when_the_last_source_lets_go,
      a_pin_is_silent_while_disabled_or_while_messages_are_on,
      msi_sends_the_vector_in_the_low_bits_of_its_data,
      what_firmware_does_gives_every_bar_a_place_of_its_own,
      a_second_function_makes_the_first_one_multifunction, the_ecam_window_moves_with_pciexbar,
      the_pm_block_is_where_pmbase_says_while_it_is_on, random_writes_to_every_register_do_no_harm)
