/*
 * vmbus/client/client.c: the guest's side of VMBus (client.h).
 *
 * Not modelled: waiting, time-outs, GPADLs of several ranges.
 */
#include "vmbus/client/client.h"

#define HEADER_PFNS 26u
#define BODY_PFNS   28u

void vmbus_client_init(struct vmbus_client *c, const struct vmbus_client_host *host, void *ctx)
{
    memset(c, 0, sizeof(*c));
    c->host = *host;
    c->ctx = ctx;
    c->next_gpadl = VMBUS_CLIENT_GPADL;
}

void vmbus_client_connect(struct vmbus_client *c, uint32_t version)
{
    struct vmbus_msg_contact m = {.h = {VMBUS_MSG_INITIATE_CONTACT, 0}, .version = version};
    if (version >= VMBUS_VERSION_5_0)
        m.sint = VMBUS_SINT;
    c->version = 0;
    c->answered = c->all_offers = false;
    c->asked = version;
    memset(c->channel, 0, sizeof(c->channel));
    c->host.post(c->ctx, &m, sizeof(m));
}

void vmbus_client_request_offers(struct vmbus_client *c)
{
    const struct vmbus_msg m = {VMBUS_MSG_REQUEST_OFFERS, 0};
    c->host.post(c->ctx, &m, sizeof(m));
}

static struct vmbus_client_channel *by_relid(struct vmbus_client *c, uint32_t relid)
{
    for (unsigned i = 0; i < VMBUS_CLIENT_CHANNELS; i++)
        if (c->channel[i].state != VMBUS_C_NONE && c->channel[i].offer.relid == relid)
            return &c->channel[i];
    return 0;
}

struct vmbus_client_channel *vmbus_client_find(struct vmbus_client *c,
                                               const struct vmbus_guid *class_id, unsigned n)
{
    for (unsigned i = 0; i < VMBUS_CLIENT_CHANNELS; i++) {
        struct vmbus_client_channel *ch = &c->channel[i];
        if (ch->state != VMBUS_C_NONE && ch->state != VMBUS_C_RESCINDED &&
            !memcmp(&ch->offer.class_id, class_id, sizeof(*class_id)) && !n--)
            return ch;
    }
    return 0;
}

/* ---- answers and news ---- */
static void on_offer(struct vmbus_client *c, const struct vmbus_msg_offer *m)
{
    for (unsigned i = 0; i < VMBUS_CLIENT_CHANNELS; i++) {
        struct vmbus_client_channel *ch = &c->channel[i];
        if (ch->state != VMBUS_C_NONE)
            continue;
        memset(ch, 0, sizeof(*ch));
        ch->offer = *m;
        ch->state = VMBUS_C_OFFERED;
        return;
    }
}

static void on_created(struct vmbus_client *c, const struct vmbus_msg_gpadl_created *m)
{
    struct vmbus_client_channel *ch = by_relid(c, m->relid);
    c->gpadl_status = m->status;
    if (!ch || ch->state != VMBUS_C_GPADL || ch->gpadl != m->gpadl)
        return;
    const struct vmbus_msg_open open = {.h = {VMBUS_MSG_OPEN_CHANNEL, 0},
                                        .relid = m->relid,
                                        .open_id = m->relid,
                                        .gpadl = m->gpadl,
                                        .target_vp = ch->target_vp,
                                        .downstream_page = ch->downstream};
    ch->state = m->status ? VMBUS_C_REFUSED : VMBUS_C_OPENING;
    ch->refused = m->status;
    if (!m->status)
        c->host.post(c->ctx, &open, sizeof(open));
}

static void on_opened(struct vmbus_client *c, const struct vmbus_msg_open_result *m)
{
    struct vmbus_client_channel *ch = by_relid(c, m->relid);
    if (!ch || ch->state != VMBUS_C_OPENING)
        return;
    ch->state = m->status ? VMBUS_C_REFUSED : VMBUS_C_OPEN;
    ch->refused = m->status;
}

static void on_version(struct vmbus_client *c, const struct vmbus_msg_version *m)
{
    c->answered = true;
    c->version = m->supported ? c->asked : 0;
}

static void on_rescind(struct vmbus_client *c, const struct vmbus_msg_relid *m)
{
    struct vmbus_client_channel *ch = by_relid(c, m->relid);
    if (ch)
        ch->state = VMBUS_C_RESCINDED;
}

void vmbus_client_message(struct vmbus_client *c, const void *msg, uint32_t size)
{
    union {
        struct vmbus_msg h;
        struct vmbus_msg_offer offer;
        struct vmbus_msg_relid relid;
        struct vmbus_msg_gpadl_created created;
        struct vmbus_msg_gpadl_torndown torndown;
        struct vmbus_msg_open_result opened;
        struct vmbus_msg_version version;
        struct vmbus_msg_modify_response modified;
        struct vmbus_msg_tl_result tl;
    } m;
    memset(&m, 0, sizeof(m));
    memcpy(&m, msg, size < sizeof(m) ? size : sizeof(m));
    switch (m.h.type) {
    case VMBUS_MSG_OFFER_CHANNEL:
        on_offer(c, &m.offer);
        break;
    case VMBUS_MSG_RESCIND_CHANNEL_OFFER:
        on_rescind(c, &m.relid);
        break;
    case VMBUS_MSG_ALL_OFFERS_DELIVERED:
        c->all_offers = true;
        break;
    case VMBUS_MSG_OPEN_CHANNEL_RESULT:
        on_opened(c, &m.opened);
        break;
    case VMBUS_MSG_GPADL_CREATED:
        on_created(c, &m.created);
        break;
    case VMBUS_MSG_GPADL_TORNDOWN:
        c->torndown = m.torndown.gpadl;
        break;
    case VMBUS_MSG_VERSION_RESPONSE:
        on_version(c, &m.version);
        break;
    case VMBUS_MSG_UNLOAD_RESPONSE:
        c->unloaded = true;
        break;
    case VMBUS_MSG_MODIFY_CHANNEL_RESPONSE:
        c->modified = m.modified.status ? 0 : m.modified.relid;
        break;
    case VMBUS_MSG_TL_CONNECT_RESULT:
        c->tl_status = m.tl.status;
        break;
    default:
        break;
    }
}

/* ---- GPADL, open, close ---- */
static unsigned put_pfns(uint8_t *to, const struct vmbus_page *page, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        const uint64_t pfn = page[i].gpa / VMBUS_RING_PAGE;
        memcpy(to + 8 * i, &pfn, 8);
    }
    return 8 * n;
}

uint32_t vmbus_client_gpadl(struct vmbus_client *c, uint32_t relid, const struct vmbus_page *page,
                            unsigned pages)
{
    uint8_t bytes[VMBUS_MESSAGE_MAX];
    const uint32_t id = c->next_gpadl++;
    const struct vmbus_msg_gpadl_header h = {.h = {VMBUS_MSG_GPADL_HEADER, 0},
                                             .relid = relid,
                                             .gpadl = id,
                                             .range_bytes = (uint16_t)(8 + 8 * pages),
                                             .range_count = 1,
                                             .range = {pages * VMBUS_RING_PAGE, 0}};
    const struct vmbus_msg_gpadl_body b = {.h = {VMBUS_MSG_GPADL_BODY, 0}, .gpadl = id};
    unsigned n = pages < HEADER_PFNS ? pages : HEADER_PFNS, done = n;
    memcpy(bytes, &h, sizeof(h));
    c->host.post(c->ctx, bytes, (uint32_t)sizeof(h) + put_pfns(bytes + sizeof(h), page, n));
    while (done < pages) {
        n = pages - done < BODY_PFNS ? pages - done : BODY_PFNS;
        memcpy(bytes, &b, sizeof(b));
        n = put_pfns(bytes + sizeof(b), page + done, n);
        done += n / 8;
        c->host.post(c->ctx, bytes, (uint32_t)sizeof(b) + n);
    }
    return id;
}

void vmbus_client_open(struct vmbus_client *c, struct vmbus_client_channel *ch,
                       const struct vmbus_page *page, unsigned pages, unsigned downstream,
                       uint32_t target_vp)
{
    if (pages > VMBUS_CLIENT_RING_PAGES || downstream < 2 || downstream + 2 > pages)
        return;
    for (unsigned i = 0; i < pages; i++) {
        memset(page[i].va, 0, VMBUS_RING_PAGE);
        ch->page[i] = page[i].va;
    }
    vmbus_ring_init(&ch->out, ch->page, downstream, true);
    vmbus_ring_init(&ch->in, ch->page + downstream, pages - downstream, false);
    ch->out.control->features = VMBUS_RING_F_PENDING_SEND;
    ch->in.control->features = VMBUS_RING_F_PENDING_SEND;
    ch->downstream = downstream;
    ch->target_vp = target_vp;
    ch->state = VMBUS_C_GPADL;
    ch->gpadl = c->next_gpadl;
    vmbus_client_gpadl(c, ch->offer.relid, page, pages);
}

static void teardown(struct vmbus_client *c, const struct vmbus_client_channel *ch)
{
    const struct vmbus_msg_gpadl_teardown m = {
        {VMBUS_MSG_GPADL_TEARDOWN, 0}, ch->offer.relid, ch->gpadl};
    c->host.post(c->ctx, &m, sizeof(m));
}

void vmbus_client_close(struct vmbus_client *c, struct vmbus_client_channel *ch)
{
    const struct vmbus_msg_relid m = {{VMBUS_MSG_CLOSE_CHANNEL, 0}, ch->offer.relid};
    c->host.post(c->ctx, &m, sizeof(m));
    teardown(c, ch);
    if (ch->state != VMBUS_C_RESCINDED)
        ch->state = VMBUS_C_OFFERED;
}

void vmbus_client_release(struct vmbus_client *c, struct vmbus_client_channel *ch)
{
    const struct vmbus_msg_relid m = {{VMBUS_MSG_RELID_RELEASED, 0}, ch->offer.relid};
    ch->state = VMBUS_C_NONE;
    c->host.post(c->ctx, &m, sizeof(m));
}

/* ---- packets ---- */
static int send_pieces(struct vmbus_client *c, struct vmbus_client_channel *ch, struct vmbus_desc d,
                       const struct vmbus_piece *piece, unsigned pieces)
{
    const int r = vmbus_ring_write(&ch->out, d, piece, pieces);
    if (r == 1)
        c->host.signal(c->ctx, ch->offer.connection);
    return r < 0 ? r : 0;
}

int vmbus_client_send(struct vmbus_client *c, struct vmbus_client_channel *ch, uint64_t id,
                      uint16_t flags, const void *data, uint32_t length)
{
    const struct vmbus_desc d = {VMBUS_PKT_INBAND, sizeof(d) / 8, 0, flags, id};
    const struct vmbus_piece piece = {data, length};
    return send_pieces(c, ch, d, &piece, 1);
}

int vmbus_client_send_gpa(struct vmbus_client *c, struct vmbus_client_channel *ch, uint64_t id,
                          const void *ranges, uint32_t range_bytes, uint32_t range_count,
                          const void *data, uint32_t length)
{
    const struct vmbus_gpa_direct h = {.range_count = range_count};
    const struct vmbus_desc d = {VMBUS_PKT_GPA_DIRECT, (uint16_t)((sizeof(h) + range_bytes) / 8), 0,
                                 VMBUS_PKT_F_COMPLETION, id};
    const struct vmbus_piece piece[] = {
        {&h.rsvd, sizeof(h) - sizeof(h.d)}, {ranges, range_bytes}, {data, length}};
    return send_pieces(c, ch, d, piece, 3);
}

int vmbus_client_receive(struct vmbus_client *c, struct vmbus_client_channel *ch, void *buffer,
                         uint32_t room)
{
    bool signal = false;
    const int r = vmbus_ring_read(&ch->in, buffer, room, &signal);
    if (signal)
        c->host.signal(c->ctx, ch->offer.connection);
    return r;
}
