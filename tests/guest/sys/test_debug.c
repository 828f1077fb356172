/* tests/guest/sys/test_debug.c: single-step, breakpoints, DR6/DR7, RF, shadows (SDM 3B 18). */
#include "st.h"

ASM(d_step, "pushfq\n orl $0x100, (%rsp)\n popfq\n d_step_1: nop\n d_step_2: nop")
ASM(d_code, "d_code_at: nop")
ASM(d_code_rf, "push $16\n lea 8(%rsp), %rax\n push %rax\n pushfq\n orl $0x10000, (%rsp)\n push "
               "$8\n push $d_code_at\n iretq")
ASM(d_write, "movl $1, (%rdi)\nd_write_after: nop")
ASM(d_read, "mov (%rdi), %eax\nd_read_after: nop")
ASM(d_movs, "mov %rdi, %rsi\n add $64, %rdi\n mov $4, %ecx\n rep movsl\nd_movs_after: nop")
ASM(d_gd, "mov %dr0, %rax")
ASM(d_int1, ".byte 0xf1\nd_int1_after: nop")
ASM(d_movss, "mov $16, %eax\n pushfq\n orl $0x100, (%rsp)\n popfq\n mov %eax, %ss\n nop\n "
             "d_movss_after: nop")
ASM(d_dr4, "mov %dr4, %rax")
extern char d_step_2[], d_code_at[], d_write_after[], d_read_after[], d_int1_after[],
    d_movss_after[];

static void clear(void)
{
    WRITE_DR(7, 0x400);
    WRITE_DR(6, 0xffff0ff0);
}

void test_debug(void)
{
    uint32_t *const data = (uint32_t *)0x600100;
    st_case("single-step traps after the next instruction");
    clear();
    EQ(st_catch(d_step, 0), EXC_DB);
    EQ(st_trap.rip, (uintptr_t)d_step_2);
    EQ(READ_DR(6) & 0xe00f, DR6_BS);
    CHECK(st_trap.rflags & FL_TF);
    st_case("an instruction breakpoint is a fault");
    clear();
    WRITE_DR(0, (uintptr_t)d_code_at);
    WRITE_DR(7, 0x402);
    EQ(st_catch(d_code, 0), EXC_DB);
    EQ(st_trap.rip, (uintptr_t)d_code_at);
    EQ(READ_DR(6) & 0xe00f, 1);
    CHECK(!(st_trap.rflags & FL_RF)); /* set for every fault but this one */
    st_case("RF skips it once");
    clear();
    WRITE_DR(0, (uintptr_t)d_code_at);
    WRITE_DR(7, 0x402);
    EQ(st_catch(d_code_rf, 0), NO_TRAP);
    st_case("data breakpoints are traps");
    clear();
    WRITE_DR(1, (uintptr_t)data);
    WRITE_DR(7, 0x400 | 8 | 0xdull << 20); /* DR1: write, 4 bytes */
    EQ(st_catch(d_read, data), NO_TRAP);
    EQ(st_catch(d_write, data), EXC_DB);
    EQ(st_trap.rip, (uintptr_t)d_write_after);
    EQ(READ_DR(6) & 0xe00f, 2);
    clear();
    WRITE_DR(7, 0x400 | 8 | 0xfull << 20); /* read or write */
    EQ(st_catch(d_read, data), EXC_DB);
    EQ(st_trap.rip, (uintptr_t)d_read_after);
    EQ(st_catch(d_read, data + 1), NO_TRAP);
    clear();
    st_case("general detect");
    WRITE_DR(7, 0x400 | DR7_GD);
    EQ(st_catch(d_gd, 0), EXC_DB);
    EQ(READ_DR(6) & DR6_BD, DR6_BD);
    EQ(READ_DR(7) & DR7_GD, 0);
    clear();
    st_case("INT1 and DR4 with DE");
    EQ(st_catch(d_int1, 0), EXC_DB);
    EQ(st_trap.rip, (uintptr_t)d_int1_after);
    EQ(st_catch(d_dr4, 0), NO_TRAP);
    WRITE_CR(4, READ_CR(4) | CR4_DE);
    EQ(st_catch(d_dr4, 0), EXC_UD);
    WRITE_CR(4, READ_CR(4) & ~(uint64_t)CR4_DE);
    st_case("MOV SS holds back the single-step trap by one instruction");
    EQ(st_catch(d_movss, 0), EXC_DB);
    EQ(st_trap.rip, (uintptr_t)d_movss_after);
    clear();
}
