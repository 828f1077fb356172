/*
 * Fuzz target: network messages of a guest: any NVSP message, RNDIS message, frame and per-packet
 * information, in sections and pages, while frames come in and the cable is pulled, with closing
 * and opening in between. No frame that reaches a neighbour may be longer than frames are.
 */
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/lib/net_rig.h"

static struct net_rig n;

/* An RNDIS packet that is mostly sensible: a frame from the card to the peer with an IP header, and
 * up to two infos; some words are then overwritten. Its length. */
static uint32_t make_packet(struct fuzz_reader *r, uint8_t *m)
{
    const unsigned infos = fuzz_take(r, 1) % 3, data = (unsigned)fuzz_take(r, 2) % 1600;
    struct rndis_packet k = {.h = {RNDIS_PACKET, 44 + infos * 16 + 14 + data},
                             .data_offset = 36 + infos * 16,
                             .data_length = 14 + data,
                             .info_offset = 36,
                             .info_length = infos * 16};
    memcpy(m, &k, sizeof(k));
    for (unsigned i = 0; i < infos; i++) {
        const uint32_t info[4] = {16, (uint32_t)fuzz_take(r, 1) % 9, 12, (uint32_t)fuzz_take(r, 4)};
        memcpy(m + 44 + 16 * i, info, 16);
    }
    uint8_t *const f = m + 44 + infos * 16;
    memcpy(f, net_rig_peer_mac, 6);
    memcpy(f + 6, net_rig_mac, 6);
    f[12] = fuzz_take(r, 1) & 1 ? 0x08 : 0x86;
    f[13] = f[12] == 0x08 ? 0x00 : 0xdd;
    memset(f + 14, 0, data);
    for (unsigned i = 0; i < data && i < 70; i++)
        f[14 + i] = (uint8_t)fuzz_take(r, 1);
    for (unsigned i = (unsigned)fuzz_take(r, 1) % 3; i; i--) {
        const uint32_t at = (uint32_t)fuzz_take(r, 1) % 15 * 4, value = (uint32_t)fuzz_take(r, 4);
        memcpy(m + at, &value, 4);
    }
    return k.h.length;
}

static void in_section(struct fuzz_reader *r, const uint8_t *m, uint32_t length)
{
    const struct nvsp_message k = {
        .type = NVSP_SEND_RNDIS_PACKET,
        .rndis = {fuzz_take(r, 1) % 8 == 0, (uint32_t)fuzz_take(r, 1) % 4, length}};
    for (uint32_t i = 0; i < length; i++) {
        const uint32_t at = k.rndis.section * 6144 + i;
        n.send[at / 4096].va[at % 4096] = m[i];
    }
    net_rig_send(&n, &k, fuzz_take(r, 1));
}

/* Part of it in section 0, the rest in pages anywhere; those may be one page, over and over. */
static void in_pages(struct fuzz_reader *r, const uint8_t *m, uint32_t length)
{
    const uint32_t before = (uint32_t)fuzz_take(r, 1) % (length + 1);
    const struct nvsp_message k = {.type = NVSP_SEND_RNDIS_PACKET,
                                   .rndis = {0, before ? 0 : NVSP_NO_SECTION, before}};
    struct {
        struct vmbus_gpa_range g;
        uint64_t pfn[20];
    } range = {.g = {length - before, 0}};
    const uint32_t long_one = fuzz_take(r, 1) & 1 ? (uint32_t)fuzz_take(r, 2) : 0;
    range.g.byte_count += long_one;
    const uint32_t pages = (range.g.byte_count + 4095) / 4096;
    memcpy(n.send[0].va, m, before);
    if (pages > 20)
        return;
    for (uint32_t i = 0; i < pages; i++)
        range.pfn[i] = (NET_RIG_PAGES + 0x1f0000u) / 4096 + (i ? fuzz_take(r, 1) % 16 : 0);
    const uint32_t part = length - before < 4096 ? length - before : 4096;
    memcpy(vmbus_rig_ram(n.bus, NET_RIG_PAGES + 0x1f0000u), m + before, part);
    vmbus_client_send_gpa(&n.bus->client, n.chan, 3, &range, 8 + 8 * pages, 1, &k, sizeof(k));
}

static void any_message(struct fuzz_reader *r)
{
    struct nvsp_message m = {.type = (uint32_t)fuzz_take(r, 1)};
    for (unsigned i = 0; i < 4; i++)
        m.word[i] = (uint32_t)fuzz_take(r, i ? 2 : 4);
    net_rig_send(&n, &m, fuzz_take(r, 1));
}

static void any_control(struct fuzz_reader *r)
{
    static const uint32_t oids[] = {OID_GEN_CURRENT_PACKET_FILTER, OID_TCP_OFFLOAD_PARAMETERS,
                                    OID_GEN_RECEIVE_SCALE_PARAMETERS, OID_802_3_MULTICAST_LIST};
    uint32_t m[64] = {(uint32_t)fuzz_take(r, 1) % 10, 4u * (1 + (uint32_t)fuzz_take(r, 1) % 63), 1,
                      oids[fuzz_take(r, 1) % 4]};
    m[4] = (uint32_t)fuzz_take(r, 1);
    m[5] = (uint32_t)fuzz_take(r, 1) % 64;
    for (unsigned i = 7; i < m[1] / 4; i++)
        m[i] = (uint32_t)fuzz_take(r, 2);
    net_rig_rndis(&n, NVSP_CHANNEL_CONTROL, m, m[1]);
}

/* Comes in from the neighbour: a frame of any length that he may send. */
static void come_in(struct fuzz_reader *r)
{
    uint8_t bytes[NET_FRAME_MAX] = {0};
    struct net_frame f = {.data = bytes,
                          .length = NET_HEADER + (uint32_t)fuzz_take(r, 2) % (NET_MTU + 1)};
    memcpy(bytes, net_rig_mac, 6);
    memcpy(bytes + 6, net_rig_peer_mac, 6);
    f.tag = (uint16_t)fuzz_take(r, 1);
    vswitch_send(&n.peer.port, &f);
    if (fuzz_take(r, 1) & 3) /* else more come with it */
        vswitch_flush(&n.sw);
}

/* From now on the guest speaks on that channel. */
static void use_channel(unsigned i)
{
    static const struct vmbus_guid class_nic = VMBUS_CLASS_NIC;
    struct vmbus_client_channel *const ch = vmbus_client_find(&n.bus->client, &class_nic, i);
    net_rig_open(&n, i);
    if (ch && ch->state == VMBUS_C_OPEN)
        n.chan = ch;
}

static void act(struct fuzz_reader *r, uint8_t what)
{
    static uint8_t m[4096];
    switch (what & 15) {
    case 0:
    case 1:
    case 2:
        in_section(r, m, make_packet(r, m));
        break;
    case 3:
    case 4:
        in_pages(r, m, make_packet(r, m));
        break;
    case 5:
        any_message(r);
        break;
    case 6:
    case 7:
        any_control(r);
        break;
    case 8:
    case 9:
        come_in(r);
        break;
    case 10:
        netvsp_set_link(n.card, what & 16);
        use_channel(what >> 5 & 1);
        break;
    case 11:
        net_rig_return(&n);
        break;
    default:
        while (net_rig_receive(&n)) {
            if (n.desc.type == VMBUS_PKT_XFER_PAGES && (what & 32))
                net_rig_return(&n);
        }
    }
}

static void one(const uint8_t *data, size_t len)
{
    const struct nvsp_message sub = {.type = NVSP_SUBCHANNEL, .subchannel = {1, 1}};
    struct fuzz_reader r = {data, data + len};
    net_rig_init(&n);
    const uint8_t start = (uint8_t)fuzz_take(&r, 1);
    n.peer.port.takes = start >> 1 & 7;
    n.peer.port.is_trunk = start >> 4 & 1;
    struct vmbus_client_channel *const primary = n.chan;
    if (!(start & 1) && net_rig_greet(&n, NVSP_VERSION_6_1) && (start & 32))
        net_rig_send(&n, &sub, 1);
    while (fuzz_more(&r)) {
        const uint8_t what = (uint8_t)fuzz_take(&r, 1);
        if (n.chan->state != VMBUS_C_OPEN)
            n.chan = primary;
        if (n.chan->state == VMBUS_C_OPEN && what < 0xf8)
            act(&r, what);
        else if (n.chan->state == VMBUS_C_OPEN)
            vmbus_client_close(&n.bus->client, n.chan);
        else if (net_rig_open(&n, 0) && (what & 1))
            net_rig_greet(&n, NVSP_VERSION_5);
        vmbus_rig_pump(n.bus);
        if (n.peer.last.length > NET_FRAME_MAX && !n.peer.last.mss)
            __builtin_trap();
    }
    net_rig_free(&n);
    if (n.sw.ports != &n.peer.port || n.peer.port.next)
        __builtin_trap();
}

/* A UDP frame with a checksum to be made, in a section and in pages. */
static size_t seed(unsigned k, uint8_t *to)
{
    static const uint8_t packet[] = {1, 40, 0,  0, 9, 0, 0, 0,  1, 0x45,
                                     0, 0,  40, 0, 0, 0, 0, 64, 17};
    to[0] = (uint8_t)(k << 1);
    for (unsigned i = 0; i < 2; i++) {
        to[1 + 80 * i] = i ? 3 : 0;
        memset(to + 2 + 80 * i, 0, 79);
        memcpy(to + 2 + 80 * i, packet, sizeof(packet));
    }
    return k < 16 ? 161 : 0;
}

const struct fuzz_target fuzz_netvsp = {"netvsp", "network messages of a guest", NULL, one, seed,
                                        600};
