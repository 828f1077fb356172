/*
 * vid/vid.h: the virtualization infrastructure driver: a partition's memory, its VPs' registers,
 * and the way of intercept messages to the worker threads.
 */
#ifndef RT_VID_H
#define RT_VID_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/hv.h"

#define VID_MAX_VPS  8u
#define VID_MAX_REGS 64u

struct part;
struct proc;

void vid_init(void);
void vid_interrupt(void *arg); /* SINT0: intercept messages */

/* All return 0 or a negative error, hypercall failures as -(RT_EHV + status). */
int64_t vid_create(struct proc *owner, const char *name, uint64_t vps, struct part **out);
void vid_destroy(struct part *p);
int64_t vid_memory(struct part *p, uint64_t gpa, uint64_t bytes);
/* Physical address of guest memory, contiguous for *got bytes, at most `want`; 0: no RAM. */
uint64_t vid_gpa_to_pa(const struct part *p, uint64_t gpa, uint64_t want, uint64_t *got);
int64_t vid_reference_time(const struct part *p); /* 100 ns since the partition's start */
int64_t vid_vp_create(struct part *p, uint64_t vp, uint64_t *run_va);
int64_t vid_vp_regs(struct part *p, uint64_t vp, struct hv_reg_assoc *list, unsigned count,
                    bool get);
int64_t vid_vp_run(struct part *p, uint64_t vp);
int64_t vid_translate(struct part *p, uint64_t vp, uint64_t gva, uint64_t flags);
int64_t vid_assert(struct part *p, uint64_t control, uint64_t destination, uint32_t vector);

#endif
