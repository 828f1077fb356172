/*
 * Boot stub of the tiny child: PVH entry (32-bit flat protected mode, EBX = hvm_start_info), long
 * mode on an identity map of the first GiB, interrupt stubs, and the trampoline of a second
 * processor. partitions/child/child.c is the rest.
 */
        .section .note.pvh, "a", @note
        .balign 4
        .long 4, 4, 18              /* XEN_ELFNOTE_PHYS32_ENTRY */
        .asciz "Xen"
        .long ch_entry

        .section .boot, "awx"
        .code32
        .globl ch_entry
ch_entry:
        cli
        mov $stack_top, %esp
        mov %ebx, %esi
        xor %ecx, %ecx
1:      mov %ecx, %eax
        shl $21, %eax
        or $0x83, %eax
        mov %eax, pd(,%ecx,8)
        inc %ecx
        cmp $512, %ecx
        jne 1b
        movl $pd + 3, pdpt
        movl $pdpt + 3, pml4
        /* and 3 to 4 GiB, where the APIC page is */
        movl $pd_high + 3, pdpt + 24
        xor %ecx, %ecx
2:      mov %ecx, %eax
        shl $21, %eax
        or $0xc0000083, %eax
        mov %eax, pd_high(,%ecx,8)
        inc %ecx
        cmp $512, %ecx
        jne 2b
        call long_mode
        ljmp $8, $start64

long_mode:
        mov $0x620, %eax            /* PAE, OSFXSR, OSXMMEXCPT */
        mov %eax, %cr4
        mov $pml4, %eax
        mov %eax, %cr3
        mov $0xc0000080, %ecx
        rdmsr
        or $0x100, %eax
        wrmsr
        mov %cr0, %eax
        and $0x9ffffffb, %eax
        or $0x80010022, %eax        /* PG, WP, NE, MP */
        mov %eax, %cr0
        lgdt gdtr
        ret

        .code64
start64:
        mov $0x10, %eax
        mov %eax, %ds
        mov %eax, %es
        mov %eax, %ss
        mov $stack_top, %esp
        mov %esi, %edi
        xor %ebp, %ebp
        call ch_main
3:      hlt
        jmp 3b

        .globl ch_ap_begin, ch_ap_end
        .code16
ch_ap_begin:
        cli
        mov %cs, %ax
        mov %ax, %ds
        lgdtl ap_gdtr - ch_ap_begin
        mov %cr0, %eax
        or $1, %eax
        mov %eax, %cr0
        ljmpl $0x18, $ap32
        .balign 8
ap_gdtr:
        .word 39
        .long gdt
ch_ap_end:
        .code32
ap32:   mov $0x20, %eax
        mov %eax, %ds
        mov %eax, %es
        mov %eax, %ss
        mov $ap_stack_top, %esp
        call long_mode
        ljmp $8, $ap64
        .code64
ap64:   mov $0x10, %eax
        mov %eax, %ds
        mov %eax, %es
        mov %eax, %ss
        mov $ap_stack_top, %esp
        xor %ebp, %ebp
        call ch_ap_main
4:      hlt
        jmp 4b

/* One stub per vector, 16 bytes each: ch_trap(vector, frame), frame = error code, RIP, CS, ... */
        .balign 16
        .globl ch_stubs
ch_stubs:
        vector = 0
        .rept 256
        .balign 16
        .if (vector == 8) || ((vector >= 10) && (vector <= 14)) || (vector == 17)
        .else
        pushq $0
        .endif
        pushq $vector
        jmp common
        vector = vector + 1
        .endr
common: push %rax
        push %rcx
        push %rdx
        push %rsi
        push %rdi
        push %r8
        push %r9
        push %r10
        push %r11
        mov 72(%rsp), %rdi
        lea 80(%rsp), %rsi
        cld
        call ch_trap
        pop %r11
        pop %r10
        pop %r9
        pop %r8
        pop %rdi
        pop %rsi
        pop %rdx
        pop %rcx
        pop %rax
        add $16, %rsp
        iretq

        .balign 8
gdt:    .quad 0
        .quad 0x00af9b000000ffff    /* 08 code64 */
        .quad 0x00cf93000000ffff    /* 10 data */
        .quad 0x00cf9b000000ffff    /* 18 code32 */
        .quad 0x00cf93000000ffff    /* 20 data */
gdtr:   .word 39
        .long gdt
        .long 0

        .section .bss
        .balign 4096
pml4:   .skip 4096
pdpt:   .skip 4096
pd:     .skip 4096
pd_high: .skip 4096
        .skip 16384
stack_top:
        .skip 8192
ap_stack_top:
        .section .note.GNU-stack, "", @progbits
