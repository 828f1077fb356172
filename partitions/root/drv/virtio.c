/*
 * drv/virtio.c: the modern PCI transport and split virtqueues (virtio.h).
 *
 * Not modelled: legacy devices, packed queues, indirect descriptors, event indexes, one interrupt
 * for each queue.
 */
#include "abi/pci.h"
#include "partitions/root/drv/virtio.h"

#define POLL_NS 5000000ull

static bool find_structures(struct virtio_dev *d)
{
    const struct pci_device *p = &d->pci;
    pci_write16(p, PCI_COMMAND, pci_read16(p, PCI_COMMAND) | PCI_CMD_MEMORY | PCI_CMD_MASTER);
    for (unsigned cap = 0; (cap = pci_next_cap(p, PCI_CAP_VENDOR, cap));) {
        unsigned type = pci_read8(p, cap + 3);
        uint64_t at = pci_bar(p, pci_read8(p, cap + 4) % 6) + pci_read32(p, cap + 8);
        uint32_t length = pci_read32(p, cap + 12);
        if (type == VIRTIO_PCI_CAP_COMMON && !d->common) {
            d->common = vm_map_mmio(at, length);
        } else if (type == VIRTIO_PCI_CAP_NOTIFY && !d->notify) {
            d->notify = vm_map_mmio(at, length);
            d->notify_multiplier = pci_read32(p, cap + 16);
        } else if (type == VIRTIO_PCI_CAP_ISR && !d->isr) {
            d->isr = vm_map_mmio(at, length);
        } else if (type == VIRTIO_PCI_CAP_DEVICE && !d->config) {
            d->config = vm_map_mmio(at, length);
        }
    }
    return d->common && d->notify && d->isr && d->config;
}

static bool negotiate(struct virtio_dev *d, uint64_t needed, uint64_t wanted)
{
    volatile struct virtio_pci_common *c = d->common;
    c->device_status = 0;
    while (c->device_status)
        ;
    c->device_status = VIRTIO_S_ACKNOWLEDGE;
    c->device_status = VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER;
    c->device_feature_select = 1;
    uint64_t offered = (uint64_t)c->device_feature << 32;
    c->device_feature_select = 0;
    offered |= c->device_feature;
    needed |= VIRTIO_F_VERSION_1;
    if (needed & ~offered)
        return false;
    d->features = offered & (needed | wanted);
    c->driver_feature_select = 0;
    c->driver_feature = (uint32_t)d->features;
    c->driver_feature_select = 1;
    c->driver_feature = (uint32_t)(d->features >> 32);
    c->device_status = VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER | VIRTIO_S_FEATURES_OK;
    return c->device_status & VIRTIO_S_FEATURES_OK;
}

bool virtio_open(struct virtio_dev *d, unsigned id, uint64_t needed, uint64_t wanted)
{
    if (!pci_find(VIRTIO_PCI_VENDOR, (uint16_t)(VIRTIO_PCI_DEVICE_BASE + id), &d->pci) ||
        !find_structures(d) || !negotiate(d, needed, wanted))
        return false;
    d->has_msix = pci_next_cap(&d->pci, PCI_CAP_MSIX, 0) != 0;
    return true;
}

bool virtio_queue(struct virtio_dev *d, struct virtq *q, unsigned index, unsigned size)
{
    volatile struct virtio_pci_common *c = d->common;
    if (index >= c->num_queues)
        return false;
    c->queue_select = (uint16_t)index;
    q->index = (uint16_t)index;
    q->size = c->queue_size < size ? c->queue_size : (uint16_t)size;
    const unsigned avail = q->size * 16u, used = (avail + 6 + q->size * 2u + 3) & ~3u;
    unsigned order = 0;
    while (PAGE << order < used + 6 + q->size * 8u)
        order++;
    uint64_t pa = q->size ? mm_alloc(order) : 0;
    if (!pa)
        return false;
    memset(phys_to_virt(pa), 0, PAGE << order);
    q->desc = phys_to_virt(pa);
    q->avail = phys_to_virt(pa + avail);
    q->used = phys_to_virt(pa + used);
    q->notify = (volatile uint16_t *)(d->notify + c->queue_notify_off * d->notify_multiplier);
    c->queue_size = q->size;
    c->queue_msix_vector = d->has_msix ? 0 : VIRTIO_MSI_NO_VECTOR;
    c->queue_desc_lo = (uint32_t)pa;
    c->queue_desc_hi = (uint32_t)(pa >> 32);
    c->queue_driver_lo = (uint32_t)(pa + avail);
    c->queue_driver_hi = (uint32_t)((pa + avail) >> 32);
    c->queue_device_lo = (uint32_t)(pa + used);
    c->queue_device_hi = (uint32_t)((pa + used) >> 32);
    c->queue_enable = 1;
    return true;
}

/* ---- interrupts ---- */
static void poll(void *arg)
{
    struct virtio_dev *d = arg;
    d->interrupt(d->arg);
    time_arm(&d->poll, time_now() + POLL_NS);
}

static void route(struct virtio_dev *d, unsigned vector)
{
    if (pci_msix(&d->pci, vector)) {
        trap_handle(vector, d->interrupt, d->arg);
        return;
    }
    uint8_t line = pci_read8(&d->pci, PCI_INT_LINE);
    if (pci_read8(&d->pci, PCI_INT_PIN) && line && line < 24) {
        trap_handle(VEC_IRQ_BASE + line, d->interrupt, d->arg);
        apic_ioapic_route_gsi(line, VEC_IRQ_BASE + line, line >= 16, line >= 16);
        return;
    }
    d->poll.fn = poll;
    d->poll.arg = d;
    time_arm(&d->poll, time_now() + POLL_NS);
}

void virtio_start(struct virtio_dev *d, unsigned vector, trap_handler *fn, void *arg)
{
    d->interrupt = fn;
    d->arg = arg;
    route(d, vector);
    d->common->config_msix_vector = d->has_msix ? 0 : VIRTIO_MSI_NO_VECTOR;
    d->common->device_status = VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER | VIRTIO_S_FEATURES_OK |
                               VIRTIO_S_DRIVER_OK;
}

void virtio_fail(struct virtio_dev *d)
{
    d->common->device_status = VIRTIO_S_FAILED;
}

void virtio_acknowledge(struct virtio_dev *d)
{
    if (!d->has_msix)
        (void)*d->isr; /* reading acknowledges the line */
}

/* ---- queues ---- */
void virtq_notify(struct virtq *q)
{
    __asm__ volatile("mfence" : : : "memory");
    *q->notify = q->index;
}

void virtq_post(struct virtq *q, unsigned desc)
{
    uint16_t at = q->avail->idx;
    q->avail->ring[at % q->size] = (uint16_t)desc;
    barrier();
    q->avail->idx = (uint16_t)(at + 1);
}

bool virtq_take(struct virtq *q, unsigned *desc, uint32_t *written)
{
    while (q->used_seen != q->used->idx) {
        volatile struct virtq_used_elem *e = &q->used->ring[q->used_seen++ % q->size];
        *desc = e->id;
        *written = e->len;
        if (*desc < q->size)
            return true;
    }
    return false;
}
