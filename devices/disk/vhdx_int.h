/*
 * devices/disk/vhdx_int.h: the parts of the VHDX back end ([MS-VHDX], VHDX Format Specification
 * 1.00): vhdx.c headers, regions, metadata and the block table, vhdx_log.c the log, vhdx_create.c
 * new images. Numbers are little endian.
 *
 * Everything read from the file is hostile: offsets are checked against the file's size and
 * alignment before use, sizes have upper bounds, and walks through the log end.
 */
#ifndef DEVICES_DISK_VHDX_INT_H
#define DEVICES_DISK_VHDX_INT_H

#include "devices/disk/blockmap.h"
#include "lib/bytes.h"

#define VHDX_MIB         (1ull << 20)
#define VHDX_SIZE_MAX    (64ull << 40)
#define VHDX_HEADER      4096u
#define VHDX_HEADER_1    65536u
#define VHDX_HEADER_2    131072u
#define VHDX_REGIONS_1   196608u
#define VHDX_REGIONS_2   262144u
#define VHDX_TABLE       65536u /* bytes of a region table, of the metadata table */
#define VHDX_SECTOR      4096u  /* what a log entry is made of */
#define VHDX_ENTRIES_MAX 2047u  /* regions, metadata items */

/* Byte offsets in a header */
enum {
    VHDX_H_CHECKSUM = 4,
    VHDX_H_SEQUENCE = 8,
    VHDX_H_FILE_WRITE = 16,
    VHDX_H_DATA_WRITE = 32,
    VHDX_H_LOG_ID = 48,
    VHDX_H_LOG_VERSION = 64,
    VHDX_H_VERSION = 66,
    VHDX_H_LOG_LENGTH = 68,
    VHDX_H_LOG_OFFSET = 72,
};
/* in an entry of the log */
enum {
    VHDX_L_CHECKSUM = 4,
    VHDX_L_LENGTH = 8,
    VHDX_L_TAIL = 12,
    VHDX_L_SEQUENCE = 16,
    VHDX_L_COUNT = 24,
    VHDX_L_ID = 32,
    VHDX_L_FLUSHED = 48,
    VHDX_L_LAST = 56,
    VHDX_L_DESCRIPTORS = 64, /* of 32 bytes each */
};

/* Payload states of the block table, bits 0-2 of an entry; bits 20-63 are MiB of the file. */
enum {
    VHDX_NOT_PRESENT = 0,
    VHDX_UNDEFINED = 1,
    VHDX_ZERO = 2,
    VHDX_UNMAPPED = 3,
    VHDX_FULLY_PRESENT = 6,
    VHDX_PARTIALLY_PRESENT = 7,
};
#define VHDX_STATE 7ull

extern const uint8_t vhdx_bat_id[16], vhdx_metadata_id[16], vhdx_parameters_id[16];
extern const uint8_t vhdx_size_id[16], vhdx_disk_id[16], vhdx_logical_id[16], vhdx_physical_id[16];
extern const uint8_t vhdx_locator_id[16], vhdx_locator_type[16];

/* A sector of the file as a log that may not be replayed into it has it. */
struct vhdx_patch {
    uint64_t at;
    uint8_t bytes[VHDX_SECTOR];
};

struct vhdx {
    struct blockmap map;
    uint8_t header[VHDX_HEADER]; /* the current one */
    unsigned header_slot;        /* 0 or 1: which one that is */
    uint64_t log_offset, log_sequence;
    uint32_t log_length, log_at; /* where the next entry goes */
    struct vhdx_patch *patch;    /* in the order of the log */
    size_t patches;
    uint64_t bat_offset, bat_length, metadata_offset, metadata_length;
    bool has_parent, is_open; /* is_open: the file says that it is being written */
    char parent_name[1024], parent_linkage[40];
    uint64_t ratio; /* blocks of a chunk, which shares a block of sector bitmaps */
    uint64_t entries;
    uint64_t *bat;      /* in host order */
    uint8_t *bitmap;    /* of one block */
    uint64_t bitmap_of; /* block + 1 */
};

/* CRC-32C of bytes in which the four at `field` count as zeros. */
uint32_t vhdx_crc(const uint8_t *p, size_t len, size_t field);
/* Reads tables: the file, with the patches of its log. */
int vhdx_read_table(struct vhdx *v, uint64_t at, void *to, size_t len);
/* Writes v->header over the older copy, with the next sequence number. */
int vhdx_write_header(struct vhdx *v);

/* {8-4-4-4-12}, in lower case. */
void vhdx_id_text(char text[40], const uint8_t id[16]);

/* vhdx_log.c */
int vhdx_replay(struct vhdx *v, struct err *err);
/* An empty entry under the LogGuid of v->header, which the file does not have yet. */
int vhdx_log_begin(struct vhdx *v);
/* Writes a sector of a table by way of the log; lasting when it returns 0. */
int vhdx_log_write(struct vhdx *v, uint64_t at, const uint8_t sector[VHDX_SECTOR]);

#endif
