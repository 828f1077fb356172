/* tests/perf/bench_main.c: console, command line and page window of the benchmark guest. */
#include "bench_guest.h"

#define COM1       0x3f8
#define WINDOW     0x8000000000ull /* PML4 slot 1 */
#define WINDOW_RAM 0x8000000ull
#define WINDOW_MIB 192

uint64_t bench_distance = 1024;

void bench_puts(const char *s)
{
    for (; *s; s++) {
        while (!(inb(COM1 + 5) & 0x20))
            ;
        outb(COM1, (uint8_t)*s);
    }
    while (!(inb(COM1 + 5) & 0x40)) /* all of it sent: the machine may end next */
        ;
}

static void put_hex(uint64_t v)
{
    char b[17];
    for (int i = 15; i >= 0; i--, v >>= 4)
        b[i] = "0123456789abcdef"[v & 15];
    b[16] = 0;
    bench_puts(b);
}

bool bench_same(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

uint64_t window_4k(void)
{
    static uint64_t pdpt[512] __attribute__((aligned(4096))),
        pd[512] __attribute__((aligned(4096)));
    static uint64_t pt[WINDOW_MIB / 2][512] __attribute__((aligned(4096)));
    if (!boot_pml4[1]) {
        for (unsigned i = 0; i < WINDOW_MIB / 2; i++) {
            for (unsigned j = 0; j < 512; j++)
                pt[i][j] = (WINDOW_RAM + ((uint64_t)i * 512 + j) * 4096) | 3;
            pd[i] = (uintptr_t)pt[i] | 3;
        }
        pdpt[0] = (uintptr_t)pd | 3;
        boot_pml4[1] = (uintptr_t)pdpt | 3;
    }
    return WINDOW;
}

/* Value of `key` in the command line, copied up to a blank; "" when absent. */
static void option(const char *line, const char *key, char *to, unsigned max)
{
    unsigned n = 0;
    for (; *line; line++) {
        const char *p = line, *k = key;
        while (*k && *p == *k)
            p++, k++;
        if (!*k && *p == '=') {
            for (p++; *p && *p != ' ' && n + 1 < max; p++)
                to[n++] = *p;
            break;
        }
    }
    to[n] = 0;
}

static uint64_t number(const char *s, uint64_t none)
{
    uint64_t v = 0;
    if (!*s)
        return none;
    for (; *s >= '0' && *s <= '9'; s++)
        v = v * 10 + (uint64_t)(*s - '0');
    return v;
}

static void end_machine(uint8_t value)
{
    static const char word[] = "Shutdown"; /* Bochs leaves on this at its port 8900 */
    outb(0xf4, value);
    for (const char *p = word; *p; p++)
        outb(0x8900, (uint8_t)*p);
    for (;;)
        __asm__ volatile("cli; hlt");
}

void bench_main(const uint32_t *info);
void bench_main(const uint32_t *info)
{
    char name[32], num[24];
    const char *line = info[0] & 4 ? (const char *)(uintptr_t)info[4] : "";
    outb(COM1 + 3, 0x80); /* 115200 8N1, FIFOs on */
    outb(COM1 + 0, 1);
    outb(COM1 + 1, 0);
    outb(COM1 + 3, 3);
    outb(COM1 + 2, 7);
    option(line, "kernel", name, sizeof name);
    option(line, "d", num, sizeof num);
    bench_distance = number(num, 1024);
    option(line, "n", num, sizeof num);
    const struct bench_kernel *k = bench_find(name);
    if (!k) {
        bench_puts("@@unknown kernel\n");
        end_machine(1);
    }
    k->run(1); /* warm */
    bench_puts("@@start ");
    bench_puts(name);
    bench_puts("\n");
    const uint64_t t0 = rdtsc();
    const uint64_t sum = k->run(number(num, 1));
    const uint64_t t1 = rdtsc();
    bench_puts("@@end ");
    bench_puts(name);
    bench_puts(" tsc=");
    put_hex(t1 - t0);
    bench_puts(" sum=");
    put_hex(sum);
    bench_puts("\n");
    end_machine(0);
}
