/*
 * mmu/dma.c: device access to memory (core/dma.h): the contract is core's, memory is ours.
 * Not modelled: peer-to-peer accesses to MMIO.
 */
#include "core/dma.h"

#include "mmu/ram.h"

/* The machine address of the next piece; *len: its length. */
static bool find_piece(const struct dma *d, uint64_t at, bool to_write, hpa_t *to, size_t *len)
{
    *to = hpa(at);
    return !d->filter ||
           d->filter->translate(d->filter->opaque, d->rid, iova(at), to_write, to, len);
}

bool dma_read(const struct dma *d, iova_t from, void *to, size_t len)
{
    uint8_t *p = to;
    for (size_t n; len; p += n, from.v += n, len -= n) {
        hpa_t at;
        n = len;
        if (!find_piece(d, from.v, false, &at, &n) || !ram_read(d->ram, at, p, n))
            return false;
    }
    return true;
}

bool dma_write(const struct dma *d, iova_t to, const void *from, size_t len)
{
    const uint8_t *p = from;
    for (size_t n; len; p += n, to.v += n, len -= n) {
        hpa_t at;
        n = len;
        if (!find_piece(d, to.v, true, &at, &n) || !ram_write(d->ram, at, p, n))
            return false;
    }
    return true;
}

static uint8_t *page_at(const struct dma *d, uint64_t at, bool to_write)
{
    const struct frame *const f = ram_frame(d->ram, at);
    return !f || (to_write && (f->flags & FRAME_READ_ONLY)) ? NULL : ram_host(d->ram, at);
}

void *dma_map(const struct dma *d, iova_t at, size_t *len, bool to_write)
{
    hpa_t to;
    if (!find_piece(d, at.v, to_write, &to, len))
        return NULL;
    uint8_t *const p = page_at(d, to.v, to_write);
    size_t n = 4096 - (to.v & 4095);
    if (!p)
        return NULL;
    while (n < *len && page_at(d, to.v + n, to_write) == p + n)
        n += 4096;
    if (n < *len)
        *len = n;
    return p;
}

static void ram_written(struct ram *r, uint64_t at, size_t len)
{
    for (const uint64_t end = at + len; at < end; at = (at | 4095) + 1) {
        struct frame *const f = ram_frame(r, at);
        const uint64_t room = 4096 - (at & 4095);
        if (f && f->code)
            ram_code_written(r, NULL, f, at, end - at < room ? end - at : room);
    }
}

void dma_written(const struct dma *d, iova_t at, size_t len)
{
    for (size_t n; len; at.v += n, len -= n) {
        hpa_t to;
        n = len;
        if (!find_piece(d, at.v, true, &to, &n))
            return;
        ram_written(d->ram, to.v, n);
    }
}
