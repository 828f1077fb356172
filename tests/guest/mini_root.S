/* PVH entry of the test root (mini_root.c): to long mode on an identity map of 4 GiB. */
        .section .note.pvh, "a", @note
        .balign 4
        .long 4, 4, 18
        .asciz "Xen"
        .long entry
        .section .boot, "awx"
        .code32
entry:  cli
        mov $stack_top, %esp
        mov %ebx, %esi
        xor %ecx, %ecx
1:      mov %ecx, %eax
        shl $21, %eax
        or $0x83, %eax
        mov %eax, pd(,%ecx,8)
        inc %ecx
        cmp $2048, %ecx
        jne 1b
        xor %ecx, %ecx
        mov $pd + 3, %eax
2:      mov %eax, pdpt(,%ecx,8)
        add $4096, %eax
        inc %ecx
        cmp $4, %ecx
        jne 2b
        movl $pdpt + 3, pml4
        mov $0x620, %eax
        mov %eax, %cr4
        mov $pml4, %eax
        mov %eax, %cr3
        mov $0xc0000080, %ecx
        rdmsr
        or $0x100, %eax
        wrmsr
        mov %cr0, %eax
        or $0x80010022, %eax
        mov %eax, %cr0
        lgdt gdtr
        ljmp $8, $start64
        .code64
start64:
        mov $0x10, %eax
        mov %eax, %ds
        mov %eax, %es
        mov %eax, %ss
        mov $stack_top, %esp
        mov %esi, %edi
        call mini_main
3:      hlt
        jmp 3b

        .globl mini_isr
mini_isr:
        push %rax
        push %rcx
        push %rdx
        push %rsi
        push %rdi
        push %r8
        push %r9
        push %r10
        push %r11
        call mini_interrupt
        pop %r11
        pop %r10
        pop %r9
        pop %r8
        pop %rdi
        pop %rsi
        pop %rdx
        pop %rcx
        pop %rax
        iretq
        .balign 8
gdt:    .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff
gdtr:   .word 23
        .long gdt
        .section .bss
        .balign 4096
pml4:   .skip 4096
pdpt:   .skip 4096
pd:     .skip 16384
        .skip 16384
stack_top:
        .section .note.GNU-stack, "", @progbits
