/*
 * core/clock.h: virtual time and the one queue of named, prioritised events (design.md 2).
 *
 * Time is in nanoseconds since power-on, a pure function of retired instructions; the host's
 * clock is never read. Events fire between instructions, in order of (when, prio, id); ids are
 * given in order of registration, so ties break the same on every run.
 */
#ifndef CORE_CLOCK_H
#define CORE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define CLOCK_NEVER UINT64_MAX

struct clock;

/* Owned by a device, registered once. */
struct clock_event {
    const char *name;
    void (*fire)(void *opaque, uint64_t now_ns);
    void *opaque;
    uint64_t when_ns; /* CLOCK_NEVER when not armed */
    uint16_t id;
    uint8_t prio; /* lower fires first */
};

struct clock *clock_new(void);
void clock_free(struct clock *k);

/* The running processor supplies the exact time within its slice: hook returns ns since power-on.
 * kick is called when an event is armed that is due before the end of the running slice. */
void clock_set_hooks(struct clock *k, uint64_t (*now)(void *opaque), void (*kick)(void *opaque),
                     void *opaque);

uint64_t clock_now(const struct clock *k); /* exact at the current instruction */
void clock_event_init(struct clock *k, struct clock_event *ev, const char *name, uint8_t prio,
                      void (*fire)(void *, uint64_t), void *opaque);
void clock_arm(struct clock *k, struct clock_event *ev, uint64_t when_ns); /* past: fires at once */
void clock_cancel(struct clock *k, struct clock_event *ev);

/* For the machine's run loop only. */
uint64_t clock_next(const struct clock *k);       /* earliest armed event or CLOCK_NEVER */
void clock_advance(struct clock *k, uint64_t ns); /* set base time, fire everything due <= ns */

#endif
