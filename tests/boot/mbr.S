/*
 * tests/boot/mbr.S: a boot sector that reads the next sector by INT 13h, prints the text there on
 * COM1 and leaves by the debug-exit port.
 */
    .code16
    .globl _start
_start:
    xorw %ax, %ax
    movw %ax, %ds
    movw %ax, %es
    movw $0x8000, %bx
    movw $0x0201, %ax /* one sector; DL is the disk, as the BIOS left it */
    movw $0x0002, %cx
    movb $0, %dh
    int $0x13
    jc 2f
    movw $0x8000, %si
    movw $0x3f8, %dx
1:  lodsb
    testb %al, %al
    jz 2f
    outb %al, %dx
    jmp 1b
2:  movw $0xf4, %dx
    xorl %eax, %eax
    outl %eax, %dx
    hlt
    .org 510
    .word 0xaa55
    .asciz "VITRINE-MBR-OK\n"
    .org 1024
