/*
 * vmbus/vsp/netvsp/netvsp.c: the network protocol: versions, the guest's receive and send buffers,
 * RNDIS messages either way.
 *
 * A message of the guest lies in a section of its send buffer, in pages that the packet names, or
 * the one followed by the other; it is copied once, then looked at. To the guest go messages in
 * sections of the receive buffer, as many to a packet as come at once; they are ours again with the
 * packet's completion.
 * Frames that find no section or no room in the ring are lost, as on a wire. An answer waits:
 * meanwhile the channel is paused, so there is never more than one.
 *
 * Not modelled: virtual functions beside the card (SR-IOV), TCP chimney and VM queues.
 */
#include <string.h>

#include "vmbus/vsp/netvsp/netvsp_int.h"

/* ---- sections of the receive buffer ---- */

static void give_section(struct netvsp *v, uint32_t i)
{
    v->section[i] = (struct netvsp_section){v->free, NETVSP_FREE, 0};
    v->free = (uint16_t)i;
    v->frees++;
}

static void give_sections(struct netvsp *v, uint16_t first)
{
    for (uint16_t i = first, next; i != NETVSP_NONE; i = next) {
        next = v->section[i].next;
        give_section(v, i);
    }
}

static uint16_t take_section(struct netvsp *v, enum netvsp_use use, unsigned via)
{
    const uint16_t i = v->free;
    v->free = v->section[i].next;
    v->section[i] = (struct netvsp_section){NETVSP_NONE, (uint8_t)use, (uint8_t)via};
    v->frees--;
    return i;
}

static void drop_receive_buffer(struct netvsp *v)
{
    v->receive.is_set = false;
    v->host.free(v->section);
    v->section = NULL;
    v->frees = 0;
    for (unsigned i = 0; i < NETVSP_CHANNELS; i++)
        v->batch[i].count = 0;
}

/* A channel is closed: the guest gives nothing back any more that came by it. */
static void take_back_sections(struct netvsp *v, unsigned via)
{
    v->batch[via].count = 0;
    for (uint32_t i = 0; v->section && i < v->receive.count; i++) {
        if (v->section[i].use == NETVSP_FIRST && v->section[i].via == via)
            give_sections(v, (uint16_t)i);
    }
}

int netvsp_add(struct netvsp *v, unsigned via, struct netvsp_batch *b, uint32_t reserve,
               const void *header, uint32_t header_length, const void *data, uint32_t length)
{
    const struct netvsp_buffer *const r = &v->receive;
    struct vmbus_channel *const primary = v->channel[0].channel;
    if (!r->is_set || b->count == NETVSP_BATCH)
        return VMBUS_ECLOSED;
    if (header_length + length > r->size)
        return VMBUS_ELENGTH;
    if (v->frees <= reserve)
        return VMBUS_ENOMEM;
    const struct vmbus_xfer_range range = {header_length + length, v->free * r->size};
    int e = vmbus_gpadl_copy(primary, r->gpadl, range.byte_offset, (void *)header, header_length,
                             true);
    if (!e && length)
        e = vmbus_gpadl_copy(primary, r->gpadl, range.byte_offset + header_length, (void *)data,
                             length, true);
    if (e)
        return e;
    const uint16_t i = take_section(v, b->count ? NETVSP_MORE : NETVSP_FIRST, via);
    if (b->count)
        v->section[b->last].next = i;
    else
        b->first = i;
    b->last = i;
    b->range[b->count++] = range;
    return 0;
}

int netvsp_send(struct netvsp *v, unsigned via, struct netvsp_batch *b, uint32_t channel_type)
{
    const struct netvsp_channel *const ch = &v->channel[via];
    const struct nvsp_message m = {.type = NVSP_SEND_RNDIS_PACKET,
                                   .rndis = {channel_type, NVSP_NO_SECTION, 0}};
    const unsigned count = b->count;
    b->count = 0;
    if (!count)
        return 0;
    int e = VMBUS_ECLOSED;
    if (ch->is_open)
        e = vmbus_send_pages(ch->channel, v->receive.id, b->range, count, b->first + 1u,
                             VMBUS_PKT_F_COMPLETION, &m, sizeof(m));
    if (e)
        give_sections(v, b->first);
    return e;
}

/* ---- what waits for room ---- */

static void send_answer(struct netvsp_channel *ch)
{
    if (ch->has_answer && ch->is_open)
        ch->has_answer = vmbus_complete(ch->channel, ch->answer_id, &ch->answer,
                                        sizeof(ch->answer)) == VMBUS_EFULL;
}

static int send_control(struct netvsp *v, const void *message, uint32_t length)
{
    struct netvsp_batch b = {.count = 0};
    const int e = netvsp_add(v, 0, &b, 0, message, length, NULL, 0);
    return e ? e : netvsp_send(v, 0, &b, NVSP_CHANNEL_CONTROL);
}

static void send_reply(struct netvsp *v)
{
    if (!v->reply_length)
        return;
    const int r = send_control(v, v->reply, v->reply_length);
    if (r == VMBUS_ENOMEM)
        vmbus_fail(v->channel[0].channel, "the guest gives no receive buffers back");
    if (r != VMBUS_EFULL)
        v->reply_length = 0;
}

static void tell_link(struct netvsp *v)
{
    const bool is_up = v->port.is_linked;
    const struct rndis_indicate m = {.h = {RNDIS_INDICATE, sizeof(m)},
                                     .status = is_up ? RNDIS_STATUS_MEDIA_CONNECT
                                                     : RNDIS_STATUS_MEDIA_DISCONNECT};
    if (v->is_initialized && v->told_link != is_up && !send_control(v, &m, sizeof(m)))
        v->told_link = is_up;
}

/* Which channel the guest is to send on, by its own hash. */
static void send_table(struct netvsp *v)
{
    struct {
        struct nvsp_message m;
        uint32_t queue[NVSP_SEND_TABLE];
    } t = {.m = {.type = NVSP_SEND_INDIRECTION_TABLE, .table = {NVSP_SEND_TABLE, sizeof(t.m)}}};
    unsigned n = 0;
    while (n < NETVSP_CHANNELS && v->channel[n].is_open)
        n++;
    for (unsigned i = 0; i < NVSP_SEND_TABLE; i++)
        t.queue[i] = i % n;
    v->owes_table = vmbus_send(v->channel[0].channel, VMBUS_PKT_INBAND, 0, 0, &t, sizeof(t)) ==
                    VMBUS_EFULL;
}

static void flush(struct netvsp *v)
{
    for (unsigned i = 0; i < NETVSP_CHANNELS; i++)
        send_answer(&v->channel[i]);
    send_reply(v);
    tell_link(v);
    if (v->owes_table && v->channel[0].is_open)
        send_table(v);
    for (unsigned i = 0; i < NETVSP_CHANNELS; i++) {
        struct netvsp_channel *const ch = &v->channel[i];
        if (ch->is_open)
            vmbus_pause(ch->channel, ch->has_answer || (!i && v->reply_length));
    }
}

/* ---- messages of the guest ---- */

static void agree(struct netvsp *v, const struct nvsp_message *m, struct nvsp_message *a)
{
    static const uint32_t versions[] = {NVSP_VERSION_6_1, NVSP_VERSION_6, NVSP_VERSION_5,
                                        NVSP_VERSION_4,   NVSP_VERSION_2, NVSP_VERSION_1};
    const unsigned n = sizeof(versions) / sizeof(versions[0]);
    a->type = NVSP_INIT_COMPLETE;
    a->init_complete.max_mdl_chain = 1;
    a->init_complete.status = m->init.max < NVSP_VERSION_1     ? NVSP_STATUS_TOO_OLD
                              : m->init.min > NVSP_VERSION_6_1 ? NVSP_STATUS_TOO_NEW
                                                               : NVSP_STATUS_FAIL;
    for (unsigned i = 0; i < n && v->state == NET_OPEN; i++) {
        if (versions[i] < m->init.min || versions[i] > m->init.max)
            continue;
        v->version = versions[i];
        v->state = NET_VERSIONED;
        a->init_complete.version = v->version;
        a->init_complete.status = NVSP_STATUS_SUCCESS;
    }
}

/* Cuts a buffer into sections. False: it is not there, or too small. */
static bool set_buffer(struct netvsp *v, struct netvsp_buffer *b, const struct nvsp_message *m,
                       uint32_t section)
{
    const uint64_t bytes = vmbus_gpadl_size(v->channel[0].channel, m->buffer.gpadl);
    const uint64_t count = bytes / section;
    if (b->is_set || !count)
        return false;
    *b = (struct netvsp_buffer){true, m->buffer.id, m->buffer.gpadl, section,
                                count < NETVSP_SECTIONS_MAX ? (uint32_t)count
                                                            : NETVSP_SECTIONS_MAX};
    return true;
}

static void set_receive_buffer(struct netvsp *v, const struct nvsp_message *m,
                               struct nvsp_message *a)
{
    a->type = NVSP_SEND_RECEIVE_BUFFER_COMPLETE;
    a->receive_complete.status = NVSP_STATUS_FAIL;
    if (!set_buffer(v, &v->receive, m, NETVSP_RECEIVE_SECTION))
        return;
    v->section = v->host.alloc(v->receive.count * sizeof(*v->section));
    if (!v->section || v->receive.count <= NETVSP_RESERVED) {
        drop_receive_buffer(v);
        return;
    }
    for (uint32_t i = v->receive.count; i--;)
        give_section(v, i);
    a->receive_complete.status = NVSP_STATUS_SUCCESS;
    a->receive_complete.sections = 1;
    a->receive_complete.sub_size = v->receive.size;
    a->receive_complete.sub_count = v->receive.count;
    a->receive_complete.end = v->receive.size * v->receive.count;
}

static void set_send_buffer(struct netvsp *v, const struct nvsp_message *m, struct nvsp_message *a)
{
    const bool good = set_buffer(v, &v->send, m, NETVSP_SEND_SECTION);
    a->type = NVSP_SEND_SEND_BUFFER_COMPLETE;
    a->send_complete.status = good ? NVSP_STATUS_SUCCESS : NVSP_STATUS_FAIL;
    a->send_complete.section_size = good ? v->send.size : 0;
}

static const struct vmbus_vsp_ops netvsp_ops;

/* As many as were asked for, or as there can be. */
static void offer_sub_channels(struct netvsp *v, const struct nvsp_message *m,
                               struct nvsp_message *a)
{
    struct vmbus_offer o = v->offer;
    unsigned n = 0;
    bool none = true;
    for (unsigned i = 1; i < NETVSP_CHANNELS; i++)
        none &= !v->channel[i].channel;
    const bool good = none && v->version >= NVSP_VERSION_5 &&
                      m->subchannel.operation == NVSP_SUBCHANNEL_ALLOCATE;
    o.parent = v->channel[0].channel;
    while (good && n < m->subchannel.count && n < NETVSP_CHANNELS - 1) {
        o.sub_index = (uint16_t)(n + 1);
        v->channel[n + 1].channel = vmbus_offer(v->server, &o, &netvsp_ops, v);
        if (!v->channel[n + 1].channel)
            break;
        n++;
    }
    a->type = NVSP_SUBCHANNEL;
    a->subchannel_complete.status = n ? NVSP_STATUS_SUCCESS : NVSP_STATUS_FAIL;
    a->subchannel_complete.count = n;
}

/* An RNDIS message, out of a section and pages, into v->buffer: its length, 0: there is none. */
static uint32_t copy_message(struct netvsp *v, struct netvsp_channel *ch,
                             const struct nvsp_message *m, const struct vmbus_packet *p)
{
    uint8_t *const to = (uint8_t *)v->buffer;
    uint32_t n = 0;
    if (m->rndis.section != NVSP_NO_SECTION) {
        const struct netvsp_buffer *const b = &v->send;
        n = m->rndis.size;
        if (!b->is_set || m->rndis.section >= b->count || n > b->size ||
            vmbus_gpadl_copy(v->channel[0].channel, b->gpadl, (uint64_t)m->rndis.section * b->size,
                             to, n, false))
            return 0;
    }
    if (p->seg_bytes > sizeof(v->buffer) - n ||
        vmbus_seg_copy(ch->channel, p->seg, p->segs, 0, to + n, p->seg_bytes, false) !=
            p->seg_bytes)
        return 0;
    return n + (uint32_t)p->seg_bytes;
}

static void rndis(struct netvsp *v, struct netvsp_channel *ch, const struct nvsp_message *m,
                  const struct vmbus_packet *p, struct nvsp_message *a)
{
    const uint32_t n = copy_message(v, ch, m, p);
    bool good = n;
    if (good && m->rndis.channel == NVSP_CHANNEL_DATA)
        good = v->is_initialized && netvsp_transmit(v, (uint8_t *)v->buffer, n);
    else if (good)
        good = m->rndis.channel == NVSP_CHANNEL_CONTROL && ch == &v->channel[0] &&
               v->receive.is_set && netvsp_control(v, (const uint8_t *)v->buffer, n);
    v->malformed += !good;
    a->type = NVSP_SEND_RNDIS_PACKET_COMPLETE;
    a->rndis_complete.status = good ? NVSP_STATUS_SUCCESS : NVSP_STATUS_INVALID_RNDIS;
}

static void dispatch(struct netvsp *v, struct netvsp_channel *ch, const struct nvsp_message *m,
                     const struct vmbus_packet *p, struct nvsp_message *a)
{
    if (m->type == NVSP_INIT && ch == &v->channel[0]) {
        agree(v, m, a);
        return;
    }
    if (v->state != NET_VERSIONED) {
        vmbus_fail(ch->channel, "a network message before the version is agreed on");
        return;
    }
    if (m->type == NVSP_SEND_RNDIS_PACKET) {
        rndis(v, ch, m, p, a);
        return;
    }
    if (ch != &v->channel[0])
        return;
    switch (m->type) {
    case NVSP_SEND_RECEIVE_BUFFER:
        set_receive_buffer(v, m, a);
        break;
    case NVSP_REVOKE_RECEIVE_BUFFER:
        drop_receive_buffer(v);
        break;
    case NVSP_SEND_SEND_BUFFER:
        set_send_buffer(v, m, a);
        break;
    case NVSP_REVOKE_SEND_BUFFER:
        v->send.is_set = false;
        break;
    case NVSP_SUBCHANNEL:
        offer_sub_channels(v, m, a);
        break;
    default: /* NDIS version and configuration; what we do not offer: the answer has no type */
        break;
    }
}

/* The guest gives a packet's sections back. */
static void completed(struct netvsp *v, struct netvsp_channel *ch, uint64_t id)
{
    if (!id || id > v->receive.count || !v->receive.is_set ||
        v->section[id - 1].use != NETVSP_FIRST) {
        vmbus_fail(ch->channel, "a completion of nothing");
        return;
    }
    give_sections(v, (uint16_t)(id - 1));
}

/* ---- the channel ---- */

static struct netvsp_channel *find(struct netvsp *v, const struct vmbus_channel *c)
{
    unsigned i = 0;
    while (v->channel[i].channel != c)
        i++;
    return &v->channel[i];
}

static uint32_t on_opened(void *vsp, struct vmbus_channel *c, const uint8_t *user)
{
    struct netvsp *const v = vsp;
    struct netvsp_channel *const ch = find(v, c);
    (void)user;
    if (ch == &v->channel[0])
        v->state = NET_OPEN;
    else
        v->owes_table = v->version >= NVSP_VERSION_5;
    ch->is_open = true;
    flush(v);
    return VMBUS_NT_SUCCESS;
}

static void on_packet(void *vsp, struct vmbus_channel *c, const struct vmbus_packet *p)
{
    struct netvsp *const v = vsp;
    struct netvsp_channel *const ch = find(v, c);
    struct nvsp_message m = {.type = NVSP_NONE};
    if (p->type == VMBUS_PKT_COMPLETION) {
        completed(v, ch, p->id);
    } else if ((p->type == VMBUS_PKT_INBAND || p->type == VMBUS_PKT_GPA_DIRECT) &&
               p->length >= sizeof(m.type)) {
        memcpy(&m, p->data, p->length < sizeof(m) ? p->length : sizeof(m));
        ch->answer = (struct nvsp_message){.type = NVSP_NONE};
        ch->answer_id = p->id;
        dispatch(v, ch, &m, p, &ch->answer);
        ch->has_answer = p->flags & VMBUS_PKT_F_COMPLETION;
    } else {
        vmbus_fail(c, "a packet that is no network message");
    }
    flush(v);
    vswitch_flush(v->port.sw);
}

static void on_closed(void *vsp, struct vmbus_channel *c)
{
    struct netvsp *const v = vsp;
    struct netvsp_channel *const ch = find(v, c);
    ch->is_open = false;
    ch->has_answer = false;
    take_back_sections(v, (unsigned)(ch - v->channel));
    if (ch != &v->channel[0])
        return;
    v->state = NET_CLOSED;
    v->send.is_set = false;
    drop_receive_buffer(v);
    v->is_initialized = false;
    v->filter = 0;
    v->reply_length = 0;
    v->rss.types = 0;
    v->owes_table = false;
}

static void on_writable(void *vsp, struct vmbus_channel *c)
{
    (void)c;
    flush(vsp);
}

static void on_gone(void *vsp, struct vmbus_channel *c)
{
    struct netvsp *const v = vsp;
    const struct netvsp_host host = v->host;
    find(v, c)->channel = NULL;
    for (unsigned i = 0; i < NETVSP_CHANNELS; i++) {
        if (v->channel[i].channel)
            return;
    }
    vswitch_remove(&v->port);
    host.free(v);
}

static const struct vmbus_vsp_ops netvsp_ops = {.opened = on_opened,
                                                .packet = on_packet,
                                                .closed = on_closed,
                                                .writable = on_writable,
                                                .gone = on_gone};

/* ---- from outside ---- */

struct netvsp *netvsp_new(struct vmbus_server *s, const struct netvsp_host *host,
                          const struct vmbus_guid *instance, struct vswitch *sw,
                          const uint8_t mac[6], uint16_t vlan)
{
    struct netvsp *const v = host->alloc(sizeof(*v));
    if (!v)
        return NULL;
    v->host = *host;
    v->server = s;
    v->offer = (struct vmbus_offer){
        .class_id = VMBUS_CLASS_NIC, .instance_id = *instance, .flags = VMBUS_OFFER_ENUMERATE};
    v->port.ops = &netvsp_port_ops;
    v->port.is_guarded = true;
    v->port.is_linked = true;
    v->port.is_trunk = vlan == NETVSP_TRUNK;
    v->port.vlan = v->port.is_trunk ? 0 : vlan;
    memcpy(v->port.mac, mac, sizeof(v->port.mac));
    if (vswitch_add(sw, &v->port)) {
        v->channel[0].channel = vmbus_offer(s, &v->offer, &netvsp_ops, v);
        if (v->channel[0].channel)
            return v;
        vswitch_remove(&v->port);
    }
    host->free(v);
    return NULL;
}

void netvsp_set_link(struct netvsp *v, bool is_up)
{
    v->port.is_linked = is_up;
    flush(v);
}

bool netvsp_link(const struct netvsp *v)
{
    return v->port.is_linked;
}

const uint8_t *netvsp_mac(const struct netvsp *v)
{
    return v->port.mac;
}

struct netvsp_counts netvsp_counts(const struct netvsp *v)
{
    return (struct netvsp_counts){.sent = v->port.frames_in,
                                  .sent_bytes = v->port.bytes_in,
                                  .received = v->port.frames_out,
                                  .received_bytes = v->port.bytes_out,
                                  .no_buffer = v->no_buffer,
                                  .refused = v->port.refused + v->malformed};
}
