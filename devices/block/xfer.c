/* devices/block/xfer.c: scatter lists between disks and guest memory (xfer.h). */
#include "devices/block/xfer.h"

#include <errno.h>
#include <string.h>

void xfer_disk(struct xfer *x, const struct dma *dma, struct disk *d, uint64_t at, bool to_disk)
{
    *x = (struct xfer){.dma = dma, .disk = d, .at = at, .to_disk = to_disk};
}

void xfer_buffer(struct xfer *x, const struct dma *dma, void *buffer, bool to_buffer)
{
    *x = (struct xfer){.dma = dma, .buffer = buffer, .to_disk = to_buffer};
}

static int move(struct xfer *x, void *memory, size_t len)
{
    if (x->disk)
        return x->to_disk ? disk_write(x->disk, x->at, memory, len)
                          : disk_read(x->disk, x->at, memory, len);
    if (x->to_disk)
        memcpy(x->buffer + x->at, memory, len);
    else
        memcpy(memory, x->buffer + x->at, len);
    return 0;
}

static void flush_run(struct xfer *x)
{
    while (x->run_len && !x->rc) {
        size_t n = x->run_len;
        void *const p = dma_map(x->dma, iova(x->run_at), &n, !x->to_disk);
        x->rc = p ? move(x, p, n) : -EFAULT;
        if (x->rc)
            break;
        if (!x->to_disk)
            dma_written(x->dma, iova(x->run_at), n);
        x->at += n;
        x->run_at += n;
        x->run_len -= n;
    }
    x->run_len = 0;
}

void xfer_piece(struct xfer *x, uint64_t address, uint64_t len)
{
    if (x->run_len && address != x->run_at + x->run_len)
        flush_run(x);
    if (!x->run_len)
        x->run_at = address;
    x->run_len += len;
}

int xfer_end(struct xfer *x)
{
    flush_run(x);
    return x->rc;
}
