/*
 * EPT: guest-physical to machine-physical (SDM 3C 29.3). Four levels, 2 MiB and 1 GiB pages, A/D
 * flags, execute-only pages; results cached per 4 KiB page and per page table under the guest's
 * EPT serial.
 *
 * Not modelled: five levels, mode-based execute control, sub-page write permissions.
 */
#include "mmu/mmu_int.h"

#define EPT_RSVD (0x000fffffffffffffull & ~((1ull << CPU_PHYS_BITS) - 1))

static uint32_t ept_perm(uint64_t e)
{
    return (e & EPT_R ? P_ER : 0u) | (e & EPT_W ? P_EW : 0u) | (e & EPT_X ? P_EX : 0u);
}

static unsigned ept_denied(uint32_t perm, unsigned want)
{
    const unsigned have = (perm & P_ER ? EPT_READ : 0) | (perm & P_EW ? EPT_WRITE : 0) |
                          (perm & P_EX ? EPT_EXEC : 0);
    return want & ~have;
}

/* SDM 3C 29.3.3.1 */
static bool ept_misconfigured(uint64_t e, unsigned shift, bool leaf)
{
    if ((e & (EPT_R | EPT_W)) == EPT_W || (e & EPT_RSVD))
        return true;
    if (!leaf)
        return e & (shift == 39 ? 0xf8 : 0x78);
    if (e & ((1ull << shift) - 1) & ~0xfffull)
        return true;
    const unsigned mt = e >> EPT_MT_SHIFT & 7;
    return mt == 2 || mt == 3 || mt == 7;
}

/* perm: of all levels, 0 when `entry` is not present */
static enum walk_status ept_fail(struct walk *w, uint64_t gpa, unsigned want, uint32_t perm,
                                 uint64_t entry)
{
    w->suppress_ve = entry & EPT_SUPPRESS_VE;
    w->fault_gpa = gpa;
    w->qual = want | (uint64_t)(perm & P_ER ? VMX_QUAL_EPT_R : 0) |
              (uint64_t)(perm & P_EW ? VMX_QUAL_EPT_W : 0) |
              (uint64_t)(perm & P_EX ? VMX_QUAL_EPT_X : 0);
    return WALK_EPT_VIOLATION;
}

static void ept_cache(struct mmu *m, uint64_t gpa, uint64_t hpa, uint32_t perm, unsigned shift)
{
    m->ept[(gpa >> 12) & (EPT_TLB - 1)] = (struct ept_entry){.serial = m->guest->ept_serial,
                                                             .gpa = gpa & ~0xfffull,
                                                             .hpa = hpa & ~0xfffull,
                                                             .perm = perm,
                                                             .shift = (uint8_t)shift};
}

/* Accessed flags, and the dirty flag of the leaf for writes. false: no room in the log. */
static bool ept_set_flags(struct cpu *c, uint64_t gpa, const uint64_t *at, uint64_t *entry,
                          unsigned n, unsigned want)
{
    bool asked = false;
    for (unsigned i = 0; i < n; i++) {
        const bool dirties = i == n - 1 && (want & EPT_WRITE);
        const uint64_t set = EPT_A | (dirties ? EPT_D : 0);
        if ((entry[i] & set) == set)
            continue;
        if (!asked && vmx_pml_full(c))
            return false;
        asked = true;
        if (dirties && !(entry[i] & EPT_D))
            vmx_pml_log(c, gpa);
        phys_st(c, at[i], 8, entry[i] |= set);
    }
    return true;
}

static enum walk_status ept_walk(struct cpu *c, uint64_t gpa, unsigned want, unsigned flags,
                                 struct walk *w, uint64_t *hpa)
{
    struct mmu *m = c->mmu;
    const uint64_t eptp = vmx_eptp(c);
    const bool ad = eptp & EPTP_AD, peek = flags & WF_PEEK;
    struct ept_ps_entry *ps = &m->ept_ps[(gpa >> 21) & (EPT_PS - 1)];
    uint64_t table = eptp & EPT_ADDR_MASK, at[4], entry[4];
    uint32_t perm = P_ER | P_EW | P_EX;
    unsigned shift = 39, n = 0;

    if (ps->serial == m->guest->ept_serial && ps->region == gpa >> 21) {
        table = ps->table;
        perm = ps->perm;
        shift = 12;
    }
    for (;; shift -= 9) {
        at[n] = table + (gpa >> shift & 511) * 8;
        const uint64_t e = phys_ld(c, at[n], 8);
        entry[n++] = e;
        if (!(e & 7))
            return ept_fail(w, gpa, want, 0, e);
        const bool leaf = shift == 12 || ((e & EPT_LEAF) && shift < 39);
        if (ept_misconfigured(e, shift, leaf)) {
            w->fault_gpa = gpa;
            return WALK_EPT_MISCONFIG;
        }
        perm &= ept_perm(e);
        table = e & EPT_ADDR_MASK;
        if (leaf)
            break;
        if (shift == 21 && !peek && (!ad || (e & EPT_A)))
            *ps = (struct ept_ps_entry){m->guest->ept_serial, gpa >> 21, table, perm};
    }
    if (ept_denied(perm, want))
        return ept_fail(w, gpa, want, perm, entry[n - 1]);
    if (ad && !peek && !ept_set_flags(c, gpa, at, entry, n, want))
        return WALK_PML_FULL;
    if (!ad || (entry[n - 1] & EPT_D))
        perm |= P_ED;
    *hpa = (table & ~((1ull << shift) - 1)) | (gpa & ((1ull << shift) - 1));
    w->perm = perm;
    w->shift = (uint8_t)shift;
    if (!peek)
        ept_cache(m, gpa, *hpa, perm, shift);
    return WALK_OK;
}

enum walk_status ept_translate(struct cpu *c, uint64_t gpa, unsigned want, unsigned flags,
                               struct walk *w, uint64_t *hpa)
{
    if (!vmx_ept_enabled(c)) {
        w->perm = P_EPT_ALL;
        w->shift = 39;
        *hpa = gpa;
        return WALK_OK;
    }
    const struct ept_entry *e = &c->mmu->ept[(gpa >> 12) & (EPT_TLB - 1)];
    if (e->serial == c->mmu->guest->ept_serial && e->gpa == (gpa & ~0xfffull) &&
        !ept_denied(e->perm, want) && (!(want & EPT_WRITE) || (e->perm & P_ED))) {
        w->perm = e->perm;
        w->shift = e->shift;
        *hpa = e->hpa | (gpa & 0xfff);
        return WALK_OK;
    }
    return ept_walk(c, gpa, want, flags, w, hpa);
}
