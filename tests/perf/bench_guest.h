/* tests/perf/bench_guest.h: the parts of the benchmark guest. */
#ifndef BENCH_GUEST_H
#define BENCH_GUEST_H

#include <stdbool.h>
#include <stdint.h>

struct bench_kernel {
    const char *name;
    uint64_t (*run)(uint64_t n); /* returns a checksum */
};

extern uint64_t bench_distance; /* d= of the command line, pages */
extern uint64_t boot_pml4[512];

uint64_t window_4k(void); /* 192 MiB of RAM mapped by 4 KiB pages */
bool bench_same(const char *a, const char *b);
const struct bench_kernel *bench_find(const char *name);
void bench_puts(const char *s);
uint64_t bench_vmx_exit(uint64_t n);     /* VM exit + entry round trips, no EPT */
uint64_t bench_vmx_exit_ept(uint64_t n); /* the same with EPT and VPID */

static inline void outb(uint16_t port, uint8_t v)
{
    __asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}
static inline uint8_t inb(uint16_t port)
{
    uint8_t v;
    __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}
static inline uint64_t rdtsc(void)
{
    uint32_t a, d;
    __asm__ volatile("rdtsc" : "=a"(a), "=d"(d));
    return (uint64_t)d << 32 | a;
}
static inline uint64_t rdmsr(uint32_t n)
{
    uint32_t a, d;
    __asm__ volatile("rdmsr" : "=a"(a), "=d"(d) : "c"(n));
    return (uint64_t)d << 32 | a;
}
static inline void wrmsr(uint32_t n, uint64_t v)
{
    __asm__ volatile("wrmsr" : : "c"(n), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)));
}

#endif
