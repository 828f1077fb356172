/*
 * vmbus/vsp/netvsp/frame.c: headers, checksums and segments of frames (frame.h). Sums are taken
 * over words as the processor loads them: one's complement sums do not mind the byte order.
 *
 * Not modelled: tunnels, segmentation of UDP.
 */
#include <string.h>

#include "vmbus/vsp/netvsp/frame.h"

#define TYPE_IP4   0x0800u
#define TYPE_IP6   0x86ddu
#define TYPE_VLAN  0x8100u /* the customer's tag; the service provider's: */
#define TYPE_SVLAN 0x88a8u
#define IP4_HEADER 20u
#define IP6_HEADER 40u
#define TCP_HEADER 20u
#define UDP_HEADER 8u
#define TCP_FIN    0x01u
#define TCP_PSH    0x08u
#define TCP_CWR    0x80u
#define EXTENSIONS 8u /* of an IPv6 packet; more are left alone */

/* ---- sums ---- */
static uint64_t sum(const uint8_t *p, uint32_t n, uint64_t s)
{
    uint32_t v[4];
    for (; n >= sizeof(v); p += sizeof(v), n -= (uint32_t)sizeof(v)) {
        __builtin_memcpy(v, p, sizeof(v));
        s += v[0];
        s += v[1];
        s += v[2];
        s += v[3];
    }
    for (; n >= 2; p += 2, n -= 2) {
        uint16_t word;
        __builtin_memcpy(&word, p, 2);
        s += word;
    }
    if (n) {
        const uint8_t last[2] = {p[0], 0};
        uint16_t word;
        __builtin_memcpy(&word, last, 2);
        s += word;
    }
    return s;
}

/* As the processor would store it. */
static uint16_t fold(uint64_t s)
{
    while (s >> 16)
        s = (s & 0xffff) + (s >> 16);
    return (uint16_t)s;
}

static void put_word(uint8_t *p, uint16_t word)
{
    __builtin_memcpy(p, &word, 2);
}

static uint8_t *checksum_field(const struct net_frame *f)
{
    return f->data + f->l4 + (f->proto == NET_PROTO_TCP ? 16 : 6);
}

/* Of addresses, protocol and length of the TCP or UDP packet (RFC 9293 3.1, RFC 8200 8.1). */
static uint64_t pseudo_header(const struct net_frame *f, uint32_t length)
{
    const uint8_t tail[8] = {(uint8_t)(length >> 24), (uint8_t)(length >> 16),
                             (uint8_t)(length >> 8), (uint8_t)length, [7] = f->proto};
    const uint64_t s = sum(tail, sizeof(tail), 0);
    return f->is_v6 ? sum(f->data + f->l3 + 8, 32, s) : sum(f->data + f->l3 + 12, 8, s);
}

void net_frame_ip_checksum(struct net_frame *f)
{
    uint8_t *const h = f->data + f->l3;
    if (!f->is_v4)
        return;
    put_word(h + 10, 0);
    put_word(h + 10, (uint16_t)~fold(sum(h, (h[0] & 15u) * 4, 0)));
}

void net_frame_checksum(struct net_frame *f)
{
    const uint16_t c = (uint16_t)~fold(sum(f->data + f->l4, f->end - f->l4, 0));
    put_word(checksum_field(f), c ? c : 0xffff); /* zero would say: none (RFC 768) */
    f->csum_partial = false;
    f->csum_good = true;
}

/* ---- headers ---- */
bool net_frame_untag(struct net_frame *f)
{
    uint16_t type = net_be16(f->data + 12);
    if (type == TYPE_VLAN && !f->tag && f->length >= NET_HEADER + NET_TAG) {
        f->tag = net_be16(f->data + 14);
        memmove(f->data + NET_TAG, f->data, 12);
        f->data += NET_TAG;
        f->length -= NET_TAG;
        type = net_be16(f->data + 12);
    }
    return type != TYPE_VLAN && type != TYPE_SVLAN;
}

static bool parse_transport(struct net_frame *f, uint8_t proto)
{
    const uint32_t room = f->end - f->l4;
    if (proto == NET_PROTO_TCP) {
        const uint32_t header = room >= TCP_HEADER ? (f->data[f->l4 + 12] >> 4) * 4u : 0;
        if (header < TCP_HEADER || header > room)
            return false;
        f->payload = (uint16_t)(f->l4 + header);
    } else if (proto != NET_PROTO_UDP) {
        return true;
    } else if (room < UDP_HEADER) {
        return false;
    }
    f->proto = proto;
    return true;
}

static bool parse_ip4(struct net_frame *f)
{
    const uint8_t *const h = f->data + f->l3;
    const uint32_t room = f->length - f->l3;
    if (room < IP4_HEADER || h[0] >> 4 != 4)
        return false;
    const uint32_t header = (h[0] & 15u) * 4;
    uint32_t total = net_be16(h + 2);
    if (!total && f->mss)
        total = room;
    if (header < IP4_HEADER || total < header || total > room)
        return false;
    f->is_v4 = true;
    f->l4 = (uint16_t)(f->l3 + header);
    f->end = f->l3 + total;
    const bool is_fragment = net_be16(h + 6) & 0x3fff;
    return is_fragment || parse_transport(f, h[9]);
}

static bool is_extension(uint8_t next)
{
    return next == 0 || next == 43 || next == 60 || next == 135; /* RFC 8200 4, RFC 6275 6.1 */
}

static bool parse_ip6(struct net_frame *f)
{
    const uint8_t *const h = f->data + f->l3;
    const uint32_t room = f->length - f->l3;
    if (room < IP6_HEADER || h[0] >> 4 != 6)
        return false;
    uint32_t total = IP6_HEADER + net_be16(h + 4), at = IP6_HEADER;
    if (total == IP6_HEADER && f->mss)
        total = room;
    if (total > room)
        return false;
    f->is_v6 = true;
    f->end = f->l3 + total;
    uint8_t next = h[6];
    for (unsigned i = 0; is_extension(next); i++) {
        if (i == EXTENSIONS)
            return true;
        if (total - at < 8 || total - at < (h[at + 1] + 1u) * 8)
            return false;
        next = h[at];
        at += (h[at + 1] + 1u) * 8;
    }
    f->l4 = (uint16_t)(f->l3 + at);
    return parse_transport(f, next);
}

bool net_frame_parse(struct net_frame *f)
{
    f->is_parsed = true;
    f->is_v4 = f->is_v6 = false;
    f->proto = 0;
    f->l3 = NET_HEADER;
    const uint16_t type = net_be16(f->data + 12);
    if (type == TYPE_IP4)
        return parse_ip4(f);
    if (type == TYPE_IP6)
        return parse_ip6(f);
    return true;
}

/* ---- long segments ---- */
static void put_ip_length(struct net_frame *f)
{
    uint8_t *const h = f->data + f->l3;
    const uint32_t total = f->length - f->l3;
    f->end = f->length;
    if (f->is_v6) {
        net_put_be16(h + 4, total - IP6_HEADER);
    } else {
        net_put_be16(h + 2, total);
        net_frame_ip_checksum(f);
    }
}

void net_frame_prepare_long(struct net_frame *f)
{
    f->length = f->end; /* without padding */
    put_ip_length(f);
    put_word(checksum_field(f), fold(pseudo_header(f, f->end - f->l4)));
    f->csum_partial = true;
}

/* The header of piece number i, which starts `at` bytes into the data. */
static void make_header(struct net_frame *piece, const struct net_frame *f, unsigned i, uint32_t at)
{
    uint8_t *const ip = piece->data + f->l3, *const tcp = piece->data + f->l4;
    const bool is_last = at + (piece->length - f->payload) == f->end - f->payload;
    memcpy(piece->data, f->data, f->payload);
    if (f->is_v4)
        net_put_be16(ip + 4, net_be16(ip + 4) + i); /* identification */
    uint32_t sequence = (uint32_t)net_be16(tcp + 4) << 16 | net_be16(tcp + 6);
    sequence += at;
    net_put_be16(tcp + 4, sequence >> 16);
    net_put_be16(tcp + 6, sequence);
    if (i)
        tcp[13] &= (uint8_t)~TCP_CWR;
    if (!is_last)
        tcp[13] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
    put_ip_length(piece);
    put_word(tcp + 16, fold(pseudo_header(piece, piece->end - f->l4)));
}

bool net_frame_cut(const struct net_frame *f, uint8_t *scratch,
                   void (*emit)(void *ctx, struct net_frame *piece), void *ctx)
{
    if (f->payload >= NET_FRAME_MAX)
        return false;
    const uint32_t room = NET_FRAME_MAX - f->payload, most = f->mss < room ? f->mss : room;
    const uint32_t all = f->end - f->payload;
    uint32_t at = 0;
    for (unsigned i = 0; !i || at < all; i++) {
        const uint32_t part = all - at < most ? all - at : most;
        struct net_frame piece = *f;
        piece.data = scratch;
        piece.length = f->payload + part;
        piece.mss = 0;
        make_header(&piece, f, i, at);
        memcpy(scratch + f->payload, f->data + f->payload + at, part);
        net_frame_checksum(&piece);
        emit(ctx, &piece);
        at += part;
    }
    return true;
}
