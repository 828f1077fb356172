/*
 * Logging for host code. Every line has a level and a module name; each call site is rate-limited
 * so that a guest cannot flood the terminal. Log output goes to stderr and never influences the
 * machine.
 *
 * Two levels are about the guest, not about us:
 *   GUEST  the guest did something illegal that hardware tolerates or ignores
 *   STUB   the guest used something this machine does not model
 *
 * Not modelled: asynchronous sinks; one process-wide configuration is enough for a command line.
 */
#ifndef VITRINE_LIB_LOG_H
#define VITRINE_LIB_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level {
    LOG_LEVEL_ERROR,
    LOG_LEVEL_WARN,
    LOG_LEVEL_STUB,
    LOG_LEVEL_GUEST,
    LOG_LEVEL_INFO,
    LOG_LEVEL_DEBUG,
    LOG_LEVEL_COUNT
};

/* One per call site; the first `log_site_limit` messages are printed, then every power of two. */
struct log_site {
    uint64_t count;
};

typedef void (*log_sink_fn)(void *opaque, enum log_level level, const char *module,
                            const char *text);

/* Messages of this level and of all levels above it in the enum are shown (default: WARN). */
void log_set_level(enum log_level level);
enum log_level log_get_level(void);

/* Show or hide one level regardless of the threshold, e.g. GUEST with --log=guest. */
void log_enable(enum log_level level, bool on);
bool log_is_enabled(enum log_level level);

/* Messages printed per site before thinning out; 0 means no limit. */
void log_set_site_limit(uint64_t limit);

/* Replace the stderr sink (tests, raw terminals); NULL restores it. */
void log_set_sink(log_sink_fn sink, void *opaque);

/* "error", "warn", "stub", "guest", "info", "debug". */
const char *log_level_name(enum log_level level);
bool log_level_parse(const char *name, enum log_level *level);

void log_write(struct log_site *site, enum log_level level, const char *module, const char *fmt,
               ...) __attribute__((format(printf, 4, 5)));

#define log_msg(level, module, ...)                            \
    do {                                                       \
        static struct log_site log_site_;                      \
        if (log_is_enabled(level))                             \
            log_write(&log_site_, level, module, __VA_ARGS__); \
    } while (0)

#define LOG_ERROR(module, ...) log_msg(LOG_LEVEL_ERROR, module, __VA_ARGS__)
#define LOG_WARN(module, ...)  log_msg(LOG_LEVEL_WARN, module, __VA_ARGS__)
#define LOG_INFO(module, ...)  log_msg(LOG_LEVEL_INFO, module, __VA_ARGS__)
#define LOG_DEBUG(module, ...) log_msg(LOG_LEVEL_DEBUG, module, __VA_ARGS__)
#define LOG_GUEST(module, ...) log_msg(LOG_LEVEL_GUEST, module, __VA_ARGS__)
#define LOG_STUB(module, ...)  log_msg(LOG_LEVEL_STUB, module, __VA_ARGS__)

/*
 * A broken invariant of ours, never guest-controlled: stays on in release, prints and aborts after
 * running the crash hook (which dumps machine state and restores the terminal).
 */
#define VASSERT(cond)                                     \
    do {                                                  \
        if (__builtin_expect(!(cond), 0))                 \
            log_assert_failed(#cond, __FILE__, __LINE__); \
    } while (0)

void log_assert_failed(const char *cond, const char *file, int line) __attribute__((noreturn));
void log_set_crash_hook(void (*hook)(void *opaque), void *opaque);

#endif
