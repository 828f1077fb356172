/*
 * devices/disk/qcow2.h: what tools do with qcow2 images beyond reading and writing them.
 */
#ifndef DEVICES_DISK_QCOW2_H
#define DEVICES_DISK_QCOW2_H

#include <stdbool.h>
#include <stdint.h>

#include "devices/disk/disk.h"

struct qcow2_info {
    unsigned version;
    uint64_t cluster_size;
    unsigned refcount_bits, snapshots;
    const char *backing; /* NULL: none; lives as long as the disk */
    enum disk_format backing_format;
    bool dirty, corrupt, lazy_refcounts, has_bitmaps;
};

struct qcow2_report {
    uint64_t clusters;                     /* referenced ones of the file */
    uint64_t errors;                       /* too small a count, or an entry that points nowhere */
    uint64_t leaks;                        /* too large a count: space is lost, nothing else */
    uint64_t allocated, compressed, zeros; /* clusters of the disk */
    char first[160];                       /* the first error in words */
};

struct qcow2_create {
    uint64_t size;
    unsigned cluster_bits; /* 0: 16 */
    const char *backing;   /* NULL: none; as it is to stand in the image */
    enum disk_format backing_format;
};

bool disk_is_qcow2(const struct disk *d);
void qcow2_get_info(const struct disk *d, struct qcow2_info *info);
/* Walks all tables; progress (may be NULL) is told parts done of a whole. */
int qcow2_check(struct disk *d, struct qcow2_report *r,
                void (*progress)(void *opaque, uint64_t done, uint64_t whole), void *opaque,
                struct err *err);
/* A new, empty version 3 image; a file that exists is refused. */
int qcow2_create(const char *path, const struct qcow2_create *c, struct err *err);

#endif
