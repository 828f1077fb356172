/* machine/board_disks.c: controllers of the disks that the configuration lists (devices.def). */
#include <errno.h>

#include "devices/block/ahci.h"
#include "devices/block/nvme.h"
#include "devices/virtio/virtio_blk.h"
#include "machine/machine_int.h"

int board_nvme(struct machine *m, struct err *err)
{
    struct disk *disk[NVME_NAMESPACES_MAX];
    unsigned n = 0;

    for (size_t i = 0; i < m->cfg.disk_count; i++) {
        if (m->cfg.disks[i].bus != MACHINE_NVME)
            continue;
        if (n == NVME_NAMESPACES_MAX)
            return err_set(err, "E-DISK-010", -ENOSPC, "more than %d NVMe disks",
                           NVME_NAMESPACES_MAX);
        disk[n++] = m->cfg.disks[i].disk;
    }
    return n ? board_plug(m, nvme_new(m->clock, &m->dma, &m->msi, disk, n), BOARD_ANY_SLOT, "nvme",
                          err)
             : 0;
}

int board_ahci(struct machine *m, struct err *err)
{
    struct ahci_drive drive[AHCI_PORTS];
    unsigned n = 0;

    for (size_t i = 0; i < m->cfg.disk_count; i++) {
        if (m->cfg.disks[i].bus != MACHINE_AHCI)
            continue;
        if (n == AHCI_PORTS)
            return err_set(err, "E-DISK-010", -ENOSPC, "more than %d AHCI drives", AHCI_PORTS);
        drive[n++] = (struct ahci_drive){m->cfg.disks[i].disk, m->cfg.disks[i].is_cdrom};
    }
    return n ? board_plug(m, ahci_new(m->clock, &m->dma, &m->msi, drive, n), BOARD_ANY_SLOT, "ahci",
                          err)
             : 0;
}

int board_virtio_blk(struct machine *m, struct err *err)
{
    unsigned n = 0;

    for (size_t i = 0; i < m->cfg.disk_count; i++) {
        if (m->cfg.disks[i].bus != MACHINE_VIRTIO)
            continue;
        if (n == VIRTIO_BLK_DISKS_MAX)
            return err_set(err, "E-DISK-010", -ENOSPC, "more than %d virtio disks",
                           VIRTIO_BLK_DISKS_MAX);
        if (board_plug(m, virtio_blk_new(m->clock, &m->dma, &m->msi, m->cfg.disks[i].disk, n++),
                       BOARD_ANY_SLOT, "virtio-blk", err))
            return err->code;
    }
    return 0;
}
