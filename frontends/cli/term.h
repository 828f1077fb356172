/*
 * The terminal: raw mode with restore on every way out, the Ctrl-A escape, non-blocking input.
 */
#ifndef VITRINE_FRONTENDS_CLI_TERM_H
#define VITRINE_FRONTENDS_CLI_TERM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the escape sequence asked for. */
enum term_command {
    TERM_NONE,
    TERM_EXIT,    /* Ctrl-A x */
    TERM_HELP,    /* Ctrl-A h or ? */
    TERM_NEXT,    /* Ctrl-A n: next console */
    TERM_MONITOR, /* Ctrl-A c: monitor prompt */
    TERM_STAT,    /* Ctrl-A s */
    TERM_HASH,    /* Ctrl-A = */
    TERM_POWER,   /* Ctrl-A p: power button */
};

/* Decoder of the Ctrl-A escape; Ctrl-A Ctrl-A and Ctrl-A a send one Ctrl-A. */
struct term_escape {
    bool armed;
};

/* Feed one byte: true = *out is for the guest; a command is reported in *command. */
bool term_escape_feed(struct term_escape *esc, uint8_t byte, uint8_t *out,
                      enum term_command *command);

/* Raw mode on stdin when it is a terminal; installs restoring handlers for exit and signals. */
void term_enter_raw(void);
void term_restore(void);
bool term_is_tty(void);

/* Bytes from stdin without waiting; 0 when none, -1 at end of input. */
int term_read(uint8_t *buf, size_t size);
/* Wait until stdin has input, at most ms milliseconds. */
bool term_wait(int ms);

/* Set by SIGINT/SIGTERM/SIGHUP when not in raw mode; the run loop looks at it. */
int term_signal_pending(void);
void term_catch_signals(void);

void term_write(const uint8_t *bytes, size_t len);

#endif
