/*
 * devices/block/ahci_int.h: ports and commands: ahci.c registers, command lists, FISes and time;
 * ata.c what a disk answers; ata_log.c its descriptions and logs; atapi.c what a CD-ROM drive
 * answers.
 */
#ifndef DEVICES_BLOCK_AHCI_INT_H
#define DEVICES_BLOCK_AHCI_INT_H

#include "abi/sata.h"
#include "devices/block/ahci.h"
#include "devices/block/xfer.h"

#define CD_SECTOR 2048u

/* State of a port and of the drive at it; 32-bit words only, hashed as such. */
struct ahci_port {
    uint32_t clb, clbu, fb, fbu;
    uint32_t is, ie, cmd, tfd, sig, ssts, sctl, serr, sact, ci;
    uint32_t slot;   /* served last */
    uint32_t halted; /* an error stopped the list until ST is cleared */
    uint32_t srst;   /* soft reset is held */
    uint32_t no_cache, no_lookahead, no_smart, multiple;
    uint32_t bad_tag, bad_error, bad_lba_low, bad_lba_high; /* NCQ error log; tag 0x80: none */
    uint32_t sense, ejected, locked;
};

struct ahci {
    struct pci_func f; /* first */
    /* wiring */
    struct clock *clock;
    struct clock_event work;
    struct ahci_drive drive[AHCI_PORTS];
    /* state */
    uint32_t ghc, is;
    uint32_t turn; /* port served last */
    uint64_t due_ns;
    struct ahci_port port[AHCI_PORTS];
    uint64_t content[AHCI_PORTS]; /* digest of each disk */
};

/* A command that is being executed, and what comes of it. */
struct ata_cmd {
    struct ahci *h;
    struct ahci_port *p;
    const struct ahci_drive *drive;
    unsigned slot;
    uint32_t header[4];
    uint64_t table;
    uint8_t cfis[64];
    /* result */
    uint8_t status, error;
    uint8_t lba[6]; /* of the answer */
    uint8_t device;
    uint16_t count;
    uint64_t bytes;    /* moved */
    bool is_pio_in;    /* answered by a PIO setup FIS */
    bool is_queued;    /* answered by a set device bits FIS */
    bool is_bus_error; /* guest memory was not there */
};

static inline uint64_t ata_lba48(const struct ata_cmd *c)
{
    const uint8_t *const f = c->cfis;
    return (uint64_t)f[10] << 40 | (uint64_t)f[9] << 32 | (uint64_t)f[8] << 24 |
           (uint64_t)f[6] << 16 | (uint64_t)f[5] << 8 | f[4];
}

/* ahci.c: data between the command's scatter list and a disk, or a buffer; 0 or -errno. At most
 * len bytes; c->bytes says how many there were places for. */
int ahci_move(struct ata_cmd *c, struct xfer *x, uint64_t len);
/* A buffer to the guest, as PIO data. */
void ahci_reply(struct ata_cmd *c, void *bytes, uint64_t len, bool pio);

void ata_fail(struct ata_cmd *c, uint8_t error);
/* After a failed ahci_move. */
void ata_move_failed(struct ata_cmd *c, int rc, bool is_read);

void ata_execute(struct ata_cmd *c);   /* ata.c */
void atapi_execute(struct ata_cmd *c); /* atapi.c */
void ata_identify(struct ata_cmd *c);  /* ata_log.c */
void ata_smart(struct ata_cmd *c);
void ata_read_log(struct ata_cmd *c);
void ata_set_features(struct ata_cmd *c);
void ata_put_text(uint8_t *words, unsigned first, unsigned count, const char *text);
void ata_put_word(uint8_t *words, unsigned n, uint32_t value);

#endif
