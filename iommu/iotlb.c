/*
 * iommu/iotlb.c: translation of DMA with its caches, and their invalidation by scope (VT-d 6.2,
 * 6.5). Translations are kept by domain and 4 KiB page, with the size of the page that they came
 * from; nothing is kept of what is not present.
 */
#include "iommu/vtd_int.h"

static struct vtd_iotlb_entry *slot(struct vtd *v, uint16_t domain, uint64_t number)
{
    return &v->iotlb[(number ^ number >> 10 ^ (uint64_t)domain * 37) % VTD_IOTLB_ENTRIES];
}

/* The device's context from the cache or from memory; NULL: the fault is recorded. */
static const struct vtd_context *context_of(struct vtd *v, uint16_t rid, uint64_t at, bool to_write)
{
    struct vtd_context_entry *const e = &v->context[rid % VTD_CONTEXTS];
    if (e->valid && e->rid == rid)
        return &e->c;
    struct vtd_context c = {.quiet = false};
    const enum vtd_fault reason = vtd_find_context(v, rid, &c);
    if (reason) {
        vtd_block_access(v, rid, reason, at, to_write, c.quiet);
        return NULL;
    }
    *e = (struct vtd_context_entry){true, rid, c};
    return &e->c;
}

bool vtd_translate(void *vtd, uint16_t rid, iova_t at, bool to_write, hpa_t *to, size_t *len)
{
    struct vtd *const v = vtd;
    *to = hpa(at.v);
    if (!(vtd_get32(v, VTD_GSTS) & VTD_G_TE))
        return true;
    const struct vtd_context *const c = context_of(v, rid, at.v, to_write);
    if (!c)
        return false;
    if (c->pass_through)
        return true;
    const uint64_t number = at.v >> 12, need = to_write ? VTD_SL_W : VTD_SL_R;
    struct vtd_iotlb_entry *const e = slot(v, c->domain, number);
    if (!e->valid || e->number != number || e->domain != c->domain || !(e->p.perm & need)) {
        struct vtd_page p;
        const enum vtd_fault reason = vtd_walk(v, c, at.v, to_write, &p);
        if (reason) {
            vtd_block_access(v, rid, reason, at.v, to_write, c->quiet);
            return false;
        }
        *e = (struct vtd_iotlb_entry){true, c->domain, number, p};
    }
    const uint64_t offset = at.v - e->p.at, rest = (1ull << e->p.shift) - offset;
    *to = hpa(e->p.to + offset);
    if (*len > rest)
        *len = (size_t)rest;
    return true;
}

void vtd_drop_contexts(struct vtd *v, unsigned granularity, uint16_t domain, uint16_t sid,
                       unsigned mask)
{
    static const uint16_t compared[] = {0xffff, 0xfffb, 0xfff9, 0xfff8}; /* by function mask */
    for (unsigned n = 0; n < VTD_CONTEXTS; n++) {
        struct vtd_context_entry *const e = &v->context[n];
        if (granularity == VTD_INV_GLOBAL ||
            (e->c.domain == domain &&
             (granularity == VTD_INV_DOMAIN ||
              (granularity == VTD_INV_NARROW && !((e->rid ^ sid) & compared[mask & 3])))))
            e->valid = false;
    }
}

void vtd_drop_pages(struct vtd *v, unsigned granularity, uint16_t domain, uint64_t at,
                    unsigned mask)
{
    /* 1 << mask pages from `at`, which is aligned to them */
    const unsigned shift = 12 + (mask < 52 ? mask : 51);
    for (unsigned n = 0; n < VTD_IOTLB_ENTRIES; n++) {
        struct vtd_iotlb_entry *const e = &v->iotlb[n];
        const unsigned wider = e->p.shift > shift ? e->p.shift : shift;
        if (granularity == VTD_INV_GLOBAL ||
            (e->domain == domain &&
             (granularity == VTD_INV_DOMAIN ||
              (granularity == VTD_INV_NARROW && e->p.at >> wider == at >> wider))))
            e->valid = false;
    }
}
