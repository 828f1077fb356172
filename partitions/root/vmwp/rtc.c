/*
 * vmwp/rtc.c: MC146818 real-time clock: BCD or binary, 24 hours, and its CMOS bytes.
 *
 * Not modelled: setting the time, alarm, periodic and update interrupts, 12-hour mode.
 */
#include "partitions/root/vmwp/models.h"

#define RTC_A        10
#define RTC_B        11
#define RTC_C        12
#define RTC_D        13
#define RTC_B_BINARY 4
#define RTC_CENTURY  0x32

void rtc_init(struct rtc *r, uint64_t epoch)
{
    *r = (struct rtc){.epoch = epoch};
    r->ram[RTC_A] = 0x26;
    r->ram[RTC_B] = 0x02;
}

struct rtc_date {
    unsigned year, month, day, weekday, hour, minute, second;
};

static struct rtc_date rtc_date(uint64_t t)
{
    struct rtc_date d;
    uint64_t days = t / 86400, s = t % 86400;
    d.weekday = (unsigned)((days + 4) % 7) + 1;
    d.hour = (unsigned)(s / 3600);
    d.minute = (unsigned)(s / 60 % 60);
    d.second = (unsigned)(s % 60);
    /* Civil date from days, years counted from March in 400-year eras. */
    days += 719468;
    uint64_t era = days / 146097, doe = days % 146097;
    uint64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    uint64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    uint64_t mp = (5 * doy + 2) / 153;
    d.day = (unsigned)(doy - (153 * mp + 2) / 5) + 1;
    d.month = (unsigned)(mp < 10 ? mp + 3 : mp - 9);
    d.year = (unsigned)(yoe + era * 400 + (d.month <= 2));
    return d;
}

static uint8_t rtc_number(const struct rtc *r, unsigned v)
{
    return (uint8_t)(r->ram[RTC_B] & RTC_B_BINARY ? v : v / 10 << 4 | v % 10);
}

uint8_t rtc_in(struct rtc *r, uint16_t port, uint64_t now)
{
    if (port == 0x70)
        return r->index;
    struct rtc_date d = rtc_date(r->epoch + now / 1000000000ull);
    switch (r->index) {
    case 0:
        return rtc_number(r, d.second);
    case 2:
        return rtc_number(r, d.minute);
    case 4:
        return rtc_number(r, d.hour);
    case 6:
        return rtc_number(r, d.weekday);
    case 7:
        return rtc_number(r, d.day);
    case 8:
        return rtc_number(r, d.month);
    case 9:
        return rtc_number(r, d.year % 100);
    case RTC_CENTURY:
        return rtc_number(r, d.year / 100);
    case RTC_A: /* update in progress: the last 244 us of a second */
        return (uint8_t)((r->ram[RTC_A] & 0x7f) | (now % 1000000000ull >= 999756000 ? 0x80 : 0));
    case RTC_C:
        return 0;
    case RTC_D:
        return 0x80;
    default:
        return r->ram[r->index];
    }
}

void rtc_out(struct rtc *r, uint16_t port, uint8_t v)
{
    if (port == 0x70)
        r->index = v & 0x7f;
    else if (r->index >= RTC_A && r->index != RTC_C && r->index != RTC_D)
        r->ram[r->index] = v;
}
