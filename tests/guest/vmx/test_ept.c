/* EPT: translation, violations, misconfigurations, accessed and dirty flags, APIC-access page
 * (SDM 3C 29.3, 30.4). The page of `window` is remapped; the rest is identity. */
#include "vt.h"

static uint8_t window[4096] __attribute__((aligned(4096)));
static uint8_t elsewhere[4096] __attribute__((aligned(4096)));

#define PTE(p) vt_ept_pt[(uintptr_t)(p) >> 12]
#define RWX    (EPT_R | EPT_W | EPT_X)
#define WB     ((uint64_t)EPT_MT_WB << EPT_MT_SHIFT)

GUEST(g_read, "mov (%rsi), %rax")
GUEST(g_write, "mov %rax, (%rsi)")
GUEST(g_rmw, "incl (%rsi)")
GUEST(g_call, "call *%rsi")
GUEST(g_push, "mov %rsi, %rsp\n add $64, %rsp\n int $0x55")
GUEST(g_apic,
      "mov $0x60, %eax\n mov %eax, 0x80(%rsi)\n mov 0x80(%rsi), %edx\n mov 0x20(%rsi), %eax\n"
      "mov %eax, 0xb0(%rsi)")

static void map(uint64_t entry)
{
    PTE(window) = entry;
    vt_invept();
}

static uint32_t run_at(void (*code)(void))
{
    vt_regs[RSI] = (uintptr_t)window + 8;
    return vt_run_code(code);
}

static void violations(void)
{
    const uint64_t at = (uintptr_t)window + 8;
    vt_case("EPT maps guest-physical to machine addresses");
    vt_setup();
    vt_ept();
    *(uint64_t *)(void *)(window + 8) = 0x1111;
    *(uint64_t *)(void *)(elsewhere + 8) = 0x2222;
    EQ(run_at(g_read), VMX_EXIT_VMCALL);
    EQ(vt_regs[RAX], 0x1111);
    map((uintptr_t)elsewhere | RWX | WB);
    EQ(run_at(g_read), VMX_EXIT_VMCALL);
    EQ(vt_regs[RAX], 0x2222);

    vt_case("EPT violations: access, permissions and addresses");
    map((uintptr_t)elsewhere | WB);
    EQ(run_at(g_read), VMX_EXIT_EPT_VIOLATION);
    EQ(rd(VMCS_EXIT_QUAL) & 0x1bf, VMX_QUAL_EPT_READ | VMX_QUAL_EPT_GLA_VALID | VMX_QUAL_EPT_FINAL);
    EQ(rd(VMCS_GUEST_PHYS_ADDR), at);
    EQ(rd(VMCS_GUEST_LINEAR_ADDR), at);
    EQ(rd(VMCS_GUEST_RIP), (uintptr_t)g_read);
    EQ(run_at(g_write), VMX_EXIT_EPT_VIOLATION);
    EQ(rd(VMCS_EXIT_QUAL) & 0x3f, VMX_QUAL_EPT_WRITE);
    EQ(run_at(g_call), VMX_EXIT_EPT_VIOLATION);
    EQ(rd(VMCS_EXIT_QUAL) & 0x3f, VMX_QUAL_EPT_FETCH);
    EQ(rd(VMCS_GUEST_RIP), at);
    map((uintptr_t)elsewhere | EPT_R | EPT_X | WB);
    EQ(run_at(g_read), VMX_EXIT_VMCALL);
    EQ(run_at(g_write), VMX_EXIT_EPT_VIOLATION);
    EQ(rd(VMCS_EXIT_QUAL) & 0x3f, VMX_QUAL_EPT_WRITE | VMX_QUAL_EPT_R | VMX_QUAL_EPT_X);
    EQ(run_at(g_rmw), VMX_EXIT_EPT_VIOLATION);
    EQ(rd(VMCS_EXIT_QUAL) & VMX_QUAL_EPT_WRITE, VMX_QUAL_EPT_WRITE);
    map((uintptr_t)elsewhere | EPT_R | EPT_W | WB);
    EQ(run_at(g_write), VMX_EXIT_VMCALL);
    EQ(run_at(g_call), VMX_EXIT_EPT_VIOLATION);
    EQ(rd(VMCS_EXIT_QUAL) & 0x3f, VMX_QUAL_EPT_FETCH | VMX_QUAL_EPT_R | VMX_QUAL_EPT_W);
    if (rdmsr(MSR_VMX_EPT_VPID_CAP) & VMX_EPTVPID_EXEC_ONLY) {
        map((uintptr_t)elsewhere | EPT_X | WB);
        elsewhere[8] = 0xc3;
        EQ(run_at(g_call), VMX_EXIT_VMCALL);
        EQ(run_at(g_read), VMX_EXIT_EPT_VIOLATION);
        EQ(rd(VMCS_EXIT_QUAL) & 0x3f, VMX_QUAL_EPT_READ | VMX_QUAL_EPT_X);
    }

    vt_case("EPT misconfigurations");
    map((uintptr_t)elsewhere | EPT_W | WB);
    EQ(run_at(g_read), VMX_EXIT_EPT_MISCONFIG);
    EQ(rd(VMCS_GUEST_PHYS_ADDR), at);
    map((uintptr_t)elsewhere | RWX | 2ull << EPT_MT_SHIFT);
    EQ(run_at(g_read), VMX_EXIT_EPT_MISCONFIG);
    map((uintptr_t)elsewhere | RWX | WB | 1ull << 51);
    EQ(run_at(g_read), VMX_EXIT_EPT_MISCONFIG);
    map((uintptr_t)window | RWX | WB);
}

static void table_walks(void)
{
    vt_case("EPT violations in walks of the guest's tables");
    vt_setup();
    vt_ept();
    /* the guest's PD of the first GiB is read-only: a clean accessed flag needs a write */
    const uint64_t entry = (uintptr_t)boot_pd;
    boot_pd[1] &= ~0x20ull; /* 2-4 MiB: never touched so far */
    PTE(boot_pd) = (uintptr_t)boot_pd | EPT_R | WB;
    vt_invept();
    vt_regs[RSI] = 0x200000;
    EQ(vt_run_code(g_read), VMX_EXIT_EPT_VIOLATION);
    EQ(rd(VMCS_EXIT_QUAL) & 0x1ba, VMX_QUAL_EPT_WRITE | VMX_QUAL_EPT_R | VMX_QUAL_EPT_GLA_VALID);
    EQ(rd(VMCS_GUEST_PHYS_ADDR), entry + 8);
    EQ(rd(VMCS_GUEST_LINEAR_ADDR), 0x200000);
    PTE(boot_pd) = (uintptr_t)boot_pd | RWX | WB;
    vt_invept();
    EQ(vt_run(), VMX_EXIT_VMCALL);
    EQ(boot_pd[1] & 0x20, 0x20);

    vt_case("an EPT violation during event delivery has IDT-vectoring information");
    map((uintptr_t)window | EPT_R | WB);
    EQ(run_at(g_push), VMX_EXIT_EPT_VIOLATION);
    EQ(rd(VMCS_IDT_VEC_INFO), VMX_INTR_VALID | VMX_INTR_SW_INT | 0x55);
    EQ(rd(VMCS_EXIT_INSN_LEN), 2);
    EQ(rd(VMCS_GUEST_RIP), (uintptr_t)g_push + 7);
    map((uintptr_t)window | RWX | WB);
    vt_counts[0x55] = 0;
    wr(VMCS_ENTRY_INTR_INFO, rd(VMCS_IDT_VEC_INFO));
    wr(VMCS_ENTRY_INSN_LEN, 2);
    EQ(vt_run(), VMX_EXIT_VMCALL);
    EQ(vt_counts[0x55], 1);
}

static void accessed_dirty(void)
{
    if (!(rdmsr(MSR_VMX_EPT_VPID_CAP) & VMX_EPTVPID_AD))
        return;
    vt_case("EPT accessed and dirty flags");
    vt_setup();
    vt_ept();
    vt_set(VMCS_EPTP, EPTP_AD);
    PTE(window) &= ~(uint64_t)(EPT_A | EPT_D);
    vt_invept();
    EQ(run_at(g_read), VMX_EXIT_VMCALL);
    EQ(PTE(window) & (EPT_A | EPT_D), EPT_A);
    EQ(run_at(g_write), VMX_EXIT_VMCALL);
    EQ(PTE(window) & (EPT_A | EPT_D), EPT_A | EPT_D);
    EQ(vt_ept_pd[0] & EPT_A, EPT_A);
}

static void apic_access(void)
{
    if (!(rdmsr(MSR_VMX_PROCBASED_CTLS2) >> 32 & VMX_PROC2_APIC_ACCESS))
        return;
    vt_case("APIC-access page: exits, and TPR by the virtual-APIC page");
    vt_setup();
    vt_ept();
    vt_set(VMCS_PROC2_CTL, VMX_PROC2_APIC_ACCESS);
    wr(VMCS_APIC_ACCESS_ADDR, (uintptr_t)elsewhere);
    map((uintptr_t)elsewhere | RWX | WB);
    vt_regs[RSI] = (uintptr_t)window;
    EQ(vt_run_code(g_apic), VMX_EXIT_APIC_ACCESS);
    EQ(rd(VMCS_EXIT_QUAL), 0x1080);
    EQ(rd(VMCS_GUEST_RIP), (uintptr_t)g_apic + 5);
    vt_set(VMCS_PROC_CTL, VMX_PROC_TPR_SHADOW);
    EQ(vt_run(), VMX_EXIT_APIC_ACCESS);
    EQ(vt_apic_page[0x80], 0x60);
    EQ(vt_regs[RDX], 0x60);
    EQ(rd(VMCS_EXIT_QUAL), 0x0020);
    vt_next();
    vt_set(VMCS_GUEST_RIP, 0);
    wr(VMCS_GUEST_RIP, (uintptr_t)g_apic + 5 + 6 + 6 + 3);
    EQ(vt_run(), VMX_EXIT_APIC_ACCESS);
    EQ(rd(VMCS_EXIT_QUAL), 0x10b0);
    map((uintptr_t)window | RWX | WB);
}

void test_ept(void)
{
    violations();
    table_walks();
    accessed_dirty();
    apic_access();
}
