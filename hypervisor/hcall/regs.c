/*
 * VP registers by name (TLFS 7.9). What the parent writes is checked as far as the processor would
 * check the same write of the guest; the rest VM entry refuses, and then the parent gets a message.
 * Not modelled: FP registers other than XMM, MTRRs, nested and per-VTL registers.
 */
#include "hypervisor/apic/hv_apic.h"
#include "hypervisor/hcall/hcall.h"
#include "hypervisor/synic/hv_synic.h"
#include "hypervisor/vmx/hv_vmx.h"

#define REG(name, member)                    \
    {                                        \
        name, offsetof(struct hv_vp, member) \
    }
static const struct {
    uint32_t name, offset;
} plain[] = {
    /* 64-bit members of vp->regs or of the VP's switched state */
    REG(HV_REG_CR0, regs.cr0),
    REG(HV_REG_CR3, regs.cr3),
    REG(HV_REG_CR4, regs.cr4),
    REG(HV_REG_EFER, regs.efer),
    REG(HV_REG_PAT, regs.pat),
    REG(HV_REG_DR7, regs.dr7),
    REG(HV_REG_SYSENTER_CS, regs.sysenter_cs),
    REG(HV_REG_SYSENTER_EIP, regs.sysenter_eip),
    REG(HV_REG_SYSENTER_ESP, regs.sysenter_esp),
    REG(HV_REG_CR2, cr2),
    REG(HV_REG_XFEM, xcr0),
    REG(HV_REG_DR0, dr[0]),
    REG(HV_REG_DR0 + 1, dr[1]),
    REG(HV_REG_DR0 + 2, dr[2]),
    REG(HV_REG_DR3, dr[3]),
    REG(HV_REG_DR6, dr6),
    REG(HV_REG_KERNEL_GS_BASE, kernel_gs_base),
    REG(HV_REG_STAR, swmsr[HV_SWMSR_STAR]),
    REG(HV_REG_LSTAR, swmsr[HV_SWMSR_LSTAR]),
    REG(HV_REG_CSTAR, swmsr[HV_SWMSR_CSTAR]),
    REG(HV_REG_SFMASK, swmsr[HV_SWMSR_SFMASK]),
};

/* TLFS order ES, CS, SS, DS, FS, GS, LDTR, TR is also the order of SEG_*. */
_Static_assert(SEG_ES == 0 && SEG_SS == 2 && SEG_LDTR == 6 && SEG_TR == 7, "segment order");

static uint64_t *plain_reg(struct hv_vp *vp, uint32_t name)
{
    for (unsigned i = 0; i < HV_ARRAY_SIZE(plain); i++) {
        if (plain[i].name == name)
            return (uint64_t *)((uint8_t *)vp + plain[i].offset);
    }
    return NULL;
}

/* State that only memory holds once the VP is not the loaded one on its LP. */
static bool is_loaded(const struct hv_vp *vp)
{
    return vp->lp->current == vp;
}

static uint32_t synthetic_msr(uint32_t name)
{
    switch (name) {
    case HV_REG_VP_RUNTIME:
        return HV_MSR_VP_RUNTIME;
    case HV_REG_HYPERCALL:
        return HV_MSR_HYPERCALL;
    case HV_REG_GUEST_OS_ID:
        return HV_MSR_GUEST_OS_ID;
    case HV_REG_VP_INDEX:
        return HV_MSR_VP_INDEX;
    case HV_REG_VP_ASSIST_PAGE:
        return HV_MSR_VP_ASSIST_PAGE;
    case HV_REG_REFERENCE_TSC:
        return HV_MSR_REFERENCE_TSC;
    default:
        break;
    }
    if (name >= HV_REG_SINT0 && name <= HV_REG_SINT15)
        return HV_MSR_SINT0 + name - HV_REG_SINT0;
    if (name >= HV_REG_SCONTROL && name <= HV_REG_EOM)
        return HV_MSR_SCONTROL + name - HV_REG_SCONTROL;
    if (name >= HV_REG_STIMER0_CONFIG && name <= HV_REG_STIMER3_COUNT)
        return HV_MSR_STIMER0_CONFIG + name - HV_REG_STIMER0_CONFIG;
    if (name >= HV_REG_CRASH_P0 && name <= HV_REG_CRASH_CTL)
        return HV_MSR_CRASH_P0 + name - HV_REG_CRASH_P0;
    return 0;
}

static uint64_t get_pending(const struct hv_vp *vp)
{
    if (!vp->event)
        return 0;
    return HV_PENDING_INT_VALID | (vp->event >> 8 & 7) << HV_PENDING_INT_TYPE_SHIFT |
           (vp->event & VMX_INTR_ERROR_CODE ? HV_PENDING_INT_ERRCODE : 0) |
           (uint64_t)(vp->event & 0xff) << HV_PENDING_INT_VECTOR_SHIFT |
           (uint64_t)vp->event_error << HV_PENDING_INT_ERROR_SHIFT;
}

static uint32_t set_pending(struct hv_vp *vp, uint64_t v)
{
    const uint32_t type = v >> HV_PENDING_INT_TYPE_SHIFT & 7;
    const uint32_t vector = v >> HV_PENDING_INT_VECTOR_SHIFT & 0xffff;
    vp->event = 0;
    if (!(v & HV_PENDING_INT_VALID))
        return HV_STATUS_SUCCESS;
    const bool exception = type == HV_PENDING_TYPE_EXCEPTION;
    if (vector > 255 || (exception && vector > 31) ||
        (!exception && type != HV_PENDING_TYPE_INTERRUPT && type != HV_PENDING_TYPE_NMI))
        return HV_STATUS_INVALID_REGISTER_VALUE;
    if (type == HV_PENDING_TYPE_NMI && vector != EXC_NMI)
        return HV_STATUS_INVALID_REGISTER_VALUE;
    vp->event = vector | type << VMX_INTR_TYPE_SHIFT | VMX_INTR_VALID;
    if (v & HV_PENDING_INT_ERRCODE)
        vp->event |= VMX_INTR_ERROR_CODE;
    vp->event_error = (uint32_t)(v >> HV_PENDING_INT_ERROR_SHIFT);
    vp->event_len = 0;
    return HV_STATUS_SUCCESS;
}

bool hv_reg_get(struct hv_vp *vp, uint32_t name, union hv_reg_value *v)
{
    if (name >= HV_REG_RAX && name <= HV_REG_R15) {
        v->q[0] = vp->gpr[name - HV_REG_RAX];
        return true;
    }
    if (name >= HV_REG_ES && name <= HV_REG_TR) {
        v->segment = vp->regs.seg[name - HV_REG_ES];
        return true;
    }
    if (name >= HV_REG_XMM0 && name <= HV_REG_XMM15) {
        if (is_loaded(vp))
            return false;
        memcpy(v, vp->fpu + 160 + 16 * (name - HV_REG_XMM0), 16);
        return true;
    }
    const uint64_t *p = plain_reg(vp, name);
    if (p) {
        v->q[0] = *p;
        return true;
    }
    const uint32_t msr = synthetic_msr(name);
    if (msr)
        return hv_synth_msr_read(vp, msr, &v->q[0]);
    switch (name) {
    case HV_REG_EXPLICIT_SUSPEND:
        v->q[0] = vp->explicit_suspend;
        return true;
    case HV_REG_INTERCEPT_SUSPEND:
        v->q[0] = vp->intercept_suspend;
        return true;
    case HV_REG_RIP:
        v->q[0] = vp->rip;
        return true;
    case HV_REG_RFLAGS:
        v->q[0] = vp->rflags;
        return true;
    case HV_REG_CR8:
        v->q[0] = vp->apic.tpr >> 4;
        return true;
    case HV_REG_APIC_BASE:
        v->q[0] = vp->apic.base;
        return true;
    case HV_REG_TSC:
        v->q[0] = hv_rdtsc() + vp->tsc_offset;
        return true;
    case HV_REG_IDTR:
        v->table = (struct hv_table){.limit = vp->regs.idt_limit, .base = vp->regs.idt_base};
        return true;
    case HV_REG_GDTR:
        v->table = (struct hv_table){.limit = vp->regs.gdt_limit, .base = vp->regs.gdt_base};
        return true;
    case HV_REG_PENDING_INTERRUPTION:
        v->q[0] = get_pending(vp);
        return true;
    case HV_REG_INTERRUPT_STATE:
        v->q[0] = (vp->interruptibility & 3 ? 1 : 0) |
                  (vp->interruptibility & VMX_INT_BLOCK_NMI ? 2 : 0);
        return true;
    default:
        return false;
    }
}

static uint32_t set_suspend(struct hv_vp *vp, bool *flag, uint64_t value)
{
    if (value > 1)
        return HV_STATUS_INVALID_REGISTER_VALUE;
    *flag = value != 0;
    if (value)
        hv_vp_stop(vp);
    else
        hv_vp_update(vp);
    if (!value)
        hv_vp_kick(vp);
    if (!value && vp->lp != hv_this_lp())
        hv_lp_kick(vp->lp);
    return HV_STATUS_SUCCESS;
}

static bool is_canonical(uint64_t v)
{
    return (uint64_t)((int64_t)(v << 16) >> 16) == v;
}

static uint32_t set_plain(struct hv_vp *vp, uint32_t name, uint64_t *p, uint64_t value)
{
    switch (name) {
    case HV_REG_CR0:
        value |= CR0_ET;
        if (value >> 32)
            return HV_STATUS_INVALID_REGISTER_VALUE;
        break;
    case HV_REG_CR4:
        if (value & HV_CR4_HIDDEN)
            return HV_STATUS_INVALID_REGISTER_VALUE;
        break;
    case HV_REG_EFER:
        if (value & ~(uint64_t)(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE))
            return HV_STATUS_INVALID_REGISTER_VALUE;
        break;
    case HV_REG_XFEM:
        if (!(value & 1) || (value & ~7ull) || (value & 6) == 4)
            return HV_STATUS_INVALID_REGISTER_VALUE;
        break;
    case HV_REG_KERNEL_GS_BASE:
    case HV_REG_LSTAR:
    case HV_REG_CSTAR:
    case HV_REG_SYSENTER_EIP:
    case HV_REG_SYSENTER_ESP:
        if (!is_canonical(value))
            return HV_STATUS_INVALID_REGISTER_VALUE;
        break;
    case HV_REG_DR6:
    case HV_REG_DR7:
        if (value >> 32)
            return HV_STATUS_INVALID_REGISTER_VALUE;
        break;
    default:
        break;
    }
    const bool in_regs = (uint8_t *)p >= (uint8_t *)&vp->regs &&
                         (uint8_t *)p < (uint8_t *)(&vp->regs + 1);
    if (!in_regs && is_loaded(vp))
        return HV_STATUS_INVALID_VP_STATE;
    *p = value;
    if (in_regs)
        vp->regs_dirty = true;
    return HV_STATUS_SUCCESS;
}

static uint32_t set_general(struct hv_vp *vp, uint32_t name, uint64_t value)
{
    if (name == HV_REG_RIP) {
        vp->epoch++; /* an exit that is still being taken counts no more */
        hv_vp_set_rip(vp, value);
        if (vp->interruptibility & 3) { /* past the instruction, past its shadow */
            vp->interruptibility &= ~3u;
            vp->dirty_interruptibility = true;
        }
    } else if (name == HV_REG_RFLAGS) {
        vp->rflags = (value & 0x3f7fd5) | FL_FIXED1;
        vp->dirty_rflags = true;
    } else {
        vp->gpr[name - HV_REG_RAX] = value;
        vp->dirty_rsp |= name == HV_REG_RSP;
    }
    return HV_STATUS_SUCCESS;
}

uint32_t hv_reg_set(struct hv_vp *vp, uint32_t name, const union hv_reg_value *v)
{
    const uint64_t q = v->q[0];
    if (name >= HV_REG_RAX && name <= HV_REG_RFLAGS)
        return set_general(vp, name, q);
    if (name == HV_REG_INTERCEPT_SUSPEND) /* ends every intercept, so it comes early */
        return set_suspend(vp, &vp->intercept_suspend, q);
    if (name >= HV_REG_ES && name <= HV_REG_TR) {
        vp->regs.seg[name - HV_REG_ES] = v->segment;
        vp->regs_dirty = true;
        return HV_STATUS_SUCCESS;
    }
    if (name >= HV_REG_XMM0 && name <= HV_REG_XMM15) {
        if (is_loaded(vp))
            return HV_STATUS_INVALID_VP_STATE;
        memcpy(vp->fpu + 160 + 16 * (name - HV_REG_XMM0), v, 16);
        return HV_STATUS_SUCCESS;
    }
    uint64_t *p = plain_reg(vp, name);
    if (p)
        return set_plain(vp, name, p, q);
    switch (name) {
    case HV_REG_EXPLICIT_SUSPEND:
        return set_suspend(vp, &vp->explicit_suspend, q);
    case HV_REG_CR8:
        if (q > 15)
            return HV_STATUS_INVALID_REGISTER_VALUE;
        vp->apic.tpr = (uint32_t)q << 4;
        return HV_STATUS_SUCCESS;
    case HV_REG_APIC_BASE:
        if (((q ^ vp->apic.base) & APIC_BASE_EXTD) && (q & APIC_BASE_EXTD) &&
            !(vp->apic.base & APIC_BASE_EN))
            vp->apic.base |= APIC_BASE_EN;
        return hv_vlapic_set_base(vp,
                                  (q & ~(uint64_t)APIC_BASE_BSP) | (vp->apic.base & APIC_BASE_BSP))
                   ? HV_STATUS_SUCCESS
                   : HV_STATUS_INVALID_REGISTER_VALUE;
    case HV_REG_IDTR:
    case HV_REG_GDTR:
        if (name == HV_REG_IDTR) {
            vp->regs.idt_base = v->table.base;
            vp->regs.idt_limit = v->table.limit;
        } else {
            vp->regs.gdt_base = v->table.base;
            vp->regs.gdt_limit = v->table.limit;
        }
        vp->regs_dirty = true;
        return HV_STATUS_SUCCESS;
    case HV_REG_PENDING_INTERRUPTION:
        return set_pending(vp, q);
    case HV_REG_INTERRUPT_STATE:
        vp->interruptibility = (q & 1 ? VMX_INT_BLOCK_STI : 0) | (q & 2 ? VMX_INT_BLOCK_NMI : 0);
        vp->dirty_interruptibility = true;
        return HV_STATUS_SUCCESS;
    default:
        break;
    }
    const uint32_t msr = synthetic_msr(name);
    if (!msr)
        return HV_STATUS_UNKNOWN_REGISTER_NAME;
    return hv_synth_msr_write(vp, msr, q) ? HV_STATUS_SUCCESS : HV_STATUS_INVALID_REGISTER_VALUE;
}
