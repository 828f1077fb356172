/*
 * devices/disk/vhdx_create.c: new VHDX images (vhdx_int.h names the specification):
 *
 *     0 file type, headers, regions | 1 MiB log | 2 MiB metadata | 3 MiB block table | blocks
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/disk/vhdx_int.h"

#define BLOCK         (32 * VHDX_MIB) /* as Hyper-V makes them */
#define BLOCK_DIFF    (2 * VHDX_MIB)
#define LOG_AT        VHDX_MIB
#define METADATA_AT   (2 * VHDX_MIB)
#define BAT_AT        (3 * VHDX_MIB)
#define ITEM_VIRTUAL  2u
#define ITEM_REQUIRED 4u

/* An area that is put together, then written. */
struct area {
    uint8_t *bytes;
    uint32_t items, end; /* of metadata */
};

static uint8_t *add_item(struct area *a, const uint8_t id[16], uint32_t len, uint32_t flags)
{
    uint8_t *const e = a->bytes + 32 + 32 * a->items++, *const item = a->bytes + a->end;

    memcpy(e, id, 16);
    put_le32(e + 16, a->end);
    put_le32(e + 20, len);
    put_le32(e + 24, flags);
    put_le16(a->bytes + 10, a->items);
    a->end += len;
    return item;
}

/* Key and value of the parent locator. */
static uint32_t add_pair(uint8_t *item, uint32_t at, const char *key, const char *value)
{
    uint8_t *const e = item + 20 + 12 * get_le16(item + 18);
    const uint32_t k = (uint32_t)blockmap_put_text(item + at, 80, key, false);
    const uint32_t t = (uint32_t)blockmap_put_text(item + at + k, 2048, value, false);

    put_le32(e, at);
    put_le32(e + 4, at + k);
    put_le16(e + 8, k);
    put_le16(e + 10, t);
    put_le16(item + 18, get_le16(item + 18) + 1u);
    return at + k + t;
}

static void put_locator(struct area *a, const char *name, const struct vhdx *parent)
{
    uint8_t *const item = add_item(a, vhdx_locator_id, 4096, ITEM_REQUIRED);
    char linkage[40], path[1024];
    size_t n = 0;

    for (; name[n]; n++)
        path[n] = name[n] == '/' ? '\\' : name[n];
    path[n] = 0;
    memcpy(item, vhdx_locator_type, 16);
    vhdx_id_text(linkage, parent->header + VHDX_H_DATA_WRITE);
    const uint32_t at = add_pair(item, 20 + 2 * 12, "parent_linkage", linkage);
    add_pair(item, at, "relative_path", path);
}

static void put_metadata(struct area *a, const struct disk_create *c, const struct vhdx *parent)
{
    memcpy(a->bytes, "metadata", 8);
    a->end = VHDX_TABLE;
    uint8_t *const parameters = add_item(a, vhdx_parameters_id, 8, ITEM_REQUIRED);
    put_le32(parameters, parent ? BLOCK_DIFF : BLOCK);
    put_le32(parameters + 4, parent ? 2 : 0);
    put_le64(add_item(a, vhdx_size_id, 8, ITEM_VIRTUAL | ITEM_REQUIRED), c->size);
    memcpy(add_item(a, vhdx_disk_id, 16, ITEM_VIRTUAL | ITEM_REQUIRED), c->id, 16);
    put_le32(add_item(a, vhdx_logical_id, 4, ITEM_VIRTUAL | ITEM_REQUIRED), DISK_SECTOR);
    put_le32(add_item(a, vhdx_physical_id, 4, ITEM_VIRTUAL | ITEM_REQUIRED), 4096);
    if (parent)
        put_locator(a, c->backing, parent);
}

static void put_region(uint8_t *table, const uint8_t id[16], uint64_t at, uint64_t len)
{
    const uint32_t n = get_le32(table + 8);
    uint8_t *const e = table + 16 + 32 * n;

    memcpy(e, id, 16);
    put_le64(e + 16, at);
    put_le32(e + 24, (uint32_t)len);
    put_le32(e + 28, 1);
    put_le32(table + 8, n + 1);
}

/* The first MiB of the file. */
static void put_start(uint8_t *start, const struct disk_create *c, uint64_t bat_length)
{
    uint8_t *const regions = start + VHDX_REGIONS_1;

    memcpy(start, "vhdxfile", 8);
    blockmap_put_text(start + 8, 512, "vitrine", false);
    for (unsigned slot = 0; slot < 2; slot++) {
        uint8_t *const h = start + (slot ? VHDX_HEADER_2 : VHDX_HEADER_1);
        memcpy(h, "head", 4);
        put_le64(h + VHDX_H_SEQUENCE, slot + 1);
        memcpy(h + VHDX_H_FILE_WRITE, c->id, 16);
        memcpy(h + VHDX_H_DATA_WRITE, c->id, 16);
        put_le16(h + VHDX_H_VERSION, 1);
        put_le32(h + VHDX_H_LOG_LENGTH, (uint32_t)VHDX_MIB);
        put_le64(h + VHDX_H_LOG_OFFSET, LOG_AT);
        put_le32(h + VHDX_H_CHECKSUM, vhdx_crc(h, VHDX_HEADER, VHDX_H_CHECKSUM));
    }
    memcpy(regions, "regi", 4);
    put_region(regions, vhdx_bat_id, BAT_AT, bat_length);
    put_region(regions, vhdx_metadata_id, METADATA_AT, VHDX_MIB);
    put_le32(regions + 4, vhdx_crc(regions, VHDX_TABLE, 4));
    memcpy(start + VHDX_REGIONS_2, regions, VHDX_TABLE);
}

int vhdx_create(struct hostfile *f, const struct disk_create *c, const struct disk *parent)
{
    const uint64_t block = parent ? BLOCK_DIFF : BLOCK, blocks = (c->size + block - 1) / block;
    const uint64_t ratio = (1ull << 23) * DISK_SECTOR / block;
    const uint64_t entries = (blocks + ratio - 1) / ratio * (ratio + 1);
    const uint64_t bat_length = (8 * entries + VHDX_MIB - 1) & ~(VHDX_MIB - 1);
    struct area a = {0};

    if (c->size == 0 || c->size > VHDX_SIZE_MAX)
        return -EFBIG;
    if (c->backing && strlen(c->backing) >= 1000)
        return -ENAMETOOLONG;
    uint8_t *const start = calloc(1, VHDX_MIB);
    a.bytes = calloc(1, VHDX_MIB);
    int rc = start && a.bytes ? 0 : -ENOMEM;
    if (rc == 0) {
        put_start(start, c, bat_length);
        put_metadata(&a, c, (const struct vhdx *)parent);
        if ((rc = hostfile_resize(f, BAT_AT + bat_length)) == 0 &&
            (rc = hostfile_write(f, 0, start, VHDX_MIB)) == 0)
            rc = hostfile_write(f, METADATA_AT, a.bytes, VHDX_MIB);
    }
    free(start);
    free(a.bytes);
    return rc;
}
