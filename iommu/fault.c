/*
 * iommu/fault.c: primary fault recording and the two events (VT-d 7.2, 7.3, 6.5.2.8). A fault that
 * finds its record in use sets the overflow bit and is lost.
 */
#include "iommu/vtd_int.h"

#include "abi/pci.h"
#include "core/trace.h"
#include "lib/log.h"

#define CONDITIONS (VTD_FSTS_PFO | VTD_FSTS_PPF | VTD_FSTS_IQE)

/* ---- events: registers control, data, address, upper address in a row ---- */

static void send(struct vtd *v, unsigned control)
{
    const uint32_t data = vtd_get32(v, control + 4), address = vtd_get32(v, control + 8);
    const bool x2apic = v->irta & VTD_IRTA_EIME;
    const struct apic_message m = {
        .dest = (address >> MSI_ADDR_DEST_SHIFT & 0xff) |
                (x2apic ? vtd_get32(v, control + 12) & 0xffffff00 : 0),
        .vector = data & MSI_DATA_VECTOR,
        .delivery = data >> MSI_DATA_DELIVERY_SHIFT & 7,
        .logical = address & MSI_ADDR_LOGICAL,
        .assert = true,
        .x2apic_dest = x2apic,
    };
    apic_net_send(v->cfg.net, &m);
}

void vtd_event(struct vtd *v, unsigned control)
{
    if (vtd_get32(v, control) & VTD_EVENT_MASKED)
        v->reg[control / 4] |= VTD_EVENT_PENDING;
    else
        send(v, control);
}

void vtd_event_unmasked(struct vtd *v, unsigned control)
{
    uint32_t *const r = &v->reg[control / 4];
    if (!(*r & VTD_EVENT_MASKED) && (*r & VTD_EVENT_PENDING)) {
        *r &= ~VTD_EVENT_PENDING;
        send(v, control);
    }
}

/* ---- fault status ---- */

void vtd_raise_status(struct vtd *v, uint32_t bits)
{
    const uint32_t old = vtd_get32(v, VTD_FSTS);
    vtd_set32(v, VTD_FSTS, old | bits);
    if (!(old & CONDITIONS))
        vtd_event(v, VTD_FECTL);
}

static unsigned record_at(unsigned n)
{
    return VTD_FRCD + 16 * n;
}

static bool is_used(const struct vtd *v, unsigned n)
{
    return vtd_get64(v, record_at(n) + 8) & VTD_FRCD_F;
}

void vtd_faults_changed(struct vtd *v)
{
    uint32_t status = vtd_get32(v, VTD_FSTS) & ~(VTD_FSTS_PPF | VTD_FSTS_FRI);
    for (unsigned n = 0; n < VTD_RECORDS; n++) { /* the oldest first */
        const unsigned at = (v->next_record + n) % VTD_RECORDS;
        if (is_used(v, at)) {
            status |= VTD_FSTS_PPF | at << VTD_FSTS_FRI_SHIFT;
            break;
        }
    }
    vtd_set32(v, VTD_FSTS, status);
    if (!(status & CONDITIONS))
        v->reg[VTD_FECTL / 4] &= ~VTD_EVENT_PENDING;
}

/* ---- recording ---- */

static void trace(const struct vtd *v, uint16_t rid, enum vtd_fault reason, uint64_t low, bool read)
{
    if (trace_on(v->cfg.trace, TP_iommu_fault))
        trace_emit(v->cfg.trace, TP_iommu_fault, 0, 0, clock_now(v->cfg.clock), rid, reason, low,
                   !read, 0, 0);
}

static void record(struct vtd *v, uint16_t rid, enum vtd_fault reason, uint64_t low, bool read)
{
    const unsigned n = v->next_record, at = record_at(n);
    if (vtd_get32(v, VTD_FSTS) & VTD_FSTS_PFO)
        return;
    if (is_used(v, n)) {
        vtd_raise_status(v, VTD_FSTS_PFO);
        return;
    }
    vtd_set64(v, at, low);
    vtd_set64(v, at + 8,
              VTD_FRCD_F | (read ? VTD_FRCD_READ : 0) | (uint64_t)reason << VTD_FRCD_REASON_SHIFT |
                  rid);
    v->next_record = (uint8_t)((n + 1) % VTD_RECORDS);
    uint32_t bits = VTD_FSTS_PPF;
    if (!(vtd_get32(v, VTD_FSTS) & VTD_FSTS_PPF))
        bits |= n << VTD_FSTS_FRI_SHIFT;
    vtd_raise_status(v, bits);
}

void vtd_block_access(struct vtd *v, uint16_t rid, enum vtd_fault reason, uint64_t where,
                      bool to_write, bool quiet)
{
    LOG_GUEST("vtd", "DMA %s of %02x:%02x.%x at 0x%llx blocked: reason %02xh",
              to_write ? "write" : "read", rid >> 8, rid >> 3 & 31, rid & 7,
              (unsigned long long)where, reason);
    trace(v, rid, reason, where & VTD_ADDRESS, !to_write);
    if (!quiet)
        record(v, rid, reason, where & VTD_ADDRESS, !to_write);
}

void vtd_block_interrupt(struct vtd *v, uint16_t rid, enum vtd_fault reason, uint32_t index,
                         bool quiet)
{
    const uint64_t low = (uint64_t)index << VTD_FRCD_INDEX_SHIFT;
    LOG_GUEST("vtd", "interrupt of %02x:%02x.%x, index %u, blocked: reason %02xh", rid >> 8,
              rid >> 3 & 31, rid & 7, index, reason);
    trace(v, rid, reason, low, false);
    if (!quiet)
        record(v, rid, reason, low, false);
}
