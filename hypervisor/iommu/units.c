/*
 * Remapping units: found in the DMAR table (VT-d 8), which the root does not get to see; their
 * registers (VT-d 10.4), invalidation by them, fault records.
 *
 * Not modelled: reserved regions (RMRR) of firmware, interrupt remapping, queued invalidation: with
 * pages revoked by the batch, one global command each time is enough.
 */
#include "abi/vtd.h"
#include "hypervisor/apic/hv_apic.h"
#include "hypervisor/boot/boot.h"
#include "hypervisor/iommu/unit.h"
#include "hypervisor/mm/mm.h"

#define MAX_UNITS   4u
#define DRHD_OFFSET 48u /* of the first structure in a DMAR table */
#define DRHD        0u
#define MSI_BASE    0xfee00000u

static uint64_t units[MAX_UNITS]; /* registers, physical */
static unsigned unit_count;

static volatile uint32_t *reg32(uint64_t unit, unsigned at)
{
    return (volatile uint32_t *)hv_va(unit + at);
}

static uint64_t read64(uint64_t unit, unsigned at)
{
    return *reg32(unit, at) | (uint64_t)*reg32(unit, at + 4) << 32;
}

static void write64(uint64_t unit, unsigned at, uint64_t v)
{
    *reg32(unit, at) = (uint32_t)v;
    *reg32(unit, at + 4) = (uint32_t)(v >> 32);
}

/* One of the commands that stay on; the one-shot ones must not be written again (VT-d 10.4.4). */
static void command(uint64_t unit, uint32_t bit)
{
    const uint32_t stays = VTD_G_TE | VTD_G_QIE | VTD_G_IRE | VTD_G_CFI;
    *reg32(unit, VTD_GCMD) = (*reg32(unit, VTD_GSTS) & stays) | bit;
    while (!(*reg32(unit, VTD_GSTS) & bit))
        hv_pause();
}

static void flush_unit(uint64_t unit)
{
    const unsigned iotlb = (unsigned)(read64(unit, VTD_ECAP) >> 8 & 0x3ff) * 16 + 8;
    write64(unit, VTD_CCMD, (uint64_t)(VTD_CCMD_ICC | VTD_INV_GLOBAL << VTD_CCMD_CIRG_SHIFT) << 32);
    while (*reg32(unit, VTD_CCMD + 4) & VTD_CCMD_ICC)
        hv_pause();
    write64(unit, iotlb, (uint64_t)(VTD_IOTLB_IVT | VTD_INV_GLOBAL << VTD_IOTLB_IIRG_SHIFT) << 32);
    while (*reg32(unit, iotlb + 4) & VTD_IOTLB_IVT)
        hv_pause();
}

void hv_iommu_flush(void)
{
    for (unsigned i = 0; i < unit_count; i++)
        flush_unit(units[i]);
}

static void find_units(void)
{
    uint8_t *dmar = hv_acpi_find("DMAR");
    uint32_t length = 0;
    if (!dmar)
        return;
    memcpy(&length, dmar + 4, 4);
    for (uint32_t at = DRHD_OFFSET; at + 16 <= length;) {
        uint16_t type, size;
        memcpy(&type, dmar + at, 2);
        memcpy(&size, dmar + at + 2, 2);
        if (size < 4)
            break;
        if (type == DRHD && unit_count < MAX_UNITS) {
            memcpy(&units[unit_count], dmar + at + 8, 8);
            if (units[unit_count] < 1ull << 32) /* within the hypervisor's map */
                unit_count++;
        }
        at += size;
    }
    /* the root must take the table for none of its business */
    memcpy(dmar, "XMAR", 4);
    uint8_t sum = 0;
    dmar[9] = 0;
    for (uint32_t i = 0; i < length; i++)
        sum = (uint8_t)(sum + dmar[i]);
    dmar[9] = (uint8_t)-sum;
}

static void set_fault_event(uint64_t unit)
{
    *reg32(unit, VTD_FEDATA) = HV_VECTOR_IOMMU;
    *reg32(unit, VTD_FEADDR) = MSI_BASE | hv_lps[0].apic_id << 12;
    *reg32(unit, VTD_FEUADDR) = 0;
    *reg32(unit, VTD_FECTL) = 0;
}

void hv_iommu_init(void)
{
    find_units();
    if (!unit_count)
        return;
    uint64_t cap = ~0ull;
    for (unsigned i = 0; i < unit_count; i++)
        cap &= read64(units[i], VTD_CAP);
    const unsigned levels = cap & VTD_CAP_SAGAW(2) ? 4 : cap & VTD_CAP_SAGAW(1) ? 3 : 0;
    if (!levels) {
        hv_log(HV_LOG_WARN, "VT-d: tables of no common depth: left off");
        unit_count = 0;
        return;
    }
    const uint64_t roots = hv_domain_build(levels, cap & VTD_CAP_SLLPS_2M);
    for (unsigned i = 0; i < unit_count; i++) {
        hv_reserve(units[i], HV_PAGE);
        write64(units[i], VTD_RTADDR, roots);
        command(units[i], VTD_G_RTP);
        flush_unit(units[i]);
        set_fault_event(units[i]);
        command(units[i], VTD_G_TE);
    }
    hv_log(HV_LOG_INFO, "VT-d: %u unit(s), devices confined to the root's memory", unit_count);
}

static void report(uint64_t unit, unsigned at)
{
    const uint64_t low = read64(unit, at), high = read64(unit, at + 8);
    const unsigned source = (unsigned)high & 0xffff;
    hv_log(HV_LOG_WARN, "VT-d: device %x:%x.%u was refused a %s at %lx (reason %x)", source >> 8,
           source >> 3 & 31, source & 7, high & VTD_FRCD_READ ? "read" : "write", low,
           (unsigned)(high >> VTD_FRCD_REASON_SHIFT & 0xff));
    *reg32(unit, at + 12) = VTD_FRCD_F >> 32;
}

void hv_iommu_fault(void)
{
    for (unsigned i = 0; i < unit_count; i++) {
        const uint64_t cap = read64(units[i], VTD_CAP);
        const unsigned first = (unsigned)(cap >> 24 & 0x3ff) * 16,
                       records = (unsigned)(cap >> 40 & 0xff) + 1;
        for (unsigned k = 0; k < records; k++) {
            if (*reg32(units[i], first + 16 * k + 12) & VTD_FRCD_F >> 32)
                report(units[i], first + 16 * k);
        }
        *reg32(units[i], VTD_FSTS) = VTD_FSTS_PFO;
    }
}
