/*
 * The virtual switch: who gets a frame, who may send one, and what is done to it on the way; and
 * the headers of frames that are not as they should be.
 */
#include <string.h>

#include "tests/lib/suite.h"
#include "vmbus/vsp/netvsp/vswitch.h"

#define PORTS 4u

static struct tap {
    struct net_port port; /* first */
    unsigned frames;
    uint16_t tag;
    uint32_t length;
} tap[PORTS];
static struct vswitch sw;

static void deliver(struct net_port *p, struct net_frame *f)
{
    struct tap *const t = (struct tap *)p;
    t->frames++;
    t->tag = f->tag;
    t->length = f->length;
}

static const struct net_port_ops ops = {.deliver = deliver};

/* Ports 0 to 2 have addresses 2:..:0 to 2 and are guarded; port 3 is the way out. */
static void begin(void)
{
    memset(&sw, 0, sizeof(sw));
    memset(tap, 0, sizeof(tap));
    for (unsigned i = 0; i < PORTS; i++) {
        tap[i].port.ops = &ops;
        tap[i].port.is_linked = true;
        tap[i].port.is_guarded = i < 3;
        tap[i].port.is_trunk = i == 3;
        if (i < 3)
            memcpy(tap[i].port.mac, (const uint8_t[]){2, 0, 0, 0, 0, (uint8_t)i}, 6);
        ck_assert(vswitch_add(&sw, &tap[i].port));
    }
}

/* A frame of 60 bytes; returns which ports got it, a bit each. */
static unsigned send(unsigned from, unsigned source, unsigned to, uint16_t tag)
{
    uint8_t bytes[60] = {to == 255 ? 0xff : 2, 0, 0, 0, 0, (uint8_t)to, 2, 0, 0, 0, 0,
                         (uint8_t)source};
    struct net_frame f = {.data = bytes, .length = sizeof(bytes), .tag = tag};
    unsigned got = 0;
    for (unsigned i = 0; i < PORTS; i++)
        tap[i].frames = 0;
    vswitch_send(&tap[from].port, &f);
    for (unsigned i = 0; i < PORTS; i++) {
        ck_assert_uint_le(tap[i].frames, 1);
        got |= tap[i].frames << i;
    }
    return got;
}

START_TEST(frames_go_where_the_address_is)
{
    begin();
    ck_assert_uint_eq(send(0, 0, 1, 0), 1u << 1);
    ck_assert_uint_eq(send(0, 0, 2, 0), 1u << 2);
    ck_assert_uint_eq(send(0, 0, 0, 0), 0); /* to itself */
    ck_assert_uint_eq(send(1, 1, 255, 0), 1u << 0 | 1u << 2 | 1u << 3);
    /* nobody knows 77 until it has spoken */
    ck_assert_uint_eq(send(0, 0, 77, 0), 1u << 1 | 1u << 2 | 1u << 3);
    ck_assert_uint_eq(send(3, 77, 0, 0), 1u << 0);
    ck_assert_uint_eq(send(0, 0, 77, 0), 1u << 3);
    ck_assert_uint_eq(send(3, 78, 77, 0), 0); /* it is over there already */
    tap[3].port.is_linked = false;
    ck_assert_uint_eq(send(0, 0, 77, 0), 0);
    ck_assert_uint_eq(send(3, 77, 0, 0), 0);
}
END_TEST

START_TEST(an_address_moves_and_goes_with_its_port)
{
    begin();
    tap[2].port.is_guarded = false;
    send(3, 77, 0, 0);
    ck_assert_uint_eq(send(0, 0, 77, 0), 1u << 3);
    send(2, 77, 0, 0);
    ck_assert_uint_eq(send(0, 0, 77, 0), 1u << 2);
    vswitch_remove(&tap[2].port);
    vswitch_remove(&tap[2].port);
    ck_assert_uint_eq(send(0, 0, 77, 0), 1u << 1 | 1u << 3);
    ck_assert_uint_eq(send(2, 2, 0, 0), 0); /* not plugged in */
    ck_assert(vswitch_add(&sw, &tap[2].port));
    ck_assert(vswitch_has(&sw, tap[2].port.mac));
    struct net_port twin = tap[2].port;
    ck_assert(!vswitch_add(&sw, &twin));
    /* more addresses than it can learn: the rest is flooded, nothing else happens */
    for (unsigned i = 3; i < 250; i++)
        for (unsigned vlan = 0; vlan < 40; vlan++)
            send(3, i, 255, (uint16_t)vlan);
    ck_assert_uint_eq(send(0, 0, 1, 0), 1u << 1);
}
END_TEST

START_TEST(nobody_sends_from_what_is_not_his)
{
    begin();
    ck_assert_uint_eq(send(0, 1, 2, 0), 0);  /* a neighbour's */
    ck_assert_uint_eq(send(0, 50, 2, 0), 0); /* nobody's, but he is guarded */
    ck_assert_uint_eq(send(3, 1, 2, 0), 0);  /* from outside as one of ours */
    ck_assert_uint_eq(tap[0].port.refused, 2);
    ck_assert_uint_eq(tap[3].port.refused, 1);
    ck_assert_uint_eq(send(3, 50, 2, 0), 1u << 2);
    ck_assert_uint_eq(send(2, 2, 1, 0), 1u << 1);
    uint8_t bytes[NET_FRAME_MAX + 1] = {2, 0, 0, 0, 0, 1, 3};
    struct net_frame f = {.data = bytes, .length = 60};
    vswitch_send(&tap[3].port, &f); /* a group's */
    bytes[6] = 2;
    bytes[11] = 60;
    f.length = 13;
    vswitch_send(&tap[3].port, &f);
    f.length = sizeof(bytes);
    vswitch_send(&tap[3].port, &f);
    ck_assert_uint_eq(tap[3].port.refused, 4);
    f.length--;
    vswitch_send(&tap[3].port, &f);
    ck_assert_uint_eq(tap[3].port.refused, 4);
    ck_assert_uint_eq(tap[1].length, NET_FRAME_MAX);
}
END_TEST

START_TEST(vlans_are_kept_apart)
{
    begin();
    tap[0].port.vlan = tap[1].port.vlan = 7;
    ck_assert_uint_eq(send(0, 0, 255, 0), 1u << 1 | 1u << 3);
    ck_assert_uint_eq(tap[1].tag, 0);
    ck_assert_uint_eq(tap[3].tag, 7);
    ck_assert_uint_eq(send(0, 0, 2, 0), 0); /* in another one */
    ck_assert_uint_eq(send(2, 2, 0, 0), 0);
    ck_assert_uint_eq(send(2, 2, 255, 7), 0);            /* tagged by the guest */
    ck_assert_uint_eq(send(0, 0, 1, 3u << 13), 1u << 1); /* a priority is none */
    ck_assert_uint_eq(send(3, 99, 0, 0), 0);
    ck_assert_uint_eq(send(3, 99, 0, 7), 1u << 0);
    ck_assert_uint_eq(send(3, 99, 255, 7), 1u << 0 | 1u << 1);
    ck_assert_uint_eq(send(3, 99, 255, 0), 1u << 2);
    ck_assert_uint_eq(send(3, 99, 255, 8), 0);
    /* 99 is known in VLAN 7 and 0, not in 9 */
    tap[2].port.vlan = 9;
    ck_assert_uint_eq(send(1, 1, 99, 0), 1u << 3);
}
END_TEST

START_TEST(tags_are_taken_out_of_frames)
{
    uint8_t bytes[64] = {1,  2,  3,    4, 5,    6,    7,    8,    9, 10,
                         11, 12, 0x81, 0, 0x61, 0x23, 0x08, 0x06, 55};
    struct net_frame f = {.data = bytes, .length = 60};
    ck_assert(net_frame_untag(&f));
    ck_assert_uint_eq(f.tag, 0x6123);
    ck_assert_uint_eq(f.length, 56);
    ck_assert_mem_eq(f.data, ((const uint8_t[]){1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 8, 6, 55}),
                     15);
    ck_assert(net_frame_untag(&f)); /* nothing more to do */
    ck_assert_uint_eq(f.length, 56);
    f.data[12] = 0x81;
    f.data[13] = 0;
    ck_assert(!net_frame_untag(&f)); /* a second one */
    f.data[12] = 0x88;
    f.data[13] = 0xa8;
    ck_assert(!net_frame_untag(&f));
    f = (struct net_frame){.data = bytes, .length = 17};
    bytes[12] = 0x81;
    bytes[13] = 0;
    ck_assert(!net_frame_untag(&f)); /* cut off */
}
END_TEST

/* Whether an IPv6 packet parses, and what it says: extension headers, then UDP. */
START_TEST(headers_of_ipv6)
{
    uint8_t b[14 + 40 + 16 + 24 + 8 + 10] = {[12] = 0x86, [13] = 0xdd, [14] = 0x60};
    struct net_frame f = {.data = b, .length = sizeof(b)};
    b[19] = 16 + 24 + 8 + 10;
    b[20] = 0; /* hop by hop, 16 bytes */
    b[54] = 60;
    b[55] = 1; /* destination options, 24 bytes */
    b[70] = 17;
    b[71] = 2;
    ck_assert(net_frame_parse(&f));
    ck_assert(f.is_v6 && f.proto == NET_PROTO_UDP);
    ck_assert_uint_eq(f.l4, 94);
    ck_assert_uint_eq(f.end, sizeof(b));
    b[19]++; /* longer than the frame */
    ck_assert(!net_frame_parse(&f));
    b[19] = 16 + 24 + 7; /* no room for UDP */
    ck_assert(!net_frame_parse(&f));
    b[19] = 16 + 23; /* nor for the options */
    ck_assert(!net_frame_parse(&f));
    b[19] = 16 + 24 + 8;
    b[70] = 44; /* a fragment */
    ck_assert(net_frame_parse(&f) && !f.proto);
    f.length = 53;
    ck_assert(!net_frame_parse(&f));
}
END_TEST

START_TEST(headers_of_ipv4)
{
    static const struct {
        uint8_t at, value;
        bool good;
        uint8_t proto;
    } rows[] = {{14, 0x45, true, 6},  {14, 0x55, false, 0}, {14, 0x44, false, 0},
                {14, 0x4b, false, 0}, {17, 19, false, 0},   {17, 39, false, 0},
                {17, 61, false, 0},   {17, 40, true, 6},    {20, 0x20, true, 0},
                {21, 0x01, true, 0},  {20, 0x40, true, 6},  {23, 1, true, 0},
                {46, 0x40, false, 0}, {46, 0xb0, false, 0}, {13, 6, true, 0}};
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t b[74] = {[12] = 8, [14] = 0x45, [17] = 60, [23] = 6, [46] = 0x50};
        struct net_frame f = {.data = b, .length = sizeof(b)};
        b[rows[i].at] = rows[i].value;
        ck_assert_uint_eq(net_frame_parse(&f), rows[i].good);
        ck_assert_uint_eq(f.proto, rows[i].proto);
    }
}
END_TEST

SUITE("vswitch", frames_go_where_the_address_is, an_address_moves_and_goes_with_its_port,
      nobody_sends_from_what_is_not_his, vlans_are_kept_apart, tags_are_taken_out_of_frames,
      headers_of_ipv6, headers_of_ipv4)
