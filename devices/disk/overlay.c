/*
 * devices/disk/overlay.c: copy-on-write on top of any disk, the default for every image.
 *
 * What the guest writes goes to an unlinked sparse file of the host, at the same offset, in
 * granules of 4 KiB; a two-level table tells for each granule whether it is there, and keeps the
 * hash of its contents. The digest is a sum over the granules, so it costs one pass over the
 * written bytes and is independent of the order of writes. A leaf of the table whose granules are
 * all zero is not kept, so that a guest that discards a huge disk costs little.
 *
 * Granule word: 0 the base has it; 1 zeros, nothing stored; else hash of the contents, stored.
 * Not modelled: keeping an overlay for the next run (make a qcow2 image with a backing file).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/disk/disk_int.h"
#include "lib/log.h"

#define GRANULE  4096u
#define PER_LEAF 4096u /* granules: 16 MiB of disk */
#define LEAF     ((uint64_t)GRANULE * PER_LEAF)
#define IN_BASE  0u
#define IS_ZERO  1u

struct leaf {
    uint64_t *word; /* [PER_LEAF]; NULL: all IN_BASE, or all IS_ZERO */
    uint32_t zeros; /* granules that are IS_ZERO */
};

struct overlay {
    struct disk disk;
    struct disk *base;
    struct hostfile file;
    struct leaf *leaf;
    uint64_t leaves;
};

static uint64_t word_of(const struct overlay *o, uint64_t granule)
{
    const struct leaf *const l = &o->leaf[granule / PER_LEAF];
    return l->word ? l->word[granule % PER_LEAF] : l->zeros ? IS_ZERO : IN_BASE;
}

/* What a granule, or a leaf of zeros, adds to the digest. */
static uint64_t weight(uint64_t granule, uint64_t word)
{
    return word == IN_BASE ? 0 : disk_mix(disk_mix(0, granule + 1), word);
}
static uint64_t zero_weight(uint64_t leaf)
{
    return disk_mix(disk_mix(1, leaf + 1), IS_ZERO);
}

/* Granules of a leaf; the last one is short. */
static uint32_t leaf_size(const struct overlay *o, uint64_t leaf)
{
    const uint64_t all = (o->disk.size + GRANULE - 1) / GRANULE, left = all - leaf * PER_LEAF;
    return left < PER_LEAF ? (uint32_t)left : PER_LEAF;
}

static void zero_leaf(struct overlay *o, uint64_t leaf)
{
    struct leaf *const l = &o->leaf[leaf];
    const uint32_t size = leaf_size(o, leaf);
    if (!l->word && l->zeros)
        return;
    for (uint32_t i = 0; i < size && l->word; i++)
        o->disk.digest -= weight(leaf * PER_LEAF + i, l->word[i]);
    o->disk.digest += zero_weight(leaf);
    free(l->word);
    l->word = NULL;
    l->zeros = size;
}

static int expand_leaf(struct overlay *o, uint64_t leaf)
{
    struct leaf *const l = &o->leaf[leaf];
    l->word = calloc(PER_LEAF, sizeof *l->word);
    if (!l->word)
        return -ENOMEM;
    if (l->zeros)
        o->disk.digest -= zero_weight(leaf);
    for (uint32_t i = 0; i < l->zeros; i++) {
        l->word[i] = IS_ZERO;
        o->disk.digest += weight(leaf * PER_LEAF + i, IS_ZERO);
    }
    return 0;
}

static int set_word(struct overlay *o, uint64_t granule, uint64_t word)
{
    const uint64_t leaf = granule / PER_LEAF;
    struct leaf *const l = &o->leaf[leaf];
    if (word_of(o, granule) == word)
        return 0;
    if (!l->word && expand_leaf(o, leaf))
        return -ENOMEM;
    uint64_t *const w = &l->word[granule % PER_LEAF];
    o->disk.digest += weight(granule, word) - weight(granule, *w);
    l->zeros += (uint32_t)(word == IS_ZERO) - (uint32_t)(*w == IS_ZERO);
    *w = word;
    if (l->zeros == leaf_size(o, leaf))
        zero_leaf(o, leaf);
    return 0;
}

static unsigned kind(uint64_t word)
{
    return word < 2 ? (unsigned)word : 2;
}

/* Bytes from `at`, at most len, that come from the same place. */
static size_t run_length(const struct overlay *o, uint64_t at, size_t len, unsigned k)
{
    uint64_t g = at / GRANULE, end = (g + 1) * GRANULE;
    while (end - at < len && kind(word_of(o, ++g)) == k)
        end += GRANULE;
    return end - at < len ? (size_t)(end - at) : len;
}

static int overlay_read(struct disk *d, uint64_t at, void *to, size_t len)
{
    struct overlay *const o = (struct overlay *)d;
    uint8_t *out = to;
    while (len) {
        const unsigned k = kind(word_of(o, at / GRANULE));
        const size_t n = run_length(o, at, len, k);
        int rc = 0;
        if (k == IN_BASE)
            rc = disk_read(o->base, at, out, n);
        else if (k == IS_ZERO)
            memset(out, 0, n);
        else
            rc = hostfile_read(&o->file, at, out, n);
        if (rc)
            return rc;
        at += n;
        out += n;
        len -= n;
    }
    return 0;
}

static uint64_t word_for(const uint8_t *bytes)
{
    const uint64_t h = disk_hash(0, bytes, GRANULE);
    return h < 2 ? h + 2 : h;
}

static int failed(const struct overlay *o, int rc)
{
    LOG_ERROR("disk", "the overlay in %s cannot be written: %s; the guest gets an I/O error",
              o->file.path, strerror(-rc));
    return rc;
}

/* A part of a granule: the rest of it comes from where it is. */
static int write_part(struct overlay *o, uint64_t at, const uint8_t *from, size_t len)
{
    uint8_t whole[GRANULE] = {0};
    const uint64_t start = at - at % GRANULE;
    const uint64_t room = o->disk.size - start;
    int rc = overlay_read(&o->disk, start, whole, room < GRANULE ? (size_t)room : GRANULE);
    if (rc)
        return rc;
    memcpy(whole + at % GRANULE, from, len);
    rc = hostfile_write(&o->file, start, whole, GRANULE);
    return rc ? failed(o, rc) : set_word(o, start / GRANULE, word_for(whole));
}

static int write_whole(struct overlay *o, uint64_t at, const uint8_t *from, size_t len)
{
    const int rc = hostfile_write(&o->file, at, from, len);
    if (rc)
        return failed(o, rc);
    for (size_t n = 0; n < len; n += GRANULE) {
        if (set_word(o, (at + n) / GRANULE, word_for(from + n)))
            return -ENOMEM;
    }
    return 0;
}

static int overlay_write(struct disk *d, uint64_t at, const void *from, size_t len)
{
    struct overlay *const o = (struct overlay *)d;
    const uint8_t *in = from;
    while (len) {
        const size_t off = at % GRANULE;
        const size_t room = GRANULE - off;
        const bool whole = off == 0 && len >= GRANULE;
        const size_t n = whole ? len - len % GRANULE : len < room ? len : room;
        const int rc = whole ? write_whole(o, at, in, n) : write_part(o, at, in, n);
        if (rc)
            return rc;
        at += n;
        in += n;
        len -= n;
    }
    return 0;
}

static int overlay_zero(struct disk *d, uint64_t at, uint64_t len)
{
    static const uint8_t zeros[GRANULE];
    struct overlay *const o = (struct overlay *)d;
    while (len) {
        const size_t off = at % GRANULE;
        const uint64_t g = at / GRANULE;
        if (at % LEAF == 0 && (len >= LEAF || len == d->size - at)) {
            const uint64_t part = len < LEAF ? len : LEAF;
            zero_leaf(o, at / LEAF);
            at += part;
            len -= part;
            continue;
        }
        const bool tail = (g + 1) * GRANULE > d->size; /* the last, short granule */
        const size_t room = tail ? (size_t)(d->size - at) : GRANULE - off;
        const size_t n = len < room ? (size_t)len : room;
        const bool whole = off == 0 && n == room;
        const int rc = whole ? set_word(o, g, IS_ZERO) : write_part(o, at, zeros, n);
        if (rc)
            return rc;
        at += n;
        len -= n;
    }
    return 0;
}

static int overlay_flush(struct disk *d)
{
    (void)d; /* nothing outlives the process */
    return 0;
}

static bool overlay_has_data(struct disk *d, uint64_t at, uint64_t *len)
{
    struct overlay *const o = (struct overlay *)d;
    const unsigned k = kind(word_of(o, at / GRANULE));
    *len = run_length(o, at, *len, k);
    return k == IN_BASE ? disk_has_data(o->base, at, len) : k != IS_ZERO;
}

static void overlay_close(struct disk *d)
{
    struct overlay *const o = (struct overlay *)d;
    for (uint64_t i = 0; i < o->leaves; i++)
        free(o->leaf[i].word);
    free(o->leaf);
    hostfile_close(&o->file);
    disk_close(o->base);
    free(o);
}

static const struct disk_ops overlay_ops = {
    "overlay",     overlay_read,     overlay_write, overlay_zero,
    overlay_flush, overlay_has_data, overlay_close,
};

struct disk *overlay_new(struct disk *base, const char *dir, struct err *err)
{
    struct overlay *const o = calloc(1, sizeof *o);
    if (o) {
        o->leaves = base->size / GRANULE / PER_LEAF + 1;
        o->leaf = calloc(o->leaves, sizeof *o->leaf);
    }
    if (!o || !o->leaf) {
        free(o);
        err_set(err, "E-MACH-002", -ENOMEM, "the table of an overlay");
        return NULL;
    }
    if (hostfile_temp(&o->file, dir, (base->size + GRANULE - 1) & ~(uint64_t)(GRANULE - 1), err)) {
        free(o->leaf);
        free(o);
        return NULL;
    }
    o->base = base;
    o->disk.ops = &overlay_ops;
    o->disk.size = base->size;
    o->disk.keeps_digest = true;
    return &o->disk;
}
