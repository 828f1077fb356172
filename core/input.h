/*
 * core/input.h: the one door for everything that comes from outside (design.md 2.4).
 *
 * Front ends push input from the machine's thread between slices only; it is stamped with the
 * position at which the machine saw it, so that a log of (position, source, bytes) replays.
 */
#ifndef CORE_INPUT_H
#define CORE_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct input;

/* A named sink, e.g. "serial0", "console/vm.a"; accept returns how many bytes it took (the rest
 * stays queued and is offered again when input_pump runs). */
struct input_sink {
    const char *name;
    size_t (*accept)(void *opaque, const uint8_t *bytes, size_t len);
    void *opaque;
};

struct input *input_new(void);
void input_free(struct input *in);
int input_add_sink(struct input *in, const struct input_sink *sink);       /* index, or -ENOSPC */
int input_find(const struct input *in, const char *name);                  /* index, or -ENOENT */
int input_push(struct input *in, int sink, const void *bytes, size_t len); /* 0 or -ENOSPC */
bool input_is_pending(const struct input *in); /* bytes that no sink has taken yet */
/* For the run loop: offer queued bytes to the sinks; called at slice ends. */
void input_pump(struct input *in, uint64_t position);

#endif
