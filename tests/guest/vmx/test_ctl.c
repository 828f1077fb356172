/* Controls of single instructions and registers that came later: RDRAND and RDSEED exiting,
 * XSAVES, TSC scaling, IA32_PERF_GLOBAL_CTRL (SDM 3C 25.6.2, 25.7, 25.8, 26.1.3, 26.3). */
#include "vt.h"

GUEST(g_rdrand, "rdrand %ebx")
GUEST(g_rdseed, "rdseed %r9")
GUEST(g_xsaves, "mov %cr4, %rax\n or $0x40000, %rax\n mov %rax, %cr4\n mov $7, %eax\n"
                "xor %edx, %edx\n xsaves64 (%rsi)\n xrstors64 (%rsi)")
GUEST(g_scaled, "rdtsc\n shl $32, %rdx\n lea (%rax, %rdx), %rbx\n mov $0x10, %ecx\n rdmsr\n"
                "shl $32, %rdx\n add %rdx, %rax")
GUEST(g_global, "mov $0x38f, %ecx\n rdmsr\n mov %eax, %ebx\n mov $5, %eax\n xor %edx, %edx\n wrmsr")

static uint8_t area[1024] __attribute__((aligned(64)));

static bool may2(uint32_t control)
{
    return rdmsr(MSR_VMX_PROCBASED_CTLS2) >> 32 & control;
}

static void random_numbers(void)
{
    vt_case("RDRAND and RDSEED exit by their controls and only by them");
    CHECK(may2(VMX_PROC2_RDRAND) && may2(VMX_PROC2_RDSEED));
    vt_setup();
    vt_set(VMCS_PROC2_CTL, VMX_PROC2_RDRAND);
    EQ(vt_run_code(g_rdrand), VMX_EXIT_RDRAND);
    EQ(rd(VMCS_EXIT_INSN_LEN), 3);
    EQ(rd(VMCS_EXIT_INSN_INFO) & 0x1878, RBX << 3 | 1 << 11);
    EQ(vt_run_code(g_rdseed), VMX_EXIT_VMCALL);
    wr(VMCS_PROC2_CTL, VMX_PROC2_RDSEED);
    EQ(vt_run_code(g_rdrand), VMX_EXIT_VMCALL);
    EQ(vt_run_code(g_rdseed), VMX_EXIT_RDSEED);
    EQ(rd(VMCS_EXIT_INSN_LEN), 4);
    EQ(rd(VMCS_EXIT_INSN_INFO) & 0x1878, 9 << 3 | 2 << 11);
}

static void xsaves(void)
{
    vt_case("XSAVES and XRSTORS: #UD unless enabled; the XSS bitmap needs bits of IA32_XSS");
    CHECK(may2((uint32_t)VMX_PROC2_XSAVES));
    vt_setup();
    wr(VMCS_XSS_EXIT_BITMAP, UINT64_MAX);
    wr(VMCS_EXCEPTION_BITMAP, 1u << EXC_UD);
    vt_regs[RSI] = (uintptr_t)area;
    EQ(vt_run_code(g_xsaves), VMX_EXIT_EXCEPTION_NMI);
    EQ(rd(VMCS_EXIT_INTR_INFO) & 0xff, EXC_UD);
    vt_setup();
    vt_set(VMCS_PROC2_CTL, VMX_PROC2_XSAVES);
    vt_regs[RSI] = (uintptr_t)area;
    EQ(vt_run_code(g_xsaves), VMX_EXIT_VMCALL); /* no supervisor component exists */
    EQ(area[527] >> 7, 1);                      /* compacted */
    wr(VMCS_XSS_EXIT_BITMAP, 0);
}

static void tsc_scaling(void)
{
    vt_case("TSC scaling: a factor before the offset, with TSC offsetting only");
    CHECK(may2(VMX_PROC2_TSC_SCALING));
    vt_setup();
    vt_set(VMCS_PROC_CTL, VMX_PROC_TSC_OFFSET | VMX_PROC_MSR_BITMAPS);
    vt_set(VMCS_PROC2_CTL, VMX_PROC2_TSC_SCALING);
    wr(VMCS_TSC_OFFSET, 1ull << 56);
    wr(VMCS_TSC_MULTIPLIER, 5ull << 47); /* 2.5 */
    uint64_t before = rdtsc();
    EQ(vt_run_code(g_scaled), VMX_EXIT_VMCALL);
    uint64_t after = rdtsc();
    const uint64_t base = 1ull << 56;
    CHECK(base + before * 5 / 2 < vt_regs[RBX] && vt_regs[RBX] < base + after * 5 / 2);
    CHECK(vt_regs[RBX] <= vt_regs[RAX] && vt_regs[RAX] < base + after * 5 / 2);
    vt_clear(VMCS_PROC_CTL, VMX_PROC_TSC_OFFSET);
    before = rdtsc();
    EQ(vt_run_code(g_scaled), VMX_EXIT_VMCALL);
    after = rdtsc();
    CHECK(before < vt_regs[RBX] && vt_regs[RBX] < after);
    wr(VMCS_TSC_MULTIPLIER, 0);
    EQ(vt_run_code(g_scaled), VT_FAIL | VMX_ERR_ENTRY_CONTROLS);
}

static void perf_global_ctrl(void)
{
    vt_case("IA32_PERF_GLOBAL_CTRL is loaded at entry, saved and loaded at exit");
    CHECK(rdmsr(MSR_VMX_TRUE_ENTRY_CTLS) >> 32 & VMX_NCTL_LOAD_PERF_GLOBAL);
    vt_setup();
    vt_set(VMCS_PROC_CTL, VMX_PROC_MSR_BITMAPS);
    vt_set(VMCS_ENTRY_CTL, VMX_NCTL_LOAD_PERF_GLOBAL);
    vt_set(VMCS_EXIT_CTL, VMX_XCTL_LOAD_PERF_GLOBAL);
    wr(VMCS_GUEST_PERF_GLOBAL, 3);
    wr(VMCS_HOST_PERF_GLOBAL, 1ull << 32);
    EQ(vt_run_code(g_global), VMX_EXIT_VMCALL);
    EQ(vt_regs[RBX], 3);
    EQ(rdmsr(MSR_PERF_GLOBAL_CTRL), 1ull << 32);
    EQ(rd(VMCS_GUEST_PERF_GLOBAL), 3);
    vt_set(VMCS_EXIT_CTL, VMX_XCTL_SAVE_PERF_GLOBAL);
    EQ(vt_run_code(g_global), VMX_EXIT_VMCALL);
    EQ(rd(VMCS_GUEST_PERF_GLOBAL), 5);
    wr(VMCS_HOST_PERF_GLOBAL, 1ull << 40);
    EQ(vt_run_code(g_global), VT_FAIL | VMX_ERR_ENTRY_HOST_STATE);
    wr(VMCS_HOST_PERF_GLOBAL, 0);
    wr(VMCS_GUEST_PERF_GLOBAL, 1ull << 40);
    EQ(vt_run_code(g_global), VMX_EXIT_ENTRY_FAILURE | VMX_EXIT_ENTRY_GUEST_STATE);
    EQ(rdmsr(MSR_PERF_GLOBAL_CTRL), 0);
}

void test_controls(void)
{
    random_numbers();
    xsaves();
    tsc_scaling();
    perf_global_ctrl();
}
