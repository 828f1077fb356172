/*
 * devices/virtio/virtio.c: the modern PCI transport (virtio 1.2 4.1): capabilities, common
 * configuration, ISR, notifications, MSI-X (virtio.h).
 *
 * Once a queue is enabled its size and addresses stand until the driver resets the device, and
 * accepted features stand once FEATURES_OK was accepted (2.2, 4.1.4.3.2).
 * Not modelled: the legacy transport, access through PCI configuration space
 * (VIRTIO_PCI_CAP_PCI_CFG), reset of a single queue.
 */
#include "devices/virtio/virtio.h"

#include <string.h>

#include "abi/pci.h"
#include "devices/virtio/virtio_int.h"
#include "lib/log.h"

#define BAR_COMMON 0x0000
#define BAR_ISR    0x1000
#define BAR_DEVICE 0x2000
#define BAR_NOTIFY 0x3000
#define BAR_SIZE   0x4000

void virtio_notify(struct virtio *v, uint16_t vector, uint8_t isr)
{
    v->isr |= isr;
    pci_intx_set(&v->f, 1); /* not driven while MSI-X is enabled */
    pci_msix_send(&v->f, vector);
}

void virtio_config_changed(struct virtio *v)
{
    v->config_generation++;
    virtio_notify(v, v->config_vector, VIRTIO_ISR_CONFIG);
}

void virtio_break(struct virtio *v, const char *why)
{
    if (v->broken)
        return;
    LOG_GUEST("virtio", "%s: %s: device needs reset", v->cls->name, why);
    v->broken = 1;
    v->status |= VIRTIO_S_NEEDS_RESET;
    virtio_notify(v, v->config_vector, VIRTIO_ISR_CONFIG);
}

static void soft_reset(struct virtio *v)
{
    memset(v->q, 0, sizeof v->q);
    for (unsigned n = 0; n < VIRTIO_QUEUES_MAX; n++) {
        v->q[n].size = (uint16_t)v->setup.queue_size;
        v->q[n].vector = VIRTIO_MSI_NO_VECTOR;
    }
    v->driver_features = 0;
    v->config_vector = VIRTIO_MSI_NO_VECTOR;
    v->status = v->isr = v->broken = 0;
    v->queue_select = 0;
    pci_intx_set(&v->f, 0);
    if (v->cls->reset)
        v->cls->reset(v);
}

void virtio_reset(struct dev *d)
{
    soft_reset((struct virtio *)d);
    pci_func_reset((struct pci_func *)d);
}

/* ---- common configuration ---- */

#define AT(member) offsetof(struct virtio_pci_common, member)

static uint32_t half(uint64_t value, uint32_t select)
{
    return select < 2 ? (uint32_t)(value >> 32 * select) : 0;
}

static uint64_t queue_read(const struct virtio *v, unsigned off)
{
    static const struct virtq none = {.vector = VIRTIO_MSI_NO_VECTOR};
    const struct virtq *const q = v->queue_select < v->setup.queues ? &v->q[v->queue_select]
                                                                    : &none;
    switch (off) {
    case AT(queue_size):
        return q->size;
    case AT(queue_msix_vector):
        return q->vector;
    case AT(queue_enable):
        return q->enable;
    case AT(queue_notify_off):
        return v->queue_select;
    case AT(queue_desc_lo):
        return (uint32_t)q->desc;
    case AT(queue_desc_hi):
        return q->desc >> 32;
    case AT(queue_driver_lo):
        return (uint32_t)q->driver;
    case AT(queue_driver_hi):
        return q->driver >> 32;
    case AT(queue_device_lo):
        return (uint32_t)q->device;
    case AT(queue_device_hi):
        return q->device >> 32;
    default:
        return 0;
    }
}

static uint64_t common_read(const struct virtio *v, unsigned off)
{
    switch (off) {
    case AT(device_feature_select):
        return v->device_feature_select;
    case AT(device_feature):
        return half(v->setup.features, v->device_feature_select);
    case AT(driver_feature_select):
        return v->driver_feature_select;
    case AT(driver_feature):
        return half(v->driver_features, v->driver_feature_select);
    case AT(config_msix_vector):
        return v->config_vector;
    case AT(num_queues):
        return v->setup.queues;
    case AT(device_status):
        return v->status;
    case AT(config_generation):
        return v->config_generation;
    case AT(queue_select):
        return v->queue_select;
    default:
        return queue_read(v, off);
    }
}

static void status_write(struct virtio *v, uint8_t s)
{
    if (s == 0) {
        soft_reset(v);
        return;
    }
    if ((s & VIRTIO_S_FEATURES_OK) && !(v->status & VIRTIO_S_FEATURES_OK) &&
        ((v->driver_features & ~v->setup.features) || !virtio_has(v, VIRTIO_F_VERSION_1)))
        s &= (uint8_t)~VIRTIO_S_FEATURES_OK;
    v->status = (uint8_t)(s | (v->status & VIRTIO_S_NEEDS_RESET));
}

static void set_half(uint64_t *to, uint32_t select, uint64_t value)
{
    if (select == 0)
        *to = (*to & ~0xffffffffull) | (uint32_t)value;
    else if (select == 1)
        *to = (uint32_t)*to | value << 32;
}

static uint16_t vector_or_none(const struct virtio *v, uint64_t value)
{
    return value < v->setup.vectors ? (uint16_t)value : VIRTIO_MSI_NO_VECTOR;
}

static void queue_write(struct virtio *v, struct virtq *q, unsigned off, uint64_t value)
{
    if (off == AT(queue_msix_vector)) {
        q->vector = vector_or_none(v, value);
        return;
    }
    if (q->enable) {
        LOG_GUEST("virtio", "%s: register 0x%x of a live queue written", v->cls->name, off);
        return;
    }
    switch (off) {
    case AT(queue_size):
        if (value && value <= v->setup.queue_size && !(value & (value - 1)))
            q->size = (uint16_t)value;
        break;
    case AT(queue_enable):
        q->enable = value & 1;
        break;
    case AT(queue_desc_lo):
    case AT(queue_desc_hi):
        set_half(&q->desc, off == AT(queue_desc_hi), value);
        break;
    case AT(queue_driver_lo):
    case AT(queue_driver_hi):
        set_half(&q->driver, off == AT(queue_driver_hi), value);
        break;
    case AT(queue_device_lo):
    case AT(queue_device_hi):
        set_half(&q->device, off == AT(queue_device_hi), value);
        break;
    default:
        break;
    }
}

static void common_write(struct virtio *v, unsigned off, uint64_t value)
{
    switch (off) {
    case AT(device_feature_select):
        v->device_feature_select = (uint32_t)value;
        break;
    case AT(driver_feature_select):
        v->driver_feature_select = (uint32_t)value;
        break;
    case AT(driver_feature):
        if (!(v->status & VIRTIO_S_FEATURES_OK))
            set_half(&v->driver_features, v->driver_feature_select, value);
        break;
    case AT(config_msix_vector):
        v->config_vector = vector_or_none(v, value);
        break;
    case AT(device_status):
        status_write(v, (uint8_t)value);
        break;
    case AT(queue_select):
        v->queue_select = (uint16_t)value;
        break;
    default:
        if (v->queue_select < v->setup.queues)
            queue_write(v, &v->q[v->queue_select], off, value);
        break;
    }
}
#undef AT

/* ---- the BAR ---- */

static uint64_t bar_read(void *dev, uint64_t offset, unsigned size)
{
    struct virtio *const v = dev;
    uint64_t r = 0;
    if (offset < BAR_ISR)
        return common_read(v, (unsigned)offset);
    if (offset == BAR_ISR) {
        r = v->isr;
        v->isr = 0;
        pci_intx_set(&v->f, 0);
    } else if (offset >= BAR_DEVICE && offset - BAR_DEVICE + size <= v->setup.config_len) {
        memcpy(&r, (const uint8_t *)v->setup.config + (offset - BAR_DEVICE), size);
    }
    return r;
}

static void bar_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    struct virtio *const v = dev;
    if (offset < BAR_ISR) {
        common_write(v, (unsigned)offset, value);
    } else if (offset >= BAR_NOTIFY) {
        const unsigned n = (unsigned)(offset - BAR_NOTIFY) / 4;
        if (n < v->setup.queues)
            v->cls->kick(v, n);
    } else if (offset >= BAR_DEVICE && offset - BAR_DEVICE + size <= v->setup.config_len &&
               v->cls->config_write) {
        v->cls->config_write(v, (unsigned)(offset - BAR_DEVICE), size, value);
    }
}
static const struct bus_ops bar_ops = {bar_read, bar_write, 4};

/* ---- building ---- */

static void add_caps(struct virtio *v)
{
    const struct {
        uint8_t type;
        uint32_t offset, length;
    } part[] = {
        {VIRTIO_PCI_CAP_COMMON, BAR_COMMON, sizeof(struct virtio_pci_common)},
        {VIRTIO_PCI_CAP_ISR, BAR_ISR, 1},
        {VIRTIO_PCI_CAP_DEVICE, BAR_DEVICE, v->setup.config_len},
        {VIRTIO_PCI_CAP_NOTIFY, BAR_NOTIFY, 4 * VIRTIO_QUEUES_MAX},
    };
    for (unsigned i = 0; i < sizeof part / sizeof part[0]; i++) {
        const uint32_t multiplier = 4;
        const bool is_notify = part[i].type == VIRTIO_PCI_CAP_NOTIFY;
        struct virtio_pci_cap c = {
            .cfg_type = part[i].type, .bar = 4, .offset = part[i].offset, .length = part[i].length};
        uint8_t body[sizeof c + 4];
        if (!part[i].length)
            continue;
        c.cap_len = (uint8_t)(sizeof c + (is_notify ? sizeof multiplier : 0));
        memcpy(body, &c, sizeof c);
        memcpy(body + sizeof c, &multiplier, sizeof multiplier);
        pci_add_cap(&v->f, PCI_CAP_VENDOR, body + 2, (uint8_t)(c.cap_len - 2));
    }
}

void virtio_init(struct virtio *v, const struct virtio_class *cls, const struct virtio_setup *setup,
                 const struct dma *dma, const struct msi_sink *msi)
{
    VASSERT(setup->queues <= VIRTIO_QUEUES_MAX && setup->queue_size <= VIRTQ_SIZE_MAX &&
            setup->vectors <= PCI_MSIX_VECTORS);
    v->cls = cls;
    v->setup = *setup;
    if (dma->filter)
        v->setup.features |= VIRTIO_F_ACCESS_PLATFORM;
    v->f.dma = *dma;
    v->f.msi = *msi;
    pci_func_init(&v->f, VIRTIO_PCI_VENDOR, (uint16_t)(VIRTIO_PCI_DEVICE_BASE + setup->id),
                  setup->class_rev, VIRTIO_PCI_VENDOR, 0x1100);
    pci_add_intx(&v->f, 1);
    pci_add_msix(&v->f, 1, (uint16_t)setup->vectors);
    add_caps(v);
    pci_add_bar64(&v->f, 4, BAR_SIZE, &bar_ops);
}
