/*
 * Networks of a run: --net, --forward and --pcap into cards with their back ends, and the polling
 * of what those have open on the host.
 */
#ifndef VITRINE_FRONTENDS_CLI_NET_H
#define VITRINE_FRONTENDS_CLI_NET_H

#include <poll.h>
#include <stdbool.h>

#include "devices/net/net.h"
#include "devices/net/virtio_net.h"
#include "frontends/cli/options.h"

#define NET_HUBS_MAX 8

/* Hubs by name; several machines of one run share them. */
struct net_hubs {
    struct {
        char name[32];
        struct net_hub *hub;
    } hub[NET_HUBS_MAX];
};

struct net {
    struct net_card_config card[NET_CARDS_MAX];
    unsigned count;
    struct net_hubs *hubs;
    struct pcap *capture[NET_CARDS_MAX + 1]; /* of each card, and of all */
    bool has_outside;                        /* a card reaches beyond this process */
    bool live; /* something may come from there, since the last poll */
};

/* `machine` counts the machines of a run from 0, for their addresses. wants_user: without --net, as
 * --net user. 0 or -errno with *err. What was opened stays in *n for net_close in either case. */
int net_open(struct net *n, struct net_hubs *hubs, unsigned machine, const struct options *o,
             bool wants_user, struct err *err);
/* After the machine is gone. */
void net_close(struct net *n);
void net_free_hubs(struct net_hubs *hubs); /* after the networks of all machines */

/* Serve the back ends; waits at most ms milliseconds for them, and for `more` (at most
 * NET_POLL_MORE), whose revents are set. Returns how many descriptors had something. */
#define NET_POLL_MORE 64
unsigned net_poll(struct net *n, struct pollfd *more, unsigned more_count, int ms);

/* These give 0, or -EINVAL with *err. */
int net_parse_mac(uint8_t mac[6], const char *text, struct err *err); /* "52:56:54:00:00:10" */
/* "tcp:2222:22", "udp:127.0.0.1:5353:53", or as QEMU has it, "tcp:127.0.0.1:2222-10.0.2.15:22" */
int net_parse_forward(struct net_forward *f, const char *text, struct err *err);

#endif
