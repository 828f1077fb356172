/*
 * devices/virtio/virtio_blk.h: a disk (virtio 1.2 5.2), a modern virtio PCI function.
 */
#ifndef DEVICES_VIRTIO_VIRTIO_BLK_H
#define DEVICES_VIRTIO_VIRTIO_BLK_H

#include "core/clock.h"
#include "devices/disk/disk.h"
#include "devices/pci/pci.h"

#define VIRTIO_BLK_DISKS_MAX 16

/* The disk stays the caller's; `index` makes name and serial number. NULL: out of memory. */
struct pci_func *virtio_blk_new(struct clock *clock, const struct dma *dma,
                                const struct msi_sink *msi, struct disk *disk, unsigned index);

#endif
