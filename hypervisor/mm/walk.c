/*
 * Guest paging by software (SDM 3A 4.3-4.6): for TranslateVirtualAddress and for the instruction
 * bytes of an intercept. One walker; the levels are data.
 * Not modelled: protection keys, SMEP/SMAP, setting of accessed and dirty bits, 5-level paging.
 */
#include "hypervisor/mm/mm.h"

struct level {
    uint8_t shift, bits, entry_size;
    bool may_be_large;
};

static const struct level levels_32[] = {{22, 10, 4, true}, {12, 10, 4, false}};
static const struct level levels_pae[] = {{30, 2, 8, false}, {21, 9, 8, true}, {12, 9, 8, false}};
static const struct level levels_64[] = {
    {39, 9, 8, false}, {30, 9, 8, true}, {21, 9, 8, true}, {12, 9, 8, false}};

static bool read_entry(struct hv_partition *p, uint64_t gpa, unsigned size, uint64_t *entry)
{
    const uint8_t *page = hv_gpa_page(p, gpa, EPT_R);
    if (!page)
        return false;
    *entry = 0;
    memcpy(entry, page + (gpa & 0xfff), size);
    return true;
}

static uint32_t check(uint64_t rights, uint64_t flags, unsigned cpl, const struct hv_regs *r)
{
    if (!(rights & PTE_U) && cpl == 3)
        return HV_TRANSLATE_PRIVILEGE_VIOLATION;
    if ((flags & HV_TRANSLATE_WRITE) && !(rights & PTE_W) && (cpl == 3 || (r->cr0 & CR0_WP)))
        return HV_TRANSLATE_PRIVILEGE_VIOLATION;
    if ((flags & HV_TRANSLATE_EXECUTE) && (rights & PTE_NX))
        return HV_TRANSLATE_PRIVILEGE_VIOLATION;
    return HV_TRANSLATE_SUCCESS;
}

uint32_t hv_translate(struct hv_vp *vp, uint64_t gva, uint64_t flags, unsigned cpl,
                      uint64_t *gpa_out)
{
    const struct hv_regs *r = &vp->regs;
    if (!(r->cr0 & CR0_PG)) {
        *gpa_out = gva & 0xffffffff;
        return HV_TRANSLATE_SUCCESS;
    }
    const struct level *l = levels_32;
    unsigned n = HV_ARRAY_SIZE(levels_32);
    if (r->efer & EFER_LMA) {
        l = levels_64;
        n = HV_ARRAY_SIZE(levels_64);
    } else if (r->cr4 & CR4_PAE) {
        l = levels_pae;
        n = HV_ARRAY_SIZE(levels_pae);
    }
    const bool pae_root = l == levels_pae;
    uint64_t table = r->cr3 & (pae_root ? 0xffffffe0ull : EPT_ADDR_MASK);
    uint64_t rights = PTE_W | PTE_U;
    for (unsigned i = 0; i < n; i++) {
        uint64_t e;
        const uint64_t index = gva >> l[i].shift & ((1ull << l[i].bits) - 1);
        if (!read_entry(vp->partition, table + index * l[i].entry_size, l[i].entry_size, &e))
            return HV_TRANSLATE_GPA_UNMAPPED;
        if (!(e & PTE_P))
            return HV_TRANSLATE_PAGE_NOT_PRESENT;
        if (!(pae_root && i == 0)) {
            rights &= e | ~(PTE_W | PTE_U);
            rights |= e & PTE_NX & (r->efer & EFER_NXE ? PTE_NX : 0);
        }
        const bool pse_ok = l != levels_32 || (r->cr4 & CR4_PSE);
        if (i + 1 == n || (l[i].may_be_large && (e & PTE_PS) && pse_ok)) {
            const uint64_t mask = (1ull << l[i].shift) - 1;
            *gpa_out = (e & EPT_ADDR_MASK & ~mask) | (gva & mask);
            if (flags & HV_TRANSLATE_PRIV_EXEMPT)
                return HV_TRANSLATE_SUCCESS;
            return check(rights, flags, cpl, r);
        }
        table = e & EPT_ADDR_MASK;
    }
    return HV_TRANSLATE_INVALID_PTE;
}

uint32_t hv_fetch_code(struct hv_vp *vp, uint8_t *buf, uint32_t n)
{
    hv_vp_fetch(vp);
    const bool long_code = (vp->regs.efer & EFER_LMA) && (vp->regs.seg[SEG_CS].attributes & SA_L);
    uint64_t gva = vp->rip + (long_code ? 0 : vp->regs.seg[SEG_CS].base);
    if (!long_code)
        gva &= 0xffffffff;
    uint32_t done = 0;
    while (done < n) {
        uint64_t gpa;
        if (hv_translate(vp, gva + done, HV_TRANSLATE_EXECUTE, hv_vp_cpl(vp), &gpa) !=
            HV_TRANSLATE_SUCCESS)
            break;
        const uint8_t *page = hv_gpa_page(vp->partition, gpa, EPT_R);
        if (!page)
            break;
        uint32_t chunk = 4096 - (uint32_t)(gpa & 0xfff);
        if (chunk > n - done)
            chunk = n - done;
        memcpy(buf + done, page + (gpa & 0xfff), chunk);
        done += chunk;
    }
    return done;
}
