/*
 * devices/pci/pci.h: PCI functions and the host bridge of bus 0.
 *
 * PCI Local Bus 3.0 chapter 6, PCI Express Base 7.2.2 (ECAM). A function is a configuration
 * space with write masks, up to six memory BARs that the host bridge maps on the bus as COMMAND and
 * the BARs say, and an MSI-X table.
 * Not modelled: bridges, other buses, INTx of these functions, I/O BARs, power management.
 */
#ifndef DEVICES_PCI_PCI_H
#define DEVICES_PCI_PCI_H

#include <stdbool.h>
#include <stdint.h>

#include "core/bus.h"
#include "core/dev.h"
#include "core/dma.h"
#include "core/irq.h"
#include "devices/chipset/chipset.h"

#define PCI_ECAM_BASE    0xb0000000ull
#define PCI_ECAM_SIZE    0x10000000ull
#define PCI_MMIO_BASE    0xc0000000ull /* window for BARs below 4 GiB, to the I/O APIC */
#define PCI_MMIO_END     0xfec00000ull
#define PCI_MSIX_VECTORS 64

struct pci_func;

struct pci_bar {
    uint64_t size; /* power of two, >= 4096; 0: none */
    const struct bus_ops *ops;
    uint64_t mapped_at; /* 0: not on the bus; derived */
};

struct pci_func {
    struct dev dev;
    /* wiring */
    struct bus *bus;
    struct dma dma;
    struct msi_sink msi;
    struct pci_bar bar[6];
    uint8_t devfn;
    uint8_t wmask[256];
    uint8_t cap_next; /* where the next capability goes */
    uint8_t msix_cap; /* offset in cfg, 0: none */
    uint16_t msix_count;
    /* state */
    uint8_t cfg[256];
    uint32_t msix_table[PCI_MSIX_VECTORS * 4];
    uint64_t msix_pending;
    uint8_t cfg_reset[256]; /* configuration */
};

#define PCI_FUNC_FIELDS                                             \
    FIELD_ARRAY(struct pci_func, cfg, 0, "configuration space"),    \
        FIELD_ARRAY(struct pci_func, msix_table, 0, "MSI-X table"), \
        FIELD(struct pci_func, msix_pending, 0, "MSI-X pending bits")

/* Identity and write masks of a type 0 header; BARs and capabilities are added before reset. */
void pci_func_init(struct pci_func *f, uint16_t vendor, uint16_t device, uint32_t class_rev,
                   uint16_t subsys_vendor, uint16_t subsys);
/* 64-bit prefetchable-free memory BAR n (uses n and n + 1). */
void pci_add_bar64(struct pci_func *f, unsigned n, uint64_t size, const struct bus_ops *ops);
/* Returns the capability's offset; body is what follows the two header bytes. */
uint8_t pci_add_cap(struct pci_func *f, uint8_t id, const void *body, uint8_t body_len);
/* MSI-X with its table in a 4 KiB BAR n of its own. */
void pci_add_msix(struct pci_func *f, unsigned bar, uint16_t vectors);
bool pci_msix_enabled(const struct pci_func *f);
void pci_msix_send(struct pci_func *f, uint16_t vector);
void pci_func_reset(struct pci_func *f); /* after the fields are reset: unmaps, default header */

struct pci_host;
/* Claims CF8-CFF with the reset control register CF9, and ECAM; freed with the machine. */
struct pci_host *pci_host_new(struct bus *bus, const struct board_port *board);
struct dev *pci_host_dev(struct pci_host *h);
int pci_host_plug(struct pci_host *h, struct pci_func *f, uint8_t devfn); /* -EBUSY */

#endif
