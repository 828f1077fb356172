/*
 * Between the two files of iommu/: remapping units and the domain they use.
 */
#ifndef HYPERVISOR_IOMMU_UNIT_H
#define HYPERVISOR_IOMMU_UNIT_H

#include "hypervisor/iommu/hv_iommu.h"

/* domain.c */
/* Root table and second-level tables of `levels` levels (3 or 4; large: 2 MiB pages), physical. */
uint64_t hv_domain_build(unsigned levels, bool large);

#endif
