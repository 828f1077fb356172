/*
 * tests/lib/net_rig.h: a guest with a virtual network card (vmbus/vsp/netvsp) on a VMBus rig, and
 * another port of its switch that writes down what it gets.
 */
#ifndef TESTS_LIB_NET_RIG_H
#define TESTS_LIB_NET_RIG_H

#include "abi/nvsp.h"
#include "abi/rndis.h"
#include "tests/lib/vmbus_rig.h"
#include "vmbus/vsp/netvsp/netvsp.h"

#define NET_RIG_RECEIVE_PAGES 32u
#define NET_RIG_SEND_PAGES    6u        /* four sections */
#define NET_RIG_RING          8u        /* pages of both rings of a channel */
#define NET_RIG_PAGES         0x200000u /* guest memory for GPA-direct packets: the second block */

struct net_rig_port {
    struct net_port port; /* first */
    unsigned frames;
    struct net_frame last; /* data: into bytes */
    uint8_t bytes[NET_LONG_MAX];
};

struct net_rig {
    struct vmbus_rig *bus;
    struct vswitch sw;
    struct netvsp *card;
    struct vmbus_client_channel *chan;
    struct net_rig_port peer;
    uint32_t receive_gpadl, send_gpadl;
    struct vmbus_page receive[NET_RIG_RECEIVE_PAGES], send[NET_RIG_SEND_PAGES];
    /* the last packet that the guest got */
    struct vmbus_desc desc;
    struct nvsp_message got;
    uint8_t rest[64]; /* what came behind that */
    unsigned ranges;
    struct vmbus_xfer_range range; /* the first */
    uint8_t message[2048];         /* of a transfer-page packet: what that holds */
};

extern const uint8_t net_rig_mac[6], net_rig_peer_mac[6];

void net_rig_init(struct net_rig *n); /* up to the open channel */
void net_rig_free(struct net_rig *n);
/* Opens the n-th network channel, 0: the primary. False: there is none to open. */
bool net_rig_open(struct net_rig *n, unsigned channel);
/* A network message that wants an answer; 0, or the ring's error. */
int net_rig_send(struct net_rig *n, const struct nvsp_message *m, uint64_t id);
/* The next packet into *n, after the server has done what it has to. False: there is none. */
bool net_rig_receive(struct net_rig *n);
/* Gives the last transfer-page packet's section back. */
void net_rig_return(struct net_rig *n);
/* Version, buffers and RNDIS_INITIALIZE, packet filter; false: something was refused. */
bool net_rig_greet(struct net_rig *n, uint32_t version);
/* An RNDIS message in a section of the send buffer; its NVSP_STATUS_*, 0: no answer. */
uint32_t net_rig_rndis(struct net_rig *n, uint32_t channel, const void *message, uint32_t length);
/* Query and set; status of the answer, whose bytes are then in n->message. */
uint32_t net_rig_query(struct net_rig *n, uint32_t oid);
uint32_t net_rig_set(struct net_rig *n, uint32_t oid, const void *data, uint32_t length);

#endif
