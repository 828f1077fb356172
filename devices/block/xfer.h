/*
 * devices/block/xfer.h: moving bytes between a disk (or a buffer) and scattered guest memory.
 *
 * A controller feeds the pieces of its scatter list in order; pieces that follow each other in
 * memory are joined, and each joined run goes in one call of the back end straight from or into
 * guest RAM.
 */
#ifndef DEVICES_BLOCK_XFER_H
#define DEVICES_BLOCK_XFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/dma.h"
#include "devices/disk/disk.h"

struct xfer {
    const struct dma *dma;
    struct disk *disk; /* NULL: the buffer */
    uint8_t *buffer;
    uint64_t at;  /* next byte of the disk or of the buffer */
    bool to_disk; /* or to the buffer; else to the guest */
    uint64_t run_at, run_len;
    int rc; /* -EFAULT: guest memory; else of the disk */
};

void xfer_disk(struct xfer *x, const struct dma *dma, struct disk *d, uint64_t at, bool to_disk);
void xfer_buffer(struct xfer *x, const struct dma *dma, void *buffer, bool to_buffer);
void xfer_piece(struct xfer *x, uint64_t address, uint64_t len);
int xfer_end(struct xfer *x); /* 0, or what went wrong first */

#endif
