/*
 * iommu/qi.c: the invalidation queue (VT-d 6.5.2). Descriptors of 128 bits; each is done when its
 * tail is written. A wrong one stops the queue at itself until software clears FSTS.IQE.
 */
#include "iommu/vtd_int.h"

#include "core/trace.h"
#include "lib/log.h"

#define DESCRIPTOR 16u

static bool wait(struct vtd *v, const uint64_t d[2])
{
    if (d[0] & VTD_QI_WAIT_SW) {
        const uint32_t status = (uint32_t)(d[0] >> 32);
        if (!ram_write(v->cfg.ram, hpa(d[1] & ~3ull), &status, sizeof status))
            return false;
    }
    if ((d[0] & VTD_QI_WAIT_IF) && !(vtd_get32(v, VTD_ICS) & VTD_ICS_IWC)) {
        vtd_set32(v, VTD_ICS, VTD_ICS_IWC);
        vtd_event(v, VTD_IECTL);
    }
    return true;
}

/* False: invalid descriptor. */
static bool execute(struct vtd *v, const uint64_t d[2])
{
    const unsigned granularity = d[0] >> VTD_QI_GRANULARITY & 3;
    const uint16_t domain = (uint16_t)(d[0] >> 16);
    if (trace_on(v->cfg.trace, TP_iommu_invalidate))
        trace_emit(v->cfg.trace, TP_iommu_invalidate, 0, 0, clock_now(v->cfg.clock), d[0], d[1], 0,
                   0, 0, 0);
    switch (d[0] & 15) {
    case VTD_QI_CONTEXT:
        vtd_drop_contexts(v, granularity, domain, (uint16_t)(d[0] >> 32), d[0] >> 48 & 3);
        return granularity != 0;
    case VTD_QI_IOTLB:
        vtd_drop_pages(v, granularity, domain, d[1] & VTD_ADDRESS, d[1] & VTD_QI_AM);
        return granularity != 0 &&
               (granularity != VTD_INV_NARROW || (d[1] & VTD_QI_AM) <= VTD_MAMV);
    case VTD_QI_IEC: /* entries are read at each interrupt */
        return true;
    case VTD_QI_WAIT:
        return wait(v, d);
    default:
        return false;
    }
}

void vtd_run_queue(struct vtd *v)
{
    const uint64_t iqa = vtd_get64(v, VTD_IQA);
    const uint64_t size = 4096ull << (iqa & VTD_IQA_QS);
    while ((vtd_get32(v, VTD_GSTS) & VTD_G_QIE) && !(vtd_get32(v, VTD_FSTS) & VTD_FSTS_IQE)) {
        const uint64_t head = vtd_get64(v, VTD_IQH), tail = vtd_get64(v, VTD_IQT);
        uint64_t d[2];
        if (head == tail)
            return;
        if (tail >= size || !ram_read(v->cfg.ram, hpa((iqa & VTD_ADDRESS) + head), d, sizeof d) ||
            !execute(v, d)) {
            LOG_GUEST("vtd", "invalidation queue: bad descriptor at 0x%llx",
                      (unsigned long long)head);
            vtd_raise_status(v, VTD_FSTS_IQE);
            return;
        }
        vtd_set64(v, VTD_IQH, (head + DESCRIPTOR) % size);
    }
}
