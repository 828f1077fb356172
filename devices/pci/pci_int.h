/* devices/pci/pci_int.h: between the host bridge and the functions. */
#ifndef DEVICES_PCI_PCI_INT_H
#define DEVICES_PCI_PCI_INT_H

#include "devices/pci/pci.h"

#define PCI_MSIX_PBA_OFFSET 0x800u

uint32_t pci_func_read(const struct pci_func *f, unsigned reg, unsigned size);
void pci_func_write(struct pci_func *f, unsigned reg, unsigned size, uint32_t value);

#endif
