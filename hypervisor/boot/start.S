/*
 * Entry from a multiboot loader (Multiboot 0.6.96, 3.2) or by the PVH protocol, both in 32-bit flat
 * protected mode; on to long mode on an identity map of the first 4 GiB. Then the trampoline that
 * brings the other processors from real mode to the same place.
 */
#define MB_MAGIC 0x1badb002
#define MB_FLAGS 0x3            /* page-aligned modules, memory map */

        .section .boot, "awx"
        .code32
        .balign 8
        .long MB_MAGIC, MB_FLAGS, -(MB_MAGIC + MB_FLAGS)

        .globl hv_start_multiboot
hv_start_multiboot:
        cli
        mov $1, %edi
        jmp start
hv_start_pvh:
        cli
        xor %edi, %edi
start:  mov %ebx, %esi              /* edi: kind, esi: information block */
        mov $boot_stack_top, %esp
        /* 4 page directories of 2 MiB pages; they are adjacent */
        mov $boot_pd, %edx
        xor %ecx, %ecx
1:      mov %ecx, %eax
        shl $21, %eax
        or $0x83, %eax              /* P, W, PS */
        mov %eax, (%edx,%ecx,8)
        movl $0, 4(%edx,%ecx,8)
        inc %ecx
        cmp $2048, %ecx
        jne 1b
        xor %ecx, %ecx
        mov $boot_pd, %eax
        or $3, %eax
2:      mov %eax, boot_pdpt(,%ecx,8)
        add $4096, %eax
        inc %ecx
        cmp $4, %ecx
        jne 2b
        mov $boot_pdpt, %eax
        or $3, %eax
        mov %eax, hv_boot_pml4
        call enter_long_mode
        ljmp $0x08, $start64

/* PAE, LME, paging. CR3 is the boot map's. Clobbers EAX, ECX, EDX. */
enter_long_mode:
        mov $0x20, %eax
        mov %eax, %cr4
        mov $hv_boot_pml4, %eax
        mov %eax, %cr3
        mov $0xc0000080, %ecx
        rdmsr
        or $0x100, %eax
        wrmsr
        lgdt boot_gdtr
        mov %cr0, %eax
        and $0x9fffffff, %eax       /* caches on */
        or $0x80010023, %eax        /* PG, WP, NE, MP, PE */
        mov %eax, %cr0
        ret

        .code64
start64:
        mov $0x10, %eax
        mov %eax, %ds
        mov %eax, %es
        mov %eax, %ss
        mov $boot_stack_top, %esp
        mov %edi, %edi
        mov %esi, %esi
        xor %ebp, %ebp
        call hv_main
3:      hlt
        jmp 3b

/* ---- application processors: copied to a page below 1 MiB, position-independent ---- */
        .globl hv_ap_begin, hv_ap_end
        .code16
hv_ap_begin:
        cli
        mov %cs, %ax
        mov %ax, %ds
        lgdtl ap_gdtr - hv_ap_begin
        mov %cr0, %eax
        or $1, %eax
        mov %eax, %cr0
        ljmpl $0x18, $ap32
        .balign 8
ap_gdtr:
        .word boot_gdt_end - boot_gdt - 1
        .long boot_gdt
hv_ap_end:
        .code32
ap32:   mov $0x20, %eax
        mov %eax, %ds
        mov %eax, %es
        mov %eax, %ss
        mov hv_ap_stack, %esp
        call enter_long_mode
        ljmp $0x08, $ap64
        .code64
ap64:   mov $0x10, %eax
        mov %eax, %ds
        mov %eax, %es
        mov %eax, %ss
        mov hv_ap_stack, %rsp
        mov hv_ap_lp, %rdi
        xor %ebp, %ebp
        call hv_ap_main
4:      hlt
        jmp 4b

        .balign 8
boot_gdt:
        .quad 0
        .quad 0x00af9b000000ffff    /* 08 code64 */
        .quad 0x00cf93000000ffff    /* 10 data */
        .quad 0x00cf9b000000ffff    /* 18 code32 */
        .quad 0x00cf93000000ffff    /* 20 data */
boot_gdt_end:
boot_gdtr:
        .word boot_gdt_end - boot_gdt - 1
        .long boot_gdt
        .long 0

        .section .note.pvh, "a", @note
        .balign 4
        .long 4, 4, 18              /* name size, desc size, XEN_ELFNOTE_PHYS32_ENTRY */
        .asciz "Xen"
        .long hv_start_pvh

        .section .bss
        .balign 4096
        .globl hv_boot_pml4
hv_boot_pml4:   .skip 4096
boot_pdpt:      .skip 4096
boot_pd:        .skip 4 * 4096
boot_stack:     .skip 16384
boot_stack_top:
        .section .note.GNU-stack, "", @progbits
