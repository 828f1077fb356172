/*
 * devices/disk/vhd.c: VHD images, fixed, dynamic and differencing (Virtual Hard Disk Image Format
 * Specification 1.0). Numbers are big endian.
 *
 *     dynamic: copy of the footer | header, 1 KiB | BAT | blocks: bitmap of sectors, data | footer
 *
 * A block of a dynamic disk counts as whole; its bitmap says which sectors were ever written, and
 * the others are zeros in the file. In a differencing disk the bitmap says which ones are here.
 * A block that is added lies where the footer was; until the footer stands behind it, the copy at
 * the start is the one.
 *
 * Everything read from the file is hostile: see find and parse_*.
 * Not modelled: saved state, the parent's time stamp, the geometry (the size is the footer's).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/disk/blockmap.h"
#include "lib/bytes.h"
#include "lib/log.h"

#define VHD_SIZE_MAX (2040ull << 30) /* of a dynamic disk */
#define VHD_BLOCK    (2u << 20)      /* of images that we make */
#define VHD_FOOTER   512u
#define VHD_HEADER   1024u
#define VHD_UNUSED   0xffffffffu
#define VHD_LOCATORS 8u
#define VHD_VERSION  0x00010000u
#define VHD_W2RU     0x57327275u /* a relative name in UTF-16, little endian */
#define VHD_W2KU     0x57326b75u /* an absolute one */

enum { VHD_FIXED = 2, VHD_DYNAMIC = 3, VHD_DIFFERENCING = 4 };

/* Byte offsets in the footer */
enum {
    VHD_F_FEATURES = 8,
    VHD_F_VERSION = 12,
    VHD_F_HEADER_OFFSET = 16,
    VHD_F_CREATOR = 28,
    VHD_F_CREATOR_VERSION = 32,
    VHD_F_CREATOR_HOST = 36,
    VHD_F_ORIGINAL_SIZE = 40,
    VHD_F_SIZE = 48,
    VHD_F_CYLINDERS = 56,
    VHD_F_HEADS = 58,
    VHD_F_SECTORS = 59,
    VHD_F_TYPE = 60,
    VHD_F_CHECKSUM = 64,
    VHD_F_ID = 68,
};
/* in the header */
enum {
    VHD_H_NEXT = 8,
    VHD_H_TABLE_OFFSET = 16,
    VHD_H_VERSION = 24,
    VHD_H_ENTRIES = 28,
    VHD_H_BLOCK_SIZE = 32,
    VHD_H_CHECKSUM = 36,
    VHD_H_PARENT_ID = 40,
    VHD_H_PARENT_NAME = 64, /* 512 bytes of UTF-16, big endian */
    VHD_H_LOCATOR = 576,    /* of 24 bytes: code, space, length, 0, offset */
};

struct vhd {
    struct blockmap map;
    uint8_t footer[VHD_FOOTER], header[VHD_HEADER];
    uint32_t type;
    uint64_t table_offset, table_end;
    uint32_t entries;
    uint32_t *table; /* sectors of the file, in host order; NULL: fixed */
    uint64_t bitmap_size;
    uint64_t end;       /* of the blocks: where the footer stands */
    uint64_t bitmap_of; /* block + 1 whose bitmap is in `bitmap`; 0: none */
    uint8_t *bitmap;
};

static uint32_t checksum(const uint8_t *p, size_t len, size_t field)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < len; i++)
        sum += i >= field && i < field + 4 ? 0 : p[i];
    return ~sum;
}

/* ---- the table ---- */

static int vhd_find(struct blockmap *m, uint64_t block, enum blockmap_kind *kind, uint64_t *offset)
{
    struct vhd *const v = (struct vhd *)m;
    const uint64_t at = (uint64_t)v->table[block] * DISK_SECTOR;

    *kind = BLOCKMAP_NONE;
    if (v->table[block] == VHD_UNUSED)
        return 0;
    if (at < v->table_end || at > v->map.file.size ||
        v->map.file.size - at < v->bitmap_size + m->block_size)
        return blockmap_damaged(m, "a block lies on a table or outside of the file, at", at);
    *offset = at + v->bitmap_size;
    *kind = v->type == VHD_DYNAMIC ? BLOCKMAP_WHOLE : BLOCKMAP_SOME;
    return 0;
}

static bool bit(const struct vhd *v, uint64_t sector)
{
    return v->bitmap[sector / 8] >> (7 - sector % 8) & 1;
}

static int vhd_has_sector(struct blockmap *m, uint64_t block, uint64_t sector, bool *has,
                          uint64_t *run)
{
    struct vhd *const v = (struct vhd *)m;
    const uint64_t most = *run;

    if (v->bitmap_of != block + 1) {
        v->bitmap_of = 0;
        const int rc = hostfile_read(&m->file, (uint64_t)v->table[block] * DISK_SECTOR, v->bitmap,
                                     v->bitmap_size);
        if (rc)
            return rc;
        v->bitmap_of = block + 1;
    }
    *has = bit(v, sector);
    for (*run = 1; *run < most && bit(v, sector + *run) == *has;)
        ++*run;
    return 0;
}

static int vhd_grow(struct blockmap *m, uint64_t block, uint64_t *offset)
{
    struct vhd *const v = (struct vhd *)m;
    const uint64_t size = v->bitmap_size + m->block_size, end = v->end + size;
    (void)block;

    if (end / DISK_SECTOR >= VHD_UNUSED)
        return -EFBIG;
    int rc = hostfile_resize(&m->file, end + VHD_FOOTER);
    if (rc == 0)
        rc = hostfile_write(&m->file, end, v->footer, VHD_FOOTER);
    if (rc == 0)
        rc = hostfile_zero(&m->file, v->end, size);
    if (rc)
        return rc;
    *offset = v->end + v->bitmap_size;
    v->end = end;
    return 0;
}

/* Every sector of the block is here; then the table says where. */
static int vhd_place(struct blockmap *m, uint64_t block, enum blockmap_kind kind, uint64_t offset)
{
    struct vhd *const v = (struct vhd *)m;
    const uint64_t at = offset - v->bitmap_size;
    uint8_t entry[4];
    (void)kind;

    memset(v->bitmap, 0xff, v->bitmap_size);
    v->bitmap_of = 0;
    int rc = hostfile_write(&m->file, at, v->bitmap, v->bitmap_size);
    if (rc == 0)
        v->bitmap_of = block + 1;
    if (rc || v->table[block] == at / DISK_SECTOR || (rc = hostfile_sync(&m->file)))
        return rc;
    put_be32(entry, (uint32_t)(at / DISK_SECTOR));
    rc = hostfile_write(&m->file, v->table_offset + 4 * block, entry, sizeof entry);
    if (rc == 0)
        v->table[block] = get_be32(entry);
    return rc;
}

static const struct blockmap_ops vhd_blocks = {vhd_find, vhd_has_sector, vhd_grow, vhd_place};

/* ---- fixed disks: the file is the disk ---- */

static int fixed_read(struct disk *d, uint64_t at, void *to, size_t len)
{
    return hostfile_read(&((struct vhd *)d)->map.file, at, to, len);
}

static int fixed_write(struct disk *d, uint64_t at, const void *from, size_t len)
{
    return hostfile_write(&((struct vhd *)d)->map.file, at, from, len);
}

static int fixed_zero(struct disk *d, uint64_t at, uint64_t len)
{
    return hostfile_zero(&((struct vhd *)d)->map.file, at, len);
}

static bool fixed_has_data(struct disk *d, uint64_t at, uint64_t *len)
{
    return hostfile_has_data(&((struct vhd *)d)->map.file, at, len);
}

/* ---- opening ---- */

static int vhd_flush(struct disk *d)
{
    return hostfile_sync(&((struct vhd *)d)->map.file);
}

static void vhd_close(struct disk *d)
{
    struct vhd *const v = (struct vhd *)d;

    disk_close(v->map.parent);
    hostfile_close(&v->map.file);
    free(v->table);
    free(v->bitmap);
    free(v);
}

static const struct disk_ops vhd_ops = {
    "vhd", blockmap_read, blockmap_write, blockmap_zero, vhd_flush, blockmap_has_data, vhd_close,
};
static const struct disk_ops fixed_ops = {
    "vhd", fixed_read, fixed_write, fixed_zero, vhd_flush, fixed_has_data, vhd_close,
};

static bool is_footer(const uint8_t *f)
{
    return memcmp(f, "conectix", 8) == 0 &&
           get_be32(f + VHD_F_CHECKSUM) == checksum(f, VHD_FOOTER, VHD_F_CHECKSUM);
}

/* The footer at the end of the file, or its copy at the start. */
static int parse_footer(struct vhd *v, struct err *err)
{
    const uint64_t size = v->map.file.size;

    if (size < VHD_FOOTER || hostfile_read(&v->map.file, size - VHD_FOOTER, v->footer, VHD_FOOTER))
        return blockmap_bad(&v->map, err, "too short for a VHD image", size);
    v->end = (size - VHD_FOOTER + DISK_SECTOR - 1) & ~(uint64_t)(DISK_SECTOR - 1);
    if (!is_footer(v->footer)) {
        if (hostfile_read(&v->map.file, 0, v->footer, VHD_FOOTER))
            return blockmap_bad(&v->map, err, "cannot be read", 0);
        if (memcmp(v->footer, "conectix", 8) != 0) {
            err_set(err, "E-DISK-012", -EMEDIUMTYPE, "%s is no VHD image", v->map.file.path);
            return err_hint(err, "say format=raw to take it as it is");
        }
        if (!is_footer(v->footer))
            return blockmap_bad(&v->map, err, "the checksum of its footer is wrong",
                                get_be32(v->footer + VHD_F_CHECKSUM));
        v->end = (size + DISK_SECTOR - 1) & ~(uint64_t)(DISK_SECTOR - 1);
    }
    v->type = get_be32(v->footer + VHD_F_TYPE);
    v->map.disk.size = get_be64(v->footer + VHD_F_SIZE) & ~(uint64_t)(DISK_SECTOR - 1);
    if (v->type < VHD_FIXED || v->type > VHD_DIFFERENCING)
        return blockmap_bad(&v->map, err, "unknown type of disk", v->type);
    if (v->map.disk.size == 0 ||
        (v->type == VHD_FIXED ? v->map.disk.size > v->end : v->map.disk.size > VHD_SIZE_MAX))
        return blockmap_bad(&v->map, err, "impossible size of the disk", v->map.disk.size);
    return 0;
}

static int parse_header(struct vhd *v, struct err *err)
{
    const uint64_t at = get_be64(v->footer + VHD_F_HEADER_OFFSET), size = v->map.file.size;
    const uint8_t *const h = v->header;

    if (at > size || size - at < VHD_HEADER ||
        hostfile_read(&v->map.file, at, v->header, VHD_HEADER) || memcmp(h, "cxsparse", 8) != 0 ||
        get_be32(h + VHD_H_CHECKSUM) != checksum(h, VHD_HEADER, VHD_H_CHECKSUM))
        return blockmap_bad(&v->map, err, "no good header", at);
    v->table_offset = get_be64(h + VHD_H_TABLE_OFFSET);
    v->entries = get_be32(h + VHD_H_ENTRIES);
    const uint32_t block = v->map.block_size = get_be32(h + VHD_H_BLOCK_SIZE);
    if (block < 4096 || block & (block - 1) || block > 1u << 30)
        return blockmap_bad(&v->map, err, "impossible size of blocks", block);
    v->bitmap_size = (block / DISK_SECTOR / 8 + DISK_SECTOR - 1) & ~(uint64_t)(DISK_SECTOR - 1);
    if (v->entries < (v->map.disk.size + block - 1) / block)
        return blockmap_bad(&v->map, err, "the table is too short for the disk", v->entries);
    if (v->table_offset > size || (size - v->table_offset) / 4 < v->entries)
        return blockmap_bad(&v->map, err, "the table lies outside of the file", v->table_offset);
    v->table_end = v->table_offset + 4ull * v->entries;
    if (v->table_end < at + VHD_HEADER)
        v->table_end = at + VHD_HEADER;
    return 0;
}

static int load_table(struct vhd *v, struct err *err)
{
    const size_t bytes = 4ull * v->entries;

    v->table = malloc(bytes);
    v->bitmap = malloc(v->bitmap_size);
    if (!v->table || !v->bitmap || hostfile_read(&v->map.file, v->table_offset, v->table, bytes))
        return err_set(err, "E-MACH-002", -ENOMEM, "%s: no memory for its table", v->map.file.path);
    for (uint32_t i = 0; i < v->entries; i++) {
        uint8_t raw[4];
        memcpy(raw, &v->table[i], sizeof raw);
        v->table[i] = get_be32(raw);
    }
    return 0;
}

/* A relative name of the parent, else an absolute one, else the name in the header. */
static void parent_name(const struct vhd *v, char *name, size_t size)
{
    static const uint32_t codes[] = {VHD_W2RU, VHD_W2KU};
    uint8_t text[1024];

    for (unsigned c = 0; c < 2; c++) {
        for (unsigned i = 0; i < VHD_LOCATORS; i++) {
            const uint8_t *const l = v->header + VHD_H_LOCATOR + 24 * i;
            const uint32_t len = get_be32(l + 8);
            if (get_be32(l) != codes[c] || len == 0 || len > sizeof text ||
                hostfile_read(&v->map.file, get_be64(l + 16), text, len))
                continue;
            blockmap_get_text(name, size, text, len, false);
            return;
        }
    }
    blockmap_get_text(name, size, v->header + VHD_H_PARENT_NAME, 512, true);
}

static int open_parent(struct vhd *v, unsigned depth, struct err *err)
{
    char name[600];

    parent_name(v, name, sizeof name);
    const int rc = blockmap_open_parent(&v->map, name, DISK_VHD, depth, err);
    if (rc)
        return rc;
    const struct vhd *const parent = (const struct vhd *)v->map.parent;
    if (memcmp(parent->footer + VHD_F_ID, v->header + VHD_H_PARENT_ID, 16) != 0) {
        err_set(err, "E-DISK-008", -ESTALE, "%s was made for another parent than %s",
                v->map.file.path, parent->map.file.path);
        return err_hint(err, "has the parent been made anew?");
    }
    return 0;
}

struct disk *vhd_open(struct hostfile *file, unsigned depth, struct err *err)
{
    struct vhd *const v = calloc(1, sizeof *v);

    if (!v) {
        err_set(err, "E-MACH-002", -ENOMEM, "out of memory");
        hostfile_close(file);
        return NULL;
    }
    v->map.file = *file;
    v->map.disk.ops = &fixed_ops;
    v->map.disk.read_only = !file->writable;
    v->map.ops = &vhd_blocks;
    int rc = parse_footer(v, err);
    if (rc == 0 && v->type != VHD_FIXED) {
        v->map.disk.ops = &vhd_ops;
        if ((rc = parse_header(v, err)) == 0 && (rc = load_table(v, err)) == 0 &&
            v->type == VHD_DIFFERENCING)
            rc = open_parent(v, depth, err);
    }
    if (rc) {
        vhd_close(&v->map.disk);
        return NULL;
    }
    return &v->map.disk;
}

/* ---- making ---- */

/* Cylinders, heads, sectors of a track: appendix "CHS calculation". */
static void put_geometry(uint8_t *f, uint64_t sectors)
{
    const uint64_t all = sectors < 65535ull * 16 * 255 ? sectors : 65535ull * 16 * 255;
    uint64_t track = 255, heads = 16, per_head = all / 255;

    if (all < 65535ull * 16 * 63) {
        track = 17;
        per_head = all / track;
        heads = (per_head + 1023) / 1024;
        heads = heads < 4 ? 4 : heads;
        if (per_head >= heads * 1024 || heads > 16)
            track = 31, heads = 16, per_head = all / track;
        if (per_head >= heads * 1024)
            track = 63, heads = 16, per_head = all / track;
    }
    put_be16(f + VHD_F_CYLINDERS, (uint32_t)(per_head / heads));
    f[VHD_F_HEADS] = (uint8_t)heads;
    f[VHD_F_SECTORS] = (uint8_t)track;
}

static void make_footer(uint8_t *f, const struct disk_create *c)
{
    memset(f, 0, VHD_FOOTER);
    memcpy(f, "conectix", 8);
    put_be32(f + VHD_F_FEATURES, 2);
    put_be32(f + VHD_F_VERSION, VHD_VERSION);
    put_be64(f + VHD_F_HEADER_OFFSET, VHD_FOOTER);
    memcpy(f + VHD_F_CREATOR, "win ", 4); /* who reads it: the size counts, not the geometry */
    put_be32(f + VHD_F_CREATOR_VERSION, VHD_VERSION);
    memcpy(f + VHD_F_CREATOR_HOST, "Wi2k", 4);
    put_be64(f + VHD_F_ORIGINAL_SIZE, c->size);
    put_be64(f + VHD_F_SIZE, c->size);
    put_geometry(f, c->size / DISK_SECTOR);
    put_be32(f + VHD_F_TYPE, c->backing ? VHD_DIFFERENCING : VHD_DYNAMIC);
    memcpy(f + VHD_F_ID, c->id, 16);
    put_be32(f + VHD_F_CHECKSUM, checksum(f, VHD_FOOTER, VHD_F_CHECKSUM));
}

/* Names the parent; the locator's text is to stand at `at` of the file. */
static int put_parent(uint8_t *h, uint8_t *text, uint64_t at, const char *name,
                      const struct vhd *parent)
{
    const char *const slash = strrchr(name, '/');
    const size_t len = blockmap_put_text(text, DISK_SECTOR, name, false);

    if (len != 2 * strlen(name))
        return -ENAMETOOLONG;
    for (size_t i = 0; i < len; i += 2)
        text[i] = text[i] == '/' ? '\\' : text[i];
    memcpy(h + VHD_H_PARENT_ID, parent->footer + VHD_F_ID, 16);
    blockmap_put_text(h + VHD_H_PARENT_NAME, 510, slash ? slash + 1 : name, true);
    put_be32(h + VHD_H_LOCATOR, name[0] == '/' ? VHD_W2KU : VHD_W2RU);
    put_be32(h + VHD_H_LOCATOR + 4, DISK_SECTOR);
    put_be32(h + VHD_H_LOCATOR + 8, (uint32_t)len);
    put_be64(h + VHD_H_LOCATOR + 16, at);
    return 0;
}

int vhd_create(struct hostfile *f, const struct disk_create *c, const struct disk *parent)
{
    const uint64_t entries = (c->size + VHD_BLOCK - 1) / VHD_BLOCK;
    const uint64_t table = VHD_FOOTER + VHD_HEADER;
    const uint64_t table_end = table + ((4 * entries + DISK_SECTOR - 1) & ~(DISK_SECTOR - 1ull));
    uint8_t h[VHD_HEADER] = {0}, footer[VHD_FOOTER], text[DISK_SECTOR] = {0};
    int rc = 0;

    if (c->size == 0 || c->size > VHD_SIZE_MAX)
        return -EFBIG;
    memcpy(h, "cxsparse", 8);
    put_be64(h + VHD_H_NEXT, UINT64_MAX);
    put_be64(h + VHD_H_TABLE_OFFSET, table);
    put_be32(h + VHD_H_VERSION, VHD_VERSION);
    put_be32(h + VHD_H_ENTRIES, (uint32_t)entries);
    put_be32(h + VHD_H_BLOCK_SIZE, VHD_BLOCK);
    if (parent)
        rc = put_parent(h, text, table_end, c->backing, (const struct vhd *)parent);
    put_be32(h + VHD_H_CHECKSUM, checksum(h, VHD_HEADER, VHD_H_CHECKSUM));
    make_footer(footer, c);
    uint8_t *const unused = malloc(table_end - table);
    if (!unused || rc) {
        free(unused);
        return rc ? rc : -ENOMEM;
    }
    memset(unused, 0xff, table_end - table);
    const uint64_t end = table_end + (parent ? DISK_SECTOR : 0);
    if ((rc = hostfile_write(f, 0, footer, sizeof footer)) == 0 &&
        (rc = hostfile_write(f, VHD_FOOTER, h, sizeof h)) == 0 &&
        (rc = hostfile_write(f, table, unused, table_end - table)) == 0 &&
        (rc = parent ? hostfile_write(f, table_end, text, sizeof text) : 0) == 0)
        rc = hostfile_write(f, end, footer, sizeof footer);
    free(unused);
    return rc;
}
