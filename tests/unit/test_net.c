/* Unit tests of the network card, its offloads, the hub, capture files and the user network. */
#include "tests/lib/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "devices/net/net.h"
#include "devices/net/offload.h"
#include "devices/net/virtio_net.h"
#include "devices/virtio/virtio.h"
#include "lib/bytes.h"
#include "tests/lib/virtio_rig.h"

#define BUF      0x300000ull
#define RX       0
#define TX       1
#define CTRL     2
#define HDR      12u
#define FEATURES (VIRTIO_F_RING | VIRTIO_NET_F_MAC | VIRTIO_NET_F_STATUS | VIRTIO_NET_F_MRG_RXBUF)
#define FILTERS                                                             \
    (VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_CTRL_RX | VIRTIO_NET_F_CTRL_VLAN | \
     VIRTIO_NET_F_CTRL_RX_EXTRA | VIRTIO_NET_F_CTRL_MAC_ADDR)
#define OFFLOADS \
    (VIRTIO_NET_F_CSUM | VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_HOST_TSO4 | VIRTIO_NET_F_HOST_TSO6)

static struct vrig r;
static struct vdev card[3];
static struct virtq_used_elem used;
static struct err err;

/* ---- a back end that keeps what it gets ---- */

static struct {
    struct net_backend b;
    struct net_side side;
    unsigned count;
    uint8_t bytes[128][NET_FRAME_MAX];
    size_t len[128];
} keep;

static int keep_attach(struct net_backend *b, const struct net_side *side, struct err *e)
{
    (void)b;
    (void)e;
    keep.side = *side;
    return 0;
}
static void keep_nothing(struct net_backend *b)
{
    (void)b;
}
static void keep_send(struct net_backend *b, const uint8_t *frame, size_t len)
{
    (void)b;
    ck_assert_uint_le(len, NET_FRAME_MAX);
    if (keep.count == 128)
        return;
    memcpy(keep.bytes[keep.count], frame, len);
    keep.len[keep.count++] = len;
}
static const struct net_backend_ops keep_ops = {.kind = "keep",
                                                .attach = keep_attach,
                                                .detach = keep_nothing,
                                                .send = keep_send,
                                                .free = keep_nothing};

static void plug(struct vrig *rig, struct vdev *d, unsigned n, struct net_backend *b, uint16_t mtu)
{
    const struct net_card_config cfg = {
        .index = n, .mac = {0x52, 0, 0, 0, 0, (uint8_t)n}, .mtu = mtu, .backend = b};
    err_clear(&err);
    struct pci_func *f = virtio_net_new(rig->clock, rig->in, &rig->dma, &rig->msi, &cfg, &err);
    ck_assert_msg(f != NULL, "%s", err.cause[0]);
    if (b && b->ops->dev)
        dev_reset(b->ops->dev(b));
    vdev_plug(d, rig, f, 2 + n);
}

static void setup(uint64_t features)
{
    memset(&keep, 0, sizeof keep);
    keep.b.ops = &keep_ops;
    vrig_new(&r);
    plug(&r, &card[0], 0, &keep.b, 0);
    vdev_start(&card[0], features, 3);
}

static void unplug(struct vdev *d)
{
    d->f->dev.cls->free(&d->f->dev);
}
static void teardown(void)
{
    unplug(&card[0]);
    vrig_free(&r);
}

/* ---- frames ---- */

/* Ethernet header to card `to` (0xff: broadcast) and `len` bytes in all. */
static void make_frame(uint8_t *f, uint8_t to, uint8_t from, size_t len)
{
    memset(f, 0, len);
    f[0] = f[6] = 0x52;
    f[5] = to;
    f[11] = from;
    if (to == 0xff)
        memset(f, 0xff, 6);
    put_be16(f + 12, 0x88b5); /* local experimental */
    for (size_t i = 14; i < len; i++)
        f[i] = (uint8_t)(i * 7);
}

/* TCP or UDP over IPv4 or IPv6 with `data` bytes; returns the frame's length. No checksums. */
static size_t make_ip(uint8_t *f, bool v6, uint8_t proto, size_t data, bool vlan)
{
    const size_t l3 = vlan ? 18 : 14, l4 = l3 + (v6 ? 40 : 20), head = proto == 6 ? 32 : 8;
    make_frame(f, 1, 0, l4 + head + data);
    if (vlan) {
        put_be16(f + 12, 0x8100);
        put_be16(f + 14, 5);
    }
    put_be16(f + l3 - 2, v6 ? 0x86dd : 0x0800);
    memset(f + l3, 0, l4 + head - l3);
    if (v6) {
        f[l3] = 0x60;
        put_be16(f + l3 + 4, (unsigned)(head + data));
        f[l3 + 6] = proto;
        memset(f + l3 + 8, 0x20, 32);
    } else {
        f[l3] = 0x45;
        put_be16(f + l3 + 2, (unsigned)(20 + head + data));
        put_be16(f + l3 + 4, 0xfffe); /* identification: wraps */
        f[l3 + 8] = 64;
        f[l3 + 9] = proto;
        memset(f + l3 + 12, 10, 8);
    }
    if (proto == 6) {
        f[l4 + 4] = 0xff; /* sequence number 0xff000000 + 0xffff00: wraps in long ones */
        f[l4 + 5] = 0xff;
        f[l4 + 6] = 0xff;
        f[l4 + 12] = 8 << 4;
        f[l4 + 13] = 0x99; /* CWR ACK PSH FIN */
    } else {
        put_be16(f + l4 + 4, (unsigned)(8 + data));
    }
    return l4 + head + data;
}

/* Send through card n with a header; the frame must be taken back. */
static void send_with(struct vdev *d, const struct virtio_net_hdr *h, const uint8_t *frame,
                      size_t len)
{
    vrig_put(d->r, BUF, h, HDR);
    vrig_put(d->r, BUF + HDR, frame, len);
    vdev_chain(d, TX, BUF, (uint32_t)(HDR + len), 0, 0);
    ck_assert(vdev_used(d, TX, &used));
}
static void send_frame(struct vdev *d, const uint8_t *frame, size_t len)
{
    static const struct virtio_net_hdr none;
    send_with(d, &none, frame, len);
}

/* Offer a receive buffer at BUF + 0x10000 * (1 + n). */
static uint64_t buffer_at(unsigned n)
{
    return BUF + 0x10000 + 0x1000ull * n;
}
static void offer(struct vdev *d, unsigned n, uint32_t len)
{
    vdev_chain(d, RX, 0, 0, buffer_at(n), len);
}

static uint8_t control(struct vdev *d, uint8_t class, uint8_t command, const void *data, size_t len)
{
    uint8_t ack = 0xee;
    const uint8_t head[2] = {class, command};
    vrig_put(d->r, BUF, head, 2);
    vrig_put(d->r, BUF + 2, data, len);
    vrig_put(d->r, BUF + 0x8000, &ack, 1);
    vdev_chain(d, CTRL, BUF, (uint32_t)(2 + len), BUF + 0x8000, 1);
    ck_assert(vdev_used(d, CTRL, &used));
    vrig_read(d->r, BUF + 0x8000, &ack, 1);
    return ack;
}

static void push(const uint8_t *frame, size_t len)
{
    net_push(&keep.side, frame, len);
    input_pump(r.in, 0);
}

/* ---- the card ---- */

START_TEST(a_card_says_who_it_is)
{
    vrig_new(&r);
    plug(&r, &card[0], 3, NULL, 1400);
    ck_assert_uint_eq(vrig_get(&r, card[0].device, 4), 0x52);
    ck_assert_uint_eq(vrig_get(&r, card[0].device + 4, 2), 0x300);
    ck_assert_uint_eq(vrig_get(&r, card[0].device + 6, 2), 0); /* no cable */
    ck_assert_uint_eq(vrig_get(&r, card[0].device + 10, 2), 1400);
    ck_assert_uint_eq(vrig_get(&r, PCI_ECAM_BASE + (5 << 15), 4), 0x10411af4);
    ck_assert_uint_eq(vrig_get(&r, PCI_ECAM_BASE + (5 << 15) + 10, 2), 0x0200);
    /* MTU is offered only when it was set */
    ck_assert(vrig_get(&r, VREG(&card[0], device_feature), 4) & VIRTIO_NET_F_MTU);
    teardown();
    setup(FEATURES);
    ck_assert(!(vrig_get(&r, VREG(&card[0], device_feature), 4) & VIRTIO_NET_F_MTU));
    ck_assert_uint_eq(vrig_get(&r, card[0].device + 6, 2), 1);
    teardown();
}
END_TEST

START_TEST(a_frame_leaves_as_it_was_written)
{
    uint8_t f[100];
    setup(FEATURES);
    make_frame(f, 1, 0, sizeof f);
    send_frame(&card[0], f, sizeof f);
    ck_assert_uint_eq(keep.count, 1);
    ck_assert_uint_eq(keep.len[0], sizeof f);
    ck_assert_mem_eq(keep.bytes[0], f, sizeof f);
    teardown();
}
END_TEST

START_TEST(a_frame_from_outside_waits_for_a_buffer)
{
    uint8_t f[60], got[HDR + 60];
    setup(FEATURES);
    make_frame(f, 0, 9, sizeof f);
    push(f, sizeof f);
    ck_assert(!vdev_used(&card[0], RX, &used));
    offer(&card[0], 0, 2000);
    input_pump(r.in, 1);
    ck_assert(vdev_used(&card[0], RX, &used));
    ck_assert_uint_eq(used.len, sizeof got);
    vrig_read(&r, buffer_at(0), got, sizeof got);
    ck_assert_mem_eq(got + HDR, f, sizeof f);
    ck_assert_uint_eq(got[10], 1); /* num_buffers */
    ck_assert_uint_eq(got[0], 0);
    teardown();
}
END_TEST

START_TEST(small_buffers_are_merged)
{
    uint8_t f[1000], got[1000];
    setup(FEATURES);
    make_frame(f, 0, 9, sizeof f);
    offer(&card[0], 0, 400);
    offer(&card[0], 1, 400);
    push(f, sizeof f);
    ck_assert(!vdev_used(&card[0], RX, &used)); /* two are not enough, and none was used up */
    offer(&card[0], 2, 400);
    input_pump(r.in, 1);
    unsigned at = 0;
    for (unsigned i = 0; i < 3; i++) {
        const unsigned skip = i ? 0 : HDR;
        ck_assert(vdev_used(&card[0], RX, &used));
        ck_assert_uint_eq(used.id, i);
        vrig_read(&r, buffer_at(i) + skip, got + at, used.len - skip);
        at += used.len - skip;
    }
    ck_assert_uint_eq(at, 1000);
    ck_assert_mem_eq(got, f, sizeof f);
    ck_assert_uint_eq(vrig_get16(&r, buffer_at(0) + 10), 3);
    ck_assert_uint_eq(vdev_messages(&card[0], RX), 1);
    teardown();
}
END_TEST

START_TEST(without_merging_a_small_buffer_is_left_alone)
{
    uint8_t f[1000];
    setup(FEATURES & ~VIRTIO_NET_F_MRG_RXBUF);
    make_frame(f, 0, 9, sizeof f);
    offer(&card[0], 0, 400);
    offer(&card[0], 1, 1600);
    push(f, sizeof f);
    ck_assert(!vdev_used(&card[0], RX, &used));
    ck_assert(!(vdev_status(&card[0]) & VIRTIO_S_NEEDS_RESET));
    teardown();
}
END_TEST

START_TEST(the_link_goes_down_and_up)
{
    const uint8_t down[3] = {1, 0, 0}, up[3] = {1, 0, 1};
    uint8_t f[60];
    setup(FEATURES);
    make_frame(f, 1, 0, sizeof f);
    input_push(r.in, input_find(r.in, "net0"), down, 3);
    input_pump(r.in, 0);
    ck_assert_uint_eq(vrig_get(&r, card[0].device + 6, 2), 0);
    ck_assert_uint_eq(vdev_messages(&card[0], 3), 1);
    send_frame(&card[0], f, sizeof f);
    ck_assert_uint_eq(keep.count, 0);
    offer(&card[0], 0, 2000);
    push(f, sizeof f);
    ck_assert(!vdev_used(&card[0], RX, &used));
    input_push(r.in, input_find(r.in, "net0"), up, 3);
    input_pump(r.in, 0);
    ck_assert_uint_eq(vrig_get(&r, card[0].device + 6, 2), 1);
    send_frame(&card[0], f, sizeof f);
    ck_assert_uint_eq(keep.count, 1);
    teardown();
}
END_TEST

/* ---- offloads ---- */

START_TEST(the_checksum_is_filled_in)
{
    static uint8_t f[2000];
    setup(FEATURES | OFFLOADS);
    for (unsigned kind = 0; kind < 8; kind++) {
        const bool v6 = kind & 1, tcp = kind & 2, vlan = kind & 4;
        const size_t len = make_ip(f, v6, tcp ? 6 : 17, 101, vlan);
        const size_t l3 = vlan ? 18 : 14, l4 = l3 + (v6 ? 40 : 20), l4_len = len - l4;
        uint32_t pseudo = (uint32_t)l4_len + (tcp ? 6 : 17);
        for (size_t i = v6 ? 8 : 12; i < (v6 ? 40u : 20u); i += 2)
            pseudo += (uint32_t)(f[l3 + i] << 8 | f[l3 + i + 1]);
        while (pseudo >> 16)
            pseudo = (pseudo & 0xffff) + (pseudo >> 16);
        const unsigned offset = tcp ? 16 : 6;
        put_be16(f + l4 + offset, pseudo); /* as drivers do */
        const struct virtio_net_hdr h = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
                                         .csum_start = (uint16_t)l4,
                                         .csum_offset = (uint16_t)offset};
        ck_assert(!net_checksum_is_right(f, len));
        send_with(&card[0], &h, f, len);
        ck_assert_uint_eq(keep.count, kind + 1);
        ck_assert(net_checksum_is_right(keep.bytes[kind], keep.len[kind]));
        keep.bytes[kind][len - 1] ^= 1;
        ck_assert(!net_checksum_is_right(keep.bytes[kind], keep.len[kind]));
        keep.bytes[kind][len - 1] ^= 1;
        /* and the other way the card says that it is right */
        offer(&card[0], kind, 2000);
        push(keep.bytes[kind], keep.len[kind]);
        ck_assert(vdev_used(&card[0], RX, &used));
        ck_assert_uint_eq(vrig_get16(&r, buffer_at(kind)) & 0xff, VIRTIO_NET_HDR_F_DATA_VALID);
    }
    teardown();
}
END_TEST

static void check_pieces(bool v6, bool vlan)
{
    static uint8_t f[8000];
    const size_t data = 5000, mss = 1400, len = make_ip(f, v6, 6, data, vlan);
    const size_t l3 = vlan ? 18 : 14, l4 = l3 + (v6 ? 40 : 20), head = l4 + 32;
    const struct virtio_net_hdr h = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
                                     .gso_type = v6 ? VIRTIO_NET_HDR_GSO_TCPV6
                                                    : VIRTIO_NET_HDR_GSO_TCPV4,
                                     .gso_size = (uint16_t)mss,
                                     .hdr_len = (uint16_t)head,
                                     .csum_start = (uint16_t)l4,
                                     .csum_offset = 16};
    setup(FEATURES | OFFLOADS);
    send_with(&card[0], &h, f, len);
    ck_assert_uint_eq(keep.count, 4);
    uint32_t seq = 0xffffff00;
    size_t at = head;
    for (unsigned i = 0; i < 4; i++) {
        const uint8_t *const p = keep.bytes[i];
        const size_t part = keep.len[i] - head;
        ck_assert_uint_eq(part, i < 3 ? mss : data - 3 * mss);
        ck_assert(net_checksum_is_right(p, keep.len[i]));
        ck_assert_mem_eq(p + head, f + at, part);
        ck_assert_uint_eq((uint32_t)p[l4 + 4] << 24 | p[l4 + 5] << 16 | p[l4 + 6] << 8 | p[l4 + 7],
                          seq);
        ck_assert_uint_eq(p[l4 + 13], i == 0 ? 0x90 : i < 3 ? 0x10 : 0x19);
        if (v6) {
            ck_assert_uint_eq((unsigned)(p[l3 + 4] << 8 | p[l3 + 5]), 32 + part);
        } else {
            unsigned sum = 0;
            for (unsigned w = 0; w < 20; w += 2)
                sum += (unsigned)(p[l3 + w] << 8 | p[l3 + w + 1]);
            ck_assert_uint_eq((sum & 0xffff) + (sum >> 16), 0xffff);
            ck_assert_uint_eq((unsigned)(p[l3 + 4] << 8 | p[l3 + 5]), (0xfffe + i) & 0xffff);
            ck_assert_uint_eq((unsigned)(p[l3 + 2] << 8 | p[l3 + 3]), 52 + part);
        }
        seq += (uint32_t)part;
        at += part;
    }
    teardown();
}

START_TEST(a_long_tcp_segment_is_cut)
{
    check_pieces(false, false);
    check_pieces(true, false);
    check_pieces(false, true);
    check_pieces(true, true);
}
END_TEST

START_TEST(offloads_of_nonsense_are_dropped)
{
    static uint8_t f[8000];
    static const struct virtio_net_hdr bad[] = {
        {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 3000},
        {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 0xffff, .csum_offset = 0xffff},
        {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34, .csum_offset = 131},
        {.gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 0},
        {.gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 9000},
        {.gso_type = VIRTIO_NET_HDR_GSO_TCPV6, .gso_size = 100},
        {.gso_type = 3, .gso_size = 100},
        {.gso_type = 77, .gso_size = 100},
    };
    setup(FEATURES | OFFLOADS);
    const size_t len = make_ip(f, false, 6, 100, false);
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++)
        send_with(&card[0], &bad[i], f, len);
    const struct virtio_net_hdr cut = {.gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 50};
    for (size_t short_len = 14; short_len < 66; short_len++)
        send_with(&card[0], &cut, f, short_len);
    f[46] = 0xf0; /* data offset 60 bytes, beyond the packet's end */
    put_be16(f + 16, 52);
    send_with(&card[0], &cut, f, len);
    send_frame(&card[0], f, 13);
    send_frame(&card[0], f, 2000); /* longer than a frame */
    ck_assert_uint_eq(keep.count, 0);
    ck_assert(!(vdev_status(&card[0]) & VIRTIO_S_NEEDS_RESET));
    vdev_chain(&card[0], TX, BUF, 5, 0, 0); /* not even a header */
    ck_assert(vdev_status(&card[0]) & VIRTIO_S_NEEDS_RESET);
    teardown();
}
END_TEST

/* ---- filters ---- */

static bool passes(const uint8_t *frame, size_t len)
{
    struct vdev *const d = &card[0];
    offer(d, 0, 2000);
    push(frame, len);
    const bool came = vdev_used(d, RX, &used);
    if (!came) { /* use the buffer up with a frame that always comes */
        uint8_t own[60] = {0};
        for (unsigned i = 0; i < 6; i++)
            own[i] = (uint8_t)vrig_get(d->r, d->device + i, 1);
        put_be16(own + 12, 0x88b5);
        push(own, sizeof own);
        ck_assert(vdev_used(d, RX, &used));
    }
    return came;
}

START_TEST(frames_for_others_are_filtered)
{
    static const uint8_t on = 1, off = 0;
    static const uint8_t table[4 + 6 + 4 + 6] = {1, 0, 0, 0, 0x52, 0,    0, 0, 0, 0x44,
                                                 1, 0, 0, 0, 0x33, 0x33, 0, 0, 0, 1};
    uint8_t own[60], other[60], listed[60], broadcast[60], multi[60];
    setup(FEATURES | FILTERS);
    make_frame(own, 0, 9, 60);
    make_frame(other, 7, 9, 60);
    make_frame(listed, 0x44, 9, 60);
    make_frame(broadcast, 0xff, 9, 60);
    make_frame(multi, 1, 9, 60);
    multi[0] = multi[1] = 0x33;
    ck_assert(passes(own, 60) && passes(broadcast, 60));
    ck_assert(!passes(other, 60) && !passes(listed, 60) && !passes(multi, 60));
    ck_assert_uint_eq(control(&card[0], 1, 0, table, sizeof table), 0);
    ck_assert(passes(listed, 60) && passes(multi, 60) && !passes(other, 60));
    ck_assert_uint_eq(control(&card[0], 0, VIRTIO_NET_CTRL_RX_PROMISC, &on, 1), 0);
    ck_assert(passes(other, 60));
    ck_assert_uint_eq(control(&card[0], 0, VIRTIO_NET_CTRL_RX_PROMISC, &off, 1), 0);
    ck_assert(!passes(other, 60));
    ck_assert_uint_eq(control(&card[0], 0, VIRTIO_NET_CTRL_RX_NOBCAST, &on, 1), 0);
    ck_assert(!passes(broadcast, 60));
    ck_assert_uint_eq(control(&card[0], 0, VIRTIO_NET_CTRL_RX_NOMULTI, &on, 1), 0);
    ck_assert(!passes(multi, 60));
    ck_assert_uint_eq(control(&card[0], 0, VIRTIO_NET_CTRL_RX_ALLUNI, &on, 1), 0);
    ck_assert(passes(other, 60));
    teardown();
    setup(FEATURES); /* without the feature nothing is filtered */
    ck_assert(passes(other, 60));
    teardown();
}
END_TEST

START_TEST(vlans_are_filtered)
{
    uint8_t f[60];
    const uint16_t vlan = 0x123;
    setup(FEATURES | FILTERS);
    make_frame(f, 0, 9, 60);
    put_be16(f + 12, 0x8100);
    put_be16(f + 14, 0xe123); /* priority 7 */
    ck_assert(!passes(f, 60));
    ck_assert_uint_eq(control(&card[0], 2, 0, &vlan, 2), 0);
    ck_assert(passes(f, 60));
    ck_assert_uint_eq(control(&card[0], 2, 1, &vlan, 2), 0);
    ck_assert(!passes(f, 60));
    teardown();
}
END_TEST

START_TEST(the_driver_sets_the_address)
{
    static const uint8_t mac[6] = {2, 4, 6, 8, 10, 12};
    uint8_t f[60];
    setup(FEATURES | FILTERS);
    ck_assert_uint_eq(control(&card[0], 1, 1, mac, 6), 0);
    ck_assert_uint_eq(vrig_get(&r, card[0].device, 4), 0x08060402);
    make_frame(f, 0, 9, 60);
    ck_assert(!passes(f, 60));
    memcpy(f, mac, 6);
    ck_assert(passes(f, 60));
    vdev_start(&card[0], FEATURES | FILTERS, 3); /* a reset brings the card's own back */
    ck_assert_uint_eq(vrig_get(&r, card[0].device, 4), 0x52);
    teardown();
}
END_TEST

START_TEST(control_messages_of_nonsense_are_refused)
{
    static uint8_t table[4 + 6 * 100 + 4];
    uint8_t f[60];
    setup(FEATURES | FILTERS);
    ck_assert_uint_eq(control(&card[0], 0, 0, table, 0), 1);
    ck_assert_uint_eq(control(&card[0], 0, 6, table, 1), 1);
    ck_assert_uint_eq(control(&card[0], 1, 1, table, 5), 1);
    ck_assert_uint_eq(control(&card[0], 2, 0, "\xff\xff", 2), 1);
    ck_assert_uint_eq(control(&card[0], 9, 9, table, 30), 1);
    table[0] = 2; /* two addresses, room for one */
    ck_assert_uint_eq(control(&card[0], 1, 0, table, 10), 1);
    memset(table, 0xff, 4);
    ck_assert_uint_eq(control(&card[0], 1, 0, table, sizeof table), 1);
    /* more than the card has room for: it lets all of the kind in */
    memset(table, 0, sizeof table);
    table[0] = 100;
    ck_assert_uint_eq(control(&card[0], 1, 0, table, sizeof table), 0);
    make_frame(f, 7, 9, 60);
    ck_assert(passes(f, 60));
    vdev_chain(&card[0], CTRL, BUF, 3, 0, 0); /* no room for the answer */
    ck_assert(vdev_status(&card[0]) & VIRTIO_S_NEEDS_RESET);
    teardown();
}
END_TEST

/* ---- the hub ---- */

static struct net_hub *hub;
static struct net_backend *ports[3];

static void setup_hub(unsigned cards)
{
    vrig_new(&r);
    hub = net_hub_new();
    for (unsigned i = 0; i < cards; i++) {
        ports[i] = net_hub_port(hub);
        plug(&r, &card[i], i, ports[i], 0);
        vdev_start(&card[i], FEATURES, 2);
    }
}
static void teardown_hub(unsigned cards)
{
    for (unsigned i = 0; i < cards; i++) {
        unplug(&card[i]);
        net_backend_free(ports[i]);
    }
    net_hub_free(hub);
    vrig_free(&r);
}

START_TEST(the_hub_repeats_after_its_latency)
{
    uint8_t f[80];
    setup_hub(3);
    make_frame(f, 0xff, 0, sizeof f);
    for (unsigned i = 0; i < 3; i++)
        offer(&card[i], i, 2000);
    clock_advance(r.clock, 1000);
    send_frame(&card[0], f, sizeof f);
    ck_assert_uint_eq(clock_next(r.clock), 1000 + NET_HUB_LATENCY_NS);
    clock_advance(r.clock, 999 + NET_HUB_LATENCY_NS);
    ck_assert(!vdev_used(&card[1], RX, &used));
    clock_advance(r.clock, 1000 + NET_HUB_LATENCY_NS);
    ck_assert(vdev_used(&card[1], RX, &used));
    ck_assert_uint_eq(used.len, HDR + sizeof f);
    ck_assert(vdev_used(&card[2], RX, &used));
    ck_assert(!vdev_used(&card[0], RX, &used)); /* not to who sent it */
    ck_assert_uint_eq(clock_next(r.clock), CLOCK_NEVER);
    teardown_hub(3);
}
END_TEST

START_TEST(what_is_in_flight_is_state_and_reset_forgets_it)
{
    uint8_t f[80];
    setup_hub(2);
    struct dev *const d = ports[1]->ops->dev(ports[1]);
    const uint64_t empty = fields_hash(d, d->cls->fields, 1);
    make_frame(f, 1, 0, sizeof f);
    send_frame(&card[0], f, sizeof f);
    ck_assert_uint_ne(fields_hash(d, d->cls->fields, 1), empty);
    dev_reset(d);
    ck_assert_uint_eq(fields_hash(d, d->cls->fields, 1), empty);
    offer(&card[1], 1, 2000);
    clock_advance(r.clock, 10 * NET_HUB_LATENCY_NS);
    ck_assert(!vdev_used(&card[1], RX, &used));
    teardown_hub(2);
}
END_TEST

START_TEST(a_flood_is_lost_not_kept)
{
    uint8_t f[80];
    setup_hub(2);
    make_frame(f, 1, 0, sizeof f);
    for (unsigned i = 0; i < 1000; i++)
        send_frame(&card[0], f, sizeof f);
    offer(&card[1], 1, 2000);
    clock_advance(r.clock, NET_HUB_LATENCY_NS);
    ck_assert(vdev_used(&card[1], RX, &used));
    ck_assert(!vdev_used(&card[1], RX, &used)); /* one buffer, one frame */
    ck_assert_uint_eq(clock_next(r.clock), CLOCK_NEVER);
    teardown_hub(2);
}
END_TEST

/* Two machines on one hub, turns of one latency: what the third card hears does not depend on
 * which of the senders was run first. */
static uint64_t run_two(bool swapped)
{
    static struct vrig other;
    static struct vdev far, near[2];
    uint8_t f[80];
    uint64_t hash;
    vrig_new(&r);
    vrig_new(&other);
    hub = net_hub_new();
    for (unsigned i = 0; i < 3; i++)
        ports[i] = net_hub_port(hub);
    plug(&r, &near[0], 0, ports[0], 0);
    plug(&r, &near[1], 1, ports[1], 0);
    plug(&other, &far, 2, ports[2], 0);
    vdev_start(&near[0], FEATURES, 2);
    vdev_start(&near[1], FEATURES, 2);
    vdev_start(&far, FEATURES, 2);
    for (unsigned i = 0; i < 8; i++)
        offer(&near[1], i, 2000);
    for (unsigned turn = 0; turn < 6; turn++) {
        const uint64_t start = turn * NET_HUB_LATENCY_NS;
        for (unsigned which = 0; which < 2; which++) {
            if ((which == 0) != swapped) { /* the near machine sends late in its turn */
                clock_advance(r.clock, start + 700);
                make_frame(f, 1, (uint8_t)turn, sizeof f);
                if (turn < 3)
                    send_frame(&near[0], f, sizeof f);
                clock_advance(r.clock, start + NET_HUB_LATENCY_NS);
            } else { /* the far one early, or at the same time */
                clock_advance(other.clock, start + (turn == 2 ? 700 : 300));
                make_frame(f, 1, (uint8_t)(0x80 | turn), sizeof f);
                if (turn < 3)
                    send_frame(&far, f, sizeof f);
                clock_advance(other.clock, start + NET_HUB_LATENCY_NS);
            }
        }
    }
    unsigned count = 0;
    uint8_t order[8] = {0};
    while (vdev_used(&near[1], RX, &used))
        vrig_read(&r, buffer_at(used.id) + HDR + 11, &order[count++], 1);
    ck_assert_uint_eq(count, 6);
    ck_assert_mem_eq(order, "\x80\x00\x81\x01\x02\x82", 6);
    hash = ram_hash(r.ram, 0);
    unplug(&near[0]);
    unplug(&near[1]);
    unplug(&far);
    for (unsigned i = 0; i < 3; i++)
        net_backend_free(ports[i]);
    net_hub_free(hub);
    vrig_free(&r);
    vrig_free(&other);
    return hash;
}

START_TEST(two_machines_hear_one_order)
{
    ck_assert_uint_eq(run_two(false), run_two(true));
}
END_TEST

/* ---- captures ---- */

START_TEST(a_capture_has_virtual_times)
{
    char path[] = "/tmp/vitrine-pcap-XXXXXX";
    uint8_t f[60], got[24 + 16 + 60 + 1];
    const int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    close(fd);
    err_clear(&err);
    struct pcap *const p = pcap_open(path, &err);
    ck_assert_ptr_nonnull(p);
    make_frame(f, 1, 0, sizeof f);
    const struct net_tap t = pcap_tap(p);
    t.frame(t.opaque, 0, true, 3000000007ull, f, sizeof f);
    ck_assert_int_eq(pcap_close(p, &err), 0);
    FILE *in = fopen(path, "rb");
    ck_assert_uint_eq(fread(got, 1, sizeof got, in), sizeof got - 1);
    fclose(in);
    unlink(path);
    static const uint8_t head[] = {0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0};
    static const uint8_t frame_head[] = {3, 0, 0, 0, 7, 0, 0, 0, 60, 0, 0, 0, 60, 0, 0, 0};
    ck_assert_mem_eq(got, head, sizeof head);
    ck_assert_uint_eq(got[20], 1);
    ck_assert_mem_eq(got + 24, frame_head, sizeof frame_head);
    ck_assert_mem_eq(got + 40, f, sizeof f);
    ck_assert_ptr_null(pcap_open("/nonexistent/x.pcap", &err));
    ck_assert_str_eq(err.id, "E-FILE-005");
}
END_TEST

/* ---- the user network ---- */

#ifdef HAVE_SLIRP
START_TEST(the_gateway_answers)
{
    static const uint8_t arp[] = {0,  1, 8, 0,  6, 4, 0, 1, 0x52, 0, 0,  0, 0, 0,
                                  10, 0, 2, 15, 0, 0, 0, 0, 0,    0, 10, 0, 2, 2};
    static const struct net_user_config cfg;
    uint8_t f[60] = {0}, got[60];
    err_clear(&err);
    struct net_backend *const b = net_user_new(&cfg, &err);
    ck_assert_ptr_nonnull(b);
    vrig_new(&r);
    plug(&r, &card[0], 0, b, 0);
    vdev_start(&card[0], FEATURES, 2);
    offer(&card[0], 0, 2000);
    memset(f, 0xff, 6);
    f[6] = 0x52;
    put_be16(f + 12, 0x0806);
    memcpy(f + 14, arp, sizeof arp);
    send_frame(&card[0], f, sizeof f);
    ck_assert(!vdev_used(&card[0], RX, &used)); /* it enters at the next slice end only */
    input_pump(r.in, 1);
    ck_assert(vdev_used(&card[0], RX, &used));
    vrig_read(&r, buffer_at(0) + HDR, got, 42);
    ck_assert_uint_eq(got[21], 2); /* reply */
    ck_assert_mem_eq(got + 28, arp + 24, 4);
    unplug(&card[0]);
    net_backend_free(b);
    vrig_free(&r);
}
END_TEST
#define USER_TESTS , the_gateway_answers
#else
#define USER_TESTS
#endif

/* ---- hostile drivers ---- */

static uint32_t seed;
static uint32_t rnd(void)
{
    seed = seed * 1664525 + 1013904223;
    return seed >> 8;
}

START_TEST(random_messages_never_crash)
{
    static uint8_t f[70000];
    for (unsigned run = 0; run < 300; run++) {
        seed = run;
        setup(FEATURES | FILTERS | OFFLOADS);
        for (unsigned i = 0; i < 40; i++) {
            const size_t len = make_ip(f, rnd() & 1, rnd() & 1 ? 6 : 17, rnd() % 3000, rnd() & 1);
            for (unsigned n = rnd() % 6; n; n--)
                f[rnd() % 80] = (uint8_t)rnd();
            struct virtio_net_hdr h = {.flags = (uint8_t)(rnd() % 4),
                                       .gso_type = (uint8_t)(rnd() & 1 ? rnd() % 6 : 0),
                                       .hdr_len = (uint16_t)rnd(),
                                       .gso_size = (uint16_t)(rnd() % 2000),
                                       .csum_start = (uint16_t)(rnd() % 100),
                                       .csum_offset = (uint16_t)(rnd() % 100)};
            const size_t cut = rnd() % 4 ? len : rnd() % (len + 1);
            vrig_put(&r, BUF, &h, HDR);
            vrig_put(&r, BUF + HDR, f, len);
            if (rnd() % 3 == 0)
                vrig_put(&r, BUF, (uint8_t[2]){(uint8_t)(rnd() % 4), (uint8_t)(rnd() % 7)}, 2);
            vdev_chain(&card[0], rnd() % 2 ? TX : CTRL, BUF, (uint32_t)(HDR + cut), BUF + 0x8000,
                       rnd() % 3);
            offer(&card[0], i, rnd() % 2000);
            if (len <= NET_FRAME_MAX)
                push(f, len);
            keep.count = 0;
            if (vdev_status(&card[0]) & VIRTIO_S_NEEDS_RESET)
                vdev_start(&card[0], FEATURES | FILTERS | OFFLOADS, 3);
        }
        teardown();
    }
}
END_TEST

SUITE("net", a_card_says_who_it_is, a_frame_leaves_as_it_was_written,
      a_frame_from_outside_waits_for_a_buffer, small_buffers_are_merged,
      without_merging_a_small_buffer_is_left_alone, the_link_goes_down_and_up,
      the_checksum_is_filled_in, a_long_tcp_segment_is_cut, offloads_of_nonsense_are_dropped,
      frames_for_others_are_filtered, vlans_are_filtered, the_driver_sets_the_address,
      control_messages_of_nonsense_are_refused, the_hub_repeats_after_its_latency,
      what_is_in_flight_is_state_and_reset_forgets_it, a_flood_is_lost_not_kept,
      two_machines_hear_one_order, a_capture_has_virtual_times,
      random_messages_never_crash USER_TESTS)
