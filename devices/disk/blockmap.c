/*
 * devices/disk/blockmap.c: reading and writing of images made of blocks (blockmap.h).
 *
 * Order towards the file: a block's contents, then its place in the table, so a crash in between
 * leaves room that nobody uses. The format's `place` makes that order hold on the host's disk.
 */
#include "devices/disk/blockmap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/log.h"

#define PIECE 65536u

/* ---- errors, names ---- */

int blockmap_damaged(struct blockmap *m, const char *what, uint64_t value)
{
    if (!m->damaged)
        LOG_ERROR("disk", "%s is damaged: %s 0x%llx", m->file.path, what,
                  (unsigned long long)value);
    m->damaged = true;
    return -EIO;
}

int blockmap_bad(const struct blockmap *m, struct err *err, const char *what, uint64_t value)
{
    return err_set(err, "E-DISK-013", -EINVAL, "%s: %s (0x%llx)", m->file.path, what,
                   (unsigned long long)value);
}

void blockmap_get_text(char *out, size_t size, const uint8_t *utf16, size_t len, bool is_big)
{
    size_t n = 0;

    for (size_t i = 0; i + 2 <= len && n + 1 < size; i += 2) {
        const unsigned c = is_big ? get_be16(utf16 + i) : get_le16(utf16 + i);
        if (c == 0)
            break;
        out[n++] = c < 0x80 ? (char)c : '?';
    }
    out[n] = 0;
}

size_t blockmap_put_text(uint8_t *utf16, size_t room, const char *text, bool is_big)
{
    size_t n = 0;

    for (; *text && n + 2 <= room; text++, n += 2)
        (is_big ? put_be16 : put_le16)(utf16 + n, (uint8_t)*text);
    return n;
}

int blockmap_open_parent(struct blockmap *m, const char *name, enum disk_format format,
                         unsigned depth, struct err *err)
{
    char local[1024], path[2 * 1024];

    if (depth + 1 >= DISK_CHAIN_MAX) {
        err_set(err, "E-DISK-008", -ELOOP, "%s: more than %d images behind each other",
                m->file.path, DISK_CHAIN_MAX);
        return err_hint(err, "does a backing file point back at the image?");
    }
    snprintf(local, sizeof local, "%s", name);
    for (char *c = local; *c; c++)
        *c = *c == '\\' ? '/' : *c;
    const char *const last = strrchr(local, '/');
    const char *const used = local[0] && local[1] == ':' ? last ? last + 1 : local + 2 : local;
    if (!*used || !disk_path_beside(path, sizeof path, m->file.path, used))
        return err_set(err, "E-DISK-008", -EINVAL, "%s: no usable name of its parent: '%.100s'",
                       m->file.path, name);
    m->parent = disk_open_depth(path, format, false, depth + 1, err);
    if (!m->parent) {
        err_wrap(err, "backing file of %s", m->file.path);
        return err ? err->code : -EIO;
    }
    return 0;
}

/* ---- reading ---- */

static uint64_t min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Bytes from `at` to the end of its block or of the disk. */
static uint64_t room_at(const struct blockmap *m, uint64_t at)
{
    return min(m->block_size - at % m->block_size, m->disk.size - at);
}

/* What stands behind the image: a parent, which may be shorter, or zeros. */
static int read_behind(struct blockmap *m, uint64_t at, uint8_t *to, uint64_t len)
{
    const uint64_t there = !m->parent || at >= m->parent->size ? 0 : min(len, m->parent->size - at);

    memset(to + there, 0, len - there);
    return there ? disk_read(m->parent, at, to, there) : 0;
}

static int read_some(struct blockmap *m, uint64_t at, uint8_t *to, uint64_t len, uint64_t offset)
{
    const uint64_t block = at / m->block_size, start = block * m->block_size;

    while (len) {
        const uint64_t in = at - start, sector = in / DISK_SECTOR, skew = in % DISK_SECTOR;
        uint64_t run = (skew + len + DISK_SECTOR - 1) / DISK_SECTOR;
        bool has;
        int rc = m->ops->has_sector(m, block, sector, &has, &run);
        if (rc)
            return rc;
        const uint64_t n = min(run * DISK_SECTOR - skew, len);
        rc = has ? hostfile_read(&m->file, offset + in, to, n) : read_behind(m, at, to, n);
        if (rc)
            return rc;
        at += n;
        to += n;
        len -= n;
    }
    return 0;
}

int blockmap_read(struct disk *d, uint64_t at, void *to, size_t len)
{
    struct blockmap *const m = (struct blockmap *)d;
    uint8_t *out = to;

    while (len) {
        const uint64_t n = min(len, room_at(m, at));
        enum blockmap_kind kind;
        uint64_t offset = 0;
        int rc = m->ops->find(m, at / m->block_size, &kind, &offset);
        if (rc)
            return rc;
        if (kind == BLOCKMAP_NONE)
            rc = read_behind(m, at, out, n);
        else if (kind == BLOCKMAP_ZEROS)
            memset(out, 0, n);
        else if (kind == BLOCKMAP_WHOLE)
            rc = hostfile_read(&m->file, offset + at % m->block_size, out, n);
        else
            rc = read_some(m, at, out, n, offset);
        if (rc)
            return rc;
        at += n;
        out += n;
        len -= n;
    }
    return 0;
}

bool blockmap_has_data(struct disk *d, uint64_t at, uint64_t *len)
{
    struct blockmap *const m = (struct blockmap *)d;
    enum blockmap_kind kind;
    uint64_t offset = 0;

    *len = min(*len, room_at(m, at));
    if (m->ops->find(m, at / m->block_size, &kind, &offset))
        return true; /* reading it says what is wrong */
    if (kind == BLOCKMAP_WHOLE)
        return hostfile_has_data(&m->file, offset + at % m->block_size, len);
    if (kind != BLOCKMAP_NONE)
        return kind == BLOCKMAP_SOME;
    if (!m->parent || at >= m->parent->size)
        return false;
    *len = min(*len, m->parent->size - at);
    return disk_has_data(m->parent, at, len);
}

/* ---- writing ---- */

/* Copies what the disk shows in a block to its place in the file. */
static int compose(struct blockmap *m, uint64_t start, uint64_t offset)
{
    uint8_t *const buf = malloc(PIECE);
    int rc = buf ? 0 : -ENOMEM;

    for (uint64_t in = 0, n; rc == 0 && in < m->block_size && start + in < m->disk.size; in += n) {
        n = min(room_at(m, start + in), PIECE);
        if (!blockmap_has_data(&m->disk, start + in, &n))
            continue;
        rc = blockmap_read(&m->disk, start + in, buf, n);
        if (rc == 0)
            rc = hostfile_write(&m->file, offset + in, buf, n);
    }
    free(buf);
    return rc;
}

static int write_block(struct blockmap *m, uint64_t at, const uint8_t *from, uint64_t n)
{
    const uint64_t block = at / m->block_size, in = at % m->block_size;
    enum blockmap_kind kind;
    uint64_t offset = 0;

    int rc = m->ops->find(m, block, &kind, &offset);
    if (rc)
        return rc;
    if (kind == BLOCKMAP_WHOLE)
        return hostfile_write(&m->file, offset + in, from, n);
    if (kind != BLOCKMAP_SOME && (rc = m->ops->grow(m, block, &offset)))
        return rc;
    if (kind != BLOCKMAP_ZEROS)
        rc = compose(m, at - in, offset);
    if (rc == 0)
        rc = hostfile_write(&m->file, offset + in, from, n);
    return rc ? rc : m->ops->place(m, block, BLOCKMAP_WHOLE, offset);
}

int blockmap_write(struct disk *d, uint64_t at, const void *from, size_t len)
{
    struct blockmap *const m = (struct blockmap *)d;
    const uint8_t *in = from;

    while (len) {
        const uint64_t n = min(len, room_at(m, at));
        const int rc = write_block(m, at, in, n);
        if (rc)
            return rc;
        at += n;
        in += n;
        len -= n;
    }
    return 0;
}

static int zero_block(struct blockmap *m, uint64_t at, uint64_t n)
{
    static const uint8_t zeros[PIECE];
    enum blockmap_kind kind;
    uint64_t offset = 0;

    int rc = m->ops->find(m, at / m->block_size, &kind, &offset);
    if (rc || kind == BLOCKMAP_ZEROS || (kind == BLOCKMAP_NONE && !m->parent))
        return rc;
    if (kind == BLOCKMAP_WHOLE)
        return hostfile_zero(&m->file, offset + at % m->block_size, n);
    if (kind == BLOCKMAP_NONE && m->has_zeros && at % m->block_size == 0 && n == room_at(m, at))
        return m->ops->place(m, at / m->block_size, BLOCKMAP_ZEROS, 0);
    for (uint64_t part; n && rc == 0; at += part, n -= part) {
        part = min(n, PIECE);
        rc = write_block(m, at, zeros, part);
    }
    return rc;
}

int blockmap_zero(struct disk *d, uint64_t at, uint64_t len)
{
    struct blockmap *const m = (struct blockmap *)d;

    for (uint64_t n; len; at += n, len -= n) {
        n = min(len, room_at(m, at));
        const int rc = zero_block(m, at, n);
        if (rc)
            return rc;
    }
    return 0;
}
