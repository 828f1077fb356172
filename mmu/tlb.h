/*
 * mmu/tlb.h: the soft TLB's fast path (engine.md A.4).
 *
 * Two direct-mapped tables per LP from linear page to host pointer: one for loads, one for stores,
 * so that a copy never evicts its own pages, whatever the distance between source and destination.
 * An entry caches the *combined* walk (guest tables x EPT). The low 12 bits of a tag are the
 * context id (VPID, EPTP, CR3/PCID, mode, privilege), so CR3 writes with PCID, VM entries and exits
 * change c->ctx only. A store entry is there only when D is set in all levels and no code is on the
 * page.
 * The compare uses la + size - 1 for the page and la for the slot: accesses that cross a page miss.
 * Pages that must be looked at (code pages for writes, MMIO, watched) never get the tag.
 */
#ifndef MMU_TLB_H
#define MMU_TLB_H

#include <stdint.h>

#define TLB_BITS      10
#define TLB_ENTRIES   (1u << TLB_BITS)
#define TLB_PAGE_MASK (~4095ull)
#define TLB_INVALID   0xfffull /* context id 0xfff is never given out */

struct tlb_entry {
    uint64_t tag;     /* page | ctx */
    uintptr_t addend; /* host address = addend + linear address */
};

/* The fold keeps streams at power-of-two page distances from colliding. It must never put two
 * neighbours in one slot, or an access across their border would hit: a sum moves on by 1 or 2 from
 * page to page, an exclusive or can stand still (at 2 GiB, and from the last page to the first). */
static inline unsigned tlb_index(uint64_t la)
{
    return (unsigned)((la >> 12) + (la >> 21)) & (TLB_ENTRIES - 1);
}

#endif
