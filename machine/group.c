/*
 * machine/group.c: several machines of one process in step, so that they can talk (machine.h).
 *
 * All run a window of virtual time, one after the other, then the next window. A hub delivers no
 * earlier than NET_HUB_LATENCY_NS after sending, so with windows of at most that length nothing can
 * arrive in a window that its receiver has already run: the result does not depend on the order
 * within a window. Windows begin at multiples of their length, whatever the call.
 */
#include "machine/machine_int.h"

static uint64_t earliest(struct machine *const *m, unsigned count)
{
    uint64_t t = UINT64_MAX;
    for (unsigned i = 0; i < count; i++)
        t = m[i]->now_ns < t ? m[i]->now_ns : t;
    return t;
}

/* To the end of the window. A machine that sleeps for ever may still be woken by another. */
static enum machine_stop run_window(struct machine *m, uint64_t end)
{
    if (m->now_ns >= end)
        return MACHINE_STOP_POSITION;
    const enum machine_stop why = machine_run(m, UINT64_MAX, end);
    if (why == MACHINE_STOP_IDLE_FOREVER)
        m->now_ns = end;
    return why;
}

int machine_run_together(struct machine *const *m, unsigned count, uint64_t window_ns,
                         uint64_t until_ns, enum machine_stop *why)
{
    *why = MACHINE_STOP_POSITION;
    for (;;) {
        const uint64_t now = earliest(m, count);
        uint64_t end = now - now % window_ns + window_ns;
        unsigned asleep = 0;
        if (now >= until_ns)
            return -1;
        end = end < until_ns ? end : until_ns;
        for (unsigned i = 0; i < count; i++) {
            const enum machine_stop stop = run_window(m[i], end);
            asleep += stop == MACHINE_STOP_IDLE_FOREVER;
            if (stop != MACHINE_STOP_POSITION && stop != MACHINE_STOP_IDLE_FOREVER) {
                *why = stop;
                return (int)i;
            }
        }
        bool armed = false;
        for (unsigned i = 0; i < count; i++)
            armed = armed || clock_next(m[i]->clock) != CLOCK_NEVER;
        if (asleep == count && !armed) {
            *why = MACHINE_STOP_IDLE_FOREVER;
            return 0;
        }
    }
}
