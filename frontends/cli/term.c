/*
 * Raw terminal handling. The settings are restored by atexit, by the fatal-signal handlers and by
 * the crash hook of lib/log, so no way out leaves a raw terminal behind; SIGTSTP is not delivered
 * in raw mode because Ctrl-Z belongs to the guest.
 *
 * Not modelled: window size changes (a serial line has none).
 */
#include "frontends/cli/term.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "lib/log.h"

#define ESCAPE_BYTE 0x01 /* Ctrl-A */

static struct termios saved_settings;
static volatile sig_atomic_t is_raw;
static volatile sig_atomic_t pending_signal;

bool term_escape_feed(struct term_escape *esc, uint8_t byte, uint8_t *out,
                      enum term_command *command)
{
    *command = TERM_NONE;
    *out = byte;
    if (!esc->armed) {
        esc->armed = byte == ESCAPE_BYTE;
        return !esc->armed;
    }
    esc->armed = false;
    switch (byte) {
    case 'x':
    case 'q':
    case 0x18: /* Ctrl-A Ctrl-X */
        *command = TERM_EXIT;
        return false;
    case 'h':
    case '?':
        *command = TERM_HELP;
        return false;
    case 'n':
        *command = TERM_NEXT;
        return false;
    case 'c':
        *command = TERM_MONITOR;
        return false;
    case 's':
        *command = TERM_STAT;
        return false;
    case '=':
        *command = TERM_HASH;
        return false;
    case 'p':
        *command = TERM_POWER;
        return false;
    case 'a':
    case ESCAPE_BYTE:
        *out = ESCAPE_BYTE;
        return true;
    default:
        return true; /* an unknown letter goes to the guest */
    }
}

void term_restore(void)
{
    if (is_raw) {
        is_raw = 0;
        tcsetattr(STDIN_FILENO, TCSANOW, &saved_settings);
    }
}

static void restore_hook(void *opaque)
{
    (void)opaque;
    term_restore();
}

static void on_fatal(int sig)
{
    term_restore();
    signal(sig, SIG_DFL);
    raise(sig);
}

static void on_stop_request(int sig)
{
    if (pending_signal) { /* the second one does not wait for the run loop */
        term_restore();
        signal(sig, SIG_DFL);
        raise(sig);
    }
    pending_signal = sig;
}

void term_catch_signals(void)
{
    static const int stop[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction sa;

    memset(&sa, 0, sizeof(sa));
    sa.sa_handler = on_stop_request;
    for (size_t i = 0; i < sizeof(stop) / sizeof(stop[0]); i++)
        sigaction(stop[i], &sa, NULL);
    signal(SIGPIPE, SIG_IGN);
}

int term_signal_pending(void)
{
    return pending_signal;
}

bool term_is_tty(void)
{
    return isatty(STDIN_FILENO);
}

void term_enter_raw(void)
{
    static const int fatal[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGQUIT};
    struct termios raw;

    if (is_raw || tcgetattr(STDIN_FILENO, &saved_settings) < 0)
        return;
    raw = saved_settings;
    raw.c_iflag &= ~(tcflag_t)(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    raw.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
    raw.c_cflag = (raw.c_cflag & ~(tcflag_t)(CSIZE | PARENB)) | CS8;
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    /* Output processing stays on: our own lines on stderr end in \n only. */
    atexit(term_restore);
    log_set_crash_hook(restore_hook, NULL);
    for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
        signal(fatal[i], on_fatal);
    is_raw = 1;
    if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) < 0)
        is_raw = 0;
}

bool term_wait(int ms)
{
    struct pollfd pfd = {STDIN_FILENO, POLLIN, 0};

    return poll(&pfd, 1, ms) > 0;
}

int term_read(uint8_t *buf, size_t size)
{
    if (!term_wait(0))
        return 0;
    ssize_t n = read(STDIN_FILENO, buf, size);
    if (n > 0)
        return (int)n;
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return 0;
    return -1;
}

void term_write(const uint8_t *bytes, size_t len)
{
    while (len) {
        ssize_t n = write(STDOUT_FILENO, bytes, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            struct pollfd pfd = {STDOUT_FILENO, POLLOUT, 0};
            poll(&pfd, 1, 1000);
            continue;
        }
        if (n <= 0)
            return;
        bytes += n;
        len -= (size_t)n;
    }
}
