/*
 * devices/virtio/virtq.c: split virtqueues as the device sees them (virtio 1.2 2.7).
 *
 * A chain is checked whole before the device sees any of it: indices within the table, at most as
 * many descriptors as the queue has, readable ones before writable ones, addresses that do not
 * wrap, one level of indirection. Whether memory is there turns out when it is touched.
 * Not modelled: packed queues, in-order use.
 */
#include <string.h>

#include "abi/pci.h"
#include "devices/virtio/virtio_int.h"
#include "lib/log.h"

#define CHAIN_BYTES_MAX (1ull << 32) /* 2.7.4.2 */

static bool is_live(const struct virtio *v, unsigned n)
{
    return n < v->setup.queues && v->q[n].enable && !v->broken &&
           (v->status & VIRTIO_S_DRIVER_OK) && (v->f.cfg[PCI_COMMAND] & PCI_CMD_MASTER);
}

/* Number of available chains that were not popped; 0 also when the queue is not live. */
static unsigned count_avail(struct virtio *v, unsigned n)
{
    const struct virtq *const q = &v->q[n];
    uint16_t idx;
    if (!is_live(v, n))
        return 0;
    if (!dma_read(&v->f.dma, iova(q->driver + 2), &idx, 2)) {
        virtio_break(v, "available ring outside of memory");
        return 0;
    }
    const uint16_t count = (uint16_t)(idx - q->last_avail);
    if (count > q->size) {
        virtio_break(v, "available index");
        return 0;
    }
    /* nothing left: the driver shall notify us of the next one (2.7.10) */
    if (!count && virtio_has(v, VIRTIO_F_RING_EVENT_IDX) &&
        !dma_write(&v->f.dma, iova(q->device + 4 + 8ull * q->size), &q->last_avail, 2))
        virtio_break(v, "used ring outside of memory");
    return count;
}

bool virtq_is_ready(struct virtio *v, unsigned n)
{
    return count_avail(v, n) > 0;
}

static bool add_seg(struct virtio *v, struct virtq_chain *c, const struct virtq_desc *d)
{
    const bool writable = d->flags & VIRTQ_DESC_WRITE;
    const unsigned at = c->out_segs + c->in_segs;
    if (!writable && c->in_segs)
        return virtio_break(v, "a readable buffer after a writable one"), false;
    if (d->addr + d->len < d->addr)
        return virtio_break(v, "a buffer's address wraps"), false;
    if (at == VIRTQ_SEGS_MAX)
        return virtio_break(v, "a chain is too long"), false;
    c->seg[at] = (struct virtq_seg){d->addr, d->len};
    if (writable) {
        c->in_segs++;
        c->in_len += d->len;
    } else {
        c->out_segs++;
        c->out_len += d->len;
    }
    if (c->out_len + c->in_len > CHAIN_BYTES_MAX)
        return virtio_break(v, "a chain of more than 4 GiB"), false;
    return true;
}

/* The chain that starts at entry `at` of a table with `count` entries; at most `left` of them. */
static bool walk(struct virtio *v, struct virtq_chain *c, uint64_t table, unsigned count,
                 unsigned at, unsigned left, bool indirect)
{
    for (;; left--) {
        struct virtq_desc d;
        if (at >= count)
            return virtio_break(v, "a descriptor's index"), false;
        if (!left)
            return virtio_break(v, "a chain that has no end"), false;
        if (!dma_read(&v->f.dma, iova(table + 16ull * at), &d, sizeof d))
            return virtio_break(v, "a descriptor outside of memory"), false;
        if (d.flags & VIRTQ_DESC_INDIRECT) {
            if (indirect || (d.flags & VIRTQ_DESC_NEXT) || !virtio_has(v, VIRTIO_F_RING_INDIRECT) ||
                !d.len || d.len % sizeof d || d.len / sizeof d > VIRTQ_SEGS_MAX)
                return virtio_break(v, "an indirect table"), false;
            return walk(v, c, d.addr, d.len / sizeof d, 0, d.len / sizeof d, true);
        }
        if (!add_seg(v, c, &d))
            return false;
        if (!(d.flags & VIRTQ_DESC_NEXT))
            return true;
        at = d.next;
    }
}

bool virtq_pop(struct virtio *v, unsigned n, struct virtq_chain *c)
{
    if (!count_avail(v, n))
        return false;
    struct virtq *const q = &v->q[n];
    c->out_segs = c->in_segs = 0;
    c->out_len = c->in_len = 0;
    if (!dma_read(&v->f.dma, iova(q->driver + 4 + 2ull * (q->last_avail % q->size)), &c->head, 2))
        return virtio_break(v, "available ring outside of memory"), false;
    if (!walk(v, c, q->desc, q->size, c->head, q->size, false))
        return false;
    q->last_avail++;
    return true;
}

void virtq_rewind(struct virtio *v, unsigned n, unsigned chains)
{
    v->q[n].last_avail = (uint16_t)(v->q[n].last_avail - chains);
}

/* Move bytes between `bytes` and a list of segments. */
static bool move(struct virtio *v, const struct virtq_seg *s, unsigned segs, uint64_t at,
                 uint8_t *to, const uint8_t *from, size_t len)
{
    for (; segs && len; s++, segs--) {
        if (at >= s->len) {
            at -= s->len;
            continue;
        }
        const size_t n = s->len - at < len ? (size_t)(s->len - at) : len;
        const bool done = to ? dma_read(&v->f.dma, iova(s->addr + at), to, n)
                             : dma_write(&v->f.dma, iova(s->addr + at), from, n);
        if (!done)
            return virtio_break(v, "a buffer outside of memory"), false;
        if (to)
            to += n;
        else
            from += n;
        len -= n;
        at = 0;
    }
    VASSERT(len == 0);
    return true;
}

bool virtq_read(struct virtio *v, const struct virtq_chain *c, uint64_t from, void *to, size_t len)
{
    return move(v, c->seg, c->out_segs, from, to, NULL, len);
}

bool virtq_write(struct virtio *v, const struct virtq_chain *c, uint64_t to, const void *from,
                 size_t len)
{
    return move(v, c->seg + c->out_segs, c->in_segs, to, NULL, from, len);
}

void virtq_put(struct virtio *v, unsigned n, unsigned number, uint16_t head, uint32_t written)
{
    const struct virtq *const q = &v->q[n];
    const struct virtq_used_elem e = {head, written};
    const uint16_t at = (uint16_t)(q->used + number) % q->size;
    if (v->broken)
        return;
    if (!dma_write(&v->f.dma, iova(q->device + 4 + 8ull * at), &e, sizeof e))
        virtio_break(v, "used ring outside of memory");
}

/* Whether the driver wants to hear that used entries old to now - 1 are there (2.7.7.2). */
static bool wants_interrupt(struct virtio *v, const struct virtq *q, uint16_t old, uint16_t now)
{
    const bool event = virtio_has(v, VIRTIO_F_RING_EVENT_IDX);
    uint16_t word;
    if (!dma_read(&v->f.dma, iova(event ? q->driver + 4 + 2ull * q->size : q->driver), &word, 2)) {
        virtio_break(v, "available ring outside of memory");
        return false;
    }
    return event ? (uint16_t)(now - word - 1) < (uint16_t)(now - old)
                 : !(word & VIRTQ_AVAIL_NO_INTERRUPT);
}

void virtq_publish(struct virtio *v, unsigned n, unsigned count)
{
    struct virtq *const q = &v->q[n];
    const uint16_t old = q->used;
    if (v->broken || !count)
        return;
    q->used = (uint16_t)(q->used + count);
    if (!dma_write(&v->f.dma, iova(q->device + 2), &q->used, 2))
        virtio_break(v, "used ring outside of memory");
    else if (wants_interrupt(v, q, old, q->used))
        virtio_notify(v, q->vector, VIRTIO_ISR_QUEUE);
}

void virtq_return(struct virtio *v, unsigned n, const struct virtq_chain *c, uint32_t written)
{
    virtq_put(v, n, 0, c->head, written);
    virtq_publish(v, n, 1);
}
