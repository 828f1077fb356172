/* tests/video/guest.h: what the guests of this folder share: ports, display, the end. */
#ifndef TESTS_VIDEO_GUEST_H
#define TESTS_VIDEO_GUEST_H

#include <stdint.h>

static inline void outb(uint16_t port, uint8_t v)
{
    __asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port) : "memory");
}
static inline void outw(uint16_t port, uint16_t v)
{
    __asm__ volatile("outw %0, %1" : : "a"(v), "Nd"(port) : "memory");
}
static inline void outl(uint16_t port, uint32_t v)
{
    __asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port) : "memory");
}
static inline uint8_t inb(uint16_t port)
{
    uint8_t v;
    __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port) : "memory");
    return v;
}
static inline uint32_t inl(uint16_t port)
{
    uint32_t v;
    __asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port) : "memory");
    return v;
}

static inline void print(const char *text)
{
    while (*text)
        outb(0x3f8, (uint8_t)*text++);
}

static inline void print_hex(uint8_t v)
{
    outb(0x3f8, (uint8_t) "0123456789abcdef"[v >> 4]);
    outb(0x3f8, (uint8_t) "0123456789abcdef"[v & 15]);
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
