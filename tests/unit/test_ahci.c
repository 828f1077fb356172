/* Unit tests of the AHCI adapter: registers, command lists, SATA disk, CD-ROM, hostile drivers. */
#include "tests/lib/suite.h"

#include <errno.h>
#include <string.h>

#include "abi/sata.h"
#include "devices/block/ahci.h"
#include "devices/disk/disk.h"
#include "lib/log.h"
#include "tests/isa/rng.h"
#include "tests/lib/pci_rig.h"

#define LISTS         0x10000ull /* + 0x1000 per port */
#define RX            0x20000ull
#define TABLE         0x30000ull
#define DATA          0x100000ull
#define SIZE          (4u << 20)
#define PX(port, reg) (AHCI_PORT + 0x80 * (port) + (reg))

static struct pci_rig rig;
static struct disk *disk, *cd;

static void quiet(void *opaque, enum log_level level, const char *module, const char *text)
{
    (void)opaque;
    (void)level;
    (void)module;
    (void)text;
}

static void start(unsigned port)
{
    pci_rig_set(&rig, PX(port, AHCI_PX_CLB), (uint32_t)(LISTS + 0x1000 * port));
    pci_rig_set(&rig, PX(port, AHCI_PX_FB), (uint32_t)(RX + 0x1000 * port));
    pci_rig_set(&rig, PX(port, AHCI_PX_IS), ~0u);
    pci_rig_set(&rig, PX(port, AHCI_PX_CMD), AHCI_CMD_FRE | AHCI_CMD_ST);
}

/* Port 0: disk, 1: CD-ROM, 2: drive without disc */
static void plug(void)
{
    pci_rig_init(&rig);
    log_set_sink(quiet, NULL);
    disk = memdisk_new(SIZE);
    cd = memdisk_new(1 << 20);
    for (unsigned i = 0; i < SIZE; i += 8)
        disk_write(disk, i, (const uint64_t[]){i * 0x9e3779b97f4a7c15ull}, 8);
    disk_write(cd, 16 * 2048, "CD001", 5);
    const struct ahci_drive drives[] = {{disk, false}, {cd, true}, {NULL, true}};
    pci_rig_plug(&rig, ahci_new(rig.clock, &rig.dma, &rig.msi, drives, 3), 5);
    for (unsigned port = 0; port < 3; port++)
        start(port);
}
static void unplug(void)
{
    pci_rig_free(&rig);
    disk_close(disk);
    disk_close(cd);
}

struct request {
    uint8_t command, features, device;
    uint64_t lba;
    uint32_t count;
    const uint8_t *packet;
    uint64_t data;
    uint32_t len;
    bool is_queued;
};

/* The command list entry, table and one scatter entry of a request. */
static void prepare(unsigned port, unsigned slot, const struct request *q)
{
    const uint64_t table = TABLE + 0x1000 * (port * 32ull + slot);
    uint8_t f[64] = {FIS_H2D, 0x80, q->command, q->features};
    for (unsigned i = 0; i < 3; i++) {
        f[4 + i] = (uint8_t)(q->lba >> 8 * i);
        f[8 + i] = (uint8_t)(q->lba >> (24 + 8 * i));
    }
    f[7] = q->device ? q->device : 0x40;
    f[12] = (uint8_t)q->count;
    f[13] = (uint8_t)(q->count >> 8);
    if (q->is_queued) {
        f[3] = (uint8_t)q->count;
        f[11] = (uint8_t)(q->count >> 8);
        f[12] = (uint8_t)(slot << 3);
    }
    const uint32_t header[8] = {5 | (q->packet ? AHCI_HDR_ATAPI : 0) | (q->len ? 1u << 16 : 0), 0,
                                (uint32_t)table};
    const uint32_t prd[4] = {(uint32_t)q->data, (uint32_t)(q->data >> 32), 0, q->len - 1};
    ram_write(rig.ram, hpa(LISTS + 0x1000 * port + 32 * slot), header, sizeof header);
    ram_write(rig.ram, hpa(table), f, sizeof f);
    if (q->packet)
        ram_write(rig.ram, hpa(table + 0x40), q->packet, 12);
    ram_write(rig.ram, hpa(table + 0x80), prd, sizeof prd);
}

/* Runs a request in slot 0 of a port; its task file: error << 8 | status. */
static uint32_t run(unsigned port, struct request q)
{
    prepare(port, 0, &q);
    pci_rig_set(&rig, PX(port, AHCI_PX_IS), ~0u);
    if (q.is_queued)
        pci_rig_set(&rig, PX(port, AHCI_PX_SACT), 1);
    pci_rig_set(&rig, PX(port, AHCI_PX_CI), 1);
    pci_rig_settle(&rig, 5);
    const uint32_t tfd = pci_rig_get(&rig, PX(port, AHCI_PX_TFD));
    if (tfd & ATA_ERR) { /* as a driver recovers */
        ck_assert(pci_rig_get(&rig, PX(port, AHCI_PX_IS)) & AHCI_IS_TFES);
        pci_rig_set(&rig, PX(port, AHCI_PX_CMD), AHCI_CMD_FRE);
        ck_assert_uint_eq(pci_rig_get(&rig, PX(port, AHCI_PX_CI)), 0);
        start(port);
    } else {
        ck_assert_uint_eq(pci_rig_get(&rig, PX(port, AHCI_PX_CI)), 0);
    }
    return tfd;
}
static uint32_t packet(unsigned port, const uint8_t *bytes, uint32_t len)
{
    return run(port,
               (struct request){.command = ATA_PACKET, .packet = bytes, .data = DATA, .len = len});
}
static bool same(uint64_t at, struct disk *d, uint64_t where, size_t len)
{
    static uint8_t a[65536], b[65536];
    ram_read(rig.ram, hpa(at), a, len);
    disk_read(d, where, b, len);
    return memcmp(a, b, len) == 0;
}

START_TEST(ports_say_what_is_there)
{
    plug();
    ck_assert_uint_eq(pci_rig_cfg(&rig, PCI_REVISION) >> 8, 0x010601);
    ck_assert_uint_eq(pci_rig_get(&rig, AHCI_PI), 0x3f);
    ck_assert_uint_eq(pci_rig_get(&rig, AHCI_CAP) & 31, 5);
    ck_assert_uint_eq(pci_rig_get(&rig, PX(0, AHCI_PX_SIG)), AHCI_SIG_DISK);
    ck_assert_uint_eq(pci_rig_get(&rig, PX(1, AHCI_PX_SIG)), AHCI_SIG_ATAPI);
    ck_assert_uint_eq(pci_rig_get(&rig, PX(2, AHCI_PX_SSTS)), AHCI_SSTS_UP);
    ck_assert_uint_eq(pci_rig_get(&rig, PX(3, AHCI_PX_SSTS)), 0);
    ck_assert_uint_eq(pci_rig_get(&rig, PX(0, AHCI_PX_TFD)) & 0xff, ATA_DRDY | ATA_DSC);
    pci_rig_set(&rig, PX(0, AHCI_PX_SCTL), 0x301);
    ck_assert_uint_eq(pci_rig_get(&rig, PX(0, AHCI_PX_SSTS)), 0);
    pci_rig_set(&rig, PX(0, AHCI_PX_SCTL), 0x300);
    ck_assert_uint_eq(pci_rig_get(&rig, PX(0, AHCI_PX_SSTS)), AHCI_SSTS_UP);
    unplug();
}
END_TEST

START_TEST(identify_describes_the_disk)
{
    uint16_t w[256];
    uint8_t sum = 0;
    plug();
    ck_assert_uint_eq(
        run(0, (struct request){.command = ATA_IDENTIFY, .data = DATA, .len = 512}) & 1, 0);
    ck_assert(pci_rig_get(&rig, PX(0, AHCI_PX_IS)) & AHCI_IS_PSS);
    ram_read(rig.ram, hpa(DATA), w, sizeof w);
    ck_assert_uint_eq(w[100] | (uint32_t)w[101] << 16, SIZE / 512);
    ck_assert_uint_eq(w[60] | (uint32_t)w[61] << 16, SIZE / 512);
    ck_assert(w[76] & 1 << 8);
    for (unsigned i = 0; i < 512; i++)
        sum += ((uint8_t *)w)[i];
    ck_assert_uint_eq(sum, 0);
    ck_assert_uint_eq(
        run(0, (struct request){.command = ATA_IDENTIFY_PACKET, .data = DATA, .len = 512}),
        ATA_ABRT << 8 | 0x51);
    ck_assert_uint_eq(run(1, (struct request){.command = ATA_IDENTIFY, .data = DATA, .len = 512}),
                      ATA_ABRT << 8 | 0x51);
    uint8_t fis[20];
    ram_read(rig.ram, hpa(RX + 0x1000 + AHCI_RX_D2H), fis, sizeof fis);
    ck_assert(fis[5] == 0x14 && fis[6] == 0xeb);
    unplug();
}
END_TEST

START_TEST(every_form_of_read_reads)
{
    static const struct {
        uint8_t command;
        bool is_queued;
    } forms[] = {{ATA_READ_SECTORS, 0}, {ATA_READ_SECTORS_EXT, 0}, {ATA_READ_DMA, 0},
                 {ATA_READ_DMA_EXT, 0}, {ATA_READ_MULTIPLE, 0},    {ATA_READ_MULTIPLE_EXT, 0},
                 {ATA_READ_FPDMA, 1}};
    plug();
    for (unsigned i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        const uint64_t lba = 100 + 7 * i;
        ck_assert_uint_eq(run(0, (struct request){.command = forms[i].command,
                                                  .lba = lba,
                                                  .count = 9,
                                                  .data = DATA,
                                                  .len = 9 * 512,
                                                  .is_queued = forms[i].is_queued}) &
                              1,
                          0);
        ck_assert(same(DATA, disk, lba * 512, 9 * 512));
        ck_assert_uint_eq(pci_rig_get(&rig, PX(0, AHCI_PX_SACT)), 0);
        uint32_t moved;
        ram_read(rig.ram, hpa(LISTS + 4), &moved, 4);
        ck_assert_uint_eq(moved, 9 * 512);
    }
    unplug();
}
END_TEST

START_TEST(every_form_of_write_writes)
{
    static const uint8_t forms[] = {ATA_WRITE_SECTORS, ATA_WRITE_SECTORS_EXT, ATA_WRITE_DMA,
                                    ATA_WRITE_DMA_EXT, ATA_WRITE_DMA_FUA_EXT, ATA_WRITE_FPDMA};
    uint8_t bytes[2048];
    plug();
    for (unsigned i = 0; i < sizeof forms; i++) {
        memset(bytes, 0x30 + (int)i, sizeof bytes);
        ram_write(rig.ram, hpa(DATA), bytes, sizeof bytes);
        ck_assert_uint_eq(run(0, (struct request){.command = forms[i],
                                                  .lba = 50 + 4 * i,
                                                  .count = 4,
                                                  .data = DATA,
                                                  .len = 2048,
                                                  .is_queued = forms[i] == ATA_WRITE_FPDMA}) &
                              1,
                          0);
        ck_assert(same(DATA, disk, (50 + 4 * i) * 512, 2048));
    }
    ck_assert_uint_eq(run(0, (struct request){.command = ATA_FLUSH_EXT}) & 1, 0);
    const uint64_t range[64] = {4ull << 48 | 50};
    ram_write(rig.ram, hpa(DATA), range, sizeof range);
    ck_assert_uint_eq(
        run(0,
            (struct request){
                .command = ATA_DSM, .features = 1, .count = 1, .data = DATA, .len = 512}) &
            1,
        0);
    disk_read(disk, 50 * 512, bytes, 2048);
    ck_assert_uint_eq(bytes[0] | bytes[2047], 0);
    disk_read(disk, 54 * 512, bytes, 1);
    ck_assert_uint_eq(bytes[0], 0x31);
    unplug();
}
END_TEST

START_TEST(errors_of_the_disk_reach_the_driver)
{
    uint8_t log[512];
    plug();
    ck_assert_uint_eq(run(0, (struct request){.command = ATA_READ_DMA_EXT,
                                              .lba = SIZE / 512,
                                              .count = 1,
                                              .data = DATA,
                                              .len = 512}),
                      ATA_IDNF << 8 | 0x51);
    ck_assert_uint_eq(run(0, (struct request){.command = 0xff}), ATA_ABRT << 8 | 0x51);
    /* a queued command that fails is in log 10h */
    struct request q = {.command = ATA_READ_FPDMA,
                        .lba = 0x123456789aull,
                        .count = 8,
                        .data = DATA,
                        .len = 4096,
                        .is_queued = true};
    ck_assert_uint_eq(run(0, q), ATA_IDNF << 8 | 0x51);
    ck_assert_uint_eq(
        run(0,
            (struct request){
                .command = ATA_READ_LOG_EXT, .lba = 0x10, .count = 1, .data = DATA, .len = 512}) &
            1,
        0);
    ram_read(rig.ram, hpa(DATA), log, sizeof log);
    ck_assert(log[0] == 0 && log[3] == ATA_IDNF && log[4] == 0x9a && log[8] == 0x34 &&
              log[9] == 0x12);
    /* memory that is not there */
    ck_assert(
        run(0,
            (struct request){.command = ATA_READ_DMA, .count = 1, .data = 0xf0000000, .len = 512}) &
        ATA_ERR);
    disk->read_only = true;
    ck_assert_uint_eq(
        run(0, (struct request){.command = ATA_WRITE_DMA, .count = 1, .data = DATA, .len = 512}),
        ATA_ABRT << 8 | 0x51);
    unplug();
}
END_TEST

START_TEST(several_queued_commands_complete)
{
    plug();
    for (unsigned slot = 0; slot < 32; slot++)
        prepare(0, slot,
                &(struct request){.command = ATA_READ_FPDMA,
                                  .lba = slot * 8,
                                  .count = 8,
                                  .data = DATA + 4096 * slot,
                                  .len = 4096,
                                  .is_queued = true});
    pci_rig_set(&rig, PX(0, AHCI_PX_SACT), ~0u);
    pci_rig_set(&rig, PX(0, AHCI_PX_CI), ~0u);
    pci_rig_settle(&rig, 100);
    ck_assert_uint_eq(pci_rig_get(&rig, PX(0, AHCI_PX_SACT)), 0);
    ck_assert_uint_eq(pci_rig_get(&rig, PX(0, AHCI_PX_CI)), 0);
    ck_assert(same(DATA, disk, 0, 65536));
    unplug();
}
END_TEST

START_TEST(a_soft_reset_gives_the_signature)
{
    uint8_t f[64] = {FIS_H2D, 0, 0, 0}, fis[20];
    plug();
    for (unsigned phase = 0; phase < 2; phase++) {
        prepare(1, 0, &(struct request){.command = 0});
        f[15] = phase ? 0 : 4;
        ram_write(rig.ram, hpa(TABLE + 0x20000), f, sizeof f);
        pci_rig_set(&rig, PX(1, AHCI_PX_CI), 1);
        pci_rig_settle(&rig, 5);
        ck_assert_uint_eq(pci_rig_get(&rig, PX(1, AHCI_PX_CI)), 0);
        ck_assert_uint_eq(pci_rig_get(&rig, PX(1, AHCI_PX_TFD)) & ATA_BSY, phase ? 0 : ATA_BSY);
    }
    ram_read(rig.ram, hpa(RX + 0x1000 + AHCI_RX_D2H), fis, sizeof fis);
    ck_assert(fis[0] == FIS_D2H && fis[4] == 1 && fis[5] == 0x14 && fis[6] == 0xeb);
    unplug();
}
END_TEST

START_TEST(a_disc_is_read)
{
    uint8_t b[64];
    plug();
    ck_assert_uint_eq(packet(1, (const uint8_t[12]){MMC_TEST_UNIT_READY}, 0) & 1, 0);
    ck_assert_uint_eq(packet(1, (const uint8_t[12]){MMC_INQUIRY, 0, 0, 0, 36}, 36) & 1, 0);
    ram_read(rig.ram, hpa(DATA), b, 36);
    ck_assert(b[0] == 5 && memcmp(b + 8, "VITRINE ", 8) == 0);
    packet(1, (const uint8_t[12]){MMC_READ_CAPACITY}, 8);
    ram_read(rig.ram, hpa(DATA), b, 8);
    ck_assert(b[2] == 1 && b[3] == 0xff && b[6] == 8); /* 512 sectors of 2048 */
    packet(1, (const uint8_t[12]){MMC_READ_10, 0, 0, 0, 0, 16, 0, 0, 2}, 4096);
    ram_read(rig.ram, hpa(DATA), b, 5);
    ck_assert_int_eq(memcmp(b, "CD001", 5), 0);
    packet(1, (const uint8_t[12]){MMC_READ_12, 0, 0, 0, 1, 0xff, 0, 0, 0, 1}, 2048);
    ck_assert(same(DATA, cd, 511 * 2048, 2048));
    ck_assert_uint_eq(packet(1, (const uint8_t[12]){MMC_READ_10, 0, 0, 0, 1, 0xff, 0, 0, 2}, 4096),
                      0x5451);
    packet(1, (const uint8_t[12]){MMC_REQUEST_SENSE, 0, 0, 0, 18}, 18);
    ram_read(rig.ram, hpa(DATA), b, 18);
    ck_assert(b[2] == 5 && b[12] == 0x21);
    packet(1, (const uint8_t[12]){MMC_READ_TOC, 0, 0, 0, 0, 0, 0, 0, 20}, 20);
    ram_read(rig.ram, hpa(DATA), b, 20);
    ck_assert(b[1] == 18 && b[6] == 1 && b[14] == 0xaa && b[18] == 2);
    packet(1, (const uint8_t[12]){MMC_GET_CONFIGURATION, 0, 0, 0, 0, 0, 0, 0, 64}, 64);
    ram_read(rig.ram, hpa(DATA), b, 8);
    ck_assert_uint_eq(b[7], 8); /* CD-ROM */
    ck_assert(packet(1, (const uint8_t[12]){0x77}, 8) & ATA_ERR);
    unplug();
}
END_TEST

START_TEST(a_tray_opens_and_closes)
{
    uint8_t b[18];
    plug();
    ck_assert(packet(2, (const uint8_t[12]){MMC_TEST_UNIT_READY}, 0) & ATA_ERR);
    packet(2, (const uint8_t[12]){MMC_REQUEST_SENSE, 0, 0, 0, 18}, 18);
    ram_read(rig.ram, hpa(DATA), b, 18);
    ck_assert(b[2] == 2 && b[12] == 0x3a);
    packet(1, (const uint8_t[12]){MMC_START_STOP, 0, 0, 0, 2}, 0);
    ck_assert(packet(1, (const uint8_t[12]){MMC_TEST_UNIT_READY}, 0) & ATA_ERR);
    packet(1, (const uint8_t[12]){MMC_EVENT_STATUS, 1, 0, 0, 0x10, 0, 0, 0, 8}, 8);
    ram_read(rig.ram, hpa(DATA), b, 8);
    ck_assert_uint_eq(b[5], 1);
    packet(1, (const uint8_t[12]){MMC_START_STOP, 0, 0, 0, 3}, 0);
    ck_assert_uint_eq(packet(1, (const uint8_t[12]){MMC_TEST_UNIT_READY}, 0) & 1, 0);
    packet(1, (const uint8_t[12]){MMC_PREVENT_REMOVAL, 0, 0, 0, 1}, 0);
    ck_assert(packet(1, (const uint8_t[12]){MMC_START_STOP, 0, 0, 0, 2}, 0) & ATA_ERR);
    unplug();
}
END_TEST

START_TEST(completion_comes_by_message_when_enabled)
{
    plug();
    const unsigned cap = pci_rig_cap(&rig, PCI_CAP_MSI);
    pci_rig_cfg_set(&rig, cap + 4, 0xfee00000);
    pci_rig_cfg_set(&rig, cap + 12, 0x51);
    pci_rig_cfg_set(&rig, cap, 1 << 16);
    pci_rig_set(&rig, PX(0, AHCI_PX_IE), AHCI_IS_DHRS);
    pci_rig_set(&rig, AHCI_GHC, AHCI_GHC_AE | AHCI_GHC_IE);
    run(0, (struct request){.command = ATA_FLUSH});
    ck_assert_uint_eq(rig.messages, 1);
    ck_assert_uint_eq(rig.last_data, 0x51);
    ck_assert_uint_eq(pci_rig_get(&rig, AHCI_IS), 1);
    pci_rig_set(&rig, PX(0, AHCI_PX_IS), ~0u);
    pci_rig_set(&rig, AHCI_IS, 1);
    ck_assert_uint_eq(pci_rig_get(&rig, AHCI_IS), 0);
    unplug();
}
END_TEST

/* Random registers, commands, packets and scatter lists: no crash, no hang; a reset helps. */
START_TEST(hostile_drivers_do_no_harm)
{
    struct rng rng = {4321};
    plug();
    for (unsigned round = 0; round < 60; round++) {
        for (unsigned i = 0; i < 300; i++) {
            const uint64_t r = rnd(&rng);
            const unsigned port = below(&rng, 3), slot = below(&rng, 32);
            if (r % 8 == 0) {
                const unsigned reg = below(&rng, r & 64 ? 0x40 : 0x1000);
                bus_mmio_write(rig.bus, hpa(RIG_REGS + (r & 256 ? reg & ~3u : reg)),
                               r & 512 ? 4 : 1u << below(&rng, 3), rnd(&rng) >> below(&rng, 64));
                bus_mmio_read(rig.bus, hpa(RIG_REGS + reg), 4);
                continue;
            }
            uint8_t pk[12];
            static const uint8_t ops[] = {0x00, 0x03, 0x12, 0x1b, 0x1e, 0x25, 0x28, 0x2b,
                                          0x35, 0x43, 0x46, 0x4a, 0x51, 0x5a, 0xa8, 0xbd};
            for (unsigned n = 0; n < 12; n++)
                pk[n] = r & 16 ? (uint8_t)rnd(&rng) : (uint8_t)below(&rng, 3);
            pk[0] = r & 32 ? ops[below(&rng, sizeof ops)] : pk[0];
            static const uint8_t cmds[] = {0x06, 0x08, 0x20, 0x24, 0x25, 0x29, 0x2f, 0x30, 0x34,
                                           0x35, 0x39, 0x3d, 0x40, 0x42, 0x47, 0x60, 0x61, 0xa0,
                                           0xa1, 0xb0, 0xc4, 0xc5, 0xc6, 0xc8, 0xca, 0xec, 0xef};
            const struct request q = {
                .command = r & 64 ? cmds[below(&rng, sizeof cmds)] : (uint8_t)(r >> 8),
                .features = r & 128 ? (uint8_t)(r >> 16) : 1,
                .device = (uint8_t)(r >> 24 | (r & 256 ? 0x40 : 0)),
                .lba = rnd(&rng) >> below(&rng, 64),
                .count = (uint32_t)(rnd(&rng) >> (48 + below(&rng, 16))),
                .packet = r & 2 ? pk : NULL,
                .data = r & 1024 ? rnd(&rng) >> below(&rng, 64) : DATA + below(&rng, 1 << 20),
                .len = r & 2048 ? (uint32_t)rnd(&rng) : below(&rng, 1 << 16) + 1,
                .is_queued = r & 512,
            };
            prepare(port, slot, &q);
            if (r & 1) { /* many or no scatter entries, odd lengths of the FIS */
                const uint32_t head = (uint32_t)rnd(&rng);
                ram_write(rig.ram, hpa(LISTS + 0x1000 * port + 32 * slot), &head, 4);
            }
            if (r & 4)
                pci_rig_set(&rig, PX(port, AHCI_PX_SACT), 1u << slot);
            pci_rig_set(&rig, PX(port, AHCI_PX_CI), 1u << slot);
            pci_rig_settle(&rig, below(&rng, 5));
            if (pci_rig_get(&rig, PX(port, AHCI_PX_TFD)) & ATA_ERR) {
                pci_rig_set(&rig, PX(port, AHCI_PX_CMD), 0);
                start(port);
            }
        }
        dev_reset(&rig.f->dev);
        pci_rig_cfg_set(&rig, PCI_BAR0 + 20, (uint32_t)RIG_REGS);
        pci_rig_cfg_set(&rig, PCI_COMMAND, PCI_CMD_MEMORY | PCI_CMD_MASTER);
        for (unsigned port = 0; port < 3; port++)
            start(port);
        ck_assert_uint_eq(
            run(0, (struct request){.command = ATA_IDENTIFY, .data = DATA, .len = 512}) & 1, 0);
    }
    unplug();
}
END_TEST

SUITE("ahci", ports_say_what_is_there, identify_describes_the_disk, every_form_of_read_reads,
      every_form_of_write_writes, errors_of_the_disk_reach_the_driver,
      several_queued_commands_complete, a_soft_reset_gives_the_signature, a_disc_is_read,
      a_tray_opens_and_closes, completion_comes_by_message_when_enabled, hostile_drivers_do_no_harm)
