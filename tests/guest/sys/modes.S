/* tests/guest/sys/modes.S: m_run: down from long mode through the legacy modes and back. */
    .section .text
    .code64
    .global m_run
m_run:
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, m_rsp
    movq %cr3, %rax
    movq %rax, m_cr3
    pushq $24
    pushq $m_32
    lretq
    .code32
m_32:
    movl $16, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    /* paging off leaves long mode */
    movl %cr0, %eax
    andl $0x7fffffff, %eax
    movl %eax, %cr0
    movl $0xc0000080, %ecx
    rdmsr
    andl $~0x100, %eax
    wrmsr
    movl $m_vm86_gp, %eax
    movw %ax, m_idt + 13 * 8
    movw $24, m_idt + 13 * 8 + 2
    movw $0x8e00, m_idt + 13 * 8 + 4
    shrl $16, %eax
    movw %ax, m_idt + 13 * 8 + 6
    lidt m_idt_desc
    movl $0x32320000, %eax
    incl %eax
    movl %eax, m_results

    /* 32-bit paging, 4 MiB pages: identity, and linear 0x40000000 -> 0x2000000 */
    movl %cr4, %eax
    andl $~0x20, %eax
    orl $0x10, %eax
    movl %eax, %cr4
    movl $m_pd, %edi
    movl $0x83, %eax
    xorl %ecx, %ecx
1:  movl %eax, (%edi, %ecx, 4)
    addl $0x400000, %eax
    incl %ecx
    cmpl $64, %ecx
    jne 1b
    movl $0x2000083, m_pd + 0x100 * 4
    movl %edi, %cr3
    movl %cr0, %eax
    orl $0x80000000, %eax
    movl %eax, %cr0
    jmp 1f
1:  movl $0x12345678, 0x40000100
    movl m_pd + 0x100 * 4, %eax
    andl $0xe0, %eax
    movl %eax, m_results + 8
    movl 0x2000100, %eax
    movl %eax, m_results + 4
    movl %cr0, %eax
    andl $0x7fffffff, %eax
    movl %eax, %cr0

    /* PAE: PDPTEs 0 and 3; linear 0xc0000000 -> 0x2000000 */
    movl %cr4, %eax
    orl $0x20, %eax
    movl %eax, %cr4
    movl $m_pae_pd, %edi
    movl $0x83, %eax
    xorl %ecx, %ecx
1:  movl %eax, (%edi, %ecx, 8)
    movl $0, 4(%edi, %ecx, 8)
    addl $0x200000, %eax
    incl %ecx
    cmpl $128, %ecx
    jne 1b
    movl $0x2000083, m_pae_pd3
    movl $m_pae_pd + 1, m_pdpt
    movl $m_pae_pd3 + 1, m_pdpt + 24
    movl $m_pdpt, %eax
    movl %eax, %cr3
    movl %cr0, %eax
    orl $0x80000000, %eax
    movl %eax, %cr0
    jmp 1f
1:  movl $0x9abcdef0, 0xc0000200
    movl 0x2000200, %eax
    movl %eax, m_results + 12
    movl %cr0, %eax
    andl $0x7fffffff, %eax
    movl %eax, %cr0

    /* task switch: TSS 80 (current), TSS 88 (other) */
    movl $m_tss_a, %eax
    movw %ax, m_gdt + 80 + 2
    shrl $16, %eax
    movb %al, m_gdt + 80 + 4
    movl $m_tss_b, %eax
    movw %ax, m_gdt + 88 + 2
    shrl $16, %eax
    movb %al, m_gdt + 88 + 4
    lgdt m_gdt_desc
    movl $80, %eax
    ltr %ax
    movl $m_task_b, m_tss_b + 32
    movl $2, m_tss_b + 36
    movl $m_stack_b_top, m_tss_b + 56
    movl $16, m_tss_b + 72 /* ES */
    movl $24, m_tss_b + 76 /* CS */
    movl $16, m_tss_b + 80
    movl $16, m_tss_b + 84
    movl $0x7a5c0000, m_tss_b + 40 /* EAX */
    movl $1, %ebx
    ljmp $88, $0
    /* back from task b by JMP */
    pushfl
    popl %eax
    movl %eax, m_results + 20
    jmp m_vm86
m_task_b:
    incl %eax
    movl %eax, m_results + 16
    ljmp $80, $0

    /* VM86: code at 0x8000:0, runs until INT 0x21 faults (IOPL 0) */
m_vm86:
    movl $m_vm86_code, %esi
    movl $0x80000, %edi
    movl $m_vm86_end - m_vm86_code, %ecx
    cld
    rep movsb
    movl %esp, m_esp
    movl %esp, m_tss_a + 4
    movl $16, m_tss_a + 8
    pushl $0 /* GS FS DS ES */
    pushl $0
    pushl $0x9000
    pushl $0x9000
    pushl $0x9000 /* SS */
    pushl $0x100
    pushl $0x20002
    pushl $0x8000
    pushl $0
    iretl
m_vm86_gp: /* #GP from VM86: error code, EIP, CS, EFLAGS, ... */
    movl $16, %eax /* the way out of VM86 has left the data segments null */
    movl %eax, %ds
    movl %eax, %es
    movl $13, m_results + 28
    movzwl 0x90010, %eax
    movl %eax, m_results + 24
    movl m_esp, %esp

    /* real mode */
    movl $m_real_code, %esi
    movl $0x7000, %edi
    movl $m_real_end - m_real_code, %ecx
    cld
    rep movsb
    lidt m_real_idt_desc
    ljmp $96, $0x7000 /* 16-bit code segment, base 0 */

m_back:
    movl $16, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl m_esp, %esp
    movl %cr4, %eax
    orl $0x20, %eax
    andl $~0x10, %eax
    movl %eax, %cr4
    movl m_cr3, %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx
    rdmsr
    orl $0x100, %eax
    wrmsr
    movl %cr0, %eax
    orl $0x80000000, %eax
    movl %eax, %cr0
    lgdt gdt_desc
    ljmp $8, $m_64
    .code64
m_64:
    movq m_rsp, %rsp
    lidt idt_desc
    andb $~2, st_gdt + 48 + 5 /* TSS available again */
    movl $48, %eax
    ltr %ax
    xorl %eax, %eax
    movl %eax, %fs
    movl %eax, %gs
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    ret

    /* 16-bit pieces, copied to low memory */
    .code16
m_vm86_code:
    movw $0x8600, %ax
    movw %ax, 0x10
    int $0x21
    hlt
m_vm86_end:
m_real_code: /* at 0:7000 */
    movw $104, %ax /* 16-bit data segment: limits of real mode */
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movl %cr0, %eax
    andb $~1, %al
    movl %eax, %cr0
    ljmp $0, $0x7000 + (1f - m_real_code)
1:  xorw %ax, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movw $0x6000, %sp
    movw $0x7000 + (m_int40 - m_real_code), 0x40 * 4
    movw $0, 0x40 * 4 + 2
    movw $0x7000 + (m_int0d - m_real_code), 13 * 4
    movw $0, 13 * 4 + 2
    movw $0, %bx
    movw $0, %cx
    int $0x40
    lcall $0x700, $(m_far_proc - m_real_code)
    movw $0x7000 + (2f - m_real_code), 0x5000
    movw $0xffff, %si
    movw (%si), %ax
2:  movl %cr0, %eax
    orb $1, %al
    movl %eax, %cr0
    ljmpl $24, $m_real_done
m_int40:
    movw $0x1600, %bx
    iretw
m_far_proc:
    addw $0x16, %bx
    lretw
m_int0d:
    movw $13, %cx
    addw $6, %sp
    jmp *0x5000
m_real_end:
    .code32
m_real_done:
    movl $16, %eax
    movl %eax, %ds
    movzwl %bx, %eax
    movl %eax, m_results + 32
    movzwl %cx, %eax
    movl %eax, m_results + 36
    jmp m_back

    .data
    .balign 16
m_gdt:
    .quad 0
    .quad 0x00af9b000000ffff
    .quad 0x00cf93000000ffff
    .quad 0x00cf9b000000ffff /* 24: code 32 */
    .quad 0, 0, 0, 0, 0, 0
    .quad 0x0000890000000067 /* 80 */
    .quad 0x0000890000000067 /* 88 */
    .quad 0x00009b000000ffff /* 96: code 16 */
    .quad 0x000093000000ffff /* 104: data 16 */
m_gdt_desc:
    .word . - m_gdt - 1
    .long m_gdt
m_idt: /* 32-bit interrupt gates: only #GP is used */
    .fill 13, 8, 0
    .quad 0
    .set m_idt_end, .
m_idt_desc:
    .word 14 * 8 - 1
    .long m_idt
m_real_idt_desc:
    .word 0x3ff
    .long 0
m_rsp: .quad 0
m_cr3: .quad 0
m_esp: .long 0
    .balign 16
m_tss_a: .fill 104, 1, 0
m_tss_b: .fill 104, 1, 0
    .bss
    .balign 4096
m_pd: .fill 4096, 1, 0
m_pae_pd: .fill 4096, 1, 0
m_pae_pd3: .fill 4096, 1, 0
m_pdpt: .fill 4096, 1, 0
    .fill 4096, 1, 0
m_stack_b_top:
    .section .note.GNU-stack, "", @progbits
