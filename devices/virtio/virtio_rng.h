/*
 * devices/virtio/virtio_rng.h: a source of entropy (virtio 1.2 5.4), a modern virtio PCI function.
 */
#ifndef DEVICES_VIRTIO_VIRTIO_RNG_H
#define DEVICES_VIRTIO_VIRTIO_RNG_H

#include "devices/pci/pci.h"

/* NULL: out of memory. */
struct pci_func *virtio_rng_new(const struct dma *dma, const struct msi_sink *msi, uint64_t seed);

#endif
