/*
 * devices/block/atapi.c: a CD-ROM or DVD drive: the ATA commands of a packet device (ACS-2 7.18)
 * and packet commands (MMC-5 6, SPC-3 6).
 *
 * Not modelled: audio, raw sectors (READ CD), several sessions, writing, DVD structures, GESN other
 * than media. A disc of more than 700 MB answers as a DVD-ROM.
 */
#include <errno.h>
#include <string.h>

#include "devices/block/ahci_int.h"
#include "lib/bytes.h"
#include "lib/log.h"

#define CD_MAX_SECTORS 360000u /* 80 minutes */

static void check_condition(struct ata_cmd *c, uint32_t sense)
{
    c->p->sense = sense;
    ata_fail(c, (uint8_t)(sense >> 16 << 4 | ATA_ABRT));
}

static bool has_medium(const struct ata_cmd *c)
{
    return c->drive->disk && !c->p->ejected;
}

static uint32_t sectors(const struct ata_cmd *c)
{
    const uint64_t n = c->drive->disk->size / CD_SECTOR;
    return n < 0xfffffffe ? (uint32_t)n : 0xfffffffe;
}

static void reply(struct ata_cmd *c, uint8_t *bytes, uint64_t len, uint64_t allowed)
{
    ahci_reply(c, bytes, len < allowed ? len : allowed, false);
}

/* ---- packet commands ---- */

static void inquiry(struct ata_cmd *c, const uint8_t *k)
{
    uint8_t b[36] = {5, 0x80, 5, 0x21, 31};
    if (k[1] & 1) {
        check_condition(c, SENSE_BAD_FIELD);
        return;
    }
    memcpy(b + 8, "VITRINE CD-ROM          1   ", 28);
    reply(c, b, sizeof b, get_be16(k + 3));
}

static void request_sense(struct ata_cmd *c, const uint8_t *k)
{
    uint8_t b[18] = {0x70, 0, (uint8_t)(c->p->sense >> 16), 0, 0, 0, 0, 10};
    b[12] = (uint8_t)(c->p->sense >> 8);
    b[13] = (uint8_t)c->p->sense;
    c->p->sense = SENSE_NONE;
    reply(c, b, sizeof b, k[4]);
}

static void read_sectors(struct ata_cmd *c, const uint8_t *k)
{
    const uint32_t lba = get_be32(k + 2),
                   n = k[0] == MMC_READ_12 ? get_be32(k + 6) : get_be16(k + 7);
    struct xfer x;
    if (lba > sectors(c) || n > sectors(c) - lba) {
        check_condition(c, SENSE_BAD_LBA);
        return;
    }
    xfer_disk(&x, &c->h->f.dma, c->drive->disk, (uint64_t)lba * CD_SECTOR, false);
    const int rc = ahci_move(c, &x, (uint64_t)n * CD_SECTOR);
    if (rc == 0)
        return;
    ata_move_failed(c, rc, true);
    check_condition(c, SENSE_READ_ERROR);
}

static void put_msf(uint8_t *p, uint32_t lba, bool is_msf)
{
    put_be32(p, lba);
    if (is_msf) {
        const uint32_t f = lba + 150;
        p[1] = (uint8_t)(f / 75 / 60);
        p[2] = (uint8_t)(f / 75 % 60);
        p[3] = (uint8_t)(f % 75);
    }
}

static void read_toc(struct ata_cmd *c, const uint8_t *k)
{
    uint8_t b[48] = {0, 0, 1, 1};
    const unsigned format = k[2] & 15 ? k[2] & 15 : k[9] >> 6;
    const bool msf = k[1] & 2;
    unsigned len = 12;
    if (format == 0) { /* track 1, and the lead-out */
        if (k[6] > 1 && k[6] != 0xaa) {
            check_condition(c, SENSE_BAD_FIELD);
            return;
        }
        if (k[6] <= 1) {
            b[5] = 0x14;
            b[6] = 1;
            put_msf(b + 8, 0, msf);
            len = 20;
        }
        b[len - 7] = 0x14;
        b[len - 6] = 0xaa;
        put_msf(b + len - 4, sectors(c), msf);
    } else if (format == 1) { /* sessions */
        b[5] = 0x14;
        b[6] = 1;
        put_msf(b + 8, 0, msf);
    } else {
        check_condition(c, SENSE_BAD_FIELD);
        return;
    }
    put_be16(b, len - 2);
    reply(c, b, len, get_be16(k + 7));
}

static void get_configuration(struct ata_cmd *c, const uint8_t *k)
{
    static const uint8_t features[] = {
        0x00, 0x00, 0x03, 8, 0x00, 0x10, 0, 0, 0x00, 0x08, 0, 0, /* profiles DVD-ROM, CD-ROM */
        0x00, 0x01, 0x0b, 8, 0,    0,    0, 8, 1,    0,    0, 0, /* core: ATAPI */
        0x00, 0x03, 0x03, 4, 0x29, 0,    0, 0,                   /* removable, tray */
        0x00, 0x10, 0x01, 8, 0,    0,    8, 0, 0,    1,    0, 0, /* random reads */
        0x00, 0x1e, 0x01, 4, 0,    0,    0, 0,                   /* CD read */
        0x00, 0x1f, 0x01, 0,                                     /* DVD read */
    };
    uint8_t b[8 + sizeof features] = {0};
    const uint32_t from = get_be16(k + 2), how = k[1] & 3;
    const uint32_t profile = !has_medium(c) ? 0 : sectors(c) > CD_MAX_SECTORS ? 0x10 : 8;
    size_t len = 8;
    for (size_t at = 0; at < sizeof features; at += 4u + features[at + 3]) {
        const uint32_t code = get_be16(features + at);
        const bool current = code != 0x1e && code != 0x1f ? has_medium(c) || code < 4
                             : code == 0x1e               ? profile == 8
                                                          : profile == 0x10;
        if (code < from || (how == 2 && code != from) || (how == 1 && !current))
            continue;
        memcpy(b + len, features + at, 4u + features[at + 3]);
        b[len + 2] = (uint8_t)((b[len + 2] & ~1u) | current);
        if (code == 0) {
            b[len + 6] = profile == 0x10;
            b[len + 10] = profile == 8;
        }
        len += 4u + features[at + 3];
    }
    put_be32(b, (uint32_t)len - 4);
    put_be16(b + 6, profile);
    reply(c, b, len, get_be16(k + 7));
}

static void event_status(struct ata_cmd *c, const uint8_t *k)
{
    uint8_t b[8] = {0, 6, 4, 0x10}; /* media class */
    if (!(k[1] & 1)) {
        check_condition(c, SENSE_BAD_FIELD);
        return;
    }
    if (!(k[4] & 0x10)) { /* no class that we have */
        b[1] = 2;
        b[2] = 0x80;
        reply(c, b, 4, get_be16(k + 7));
        return;
    }
    b[5] = (uint8_t)((has_medium(c) ? 2 : 0) | (c->p->ejected ? 1 : 0));
    reply(c, b, sizeof b, get_be16(k + 7));
}

static void mode_sense(struct ata_cmd *c, const uint8_t *k)
{
    uint8_t b[64] = {0};
    const unsigned page = k[2] & 0x3f;
    size_t len = 8;
    if (page != 0x01 && page != 0x2a && page != 0x3f) {
        check_condition(c, SENSE_BAD_FIELD);
        return;
    }
    if (page != 0x2a) { /* error recovery */
        b[len] = 0x01;
        b[len + 1] = 6;
        b[len + 3] = 5;
        len += 8;
    }
    if (page != 0x01) { /* capabilities: reads CD-R, CD-RW, DVD; tray that locks and ejects */
        b[len] = 0x2a;
        b[len + 1] = 18;
        b[len + 2] = 0x3b;
        b[len + 4] = 0x70;
        b[len + 6] = (uint8_t)(0x29 | (c->p->locked ? 2 : 0));
        put_be16(b + len + 8, 5632);
        put_be16(b + len + 12, 512);
        put_be16(b + len + 14, 5632);
        len += 20;
    }
    put_be16(b, (uint32_t)len - 2);
    b[2] = has_medium(c) ? 1 : 0x70;
    reply(c, b, len, get_be16(k + 7));
}

static void disc_information(struct ata_cmd *c, const uint8_t *k)
{
    uint8_t b[34] = {0, 32, 0x0e, 1, 1, 1, 1, 0x20};
    memset(b + 16, 0xff, 8);
    reply(c, b, sizeof b, get_be16(k + 7));
}

static void start_stop(struct ata_cmd *c, const uint8_t *k)
{
    if ((k[4] & 2) && !(k[4] & 1) && c->p->locked)
        check_condition(c, 0x055302); /* removal prevented */
    else if (k[4] & 2)
        c->p->ejected = !(k[4] & 1);
}

static void read_capacity(struct ata_cmd *c)
{
    uint8_t b[8];
    put_be32(b, sectors(c) - 1);
    put_be32(b + 4, CD_SECTOR);
    reply(c, b, sizeof b, sizeof b);
}

static bool needs_medium(uint8_t command)
{
    return command == MMC_TEST_UNIT_READY || command == MMC_READ_CAPACITY ||
           command == MMC_READ_10 || command == MMC_READ_12 || command == MMC_READ_TOC ||
           command == MMC_DISC_INFORMATION || command == MMC_SEEK;
}

static void packet(struct ata_cmd *c)
{
    uint8_t k[16];
    if (!dma_read(&c->h->f.dma, iova(c->table + AHCI_TABLE_PACKET), k, sizeof k)) {
        ata_move_failed(c, -EFAULT, true);
        return;
    }
    if (k[0] != MMC_REQUEST_SENSE)
        c->p->sense = SENSE_NONE;
    if (needs_medium(k[0]) && !has_medium(c)) {
        check_condition(c, SENSE_NO_MEDIUM);
        return;
    }
    switch (k[0]) {
    case MMC_TEST_UNIT_READY:
    case MMC_SEEK:
    case MMC_SYNCHRONIZE:
        break;
    case MMC_REQUEST_SENSE:
        request_sense(c, k);
        break;
    case MMC_INQUIRY:
        inquiry(c, k);
        break;
    case MMC_START_STOP:
        start_stop(c, k);
        break;
    case MMC_PREVENT_REMOVAL:
        c->p->locked = k[4] & 1;
        break;
    case MMC_READ_CAPACITY:
        read_capacity(c);
        break;
    case MMC_READ_10:
    case MMC_READ_12:
        read_sectors(c, k);
        break;
    case MMC_READ_TOC:
        read_toc(c, k);
        break;
    case MMC_GET_CONFIGURATION:
        get_configuration(c, k);
        break;
    case MMC_EVENT_STATUS:
        event_status(c, k);
        break;
    case MMC_DISC_INFORMATION:
        disc_information(c, k);
        break;
    case MMC_MODE_SENSE_10:
        mode_sense(c, k);
        break;
    case MMC_MECHANISM_STATUS: {
        uint8_t b[8] = {0, 0, 0, 0, 0, 1};
        reply(c, b, sizeof b, get_be16(k + 8));
        break;
    }
    default:
        LOG_STUB("ahci", "packet command 0x%02x", k[0]);
        check_condition(c, SENSE_BAD_OPCODE);
        break;
    }
}

/* ---- ATA commands ---- */

static void identify_packet(struct ata_cmd *c)
{
    uint8_t w[512] = {0};
    ata_put_word(w, 0, 0x85c0); /* CD-ROM, removable, 12-byte packets */
    ata_put_text(w, 10, 10, "VITRINECD");
    ata_put_text(w, 23, 4, "1");
    ata_put_text(w, 27, 20, "Vitrine CD-ROM");
    ata_put_word(w, 49, 0x0f00);
    ata_put_word(w, 53, 0x0006);
    ata_put_word(w, 63, 0x0007);
    ata_put_word(w, 64, 0x0003);
    for (unsigned i = 65; i <= 68; i++)
        ata_put_word(w, i, 120);
    ata_put_word(w, 76, 0x0e);
    ata_put_word(w, 80, 0x01f0);
    ata_put_word(w, 82, 1u << 14 | 1u << 9 | 1u << 4); /* NOP, DEVICE RESET, PACKET */
    ata_put_word(w, 83, 1u << 14);
    ata_put_word(w, 84, 1u << 14);
    ata_put_word(w, 85, 1u << 14 | 1u << 9 | 1u << 4);
    ata_put_word(w, 87, 1u << 14);
    ata_put_word(w, 88, 0x203f);
    ahci_reply(c, w, sizeof w, true);
}

void atapi_execute(struct ata_cmd *c)
{
    switch (c->cfis[2]) {
    case ATA_PACKET:
        packet(c);
        c->count = 3; /* command, to the host: done */
        break;
    case ATA_IDENTIFY_PACKET:
        identify_packet(c);
        break;
    case ATA_IDENTIFY: /* aborted, and the signature tells why */
        ata_fail(c, ATA_ABRT);
        c->lba[0] = 1;
        c->lba[1] = 0x14;
        c->lba[2] = 0xeb;
        c->count = 1;
        break;
    case ATA_SET_FEATURES:
        ata_set_features(c);
        break;
    case ATA_DEVICE_RESET:
    case ATA_STANDBY_NOW:
    case ATA_IDLE_NOW:
    case ATA_SLEEP:
    case ATA_FLUSH:
        break;
    case ATA_CHECK_POWER:
        c->count = 0xff;
        break;
    default:
        LOG_STUB("ahci", "ATA command 0x%02x of a packet device", c->cfis[2]);
        ata_fail(c, ATA_ABRT);
        break;
    }
}
