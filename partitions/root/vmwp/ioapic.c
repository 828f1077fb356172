/*
 * vmwp/ioapic.c: I/O APIC with 24 pins (Intel 82093AA), edge and level; the message goes out as
 * the redirection entry itself.
 */
#include "partitions/root/vmwp/models.h"

#define RTE_LEVEL      (1ull << 15)
#define RTE_REMOTE_IRR (1ull << 14)
#define RTE_LOW        (1ull << 13)
#define RTE_STATUS     (1ull << 12)
#define RTE_MASKED     (1ull << 16)
#define VERSION        0x11u

void ioapic_init(struct ioapic *a)
{
    for (unsigned i = 0; i < IOAPIC_PINS; i++)
        a->rte[i] = RTE_MASKED;
}

static void ioapic_service(struct ioapic *a, unsigned pin)
{
    uint64_t e = a->rte[pin];
    if ((e & RTE_MASKED) || (e & RTE_REMOTE_IRR))
        return;
    if (e & RTE_LEVEL)
        a->rte[pin] |= RTE_REMOTE_IRR;
    a->deliver(a->ctx, e);
}

void ioapic_line(struct ioapic *a, unsigned pin, bool high)
{
    uint32_t bit = 1u << pin;
    bool was = a->lines & bit;
    a->lines = high ? a->lines | bit : a->lines & ~bit;
    if (high && (!was || (a->rte[pin] & RTE_LEVEL)))
        ioapic_service(a, pin);
}

void ioapic_eoi(struct ioapic *a, uint8_t vector)
{
    for (unsigned i = 0; i < IOAPIC_PINS; i++) {
        if ((uint8_t)a->rte[i] != vector || !(a->rte[i] & RTE_REMOTE_IRR))
            continue;
        a->rte[i] &= ~RTE_REMOTE_IRR;
        if (a->lines >> i & 1)
            ioapic_service(a, i);
    }
}

bool ioapic_masked(const struct ioapic *a, unsigned pin)
{
    return a->rte[pin] & RTE_MASKED;
}

uint32_t ioapic_mmio_read(struct ioapic *a, uint64_t offset)
{
    if (offset == 0)
        return a->select;
    if (offset != 0x10)
        return 0;
    if (a->select == 0 || a->select == 2)
        return a->id;
    if (a->select == 1)
        return VERSION | (IOAPIC_PINS - 1) << 16;
    unsigned i = a->select - 0x10;
    if (a->select < 0x10 || i / 2 >= IOAPIC_PINS)
        return 0xffffffff;
    return (uint32_t)(a->rte[i / 2] >> (i & 1) * 32);
}

void ioapic_mmio_write(struct ioapic *a, uint64_t offset, uint32_t v)
{
    if (offset == 0) {
        a->select = v & 0xff;
        return;
    }
    if (offset != 0x10)
        return;
    if (a->select == 0)
        a->id = v & 0x0f000000;
    unsigned i = a->select - 0x10, pin = i / 2;
    if (a->select < 0x10 || pin >= IOAPIC_PINS)
        return;
    uint64_t e = a->rte[pin];
    if (i & 1) {
        a->rte[pin] = (e & 0xffffffff) | (uint64_t)v << 32;
        return;
    }
    const uint64_t read_only = RTE_REMOTE_IRR | RTE_STATUS;
    e = (e & (0xffffffff00000000ull | read_only)) | (v & 0x1ffff & ~read_only);
    if (!(e & RTE_LEVEL))
        e &= ~RTE_REMOTE_IRR;
    a->rte[pin] = e;
    if ((e & RTE_LEVEL) && (a->lines >> pin & 1))
        ioapic_service(a, pin);
}
