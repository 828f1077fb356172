/*
 * devices/net/hub.c: a repeater between the cards of one machine or of several in one process.
 *
 * What a port sends, every other port hears NET_HUB_LATENCY_NS later, by an event of the hearer's
 * own clock. Frames in flight are the hearer's state, ordered by (due time, port that sent), so
 * the order does not depend on which machine was run first as long as machines take turns of at
 * most the latency (machine/group.c): then every frame is due at or after the end of the turn.
 * Not modelled: bandwidth, collisions, learning of addresses.
 */
#include "devices/net/net.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FRAMES 128 /* in flight to one port; more are lost */

struct flight {
    uint64_t due;
    uint16_t len, from, used, unused;
    uint8_t bytes[(NET_FRAME_MAX + 7) & ~7];
};

struct port {
    struct dev dev; /* first */
    struct net_backend b;
    struct net_hub *hub;
    uint16_t index;
    bool attached;
    struct net_side side;
    struct clock_event event;
    /* state */
    uint64_t lost;
    uint8_t count, order[FRAMES]; /* indices of frames by due time */
    struct flight frame[FRAMES];
};

struct net_hub {
    struct port *port[NET_HUB_PORTS_MAX];
    unsigned count;
};

static const struct field fields[] = {
    FIELD(struct port, lost, 0, "frames that found no place"),
    FIELD(struct port, count, 0, "frames in flight"),
    FIELD_ARRAY(struct port, order, 0, "their order"),
    {"frames", offsetof(struct port, frame), 8, sizeof(struct flight) / 8 * FRAMES, 0, "frames"},
    FIELD_END,
};

static struct port *port_of(struct net_backend *b)
{
    return (struct port *)((char *)b - offsetof(struct port, b));
}

static void arm(struct port *p)
{
    if (p->count)
        clock_arm(p->side.clock, &p->event, p->frame[p->order[0]].due);
}

static void fire(void *opaque, uint64_t now_ns)
{
    struct port *const p = opaque;
    while (p->count && p->frame[p->order[0]].due <= now_ns) {
        struct flight *const f = &p->frame[p->order[0]];
        p->count--;
        memmove(p->order, p->order + 1, p->count);
        f->used = 0;
        p->side.receive(p->side.card, f->bytes, f->len);
    }
    arm(p);
}

/* When a frame sent at `sent` by another clock is heard here. Machines of a group are never
 * further apart than the latency; one that was reset is, and then the hearer's own time counts. */
static uint64_t due_at(const struct port *p, uint64_t sent)
{
    const uint64_t now = clock_now(p->side.clock), due = sent + NET_HUB_LATENCY_NS;
    return due < now || due - now > 2ull * NET_HUB_LATENCY_NS ? now + NET_HUB_LATENCY_NS : due;
}

static void hear(struct port *p, uint16_t from, uint64_t due, const uint8_t *bytes, size_t len)
{
    unsigned slot = 0, at = p->count;
    if (p->count == FRAMES) {
        p->lost++;
        return;
    }
    while (p->frame[slot].used)
        slot++;
    while (at) {
        const struct flight *const before = &p->frame[p->order[at - 1]];
        if (before->due < due || (before->due == due && before->from <= from))
            break;
        at--;
    }
    struct flight *const f = &p->frame[slot];
    f->due = due;
    f->len = (uint16_t)len;
    f->from = from;
    f->used = 1;
    memcpy(f->bytes, bytes, len);
    memset(f->bytes + len, 0, sizeof f->bytes - len);
    memmove(p->order + at + 1, p->order + at, p->count - at);
    p->order[at] = (uint8_t)slot;
    p->count++;
    arm(p);
}

static void port_send(struct net_backend *b, const uint8_t *frame, size_t len)
{
    struct port *const p = port_of(b);
    const uint64_t now = clock_now(p->side.clock);
    if (len > NET_FRAME_MAX)
        return;
    for (unsigned i = 0; i < p->hub->count; i++) {
        struct port *const other = p->hub->port[i];
        if (other && other != p && other->attached)
            hear(other, p->index, due_at(other, now), frame, len);
    }
}

/* The fields are reset: nothing is in flight any more. */
static void port_reset(struct dev *d)
{
    struct port *const p = (struct port *)d;
    clock_cancel(p->side.clock, &p->event);
}

static const struct dev_class port_class = {"hub-port", fields, port_reset, NULL, NULL};

static int port_attach(struct net_backend *b, const struct net_side *side, struct err *err)
{
    struct port *const p = port_of(b);
    if (p->attached)
        return err_set(err, "E-NET-001", -EBUSY, "a port of a hub takes one card");
    p->side = *side;
    p->attached = true;
    p->dev = (struct dev){.cls = &port_class, .id = "hub-port"};
    clock_event_init(side->clock, &p->event, "hub", 40, fire, p);
    return 0;
}

static void port_detach(struct net_backend *b)
{
    port_of(b)->attached = false;
}

static struct dev *port_dev(struct net_backend *b)
{
    return &port_of(b)->dev;
}

static void port_free(struct net_backend *b)
{
    struct port *const p = port_of(b);
    p->hub->port[p->index] = NULL;
    free(p);
}

static const struct net_backend_ops port_ops = {
    .kind = "hub",
    .attach = port_attach,
    .detach = port_detach,
    .send = port_send,
    .dev = port_dev,
    .free = port_free,
};

struct net_hub *net_hub_new(void)
{
    return calloc(1, sizeof(struct net_hub));
}

void net_hub_free(struct net_hub *h)
{
    free(h);
}

struct net_backend *net_hub_port(struct net_hub *h)
{
    struct port *const p = h->count < NET_HUB_PORTS_MAX ? calloc(1, sizeof *p) : NULL;
    if (!p)
        return NULL;
    p->b.ops = &port_ops;
    p->hub = h;
    p->index = (uint16_t)h->count;
    h->port[h->count++] = p;
    return &p->b;
}
