/*
 * Contexts: which address space and access class c->ctx stands for, and the architectural
 * invalidations (SDM 3A 4.10.4, 3C 29.4.3). Flushes take new serial numbers; only INVLPG of an
 * address in a large page walks the first-level table.
 *
 * Workload: SYSCALL, IRET, STAC and CLAC change the class only; Linux writes CR3 with bit 63 set
 * for PCIDs it knows; hypervisors change VPID and EPTP at each entry and exit.
 */
#include <stdlib.h>
#include <string.h>

#include "cpu/timing/timing.h"
#include "mmu/mmu_int.h"

static void mmu_forget_everything(struct mmu *m)
{
    for (unsigned i = 0; i < MMU_AS; i++)
        m->ases[i].key = 0;
    memset(m->l2, 0, sizeof m->l2);
    memset(m->ept, 0, sizeof m->ept);
    memset(m->ept_ps, 0, sizeof m->ept_ps);
    memset(m->pde, 0, sizeof m->pde);
    memset(m->pdpte, 0, sizeof m->pdpte);
    m->next_serial = 1;
    for (unsigned i = 0; i < m->guest_count; i++)
        m->guests[i].gserial = m->next_serial++;
    m->as = NULL;
    m->cur_key = 0;
}

uint32_t mmu_new_serial(struct mmu *m)
{
    return m->next_serial++;
}

/* A guest record found or made; the oldest one is recycled. */
static struct mmu_guest *guest_find(struct mmu *m, uint32_t vpid, uint64_t eptp)
{
    for (unsigned i = 0; i < m->guest_count; i++) {
        struct mmu_guest *g = &m->guests[i];
        if (g->ept_serial && g->vpid == vpid && g->eptp == eptp)
            return g;
    }
    struct mmu_guest *g = &m->guests[m->next_guest];
    m->next_guest = (m->next_guest + 1) % MMU_GUESTS;
    if (m->guest_count < MMU_GUESTS)
        m->guest_count++;
    *g = (struct mmu_guest){.eptp = eptp,
                            .vpid = vpid,
                            .gen = g->gen + 1,
                            .gserial = mmu_new_serial(m),
                            .ept_serial = m->next_ps++};
    return g;
}

static uint32_t as_mode(const struct cpu *c)
{
    uint32_t mode = paging_mode(c);
    if (mode == PG_NONE)
        return mode;
    if (mode == PG_57)
        mode = PG_64 | AM_LA57;
    if (c->cr4 & CR4_PSE)
        mode |= AM_PSE;
    if (c->efer & EFER_NXE)
        mode |= AM_NXE;
    if (c->cr4 & CR4_SMEP)
        mode |= AM_SMEP;
    if (c->cr4 & CR4_PGE)
        mode |= AM_PGE;
    if (c->cr4 & CR4_PCIDE)
        mode |= AM_PCIDE;
    return mode;
}

/* Two places where the record of a key can be. */
static struct mmu_as *as_set(struct mmu *m, uint64_t key)
{
    return &m->ases[(key * 0x9e3779b97f4a7c15ull) >> 56 << 1];
}

static struct mmu_as *as_at(struct mmu *m, uint64_t key)
{
    struct mmu_as *set = as_set(m, key);
    return set[0].key == key ? &set[0] : set[1].key == key ? &set[1] : NULL;
}

/* The record of a key; a new one gets fresh serials, so nothing cached matches it. */
static struct mmu_as *as_find(struct mmu *m, uint64_t key)
{
    struct mmu_as *as = as_at(m, key);
    if (as && as->gen == m->guest->gen)
        return as;
    if (!as) {
        as = as_set(m, key);
        if (as == m->as || (as[0].key && !as[1].key))
            as++;
    }
    *as = (struct mmu_as){.key = key,
                          .gen = m->guest->gen,
                          .serial = mmu_new_serial(m),
                          .ps_serial = m->next_ps++,
                          .slot_epoch = 0};
    return as;
}

/* First-level slot numbers are given out in order; when they run out the first level is emptied. */
static void as_take_slot(struct cpu *c, struct mmu_as *as)
{
    struct mmu *m = c->mmu;
    if (m->next_slot == L1_SLOTS) {
        l1_clear(c);
        m->next_slot = 0;
        m->slot_epoch++;
    }
    as->slot = (uint16_t)m->next_slot++;
    as->slot_epoch = m->slot_epoch;
}

static void ctx_set(struct cpu *c)
{
    struct mmu *m = c->mmu;
    const unsigned wp = c->cr0 & CR0_WP ? CLS_SUP_WP : 0;
    const unsigned smap = c->cr4 & CR4_SMAP ? CLS_SUP_SMAP : 0;
    const uint64_t base = (uint64_t)m->as->slot << CLS_BITS;
    unsigned cls;
    if (c->cpl == 3)
        cls = (c->cr0 & CR0_AM) && (c->eflags & FL_AC) ? CLS_USER_AC : CLS_USER;
    else
        cls = CLS_SUP | wp | (c->eflags & FL_AC ? 0 : smap);
    c->ctx = base | cls;
    m->ctx_sys = base | CLS_SUP | wp | smap;
    if (c->timing)
        timing_space(c, m->as->serial, m->guest->gserial);
    cpu_jump_keys(c, (unsigned)(m->guest - m->guests));
}

void mmu_code_changed(struct cpu *c)
{
    c->code_gen++;
    cpu_jump_keys(c, c->mmu->guest ? (unsigned)(c->mmu->guest - c->mmu->guests) : 0);
}

void mmu_update_ctx(struct cpu *c)
{
    struct mmu *m = c->mmu;
    if (!m)
        return;
    if (__builtin_expect(m->next_serial > 0xfffff000u, 0)) {
        mmu_forget_everything(m);
        l1_clear(c);
    }
    const uint32_t vpid = vmx_ept_enabled(c) ? vmx_vpid(c) | 1u << 16 : vmx_vpid(c);
    const uint64_t eptp = vmx_ept_enabled(c) ? vmx_eptp(c) : 0;
    if (vpid != m->cur_vpid || eptp != m->cur_eptp || !m->guest) {
        m->guest = guest_find(m, vpid, eptp);
        m->cur_vpid = vpid;
        m->cur_eptp = eptp;
    }
    const uint32_t mode = as_mode(c);
    const uint64_t pcid = mode & AM_PCIDE ? c->cr3 & 0xfff : 0;
    const uint64_t key = (uint64_t)(m->guest - m->guests) << 32 | pcid << 16 | mode << 1 | 1;
    if (key != m->cur_key || !m->as || m->as->key != key || m->as->gen != m->guest->gen) {
        m->as = as_find(m, key);
        m->cur_key = key;
    }
    if (m->as->slot_epoch != m->slot_epoch)
        as_take_slot(c, m->as);
    struct mmu_guest *const g = m->guest;
    if (g->jump_gserial != g->gserial || g->jump_mode != mode) {
        g->jump_gserial = g->gserial;
        g->jump_mode = mode;
        c->code_gen++;
    }
    ctx_set(c);
}

/* Forget what an as has cached (global pages stay). */
static void as_retire(struct mmu *m, struct mmu_as *as)
{
    as->serial = mmu_new_serial(m);
    as->ps_serial = m->next_ps++;
    as->slot_epoch = 0;
}

static void guest_retire(struct mmu *m, struct mmu_guest *g, bool globals)
{
    g->gen++; /* its address spaces take new serials when they are used next */
    if (!globals)
        return;
    g->gserial = mmu_new_serial(m);
    memset(g->huge, 0, sizeof g->huge);
    memset(g->large, 0, sizeof g->large);
    memset(g->fragments, 0, sizeof g->fragments);
}

/* CR3 loads affect the mappings of one VPID and PCID under every EPTP. */
void mmu_cr3_written(struct cpu *c, bool keep_pcid)
{
    struct mmu *m = c->mmu;
    mmu_update_ctx(c);
    if (keep_pcid)
        return;
    for (unsigned i = 0; i < m->guest_count; i++) {
        struct mmu_guest *g = &m->guests[i];
        if (!g->ept_serial || (g->vpid & 0xffff) != (m->guest->vpid & 0xffff))
            continue;
        const uint64_t key = (m->cur_key & 0xffffffffu) | (uint64_t)i << 32;
        struct mmu_as *as = as_at(m, key);
        if (as)
            as_retire(m, as);
    }
    mmu_update_ctx(c);
}

static bool filter_has(const uint64_t f[64], uint64_t la)
{
    const unsigned bit = large_bit(la);
    return f[bit / 64] >> (bit % 64) & 1;
}

static bool huge_has(const uint64_t f[4], uint64_t la)
{
    const unsigned bit = huge_bit(la);
    return f[bit / 64] >> (bit % 64) & 1;
}

static void l2_drop(struct cpu *c, struct l2_entry *e)
{
    e->serial = 0;
    l2_code_gone(c, e);
}

/* One page of every as that the predicate of INVLPG/INVPCID/INVVPID names. pcid_key: as key or
 * 0. */
static void guest_drop_page(struct cpu *c, struct mmu_guest *g, struct mmu_as *as, uint64_t la,
                            bool globals)
{
    struct mmu *m = c->mmu;
    if (c->timing)
        timing_forget_page(c, la);
    if (filter_has(g->fragments, la) || huge_has(g->huge, la)) {
        guest_retire(m, g, true);
        return;
    }
    const bool large = filter_has(g->large, la);
    l1_drop_page(c, la);
    if (large)
        l1_drop_region(c, la, 22);
    for (unsigned big = 0; big < 2; big++) {
        const unsigned shift = big ? 21 : 12;
        const uint64_t base = la >> shift << shift | big;
        struct l2_entry *e = m->l2[(la >> shift) & (L2_SETS - 1)];
        for (unsigned w = 0; w < L2_WAYS; w++) {
            if (e[w].tag == base &&
                ((as && e[w].serial == as->serial) || (globals && e[w].serial == g->gserial)))
                l2_drop(c, &e[w]);
        }
        if (!large)
            break;
        if (big && (c->cr4 & CR4_PAE) == 0) { /* the other half of a 4 MiB page */
            const uint64_t other = la ^ 1 << 21;
            e = m->l2[(other >> 21) & (L2_SETS - 1)];
            for (unsigned w = 0; w < L2_WAYS; w++) {
                if (e[w].tag == ((other >> 21 << 21) | 1))
                    l2_drop(c, &e[w]);
            }
        }
    }
}

void mmu_invlpg(struct cpu *c, uint64_t la)
{
    struct mmu *m = c->mmu;
    struct mmu_as *as = m->as;
    const unsigned vpid = m->guest->vpid & 0xffff;
    for (unsigned i = 0; i < m->guest_count; i++) {
        struct mmu_guest *g = &m->guests[i];
        if (!g->ept_serial || (g->vpid & 0xffff) != vpid)
            continue;
        const uint64_t key = (m->cur_key & 0xffffffffu) | (uint64_t)i << 32;
        struct mmu_as *a = as_at(m, key);
        if (a)
            a->ps_serial = m->next_ps++;
        guest_drop_page(c, g, a, la, true);
    }
    as->ps_serial = m->next_ps++;
    mmu_update_ctx(c);
}

void mmu_invpcid(struct cpu *c, unsigned type, uint16_t pcid, uint64_t la)
{
    struct mmu *m = c->mmu;
    if (type >= 2) { /* 2: all incl. globals, 3: all but globals */
        guest_retire(m, m->guest, type == 2);
        mmu_update_ctx(c);
        return;
    }
    const uint64_t key = (m->cur_key & ~0xfff0000ull) | (uint64_t)pcid << 16;
    struct mmu_as *as = as_at(m, key);
    if (as) {
        if (type == 1) {
            as_retire(m, as);
        } else {
            as->ps_serial = m->next_ps++;
            guest_drop_page(c, m->guest, as, la, false);
        }
    }
    mmu_update_ctx(c);
}

void mmu_flush_guest(struct cpu *c)
{
    struct mmu *m = c->mmu;
    const unsigned vpid = vmx_vpid(c);
    for (unsigned i = 0; i < m->guest_count; i++) {
        if (m->guests[i].ept_serial && (m->guests[i].vpid & 0xffff) == vpid)
            guest_retire(m, &m->guests[i], true);
    }
    mmu_update_ctx(c);
}

void mmu_flush_all(struct cpu *c)
{
    struct mmu *m = c->mmu;
    mmu_forget_everything(m);
    l1_clear(c);
    m->next_slot = 0;
    m->slot_epoch++;
    mmu_update_ctx(c);
}

void mmu_invept(struct cpu *c, bool single, uint64_t eptp)
{
    struct mmu *m = c->mmu;
    for (unsigned i = 0; i < m->guest_count; i++) {
        struct mmu_guest *g = &m->guests[i];
        if (!g->ept_serial || !g->eptp)
            continue;
        if (single && ((g->eptp ^ eptp) & ~0xfffull)) /* EP4TA: bits 51:12 */
            continue;
        g->ept_serial = m->next_ps++;
        guest_retire(m, g, true);
    }
    mmu_update_ctx(c);
}

void mmu_invvpid(struct cpu *c, unsigned type, uint16_t vpid, uint64_t la)
{
    struct mmu *m = c->mmu;
    for (unsigned i = 0; i < m->guest_count; i++) {
        struct mmu_guest *g = &m->guests[i];
        const unsigned v = g->vpid & 0xffff;
        if (!g->ept_serial || (type == INVVPID_ALL ? v == 0 : v != vpid))
            continue;
        /* VM entry and exit without VPIDs: EPT dirty flags that software has cleared are noticed,
         * INVEPT or not, as by processors that cache combined mappings only */
        if (vpid == 0 && type == INVVPID_SINGLE && (g->eptp & EPTP_AD))
            g->ept_serial = m->next_ps++;
        if (type != INVVPID_ADDR) {
            guest_retire(m, g, type != INVVPID_SINGLE_NON_GLOBAL);
            continue;
        }
        for (unsigned j = 0; j < MMU_AS; j++) {
            if (m->ases[j].key && m->ases[j].key >> 32 == i) {
                m->ases[j].ps_serial = m->next_ps++;
                guest_drop_page(c, g, &m->ases[j], la, true);
            }
        }
    }
    mmu_update_ctx(c);
}

void mmu_watch_changed(struct cpu *c)
{
    c->mmu->watching = c->dbg.watch_count || (c->dr[7] & 0xff);
    l1_clear(c);
}

struct mmu *mmu_new(struct cpu *c)
{
    struct mmu *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->next_ps = 1;
    m->slot_epoch = 1;
    m->l1_r = c->tlb_r;
    m->l1_w = c->tlb_w;
    c->mmu = m;
    mmu_forget_everything(m);
    l1_clear(c);
    return m;
}

void mmu_free(struct mmu *m)
{
    if (m)
        free(m->timed_l1);
    free(m);
}

bool mmu_use_timing(struct cpu *c)
{
    struct mmu *const m = c->mmu;
    m->timed_l1 = calloc(2 * TLB_ENTRIES, sizeof *m->timed_l1);
    if (!m->timed_l1)
        return false;
    l1_clear(c);
    m->l1_r = m->timed_l1;
    m->l1_w = m->timed_l1 + TLB_ENTRIES;
    l1_clear(c);
    return true;
}

/* PKRU or CR4.PKE changed: first-level entries hold what the old rights allowed. */
void mmu_rights_changed(struct cpu *c)
{
    l1_clear(c);
}
