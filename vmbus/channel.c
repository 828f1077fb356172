/*
 * vmbus/channel.c: the life of a channel: offered, open, closed, rescinded, gone.
 *
 * Not modelled: monitor pages (offers ask for signals by hypercall), reserved channels.
 */
#include "vmbus/vmbus_int.h"

struct vmbus_channel *vmbus_channel_find(struct vmbus_server *s, uint32_t relid)
{
    return relid && relid <= s->host.relid_max ? s->channel[relid] : 0;
}

void vmbus_channel_offer(struct vmbus_channel *c)
{
    const struct vmbus_offer *o = &c->offer;
    struct vmbus_msg_offer m = {.h = {VMBUS_MSG_OFFER_CHANNEL, 0},
                                .class_id = o->class_id,
                                .instance_id = o->instance_id,
                                .flags = o->flags,
                                .mmio_megabytes = o->mmio_megabytes,
                                .sub_index = o->sub_index,
                                .relid = c->relid,
                                .dedicated_interrupt = 1,
                                .connection = VMBUS_EVENT_CONNECTION + c->relid};
    memcpy(m.user, o->user, sizeof(m.user));
    c->seen = true;
    vmbus_post(c->server, &m, sizeof(m));
}

struct vmbus_channel *vmbus_offer(struct vmbus_server *s, const struct vmbus_offer *o,
                                  const struct vmbus_vsp_ops *ops, void *vsp)
{
    uint32_t relid = 1;
    while (relid <= s->host.relid_max && s->channel[relid])
        relid++;
    struct vmbus_channel *c = relid <= s->host.relid_max ? s->host.alloc(sizeof(*c)) : 0;
    if (!c)
        return 0;
    if (!s->host.connect(s->ctx, relid)) {
        s->host.free(c);
        return 0;
    }
    c->server = s;
    c->offer = *o;
    c->ops = ops;
    c->vsp = vsp;
    c->relid = relid;
    c->state = VMBUS_OFFERED;
    s->channel[relid] = c;
    if (s->offers_asked)
        vmbus_channel_offer(c);
    return c;
}

/* ---- open ---- */
static void free_rings(struct vmbus_channel *c)
{
    c->server->host.free(c->page);
    c->page = 0;
}

static uint32_t map_rings(struct vmbus_channel *c, const struct vmbus_msg_open *m)
{
    struct vmbus_server *s = c->server;
    const struct vmbus_gpadl *g = vmbus_gpadl_find(s, m->gpadl);
    if (!g || g->owner != c || g->filled != g->pages || g->offset)
        return VMBUS_NT_INVALID_PARAMETER;
    const uint32_t pages = g->bytes / VMBUS_RING_PAGE, second = m->downstream_page;
    if (pages > VMBUS_RING_PAGES_MAX || second < 2 || second >= pages || pages - second < 2)
        return VMBUS_NT_INVALID_PARAMETER;
    if (m->target_vp >= s->host.vps && m->target_vp != VMBUS_TARGET_VP_NONE)
        return VMBUS_NT_INVALID_PARAMETER;
    c->page = s->host.alloc(pages * sizeof(*c->page));
    if (!c->page)
        return VMBUS_NT_NO_RESOURCES;
    bool good = true;
    for (uint32_t i = 0; i < pages && good; i++) {
        uint64_t got = 0;
        c->page[i] = s->host.ram(s->ctx, g->pfn[i] * VMBUS_RING_PAGE, VMBUS_RING_PAGE, &got);
        good = c->page[i] && got == VMBUS_RING_PAGE;
    }
    if (good && vmbus_ring_init(&c->in, c->page, second, false) &&
        vmbus_ring_init(&c->out, c->page + second, pages - second, true))
        return VMBUS_NT_SUCCESS;
    free_rings(c);
    return VMBUS_NT_INVALID_PARAMETER;
}

static uint32_t open_channel(struct vmbus_channel *c, const struct vmbus_msg_open *m)
{
    uint32_t status = c->state == VMBUS_OFFERED && c->seen ? map_rings(c, m)
                                                           : VMBUS_NT_INVALID_PARAMETER;
    if (status)
        return status;
    c->paused = c->blocked = c->failed = c->signal = false;
    c->broken = 0;
    c->target_vp = m->target_vp;
    c->state = VMBUS_OPEN;
    c->opening = true;
    status = c->ops->opened(c->vsp, c, m->user);
    c->opening = false;
    if (c->state != VMBUS_OPEN) /* it rescinded its own channel */
        return status ? status : VMBUS_NT_UNSUCCESSFUL;
    if (status) {
        c->state = VMBUS_OFFERED;
        free_rings(c);
    }
    return status;
}

void vmbus_channel_open(struct vmbus_server *s, const struct vmbus_msg_open *m)
{
    struct vmbus_channel *c = vmbus_channel_find(s, m->relid);
    struct vmbus_msg_open_result answer = {
        {VMBUS_MSG_OPEN_CHANNEL_RESULT, 0}, m->relid, m->open_id, VMBUS_NT_INVALID_PARAMETER};
    if (c)
        answer.status = open_channel(c, m);
    if (answer.status)
        vmbus_log(s, m->relid, "open is refused");
    vmbus_post(s, &answer, sizeof(answer));
    if (answer.status)
        return;
    if (c->signal)
        vmbus_channel_interrupt(c);
    vmbus_channel_ready(c);
}

/* ---- the ways out ---- */
static void rescind_sub_channels(struct vmbus_channel *parent)
{
    struct vmbus_server *s = parent->server;
    for (uint32_t i = 1; i <= s->host.relid_max; i++) {
        struct vmbus_channel *c = s->channel[i];
        if (c && c->offer.parent == parent && c->state != VMBUS_RESCINDED)
            vmbus_rescind(c);
    }
}

void vmbus_channel_close(struct vmbus_channel *c)
{
    if (c->state != VMBUS_OPEN)
        return;
    c->state = VMBUS_OFFERED;
    if (!c->failed)
        c->ops->closed(c->vsp, c);
    free_rings(c);
    rescind_sub_channels(c);
}

void vmbus_rescind(struct vmbus_channel *c)
{
    struct vmbus_server *s = c->server;
    if (c->state == VMBUS_RESCINDED || c->state == VMBUS_DEAD)
        return;
    const struct vmbus_msg_relid m = {{VMBUS_MSG_RESCIND_CHANNEL_OFFER, 0}, c->relid};
    vmbus_channel_close(c);
    rescind_sub_channels(c);
    if (!c->seen) {
        vmbus_channel_gone(c);
        return;
    }
    c->state = VMBUS_RESCINDED;
    vmbus_post(s, &m, sizeof(m));
}

void vmbus_channel_gone(struct vmbus_channel *c)
{
    struct vmbus_server *s = c->server;
    for (uint32_t i = 1; i <= s->host.relid_max; i++)
        if (s->channel[i] && s->channel[i]->offer.parent == c)
            s->channel[i]->offer.parent = 0;
    vmbus_gpadl_forget(s, c);
    s->host.disconnect(s->ctx, c->relid);
    s->channel[c->relid] = 0;
    c->state = VMBUS_DEAD;
    c->next_dead = s->dead;
    s->dead = c;
    if (c->ops->gone)
        c->ops->gone(c->vsp, c);
}

/* Frees what is gone; callers up the stack may have looked at it till now. */
void vmbus_channel_reap(struct vmbus_server *s)
{
    for (struct vmbus_channel **link = &s->dead; *link;) {
        struct vmbus_channel *c = *link;
        if (c->ready) {
            link = &c->next_dead;
            continue;
        }
        *link = c->next_dead;
        s->host.free(c);
    }
}

/* ---- questions ---- */
uint32_t vmbus_relid(const struct vmbus_channel *c)
{
    return c->relid;
}

uint32_t vmbus_channel_vp(const struct vmbus_channel *c)
{
    return c->target_vp;
}

struct vmbus_server *vmbus_server_of(struct vmbus_channel *c)
{
    return c->server;
}

bool vmbus_is_open(const struct vmbus_channel *c)
{
    return vmbus_is_alive(c);
}
