/*
 * EPT trees (SDM 3C 29.3): the guest-physical space of a partition.
 *
 * A child's tree holds what the root mapped with HvCallMapGpaPages. The root's tree is the
 * identity, filled on demand in 2 MiB pages and split where the hypervisor keeps something back:
 * its own memory, deposited pages, overlays and the local APIC page.
 * Not modelled: accessed and dirty bits, 1 GiB pages, freeing of tables before the partition dies.
 */
#include "hypervisor/mm/mm.h"
#include "hypervisor/vmx/hv_vmx.h"

#define LAPIC_PAGE 0xfee00000ull
#define TABLE_BITS (EPT_R | EPT_W | EPT_X)

bool hv_ept_init(struct hv_partition *p)
{
    p->ept_root = hv_partition_page(p);
    if (!p->ept_root)
        return false;
    p->eptp = p->ept_root | EPT_MT_WB | EPTP_WALK4;
    p->ept_gen = 1;
    return true;
}

/* Turns a 2 MiB page into a table of 4 KiB pages with the same rights. */
static bool split(struct hv_partition *p, uint64_t *entry)
{
    const uint64_t table = hv_partition_page(p);
    if (!table)
        return false;
    uint64_t *t = hv_va(table);
    const uint64_t base = *entry & EPT_ADDR_MASK, bits = *entry & ~EPT_ADDR_MASK & ~EPT_LEAF;
    for (unsigned i = 0; i < 512; i++)
        t[i] = (base + i * HV_PAGE) | bits;
    *entry = table | TABLE_BITS;
    hv_ept_changed(p);
    return true;
}

uint64_t *hv_ept_entry(struct hv_partition *p, uint64_t gpa, int level, bool create)
{
    uint64_t *table = hv_va(p->ept_root);
    if (gpa >> 48)
        return NULL;
    for (int l = 4;; l--) {
        uint64_t *e = &table[gpa >> (3 + 9 * l) & 511];
        if (l == level)
            return e;
        if (!(*e & TABLE_BITS)) {
            if (!create)
                return NULL;
            const uint64_t page = hv_partition_page(p);
            if (!page)
                return NULL;
            *e = page | TABLE_BITS;
        } else if (*e & EPT_LEAF) {
            if (!create || !split(p, e))
                return NULL;
        }
        table = hv_va(*e & EPT_ADDR_MASK);
    }
}

uint64_t hv_ept_lookup(struct hv_partition *p, uint64_t gpa, int *level_out)
{
    const uint64_t *table = hv_va(p->ept_root);
    if (gpa >> 48)
        return 0;
    for (int l = 4;; l--) {
        const uint64_t e = table[gpa >> (3 + 9 * l) & 511];
        if (l == 1 || !(e & TABLE_BITS) || (e & EPT_LEAF)) {
            *level_out = l;
            return e;
        }
        table = hv_va(e & EPT_ADDR_MASK);
    }
}

static uint64_t rights(uint32_t flags)
{
    return (flags & HV_MAP_READ ? EPT_R : 0) | (flags & HV_MAP_WRITE ? EPT_W : 0) |
           (flags & (HV_MAP_KEXEC | HV_MAP_UEXEC) ? EPT_X : 0);
}

/* Overlays stay on top: a new mapping below one goes to where the old one is kept. */
static uint64_t *overlaid(struct hv_partition *p, uint64_t gpa)
{
    struct hv_overlay *o = &p->hypercall_overlay;
    return o->active && o->gpfn == gpa >> 12 ? &o->saved_entry : NULL;
}

uint32_t hv_ept_map(struct hv_partition *p, uint64_t gpa, uint64_t hpa, uint32_t flags, int level)
{
    uint64_t *e = hv_ept_entry(p, gpa, level, true);
    if (!e)
        return gpa >> 48 ? HV_STATUS_INVALID_PARAMETER : HV_STATUS_INSUFFICIENT_MEMORY;
    const uint64_t value = hpa | rights(flags) | EPT_MT_WB << EPT_MT_SHIFT;
    uint64_t *below = level == 1 ? overlaid(p, gpa) : NULL;
    if (below) {
        *below = value;
        return HV_STATUS_SUCCESS;
    }
    if (level == 2) {
        if ((*e & TABLE_BITS) && !(*e & EPT_LEAF))
            return HV_STATUS_INVALID_PARAMETER; /* small pages live there */
    }
    const bool replaces = (*e & TABLE_BITS) != 0;
    *e = value | (level == 2 ? EPT_LEAF : 0);
    if (replaces)
        hv_ept_changed(p);
    return HV_STATUS_SUCCESS;
}

/* 4 KiB at a time; false: no page to split a large one with. The caller calls hv_ept_changed
 * once at the end. */
bool hv_ept_unmap(struct hv_partition *p, uint64_t gpa)
{
    int level;
    if (!(hv_ept_lookup(p, gpa, &level) & TABLE_BITS))
        return true;
    uint64_t *below = overlaid(p, gpa);
    uint64_t *e = below ? below : hv_ept_entry(p, gpa, 1, true);
    if (!e)
        return false;
    *e = 0;
    return true;
}

/* No LP may go on with a stale translation: those in this partition leave guest mode now, and all
 * invalidate before they enter again. */
void hv_ept_changed(struct hv_partition *p)
{
    p->ept_gen++;
    struct hv_lp *self = hv_this_lp();
    for (uint32_t i = 0; i < hv_lp_count; i++) {
        struct hv_lp *lp = &hv_lps[i];
        if (lp == self || !lp->current || lp->current->partition != p)
            continue;
        if (lp->in_guest)
            hv_lp_kick(lp);
        while (lp->in_guest)
            hv_pause();
    }
}

static void free_level(struct hv_partition *p, uint64_t table, int level)
{
    const uint64_t *t = hv_va(table);
    for (unsigned i = 0; level > 1 && i < 512; i++) {
        if ((t[i] & TABLE_BITS) && !(t[i] & EPT_LEAF))
            free_level(p, t[i] & EPT_ADDR_MASK, level - 1);
    }
    hv_partition_free_page(p, table);
}

void hv_ept_free(struct hv_partition *p)
{
    if (p->ept_root)
        free_level(p, p->ept_root, 4);
    p->ept_root = 0;
}

/* Fills the root's identity map around gpa. False: the page is not the root's. */
bool hv_ept_demand(struct hv_partition *p, uint64_t gpa)
{
    const uint64_t large = HV_ALIGN_DOWN(gpa, HV_LARGE_PAGE), page = HV_ALIGN_DOWN(gpa, HV_PAGE);
    if (!p->is_root || gpa >> 46 || hv_is_ours(page, HV_PAGE) || page == LAPIC_PAGE)
        return false;
    const bool whole = !hv_is_ours(large, HV_LARGE_PAGE) && large != LAPIC_PAGE;
    uint64_t *e = hv_ept_entry(p, gpa, 2, true);
    if (!e)
        return false;
    const bool split_before = (*e & TABLE_BITS) && !(*e & EPT_LEAF);
    uint64_t base = large, leaf = EPT_LEAF;
    if (!whole || split_before) {
        e = hv_ept_entry(p, gpa, 1, true);
        base = page;
        leaf = 0;
        if (!e || (*e & HV_EPT_TAKEN))
            return false;
    }
    const uint64_t type = hv_is_ram(base, HV_PAGE) ? EPT_MT_WB : EPT_MT_UC;
    *e = base | TABLE_BITS | type << EPT_MT_SHIFT | leaf;
    return true;
}

bool hv_overlay_set(struct hv_partition *p, struct hv_overlay *o, uint64_t gpfn)
{
    const uint64_t gpa = gpfn << 12;
    if (gpfn >> 36)
        return false;
    if (p->is_root) {
        int level;
        if (!(hv_ept_lookup(p, gpa, &level) & TABLE_BITS) && !hv_ept_demand(p, gpa))
            return false;
    }
    uint64_t *e = hv_ept_entry(p, gpa, 1, true);
    if (!e || (*e & HV_EPT_TAKEN))
        return false;
    o->saved_entry = *e;
    o->gpfn = gpfn;
    o->active = true;
    *e = o->page | EPT_R | EPT_X | EPT_MT_WB << EPT_MT_SHIFT | HV_EPT_OVERLAY;
    hv_ept_changed(p);
    return true;
}

void hv_overlay_clear(struct hv_partition *p, struct hv_overlay *o)
{
    if (!o->active)
        return;
    o->active = false;
    uint64_t *e = hv_ept_entry(p, o->gpfn << 12, 1, true);
    if (e)
        *e = o->saved_entry;
    hv_ept_changed(p);
}

void *hv_gpa_page(struct hv_partition *p, uint64_t gpa, uint64_t access)
{
    int level;
    uint64_t e = hv_ept_lookup(p, gpa, &level);
    if (!(e & TABLE_BITS) && p->is_root && hv_is_ram(HV_ALIGN_DOWN(gpa, HV_PAGE), HV_PAGE) &&
        hv_ept_demand(p, gpa))
        e = hv_ept_lookup(p, gpa, &level);
    if ((e & access) != access)
        return NULL;
    uint64_t hpa = e & EPT_ADDR_MASK;
    if (level == 2)
        hpa = HV_ALIGN_DOWN(hpa, HV_LARGE_PAGE) | (gpa & (HV_LARGE_PAGE - 1) & ~(HV_PAGE - 1));
    if (!hv_is_ram(hpa, HV_PAGE))
        return NULL; /* device memory: the hypervisor never touches it for a guest */
    return hv_va(hpa);
}

void *hv_guest_page_get(struct hv_partition *p, struct hv_guest_page *c, uint64_t gpa,
                        uint64_t access)
{
    if (c->gen != p->ept_gen || c->gpfn != gpa >> 12 || !c->va) {
        c->va = hv_gpa_page(p, gpa, access);
        c->gpfn = gpa >> 12;
        c->gen = p->ept_gen;
    }
    return c->va;
}
