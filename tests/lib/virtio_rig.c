/* tests/lib/virtio_rig.c: see virtio_rig.h. */
#include "tests/lib/virtio_rig.h"

#include <check.h>
#include <string.h>

#include "abi/pci.h"

static void message(void *opaque, uint16_t rid, uint64_t address, uint32_t data)
{
    struct vrig *r = opaque;
    (void)rid, (void)address;
    r->messages[data >> 8 & 7][data & 63]++;
}

static void request(void *opaque, enum board_request what, uint32_t value)
{
    (void)opaque;
    (void)what;
    (void)value;
}
static void output(void *opaque, const char *source, const void *bytes, size_t len)
{
    (void)opaque;
    (void)source;
    (void)bytes;
    (void)len;
}

void vrig_new(struct vrig *r)
{
    const struct board_port board = {request, output, NULL};
    memset(r, 0, sizeof *r);
    r->bus = bus_new();
    r->clock = clock_new();
    r->in = input_new();
    r->ram = ram_new(VRIG_RAM);
    r->dma.ram = r->ram;
    r->msi = (struct msi_sink){.send = message, .opaque = r};
    r->host = pci_host_new(r->bus, &board);
    dev_reset(pci_host_dev(r->host));
}

void vrig_free(struct vrig *r)
{
    struct dev *host = pci_host_dev(r->host);
    host->cls->free(host);
    ram_free(r->ram);
    input_free(r->in);
    clock_free(r->clock);
    bus_free(r->bus);
}

void vrig_set(struct vrig *r, uint64_t at, unsigned size, uint64_t v)
{
    bus_mmio_write(r->bus, hpa(at), size, v);
}
uint64_t vrig_get(struct vrig *r, uint64_t at, unsigned size)
{
    return bus_mmio_read(r->bus, hpa(at), size);
}
void vrig_put(struct vrig *r, uint64_t at, const void *bytes, size_t len)
{
    ck_assert(ram_write(r->ram, hpa(at), bytes, len));
}
void vrig_read(struct vrig *r, uint64_t at, void *bytes, size_t len)
{
    ck_assert(ram_read(r->ram, hpa(at), bytes, len));
}
uint16_t vrig_get16(struct vrig *r, uint64_t at)
{
    uint16_t v;
    vrig_read(r, at, &v, 2);
    return v;
}
void vrig_put16(struct vrig *r, uint64_t at, uint16_t v)
{
    vrig_put(r, at, &v, 2);
}

static uint64_t cfg_at(const struct vdev *d, unsigned reg)
{
    return PCI_ECAM_BASE + PCI_ECAM(0, d->slot, 0, reg);
}

/* Address of the virtio structure of this type; 0: the device has none. */
static uint64_t find(struct vdev *d, uint8_t type)
{
    for (unsigned at = (unsigned)vrig_get(d->r, cfg_at(d, PCI_CAP_PTR), 1); at;
         at = (unsigned)vrig_get(d->r, cfg_at(d, at + 1), 1)) {
        const unsigned id = (unsigned)vrig_get(d->r, cfg_at(d, at), 1);
        const unsigned bar = (unsigned)vrig_get(d->r, cfg_at(d, at + 4), 1);
        if (id == PCI_CAP_MSIX && type == 0) {
            vrig_set(d->r, cfg_at(d, at + 2), 2, PCI_MSIX_CTRL_ENABLE);
            return PCI_MMIO_BASE + ((uint64_t)d->slot << 20) + 0x10000ull * bar;
        }
        if (id == PCI_CAP_VENDOR && vrig_get(d->r, cfg_at(d, at + 3), 1) == type)
            return PCI_MMIO_BASE + ((uint64_t)d->slot << 20) + 0x10000ull * bar +
                   vrig_get(d->r, cfg_at(d, at + 8), 4);
    }
    return 0;
}

void vdev_plug(struct vdev *d, struct vrig *r, struct pci_func *f, unsigned slot)
{
    *d = (struct vdev){.r = r, .f = f, .slot = slot};
    ck_assert_int_eq(pci_host_plug(r->host, f, (uint8_t)(slot << 3)), 0);
    dev_reset(&f->dev);
    for (unsigned bar = 0; bar < 6; bar++) {
        if (!f->bar[bar].size)
            continue;
        vrig_set(r, cfg_at(d, PCI_BAR0 + 4 * bar), 4,
                 PCI_MMIO_BASE + ((uint64_t)slot << 20) + 0x10000ull * bar);
        vrig_set(r, cfg_at(d, PCI_BAR0 + 4 * bar + 4), 4, 0);
    }
    vrig_set(r, cfg_at(d, PCI_COMMAND), 2, PCI_CMD_MEMORY | PCI_CMD_MASTER);
    d->msix = find(d, 0);
    d->common = find(d, VIRTIO_PCI_CAP_COMMON);
    d->notify = find(d, VIRTIO_PCI_CAP_NOTIFY);
    d->isr = find(d, VIRTIO_PCI_CAP_ISR);
    d->device = find(d, VIRTIO_PCI_CAP_DEVICE);
    for (unsigned v = 0; v < f->msix_count; v++) {
        vrig_set(r, d->msix + 16 * v, 4, MSI_ADDR_BASE);
        vrig_set(r, d->msix + 16 * v + 8, 4, slot << 8 | v);
        vrig_set(r, d->msix + 16 * v + 12, 4, 0);
    }
}

uint64_t vdev_ring(const struct vdev *d, unsigned q)
{
    return 0x100000ull + 0x20000ull * d->slot + 0x4000ull * q;
}

uint8_t vdev_status(const struct vdev *d)
{
    return (uint8_t)vrig_get(d->r, VREG(d, device_status), 1);
}

unsigned vdev_messages(const struct vdev *d, unsigned vector)
{
    return d->r->messages[d->slot][vector];
}

void vdev_start(struct vdev *d, uint64_t features, unsigned queues)
{
    static const uint8_t zero[0x4000];
    struct vrig *const r = d->r;
    vrig_set(r, VREG(d, device_status), 1, 0);
    vrig_set(r, VREG(d, device_status), 1, VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER);
    for (unsigned half = 0; half < 2; half++) {
        vrig_set(r, VREG(d, driver_feature_select), 4, half);
        vrig_set(r, VREG(d, driver_feature), 4, (uint32_t)(features >> 32 * half));
    }
    vrig_set(r, VREG(d, device_status), 1,
             VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER | VIRTIO_S_FEATURES_OK);
    ck_assert(vdev_status(d) & VIRTIO_S_FEATURES_OK);
    vrig_set(r, VREG(d, config_msix_vector), 2, queues < d->f->msix_count ? queues : 0);
    for (unsigned q = 0; q < queues; q++) {
        vrig_put(r, vdev_ring(d, q), zero, sizeof zero);
        d->next_desc[q] = d->seen[q] = 0;
        vrig_set(r, VREG(d, queue_select), 2, q);
        vrig_set(r, VREG(d, queue_size), 2, VRIG_QUEUE);
        vrig_set(r, VREG(d, queue_desc_lo), 4, vdev_ring(d, q));
        vrig_set(r, VREG(d, queue_driver_lo), 4, vdev_ring(d, q) + 0x1000);
        vrig_set(r, VREG(d, queue_device_lo), 4, vdev_ring(d, q) + 0x2000);
        vrig_set(r, VREG(d, queue_msix_vector), 2, q);
        vrig_set(r, VREG(d, queue_enable), 2, 1);
    }
    vrig_set(r, VREG(d, device_status), 1,
             VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER | VIRTIO_S_FEATURES_OK | VIRTIO_S_DRIVER_OK);
}

void vdev_desc(struct vdev *d, unsigned q, unsigned n, uint64_t addr, uint32_t len, uint16_t flags,
               uint16_t next)
{
    const struct virtq_desc e = {addr, len, flags, next};
    vrig_put(d->r, vdev_ring(d, q) + 16ull * n, &e, sizeof e);
}

void vdev_offer(struct vdev *d, unsigned q, uint16_t head)
{
    const uint64_t avail = vdev_ring(d, q) + 0x1000;
    const uint16_t idx = vrig_get16(d->r, avail + 2);
    vrig_put16(d->r, avail + 4 + 2 * (idx % VRIG_QUEUE), head);
    vrig_put16(d->r, avail + 2, (uint16_t)(idx + 1));
}

void vdev_kick(struct vdev *d, unsigned q)
{
    vrig_set(d->r, d->notify + 4 * q, 2, q);
}

uint16_t vdev_chain(struct vdev *d, unsigned q, uint64_t out, uint32_t out_len, uint64_t in,
                    uint32_t in_len)
{
    const uint16_t head = d->next_desc[q];
    const uint16_t second = (uint16_t)((head + 1) % VRIG_QUEUE);
    const bool both = out_len && in_len;
    d->next_desc[q] = (uint16_t)((head + 1 + both) % VRIG_QUEUE);
    if (out_len)
        vdev_desc(d, q, head, out, out_len, both ? VIRTQ_DESC_NEXT : 0, second);
    if (in_len)
        vdev_desc(d, q, both ? second : head, in, in_len, VIRTQ_DESC_WRITE, 0);
    vdev_offer(d, q, head);
    vdev_kick(d, q);
    return head;
}

bool vdev_used(struct vdev *d, unsigned q, struct virtq_used_elem *e)
{
    const uint64_t used = vdev_ring(d, q) + 0x2000;
    if (vrig_get16(d->r, used + 2) == d->seen[q])
        return false;
    vrig_read(d->r, used + 4 + 8ull * (d->seen[q] % VRIG_QUEUE), e, sizeof *e);
    d->seen[q]++;
    return true;
}
