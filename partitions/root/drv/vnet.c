/*
 * drv/vnet.c: virtio-net (virtio 1.2 5.1): the root's network card as a port of the virtual switch.
 *
 * The card takes whole checksums and the cutting of long segments off the switch, and says of what
 * it receives whether the checksums are right. It is set to receive everything: the switch knows
 * who wants what. Buffers: one for each entry of the receive queue; a page for each descriptor of
 * the transmit queue, as many to a frame as it takes, free again when the device says so.
 *
 * Not modelled: several queue pairs, mergeable buffers, received segments joined, a second card.
 */
#include "partitions/root/drv/virtio.h"
#include "vmbus/vsp/netvsp/vswitch.h"

#define ENTRIES   256u
#define RX_BUFFER 2048u
#define HEADER    ((uint32_t)sizeof(struct virtio_net_hdr))
#define TCP_CWR   0x80u
#define NOBODY    0xffffu

#define QUEUE_RX      0u
#define QUEUE_TX      1u
#define QUEUE_CONTROL 2u

static struct vnet {
    struct net_port port; /* first */
    struct virtio_dev dev;
    struct virtq rx, tx, control;
    uint64_t rx_pa, tx_pa;
    uint16_t tx_free; /* descriptors, linked by next; NOBODY: none */
    unsigned tx_frees;
    uint64_t lost; /* no descriptors */
} nic;

static unsigned order_of(uint64_t bytes)
{
    unsigned order = 0;
    while (PAGE << order < bytes)
        order++;
    return order;
}

static bool has(uint64_t feature)
{
    return nic.dev.features & feature;
}

/* ---- to the device ---- */
static void free_chain(unsigned desc)
{
    for (unsigned i = 0; i < nic.tx.size; i++) {
        const bool more = nic.tx.desc[desc].flags & VIRTQ_DESC_NEXT;
        const uint16_t next = nic.tx.desc[desc].next;
        nic.tx.desc[desc].next = nic.tx_free;
        nic.tx_free = (uint16_t)desc;
        nic.tx_frees++;
        if (!more)
            break;
        desc = next;
    }
}

static void reap(void)
{
    unsigned desc;
    uint32_t written;
    while (virtq_take(&nic.tx, &desc, &written))
        free_chain(desc);
}

/* Where the next bytes of a frame go. */
struct writer {
    uint16_t desc; /* the last of the chain so far */
    uint32_t used; /* bytes of its page */
};

static void put(struct writer *w, const void *from, uint32_t n)
{
    const uint8_t *p = from;
    while (n) {
        if (w->used == PAGE) {
            nic.tx.desc[w->desc].flags = VIRTQ_DESC_NEXT; /* to the next free one */
            w->desc = nic.tx.desc[w->desc].next;
            w->used = 0;
        }
        const uint32_t left = (uint32_t)PAGE - w->used, part = n < left ? n : left;
        memcpy(phys_to_virt(nic.tx_pa + w->desc * PAGE + w->used), p, part);
        w->used += part;
        nic.tx.desc[w->desc].len = w->used;
        p += part;
        n -= part;
    }
}

static struct virtio_net_hdr make_header(const struct net_frame *f)
{
    const uint16_t tag = f->tag ? NET_TAG : 0;
    struct virtio_net_hdr h = {.gso_type = VIRTIO_NET_HDR_GSO_NONE};
    if (f->csum_partial) {
        h.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
        h.csum_start = (uint16_t)(f->l4 + tag);
        h.csum_offset = f->proto == NET_PROTO_TCP ? 16 : 6;
    }
    if (f->mss) {
        h.gso_type = f->is_v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
        if (f->data[f->l4 + 13] & TCP_CWR)
            h.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
        h.gso_size = f->mss;
        h.hdr_len = (uint16_t)(f->payload + tag);
    }
    return h;
}

static void deliver(struct net_port *p, struct net_frame *f)
{
    (void)p;
    const struct virtio_net_hdr h = make_header(f);
    const uint8_t tag[NET_TAG] = {0x81, 0, (uint8_t)(f->tag >> 8), (uint8_t)f->tag};
    reap();
    if (HEADER + NET_TAG + f->length > nic.tx_frees * PAGE) {
        nic.lost++;
        return;
    }
    struct writer w = {nic.tx_free, 0};
    put(&w, &h, HEADER);
    put(&w, f->data, 12);
    if (f->tag)
        put(&w, tag, NET_TAG);
    put(&w, f->data + 12, f->length - 12);
    const uint16_t first = nic.tx_free;
    nic.tx_free = nic.tx.desc[w.desc].next;
    nic.tx.desc[w.desc].flags = 0;
    for (uint16_t d = first;; d = nic.tx.desc[d].next) {
        nic.tx_frees--;
        if (d == w.desc)
            break;
    }
    virtq_post(&nic.tx, first);
}

static void flush(struct net_port *p)
{
    (void)p;
    virtq_notify(&nic.tx);
}

/* ---- from the device ---- */
static void receive(uint8_t *buffer, uint32_t n)
{
    struct virtio_net_hdr h;
    if (n < HEADER + NET_HEADER || n > RX_BUFFER)
        return;
    memcpy(&h, buffer, sizeof(h));
    struct net_frame f = {.data = buffer + HEADER, .length = n - HEADER};
    if (!net_frame_untag(&f))
        return;
    if (h.flags & (VIRTIO_NET_HDR_F_NEEDS_CSUM | VIRTIO_NET_HDR_F_DATA_VALID)) {
        const bool parsed = net_frame_parse(&f) && f.proto;
        f.csum_good = parsed && (h.flags & VIRTIO_NET_HDR_F_DATA_VALID);
        f.csum_partial = parsed && (h.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM);
    }
    vswitch_send(&nic.port, &f);
}

static void look_at_link(void)
{
    const volatile struct virtio_net_config *c = (const volatile void *)nic.dev.config;
    nic.port.is_linked = !has(VIRTIO_NET_F_STATUS) || (c->status & VIRTIO_NET_S_LINK_UP);
}

static void interrupt(void *arg)
{
    unsigned desc;
    uint32_t n;
    bool any = false;
    (void)arg;
    virtio_acknowledge(&nic.dev);
    look_at_link();
    while (virtq_take(&nic.rx, &desc, &n)) {
        receive(phys_to_virt(nic.rx_pa + desc * RX_BUFFER), n);
        virtq_post(&nic.rx, desc);
        any = true;
    }
    if (!any)
        return;
    virtq_notify(&nic.rx);
    if (nic.port.sw)
        vswitch_flush(nic.port.sw);
}

/* ---- start ---- */
static bool fill_queues(void)
{
    nic.rx_pa = mm_alloc(order_of(nic.rx.size * RX_BUFFER));
    nic.tx_pa = mm_alloc(order_of(nic.tx.size * PAGE));
    if (!nic.rx_pa || !nic.tx_pa)
        return false;
    for (unsigned i = 0; i < nic.rx.size; i++) {
        nic.rx.desc[i].addr = nic.rx_pa + i * RX_BUFFER;
        nic.rx.desc[i].len = RX_BUFFER;
        nic.rx.desc[i].flags = VIRTQ_DESC_WRITE;
        virtq_post(&nic.rx, i);
    }
    nic.tx_free = NOBODY;
    for (unsigned i = nic.tx.size; i--;) {
        nic.tx.desc[i].addr = nic.tx_pa + i * PAGE;
        free_chain(i);
    }
    nic.tx.avail->flags = VIRTQ_AVAIL_NO_INTERRUPT; /* deliver() looks for itself */
    return true;
}

/* VIRTIO_NET_CTRL_RX_PROMISC, in place of a filter of addresses. */
static bool receive_all(void)
{
    static const uint8_t command[] = {VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, 1};
    uint64_t pa = mm_alloc_zeroed();
    if (!pa)
        return false;
    uint8_t *page = phys_to_virt(pa);
    memcpy(page, command, sizeof(command));
    page[sizeof(command)] = VIRTIO_NET_ERR;
    for (unsigned i = 0; i < 3; i++) {
        nic.control.desc[i].addr = pa + (i ? i + 1 : 0);
        nic.control.desc[i].len = i ? 1 : 2;
        nic.control.desc[i].flags = i < 2 ? VIRTQ_DESC_NEXT : VIRTQ_DESC_WRITE;
        nic.control.desc[i].next = (uint16_t)(i + 1);
    }
    virtq_post(&nic.control, 0);
    virtq_notify(&nic.control);
    for (unsigned i = 0; i < 1000000 && virtq_pending(&nic.control); i++)
        cpu_pause();
    const bool ok = !virtq_pending(&nic.control) && page[sizeof(command)] == VIRTIO_NET_OK;
    mm_free(pa, 0);
    return ok;
}

struct net_port *vnet_init(void)
{
    static const struct net_port_ops ops = {deliver, flush};
    const uint64_t cut = VIRTIO_NET_F_HOST_TSO4 | VIRTIO_NET_F_HOST_TSO6 | VIRTIO_NET_F_HOST_ECN;
    const uint64_t filter = VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_CTRL_RX;
    if (!virtio_open(&nic.dev, VIRTIO_ID_NET, 0,
                     cut | filter | VIRTIO_NET_F_CSUM | VIRTIO_NET_F_GUEST_CSUM |
                         VIRTIO_NET_F_STATUS | VIRTIO_NET_F_MAC))
        return 0;
    const bool has_filter = has(VIRTIO_NET_F_CTRL_RX);
    bool ok = virtio_queue(&nic.dev, &nic.rx, QUEUE_RX, ENTRIES) &&
              virtio_queue(&nic.dev, &nic.tx, QUEUE_TX, ENTRIES) && fill_queues() &&
              (!has_filter || virtio_queue(&nic.dev, &nic.control, QUEUE_CONTROL, 4));
    if (ok)
        virtio_start(&nic.dev, VEC_NET, interrupt, 0);
    if (!ok || (has_filter && !receive_all())) {
        virtio_fail(&nic.dev);
        rt_log("virtio-net: the card does not start");
        return 0;
    }
    virtq_notify(&nic.rx);
    nic.port.ops = &ops;
    nic.port.is_trunk = true;
    if (has(VIRTIO_NET_F_CSUM))
        nic.port.takes = NET_TAKES_CSUM;
    if (has(VIRTIO_NET_F_CSUM) && has(VIRTIO_NET_F_HOST_ECN))
        nic.port.takes |= (has(VIRTIO_NET_F_HOST_TSO4) ? NET_TAKES_LONG4 : 0) |
                          (has(VIRTIO_NET_F_HOST_TSO6) ? NET_TAKES_LONG6 : 0);
    look_at_link();
    rt_log("virtio-net: the switch's way out, link %s", nic.port.is_linked ? "up" : "down");
    return &nic.port;
}
