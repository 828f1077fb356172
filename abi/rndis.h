/*
 * abi/rndis.h: remote NDIS: the messages that carry frames and requests between a network driver
 * and its device ([MS-RNDIS]), and what of NDIS 6 travels in them: object identifiers, offload and
 * receive-side-scaling structures, per-packet information.
 */
#ifndef ABI_RNDIS_H
#define ABI_RNDIS_H

#include <stdint.h>

enum rndis_type {
    RNDIS_PACKET = 1,
    RNDIS_INITIALIZE = 2,
    RNDIS_HALT = 3,
    RNDIS_QUERY = 4,
    RNDIS_SET = 5,
    RNDIS_RESET = 6,
    RNDIS_INDICATE = 7,
    RNDIS_KEEPALIVE = 8,
};
#define RNDIS_COMPLETE 0x80000000u /* the answer's type is the request's with this */

#define RNDIS_STATUS_SUCCESS          0x00000000u
#define RNDIS_STATUS_NETWORK_CHANGE   0x40010018u
#define RNDIS_STATUS_MEDIA_CONNECT    0x4001000bu
#define RNDIS_STATUS_MEDIA_DISCONNECT 0x4001000cu
#define RNDIS_STATUS_FAILURE          0xc0000001u
#define RNDIS_STATUS_NOT_SUPPORTED    0xc00000bbu
#define RNDIS_STATUS_INVALID_LENGTH   0xc0010014u
#define RNDIS_STATUS_INVALID_DATA     0xc0010015u

struct rndis_header {
    uint32_t type;
    uint32_t length; /* of the whole message */
};

/* Offsets inside of a message count from behind struct rndis_header. */
struct rndis_packet {
    struct rndis_header h;
    uint32_t data_offset, data_length;
    uint32_t oob_offset, oob_length, oob_count;
    uint32_t info_offset, info_length; /* per-packet information */
    uint32_t rsvd[2];
};
_Static_assert(sizeof(struct rndis_packet) == 44, "rndis_packet");

struct rndis_initialize {
    struct rndis_header h;
    uint32_t request, major, minor, max_transfer;
};
struct rndis_initialize_complete {
    struct rndis_header h;
    uint32_t request, status, major, minor;
    uint32_t flags; /* RNDIS_CONNECTIONLESS */
    uint32_t medium;
    uint32_t max_packets, max_transfer; /* of one message */
    uint32_t alignment;                 /* of packets in it, a power of two's exponent */
    uint32_t rsvd[2];
};
#define RNDIS_CONNECTIONLESS 1u
_Static_assert(sizeof(struct rndis_initialize_complete) == 52, "rndis_initialize_complete");

/* RNDIS_QUERY, RNDIS_SET */
struct rndis_request {
    struct rndis_header h;
    uint32_t request, oid, length, offset, rsvd;
};
struct rndis_query_complete {
    struct rndis_header h;
    uint32_t request, status, length, offset;
};
struct rndis_complete { /* of RNDIS_SET and RNDIS_KEEPALIVE */
    struct rndis_header h;
    uint32_t request, status;
};
struct rndis_reset_complete {
    struct rndis_header h;
    uint32_t status, addressing; /* 1: filters are to be set anew */
};
struct rndis_indicate {
    struct rndis_header h;
    uint32_t status, length, offset;
};

/* ---- object identifiers ---- */
#define OID_GEN_SUPPORTED_LIST             0x00010101u
#define OID_GEN_HARDWARE_STATUS            0x00010102u
#define OID_GEN_MEDIA_SUPPORTED            0x00010103u
#define OID_GEN_MEDIA_IN_USE               0x00010104u
#define OID_GEN_MAXIMUM_FRAME_SIZE         0x00010106u
#define OID_GEN_LINK_SPEED                 0x00010107u /* in 100 bit/s */
#define OID_GEN_TRANSMIT_BLOCK_SIZE        0x0001010au
#define OID_GEN_RECEIVE_BLOCK_SIZE         0x0001010bu
#define OID_GEN_VENDOR_ID                  0x0001010cu
#define OID_GEN_VENDOR_DESCRIPTION         0x0001010du
#define OID_GEN_CURRENT_PACKET_FILTER      0x0001010eu
#define OID_GEN_MAXIMUM_TOTAL_SIZE         0x00010111u
#define OID_GEN_MEDIA_CONNECT_STATUS       0x00010114u
#define OID_GEN_RECEIVE_SCALE_CAPABILITIES 0x00010203u
#define OID_GEN_RECEIVE_SCALE_PARAMETERS   0x00010204u
#define OID_GEN_RNDIS_CONFIG_PARAMETER     0x0001021bu
#define OID_GEN_XMIT_OK                    0x00020101u
#define OID_GEN_RCV_OK                     0x00020102u
#define OID_GEN_RCV_NO_BUFFER              0x00020105u
#define OID_GEN_FRIENDLY_NAME              0x00020216u
#define OID_802_3_PERMANENT_ADDRESS        0x01010101u
#define OID_802_3_CURRENT_ADDRESS          0x01010102u
#define OID_802_3_MULTICAST_LIST           0x01010103u
#define OID_802_3_MAXIMUM_LIST_SIZE        0x01010104u
#define OID_TCP_OFFLOAD_PARAMETERS         0xfc01020cu
#define OID_TCP_OFFLOAD_CAPABILITIES       0xfc01020du

/* OID_GEN_CURRENT_PACKET_FILTER */
#define NDIS_FILTER_DIRECTED      0x01u
#define NDIS_FILTER_MULTICAST     0x02u
#define NDIS_FILTER_ALL_MULTICAST 0x04u
#define NDIS_FILTER_BROADCAST     0x08u
#define NDIS_FILTER_PROMISCUOUS   0x20u

struct ndis_header {
    uint8_t type, revision;
    uint16_t size;
};

/* OID_TCP_OFFLOAD_CAPABILITIES (NDIS_OFFLOAD, revision 3) */
#define NDIS_TYPE_OFFLOAD 0xa7u
#define NDIS_ENCAP_8023   2u
struct ndis_csum_caps {
    uint32_t tx_encap, tx, rx_encap, rx;
};
#define NDIS_CSUM_IP_OPTIONS  0x001u /* of IPv6: extension headers */
#define NDIS_CSUM_TCP_OPTIONS 0x004u
#define NDIS_CSUM_TCP         0x010u
#define NDIS_CSUM_UDP         0x040u
#define NDIS_CSUM_IP          0x100u /* IPv4 only */
struct ndis_offload {
    struct ndis_header h;
    struct ndis_csum_caps csum4, csum6;
    uint32_t lso_v1[4];
    uint32_t ipsec_v1[7];
    uint32_t lso4_encap, lso4_max, lso4_min_segments;
    uint32_t lso6_encap, lso6_max, lso6_min_segments, lso6_options;
    uint32_t flags;
    uint32_t ipsec_v2[8];
    uint8_t rsc4, rsc6, rsvd[2];
    uint32_t encap_flags, encap_max;
};
#define NDIS_LSO6_EXTENSIONS  0x1u
#define NDIS_LSO6_TCP_OPTIONS 0x4u
_Static_assert(sizeof(struct ndis_offload) == 156, "ndis_offload");

/* OID_TCP_OFFLOAD_PARAMETERS */
struct ndis_offload_parameters {
    struct ndis_header h;
    uint8_t ip4_csum, tcp4_csum, udp4_csum, tcp6_csum, udp6_csum; /* NDIS_CSUM_TX.. */
    uint8_t lso_v1, ipsec_v1, lso4, lso6, connection4, connection6;
    uint8_t rsvd;
    uint32_t flags;
    uint8_t ipsec_v2, ipsec_v2_4, rsc4, rsc6; /* NDIS_RSC_* */
    uint8_t encap, encap_types, rsvd2[2];
};
#define NDIS_RSC_DISABLED 1u
#define NDIS_RSC_ENABLED  2u
_Static_assert(sizeof(struct ndis_offload_parameters) == 28, "ndis_offload_parameters");

/* OID_GEN_RECEIVE_SCALE_CAPABILITIES */
#define NDIS_TYPE_RSS_CAPABILITIES 0x88u
#define NDIS_TYPE_RSS_PARAMETERS   0x89u
struct ndis_rss_capabilities {
    struct ndis_header h;
    uint32_t flags, messages, queues;
    uint16_t table_entries; /* the last two bytes of the answer */
    uint16_t rsvd;
};
#define NDIS_RSS_CAPABILITIES_SIZE 18u
#define NDIS_RSS_CAP_TCP4          0x100u
#define NDIS_RSS_CAP_TCP6          0x200u

/* OID_GEN_RECEIVE_SCALE_PARAMETERS; offsets count from its start */
struct ndis_rss_parameters {
    struct ndis_header h;
    uint16_t flags, base_cpu;
    uint32_t hash;
    uint16_t table_size, rsvd; /* bytes, four an entry */
    uint32_t table_offset;
    uint16_t key_size, rsvd2;
    uint32_t key_offset;
};
#define NDIS_RSS_TABLE          128u /* entries */
#define NDIS_RSS_KEY            40u
#define NDIS_RSS_HASH_UNCHANGED 0x02u
#define NDIS_RSS_TABLE_SAME     0x04u
#define NDIS_RSS_KEY_SAME       0x08u
#define NDIS_RSS_DISABLE        0x10u

#define NDIS_HASH_TOEPLITZ 0x0001u
#define NDIS_HASH_IP4      0x0100u
#define NDIS_HASH_TCP4     0x0200u
#define NDIS_HASH_IP6      0x0400u
#define NDIS_HASH_TCP6     0x1000u

/* ---- per-packet information ---- */
struct rndis_info {
    uint32_t size; /* with this header */
    uint32_t type;
    uint32_t offset; /* of the value, from here */
};
#define RNDIS_INFO_CSUM 0u
#define RNDIS_INFO_LSO  2u
#define RNDIS_INFO_VLAN 6u
#define RNDIS_INFO_HASH 8u
#define RNDIS_INFO_RSC  0x80000001u /* of a piece of a joined segment; struct rndis_rsc */

/* RNDIS_INFO_CSUM from the guest: what is to be computed */
#define RNDIS_CSUM_TX_IP4       (1u << 0)
#define RNDIS_CSUM_TX_IP6       (1u << 1)
#define RNDIS_CSUM_TX_TCP       (1u << 2)
#define RNDIS_CSUM_TX_UDP       (1u << 3)
#define RNDIS_CSUM_TX_IP_HEADER (1u << 4)
/* and to the guest: what was found */
#define RNDIS_CSUM_RX_TCP_GOOD (1u << 3)
#define RNDIS_CSUM_RX_UDP_GOOD (1u << 4)
#define RNDIS_CSUM_RX_IP_GOOD  (1u << 5)

/* RNDIS_INFO_LSO, version 2 */
#define RNDIS_LSO_MSS(v) ((v)&0xfffffu)
#define RNDIS_LSO_V2     (1u << 30)
#define RNDIS_LSO_IP6    (1u << 31)

/* RNDIS_INFO_VLAN: [2:0] priority, [3] CFI, [15:4] VLAN */

#endif
