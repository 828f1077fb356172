/* Unit tests of core/bus.c, core/dev.c, core/input.c: dispatch, splitting, fields, queues. */
#include "tests/lib/suite.h"

#include <errno.h>
#include <string.h>

#include "core/bus.h"
#include "core/dev.h"
#include "core/input.h"

struct probe {
    uint64_t offset, value;
    unsigned size, calls;
};

static uint64_t probe_read(void *dev, uint64_t offset, unsigned size)
{
    struct probe *p = dev;
    *p = (struct probe){offset, 0, size, p->calls + 1};
    return 0x1122334455667780ull + offset;
}

static void probe_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    struct probe *p = dev;
    *p = (struct probe){offset, value, size, p->calls + 1};
}

static const struct bus_ops any = {probe_read, probe_write, 0},
                            bytes = {probe_read, probe_write, 1};

START_TEST(nothing_there_reads_all_ones)
{
    struct bus *b = bus_new();
    ck_assert_uint_eq(bus_port_read(b, 0x1234, 1), 0xff);
    ck_assert_uint_eq(bus_port_read(b, 0xffff, 4), 0xffffffff);
    ck_assert_uint_eq(bus_mmio_read(b, hpa(0xc0000000), 8), UINT64_MAX);
    bus_mmio_write(b, hpa(0xc0000000), 8, 1);
    bus_free(b);
}
END_TEST

START_TEST(accesses_reach_the_range_with_offset_and_size)
{
    struct bus *b = bus_new();
    struct probe p = {0};
    ck_assert_int_eq(bus_map_port(b, 0x100, 8, &any, &p, "p"), 0);
    ck_assert_int_eq(bus_map_mmio(b, hpa(0xd0000000), 0x1000, &any, &p, "m"), 0);
    ck_assert_uint_eq(bus_port_read(b, 0x104, 2), 0x7784);
    ck_assert_uint_eq(p.offset, 4);
    ck_assert_uint_eq(p.size, 2);
    bus_mmio_write(b, hpa(0xd0000ff8), 8, 0x123456789abcdef0ull);
    ck_assert_uint_eq(p.offset, 0xff8);
    ck_assert_uint_eq(p.value, 0x123456789abcdef0ull);
    bus_free(b);
}
END_TEST

START_TEST(wide_accesses_to_a_byte_device_are_split_low_part_first)
{
    struct bus *b = bus_new();
    struct probe p = {0};
    bus_map_port(b, 0x40, 4, &bytes, &p, "p");
    ck_assert_uint_eq(bus_port_read(b, 0x40, 4), 0x83828180);
    ck_assert_uint_eq(p.calls, 4);
    bus_port_write(b, 0x40, 2, 0xbeef);
    ck_assert_uint_eq(p.offset, 1);
    ck_assert_uint_eq(p.value, 0xbe);
    bus_free(b);
}
END_TEST

START_TEST(an_access_over_the_end_of_a_range_is_split)
{
    struct bus *b = bus_new();
    struct probe p = {0};
    bus_map_port(b, 0x60, 1, &any, &p, "p");
    ck_assert_uint_eq(bus_port_read(b, 0x60, 2), 0xff80);
    ck_assert_uint_eq(bus_port_read(b, 0x5f, 2), 0x80ff);
    bus_free(b);
}
END_TEST

START_TEST(ranges_do_not_overlap_and_can_move)
{
    struct bus *b = bus_new();
    struct probe p = {0};
    ck_assert_int_eq(bus_map_mmio(b, hpa(0x1000), 0x1000, &any, &p, "m"), 0);
    ck_assert_int_eq(bus_map_mmio(b, hpa(0x1fff), 0x1000, &any, &p, "n"), -EBUSY);
    ck_assert_int_eq(bus_map_mmio(b, hpa(0), 0x1001, &any, &p, "n"), -EBUSY);
    ck_assert_int_eq(bus_map_mmio(b, hpa(0x2000), 0x1000, &any, &p, "n"), 0);
    bus_mmio_read(b, hpa(0x1004), 4);
    bus_unmap_mmio(b, hpa(0x1000), 0x1000);
    ck_assert_uint_eq(bus_mmio_read(b, hpa(0x1004), 4), 0xffffffff);
    bus_unmap_mmio(b, hpa(0x2000), 0x1000);
    ck_assert_uint_eq(bus_mmio_read(b, hpa(0x2004), 4), 0xffffffff);
    ck_assert_int_eq(bus_map_port(b, 0xfffe, 3, &any, &p, "p"), -EINVAL);
    bus_free(b);
}
END_TEST

struct thing {
    struct dev dev;
    uint16_t a, b[3];
    uint64_t not_listed;
};
static const struct field thing_fields[] = {FIELD(struct thing, a, 7, ""),
                                            FIELD_ARRAY(struct thing, b, 9, ""), FIELD_END};

START_TEST(fields_give_reset_values_and_a_hash_of_state_only)
{
    static const struct dev_class cls = {"thing", thing_fields, NULL, NULL, NULL};
    struct thing t = {.dev = {.cls = &cls}, .not_listed = 5};
    dev_reset(&t.dev);
    ck_assert_uint_eq(t.a, 7);
    ck_assert_uint_eq(t.b[2], 9);
    ck_assert_uint_eq(t.not_listed, 5);
    const uint64_t h = fields_hash(&t, thing_fields, 1);
    t.not_listed = 6;
    ck_assert_uint_eq(fields_hash(&t, thing_fields, 1), h);
    t.b[1]++;
    ck_assert_uint_ne(fields_hash(&t, thing_fields, 1), h);
}
END_TEST

static char got[16];

static size_t accept_two(void *opaque, const uint8_t *from, size_t len)
{
    (void)opaque;
    const size_t n = len < 2 ? len : 2;
    strncat(got, (const char *)from, n);
    return n;
}

START_TEST(input_that_a_sink_does_not_take_is_offered_again)
{
    struct input *in = input_new();
    const struct input_sink s = {"serial0", accept_two, NULL};
    const int n = input_add_sink(in, &s);
    ck_assert_int_eq(input_find(in, "serial0"), n);
    ck_assert_int_eq(input_find(in, "serial1"), -ENOENT);
    ck_assert_int_eq(input_push(in, n, "abc", 3), 0);
    input_pump(in, 1);
    ck_assert_str_eq(got, "ab");
    input_pump(in, 2);
    ck_assert_str_eq(got, "abc");
    input_pump(in, 3);
    ck_assert_str_eq(got, "abc");
    ck_assert_int_eq(input_push(in, 5, "x", 1), -ENOENT);
    input_free(in);
}
END_TEST

SUITE("bus", nothing_there_reads_all_ones, accesses_reach_the_range_with_offset_and_size,
      wide_accesses_to_a_byte_device_are_split_low_part_first,
      an_access_over_the_end_of_a_range_is_split, ranges_do_not_overlap_and_can_move,
      fields_give_reset_values_and_a_hash_of_state_only,
      input_that_a_sink_does_not_take_is_offered_again)
