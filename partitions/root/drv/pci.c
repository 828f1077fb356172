/*
 * drv/pci.c: configuration space by ECAM when there is an MCFG table, else by ports CF8/CFC; a
 * flat search over all buses; BARs; MSI-X. BARs the firmware left empty get an address from a
 * window at the end of the 32-bit space.
 */
#include "partitions/root/drv/drv.h"
#include "partitions/root/kern/kern.h"
#include "abi/pci.h"

static volatile uint8_t *pci_ecam_bus[256]; /* mapped on first use, 1 MiB each */

static volatile uint8_t *pci_ecam(const struct pci_device *d, unsigned reg)
{
    if (!rt_acpi.ecam_base || d->bus > rt_acpi.ecam_bus_end)
        return 0;
    if (!pci_ecam_bus[d->bus])
        pci_ecam_bus[d->bus] = vm_map_mmio(rt_acpi.ecam_base + PCI_ECAM(d->bus, 0, 0, 0), 1u << 20);
    return pci_ecam_bus[d->bus] + PCI_ECAM(0, d->dev, d->fn, reg);
}

static void pci_select(const struct pci_device *d, unsigned reg)
{
    outl(PCI_CONFIG_ADDRESS, PCI_CF8(d->bus, d->dev, d->fn, reg));
}

uint32_t pci_read32(const struct pci_device *d, unsigned reg)
{
    volatile uint8_t *p = pci_ecam(d, reg);
    if (p)
        return *(volatile uint32_t *)p;
    pci_select(d, reg);
    return inl(PCI_CONFIG_DATA);
}

uint16_t pci_read16(const struct pci_device *d, unsigned reg)
{
    return (uint16_t)(pci_read32(d, reg & ~3u) >> (reg & 2) * 8);
}

uint8_t pci_read8(const struct pci_device *d, unsigned reg)
{
    return (uint8_t)(pci_read32(d, reg & ~3u) >> (reg & 3) * 8);
}

void pci_write32(const struct pci_device *d, unsigned reg, uint32_t v)
{
    volatile uint8_t *p = pci_ecam(d, reg);
    if (p) {
        *(volatile uint32_t *)p = v;
        return;
    }
    pci_select(d, reg);
    outl(PCI_CONFIG_DATA, v);
}

void pci_write16(const struct pci_device *d, unsigned reg, uint16_t v)
{
    volatile uint8_t *p = pci_ecam(d, reg);
    if (p) {
        *(volatile uint16_t *)p = v;
        return;
    }
    pci_select(d, reg);
    outw((uint16_t)(PCI_CONFIG_DATA + (reg & 2)), v);
}

/* The first function whose register `reg`, shifted right, is `want`. */
static bool pci_search(unsigned reg, unsigned shift, uint32_t want, struct pci_device *out)
{
    unsigned buses = 1;
    for (unsigned bus = 0; bus < buses; bus++) {
        for (unsigned dev = 0; dev < 32; dev++) {
            for (unsigned fn = 0; fn < 8; fn++) {
                struct pci_device d = {(uint8_t)bus, (uint8_t)dev, (uint8_t)fn};
                uint32_t id = pci_read32(&d, PCI_VENDOR_ID);
                if ((uint16_t)id == 0xffff && fn == 0)
                    break;
                if ((uint16_t)id != 0xffff && pci_read32(&d, reg) >> shift == want) {
                    *out = d;
                    return true;
                }
                uint8_t type = pci_read8(&d, PCI_HEADER_TYPE);
                if ((type & 0x7f) == 1 && (uint16_t)id != 0xffff) {
                    unsigned below = pci_read8(&d, 0x1a); /* subordinate bus */
                    if (below >= buses)
                        buses = below + 1;
                }
                if (fn == 0 && !(type & PCI_HEADER_MULTI))
                    break;
            }
        }
    }
    return false;
}

bool pci_find(uint16_t vendor, uint16_t device, struct pci_device *out)
{
    return pci_search(PCI_VENDOR_ID, 0, (uint32_t)device << 16 | vendor, out);
}

bool pci_find_class(uint32_t class, struct pci_device *out)
{
    return pci_search(PCI_REVISION, 8, class, out);
}

unsigned pci_next_cap(const struct pci_device *d, unsigned id, unsigned after)
{
    if (!(pci_read16(d, PCI_STATUS) & PCI_STS_CAP_LIST))
        return 0;
    unsigned at = pci_read8(d, after ? after + 1 : PCI_CAP_PTR) & 0xfc;
    for (unsigned i = 0; at && i < 48; i++) {
        if (pci_read8(d, at) == id)
            return at;
        at = pci_read8(d, at + 1) & 0xfc;
    }
    return 0;
}

uint64_t pci_bar(const struct pci_device *d, unsigned bar)
{
    static uint32_t window = 0xf0000000u;
    unsigned reg = PCI_BAR0 + 4 * bar;
    uint32_t low = pci_read32(d, reg);
    if (low & PCI_BAR_IO)
        return 0;
    bool wide = (low & PCI_BAR_TYPE) == PCI_BAR_TYPE_64;
    uint64_t base = low & PCI_BAR_MEM_MASK;
    if (wide)
        base |= (uint64_t)pci_read32(d, reg + 4) << 32;
    if (!base) {
        pci_write32(d, reg, 0xffffffff);
        uint32_t size = ~(pci_read32(d, reg) & PCI_BAR_MEM_MASK) + 1;
        window = (window + size - 1) & ~(size - 1);
        base = window;
        window += size;
        pci_write32(d, reg, (uint32_t)base);
        if (wide)
            pci_write32(d, reg + 4, 0);
    }
    return base;
}

bool pci_msix(const struct pci_device *d, unsigned vector)
{
    unsigned cap = pci_next_cap(d, PCI_CAP_MSIX, 0);
    if (!cap)
        return false;
    uint32_t table = pci_read32(d, cap + PCI_MSIX_TABLE);
    volatile uint32_t *entry = vm_map_mmio(
        pci_bar(d, table & PCI_MSIX_BIR) + (table & ~PCI_MSIX_BIR), 16);
    uint16_t control = pci_read16(d, cap + PCI_MSIX_CTRL);
    pci_write16(d, cap + PCI_MSIX_CTRL, control | PCI_MSIX_CTRL_ENABLE | PCI_MSIX_CTRL_MASK);
    entry[0] = MSI_ADDR_BASE | apic_id << MSI_ADDR_DEST_SHIFT;
    entry[1] = 0;
    entry[2] = vector;
    entry[3] = 0;
    pci_write16(d, cap + PCI_MSIX_CTRL,
                (uint16_t)((control | PCI_MSIX_CTRL_ENABLE) & ~PCI_MSIX_CTRL_MASK));
    return true;
}
