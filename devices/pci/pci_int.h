/* devices/pci/pci_int.h: between the host bridge and the functions. */
#ifndef DEVICES_PCI_PCI_INT_H
#define DEVICES_PCI_PCI_INT_H

#include <string.h>

#include "abi/pci.h"
#include "devices/pci/pci.h"
#include "lib/bytes.h"

#define PCI_MSIX_PBA_OFFSET 0x800u

uint32_t pci_func_read(const struct pci_func *f, unsigned reg, unsigned size);
void pci_func_write(struct pci_func *f, unsigned reg, unsigned size, uint32_t value);
/* Put the BARs on the bus where the header says; true when one left its place. */
bool pci_remap(struct pci_func *f);
void pci_msi_written(struct pci_func *f, unsigned reg, unsigned size); /* msi.c */
void pci_intx_update(struct pci_func *f);

/* Another BAR left its place on the bus: those that found theirs taken may try again. */
void pci_host_retry(struct pci_host *h);
void pci_host_intx(struct pci_host *h, const struct pci_func *f, int level);

#endif
