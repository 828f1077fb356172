/*
 * Small child guests for tests/boot/check_child.sh; CASE selects one. PVH entry: 32-bit flat
 * protected mode without paging, no interrupt table: any fault is a triple fault.
 */
#define COM1 0x3f8
#define EXIT 0xf4

    .section .note.pvh, "a", @note
    .balign 4
    .long 4, 4, 18
    .asciz "Xen"
    .long _start

    .text
    .code32
    .globl _start
_start:
    mov $stack, %esp
    jmp guest

/* esi: text */
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
#elif CASE == 2 /* success */
guest:
    mov $hello, %esi
    call print
    xor %eax, %eax
    jmp leave_with
#elif CASE == 3 /* failure */
guest:
    mov $7, %al
    jmp leave_with
#elif CASE == 4 /* every port, read and written in every width, but the exit port and the resets */
guest:
    xor %edx, %edx
1:  inb %dx, %al
    inw %dx, %ax
    inl %dx, %eax
    call harmless
    jc 2f
    mov $0x55, %al
    outb %al, %dx
    mov $0x5555, %ax
    outw %ax, %dx
    mov $0x55555555, %eax
    outl %eax, %dx
2:  inc %dx
    jnz 1b
    mov $hello, %esi
    call print
    xor %eax, %eax
    jmp leave_with
/* carry: a dword written to dx would touch 0xf4, 0x64, 0xcf9, PM1a control or the console */
harmless:
    mov %edx, %eax
    sub $0xf1, %eax
    cmp $4, %eax
    jb 3f
    mov %edx, %eax
    sub $0x61, %eax
    cmp $4, %eax
    jb 3f
    mov %edx, %eax
    sub $0xcf6, %eax
    cmp $4, %eax
    jb 3f
    mov %edx, %eax
    sub $0x5fd, %eax
    cmp $16, %eax
    jb 3f
    mov %edx, %eax
    sub $0x3f5, %eax
    cmp $11, %eax
3:  ret
#elif CASE == 5 /* a reserved bit of CR4 */
guest:
    mov $0x80000000, %eax
    mov %eax, %cr4
#elif CASE == 6 /* strings from memory to a port and back */
guest:
    mov $COM1, %edx
    mov $hello, %esi
    mov $6, %ecx
    rep outsb
    mov $buffer, %edi
    mov $COM1 + 5, %edx
    mov $3, %ecx
    rep insb
    movb $2, %al
    cmpl $buffer + 3, %edi
    jne leave_with
    cmpw $0x6060, buffer
    jne leave_with
    xor %eax, %eax
    jmp leave_with
#elif CASE == 7 /* every hole of the address space, by MOV */
guest:
    mov $0x2000000, %ebx
1:  mov (%ebx), %eax
    movl $1, (%ebx)
    movzbl 3(%ebx), %ecx
    add $0x1000000, %ebx
    cmp $0xfe000000, %ebx
    jb 1b
    mov $hello, %esi
    call print
    xor %eax, %eax
    jmp leave_with
#elif CASE == 8 /* MMIO by something that is no MOV */
guest:
    lock incl 0xfd000000
#elif CASE == 9 /* reset, for ever */
guest:
    mov $0xcf9, %edx
    mov $6, %al
    outb %al, %dx
#elif CASE == 10 /* ACPI S5 */
guest:
    mov $0x604, %edx
    mov $0x3400, %eax
    outw %ax, %dx
#elif CASE == 11 /* memory comes clean: nothing of the root, nothing of another child */
guest:
    mov $0x200000, %edi
    mov $(12 << 20) / 4, %ecx
    xor %eax, %eax
    cld
    repe scasl
    setne %al
    jmp leave_with
#elif CASE == 12 /* COUNT reads of a port that the worker emulates (tests/perf) */
guest:
    mov $COUNT, %ecx
    mov $COM1 + 5, %edx
1:  inb %dx, %al
    loop 1b
    xor %eax, %eax
    jmp leave_with
#endif
1:  hlt
    jmp 1b

    .data
hello:
    .asciz "hello\n"
    .balign 4
empty:
    .word 0
    .long 0
buffer:
    .skip 16
    .skip 1024
stack:
    .section .note.GNU-stack, "", @progbits
