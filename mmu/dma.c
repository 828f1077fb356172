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
