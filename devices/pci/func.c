/*
 * devices/pci/func.c: one PCI function: header, capabilities, BAR mapping, MSI-X (pci.h).
 */
#include <string.h>

#include "abi/pci.h"
#include "devices/pci/pci.h"
#include "devices/pci/pci_int.h"
#include "lib/log.h"

static void put16(uint8_t *p, uint16_t v)
{
    memcpy(p, &v, 2);
}
static void put32(uint8_t *p, uint32_t v)
{
    memcpy(p, &v, 4);
}
static uint16_t get16(const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, 2);
    return v;
}
static uint32_t get32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}

void pci_func_init(struct pci_func *f, uint16_t vendor, uint16_t device, uint32_t class_rev,
                   uint16_t subsys_vendor, uint16_t subsys)
{
    uint8_t *const c = f->cfg_reset;
    put16(c + PCI_VENDOR_ID, vendor);
    put16(c + PCI_DEVICE_ID, device);
    put32(c + PCI_REVISION, class_rev);
    put16(c + PCI_SUBSYS_VENDOR, subsys_vendor);
    put16(c + PCI_SUBSYS_ID, subsys);
    put16(f->wmask + PCI_COMMAND,
          PCI_CMD_IO | PCI_CMD_MEMORY | PCI_CMD_MASTER | PCI_CMD_INTX_DISABLE);
    f->wmask[PCI_CACHE_LINE] = 0xff;
    f->wmask[PCI_LATENCY] = 0xff;
    f->wmask[PCI_INT_LINE] = 0xff;
}

void pci_add_bar64(struct pci_func *f, unsigned n, uint64_t size, const struct bus_ops *ops)
{
    const uint64_t mask = ~(size - 1);
    f->bar[n] = (struct pci_bar){.size = size, .ops = ops};
    put32(f->cfg_reset + PCI_BAR0 + 4 * n, PCI_BAR_TYPE_64);
    put32(f->wmask + PCI_BAR0 + 4 * n, (uint32_t)mask);
    put32(f->wmask + PCI_BAR0 + 4 * n + 4, (uint32_t)(mask >> 32));
}

uint8_t pci_add_cap(struct pci_func *f, uint8_t id, const void *body, uint8_t body_len)
{
    const uint8_t at = f->cap_next ? f->cap_next : 0x40;
    f->cfg_reset[at] = id;
    f->cfg_reset[at + 1] = f->cfg_reset[PCI_CAP_PTR]; /* newest first */
    memcpy(f->cfg_reset + at + 2, body, body_len);
    f->cfg_reset[PCI_CAP_PTR] = at;
    f->cfg_reset[PCI_STATUS] |= PCI_STS_CAP_LIST;
    f->cap_next = (uint8_t)((at + 2 + body_len + 3) & ~3u);
    return at;
}

static uint64_t msix_read(void *dev, uint64_t offset, unsigned size)
{
    const struct pci_func *f = dev;
    const uint64_t bytes = (uint64_t)f->msix_count * PCI_MSIX_ENTRY_SIZE;
    uint64_t v = 0;
    if (offset + size <= bytes)
        memcpy(&v, (const uint8_t *)f->msix_table + offset, size);
    else if (offset >= PCI_MSIX_PBA_OFFSET && offset + size <= PCI_MSIX_PBA_OFFSET + 8)
        memcpy(&v, (const uint8_t *)&f->msix_pending + (offset - PCI_MSIX_PBA_OFFSET), size);
    return v;
}

/* Send what became deliverable. */
static void msix_flush(struct pci_func *f)
{
    for (uint16_t v = 0; v < f->msix_count && f->msix_pending; v++) {
        if (f->msix_pending >> v & 1) {
            f->msix_pending &= ~(1ull << v);
            pci_msix_send(f, v); /* sets it again when still masked */
        }
    }
}

static void msix_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    struct pci_func *f = dev;
    if (offset + size > (uint64_t)f->msix_count * PCI_MSIX_ENTRY_SIZE)
        return;
    memcpy((uint8_t *)f->msix_table + offset, &value, size);
    msix_flush(f);
}

static const struct bus_ops msix_ops = {msix_read, msix_write, 8};

void pci_add_msix(struct pci_func *f, unsigned bar, uint16_t vectors)
{
    uint8_t body[10];
    put16(body, (uint16_t)(vectors - 1));
    put32(body + 2, bar);
    put32(body + 6, PCI_MSIX_PBA_OFFSET | bar);
    f->msix_count = vectors;
    f->msix_cap = pci_add_cap(f, PCI_CAP_MSIX, body, sizeof body);
    put16(f->wmask + f->msix_cap + PCI_MSIX_CTRL, PCI_MSIX_CTRL_MASK | PCI_MSIX_CTRL_ENABLE);
    pci_add_bar64(f, bar, 4096, &msix_ops);
}

bool pci_msix_enabled(const struct pci_func *f)
{
    return f->msix_cap && get16(f->cfg + f->msix_cap + PCI_MSIX_CTRL) & PCI_MSIX_CTRL_ENABLE;
}

void pci_msix_send(struct pci_func *f, uint16_t vector)
{
    if (vector >= f->msix_count || !pci_msix_enabled(f))
        return;
    const uint32_t *const e = &f->msix_table[vector * 4];
    const uint16_t ctrl = get16(f->cfg + f->msix_cap + PCI_MSIX_CTRL);
    if ((ctrl & PCI_MSIX_CTRL_MASK) || (e[3] & PCI_MSIX_ENTRY_MASKED)) {
        f->msix_pending |= 1ull << vector;
        return;
    }
    if (get16(f->cfg + PCI_COMMAND) & PCI_CMD_MASTER)
        msi_send(&f->msi, (uint64_t)e[1] << 32 | e[0], e[2]);
}

/* Put the BARs on the bus where the header says. */
static void remap(struct pci_func *f)
{
    const bool on = get16(f->cfg + PCI_COMMAND) & PCI_CMD_MEMORY;
    for (unsigned n = 0; n < 6; n++) {
        struct pci_bar *const b = &f->bar[n];
        if (!b->size)
            continue;
        const uint8_t *const reg = f->cfg + PCI_BAR0 + 4 * n;
        const uint64_t at = ((uint64_t)get32(reg + 4) << 32 | get32(reg)) & ~(uint64_t)15 &
                            ~(b->size - 1);
        const uint64_t want = on && at >= 0x80000000ull && at < 1ull << 40 ? at : 0;
        if (want == b->mapped_at)
            continue;
        if (b->mapped_at)
            bus_unmap_mmio(f->bus, hpa(b->mapped_at), b->size);
        b->mapped_at = 0;
        if (want && bus_map_mmio(f->bus, hpa(want), b->size, b->ops, f, f->dev.id) == 0)
            b->mapped_at = want;
        else if (want)
            LOG_GUEST("pci", "%s: BAR %u at 0x%llx overlaps another range", f->dev.id, n,
                      (unsigned long long)want);
    }
}

void pci_func_reset(struct pci_func *f)
{
    memcpy(f->cfg, f->cfg_reset, sizeof f->cfg);
    for (unsigned v = 0; v < f->msix_count; v++)
        f->msix_table[v * 4 + 3] = PCI_MSIX_ENTRY_MASKED;
    remap(f);
}

uint32_t pci_func_read(const struct pci_func *f, unsigned reg, unsigned size)
{
    uint32_t v = ~0u;
    if (reg + size <= sizeof f->cfg) {
        v = 0;
        memcpy(&v, f->cfg + reg, size);
    } else {
        v = 0; /* no extended capabilities */
    }
    return v;
}

void pci_func_write(struct pci_func *f, unsigned reg, unsigned size, uint32_t value)
{
    if (reg + size > sizeof f->cfg)
        return;
    for (unsigned i = 0; i < size; i++) {
        const uint8_t m = f->wmask[reg + i], v = (uint8_t)(value >> 8 * i);
        f->cfg[reg + i] = (uint8_t)((f->cfg[reg + i] & ~m) | (v & m));
    }
    if (reg <= PCI_COMMAND + 1 || (reg >= PCI_BAR0 && reg < PCI_BAR0 + 24))
        remap(f);
    if (f->msix_cap && reg >= f->msix_cap && reg < f->msix_cap + 4u)
        msix_flush(f);
}
