/*
 * devices/disk/vhdx_log.c: the log of VHDX images ([MS-VHDX] 2.3): replay of what a crash left
 * behind, and the writing of one entry at a time.
 *
 * The log is a ring of entries, each with the sequence number of the one before plus one and the
 * place of the oldest entry that is still needed. The valid sequence with the greatest number at
 * its end counts, from that oldest entry on. If the file may be written, it is replayed into it,
 * else it is kept in memory as patches.
 *
 * When we write, an entry is needed only until its sector is in its place, so each one is its own
 * tail. It stands behind the one before, which counts again if it is torn; an empty one comes
 * first, because a log that is announced has to have one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/disk/vhdx_int.h"
#include "lib/log.h"

#define PATCHES_MAX 65536u /* 256 MiB */

/* CRC-32C, the polynomial 1EDC6F41h reflected. */
uint32_t vhdx_crc(const uint8_t *p, size_t len, size_t field)
{
    static uint32_t table[256];
    uint32_t crc = 0xffffffff;

    if (!table[1]) {
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t v = i;
            for (unsigned bit = 0; bit < 8; bit++)
                v = v & 1 ? v >> 1 ^ 0x82f63b78 : v >> 1;
            table[i] = v;
        }
    }
    for (size_t i = 0; i < len; i++) {
        const uint8_t byte = i >= field && i < field + 4 ? 0 : p[i];
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xff];
    }
    return ~crc;
}

/* ---- reading the ring ---- */

static int read_ring(struct vhdx *v, uint64_t at, uint8_t *to, uint32_t len)
{
    at %= v->log_length;
    const uint32_t left = v->log_length - (uint32_t)at, first = len < left ? len : left;
    const int rc = hostfile_read(&v->map.file, v->log_offset + at, to, first);

    return rc || first == len ? rc
                              : hostfile_read(&v->map.file, v->log_offset, to + first, len - first);
}

/* Sectors of descriptors, with the header of the entry. */
static uint64_t descriptor_sectors(uint32_t count)
{
    return (VHDX_L_DESCRIPTORS + 32ull * count + VHDX_SECTOR - 1) / VHDX_SECTOR;
}

static bool are_descriptors_good(const uint8_t *e, uint32_t len)
{
    const uint32_t count = get_le32(e + VHDX_L_COUNT);
    uint64_t sectors = descriptor_sectors(count);

    if (sectors * VHDX_SECTOR > len)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *const d = e + VHDX_L_DESCRIPTORS + 32 * i;
        if (get_le64(d + 24) != get_le64(e + VHDX_L_SEQUENCE) || get_le64(d + 16) % VHDX_SECTOR)
            return false;
        if (memcmp(d, "zero", 4) == 0) {
            if (get_le64(d + 8) % VHDX_SECTOR)
                return false;
            continue;
        }
        if (memcmp(d, "desc", 4) != 0 || ++sectors * VHDX_SECTOR > len)
            return false;
        const uint8_t *const s = e + (sectors - 1) * VHDX_SECTOR;
        if (memcmp(s, "data", 4) != 0 || get_le32(s + 4) != get_le32(d + 28) ||
            get_le32(s + VHDX_SECTOR - 4) != get_le32(d + 24))
            return false;
    }
    return true;
}

/* The entry at `at` of the ring, to be freed; NULL: there is no good one. */
static uint8_t *get_entry(struct vhdx *v, uint64_t at)
{
    uint8_t head[VHDX_L_DESCRIPTORS];

    if (read_ring(v, at, head, sizeof head) || memcmp(head, "loge", 4) != 0 ||
        memcmp(head + VHDX_L_ID, v->header + VHDX_H_LOG_ID, 16) != 0)
        return NULL;
    const uint32_t len = get_le32(head + VHDX_L_LENGTH);
    if (len < VHDX_SECTOR || len % VHDX_SECTOR || len > v->log_length ||
        get_le32(head + VHDX_L_TAIL) % VHDX_SECTOR ||
        get_le32(head + VHDX_L_TAIL) >= v->log_length || !get_le64(head + VHDX_L_SEQUENCE))
        return NULL;
    uint8_t *const e = malloc(len);
    if (e && (read_ring(v, at, e, len) ||
              get_le32(e + VHDX_L_CHECKSUM) != vhdx_crc(e, len, VHDX_L_CHECKSUM) ||
              !are_descriptors_good(e, len))) {
        free(e);
        return NULL;
    }
    return e;
}

struct sequence {
    uint64_t number;  /* of its last entry; 0: there is none */
    uint32_t tail;    /* where the oldest entry that counts stands */
    uint32_t entries; /* from the tail on */
    uint64_t flushed, last;
};

/* The good entries in a row from `start` on; false: none, or the tail is not among them. */
static bool follow(struct vhdx *v, uint32_t start, struct sequence *s, uint32_t *next)
{
    uint64_t passed = 0;
    uint32_t tails_at = 0, n = 0, *const places = malloc(v->log_length / VHDX_SECTOR * 4ull);

    *s = (struct sequence){0};
    for (uint8_t *e; places && passed < v->log_length && (e = get_entry(v, start + passed));
         free(e)) {
        const uint64_t number = get_le64(e + VHDX_L_SEQUENCE);
        const uint32_t len = get_le32(e + VHDX_L_LENGTH);
        if ((n && number != s->number + 1) || passed + len > v->log_length) {
            free(e);
            break;
        }
        places[n++] = (uint32_t)((start + passed) % v->log_length);
        passed += len;
        s->number = number;
        s->tail = get_le32(e + VHDX_L_TAIL);
        s->flushed = get_le64(e + VHDX_L_FLUSHED);
        s->last = get_le64(e + VHDX_L_LAST);
    }
    while (tails_at < n && places[tails_at] != s->tail)
        tails_at++;
    s->entries = n - tails_at;
    *next = start + (passed ? (uint32_t)passed : VHDX_SECTOR);
    free(places);
    return n && tails_at < n;
}

static struct sequence find_sequence(struct vhdx *v)
{
    struct sequence best = {0}, s;

    for (uint32_t at = 0; at < v->log_length;) {
        uint32_t next;
        if (follow(v, at, &s, &next) && s.number > best.number)
            best = s;
        at = next;
    }
    return best;
}

/* ---- replaying ---- */

static int put_sector(struct vhdx *v, uint64_t at, const uint8_t *bytes)
{
    if (v->map.file.writable)
        return hostfile_write(&v->map.file, at, bytes, VHDX_SECTOR);
    if (v->patches == PATCHES_MAX)
        return -EFBIG;
    if ((v->patches & (v->patches - 1)) == 0) {
        const size_t room = v->patches ? 2 * v->patches : 1;
        struct vhdx_patch *const p = realloc(v->patch, room * sizeof *p);
        if (!p)
            return -ENOMEM;
        v->patch = p;
    }
    v->patch[v->patches].at = at;
    memcpy(v->patch[v->patches++].bytes, bytes, VHDX_SECTOR);
    return 0;
}

static int replay_zeros(struct vhdx *v, uint64_t at, uint64_t len, uint64_t limit)
{
    static const uint8_t zeros[VHDX_SECTOR];
    int rc = 0;

    if (at > limit || len > limit - at)
        return -EINVAL;
    if (v->map.file.writable)
        return hostfile_zero(&v->map.file, at, len);
    for (uint64_t n = 0; n < len && rc == 0; n += VHDX_SECTOR)
        rc = put_sector(v, at + n, zeros);
    return rc;
}

static int replay_entry(struct vhdx *v, const uint8_t *e, uint64_t limit)
{
    const uint32_t count = get_le32(e + VHDX_L_COUNT);
    const uint8_t *data = e + descriptor_sectors(count) * VHDX_SECTOR;
    uint8_t sector[VHDX_SECTOR];
    int rc = 0;

    for (uint32_t i = 0; i < count && rc == 0; i++) {
        const uint8_t *const d = e + VHDX_L_DESCRIPTORS + 32 * i;
        const uint64_t at = get_le64(d + 16);
        if (memcmp(d, "zero", 4) == 0) {
            rc = replay_zeros(v, at, get_le64(d + 8), limit);
            continue;
        }
        memcpy(sector, d + 8, 8); /* leading bytes */
        memcpy(sector + 8, data + 8, VHDX_SECTOR - 12);
        memcpy(sector + VHDX_SECTOR - 4, d + 4, 4); /* trailing bytes */
        data += VHDX_SECTOR;
        rc = at > limit || limit - at < VHDX_SECTOR ? -EINVAL : put_sector(v, at, sector);
    }
    return rc;
}

/* After it, the log is empty, or its contents are patches. */
int vhdx_replay(struct vhdx *v, struct err *err)
{
    static const uint8_t none[16];
    uint64_t size = v->map.file.size;
    int rc = 0;

    if (memcmp(v->header + VHDX_H_LOG_ID, none, sizeof none) == 0)
        return 0;
    const struct sequence s = find_sequence(v);
    if (!s.number)
        return blockmap_bad(&v->map, err, "the log has no valid entry", v->log_offset);
    if (size < s.flushed)
        return blockmap_bad(&v->map, err, "the file is shorter than its log says", s.flushed);
    if (s.last > VHDX_SIZE_MAX * 2)
        return blockmap_bad(&v->map, err, "impossible size in the log", s.last);
    if (size < s.last)
        size = s.last;
    if (v->map.file.writable && size > v->map.file.size)
        rc = hostfile_resize(&v->map.file, size);
    v->map.file.size = size; /* what lies behind the end reads as zeros */
    uint64_t at = s.tail;
    for (uint32_t i = 0; i < s.entries && rc == 0; i++) {
        uint8_t *const e = get_entry(v, at);
        rc = e ? replay_entry(v, e, size) : -EIO;
        at += e ? get_le32(e + VHDX_L_LENGTH) : 0;
        free(e);
    }
    LOG_INFO("disk", "%s: %u entries of its log replayed", v->map.file.path, s.entries);
    if (rc == 0 && v->map.file.writable && (rc = hostfile_sync(&v->map.file)) == 0) {
        memset(v->header + VHDX_H_LOG_ID, 0, 16);
        rc = vhdx_write_header(v);
    }
    return rc ? blockmap_bad(&v->map, err, "its log cannot be replayed", s.tail) : 0;
}

/* ---- writing ---- */

/* Header of an entry of len bytes with a descriptor or none, and its place in the ring. */
static void put_header(struct vhdx *v, uint8_t *e, uint32_t len, uint32_t count)
{
    if (v->log_at + len > v->log_length)
        v->log_at = 0;
    memcpy(e, "loge", 4);
    put_le32(e + VHDX_L_LENGTH, len);
    put_le32(e + VHDX_L_TAIL, v->log_at);
    put_le64(e + VHDX_L_SEQUENCE, ++v->log_sequence);
    put_le32(e + VHDX_L_COUNT, count);
    memcpy(e + VHDX_L_ID, v->header + VHDX_H_LOG_ID, 16);
    put_le64(e + VHDX_L_FLUSHED, v->map.file.size);
    put_le64(e + VHDX_L_LAST, v->map.file.size);
}

static int put_entry(struct vhdx *v, uint8_t *e, uint32_t len)
{
    put_le32(e + VHDX_L_CHECKSUM, vhdx_crc(e, len, VHDX_L_CHECKSUM));
    const int rc = hostfile_write(&v->map.file, v->log_offset + v->log_at, e, len);
    v->log_at += len;
    return rc ? rc : hostfile_sync(&v->map.file);
}

int vhdx_log_begin(struct vhdx *v)
{
    uint8_t e[VHDX_SECTOR] = {0};

    v->log_at = 0;
    put_header(v, e, sizeof e, 0);
    return put_entry(v, e, sizeof e);
}

int vhdx_log_write(struct vhdx *v, uint64_t at, const uint8_t sector[VHDX_SECTOR])
{
    uint8_t e[2 * VHDX_SECTOR] = {0}, *const d = e + VHDX_L_DESCRIPTORS, *const s = e + VHDX_SECTOR;

    put_header(v, e, sizeof e, 1);
    const uint64_t number = v->log_sequence;
    memcpy(d, "desc", 4);
    memcpy(d + 4, sector + VHDX_SECTOR - 4, 4);
    memcpy(d + 8, sector, 8);
    put_le64(d + 16, at);
    put_le64(d + 24, number);
    memcpy(s, "data", 4);
    put_le32(s + 4, (uint32_t)(number >> 32));
    memcpy(s + 8, sector + 8, VHDX_SECTOR - 12);
    put_le32(s + VHDX_SECTOR - 4, (uint32_t)number);
    /* before the entry: contents that it refers to, and the sector of the entry before */
    int rc = hostfile_sync(&v->map.file);
    if (rc == 0 && (rc = put_entry(v, e, sizeof e)) == 0)
        rc = hostfile_write(&v->map.file, at, sector, VHDX_SECTOR);
    return rc;
}
