/* tests/guest/sys/test_segments.c: descriptor checks, compatibility mode, call gates,
 * LAR/LSL/VERR. */
#include "st.h"

#define FREE(n) (SEL_FREE + 8 * (n))
static void slot(unsigned n, uint64_t d)
{
    st_gdt[SEL_FREE / 8 + n] = d;
}

ASM(s_load_ds, "mov %edi, %ds\n mov $16, %eax\n mov %eax, %ds")
ASM(s_load_ss, "mov %edi, %ss\n mov $16, %eax\n mov %eax, %ss")
ASM(s_load_fs, "mov %edi, %fs")
ASM(s_ltr, "ltr %di")
ASM(s_lldt, "lldt %di")
ASM(s_far_jump,
    "sub $16, %rsp\n movl $1f, (%rsp)\n mov %di, 4(%rsp)\n ljmp *(%rsp)\n1: add $16, %rsp")
ASM(s_far_call,
    "sub $16, %rsp\n movl $1f, (%rsp)\n mov %di, 4(%rsp)\n lcall *(%rsp)\n add $16, %rsp\n"
    "jmp 2f\n1: lretl\n2:")
ASM(s_call_gate,
    "sub $16, %rsp\n mov %di, 4(%rsp)\n movl $0, (%rsp)\n mov %rsp, %rbx\n lcall *(%rsp)\n"
    "cmp %rsp, %rbx\n jne 1f\n add $16, %rsp\n ret\n1: ud2")
ASM(s_gate_target, "lretq")
/* 32-bit code: reads [fs:edi] with limit checks, pushes 4 bytes; entered by a far call from
 * 64-bit */
__asm__(".text\n.code32\ns_compat:\n mov %esp, %ebx\n push $7\n sub %esp, %ebx\n mov %ebx, "
        "(%edi)\n add $4, %esp\n"
        "inc %eax\n .byte 0x48, 0x48\n lret\n" /* inc eax; dec eax; dec eax: not REX here */
        "s_compat_limit:\n mov %fs:(%esi), %al\n lret\n"
        "s_compat_expand:\n mov %fs:(%esi), %ax\n lret\n"
        ".code64\n");
extern char s_compat[], s_compat_limit[];
struct compat {
    uint32_t push_size, eax;
};
ASM(s_run_compat,
    "mov %rdi, %r12\n mov $100, %eax\n sub $16, %rsp\n movl $s_compat, (%rsp)\n movw $24, 4(%rsp)\n"
    "lcall *(%rsp)\n add $16, %rsp\n mov %eax, 4(%r12)")
ASM(s_run_limit,
    "mov %rdi, %rsi\n sub $16, %rsp\n movl $s_compat_limit, (%rsp)\n movw $24, 4(%rsp)\n"
    "lcall *(%rsp)\n add $16, %rsp")
ASM(s_fsbase, "mov %rdi, %rbx\n mov $0xc0000100, %ecx\n mov %edi, %eax\n xor %edx, %edx\n wrmsr\n"
              "mov %fs:8, %rax\n mov %rax, (%rbx)")

static unsigned compat_fs(uint64_t descriptor, uint64_t offset)
{
    slot(0, descriptor);
    __asm__ volatile("mov %0, %%fs" : : "r"((uint32_t)FREE(0)));
    const unsigned v = st_catch(s_run_limit, (void *)offset);
    __asm__ volatile("mov %0, %%fs" : : "r"(0));
    return v;
}

static void loads(void)
{
    st_case("segment register loads check the descriptor");
    slot(0, 0x00cf13000000ffffull); /* data, not present */
    TRAP(st_catch(s_load_ds, (void *)FREE(0)), EXC_NP, FREE(0));
    TRAP(st_catch(s_load_ss, (void *)FREE(0)), EXC_SS, FREE(0));
    slot(0, 0x00cf99000000ffffull); /* execute-only code */
    TRAP(st_catch(s_load_ds, (void *)FREE(0)), EXC_GP, FREE(0));
    slot(0, 0x00cf91000000ffffull); /* read-only data */
    TRAP(st_catch(s_load_ss, (void *)FREE(0)), EXC_GP, FREE(0));
    EQ(st_catch(s_load_ds, (void *)FREE(0)), NO_TRAP);
    TRAP(st_catch(s_load_ds, (void *)0x1000), EXC_GP, 0x1000);             /* beyond the GDT */
    TRAP(st_catch(s_load_fs, (void *)(FREE(0) | 4)), EXC_GP, FREE(0) | 4); /* no LDT */
    EQ(st_catch(s_load_fs, (void *)3), NO_TRAP);                           /* null */
    st_case("the accessed bit is set by a load");
    slot(0, 0x00cf92000000ffffull);
    EQ(st_catch(s_load_ds, (void *)FREE(0)), NO_TRAP);
    EQ(st_gdt[SEL_FREE / 8] >> 40 & 1, 1);
    st_case("LTR and LLDT check type, presence and busy");
    TRAP(st_catch(s_ltr, (void *)SEL_TSS), EXC_GP, SEL_TSS); /* busy */
    TRAP(st_catch(s_ltr, (void *)SEL_DATA), EXC_GP, SEL_DATA);
    TRAP(st_catch(s_ltr, (void *)0), EXC_GP, 0);
    TRAP(st_catch(s_lldt, (void *)SEL_DATA), EXC_GP, SEL_DATA);
    slot(2, 0x0000020000000000ull), slot(3, 0);
    TRAP(st_catch(s_lldt, (void *)FREE(2)), EXC_NP, FREE(2));
    EQ(st_catch(s_lldt, (void *)0), NO_TRAP);
}

static void transfers(void)
{
    st_case("far jumps and calls check the code segment");
    TRAP(st_catch(s_far_jump, (void *)0), EXC_GP, 0);
    TRAP(st_catch(s_far_jump, (void *)SEL_DATA), EXC_GP, SEL_DATA);
    EQ(st_catch(s_far_jump, (void *)SEL_CODE64), NO_TRAP);
    EQ(st_catch(s_far_call, (void *)SEL_CODE64), NO_TRAP);
    slot(0, 0x00ef9b000000ffffull); /* L and D both set */
    TRAP(st_catch(s_far_jump, (void *)FREE(0)), EXC_GP, FREE(0));
    slot(0, 0x00af1b000000ffffull); /* not present */
    TRAP(st_catch(s_far_jump, (void *)FREE(0)), EXC_NP, FREE(0));
    st_case("a 64-bit call gate");
    const uint64_t to = (uintptr_t)s_gate_target;
    slot(0, (to & 0xffff) | SEL_CODE64 << 16 | 0x8c00ull << 32 | (to >> 16 & 0xffff) << 48);
    slot(1, to >> 32);
    EQ(st_catch(s_call_gate, (void *)FREE(0)), NO_TRAP);
    st_gdt[SEL_FREE / 8] &= ~(0x8000ull << 32);
    TRAP(st_catch(s_call_gate, (void *)FREE(0)), EXC_NP, FREE(0));
}

static void compat(void)
{
    st_case("compatibility mode decodes 32-bit code");
    struct compat *const c = (struct compat *)0x600000;
    EQ(st_catch(s_run_compat, c), NO_TRAP);
    EQ(c->push_size, 4);
    EQ(c->eax, 99);
    st_case("segment limits are checked in compatibility mode");
    EQ(compat_fs(0x0040930000000fffull | 0x10ull << 16, 0xfff), NO_TRAP);
    TRAP(compat_fs(0x0040930000000fffull, 0x1000), EXC_GP, 0);
    EQ(compat_fs(0x0040970000000fffull, 0x1000), NO_TRAP); /* expand-down */
    TRAP(compat_fs(0x0040970000000fffull, 0xfff), EXC_GP, 0);
    TRAP(st_catch(s_run_limit, (void *)0), EXC_GP, 0); /* null FS */
    st_case("FS base by MSR in 64-bit mode");
    uint64_t *const p = (uint64_t *)0x600000;
    p[0] = 0, p[1] = 0x1234;
    EQ(st_catch(s_fsbase, p), NO_TRAP);
    EQ(p[0], 0x1234);
    wrmsr(MSR_FS_BASE, 0);
}

static void queries(void)
{
    uint32_t v = 0;
    bool zf;
    st_case("LAR, LSL, VERR, VERW");
    __asm__ volatile("lar %2, %0" : "=r"(v), "=@ccz"(zf) : "r"((uint32_t)SEL_CODE64));
    CHECK(zf);
    EQ(v, 0xaf9b00);
    __asm__ volatile("lsl %2, %0" : "=r"(v), "=@ccz"(zf) : "r"((uint32_t)SEL_TSS));
    CHECK(zf);
    EQ(v, 0x20ff);
    __asm__ volatile("lar %2, %0" : "=r"(v), "=@ccz"(zf) : "r"(0u));
    CHECK(!zf);
    __asm__ volatile("verw %w1" : "=@ccz"(zf) : "r"(SEL_CODE64));
    CHECK(!zf);
    __asm__ volatile("verr %w1" : "=@ccz"(zf) : "r"(SEL_CODE64));
    CHECK(zf);
    __asm__ volatile("verw %w1" : "=@ccz"(zf) : "r"(SEL_DATA));
    CHECK(zf);
}

void test_segments(void)
{
    loads();
    transfers();
    compat();
    queries();
}
