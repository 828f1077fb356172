/*
 * devices/block/ata_log.c: what a SATA disk tells about itself: IDENTIFY DEVICE (ACS-2 7.12), SMART
 * (7.47, minimal), logs (annex A: directory, NCQ errors), SET FEATURES (7.45).
 */
#include <stdio.h>
#include <string.h>

#include "devices/block/ahci_int.h"
#include "lib/log.h"

void ata_put_word(uint8_t *words, unsigned n, uint32_t value)
{
    words[2 * n] = (uint8_t)value;
    words[2 * n + 1] = (uint8_t)(value >> 8);
}

/* Text is stored with the bytes of each word exchanged, padded with blanks. */
void ata_put_text(uint8_t *words, unsigned first, unsigned count, const char *text)
{
    const size_t len = strlen(text);
    for (unsigned i = 0; i < 2 * count; i++)
        words[2 * first + (i ^ 1)] = i < len ? (uint8_t)text[i] : ' ';
}

static void put_features(const struct ahci_port *p, uint8_t *w)
{
    const uint32_t cache = p->no_cache ? 0 : 1u << 5, ahead = p->no_lookahead ? 0 : 1u << 6;
    ata_put_word(w, 82, 1u << 14 | 1u << 6 | 1u << 5 | 1u << 3 | 1); /* NOP, cache, power, SMART */
    ata_put_word(w, 83, 1u << 14 | 1u << 13 | 1u << 12 | 1u << 10);  /* flushes, 48 bits */
    ata_put_word(w, 84, 1u << 14 | 1u << 8 | 1u << 6 | 1u << 5);     /* WWN, FUA, logs */
    ata_put_word(w, 85, 1u << 14 | ahead | cache | 1u << 3 | !p->no_smart);
    ata_put_word(w, 86, 1u << 13 | 1u << 12 | 1u << 10);
    ata_put_word(w, 87, 1u << 14 | 1u << 8 | 1u << 6 | 1u << 5);
}

void ata_identify(struct ata_cmd *c)
{
    uint8_t w[512] = {0};
    char serial[21];
    const unsigned port = (unsigned)(c->p - c->h->port);
    const uint64_t sectors = c->drive->disk->size / DISK_SECTOR;
    const uint32_t low = sectors < 0x0fffffff ? (uint32_t)sectors : 0x0fffffff;
    const uint64_t cylinders = sectors / (16 * 63) < 16383 ? sectors / (16 * 63) : 16383;
    uint8_t sum = 0;

    snprintf(serial, sizeof serial, "VITRINE%04u", port + 1);
    ata_put_word(w, 0, 0x0040);
    ata_put_word(w, 1, (uint32_t)cylinders);
    ata_put_word(w, 3, 16);
    ata_put_word(w, 6, 63);
    ata_put_text(w, 10, 10, serial);
    ata_put_text(w, 23, 4, "1");
    ata_put_text(w, 27, 20, "Vitrine SATA disk");
    ata_put_word(w, 47, 0x8010); /* 16 sectors of READ MULTIPLE */
    ata_put_word(w, 49, 0x0f00); /* DMA, LBA, IORDY */
    ata_put_word(w, 50, 0x4000);
    ata_put_word(w, 53, 0x0006);
    ata_put_word(w, 59, c->p->multiple ? 0x0100 | c->p->multiple : 0);
    ata_put_word(w, 60, low);
    ata_put_word(w, 61, low >> 16);
    ata_put_word(w, 63, 0x0007);
    ata_put_word(w, 64, 0x0003);
    for (unsigned i = 65; i <= 68; i++)
        ata_put_word(w, i, 120);
    ata_put_word(w, 69, 1u << 14 | 1u << 5); /* zeros after TRIM, always */
    ata_put_word(w, 75, 31);
    ata_put_word(w, 76, 1u << 8 | 0x0e); /* NCQ, three speeds */
    ata_put_word(w, 80, 0x01f0);
    put_features(c->p, w);
    ata_put_word(w, 88, 0x203f); /* UDMA 5 */
    for (unsigned i = 0; i < 4; i++)
        ata_put_word(w, 100 + i, (uint32_t)(sectors >> 16 * i));
    ata_put_word(w, 105, 8); /* blocks of TRIM ranges */
    ata_put_word(w, 106, 0x4000);
    ata_put_word(w, 108, 0x5001);
    ata_put_word(w, 110, 0x5649); /* made up */
    ata_put_word(w, 111, port + 1);
    ata_put_word(w, 169, 1); /* TRIM */
    ata_put_word(w, 217, 1); /* does not rotate */
    ata_put_word(w, 222, 0x101f);
    w[510] = 0xa5;
    for (unsigned i = 0; i < 511; i++)
        sum += w[i];
    w[511] = (uint8_t)-sum;
    ahci_reply(c, w, sizeof w, true);
}

void ata_set_features(struct ata_cmd *c)
{
    switch (c->cfis[3]) {
    case 0x02:
    case 0x82:
        c->p->no_cache = c->cfis[3] >> 7;
        break;
    case 0xaa:
    case 0x55:
        c->p->no_lookahead = c->cfis[3] == 0x55;
        break;
    case 0x03: /* transfer mode: all are as fast */
    case 0x05: /* power and noise: no effect */
    case 0x85:
    case 0x10: /* SATA features: automatic activation and the like */
    case 0x90:
        break;
    default:
        ata_fail(c, ATA_ABRT);
        break;
    }
}

static void put_sum(uint8_t *page)
{
    uint8_t sum = 0;
    for (unsigned i = 0; i < 511; i++)
        sum += page[i];
    page[511] = (uint8_t)-sum;
}

void ata_smart(struct ata_cmd *c)
{
    uint8_t page[512] = {0};
    if (c->cfis[5] != 0x4f || c->cfis[6] != 0xc2) {
        ata_fail(c, ATA_ABRT);
        return;
    }
    switch (c->cfis[3]) {
    case 0xd0: /* data: no attributes */
    case 0xd1: /* thresholds */
        page[0] = 0x10;
        put_sum(page);
        ahci_reply(c, page, sizeof page, true);
        break;
    case 0xd5: /* logs: an empty summary */
        page[0] = 1;
        put_sum(page);
        ahci_reply(c, page, sizeof page, true);
        break;
    case 0xd8:
    case 0xd9:
        c->p->no_smart = c->cfis[3] == 0xd9;
        break;
    case 0xd2: /* autosave */
    case 0xda: /* status: what was sent means healthy */
        break;
    default:
        ata_fail(c, ATA_ABRT);
        break;
    }
}

void ata_read_log(struct ata_cmd *c)
{
    uint8_t page[512] = {0};
    const bool pio = c->cfis[2] == ATA_READ_LOG_EXT;
    struct ahci_port *const p = c->p;
    if (c->count != 1 || c->cfis[5] || c->cfis[9]) {
        ata_fail(c, ATA_ABRT);
        return;
    }
    switch (c->cfis[4]) {
    case 0x00: /* directory */
        page[0] = 1;
        page[2 * 0x10] = 1;
        break;
    case 0x10: /* the queued command that failed */
        page[0] = (uint8_t)p->bad_tag;
        page[2] = (uint8_t)(p->bad_error >> 8);
        page[3] = (uint8_t)p->bad_error;
        memcpy(page + 4, &p->bad_lba_low, 3);
        page[7] = 0x40;
        page[8] = (uint8_t)(p->bad_lba_low >> 24);
        memcpy(page + 9, &p->bad_lba_high, 2);
        put_sum(page);
        p->bad_tag = 0x80;
        p->sact = 0; /* reading it ends the error; all queued commands are gone (ACS-2 A.7) */
        break;
    default:
        ata_fail(c, ATA_ABRT);
        return;
    }
    ahci_reply(c, page, sizeof page, pio);
}
