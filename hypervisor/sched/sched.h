/*
 * Which VP runs on an LP, what is delivered to it at entry, and the timers behind both.
 */
#ifndef HYPERVISOR_SCHED_H
#define HYPERVISOR_SCHED_H

#include "hypervisor/core/hv_core.h"

/* Shortest period of a virtual timer: a guest must not fill its LP with expiries. */
#define HV_MIN_PERIOD_HZ 10000u

struct hv_vp *hv_sched_pick(struct hv_lp *lp);
struct hv_lp *hv_sched_place(void); /* LP for a new child VP */
void hv_vp_load(struct hv_lp *lp, struct hv_vp *vp);
bool hv_vp_prepare(struct hv_lp *lp, struct hv_vp *vp); /* false: pick again */

void hv_timer_init(void);               /* finds the TSC frequency */
void hv_timer_update(struct hv_vp *vp); /* after one of the VP's deadlines changed */
void hv_timer_program(struct hv_lp *lp);
void hv_timer_expire(struct hv_lp *lp);

uint64_t hv_ref_time(const struct hv_partition *p);
uint64_t hv_ref_to_tsc(const struct hv_partition *p, uint64_t ref); /* host TSC */
uint64_t hv_ref_scale(void);

void hv_lp_end_level(struct hv_lp *lp, uint32_t vector);

#endif
