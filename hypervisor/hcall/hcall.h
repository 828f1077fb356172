/*
 * Hypercalls (TLFS 3). hypercalls.def lists them; each handler gets its input block in the
 * hypervisor's own memory, so that a guest can't change it under way.
 */
#ifndef HYPERVISOR_HCALL_H
#define HYPERVISOR_HCALL_H

#include "hypervisor/core/hv_core.h"

struct hv_hcall {
    struct hv_vp *vp; /* caller */
    struct hv_partition *caller;
    const void *in;      /* header */
    const uint8_t *list; /* rep list, or what follows the header */
    void *out;           /* output block or list, NULL when the call has none */
    uint32_t reps;       /* rep count */
    uint32_t done;       /* rep start on entry, elements completed on return */
    uint32_t varhead;    /* bytes of variable header */
};

void hv_hypercall(struct hv_vp *vp); /* exit handler of VMCALL */

#define HV_CALL(code, name, kind, privilege, in_size, in_elem, out_size, out_elem) \
    uint32_t hv_call_##name(struct hv_hcall *c);
#include "hypervisor/hcall/hypercalls.def"
#undef HV_CALL

/* Partition argument: HV_PARTITION_ID_SELF, the caller, or a child when the caller is the root.
 * Returns a status. */
uint32_t hv_arg_partition(struct hv_hcall *c, uint64_t id, struct hv_partition **p);
uint32_t hv_arg_child(struct hv_hcall *c, uint64_t id, struct hv_partition **p); /* not self */
uint32_t hv_arg_vp(struct hv_hcall *c, uint64_t id, uint32_t index, struct hv_vp **vp);

bool hv_reg_get(struct hv_vp *vp, uint32_t name, union hv_reg_value *v);
uint32_t hv_reg_set(struct hv_vp *vp, uint32_t name, const union hv_reg_value *v);

#endif
