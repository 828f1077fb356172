/*
 * devices/net/offload.c: checksums and TCP segmentation (offload.h).
 * RFC 1071 (checksum), RFC 791, RFC 8200, RFC 9293; IEEE 802.1Q for the tag.
 * Not modelled: UDP segmentation, IPv6 extension headers, tunnels, two tags.
 */
#include "devices/net/offload.h"

#include <string.h>

#include "lib/bytes.h"

#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86dd
#define ETHERTYPE_VLAN 0x8100
#define PROTO_TCP      6
#define PROTO_UDP      17
#define TCP_FIN        0x01
#define TCP_PSH        0x08
#define TCP_CWR        0x80

/* Add big-endian words; a last odd byte counts as high one. */
static uint64_t sum(uint64_t s, const uint8_t *p, size_t len)
{
    size_t i = 0;
    for (; i + 1 < len; i += 2)
        s += get_be16(p + i);
    if (i < len)
        s += (uint32_t)p[i] << 8;
    return s;
}

static uint16_t fold(uint64_t s)
{
    while (s >> 16)
        s = (s & 0xffff) + (s >> 16);
    return (uint16_t)s;
}

bool net_checksum(uint8_t *frame, size_t len, size_t start, size_t offset)
{
    if (start > len || offset > len - start || len - start - offset < 2)
        return false;
    const uint16_t c = (uint16_t)~fold(sum(0, frame + start, len - start));
    put_be16(frame + start + offset, c ? c : 0xffff); /* zero would say: none (RFC 768) */
    return true;
}

/* Where the headers of a frame are. */
struct layers {
    size_t l3, l4;
    size_t end; /* of the IP packet */
    bool v6;
    uint8_t proto;
};

static bool find_layers(const uint8_t *f, size_t len, struct layers *l)
{
    size_t l3 = 14;
    if (len < 18)
        return false;
    uint16_t type = get_be16(f + 12);
    if (type == ETHERTYPE_VLAN) {
        type = get_be16(f + 16);
        l3 = 18;
    }
    l->l3 = l3;
    l->v6 = type == ETHERTYPE_IPV6;
    if (type == ETHERTYPE_IPV4 && len - l3 >= 20) {
        const size_t ihl = (f[l3] & 15u) * 4, total = get_be16(f + l3 + 2);
        l->proto = f[l3 + 9];
        l->l4 = l3 + ihl;
        l->end = l3 + total;
        return f[l3] >> 4 == 4 && ihl >= 20 && total >= ihl && l3 + total <= len &&
               !(get_be16(f + l3 + 6) & 0x3fff); /* no fragment */
    }
    if (l->v6 && len - l3 >= 40) {
        l->proto = f[l3 + 6];
        l->l4 = l3 + 40;
        l->end = l->l4 + get_be16(f + l3 + 4);
        return f[l3] >> 4 == 6 && l->end <= len;
    }
    return false;
}

static uint64_t pseudo_header(const uint8_t *f, const struct layers *l, size_t l4_len)
{
    const uint64_t s = l->v6 ? sum(0, f + l->l3 + 8, 32) : sum(0, f + l->l3 + 12, 8);
    return s + l->proto + (l4_len >> 16) + (l4_len & 0xffff);
}

bool net_checksum_is_right(const uint8_t *frame, size_t len)
{
    struct layers l;
    if (!find_layers(frame, len, &l))
        return false;
    const size_t l4_len = l.end - l.l4;
    if (l.proto == PROTO_UDP) {
        if (l4_len < 8 || get_be16(frame + l.l4 + 4) != l4_len || !get_be16(frame + l.l4 + 6))
            return false;
    } else if (l.proto != PROTO_TCP || l4_len < 20) {
        return false;
    }
    return fold(sum(pseudo_header(frame, &l, l4_len), frame + l.l4, l4_len)) == 0xffff;
}

/* Headers of one piece: lengths, identification, sequence number, flags, checksums. */
static void finish_piece(uint8_t *f, const struct layers *l, size_t len, unsigned n, uint32_t seq,
                         bool last)
{
    uint8_t *const ip = f + l->l3, *const tcp = f + l->l4;
    if (l->v6) {
        put_be16(ip + 4, (uint32_t)(len - l->l4));
    } else {
        put_be16(ip + 2, (uint32_t)(len - l->l3));
        put_be16(ip + 4, get_be16(ip + 4) + n);
        put_be16(ip + 10, 0);
        put_be16(ip + 10, (uint16_t)~fold(sum(0, ip, l->l4 - l->l3)));
    }
    put_be32(tcp + 4, seq);
    if (!last)
        tcp[13] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
    if (n)
        tcp[13] &= (uint8_t)~TCP_CWR;
    put_be16(tcp + 16, 0);
    put_be16(tcp + 16, (uint16_t)~fold(sum(pseudo_header(f, l, len - l->l4), tcp, len - l->l4)));
}

bool net_segment(const uint8_t *frame, size_t len, bool v6, unsigned mss, uint8_t *scratch,
                 size_t frame_max, void (*emit)(void *opaque, uint8_t *frame, size_t len),
                 void *opaque)
{
    struct layers l;
    if (!find_layers(frame, len, &l) || l.v6 != v6 || l.proto != PROTO_TCP || !mss ||
        l.end - l.l4 < 20)
        return false;
    const size_t head = l.l4 + (frame[l.l4 + 12] >> 4) * 4u;
    if (head < l.l4 + 20 || head > l.end || head + mss > frame_max)
        return false;
    const uint32_t seq = get_be32(frame + l.l4 + 4);
    size_t at = head;
    unsigned n = 0;
    do {
        const size_t part = l.end - at < mss ? l.end - at : mss;
        memcpy(scratch, frame, head);
        memcpy(scratch + head, frame + at, part);
        finish_piece(scratch, &l, head + part, n++, seq + (uint32_t)(at - head),
                     at + part == l.end);
        emit(opaque, scratch, head + part);
        at += part;
    } while (at < l.end);
    return true;
}
