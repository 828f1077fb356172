/*
 * tests/guest/long_mode.S: what the multiboot guests have in common: the header, and the way from
 * the loader's 32-bit mode to 64-bit mode under an identity map of 4 GiB in 2 MiB pages.
 *
 * LONG_MODE_ENTRY defines _start and ends in 64-bit code with flat segments, TR loaded and the
 * multiboot information's address in EDI. The file provides boot_pml4, boot_pdpt, boot_pd (16 KiB),
 * stack_top, gdt_desc (8: 64-bit code, 16: data), and a TSS whose descriptor has room at TSS_SEL.
 */
    .macro LONG_MODE_ENTRY gdt, tss, tss_sel, page_flags, efer, cr0
    .section .multiboot, "a"
    .balign 4
    .long 0x1badb002, 3, -(0x1badb002 + 3)
    .section .text
    .code32
    .global _start
_start:
    movl $stack_top, %esp
    movl %ebx, %edi
    movl $boot_pd, %eax
    movl $(\page_flags | 0x80), %ecx
    xorl %edx, %edx
1:  movl %ecx, (%eax, %edx, 8)
    movl $0, 4(%eax, %edx, 8)
    addl $0x200000, %ecx
    incl %edx
    cmpl $2048, %edx
    jne 1b
    movl $boot_pd + \page_flags, %eax
    xorl %edx, %edx
2:  movl %eax, boot_pdpt(, %edx, 8)
    addl $4096, %eax
    incl %edx
    cmpl $4, %edx
    jne 2b
    movl $boot_pdpt + \page_flags, boot_pml4
    movl $boot_pml4, %eax
    movl %eax, %cr3
    movl %cr4, %eax
    orl $0x620, %eax /* PAE, OSFXSR, OSXMMEXCPT */
    movl %eax, %cr4
    movl $0xc0000080, %ecx
    rdmsr
    orl $\efer, %eax
    wrmsr
    movl %cr0, %eax
    andl $~4, %eax
    orl $\cr0, %eax
    movl %eax, %cr0
    lgdt gdt_desc
    ljmp $8, $3f
    .code64
3:  movl $16, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    xorl %eax, %eax
    movl %eax, %fs
    movl %eax, %gs
    movl $\tss, %eax
    movw %ax, \gdt + \tss_sel + 2
    shrl $16, %eax
    movb %al, \gdt + \tss_sel + 4
    movb %ah, \gdt + \tss_sel + 7
    movl $\tss_sel, %eax
    ltr %ax
    .endm
