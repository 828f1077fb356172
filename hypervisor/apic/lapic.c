/*
 * The physical local APIC of each LP (SDM 3A 10): x2APIC when there is one, else the MMIO page.
 * Timer: TSC deadline when there is, else one-shot ticks converted from the TSC.
 */
#include "hypervisor/apic/hv_apic.h"

#define CPUID_1_ECX_X2APIC       (1u << 21)
#define CPUID_1_ECX_TSC_DEADLINE (1u << 24)

static bool x2apic, tsc_deadline;
static volatile uint32_t *mmio;
static uint64_t tick_hz; /* of the one-shot timer at divide by 1 */

static uint32_t reg_read(uint32_t reg)
{
    return x2apic ? (uint32_t)hv_rdmsr(MSR_X2APIC_BASE + reg) : mmio[reg * 4];
}

static void reg_write(uint32_t reg, uint32_t value)
{
    if (x2apic)
        hv_wrmsr(MSR_X2APIC_BASE + reg, value);
    else
        mmio[reg * 4] = value;
}

/* How many timer ticks pass while the TSC advances by 1/100 s. */
static void calibrate_ticks(void)
{
    reg_write(APIC_TDCR, 0xb);
    reg_write(APIC_LVT_TIMER, APIC_LVT_MASKED | HV_VECTOR_TIMER);
    reg_write(APIC_TICR, 0xffffffff);
    const uint64_t end = hv_rdtsc() + hv_tsc_hz / 100;
    while (hv_rdtsc() < end)
        hv_pause();
    tick_hz = (uint64_t)(0xffffffff - reg_read(APIC_TCCR)) * 100;
    reg_write(APIC_TICR, 0);
}

void hv_lapic_enable(void)
{
    uint64_t base = hv_rdmsr(MSR_APIC_BASE) | APIC_BASE_EN;
    hv_wrmsr(MSR_APIC_BASE, base);
    if (x2apic)
        hv_wrmsr(MSR_APIC_BASE, base | APIC_BASE_EXTD);
    reg_write(APIC_TPR, 0);
    reg_write(APIC_LVT_LINT0, APIC_LVT_MASKED);
    reg_write(APIC_LVT_LINT1, 0x400);
    reg_write(APIC_LVT_ERROR, APIC_LVT_MASKED);
    reg_write(APIC_LVT_PERF, APIC_LVT_MASKED);
    reg_write(APIC_SVR, APIC_SVR_ENABLE | HV_VECTOR_SPURIOUS);
    reg_write(APIC_TDCR, 0xb);
    reg_write(APIC_LVT_TIMER, (tsc_deadline ? APIC_TIMER_TSC : 0) | HV_VECTOR_TIMER);
}

void hv_lapic_init(void)
{
    const uint32_t ecx = hv_cpuid(1, 0).ecx;
    x2apic = ecx & CPUID_1_ECX_X2APIC;
    tsc_deadline = ecx & CPUID_1_ECX_TSC_DEADLINE;
    mmio = hv_va(hv_rdmsr(MSR_APIC_BASE) & EPT_ADDR_MASK);
    hv_lapic_enable();
    if (!tsc_deadline) {
        calibrate_ticks();
        hv_lapic_enable();
    }
    hv_log(HV_LOG_INFO, "local APIC: %s, %s timer", x2apic ? "x2APIC" : "xAPIC",
           tsc_deadline ? "TSC-deadline" : "one-shot");
}

uint32_t hv_lapic_id(void)
{
    return x2apic ? reg_read(APIC_ID) : reg_read(APIC_ID) >> 24;
}

void hv_lapic_eoi(void)
{
    reg_write(APIC_EOI, 0);
}

void hv_lapic_ipi(uint32_t apic_id, uint32_t icr_low)
{
    if (x2apic) {
        hv_wrmsr(MSR_X2APIC_BASE + APIC_ICR, (uint64_t)apic_id << 32 | icr_low);
        return;
    }
    mmio[APIC_ICR_HI * 4] = apic_id << 24;
    mmio[APIC_ICR * 4] = icr_low;
    while (mmio[APIC_ICR * 4] & (1u << 12))
        hv_pause();
}

void hv_lapic_timer(uint64_t deadline)
{
    if (tsc_deadline) {
        hv_wrmsr(MSR_TSC_DEADLINE, deadline == HV_NO_DEADLINE ? 0 : deadline);
        return;
    }
    if (deadline == HV_NO_DEADLINE) {
        reg_write(APIC_TICR, 0);
        return;
    }
    const uint64_t now = hv_rdtsc();
    uint64_t ticks = deadline > now ? hv_muldiv(deadline - now, tick_hz, hv_tsc_hz) + 1 : 1;
    reg_write(APIC_TICR, ticks > 0xffffffff ? 0xffffffff : (uint32_t)ticks);
}

bool hv_lapic_is_level(uint32_t vector)
{
    return reg_read(APIC_TMR + vector / 32) >> (vector % 32) & 1;
}
