/*
 * VM entry and exit (SDM 3C 27, 28). hv_vmx_enter(vp, launched) loads the guest's general registers
 * from the head of struct hv_vp and enters; the next exit returns from it with false. True means
 * that VMLAUNCH or VMRESUME itself failed. RSP, RIP, RFLAGS are in the VMCS.
 */
        .text
        .globl hv_vmx_enter
        .type hv_vmx_enter, @function
hv_vmx_enter:
        push %rbp
        push %rbx
        push %r12
        push %r13
        push %r14
        push %r15
        push %rdi
        mov $0x6c14, %eax               /* host RSP */
        vmwrite %rsp, %rax
        test %sil, %sil
        mov 0x00(%rdi), %rax
        mov 0x08(%rdi), %rcx
        mov 0x10(%rdi), %rdx
        mov 0x18(%rdi), %rbx
        mov 0x28(%rdi), %rbp
        mov 0x30(%rdi), %rsi
        mov 0x40(%rdi), %r8
        mov 0x48(%rdi), %r9
        mov 0x50(%rdi), %r10
        mov 0x58(%rdi), %r11
        mov 0x60(%rdi), %r12
        mov 0x68(%rdi), %r13
        mov 0x70(%rdi), %r14
        mov 0x78(%rdi), %r15
        mov 0x38(%rdi), %rdi
        jnz 1f
        vmlaunch
        jmp 2f
1:      vmresume
2:      pop %rdi
        mov $1, %eax
        jmp 3f

        .globl hv_vmx_exit_point
hv_vmx_exit_point:
        push %rdi
        mov 8(%rsp), %rdi
        mov %rax, 0x00(%rdi)
        mov %rcx, 0x08(%rdi)
        mov %rdx, 0x10(%rdi)
        mov %rbx, 0x18(%rdi)
        mov %rbp, 0x28(%rdi)
        mov %rsi, 0x30(%rdi)
        mov %r8, 0x40(%rdi)
        mov %r9, 0x48(%rdi)
        mov %r10, 0x50(%rdi)
        mov %r11, 0x58(%rdi)
        mov %r12, 0x60(%rdi)
        mov %r13, 0x68(%rdi)
        mov %r14, 0x70(%rdi)
        mov %r15, 0x78(%rdi)
        pop %rax
        mov %rax, 0x38(%rdi)
        pop %rdi
        xor %eax, %eax
3:      pop %r15
        pop %r14
        pop %r13
        pop %r12
        pop %rbx
        pop %rbp
        ret
        .size hv_vmx_enter, . - hv_vmx_enter
        .section .note.GNU-stack, "", @progbits
