/* Every rule of cpu/vmx/checks.def has a VMCS that breaks it and nothing else. */
#include <check.h>
#include <string.h>

#include "abi/x86.h"
#include "cpu/vmx/vmx.h"
#include "tests/lib/vmcs_good.h"

enum base { G64, PLAIN, PAE, V86, REAL };

struct breaker {
    enum vmx_check rule;
    enum base base;
    void (*apply)(struct vmcs *v, struct vmx_env *e);
};

static bool read_revision(void *opaque, uint64_t pa, uint32_t *value)
{
    (void)opaque;
    (void)pa;
    *value = VMCS_REVISION;
    return true;
}

#define INJECT(type, vector) (VMX_INTR_VALID | (type) | (vector))
#define SEC (uint32_t) VMX_PROC_SECONDARY

/* rule, base, statements on v and e: one table feeds the functions and the array */
#define BREAKERS                                                                                  \
    B(PIN_RESERVED, G64, v->pin_ctl &= ~2u)                                                       \
    B(PROC_RESERVED, G64, v->proc_ctl |= 1u << 17)                                                \
    B(PROC2_RESERVED, G64, v->proc2_ctl |= 1u << 15)                                              \
    B(CR3_TARGET_COUNT, G64, v->cr3_target_count = 5)                                             \
    B(IO_BITMAP_A, G64, v->io_bitmap_a |= 1)                                                      \
    B(IO_BITMAP_B, G64, v->io_bitmap_b |= 1ull << 45)                                             \
    B(MSR_BITMAP, G64, v->msr_bitmap |= 0x800)                                                    \
    B(VIRTUAL_APIC, G64, v->virtual_apic_addr |= 0x10)                                            \
    B(TPR_THRESHOLD_RESERVED, G64, v->tpr_threshold = 0x10)                                       \
    B(TPR_THRESHOLD_VTPR, G64, v->tpr_threshold = 1)                                              \
    B(VIRTUAL_NMI, G64, v->pin_ctl &= ~(uint32_t)VMX_PIN_NMI)                                     \
    B(NMI_WINDOW, G64, v->pin_ctl &= ~(uint32_t)VMX_PIN_VIRTUAL_NMI;                              \
      v->proc_ctl |= VMX_PROC_NMI_WINDOW)                                                         \
    B(APIC_ACCESS_ADDR, G64, v->proc2_ctl |= VMX_PROC2_APIC_ACCESS; v->apic_access_addr = 8)      \
    B(X2APIC_NO_SHADOW, G64, v->proc_ctl &= ~(uint32_t)VMX_PROC_TPR_SHADOW;                       \
      v->proc2_ctl |= VMX_PROC2_X2APIC)                                                           \
    B(APIC_REG_NO_SHADOW, G64, v->proc_ctl &= ~(uint32_t)VMX_PROC_TPR_SHADOW;                     \
      v->proc2_ctl |= VMX_PROC2_APIC_REG)                                                         \
    B(VID_NO_SHADOW, G64, v->proc_ctl &= ~(uint32_t)VMX_PROC_TPR_SHADOW;                          \
      v->proc2_ctl |= VMX_PROC2_VID)                                                              \
    B(X2APIC_AND_ACCESS, G64, v->proc2_ctl |= VMX_PROC2_X2APIC | VMX_PROC2_APIC_ACCESS)           \
    B(VID_EXT_INT, G64, v->pin_ctl &= ~(uint32_t)VMX_PIN_EXT_INT; v->proc2_ctl |= VMX_PROC2_VID)  \
    B(POSTED_VID, G64, post(v); v->proc2_ctl &= ~(uint32_t)VMX_PROC2_VID)                         \
    B(POSTED_ACK, G64, post(v); v->exit_ctl &= ~(uint32_t)VMX_XCTL_ACK_INT)                       \
    B(POSTED_VECTOR, G64, post(v); v->posted_vector = 0x100)                                      \
    B(POSTED_DESC, G64, post(v); v->posted_desc_addr = 32)                                        \
    B(VPID_ZERO, G64, v->vpid = 0)                                                                \
    B(EPTP_MEMTYPE, G64, v->eptp = (v->eptp & ~7ull) | 4)                                         \
    B(EPTP_WALK, G64, v->eptp = (v->eptp & ~0x38ull) | 0x20)                                      \
    B(EPTP_RESERVED, G64, v->eptp |= 0x80)                                                        \
    B(UNRESTRICTED_EPT, G64, v->proc2_ctl &= ~(uint32_t)VMX_PROC2_EPT)                            \
    B(PML_EPT, PLAIN, v->proc_ctl |= SEC; v->proc2_ctl = VMX_PROC2_PML)                           \
    B(PML_ADDR, G64, v->proc2_ctl |= VMX_PROC2_PML; v->pml_addr = 8)                              \
    B(VMFUNC_RESERVED, G64, v->proc2_ctl |= VMX_PROC2_VMFUNC; v->vmfunc_ctl = 2)                  \
    B(EPTP_SWITCHING_EPT, PLAIN, v->proc_ctl |= SEC; v->proc2_ctl = VMX_PROC2_VMFUNC;             \
      v->vmfunc_ctl = 1)                                                                          \
    B(EPTP_LIST, G64, v->proc2_ctl |= VMX_PROC2_VMFUNC; v->vmfunc_ctl = 1;                        \
      v->eptp_list_addr = 1ull << 45)                                                             \
    B(VMREAD_BITMAP, G64, v->proc2_ctl |= VMX_PROC2_SHADOW_VMCS; v->vmread_bitmap = 1)            \
    B(VMWRITE_BITMAP, G64, v->proc2_ctl |= VMX_PROC2_SHADOW_VMCS; v->vmwrite_bitmap = 1)          \
    B(VE_INFO, G64, v->proc2_ctl |= VMX_PROC2_EPT_VE; v->ve_info_addr = 0x800)                    \
    B(TSC_MULTIPLIER, G64, v->proc2_ctl |= VMX_PROC2_TSC_SCALING)                                 \
    B(EXIT_RESERVED, G64, v->exit_ctl |= VMX_XCTL_CLEAR_BNDCFGS)                                  \
    B(SAVE_TIMER, G64, v->pin_ctl &= ~(uint32_t)VMX_PIN_PREEMPTION_TIMER)                         \
    B(EXIT_MSR_STORE, G64, v->exit_msr_store_count = 1; v->exit_msr_store_addr = 8)               \
    B(EXIT_MSR_LOAD, G64, v->exit_msr_load_count = 2; v->exit_msr_load_addr = (1ull << 39) - 16)  \
    B(ENTRY_RESERVED, G64, v->entry_ctl |= VMX_NCTL_SMM)                                          \
    B(INJECT_TYPE, G64, v->entry_intr_info = INJECT(1u << 8, 0x20))                               \
    B(INJECT_VECTOR, G64, v->entry_intr_info = INJECT(VMX_INTR_HW_EXC, 32))                       \
    B(INJECT_ERROR_BIT, G64, v->entry_intr_info = INJECT(VMX_INTR_HW_EXC, EXC_GP))                \
    B(INJECT_RESERVED, G64, v->entry_intr_info = INJECT(VMX_INTR_EXT, 0x20) | 1u << 12)           \
    B(INJECT_ERROR_CODE, G64,                                                                     \
      v->entry_intr_info = INJECT(VMX_INTR_HW_EXC, EXC_GP) | VMX_INTR_ERROR_CODE;                 \
      v->entry_error_code = 0x10000)                                                              \
    B(INJECT_LENGTH, G64, v->entry_intr_info = INJECT(VMX_INTR_SW_INT, 0x80);                     \
      v->entry_insn_len = 16)                                                                     \
    B(ENTRY_MSR_LOAD, G64, v->entry_msr_load_count = 1; v->entry_msr_load_addr = 1)               \
    B(HOST_CR0, G64, v->host_cr0 &= ~(uint64_t)CR0_NE)                                            \
    B(HOST_CR4, G64, v->host_cr4 &= ~(uint64_t)CR4_VMXE)                                          \
    B(HOST_CR3, G64, v->host_cr3 |= 1ull << 40)                                                   \
    B(HOST_SYSENTER, G64, v->host_sysenter_eip = 1ull << 47)                                      \
    B(HOST_PAT, G64, v->host_pat = 2)                                                             \
    B(HOST_PERF_GLOBAL, G64, v->exit_ctl |= VMX_XCTL_LOAD_PERF_GLOBAL;                            \
      v->host_perf_global = 1ull << 63)                                                           \
    B(HOST_EFER_RESERVED, G64, v->host_efer |= 2)                                                 \
    B(HOST_EFER_LMA, G64, v->host_efer &= ~(uint64_t)EFER_LME)                                    \
    B(HOST_SEL_RPL_TI, G64, v->host_ds_sel |= 3)                                                  \
    B(HOST_CS_NULL, G64, v->host_cs_sel = 0)                                                      \
    B(HOST_TR_NULL, G64, v->host_tr_sel = 0)                                                      \
    B(HOST_SS_NULL, PAE, legacy_host(v, e); v->host_ss_sel = 0)                                   \
    B(HOST_BASES, G64, v->host_gs_base = 1ull << 60)                                              \
    B(SIZE_LEGACY_HOST, PAE, e->lma = false)                                                      \
    B(SIZE_LEGACY_GUEST, G64, legacy_host(v, e))                                                  \
    B(SIZE_IA32E_HOST, PAE, legacy_host(v, e); e->lma = true)                                     \
    B(SIZE_HOST32_PCIDE, PAE, legacy_host(v, e); v->host_cr4 |= CR4_PCIDE)                        \
    B(SIZE_HOST32_RIP, PAE, legacy_host(v, e); v->host_rip = 1ull << 32)                          \
    B(SIZE_HOST64_PAE, G64, v->host_cr4 &= ~(uint64_t)CR4_PAE)                                    \
    B(SIZE_HOST64_RIP, G64, v->host_rip = 1ull << 50)                                             \
    B(GUEST_CR0, G64, v->guest_cr0 &= ~(uint64_t)CR0_NE)                                          \
    B(GUEST_CR0_PG_PE, REAL, v->guest_cr0 |= CR0_PG)                                              \
    B(GUEST_CR4, G64, v->guest_cr4 |= 1u << 11)                                                   \
    B(GUEST_DEBUGCTL, G64, v->guest_debugctl = 1u << 5)                                           \
    B(GUEST_IA32E_PG, G64, v->guest_cr0 &= ~(uint64_t)CR0_PG)                                     \
    B(GUEST_IA32E_PAE, G64, v->guest_cr4 &= ~(uint64_t)CR4_PAE)                                   \
    B(GUEST_PCIDE, PAE, v->guest_cr4 |= CR4_PCIDE)                                                \
    B(GUEST_CR3, G64, v->guest_cr3 |= 1ull << 39)                                                 \
    B(GUEST_DR7, G64, v->guest_dr7 |= 1ull << 32)                                                 \
    B(GUEST_SYSENTER, G64, v->guest_sysenter_esp = 1ull << 47)                                    \
    B(GUEST_PAT, G64, v->guest_pat = 8)                                                           \
    B(GUEST_PERF_GLOBAL, G64, v->entry_ctl |= VMX_NCTL_LOAD_PERF_GLOBAL;                          \
      v->guest_perf_global = 1ull << 63)                                                          \
    B(GUEST_EFER_RESERVED, G64, v->guest_efer |= 1u << 12)                                        \
    B(GUEST_EFER_LMA, PAE, v->guest_efer = EFER_LMA | EFER_LME)                                   \
    B(GUEST_EFER_LME, PAE, v->guest_efer = EFER_LME)                                              \
    B(TR_TI, G64, v->guest_tr_sel |= 4)                                                           \
    B(LDTR_TI, G64, v->guest_ldtr_sel |= 4)                                                       \
    B(SS_RPL, PLAIN, v->guest_cs_sel |= 1)                                                        \
    B(V86_BASE, V86, v->guest_fs_base = 0)                                                        \
    B(TR_BASE, G64, v->guest_tr_base = 1ull << 47)                                                \
    B(FS_BASE, G64, v->guest_fs_base = 1ull << 47)                                                \
    B(GS_BASE, G64, v->guest_gs_base = 1ull << 47)                                                \
    B(LDTR_BASE, G64, v->guest_ldtr_base = 1ull << 47)                                            \
    B(CS_BASE, G64, v->guest_cs_base = 1ull << 32)                                                \
    B(SS_BASE, G64, v->guest_ss_base = 1ull << 32)                                                \
    B(DS_BASE, G64, v->guest_ds_base = 1ull << 32)                                                \
    B(ES_BASE, G64, v->guest_es_base = 1ull << 32)                                                \
    B(V86_LIMIT, V86, v->guest_gs_limit = 0xfffff)                                                \
    B(V86_AR, V86, v->guest_ds_ar = 0x93)                                                         \
    B(CS_TYPE, G64, v->guest_cs_ar &= ~1u)                                                        \
    B(SS_TYPE, G64, v->guest_ss_ar &= ~2u)                                                        \
    B(DS_TYPE, G64, v->guest_ds_ar &= ~1u)                                                        \
    B(ES_TYPE, G64, v->guest_es_ar = 0xc099)                                                      \
    B(FS_TYPE, G64, v->guest_fs_ar &= ~1u)                                                        \
    B(GS_TYPE, G64, v->guest_gs_ar &= ~1u)                                                        \
    B(CS_S, G64, v->guest_cs_ar &= ~0x10u)                                                        \
    B(DATA_S, G64, v->guest_fs_ar &= ~0x10u)                                                      \
    B(CS_DPL, G64, v->guest_cs_ar |= 0x60)                                                        \
    B(SS_DPL_RPL, PLAIN, v->guest_cs_sel |= 3; v->guest_ss_sel |= 3)                              \
    B(SS_DPL_ZERO, REAL, v->guest_ss_ar |= 0x60)                                                  \
    B(DS_DPL, PLAIN, v->guest_ds_sel |= 3)                                                        \
    B(ES_DPL, PLAIN, v->guest_es_sel |= 1)                                                        \
    B(FS_DPL, PLAIN, v->guest_fs_sel |= 2)                                                        \
    B(GS_DPL, PLAIN, v->guest_gs_sel |= 3)                                                        \
    B(CS_P, G64, v->guest_cs_ar &= ~0x80u)                                                        \
    B(DATA_P, G64, v->guest_gs_ar &= ~0x80u)                                                      \
    B(CS_RESERVED, G64, v->guest_cs_ar |= 0x100)                                                  \
    B(DATA_RESERVED, G64, v->guest_es_ar |= 1u << 20)                                             \
    B(CS_L_D, G64, v->guest_cs_ar |= 0x4000)                                                      \
    B(CS_G, G64, v->guest_cs_limit = 0xfffff000)                                                  \
    B(DATA_G, G64, v->guest_ss_ar &= ~0x8000u)                                                    \
    B(TR_TYPE, G64, v->guest_tr_ar = 0x89)                                                        \
    B(TR_S, G64, v->guest_tr_ar |= 0x10)                                                          \
    B(TR_P, G64, v->guest_tr_ar &= ~0x80u)                                                        \
    B(TR_RESERVED, G64, v->guest_tr_ar |= 0x200)                                                  \
    B(TR_G, G64, v->guest_tr_ar |= 0x8000)                                                        \
    B(TR_UNUSABLE, G64, v->guest_tr_ar |= 0x10000)                                                \
    B(LDTR_TYPE, G64, v->guest_ldtr_ar = 0x83)                                                    \
    B(LDTR_S, G64, v->guest_ldtr_ar |= 0x10)                                                      \
    B(LDTR_P, G64, v->guest_ldtr_ar &= ~0x80u)                                                    \
    B(LDTR_RESERVED, G64, v->guest_ldtr_ar |= 0x400)                                              \
    B(LDTR_G, G64, v->guest_ldtr_ar |= 0x8000)                                                    \
    B(DT_BASE, G64, v->guest_idtr_base = 1ull << 47)                                              \
    B(DT_LIMIT, G64, v->guest_gdtr_limit = 0x10000)                                               \
    B(RIP_HIGH, PAE, v->guest_rip = 1ull << 32)                                                   \
    B(RIP_CANONICAL, G64, v->guest_rip = 1ull << 47)                                              \
    B(RFLAGS_RESERVED, G64, v->guest_rflags |= 8)                                                 \
    B(RFLAGS_VM, V86, v->guest_cr0 &= ~(uint64_t)(CR0_PE | CR0_PG))                               \
    B(RFLAGS_IF, G64, v->guest_rflags = FL_FIXED1;                                                \
      v->entry_intr_info = INJECT(VMX_INTR_EXT, 0x40))                                            \
    B(ACTIVITY, G64, v->guest_activity = 4)                                                       \
    B(ACTIVITY_HLT_DPL, G64, user_mode(v); v->guest_activity = VMX_ACTIVITY_HLT)                  \
    B(ACTIVITY_BLOCKING, G64, v->guest_activity = VMX_ACTIVITY_HLT;                               \
      v->guest_interruptibility = VMX_INT_BLOCK_STI)                                              \
    B(ACTIVITY_INJECT, G64, v->guest_activity = VMX_ACTIVITY_SHUTDOWN;                            \
      v->entry_intr_info = INJECT(VMX_INTR_EXT, 0x40))                                            \
    B(INTR_RESERVED, G64, v->guest_interruptibility = 1u << 5)                                    \
    B(INTR_STI_MOVSS, G64,                                                                        \
      v->guest_interruptibility = VMX_INT_BLOCK_STI | VMX_INT_BLOCK_MOVSS)                        \
    B(INTR_STI_IF, G64, v->guest_rflags = FL_FIXED1;                                              \
      v->guest_interruptibility = VMX_INT_BLOCK_STI)                                              \
    B(INTR_EXT_INJECT, G64, v->entry_intr_info = INJECT(VMX_INTR_EXT, 0x40);                      \
      v->guest_interruptibility = VMX_INT_BLOCK_MOVSS)                                            \
    B(INTR_NMI_MOVSS, G64, v->entry_intr_info = INJECT(VMX_INTR_NMI, 2);                          \
      v->guest_interruptibility = VMX_INT_BLOCK_MOVSS)                                            \
    B(INTR_SMI, G64, v->guest_interruptibility = VMX_INT_BLOCK_SMI)                               \
    B(INTR_NMI_VIRTUAL, G64, v->entry_intr_info = INJECT(VMX_INTR_NMI, 2);                        \
      v->guest_interruptibility = VMX_INT_BLOCK_NMI)                                              \
    B(PDBG_RESERVED, G64, v->guest_pending_dbg = 1u << 5)                                         \
    B(PDBG_BS_SET, G64, v->guest_rflags |= FL_TF; v->guest_activity = VMX_ACTIVITY_HLT)           \
    B(PDBG_BS_CLEAR, G64, v->guest_pending_dbg = VMX_PDBG_BS;                                     \
      v->guest_activity = VMX_ACTIVITY_HLT)                                                       \
    B(LINK_ADDR, G64, v->vmcs_link_ptr = 0x10)                                                    \
    B(LINK_REVISION, G64, v->vmcs_link_ptr = 0x8000)                                              \
    B(LINK_CURRENT, G64, v->vmcs_link_ptr = e->current; e->read32 = read_revision)                \
    B(PDPTE, PAE, v->guest_pdpte2 = 0x8003)

static void legacy_host(struct vmcs *v, struct vmx_env *e)
{
    e->lma = false;
    v->exit_ctl &= ~(uint32_t)VMX_XCTL_HOST_64;
    v->host_efer = 0;
    v->host_rip = 0x100000;
}

static void post(struct vmcs *v)
{
    v->pin_ctl |= VMX_PIN_POSTED_INT;
    v->proc2_ctl |= VMX_PROC2_VID;
    v->exit_ctl |= VMX_XCTL_ACK_INT;
}

static void user_mode(struct vmcs *v)
{
    v->guest_cs_sel |= 3;
    v->guest_ss_sel |= 3;
    v->guest_cs_ar |= 0x60;
    v->guest_ss_ar |= 0x60;
}

#define B(name, base, body)                                                                       \
    static void break_##name(struct vmcs *v, struct vmx_env *e)                                   \
    {                                                                                             \
        (void)v, (void)e;                                                                         \
        body;                                                                                     \
    }
BREAKERS
#undef B
#define B(name, base, body) {VMX_CHECK_##name, base, break_##name},
static const struct breaker breakers[] = {BREAKERS};
#undef B
#define BREAKER_COUNT (sizeof breakers / sizeof breakers[0])

static void make_base(enum base base, struct vmcs *v)
{
    switch (base) {
    case G64: vmcs_good64(v); break;
    case PLAIN: vmcs_good64_plain(v); break;
    case PAE: vmcs_good32_pae(v); break;
    case V86: vmcs_good_v86(v); break;
    case REAL: vmcs_good_real(v); break;
    }
}

static const char *failing_names(const uint64_t *set)
{
    static char buf[2048];
    buf[0] = 0;
    for (unsigned i = 1; i < VMX_CHECK_COUNT; i++)
        if (set[i / 64] >> (i % 64) & 1) {
            strncat(buf, vmx_checks[i].id, sizeof buf - strlen(buf) - 2);
            strcat(buf, " ");
        }
    return buf;
}

START_TEST(good_vmcs_of_each_mode_passes)
{
    for (enum base b = G64; b <= REAL; b++) {
        struct vmcs v;
        struct vmx_env e;
        uint64_t set[VMX_CHECK_WORDS];
        make_base(b, &v);
        vmx_env_good(&e);
        ck_assert_msg(vmx_check_all(&v, &e, set) == 0, "base %d: %s", b, failing_names(set));
        ck_assert_int_eq(vmx_check_run(&v, &e, VMX_CG_ALL), VMX_CHECK_NONE);
    }
}
END_TEST

START_TEST(each_breaker_trips_exactly_its_rule)
{
    const struct breaker *b = &breakers[_i];
    struct vmcs v;
    struct vmx_env e;
    uint64_t set[VMX_CHECK_WORDS];
    make_base(b->base, &v);
    vmx_env_good(&e);
    b->apply(&v, &e);
    const unsigned n = vmx_check_all(&v, &e, set);
    ck_assert_msg(n == 1 && (set[b->rule / 64] >> (b->rule % 64) & 1), "%s: failing: %s",
                  vmx_checks[b->rule].id, failing_names(set));
    ck_assert_int_eq(vmx_check_run(&v, &e, VMX_CG_ALL), b->rule);
    ck_assert_int_eq(vmx_check_run(&v, &e, vmx_checks[b->rule].group), b->rule);
    ck_assert_int_eq(vmx_check_run(&v, &e, VMX_CG_ALL & ~vmx_checks[b->rule].group),
                     VMX_CHECK_NONE);
}
END_TEST

START_TEST(every_rule_has_a_breaker)
{
    for (unsigned r = 1; r < VMX_CHECK_COUNT; r++) {
        bool found = r == VMX_CHECK_SIZE_HOST32_GUEST; /* implied by two other rules */
        for (unsigned i = 0; i < BREAKER_COUNT; i++)
            found |= breakers[i].rule == r;
        ck_assert_msg(found, "no case for %s", vmx_checks[r].id);
    }
}
END_TEST

/* Dirty groups: a change of one field by VMWRITE marks the group of every rule that it breaks. */
START_TEST(dirty_groups_cover_what_a_breaker_changes)
{
    const struct breaker *b = &breakers[_i];
    struct vmcs good, bad;
    struct vmx_env e;
    unsigned dirty = 0;
    make_base(b->base, &good);
    bad = good;
    vmx_env_good(&e);
    b->apply(&bad, &e);
    bool changed = false;
    for (unsigned i = 0; i < vmcs_field_count; i++)
        if (vmcs_get(&good, &vmcs_fields[i]) != vmcs_get(&bad, &vmcs_fields[i])) {
            dirty |= vmcs_dirties(&vmcs_fields[i]);
            changed = true;
        }
    if (changed)
        ck_assert_msg(dirty & vmx_checks[b->rule].group, "%s is not marked dirty",
                      vmx_checks[b->rule].id);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("vmx checks");
    TCase *t = tcase_create("rules");
    tcase_add_test(t, good_vmcs_of_each_mode_passes);
    tcase_add_loop_test(t, each_breaker_trips_exactly_its_rule, 0, (int)BREAKER_COUNT);
    tcase_add_test(t, every_rule_has_a_breaker);
    tcase_add_loop_test(t, dirty_groups_cover_what_a_breaker_changes, 0, (int)BREAKER_COUNT);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
