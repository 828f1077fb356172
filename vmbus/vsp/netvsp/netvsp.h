/*
 * vmbus/vsp/netvsp/netvsp.h: a virtual network card: the host's end of the network protocol
 * (abi/nvsp.h, abi/rndis.h) on a VMBus channel, plugged into a virtual switch.
 */
#ifndef VMBUS_VSP_NETVSP_H
#define VMBUS_VSP_NETVSP_H

#include "vmbus/vsp.h"
#include "vmbus/vsp/netvsp/vswitch.h"

struct netvsp;

struct netvsp_host {
    void *(*alloc)(size_t bytes); /* zeroed; NULL: none */
    void (*free)(void *p);
};

struct netvsp_counts {
    uint64_t sent, sent_bytes;         /* frames of the guest; long segments count as one */
    uint64_t received, received_bytes; /* frames for the guest */
    uint64_t no_buffer;                /* lost: the guest has no room */
    uint64_t refused;                  /* of the guest's: malformed, or not from its address */
};

#define NETVSP_TRUNK 0xfffu

/* Offers a card to the server's guest, with that address (not 0, no group) and the VLAN of an
 * access port, 0: untagged, NETVSP_TRUNK: all, with their tags. It lives as long as its channels
 * do, so at most as long as the server. NULL: no memory, no channel, or the address is taken. */
struct netvsp *netvsp_new(struct vmbus_server *s, const struct netvsp_host *host,
                          const struct vmbus_guid *instance, struct vswitch *sw,
                          const uint8_t mac[6], uint16_t vlan);
/* Plugs the cable in or pulls it; the guest is told. */
void netvsp_set_link(struct netvsp *v, bool is_up);
bool netvsp_link(const struct netvsp *v);
const uint8_t *netvsp_mac(const struct netvsp *v);
struct netvsp_counts netvsp_counts(const struct netvsp *v);

#endif
