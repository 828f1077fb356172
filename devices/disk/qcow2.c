/*
 * devices/disk/qcow2.c: qcow2 images, versions 2 and 3: header, extensions, backing file, creation
 * (qcow2_int.h has the map of the parts).
 *
 * Not modelled: encryption, zstd compression, subclusters (extended L2), external data files:
 * refused by name. Bitmaps are ignored and marked stale when the image is written.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/disk/qcow2_int.h"
#include "lib/log.h"

int qcow2_damaged(struct qcow2 *q, const char *what, uint64_t value)
{
    if (!q->damaged)
        LOG_ERROR("disk", "%s is damaged: %s 0x%" PRIx64 "; the guest gets an I/O error",
                  q->file.path, what, value);
    q->damaged = true;
    return -EIO;
}

static int bad(const struct qcow2 *q, struct err *err, const char *what, uint64_t value)
{
    err_set(err, "E-DISK-003", -EILSEQ, "%s: %s (%" PRIu64 ")", q->file.path, what, value);
    return err_hint(err, "compare the file's size with the original; `vitrine img check` looks at "
                         "an image that can be opened");
}

static int refuse(const struct qcow2 *q, struct err *err, const char *what)
{
    err_set(err, "E-DISK-004", -ENOTSUP, "%s: %s is not supported", q->file.path, what);
    return err_hint(err, "qemu-img convert -O qcow2 writes an image without it");
}

/* ---- header ---- */

static int parse_v2(struct qcow2 *q, const uint8_t *h, struct err *err)
{
    q->version = get_be32(h + QCOW2_H_VERSION);
    if (q->version < 2 || q->version > 3)
        return bad(q, err, "version is neither 2 nor 3", q->version);
    q->cluster_bits = get_be32(h + QCOW2_H_CLUSTER_BITS);
    if (q->cluster_bits < 9 || q->cluster_bits > 21)
        return bad(q, err, "cluster bits are not within 9 to 21", q->cluster_bits);
    q->cluster_size = 1ull << q->cluster_bits;
    if (get_be32(h + QCOW2_H_CRYPT))
        return refuse(q, err, "encryption");
    q->disk.size = get_be64(h + QCOW2_H_SIZE);
    if (q->disk.size < DISK_SECTOR || q->disk.size > QCOW2_SIZE_MAX)
        return bad(q, err, "disk size is not within 512 bytes to 64 TiB", q->disk.size);
    q->l1_size = get_be32(h + QCOW2_H_L1_SIZE);
    q->l1_offset = get_be64(h + QCOW2_H_L1_OFFSET);
    q->reftable_offset = get_be64(h + QCOW2_H_REFTABLE_OFFSET);
    q->snapshots = get_be32(h + QCOW2_H_SNAPSHOTS);
    q->snapshots_offset = get_be64(h + QCOW2_H_SNAPSHOTS_OFFSET);
    q->refcount_order = 4;
    return 0;
}

static int parse_v3(struct qcow2 *q, const uint8_t *h, struct err *err)
{
    q->incompatible = get_be64(h + QCOW2_H_INCOMPATIBLE);
    q->compatible = get_be64(h + QCOW2_H_COMPATIBLE);
    q->autoclear = get_be64(h + QCOW2_H_AUTOCLEAR);
    q->refcount_order = get_be32(h + QCOW2_H_REFCOUNT_ORDER);
    const uint32_t length = get_be32(h + QCOW2_H_LENGTH);
    if (length < QCOW2_H_V3_LENGTH || length % 8 || length > q->cluster_size)
        return bad(q, err, "header length", length);
    if (q->refcount_order > 6)
        return bad(q, err, "refcount order is above 6", q->refcount_order);
    if (length > QCOW2_H_COMPRESSION && h[QCOW2_H_COMPRESSION])
        return refuse(q, err, "zstd compression");
    return 0;
}

static int check_features(struct qcow2 *q, struct err *err)
{
    static const struct {
        uint64_t bit;
        const char *name;
    } named[] = {
        {QCOW2_INCOMPAT_DATAFILE, "an external data file"},
        {QCOW2_INCOMPAT_ZSTD, "zstd compression"},
        {QCOW2_INCOMPAT_EXTL2, "extended L2 entries (subclusters)"},
    };
    for (size_t i = 0; i < sizeof named / sizeof named[0]; i++) {
        if (q->incompatible & named[i].bit)
            return refuse(q, err, named[i].name);
    }
    const uint64_t unknown = q->incompatible & ~(QCOW2_INCOMPAT_DIRTY | QCOW2_INCOMPAT_CORRUPT);
    if (unknown) {
        char text[96];
        snprintf(text, sizeof text, "incompatible feature 0x%" PRIx64 "%s%s", unknown,
                 q->unknown_feature[0] ? " " : "", q->unknown_feature);
        return refuse(q, err, text);
    }
    if (q->file.writable && (q->incompatible & (QCOW2_INCOMPAT_DIRTY | QCOW2_INCOMPAT_CORRUPT))) {
        err_set(err, "E-DISK-005", -EROFS, "%s is marked %s and may not be written", q->file.path,
                q->incompatible & QCOW2_INCOMPAT_CORRUPT ? "corrupt" : "dirty");
        return err_hint(err, "without write-through it can be used; qemu-img check -r all FILE "
                             "repairs it");
    }
    return 0;
}

/* The name of the first unknown feature, from the table in the image. */
static void name_unknown(struct qcow2 *q, const uint8_t *table, uint32_t len)
{
    for (uint32_t i = 0; i + 48 <= len; i += 48) {
        if (table[i] == 0 && table[i + 1] < 64 && (q->incompatible >> table[i + 1] & 1) &&
            table[i + 1] > 4 && !q->unknown_feature[0]) {
            for (unsigned n = 0; n < 46 && table[i + 2 + n]; n++) {
                const uint8_t c = table[i + 2 + n];
                q->unknown_feature[n] = c >= ' ' && c < 0x7f ? (char)c : '?';
            }
        }
    }
}

static enum disk_format find_format(const uint8_t *name, uint32_t len)
{
    for (enum disk_format f = DISK_RAW; f <= DISK_VHDX; f++) {
        if (strlen(disk_qemu_name(f)) == len && memcmp(disk_qemu_name(f), name, len) == 0)
            return f;
    }
    return DISK_PROBE;
}

static int parse_extensions(struct qcow2 *q, const uint8_t *h, uint32_t at, uint32_t end,
                            struct err *err)
{
    while (at + 8 <= end) {
        const uint32_t type = get_be32(h + at), len = get_be32(h + at + 4);
        if (type == QCOW2_EXT_END)
            return 0;
        at += 8;
        if (len > end - at)
            return bad(q, err, "a header extension is cut off", type);
        if (type == QCOW2_EXT_BACKING_FORMAT) {
            q->backing_format = find_format(h + at, len);
            if (q->backing_format == DISK_PROBE)
                return refuse(q, err, "the format of its backing file");
        } else if (type == QCOW2_EXT_FEATURE_NAMES) {
            name_unknown(q, h + at, len);
        } else if (type == QCOW2_EXT_BITMAPS) {
            q->has_bitmaps = true;
        }
        at += (len + 7) & ~7u;
    }
    return 0;
}

static int parse_header(struct qcow2 *q, struct err *err)
{
    uint8_t fixed[112] = {0};
    int rc;

    if (q->file.size < QCOW2_H_V2_LENGTH)
        return bad(q, err, "the file ends within the header", q->file.size);
    if (hostfile_read(&q->file, 0, fixed, sizeof fixed))
        return bad(q, err, "the header cannot be read", 0);
    if (get_be32(fixed) != QCOW2_MAGIC) {
        err_set(err, "E-DISK-012", -EMEDIUMTYPE, "%s is no qcow2 image", q->file.path);
        return err_hint(err, "leave format= away, or say format=raw");
    }
    if ((rc = parse_v2(q, fixed, err)) || (q->version == 3 && (rc = parse_v3(q, fixed, err))))
        return rc;
    uint8_t *const h = calloc(1, q->cluster_size);
    if (!h || hostfile_read(&q->file, 0, h, q->cluster_size)) {
        free(h);
        return bad(q, err, "the header cannot be read", 0);
    }
    const uint64_t back = get_be64(h + QCOW2_H_BACKING_OFFSET);
    const uint32_t back_len = get_be32(h + QCOW2_H_BACKING_SIZE);
    const uint32_t start = q->version == 3 ? get_be32(fixed + QCOW2_H_LENGTH) : QCOW2_H_V2_LENGTH;
    if (back && (back_len == 0 || back_len >= sizeof q->backing_name || back < start ||
                 back > q->cluster_size || back_len > q->cluster_size - back))
        rc = bad(q, err, "the name of the backing file lies outside of the header", back);
    else if (back)
        memcpy(q->backing_name, h + back, back_len);
    const uint32_t end = (uint32_t)(back ? back : q->cluster_size);
    if (!rc)
        rc = parse_extensions(q, h, start, end, err);
    free(h);
    return rc ? rc : check_features(q, err);
}

/* ---- tables ---- */

/* A table of the file in host order; offset and length are those of a hostile header. */
static int load_table(struct qcow2 *q, uint64_t offset, uint64_t entries, uint64_t **table,
                      const char *what, struct err *err)
{
    const uint64_t bytes = entries * 8;
    if (offset & (q->cluster_size - 1) || offset > q->file.size || bytes > q->file.size - offset)
        return bad(q, err, what, offset);
    uint8_t *const raw = malloc(bytes ? bytes : 8);
    *table = malloc(bytes ? bytes : 8);
    if (!raw || !*table || hostfile_read(&q->file, offset, raw, bytes)) {
        free(raw);
        return err_set(err, "E-MACH-002", -ENOMEM, "%s: no memory for its tables", q->file.path);
    }
    for (uint64_t i = 0; i < entries; i++)
        (*table)[i] = get_be64(raw + 8 * i);
    free(raw);
    return 0;
}

static int check_l1(struct qcow2 *q, struct err *err)
{
    for (uint32_t i = 0; i < q->l1_size; i++) {
        const uint64_t at = q->l1[i] & QCOW2_OFFSET_MASK;
        if (at && (at & (q->cluster_size - 1) || at > q->file.size ||
                   q->file.size - at < q->cluster_size))
            return bad(q, err, "an L2 table lies outside of the file, which may be cut off", at);
    }
    return 0;
}

static int load_tables(struct qcow2 *q, struct err *err)
{
    const uint64_t per_l2 = q->cluster_size * qcow2_l2_entries(q);
    const uint64_t needed = (q->disk.size + per_l2 - 1) / per_l2;
    const uint64_t clusters = q->reftable_entries; /* as parsed */
    int rc;

    if (q->l1_size > QCOW2_L1_MAX || q->l1_size < needed)
        return bad(q, err, "the size of the L1 table does not fit the disk", q->l1_size);
    if (clusters == 0 || clusters > QCOW2_REFTABLE_MAX >> q->cluster_bits)
        return bad(q, err, "size of the refcount table", clusters);
    q->reftable_entries = clusters * (q->cluster_size / 8);
    if ((rc = load_table(q, q->l1_offset, q->l1_size, &q->l1,
                         "the L1 table lies outside of the "
                         "file, which may be cut off",
                         err)) ||
        (rc = load_table(q, q->reftable_offset, q->reftable_entries, &q->reftable,
                         "the refcount table lies outside of the file, which may be cut off", err)))
        return rc;
    return check_l1(q, err);
}

/* ---- backing file ---- */

static int open_backing(struct qcow2 *q, unsigned depth, struct err *err)
{
    char path[2 * sizeof q->backing_name];
    const char *const name = q->backing_name;
    const size_t scheme = strcspn(name, ":/");

    if (!name[0])
        return 0;
    if (depth + 1 >= DISK_CHAIN_MAX) {
        err_set(err, "E-DISK-008", -ELOOP, "%s: more than %d images behind each other",
                q->file.path, DISK_CHAIN_MAX);
        return err_hint(err, "does a backing file point back at the image?");
    }
    if (name[scheme] == ':')
        return err_set(err, "E-DISK-008", -ENOTSUP,
                       "%s: its backing file is no plain file name: %.100s", q->file.path, name);
    disk_path_beside(path, sizeof path, q->file.path, name); /* longer than both */
    q->backing = disk_open_depth(path, q->backing_format, false, depth + 1, err);
    if (!q->backing) {
        err_wrap(err, "backing file of %s", q->file.path);
        return err ? err->code : -EIO;
    }
    return 0;
}

/* ---- the disk ---- */

static void qcow2_close(struct disk *d)
{
    struct qcow2 *const q = (struct qcow2 *)d;
    if (q->l1 && q->reftable && q->file.writable && qcow2_flush(d))
        LOG_ERROR("disk", "%s could not be written completely", q->file.path);
    qcow2_cache_free(&q->l2);
    qcow2_cache_free(&q->blocks);
    free(q->l1);
    free(q->reftable);
    free(q->bounce);
    free(q->inflated);
    free(q->deflated);
    disk_close(q->backing);
    hostfile_close(&q->file);
    free(q);
}

static const struct disk_ops qcow2_ops = {
    "qcow2", qcow2_read, qcow2_write, qcow2_zero, qcow2_flush, qcow2_has_data, qcow2_close,
};

struct disk *qcow2_open(struct hostfile *file, unsigned depth, struct err *err)
{
    struct qcow2 *const q = calloc(1, sizeof *q);
    uint8_t clusters[4] = {0};

    if (!q) {
        err_set(err, "E-MACH-002", -ENOMEM, "out of memory");
        hostfile_close(file);
        return NULL;
    }
    q->file = *file;
    q->disk.ops = &qcow2_ops;
    q->disk.read_only = !file->writable;
    int rc = parse_header(q, err);
    if (!rc) {
        hostfile_read(&q->file, QCOW2_H_REFTABLE_CLUSTERS, clusters, sizeof clusters);
        q->reftable_entries = get_be32(clusters);
        rc = load_tables(q, err);
    }
    if (!rc)
        rc = open_backing(q, depth, err);
    if (!rc && (qcow2_cache_init(&q->l2, q->cluster_size) ||
                qcow2_cache_init(&q->blocks, q->cluster_size)))
        rc = err_set(err, "E-MACH-002", -ENOMEM, "%s: no memory for its tables", q->file.path);
    if (rc) {
        q->file.writable = false; /* nothing to flush */
        qcow2_close(&q->disk);
        return NULL;
    }
    q->disk.size &= ~(uint64_t)(DISK_SECTOR - 1);
    if (q->incompatible & QCOW2_INCOMPAT_CORRUPT)
        LOG_WARN("disk", "%s is marked corrupt", q->file.path);
    /* whoever writes without knowing them must clear the bits of optional extensions */
    if (file->writable && q->autoclear) {
        q->autoclear = 0;
        qcow2_write_header_field(q, QCOW2_H_AUTOCLEAR, 0, 8);
    }
    return &q->disk;
}

bool disk_is_qcow2(const struct disk *d)
{
    return d->ops == &qcow2_ops;
}

void qcow2_get_info(const struct disk *d, struct qcow2_info *info)
{
    const struct qcow2 *const q = (const struct qcow2 *)d;
    *info = (struct qcow2_info){
        .version = q->version,
        .cluster_size = q->cluster_size,
        .refcount_bits = 1u << q->refcount_order,
        .snapshots = q->snapshots,
        .backing = q->backing_name[0] ? q->backing_name : NULL,
        .backing_format = q->backing_format,
        .dirty = q->incompatible & QCOW2_INCOMPAT_DIRTY,
        .corrupt = q->incompatible & QCOW2_INCOMPAT_CORRUPT,
        .lazy_refcounts = q->compatible & 1,
        .has_bitmaps = q->has_bitmaps,
    };
}
