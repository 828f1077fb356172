/*
 * VMX capability MSRs (SDM 3D appendix A): computed from abi/vmx_ctl.def, so that what is announced
 * is what the rows marked ON and DEF1 say.
 */
#include "abi/x86.h"
#include "cpu/sys/pmu.h"
#include "cpu/sys/sys.h"
#include "cpu/vmx/vmx.h"
#include "mmu/ram.h"

#define KIND_MAY_ON(bit) (1u << (bit))
#define KIND_MAY_DEF1(bit) (1u << (bit))
#define KIND_MAY_OFF(bit) 0u
#define KIND_DEF1_ON(bit) 0u
#define KIND_DEF1_DEF1(bit) (1u << (bit))
#define KIND_DEF1_OFF(bit) 0u
#define IN_PIN_PIN(x) (x)
#define IN_PIN_PROC(x) 0u
#define IN_PIN_PROC2(x) 0u
#define IN_PIN_EXIT(x) 0u
#define IN_PIN_ENTRY(x) 0u
#define IN_PROC_PIN(x) 0u
#define IN_PROC_PROC(x) (x)
#define IN_PROC_PROC2(x) 0u
#define IN_PROC_EXIT(x) 0u
#define IN_PROC_ENTRY(x) 0u
#define IN_PROC2_PIN(x) 0u
#define IN_PROC2_PROC(x) 0u
#define IN_PROC2_PROC2(x) (x)
#define IN_PROC2_EXIT(x) 0u
#define IN_PROC2_ENTRY(x) 0u
#define IN_EXIT_PIN(x) 0u
#define IN_EXIT_PROC(x) 0u
#define IN_EXIT_PROC2(x) 0u
#define IN_EXIT_EXIT(x) (x)
#define IN_EXIT_ENTRY(x) 0u
#define IN_ENTRY_PIN(x) 0u
#define IN_ENTRY_PROC(x) 0u
#define IN_ENTRY_PROC2(x) 0u
#define IN_ENTRY_EXIT(x) 0u
#define IN_ENTRY_ENTRY(x) (x)

/* Bits that may be 1, and those of the default1 class that may also be 0, for each word. */
enum {
    MAY_PIN = 0
#define VMX_CTL(word, name, bit, kind, text) | (int)IN_PIN_##word(KIND_MAY_##kind(bit))
#include "abi/vmx_ctl.def"
#undef VMX_CTL
    ,
    MAY_PROC = 0
#define VMX_CTL(word, name, bit, kind, text) | (int)IN_PROC_##word(KIND_MAY_##kind(bit))
#include "abi/vmx_ctl.def"
#undef VMX_CTL
    ,
    MAY_PROC2 = 0
#define VMX_CTL(word, name, bit, kind, text) | (int)IN_PROC2_##word(KIND_MAY_##kind(bit))
#include "abi/vmx_ctl.def"
#undef VMX_CTL
    ,
    MAY_EXIT = 0
#define VMX_CTL(word, name, bit, kind, text) | (int)IN_EXIT_##word(KIND_MAY_##kind(bit))
#include "abi/vmx_ctl.def"
#undef VMX_CTL
    ,
    MAY_ENTRY = 0
#define VMX_CTL(word, name, bit, kind, text) | (int)IN_ENTRY_##word(KIND_MAY_##kind(bit))
#include "abi/vmx_ctl.def"
#undef VMX_CTL
    ,
    DEF1_PROC = 0
#define VMX_CTL(word, name, bit, kind, text) | (int)IN_PROC_##word(KIND_DEF1_##kind(bit))
#include "abi/vmx_ctl.def"
#undef VMX_CTL
    ,
    DEF1_EXIT = 0
#define VMX_CTL(word, name, bit, kind, text) | (int)IN_EXIT_##word(KIND_DEF1_##kind(bit))
#include "abi/vmx_ctl.def"
#undef VMX_CTL
    ,
    DEF1_ENTRY = 0
#define VMX_CTL(word, name, bit, kind, text) | (int)IN_ENTRY_##word(KIND_DEF1_##kind(bit))
#include "abi/vmx_ctl.def"
#undef VMX_CTL
};

static inline uint64_t cap(uint32_t must, uint32_t may)
{
    return (uint64_t)(must | may) << 32 | must;
}

/* The TRUE words: they are what VM entry checks, whichever MSR software looked at. */
uint64_t vmx_cap_pin(void) { return cap(VMX_PIN_DEFAULT1, (uint32_t)MAY_PIN); }
uint64_t vmx_cap_proc(void)
{
    return cap(VMX_PROC_DEFAULT1 & ~(uint32_t)DEF1_PROC, (uint32_t)MAY_PROC);
}
uint64_t vmx_cap_proc2(void) { return cap(0, (uint32_t)MAY_PROC2); }
uint64_t vmx_cap_exit(void)
{
    return cap(VMX_EXIT_DEFAULT1 & ~(uint32_t)DEF1_EXIT, (uint32_t)MAY_EXIT);
}
uint64_t vmx_cap_entry(void)
{
    return cap(VMX_ENTRY_DEFAULT1 & ~(uint32_t)DEF1_ENTRY, (uint32_t)MAY_ENTRY);
}

uint64_t vmx_cap_vmfunc(void) { return VMX_VMFUNC_EPTP_SWITCHING; }

#define CR0_FIXED0 ((uint64_t)(CR0_PE | CR0_NE | CR0_PG))
#define CR0_FIXED1 0xffffffffull
#define CR4_FIXED0 ((uint64_t)CR4_VMXE)

bool vmx_cr0_legal(const struct cpu *c, uint64_t v)
{
    uint64_t fixed0 = CR0_FIXED0;
    if (c->non_root && (c->vmx->proc2 & VMX_PROC2_UNRESTRICTED))
        fixed0 &= ~(uint64_t)(CR0_PE | CR0_PG);
    return (v & fixed0) == fixed0 && !(v & ~CR0_FIXED1);
}

bool vmx_cr4_legal(const struct cpu *c, uint64_t v)
{
    return (v & CR4_FIXED0) == CR4_FIXED0 && !(v & ~cr4_valid(c));
}

/* Secondary controls for instructions that this processor has not. */
static uint32_t proc2_off(const struct cpu *c)
{
    return (cpu_has(c, F_RDTSCP) || cpu_has(c, F_RDPID) ? 0 : VMX_PROC2_RDTSCP) |
           (cpu_has(c, F_INVPCID) ? 0 : VMX_PROC2_INVPCID) |
           (cpu_has(c, F_X2APIC) ? 0 : VMX_PROC2_X2APIC) |
           (cpu_has(c, F_RDRAND) ? 0 : VMX_PROC2_RDRAND) |
           (cpu_has(c, F_RDSEED) ? 0 : VMX_PROC2_RDSEED) |
           (cpu_has(c, F_XSAVES) ? 0 : VMX_PROC2_XSAVES);
}

static uint32_t exit_off(const struct cpu *c)
{
    return cpu_has(c, F_PMU) ? 0 : VMX_XCTL_LOAD_PERF_GLOBAL | VMX_XCTL_SAVE_PERF_GLOBAL;
}

static uint32_t entry_off(const struct cpu *c)
{
    return cpu_has(c, F_PMU) ? 0 : VMX_NCTL_LOAD_PERF_GLOBAL;
}

static uint64_t without(uint64_t word, uint32_t off)
{
    return word & ~((uint64_t)off << 32);
}

static uint64_t misc(void)
{
    return VMX_TIMER_SHIFT | VMX_MISC_STORE_LMA | VMX_MISC_ACTIVITY_HLT |
           VMX_MISC_ACTIVITY_SHUTDOWN | VMX_MISC_ACTIVITY_SIPI |
           (uint64_t)VMX_CR3_TARGETS << VMX_MISC_CR3_TARGETS_SHIFT | VMX_MISC_INJECT_ILEN0 |
           VMX_MISC_VMWRITE_ALL;
}

static uint64_t ept_vpid_cap(void)
{
    return VMX_EPTVPID_EXEC_ONLY | VMX_EPTVPID_WALK4 | VMX_EPTVPID_UC | VMX_EPTVPID_WB |
           VMX_EPTVPID_2M | VMX_EPTVPID_1G | VMX_EPTVPID_INVEPT | VMX_EPTVPID_AD |
           VMX_EPTVPID_ADV_INFO |
           VMX_EPTVPID_INVEPT_SINGLE | VMX_EPTVPID_INVEPT_ALL | VMX_EPTVPID_INVVPID |
           VMX_EPTVPID_INVVPID_ADDR | VMX_EPTVPID_INVVPID_SINGLE | VMX_EPTVPID_INVVPID_ALL |
           VMX_EPTVPID_INVVPID_SINGLE_NG;
}

/* Highest index of the fields: bits 9:1 of the VMCS_ENUM MSR. */
static uint64_t vmcs_enum(void)
{
    unsigned top = 0;
    for (unsigned i = 0; i < vmcs_field_count; i++)
        if (VMCS_ENC_INDEX(vmcs_fields[i].encoding) > top)
            top = VMCS_ENC_INDEX(vmcs_fields[i].encoding);
    return (uint64_t)top << 1;
}

bool vmx_msr_read(const struct cpu *c, uint32_t msr, uint64_t *value)
{
    if (!cpu_has(c, F_VMX))
        return false;
    switch (msr) {
    case MSR_VMX_BASIC:
        *value = VMCS_REVISION | (uint64_t)VMCS_REGION_SIZE << VMX_BASIC_SIZE_SHIFT |
                 (uint64_t)EPT_MT_WB << VMX_BASIC_MEMTYPE_SHIFT | VMX_BASIC_INS_OUTS |
                 VMX_BASIC_TRUE_CTLS;
        return true;
    case MSR_VMX_PINBASED_CTLS: *value = cap(VMX_PIN_DEFAULT1, (uint32_t)MAY_PIN); return true;
    case MSR_VMX_PROCBASED_CTLS: *value = cap(VMX_PROC_DEFAULT1, (uint32_t)MAY_PROC); return true;
    case MSR_VMX_EXIT_CTLS:
        *value = without(cap(VMX_EXIT_DEFAULT1, (uint32_t)MAY_EXIT), exit_off(c));
        return true;
    case MSR_VMX_ENTRY_CTLS:
        *value = without(cap(VMX_ENTRY_DEFAULT1, (uint32_t)MAY_ENTRY), entry_off(c));
        return true;
    case MSR_VMX_MISC: *value = misc(); return true;
    case MSR_VMX_CR0_FIXED0: *value = CR0_FIXED0; return true;
    case MSR_VMX_CR0_FIXED1: *value = CR0_FIXED1; return true;
    case MSR_VMX_CR4_FIXED0: *value = CR4_FIXED0; return true;
    case MSR_VMX_CR4_FIXED1: *value = cr4_valid(c); return true;
    case MSR_VMX_VMCS_ENUM: *value = vmcs_enum(); return true;
    case MSR_VMX_PROCBASED_CTLS2: *value = without(vmx_cap_proc2(), proc2_off(c)); return true;
    case MSR_VMX_EPT_VPID_CAP: *value = ept_vpid_cap(); return true;
    case MSR_VMX_TRUE_PINBASED_CTLS: *value = vmx_cap_pin(); return true;
    case MSR_VMX_TRUE_PROCBASED_CTLS: *value = vmx_cap_proc(); return true;
    case MSR_VMX_TRUE_EXIT_CTLS: *value = without(vmx_cap_exit(), exit_off(c)); return true;
    case MSR_VMX_TRUE_ENTRY_CTLS: *value = without(vmx_cap_entry(), entry_off(c)); return true;
    case MSR_VMX_VMFUNC: *value = vmx_cap_vmfunc(); return true;
    default: return false;
    }
}

static bool env_read32(void *opaque, uint64_t pa, uint32_t *value)
{
    const struct cpu *c = opaque;
    return ram_read(c->ram, hpa(pa), value, sizeof *value);
}

void vmx_env_of(const struct cpu *c, struct vmx_env *e)
{
    uint32_t r[4];
    cpuid_query(c, 0x80000008, 0, r);
    const unsigned width = r[0] & 0xff;
    e->phys_mask = width >= 12 && width < 64 ? (1ull << width) - 1 : (1ull << 36) - 1;
    e->cr0_fixed0 = CR0_FIXED0;
    e->cr0_fixed1 = CR0_FIXED1;
    e->cr4_fixed0 = CR4_FIXED0;
    e->cr4_fixed1 = cr4_valid(c);
    e->efer_valid = efer_valid(c);
    e->current = c->vmx->current;
    e->lma = c->efer & EFER_LMA;
    e->proc2_off = proc2_off(c);
    e->exit_off = exit_off(c);
    e->entry_off = entry_off(c);
    e->perf_global_valid = PMU_CTRL_VALID;
    e->la57 = cpu_has(c, F_LA57);
    e->read32 = env_read32;
    e->opaque = (void *)(uintptr_t)c;
}
