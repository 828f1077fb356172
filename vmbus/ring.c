/*
 * vmbus/ring.c: ring buffers (abi/vmbus.h): wrap, pending_send_size, interrupt mask.
 *
 * A producer leaves at least one byte free, so equal indexes mean empty. It interrupts only when
 * the ring was empty before its packet. Indexes are multiples of 8.
 *
 * Not modelled: the guest-to-host counters in the control page's reserved words.
 */
#include "vmbus/ring.h"

#define INDEX_ALIGN 8u

static void fence(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static bool index_good(const struct vmbus_ring *r, uint32_t i)
{
    return i < r->size && !(i & (INDEX_ALIGN - 1));
}

bool vmbus_ring_init(struct vmbus_ring *r, uint8_t *const *page, unsigned pages, bool producer)
{
    r->control = (volatile struct vmbus_ring_control *)page[0];
    r->page = page + 1;
    r->size = (pages - 1) * VMBUS_RING_PAGE;
    const uint32_t write = r->control->write_index, read = r->control->read_index;
    r->own = producer ? write : read;
    return index_good(r, write) && index_good(r, read);
}

/* ---- bytes of the data pages, with wrap ---- */
static uint32_t put(const struct vmbus_ring *r, uint32_t at, const void *from, uint32_t n)
{
    const uint8_t *p = from;
    while (n) {
        const uint32_t in_page = at % VMBUS_RING_PAGE, left = VMBUS_RING_PAGE - in_page;
        const uint32_t part = n < left ? n : left;
        memcpy(r->page[at / VMBUS_RING_PAGE] + in_page, p, part);
        p += part;
        n -= part;
        at += part;
        if (at == r->size)
            at = 0;
    }
    return at;
}

static uint32_t get(const struct vmbus_ring *r, uint32_t at, void *to, uint32_t n)
{
    uint8_t *p = to;
    while (n) {
        const uint32_t in_page = at % VMBUS_RING_PAGE, left = VMBUS_RING_PAGE - in_page;
        const uint32_t part = n < left ? n : left;
        memcpy(p, r->page[at / VMBUS_RING_PAGE] + in_page, part);
        p += part;
        n -= part;
        at += part;
        if (at == r->size)
            at = 0;
    }
    return at;
}

static uint32_t used_between(const struct vmbus_ring *r, uint32_t write, uint32_t read)
{
    return write >= read ? write - read : r->size - (read - write);
}

/* ---- producer ---- */
int64_t vmbus_ring_free(const struct vmbus_ring *r)
{
    const uint32_t read = r->control->read_index;
    if (!index_good(r, read))
        return VMBUS_RING_BAD;
    return r->size - used_between(r, r->own, read);
}

int vmbus_ring_write(struct vmbus_ring *r, struct vmbus_desc d, const struct vmbus_piece *piece,
                     unsigned pieces)
{
    uint32_t bytes = sizeof(d);
    for (unsigned i = 0; i < pieces; i++)
        bytes += piece[i].length;
    const uint32_t padded = (bytes + 7) & ~7u, total = padded + VMBUS_RING_TRAILER;
    if (padded / 8 > UINT16_MAX || total >= r->size)
        return VMBUS_RING_LONG;
    const int64_t room = vmbus_ring_free(r);
    if (room < 0)
        return VMBUS_RING_BAD;
    if (room <= total)
        return VMBUS_RING_FULL;
    const uint64_t zero = 0, trailer = (uint64_t)r->own << 32;
    const uint32_t old = r->own;
    d.length8 = (uint16_t)(padded / 8);
    uint32_t at = put(r, old, &d, sizeof(d));
    for (unsigned i = 0; i < pieces; i++)
        at = put(r, at, piece[i].data, piece[i].length);
    at = put(r, at, &zero, padded - bytes);
    at = put(r, at, &trailer, sizeof(trailer));
    r->own = at;
    __atomic_store_n(&r->control->write_index, at, __ATOMIC_RELEASE);
    fence();
    return !r->control->interrupt_mask && r->control->read_index == old;
}

void vmbus_ring_want(struct vmbus_ring *r, uint32_t bytes)
{
    r->control->pending_send_size = bytes;
    fence(); /* against the consumer that makes room, then looks at the wish */
}

/* ---- consumer ---- */
int64_t vmbus_ring_used(const struct vmbus_ring *r)
{
    const uint32_t write = __atomic_load_n(&r->control->write_index, __ATOMIC_ACQUIRE);
    if (!index_good(r, write))
        return VMBUS_RING_BAD;
    return used_between(r, write, r->own);
}

/* The producer waits for room, and this packet made it. */
static bool producer_waits(const struct vmbus_ring *r, uint32_t used, uint32_t taken)
{
    if (!(r->control->features & VMBUS_RING_F_PENDING_SEND))
        return false;
    const uint32_t wanted = r->control->pending_send_size, before = r->size - used;
    return wanted && before <= wanted && before + taken > wanted;
}

int vmbus_ring_read(struct vmbus_ring *r, void *buffer, uint32_t room, bool *signal)
{
    struct vmbus_desc d;
    const int64_t used = vmbus_ring_used(r);
    if (used <= 0)
        return (int)used;
    if (used < (int64_t)(sizeof(d) + VMBUS_RING_TRAILER))
        return VMBUS_RING_BAD;
    uint32_t at = get(r, r->own, &d, sizeof(d));
    const uint32_t length = d.length8 * 8u, taken = length + VMBUS_RING_TRAILER;
    if (length < sizeof(d) || taken > used || d.offset8 * 8u < sizeof(d) || d.offset8 > d.length8)
        return VMBUS_RING_BAD;
    if (length > room)
        return VMBUS_RING_LONG;
    memcpy(buffer, &d, sizeof(d));
    get(r, at, (uint8_t *)buffer + sizeof(d), length - (uint32_t)sizeof(d));
    r->own = (r->own + taken) % r->size;
    __atomic_store_n(&r->control->read_index, r->own, __ATOMIC_RELEASE);
    fence();
    if (producer_waits(r, (uint32_t)used, taken))
        *signal = true;
    return (int)length;
}

void vmbus_ring_mask(struct vmbus_ring *r, bool masked)
{
    r->control->interrupt_mask = masked;
    fence(); /* against the producer that writes, then looks at the mask */
}
