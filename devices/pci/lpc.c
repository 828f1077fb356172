/*
 * devices/pci/lpc.c: LPC bridge: identity and registers of Intel's ICH9 (datasheet 316972, chapter
 * 13) at 00:1f.0. It joins the interrupts of the ISA devices with the PCI interrupts PIRQA-H: a
 * PIRQ always reaches I/O APIC pin 16-23, and is joined with the ISA interrupt that its routing
 * register names, at both controllers. PMBASE and ACPI_CNTL move the PM block and switch it off.
 * Not modelled: GPIO, I/O decode enables (all ISA ports always decode), the registers behind RCBA,
 * TCO, USB and SATA functions.
 */
#include <stdlib.h>

#include "devices/pci/pci_int.h"

#define PMBASE        0x40
#define ACPI_CNTL     0x44
#define ACPI_CNTL_ON  0x80
#define GPIOBASE      0x48
#define GPIO_CNTL     0x4c
#define PIRQA         0x60
#define SIRQ_CNTL     0x64
#define PIRQE         0x68
#define LPC_IO_DEC    0x80
#define LPC_EN_END    0x94 /* decode enables and generic ranges end here */
#define GEN_PMCON     0xa0
#define GEN_PMCON_END 0xa8
#define RCBA          0xf0
#define PIRQ_OFF      0x80u
#define PIRQ_VALID    0xdef8u /* ISA interrupts that a PIRQ may be routed to */

struct lpc {
    struct pci_func f;
    /* wiring */
    struct irq_line pic[16], ioapic[24];
    struct board_port board;
    /* state */
    uint32_t isa;   /* levels of the ISA devices' interrupts */
    uint32_t gsi;   /* levels that the test device puts on I/O APIC pins 16-23 */
    uint8_t pirq;   /* levels of PIRQA-H */
    uint16_t out;   /* levels at the 8259 pair and I/O APIC pins 0-15 */
    uint8_t out_io; /* levels at I/O APIC pins 16-23 */
};

static const struct field fields[] = {
    PCI_FUNC_FIELDS,
    FIELD(struct lpc, isa, 0, "levels of ISA interrupts"),
    FIELD(struct lpc, gsi, 0, "levels put on I/O APIC pins by number"),
    FIELD(struct lpc, pirq, 0, "levels of PIRQA-H"),
    FIELD(struct lpc, out, 0, "levels at the 8259 pair and I/O APIC pins 0-15"),
    FIELD(struct lpc, out_io, 0, "levels at I/O APIC pins 16-23"),
    FIELD_END,
};

static uint8_t route_of(const struct lpc *l, unsigned n)
{
    return l->f.cfg[n < 4 ? PIRQA + n : PIRQE + n - 4];
}

/* ISA interrupt n: 8259 input n, and I/O APIC pin n (0 on pin 2, as the MADT says). */
static void isa_drive(struct lpc *l, unsigned n, int level)
{
    irq_set(&l->pic[n], level);
    irq_set(&l->ioapic[n ? n : 2], level);
}

/* Levels of both controllers from those of all sources. */
static void update(struct lpc *l)
{
    uint16_t out = (uint16_t)l->isa;
    for (unsigned n = 0; n < PCI_PIRQS; n++) {
        const uint8_t r = route_of(l, n);
        if ((l->pirq >> n & 1) && !(r & PIRQ_OFF) && (PIRQ_VALID >> (r & 15) & 1))
            out |= (uint16_t)(1u << (r & 15));
    }
    const uint16_t changed = out ^ l->out;
    l->out = out;
    for (unsigned n = 0; n < 16; n++) {
        if (changed >> n & 1)
            isa_drive(l, n, out >> n & 1);
    }
    const uint8_t io = (uint8_t)(l->pirq | l->gsi >> PCI_GSI_BASE), io_changed = io ^ l->out_io;
    l->out_io = io;
    for (unsigned n = 0; n < PCI_PIRQS; n++) {
        if (io_changed >> n & 1)
            irq_set(&l->ioapic[PCI_GSI_BASE + n], io >> n & 1);
    }
}

static void isa_set(void *opaque, unsigned n, int level)
{
    struct lpc *const l = opaque;
    l->isa = level ? l->isa | 1u << n : l->isa & ~(1u << n);
    update(l);
}

static void pirq_set(void *opaque, unsigned n, int level)
{
    struct lpc *const l = opaque;
    l->pirq = (uint8_t)(level ? l->pirq | 1u << n : l->pirq & ~(1u << n));
    update(l);
}

static void gsi_set(void *opaque, unsigned n, int level)
{
    struct lpc *const l = opaque;
    if (n == 2) {
        irq_set(&l->ioapic[2], level);
    } else if (n < 16) {
        isa_set(l, n, level);
    } else {
        l->gsi = level ? l->gsi | 1u << n : l->gsi & ~(1u << n);
        update(l);
    }
}

struct irq_line lpc_isa(struct lpc *l, unsigned irq)
{
    return (struct irq_line){isa_set, l, irq};
}
struct irq_line lpc_pirq(struct lpc *l, unsigned n)
{
    return (struct irq_line){pirq_set, l, n};
}
struct irq_line lpc_gsi(struct lpc *l, unsigned gsi)
{
    return (struct irq_line){gsi_set, l, gsi};
}

void lpc_route(struct lpc *l, const uint8_t irq[PCI_PIRQS])
{
    for (unsigned n = 0; n < PCI_PIRQS; n++)
        l->f.cfg[n < 4 ? PIRQA + n : PIRQE + n - 4] = irq[n];
    update(l);
}

/* The PM block's ports are where PMBASE says, while ACPI_CNTL has them on. */
static void place_pm(struct lpc *l)
{
    const bool on = l->f.cfg[ACPI_CNTL] & ACPI_CNTL_ON;
    const uint32_t base = get_le32(l->f.cfg + PMBASE) & 0xff80;

    l->board.request(l->board.opaque, BOARD_PM_BASE, on ? base : 0);
}

static void lpc_written(struct pci_func *f, unsigned reg, unsigned size)
{
    struct lpc *const l = (struct lpc *)f;
    if ((reg < PMBASE + 4 && reg + size > PMBASE) || (reg <= ACPI_CNTL && reg + size > ACPI_CNTL))
        place_pm(l);
    update(l);
}

static void lpc_reset(struct dev *d)
{
    pci_func_reset((struct pci_func *)d);
    place_pm((struct lpc *)d);
}
static void lpc_free(struct dev *d)
{
    free(d);
}
static const struct dev_class lpc_class = {"lpc", fields, lpc_reset, lpc_free, NULL};

static void init_registers(struct pci_func *f)
{
    put_le32(f->cfg_reset + PMBASE, PM_BASE | 1);
    put_le32(f->wmask + PMBASE, 0xff80);
    f->cfg_reset[ACPI_CNTL] = ACPI_CNTL_ON; /* as firmware leaves it, for kernels without */
    f->wmask[ACPI_CNTL] = 0x87;
    put_le32(f->cfg_reset + GPIOBASE, 1);
    put_le32(f->wmask + GPIOBASE, 0xff80);
    f->wmask[GPIO_CNTL] = 0x10;
    for (unsigned n = 0; n < 4; n++) {
        f->cfg_reset[PIRQA + n] = f->cfg_reset[PIRQE + n] = PIRQ_OFF;
        f->wmask[PIRQA + n] = f->wmask[PIRQE + n] = 0x8f;
    }
    f->cfg_reset[SIRQ_CNTL] = 0x10;
    f->wmask[SIRQ_CNTL] = 0xff;
    memset(f->wmask + LPC_IO_DEC, 0xff, LPC_EN_END - LPC_IO_DEC);
    memset(f->wmask + GEN_PMCON, 0xff, GEN_PMCON_END - GEN_PMCON);
    put_le32(f->wmask + RCBA, 0xffffc001);
}

struct lpc *lpc_new(const struct irq_line pic[16], const struct irq_line ioapic[24],
                    const struct board_port *board)
{
    struct lpc *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->f.dev = (struct dev){.cls = &lpc_class, .id = "lpc"};
    l->board = *board;
    memcpy(l->pic, pic, sizeof l->pic);
    memcpy(l->ioapic, ioapic, sizeof l->ioapic);
    pci_func_init(&l->f, 0x8086, 0x2918, 0x06010002, 0x1af4, 0x1100);
    put_le16(l->f.cfg_reset + PCI_COMMAND, PCI_CMD_IO | PCI_CMD_MEMORY | PCI_CMD_MASTER);
    put_le16(l->f.wmask + PCI_COMMAND, 0);
    init_registers(&l->f);
    l->f.cfg_written = lpc_written;
    return l;
}

struct pci_func *lpc_func(struct lpc *l)
{
    return &l->f;
}
