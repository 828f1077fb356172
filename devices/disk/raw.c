/*
 * devices/disk/raw.c: an image that is the disk, byte by byte; and a disk in memory for tests.
 *
 * A size that is no multiple of a sector is rounded up; the missing bytes read as zeros. A guest
 * must not be able to turn a raw image into one of another format that names files of the host, so
 * the signature of none may be written into the first sector of an image that was taken as
 * raw by default.
 * Not modelled: offset and size of a part of a file.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/disk/disk_int.h"
#include "lib/log.h"

#define RAW_LIMIT (1ull << 46)

struct raw {
    struct disk disk;
    struct hostfile file;
};

static int raw_read(struct disk *d, uint64_t at, void *to, size_t len)
{
    return hostfile_read(&((struct raw *)d)->file, at, to, len);
}

static bool makes_another(const struct raw *r, uint64_t at, const void *from, size_t len)
{
    uint8_t head[DISK_SECTOR];
    if (at >= sizeof head || hostfile_read(&r->file, 0, head, sizeof head))
        return false;
    memcpy(head + at, from, len < sizeof head - at ? len : sizeof head - at);
    return disk_format_of_sector(head) != DISK_RAW;
}

static int raw_write(struct disk *d, uint64_t at, const void *from, size_t len)
{
    struct raw *const r = (struct raw *)d;
    if (d->was_probed && makes_another(r, at, from, len)) {
        LOG_ERROR("disk",
                  "%s: the guest may not make an image of another format of one that was not "
                  "declared format=raw",
                  r->file.path);
        return -EPERM;
    }
    return hostfile_write(&r->file, at, from, len);
}

static int raw_zero(struct disk *d, uint64_t at, uint64_t len)
{
    return hostfile_zero(&((struct raw *)d)->file, at, len);
}

static int raw_flush(struct disk *d)
{
    return hostfile_sync(&((struct raw *)d)->file);
}

static bool raw_has_data(struct disk *d, uint64_t at, uint64_t *len)
{
    return hostfile_has_data(&((struct raw *)d)->file, at, len);
}

static void raw_close(struct disk *d)
{
    hostfile_close(&((struct raw *)d)->file);
    free(d);
}

static const struct disk_ops raw_ops = {
    "raw", raw_read, raw_write, raw_zero, raw_flush, raw_has_data, raw_close,
};

struct disk *raw_open(struct hostfile *file, unsigned depth, struct err *err)
{
    (void)depth;
    struct raw *const r = calloc(1, sizeof *r);

    if (!r || file->size < DISK_SECTOR || file->size > RAW_LIMIT) {
        if (!r)
            err_set(err, "E-MACH-002", -ENOMEM, "out of memory");
        else if (file->size > RAW_LIMIT)
            err_set(err, "E-DISK-002", -EFBIG, "%s is larger than 64 TiB", file->path);
        else
            err_set(err, "E-DISK-002", -ENODATA, "%s %s", file->path,
                    file->size ? "is shorter than one sector" : "is empty");
        if (r && file->size < DISK_SECTOR)
            err_hint(err, "make an image with: vitrine img new FILE 4G");
        free(r);
        hostfile_close(file);
        return NULL;
    }
    r->file = *file;
    r->disk.ops = &raw_ops;
    r->disk.size = (file->size + DISK_SECTOR - 1) & ~(uint64_t)(DISK_SECTOR - 1);
    r->disk.read_only = !file->writable;
    return &r->disk;
}

/* ---- memory ---- */

struct memdisk {
    struct disk disk;
    uint8_t *bytes;
};

static int mem_read(struct disk *d, uint64_t at, void *to, size_t len)
{
    memcpy(to, ((struct memdisk *)d)->bytes + at, len);
    return 0;
}

static int mem_write(struct disk *d, uint64_t at, const void *from, size_t len)
{
    memcpy(((struct memdisk *)d)->bytes + at, from, len);
    return 0;
}

static int mem_zero(struct disk *d, uint64_t at, uint64_t len)
{
    memset(((struct memdisk *)d)->bytes + at, 0, len);
    return 0;
}

static int mem_flush(struct disk *d)
{
    (void)d;
    return 0;
}

static void mem_close(struct disk *d)
{
    free(((struct memdisk *)d)->bytes);
    free(d);
}

static const struct disk_ops mem_ops = {
    "memory", mem_read, mem_write, mem_zero, mem_flush, NULL, mem_close,
};

struct disk *memdisk_new(uint64_t size)
{
    struct memdisk *const m = calloc(1, sizeof *m);
    uint8_t *const bytes = calloc(1, size);

    if (!m || !bytes) {
        free(m);
        free(bytes);
        return NULL;
    }
    m->bytes = bytes;
    m->disk.ops = &mem_ops;
    m->disk.size = size;
    return &m->disk;
}
