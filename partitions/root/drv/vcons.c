/*
 * drv/vcons.c: virtio-console (virtio 1.2 5.3) over modern PCI with VIRTIO_CONSOLE_F_MULTIPORT.
 *
 * Port n has a receive and a transmit queue; the control queues announce ports and their names.
 * Transmit buffers: one page per port in a ring of 4 KiB, consumed in order.
 *
 * Not modelled: resize events, ports that come or go after the start (their names are taken when
 * they arrive, but a console that was opened before stays where it is), indirect descriptors.
 */
#include "partitions/root/drv/virtio.h"

#define VQ_SIZE   16u
#define VQ_BUFFER 128u /* receive and control buffers */
#define TX_CHUNK  4096u

struct vq {
    struct virtq q;
    uint8_t *buffers; /* a page */
    uint64_t buffers_pa;
};

struct vcons_port {
    bool added, open;
    char name[40];
    struct vq rx, tx;
};

static struct virtio_dev vc;
static struct vq vc_control_rx, vc_control_tx;
static struct vcons_port vc_port[VCONS_PORTS];

static bool vq_init(struct vq *q, unsigned index)
{
    q->buffers_pa = mm_alloc_zeroed();
    q->buffers = phys_to_virt(q->buffers_pa);
    return q->buffers_pa && virtio_queue(&vc, &q->q, index, VQ_SIZE);
}

static void vq_fill(struct vq *q)
{
    for (unsigned i = 0; i < q->q.size; i++) {
        q->q.desc[i].addr = q->buffers_pa + i * VQ_BUFFER;
        q->q.desc[i].len = VQ_BUFFER;
        q->q.desc[i].flags = VIRTQ_DESC_WRITE;
        virtq_post(&q->q, i);
    }
    virtq_notify(&q->q);
}

/* Hands every received buffer to fn and gives it back to the device. */
static void vq_drain(struct vq *q, void (*fn)(void *arg, const uint8_t *data, size_t n), void *arg)
{
    bool any = false;
    unsigned id;
    uint32_t n;
    while (virtq_take(&q->q, &id, &n)) {
        fn(arg, q->buffers + id * VQ_BUFFER, n < VQ_BUFFER ? n : VQ_BUFFER);
        virtq_post(&q->q, id);
        any = true;
    }
    if (any)
        virtq_notify(&q->q);
}

static void vc_control_send(uint32_t id, uint16_t event, uint16_t value)
{
    struct virtq *q = &vc_control_tx.q;
    unsigned slot = q->avail->idx % q->size;
    for (unsigned i = 0; i < 1000000 && virtq_pending(q) >= q->size; i++)
        cpu_pause();
    struct virtio_console_control *c = (void *)(vc_control_tx.buffers + slot * VQ_BUFFER);
    *c = (struct virtio_console_control){id, event, value};
    q->desc[slot].addr = vc_control_tx.buffers_pa + slot * VQ_BUFFER;
    q->desc[slot].len = sizeof(*c);
    q->desc[slot].flags = 0;
    virtq_post(q, slot);
    virtq_notify(q);
}

static void vc_port_add(unsigned id)
{
    struct vcons_port *p = &vc_port[id];
    unsigned first = id ? 2 + 2 * id : 0;
    if (p->added)
        return;
    /* Queues were set up before DRIVER_OK for every port; here they come into use. */
    if (p->rx.q.index != first || !p->rx.q.size)
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
    virtio_acknowledge(&vc);
    vq_drain(&vc_control_rx, vc_control, 0);
    for (unsigned i = 0; i < VCONS_PORTS; i++)
        if (vc_port[i].added)
            vq_drain(&vc_port[i].rx, vc_receive, &vc_port[i]);
}

bool vcons_init(void)
{
    if (!virtio_open(&vc, VIRTIO_ID_CONSOLE, VIRTIO_CONSOLE_F_MULTIPORT, 0))
        return false;
    bool ok = vq_init(&vc_control_rx, 2) && vq_init(&vc_control_tx, 3);
    unsigned ports = ((volatile struct virtio_console_config *)vc.config)->max_nr_ports;
    for (unsigned i = 0; ok && i < ports && i < VCONS_PORTS; i++) {
        unsigned first = i ? 2 + 2 * i : 0;
        ok = vq_init(&vc_port[i].rx, first) && vq_init(&vc_port[i].tx, first + 1);
    }
    if (!ok) {
        virtio_fail(&vc);
        return false;
    }
    virtio_start(&vc, VEC_MSI, vc_interrupt, 0);
    vq_fill(&vc_control_rx);
    vc_control_send(0xffffffff, VIRTIO_CONSOLE_DEVICE_READY, 1);
    /* The announcements of the ports that exist come as answers to our messages: wait for a
     * silence of 1 ms, at most 50 ms. */
    uint64_t start = time_now(), last = start;
    while (time_now() - last < 1000000 && time_now() - start < 50000000) {
        uint16_t seen = vc_control_rx.q.used_seen;
        irq_off();
        vc_interrupt(0);
        irq_on();
        if (seen != vc_control_rx.q.used_seen)
            last = time_now();
        cpu_pause();
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
    return !virtq_pending(&vc_port[port].tx.q);
}

bool vcons_write(int port, const char *text, size_t n)
{
    struct vq *q = &vc_port[port].tx;
    /* One buffer of a page in flight: simple, and ordered by nature. */
    if (!vcons_idle(port) || n > TX_CHUNK)
        return false;
    memcpy(q->buffers, text, n);
    q->q.desc[0].addr = q->buffers_pa;
    q->q.desc[0].len = (uint32_t)n;
    q->q.desc[0].flags = 0;
    virtq_post(&q->q, 0);
    virtq_notify(&q->q);
    return true;
}
