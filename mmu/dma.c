/*
 * mmu/dma.c: device access to memory (core/dma.h): the contract is core's, memory is ours.
 * Not modelled: address translation (VT-d), peer-to-peer accesses to MMIO.
 */
#include "core/dma.h"

#include "mmu/ram.h"

bool dma_read(const struct dma *d, iova_t from, void *to, size_t len)
{
    return ram_read(d->ram, hpa(from.v), to, len);
}

bool dma_write(const struct dma *d, iova_t to, const void *from, size_t len)
{
    return ram_write(d->ram, hpa(to.v), from, len);
}

static uint8_t *page_at(const struct dma *d, uint64_t at, bool to_write)
{
    const struct frame *const f = ram_frame(d->ram, at);
    return !f || (to_write && (f->flags & FRAME_READ_ONLY)) ? NULL : ram_host(d->ram, at);
}

void *dma_map(const struct dma *d, iova_t at, size_t *len, bool to_write)
{
    uint8_t *const p = page_at(d, at.v, to_write);
    size_t n = 4096 - (at.v & 4095);
    if (!p)
        return NULL;
    while (n < *len && page_at(d, at.v + n, to_write) == p + n)
        n += 4096;
    if (n < *len)
        *len = n;
    return p;
}

void dma_written(const struct dma *d, iova_t at, size_t len)
{
    for (uint64_t a = at.v, end = at.v + len; a < end; a = (a | 4095) + 1) {
        struct frame *const f = ram_frame(d->ram, a);
        const uint64_t room = 4096 - (a & 4095);
        if (f && f->code)
            ram_code_written(d->ram, NULL, f, a, end - a < room ? end - a : room);
    }
}
