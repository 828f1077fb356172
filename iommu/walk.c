/*
 * iommu/walk.c: root, context and second-level tables (VT-d 3.4, 3.7, 9.1, 9.3, 9.8). Every check
 * that fails has its reason; nothing is cached here.
 */
#include "iommu/vtd_int.h"

/* Bits of an address that the machine does not have. */
static uint64_t beyond(const struct vtd *v)
{
    return ~((1ull << v->cfg.phys_bits) - 1);
}

static bool read_entry(const struct vtd *v, uint64_t at, uint64_t *e, size_t len)
{
    return !(at & beyond(v)) && ram_read(v->cfg.ram, hpa(at), e, len);
}

enum vtd_fault vtd_find_context(const struct vtd *v, uint16_t rid, struct vtd_context *c)
{
    uint64_t root[2], e[2];
    if (!read_entry(v, (v->root & VTD_ADDRESS) + 16ull * (rid >> 8), root, sizeof root))
        return VTD_F_ROOT_TABLE;
    if (!(root[0] & VTD_ENTRY_P))
        return VTD_F_ROOT_NOT_PRESENT;
    if (root[1] || root[0] & 0xffe || root[0] & beyond(v))
        return VTD_F_ROOT_RESERVED;
    if (!read_entry(v, (root[0] & VTD_ADDRESS) + 16ull * (rid & 0xff), e, sizeof e))
        return VTD_F_CONTEXT_TABLE;
    *c = (struct vtd_context){.table = e[0] & VTD_ADDRESS,
                              .domain = VTD_CONTEXT_DID(e[1]),
                              .levels = (uint8_t)((e[1] & VTD_CONTEXT_AW) + 2),
                              .pass_through = (e[0] & VTD_CONTEXT_TT) == VTD_CONTEXT_PASS,
                              .quiet = e[0] & VTD_CONTEXT_FPD};
    if (!(e[0] & VTD_ENTRY_P))
        return VTD_F_CONTEXT_NOT_PRESENT;
    if (e[0] & 0xff0 || e[0] & beyond(v) || e[1] >> 24)
        return VTD_F_CONTEXT_RESERVED;
    if (((e[0] & VTD_CONTEXT_TT) && !c->pass_through) || c->levels < 3 ||
        c->levels > VTD_LEVELS_MAX)
        return VTD_F_CONTEXT_INVALID;
    return 0;
}

/* Bits that must be 0 in an entry of a level (1: 4 KiB pages). */
static uint64_t reserved(const struct vtd *v, unsigned level, bool is_page)
{
    const uint64_t address = beyond(v) & ((1ull << 52) - 1);
    if (level > 3)
        return address | VTD_SL_PS;
    return address | (is_page && level > 1 ? (1ull << (9 * level + 3)) - 4096 : 0);
}

enum vtd_fault vtd_walk(const struct vtd *v, const struct vtd_context *c, uint64_t at,
                        bool to_write, struct vtd_page *p)
{
    uint64_t table = c->table;
    unsigned perm = VTD_SL_R | VTD_SL_W;
    if (at >> (12 + 9 * c->levels))
        return VTD_F_ADDRESS_WIDTH;
    for (unsigned level = c->levels;; level--) {
        const unsigned shift = 3 + 9 * level;
        uint64_t e;
        if (!read_entry(v, table + 8 * (at >> shift & 511), &e, sizeof e))
            return VTD_F_TABLE;
        perm &= e & (VTD_SL_R | VTD_SL_W);
        if (!(perm & (to_write ? VTD_SL_W : VTD_SL_R)))
            return to_write ? VTD_F_WRITE : VTD_F_READ;
        const bool is_page = level == 1 || (level <= 3 && (e & VTD_SL_PS));
        if (e & reserved(v, level, is_page))
            return VTD_F_TABLE_RESERVED;
        table = e & VTD_ADDRESS & ((1ull << 52) - 1);
        if (is_page) {
            *p = (struct vtd_page){.at = at >> shift << shift,
                                   .to = table,
                                   .shift = (uint8_t)shift,
                                   .perm = (uint8_t)perm};
            return 0;
        }
    }
}

struct vtd_view vtd_view(const struct vtd *v, uint16_t rid)
{
    struct vtd_context c;
    if (vtd_find_context(v, rid, &c))
        return (struct vtd_view){0};
    return (struct vtd_view){true, c.pass_through, c.domain, c.levels, c.table};
}

bool vtd_peek(const struct vtd *v, uint16_t rid, iova_t at, bool to_write, hpa_t *to)
{
    struct vtd_context c;
    struct vtd_page p;
    *to = hpa(at.v);
    if (!(vtd_get32(v, VTD_GSTS) & VTD_G_TE))
        return true;
    if (vtd_find_context(v, rid, &c))
        return false;
    if (c.pass_through)
        return true;
    if (vtd_walk(v, &c, at.v, to_write, &p))
        return false;
    *to = hpa(p.to + (at.v - p.at));
    return true;
}
