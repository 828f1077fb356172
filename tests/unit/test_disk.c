/* Unit tests of the disk back ends: raw, overlay, qcow2, VHD, VHDX; random operations. */
#include "tests/lib/suite.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices/disk/disk.h"
#include "devices/disk/disk_int.h"
#include "devices/disk/qcow2.h"
#include "devices/disk/vhdx_int.h"
#include "lib/log.h"
#include "tests/isa/rng.h"

static char dir[64];

static void quiet(void *opaque, enum log_level level, const char *module, const char *text)
{
    (void)opaque;
    (void)level;
    (void)module;
    (void)text;
}

/* A folder for the files of one test; they vanish with it. */
static void setup(void)
{
    /* qcow2 images are synced often: a folder in memory, where there is one */
    snprintf(dir, sizeof dir, "%s/vdiskXXXXXX", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    log_set_sink(quiet, NULL);
}
static const char *in_dir(const char *name)
{
    static char path[4][128];
    static unsigned turn;
    char *const p = path[turn++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", dir, name);
    return p;
}
static void cleanup(void)
{
    char cmd[96];
    snprintf(cmd, sizeof cmd, "rm -rf '%s'", dir);
    ck_assert_int_eq(system(cmd), 0);
}
static void put_file(const char *name, const void *bytes, size_t len)
{
    FILE *f = fopen(in_dir(name), "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, len, f), len);
    fclose(f);
}
static struct disk *open_as(const char *name, enum disk_format format, bool writable)
{
    struct err err;
    err_clear(&err);
    struct disk *d = disk_open_base(in_dir(name), format, writable, &err);
    if (!d)
        ck_abort_msg("%s: %s", err.cause[err.depth - 1], err.cause[0]);
    return d;
}
static const char *why_not(const char *name, enum disk_format format, bool writable)
{
    static struct err err;
    err_clear(&err);
    struct disk *d = disk_open_base(in_dir(name), format, writable, &err);
    if (d) {
        disk_close(d);
        return "opened";
    }
    ck_assert(err_is_set(&err));
    ck_assert_ptr_nonnull(err_explain(err.id, NULL));
    return err.id;
}
static void expect_clean(struct disk *d)
{
    struct qcow2_report r;
    struct err err;
    ck_assert_int_eq(qcow2_check(d, &r, NULL, NULL, &err), 0);
    ck_assert_msg(r.errors == 0, "%s", r.first);
    ck_assert_uint_eq(r.leaks, 0);
}

/* Random reads, writes and zeroings of d, compared with the plain copy `want` of its contents. */
static void play(struct disk *d, uint8_t *want, unsigned rounds, uint64_t seed)
{
    struct rng rng = {seed};
    const size_t most = 300000;
    uint8_t *const buf = malloc(most);
    for (unsigned i = 0; i < rounds; i++) {
        const uint64_t r = rnd(&rng);
        uint64_t at = rnd(&rng) % d->size, len = rnd(&rng) % (i % 5 ? 6000 : most) + 1;
        if (r & 0x100)
            at &= ~511ull, len = (len + 511) & ~511ull;
        if (len > most)
            len = most;
        if (len > d->size - at)
            len = d->size - at;
        if (r % 8 < 3) {
            for (uint64_t n = 0; n < len; n++)
                want[at + n] = buf[n] = (uint8_t)(r + n * 7 + i);
            ck_assert_int_eq(disk_write(d, at, buf, len), 0);
        } else if (r % 8 < 5) {
            memset(want + at, 0, len);
            ck_assert_int_eq(disk_zero(d, at, len), 0);
        } else {
            ck_assert_int_eq(disk_read(d, at, buf, len), 0);
            ck_assert_int_eq(memcmp(buf, want + at, len), 0);
        }
    }
    free(buf);
}
static void compare(struct disk *d, const uint8_t *want)
{
    uint8_t *const got = malloc(d->size);
    ck_assert_int_eq(disk_read(d, 0, got, d->size), 0);
    ck_assert_int_eq(memcmp(got, want, d->size), 0);
    for (uint64_t at = 0, len; at < d->size; at += len) {
        len = d->size - at;
        if (!disk_has_data(d, at, &len)) {
            ck_assert_uint_gt(len, 0);
            ck_assert(want[at] == 0 && memcmp(want + at, want + at + 1, len - 1) == 0);
        }
    }
    free(got);
}
static uint8_t *pattern(size_t size)
{
    uint8_t *const p = malloc(size);
    for (size_t i = 0; i < size; i++)
        p[i] = (uint8_t)(i / 512 + i % 251);
    return p;
}
static void create(const char *name, uint64_t size, unsigned bits, const char *backing,
                   enum disk_format format)
{
    struct err err;
    const struct qcow2_create c = {size, bits, backing, format};
    ck_assert_int_eq(qcow2_create(in_dir(name), &c, &err), 0);
}

START_TEST(a_raw_image_is_what_the_file_is)
{
    uint8_t *const want = pattern(1 << 20), byte;
    put_file("a", want, 1 << 20);
    struct disk *d = open_as("a", DISK_PROBE, true);
    ck_assert_uint_eq(d->size, 1 << 20);
    ck_assert_str_eq(d->ops->format, "raw");
    play(d, want, 300, 1);
    ck_assert_int_eq(disk_read(d, 1 << 20, &byte, 1), -ERANGE);
    ck_assert_int_eq(disk_read(d, UINT64_MAX, &byte, 2), -ERANGE);
    ck_assert_int_eq(disk_flush(d), 0);
    disk_close(d);
    d = open_as("a", DISK_RAW, false);
    compare(d, want);
    ck_assert_int_eq(disk_write(d, 0, &byte, 1), -EROFS);
    disk_close(d);
    free(want);
}
END_TEST

START_TEST(a_short_last_sector_reads_as_zeros)
{
    uint8_t *const p = pattern(1000), got[1024];
    put_file("a", p, 1000);
    struct disk *d = open_as("a", DISK_RAW, false);
    ck_assert_uint_eq(d->size, 1024);
    ck_assert_int_eq(disk_read(d, 0, got, 1024), 0);
    ck_assert_int_eq(memcmp(got, p, 1000), 0);
    ck_assert_uint_eq(got[1000] | got[1023], 0);
    disk_close(d);
    free(p);
}
END_TEST

START_TEST(a_guest_cannot_make_a_qcow2_image_of_a_raw_one)
{
    uint8_t zeros[4096] = {0};
    put_file("a", zeros, sizeof zeros);
    struct disk *d = open_as("a", DISK_PROBE, true);
    ck_assert_int_eq(disk_write(d, 0, "QFI\xfb", 4), -EPERM);
    ck_assert_int_eq(disk_write(d, 0, "QF", 2), 0);
    ck_assert_int_eq(disk_write(d, 2, "I\xfb", 2), -EPERM);
    disk_close(d);
    d = open_as("a", DISK_RAW, true);
    ck_assert_int_eq(disk_write(d, 0, "QFI\xfb", 4), 0);
    disk_close(d);
}
END_TEST

START_TEST(an_overlay_keeps_writes_away_from_the_base)
{
    uint8_t *const base = pattern(3 << 20), *const want = pattern(3 << 20);
    struct err err;
    put_file("a", base, 3 << 20);
    const struct disk_config cfg = {.path = in_dir("a"), .overlay_dir = dir};
    struct disk *d = disk_open(&cfg, &err);
    ck_assert_ptr_nonnull(d);
    ck_assert_uint_eq(d->digest, 0);
    play(d, want, 600, 2);
    compare(d, want);
    ck_assert_uint_ne(d->digest, 0);
    disk_close(d);
    d = open_as("a", DISK_RAW, false);
    compare(d, base);
    disk_close(d);
    free(base);
    free(want);
}
END_TEST

START_TEST(an_overlay_digest_depends_on_contents_not_on_order)
{
    struct err err;
    struct disk *d[2];
    uint8_t a[8192], b[8192];
    memset(a, 1, sizeof a);
    memset(b, 2, sizeof b);
    for (unsigned i = 0; i < 2; i++)
        d[i] = overlay_new(memdisk_new(1 << 20), dir, &err);
    disk_write(d[0], 0, a, 8192);
    disk_write(d[0], 65536, b, 8192);
    disk_write(d[1], 65536, a, 8192);
    disk_write(d[1], 65536, b, 8192);
    ck_assert_uint_ne(d[0]->digest, d[1]->digest);
    disk_write(d[1], 0, a, 100);
    disk_write(d[1], 100, a, 8092);
    ck_assert_uint_eq(d[0]->digest, d[1]->digest);
    disk_write(d[1], 65536, a, 1);
    ck_assert_uint_ne(d[0]->digest, d[1]->digest);
    disk_close(d[0]);
    disk_close(d[1]);
}
END_TEST

START_TEST(discarding_a_huge_disk_costs_little)
{
    struct err err;
    uint8_t byte = 1, got[2] = {9, 9};
    put_file("a", "", 0);
    ck_assert_int_eq(truncate(in_dir("a"), 1ll << 40), 0);
    struct disk *const base = open_as("a", DISK_RAW, false);
    struct disk *d = overlay_new(base, dir, &err);
    ck_assert_ptr_nonnull(d);
    disk_write(d, 1ull << 39, &byte, 1);
    ck_assert_int_eq(disk_zero(d, 0, d->size), 0);
    const uint64_t all = d->digest;
    ck_assert_int_eq(disk_read(d, 1ull << 39, got, 2), 0);
    ck_assert_uint_eq(got[0] | got[1], 0);
    disk_write(d, 12345, &byte, 1);
    ck_assert_uint_ne(d->digest, all);
    disk_zero(d, 8192, 8192);
    ck_assert_uint_eq(d->digest, all); /* the same contents */
    disk_close(d);
}
END_TEST

START_TEST(an_overlay_of_an_odd_size_ends_where_the_disk_ends)
{
    struct err err;
    const size_t size = 5 * 4096 + 512;
    uint8_t *const want = pattern(size);
    struct disk *const base = memdisk_new(size);
    disk_write(base, 0, want, size);
    struct disk *d = overlay_new(base, dir, &err);
    play(d, want, 500, 3);
    compare(d, want);
    disk_close(d);
    free(want);
}
END_TEST

START_TEST(a_full_host_is_an_io_error_for_the_guest)
{
    struct err err;
    uint8_t bytes[8192] = {1};
    struct disk *d = overlay_new(memdisk_new(1 << 20), dir, &err);
    /* the overlay's file cannot be written any more: /dev/full answers as a full disk does */
    struct overlay_head {
        struct disk disk;
        struct disk *base;
        struct hostfile file;
    } *const o = (struct overlay_head *)d;
    FILE *full = fopen("/dev/full", "r+");
    ck_assert_ptr_nonnull(full);
    ck_assert_int_ge(dup2(fileno(full), o->file.fd), 0);
    ck_assert_int_eq(disk_write(d, 0, bytes, 8192), -ENOSPC);
    ck_assert_int_eq(disk_write(d, 5, bytes, 10), -ENOSPC);
    ck_assert_int_eq(disk_read(d, 0, bytes, 8192), 0);
    ck_assert_uint_eq(bytes[0], 0);
    fclose(full);
    disk_close(d);
}
END_TEST

/* Sizes of clusters that need several refcount blocks and a longer refcount table among them. */
START_TEST(qcow2_images_take_random_writes)
{
    static const struct {
        unsigned bits;
        size_t size;
    } cases[] = {{9, 1 << 19}, {12, (3 << 20) + 512}, {16, 9 << 20}, {18, 5 << 20}};
    for (unsigned i = 0; i < 4; i++) {
        char name[8] = {(char)('a' + i)};
        uint8_t *const want = calloc(1, cases[i].size);
        create(name, cases[i].size, cases[i].bits, NULL, DISK_PROBE);
        struct disk *d = open_as(name, DISK_PROBE, true);
        ck_assert(disk_is_qcow2(d));
        play(d, want, 700, 10 + i);
        compare(d, want);
        disk_flush(d);
        expect_clean(d);
        disk_close(d);
        d = open_as(name, DISK_QCOW2, true);
        compare(d, want);
        play(d, want, 200, 20 + i);
        disk_close(d);
        d = open_as(name, DISK_QCOW2, false);
        compare(d, want);
        expect_clean(d);
        disk_close(d);
        free(want);
    }
}
END_TEST

START_TEST(a_qcow2_image_shows_its_backing_file_until_written)
{
    const size_t small = 1 << 20, size = 2 << 20;
    uint8_t *const base = pattern(small), *const want = calloc(1, size);
    memcpy(want, base, small);
    put_file("base", base, small);
    create("mid", size, 12, "base", DISK_RAW);
    create("top", size, 16, "mid", DISK_QCOW2);
    struct disk *d = open_as("top", DISK_PROBE, true);
    compare(d, want);
    play(d, want, 500, 4);
    compare(d, want);
    disk_flush(d);
    expect_clean(d);
    disk_close(d);
    d = open_as("base", DISK_RAW, false);
    compare(d, base);
    disk_close(d);
    free(base);
    free(want);
}
END_TEST

START_TEST(a_large_disk_needs_a_longer_refcount_table)
{
    uint8_t block[4096];
    create("a", 64u << 20, 9, NULL, DISK_PROBE);
    struct disk *d = open_as("a", DISK_QCOW2, true);
    memset(block, 7, sizeof block);
    /* 64 entries of 256 clusters of 512 bytes: 8 MiB and more */
    for (uint64_t at = 0; at < 12u << 20; at += sizeof block)
        ck_assert_int_eq(disk_write(d, at, block, sizeof block), 0);
    disk_flush(d);
    expect_clean(d);
    disk_close(d);
    d = open_as("a", DISK_QCOW2, false);
    ck_assert_int_eq(disk_read(d, (12u << 20) - 4096, block, sizeof block), 0);
    ck_assert_uint_eq(block[0] + block[4095], 14);
    expect_clean(d);
    disk_close(d);
}
END_TEST

START_TEST(what_cannot_be_opened_is_explained)
{
    uint8_t h[65536] = {0};
    ck_assert_str_eq(why_not("none", DISK_PROBE, false), "E-DISK-001");
    ck_assert_str_eq(why_not("", DISK_PROBE, false), "E-DISK-001"); /* the folder */
    put_file("empty", h, 0);
    ck_assert_str_eq(why_not("empty", DISK_PROBE, false), "E-DISK-002");
    put_file("short", "abc", 3);
    ck_assert_str_eq(why_not("short", DISK_PROBE, false), "E-DISK-002");
    ck_assert_str_eq(why_not("short", DISK_QCOW2, false), "E-DISK-003");
    put_file("zeros", h, 4096);
    ck_assert_str_eq(why_not("zeros", DISK_QCOW2, false), "E-DISK-012");
    memcpy(h, "conectix", 8);
    put_file("vhd", h, 4096);
    ck_assert_str_eq(why_not("vhd", DISK_PROBE, false), "E-DISK-013");
    ck_assert_str_eq(why_not("vhd", DISK_RAW, false), "opened");
    create("loop", 1 << 20, 16, "loop", DISK_QCOW2);
    ck_assert_str_eq(why_not("loop", DISK_PROBE, false), "E-DISK-008");
    create("lost", 1 << 20, 16, "nowhere", DISK_RAW);
    ck_assert_str_eq(why_not("lost", DISK_PROBE, false), "E-DISK-001");
    create("net", 1 << 20, 16, "nbd://host/x", DISK_RAW);
    ck_assert_str_eq(why_not("net", DISK_PROBE, false), "E-DISK-008");
    struct disk *d = open_as("zeros", DISK_RAW, true);
    ck_assert_str_eq(why_not("zeros", DISK_RAW, true), "E-DISK-006");
    ck_assert_str_eq(why_not("zeros", DISK_RAW, false), "E-DISK-006");
    disk_close(d);
}
END_TEST

static void patch(const char *name, long at, uint8_t value)
{
    FILE *f = fopen(in_dir(name), "r+b");
    ck_assert_ptr_nonnull(f);
    fseek(f, at, SEEK_SET);
    fputc(value, f);
    fclose(f);
}

START_TEST(features_that_are_not_understood_are_refused)
{
    static const struct {
        long at;
        uint8_t value;
        const char *id, *written;
    } rows[] = {
        {79, 4, "E-DISK-004", NULL},     /* external data file */
        {79, 8, "E-DISK-004", NULL},     /* compression type */
        {79, 16, "E-DISK-004", NULL},    /* subclusters */
        {72, 128, "E-DISK-004", NULL},   /* bit 63 */
        {35, 1, "E-DISK-004", NULL},     /* encryption */
        {7, 4, "E-DISK-003", NULL},      /* version */
        {23, 30, "E-DISK-003", NULL},    /* cluster bits */
        {99, 7, "E-DISK-003", NULL},     /* refcount order */
        {24, 1, "E-DISK-003", NULL},     /* size */
        {39, 0, "E-DISK-003", NULL},     /* L1 size */
        {40, 1, "E-DISK-003", NULL},     /* L1 offset */
        {48, 1, "E-DISK-003", NULL},     /* refcount table */
        {79, 1, "opened", "E-DISK-005"}, /* dirty */
        {79, 2, "opened", "E-DISK-005"}, /* corrupt */
        {87, 0xff, "opened", "opened"},  /* compatible */
        {95, 0xff, "opened", "opened"},  /* autoclear */
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char name[8];
        snprintf(name, sizeof name, "f%u", i);
        create(name, 1 << 20, 16, NULL, DISK_PROBE);
        patch(name, rows[i].at, rows[i].value);
        ck_assert_str_eq(why_not(name, DISK_QCOW2, false), rows[i].id);
        if (rows[i].written)
            ck_assert_str_eq(why_not(name, DISK_QCOW2, true), rows[i].written);
    }
}
END_TEST

/* Runs in the test's folder; whether it succeeded. */
static bool shell(const char *cmd)
{
    char text[600];
    snprintf(text, sizeof text, "cd '%s' && { %s; } >/dev/null 2>&1", dir, cmd);
    return system(text) == 0;
}

/* Images that qemu-img wrote, with all kinds of clusters, written by us and read back by it. */
START_TEST(images_of_qemu_img_are_read_and_written)
{
    static const char *const make[] = {
        "qemu-img convert -O qcow2 src.raw a",
        "qemu-img convert -O qcow2 -c src.raw a",
        "qemu-img convert -O qcow2 -c -o cluster_size=4k,compat=0.10 src.raw a",
        "qemu-img convert -O qcow2 -o cluster_size=512 src.raw a",
        "qemu-img convert -O qcow2 -o refcount_bits=1 src.raw a",
        "qemu-img convert -O qcow2 -o refcount_bits=64,cluster_size=2M src.raw a",
        "qemu-img convert -O qcow2 -c src.raw a && qemu-img snapshot -c one a",
        ("qemu-img convert -O qcow2 -o refcount_bits=4 src.raw a && qemu-img snapshot -c one a && "
         "qemu-io -c 'write -P 0 0 300k' a"),
        "qemu-img create -f qcow2 -b src.raw -F raw a 5M",
        "qemu-img create -f qcow2 -o compat=0.10 -b src.raw -F raw a 5M",
        "qemu-img convert -O qcow2 -o preallocation=metadata src.raw a",
    };
    const size_t size = 3 << 20;
    if (!shell("qemu-img --version"))
        return; /* tests/disk says that this was not compared */
    uint8_t *const src = calloc(1, 5 << 20), *const want = calloc(1, 5 << 20);
    for (size_t i = 0; i < size; i++)
        src[i] = i / 70000 % 3 ? (uint8_t)(i / 13 + i / 4099) : 0;
    put_file("src.raw", src, size);
    for (unsigned i = 0; i < sizeof make / sizeof make[0]; i++) {
        ck_assert_msg(shell(make[i]), "%s", make[i]);
        memcpy(want, src, 5 << 20);
        if (strstr(make[i], "-P 0"))
            memset(want, 0, 300 << 10);
        struct disk *d = open_as("a", DISK_PROBE, true);
        compare(d, want);
        play(d, want, 150, 30 + i);
        disk_flush(d);
        expect_clean(d);
        disk_close(d);
        ck_assert_msg(shell("qemu-img check a"), "check after %s", make[i]);
        ck_assert(shell("qemu-img convert -O raw a out"));
        d = open_as("out", DISK_RAW, false);
        compare(d, want);
        disk_close(d);
        if (strstr(make[i], "snapshot"))
            ck_assert(
                shell("qemu-img convert -O raw -l one a out && qemu-img compare src.raw out"));
        ck_assert(shell("rm -f a out"));
    }
    free(src);
    free(want);
}
END_TEST

/* Damaged images are refused or give I/O errors; nothing else happens. */
START_TEST(mutated_images_do_no_harm)
{
    struct rng rng = {99};
    static uint8_t image[1 << 20];
    uint8_t *const buf = malloc(1 << 20);
    create("src", 1 << 20, 12, NULL, DISK_PROBE);
    struct disk *d = open_as("src", DISK_QCOW2, true);
    uint8_t *const want = calloc(1, 1 << 20);
    play(d, want, 40, 5);
    disk_close(d);
    FILE *f = fopen(in_dir("src"), "rb");
    const size_t len = fread(image, 1, sizeof image, f);
    fclose(f);
    for (unsigned i = 0; i < 1500; i++) {
        uint8_t *const m = malloc(len);
        memcpy(m, image, len);
        for (unsigned n = 0; n <= i % 4; n++) {
            const uint64_t r = rnd(&rng);
            const size_t table = r & 1 ? 112 : 0x8000; /* the header, or header and tables */
            m[rnd(&rng) % table] = r & 2 ? (uint8_t)(r >> 8) : r & 4 ? 0xff : 0;
        }
        put_file("m", m, i % 7 == 0 ? rnd(&rng) % len : len);
        free(m);
        struct err err;
        d = disk_open_base(in_dir("m"), DISK_QCOW2, i & 1, &err);
        if (!d)
            continue;
        struct qcow2_report r;
        qcow2_check(d, &r, NULL, NULL, &err);
        for (unsigned n = 0; n < 6; n++) {
            const uint64_t at = rnd(&rng) % d->size;
            const uint64_t most = d->size - at < 1 << 18 ? d->size - at : 1 << 18;
            disk_read(d, at, buf, rnd(&rng) % most + 1);
            if (i & 1 && disk_write(d, at, buf, rnd(&rng) % (most < 9000 ? most : 9000)) == 0)
                disk_zero(d, at, rnd(&rng) % (most < 99999 ? most : 99999));
        }
        disk_close(d);
    }
    free(buf);
    free(want);
}
END_TEST

/* ---- VHD and VHDX ---- */

static const enum disk_format block_formats[] = {DISK_VHD, DISK_VHDX};
#define BLOCK_FORMATS 2

static void create_blocks(const char *name, enum disk_format format, uint64_t size,
                          const char *backing)
{
    static uint8_t serial;
    struct err err;
    const struct disk_create c = {format, size, backing, {0x5a, ++serial}};
    err_clear(&err);
    if (disk_create(in_dir(name), &c, &err))
        ck_abort_msg("%s", err.cause[0]);
}
static uint8_t *get_file(const char *name, size_t *len)
{
    FILE *f = fopen(in_dir(name), "rb");
    ck_assert_ptr_nonnull(f);
    fseek(f, 0, SEEK_END);
    *len = (size_t)ftell(f);
    rewind(f);
    uint8_t *const p = malloc(*len);
    ck_assert_uint_eq(fread(p, 1, *len, f), *len);
    fclose(f);
    return p;
}

START_TEST(vhd_and_vhdx_images_take_random_writes)
{
    const size_t size = (5 << 20) + 1536;
    for (unsigned i = 0; i < BLOCK_FORMATS; i++) {
        uint8_t *const want = calloc(1, size);
        create_blocks("a", block_formats[i], size, NULL);
        for (unsigned round = 0; round < 3; round++) {
            struct disk *d = open_as("a", DISK_PROBE, true);
            ck_assert_str_eq(d->ops->format, disk_format_name(block_formats[i]));
            ck_assert_uint_eq(d->size, size);
            compare(d, want);
            play(d, want, 200, 70 + round);
            ck_assert_int_eq(disk_flush(d), 0);
            compare(d, want);
            disk_close(d);
        }
        struct disk *d = open_as("a", block_formats[i], false);
        compare(d, want);
        ck_assert_int_eq(disk_write(d, 0, want, 1), -EROFS);
        disk_close(d);
        ck_assert_int_eq(unlink(in_dir("a")), 0);
        free(want);
    }
}
END_TEST

START_TEST(a_differencing_image_shows_its_parent_until_written)
{
    const size_t size = (9 << 20) + 512;
    for (unsigned i = 0; i < BLOCK_FORMATS; i++) {
        uint8_t *const base = calloc(1, size), *const want = malloc(size);
        create_blocks("base", block_formats[i], size, NULL);
        struct disk *d = open_as("base", DISK_PROBE, true);
        play(d, base, 60, 80 + i);
        disk_close(d);
        create_blocks("mid", block_formats[i], 0, "base");
        create_blocks("top", block_formats[i], 0, in_dir("mid"));
        memcpy(want, base, size);
        d = open_as("top", DISK_PROBE, true);
        compare(d, base);
        play(d, want, 150, 85 + i);
        disk_close(d);
        d = open_as("top", DISK_PROBE, false);
        compare(d, want);
        disk_close(d);
        d = open_as("mid", DISK_PROBE, false);
        compare(d, base);
        disk_close(d);
        /* a parent that was made anew, and one that is gone */
        ck_assert_int_eq(unlink(in_dir("mid")), 0);
        create_blocks("mid", block_formats[i], size, NULL);
        ck_assert_str_eq(why_not("top", DISK_PROBE, false), "E-DISK-008");
        ck_assert_int_eq(unlink(in_dir("mid")), 0);
        ck_assert_str_eq(why_not("top", DISK_PROBE, false), "E-DISK-001");
        ck_assert_int_eq(unlink(in_dir("base")) | unlink(in_dir("top")), 0);
        free(base);
        free(want);
    }
}
END_TEST

/* Blocks of which some sectors are here, others in the parent, as other programs write them. */
START_TEST(some_sectors_of_a_block_come_from_the_parent)
{
    const size_t size = 4 << 20;
    uint8_t *const base = pattern(size), *const top = malloc(size), *const want = malloc(size);
    for (size_t n = 0; n < size; n++)
        top[n] = (uint8_t)~base[n];
    for (unsigned i = 0; i < BLOCK_FORMATS; i++) {
        size_t len;
        create_blocks("base", block_formats[i], size, NULL);
        struct disk *d = open_as("base", DISK_PROBE, true);
        ck_assert_int_eq(disk_write(d, 0, base, size), 0);
        disk_close(d);
        create_blocks("top", block_formats[i], 0, "base");
        d = open_as("top", DISK_PROBE, true);
        ck_assert_int_eq(disk_write(d, 0, top, size), 0);
        disk_close(d);
        /* sectors 8 to 15 and 24 of the first block are the parent's */
        uint8_t *const file = get_file("top", &len), *const more = calloc(1, len + (1 << 20));
        memcpy(more, file, len);
        if (block_formats[i] == DISK_VHD) {
            uint8_t *const bitmap = more + 512ull * get_be32(more + 1536);
            bitmap[1] = 0, bitmap[3] = 0x7f;
        } else {
            uint8_t *const bat = more + (3 << 20);
            const size_t at = (len + 0xfffff) & ~(size_t)0xfffff;
            bat[0] = 7; /* partially present */
            put_le64(bat + 8ull * 2048, at | 6);
            memset(more + at, 0xff, len + (1 << 20) - at);
            more[at + 1] = 0, more[at + 3] = 0xfe;
            len += 1 << 20;
        }
        put_file("top", more, len);
        free(file);
        free(more);
        memcpy(want, top, size);
        memcpy(want + 8 * 512, base + 8 * 512, 8 * 512);
        memcpy(want + 24 * 512, base + 24 * 512, 512);
        d = open_as("top", DISK_PROBE, true);
        compare(d, want);
        play(d, want, 60, 90);
        disk_close(d);
        d = open_as("top", DISK_PROBE, false);
        compare(d, want);
        disk_close(d);
        ck_assert_int_eq(unlink(in_dir("base")) | unlink(in_dir("top")), 0);
    }
    free(base);
    free(top);
    free(want);
}
END_TEST

/* What a crash leaves between the log and the table, and what a torn header does. */
START_TEST(the_log_of_a_vhdx_image_is_replayed)
{
    static uint8_t want[1 << 20], zeros[4096];
    const size_t bat = 3 << 20;
    size_t len;
    create_blocks("a", DISK_VHDX, sizeof want, NULL);
    struct disk *d = open_as("a", DISK_PROBE, true);
    play(d, want, 50, 3);
    disk_flush(d);
    uint8_t *const file = get_file("a", &len); /* here the machine stops */
    disk_close(d);
    ck_assert_uint_eq(get_le64(file + bat) & 7, 6);
    memcpy(file + bat, zeros, sizeof zeros);
    put_file("b", file, len);
    d = open_as("b", DISK_PROBE, false); /* in memory */
    compare(d, want);
    disk_close(d);
    size_t same;
    uint8_t *again = get_file("b", &same);
    ck_assert_uint_eq(same, len);
    ck_assert_int_eq(memcmp(again, file, len), 0);
    free(again);
    if (system("qemu-img --version >/dev/null 2>&1") == 0) { /* and by another program */
        char cmd[400];
        d = open_as("a", DISK_PROBE, false);
        disk_close(d);
        put_file("c", file, len);
        snprintf(cmd, sizeof cmd,
                 "cd '%s' && { qemu-img check -r all c; qemu-img compare a c; } >/dev/null 2>&1",
                 dir);
        ck_assert_int_eq(system(cmd), 0);
    }
    d = open_as("b", DISK_PROBE, true); /* into the file */
    compare(d, want);
    disk_close(d);
    again = get_file("b", &same);
    ck_assert_uint_eq(get_le64(again + bat) & 7, 6);
    again[65536 + 100] ^=
        1; /* one header torn: the other counts, and the log is empty or the same */
    put_file("b", again, same);
    d = open_as("b", DISK_PROBE, false);
    compare(d, want);
    disk_close(d);
    again[131072 + 100] ^= 1;
    put_file("b", again, same);
    ck_assert_str_eq(why_not("b", DISK_PROBE, false), "E-DISK-013");
    free(again);
    file[(1 << 20) + 8192 + 50] ^=
        1; /* an entry that is torn: the one before counts, an empty one */
    put_file("b", file, len);
    memset(want, 0, sizeof want);
    d = open_as("b", DISK_PROBE, false);
    compare(d, want);
    disk_close(d);
    file[(1 << 20) + 50] ^= 1; /* no good entry at all */
    put_file("b", file, len);
    ck_assert_str_eq(why_not("b", DISK_PROBE, false), "E-DISK-013");
    free(file);
}
END_TEST

START_TEST(vhd_and_vhdx_images_of_qemu_img_are_read_and_written)
{
    static const struct {
        const char *make;
        enum disk_format format;
    } rows[] = {
        {"qemu-img convert -O vhdx src.raw a", DISK_PROBE},
        {"qemu-img convert -O vhdx -o block_size=1M src.raw a", DISK_PROBE},
        {"qemu-img convert -O vhdx -o subformat=fixed src.raw a", DISK_PROBE},
        {"qemu-img convert -O vhdx -o block_state_zero=off src.raw a", DISK_PROBE},
        {"qemu-img convert -O vpc src.raw a", DISK_PROBE},
        {"qemu-img convert -O vpc -o force_size=on src.raw a", DISK_PROBE},
        {"qemu-img convert -O vpc -o subformat=fixed src.raw a", DISK_VHD},
    };
    const size_t size = 3 << 20;
    if (!shell("qemu-img --version"))
        return; /* tests/disk says that this was not compared */
    uint8_t *const src = calloc(1, 5 << 20), *const want = calloc(1, 5 << 20);
    for (size_t i = 0; i < size; i++)
        src[i] = i / 70000 % 3 ? (uint8_t)(i / 13 + i / 4099) : 0;
    put_file("src.raw", src, size);
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ck_assert_msg(shell(rows[i].make), "%s", rows[i].make);
        memcpy(want, src, 5 << 20);
        struct disk *d = open_as("a", rows[i].format, true);
        ck_assert_uint_ge(d->size, size); /* VHDs of qemu-img end at a cylinder */
        compare(d, want);
        play(d, want, 150, 30 + i);
        disk_close(d);
        if (disk_format_of(d = open_as("a", rows[i].format, false)) == DISK_VHDX)
            ck_assert_msg(shell("qemu-img check a"), "check after %s", rows[i].make);
        compare(d, want);
        disk_close(d);
        ck_assert(shell(strstr(rows[i].make, "vpc") ? "qemu-img convert -f vpc -O raw a out"
                                                    : "qemu-img convert -O raw a out"));
        d = open_as("out", DISK_RAW, false);
        compare(d, want);
        disk_close(d);
        ck_assert(shell("rm -f a out"));
    }
    free(src);
    free(want);
}
END_TEST

/* Puts right the checksums of a VHDX or VHD image, so that damage gets past them. */
static void sign(uint8_t *m, size_t len, enum disk_format format)
{
    if (format == DISK_VHDX) {
        for (unsigned i = 0; i < 2; i++) {
            put_le32(m + 65536 * (i + 1) + 4, vhdx_crc(m + 65536 * (i + 1), 4096, 4));
            put_le32(m + 65536 * (i + 3) + 4, vhdx_crc(m + 65536 * (i + 3), 65536, 4));
        }
        put_le32(m + (1 << 20) + 4, vhdx_crc(m + (1 << 20), 4096, 4));
        put_le32(m + (1 << 20) + 4100, vhdx_crc(m + (1 << 20) + 4096, 8192, 4));
        return;
    }
    for (unsigned i = 0; i < 3; i++) {
        uint8_t *const p = i == 0 ? m : i == 1 ? m + 512 : m + len - 512;
        const unsigned size = i == 1 ? 1024 : 512, field = i == 1 ? 36 : 64;
        uint32_t sum = 0;
        for (unsigned n = 0; n < size; n++)
            sum += n >= field && n < field + 4 ? 0 : p[n];
        put_be32(p + field, ~sum);
    }
}

/* Where the mutations of an image go: header, tables, log. */
static size_t pick_byte(uint64_t r, enum disk_format format, size_t len)
{
    static const unsigned vhdx[] = {65536,   65536 * 2,         65536 * 3,        1 << 20,
                                    2 << 20, (2 << 20) + 65536, (1 << 20) + 4096, 3 << 20};
    if (format == DISK_VHD)
        return r & 1 ? r / 2 % 1600 : len - 512 + r / 2 % 512;
    return vhdx[r % 8] + r / 8 % (r & 0x800000 ? 4200 : 128);
}

static void use(struct disk *d, struct rng *rng, uint8_t *buf, bool writes)
{
    for (unsigned n = 0; n < 6; n++) {
        const uint64_t at = rnd(rng) % d->size;
        const uint64_t most = d->size - at < 1 << 18 ? d->size - at : 1 << 18;
        uint64_t len = most;
        disk_has_data(d, at, &len);
        disk_read(d, at, buf, rnd(rng) % most + 1);
        if (writes && disk_write(d, at, buf, rnd(rng) % (most < 9000 ? most : 9000)) == 0)
            disk_zero(d, at, rnd(rng) % (most < 99999 ? most : 99999));
    }
}

START_TEST(mutated_vhd_and_vhdx_images_do_no_harm)
{
    struct rng rng = {98};
    uint8_t *const buf = calloc(1, 1 << 20);
    for (unsigned i = 0; i < BLOCK_FORMATS; i++) {
        const enum disk_format format = block_formats[i];
        size_t len;
        create_blocks("base", format, 1 << 20, NULL);
        create_blocks("src", format, 0, "base");
        struct disk *d = open_as("src", DISK_PROBE, true);
        ck_assert_int_eq(disk_write(d, 5000, buf, 3000), 0);
        uint8_t *const image = get_file("src", &len); /* with a log */
        disk_close(d);
        unsigned opened = 0;
        for (unsigned k = 0; k < 500; k++) {
            uint8_t *const m = malloc(len);
            memcpy(m, image, len);
            for (unsigned n = 0; n <= k % 3; n++) {
                const uint64_t r = rnd(&rng);
                m[pick_byte(r >> 12, format, len)] = r & 2 ? (uint8_t)(r >> 3) : r & 4 ? 0xff : 0;
            }
            if (k % 8)
                sign(m, len, format);
            put_file("m", m, k % 11 == 0 ? rnd(&rng) % len : len);
            free(m);
            struct err err;
            err_clear(&err);
            d = disk_open_base(in_dir("m"), format, k & 1, &err);
            if (!d)
                continue;
            opened++;
            use(d, &rng, buf, k & 1);
            disk_close(d);
        }
        ck_assert_uint_gt(opened, 50);
        ck_assert_int_eq(unlink(in_dir("base")) | unlink(in_dir("src")), 0);
        free(image);
    }
    free(buf);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("disk");
    TCase *tc = tcase_create("disk");
    tcase_add_checked_fixture(tc, setup, cleanup);
    tcase_set_timeout(tc, 60);
    const TTest *const tests[] = {
        a_raw_image_is_what_the_file_is,
        a_short_last_sector_reads_as_zeros,
        a_guest_cannot_make_a_qcow2_image_of_a_raw_one,
        an_overlay_keeps_writes_away_from_the_base,
        an_overlay_digest_depends_on_contents_not_on_order,
        discarding_a_huge_disk_costs_little,
        an_overlay_of_an_odd_size_ends_where_the_disk_ends,
        a_full_host_is_an_io_error_for_the_guest,
        qcow2_images_take_random_writes,
        a_qcow2_image_shows_its_backing_file_until_written,
        a_large_disk_needs_a_longer_refcount_table,
        what_cannot_be_opened_is_explained,
        features_that_are_not_understood_are_refused,
        images_of_qemu_img_are_read_and_written,
        mutated_images_do_no_harm,
        vhd_and_vhdx_images_take_random_writes,
        a_differencing_image_shows_its_parent_until_written,
        some_sectors_of_a_block_come_from_the_parent,
        the_log_of_a_vhdx_image_is_replayed,
        vhd_and_vhdx_images_of_qemu_img_are_read_and_written,
        mutated_vhd_and_vhdx_images_do_no_harm,
    };
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++)
        tcase_add_test(tc, tests[i]);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
