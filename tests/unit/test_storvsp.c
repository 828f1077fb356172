/*
 * The SCSI controller on VMBus: the dialogue of stock guests, commands and their data, sense for
 * what is refused, and guests that lie, flood or leave while commands are under way.
 */
#include <stdlib.h>
#include <string.h>

#include "abi/scsi.h"
#include "abi/vstor.h"
#include "tests/lib/blk_fake.h"
#include "tests/lib/suite.h"
#include "vmbus/vsp/storvsp/scsi.h"
#include "vmbus/vsp/storvsp/storvsp.h"

#define BUFFER 0x200000u /* guest memory for data: the second block of the rig */

static const struct vmbus_guid class_scsi = VMBUS_CLASS_SCSI;
static struct vmbus_rig *rig;
static struct blk_fake disk, other;
static struct storvsp *vsp;
static struct vmbus_client_channel *chan;
static struct vstor_packet got; /* the last answer */
static uint64_t got_id;
static unsigned blocks_out; /* DMA memory that is not given back */
static bool no_memory;

static void *take(size_t n)
{
    return calloc(1, n);
}

static void *take_dma(uint32_t bytes, uint64_t *pa)
{
    if (no_memory)
        return NULL;
    void *const p = aligned_alloc(4096, (bytes + 4095) & ~4095u);
    *pa = (uintptr_t)p;
    blocks_out++;
    return p;
}

static void give_dma(void *p, uint32_t bytes)
{
    (void)bytes;
    blocks_out--;
    free(p);
}

static uint8_t *buffer(uint32_t at)
{
    return vmbus_rig_ram(rig, BUFFER + at);
}

/* The next answer of a channel; false: there is none. */
static bool receive_on(struct vmbus_client_channel *ch)
{
    struct {
        struct vmbus_desc d;
        struct vstor_packet p;
        uint8_t rest[64];
    } packet;
    const int n = vmbus_client_receive(&rig->client, ch, &packet, sizeof(packet));
    if (n <= 0)
        return false;
    ck_assert_int_eq(n, 16 + 64);
    got = packet.p;
    got_id = packet.d.id;
    if (packet.d.type == VMBUS_PKT_COMPLETION)
        ck_assert_uint_eq(got.op, VSTOR_COMPLETE_IO);
    return true;
}

static bool receive(void)
{
    vmbus_rig_pump(rig);
    return receive_on(chan);
}

/* A request without buffer; its answer's status. */
static uint32_t request(uint32_t op, uint32_t payload)
{
    struct vstor_packet p = {.op = op, .flags = 1};
    memcpy(&p.srb, &payload, sizeof(payload));
    ck_assert_int_eq(vmbus_client_send(&rig->client, chan, 77, 1, &p, sizeof(p)), 0);
    ck_assert(receive());
    ck_assert_uint_eq(got_id, 77);
    return got.status;
}

static void open_channel(struct vmbus_client_channel *ch)
{
    struct vmbus_page page[8];
    ck_assert_ptr_nonnull(ch);
    rig->next_page = 2 * ch->offer.relid * 8 + 64; /* out of the way of the data */
    vmbus_rig_pages(rig, page, 8);
    vmbus_client_open(&rig->client, ch, page, 8, 4, 1);
    vmbus_rig_pump(rig);
    ck_assert_uint_eq(ch->state, VMBUS_C_OPEN);
}

static void begin(void)
{
    static const struct storvsp_host host = {take, free, take_dma, give_dma};
    static const struct vmbus_guid instance = {{1, 2, 3}};
    rig = vmbus_rig_new();
    blk_fake_init(&disk, rig);
    blk_fake_init(&other, rig);
    other.dev.eui64[7] = 2;
    blocks_out = 0;
    no_memory = false;
    vsp = storvsp_new(rig->server, &host, &instance);
    ck_assert_ptr_nonnull(vsp);
    ck_assert_int_eq(storvsp_attach(vsp, &disk.dev, SCSI_TYPE_DISK), 0);
    ck_assert_int_eq(storvsp_attach(vsp, &disk.dev, SCSI_TYPE_DISK), -1); /* it has one user */
    vmbus_client_connect(&rig->client, VMBUS_VERSION_IRON);
    vmbus_rig_pump(rig);
    vmbus_client_request_offers(&rig->client);
    vmbus_rig_pump(rig);
    chan = vmbus_client_find(&rig->client, &class_scsi, 0);
    open_channel(chan);
}

static void greet(void)
{
    ck_assert_uint_eq(request(VSTOR_BEGIN_INITIALIZATION, 0), 0);
    ck_assert_uint_eq(request(VSTOR_QUERY_PROTOCOL_VERSION, VSTOR_VERSION_6_2), 0);
    ck_assert_uint_eq(request(VSTOR_QUERY_PROPERTIES, 0), 0);
    ck_assert_uint_eq(request(VSTOR_END_INITIALIZATION, 0), 0);
}

static void begin_ready(void)
{
    begin();
    greet();
}

static void end(void)
{
    vmbus_rig_free(rig);
    ck_assert_ptr_null(disk.dev.user);
    ck_assert_uint_eq(blocks_out, 0);
    ck_assert_uint_eq(disk.refused, 0);
    blk_fake_free(&disk);
    blk_fake_free(&other);
}

static struct vstor_packet srb(const void *cdb, unsigned cdb_length, uint8_t direction,
                               uint32_t transfer)
{
    struct vstor_packet p = {.op = VSTOR_EXECUTE_SRB,
                             .flags = 1,
                             .srb = {.length = 52,
                                     .cdb_length = (uint8_t)cdb_length,
                                     .sense_length = VSTOR_SENSE_MAX,
                                     .direction = direction,
                                     .transfer = transfer}};
    memcpy(p.srb.cdb, cdb, cdb_length);
    return p;
}

/* One range: `bytes` from guest address gpa on, contiguous. */
static void send_buffer(struct vmbus_client_channel *ch, const struct vstor_packet *p, uint64_t id,
                        uint64_t gpa, uint32_t bytes)
{
    struct {
        struct vmbus_gpa_range r;
        uint64_t pfn[128];
    } range = {.r = {bytes, gpa % 4096}};
    const uint32_t pages = (uint32_t)(gpa % 4096 + bytes + 4095) / 4096;
    ck_assert_uint_le(pages, 128);
    for (uint32_t i = 0; i < pages; i++)
        range.pfn[i] = gpa / 4096 + i;
    ck_assert_int_eq(
        vmbus_client_send_gpa(&rig->client, ch, id, &range, 8 + 8 * pages, 1, p, sizeof(*p)), 0);
}

/* A command with `bytes` of buffer; its SRB status. */
static uint8_t command(const void *cdb, unsigned n, uint8_t direction, uint32_t bytes)
{
    const struct vstor_packet p = srb(cdb, n, direction, bytes);
    if (bytes)
        send_buffer(chan, &p, 5, BUFFER, bytes);
    else
        vmbus_client_send(&rig->client, chan, 5, 1, &p, sizeof(p));
    ck_assert(receive());
    ck_assert_uint_eq(got_id, 5);
    return got.srb.srb_status;
}

static uint8_t read_in(const void *cdb, unsigned n, uint32_t bytes)
{
    return command(cdb, n, VSTOR_DATA_IN, bytes);
}

#define CDB(...)        \
    (const uint8_t[16]) \
    {                   \
        __VA_ARGS__     \
    }

/* The last answer is a check condition of that key and additional sense. */
static void expect_sense(unsigned key, unsigned code)
{
    ck_assert_uint_eq(got.srb.srb_status, VSTOR_SRB_ERROR | VSTOR_SRB_AUTOSENSE);
    ck_assert_uint_eq(got.srb.scsi_status, SCSI_CHECK_CONDITION);
    ck_assert_uint_eq(got.srb.sense_length, 18);
    ck_assert_uint_eq(got.srb.transfer, 0);
    ck_assert_uint_eq(got.srb.sense[0], 0x70);
    ck_assert_uint_eq(got.srb.sense[2], key);
    ck_assert_uint_eq(got.srb.sense[12] << 8 | got.srb.sense[13], code);
}

/* ---- the dialogue ---- */
START_TEST(the_dialogue_of_a_stock_guest)
{
    begin();
    ck_assert_uint_eq(request(VSTOR_BEGIN_INITIALIZATION, 0), 0);
    ck_assert_uint_eq(request(VSTOR_QUERY_PROTOCOL_VERSION, 0x0702), VSTOR_NT_REVISION_MISMATCH);
    ck_assert_uint_eq(request(VSTOR_QUERY_PROTOCOL_VERSION, 0x0402), VSTOR_NT_REVISION_MISMATCH);
    ck_assert_uint_eq(request(VSTOR_QUERY_PROTOCOL_VERSION, VSTOR_VERSION_6_2), 0);
    ck_assert_uint_eq(request(VSTOR_QUERY_PROPERTIES, 0), 0);
    ck_assert_uint_eq(got.properties.max_transfer, 0x40000);
    ck_assert_uint_eq(got.properties.flags, VSTOR_MULTI_CHANNEL);
    ck_assert_uint_eq(got.properties.sub_channels, STORVSP_SUB_CHANNELS);
    ck_assert_uint_eq(request(VSTOR_END_INITIALIZATION, 0), 0);
    ck_assert_uint_eq(request(VSTOR_ENUMERATE_BUS, 0), 0);
    ck_assert_uint_eq(request(VSTOR_FCHBA_DATA, 0), VSTOR_NT_NOT_SUPPORTED);
    ck_assert_uint_eq(request(99, 0), VSTOR_NT_NOT_SUPPORTED);
    end();
}
END_TEST

START_TEST(requests_out_of_turn_are_refused)
{
    begin();
    for (unsigned op = 0; op < 16; op++) {
        if (op != VSTOR_BEGIN_INITIALIZATION)
            ck_assert_uint_eq(request(op, 0), VSTOR_NT_INVALID_DEVICE_STATE);
    }
    ck_assert_uint_eq(request(VSTOR_BEGIN_INITIALIZATION, 0), 0);
    ck_assert_uint_eq(request(VSTOR_BEGIN_INITIALIZATION, 0), VSTOR_NT_INVALID_DEVICE_STATE);
    ck_assert_uint_eq(request(VSTOR_END_INITIALIZATION, 0), VSTOR_NT_INVALID_DEVICE_STATE);
    ck_assert_uint_eq(request(VSTOR_QUERY_PROTOCOL_VERSION, VSTOR_VERSION_WIN8_1), 0);
    ck_assert_uint_eq(request(VSTOR_EXECUTE_SRB, 0), VSTOR_NT_INVALID_DEVICE_STATE);
    ck_assert_uint_eq(request(VSTOR_END_INITIALIZATION, 0), 0);
    ck_assert_uint_eq(request(VSTOR_QUERY_PROPERTIES, 0), VSTOR_NT_INVALID_DEVICE_STATE);
    /* a guest that loads its driver again starts anew */
    vmbus_client_close(&rig->client, chan);
    vmbus_rig_pump(rig);
    open_channel(chan);
    ck_assert_uint_eq(request(VSTOR_EXECUTE_SRB, 0), VSTOR_NT_INVALID_DEVICE_STATE);
    greet();
    end();
}
END_TEST

/* ---- what disks say about themselves ---- */
START_TEST(inquiry_tells_of_disks_and_of_empty_places)
{
    begin_ready();
    ck_assert_uint_eq(read_in(CDB(0x12, 0, 0, 0, 36), 6, 36), VSTOR_SRB_SUCCESS);
    ck_assert_uint_eq(got.srb.transfer, 36);
    ck_assert_uint_eq(buffer(0)[0], 0);
    ck_assert_uint_eq(buffer(0)[4], 31);
    ck_assert_mem_eq(buffer(8), "Msft    Virtual Disk    1.0 ", 28);
    /* a shorter allocation, and a shorter buffer */
    ck_assert_uint_eq(read_in(CDB(0x12, 0, 0, 0, 5), 6, 36), VSTOR_SRB_SUCCESS);
    ck_assert_uint_eq(got.srb.transfer, 5);
    ck_assert_uint_eq(read_in(CDB(0x12, 0, 0, 0, 36), 6, 8), VSTOR_SRB_SUCCESS);
    ck_assert_uint_eq(got.srb.transfer, 8);
    /* nobody at another unit, target or path */
    for (unsigned i = 0; i < 3; i++) {
        struct vstor_packet p = srb(CDB(0x12, 0, 0, 0, 36), 6, VSTOR_DATA_IN, 36);
        (&p.srb.path)[i] = 1;
        send_buffer(chan, &p, 5, BUFFER, 36);
        ck_assert(receive());
        ck_assert_uint_eq(got.srb.srb_status, VSTOR_SRB_SUCCESS);
        ck_assert_uint_eq(buffer(0)[0], 0x7f);
        p = srb(CDB(0), 6, VSTOR_DATA_NONE, 0);
        (&p.srb.path)[i] = 1;
        vmbus_client_send(&rig->client, chan, 5, 1, &p, sizeof(p));
        ck_assert(receive());
        ck_assert_uint_eq(got.srb.srb_status, VSTOR_SRB_INVALID_LUN);
    }
    end();
}
END_TEST

START_TEST(vital_product_data_and_capacity)
{
    begin_ready();
    ck_assert_uint_eq(read_in(CDB(0x12, 1, 0, 0, 255), 6, 255), VSTOR_SRB_SUCCESS);
    ck_assert_mem_eq(buffer(0), "\0\0\0\x06\x00\x80\x83\xb0\xb1\xb2", 10);
    ck_assert_uint_eq(got.srb.transfer, 10);
    ck_assert_uint_eq(read_in(CDB(0x12, 1, 0x80, 0, 255), 6, 255), VSTOR_SRB_SUCCESS);
    ck_assert_mem_eq(buffer(4), "SERIAL1-0256495400000001", 24);
    ck_assert_uint_eq(got.srb.transfer, 28);
    ck_assert_uint_eq(read_in(CDB(0x12, 1, 0x83, 0, 255), 6, 255), VSTOR_SRB_SUCCESS);
    ck_assert_mem_eq(buffer(0), "\0\x83\0\x30\x01\x02\0\x08\x02VIT\0\0\0\x01\x02\x01\0\x20Msft",
                     24);
    ck_assert_uint_eq(read_in(CDB(0x12, 1, 0xb0, 0, 255), 6, 255), VSTOR_SRB_SUCCESS);
    ck_assert_mem_eq(buffer(8), "\0\0\x02\0\0\0\x02\0", 8); /* 256 KiB: the transport's most */
    ck_assert_mem_eq(buffer(20), "\xff\xff\xff\xff\0\0\0\x10\0\0\0\x08", 12);
    ck_assert_mem_eq(buffer(36), "\0\0\0\0\0\x01\0\0", 8);
    ck_assert_uint_eq(read_in(CDB(0x12, 1, 0xb1, 0, 255), 6, 255), VSTOR_SRB_SUCCESS);
    ck_assert_mem_eq(buffer(0), "\0\xb1\0\x3c\0\x01", 6);
    ck_assert_uint_eq(read_in(CDB(0x12, 1, 0xb2, 0, 255), 6, 255), VSTOR_SRB_SUCCESS);
    ck_assert_mem_eq(buffer(0), "\0\xb2\0\x04\0\xe4\x02\0", 8);
    read_in(CDB(0x12, 1, 0xb3, 0, 255), 6, 255);
    expect_sense(5, SCSI_ASC_CDB_FIELD);

    ck_assert_uint_eq(read_in(CDB(0x25), 10, 8), VSTOR_SRB_SUCCESS);
    ck_assert_mem_eq(buffer(0), "\0\0\x0f\xff\0\0\x02\0", 8);
    ck_assert_uint_eq(read_in(CDB(0x9e, 0x10, [13] = 32), 16, 32), VSTOR_SRB_SUCCESS);
    ck_assert_mem_eq(buffer(0), "\0\0\0\0\0\0\x0f\xff\0\0\x02\0\0\0\xc0", 15);
    disk.dev.blocks = 0x100000001;
    ck_assert_uint_eq(read_in(CDB(0x25), 10, 8), VSTOR_SRB_SUCCESS);
    ck_assert_mem_eq(buffer(0), "\xff\xff\xff\xff\0\0\x02\0", 8);
    end();
}
END_TEST

START_TEST(mode_pages)
{
    begin_ready();
    ck_assert_uint_eq(read_in(CDB(0x1a, 8, 8, 0, 255), 6, 255), VSTOR_SRB_SUCCESS);
    ck_assert_mem_eq(buffer(0), "\x17\0\x10\0\x08\x12\x04", 7);
    ck_assert_uint_eq(got.srb.transfer, 24);
    ck_assert_uint_eq(read_in(CDB(0x1a, 0, 0x3f, 0, 255), 6, 255), VSTOR_SRB_SUCCESS);
    ck_assert_mem_eq(buffer(0), "\x2b\0\x10\x08\0\0\x10\0\0\0\x02\0\x08\x12\x04", 15);
    ck_assert_uint_eq(read_in(CDB(0x5a, 8, 0x48, 0, 0, 0, 0, 0, 255), 10, 255), VSTOR_SRB_SUCCESS);
    ck_assert_mem_eq(buffer(0), "\0\x1a\0\x10\0\0\0\0\x08\x12\0", 11); /* nothing changes */
    disk.dev.read_only = true;
    ck_assert_uint_eq(read_in(CDB(0x1a, 8, 0x0a, 0, 255), 6, 255), VSTOR_SRB_SUCCESS);
    ck_assert_mem_eq(buffer(0), "\x0f\0\x90\0\x0a\x0a", 6);
    read_in(CDB(0x1a, 8, 0xc8, 0, 255), 6, 255);
    expect_sense(5, SCSI_ASC_SAVING);
    read_in(CDB(0x1a, 8, 0x1c, 0, 255), 6, 255);
    expect_sense(5, SCSI_ASC_CDB_FIELD);
    read_in(CDB(0x1a, 8, 8, 1, 255), 6, 255);
    expect_sense(5, SCSI_ASC_CDB_FIELD);
    end();
}
END_TEST

START_TEST(report_luns_lists_the_disks)
{
    begin_ready();
    ck_assert_int_eq(storvsp_attach(vsp, &other.dev, SCSI_TYPE_DISK), 1);
    ck_assert(receive()); /* the guest is told to look */
    ck_assert_uint_eq(got.op, VSTOR_ENUMERATE_BUS);
    ck_assert_uint_eq(got_id, 0);
    ck_assert_uint_eq(read_in(CDB(0xa0, [8] = 2), 12, 512), VSTOR_SRB_SUCCESS);
    ck_assert_uint_eq(got.srb.transfer, 24);
    ck_assert_mem_eq(buffer(0), "\0\0\0\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0", 24);
    ck_assert_uint_eq(read_in(CDB(0xa0, 0, 1, [8] = 2), 12, 512), VSTOR_SRB_SUCCESS);
    ck_assert_uint_eq(got.srb.transfer, 8);
    read_in(CDB(0xa0, [9] = 15), 12, 512);
    expect_sense(5, SCSI_ASC_CDB_FIELD);
    end();
}
END_TEST

/* ---- DVD drives ---- */
static void begin_dvd(void)
{
    begin_ready();
    other.dev.blocks = 4095; /* the last three are no block of the disc */
    ck_assert_int_eq(storvsp_attach(vsp, &other.dev, SCSI_TYPE_DVD), 1);
    ck_assert(receive());
}

/* A command for the drive; its SRB status. */
static uint8_t dvd(const void *cdb, unsigned n, uint32_t bytes)
{
    struct vstor_packet p = srb(cdb, n, bytes ? VSTOR_DATA_IN : VSTOR_DATA_NONE, bytes);
    p.srb.lun = 1;
    memset(buffer(0), 0xee, 4096);
    if (bytes)
        send_buffer(chan, &p, 5, BUFFER, bytes);
    else
        vmbus_client_send(&rig->client, chan, 5, 1, &p, sizeof(p));
    ck_assert(receive());
    return got.srb.srb_status;
}

static void answers(const void *cdb, unsigned n, const void *want, uint32_t len)
{
    ck_assert_uint_eq(dvd(cdb, n, 255), VSTOR_SRB_SUCCESS);
    ck_assert_uint_eq(got.srb.transfer, len);
    ck_assert_mem_eq(buffer(0), want, len);
}

START_TEST(a_dvd_drive_tells_of_itself_and_its_disc)
{
    begin_dvd();
    ck_assert_uint_eq(dvd(CDB(0x12, 0, 0, 0, 36), 6, 36), VSTOR_SRB_SUCCESS);
    ck_assert_mem_eq(buffer(0), "\x05\x80\x05", 3);
    ck_assert_mem_eq(buffer(8), "Msft    Virtual DVD-ROM 1.0 ", 28);
    answers(CDB(0x12, 1, 0, 0, 255), 6, "\x05\0\0\x03\x00\x80\x83", 7);
    dvd(CDB(0x12, 1, 0xb0, 0, 255), 6, 255);
    expect_sense(5, SCSI_ASC_CDB_FIELD);
    answers(CDB(0x25), 10, "\0\0\x03\xfe\0\0\x08\0", 8);
    /* capabilities, no block descriptor; pages of disks are not there */
    ck_assert_uint_eq(dvd(CDB(0x5a, 0, 0x2a, [8] = 255), 10, 255), VSTOR_SRB_SUCCESS);
    ck_assert_mem_eq(buffer(0), "\0\x1a\0\0\0\0\0\0\x2a\x12\x3b\0\x70\0\x01\0", 16);
    dvd(CDB(0x5a, 0, 8, [8] = 255), 10, 255);
    expect_sense(5, SCSI_ASC_CDB_FIELD);
    /* table of contents in blocks and in minutes, sessions in both ways to ask */
    answers(CDB(0x43, [8] = 255), 10, "\0\x12\1\1\0\x14\1\0\0\0\0\0\0\x14\xaa\0\0\0\x03\xff", 20);
    answers(CDB(0x43, 2, [6] = 0xaa, [8] = 255), 10, "\0\x0a\1\1\0\x14\xaa\0\0\0\x0f\x30", 12);
    answers(CDB(0x43, 0, 1, [8] = 255), 10, "\0\x0a\1\1\0\x14\1\0\0\0\0\0", 12);
    answers(CDB(0x43, [8] = 12, [9] = 0x40), 10, "\0\x0a\1\1\0\x14\1\0\0\0\0\0", 12);
    dvd(CDB(0x43, 0, 5, [8] = 255), 10, 255);
    expect_sense(5, SCSI_ASC_CDB_FIELD);
    answers(CDB(0x4a, 1, 0, 0, 0x10, [8] = 8), 10, "\0\6\4\x10\0\2\0\0", 8);
    answers(CDB(0x46, 2, 0, 0x1f, [8] = 255), 10, "\0\0\0\x08\0\0\0\x10\0\x1f\1\0", 12);
    ck_assert_uint_eq(dvd(CDB(0x46, [8] = 255), 10, 255), VSTOR_SRB_SUCCESS);
    ck_assert_uint_eq(got.srb.transfer, 8 + 8 + 12 + 8 + 12 + 4);
    ck_assert_uint_eq(scsi_be32(buffer(0)), got.srb.transfer - 4);
    ck_assert_uint_eq(dvd(CDB(0x51, [8] = 34), 10, 34), VSTOR_SRB_SUCCESS);
    ck_assert_uint_eq(buffer(0)[2], 0x0e); /* finished */
    end();
}
END_TEST

START_TEST(a_dvd_is_read_in_blocks_of_2048_and_not_written)
{
    begin_dvd();
    ck_assert_uint_eq(dvd(CDB(0x28, [5] = 7, [8] = 2), 10, 4096), VSTOR_SRB_SUCCESS);
    ck_assert_uint_eq(got.srb.transfer, 4096);
    ck_assert_mem_eq(buffer(0), other.bytes + 7 * 2048, 4096);
    ck_assert_uint_eq(dvd(CDB(0xa8, [4] = 3, [5] = 0xfe, [9] = 1), 12, 2048), VSTOR_SRB_SUCCESS);
    ck_assert_mem_eq(buffer(0), other.bytes + 0x3fe * 2048, 2048);
    dvd(CDB(0x28, [4] = 3, [5] = 0xfe, [8] = 2), 10, 4096); /* one block too many */
    expect_sense(5, SCSI_ASC_LBA);
    dvd(CDB(0x28, [2] = 0xff, [8] = 1), 10, 2048);
    expect_sense(5, SCSI_ASC_LBA);
    dvd(CDB(0x28, [8] = 3), 10, 4096); /* more than the buffer */
    expect_sense(5, SCSI_ASC_CDB_FIELD);
    static const uint8_t refused[] = {0x2a, 0x42, 0x41, 0x93, 0x9e, 0x35};
    for (unsigned i = 0; i < sizeof(refused); i++) {
        dvd(CDB(refused[i], [8] = 1), 16, 4096);
        expect_sense(5, SCSI_ASC_OPCODE);
    }
    dvd(CDB(0x1b, 0, 0, 0, 2), 6, 0); /* the disc stays in */
    expect_sense(5, SCSI_ASC_CDB_FIELD);
    ck_assert_uint_eq(dvd(CDB(0x1b, 0, 0, 0, 1), 6, 0), VSTOR_SRB_SUCCESS);
    ck_assert_uint_eq(dvd(CDB(0), 6, 0), VSTOR_SRB_SUCCESS);
    ck_assert_uint_eq(other.count[BLK_WRITE] + other.count[BLK_UNMAP] + other.refused, 0);
    end();
}
END_TEST

START_TEST(what_has_no_block_of_2048_is_no_dvd)
{
    begin_ready();
    other.dev.blocks = 3;
    ck_assert_int_eq(storvsp_attach(vsp, &other.dev, SCSI_TYPE_DVD), -1);
    other.dev.blocks = 512;
    other.dev.block_size = 4096;
    ck_assert_int_eq(storvsp_attach(vsp, &other.dev, SCSI_TYPE_DVD), -1);
    ck_assert_ptr_null(other.dev.user);
    end();
}
END_TEST

/* ---- data ---- */
START_TEST(reads_and_writes_of_every_length_of_command)
{
    static const uint8_t reads[4][16] = {{0x08, 0, 0, 9, 4},
                                         {0x28, [5] = 9, [8] = 4},
                                         {0xa8, [5] = 9, [9] = 4},
                                         {0x88, [9] = 9, [13] = 4}};
    static const uint8_t writes[4][16] = {{0x0a, 0, 1, 9, 4},
                                          {0x2a, [4] = 2, [5] = 9, [8] = 4},
                                          {0xaa, [4] = 3, [5] = 9, [9] = 4},
                                          {0x8a, [8] = 4, [9] = 9, [13] = 4}};
    static const unsigned length[4] = {6, 10, 12, 16};
    begin_ready();
    for (unsigned i = 0; i < 4; i++) {
        memset(buffer(0), 0, 4096);
        ck_assert_uint_eq(read_in(reads[i], length[i], 2048), VSTOR_SRB_SUCCESS);
        ck_assert_uint_eq(got.srb.transfer, 2048);
        ck_assert_uint_eq(got.status, 0);
        ck_assert_mem_eq(buffer(0), disk.bytes + 9 * 512, 2048);
        ck_assert_uint_eq(disk.seg[0].pa, BUFFER + 0x100000000ull); /* straight to the guest */
        memset(buffer(0), 0x40 + (int)i, 2048);
        ck_assert_uint_eq(command(writes[i], length[i], VSTOR_DATA_OUT, 2048), VSTOR_SRB_SUCCESS);
        ck_assert_mem_eq(disk.bytes + (256 * (i + 1) + 9) * 512, buffer(0), 2048);
    }
    /* READ(6) of 0 blocks is of 256, the others' is nothing; the buffer may be longer */
    ck_assert_uint_eq(read_in(CDB(0x08), 6, 256 * 512), VSTOR_SRB_SUCCESS);
    ck_assert_uint_eq(got.srb.transfer, 256 * 512);
    ck_assert_uint_eq(read_in(CDB(0x28), 10, 4096), VSTOR_SRB_SUCCESS);
    ck_assert_uint_eq(got.srb.transfer, 0);
    ck_assert_uint_eq(read_in(CDB(0x28, [8] = 1), 10, 4096), VSTOR_SRB_SUCCESS);
    ck_assert_uint_eq(got.srb.transfer, 512);
    ck_assert_uint_eq(disk.forced, 0);
    ck_assert_uint_eq(command(CDB(0x2a, 8, [8] = 1), 10, VSTOR_DATA_OUT, 512), VSTOR_SRB_SUCCESS);
    ck_assert_uint_eq(disk.forced, 1);
    ck_assert_uint_eq(command(CDB(0x35), 10, VSTOR_DATA_NONE, 0), VSTOR_SRB_SUCCESS);
    ck_assert_uint_eq(command(CDB(0x91), 16, VSTOR_DATA_NONE, 0), VSTOR_SRB_SUCCESS);
    ck_assert_uint_eq(command(CDB(0x1b), 6, VSTOR_DATA_NONE, 0), VSTOR_SRB_SUCCESS);
    ck_assert_uint_eq(disk.count[BLK_FLUSH], 3);
    ck_assert_uint_eq(command(CDB(0x1b, 0, 0, 0, 1), 6, VSTOR_DATA_NONE, 0), VSTOR_SRB_SUCCESS);
    ck_assert_uint_eq(command(CDB(0x1e), 6, VSTOR_DATA_NONE, 0), VSTOR_SRB_SUCCESS);
    ck_assert_uint_eq(command(CDB(0), 6, VSTOR_DATA_NONE, 0), VSTOR_SRB_SUCCESS);
    uint64_t commands, bytes;
    storvsp_counts(vsp, &commands, &bytes);
    ck_assert_uint_eq(commands, 18);
    end();
}
END_TEST

START_TEST(buffers_of_any_shape_are_served)
{
    begin_ready();
    const struct vstor_packet p = srb(CDB(0x28, [8] = 16), 10, VSTOR_DATA_IN, 8192);
    /* from the middle of a page: as it lies */
    send_buffer(chan, &p, 5, BUFFER + 512, 8192);
    ck_assert(receive());
    ck_assert_mem_eq(buffer(512), disk.bytes, 8192);
    ck_assert_uint_eq(disk.seg[0].pa, BUFFER + 512 + 0x100000000ull);
    /* at an odd address, and in pieces that end in pages: through a copy */
    memset(buffer(0), 0, 3 * 4096);
    send_buffer(chan, &p, 6, BUFFER + 511, 8192);
    ck_assert(receive());
    ck_assert_mem_eq(buffer(511), disk.bytes, 8192);
    ck_assert_uint_eq(disk.segs, 1);
    struct {
        struct vmbus_gpa_range r1;
        uint64_t pfn1;
        struct vmbus_gpa_range r2;
        uint64_t pfn2[3];
    } range = {{100, 0}, BUFFER / 4096, {8092, 200}, {BUFFER / 4096 + 7, BUFFER / 4096 + 3, 0x201}};
    ck_assert_int_eq(
        vmbus_client_send_gpa(&rig->client, chan, 7, &range, sizeof(range), 2, &p, sizeof(p)), 0);
    ck_assert(receive());
    ck_assert_uint_eq(got.srb.srb_status, VSTOR_SRB_SUCCESS);
    ck_assert_mem_eq(buffer(0), disk.bytes, 100);
    ck_assert_mem_eq(buffer(7 * 4096 + 200), disk.bytes + 100, 3896);
    ck_assert_mem_eq(buffer(3 * 4096), disk.bytes + 3996, 4096);
    ck_assert_mem_eq(buffer(4096), disk.bytes + 8092, 100);
    /* a write through a copy, and no memory for one: the guest is to try again */
    const struct vstor_packet w = srb(CDB(0x2a, [5] = 100, [8] = 1), 10, VSTOR_DATA_OUT, 512);
    memset(buffer(1), 0x77, 512);
    send_buffer(chan, &w, 8, BUFFER + 1, 512);
    ck_assert(receive());
    ck_assert_uint_eq(got.srb.srb_status, VSTOR_SRB_SUCCESS);
    ck_assert_mem_eq(disk.bytes + 51200, buffer(1), 512);
    no_memory = true;
    send_buffer(chan, &w, 9, BUFFER + 1, 512);
    ck_assert(receive());
    ck_assert_uint_eq(got.srb.srb_status, VSTOR_SRB_ERROR);
    ck_assert_uint_eq(got.srb.scsi_status, SCSI_BUSY);
    end();
}
END_TEST

static void put_be(uint8_t *p, unsigned bytes, uint64_t v)
{
    while (bytes--) {
        p[bytes] = (uint8_t)v;
        v >>= 8;
    }
}

START_TEST(unmap_and_write_same)
{
    begin_ready();
    memset(buffer(0), 0, 64);
    put_be(buffer(2), 2, 48);
    put_be(buffer(8), 8, 10);
    put_be(buffer(16), 4, 5);
    put_be(buffer(24), 8, 4000); /* of 0 blocks */
    put_be(buffer(40), 8, 100);
    put_be(buffer(48), 4, 1);
    ck_assert_uint_eq(command(CDB(0x42, [8] = 56), 10, VSTOR_DATA_OUT, 56), VSTOR_SRB_SUCCESS);
    ck_assert_uint_eq(disk.count[BLK_UNMAP], 2);
    ck_assert(disk.bytes[10 * 512 - 1] && !disk.bytes[10 * 512 + 1] && !disk.bytes[15 * 512 - 1] &&
              !disk.bytes[100 * 512 + 7] && disk.bytes[101 * 512 + 7]);
    ck_assert_uint_eq(command(CDB(0x42), 10, VSTOR_DATA_NONE, 0), VSTOR_SRB_SUCCESS);
    command(CDB(0x42, [8] = 7), 10, VSTOR_DATA_OUT, 7);
    expect_sense(5, SCSI_ASC_PARAMETER_LENGTH);
    put_be(buffer(8), 8, 4095);
    command(CDB(0x42, [8] = 24), 10, VSTOR_DATA_OUT, 24);
    expect_sense(5, SCSI_ASC_LBA);
    put_be(buffer(2), 2, 17 * 16);
    command(CDB(0x42, [7] = 1, [8] = 24), 10, VSTOR_DATA_OUT, 280);
    expect_sense(5, SCSI_ASC_PARAMETER_FIELD);
    command(CDB(0x42, 1, [8] = 24), 10, VSTOR_DATA_OUT, 24); /* anchored */
    expect_sense(5, SCSI_ASC_CDB_FIELD);
    /* zeros are unmapped, others written */
    memset(buffer(0), 0, 512);
    ck_assert_uint_eq(command(CDB(0x93, 8, [9] = 200, [13] = 9), 16, VSTOR_DATA_OUT, 512),
                      VSTOR_SRB_SUCCESS);
    ck_assert_uint_eq(disk.count[BLK_UNMAP], 3);
    ck_assert(!disk.bytes[200 * 512 + 1] && !disk.bytes[209 * 512 - 1]);
    memset(buffer(0), 0x21, 512);
    ck_assert_uint_eq(command(CDB(0x41, [4] = 4, [7] = 2), 10, VSTOR_DATA_OUT, 512),
                      VSTOR_SRB_SUCCESS);
    ck_assert(disk.count[BLK_WRITE] == 4 && disk.bytes[1024 * 512] == 0x21 &&
              disk.bytes[1536 * 512 - 1] == 0x21 && disk.bytes[1536 * 512] != 0x21);
    command(CDB(0x93), 16, VSTOR_DATA_OUT, 512);
    expect_sense(5, SCSI_ASC_CDB_FIELD); /* 0 blocks */
    end();
}
END_TEST

/* ---- refusals ---- */
START_TEST(every_refusal_has_its_sense)
{
    static const struct {
        uint8_t cdb[16];
        uint8_t length, direction;
        uint32_t bytes;
        uint8_t key;
        uint16_t code;
    } row[] = {
        {{0xff}, 6, 2, 0, 5, SCSI_ASC_OPCODE},
        {{0x55}, 10, 0, 16, 5, SCSI_ASC_OPCODE},
        {{0x9e, 0x12, [13] = 32}, 16, 1, 32, 5, SCSI_ASC_CDB_FIELD},
        {{0x28, [2] = 0, [4] = 16, [8] = 1}, 10, 1, 512, 5, SCSI_ASC_LBA},
        {{0x28, [4] = 15, [5] = 255, [8] = 2}, 10, 1, 1024, 5, SCSI_ASC_LBA},
        {{0x88, 0, 255, 255, 255, 255, 255, 255, 255, 255, [13] = 1}, 16, 1, 512, 5, SCSI_ASC_LBA},
        {{0x28, 0x20, [8] = 1}, 10, 1, 512, 5, SCSI_ASC_CDB_FIELD}, /* protection */
        {{0x28, [8] = 2}, 10, 1, 512, 5, SCSI_ASC_CDB_FIELD},       /* more than the buffer */
        {{0x28, [8] = 1}, 10, 0, 512, 5, SCSI_ASC_CDB_FIELD},       /* the wrong way */
        {{0x2a, [8] = 1}, 10, 1, 512, 5, SCSI_ASC_CDB_FIELD},
        {{0x28, [8] = 1}, 10, 2, 0, 5, SCSI_ASC_CDB_FIELD},            /* no buffer */
        {{0x28, [8] = 1, [9] = 4}, 10, 1, 512, 5, SCSI_ASC_CDB_FIELD}, /* NACA */
        {{0x35, [4] = 16, [8] = 1}, 10, 2, 0, 5, SCSI_ASC_LBA},
        {{0x12, 0, 0x80, 0, 36}, 6, 1, 36, 5, SCSI_ASC_CDB_FIELD},
        {{0x12, 0, 0, 0, 36}, 6, 0, 36, 5, SCSI_ASC_CDB_FIELD},
        {{0x03, 1, 0, 0, 18}, 6, 1, 18, 5, SCSI_ASC_CDB_FIELD}, /* descriptors */
        {{0x1b, 0, 0, 0, 2}, 6, 2, 0, 5, SCSI_ASC_CDB_FIELD},   /* eject */
        {{0x93, 0x10, [13] = 1}, 16, 0, 512, 5, SCSI_ASC_CDB_FIELD},
        {{0x93, 8, [8] = 16, [13] = 1}, 16, 0, 512, 5, SCSI_ASC_LBA},
    };
    begin_ready();
    for (unsigned i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        command(row[i].cdb, row[i].length, row[i].direction, row[i].bytes);
        expect_sense(row[i].key, row[i].code);
    }
    disk.dev.read_only = true;
    command(CDB(0x2a, [8] = 1), 10, VSTOR_DATA_OUT, 512);
    expect_sense(7, SCSI_ASC_WRITE_PROTECTED);
    command(CDB(0x93, 8, [13] = 1), 16, VSTOR_DATA_OUT, 512);
    expect_sense(7, SCSI_ASC_WRITE_PROTECTED);
    command(CDB(0x42, [8] = 24), 10, VSTOR_DATA_OUT, 24);
    expect_sense(7, SCSI_ASC_WRITE_PROTECTED);
    ck_assert_uint_eq(read_in(CDB(0x03, 0, 0, 0, 18), 6, 18), VSTOR_SRB_SUCCESS);
    ck_assert_mem_eq(buffer(0), "\x70\0\0\0\0\0\0\x0a", 8);
    end();
}
END_TEST

START_TEST(what_goes_wrong_below_becomes_sense)
{
    static const struct {
        enum blk_status status;
        uint8_t key;
        uint16_t code;
    } row[] = {{BLK_EINVAL, 5, SCSI_ASC_CDB_FIELD},          {BLK_ERANGE, 5, SCSI_ASC_LBA},
               {BLK_EREADONLY, 7, SCSI_ASC_WRITE_PROTECTED}, {BLK_EREAD, 3, SCSI_ASC_READ_ERROR},
               {BLK_EWRITE, 3, SCSI_ASC_WRITE_ERROR},        {BLK_EABORTED, 11, SCSI_ASC_NONE},
               {BLK_EGONE, 4, SCSI_ASC_TARGET_FAILURE}};
    begin_ready();
    for (unsigned i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        disk.fail = row[i].status;
        read_in(CDB(0x28, [8] = 1), 10, 512);
        expect_sense(row[i].key, row[i].code);
        disk.fail = row[i].status;
        memset(buffer(0), 1, 512);
        command(CDB(0x41, [8] = 1), 10, VSTOR_DATA_OUT, 512);
        expect_sense(row[i].key, row[i].code);
    }
    /* less room for sense, and none wanted */
    struct vstor_packet p = srb(CDB(0xff), 6, VSTOR_DATA_NONE, 0);
    p.srb.sense_length = 3;
    vmbus_client_send(&rig->client, chan, 5, 1, &p, sizeof(p));
    ck_assert(receive() && got.srb.sense_length == 3 && got.srb.sense[2] == 5 && !got.srb.sense[7]);
    p.srb.flags = VSTOR_F_NO_AUTOSENSE;
    vmbus_client_send(&rig->client, chan, 5, 1, &p, sizeof(p));
    ck_assert(receive() && got.srb.srb_status == VSTOR_SRB_ERROR && got.srb.scsi_status == 2 &&
              !got.srb.sense_length);
    end();
}
END_TEST

START_TEST(malformed_requests_are_refused_or_close_the_channel)
{
    begin_ready();
    struct vstor_packet p = srb(CDB(0), 6, VSTOR_DATA_NONE, 0);
    p.srb.cdb_length = 17;
    vmbus_client_send(&rig->client, chan, 1, 1, &p, sizeof(p));
    ck_assert(receive() && got.srb.srb_status == VSTOR_SRB_INVALID_REQUEST);
    p = srb(CDB(0), 6, 3, 0);
    vmbus_client_send(&rig->client, chan, 1, 1, &p, sizeof(p));
    ck_assert(receive() && got.srb.srb_status == VSTOR_SRB_INVALID_REQUEST);
    p = srb(CDB(0x28, [8] = 1), 10, VSTOR_DATA_IN, 512); /* a transfer without a buffer */
    vmbus_client_send(&rig->client, chan, 1, 1, &p, sizeof(p));
    ck_assert(receive() && got.srb.srb_status == VSTOR_SRB_INVALID_REQUEST);
    p = srb(CDB(0x28, [8] = 1), 10, VSTOR_DATA_IN, 0xffffffff);
    send_buffer(chan, &p, 1, BUFFER, 4096);
    ck_assert(receive() && got.srb.srb_status == VSTOR_SRB_INVALID_REQUEST);
    /* who wants no answer gets none */
    p = srb(CDB(0), 6, VSTOR_DATA_NONE, 0);
    vmbus_client_send(&rig->client, chan, 1, 0, &p, sizeof(p));
    ck_assert(!receive());
    ck_assert_uint_eq(rig->logs, 0);
    /* a packet that is too short to be one */
    vmbus_client_send(&rig->client, chan, 1, 1, &p, 40);
    ck_assert(!receive());
    ck_assert_uint_eq(rig->logs, 1);
    vmbus_client_close(&rig->client, chan);
    vmbus_rig_pump(rig);
    open_channel(chan);
    greet();
    end();
}
END_TEST

/* ---- many at a time ---- */
START_TEST(more_commands_than_the_controller_takes_wait_in_the_ring)
{
    begin_ready();
    const struct vstor_packet p = srb(CDB(0x28, [8] = 8), 10, VSTOR_DATA_IN, 4096);
    unsigned sent = 0, back = 0;
    disk.slow = true;
    for (; sent < 90; sent++)
        send_buffer(chan, &p, 100 + sent, BUFFER + sent % 64 * 4096, 4096);
    vmbus_rig_pump(rig);
    ck_assert_uint_eq(disk.waiting, STORVSP_COMMANDS);
    while (back < sent) {
        blk_fake_step(&disk);
        while (receive())
            ck_assert_uint_eq(got_id, 100 + back++);
    }
    ck_assert_mem_eq(buffer(0), disk.bytes, 4096);
    end();
}
END_TEST

START_TEST(answers_wait_for_room_in_the_ring)
{
    begin_ready();
    const struct vstor_packet p = srb(CDB(0), 6, VSTOR_DATA_NONE, 0);
    unsigned sent = 0, back = 0;
    /* rings of 12 KiB hold 136 answers of 88 bytes (and less than 256 requests) */
    while (sent < 190) {
        ck_assert_int_eq(vmbus_client_send(&rig->client, chan, sent, 1, &p, sizeof(p)), 0);
        vmbus_rig_pump(rig);
        sent++;
    }
    while (back < sent && receive())
        ck_assert_uint_eq(got_id, back++);
    ck_assert_uint_eq(back, sent);
    end();
}
END_TEST

START_TEST(a_guest_that_closes_gets_no_data_any_more)
{
    begin_ready();
    const struct vstor_packet p = srb(CDB(0x28, [8] = 8), 10, VSTOR_DATA_IN, 4096);
    const struct vstor_packet reset = {.op = VSTOR_RESET_BUS};
    disk.slow = true;
    for (unsigned i = 0; i < 5; i++)
        send_buffer(chan, &p, i, BUFFER, 4096);
    vmbus_client_send(&rig->client, chan, 9, 1, &reset, sizeof(reset));
    vmbus_rig_pump(rig);
    ck_assert_uint_eq(disk.waiting, 5);
    vmbus_client_close(&rig->client, chan);
    vmbus_rig_pump(rig);
    ck_assert_uint_eq(disk.waiting, 0);
    open_channel(chan);
    disk.slow = false;
    greet();
    ck_assert_uint_eq(command(CDB(0), 6, VSTOR_DATA_NONE, 0), VSTOR_SRB_SUCCESS);
    /* the whole server ends while commands are under way */
    disk.slow = true;
    send_buffer(chan, &p, 1, BUFFER + 1, 4096);
    vmbus_rig_pump(rig);
    ck_assert_uint_eq(disk.waiting, 1);
    end();
}
END_TEST

START_TEST(a_reset_is_answered_when_all_before_it_is)
{
    begin_ready();
    const struct vstor_packet p = srb(CDB(0x28, [8] = 8), 10, VSTOR_DATA_IN, 4096);
    const struct vstor_packet reset = {.op = VSTOR_RESET_BUS};
    disk.slow = true;
    send_buffer(chan, &p, 1, BUFFER, 4096);
    send_buffer(chan, &p, 2, BUFFER, 4096);
    vmbus_client_send(&rig->client, chan, 9, 1, &reset, sizeof(reset));
    ck_assert(!receive());
    blk_fake_step(&disk);
    ck_assert(receive() && got_id == 1);
    ck_assert(!receive());
    blk_fake_step(&disk);
    ck_assert(receive() && got_id == 2);
    ck_assert(receive() && got_id == 9 && !got.status);
    ck_assert_uint_eq(request(VSTOR_RESET_LUN, 0), 0);
    end();
}
END_TEST

START_TEST(sub_channels_carry_commands)
{
    begin_ready();
    ck_assert_uint_eq(request(VSTOR_CREATE_SUB_CHANNELS, 0), VMBUS_NT_INVALID_PARAMETER);
    ck_assert_uint_eq(request(VSTOR_CREATE_SUB_CHANNELS, 8), VMBUS_NT_INVALID_PARAMETER);
    ck_assert_uint_eq(request(VSTOR_CREATE_SUB_CHANNELS, 2), 0);
    ck_assert_uint_eq(request(VSTOR_CREATE_SUB_CHANNELS, 1), VMBUS_NT_INVALID_PARAMETER);
    struct vmbus_client_channel *sub[2];
    const struct vstor_packet p = srb(CDB(0x28, [8] = 8), 10, VSTOR_DATA_IN, 4096);
    const struct vstor_packet again = {.op = VSTOR_BEGIN_INITIALIZATION};
    for (unsigned i = 0; i < 2; i++) {
        sub[i] = vmbus_client_find(&rig->client, &class_scsi, i + 1);
        open_channel(sub[i]);
        ck_assert_uint_eq(sub[i]->offer.sub_index, i + 1);
        send_buffer(sub[i], &p, 40 + i, BUFFER, 4096);
        vmbus_rig_pump(rig);
        ck_assert(receive_on(sub[i]));
        ck_assert(got_id == 40 + i && got.srb.srb_status == VSTOR_SRB_SUCCESS);
    }
    vmbus_client_send(&rig->client, sub[1], 9, 1, &again, sizeof(again));
    vmbus_rig_pump(rig);
    ck_assert(receive_on(sub[1]) && got.status == VSTOR_NT_INVALID_DEVICE_STATE);
    /* commands under way on a sub-channel when the guest closes the primary */
    disk.slow = true;
    send_buffer(sub[0], &p, 50, BUFFER, 4096);
    vmbus_rig_pump(rig);
    vmbus_client_close(&rig->client, chan);
    vmbus_rig_pump(rig);
    ck_assert_uint_eq(disk.waiting, 0);
    ck_assert_uint_eq(sub[0]->state, VMBUS_C_RESCINDED);
    for (unsigned i = 0; i < 2; i++)
        vmbus_client_release(&rig->client, sub[i]);
    vmbus_rig_pump(rig);
    disk.slow = false;
    open_channel(chan);
    greet();
    ck_assert_uint_eq(request(VSTOR_CREATE_SUB_CHANNELS, 7), 0);
    end();
}
END_TEST

SUITE("storvsp", the_dialogue_of_a_stock_guest, requests_out_of_turn_are_refused,
      inquiry_tells_of_disks_and_of_empty_places, vital_product_data_and_capacity, mode_pages,
      report_luns_lists_the_disks, a_dvd_drive_tells_of_itself_and_its_disc,
      a_dvd_is_read_in_blocks_of_2048_and_not_written, what_has_no_block_of_2048_is_no_dvd,
      reads_and_writes_of_every_length_of_command, buffers_of_any_shape_are_served,
      unmap_and_write_same, every_refusal_has_its_sense, what_goes_wrong_below_becomes_sense,
      malformed_requests_are_refused_or_close_the_channel,
      more_commands_than_the_controller_takes_wait_in_the_ring, answers_wait_for_room_in_the_ring,
      a_guest_that_closes_gets_no_data_any_more, a_reset_is_answered_when_all_before_it_is,
      sub_channels_carry_commands)
