/*
 * devices/disk/qcow2_alloc.c: reference counts and allocation of clusters (qcow2_int.h).
 *
 * A refcount block that is missing is put into the first cluster of the range that it describes:
 * a range without block has no cluster in use, so that one is free and describes itself. The
 * search for free clusters leaves these places out.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/disk/qcow2_int.h"

#define SEARCH_BEYOND (1u << 20) /* clusters behind the end that may be claimed in use */

static uint64_t count_get(const struct qcow2 *q, const uint8_t *block, uint64_t i)
{
    const unsigned bits = 1u << q->refcount_order;
    if (bits < 8)
        return block[i * bits / 8] >> (i * bits % 8) & ((1u << bits) - 1);
    uint64_t v = 0;
    for (unsigned n = 0; n < bits / 8; n++)
        v = v << 8 | block[i * (bits / 8) + n];
    return v;
}

static void count_set(const struct qcow2 *q, uint8_t *block, uint64_t i, uint64_t v)
{
    const unsigned bits = 1u << q->refcount_order;
    if (bits < 8) {
        uint8_t *const b = &block[i * bits / 8];
        const unsigned shift = (unsigned)(i * bits % 8), mask = (1u << bits) - 1;
        *b = (uint8_t)((*b & ~(mask << shift)) | (v & mask) << shift);
        return;
    }
    for (unsigned n = bits / 8; n-- > 0; v >>= 8)
        block[i * (bits / 8) + n] = (uint8_t)v;
}

static uint64_t block_offset(const struct qcow2 *q, uint64_t index)
{
    return index < q->reftable_entries ? q->reftable[index] & ~511ull : 0;
}

int qcow2_refcount(struct qcow2 *q, uint64_t cluster, uint64_t *count)
{
    const uint64_t per = qcow2_block_entries(q), at = block_offset(q, cluster / per);
    int rc;

    *count = 0;
    if (!at)
        return 0;
    const struct qcow2_cached *const s = qcow2_cache_get(q, &q->blocks, at, false, &rc);
    if (s)
        *count = count_get(q, s->bytes, cluster % per);
    return rc;
}

int qcow2_write_header_field(struct qcow2 *q, uint64_t at, uint64_t value, unsigned size)
{
    uint8_t b[8];
    put_be64(b, value);
    return hostfile_write(&q->file, at, b + 8 - size, size);
}

static int write_table(struct qcow2 *q, uint64_t offset)
{
    const uint64_t bytes = q->reftable_entries * 8;
    uint8_t *const b = malloc(bytes);
    if (!b)
        return -ENOMEM;
    for (uint64_t i = 0; i < q->reftable_entries; i++)
        put_be64(b + 8 * i, q->reftable[i]);
    const int rc = hostfile_write(&q->file, offset, b, bytes);
    free(b);
    return rc;
}

/* A longer table elsewhere; blocks that its own clusters need are made meanwhile. */
static int grow_table(struct qcow2 *q, uint64_t needed)
{
    const uint64_t per = q->cluster_size / 8, old = q->reftable_entries;
    const uint64_t old_at = q->reftable_offset;
    uint64_t entries = 2 * old > needed ? 2 * old : needed, at;
    entries = (entries + per - 1) / per * per;
    if (entries * 8 > QCOW2_REFTABLE_MAX || q->reftable_moving)
        return -EFBIG;
    uint64_t *const t = realloc(q->reftable, entries * 8);
    if (!t)
        return -ENOMEM;
    memset(t + old, 0, (entries - old) * 8);
    q->reftable = t;
    q->reftable_entries = entries;
    q->reftable_moving = true;
    int rc = qcow2_alloc(q, entries / per, &at);
    if (rc == 0 && (rc = qcow2_cache_flush(q, &q->blocks)) == 0 && (rc = write_table(q, at)) == 0 &&
        (rc = hostfile_sync(&q->file)) == 0) {
        uint8_t b[12];
        put_be64(b, at);
        put_be32(b + 8, (uint32_t)(entries / per));
        rc = hostfile_write(&q->file, QCOW2_H_REFTABLE_OFFSET, b, sizeof b);
    }
    if (rc)
        return rc; /* stays "moving": nothing that needs the new part reaches the file */
    q->reftable_moving = false;
    q->reftable_offset = at;
    for (uint64_t i = 0; i < old / per && rc == 0; i++)
        rc = qcow2_refcount_add(q, (old_at >> q->cluster_bits) + i, -1);
    return rc;
}

/* The block of range `index` exists afterwards; *made says whether it had to be made. */
static int need_block(struct qcow2 *q, uint64_t index, bool *made)
{
    int rc;

    if (index >= q->reftable_entries) {
        *made = true;
        rc = grow_table(q, index + 1);
        if (rc)
            return rc;
    }
    if (q->reftable[index])
        return 0;
    *made = true;
    const uint64_t at = index * qcow2_block_entries(q) << q->cluster_bits;
    struct qcow2_cached *const s = qcow2_cache_get(q, &q->blocks, at, true, &rc);
    if (!s)
        return rc;
    count_set(q, s->bytes, 0, 1);
    s->dirty = true;
    rc = qcow2_cache_write(q, s);
    if (rc)
        return rc;
    q->reftable[index] = at;
    return q->reftable_moving ? 0
                              : qcow2_write_header_field(q, q->reftable_offset + 8 * index, at, 8);
}

int qcow2_refcount_add(struct qcow2 *q, uint64_t cluster, int delta)
{
    const uint64_t per = qcow2_block_entries(q);
    const uint64_t max = q->refcount_order == 6 ? UINT64_MAX
                                                : (1ull << (1u << q->refcount_order)) - 1;
    const uint64_t at = block_offset(q, cluster / per);
    int rc;

    if (!at)
        return qcow2_damaged(q, "no refcount block for cluster", cluster);
    struct qcow2_cached *const s = qcow2_cache_get(q, &q->blocks, at, false, &rc);
    if (!s)
        return rc;
    const uint64_t v = count_get(q, s->bytes, cluster % per);
    if (delta < 0 ? v == 0 : v == max)
        return qcow2_damaged(q, "impossible refcount of cluster", cluster);
    count_set(q, s->bytes, cluster % per, v + (uint64_t)(int64_t)delta);
    s->dirty = true;
    if (v == 1 && delta < 0 && cluster < q->free_hint)
        q->free_hint = cluster;
    return 0;
}

/* The first run of n free clusters; no counts change. */
static int find_free(struct qcow2 *q, uint64_t n, uint64_t *first)
{
    const uint64_t per = qcow2_block_entries(q);
    const uint64_t limit = qcow2_file_clusters(q) + SEARCH_BEYOND;
    uint64_t c = q->free_hint ? q->free_hint : 1, run = 0;

    while (run < n) {
        const uint64_t at = c + run;
        uint64_t count;
        const int rc = qcow2_refcount(q, at, &count);
        if (rc)
            return rc;
        if (at > limit + n + per)
            return qcow2_damaged(q, "no free cluster behind the end, at", at);
        if (count || (at % per == 0 && !block_offset(q, at / per))) {
            c = at + 1;
            run = 0;
        } else {
            run++;
        }
    }
    *first = c;
    return 0;
}

int qcow2_alloc(struct qcow2 *q, uint64_t n, uint64_t *offset)
{
    const uint64_t per = qcow2_block_entries(q);
    uint64_t c = 0;
    bool made;

    do {
        int rc = find_free(q, n, &c);
        made = false;
        for (uint64_t i = c / per; rc == 0 && i <= (c + n - 1) / per && !made; i++)
            rc = need_block(q, i, &made);
        if (rc)
            return rc;
    } while (made); /* a block, or a table, may stand there now */
    for (uint64_t i = 0; i < n; i++) {
        const int rc = qcow2_refcount_add(q, c + i, 1);
        if (rc)
            return rc;
    }
    if (n == 1 || c == q->free_hint)
        q->free_hint = c + n;
    *offset = c << q->cluster_bits;
    return 0;
}
