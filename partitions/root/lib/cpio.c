/*
 * lib/cpio.c: reader of cpio archives in the "newc" format: per entry a 110-byte ASCII header
 * (magic 070701, then thirteen 8-digit hexadecimal fields), the name with its NUL padded to 4
 * bytes, the data padded to 4 bytes; the entry TRAILER!!! ends the archive.
 */
#include "partitions/root/lib/rt_lib.h"

#define CPIO_HEADER         110u
#define CPIO_FIELD_FILESIZE 6
#define CPIO_FIELD_NAMESIZE 11

static bool cpio_field(const char *header, unsigned index, uint64_t *out)
{
    const char *p = header + 6 + index * 8;
    uint64_t v = 0;
    for (unsigned i = 0; i < 8; i++) {
        unsigned c = (unsigned char)p[i];
        if (c >= '0' && c <= '9')
            v = v * 16 + (c - '0');
        else if ((c | 32) >= 'a' && (c | 32) <= 'f')
            v = v * 16 + ((c | 32) - 'a' + 10);
        else
            return false;
    }
    *out = v;
    return true;
}

bool rt_cpio_next(const void *archive, uint64_t archive_size, uint64_t *pos,
                  struct rt_cpio_entry *out)
{
    const char *base = archive;
    uint64_t p = (*pos + 3) & ~3ull;
    uint64_t name_size, file_size;
    if (p > archive_size || archive_size - p < CPIO_HEADER || memcmp(base + p, "070701", 6) ||
        !cpio_field(base + p, CPIO_FIELD_FILESIZE, &file_size) ||
        !cpio_field(base + p, CPIO_FIELD_NAMESIZE, &name_size))
        return false;
    uint64_t data = (p + CPIO_HEADER + name_size + 3) & ~3ull;
    if (!name_size || data > archive_size || archive_size - data < file_size ||
        base[p + CPIO_HEADER + name_size - 1] != 0)
        return false;
    out->name = base + p + CPIO_HEADER;
    out->data = base + data;
    out->size = file_size;
    *pos = data + file_size;
    return strcmp(out->name, "TRAILER!!!") != 0;
}
