/* devices/pci/test.h: PCI devices that only test programs use. */
#ifndef DEVICES_PCI_TEST_H
#define DEVICES_PCI_TEST_H

#include "devices/pci/pci.h"

struct clock;

struct pci_func *edu_new(struct clock *clock, const struct dma *dma, const struct msi_sink *msi);
struct pci_func *pci_testdev_new(void);

#endif
