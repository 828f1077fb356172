/*
 * vmbus/flow.c: packets of open channels between rings and VSPs, and the interrupts that go with
 * them. A ring that makes no sense closes its channel, from vmbus_server_run and never from inside
 * a VSP's call.
 */
#include "vmbus/vmbus_int.h"

void vmbus_channel_ready(struct vmbus_channel *c)
{
    struct vmbus_server *s = c->server;
    if (c->ready)
        return;
    c->ready = true;
    c->next_ready = 0;
    *s->ready_tail = c;
    s->ready_tail = &c->next_ready;
}

void vmbus_channel_interrupt(struct vmbus_channel *c)
{
    struct vmbus_server *s = c->server;
    c->signal = c->opening;
    if (!c->opening && c->target_vp != VMBUS_TARGET_VP_NONE)
        s->host.signal(s->ctx, c->target_vp, c->relid);
}

static void kick(struct vmbus_channel *c)
{
    vmbus_channel_ready(c);
    c->server->host.wake(c->server->ctx);
}

void vmbus_fail(struct vmbus_channel *c, const char *why)
{
    if (!vmbus_is_alive(c))
        return;
    c->broken = why;
    kick(c);
}

/* ---- to the guest ---- */
static int send_pieces(struct vmbus_channel *c, struct vmbus_desc d,
                       const struct vmbus_piece *piece, unsigned pieces)
{
    if (!vmbus_is_alive(c))
        return VMBUS_ECLOSED;
    int r = vmbus_ring_write(&c->out, d, piece, pieces);
    if (r == VMBUS_RING_FULL) {
        uint32_t bytes = sizeof(d) + 7 + VMBUS_RING_TRAILER;
        for (unsigned i = 0; i < pieces; i++)
            bytes += piece[i].length;
        c->wanted = bytes & ~7u;
        vmbus_ring_want(&c->out, c->wanted);
        r = vmbus_ring_write(&c->out, d, piece, pieces);
        c->blocked = r == VMBUS_RING_FULL;
        if (!c->blocked)
            vmbus_ring_want(&c->out, 0);
    }
    if (r == 1)
        vmbus_channel_interrupt(c);
    if (r == VMBUS_RING_BAD)
        vmbus_fail(c, "the guest's read index makes no sense");
    return r >= 0                 ? 0
           : r == VMBUS_RING_FULL ? VMBUS_EFULL
           : r == VMBUS_RING_LONG ? VMBUS_ELENGTH
                                  : VMBUS_ECLOSED;
}

int vmbus_send(struct vmbus_channel *c, uint16_t type, uint64_t id, uint16_t flags,
               const void *data, uint32_t length)
{
    const struct vmbus_desc d = {type, sizeof(d) / 8, 0, flags, id};
    const struct vmbus_piece piece = {data, length};
    if (length > VMBUS_PACKET_MAX)
        return VMBUS_ELENGTH;
    return send_pieces(c, d, &piece, 1);
}

int vmbus_send_pages(struct vmbus_channel *c, uint16_t set, const struct vmbus_xfer_range *range,
                     unsigned ranges, uint64_t id, uint16_t flags, const void *data,
                     uint32_t length)
{
    struct vmbus_xfer_pages h = {.set = set, .range_count = ranges};
    const uint32_t rest = sizeof(h) - sizeof(h.d), bytes = ranges * (uint32_t)sizeof(*range);
    if (ranges > VMBUS_SEGS_MAX || length > VMBUS_PACKET_MAX - bytes)
        return VMBUS_ELENGTH;
    const struct vmbus_desc d = {VMBUS_PKT_XFER_PAGES, (uint16_t)((sizeof(h) + bytes) / 8), 0,
                                 flags, id};
    const struct vmbus_piece piece[] = {{&h.set, rest}, {range, bytes}, {data, length}};
    return send_pieces(c, d, piece, 3);
}

/* ---- from the guest ---- */

/* 1: a packet is in *p. 0: none, or the channel is broken. */
static int take(struct vmbus_channel *c, struct vmbus_packet *p, bool *room)
{
    struct vmbus_server *s = c->server;
    const char *why = "its ring makes no sense";
    const int n = vmbus_ring_read(&c->in, s->packet, sizeof(s->packet), room);
    if (!n)
        return 0;
    if (n == VMBUS_RING_LONG)
        why = "a packet is too long";
    if (n > 0 && vmbus_packet_parse(s, (uint32_t)n, p, &why))
        return 1;
    vmbus_fail(c, why);
    return 0;
}

int vmbus_receive(struct vmbus_channel *c, struct vmbus_packet *p)
{
    bool room = false;
    if (!vmbus_is_alive(c))
        return VMBUS_ECLOSED;
    const int r = take(c, p, &room);
    if (room)
        vmbus_channel_interrupt(c);
    return r;
}

void vmbus_pause(struct vmbus_channel *c, bool paused)
{
    if (c->paused == paused)
        return;
    c->paused = paused;
    if (!paused && vmbus_is_alive(c))
        kick(c);
}

/* Some packets; the interrupt mask is down again only after the ring was seen empty. */
static bool drain(struct vmbus_channel *c)
{
    bool room = false;
    unsigned n = 0;
    struct vmbus_packet p;
    vmbus_ring_mask(&c->in, true);
    while (n < VMBUS_BATCH && vmbus_is_alive(c) && !c->paused && take(c, &p, &room)) {
        c->ops->packet(c->vsp, c, &p);
        n++;
    }
    if (!vmbus_is_alive(c))
        return false;
    if (room)
        vmbus_channel_interrupt(c);
    if (n == VMBUS_BATCH)
        return true;
    vmbus_ring_mask(&c->in, false);
    return !c->paused && vmbus_ring_used(&c->in) != 0;
}

static void writable(struct vmbus_channel *c)
{
    const int64_t room = vmbus_ring_free(&c->out);
    if (room < 0) {
        vmbus_fail(c, "the guest's read index makes no sense");
        return;
    }
    if (room <= c->wanted)
        return;
    c->blocked = false;
    vmbus_ring_want(&c->out, 0);
    if (c->ops->writable)
        c->ops->writable(c->vsp, c);
}

bool vmbus_channel_service(struct vmbus_channel *c)
{
    bool more = false;
    if (vmbus_is_alive(c) && c->blocked)
        writable(c);
    if (vmbus_is_alive(c) && c->ops->readable) {
        if (vmbus_ring_used(&c->in))
            c->ops->readable(c->vsp, c);
    } else if (vmbus_is_alive(c) && !c->paused) {
        more = drain(c);
    }
    if (c->state != VMBUS_OPEN || !c->broken || c->failed)
        return more;
    vmbus_log(c->server, c->relid, c->broken);
    c->failed = true;
    c->ops->closed(c->vsp, c);
    return false;
}

/* ---- guest memory ---- */
void *vmbus_gpa(struct vmbus_channel *c, uint64_t gpa, uint64_t want, uint64_t *got)
{
    return c->server->host.ram(c->server->ctx, gpa, want, got);
}

uint64_t vmbus_gpa_to_pa(struct vmbus_channel *c, uint64_t gpa, uint64_t want, uint64_t *got)
{
    return c->server->host.ram_pa(c->server->ctx, gpa, want, got);
}

uint64_t vmbus_seg_copy(struct vmbus_channel *c, const struct vmbus_seg *seg, unsigned segs,
                        uint64_t offset, void *buffer, uint64_t length, bool to_guest)
{
    uint64_t done = 0;
    for (unsigned i = 0; i < segs && done < length; i++) {
        if (offset >= seg[i].length) {
            offset -= seg[i].length;
            continue;
        }
        while (offset < seg[i].length && done < length) {
            uint64_t part = seg[i].length - offset, got = 0;
            if (part > length - done)
                part = length - done;
            void *p = vmbus_gpa(c, seg[i].gpa + offset, part, &got);
            if (!p || !got)
                return done;
            uint8_t *b = (uint8_t *)buffer + done;
            if (to_guest)
                memcpy(p, b, got);
            else
                memcpy(b, p, got);
            offset += got;
            done += got;
        }
        offset = 0;
    }
    return done;
}
