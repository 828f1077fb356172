/*
 * The root's domain: second-level page tables (VT-d 3.7), and the root and context tables that lead
 * every device to them. One context table serves all 256 buses, as all its entries are the same.
 *
 * Not modelled: domains of other partitions; scalable mode.
 */
#include "abi/vtd.h"
#include "hypervisor/iommu/unit.h"
#include "hypervisor/mm/mm.h"

#define ROOT_DOMAIN 1u
#define ENTRIES     512u
#define RIGHTS      (VTD_SL_R | VTD_SL_W)

static uint64_t second_level; /* physical; 0: no domain */
static unsigned top_level;
static bool large_pages;

static uint64_t new_table(void)
{
    const uint64_t page = hv_page_alloc();
    if (!page)
        hv_panic("no memory for tables of VT-d");
    return page;
}

/* The entry for hpa at `level` (1: 4 KiB, 2: 2 MiB); missing tables are made, large pages split. */
static volatile uint64_t *entry_of(uint64_t hpa, unsigned level)
{
    uint64_t table = second_level;
    for (unsigned l = top_level;; l--) {
        volatile uint64_t *e = (volatile uint64_t *)hv_va(table) + (hpa >> (3 + 9 * l) & 511);
        if (l == level)
            return e;
        if (!(*e & RIGHTS)) {
            *e = new_table() | RIGHTS;
        } else if (*e & VTD_SL_PS) {
            const uint64_t page = new_table(), base = *e & VTD_ADDRESS;
            uint64_t *t = hv_va(page);
            for (unsigned i = 0; i < ENTRIES; i++)
                t[i] = (base + i * HV_PAGE) | RIGHTS;
            *e = page | RIGHTS;
        }
        table = *e & VTD_ADDRESS;
    }
}

void hv_iommu_grant(uint64_t hpa)
{
    if (second_level)
        *entry_of(hpa, 1) = hpa | RIGHTS;
}

void hv_iommu_revoke(uint64_t hpa)
{
    if (second_level)
        *entry_of(hpa, 1) = 0;
}

static void grant_range(uint64_t base, uint64_t end)
{
    for (uint64_t at = HV_ALIGN_UP(base, HV_PAGE); at + HV_PAGE <= end;) {
        const bool whole = large_pages && !(at & (HV_LARGE_PAGE - 1)) &&
                           at + HV_LARGE_PAGE <= end && !hv_is_ours(at, HV_LARGE_PAGE);
        if (whole)
            *entry_of(at, 2) = at | RIGHTS | VTD_SL_PS;
        else if (!hv_is_ours(at, HV_PAGE))
            hv_iommu_grant(at);
        at += whole ? HV_LARGE_PAGE : HV_PAGE;
    }
}

uint64_t hv_domain_build(unsigned levels, bool large)
{
    top_level = levels;
    large_pages = large;
    second_level = new_table();
    for (uint32_t i = 0; i < hv_memmap.count; i++) {
        const struct hv_range *r = &hv_memmap.range[i];
        if (r->type == 1)
            grant_range(r->base, r->base + r->size);
    }
    const uint64_t contexts = new_table(), roots = new_table();
    uint64_t *context = hv_va(contexts), *root = hv_va(roots);
    for (unsigned i = 0; i < 256; i++) {
        context[2 * i] = second_level | VTD_ENTRY_P;
        context[2 * i + 1] = ROOT_DOMAIN << 8 | (levels - 2);
        root[2 * i] = contexts | VTD_ENTRY_P;
    }
    return roots;
}
