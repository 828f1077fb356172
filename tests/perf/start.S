/* tests/perf/start.S: multiboot 1 entry of the benchmark guest: 32-bit to long mode, identity map
 * of 4 GiB with 2 MiB pages, SSE on, then bench_main(multiboot info). */
#include "tests/guest/long_mode.S"

    LONG_MODE_ENTRY gdt, tss, 24, 3, 0x100, 0x80000022 /* LME; PG NE MP */
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
