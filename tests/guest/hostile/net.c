/*
 * A child that does to its network card what it should not: sets it up as a driver would, then
 * sends messages, frames and answers of any bytes and of bytes that nearly make sense, from
 * addresses that are not its own, out of buffers that it overwrites meanwhile; closes, opens,
 * starts anew. That the root and the neighbours on the switch are unharmed is the caller's to see.
 * Links with bus.c here.
 */
#include "abi/nvsp.h"
#include "abi/rndis.h"
#include "tests/guest/hostile/bus.h"

#define STEPS    100000u
#define CHANNELS 3u  /* of the card */
#define RINGS    16u /* pages of a channel's rings */
#define RECEIVE  64u /* pages */
#define SEND     6u
#define SECTION  6144u

void ch_main(uint32_t start_info);

static uint8_t ring[CHANNELS][RINGS][VMBUS_RING_PAGE] __attribute__((aligned(4096)));
static uint8_t receive_buffer[RECEIVE][VMBUS_RING_PAGE] __attribute__((aligned(4096)));
static uint8_t send_buffer[SEND][VMBUS_RING_PAGE] __attribute__((aligned(4096)));
static const struct vmbus_guid class_nic = VMBUS_CLASS_NIC;
static uint32_t receive_gpadl, send_gpadl;
static uint8_t mac[6];
static unsigned sent, got, starts;

/* Tries until there is room: this child knows the protocol's beginning. */
static void post(void *ctx, const void *msg, uint32_t size)
{
    (void)ctx;
    for (unsigned i = 0; i < 100000; i++) {
        if (!bus_post(VMBUS_CONNECTION, VMBUS_MESSAGE_TYPE, msg, size))
            return;
    }
}

/* Lets the root work: it runs while this VP waits for the answer to something it does not know. */
static void give_time(void)
{
    for (unsigned i = 0; i < 40; i++) {
        ch_outb(0x80, 0);
        bus_take_messages();
    }
}

static struct vmbus_client_channel *channel(unsigned i)
{
    struct vmbus_client_channel *const ch = vmbus_client_find(&bus_client, &class_nic, i);
    return ch && ch->state == VMBUS_C_OPEN ? ch : 0;
}

/* ---- packets ---- */

static void send(struct vmbus_client_channel *ch, const struct nvsp_message *m)
{
    if (ch &&
        vmbus_client_send(&bus_client, ch, below(100), (uint16_t)below(2), m, sizeof(*m)) >= 0)
        sent++;
}

/* Takes what came; most of it is answered, some twice, some with an id of no packet. */
static void take_packets(struct vmbus_client_channel *ch)
{
    static uint8_t packet[2048];
    struct vmbus_desc d;
    const struct nvsp_message m = {.type = NVSP_SEND_RNDIS_PACKET_COMPLETE,
                                   .rndis_complete = {NVSP_STATUS_SUCCESS}};
    const struct vmbus_piece piece = {&m, sizeof(m)};
    while (ch && vmbus_client_receive(&bus_client, ch, packet, sizeof(packet)) > 0) {
        memcpy(&d, packet, sizeof(d));
        got++;
        if (d.type != VMBUS_PKT_XFER_PAGES)
            continue;
        const uint64_t id = below(3000) ? d.id : below(300);
        for (unsigned n = below(20) ? 1 : (unsigned)below(2) * 2; n; n--) {
            const struct vmbus_desc a = {VMBUS_PKT_COMPLETION, sizeof(a) / 8, 0, 0, id};
            if (vmbus_ring_write(&ch->out, a, &piece, 1) == 1)
                bus_signal(ch->offer.connection);
        }
    }
}

static void in_section(struct vmbus_client_channel *ch, uint32_t type, const void *bytes,
                       uint32_t length)
{
    const uint32_t section = (uint32_t)below(4);
    const struct nvsp_message m = {.type = NVSP_SEND_RNDIS_PACKET,
                                   .rndis = {type, section, length}};
    memcpy(&send_buffer[0][0] + section * SECTION, bytes, length);
    send(ch, &m);
}

static void put_mac(uint8_t *to, unsigned kind)
{
    memcpy(to, mac, 6);
    for (unsigned i = 0; kind && i < 6; i++)
        to[i] = kind == 1 ? 0xff : kind == 2 ? to[i] : (uint8_t)below(256);
    if (kind == 2)
        to[3 + below(3)] = (uint8_t)below(256);
}

/* A frame with headers that are often right; then some words of it all that are not. */
static void a_frame(struct vmbus_client_channel *ch)
{
    static uint8_t m[SECTION];
    const uint32_t infos = (uint32_t)below(3), data = (uint32_t)below(below(10) ? 200 : 5000);
    const struct rndis_packet k = {.h = {RNDIS_PACKET, 44 + infos * 16 + 14 + data},
                                   .data_offset = 36 + infos * 16,
                                   .data_length = 14 + data,
                                   .info_offset = 36,
                                   .info_length = infos * 16};
    uint8_t *const f = m + 44 + infos * 16;
    memcpy(m, &k, sizeof(k));
    for (uint32_t i = 0; i < infos; i++) {
        const uint32_t info[4] = {16, (uint32_t)below(9), 12, (uint32_t)bus_random()};
        memcpy(m + 44 + 16 * i, info, sizeof(info));
    }
    put_mac(f, (unsigned)below(4));
    put_mac(f + 6, below(3) ? 0 : 2 + (unsigned)below(2));
    f[12] = below(2) ? 0x08 : 0x86;
    f[13] = f[12] == 0x08 ? 0x00 : 0xdd;
    for (uint32_t i = 0; i < data && i < 60; i++)
        f[14 + i] = (uint8_t)below(256);
    f[14] = f[12] == 0x08 ? 0x45 : 0x60;
    f[14 + 9] = below(2) ? 6 : 17;
    for (uint64_t i = below(3); i; i--) {
        const uint64_t word = bus_random();
        memcpy(m + 4 * below(15), &word, 4);
    }
    in_section(ch, NVSP_CHANNEL_DATA, m, k.h.length < SECTION ? k.h.length : SECTION);
}

static void a_request(struct vmbus_client_channel *ch)
{
    uint32_t m[64];
    const uint32_t length = 4 * (uint32_t)below(64);
    for (unsigned i = 0; i < 64; i++)
        m[i] = below(2) ? (uint32_t)below(200) : (uint32_t)bus_random();
    m[0] = (uint32_t)below(10);
    m[1] = below(5) ? length : m[1];
    m[3] = below(2) ? OID_GEN_RECEIVE_SCALE_PARAMETERS : OID_GEN_CURRENT_PACKET_FILTER;
    in_section(ch, (uint32_t)below(3), m, length);
}

static void any_message(struct vmbus_client_channel *ch)
{
    struct nvsp_message m = {.type = below(3) ? 100 + (uint32_t)below(40) : (uint32_t)bus_random()};
    for (unsigned i = 0; i < 9; i++)
        m.word[i] = below(2) ? (uint32_t)below(64) : (uint32_t)bus_random();
    if ((m.type == NVSP_REVOKE_RECEIVE_BUFFER || m.type == NVSP_REVOKE_SEND_BUFFER) && below(20))
        m.type = NVSP_SEND_RNDIS_PACKET;
    send(ch, &m);
}

/* Part in a section, part in pages, some of which are no memory. */
static void in_pages(struct vmbus_client_channel *ch)
{
    const struct nvsp_message m = {.type = NVSP_SEND_RNDIS_PACKET,
                                   .rndis = {(uint32_t)below(2),
                                             below(2) ? NVSP_NO_SECTION : (uint32_t)below(6),
                                             (uint32_t)below(SECTION + 100)}};
    uint64_t range[20] = {below(70000) | below(4096) << 32};
    for (unsigned i = 1; i < 20; i++)
        range[i] = below(200) ? (uint64_t)send_buffer[below(SEND)] / 4096 : below(1u << 20);
    if (ch && vmbus_client_send_gpa(&bus_client, ch, below(100), range,
                                    (uint32_t)(1 + below(20)) * 8, 1, &m, sizeof(m)) >= 0)
        sent++;
}

/* ---- the beginning, as a driver has it ---- */

static struct vmbus_page page_of(uint8_t *p)
{
    return (struct vmbus_page){(uint64_t)p, p};
}

static void open_channel(unsigned i)
{
    struct vmbus_client_channel *const ch = vmbus_client_find(&bus_client, &class_nic, i);
    struct vmbus_page page[RINGS];
    if (!ch || ch->state != VMBUS_C_OFFERED)
        return;
    for (unsigned k = 0; k < RINGS; k++)
        page[k] = page_of(ring[i][k]);
    vmbus_client_open(&bus_client, ch, page, RINGS, RINGS / 2, 0);
    for (unsigned k = 0; k < 1000 && ch->state != VMBUS_C_OPEN; k++)
        give_time();
}

static uint32_t gpadl(struct vmbus_client_channel *ch, uint8_t (*from)[VMBUS_RING_PAGE], unsigned n)
{
    struct vmbus_page page[RECEIVE];
    for (unsigned i = 0; i < n; i++)
        page[i] = page_of(from[i]);
    const uint32_t id = vmbus_client_gpadl(&bus_client, ch->offer.relid, page, n);
    give_time();
    return id;
}

static void start(void)
{
    open_channel(0);
    struct vmbus_client_channel *const ch = channel(0);
    if (!ch)
        return;
    if (!receive_gpadl) {
        receive_gpadl = gpadl(ch, receive_buffer, RECEIVE);
        send_gpadl = gpadl(ch, send_buffer, SEND);
    }
    const struct nvsp_message m[] = {
        {.type = NVSP_INIT, .init = {NVSP_VERSION_6_1, NVSP_VERSION_6_1}},
        {.type = NVSP_SEND_RECEIVE_BUFFER, .buffer = {receive_gpadl, 0xcafe}},
        {.type = NVSP_SEND_SEND_BUFFER, .buffer = {send_gpadl, 0}},
        {.type = NVSP_SUBCHANNEL, .subchannel = {NVSP_SUBCHANNEL_ALLOCATE, CHANNELS - 1}}};
    const struct rndis_initialize init = {{RNDIS_INITIALIZE, sizeof(init)}, 1, 1, 0, 0x4000};
    const struct rndis_request ask = {
        .h = {RNDIS_QUERY, sizeof(ask)}, .request = 2, .oid = OID_802_3_PERMANENT_ADDRESS};
    for (unsigned i = 0; i < 4; i++)
        send(ch, &m[i]);
    in_section(ch, NVSP_CHANNEL_CONTROL, &init, sizeof(init));
    give_time();
    in_section(ch, NVSP_CHANNEL_CONTROL, &ask, sizeof(ask));
    give_time();
    /* the second answer is in the second section; nobody else has written there */
    memcpy(mac, &receive_buffer[0][0] + 1728 + 24, sizeof(mac));
    take_packets(ch);
    starts++;
}

static void step(void)
{
    struct vmbus_client_channel *const ch = channel(below(4) ? 0 : (unsigned)below(CHANNELS));
    switch (below(16)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
        a_frame(ch);
        break;
    case 5:
    case 6:
        a_request(ch);
        break;
    case 7:
        any_message(ch);
        break;
    case 8:
        in_pages(ch);
        break;
    case 9: /* what the root may be reading or has just written */
        send_buffer[below(SEND)][below(4096)] ^= (uint8_t)bus_random();
        receive_buffer[below(RECEIVE)][below(4096)] ^= (uint8_t)bus_random();
        break;
    case 10:
        open_channel(1 + (unsigned)below(CHANNELS - 1));
        break;
    case 11:
        if (ch && !below(40)) {
            vmbus_client_close(&bus_client, ch);
            bus_take_messages();
        }
        break;
    case 12:
        bus_take_messages();
        for (unsigned i = 0; i < VMBUS_CLIENT_CHANNELS; i++)
            if (bus_client.channel[i].state == VMBUS_C_RESCINDED)
                vmbus_client_release(&bus_client, &bus_client.channel[i]);
        if (!channel(0) || !below(200)) /* the root may have closed it for good reason */
            start();
        break;
    default:
        take_packets(ch);
        break;
    }
    /* a channel that the root has closed looks open from here, and full */
    if (!below(500) && channel(0))
        vmbus_client_close(&bus_client, channel(0));
}

static void put_number(char *last, unsigned n)
{
    for (; n; n /= 10)
        *last-- = (char)('0' + n % 10);
}

void ch_main(uint32_t start_info)
{
    char text[] = "hostile: 0000000 packets sent, 0000000 taken, 0000000 starts\n";
    (void)start_info;
    bus_start(post);
    vmbus_client_connect(&bus_client, VMBUS_VERSION_IRON);
    give_time();
    vmbus_client_request_offers(&bus_client);
    give_time();
    start();
    for (unsigned i = 0; i < STEPS; i++)
        step();
    put_number(text + 15, sent);
    put_number(text + 37, got);
    put_number(text + 52, starts);
    ch_put(text);
    ch_outb(0xf4, sent < 1000 || got < 1000 || starts < 3);
    for (;;)
        __asm__ volatile("cli; hlt");
}
