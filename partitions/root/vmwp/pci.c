/*
 * vmwp/pci.c: configuration mechanism 1 (PCI 3.0 3.2.2.3.2) with no device behind it: the address
 * register keeps what is written, every function reads all ones.
 *
 * Not modelled: devices. They come over VMBus.
 */
#include "partitions/root/vmwp/models.h"

#define CONFIG_ADDRESS 0xcf8
#define ADDRESS_MASK   0x80fffffcu

uint32_t pci_in(const struct pci *p, uint16_t port, unsigned size)
{
    if (port == CONFIG_ADDRESS && size == 4)
        return p->address;
    return size == 4 ? 0xffffffffu : (1u << 8 * size) - 1;
}

void pci_out(struct pci *p, uint16_t port, unsigned size, uint32_t v)
{
    if (port == CONFIG_ADDRESS && size == 4)
        p->address = v & ADDRESS_MASK;
}
