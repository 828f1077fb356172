/*
 * Watched pages: data breakpoints of DR0-DR3 (SDM 3B 17.2) and the debugger's watchpoints. A page
 * that holds one never gets a fast tag, so every access to it comes through the slow path and is
 * checked exactly; all other pages run at full speed.
 *
 * Not modelled: data breakpoints on accesses made by the processor itself to descriptor tables
 * match as on hardware, those of page walks do not match, as on hardware.
 */
#include "mmu/mmu_int.h"

static unsigned dr_len(uint64_t dr7, unsigned n)
{
    static const uint8_t len[4] = {1, 2, 8, 4};
    return len[dr7 >> (18 + 4 * n) & 3];
}

static bool dr_is_data(uint64_t dr7, unsigned n)
{
    return (dr7 >> (16 + 4 * n) & 1) && (dr7 >> (2 * n) & 3); /* R/W = 1 (W) or 3 (RW), enabled */
}

bool watch_page(const struct cpu *c, uint64_t la)
{
    const uint64_t page = la & TLB_PAGE_MASK;
    for (unsigned n = 0; n < 4; n++) {
        if (dr_is_data(c->dr[7], n) && (c->dr[n] & TLB_PAGE_MASK) == page)
            return true;
    }
    for (unsigned i = 0; i < c->dbg.watch_count; i++) {
        const struct cpu_watch *w = &c->dbg.watch[i];
        if (w->la < page + 4096 && w->la + w->len > page)
            return true;
    }
    return false;
}

void watch_hit(struct cpu *c, uint64_t la, unsigned len, unsigned acc)
{
    uint64_t bits = 0;
    for (unsigned n = 0; n < 4; n++) {
        if (!dr_is_data(c->dr[7], n))
            continue;
        const bool both = (c->dr[7] >> (16 + 4 * n) & 3) == 3;
        const unsigned blen = dr_len(c->dr[7], n);
        const uint64_t at = c->dr[n] & ~(uint64_t)(blen - 1);
        if ((both || (acc & ACC_W)) && la < at + blen && la + len > at)
            bits |= DR6_B0 << n;
    }
    if (bits)
        event_debug_trap(c, bits);
    for (unsigned i = 0; i < c->dbg.watch_count; i++) {
        const struct cpu_watch *w = &c->dbg.watch[i];
        if (!(w->access & (acc & ACC_W ? 2 : 1)) || la >= w->la + w->len || la + len <= w->la)
            continue;
        c->dbg.hit_la = w->la;
        c->dbg.hit_kind = 2;
        c->attn |= ATTN_STOP;
    }
}
