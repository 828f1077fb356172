/*
 * tests/lib/virtio_rig.h: PCI bus, RAM, clock and input around virtio devices under test, and the
 * driver's side of their queues. Everything is found through the capabilities, as a driver does.
 */
#ifndef TESTS_LIB_VIRTIO_RIG_H
#define TESTS_LIB_VIRTIO_RIG_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/virtio.h"
#include "core/bus.h"
#include "core/clock.h"
#include "core/input.h"
#include "devices/pci/pci.h"
#include "mmu/ram.h"

#define VRIG_RAM   (4ull << 20)
#define VRIG_QUEUE 16 /* entries that vdev_start asks for */

struct vrig {
    struct bus *bus;
    struct clock *clock;
    struct input *in;
    struct ram *ram;
    struct pci_host *host;
    struct dma dma;
    struct msi_sink msi;
    unsigned messages[8][64]; /* by slot and vector */
};

/* One device and its driver. Ring q: descriptors at `ring`, available at + 0x1000, used at
 * + 0x2000. */
struct vdev {
    struct vrig *r;
    struct pci_func *f;
    unsigned slot;
    uint64_t common, notify, isr, device, msix; /* addresses */
    uint16_t next_desc[8], seen[8];
};

void vrig_new(struct vrig *r);
void vrig_free(struct vrig *r);

void vdev_plug(struct vdev *d, struct vrig *r, struct pci_func *f, unsigned slot);
/* Status dance with these features, `queues` queues, vector q for queue q, 7 for configuration. */
void vdev_start(struct vdev *d, uint64_t features, unsigned queues);
uint64_t vdev_ring(const struct vdev *d, unsigned q);
uint8_t vdev_status(const struct vdev *d);
unsigned vdev_messages(const struct vdev *d, unsigned vector);

void vrig_set(struct vrig *r, uint64_t at, unsigned size, uint64_t v);
uint64_t vrig_get(struct vrig *r, uint64_t at, unsigned size);
void vrig_put(struct vrig *r, uint64_t at, const void *bytes, size_t len);
void vrig_read(struct vrig *r, uint64_t at, void *bytes, size_t len);
uint16_t vrig_get16(struct vrig *r, uint64_t at);
void vrig_put16(struct vrig *r, uint64_t at, uint16_t v);

/* Write descriptor n of queue q. */
void vdev_desc(struct vdev *d, unsigned q, unsigned n, uint64_t addr, uint32_t len, uint16_t flags,
               uint16_t next);
/* Make the chain at `head` available; notify. */
void vdev_offer(struct vdev *d, unsigned q, uint16_t head);
void vdev_kick(struct vdev *d, unsigned q);
/* A chain of two buffers (either may be of length 0) in the next free descriptors; offered and
 * notified. Returns its head. */
uint16_t vdev_chain(struct vdev *d, unsigned q, uint64_t out, uint32_t out_len, uint64_t in,
                    uint32_t in_len);
/* The next used element that was not seen yet. */
bool vdev_used(struct vdev *d, unsigned q, struct virtq_used_elem *e);

#define VREG(d, member) ((d)->common + offsetof(struct virtio_pci_common, member))

#endif
