/*
 * VMCS shadowing (SDM 3C 25.10, 31.3 VMREAD and VMWRITE): in non-root operation, VMREAD and VMWRITE
 * of the fields that the bitmaps leave alone work on the VMCS that the link pointer names.
 *
 * That VMCS is never current while its guest runs, so it is used in memory, where VMCLEAR has put
 * it. Facts: a hypervisor in a guest accesses some 20 fields for each exit of its own guests.
 */
#include "cpu/mem.h"
#include "cpu/vmx/vmx_int.h"

#define FIELD_BITS 15 /* encodings that the bitmaps have */

bool vmx_shadowed(const struct cpu *c, uint64_t enc, bool write)
{
    const struct vmx *x = c->vmx;
    if (!c->non_root || !(x->proc2 & VMX_PROC2_SHADOW_VMCS) || enc >> FIELD_BITS)
        return false;
    const uint64_t map = write ? x->vmcs.vmwrite_bitmap : x->vmcs.vmread_bitmap;
    return !(vmx_phys_ld(c, map + (enc >> 3), 1) >> (enc & 7) & 1);
}

/* Address of a field of the linked VMCS, after what both instructions check; 0: it has failed. */
static uint64_t find(struct cpu *c, const struct vmcs_field_info *f)
{
    const uint64_t link = c->vmx->vmcs.vmcs_link_ptr;
    if (c->cpl > 0)
        cpu_fault(c, EXC_GP, 0);
    if (link == VMCS_LINK_NONE) {
        vmx_set_flags(c, FL_CF);
        return 0;
    }
    if (!f) {
        c->vmx->vmcs.insn_error = VMX_ERR_UNSUPPORTED_FIELD; /* of the current VMCS */
        vmx_set_flags(c, FL_ZF);
        return 0;
    }
    return link + vmcs_image_offset(f);
}

bool vmx_shadow_read(struct cpu *c, uint64_t enc, uint64_t *value)
{
    const struct vmcs_field_info *f = vmcs_find(enc);
    const uint64_t at = find(c, f);
    if (!at)
        return false;
    *value = vmcs_part(enc, vmx_phys_ld(c, at, 8));
    return true;
}

void vmx_shadow_write(struct cpu *c, uint64_t enc, uint64_t value, unsigned size)
{
    const struct vmcs_field_info *f = vmcs_find(enc);
    const uint64_t at = find(c, f);
    if (!at)
        return;
    vmx_phys_st(c, at, 8, vmcs_merge(f, enc, vmx_phys_ld(c, at, 8), value, size));
    vmx_set_flags(c, 0);
}
