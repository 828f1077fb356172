/*
 * iommu/vtd.h: a DMA-remapping unit (Intel VT-d 4.1, legacy mode) for all functions of bus 0: a
 * filter on their DMA (core/dma.h) and on the messages that they, the HPET and the I/O APIC send
 * (core/irq.h). Until software turns it on, both pass unchanged.
 *
 * Modelled: root, context and second-level tables of 3, 4 and 5 levels with 2 MiB and 1 GiB pages,
 * pass-through, context cache and IOTLB, invalidation by register and by queue, fault recording
 * with its event, interrupt remapping with x2APIC destinations, posted interrupts.
 * Not modelled: scalable mode (PASIDs, first-level tables), device IOTLBs (ATS), page requests,
 * protected memory regions, advanced fault log, DMA writes of a device to the interrupt addresses.
 */
#ifndef IOMMU_VTD_H
#define IOMMU_VTD_H

#include "core/bus.h"
#include "core/clock.h"
#include "core/dev.h"
#include "core/dma.h"
#include "core/irq.h"

struct apic_net;
struct ram;
struct trace;
struct vtd;

struct vtd_config {
    struct bus *bus;
    struct clock *clock; /* for the time of trace records */
    struct ram *ram;
    struct apic_net *net;
    struct trace *trace; /* may be NULL */
    unsigned phys_bits;  /* width of machine addresses */
};

struct vtd *vtd_new(const struct vtd_config *cfg); /* NULL: no memory, or its range is taken */
struct dev *vtd_dev(struct vtd *v);
const struct dma_filter *vtd_dma(struct vtd *v);
struct msi_sink vtd_msi(struct vtd *v);

/* ---- looking (debug/) ---- */
/* The n-th register; false when there are no more. */
bool vtd_register(const struct vtd *v, unsigned n, const char **name, const char **help,
                  uint64_t *value);
struct vtd_view { /* a device's context */
    bool present, pass_through;
    uint16_t domain;
    unsigned levels;
    uint64_t table;
};
struct vtd_view vtd_view(const struct vtd *v, uint16_t rid);
/* Machine address for a requester, without caches, faults or other effects; false: blocked. */
bool vtd_peek(const struct vtd *v, uint16_t rid, iova_t at, bool to_write, hpa_t *to);

#endif
