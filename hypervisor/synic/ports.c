/*
 * Ports and connections (TLFS 11.4-11.6): a connection id of the sender leads to a port, the port
 * to a SINT of a VP of the receiver. Message ports have HV_PORT_BUFFERS messages in flight at most.
 * Not modelled: monitor and doorbell ports.
 */
#include "hypervisor/mm/mm.h"
#include "hypervisor/synic/hv_synic.h"

#define HV_PORT_BUFFERS 14u

struct port {
    struct port *next;
    struct hv_partition *owner;
    uint64_t peer; /* partition that may connect */
    uint32_t id;
    struct hv_port_info info;
    struct hv_msg buffer[HV_PORT_BUFFERS];
};
_Static_assert(sizeof(struct port) <= HV_PAGE, "a port fits a page");

struct connection {
    struct connection *next;
    struct hv_partition *owner;
    struct port *port;
    uint32_t id;
};

static struct port *ports;
static struct connection *connections, *free_connections;

static struct port *find_port(const struct hv_partition *p, uint32_t id)
{
    struct port *o = ports;
    while (o && (o->owner != p || o->id != id))
        o = o->next;
    return o;
}

static struct connection *find_connection(const struct hv_partition *p, uint32_t id)
{
    struct connection *c = connections;
    while (c && (c->owner != p || c->id != id))
        c = c->next;
    return c;
}

uint32_t hv_port_create(const struct hv_in_create_port *in)
{
    struct hv_partition *owner = hv_partition_find(in->port_partition);
    const struct hv_partition *peer = hv_partition_find(in->connection_partition);
    const struct hv_port_info *i = &in->info;
    if (!owner || !peer)
        return HV_STATUS_INVALID_PARTITION_ID;
    if (in->port > HV_CONNECTION_ID_MAX || find_port(owner, in->port))
        return HV_STATUS_INVALID_PORT_ID;
    if ((i->type != HV_PORT_TYPE_MESSAGE && i->type != HV_PORT_TYPE_EVENT) ||
        i->sint >= HV_SINT_COUNT)
        return HV_STATUS_INVALID_PARAMETER;
    if (i->vp != HV_ANY_VP && (i->vp >= HV_MAX_VPS || !owner->vp[i->vp]))
        return HV_STATUS_INVALID_VP_INDEX;
    if (i->type == HV_PORT_TYPE_EVENT &&
        (uint32_t)i->base_flag + i->flag_count > HV_EVENT_FLAGS_PER_SINT)
        return HV_STATUS_INVALID_PARAMETER;
    const uint64_t page = hv_page_alloc();
    if (!page)
        return HV_STATUS_INSUFFICIENT_MEMORY;
    struct port *o = hv_va(page);
    o->owner = owner;
    o->peer = peer->id;
    o->id = in->port;
    o->info = *i;
    o->next = ports;
    ports = o;
    return HV_STATUS_SUCCESS;
}

static void unlink_connection(struct connection **link)
{
    struct connection *c = *link;
    *link = c->next;
    c->next = free_connections;
    free_connections = c;
}

/* Messages of the port that still wait for a slot are dropped with it. */
static void free_port(struct port **link)
{
    struct port *o = *link;
    for (struct connection **c = &connections; *c;) {
        if ((*c)->port == o)
            unlink_connection(c);
        else
            c = &(*c)->next;
    }
    for (uint32_t v = 0; v < HV_MAX_VPS; v++) {
        struct hv_vp *vp = o->owner->vp[v];
        for (unsigned s = 0; vp && s < HV_SINT_COUNT; s++)
            hv_msg_drop(vp, s, o->buffer, o->buffer + HV_PORT_BUFFERS);
    }
    *link = o->next;
    hv_page_free(hv_pa(o));
}

uint32_t hv_port_delete(struct hv_partition *p, uint32_t id)
{
    for (struct port **link = &ports; *link; link = &(*link)->next) {
        if ((*link)->owner == p && (*link)->id == id) {
            free_port(link);
            return HV_STATUS_SUCCESS;
        }
    }
    return HV_STATUS_INVALID_PORT_ID;
}

static struct connection *new_connection(void)
{
    if (!free_connections) {
        const uint64_t page = hv_page_alloc();
        if (!page)
            return NULL;
        struct connection *c = hv_va(page);
        for (unsigned i = 0; i < HV_PAGE / sizeof(*c); i++) {
            c[i].next = free_connections;
            free_connections = &c[i];
        }
    }
    struct connection *c = free_connections;
    free_connections = c->next;
    return c;
}

uint32_t hv_port_connect(const struct hv_in_connect_port *in)
{
    struct hv_partition *owner = hv_partition_find(in->connection_partition);
    const struct hv_partition *target = hv_partition_find(in->port_partition);
    if (!owner || !target)
        return HV_STATUS_INVALID_PARTITION_ID;
    if (in->connection > HV_CONNECTION_ID_MAX || find_connection(owner, in->connection))
        return HV_STATUS_INVALID_CONNECTION_ID;
    struct port *o = find_port(target, in->port);
    if (!o || o->peer != owner->id)
        return HV_STATUS_INVALID_PORT_ID;
    if (in->info.type != o->info.type)
        return HV_STATUS_INVALID_PARAMETER;
    struct connection *c = new_connection();
    if (!c)
        return HV_STATUS_INSUFFICIENT_MEMORY;
    c->owner = owner;
    c->id = in->connection;
    c->port = o;
    c->next = connections;
    connections = c;
    return HV_STATUS_SUCCESS;
}

uint32_t hv_port_disconnect(struct hv_partition *p, uint32_t id)
{
    for (struct connection **c = &connections; *c; c = &(*c)->next) {
        if ((*c)->owner == p && (*c)->id == id) {
            unlink_connection(c);
            return HV_STATUS_SUCCESS;
        }
    }
    return HV_STATUS_INVALID_CONNECTION_ID;
}

void hv_ports_forget(struct hv_partition *p)
{
    for (struct connection **c = &connections; *c;) {
        if ((*c)->owner == p)
            unlink_connection(c);
        else
            c = &(*c)->next;
    }
    for (struct port **link = &ports; *link;) {
        if ((*link)->owner == p || (*link)->peer == p->id)
            free_port(link);
        else
            link = &(*link)->next;
    }
}

static struct hv_vp *receiver(const struct port *o)
{
    return o->owner->vp[o->info.vp == HV_ANY_VP ? 0 : o->info.vp];
}

static uint32_t send(struct port *o, uint64_t sender, uint32_t type, uint32_t size,
                     const uint8_t *payload)
{
    struct hv_vp *vp = receiver(o);
    if (!vp)
        return HV_STATUS_INVALID_VP_INDEX;
    for (unsigned i = 0; i < HV_PORT_BUFFERS; i++) {
        struct hv_msg *m = &o->buffer[i];
        if (m->queued)
            continue;
        m->msg.type = type;
        m->msg.size = (uint8_t)size;
        m->msg.sender = sender;
        memcpy(m->msg.payload, payload, size);
        hv_synic_post(vp, o->info.sint, m);
        return HV_STATUS_SUCCESS;
    }
    return HV_STATUS_INSUFFICIENT_BUFFERS;
}

uint32_t hv_post_message(struct hv_partition *p, const struct hv_in_post_message *in)
{
    if (in->rsvd || !in->type || in->type >> 31 || in->size > HV_MESSAGE_PAYLOAD)
        return HV_STATUS_INVALID_PARAMETER;
    const struct connection *c = find_connection(p, in->connection);
    if (!c || c->port->info.type != HV_PORT_TYPE_MESSAGE)
        return HV_STATUS_INVALID_CONNECTION_ID;
    return send(c->port, c->port->id, in->type, in->size, in->payload);
}

uint32_t hv_signal_event(struct hv_partition *p, uint32_t connection, uint32_t flag)
{
    const struct connection *c = find_connection(p, connection);
    if (!c || c->port->info.type != HV_PORT_TYPE_EVENT)
        return HV_STATUS_INVALID_CONNECTION_ID;
    const struct hv_port_info *i = &c->port->info;
    if (flag >= i->flag_count)
        return HV_STATUS_INVALID_PARAMETER;
    struct hv_vp *vp = receiver(c->port);
    if (!vp || !hv_synic_signal(vp, i->sint, i->base_flag + flag))
        return HV_STATUS_INVALID_SYNIC_STATE;
    return HV_STATUS_SUCCESS;
}

/* HvCallPostMessageDirect needs no port; its buffers are one hidden port per receiving
 * partition. */
uint32_t hv_post_message_direct(struct hv_vp *vp, uint32_t sint, const struct hv_message *m)
{
    const uint32_t hidden = UINT32_MAX;
    if (sint >= HV_SINT_COUNT || m->size > HV_MESSAGE_PAYLOAD || !m->type)
        return HV_STATUS_INVALID_PARAMETER;
    struct port *o = find_port(vp->partition, hidden);
    if (!o) {
        const uint64_t page = hv_page_alloc();
        if (!page)
            return HV_STATUS_INSUFFICIENT_MEMORY;
        o = hv_va(page);
        o->owner = vp->partition;
        o->id = hidden;
        o->next = ports;
        ports = o;
    }
    o->info.vp = vp->index;
    o->info.sint = sint;
    return send(o, m->sender, m->type, m->size, m->payload);
}
