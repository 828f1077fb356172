/* tests/guest/sys/test_interrupts.c: PIC and PIT, local APIC timer and IPIs, shadows, HLT, CR8. */
#include "st.h"

#define X2(reg) (0x800 + (reg) / 16)
static bool x2apic;
static void apic_write(uint32_t reg, uint32_t v)
{
    if (x2apic)
        wrmsr(X2(reg), v);
    else
        *(volatile uint32_t *)(0xfee00000ull + reg) = v;
}
static uint32_t apic_read(uint32_t reg)
{
    return x2apic ? (uint32_t)rdmsr(X2(reg)) : *(volatile uint32_t *)(0xfee00000ull + reg);
}
static void eoi(void)
{
    apic_write(0xb0, 0);
}
static void self_ipi(unsigned vector)
{
    apic_write(0x300, 0x40000 | vector);
}

ASM(i_sti_hlt, "sti\n hlt\n cli")
ASM(i_sti_shadow, "sti\n cli\n nop\n nop")
ASM(i_sti_nop, "sti\n nop\n nop\n cli")
ASM(i_wait,
    "sti\n mov $1000000, %ecx\n1: pause\n cmpl $0, (%rdi)\n jne 2f\n dec %ecx\n jnz 1b\n2: cli")

static void pic_setup(void)
{
    outb(0x20, 0x11), outb(0xa0, 0x11), outb(0x21, 0x20), outb(0xa1, 0x28);
    outb(0x21, 4), outb(0xa1, 2), outb(0x21, 1), outb(0xa1, 1), outb(0x21, 0xfe), outb(0xa1, 0xff);
}

static void pit(void)
{
    st_case("PIT through the PIC in virtual-wire mode");
    st_irq_gate(0x20);
    pic_setup();
    apic_write(0xf0, 0x1ff);
    apic_write(0x350, 0x700);                          /* LINT0 ExtINT */
    outb(0x43, 0x30), outb(0x40, 0x10), outb(0x40, 0); /* one shot, 16 ticks */
    EQ(st_catch(i_sti_hlt, 0), NO_TRAP);
    EQ(st_irqs[0x20], 1);
    outb(0x20, 0x20);
    outb(0x21, 0xff);
}

static void local_apic(void)
{
    st_case(x2apic ? "self IPIs in x2APIC mode" : "self IPIs in xAPIC mode");
    apic_write(0xf0, 0x1ff);
    apic_write(0x80, 0);
    st_irq_gate(0x50), st_irq_gate(0x60);
    self_ipi(0x50);
    CHECK(apic_read(0x200 + 0x10 * (0x50 / 32)) & 1u << (0x50 % 32));
    EQ(st_irqs[0x50], 0);
    st_catch(i_sti_nop, 0);
    EQ(st_irqs[0x50], 1);
    CHECK(apic_read(0x100 + 0x10 * (0x50 / 32)) & 1u << (0x50 % 32));
    self_ipi(0x51), self_ipi(0x60);
    st_irq_gate(0x51);
    st_catch(i_sti_nop, 0);
    EQ(st_irqs[0x60], 1); /* higher class interrupts the one in service */
    EQ(st_irqs[0x51], 0);
    eoi(), eoi();
    st_catch(i_sti_nop, 0);
    EQ(st_irqs[0x51], 1);
    eoi();
    st_case("CR8 masks priority classes");
    WRITE_CR(8, 5);
    EQ(apic_read(0x80), 0x50);
    self_ipi(0x50);
    st_catch(i_sti_nop, 0);
    EQ(st_irqs[0x50], 1);
    WRITE_CR(8, 4);
    st_catch(i_sti_nop, 0);
    EQ(st_irqs[0x50], 2);
    eoi();
    WRITE_CR(8, 0);
    st_case("STI holds interrupts for one instruction");
    self_ipi(0x50);
    st_catch(i_sti_shadow, 0);
    EQ(st_irqs[0x50], 2);
    st_catch(i_sti_nop, 0);
    EQ(st_irqs[0x50], 3);
    eoi();
    st_case("the APIC timer: one shot, HLT wakes");
    st_irq_gate(0x70);
    apic_write(0x3e0, 0xb);
    apic_write(0x320, 0x70);
    apic_write(0x380, 1000);
    EQ(st_catch(i_sti_hlt, 0), NO_TRAP);
    EQ(st_irqs[0x70], 1);
    EQ(apic_read(0x390), 0);
    eoi();
    uint32_t r[4];
    cpuid(1, 0, r);
    if (r[2] & 1u << 24) {
        st_case("the APIC timer: TSC deadline");
        apic_write(0x320, 0x40070);
        uint32_t lo, hi;
        __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
        wrmsr(MSR_TSC_DEADLINE, ((uint64_t)hi << 32 | lo) + 20000);
        CHECK(rdmsr(MSR_TSC_DEADLINE) != 0);
        EQ(st_catch(i_sti_hlt, 0), NO_TRAP);
        EQ(st_irqs[0x70], 2);
        EQ(rdmsr(MSR_TSC_DEADLINE), 0);
        eoi();
    }
    apic_write(0x320, 0x10000);
    st_case("NMI by self IPI");
    st_irq_gate(2);
    if (x2apic) {
        wrmsr(0x830, (uint64_t)apic_read(0x20) << 32 | 0x400);
    } else {
        apic_write(0x310, apic_read(0x20));
        apic_write(0x300, 0x400);
    }
    __asm__ volatile("nop; nop; nop");
    EQ(st_irqs[2], 1);
    st_trap_gate(2);
}

void test_interrupts(void)
{
    uint32_t r[4];
    pit();
    local_apic();
    cpuid(1, 0, r);
    if (r[2] & 1u << 21) {
        wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_EXTD);
        x2apic = true;
        local_apic();
    }
}
