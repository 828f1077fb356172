/*
 * abi/nvsp.h: the network protocol on VMBus channels (NVSP): what a guest's network driver and its
 * host say to each other about versions, buffers and channels; frames travel in RNDIS messages
 * (abi/rndis.h). There is no specification by the vendor; the layout is that of the published Linux
 * driver (drivers/net/hyperv), versions 1 to 6.1.
 */
#ifndef ABI_NVSP_H
#define ABI_NVSP_H

#include <stdint.h>

#define NVSP_VERSION_1   0x00002u
#define NVSP_VERSION_2   0x30002u
#define NVSP_VERSION_4   0x40000u
#define NVSP_VERSION_5   0x50000u /* sub-channels */
#define NVSP_VERSION_6   0x60000u
#define NVSP_VERSION_6_1 0x60001u /* received segments joined (RSC) */

enum nvsp_type {
    NVSP_NONE = 0,
    NVSP_INIT = 1,
    NVSP_INIT_COMPLETE = 2,
    NVSP_SEND_NDIS_VERSION = 100,
    NVSP_SEND_RECEIVE_BUFFER = 101,
    NVSP_SEND_RECEIVE_BUFFER_COMPLETE = 102,
    NVSP_REVOKE_RECEIVE_BUFFER = 103,
    NVSP_SEND_SEND_BUFFER = 104,
    NVSP_SEND_SEND_BUFFER_COMPLETE = 105,
    NVSP_REVOKE_SEND_BUFFER = 106,
    NVSP_SEND_RNDIS_PACKET = 107, /* both ways */
    NVSP_SEND_RNDIS_PACKET_COMPLETE = 108,
    NVSP_SEND_NDIS_CONFIG = 125,
    NVSP_SEND_VF_ASSOCIATION = 128,
    NVSP_SWITCH_DATA_PATH = 129,
    NVSP_SUBCHANNEL = 133,
    NVSP_SEND_INDIRECTION_TABLE = 134, /* host to guest */
};

enum nvsp_status {
    NVSP_STATUS_SUCCESS = 1,
    NVSP_STATUS_FAIL = 2,
    NVSP_STATUS_TOO_NEW = 3,
    NVSP_STATUS_TOO_OLD = 4,
    NVSP_STATUS_INVALID_RNDIS = 5,
    NVSP_STATUS_BUSY = 6,
};

/* Channel types of RNDIS packets */
#define NVSP_CHANNEL_DATA    0u
#define NVSP_CHANNEL_CONTROL 1u
#define NVSP_NO_SECTION      0xffffffffu

#define NVSP_SUBCHANNEL_ALLOCATE 1u
#define NVSP_SEND_TABLE          16u /* entries of an indirection table */

/* A message, in full: shorter ones end after the member that they use. Guests of today send and
 * expect 40 bytes. */
struct nvsp_message {
    uint32_t type;
    union {
        struct {
            uint32_t min, max;
        } init;
        struct {
            uint32_t version, max_mdl_chain, status;
        } init_complete;
        struct {
            uint32_t major, minor;
        } ndis_version;
        struct {
            uint32_t mtu; /* with the Ethernet header */
            uint32_t rsvd;
            uint32_t capabilities[2]; /* NVSP_CAP_* */
        } ndis_config;
        struct {
            uint32_t gpadl;
            uint16_t id;
        } buffer;
        struct {
            uint32_t status, sections; /* one section here: */
            uint32_t offset, sub_size, sub_count, end;
        } receive_complete;
        struct {
            uint32_t status, section_size;
        } send_complete;
        struct {
            uint32_t channel;
            uint32_t section; /* of the send buffer; NVSP_NO_SECTION: all is in the pages */
            uint32_t size;    /* bytes in the section; what the packet's pages hold comes after */
        } rndis;
        struct {
            uint32_t status;
        } rndis_complete;
        struct {
            uint32_t operation, count;
        } subchannel;
        struct {
            uint32_t status, count;
        } subchannel_complete;
        struct {
            uint32_t count, offset; /* of the table, from the message's start */
        } table;
        uint32_t word[9];
    };
};
#define NVSP_CAP_SRIOV (1u << 2)
#define NVSP_CAP_8021Q (1u << 3)
#define NVSP_CAP_RSC   (1u << 7)
_Static_assert(sizeof(struct nvsp_message) == 40, "nvsp_message");

#endif
