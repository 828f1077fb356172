/*
 * Life of an LP's VMX state: creation, reset, hash, names for the debugger.
 */
#include "cpu/vmx/vmx.h"

#include <stdlib.h>

#include "core/dev.h"
#include "cpu/vmx/vmx_int.h"

static const struct field vmx_fields[] = {
    FIELD(struct vmx, vmxon_ptr, VMX_NO_VMCS, "VMXON region"),
    FIELD(struct vmx, current, VMX_NO_VMCS, "current VMCS"),
#define VMCS_FIELD(member, NAME, enc, width, access, group, help)                              \
    {#member, offsetof(struct vmx, vmcs.member), sizeof(((struct vmx *)0)->vmcs.member), 1, 0, \
     help},
#include "abi/vmcs.def"
#undef VMCS_FIELD
    FIELD(struct vmx, launched, 0, "launch state of the current VMCS"),
    FIELD(struct vmx, shadow, 0, "the current VMCS is a shadow VMCS"),
    FIELD(struct vmx, inject, 0, "an event is to be delivered"),
    FIELD(struct vmx, mtf, VMX_MTF_OFF, "monitor trap flag"),
    FIELD(struct vmx, tpr_exit, 0, "VTPR is below the threshold"),
    FIELD(struct vmx, vintr, 0, "a pending virtual interrupt is recognized"),
    FIELD(struct vmx, apic_write, 0, "APIC write to be emulated"),
    FIELD(struct vmx, timer_on, 0, "the preemption timer runs"),
    FIELD(struct vmx, timer_expired, 0, "the preemption timer is 0"),
    FIELD(struct vmx, host_nmi_masked, 0, "blocking by NMI outside"),
    FIELD(struct vmx, inject_ilen, 0, "RIP advance of an injected software event"),
    FIELD(struct vmx, timer_deadline, 0, "preemption-timer deadline"),
    FIELD(struct vmx, mtf_pos, 0, "position at which MTF was armed"),
    FIELD(struct vmx, ple_last, 0, "last PAUSE"),
    FIELD(struct vmx, ple_first, 0, "first PAUSE of the loop"),
    FIELD(struct vmx, idt_info, 0, "event in delivery"),
    FIELD(struct vmx, idt_error, 0, "its error code"),
    FIELD(struct vmx, idt_ilen, 0, "its instruction length"),
    FIELD(struct vmx, proc2, 0, "secondary controls in force"),
    FIELD_END,
};

struct vmx *vmx_new(struct cpu *c)
{
    struct vmx *x = calloc(1, sizeof *x);
    if (!x)
        return NULL;
    (void)c;
    fields_reset(x, vmx_fields);
    x->dirty = VMX_CG_ALL;
    return x;
}

void vmx_free(struct vmx *x)
{
    free(x);
}

void vmx_reset(struct cpu *c)
{
    struct vmx *x = c->vmx;
    if (x->timer_wired)
        vmx_timer_stop(c);
    fields_reset(x, vmx_fields);
    x->dirty = VMX_CG_ALL;
    x->last_check = VMX_CHECK_NONE;
    x->last_error = 0;
    c->vmx_on = c->non_root = false;
    c->attn &= ~(uint32_t)ATTN_VMX;
}

uint64_t vmx_hash(const struct cpu *c, uint64_t seed)
{
    return fields_hash(c->vmx, vmx_fields, seed);
}

bool vmx_peek_vmcs(const struct cpu *c, uint64_t at, struct vmcs *out)
{
    uint8_t image[VMCS_REGION_SIZE];
    if (at == c->vmx->current) {
        *out = c->vmx->vmcs;
        return true;
    }
    if (!ram_read(c->ram, hpa(at), image, sizeof image))
        return false;
    vmcs_decode(out, image);
    return true;
}

const char *vmx_exit_name(uint32_t reason)
{
    static const char *const names[VMX_EXIT_COUNT] = {
#define VMX_EXIT(name, number, text) [number] = text,
#include "abi/vmx_exits.def"
#undef VMX_EXIT
    };
    reason &= VMX_EXIT_BASIC_MASK;
    return reason < VMX_EXIT_COUNT && names[reason] ? names[reason] : "unknown exit reason";
}

const char *vmx_insn_error_text(uint32_t error)
{
    switch (error) {
    case 0:
        return "none";
    case VMX_ERR_VMCALL_IN_ROOT:
        return "VMCALL in VMX root operation";
    case VMX_ERR_VMCLEAR_ADDR:
        return "VMCLEAR with invalid physical address";
    case VMX_ERR_VMCLEAR_VMXON_PTR:
        return "VMCLEAR with VMXON pointer";
    case VMX_ERR_VMLAUNCH_NOT_CLEAR:
        return "VMLAUNCH with non-clear VMCS";
    case VMX_ERR_VMRESUME_NOT_LAUNCHED:
        return "VMRESUME with non-launched VMCS";
    case VMX_ERR_VMRESUME_AFTER_VMXOFF:
        return "VMRESUME after VMXOFF";
    case VMX_ERR_ENTRY_CONTROLS:
        return "VM entry with invalid control fields";
    case VMX_ERR_ENTRY_HOST_STATE:
        return "VM entry with invalid host-state fields";
    case VMX_ERR_VMPTRLD_ADDR:
        return "VMPTRLD with invalid physical address";
    case VMX_ERR_VMPTRLD_VMXON_PTR:
        return "VMPTRLD with VMXON pointer";
    case VMX_ERR_VMPTRLD_REVISION:
        return "VMPTRLD with incorrect VMCS revision identifier";
    case VMX_ERR_UNSUPPORTED_FIELD:
        return "VMREAD or VMWRITE of an unsupported VMCS component";
    case VMX_ERR_VMWRITE_READ_ONLY:
        return "VMWRITE to a read-only VMCS component";
    case VMX_ERR_VMXON_IN_ROOT:
        return "VMXON in VMX root operation";
    case VMX_ERR_ENTRY_MOV_SS:
        return "VM entry with events blocked by MOV SS";
    case VMX_ERR_INV_OPERAND:
        return "invalid operand to INVEPT or INVVPID";
    default:
        return "unknown VM-instruction error";
    }
}
