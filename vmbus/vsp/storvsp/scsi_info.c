/*
 * vmbus/vsp/storvsp/scsi_info.c: commands that tell about the unit: INQUIRY with its vital product
 * data, REPORT LUNS, READ CAPACITY, MODE SENSE (SPC-4 6.4 to 6.33, 7.5, 7.8; SBC-3 5.15, 6.4, 6.5).
 *
 * Not modelled: mode pages that can be changed or saved.
 */
#include <string.h>

#include "vmbus/vsp/storvsp/scsi.h"

#define RESPONSE 96u

static void put_text(uint8_t *p, const char *text, unsigned width)
{
    unsigned i = 0;
    for (; i < width && text[i]; i++)
        p[i] = (uint8_t)text[i];
    for (; i < width; i++)
        p[i] = ' ';
}

/* ---- INQUIRY ---- */

static uint32_t standard(const struct scsi_command *c, uint8_t *p)
{
    const bool is_dvd = c->dev && c->type == SCSI_TYPE_DVD;
    p[0] = c->dev ? (uint8_t)c->type : 0x7f; /* or nothing, and nothing can be here */
    p[1] = is_dvd ? 0x80 : 0;                /* a medium that can be removed */
    p[2] = 5;                                /* SPC-3: what guests of this host know */
    p[3] = 0x12;                             /* LUNs by REPORT LUNS, response format 2 */
    p[4] = 36 - 5;
    p[7] = 2; /* command queueing */
    put_text(p + 8, "Msft", 8);
    put_text(p + 16, is_dvd ? "Virtual DVD-ROM" : "Virtual Disk", 16);
    put_text(p + 32, "1.0", 4);
    return 36;
}

static uint32_t put_serial(const struct blk_device *dev, uint8_t *p)
{
    static const char hex[] = "0123456789ABCDEF";
    uint32_t n = 0;
    for (; dev->serial[n]; n++)
        p[n] = (uint8_t)dev->serial[n];
    p[n++] = '-';
    for (unsigned i = 0; i < sizeof(dev->eui64); i++) {
        p[n++] = (uint8_t)hex[dev->eui64[i] >> 4];
        p[n++] = (uint8_t)hex[dev->eui64[i] & 15];
    }
    return n;
}

/* Designators of the logical unit: EUI-64 if the disk has one, and a T10 vendor id (SPC-4 7.8.6) */
static uint32_t identification(const struct blk_device *dev, uint8_t *p)
{
    uint32_t at = 4, n = 0;
    for (unsigned i = 0; i < sizeof(dev->eui64); i++)
        n |= dev->eui64[i];
    if (n) {
        p[at] = 1;     /* binary */
        p[at + 1] = 2; /* EUI-64 */
        p[at + 3] = 8;
        memcpy(p + at + 4, dev->eui64, 8);
        at += 12;
    }
    p[at] = 2;     /* ASCII */
    p[at + 1] = 1; /* T10 vendor id */
    put_text(p + at + 4, "Msft", 8);
    n = 8 + put_serial(dev, p + at + 12);
    p[at + 3] = (uint8_t)n;
    return at + 4 + n;
}

static uint32_t limits(const struct scsi_command *c, uint8_t *p)
{
    const struct blk_device *const dev = c->dev;
    const uint32_t own = c->target->max_transfer / dev->block_size;
    const uint32_t most = own < dev->max_blocks ? own : dev->max_blocks;
    p[4] = 1;                 /* WRITE SAME takes no count of 0 */
    scsi_put32(p + 8, most);  /* of a transfer */
    scsi_put32(p + 12, most); /* as good as any shorter one */
    scsi_put64(p + 36, SCSI_SAME_MAX);
    if (dev->has_unmap) {
        scsi_put32(p + 20, 0xffffffff);
        scsi_put32(p + 24, SCSI_UNMAP_MAX);
        scsi_put32(p + 28, 4096 / dev->block_size);
    }
    return 64;
}

static uint32_t provisioning(const struct blk_device *dev, uint8_t *p)
{
    if (dev->has_unmap) {
        p[5] = 0x80 | 0x40 | 0x20 | (dev->reads_zeros ? 0x04 : 0); /* UNMAP, both WRITE SAME */
        p[6] = 2;                                                  /* thin */
    }
    return 8;
}

/* The page with its header; 0: there is none of that code. */
static uint32_t vital(const struct scsi_command *c, uint8_t *p)
{
    static const uint8_t pages[] = {SCSI_VPD_SUPPORTED,       SCSI_VPD_SERIAL,
                                    SCSI_VPD_IDENTIFICATION,  SCSI_VPD_LIMITS,
                                    SCSI_VPD_CHARACTERISTICS, SCSI_VPD_PROVISIONING};
    const bool is_dvd = c->type == SCSI_TYPE_DVD; /* which has none of the pages of SBC-3 */
    uint32_t n;
    if (is_dvd && c->cdb[2] >= SCSI_VPD_LIMITS)
        return 0;
    switch (c->cdb[2]) {
    case SCSI_VPD_SUPPORTED:
        n = is_dvd ? 3 : sizeof(pages);
        memcpy(p + 4, pages, n);
        n += 4;
        break;
    case SCSI_VPD_SERIAL:
        n = 4 + put_serial(c->dev, p + 4);
        break;
    case SCSI_VPD_IDENTIFICATION:
        n = identification(c->dev, p);
        break;
    case SCSI_VPD_LIMITS:
        n = limits(c, p);
        break;
    case SCSI_VPD_CHARACTERISTICS:
        p[5] = 1; /* it does not rotate */
        n = 64;
        break;
    case SCSI_VPD_PROVISIONING:
        n = provisioning(c->dev, p);
        break;
    default:
        return 0;
    }
    p[0] = (uint8_t)c->type;
    p[1] = c->cdb[2];
    scsi_put16(p + 2, n - 4);
    return n;
}

void scsi_inquiry(struct scsi_command *c, unsigned lun)
{
    uint8_t data[RESPONSE] = {0};
    const bool is_vital = c->cdb[1] & 1;
    uint32_t n = 0;
    (void)lun;
    if (!is_vital && !c->cdb[2])
        n = standard(c, data);
    else if (is_vital && c->dev)
        n = vital(c, data);
    if (n)
        scsi_respond(c, data, n, scsi_be16(c->cdb + 3));
    else
        scsi_illegal(c, SCSI_ASC_CDB_FIELD);
}

/* ---- REPORT LUNS ---- */

void scsi_report_luns(struct scsi_command *c)
{
    uint8_t data[8 + 8 * SCSI_LUNS] = {0};
    const uint32_t allocation = scsi_be32(c->cdb + 6);
    uint32_t at = 8;
    if (c->cdb[2] > 2 || allocation < 16) {
        scsi_illegal(c, SCSI_ASC_CDB_FIELD);
        return;
    }
    for (unsigned i = 0; i < SCSI_LUNS && c->cdb[2] != 1; i++) { /* 1: well known ones only */
        if (!c->target->unit[i])
            continue;
        data[at + 1] = (uint8_t)i; /* peripheral device addressing (SAM-5 4.7) */
        at += 8;
    }
    scsi_put32(data, at - 8);
    scsi_respond(c, data, at, allocation);
}

/* ---- READ CAPACITY ---- */

void scsi_read_capacity(struct scsi_command *c)
{
    uint8_t data[32] = {0};
    const uint64_t last = c->blocks - 1;
    if (c->cdb[0] == SCSI_READ_CAPACITY_10) {
        scsi_put32(data, last > 0xfffffffe ? 0xffffffff : (uint32_t)last);
        scsi_put32(data + 4, c->block_size);
        scsi_respond(c, data, 8, 8);
        return;
    }
    scsi_put64(data, last);
    scsi_put32(data + 8, c->dev->block_size);
    if (c->dev->has_unmap)
        data[14] = 0x80 | (c->dev->reads_zeros ? 0x40 : 0); /* blocks are managed; read zeros */
    scsi_respond(c, data, sizeof(data), scsi_be32(c->cdb + 10));
}

/* ---- MODE SENSE ---- */

static uint32_t caching(const struct blk_device *dev, bool changeable, uint8_t *p)
{
    p[0] = SCSI_PAGE_CACHING;
    p[1] = 18;
    if (!changeable && dev->has_cache)
        p[2] = 4; /* writes are cached */
    return 20;
}

static uint32_t control(bool changeable, uint8_t *p)
{
    p[0] = SCSI_PAGE_CONTROL;
    p[1] = 10;
    if (!changeable)
        p[3] = 0x10; /* commands may be reordered */
    return 12;
}

/* Capabilities: reads CD-R, CD-RW and DVD, in a drive that locks and does not eject. */
static uint32_t capabilities(bool changeable, uint8_t *p)
{
    p[0] = SCSI_PAGE_DVD;
    p[1] = 18;
    if (!changeable) {
        p[2] = 0x3b;
        p[4] = 0x70;
        p[6] = 0x01;
        scsi_put16(p + 8, 5632); /* kB/s */
        scsi_put16(p + 14, 5632);
    }
    return 20;
}

/* The pages of that code, or all that the unit has; 0 bytes: none. */
static uint32_t mode_pages(const struct scsi_command *c, uint8_t page, bool changeable, uint8_t *p)
{
    const bool all = page == SCSI_PAGE_ALL;
    uint32_t at = 0;
    if (c->type == SCSI_TYPE_DVD)
        return all || page == SCSI_PAGE_DVD ? capabilities(changeable, p) : 0;
    if (all || page == SCSI_PAGE_CACHING)
        at += caching(c->dev, changeable, p);
    if (all || page == SCSI_PAGE_CONTROL)
        at += control(changeable, p + at);
    return at;
}

static uint32_t block_descriptor(const struct blk_device *dev, uint8_t *p)
{
    scsi_put32(p, dev->blocks > 0xffffffff ? 0xffffffff : (uint32_t)dev->blocks);
    scsi_put32(p + 4, dev->block_size);
    return 8;
}

void scsi_mode_sense(struct scsi_command *c)
{
    uint8_t data[RESPONSE] = {0};
    const bool is_6 = c->cdb[0] == SCSI_MODE_SENSE_6, changeable = c->cdb[2] >> 6 == 1;
    const uint8_t page = c->cdb[2] & 0x3f, subpage = c->cdb[3];
    const uint32_t head = is_6 ? 4 : 8;
    uint32_t at = head;
    if (c->cdb[2] >> 6 == 3) {
        scsi_illegal(c, SCSI_ASC_SAVING);
        return;
    }
    const bool is_dvd = c->type == SCSI_TYPE_DVD;
    const uint32_t descriptor = c->cdb[1] & 8 || is_dvd ? 0 : block_descriptor(c->dev, data + at);
    at += descriptor;
    const uint32_t start = at;
    at += mode_pages(c, page, changeable, data + at);
    if (at == start || (subpage && !(page == SCSI_PAGE_ALL && subpage == 0xff))) {
        scsi_illegal(c, SCSI_ASC_CDB_FIELD);
        return;
    }
    /* of a disk: is it protected; forced access is understood */
    const uint8_t flags = is_dvd ? 0 : (c->dev->read_only ? 0x80 : 0) | 0x10;
    if (is_6) {
        data[0] = (uint8_t)(at - 1);
        data[2] = flags;
        data[3] = (uint8_t)descriptor;
    } else {
        scsi_put16(data, at - 2);
        data[3] = flags;
        scsi_put16(data + 6, descriptor);
    }
    scsi_respond(c, data, at, is_6 ? c->cdb[4] : scsi_be16(c->cdb + 7));
}
