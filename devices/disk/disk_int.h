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
struct disk *raw_open(struct hostfile *file, unsigned depth, struct err *err);
struct disk *qcow2_open(struct hostfile *file, unsigned depth, struct err *err);
struct disk *vhd_open(struct hostfile *file, unsigned depth, struct err *err);
struct disk *vhdx_open(struct hostfile *file, unsigned depth, struct err *err);
/* Into an empty file; parent (may be NULL) is the open backing file. */
int vhd_create(struct hostfile *f, const struct disk_create *c, const struct disk *parent);
int vhdx_create(struct hostfile *f, const struct disk_create *c, const struct disk *parent);

/* By the first sector of a file; DISK_RAW when nothing else is recognised. */
enum disk_format disk_format_of_sector(const uint8_t sector[DISK_SECTOR]);
/* The name that QEMU has for a format, as qcow2 images state it. */
const char *disk_qemu_name(enum disk_format format);
/* The name of a file beside another; false: too long. */
bool disk_path_beside(char *out, size_t size, const char *file, const char *name);

#endif
