/*
 * The decoded VMCS: one struct member per row of abi/vmcs.def, what VMREAD, VMWRITE, VM entries and
 * VM exits work on (engine.md F.2). The 4 KiB region in memory is read on VMPTRLD and written on
 * VMCLEAR, on VMPTRLD of another region and on VMXOFF; its layout is ours (SDM 3C 25.2 leaves it
 * to the processor).
 *
 * Every VMWRITE that changes a value marks the groups of entry checks that read the field; VM entry
 * runs only the checks of marked groups. What a VM exit saves was legal when it ran, so exits mark
 * nothing.
 */
#ifndef CPU_VMX_VMCS_H
#define CPU_VMX_VMCS_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/vmx.h"

#define VMCS_TYPE_U16 uint16_t
#define VMCS_TYPE_U32 uint32_t
#define VMCS_TYPE_U64 uint64_t
#define VMCS_TYPE_NAT uint64_t

struct vmcs {
#define VMCS_FIELD(member, name, enc, width, access, group, help) VMCS_TYPE_##width member;
#include "abi/vmcs.def"
#undef VMCS_FIELD
};

/* Groups of entry checks, in the order in which they run */
enum vmx_check_group {
    VMX_CG_EXEC = 1 << 0,  /* execution controls */
    VMX_CG_EXIT = 1 << 1,  /* exit controls */
    VMX_CG_ENTRY = 1 << 2, /* entry controls and event injection */
    VMX_CG_HOST = 1 << 3,
    VMX_CG_GREG = 1 << 4, /* guest control registers, debug registers, MSRs */
    VMX_CG_GSEG = 1 << 5, /* guest segments and descriptor tables */
    VMX_CG_GRIP = 1 << 6, /* guest RIP and RFLAGS */
    VMX_CG_GNON = 1 << 7, /* guest non-register state and PDPTEs */
};
#define VMX_CG_CONTROLS (VMX_CG_EXEC | VMX_CG_EXIT | VMX_CG_ENTRY)
#define VMX_CG_GUEST (VMX_CG_GREG | VMX_CG_GSEG | VMX_CG_GRIP | VMX_CG_GNON)
#define VMX_CG_ALL 0xffu

enum vmcs_field_group {
    VMCS_GROUP_CTL_EXEC,
    VMCS_GROUP_CTL_EXIT,
    VMCS_GROUP_CTL_ENTRY,
    VMCS_GROUP_INFO,
    VMCS_GROUP_GSEG,
    VMCS_GROUP_GREG,
    VMCS_GROUP_GNON,
    VMCS_GROUP_HOST,
};

struct vmcs_field_info {
    const char *name; /* member name */
    const char *help;
    uint16_t encoding;
    uint16_t offset;   /* in struct vmcs */
    uint8_t size;      /* 2, 4, 8 */
    bool natural;
    bool read_only;
    uint8_t group;     /* enum vmcs_field_group */
};
extern const struct vmcs_field_info vmcs_fields[];
extern const unsigned vmcs_field_count;

/* Row of an encoding (the high half of a 64-bit field has its row too) or NULL. */
const struct vmcs_field_info *vmcs_find(uint64_t encoding);
/* VMX_CG_* whose checks read the field. */
unsigned vmcs_dirties(const struct vmcs_field_info *f);
uint64_t vmcs_get(const struct vmcs *v, const struct vmcs_field_info *f);
void vmcs_set(struct vmcs *v, const struct vmcs_field_info *f, uint64_t value);
/* What VMREAD gives for a field's value; the encoding may name its high half. */
uint64_t vmcs_part(uint64_t encoding, uint64_t value);
/* The field's value after a VMWRITE of `size` (4 or 8) bytes over `old`. */
uint64_t vmcs_merge(const struct vmcs_field_info *f, uint64_t encoding, uint64_t old,
                    uint64_t value, unsigned size);

/* Region image: revision (with the shadow bit), abort indicator, launch state, fields. */
#define VMCS_REGION_SIZE 4096
#define VMCS_REVISION 0x00565401u
#define VMCS_SHADOW_INDICATOR (1u << 31) /* of the revision */
#define VMCS_IMAGE_LAUNCHED 8
#define VMCS_IMAGE_FIELDS 16
unsigned vmcs_image_offset(const struct vmcs_field_info *f);
void vmcs_decode(struct vmcs *v, const uint8_t *region);
void vmcs_encode(const struct vmcs *v, uint8_t *region);

/* What entry checks need to know besides the VMCS. */
struct vmx_env {
    uint64_t phys_mask; /* bits of a physical address that exist */
    uint64_t cr0_fixed0, cr0_fixed1, cr4_fixed0, cr4_fixed1;
    uint64_t efer_valid; /* bits of IA32_EFER that exist */
    uint64_t current;    /* address of the current VMCS */
    bool lma;            /* IA-32e mode at the time of entry */
    uint64_t perf_global_valid; /* bits of IA32_PERF_GLOBAL_CTRL that exist */
    /* controls whose feature the processor lacks */
    uint32_t proc2_off, exit_off, entry_off;
    bool la57;           /* the processor has 57-bit linear addresses */
    bool (*read32)(void *opaque, uint64_t pa, uint32_t *value);
    void *opaque;
};

struct vmx_check_info {
    const char *id;
    const char *sdm;  /* section */
    const char *rule; /* in the manual's words, shortened */
    uint8_t group;    /* one VMX_CG_* bit */
    uint8_t qual;     /* exit qualification of guest-state rules */
};

enum vmx_check {
    VMX_CHECK_NONE,
#define VMX_CHECK(name, group, sdm, qual, ok, rule) VMX_CHECK_##name,
#include "cpu/vmx/checks.def"
#undef VMX_CHECK
    VMX_CHECK_COUNT
};
#define VMX_CHECK_WORDS ((VMX_CHECK_COUNT + 63) / 64)
extern const struct vmx_check_info vmx_checks[VMX_CHECK_COUNT];

/* First failing rule of the groups, in the manual's order, or VMX_CHECK_NONE. */
enum vmx_check vmx_check_run(const struct vmcs *v, const struct vmx_env *e, unsigned groups);
/* All failing rules as a bit set; for the debugger and tests. Returns their number. */
unsigned vmx_check_all(const struct vmcs *v, const struct vmx_env *e,
                       uint64_t failing[VMX_CHECK_WORDS]);

#endif
