/*
 * iommu/ir.c: interrupt remapping and posting (VT-d 5, 9.9 to 9.11). Entries are read from memory
 * at each interrupt: there is no entry cache, so an invalidation of it has nothing to do.
 */
#include "iommu/vtd_int.h"

#include <string.h>

#include "abi/lapic.h"
#include "abi/pci.h"
#include "core/trace.h"

struct irte {
    uint64_t lo, hi;
};

/* Is the requester the one that the entry names (SVT, SQ, SID)? */
static enum vtd_fault check_source(const struct irte *e, uint16_t rid)
{
    static const uint16_t compared[] = {0xffff, 0xfffb, 0xfff9, 0xfff8};
    const uint16_t sid = (uint16_t)e->hi;
    switch (e->hi >> VTD_IRTE_SVT_SHIFT & 3) {
    case 0:
        return 0;
    case 1:
        return (rid ^ sid) & compared[e->hi >> VTD_IRTE_SQ_SHIFT & 3] ? VTD_F_IR_SOURCE : 0;
    case 2: /* buses SID[15:8] to SID[7:0] */
        return rid >> 8 < sid >> 8 || rid >> 8 > (sid & 0xff) ? VTD_F_IR_SOURCE : 0;
    default:
        return VTD_F_IR_RESERVED;
    }
}

static bool has_reserved(const struct vtd *v, const struct irte *e)
{
    if (e->lo & VTD_IRTE_POSTED)
        return (e->lo & 0x3fff0030fcull) || (e->hi & 0xfff00000);
    const unsigned delivery = e->lo >> VTD_IRTE_DLM_SHIFT & 7;
    const bool x2apic = v->irta & VTD_IRTA_EIME;
    return (e->lo & 0xff007000ull) || e->hi >> 20 || delivery == 3 || delivery == 6 ||
           (!x2apic && (e->lo & 0xffff00ff00000000ull));
}

static uint32_t destination(const struct vtd *v, uint32_t field)
{
    return v->irta & VTD_IRTA_EIME ? field : field >> 8 & 0xff;
}

/* Sets the vector in the descriptor's requests, and notifies unless that is pending or suppressed;
 * false: no such memory. */
static bool post(struct vtd *v, const struct irte *e)
{
    const uint64_t at = (e->hi & 0xffffffff00000000ull) | (e->lo >> 38 << 6 & 0xffffffc0);
    const uint8_t vector = (uint8_t)(e->lo >> VTD_IRTE_V_SHIFT);
    uint8_t d[64];
    if (!ram_read(v->cfg.ram, hpa(at), d, sizeof d))
        return false;
    uint32_t ndst;
    memcpy(&ndst, d + VTD_PID_NDST, sizeof ndst);
    d[vector / 8] |= (uint8_t)(1u << vector % 8);
    const uint8_t control = d[VTD_PID_CONTROL];
    const bool notify = !(control & VTD_PID_ON) &&
                        ((e->lo & VTD_IRTE_URG) || !(control & VTD_PID_SN));
    if (notify)
        d[VTD_PID_CONTROL] |= VTD_PID_ON;
    if (!ram_write(v->cfg.ram, hpa(at), d, sizeof d))
        return false;
    if (notify) {
        const struct apic_message m = {.dest = destination(v, ndst),
                                       .vector = d[VTD_PID_NV],
                                       .delivery = LAPIC_DM_FIXED,
                                       .assert = true,
                                       .x2apic_dest = v->irta & VTD_IRTA_EIME};
        apic_net_send(v->cfg.net, &m);
    }
    return true;
}

static void deliver(struct vtd *v, const struct irte *e)
{
    const struct apic_message m = {
        .dest = destination(v, (uint32_t)(e->lo >> 32)),
        .vector = (uint8_t)(e->lo >> VTD_IRTE_V_SHIFT),
        .delivery = e->lo >> VTD_IRTE_DLM_SHIFT & 7,
        .logical = e->lo & VTD_IRTE_LOGICAL,
        .level = e->lo & VTD_IRTE_LEVEL,
        .assert = true,
        .x2apic_dest = v->irta & VTD_IRTA_EIME,
    };
    apic_net_send(v->cfg.net, &m);
}

static enum vtd_fault remap(struct vtd *v, uint16_t rid, uint32_t index, struct irte *e)
{
    if (index >= 2u << (v->irta & VTD_IRTA_S))
        return VTD_F_IR_INDEX;
    if (!ram_read(v->cfg.ram, hpa((v->irta & VTD_ADDRESS) + 16ull * index), e, sizeof *e))
        return VTD_F_IR_TABLE;
    if (!(e->lo & VTD_IRTE_P))
        return VTD_F_IR_NOT_PRESENT;
    if (has_reserved(v, e))
        return VTD_F_IR_RESERVED;
    const enum vtd_fault reason = check_source(e, rid);
    if (reason)
        return reason;
    if (trace_on(v->cfg.trace, TP_iommu_interrupt))
        trace_emit(v->cfg.trace, TP_iommu_interrupt, 0, 0, clock_now(v->cfg.clock), rid, index,
                   e->lo, e->hi, 0, 0);
    if (e->lo & VTD_IRTE_POSTED)
        return post(v, e) ? 0 : VTD_F_IR_TABLE;
    deliver(v, e);
    return 0;
}

void vtd_remap(void *vtd, uint16_t rid, uint64_t address, uint32_t data)
{
    struct vtd *const v = vtd;
    const uint32_t status = vtd_get32(v, VTD_GSTS);
    uint32_t index = (uint32_t)(address >> VTD_MSI_INDEX_SHIFT & 0x7fff) |
                     (address & VTD_MSI_INDEX_15 ? 0x8000 : 0);
    if (!(status & VTD_G_IRE) || !(address & VTD_MSI_REMAPPABLE)) {
        const bool blocked = (status & VTD_G_IRE) &&
                             (!(status & VTD_G_CFI) || (v->irta & VTD_IRTA_EIME));
        if (blocked) {
            vtd_block_interrupt(v, rid, VTD_F_IR_COMPATIBILITY, 0, false);
        } else {
            const struct msi_sink s = apic_net_msi(v->cfg.net);
            msi_send(&s, address, data);
        }
        return;
    }
    if (address & VTD_MSI_SHV) {
        index += data & 0xffff;
        if (data >> 16) {
            vtd_block_interrupt(v, rid, VTD_F_IR_REQUEST_RESERVED, index, false);
            return;
        }
    }
    struct irte e = {0, 0};
    const enum vtd_fault reason = remap(v, rid, index, &e);
    if (reason)
        vtd_block_interrupt(v, rid, reason, index, e.lo & VTD_IRTE_FPD);
}
