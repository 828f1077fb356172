/*
 * tests/guest/firmware/option.S: an option ROM that prints by the BIOS and the debug console and
 * ends the machine with success when INT 15h E820, INT 16h and INT 1Ah answer sensibly.
 */
        .code16
        .text
        .globl _start
_start:
        .word 0xaa55
        .byte 1                 /* blocks of 512 bytes */
        jmp init
        .org 0x18
        .word 0, 0
init:
        pushal
        pushw %ds
        pushw %es
        pushw %cs
        popw %ds
        movw $text, %si
1:      lodsb
        testb %al, %al
        jz 2f
        outb %al, $0xe9
        jmp 1b
2:      movw $0, %ax
        movw %ax, %es
        xorl %ebx, %ebx         /* first memory map entry: RAM at 0 */
        movl $0xe820, %eax
        movl $0x534d4150, %edx
        movl $20, %ecx
        movw $0x7000, %di
        int $0x15
        jc fail
        cmpl $0x534d4150, %eax
        jne fail
        cmpl $0, %es:0x7000
        jne fail
        cmpl $1, %es:0x7010
        jne fail
        movw $0xb101, %ax       /* PCI BIOS present */
        int $0x1a
        jc fail
        cmpl $0x20494350, %edx
        jne fail
        movw $0xb103, %ax       /* the LPC bridge by its class */
        movl $0x060100, %ecx
        xorw %si, %si
        int $0x1a
        jc fail
        cmpw $0xf8, %bx
        jne fail
        movb $0, %al
        jmp end
fail:
        movb $1, %al
end:
        outb %al, $0xf4
        hlt
text:   .asciz "option ROM runs\n"
        .org 512
