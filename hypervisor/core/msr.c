/*
 * Architectural MSRs of guests: what a stock kernel touches at boot is held per VP, the rest is
 * #GP. The registers that the VMCS or the VP switch carries pass through the MSR bitmap.
 * Not modelled: DEBUGCTL bits, machine-check banks, performance counters, microcode update.
 */
#include "hypervisor/apic/hv_apic.h"
#include "hypervisor/mm/mm.h"
#include "hypervisor/sched/sched.h"
#include "hypervisor/vmx/hv_vmx.h"

#define MTRR_COUNT 8u

static const struct {
    uint32_t msr;
    bool write_too;
} passed[] = {
    {MSR_FS_BASE, true},     {MSR_GS_BASE, true},      {MSR_KERNEL_GS_BASE, true},
    {MSR_SYSENTER_CS, true}, {MSR_SYSENTER_ESP, true}, {MSR_SYSENTER_EIP, true},
    {MSR_PAT, true},         {MSR_STAR, false},        {MSR_LSTAR, false},
    {MSR_CSTAR, false},      {MSR_SFMASK, false},      {MSR_EFER, false},
    {MSR_TSC, false},
};

/* 1024 bytes each: reads low, reads high, writes low, writes high (SDM 3C 25.6.9). */
void hv_msr_bitmap_init(uint8_t *bitmap)
{
    memset(bitmap, 0xff, HV_PAGE);
    for (unsigned i = 0; i < HV_ARRAY_SIZE(passed); i++) {
        const uint32_t msr = passed[i].msr, n = msr & 0x1fff;
        uint8_t *reads = bitmap + (msr >= 0xc0000000 ? 1024 : 0);
        reads[n / 8] &= (uint8_t) ~(1u << (n % 8));
        if (passed[i].write_too)
            reads[2048 + n / 8] &= (uint8_t) ~(1u << (n % 8));
    }
}

static uint64_t *mtrr(struct hv_vp *vp, uint32_t msr)
{
    if (msr >= MSR_MTRR_PHYSBASE0 && msr < MSR_MTRR_PHYSBASE0 + 2 * MTRR_COUNT)
        return &vp->mtrr.var[msr - MSR_MTRR_PHYSBASE0];
    if (msr == MSR_MTRR_FIX64K)
        return &vp->mtrr.fixed[0];
    if (msr == MSR_MTRR_FIX16K_80000 || msr == MSR_MTRR_FIX16K_80000 + 1)
        return &vp->mtrr.fixed[1 + msr - MSR_MTRR_FIX16K_80000];
    if (msr >= MSR_MTRR_FIX4K_C0000 && msr < MSR_MTRR_FIX4K_C0000 + 8)
        return &vp->mtrr.fixed[3 + msr - MSR_MTRR_FIX4K_C0000];
    if (msr == MSR_MTRR_DEF_TYPE)
        return &vp->mtrr.def_type;
    return NULL;
}

bool hv_msr_read(struct hv_vp *vp, uint32_t msr, uint64_t *value)
{
    if (msr >= HV_MSR_FIRST && msr <= HV_MSR_LAST)
        return hv_synth_msr_read(vp, msr, value);
    if (msr >= MSR_X2APIC_BASE && msr < MSR_X2APIC_BASE + 0x40)
        return hv_vlapic_msr_read(vp, msr, value);
    const uint64_t *m = mtrr(vp, msr);
    if (m) {
        *value = *m;
        return true;
    }
    *value = 0;
    switch (msr) {
    case MSR_APIC_BASE:
        *value = vp->apic.base;
        return true;
    case MSR_TSC_ADJUST:
        *value = vp->tsc_adjust;
        return true;
    case MSR_BIOS_SIGN_ID:
        *value = 1ull << 32;
        return true;
    case MSR_MTRRCAP:
        *value = MTRR_COUNT | 1u << 8 | 1u << 10;
        return true; /* fixed, WC */
    case MSR_MISC_ENABLE:
        *value = 1;
        return true; /* fast strings */
    case MSR_TSC_DEADLINE:
        *value = vp->apic.tsc_deadline;
        return true;
    case MSR_TSC_AUX:
        *value = vp->swmsr[HV_SWMSR_TSC_AUX];
        return true;
    case MSR_PLATFORM_ID:
    case MSR_MCG_CAP:
    case MSR_MCG_STATUS:
    case MSR_DEBUGCTL:
        return true;
    default:
        return false;
    }
}

/* Moves the guest's TSC by delta. The reference TSC page no longer fits this VP: withdraw it. */
static void shift_tsc(struct hv_vp *vp, uint64_t delta)
{
    struct hv_partition *p = vp->partition;
    if (!delta)
        return;
    vp->tsc_offset += delta;
    hv_vmwrite(VMCS_TSC_OFFSET, vp->tsc_offset);
    p->tsc_written = true;
    if (p->reference_tsc_msr & HV_MSR_ENABLE) {
        struct hv_tsc_page *t = hv_gpa_page(p, p->reference_tsc_msr & X86_PAGE_MASK, EPT_W);
        if (t)
            t->sequence = 0;
    }
}

static bool write_efer(struct hv_vp *vp, uint64_t value)
{
    const uint64_t known = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE;
    const uint64_t old = hv_vmread(VMCS_GUEST_EFER);
    if (value & ~known)
        return false;
    if (((value ^ old) & EFER_LME) && (hv_vmread(VMCS_GUEST_CR0) & CR0_PG))
        return false;
    value = (value & ~(uint64_t)EFER_LMA) | (old & EFER_LMA);
    hv_vmwrite(VMCS_GUEST_EFER, value);
    vp->regs_valid = false;
    vp->flush_tlb = true;
    return true;
}

static bool write_switched(struct hv_vp *vp, unsigned n, uint64_t value)
{
    const bool address = n == HV_SWMSR_LSTAR || n == HV_SWMSR_CSTAR;
    if (address && (uint64_t)((int64_t)(value << 16) >> 16) != value)
        return false; /* not canonical */
    if ((n == HV_SWMSR_SFMASK || n == HV_SWMSR_TSC_AUX) && value >> 32)
        return false;
    static const uint32_t number[HV_SWMSR_COUNT] = {MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SFMASK,
                                                    MSR_TSC_AUX};
    if (n == HV_SWMSR_TSC_AUX && !(hv_vmx.proc2 & VMX_PROC2_RDTSCP))
        return false;
    vp->swmsr[n] = value;
    hv_wrmsr(number[n], value);
    hv_this_lp()->swmsr[n] = value;
    return true;
}

static bool valid_memory_type(uint64_t t)
{
    return t == 0 || t == 1 || t == 4 || t == 5 || t == 6;
}

static bool write_mtrr(struct hv_vp *vp, uint32_t msr, uint64_t *m, uint64_t value)
{
    if (msr == MSR_MTRR_DEF_TYPE) {
        if ((value & ~0xcffull) || !valid_memory_type(value & 0xff))
            return false;
    } else if (m >= vp->mtrr.fixed) {
        for (unsigned i = 0; i < 64; i += 8) {
            if (!valid_memory_type(value >> i & 0xff))
                return false;
        }
    }
    *m = value;
    return true;
}

bool hv_msr_write(struct hv_vp *vp, uint32_t msr, uint64_t value)
{
    if (msr >= HV_MSR_FIRST && msr <= HV_MSR_LAST)
        return hv_synth_msr_write(vp, msr, value);
    if (msr >= MSR_X2APIC_BASE && msr < MSR_X2APIC_BASE + 0x40)
        return hv_vlapic_msr_write(vp, msr, value);
    uint64_t *m = mtrr(vp, msr);
    if (m)
        return write_mtrr(vp, msr, m, value);
    switch (msr) {
    case MSR_EFER:
        return write_efer(vp, value);
    case MSR_STAR:
        return write_switched(vp, HV_SWMSR_STAR, value);
    case MSR_LSTAR:
        return write_switched(vp, HV_SWMSR_LSTAR, value);
    case MSR_CSTAR:
        return write_switched(vp, HV_SWMSR_CSTAR, value);
    case MSR_SFMASK:
        return write_switched(vp, HV_SWMSR_SFMASK, value);
    case MSR_TSC_AUX:
        return write_switched(vp, HV_SWMSR_TSC_AUX, value);
    case MSR_APIC_BASE:
        return hv_vlapic_set_base(vp, value);
    case MSR_TSC: {
        const uint64_t delta = value - (hv_rdtsc() + vp->tsc_offset);
        vp->tsc_adjust += delta;
        shift_tsc(vp, delta);
        return true;
    }
    case MSR_TSC_ADJUST:
        shift_tsc(vp, value - vp->tsc_adjust);
        vp->tsc_adjust = value;
        return true;
    case MSR_TSC_DEADLINE:
        hv_vlapic_set_tsc_deadline(vp, value);
        return true;
    case MSR_BIOS_SIGN_ID:
    case MSR_MISC_ENABLE:
        return true;
    case MSR_MCG_STATUS:
    case MSR_DEBUGCTL:
        return value == 0;
    default:
        return false;
    }
}
