/*
 * Keys on their way into the machine: terminal, --input, and the Ctrl-A commands; and pacing, so
 * that an idle guest at its prompt does not burn the host's processor.
 */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/input.h"
#include "frontends/cli/ports.h"
#include "frontends/cli/session.h"

#define PACE_STEP_MS 20

static void print_keys(void)
{
    fprintf(stderr, "\nCtrl-A x  leave        Ctrl-A n  next console\n"
                    "Ctrl-A c  monitor      Ctrl-A s  counts\n"
                    "Ctrl-A =  state hash   Ctrl-A p  power button\n"
                    "Ctrl-A a  send Ctrl-A  Ctrl-A h  this text\n");
}

static void do_command(struct session *s, enum term_command command)
{
    switch (command) {
    case TERM_EXIT:
        s->end = END_USER;
        machine_request_stop(s->machine);
        break;
    case TERM_HELP:
        print_keys();
        break;
    case TERM_NEXT:
        consoles_next(&s->consoles);
        fprintf(stderr, "\nvitrine: keyboard goes to [%s]\n",
                s->consoles.c[s->consoles.focus].label);
        break;
    case TERM_STAT:
        consoles_newline(&s->consoles);
        stat_print(s, stderr);
        break;
    case TERM_HASH:
        fprintf(stderr, "\nvitrine: state-hash %016" PRIx64 " at %" PRIu64 "\n",
                machine_hash(s->machine), machine_icount(s->machine));
        break;
    case TERM_POWER: {
        struct input *const in = machine_input(s->machine);
        input_push(in, input_find(in, "power-button"), "", 1);
        break;
    }
    case TERM_MONITOR:
        s->want_monitor = true;
        machine_request_stop(s->machine);
        break;
    case TERM_NONE:
        break;
    }
}

/* Hand what is pending to the console that has the keyboard. */
static void push_pending(struct session *s)
{
    const int sink = s->consoles.c[s->consoles.focus].sink;

    if (s->pending_len == 0)
        return;
    if (sink < 0 || input_push(machine_input(s->machine), sink, s->pending, s->pending_len) == 0)
        s->pending_len = 0;
}

static void read_terminal(struct session *s)
{
    uint8_t bytes[16], out;
    enum term_command command;
    const int n = term_read(bytes, sizeof(bytes));

    if (n < 0)
        s->reads_stdin = false;
    for (int i = 0; i < n; i++) {
        bool for_guest = true;
        out = bytes[i];
        command = TERM_NONE;
        if (s->interactive)
            for_guest = term_escape_feed(&s->escape, bytes[i], &out, &command);
        if (for_guest && s->pending_len < sizeof(s->pending))
            s->pending[s->pending_len++] = out;
        do_command(s, command);
    }
}

/* --input: starts at the text of --input-after; as much as the queue takes each time. */
static void push_typed(struct session *s)
{
    const int sink = s->consoles.c[0].sink;
    const bool started = !opt_text(&s->o, OPT_ID_INPUT_AFTER) || s->consoles.after_seen;

    while (started && s->typed_at < s->typed.size) {
        const size_t left = s->typed.size - s->typed_at, n = left < 64 ? left : 64;
        if (sink >= 0 &&
            input_push(machine_input(s->machine), sink, s->typed.data + s->typed_at, n) < 0)
            return;
        s->typed_at += n;
    }
}

void session_poll_input(struct session *s)
{
    if (s->typed_at < s->typed.size)
        push_typed(s);
    if (s->reads_stdin && s->pending_len == 0 && host_now_ns() >= s->next_poll_ns)
        read_terminal(s);
    push_pending(s);
}

/* Wait for a key, for the network's outside, for a client of a port. */
enum { WAIT_NOTHING, WAIT_KEY = 1, WAIT_OTHER = 2 };
static unsigned wait_for_input(struct session *s, uint64_t ms)
{
    struct pollfd fd[1 + PORTS_FDS_MAX];
    unsigned n = 0;

    fflush(s->consoles.out);
    if (s->reads_stdin)
        fd[n++] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
    if (s->ports)
        n += ports_add_fds(s->ports, fd + n);
    const unsigned got = net_poll(&s->net, fd, n, (int)ms);
    const bool key = s->reads_stdin && fd[0].revents;
    return (key ? WAIT_KEY : 0) | (got > key ? WAIT_OTHER : 0);
}

/* Sleep until the wall has caught up with virtual time, or something comes in. */
static void wait_for_wall(struct session *s)
{
    const uint64_t virtual_ns = machine_now_ns(s->machine);
    for (;;) {
        const uint64_t wall = host_now_ns();
        const uint64_t passed = wall - s->pace_wall, wanted = virtual_ns - s->pace_virtual;
        if (s->pace_wall == 0 || passed >= wanted) {
            s->pace_wall = wall; /* behind: no debt is kept */
            s->pace_virtual = virtual_ns;
            return;
        }
        const uint64_t ms = (wanted - passed) / 1000000;
        if (ms == 0)
            return;
        const unsigned got = wait_for_input(s, ms < PACE_STEP_MS ? ms : PACE_STEP_MS);
        session_draw(s);
        if (got && s->ports)
            ports_serve(s->ports, machine_input(s->machine));
        if ((got & WAIT_KEY) || input_is_pending(machine_input(s->machine))) {
            s->next_poll_ns = 0;
            s->pace_wall = 0; /* a key: go on at once */
            session_poll_input(s);
        }
        if (got || term_signal_pending() || s->end != END_NONE)
            return;
    }
}

/* Pace virtual time to the wall: always with --realtime, else only while the machine is idle and
 * either a person sits at it or something may come from the network. When only a key can
 * wake the guest, wait for it. */
void session_pace(struct session *s)
{
    const bool idle = machine_is_idle(s->machine) && (!s->is_quiet || s->is_quiet(s));
    const bool net = s->net.live;

    if (net && !s->pace_net)
        s->pace_wall = 0; /* until now virtual time ran on its own */
    s->pace_net = net;
    if (machine_is_waiting(s->machine) && (s->reads_stdin || s->ports) && !net && !s->name) {
        if (wait_for_input(s, PACE_STEP_MS))
            s->next_poll_ns = 0;
        session_poll_input(s);
    } else if (opt_text(&s->o, OPT_ID_REALTIME) ||
               (idle && (s->interactive || s->display || s->ports || net))) {
        wait_for_wall(s);
    }
}
