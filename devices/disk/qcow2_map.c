/*
 * devices/disk/qcow2_map.c: from a byte of the disk to a place in the file: L1 and L2 tables
 * through a small cache, plain, zero and compressed clusters, the backing file (qcow2_int.h).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "devices/disk/qcow2_int.h"

#define CACHE_BYTES (4u << 20)

/* ---- cached table clusters ---- */

int qcow2_cache_init(struct qcow2_cache *c, uint64_t cluster_size)
{
    c->slots = cluster_size * QCOW2_CACHE_MAX <= CACHE_BYTES
                   ? QCOW2_CACHE_MAX
                   : (unsigned)(CACHE_BYTES / cluster_size);
    if (c->slots < 4)
        c->slots = 4;
    for (unsigned i = 0; i < c->slots; i++) {
        c->slot[i].bytes = malloc(cluster_size);
        if (!c->slot[i].bytes)
            return -ENOMEM;
    }
    return 0;
}

void qcow2_cache_free(struct qcow2_cache *c)
{
    for (unsigned i = 0; i < QCOW2_CACHE_MAX; i++)
        free(c->slot[i].bytes);
}

int qcow2_cache_write(struct qcow2 *q, struct qcow2_cached *s)
{
    if (!s->dirty)
        return 0;
    const int rc = hostfile_write(&q->file, s->offset, s->bytes, q->cluster_size);
    if (rc == 0)
        s->dirty = false;
    return rc;
}

int qcow2_cache_flush(struct qcow2 *q, struct qcow2_cache *c)
{
    for (unsigned i = 0; i < c->slots; i++) {
        const int rc = qcow2_cache_write(q, &c->slot[i]);
        if (rc)
            return rc;
    }
    return 0;
}

struct qcow2_cached *qcow2_cache_get(struct qcow2 *q, struct qcow2_cache *c, uint64_t offset,
                                     bool fresh, int *rc)
{
    struct qcow2_cached *s = &c->slot[0];
    *rc = 0;
    if (offset == 0 || offset & (q->cluster_size - 1) ||
        (!fresh && (offset > q->file.size || q->file.size - offset < q->cluster_size))) {
        *rc = qcow2_damaged(q, "a table lies outside of the file, at", offset);
        return NULL;
    }
    for (unsigned i = 0; i < c->slots; i++) {
        if (c->slot[i].offset == offset) {
            s = &c->slot[i];
            break;
        }
        if (c->slot[i].used < s->used)
            s = &c->slot[i];
    }
    s->used = ++c->time;
    if (s->offset != offset) {
        /* counts reach the file before the tables that rely on them */
        if (s->dirty && c == &q->l2)
            *rc = qcow2_cache_flush(q, &q->blocks);
        if (*rc == 0)
            *rc = qcow2_cache_write(q, s);
        if (*rc)
            return NULL;
        s->offset = 0;
        if (!fresh && (*rc = hostfile_read(&q->file, offset, s->bytes, q->cluster_size)))
            return NULL;
        s->offset = offset;
    }
    if (fresh)
        memset(s->bytes, 0, q->cluster_size);
    return s;
}

/* ---- mapping ---- */

int qcow2_entry(struct qcow2 *q, uint64_t at, uint64_t *entry)
{
    const uint64_t cluster = at >> q->cluster_bits;
    const uint64_t index = cluster / qcow2_l2_entries(q);
    int rc;

    *entry = 0;
    if (index >= q->l1_size)
        return -EIO;
    const uint64_t table = q->l1[index] & QCOW2_OFFSET_MASK;
    if (!table)
        return 0;
    const struct qcow2_cached *const s = qcow2_cache_get(q, &q->l2, table, false, &rc);
    if (!s)
        return rc;
    *entry = get_be64(s->bytes + 8 * (cluster % qcow2_l2_entries(q)));
    return 0;
}

enum qcow2_kind qcow2_kind_of(const struct qcow2 *q, uint64_t entry)
{
    if (entry & QCOW2_COMPRESSED)
        return QCOW2_PACKED;
    if (q->version >= 3 && (entry & QCOW2_ZERO))
        return QCOW2_ZEROS;
    return entry & QCOW2_OFFSET_MASK ? QCOW2_DATA : QCOW2_BACKING;
}

void qcow2_packed_at(const struct qcow2 *q, uint64_t entry, uint64_t *offset, uint64_t *len)
{
    const unsigned bits = 62 - (q->cluster_bits - 8);
    const uint64_t sectors = entry >> bits & ((1ull << (q->cluster_bits - 8)) - 1);
    *offset = entry & ((1ull << bits) - 1);
    *len = (sectors + 1) * 512 - (*offset & 511);
}

static int inflate_cluster(struct qcow2 *q, uint64_t entry)
{
    uint64_t offset, len;
    qcow2_packed_at(q, entry, &offset, &len);
    if (q->inflated && q->inflated_entry == entry)
        return 0;
    if (!q->inflated)
        q->inflated = malloc(q->cluster_size);
    if (!q->deflated)
        q->deflated = malloc(2 * q->cluster_size + 512);
    if (!q->inflated || !q->deflated)
        return -ENOMEM;
    q->inflated_entry = 0;
    if (offset >= q->file.size)
        return qcow2_damaged(q, "a compressed cluster lies outside of the file, at", offset);
    if (len > q->file.size - offset)
        len = q->file.size - offset;
    const int rc = hostfile_read(&q->file, offset, q->deflated, len);
    if (rc)
        return rc;
    z_stream z = {.next_in = q->deflated,
                  .avail_in = (unsigned)len,
                  .next_out = q->inflated,
                  .avail_out = (unsigned)q->cluster_size};
    if (inflateInit2(&z, -MAX_WBITS) != Z_OK)
        return -ENOMEM;
    inflate(&z, Z_FINISH);
    inflateEnd(&z);
    if (z.avail_out)
        return qcow2_damaged(q, "a compressed cluster does not inflate, at", offset);
    q->inflated_entry = entry;
    return 0;
}

/* Reads beyond the end of the backing file are zeros. */
static int read_backing(struct qcow2 *q, uint64_t at, uint8_t *to, size_t len)
{
    size_t there = 0;
    if (q->backing && at < q->backing->size)
        there = q->backing->size - at < len ? (size_t)(q->backing->size - at) : len;
    memset(to + there, 0, len - there);
    return there ? disk_read(q->backing, at, to, there) : 0;
}

static int read_data(struct qcow2 *q, uint64_t entry, uint64_t in, uint8_t *to, size_t len)
{
    const uint64_t host = entry & QCOW2_OFFSET_MASK;
    if (host & (q->cluster_size - 1) || host >= q->file.size)
        return qcow2_damaged(q, "a cluster lies outside of the file, at", host);
    return hostfile_read(&q->file, host + in, to, len);
}

/* How many bytes from `at` (at most len) read the same way: neighbours in the file, or no data. */
static int find_run(struct qcow2 *q, uint64_t at, size_t len, uint64_t entry, size_t *run)
{
    const enum qcow2_kind kind = qcow2_kind_of(q, entry);
    uint64_t end = (at | (q->cluster_size - 1)) + 1, next;

    for (uint64_t n = 1; end - at < len && kind != QCOW2_PACKED; n++) {
        const int rc = qcow2_entry(q, end, &next);
        if (rc)
            return rc;
        if (qcow2_kind_of(q, next) != kind ||
            (kind == QCOW2_DATA &&
             (next & QCOW2_OFFSET_MASK) != (entry & QCOW2_OFFSET_MASK) + n * q->cluster_size))
            break;
        end += q->cluster_size;
    }
    *run = end - at < len ? (size_t)(end - at) : len;
    return 0;
}

int qcow2_read(struct disk *d, uint64_t at, void *to, size_t len)
{
    struct qcow2 *const q = (struct qcow2 *)d;
    uint8_t *out = to;

    while (len) {
        const uint64_t in = at & (q->cluster_size - 1);
        uint64_t entry;
        size_t n = 0;
        int rc = qcow2_entry(q, at, &entry);
        if (rc == 0)
            rc = find_run(q, at, len, entry, &n);
        if (rc)
            return rc;
        switch (qcow2_kind_of(q, entry)) {
        case QCOW2_BACKING:
            rc = read_backing(q, at, out, n);
            break;
        case QCOW2_ZEROS:
            memset(out, 0, n);
            break;
        case QCOW2_DATA:
            rc = read_data(q, entry, in, out, n);
            break;
        case QCOW2_PACKED:
            rc = inflate_cluster(q, entry);
            if (rc == 0)
                memcpy(out, q->inflated + in, n);
            break;
        }
        if (rc)
            return rc;
        at += n;
        out += n;
        len -= n;
    }
    return 0;
}

bool qcow2_has_data(struct disk *d, uint64_t at, uint64_t *len)
{
    struct qcow2 *const q = (struct qcow2 *)d;
    uint64_t entry;
    size_t n;

    if (qcow2_entry(q, at, &entry) || find_run(q, at, *len, entry, &n))
        return true; /* reading it says what is wrong */
    *len = n;
    if (qcow2_kind_of(q, entry) != QCOW2_BACKING)
        return qcow2_kind_of(q, entry) != QCOW2_ZEROS;
    if (!q->backing || at >= q->backing->size)
        return false;
    if (q->backing->size - at < *len)
        *len = q->backing->size - at;
    return disk_has_data(q->backing, at, len);
}
