/*
 * VM-entry checks (SDM 3C 27.2, 27.3): the rules are in checks.def, here are their helpers and the
 * two ways to run them: first failure of some groups (VM entry) and all failures (debugger, tests).
 */
#include "cpu/vmx/vmcs.h"

#include "abi/x86.h"
#include "cpu/vmx/vmx.h"

const struct vmx_check_info vmx_checks[VMX_CHECK_COUNT] = {
    [VMX_CHECK_NONE] = {"NONE", "", "no rule failed", 0, 0},
#define VMX_CHECK(name, group, sdm, qual, ok, rule)                                               \
    [VMX_CHECK_##name] = {#name, sdm, rule, VMX_CG_##group, qual},
#include "cpu/vmx/checks.def"
#undef VMX_CHECK
};

static inline bool ctl_ok(uint32_t v, uint64_t cap)
{
    const uint32_t must = (uint32_t)cap, may = (uint32_t)(cap >> 32);
    return (v & must) == must && !(v & ~may);
}

static inline bool page_ok(const struct vmx_env *e, uint64_t a)
{
    return !(a & 0xfff) && !(a & ~e->phys_mask);
}

static inline bool msr_list_ok(const struct vmx_env *e, uint64_t a, uint32_t count)
{
    if (count == 0)
        return true;
    const uint64_t last = a + (uint64_t)count * 16 - 1;
    return !(a & 15) && !(a & ~e->phys_mask) && !(last & ~e->phys_mask);
}

static inline bool fixed_ok(uint64_t v, uint64_t fixed0, uint64_t fixed1)
{
    return (v & fixed0) == fixed0 && !(v & ~fixed1);
}

/* by the width that the processor supports; `e` is the environment of the rule */
#define canonical(a) la_fits(e, a)
static inline bool la_fits(const struct vmx_env *e, uint64_t a)
{
    return (uint64_t)((int64_t)a >> (e->la57 ? 56 : 47)) + 1 <= 1;
}

static inline bool pat_ok(uint64_t pat)
{
    for (unsigned i = 0; i < 8; i++) {
        const unsigned t = pat >> (8 * i) & 0xff;
        if (t > 7 || t == 2 || t == 3)
            return false;
    }
    return true;
}

static inline bool eptp_memtype_ok(uint64_t eptp)
{
    const unsigned t = eptp & EPTP_MEMTYPE_MASK;
    return t == EPT_MT_UC || t == EPT_MT_WB;
}

static unsigned vtpr_class(const struct vmcs *v, const struct vmx_env *e)
{
    uint32_t vtpr;
    if (!e->read32 || !e->read32(e->opaque, v->virtual_apic_addr + 0x80, &vtpr))
        return 15;
    return vtpr >> 4 & 15;
}

static bool link_revision_ok(const struct vmcs *v, const struct vmx_env *e, bool shadow)
{
    uint32_t revision;
    return e->read32 && e->read32(e->opaque, v->vmcs_link_ptr, &revision) &&
           revision == (VMCS_REVISION | (shadow ? VMCS_SHADOW_INDICATOR : 0));
}

/* Event injection */
static inline bool inject_vector_ok(uint32_t type, uint32_t vector)
{
    switch (type) {
    case VMX_INTR_NMI: return vector == EXC_NMI;
    case VMX_INTR_HW_EXC: return vector <= 31;
    case VMX_INTR_OTHER: return vector == 0;
    default: return true;
    }
}

static inline bool inject_is_soft(uint32_t type)
{
    return type == VMX_INTR_SW_INT || type == VMX_INTR_PRIV_SW_EXC || type == VMX_INTR_SW_EXC;
}

static inline bool inject_has_error(const struct vmcs *v, bool unrestricted)
{
    const uint32_t with_error = 1u << EXC_DF | 1u << EXC_TS | 1u << EXC_NP | 1u << EXC_SS |
                                1u << EXC_GP | 1u << EXC_PF | 1u << EXC_AC;
    const uint32_t vector = v->entry_intr_info & VMX_INTR_VECTOR_MASK;
    return (v->entry_intr_info & VMX_INTR_TYPE_MASK) == VMX_INTR_HW_EXC && vector < 32 &&
           (with_error >> vector & 1) && (!unrestricted || (v->guest_cr0 & CR0_PE));
}

static bool activity_inject_ok(const struct vmcs *v)
{
    const uint32_t type = v->entry_intr_info & VMX_INTR_TYPE_MASK;
    const uint32_t vector = v->entry_intr_info & VMX_INTR_VECTOR_MASK;
    const bool machine_check = type == VMX_INTR_HW_EXC && vector == EXC_MC;
    switch (v->guest_activity) {
    case VMX_ACTIVITY_HLT:
        return type == VMX_INTR_EXT || type == VMX_INTR_NMI || type == VMX_INTR_OTHER ||
               machine_check || (type == VMX_INTR_HW_EXC && vector == EXC_DB);
    case VMX_ACTIVITY_SHUTDOWN: return type == VMX_INTR_NMI || machine_check;
    case VMX_ACTIVITY_SIPI: return false;
    default: return true;
    }
}

/* Access rights */
static inline bool unusable(uint32_t ar)
{
    return ar & VMX_AR_UNUSABLE;
}
static inline uint32_t usable_ar(uint32_t ar)
{
    return unusable(ar) ? 0 : ar;
}
static inline bool usable_has(uint32_t ar, uint32_t bit)
{
    return unusable(ar) || (ar & bit);
}
static inline unsigned ar_dpl(uint32_t ar)
{
    return ar >> VMX_AR_DPL_SHIFT & 3;
}
static inline bool data_type_ok(uint32_t ar)
{
    return unusable(ar) || ((ar & 1) && (!(ar & 8) || (ar & 2)));
}
static inline bool data_dpl_ok(uint32_t ar, uint16_t sel)
{
    return unusable(ar) || (ar & VMX_AR_TYPE) > 11 || ar_dpl(ar) >= (sel & 3u);
}
static inline bool gran_ok(uint32_t ar, uint32_t limit)
{
    if (ar & VMX_AR_G)
        return (limit & 0xfff) == 0xfff;
    return !(limit & 0xfff00000u);
}
static inline bool usable_gran_ok(uint32_t ar, uint32_t limit)
{
    return unusable(ar) || gran_ok(ar, limit);
}

static inline bool cs_dpl_ok(const struct vmcs *v)
{
    const unsigned cs = ar_dpl(v->guest_cs_ar), ss = ar_dpl(v->guest_ss_ar);
    switch (v->guest_cs_ar & VMX_AR_TYPE) {
    case 3: return cs == 0;
    case 9:
    case 11: return cs == ss;
    case 13:
    case 15: return cs <= ss;
    default: return true; /* the type rule fails */
    }
}

/* Pending debug exceptions */
static inline bool pdbg_bs_matters(const struct vmcs *v)
{
    return (v->guest_interruptibility & (VMX_INT_BLOCK_STI | VMX_INT_BLOCK_MOVSS)) ||
           v->guest_activity == VMX_ACTIVITY_HLT;
}
static inline bool single_steps(const struct vmcs *v)
{
    return (v->guest_rflags & FL_TF) && !(v->guest_debugctl & 2);
}

static inline bool pdpte_ok(const struct vmx_env *e, uint64_t pdpte)
{
    /* reserved: 2:1, 8:5 and what is beyond the physical-address width */
    return !(pdpte & 1) || !(pdpte & (0x1e6 | (~e->phys_mask & ~0xfffull)));
}

/* One pass over the rules of constant `groups`; with `failing` all are noted, else it stops at the
 * first. Inlined once per group, so rules of other groups fold away. */
static inline __attribute__((always_inline)) enum vmx_check
run(const struct vmcs *v, const struct vmx_env *e, const unsigned groups, uint64_t *failing)
{
    const uint32_t p2 = v->proc_ctl & VMX_PROC_SECONDARY ? v->proc2_ctl : 0;
    const bool tpr_shadow = v->proc_ctl & VMX_PROC_TPR_SHADOW;
    const bool ept = p2 & VMX_PROC2_EPT, ug = p2 & VMX_PROC2_UNRESTRICTED;
    const bool vid = p2 & VMX_PROC2_VID, posted = v->pin_ctl & VMX_PIN_POSTED_INT;
    const bool eptp_switching = (p2 & VMX_PROC2_VMFUNC) &&
                                (v->vmfunc_ctl & VMX_VMFUNC_EPTP_SWITCHING);
    const bool ia32e = v->entry_ctl & VMX_NCTL_IA32E_GUEST;
    const bool load_debug = v->entry_ctl & VMX_NCTL_LOAD_DEBUG;
    const bool load_efer = v->entry_ctl & VMX_NCTL_LOAD_EFER;
    const bool host64 = v->exit_ctl & VMX_XCTL_HOST_64;
    const bool v86 = v->guest_rflags & FL_VM;
    const bool injects = v->entry_intr_info & VMX_INTR_VALID;
    const uint32_t inj_type = v->entry_intr_info & VMX_INTR_TYPE_MASK;
    const uint32_t inj_vector = v->entry_intr_info & VMX_INTR_VECTOR_MASK;
    enum vmx_check first = VMX_CHECK_NONE;

    (void)p2, (void)tpr_shadow, (void)ept, (void)ug, (void)ia32e, (void)load_debug, (void)load_efer;
    (void)host64, (void)v86, (void)injects, (void)inj_type, (void)inj_vector;
    (void)eptp_switching, (void)vid, (void)posted;
#define VMX_CHECK(name, group, sdm, qual, ok, rule)                                               \
    if ((groups & VMX_CG_##group) && !(ok)) {                                                     \
        if (!failing)                                                                             \
            return VMX_CHECK_##name;                                                              \
        if (first == VMX_CHECK_NONE)                                                              \
            first = VMX_CHECK_##name;                                                             \
        failing[VMX_CHECK_##name / 64] |= 1ull << (VMX_CHECK_##name % 64);                        \
    }
#include "cpu/vmx/checks.def"
#undef VMX_CHECK
    return first;
}

#define RUN_GROUP(fn, group)                                                                      \
    static enum vmx_check fn(const struct vmcs *v, const struct vmx_env *e)                       \
    {                                                                                             \
        return run(v, e, group, NULL);                                                            \
    }
RUN_GROUP(run_exec, VMX_CG_EXEC)
RUN_GROUP(run_exit, VMX_CG_EXIT)
RUN_GROUP(run_entry, VMX_CG_ENTRY)
RUN_GROUP(run_host, VMX_CG_HOST)
RUN_GROUP(run_greg, VMX_CG_GREG)
RUN_GROUP(run_gseg, VMX_CG_GSEG)
RUN_GROUP(run_grip, VMX_CG_GRIP)
RUN_GROUP(run_gnon, VMX_CG_GNON)

enum vmx_check vmx_check_run(const struct vmcs *v, const struct vmx_env *e, unsigned groups)
{
    static enum vmx_check (*const run_of[])(const struct vmcs *, const struct vmx_env *) = {
        run_exec, run_exit, run_entry, run_host, run_greg, run_gseg, run_grip, run_gnon,
    };
    for (unsigned g = 0; groups >> g; g++) {
        if (!(groups >> g & 1))
            continue;
        const enum vmx_check failed = run_of[g](v, e);
        if (failed != VMX_CHECK_NONE)
            return failed;
    }
    return VMX_CHECK_NONE;
}

unsigned vmx_check_all(const struct vmcs *v, const struct vmx_env *e,
                       uint64_t failing[VMX_CHECK_WORDS])
{
    unsigned n = 0;
    for (unsigned i = 0; i < VMX_CHECK_WORDS; i++)
        failing[i] = 0;
    run(v, e, VMX_CG_ALL, failing);
    for (unsigned i = 0; i < VMX_CHECK_WORDS; i++)
        n += (unsigned)__builtin_popcountll(failing[i]);
    return n;
}
