/*
 * mmu/mmu.h: translation: guest tables of every paging mode, EPT, contexts, fetch.
 *
 * SDM 3A 4 (paging), 3C 29.3 (EPT). The data fast path is mmu/tlb.h + cpu/mem.h.
 */
#ifndef MMU_MMU_H
#define MMU_MMU_H

#include <stdbool.h>
#include <stdint.h>

#include "core/addr.h"

struct cpu;
struct mmu;

struct mmu *mmu_new(struct cpu *c);
void mmu_free(struct mmu *m);

/* Instruction fetch: machine physical address of the page of linear address la, for the current
 * privilege; raises #PF/VM exits with the fetch error code. *host is NULL when it is not RAM. */
uint64_t mmu_fetch_page(struct cpu *c, uint64_t la, void **host);

/* Right after mmu_fetch_page: is the page global, the same in every address space? */
bool mmu_fetch_is_global(const struct cpu *c, uint64_t la);
/* Fetches may give something else than before: no entry of the jump cache is current, or none of
 * one page. */
void mmu_code_changed(struct cpu *c);
void engine_forget_page(struct cpu *c, uint64_t la);

/* Translate without side effects or faults (debugger, tracer): false when not mapped. */
struct mmu_view {
    uint64_t gpa, hpa; /* of the byte */
    uint8_t page_shift;
    bool writable, user, executable;
};
bool mmu_peek(const struct cpu *c, uint64_t la, struct mmu_view *v);
bool mmu_peek_gpa(const struct cpu *c, uint64_t gpa, uint64_t *hpa); /* through EPT when non-root */
bool mmu_peek_read(const struct cpu *c, uint64_t la, void *to, unsigned len);
bool mmu_peek_write(struct cpu *c, uint64_t la, const void *from, unsigned len);

/* Read/write guest-physical memory as the processor does for its own structures (PDPTEs, posted
 * descriptors): through EPT when active; may VM-exit. */
uint64_t mmu_gpa_ld64(struct cpu *c, uint64_t gpa);

/* Architectural invalidations. All are O(1) or a walk over this LP's small tables. */
void mmu_cr3_written(struct cpu *c, bool keep_pcid); /* MOV CR3: bit 63 with PCIDE = keep */
void mmu_invlpg(struct cpu *c, uint64_t la);
void mmu_invpcid(struct cpu *c, unsigned type, uint16_t pcid, uint64_t la);
void mmu_flush_guest(
    struct cpu *c); /* CR0/CR4/EFER paging bits changed: this VPID's all, incl. global */
void mmu_rights_changed(struct cpu *c); /* protection-key rights: PKRU, CR4.PKE */
void mmu_flush_all(struct cpu *c);      /* reset, debugger */
void mmu_invept(struct cpu *c, bool single, uint64_t eptp);
void mmu_invvpid(struct cpu *c, unsigned type, uint16_t vpid, uint64_t la); /* types of INVVPID */
/* Drop fast write tags of one machine frame on this LP (code appeared), or all of one linear
 * page. */
void mmu_drop_frame(struct cpu *c, uint64_t hpa);
/* Other memory is behind some addresses now (ROM, switched pages): host pointers are looked up
 * again. */
void mmu_memory_changed(struct cpu *c);
void mmu_watch_changed(struct cpu *c); /* debug watchpoints or DR7 changed: refill with care */

/* MONITOR: arm the line of la (may fault as a load does); mmu_monitor_end disarms. */
void mmu_monitor_arm(struct cpu *c, uint64_t la);
void mmu_monitor_end(struct cpu *c);

/* What a walk for this page would load now, in order: entries of the guest's tables, and of EPT
 * before each of them and at the end. Looks only; stops where a table is absent. */
enum mmu_load_kind { MMU_LOAD_TABLE, MMU_LOAD_EPT_FIRST, MMU_LOAD_EPT };
#define MMU_LOADS_MAX 29
struct mmu_loads {
    struct {
        uint64_t hpa; /* of the entry */
        uint64_t gpa; /* EPT: what is translated */
        uint8_t kind, shift;
    } load[MMU_LOADS_MAX];
    unsigned count;
    unsigned after_pde; /* the first load that a cached page-directory entry does not spare */
    bool has_pde;
    bool global;
    uint8_t leaf_shift; /* of the guest's page */
    uint8_t shift;      /* of the page and EPT's together */
    uint32_t ept_serial;
};
void mmu_walk_loads(const struct cpu *c, uint64_t la, struct mmu_loads *w);
/* From now on every data access takes the slow path, where the cycle model sees it. */
bool mmu_use_timing(struct cpu *c);

/* Load PDPTEs for PAE paging from CR3 (SDM 3A 4.4.1); false: #GP(0) is due (reserved bits). */
bool mmu_load_pdptes(struct cpu *c, uint64_t cr3, uint64_t pdpte[4]);

/* EPT: provided by cpu/vmx/vmx.h, read here: c->non_root && vmx_ept_enabled(c), vmx_eptp(c),
 * vmx_vpid(c). On failure the walker calls vmx_ept_violation, vmx_exit_ept_misconfig or
 * vmx_exit_pml_full. */
enum { EPT_READ = 1, EPT_WRITE = 2, EPT_EXEC = 4 };

#endif
