/*
 * devices/serial/vcons.c: virtio-console (vcons.h; virtio 1.2: 2.7 split queues, 4.1 PCI, 5.3).
 *
 * BAR 0 holds the four structures of the modern transport, BAR 2 the MSI-X table. Queues are worked
 * off inside the notify write, so output order is program order. Control messages that the device
 * wants to send are bits per port, not a list: they cannot overflow, and they wait until the driver
 * has given a buffer.
 * Not modelled: INTx, the configuration-access capability, indirect descriptors, event index,
 * console size, emergency write.
 */
#include "devices/serial/vcons.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/pci.h"
#include "abi/virtio.h"
#include "lib/log.h"

#define QUEUES_MAX  (2 * VCONS_PORTS_MAX + 2)
#define QUEUE_SIZE  128
#define SOURCE_MAX  64
#define AT_COMMON   0x0000u
#define AT_ISR      0x1000u
#define AT_DEVICE   0x2000u
#define AT_NOTIFY   0x3000u
#define BAR0_SIZE   0x4000u
#define NOTIFY_MUL  4u
#define CTL_RX      2
#define CTL_TX      3
#define FEATURES    (VIRTIO_F_VERSION_1 | VIRTIO_CONSOLE_F_MULTIPORT)

/* Control messages waiting to be sent, in sending order. */
enum { SEND_ADD = 1, SEND_CONSOLE = 2, SEND_NAME = 4, SEND_OPEN = 8 };

struct vcons;

struct port {
    struct vcons *v;
    unsigned n;
    const char *name;
    char source[SOURCE_MAX];
};

struct vcons {
    struct pci_func f;
    /* configuration and wiring */
    struct board_port board;
    struct port port[VCONS_PORTS_MAX];
    unsigned ports, queues;
    /* state */
    uint32_t feature_select, driver_feature_select;
    uint64_t driver_features;
    uint16_t config_vector, queue_select;
    uint8_t status, isr;
    uint16_t q_size[QUEUES_MAX], q_vector[QUEUES_MAX], q_enable[QUEUES_MAX];
    uint16_t q_seen[QUEUES_MAX], q_used[QUEUES_MAX]; /* next of the available and used ring */
    uint64_t q_desc[QUEUES_MAX], q_driver[QUEUES_MAX], q_device[QUEUES_MAX];
    uint8_t send[VCONS_PORTS_MAX]; /* SEND_* */
    uint8_t open[VCONS_PORTS_MAX]; /* the guest has opened the port */
};

static const struct field fields[] = {
    PCI_FUNC_FIELDS,
    FIELD(struct vcons, feature_select, 0, "device_feature_select"),
    FIELD(struct vcons, driver_feature_select, 0, "driver_feature_select"),
    FIELD(struct vcons, driver_features, 0, "what the driver accepted"),
    FIELD(struct vcons, config_vector, VIRTIO_MSI_NO_VECTOR, "config_msix_vector"),
    FIELD(struct vcons, queue_select, 0, "queue_select"),
    FIELD(struct vcons, status, 0, "device_status"),
    FIELD(struct vcons, isr, 0, "interrupt status"),
    FIELD_ARRAY(struct vcons, q_size, QUEUE_SIZE, "queue_size"),
    FIELD_ARRAY(struct vcons, q_vector, VIRTIO_MSI_NO_VECTOR, "queue_msix_vector"),
    FIELD_ARRAY(struct vcons, q_enable, 0, "queue_enable"),
    FIELD_ARRAY(struct vcons, q_seen, 0, "available entries taken"),
    FIELD_ARRAY(struct vcons, q_used, 0, "used entries given"),
    FIELD_ARRAY(struct vcons, q_desc, 0, "descriptor table"),
    FIELD_ARRAY(struct vcons, q_driver, 0, "available ring"),
    FIELD_ARRAY(struct vcons, q_device, 0, "used ring"),
    FIELD_ARRAY(struct vcons, send, 0, "control messages due"),
    FIELD_ARRAY(struct vcons, open, 0, "opened by the guest"),
    FIELD_END,
};

/* ---- split virtqueues ---- */

struct chain {
    uint16_t head, count;
    struct virtq_desc desc[QUEUE_SIZE];
};

static void broken(struct vcons *v, unsigned q, const char *what)
{
    LOG_GUEST("vcons", "queue %u: %s", q, what);
    v->status |= VIRTIO_S_NEEDS_RESET;
}

static bool queue_ready(const struct vcons *v, unsigned q)
{
    return q < v->queues && v->q_enable[q] && (v->status & VIRTIO_S_DRIVER_OK) &&
           !(v->status & VIRTIO_S_NEEDS_RESET);
}

/* The next available chain, without taking it. */
static bool queue_peek(struct vcons *v, unsigned q, struct chain *c)
{
    uint16_t idx, next;
    if (!queue_ready(v, q) || !dma_read(&v->f.dma, (iova_t){v->q_driver[q] + 2}, &idx, 2) ||
        idx == v->q_seen[q])
        return false;
    const uint64_t slot = v->q_driver[q] + 4 + 2 * (uint64_t)(v->q_seen[q] % v->q_size[q]);
    if (!dma_read(&v->f.dma, (iova_t){slot}, &next, 2))
        next = UINT16_MAX;
    c->head = next;
    for (c->count = 0; c->count < v->q_size[q];) {
        struct virtq_desc *d = &c->desc[c->count++];
        if (next >= v->q_size[q] ||
            !dma_read(&v->f.dma, (iova_t){v->q_desc[q] + 16ull * next}, d, sizeof *d) ||
            (d->flags & VIRTQ_DESC_INDIRECT))
            break;
        if (!(d->flags & VIRTQ_DESC_NEXT))
            return true;
        next = d->next;
    }
    broken(v, q, "bad descriptor chain");
    return false;
}

static void queue_done(struct vcons *v, unsigned q, const struct chain *c, uint32_t written)
{
    const struct virtq_used_elem e = {c->head, written};
    const uint64_t slot = v->q_device[q] + 4 + 8 * (uint64_t)(v->q_used[q] % v->q_size[q]);
    v->q_seen[q]++;
    v->q_used[q]++;
    if (!dma_write(&v->f.dma, (iova_t){slot}, &e, sizeof e) ||
        !dma_write(&v->f.dma, (iova_t){v->q_device[q] + 2}, &v->q_used[q], 2))
        broken(v, q, "used ring is not memory");
}

static void queue_interrupt(struct vcons *v, unsigned q)
{
    uint16_t flags = 0;
    dma_read(&v->f.dma, (iova_t){v->q_driver[q]}, &flags, 2);
    if (flags & VIRTQ_AVAIL_NO_INTERRUPT)
        return;
    v->isr |= VIRTIO_ISR_QUEUE;
    pci_msix_send(&v->f, v->q_vector[q]);
}

/* Put bytes into one chain of a receive queue; how many went in, 0 when there is no buffer. */
static size_t queue_put(struct vcons *v, unsigned q, const uint8_t *bytes, size_t len)
{
    struct chain c;
    size_t done = 0;
    if (!len || !queue_peek(v, q, &c))
        return 0;
    for (unsigned i = 0; i < c.count && done < len; i++) {
        const size_t room = c.desc[i].len < len - done ? c.desc[i].len : len - done;
        if (!(c.desc[i].flags & VIRTQ_DESC_WRITE) ||
            !dma_write(&v->f.dma, (iova_t){c.desc[i].addr}, bytes + done, room)) {
            broken(v, q, "receive buffer is not writable");
            return 0;
        }
        done += room;
    }
    queue_done(v, q, &c, (uint32_t)done);
    return done;
}

/* ---- control ---- */

static bool send_one(struct vcons *v, unsigned n, uint16_t event, uint16_t value)
{
    uint8_t msg[sizeof(struct virtio_console_control) + SOURCE_MAX];
    const struct virtio_console_control head = {n, event, value};
    size_t len = sizeof head;
    memcpy(msg, &head, sizeof head);
    if (event == VIRTIO_CONSOLE_PORT_NAME) {
        const size_t name = strlen(v->port[n].name);
        memcpy(msg + len, v->port[n].name, name);
        len += name;
    }
    return queue_put(v, CTL_RX, msg, len) == len;
}

static void control_flush(struct vcons *v)
{
    static const struct {
        uint8_t bit;
        uint16_t event, value;
    } order[] = {
        {SEND_ADD, VIRTIO_CONSOLE_DEVICE_ADD, 1},
        {SEND_CONSOLE, VIRTIO_CONSOLE_CONSOLE_PORT, 1},
        {SEND_NAME, VIRTIO_CONSOLE_PORT_NAME, 1},
        {SEND_OPEN, VIRTIO_CONSOLE_PORT_OPEN, 1},
    };
    bool sent = false;
    for (unsigned n = 0; n < v->ports; n++) {
        for (unsigned i = 0; i < sizeof order / sizeof order[0] && v->send[n]; i++) {
            if (!(v->send[n] & order[i].bit))
                continue;
            if (!send_one(v, n, order[i].event, order[i].value))
                goto out;
            v->send[n] &= (uint8_t)~order[i].bit;
            sent = true;
        }
    }
out:
    if (sent)
        queue_interrupt(v, CTL_RX);
}

static void control_receive(struct vcons *v, const struct virtio_console_control *m)
{
    if (m->event == VIRTIO_CONSOLE_DEVICE_READY) {
        for (unsigned n = 0; n < v->ports && m->value; n++)
            v->send[n] |= SEND_ADD;
        return;
    }
    if (m->id >= v->ports) {
        LOG_GUEST("vcons", "control message %u for port %u", m->event, m->id);
        return;
    }
    if (m->event == VIRTIO_CONSOLE_PORT_READY && m->value)
        v->send[m->id] |= (uint8_t)(SEND_NAME | SEND_OPEN | (m->id == 0 ? SEND_CONSOLE : 0));
    else if (m->event == VIRTIO_CONSOLE_PORT_OPEN)
        v->open[m->id] = m->value != 0;
}

/* ---- transmit ---- */

static unsigned queue_port(unsigned q)
{
    return q < 2 ? 0 : q / 2 - 1;
}

static void transmit_desc(struct vcons *v, unsigned q, const struct virtq_desc *d)
{
    uint8_t buf[512];
    for (uint32_t at = 0; at < d->len;) {
        const uint32_t n = d->len - at < sizeof buf ? d->len - at : (uint32_t)sizeof buf;
        if ((d->flags & VIRTQ_DESC_WRITE) ||
            !dma_read(&v->f.dma, (iova_t){d->addr + at}, buf, n)) {
            broken(v, q, "transmit buffer is not readable");
            return;
        }
        if (q == CTL_TX) {
            struct virtio_console_control m;
            if (n >= sizeof m) {
                memcpy(&m, buf, sizeof m);
                control_receive(v, &m);
            }
            return;
        }
        v->board.output(v->board.opaque, v->port[queue_port(q)].source, buf, n);
        at += n;
    }
}

static void queue_notified(struct vcons *v, unsigned q)
{
    struct chain c;
    bool any = false;
    if (q & 1) {
        /* at most what one ring can hold, so that a guest cannot keep us here */
        for (unsigned i = 0; i < QUEUE_SIZE && queue_peek(v, q, &c); i++) {
            for (unsigned d = 0; d < c.count; d++)
                transmit_desc(v, q, &c.desc[d]);
            queue_done(v, q, &c, 0);
            any = true;
        }
        if (any)
            queue_interrupt(v, q);
    }
    if (q == CTL_RX || q == CTL_TX)
        control_flush(v);
}

/* ---- input ---- */

static size_t accept(void *opaque, const uint8_t *bytes, size_t len)
{
    struct port *p = opaque;
    struct vcons *v = p->v;
    const unsigned q = p->n ? 2 + 2 * p->n : 0;
    const bool multiport = v->driver_features & VIRTIO_CONSOLE_F_MULTIPORT;
    size_t done = 0;
    if (!queue_ready(v, q) || (multiport && !v->open[p->n]))
        return 0;
    for (size_t n; (n = queue_put(v, q, bytes + done, len - done)) != 0;)
        done += n;
    if (done)
        queue_interrupt(v, q);
    return done;
}

/* ---- PCI transport: BAR 0 ---- */

static void device_reset(struct vcons *v)
{
    for (const struct field *f = fields; f->name; f++) {
        if (f->offset >= offsetof(struct vcons, feature_select)) {
            const struct field one[] = {*f, FIELD_END};
            fields_reset(v, one);
        }
    }
}

static void fill_common(const struct vcons *v, struct virtio_pci_common *c)
{
    const unsigned q = v->queue_select;
    *c = (struct virtio_pci_common){
        .device_feature_select = v->feature_select,
        .device_feature = v->feature_select < 2 ? (uint32_t)(FEATURES >> 32 * v->feature_select) : 0,
        .driver_feature_select = v->driver_feature_select,
        .driver_feature = v->driver_feature_select < 2
                              ? (uint32_t)(v->driver_features >> 32 * v->driver_feature_select)
                              : 0,
        .config_msix_vector = v->config_vector,
        .num_queues = (uint16_t)v->queues,
        .device_status = v->status,
        .queue_select = v->queue_select,
    };
    if (q >= v->queues)
        return;
    c->queue_size = v->q_size[q];
    c->queue_msix_vector = v->q_vector[q];
    c->queue_enable = v->q_enable[q];
    c->queue_notify_off = (uint16_t)q;
    c->queue_desc_lo = (uint32_t)v->q_desc[q];
    c->queue_desc_hi = (uint32_t)(v->q_desc[q] >> 32);
    c->queue_driver_lo = (uint32_t)v->q_driver[q];
    c->queue_driver_hi = (uint32_t)(v->q_driver[q] >> 32);
    c->queue_device_lo = (uint32_t)v->q_device[q];
    c->queue_device_hi = (uint32_t)(v->q_device[q] >> 32);
}

static uint64_t bar_read(void *dev, uint64_t offset, unsigned size)
{
    struct vcons *v = dev;
    uint64_t r = 0;
    if (offset + size <= sizeof(struct virtio_pci_common)) {
        struct virtio_pci_common c;
        fill_common(v, &c);
        memcpy(&r, (const uint8_t *)&c + offset, size);
    } else if (offset == AT_ISR) {
        r = v->isr;
        v->isr = 0;
    } else if (offset >= AT_DEVICE && offset + size <= AT_DEVICE + 12) {
        const struct virtio_console_config c = {80, 25, v->ports, 0};
        memcpy(&r, (const uint8_t *)&c + (offset - AT_DEVICE), size);
    }
    return r;
}

static void write_status(struct vcons *v, uint8_t s)
{
    if (!s) {
        device_reset(v);
        return;
    }
    if ((s & VIRTIO_S_FEATURES_OK) && !(v->status & VIRTIO_S_FEATURES_OK) &&
        ((v->driver_features & ~FEATURES) || !(v->driver_features & VIRTIO_F_VERSION_1)))
        s &= (uint8_t)~VIRTIO_S_FEATURES_OK;
    v->status = s | (v->status & VIRTIO_S_NEEDS_RESET);
}

static void set_half(uint64_t *v, bool high, uint32_t value)
{
    *v = high ? (*v & UINT32_MAX) | (uint64_t)value << 32 : (*v & ~(uint64_t)UINT32_MAX) | value;
}

static void write_queue(struct vcons *v, unsigned offset, uint32_t value)
{
    const unsigned q = v->queue_select;
    if (q >= v->queues)
        return;
    switch (offset) {
    case offsetof(struct virtio_pci_common, queue_size):
        if (value && value <= QUEUE_SIZE && !(value & (value - 1)))
            v->q_size[q] = (uint16_t)value;
        break;
    case offsetof(struct virtio_pci_common, queue_msix_vector):
        v->q_vector[q] = value < v->f.msix_count ? (uint16_t)value : VIRTIO_MSI_NO_VECTOR;
        break;
    case offsetof(struct virtio_pci_common, queue_enable):
        v->q_enable[q] = value & 1;
        break;
    case offsetof(struct virtio_pci_common, queue_desc_lo):
    case offsetof(struct virtio_pci_common, queue_desc_hi):
        set_half(&v->q_desc[q], offset & 4, value);
        break;
    case offsetof(struct virtio_pci_common, queue_driver_lo):
    case offsetof(struct virtio_pci_common, queue_driver_hi):
        set_half(&v->q_driver[q], offset & 4, value);
        break;
    case offsetof(struct virtio_pci_common, queue_device_lo):
    case offsetof(struct virtio_pci_common, queue_device_hi):
        set_half(&v->q_device[q], offset & 4, value);
        break;
    default:
        break;
    }
}

_Static_assert(offsetof(struct virtio_pci_common, queue_desc_lo) % 8 == 0, "set_half");

static void write_common(struct vcons *v, unsigned offset, uint32_t value)
{
    switch (offset) {
    case offsetof(struct virtio_pci_common, device_feature_select):
        v->feature_select = value;
        break;
    case offsetof(struct virtio_pci_common, driver_feature_select):
        v->driver_feature_select = value;
        break;
    case offsetof(struct virtio_pci_common, driver_feature):
        if (v->driver_feature_select < 2 && !(v->status & VIRTIO_S_FEATURES_OK))
            set_half(&v->driver_features, v->driver_feature_select, value);
        break;
    case offsetof(struct virtio_pci_common, config_msix_vector):
        v->config_vector = value < v->f.msix_count ? (uint16_t)value : VIRTIO_MSI_NO_VECTOR;
        break;
    case offsetof(struct virtio_pci_common, device_status):
        write_status(v, (uint8_t)value);
        break;
    case offsetof(struct virtio_pci_common, queue_select):
        v->queue_select = (uint16_t)value;
        break;
    default:
        write_queue(v, offset, value);
        break;
    }
}

static void bar_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    struct vcons *v = dev;
    (void)size;
    if (offset < sizeof(struct virtio_pci_common))
        write_common(v, (unsigned)offset, (uint32_t)value);
    else if (offset >= AT_NOTIFY)
        queue_notified(v, (unsigned)(offset - AT_NOTIFY) / NOTIFY_MUL);
}

static const struct bus_ops bar_ops = {bar_read, bar_write, 4};

/* ---- life ---- */

static void vcons_reset(struct dev *d)
{
    pci_func_reset((struct pci_func *)d);
}

static void vcons_free(struct dev *d)
{
    free(d);
}

static const struct dev_class vcons_class = {"virtio-console", fields, vcons_reset, vcons_free};

static void add_virtio_cap(struct pci_func *f, uint8_t type, uint32_t at, uint32_t len)
{
    struct {
        struct virtio_pci_cap cap;
        uint32_t multiplier;
    } c = {{0}, NOTIFY_MUL};
    const uint8_t size =
        type == VIRTIO_PCI_CAP_NOTIFY ? (uint8_t)sizeof c : (uint8_t)sizeof c.cap;
    c.cap = (struct virtio_pci_cap){.cap_len = size, .cfg_type = type, .offset = at, .length = len};
    pci_add_cap(f, PCI_CAP_VENDOR, (const uint8_t *)&c + 2, (uint8_t)(size - 2));
}

static bool add_port(struct vcons *v, struct input *input, unsigned n, const char *name)
{
    struct port *p = &v->port[n];
    *p = (struct port){.v = v, .n = n, .name = name};
    if (snprintf(p->source, sizeof p->source, "console/%s", name) >= (int)sizeof p->source)
        return false;
    const struct input_sink sink = {p->source, accept, p};
    return input_add_sink(input, &sink) >= 0;
}

struct pci_func *vcons_new(struct input *input, const struct dma *dma, const struct msi_sink *msi,
                           const struct board_port *board, const char *const *ports,
                           unsigned port_count)
{
    if (!port_count || port_count > VCONS_PORTS_MAX)
        return NULL;
    struct vcons *v = calloc(1, sizeof *v);
    if (!v)
        return NULL;
    v->f.dev = (struct dev){.cls = &vcons_class, .id = "virtio-console"};
    v->f.dma = *dma;
    v->f.msi = *msi;
    v->board = *board;
    v->ports = port_count;
    v->queues = 2 * port_count + 2;
    for (unsigned n = 0; n < port_count; n++) {
        if (!add_port(v, input, n, ports[n])) {
            free(v);
            return NULL;
        }
    }
    pci_func_init(&v->f, VIRTIO_PCI_VENDOR, VIRTIO_PCI_DEVICE_BASE + VIRTIO_ID_CONSOLE, 0x07800001,
                  VIRTIO_PCI_VENDOR, 0x1100);
    pci_add_bar64(&v->f, 0, BAR0_SIZE, &bar_ops);
    add_virtio_cap(&v->f, VIRTIO_PCI_CAP_COMMON, AT_COMMON, sizeof(struct virtio_pci_common));
    add_virtio_cap(&v->f, VIRTIO_PCI_CAP_ISR, AT_ISR, 1);
    add_virtio_cap(&v->f, VIRTIO_PCI_CAP_DEVICE, AT_DEVICE, sizeof(struct virtio_console_config));
    add_virtio_cap(&v->f, VIRTIO_PCI_CAP_NOTIFY, AT_NOTIFY, v->queues * NOTIFY_MUL);
    pci_add_msix(&v->f, 2, (uint16_t)(v->queues + 1));
    return &v->f;
}
