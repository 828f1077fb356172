/*
 * devices/disk/qcow2_int.h: the parts of the qcow2 back end (docs/interop/qcow2.txt of QEMU):
 * qcow2.c header and disk operations, qcow2_map.c L1/L2 tables and reading, qcow2_alloc.c
 * reference counts and allocation, qcow2_write.c writing, qcow2_check.c consistency.
 *
 * Everything read from the file is hostile: offsets are checked against the file's size and
 * alignment each time they are used, tables have upper bounds, and no walk follows a chain of
 * unbounded length.
 */
#ifndef DEVICES_DISK_QCOW2_INT_H
#define DEVICES_DISK_QCOW2_INT_H

#include "devices/disk/disk_int.h"
#include "devices/disk/qcow2.h"
#include "lib/bytes.h"

#define QCOW2_MAGIC         0x514649fbu
#define QCOW2_L1_MAX        (4u << 20) /* entries: 32 MiB of table */
#define QCOW2_REFTABLE_MAX  (8u << 20) /* bytes */
#define QCOW2_SIZE_MAX      (1ull << 46)
#define QCOW2_SNAPSHOTS_MAX 65536u

#define QCOW2_OFFSET_MASK 0x00fffffffffffe00ull
#define QCOW2_COPIED      (1ull << 63)
#define QCOW2_COMPRESSED  (1ull << 62)
#define QCOW2_ZERO        1ull

#define QCOW2_INCOMPAT_DIRTY    (1ull << 0)
#define QCOW2_INCOMPAT_CORRUPT  (1ull << 1)
#define QCOW2_INCOMPAT_DATAFILE (1ull << 2)
#define QCOW2_INCOMPAT_ZSTD     (1ull << 3)
#define QCOW2_INCOMPAT_EXTL2    (1ull << 4)

#define QCOW2_EXT_END            0u
#define QCOW2_EXT_BACKING_FORMAT 0xe2792acau
#define QCOW2_EXT_FEATURE_NAMES  0x6803f857u
#define QCOW2_EXT_BITMAPS        0x23852875u

/* Byte offsets in the header */
enum {
    QCOW2_H_VERSION = 4,
    QCOW2_H_BACKING_OFFSET = 8,
    QCOW2_H_BACKING_SIZE = 16,
    QCOW2_H_CLUSTER_BITS = 20,
    QCOW2_H_SIZE = 24,
    QCOW2_H_CRYPT = 32,
    QCOW2_H_L1_SIZE = 36,
    QCOW2_H_L1_OFFSET = 40,
    QCOW2_H_REFTABLE_OFFSET = 48,
    QCOW2_H_REFTABLE_CLUSTERS = 56,
    QCOW2_H_SNAPSHOTS = 60,
    QCOW2_H_SNAPSHOTS_OFFSET = 64,
    QCOW2_H_V2_LENGTH = 72,
    QCOW2_H_INCOMPATIBLE = 72,
    QCOW2_H_COMPATIBLE = 80,
    QCOW2_H_AUTOCLEAR = 88,
    QCOW2_H_REFCOUNT_ORDER = 96,
    QCOW2_H_LENGTH = 100,
    QCOW2_H_V3_LENGTH = 104,
    QCOW2_H_COMPRESSION = 104,
};

/* Clusters of one kind of table, as in the file. */
#define QCOW2_CACHE_MAX 32
struct qcow2_cache {
    struct qcow2_cached {
        uint64_t offset; /* 0: empty */
        uint64_t used;   /* time of the last use */
        bool dirty;
        uint8_t *bytes;
    } slot[QCOW2_CACHE_MAX];
    unsigned slots;
    uint64_t time;
};

struct qcow2 {
    struct disk disk;
    struct hostfile file;
    struct disk *backing; /* NULL: none */
    /* header */
    unsigned version, cluster_bits, refcount_order;
    uint64_t cluster_size;
    uint64_t incompatible, compatible, autoclear;
    uint64_t l1_offset, reftable_offset, snapshots_offset;
    uint32_t l1_size, snapshots;
    char backing_name[1024];
    enum disk_format backing_format;
    bool has_bitmaps;
    char unknown_feature[47];
    /* tables, in host order */
    uint64_t *l1;
    uint64_t *reftable;
    uint64_t reftable_entries; /* in memory and in the file */
    struct qcow2_cache l2, blocks;
    uint64_t free_hint;   /* no free cluster below it */
    bool reftable_moving; /* the file has a shorter one still */
    uint8_t *bounce;      /* a cluster that is put together */
    /* one uncompressed cluster */
    uint8_t *inflated, *deflated;
    uint64_t inflated_entry; /* whose: L2 entry, 0: none */
    bool damaged;            /* was said once */
};

static inline uint64_t qcow2_l2_entries(const struct qcow2 *q)
{
    return q->cluster_size / 8;
}
static inline uint64_t qcow2_block_entries(const struct qcow2 *q)
{
    return q->cluster_size * 8 >> q->refcount_order;
}
/* Clusters of the file, the last one may be cut. */
static inline uint64_t qcow2_file_clusters(const struct qcow2 *q)
{
    return (q->file.size + q->cluster_size - 1) >> q->cluster_bits;
}

/* qcow2.c: header in memory, or an error chain. Used by qcow2_check.c and tools too. */
int qcow2_damaged(struct qcow2 *q, const char *what, uint64_t value); /* logs once; -EIO */

/* qcow2_map.c */
/* A table cluster of the file, good until the next call for the same cache; NULL: *rc says why. */
struct qcow2_cached *qcow2_cache_get(struct qcow2 *q, struct qcow2_cache *c, uint64_t offset,
                                     bool fresh, int *rc);
int qcow2_cache_write(struct qcow2 *q, struct qcow2_cached *s);
int qcow2_cache_flush(struct qcow2 *q, struct qcow2_cache *c);
int qcow2_cache_init(struct qcow2_cache *c, uint64_t cluster_size);
void qcow2_cache_free(struct qcow2_cache *c);
/* L2 entry of a byte of the disk; 0 when there is no table. */
int qcow2_entry(struct qcow2 *q, uint64_t at, uint64_t *entry);
enum qcow2_kind { QCOW2_BACKING, QCOW2_ZEROS, QCOW2_DATA, QCOW2_PACKED };
enum qcow2_kind qcow2_kind_of(const struct qcow2 *q, uint64_t entry);
/* Where a compressed cluster stands in the file. */
void qcow2_packed_at(const struct qcow2 *q, uint64_t entry, uint64_t *offset, uint64_t *len);
int qcow2_read(struct disk *d, uint64_t at, void *to, size_t len);
bool qcow2_has_data(struct disk *d, uint64_t at, uint64_t *len);

/* qcow2_alloc.c: counts by cluster number */
int qcow2_refcount(struct qcow2 *q, uint64_t cluster, uint64_t *count);
int qcow2_refcount_add(struct qcow2 *q, uint64_t cluster, int delta);
/* n clusters in a row with count 1; *offset in bytes. */
int qcow2_alloc(struct qcow2 *q, uint64_t n, uint64_t *offset);
int qcow2_write_header_field(struct qcow2 *q, uint64_t at, uint64_t value, unsigned size);

/* qcow2_write.c */
int qcow2_write(struct disk *d, uint64_t at, const void *from, size_t len);
int qcow2_zero(struct disk *d, uint64_t at, uint64_t len);
int qcow2_flush(struct disk *d);
int qcow2_write_l1(struct qcow2 *q, uint64_t index);

#endif
