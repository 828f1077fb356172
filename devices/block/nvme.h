/*
 * devices/block/nvme.h: an NVM Express 1.4 controller with a namespace for each disk.
 */
#ifndef DEVICES_BLOCK_NVME_H
#define DEVICES_BLOCK_NVME_H

#include "core/clock.h"
#include "devices/disk/disk.h"
#include "devices/pci/pci.h"

#define NVME_NAMESPACES_MAX 16

/* The disks stay the caller's. NULL: out of memory. */
struct pci_func *nvme_new(struct clock *clock, const struct dma *dma, const struct msi_sink *msi,
                          struct disk *const *disks, unsigned count);

#endif
