/*
 * abi/vitrine_info.h: the description of its partitions that the hypervisor publishes in memory.
 *
 * Read-only for whoever looks (the machine's debugger and tracer): find it by the ELF symbol
 * hv_vitrine_info or by scanning memory for the magic on 16-byte boundaries. Fixed-size tables and
 * physical addresses only, so that a reader needs no page tables. Readers check version first.
 */
#ifndef ABI_VITRINE_INFO_H
#define ABI_VITRINE_INFO_H

#include <stdint.h>

#define VITRINE_INFO_MAGIC      "VITRINE1"
#define VITRINE_INFO_VERSION    1u
#define VITRINE_INFO_PARTITIONS 16u
#define VITRINE_INFO_VPS        8u

/* What the root partition writes to the machine's debug-exit port before it powers off, when a VM
 * did not end well; zero is never written. */
#define VITRINE_EXIT_FAILED  1u /* it said so itself */
#define VITRINE_EXIT_ERROR   2u /* it could not start, or its worker gave up */
#define VITRINE_EXIT_CRASHED 4u /* triple fault */

enum vitrine_vp_state {
    VITRINE_VP_ABSENT,
    VITRINE_VP_READY,     /* wants an LP */
    VITRINE_VP_RUNNING,   /* on an LP */
    VITRINE_VP_HALTED,    /* HLT, waits for an interrupt */
    VITRINE_VP_SUSPENDED, /* explicit or intercept suspend */
    VITRINE_VP_WAIT_SIPI,
};

struct vitrine_vp {
    uint32_t index;
    uint32_t state; /* enum vitrine_vp_state */
    uint64_t vmcs_hpa;
    uint64_t ept_root_hpa;
    uint64_t rsvd;
};

struct vitrine_partition {
    uint64_t id;   /* 0: unused row */
    char name[32]; /* NUL-terminated */
    uint32_t vp_count;
    uint32_t rsvd;
    struct vitrine_vp vp[VITRINE_INFO_VPS];
};

struct vitrine_info {
    char magic[8]; /* VITRINE_INFO_MAGIC, not terminated */
    uint32_t version;
    uint32_t partition_count; /* rows in use; rows may have gaps */
    struct vitrine_partition partition[VITRINE_INFO_PARTITIONS];
};

_Static_assert(sizeof(struct vitrine_vp) == 32, "vitrine_vp");
_Static_assert(sizeof(struct vitrine_partition) == 48 + 32 * VITRINE_INFO_VPS, "partition");

#endif
