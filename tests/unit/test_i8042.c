/* Unit tests of the keyboard controller, the PS/2 keyboard and the PS/2 mouse. */
#include "tests/lib/suite.h"

#include <stdlib.h>
#include <string.h>

#include "core/bus.h"
#include "core/clock.h"
#include "core/input.h"
#include "devices/chipset/chipset.h"
#include "devices/chipset/i8042_int.h"

static struct bus *bus;
static struct clock *k;
static struct input *in;
static struct dev *dev;
static struct fake_line line[2]; /* IRQ 1, IRQ 12 */
static unsigned resets;

static void request(void *opaque, enum board_request what, uint32_t value)
{
    (void)opaque;
    (void)value;
    resets += what == BOARD_RESET;
}

static void build(bool devices)
{
    bus = bus_new();
    k = clock_new();
    in = input_new();
    memset(line, 0, sizeof line);
    resets = 0;
    const struct i8042_config cfg = {bus,
                                     k,
                                     {fake_line_set, line, 0},
                                     {fake_line_set, line, 1},
                                     {request, NULL, NULL},
                                     devices ? in : NULL};
    dev = i8042_new(&cfg);
    dev_reset(dev);
}

static void destroy(void)
{
    dev->cls->free(dev);
    input_free(in);
    clock_free(k);
    bus_free(bus);
}

static unsigned status(void)
{
    return (unsigned)bus_port_read(bus, 0x64, 1);
}
static unsigned rd(void)
{
    return (unsigned)bus_port_read(bus, 0x60, 1);
}
static void cmd(unsigned v)
{
    bus_port_write(bus, 0x64, 1, v);
}
static void wr(unsigned v)
{
    bus_port_write(bus, 0x60, 1, v);
}
static void config(unsigned v)
{
    cmd(0x60);
    wr(v);
}
static void key(unsigned usage, bool down)
{
    const uint8_t record[2] = {(uint8_t)usage, down};
    input_push(in, input_find(in, "keyboard"), record, 2);
    input_pump(in, 0);
}
static void mouse(unsigned buttons, int dx, int dy, int dz)
{
    const uint8_t record[4] = {(uint8_t)buttons, (uint8_t)dx, (uint8_t)dy, (uint8_t)dz};
    input_push(in, input_find(in, "mouse"), record, 4);
    input_pump(in, 0);
}
static void until(uint64_t ns)
{
    while (clock_next(k) <= ns)
        clock_advance(k, clock_next(k));
    clock_advance(k, ns);
}

/* The bytes that come next, all from one source: the auxiliary device or not. */
static void expect_bytes(bool aux, unsigned n, const uint8_t *bytes)
{
    for (unsigned i = 0; i < n; i++) {
        ck_assert_uint_eq(status() & 0x21, aux ? 0x21 : 0x01);
        ck_assert_uint_eq(rd(), bytes[i]);
    }
    ck_assert_uint_eq(status() & 1, 0);
}
#define KBD(...)   expect_bytes(false, sizeof((uint8_t[]){__VA_ARGS__}), (uint8_t[]){__VA_ARGS__})
#define MOUSE(...) expect_bytes(true, sizeof((uint8_t[]){__VA_ARGS__}), (uint8_t[]){__VA_ARGS__})

START_TEST(the_controller_tests_itself_and_both_ports)
{
    build(true);
    cmd(0xaa);
    KBD(0x55);
    cmd(0xab);
    KBD(0);
    cmd(0xa9);
    KBD(0);
    ck_assert_uint_eq(status() & 0x0c, 0x0c); /* system flag; a command came last */
    destroy();
}
END_TEST

START_TEST(without_devices_the_ports_are_dead)
{
    build(false);
    cmd(0xaa);
    KBD(0x55);
    cmd(0xab);
    KBD(1);
    wr(0xff); /* time-out: resend */
    ck_assert_uint_eq(status() & 0x61, 0x41);
    KBD(0xfe);
    ck_assert_uint_eq(status() & 0x41, 0x40);
    cmd(0xd4);
    ck_assert_uint_eq(status() & 0x41, 0);
    wr(0xff);
    ck_assert_uint_eq(status() & 0x61, 0x61);
    MOUSE(0xfe);
    cmd(0x60);
    wr(0x47); /* with its interrupt */
    ck_assert_uint_eq(status() & 0x41, 0);
    const unsigned edges = line[0].rises;
    wr(0xf4);
    ck_assert_uint_eq(line[0].rises, edges + 1);
    KBD(0xfe);
    ck_assert_int_eq(input_find(in, "keyboard"), -2);
    destroy();
}
END_TEST

START_TEST(keys_are_translated_to_set_1_with_an_edge_for_each_byte)
{
    build(true);
    config(0x41);
    key(0x04, true); /* A */
    ck_assert_int_eq(line[0].level, 1);
    KBD(0x1e);
    ck_assert_int_eq(line[0].level, 0);
    key(0x04, false);
    KBD(0x9e);
    const unsigned before = line[0].rises;
    key(0x4f, true); /* right arrow */
    key(0x4f, false);
    KBD(0xe0, 0x4d, 0xe0, 0xcd);
    ck_assert_uint_eq(line[0].rises, before + 4);
    ck_assert_uint_eq(line[1].rises, 0);
    destroy();
}
END_TEST

START_TEST(without_translation_set_2_arrives)
{
    build(true);
    config(0x01);
    key(0x40, true); /* F7: a code above 7f */
    key(0x40, false);
    key(0xe4, true); /* right Ctrl */
    key(0xe4, false);
    KBD(0x83, 0xf0, 0x83, 0xe0, 0x14, 0xe0, 0xf0, 0x14);
    destroy();
}
END_TEST

START_TEST(set_1_of_the_keyboard_is_what_translation_makes_of_set_2)
{
    for (unsigned usage = 4; usage < 0xe8; usage++) {
        uint8_t got[2][24];
        unsigned n[2] = {0, 0};
        for (unsigned way = 0; way < 2; way++) {
            build(true);
            config(way ? 0x01 : 0x41);
            if (way) {
                wr(0xf0);
                rd();
                wr(1);
                rd();
            }
            key(usage, true);
            key(usage, false);
            while ((status() & 1) && n[way] < sizeof got[way])
                got[way][n[way]++] = (uint8_t)rd();
            destroy();
        }
        ck_assert_uint_eq(n[0], n[1]);
        ck_assert_mem_eq(got[0], got[1], n[0]);
    }
}
END_TEST

START_TEST(pause_and_print_screen_send_their_long_codes)
{
    build(true);
    config(0x41);
    key(0x48, true);
    key(0x48, false);
    KBD(0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5);
    key(0x46, true);
    KBD(0xe0, 0x2a, 0xe0, 0x37);
    key(0x46, false);
    KBD(0xe0, 0xb7, 0xe0, 0xaa);
    destroy();
}
END_TEST

START_TEST(keyboard_commands_are_acknowledged)
{
    build(true);
    config(0x41);
    wr(0xff);
    KBD(0xfa, 0xaa);
    wr(0xf2);
    KBD(0xfa, 0xab, 0x41); /* the second byte is translated */
    config(0x01);
    wr(0xf2);
    KBD(0xfa, 0xab, 0x83);
    wr(0xed);
    KBD(0xfa);
    wr(0x07);
    KBD(0xfa);
    wr(0xf0);
    KBD(0xfa);
    wr(0);
    KBD(0xfa, 2);
    wr(0xee);
    KBD(0xee);
    wr(0xfe);
    KBD(0xee);
    wr(0xf0);
    KBD(0xfa);
    wr(3); /* not modelled */
    KBD(0xfe);
    destroy();
}
END_TEST

START_TEST(a_disabled_keyboard_is_silent_and_a_stopped_clock_holds_its_bytes)
{
    build(true);
    config(0x41);
    cmd(0xad);
    key(0x05, true);
    ck_assert_uint_eq(status() & 1, 0);
    cmd(0xae);
    KBD(0x30);
    wr(0xf5);
    KBD(0xfa);
    key(0x05, false);
    ck_assert_uint_eq(status() & 1, 0);
    wr(0xf4);
    KBD(0xfa);
    key(0x05, true);
    KBD(0x30);
    destroy();
}
END_TEST

START_TEST(a_held_key_repeats_by_virtual_time)
{
    build(true);
    config(0x41);
    wr(0xf3);
    rd();
    wr(0x00); /* 250 ms, then every 33 ms */
    rd();
    key(0x06, true);
    KBD(0x2e);
    until(249000000);
    ck_assert_uint_eq(status() & 1, 0);
    until(251000000);
    KBD(0x2e);
    unsigned seen = 0;
    for (uint64_t t = 252000000; t < 1251000000; t += 1000000) {
        until(t);
        while (status() & 1)
            seen += rd() == 0x2e;
    }
    ck_assert_uint_ge(seen, 29);
    ck_assert_uint_le(seen, 31);
    key(0x06, false);
    KBD(0xae);
    until(3000000000);
    ck_assert_uint_eq(status() & 1, 0);
    destroy();
}
END_TEST

START_TEST(a_full_keyboard_leaves_keys_queued_outside)
{
    build(true);
    config(0x41);
    for (unsigned i = 0; i < 40; i++)
        key(0x04 + i / 2, !(i & 1));
    for (unsigned i = 0; i < 40; i++) {
        static const uint8_t set1[20] = {0x1e, 0x30, 0x2e, 0x20, 0x12, 0x21, 0x22,
                                         0x23, 0x17, 0x24, 0x25, 0x26, 0x32, 0x31,
                                         0x18, 0x19, 0x10, 0x13, 0x1f, 0x14};
        ck_assert_uint_eq(status() & 1, 1);
        ck_assert_uint_eq(rd(), set1[i / 2] | (i & 1) << 7);
        input_pump(in, 0);
    }
    destroy();
}
END_TEST

static void to_mouse(unsigned v)
{
    cmd(0xd4);
    wr(v);
}

static void mouse_on(void)
{
    build(true);
    config(0x43);
    to_mouse(0xf4);
    MOUSE(0xfa);
}

START_TEST(the_mouse_sends_three_bytes_and_interrupts_on_line_12)
{
    mouse_on();
    mouse(1, 5, -3, 0);
    ck_assert_int_eq(line[1].level, 1);
    ck_assert_int_eq(line[0].level, 0);
    MOUSE(0x29, 5, 0xfd);
    mouse(0, 0, 0, 0);
    MOUSE(0x08, 0, 0);
    destroy();
}
END_TEST

START_TEST(movements_add_up_while_a_packet_is_under_way)
{
    mouse_on();
    mouse(0, 1, 1, 0);
    for (unsigned i = 0; i < 5; i++)
        mouse(0, 100, -50, 0);
    MOUSE(0x08, 1, 1, 0x28, 255, 6, 0x08, 245, 0);
    destroy();
}
END_TEST

START_TEST(the_sample_rate_sequence_makes_a_wheel)
{
    static const uint8_t knock[3] = {200, 100, 80};
    build(true);
    config(0x43);
    to_mouse(0xff);
    MOUSE(0xfa, 0xaa, 0);
    to_mouse(0xf2);
    MOUSE(0xfa, 0);
    for (unsigned i = 0; i < 3; i++) {
        to_mouse(0xf3);
        MOUSE(0xfa);
        to_mouse(knock[i]);
        MOUSE(0xfa);
    }
    to_mouse(0xf2);
    MOUSE(0xfa, 3);
    to_mouse(0xf4);
    MOUSE(0xfa);
    mouse(0, 0, 0, -1);
    MOUSE(0x08, 0, 0, 0xff);
    to_mouse(0xe9);
    MOUSE(0xfa, 0x20, 2, 80);
    destroy();
}
END_TEST

START_TEST(remote_mode_answers_when_asked)
{
    mouse_on();
    to_mouse(0xf0);
    MOUSE(0xfa);
    mouse(4, 7, 7, 0);
    ck_assert_uint_eq(status() & 1, 0);
    to_mouse(0xeb);
    MOUSE(0xfa, 0x0c, 7, 7);
    to_mouse(0xee); /* wrap */
    MOUSE(0xfa);
    to_mouse(0x42);
    MOUSE(0x42);
    to_mouse(0xec);
    MOUSE(0xfa);
    destroy();
}
END_TEST

START_TEST(both_devices_take_turns_on_one_buffer)
{
    mouse_on();
    key(0x04, true);
    mouse(0, 1, 0, 0);
    ck_assert_uint_eq(status() & 0x21, 0x01);
    ck_assert_uint_eq(rd(), 0x1e);
    MOUSE(0x08, 1, 0);
    destroy();
}
END_TEST

START_TEST(loop_back_commands_fill_the_buffer_from_either_side)
{
    build(true);
    config(0x43);
    cmd(0xd3);
    wr(0x5a);
    ck_assert_int_eq(line[1].level, 1);
    MOUSE(0x5a);
    cmd(0xd2);
    wr(0xa5);
    ck_assert_int_eq(line[0].level, 1);
    KBD(0xa5);
    destroy();
}
END_TEST

START_TEST(controller_memory_and_output_port_are_kept)
{
    build(true);
    cmd(0x65);
    wr(0x77);
    cmd(0x25);
    KBD(0x77);
    cmd(0xdf);
    cmd(0xd0);
    ck_assert_uint_eq(rd() & 3, 3);
    cmd(0xd1);
    wr(0xdd);
    cmd(0xd0);
    ck_assert_uint_eq(rd() & 3, 1); /* the A20 bit */
    ck_assert_uint_eq(resets, 0);
    cmd(0xfe);
    ck_assert_uint_eq(resets, 1);
    cmd(0xd1);
    wr(0x02);
    ck_assert_uint_eq(resets, 2);
    destroy();
}
END_TEST

START_TEST(random_traffic_does_no_harm)
{
    uint32_t seed = 12345;
    for (unsigned round = 0; round < 20; round++) {
        build(round & 1);
        for (unsigned i = 0; i < 20000; i++) {
            seed = seed * 1664525 + 1013904223;
            const unsigned v = seed >> 8 & 0xff, port = seed >> 16 & 0x60 ? 0x60 : 0x64;
            switch (seed >> 24 & 7) {
            case 0:
            case 1:
                bus_port_read(bus, (uint16_t)port, 1);
                break;
            case 2:
                if (round & 1)
                    key(v, seed >> 17 & 1);
                break;
            case 3:
                if (round & 1)
                    mouse(v, (int)(seed >> 9 & 255), (int)(seed >> 11 & 255),
                          (int)(seed >> 4 & 15));
                break;
            case 4:
                until(clock_now(k) + (seed & 0xffffff));
                break;
            default:
                bus_port_write(bus, (uint16_t)port, 1 << (seed >> 20 & 1), v);
                break;
            }
        }
        const uint64_t h = fields_hash(dev, dev->cls->fields, 0);
        dev_reset(dev);
        ck_assert_uint_ne(h, fields_hash(dev, dev->cls->fields, 1));
        destroy();
    }
}
END_TEST

SUITE("i8042", the_controller_tests_itself_and_both_ports, without_devices_the_ports_are_dead,
      keys_are_translated_to_set_1_with_an_edge_for_each_byte, without_translation_set_2_arrives,
      set_1_of_the_keyboard_is_what_translation_makes_of_set_2,
      pause_and_print_screen_send_their_long_codes, keyboard_commands_are_acknowledged,
      a_disabled_keyboard_is_silent_and_a_stopped_clock_holds_its_bytes,
      a_held_key_repeats_by_virtual_time, a_full_keyboard_leaves_keys_queued_outside,
      the_mouse_sends_three_bytes_and_interrupts_on_line_12,
      movements_add_up_while_a_packet_is_under_way, the_sample_rate_sequence_makes_a_wheel,
      remote_mode_answers_when_asked, both_devices_take_turns_on_one_buffer,
      loop_back_commands_fill_the_buffer_from_either_side,
      controller_memory_and_output_port_are_kept, random_traffic_does_no_harm)
