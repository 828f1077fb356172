/*
 * Monitor, private: the table's functions.
 */
#ifndef DEBUG_MONITOR_INT_H
#define DEBUG_MONITOR_INT_H

#include <stdint.h>

#include "cpu/cpu.h"
#include "debug/monitor.h"

#define MONITOR_ARGS 4

/* False: wrong arguments; the usage line is then printed. */
typedef bool monitor_fn(struct monitor *mon, unsigned argc, char **argv);

#define MONITOR(name, arguments, help) monitor_fn monitor_##name;
#include "debug/commands.def"
#undef MONITOR

struct cpu *monitor_cpu(struct monitor *mon);
/* Hexadecimal or decimal number, or $REGISTER. */
bool monitor_number(struct monitor *mon, const char *text, uint64_t *value);

#endif
