/*
 * devices/disk/disk.h: block back ends: what stands behind a controller's disk.
 *
 * A struct disk is a linear array of bytes; controllers read and write it synchronously, by bytes,
 * with buffers that may be guest memory. Opening gives an error chain (E-DISK-*); at run time an
 * operation returns 0 or -errno, which the controller turns into the guest's I/O error.
 *
 * The base file is never written unless that is asked for: disk_open puts an overlay on top that
 * keeps what the guest writes in an unlinked temporary file (overlay.c).
 *
 * State hash: `digest` describes everything that was written since opening; controllers copy it
 * into their state. For an overlay it is a sum over its granules, so the same contents give the
 * same digest whatever the order of writes; for a written base file it is a hash of the sequence of
 * writes. The contents of the base file are configuration, as a kernel's are.
 */
#ifndef DEVICES_DISK_DISK_H
#define DEVICES_DISK_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

#define DISK_SECTOR 512u

struct disk;

struct disk_ops {
    const char *format;
    int (*read)(struct disk *d, uint64_t at, void *to, size_t len);
    int (*write)(struct disk *d, uint64_t at, const void *from, size_t len);
    int (*zero)(struct disk *d, uint64_t at, uint64_t len); /* reads zeros from then on */
    int (*flush)(struct disk *d);
    /* Whether [at, at + *len) may hold anything but zeros; shortens *len to where that is so. */
    bool (*has_data)(struct disk *d, uint64_t at, uint64_t *len);
    void (*close)(struct disk *d);
};

struct disk {
    const struct disk_ops *ops;
    uint64_t size; /* bytes; a multiple of DISK_SECTOR */
    uint64_t digest;
    bool read_only;
    bool keeps_digest; /* the back end does; else disk_write hashes what passes */
    bool was_probed;   /* raw because nothing else was recognised, not because the user said so */
};

enum disk_format { DISK_PROBE, DISK_RAW, DISK_QCOW2, DISK_VHD, DISK_VHDX };

struct disk_config {
    const char *path;
    enum disk_format format;
    bool read_only;          /* the guest may not write at all */
    bool write_through;      /* the guest writes into the file itself */
    const char *overlay_dir; /* of the temporary file; NULL: $TMPDIR or /var/tmp */
};

/* Opens a file with what lies behind it, and an overlay unless read_only or write_through. NULL
 * with *err set. */
struct disk *disk_open(const struct disk_config *cfg, struct err *err);
void disk_close(struct disk *d); /* NULL is fine */

/* 0 or -errno; -ERANGE beyond the end, -EROFS on a disk that may not be written. */
int disk_read(struct disk *d, uint64_t at, void *to, size_t len);
int disk_write(struct disk *d, uint64_t at, const void *from, size_t len);
int disk_zero(struct disk *d, uint64_t at, uint64_t len);
int disk_flush(struct disk *d);
bool disk_has_data(struct disk *d, uint64_t at, uint64_t *len);

/* Parts of disk_open, for tools and tests. A disk of zeros in memory; an overlay owns its base. */
struct disk *disk_open_base(const char *path, enum disk_format format, bool writable,
                            struct err *err);
struct disk *overlay_new(struct disk *base, const char *dir, struct err *err);
struct disk *memdisk_new(uint64_t size);
const char *disk_format_name(enum disk_format format);
bool disk_format_parse(const char *name, enum disk_format *format); /* not DISK_PROBE */
enum disk_format disk_format_of(const struct disk *d);

/* A new VHD or VHDX image, dynamic, or differencing with a backing file of the same format. */
struct disk_create {
    enum disk_format format;
    uint64_t size;       /* a multiple of DISK_SECTOR; 0: the backing file's */
    const char *backing; /* NULL: none; relative to the image's folder, as it is to stand in it */
    uint8_t id[16];      /* a new UUID; a random number */
};
/* A file that exists is refused. */
int disk_create(const char *path, const struct disk_create *c, struct err *err);

#endif
