/*
 * Monitor commands (commands.def), reached by gdb's `monitor` and by front ends. They look, they
 * do not change the machine.
 */
#ifndef DEBUG_MONITOR_H
#define DEBUG_MONITOR_H

#include <stdbool.h>

struct machine;

struct monitor {
    struct machine *machine;
    unsigned lp; /* the LP that commands without an LP number mean */
    void (*print)(void *opaque, const char *text);
    void *opaque;
};

/* False when the command is unknown or its arguments are wrong (a message was printed). */
bool monitor_run(struct monitor *mon, const char *line);
void monitor_printf(struct monitor *mon, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
