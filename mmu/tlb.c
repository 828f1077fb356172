/*
 * The soft TLB behind the fast path: second level (FIFO, 4-way, 4 KiB and 2 MiB entries, global
 * pages under the guest's serial), fills of the first level and of the fetch TLB, and the
 * invalidations of both.
 *
 * Workload: a first-level miss that hits here costs about ten nanoseconds; a walk with cached
 * tables one or two memory reads more.
 */
#include "mmu/mmu_int.h"

struct l2_entry *l2_find(struct mmu *m, uint64_t la)
{
    const uint32_t as = m->as->serial, g = m->guest->gserial;
    const uint64_t small = la & TLB_PAGE_MASK;
    struct l2_entry *e = m->l2[(la >> 12) & (L2_SETS - 1)];
    for (unsigned w = 0; w < L2_WAYS; w++) {
        if (e[w].tag == small && (e[w].serial == as || e[w].serial == g))
            return &e[w];
    }
    const uint64_t big = (la >> 21 << 21) | 1;
    e = m->l2[(la >> 21) & (L2_SETS - 1)];
    for (unsigned w = 0; w < L2_WAYS; w++) {
        if (e[w].tag == big && (e[w].serial == as || e[w].serial == g))
            return &e[w];
    }
    return NULL;
}

/* Could this entry still serve? Entries of retired address spaces have no first-level copies. */
static bool l2_is_live(const struct mmu *m, const struct l2_entry *e)
{
    if (!e->serial)
        return false;
    if (e->perm & P_G)
        return e->serial == m->guests[e->owner].gserial;
    const struct mmu_as *as = &m->ases[e->owner | (e->perm & P_OWNER ? 256 : 0)];
    return e->serial == as->serial && as->gen == m->guests[as->key >> 32].gen;
}

/* Blocks found through an entry that goes. */
void l2_code_gone(struct cpu *c, const struct l2_entry *e)
{
    if (!(e->perm & P_FETCHED))
        return;
    if (e->tag & 1)
        mmu_code_changed(c);
    else
        engine_forget_page(c, e->tag);
}

/* Drop first-level copies of a live entry that leaves the second level. */
static void l2_evicted(struct cpu *c, const struct l2_entry *e)
{
    if (e->tag & 1)
        l1_drop_region(c, e->tag & ~1ull, 21);
    else
        l1_drop_page(c, e->tag);
    l2_code_gone(c, e);
}

/* Where a new entry goes: its old place, a dead entry's, or the oldest one's. */
static struct l2_entry *l2_place(struct cpu *c, unsigned set, uint64_t tag, uint32_t serial)
{
    struct mmu *m = c->mmu;
    struct l2_entry *e = m->l2[set], *dead = NULL;
    for (unsigned i = 0; i < L2_WAYS; i++) {
        if (e[i].tag == tag && e[i].serial == serial)
            return &e[i];
        if (!dead && !l2_is_live(m, &e[i]))
            dead = &e[i];
    }
    if (dead)
        return dead;
    e += m->l2_next[set];
    m->l2_next[set] = (m->l2_next[set] + 1) % L2_WAYS;
    l2_evicted(c, e);
    return e;
}

void l2_insert(struct cpu *c, uint64_t la, const struct walk *w, bool fetched)
{
    struct mmu *m = c->mmu;
    const bool big = w->shift >= 21;
    const uint64_t mask = big ? (1ull << 21) - 1 : 4095;
    const uint64_t tag = (la & ~mask) | big;
    const unsigned set = (unsigned)(la >> (big ? 21 : 12)) & (L2_SETS - 1);
    const bool global = w->perm & P_G;
    const uint32_t serial = global ? m->guest->gserial : m->as->serial;
    const size_t owner = global ? (size_t)(m->guest - m->guests) : (size_t)(m->as - m->ases);
    struct l2_entry *e = l2_place(c, set, tag, serial);
    if (e->tag == tag && e->serial == serial) { /* upgrade: the dirty flag, or changed rights */
        fetched |= !!(e->perm & P_FETCHED);
        if (e->hpa != (w->hpa & ~mask) || (e->perm & ~w->perm & ~(unsigned)(P_FETCHED | P_OWNER)))
            l2_evicted(c, e); /* something else than before: first-level copies are stale */
    }
    *e = (struct l2_entry){
        .tag = tag,
        .gpa = w->gpa & ~mask,
        .hpa = w->hpa & ~mask,
        .serial = serial,
        .perm = (uint16_t)(w->perm | (fetched ? P_FETCHED : 0) | (owner & 256 ? P_OWNER : 0)),
        .owner = (uint8_t)owner,
        .gshift = w->gshift};
    if (w->gshift > 12) {
        const unsigned bit = large_bit(la), hbit = huge_bit(la);
        m->guest->large[bit / 64] |= 1ull << (bit % 64);
        if (w->gshift >= 30)
            m->guest->huge[hbit / 64] |= 1ull << (hbit % 64);
        else if (!big)
            m->guest->fragments[bit / 64] |= 1ull << (bit % 64);
    }
}

void l1_clear(struct cpu *c)
{
    for (unsigned i = 0; i < TLB_ENTRIES; i++)
        c->mmu->l1_r[i].tag = c->mmu->l1_w[i].tag = TLB_INVALID;
    for (unsigned i = 0; i < FETCH_TLB; i++)
        c->mmu->fetch[i].tag = TLB_INVALID;
    mmu_code_changed(c);
}

void mmu_memory_changed(struct cpu *c)
{
    l1_clear(c);
}

void l1_drop_page(struct cpu *c, uint64_t la)
{
    struct tlb_entry *const r = &c->mmu->l1_r[tlb_index(la)];
    struct tlb_entry *const w = &c->mmu->l1_w[tlb_index(la)];
    if (!((r->tag ^ la) & TLB_PAGE_MASK))
        r->tag = TLB_INVALID;
    if (!((w->tag ^ la) & TLB_PAGE_MASK))
        w->tag = TLB_INVALID;
    struct fetch_entry *f = &c->mmu->fetch[(la >> 12) & (FETCH_TLB - 1)];
    if (!((f->tag ^ la) & TLB_PAGE_MASK))
        f->tag = TLB_INVALID;
}

void l1_drop_region(struct cpu *c, uint64_t la, unsigned shift)
{
    for (unsigned i = 0; i < TLB_ENTRIES; i++) {
        if (!((c->mmu->l1_r[i].tag ^ la) >> shift))
            c->mmu->l1_r[i].tag = TLB_INVALID;
        if (!((c->mmu->l1_w[i].tag ^ la) >> shift))
            c->mmu->l1_w[i].tag = TLB_INVALID;
    }
    for (unsigned i = 0; i < FETCH_TLB; i++) {
        if (!((c->mmu->fetch[i].tag ^ la) >> shift))
            c->mmu->fetch[i].tag = TLB_INVALID;
    }
}

void mmu_drop_frame(struct cpu *c, uint64_t hpa_)
{
    const uintptr_t host = (uintptr_t)ram_host(c->ram, hpa_ & TLB_PAGE_MASK);
    for (unsigned i = 0; i < TLB_ENTRIES; i++) {
        if (c->mmu->l1_w[i].addend + (c->mmu->l1_w[i].tag & TLB_PAGE_MASK) == host)
            c->mmu->l1_w[i].tag = TLB_INVALID;
    }
}

static _Noreturn void walk_raise(struct cpu *c, uint64_t la, enum walk_status s,
                                 const struct walk *w)
{
    if (s == WALK_EPT_MISCONFIG)
        vmx_exit_ept_misconfig(c, w->fault_gpa);
    if (s == WALK_PML_FULL)
        vmx_exit_pml_full(c);
    if (s == WALK_EPT_VIOLATION) {
        const struct ept_violation e = {w->fault_gpa, w->qual | VMX_QUAL_EPT_GLA_VALID, la,
                                        w->suppress_ve};
        vmx_ept_violation(c, &e);
    }
    cpu_page_fault(c, la, w->pfe);
}

/* Translate one page for an access; raises what is due. */
static void translate(struct cpu *c, uint64_t la, unsigned acc, struct walk *w)
{
    const struct l2_entry *e = l2_find(c->mmu, la);
    c->st.tlb_miss++;
    if (e && perm_allows(c, e->perm, acc) && (!(acc & ACC_X) || (e->perm & P_FETCHED))) {
        const uint64_t off = la & (e->tag & 1 ? 0x1ff000 : 0);
        w->gpa = e->gpa + off;
        w->hpa = e->hpa + off;
        w->perm = e->perm;
        return;
    }
    const enum walk_status s = walk_linear(c, la, acc, 0, w);
    if (s)
        walk_raise(c, la, s, w);
    l2_insert(c, la, w, acc & ACC_X);
}

/* An entry for the other kind of access takes a slot too, but nothing that is in use. */
static bool slot_is_free(const struct tlb_entry *slot, const struct tlb_entry *e)
{
    return ((slot->tag ^ e->tag) & ~TLB_PAGE_MASK) || slot->tag == e->tag;
}

static void l1_fill(struct cpu *c, uint64_t la, unsigned acc, uint32_t perm, struct page *p)
{
    const uint64_t ctx = acc & ACC_SYS ? c->mmu->ctx_sys : c->ctx;
    const unsigned cls = ctx & ((1u << CLS_BITS) - 1);
    const unsigned sys = acc & ACC_SYS;
    if (!p->host || p->watched || cls == CLS_USER_AC)
        return;
    struct tlb_entry *const r = &c->mmu->l1_r[tlb_index(la)];
    struct tlb_entry *const w = &c->mmu->l1_w[tlb_index(la)];
    const struct tlb_entry e = {.tag = (la & TLB_PAGE_MASK) | ctx,
                                .addend = (uintptr_t)p->host - (uintptr_t)(la & TLB_PAGE_MASK)};
    if ((!(acc & ACC_W) || slot_is_free(r, &e)) && perm_allows(c, perm, ACC_R | sys))
        *r = e;
    if (((acc & ACC_W) || slot_is_free(w, &e)) && frame_takes_fast_stores(p->frame) &&
        perm_allows(c, perm, ACC_W | sys)) {
        *w = e;
        p->frame->flags |= FRAME_FAST_WRITE;
    }
}

static void page_ram(const struct ram *r, struct page *p)
{
    const uint64_t n = ram_index(r, p->hpa);
    if (n == UINT64_MAX)
        return;
    p->frame = &r->frames[n];
    p->host = r->base + (n << 12);
}

struct page page_find(struct cpu *c, uint64_t la, unsigned acc)
{
    struct walk w;
    translate(c, la, acc, &w);
    w.hpa = a20(c, w.hpa);
    struct page p = {.gpa = w.gpa, .hpa = w.hpa, .global = w.perm & P_G};
    if (c->non_root && vmx_is_apic_page(c, w.hpa))
        p.vapic = true;
    else if (w.hpa == c->apic_page)
        p.apic = true;
    else
        page_ram(c->ram, &p);
    p.watched = c->mmu->watching && watch_page(c, la);
    if (!(acc & ACC_X))
        l1_fill(c, la, acc, w.perm, &p);
    return p;
}

uint64_t mmu_fetch_page(struct cpu *c, uint64_t la, void **host)
{
    struct fetch_entry *f = &c->mmu->fetch[(la >> 12) & (FETCH_TLB - 1)];
    const uint64_t tag = (la & TLB_PAGE_MASK) | c->ctx;
    if (f->tag == tag) {
        *host = f->host;
        return f->hpa;
    }
    const struct page p = page_find(c, la, ACC_X);
    if (p.vapic)
        vmx_exit_apic_access(c, la & 0xfff, VMX_QUAL_APIC_FETCH, la);
    *host = p.host;
    *f = (struct fetch_entry){tag, p.hpa, p.host, p.global};
    return p.hpa;
}

bool mmu_fetch_is_global(const struct cpu *c, uint64_t la)
{
    const struct fetch_entry *f = &c->mmu->fetch[(la >> 12) & (FETCH_TLB - 1)];
    return f->tag == ((la & TLB_PAGE_MASK) | c->ctx) && f->global;
}
