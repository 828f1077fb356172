/*
 * devices/disk/vhdx.c: VHDX images, dynamic, fixed and differencing (vhdx_int.h names the
 * specification): headers, regions, metadata, the block table.
 *
 * The first write of a session marks both headers: new FileWriteGuid and DataWriteGuid, so that
 * differencing images made before no longer fit, and a LogGuid, so that whoever opens the file
 * after a crash replays the log. Closing takes the mark away. The new GUIDs are derived from the
 * old ones: the model has no source of random numbers.
 * Not modelled: logical sectors of 4096 bytes (refused), user metadata (kept as it is), the
 * FileWriteGuid of a parent (its DataWriteGuid is what counts).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "devices/disk/vhdx_int.h"
#include "lib/log.h"

const uint8_t vhdx_bat_id[16] = {0x66, 0x77, 0xc2, 0x2d, 0x23, 0xf6, 0x00, 0x42,
                                 0x9d, 0x64, 0x11, 0x5e, 0x9b, 0xfd, 0x4a, 0x08};
const uint8_t vhdx_metadata_id[16] = {0x06, 0xa2, 0x7c, 0x8b, 0x90, 0x47, 0x9a, 0x4b,
                                      0xb8, 0xfe, 0x57, 0x5f, 0x05, 0x0f, 0x88, 0x6e};
const uint8_t vhdx_parameters_id[16] = {0x37, 0x67, 0xa1, 0xca, 0x36, 0xfa, 0x43, 0x4d,
                                        0xb3, 0xb6, 0x33, 0xf0, 0xaa, 0x44, 0xe7, 0x6b};
const uint8_t vhdx_size_id[16] = {0x24, 0x42, 0xa5, 0x2f, 0x1b, 0xcd, 0x76, 0x48,
                                  0xb2, 0x11, 0x5d, 0xbe, 0xd8, 0x3b, 0xf4, 0xb8};
const uint8_t vhdx_disk_id[16] = {0xab, 0x12, 0xca, 0xbe, 0xe6, 0xb2, 0x23, 0x45,
                                  0x93, 0xef, 0xc3, 0x09, 0xe0, 0x00, 0xc7, 0x46};
const uint8_t vhdx_logical_id[16] = {0x1d, 0xbf, 0x41, 0x81, 0x6f, 0xa9, 0x09, 0x47,
                                     0xba, 0x47, 0xf2, 0x33, 0xa8, 0xfa, 0xab, 0x5f};
const uint8_t vhdx_physical_id[16] = {0xc7, 0x48, 0xa3, 0xcd, 0x5d, 0x44, 0x71, 0x44,
                                      0x9c, 0xc9, 0xe9, 0x88, 0x52, 0x51, 0xc5, 0x56};
const uint8_t vhdx_locator_id[16] = {0x2d, 0x5f, 0xd3, 0xa8, 0x0b, 0xb3, 0x4d, 0x45,
                                     0xab, 0xf7, 0xd3, 0xd8, 0x48, 0x34, 0xab, 0x0c};
const uint8_t vhdx_locator_type[16] = {0xb7, 0xef, 0x4a, 0xb0, 0x9e, 0xd1, 0x81, 0x4a,
                                       0xb7, 0x89, 0x25, 0xb8, 0xe9, 0x44, 0x59, 0x13};

/* ---- the file ---- */

int vhdx_read_table(struct vhdx *v, uint64_t at, void *to, size_t len)
{
    const int rc = hostfile_read(&v->map.file, at, to, len);

    for (size_t i = 0; rc == 0 && i < v->patches; i++) {
        const struct vhdx_patch *const p = &v->patch[i];
        const uint64_t from = p->at > at ? p->at : at;
        const uint64_t end = p->at + VHDX_SECTOR < at + len ? p->at + VHDX_SECTOR : at + len;
        if (from < end)
            memcpy((uint8_t *)to + (from - at), p->bytes + (from - p->at), end - from);
    }
    return rc;
}

int vhdx_write_header(struct vhdx *v)
{
    v->header_slot ^= 1;
    put_le64(v->header + VHDX_H_SEQUENCE, get_le64(v->header + VHDX_H_SEQUENCE) + 1);
    put_le32(v->header + VHDX_H_CHECKSUM, vhdx_crc(v->header, VHDX_HEADER, VHDX_H_CHECKSUM));
    const int rc = hostfile_write(&v->map.file, v->header_slot ? VHDX_HEADER_2 : VHDX_HEADER_1,
                                  v->header, VHDX_HEADER);
    return rc ? rc : hostfile_sync(&v->map.file);
}

/* Another GUID than any before: a hash of all three and of the header's number. */
static void renew(struct vhdx *v, unsigned field)
{
    uint64_t h = disk_hash(field, v->header + VHDX_H_SEQUENCE, 56);

    for (unsigned i = 0; i < 2; i++) {
        h = disk_mix(h, i + 1);
        put_le64(v->header + field + 8 * i, h);
    }
}

static int begin_writing(struct vhdx *v)
{
    if (v->is_open)
        return 0;
    if (v->log_length < 2 * VHDX_SECTOR)
        return blockmap_damaged(&v->map, "no room for a log:", v->log_length);
    renew(v, VHDX_H_FILE_WRITE);
    renew(v, VHDX_H_DATA_WRITE);
    renew(v, VHDX_H_LOG_ID);
    int rc = vhdx_log_begin(v);
    for (unsigned i = 0; i < 2 && rc == 0; i++)
        rc = vhdx_write_header(v);
    v->is_open = rc == 0;
    return rc;
}

/* ---- the block table ---- */

static uint64_t index_of(const struct vhdx *v, uint64_t block)
{
    return block + block / v->ratio;
}

/* Where an entry of the table points to; false: not a place for so many bytes. */
static bool get_place(const struct vhdx *v, uint64_t entry, uint64_t len, uint64_t *offset)
{
    const uint64_t at = *offset = entry >> 20 << 20, size = v->map.file.size;

    return at >= VHDX_MIB && at <= size && size - at >= len &&
           (at >= v->bat_offset + v->bat_length || at + len <= v->bat_offset) &&
           (at >= v->metadata_offset + v->metadata_length || at + len <= v->metadata_offset) &&
           (at >= v->log_offset + v->log_length || at + len <= v->log_offset);
}

static int vhdx_find(struct blockmap *m, uint64_t block, enum blockmap_kind *kind, uint64_t *offset)
{
    struct vhdx *const v = (struct vhdx *)m;
    const uint64_t entry = v->bat[index_of(v, block)];

    *kind = BLOCKMAP_ZEROS;
    switch (entry & VHDX_STATE) {
    case VHDX_NOT_PRESENT:
        *kind = BLOCKMAP_NONE;
        return 0;
    case VHDX_UNDEFINED:
    case VHDX_ZERO:
    case VHDX_UNMAPPED:
        return 0;
    case VHDX_FULLY_PRESENT:
        *kind = BLOCKMAP_WHOLE;
        break;
    case VHDX_PARTIALLY_PRESENT:
        *kind = BLOCKMAP_SOME;
        if (v->has_parent)
            break;
        return blockmap_damaged(m, "a block of some sectors without a parent,", block);
    default:
        return blockmap_damaged(m, "unknown state of a block,", entry);
    }
    return get_place(v, entry, m->block_size, offset)
               ? 0
               : blockmap_damaged(m, "a block lies on a table or outside of the file, at", *offset);
}

static bool bit(const struct vhdx *v, uint64_t sector)
{
    return v->bitmap[sector / 8] >> sector % 8 & 1;
}

static int vhdx_has_sector(struct blockmap *m, uint64_t block, uint64_t sector, bool *has,
                           uint64_t *run)
{
    struct vhdx *const v = (struct vhdx *)m;
    const uint64_t most = *run, chunk = block / v->ratio, len = m->block_size / DISK_SECTOR / 8;

    if (v->bitmap_of != block + 1) {
        const uint64_t entry = v->bat[(chunk + 1) * v->ratio + chunk];
        uint64_t at;
        if ((entry & VHDX_STATE) != VHDX_FULLY_PRESENT || !get_place(v, entry, VHDX_MIB, &at))
            return blockmap_damaged(m, "no bitmap of sectors, entry", entry);
        v->bitmap_of = 0;
        const int rc = vhdx_read_table(v, at + block % v->ratio * len, v->bitmap, len);
        if (rc)
            return rc;
        v->bitmap_of = block + 1;
    }
    *has = bit(v, sector);
    for (*run = 1; *run < most && bit(v, sector + *run) == *has;)
        ++*run;
    return 0;
}

static int vhdx_grow(struct blockmap *m, uint64_t block, uint64_t *offset)
{
    (void)block;
    *offset = (m->file.size + VHDX_MIB - 1) & ~(VHDX_MIB - 1);
    return hostfile_resize(&m->file, *offset + m->block_size);
}

static int vhdx_place(struct blockmap *m, uint64_t block, enum blockmap_kind kind, uint64_t offset)
{
    struct vhdx *const v = (struct vhdx *)m;
    const uint64_t index = index_of(v, block), at = v->bat_offset + 8 * index;
    const uint64_t entry = offset | (kind == BLOCKMAP_WHOLE ? VHDX_FULLY_PRESENT : VHDX_ZERO);
    uint8_t sector[VHDX_SECTOR];

    int rc = hostfile_read(&m->file, at & ~(VHDX_SECTOR - 1ull), sector, sizeof sector);
    if (rc)
        return rc;
    put_le64(sector + at % VHDX_SECTOR, entry);
    rc = vhdx_log_write(v, at & ~(VHDX_SECTOR - 1ull), sector);
    if (rc == 0)
        v->bat[index] = entry;
    return rc;
}

static const struct blockmap_ops vhdx_blocks = {vhdx_find, vhdx_has_sector, vhdx_grow, vhdx_place};

/* ---- the disk ---- */

static int vhdx_write(struct disk *d, uint64_t at, const void *from, size_t len)
{
    const int rc = begin_writing((struct vhdx *)d);
    return rc ? rc : blockmap_write(d, at, from, len);
}

static int vhdx_zero(struct disk *d, uint64_t at, uint64_t len)
{
    const int rc = begin_writing((struct vhdx *)d);
    return rc ? rc : blockmap_zero(d, at, len);
}

static int vhdx_flush(struct disk *d)
{
    return hostfile_sync(&((struct vhdx *)d)->map.file);
}

static void vhdx_close(struct disk *d)
{
    struct vhdx *const v = (struct vhdx *)d;

    if (v->is_open) {
        memset(v->header + VHDX_H_LOG_ID, 0, 16);
        if (vhdx_flush(d) || vhdx_write_header(v))
            LOG_ERROR("disk", "%s could not be written completely", v->map.file.path);
    }
    disk_close(v->map.parent);
    hostfile_close(&v->map.file);
    free(v->bat);
    free(v->bitmap);
    free(v->patch);
    free(v);
}

static const struct disk_ops vhdx_ops = {
    "vhdx", blockmap_read, vhdx_write, vhdx_zero, vhdx_flush, blockmap_has_data, vhdx_close,
};

/* ---- opening: headers and regions ---- */

static bool read_header(struct vhdx *v, unsigned slot, uint8_t *h)
{
    return hostfile_read(&v->map.file, slot ? VHDX_HEADER_2 : VHDX_HEADER_1, h, VHDX_HEADER) == 0 &&
           memcmp(h, "head", 4) == 0 &&
           get_le32(h + VHDX_H_CHECKSUM) == vhdx_crc(h, VHDX_HEADER, VHDX_H_CHECKSUM);
}

static int parse_headers(struct vhdx *v, struct err *err)
{
    uint8_t h[VHDX_HEADER];
    bool found = false;

    if (hostfile_read(&v->map.file, 0, h, 8) || memcmp(h, "vhdxfile", 8) != 0) {
        err_set(err, "E-DISK-012", -EMEDIUMTYPE, "%s is no VHDX image", v->map.file.path);
        return err_hint(err, "leave format= away, or say format=raw");
    }
    for (unsigned slot = 0; slot < 2; slot++) {
        if (!read_header(v, slot, h) ||
            (found && get_le64(h + VHDX_H_SEQUENCE) <= get_le64(v->header + VHDX_H_SEQUENCE)))
            continue;
        memcpy(v->header, h, sizeof h);
        v->header_slot = slot;
        found = true;
    }
    if (!found)
        return blockmap_bad(&v->map, err, "both headers are damaged", v->map.file.size);
    if (get_le16(v->header + VHDX_H_VERSION) != 1 || get_le16(v->header + VHDX_H_LOG_VERSION) != 0)
        return err_set(err, "E-DISK-004", -ENOTSUP, "%s: unknown version of VHDX",
                       v->map.file.path);
    v->log_length = get_le32(v->header + VHDX_H_LOG_LENGTH);
    v->log_offset = get_le64(v->header + VHDX_H_LOG_OFFSET);
    if (v->log_length % VHDX_MIB || v->log_length > 256 * VHDX_MIB || v->log_offset % VHDX_MIB ||
        v->log_offset < VHDX_MIB || v->log_offset > v->map.file.size ||
        v->map.file.size - v->log_offset < v->log_length)
        return blockmap_bad(&v->map, err, "the log lies outside of the file", v->log_offset);
    return 0;
}

static int take_region(struct vhdx *v, const uint8_t *e, struct err *err)
{
    const uint64_t at = get_le64(e + 16), size = v->map.file.size;
    const uint32_t len = get_le32(e + 24);
    const bool is_bat = memcmp(e, vhdx_bat_id, 16) == 0;

    if (!is_bat && memcmp(e, vhdx_metadata_id, 16) != 0)
        return get_le32(e + 28) & 1 ? err_set(err, "E-DISK-004", -ENOTSUP,
                                              "%s: a region that is not known", v->map.file.path)
                                    : 0;
    if (at < VHDX_MIB || at % VHDX_MIB || len == 0 || len % VHDX_MIB || at > size ||
        size - at < len)
        return blockmap_bad(&v->map, err, "a region lies outside of the file", at);
    *(is_bat ? &v->bat_offset : &v->metadata_offset) = at;
    *(is_bat ? &v->bat_length : &v->metadata_length) = len;
    return 0;
}

static int parse_regions(struct vhdx *v, uint8_t *table, struct err *err)
{
    static const uint64_t places[] = {VHDX_REGIONS_1, VHDX_REGIONS_2};
    bool good = false;
    int rc = 0;

    for (unsigned i = 0; i < 2 && !good; i++)
        good = vhdx_read_table(v, places[i], table, VHDX_TABLE) == 0 &&
               memcmp(table, "regi", 4) == 0 && get_le32(table + 8) <= VHDX_ENTRIES_MAX &&
               get_le32(table + 4) == vhdx_crc(table, VHDX_TABLE, 4);
    if (!good)
        return blockmap_bad(&v->map, err, "both tables of regions are damaged", 0);
    for (uint32_t i = 0; i < get_le32(table + 8) && rc == 0; i++)
        rc = take_region(v, table + 16 + 32 * i, err);
    if (rc == 0 && (!v->bat_offset || !v->metadata_offset))
        rc = blockmap_bad(&v->map, err, "a region is missing", v->bat_offset);
    return rc;
}

/* ---- metadata ---- */

/* Text of the parent locator by its key; the item is `len` bytes. */
static void get_locator(const uint8_t *item, uint32_t len, const char *key, char *out, size_t size)
{
    char found[40];

    out[0] = 0;
    for (uint32_t i = 0; i < get_le16(item + 18) && 32 + 12 * i <= len; i++) {
        const uint8_t *const e = item + 20 + 12 * i;
        const uint32_t k = get_le32(e), t = get_le32(e + 4);
        const uint16_t k_len = get_le16(e + 8), t_len = get_le16(e + 10);
        if (k > len || k_len > len - k || t > len || t_len > len - t)
            continue;
        blockmap_get_text(found, sizeof found, item + k, k_len, false);
        if (strcmp(found, key) == 0)
            blockmap_get_text(out, size, item + t, t_len, false);
    }
}

static int take_locator(struct vhdx *v, const uint8_t *item, uint32_t len, struct err *err)
{
    if (len < 20 || memcmp(item, vhdx_locator_type, 16) != 0)
        return err_set(err, "E-DISK-004", -ENOTSUP, "%s: its parent is no VHDX image",
                       v->map.file.path);
    get_locator(item, len, "parent_linkage", v->parent_linkage, sizeof v->parent_linkage);
    get_locator(item, len, "relative_path", v->parent_name, sizeof v->parent_name);
    if (!v->parent_name[0])
        get_locator(item, len, "absolute_win32_path", v->parent_name, sizeof v->parent_name);
    return 0;
}

static int take_item(struct vhdx *v, const uint8_t *id, const uint8_t *item, uint32_t len,
                     bool is_required, struct err *err)
{
    if (memcmp(id, vhdx_parameters_id, 16) == 0 && len >= 8) {
        v->map.block_size = get_le32(item);
        v->has_parent = get_le32(item + 4) & 2;
    } else if (memcmp(id, vhdx_size_id, 16) == 0 && len >= 8) {
        v->map.disk.size = get_le64(item);
    } else if (memcmp(id, vhdx_logical_id, 16) == 0 && len >= 4) {
        if (get_le32(item) != DISK_SECTOR)
            return err_set(err, "E-DISK-004", -ENOTSUP, "%s: logical sectors of %u bytes",
                           v->map.file.path, get_le32(item));
    } else if (memcmp(id, vhdx_locator_id, 16) == 0) {
        return take_locator(v, item, len, err);
    } else if (memcmp(id, vhdx_physical_id, 16) != 0 && memcmp(id, vhdx_disk_id, 16) != 0 &&
               is_required) {
        return err_set(err, "E-DISK-004", -ENOTSUP, "%s: metadata that is not known",
                       v->map.file.path);
    }
    return 0;
}

static int parse_metadata(struct vhdx *v, uint8_t *table, struct err *err)
{
    uint8_t *const item = malloc(VHDX_MIB);
    int rc = 0;

    if (!item || vhdx_read_table(v, v->metadata_offset, table, VHDX_TABLE) ||
        memcmp(table, "metadata", 8) != 0 || get_le16(table + 10) > VHDX_ENTRIES_MAX)
        rc = blockmap_bad(&v->map, err, "the table of metadata is damaged", v->metadata_offset);
    for (uint32_t i = 0; rc == 0 && i < get_le16(table + 10); i++) {
        const uint8_t *const e = table + 32 + 32 * i;
        const uint32_t at = get_le32(e + 16), len = get_le32(e + 20), flags = get_le32(e + 24);
        if (at > v->metadata_length || len > v->metadata_length - at || len > VHDX_MIB ||
            (len && at < VHDX_TABLE))
            rc = blockmap_bad(&v->map, err, "metadata lie outside of their region", at);
        else if (vhdx_read_table(v, v->metadata_offset + at, item, len))
            rc = blockmap_bad(&v->map, err, "metadata cannot be read", at);
        else
            rc = take_item(v, e, item, len, flags & 4, err);
    }
    free(item);
    return rc;
}

static int load_bat(struct vhdx *v, struct err *err)
{
    const uint64_t block = v->map.block_size, size = v->map.disk.size;

    if (block < VHDX_MIB || block > 256 * VHDX_MIB || block & (block - 1))
        return blockmap_bad(&v->map, err, "impossible size of blocks", block);
    if (size == 0 || size > VHDX_SIZE_MAX || size % DISK_SECTOR)
        return blockmap_bad(&v->map, err, "impossible size of the disk", size);
    const uint64_t blocks = (size + block - 1) / block;
    v->ratio = (1ull << 23) * DISK_SECTOR / block;
    v->entries = v->has_parent ? (blocks + v->ratio - 1) / v->ratio * (v->ratio + 1)
                               : blocks + (blocks - 1) / v->ratio;
    if (v->entries > v->bat_length / 8)
        return blockmap_bad(&v->map, err, "the block table is too short for the disk", v->entries);
    uint8_t *const raw = malloc(8 * v->entries);
    v->bat = malloc(8 * v->entries);
    v->bitmap = malloc(block / DISK_SECTOR / 8);
    if (!raw || !v->bat || !v->bitmap || vhdx_read_table(v, v->bat_offset, raw, 8 * v->entries)) {
        free(raw);
        return err_set(err, "E-MACH-002", -ENOMEM, "%s: no memory for its tables",
                       v->map.file.path);
    }
    for (uint64_t i = 0; i < v->entries; i++)
        v->bat[i] = get_le64(raw + 8 * i);
    free(raw);
    return 0;
}

static int open_parent(struct vhdx *v, unsigned depth, struct err *err)
{
    char id[40];

    const int rc = blockmap_open_parent(&v->map, v->parent_name, DISK_VHDX, depth, err);
    if (rc)
        return rc;
    const struct vhdx *const parent = (const struct vhdx *)v->map.parent;
    vhdx_id_text(id, parent->header + VHDX_H_DATA_WRITE);
    if (strcasecmp(id, v->parent_linkage) != 0) {
        err_set(err, "E-DISK-008", -ESTALE, "%s was made for other contents of %s",
                v->map.file.path, parent->map.file.path);
        return err_hint(err, "has the parent been written since?");
    }
    return 0;
}

void vhdx_id_text(char text[40], const uint8_t id[16])
{
    snprintf(text, 40, "{%08x-%04x-%04x-%04x-%04x%08x}", get_le32(id), get_le16(id + 4),
             get_le16(id + 6), get_be16(id + 8), get_be16(id + 10), get_be32(id + 12));
}

struct disk *vhdx_open(struct hostfile *file, unsigned depth, struct err *err)
{
    struct vhdx *const v = calloc(1, sizeof *v);
    uint8_t *const table = malloc(VHDX_TABLE);

    if (!v || !table) {
        err_set(err, "E-MACH-002", -ENOMEM, "out of memory");
        hostfile_close(file);
        free(v);
        free(table);
        return NULL;
    }
    v->map.file = *file;
    v->map.has_zeros = true;
    v->map.disk.ops = &vhdx_ops;
    v->map.disk.read_only = !file->writable;
    v->map.ops = &vhdx_blocks;
    int rc = parse_headers(v, err);
    if (rc == 0 && (rc = vhdx_replay(v, err)) == 0 && (rc = parse_regions(v, table, err)) == 0 &&
        (rc = parse_metadata(v, table, err)) == 0 && (rc = load_bat(v, err)) == 0 && v->has_parent)
        rc = open_parent(v, depth, err);
    free(table);
    if (rc) {
        vhdx_close(&v->map.disk);
        return NULL;
    }
    return &v->map.disk;
}
