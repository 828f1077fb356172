/*
 * Small multiboot guests for tests/ux/check_guest.sh; CASE selects one. 32-bit protected mode as
 * the loader enters it, no interrupt table: any fault is a triple fault.
 */
#define COM1 0x3f8
#define EXIT 0xf4

    .section .multiboot, "a"
    .balign 4
    .long 0x1badb002, 0, -0x1badb002

    .text
    .globl _start
_start:
    cli
    mov $stack, %esp
    jmp guest

/* edx: port, esi: text */
print:
    mov $COM1, %edx
1:  lodsb
    test %al, %al
    jz 2f
    outb %al, %dx
    jmp 1b
2:  ret

leave_with: /* al */
    outb %al, $EXIT
1:  hlt
    jmp 1b

#if CASE == 1 /* triple fault */
guest:
    lidt empty
    int3

#elif CASE == 2 /* success, after a line */
guest:
    mov $hello, %esi
    call print
    xor %eax, %eax
    jmp leave_with

#elif CASE == 3 /* failure */
guest:
    mov $1, %al
    jmp leave_with

#elif CASE == 4 /* halted for ever */
guest:
    hlt
    jmp guest

#elif CASE == 13 /* sleeps with interrupts on, and nothing to wake it */
guest:
    sti
1:  hlt
    jmp 1b

#elif CASE == 14 /* sleeps through 50 ticks of 10 ms */
    .set PIC, 0x20
    .set PIT, 0x40
guest:
    mov $tick, %eax
    mov %cs, %ecx
    mov %ax, idt + 8 * 0x20
    mov %cx, idt + 8 * 0x20 + 2
    movw $0x8e00, idt + 8 * 0x20 + 4
    shr $16, %eax
    mov %ax, idt + 8 * 0x20 + 6
    lidt idt_desc
    mov $0x11, %al /* ICW1-ICW4: cascaded, vectors from 0x20; only the timer unmasked */
    outb %al, $PIC
    mov $0x20, %al
    outb %al, $PIC + 1
    mov $4, %al
    outb %al, $PIC + 1
    mov $1, %al
    outb %al, $PIC + 1
    mov $0xfe, %al
    outb %al, $PIC + 1
    mov $0x34, %al /* counter 0, mode 2 */
    outb %al, $PIT + 3
    mov $11932 & 0xff, %al
    outb %al, $PIT
    mov $11932 >> 8, %al
    outb %al, $PIT
    xor %ebx, %ebx
    sti
1:  hlt
    cmp $50, %ebx
    jb 1b
    xor %eax, %eax
    jmp leave_with
tick:
    inc %ebx
    mov $0x20, %al
    outb %al, $PIC
    iret
    .balign 8
idt:
    .skip 8 * 0x21
idt_desc:
    .word 8 * 0x21 - 1
    .long idt

#elif CASE == 5 /* runs for ever */
guest:
    mov $hello, %esi
    call print
1:  inc %eax
    jmp 1b

#elif CASE == 6 /* every port, every width, in and out; what ends the run is left out */
guest:
    xor %edx, %edx
1:  cmp $EXIT - 3, %edx
    jb 2f
    cmp $EXIT + 3, %edx
    jbe 3f
2:  cmp $0x61, %edx
    jb 6f
    cmp $0x64, %edx
    jbe 3f
6:  cmp $0x8f, %edx
    jb 7f
    cmp $0x92, %edx
    jbe 3f
7:  cmp $0xcf6, %edx
    jb 4f
    cmp $0xcf9, %edx
    jbe 3f
4:  cmp $0x502, %edx
    jb 8f
    cmp $0x505, %edx
    jbe 3f
8:  cmp $0x5fd, %edx
    jb 5f
    cmp $0x610, %edx
    jb 3f
5:  inb %dx, %al
    inw %dx, %ax
    inl %dx, %eax
    mov %edx, %eax
    outb %al, %dx
    outw %ax, %dx
    outl %eax, %dx
    mov $-1, %eax
    outb %al, %dx
    outw %ax, %dx
    outl %eax, %dx
    xor %eax, %eax
    outb %al, %dx
3:  inc %edx
    cmp $0x10000, %edx
    jb 1b
    xor %eax, %eax
    jmp leave_with

#elif CASE == 7 /* a reserved bit of CR4 */
guest:
    mov %cr4, %eax
    or $0x80000000, %eax
    mov %eax, %cr4
    mov $1, %al
    jmp leave_with

#elif CASE == 8 /* a panic's text, then success */
guest:
    mov $panic, %esi
    call print
    xor %eax, %eax
    jmp leave_with

#elif CASE == 9 /* all of the address space above RAM, read and written */
guest:
    mov $0x10000000, %ebx
1:  mov (%ebx), %eax
    mov %eax, (%ebx)
    mov 1(%ebx), %ax
    movb $0xff, 3(%ebx)
    movl $-1, 0x10(%ebx)
    movl $0, 0x30(%ebx)
    mov 0xffe(%ebx), %eax
    add $0x1000, %ebx
    jnc 1b
    xor %eax, %eax
    jmp leave_with

#elif CASE == 10 /* random bytes as code; SEED */
guest:
    mov $0x200000, %edi
    mov $SEED * 2654435761 + 12345, %eax
    mov $0x10000, %ecx
1:  imul $1664525, %eax
    add $1013904223, %eax
    mov %eax, %ebx
    shr $16, %ebx
    mov %bl, (%edi)
    inc %edi
    loop 1b
    mov $0x200000, %eax
    jmp *%eax

#elif CASE == 15 /* random values into random ports; SEED. The debug-exit port is left out */
guest:
    mov $SEED * 2654435761 + 12345, %eax
    mov $300000, %ecx
1:  imul $1664525, %eax
    add $1013904223, %eax
    mov %eax, %edx
    shr $13, %edx
    and $0xffff, %edx
    cmp $EXIT - 3, %edx
    jb 2f
    cmp $EXIT + 3, %edx
    jbe 3f
2:  imul $22695477, %eax, %ebx
    rol $7, %ebx
    xchg %eax, %ebx
    test $0x10000, %eax
    jz 4f
    outb %al, %dx
    inb %dx, %al
    jmp 5f
4:  test $0x20000, %eax
    jz 4f
    outw %ax, %dx
    inw %dx, %ax
    jmp 5f
4:  outl %eax, %dx
    inl %dx, %eax
5:  mov %ebx, %eax
3:  loop 1b
    xor %eax, %eax
    jmp leave_with

#elif CASE == 16 /* random values into registers in memory, PCI devices switched on; SEED */
guest:
    mov $0x80000000, %esi
1:  mov %esi, %eax                  /* bus 0: memory, I/O and bus mastering on */
    add $4, %eax
    mov $0xcf8, %edx
    outl %eax, %dx
    mov $0xcfc, %edx
    mov $7, %eax
    outl %eax, %dx
    add $0x100, %esi
    cmp $0x80010000, %esi
    jb 1b
    mov $SEED * 2654435761 + 12345, %eax
    mov $400000, %ecx
2:  imul $1664525, %eax
    add $1013904223, %eax
    mov %eax, %ebx
    shr $11, %ebx
    and $0xfff, %ebx                /* mostly the first page of a region */
    mov %eax, %edx
    shr $24, %edx
    and $7, %edx
    add bases(,%edx,4), %ebx
    mov %eax, %edx
    shr $5, %edx
    and $0x3f000, %edx
    test $1, %ecx
    jz 3f
    add %edx, %ebx
3:  imul $22695477, %eax, %edx
    rol $9, %edx
    test $0x10000, %edx
    jz 4f
    and $~3, %ebx
    mov %edx, (%ebx)
    jmp 5f
4:  mov %dx, (%ebx)
5:  mov (%ebx), %edx
    loop 2b
    xor %eax, %eax
    jmp leave_with
    .balign 4
bases:
    .long 0xfee00000, 0xfec00000, 0xfed00000, 0xff000000
    .long 0xb0000000, 0xfd000000, 0xfe000000, 0xc0000000

#elif CASE == 17 /* runs off the end of RAM (64 MiB) */
guest:
    mov $0x3fff000, %edi
    mov $0x90, %al
    mov $0x1000, %ecx
    rep stosb
    mov $0x3fff000, %eax
    jmp *%eax

#elif CASE == 18 /* reserved bit SEED >> 2 in an entry of level 4 - (SEED & 3): a fault */
guest:
    mov $tables, %edi
    mov $tables + 0x1003, %eax
    mov %eax, (%edi)
    mov $tables + 0x2003, %eax
    mov %eax, 0x1000(%edi)
    mov $tables + 0x3003, %eax
    mov %eax, 0x2000(%edi)
    xor %ecx, %ecx
1:  mov %ecx, %eax
    shl $12, %eax
    or $3, %eax
    mov %eax, 0x3000(%edi,%ecx,8)
    inc %ecx
    cmp $512, %ecx
    jb 1b
    mov $SEED, %ebx
    mov %ebx, %ecx
    and $3, %ecx
    shl $12, %ecx
    shr $2, %ebx
    add %ecx, %edi
    cmp $0x3000, %ecx               /* the entry of this code's page */
    jne 2f
    add $8 * 0x102, %edi
2:  bts %ebx, (%edi)
    mov $tables, %eax
    mov %eax, %cr3
    mov %cr4, %eax
    or $0x20, %eax
    mov %eax, %cr4
    mov $0xc0000080, %ecx
    rdmsr
    or $0x100, %eax
    wrmsr
    mov %cr0, %eax
    or $0x80000000, %eax
    mov %eax, %cr0
    mov $1, %al                     /* paging took it: the test fails */
    outb %al, $EXIT
    .balign 4096
tables:
    .skip 4 * 4096

#elif CASE == 11 /* echo of the serial line until 'q' */
guest:
    mov $ready, %esi
    call print
1:  mov $COM1 + 5, %edx
    inb %dx, %al
    test $1, %al
    jz 1b
    mov $COM1, %edx
    inb %dx, %al
    outb %al, %dx
    cmp $'q', %al
    jne 1b
    xor %eax, %eax
    jmp leave_with

#elif CASE == 12 /* reset by the keyboard controller or CF9, for ever */
guest:
    mov $6, %al
    mov $0xcf9, %edx
    outb %al, %dx
    hlt
    jmp guest
#endif

    .section .rodata
hello: .asciz "hello\n"
ready: .asciz "ready\n"
panic: .asciz "Kernel panic - not syncing: a test\n---[ end Kernel panic ]---\n"
empty: .word 0
    .long 0

    .bss
    .balign 16
    .skip 4096
stack:
