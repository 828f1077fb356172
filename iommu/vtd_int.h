/* iommu/vtd_int.h: what the remapping unit's files share. */
#ifndef IOMMU_VTD_INT_H
#define IOMMU_VTD_INT_H

#include "abi/vtd.h"
#include "apic/apic.h"
#include "iommu/vtd.h"
#include "mmu/ram.h"

#define VTD_RECORDS    8
#define VTD_REG_SIZE   (VTD_FRCD + 16 * VTD_RECORDS)
#define VTD_MGAW       57
#define VTD_MAMV       18
#define VTD_LEVELS_MAX 5

#define VTD_CAP_VALUE                                                                     \
    (VTD_CAP_ND_64K | VTD_CAP_SAGAW(1) | VTD_CAP_SAGAW(2) | VTD_CAP_SAGAW(3) |            \
     VTD_CAP_MGAW(VTD_MGAW) | VTD_CAP_ZLR | VTD_CAP_FRO(VTD_FRCD) | VTD_CAP_SLLPS_2M |    \
     VTD_CAP_SLLPS_1G | VTD_CAP_PSI | VTD_CAP_NFR(VTD_RECORDS) | VTD_CAP_MAMV(VTD_MAMV) | \
     VTD_CAP_DWD | VTD_CAP_DRD | VTD_CAP_PI)
#define VTD_ECAP_VALUE                                                                   \
    (VTD_ECAP_C | VTD_ECAP_QI | VTD_ECAP_IR | VTD_ECAP_EIM | VTD_ECAP_PT | VTD_ECAP_SC | \
     VTD_ECAP_IRO(VTD_IVA) | VTD_ECAP_MHMV)

/* What a context entry says. */
struct vtd_context {
    uint64_t table;
    uint16_t domain;
    uint8_t levels;
    bool pass_through;
    bool quiet; /* FPD: faults of this device are not recorded */
};

/* A translation: pages of 1 << shift bytes. */
struct vtd_page {
    uint64_t at, to;
    uint8_t shift;
    uint8_t perm; /* VTD_SL_R, VTD_SL_W: of all levels */
};

#define VTD_CONTEXTS      256 /* all functions of one bus */
#define VTD_IOTLB_ENTRIES 1024

struct vtd_context_entry {
    bool valid;
    uint16_t rid;
    struct vtd_context c;
};
struct vtd_iotlb_entry {
    bool valid;
    uint16_t domain;
    uint64_t number; /* of the 4 KiB page that was asked for */
    struct vtd_page p;
};

struct vtd {
    struct dev dev;
    /* wiring */
    struct vtd_config cfg;
    struct dma_filter filter;
    /* state */
    uint32_t reg[VTD_REG_SIZE / 4];
    uint64_t root; /* latched by SRTP */
    uint64_t irta; /* latched by SIRTP */
    uint8_t next_record;
    /* caches: derived from memory, emptied when software says so */
    struct vtd_context_entry context[VTD_CONTEXTS];
    struct vtd_iotlb_entry iotlb[VTD_IOTLB_ENTRIES];
};

static inline uint32_t vtd_get32(const struct vtd *v, unsigned at)
{
    return v->reg[at / 4];
}
static inline uint64_t vtd_get64(const struct vtd *v, unsigned at)
{
    return v->reg[at / 4] | (uint64_t)v->reg[at / 4 + 1] << 32;
}
static inline void vtd_set32(struct vtd *v, unsigned at, uint32_t value)
{
    v->reg[at / 4] = value;
}
static inline void vtd_set64(struct vtd *v, unsigned at, uint64_t value)
{
    v->reg[at / 4] = (uint32_t)value;
    v->reg[at / 4 + 1] = (uint32_t)(value >> 32);
}

/* walk.c: 0, or the reason why not. */
enum vtd_fault vtd_find_context(const struct vtd *v, uint16_t rid, struct vtd_context *c);
enum vtd_fault vtd_walk(const struct vtd *v, const struct vtd_context *c, uint64_t at,
                        bool to_write, struct vtd_page *p);

/* iotlb.c */
bool vtd_translate(void *vtd, uint16_t rid, iova_t at, bool to_write, hpa_t *to, size_t *len);
void vtd_drop_contexts(struct vtd *v, unsigned granularity, uint16_t domain, uint16_t sid,
                       unsigned mask);
void vtd_drop_pages(struct vtd *v, unsigned granularity, uint16_t domain, uint64_t at,
                    unsigned mask);

/* qi.c */
void vtd_run_queue(struct vtd *v);

/* fault.c */
/* What is blocked is logged and traced, and recorded for software unless it said that it does not
 * want to know (quiet: FPD). */
void vtd_block_access(struct vtd *v, uint16_t rid, enum vtd_fault reason, uint64_t where,
                      bool to_write, bool quiet);
void vtd_block_interrupt(struct vtd *v, uint16_t rid, enum vtd_fault reason, uint32_t index,
                         bool quiet);
void vtd_raise_status(struct vtd *v, uint32_t bits); /* FSTS, with the fault event */
void vtd_faults_changed(struct vtd *v);              /* software cleared some */
void vtd_event(struct vtd *v, unsigned control); /* VTD_FECTL or VTD_IECTL: its message is due */
void vtd_event_unmasked(struct vtd *v, unsigned control);

/* ir.c */
void vtd_remap(void *vtd, uint16_t rid, uint64_t address, uint32_t data);

#endif
