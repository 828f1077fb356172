/*
 * drv/vcons.c: virtio-console (virtio 1.2 5.3) over modern PCI with VIRTIO_CONSOLE_F_MULTIPORT.
 *
 * Port n has a receive and a transmit queue; the control queues announce ports and their names.
 * Interrupts by MSI-X, by the INTx line the firmware noted, or else found by a timer.
 * Transmit buffers: one page per port in a ring of 4 KiB, consumed in order.
 *
 * Not modelled: resize events, ports that come or go after the start (their names are taken when
 * they arrive, but a console that was opened before stays where it is), indirect descriptors.
 */
#include "partitions/root/drv/drv.h"
#include "partitions/root/kern/kern.h"
#include "abi/pci.h"
#include "abi/virtio.h"

#define VQ_SIZE   16u
#define VQ_BUFFER 128u /* receive and control buffers */
#define TX_CHUNK  4096u
#define POLL_NS   5000000ull

struct vq {
    uint16_t index, size, used_seen;
    volatile struct virtq_desc *desc;
    volatile struct virtq_avail *avail;
    volatile struct virtq_used *used;
    volatile uint16_t *notify;
    uint8_t *buffers;
    uint64_t buffers_pa;
};

struct vcons_port {
    bool added, open;
    char name[40];
    struct vq rx, tx;
};

static volatile struct virtio_pci_common *vc_common;
static volatile struct virtio_console_config *vc_config;
static volatile uint8_t *vc_notify;
static volatile uint8_t *vc_isr;
static uint32_t vc_notify_multiplier;
static bool vc_msix;
static unsigned vc_queues;
static struct vq vc_control_rx, vc_control_tx;
static struct vcons_port vc_port[VCONS_PORTS];
static struct ktimer vc_poll_timer;

static void vq_notify(struct vq *q)
{
    __asm__ volatile("mfence" : : : "memory");
    *q->notify = q->index;
}

/* One page: 16 descriptors (256 B), available ring, used ring at 1024; buffers behind. */
static bool vq_init(struct vq *q, unsigned index)
{
    vc_common->queue_select = (uint16_t)index;
    uint16_t size = vc_common->queue_size;
    uint64_t pa = mm_alloc_zeroed(), buffers = mm_alloc_zeroed();
    if (index >= vc_queues || !size || !pa || !buffers)
        return false;
    q->index = (uint16_t)index;
    q->size = size < VQ_SIZE ? size : VQ_SIZE;
    q->desc = phys_to_virt(pa);
    q->avail = phys_to_virt(pa + 512);
    q->used = phys_to_virt(pa + 1024);
    q->buffers = phys_to_virt(buffers);
    q->buffers_pa = buffers;
    q->notify = (volatile uint16_t *)(vc_notify +
                                      vc_common->queue_notify_off * vc_notify_multiplier);
    vc_common->queue_size = q->size;
    vc_common->queue_msix_vector = vc_msix ? 0 : VIRTIO_MSI_NO_VECTOR;
    vc_common->queue_desc_lo = (uint32_t)pa;
    vc_common->queue_desc_hi = (uint32_t)(pa >> 32);
    vc_common->queue_driver_lo = (uint32_t)(pa + 512);
    vc_common->queue_driver_hi = (uint32_t)((pa + 512) >> 32);
    vc_common->queue_device_lo = (uint32_t)(pa + 1024);
    vc_common->queue_device_hi = (uint32_t)((pa + 1024) >> 32);
    vc_common->queue_enable = 1;
    return true;
}

static void vq_post(struct vq *q, unsigned desc)
{
    uint16_t at = q->avail->idx;
    q->avail->ring[at % q->size] = (uint16_t)desc;
    __asm__ volatile("" : : : "memory");
    q->avail->idx = (uint16_t)(at + 1);
}

static void vq_fill(struct vq *q)
{
    for (unsigned i = 0; i < q->size; i++) {
        q->desc[i].addr = q->buffers_pa + i * VQ_BUFFER;
        q->desc[i].len = VQ_BUFFER;
        q->desc[i].flags = VIRTQ_DESC_WRITE;
        vq_post(q, i);
    }
    vq_notify(q);
}

/* Hands every received buffer to fn and gives it back to the device. */
static void vq_drain(struct vq *q, void (*fn)(void *arg, const uint8_t *data, size_t n), void *arg)
{
    bool any = false;
    while (q->used_seen != q->used->idx) {
        volatile struct virtq_used_elem *e = &q->used->ring[q->used_seen++ % q->size];
        unsigned id = e->id, n = e->len;
        if (id >= q->size)
            continue;
        fn(arg, q->buffers + id * VQ_BUFFER, n < VQ_BUFFER ? n : VQ_BUFFER);
        vq_post(q, id);
        any = true;
    }
    if (any)
        vq_notify(q);
}

static void vc_control_send(uint32_t id, uint16_t event, uint16_t value)
{
    struct vq *q = &vc_control_tx;
    unsigned slot = q->avail->idx % q->size;
    for (unsigned i = 0; i < 1000000 && (uint16_t)(q->avail->idx - q->used->idx) >= q->size; i++)
        __asm__ volatile("pause");
    struct virtio_console_control *c = (void *)(q->buffers + slot * VQ_BUFFER);
    *c = (struct virtio_console_control){id, event, value};
    q->desc[slot].addr = q->buffers_pa + slot * VQ_BUFFER;
    q->desc[slot].len = sizeof(*c);
    q->desc[slot].flags = 0;
    vq_post(q, slot);
    vq_notify(q);
}

static void vc_port_add(unsigned id)
{
    struct vcons_port *p = &vc_port[id];
    unsigned first = id ? 2 + 2 * id : 0;
    if (p->added)
        return;
    /* Queues were set up before DRIVER_OK for every port; here they come into use. */
    if (p->rx.index != first || !p->rx.size)
        return;
    p->added = true;
    vq_fill(&p->rx);
    vc_control_send(id, VIRTIO_CONSOLE_PORT_READY, 1);
}

static void vc_control(void *arg, const uint8_t *data, size_t n)
{
    (void)arg;
    struct virtio_console_control c;
    if (n < sizeof(c))
        return;
    memcpy(&c, data, sizeof(c));
    if (c.id >= VCONS_PORTS)
        return;
    struct vcons_port *p = &vc_port[c.id];
    switch (c.event) {
    case VIRTIO_CONSOLE_DEVICE_ADD:
        vc_port_add(c.id);
        break;
    case VIRTIO_CONSOLE_DEVICE_REMOVE:
        p->added = p->open = false;
        break;
    case VIRTIO_CONSOLE_PORT_NAME: {
        size_t len = n - sizeof(c);
        if (len >= sizeof(p->name))
            len = sizeof(p->name) - 1;
        memcpy(p->name, data + sizeof(c), len);
        p->name[len] = 0;
        break;
    }
    case VIRTIO_CONSOLE_CONSOLE_PORT:
        vc_control_send(c.id, VIRTIO_CONSOLE_PORT_OPEN, 1);
        break;
    default:
        break;
    }
}

static void vc_receive(void *arg, const uint8_t *data, size_t n)
{
    con_input((int)((struct vcons_port *)arg - vc_port), data, n);
}

static void vc_interrupt(void *arg)
{
    (void)arg;
    if (!vc_msix)
        (void)*vc_isr; /* reading acknowledges the line */
    vq_drain(&vc_control_rx, vc_control, 0);
    for (unsigned i = 0; i < VCONS_PORTS; i++)
        if (vc_port[i].added)
            vq_drain(&vc_port[i].rx, vc_receive, &vc_port[i]);
}

static void vc_poll(void *arg)
{
    vc_interrupt(arg);
    time_arm(&vc_poll_timer, time_now() + POLL_NS);
}

static bool vc_find_structures(const struct pci_device *d)
{
    pci_write16(d, PCI_COMMAND, pci_read16(d, PCI_COMMAND) | PCI_CMD_MEMORY | PCI_CMD_MASTER);
    for (unsigned cap = 0; (cap = pci_next_cap(d, PCI_CAP_VENDOR, cap));) {
        unsigned type = pci_read8(d, cap + 3);
        uint64_t at = pci_bar(d, pci_read8(d, cap + 4) % 6) + pci_read32(d, cap + 8);
        uint32_t length = pci_read32(d, cap + 12);
        if (type == VIRTIO_PCI_CAP_COMMON && !vc_common) {
            vc_common = vm_map_mmio(at, length);
        } else if (type == VIRTIO_PCI_CAP_NOTIFY && !vc_notify) {
            vc_notify = vm_map_mmio(at, length);
            vc_notify_multiplier = pci_read32(d, cap + 16);
        } else if (type == VIRTIO_PCI_CAP_ISR && !vc_isr) {
            vc_isr = vm_map_mmio(at, length);
        } else if (type == VIRTIO_PCI_CAP_DEVICE && !vc_config) {
            vc_config = vm_map_mmio(at, length);
        }
    }
    return vc_common && vc_notify && vc_isr && vc_config;
}

static bool vc_negotiate(void)
{
    vc_common->device_status = 0;
    while (vc_common->device_status)
        ;
    vc_common->device_status = VIRTIO_S_ACKNOWLEDGE;
    vc_common->device_status = VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER;
    vc_common->device_feature_select = 1;
    uint32_t high = vc_common->device_feature;
    vc_common->device_feature_select = 0;
    uint32_t low = vc_common->device_feature;
    if (!(high & VIRTIO_F_VERSION_1 >> 32) || !(low & VIRTIO_CONSOLE_F_MULTIPORT))
        return false;
    vc_common->driver_feature_select = 0;
    vc_common->driver_feature = (uint32_t)VIRTIO_CONSOLE_F_MULTIPORT;
    vc_common->driver_feature_select = 1;
    vc_common->driver_feature = (uint32_t)(VIRTIO_F_VERSION_1 >> 32);
    vc_common->device_status = VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER | VIRTIO_S_FEATURES_OK;
    return vc_common->device_status & VIRTIO_S_FEATURES_OK;
}

static void vc_route(const struct pci_device *d)
{
    vc_msix = pci_msix(d, VEC_MSI);
    if (vc_msix) {
        trap_handle(VEC_MSI, vc_interrupt, 0);
        return;
    }
    uint8_t line = pci_read8(d, PCI_INT_LINE);
    if (pci_read8(d, PCI_INT_PIN) && line && line < 24) {
        trap_handle(VEC_IRQ_BASE + line, vc_interrupt, 0);
        apic_ioapic_route_gsi(line, VEC_IRQ_BASE + line, line >= 16, line >= 16);
        return;
    }
    vc_poll_timer.fn = vc_poll;
    time_arm(&vc_poll_timer, time_now() + POLL_NS);
}

bool vcons_init(void)
{
    struct pci_device d;
    if (!pci_find(VIRTIO_PCI_VENDOR, VIRTIO_PCI_DEVICE_BASE + VIRTIO_ID_CONSOLE, &d) ||
        !vc_find_structures(&d) || !vc_negotiate())
        return false;
    vc_queues = vc_common->num_queues;
    vc_msix = pci_next_cap(&d, PCI_CAP_MSIX, 0) != 0;
    bool ok = vq_init(&vc_control_rx, 2) && vq_init(&vc_control_tx, 3);
    unsigned ports = vc_config->max_nr_ports;
    for (unsigned i = 0; ok && i < ports && i < VCONS_PORTS; i++) {
        unsigned first = i ? 2 + 2 * i : 0;
        ok = vq_init(&vc_port[i].rx, first) && vq_init(&vc_port[i].tx, first + 1);
    }
    if (!ok) {
        vc_common->device_status = VIRTIO_S_FAILED;
        return false;
    }
    vc_route(&d);
    vc_common->config_msix_vector = vc_msix ? 0 : VIRTIO_MSI_NO_VECTOR;
    vc_common->device_status = VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER | VIRTIO_S_FEATURES_OK |
                               VIRTIO_S_DRIVER_OK;
    vq_fill(&vc_control_rx);
    vc_control_send(0xffffffff, VIRTIO_CONSOLE_DEVICE_READY, 1);
    /* The announcements of the ports that exist come as answers to our messages: wait for a
     * silence of 1 ms, at most 50 ms. */
    uint64_t start = time_now(), last = start;
    while (time_now() - last < 1000000 && time_now() - start < 50000000) {
        uint16_t seen = vc_control_rx.used_seen;
        irq_off();
        vc_interrupt(0);
        irq_on();
        if (seen != vc_control_rx.used_seen)
            last = time_now();
        __asm__ volatile("pause");
    }
    return true;
}

int vcons_port(const char *name)
{
    for (int i = 0; i < VCONS_PORTS; i++) {
        if (!vc_port[i].added || strcmp(vc_port[i].name, name))
            continue;
        if (!vc_port[i].open)
            vc_control_send((uint32_t)i, VIRTIO_CONSOLE_PORT_OPEN, 1);
        vc_port[i].open = true;
        return i;
    }
    return -1;
}

bool vcons_idle(int port)
{
    struct vq *q = &vc_port[port].tx;
    return q->used->idx == q->avail->idx;
}

bool vcons_write(int port, const char *text, size_t n)
{
    struct vq *q = &vc_port[port].tx;
    /* One buffer of a page in flight: simple, and ordered by nature. */
    if (!vcons_idle(port) || n > TX_CHUNK)
        return false;
    memcpy(q->buffers, text, n);
    q->desc[0].addr = q->buffers_pa;
    q->desc[0].len = (uint32_t)n;
    q->desc[0].flags = 0;
    vq_post(q, 0);
    vq_notify(q);
    return true;
}
