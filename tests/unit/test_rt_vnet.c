/*
 * The root's virtio-net driver against queues in memory: chains over pages, tags, what it tells the
 * card about checksums and long segments, and a card that answers late, wrongly or not at all.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "abi/virtio.h"
#include "tests/lib/root_mem.h"
#include "tests/lib/suite.h"

/* In place of drv/virtio.h: physical addresses are host addresses. */
#define RT_VIRTIO_H
#define PAGE    4096ull
#define VEC_NET 0x52
typedef void trap_handler(void *arg);
struct net_port;
struct net_port *vnet_init(void);
struct virtq {
    uint16_t index, size, used_seen;
    volatile struct virtq_desc *desc;
    volatile struct virtq_avail *avail;
    volatile struct virtq_used *used;
};
struct virtio_dev {
    uint64_t features;
    volatile uint8_t *config;
};

static struct {
    uint64_t offered;
    bool no_card, no_answer;
    struct virtio_net_config config;
    trap_handler *interrupt;
    struct virtq *q[3];
    unsigned notified[3];
    uint8_t mode; /* VIRTIO_NET_CTRL_RX_PROMISC */
    bool failed;
} fake;

static void rt_log(const char *fmt, ...)
{
    (void)fmt;
}
static void cpu_pause(void)
{
}
static bool virtio_open(struct virtio_dev *d, unsigned id, uint64_t needed, uint64_t wanted)
{
    ck_assert_uint_eq(id, VIRTIO_ID_NET);
    ck_assert_uint_eq(needed, 0);
    d->features = fake.offered & wanted;
    d->config = (volatile uint8_t *)&fake.config;
    return !fake.no_card;
}
static bool virtio_queue(struct virtio_dev *d, struct virtq *q, unsigned index, unsigned size)
{
    (void)d;
    *q = (struct virtq){.index = (uint16_t)index, .size = (uint16_t)size};
    q->desc = phys_to_virt(mm_alloc_zeroed());
    q->avail = phys_to_virt(mm_alloc_zeroed());
    q->used = phys_to_virt(mm_alloc_zeroed());
    fake.q[index] = q;
    return true;
}
static void virtio_start(struct virtio_dev *d, unsigned vector, trap_handler *fn, void *arg)
{
    (void)d;
    (void)vector;
    (void)arg;
    fake.interrupt = fn;
}
static void virtio_fail(struct virtio_dev *d)
{
    (void)d;
    fake.failed = true;
}
static void virtio_acknowledge(struct virtio_dev *d)
{
    (void)d;
}
static void virtq_post(struct virtq *q, unsigned desc)
{
    q->avail->ring[q->avail->idx % q->size] = (uint16_t)desc;
    q->avail->idx++;
}
static unsigned virtq_pending(const struct virtq *q)
{
    return (uint16_t)(q->avail->idx - q->used->idx);
}
/* The card is done with the chain that starts at `desc`. */
static void finish(struct virtq *q, uint32_t desc, uint32_t written)
{
    q->used->ring[q->used->idx % q->size].id = desc;
    q->used->ring[q->used->idx % q->size].len = written;
    q->used->idx++;
}
static void virtq_notify(struct virtq *q)
{
    fake.notified[q->index]++;
    if (q->index != 2 || fake.no_answer)
        return;
    const uint8_t *const command = phys_to_virt(q->desc[0].addr);
    ck_assert(command[0] == VIRTIO_NET_CTRL_RX && command[1] == VIRTIO_NET_CTRL_RX_PROMISC);
    fake.mode = *(uint8_t *)phys_to_virt(q->desc[1].addr);
    *(uint8_t *)phys_to_virt(q->desc[2].addr) = VIRTIO_NET_OK;
    finish(q, 0, 1);
}
static bool virtq_take(struct virtq *q, unsigned *desc, uint32_t *written)
{
    if (q->used_seen == q->used->idx)
        return false;
    *desc = q->used->ring[q->used_seen % q->size].id;
    *written = q->used->ring[q->used_seen++ % q->size].len;
    return true;
}

#include "partitions/root/drv/vnet.c"

static struct vswitch sw;
static struct net_port other;
static struct net_frame got;
static unsigned frames;
static uint8_t got_bytes[NET_LONG_MAX];

static void take(struct net_port *p, struct net_frame *f)
{
    (void)p;
    got = *f;
    memcpy(got_bytes, f->data, f->length);
    frames++;
}

static void begin(uint64_t offered)
{
    static const struct net_port_ops take_ops = {.deliver = take};
    memset(&nic, 0, sizeof(nic));
    memset(&fake, 0, sizeof(fake));
    memset(&sw, 0, sizeof(sw));
    frames = 0;
    fake.offered = offered;
    fake.config.status = VIRTIO_NET_S_LINK_UP;
    other = (struct net_port){.ops = &take_ops, .is_linked = true, .is_trunk = true};
    vswitch_add(&sw, &other);
    struct net_port *const p = vnet_init();
    ck_assert_ptr_nonnull(p);
    vswitch_add(&sw, p);
}

static void end(void)
{
    root_mem_end();
}

/* The frame that was posted last, out of its chain; its length with the header. */
static uint32_t sent(uint8_t *to, uint16_t *first)
{
    struct virtq *const q = fake.q[QUEUE_TX];
    uint32_t n = 0;
    *first = q->avail->ring[(q->avail->idx - 1) % q->size];
    for (uint16_t d = *first;; d = q->desc[d].next) {
        memcpy(to + n, phys_to_virt(q->desc[d].addr), q->desc[d].len);
        n += q->desc[d].len;
        if (!(q->desc[d].flags & VIRTQ_DESC_NEXT))
            return n;
    }
}

static void send(uint8_t *bytes, uint32_t length, uint16_t tag, uint16_t mss)
{
    struct net_frame f = {.data = bytes, .length = length, .tag = tag};
    f.mss = mss;
    ck_assert(net_frame_parse(&f));
    if (mss)
        net_frame_prepare_long(&f);
    vswitch_send(&other, &f);
    vswitch_flush(&sw);
}

#define ALL                                                                                     \
    (VIRTIO_NET_F_CSUM | VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_STATUS | VIRTIO_NET_F_CTRL_VQ | \
     VIRTIO_NET_F_CTRL_RX | VIRTIO_NET_F_HOST_TSO4 | VIRTIO_NET_F_HOST_TSO6 |                   \
     VIRTIO_NET_F_HOST_ECN)

START_TEST(frames_go_out_whole)
{
    static uint8_t f[65000], out[66000];
    struct virtio_net_hdr h;
    uint16_t first;
    begin(ALL);
    ck_assert_uint_eq(fake.mode, 1);
    for (uint32_t i = 0; i < sizeof(f); i++)
        f[i] = (uint8_t)(i * 13 + i / 256);
    f[6] = 2;
    f[0] = 4;
    f[12] = 0x12; /* no IP */
    for (unsigned tagged = 0; tagged < 2; tagged++) {
        send(f, 1000, tagged ? 0x2007 : 0, 0);
        ck_assert_uint_eq(sent(out, &first), 12 + 1000 + 4 * tagged);
        ck_assert_mem_eq(out + 12, f, 12);
        ck_assert(!tagged || !memcmp(out + 24, "\x81\0\x20\x07", 4));
        ck_assert_mem_eq(out + 24 + 4 * tagged, f + 12, 988);
        finish(fake.q[QUEUE_TX], first, 0);
    }
    ck_assert_uint_eq(fake.notified[QUEUE_TX], 2);
    /* a long segment: over 16 pages, with what the card needs to cut it */
    memcpy(f + 12, (const uint8_t[]){8, 0, 0x45, 0, 0, 0, 0, 0, 0, 0, 64, 6}, 12);
    f[46] = 0x50;
    f[47] = 0x90; /* ACK, CWR */
    send(f, 62000, 0, 1448);
    ck_assert_uint_eq(sent(out, &first), 12 + 62000);
    memcpy(&h, out, sizeof(h));
    ck_assert_uint_eq(h.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
    ck_assert_uint_eq(h.gso_type, VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN);
    ck_assert_uint_eq(h.gso_size, 1448);
    ck_assert_uint_eq(h.hdr_len, 54);
    ck_assert_uint_eq(h.csum_start, 34);
    ck_assert_uint_eq(h.csum_offset, 16);
    ck_assert_mem_eq(out + 12 + 54, f + 54, 62000 - 54);
    end();
}
END_TEST

START_TEST(a_slow_card_loses_frames_and_no_descriptors)
{
    static uint8_t f[1400] = {4, 0, 0, 0, 0, 0, 2}, out[2000];
    uint16_t first;
    begin(ALL);
    for (unsigned round = 0; round < 3; round++) {
        uint16_t chain[256];
        for (unsigned i = 0; i < 256; i++) {
            send(f, sizeof(f), 0, 0);
            sent(out, &chain[i]);
        }
        ck_assert_uint_eq(nic.tx_frees, 0);
        send(f, sizeof(f), 0, 0);
        ck_assert_uint_eq(nic.lost, round + 1);
        for (unsigned i = 256; i--;) /* in another order than they went */
            finish(fake.q[QUEUE_TX], chain[i], 0);
    }
    send(f, sizeof(f), 0, 0);
    ck_assert_uint_eq(nic.tx_frees, 255);
    ck_assert_uint_eq(sent(out, &first), 1412);
    end();
}
END_TEST

START_TEST(frames_come_in)
{
    struct virtio_net_hdr h = {.flags = VIRTIO_NET_HDR_F_DATA_VALID};
    uint8_t *buffer;
    begin(ALL);
    struct virtq *const q = fake.q[QUEUE_RX];
    ck_assert_uint_eq(virtq_pending(q), 256);
    buffer = phys_to_virt(q->desc[5].addr);
    memcpy(buffer, &h, sizeof(h));
    memset(buffer + 12, 0, 100);
    memcpy(buffer + 12, (const uint8_t[]){4, 0, 0, 0, 0,    0, 2, 0,  0, 0, 0, 9, 0x81, 0,
                                          0, 7, 8, 0, 0x45, 0, 0, 28, 0, 0, 0, 0, 64,   17},
           28);
    finish(q, 5, 12 + 64);
    fake.interrupt(0);
    ck_assert_uint_eq(frames, 1);
    ck_assert_uint_eq(got.length, 60);
    ck_assert_uint_eq(got.tag, 7);
    ck_assert(got.csum_good && got.proto == NET_PROTO_UDP);
    ck_assert_uint_eq(virtq_pending(q), 256); /* the buffer is back */
    /* lengths that are none */
    finish(q, 6, 12 + 13);
    finish(q, 7, 2049);
    finish(q, 8, 0);
    fake.interrupt(0);
    ck_assert_uint_eq(frames, 1);
    ck_assert_uint_eq(virtq_pending(q), 256);
    /* the cable */
    fake.config.status = 0;
    fake.interrupt(0);
    ck_assert(!nic.port.is_linked);
    end();
}
END_TEST

START_TEST(cards_that_do_less)
{
    static uint8_t f[5000] = {4, 0, 0, 0, 0, 0, 2, [12] = 8, [14] = 0x45, [23] = 6, [46] = 0x50};
    begin(0); /* no checksums, no cutting, no filter to switch off */
    ck_assert_uint_eq(nic.port.takes, 0);
    ck_assert(nic.port.is_linked);
    send(f, sizeof(f), 0, 1000);
    ck_assert_uint_eq(virtq_pending(fake.q[QUEUE_TX]), 5);
    ck_assert_uint_eq(fake.notified[QUEUE_TX], 1);
    end();
    memset(&nic, 0, sizeof(nic));
    memset(&fake, 0, sizeof(fake));
    fake.offered = ALL;
    fake.no_answer = true;
    ck_assert_ptr_null(vnet_init());
    ck_assert(fake.failed);
    end();
    memset(&fake, 0, sizeof(fake));
    fake.no_card = true;
    ck_assert_ptr_null(vnet_init());
    ck_assert(!fake.failed);
    end();
}
END_TEST

SUITE("rt_vnet", frames_go_out_whole, a_slow_card_loses_frames_and_no_descriptors, frames_come_in,
      cards_that_do_less)
