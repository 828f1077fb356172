/*
 * vmbus/server.c: control messages: version negotiation, offers, and the dispatch to channels and
 * GPADLs. Protocol versions 2.4 to 5.3.
 *
 * A message that makes no sense costs a log line and, where the guest waits for an answer, is
 * refused. A guest that does not take its own messages loses them.
 *
 * Not modelled: versions 0.13 and 1.1 (their interrupt page), 6.0; reserved channels; sockets
 * (TL_CONNECT is refused).
 */
#include "vmbus/vmbus_int.h"

static const uint32_t versions[] = {
    VMBUS_VERSION_WIN8, VMBUS_VERSION_WIN8_1, VMBUS_VERSION_WIN10, VMBUS_VERSION_RS3,
    VMBUS_VERSION_5_0,  VMBUS_VERSION_RS4,    VMBUS_VERSION_RS5,   VMBUS_VERSION_IRON,
};

struct vmbus_server *vmbus_server_new(const struct vmbus_host *host, void *ctx)
{
    struct vmbus_server *s = host->alloc(sizeof(*s));
    struct vmbus_channel **table = host->alloc((host->relid_max + 1) * sizeof(*table));
    if (!s || !table) {
        host->free(s);
        host->free(table);
        return 0;
    }
    s->host = *host;
    s->ctx = ctx;
    s->channel = table;
    s->ready_tail = &s->ready;
    s->queue_tail = &s->queue;
    return s;
}

void vmbus_log(struct vmbus_server *s, uint32_t relid, const char *text)
{
    if (s->log_lines >= VMBUS_LOG_MAX)
        return;
    if (++s->log_lines == VMBUS_LOG_MAX)
        text = "and so on: no more about this guest";
    s->host.log(s->ctx, relid, text);
}

/* ---- messages to the guest: in order, at once if there is room ---- */
void vmbus_post(struct vmbus_server *s, const void *msg, uint32_t size)
{
    if (!s->queue && s->host.post(s->ctx, s->vp, msg, size))
        return;
    struct vmbus_queued *q = s->queued < VMBUS_QUEUE_MAX ? s->host.alloc(sizeof(*q)) : 0;
    if (!q) {
        vmbus_log(s, 0, "the guest does not take its messages: one is lost");
        return;
    }
    q->size = size;
    memcpy(q->data, msg, size);
    *s->queue_tail = q;
    s->queue_tail = &q->next;
    s->queued++;
    s->host.wake(s->ctx);
}

static void unqueue(struct vmbus_server *s)
{
    struct vmbus_queued *q = s->queue;
    s->queue = q->next;
    if (!s->queue)
        s->queue_tail = &s->queue;
    s->queued--;
    s->host.free(q);
}

/* ---- connection ---- */
static void disconnect(struct vmbus_server *s)
{
    /* Nobody is there any more to be told of rescinded channels. */
    for (uint32_t i = 1; i <= s->host.relid_max; i++)
        if (s->channel[i])
            s->channel[i]->seen = false;
    for (uint32_t i = 1; i <= s->host.relid_max; i++) {
        struct vmbus_channel *c = s->channel[i];
        if (c)
            vmbus_channel_close(c);
        if (c && s->channel[i] == c && (c->state == VMBUS_RESCINDED || c->offer.sub_index))
            vmbus_channel_gone(c);
    }
    vmbus_gpadl_forget(s, 0);
    while (s->queue)
        unqueue(s);
    s->offers_asked = false;
    s->version = 0;
}

void vmbus_server_free(struct vmbus_server *s)
{
    disconnect(s);
    for (uint32_t i = 1; i <= s->host.relid_max; i++)
        if (s->channel[i])
            vmbus_channel_gone(s->channel[i]);
    for (struct vmbus_channel *c = s->ready; c; c = c->next_ready)
        c->ready = false;
    vmbus_channel_reap(s);
    s->host.free(s->channel);
    s->host.free(s);
}

static bool known_version(uint32_t version)
{
    for (unsigned i = 0; i < sizeof(versions) / sizeof(versions[0]); i++)
        if (versions[i] == version)
            return true;
    return false;
}

static void initiate_contact(struct vmbus_server *s, const struct vmbus_msg_contact *m)
{
    struct vmbus_msg_version answer = {.h = {VMBUS_MSG_VERSION_RESPONSE, 0}};
    disconnect(s); /* a guest that starts anew without UNLOAD */
    s->vp = m->target_vp < s->host.vps ? m->target_vp : 0;
    answer.supported = known_version(m->version) && s->vp == m->target_vp &&
                       (m->version < VMBUS_VERSION_5_0 || (m->sint == VMBUS_SINT && !m->vtl));
    if (answer.supported) {
        s->version = m->version;
        answer.connection = m->version < VMBUS_VERSION_5_0 ? m->version : VMBUS_CONNECTION;
    }
    vmbus_post(s, &answer, sizeof(answer));
}

static void request_offers(struct vmbus_server *s)
{
    const struct vmbus_msg all = {VMBUS_MSG_ALL_OFFERS_DELIVERED, 0};
    if (s->offers_asked) {
        vmbus_log(s, 0, "offers are asked for twice");
        return;
    }
    s->offers_asked = true;
    for (uint32_t i = 1; i <= s->host.relid_max; i++)
        if (s->channel[i] && s->channel[i]->state == VMBUS_OFFERED)
            vmbus_channel_offer(s->channel[i]);
    vmbus_post(s, &all, sizeof(all));
}

static void unload(struct vmbus_server *s)
{
    const struct vmbus_msg answer = {VMBUS_MSG_UNLOAD_RESPONSE, 0};
    disconnect(s);
    vmbus_post(s, &answer, sizeof(answer));
}

static void modify(struct vmbus_server *s, const struct vmbus_msg_modify *m)
{
    struct vmbus_channel *c = vmbus_channel_find(s, m->relid);
    struct vmbus_msg_modify_response answer = {
        {VMBUS_MSG_MODIFY_CHANNEL_RESPONSE, 0}, m->relid, VMBUS_NT_INVALID_PARAMETER};
    if (c && c->state == VMBUS_OPEN &&
        (m->target_vp < s->host.vps || m->target_vp == VMBUS_TARGET_VP_NONE)) {
        c->target_vp = m->target_vp;
        answer.status = VMBUS_NT_SUCCESS;
    } else {
        vmbus_log(s, m->relid, "modify is refused");
    }
    if (s->version >= VMBUS_VERSION_IRON)
        vmbus_post(s, &answer, sizeof(answer));
}

static void tl_connect(struct vmbus_server *s, const struct vmbus_msg_tl_connect *m)
{
    const struct vmbus_msg_tl_result answer = {
        {VMBUS_MSG_TL_CONNECT_RESULT, 0}, m->endpoint, m->service, VMBUS_NT_CONNECTION_REFUSED};
    vmbus_post(s, &answer, sizeof(answer));
}

static void with_relid(struct vmbus_server *s, const struct vmbus_msg_relid *m)
{
    struct vmbus_channel *c = vmbus_channel_find(s, m->relid);
    if (m->h.type == VMBUS_MSG_CLOSE_CHANNEL && c) {
        vmbus_channel_close(c); /* a rescinded one is closed already */
        return;
    }
    if (m->h.type == VMBUS_MSG_RELID_RELEASED && c && c->state == VMBUS_RESCINDED)
        vmbus_channel_gone(c);
    else
        vmbus_log(s, m->relid, "close or release of a channel that is not so far");
}

/* ---- dispatch ---- */
union any_message {
    struct vmbus_msg h;
    struct vmbus_msg_contact contact;
    struct vmbus_msg_open open;
    struct vmbus_msg_relid relid;
    struct vmbus_msg_gpadl_teardown teardown;
    struct vmbus_msg_modify modify;
    struct vmbus_msg_tl_connect tl;
    uint8_t bytes[VMBUS_MESSAGE_MAX];
};

static const uint8_t least[] = {
    [VMBUS_MSG_REQUEST_OFFERS] = sizeof(struct vmbus_msg),
    [VMBUS_MSG_OPEN_CHANNEL] = sizeof(struct vmbus_msg_open),
    [VMBUS_MSG_CLOSE_CHANNEL] = sizeof(struct vmbus_msg_relid),
    [VMBUS_MSG_GPADL_HEADER] = sizeof(struct vmbus_msg_gpadl_header),
    [VMBUS_MSG_GPADL_BODY] = sizeof(struct vmbus_msg_gpadl_body),
    [VMBUS_MSG_GPADL_TEARDOWN] = sizeof(struct vmbus_msg_gpadl_teardown),
    [VMBUS_MSG_RELID_RELEASED] = sizeof(struct vmbus_msg_relid),
    [VMBUS_MSG_INITIATE_CONTACT] = sizeof(struct vmbus_msg_contact),
    [VMBUS_MSG_UNLOAD] = sizeof(struct vmbus_msg),
    [VMBUS_MSG_TL_CONNECT_REQUEST] = sizeof(struct vmbus_msg_tl_connect),
    [VMBUS_MSG_MODIFY_CHANNEL] = sizeof(struct vmbus_msg_modify),
};

static void dispatch(struct vmbus_server *s, const union any_message *m, uint32_t size)
{
    switch (m->h.type) {
    case VMBUS_MSG_REQUEST_OFFERS:
        request_offers(s);
        break;
    case VMBUS_MSG_OPEN_CHANNEL:
        vmbus_channel_open(s, &m->open);
        break;
    case VMBUS_MSG_CLOSE_CHANNEL:
    case VMBUS_MSG_RELID_RELEASED:
        with_relid(s, &m->relid);
        break;
    case VMBUS_MSG_GPADL_HEADER:
        vmbus_gpadl_header(s, m->bytes, size);
        break;
    case VMBUS_MSG_GPADL_BODY:
        vmbus_gpadl_body(s, m->bytes, size);
        break;
    case VMBUS_MSG_GPADL_TEARDOWN:
        vmbus_gpadl_teardown(s, &m->teardown);
        break;
    case VMBUS_MSG_TL_CONNECT_REQUEST:
        tl_connect(s, &m->tl);
        break;
    default:
        modify(s, &m->modify);
        break;
    }
}

void vmbus_server_message(struct vmbus_server *s, const void *msg, uint32_t size)
{
    union any_message m = {0};
    if (size > sizeof(m) || size < sizeof(m.h)) {
        vmbus_log(s, 0, "a message of wrong length");
        return;
    }
    memcpy(&m, msg, size);
    const uint32_t type = m.h.type;
    if (type >= sizeof(least) || !least[type] || size < least[type])
        vmbus_log(s, 0, "a message that is unknown or too short");
    else if (type == VMBUS_MSG_INITIATE_CONTACT)
        initiate_contact(s, &m.contact);
    else if (type == VMBUS_MSG_UNLOAD)
        unload(s); /* even when not connected: the guest polls for the answer */
    else if (s->version)
        dispatch(s, &m, size);
    else if (type != VMBUS_MSG_RELID_RELEASED) /* Linux sends these after UNLOAD, too */
        vmbus_log(s, 0, "a message before the connection");
    vmbus_channel_reap(s);
}

void vmbus_server_event(struct vmbus_server *s, uint32_t relid)
{
    struct vmbus_channel *c = vmbus_channel_find(s, relid);
    if (c && c->state == VMBUS_OPEN)
        vmbus_channel_ready(c);
}

enum vmbus_todo vmbus_server_run(struct vmbus_server *s)
{
    while (s->queue && s->host.post(s->ctx, s->vp, s->queue->data, s->queue->size))
        unqueue(s);
    struct vmbus_channel *list = s->ready;
    s->ready = 0;
    s->ready_tail = &s->ready;
    while (list) {
        struct vmbus_channel *c = list;
        list = c->next_ready;
        c->ready = false;
        if (c->state == VMBUS_OPEN && vmbus_channel_service(c) && c->state == VMBUS_OPEN)
            vmbus_channel_ready(c);
    }
    vmbus_channel_reap(s);
    return s->ready ? VMBUS_AGAIN : s->queue ? VMBUS_LATER : VMBUS_IDLE;
}

uint32_t vmbus_version(const struct vmbus_server *s)
{
    return s->version;
}
