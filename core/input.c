/*
 * core/input.c: the one door for outside input (core/input.h).
 *
 * Every sink has a byte queue; input_pump offers the bytes at slice ends, so a device sees them at
 * a position that depends on the machine only.
 * Not modelled: the log of (position, sink, bytes); `position` is kept for it.
 */
#include "core/input.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_SINKS     64
#define INPUT_QUEUE_MAX (1u << 20)

struct queue {
    struct input_sink sink;
    uint8_t *bytes;
    size_t len, cap;
};

struct input {
    struct queue q[INPUT_SINKS];
    int count;
    uint64_t position; /* of the last pump that delivered something */
};

struct input *input_new(void)
{
    return calloc(1, sizeof(struct input));
}

void input_free(struct input *in)
{
    if (!in)
        return;
    for (int i = 0; i < in->count; i++)
        free(in->q[i].bytes);
    free(in);
}

int input_add_sink(struct input *in, const struct input_sink *sink)
{
    if (in->count == INPUT_SINKS)
        return -ENOSPC;
    in->q[in->count].sink = *sink;
    return in->count++;
}

int input_find(const struct input *in, const char *name)
{
    for (int i = 0; i < in->count; i++) {
        if (!strcmp(in->q[i].sink.name, name))
            return i;
    }
    return -ENOENT;
}

int input_push(struct input *in, int sink, const void *bytes, size_t len)
{
    if (sink < 0 || sink >= in->count)
        return -ENOENT;
    struct queue *q = &in->q[sink];
    if (len > INPUT_QUEUE_MAX - q->len)
        return -ENOSPC;
    if (q->len + len > q->cap) {
        const size_t cap = (q->len + len + 4095) & ~(size_t)4095;
        uint8_t *grown = realloc(q->bytes, cap);
        if (!grown)
            return -ENOSPC;
        q->bytes = grown;
        q->cap = cap;
    }
    if (len)
        memcpy(q->bytes + q->len, bytes, len);
    q->len += len;
    return 0;
}

bool input_is_pending(const struct input *in)
{
    for (int i = 0; i < in->count; i++) {
        if (in->q[i].len)
            return true;
    }
    return false;
}

void input_pump(struct input *in, uint64_t position)
{
    for (int i = 0; i < in->count; i++) {
        struct queue *q = &in->q[i];
        if (!q->len)
            continue;
        const size_t took = q->sink.accept(q->sink.opaque, q->bytes, q->len);
        if (!took)
            continue;
        memmove(q->bytes, q->bytes + took, q->len - took);
        q->len -= took;
        in->position = position;
    }
}
