/* Unit tests of the 16550 and of the real-time clock. */
#include "tests/lib/suite.h"

#include <string.h>

#include "core/bus.h"
#include "core/clock.h"
#include "core/input.h"
#include "devices/chipset/chipset.h"
#include "devices/serial/uart.h"

static struct bus *bus;
static struct clock *k;
static struct input *in;
static struct fake_line line;
static char sent[64];

static void out(void *opaque, const void *bytes, size_t len)
{
    (void)opaque;
    strncat(sent, bytes, len);
}

static void setup(void)
{
    bus = bus_new();
    k = clock_new();
    in = input_new();
    line = (struct fake_line){0, 0};
    sent[0] = 0;
}

static void uart(void)
{
    setup();
    const struct uart_config cfg = {0, 0x3f8, fake_line(&line), out, NULL};
    dev_reset(uart_new(bus, in, &cfg));
}

static unsigned rd(unsigned reg)
{
    return (unsigned)bus_port_read(bus, (uint16_t)(0x3f8 + reg), 1);
}
static void wr(unsigned reg, unsigned v)
{
    bus_port_write(bus, (uint16_t)(0x3f8 + reg), 1, v);
}
static void type(const char *text)
{
    input_push(in, input_find(in, "serial0"), text, strlen(text));
    input_pump(in, 0);
}

START_TEST(what_is_written_is_sent_at_once)
{
    uart();
    wr(0, 'h');
    wr(0, 'i');
    ck_assert_str_eq(sent, "hi");
    ck_assert_uint_eq(rd(5) & 0x60, 0x60);
}
END_TEST

START_TEST(the_divisor_hides_behind_dlab)
{
    uart();
    wr(3, 0x83);
    wr(0, 0x34);
    wr(1, 0x12);
    ck_assert_uint_eq(rd(0), 0x34);
    ck_assert_uint_eq(rd(1), 0x12);
    wr(3, 0x03);
    ck_assert_str_eq(sent, "");
}
END_TEST

START_TEST(received_bytes_interrupt_and_are_read_in_order)
{
    uart();
    wr(2, 0xc1); /* FIFO, trigger at 14 */
    wr(4, 8);
    wr(1, 1);
    type("abc");
    ck_assert_int_eq(line.level, 1);
    ck_assert_uint_eq(rd(2) & 0x0f, 0x0c);
    ck_assert_uint_eq(rd(5) & 1, 1);
    ck_assert_uint_eq(rd(0), 'a');
    ck_assert_uint_eq(rd(0), 'b');
    ck_assert_uint_eq(rd(0), 'c');
    ck_assert_int_eq(line.level, 0);
    ck_assert_uint_eq(rd(2) & 0x0f, 1);
}
END_TEST

START_TEST(a_full_fifo_leaves_the_rest_queued_outside)
{
    uart();
    wr(2, 1);
    type("0123456789abcdefXYZ");
    for (unsigned i = 0; i < 16; i++)
        ck_assert_uint_eq(rd(0), (unsigned char)"0123456789abcdef"[i]);
    ck_assert_uint_eq(rd(5) & 3, 0); /* empty, no overrun */
    input_pump(in, 1);
    ck_assert_uint_eq(rd(0), 'X');
}
END_TEST

START_TEST(the_transmitter_interrupt_is_cleared_by_reading_iir)
{
    uart();
    wr(4, 8);
    wr(1, 2);
    ck_assert_int_eq(line.level, 1);
    ck_assert_uint_eq(rd(2) & 0x0f, 2);
    ck_assert_int_eq(line.level, 0);
    wr(0, 'x');
    ck_assert_int_eq(line.level, 1);
}
END_TEST

START_TEST(loop_back_sends_to_itself)
{
    uart();
    wr(4, 0x10);
    wr(0, 'q');
    ck_assert_str_eq(sent, "");
    ck_assert_uint_eq(rd(0), 'q');
}
END_TEST

static unsigned cmos(unsigned reg)
{
    bus_port_write(bus, 0x70, 1, reg);
    return (unsigned)bus_port_read(bus, 0x71, 1);
}
static void cmos_set(unsigned reg, unsigned v)
{
    bus_port_write(bus, 0x70, 1, reg);
    bus_port_write(bus, 0x71, 1, v);
}
static void until(uint64_t ns)
{
    while (clock_next(k) <= ns)
        clock_advance(k, clock_next(k));
    clock_advance(k, ns);
}
static void rtc(uint64_t epoch)
{
    setup();
    const struct irq_line l = fake_line(&line), no_line = {NULL, NULL, 0};
    dev_reset(rtc_new(bus, k, &l, &no_line, epoch, 512ull << 20, 0));
}

START_TEST(the_date_is_start_plus_virtual_time)
{
    rtc(1582934398); /* 2020-02-28 23:59:58 UTC */
    ck_assert_uint_eq(cmos(4), 0x23);
    until(3000000000);
    ck_assert_uint_eq(cmos(0), 0x01);
    ck_assert_uint_eq(cmos(4), 0x00);
    ck_assert_uint_eq(cmos(7), 0x29); /* leap year */
    ck_assert_uint_eq(cmos(8), 0x02);
    ck_assert_uint_eq(cmos(9), 0x20);
    ck_assert_uint_eq(cmos(0x32), 0x20);
}
END_TEST

START_TEST(the_clock_can_be_set_and_read_in_binary)
{
    rtc(0);
    cmos_set(0x0b, 0x86); /* SET, binary, 24 h */
    cmos_set(9, 33);
    cmos_set(0x32, 20);
    cmos_set(8, 12);
    cmos_set(7, 31);
    cmos_set(4, 22);
    cmos_set(2, 10);
    cmos_set(0, 5);
    cmos_set(0x0b, 0x06);
    until(clock_now(k) + 1000000000ull);
    ck_assert_uint_eq(cmos(9), 33);
    ck_assert_uint_eq(cmos(8), 12);
    ck_assert_uint_eq(cmos(7), 31);
    ck_assert_uint_eq(cmos(4), 22);
    ck_assert_uint_le(cmos(0), 6);
    ck_assert_uint_ge(cmos(0), 5);
}
END_TEST

START_TEST(the_periodic_interrupt_comes_at_its_rate_when_acknowledged)
{
    rtc(0);
    unsigned seen = 0;
    cmos_set(0x0a, 0x26); /* 1024 Hz */
    cmos_set(0x0b, 0x42);
    for (uint64_t t = 0; t < 100000000; t += 100000) {
        until(t);
        seen += (cmos(0x0c) & 0x40) != 0;
    }
    ck_assert_uint_ge(seen, 101);
    ck_assert_uint_le(seen, 103);
    ck_assert_uint_ge(line.rises, 101);
}
END_TEST

START_TEST(cmos_tells_the_memory_above_16_mib)
{
    rtc(0);
    ck_assert_uint_eq(cmos(0x34) | cmos(0x35) << 8, (512 - 16) * 16);
}
END_TEST

SUITE("uart", what_is_written_is_sent_at_once, the_divisor_hides_behind_dlab,
      received_bytes_interrupt_and_are_read_in_order, a_full_fifo_leaves_the_rest_queued_outside,
      the_transmitter_interrupt_is_cleared_by_reading_iir, loop_back_sends_to_itself,
      the_date_is_start_plus_virtual_time, the_clock_can_be_set_and_read_in_binary,
      the_periodic_interrupt_comes_at_its_rate_when_acknowledged,
      cmos_tells_the_memory_above_16_mib)
