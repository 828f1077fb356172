/*
 * vmbus/vsp/netvsp/frame.h: an Ethernet frame on its way through the switch, and what may be left
 * to do to it: checksums, cutting a long TCP segment. RFC 791, 8200, 9293, 1071; IEEE 802.1Q.
 */
#ifndef VMBUS_VSP_NETVSP_FRAME_H
#define VMBUS_VSP_NETVSP_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#define NET_HEADER    14u /* bytes of an Ethernet header without tag */
#define NET_TAG       4u
#define NET_MTU       1500u
#define NET_FRAME_MAX (NET_MTU + NET_HEADER)
#define NET_LONG_MAX  (65535u + NET_HEADER) /* with net_frame.mss */
#define NET_PROTO_TCP 6u
#define NET_PROTO_UDP 17u
#define NET_VLAN_ID   0xfffu /* of a tag */

struct net_frame {
    /* From the Ethernet header on, without tag and FCS. Whoever is given it may write to it, but
     * must leave a complete frame. */
    uint8_t *data;
    uint32_t length;
    uint16_t tag;      /* 802.1Q: priority, CFI, VLAN; 0: none */
    uint16_t mss;      /* not 0: a TCP segment to be cut into pieces of so much data */
    bool csum_partial; /* the TCP or UDP checksum holds but the sum of the pseudo header */
    bool csum_good;    /* somebody made sure of the checksums */
    /* net_frame_parse's */
    bool is_parsed, is_v4, is_v6;
    uint8_t proto;    /* of an unfragmented IP packet: NET_PROTO_*; 0: anything else */
    uint16_t l3, l4;  /* where the IP and the TCP or UDP header start */
    uint16_t payload; /* of TCP: where its data start */
    uint32_t end;     /* of the IP packet */
};

/* Takes an 802.1Q tag that stands in the data out of them. False: there are two. */
bool net_frame_untag(struct net_frame *f);
/* Finds the headers. False: what says IP is cut off or contradicts itself. mss != 0 allows for an
 * IP length of 0, as drivers write it into segments that are to be cut. */
bool net_frame_parse(struct net_frame *f);
/* The rest is for frames that were parsed, with proto not 0 where TCP or UDP is the matter. */
void net_frame_ip_checksum(struct net_frame *f); /* IPv4's header */
/* Makes of csum_partial a whole checksum. */
void net_frame_checksum(struct net_frame *f);
/* Brings lengths and the pseudo header's sum of a frame with mss to what they are in one that
 * needs no cutting (virtio wants it so). */
void net_frame_prepare_long(struct net_frame *f);
/* Cuts a prepared frame: each piece is built in `scratch` (NET_FRAME_MAX bytes), with checksums.
 * False: the headers leave no room for data. */
bool net_frame_cut(const struct net_frame *f, uint8_t *scratch,
                   void (*emit)(void *ctx, struct net_frame *piece), void *ctx);

static inline uint16_t net_be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}
static inline void net_put_be16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

#endif
