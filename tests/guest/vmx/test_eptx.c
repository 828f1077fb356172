/* Page-modification log, EPTP switching by VMFUNC, virtualization exceptions (SDM 3C 26.5.6,
 * 26.5.7, 29.3.6). The guest-physical page `window` is remapped; the rest is identity. */
#include "vt.h"

#define PAGE __attribute__((aligned(4096)))
static uint8_t window[4096] PAGE, elsewhere[4096] PAGE;
static uint64_t list[512] PAGE, log[512] PAGE, other_pml4[512] PAGE, other_pdpt[512] PAGE,
    other_pd[512] PAGE, other_pt[512] PAGE;
static struct {
    uint32_t reason, busy;
    uint64_t qual, gla, gpa;
    uint16_t eptp_index;
} ve PAGE;

#define PTE(p) vt_ept_pt[(uintptr_t)(p) >> 12]
#define RWX    (EPT_R | EPT_W | EPT_X)
#define WB     ((uint64_t)EPT_MT_WB << EPT_MT_SHIFT)
#define AT     ((uintptr_t)window + 8)

GUEST(g_load, "mov (%rsi), %rbx")
GUEST(g_store, "mov %rbx, (%rsi)")
GUEST(g_vmfunc, "vmfunc\n mov (%rsi), %rbx")
GUEST(g_int66, "mov %rsi, %rsp\n add $64, %rsp\n int $0x66")

static bool may2(uint32_t control)
{
    return rdmsr(MSR_VMX_PROCBASED_CTLS2) >> 32 & control;
}

static uint32_t run_at(void (*code)(void))
{
    vt_regs[RSI] = AT;
    return vt_run_code(code);
}

static void clean(void)
{
    PTE(window) = (uintptr_t)window | RWX | WB | EPT_A;
    vt_invept();
}

static void page_log(void)
{
    vt_case("PML: pages whose EPT dirty flag gets set are logged, downwards");
    CHECK(may2(VMX_PROC2_PML));
    vt_setup();
    vt_ept();
    vt_set(VMCS_EPTP, EPTP_AD);
    vt_set(VMCS_PROC2_CTL, VMX_PROC2_PML);
    wr(VMCS_PML_ADDR, (uintptr_t)log);
    wr(VMCS_PML_INDEX, 511);
    EQ(run_at(g_load), VMX_EXIT_VMCALL); /* dirties tables that the walks write to */
    EQ(run_at(g_store), VMX_EXIT_VMCALL);
    clean();
    wr(VMCS_PML_INDEX, 300);
    log[300] = log[299] = 0;
    EQ(run_at(g_load), VMX_EXIT_VMCALL);
    EQ(rd(VMCS_PML_INDEX), 300);
    EQ(run_at(g_store), VMX_EXIT_VMCALL);
    EQ(rd(VMCS_PML_INDEX), 299);
    EQ(log[300], (uintptr_t)window);
    EQ(PTE(window) & EPT_D, EPT_D);
    EQ(run_at(g_store), VMX_EXIT_VMCALL);
    EQ(rd(VMCS_PML_INDEX), 299); /* dirty already */

    vt_case("PML: the exit by a full log comes before the access and leaves the flags");
    clean();
    wr(VMCS_PML_INDEX, 0);
    EQ(run_at(g_store), VMX_EXIT_VMCALL);
    EQ(rd(VMCS_PML_INDEX), 0xffff);
    EQ(log[0], (uintptr_t)window);
    clean();
    vt_regs[RBX] = 0x77;
    *(uint64_t *)(void *)(window + 8) = 0x11;
    EQ(run_at(g_store), VMX_EXIT_PML_FULL);
    EQ(rd(VMCS_GUEST_RIP), (uintptr_t)g_store);
    EQ(PTE(window) & EPT_D, 0);
    EQ(*(uint64_t *)(void *)(window + 8), 0x11);
    EQ(run_at(g_int66), VMX_EXIT_PML_FULL); /* in event delivery */
    EQ(rd(VMCS_IDT_VEC_INFO), VMX_INTR_VALID | VMX_INTR_SW_INT | 0x66);
    vt_clear(VMCS_EPTP, EPTP_AD);
    vt_invept();
    EQ(run_at(g_store), VMX_EXIT_VMCALL);
    wr(VMCS_PROC2_CTL, VMX_PROC2_PML);
    EQ(vt_run_code(g_load), VT_FAIL | VMX_ERR_ENTRY_CONTROLS); /* needs EPT */
}

/* A second set of tables, like the first but that `window` is `elsewhere`. */
static uint64_t other_tables(void)
{
    for (unsigned i = 0; i < 512; i++) {
        other_pt[i] = vt_ept_pt[i];
        other_pd[i] = vt_ept_pd[i];
    }
    for (unsigned i = 1; i < 4; i++)
        other_pdpt[i] = (uintptr_t)(vt_ept_pd + 512 * i) | RWX;
    other_pt[(uintptr_t)window >> 12] = (uintptr_t)elsewhere | RWX | WB;
    other_pd[0] = (uintptr_t)other_pt | RWX;
    other_pdpt[0] = (uintptr_t)other_pd | RWX;
    other_pml4[0] = (uintptr_t)other_pdpt | RWX;
    return (uintptr_t)other_pml4 | EPT_MT_WB | EPTP_WALK4;
}

static uint32_t vmfunc(uint32_t eax, uint32_t ecx)
{
    vt_regs[RAX] = eax;
    vt_regs[RCX] = ecx;
    return run_at(g_vmfunc);
}

static void eptp_switching(void)
{
    vt_case("VMFUNC: #UD unless enabled, exits for what is not allowed");
    CHECK(may2(VMX_PROC2_VMFUNC));
    EQ(rdmsr(MSR_VMX_VMFUNC) & VMX_VMFUNC_EPTP_SWITCHING, VMX_VMFUNC_EPTP_SWITCHING);
    vt_setup();
    vt_ept();
    wr(VMCS_EXCEPTION_BITMAP, 1u << EXC_UD);
    EQ(vmfunc(0, 0), VMX_EXIT_EXCEPTION_NMI);
    vt_set(VMCS_PROC2_CTL, VMX_PROC2_VMFUNC);
    wr(VMCS_VMFUNC_CTL, 0);
    EQ(vmfunc(0, 0), VMX_EXIT_VMFUNC);
    EQ(rd(VMCS_EXIT_INSN_LEN), 3);
    wr(VMCS_VMFUNC_CTL, VMX_VMFUNC_EPTP_SWITCHING);
    wr(VMCS_EPTP_LIST_ADDR, (uintptr_t)list);
    const uint64_t first = rd(VMCS_EPTP);
    list[0] = first;
    list[1] = other_tables();
    list[2] = list[1] | 0x80;
    EQ(vmfunc(0, 512), VMX_EXIT_VMFUNC);
    EQ(vmfunc(1, 0), VMX_EXIT_VMFUNC);
    EQ(vmfunc(64, 0), VMX_EXIT_VMFUNC);
    EQ(vmfunc(0, 2), VMX_EXIT_VMFUNC); /* would not pass the entry checks */
    EQ(rd(VMCS_EPTP), first);

    vt_case("VMFUNC switches EPT pointers within the guest");
    *(uint64_t *)(void *)(window + 8) = 0x1111;
    *(uint64_t *)(void *)(elsewhere + 8) = 0x2222;
    EQ(run_at(g_load), VMX_EXIT_VMCALL);
    EQ(vt_regs[RBX], 0x1111);
    EQ(vmfunc(0, 1), VMX_EXIT_VMCALL);
    EQ(vt_regs[RBX], 0x2222);
    EQ(rd(VMCS_EPTP), list[1]);
    EQ(vmfunc(0, 0), VMX_EXIT_VMCALL);
    EQ(vt_regs[RBX], 0x1111);
    EQ(rd(VMCS_EPTP), first);
    wr(VMCS_VMFUNC_CTL, 2);
    EQ(vt_run_code(g_load), VT_FAIL | VMX_ERR_ENTRY_CONTROLS);
}

static void virtualization_exceptions(void)
{
    vt_case("#VE: convertible violations are exceptions of the guest, with their information");
    CHECK(may2(VMX_PROC2_EPT_VE));
    vt_setup();
    vt_ept();
    vt_set(VMCS_PROC2_CTL, VMX_PROC2_EPT_VE);
    wr(VMCS_VE_INFO_ADDR, (uintptr_t)&ve);
    wr(VMCS_EPTP_INDEX, 0x123);
    PTE(window) = (uintptr_t)window | EPT_R | EPT_X | WB;
    vt_invept();
    ve.busy = 0;
    vt_skip = 3;
    vt_counts[EXC_VE] = 0;
    EQ(run_at(g_store), VMX_EXIT_VMCALL);
    EQ(vt_counts[EXC_VE], 1);
    EQ(vt_last_rip, (uintptr_t)g_store);
    EQ(ve.reason, VMX_EXIT_EPT_VIOLATION);
    EQ(ve.busy, UINT32_MAX);
    EQ(ve.qual & 0x1bf, VMX_QUAL_EPT_WRITE | VMX_QUAL_EPT_R | VMX_QUAL_EPT_X |
                            VMX_QUAL_EPT_GLA_VALID | VMX_QUAL_EPT_FINAL);
    EQ(ve.gla, AT);
    EQ(ve.gpa, AT);
    EQ(ve.eptp_index, 0x123);

    vt_case("#VE: an exit instead when busy, suppressed, or in event delivery");
    EQ(run_at(g_store), VMX_EXIT_EPT_VIOLATION); /* busy */
    ve.busy = 0;
    PTE(window) |= EPT_SUPPRESS_VE;
    vt_invept();
    EQ(run_at(g_store), VMX_EXIT_EPT_VIOLATION);
    PTE(window) = 0; /* not present: bit 63 of this entry decides */
    vt_invept();
    EQ(run_at(g_load), VMX_EXIT_VMCALL);
    EQ(vt_counts[EXC_VE], 2);
    ve.busy = 0;
    PTE(window) = EPT_SUPPRESS_VE;
    vt_invept();
    EQ(run_at(g_load), VMX_EXIT_EPT_VIOLATION);
    PTE(window) = (uintptr_t)window | EPT_R | WB;
    vt_invept();
    EQ(run_at(g_int66), VMX_EXIT_EPT_VIOLATION);
    EQ(rd(VMCS_IDT_VEC_INFO), VMX_INTR_VALID | VMX_INTR_SW_INT | 0x66);
    EQ(ve.busy, 0);

    vt_case("#VE: the exception bitmap applies");
    wr(VMCS_EXCEPTION_BITMAP, 1u << EXC_VE);
    EQ(run_at(g_store), VMX_EXIT_EXCEPTION_NMI);
    EQ(rd(VMCS_EXIT_INTR_INFO), VMX_INTR_VALID | VMX_INTR_HW_EXC | EXC_VE);
    EQ(ve.busy, UINT32_MAX);
    vt_skip = 0;
    PTE(window) = (uintptr_t)window | RWX | WB;
}

static void advanced_information(void)
{
    vt_case("EPT violations tell the rights of the linear page");
    EQ(rdmsr(MSR_VMX_EPT_VPID_CAP) & VMX_EPTVPID_ADV_INFO, VMX_EPTVPID_ADV_INFO);
    vt_setup();
    vt_ept();
    PTE(window) = 0;
    vt_invept();
    EQ(run_at(g_load), VMX_EXIT_EPT_VIOLATION);
    const uint64_t pde = boot_pd[AT >> 21];
    EQ(rd(VMCS_EXIT_QUAL) & (VMX_QUAL_EPT_RW | VMX_QUAL_EPT_NX), pde & 2 ? VMX_QUAL_EPT_RW : 0);
    EQ(!(rd(VMCS_EXIT_QUAL) & VMX_QUAL_EPT_USER), !(pde & 4));
    PTE(window) = (uintptr_t)window | RWX | WB;
}

void test_ept_extras(void)
{
    page_log();
    eptp_switching();
    virtualization_exceptions();
    advanced_information();
}
