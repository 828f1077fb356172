/*
 * devices/disk/hostfile.h: a file of the host as disk back ends use it: byte ranges, holes, sync.
 * The only place below the front ends that opens files (style.md 2.16).
 */
#ifndef DEVICES_DISK_HOSTFILE_H
#define DEVICES_DISK_HOSTFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

struct hostfile {
    int fd;
    bool writable;
    uint64_t size;
    char path[1024]; /* for messages and for names relative to it */
};

/* An existing regular file or block device; locked against writers, or for one writer. */
int hostfile_open(struct hostfile *f, const char *path, bool writable, struct err *err);
/* A new file; one that exists is refused. */
int hostfile_create(struct hostfile *f, const char *path, struct err *err);
/* A file without a name that vanishes with the process; dir NULL: $TMPDIR or /var/tmp. */
int hostfile_temp(struct hostfile *f, const char *dir, uint64_t size, struct err *err);
void hostfile_close(struct hostfile *f);

/* 0 or -errno. Bytes beyond the end of the file read as zeros. */
int hostfile_read(const struct hostfile *f, uint64_t at, void *to, size_t len);
int hostfile_write(struct hostfile *f, uint64_t at, const void *from, size_t len);
/* Makes a range read as zeros, as a hole where the file system can. */
int hostfile_zero(struct hostfile *f, uint64_t at, uint64_t len);
int hostfile_resize(struct hostfile *f, uint64_t size);
int hostfile_sync(struct hostfile *f);
/* Bytes that the file takes on the host. */
uint64_t hostfile_allocated(const struct hostfile *f);
/* Whether data may stand at `at`; shortens *len to the end of the extent or of the hole. */
bool hostfile_has_data(const struct hostfile *f, uint64_t at, uint64_t *len);

#endif
