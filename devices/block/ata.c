/*
 * devices/block/ata.c: commands of a SATA disk (ACS-2 7): data in PIO, DMA and queued forms, cache,
 * power, TRIM. All data goes through the scatter list of the command, so the forms differ in the
 * answer only.
 *
 * Not modelled: security, host protected area, streaming, write uncorrectable, CHS addresses
 * beyond what IDENTIFY claims: aborted, as a disk without them does.
 */
#include <errno.h>
#include <string.h>

#include "devices/block/ahci_int.h"
#include "lib/log.h"

#define SECTOR DISK_SECTOR

enum form { PIO, DMA, QUEUED };

/* Data commands: opcode, direction, addressing, form. */
static const struct data_row {
    uint8_t command;
    bool is_write, is_ext;
    enum form form;
} data_rows[] = {
    {ATA_READ_SECTORS, false, false, PIO},    {ATA_READ_SECTORS_EXT, false, true, PIO},
    {ATA_READ_MULTIPLE, false, false, PIO},   {ATA_READ_MULTIPLE_EXT, false, true, PIO},
    {ATA_READ_DMA, false, false, DMA},        {ATA_READ_DMA_EXT, false, true, DMA},
    {ATA_WRITE_SECTORS, true, false, PIO},    {ATA_WRITE_SECTORS_EXT, true, true, PIO},
    {ATA_WRITE_MULTIPLE, true, false, PIO},   {ATA_WRITE_MULTIPLE_EXT, true, true, PIO},
    {ATA_WRITE_DMA, true, false, DMA},        {ATA_WRITE_DMA_EXT, true, true, DMA},
    {ATA_WRITE_DMA_FUA_EXT, true, true, DMA}, {ATA_READ_FPDMA, false, true, QUEUED},
    {ATA_WRITE_FPDMA, true, true, QUEUED},
};

static const struct data_row *find_row(uint8_t command)
{
    for (size_t i = 0; i < sizeof data_rows / sizeof data_rows[0]; i++) {
        if (data_rows[i].command == command)
            return &data_rows[i];
    }
    return NULL;
}

static uint64_t lba_of(const struct ata_cmd *c, bool is_ext)
{
    return is_ext ? ata_lba48(c) : (uint64_t)(c->cfis[7] & 15) << 24 | (ata_lba48(c) & 0xffffff);
}

static uint64_t sectors_of(const struct ata_cmd *c, bool is_ext)
{
    const uint32_t n = is_ext ? c->cfis[12] | (uint32_t)c->cfis[13] << 8 : c->cfis[12];
    return n ? n : is_ext ? 65536 : 256;
}

static bool is_inside(const struct ata_cmd *c, uint64_t lba, uint64_t sectors)
{
    const uint64_t size = c->drive->disk->size / SECTOR;
    return lba <= size && sectors <= size - lba;
}

/* A queued command that fails leaves its tag and address in log 10h. */
static void note_queued(struct ata_cmd *c, uint64_t lba)
{
    if (!c->is_queued || !(c->status & ATA_ERR))
        return;
    c->p->bad_tag = c->slot;
    c->p->bad_error = (uint32_t)c->status << 8 | c->error;
    c->p->bad_lba_low = (uint32_t)lba;
    c->p->bad_lba_high = (uint32_t)(lba >> 32);
}

static void read_write(struct ata_cmd *c, const struct data_row *row)
{
    struct xfer x;
    struct disk *const d = c->drive->disk;
    const uint64_t lba = lba_of(c, row->is_ext);
    const uint32_t queued = c->cfis[3] | (uint32_t)c->cfis[11] << 8;
    uint64_t sectors = sectors_of(c, row->is_ext);

    if (row->form == QUEUED) {
        c->is_queued = true;
        sectors = queued ? queued : 65536;
    }
    if (row->form == QUEUED && (c->cfis[12] >> 3 != c->slot || !(c->p->sact >> c->slot & 1))) {
        LOG_GUEST("ahci", "queued command with tag %u in slot %u", c->cfis[12] >> 3, c->slot);
        ata_fail(c, ATA_ABRT);
    } else if (!(c->cfis[7] & 0x40)) {
        LOG_STUB("ahci", "CHS address");
        ata_fail(c, ATA_ABRT);
    } else if (!is_inside(c, lba, sectors)) {
        ata_fail(c, ATA_IDNF);
    } else if (row->is_write && d->read_only) {
        ata_fail(c, ATA_ABRT);
    } else {
        xfer_disk(&x, &c->h->f.dma, d, lba * SECTOR, row->is_write);
        int rc = ahci_move(c, &x, sectors * SECTOR);
        if (rc == 0 && (row->command == ATA_WRITE_DMA_FUA_EXT ||
                        (row->command == ATA_WRITE_FPDMA && (c->cfis[7] & 0x80))))
            rc = disk_flush(d);
        if (rc)
            ata_move_failed(c, rc, !row->is_write);
        else
            c->is_pio_in = row->form == PIO && !row->is_write;
    }
    note_queued(c, lba);
}

static void verify(struct ata_cmd *c, bool is_ext)
{
    if (!is_inside(c, lba_of(c, is_ext), sectors_of(c, is_ext)))
        ata_fail(c, ATA_IDNF);
}

/* TRIM: blocks of 64 ranges, 48 bits of address and 16 of count; count 0 is an unused entry. */
static void trim(struct ata_cmd *c)
{
    uint64_t entry[8 * SECTOR / 8];
    struct xfer x;
    const uint64_t blocks = sectors_of(c, true);
    struct disk *const d = c->drive->disk;

    if (!(c->cfis[3] & 1) || blocks > sizeof entry / SECTOR || d->read_only) {
        ata_fail(c, ATA_ABRT);
        return;
    }
    memset(entry, 0, sizeof entry);
    xfer_buffer(&x, &c->h->f.dma, entry, true);
    int rc = ahci_move(c, &x, blocks * SECTOR);
    for (size_t i = 0; i < blocks * SECTOR / 8 && rc == 0; i++) {
        const uint64_t lba = entry[i] & 0xffffffffffffull, sectors = entry[i] >> 48;
        if (!is_inside(c, lba, sectors)) {
            ata_fail(c, ATA_IDNF);
            return;
        }
        rc = disk_zero(d, lba * SECTOR, sectors * SECTOR);
    }
    if (rc)
        ata_move_failed(c, rc, false);
}

static void flush(struct ata_cmd *c)
{
    const int rc = disk_flush(c->drive->disk);
    if (rc)
        ata_move_failed(c, rc, false);
}

void ata_execute(struct ata_cmd *c)
{
    const struct data_row *const row = find_row(c->cfis[2]);
    if (row) {
        read_write(c, row);
        return;
    }
    switch (c->cfis[2]) {
    case ATA_IDENTIFY:
        ata_identify(c);
        break;
    case ATA_FLUSH:
    case ATA_FLUSH_EXT:
        flush(c);
        break;
    case ATA_VERIFY:
    case ATA_VERIFY_EXT:
        verify(c, c->cfis[2] == ATA_VERIFY_EXT);
        break;
    case ATA_DSM:
        trim(c);
        break;
    case ATA_SET_FEATURES:
        ata_set_features(c);
        break;
    case ATA_SET_MULTIPLE:
        if (c->cfis[12] > 16 || (c->cfis[12] & (c->cfis[12] - 1)))
            ata_fail(c, ATA_ABRT);
        else
            c->p->multiple = c->cfis[12];
        break;
    case ATA_SMART:
        ata_smart(c);
        break;
    case ATA_READ_LOG_EXT:
    case ATA_READ_LOG_DMA_EXT:
        ata_read_log(c);
        break;
    case ATA_STANDBY_NOW:
    case ATA_STANDBY:
        flush(c);
        break;
    case ATA_IDLE_NOW:
    case ATA_IDLE:
    case ATA_SLEEP:
        break;
    case ATA_CHECK_POWER:
        c->count = 0xff; /* active or idle */
        break;
    case ATA_PACKET: /* what software sends to find out */
    case ATA_IDENTIFY_PACKET:
    case ATA_DEVICE_RESET:
        ata_fail(c, ATA_ABRT);
        break;
    default:
        LOG_STUB("ahci", "ATA command 0x%02x", c->cfis[2]);
        ata_fail(c, ATA_ABRT);
        break;
    }
}
