/*
 * Intercept messages to the parent (TLFS 9.4, 11.8): the VP is suspended until the parent clears
 * InterceptSuspend.
 */
#ifndef HYPERVISOR_ICEPT_H
#define HYPERVISOR_ICEPT_H

#include "hypervisor/core/hv_core.h"

void hv_icept_io(struct hv_vp *vp);
void hv_icept_gpa(struct hv_vp *vp, uint64_t gpa, uint64_t qual, uint32_t type);
void hv_icept_msr(struct hv_vp *vp, uint32_t access);
void hv_icept_cpuid(struct hv_vp *vp, const struct hv_cpuid *r);
void hv_icept_exception(struct hv_vp *vp, uint32_t info);
void hv_icept_plain(struct hv_vp *vp, uint32_t type); /* header only */
void hv_icept_eoi(struct hv_vp *vp, uint32_t vector); /* does not suspend */

#endif
