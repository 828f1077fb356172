/*
 * vmbus/vsp/storvsp/scsi_dvd.c: commands of DVD drives alone (MMC-5 6): a drive that reads, with
 * one disc of one session and one data track, which stays in it.
 *
 * Not modelled: audio, raw sectors (READ CD), DVD structures, events other than of media.
 */
#include <string.h>

#include "vmbus/vsp/storvsp/scsi.h"

#define PROFILE_DVD_ROM 0x10
#define DATA_TRACK      0x14 /* data, uninterrupted; the position is in the Q sub-channel */
#define LEAD_OUT        0xaa
#define LAST_FRAME      (256u * 60 * 75 - 1)

/* As block, or as minute, second and frame, where discs longer than these can tell end. */
static void put_address(uint8_t *p, uint32_t lba, bool is_msf)
{
    const uint32_t frame = lba < LAST_FRAME - 150 ? lba + 150 : LAST_FRAME;
    if (!is_msf) {
        scsi_put32(p, lba);
        return;
    }
    p[1] = (uint8_t)(frame / 75 / 60);
    p[2] = (uint8_t)(frame / 75 % 60);
    p[3] = (uint8_t)(frame % 75);
}

/* A descriptor of the table of contents; its bytes. */
static uint32_t put_track(uint8_t *p, uint8_t track, uint32_t lba, bool is_msf)
{
    p[1] = DATA_TRACK;
    p[2] = track;
    put_address(p + 4, lba, is_msf);
    return 8;
}

/* READ TOC/PMA/ATIP (6.26): tracks (format 0) or sessions (1). Older drivers give the format in the
 * control byte. */
static void read_toc(struct scsi_command *c)
{
    uint8_t data[4 + 8 + 8] = {0, 0, 1, 1}; /* first and last track or session */
    const uint8_t *const b = c->cdb;
    const uint8_t format = b[2] & 15 ? b[2] & 15 : b[9] >> 6, track = b[6];
    const uint32_t end = c->blocks < 0xffffffff ? (uint32_t)c->blocks : 0xffffffff;
    const bool is_msf = b[1] & 2;
    uint32_t n = 4;
    if (format > 1 || (format == 0 && track > 1 && track != LEAD_OUT)) {
        scsi_illegal(c, SCSI_ASC_CDB_FIELD);
        return;
    }
    if (format == 1 || track <= 1)
        n += put_track(data + n, 1, 0, is_msf);
    if (format == 0)
        n += put_track(data + n, LEAD_OUT, end, is_msf);
    scsi_put16(data, n - 2);
    scsi_respond(c, data, n, scsi_be16(b + 7));
}

/* GET CONFIGURATION (6.6): all features are current, as the disc is always there. */
static void get_configuration(struct scsi_command *c)
{
    static const uint8_t features[] = {
        0x00, 0x00, 0x03, 4, 0,    PROFILE_DVD_ROM,
        1,    0, /* profiles */
        0x00, 0x01, 0x0b, 8, 0,    0,
        0,    1,    1,    0, 0,    0, /* core: SCSI */
        0x00, 0x03, 0x0b, 4, 0x01, 0,
        0,    0, /* removable, locks */
        0x00, 0x10, 0x01, 8, 0,    0,
        8,    0,    0,    1, 0,    0, /* random reads: 2048 bytes */
        0x00, 0x1f, 0x01, 0,          /* DVD read */
    };
    uint8_t data[8 + sizeof(features)] = {0};
    const uint32_t from = scsi_be16(c->cdb + 2), how = c->cdb[1] & 3;
    uint32_t n = 8;
    if (how == 3) {
        scsi_illegal(c, SCSI_ASC_CDB_FIELD);
        return;
    }
    for (uint32_t at = 0; at < sizeof(features); at += 4u + features[at + 3]) {
        const uint32_t code = scsi_be16(features + at), length = 4u + features[at + 3];
        if (code < from || (how == 2 && code != from))
            continue;
        memcpy(data + n, features + at, length);
        n += length;
    }
    scsi_put32(data, n - 4);
    scsi_put16(data + 6, PROFILE_DVD_ROM);
    scsi_respond(c, data, n, scsi_be16(c->cdb + 7));
}

/* GET EVENT STATUS NOTIFICATION (6.7), by polling: the disc is there and nothing has changed. */
static void event_status(struct scsi_command *c)
{
    const bool media = c->cdb[4] & 0x10;
    uint8_t data[8] = {0, media ? 6 : 2, media ? 4 : 0x80, 0x10, 0, media ? 2 : 0};
    if (c->cdb[1] & 1)
        scsi_respond(c, data, media ? 8 : 4, scsi_be16(c->cdb + 7));
    else
        scsi_illegal(c, SCSI_ASC_CDB_FIELD);
}

/* READ DISC INFORMATION (6.22), standard: a finished disc of one session */
static void disc_information(struct scsi_command *c)
{
    uint8_t data[34] = {0, 32, 0x0e, 1, 1, 1, 1, 0x20};
    memset(data + 16, 0xff, 8); /* no lead-in and lead-out to write */
    if (c->cdb[1] & 7)
        scsi_illegal(c, SCSI_ASC_CDB_FIELD);
    else
        scsi_respond(c, data, sizeof(data), scsi_be16(c->cdb + 7));
}

bool scsi_dvd(struct scsi_command *c)
{
    switch (c->cdb[0]) {
    case SCSI_READ_TOC:
        read_toc(c);
        return true;
    case SCSI_GET_CONFIGURATION:
        get_configuration(c);
        return true;
    case SCSI_GET_EVENT_STATUS:
        event_status(c);
        return true;
    case SCSI_READ_DISC_INFORMATION:
        disc_information(c);
        return true;
    default:
        return false;
    }
}
