/*
 * Fuzz target: storage requests of a guest: any SRB with any buffer, on two channels, over a disk
 * that answers late, with closing and opening in between.
 */
#include <stdlib.h>
#include <string.h>

#include "abi/vstor.h"
#include "tests/fuzz/fuzz.h"
#include "tests/lib/blk_fake.h"
#include "vmbus/vsp/storvsp/storvsp.h"

#define RING 12u

static const struct vmbus_guid class_scsi = VMBUS_CLASS_SCSI;
static struct vmbus_rig *rig;
static struct blk_fake disk, disc;

static void *take(size_t n)
{
    return calloc(1, n);
}

static void *take_dma(uint32_t bytes, uint64_t *pa)
{
    void *const p = aligned_alloc(4096, (bytes + 4095) & ~4095u);
    *pa = (uintptr_t)p;
    return p;
}

static void give_dma(void *p, uint32_t bytes)
{
    (void)bytes;
    free(p);
}

static void open_channel(unsigned n)
{
    struct vmbus_client_channel *const ch = vmbus_client_find(&rig->client, &class_scsi, n);
    struct vmbus_page page[RING];
    if (!ch || ch->state != VMBUS_C_OFFERED)
        return;
    rig->next_page = n * RING;
    vmbus_rig_pages(rig, page, RING);
    vmbus_client_open(&rig->client, ch, page, RING, RING / 2, 0);
    vmbus_rig_pump(rig);
}

static void begin(void)
{
    static const struct storvsp_host host = {take, free, take_dma, give_dma};
    static const struct vmbus_guid instance = {{1}};
    rig = vmbus_rig_new();
    blk_fake_init(&disk, rig);
    blk_fake_init(&disc, rig);
    struct storvsp *const v = storvsp_new(rig->server, &host, &instance);
    storvsp_attach(v, &disk.dev, SCSI_TYPE_DISK);
    storvsp_attach(v, &disc.dev, SCSI_TYPE_DVD);
    vmbus_client_connect(&rig->client, VMBUS_VERSION_IRON);
    vmbus_rig_pump(rig);
    vmbus_client_request_offers(&rig->client);
    vmbus_rig_pump(rig);
    open_channel(0);
}

static void simple(uint32_t op, uint16_t payload)
{
    struct vstor_packet p = {.op = op, .version = {payload, 0}};
    vmbus_client_send(&rig->client, vmbus_client_find(&rig->client, &class_scsi, 0), 1, 1, &p,
                      sizeof(p));
}

static void greet(void)
{
    simple(VSTOR_BEGIN_INITIALIZATION, 0);
    simple(VSTOR_QUERY_PROTOCOL_VERSION, VSTOR_VERSION_6_2);
    simple(VSTOR_END_INITIALIZATION, 0);
    simple(VSTOR_CREATE_SUB_CHANNELS, 1);
    vmbus_rig_pump(rig);
    open_channel(1);
}

/* An SRB: bytes of the input over a sensible one, with up to three pieces of buffer. */
static void command(struct fuzz_reader *r, struct vmbus_client_channel *ch)
{
    struct vstor_packet p = {.op = VSTOR_EXECUTE_SRB,
                             .srb = {.cdb_length = 16, .sense_length = 20, .direction = 1}};
    uint64_t ranges[3 * 34];
    const unsigned pieces = fuzz_take(r, 1) % 4, cdb = fuzz_take(r, 1) % 17;
    uint32_t words = 0, bytes = 0;
    for (unsigned i = 0; i < cdb; i++)
        p.srb.cdb[i] = (uint8_t)fuzz_take(r, 1);
    for (unsigned i = 0; i < pieces; i++) {
        const struct vmbus_gpa_range g = {fuzz_take(r, 2), fuzz_take(r, 2) & 0xfff};
        const uint64_t first = fuzz_take(r, 2) & 0x1ff;
        memcpy(&ranges[words++], &g, 8);
        for (uint32_t k = 0; k < (g.byte_offset + g.byte_count + 4095) / 4096; k++)
            ranges[words++] = 0x200 + (first + k) % 0x200;
        bytes += g.byte_count;
    }
    const uint8_t how = (uint8_t)fuzz_take(r, 1);
    p.srb.transfer = how & 1 ? bytes : (uint32_t)fuzz_take(r, 3);
    p.srb.direction = how >> 1 & 3;
    p.srb.sense_length = how >> 3;
    p.srb.lun = (how & 0x84) == 0x84;
    if (pieces)
        vmbus_client_send_gpa(&rig->client, ch, 2, ranges, words * 8, pieces, &p, sizeof(p));
    else
        vmbus_client_send(&rig->client, ch, 2, 1, &p, sizeof(p));
}

static void any_packet(struct fuzz_reader *r, struct vmbus_client_channel *ch)
{
    uint8_t bytes[80];
    const uint32_t n = fuzz_take(r, 1) % sizeof(bytes);
    for (uint32_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)fuzz_take(r, 1);
    vmbus_client_send(&rig->client, ch, fuzz_take(r, 1), (uint16_t)fuzz_take(r, 1), bytes, n);
}

static void drain(struct vmbus_client_channel *ch)
{
    uint64_t packet[64];
    while (vmbus_client_receive(&rig->client, ch, packet, sizeof(packet)) > 0)
        ;
}

static void one(const uint8_t *data, size_t len)
{
    struct fuzz_reader r = {data, data + len};
    begin();
    const uint8_t start = (uint8_t)fuzz_take(&r, 1);
    disk.slow = start & 1;
    disk.dev.reads_zeros = start & 2;
    disk.dev.read_only = (start & 12) == 12;
    disk.dev.block_size = start & 16 ? 4096 : 512;
    disk.dev.blocks = BLK_FAKE_BLOCKS * 512 / disk.dev.block_size;
    if (!(start & 32))
        greet();
    while (fuzz_more(&r)) {
        const uint8_t what = (uint8_t)fuzz_take(&r, 1);
        const unsigned n = what >> 4 & 1;
        struct vmbus_client_channel *const ch = vmbus_client_find(&rig->client, &class_scsi, n);
        if (!ch)
            continue;
        if ((what & 15) == 15 && ch->state == VMBUS_C_OPEN)
            vmbus_client_close(&rig->client, ch);
        else if ((what & 15) == 14)
            open_channel(n);
        else if (ch->state == VMBUS_C_OPEN && (what & 15) < 9)
            command(&r, ch);
        else if (ch->state == VMBUS_C_OPEN && (what & 15) == 9)
            any_packet(&r, ch);
        else if ((what & 15) == 10)
            blk_fake_step(&disk);
        else if ((what & 15) == 11)
            disk.fail = what >> 5;
        else if (ch->state == VMBUS_C_OPEN)
            drain(ch);
        vmbus_rig_pump(rig);
    }
    vmbus_rig_free(rig);
    if (disk.waiting || disk.refused || disk.dev.user || disc.refused || disc.dev.user ||
        disc.count[BLK_WRITE] || disc.count[BLK_UNMAP])
        __builtin_trap();
    blk_fake_free(&disc);
    blk_fake_free(&disk);
}

/* READ(10) of 8 blocks on each channel. */
static size_t seed(unsigned n, uint8_t *to)
{
    static const uint8_t input[] = {0,    0, 1, 10,   0x28, 0, 0, 0, 0, 0,    0, 0,
                                    8,    0, 0, 0x10, 0,    0, 1, 0, 3, 0x10, 0, 10,
                                    0x25, 0, 0, 0,    0,    0, 0, 0, 0, 0,    0};
    memcpy(to, input, sizeof(input));
    to[0] = (uint8_t)n;
    return n < 32 ? sizeof(input) : 0;
}

const struct fuzz_target fuzz_storvsp = {"storvsp", "storage requests of a guest", NULL, one, seed,
                                         400};
