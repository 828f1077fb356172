#include "tests/lib/net_rig.h"

#include <stdlib.h>
#include <string.h>

const uint8_t net_rig_mac[6] = {0x00, 0x15, 0x5d, 1, 2, 3};
const uint8_t net_rig_peer_mac[6] = {0x00, 0x15, 0x5d, 9, 9, 9};
static const struct vmbus_guid class_nic = VMBUS_CLASS_NIC;

static void *take(size_t n)
{
    return calloc(1, n);
}

static void peer_deliver(struct net_port *p, struct net_frame *f)
{
    struct net_rig_port *const peer = (struct net_rig_port *)p;
    peer->frames++;
    peer->last = *f;
    memcpy(peer->bytes, f->data, f->length);
    peer->last.data = peer->bytes;
}

void net_rig_init(struct net_rig *n)
{
    static const struct netvsp_host host = {take, free};
    static const struct net_port_ops ops = {.deliver = peer_deliver};
    static const struct vmbus_guid instance = {{7}};
    memset(n, 0, sizeof(*n));
    n->bus = vmbus_rig_new();
    n->peer.port = (struct net_port){.ops = &ops, .is_linked = true};
    memcpy(n->peer.port.mac, net_rig_peer_mac, 6);
    vswitch_add(&n->sw, &n->peer.port);
    n->card = netvsp_new(n->bus->server, &host, &instance, &n->sw, net_rig_mac, 0);
    vmbus_client_connect(&n->bus->client, VMBUS_VERSION_IRON);
    vmbus_rig_pump(n->bus);
    vmbus_client_request_offers(&n->bus->client);
    vmbus_rig_pump(n->bus);
    net_rig_open(n, 0);
    n->chan = vmbus_client_find(&n->bus->client, &class_nic, 0);
    vmbus_rig_pages(n->bus, n->receive, NET_RIG_RECEIVE_PAGES);
    vmbus_rig_pages(n->bus, n->send, NET_RIG_SEND_PAGES);
    n->receive_gpadl = vmbus_client_gpadl(&n->bus->client, n->chan->offer.relid, n->receive,
                                          NET_RIG_RECEIVE_PAGES);
    n->send_gpadl = vmbus_client_gpadl(&n->bus->client, n->chan->offer.relid, n->send,
                                       NET_RIG_SEND_PAGES);
    vmbus_rig_pump(n->bus);
}

void net_rig_free(struct net_rig *n)
{
    vmbus_rig_free(n->bus);
}

bool net_rig_open(struct net_rig *n, unsigned channel)
{
    struct vmbus_client_channel *const ch = vmbus_client_find(&n->bus->client, &class_nic, channel);
    struct vmbus_page page[NET_RIG_RING];
    if (!ch || ch->state != VMBUS_C_OFFERED)
        return false;
    const uint32_t next = n->bus->next_page;
    if (channel || n->chan)
        n->bus->next_page = 100 + channel * NET_RIG_RING;
    vmbus_rig_pages(n->bus, page, NET_RIG_RING);
    if (channel || n->chan)
        n->bus->next_page = next;
    vmbus_client_open(&n->bus->client, ch, page, NET_RIG_RING, NET_RIG_RING / 2, 0);
    vmbus_rig_pump(n->bus);
    return ch->state == VMBUS_C_OPEN;
}

int net_rig_send(struct net_rig *n, const struct nvsp_message *m, uint64_t id)
{
    return vmbus_client_send(&n->bus->client, n->chan, id, VMBUS_PKT_F_COMPLETION, m, sizeof(*m));
}

/* Bytes of the receive buffer */
static void copy_section(struct net_rig *n, uint32_t at, uint8_t *to, uint32_t length)
{
    for (uint32_t i = 0; i < length; i++)
        to[i] = n->receive[(at + i) / 4096].va[(at + i) % 4096];
}

bool net_rig_receive(struct net_rig *n)
{
    uint8_t packet[1024];
    vmbus_rig_pump(n->bus);
    const int length = vmbus_client_receive(&n->bus->client, n->chan, packet, sizeof(packet));
    if (length <= 0)
        return false;
    memcpy(&n->desc, packet, sizeof(n->desc));
    memset(&n->got, 0, sizeof(n->got));
    const uint32_t start = n->desc.offset8 * 8u, rest = (uint32_t)length - start;
    memcpy(&n->got, packet + start, rest < sizeof(n->got) ? rest : sizeof(n->got));
    if (rest > sizeof(n->got))
        memcpy(n->rest, packet + start + sizeof(n->got),
               rest - sizeof(n->got) < sizeof(n->rest) ? rest - sizeof(n->got) : sizeof(n->rest));
    if (n->desc.type == VMBUS_PKT_XFER_PAGES) {
        struct vmbus_xfer_pages pages;
        memcpy(&pages, packet, sizeof(pages));
        n->ranges = pages.range_count;
        memcpy(&n->range, packet + sizeof(struct vmbus_xfer_pages), sizeof(n->range));
        const uint32_t part = n->range.byte_count < sizeof(n->message) ? n->range.byte_count
                                                                       : sizeof(n->message);
        copy_section(n, n->range.byte_offset, n->message, part);
    }
    return true;
}

void net_rig_return(struct net_rig *n)
{
    const struct nvsp_message m = {.type = NVSP_SEND_RNDIS_PACKET_COMPLETE,
                                   .rndis_complete = {NVSP_STATUS_SUCCESS}};
    const struct vmbus_piece piece = {&m, sizeof(m)};
    const struct vmbus_desc d = {VMBUS_PKT_COMPLETION, sizeof(d) / 8, 0, 0, n->desc.id};
    vmbus_ring_write(&n->chan->out, d, &piece, 1);
    n->bus->pending[n->chan->offer.relid] = true;
    vmbus_rig_pump(n->bus);
}

uint32_t net_rig_rndis(struct net_rig *n, uint32_t channel, const void *message, uint32_t length)
{
    const struct nvsp_message m = {.type = NVSP_SEND_RNDIS_PACKET, .rndis = {channel, 1, length}};
    const uint8_t *const bytes = message;
    for (uint32_t i = 0; i < length; i++)
        n->send[(6144 + i) / 4096].va[(6144 + i) % 4096] = bytes[i];
    if (net_rig_send(n, &m, 42) < 0 || !net_rig_receive(n) ||
        n->got.type != NVSP_SEND_RNDIS_PACKET_COMPLETE)
        return 0;
    return n->got.rndis_complete.status;
}

/* The answer to a request comes after the completion of its packet. */
static uint32_t request(struct net_rig *n, const void *message, uint32_t length)
{
    uint32_t status;
    if (net_rig_rndis(n, NVSP_CHANNEL_CONTROL, message, length) != NVSP_STATUS_SUCCESS ||
        !net_rig_receive(n) || n->desc.type != VMBUS_PKT_XFER_PAGES)
        return ~0u;
    net_rig_return(n);
    memcpy(&status, n->message + 12, sizeof(status));
    return status;
}

uint32_t net_rig_query(struct net_rig *n, uint32_t oid)
{
    const struct rndis_request r = {.h = {RNDIS_QUERY, sizeof(r)}, .request = 5, .oid = oid};
    return request(n, &r, sizeof(r));
}

uint32_t net_rig_set(struct net_rig *n, uint32_t oid, const void *data, uint32_t length)
{
    struct {
        struct rndis_request r;
        uint8_t data[1024];
    } m = {.r = {{RNDIS_SET, (uint32_t)sizeof(m.r) + length},
                 6,
                 oid,
                 length,
                 sizeof(m.r) - sizeof(m.r.h),
                 0}};
    memcpy(m.data, data, length);
    return request(n, &m, m.r.h.length);
}

bool net_rig_greet(struct net_rig *n, uint32_t version)
{
    const struct nvsp_message message[] = {
        {.type = NVSP_INIT, .init = {version, version}},
        {.type = NVSP_SEND_RECEIVE_BUFFER, .buffer = {n->receive_gpadl, 0xcafe}},
        {.type = NVSP_SEND_SEND_BUFFER, .buffer = {n->send_gpadl, 0}}};
    const struct rndis_initialize init = {{RNDIS_INITIALIZE, sizeof(init)}, 1, 1, 0, 0x4000};
    const uint32_t filter = NDIS_FILTER_DIRECTED | NDIS_FILTER_BROADCAST | NDIS_FILTER_MULTICAST;
    for (unsigned i = 0; i < 3; i++) {
        if (net_rig_send(n, &message[i], 1) < 0 || !net_rig_receive(n))
            return false;
        if (n->got.type != message[i].type + 1)
            return false;
    }
    return request(n, &init, sizeof(init)) == RNDIS_STATUS_SUCCESS &&
           net_rig_set(n, OID_GEN_CURRENT_PACKET_FILTER, &filter, sizeof(filter)) ==
               RNDIS_STATUS_SUCCESS;
}
