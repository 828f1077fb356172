/*
 * vmbus/packet.c: a packet that was copied out of a ring: checks its inner lengths and flattens
 * GPA-direct ranges to segments of RAM.
 */
#include "vmbus/vmbus_int.h"

/* Is all of [gpa, gpa + length) RAM? */
static bool is_ram(struct vmbus_server *s, uint64_t gpa, uint64_t length)
{
    while (length) {
        uint64_t got = 0;
        if (!s->host.ram(s->ctx, gpa, length, &got) || !got)
            return false;
        gpa += got;
        length -= got;
    }
    return true;
}

/* Appends a piece of one page, or makes the last segment longer. */
static bool add(struct vmbus_server *s, struct vmbus_packet *p, uint64_t gpa, uint32_t length)
{
    struct vmbus_seg *last = p->segs ? &s->seg[p->segs - 1] : 0;
    p->seg_bytes += length;
    if (last && last->gpa + last->length == gpa && last->length <= UINT32_MAX - length) {
        last->length += length;
        return true;
    }
    if (p->segs == VMBUS_SEGS_MAX)
        return false;
    s->seg[p->segs++] = (struct vmbus_seg){gpa, length};
    return true;
}

static const char *one_range(struct vmbus_server *s, struct vmbus_packet *p,
                             struct vmbus_gpa_range r, const uint8_t *pfns)
{
    uint64_t left = r.byte_count;
    uint32_t offset = r.byte_offset;
    for (; left; pfns += 8) {
        uint64_t pfn;
        memcpy(&pfn, pfns, 8);
        const uint64_t room = VMBUS_RING_PAGE - offset;
        const uint32_t part = (uint32_t)(left < room ? left : room);
        if (pfn >> 40)
            return "a page number beyond any memory";
        if (!add(s, p, pfn * VMBUS_RING_PAGE + offset, part))
            return "too many segments";
        left -= part;
        offset = 0;
    }
    return 0;
}

static const char *gpa_direct(struct vmbus_server *s, struct vmbus_packet *p, uint32_t end)
{
    struct vmbus_gpa_direct h;
    const uint8_t *bytes = (const uint8_t *)s->packet;
    uint32_t at = sizeof(h);
    if (end < sizeof(h))
        return "a GPA-direct packet without ranges";
    memcpy(&h, bytes, sizeof(h));
    p->seg = s->seg;
    for (uint32_t i = 0; i < h.range_count; i++) {
        struct vmbus_gpa_range r;
        if (end - at < sizeof(r))
            return "ranges beyond the packet";
        memcpy(&r, bytes + at, sizeof(r));
        at += sizeof(r);
        const uint64_t span = (uint64_t)r.byte_offset + r.byte_count;
        const uint64_t pages = (span + VMBUS_RING_PAGE - 1) / VMBUS_RING_PAGE;
        if (r.byte_offset >= VMBUS_RING_PAGE || pages > (end - at) / 8)
            return "page numbers beyond the packet";
        const char *why = one_range(s, p, r, bytes + at);
        if (why)
            return why;
        at += (uint32_t)pages * 8;
    }
    for (unsigned i = 0; i < p->segs; i++)
        if (!is_ram(s, s->seg[i].gpa, s->seg[i].length))
            return "a buffer that is no memory";
    return 0;
}

static const char *xfer_pages(struct vmbus_server *s, struct vmbus_packet *p, uint32_t end)
{
    struct vmbus_xfer_pages h;
    if (end < sizeof(h))
        return "a transfer-page packet without ranges";
    memcpy(&h, s->packet, sizeof(h));
    if (h.range_count > (end - sizeof(h)) / sizeof(struct vmbus_xfer_range))
        return "transfer pages beyond the packet";
    p->set = h.set;
    p->ranges = h.range_count;
    p->range = (const void *)((const uint8_t *)s->packet + sizeof(h));
    return 0;
}

bool vmbus_packet_parse(struct vmbus_server *s, uint32_t length, struct vmbus_packet *p,
                        const char **why)
{
    struct vmbus_desc d;
    memcpy(&d, s->packet, sizeof(d));
    const uint32_t start = d.offset8 * 8u; /* vmbus_ring_read: 16 to length */
    *p = (struct vmbus_packet){.type = d.type,
                               .flags = d.flags,
                               .id = d.id,
                               .data = (const uint8_t *)s->packet + start,
                               .length = length - start};
    *why = 0;
    if (d.type == VMBUS_PKT_GPA_DIRECT)
        *why = gpa_direct(s, p, start);
    else if (d.type == VMBUS_PKT_XFER_PAGES)
        *why = xfer_pages(s, p, start);
    return !*why;
}
