/*
 * devices/net/virtio_net.c: virtio-net (virtio 1.2 5.1): queues 0 receive, 1 transmit, 2 control.
 *
 * Modelled: mergeable receive buffers, checksum and TCP segmentation of what the guest sends,
 * checksum verdict on what it receives, receive modes, MAC and VLAN filters, MTU, link state.
 * A frame that finds no receive buffer is lost when it comes from the hub, as on a wire; one from
 * outside waits in its input queue.
 * Not modelled: GUEST_TSO (received segments are not joined), UDP segmentation, several queue
 * pairs, announcements, hash and RSS, frames above 1518 bytes.
 */
#include "devices/net/virtio_net.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/net/offload.h"
#include "devices/virtio/virtio.h"
#include "lib/log.h"

#define QUEUE_RX   0
#define QUEUE_TX   1
#define QUEUE_CTRL 2
#define QUEUE_SIZE 256
#define VECTORS    4
#define MACS_MAX   64
#define TX_MAX     (65550 + 18) /* an IP packet of 64 KiB and its Ethernet header */
#define HDR        sizeof(struct virtio_net_hdr)

#define FEATURES                                                                                  \
    (VIRTIO_F_RING | VIRTIO_NET_F_CSUM | VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_MAC |             \
     VIRTIO_NET_F_HOST_TSO4 | VIRTIO_NET_F_HOST_TSO6 | VIRTIO_NET_F_HOST_ECN |                    \
     VIRTIO_NET_F_MRG_RXBUF | VIRTIO_NET_F_STATUS | VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_CTRL_RX | \
     VIRTIO_NET_F_CTRL_VLAN | VIRTIO_NET_F_CTRL_RX_EXTRA | VIRTIO_NET_F_CTRL_MAC_ADDR)

/* One kind of address, unicast or multicast. */
struct mac_list {
    uint8_t count, overflow; /* overflow: the driver's list was too long, all are let in */
    uint8_t mac[MACS_MAX][6];
};

struct vnet {
    struct virtio v; /* first */
    /* configuration, wiring */
    struct net_card_config cfg;
    struct net_side side;
    struct virtio_net_config config_reset;
    char name[8];
    /* state */
    struct virtio_net_config config;
    uint8_t mode[VIRTIO_NET_CTRL_RX_COUNT]; /* by command of class RX */
    struct mac_list macs[2];                /* unicast, multicast */
    uint32_t vlans[4096 / 32];
    uint64_t sent, received, lost;
    /* scratch */
    uint8_t frame[TX_MAX];
    uint8_t piece[NET_FRAME_MAX];
};

static const struct field fields[] = {
    VIRTIO_FIELDS,
    {"config", offsetof(struct vnet, config), 1, sizeof(struct virtio_net_config), 0,
     "device configuration"},
    FIELD_ARRAY(struct vnet, mode, 0, "receive modes"),
    {"macs", offsetof(struct vnet, macs), 1, 2 * sizeof(struct mac_list), 0, "MAC filter"},
    FIELD_ARRAY(struct vnet, vlans, 0, "VLAN filter"),
    FIELD(struct vnet, sent, 0, "frames from the guest"),
    FIELD(struct vnet, received, 0, "frames for the guest"),
    FIELD(struct vnet, lost, 0, "frames that found no buffer"),
    FIELD_END,
};

static void tap(const struct vnet *n, bool from_guest, const uint8_t *frame, size_t len)
{
    if (n->cfg.tap.frame)
        n->cfg.tap.frame(n->cfg.tap.opaque, n->cfg.index, from_guest, clock_now(n->side.clock),
                         frame, len);
}

static bool link_is_up(const struct vnet *n)
{
    return n->config.status & VIRTIO_NET_S_LINK_UP;
}

/* ---- what the guest sends ---- */

static void emit(void *opaque, uint8_t *frame, size_t len)
{
    struct vnet *const n = opaque;
    if (!link_is_up(n))
        return;
    n->sent++;
    tap(n, true, frame, len);
    n->cfg.backend->ops->send(n->cfg.backend, frame, len);
}

static bool send_segments(struct vnet *n, const struct virtio_net_hdr *h, size_t len)
{
    const uint8_t type = h->gso_type & (uint8_t)~VIRTIO_NET_HDR_GSO_ECN;
    const bool v4 = type == VIRTIO_NET_HDR_GSO_TCPV4 && virtio_has(&n->v, VIRTIO_NET_F_HOST_TSO4);
    const bool v6 = type == VIRTIO_NET_HDR_GSO_TCPV6 && virtio_has(&n->v, VIRTIO_NET_F_HOST_TSO6);
    return (v4 || v6) &&
           net_segment(n->frame, len, v6, h->gso_size, n->piece, sizeof n->piece, emit, n);
}

static void send_chain(struct vnet *n, const struct virtq_chain *c)
{
    struct virtio_net_hdr h;
    if (c->out_len < HDR) {
        virtio_break(&n->v, "a frame without header");
        return;
    }
    const uint64_t len = c->out_len - HDR;
    if (len < NET_FRAME_MIN || len > sizeof n->frame) {
        LOG_GUEST("virtio-net", "%s: a frame of %llu bytes", n->name, (unsigned long long)len);
        return;
    }
    if (!virtq_read(&n->v, c, 0, &h, HDR) || !virtq_read(&n->v, c, HDR, n->frame, (size_t)len))
        return;
    if (h.gso_type != VIRTIO_NET_HDR_GSO_NONE) {
        if (!send_segments(n, &h, (size_t)len))
            LOG_GUEST("virtio-net", "%s: segmentation type %u, size %u of a frame that has none",
                      n->name, h.gso_type, h.gso_size);
        return;
    }
    if (len > NET_FRAME_MAX) {
        LOG_GUEST("virtio-net", "%s: a frame of %llu bytes", n->name, (unsigned long long)len);
    } else if ((h.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) &&
               !net_checksum(n->frame, (size_t)len, h.csum_start, h.csum_offset)) {
        LOG_GUEST("virtio-net", "%s: checksum at %u + %u of %llu bytes", n->name, h.csum_start,
                  h.csum_offset, (unsigned long long)len);
    } else {
        emit(n, n->frame, (size_t)len);
    }
}

/* ---- what the guest receives ---- */

static bool has_mac(const struct mac_list *l, const uint8_t *mac)
{
    for (unsigned i = 0; i < l->count; i++) {
        if (!memcmp(l->mac[i], mac, 6))
            return true;
    }
    return l->overflow;
}

static bool wants_address(const struct vnet *n, const uint8_t *to)
{
    static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    const uint8_t *const on = n->mode;
    if (on[VIRTIO_NET_CTRL_RX_PROMISC] || !virtio_has(&n->v, VIRTIO_NET_F_CTRL_RX))
        return true;
    if (!memcmp(to, broadcast, 6))
        return !on[VIRTIO_NET_CTRL_RX_NOBCAST];
    if (to[0] & 1)
        return !on[VIRTIO_NET_CTRL_RX_NOMULTI] &&
               (on[VIRTIO_NET_CTRL_RX_ALLMULTI] || has_mac(&n->macs[1], to));
    return !on[VIRTIO_NET_CTRL_RX_NOUNI] &&
           (on[VIRTIO_NET_CTRL_RX_ALLUNI] || !memcmp(to, n->config.mac, 6) ||
            has_mac(&n->macs[0], to));
}

static bool wants(const struct vnet *n, const uint8_t *frame, size_t len)
{
    if (!wants_address(n, frame))
        return false;
    if (len < 18 || frame[12] != 0x81 || frame[13] != 0 ||
        !virtio_has(&n->v, VIRTIO_NET_F_CTRL_VLAN))
        return true;
    const unsigned vlan = (frame[14] & 15u) << 8 | frame[15];
    return n->vlans[vlan / 32] >> vlan % 32 & 1;
}

/* Header and frame into receive buffers: one, or as many as it takes when they are mergeable.
 * false: there are not enough, and none was used. */
static bool fill(struct vnet *n, const uint8_t *frame, size_t len)
{
    struct virtio_net_hdr h = {.num_buffers = 0};
    const bool merge = virtio_has(&n->v, VIRTIO_NET_F_MRG_RXBUF);
    struct virtq_chain first, c;
    size_t done = 0;
    if (virtio_has(&n->v, VIRTIO_NET_F_GUEST_CSUM) && net_checksum_is_right(frame, len))
        h.flags = VIRTIO_NET_HDR_F_DATA_VALID;
    while (!h.num_buffers || done < len) {
        struct virtq_chain *const at = h.num_buffers ? &c : &first;
        const size_t head = h.num_buffers ? 0 : HDR;
        if ((h.num_buffers && !merge) || !virtq_pop(&n->v, QUEUE_RX, at)) {
            virtq_rewind(&n->v, QUEUE_RX, h.num_buffers);
            return false;
        }
        h.num_buffers++;
        if (at->in_len <= head) {
            virtio_break(&n->v, "a receive buffer that is too short");
            return true;
        }
        const size_t room = (size_t)(at->in_len - head),
                     part = len - done < room ? len - done : room;
        if (!virtq_write(&n->v, at, head, frame + done, part))
            return true;
        virtq_put(&n->v, QUEUE_RX, h.num_buffers - 1u, at->head, (uint32_t)(head + part));
        done += part;
    }
    if (virtq_write(&n->v, &first, 0, &h, HDR))
        virtq_publish(&n->v, QUEUE_RX, h.num_buffers);
    n->received++;
    return true;
}

static bool is_receiving(const struct vnet *n)
{
    return link_is_up(n) && (n->v.status & VIRTIO_S_DRIVER_OK) && !n->v.broken;
}

/* From the hub: now or never. */
static void receive(void *card, const uint8_t *frame, size_t len)
{
    struct vnet *const n = card;
    if (!is_receiving(n) || len < NET_FRAME_MIN || len > NET_FRAME_MAX)
        return;
    tap(n, false, frame, len);
    if (wants(n, frame, len) && !fill(n, frame, len))
        n->lost++;
}

static void set_link(struct vnet *n, bool up)
{
    if (!n->cfg.backend || up == link_is_up(n))
        return;
    n->config.status ^= VIRTIO_NET_S_LINK_UP;
    virtio_config_changed(&n->v);
}

/* From outside: records (net.h); what finds no buffer stays in the queue. */
static size_t accept(void *opaque, const uint8_t *bytes, size_t len)
{
    struct vnet *const n = opaque;
    size_t done = 0;
    struct net_record_head h;
    while (len - done >= sizeof h) {
        const uint8_t *const body = bytes + done + sizeof h;
        memcpy(&h, bytes + done, sizeof h);
        if (len - done - sizeof h < h.len)
            break;
        if (h.len == 1) {
            set_link(n, body[0] & 1);
        } else if (is_receiving(n) && h.len >= NET_FRAME_MIN && h.len <= NET_FRAME_MAX) {
            if (wants(n, body, h.len) && !fill(n, body, h.len))
                break;
            tap(n, false, body, h.len);
        }
        done += sizeof h + h.len;
    }
    return done;
}

/* ---- control ---- */

static bool control_mode(struct vnet *n, unsigned command, const uint8_t *data, size_t len)
{
    const bool extra = command > VIRTIO_NET_CTRL_RX_ALLMULTI;
    if (len != 1 || command >= VIRTIO_NET_CTRL_RX_COUNT ||
        !virtio_has(&n->v, extra ? VIRTIO_NET_F_CTRL_RX_EXTRA : VIRTIO_NET_F_CTRL_RX))
        return false;
    n->mode[command] = !!data[0];
    return true;
}

/* Two lists of a number and that many addresses. */
static bool control_macs(struct vnet *n, const uint8_t *data, size_t len)
{
    struct mac_list lists[2];
    memset(lists, 0, sizeof lists);
    for (unsigned i = 0; i < 2; i++) {
        uint32_t count;
        if (len < 4)
            return false;
        memcpy(&count, data, 4);
        if (count > (len - 4) / 6)
            return false;
        lists[i].overflow = count > MACS_MAX;
        lists[i].count = lists[i].overflow ? 0 : (uint8_t)count;
        memcpy(lists[i].mac, data + 4, lists[i].count * 6u);
        data += 4 + 6 * (size_t)count;
        len -= 4 + 6 * (size_t)count;
    }
    memcpy(n->macs, lists, sizeof lists);
    return len == 0;
}

static bool control_vlan(struct vnet *n, unsigned command, const uint8_t *data, size_t len)
{
    uint16_t vlan;
    if (len != 2 || command > VIRTIO_NET_CTRL_VLAN_DEL ||
        !virtio_has(&n->v, VIRTIO_NET_F_CTRL_VLAN))
        return false;
    memcpy(&vlan, data, 2);
    if (vlan >= 4096)
        return false;
    if (command == VIRTIO_NET_CTRL_VLAN_ADD)
        n->vlans[vlan / 32] |= 1u << vlan % 32;
    else
        n->vlans[vlan / 32] &= ~(1u << vlan % 32);
    return true;
}

static bool control(struct vnet *n, const uint8_t *m, size_t len)
{
    const uint8_t *const data = m + 2;
    len -= 2;
    switch (m[0]) {
    case VIRTIO_NET_CTRL_RX:
        return control_mode(n, m[1], data, len);
    case VIRTIO_NET_CTRL_MAC:
        if (m[1] == VIRTIO_NET_CTRL_MAC_TABLE_SET && virtio_has(&n->v, VIRTIO_NET_F_CTRL_RX))
            return control_macs(n, data, len);
        if (m[1] != VIRTIO_NET_CTRL_MAC_ADDR_SET || len != 6 ||
            !virtio_has(&n->v, VIRTIO_NET_F_CTRL_MAC_ADDR))
            return false;
        memcpy(n->config.mac, data, 6);
        return true;
    case VIRTIO_NET_CTRL_VLAN:
        return control_vlan(n, m[1], data, len);
    default:
        return false;
    }
}

static uint32_t control_chain(struct vnet *n, const struct virtq_chain *c)
{
    uint8_t ack = VIRTIO_NET_ERR;
    if (c->in_len < 1 || c->out_len < 2) {
        virtio_break(&n->v, "a control message without room for the answer");
        return 0;
    }
    /* the longest command is a table of addresses; what is longer than a frame is no command */
    if (c->out_len <= sizeof n->frame) {
        if (!virtq_read(&n->v, c, 0, n->frame, (size_t)c->out_len))
            return 0;
        if (control(n, n->frame, (size_t)c->out_len))
            ack = VIRTIO_NET_OK;
    }
    if (ack != VIRTIO_NET_OK)
        LOG_GUEST("virtio-net", "%s: control message %u/%u refused", n->name, n->frame[0],
                  n->frame[1]);
    virtq_write(&n->v, c, c->in_len - 1, &ack, 1);
    return (uint32_t)c->in_len;
}

static void kick(struct virtio *v, unsigned queue)
{
    struct vnet *const n = (struct vnet *)v;
    struct virtq_chain c;
    if (queue == QUEUE_RX)
        return; /* waiting frames are offered again at the next slice end */
    for (unsigned left = v->q[queue].size; left && virtq_pop(v, queue, &c); left--) {
        uint32_t written = 0;
        if (queue == QUEUE_TX)
            send_chain(n, &c);
        else
            written = control_chain(n, &c);
        virtq_return(v, queue, &c, written);
    }
}

/* ---- life ---- */

/* The link stays as it is: it is the cable's, not the driver's. */
static void forget(struct virtio *v)
{
    struct vnet *const n = (struct vnet *)v;
    memcpy(n->config.mac, n->cfg.mac, 6);
    memset(n->mode, 0, sizeof n->mode);
    memset(n->macs, 0, sizeof n->macs);
    memset(n->vlans, 0, sizeof n->vlans);
}

static const struct virtio_class virtio_class = {"virtio-net", kick, forget, NULL};

static void vnet_reset(struct dev *d)
{
    struct vnet *const n = (struct vnet *)d;
    n->config = n->config_reset;
    virtio_reset(d);
}

static void vnet_free(struct dev *d)
{
    struct vnet *const n = (struct vnet *)d;
    if (n->cfg.backend)
        n->cfg.backend->ops->detach(n->cfg.backend);
    free(n);
}
static const struct dev_class vnet_class = {"virtio-net", fields, vnet_reset, vnet_free, NULL};

static int connect_cable(struct vnet *n, struct clock *clock, struct input *input, struct err *err)
{
    const struct input_sink sink = {n->name, accept, n};
    n->side = (struct net_side){clock, input, input_add_sink(input, &sink), receive, n};
    if (n->side.sink < 0)
        return err_set(err, "E-MACH-001", -ENOSPC, "too many input sinks for %s", n->name);
    if (!n->cfg.backend)
        return 0;
    return n->cfg.backend->ops->attach(n->cfg.backend, &n->side, err);
}

struct pci_func *virtio_net_new(struct clock *clock, struct input *input, const struct dma *dma,
                                const struct msi_sink *msi, const struct net_card_config *cfg,
                                struct err *err)
{
    struct vnet *const n = calloc(1, sizeof *n);
    if (!n) {
        err_set(err, "E-MACH-002", -ENOMEM, "network card");
        return NULL;
    }
    n->cfg = *cfg;
    snprintf(n->name, sizeof n->name, "net%u", cfg->index % 1000);
    memcpy(n->config_reset.mac, cfg->mac, 6);
    n->config_reset.status = cfg->backend ? VIRTIO_NET_S_LINK_UP : 0;
    n->config_reset.max_virtqueue_pairs = 1;
    n->config_reset.mtu = cfg->mtu ? cfg->mtu : NET_MTU;
    n->v.f.dev = (struct dev){.cls = &vnet_class, .id = n->name};
    const struct virtio_setup setup = {
        .id = VIRTIO_ID_NET,
        .class_rev = 0x02000001,
        .queues = 3,
        .queue_size = QUEUE_SIZE,
        .vectors = VECTORS,
        .features = FEATURES | (cfg->mtu ? VIRTIO_NET_F_MTU : 0),
        .config = &n->config,
        .config_len = sizeof n->config,
    };
    virtio_init(&n->v, &virtio_class, &setup, dma, msi);
    if (connect_cable(n, clock, input, err)) {
        vnet_free(&n->v.f.dev);
        return NULL;
    }
    return &n->v.f;
}
