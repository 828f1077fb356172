/*
 * devices/chipset/pm.c: ACPI fixed hardware (ACPI 6.4 4.8.3): PM1a event and control, PM timer,
 * GPE0 (no events). Sleep type 5 in PM1 control is S5. 3.579545 MHz, 32 bits.
 * Registers of the ICH9 for SMI and APM are there as far as firmware looks at them.
 * The block of 128 ports is moved by the LPC bridge's PMBASE.
 * Not modelled: SMM, S1-S4, power and sleep buttons, the timer's overflow event.
 */
#include <stdlib.h>

#include "devices/chipset/chipset.h"
#include "lib/log.h"

#define PM_HZ    3579545ull
#define GPE0     0x20 /* offset from the block's base */
#define SMI_EN   0x30 /* likewise; SMI_STS follows */
#define SMI_APMC (1u << 5)
#define APM_CNT  0xb2

struct pm {
    struct dev dev;
    struct clock *clock;
    struct irq_line sci;
    struct board_port board;
    struct bus *bus;
    uint16_t base; /* where the bridge has put it; 0: nowhere */
    /* state */
    uint16_t status, enable, control;
    uint8_t gpe_enable[2];
    uint32_t smi_enable;
    uint8_t apm[2]; /* ports b2, b3 */
};

static const struct field fields[] = {
    FIELD(struct pm, status, 0, "PM1a status"),
    FIELD(struct pm, enable, 0, "PM1a enable"),
    FIELD(struct pm, control, 1, "PM1a control: ACPI mode on"),
    FIELD_ARRAY(struct pm, gpe_enable, 0, "GPE0 enable"),
    FIELD(struct pm, smi_enable, SMI_APMC, "SMI enable"),
    FIELD_ARRAY(struct pm, apm, 0, "APM control and status"),
    FIELD_END,
};

static uint64_t pm_read(void *dev, uint64_t offset, unsigned size)
{
    const struct pm *p = dev;
    uint64_t v;
    switch (offset & ~1ull) {
    case 0:
        v = p->status;
        break;
    case 2:
        v = p->enable;
        break;
    case 4:
        v = p->control;
        break;
    case 8:
    case 10:
        v = (uint64_t)((unsigned __int128)clock_now(p->clock) * PM_HZ / 1000000000u) & 0xffffffff;
        break;
    default:
        v = 0;
        break;
    }
    if (offset >= 8)
        return v >> 8 * (offset - 8);
    (void)size;
    return v >> 8 * (offset & 1);
}

static void pm_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    struct pm *p = dev;
    const unsigned shift = 8 * (offset & 1);
    const uint16_t mask = (uint16_t)((size == 1 ? 0xffu : 0xffffu) << shift);
    const uint16_t v = (uint16_t)(value << shift);
    switch (offset & ~1ull) {
    case 0:
        p->status &= (uint16_t) ~(v & mask);
        break;
    case 2:
        p->enable = (uint16_t)((p->enable & ~mask) | (v & mask));
        break;
    case 4:
        p->control = (uint16_t)((p->control & ~mask) | (v & mask));
        if (p->control & 1u << 13) {
            const unsigned type = p->control >> 10 & 7;
            p->control &= (uint16_t) ~(1u << 13);
            if (type == PM_SLP_TYP_S5)
                p->board.request(p->board.opaque, BOARD_POWEROFF, 0);
            else
                LOG_STUB("pm", "sleep type %u", type);
        }
        p->control |= 1;
        break;
    default:
        break;
    }
}

static uint64_t gpe_read(void *dev, uint64_t offset, unsigned size)
{
    (void)size;
    return offset < 2 ? 0 : ((const struct pm *)dev)->gpe_enable[offset - 2];
}
static void gpe_write(void *dev, uint64_t offset, unsigned size, uint64_t v)
{
    (void)size;
    if (offset >= 2)
        ((struct pm *)dev)->gpe_enable[offset - 2] = (uint8_t)v;
}

/* SMI enable and status. There is no SMM: the enable bit of APM commands reads as set and locked,
 * which tells firmware that it need not set up any. */
static uint64_t smi_read(void *dev, uint64_t offset, unsigned size)
{
    const struct pm *const p = dev;
    (void)size;
    return offset < 4 ? p->smi_enable >> 8 * offset : 0;
}
static void smi_write(void *dev, uint64_t offset, unsigned size, uint64_t v)
{
    struct pm *const p = dev;
    if (offset == 0 && size == 4)
        p->smi_enable = (uint32_t)v | SMI_APMC;
}

static uint64_t apm_read(void *dev, uint64_t offset, unsigned size)
{
    (void)size;
    return ((const struct pm *)dev)->apm[offset];
}
static void apm_write(void *dev, uint64_t offset, unsigned size, uint64_t v)
{
    struct pm *const p = dev;
    (void)size;
    p->apm[offset] = (uint8_t)v;
    if (offset == 0)
        LOG_STUB("pm", "APM command 0x%02x: there is no SMM", p->apm[0]);
}

static const struct bus_ops pm_ops = {pm_read, pm_write, 4}, gpe_ops = {gpe_read, gpe_write, 1},
                            smi_ops = {smi_read, smi_write, 4}, apm_ops = {apm_read, apm_write, 1};

static void pm_free(struct dev *d)
{
    free(d);
}
static const struct dev_class pm_class = {"pm", fields, NULL, pm_free};

static bool map_block(struct pm *p, uint16_t base)
{
    if (bus_map_port(p->bus, base, 12, &pm_ops, p, "pm"))
        return false;
    if (!bus_map_port(p->bus, base + GPE0, 4, &gpe_ops, p, "gpe0")) {
        if (!bus_map_port(p->bus, base + SMI_EN, 8, &smi_ops, p, "smi"))
            return true;
        bus_unmap_port(p->bus, base + GPE0, 4);
    }
    bus_unmap_port(p->bus, base, 12);
    return false;
}

void pm_move(struct dev *pm, uint16_t base)
{
    struct pm *const p = (struct pm *)pm;

    if (base == p->base)
        return;
    if (p->base) {
        bus_unmap_port(p->bus, p->base, 12);
        bus_unmap_port(p->bus, p->base + GPE0, 4);
        bus_unmap_port(p->bus, p->base + SMI_EN, 8);
    }
    p->base = base && map_block(p, base) ? base : 0;
    if (base && !p->base)
        LOG_GUEST("pm", "PM block at port 0x%x, where another device is: switched off", base);
}

struct dev *pm_new(struct bus *bus, struct clock *clock, const struct irq_line *sci,
                   const struct board_port *board)
{
    struct pm *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->dev = (struct dev){.cls = &pm_class, .id = "pm0"};
    p->clock = clock;
    p->sci = *sci;
    p->board = *board;
    p->bus = bus;
    pm_move(&p->dev, PM_BASE);
    if (!p->base || bus_map_port(bus, APM_CNT, 2, &apm_ops, p, "apm")) {
        free(p);
        return NULL;
    }
    return &p->dev;
}
