/*
 * A boot sector that writes the whole disk by the firmware until a write fails, for
 * tests/ux/check_input.sh: debug-exit 0 when it failed, 1 when it never did.
 */
        .code16
        .text
        .globl _start
_start: mov $0x7c0, %ax             /* where the firmware puts it: labels count from here */
        mov %ax, %ds
        mov $0x7c00, %sp
        mov %dl, drive
        mov $0x1000, %ax                /* zeros would take no room */
        mov %ax, %es
        xor %di, %di
        mov $0x4000, %cx
        rep stosw
1:      mov $packet, %si
        mov drive, %dl
        mov $0x4300, %ax
        int $0x13
        jc 2f
        addl $64, lba
        cmpl $0x18000, lba
        jb 1b
        mov $1, %al
        outb %al, $0xf4
2:      movl $1, lba                     /* reading still works */
        mov $0x4200, %ax
        mov $packet, %si
        mov drive, %dl
        int $0x13
        sbb %al, %al
        outb %al, $0xf4
        hlt
        .balign 4
packet: .byte 16, 0
        .word 64, 0, 0x1000
lba:    .long 1, 0
drive:  .byte 0
        .org 510
        .word 0xaa55
