/*
 * vmbus/vsp/netvsp/netvsp_int.h: a virtual network card as its files share it: netvsp.c channels
 * and the network protocol, control.c requests by RNDIS, data.c frames, rss.c which
 * channel gets a frame.
 */
#ifndef VMBUS_VSP_NETVSP_INT_H
#define VMBUS_VSP_NETVSP_INT_H

#include "abi/nvsp.h"
#include "abi/rndis.h"
#include "vmbus/vsp/netvsp/netvsp.h"

#define NETVSP_SECTIONS_MAX    32768u
#define NETVSP_RECEIVE_SECTION 1728u /* bytes: a frame, its RNDIS header and all infos */
#define NETVSP_SEND_SECTION    6144u
#define NETVSP_RESERVED        16u    /* receive sections that frames leave to answers */
#define NETVSP_CHANNELS        8u     /* with the primary */
#define NETVSP_HASH_NIBBLES    72u    /* of the longest input: IPv6 addresses and ports */
#define NETVSP_BATCH           64u    /* frames of one packet to the guest */
#define NETVSP_PACKETS         8u     /* frames of one message of the guest */
#define NETVSP_LONG_MAX        62000u /* bytes of a segment that is to be cut, as guests are told */
/* A message of the guest: frames in a section, or a long one with its header */
#define NETVSP_BUFFER (NETVSP_SEND_SECTION + NET_LONG_MAX + 256u)
#define NETVSP_REPLY  512u

enum netvsp_state { NET_CLOSED, NET_OPEN, NET_VERSIONED };

struct netvsp_channel {
    struct vmbus_channel *channel; /* NULL: not offered */
    bool is_open;
    bool has_answer; /* to the guest's last packet, that waits for room in the ring */
    uint64_t answer_id;
    struct nvsp_message answer;
};

/* A buffer of the guest's, cut into sections. */
struct netvsp_buffer {
    bool is_set;
    uint16_t id;
    uint32_t gpadl;
    uint32_t size, count; /* of a section in bytes; how many */
};

enum netvsp_use {
    NETVSP_FREE,
    NETVSP_FIRST, /* of a packet that the guest has, or of the batch */
    NETVSP_MORE,  /* one of those behind it */
};

struct netvsp_section {
    uint16_t next; /* free one, or of the same packet */
    uint8_t use;
    uint8_t via; /* the channel of that packet */
};
#define NETVSP_NONE 0xffffu /* no section */

/* Frames that go to the guest in one packet. */
struct netvsp_batch {
    unsigned count;
    uint16_t first, last; /* sections */
    struct vmbus_xfer_range range[NETVSP_BATCH];
};

/* Receive-side scaling, as the guest set it */
struct netvsp_rss {
    uint32_t types; /* NDIS_HASH_*; 0: off */
    uint8_t queue[NDIS_RSS_TABLE];
    uint32_t hash_of[NETVSP_HASH_NIBBLES][16];
};

struct netvsp {
    struct net_port port; /* first */
    struct netvsp_host host;
    struct vmbus_server *server;
    struct vmbus_offer offer;
    struct netvsp_channel channel[NETVSP_CHANNELS]; /* [0]: the primary */
    /* what the guest has set up; all gone when it closes the primary */
    enum netvsp_state state;
    uint32_t version;
    struct netvsp_buffer receive, send;
    struct netvsp_section *section; /* of the receive buffer */
    uint16_t free;                  /* the first free one */
    uint32_t frees;
    struct netvsp_batch batch[NETVSP_CHANNELS];
    struct netvsp_rss rss;
    bool owes_table;       /* NVSP_SEND_INDIRECTION_TABLE, now that there are channels */
    bool is_initialized;   /* by RNDIS_INITIALIZE */
    bool told_link;        /* what the guest knows of it */
    uint32_t filter;       /* NDIS_FILTER_* */
    uint32_t reply_length; /* an answer by RNDIS that waits for room */
    uint64_t reply[NETVSP_REPLY / 8];
    uint64_t no_buffer, malformed;
    uint64_t buffer[(NETVSP_BUFFER + 7) / 8]; /* the guest's message, copied */
};

/* ---- netvsp.c ---- */
/* A message into a free section, leaving `reserve` of them, and into a batch for channel `via`:
 * header, then data. 0; VMBUS_ENOMEM: no section; else it will never get there. */
int netvsp_add(struct netvsp *v, unsigned via, struct netvsp_batch *b, uint32_t reserve,
               const void *header, uint32_t header_length, const void *data, uint32_t length);
/* Sends the batch, which is empty then. 0; VMBUS_EFULL: no room now; else it will never be. */
int netvsp_send(struct netvsp *v, unsigned via, struct netvsp_batch *b, uint32_t channel_type);

/* ---- control.c ---- */
/* A request, and what is to be answered in v->reply. False: it is malformed. */
bool netvsp_control(struct netvsp *v, const uint8_t *message, uint32_t length);

/* ---- data.c ---- */
/* Frames of the guest. False: one is malformed; those before it are sent. */
bool netvsp_transmit(struct netvsp *v, uint8_t *message, uint32_t length);
extern const struct net_port_ops netvsp_port_ops;

/* ---- rss.c ---- */
/* OID_GEN_RECEIVE_SCALE_PARAMETERS: its RNDIS_STATUS_*. */
uint32_t netvsp_rss_set(struct netvsp_rss *r, const uint8_t *data, uint32_t n);
/* False: there is no hash of such frames. */
bool netvsp_rss_hash(const struct netvsp_rss *r, struct net_frame *f, uint32_t *out);

#endif
