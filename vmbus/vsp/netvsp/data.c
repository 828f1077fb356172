/*
 * vmbus/vsp/netvsp/data.c: frames between RNDIS messages and the switch.
 *
 * The guest may leave checksums and the cutting of TCP segments to us. What the switch delivers
 * has whole checksums, which the guest is told, so that it need not look.
 */
#include <string.h>

#include "vmbus/vsp/netvsp/netvsp_int.h"

/* ---- from the guest ---- */

/* What per-packet information says. */
struct wishes {
    uint32_t csum, lso, tag;
    bool has_csum, has_lso;
};

static bool read_infos(struct wishes *w, const uint8_t *at, uint32_t left)
{
    while (left) {
        struct rndis_info i;
        uint32_t value;
        if (left < sizeof(i))
            return false;
        memcpy(&i, at, sizeof(i));
        if (i.size < sizeof(i) || i.size > left)
            return false;
        const bool is_ours = i.type == RNDIS_INFO_CSUM || i.type == RNDIS_INFO_LSO ||
                             i.type == RNDIS_INFO_VLAN;
        if (is_ours && (i.offset > i.size || i.size - i.offset < sizeof(value)))
            return false;
        if (is_ours)
            memcpy(&value, at + i.offset, sizeof(value));
        if (i.type == RNDIS_INFO_CSUM) {
            w->csum = value;
            w->has_csum = true;
        } else if (i.type == RNDIS_INFO_LSO) {
            w->lso = value;
            w->has_lso = true;
        } else if (i.type == RNDIS_INFO_VLAN) {
            w->tag = (value & 7) << 13 | (value & 8) << 9 | (value >> 4 & NET_VLAN_ID);
        }
        at += i.size;
        left -= i.size;
    }
    return true;
}

/* Marks what is left to do. False: the frame is not of the kind that the guest says. */
static bool apply(struct net_frame *f, const struct wishes *w)
{
    f->tag = (uint16_t)w->tag;
    if (!net_frame_untag(f))
        return false;
    f->mss = w->has_lso ? (uint16_t)RNDIS_LSO_MSS(w->lso) : 0;
    if (w->has_lso && (!f->mss || RNDIS_LSO_MSS(w->lso) > UINT16_MAX))
        return false;
    if (!w->has_csum && !f->mss)
        return true;
    if (!net_frame_parse(f))
        return false;
    if (f->mss) {
        if (f->proto != NET_PROTO_TCP || f->is_v6 != !!(w->lso & RNDIS_LSO_IP6))
            return false;
        net_frame_prepare_long(f);
        return true;
    }
    if ((w->csum & RNDIS_CSUM_TX_IP_HEADER) && f->is_v4)
        net_frame_ip_checksum(f);
    if (w->csum & (RNDIS_CSUM_TX_TCP | RNDIS_CSUM_TX_UDP)) {
        const bool is_tcp = w->csum & RNDIS_CSUM_TX_TCP;
        if (f->proto != (is_tcp ? NET_PROTO_TCP : NET_PROTO_UDP))
            return false;
        f->csum_partial = true;
    }
    return true;
}

static bool transmit_one(struct netvsp *v, uint8_t *message, uint32_t length)
{
    struct rndis_packet k;
    struct wishes w = {.csum = 0};
    if (length < sizeof(k))
        return false;
    memcpy(&k, message, sizeof(k));
    uint8_t *const body = message + sizeof(k.h);
    const uint32_t room = length - (uint32_t)sizeof(k.h);
    if (k.data_offset > room || k.data_length > room - k.data_offset ||
        k.data_length < NET_HEADER || k.data_length > NET_LONG_MAX)
        return false;
    if (k.info_length && (k.info_offset > room || k.info_length > room - k.info_offset ||
                          !read_infos(&w, body + k.info_offset, k.info_length)))
        return false;
    struct net_frame f = {.data = body + k.data_offset, .length = k.data_length};
    if (!apply(&f, &w))
        return false;
    vswitch_send(&v->port, &f);
    return true;
}

bool netvsp_transmit(struct netvsp *v, uint8_t *message, uint32_t length)
{
    for (unsigned i = 0; length; i++) {
        struct rndis_header h;
        if (length < sizeof(h) || i == NETVSP_PACKETS)
            return false;
        memcpy(&h, message, sizeof(h));
        if (h.type != RNDIS_PACKET || h.length > length || !transmit_one(v, message, h.length))
            return false;
        message += h.length;
        length -= h.length;
    }
    return true;
}

/* ---- to the guest ---- */

static bool wants(const struct netvsp *v, const uint8_t *to)
{
    static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    const uint32_t on = v->filter;
    if (on & NDIS_FILTER_PROMISCUOUS)
        return true;
    if (!(to[0] & 1))
        return (on & NDIS_FILTER_DIRECTED) && !memcmp(to, v->port.mac, 6);
    if (!memcmp(to, broadcast, 6))
        return on & NDIS_FILTER_BROADCAST;
    return on & (NDIS_FILTER_MULTICAST | NDIS_FILTER_ALL_MULTICAST);
}

/* An RNDIS header with room for the infos that frames get. */
struct receive_header {
    struct rndis_packet k;
    struct {
        struct rndis_info i;
        uint32_t value;
    } info[3];
};

static void add_info(struct receive_header *h, uint32_t type, uint32_t value)
{
    const uint32_t size = sizeof(h->info[0]), n = h->k.info_length / size;
    h->info[n].i = (struct rndis_info){size, type, sizeof(struct rndis_info)};
    h->info[n].value = value;
    h->k.info_length += size;
    h->k.info_offset = sizeof(h->k) - sizeof(h->k.h);
}

static void flush(struct net_port *p)
{
    struct netvsp *const v = (struct netvsp *)p;
    for (unsigned i = 0; i < NETVSP_CHANNELS; i++) {
        const unsigned count = v->batch[i].count;
        if (netvsp_send(v, i, &v->batch[i], NVSP_CHANNEL_DATA))
            v->no_buffer += count;
    }
}

static void deliver(struct net_port *p, struct net_frame *f)
{
    struct netvsp *const v = (struct netvsp *)p;
    struct receive_header h = {.k = {.h = {RNDIS_PACKET, 0}, .data_length = f->length}};
    if (!v->is_initialized || !wants(v, f->data))
        return;
    if (f->csum_good && f->proto)
        add_info(&h, RNDIS_INFO_CSUM,
                 (f->is_v4 ? RNDIS_CSUM_RX_IP_GOOD : 0) |
                     (f->proto == NET_PROTO_TCP ? RNDIS_CSUM_RX_TCP_GOOD : RNDIS_CSUM_RX_UDP_GOOD));
    if (f->tag)
        add_info(&h, RNDIS_INFO_VLAN,
                 f->tag >> 13 | (f->tag >> 9 & 8) | (f->tag & NET_VLAN_ID) << 4);
    unsigned via = 0;
    uint32_t hash;
    if (v->rss.types && netvsp_rss_hash(&v->rss, f, &hash)) {
        add_info(&h, RNDIS_INFO_HASH, hash);
        via = v->rss.queue[hash % NDIS_RSS_TABLE];
        via = v->channel[via].is_open ? via : 0;
    }
    const uint32_t length = (uint32_t)sizeof(h.k) + h.k.info_length;
    h.k.data_offset = length - (uint32_t)sizeof(h.k.h);
    h.k.h.length = length + f->length;
    if (v->batch[via].count == NETVSP_BATCH)
        flush(p);
    if (netvsp_add(v, via, &v->batch[via], NETVSP_RESERVED, &h, length, f->data, f->length))
        v->no_buffer++;
}

const struct net_port_ops netvsp_port_ops = {deliver, flush};
