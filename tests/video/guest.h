/* tests/video/guest.h: what the guests of this folder share: display, the end. */
#ifndef TESTS_VIDEO_GUEST_H
#define TESTS_VIDEO_GUEST_H

#include "tests/lib/ports.h"

static inline void print_hex(uint8_t v)
{
    outb(COM1, (uint8_t) "0123456789abcdef"[v >> 4]);
    outb(COM1, (uint8_t) "0123456789abcdef"[v & 15]);
}

__attribute__((noreturn)) static inline void leave_with(uint8_t value)
{
    for (;;) {
        outb(0xf4, value);
        __asm__ volatile("hlt");
    }
}

/* BAR 0 of the first display controller; 0: there is none. */
static inline uint32_t frame_buffer(void)
{
    for (uint32_t dev = 0; dev < 32; dev++) {
        const uint32_t at = 0x80000000u | dev << 11;
        outl(0xcf8, at | 8);
        if (inl(0xcfc) >> 24 != 3)
            continue;
        outl(0xcf8, at | 0x10);
        return inl(0xcfc) & ~15u;
    }
    return 0;
}

static inline void vbe(uint16_t reg, uint16_t value)
{
    outw(0x1ce, reg);
    outw(0x1cf, value);
}

#endif
