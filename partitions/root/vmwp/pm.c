/*
 * vmwp/pm.c: PM1a event and control blocks and the 32-bit PM timer (ACPI 6.5 4.8.3). ACPI mode is
 * always on.
 *
 * Not modelled: power button, timer-carry event, SCI.
 */
#include "partitions/root/vmwp/models.h"
#include "abi/acpi.h"

uint32_t pm_in(struct pm *p, uint16_t port, unsigned size, uint64_t now)
{
    uint64_t block;
    if (port >= PM_TIMER) {
        block = (uint32_t)(now / 1000000000ull * ACPI_PM_TIMER_HZ +
                           now % 1000000000ull * ACPI_PM_TIMER_HZ / 1000000000ull);
        port -= PM_TIMER;
    } else {
        block = p->status | (uint32_t)p->enable << 16 |
                (uint64_t)(p->control | ACPI_PM1C_SCI_EN) << 32;
        port -= PM_BASE;
    }
    block >>= port * 8;
    return size == 4 ? (uint32_t)block : (uint32_t)block & ((1u << size * 8) - 1);
}

enum pm_action pm_out(struct pm *p, uint16_t port, unsigned size, uint32_t v)
{
    if (port < PM1A_EVT + 2)
        p->status &= (uint16_t)~v;
    if (port == PM1A_EVT && size == 4)
        p->enable = (uint16_t)(v >> 16);
    else if (port == PM1A_EVT + 2)
        p->enable = (uint16_t)v;
    if (port != PM1A_CNT || size < 2)
        return PM_NOTHING;
    p->control = (uint16_t)(v & ~ACPI_PM1C_SLP_EN);
    bool s5 = (v & ACPI_PM1C_SLP_TYP) >> ACPI_PM1C_SLP_TYP_SHIFT == PM_SLP_TYP_S5;
    return (v & ACPI_PM1C_SLP_EN) && s5 ? PM_S5 : PM_NOTHING;
}
