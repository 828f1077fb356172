/* Unit tests of PCI configuration, BARs, MSI-X and the virtio console behind them. */
#include "tests/lib/suite.h"

#include <string.h>

#include "abi/pci.h"
#include "abi/virtio.h"
#include "core/bus.h"
#include "core/input.h"
#include "devices/pci/pci.h"
#include "devices/serial/vcons.h"
#include "mmu/ram.h"

#define DEV  2
#define REGS 0xc0000000ull /* virtio structures */
#define MSIX 0xc0010000ull
#define RING 0x10000ull /* + 0x1000 per queue: descriptors, +0x800 available, +0xa00 used */
#define BUF  0x40000ull

static struct bus *bus;
static struct input *in;
static struct ram *ram;
static char printed[64], source[64];
static unsigned messages;
static uint32_t last_data;
static unsigned resets;

static void request(void *opaque, enum board_request what, uint32_t value)
{
    (void)opaque;
    (void)value;
    resets += what == BOARD_RESET;
}
static void output(void *opaque, const char *from, const void *bytes, size_t len)
{
    (void)opaque;
    strncpy(source, from, sizeof source - 1);
    strncat(printed, bytes, len);
}
static void message(void *opaque, uint16_t rid, uint64_t address, uint32_t data)
{
    (void)opaque, (void)rid;
    (void)address;
    messages++;
    last_data = data;
}

static uint32_t cfg(unsigned reg)
{
    return (uint32_t)bus_mmio_read(bus, hpa(PCI_ECAM_BASE + PCI_ECAM(0, DEV, 0, reg)), 4);
}
static void cfg_set(unsigned reg, uint32_t v)
{
    bus_mmio_write(bus, hpa(PCI_ECAM_BASE + PCI_ECAM(0, DEV, 0, reg)), 4, v);
}

/* Offset of the virtio structure of this type, from the capability list; its BAR in *bar. */
static uint32_t find_cap(uint8_t type, unsigned *bar)
{
    for (unsigned at = cfg(PCI_CAP_PTR) & 0xff; at; at = cfg(at) >> 8 & 0xff) {
        if ((cfg(at) & 0xff) == PCI_CAP_VENDOR && cfg(at) >> 24 == type) {
            *bar = cfg(at + 4) & 0xff;
            return cfg(at + 8);
        }
    }
    ck_abort_msg("no capability %u", type);
    return 0;
}

static uint64_t common, notify, device;

static void setup(void)
{
    static const char *const names[] = {"root", "vm.a"};
    unsigned bar = 0;
    bus = bus_new();
    in = input_new();
    ram = ram_new(4 << 20);
    messages = resets = 0;
    printed[0] = source[0] = 0;
    const struct dma dma = {.ram = ram};
    const struct msi_sink msi = {.send = message};
    const struct board_port board = {request, output, NULL};
    struct pci_host *host = pci_host_new(bus, &board);
    struct pci_func *f = vcons_new(in, &dma, &msi, &board, names, 2);
    ck_assert_int_eq(pci_host_plug(host, f, DEV << 3), 0);
    dev_reset(pci_host_dev(host));
    dev_reset(&f->dev);
    const uint32_t at = find_cap(VIRTIO_PCI_CAP_COMMON, &bar);
    cfg_set(PCI_BAR0 + 4 * bar, (uint32_t)REGS);
    cfg_set(PCI_BAR0 + 4 * bar + 4, 0);
    unsigned msix = cfg(PCI_CAP_PTR) & 0xff;
    while ((cfg(msix) & 0xff) != PCI_CAP_MSIX)
        msix = cfg(msix) >> 8 & 0xff;
    const unsigned table = cfg(msix + PCI_MSIX_TABLE) & PCI_MSIX_BIR;
    cfg_set(PCI_BAR0 + 4 * table, (uint32_t)MSIX);
    cfg_set(PCI_COMMAND, PCI_CMD_MEMORY | PCI_CMD_MASTER);
    cfg_set(msix, PCI_MSIX_CTRL_ENABLE << 16);
    common = REGS + at;
    notify = REGS + find_cap(VIRTIO_PCI_CAP_NOTIFY, &bar);
    device = REGS + find_cap(VIRTIO_PCI_CAP_DEVICE, &bar);
}

#define REG(member) (common + offsetof(struct virtio_pci_common, member))
static void set(uint64_t at, unsigned size, uint64_t v)
{
    bus_mmio_write(bus, hpa(at), size, v);
}
static uint64_t get(uint64_t at, unsigned size)
{
    return bus_mmio_read(bus, hpa(at), size);
}
static void put16(uint64_t at, uint16_t v)
{
    ram_write(ram, hpa(at), &v, 2);
}
static uint16_t get16(uint64_t at)
{
    uint16_t v;
    ram_read(ram, hpa(at), &v, 2);
    return v;
}

static void start(void)
{
    set(REG(device_status), 1, 0);
    set(REG(device_status), 1, VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER);
    set(REG(driver_feature_select), 4, 0);
    set(REG(driver_feature), 4, VIRTIO_CONSOLE_F_MULTIPORT);
    set(REG(driver_feature_select), 4, 1);
    set(REG(driver_feature), 4, 1);
    set(REG(device_status), 1, VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER | VIRTIO_S_FEATURES_OK);
    ck_assert(get(REG(device_status), 1) & VIRTIO_S_FEATURES_OK);
    for (unsigned q = 0; q < 6; q++) {
        set(REG(queue_select), 2, q);
        set(REG(queue_size), 2, 16);
        set(REG(queue_desc_lo), 4, RING + 0x1000 * q);
        set(REG(queue_driver_lo), 4, RING + 0x1000 * q + 0x800);
        set(REG(queue_device_lo), 4, RING + 0x1000 * q + 0xa00);
        set(REG(queue_msix_vector), 2, q);
        set(REG(queue_enable), 2, 1);
        set(MSIX + 16 * q, 4, MSI_ADDR_BASE);
        set(MSIX + 16 * q + 8, 4, 0x40 + q);
        set(MSIX + 16 * q + 12, 4, 0);
    }
    set(REG(device_status), 1, 15);
}

/* Make buffer n of a queue available and notify. */
static void give(unsigned q, const void *bytes, uint32_t len, uint16_t flags)
{
    const uint64_t ring = RING + 0x1000 * q;
    const uint16_t idx = get16(ring + 0x802);
    const struct virtq_desc d = {BUF + 0x1000 * q + 0x100 * (idx % 16), len, flags, 0};
    if (bytes)
        ram_write(ram, hpa(d.addr), bytes, len);
    ram_write(ram, hpa(ring + 16 * (idx % 16)), &d, sizeof d);
    put16(ring + 0x804 + 2 * (idx % 16), idx % 16);
    put16(ring + 0x802, (uint16_t)(idx + 1));
    set(notify + 4 * q, 4, q);
}
static unsigned used(unsigned q)
{
    return get16(RING + 0x1000 * q + 0xa02);
}
static void control(uint32_t id, uint16_t event, uint16_t value)
{
    const struct virtio_console_control c = {id, event, value};
    give(3, &c, sizeof c, 0);
}

START_TEST(bars_are_sized_and_moved)
{
    unsigned bar;
    setup();
    find_cap(VIRTIO_PCI_CAP_COMMON, &bar);
    ck_assert_uint_eq(cfg(PCI_VENDOR_ID), 0x10431af4);
    cfg_set(PCI_BAR0 + 4 * bar, 0xffffffff);
    ck_assert_uint_eq(cfg(PCI_BAR0 + 4 * bar) & ~15u, 0xffffc000);
    cfg_set(PCI_BAR0 + 4 * bar, 0xd0000000);
    ck_assert_uint_eq(get(0xd0000000 + offsetof(struct virtio_pci_common, num_queues), 2), 6);
    ck_assert_uint_eq(get(REGS, 4), 0xffffffff);
    cfg_set(PCI_COMMAND, 0);
    ck_assert_uint_eq(get(0xd0000000, 4), 0xffffffff);
}
END_TEST

START_TEST(ports_and_ecam_reach_the_same_registers)
{
    setup();
    bus_port_write(bus, PCI_CONFIG_ADDRESS, 4, PCI_CF8(0, DEV, 0, 0));
    ck_assert_uint_eq(bus_port_read(bus, PCI_CONFIG_DATA, 4), cfg(0));
    ck_assert_uint_eq(bus_port_read(bus, PCI_CONFIG_DATA + 2, 2), cfg(0) >> 16);
    bus_port_write(bus, PCI_CONFIG_ADDRESS, 4, PCI_CF8(0, 31, 0, 0));
    ck_assert_uint_eq(bus_port_read(bus, PCI_CONFIG_DATA, 4), 0xffffffff);
    ck_assert_uint_eq(bus_port_read(bus, PCI_CONFIG_ADDRESS, 4), PCI_CF8(0, 31, 0, 0));
    bus_port_write(bus, 0xcf9, 1, 6);
    ck_assert_uint_eq(resets, 1);
}
END_TEST

START_TEST(features_without_version_1_are_refused)
{
    setup();
    set(REG(device_status), 1, VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER);
    set(REG(device_status), 1, VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER | VIRTIO_S_FEATURES_OK);
    ck_assert(!(get(REG(device_status), 1) & VIRTIO_S_FEATURES_OK));
    ck_assert_uint_eq(get(device + 4, 4), 2);
}
END_TEST

START_TEST(ports_are_announced_with_their_names)
{
    char got[24] = {0};
    setup();
    start();
    for (unsigned i = 0; i < 12; i++)
        give(2, NULL, 64, VIRTQ_DESC_WRITE);
    control(0, VIRTIO_CONSOLE_DEVICE_READY, 1);
    ck_assert_uint_eq(used(3), 1);
    ck_assert_uint_eq(used(2), 2); /* PORT_ADD twice */
    control(1, VIRTIO_CONSOLE_PORT_READY, 1);
    ck_assert_uint_eq(used(2), 4); /* name, open */
    ram_read(ram, hpa(BUF + 0x2000 + 0x200), got, 12);
    ck_assert_str_eq(got + 8, "vm.a");
    ck_assert_uint_gt(messages, 0);
}
END_TEST

START_TEST(what_is_sent_to_a_port_leaves_under_its_name)
{
    setup();
    start();
    messages = 0;
    give(5, "hello", 5, 0);
    ck_assert_str_eq(printed, "hello");
    ck_assert_str_eq(source, "console/vm.a");
    ck_assert_uint_eq(used(5), 1);
    ck_assert_uint_eq(messages, 1);
    ck_assert_uint_eq(last_data, 0x45);
}
END_TEST

START_TEST(input_waits_for_an_open_port_and_a_buffer)
{
    char got[4] = {0};
    setup();
    start();
    const int sink = input_find(in, "console/vm.a");
    input_push(in, sink, "xyz", 3);
    input_pump(in, 0);
    control(1, VIRTIO_CONSOLE_PORT_OPEN, 1);
    input_pump(in, 1);
    ck_assert_uint_eq(used(4), 0);
    give(4, NULL, 64, VIRTQ_DESC_WRITE);
    input_pump(in, 2);
    ck_assert_uint_eq(used(4), 1);
    ram_read(ram, hpa(BUF + 0x4000), got, 3);
    ck_assert_str_eq(got, "xyz");
}
END_TEST

START_TEST(a_masked_vector_is_sent_when_unmasked)
{
    setup();
    start();
    set(MSIX + 16 * 5 + 12, 4, PCI_MSIX_ENTRY_MASKED);
    messages = 0;
    give(5, "x", 1, 0);
    ck_assert_uint_eq(messages, 0);
    set(MSIX + 16 * 5 + 12, 4, 0);
    ck_assert_uint_eq(messages, 1);
}
END_TEST

START_TEST(a_chain_that_makes_no_sense_stops_the_device_only)
{
    setup();
    start();
    const struct virtq_desc loop = {BUF, 1, VIRTQ_DESC_NEXT, 99};
    ram_write(ram, hpa(RING + 0x5000), &loop, sizeof loop);
    put16(RING + 0x5804, 0);
    put16(RING + 0x5802, 1);
    set(notify + 20, 4, 5);
    ck_assert(get(REG(device_status), 1) & VIRTIO_S_NEEDS_RESET);
    start();
    ck_assert(!(get(REG(device_status), 1) & VIRTIO_S_NEEDS_RESET));
}
END_TEST

SUITE("virtio", bars_are_sized_and_moved, ports_and_ecam_reach_the_same_registers,
      features_without_version_1_are_refused, ports_are_announced_with_their_names,
      what_is_sent_to_a_port_leaves_under_its_name, input_waits_for_an_open_port_and_a_buffer,
      a_masked_vector_is_sent_when_unmasked, a_chain_that_makes_no_sense_stops_the_device_only)
