/* tests/guest/sys/test_ext.c: extensions that not every processor model has: UMIP, protection keys,
 * MONITOR and MWAIT, XSAVES, BTF, performance counters. */
#include "st.h"

#define VA     0x7e8000000000ull /* PML4 slot 253 */
#define FRAME0 0x2400000ull
static uint64_t pdpt[512] __attribute__((aligned(4096))), pd[512] __attribute__((aligned(4096))),
    pt[512] __attribute__((aligned(4096)));
static uint8_t area[1024] __attribute__((aligned(64)));

ASM(x_sgdt, "sgdt -64(%rsp)")
ASM(x_sldt, "sldt %rax")
ASM(x_str, "str %rax")
ASM(x_smsw, "smsw %rax")
ASM(x_read, "mov (%rdi), %rax")
ASM(x_write, "movq $0x55, (%rdi)")
ASM(x_rdpkru, "xor %ecx, %ecx\n .byte 0x0f, 0x01, 0xee")
ASM(x_rdpkru1, "mov $1, %ecx\n .byte 0x0f, 0x01, 0xee")
ASM(x_mwait, "mov %rdi, %rax\n xor %ecx, %ecx\n xor %edx, %edx\n .byte 0x0f, 0x01, 0xc8\n"
             "movl $1, (%rdi)\n .byte 0x0f, 0x01, 0xc9")
ASM(x_mwait_irq, "mov %rdi, %rax\n xor %ecx, %ecx\n xor %edx, %edx\n .byte 0x0f, 0x01, 0xc8\n"
                 "sti\n .byte 0x0f, 0x01, 0xc9\n cli")
ASM(x_mwait_break, "mov %rdi, %rax\n xor %ecx, %ecx\n xor %edx, %edx\n .byte 0x0f, 0x01, 0xc8\n"
                   "inc %ecx\n .byte 0x0f, 0x01, 0xc9")
ASM(x_monitor_bad, "mov %rdi, %rax\n mov $2, %ecx\n .byte 0x0f, 0x01, 0xc8")
ASM(x_xsaves, "mov $0x203, %eax\n xor %edx, %edx\n .byte 0x48, 0x0f, 0xc7, 0x2f")
ASM(x_xrstors, "mov $0x203, %eax\n xor %edx, %edx\n .byte 0x48, 0x0f, 0xc7, 0x1f")
ASM(x_btf, "pushfq\n orl $0x100, (%rsp)\n popfq\n nop\n nop\n jmp x_btf_to\n ud2\nx_btf_to: nop")
ASM(x_loop, "mov $1000, %ecx\n1: dec %ecx\n jnz 1b")
ASM(x_rdpmc, "mov $0x40000000, %ecx\n rdpmc")
extern char x_btf_to[];

static bool has(uint32_t leaf, uint32_t sub, unsigned reg, unsigned bit)
{
    uint32_t r[4];
    cpuid(0, 0, r);
    if (leaf > r[0])
        return false;
    cpuid(leaf, sub, r);
    return r[reg] >> bit & 1;
}

static void set_cr4(uint64_t on, uint64_t off)
{
    WRITE_CR(4, (READ_CR(4) | on) & ~off);
}

static void umip(void)
{
    static void (*const looks[])(void *) = {x_sgdt, x_sldt, x_str, x_smsw};
    st_case("UMIP");
    if (!has(7, 0, 2, 2)) {
        st_skip("not announced");
        return;
    }
    for (unsigned n = 0; n < 4; n++) {
        EQ(st_catch_user(looks[n], 0), NO_TRAP);
        set_cr4(CR4_UMIP, 0);
        TRAP(st_catch_user(looks[n], 0), EXC_GP, 0);
        EQ(st_catch(looks[n], 0), NO_TRAP);
        set_cr4(0, CR4_UMIP);
    }
}

static void wrpkru(uint32_t v)
{
    __asm__ volatile(".byte 0x0f, 0x01, 0xef" : : "a"(v), "c"(0), "d"(0) : "memory");
}

static void *map(unsigned n, uint64_t flags)
{
    boot_pml4[253] = (uintptr_t)pdpt | 7;
    pdpt[0] = (uintptr_t)pd | 7;
    pd[0] = (uintptr_t)pt | 7;
    pt[n] = (FRAME0 + n * 4096) | flags;
    const uint64_t va = VA + n * 4096;
    __asm__ volatile("invlpg (%0)" : : "r"(va) : "memory");
    return (void *)va;
}

static void keys(void)
{
    st_case("protection keys");
    if (!has(7, 0, 2, 3)) {
        st_skip("not announced");
        return;
    }
    EQ(st_catch(x_rdpkru, 0), EXC_UD);
    set_cr4(CR4_PKE, 0);
    CHECK(has(7, 0, 2, 4)); /* OSPKE */
    TRAP(st_catch(x_rdpkru1, 0), EXC_GP, 0);
    void *const user = map(0, 7 | 3ull << 59), *const sup = map(1, 3 | 3ull << 59);
    wrpkru(1u << 6);
    TRAP(st_catch_user(x_read, user), EXC_PF, PFE_P | PFE_U | PFE_PK);
    TRAP(st_catch(x_read, user), EXC_PF, PFE_P | PFE_PK);
    EQ(st_catch(x_write, sup), NO_TRAP);
    wrpkru(2u << 6);
    EQ(st_catch_user(x_read, user), NO_TRAP);
    TRAP(st_catch_user(x_write, user), EXC_PF, PFE_P | PFE_U | PFE_W | PFE_PK);
    wrpkru(0);
    EQ(st_catch_user(x_write, user), NO_TRAP);
    set_cr4(0, CR4_PKE);
}

static void self_ipi(unsigned vector)
{
    if (rdmsr(MSR_APIC_BASE) & APIC_BASE_EXTD)
        wrmsr(0x830, 0x40000 | vector);
    else
        *(volatile uint32_t *)0xfee00300ull = 0x40000 | vector;
}

static void apic_write(uint32_t reg, uint32_t v)
{
    if (rdmsr(MSR_APIC_BASE) & APIC_BASE_EXTD)
        wrmsr(0x800 + reg / 16, v);
    else
        *(volatile uint32_t *)(0xfee00000ull + reg) = v;
}

static uint32_t apic_read(uint32_t reg)
{
    return rdmsr(MSR_APIC_BASE) & APIC_BASE_EXTD ? (uint32_t)rdmsr(0x800 + reg / 16)
                                                 : *(volatile uint32_t *)(0xfee00000ull + reg);
}

static void monitor(void)
{
    st_case("MONITOR and MWAIT");
    if (!has(1, 0, 2, 3)) {
        st_skip("not announced");
        return;
    }
    EQ(st_catch(x_mwait, area), NO_TRAP); /* the store came before: no wait */
    EQ(st_catch_user(x_mwait, area), EXC_UD);
    TRAP(st_catch(x_monitor_bad, area), EXC_GP, 0);
    st_irq_gate(0x61);
    apic_write(0xf0, 0x1ff);
    self_ipi(0x61);
    EQ(st_catch(x_mwait_irq, area), NO_TRAP);
    EQ(st_irqs[0x61], 1);
    apic_write(0xb0, 0);
    if (has(5, 0, 2, 1)) {
        self_ipi(0x61);
        EQ(st_catch(x_mwait_break, area), NO_TRAP);
        EQ(st_irqs[0x61], 1); /* it waits still */
        EQ(st_catch(x_mwait_irq, area), NO_TRAP);
        EQ(st_irqs[0x61], 2);
        apic_write(0xb0, 0);
    }
}

static void xsaves(void)
{
    st_case("XSAVES and XRSTORS");
    if (!has(0xd, 1, 0, 3) || !has(7, 0, 2, 3)) {
        st_skip("not announced");
        return;
    }
    set_cr4(CR4_OSXSAVE | CR4_OSFXSR | CR4_PKE, 0);
    __asm__ volatile("xsetbv" : : "a"(0x203), "c"(0), "d"(0));
    wrpkru(0x30);
    EQ(st_catch(x_xsaves, area), NO_TRAP);
    TRAP(st_catch_user(x_xsaves, area), EXC_GP, 0);
    EQ(*(uint64_t *)(area + 520) >> 63, 1);
    wrpkru(0);
    EQ(st_catch(x_xrstors, area), NO_TRAP);
    uint32_t pkru;
    __asm__ volatile(".byte 0x0f, 0x01, 0xee" : "=a"(pkru) : "c"(0) : "edx");
    EQ(pkru, 0x30);
    *(uint64_t *)(area + 520) = 0;
    TRAP(st_catch(x_xrstors, area), EXC_GP, 0);
    wrpkru(0);
    __asm__ volatile("xsetbv" : : "a"(3), "c"(0), "d"(0));
    set_cr4(0, CR4_OSXSAVE | CR4_PKE);
}

static void btf(void)
{
    st_case("single-step on branches");
    wrmsr(MSR_DEBUGCTL, DEBUGCTL_BTF);
    if (!(rdmsr(MSR_DEBUGCTL) & DEBUGCTL_BTF)) {
        st_skip("DebugCtl.BTF does not stay");
        return;
    }
    EQ(st_catch(x_btf, 0), EXC_DB);
    EQ(st_trap.rip, (uintptr_t)x_btf_to);
    EQ(rdmsr(MSR_DEBUGCTL) & DEBUGCTL_BTF, 0);
}

static void counters(void)
{
    st_case("performance counters");
    if (!has(0xa, 0, 0, 1)) { /* version 2 or 3 */
        st_skip("not announced");
        return;
    }
    wrmsr(MSR_PERF_GLOBAL_CTRL, 0);
    wrmsr(MSR_FIXED_CTR0, 0);
    wrmsr(MSR_FIXED_CTR_CTRL, 3);
    wrmsr(MSR_PMC0, 0);
    wrmsr(MSR_PERFEVTSEL0, 0x4300c4); /* branches at all levels */
    wrmsr(MSR_PERF_GLOBAL_CTRL, 1ull << 32 | 1);
    EQ(st_catch(x_loop, 0), NO_TRAP);
    wrmsr(MSR_PERF_GLOBAL_CTRL, 0);
    const uint64_t insns = rdmsr(MSR_FIXED_CTR0), branches = rdmsr(MSR_PMC0);
    CHECK(insns > 2000 && insns < 2200);
    CHECK(branches >= 1000 && branches < 1050);
    TRAP(st_catch_user(x_rdpmc, 0), EXC_GP, 0);
    set_cr4(CR4_PCE, 0);
    EQ(st_catch_user(x_rdpmc, 0), NO_TRAP);
    set_cr4(0, CR4_PCE);
    st_case("a performance interrupt masks its own LVT entry");
    st_irq_gate(0x62);
    apic_write(0x340, 0x62);
    wrmsr(MSR_FIXED_CTR0, (uint64_t)-100 & 0xffffffffffffull);
    wrmsr(MSR_FIXED_CTR_CTRL, 0xb);
    wrmsr(MSR_PERF_GLOBAL_CTRL, 1ull << 32);
    EQ(st_catch(x_loop, 0), NO_TRAP);
    __asm__ volatile("sti\n nop\n nop\n cli" : : : "memory");
    EQ(st_irqs[0x62], 1);
    EQ(apic_read(0x340) & 0x10000, 0x10000);
    EQ(rdmsr(MSR_PERF_GLOBAL_STATUS), 1ull << 32);
    wrmsr(MSR_PERF_GLOBAL_OVF, 1ull << 32);
    EQ(rdmsr(MSR_PERF_GLOBAL_STATUS), 0);
    apic_write(0xb0, 0);
    wrmsr(MSR_PERF_GLOBAL_CTRL, 0);
    wrmsr(MSR_FIXED_CTR_CTRL, 0);
    wrmsr(MSR_PERFEVTSEL0, 0);
}

void test_ext(void)
{
    umip();
    keys();
    monitor();
    xsaves();
    btf();
    counters();
}
