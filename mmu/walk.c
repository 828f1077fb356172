/*
 * The walk of the guest's paging structures, every mode, levels as data (SDM 3A 4.3-4.7), combined
 * with EPT (SDM 3C 29.3).
 *
 * Accessed and dirty flags are set only when the whole access is allowed. Page-directory entries
 * that point to tables are cached (SDM 3A 4.10.3) under the address space's serial.
 *
 * Not modelled: supervisor protection keys, shadow-stack pages.
 */
#include "mmu/mmu_int.h"

#define PHYS_RSVD (0x000fffffffffffffull & ~((1ull << CPU_PHYS_BITS) - 1))
#define PTE_ADDR  (0x000ffffffffff000ull)

const struct paging_levels paging_levels[] = {
    [PG_32] = {{22, 12}, 2, 10, 4},
    [PG_PAE] = {{21, 12}, 2, 9, 8}, /* below the PDPTE registers */
    [PG_64] = {{39, 30, 21, 12}, 4, 9, 8},
    [PG_57] = {{48, 39, 30, 21, 12}, 5, 9, 8},
};

enum paging paging_mode(const struct cpu *c)
{
    if (!(c->cr0 & CR0_PG))
        return PG_NONE;
    if (!(c->cr4 & CR4_PAE))
        return PG_32;
    if (!(c->efer & EFER_LMA))
        return PG_PAE;
    return c->cr4 & CR4_LA57 ? PG_57 : PG_64;
}

uint64_t phys_ld(struct cpu *c, uint64_t at, unsigned size)
{
    at = a20(c, at);
    const void *p = ram_host(c->ram, at);
    if (p)
        return host_ld(p, size); /* entries are naturally aligned */
    return c->bus ? bus_mmio_read(c->bus, hpa(at), size) : ~0ull;
}

void phys_st(struct cpu *c, uint64_t at, unsigned size, uint64_t v)
{
    at = a20(c, at);
    void *p = ram_host(c->ram, at);
    struct frame *f = ram_frame(c->ram, at);
    if (!p || (f->flags & FRAME_READ_ONLY)) {
        if (c->bus)
            bus_mmio_write(c->bus, hpa(at), size, v);
        return;
    }
    host_st(p, size, v);
    if (frame_guarded(f))
        ram_code_written(c->ram, c, f, at, size);
}

static bool is_user(const struct cpu *c, unsigned acc)
{
    return c->cpl == 3 && !(acc & ACC_SYS);
}

/* Does the protection key of a user page forbid this data access (SDM 3A 4.6.2)? */
static bool key_denies(const struct cpu *c, uint32_t perm, unsigned acc)
{
    if (!(c->cr4 & CR4_PKE) || !(perm & P_U) || (acc & ACC_X) || !(c->efer & EFER_LMA))
        return false;
    const uint32_t rights = c->pkru >> (perm >> P_KEY_SHIFT & 15) * 2;
    return (rights & 1) ||
           ((acc & ACC_W) && (rights & 2) && (is_user(c, acc) || (c->cr0 & CR0_WP)));
}

static bool guest_allows(const struct cpu *c, uint32_t perm, unsigned acc)
{
    if (paging_mode(c) == PG_NONE)
        return true;
    if (((acc & ACC_X) && (perm & P_NX)) || key_denies(c, perm, acc))
        return false;
    if (is_user(c, acc))
        return (perm & P_U) && (!(acc & ACC_W) || (perm & P_W));
    if (acc & ACC_X)
        return !((perm & P_U) && (c->cr4 & CR4_SMEP));
    if ((perm & P_U) && (c->cr4 & CR4_SMAP) && ((acc & ACC_SYS) || !(c->eflags & FL_AC)))
        return false;
    return !(acc & ACC_W) || (perm & P_W) || !(c->cr0 & CR0_WP);
}

/* May a cached translation serve this access as it is? */
bool perm_allows(const struct cpu *c, uint32_t perm, unsigned acc)
{
    uint32_t need = acc & ACC_X ? P_EX : 0;
    if (acc & ACC_R)
        need |= P_ER;
    if (acc & ACC_W)
        need |= P_EW | P_ED | (c->cr0 & CR0_PG ? P_D : 0);
    return (perm & need) == need && guest_allows(c, perm, acc);
}

static enum walk_status page_fault(const struct cpu *c, struct walk *w, unsigned acc, uint32_t err)
{
    const bool nx = (c->cr4 & CR4_SMEP) || ((c->cr4 & CR4_PAE) && (c->efer & EFER_NXE));
    w->pfe = err | (acc & ACC_W ? PFE_W : 0) | (is_user(c, acc) ? PFE_U : 0) |
             ((acc & ACC_X) && nx ? PFE_I : 0);
    return WALK_PF;
}

/* Reserved bits of a present entry (SDM 3A 4.3-4.5). */
static bool entry_reserved(const struct cpu *c, enum paging mode, uint64_t e, unsigned shift,
                           bool leaf)
{
    if (mode == PG_32) /* PSE-36 with 40 bits: 20:13 are address */
        return leaf && shift == 22 && (e & (cpu_has(c, F_PSE36) ? 1u << 21 : 0x3fe000u));
    uint64_t rsvd = PHYS_RSVD;
    if (!(c->efer & EFER_NXE))
        rsvd |= PTE_NX;
    if (mode == PG_PAE)
        rsvd |= 0x7ff0000000000000ull;
    if (shift >= 39 || (shift == 30 && !cpu_has(c, F_PDPE1GB)))
        rsvd |= PTE_PS;
    if (leaf && shift > 12)
        rsvd |= ((1ull << shift) - 1) & ~0x1fffull;
    return e & rsvd;
}

static uint64_t leaf_base(enum paging mode, uint64_t e, unsigned shift)
{
    if (mode == PG_32 && shift == 22)
        return (e & 0xffc00000u) | (e >> 13 & 0xff) << 32;
    return e & PTE_ADDR & ~((1ull << shift) - 1);
}

struct level {                     /* an entry the walk used */
    uint64_t table_gpa, table_hpa; /* where its table is */
    uint64_t gpa, e;               /* of the entry; its value */
    uint32_t perm;                 /* granted by the levels above */
    uint8_t shift;
    bool table; /* not the leaf */
};

/* An access to a paging structure: with EPT A/D flags on it counts as a write. */
static enum walk_status table_translate(struct cpu *c, uint64_t at, unsigned want, unsigned flags,
                                        struct walk *w, uint64_t *hpa_)
{
    if (!vmx_ept_enabled(c)) {
        *hpa_ = at;
        return WALK_OK;
    }
    if (vmx_eptp(c) & EPTP_AD)
        want |= EPT_READ | EPT_WRITE;
    return ept_translate(c, at, want, flags, w, hpa_);
}

static enum walk_status set_accessed(struct cpu *c, struct level *lv, unsigned n, unsigned acc,
                                     unsigned esize, struct walk *w)
{
    for (unsigned i = 0; i < n; i++) {
        const uint64_t set = PTE_A | (!lv[i].table && (acc & ACC_W) ? PTE_D : 0);
        if ((lv[i].e & set) == set)
            continue;
        uint64_t at;
        const enum walk_status s = table_translate(c, lv[i].gpa, EPT_READ | EPT_WRITE, 0, w, &at);
        if (s)
            return s;
        lv[i].e |= set;
        phys_st(c, at, esize, lv[i].e);
    }
    return WALK_OK;
}

/* Where the walk begins: the deepest cached table, or the root. Returns the level. */
static unsigned walk_start(struct cpu *c, uint64_t la, enum paging mode, uint64_t *table_gpa,
                           uint64_t *table_hpa, uint32_t *perm)
{
    struct mmu *m = c->mmu;
    const unsigned levels = paging_levels[mode].levels;
    const unsigned region = paging_levels[mode].shift[levels - 2];
    const struct ps_entry *p = &m->pde[(la >> region) & (PS_PDE - 1)];
    if (p->serial == m->as->ps_serial && p->region == la >> region) {
        *table_gpa = p->gpa;
        *table_hpa = p->hpa;
        *perm = p->perm;
        return levels - 1;
    }
    if (mode >= PG_64) {
        p = &m->pdpte[(la >> 30) & (PS_PDPTE - 1)];
        if (p->serial == m->as->ps_serial && p->region == la >> 30) {
            *table_gpa = p->gpa;
            *table_hpa = p->hpa;
            *perm = p->perm;
            return levels - 2;
        }
    }
    *perm = P_W | P_U;
    *table_hpa = UINT64_MAX;
    if (mode == PG_PAE)
        *table_gpa = c->pdpte[la >> 30 & 3] & PTE_ADDR;
    else
        *table_gpa = mode == PG_32 ? c->cr3 & 0xfffff000u : c->cr3 & PTE_ADDR;
    return 0;
}

/* Remember the tables that a finished walk went through (their accessed flags are set). */
static void cache_tables(struct cpu *c, uint64_t la, const struct level *lv, unsigned n)
{
    struct mmu *m = c->mmu;
    for (unsigned i = 1; i < n; i++) {
        const unsigned shift = lv[i - 1].shift;
        if (shift >= 39)
            continue;
        struct ps_entry *p = shift == 30 ? &m->pdpte[(la >> 30) & (PS_PDPTE - 1)]
                                         : &m->pde[(la >> shift) & (PS_PDE - 1)];
        *p = (struct ps_entry){m->as->ps_serial, la >> shift, lv[i].table_gpa, lv[i].table_hpa,
                               lv[i].perm};
    }
}

/* Last step: the page itself through EPT, with its own A/D update. */
static enum walk_status finish(struct cpu *c, uint64_t gpa_, unsigned acc, unsigned flags,
                               struct walk *w)
{
    const uint32_t perm = w->perm;
    unsigned want = 0;
    if (!(flags & WF_PEEK))
        want = (acc & ACC_R ? EPT_READ : 0) | (acc & ACC_W ? EPT_WRITE : 0) |
               (acc & ACC_X ? EPT_EXEC : 0);
    uint64_t at;
    const enum walk_status s = ept_translate(c, gpa_, want, flags, w, &at);
    if (s) {
        w->qual |= VMX_QUAL_EPT_FINAL | (uint64_t)(perm & P_U ? VMX_QUAL_EPT_USER : 0) |
                   (uint64_t)(perm & P_W ? VMX_QUAL_EPT_RW : 0) |
                   (uint64_t)(perm & P_NX ? VMX_QUAL_EPT_NX : 0);
        return s;
    }
    w->gpa = gpa_ & ~0xfffull;
    w->hpa = at & ~0xfffull;
    w->perm |= perm;
    if (w->shift > w->gshift)
        w->shift = w->gshift;
    return WALK_OK;
}

static enum walk_status walk_tables(struct cpu *c, uint64_t la, enum paging mode, unsigned acc,
                                    unsigned flags, struct walk *w)
{
    const bool peek = flags & WF_PEEK;
    const unsigned esize = paging_levels[mode].esize,
                   index_mask = (1u << paging_levels[mode].bits) - 1;
    struct level lv[5];
    unsigned n = 0;
    uint64_t table, table_hpa;
    uint32_t perm;

    if (mode == PG_PAE && !(c->pdpte[la >> 30 & 3] & PTE_P))
        return page_fault(c, w, acc, 0);
    for (unsigned level = walk_start(c, la, mode, &table, &table_hpa, &perm);; level++) {
        const unsigned shift = paging_levels[mode].shift[level];
        struct level *l = &lv[n++];
        const unsigned off = (unsigned)(la >> shift & index_mask) * esize;
        l->gpa = table + off;
        l->shift = (uint8_t)shift;
        l->perm = perm;
        if (table_hpa == UINT64_MAX) {
            const enum walk_status s = table_translate(c, table, EPT_READ, flags, w, &table_hpa);
            if (s) {
                w->fault_gpa = l->gpa;
                return s;
            }
        }
        l->table_gpa = table;
        l->table_hpa = table_hpa;
        l->e = phys_ld(c, table_hpa + off, esize);
        if (!(l->e & PTE_P))
            return page_fault(c, w, acc, 0);
        l->table = !(shift == 12 ||
                     ((l->e & PTE_PS) && shift < 39 && (mode != PG_32 || (c->cr4 & CR4_PSE))));
        if (entry_reserved(c, mode, l->e, shift, !l->table))
            return page_fault(c, w, acc, PFE_P | PFE_RSVD);
        perm &= (uint32_t)((l->e & PTE_W ? P_W : 0) | (l->e & PTE_U ? P_U : 0)) | P_NX;
        if (l->e & PTE_NX)
            perm |= P_NX; /* reserved unless NXE; never set in 4-byte entries */
        if (!l->table) {
            w->gshift = (uint8_t)shift;
            break;
        }
        table = mode == PG_32 ? l->e & 0xfffff000u : l->e & PTE_ADDR;
        table_hpa = UINT64_MAX;
    }
    if (mode >= PG_64)
        perm |= (uint32_t)(lv[n - 1].e >> 59 & 15) << P_KEY_SHIFT;
    if (!peek && !guest_allows(c, perm, acc))
        return page_fault(c, w, acc, PFE_P | (key_denies(c, perm, acc) ? PFE_PK : 0));
    if (!peek) {
        const enum walk_status s = set_accessed(c, lv, n, acc, esize, w);
        if (s)
            return s;
        cache_tables(c, la, lv, n);
    }
    struct level *leaf = &lv[n - 1];
    w->perm = perm | (leaf->e & PTE_D ? P_D : 0) |
              ((leaf->e & PTE_G) && (c->cr4 & CR4_PGE) ? P_G : 0);
    const uint64_t base = leaf_base(mode, leaf->e, w->gshift);
    return finish(c, base | (la & ((1ull << w->gshift) - 1)), acc, flags, w);
}

enum walk_status walk_linear(struct cpu *c, uint64_t la, unsigned acc, unsigned flags,
                             struct walk *w)
{
    const enum paging mode = paging_mode(c);
    if (mode == PG_NONE) {
        w->gshift = 39;
        w->perm = P_W | P_U | P_D;
        const enum walk_status s = finish(c, la, acc, flags, w);
        return s;
    }
    const enum walk_status s = walk_tables(c, la, mode, acc, flags, w);
    if (!(flags & WF_PEEK))
        c->st.walks++;
    return s;
}
