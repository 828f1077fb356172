/* devices/disk/disk_int.h: between the back ends. */
#ifndef DEVICES_DISK_DISK_INT_H
#define DEVICES_DISK_DISK_INT_H

#include "devices/disk/disk.h"
#include "devices/disk/hostfile.h"

#define DISK_CHAIN_MAX 16 /* images behind each other */

static inline uint64_t disk_mix(uint64_t h, uint64_t v)
{
    h ^= v;
    h *= 0x9e3779b97f4a7c15ull;
    return h ^ h >> 29;
}
/* Hash of bytes, and of where they stand. */
uint64_t disk_hash(uint64_t seed, const void *bytes, size_t len);

/* depth counts the images in front of this one. */
struct disk *disk_open_depth(const char *path, enum disk_format format, bool writable,
                             unsigned depth, struct err *err);
/* These take over the open file, also when they fail. */
struct disk *raw_open(struct hostfile *file, struct err *err);
struct disk *qcow2_open(struct hostfile *file, unsigned depth, struct err *err);

#endif
