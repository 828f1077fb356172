/*
 * The console ports of a named machine (--name) as UNIX sockets, one byte stream each:
 * $XDG_RUNTIME_DIR/vitrine/NAME/PORT (without that variable /tmp/vitrine-UID/NAME/PORT), for the
 * user alone. "vmms" is the management endpoint, "vm.X" the console of the VM X. One client at a
 * time; the next one waits.
 */
#ifndef VITRINE_FRONTENDS_CLI_PORTS_H
#define VITRINE_FRONTENDS_CLI_PORTS_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/err.h"

#define PORTS_MAX     24
#define PORTS_FDS_MAX (2 * PORTS_MAX)
#define PORTS_NAME    32 /* of a machine, with the 0 */

struct input;
struct ports;

/* Listen for every port of `names`; NULL with *err. */
struct ports *ports_open(const char *machine, const char *const *names, unsigned count,
                         struct err *err);
void ports_close(struct ports *p); /* NULL is allowed */
void ports_bind_input(struct ports *p, const struct input *in);
/* What the guest wrote to a console ("console/vm.a"); machine's thread. */
void ports_output(struct ports *p, const char *source, const void *bytes, size_t len);
/* Between slices: take clients, hand on what they sent, send what waits. */
void ports_serve(struct ports *p, struct input *in);
/* What to wait for; returns how many. */
unsigned ports_add_fds(const struct ports *p, struct pollfd fd[PORTS_FDS_MAX]);

/* For clients: the path of a port, and a connection to it (-errno with *err). */
int ports_path(char *out, size_t size, const char *machine, const char *port, struct err *err);
int ports_connect(const char *machine, const char *port, struct err *err);
/* The only machine that runs under a name, if there is just one; 0 or -errno with *err. */
int ports_find_machine(char name[PORTS_NAME], struct err *err);

#endif
