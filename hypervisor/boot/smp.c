/*
 * The other processors: found in the MADT (ACPI 6.4, 5.2.12), started by INIT-SIPI-SIPI (SDM 3A
 * 8.4).
 */
#include "hypervisor/apic/hv_apic.h"
#include "hypervisor/boot/boot.h"
#include "hypervisor/vmx/hv_vmx.h"

#define TRAMPOLINE     0x8000ull
#define AP_STACK_PAGES 4u

uint64_t hv_ap_stack, hv_ap_lp;
extern char hv_ap_begin[], hv_ap_end[];
void hv_ap_main(struct hv_lp *lp);

static void add_lp(uint32_t apic_id, uint32_t flags)
{
    if (!(flags & 1) || apic_id == hv_lps[0].apic_id || hv_lp_count == HV_MAX_LPS)
        return;
    hv_lps[hv_lp_count] = (struct hv_lp){.index = hv_lp_count, .apic_id = apic_id};
    hv_lp_count++;
}

void hv_smp_find(void)
{
    hv_lps[0].apic_id = hv_lapic_id();
    const uint8_t *madt = hv_acpi_find("APIC");
    uint32_t length;
    if (!madt) {
        hv_log(HV_LOG_WARN, "no MADT: one processor");
        return;
    }
    memcpy(&length, madt + 4, 4);
    for (uint32_t at = 44; at + 2 <= length && madt[at + 1]; at += madt[at + 1]) {
        if (madt[at] == 0)
            add_lp(madt[at + 3], *(const uint32_t *)(madt + at + 4));
        else if (madt[at] == 9)
            add_lp(*(const uint32_t *)(madt + at + 4), *(const uint32_t *)(madt + at + 8));
    }
}

static void delay_us(uint64_t us)
{
    const uint64_t end = hv_rdtsc() + hv_tsc_hz / 1000000 * us;
    while (hv_rdtsc() < end)
        hv_pause();
}

static void start_one(struct hv_lp *lp)
{
    lp->stack_top = hv_va(hv_page_alloc());
    hv_assert(lp->stack_top);
    for (unsigned i = 1; i < AP_STACK_PAGES; i++) { /* fresh pages are adjacent */
        const uint64_t next = hv_page_alloc();
        hv_assert(next == hv_pa(lp->stack_top) + i * HV_PAGE);
    }
    lp->stack_top += AP_STACK_PAGES * HV_PAGE;
    hv_ap_stack = hv_pa(lp->stack_top);
    hv_ap_lp = hv_pa(lp);
    hv_lapic_ipi(lp->apic_id, 0x4500);
    delay_us(10000);
    for (unsigned i = 0; i < 2 && !lp->online; i++) {
        hv_lapic_ipi(lp->apic_id, 0x4600 | (uint32_t)(TRAMPOLINE >> 12));
        delay_us(200);
    }
    for (unsigned i = 0; i < 1000 && !lp->online; i++)
        delay_us(100);
    if (!lp->online)
        hv_panic("processor with APIC id %u does not start", lp->apic_id);
}

static volatile uint32_t go;

void hv_smp_start(void)
{
    static uint8_t saved[HV_PAGE];
    hv_lps[0].online = 1;
    if (hv_lp_count == 1)
        return;
    memcpy(saved, hv_va(TRAMPOLINE), sizeof(saved));
    memcpy(hv_va(TRAMPOLINE), hv_ap_begin, (size_t)(hv_ap_end - hv_ap_begin));
    for (uint32_t i = 1; i < hv_lp_count; i++)
        start_one(&hv_lps[i]);
    memcpy(hv_va(TRAMPOLINE), saved, sizeof(saved));
    hv_log(HV_LOG_INFO, "%u processors", hv_lp_count);
}

void hv_ap_main(struct hv_lp *lp)
{
    hv_lp_tables(lp);
    hv_lapic_enable();
    hv_vmx_on(lp);
    lp->online = 1;
    while (!hv_root || !go)
        hv_pause();
    hv_lp_run(lp);
}

/* After the root exists: the APs take part. */
void hv_smp_release(void)
{
    go = 1;
}
