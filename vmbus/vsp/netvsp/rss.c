/*
 * vmbus/vsp/netvsp/rss.c: receive-side scaling: the Toeplitz hash of a frame's addresses and ports
 * picks the channel, and so the processor, that gets it. The guest gives the key and the table.
 *
 * The hash is linear: it is the sum of what each four bits of the input contribute, which is laid
 * down in a table when the key comes.
 */
#include <string.h>

#include "vmbus/vsp/netvsp/netvsp_int.h"

/* Bits [at, at + 32) of the key; behind its end are zeros. */
static uint32_t key_bits(const uint8_t *key, unsigned at)
{
    uint64_t bits = 0;
    for (unsigned i = 0; i < 5; i++) {
        const unsigned byte = at / 8 + i;
        bits = bits << 8 | (byte < NDIS_RSS_KEY ? key[byte] : 0);
    }
    return (uint32_t)(bits >> (8 - at % 8));
}

static void set_key(struct netvsp_rss *r, const uint8_t *key)
{
    for (unsigned at = 0; at < NETVSP_HASH_NIBBLES; at++) {
        for (unsigned value = 0; value < 16; value++) {
            uint32_t h = 0;
            for (unsigned bit = 0; bit < 4; bit++) {
                if (value & 8u >> bit)
                    h ^= key_bits(key, 4 * at + bit);
            }
            r->hash_of[at][value] = h;
        }
    }
}

uint32_t netvsp_rss_set(struct netvsp_rss *r, const uint8_t *data, uint32_t n)
{
    struct ndis_rss_parameters p;
    uint8_t key[NDIS_RSS_KEY] = {0};
    uint32_t queue;
    if (n < sizeof(p))
        return RNDIS_STATUS_INVALID_LENGTH;
    memcpy(&p, data, sizeof(p));
    const bool has_table = !(p.flags & NDIS_RSS_TABLE_SAME);
    const bool has_key = !(p.flags & NDIS_RSS_KEY_SAME);
    if (p.flags & NDIS_RSS_DISABLE) {
        r->types = 0;
        return RNDIS_STATUS_SUCCESS;
    }
    if (p.h.type != NDIS_TYPE_RSS_PARAMETERS ||
        (has_table && (!p.table_size || p.table_size % 4 || p.table_size > NDIS_RSS_TABLE * 4 ||
                       p.table_offset > n || p.table_size > n - p.table_offset)) ||
        (has_key &&
         (p.key_size > NDIS_RSS_KEY || p.key_offset > n || p.key_size > n - p.key_offset)))
        return RNDIS_STATUS_INVALID_DATA;
    if (!(p.flags & NDIS_RSS_HASH_UNCHANGED))
        r->types = p.hash;
    for (unsigned i = 0; has_table && i < NDIS_RSS_TABLE; i++) {
        memcpy(&queue, data + p.table_offset + 4 * i % p.table_size, sizeof(queue));
        r->queue[i] = queue < NETVSP_CHANNELS ? (uint8_t)queue : 0;
    }
    if (has_key) {
        memcpy(key, data + p.key_offset, p.key_size);
        set_key(r, key);
    }
    return RNDIS_STATUS_SUCCESS;
}

static uint32_t hash(const struct netvsp_rss *r, unsigned at, const uint8_t *from, unsigned n)
{
    uint32_t h = 0;
    for (unsigned i = 0; i < n; i++) {
        h ^= r->hash_of[at + 2 * i][from[i] >> 4];
        h ^= r->hash_of[at + 2 * i + 1][from[i] & 15];
    }
    return h;
}

bool netvsp_rss_hash(const struct netvsp_rss *r, struct net_frame *f, uint32_t *out)
{
    if (!(r->types & NDIS_HASH_TOEPLITZ) || (!f->is_parsed && !net_frame_parse(f)))
        return false;
    const bool is_tcp = f->proto == NET_PROTO_TCP &&
                        (r->types & (f->is_v6 ? NDIS_HASH_TCP6 : NDIS_HASH_TCP4));
    const bool is_ip = (f->is_v4 && (r->types & NDIS_HASH_IP4)) ||
                       (f->is_v6 && (r->types & NDIS_HASH_IP6));
    const unsigned addresses = f->is_v6 ? 32 : 8;
    if (!is_tcp && !is_ip)
        return false;
    *out = hash(r, 0, f->data + f->l3 + (f->is_v6 ? 8 : 12), addresses);
    if (is_tcp)
        *out ^= hash(r, 2 * addresses, f->data + f->l4, 4);
    return true;
}
