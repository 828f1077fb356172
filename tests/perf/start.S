/* tests/perf/start.S: multiboot 1 entry of the benchmark guest: 32-bit to long mode, identity map
 * of 4 GiB with 2 MiB pages, SSE on, then bench_main(multiboot info). */
    .set MB_MAGIC, 0x1badb002
    .set MB_FLAGS, 0x3
    .section .multiboot, "a"
    .balign 4
    .long MB_MAGIC, MB_FLAGS, -(MB_MAGIC + MB_FLAGS)

    .section .text
    .code32
    .global _start
_start:
    movl $stack_top, %esp
    movl %ebx, %edi
    /* four page directories of 2 MiB pages */
    movl $boot_pd, %eax
    movl $0x83, %ecx
    xorl %edx, %edx
1:  movl %ecx, (%eax, %edx, 8)
    movl $0, 4(%eax, %edx, 8)
    addl $0x200000, %ecx
    incl %edx
    cmpl $2048, %edx
    jne 1b
    movl $boot_pd + 3, %eax
    xorl %edx, %edx
2:  movl %eax, boot_pdpt(, %edx, 8)
    addl $4096, %eax
    incl %edx
    cmpl $4, %edx
    jne 2b
    movl $boot_pdpt + 3, boot_pml4
    movl $boot_pml4, %eax
    movl %eax, %cr3
    movl %cr4, %eax
    orl $0x620, %eax /* PAE, OSFXSR, OSXMMEXCPT */
    movl %eax, %cr4
    movl $0xc0000080, %ecx
    rdmsr
    orl $0x100, %eax
    wrmsr
    movl %cr0, %eax
    andl $~4, %eax
    orl $0x80000022, %eax /* PG, NE, MP */
    movl %eax, %cr0
    lgdt gdt_desc
    ljmp $8, $long_mode
    .code64
long_mode:
    movl $16, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    xorl %eax, %eax
    movl %eax, %fs
    movl %eax, %gs
    movl $tss, %eax
    movw %ax, gdt + 24 + 2
    shrl $16, %eax
    movb %al, gdt + 24 + 4
    movb %ah, gdt + 24 + 7
    movl $24, %eax
    ltr %ax
    movl %edi, %edi
    call bench_main
3:  hlt
    jmp 3b

    .section .data
    .balign 16
gdt:
    .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff
    .quad 0x0000890000000067, 0
    .global gdt, tss
gdt_desc:
    .word . - gdt - 1
    .long gdt
    .section .bss
    .balign 4096
    .global boot_pml4
boot_pml4: .skip 4096
boot_pdpt: .skip 4096
boot_pd: .skip 16384
tss: .skip 4096
    .skip 65536
stack_top:
    .section .note.GNU-stack, "", @progbits
