/* Unit tests of virtio-blk and virtio-rng. */
#include "tests/lib/suite.h"

#include <string.h>

#include "devices/disk/disk.h"
#include "devices/virtio/virtio.h"
#include "devices/virtio/virtio_blk.h"
#include "devices/virtio/virtio_rng.h"
#include "tests/lib/virtio_rig.h"

#define REQ      0x300000ull /* header, then data to be written */
#define DATA     0x310000ull /* data to be read, then the status */
#define SECTORS  256u
#define FEATURES (VIRTIO_F_RING | VIRTIO_BLK_F_FLUSH)

static struct vrig r;
static struct vdev d;
static struct disk *disk;
static struct virtq_used_elem used;

static void setup(bool read_only)
{
    uint8_t sector[DISK_SECTOR];
    vrig_new(&r);
    disk = memdisk_new(SECTORS * DISK_SECTOR);
    ck_assert_ptr_nonnull(disk);
    for (unsigned i = 0; i < SECTORS; i++) {
        memset(sector, (int)i, sizeof sector);
        ck_assert_int_eq(disk_write(disk, i * DISK_SECTOR, sector, sizeof sector), 0);
    }
    disk->read_only = read_only;
    vdev_plug(&d, &r, virtio_blk_new(r.clock, &r.dma, &r.msi, disk, 0), 2);
    vdev_start(&d, FEATURES, 1);
}
static void teardown(void)
{
    d.f->dev.cls->free(&d.f->dev);
    disk_close(disk);
    vrig_free(&r);
}

static void make_request(uint32_t type, uint64_t sector)
{
    const struct virtio_blk_req q = {type, 0, sector};
    vrig_put(&r, REQ, &q, sizeof q);
}

/* Send the request with `out` bytes of data after its header and `in` bytes of room; the status. */
static uint8_t run(uint32_t out, uint32_t in)
{
    uint8_t status = 0xee;
    vrig_put(&r, DATA + in, &status, 1);
    vdev_chain(&d, 0, REQ, (uint32_t)sizeof(struct virtio_blk_req) + out, DATA, in + 1);
    clock_advance(r.clock, clock_next(r.clock));
    ck_assert(vdev_used(&d, 0, &used));
    ck_assert_uint_eq(used.len, in + 1);
    vrig_read(&r, DATA + in, &status, 1);
    return status;
}
static uint8_t request(uint32_t type, uint64_t sector, uint32_t out, uint32_t in)
{
    make_request(type, sector);
    return run(out, in);
}

START_TEST(a_disk_says_how_large_it_is)
{
    setup(false);
    ck_assert_uint_eq(vrig_get(&r, d.device, 4), SECTORS);
    ck_assert_uint_eq(vrig_get(&r, d.device + 20, 4), 512);
    ck_assert(!(vrig_get(&r, VREG(&d, device_feature), 4) & VIRTIO_BLK_F_RO));
    teardown();
    setup(true);
    ck_assert(vrig_get(&r, VREG(&d, device_feature), 4) & VIRTIO_BLK_F_RO);
    teardown();
}
END_TEST

START_TEST(sectors_are_read_after_the_latency)
{
    uint8_t got[1024];
    setup(false);
    make_request(VIRTIO_BLK_T_IN, 7);
    vdev_chain(&d, 0, REQ, 16, DATA, 1025);
    ck_assert(!vdev_used(&d, 0, &used));
    const uint64_t due = clock_next(r.clock);
    clock_advance(r.clock, due - 1);
    ck_assert(!vdev_used(&d, 0, &used));
    clock_advance(r.clock, due);
    ck_assert(vdev_used(&d, 0, &used));
    ck_assert_uint_eq(vdev_messages(&d, 0), 1);
    vrig_read(&r, DATA, got, sizeof got);
    ck_assert_uint_eq(got[0], 7);
    ck_assert_uint_eq(got[511], 7);
    ck_assert_uint_eq(got[512], 8);
    teardown();
}
END_TEST

START_TEST(what_is_written_is_read_back_and_changes_the_state)
{
    uint8_t bytes[1024], got[1024];
    setup(false);
    const uint64_t before = fields_hash(d.f, d.f->dev.cls->fields, 0);
    memset(bytes, 0xa5, sizeof bytes);
    vrig_put(&r, REQ + 16, bytes, sizeof bytes);
    ck_assert_uint_eq(request(VIRTIO_BLK_T_OUT, 100, sizeof bytes, 0), VIRTIO_BLK_S_OK);
    ck_assert_uint_eq(request(VIRTIO_BLK_T_FLUSH, 0, 0, 0), VIRTIO_BLK_S_OK);
    ck_assert_int_eq(disk_read(disk, 100 * DISK_SECTOR, got, sizeof got), 0);
    ck_assert_mem_eq(got, bytes, sizeof got);
    ck_assert_uint_ne(fields_hash(d.f, d.f->dev.cls->fields, 0), before);
    teardown();
}
END_TEST

START_TEST(ranges_are_zeroed)
{
    static const struct virtio_blk_range two[2] = {{10, 2, 0}, {20, 1, VIRTIO_BLK_RANGE_UNMAP}};
    uint8_t got[DISK_SECTOR];
    setup(false);
    vrig_put(&r, REQ + 16, two, sizeof two);
    ck_assert_uint_eq(request(VIRTIO_BLK_T_DISCARD, 0, sizeof two, 0), VIRTIO_BLK_S_UNSUPP);
    ck_assert_uint_eq(request(VIRTIO_BLK_T_WRITE_ZEROES, 0, sizeof two, 0), VIRTIO_BLK_S_OK);
    static const uint8_t wanted[][2] = {{9, 9}, {10, 0}, {11, 0}, {12, 12}, {20, 0}, {21, 21}};
    for (unsigned i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        ck_assert_int_eq(disk_read(disk, wanted[i][0] * DISK_SECTOR, got, sizeof got), 0);
        ck_assert_uint_eq(got[100], wanted[i][1]);
    }
    const struct virtio_blk_range beyond = {SECTORS - 1, 2, 0};
    vrig_put(&r, REQ + 16, &beyond, sizeof beyond);
    ck_assert_uint_eq(request(VIRTIO_BLK_T_DISCARD, 0, sizeof beyond, 0), VIRTIO_BLK_S_IOERR);
    ck_assert_uint_eq(request(VIRTIO_BLK_T_DISCARD, 0, 15, 0), VIRTIO_BLK_S_IOERR);
    teardown();
}
END_TEST

START_TEST(the_serial_number_is_told)
{
    char got[VIRTIO_BLK_ID_BYTES + 1] = {0};
    setup(false);
    ck_assert_uint_eq(request(VIRTIO_BLK_T_GET_ID, 0, 0, VIRTIO_BLK_ID_BYTES), VIRTIO_BLK_S_OK);
    vrig_read(&r, DATA, got, VIRTIO_BLK_ID_BYTES);
    ck_assert_str_eq(got, "vitrine-blk0");
    teardown();
}
END_TEST

START_TEST(requests_that_cannot_be_done_fail_alone)
{
    setup(false);
    ck_assert_uint_eq(request(VIRTIO_BLK_T_IN, SECTORS - 1, 0, 1024), VIRTIO_BLK_S_IOERR);
    ck_assert_uint_eq(request(VIRTIO_BLK_T_IN, UINT64_MAX, 0, 512), VIRTIO_BLK_S_IOERR);
    ck_assert_uint_eq(request(VIRTIO_BLK_T_IN, UINT64_MAX / 512, 0, 512), VIRTIO_BLK_S_IOERR);
    ck_assert_uint_eq(request(VIRTIO_BLK_T_IN, 0, 0, 100), VIRTIO_BLK_S_IOERR);
    ck_assert_uint_eq(request(VIRTIO_BLK_T_OUT, SECTORS, 512, 0), VIRTIO_BLK_S_IOERR);
    ck_assert_uint_eq(request(99, 0, 0, 0), VIRTIO_BLK_S_UNSUPP);
    ck_assert_uint_eq(request(VIRTIO_BLK_T_IN, 3, 0, 512), VIRTIO_BLK_S_OK);
    teardown();
    setup(true);
    ck_assert_uint_eq(request(VIRTIO_BLK_T_OUT, 0, 512, 0), VIRTIO_BLK_S_IOERR);
    ck_assert_uint_eq(request(VIRTIO_BLK_T_DISCARD, 0, 16, 0), VIRTIO_BLK_S_IOERR);
    teardown();
}
END_TEST

START_TEST(a_request_without_header_or_status_breaks_the_device)
{
    setup(false);
    vdev_chain(&d, 0, REQ, 15, DATA, 1);
    clock_advance(r.clock, clock_next(r.clock));
    ck_assert(vdev_status(&d) & VIRTIO_S_NEEDS_RESET);
    vdev_start(&d, FEATURES, 1);
    make_request(VIRTIO_BLK_T_FLUSH, 0);
    vdev_chain(&d, 0, REQ, 16, 0, 0);
    clock_advance(r.clock, clock_next(r.clock));
    ck_assert(vdev_status(&d) & VIRTIO_S_NEEDS_RESET);
    vdev_start(&d, FEATURES, 1);
    ck_assert_uint_eq(request(VIRTIO_BLK_T_IN, 3, 0, 512), VIRTIO_BLK_S_OK);
    teardown();
}
END_TEST

START_TEST(a_reset_forgets_what_was_asked)
{
    setup(false);
    make_request(VIRTIO_BLK_T_IN, 1);
    vdev_chain(&d, 0, REQ, 16, DATA, 513);
    vrig_set(&r, VREG(&d, device_status), 1, 0);
    ck_assert_uint_eq(clock_next(r.clock), CLOCK_NEVER);
    teardown();
}
END_TEST

static uint32_t seed;
static uint32_t rnd(void)
{
    seed = seed * 1664525 + 1013904223;
    return seed >> 8;
}

START_TEST(random_requests_never_crash)
{
    static const uint32_t types[] = {0, 1, 4, 8, 11, 13, 99};
    for (unsigned n = 0; n < 200; n++) {
        seed = n;
        setup(rnd() % 4 == 0);
        for (unsigned i = 0; i < 40; i++) {
            make_request(types[rnd() % 7], rnd() % 8 ? rnd() % (SECTORS + 8) : rnd() * 77777777ull);
            const struct virtio_blk_range range = {rnd() % 300, rnd() % 300, rnd() % 3};
            vrig_put(&r, REQ + 16, &range, sizeof range);
            vdev_chain(&d, 0, REQ, rnd() % 8 ? 16 + rnd() % 3 * 512 + rnd() % 2 * 16 : rnd() % 64,
                       rnd() % 16 ? DATA : VRIG_RAM - 100, rnd() % 3 * 512 + rnd() % 16 / 4);
            if (rnd() % 2 && clock_next(r.clock) != CLOCK_NEVER)
                clock_advance(r.clock, clock_next(r.clock));
            if (vdev_status(&d) & VIRTIO_S_NEEDS_RESET)
                vdev_start(&d, FEATURES, 1);
        }
        teardown();
    }
}
END_TEST

/* ---- entropy ---- */

static void fill(uint64_t seed_value, uint8_t got[100])
{
    vrig_new(&r);
    vdev_plug(&d, &r, virtio_rng_new(&r.dma, &r.msi, seed_value), 2);
    vdev_start(&d, VIRTIO_F_RING, 1);
    vdev_chain(&d, 0, 0, 0, DATA, 60);
    ck_assert(vdev_used(&d, 0, &used));
    ck_assert_uint_eq(used.len, 60);
    vdev_chain(&d, 0, 0, 0, DATA + 60, 40);
    ck_assert(vdev_used(&d, 0, &used));
    vrig_read(&r, DATA, got, 100);
    vdev_chain(&d, 0, 0, 0, DATA, 100000); /* as much as it likes to give */
    ck_assert(vdev_used(&d, 0, &used));
    ck_assert_uint_eq(used.len, 4096);
    vdev_chain(&d, 0, DATA, 4, 0, 0);
    ck_assert(vdev_status(&d) & VIRTIO_S_NEEDS_RESET);
    d.f->dev.cls->free(&d.f->dev);
    vrig_free(&r);
}

START_TEST(entropy_repeats_with_its_seed_only)
{
    uint8_t a[100], b[100], c[100];
    unsigned ones = 0;
    fill(1, a);
    fill(1, b);
    fill(2, c);
    ck_assert_mem_eq(a, b, 100);
    ck_assert_mem_ne(a, c, 100);
    ck_assert_mem_ne(a, a + 60, 40);
    for (unsigned i = 0; i < 800; i++)
        ones += a[i / 8] >> i % 8 & 1;
    ck_assert_uint_gt(ones, 330);
    ck_assert_uint_lt(ones, 470);
}
END_TEST

SUITE("virtio-blk", a_disk_says_how_large_it_is, sectors_are_read_after_the_latency,
      what_is_written_is_read_back_and_changes_the_state, ranges_are_zeroed,
      the_serial_number_is_told, requests_that_cannot_be_done_fail_alone,
      a_request_without_header_or_status_breaks_the_device, a_reset_forgets_what_was_asked,
      random_requests_never_crash, entropy_repeats_with_its_seed_only)
