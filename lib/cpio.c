/*
 * cpio "newc" writer; see cpio.h.
 *
 * Not modelled: hard links, checksums (magic 070702), reading.
 */
#include "lib/cpio.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MODE_DIR  0040000u
#define MODE_FILE 0100000u
#define MODE_LINK 0120000u

void cpio_init(struct cpio *c)
{
    memset(c, 0, sizeof(*c));
    c->next_inode = 1;
}

void cpio_free(struct cpio *c)
{
    free(c->data);
    memset(c, 0, sizeof(*c));
}

static void append(struct cpio *c, const void *data, size_t len)
{
    if (c->failed)
        return;
    if (c->size + len > c->capacity) {
        size_t capacity = (c->size + len) * 3 / 2 + 4096;
        uint8_t *p = realloc(c->data, capacity);
        if (!p) {
            c->failed = 1;
            return;
        }
        c->data = p;
        c->capacity = capacity;
    }
    if (len)
        memcpy(c->data + c->size, data, len);
    c->size += len;
}

static void pad(struct cpio *c, size_t alignment)
{
    static const uint8_t zeros[512];
    size_t rest = c->size % alignment;

    if (rest)
        append(c, zeros, alignment - rest);
}

static void add_entry(struct cpio *c, const char *path, uint32_t mode, const void *data, size_t len,
                      uint32_t major, uint32_t minor)
{
    char head[111];
    uint32_t links = (mode & 0170000) == MODE_DIR ? 2 : 1;

    snprintf(head, sizeof(head), "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
             c->next_inode++, mode, 0u, 0u, links, 0u, (unsigned)len, 0u, 0u, major, minor,
             (unsigned)strlen(path) + 1, 0u);
    append(c, head, 110);
    append(c, path, strlen(path) + 1);
    pad(c, 4);
    append(c, data, len);
    pad(c, 4);
}

void cpio_add_dir(struct cpio *c, const char *path, uint32_t mode)
{
    add_entry(c, path, MODE_DIR | mode, NULL, 0, 0, 0);
}

void cpio_add_file(struct cpio *c, const char *path, uint32_t mode, const void *data, size_t len)
{
    if (len > UINT32_MAX)
        c->failed = 1;
    add_entry(c, path, MODE_FILE | mode, data, len, 0, 0);
}

void cpio_add_link(struct cpio *c, const char *path, const char *target)
{
    add_entry(c, path, MODE_LINK | 0777, target, strlen(target), 0, 0);
}

void cpio_add_node(struct cpio *c, const char *path, uint32_t mode, uint32_t major, uint32_t minor)
{
    add_entry(c, path, mode, NULL, 0, major, minor);
}

int cpio_finish(struct cpio *c)
{
    c->next_inode = 0;
    add_entry(c, "TRAILER!!!", 0, NULL, 0, 0, 0);
    pad(c, 512);
    return c->failed ? -ENOMEM : 0;
}
