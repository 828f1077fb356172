/*
 * devices/disk/hostfile.c: files of the host (hostfile.h).
 *
 * Locks are advisory (flock): many readers or one writer. A file system without locks is accepted.
 * Not modelled: O_DIRECT, asynchronous requests.
 */
#include "devices/disk/hostfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int set_path(struct hostfile *f, const char *path, struct err *err)
{
    memset(f, 0, sizeof *f);
    f->fd = -1;
    if (strlen(path) >= sizeof f->path)
        return err_set(err, "E-DISK-001", -ENAMETOOLONG, "the name of a disk image is too long");
    strcpy(f->path, path);
    return 0;
}

static int fail(struct hostfile *f, int code)
{
    hostfile_close(f);
    return code;
}

static int find_size(struct hostfile *f, struct err *err)
{
    struct stat st;

    if (fstat(f->fd, &st) < 0)
        return err_set(err, "E-DISK-001", -errno, "cannot open %s: %s", f->path, strerror(errno));
    if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
        return err_set(err, "E-DISK-001", -EINVAL, "%s is %s, no disk image", f->path,
                       S_ISDIR(st.st_mode) ? "a directory" : "neither a file nor a block device");
    const off_t end = lseek(f->fd, 0, SEEK_END);
    if (end < 0)
        return err_set(err, "E-DISK-001", -errno, "%s has no size: %s", f->path, strerror(errno));
    f->size = (uint64_t)end;
    return 0;
}

int hostfile_open(struct hostfile *f, const char *path, bool writable, struct err *err)
{
    if (set_path(f, path, err))
        return err ? err->code : -ENAMETOOLONG;
    f->writable = writable;
    f->fd = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK);
    if (f->fd < 0) {
        const int rc = -errno;
        err_set(err, "E-DISK-001", rc, "cannot open %s%s: %s", path, writable ? " for writing" : "",
                strerror(-rc));
        if (rc == -EACCES && writable)
            err_hint(err, "without write-through the file needs no write permission");
        return rc;
    }
    const int rc = find_size(f, err);
    if (rc)
        return fail(f, rc);
    if (flock(f->fd, (writable ? LOCK_EX : LOCK_SH) | LOCK_NB) < 0 && errno == EWOULDBLOCK) {
        err_set(err, "E-DISK-006", -EBUSY, "%s is %s", path,
                writable ? "in use" : "being written by another program");
        err_hint(err, "one writer, or any number of readers; without write-through we only read");
        return fail(f, -EBUSY);
    }
    return 0;
}

int hostfile_create(struct hostfile *f, const char *path, struct err *err)
{
    if (set_path(f, path, err))
        return -ENAMETOOLONG;
    f->writable = true;
    f->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (f->fd < 0) {
        const int rc = -errno;
        err_set(err, "E-DISK-009", rc, "cannot create %s: %s", path, strerror(-rc));
        if (rc == -EEXIST)
            err_hint(err, "images are never overwritten: remove it, or take another name");
        return rc;
    }
    flock(f->fd, LOCK_EX | LOCK_NB);
    return 0;
}

int hostfile_temp(struct hostfile *f, const char *dir, uint64_t size, struct err *err)
{
    const char *env = getenv("TMPDIR");
    char name[sizeof f->path];

    if (!dir)
        dir = env && *env ? env : "/var/tmp";
    if (set_path(f, dir, err))
        return -ENAMETOOLONG;
    f->writable = true;
    f->fd = open(dir, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
    if (f->fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL) &&
        snprintf(name, sizeof name, "%s/vitrine-XXXXXX", dir) < (int)sizeof name) {
        f->fd = mkostemp(name, O_CLOEXEC);
        if (f->fd >= 0)
            unlink(name);
    }
    int rc = f->fd < 0 ? -errno : hostfile_resize(f, size);
    if (rc) {
        err_set(err, "E-DISK-007", rc, "cannot make the overlay in %s: %s", dir, strerror(-rc));
        err_hint(err, "choose another directory with overlay=DIR or TMPDIR");
        return fail(f, rc);
    }
    return 0;
}

void hostfile_close(struct hostfile *f)
{
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
}

int hostfile_read(const struct hostfile *f, uint64_t at, void *to, size_t len)
{
    uint8_t *out = to;

    while (len) {
        const ssize_t n = pread(f->fd, out, len, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0) {
            memset(out, 0, len);
            return 0;
        }
        out += n;
        at += (uint64_t)n;
        len -= (size_t)n;
    }
    return 0;
}

int hostfile_write(struct hostfile *f, uint64_t at, const void *from, size_t len)
{
    const uint8_t *in = from;

    while (len) {
        const ssize_t n = pwrite(f->fd, in, len, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -ENOSPC;
        in += n;
        at += (uint64_t)n;
        len -= (size_t)n;
        if (at > f->size)
            f->size = at;
    }
    return 0;
}

int hostfile_zero(struct hostfile *f, uint64_t at, uint64_t len)
{
    static const uint8_t zeros[65536];

    if (at >= f->size)
        return at + len > f->size ? hostfile_resize(f, at + len) : 0;
    if (at + len > f->size) {
        const int rc = hostfile_resize(f, at + len);
        if (rc)
            return rc;
    }
#ifdef FALLOC_FL_PUNCH_HOLE
    if (fallocate(f->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at, (off_t)len) == 0)
        return 0;
#endif
    while (len) {
        const size_t n = len < sizeof zeros ? (size_t)len : sizeof zeros;
        const int rc = hostfile_write(f, at, zeros, n);
        if (rc)
            return rc;
        at += n;
        len -= n;
    }
    return 0;
}

int hostfile_resize(struct hostfile *f, uint64_t size)
{
    if (size > INT64_MAX || ftruncate(f->fd, (off_t)size) < 0)
        return size > INT64_MAX ? -EFBIG : -errno;
    f->size = size;
    return 0;
}

int hostfile_sync(struct hostfile *f)
{
    return fdatasync(f->fd) < 0 && errno != EINVAL ? -errno : 0;
}

uint64_t hostfile_allocated(const struct hostfile *f)
{
    struct stat st;

    return fstat(f->fd, &st) < 0 ? f->size : (uint64_t)st.st_blocks * 512;
}

bool hostfile_has_data(const struct hostfile *f, uint64_t at, uint64_t *len)
{
    const off_t data = lseek(f->fd, (off_t)at, SEEK_DATA);

    if (data < 0 && errno == ENXIO)
        return false; /* a hole to the end */
    if (data < 0)
        return true; /* this file system cannot tell */
    if ((uint64_t)data > at) {
        if ((uint64_t)data - at < *len)
            *len = (uint64_t)data - at;
        return false;
    }
    const off_t hole = lseek(f->fd, (off_t)at, SEEK_HOLE);
    if (hole > data && (uint64_t)hole - at < *len)
        *len = (uint64_t)hole - at;
    return true;
}
