/*
 * tests/perf/kernels.c: the benchmark guest: small kernels that each stress one part of an
 * emulator.
 *
 * Command line: `kernel=NAME n=COUNT`. Prints `@@start NAME`, runs the kernel COUNT times, prints
 * `@@end NAME tsc=DELTA sum=CHECKSUM` on COM1 and ends the machine by the debug-exit port. The
 * checksum must agree between emulators; times are taken from outside at the two markers.
 * Freestanding; runs on any PC that loads multiboot 1 ELF images.
 */
#include <stdint.h>

#include "bench_guest.h"

#define ARENA ((uint8_t *)0x4000000) /* 64 MiB and up: free memory of a 512 MiB machine */

static uint64_t k_nop(uint64_t n)
{
    return n;
}

static uint64_t k_alu(uint64_t n)
{
    uint64_t a = 1, b = 2, c = 3;
    n *= 1000;
    __asm__ volatile("1: add %1, %0\n lea 3(%0,%2), %1\n xor %0, %2\n shl $1, %1\n sub %2, %0\n"
                     "and $0x7fffffff, %1\n or $1, %2\n dec %3\n jnz 1b"
                     : "+r"(a), "+r"(b), "+r"(c), "+r"(n)
                     :
                     : "cc");
    return a ^ b ^ c;
}

static uint64_t k_mem(uint64_t n)
{
    volatile uint64_t *p = (volatile uint64_t *)ARENA;
    uint64_t sum = 0;
    for (unsigned i = 0; i < 32768; i++)
        p[i] = i;
    for (uint64_t k = 0; k < n; k++) {
        for (unsigned i = 0; i < 32768; i++) {
            const uint64_t v = p[i];
            sum += v;
            p[i] = v + k;
        }
    }
    return sum;
}

static uint64_t k_tlbm(uint64_t n)
{
    const uint64_t base = window_4k();
    uint64_t sum = 0;
    for (uint64_t k = 0; k < n; k++) {
        for (uint64_t off = 0; off < 64u << 20; off += 4096) {
            volatile uint64_t *p = (volatile uint64_t *)(base + off + (off >> 12 & 63) * 64);
            sum += *p;
            *p = k;
        }
    }
    return sum;
}

static uint64_t f0(uint64_t x)
{
    return x + 1;
}
static uint64_t f1(uint64_t x)
{
    return x ^ 5;
}
static uint64_t f2(uint64_t x)
{
    return x * 3;
}
static uint64_t f3(uint64_t x)
{
    return x - 7;
}

static uint64_t k_calls(uint64_t n)
{
    static uint64_t (*volatile table[4])(uint64_t) = {f0, f1, f2, f3};
    uint64_t x = 1;
    for (uint64_t k = 0; k < n * 1000; k++)
        x = table[k & 3](x);
    return x;
}

static uint64_t __attribute__((noinline)) fib(unsigned n)
{
    __asm__ volatile(""); /* keep the recursion */
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}
static uint64_t k_fib(uint64_t n)
{
    uint64_t sum = 0;
    while (n--)
        sum += fib(20);
    return sum;
}

static uint64_t k_sieve(uint64_t n)
{
    uint8_t *p = ARENA;
    uint64_t count = 0;
    while (n--) {
        for (unsigned i = 0; i < 65536; i++)
            p[i] = 1;
        for (unsigned i = 2; i < 256; i++) {
            if (p[i]) {
                for (unsigned j = i * i; j < 65536; j += i)
                    p[j] = 0;
            }
        }
        for (unsigned i = 2; i < 65536; i++)
            count += p[i];
    }
    return count;
}

static uint64_t k_crc(uint64_t n)
{
    static uint32_t table[256];
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t v = i;
        for (int b = 0; b < 8; b++)
            v = v & 1 ? 0xedb88320u ^ v >> 1 : v >> 1;
        table[i] = v;
    }
    uint32_t crc = ~0u;
    while (n--) {
        const uint8_t *p = ARENA;
        for (unsigned i = 0; i < 65536; i++)
            crc = table[(crc ^ p[i]) & 255] ^ crc >> 8;
    }
    return crc;
}

static void sort(uint32_t *a, int lo, int hi)
{
    while (lo < hi) {
        const uint32_t pivot = a[(lo + hi) / 2];
        int i = lo, j = hi;
        while (i <= j) {
            while (a[i] < pivot)
                i++;
            while (a[j] > pivot)
                j--;
            if (i <= j) {
                const uint32_t t = a[i];
                a[i++] = a[j];
                a[j--] = t;
            }
        }
        sort(a, lo, j);
        lo = i;
    }
}
static uint64_t k_sort(uint64_t n)
{
    uint32_t *a = (uint32_t *)ARENA, seed = 12345;
    uint64_t sum = 0;
    while (n--) {
        for (int i = 0; i < 16384; i++)
            a[i] = seed = seed * 1664525u + 1013904223u;
        sort(a, 0, 16383);
        sum = sum * 31 + a[100] + a[16000];
    }
    return sum;
}

#define ROTR(x, k) ((x) >> (k) | (x) << (32 - (k)))
#define ROUND(a, b, c, d, e, f, g, h, w)                                                          \
    do {                                                                                          \
        const uint32_t t1 = h + (ROTR(e, 6) ^ ROTR(e, 11) ^ ROTR(e, 25)) + ((e & f) ^ (~e & g)) + \
                            w;                                                                    \
        const uint32_t t2 = (ROTR(a, 2) ^ ROTR(a, 13) ^ ROTR(a, 22)) +                            \
                            ((a & b) ^ (a & c) ^ (b & c));                                        \
        d += t1;                                                                                  \
        h = t1 + t2;                                                                              \
    } while (0)
static uint64_t k_sha(uint64_t n)
{
    uint32_t a = 1, b = 2, c = 3, d = 4, e = 5, f = 6, g = 7, h = 8;
    n *= 100;
    while (n--) {
        ROUND(a, b, c, d, e, f, g, h, 0x428a2f98u);
        ROUND(h, a, b, c, d, e, f, g, 0x71374491u);
        ROUND(g, h, a, b, c, d, e, f, 0xb5c0fbcfu);
        ROUND(f, g, h, a, b, c, d, e, 0xe9b5dba5u);
        ROUND(e, f, g, h, a, b, c, d, 0x3956c25bu);
        ROUND(d, e, f, g, h, a, b, c, 0x59f111f1u);
        ROUND(c, d, e, f, g, h, a, b, 0x923f82a4u);
        ROUND(b, c, d, e, f, g, h, a, 0xab1c5ed5u);
    }
    return (uint64_t)(a ^ b ^ c ^ d) << 32 | (e ^ f ^ g ^ h);
}

static uint64_t k_fp(uint64_t n)
{
    static const uint64_t one = 0x3ff0000000000000ull, k1 = 0x3fefae147ae147aeull /* .99 */,
                          k2 = 0x3fb999999999999aull /* .1 */;
    uint64_t out;
    n *= 1000;
    __asm__ volatile("movsd %2, %%xmm0\n movsd %3, %%xmm1\n movsd %4, %%xmm2\n movsd %2, %%xmm3\n"
                     "1: mulsd %%xmm1, %%xmm0\n addsd %%xmm2, %%xmm0\n movapd %%xmm0, %%xmm4\n"
                     "divsd %%xmm3, %%xmm4\n subsd %%xmm2, %%xmm4\n addsd %%xmm4, %%xmm3\n"
                     "mulsd %%xmm1, %%xmm3\n dec %1\n jnz 1b\n movq %%xmm3, %0"
                     : "=r"(out), "+r"(n)
                     : "m"(one), "m"(k1), "m"(k2)
                     : "cc");
    return out;
}

static uint64_t k_smc(uint64_t n)
{
    uint8_t *code = ARENA;
    code[0] = 0xb8; /* mov $imm32, %eax; ret */
    code[5] = 0xc3;
    uint64_t sum = 0;
    for (uint64_t k = 0; k < n * 100; k++) {
        *(volatile uint32_t *)(code + 1) = (uint32_t)k;
        sum += ((uint32_t(*)(void))(uintptr_t)code)();
    }
    return sum;
}

static void rep_movsb(void *to, const void *from, uint64_t len)
{
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(len) : : "memory");
}
static uint64_t k_repmovsb(uint64_t n)
{
    while (n--)
        rep_movsb(ARENA + (1 << 20), ARENA, 65536);
    return ARENA[(1 << 20) + 77];
}

/* Copies of 1 MiB with a page distance given by d=: as REP MOVS and as a loop, 4 KiB pages */
static uint64_t k_distrep(uint64_t n)
{
    const uint64_t base = window_4k();
    while (n--)
        rep_movsb((void *)(base + bench_distance * 4096), (void *)base, 1 << 20);
    return bench_distance;
}
static uint64_t k_distcpy(uint64_t n)
{
    const uint64_t base = window_4k();
    while (n--) {
        const volatile uint64_t *from = (uint64_t *)base;
        volatile uint64_t *to = (uint64_t *)(base + bench_distance * 4096);
        for (unsigned i = 0; i < (1 << 20) / 8; i++)
            to[i] = from[i];
    }
    return bench_distance;
}

static uint64_t k_cr3(uint64_t n)
{
    const uint64_t base = window_4k();
    uint64_t cr3, sum = 0;
    __asm__ volatile("mov %%cr3, %0" : "=r"(cr3));
    for (uint64_t k = 0; k < n * 100; k++) {
        __asm__ volatile("mov %0, %%cr3" : : "r"(cr3) : "memory");
        for (unsigned i = 0; i < 16; i++)
            sum += *(volatile uint8_t *)(base + i * 4096);
    }
    return sum;
}

static const struct bench_kernel kernels[] = {
    {"nop", k_nop},
    {"alu", k_alu},
    {"mem", k_mem},
    {"tlbm", k_tlbm},
    {"calls", k_calls},
    {"fib", k_fib},
    {"sieve", k_sieve},
    {"crc", k_crc},
    {"sort", k_sort},
    {"sha", k_sha},
    {"fp", k_fp},
    {"smc", k_smc},
    {"cr3", k_cr3},
    {"repmovsb", k_repmovsb},
    {"distrep", k_distrep},
    {"distcpy", k_distcpy},
    {"exit", bench_vmx_exit},
    {"exitept", bench_vmx_exit_ept},
};

const struct bench_kernel *bench_find(const char *name)
{
    for (unsigned i = 0; i < sizeof kernels / sizeof kernels[0]; i++) {
        if (bench_same(kernels[i].name, name))
            return &kernels[i];
    }
    return 0;
}
