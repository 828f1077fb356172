/* TSC offset, VMX-preemption timer, PAUSE-loop exiting (SDM 3C 26.3, 26.5.1, 26.1.3). */
#include "vt.h"

GUEST(g_tsc, "rdtsc\n mov %eax, %ebx\n mov %edx, %esi\n mov $0x10, %ecx\n rdmsr")
GUEST(g_loop, "xor %ebx, %ebx\n 1: inc %rbx\n jmp 1b")
GUEST(g_halt, "hlt")
GUEST(g_pauses, "xor %ebx, %ebx\n 1: inc %rbx\n pause\n jmp 1b")

void test_time(void)
{
    vt_case("TSC offset is added to RDTSC and RDMSR 10H");
    vt_setup();
    vt_set(VMCS_PROC_CTL, VMX_PROC_TSC_OFFSET | VMX_PROC_MSR_BITMAPS);
    wr(VMCS_TSC_OFFSET, 1ull << 56);
    const uint64_t before = rdtsc();
    EQ(vt_run_code(g_tsc), VMX_EXIT_VMCALL);
    const uint64_t after = rdtsc();
    const uint64_t guest = (vt_regs[RSI] << 32 | (uint32_t)vt_regs[RBX]) - (1ull << 56);
    const uint64_t msr = (vt_regs[RDX] << 32 | (uint32_t)vt_regs[RAX]) - (1ull << 56);
    CHECK(before < guest && guest <= msr && msr < after);

    if (!(rdmsr(MSR_VMX_TRUE_PINBASED_CTLS) >> 32 & VMX_PIN_PREEMPTION_TIMER))
        return;
    vt_case("the preemption timer exits in time; 0 exits before the first instruction");
    const unsigned shift = VMX_MISC_TIMER_SHIFT(rdmsr(MSR_VMX_MISC));
    vt_setup();
    wr(VMCS_PIN_CTL, rd(VMCS_PIN_CTL) | VMX_PIN_PREEMPTION_TIMER);
    const uint64_t ticks = (20000u >> shift) + 2;
    wr(VMCS_PREEMPTION_TIMER, ticks);
    const uint64_t t0 = rdtsc();
    EQ(vt_run_code(g_loop), VMX_EXIT_PREEMPTION_TIMER);
    const uint64_t t1 = rdtsc();
    CHECK(vt_regs[RBX] > 100);
    CHECK(t1 - t0 >= (ticks - 1) << shift);
    EQ(rd(VMCS_PREEMPTION_TIMER), ticks); /* not saved without the control */
    vt_set(VMCS_EXIT_CTL, VMX_XCTL_SAVE_PREEMPTION_TIMER);
    EQ(vt_run(), VMX_EXIT_PREEMPTION_TIMER);
    EQ(rd(VMCS_PREEMPTION_TIMER), 0);
    EQ(vt_run_code(g_loop), VMX_EXIT_PREEMPTION_TIMER);
    EQ(rd(VMCS_GUEST_RIP), (uintptr_t)g_loop);
    wr(VMCS_PREEMPTION_TIMER, 1000000);
    EQ(vt_run_code(g_tsc), VMX_EXIT_RDMSR);
    CHECK(rd(VMCS_PREEMPTION_TIMER) <= 1000000 && rd(VMCS_PREEMPTION_TIMER) > 900000);

    vt_case("the preemption timer ends HLT");
    wr(VMCS_PREEMPTION_TIMER, ticks);
    EQ(vt_run_code(g_halt), VMX_EXIT_PREEMPTION_TIMER);
    EQ(rd(VMCS_GUEST_ACTIVITY), VMX_ACTIVITY_HLT);

    vt_case("PAUSE-loop exiting");
    if (!(rdmsr(MSR_VMX_PROCBASED_CTLS2) >> 32 & VMX_PROC2_PLE))
        return;
    vt_setup();
    vt_set(VMCS_PROC2_CTL, VMX_PROC2_PLE);
    wr(VMCS_PLE_GAP, 1000);
    wr(VMCS_PLE_WINDOW, 20000);
    EQ(vt_run_code(g_pauses), VMX_EXIT_PAUSE);
    CHECK(vt_regs[RBX] > 10);
}
