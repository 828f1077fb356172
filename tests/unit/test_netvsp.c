/*
 * The network card on VMBus: the dialogue of stock guests, frames in either direction and what
 * guests may leave undone in them, and guests that lie, flood or leave.
 */
#include <string.h>

#include "tests/lib/net_rig.h"
#include "tests/lib/suite.h"
#include "vmbus/vsp/netvsp/netvsp_int.h"

#define SECTION  1728u
#define SECTIONS (NET_RIG_RECEIVE_PAGES * 4096 / SECTION)
#define RESERVED 16u

static struct net_rig n;

static void begin(void)
{
    net_rig_init(&n);
    ck_assert_ptr_nonnull(n.card);
    ck_assert_uint_eq(n.chan->state, VMBUS_C_OPEN);
}

static void begin_ready(void)
{
    begin();
    ck_assert(net_rig_greet(&n, NVSP_VERSION_6_1));
}

static void end(void)
{
    net_rig_free(&n);
    ck_assert_ptr_eq(n.sw.ports, &n.peer.port);
    ck_assert_ptr_null(n.peer.port.next);
}

static uint32_t ask(const struct nvsp_message *m)
{
    ck_assert_int_ge(net_rig_send(&n, m, 9), 0);
    ck_assert(net_rig_receive(&n));
    ck_assert_uint_eq(n.desc.type, VMBUS_PKT_COMPLETION);
    ck_assert_uint_eq(n.desc.id, 9);
    ck_assert_uint_eq(n.desc.length8, 2 + 40 / 8); /* always in full */
    return n.got.type;
}

/* ---- frames ---- */

static uint16_t be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

/* RFC 1071, the plain way */
static uint16_t sum(const uint8_t *p, uint32_t length, uint32_t s)
{
    for (uint32_t i = 0; i < length; i++)
        s += i & 1 ? p[i] : (uint32_t)p[i] << 8;
    while (s >> 16)
        s = (s & 0xffff) + (s >> 16);
    return (uint16_t)s;
}

/* Of an IPv4 frame without options: both checksums are right. */
static bool sums_are_right(const uint8_t *f)
{
    const uint32_t total = be16(f + 16), l4 = total - 20;
    return sum(f + 14, 20, 0) == 0xffff &&
           sum(f + 34, l4, (uint32_t)sum(f + 26, 8, f[23]) + l4) == 0xffff;
}

/* An IPv4 frame from the card to the peer, with TCP or UDP headers and `data` bytes; its length.
 * The checksum field holds the pseudo header's sum, as drivers leave it. */
static uint32_t make_frame(uint8_t *f, uint8_t proto, uint32_t data)
{
    const uint32_t head = proto == NET_PROTO_TCP ? 20 : 8, l4 = head + data;
    memset(f, 0, 54);
    memcpy(f, net_rig_peer_mac, 6);
    memcpy(f + 6, net_rig_mac, 6);
    f[12] = 8;
    f[14] = 0x45;
    f[16] = (uint8_t)((l4 + 20) >> 8);
    f[17] = (uint8_t)(l4 + 20);
    f[19] = 7; /* identification */
    f[22] = 64;
    f[23] = proto;
    memcpy(f + 26, (const uint8_t[]){10, 9, 0, 1, 10, 9, 0, 2}, 8);
    const uint16_t ip = (uint16_t)~sum(f + 14, 20, 0);
    f[24] = (uint8_t)(ip >> 8);
    f[25] = (uint8_t)ip;
    for (uint32_t i = 0; i < data; i++)
        f[34 + head + i] = (uint8_t)(i * 7 + i / 256);
    uint8_t *const field = f + 34 + (proto == NET_PROTO_TCP ? 16 : 6);
    if (proto == NET_PROTO_TCP) {
        f[34 + 7] = 100; /* sequence number */
        f[34 + 12] = 0x50;
        f[34 + 13] = 0x19; /* ACK, PSH, FIN */
    } else {
        f[34 + 4] = (uint8_t)(l4 >> 8);
        f[34 + 5] = (uint8_t)l4;
    }
    const uint16_t pseudo = (uint16_t)sum(f + 26, 8, proto + l4);
    field[0] = (uint8_t)(pseudo >> 8);
    field[1] = (uint8_t)pseudo;
    return 34 + l4;
}

/* An RNDIS message around a frame, with one info or none (type ~0); its length. */
static uint32_t wrap(uint8_t *to, const uint8_t *frame, uint32_t length, uint32_t type,
                     uint32_t value)
{
    const struct rndis_info i = {16, type, 12};
    const uint32_t info = type == ~0u ? 0 : 16;
    const struct rndis_packet k = {.h = {RNDIS_PACKET, 44 + info + length},
                                   .data_offset = 36 + info,
                                   .data_length = length,
                                   .info_offset = info ? 36 : 0,
                                   .info_length = info};
    memcpy(to, &k, 44);
    if (info) {
        memcpy(to + 44, &i, 12);
        memcpy(to + 56, &value, 4);
    }
    memcpy(to + 44 + info, frame, length);
    return k.h.length;
}

static uint32_t send_frame(const uint8_t *frame, uint32_t length, uint32_t type, uint32_t value)
{
    uint8_t m[2048];
    return net_rig_rndis(&n, NVSP_CHANNEL_DATA, m, wrap(m, frame, length, type, value));
}

/* A message in pages from NET_RIG_PAGES on, after `in_section` bytes of it in section 0. */
static uint32_t send_pages(const uint8_t *m, uint32_t length, uint32_t in_section)
{
    const struct nvsp_message k = {
        .type = NVSP_SEND_RNDIS_PACKET,
        .rndis = {NVSP_CHANNEL_DATA, in_section ? 0 : NVSP_NO_SECTION, in_section}};
    struct {
        struct vmbus_gpa_range r;
        uint64_t pfn[20];
    } range = {.r = {length - in_section, 100}};
    const uint32_t pages = (100 + length - in_section + 4095) / 4096;
    ck_assert_uint_le(pages, 20);
    memcpy(n.send[0].va, m, in_section);
    for (uint32_t i = 0; i < pages; i++)
        range.pfn[i] = (NET_RIG_PAGES + 0x100000u) / 4096 + i;
    memcpy(vmbus_rig_ram(n.bus, NET_RIG_PAGES + 0x100000u) + 100, m + in_section,
           length - in_section);
    ck_assert_int_ge(
        vmbus_client_send_gpa(&n.bus->client, n.chan, 43, &range, 8 + 8 * pages, 1, &k, sizeof(k)),
        0);
    ck_assert(net_rig_receive(&n));
    ck_assert_uint_eq(n.got.type, NVSP_SEND_RNDIS_PACKET_COMPLETE);
    return n.got.rndis_complete.status;
}

/* A frame of the peer's for the card */
static void peer_sends(uint32_t data, bool good)
{
    uint8_t bytes[2048];
    struct net_frame f = {.data = bytes, .length = make_frame(bytes, NET_PROTO_UDP, data)};
    memcpy(bytes, net_rig_mac, 6);
    memcpy(bytes + 6, net_rig_peer_mac, 6);
    ck_assert(net_frame_parse(&f));
    f.csum_good = good;
    vswitch_send(&n.peer.port, &f);
    vswitch_flush(&n.sw);
}

/* ---- dialogue ---- */

START_TEST(every_version_is_agreed_on)
{
    static const uint32_t good[] = {NVSP_VERSION_1, NVSP_VERSION_2, NVSP_VERSION_4,
                                    NVSP_VERSION_5, NVSP_VERSION_6, NVSP_VERSION_6_1};
    static const struct {
        uint32_t min, max, status;
    } bad[] = {{0x60002, 0x70000, NVSP_STATUS_TOO_NEW},
               {0, 1, NVSP_STATUS_TOO_OLD},
               {0x40001, 0x4ffff, NVSP_STATUS_FAIL},
               {0x60000, 0x50000, NVSP_STATUS_FAIL}};
    for (unsigned i = 0; i < 6; i++) {
        const struct nvsp_message m = {.type = NVSP_INIT, .init = {good[i], good[i]}};
        begin();
        for (unsigned k = 0; k < 4; k++) {
            const struct nvsp_message r = {.type = NVSP_INIT, .init = {bad[k].min, bad[k].max}};
            ck_assert_uint_eq(ask(&r), NVSP_INIT_COMPLETE);
            ck_assert_uint_eq(n.got.init_complete.status, bad[k].status);
        }
        ck_assert_uint_eq(ask(&m), NVSP_INIT_COMPLETE);
        ck_assert_uint_eq(n.got.init_complete.status, NVSP_STATUS_SUCCESS);
        ck_assert_uint_eq(n.got.init_complete.version, good[i]);
        ck_assert_uint_eq(ask(&m), NVSP_INIT_COMPLETE); /* but once */
        ck_assert_uint_eq(n.got.init_complete.status, NVSP_STATUS_FAIL);
        end();
    }
}
END_TEST

START_TEST(buffers_are_cut_into_sections)
{
    struct nvsp_message m = {.type = NVSP_INIT, .init = {NVSP_VERSION_5, NVSP_VERSION_5}};
    begin();
    ask(&m);
    m = (struct nvsp_message){.type = NVSP_SEND_RECEIVE_BUFFER, .buffer = {12345, 0xcafe}};
    ck_assert_uint_eq(ask(&m), NVSP_SEND_RECEIVE_BUFFER_COMPLETE);
    ck_assert_uint_eq(n.got.receive_complete.status, NVSP_STATUS_FAIL);
    m.buffer.gpadl = n.send_gpadl; /* too small to receive into */
    ask(&m);
    ck_assert_uint_eq(n.got.receive_complete.status, NVSP_STATUS_FAIL);
    m.buffer.gpadl = n.receive_gpadl;
    ask(&m);
    ck_assert_uint_eq(n.got.receive_complete.status, NVSP_STATUS_SUCCESS);
    ck_assert_uint_eq(n.got.receive_complete.sections, 1);
    ck_assert_uint_eq(n.got.receive_complete.offset, 0);
    ck_assert_uint_eq(n.got.receive_complete.sub_size, SECTION);
    ck_assert_uint_eq(n.got.receive_complete.sub_count, SECTIONS);
    ask(&m); /* a second one */
    ck_assert_uint_eq(n.got.receive_complete.status, NVSP_STATUS_FAIL);
    m = (struct nvsp_message){.type = NVSP_SEND_SEND_BUFFER, .buffer = {n.send_gpadl, 0}};
    ck_assert_uint_eq(ask(&m), NVSP_SEND_SEND_BUFFER_COMPLETE);
    ck_assert_uint_eq(n.got.send_complete.status, NVSP_STATUS_SUCCESS);
    ck_assert_uint_eq(n.got.send_complete.section_size, 6144);
    m.type = NVSP_REVOKE_RECEIVE_BUFFER;
    ck_assert_uint_eq(ask(&m), NVSP_NONE);
    m = (struct nvsp_message){.type = NVSP_SEND_RECEIVE_BUFFER, .buffer = {n.receive_gpadl, 1}};
    ask(&m);
    ck_assert_uint_eq(n.got.receive_complete.status, NVSP_STATUS_SUCCESS);
    end();
}
END_TEST

static uint32_t answer32(void)
{
    uint32_t v;
    memcpy(&v, n.message + 24, 4);
    return v;
}

START_TEST(objects_are_queried_and_set)
{
    struct ndis_offload o;
    struct rndis_query_complete q;
    const uint32_t filter = NDIS_FILTER_PROMISCUOUS;
    begin_ready();
    ck_assert_uint_eq(net_rig_query(&n, OID_GEN_MAXIMUM_FRAME_SIZE), RNDIS_STATUS_SUCCESS);
    ck_assert_uint_eq(answer32(), 1500);
    ck_assert_uint_eq(net_rig_query(&n, OID_802_3_PERMANENT_ADDRESS), RNDIS_STATUS_SUCCESS);
    ck_assert_mem_eq(n.message + 24, net_rig_mac, 6);
    ck_assert_uint_eq(net_rig_query(&n, OID_TCP_OFFLOAD_CAPABILITIES), RNDIS_STATUS_SUCCESS);
    memcpy(&o, n.message + 24, sizeof(o));
    ck_assert_uint_eq(o.h.type, NDIS_TYPE_OFFLOAD);
    ck_assert_uint_eq(o.h.size, 156);
    ck_assert_uint_eq(o.csum4.tx & 0x14, 0x14);
    ck_assert_uint_eq(o.csum6.tx & 0x15, 0x15);
    ck_assert_uint_eq(net_rig_query(&n, OID_GEN_MEDIA_CONNECT_STATUS), RNDIS_STATUS_SUCCESS);
    ck_assert_uint_eq(answer32(), 0);
    ck_assert_uint_eq(net_rig_query(&n, OID_GEN_SUPPORTED_LIST), RNDIS_STATUS_SUCCESS);
    ck_assert_uint_eq(answer32(), OID_GEN_SUPPORTED_LIST);
    ck_assert_uint_eq(net_rig_query(&n, 0x12345), RNDIS_STATUS_NOT_SUPPORTED);
    memcpy(&q, n.message, sizeof(q));
    ck_assert_uint_eq(q.length, 0);
    ck_assert_uint_eq(q.offset, 16);
    ck_assert_uint_eq(q.request, 5);
    ck_assert_uint_eq(net_rig_set(&n, OID_GEN_CURRENT_PACKET_FILTER, &filter, 4), 0);
    ck_assert_uint_eq(net_rig_query(&n, OID_GEN_CURRENT_PACKET_FILTER), 0);
    ck_assert_uint_eq(answer32(), filter);
    ck_assert_uint_eq(net_rig_set(&n, OID_GEN_CURRENT_PACKET_FILTER, &filter, 3),
                      RNDIS_STATUS_INVALID_LENGTH);
    ck_assert_uint_eq(net_rig_set(&n, OID_GEN_RNDIS_CONFIG_PARAMETER, &filter, 4),
                      RNDIS_STATUS_FAILURE);
    ck_assert_uint_eq(net_rig_set(&n, 0x12345, &filter, 4), RNDIS_STATUS_NOT_SUPPORTED);
    end();
}
END_TEST

START_TEST(control_messages_of_other_kinds)
{
    const struct rndis_request keepalive = {.h = {RNDIS_KEEPALIVE, 12}, .request = 77};
    const struct rndis_request reset = {.h = {RNDIS_RESET, 12}};
    const struct rndis_request halt = {.h = {RNDIS_HALT, 12}};
    struct rndis_request wrong = {.h = {RNDIS_QUERY, 28}, .length = 10, .offset = 20};
    begin_ready();
    ck_assert_uint_eq(net_rig_rndis(&n, NVSP_CHANNEL_CONTROL, &keepalive, 12), 1);
    ck_assert(net_rig_receive(&n));
    ck_assert_uint_eq(n.got.type, NVSP_SEND_RNDIS_PACKET);
    ck_assert_uint_eq(n.got.rndis.channel, NVSP_CHANNEL_CONTROL);
    ck_assert_mem_eq(n.message, ((const uint32_t[]){0x80000008, 16, 77, 0}), 16);
    net_rig_return(&n);
    ck_assert_uint_eq(net_rig_rndis(&n, NVSP_CHANNEL_CONTROL, &reset, 12), 1);
    ck_assert(net_rig_receive(&n));
    ck_assert_mem_eq(n.message, ((const uint32_t[]){0x80000006, 16, 0, 1}), 16);
    net_rig_return(&n);
    /* malformed: data beyond the message, a length beyond the section, on the wrong channel */
    ck_assert_uint_eq(net_rig_rndis(&n, NVSP_CHANNEL_CONTROL, &wrong, 28), 5);
    wrong.length = 0;
    wrong.h.length = 29;
    ck_assert_uint_eq(net_rig_rndis(&n, NVSP_CHANNEL_CONTROL, &wrong, 28), 5);
    ck_assert_uint_eq(net_rig_rndis(&n, NVSP_CHANNEL_CONTROL, &wrong, 11), 5);
    ck_assert_uint_eq(net_rig_rndis(&n, NVSP_CHANNEL_DATA, &keepalive, 12), 5);
    ck_assert_uint_eq(net_rig_rndis(&n, 2, &keepalive, 12), 5);
    ck_assert_uint_eq(net_rig_rndis(&n, NVSP_CHANNEL_CONTROL, &halt, 12), 1);
    ck_assert_uint_eq(net_rig_rndis(&n, NVSP_CHANNEL_CONTROL, &keepalive, 12), 5);
    ck_assert(!net_rig_receive(&n));
    end();
}
END_TEST

/* ---- frames of the guest ---- */

START_TEST(a_frame_goes_to_the_switch_as_it_is)
{
    uint8_t f[2048], m[6144];
    begin_ready();
    const uint32_t length = make_frame(f, NET_PROTO_UDP, 1000);
    ck_assert_uint_eq(send_frame(f, length, ~0u, 0), NVSP_STATUS_SUCCESS);
    ck_assert_uint_eq(n.peer.frames, 1);
    ck_assert_uint_eq(n.peer.last.length, length);
    ck_assert_mem_eq(n.peer.bytes, f, length);
    /* in pages, and header here, frame there */
    const uint32_t all = wrap(m, f, length, ~0u, 0);
    ck_assert_uint_eq(send_pages(m, all, 0), NVSP_STATUS_SUCCESS);
    ck_assert_uint_eq(send_pages(m, all, 44), NVSP_STATUS_SUCCESS);
    ck_assert_uint_eq(n.peer.frames, 3);
    ck_assert_mem_eq(n.peer.bytes, f, length);
    /* several in one section, the last not aligned */
    uint32_t at = 0;
    for (unsigned i = 0; i < 3; i++) {
        const uint32_t k = wrap(m + at, f, 60 + i, ~0u, 0), padded = (k + 7) & ~7u;
        memcpy(m + at + 4, &padded, 4);
        at += padded;
    }
    ck_assert_uint_eq(net_rig_rndis(&n, NVSP_CHANNEL_DATA, m, at), NVSP_STATUS_SUCCESS);
    ck_assert_uint_eq(n.peer.frames, 6);
    ck_assert_uint_eq(n.peer.last.length, 62);
    const struct netvsp_counts c = netvsp_counts(n.card);
    ck_assert_uint_eq(c.sent, 6);
    ck_assert_uint_eq(c.refused, 0);
    end();
}
END_TEST

START_TEST(tags_travel_beside_the_frame)
{
    uint8_t f[200], in_data[200];
    struct rndis_packet k;
    uint32_t value;
    begin_ready();
    const uint32_t length = make_frame(f, NET_PROTO_UDP, 50);
    /* VLAN 0x234, priority 5, CFI: on an access port refused, but for the priority */
    ck_assert_uint_eq(send_frame(f, length, RNDIS_INFO_VLAN, 0x234u << 4 | 8 | 5), 1);
    ck_assert_uint_eq(n.peer.frames, 0);
    ck_assert_uint_eq(netvsp_counts(n.card).refused, 1);
    ck_assert_uint_eq(send_frame(f, length, RNDIS_INFO_VLAN, 5), 1);
    ck_assert_uint_eq(n.peer.frames, 1);
    n.card->port.is_trunk = n.peer.port.is_trunk = true;
    ck_assert_uint_eq(send_frame(f, length, RNDIS_INFO_VLAN, 0x234u << 4 | 8 | 5), 1);
    ck_assert_uint_eq(n.peer.last.tag, 0xb234);
    ck_assert_uint_eq(n.peer.last.length, length);
    /* the same tag in the data; with one beside it, that is two */
    memcpy(in_data, f, 12);
    memcpy(in_data + 12, (const uint8_t[]){0x81, 0, 0xb2, 0x34}, 4);
    memcpy(in_data + 16, f + 12, length - 12);
    ck_assert_uint_eq(send_frame(in_data, length + 4, ~0u, 0), 1);
    ck_assert_uint_eq(n.peer.last.tag, 0xb234);
    ck_assert_mem_eq(n.peer.bytes, f, length);
    ck_assert_uint_eq(send_frame(in_data, length + 4, RNDIS_INFO_VLAN, 16), 5);
    /* to the guest */
    struct net_frame back = {.data = f, .length = length, .tag = 0xb234};
    memcpy(f, net_rig_mac, 6);
    memcpy(f + 6, net_rig_peer_mac, 6);
    vswitch_send(&n.peer.port, &back);
    vswitch_flush(&n.sw);
    ck_assert(net_rig_receive(&n));
    memcpy(&k, n.message, sizeof(k));
    ck_assert_uint_eq(k.info_length, 16);
    memcpy(&value, n.message + 8 + k.info_offset + 4, 4);
    ck_assert_uint_eq(value, RNDIS_INFO_VLAN);
    memcpy(&value, n.message + 8 + k.info_offset + 12, 4);
    ck_assert_uint_eq(value, 0x234u << 4 | 8 | 5);
    ck_assert_mem_eq(n.message + 8 + k.data_offset, f, length);
    end();
}
END_TEST

START_TEST(malformed_frames_are_refused)
{
    uint8_t f[2048], good[2048], m[2048];
    static const struct {
        uint32_t at, value;
    } wrong[] = {{0, 2},         {4, 43},  {4, 5000}, {8, 0xffffffff},  {8, 2000},
                 {12, 0},        {12, 13}, {12, 900}, {12, 0xffffffff}, {28, 1000},
                 {28, 0xffffff}, {32, 4},  {32, 15},  {32, 0xffffffff}, {44, 11},
                 {44, 17},       {44, 0},  {52, 13},  {52, 0xffffffff}};
    begin_ready();
    const uint32_t all = wrap(good, f, make_frame(f, NET_PROTO_UDP, 100), RNDIS_INFO_CSUM, 0);
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        memcpy(m, good, all);
        memcpy(m + wrong[i].at, &wrong[i].value, 4);
        ck_assert_uint_eq(net_rig_rndis(&n, NVSP_CHANNEL_DATA, m, all), NVSP_STATUS_INVALID_RNDIS);
    }
    ck_assert_uint_eq(net_rig_rndis(&n, NVSP_CHANNEL_DATA, good, 43), NVSP_STATUS_INVALID_RNDIS);
    ck_assert_uint_eq(net_rig_rndis(&n, NVSP_CHANNEL_DATA, good, 0), NVSP_STATUS_INVALID_RNDIS);
    ck_assert_uint_eq(n.peer.frames, 0);
    /* an info of a kind we do not know, and of no length at all */
    const uint32_t odd[2] = {0, 3};
    memcpy(m, good, all);
    memcpy(m + 44, odd, sizeof(odd));
    ck_assert_uint_eq(net_rig_rndis(&n, NVSP_CHANNEL_DATA, m, all), NVSP_STATUS_INVALID_RNDIS);
    /* a good frame, with padding to the end of the section, and one byte more */
    static uint8_t padded[6145];
    const uint32_t lengths[2] = {6144, 6145};
    memcpy(padded, good, all);
    memcpy(padded + 4, &lengths[0], 4);
    ck_assert_uint_eq(net_rig_rndis(&n, NVSP_CHANNEL_DATA, padded, 6144), NVSP_STATUS_SUCCESS);
    memcpy(padded + 4, &lengths[1], 4);
    ck_assert_uint_eq(net_rig_rndis(&n, NVSP_CHANNEL_DATA, padded, 6145),
                      NVSP_STATUS_INVALID_RNDIS);
    ck_assert_uint_eq(n.peer.frames, 1);
    /* sections that are none, and one too long */
    struct nvsp_message k = {.type = NVSP_SEND_RNDIS_PACKET, .rndis = {0, 4, 200}};
    ask(&k);
    ck_assert_uint_eq(n.got.rndis_complete.status, NVSP_STATUS_INVALID_RNDIS);
    k.rndis.section = 0;
    k.rndis.size = 6145;
    ask(&k);
    ck_assert_uint_eq(n.got.rndis_complete.status, NVSP_STATUS_INVALID_RNDIS);
    ck_assert_uint_eq(netvsp_counts(n.card).refused, sizeof(wrong) / sizeof(wrong[0]) + 6);
    end();
}
END_TEST

START_TEST(checksums_are_computed_for_those_who_cannot)
{
    static const uint8_t protos[] = {NET_PROTO_TCP, NET_PROTO_UDP};
    uint8_t f[2048];
    begin_ready();
    for (unsigned i = 0; i < 64; i++) {
        const uint8_t proto = protos[i & 1];
        const uint32_t length = make_frame(f, proto, i * 20 + i % 5);
        const uint32_t what = RNDIS_CSUM_TX_IP4 | RNDIS_CSUM_TX_IP_HEADER |
                              (proto == NET_PROTO_TCP ? RNDIS_CSUM_TX_TCP : RNDIS_CSUM_TX_UDP);
        f[24] = f[25] = 0xee;
        n.peer.port.takes = 0;
        ck_assert_uint_eq(send_frame(f, length, RNDIS_INFO_CSUM, what), NVSP_STATUS_SUCCESS);
        ck_assert(sums_are_right(n.peer.bytes));
        ck_assert(!n.peer.last.csum_partial && n.peer.last.csum_good);
        n.peer.port.takes = NET_TAKES_CSUM;
        ck_assert_uint_eq(send_frame(f, length, RNDIS_INFO_CSUM, what), NVSP_STATUS_SUCCESS);
        ck_assert(n.peer.last.csum_partial);
        ck_assert_mem_eq(n.peer.bytes + 34, f + 34, length - 34);
        /* of the other protocol than the frame is */
        ck_assert_uint_eq(
            send_frame(f, length, RNDIS_INFO_CSUM, what ^ (RNDIS_CSUM_TX_TCP | RNDIS_CSUM_TX_UDP)),
            NVSP_STATUS_INVALID_RNDIS);
    }
    end();
}
END_TEST

/* A port that checks pieces of a long segment as they come. */
static struct {
    struct net_port port;
    uint32_t pieces, at;
    const uint8_t *whole;
    uint32_t length, mss;
} checker;

static void check_piece(struct net_port *p, struct net_frame *f)
{
    const uint8_t *const b = f->data;
    const uint32_t part = f->length - 54, flags = b[47];
    const bool is_last = checker.at + part == checker.length - 54;
    (void)p;
    ck_assert(sums_are_right(b));
    ck_assert_uint_eq(be16(b + 16), f->length - 14);
    ck_assert_uint_eq(be16(b + 18), 7 + checker.pieces);
    ck_assert_uint_eq((uint32_t)be16(b + 38) << 16 | be16(b + 40), 100 + checker.at);
    ck_assert(is_last || part == checker.mss);
    ck_assert_uint_eq(flags, is_last ? 0x19 : 0x10);
    ck_assert_mem_eq(b + 54, checker.whole + 54 + checker.at, part);
    checker.at += part;
    checker.pieces++;
}

START_TEST(long_segments_are_cut)
{
    static const struct net_port_ops ops = {.deliver = check_piece};
    static uint8_t f[66000], m[66100];
    static const uint32_t lengths[] = {1, 1000, 1001, 5000, 60000, 62000 - 54};
    begin_ready();
    vswitch_remove(&n.peer.port);
    checker.port = (struct net_port){.ops = &ops, .is_linked = true};
    vswitch_add(&n.sw, &checker.port);
    for (unsigned i = 0; i < 6; i++) {
        const uint32_t length = make_frame(f, NET_PROTO_TCP, lengths[i]);
        checker.pieces = checker.at = 0;
        checker.whole = f;
        checker.length = length;
        checker.mss = 1000;
        f[16] = f[17] = f[24] = f[25] = 0; /* as Linux hands them over */
        const uint32_t all = wrap(m, f, length, RNDIS_INFO_LSO,
                                  RNDIS_LSO_V2 | 20u << 20 | checker.mss);
        ck_assert_uint_eq(send_pages(m, all, 60), NVSP_STATUS_SUCCESS);
        ck_assert_uint_eq(checker.at, lengths[i]);
        ck_assert_uint_eq(checker.pieces, (lengths[i] + 999) / 1000);
    }
    /* to one that cuts them itself: with lengths and sums as of a frame that needs no cutting */
    vswitch_remove(&checker.port);
    vswitch_add(&n.sw, &n.peer.port);
    n.peer.port.takes = NET_TAKES_CSUM | NET_TAKES_LONG4;
    ck_assert_uint_eq(send_pages(m, checker.length + 60, 60), NVSP_STATUS_SUCCESS);
    ck_assert_uint_eq(n.peer.last.mss, 1000);
    make_frame(f, NET_PROTO_TCP, lengths[5]);
    ck_assert_mem_eq(n.peer.bytes, f, checker.length);
    /* no TCP; without size; what says it is IPv6 */
    wrap(m, f, make_frame(f, NET_PROTO_UDP, 1100), RNDIS_INFO_LSO, RNDIS_LSO_V2 | 1000);
    ck_assert_uint_eq(send_pages(m, 1202, 0), NVSP_STATUS_INVALID_RNDIS);
    wrap(m, f, make_frame(f, NET_PROTO_TCP, 1100), RNDIS_INFO_LSO, RNDIS_LSO_V2);
    ck_assert_uint_eq(send_pages(m, 1214, 0), NVSP_STATUS_INVALID_RNDIS);
    wrap(m, f, make_frame(f, NET_PROTO_TCP, 1100), RNDIS_INFO_LSO, RNDIS_LSO_IP6 | 1000);
    ck_assert_uint_eq(send_pages(m, 1214, 0), NVSP_STATUS_INVALID_RNDIS);
    end();
}
END_TEST

/* ---- frames for the guest ---- */

START_TEST(a_frame_reaches_the_guest)
{
    struct rndis_packet k;
    uint8_t f[2048];
    uint32_t value;
    begin_ready();
    for (unsigned good = 0; good < 2; good++) {
        peer_sends(200, good);
        ck_assert(net_rig_receive(&n));
        ck_assert_uint_eq(n.desc.type, VMBUS_PKT_XFER_PAGES);
        ck_assert_uint_eq(n.desc.flags, VMBUS_PKT_F_COMPLETION);
        ck_assert_uint_eq(n.got.type, NVSP_SEND_RNDIS_PACKET);
        ck_assert_uint_eq(n.got.rndis.channel, NVSP_CHANNEL_DATA);
        ck_assert_uint_eq(n.got.rndis.section, NVSP_NO_SECTION);
        ck_assert_uint_eq(n.range.byte_offset % SECTION, 0);
        memcpy(&k, n.message, sizeof(k));
        ck_assert_uint_eq(k.h.type, RNDIS_PACKET);
        ck_assert_uint_eq(k.h.length, n.range.byte_count);
        ck_assert_uint_eq(k.info_length, good ? 16 : 0);
        memcpy(&value, n.message + 8 + k.info_offset + 12, 4);
        ck_assert(!good || value == (RNDIS_CSUM_RX_IP_GOOD | RNDIS_CSUM_RX_UDP_GOOD));
        make_frame(f, NET_PROTO_UDP, 200);
        ck_assert_uint_eq(k.data_length, 242);
        ck_assert_mem_eq(n.message + 8 + k.data_offset + 12, f + 12, 230);
        net_rig_return(&n);
    }
    end();
}
END_TEST

START_TEST(frames_that_come_together_go_together)
{
    uint8_t bytes[60] = {0};
    const unsigned all = SECTIONS - RESERVED;
    begin_ready();
    memcpy(bytes, net_rig_mac, 6);
    memcpy(bytes + 6, net_rig_peer_mac, 6);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < all; i++) {
            struct net_frame f = {.data = bytes, .length = sizeof(bytes)};
            vswitch_send(&n.peer.port, &f);
        }
        ck_assert(!net_rig_receive(&n));
        vswitch_flush(&n.sw);
        ck_assert(net_rig_receive(&n));
        ck_assert_uint_eq(n.got.type, NVSP_SEND_RNDIS_PACKET);
        ck_assert_uint_eq(n.ranges, all);
        ck_assert(!net_rig_receive(&n));
        net_rig_return(&n); /* all of them */
    }
    ck_assert_uint_eq(netvsp_counts(n.card).no_buffer, 0);
    end();
}
END_TEST

START_TEST(frames_without_room_are_lost_and_answers_are_not)
{
    begin_ready();
    unsigned got = 0;
    for (unsigned i = 0; i < SECTIONS + 10; i++)
        peer_sends(1400, false);
    ck_assert_uint_eq(netvsp_counts(n.card).no_buffer, 10 + RESERVED);
    /* requests are still served: the reserve is for them */
    ck_assert_uint_eq(net_rig_rndis(&n, 0, "x", 0), 0); /* the frames come first */
    for (got = 1; net_rig_receive(&n) && n.desc.type == VMBUS_PKT_XFER_PAGES; got++)
        ;
    ck_assert_uint_eq(got, SECTIONS - RESERVED);
    for (unsigned i = 0; i < RESERVED; i++)
        ck_assert_uint_eq(net_rig_query(&n, OID_GEN_LINK_SPEED), RNDIS_STATUS_SUCCESS);
    peer_sends(10, false);
    ck_assert(!net_rig_receive(&n));
    end();
}
END_TEST

START_TEST(the_filter_decides_what_comes_in)
{
    static const struct {
        uint8_t first;
        uint32_t filter;
        bool comes;
    } rows[] = {{0x00, 0, false},
                {0x00, NDIS_FILTER_DIRECTED, true},
                {0x00, NDIS_FILTER_BROADCAST | NDIS_FILTER_MULTICAST, false},
                {0x01, NDIS_FILTER_DIRECTED, false},
                {0x01, NDIS_FILTER_MULTICAST, true},
                {0x01, NDIS_FILTER_ALL_MULTICAST, true},
                {0xff, NDIS_FILTER_MULTICAST, false},
                {0xff, NDIS_FILTER_BROADCAST, true},
                {0x02, NDIS_FILTER_DIRECTED, false}, /* somebody else's */
                {0x02, NDIS_FILTER_PROMISCUOUS, true}};
    uint8_t bytes[60];
    begin_ready();
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct net_frame f = {.data = bytes, .length = sizeof(bytes)};
        ck_assert_uint_eq(net_rig_set(&n, OID_GEN_CURRENT_PACKET_FILTER, &rows[i].filter, 4), 0);
        memset(bytes, 0xff, sizeof(bytes));
        if (rows[i].first != 0xff)
            memcpy(bytes, net_rig_mac, 6);
        bytes[0] = rows[i].first;
        memcpy(bytes + 6, net_rig_peer_mac, 6);
        vswitch_send(&n.peer.port, &f);
        vswitch_flush(&n.sw);
        ck_assert_uint_eq(net_rig_receive(&n), rows[i].comes);
        if (rows[i].comes)
            net_rig_return(&n);
    }
    end();
}
END_TEST

START_TEST(the_guest_hears_of_its_cable)
{
    uint8_t f[100];
    begin_ready();
    netvsp_set_link(n.card, false);
    ck_assert(net_rig_receive(&n));
    ck_assert_mem_eq(n.message, ((const uint32_t[]){RNDIS_INDICATE, 20, 0x4001000c, 0, 0}), 20);
    net_rig_return(&n);
    peer_sends(10, false);
    ck_assert(!net_rig_receive(&n));
    ck_assert_uint_eq(send_frame(f, make_frame(f, NET_PROTO_UDP, 10), ~0u, 0), 1);
    ck_assert_uint_eq(n.peer.frames, 0);
    ck_assert_uint_eq(net_rig_query(&n, OID_GEN_MEDIA_CONNECT_STATUS), 0);
    ck_assert_uint_eq(answer32(), 1);
    netvsp_set_link(n.card, true);
    ck_assert(net_rig_receive(&n));
    ck_assert_mem_eq(n.message, ((const uint32_t[]){RNDIS_INDICATE, 20, 0x4001000b, 0, 0}), 20);
    net_rig_return(&n);
    ck_assert(!net_rig_receive(&n));
    end();
}
END_TEST

/* ---- several channels ---- */

/* Microsoft's verification key and vectors for the Toeplitz hash */
static const uint8_t rss_key[40] = {0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
                                    0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
                                    0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
                                    0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};

static struct {
    struct ndis_rss_parameters p;
    uint32_t rest[3];
    uint32_t table[128];
    uint8_t key[40];
} rss;

static uint32_t set_rss(uint32_t types, uint32_t queue)
{
    memset(&rss, 0, sizeof(rss));
    rss.p = (struct ndis_rss_parameters){.h = {NDIS_TYPE_RSS_PARAMETERS, 2, 40},
                                         .hash = types | NDIS_HASH_TOEPLITZ,
                                         .table_size = sizeof(rss.table),
                                         .table_offset = 40,
                                         .key_size = sizeof(rss.key),
                                         .key_offset = 40 + sizeof(rss.table)};
    for (unsigned i = 0; i < 128; i++)
        rss.table[i] = queue;
    memcpy(rss.key, rss_key, sizeof(rss.key));
    return net_rig_set(&n, OID_GEN_RECEIVE_SCALE_PARAMETERS, &rss, sizeof(rss));
}

START_TEST(the_hash_is_toeplitz)
{
    static const uint8_t v4[12] = {66,  9,  149,       187,        161,       142,
                                   100, 80, 2794 >> 8, 2794 & 255, 1766 >> 8, 1766 & 255};
    static const uint8_t v6[36] = {
        0x3f, 0xfe, 0x25, 1, 2, 0, 0x1f,     0xff,      [15] = 7,   0x3f,      0xfe,
        0x25, 1,    2,    0, 0, 3, [31] = 1, 2794 >> 8, 2794 & 255, 1766 >> 8, 1766 & 255};
    uint8_t f4[54] = {[12] = 8, [14] = 0x45, [17] = 40, [23] = 6, [46] = 0x50};
    uint8_t f6[74] = {[12] = 0x86, [13] = 0xdd, [14] = 0x60, [19] = 20, [20] = 6, [66] = 0x50};
    memcpy(f4 + 26, v4, 12);
    memcpy(f6 + 22, v6, 36);
    begin_ready();
    struct netvsp_rss *const s = &n.card->rss;
    uint32_t h = 0;
    for (unsigned tcp = 0; tcp < 2; tcp++) {
        struct net_frame a = {.data = f4, .length = sizeof(f4)};
        struct net_frame b = {.data = f6, .length = sizeof(f6)};
        ck_assert_uint_eq(
            set_rss(tcp ? NDIS_HASH_TCP4 | NDIS_HASH_TCP6 : NDIS_HASH_IP4 | NDIS_HASH_IP6, 0),
            RNDIS_STATUS_SUCCESS);
        ck_assert(netvsp_rss_hash(s, &a, &h));
        ck_assert_uint_eq(h, tcp ? 0x51ccc178u : 0x323e8fc2u);
        ck_assert(netvsp_rss_hash(s, &b, &h));
        ck_assert_uint_eq(h, tcp ? 0x40207d3du : 0x2cc18cd5u);
    }
    struct net_frame u = {.data = f4, .length = sizeof(f4)};
    f4[23] = 17;
    ck_assert(!netvsp_rss_hash(s, &u, &h)); /* of TCP only */
    end();
}
END_TEST

START_TEST(malformed_scaling_parameters_are_refused)
{
    static const struct {
        uint32_t at, value, bytes;
    } wrong[] = {{0, 0x88, 1}, {12, 0, 2},  {12, 6, 2},  {12, 516, 2}, {16, 0xffffffff, 4},
                 {16, 581, 4}, {16, 90, 4}, {20, 41, 2}, {24, 553, 4}, {24, 0xfffffff0, 4}};
    begin_ready();
    ck_assert_uint_eq(set_rss(NDIS_HASH_IP4, 0), RNDIS_STATUS_SUCCESS);
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        set_rss(NDIS_HASH_IP4, 0);
        memcpy((uint8_t *)&rss + wrong[i].at, &wrong[i].value, wrong[i].bytes);
        ck_assert_uint_eq(net_rig_set(&n, OID_GEN_RECEIVE_SCALE_PARAMETERS, &rss, sizeof(rss)),
                          RNDIS_STATUS_INVALID_DATA);
    }
    ck_assert_uint_eq(net_rig_set(&n, OID_GEN_RECEIVE_SCALE_PARAMETERS, &rss, 27),
                      RNDIS_STATUS_INVALID_LENGTH);
    end();
}
END_TEST

START_TEST(frames_come_by_the_channel_of_their_hash)
{
    const struct nvsp_message m = {.type = NVSP_SUBCHANNEL,
                                   .subchannel = {NVSP_SUBCHANNEL_ALLOCATE, 2}};
    uint32_t table[16];
    begin_ready();
    struct vmbus_client_channel *const primary = n.chan;
    ck_assert_uint_eq(ask(&m), NVSP_SUBCHANNEL);
    ck_assert_uint_eq(n.got.subchannel_complete.status, NVSP_STATUS_SUCCESS);
    ck_assert_uint_eq(n.got.subchannel_complete.count, 2);
    ck_assert_uint_eq(ask(&m), NVSP_SUBCHANNEL); /* but once */
    ck_assert_uint_eq(n.got.subchannel_complete.status, NVSP_STATUS_FAIL);
    for (unsigned i = 1; i < 3; i++) {
        ck_assert(net_rig_open(&n, i));
        ck_assert(net_rig_receive(&n));
        ck_assert_uint_eq(n.got.type, NVSP_SEND_INDIRECTION_TABLE);
        ck_assert_uint_eq(n.got.table.count, 16);
        ck_assert_uint_eq(n.got.table.offset, 40);
        memcpy(table, n.rest, sizeof(table));
        for (unsigned k = 0; k < 16; k++)
            ck_assert_uint_eq(table[k], k % (i + 1));
    }
    for (unsigned i = 0; i < 4; i++) { /* there is no third: the primary's then */
        ck_assert_uint_eq(set_rss(NDIS_HASH_IP4, i), RNDIS_STATUS_SUCCESS);
        peer_sends(50, false);
        n.chan = vmbus_client_find(&n.bus->client, &(struct vmbus_guid)VMBUS_CLASS_NIC, i % 3);
        ck_assert(net_rig_receive(&n));
        ck_assert_uint_eq(n.desc.type, VMBUS_PKT_XFER_PAGES);
        net_rig_return(&n);
        n.chan = primary;
        ck_assert(!net_rig_receive(&n));
    }
    /* what a closed channel had is free again; frames come by the primary */
    ck_assert_uint_eq(set_rss(NDIS_HASH_IP4, 1), RNDIS_STATUS_SUCCESS);
    for (unsigned i = 0; i < SECTIONS - RESERVED; i++)
        peer_sends(50, false);
    ck_assert_uint_eq(netvsp_counts(n.card).no_buffer, 0);
    peer_sends(50, false);
    ck_assert_uint_eq(netvsp_counts(n.card).no_buffer, 1);
    vmbus_client_close(&n.bus->client,
                       vmbus_client_find(&n.bus->client, &(struct vmbus_guid)VMBUS_CLASS_NIC, 1));
    vmbus_rig_pump(n.bus);
    peer_sends(50, false);
    ck_assert_uint_eq(netvsp_counts(n.card).no_buffer, 1);
    ck_assert(net_rig_receive(&n));
    /* a frame of the guest's on a sub-channel; closing the primary takes them all away */
    n.chan = vmbus_client_find(&n.bus->client, &(struct vmbus_guid)VMBUS_CLASS_NIC, 2);
    uint8_t f[200];
    ck_assert_uint_eq(send_frame(f, make_frame(f, NET_PROTO_UDP, 100), ~0u, 0), 1);
    ck_assert_uint_eq(n.peer.frames, 1);
    vmbus_client_close(&n.bus->client, primary);
    vmbus_rig_pump(n.bus);
    ck_assert_uint_eq(n.chan->state, VMBUS_C_RESCINDED);
    n.chan = primary;
    ck_assert(net_rig_open(&n, 0));
    ck_assert(net_rig_greet(&n, NVSP_VERSION_5));
    ck_assert_uint_eq(ask(&m), NVSP_SUBCHANNEL); /* the guest still has the old ones */
    ck_assert_uint_eq(n.got.subchannel_complete.status, NVSP_STATUS_FAIL);
    end();
}
END_TEST

/* ---- guests that lie, flood or leave ---- */

START_TEST(answers_wait_for_room_in_the_ring)
{
    struct nvsp_message m = {.type = NVSP_SEND_NDIS_VERSION};
    unsigned sent = 0, got = 0;
    begin_ready();
    while (sent < 1000) { /* more answers than the ring takes */
        if (net_rig_send(&n, &m, sent) >= 0)
            sent++;
        else
            break;
        vmbus_rig_pump(n.bus);
    }
    ck_assert_uint_gt(sent, 200);
    for (; net_rig_receive(&n); got++) {
        ck_assert_uint_eq(n.desc.type, VMBUS_PKT_COMPLETION);
        ck_assert_uint_eq(n.desc.id, got);
    }
    ck_assert_uint_eq(got, sent);
    end();
}
END_TEST

START_TEST(nonsense_closes_the_channel)
{
    const struct nvsp_message m = {.type = NVSP_SEND_RECEIVE_BUFFER};
    begin();
    net_rig_send(&n, &m, 1); /* before the version */
    vmbus_rig_pump(n.bus);
    ck_assert_uint_eq(n.bus->logs, 1);
    vmbus_client_close(&n.bus->client, n.chan);
    vmbus_rig_pump(n.bus);
    ck_assert(net_rig_open(&n, 0));
    ck_assert(net_rig_greet(&n, NVSP_VERSION_6));
    n.desc.id = 3; /* a section that the guest does not have */
    net_rig_return(&n);
    ck_assert_uint_eq(n.bus->logs, 2);
    peer_sends(10, false);
    ck_assert(!net_rig_receive(&n));
    end();
}
END_TEST

START_TEST(a_guest_that_closes_starts_anew)
{
    begin_ready();
    peer_sends(10, false);
    vmbus_client_close(&n.bus->client, n.chan);
    vmbus_rig_pump(n.bus);
    const uint64_t lost = netvsp_counts(n.card).no_buffer;
    peer_sends(10, false);
    ck_assert_uint_eq(netvsp_counts(n.card).no_buffer, lost); /* nobody is there to lose it */
    ck_assert(net_rig_open(&n, 0));
    ck_assert(net_rig_greet(&n, NVSP_VERSION_2));
    peer_sends(10, false);
    ck_assert(net_rig_receive(&n));
    ck_assert_uint_eq(n.desc.type, VMBUS_PKT_XFER_PAGES);
    end();
}
END_TEST

START_TEST(buffers_that_go_away_are_not_touched)
{
    uint8_t f[100];
    begin_ready();
    struct vmbus_msg_gpadl_teardown t = {
        {VMBUS_MSG_GPADL_TEARDOWN, 0}, n.chan->offer.relid, n.receive_gpadl};
    vmbus_rig_message(n.bus, &t, sizeof(t));
    t.gpadl = n.send_gpadl;
    vmbus_rig_message(n.bus, &t, sizeof(t));
    vmbus_rig_pump(n.bus);
    peer_sends(10, false);
    ck_assert_uint_eq(send_frame(f, make_frame(f, NET_PROTO_UDP, 10), ~0u, 0), 5);
    ck_assert_uint_eq(n.peer.frames, 0);
    ck_assert_uint_eq(netvsp_counts(n.card).no_buffer, 1);
    end();
}
END_TEST

SUITE("netvsp", every_version_is_agreed_on, buffers_are_cut_into_sections,
      objects_are_queried_and_set, control_messages_of_other_kinds,
      a_frame_goes_to_the_switch_as_it_is, tags_travel_beside_the_frame,
      malformed_frames_are_refused, checksums_are_computed_for_those_who_cannot,
      long_segments_are_cut, a_frame_reaches_the_guest, frames_that_come_together_go_together,
      frames_without_room_are_lost_and_answers_are_not, the_filter_decides_what_comes_in,
      the_guest_hears_of_its_cable, answers_wait_for_room_in_the_ring, nonsense_closes_the_channel,
      the_hash_is_toeplitz, malformed_scaling_parameters_are_refused,
      frames_come_by_the_channel_of_their_hash, a_guest_that_closes_starts_anew,
      buffers_that_go_away_are_not_touched)
