/*
 * devices/chipset/rtc.c: MC146818 real-time clock and CMOS RAM at ports 0x70/0x71.
 *
 * Time is the configured start date plus virtual time; a guest that sets the clock shifts it.
 * Periodic, alarm and update-ended interrupts on IRQ 8. Date is always read in the format that
 * register B says. Not modelled: daylight saving, the square wave, 12-hour alarms with "don't care"
 * in BCD PM form.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "devices/chipset/chipset.h"

#define NS 1000000000ull

enum {
    SEC = 0,
    SEC_ALARM,
    MIN,
    MIN_ALARM,
    HOUR,
    HOUR_ALARM,
    WDAY,
    MDAY,
    MONTH,
    YEAR,
    REG_A,
    REG_B,
    REG_C,
    REG_D
};
#define CENTURY         0x32
#define B_SET           0x80
#define B_PIE           0x40
#define B_AIE           0x20
#define B_UIE           0x10
#define B_BINARY        0x04
#define B_24H           0x02
#define C_IRQF          0x80
#define SHUTDOWN_STATUS 0x0f
#define SHUTDOWN_S3     0xfe

struct rtc {
    struct dev dev;
    struct clock *clock;
    struct irq_line irq, alarm;
    struct clock_event periodic, second;
    uint64_t epoch, ram_low, ram_high;
    /* state */
    int64_t offset_s; /* seconds since 1970 at virtual time 0 */
    uint8_t index, ram[128];
};

static const struct field fields[] = {
    FIELD(struct rtc, offset_s, 0, "date at power-on, seconds since 1970"),
    FIELD(struct rtc, index, 0, "register index"),
    FIELD_ARRAY(struct rtc, ram, 0, "registers and CMOS RAM"),
    FIELD_END,
};

struct date {
    int year, month, day, hour, min, sec, wday;
};

/* Civil calendar of a count of days since 1970-01-01, and back. */
static void days_to_date(int64_t days, struct date *d)
{
    d->wday = (int)((days % 7 + 11) % 7); /* Thursday */
    const int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
    const int64_t doe = z - era * 146097;
    const int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    const int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    d->day = (int)(doy - (153 * mp + 2) / 5 + 1);
    d->month = (int)(mp < 10 ? mp + 3 : mp - 9);
    d->year = (int)(yoe + era * 400 + (d->month <= 2));
}

static int64_t date_to_days(int year, int month, int day)
{
    const int64_t y = year - (month <= 2), era = (y >= 0 ? y : y - 399) / 400;
    const int64_t yoe = y - era * 400,
                  doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static uint8_t encode(const struct rtc *r, int v)
{
    return (uint8_t)(r->ram[REG_B] & B_BINARY ? v : v / 10 << 4 | v % 10);
}
static int decode(const struct rtc *r, uint8_t v)
{
    return r->ram[REG_B] & B_BINARY ? v : (v >> 4) * 10 + (v & 15);
}

static int64_t now_s(const struct rtc *r)
{
    return r->offset_s + (int64_t)(clock_now(r->clock) / NS);
}

/* Put the time into the registers. */
static void refresh(struct rtc *r)
{
    if (r->ram[REG_B] & B_SET)
        return;
    const int64_t s = now_s(r), days = s / 86400, rest = s % 86400;
    struct date d;
    days_to_date(days, &d);
    const int hour = (int)(rest / 3600);
    r->ram[SEC] = encode(r, (int)(rest % 60));
    r->ram[MIN] = encode(r, (int)(rest / 60 % 60));
    if (r->ram[REG_B] & B_24H)
        r->ram[HOUR] = encode(r, hour);
    else
        r->ram[HOUR] = (uint8_t)(encode(r, hour % 12 ? hour % 12 : 12) | (hour >= 12 ? 0x80 : 0));
    r->ram[WDAY] = encode(r, d.wday + 1);
    r->ram[MDAY] = encode(r, d.day);
    r->ram[MONTH] = encode(r, d.month);
    r->ram[YEAR] = encode(r, d.year % 100);
    r->ram[CENTURY] = encode(r, d.year / 100);
}

/* Take the time from the registers (end of SET). */
static void set_time(struct rtc *r)
{
    int hour = decode(r, r->ram[HOUR] & 0x7f);
    if (!(r->ram[REG_B] & B_24H))
        hour = hour % 12 + (r->ram[HOUR] & 0x80 ? 12 : 0);
    const int month = decode(r, r->ram[MONTH]), day = decode(r, r->ram[MDAY]);
    const int year = decode(r, r->ram[CENTURY]) * 100 + decode(r, r->ram[YEAR]);
    if (month < 1 || month > 12 || day < 1 || day > 31)
        return;
    const int64_t s = date_to_days(year, month, day) * 86400 + hour * 3600 +
                      decode(r, r->ram[MIN]) * 60 + decode(r, r->ram[SEC]);
    r->offset_s = s - (int64_t)(clock_now(r->clock) / NS);
}

static void raise(struct rtc *r, uint8_t cause)
{
    r->ram[REG_C] |= cause;
    if (r->ram[REG_B] & cause) {
        r->ram[REG_C] |= C_IRQF;
        irq_set(&r->irq, 1);
        irq_set(&r->alarm, cause == B_AIE);
    }
}

static uint64_t period_ns(const struct rtc *r)
{
    unsigned rate = r->ram[REG_A] & 15;
    if (!rate)
        return 0;
    if (rate <= 2)
        rate += 7;
    return NS * (1ull << (rate - 1)) / 32768;
}

static void arm(struct rtc *r)
{
    const uint64_t p = period_ns(r), now = clock_now(r->clock);
    if (p && (r->ram[REG_B] & B_PIE))
        clock_arm(r->clock, &r->periodic, (now / p + 1) * p);
    else
        clock_cancel(r->clock, &r->periodic);
    if (r->ram[REG_B] & (B_UIE | B_AIE))
        clock_arm(r->clock, &r->second, (now / NS + 1) * NS);
    else
        clock_cancel(r->clock, &r->second);
}

static void periodic(void *opaque, uint64_t now)
{
    struct rtc *r = opaque;
    (void)now;
    raise(r, B_PIE);
    arm(r);
}

static bool alarm_match(const struct rtc *r, unsigned alarm, unsigned reg)
{
    return r->ram[alarm] >= 0xc0 || r->ram[alarm] == r->ram[reg];
}

static void second(void *opaque, uint64_t now)
{
    struct rtc *r = opaque;
    (void)now;
    refresh(r);
    raise(r, B_UIE);
    if (alarm_match(r, SEC_ALARM, SEC) && alarm_match(r, MIN_ALARM, MIN) &&
        alarm_match(r, HOUR_ALARM, HOUR))
        raise(r, B_AIE);
    arm(r);
}

static uint8_t data_read(struct rtc *r)
{
    if (r->index <= YEAR || r->index == CENTURY)
        refresh(r);
    const uint8_t v = r->ram[r->index];
    if (r->index == REG_C) {
        r->ram[REG_C] = 0;
        irq_set(&r->irq, 0);
    }
    if (r->index == REG_A) /* update in progress for the last 244 us of a second */
        return v | (clock_now(r->clock) % NS >= NS - 244000 && !(r->ram[REG_B] & B_SET) ? 0x80 : 0);
    return v;
}

static void data_write(struct rtc *r, uint8_t v)
{
    switch (r->index) {
    case REG_A:
        r->ram[REG_A] = v & 0x7f;
        break;
    case REG_B: {
        if (!(r->ram[REG_B] & B_SET) && (v & B_SET))
            refresh(r);
        const bool ends = (r->ram[REG_B] & B_SET) && !(v & B_SET);
        r->ram[REG_B] = v;
        if (ends)
            set_time(r);
        break;
    }
    case REG_C:
    case REG_D:
        return;
    default:
        r->ram[r->index] = v;
        if ((r->index <= YEAR && !(r->index & 1 && r->index < WDAY)) || r->index == CENTURY) {
            if (!(r->ram[REG_B] & B_SET))
                set_time(r);
        }
        return;
    }
    arm(r);
}

static uint64_t rtc_read(void *dev, uint64_t offset, unsigned size)
{
    (void)size;
    return offset ? data_read(dev) : 0xff;
}
static void rtc_write(void *dev, uint64_t offset, unsigned size, uint64_t v)
{
    struct rtc *r = dev;
    (void)size;
    if (offset)
        data_write(r, (uint8_t)v);
    else
        r->index = v & 0x7f;
}
static const struct bus_ops ops = {rtc_read, rtc_write, 1};

static void put16(struct rtc *r, unsigned at, uint64_t v)
{
    v = v > 0xffff ? 0xffff : v;
    r->ram[at] = (uint8_t)v;
    r->ram[at + 1] = (uint8_t)(v >> 8);
}

static void rtc_reset(struct dev *d)
{
    struct rtc *r = (struct rtc *)d;
    r->offset_s = (int64_t)r->epoch;
    r->ram[REG_A] = 0x26;
    r->ram[REG_B] = B_24H;
    r->ram[REG_D] = 0x80;
    put16(r, 0x15, 640);
    put16(r, 0x17, (r->ram_low >> 10) - 1024);
    put16(r, 0x30, (r->ram_low >> 10) - 1024);
    put16(r, 0x34, r->ram_low > 16u << 20 ? (r->ram_low - (16u << 20)) >> 16 : 0);
    put16(r, 0x5b, r->ram_high >> 16);
    r->ram[0x3d] = 0x32; /* firmware's boot order: disk, CD-ROM, */
    r->ram[0x38] = 0x10; /* then floppy */
    r->ram[0x5d] = (uint8_t)(r->ram_high >> 32);
    clock_cancel(r->clock, &r->periodic);
    clock_cancel(r->clock, &r->second);
}

/* The battery has kept it running. Firmware looks at the shutdown status to tell this from a
 * reset. */
static void rtc_wake(struct dev *d)
{
    struct rtc *const r = (struct rtc *)d;
    r->ram[SHUTDOWN_STATUS] = SHUTDOWN_S3;
    irq_set(&r->irq, r->ram[REG_C] & C_IRQF ? 1 : 0);
}

static void rtc_free(struct dev *d)
{
    free(d);
}
static const struct dev_class rtc_class = {"rtc", fields, rtc_reset, rtc_free, rtc_wake};

struct dev *rtc_new(struct bus *bus, struct clock *clock, const struct irq_line *irq,
                    const struct irq_line *alarm, uint64_t epoch, uint64_t ram_low,
                    uint64_t ram_high)
{
    struct rtc *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->dev = (struct dev){.cls = &rtc_class, .id = "rtc0"};
    r->clock = clock;
    r->irq = *irq;
    r->alarm = *alarm;
    r->epoch = epoch;
    r->ram_low = ram_low;
    r->ram_high = ram_high;
    clock_event_init(clock, &r->periodic, "rtc-periodic", 30, periodic, r);
    clock_event_init(clock, &r->second, "rtc-second", 31, second, r);
    if (bus_map_port(bus, 0x70, 2, &ops, r, "rtc")) {
        free(r);
        return NULL;
    }
    return &r->dev;
}
