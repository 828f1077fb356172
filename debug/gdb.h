/*
 * Remote stub for gdb (GDB manual, appendix E "Remote Serial Protocol"). LPs are threads 1..n of
 * one process. The stub never runs the machine; the front end's loop does:
 *
 *     while (!done) {
 *         if (gdb_is_stopped(g))
 *             gdb_poll(g, 100);
 *         else
 *             stop = machine_run(...);  ... on MACHINE_STOP_BREAK: gdb_report_break(g)
 *     }
 *
 * and the slice hook calls gdb_poll(g, 0) and asks for a stop when gdb_is_stopped(g) turns true.
 */
#ifndef DEBUG_GDB_H
#define DEBUG_GDB_H

#include <stdbool.h>

#include "lib/err.h"

struct gdb;
struct machine;

/* Listen on "PORT" (localhost), "HOST:PORT" or "unix:PATH". */
struct gdb *gdb_new(struct machine *m, const char *where, struct err *err);
void gdb_free(struct gdb *g); /* before the machine */

/* Serve what has arrived; wait at most timeout_ms for something. */
void gdb_poll(struct gdb *g, int timeout_ms);
/* The machine must stand still: a client is looking at it, or it was frozen from the start. */
bool gdb_is_stopped(const struct gdb *g);
bool gdb_has_client(const struct gdb *g);
bool gdb_killed(const struct gdb *g); /* the client sent k */
void gdb_freeze(struct gdb *g);       /* -S */

/* The machine stopped by itself at a breakpoint, watchpoint or step. May go on (ranges). */
void gdb_report_break(struct gdb *g);
/* The user asked for a stop, or a guest fault that is worth a look (triple fault):
 * SIGINT/SIGSEGV */
void gdb_report_stop(struct gdb *g, int signal);
void gdb_report_exit(struct gdb *g, int code);

#endif
