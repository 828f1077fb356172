/*
 * kern/time.c: one clock and one timer list.
 *
 * Under the hypervisor the clock is the reference TSC page and the event source synthetic timer 0
 * in direct mode (TLFS 12); without it the TSC and the local APIC timer, measured against the
 * PM timer. The timer hardware is armed only while something waits: an idle root sleeps.
 */
#include "partitions/root/kern/kern.h"
#include "partitions/root/winhv/winhv.h"

#define NS_PER_SECOND 1000000000ull
#define MEASURE_NS    10000000ull

static struct hv_tsc_page *time_page;
static struct hv_tsc_page time_own_page;
static bool time_stimer;
static uint64_t time_apic_hz; /* of the timer count */
static struct ktimer *time_list;
static uint64_t time_armed = RT_NEVER;
static uint64_t time_boot_wall;

/* a * 2^64 / b for a < b */
static uint64_t div_shifted(uint64_t a, uint64_t b)
{
    uint64_t q, rest;
    __asm__("divq %4" : "=a"(q), "=d"(rest) : "0"(0ull), "1"(a), "r"(b));
    return q;
}

uint64_t time_now(void)
{
    for (;;) {
        uint32_t sequence = time_page->sequence;
        if (!sequence)
            return rdmsr(HV_MSR_TIME_REF_COUNT) * 100;
        uint64_t t = (uint64_t)(((unsigned __int128)rdtsc() * time_page->scale) >> 64) +
                     (uint64_t)time_page->offset;
        if (sequence == time_page->sequence)
            return t * 100;
    }
}

uint64_t time_wall(void)
{
    return time_boot_wall;
}

static void time_hardware(uint64_t deadline)
{
    time_armed = deadline;
    if (time_stimer) {
        wrmsr(HV_MSR_STIMER0_COUNT, deadline / 100 + 1);
        return;
    }
    uint64_t now = time_now();
    uint64_t ns = deadline > now ? deadline - now : 1;
    if (ns > NS_PER_SECOND)
        ns = NS_PER_SECOND;
    uint64_t count = ns * time_apic_hz / NS_PER_SECOND + 1;
    apic_timer(count > 0xffffffff ? 0xffffffff : (uint32_t)count);
}

void time_arm(struct ktimer *t, uint64_t deadline)
{
    time_cancel(t);
    t->deadline = deadline;
    t->armed = true;
    struct ktimer **p = &time_list;
    while (*p && (*p)->deadline <= deadline)
        p = &(*p)->next;
    t->next = *p;
    *p = t;
    if (time_list == t && deadline < time_armed)
        time_hardware(deadline);
}

void time_cancel(struct ktimer *t)
{
    if (!t->armed)
        return;
    t->armed = false;
    struct ktimer **p = &time_list;
    while (*p != t)
        p = &(*p)->next;
    *p = t->next;
}

static void time_interrupt(void *arg)
{
    (void)arg;
    time_armed = RT_NEVER;
    uint64_t now = time_now();
    while (time_list && time_list->deadline <= now) {
        struct ktimer *t = time_list;
        time_list = t->next;
        t->armed = false;
        t->fn(t->arg);
    }
    if (time_list && time_list->deadline < time_armed)
        time_hardware(time_list->deadline);
}

/* ---- start ---- */
static uint32_t pm_timer(void)
{
    return inl(rt_acpi.pm_timer) & 0xffffff;
}

static void time_measure(void)
{
    if (!rt_acpi.pm_timer)
        rt_panic("no PM timer to measure the TSC with");
    uint32_t want = (uint32_t)(ACPI_PM_TIMER_HZ * MEASURE_NS / NS_PER_SECOND), passed;
    uint32_t start = pm_timer();
    uint64_t tsc = rdtsc();
    apic_timer(0xffffffff);
    while ((passed = (pm_timer() - start) & 0xffffff) < want)
        __asm__ volatile("pause");
    tsc = rdtsc() - tsc;
    uint64_t ticks = 0xffffffff - apic_timer_now();
    apic_timer(0);
    uint64_t hz = tsc * ACPI_PM_TIMER_HZ / passed;
    time_apic_hz = ticks * ACPI_PM_TIMER_HZ / passed;
    if (hz <= 10000000)
        rt_panic("TSC of %lu Hz", hz);
    time_own_page.scale = div_shifted(10000000, hz);
    time_own_page.offset = -(
        int64_t)(uint64_t)(((unsigned __int128)rdtsc() * time_own_page.scale) >> 64);
    time_own_page.sequence = 1;
    time_page = &time_own_page;
}

static uint8_t cmos(uint8_t reg)
{
    outb(0x70, reg);
    return inb(0x71);
}

static unsigned cmos_number(uint8_t reg, bool bcd)
{
    uint8_t v = cmos(reg);
    return bcd ? (v >> 4) * 10u + (v & 15) : v;
}

static uint64_t time_read_rtc(void)
{
    for (unsigned i = 0; i < 100000 && (cmos(0x0a) & 0x80); i++)
        ;
    bool bcd = !(cmos(0x0b) & 4);
    uint64_t s = cmos_number(0, bcd), mi = cmos_number(2, bcd), h = cmos_number(4, bcd);
    uint64_t d = cmos_number(7, bcd), mo = cmos_number(8, bcd), y = cmos_number(9, bcd) + 2000;
    if (mo < 1 || mo > 12 || d < 1 || d > 31)
        return 0;
    /* Days since 1970-03-01's epoch shift: months counted from March. */
    uint64_t m = (mo + 9) % 12, yy = y - (mo <= 2);
    uint64_t days = yy * 365 + yy / 4 - yy / 100 + yy / 400 + (m * 306 + 5) / 10 + d - 1 - 719468;
    return ((days * 24 + h) * 60 + mi) * 60 + s;
}

void time_init(void)
{
    if (winhv_present) {
        uint64_t page = mm_alloc_zeroed();
        time_page = phys_to_virt(page);
        wrmsr(HV_MSR_REFERENCE_TSC, page | HV_MSR_ENABLE);
        time_stimer = true;
        wrmsr(HV_MSR_STIMER0_CONFIG, HV_STIMER_AUTO_ENABLE | HV_STIMER_DIRECT |
                                         (uint64_t)VEC_TIMER << HV_STIMER_VECTOR_SHIFT);
    } else {
        time_measure();
    }
    trap_handle(VEC_TIMER, time_interrupt, 0);
    time_boot_wall = time_read_rtc();
}
