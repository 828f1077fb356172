/* Unit tests of the board's timers: 8254, HPET, PM timer, with the real clock and fake lines. */
#include "tests/lib/suite.h"

#include "core/bus.h"
#include "core/clock.h"
#include "core/input.h"
#include "devices/chipset/chipset.h"

static struct bus *bus;
static struct clock *k;
static struct fake_line line[24];
static unsigned requests;
static enum board_request last_request;

static void request(void *opaque, enum board_request what, uint32_t value)
{
    (void)opaque;
    (void)value;
    requests++;
    last_request = what;
}

static void setup(void)
{
    bus = bus_new();
    k = clock_new();
    for (unsigned i = 0; i < 24; i++)
        line[i] = (struct fake_line){0, 0};
}

static void until(uint64_t ns)
{
    while (clock_next(k) <= ns)
        clock_advance(k, clock_next(k));
    clock_advance(k, ns);
}

static void program(unsigned mode, uint16_t count)
{
    bus_port_write(bus, 0x43, 1, 0x30 | mode << 1);
    bus_port_write(bus, 0x40, 1, count & 0xff);
    bus_port_write(bus, 0x40, 1, count >> 8);
}

static void pit(void)
{
    setup();
    const struct irq_line l = fake_line(&line[0]);
    dev_reset(pit_new(bus, k, &l));
}

START_TEST(rate_mode_ticks_at_the_programmed_rate)
{
    pit();
    program(2, 11932); /* 100 Hz */
    line[0].rises = 0;
    until(1000000000);
    ck_assert_uint_ge(line[0].rises, 99);
    ck_assert_uint_le(line[0].rises, 100);
}
END_TEST

START_TEST(one_shot_mode_raises_its_line_once)
{
    pit();
    program(0, 1193);
    ck_assert_int_eq(line[0].level, 0);
    until(999000);
    ck_assert_int_eq(line[0].level, 0);
    until(1001000);
    ck_assert_int_eq(line[0].level, 1);
    until(100000000);
    ck_assert_uint_eq(line[0].rises, 1);
}
END_TEST

START_TEST(a_latched_count_stands_still)
{
    pit();
    program(2, 60000);
    until(1000000);
    bus_port_write(bus, 0x43, 1, 0);
    until(2000000);
    unsigned v = (unsigned)bus_port_read(bus, 0x40, 1);
    v |= (unsigned)bus_port_read(bus, 0x40, 1) << 8;
    ck_assert_uint_ge(v, 60000 - 1194);
    ck_assert_uint_le(v, 60000 - 1192);
}
END_TEST

START_TEST(channel_2_is_seen_at_port_61)
{
    pit();
    bus_port_write(bus, 0x61, 1, 0);
    bus_port_write(bus, 0x43, 1, 0xb0);
    bus_port_write(bus, 0x61, 1, 1);
    bus_port_write(bus, 0x42, 1, 0xa9);
    bus_port_write(bus, 0x42, 1, 0x04);
    ck_assert_uint_eq(bus_port_read(bus, 0x61, 1) & 0x20, 0);
    until(1010000);
    ck_assert_uint_eq(bus_port_read(bus, 0x61, 1) & 0x20, 0x20);
}
END_TEST

static uint64_t hpet_reg(uint64_t off)
{
    return bus_mmio_read(bus, hpa(HPET_BASE + off), 8);
}
static void hpet_set(uint64_t off, uint64_t v)
{
    bus_mmio_write(bus, hpa(HPET_BASE + off), 8, v);
}

static unsigned messages;
static uint64_t msi_address;
static uint32_t msi_data;
static void message(void *opaque, uint16_t rid, uint64_t address, uint32_t data)
{
    (void)opaque, (void)rid;
    messages++;
    msi_address = address;
    msi_data = data;
}

static void hpet(void)
{
    struct irq_line l[24];
    setup();
    for (unsigned i = 0; i < 24; i++)
        l[i] = fake_line(&line[i]);
    const struct msi_sink msi = {.send = message};
    messages = 0;
    dev_reset(hpet_new(bus, k, l, &l[0], &l[8], &msi));
}

START_TEST(the_hpet_counts_while_enabled)
{
    hpet();
    const uint64_t period_fs = hpet_reg(0) >> 32;
    until(1000);
    ck_assert_uint_eq(hpet_reg(0xf0), 0);
    hpet_set(0x10, 1);
    until(1001000);
    ck_assert_uint_eq(hpet_reg(0xf0), 1000000000000ull / period_fs);
    hpet_set(0x10, 0);
    until(2000000);
    ck_assert_uint_eq(hpet_reg(0xf0), 1000000000000ull / period_fs);
}
END_TEST

START_TEST(an_hpet_comparator_fires_once_or_periodically)
{
    hpet();
    hpet_set(0x120, 1u << 2 | 21u << 9);
    hpet_set(0x128, 1000);
    hpet_set(0x10, 1);
    until(10000000);
    ck_assert_uint_eq(line[21].rises, 1);
    hpet_set(0x10, 0);
    hpet_set(0xf0, 0);
    hpet_set(0x100, 1u << 2 | 1u << 3 | 1u << 6 | 20u << 9);
    hpet_set(0x108, 1000);
    hpet_set(0x108, 500);
    hpet_set(0x10, 1);
    until(10000000 + 10000 + 5 * 5000);
    ck_assert_uint_eq(line[20].rises, 6);
}
END_TEST

START_TEST(an_hpet_comparator_sends_a_message_instead)
{
    hpet();
    ck_assert(hpet_reg(0x100 + 0x20) & 1u << 15);
    hpet_set(0x130, 0xfee0100000004142ull);
    hpet_set(0x120, 1u << 2 | 1u << 14 | 5u << 9);
    hpet_set(0x128, 100);
    hpet_set(0x10, 1);
    until(5000);
    ck_assert_uint_eq(messages, 1);
    ck_assert_uint_eq(msi_address, 0xfee01000);
    ck_assert_uint_eq(msi_data, 0x4142);
    ck_assert_uint_eq(line[5].rises, 0);
}
END_TEST

START_TEST(a_bcd_counter_counts_in_decimal)
{
    pit();
    bus_port_write(bus, 0x43, 1, 0x30 | 0 << 1 | 1); /* mode 0, BCD */
    bus_port_write(bus, 0x40, 1, 0x34);
    bus_port_write(bus, 0x40, 1, 0x12);
    until(100 * 1000000000ull / 1193182 + 1); /* 100 ticks */
    bus_port_write(bus, 0x43, 1, 0);
    ck_assert_uint_eq(bus_port_read(bus, 0x40, 1), 0x34);
    ck_assert_uint_eq(bus_port_read(bus, 0x40, 1), 0x11);
    line[0].rises = 0;
    until(1300 * 1000000000ull / 1193182 + 1);
    ck_assert_uint_eq(line[0].rises, 1);
    bus_port_write(bus, 0x43, 1, 0x34 | 1); /* mode 2, 0 stands for 10000 */
    bus_port_write(bus, 0x40, 1, 0);
    bus_port_write(bus, 0x40, 1, 0);
    const uint64_t from = clock_now(k);
    line[0].rises = 0;
    until(from + 10001 * 1000000000ull / 1193182);
    ck_assert_uint_eq(line[0].rises, 1);
}
END_TEST

START_TEST(legacy_replacement_takes_irq_0_and_8)
{
    hpet();
    hpet_set(0x100, 1u << 2);
    hpet_set(0x108, 100);
    hpet_set(0x120, 1u << 2);
    hpet_set(0x128, 200);
    hpet_set(0x10, 3);
    until(100000);
    ck_assert_uint_eq(line[0].rises, 1);
    ck_assert_uint_eq(line[8].rises, 1);
}
END_TEST

START_TEST(the_pm_timer_runs_at_3579545_hz_and_s5_powers_off)
{
    setup();
    const struct irq_line sci = fake_line(&line[9]);
    const struct board_port board = {request, NULL, NULL};
    struct input *const in = input_new();
    dev_reset(pm_new(bus, k, &sci, &board, in));
    requests = 0;
    until(1000000000);
    ck_assert_uint_eq(bus_port_read(bus, PM_TIMER, 4), 3579545);
    bus_port_write(bus, PM_BASE + 4, 2, PM_SLP_TYP_S5 << 10);
    ck_assert_uint_eq(requests, 0);
    bus_port_write(bus, PM_BASE + 4, 2, PM_SLP_TYP_S5 << 10 | 1u << 13);
    ck_assert_uint_eq(requests, 1);
    ck_assert_int_eq(last_request, BOARD_POWEROFF);
    input_free(in);
}
END_TEST

START_TEST(pm_events_interrupt_and_end_s3)
{
    setup();
    const struct irq_line sci = fake_line(&line[9]);
    const struct board_port board = {request, NULL, NULL};
    struct input *const in = input_new();
    struct dev *const pm = pm_new(bus, k, &sci, &board, in);
    const struct irq_line alarm = pm_rtc_alarm(pm);
    dev_reset(pm);
    requests = 0;
    /* bit 31 of the timer changes after 2^31 / 3.579545 MHz */
    bus_port_write(bus, PM_BASE + 2, 2, 1);
    until(599932015940);
    ck_assert_uint_eq(line[9].rises, 0);
    until(599932015941);
    ck_assert_uint_eq(line[9].rises, 1);
    ck_assert_uint_eq(bus_port_read(bus, PM_BASE, 2), 1);
    bus_port_write(bus, PM_BASE, 2, 1);
    ck_assert_int_eq(line[9].level, 0);
    ck_assert_uint_eq(bus_port_read(bus, PM_BASE, 2), 0);
    /* asleep: what is not enabled wakes nobody */
    bus_port_write(bus, PM_BASE + 2, 2, 1 << 10);
    bus_port_write(bus, PM_BASE + 4, 2, PM_SLP_TYP_S3 << 10 | 1u << 13);
    ck_assert_int_eq(last_request, BOARD_SLEEP);
    input_push(in, input_find(in, "power-button"), "", 1);
    input_pump(in, 0);
    ck_assert_uint_eq(requests, 1);
    irq_set(&alarm, 1);
    ck_assert_uint_eq(requests, 2);
    ck_assert_int_eq(last_request, BOARD_WAKE);
    ck_assert_uint_eq(bus_port_read(bus, PM_BASE, 2), 1 << 15 | 1 << 10 | 1 << 8);
    /* an event that is there already: sleep ends at once */
    bus_port_write(bus, PM_BASE, 2, 1 << 15);
    bus_port_write(bus, PM_BASE + 4, 2, PM_SLP_TYP_S3 << 10 | 1u << 13);
    ck_assert_uint_eq(requests, 4);
    ck_assert_int_eq(last_request, BOARD_WAKE);
    input_free(in);
}
END_TEST

SUITE("timers", rate_mode_ticks_at_the_programmed_rate, one_shot_mode_raises_its_line_once,
      a_latched_count_stands_still, channel_2_is_seen_at_port_61, the_hpet_counts_while_enabled,
      an_hpet_comparator_fires_once_or_periodically, an_hpet_comparator_sends_a_message_instead,
      a_bcd_counter_counts_in_decimal, legacy_replacement_takes_irq_0_and_8,
      the_pm_timer_runs_at_3579545_hz_and_s5_powers_off, pm_events_interrupt_and_end_s3)
