/* Unit tests of the virtio transport and queues with a device that echoes, and hostile drivers. */
#include "tests/lib/suite.h"

#include <stdlib.h>
#include <string.h>

#include "abi/pci.h"
#include "devices/virtio/virtio.h"
#include "tests/lib/virtio_rig.h"

#define OUT  0x40000ull
#define IN   0x50000ull
#define SLOT 3

/* Each chain: what can be read is written back, as far as there is room. */
struct echo {
    struct virtio v;
    uint32_t config; /* state */
};

static void echo_kick(struct virtio *v, unsigned n)
{
    static uint8_t bytes[4096];
    struct virtq_chain c;
    for (unsigned left = v->q[n].size; left && virtq_pop(v, n, &c); left--) {
        uint64_t len = c.out_len < c.in_len ? c.out_len : c.in_len;
        len = len < 1u << 20 ? len : 1u << 20;
        for (uint64_t at = 0; at < len;) {
            const size_t part = len - at < sizeof bytes ? (size_t)(len - at) : sizeof bytes;
            if (!virtq_read(v, &c, at, bytes, part) || !virtq_write(v, &c, at, bytes, part))
                return;
            at += part;
        }
        virtq_return(v, n, &c, (uint32_t)len);
    }
}

static void echo_config(struct virtio *v, unsigned offset, unsigned size, uint64_t value)
{
    memcpy((uint8_t *)&((struct echo *)v)->config + offset, &value, size);
}

static const struct field echo_fields[] = {VIRTIO_FIELDS, FIELD(struct echo, config, 0x1234, ""),
                                           FIELD_END};
static const struct dev_class echo_class = {"echo", echo_fields, virtio_reset, NULL, NULL};
static const struct virtio_class echo_virtio = {"echo", echo_kick, NULL, echo_config};

static struct vrig r;
static struct vdev d;
static struct echo echo;
static struct virtq_used_elem used;

static void setup_with(uint64_t features)
{
    const struct virtio_setup setup = {.id = 63,
                                       .class_rev = 0xff000001,
                                       .queues = 2,
                                       .queue_size = 256,
                                       .vectors = 3,
                                       .features = VIRTIO_F_RING | 1,
                                       .config = &echo.config,
                                       .config_len = 4};
    vrig_new(&r);
    memset(&echo, 0, sizeof echo);
    echo.v.f.dev = (struct dev){.cls = &echo_class, .id = "echo"};
    virtio_init(&echo.v, &echo_virtio, &setup, &r.dma, &r.msi);
    vdev_plug(&d, &r, &echo.v.f, SLOT);
    vdev_start(&d, features, 2);
}
static void setup(void)
{
    setup_with(VIRTIO_F_RING);
}
static void teardown(void)
{
    vrig_free(&r);
}

static void must_be_broken(void)
{
    ck_assert(vdev_status(&d) & VIRTIO_S_NEEDS_RESET);
    ck_assert_uint_eq(vdev_messages(&d, 2), 1);
    ck_assert(!vdev_used(&d, 0, &used));
    /* nothing moves, not on the other queue either */
    vdev_chain(&d, 1, OUT, 4, IN, 4);
    ck_assert(!vdev_used(&d, 1, &used));
    /* until the driver resets the device */
    vdev_start(&d, VIRTIO_F_RING, 2);
    ck_assert(!(vdev_status(&d) & VIRTIO_S_NEEDS_RESET));
    vdev_chain(&d, 0, OUT, 4, IN, 4);
    ck_assert(vdev_used(&d, 0, &used));
    teardown();
}

START_TEST(a_chain_goes_there_and_back)
{
    char got[8] = {0};
    setup();
    vrig_put(&r, OUT, "chained", 8);
    const uint16_t head = vdev_chain(&d, 0, OUT, 8, IN, 100);
    ck_assert(vdev_used(&d, 0, &used));
    ck_assert_uint_eq(used.id, head);
    ck_assert_uint_eq(used.len, 8);
    vrig_read(&r, IN, got, 8);
    ck_assert_str_eq(got, "chained");
    ck_assert_uint_eq(vdev_messages(&d, 0), 1);
    ck_assert_uint_eq(vrig_get(&r, d.isr, 1), VIRTIO_ISR_QUEUE);
    ck_assert_uint_eq(vrig_get(&r, d.isr, 1), 0);
    teardown();
}
END_TEST

START_TEST(an_indirect_table_is_a_chain)
{
    const struct virtq_desc table[] = {{OUT, 3, VIRTQ_DESC_NEXT, 2},
                                       {IN + 2, 9, VIRTQ_DESC_WRITE, 0},
                                       {OUT + 3, 3, VIRTQ_DESC_NEXT, 3},
                                       {IN, 2, VIRTQ_DESC_WRITE | VIRTQ_DESC_NEXT, 1}};
    char got[8] = {0};
    setup();
    vrig_put(&r, OUT, "abcdef", 6);
    vrig_put(&r, 0x60000, table, sizeof table);
    vdev_desc(&d, 0, 5, 0x60000, sizeof table, VIRTQ_DESC_INDIRECT, 0);
    vdev_offer(&d, 0, 5);
    vdev_kick(&d, 0);
    ck_assert(vdev_used(&d, 0, &used));
    ck_assert_uint_eq(used.id, 5);
    ck_assert_uint_eq(used.len, 6);
    vrig_read(&r, IN, got, 6);
    ck_assert_str_eq(got, "abcdef");
    teardown();
}
END_TEST

START_TEST(indices_wrap_at_65536)
{
    setup();
    for (unsigned i = 0; i < 70000; i++) {
        vdev_chain(&d, 0, OUT, 1, 0, 0);
        ck_assert(vdev_used(&d, 0, &used));
        ck_assert_uint_eq(used.id, i % VRIG_QUEUE);
    }
    teardown();
}
END_TEST

START_TEST(the_flag_in_the_available_ring_stops_interrupts)
{
    setup_with(VIRTIO_F_VERSION_1);
    vrig_put16(&r, vdev_ring(&d, 0) + 0x1000, VIRTQ_AVAIL_NO_INTERRUPT);
    vdev_chain(&d, 0, OUT, 1, 0, 0);
    ck_assert(vdev_used(&d, 0, &used));
    ck_assert_uint_eq(vdev_messages(&d, 0), 0);
    vrig_put16(&r, vdev_ring(&d, 0) + 0x1000, 0);
    vdev_chain(&d, 0, OUT, 1, 0, 0);
    ck_assert_uint_eq(vdev_messages(&d, 0), 1);
    teardown();
}
END_TEST

START_TEST(the_event_index_says_when_to_interrupt)
{
    setup();
    const uint64_t used_event = vdev_ring(&d, 0) + 0x1000 + 4 + 2 * VRIG_QUEUE;
    for (unsigned i = 0; i < 66000; i++) {
        const unsigned before = vdev_messages(&d, 0);
        /* the driver wants to hear of every third one */
        vrig_put16(&r, used_event, (uint16_t)(i / 3 * 3 + 2));
        vdev_chain(&d, 0, OUT, 1, 0, 0);
        ck_assert_uint_eq(vdev_messages(&d, 0) - before, i % 3 == 2);
    }
    teardown();
}
END_TEST

START_TEST(the_event_index_asks_for_the_next_notification)
{
    setup();
    const uint64_t avail_event = vdev_ring(&d, 0) + 0x2000 + 4 + 8 * VRIG_QUEUE;
    vdev_chain(&d, 0, OUT, 1, 0, 0);
    ck_assert_uint_eq(vrig_get16(&r, avail_event), 1);
    vdev_chain(&d, 0, OUT, 1, 0, 0);
    ck_assert_uint_eq(vrig_get16(&r, avail_event), 2);
    teardown();
}
END_TEST

START_TEST(several_are_published_together)
{
    struct virtq_chain a, b;
    setup();
    for (unsigned i = 0; i < 3; i++) {
        vdev_desc(&d, 0, i, IN, 4, VIRTQ_DESC_WRITE, 0);
        vdev_offer(&d, 0, (uint16_t)i);
    }
    ck_assert(virtq_pop(&echo.v, 0, &a) && virtq_pop(&echo.v, 0, &b));
    virtq_rewind(&echo.v, 0, 2);
    ck_assert(virtq_pop(&echo.v, 0, &a) && virtq_pop(&echo.v, 0, &b));
    ck_assert_uint_eq(a.head, 0);
    ck_assert_uint_eq(b.head, 1);
    virtq_put(&echo.v, 0, 0, a.head, 1);
    virtq_put(&echo.v, 0, 1, b.head, 2);
    ck_assert(!vdev_used(&d, 0, &used));
    virtq_publish(&echo.v, 0, 2);
    ck_assert(vdev_used(&d, 0, &used) && used.id == 0 && used.len == 1);
    ck_assert(vdev_used(&d, 0, &used) && used.id == 1 && used.len == 2);
    ck_assert(virtq_is_ready(&echo.v, 0));
    ck_assert_uint_eq(vdev_messages(&d, 0), 1);
    teardown();
}
END_TEST

START_TEST(nothing_moves_before_driver_ok_or_without_bus_mastering)
{
    setup();
    vrig_set(&r, PCI_ECAM_BASE + PCI_ECAM(0, SLOT, 0, PCI_COMMAND), 2, PCI_CMD_MEMORY);
    vdev_chain(&d, 0, OUT, 1, 0, 0);
    ck_assert(!vdev_used(&d, 0, &used));
    vrig_set(&r, PCI_ECAM_BASE + PCI_ECAM(0, SLOT, 0, PCI_COMMAND), 2,
             PCI_CMD_MEMORY | PCI_CMD_MASTER);
    vrig_set(&r, VREG(&d, device_status), 1, 11);
    vdev_kick(&d, 0);
    ck_assert(!vdev_used(&d, 0, &used));
    vrig_set(&r, VREG(&d, device_status), 1, 15);
    vdev_kick(&d, 0);
    ck_assert(vdev_used(&d, 0, &used));
    vdev_kick(&d, 1);
    vrig_set(&r, d.notify + 4 * 40, 2, 40); /* no such queue */
    ck_assert(!(vdev_status(&d) & VIRTIO_S_NEEDS_RESET));
    teardown();
}
END_TEST

START_TEST(features_and_live_queues_stand)
{
    setup();
    vrig_set(&r, VREG(&d, driver_feature_select), 4, 0);
    vrig_set(&r, VREG(&d, driver_feature), 4, 1);
    ck_assert_uint_eq(vrig_get(&r, VREG(&d, driver_feature), 4), (uint32_t)VIRTIO_F_RING);
    vrig_set(&r, VREG(&d, queue_select), 2, 0);
    vrig_set(&r, VREG(&d, queue_desc_lo), 4, 0x777000);
    vrig_set(&r, VREG(&d, queue_size), 2, 4);
    ck_assert_uint_eq(vrig_get(&r, VREG(&d, queue_desc_lo), 4), vdev_ring(&d, 0));
    ck_assert_uint_eq(vrig_get(&r, VREG(&d, queue_size), 2), VRIG_QUEUE);
    vrig_set(&r, VREG(&d, queue_select), 2, 2);
    ck_assert_uint_eq(vrig_get(&r, VREG(&d, queue_size), 2), 0); /* not there */
    ck_assert_uint_eq(vrig_get(&r, VREG(&d, num_queues), 2), 2);
    teardown();
}
END_TEST

START_TEST(unknown_features_are_refused)
{
    setup();
    vrig_set(&r, VREG(&d, device_status), 1, 0);
    vrig_set(&r, VREG(&d, driver_feature_select), 4, 1);
    vrig_set(&r, VREG(&d, driver_feature), 4, 1);
    vrig_set(&r, VREG(&d, driver_feature_select), 4, 0);
    vrig_set(&r, VREG(&d, driver_feature), 4, 2);
    vrig_set(&r, VREG(&d, device_status), 1, 11);
    ck_assert(!(vdev_status(&d) & VIRTIO_S_FEATURES_OK));
    vrig_set(&r, VREG(&d, driver_feature), 4, 1);
    vrig_set(&r, VREG(&d, device_status), 1, 11);
    ck_assert(vdev_status(&d) & VIRTIO_S_FEATURES_OK);
    teardown();
}
END_TEST

START_TEST(a_changed_configuration_is_announced)
{
    setup();
    ck_assert_uint_eq(vrig_get(&r, d.device, 4), 0x1234);
    vrig_set(&r, d.device + 2, 2, 0xabcd);
    ck_assert_uint_eq(vrig_get(&r, d.device, 4), 0xabcd1234);
    ck_assert_uint_eq(vrig_get(&r, d.device + 4, 4), 0);
    const uint64_t before = vrig_get(&r, VREG(&d, config_generation), 1);
    virtio_config_changed(&echo.v);
    ck_assert_uint_ne(vrig_get(&r, VREG(&d, config_generation), 1), before);
    ck_assert_uint_eq(vdev_messages(&d, 2), 1);
    ck_assert_uint_eq(vrig_get(&r, d.isr, 1), VIRTIO_ISR_CONFIG);
    teardown();
}
END_TEST

/* ---- hostile drivers ---- */

/* One chain of queue 0 that starts at descriptor 0. */
static void kick0(void)
{
    vdev_offer(&d, 0, 0);
    vdev_kick(&d, 0);
    must_be_broken();
}

START_TEST(a_chain_without_end_breaks_the_device)
{
    setup();
    vdev_desc(&d, 0, 0, OUT, 1, VIRTQ_DESC_NEXT, 1);
    vdev_desc(&d, 0, 1, OUT, 1, VIRTQ_DESC_NEXT, 0);
    kick0();
}
END_TEST

START_TEST(an_index_beyond_the_table_breaks_the_device)
{
    setup();
    vdev_desc(&d, 0, 0, OUT, 1, VIRTQ_DESC_NEXT, VRIG_QUEUE);
    kick0();
    setup();
    vdev_offer(&d, 0, VRIG_QUEUE);
    vdev_kick(&d, 0);
    must_be_broken();
}
END_TEST

START_TEST(an_available_index_that_runs_away_breaks_the_device)
{
    setup();
    vrig_put16(&r, vdev_ring(&d, 0) + 0x1002, VRIG_QUEUE + 1);
    vdev_kick(&d, 0);
    must_be_broken();
}
END_TEST

START_TEST(a_readable_buffer_after_a_writable_one_breaks_the_device)
{
    setup();
    vdev_desc(&d, 0, 0, IN, 1, VIRTQ_DESC_NEXT | VIRTQ_DESC_WRITE, 1);
    vdev_desc(&d, 0, 1, OUT, 1, 0, 0);
    kick0();
}
END_TEST

START_TEST(buffers_outside_of_memory_break_the_device)
{
    static const uint64_t bad[] = {VRIG_RAM - 1, 1ull << 40, UINT64_MAX - 3, UINT64_MAX - 1,
                                   PCI_ECAM_BASE};
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        setup();
        vdev_desc(&d, 0, 0, bad[i], 4, VIRTQ_DESC_NEXT, 1);
        vdev_desc(&d, 0, 1, IN, 4, VIRTQ_DESC_WRITE, 0);
        kick0();
        setup();
        vdev_desc(&d, 0, 0, OUT, 4, VIRTQ_DESC_NEXT, 1);
        vdev_desc(&d, 0, 1, bad[i], 4, VIRTQ_DESC_WRITE, 0);
        kick0();
    }
}
END_TEST

START_TEST(more_than_4_gib_break_the_device)
{
    setup();
    vdev_desc(&d, 0, 0, OUT, 0xffffffff, VIRTQ_DESC_NEXT, 1);
    vdev_desc(&d, 0, 1, IN, 2, VIRTQ_DESC_WRITE, 0);
    kick0();
}
END_TEST

START_TEST(rings_outside_of_memory_break_the_device)
{
    for (unsigned which = 0; which < 3; which++) {
        static const unsigned reg[] = {offsetof(struct virtio_pci_common, queue_desc_hi),
                                       offsetof(struct virtio_pci_common, queue_driver_hi),
                                       offsetof(struct virtio_pci_common, queue_device_hi)};
        setup();
        vrig_set(&r, VREG(&d, device_status), 1, 0);
        vdev_start(&d, VIRTIO_F_RING, 0);
        vrig_set(&r, VREG(&d, config_msix_vector), 2, 2);
        vrig_set(&r, VREG(&d, queue_select), 2, 0);
        vrig_set(&r, VREG(&d, queue_size), 2, VRIG_QUEUE);
        vrig_set(&r, VREG(&d, queue_desc_lo), 4, vdev_ring(&d, 0));
        vrig_set(&r, VREG(&d, queue_driver_lo), 4, vdev_ring(&d, 0) + 0x1000);
        vrig_set(&r, VREG(&d, queue_device_lo), 4, vdev_ring(&d, 0) + 0x2000);
        vrig_set(&r, d.common + reg[which], 4, 0xffffffff);
        vrig_set(&r, VREG(&d, queue_enable), 2, 1);
        vdev_chain(&d, 0, OUT, 1, 0, 0);
        must_be_broken();
    }
}
END_TEST

START_TEST(indirect_tables_that_make_no_sense_break_the_device)
{
    const struct virtq_desc nested = {0x60000, 16, VIRTQ_DESC_INDIRECT, 0};
    const struct virtq_desc beyond = {OUT, 1, VIRTQ_DESC_NEXT, 1};
    const struct virtq_desc loop = {OUT, 1, VIRTQ_DESC_NEXT, 0};
    static const struct {
        uint64_t addr;
        uint32_t len;
        uint16_t flags;
    } bad[] = {{0x60000, 16, VIRTQ_DESC_INDIRECT | VIRTQ_DESC_NEXT},
               {0x60000, 0, VIRTQ_DESC_INDIRECT},
               {0x60000, 24, VIRTQ_DESC_INDIRECT},
               {0x60000, 16 * 257, VIRTQ_DESC_INDIRECT},
               {VRIG_RAM, 16, VIRTQ_DESC_INDIRECT}};
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        setup();
        vdev_desc(&d, 0, 0, bad[i].addr, bad[i].len, bad[i].flags, 0);
        kick0();
    }
    for (unsigned i = 0; i < 3; i++) {
        setup();
        vrig_put(&r, 0x60000, i == 0 ? &nested : i == 1 ? &beyond : &loop, 16);
        vdev_desc(&d, 0, 0, 0x60000, 16, VIRTQ_DESC_INDIRECT, 0);
        kick0();
    }
    setup_with(VIRTIO_F_VERSION_1); /* not negotiated */
    vrig_put(&r, 0x60000, &(struct virtq_desc){OUT, 1, 0, 0}, 16);
    vdev_desc(&d, 0, 0, 0x60000, 16, VIRTQ_DESC_INDIRECT, 0);
    kick0();
}
END_TEST

static uint32_t seed;
static uint32_t rnd(void)
{
    seed = seed * 1664525 + 1013904223;
    return seed >> 8;
}

/* A descriptor that is mostly sensible, so that the walk gets far. */
static void random_desc(uint64_t at)
{
    const struct virtq_desc e = {
        .addr = rnd() % 8 ? 0x40000 + rnd() % 0x40000 : (uint64_t)rnd() << (rnd() % 40),
        .len = rnd() % 8 ? (rnd() % 4 ? rnd() % 300 : 16 * (rnd() % 40)) : rnd() << 8,
        .flags = (uint16_t)(rnd() % 16 ? rnd() % 4 : rnd()),
        .next = (uint16_t)(rnd() % 16 ? rnd() % VRIG_QUEUE : rnd()),
    };
    vrig_put(&r, at, &e, sizeof e);
}

/* Random queue contents, registers and notifications: no crash, no hang, no sanitizer report. */
START_TEST(random_queues_never_crash)
{
    unsigned broke = 0, served = 0;
    for (unsigned run = 0; run < 1000; run++) {
        seed = run;
        setup_with(rnd() % 4 ? VIRTIO_F_RING : VIRTIO_F_VERSION_1);
        for (unsigned round = 0; round < 4; round++) {
            for (unsigned i = 0; i < VRIG_QUEUE; i++) {
                random_desc(vdev_ring(&d, 0) + 16 * i);
                random_desc(0x40000 + 16 * (rnd() % 0x4000));
            }
            for (unsigned i = 1 + rnd() % 8; i; i--)
                vdev_offer(&d, 0, (uint16_t)(rnd() % (rnd() % 8 ? VRIG_QUEUE : 65536)));
            vdev_kick(&d, rnd() % 2 ? 0 : rnd() % 2);
            if (rnd() % 4 == 0)
                vrig_set(&r, d.common + rnd() % 64, 1u << rnd() % 3, rnd());
            while (vdev_used(&d, 0, &used) && served < UINT32_MAX)
                served++;
        }
        broke += !!(vdev_status(&d) & VIRTIO_S_NEEDS_RESET);
        teardown();
    }
    ck_assert_uint_gt(broke, 100);
    ck_assert_uint_gt(served, 100);
}
END_TEST

SUITE("virtq", a_chain_goes_there_and_back, an_indirect_table_is_a_chain, indices_wrap_at_65536,
      the_flag_in_the_available_ring_stops_interrupts, the_event_index_says_when_to_interrupt,
      the_event_index_asks_for_the_next_notification, several_are_published_together,
      nothing_moves_before_driver_ok_or_without_bus_mastering, features_and_live_queues_stand,
      unknown_features_are_refused, a_changed_configuration_is_announced,
      a_chain_without_end_breaks_the_device, an_index_beyond_the_table_breaks_the_device,
      an_available_index_that_runs_away_breaks_the_device,
      a_readable_buffer_after_a_writable_one_breaks_the_device,
      buffers_outside_of_memory_break_the_device, more_than_4_gib_break_the_device,
      rings_outside_of_memory_break_the_device, indirect_tables_that_make_no_sense_break_the_device,
      random_queues_never_crash)
