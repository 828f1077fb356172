/*
 * VMX instructions and the VMCS of a VP (SDM 3C 24-28).
 */
#ifndef HYPERVISOR_VMX_H
#define HYPERVISOR_VMX_H

#include "hypervisor/core/hv_core.h"

static inline uint64_t hv_vmread(uint64_t field)
{
    uint64_t value;
    __asm__ volatile("vmread %1, %0" : "=r"(value) : "r"(field) : "cc");
    return value;
}

static inline void hv_vmwrite(uint64_t field, uint64_t value)
{
    __asm__ volatile("vmwrite %1, %0" : : "r"(field), "r"(value) : "cc");
}

static inline bool hv_vmptrld(uint64_t vmcs)
{
    bool failed;
    __asm__ volatile("vmptrld %1" : "=@ccbe"(failed) : "m"(vmcs) : "memory");
    return !failed;
}

static inline bool hv_vmclear(uint64_t vmcs)
{
    bool failed;
    __asm__ volatile("vmclear %1" : "=@ccbe"(failed) : "m"(vmcs) : "memory");
    return !failed;
}

static inline bool hv_vmxon_insn(uint64_t region)
{
    bool failed;
    __asm__ volatile("vmxon %1" : "=@ccbe"(failed) : "m"(region) : "memory");
    return !failed;
}

static inline void hv_invept(uint64_t eptp)
{
    const struct invept_desc d = {.eptp = eptp};
    __asm__ volatile("invept %0, %1" : : "m"(d), "r"((uint64_t)INVEPT_SINGLE) : "cc", "memory");
}

static inline void hv_invvpid(uint64_t vpid)
{
    const struct invvpid_desc d = {.vpid = vpid};
    __asm__ volatile("invvpid %0, %1" : : "m"(d), "r"((uint64_t)INVVPID_SINGLE) : "cc", "memory");
}

/* CR4 bits of features that CPUID does not offer: setting one is #GP, whatever the processor has,
 * since what they switch on (PKRU, shadow stacks) is not switched between VPs. */
#define HV_CR4_HIDDEN (CR4_VMXE | CR4_SMXE | CR4_LA57 | CR4_PKE | CR4_CET | CR4_PKS | CR4_UINTR)

/* Control words that the processor accepts, worked out once. */
struct hv_vmx_caps {
    uint32_t revision;
    uint32_t pin, proc, proc2, exit, entry; /* base values for every VP */
    bool vpid, xsave;
    uint64_t xcr0_mask;
};
extern struct hv_vmx_caps hv_vmx;

void hv_vmx_probe(void);          /* panics when something needed is missing */
void hv_vmx_on(struct hv_lp *lp); /* VMX root mode on this LP */

void hv_vmcs_setup(struct hv_vp *vp);    /* all but guest registers; on the VP's LP */
void hv_vmcs_flush(struct hv_vp *vp);    /* vp->regs to the VMCS */
void hv_vmcs_fetch(struct hv_vp *vp);    /* and back */
bool hv_vmx_is_active(struct hv_vp *vp); /* VMCS was set up on its LP */

/* entry.S: true when the entry itself failed. */
bool hv_vmx_enter(struct hv_vp *vp, bool launched);
void hv_vmx_exit_point(void);

void hv_exit_dispatch(struct hv_vp *vp);
bool hv_vlapic_mmio(struct hv_vp *vp, uint64_t gpa, uint64_t qual); /* apic/mmio.c */

#endif
