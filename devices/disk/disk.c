/*
 * devices/disk/disk.c: opening by content, and the checks that every back end relies on (disk.h).
 */
#include "devices/disk/disk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

static const struct disk_type {
    const char *name, *qemu; /* here and in QEMU */
    const char *magic;       /* at the start of the file */
    struct disk *(*open)(struct hostfile *file, unsigned depth, struct err *err);
    int (*create)(struct hostfile *f, const struct disk_create *c, const struct disk *parent);
} types[] = {
    [DISK_PROBE] = {"probe", "", "", NULL, NULL},
    [DISK_RAW] = {"raw", "raw", "", raw_open, NULL},
    [DISK_QCOW2] = {"qcow2", "qcow2", "QFI\xfb", qcow2_open, NULL},
    [DISK_VHD] = {"vhd", "vpc", "conectix", vhd_open, vhd_create},
    [DISK_VHDX] = {"vhdx", "vhdx", "vhdxfile", vhdx_open, vhdx_create},
};
#define TYPES (sizeof types / sizeof types[0])

const char *disk_format_name(enum disk_format format)
{
    return types[format].name;
}

const char *disk_qemu_name(enum disk_format format)
{
    return types[format].qemu;
}

bool disk_format_parse(const char *name, enum disk_format *format)
{
    for (size_t i = DISK_RAW; i < TYPES; i++) {
        if (strcmp(types[i].name, name) == 0) {
            *format = (enum disk_format)i;
            return true;
        }
    }
    return false;
}

enum disk_format disk_format_of(const struct disk *d)
{
    enum disk_format format = DISK_RAW;
    disk_format_parse(d->ops->format, &format);
    return format;
}

enum disk_format disk_format_of_sector(const uint8_t sector[DISK_SECTOR])
{
    for (size_t i = DISK_QCOW2; i < TYPES; i++) {
        if (memcmp(sector, types[i].magic, strlen(types[i].magic)) == 0)
            return (enum disk_format)i;
    }
    return DISK_RAW;
}

bool disk_path_beside(char *out, size_t size, const char *file, const char *name)
{
    const char *const slash = strrchr(file, '/');
    const int folder = name[0] == '/' || !slash ? 0 : (int)(slash + 1 - file);

    return snprintf(out, size, "%.*s%s", folder, file, name) < (int)size;
}

/* Formats that would be nonsense as a raw disk: better a refusal than an empty-looking disk. */
static const struct {
    const char *magic;
    unsigned at, len;
    const char *what, *hint;
} foreign[] = {
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

static bool ends_in(const char *name, const char *end)
{
    const size_t n = strlen(name), m = strlen(end);

    return n >= m && strcmp(name + n - m, end) == 0;
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
        format = disk_format_of_sector(head);
        if (format == DISK_RAW && ends_in(path, ".vhd"))
            format = DISK_VHD; /* a fixed one has its signature at the end only */
    }
    struct disk *const d = types[format].open(&f, depth, err);
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

int disk_create(const char *path, const struct disk_create *c, struct err *err)
{
    char backing[2048];
    struct disk_create made = *c;
    struct disk *parent = NULL;
    struct hostfile f;

    if (c->backing) {
        if (!disk_path_beside(backing, sizeof backing, path, c->backing))
            return err_set(err, "E-DISK-008", -ENAMETOOLONG, "the backing file's name is too long");
        parent = disk_open_base(backing, c->format, false, err);
        if (!parent)
            return err_wrap(err, "backing file (as seen from the new image)");
        if (c->size && c->size != parent->size) {
            disk_close(parent);
            return err_set(err, "E-DISK-009", -EINVAL, "%s is not as large as its parent", path);
        }
        made.size = parent->size;
    }
    int rc = hostfile_create(&f, path, err);
    if (rc == 0) {
        rc = types[c->format].create(&f, &made, parent);
        hostfile_close(&f);
        if (rc) {
            unlink(path);
            err_set(err, "E-DISK-009", rc, "cannot make %s: %s", path, strerror(-rc));
        }
    }
    disk_close(parent);
    return rc;
}
