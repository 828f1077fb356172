/*
 * mmu/mmu_int.h: private to mmu/: contexts, second-level TLB, paging-structure caches, walks.
 *
 * Names. A *guest* is a (VPID, EPTP) pair; an address space (*as*) is a guest plus PCID plus paging
 * mode. Every as has a serial number; second-level entries carry the serial of their as (or of the
 * guest, for global pages), so a flush takes a new serial and touches no entry. A first-level tag
 * holds the as's slot number (9 bits) and the access class (3 bits).
 *
 * The L2 TLB is FIFO and includes the first level and the fetch TLB. So what it holds, and with it
 * when accessed flags are set again, does not depend on first-level contents, that is not on a
 * debugger.
 */
#ifndef MMU_MMU_INT_H
#define MMU_MMU_INT_H

#include "core/bus.h"
#include "core/clock.h"
#include "cpu/cpu.h"
#include "cpu/mem.h"
#include "cpu/sys/sys.h"
#include "cpu/vmx/vmx.h"
#include "mmu/mmu.h"
#include "mmu/ram.h"

/* What reaches memory of a physical address: A20M# clears bit 20 (SDM 3C 24.8). The translations
 * themselves stay as they are. */
static inline uint64_t a20(const struct cpu *c, uint64_t hpa_)
{
    return hpa_ & ~((uint64_t)c->a20_closed << 20);
}

#define ACC_SYS 8 /* implicit supervisor access: descriptor tables, TSS */

/* Permissions of a cached translation. */
enum {
    P_W = 1 << 0,
    P_U = 1 << 1,
    P_NX = 1 << 2,
    P_D = 1 << 3, /* guest dirty flag set */
    P_G = 1 << 4,
    P_ER = 1 << 5, /* EPT read, write, execute */
    P_EW = 1 << 6,
    P_EX = 1 << 7,
    P_ED = 1 << 8, /* EPT dirty flag set, or EPT A/D flags off */
    P_FETCHED = 1 << 9,
    P_OWNER = 1 << 10, /* bit 8 of the owner's index */
    P_KEY_SHIFT = 11,  /* four bits: protection key */
};
#define P_EPT_ALL (P_ER | P_EW | P_EX | P_ED)

/* Access classes: low three bits of a context id. */
enum { CLS_USER = 0, CLS_USER_AC = 1, CLS_SUP = 4, CLS_SUP_WP = 1, CLS_SUP_SMAP = 2 };
#define CLS_BITS 3
#define L1_SLOTS 511

enum paging { PG_NONE, PG_32, PG_PAE, PG_64, PG_57 };
/* Mode bits of an as key */
enum {
    AM_PAGING = 3,
    AM_PSE = 4,
    AM_NXE = 8,
    AM_SMEP = 16,
    AM_PGE = 32,
    AM_PCIDE = 64,
    AM_LA57 = 128
};

struct mmu_guest {
    uint64_t eptp; /* 0: no EPT */
    uint32_t vpid; /* with bit 16 set for EPT in use */
    uint32_t gserial;
    uint32_t gen; /* counts flushes of all its address spaces */
    uint64_t ept_serial;
    uint32_t jump_gserial, jump_mode; /* when jump cache entries of global pages were made */
    uint64_t huge[4];                 /* filter: 1 GiB regions with 1 GiB pages */
    uint64_t large[64];               /* filter: 2 MiB regions with guest-large pages */
    uint64_t fragments[64];           /* those whose L2 entries are smaller than the guest page */
};
#define MMU_GUESTS 32
static inline unsigned large_bit(uint64_t la)
{
    return (unsigned)((la >> 21) ^ (la >> 33)) & 4095;
}
static inline unsigned huge_bit(uint64_t la)
{
    return (unsigned)((la >> 30) ^ (la >> 38)) & 255;
}

struct mmu_as {
    uint64_t key; /* guest << 32 | pcid << 16 | mode << 1 | 1; 0: free */
    uint32_t serial;
    uint16_t slot;
    uint32_t slot_epoch;
    uint32_t gen; /* of the guest when the serials were taken */
    uint64_t ps_serial;
};
#define MMU_AS 512

struct l2_entry {
    uint64_t tag; /* linear base | 1 for a 2 MiB entry */
    uint64_t gpa, hpa;
    uint32_t serial;
    uint16_t perm;
    uint8_t gshift; /* size of the guest page */
    uint8_t
        owner; /* index of the as (global pages: of the guest), low bits; P_OWNER has one more */
};
_Static_assert(sizeof(struct l2_entry) == 32, "two ways a cache line");
#define L2_SETS 2048
#define L2_WAYS 4

struct ps_entry { /* PDE or PDPTE that points to a table */
    uint64_t serial, region;
    uint64_t gpa, hpa; /* of the table */
    uint32_t perm;
};
#define PS_PDE   256
#define PS_PDPTE 32

struct ept_entry { /* one 4 KiB page of guest-physical memory */
    uint64_t serial, gpa, hpa;
    uint32_t perm; /* P_E* */
    uint8_t shift;
};
struct ept_ps_entry {
    uint64_t serial, region, table;
    uint32_t perm;
};
#define EPT_TLB 1024
#define EPT_PS  128

struct fetch_entry {
    uint64_t tag; /* page | ctx */
    uint64_t hpa;
    void *host;
    bool global;
};
#define FETCH_TLB 256

struct mmu {
    /* c->tlb_r and c->tlb_w, or with a cycle model own ones, and those of c stay empty */
    struct tlb_entry *l1_r, *l1_w;
    struct tlb_entry *timed_l1;
    struct mmu_guest *guest;
    struct mmu_as *as;
    uint64_t ctx_sys; /* context id of implicit supervisor accesses */
    uint64_t cur_key;
    uint64_t cur_eptp;
    uint32_t cur_vpid;
    uint32_t next_serial;
    uint64_t next_ps;
    uint32_t next_slot, slot_epoch;
    unsigned next_guest, guest_count;
    bool watching;
    struct mmu_guest guests[MMU_GUESTS];
    struct mmu_as ases[MMU_AS];
    struct fetch_entry fetch[FETCH_TLB];
    struct ps_entry pde[PS_PDE], pdpte[PS_PDPTE];
    struct ept_entry ept[EPT_TLB];
    struct ept_ps_entry ept_ps[EPT_PS];
    uint8_t l2_next[L2_SETS];
    struct l2_entry l2[L2_SETS][L2_WAYS];
};

/* A finished or failed walk. */
enum walk_status { WALK_OK, WALK_PF, WALK_EPT_VIOLATION, WALK_EPT_MISCONFIG, WALK_PML_FULL };
struct walk {
    uint64_t gpa, hpa; /* of the 4 KiB page */
    uint32_t perm;
    uint8_t shift;  /* of the combined mapping: 12 or at least 21 */
    uint8_t gshift; /* of the guest's mapping */
    uint32_t pfe;   /* WALK_PF: error code */
    uint64_t fault_gpa, qual;
    bool suppress_ve; /* WALK_EPT_VIOLATION: bit 63 of the entry */
};
enum { WF_PEEK = 1 }; /* no side effects: no A/D updates, nothing cached */

/* 1, 2, 4 or 8 bytes of host memory; the sizes are spelled out so that no call of memcpy is
 * left. */
static inline uint64_t host_ld(const void *p, unsigned size)
{
    uint64_t v8;
    uint32_t v4;
    uint16_t v2;
    switch (size) {
    case 8:
        memcpy(&v8, p, 8);
        return v8;
    case 4:
        memcpy(&v4, p, 4);
        return v4;
    case 2:
        memcpy(&v2, p, 2);
        return v2;
    default:
        return *(const uint8_t *)p;
    }
}

static inline void host_st(void *p, unsigned size, uint64_t v)
{
    switch (size) {
    case 8:
        memcpy(p, &v, 8);
        break;
    case 4:
        memcpy(p, &v, 4);
        break;
    case 2:
        memcpy(p, &v, 2);
        break;
    default:
        *(uint8_t *)p = (uint8_t)v;
        break;
    }
}

/* walk.c */
struct paging_levels {
    uint8_t shift[5]; /* of each level, top first */
    uint8_t levels, bits, esize;
};
extern const struct paging_levels paging_levels[];
enum walk_status walk_linear(struct cpu *c, uint64_t la, unsigned acc, unsigned flags,
                             struct walk *w);
bool perm_allows(const struct cpu *c, uint32_t perm, unsigned acc);
enum paging paging_mode(const struct cpu *c);
uint64_t phys_ld(struct cpu *c, uint64_t hpa, unsigned size);
void phys_st(struct cpu *c, uint64_t hpa, unsigned size, uint64_t v);

/* ept.c: want: EPT_READ.. bits. On success hpa (of the byte), perm (P_E*), shift. */
enum walk_status ept_translate(struct cpu *c, uint64_t gpa, unsigned want, unsigned flags,
                               struct walk *w, uint64_t *hpa);

/* ctx.c */
uint32_t mmu_new_serial(struct mmu *m);

/* tlb.c */
struct page {                  /* where a linear page is */
    uint64_t gpa, hpa;         /* of the page */
    uint8_t *host;             /* NULL: device memory */
    struct frame *frame;       /* NULL with it */
    bool watched, apic, vapic; /* vapic: the APIC-access page of VMX */
    bool global;
};
struct page page_find(struct cpu *c, uint64_t la, unsigned acc);
struct l2_entry *l2_find(struct mmu *m, uint64_t la);
void l2_insert(struct cpu *c, uint64_t la, const struct walk *w, bool fetched);
void l2_code_gone(struct cpu *c, const struct l2_entry *e);
void l1_clear(struct cpu *c);
void l1_drop_page(struct cpu *c, uint64_t la);
void l1_drop_region(struct cpu *c, uint64_t la, unsigned shift);

/* watch.c */
bool watch_page(const struct cpu *c, uint64_t la);
void watch_hit(struct cpu *c, uint64_t la, unsigned len, unsigned acc);

#endif
