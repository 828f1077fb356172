/*
 * devices/serial/vcons.c: virtio-console (vcons.h; virtio 1.2 5.3) on the common transport.
 *
 * Queues: 0/1 receive/transmit of port 0, 2/3 control, then two for each further port.
 * Not modelled: resize, emergency write.
 */
#include "devices/serial/vcons.h"

#include <stdlib.h>
#include <string.h>

#include "devices/virtio/virtio.h"

#define QUEUE_SIZE  128
#define QUEUES      (2 * (VCONS_PORTS_MAX + 1))
#define FEATURES    (VIRTIO_F_VERSION_1 | VIRTIO_CONSOLE_F_MULTIPORT)
#define CONTROL_MAX 128

struct port {
    uint8_t open, ready; /* guest opened it; guest told PORT_READY */
};

struct vcons {
    struct virtio v; /* first */
    struct input *input;
    struct board_port board;
    unsigned count;
    struct virtio_console_config config;
    const char *names[VCONS_PORTS_MAX];
    char source[VCONS_PORTS_MAX][80]; /* "console/NAME" */
    struct sink_of {
        struct vcons *v;
        unsigned port;
    } sink[VCONS_PORTS_MAX];
    /* state */
    struct port port[VCONS_PORTS_MAX];
    uint8_t pending[4096]; /* control messages that found no buffer: u16 length, bytes */
    uint16_t pending_len;
};

_Static_assert(QUEUES <= VIRTIO_QUEUES_MAX, "queues of all ports");

static const struct field fields[] = {
    VIRTIO_FIELDS,
    {"ports", offsetof(struct vcons, port), 1, sizeof(struct port) * VCONS_PORTS_MAX, 0, "ports"},
    FIELD_ARRAY(struct vcons, pending, 0, "control messages waiting"),
    FIELD(struct vcons, pending_len, 0, "bytes of them"),
    FIELD_END,
};

static unsigned rx_queue(unsigned port)
{
    return port ? 2 + 2 * port : 0;
}

/* Fill one buffer of a receive queue; returns bytes taken, 0 when there is no buffer. */
static size_t give(struct vcons *v, unsigned n, const uint8_t *bytes, size_t len)
{
    struct virtq_chain c;
    if (!virtq_pop(&v->v, n, &c))
        return 0;
    const size_t part = len < c.in_len ? len : (size_t)c.in_len;
    if (!part) {
        virtio_break(&v->v, "a receive buffer that cannot be written");
        return 0;
    }
    if (!virtq_write(&v->v, &c, 0, bytes, part))
        return 0;
    virtq_return(&v->v, n, &c, (uint32_t)part);
    return part;
}

/* ---- control ---- */

static void flush_pending(struct vcons *v)
{
    while (v->pending_len) {
        uint16_t n;
        memcpy(&n, v->pending, 2);
        if (!give(v, 2, v->pending + 2, n))
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

/* What one chain of a transmit queue says. */
static void take(struct vcons *v, unsigned n, const struct virtq_chain *c)
{
    const unsigned port = n == 1 ? 0 : (n - 3) / 2;
    uint8_t bytes[4096];
    struct virtio_console_control message;
    if (n == 3) {
        if (c->out_len >= sizeof message && virtq_read(&v->v, c, 0, &message, sizeof message))
            control(v, &message);
        return;
    }
    for (uint64_t off = 0; off < c->out_len;) {
        const uint64_t left = c->out_len - off;
        const size_t part = left < sizeof bytes ? (size_t)left : sizeof bytes;
        if (!virtq_read(&v->v, c, off, bytes, part))
            return;
        if (port < v->count && v->board.output)
            v->board.output(v->board.opaque, v->source[port], bytes, part);
        off += part;
    }
}

static void kick(struct virtio *vio, unsigned n)
{
    struct vcons *const v = (struct vcons *)vio;
    struct virtq_chain c;
    if (n == 2)
        flush_pending(v);
    /* a receive queue: queued input is offered again at the next slice end */
    if (!(n & 1))
        return;
    /* at most one ring full at a time: a driver that overlaps the rings cannot keep us here */
    for (unsigned left = vio->q[n].size; left && virtq_pop(vio, n, &c); left--) {
        take(v, n, &c);
        virtq_return(vio, n, &c, 0);
    }
}

static size_t accept(void *opaque, const uint8_t *bytes, size_t len)
{
    const struct sink_of *const s = opaque;
    size_t done = 0, n;
    while (done < len && s->v->port[s->port].open &&
           (n = give(s->v, rx_queue(s->port), bytes + done, len - done)) > 0)
        done += n;
    return done;
}

/* ---- life ---- */

static void forget(struct virtio *vio)
{
    struct vcons *const v = (struct vcons *)vio;
    memset(v->port, 0, sizeof v->port);
    memset(v->pending, 0, sizeof v->pending);
    v->pending_len = 0;
}

static const struct virtio_class virtio_class = {"virtio-console", kick, forget, NULL};

static void vcons_free(struct dev *d)
{
    free(d);
}
static const struct dev_class vcons_class = {"virtio-console", fields, virtio_reset, vcons_free,
                                             NULL};

struct pci_func *vcons_new(struct input *input, const struct dma *dma, const struct msi_sink *msi,
                           const struct board_port *board, const char *const *names, unsigned count)
{
    struct vcons *v = calloc(1, sizeof *v);
    if (!v)
        return NULL;
    v->v.f.dev = (struct dev){.cls = &vcons_class, .id = "virtio-console"};
    v->input = input;
    v->board = *board;
    v->count = count < VCONS_PORTS_MAX ? count : VCONS_PORTS_MAX;
    v->config = (struct virtio_console_config){80, 25, v->count, 0};
    const struct virtio_setup setup = {
        .id = VIRTIO_ID_CONSOLE,
        .class_rev = 0x07800001,
        .queues = 2 * (v->count + 1),
        .queue_size = QUEUE_SIZE,
        .vectors = QUEUES,
        .features = FEATURES,
        .config = &v->config,
        .config_len = sizeof v->config,
    };
    virtio_init(&v->v, &virtio_class, &setup, dma, msi);
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
    return &v->v.f;
}
