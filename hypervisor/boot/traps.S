/*
 * Interrupts in the hypervisor itself: one stub per vector, 16 bytes each, all to hv_trap(vector,
 * frame). Exceptions panic there; interrupts come only while an LP idles.
 */
        .text
        .balign 16
        .globl hv_trap_stubs
hv_trap_stubs:
        vector = 0
        .rept 256
        .balign 16
        .if (vector == 8) || ((vector >= 10) && (vector <= 14)) || (vector == 17)
        .else
        pushq $0
        .endif
        pushq $vector
        jmp trap_common
        vector = vector + 1
        .endr

trap_common:
        cld
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
        mov 15*8(%rsp), %rdi
        lea 16*8(%rsp), %rsi        /* error code, RIP, CS, RFLAGS, RSP, SS */
        call hv_trap
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
        .section .note.GNU-stack, "", @progbits
