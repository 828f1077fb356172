/*
 * devices/serial/vcons.c: virtio-console (vcons.h): modern PCI transport in BAR 4 (common, ISR,
 * device, notify at 4 KiB each), MSI-X in BAR 1, split queues without indirect or event index.
 *
 * Queues: 0/1 receive/transmit of port 0, 2/3 control, then two for each further port. Every index
 * and length that the guest wrote is bounded; a chain that makes no sense stops the queue
 * (NEEDS_RESET). Not modelled: legacy transport, INTx, resize, emergency write.
 */
#include "devices/serial/vcons.h"

#include <stdlib.h>
#include <string.h>

#include "abi/pci.h"
#include "abi/virtio.h"
#include "lib/log.h"

#define QUEUE_SIZE  128
#define QUEUES      (2 * (VCONS_PORTS_MAX + 1))
#define BAR_COMMON  0x0000
#define BAR_ISR     0x1000
#define BAR_DEVICE  0x2000
#define BAR_NOTIFY  0x3000
#define FEATURES    (VIRTIO_F_VERSION_1 | VIRTIO_CONSOLE_F_MULTIPORT)
#define CONTROL_MAX 128

struct queue {
    uint64_t desc, driver, device;
    uint16_t size, enable, vector, last_avail, used;
};

struct port {
    uint8_t open, ready; /* guest opened it; guest told PORT_READY */
};

struct vcons {
    struct pci_func f; /* first */
    struct input *input;
    struct board_port board;
    unsigned count;
    const char *names[VCONS_PORTS_MAX];
    char source[VCONS_PORTS_MAX][80]; /* "console/NAME" */
    struct sink_of {
        struct vcons *v;
        unsigned port;
    } sink[VCONS_PORTS_MAX];
    /* state */
    uint32_t device_feature_select, driver_feature_select;
    uint64_t driver_features;
    uint16_t config_vector, queue_select;
    uint8_t status, isr, broken;
    struct queue q[QUEUES];
    struct port port[VCONS_PORTS_MAX];
    uint8_t pending[4096]; /* control messages that found no buffer: u16 length, bytes */
    uint16_t pending_len;
};

static const struct field fields[] = {
    PCI_FUNC_FIELDS,
    FIELD(struct vcons, device_feature_select, 0, ""),
    FIELD(struct vcons, driver_feature_select, 0, ""),
    FIELD(struct vcons, driver_features, 0, "accepted features"),
    FIELD(struct vcons, config_vector, VIRTIO_MSI_NO_VECTOR, ""),
    FIELD(struct vcons, queue_select, 0, ""),
    FIELD(struct vcons, status, 0, "device status"),
    FIELD(struct vcons, isr, 0, ""),
    FIELD(struct vcons, broken, 0, "a queue made no sense"),
    {"queues", offsetof(struct vcons, q), 2, sizeof(struct queue) / 2 * QUEUES, 0,
     "queues, word by word"},
    {"ports", offsetof(struct vcons, port), 1, sizeof(struct port) * VCONS_PORTS_MAX, 0, "ports"},
    FIELD_ARRAY(struct vcons, pending, 0, "control messages waiting"),
    FIELD(struct vcons, pending_len, 0, "bytes of them"),
    FIELD_END,
};

static unsigned rx_queue(unsigned port)
{
    return port ? 2 + 2 * port : 0;
}

static void notify_guest(struct vcons *v, uint16_t vector, uint8_t isr)
{
    v->isr |= isr;
    pci_msix_send(&v->f, vector);
}

static void broken(struct vcons *v, const char *why)
{
    LOG_GUEST("virtio-console", "%s: device needs reset", why);
    v->broken = 1;
    v->status |= VIRTIO_S_NEEDS_RESET;
    notify_guest(v, v->config_vector, VIRTIO_ISR_CONFIG);
}

/* ---- queues ---- */

static bool queue_ready(const struct vcons *v, const struct queue *q)
{
    return q->enable && !v->broken && (v->status & VIRTIO_S_DRIVER_OK);
}

static bool has_avail(struct vcons *v, const struct queue *q, uint16_t *head)
{
    uint16_t idx;
    if (!queue_ready(v, q) || !dma_read(&v->f.dma, iova(q->driver + 2), &idx, 2))
        return false;
    if ((uint16_t)(idx - q->last_avail) > q->size) {
        broken(v, "available index");
        return false;
    }
    return idx != q->last_avail &&
           dma_read(&v->f.dma, iova(q->driver + 4 + 2ull * (q->last_avail % q->size)), head, 2);
}

static bool get_desc(struct vcons *v, const struct queue *q, uint16_t n, struct virtq_desc *d)
{
    if (n < q->size && dma_read(&v->f.dma, iova(q->desc + 16ull * n), d, sizeof *d))
        return true;
    broken(v, "descriptor");
    return false;
}

static void put_used(struct vcons *v, struct queue *q, uint16_t head, uint32_t len)
{
    const struct virtq_used_elem e = {head, len};
    uint16_t flags = 0;
    dma_write(&v->f.dma, iova(q->device + 4 + 8ull * (q->used % q->size)), &e, sizeof e);
    q->used++;
    q->last_avail++;
    dma_write(&v->f.dma, iova(q->device + 2), &q->used, 2);
    dma_read(&v->f.dma, iova(q->driver), &flags, 2);
    if (!(flags & VIRTQ_AVAIL_NO_INTERRUPT))
        notify_guest(v, q->vector, VIRTIO_ISR_QUEUE);
}

/* Fill one buffer of a receive queue; returns bytes taken, 0 when there is no buffer. */
static size_t give(struct vcons *v, struct queue *q, const uint8_t *bytes, size_t len)
{
    uint16_t head;
    struct virtq_desc d;
    size_t done = 0;
    if (!has_avail(v, q, &head))
        return 0;
    uint16_t n = head;
    for (unsigned i = 0; i < q->size; i++) {
        if (!get_desc(v, q, n, &d))
            return 0;
        const size_t part = d.len < len - done ? d.len : len - done;
        if (!(d.flags & VIRTQ_DESC_WRITE) ||
            !dma_write(&v->f.dma, iova(d.addr), bytes + done, part)) {
            broken(v, "receive buffer");
            return 0;
        }
        done += part;
        n = d.next;
        if (done == len || !(d.flags & VIRTQ_DESC_NEXT))
            break;
    }
    put_used(v, q, head, (uint32_t)done);
    return done;
}

/* ---- control ---- */

static void flush_pending(struct vcons *v)
{
    while (v->pending_len) {
        uint16_t n;
        memcpy(&n, v->pending, 2);
        if (!give(v, &v->q[2], v->pending + 2, n))
            return;
        v->pending_len = (uint16_t)(v->pending_len - 2 - n);
        memmove(v->pending, v->pending + 2 + n, v->pending_len);
    }
}

static void tell(struct vcons *v, unsigned port, uint16_t event, uint16_t value, const char *name)
{
    const struct virtio_console_control c = {port, event, value};
    const size_t extra = name ? strlen(name) : 0;
    const uint16_t n = (uint16_t)(sizeof c + extra);
    if (extra > CONTROL_MAX || v->pending_len + 2u + n > sizeof v->pending)
        return;
    memcpy(v->pending + v->pending_len, &n, 2);
    memcpy(v->pending + v->pending_len + 2, &c, sizeof c);
    if (extra)
        memcpy(v->pending + v->pending_len + 2 + sizeof c, name, extra);
    v->pending_len = (uint16_t)(v->pending_len + 2 + n);
    flush_pending(v);
}

static void control(struct vcons *v, const struct virtio_console_control *c)
{
    if (c->event == VIRTIO_CONSOLE_DEVICE_READY) {
        for (unsigned p = 0; p < v->count && c->value; p++)
            tell(v, p, VIRTIO_CONSOLE_DEVICE_ADD, 1, NULL);
        return;
    }
    if (c->id >= v->count)
        return;
    if (c->event == VIRTIO_CONSOLE_PORT_READY && c->value) {
        v->port[c->id].ready = 1;
        if (c->id == 0)
            tell(v, 0, VIRTIO_CONSOLE_CONSOLE_PORT, 1, NULL);
        tell(v, c->id, VIRTIO_CONSOLE_PORT_NAME, 1, v->names[c->id]);
        tell(v, c->id, VIRTIO_CONSOLE_PORT_OPEN, 1, NULL);
    } else if (c->event == VIRTIO_CONSOLE_PORT_OPEN) {
        v->port[c->id].open = !!c->value;
    }
}

/* Take everything from a transmit queue. */
static void drain(struct vcons *v, unsigned n)
{
    struct queue *const q = &v->q[n];
    const bool is_control = n == 3;
    const unsigned port = n == 1 ? 0 : (n - 3) / 2;
    uint8_t bytes[4096];
    uint16_t head;
    /* at most one ring full at a time: a driver that overlaps the rings cannot keep us here */
    for (unsigned left = q->size; left && has_avail(v, q, &head); left--) {
        uint16_t at = head;
        struct virtq_desc d;
        for (unsigned i = 0; i < q->size; i++) {
            if (!get_desc(v, q, at, &d))
                return;
            for (uint32_t off = 0; off < d.len && !(d.flags & VIRTQ_DESC_WRITE);) {
                const uint32_t part = d.len - off < sizeof bytes ? d.len - off
                                                                 : (uint32_t)sizeof bytes;
                if (!dma_read(&v->f.dma, iova(d.addr + off), bytes, part)) {
                    broken(v, "transmit buffer");
                    return;
                }
                struct virtio_console_control c;
                if (is_control && off == 0 && part >= sizeof c) {
                    memcpy(&c, bytes, sizeof c);
                    control(v, &c);
                } else if (!is_control && port < v->count && v->board.output) {
                    v->board.output(v->board.opaque, v->source[port], bytes, part);
                }
                off += part;
            }
            if (!(d.flags & VIRTQ_DESC_NEXT))
                break;
            at = d.next;
        }
        put_used(v, q, head, 0);
    }
}

static void kick(struct vcons *v, unsigned n)
{
    if (n >= QUEUES)
        return;
    if (n & 1)
        drain(v, n);
    else if (n == 2)
        flush_pending(v);
    /* a receive queue: queued input is offered again at the next slice end */
}

static size_t accept(void *opaque, const uint8_t *bytes, size_t len)
{
    const struct sink_of *const s = opaque;
    size_t done = 0, n;
    while (done < len && s->v->port[s->port].open &&
           (n = give(s->v, &s->v->q[rx_queue(s->port)], bytes + done, len - done)) > 0)
        done += n;
    return done;
}

/* ---- registers ---- */

static void soft_reset(struct vcons *v)
{
    memset(v->q, 0, sizeof v->q);
    memset(v->port, 0, sizeof v->port);
    for (unsigned n = 0; n < QUEUES; n++) {
        v->q[n].size = QUEUE_SIZE;
        v->q[n].vector = VIRTIO_MSI_NO_VECTOR;
    }
    v->driver_features = 0;
    v->config_vector = VIRTIO_MSI_NO_VECTOR;
    v->status = v->isr = v->broken = 0;
    v->queue_select = 0;
    v->pending_len = 0;
    memset(v->pending, 0, sizeof v->pending);
}

static unsigned queue_count(const struct vcons *v)
{
    return 2 * (v->count + 1);
}

static uint64_t common_read(const struct vcons *v, unsigned off)
{
    static const struct queue none = {.vector = VIRTIO_MSI_NO_VECTOR};
    const struct queue *const q = v->queue_select < queue_count(v) ? &v->q[v->queue_select] : &none;
#define AT(member) offsetof(struct virtio_pci_common, member)
    switch (off) {
    case AT(device_feature_select):
        return v->device_feature_select;
    case AT(device_feature):
        return v->device_feature_select < 2 ? (uint32_t)(FEATURES >> 32 * v->device_feature_select)
                                            : 0;
    case AT(driver_feature_select):
        return v->driver_feature_select;
    case AT(driver_feature):
        return v->driver_feature_select < 2
                   ? (uint32_t)(v->driver_features >> 32 * v->driver_feature_select)
                   : 0;
    case AT(config_msix_vector):
        return v->config_vector;
    case AT(num_queues):
        return queue_count(v);
    case AT(device_status):
        return v->status;
    case AT(config_generation):
        return 0;
    case AT(queue_select):
        return v->queue_select;
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

static void status_write(struct vcons *v, uint8_t s)
{
    if (s == 0) {
        soft_reset(v);
        return;
    }
    if ((s & VIRTIO_S_FEATURES_OK) && !(v->status & VIRTIO_S_FEATURES_OK) &&
        ((v->driver_features & ~FEATURES) || !(v->driver_features & VIRTIO_F_VERSION_1)))
        s &= (uint8_t)~VIRTIO_S_FEATURES_OK;
    v->status = (uint8_t)(s | (v->status & VIRTIO_S_NEEDS_RESET));
}

static void set_low(uint64_t *to, uint64_t value)
{
    *to = (*to & ~0xffffffffull) | (uint32_t)value;
}
static void set_high(uint64_t *to, uint64_t value)
{
    *to = (uint32_t)*to | value << 32;
}
static uint16_t vector_or_none(uint64_t v)
{
    return v < QUEUES ? (uint16_t)v : VIRTIO_MSI_NO_VECTOR;
}

static void queue_write(struct queue *q, unsigned off, uint64_t value)
{
    switch (off) {
    case AT(queue_size):
        if (value && value <= QUEUE_SIZE && !(value & (value - 1)))
            q->size = (uint16_t)value;
        break;
    case AT(queue_msix_vector):
        q->vector = vector_or_none(value);
        break;
    case AT(queue_enable):
        q->enable = value & 1;
        break;
    case AT(queue_desc_lo):
        set_low(&q->desc, value);
        break;
    case AT(queue_desc_hi):
        set_high(&q->desc, value);
        break;
    case AT(queue_driver_lo):
        set_low(&q->driver, value);
        break;
    case AT(queue_driver_hi):
        set_high(&q->driver, value);
        break;
    case AT(queue_device_lo):
        set_low(&q->device, value);
        break;
    case AT(queue_device_hi):
        set_high(&q->device, value);
        break;
    default:
        break;
    }
}

static void common_write(struct vcons *v, unsigned off, uint64_t value)
{
    switch (off) {
    case AT(device_feature_select):
        v->device_feature_select = (uint32_t)value;
        break;
    case AT(driver_feature_select):
        v->driver_feature_select = (uint32_t)value;
        break;
    case AT(driver_feature):
        if (v->driver_feature_select == 0)
            set_low(&v->driver_features, value);
        else if (v->driver_feature_select == 1)
            set_high(&v->driver_features, value);
        break;
    case AT(config_msix_vector):
        v->config_vector = vector_or_none(value);
        break;
    case AT(device_status):
        status_write(v, (uint8_t)value);
        break;
    case AT(queue_select):
        v->queue_select = (uint16_t)value;
        break;
    default:
        if (v->queue_select < queue_count(v))
            queue_write(&v->q[v->queue_select], off, value);
        break;
    }
#undef AT
}

static uint64_t bar_read(void *dev, uint64_t offset, unsigned size)
{
    struct vcons *const v = dev;
    if (offset < BAR_ISR)
        return common_read(v, (unsigned)offset);
    if (offset == BAR_ISR) {
        const uint8_t isr = v->isr;
        v->isr = 0;
        return isr;
    }
    const struct virtio_console_config c = {80, 25, v->count, 0};
    uint64_t r = 0;
    if (offset >= BAR_DEVICE && offset - BAR_DEVICE + size <= sizeof c)
        memcpy(&r, (const uint8_t *)&c + (offset - BAR_DEVICE), size);
    return r;
}

static void bar_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    struct vcons *const v = dev;
    (void)size;
    if (offset < BAR_ISR)
        common_write(v, (unsigned)offset, value);
    else if (offset >= BAR_NOTIFY)
        kick(v, (unsigned)(offset - BAR_NOTIFY) / 4);
}
static const struct bus_ops bar_ops = {bar_read, bar_write, 4};

/* ---- life ---- */

static void vcons_reset(struct dev *d)
{
    soft_reset((struct vcons *)d);
    pci_func_reset((struct pci_func *)d);
}
static void vcons_free(struct dev *d)
{
    free(d);
}
static const struct dev_class vcons_class = {"virtio-console", fields, vcons_reset, vcons_free};

static void add_caps(struct vcons *v)
{
    static const struct {
        uint8_t type;
        uint32_t offset, length;
    } part[] = {
        {VIRTIO_PCI_CAP_COMMON, BAR_COMMON, sizeof(struct virtio_pci_common)},
        {VIRTIO_PCI_CAP_ISR, BAR_ISR, 1},
        {VIRTIO_PCI_CAP_DEVICE, BAR_DEVICE, sizeof(struct virtio_console_config)},
        {VIRTIO_PCI_CAP_NOTIFY, BAR_NOTIFY, 4 * QUEUES},
    };
    for (unsigned i = 0; i < 4; i++) {
        const uint32_t multiplier = 4;
        struct virtio_pci_cap c = {
            .cfg_type = part[i].type, .bar = 4, .offset = part[i].offset, .length = part[i].length};
        uint8_t body[sizeof c + 4];
        c.cap_len = part[i].type == VIRTIO_PCI_CAP_NOTIFY ? sizeof c + 4 : sizeof c;
        memcpy(body, &c, sizeof c);
        memcpy(body + sizeof c, &multiplier, 4);
        pci_add_cap(&v->f, PCI_CAP_VENDOR, body + 2, (uint8_t)(c.cap_len - 2));
    }
}

struct pci_func *vcons_new(struct input *input, const struct dma *dma, const struct msi_sink *msi,
                           const struct board_port *board, const char *const *names, unsigned count)
{
    struct vcons *v = calloc(1, sizeof *v);
    if (!v)
        return NULL;
    v->f.dev = (struct dev){.cls = &vcons_class, .id = "virtio-console"};
    v->f.dma = *dma;
    v->f.msi = *msi;
    v->input = input;
    v->board = *board;
    v->count = count < VCONS_PORTS_MAX ? count : VCONS_PORTS_MAX;
    pci_func_init(&v->f, VIRTIO_PCI_VENDOR, VIRTIO_PCI_DEVICE_BASE + VIRTIO_ID_CONSOLE, 0x07800001,
                  VIRTIO_PCI_VENDOR, 0x1100);
    pci_add_msix(&v->f, 1, QUEUES);
    add_caps(v);
    pci_add_bar64(&v->f, 4, 0x4000, &bar_ops);
    for (unsigned p = 0; p < v->count; p++) {
        v->names[p] = names[p];
        strcpy(v->source[p], "console/");
        strncat(v->source[p], names[p], sizeof v->source[p] - 9);
        v->sink[p].v = v;
        v->sink[p].port = p;
        const struct input_sink sink = {v->source[p], accept, &v->sink[p]};
        if (input_add_sink(input, &sink) < 0) {
            free(v);
            return NULL;
        }
    }
    return &v->f;
}
