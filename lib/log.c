/*
 * Logging to stderr with levels and per-site rate limits.
 *
 * Not modelled: time stamps, because host time may not be seen by the machine and a log that
 * differs between two equal runs is a nuisance; modules put the virtual position in their text.
 */
#include "lib/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const level_names[LOG_LEVEL_COUNT] = {
    [LOG_LEVEL_ERROR] = "error", [LOG_LEVEL_WARN] = "warn", [LOG_LEVEL_STUB] = "stub",
    [LOG_LEVEL_GUEST] = "guest", [LOG_LEVEL_INFO] = "info", [LOG_LEVEL_DEBUG] = "debug",
};

static enum log_level threshold = LOG_LEVEL_WARN;
static unsigned enabled_mask = (1u << LOG_LEVEL_ERROR) | (1u << LOG_LEVEL_WARN);
static uint64_t site_limit = 10;
static log_sink_fn sink_fn;
static void *sink_opaque;
static void (*crash_hook)(void *);
static void *crash_opaque;

void log_set_level(enum log_level level)
{
    threshold = level;
    enabled_mask = (2u << level) - 1;
}

enum log_level log_get_level(void)
{
    return threshold;
}

void log_enable(enum log_level level, bool on)
{
    if (on)
        enabled_mask |= 1u << level;
    else
        enabled_mask &= ~(1u << level);
}

bool log_is_enabled(enum log_level level)
{
    return enabled_mask >> level & 1;
}

void log_set_site_limit(uint64_t limit)
{
    site_limit = limit;
}

void log_set_sink(log_sink_fn sink, void *opaque)
{
    sink_fn = sink;
    sink_opaque = opaque;
}

const char *log_level_name(enum log_level level)
{
    return level < LOG_LEVEL_COUNT ? level_names[level] : "?";
}

bool log_level_parse(const char *name, enum log_level *level)
{
    for (unsigned i = 0; i < LOG_LEVEL_COUNT; i++) {
        if (strcmp(name, level_names[i]) == 0) {
            *level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

/* True when this occurrence is shown: the first few, then each power of two. */
static bool site_admits(struct log_site *site)
{
    uint64_t n = ++site->count;

    return site_limit == 0 || n <= site_limit || (n & (n - 1)) == 0;
}

void log_write(struct log_site *site, enum log_level level, const char *module, const char *fmt,
               ...)
{
    char text[1024];
    va_list ap;

    if (!log_is_enabled(level) || !site_admits(site))
        return;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (n < 0)
        return;
    size_t len = (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1;
    if (site_limit != 0 && site->count > site_limit)
        snprintf(text + len, sizeof(text) - len, " (%llu times)", (unsigned long long)site->count);
    if (sink_fn)
        sink_fn(sink_opaque, level, module, text);
    else
        fprintf(stderr, "vitrine: %s: %s: %s\n", log_level_name(level), module, text);
}

void log_assert_failed(const char *cond, const char *file, int line)
{
    static bool in_assert;

    fprintf(stderr, "vitrine: internal error: %s:%d: assertion failed: %s\n", file, line, cond);
    if (!in_assert && crash_hook) {
        in_assert = true;
        crash_hook(crash_opaque);
    }
    abort();
}

void log_set_crash_hook(void (*hook)(void *opaque), void *opaque)
{
    crash_hook = hook;
    crash_opaque = opaque;
}
