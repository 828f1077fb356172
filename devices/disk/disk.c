/*
 * devices/disk/disk.c: opening by content, and the checks that every back end relies on (disk.h).
 */
#include "devices/disk/disk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/disk/disk_int.h"
#include "lib/log.h"

/* ---- operations ---- */

static int check(const struct disk *d, uint64_t at, uint64_t len)
{
    return at > d->size || len > d->size - at ? -ERANGE : 0;
}

int disk_read(struct disk *d, uint64_t at, void *to, size_t len)
{
    const int rc = check(d, at, len);
    return rc || !len ? rc : d->ops->read(d, at, to, len);
}

int disk_write(struct disk *d, uint64_t at, const void *from, size_t len)
{
    int rc = d->read_only ? -EROFS : check(d, at, len);
    if (rc || !len)
        return rc;
    rc = d->ops->write(d, at, from, len);
    if (rc == 0 && !d->keeps_digest)
        d->digest = disk_hash(disk_mix(d->digest, at), from, len);
    return rc;
}

int disk_zero(struct disk *d, uint64_t at, uint64_t len)
{
    int rc = d->read_only ? -EROFS : check(d, at, len);
    if (rc || !len)
        return rc;
    rc = d->ops->zero(d, at, len);
    if (rc == 0 && !d->keeps_digest)
        d->digest = disk_mix(disk_mix(d->digest, at), ~len);
    return rc;
}

int disk_flush(struct disk *d)
{
    return d->read_only ? 0 : d->ops->flush(d);
}

bool disk_has_data(struct disk *d, uint64_t at, uint64_t *len)
{
    if (check(d, at, *len))
        *len = at < d->size ? d->size - at : 0;
    return !d->ops->has_data || !*len || d->ops->has_data(d, at, len);
}

void disk_close(struct disk *d)
{
    if (d)
        d->ops->close(d);
}

uint64_t disk_hash(uint64_t seed, const void *bytes, size_t len)
{
    const uint8_t *p = bytes;
    uint64_t h = seed ^ len, v;

    for (; len >= 8; p += 8, len -= 8) {
        memcpy(&v, p, 8);
        h = (h ^ v) * 0xd6e8feb86659fd93ull;
        h = h << 29 | h >> 35;
    }
    for (; len; p++, len--)
        h = disk_mix(h, *p);
    return h ^ h >> 32;
}

/* ---- opening ---- */

const char *disk_format_name(enum disk_format format)
{
    static const char *const names[] = {"probe", "raw", "qcow2"};
    return names[format];
}

/* Formats that would be nonsense as a raw disk: better a refusal than an empty-looking disk. */
static const struct {
    const char *magic;
    unsigned at, len;
    const char *what, *hint;
} foreign[] = {
    {"conectix", 0, 8, "a VHD image", "qemu-img convert -O qcow2 makes an image that we read"},
    {"vhdxfile", 0, 8, "a VHDX image", "qemu-img convert -O qcow2 makes an image that we read"},
    {"KDMV", 0, 4, "a VMDK image", "qemu-img convert -O qcow2 makes an image that we read"},
    {"\x7f\x10\xda\xbe", 64, 4, "a VDI image", "qemu-img convert -O qcow2 makes one that we read"},
    {"QED", 0, 4, "a QED image", "qemu-img convert -O qcow2 makes an image that we read"},
    {"\x1f\x8b\x08", 0, 3, "compressed with gzip", "gunzip it first"},
    {"\xfd"
     "7zXZ",
     0, 6, "compressed with xz", "unxz it first"},
    {"\x28\xb5\x2f\xfd", 0, 4, "compressed with zstd", "unzstd it first"},
};

static int refuse_foreign(const struct hostfile *f, const uint8_t *head, struct err *err)
{
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
        if (memcmp(head + foreign[i].at, foreign[i].magic, foreign[i].len) != 0)
            continue;
        err_set(err, "E-DISK-012", -EMEDIUMTYPE, "%s is %s, which is not supported", f->path,
                foreign[i].what);
        return err_hint(err, "%s; format=raw takes it as it is", foreign[i].hint);
    }
    return 0;
}

struct disk *disk_open_depth(const char *path, enum disk_format format, bool writable,
                             unsigned depth, struct err *err)
{
    struct hostfile f;
    uint8_t head[512] = {0};
    bool probed = false;

    if (hostfile_open(&f, path, writable, err))
        return NULL;
    if (format == DISK_PROBE) {
        if (hostfile_read(&f, 0, head, sizeof head) || refuse_foreign(&f, head, err)) {
            if (!err_is_set(err))
                err_set(err, "E-DISK-001", -EIO, "cannot read %s", path);
            hostfile_close(&f);
            return NULL;
        }
        probed = true;
        format = memcmp(head, "QFI\xfb", 4) == 0 ? DISK_QCOW2 : DISK_RAW;
    }
    struct disk *const d = format == DISK_QCOW2 ? qcow2_open(&f, depth, err) : raw_open(&f, err);
    if (d)
        d->was_probed = probed && format == DISK_RAW;
    return d;
}

struct disk *disk_open_base(const char *path, enum disk_format format, bool writable,
                            struct err *err)
{
    return disk_open_depth(path, format, writable, 0, err);
}

struct disk *disk_open(const struct disk_config *cfg, struct err *err)
{
    struct disk *const base = disk_open_base(cfg->path, cfg->format,
                                             cfg->write_through && !cfg->read_only, err);
    if (!base || cfg->read_only || cfg->write_through)
        return base;
    struct disk *const d = overlay_new(base, cfg->overlay_dir, err);
    if (!d)
        disk_close(base);
    return d;
}
