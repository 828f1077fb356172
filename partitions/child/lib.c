/*
 * Console, instructions and the book-keeping of checks.
 */
#include "partitions/child/ch.h"

#define COM1 0x3f8

static unsigned checks, failures;

void ch_outb(uint16_t port, uint8_t v)
{
    __asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}

static uint8_t inb(uint16_t port)
{
    uint8_t v;
    __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}

void ch_put(const char *s)
{
    for (; *s; s++) {
        for (unsigned i = 0; i < 1000 && !(inb(COM1 + 5) & 0x20); i++)
            continue;
        ch_outb(COM1, (uint8_t)*s);
    }
}

static void put_number(unsigned v)
{
    char buf[12];
    unsigned n = sizeof(buf);
    buf[--n] = 0;
    do
        buf[--n] = (char)('0' + v % 10);
    while (v /= 10);
    ch_put(buf + n);
}

void ch_check(const char *name, bool good, const char *why)
{
    checks++;
    ch_put(good ? "ok " : "FAIL ");
    ch_put(name);
    if (!good) {
        failures++;
        ch_put(": ");
        ch_put(why);
    }
    ch_put("\n");
}

unsigned ch_summary(void)
{
    put_number(checks);
    ch_put(" checks: ");
    put_number(checks - failures);
    ch_put(" ok, ");
    put_number(failures);
    ch_put(" failed\n");
    return failures;
}

struct ch_cpuid ch_cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct ch_cpuid r;
    __asm__ volatile("cpuid"
                     : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
                     : "a"(leaf), "c"(subleaf));
    return r;
}

uint64_t ch_rdtsc(void)
{
    uint32_t lo, hi;
    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
    return (uint64_t)hi << 32 | lo;
}

/* The trap handler skips a faulting RDMSR or WRMSR (two bytes) and notes it. */
bool ch_rdmsr(uint32_t msr, uint64_t *v)
{
    uint32_t lo = 0, hi = 0;
    ch_faulted = false;
    __asm__ volatile("rdmsr" : "+a"(lo), "+d"(hi) : "c"(msr) : "memory");
    *v = (uint64_t)hi << 32 | lo;
    return !ch_faulted;
}

bool ch_wrmsr(uint32_t msr, uint64_t v)
{
    ch_faulted = false;
    __asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)) : "memory");
    return !ch_faulted;
}

uint64_t ch_msr(uint32_t msr)
{
    uint64_t v;
    ch_rdmsr(msr, &v);
    return v;
}

uint64_t ch_ref_time(void)
{
    return ch_msr(HV_MSR_TIME_REF_COUNT);
}

void *memcpy(void *dst, const void *src, size_t n);

void *memset(void *dst, int c, size_t n)
{
    void *d = dst;
    __asm__ volatile("rep stosb" : "+D"(d), "+c"(n) : "a"(c) : "memory");
    return dst;
}

void *memcpy(void *dst, const void *src, size_t n)
{
    void *d = dst;
    __asm__ volatile("rep movsb" : "+D"(d), "+S"(src), "+c"(n) : : "memory");
    return dst;
}

int memcmp(const void *a, const void *b, size_t n);

int memcmp(const void *a, const void *b, size_t n)
{
    const uint8_t *x = a, *y = b;
    for (; n; n--, x++, y++)
        if (*x != *y)
            return *x - *y;
    return 0;
}
