/*
 * devices/block/ahci.h: an AHCI 1.3 host bus adapter with six ports for disks and CD-ROM drives.
 */
#ifndef DEVICES_BLOCK_AHCI_H
#define DEVICES_BLOCK_AHCI_H

#include "core/clock.h"
#include "devices/disk/disk.h"
#include "devices/pci/pci.h"

#define AHCI_PORTS 6

struct ahci_drive {
    struct disk
        *disk; /* stays the caller's; NULL: nothing at this port, or an empty CD-ROM drive */
    bool is_cdrom;
};

/* Drive n is at port n. NULL: out of memory. */
struct pci_func *ahci_new(struct clock *clock, const struct dma *dma, const struct msi_sink *msi,
                          const struct ahci_drive *drives, unsigned count);

#endif
