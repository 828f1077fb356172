/*
 * kern/apic.c: local APIC in x2APIC mode when offered, else by MMIO (SDM 3A 11), I/O APIC
 * (82093AA), 8259 pair masked. Under the hypervisor the local APIC is a virtual one.
 *
 * Not modelled: other processors (the root runs on its VP 0), more than one I/O APIC.
 */
#include "partitions/root/kern/kern.h"

#define APIC_ID         0x20
#define APIC_TPR        0x80
#define APIC_EOI        0xb0
#define APIC_SVR        0xf0
#define APIC_LVT_TIMER  0x320
#define APIC_LVT_LINT0  0x350
#define APIC_LVT_LINT1  0x360
#define APIC_LVT_ERROR  0x370
#define APIC_TIMER_INIT 0x380
#define APIC_TIMER_NOW  0x390
#define APIC_TIMER_DIV  0x3e0
#define APIC_MASKED     (1u << 16)
#define APIC_DIV_16     3u

#define IOAPIC_VERSION   1
#define IOAPIC_RTE       0x10
#define IOAPIC_RTE_LOW   (1u << 13)
#define IOAPIC_RTE_LEVEL (1u << 15)

uint32_t apic_id;
bool apic_x2;
static volatile uint32_t *apic_mmio;
static volatile uint32_t *ioapic;
static unsigned ioapic_pins;

static uint32_t apic_read(unsigned reg)
{
    return apic_x2 ? (uint32_t)rdmsr(MSR_X2APIC_BASE + (reg >> 4)) : apic_mmio[reg / 4];
}

static void apic_write(unsigned reg, uint32_t v)
{
    if (apic_x2)
        wrmsr(MSR_X2APIC_BASE + (reg >> 4), v);
    else
        apic_mmio[reg / 4] = v;
}

void apic_eoi(void)
{
    apic_write(APIC_EOI, 0);
}

void apic_timer(uint32_t count)
{
    apic_write(APIC_TIMER_INIT, count);
}

uint32_t apic_timer_now(void)
{
    return apic_read(APIC_TIMER_NOW);
}

static uint32_t ioapic_read(unsigned reg)
{
    ioapic[0] = reg;
    return ioapic[4];
}

static void ioapic_write(unsigned reg, uint32_t v)
{
    ioapic[0] = reg;
    ioapic[4] = v;
}

void apic_ioapic_route_gsi(unsigned gsi, unsigned vector, bool level, bool low)
{
    unsigned pin = gsi - rt_acpi.ioapic_gsi_base;
    if (!ioapic || pin >= ioapic_pins) {
        rt_log("apic: no I/O APIC pin for interrupt %u", gsi);
        return;
    }
    ioapic_write(IOAPIC_RTE + 2 * pin + 1, apic_id << 24);
    ioapic_write(IOAPIC_RTE + 2 * pin,
                 vector | (level ? IOAPIC_RTE_LEVEL : 0) | (low ? IOAPIC_RTE_LOW : 0));
}

void apic_ioapic_route(unsigned isa_irq, unsigned vector)
{
    uint16_t flags = rt_acpi.isa_flags[isa_irq];
    apic_ioapic_route_gsi(rt_acpi.isa_gsi[isa_irq], vector, (flags >> 2 & 3) == 3,
                          (flags & 3) == 3);
}

void apic_init(void)
{
    uint32_t r[4];
    cpuid(1, r);
    outb(0x21, 0xff);
    outb(0xa1, 0xff);
    uint64_t base = rdmsr(MSR_APIC_BASE);
    apic_x2 = r[2] >> 21 & 1;
    if (apic_x2)
        wrmsr(MSR_APIC_BASE, base | APIC_BASE_EN | APIC_BASE_EXTD);
    else
        apic_mmio = vm_map_mmio(base & 0xffffff000ull, PAGE);
    apic_id = apic_x2 ? apic_read(APIC_ID) : apic_read(APIC_ID) >> 24;
    apic_write(APIC_SVR, 0x100 | VEC_SPURIOUS);
    apic_write(APIC_LVT_LINT0, APIC_MASKED);
    apic_write(APIC_LVT_LINT1, APIC_MASKED);
    apic_write(APIC_LVT_ERROR, APIC_MASKED);
    apic_write(APIC_TPR, 0);
    apic_write(APIC_TIMER_DIV, APIC_DIV_16);
    apic_write(APIC_LVT_TIMER, VEC_TIMER);
    if (rt_acpi.ioapic_addr) {
        ioapic = vm_map_mmio(rt_acpi.ioapic_addr, 0x20);
        ioapic_pins = (ioapic_read(IOAPIC_VERSION) >> 16 & 0xff) + 1;
        for (unsigned i = 0; i < ioapic_pins; i++)
            ioapic_write(IOAPIC_RTE + 2 * i, APIC_MASKED);
    }
}
