/*
 * vmbus/gpadl.c: guest physical address descriptor lists: the guest names a buffer by its page
 * numbers, in a header message and bodies, and gets "created" when all are here and all are RAM.
 *
 * Not modelled: lists of several ranges.
 */
#include "vmbus/vmbus_int.h"

struct vmbus_gpadl *vmbus_gpadl_find(struct vmbus_server *s, uint32_t id)
{
    struct vmbus_gpadl *g = s->gpadls;
    while (g && g->id != id)
        g = g->next;
    return g;
}

static void created(struct vmbus_server *s, uint32_t relid, uint32_t id, uint32_t status)
{
    const struct vmbus_msg_gpadl_created m = {{VMBUS_MSG_GPADL_CREATED, 0}, relid, id, status};
    if (status)
        vmbus_log(s, relid, "a GPADL is refused");
    vmbus_post(s, &m, sizeof(m));
}

static void drop(struct vmbus_server *s, struct vmbus_gpadl **link)
{
    struct vmbus_gpadl *g = *link;
    *link = g->next;
    s->gpadl_count--;
    s->gpadl_pages -= g->pages;
    s->host.free(g->pfn);
    s->host.free(g);
}

static void drop_one(struct vmbus_server *s, const struct vmbus_gpadl *g)
{
    struct vmbus_gpadl **link = &s->gpadls;
    while (*link != g)
        link = &(*link)->next;
    drop(s, link);
}

void vmbus_gpadl_forget(struct vmbus_server *s, const struct vmbus_channel *c)
{
    for (struct vmbus_gpadl **link = &s->gpadls; *link;) {
        if (!c || (*link)->owner == c)
            drop(s, link);
        else
            link = &(*link)->next;
    }
}

static bool all_ram(struct vmbus_server *s, const struct vmbus_gpadl *g)
{
    uint64_t got;
    for (uint32_t i = 0; i < g->pages; i++)
        if (g->pfn[i] >> 40 ||
            !s->host.ram(s->ctx, g->pfn[i] * VMBUS_RING_PAGE, VMBUS_RING_PAGE, &got) ||
            got < VMBUS_RING_PAGE)
            return false;
    return true;
}

/* Page numbers of one message; those beyond the wanted ones are ignored. */
static void fill(struct vmbus_server *s, struct vmbus_gpadl *g, const uint8_t *from, uint32_t size)
{
    uint32_t n = size / 8;
    if (n > g->pages - g->filled)
        n = g->pages - g->filled;
    memcpy(g->pfn + g->filled, from, n * 8);
    g->filled += n;
    if (g->filled < g->pages)
        return;
    const uint32_t relid = g->owner->relid, id = g->id;
    const bool good = all_ram(s, g);
    if (!good)
        drop_one(s, g);
    created(s, relid, id, good ? VMBUS_NT_SUCCESS : VMBUS_NT_INVALID_PARAMETER);
}

void vmbus_gpadl_header(struct vmbus_server *s, const uint8_t *msg, uint32_t size)
{
    struct vmbus_msg_gpadl_header m;
    memcpy(&m, msg, sizeof(m));
    struct vmbus_channel *c = vmbus_channel_find(s, m.relid);
    const uint64_t span = (uint64_t)m.range.byte_offset + m.range.byte_count;
    const uint64_t pages = (span + VMBUS_RING_PAGE - 1) / VMBUS_RING_PAGE;
    if (!c || m.range_count != 1 || !m.range.byte_count || m.range.byte_offset >= VMBUS_RING_PAGE ||
        pages > VMBUS_GPADL_PAGES_MAX || vmbus_gpadl_find(s, m.gpadl)) {
        created(s, m.relid, m.gpadl, VMBUS_NT_INVALID_PARAMETER);
        return;
    }
    struct vmbus_gpadl *g = 0;
    if (s->gpadl_count < VMBUS_GPADLS_MAX && pages <= VMBUS_PAGES_MAX - s->gpadl_pages)
        g = s->host.alloc(sizeof(*g));
    uint64_t *pfn = g ? s->host.alloc(pages * 8) : 0;
    if (!pfn) {
        s->host.free(g);
        created(s, m.relid, m.gpadl, VMBUS_NT_NO_RESOURCES);
        return;
    }
    *g = (struct vmbus_gpadl){.next = s->gpadls,
                              .owner = c,
                              .id = m.gpadl,
                              .bytes = m.range.byte_count,
                              .offset = m.range.byte_offset,
                              .pages = (uint32_t)pages,
                              .pfn = pfn};
    s->gpadls = g;
    s->gpadl_count++;
    s->gpadl_pages += g->pages;
    fill(s, g, msg + sizeof(m), size - (uint32_t)sizeof(m));
}

void vmbus_gpadl_body(struct vmbus_server *s, const uint8_t *msg, uint32_t size)
{
    struct vmbus_msg_gpadl_body m;
    memcpy(&m, msg, sizeof(m));
    struct vmbus_gpadl *g = vmbus_gpadl_find(s, m.gpadl);
    if (!g || g->filled == g->pages) {
        vmbus_log(s, 0, "pages for a GPADL that wants none");
        return;
    }
    fill(s, g, msg + sizeof(m), size - (uint32_t)sizeof(m));
}

/* The guest waits for the answer, so even nonsense gets one. */
void vmbus_gpadl_teardown(struct vmbus_server *s, const struct vmbus_msg_gpadl_teardown *m)
{
    const struct vmbus_msg_gpadl_torndown answer = {{VMBUS_MSG_GPADL_TORNDOWN, 0}, m->gpadl};
    struct vmbus_gpadl *g = vmbus_gpadl_find(s, m->gpadl);
    if (g && g->owner->relid == m->relid)
        drop_one(s, g);
    else
        vmbus_log(s, m->relid, "teardown of a GPADL that is not there");
    vmbus_post(s, &answer, sizeof(answer));
}

/* ---- for VSPs ---- */
static const struct vmbus_gpadl *ready(struct vmbus_channel *c, uint32_t id)
{
    const struct vmbus_gpadl *g = vmbus_gpadl_find(c->server, id);
    return g && g->owner == c && g->filled == g->pages ? g : 0;
}

uint64_t vmbus_gpadl_size(struct vmbus_channel *c, uint32_t id)
{
    const struct vmbus_gpadl *g = ready(c, id);
    return g ? g->bytes : 0;
}

int vmbus_gpadl_copy(struct vmbus_channel *c, uint32_t id, uint64_t offset, void *buffer,
                     uint64_t length, bool to_guest)
{
    const struct vmbus_gpadl *g = ready(c, id);
    if (!g || offset > g->bytes || length > g->bytes - offset)
        return VMBUS_EBAD;
    uint64_t at = g->offset + offset;
    uint8_t *b = buffer;
    while (length) {
        const uint64_t in_page = at % VMBUS_RING_PAGE;
        uint64_t part = VMBUS_RING_PAGE - in_page, got;
        if (part > length)
            part = length;
        uint8_t *p = vmbus_gpa(c, g->pfn[at / VMBUS_RING_PAGE] * VMBUS_RING_PAGE + in_page, part,
                               &got);
        if (!p || got < part)
            return VMBUS_EBAD;
        if (to_guest)
            memcpy(p, b, part);
        else
            memcpy(b, p, part);
        b += part;
        at += part;
        length -= part;
    }
    return 0;
}
