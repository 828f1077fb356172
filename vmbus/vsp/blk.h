/*
 * vmbus/vsp/blk.h: a block device as its users see it: requests in, completions out, data straight
 * between the medium and physical memory. Below it sits a driver (the root's NVMe driver) or a
 * format that makes requests of its own (a virtual disk); above it a service provider.
 *
 * Rules. Submission never blocks and never fails: what cannot be done completes with an error,
 * possibly before submit() returns. A request belongs to the device until done() is called, and
 * done() may submit again. Requests may complete in any order; a flush covers what completed before
 * it was submitted. All calls come from one processor with interrupts off, as the service
 * providers' do (vmbus/vsp.h).
 */
#ifndef VMBUS_VSP_BLK_H
#define VMBUS_VSP_BLK_H

#include <stdbool.h>
#include <stdint.h>

#define BLK_PAGE 4096u

enum blk_op {
    BLK_READ,
    BLK_WRITE,
    BLK_FLUSH, /* written data to stable storage */
    BLK_UNMAP, /* the blocks are not needed any more; they read as zeros if reads_zeros says so */
};

enum blk_status {
    BLK_OK,
    BLK_EINVAL,    /* malformed: lengths do not match, bad alignment, no such operation */
    BLK_ERANGE,    /* beyond the last block */
    BLK_EREADONLY, /* a write to a disk that takes none */
    BLK_EREAD,     /* the medium can't be read there */
    BLK_EWRITE,    /* or not written */
    BLK_EABORTED,  /* lost in a reset; worth another try */
    BLK_EGONE,     /* no device any more */
};

/* A piece of physical memory, at a multiple of 4; it may cross pages. */
struct blk_seg {
    uint64_t pa;
    uint32_t length; /* bytes, not 0 */
};

struct blk_device;
struct blk_request {
    enum blk_op op;
    bool force;     /* of a write: stable before done() */
    uint64_t lba;   /* in blocks of the device; not for BLK_FLUSH */
    uint32_t count; /* blocks: 1 to max_blocks for reads and writes */
    /* The data, count * block_size bytes; pieces as blk_fits says. Stays valid until done(). */
    const struct blk_seg *seg;
    unsigned segs;
    void (*done)(struct blk_request *r, enum blk_status status);
    void *owner;
    /* the device's */
    struct blk_request *next;
    struct blk_device *device;
};

struct blk_ops {
    void (*submit)(struct blk_device *d, struct blk_request *r);
    /* Completes what is ready, without waiting for an interrupt. */
    void (*poll)(struct blk_device *d);
};

struct blk_device {
    const struct blk_ops *ops;
    uint64_t blocks;
    uint32_t block_size; /* bytes, a power of two from 512 to 4096 */
    uint32_t max_blocks; /* of one read or write */
    bool read_only, has_unmap, reads_zeros, has_cache;
    uint8_t eui64[8]; /* zeros: none */
    char serial[21];  /* printable ASCII */
    void *user;       /* who has it; NULL: free */
};

/* Whether a device takes these pieces: all but the first start on a page, all but the last end on
 * one, each is a multiple of 4. (NVMe 4.3: no other list of pages can be written down.) */
static inline bool blk_fits(const struct blk_seg *seg, unsigned segs)
{
    for (unsigned i = 0; i < segs; i++) {
        if ((seg[i].pa | seg[i].length) & 3 || !seg[i].length)
            return false;
        if (i && seg[i].pa % BLK_PAGE)
            return false;
        if (i + 1 < segs && (seg[i].pa + seg[i].length) % BLK_PAGE)
            return false;
    }
    return true;
}

#endif
