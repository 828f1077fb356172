/*
 * devices/chipset/pm.c: ACPI fixed hardware (ACPI 6.4 4.8.3): PM1a event and control, PM timer,
 * GPE0 (no events). Sleep type 5 in PM1 control is S5, 1 is S3. 3.579545 MHz, 32 bits.
 * Events: timer overflow, power button, alarm of the real-time clock; the latter two end S3.
 * Registers of the ICH9 for SMI and APM are there as far as firmware looks at them.
 * The block of 128 ports is moved by the LPC bridge's PMBASE.
 * Not modelled: SMM, S1, S2, S4, sleep button, global lock and its event.
 */
#include <stdlib.h>

#include "core/input.h"
#include "devices/chipset/chipset.h"
#include "lib/log.h"

#define PM_HZ 3579545ull
#define NS    1000000000ull
/* PM1 status and enable */
#define TMR    (1u << 0)
#define PWRBTN (1u << 8)
#define RTC    (1u << 10)
#define WAK    (1u << 15)
#define EVENTS (TMR | PWRBTN | RTC)
#define WAKERS (PWRBTN | RTC)
/* PM1 control */
#define SCI_EN   (1u << 0)
#define SLP_EN   (1u << 13)
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
    struct clock_event overflow;
    uint16_t base; /* where the bridge has put it; 0: nowhere */
    /* state */
    uint16_t status, enable, control;
    uint64_t overflows; /* of the timer, when its status bit was cleared last */
    uint8_t asleep;     /* in S3 */
    uint8_t gpe_enable[2];
    uint32_t smi_enable;
    uint8_t apm[2]; /* ports b2, b3 */
};

static const struct field fields[] = {
    FIELD(struct pm, status, 0, "PM1a status"),
    FIELD(struct pm, enable, 0, "PM1a enable"),
    FIELD(struct pm, control, SCI_EN, "PM1a control: ACPI mode on"),
    FIELD(struct pm, overflows, 0, "timer overflows that were seen"),
    FIELD(struct pm, asleep, 0, "in S3"),
    FIELD_ARRAY(struct pm, gpe_enable, 0, "GPE0 enable"),
    FIELD(struct pm, smi_enable, SMI_APMC, "SMI enable"),
    FIELD_ARRAY(struct pm, apm, 0, "APM control and status"),
    FIELD_END,
};

static uint64_t timer_count(const struct pm *p)
{
    return (uint64_t)((unsigned __int128)clock_now(p->clock) * PM_HZ / NS);
}

/* Bit 31 changes: that is the timer's event. */
static uint64_t overflows(const struct pm *p)
{
    return timer_count(p) >> 31;
}

static uint16_t status(const struct pm *p)
{
    return (uint16_t)(p->status | (overflows(p) != p->overflows ? TMR : 0));
}

static void update(struct pm *p)
{
    const unsigned events = status(p) & p->enable & EVENTS;
    if (p->asleep && (events & WAKERS)) {
        p->asleep = 0;
        p->status |= WAK;
        p->board.request(p->board.opaque, BOARD_WAKE, 0);
    }
    irq_set(&p->sci, events != 0);
    if ((p->enable & TMR) && !(events & TMR)) {
        const unsigned __int128 at = (unsigned __int128)((overflows(p) + 1) << 31) * NS;
        clock_arm(p->clock, &p->overflow, (uint64_t)((at + PM_HZ - 1) / PM_HZ));
    } else {
        clock_cancel(p->clock, &p->overflow);
    }
}

static void on_overflow(void *opaque, uint64_t now)
{
    (void)now;
    update(opaque);
}

static uint64_t pm_read(void *dev, uint64_t offset, unsigned size)
{
    const struct pm *p = dev;
    uint64_t v;
    switch (offset & ~1ull) {
    case 0:
        v = status(p);
        break;
    case 2:
        v = p->enable;
        break;
    case 4:
        v = p->control;
        break;
    case 8:
    case 10:
        v = timer_count(p) & 0xffffffff;
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

static void sleep_now(struct pm *p)
{
    const unsigned type = p->control >> 10 & 7;
    switch (type) {
    case PM_SLP_TYP_S3:
        p->asleep = 1;
        p->board.request(p->board.opaque, BOARD_SLEEP, 0);
        break;
    case PM_SLP_TYP_S5:
        p->board.request(p->board.opaque, BOARD_POWEROFF, 0);
        break;
    default:
        LOG_STUB("pm", "sleep type %u", type);
        break;
    }
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
        if (v & mask & TMR)
            p->overflows = overflows(p);
        break;
    case 2:
        p->enable = (uint16_t)((p->enable & ~mask) | (v & mask));
        break;
    case 4:
        p->control = (uint16_t)((p->control & ~mask) | (v & mask));
        if (p->control & SLP_EN) {
            p->control &= (uint16_t)~SLP_EN;
            sleep_now(p);
        }
        p->control |= SCI_EN;
        break;
    default:
        return;
    }
    update(p);
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

static void pm_reset(struct dev *d)
{
    clock_cancel(((struct pm *)d)->clock, &((struct pm *)d)->overflow);
}

/* The upper halves of status and enable are in the well that stays powered. */
static void pm_wake(struct dev *d)
{
    struct pm *const p = (struct pm *)d;
    p->enable &= 0xff00;
    p->control = SCI_EN;
    update(p);
}

static void pm_free(struct dev *d)
{
    free(d);
}
static const struct dev_class pm_class = {"pm", fields, pm_reset, pm_free, pm_wake};

static void set_rtc(void *opaque, unsigned n, int level)
{
    struct pm *const p = opaque;
    (void)n;
    if (level) {
        p->status |= RTC;
        update(p);
    }
}

struct irq_line pm_rtc_alarm(struct dev *pm)
{
    return (struct irq_line){set_rtc, pm, 0};
}

/* Each byte is a press. */
static size_t take_button(void *opaque, const uint8_t *bytes, size_t len)
{
    struct pm *const p = opaque;
    (void)bytes;
    p->status |= PWRBTN;
    update(p);
    return len;
}

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
                   const struct board_port *board, struct input *input)
{
    struct pm *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->dev = (struct dev){.cls = &pm_class, .id = "pm0"};
    p->clock = clock;
    p->sci = *sci;
    p->board = *board;
    p->bus = bus;
    clock_event_init(clock, &p->overflow, "pm-timer", 32, on_overflow, p);
    pm_move(&p->dev, PM_BASE);
    const struct input_sink button = {"power-button", take_button, p};
    if (!p->base || input_add_sink(input, &button) < 0 ||
        bus_map_port(bus, APM_CNT, 2, &apm_ops, p, "apm")) {
        free(p);
        return NULL;
    }
    return &p->dev;
}
