/*
 * CPUID for guests: the processor's answer minus what the hypervisor does not carry, plus the
 * Hyper-V leaves (TLFS 2.4). Leaves 0x40000000-0x400000ff that are not defined read 0.
 */
#include "hypervisor/apic/hv_apic.h"
#include "hypervisor/icept/icept.h"
#include "hypervisor/vmx/hv_vmx.h"

#define MAX_BASIC_LEAF 0xdu
#define HV_MAX_LEAF    0x4000000au

/* Leaf 1 */
#define ECX1_MASKED \
    (1u << 2 | 1u << 3 | 1u << 5 | 1u << 6 | 1u << 7 | 1u << 8 | 1u << 11 | 1u << 15 | 1u << 18)
#define ECX1_X2APIC       (1u << 21)
#define ECX1_TSC_DEADLINE (1u << 24)
#define ECX1_XSAVE        (1u << 26)
#define ECX1_OSXSAVE      (1u << 27)
#define ECX1_HYPERVISOR   (1u << 31)
#define EDX1_MASKED       (1u << 21 | 1u << 22 | 1u << 29 | 1u << 31) /* DS, ACPI, TM, PBE */
#define EDX1_HTT          (1u << 28)
/* Leaf 7: FSGSBASE, TSC_ADJUST, BMI1, AVX2, SMEP, BMI2, ERMS, INVPCID, AVX-512F/DQ, RDSEED, ADX,
 * SMAP, CLFLUSHOPT, CLWB, AVX-512CD, SHA, AVX-512BW/VL */
#define EBX7_KEPT                                                                                \
    (1u << 0 | 1u << 1 | 1u << 3 | 1u << 5 | 1u << 7 | 1u << 8 | 1u << 9 | 1u << 10 | 1u << 16 | \
     1u << 17 | 1u << 18 | 1u << 19 | 1u << 20 | 1u << 23 | 1u << 24 | 1u << 28 | 1u << 29 |     \
     1u << 30 | 1u << 31)
#define ECX7_KEPT (1u << 2) /* UMIP */

static uint32_t log2_up(uint32_t n)
{
    uint32_t bits = 0;
    while (1u << bits < n)
        bits++;
    return bits;
}

static void leaf_1(const struct hv_vp *vp, struct hv_cpuid *r)
{
    const struct hv_partition *p = vp->partition;
    r->ecx = (r->ecx & ~(ECX1_MASKED | ECX1_OSXSAVE)) | ECX1_HYPERVISOR | ECX1_TSC_DEADLINE;
    if (p->is_root || (p->flags & HV_PART_FLAG_X2APIC))
        r->ecx |= ECX1_X2APIC;
    else
        r->ecx &= ~ECX1_X2APIC;
    if (!hv_vmx.xsave)
        r->ecx &= ~ECX1_XSAVE;
    else if (hv_vmread(VMCS_GUEST_CR4) & CR4_OSXSAVE)
        r->ecx |= ECX1_OSXSAVE;
    r->edx &= ~(EDX1_MASKED | EDX1_HTT);
    if (p->vp_count > 1)
        r->edx |= EDX1_HTT;
    r->ebx = (r->ebx & 0x0000ffff) | (1u << log2_up(p->vp_count)) << 16 | vp->apic.id << 24;
}

static void leaf_4(const struct hv_vp *vp, struct hv_cpuid *r)
{
    const uint32_t cores = (1u << log2_up(vp->partition->vp_count)) - 1;
    if (!(r->eax & 0x1f))
        return;
    const bool shared = (r->eax >> 5 & 7) >= 3;
    r->eax = (r->eax & 0x3fff) | (shared ? cores << 14 : 0) | cores << 26;
}

static void leaf_b(const struct hv_vp *vp, uint32_t subleaf, struct hv_cpuid *r)
{
    const uint32_t n = vp->partition->vp_count;
    *r = (struct hv_cpuid){.ecx = subleaf & 0xff, .edx = vp->apic.id};
    if (subleaf == 0) {
        r->ebx = 1;
        r->ecx |= 1 << 8; /* SMT */
    } else if (subleaf == 1) {
        r->eax = log2_up(n);
        r->ebx = n;
        r->ecx |= 2 << 8; /* core */
    }
}

static void leaf_d(uint32_t subleaf, struct hv_cpuid *r)
{
    if (!hv_vmx.xsave) {
        *r = (struct hv_cpuid){0};
    } else if (subleaf == 0) {
        r->eax &= (uint32_t)hv_vmx.xcr0_mask;
        r->edx = 0;
    } else if (subleaf == 1) {
        r->eax &= 7; /* XSAVEOPT, XSAVEC, XGETBV(1); no XSAVES */
        r->ecx = r->edx = 0;
    } else if (subleaf > 63 || !(hv_vmx.xcr0_mask >> subleaf & 1)) {
        *r = (struct hv_cpuid){0};
    }
}

static void hyperv(const struct hv_vp *vp, uint32_t leaf, struct hv_cpuid *r)
{
    const struct hv_partition *p = vp->partition;
    *r = (struct hv_cpuid){0};
    switch (leaf) {
    case HV_CPUID_VENDOR:
        *r = (struct hv_cpuid){HV_MAX_LEAF, HV_CPUID_SIG_EBX, HV_CPUID_SIG_ECX, HV_CPUID_SIG_EDX};
        break;
    case HV_CPUID_INTERFACE:
        r->eax = HV_CPUID_INTERFACE_HV1;
        break;
    case HV_CPUID_VERSION:
        r->eax = 20348; /* the interface level that is modelled */
        r->ebx = 10u << 16;
        break;
    case HV_CPUID_FEATURES:
        r->eax = (uint32_t)p->privileges;
        r->ebx = (uint32_t)(p->privileges >> 32);
        r->edx = p->features;
        break;
    case HV_CPUID_HINTS:
        r->eax = p->hints;
        r->ebx = 0xffffffff;
        break;
    case HV_CPUID_LIMITS:
        r->eax = HV_MAX_VPS;
        r->ebx = hv_lp_count;
        break;
    case HV_CPUID_HARDWARE:
        r->eax = 1u << 1 | 1u << 3 | 1u << 17;
        break; /* bitmaps, SLAT, UG */
    case HV_CPUID_CPU_MANAGEMENT:
        r->eax = p->is_root ? HV_CPU_MGMT_RESERVED_IDENTITY : 0;
        break;
    default:
        break;
    }
}

static void extended(uint32_t leaf, struct hv_cpuid *r)
{
    if (leaf == 0x80000001) {
        r->ecx &= ~(1u << 2); /* SVM */
        if (!(hv_vmx.proc2 & VMX_PROC2_RDTSCP))
            r->edx &= ~(1u << 27);
    }
}

static void basic(const struct hv_vp *vp, uint32_t leaf, uint32_t subleaf, struct hv_cpuid *r)
{
    switch (leaf) {
    case 0:
        if (r->eax > MAX_BASIC_LEAF)
            r->eax = MAX_BASIC_LEAF;
        break;
    case 1:
        leaf_1(vp, r);
        break;
    case 4:
        leaf_4(vp, r);
        break;
    case 6:
        *r = (struct hv_cpuid){.eax = 1u << 2};
        break; /* the APIC timer always runs */
    case 7:
        if (subleaf) {
            *r = (struct hv_cpuid){0};
            break;
        }
        r->eax = 0;
        r->ebx &= EBX7_KEPT;
        if (!(hv_vmx.proc2 & VMX_PROC2_INVPCID))
            r->ebx &= ~(1u << 10);
        r->ecx &= ECX7_KEPT;
        r->edx = 0;
        break;
    case 0xb:
        leaf_b(vp, subleaf, r);
        break;
    case 0xd:
        leaf_d(subleaf, r);
        break;
    case 2:
        break;
    default:
        *r = (struct hv_cpuid){0};
        break;
    }
}

void hv_cpuid_emulate(struct hv_vp *vp)
{
    const uint32_t leaf = (uint32_t)vp->gpr[HV_RAX], subleaf = (uint32_t)vp->gpr[HV_RCX];
    struct hv_cpuid r;
    if (leaf >= 0x40000000 && leaf <= 0x400000ff) {
        hyperv(vp, leaf, &r);
    } else {
        r = hv_cpuid(leaf, subleaf);
        if (leaf >= 0x80000000)
            extended(leaf, &r);
        else
            basic(vp, leaf, subleaf, &r);
    }
    const struct hv_partition *p = vp->partition;
    for (uint32_t i = 0; i < p->cpuid_intercepts; i++) {
        if (p->cpuid_intercept[i] == leaf) {
            hv_icept_cpuid(vp, &r);
            return;
        }
    }
    vp->gpr[HV_RAX] = r.eax;
    vp->gpr[HV_RBX] = r.ebx;
    vp->gpr[HV_RCX] = r.ecx;
    vp->gpr[HV_RDX] = r.edx;
    hv_vp_advance(vp);
}
