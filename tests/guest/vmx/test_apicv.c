/* APIC virtualization, virtual interrupts, posted interrupts (SDM 3C chapter 30). The guest's APIC
 * page is `window`, the APIC-access page. */
#include "abi/lapic.h"
#include "vt.h"

static uint8_t window[4096] __attribute__((aligned(4096)));
static uint8_t descriptor[64] __attribute__((aligned(64)));

#define VREG(reg) (*(volatile uint32_t *)(void *)(vt_apic_page + (reg)))
#define STATUS (rd(VMCS_GUEST_INTR_STATUS))
#define VIRR_66 (VREG(LAPIC_IRR + 0x30) & 1u << 6)
#define VISR_66 (VREG(LAPIC_ISR + 0x30) & 1u << 6)
#define POST(v) (descriptor[(v) / 8] |= (uint8_t)(1u << ((v) % 8)))
#define NOTIFY 0x72

/* RSI: a register of the APIC page */
GUEST(g_aread, "mov (%rsi), %ebx")
GUEST(g_aread_user8, "mov (%rsi), %rbx")
GUEST(g_awrite, "mov %ebx, (%rsi)\n g_awrite_next: nop")
GUEST(g_nop4, "nop\n nop\n nop\n nop")
GUEST(g_sti, "sti\n nop\n g_sti_open: nop\n nop")
GUEST(g_cr8_down, "sti\n nop\n xor %ebx, %ebx\n mov %rbx, %cr8\n g_cr8_next: nop")
GUEST(g_halts, "sti\n hlt\n g_halt_next: nop")
GUEST(g_x2write, "xor %edx, %edx\n wrmsr\n g_x2write_next: nop")
GUEST(g_x2read, "rdmsr")
GUEST(g_notify, "mov $0x40072, %eax\n mov %eax, 0xfee00300\n nop\n nop\n g_notified: nop\n nop")
extern const char g_awrite_next[], g_sti_open[], g_cr8_next[], g_x2write_next[], g_notified[],
    g_halt_next[];

static volatile uint32_t *apic(uint32_t reg)
{
    return (volatile uint32_t *)(uintptr_t)(LAPIC_BASE + reg);
}

static uint32_t run_reg(void (*code)(void), uint32_t reg, uint32_t value)
{
    vt_regs[RSI] = (uintptr_t)window + reg;
    vt_regs[RBX] = value;
    return vt_run_code(code);
}

static void setup(uint32_t proc2)
{
    vt_setup();
    vt_ept();
    vt_set(VMCS_PIN_CTL, VMX_PIN_EXT_INT);
    vt_set(VMCS_PROC_CTL, VMX_PROC_TPR_SHADOW | VMX_PROC_MSR_BITMAPS);
    vt_set(VMCS_PROC2_CTL, proc2);
    wr(VMCS_APIC_ACCESS_ADDR, (uintptr_t)window);
    wr(VMCS_GUEST_INTR_STATUS, 0);
    for (unsigned n = 0; n < 4; n++)
        wr(VMCS_EOI_EXIT0 + 2 * n, 0);
    vt_counts[0x66] = vt_counts[0x77] = 0;
}

static void registers(void)
{
    vt_case("APIC-register virtualization: reads and writes of the virtual-APIC page");
    setup(VMX_PROC2_APIC_ACCESS | VMX_PROC2_APIC_REG);
    VREG(LAPIC_LVT_TIMER) = 0x12345;
    EQ(run_reg(g_aread, LAPIC_LVT_TIMER, 0), VMX_EXIT_VMCALL);
    EQ(vt_regs[RBX], 0x12345);
    EQ(run_reg(g_aread_user8, LAPIC_LVT_TIMER, 0), VMX_EXIT_APIC_ACCESS);
    EQ(run_reg(g_aread, LAPIC_LVT_TIMER + 2, 0), VMX_EXIT_APIC_ACCESS);
    EQ(run_reg(g_aread, LAPIC_TIMER_CURRENT, 0), VMX_EXIT_APIC_ACCESS);
    EQ(rd(VMCS_EXIT_QUAL), LAPIC_TIMER_CURRENT);
    EQ(run_reg(g_awrite, LAPIC_VERSION, 0), VMX_EXIT_APIC_ACCESS);
    EQ(rd(VMCS_EXIT_QUAL), 0x1000 | LAPIC_VERSION);

    vt_case("APIC-write exits come behind the instruction, with the value on the page");
    EQ(run_reg(g_awrite, LAPIC_TIMER_INITIAL, 0x777), VMX_EXIT_APIC_WRITE);
    EQ(rd(VMCS_EXIT_QUAL), LAPIC_TIMER_INITIAL);
    EQ(rd(VMCS_GUEST_RIP), (uintptr_t)g_awrite_next);
    EQ(VREG(LAPIC_TIMER_INITIAL), 0x777);
    EQ(run_reg(g_awrite, LAPIC_EOI, 0), VMX_EXIT_APIC_WRITE); /* no virtual interrupts */
    EQ(run_reg(g_awrite, LAPIC_ICR_HIGH, 0x12345678), VMX_EXIT_VMCALL);
    EQ(VREG(LAPIC_ICR_HIGH), 0x12000000);
    EQ(run_reg(g_awrite, LAPIC_TPR, 0x555), VMX_EXIT_VMCALL);
    EQ(VREG(LAPIC_TPR), 0x55);
    wr(VMCS_TPR_THRESHOLD, 5);
    EQ(run_reg(g_awrite, LAPIC_TPR, 0x40), VMX_EXIT_TPR_BELOW);
    EQ(rd(VMCS_GUEST_RIP), (uintptr_t)g_awrite_next);
    wr(VMCS_TPR_THRESHOLD, 0);
}

static void delivery(void)
{
    vt_case("a virtual interrupt is delivered when IF, shadow and PPR allow, and updates the page");
    setup(VMX_PROC2_APIC_ACCESS | VMX_PROC2_APIC_REG | VMX_PROC2_VID);
    VREG(LAPIC_IRR + 0x30) = 1u << 6; /* vector 66 */
    wr(VMCS_GUEST_INTR_STATUS, 0x66);
    EQ(vt_run_code(g_nop4), VMX_EXIT_VMCALL);
    EQ(vt_counts[0x66], 0);
    EQ(STATUS, 0x66);
    EQ(vt_run_code(g_sti), VMX_EXIT_VMCALL);
    EQ(vt_counts[0x66], 1);
    EQ(vt_last_rip, (uintptr_t)g_sti_open);
    EQ(STATUS, 0x6600);
    EQ(VIRR_66, 0);
    CHECK(VISR_66);
    EQ(VREG(LAPIC_PPR), 0x60);

    vt_case("EOI virtualization: next in service, exit by the bitmap");
    EQ(run_reg(g_awrite, LAPIC_EOI, 5), VMX_EXIT_VMCALL);
    EQ(STATUS, 0);
    EQ(VISR_66, 0);
    EQ(VREG(LAPIC_PPR), 0);
    EQ(VREG(LAPIC_EOI), 0);
    VREG(LAPIC_ISR + 0x30) = 1u << 6;
    VREG(LAPIC_ISR + 0x10) = 1u << 3; /* vector 23 */
    wr(VMCS_GUEST_INTR_STATUS, 0x6600);
    wr(VMCS_EOI_EXIT1, 1ull << (0x66 - 64));
    EQ(run_reg(g_awrite, LAPIC_EOI, 0), VMX_EXIT_VIRT_EOI);
    EQ(rd(VMCS_EXIT_QUAL), 0x66);
    EQ(rd(VMCS_GUEST_RIP), (uintptr_t)g_awrite_next);
    EQ(STATUS, 0x2300);
    EQ(VREG(LAPIC_PPR), 0x20);
    VREG(LAPIC_ISR + 0x10) = 0;

    vt_case("TPR holds virtual interrupts back until it falls");
    wr(VMCS_GUEST_INTR_STATUS, 0x66);
    VREG(LAPIC_IRR + 0x30) = 1u << 6;
    VREG(LAPIC_TPR) = 0x60;
    EQ(vt_run_code(g_sti), VMX_EXIT_VMCALL);
    EQ(vt_counts[0x66], 1);
    EQ(vt_run_code(g_cr8_down), VMX_EXIT_VMCALL);
    EQ(vt_counts[0x66], 2);
    EQ(vt_last_rip, (uintptr_t)g_cr8_next);
}

static void self_ipi(void)
{
    vt_case("self-IPIs become virtual interrupts; other commands exit");
    setup(VMX_PROC2_APIC_ACCESS | VMX_PROC2_VID);
    vt_regs[RSI] = (uintptr_t)window + LAPIC_ICR;
    vt_regs[RBX] = LAPIC_SH_SELF << LAPIC_SHORTHAND_SHIFT | LAPIC_ASSERT | 0x66;
    vt_start(g_awrite);
    vt_set(VMCS_GUEST_RFLAGS, FL_IF);
    EQ(vt_run(), VMX_EXIT_VMCALL);
    EQ(vt_counts[0x66], 1);
    EQ(vt_last_rip, (uintptr_t)g_awrite_next);
    EQ(STATUS, 0x6600);
    EQ(run_reg(g_awrite, LAPIC_ICR, LAPIC_SH_SELF << LAPIC_SHORTHAND_SHIFT | 0x0f),
       VMX_EXIT_APIC_WRITE);
    EQ(run_reg(g_awrite, LAPIC_ICR, LAPIC_SH_ALL << LAPIC_SHORTHAND_SHIFT | 0x66),
       VMX_EXIT_APIC_WRITE);
    EQ(rd(VMCS_EXIT_QUAL), LAPIC_ICR);
    EQ(run_reg(g_awrite, LAPIC_LVT_TIMER, 0), VMX_EXIT_APIC_ACCESS); /* registers are not */

    vt_case("a virtual interrupt ends HLT");
    setup(VMX_PROC2_APIC_ACCESS | VMX_PROC2_VID);
    VREG(LAPIC_IRR + 0x30) = 1u << 6;
    wr(VMCS_GUEST_INTR_STATUS, 0x66);
    vt_start(g_nop4);
    vt_set(VMCS_GUEST_RFLAGS, FL_IF);
    wr(VMCS_GUEST_ACTIVITY, VMX_ACTIVITY_HLT);
    EQ(vt_run(), VMX_EXIT_VMCALL);
    EQ(vt_counts[0x66], 1);
    EQ(vt_last_rip, (uintptr_t)g_nop4);

    vt_case("interrupt-window exiting withholds virtual interrupts");
    VREG(LAPIC_IRR + 0x30) = 1u << 6;
    VREG(LAPIC_ISR + 0x30) = 0;
    wr(VMCS_GUEST_INTR_STATUS, 0x66);
    vt_set(VMCS_PROC_CTL, VMX_PROC_INT_WINDOW);
    EQ(vt_run_code(g_sti), VMX_EXIT_INT_WINDOW);
    EQ(vt_counts[0x66], 1);
}

static uint32_t msr(void (*code)(void), uint32_t reg, uint32_t value)
{
    vt_regs[RCX] = MSR_X2APIC_BASE + (reg >> 4);
    vt_regs[RAX] = value;
    return vt_run_code(code);
}

static void x2apic(void)
{
    vt_case("x2APIC MSRs on the virtual-APIC page");
    setup(VMX_PROC2_X2APIC | VMX_PROC2_APIC_REG | VMX_PROC2_VID);
    wr(VMCS_EXCEPTION_BITMAP, 1u << EXC_GP);
    VREG(LAPIC_LDR) = 0xabcd;
    EQ(msr(g_x2read, LAPIC_LDR, 0), VMX_EXIT_VMCALL);
    EQ(vt_regs[RAX], 0xabcd);
    EQ(msr(g_x2write, LAPIC_TPR, 0x30), VMX_EXIT_VMCALL);
    EQ(VREG(LAPIC_TPR), 0x30);
    EQ(VREG(LAPIC_PPR), 0x30);
    EQ(msr(g_x2write, LAPIC_TPR, 0x130), VMX_EXIT_EXCEPTION_NMI);
    EQ(msr(g_x2write, LAPIC_EOI, 1), VMX_EXIT_EXCEPTION_NMI);
    EQ(msr(g_x2write, LAPIC_SELF_IPI, 0x166), VMX_EXIT_EXCEPTION_NMI);
    EQ(msr(g_x2write, LAPIC_SELF_IPI, 0x05), VMX_EXIT_APIC_WRITE);
    EQ(rd(VMCS_EXIT_QUAL), LAPIC_SELF_IPI);
    EQ(rd(VMCS_GUEST_RIP), (uintptr_t)g_x2write_next);
    vt_regs[RCX] = MSR_X2APIC_BASE + (LAPIC_SELF_IPI >> 4);
    vt_regs[RAX] = 0x66;
    vt_start(g_x2write);
    vt_set(VMCS_GUEST_RFLAGS, FL_IF);
    EQ(vt_run(), VMX_EXIT_VMCALL);
    EQ(vt_counts[0x66], 1);
    EQ(vt_last_rip, (uintptr_t)g_x2write_next);
    EQ(msr(g_x2write, LAPIC_EOI, 0), VMX_EXIT_VMCALL);
    EQ(STATUS, 0);
    wr(VMCS_PROC2_CTL, VMX_PROC2_EPT | VMX_PROC2_X2APIC);
    EQ(msr(g_x2read, LAPIC_TPR, 0), VMX_EXIT_VMCALL);
    EQ(vt_regs[RAX], 0x30);
    EQ(msr(g_x2read, LAPIC_LDR, 0), VMX_EXIT_EXCEPTION_NMI); /* the local APIC: xAPIC mode */
}

static void posted(void)
{
    vt_case("posted interrupts: the notification takes over requests without an exit");
    setup(VMX_PROC2_VID);
    vt_set(VMCS_PIN_CTL, VMX_PIN_POSTED_INT);
    vt_set(VMCS_EXIT_CTL, VMX_XCTL_ACK_INT);
    wr(VMCS_POSTED_VECTOR, NOTIFY);
    wr(VMCS_POSTED_DESC_ADDR, (uintptr_t)descriptor);
    *apic(LAPIC_SVR) = 0x1ff;
    POST(0x66);
    POST(0x77);
    descriptor[32] = 3; /* ON, SN */
    vt_start(g_notify);
    vt_set(VMCS_GUEST_RFLAGS, FL_IF);
    EQ(vt_run(), VMX_EXIT_VMCALL);
    EQ(vt_counts[0x77], 1);
    EQ(vt_counts[0x66], 0); /* of a lower class, and 77 is in service */
    EQ(STATUS, 0x7766);
    EQ(descriptor[32], 2);
    EQ(descriptor[0x66 / 8] | descriptor[0x77 / 8], 0);
    EQ(*apic(LAPIC_ISR + 0x30), 0); /* the local APIC is done with it */
    CHECK(VIRR_66);

    vt_case("posted interrupts: other vectors exit, acknowledged");
    wr(VMCS_POSTED_VECTOR, NOTIFY + 1);
    vt_start(g_notify);
    EQ(vt_run(), VMX_EXIT_EXT_INT);
    EQ(rd(VMCS_EXIT_INTR_INFO), VMX_INTR_VALID | VMX_INTR_EXT | NOTIFY);
    *apic(LAPIC_EOI) = 0;

    vt_case("posted interrupts: a notification that posts nothing new leaves HLT alone");
    wr(VMCS_POSTED_VECTOR, NOTIFY);
    wr(VMCS_GUEST_INTR_STATUS, 0);
    vt_apic_page[LAPIC_PPR] = 0;
    vt_set(VMCS_PIN_CTL, VMX_PIN_PREEMPTION_TIMER);
    wr(VMCS_PREEMPTION_TIMER, 100000);
    *apic(LAPIC_ICR) = LAPIC_SH_SELF << LAPIC_SHORTHAND_SHIFT | LAPIC_ASSERT | NOTIFY;
    vt_start(g_halts);
    EQ(vt_run(), VMX_EXIT_PREEMPTION_TIMER);
    EQ(rd(VMCS_GUEST_ACTIVITY), VMX_ACTIVITY_HLT);
    EQ(rd(VMCS_GUEST_RIP), (uintptr_t)g_halt_next);
    EQ(*apic(LAPIC_ISR + 0x30), 0);
    wr(VMCS_POSTED_DESC_ADDR, (uintptr_t)descriptor + 32);
    EQ(vt_run_code(g_nop4), VT_FAIL | VMX_ERR_ENTRY_CONTROLS);
}

void test_apic_virtualization(void)
{
    const uint32_t need = VMX_PROC2_APIC_REG | VMX_PROC2_VID | VMX_PROC2_X2APIC;
    vt_case("APIC virtualization is announced");
    EQ(rdmsr(MSR_VMX_PROCBASED_CTLS2) >> 32 & need, need);
    registers();
    delivery();
    self_ipi();
    x2apic();
    posted();
}
