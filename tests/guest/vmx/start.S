/* tests/guest/vmx/start.S: multiboot 1 entry, identity map of 4 GiB, IDT, and the world switch:
 * vt_enter loads the guest's registers from vt_regs, and vt_host_entry stores them there. */
#include "tests/guest/long_mode.S"

    LONG_MODE_ENTRY gdt, tss, 24, 7, 0x100, 0x80000022 /* LME; PG NE MP */
    lidt idt_desc
    call vt_main
1:  hlt
    jmp 1b

/* uint64_t vt_enter(bool launched): 0 after a VM exit, else the RFLAGS of the failed instruction */
    .global vt_enter
vt_enter:
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movl $0x6c14, %eax
    vmwrite %rsp, %rax
    testb %dil, %dil
    movq vt_regs + 8, %rcx
    movq vt_regs + 16, %rdx
    movq vt_regs + 24, %rbx
    movq vt_regs + 40, %rbp
    movq vt_regs + 48, %rsi
    movq vt_regs + 56, %rdi
    movq vt_regs + 64, %r8
    movq vt_regs + 72, %r9
    movq vt_regs + 80, %r10
    movq vt_regs + 88, %r11
    movq vt_regs + 96, %r12
    movq vt_regs + 104, %r13
    movq vt_regs + 112, %r14
    movq vt_regs + 120, %r15
    movq vt_regs, %rax
    jnz 1f
    vmlaunch
    jmp 2f
1:  vmresume
2:  pushfq
    popq %rax
    jmp 3f
    .global vt_host_entry
vt_host_entry:
    movq %rax, vt_regs
    movq %rcx, vt_regs + 8
    movq %rdx, vt_regs + 16
    movq %rbx, vt_regs + 24
    movq %rbp, vt_regs + 40
    movq %rsi, vt_regs + 48
    movq %rdi, vt_regs + 56
    movq %r8, vt_regs + 64
    movq %r9, vt_regs + 72
    movq %r10, vt_regs + 80
    movq %r11, vt_regs + 88
    movq %r12, vt_regs + 96
    movq %r13, vt_regs + 104
    movq %r14, vt_regs + 112
    movq %r15, vt_regs + 120
    xorl %eax, %eax
3:  popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    ret

/* Interrupt entries of 16 bytes: vector in the stub, common part counts and returns. Faults with an
 * error code: the handler pops it; `vt_skip` bytes are added to the saved RIP of vectors 0-31. */
    .altmacro
    .macro STUB n
    .balign 16
    .if \n != 8 && \n != 10 && \n != 11 && \n != 12 && \n != 13 && \n != 14 && \n != 17
    pushq $0
    .endif
    pushq $\n
    jmp vt_common
    .endm
    .balign 16
    .global vt_stubs
vt_stubs:
    .set i, 0
    .rept 256
    STUB %i
    .set i, i + 1
    .endr
vt_common:
    pushq %rax
    pushq %rcx
    movq 16(%rsp), %rcx /* vector */
    movq %rcx, vt_last_vector
    incl vt_counts(, %rcx, 4)
    movq 24(%rsp), %rax
    movq %rax, vt_last_error
    movq 32(%rsp), %rax
    movq %rax, vt_last_rip
    movq 48(%rsp), %rax
    movq %rax, vt_last_rflags
    cmpq $32, %rcx
    jae 1f
    movq vt_skip, %rax
    addq %rax, 32(%rsp)
1:  popq %rcx
    popq %rax
    addq $16, %rsp
    iretq

    .section .data
    .balign 16
    .global gdt, tss, gdt_desc
gdt:
    .quad 0
    .quad 0x00af9b000000ffff /* 8: code 64 */
    .quad 0x00cf93000000ffff /* 16: data */
    .quad 0x0000890000000067 /* 24: TSS */
    .quad 0
    .quad 0x00cf9b000000ffff /* 40: code 32 */
gdt_desc:
    .word . - gdt - 1
    .quad gdt
    .global idt_desc
idt_desc:
    .word 4095
    .quad vt_idt
    .balign 16
tss: .fill 104, 1, 0
    .bss
    .balign 4096
    .global boot_pml4, boot_pdpt, boot_pd
boot_pml4: .fill 4096, 1, 0
boot_pdpt: .fill 4096, 1, 0
boot_pd: .fill 16384, 1, 0
    .balign 16
    .fill 32768, 1, 0
stack_top:
    .section .note.GNU-stack, "", @progbits
