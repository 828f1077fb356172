/*
 * The hypervisor's pages: a bump pointer and a list of freed ones. Only what belongs to the root
 * and to the hypervisor itself comes from here; children live on deposited pages.
 */
#include "hypervisor/mm/mm.h"

struct hv_memmap hv_memmap;
struct hv_range hv_reserved[HV_MAX_RESERVED];

static uint64_t heap_next, heap_end, heap_free;

bool hv_is_ram(uint64_t hpa, uint64_t size)
{
    for (uint32_t i = 0; i < hv_memmap.count; i++) {
        const struct hv_range *r = &hv_memmap.range[i];
        if (r->type == 1 && hpa >= r->base && hpa - r->base < r->size &&
            size <= r->size - (hpa - r->base))
            return true;
    }
    return false;
}

bool hv_is_ours(uint64_t hpa, uint64_t size)
{
    for (uint32_t i = 0; i < HV_ARRAY_SIZE(hv_reserved); i++) {
        const struct hv_range *r = &hv_reserved[i];
        if (hpa < r->base + r->size && r->base < hpa + size)
            return true;
    }
    return false;
}

void hv_reserve(uint64_t base, uint64_t size)
{
    uint32_t i = 0;
    while (i < HV_ARRAY_SIZE(hv_reserved) && hv_reserved[i].size)
        i++;
    hv_assert(i < HV_ARRAY_SIZE(hv_reserved));
    hv_reserved[i] = (struct hv_range){base, size, 0};
}

void hv_heap_init(uint64_t base, uint64_t size)
{
    heap_next = base;
    heap_end = base + size;
}

uint64_t hv_page_alloc(void)
{
    uint64_t hpa = heap_free;
    if (hpa) {
        heap_free = *(uint64_t *)hv_va(hpa);
    } else {
        if (heap_next >= heap_end)
            return 0;
        hpa = heap_next;
        heap_next += HV_PAGE;
    }
    memset(hv_va(hpa), 0, HV_PAGE);
    return hpa;
}

void hv_page_free(uint64_t hpa)
{
    *(uint64_t *)hv_va(hpa) = heap_free;
    heap_free = hpa;
}

/* Extends the boot map (below 4 GiB) over RAM above it. */
void hv_map_physical(void)
{
    uint64_t *pml4 = hv_va(hv_read_cr3() & X86_PAGE_MASK);
    uint64_t *pdpt = hv_va(pml4[0] & EPT_ADDR_MASK);
    uint64_t top = 1ull << 32;
    for (uint32_t i = 0; i < hv_memmap.count; i++) {
        const struct hv_range *r = &hv_memmap.range[i];
        if (r->type == 1 && r->base + r->size > top)
            top = r->base + r->size;
    }
    if (top > 512ull << 30)
        top = 512ull << 30;
    for (uint64_t gib = 4; gib << 30 < top; gib++) {
        const uint64_t table = hv_page_alloc();
        hv_assert(table != 0);
        uint64_t *pd = hv_va(table);
        for (unsigned i = 0; i < 512; i++)
            pd[i] = ((gib << 30) + i * HV_LARGE_PAGE) | PTE_P | PTE_W | PTE_PS;
        pdpt[gib] = table | PTE_P | PTE_W;
    }
}
