/*
 * The monitor's prompt at the terminal (Ctrl-A c): the commands of debug/commands.def, and
 * `continue` and `quit`. Line editing and history with libedit when it is built in.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef HAVE_LIBEDIT
#include <editline/readline.h>
#endif

#include "debug/monitor.h"
#include "frontends/cli/session.h"

static void print(void *opaque, const char *text)
{
    (void)opaque;
    fputs(text, stdout);
}

#ifdef HAVE_LIBEDIT
static char *read_line(void)
{
    char *line = readline("(vitrine) ");

    if (line && *line)
        add_history(line);
    return line;
}
#else
static char *read_line(void)
{
    char *line = NULL;
    size_t size = 0;

    fputs("(vitrine) ", stdout);
    fflush(stdout);
    if (getline(&line, &size, stdin) >= 0)
        return line;
    free(line);
    return NULL;
}
#endif

void session_prompt(struct session *s)
{
    struct monitor mon = {s->machine, 0, print, NULL};

    s->want_monitor = false;
    consoles_newline(&s->consoles);
    term_restore();
    puts("monitor: `help` lists commands, `continue` or Ctrl-D goes on, `quit` ends the run");
    for (;;) {
        char *line = read_line();
        if (!line || line[0] == 'c') {
            free(line);
            break;
        }
        if (line[0] == 'q') {
            s->end = END_USER;
            free(line);
            break;
        }
        line[strcspn(line, "\n")] = 0;
        if (*line)
            monitor_run(&mon, line);
        free(line);
    }
    if (s->interactive && s->end == END_NONE)
        term_enter_raw();
}
