/*
 * tests/video/guest.c: multiboot guests that draw, or tell what the keyboard says; CASE selects.
 * 32-bit protected mode as the loader enters it, without interrupts.
 */
#include "tests/video/guest.h"
#include "tests/video/picture.h"

__asm__(".section .multiboot, \"a\"\n"
        ".balign 4\n"
        ".long 0x1badb002, 0, -0x1badb002\n"
        ".text\n"
        ".globl _start\n"
        "_start: cli\n"
        "mov $stack, %esp\n"
        "call guest\n"
        ".bss\n"
        ".balign 16\n"
        ".skip 16384\n"
        "stack:\n"
        ".text\n");

void guest(void);

#if CASE == 1 /* text in every attribute, and no cursor */
void guest(void)
{
    volatile uint8_t *const cell = (volatile uint8_t *)0xb8000;
    outw(0x3d4, 0x200a);
    for (unsigned row = 0; row < TEXT_LINES; row++) {
        for (unsigned col = 0; col < 80; col++) {
            cell[(row * 80 + col) * 2] = TEXT(row, col);
            cell[(row * 80 + col) * 2 + 1] = ATTRIBUTE(row, col);
        }
    }
    leave_with(0);
}

#elif CASE == 2 /* a picture in a linear mode */
void guest(void)
{
    volatile uint32_t *const pixel = (volatile uint32_t *)frame_buffer();
    if (!pixel)
        leave_with(1);
    vbe(4, 0);
    vbe(1, PICTURE_WIDTH);
    vbe(2, PICTURE_HEIGHT);
    vbe(3, 32);
    vbe(4, 0x41);
    for (unsigned y = 0; y < PICTURE_HEIGHT; y++) {
        for (unsigned x = 0; x < PICTURE_WIDTH; x++)
            pixel[y * PICTURE_WIDTH + x] = PICTURE(x, y);
    }
    leave_with(0);
}

#else /* the scan codes of keys until Escape goes up */
void guest(void)
{
    print("ready\n");
    for (uint8_t code = 0; code != 0x81;) {
        while (!(inb(0x64) & 1))
            __asm__ volatile("pause");
        code = inb(0x60);
        print_hex(code);
        print(code & 0x80 ? "\n" : " ");
    }
    leave_with(0);
}
#endif
