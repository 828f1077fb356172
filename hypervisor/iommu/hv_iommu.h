/*
 * Device memory protection by VT-d (3.3): what a device may reach by DMA. Without a remapping unit
 * nothing here does anything, and the root is trusted with its devices.
 *
 * All devices belong to the root's domain: the identity over all RAM, less what the root does not
 * own: the hypervisor's memory and deposited pages. So a device can be told to touch neither.
 */
#ifndef HYPERVISOR_IOMMU_H
#define HYPERVISOR_IOMMU_H

#include <stdbool.h>
#include <stdint.h>

void hv_iommu_init(void); /* finds the units, hides them from the root, switches them on */
/* Pages that leave or join the root's domain. After some have left: hv_iommu_flush, before they are
 * used for something else. */
void hv_iommu_revoke(uint64_t hpa);
void hv_iommu_grant(uint64_t hpa);
void hv_iommu_flush(void);
void hv_iommu_fault(void); /* the vector came: log and clear the records */

#endif
