/*
 * core/dma.h: device access to memory. A bus master has a `struct dma`; an IOMMU, when there is
 * one, is its filter. All functions return false when any byte could not be accessed.
 */
#ifndef CORE_DMA_H
#define CORE_DMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/addr.h"

struct ram;

struct dma_filter {
    /* Where a requester's access to `at` goes; *len becomes shorter when only so many bytes are in
     * one piece there. False: the access is blocked, and that is recorded. */
    bool (*translate)(void *opaque, uint16_t rid, iova_t at, bool to_write, hpa_t *to, size_t *len);
    void *opaque;
};

struct dma {
    struct ram *ram;
    const struct dma_filter *filter; /* NULL: device addresses are machine addresses */
    uint16_t rid;                    /* requester id: bus << 8 | devfn */
};

bool dma_read(const struct dma *d, iova_t from, void *to, size_t len);
bool dma_write(const struct dma *d, iova_t to, const void *from, size_t len);

/* Host memory behind [at, at + *len), for devices that move much: one piece as long as there is
 * from `at` on (*len becomes shorter), NULL when nothing is there, or when it is read-only and
 * `to_write` is set. Whoever wrote through the pointer says so with dma_written. */
void *dma_map(const struct dma *d, iova_t at, size_t *len, bool to_write);
void dma_written(const struct dma *d, iova_t at, size_t len);

#endif
