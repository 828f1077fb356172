/*
 * vmbus/vsp/storvsp/scsi.h: a SCSI target with disks (SPC-4, SBC-3) and DVD drives (MMC-5) over
 * block devices. The transport brings a command and its buffer, the target calls done() with
 * status, sense and the bytes moved, at once or from a completion of the block device.
 *
 * scsi.c commands and sense; scsi_rw.c those that reach the medium; scsi_info.c those that tell
 * about the unit; scsi_dvd.c those of DVD drives alone.
 */
#ifndef VMBUS_VSP_STORVSP_SCSI_H
#define VMBUS_VSP_STORVSP_SCSI_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/scsi.h"
#include "vmbus/vsp/blk.h"

#define SCSI_LUNS      64u
#define SCSI_DVD_BLOCK 2048u
#define SCSI_CDB       16u
#define SCSI_SENSE     18u /* bytes of fixed format sense (SPC-4 4.5.3) */
#define SCSI_UNMAP_MAX 16u /* descriptors of an UNMAP */
#define SCSI_SAME_MAX  0x10000u
#define SCSI_PATTERN   65536u /* bytes that WRITE SAME writes at a time */

enum scsi_data { SCSI_DATA_NONE, SCSI_DATA_IN, SCSI_DATA_OUT }; /* seen from the guest */

struct scsi_range {
    uint64_t lba;
    uint32_t count;
};

struct scsi_target;
struct scsi_command;

struct scsi_transport {
    /* Between a small buffer and the command's, from its start on; the bytes copied. */
    uint32_t (*copy)(struct scsi_command *c, void *data, uint32_t n, bool to_guest);
    /* The first n bytes of the command's buffer as physical memory, in c->seg and c->segs; before
     * done() of a read they reach the guest. False: no memory for it now. */
    bool (*map)(struct scsi_command *c, uint32_t n);
    void (*done)(struct scsi_command *c);
    /* Memory for DMA that the target needs itself. */
    void *(*alloc)(struct scsi_command *c, uint32_t bytes, uint64_t *pa);
    void (*free)(struct scsi_command *c, void *p, uint32_t bytes);
};

struct scsi_command {
    /* the transport's */
    const struct scsi_transport *transport;
    uint8_t cdb[SCSI_CDB];
    enum scsi_data direction;
    uint32_t length; /* bytes of the buffer */
    const struct blk_seg *seg;
    unsigned segs;
    /* results */
    uint8_t status; /* SCSI_GOOD, ... */
    bool no_unit;   /* there is no such logical unit */
    bool has_sense;
    uint8_t sense[SCSI_SENSE];
    uint32_t moved;
    /* the target's */
    struct scsi_target *target;
    struct blk_device *dev; /* of the logical unit */
    enum scsi_type type;    /* what it is, and its blocks: one or more of the device's */
    uint64_t blocks;
    uint32_t block_size;
    struct blk_request request;
    uint32_t bytes;                          /* that the request moves */
    struct scsi_range range[SCSI_UNMAP_MAX]; /* still to do: [at, ranges) */
    unsigned ranges, at;
    void *pattern;
    struct blk_seg pattern_seg;
};

struct scsi_target {
    struct blk_device *unit[SCSI_LUNS]; /* NULL: no such logical unit */
    enum scsi_type type[SCSI_LUNS];
    uint32_t max_transfer; /* bytes of a command, of the transport */
};

/* lun: SCSI_LUNS and above for one that can't exist. */
void scsi_execute(struct scsi_target *t, unsigned lun, struct scsi_command *c);

/* ---- between the files of the target ---- */
void scsi_good(struct scsi_command *c, uint32_t moved);
void scsi_check(struct scsi_command *c, enum scsi_sense_key key, enum scsi_additional_sense code);
void scsi_illegal(struct scsi_command *c, enum scsi_additional_sense code);
/* Data of a response: cut to the allocation length and the buffer. */
void scsi_respond(struct scsi_command *c, void *data, uint32_t n, uint32_t allocation);

void scsi_read_write(struct scsi_command *c);
void scsi_synchronize(struct scsi_command *c);
void scsi_unmap(struct scsi_command *c);
void scsi_write_same(struct scsi_command *c);

void scsi_inquiry(struct scsi_command *c, unsigned lun);
void scsi_report_luns(struct scsi_command *c);
void scsi_read_capacity(struct scsi_command *c);
void scsi_mode_sense(struct scsi_command *c);

/* A command of MMC-5 for a DVD drive; false: it is none. */
bool scsi_dvd(struct scsi_command *c);

static inline uint32_t scsi_be16(const uint8_t *p)
{
    return (uint32_t)p[0] << 8 | p[1];
}
static inline uint32_t scsi_be32(const uint8_t *p)
{
    return scsi_be16(p) << 16 | scsi_be16(p + 2);
}
static inline uint64_t scsi_be64(const uint8_t *p)
{
    return (uint64_t)scsi_be32(p) << 32 | scsi_be32(p + 4);
}
static inline void scsi_put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}
static inline void scsi_put32(uint8_t *p, uint32_t v)
{
    scsi_put16(p, v >> 16);
    scsi_put16(p + 2, v);
}
static inline void scsi_put64(uint8_t *p, uint64_t v)
{
    scsi_put32(p, (uint32_t)(v >> 32));
    scsi_put32(p + 4, (uint32_t)v);
}

#endif
