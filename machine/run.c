/*
 * machine/run.c: turns of the logical processors, virtual time, events (design.md 2).
 *
 * Virtual time is common and serial: while an LP runs, time goes on by one nanosecond an
 * instruction; then the next LP's turn goes on from there. So time never runs backwards between
 * LPs. A turn is a quantum of instructions, cut short by HLT, by PAUSE when another LP could run,
 * and split at events, which fire at exact instruction boundaries. When all LPs are idle the clock
 * jumps to the next event.
 *
 * With a cycle model time goes on by its cycles, and events fire between stretches of code
 * (cpu/timing/timing.h), or when an instruction armed one that is due at once. Then a slice may end
 * within a stretch, for a debugger or a limit of instructions; no event may fire there.
 */
#include "cpu/sys/sys.h"
#include "machine/machine_int.h"

#define HOOK_INSNS 2000000 /* between calls of the slice hook */

static bool is_runnable(const struct machine *m, unsigned lp)
{
    const struct cpu *const c = m->cpu[lp];
    return m->power == POWER_ON && (c->activity == CPU_ACTIVE || event_pending(c));
}

/* The LP whose turn it is, or the next one that can run; -1: all are idle. */
static int pick(struct machine *m)
{
    for (unsigned i = 0; i <= m->cfg.smp; i++) {
        if (m->quantum_left && is_runnable(m, m->turn))
            return (int)m->turn;
        m->turn = (m->turn + 1) % m->cfg.smp;
        m->quantum_left = m->cfg.quantum;
    }
    return -1;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

uint64_t run_slice_ns(const struct machine *m, uint32_t *part)
{
    *part = 0;
    if (!m->timing)
        return cpu_icount(m->running) - m->slice_start;
    const uint64_t ticks = timing_ticks(m->running) - m->slice_ticks + m->part_ticks;
    *part = ticks % TIMING_TICKS_PER_NS;
    return ticks / TIMING_TICKS_PER_NS;
}

/* May the clock's events fire here? */
static bool between_stretches(const struct machine *m)
{
    return !m->timing || m->event_kick || (m->cfg.smp > 1 && !m->quantum_left) ||
           !timing_in_stretch(m->cpu[m->turn]);
}

static void slice_begin(struct machine *m, struct cpu *c, uint64_t until_ns)
{
    m->slice_start = cpu_icount(c);
    m->running = c;
    if (m->timing) {
        const uint64_t ns = min_u64(until_ns - m->now_ns, UINT64_MAX / 2 / TIMING_TICKS_PER_NS);
        m->slice_ticks = timing_ticks(c);
        m->event_kick = false;
        timing_set_stop(c, m->slice_ticks + ns * TIMING_TICKS_PER_NS - m->part_ticks);
    }
}

/* Run one LP; returns why it came back. */
static enum cpu_stop run_slice(struct machine *m, struct cpu *c, uint64_t insns, uint64_t until_ns)
{
    slice_begin(m, c, until_ns);
    const enum cpu_stop why = cpu_run(c, insns);
    const uint64_t ran = cpu_icount(c) - m->slice_start;
    uint32_t part;
    m->now_ns += run_slice_ns(m, &part);
    m->part_ticks = part;
    m->running = NULL;
    m->icount += ran;
    m->quantum_left -= min_u64(ran, m->quantum_left);
    if (why == CPU_STOP_IDLE || (why == CPU_STOP_KICK && ran && clock_next(m->clock) > m->now_ns))
        m->quantum_left = 0;
    return why;
}

/* Let the front end look and feed the machine; false: no more input will ever come. */
static bool call_hook(struct machine *m, bool idle)
{
    m->idle = idle;
    m->hook_at = m->icount + HOOK_INSNS;
    const bool may_come = m->slice_hook && m->slice_hook(m->slice_opaque);
    m->idle = false;
    input_pump(m->input, m->icount);
    return may_come;
}

/* Nothing to run: jump to the next event. false: there is none, and no input can make one. */
static bool idle_step(struct machine *m, uint64_t until_ns)
{
    bool may_come = true;
    if (m->icount >= m->hook_at || m->idle_step_ns || clock_next(m->clock) == CLOCK_NEVER)
        may_come = call_hook(m, true);
    else
        m->hook_at -= min_u64(m->hook_at - m->icount, 1000); /* idle jumps count as some work */
    if (input_is_pending(m->input)) /* a back end answered at once: do not jump over it */
        input_pump(m->input, m->icount);
    for (unsigned i = 0; i < m->cfg.smp; i++) {
        if (is_runnable(m, i))
            return true;
    }
    uint64_t next = clock_next(m->clock);
    if (next == CLOCK_NEVER && !(may_come && m->idle_step_ns))
        return may_come || m->stop_request;
    if (m->idle_step_ns)
        next = min_u64(next, m->now_ns + m->idle_step_ns);
    m->now_ns = min_u64(next > m->now_ns ? next : m->now_ns, until_ns);
    return true;
}

static bool all_dead(const struct machine *m)
{
    if (m->power != POWER_ON)
        return false;
    for (unsigned i = 0; i < m->cfg.smp; i++) {
        const struct cpu *c = m->cpu[i];
        if (c->activity == CPU_ACTIVE || c->activity == CPU_MWAIT || c->non_root ||
            (c->activity == CPU_HALTED && (c->eflags & FL_IF)))
            return false;
    }
    return true;
}

static bool stop_of(struct machine *m, enum cpu_stop why, enum machine_stop *stop)
{
    switch (why) {
    case CPU_STOP_SHUTDOWN:
        *stop = MACHINE_STOP_SHUTDOWN;
        return true;
    case CPU_STOP_BREAK:
        m->break_lp = m->turn;
        *stop = MACHINE_STOP_BREAK;
        return true;
    default:
        return false;
    }
}

enum machine_stop machine_run(struct machine *m, uint64_t insns, uint64_t until_ns)
{
    const uint64_t end = insns > UINT64_MAX - m->icount ? UINT64_MAX : m->icount + insns;
    for (;;) {
        enum machine_stop stop;
        if (m->stopping) {
            m->stopping = false;
            return m->stop;
        }
        if (m->stop_request) {
            m->stop_request = 0;
            return MACHINE_STOP_REQUEST;
        }
        if (m->power == POWER_WAKING)
            machine_wake(m);
        const bool between = between_stretches(m);
        if (between && clock_next(m->clock) <= m->now_ns) {
            m->event_kick = false;
            clock_advance(m->clock, m->now_ns);
            continue;
        }
        if (m->icount >= end || (between && m->now_ns >= until_ns))
            return MACHINE_STOP_POSITION;
        if (m->icount >= m->hook_at) {
            call_hook(m, false);
            continue;
        }
        const int lp = pick(m);
        if (lp < 0) {
            if (all_dead(m) || !idle_step(m, until_ns))
                return MACHINE_STOP_IDLE_FOREVER;
            continue;
        }
        /* one processor has no turns to give */
        const uint64_t turn = m->cfg.smp == 1 ? HOOK_INSNS : m->quantum_left;
        const uint64_t stop_ns = max_u64(min_u64(clock_next(m->clock), until_ns), m->now_ns);
        uint64_t n = min_u64(turn, end - m->icount);
        if (!m->timing)
            n = min_u64(n, stop_ns - m->now_ns);
        if (stop_of(m, run_slice(m, m->cpu[lp], n, stop_ns), &stop))
            return stop;
    }
}

enum machine_stop machine_step(struct machine *m, unsigned lp)
{
    enum machine_stop stop;
    if (between_stretches(m))
        clock_advance(m->clock, m->now_ns);
    if (m->power == POWER_WAKING)
        machine_wake(m);
    m->turn = lp;
    m->quantum_left = m->cfg.quantum;
    if (!is_runnable(m, lp)) {
        if (!idle_step(m, UINT64_MAX))
            return MACHINE_STOP_IDLE_FOREVER;
        clock_advance(m->clock, m->now_ns);
    }
    if (stop_of(m, run_slice(m, m->cpu[lp], 1, max_u64(clock_next(m->clock), m->now_ns)), &stop))
        return stop;
    if (m->stopping) {
        m->stopping = false;
        return m->stop;
    }
    return MACHINE_STOP_POSITION;
}

void machine_request_stop(struct machine *m)
{
    m->stop_request = 1;
    for (unsigned i = 0; i < m->cfg.smp; i++)
        cpu_kick(m->cpu[i]);
}
