/*
 * kern/entry.S: interrupt and exception stubs, system call entry, thread switch.
 *
 * The system call path is part of the intercept round trip, so it keeps short: SYSCALL masks IF
 * (SFMASK), callee-saved registers are left to the C code, the others are cleared on the way out.
 */

    .text
    /* 256 stubs of 16 bytes: vector and a zero error code where the processor pushes none */
    .globl trap_stubs
    .align 16
trap_stubs:
    vector = 0
    .rept 256
    .align 16
    .if (vector != 8) && (vector != 17) && (vector != 21) && ((vector < 10) || (vector > 14))
    push $0
    .endif
    push $vector
    jmp trap_common
    vector = vector + 1
    .endr

trap_common:
    push %rax
    push %rcx
    push %rdx
    push %rbx
    push %rbp
    push %rsi
    push %rdi
    push %r8
    push %r9
    push %r10
    push %r11
    push %r12
    push %r13
    push %r14
    push %r15
    cld
    mov %rsp, %rdi
    call trap
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %r11
    pop %r10
    pop %r9
    pop %r8
    pop %rdi
    pop %rsi
    pop %rbp
    pop %rbx
    pop %rdx
    pop %rcx
    pop %rax
    add $16, %rsp
    iretq

    .globl syscall_entry
    .align 16
syscall_entry:
    mov %rsp, syscall_user_rsp(%rip)
    mov syscall_kernel_rsp(%rip), %rsp
    push syscall_user_rsp(%rip)
    push %rcx
    push %r11
    sub $8, %rsp
    mov %r10, %rcx
    cmp $64, %rax              /* SYSCALL_SLOTS of syscall.c */
    jae 1f
    call *syscall_table(, %rax, 8)
syscall_return:
    add $8, %rsp
    pop %r11
    pop %rcx
    pop %rsp
    xor %edx, %edx
    xor %esi, %esi
    xor %edi, %edi
    xor %r8d, %r8d
    xor %r9d, %r9d
    xor %r10d, %r10d
    sysretq
1:  mov $-38, %rax
    jmp syscall_return

    /* First return of a user thread: sched_new_user prepared {arg, rflags, rip, rsp} above. */
    .globl user_first
user_first:
    pop %rdi
    pop %r11
    pop %rcx
    pop %rsp
    xor %eax, %eax
    xor %edx, %edx
    xor %ebx, %ebx
    xor %esi, %esi
    xor %ebp, %ebp
    xor %r8d, %r8d
    xor %r9d, %r9d
    xor %r10d, %r10d
    xor %r12d, %r12d
    xor %r13d, %r13d
    xor %r14d, %r14d
    xor %r15d, %r15d
    sysretq

    /* First run of a kernel thread: R12 = entry, R13 = argument. */
    .globl kernel_first
kernel_first:
    mov %r13, %rdi
    call *%r12
    call sched_exit

    /* void thread_switch(uint64_t *save_rsp, uint64_t load_rsp) */
    .globl thread_switch
    .align 16
thread_switch:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, (%rdi)
    mov %rsi, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret

    .bss
    .globl syscall_kernel_rsp
    .align 8
syscall_user_rsp: .quad 0
syscall_kernel_rsp: .quad 0
    .section .note.GNU-stack, "", @progbits
