/*
 * libk: what a freestanding image lacks: memory and string routines, formatted log, and the
 * instructions that C has no words for. Nothing here knows about partitions.
 */
#ifndef HYPERVISOR_LIBK_H
#define HYPERVISOR_LIBK_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HV_ARRAY_SIZE(a)    (sizeof(a) / sizeof((a)[0]))
#define HV_ALIGN_DOWN(v, a) ((v) & ~((uint64_t)(a)-1))
#define HV_ALIGN_UP(v, a)   HV_ALIGN_DOWN((v) + (uint64_t)(a)-1, a)

enum hv_log_level { HV_LOG_ERROR, HV_LOG_WARN, HV_LOG_INFO, HV_LOG_DEBUG };

void *memcpy(void *dst, const void *src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t hv_strlen(const char *s);
bool hv_starts_with(const char *s, const char *prefix);

void hv_console_init(void);
void hv_console_putc(char c);
void hv_log_set_level(unsigned level);
void hv_log(enum hv_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void hv_panic(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

#define hv_assert(e) ((e) ? (void)0 : hv_panic("assertion %s at %s:%d", #e, __FILE__, __LINE__))

static inline void hv_outb(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint8_t hv_inb(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline uint64_t hv_rdtsc(void)
{
    uint32_t lo, hi;
    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
    return (uint64_t)hi << 32 | lo;
}

static inline uint64_t hv_rdmsr(uint32_t msr)
{
    uint32_t lo, hi;
    __asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
    return (uint64_t)hi << 32 | lo;
}

static inline void hv_wrmsr(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr"
                     :
                     : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
                     : "memory");
}

struct hv_cpuid {
    uint32_t eax, ebx, ecx, edx;
};

static inline struct hv_cpuid hv_cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct hv_cpuid r;
    __asm__ volatile("cpuid"
                     : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
                     : "a"(leaf), "c"(subleaf));
    return r;
}

#define HV_CR_ACCESSORS(n)                                         \
    static inline uint64_t hv_read_cr##n(void)                     \
    {                                                              \
        uint64_t v;                                                \
        __asm__ volatile("mov %%cr" #n ", %0" : "=r"(v));          \
        return v;                                                  \
    }                                                              \
    static inline void hv_write_cr##n(uint64_t v)                  \
    {                                                              \
        __asm__ volatile("mov %0, %%cr" #n : : "r"(v) : "memory"); \
    }
HV_CR_ACCESSORS(0)
HV_CR_ACCESSORS(2)
HV_CR_ACCESSORS(3)
HV_CR_ACCESSORS(4)

#define HV_DR_ACCESSORS(n)                                \
    static inline uint64_t hv_read_dr##n(void)            \
    {                                                     \
        uint64_t v;                                       \
        __asm__ volatile("mov %%dr" #n ", %0" : "=r"(v)); \
        return v;                                         \
    }                                                     \
    static inline void hv_write_dr##n(uint64_t v)         \
    {                                                     \
        __asm__ volatile("mov %0, %%dr" #n : : "r"(v));   \
    }
HV_DR_ACCESSORS(0)
HV_DR_ACCESSORS(1)
HV_DR_ACCESSORS(2)
HV_DR_ACCESSORS(3)
HV_DR_ACCESSORS(6)

static inline void hv_xsetbv(uint64_t value)
{
    __asm__ volatile("xsetbv" : : "c"(0), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}

static inline void hv_pause(void)
{
    __asm__ volatile("pause" : : : "memory");
}

static inline void hv_barrier(void)
{
    __asm__ volatile("" : : : "memory");
}

/* (a * b) >> 64 */
static inline uint64_t hv_mul_hi(uint64_t a, uint64_t b)
{
    return (uint64_t)(((unsigned __int128)a * b) >> 64);
}

/* a * b / c with a 128-bit product; saturates instead of overflowing. c != 0. */
static inline uint64_t hv_muldiv(uint64_t a, uint64_t b, uint64_t c)
{
    if (hv_mul_hi(a, b) >= c)
        return UINT64_MAX;
    uint64_t lo, hi;
    __asm__("mulq %3\n\tdivq %4" : "=&a"(lo), "=&d"(hi) : "0"(a), "r"(b), "r"(c) : "cc");
    return lo;
}

static inline int hv_top_bit(uint64_t v) /* v != 0 */
{
    return 63 - __builtin_clzll(v);
}

#endif
