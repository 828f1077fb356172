/*
 * vid/stor.c: disks and DVDs of partitions: one SCSI controller each (vmbus/vsp/storvsp), whose
 * logical units are namespaces of the root's NVMe controller. A namespace belongs to one partition
 * at a time, until that ends.
 */
#include "partitions/root/drv/drv.h"
#include "partitions/root/vid/bus.h"
#include "partitions/root/vid/vid_int.h"
#include "vmbus/vsp/storvsp/storvsp.h"

static const struct vmbus_guid stor_instance = VMBUS_GUID(0x76697472, 0x696e, 0x4500, 0x80, 0x01,
                                                          's', 't', 'o', 'r', 'v', '0');

static unsigned stor_order(uint32_t bytes)
{
    unsigned order = 0;
    while (PAGE << order < bytes)
        order++;
    return order;
}

static void *stor_alloc_dma(uint32_t bytes, uint64_t *pa)
{
    *pa = mm_alloc(stor_order(bytes));
    return *pa ? phys_to_virt(*pa) : 0;
}

static void stor_free_dma(void *p, uint32_t bytes)
{
    mm_free(virt_to_phys(p), stor_order(bytes));
}

static const struct storvsp_host stor_host = {kmalloc, kfree, stor_alloc_dma, stor_free_dma};

int64_t stor_attach(struct part *p, uint64_t nsid, uint64_t type)
{
    struct blk_device *d = nsid && nsid <= UINT32_MAX ? nvme_disk((uint32_t)nsid) : 0;
    if (!p->bus || (type != SCSI_TYPE_DISK && type != SCSI_TYPE_DVD))
        return -RT_EINVAL;
    if (!d)
        return -RT_ENODEV;
    if (d->user)
        return -RT_EPERM;
    if (!p->stor)
        p->stor = storvsp_new(p->bus, &stor_host, &stor_instance);
    if (!p->stor)
        return -RT_ENOMEM;
    return storvsp_attach(p->stor, d, (enum scsi_type)type);
}
