/*
 * Interrupts are counted per vector; a fault in a probed instruction is noted and skipped, any
 * other ends the run with failure.
 */
#include "partitions/child/ch.h"

extern char ch_stubs[];
void ch_trap(uint64_t vector, uint64_t *frame);

volatile bool ch_faulted;
static volatile unsigned counts[256];
static volatile uint64_t probe_vector, probe_skip;
static uint64_t idt[512] __attribute__((aligned(16)));

void ch_trap_load(void)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) const idtr = {sizeof(idt) - 1, (uint64_t)idt};
    __asm__ volatile("lidt %0" : : "m"(idtr));
}

void ch_trap_init(void)
{
    for (unsigned i = 0; i < 256; i++) {
        const uint64_t at = (uint64_t)ch_stubs + 16 * i;
        idt[2 * i] = (at & 0xffff) | 8ull << 16 | 0x8eull << 40 | (at >> 16 & 0xffff) << 48;
        idt[2 * i + 1] = at >> 32;
    }
    ch_trap_load();
}

static void end_of_interrupt(void)
{
    if (ch_msr(MSR_APIC_BASE) & APIC_BASE_EXTD) {
        __asm__ volatile("wrmsr" : : "c"(MSR_X2APIC_BASE + 0x0b), "a"(0), "d"(0) : "memory");
    } else {
        *(volatile uint32_t *)0xfee000b0 = 0;
    }
}

void ch_trap(uint64_t vector, uint64_t *frame)
{
    const uint8_t *code = (const uint8_t *)frame[1];
    if (vector >= 32) {
        const bool saved = ch_faulted;
        counts[vector]++;
        end_of_interrupt();
        ch_faulted = saved;
        return;
    }
    if (vector == EXC_NMI) {
        counts[vector]++;
        return;
    }
    if (vector == EXC_GP && code[0] == 0x0f && (code[1] == 0x30 || code[1] == 0x32)) {
        ch_faulted = true;
        frame[1] += 2;
        return;
    }
    if (probe_skip) {
        probe_vector = vector;
        frame[1] = probe_skip;
        probe_skip = 0;
        return;
    }
    ch_check("no unexpected exception", false, "fault");
    ch_summary();
    ch_outb(0xf4, 1);
    for (;;)
        __asm__ volatile("cli; hlt");
}

unsigned ch_interrupts(uint32_t vector)
{
    return counts[vector];
}

bool ch_wait(uint32_t vector, unsigned count)
{
    const uint64_t end = ch_ref_time() + 10000000;
    while (counts[vector] < count && ch_ref_time() < end)
        __asm__ volatile("sti; nop; cli" : : : "memory");
    return counts[vector] >= count;
}

uint64_t ch_probe(uint64_t address, bool write)
{
    probe_vector = ~0ull;
    if (write)
        __asm__ volatile("movq $1f, %0\n\tmovb $0, (%1)\n1:"
                         : "=m"(probe_skip)
                         : "r"(address)
                         : "memory");
    else
        __asm__ volatile("movq $1f, %0\n\tcall *%1\n1:"
                         : "=m"(probe_skip)
                         : "r"(address)
                         : "memory", "rax", "rcx", "rdx", "r8", "r9", "r10", "r11");
    probe_skip = 0;
    return probe_vector;
}
