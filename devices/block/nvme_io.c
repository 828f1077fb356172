/*
 * devices/block/nvme_io.c: I/O commands (NVMe 6) and PRP lists (4.3).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/block/nvme_int.h"
#include "lib/log.h"

/* ---- data ---- */

/* PRP list: 8-byte entries to the end of the page; when more pages are left than entries, the last
 * entry is the next list, which must start at a page. So each list moves the transfer on. */
static uint16_t walk_list(struct nvme *n, uint64_t at, uint64_t len, struct xfer *x)
{
    uint64_t entry[NVME_PAGE / 8];
    if (at & 7)
        return NVME_PRP_OFFSET;
    while (len) {
        const uint64_t room = (NVME_PAGE - (at & (NVME_PAGE - 1))) / 8;
        const uint64_t pages = (len + NVME_PAGE - 1) / NVME_PAGE;
        const uint64_t here = pages < room ? pages : room;
        const uint64_t data = pages > room ? room - 1 : here;
        if (!dma_read(&n->f.dma, iova(at), entry, here * 8))
            return NVME_DATA_TRANSFER;
        for (uint64_t i = 0; i < data; i++) {
            const uint64_t part = len < NVME_PAGE ? len : NVME_PAGE;
            if (entry[i] & (NVME_PAGE - 1))
                return NVME_PRP_OFFSET;
            xfer_piece(x, entry[i], part);
            len -= part;
        }
        if (!len)
            break;
        at = entry[here - 1];
        if (at & (NVME_PAGE - 1))
            return NVME_PRP_OFFSET;
    }
    return NVME_OK;
}

uint16_t nvme_prps(struct nvme *n, const struct nvme_sqe *c, uint64_t len, struct xfer *x)
{
    const uint64_t room = NVME_PAGE - (c->prp1 & (NVME_PAGE - 1));
    const uint64_t first = len < room ? len : room;
    if (c->prp1 & 3)
        return NVME_PRP_OFFSET;
    xfer_piece(x, c->prp1, first);
    len -= first;
    if (!len)
        return NVME_OK;
    if (len > NVME_PAGE)
        return walk_list(n, c->prp2, len, x);
    if (c->prp2 & (NVME_PAGE - 1))
        return NVME_PRP_OFFSET;
    xfer_piece(x, c->prp2, len);
    return NVME_OK;
}

struct nvme_result nvme_data(struct nvme *n, const struct nvme_sqe *c, void *buffer, uint64_t len,
                             bool to_buffer)
{
    struct xfer x;
    xfer_buffer(&x, &n->f.dma, buffer, to_buffer);
    const uint16_t bad = nvme_prps(n, c, len, &x);
    if (bad)
        return NVME_FAIL(bad);
    return xfer_end(&x) ? NVME_FAIL(NVME_DATA_TRANSFER) : (struct nvme_result){.bytes = len};
}

/* ---- commands ---- */

/* What a failure of the back end is for the guest. */
static struct nvme_result disk_failed(const struct nvme_sqe *c, int rc)
{
    if (rc == -EFAULT)
        return NVME_FAIL(NVME_DATA_TRANSFER);
    if (rc == -EROFS)
        return NVME_FAIL(NVME_READ_ONLY);
    const bool is_read = c->opcode == NVME_IO_READ || c->opcode == NVME_IO_COMPARE;
    LOG_ERROR("nvme", "namespace %u: %s fails: %s", c->nsid, is_read ? "reading" : "writing",
              strerror(-rc));
    return (struct nvme_result){.status = is_read ? NVME_READ_ERROR : NVME_WRITE_FAULT};
}

static uint64_t lba_of(const struct nvme_sqe *c)
{
    return (uint64_t)c->dw11 << 32 | c->dw10;
}

static bool is_inside(const struct disk *d, uint64_t lba, uint64_t blocks)
{
    const uint64_t size = d->size / DISK_SECTOR;
    return lba <= size && blocks <= size - lba;
}

static struct nvme_result read_write(struct nvme *n, const struct nvme_sqe *c, struct disk *d)
{
    const bool is_write = c->opcode == NVME_IO_WRITE;
    const uint64_t lba = lba_of(c), blocks = (c->dw12 & 0xffff) + 1, len = blocks * DISK_SECTOR;
    struct xfer x;
    if (len > (uint64_t)NVME_PAGE << NVME_MDTS)
        return NVME_FAIL(NVME_INVALID_FIELD);
    if (!is_inside(d, lba, blocks))
        return NVME_FAIL(NVME_LBA_RANGE);
    if (is_write && d->read_only)
        return NVME_FAIL(NVME_READ_ONLY);
    xfer_disk(&x, &n->f.dma, d, lba * DISK_SECTOR, is_write);
    const uint16_t bad = nvme_prps(n, c, len, &x);
    if (bad)
        return NVME_FAIL(bad);
    int rc = xfer_end(&x);
    if (rc == 0 && is_write && (c->dw12 >> 30 & 1)) /* force unit access */
        rc = disk_flush(d);
    if (rc)
        return disk_failed(c, rc);
    *(is_write ? &n->writes : &n->reads) += 1;
    *(is_write ? &n->write_units : &n->read_units) += blocks;
    return (struct nvme_result){.bytes = len};
}

static struct nvme_result compare(struct nvme *n, const struct nvme_sqe *c, struct disk *d)
{
    const uint64_t lba = lba_of(c), blocks = (c->dw12 & 0xffff) + 1, len = blocks * DISK_SECTOR;
    if (len > (uint64_t)NVME_PAGE << NVME_MDTS)
        return NVME_FAIL(NVME_INVALID_FIELD);
    if (!is_inside(d, lba, blocks))
        return NVME_FAIL(NVME_LBA_RANGE);
    uint8_t *const both = malloc(2 * len);
    if (!both)
        return NVME_FAIL(NVME_INTERNAL);
    struct nvme_result r = nvme_data(n, c, both, len, true);
    const int rc = r.status ? 0 : disk_read(d, lba * DISK_SECTOR, both + len, len);
    if (rc)
        r = disk_failed(c, rc);
    else if (!r.status && memcmp(both, both + len, len) != 0)
        r = NVME_FAIL(NVME_COMPARE_FAILURE);
    free(both);
    return r;
}

static struct nvme_result write_zeroes(const struct nvme_sqe *c, struct disk *d)
{
    const uint64_t lba = lba_of(c), blocks = (c->dw12 & 0xffff) + 1;
    if (!is_inside(d, lba, blocks))
        return NVME_FAIL(NVME_LBA_RANGE);
    const int rc = disk_zero(d, lba * DISK_SECTOR, blocks * DISK_SECTOR);
    return rc ? disk_failed(c, rc) : (struct nvme_result){0};
}

/* Dataset management: deallocated blocks read as zeros; other hints have no effect. */
static struct nvme_result dataset(struct nvme *n, const struct nvme_sqe *c, struct disk *d)
{
    struct nvme_range range[256];
    const unsigned count = (c->dw10 & 0xff) + 1;
    struct nvme_result r = nvme_data(n, c, range, count * sizeof range[0], true);
    if (r.status)
        return r;
    for (unsigned i = 0; i < count; i++) {
        if (!is_inside(d, range[i].lba, range[i].blocks))
            return NVME_FAIL(NVME_LBA_RANGE);
    }
    for (unsigned i = 0; i < count && (c->dw11 & 4); i++) {
        const int rc = disk_zero(d, range[i].lba * DISK_SECTOR,
                                 (uint64_t)range[i].blocks * DISK_SECTOR);
        if (rc)
            return disk_failed(c, rc);
    }
    return r;
}

static struct nvme_result flush(struct nvme *n, const struct nvme_sqe *c)
{
    for (unsigned i = 0; i < n->disks; i++) {
        if (c->nsid != NVME_BROADCAST && c->nsid != i + 1)
            continue;
        const int rc = disk_flush(n->disk[i]);
        if (rc)
            return disk_failed(c, rc);
    }
    return (struct nvme_result){0};
}

struct nvme_result nvme_io(struct nvme *n, const struct nvme_sqe *c)
{
    const bool is_there = c->nsid && c->nsid <= n->disks;
    if (!is_there && !(c->opcode == NVME_IO_FLUSH && c->nsid == NVME_BROADCAST))
        return NVME_FAIL(NVME_INVALID_NAMESPACE);
    struct disk *const d = is_there ? n->disk[c->nsid - 1] : NULL;
    switch (c->opcode) {
    case NVME_IO_FLUSH:
        return flush(n, c);
    case NVME_IO_WRITE:
    case NVME_IO_READ:
        return read_write(n, c, d);
    case NVME_IO_COMPARE:
        return compare(n, c, d);
    case NVME_IO_WRITE_ZEROES:
        return write_zeroes(c, d);
    case NVME_IO_DSM:
        return dataset(n, c, d);
    default:
        LOG_STUB("nvme", "I/O command 0x%02x", c->opcode);
        return NVME_FAIL(NVME_INVALID_OPCODE);
    }
}
