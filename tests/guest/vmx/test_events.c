/* Exceptions, injection, windows, NMIs, external interrupts, MTF (SDM 3C 26.2, 26.5, 27.6,
 * 28.2). */
#include "vt.h"

#define INJECT(type, vector) (VMX_INTR_VALID | (type) | (vector))
#define BAD_ADDRESS 0x800000000000000ull /* not canonical */

GUEST(g_ud, "ud2")
GUEST(g_gp, "movabs $0x800000000000000, %rax\n mov (%rax), %rbx")
GUEST(g_gp_sel, "mov $0x1230, %eax\n mov %eax, %fs")
GUEST(g_pf_read, "movabs $0x4000001238, %rax\n mov (%rax), %rbx")
GUEST(g_pf_write, "movabs $0x4000001238, %rax\n mov %rbx, (%rax)")
GUEST(g_int3, "nop\n int3")
GUEST(g_int, "int $0x50\n nop")
GUEST(g_step, "pushfq\n orl $0x100, (%rsp)\n popfq\n nop\n nop")
GUEST(g_nops, "nop\n nop\n nop\n nop")
GUEST(g_spin, "1: inc %rbx\n jmp 1b")
GUEST(g_sti_nops, "sti\n nop\n nop\n nop")
GUEST(g_iret, "mov %rsp, %rax\n pushq $16\n push %rax\n pushq $2\n pushq $8\n lea 1f(%rip), %rcx\n"
              "push %rcx\n iretq\n 1: nop\n nop")

static void exception_exits(void)
{
    vt_case("the exception bitmap selects exceptions, with error codes and qualification");
    vt_setup();
    wr(VMCS_EXCEPTION_BITMAP, 1u << EXC_UD | 1u << EXC_GP | 1u << EXC_BP | 1u << EXC_NP);
    EQ(vt_run_code(g_ud), VMX_EXIT_EXCEPTION_NMI);
    EQ(rd(VMCS_EXIT_INTR_INFO), INJECT(VMX_INTR_HW_EXC, EXC_UD));
    EQ(rd(VMCS_GUEST_RIP), (uintptr_t)g_ud);
    EQ(rd(VMCS_GUEST_RFLAGS) & FL_RF, FL_RF); /* as in the image that delivery would push */
    EQ(vt_run_code(g_gp), VMX_EXIT_EXCEPTION_NMI);
    EQ(rd(VMCS_EXIT_INTR_INFO), INJECT(VMX_INTR_HW_EXC, EXC_GP) | VMX_INTR_ERROR_CODE);
    EQ(rd(VMCS_EXIT_INTR_ERROR), 0);
    EQ(vt_run_code(g_gp_sel), VMX_EXIT_EXCEPTION_NMI);
    EQ(rd(VMCS_EXIT_INTR_ERROR), 0x1230);
    EQ(vt_run_code(g_int3), VMX_EXIT_EXCEPTION_NMI);
    EQ(rd(VMCS_EXIT_INTR_INFO), INJECT(VMX_INTR_SW_EXC, EXC_BP));
    EQ(rd(VMCS_EXIT_INSN_LEN), 1);
    EQ(rd(VMCS_GUEST_RIP), (uintptr_t)g_int3 + 1);
    EQ(rd(VMCS_GUEST_RFLAGS) & FL_RF, 0);

    vt_case("exceptions that are not selected reach the guest's IDT");
    wr(VMCS_EXCEPTION_BITMAP, 0);
    vt_skip = 2;
    vt_counts[EXC_UD] = 0;
    EQ(vt_run_code(g_ud), VMX_EXIT_VMCALL);
    EQ(vt_counts[EXC_UD], 1);
    EQ(vt_last_rip, (uintptr_t)g_ud);
    EQ(vt_last_rflags & FL_RF, FL_RF);
    vt_skip = 0;

    vt_case("page faults: qualification, CR2 untouched, mask and match");
    vt_setup();
    __asm__ volatile("mov %0, %%cr2" : : "r"(0x55aaull));
    wr(VMCS_EXCEPTION_BITMAP, 1u << EXC_PF);
    EQ(vt_run_code(g_pf_read), VMX_EXIT_EXCEPTION_NMI);
    EQ(rd(VMCS_EXIT_QUAL), 0x4000001238);
    EQ(rd(VMCS_EXIT_INTR_ERROR), 0);
    EQ(READ_CR(2), 0x55aa);
    EQ(vt_run_code(g_pf_write), VMX_EXIT_EXCEPTION_NMI);
    EQ(rd(VMCS_EXIT_INTR_ERROR), PFE_W);
    wr(VMCS_PF_EC_MASK, PFE_W);
    wr(VMCS_PF_EC_MATCH, PFE_W); /* writes only */
    vt_skip = 3;
    vt_counts[EXC_PF] = 0;
    EQ(vt_run_code(g_pf_read), VMX_EXIT_VMCALL);
    EQ(vt_counts[EXC_PF], 1);
    EQ(READ_CR(2), 0x4000001238);
    EQ(vt_run_code(g_pf_write), VMX_EXIT_EXCEPTION_NMI);
    wr(VMCS_EXCEPTION_BITMAP, 0); /* bit clear: those that do not match exit */
    EQ(vt_run_code(g_pf_read), VMX_EXIT_EXCEPTION_NMI);
    EQ(vt_run_code(g_pf_write), VMX_EXIT_VMCALL);
    vt_skip = 0;

    vt_case("single-step traps exit with DR6 bits in the qualification");
    vt_setup();
    wr(VMCS_EXCEPTION_BITMAP, 1u << EXC_DB);
    EQ(vt_run_code(g_step), VMX_EXIT_EXCEPTION_NMI);
    EQ(rd(VMCS_EXIT_INTR_INFO), INJECT(VMX_INTR_HW_EXC, EXC_DB));
    EQ(rd(VMCS_EXIT_QUAL), DR6_BS);
}

static void triple_fault(void)
{
    vt_case("faults without a usable IDT end in #DF and triple-fault exits");
    vt_setup();
    wr(VMCS_GUEST_IDTR_LIMIT, 0);
    EQ(vt_run_code(g_ud), VMX_EXIT_TRIPLE_FAULT);
    EQ(rd(VMCS_IDT_VEC_INFO) & VMX_INTR_VALID, 0);
    wr(VMCS_EXCEPTION_BITMAP, 1u << EXC_DF);
    EQ(vt_run_code(g_ud), VMX_EXIT_EXCEPTION_NMI); /* #UD is benign, but #GP on #GP doubles */
    EQ(rd(VMCS_EXIT_INTR_INFO) & 0xff, EXC_DF);
    EQ(rd(VMCS_IDT_VEC_INFO) & VMX_INTR_VALID, 0);
    EQ(vt_run_code(g_gp), VMX_EXIT_EXCEPTION_NMI);
    EQ(rd(VMCS_EXIT_INTR_INFO) & 0xff, EXC_DF);
    EQ(rd(VMCS_EXIT_INTR_INFO) & VMX_INTR_ERROR_CODE, VMX_INTR_ERROR_CODE);

    vt_case("a fault during delivery exits with IDT-vectoring information");
    wr(VMCS_EXCEPTION_BITMAP, 1u << EXC_GP);
    EQ(vt_run_code(g_ud), VMX_EXIT_EXCEPTION_NMI);
    EQ(rd(VMCS_EXIT_INTR_INFO) & 0xff, EXC_GP);
    EQ(rd(VMCS_EXIT_INTR_ERROR), EXC_UD * 8 + 2 + 1);
    EQ(rd(VMCS_IDT_VEC_INFO), INJECT(VMX_INTR_HW_EXC, EXC_UD));
    EQ(vt_run_code(g_int), VMX_EXIT_EXCEPTION_NMI);
    EQ(rd(VMCS_EXIT_INTR_ERROR), 0x50 * 8 + 2);
    EQ(rd(VMCS_IDT_VEC_INFO), INJECT(VMX_INTR_SW_INT, 0x50));
    EQ(rd(VMCS_EXIT_INSN_LEN), 2);
    EQ(rd(VMCS_GUEST_RIP), (uintptr_t)g_int);
}

static void injection(void)
{
    vt_case("injected events are delivered before the first instruction");
    vt_setup();
    vt_start(g_nops);
    vt_set(VMCS_GUEST_RFLAGS, FL_IF);
    vt_counts[0x61] = 0;
    wr(VMCS_ENTRY_INTR_INFO, INJECT(VMX_INTR_EXT, 0x61));
    EQ(vt_run(), VMX_EXIT_VMCALL);
    EQ(vt_counts[0x61], 1);
    EQ(vt_last_rip, (uintptr_t)g_nops);
    EQ(rd(VMCS_ENTRY_INTR_INFO) & VMX_INTR_VALID, 0);

    vt_start(g_nops);
    vt_skip = 2;
    vt_counts[EXC_GP] = 0;
    wr(VMCS_ENTRY_INTR_INFO, INJECT(VMX_INTR_HW_EXC, EXC_GP) | VMX_INTR_ERROR_CODE);
    wr(VMCS_ENTRY_ERROR_CODE, 0x1238);
    EQ(vt_run(), VMX_EXIT_VMCALL);
    EQ(vt_counts[EXC_GP], 1);
    EQ(vt_last_error, 0x1238);
    EQ(vt_last_rip, (uintptr_t)g_nops);
    vt_skip = 0;

    vt_start(g_nops);
    vt_counts[0x80] = 0;
    wr(VMCS_ENTRY_INTR_INFO, INJECT(VMX_INTR_SW_INT, 0x80));
    wr(VMCS_ENTRY_INSN_LEN, 2);
    EQ(vt_run(), VMX_EXIT_VMCALL);
    EQ(vt_counts[0x80], 1);
    EQ(vt_last_rip, (uintptr_t)g_nops + 2); /* RIP moves over the instruction */

    vt_case("an injected exception ignores the exception bitmap; a fault in delivery does not");
    wr(VMCS_EXCEPTION_BITMAP, 1u << EXC_UD | 1u << EXC_GP);
    vt_start(g_nops);
    vt_skip = 1;
    vt_counts[EXC_UD] = 0;
    wr(VMCS_ENTRY_INTR_INFO, INJECT(VMX_INTR_HW_EXC, EXC_UD));
    EQ(vt_run(), VMX_EXIT_VMCALL);
    EQ(vt_counts[EXC_UD], 1);
    vt_skip = 0;
    vt_start(g_nops);
    wr(VMCS_GUEST_IDTR_LIMIT, 0x7f);
    wr(VMCS_ENTRY_INTR_INFO, INJECT(VMX_INTR_SW_INT, 0x80));
    wr(VMCS_ENTRY_INSN_LEN, 2);
    EQ(vt_run(), VMX_EXIT_EXCEPTION_NMI);
    EQ(rd(VMCS_EXIT_INTR_ERROR), 0x80 * 8 + 2);
    EQ(rd(VMCS_IDT_VEC_INFO), INJECT(VMX_INTR_SW_INT, 0x80));
    EQ(rd(VMCS_EXIT_INSN_LEN), 2);
    EQ(rd(VMCS_GUEST_RIP), (uintptr_t)g_nops);

    vt_case("an event injected into HLT wakes the guest");
    vt_setup();
    vt_start(g_nops);
    vt_set(VMCS_GUEST_RFLAGS, FL_IF);
    wr(VMCS_GUEST_ACTIVITY, VMX_ACTIVITY_HLT);
    wr(VMCS_ENTRY_INTR_INFO, INJECT(VMX_INTR_EXT, 0x62));
    EQ(vt_run(), VMX_EXIT_VMCALL);
    EQ(rd(VMCS_GUEST_ACTIVITY), VMX_ACTIVITY_ACTIVE);
}

static void windows(void)
{
    vt_case("interrupt-window exits come when the window opens, after the STI shadow");
    vt_setup();
    vt_set(VMCS_PROC_CTL, VMX_PROC_INT_WINDOW);
    EQ(vt_run_code(g_sti_nops), VMX_EXIT_INT_WINDOW);
    EQ(rd(VMCS_GUEST_RIP), (uintptr_t)g_sti_nops + 2);
    vt_start(g_nops);
    vt_set(VMCS_GUEST_RFLAGS, FL_IF);
    EQ(vt_run(), VMX_EXIT_INT_WINDOW);
    EQ(rd(VMCS_GUEST_RIP), (uintptr_t)g_nops); /* at once */
    vt_start(g_nops);
    EQ(vt_run(), VMX_EXIT_VMCALL); /* closed */
    vt_start(g_nops);
    vt_set(VMCS_GUEST_RFLAGS, FL_IF);
    wr(VMCS_GUEST_INTERRUPTIBILITY, VMX_INT_BLOCK_STI);
    EQ(vt_run(), VMX_EXIT_INT_WINDOW);
    EQ(rd(VMCS_GUEST_RIP), (uintptr_t)g_nops + 1);

    vt_case("virtual NMIs: injection blocks, IRET unblocks, NMI-window exits");
    vt_setup();
    wr(VMCS_PIN_CTL, rd(VMCS_PIN_CTL) | VMX_PIN_NMI | VMX_PIN_VIRTUAL_NMI);
    vt_start(g_iret);
    wr(VMCS_GUEST_INTERRUPTIBILITY, VMX_INT_BLOCK_NMI);
    vt_set(VMCS_PROC_CTL, VMX_PROC_NMI_WINDOW);
    EQ(vt_run(), VMX_EXIT_NMI_WINDOW);
    CHECK(rd(VMCS_GUEST_RIP) > (uintptr_t)g_iret + 16); /* behind the IRET */
    EQ(rd(VMCS_GUEST_INTERRUPTIBILITY), 0);
    vt_clear(VMCS_PROC_CTL, VMX_PROC_NMI_WINDOW);
    vt_start(g_nops);
    vt_counts[EXC_NMI] = 0;
    wr(VMCS_ENTRY_INTR_INFO, INJECT(VMX_INTR_NMI, EXC_NMI));
    EQ(vt_run(), VMX_EXIT_VMCALL);
    EQ(vt_counts[EXC_NMI], 1);
    EQ(rd(VMCS_GUEST_INTERRUPTIBILITY), 0); /* the handler's IRET unblocked */
}

static void mtf(void)
{
    if (!(rdmsr(MSR_VMX_TRUE_PROCBASED_CTLS) >> 32 & VMX_PROC_MTF))
        return;
    vt_case("MTF exits after one instruction");
    vt_setup();
    vt_set(VMCS_PROC_CTL, VMX_PROC_MTF);
    vt_start(g_nops);
    for (unsigned n = 1; n <= 3; n++) {
        EQ(vt_run(), VMX_EXIT_MTF);
        EQ(rd(VMCS_GUEST_RIP), (uintptr_t)g_nops + n);
    }
    vt_case("MTF after an injected event exits before its handler's first instruction");
    vt_start(g_nops);
    vt_set(VMCS_GUEST_RFLAGS, FL_IF);
    wr(VMCS_ENTRY_INTR_INFO, INJECT(VMX_INTR_EXT, 0x63));
    EQ(vt_run(), VMX_EXIT_MTF);
    EQ(rd(VMCS_GUEST_RIP), (uintptr_t)vt_stubs + 16 * 0x63);
    EQ(rd(VMCS_GUEST_RFLAGS) & FL_IF, 0);
}

/* Local APIC in xAPIC mode: a self-IPI is an external interrupt at an exact place. */
static volatile uint32_t *apic(uint32_t reg)
{
    return (volatile uint32_t *)(uintptr_t)(0xfee00000u + reg);
}

GUEST(g_ipi, "mov $0x40071, %eax\n mov %eax, 0xfee00300\n nop\n nop\n 1: pause\n jmp 1b")

static uint32_t run_ipi(uint64_t flags)
{
    vt_start(g_ipi);
    wr(VMCS_GUEST_RFLAGS, FL_FIXED1 | flags);
    return vt_run();
}

static void external_interrupts(void)
{
    vt_case("external interrupts exit, acknowledged or not");
    vt_setup();
    *apic(0xf0) = 0x1ff; /* software enable */
    wr(VMCS_PIN_CTL, rd(VMCS_PIN_CTL) | VMX_PIN_EXT_INT);
    EQ(run_ipi(FL_IF), VMX_EXIT_EXT_INT);
    EQ(rd(VMCS_EXIT_INTR_INFO) & VMX_INTR_VALID, 0);
    vt_counts[0x71] = 0;
    __asm__ volatile("sti; nop; nop; cli" ::: "memory");
    EQ(vt_counts[0x71], 1); /* it was still pending */
    *apic(0xb0) = 0;
    vt_set(VMCS_EXIT_CTL, VMX_XCTL_ACK_INT);
    EQ(run_ipi(FL_IF), VMX_EXIT_EXT_INT);
    EQ(rd(VMCS_EXIT_INTR_INFO), INJECT(VMX_INTR_EXT, 0x71));
    *apic(0xb0) = 0;
    EQ(rd(VMCS_IDT_VEC_INFO) & VMX_INTR_VALID, 0);

    vt_case("without external-interrupt exiting the guest takes them");
    wr(VMCS_PIN_CTL, rd(VMCS_PIN_CTL) & ~(uint64_t)VMX_PIN_EXT_INT);
    wr(VMCS_EXCEPTION_BITMAP, 0);
    vt_set(VMCS_PROC_CTL, VMX_PROC_PAUSE);
    vt_counts[0x71] = 0;
    EQ(run_ipi(FL_IF), VMX_EXIT_PAUSE);
    EQ(vt_counts[0x71], 1);
    *apic(0xb0) = 0;
}

/* Runs last: Bochs 2.7 hangs here (it masks the interrupt by the host's IF). */
void test_masked_interrupt(void)
{
    vt_case("external interrupts exit whatever RFLAGS.IF is");
    vt_setup();
    wr(VMCS_PIN_CTL, rd(VMCS_PIN_CTL) | VMX_PIN_EXT_INT);
    vt_set(VMCS_EXIT_CTL, VMX_XCTL_ACK_INT);
    EQ(run_ipi(0), VMX_EXIT_EXT_INT);
    EQ(rd(VMCS_EXIT_INTR_INFO), INJECT(VMX_INTR_EXT, 0x71));
    *apic(0xb0) = 0;
}

void test_events(void)
{
    (void)g_spin;
    exception_exits();
    triple_fault();
    injection();
    windows();
    mtf();
    external_interrupts();
}
