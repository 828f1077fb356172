/* tests/guest/sys/start.S: multiboot entry, long mode, exception stubs, catch and user-mode
 * calls. */
#include "tests/guest/long_mode.S"

    LONG_MODE_ENTRY st_gdt, st_tss, 48, 7, 0x901, 0x80010022 /* LME NXE SCE; PG WP NE MP */
    movq $kernel_stack_top, %rax
    movq %rax, st_tss + 4
    movq $ist_stack_top, %rax
    movq %rax, st_tss + 36
    lidt idt_desc
    call st_main
1:  cli
    hlt
    jmp 1b

/* unsigned st_catch(void (*fn)(void *), void *arg) */
    .global st_catch, st_catch_user
st_catch:
    pushfq
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    pushq catch_rsp
    movq %rsp, catch_rsp
    movq %rdi, %rax
    movq %rsi, %rdi
    subq $8, %rsp
    call *%rax
    movl $999, %eax
catch_end:
    cld
    movq catch_rsp, %rsp
    popq catch_rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    popfq
    ret

st_catch_user:
    pushfq
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    pushq catch_rsp
    movq %rsp, catch_rsp
    movq $user_stack_top - 8, %rcx
    movq $user_return, (%rcx)
    pushq $32 + 3
    pushq %rcx
    pushfq
    andq $~0x200, (%rsp)
    pushq $40 + 3
    pushq %rdi
    movq %rsi, %rdi
    iretq
user_return:
    int $0x80

/* Common end of an exception: frame at RSP is vector, error, RIP, CS, RFLAGS, RSP, SS. */
trap_common:
    cld
    pushq %rax
    pushq %rcx
    movq 16(%rsp), %rcx
    leaq st_irq_flags(%rip), %rax
    cmpb $0, (%rax, %rcx)
    jne irq_common
    movl $16, %eax
    movl %eax, %ds
    movl %eax, %es
    .set off, 0
    .rept 7
    movq 16 + off(%rsp), %rax
    movq %rax, st_trap + off
    .set off, off + 8
    .endr
    movq %cr2, %rax
    movq %rax, st_trap + 56
    movl $16, %eax
    movl %eax, %ss
    movl st_trap, %eax
    cmpl $0x80, %eax
    jne catch_end
    movl $999, %eax
    jmp catch_end
irq_common:
    leaq st_irqs(%rip), %rax
    incl (%rax, %rcx, 4)
    popq %rcx
    popq %rax
    addq $16, %rsp
    iretq

    .altmacro
    .macro STUB n
    .balign 16
    .if \n != 8 && \n != 10 && \n != 11 && \n != 12 && \n != 13 && \n != 14 && \n != 17
    pushq $0
    .endif
    pushq $\n
    jmp trap_common
    .endm
    .balign 16
    .global st_stubs
st_stubs:
    .set i, 0
    .rept 256
    STUB %i
    .set i, i + 1
    .endr

    .section .data
    .balign 16
    .global st_gdt, st_tss, gdt_desc, idt_desc, catch_rsp
st_gdt:
    .quad 0
    .quad 0x00af9b000000ffff /* 8: code 64 */
    .quad 0x00cf93000000ffff /* 16: data */
    .quad 0x00cf9b000000ffff /* 24: code 32 */
    .quad 0x00cff3000000ffff /* 32: user data */
    .quad 0x00affb000000ffff /* 40: user code 64 */
    .quad 0x00008900000020ff /* 48: TSS with I/O bitmap room */
    .quad 0
    .fill 24, 8, 0
gdt_desc:
    .word 255
    .quad st_gdt
idt_desc:
    .word 4095
    .quad st_idt
catch_rsp: .quad 0
    .balign 16
st_tss:
    .fill 102, 1, 0
    .word 104
    .fill 8192, 1, 0xff
    .byte 0xff
    .bss
    .balign 4096
    .global boot_pml4, boot_pdpt, boot_pd, user_stack_top
boot_pml4: .fill 4096, 1, 0
boot_pdpt: .fill 4096, 1, 0
boot_pd: .fill 16384, 1, 0
    .fill 16384, 1, 0
kernel_stack_top:
    .fill 16384, 1, 0
ist_stack_top:
    .fill 16384, 1, 0
user_stack_top:
    .fill 65536, 1, 0
stack_top:
    .section .note.GNU-stack, "", @progbits
