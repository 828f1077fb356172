/*
 * devices/disk/qcow2_check.c: consistency of a qcow2 image, and making an empty one (qcow2.h).
 *
 * Every cluster's references are counted by walking all tables, those of internal snapshots too,
 * and compared with the stored counts. A table is walked at most once for each L1 table that may
 * share it, so a hostile image cannot make this long.
 * Not modelled: repair; the clusters of bitmaps (then leaks are not reported).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/disk/qcow2_int.h"

#define CLUSTERS_MAX (1ull << 30)

struct walk {
    struct qcow2 *q;
    struct qcow2_report *r;
    uint32_t *count;
    uint64_t clusters;
    void (*progress)(void *opaque, uint64_t done, uint64_t whole);
    void *opaque;
};

static void wrong(struct walk *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void wrong(struct walk *w, const char *fmt, ...)
{
    va_list ap;
    if (w->r->errors++ == 0) {
        va_start(ap, fmt);
        vsnprintf(w->r->first, sizeof w->r->first, fmt, ap);
        va_end(ap);
    }
}

/* References to a range of the file; returns the largest count of its clusters. */
static uint32_t mark(struct walk *w, uint64_t offset, uint64_t len, const char *what)
{
    const uint64_t size = w->clusters << w->q->cluster_bits;
    uint32_t most = 0;

    if (offset >= size || (len > size - offset)) {
        wrong(w, "%s at 0x%" PRIx64 " lies outside of the file", what, offset);
        return UINT32_MAX;
    }
    if (!len)
        return 0;
    for (uint64_t c = offset >> w->q->cluster_bits; c <= (offset + len - 1) >> w->q->cluster_bits;
         c++) {
        if (w->count[c] != UINT32_MAX)
            w->count[c]++;
        if (w->count[c] > most)
            most = w->count[c];
    }
    return most;
}

static void check_copied(struct walk *w, uint64_t entry, uint64_t offset, const char *what)
{
    uint64_t count;
    if (!(entry & QCOW2_COPIED))
        return;
    if (qcow2_refcount(w->q, offset >> w->q->cluster_bits, &count) == 0 && count != 1)
        wrong(w, "%s at 0x%" PRIx64 " is marked as ours alone but has count %" PRIu64, what, offset,
              count);
}

static void walk_entry(struct walk *w, uint64_t e, bool active)
{
    struct qcow2 *const q = w->q;
    uint64_t offset = e & QCOW2_OFFSET_MASK, len = q->cluster_size;

    switch (qcow2_kind_of(q, e)) {
    case QCOW2_PACKED:
        qcow2_packed_at(q, e, &offset, &len);
        if (offset < q->file.size && len > q->file.size - offset)
            len = q->file.size - offset;
        mark(w, offset, len, "a compressed cluster");
        w->r->compressed += active;
        break;
    case QCOW2_ZEROS:
        w->r->zeros += active;
        if (offset)
            mark(w, offset, len, "a cluster");
        break;
    case QCOW2_DATA:
        if (offset & (q->cluster_size - 1))
            wrong(w, "the cluster at 0x%" PRIx64 " is not aligned", offset);
        else
            mark(w, offset, len, "a cluster");
        w->r->allocated += active;
        if (active)
            check_copied(w, e, offset, "the cluster");
        break;
    case QCOW2_BACKING:
        break;
    }
}

static int walk_l1(struct walk *w, const uint64_t *l1, uint64_t entries, bool active)
{
    struct qcow2 *const q = w->q;
    uint8_t *const table = malloc(q->cluster_size);
    if (!table)
        return -ENOMEM;
    for (uint64_t i = 0; i < entries; i++) {
        const uint64_t at = l1[i] & QCOW2_OFFSET_MASK;
        if (active && w->progress)
            w->progress(w->opaque, i, entries);
        if (!at)
            continue;
        if (at & (q->cluster_size - 1) ||
            mark(w, at, q->cluster_size, "an L2 table") > q->snapshots + 1) {
            wrong(w, "the L2 table at 0x%" PRIx64 " is shared too often, or not aligned", at);
            continue;
        }
        if (active)
            check_copied(w, l1[i], at, "the L2 table");
        if (hostfile_read(&q->file, at, table, q->cluster_size)) {
            wrong(w, "the L2 table at 0x%" PRIx64 " cannot be read", at);
            continue;
        }
        for (uint64_t n = 0; n < qcow2_l2_entries(q); n++)
            walk_entry(w, get_be64(table + 8 * n), active);
    }
    free(table);
    return 0;
}

static int walk_snapshot(struct walk *w, uint64_t offset, uint64_t entries)
{
    struct qcow2 *const q = w->q;
    if (offset & (q->cluster_size - 1) || entries > QCOW2_L1_MAX ||
        mark(w, offset, entries * 8, "the L1 table of a snapshot") > 1) {
        wrong(w, "the L1 table of a snapshot at 0x%" PRIx64 " makes no sense", offset);
        return 0;
    }
    uint64_t *const l1 = malloc(entries * 8 + 8);
    if (!l1 || hostfile_read(&q->file, offset, l1, entries * 8)) {
        free(l1);
        return -ENOMEM;
    }
    for (uint64_t i = 0; i < entries; i++) {
        uint8_t raw[8];
        memcpy(raw, &l1[i], 8);
        l1[i] = get_be64(raw);
    }
    const int rc = walk_l1(w, l1, entries, false);
    free(l1);
    return rc;
}

/* Snapshot table: 40 bytes, extra data, id, name, padding to 8. */
static int walk_snapshots(struct walk *w)
{
    struct qcow2 *const q = w->q;
    uint64_t at = q->snapshots_offset;

    if (q->snapshots > QCOW2_SNAPSHOTS_MAX || (q->snapshots && at & (q->cluster_size - 1))) {
        wrong(w, "the snapshot table makes no sense");
        return 0;
    }
    for (uint32_t i = 0; i < q->snapshots; i++) {
        uint8_t h[40];
        if (at > q->file.size || q->file.size - at < sizeof h ||
            hostfile_read(&q->file, at, h, sizeof h)) {
            wrong(w, "the snapshot table is cut off");
            return 0;
        }
        const uint64_t more = (uint64_t)get_be32(h + 36) + (get_be32(h + 12) >> 16) +
                              (get_be32(h + 12) & 0xffff);
        const int rc = walk_snapshot(w, get_be64(h), get_be32(h + 8));
        if (rc)
            return rc;
        at = (at + sizeof h + more + 7) & ~7ull;
    }
    if (q->snapshots)
        mark(w, q->snapshots_offset, at - q->snapshots_offset, "the snapshot table");
    return 0;
}

static void compare(struct walk *w)
{
    for (uint64_t c = 0; c < w->clusters; c++) {
        uint64_t stored;
        if (qcow2_refcount(w->q, c, &stored)) {
            wrong(w, "the count of cluster %" PRIu64 " cannot be read", c);
            return;
        }
        w->r->clusters += w->count[c] > 0;
        if (stored < w->count[c])
            wrong(w, "cluster %" PRIu64 " has %u references but count %" PRIu64, c, w->count[c],
                  stored);
        else if (stored > w->count[c] && !w->q->has_bitmaps)
            w->r->leaks++;
    }
}

int qcow2_check(struct disk *d, struct qcow2_report *r,
                void (*progress)(void *opaque, uint64_t done, uint64_t whole), void *opaque,
                struct err *err)
{
    struct qcow2 *const q = (struct qcow2 *)d;
    struct walk w = {q, r, NULL, qcow2_file_clusters(q), progress, opaque};

    memset(r, 0, sizeof *r);
    if (w.clusters <= CLUSTERS_MAX)
        w.count = calloc(w.clusters, sizeof *w.count);
    if (!w.count)
        return err_set(err, "E-MACH-002", -ENOMEM, "%s: no memory to count %" PRIu64 " clusters",
                       q->file.path, w.clusters);
    mark(&w, 0, q->cluster_size, "the header");
    mark(&w, q->l1_offset, 8ull * q->l1_size, "the L1 table");
    mark(&w, q->reftable_offset, 8 * q->reftable_entries, "the refcount table");
    for (uint64_t i = 0; i < q->reftable_entries; i++) {
        if (q->reftable[i] & (q->cluster_size - 1))
            wrong(&w, "the refcount block %" PRIu64 " is not aligned", i);
        else if (q->reftable[i] &&
                 mark(&w, q->reftable[i], q->cluster_size, "a refcount block") > 1)
            wrong(&w, "refcount block %" PRIu64 " lies on something else", i);
    }
    int rc = walk_l1(&w, q->l1, q->l1_size, true);
    if (rc == 0)
        rc = walk_snapshots(&w);
    if (rc == 0)
        compare(&w);
    free(w.count);
    return rc ? err_set(err, "E-MACH-002", rc, "%s: no memory to check it", q->file.path) : 0;
}

/* ---- creation ---- */

static int put_names(uint8_t *h, const struct qcow2_create *c, uint64_t cluster_size)
{
    uint8_t *p = h + QCOW2_H_V3_LENGTH;

    if (c->backing && c->backing_format != DISK_PROBE) {
        const char *const name = disk_qemu_name(c->backing_format);
        put_be32(p, QCOW2_EXT_BACKING_FORMAT);
        put_be32(p + 4, (uint32_t)strlen(name));
        memcpy(p + 8, name, strlen(name));
        p += 16;
    }
    p += 8; /* end of extensions */
    if (!c->backing)
        return 0;
    const size_t len = strlen(c->backing);
    if (len == 0 || len > 1023 || (uint64_t)(p - h) + len > cluster_size)
        return -ENAMETOOLONG;
    put_be64(h + QCOW2_H_BACKING_OFFSET, (uint64_t)(p - h));
    put_be32(h + QCOW2_H_BACKING_SIZE, (uint32_t)len);
    memcpy(p, c->backing, len);
    return 0;
}

/* Clusters: 0 header, 1 refcount table, 2 refcount block, then L1. */
int qcow2_create(const char *path, const struct qcow2_create *c, struct err *err)
{
    const unsigned bits = c->cluster_bits ? c->cluster_bits : 16;
    const uint64_t cluster = 1ull << bits, per_l2 = cluster / 8 * cluster;
    const uint64_t l1 = (c->size + per_l2 - 1) / per_l2;
    const uint64_t used = 3 + (8 * l1 + cluster - 1) / cluster;
    struct hostfile f;

    if (c->size < DISK_SECTOR || c->size > QCOW2_SIZE_MAX || c->size % DISK_SECTOR || bits < 9 ||
        bits > 21 || l1 > QCOW2_L1_MAX || used > cluster / 2)
        return err_set(err, "E-DISK-009", -EINVAL,
                       "a qcow2 image of %" PRIu64 " bytes with clusters of %" PRIu64
                       " is not possible",
                       c->size, cluster);
    uint8_t *const h = calloc(3, cluster);
    if (!h)
        return err_set(err, "E-MACH-002", -ENOMEM, "out of memory");
    put_be32(h, QCOW2_MAGIC);
    put_be32(h + QCOW2_H_VERSION, 3);
    put_be32(h + QCOW2_H_CLUSTER_BITS, bits);
    put_be64(h + QCOW2_H_SIZE, c->size);
    put_be32(h + QCOW2_H_L1_SIZE, (uint32_t)l1);
    put_be64(h + QCOW2_H_L1_OFFSET, 3 * cluster);
    put_be64(h + QCOW2_H_REFTABLE_OFFSET, cluster);
    put_be32(h + QCOW2_H_REFTABLE_CLUSTERS, 1);
    put_be32(h + QCOW2_H_REFCOUNT_ORDER, 4);
    put_be32(h + QCOW2_H_LENGTH, QCOW2_H_V3_LENGTH);
    put_be64(h + cluster, 2 * cluster);
    for (uint64_t i = 0; i < used; i++)
        h[2 * cluster + 2 * i + 1] = 1;
    int rc = put_names(h, c, cluster);
    if (rc)
        err_set(err, "E-DISK-009", rc, "the name of the backing file is too long or empty");
    if (!rc && (rc = hostfile_create(&f, path, err)) == 0) {
        rc = hostfile_write(&f, 0, h, 3 * cluster);
        if (!rc)
            rc = hostfile_resize(&f, used * cluster);
        if (rc)
            err_set(err, "E-DISK-009", rc, "cannot write %s: %s", path, strerror(-rc));
        hostfile_close(&f);
    }
    free(h);
    return rc;
}
