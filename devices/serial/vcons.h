/*
 * devices/serial/vcons.h: virtio-console, a modern virtio PCI function with named ports
 * (multiport). What the guest writes to port NAME leaves as source "console/NAME"; the input sink
 * of the same name feeds its receive queue.
 */
#ifndef DEVICES_SERIAL_VCONS_H
#define DEVICES_SERIAL_VCONS_H

#include "core/dma.h"
#include "core/input.h"
#include "core/irq.h"
#include "devices/chipset/chipset.h"
#include "devices/pci/pci.h"

#define VCONS_PORTS_MAX 30 /* two queues each, plus the control pair, within PCI_MSIX_VECTORS */

/* NULL: no memory, no or too many ports, or an input sink of that name cannot be added. The names
 * must outlive the device. */
struct pci_func *vcons_new(struct input *input, const struct dma *dma, const struct msi_sink *msi,
                           const struct board_port *board, const char *const *ports,
                           unsigned port_count);

#endif
