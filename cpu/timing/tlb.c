/*
 * Translation: first-level TLBs for code and data, a second level for both, paging-structure
 * caches, and walks that load table entries through the data cache.
 *
 * These model time only; what a translation is says mmu/. A walk of guest tables under EPT loads
 * the entries of both dimensions, so it costs more by itself. Tags carry the serial number of the
 * address space (mmu/mmu_int.h), so flushes need nothing here.
 *
 * Tag: serial number (18 low bits) | page number (45) | large.
 *
 * Not modelled: walks ahead of use, several walks at once, 1 GiB entries of their own, caches of
 * PML4 and PDPT entries.
 */
#include "cpu/timing/timing_int.h"
#include "mmu/mmu.h"

#define BIG_SHIFT 21

static uint64_t tag_of(uint32_t serial, uint64_t la, unsigned shift)
{
    const uint64_t page = la >> shift & ((1ull << 45) - 1);
    return (uint64_t)serial << 46 | page << 1 | (shift != 12);
}

static uint64_t *set_of(uint64_t *tlb, uint64_t la, unsigned shift, unsigned sets, unsigned ways)
{
    return tlb + (la >> shift & (sets - 1)) * ways;
}

/* A first-level TLB: two tables by page size. */
struct first_level {
    uint64_t *small, *big;
    unsigned small_sets, small_ways, big_sets, big_ways;
};

static struct first_level first_of(struct timing *t, bool code)
{
    if (code)
        return (struct first_level){t->itlb,          t->itlb_big,          TIMING_ITLB_SETS,
                                    TIMING_ITLB_WAYS, TIMING_ITLB_BIG_SETS, TIMING_ITLB_BIG_WAYS};
    return (struct first_level){t->dtlb,          t->dtlb_big,          TIMING_DTLB_SETS,
                                TIMING_DTLB_WAYS, TIMING_DTLB_BIG_SETS, TIMING_DTLB_BIG_WAYS};
}

static bool has(const struct timing *t, uint64_t *set, unsigned ways, uint64_t la, unsigned shift)
{
    return set_has(set, ways, tag_of(t->as, la, shift)) ||
           set_has(set, ways, tag_of(t->global, la, shift));
}

static bool first_has(struct timing *t, const struct first_level *f, uint64_t la)
{
    return has(t, set_of(f->small, la, 12, f->small_sets, f->small_ways), f->small_ways, la, 12) ||
           has(t, set_of(f->big, la, BIG_SHIFT, f->big_sets, f->big_ways), f->big_ways, la,
               BIG_SHIFT);
}

static void first_insert(const struct first_level *f, uint64_t la, uint64_t tag)
{
    if (tag & 1)
        set_touch(set_of(f->big, la, BIG_SHIFT, f->big_sets, f->big_ways), f->big_ways, tag);
    else
        set_touch(set_of(f->small, la, 12, f->small_sets, f->small_ways), f->small_ways, tag);
}

/* Tag under which the second level has the page, or 0. */
static uint64_t second_find(struct timing *t, uint64_t la)
{
    static const uint8_t shifts[] = {12, BIG_SHIFT};
    for (unsigned n = 0; n < 2; n++) {
        const unsigned shift = shifts[n];
        uint64_t *set = set_of(t->stlb, la, shift, TIMING_STLB_SETS, TIMING_STLB_WAYS);
        const uint64_t own = tag_of(t->as, la, shift), global = tag_of(t->global, la, shift);
        if (set_has(set, TIMING_STLB_WAYS, own))
            return own;
        if (set_has(set, TIMING_STLB_WAYS, global))
            return global;
    }
    return 0;
}

/* ---- walks ---- */

/* The first load of the walk that the paging-structure caches do not spare. */
static unsigned first_load(struct timing *t, const struct mmu_loads *w, uint64_t la)
{
    const uint64_t tag = tag_of(t->as, la, BIG_SHIFT) | 1;
    if (w->leaf_shift != 12 || !w->has_pde) /* a pointer to a page table took no part */
        return 0;
    uint64_t *set = set_of(t->pde, la, BIG_SHIFT, TIMING_PDE_SETS, TIMING_PDE_WAYS);
    return set_touch(set, TIMING_PDE_WAYS, tag) ? w->after_pde : 0;
}

/* An EPT walk within the walk: loads from `n` on that its cache spares. */
static unsigned skip_ept(struct timing *t, const struct mmu_loads *w, unsigned n)
{
    const uint64_t gpa = w->load[n].gpa;
    const uint64_t tag = tag_of(w->ept_serial, gpa, BIG_SHIFT) | 1;
    uint64_t *set = set_of(t->ept_pde, gpa, BIG_SHIFT, TIMING_EPT_PDE_SETS, TIMING_EPT_PDE_WAYS);
    unsigned last = n;
    while (last + 1 < w->count && w->load[last + 1].kind == MMU_LOAD_EPT)
        last++;
    if (w->load[last].shift != 12)
        return n;
    return set_touch(set, TIMING_EPT_PDE_WAYS, tag) ? last : n;
}

static unsigned walk(struct cpu *c, uint64_t la, uint64_t *tag)
{
    struct timing *const t = c->timing;
    struct mmu_loads w;
    unsigned cycles = 0;
    mmu_walk_loads(c, la, &w);
    t->counts.walks++;
    *tag = tag_of(w.global ? t->global : t->as, la, w.shift == 12 ? 12 : BIG_SHIFT);
    for (unsigned n = first_load(t, &w, la); n < w.count; n++) {
        if (w.load[n].kind == MMU_LOAD_EPT_FIRST)
            n = skip_ept(t, &w, n);
        cycles += cache_latency(cache_data(t, w.load[n].hpa >> 6));
        t->counts.walk_loads++;
    }
    return cycles;
}

static unsigned translate(struct cpu *c, uint64_t la, bool code)
{
    struct timing *const t = c->timing;
    const struct first_level f = first_of(t, code);
    if (first_has(t, &f, la))
        return 0;
    t->counts.tlb_misses++;
    unsigned cycles = TIMING_STLB_LATENCY;
    uint64_t tag = second_find(t, la);
    if (!tag) {
        cycles += walk(c, la, &tag);
        const unsigned shift = tag & 1 ? BIG_SHIFT : 12;
        set_touch(set_of(t->stlb, la, shift, TIMING_STLB_SETS, TIMING_STLB_WAYS), TIMING_STLB_WAYS,
                  tag);
    }
    first_insert(&f, la, tag);
    return cycles;
}

void tlb_data(struct cpu *c, uint64_t la, bool is_write)
{
    struct timing *const t = c->timing;
    const unsigned cycles = translate(c, la, false);
    t->data_page = la >> 12;
    t->data_as = t->as;
    t->ticks += is_write ? cycles : TICKS(cycles); /* a quarter for stores: they wait elsewhere */
}

void tlb_code(struct cpu *c, uint64_t la)
{
    struct timing *const t = c->timing;
    t->ticks += TICKS(translate(c, la, true));
    t->code_page = la >> 12;
    t->code_as = t->as;
}

/* ---- invalidation ---- */

static void drop(uint64_t *table, unsigned count, uint64_t la, bool all)
{
    for (unsigned n = 0; n < count; n++) {
        const unsigned shift = table[n] & 1 ? BIG_SHIFT : 12;
        if (all || ((tag_of(0, la, shift) ^ table[n]) & ((1ull << 46) - 1)) == 0)
            table[n] = 0;
    }
}
#define DROP(table, la, all) drop(table, sizeof(table) / sizeof((table)[0]), la, all)

void timing_forget_page(struct cpu *c, uint64_t la)
{
    struct timing *const t = c->timing;
    DROP(t->dtlb, la, false);
    DROP(t->dtlb_big, la, false);
    DROP(t->itlb, la, false);
    DROP(t->itlb_big, la, false);
    DROP(t->stlb, la, false);
    DROP(t->pde, la, true);
    t->data_as = t->code_as = 0;
}

void timing_space(struct cpu *c, uint32_t as, uint32_t global)
{
    struct timing *const t = c->timing;
    t->as = as;
    t->global = global;
}
