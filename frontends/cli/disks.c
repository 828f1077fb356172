/*
 * --disk and --cdrom: specifications, and the disks opened as they say.
 *
 *     --disk FILE   or   --disk file=FILE,bus=nvme|ahci|virtio,format=raw|qcow2|vhd|vhdx,
 *                               ro,write-through,overlay=DIR
 *
 * disk= of --vm takes the same.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/disk/disk.h"
#include "frontends/cli/images.h"

static const char *const disk_keys[] = {"file",          "bus",     "format", "ro",
                                        "write-through", "overlay", NULL};

static const char *get_disk_key(size_t i)
{
    return disk_keys[i];
}

static int set_word(struct disk_config *c, const char *word, struct err *err)
{
    if (strcmp(word, "ro") == 0) {
        c->read_only = true;
    } else if (strcmp(word, "write-through") == 0) {
        c->write_through = true;
    } else if (!c->path) {
        c->path = word;
    } else {
        err_set(err, "E-CLI-006", -EINVAL, "'%s' is not KEY=VALUE, ro or write-through", word);
        const char *near = text_nearest(word, get_disk_key);
        return near ? err_hint(err, "did you mean %s?", near) : err->code;
    }
    return 0;
}

static int set_key(struct disk_config *c, struct machine_disk *d, const char *key,
                   const char *value, struct err *err)
{
    if (strcmp(key, "file") == 0) {
        c->path = value;
    } else if (strcmp(key, "overlay") == 0) {
        c->overlay_dir = value;
    } else if (strcmp(key, "format") == 0) {
        if (!disk_format_parse(value, &c->format))
            return err_set(err, "E-CLI-002", -EINVAL, "format=%s: raw, qcow2, vhd or vhdx", value);
    } else if (strcmp(key, "bus") == 0) {
        if (strcmp(value, "nvme") != 0 && strcmp(value, "ahci") != 0 &&
            strcmp(value, "virtio") != 0)
            return err_set(err, "E-CLI-002", -EINVAL, "bus=%s: nvme, ahci or virtio", value);
        d->bus = value[0] == 'n' ? MACHINE_NVME : value[0] == 'a' ? MACHINE_AHCI : MACHINE_VIRTIO;
    } else {
        err_set(err, "E-CLI-006", -EINVAL, "unknown key '%s'", key);
        const char *near = text_nearest(key, get_disk_key);
        return near ? err_hint(err, "did you mean %s?", near)
                    : err_hint(err, "keys: file bus format ro write-through overlay");
    }
    return 0;
}

static int open_disk(struct images *im, const struct disk_config *c, struct machine_disk d,
                     struct err *err)
{
    if (im->disk_count == IMAGES_DISKS)
        return err_set(err, "E-DISK-010", -ENOSPC, "more than %d disks", IMAGES_DISKS);
    d.disk = disk_open(c, err);
    if (!d.disk)
        return err->code;
    im->disk[im->disk_count++] = d;
    return 0;
}

int disks_add(struct images *im, const char *text, struct err *err)
{
    struct disk_config c = {0};
    struct machine_disk d = {.bus = MACHINE_NVME};
    char *const copy = strdup(text), *key = NULL, *value = NULL;
    int rc = copy ? 0 : err_set(err, "E-MACH-002", -ENOMEM, "out of memory");

    for (char *at = copy; rc == 0 && *at;) {
        rc = keyed_next(&at, &key, &value, true, err);
        if (rc == 0)
            rc = value ? set_key(&c, &d, key, value, err) : set_word(&c, key, err);
    }
    if (rc == 0 && (!c.path || !*c.path)) {
        rc = err_set(err, "E-CLI-003", -EINVAL, "file= is missing");
        err_hint(err, "--disk file=disk.qcow2,bus=nvme");
    }
    if (rc == 0)
        rc = open_disk(im, &c, d, err);
    free(copy);
    return rc;
}

int disks_add_file(struct images *im, const char *path, bool is_cdrom, struct err *err)
{
    const struct disk_config c = {
        .path = path, .format = is_cdrom ? DISK_RAW : DISK_PROBE, .read_only = is_cdrom};
    const struct machine_disk d = {.bus = is_cdrom ? MACHINE_AHCI : MACHINE_NVME,
                                   .is_cdrom = is_cdrom};

    return open_disk(im, &c, d, err);
}

/* A child's DVD drive is made by the root partition, of a namespace that nobody writes. */
int disks_add_dvd(struct images *im, const char *path, struct err *err)
{
    const struct disk_config c = {.path = path, .format = DISK_RAW, .read_only = true};
    const struct machine_disk d = {.bus = MACHINE_NVME};

    return open_disk(im, &c, d, err);
}

int disks_prepare(struct images *im, const struct options *o, struct err *err)
{
    const char *text;

    for (unsigned i = 0; (text = opt_list(o, OPT_ID_DISK, i)) != NULL; i++) {
        if (disks_add(im, text, err) < 0)
            return err_wrap(err, "--disk %s", text);
    }
    for (unsigned i = 0; (text = opt_list(o, OPT_ID_CDROM, i)) != NULL; i++) {
        if (disks_add_file(im, text, true, err) < 0)
            return err_wrap(err, "--cdrom %s", text);
    }
    return 0;
}

void disks_free(struct images *im)
{
    for (unsigned i = 0; i < im->disk_count; i++)
        disk_close(im->disk[i].disk);
    im->disk_count = 0;
}
