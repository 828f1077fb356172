/*
 * core/clock.c: virtual time and the event queue (core/clock.h, design.md 2).
 *
 * Workload facts: a machine registers 10-20 events, arms one of them every few microseconds, and
 * asks for the earliest one at every slice. So the queue is a flat array in id order with the
 * earliest time cached; only re-arming or firing the earliest event scans.
 */
#include "core/clock.h"

#include <stdlib.h>

#include "lib/log.h"

#define CLOCK_EVENTS_MAX 128

struct clock {
    uint64_t base_ns;
    uint64_t next_ns; /* earliest armed event: min over ev[]->when_ns */
    struct clock_event *ev[CLOCK_EVENTS_MAX];
    unsigned count;
    uint64_t (*now)(void *opaque);
    void (*kick)(void *opaque);
    void *opaque;
};

struct clock *clock_new(void)
{
    struct clock *k = calloc(1, sizeof *k);
    if (k)
        k->next_ns = CLOCK_NEVER;
    return k;
}

void clock_free(struct clock *k)
{
    free(k);
}

void clock_set_hooks(struct clock *k, uint64_t (*now)(void *opaque), void (*kick)(void *opaque),
                     void *opaque)
{
    k->now = now;
    k->kick = kick;
    k->opaque = opaque;
}

uint64_t clock_now(const struct clock *k)
{
    return k->now ? k->now(k->opaque) : k->base_ns;
}

void clock_event_init(struct clock *k, struct clock_event *ev, const char *name, uint8_t prio,
                      void (*fire)(void *, uint64_t), void *opaque)
{
    VASSERT(k->count < CLOCK_EVENTS_MAX);
    *ev = (struct clock_event){
        .name = name,
        .fire = fire,
        .opaque = opaque,
        .when_ns = CLOCK_NEVER,
        .id = (uint16_t)k->count,
        .prio = prio,
    };
    k->ev[k->count++] = ev;
}

static void find_next(struct clock *k)
{
    k->next_ns = CLOCK_NEVER;
    for (unsigned i = 0; i < k->count; i++) {
        if (k->ev[i]->when_ns < k->next_ns)
            k->next_ns = k->ev[i]->when_ns;
    }
}

void clock_arm(struct clock *k, struct clock_event *ev, uint64_t when_ns)
{
    const uint64_t old = ev->when_ns;
    ev->when_ns = when_ns;
    if (when_ns < k->next_ns) {
        k->next_ns = when_ns;
        if (k->kick)
            k->kick(k->opaque);
    } else if (old == k->next_ns) {
        find_next(k);
    }
}

void clock_cancel(struct clock *k, struct clock_event *ev)
{
    const uint64_t old = ev->when_ns;
    ev->when_ns = CLOCK_NEVER;
    if (old == k->next_ns)
        find_next(k);
}

uint64_t clock_next(const struct clock *k)
{
    return k->next_ns;
}

/* Of the events due at or before ns, the first in order of (when, prio, id). */
static struct clock_event *first_due(const struct clock *k, uint64_t ns)
{
    struct clock_event *best = NULL;
    for (unsigned i = 0; i < k->count; i++) {
        struct clock_event *e = k->ev[i];
        if (e->when_ns > ns || e->when_ns == CLOCK_NEVER)
            continue;
        if (!best || e->when_ns < best->when_ns ||
            (e->when_ns == best->when_ns && e->prio < best->prio))
            best = e;
    }
    return best;
}

void clock_advance(struct clock *k, uint64_t ns)
{
    k->base_ns = ns;
    while (k->next_ns <= ns && k->next_ns != CLOCK_NEVER) {
        struct clock_event *e = first_due(k, ns);
        e->when_ns = CLOCK_NEVER;
        find_next(k);
        e->fire(e->opaque, ns);
    }
}
