/*
 * devices/virtio/virtio.h: what every virtio device shares: the modern PCI transport and split
 * virtqueues (virtio 1.2: 2.1-2.7, 4.1).
 *
 * A device embeds `struct virtio` as first member, lists VIRTIO_FIELDS at the head of its field
 * table, and brings a class: what happens on a notification and at the driver's reset. It takes
 * chains of buffers with virtq_pop, reads and writes them with virtq_read and virtq_write, and
 * gives them back with virtq_return. Everything that the guest wrote is checked here: a queue that
 * makes no sense sets DEVICE_NEEDS_RESET, logs GUEST, and no queue of the device moves until the
 * driver resets it.
 *
 * BARs: 1 MSI-X, 4 common configuration, ISR, device configuration and notifications, 4 KiB each.
 */
#ifndef DEVICES_VIRTIO_VIRTIO_H
#define DEVICES_VIRTIO_VIRTIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/virtio.h"
#include "devices/pci/pci.h"

#define VIRTIO_QUEUES_MAX 62
#define VIRTQ_SIZE_MAX    256
#define VIRTQ_SEGS_MAX    VIRTQ_SIZE_MAX

/* What every device may offer without doing anything for it. */
#define VIRTIO_F_RING (VIRTIO_F_VERSION_1 | VIRTIO_F_RING_INDIRECT | VIRTIO_F_RING_EVENT_IDX)

/* State of one queue. The field table sees it as 16-bit words. */
struct virtq {
    uint64_t desc, driver, device;
    uint16_t size, enable, vector;
    uint16_t last_avail; /* next entry of the available ring */
    uint16_t used;       /* our index into the used ring */
    uint16_t unused[3];
};

struct virtio;

struct virtio_class {
    const char *name; /* in log lines */
    /* The driver notified queue n (below the device's number of queues). */
    void (*kick)(struct virtio *v, unsigned n);
    /* The driver reset the device, or the machine was reset; may be NULL. */
    void (*reset)(struct virtio *v);
    /* The driver wrote the device configuration; NULL: it is read-only. */
    void (*config_write)(struct virtio *v, unsigned offset, unsigned size, uint64_t value);
};

/* What the device is, given once. */
struct virtio_setup {
    uint16_t id; /* VIRTIO_ID_* */
    uint32_t class_rev;
    unsigned queues, queue_size;
    unsigned vectors; /* of MSI-X */
    uint64_t features;
    const void *config; /* device configuration, within the device's struct; may be NULL */
    unsigned config_len;
};

struct virtio {
    struct pci_func f; /* first */
    /* wiring */
    const struct virtio_class *cls;
    struct virtio_setup setup;
    /* state */
    uint32_t device_feature_select, driver_feature_select;
    uint64_t driver_features;
    uint16_t config_vector, queue_select;
    uint8_t status, isr, broken, config_generation;
    struct virtq q[VIRTIO_QUEUES_MAX];
};

#define VIRTIO_FIELDS                                                                             \
    PCI_FUNC_FIELDS, FIELD(struct virtio, device_feature_select, 0, ""),                          \
        FIELD(struct virtio, driver_feature_select, 0, ""),                                       \
        FIELD(struct virtio, driver_features, 0, "accepted features"),                            \
        FIELD(struct virtio, config_vector, VIRTIO_MSI_NO_VECTOR, ""),                            \
        FIELD(struct virtio, queue_select, 0, ""),                                                \
        FIELD(struct virtio, status, 0, "device status"), FIELD(struct virtio, isr, 0, ""),       \
        FIELD(struct virtio, config_generation, 0, "changes of the configuration"),               \
        FIELD(struct virtio, broken, 0, "a queue made no sense"),                                 \
    {                                                                                             \
        "queues", offsetof(struct virtio, q), 2, sizeof(struct virtq) / 2 * VIRTIO_QUEUES_MAX, 0, \
            "queues, word by word"                                                                \
    }

/* Makes the PCI function; the caller has allocated the device and set f.dev. */
void virtio_init(struct virtio *v, const struct virtio_class *cls, const struct virtio_setup *setup,
                 const struct dma *dma, const struct msi_sink *msi);
void virtio_reset(struct dev *d); /* for the device's dev_class */

static inline bool virtio_has(const struct virtio *v, uint64_t feature)
{
    return (v->driver_features & feature) == feature;
}

/* The device configuration changed: tell the driver. */
void virtio_config_changed(struct virtio *v);
/* The guest did what no driver may do: NEEDS_RESET, and the queues stand still. */
void virtio_break(struct virtio *v, const char *why);

/* ---- queues ---- */

struct virtq_seg {
    uint64_t addr;
    uint32_t len;
};

/* A chain of buffers: segments that the device reads, then segments that it writes. */
struct virtq_chain {
    uint16_t head;
    unsigned out_segs, in_segs;
    uint64_t out_len, in_len; /* bytes */
    struct virtq_seg seg[VIRTQ_SEGS_MAX];
};

/* The next available chain. false: there is none, or the queue is not live, or it is broken. */
bool virtq_pop(struct virtio *v, unsigned n, struct virtq_chain *c);
/* The driver made buffers available that were not popped yet. */
bool virtq_is_ready(struct virtio *v, unsigned n);
/* Make the last `chains` popped ones available again (none of them has been put back). */
void virtq_rewind(struct virtio *v, unsigned n, unsigned chains);

/* Bytes of the readable or the writable part from `from` on; they must lie within out_len or
 * in_len. false: the memory is not there, and the device is broken now. */
bool virtq_read(struct virtio *v, const struct virtq_chain *c, uint64_t from, void *to, size_t len);
bool virtq_write(struct virtio *v, const struct virtq_chain *c, uint64_t to, const void *from,
                 size_t len);

/* Give one chain back with the number of bytes written into it, and interrupt as asked for. */
void virtq_return(struct virtio *v, unsigned n, const struct virtq_chain *c, uint32_t written);
/* The same for several at once: put number 0, 1, ... and publish them together. */
void virtq_put(struct virtio *v, unsigned n, unsigned number, uint16_t head, uint32_t written);
void virtq_publish(struct virtio *v, unsigned n, unsigned count);

#endif
