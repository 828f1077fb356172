/* tests/guest/sys/test_user.c: CPL 3: privileged instructions, I/O bitmap, SYSCALL, SYSENTER,
 * IRET. */
#include "st.h"

ASM(u_hlt, "hlt")
ASM(u_cli, "cli")
ASM(u_cr, "mov %cr0, %rax")
ASM(u_lgdt, "lgdt gdt_desc")
ASM(u_clts, "clts")
ASM(u_rdmsr, "mov $0x10, %ecx\n rdmsr")
ASM(u_invlpg, "invlpg (%rsp)")
ASM(u_swapgs, "swapgs")
ASM(u_in, "mov $0x80, %edx\n in %dx, %al")
ASM(u_in2, "mov $0x81, %edx\n in %dx, %al")
ASM(u_inw, "mov $0x80, %edx\n in %dx, %ax")
ASM(u_int_dpl0, "int $0x90")
ASM(u_ud, "ud2")
ASM(u_popf_if, "pushfq\n orq $0x3200, (%rsp)\n popfq\n pushfq\n pop %rax\n mov %rax, (%rdi)")
ASM(u_iret_kernel, "push $0x10\n push %rsp\n pushfq\n push $8\n push $1f\n iretq\n1:")
ASM(u_load_ss_null, "xor %eax, %eax\n mov %eax, %ss")
ASM(u_load_kernel_ds, "mov $16, %eax\n mov %eax, %ds")
ASM(u_ac, "pushfq\n orq $0x40000, (%rsp)\n popfq\n mov 1(%rdi), %eax\n pushfq\n andq $~0x40000, "
          "(%rsp)\n popfq")
ASM(u_kernel_page, "mov (%rdi), %rax")
ASM(u_rdtsc, "rdtsc")
ASM(u_syscall, "mov %rsp, %r15\n mov %rdi, %rbx\n syscall\n mov %rax, (%rbx)\n mov %r15, %rsp")
ASM(u_syscall_entry, "mov $0x5151, %eax\n sysretq")
ASM(u_sysenter, "mov %rdi, %rbx\n mov %rsp, %rcx\n mov $1f, %edx\n sysenter\n1: mov %rax, (%rbx)")
ASM(u_sysenter_entry, "mov %rsp, %rax\n sysexitq")

static void privileged(void)
{
    static void (*const bad[])(void *) = {u_hlt,   u_cli,    u_cr,     u_lgdt, u_clts,
                                          u_rdmsr, u_invlpg, u_swapgs, u_in};
    st_case("privileged instructions at CPL 3");
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++)
        TRAP(st_catch_user(bad[i], 0), EXC_GP, 0);
    EQ(st_trap.cs, SEL_USER_CODE64 | 3);
    EQ(st_trap.ss, SEL_USER_DATA | 3);
    st_case("a user stack is switched to RSP0");
    EQ(st_catch_user(u_ud, 0), EXC_UD);
    CHECK(st_trap.rsp != 0);
    st_case("the I/O permission bitmap opens single ports");
    st_tss[104 + 0x80 / 8] &= (uint8_t)~1u;
    EQ(st_catch_user(u_in, 0), NO_TRAP);
    TRAP(st_catch_user(u_in2, 0), EXC_GP, 0);
    TRAP(st_catch_user(u_inw, 0), EXC_GP, 0);
    st_tss[104 + 0x80 / 8] |= 1;
    st_case("gates of DPL 0 are closed to INT n at CPL 3");
    TRAP(st_catch_user(u_int_dpl0, 0), EXC_GP, 0x90 * 8 + 2);
    st_case("POPF at CPL 3 leaves IF and IOPL");
    uint64_t fl = 0;
    EQ(st_catch_user(u_popf_if, &fl), NO_TRAP);
    EQ(fl & (FL_IF | FL_IOPL), 0);
}

static void protection(void)
{
    st_case("IRET cannot raise privilege");
    TRAP(st_catch_user(u_iret_kernel, 0), EXC_GP, SEL_CODE64);
    st_case("segment loads at CPL 3");
    TRAP(st_catch_user(u_load_ss_null, 0), EXC_GP, 0);
    TRAP(st_catch_user(u_load_kernel_ds, 0), EXC_GP, SEL_DATA);
    st_case("alignment check needs CR0.AM, AC and CPL 3");
    uint64_t word[2] = {0, 0};
    EQ(st_catch_user(u_ac, word), NO_TRAP);
    WRITE_CR(0, READ_CR(0) | CR0_AM);
    TRAP(st_catch_user(u_ac, word), EXC_AC, 0);
    EQ(st_catch(u_ac, word), NO_TRAP);
    WRITE_CR(0, READ_CR(0) & ~(uint64_t)CR0_AM);
    st_case("TSD closes RDTSC to CPL 3");
    EQ(st_catch_user(u_rdtsc, 0), NO_TRAP);
    WRITE_CR(4, READ_CR(4) | CR4_TSD);
    TRAP(st_catch_user(u_rdtsc, 0), EXC_GP, 0);
    EQ(st_catch(u_rdtsc, 0), NO_TRAP);
    WRITE_CR(4, READ_CR(4) & ~(uint64_t)CR4_TSD);
}

void test_user(void)
{
    privileged();
    protection();
    st_case("SYSCALL and SYSRET");
    wrmsr(MSR_STAR, 24ull << 48 | (uint64_t)SEL_CODE64 << 32);
    wrmsr(MSR_LSTAR, (uintptr_t)u_syscall_entry);
    wrmsr(MSR_SFMASK, 0x200);
    uint64_t got = 0;
    EQ(st_catch_user(u_syscall, &got), NO_TRAP);
    EQ(got, 0x5151);
    st_case("SYSENTER and SYSEXIT");
    uint32_t r[4];
    cpuid(0, 0, r);
    if (r[1] != 0x756e6547) {
        st_skip("not an Intel part");
    } else {
        /* SYSEXIT takes CS + 32 (64-bit code), SS + 40 from the MSR: use GDT slots of their own */
        extern uint64_t st_gdt[];
        st_gdt[SEL_FREE / 8 + 0] = st_gdt[SEL_CODE64 / 8];
        st_gdt[SEL_FREE / 8 + 1] = st_gdt[SEL_DATA / 8];
        st_gdt[SEL_FREE / 8 + 4] = st_gdt[SEL_USER_CODE64 / 8];
        st_gdt[SEL_FREE / 8 + 5] = st_gdt[SEL_USER_DATA / 8];
        wrmsr(MSR_SYSENTER_CS, SEL_FREE);
        wrmsr(MSR_SYSENTER_EIP, (uintptr_t)u_sysenter_entry);
        wrmsr(MSR_SYSENTER_ESP, 0x123450);
        EQ(st_catch_user(u_sysenter, &got), NO_TRAP);
        EQ(got, 0x123450);
        wrmsr(MSR_SYSENTER_CS, 0);
        TRAP(st_catch_user(u_sysenter, &got), EXC_GP, 0);
    }
}
