/* devices/virtio/virtio_int.h: between the transport (virtio.c) and the queues (virtq.c). */
#ifndef DEVICES_VIRTIO_VIRTIO_INT_H
#define DEVICES_VIRTIO_VIRTIO_INT_H

#include "devices/virtio/virtio.h"

/* Interrupt the driver with this vector; isr: VIRTIO_ISR_*. */
void virtio_notify(struct virtio *v, uint16_t vector, uint8_t isr);

#endif
