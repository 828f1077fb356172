/*
 * The hostile child's neighbour: computes over its memory, halts until a timer's interrupt, and
 * computes on. Nothing of what it leaves in memory or registers depends on when it ran, so that
 * the root can compare a hash of it (mini_root.c): no time is kept, interrupts come only in HLT,
 * and what the stack held is wiped at the end.
 */
#include "partitions/child/ch.h"

#define ROUNDS 100u
#define WORDS  32768u

void ch_main(uint32_t start_info);
void ch_ap_main(void);

static uint64_t data[WORDS];

void ch_ap_main(void)
{
}

static void compute(void)
{
    uint64_t x = data[0] + 1;
    for (unsigned i = 0; i < WORDS; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        data[i] += x;
        data[x % WORDS] ^= x * i;
    }
}

/* 0.5 ms, by a one-shot timer in direct mode. */
static void rest(void)
{
    ch_wrmsr(HV_MSR_STIMER0_COUNT, ch_msr(HV_MSR_TIME_REF_COUNT) + 5000);
    __asm__ volatile("sti; hlt; cli" : : : "memory");
}

static void __attribute__((noinline)) wipe_stack(void)
{
    uint64_t room[400];
    memset(room, 0, sizeof(room));
    __asm__ volatile("" : : "r"(room) : "memory");
}

void ch_main(uint32_t start_info)
{
    (void)start_info;
    ch_trap_init();
    ch_wrmsr(MSR_APIC_BASE, ch_msr(MSR_APIC_BASE) | APIC_BASE_EXTD);
    ch_wrmsr(MSR_X2APIC_BASE + 0x0f, 0x1ff);
    ch_wrmsr(HV_MSR_STIMER0_CONFIG, HV_STIMER_AUTO_ENABLE | HV_STIMER_DIRECT |
                                        (uint64_t)CH_VECTOR << HV_STIMER_VECTOR_SHIFT);
    unsigned slept = 0;
    for (unsigned i = 0; i < ROUNDS; i++) {
        compute();
        rest();
        slept += ch_interrupts(CH_VECTOR) == i + 1;
    }
    ch_check("victim: one interrupt a round", slept == ROUNDS, "count");
    ch_summary();
    wipe_stack();
    /* the registers that calls may change, and out */
    __asm__ volatile("xor %%ecx, %%ecx; xor %%esi, %%esi; xor %%edi, %%edi; xor %%r8d, %%r8d;"
                     "xor %%r9d, %%r9d; xor %%r10d, %%r10d; xor %%r11d, %%r11d; outb %%al, %%dx"
                     :
                     : "a"(0), "d"(0xf4)
                     : "rcx", "rsi", "rdi", "r8", "r9", "r10", "r11");
    for (;;)
        __asm__ volatile("cli; hlt");
}
