/* Unit tests of core/clock.c: order of events, arming, advancing, the kick. */
#include "tests/lib/suite.h"

#include <string.h>

#include "core/clock.h"

static char order[16];
static unsigned kicks;

static void fire(void *opaque, uint64_t now)
{
    (void)now;
    strncat(order, opaque, sizeof order - strlen(order) - 1);
}

static void kick(void *opaque)
{
    (void)opaque;
    kicks++;
}

START_TEST(events_fire_by_time_then_priority_then_registration)
{
    struct clock *k = clock_new();
    struct clock_event a, b, c, d;
    clock_event_init(k, &a, "a", 5, fire, (void *)"a");
    clock_event_init(k, &b, "b", 5, fire, (void *)"b");
    clock_event_init(k, &c, "c", 1, fire, (void *)"c");
    clock_event_init(k, &d, "d", 9, fire, (void *)"d");
    clock_arm(k, &b, 10);
    clock_arm(k, &a, 10);
    clock_arm(k, &c, 10);
    clock_arm(k, &d, 5);
    order[0] = 0;
    ck_assert_uint_eq(clock_next(k), 5);
    clock_advance(k, 10);
    ck_assert_str_eq(order, "dcab");
    ck_assert_uint_eq(clock_next(k), CLOCK_NEVER);
    ck_assert_uint_eq(clock_now(k), 10);
    clock_free(k);
}
END_TEST

START_TEST(an_event_after_the_time_waits)
{
    struct clock *k = clock_new();
    struct clock_event a;
    clock_event_init(k, &a, "a", 0, fire, (void *)"a");
    clock_arm(k, &a, 11);
    order[0] = 0;
    clock_advance(k, 10);
    ck_assert_str_eq(order, "");
    clock_advance(k, 11);
    ck_assert_str_eq(order, "a");
    clock_free(k);
}
END_TEST

START_TEST(moving_or_cancelling_the_earliest_event_finds_the_next)
{
    struct clock *k = clock_new();
    struct clock_event a, b;
    clock_event_init(k, &a, "a", 0, fire, (void *)"a");
    clock_event_init(k, &b, "b", 0, fire, (void *)"b");
    clock_arm(k, &a, 5);
    clock_arm(k, &b, 7);
    clock_arm(k, &a, 9);
    ck_assert_uint_eq(clock_next(k), 7);
    clock_cancel(k, &b);
    ck_assert_uint_eq(clock_next(k), 9);
    clock_cancel(k, &a);
    ck_assert_uint_eq(clock_next(k), CLOCK_NEVER);
    clock_free(k);
}
END_TEST

START_TEST(only_an_earlier_event_kicks_the_processor)
{
    struct clock *k = clock_new();
    struct clock_event a, b;
    clock_event_init(k, &a, "a", 0, fire, (void *)"a");
    clock_event_init(k, &b, "b", 0, fire, (void *)"b");
    clock_set_hooks(k, NULL, kick, NULL);
    kicks = 0;
    clock_arm(k, &a, 100);
    ck_assert_uint_eq(kicks, 1);
    clock_arm(k, &b, 200);
    ck_assert_uint_eq(kicks, 1);
    clock_arm(k, &b, 50);
    ck_assert_uint_eq(kicks, 2);
    clock_free(k);
}
END_TEST

static struct clock *periodic_clock;
static struct clock_event periodic;
static unsigned periods;

static void again(void *opaque, uint64_t now)
{
    (void)opaque;
    (void)now;
    if (++periods < 4)
        clock_arm(periodic_clock, &periodic, 10 * (periods + 1));
}

START_TEST(an_event_armed_while_firing_fires_in_the_same_advance)
{
    periodic_clock = clock_new();
    periods = 0;
    clock_event_init(periodic_clock, &periodic, "p", 0, again, NULL);
    clock_arm(periodic_clock, &periodic, 10);
    clock_advance(periodic_clock, 30);
    ck_assert_uint_eq(periods, 3);
    ck_assert_uint_eq(clock_next(periodic_clock), 40);
    clock_free(periodic_clock);
}
END_TEST

SUITE("clock", events_fire_by_time_then_priority_then_registration, an_event_after_the_time_waits,
      moving_or_cancelling_the_earliest_event_finds_the_next,
      only_an_earlier_event_kicks_the_processor,
      an_event_armed_while_firing_fires_in_the_same_advance)
