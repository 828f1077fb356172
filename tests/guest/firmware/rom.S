/*
 * tests/guest/firmware/rom.S: a firmware of 64 KiB that tests how the machine starts and what the
 * PAM registers of the host bridge do. Prints "ok NAME" or "not ok NAME" to COM1 and ends by the
 * debug-exit port: 0 when all passed.
 *
 * Runs in real mode from the end of the ROM, seen at F0000; then from RAM, when that is switched
 * in under it.
 */
        .code16
        .text
        .set PAM0, 0x80000090

/* Write \value to byte \index of the register at \reg. */
        .macro pam value, reg=PAM0, index=0
        movl $\reg, %eax
        movw $0xcf8, %dx
        outl %eax, %dx
        movb $\value, %al
        movw $0xcfc + \index, %dx
        outb %al, %dx
        .endm

/* The byte at %gs:\at (gs = C000) must be \want. */
        .macro want_c at, want, name
        movb %gs:\at, %al
        movb $\want, %bl
        movw $\name, %si
        call verdict
        .endm
        .macro want_f at, want, name
        movb %cs:\at, %al
        movb $\want, %bl
        movw $\name, %si
        call verdict
        .endm

        .globl _start
_start:
        cli
        cld
        xorw %ax, %ax
        movw %ax, %ss
        movw $0x7000, %sp
        movw %ax, %ds
        movw $0xc000, %ax
        movw %ax, %gs
        movw %cs, %ax
        movw %ax, %es
        xorb %bh, %bh           /* failures */

        want_f data, 0x5a, n_reset
        movb $1, %es:data
        want_f data, 0x5a, n_rom_store

        /* write RAM under the ROM, still reading the ROM */
        pam 0x20
        movb $0x77, %es:data
        want_f data, 0x5a, n_under
        xorw %si, %si
        xorw %di, %di
        movw $0x8000, %cx
        pushw %ds
        pushw %cs
        popw %ds
        rep movsw
        popw %ds
        movb $0x33, %es:data
        pam 0x30                /* from here on this code runs from RAM */
        want_f data, 0x33, n_ram
        movb $0x44, %es:data
        want_f data, 0x44, n_ram_store

        /* a store into code that comes next, in what was ROM a moment ago */
        movb $2, %es:patched + 1
patched:
        movb $1, %al
        movb $2, %bl
        movw $n_smc, %si
        call verdict

        pam 0x10
        movb $0x55, %es:data
        want_f data, 0x44, n_protected
        movb $3, %es:patched2 + 1
patched2:
        movb $1, %al
        movb $1, %bl
        movw $n_no_smc, %si
        call verdict
        /* a string store, too */
        movw $data, %di
        movb $0x66, %al
        movw $16, %cx
        rep stosb
        want_f data, 0x44, n_string
        pam 0x00
        want_f data, 0x5a, n_back
        pam 0x30
        want_f data, 0x44, n_kept

        /* C0000: nothing, until RAM is switched in */
        movb $0x12, %gs:0
        want_c 0, 0xff, n_nothing
        pam 0x03, PAM0, 1
        movb $0x34, %gs:0
        want_c 0, 0x34, n_c_ram
        pam 0x02, PAM0, 1
        movb $0x56, %gs:0
        want_c 0, 0xff, n_c_write
        pam 0x01, PAM0, 1
        movb $0x78, %gs:0
        want_c 0, 0x56, n_c_read
        want_c 0x4000, 0xff, n_c_next
        /* the highest quarter below the system segment is the ROM's, too */
        movw $0xe000, %ax
        movw %ax, %gs
        want_c 0, 0xff, n_e_short

        movb %bh, %al
        movw $0xf4, %dx
        outb %al, %dx
1:      hlt
        jmp 1b

/* al: is, bl: wanted, si: name */
verdict:
        cmpb %bl, %al
        je 1f
        incb %bh
        pushw %si
        movw $t_not, %si
        call print
        popw %si
1:      pushw %si
        movw $t_ok, %si
        call print
        popw %si
        call print
        movw $t_end, %si
print:
        movw $0x3f8, %dx
2:      movb %cs:(%si), %al
        incw %si
        testb %al, %al
        jz 3f
        outb %al, %dx
        jmp 2b
3:      ret

t_not:  .asciz "not "
t_ok:   .asciz "ok "
t_end:  .asciz "\n"
        .macro name label, text
\label: .ascii "firmware: \text"
        .asciz "\n"
        .endm
        name n_reset,     "the reset vector is the end of the ROM"
        name n_rom_store, "a store to ROM is lost"
        name n_under,     "write-only: reads still see the ROM"
        name n_ram,       "read-write: the RAM has what was copied under the ROM"
        name n_ram_store, "read-write: stores change it"
        name n_smc,       "code in switched RAM can be modified"
        name n_protected, "read-only: a store is lost"
        name n_no_smc,    "read-only: code stays as it is"
        name n_string,    "read-only: a string store is lost"
        name n_back,      "off: the ROM is back"
        name n_kept,      "the RAM kept its contents meanwhile"
        name n_nothing,   "C0000 is nothing at first"
        name n_c_ram,     "C0000 becomes RAM"
        name n_c_write,   "C0000 write-only reads as nothing"
        name n_c_read,    "C0000 read-only has what was written under it"
        name n_c_next,    "the next quarter is not touched"
        name n_e_short,   "a ROM of 64 KiB ends at F0000"
data:   .byte 0x5a

        .org 0xfff0
        ljmp $0xf000, $_start
        .org 0x10000
