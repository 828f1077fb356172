/*
 * devices/disk/qcow2_write.c: writing into qcow2 images: in place where a cluster is ours alone,
 * else into a new one that is put together from what the disk shows (qcow2_int.h).
 *
 * Order towards the file: data, then reference counts, then L2, then L1. A crash in between leaves
 * leaked clusters, never one with two owners.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/disk/qcow2_int.h"

int qcow2_write_l1(struct qcow2 *q, uint64_t index)
{
    return qcow2_write_header_field(q, q->l1_offset + 8 * index, q->l1[index], 8);
}

static uint64_t table_index(const struct qcow2 *q, uint64_t at)
{
    return (at >> q->cluster_bits) / qcow2_l2_entries(q);
}

/* A table of our own in the place of none, or of a shared one. */
static struct qcow2_cached *own_table(struct qcow2 *q, uint64_t index, int *rc)
{
    const uint64_t old = q->l1[index] & QCOW2_OFFSET_MASK;
    uint64_t at;

    *rc = qcow2_alloc(q, 1, &at);
    if (*rc)
        return NULL;
    struct qcow2_cached *s = qcow2_cache_get(q, &q->l2, at, true, rc);
    if (!s || (old && (*rc = hostfile_read(&q->file, old, s->bytes, q->cluster_size))))
        return NULL;
    s->dirty = true;
    if ((*rc = qcow2_cache_flush(q, &q->blocks)) || (*rc = qcow2_cache_write(q, s)))
        return NULL;
    q->l1[index] = at | QCOW2_COPIED;
    *rc = qcow2_write_l1(q, index);
    if (*rc == 0 && old)
        *rc = qcow2_refcount_add(q, old >> q->cluster_bits, -1);
    return *rc ? NULL : s;
}

static struct qcow2_cached *table_for_write(struct qcow2 *q, uint64_t at, int *rc)
{
    const uint64_t index = table_index(q, at);

    if (index >= q->l1_size) {
        *rc = -EIO;
        return NULL;
    }
    const uint64_t e = q->l1[index];
    if ((e & QCOW2_COPIED) && (e & QCOW2_OFFSET_MASK))
        return qcow2_cache_get(q, &q->l2, e & QCOW2_OFFSET_MASK, false, rc);
    return own_table(q, index, rc);
}

/* Data must not land on the tables of a damaged image. */
static int check_place(struct qcow2 *q, uint64_t host)
{
    const uint64_t l1_end = q->l1_offset + 8ull * q->l1_size;
    const uint64_t table_end = q->reftable_offset + 8 * q->reftable_entries;

    if (host == 0 || host & (q->cluster_size - 1) || host >= q->file.size ||
        (host + q->cluster_size > q->l1_offset && host < l1_end) ||
        (host + q->cluster_size > q->reftable_offset && host < table_end))
        return qcow2_damaged(q, "a cluster of data lies on a table or outside, at", host);
    return 0;
}

/* Give back what an entry that is no longer there referred to. */
static int release(struct qcow2 *q, uint64_t entry)
{
    uint64_t offset = entry & QCOW2_OFFSET_MASK, len = q->cluster_size;

    if (entry & QCOW2_COMPRESSED)
        qcow2_packed_at(q, entry, &offset, &len);
    else if (!offset)
        return 0;
    int rc = 0;
    for (uint64_t c = offset >> q->cluster_bits;
         c <= (offset + len - 1) >> q->cluster_bits && rc == 0; c++)
        rc = qcow2_refcount_add(q, c, -1);
    return rc;
}

static int set_entry(struct qcow2 *q, uint64_t at, uint64_t entry)
{
    int rc;
    struct qcow2_cached *const s = table_for_write(q, at, &rc);
    if (!s)
        return rc;
    uint8_t *const p = s->bytes + 8 * ((at >> q->cluster_bits) % qcow2_l2_entries(q));
    const uint64_t old = get_be64(p);
    put_be64(p, entry);
    s->dirty = true;
    if ((old & QCOW2_OFFSET_MASK) == (entry & QCOW2_OFFSET_MASK) && !(old & QCOW2_COMPRESSED))
        return 0;
    if (!(old & (QCOW2_OFFSET_MASK | QCOW2_COMPRESSED)))
        return 0;
    /* nothing in the file refers to it any more when its count falls */
    if ((rc = qcow2_cache_flush(q, &q->blocks)) || (rc = qcow2_cache_write(q, s)))
        return rc;
    return release(q, old);
}

/* What the cluster shows now, with the new bytes in it. */
static const uint8_t *compose(struct qcow2 *q, uint64_t at, const uint8_t *from, size_t n, int *rc)
{
    const uint64_t in = at & (q->cluster_size - 1), start = at - in;
    const uint64_t room = q->disk.size - start;

    *rc = 0;
    if (n == q->cluster_size)
        return from;
    if (!q->bounce)
        q->bounce = malloc(q->cluster_size);
    if (!q->bounce) {
        *rc = -ENOMEM;
        return NULL;
    }
    const size_t there = room < q->cluster_size ? (size_t)room : (size_t)q->cluster_size;
    memset(q->bounce + there, 0, q->cluster_size - there);
    *rc = qcow2_read(&q->disk, start, q->bounce, there);
    if (*rc)
        return NULL;
    memcpy(q->bounce + in, from, n);
    return q->bounce;
}

static int write_cluster(struct qcow2 *q, uint64_t at, const uint8_t *from, size_t n)
{
    const uint64_t in = at & (q->cluster_size - 1);
    uint64_t entry, host;
    int rc = 0;

    struct qcow2_cached *const s = table_for_write(q, at, &rc);
    if (!s)
        return rc;
    entry = get_be64(s->bytes + 8 * ((at >> q->cluster_bits) % qcow2_l2_entries(q)));
    const enum qcow2_kind kind = qcow2_kind_of(q, entry);
    const bool ours = kind != QCOW2_PACKED && (entry & QCOW2_COPIED) && (entry & QCOW2_OFFSET_MASK);
    if (ours && (rc = check_place(q, entry & QCOW2_OFFSET_MASK)))
        return rc;
    if (ours && kind == QCOW2_DATA)
        return hostfile_write(&q->file, (entry & QCOW2_OFFSET_MASK) + in, from, n);
    const uint8_t *const whole = compose(q, at, from, n, &rc);
    if (!whole)
        return rc;
    host = entry & QCOW2_OFFSET_MASK;
    if (!ours && (rc = qcow2_alloc(q, 1, &host)))
        return rc;
    rc = hostfile_write(&q->file, host, whole, q->cluster_size);
    if (rc) {
        if (!ours)
            qcow2_refcount_add(q, host >> q->cluster_bits, -1);
        return rc;
    }
    return set_entry(q, at, host | QCOW2_COPIED);
}

int qcow2_write(struct disk *d, uint64_t at, const void *from, size_t len)
{
    struct qcow2 *const q = (struct qcow2 *)d;
    const uint8_t *in = from;

    while (len) {
        const uint64_t room = q->cluster_size - (at & (q->cluster_size - 1));
        const size_t n = len < room ? len : (size_t)room;
        const int rc = write_cluster(q, at, in, n);
        if (rc)
            return rc;
        at += n;
        in += n;
        len -= n;
    }
    return 0;
}

static int zero_cluster(struct qcow2 *q, uint64_t at, uint64_t entry)
{
    static const uint8_t zeros[65536];

    if (!q->backing)
        return set_entry(q, at, 0);
    if (q->version >= 3)
        return set_entry(q, at, QCOW2_ZERO);
    for (uint64_t n = 0; n < q->cluster_size; n += sizeof zeros) {
        const uint64_t left = q->cluster_size - n, room = q->disk.size - at - n;
        const uint64_t part = left < sizeof zeros ? left : sizeof zeros;
        const int rc = room ? qcow2_write(&q->disk, at + n, zeros, part < room ? part : room) : 0;
        if (rc || part >= room)
            return rc;
    }
    (void)entry;
    return 0;
}

int qcow2_zero(struct disk *d, uint64_t at, uint64_t len)
{
    static const uint8_t zeros[65536];
    struct qcow2 *const q = (struct qcow2 *)d;

    while (len) {
        const uint64_t in = at & (q->cluster_size - 1);
        const uint64_t room = q->cluster_size - in, tail = d->size - at;
        const uint64_t n = len < room ? len : room;
        const bool whole = in == 0 && (n == room || n == tail);
        uint64_t entry;
        int rc = qcow2_entry(q, at, &entry);
        if (rc)
            return rc;
        if (!q->backing && in == 0 && !(q->l1[table_index(q, at)] & QCOW2_OFFSET_MASK)) {
            /* nothing up to the end of the L2 table */
            const uint64_t span = q->cluster_size * qcow2_l2_entries(q);
            const uint64_t skip = span - (at & (span - 1));
            if (skip >= len)
                return 0;
            at += skip;
            len -= skip;
            continue;
        }
        const enum qcow2_kind kind = qcow2_kind_of(q, entry);
        if (kind == QCOW2_ZEROS || (kind == QCOW2_BACKING && !q->backing))
            rc = 0;
        else if (whole)
            rc = zero_cluster(q, at, entry);
        else
            for (uint64_t done = 0; done < n && rc == 0; done += sizeof zeros)
                rc = qcow2_write(d, at + done, zeros,
                                 n - done < sizeof zeros ? n - done : sizeof zeros);
        if (rc)
            return rc;
        at += n;
        len -= n;
    }
    return 0;
}

int qcow2_flush(struct disk *d)
{
    struct qcow2 *const q = (struct qcow2 *)d;
    int rc = qcow2_cache_flush(q, &q->blocks);

    if (rc || (rc = hostfile_sync(&q->file)) || (rc = qcow2_cache_flush(q, &q->l2)))
        return rc;
    return hostfile_sync(&q->file);
}
