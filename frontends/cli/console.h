/*
 * Consoles of the guest as the command line shows them: which are printed and how, which one the
 * keyboard goes to, and what their text makes the run do (--until, panics, --input-after).
 */
#ifndef VITRINE_FRONTENDS_CLI_CONSOLE_H
#define VITRINE_FRONTENDS_CLI_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct input;

#define CONSOLE_MAX  24
#define CONSOLE_TAIL 4096

enum console_show { CONSOLE_SHOW_FIRST, CONSOLE_SHOW_ALL, CONSOLE_SHOW_NONE };

/* Finds a text in a stream, whatever the pieces it comes in. */
struct matcher {
    const char *text;
    size_t len, at;
};
void matcher_init(struct matcher *m, const char *text);
bool matcher_feed(struct matcher *m, char ch);

struct console {
    char source[48]; /* "serial0", "console/vm.a" */
    char label[40];  /* "serial0", "a" */
    int sink;        /* input sink, or negative */
    bool shown;
    bool is_log; /* hypervisor or root: its tail is shown when a run goes wrong */
    char line[512]; /* unfinished line, while several consoles are shown */
    unsigned line_len, line_seen;
    struct matcher until, panic, panic_end, after;
    char tail[CONSOLE_TAIL]; /* ring of the last bytes */
    uint64_t written;
};

struct consoles {
    struct console c[CONSOLE_MAX];
    unsigned count;
    unsigned focus; /* of the keyboard */
    enum console_show show;
    FILE *out;
    const char *machine; /* name of one among several; NULL: the only one */
    const char *until_text, *after_text;
    /* what was seen */
    bool until_seen, panic_seen, panic_ended, after_seen;
    bool at_line_start; /* of the terminal */
};

void consoles_init(struct consoles *cs, enum console_show show, FILE *out, const char *machine);
/* Order of adding is the order of the keys; the first is the one that the terminal is for. */
struct console *consoles_add(struct consoles *cs, const char *source, bool is_log);
void consoles_bind_input(struct consoles *cs, const struct input *in);
/* Guest output; machine's thread. Returns true when something of the "seen" flags became true. */
bool consoles_output(struct consoles *cs, const char *source, const void *bytes, size_t len);
void consoles_next(struct consoles *cs);
/* For a person: show an unfinished line (a prompt) that has not grown since the last call. */
void consoles_show_prompts(struct consoles *cs);
/* Own message between guest output: starts at a line start. */
void consoles_newline(struct consoles *cs);
/* Last lines of the logs (and of the consoles that were not shown) to stderr. */
void consoles_print_tails(const struct consoles *cs);

#endif
