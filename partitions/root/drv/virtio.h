/*
 * drv/virtio.h: what the drivers of virtio devices share: the modern PCI transport (virtio 1.2 4.1)
 * and split virtqueues (2.7).
 */
#ifndef RT_VIRTIO_H
#define RT_VIRTIO_H

#include "abi/virtio.h"
#include "partitions/root/drv/drv.h"
#include "partitions/root/kern/kern.h"

struct virtq {
    uint16_t index, size;
    uint16_t used_seen;
    volatile struct virtq_desc *desc;
    volatile struct virtq_avail *avail;
    volatile struct virtq_used *used;
    volatile uint16_t *notify;
};

struct virtio_dev {
    struct pci_device pci;
    volatile struct virtio_pci_common *common;
    volatile uint8_t *config, *notify, *isr;
    uint32_t notify_multiplier;
    uint64_t features; /* agreed on */
    bool has_msix;
    trap_handler *interrupt;
    void *arg;
    struct ktimer poll; /* of a device without interrupts */
};

/* Finds the first device of that VIRTIO_ID_*, resets it, agrees on features: all of `needed`, and
 * of `wanted` what there is. False: no such device, or it is not as needed. */
bool virtio_open(struct virtio_dev *d, unsigned id, uint64_t needed, uint64_t wanted);
/* At most `size` entries, a power of two. False: no such queue, or no memory. */
bool virtio_queue(struct virtio_dev *d, struct virtq *q, unsigned index, unsigned size);
/* After the queues: interrupts go to fn, by MSI-X to `vector`, by the INTx line that the firmware
 * noted, or else a timer calls it. */
void virtio_start(struct virtio_dev *d, unsigned vector, trap_handler *fn, void *arg);
void virtio_fail(struct virtio_dev *d);
void virtio_acknowledge(struct virtio_dev *d); /* first thing in an interrupt */

/* A chain of descriptors, by its first, to the device; it looks when it is notified. */
void virtq_post(struct virtq *q, unsigned desc);
void virtq_notify(struct virtq *q);
/* The next chain that it is done with, and the bytes it wrote. False: none. */
bool virtq_take(struct virtq *q, unsigned *desc, uint32_t *written);
static inline unsigned virtq_pending(const struct virtq *q)
{
    return (uint16_t)(q->avail->idx - q->used->idx);
}

#endif
