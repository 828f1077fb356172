/*
 * Whole-file reading with good errors; pipes and devices are read to their end.
 *
 * Not modelled: mapping; images are small against guest memory.
 */
#include "lib/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int grow(struct file *f, size_t *capacity)
{
    size_t wanted = *capacity ? *capacity * 2 : 1 << 16;
    uint8_t *p = realloc(f->data, wanted);

    if (!p)
        return -ENOMEM;
    f->data = p;
    *capacity = wanted;
    return 0;
}

static int read_all(struct file *f, int fd, size_t capacity, const char *path, size_t limit,
                    struct err *err)
{
    for (;;) {
        if (f->size + 1 >= capacity && grow(f, &capacity) < 0)
            return err_set(err, "E-FILE-002", -ENOMEM, "no memory to read %s", path);
        ssize_t n = read(fd, f->data + f->size, capacity - f->size - 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(err, "E-FILE-002", -errno, "cannot read %s: %s", path, strerror(errno));
        if (n == 0)
            break;
        f->size += (size_t)n;
        if (f->size > limit)
            return err_set(err, "E-FILE-004", -EFBIG, "%s is larger than %zu MiB", path,
                           limit >> 20);
    }
    f->data[f->size] = 0;
    if (f->size == 0)
        return err_set(err, "E-FILE-003", -ENODATA, "%s is empty", path);
    return 0;
}

int file_read(struct file *f, const char *path, size_t limit, struct err *err)
{
    struct stat st;

    memset(f, 0, sizeof(*f));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set(err, "E-FILE-001", -errno, "cannot open %s: %s", path, strerror(errno));
    size_t capacity = 0;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        capacity = (size_t)st.st_size + 1;
        if ((size_t)st.st_size > limit)
            capacity = 0;
        if (capacity) {
            f->data = malloc(capacity + 1);
            capacity = f->data ? capacity + 1 : 0;
        }
    }
    int rc = read_all(f, fd, capacity, path, limit, err);
    close(fd);
    if (rc < 0)
        file_free(f);
    return rc;
}

void file_free(struct file *f)
{
    free(f->data);
    memset(f, 0, sizeof(*f));
}
