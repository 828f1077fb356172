/*
 * vmbus/vsp/netvsp/vswitch.h: a virtual Ethernet switch: ports of children (netvsp.h), and of the
 * root's own cards. It learns addresses, keeps VLANs apart, and lets nobody send from an address
 * that is another port's.
 *
 * Rules: as for service providers (vmbus/vsp.h) all calls come from one processor; deliver() may
 * not send. Frames are handed on at once and belong to the caller again when the call returns.
 */
#ifndef VMBUS_VSP_NETVSP_VSWITCH_H
#define VMBUS_VSP_NETVSP_VSWITCH_H

#include "vmbus/vsp/netvsp/frame.h"

struct vswitch;
struct net_port;

struct net_port_ops {
    /* A frame for this port. */
    void (*deliver)(struct net_port *p, struct net_frame *f);
    /* That was the last one for now: what deliver() gathered goes out. May be 0. */
    void (*flush)(struct net_port *p);
};

/* What a port takes as it is; for others it is done before deliver(). */
#define NET_TAKES_CSUM  1u /* csum_partial */
#define NET_TAKES_LONG4 2u /* mss != 0 on IPv4 */
#define NET_TAKES_LONG6 4u

struct net_port {
    /* the owner's, before vswitch_add; the lower part may change later */
    const struct net_port_ops *ops;
    uint8_t mac[6];  /* its own, nobody else may send from it; zeros: it has none */
    bool is_guarded; /* it may send from no other */
    bool is_trunk;   /* frames keep their VLAN's tag; else all belong to `vlan` and have none */
    uint16_t vlan;   /* 0: untagged */
    bool is_linked;
    unsigned takes; /* NET_TAKES_* */
    /* the switch's */
    struct vswitch *sw;
    struct net_port *next;
    bool is_dirty;                  /* it got a frame since its last flush() */
    uint64_t frames_in, bytes_in;   /* from the port */
    uint64_t frames_out, bytes_out; /* to it */
    uint64_t refused;               /* from it: bad length, source address or VLAN */
};

#define VSWITCH_WAYS 4u
#define VSWITCH_SETS 64u

struct vswitch_entry {
    struct net_port *port; /* NULL: free */
    uint8_t mac[6];
    uint16_t vlan;
};

/* Zeroed memory is a switch without ports. */
struct vswitch {
    struct net_port *ports;
    struct vswitch_entry learnt[VSWITCH_SETS][VSWITCH_WAYS];
    uint8_t victim[VSWITCH_SETS];
    uint8_t scratch[NET_FRAME_MAX];
};

bool vswitch_has(const struct vswitch *sw, const uint8_t mac[6]); /* a port has that address */
/* False: another port has that address. */
bool vswitch_add(struct vswitch *sw, struct net_port *p);
void vswitch_remove(struct net_port *p); /* also when it is in no switch */
/* A frame from a port: NET_HEADER to NET_FRAME_MAX bytes, or with mss to NET_LONG_MAX; else it is
 * refused. It was through net_frame_untag; one with csum_partial or mss through net_frame_parse,
 * one with mss through net_frame_prepare_long. */
void vswitch_send(struct net_port *from, struct net_frame *f);
/* Whoever sent some frames calls this after the last one. */
void vswitch_flush(struct vswitch *sw);

#endif
