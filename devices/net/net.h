/*
 * devices/net/net.h: what a network card and the other end of its cable know of one another.
 *
 * A card (virtio_net.c) sends whole Ethernet frames without FCS into its back end. A back end that
 * lives inside of the machine (hub.c) delivers by `side.receive` from clock events; one that talks
 * to the outside (user.c) hands frames to core/input.h, so that they enter at a stamped position.
 * Back ends are made by the front end, belong to it, and outlive the machine that they are
 * attached to.
 */
#ifndef DEVICES_NET_NET_H
#define DEVICES_NET_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/clock.h"
#include "core/dev.h"
#include "core/input.h"
#include "lib/err.h"

struct pollfd;

#define NET_CARDS_MAX 8
#define NET_MTU       1500
#define NET_MTU_MIN   68
#define NET_FRAME_MIN 14
#define NET_FRAME_MAX (NET_MTU + 14 + 4) /* with a VLAN tag */

/* The card's side, as the machine gives it to a back end. */
struct net_side {
    struct clock *clock;
    struct input *input;
    int sink; /* of the card: records of struct net_record_head and bytes */
    void (*receive)(void *card, const uint8_t *frame, size_t len);
    void *card;
};

/* A record in the card's sink: a frame, or, with len 1, the state of the link (0 or 1). */
struct net_record_head {
    uint16_t len;
};

struct net_backend;

struct net_backend_ops {
    const char *kind;
    /* Plugged into a card; called once while the machine is built. 0 or -errno with *err. */
    int (*attach)(struct net_backend *b, const struct net_side *side, struct err *err);
    /* The machine goes away. */
    void (*detach)(struct net_backend *b);
    void (*send)(struct net_backend *b, const uint8_t *frame, size_t len);
    /* What of it is part of the machine: reset and hashed with it; NULL: nothing. */
    struct dev *(*dev)(struct net_backend *b);
    /* For the front end; NULL when nothing comes from outside. add_fds: at most max of them into
     * fd, returns how many; *ms is lowered to when it wants to be called. serve: after poll. */
    unsigned (*add_fds)(struct net_backend *b, struct pollfd *fd, unsigned max, int *ms);
    void (*serve)(struct net_backend *b, const struct pollfd *fd, unsigned count, bool failed);
    void (*free)(struct net_backend *b);
};

struct net_backend {
    const struct net_backend_ops *ops;
};

static inline void net_backend_free(struct net_backend *b)
{
    if (b)
        b->ops->free(b);
}

/* Hand a frame from outside to the card; dropped when the card's queue is full. */
static inline void net_push(const struct net_side *side, const uint8_t *frame, size_t len)
{
    uint8_t record[sizeof(struct net_record_head) + NET_FRAME_MAX];
    const struct net_record_head head = {(uint16_t)len};
    if (len < NET_FRAME_MIN || len > NET_FRAME_MAX)
        return;
    __builtin_memcpy(record, &head, sizeof head);
    __builtin_memcpy(record + sizeof head, frame, len);
    input_push(side->input, side->sink, record, sizeof head + len);
}

/* ---- who watches ---- */

/* Called with every frame that leaves (from_guest) or reaches a card. */
struct net_tap {
    void (*frame)(void *opaque, unsigned card, bool from_guest, uint64_t now_ns,
                  const uint8_t *frame, size_t len);
    void *opaque;
};

/* pcap.c: a capture file, stamped with virtual time. */
struct pcap;
struct pcap *pcap_open(const char *path, struct err *err);
struct net_tap pcap_tap(struct pcap *p);
int pcap_close(struct pcap *p, struct err *err); /* NULL is fine */

/* ---- back ends ---- */

/* hub.c: what one port says, every other port of the hub hears after NET_HUB_LATENCY_NS. */
#define NET_HUB_LATENCY_NS 50000u
#define NET_HUB_PORTS_MAX  16
struct net_hub;
struct net_hub *net_hub_new(void);
void net_hub_free(struct net_hub *h);                /* after all its ports */
struct net_backend *net_hub_port(struct net_hub *h); /* NULL: too many, or no memory */

/* user.c: NAT by libslirp: 10.0.2.0/24, gateway .2, DNS .3, DHCP from .15 on. */
struct net_forward {
    bool udp;
    uint32_t host_addr; /* network byte order */
    uint16_t host_port, guest_port;
};
#define NET_FORWARDS_MAX 16
struct net_user_config {
    bool restricted; /* nothing leaves this host, nothing but forwards comes in */
    struct net_forward forward[NET_FORWARDS_MAX];
    unsigned forward_count;
};
/* NULL with *err: no memory, or built without libslirp. */
struct net_backend *net_user_new(const struct net_user_config *cfg, struct err *err);

#endif
