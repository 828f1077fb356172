/*
 * Memory of the hypervisor: the physical map, its own heap of pages, EPT trees, and access to guest
 * memory. Physical addresses are uint64_t "hpa", guest-physical ones "gpa".
 */
#ifndef HYPERVISOR_MM_H
#define HYPERVISOR_MM_H

#include "hypervisor/core/hv_core.h"

#define HV_PAGE       4096ull
#define HV_LARGE_PAGE 0x200000ull

struct hv_range {
    uint64_t base, size;
    uint32_t type; /* 1: RAM, others as in E820 */
};

#define HV_MAX_RANGES 64u
struct hv_memmap {
    struct hv_range range[HV_MAX_RANGES];
    uint32_t count;
};

extern struct hv_memmap hv_memmap; /* what firmware reported */
#define HV_MAX_RESERVED 8u
extern struct hv_range hv_reserved[HV_MAX_RESERVED]; /* ours: image, heap, remapping units */

bool hv_is_ram(uint64_t hpa, uint64_t size);
bool hv_is_ours(uint64_t hpa, uint64_t size); /* touches memory of the hypervisor */
void hv_reserve(uint64_t base, uint64_t size);

void hv_heap_init(uint64_t base, uint64_t size);
uint64_t hv_page_alloc(void); /* zeroed, or 0 */
void hv_page_free(uint64_t hpa);
void hv_map_physical(void); /* identity map of everything, NX off, 2 MiB pages */

/* EPT entry bit that software owns: the page belongs to the hypervisor, never map it on demand. */
#define HV_EPT_TAKEN (1ull << 52)
/* Overlay of a hypervisor page: the guest may read and execute, writes are refused. */
#define HV_EPT_OVERLAY (1ull << 53)

/* Entry that maps `gpa` at `level` (1: 4 KiB, 2: 2 MiB), tables on the way made when `create`. */
uint64_t *hv_ept_entry(struct hv_partition *p, uint64_t gpa, int level, bool create);
uint32_t hv_ept_map(struct hv_partition *p, uint64_t gpa, uint64_t hpa, uint32_t flags, int level);
bool hv_ept_unmap(struct hv_partition *p, uint64_t gpa);
void hv_ept_changed(struct hv_partition *p); /* after entries were removed or restricted */
void hv_ept_free(struct hv_partition *p);
bool hv_ept_init(struct hv_partition *p);
bool hv_ept_demand(struct hv_partition *p, uint64_t gpa); /* root only */
/* Entry that translates gpa, or 0; *level_out says its size. */
uint64_t hv_ept_lookup(struct hv_partition *p, uint64_t gpa, int *level_out);

bool hv_overlay_set(struct hv_partition *p, struct hv_overlay *o, uint64_t gpfn);
void hv_overlay_clear(struct hv_partition *p, struct hv_overlay *o);

/* Host address of a guest-physical page with all of `access` (EPT_R | EPT_W ...), or NULL. */
void *hv_gpa_page(struct hv_partition *p, uint64_t gpa, uint64_t access);
void *hv_guest_page_get(struct hv_partition *p, struct hv_guest_page *c, uint64_t gpa,
                        uint64_t access);

/* Guest-linear translation. Result codes are HV_TRANSLATE_*. Needs hv_vp_fetch(vp) before. */
uint32_t hv_translate(struct hv_vp *vp, uint64_t gva, uint64_t flags, unsigned cpl,
                      uint64_t *gpa_out);
/* Up to n bytes of code at CS:RIP; returns how many could be read. */
uint32_t hv_fetch_code(struct hv_vp *vp, uint8_t *buf, uint32_t n);

#endif
