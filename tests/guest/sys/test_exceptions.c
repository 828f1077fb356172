/* tests/guest/sys/test_exceptions.c: vectors, error codes and saved state of faults at CPL 0. */
#include "st.h"

#define NONCANON "0x800000000000"

ASM(x_ud2, "x_ud2_at: ud2")
ASM(x_div0, "xor %ecx, %ecx\n mov $1, %eax\n xor %edx, %edx\n x_div0_at: div %ecx")
ASM(x_divover, "mov $-1, %rdx\n mov $5, %ecx\n div %rcx")
ASM(x_idivmin, "mov $0x80000000, %eax\n mov $-1, %edx\n mov $-1, %ecx\n idiv %ecx")
ASM(x_int3, "int3\nx_int3_after: nop")
ASM(x_noncanon_ds, "movabs $" NONCANON ", %rax\n mov (%rax), %rcx")
ASM(x_noncanon_ss, "push %rbp\n movabs $" NONCANON ", %rbp\n mov (%rbp), %rcx")
ASM(x_noncanon_push, "mov %rsp, %rcx\n movabs $0x800000000010, %rsp\n push %rax")
ASM(x_noncanon_jmp, "movabs $" NONCANON ", %rax\n x_noncanon_jmp_at: jmp *%rax")
ASM(x_lock_nomem, ".byte 0xf0, 0x01, 0xc0")
ASM(x_lock_bad, "mov $0x500000, %eax\n .byte 0xf0, 0x8b, 0x00") /* lock mov (%rax), %eax */
ASM(x_too_long, ".fill 14, 1, 0x66\n .byte 0x01, 0xc0")
ASM(x_fxsave_unaligned, "mov $0x500001, %eax\n fxsave (%rax)")
ASM(x_movaps_unaligned, "mov $0x500008, %eax\n movaps (%rax), %xmm0")
ASM(x_cr0_pg_no_pe, "mov %cr0, %rax\n and $~1, %rax\n mov %rax, %cr0")
ASM(x_cr0_high, "mov %cr0, %rax\n bts $40, %rax\n mov %rax, %cr0")
ASM(x_cr4_reserved, "mov %cr4, %rax\n bts $31, %rax\n mov %rax, %cr4")
ASM(x_cr4_no_pae, "mov %cr4, %rax\n and $~0x20, %rax\n mov %rax, %cr4")
ASM(x_cr1, ".byte 0x0f, 0x22, 0xc8") /* mov %rax, %cr1 */
ASM(x_msr, "mov $0x12345678, %ecx\n rdmsr")
ASM(x_efer_lme, "mov $0xc0000080, %ecx\n rdmsr\n and $~0x100, %eax\n wrmsr")
ASM(x_lstar_noncanon, "mov $0xc0000082, %ecx\n mov $0x1000000, %edx\n xor %eax, %eax\n wrmsr")
ASM(x_xsetbv, "xor %ecx, %ecx\n xor %edx, %edx\n mov $2, %eax\n xsetbv")
ASM(x_bound64, ".byte 0x62, 0x00")
ASM(x_push_es, ".byte 0x06")
ASM(x_int_np, "int $0x81")
ASM(x_int_beyond, "int $0x83")
ASM(x_iret_null_cs, "push $0x10\n push %rsp\n pushfq\n push $0\n push $1f\n iretq\n1:")
ASM(x_mf, "fninit\n push $0x37b\n fldcw (%rsp)\n pop %rax\n fld1\n fldz\n fdivrp\n x_mf_at: fwait")
ASM(x_xm, "sub $8, %rsp\n movl $0x1d80, (%rsp)\n ldmxcsr (%rsp)\n xorps %xmm0, %xmm0\n"
          "mov $0x3f800000, %eax\n movd %eax, %xmm1\n divss %xmm0, %xmm1\n add $8, %rsp")
ASM(x_mxcsr, "sub $8, %rsp\n movl $0x10000, (%rsp)\n ldmxcsr (%rsp)")
ASM(x_fpu, "fninit")
ASM(x_sse, "xorps %xmm0, %xmm0")
extern char x_ud2_at[], x_div0_at[], x_int3_after[], x_noncanon_jmp_at[], x_mf_at[];

static void with_cr0(uint64_t set, void (*fn)(void *), unsigned want)
{
    const uint64_t old = READ_CR(0);
    WRITE_CR(0, old | set);
    const unsigned got = st_catch(fn, 0);
    WRITE_CR(0, old);
    EQ(got, want);
}

static void faults(void)
{
    st_case("undefined instruction saves its own address");
    EQ(st_catch(x_ud2, 0), EXC_UD);
    EQ(st_trap.rip, (uintptr_t)x_ud2_at);
    EQ(st_trap.cs, SEL_CODE64);
    EQ(st_trap.ss, SEL_DATA);
    st_case("divide errors");
    EQ(st_catch(x_div0, 0), EXC_DE);
    EQ(st_trap.rip, (uintptr_t)x_div0_at);
    EQ(st_catch(x_divover, 0), EXC_DE);
    EQ(st_catch(x_idivmin, 0), EXC_DE);
    st_case("breakpoint is a trap");
    EQ(st_catch(x_int3, 0), EXC_BP);
    EQ(st_trap.rip, (uintptr_t)x_int3_after);
    st_case("non-canonical addresses");
    TRAP(st_catch(x_noncanon_ds, 0), EXC_GP, 0);
    TRAP(st_catch(x_noncanon_ss, 0), EXC_SS, 0);
    st_gate(EXC_SS, st_idt[2 * EXC_SS] | 1ull << 32, st_idt[2 * EXC_SS + 1]); /* IST1 */
    TRAP(st_catch(x_noncanon_push, 0), EXC_SS, 0);
    EQ(st_trap.rsp, 0x800000000010ull);
    st_trap_gate(EXC_SS);
    TRAP(st_catch(x_noncanon_jmp, 0), EXC_GP, 0);
    EQ(st_trap.rip, (uintptr_t)x_noncanon_jmp_at);
    st_case("LOCK needs a memory destination");
    EQ(st_catch(x_lock_nomem, 0), EXC_UD);
    EQ(st_catch(x_lock_bad, 0), EXC_UD);
    st_case("instructions longer than 15 bytes");
    TRAP(st_catch(x_too_long, 0), EXC_GP, 0);
    st_case("alignment of 16-byte operands");
    TRAP(st_catch(x_fxsave_unaligned, 0), EXC_GP, 0);
    TRAP(st_catch(x_movaps_unaligned, 0), EXC_GP, 0);
    st_case("invalid in 64-bit mode");
    EQ(st_catch(x_push_es, 0), EXC_UD);
}

static void system_registers(void)
{
    st_case("control register checks");
    TRAP(st_catch(x_cr0_pg_no_pe, 0), EXC_GP, 0);
    TRAP(st_catch(x_cr0_high, 0), EXC_GP, 0);
    TRAP(st_catch(x_cr4_reserved, 0), EXC_GP, 0);
    TRAP(st_catch(x_cr4_no_pae, 0), EXC_GP, 0);
    EQ(st_catch(x_cr1, 0), EXC_UD);
    st_case("MSR checks");
    TRAP(st_catch(x_msr, 0), EXC_GP, 0);
    TRAP(st_catch(x_efer_lme, 0), EXC_GP, 0);
    TRAP(st_catch(x_lstar_noncanon, 0), EXC_GP, 0);
    uint32_t r[4];
    cpuid(1, 0, r);
    st_case("XSETBV needs x87 and OSXSAVE");
    if (!(r[2] & 1u << 26)) {
        st_skip("no XSAVE");
        return;
    }
    EQ(st_catch(x_xsetbv, 0), EXC_UD);
    WRITE_CR(4, READ_CR(4) | CR4_OSXSAVE);
    TRAP(st_catch(x_xsetbv, 0), EXC_GP, 0);
    cpuid(1, 0, r);
    CHECK(r[2] & 1u << 27);
    WRITE_CR(4, READ_CR(4) & ~(uint64_t)CR4_OSXSAVE);
}

static void gates(void)
{
    st_case("software interrupts through bad gates");
    st_idt[2 * 0x81] &= ~(0x8000ull << 32);
    TRAP(st_catch(x_int_np, 0), EXC_NP, 0x81 * 8 + 2);
    st_trap_gate(0x81);
    st_idt[2 * 0x83] = 0;
    TRAP(st_catch(x_int_beyond, 0), EXC_GP, 0x83 * 8 + 2);
    st_trap_gate(0x83);
    TRAP(st_catch(x_iret_null_cs, 0), EXC_GP, 0);
    st_case("contributory faults become a double fault on its IST stack");
    st_idt[2 * EXC_GP] &= ~(0x8000ull << 32);
    st_gate(EXC_DF, st_idt[2 * EXC_DF] | 1ull << 32, st_idt[2 * EXC_DF + 1]);
    TRAP(st_catch(x_noncanon_ds, 0), EXC_DF, 0);
    st_trap_gate(EXC_GP);
    st_trap_gate(EXC_DF);
}

static void fpu(void)
{
    st_case("x87 and SSE availability");
    with_cr0(CR0_TS, x_fpu, EXC_NM);
    with_cr0(CR0_EM, x_fpu, EXC_NM);
    with_cr0(CR0_TS, x_sse, EXC_NM);
    with_cr0(CR0_EM, x_sse, EXC_UD);
    st_case("unmasked floating-point exceptions");
    EQ(st_catch(x_mf, 0), EXC_MF);
    EQ(st_trap.rip, (uintptr_t)x_mf_at);
    st_catch(x_fpu, 0);
    EQ(st_catch(x_xm, 0), EXC_XM);
    TRAP(st_catch(x_mxcsr, 0), EXC_GP, 0);
    const uint32_t normal = 0x1f80;
    __asm__ volatile("ldmxcsr %0" : : "m"(normal));
}

void test_exceptions(void)
{
    faults();
    system_registers();
    gates();
    fpu();
}
