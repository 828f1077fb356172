/*
 * One run of a machine by the command line: everything that lives from start to exit code.
 */
#ifndef VITRINE_FRONTENDS_CLI_SESSION_H
#define VITRINE_FRONTENDS_CLI_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "frontends/cli/console.h"
#include "frontends/cli/images.h"
#include "frontends/cli/net.h"
#include "frontends/cli/options.h"
#include "frontends/cli/term.h"
#include "machine/machine.h"

struct display;
struct display_ops;
struct gdb;
struct json_t;
struct ports;
struct trace_writer;

/* Why the run ended; texts in session.c. */
enum end_reason {
    END_NONE,
    END_POWEROFF,
    END_EXIT_PORT,
    END_TRIPLE_FAULT,
    END_HALTED,
    END_UNTIL,
    END_PANIC,
    END_TIMEOUT,
    END_MAX_INSNS,
    END_USER,
    END_SIGNAL,
    END_KILLED,
    END_ERROR,
    END_WITH_OTHERS,
};

struct session {
    struct options o;
    const char *name;      /* one machine of several (group.c); NULL: the only one */
    unsigned index;        /* of the machine in this run */
    struct net_hubs *hubs; /* of this run */
    bool (*is_quiet)(const struct session *s); /* several machines: none of them does anything */
    struct images images;
    struct net net;
    struct machine_config config;
    struct machine *machine;
    struct consoles consoles;
    struct gdb *gdb;
    struct ports *ports; /* --name: consoles as sockets; or NULL */
    struct trace_writer *trace;
    const struct display_ops *display_ops; /* NULL: none */
    struct display *display;
    char screenshot[512];   /* file, "": none */
    uint64_t screenshot_ns; /* virtual time; UINT64_MAX: at the end */
    struct term_escape escape;
    struct file typed; /* --input */
    size_t typed_at;
    bool typed_started;
    bool interactive; /* keyboard goes to the guest, raw mode */
    bool reads_stdin;
    bool want_stat;
    bool want_monitor; /* Ctrl-A c */
    enum end_reason end;
    unsigned resets;
    /* host time, for --timeout, pacing and polling only */
    uint64_t start_ns, deadline_ns, next_poll_ns, next_draw_ns;
    uint64_t pace_wall, pace_virtual;
    bool pace_net;        /* the outside may say something: idle time is paced */
    uint64_t panic_at_ns; /* virtual time of the first panic line, 0: none */
    uint8_t pending[64];  /* keys the guest has not taken yet */
    unsigned pending_len;
};

int session_open(struct session *s, struct err *err);
/* Runs to the end; returns the exit code. */
int session_run(struct session *s);
/* Its parts, for several machines in turn: before the first turn; after machine_run came back; once
 * more while gdb has it stopped; at the end: returns the exit code. */
void session_begin(struct session *s);
void session_handle_stop(struct session *s, enum machine_stop stop);
bool session_is_held(const struct session *s);
void session_serve_held(struct session *s);
int session_end(struct session *s);
/* Members of the result's JSON document. */
struct json_t *session_json(const struct session *s, int code);
void session_close(struct session *s);

uint64_t host_now_ns(void);

/* stat.c: counts and exit histogram as text on `out`, or JSON members of a document. */
void stat_print(const struct session *s, FILE *out);
struct json_t *stat_json(const struct session *s);

/* group.c: the machines of --machine, run together. `letter` is the command's. */
int group_run(const struct options *o, char letter, bool want_stat);
/* run.c: a machine file's settings under those that the command line gave. */
int session_add_file(struct options *o, const char *path, char *text, char letter, struct err *err);

/* input.c: between slices: keyboard, typed file, pacing; may set s->end. */
void session_poll_input(struct session *s);
void session_pace(struct session *s);

/* screen.c: the live display and screenshots. */
int session_open_display(struct session *s, struct err *err);  /* reads the options */
int session_start_display(struct session *s, struct err *err); /* once the machine is there */
void session_close_display(struct session *s);
void session_draw(struct session *s); /* now and then; may set s->end */
/* Take the screenshot if it is due, at the end in any case; false: not due. A failure is told and
 * makes the run an error. */
bool session_screenshot(struct session *s, bool at_end);

/* prompt.c: monitor commands at the terminal while the machine stands still. */
void session_prompt(struct session *s);

#endif
