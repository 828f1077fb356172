/*
 * devices/net/virtio_net.h: a network card (virtio 1.2 5.1), a modern virtio PCI function.
 */
#ifndef DEVICES_NET_VIRTIO_NET_H
#define DEVICES_NET_VIRTIO_NET_H

#include "devices/net/net.h"
#include "devices/pci/pci.h"

struct net_card_config {
    unsigned index; /* the card's name and input sink are "net" and this number */
    uint8_t mac[6];
    uint16_t mtu;                /* 0: not announced, 1500 */
    struct net_backend *backend; /* NULL: no cable, the link is down */
    struct net_tap tap;
};

/* NULL with *err: no memory, no room for the input sink, or the back end could not be attached. */
struct pci_func *virtio_net_new(struct clock *clock, struct input *input, const struct dma *dma,
                                const struct msi_sink *msi, const struct net_card_config *cfg,
                                struct err *err);

#endif
