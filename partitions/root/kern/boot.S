/*
 * kern/boot.S: from the PVH entry (32-bit flat, paging off, EBX = hvm_start_info) to 64-bit C at
 * KERNEL_BASE. Maps the first 4 GiB three times with 2 MiB pages: identity (until vm_init), the
 * direct map, and its first 2 GiB at KERNEL_BASE.
 */
#define KBASE 0xffffffff80000000
#define PHYS(sym) ((sym) - KBASE)

    .section .note.pvh, "a", @note
    .long 4, 8, 18
    .asciz "Xen"
    .quad rt_start32

    .section .boot, "awx"
    .code32
    .globl rt_start32
rt_start32:
    cli
    cld
    mov $PHYS(boot_stack_top), %esp
    mov %ebx, %ebp

    /* 2048 entries of 2 MiB: present, writable, large */
    mov $PHYS(boot_pd), %edi
    mov $0x83, %eax
    xor %edx, %edx
    mov $2048, %ecx
1:  mov %eax, (%edi)
    mov %edx, 4(%edi)
    add $0x200000, %eax
    add $8, %edi
    dec %ecx
    jnz 1b

    /* four page directories in the low table, the first two also at the top of the high one */
    mov $PHYS(boot_pdpt_low), %edi
    mov $PHYS(boot_pd) + 3, %eax
    mov $4, %ecx
2:  mov %eax, (%edi)
    add $0x1000, %eax
    add $8, %edi
    dec %ecx
    jnz 2b
    movl $PHYS(boot_pd) + 3, PHYS(boot_pdpt_high) + 510 * 8
    movl $PHYS(boot_pd) + 0x1003, PHYS(boot_pdpt_high) + 511 * 8
    movl $PHYS(boot_pdpt_low) + 3, PHYS(boot_pml4)
    movl $PHYS(boot_pdpt_low) + 3, PHYS(boot_pml4) + 256 * 8
    movl $PHYS(boot_pdpt_high) + 3, PHYS(boot_pml4) + 511 * 8

    mov %cr4, %eax
    or $0xa0, %eax              /* PAE, PGE */
    mov %eax, %cr4
    mov $PHYS(boot_pml4), %eax
    mov %eax, %cr3
    mov $0xc0000080, %ecx       /* EFER.LME, SCE */
    rdmsr
    or $0x101, %eax
    wrmsr
    mov $0x80010033, %eax       /* PG, WP, NE, ET, MP, PE */
    mov %eax, %cr0
    lgdt boot_gdtr
    ljmp $8, $rt_start64

    .align 8
boot_gdt:
    .quad 0
    .quad 0x00af9b000000ffff
    .quad 0x00cf93000000ffff
boot_gdtr:
    .word . - boot_gdt - 1
    .long boot_gdt

    .code64
rt_start64:
    mov $16, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    xor %eax, %eax
    mov %eax, %fs
    mov %eax, %gs
    mov $boot_stack_top, %rsp
    mov %ebp, %edi
    xor %ebp, %ebp
    movabs $rt_main, %rax
    call *%rax
3:  hlt
    jmp 3b

    .bss
    .align 4096
    .globl boot_pml4, boot_pdpt_low
boot_pml4: .skip 4096
boot_pdpt_low: .skip 4096
boot_pdpt_high: .skip 4096
boot_pd: .skip 4 * 4096
boot_stack: .skip 16384
boot_stack_top:
    .section .note.GNU-stack, "", @progbits
