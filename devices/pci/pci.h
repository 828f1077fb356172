/*
 * devices/pci/pci.h: PCI functions and the host bridge of bus 0.
 *
 * PCI Local Bus 3.0 chapter 6, PCI Express Base 7.2.2 (ECAM). A function is a configuration
 * space with write masks, BARs (memory of 32 or 64 bits, I/O, expansion ROM) that are put on the
 * bus as COMMAND and the BARs say, one interrupt pin, MSI, and MSI-X.
 *
 * A device embeds struct pci_func as its first member, lists PCI_FUNC_FIELDS in its field table and
 * calls pci_func_reset from its reset. In its constructor: set dev, dma, msi; pci_func_init; add
 * BARs, capabilities and the pin; the board plugs it (pci_host_plug*).
 * Not modelled: bridges, other buses, power management, extended capabilities.
 */
#ifndef DEVICES_PCI_PCI_H
#define DEVICES_PCI_PCI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bus.h"
#include "core/dev.h"
#include "core/dma.h"
#include "core/irq.h"
#include "devices/chipset/chipset.h"

#define PCI_ECAM_BASE      0xb0000000ull
#define PCI_ECAM_SIZE      0x10000000ull
#define PCI_MMIO_BASE      0xc0000000ull /* window for BARs below 4 GiB, to the I/O APIC */
#define PCI_MMIO_END       0xfec00000ull
#define PCI_MMIO64_SIZE    (32ull << 30) /* window above RAM, at a multiple of its size */
#define PCI_IO_BASE        0xc000u       /* where I/O BARs go when there is no firmware */
#define PCI_IO_END         0x10000u
#define PCI_MSIX_VECTORS   64
#define PCI_PIRQS          8
#define PCI_GSI_BASE       16 /* PIRQA-PIRQH are I/O APIC pins 16-23 */
#define PCI_DEVFN(dev, fn) ((uint8_t)((dev) << 3 | (fn)))
/* Requester ids of what is no PCI function but sends messages (ICH9's defaults). */
#define PCI_RID_HPET   0xf078u
#define PCI_RID_IOAPIC 0xf0f8u
#define PCI_BAR_ROM    6 /* bar[6] is the expansion ROM */

struct pci_func;
struct pci_host;
struct ram;

struct pci_bar {
    uint64_t size; /* power of two, >= 16 (I/O: >= 4); 0: none */
    const struct bus_ops *ops;
    bool io, wide;
    bool mapped; /* on the bus at mapped_at; derived */
    uint64_t mapped_at;
};

struct pci_func {
    struct dev dev;
    /* wiring */
    struct bus *bus;
    struct pci_host *host;
    struct dma dma;
    struct msi_sink msi;
    struct pci_bar bar[7];
    const uint8_t *rom; /* bytes of the expansion ROM */
    size_t rom_len;
    /* called after the guest wrote registers [reg, reg + size); may be NULL */
    void (*cfg_written)(struct pci_func *f, unsigned reg, unsigned size);
    void (*remapped)(struct pci_func *f); /* the BARs may have moved; may be NULL */
    uint8_t devfn;
    uint8_t wmask[256];
    uint8_t cap_next; /* where the next capability goes */
    uint8_t msix_cap; /* offset in cfg, 0: none */
    uint8_t msi_cap;  /* offset in cfg, 0: none */
    uint16_t msix_count;
    /* state */
    uint8_t cfg[256];
    uint32_t msix_table[PCI_MSIX_VECTORS * 4];
    uint64_t msix_pending;
    uint8_t intx;           /* the function asks for its pin */
    uint8_t intx_driven;    /* and the pin is driven */
    uint8_t cfg_reset[256]; /* configuration */
};

#define PCI_FUNC_FIELDS                                                \
    FIELD_ARRAY(struct pci_func, cfg, 0, "configuration space"),       \
        FIELD_ARRAY(struct pci_func, msix_table, 0, "MSI-X table"),    \
        FIELD(struct pci_func, msix_pending, 0, "MSI-X pending bits"), \
        FIELD(struct pci_func, intx, 0, "interrupt pin wanted"),       \
        FIELD(struct pci_func, intx_driven, 0, "interrupt pin driven low")

/* Identity and write masks of a type 0 header; BARs and capabilities are added before reset.
 * class_rev: class << 24 | subclass << 16 | interface << 8 | revision. */
void pci_func_init(struct pci_func *f, uint16_t vendor, uint16_t device, uint32_t class_rev,
                   uint16_t subsys_vendor, uint16_t subsys);
/* Memory BAR n, not prefetchable; bar64 uses n and n + 1. The ops get the struct pci_func. */
void pci_add_bar64(struct pci_func *f, unsigned n, uint64_t size, const struct bus_ops *ops);
void pci_add_bar32(struct pci_func *f, unsigned n, uint32_t size, const struct bus_ops *ops);
void pci_add_bar_io(struct pci_func *f, unsigned n, uint32_t size, const struct bus_ops *ops);
/* Expansion ROM; the bytes must outlive the device. */
void pci_add_rom(struct pci_func *f, const void *bytes, size_t len);
/* Returns the capability's offset; body is what follows the two header bytes. */
uint8_t pci_add_cap(struct pci_func *f, uint8_t id, const void *body, uint8_t body_len);

/* Interrupt pin: 1 INTA .. 4 INTD. The level is a wish: the pin is not driven while MSI or MSI-X
 * is enabled or COMMAND has INTx disabled. */
void pci_add_intx(struct pci_func *f, unsigned pin);
void pci_intx_set(struct pci_func *f, int level);

/* MSI with 1, 2, 4 .. 32 vectors, 64-bit address, per-vector masks. */
void pci_add_msi(struct pci_func *f, unsigned vectors);
bool pci_msi_enabled(const struct pci_func *f);
void pci_msi_send(struct pci_func *f, unsigned vector); /* folded into what the guest allowed */

/* MSI-X with its table in a 4 KiB BAR n of its own. */
void pci_add_msix(struct pci_func *f, unsigned bar, uint16_t vectors);
bool pci_msix_enabled(const struct pci_func *f);
void pci_msix_send(struct pci_func *f, uint16_t vector);

void pci_func_reset(struct pci_func *f); /* after the fields are reset: unmaps, default header */

/* Claims CF8-CFF with the reset control register CF9, and ECAM; freed with the machine. */
struct pci_host *pci_host_new(struct bus *bus, const struct board_port *board);
struct dev *pci_host_dev(struct pci_host *h);
/* Gives the PAM registers their memory; with firmware they start with everything off. */
int pci_host_memory(struct pci_host *h, struct ram *ram, bool firmware);
/* Where the interrupt pins go: PIRQA-PIRQH. */
void pci_host_route(struct pci_host *h, const struct irq_line pirq[PCI_PIRQS]);
int pci_host_plug(struct pci_host *h, struct pci_func *f, uint8_t devfn); /* -EBUSY */
int pci_host_plug_any(struct pci_host *h, struct pci_func *f); /* lowest free device; -ENOSPC */
/* Which PIRQ (0-7) a device's pin (1-4) is wired to. */
unsigned pci_pirq_of(unsigned dev, unsigned pin);
/* What firmware does: gives every BAR an address, turns decoding on, fills INT_LINE from irq[]
 * (ISA interrupt of each PIRQ). */
void pci_host_assign(struct pci_host *h, const uint8_t irq[PCI_PIRQS]);

/* LPC bridge at 00:1f.0: wired-OR of ISA interrupts and routed PIRQs. pic: 16 pins; ioapic: 24. */
struct lpc;
struct lpc *lpc_new(const struct irq_line pic[16], const struct irq_line ioapic[24],
                    const struct board_port *board);
struct pci_func *lpc_func(struct lpc *l);
struct irq_line lpc_isa(struct lpc *l, unsigned irq); /* ISA interrupt 0-15 */
struct irq_line lpc_pirq(struct lpc *l, unsigned n);  /* PIRQA + n */
struct irq_line lpc_gsi(struct lpc *l, unsigned gsi); /* as I/O APIC pin 0-23 */
/* Route PIRQA-H to these ISA interrupts, as firmware does. */
void lpc_route(struct lpc *l, const uint8_t irq[PCI_PIRQS]);

#endif
