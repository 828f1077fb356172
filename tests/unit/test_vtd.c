/* Unit tests of iommu/: translation with its caches, faults, the invalidation queue, interrupts. */
#include "tests/lib/suite.h"

#include <string.h>

#include "abi/lapic.h"
#include "abi/pci.h"
#include "abi/vtd.h"
#include "apic/apic.h"
#include "devices/pci/pci.h"
#include "iommu/vtd.h"
#include "mmu/ram.h"

#define ROOT     0x10000ull
#define CONTEXT  0x11000ull
#define TABLES   0x12000ull /* further ones, given out in order */
#define QUEUE    0x20000ull
#define IRT      0x21000ull
#define STATUS   0x22000ull
#define PID      0x23000ull
#define PAGE     0x200000ull
#define RID      0x18 /* 00:03.0 */
#define DOMAIN   7
#define SPURIOUS 0xff
#define RW       (VTD_SL_R | VTD_SL_W)

static struct bus *bus;
static struct clock *k;
static struct ram *ram;
static struct apic_net *net;
static struct lapic *lapic[2];
static struct vtd *vtd;
static struct dma dma;
static struct msi_sink msi;
static uint64_t next_table;

/* ---- a processor that only counts ---- */

static unsigned nmis;
static void set_intr(void *c, bool level)
{
    (void)c, (void)level;
}
static void count_nmi(void *c)
{
    (void)c;
    nmis++;
}
static void nothing(void *c)
{
    (void)c;
}
static void sipi(void *c, uint8_t v)
{
    (void)c, (void)v;
}
static void set_page(void *c, uint64_t at)
{
    (void)c, (void)at;
}
static const struct lp_signals signals = {set_intr, count_nmi, nothing, nothing, sipi, set_page};

/* The vector that LP n was sent since the last call, or -1. */
static int got(unsigned n)
{
    const int v = lapic_ops.ack(lapic[n]);
    if (v == SPURIOUS)
        return -1;
    lapic_ops.mmio_write(lapic[n], LAPIC_EOI, 4, 0);
    return v;
}

/* ---- memory and registers ---- */

static void put64(uint64_t at, uint64_t v)
{
    ck_assert(ram_write(ram, hpa(at), &v, sizeof v));
}
static uint64_t get64(uint64_t at)
{
    uint64_t v;
    ck_assert(ram_read(ram, hpa(at), &v, sizeof v));
    return v;
}
static uint64_t reg(unsigned at, unsigned size)
{
    return bus_mmio_read(bus, hpa(VTD_BASE + at), size);
}
static void set(unsigned at, unsigned size, uint64_t v)
{
    bus_mmio_write(bus, hpa(VTD_BASE + at), size, v);
}
static void command(uint32_t bits) /* what is on stays on */
{
    const uint32_t levels = VTD_G_TE | VTD_G_QIE | VTD_G_IRE | VTD_G_CFI;
    set(VTD_GCMD, 4, ((uint32_t)reg(VTD_GSTS, 4) & levels) | bits);
}

static void set_context(unsigned devfn, uint64_t low, unsigned levels, uint16_t domain)
{
    put64(CONTEXT + 16 * devfn, low);
    put64(CONTEXT + 16 * devfn + 8, (levels - 2) | (uint64_t)domain << 8);
}

/* Map a page of 1 << shift bytes in tables of so many levels. */
static void map(unsigned levels, uint64_t at, uint64_t to, unsigned shift, uint64_t perm)
{
    uint64_t table = TABLES;
    for (unsigned s = 3 + 9 * levels; s > shift; s -= 9) {
        const uint64_t entry = table + 8 * (at >> s & 511);
        if (!get64(entry)) {
            put64(entry, next_table | RW);
            next_table += 4096;
        }
        table = get64(entry) & VTD_ADDRESS;
    }
    put64(table + 8 * (at >> shift & 511), to | perm | (shift > 12 ? VTD_SL_PS : 0));
}

static void setup(void)
{
    bus = bus_new();
    k = clock_new();
    ram = ram_new(16 << 20);
    net = apic_net_new(NULL);
    for (unsigned i = 0; i < 2; i++) {
        const struct lapic_config cfg = {
            .id = i, .bsp = i == 0, .timer_hz = 1, .tsc_hz = 1, .signals = &signals};
        lapic[i] = lapic_new(net, k, &cfg);
        dev_reset(lapic_dev(lapic[i]));
        lapic_ops.mmio_write(lapic[i], LAPIC_SVR, 4, LAPIC_SVR_ENABLE | SPURIOUS);
    }
    const struct vtd_config cfg = {.bus = bus, .clock = k, .ram = ram, .net = net, .phys_bits = 40};
    vtd = vtd_new(&cfg);
    dev_reset(vtd_dev(vtd));
    dma = (struct dma){.ram = ram, .filter = vtd_dma(vtd), .rid = RID};
    msi = vtd_msi(vtd);
    msi.rid = RID;
    nmis = 0;
    next_table = TABLES + 4096;
    put64(ROOT, CONTEXT | VTD_ENTRY_P);
    set_context(RID, TABLES | VTD_ENTRY_P, 4, DOMAIN);
    set(VTD_RTADDR, 8, ROOT);
    set(VTD_IRTA, 8, IRT | 3); /* 16 entries */
    command(VTD_G_RTP);
    command(VTD_G_IRTP);
}

static void teardown(void)
{
    vtd_dev(vtd)->cls->free(vtd_dev(vtd));
    for (unsigned i = 0; i < 2; i++)
        lapic_dev(lapic[i])->cls->free(lapic_dev(lapic[i]));
    apic_net_free(net);
    ram_free(ram);
    clock_free(k);
    bus_free(bus);
}

static bool reads(uint64_t at)
{
    uint8_t byte;
    return dma_read(&dma, iova(at), &byte, 1);
}
static bool writes(uint64_t at)
{
    return dma_write(&dma, iova(at), "x", 1);
}

/* The n-th fault record, freed; 0: none. */
static uint64_t record(unsigned n, uint64_t *where)
{
    const unsigned at = VTD_FRCD + 16 * n;
    const uint64_t high = reg(at + 8, 8);
    *where = reg(at, 8);
    set(at + 12, 4, 1u << 31);
    return high & VTD_FRCD_F ? high : 0;
}
#define RECORD(reason, rid, more) (VTD_FRCD_F | (more) | (uint64_t)(reason) << 32 | (rid))

/* ---- translation ---- */

START_TEST(until_it_is_turned_on_everything_passes)
{
    put64(PAGE, 0x1122334455667788);
    uint64_t v = 0;
    ck_assert(dma_read(&dma, iova(PAGE), &v, 8));
    ck_assert_uint_eq(v, 0x1122334455667788);
    msi_send(&msi, MSI_ADDR_BASE, 0x41);
    ck_assert_int_eq(got(0), 0x41);
}
END_TEST

START_TEST(tables_of_three_four_and_five_levels_translate)
{
    command(VTD_G_TE);
    for (unsigned levels = 3; levels <= 5; levels++) {
        const uint64_t at = (1ull << (12 + 9 * levels)) - 0x3000;
        set_context(RID, TABLES | VTD_ENTRY_P, levels, (uint16_t)levels);
        set(VTD_CCMD, 8, 1ull << 63 | (uint64_t)VTD_INV_GLOBAL << 61);
        ck_assert_uint_eq(reg(VTD_CCMD, 8) >> 59, VTD_INV_GLOBAL | VTD_INV_GLOBAL << 2);
        map(levels, at, PAGE, 12, RW);
        map(levels, at + 4096, PAGE + 0x5000, 12, RW);
        uint64_t v = 0x0102030405060708;
        ck_assert(dma_write(&dma, iova(at + 4092), &v, 8));
        ck_assert_uint_eq(get64(PAGE + 4092) & 0xffffffff, 0x05060708);
        ck_assert_uint_eq(get64(PAGE + 0x5000) & 0xffffffff, 0x01020304);
        ck_assert(dma_read(&dma, iova(at + 4092), &v, 8));
        ck_assert_uint_eq(v, 0x0102030405060708);
        ck_assert(!reads(1ull << (12 + 9 * levels)));
    }
}
END_TEST

START_TEST(large_pages_map_their_whole_range)
{
    command(VTD_G_TE);
    map(4, 0x40000000, 0x200000, 21, RW);
    map(4, 0x80000000, 0, 30, VTD_SL_R);
    put64(0x3ffff8, 42);
    put64(0xfffff8, 43);
    uint64_t v;
    ck_assert(dma_read(&dma, iova(0x401ffff8), &v, 8));
    ck_assert_uint_eq(v, 42);
    ck_assert(dma_read(&dma, iova(0x80fffff8), &v, 8));
    ck_assert_uint_eq(v, 43);
    ck_assert(!writes(0x80000000));
    size_t len = 0x4000;
    ck_assert_ptr_eq(dma_map(&dma, iova(0x401fe000), &len, true), ram_host(ram, 0x3fe000));
    ck_assert_uint_eq(len, 0x2000); /* to the end of the page */
}
END_TEST

START_TEST(pass_through_is_the_identity)
{
    set_context(RID, VTD_CONTEXT_PASS | VTD_ENTRY_P, 4, DOMAIN);
    command(VTD_G_TE);
    put64(PAGE, 5);
    uint64_t v;
    ck_assert(dma_read(&dma, iova(PAGE), &v, 8));
    ck_assert_uint_eq(v, 5);
}
END_TEST

START_TEST(what_is_not_allowed_is_recorded_and_memory_is_unchanged)
{
    const struct {
        uint64_t root, root_high, context, context_high, leaf;
        bool write;
        unsigned reason;
    } rows[] = {
        {0, 0, 0, 0, 0, false, VTD_F_ROOT_NOT_PRESENT},
        {CONTEXT | 1, 1, 0, 0, 0, false, VTD_F_ROOT_RESERVED},
        {CONTEXT | 0x801, 0, 0, 0, 0, true, VTD_F_ROOT_RESERVED},
        {1ull << 41 | 1, 0, 0, 0, 0, true, VTD_F_ROOT_RESERVED},
        {0xf0000001, 0, 0, 0, 0, true, VTD_F_CONTEXT_TABLE},
        {CONTEXT | 1, 0, 0, 2, 0, true, VTD_F_CONTEXT_NOT_PRESENT},
        {CONTEXT | 1, 0, TABLES | 0x11, 2, 0, true, VTD_F_CONTEXT_RESERVED},
        {CONTEXT | 1, 0, TABLES | 1, 1 << 24, 0, true, VTD_F_CONTEXT_RESERVED},
        {CONTEXT | 1, 0, TABLES | 1, 0, 0, true, VTD_F_CONTEXT_INVALID},
        {CONTEXT | 1, 0, TABLES | 5, 2, 0, true, VTD_F_CONTEXT_INVALID},
        {CONTEXT | 1, 0, 0xf0000001, 2, 0, true, VTD_F_TABLE},
        {CONTEXT | 1, 0, TABLES | 1, 2, PAGE | VTD_SL_R, true, VTD_F_WRITE},
        {CONTEXT | 1, 0, TABLES | 1, 2, PAGE | VTD_SL_W, false, VTD_F_READ},
        {CONTEXT | 1, 0, TABLES | 1, 2, 1ull << 45 | RW, false, VTD_F_TABLE_RESERVED},
    };
    command(VTD_G_TE);
    put64(PAGE + 0x10, 0x55);
    for (unsigned n = 0; n < sizeof rows / sizeof rows[0]; n++) {
        const unsigned slot = n % 8;
        uint64_t where;
        put64(ROOT, rows[n].root);
        put64(ROOT + 8, rows[n].root_high);
        put64(CONTEXT + 16 * RID, rows[n].context);
        put64(CONTEXT + 16 * RID + 8, rows[n].context_high);
        map(4, 0x9000, 0, 12, rows[n].leaf);
        set(VTD_CCMD, 8, 1ull << 63 | (uint64_t)VTD_INV_GLOBAL << 61);
        ck_assert(rows[n].write ? !writes(0x9010) : !reads(0x9010));
        ck_assert_uint_eq(reg(VTD_FSTS, 4), VTD_FSTS_PPF | slot << 8);
        ck_assert_uint_eq(record(slot, &where),
                          RECORD(rows[n].reason, RID, rows[n].write ? 0 : VTD_FRCD_READ));
        ck_assert_uint_eq(where, 0x9000);
        ck_assert_uint_eq(reg(VTD_FSTS, 4), 0);
    }
    ck_assert_uint_eq(get64(PAGE + 0x10), 0x55);
}
END_TEST

START_TEST(a_device_whose_faults_are_disabled_leaves_no_record)
{
    set_context(RID, TABLES | VTD_CONTEXT_FPD | VTD_ENTRY_P, 4, DOMAIN);
    command(VTD_G_TE);
    ck_assert(!reads(0x9000));
    ck_assert_uint_eq(reg(VTD_FSTS, 4), 0);
}
END_TEST

START_TEST(the_ninth_fault_overflows_and_the_event_comes_once)
{
    command(VTD_G_TE);
    set(VTD_FEADDR, 4, MSI_ADDR_BASE | 1 << 12);
    set(VTD_FEDATA, 4, 0x51);
    ck_assert(!reads(0x1000));
    ck_assert_int_eq(got(1), -1); /* masked */
    ck_assert_uint_eq(reg(VTD_FECTL, 4), VTD_EVENT_MASKED | VTD_EVENT_PENDING);
    set(VTD_FECTL, 4, 0);
    ck_assert_int_eq(got(1), 0x51);
    ck_assert_uint_eq(reg(VTD_FECTL, 4), 0);
    for (unsigned n = 1; n < 10; n++)
        ck_assert(!reads(0x1000 * (n + 1)));
    ck_assert_int_eq(got(1), -1);
    ck_assert_uint_eq(reg(VTD_FSTS, 4), VTD_FSTS_PPF | VTD_FSTS_PFO);
    for (unsigned n = 0; n < 8; n++) {
        uint64_t where;
        ck_assert_uint_eq(record(n, &where), RECORD(VTD_F_READ, RID, VTD_FRCD_READ));
        ck_assert_uint_eq(where, 0x1000 * (n + 1));
    }
    ck_assert_uint_eq(reg(VTD_FSTS, 4), VTD_FSTS_PFO);
    set(VTD_FSTS, 4, VTD_FSTS_PFO);
    ck_assert(!reads(0x1000));
    ck_assert_int_eq(got(1), 0x51);
}
END_TEST

/* ---- invalidation ---- */

/* Domain 8 has a second device with the same table. Both know the page; it then goes away. */
static void know_two_pages(void)
{
    set_context(RID + 1, TABLES | VTD_ENTRY_P, 4, DOMAIN + 1);
    command(VTD_G_TE);
    map(4, 0x8000, PAGE, 12, RW);
    map(4, 0x9000, PAGE, 12, RW);
    for (dma.rid = RID; dma.rid <= RID + 1; dma.rid++)
        ck_assert(reads(0x8000) && reads(0x9000));
    map(4, 0x8000, 0, 12, 0);
    map(4, 0x9000, 0, 12, 0);
    for (dma.rid = RID; dma.rid <= RID + 1; dma.rid++)
        ck_assert(reads(0x8000) && reads(0x9000)); /* as software did not say so */
    dma.rid = RID;
}

START_TEST(pages_domains_and_all_are_invalidated_by_register)
{
    know_two_pages();
    set(VTD_IVA, 8, 0x8000);
    set(VTD_IOTLB, 8, 1ull << 63 | 3ull << 60 | (uint64_t)DOMAIN << 32);
    ck_assert_uint_eq(reg(VTD_IOTLB, 8) >> 57, 3 | 3 << 3); /* done, as asked */
    ck_assert(!reads(0x8000) && reads(0x9000));
    set(VTD_IOTLB, 8, 1ull << 63 | 2ull << 60 | (uint64_t)DOMAIN << 32);
    ck_assert(!reads(0x9000));
    dma.rid = RID + 1;
    ck_assert(reads(0x8000) && reads(0x9000));
    set(VTD_IOTLB, 8, 1ull << 63 | 1ull << 60);
    ck_assert(!reads(0x8000) && !reads(0x9000));
}
END_TEST

static void queue(const uint64_t (*d)[2], unsigned count)
{
    const uint64_t tail = reg(VTD_IQT, 8);
    for (unsigned n = 0; n < count; n++) {
        put64(QUEUE + (tail + 16 * n) % 4096, d[n][0]);
        put64(QUEUE + (tail + 16 * n) % 4096 + 8, d[n][1]);
    }
    set(VTD_IQT, 8, (tail + 16 * count) % 4096);
}

START_TEST(the_queue_invalidates_and_says_when_it_is_through)
{
    know_two_pages();
    set(VTD_IQA, 8, QUEUE);
    command(VTD_G_QIE);
    set(VTD_IEADDR, 4, MSI_ADDR_BASE);
    set(VTD_IEDATA, 4, 0x61);
    set(VTD_IECTL, 4, 0);
    const uint64_t all[][2] = {
        {VTD_QI_IOTLB | VTD_INV_NARROW << 4 | DOMAIN << 16, 0x8000 | 1}, /* both pages */
        {VTD_QI_IEC, 0},
        {VTD_QI_WAIT | VTD_QI_WAIT_SW | VTD_QI_WAIT_IF | 0xabcdull << 32, STATUS},
    };
    queue(all, 3);
    ck_assert_uint_eq(reg(VTD_IQH, 8), 48);
    ck_assert_uint_eq(get64(STATUS), 0xabcd);
    ck_assert_int_eq(got(0), 0x61);
    ck_assert_uint_eq(reg(VTD_ICS, 4), VTD_ICS_IWC);
    ck_assert(!reads(0x8000) && !reads(0x9000));
    dma.rid = RID + 1;
    ck_assert(reads(0x8000) && reads(0x9000));
    /* the device's context: the page stays known, but by whom is asked again */
    set_context(RID + 1, 0, 4, 0);
    const uint64_t context[][2] = {
        {VTD_QI_CONTEXT | VTD_INV_NARROW << 4 | (DOMAIN + 1) << 16 | (RID + 1ull) << 32, 0}};
    queue(context, 1);
    ck_assert(!reads(0x9000));
}
END_TEST

START_TEST(a_bad_descriptor_stops_the_queue_until_software_clears_it)
{
    set(VTD_IQA, 8, QUEUE);
    command(VTD_G_QIE);
    const uint64_t bad[][2] = {{0xf, 0}, {VTD_QI_WAIT | VTD_QI_WAIT_SW | 5ull << 32, STATUS}};
    queue(bad, 2);
    ck_assert_uint_eq(reg(VTD_IQH, 8), 0);
    ck_assert_uint_eq(reg(VTD_FSTS, 4), VTD_FSTS_IQE);
    ck_assert_uint_eq(get64(STATUS), 0);
    put64(QUEUE, VTD_QI_IEC);
    set(VTD_FSTS, 4, VTD_FSTS_IQE);
    ck_assert_uint_eq(reg(VTD_IQH, 8), 32);
    ck_assert_uint_eq(get64(STATUS), 5);
    set(VTD_IQT, 8, 0x2000); /* beyond the queue */
    ck_assert_uint_eq(reg(VTD_FSTS, 4), VTD_FSTS_IQE);
}
END_TEST

/* ---- interrupts ---- */

static uint64_t remappable(unsigned index)
{
    return MSI_ADDR_BASE | VTD_MSI_REMAPPABLE | (index & 0x7fff) << VTD_MSI_INDEX_SHIFT |
           (index & 0x8000 ? VTD_MSI_INDEX_15 : 0);
}
static void irte(unsigned index, uint64_t low, uint64_t high)
{
    put64(IRT + 16 * index, low);
    put64(IRT + 16 * index + 8, high);
}

START_TEST(an_entry_says_who_gets_which_vector)
{
    command(VTD_G_IRE);
    irte(3, VTD_IRTE_P | 0x71 << 16 | 1ull << 40, RID | 1 << VTD_IRTE_SVT_SHIFT);
    msi_send(&msi, remappable(3), 0);
    ck_assert_int_eq(got(1), 0x71);
    msi_send(&msi, remappable(1) | VTD_MSI_SHV, 2); /* by subhandle */
    ck_assert_int_eq(got(1), 0x71);
    irte(3, VTD_IRTE_P | 4 << VTD_IRTE_DLM_SHIFT, 0);
    msi_send(&msi, remappable(3), 0);
    ck_assert_uint_eq(nmis, 1);
    set(VTD_IRTA, 8, IRT | VTD_IRTA_EIME | 3);
    command(VTD_G_IRTP);
    irte(3, VTD_IRTE_P | 0x72 << 16 | 1ull << 32, 0); /* x2APIC: the whole destination */
    msi_send(&msi, remappable(3), 0);
    ck_assert_int_eq(got(1), 0x72);
}
END_TEST

START_TEST(messages_that_no_entry_allows_are_recorded)
{
    const struct {
        uint64_t low, high, address;
        unsigned reason, index;
    } rows[] = {
        {0, 0, remappable(16), VTD_F_IR_INDEX, 16},
        {0, 0, remappable(0x8000), VTD_F_IR_INDEX, 0x8000},
        {0, 0, remappable(3), VTD_F_IR_NOT_PRESENT, 3},
        {VTD_IRTE_P | 1 << 12, 0, remappable(3), VTD_F_IR_RESERVED, 3},
        {VTD_IRTE_P, 3 << VTD_IRTE_SVT_SHIFT, remappable(3), VTD_F_IR_RESERVED, 3},
        {VTD_IRTE_P | 3 << VTD_IRTE_DLM_SHIFT, 0, remappable(3), VTD_F_IR_RESERVED, 3},
        {VTD_IRTE_P, 0x19 | 1 << VTD_IRTE_SVT_SHIFT, remappable(3), VTD_F_IR_SOURCE, 3},
        {VTD_IRTE_P, 0x0105 | 2 << VTD_IRTE_SVT_SHIFT, remappable(3), VTD_F_IR_SOURCE, 3},
        {0, 0, MSI_ADDR_BASE, VTD_F_IR_COMPATIBILITY, 0},
    };
    command(VTD_G_IRE);
    for (unsigned n = 0; n < sizeof rows / sizeof rows[0]; n++) {
        uint64_t where;
        irte(3, rows[n].low, rows[n].high);
        msi_send(&msi, rows[n].address, 0x41);
        ck_assert_uint_eq(record(n % 8, &where), RECORD(rows[n].reason, RID, 0));
        ck_assert_uint_eq(where >> 48, rows[n].index);
        ck_assert_int_eq(got(0), -1);
    }
    command(VTD_G_CFI); /* compatibility format may pass */
    msi_send(&msi, MSI_ADDR_BASE, 0x41);
    ck_assert_int_eq(got(0), 0x41);
}
END_TEST

START_TEST(a_posted_interrupt_sets_its_bit_and_notifies_once)
{
    command(VTD_G_IRE);
    irte(2, VTD_IRTE_P | VTD_IRTE_POSTED | 0x45 << 16 | PID << 32, 0);
    put64(PID + 32, 0xf2ull << 16 | 1ull << 40); /* NV, NDST: LP 1 */
    msi_send(&msi, remappable(2), 0);
    ck_assert_uint_eq(get64(PID + 8), 1 << 5);
    ck_assert_uint_eq(get64(PID + 32) & 3, VTD_PID_ON);
    ck_assert_int_eq(got(1), 0xf2);
    msi_send(&msi, remappable(2), 0); /* outstanding */
    ck_assert_int_eq(got(1), -1);
    put64(PID + 32, 0xf2ull << 16 | 1ull << 40 | VTD_PID_SN);
    msi_send(&msi, remappable(2), 0); /* suppressed */
    ck_assert_int_eq(got(1), -1);
    put64(IRT + 32, get64(IRT + 32) | VTD_IRTE_URG);
    msi_send(&msi, remappable(2), 0); /* urgent */
    ck_assert_int_eq(got(1), 0xf2);
}
END_TEST

START_TEST(the_io_apic_is_remapped_by_its_own_source)
{
    msi.rid = PCI_RID_IOAPIC;
    struct ioapic *const io = ioapic_new(bus, net, &msi, 0);
    dev_reset(ioapic_dev(io));
    command(VTD_G_IRE);
    irte(5, VTD_IRTE_P | 0x81 << 16, PCI_RID_IOAPIC | 1 << VTD_IRTE_SVT_SHIFT);
    bus_mmio_write(bus, hpa(IOAPIC_BASE), 4, IOAPIC_REG_TABLE + 2 * 9 + 1);
    bus_mmio_write(bus, hpa(IOAPIC_BASE + IOAPIC_WINDOW), 4, 5 << 17 | 1 << 16);
    bus_mmio_write(bus, hpa(IOAPIC_BASE), 4, IOAPIC_REG_TABLE + 2 * 9);
    bus_mmio_write(bus, hpa(IOAPIC_BASE + IOAPIC_WINDOW), 4, 0x81);
    const struct irq_line pin = ioapic_pin(io, 9);
    irq_set(&pin, 1);
    ck_assert_int_eq(got(0), 0x81);
    ioapic_dev(io)->cls->free(ioapic_dev(io));
}
END_TEST

/* ---- looking ---- */

START_TEST(peeking_has_no_effects)
{
    hpa_t to;
    command(VTD_G_TE);
    map(4, 0x8000, PAGE, 12, VTD_SL_R);
    const uint64_t before = fields_hash(vtd, vtd_dev(vtd)->cls->fields, 0);
    ck_assert(vtd_peek(vtd, RID, iova(0x8123), false, &to));
    ck_assert_uint_eq(to.v, PAGE + 0x123);
    ck_assert(!vtd_peek(vtd, RID, iova(0x8123), true, &to));
    ck_assert_uint_eq(fields_hash(vtd, vtd_dev(vtd)->cls->fields, 0), before);
    ck_assert_uint_eq(vtd_view(vtd, RID).domain, DOMAIN);
    ck_assert(!vtd_view(vtd, 0).present);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        until_it_is_turned_on_everything_passes,
        tables_of_three_four_and_five_levels_translate,
        large_pages_map_their_whole_range,
        pass_through_is_the_identity,
        what_is_not_allowed_is_recorded_and_memory_is_unchanged,
        a_device_whose_faults_are_disabled_leaves_no_record,
        the_ninth_fault_overflows_and_the_event_comes_once,
        pages_domains_and_all_are_invalidated_by_register,
        the_queue_invalidates_and_says_when_it_is_through,
        a_bad_descriptor_stops_the_queue_until_software_clears_it,
        an_entry_says_who_gets_which_vector,
        messages_that_no_entry_allows_are_recorded,
        a_posted_interrupt_sets_its_bit_and_notifies_once,
        the_io_apic_is_remapped_by_its_own_source,
        peeking_has_no_effects,
    };
    Suite *const suite = suite_create("vtd");
    TCase *const tc = tcase_create("vtd");
    tcase_add_checked_fixture(tc, setup, teardown);
    for (size_t n = 0; n < sizeof tests / sizeof tests[0]; n++)
        tcase_add_test(tc, tests[n]);
    suite_add_tcase(suite, tc);
    SRunner *const runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
