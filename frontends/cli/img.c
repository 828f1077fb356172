/*
 * vitrine img: disk images: what one is, a new one, from one format to another, consistency.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "devices/disk/disk.h"
#include "devices/disk/hostfile.h"
#include "devices/disk/qcow2.h"
#include "frontends/cli/cmd.h"

#define CHUNK (1u << 20)

/* ---- progress ---- */

struct progress {
    const char *what;
    unsigned percent;
    bool shown;
};

static void show_progress(void *opaque, uint64_t done, uint64_t whole)
{
    struct progress *const p = opaque;
    const unsigned percent = whole ? (unsigned)(done * 100.0 / whole) : 100;

    if (!isatty(STDERR_FILENO) || (p->shown && percent == p->percent))
        return;
    p->shown = true;
    p->percent = percent;
    fprintf(stderr, "\rvitrine: %s: %u%% ", p->what, percent);
    fflush(stderr);
}

static void end_progress(const struct progress *p)
{
    if (p->shown)
        fprintf(stderr, "\r\033[K");
}

/* ---- helpers ---- */

static int usage(const char *text)
{
    struct err err;

    err_set(&err, "E-CLI-003", -EINVAL, "%s", text);
    err_hint(&err, "vitrine help img");
    return usage_error(&err);
}

static int fail(const struct err *err)
{
    err_print(err);
    return exit_code_of(err);
}

static enum disk_format format_of(const struct options *o)
{
    const char *text = opt_text(o, OPT_ID_FORMAT);
    enum disk_format format = DISK_PROBE;

    if (text)
        disk_format_parse(text, &format);
    return format;
}

static bool ends_in(const char *name, const char *end)
{
    const size_t n = strlen(name), m = strlen(end);

    return n >= m && strcmp(name + n - m, end) == 0;
}

static enum disk_format new_format(const struct options *o, const char *path)
{
    const enum disk_format f = format_of(o);

    if (f != DISK_PROBE)
        return f;
    if (ends_in(path, ".raw") || ends_in(path, ".img"))
        return DISK_RAW;
    return ends_in(path, ".vhd") ? DISK_VHD : ends_in(path, ".vhdx") ? DISK_VHDX : DISK_QCOW2;
}

static unsigned cluster_bits(const struct options *o)
{
    unsigned bits = 12;

    while (1ull << bits < opt_number(o, OPT_ID_CLUSTER))
        bits++;
    return bits;
}

static void print_json(json_t *root)
{
    char *const text = json_dumps(root, JSON_INDENT(2));

    puts(text);
    free(text);
    json_decref(root);
}

static void print_size(const char *what, uint64_t bytes)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    double v = (double)bytes;
    unsigned u = 0;

    for (; v >= 1024 && u < 4; u++)
        v /= 1024;
    printf("%-14s %.*f %s", what, u && v < 100 ? 2 : 0, v, units[u]);
    if (u)
        printf(" (%" PRIu64 " bytes)", bytes);
    putchar('\n');
}

/* ---- info ---- */

static uint64_t allocated(const char *path)
{
    struct hostfile f;

    if (hostfile_open(&f, path, false, NULL))
        return 0;
    const uint64_t bytes = hostfile_allocated(&f);
    hostfile_close(&f);
    return bytes;
}

static void info_json(const struct disk *d, const char *path, const struct qcow2_info *q)
{
    json_t *const root = json_object();

    json_object_set_new(root, "file", json_string(path));
    json_object_set_new(root, "format", json_string(d->ops->format));
    json_object_set_new(root, "virtual_size", json_integer((json_int_t)d->size));
    json_object_set_new(root, "host_size", json_integer((json_int_t)allocated(path)));
    if (disk_is_qcow2(d)) {
        json_object_set_new(root, "version", json_integer(q->version));
        json_object_set_new(root, "cluster_size", json_integer((json_int_t)q->cluster_size));
        json_object_set_new(root, "refcount_bits", json_integer(q->refcount_bits));
        json_object_set_new(root, "snapshots", json_integer(q->snapshots));
        json_object_set_new(root, "backing", q->backing ? json_string(q->backing) : json_null());
        json_object_set_new(root, "backing_format",
                            q->backing ? json_string(disk_format_name(q->backing_format))
                                       : json_null());
        json_object_set_new(root, "dirty", json_boolean(q->dirty));
        json_object_set_new(root, "corrupt", json_boolean(q->corrupt));
        json_object_set_new(root, "bitmaps", json_boolean(q->has_bitmaps));
    }
    print_json(root);
}

static void info_text(const struct disk *d, const char *path, const struct qcow2_info *q)
{
    printf("%-14s %s\n%-14s %s\n", "file", path, "format", d->ops->format);
    print_size("size", d->size);
    print_size("on the host", allocated(path));
    if (!disk_is_qcow2(d))
        return;
    printf("%-14s %u\n", "version", q->version);
    print_size("clusters of", q->cluster_size);
    printf("%-14s %u bits%s\n", "counts", q->refcount_bits, q->lazy_refcounts ? ", lazy" : "");
    if (q->backing)
        printf("%-14s %s (%s)\n", "backing file", q->backing,
               q->backing_format == DISK_PROBE ? "format not stated"
                                               : disk_format_name(q->backing_format));
    if (q->snapshots)
        printf("%-14s %u\n", "snapshots", q->snapshots);
    if (q->dirty || q->corrupt)
        printf("%-14s %s\n", "marked", q->corrupt ? "corrupt" : "dirty");
    if (q->has_bitmaps)
        printf("%-14s yes (not used)\n", "bitmaps");
}

static int img_info(const struct options *o)
{
    struct err err;
    struct qcow2_info q = {0};

    if (o->arg_count != 2)
        return usage("img info needs one FILE");
    struct disk *const d = disk_open_base(o->args[1], format_of(o), false, &err);
    if (!d)
        return fail(&err);
    if (disk_is_qcow2(d))
        qcow2_get_info(d, &q);
    if (opt_text(o, OPT_ID_JSON))
        info_json(d, o->args[1], &q);
    else
        info_text(d, o->args[1], &q);
    disk_close(d);
    return EXIT_CODE_OK;
}

/* ---- new ---- */

static int make_image(const struct options *o, const char *path, struct qcow2_create *c,
                      struct err *err)
{
    struct hostfile f;

    const enum disk_format format = new_format(o, path);
    if (format == DISK_QCOW2) {
        c->cluster_bits = cluster_bits(o);
        return qcow2_create(path, c, err);
    }
    if (format != DISK_RAW) {
        struct disk_create d = {.format = format, .size = c->size, .backing = c->backing};
        if (c->backing && c->backing_format != format)
            return err_set(err, "E-CLI-004", -EINVAL, "the parent of a %s image has to be one too",
                           disk_format_name(format));
        if (getrandom(d.id, sizeof d.id, 0) != sizeof d.id)
            return err_set(err, "E-DISK-009", -errno, "no random number: %s", strerror(errno));
        return disk_create(path, &d, err);
    }
    if (c->backing)
        return err_set(err, "E-CLI-004", -EINVAL, "a raw image cannot have a backing file");
    if (hostfile_create(&f, path, err))
        return err->code;
    const int rc = hostfile_resize(&f, c->size);
    hostfile_close(&f);
    if (rc) {
        unlink(path);
        return err_set(err, "E-DISK-009", rc, "cannot write %s: %s", path, strerror(-rc));
    }
    return 0;
}

/* The name in the image is relative to the image; the file must be there, and be an image. */
static int find_backing(const char *path, const char *name, struct qcow2_create *c, struct err *err)
{
    char full[2048];
    const char *const slash = strrchr(path, '/');

    if (name[0] == '/' || !slash)
        snprintf(full, sizeof full, "%s", name);
    else
        snprintf(full, sizeof full, "%.*s/%s", (int)(slash - path), path, name);
    struct disk *const d = disk_open_base(full, DISK_PROBE, false, err);
    if (!d)
        return err_wrap(err, "backing file (as seen from the new image)");
    c->backing = name;
    c->backing_format = disk_format_of(d);
    if (!c->size)
        c->size = d->size;
    disk_close(d);
    return 0;
}

static int img_new(const struct options *o)
{
    struct qcow2_create c = {0};
    struct err err;
    const char *const backing = opt_text(o, OPT_ID_BACKING);

    err_clear(&err);
    if (o->arg_count < 2 || o->arg_count > 3 || (o->arg_count == 2 && !backing))
        return usage("img new needs FILE and SIZE, e.g. vitrine img new disk.qcow2 4G");
    if (o->arg_count == 3 && (value_parse_size(o->args[2], &c.size) < 0 || !c.size)) {
        err_set(&err, "E-CLI-002", -EINVAL, "'%s' is no size", o->args[2]);
        err_hint(&err, "write 512M or 4G");
        return usage_error(&err);
    }
    c.size = (c.size + DISK_SECTOR - 1) & ~(uint64_t)(DISK_SECTOR - 1);
    if ((backing && find_backing(o->args[1], backing, &c, &err) < 0) ||
        make_image(o, o->args[1], &c, &err) < 0)
        return fail(&err);
    return EXIT_CODE_OK;
}

/* ---- convert ---- */

static bool is_zero(const uint8_t *p, size_t len)
{
    return p[0] == 0 && memcmp(p, p + 1, len - 1) == 0;
}

/* What is not zero, in pieces of a cluster. */
static int copy_chunk(struct disk *to, uint64_t at, const uint8_t *bytes, size_t len)
{
    for (size_t n = 0; n < len; n += 65536) {
        const size_t part = len - n < 65536 ? len - n : 65536;
        const int rc = is_zero(bytes + n, part) ? 0 : disk_write(to, at + n, bytes + n, part);
        if (rc)
            return rc;
    }
    return 0;
}

static int copy(struct disk *from, struct disk *to, struct err *err)
{
    struct progress p = {.what = "converting"};
    uint8_t *const buf = malloc(CHUNK);
    int rc = buf ? 0 : err_set(err, "E-MACH-002", -ENOMEM, "out of memory");

    for (uint64_t at = 0, len; at < from->size && rc == 0; at += len) {
        show_progress(&p, at, from->size);
        len = from->size - at;
        if (!disk_has_data(from, at, &len))
            continue;
        if (len > CHUNK)
            len = CHUNK;
        rc = disk_read(from, at, buf, len);
        if (rc) {
            err_set(err, "E-FILE-002", rc, "reading at %" PRIu64 ": %s", at, strerror(-rc));
            break;
        }
        rc = copy_chunk(to, at, buf, len);
        if (rc)
            err_set(err, "E-DISK-009", rc, "writing at %" PRIu64 ": %s", at, strerror(-rc));
    }
    free(buf);
    end_progress(&p);
    if (rc == 0 && (rc = disk_flush(to)) != 0)
        err_set(err, "E-DISK-009", rc, "writing: %s", strerror(-rc));
    return rc;
}

static int img_convert(const struct options *o)
{
    struct err err;

    err_clear(&err);
    if (o->arg_count != 3)
        return usage("img convert needs FROM and TO");
    struct disk *const from = disk_open_base(o->args[1], DISK_PROBE, false, &err);
    if (!from)
        return fail(&err);
    struct qcow2_create c = {.size = from->size};
    int rc = make_image(o, o->args[2], &c, &err);
    if (rc == 0) {
        struct disk *const to = disk_open_base(o->args[2], new_format(o, o->args[2]), true, &err);
        rc = to ? copy(from, to, &err) : err.code;
        disk_close(to);
        if (rc < 0)
            unlink(o->args[2]);
    }
    disk_close(from);
    return rc < 0 ? fail(&err) : EXIT_CODE_OK;
}

/* ---- check ---- */

static void check_json(const struct qcow2_report *r, const char *path)
{
    json_t *const root = json_object();

    json_object_set_new(root, "file", json_string(path));
    json_object_set_new(root, "errors", json_integer((json_int_t)r->errors));
    json_object_set_new(root, "leaks", json_integer((json_int_t)r->leaks));
    json_object_set_new(root, "file_clusters", json_integer((json_int_t)r->clusters));
    json_object_set_new(root, "allocated", json_integer((json_int_t)r->allocated));
    json_object_set_new(root, "compressed", json_integer((json_int_t)r->compressed));
    json_object_set_new(root, "zero", json_integer((json_int_t)r->zeros));
    print_json(root);
}

static int img_check(const struct options *o)
{
    struct progress p = {.what = "checking"};
    struct qcow2_report r;
    struct err err;

    err_clear(&err);
    if (o->arg_count != 2)
        return usage("img check needs one FILE");
    struct disk *const d = disk_open_base(o->args[1], format_of(o), false, &err);
    if (!d)
        return fail(&err);
    if (!disk_is_qcow2(d)) {
        disk_close(d);
        printf("%s: only qcow2 images can be checked, this is %s\n", o->args[1], d->ops->format);
        return EXIT_CODE_OK;
    }
    const int rc = qcow2_check(d, &r, show_progress, &p, &err);
    end_progress(&p);
    disk_close(d);
    if (rc < 0)
        return fail(&err);
    if (opt_text(o, OPT_ID_JSON))
        check_json(&r, o->args[1]);
    else
        printf("%s: %" PRIu64 " errors, %" PRIu64 " leaked clusters; %" PRIu64
               " clusters of data, %" PRIu64 " compressed, %" PRIu64 " zero\n",
               o->args[1], r.errors, r.leaks, r.allocated, r.compressed, r.zeros);
    if (!r.errors)
        return EXIT_CODE_OK;
    err_set(&err, "E-DISK-011", -EIO, "%s: %s", o->args[1], r.first);
    err_hint(&err, "qemu-img check -r all can repair some images; keep a copy");
    return fail(&err);
}

int cmd_img(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(const struct options *o);
    } subs[] = {
        {"info", img_info}, {"new", img_new}, {"convert", img_convert}, {"check", img_check}};
    struct options o;
    struct err err;

    err_clear(&err);
    if (options_parse(&o, 'i', argc, argv, &err) < 0)
        return usage_error(&err);
    if (opt_text(&o, OPT_ID_HELP)) {
        const struct command *c = commands;
        while (c->run != cmd_img)
            c++;
        help_print_command(c);
        return EXIT_CODE_OK;
    }
    for (size_t i = 0; o.arg_count && i < sizeof subs / sizeof subs[0]; i++) {
        if (strcmp(subs[i].name, o.args[0]) == 0)
            return subs[i].run(&o);
    }
    return usage("img knows: info, new, convert, check");
}
