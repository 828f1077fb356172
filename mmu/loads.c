/*
 * What a walk loads, for the cycle model: the tables of guest and EPT as they are now, looked at
 * without side effects (mmu.h). Translations themselves come from walk.c and ept.c.
 *
 * Not modelled: entries in device memory (the walk ends there).
 */
#include "mmu/mmu_int.h"

#define TABLE_ADDR 0x000ffffffffff000ull

/* Note the load of an entry; false: it cannot be looked at. */
static bool load(const struct cpu *c, struct mmu_loads *w, uint64_t at, unsigned size, uint64_t *e)
{
    const void *const p = ram_host(c->ram, at);
    if (!p || w->count == MMU_LOADS_MAX)
        return false;
    w->load[w->count].hpa = at;
    w->count++;
    *e = host_ld(p, size);
    return true;
}

/* Guest-physical to machine-physical; the page size in *shift. */
static bool ept_loads(const struct cpu *c, struct mmu_loads *w, uint64_t gpa, uint64_t *hpa_,
                      uint8_t *page_shift)
{
    *hpa_ = gpa;
    *page_shift = 39;
    if (!vmx_ept_enabled(c))
        return true;
    uint64_t table = vmx_eptp(c) & EPT_ADDR_MASK, e;
    for (unsigned shift = 39;; shift -= 9) {
        if (!load(c, w, table + (gpa >> shift & 511) * 8, 8, &e))
            return false;
        w->load[w->count - 1].kind = shift == 39 ? MMU_LOAD_EPT_FIRST : MMU_LOAD_EPT;
        w->load[w->count - 1].shift = (uint8_t)shift;
        w->load[w->count - 1].gpa = gpa;
        if (!(e & 7))
            return false;
        table = e & EPT_ADDR_MASK;
        if (shift == 12 || ((e & EPT_LEAF) && shift < 39)) {
            const uint64_t mask = (1ull << shift) - 1;
            *hpa_ = (table & ~mask) | (gpa & mask);
            *page_shift = (uint8_t)shift;
            return true;
        }
    }
}

static uint64_t root_of(const struct cpu *c, enum paging mode, uint64_t la)
{
    if (mode == PG_PAE)
        return c->pdpte[la >> 30 & 3] & TABLE_ADDR;
    return mode == PG_32 ? c->cr3 & 0xfffff000u : c->cr3 & TABLE_ADDR;
}

/* Guest tables down to the leaf: the guest-physical address of the page. */
static bool table_loads(const struct cpu *c, struct mmu_loads *w, enum paging mode, uint64_t la,
                        uint64_t *gpa)
{
    const struct paging_levels *const pl = &paging_levels[mode];
    uint64_t table = root_of(c, mode, la), at, e;
    uint8_t ignored;
    for (unsigned level = 0;; level++) {
        const unsigned shift = pl->shift[level];
        const uint64_t index = la >> shift & ((1u << pl->bits) - 1);
        if (!ept_loads(c, w, table + index * pl->esize, &at, &ignored))
            return false;
        if (shift == 12) {
            w->after_pde = w->count;
            w->has_pde = level != 0;
        }
        if (!load(c, w, at, pl->esize, &e) || !(e & PTE_P))
            return false;
        w->load[w->count - 1].kind = MMU_LOAD_TABLE;
        w->load[w->count - 1].shift = (uint8_t)shift;
        table = mode == PG_32 ? e & 0xfffff000u : e & TABLE_ADDR;
        if (shift == 12 || ((e & PTE_PS) && shift < 39)) {
            const uint64_t mask = (1ull << shift) - 1;
            w->leaf_shift = (uint8_t)shift;
            w->global = (e & PTE_G) && (c->cr4 & CR4_PGE);
            *gpa = (table & ~mask) | (la & mask);
            return true;
        }
    }
}

void mmu_walk_loads(const struct cpu *c, uint64_t la, struct mmu_loads *w)
{
    const enum paging mode = paging_mode(c);
    uint64_t gpa = la, at;
    uint8_t shift;
    w->count = w->after_pde = 0;
    w->has_pde = w->global = false;
    w->leaf_shift = w->shift = 39;
    w->ept_serial = (uint32_t)c->mmu->guest->ept_serial;
    if (mode != PG_NONE && !table_loads(c, w, mode, la, &gpa)) {
        w->shift = w->leaf_shift = 12;
        return;
    }
    const bool mapped = ept_loads(c, w, gpa, &at, &shift);
    w->shift = !mapped ? 12 : shift < w->leaf_shift ? shift : w->leaf_shift;
}
