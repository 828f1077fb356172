/*
 * devices/pci/msi.c: message-signalled interrupts of a function: MSI (PCI 3.0 6.8.1) and MSI-X
 * (6.8.2). What is masked stays pending and is sent when the mask goes. A function whose bus
 * mastering is off sends nothing.
 */
#include "devices/pci/pci_int.h"

static bool is_master(const struct pci_func *f)
{
    return get_le16(f->cfg + PCI_COMMAND) & PCI_CMD_MASTER;
}

/* ---- MSI ---- */

void pci_add_msi(struct pci_func *f, unsigned vectors)
{
    uint8_t body[PCI_MSI_LEN - 2] = {0};
    unsigned log = 0;
    while (log < 5 && 1u << log < vectors)
        log++;
    put_le16(body, (uint16_t)(log << PCI_MSI_CTRL_MMC | PCI_MSI_CTRL_64 | PCI_MSI_CTRL_MASKS));
    f->msi_cap = pci_add_cap(f, PCI_CAP_MSI, body, sizeof body);
    uint8_t *const w = f->wmask + f->msi_cap;
    put_le16(w + PCI_MSI_CTRL, PCI_MSI_CTRL_ENABLE | 7u << PCI_MSI_CTRL_MME);
    put_le32(w + PCI_MSI_ADDR, 0xfffffffc);
    put_le32(w + PCI_MSI_ADDR_HI, 0xffffffff);
    put_le16(w + PCI_MSI_DATA, 0xffff);
    put_le32(w + PCI_MSI_MASK, (uint32_t)((1ull << (1u << log)) - 1));
}

bool pci_msi_enabled(const struct pci_func *f)
{
    return f->msi_cap && get_le16(f->cfg + f->msi_cap + PCI_MSI_CTRL) & PCI_MSI_CTRL_ENABLE;
}

/* Vectors that the function may use now. */
static unsigned msi_vectors(const struct pci_func *f)
{
    const uint16_t ctrl = get_le16(f->cfg + f->msi_cap + PCI_MSI_CTRL);
    const unsigned could = ctrl >> PCI_MSI_CTRL_MMC & 7, may = ctrl >> PCI_MSI_CTRL_MME & 7;
    return 1u << (may < could ? may : could);
}

void pci_msi_send(struct pci_func *f, unsigned vector)
{
    if (!pci_msi_enabled(f))
        return;
    uint8_t *const c = f->cfg + f->msi_cap;
    const unsigned count = msi_vectors(f), n = vector % count;
    if (get_le32(c + PCI_MSI_MASK) >> n & 1) {
        put_le32(c + PCI_MSI_PENDING, get_le32(c + PCI_MSI_PENDING) | 1u << n);
        return;
    }
    const uint16_t data = get_le16(c + PCI_MSI_DATA);
    if (is_master(f))
        msi_send(&f->msi,
                 (uint64_t)get_le32(c + PCI_MSI_ADDR_HI) << 32 | get_le32(c + PCI_MSI_ADDR),
                 (uint32_t)((data & ~(count - 1)) | n));
}

static void msi_flush(struct pci_func *f)
{
    uint8_t *const c = f->cfg + f->msi_cap;
    const uint32_t due = get_le32(c + PCI_MSI_PENDING) & ~get_le32(c + PCI_MSI_MASK);
    if (!due || !pci_msi_enabled(f))
        return;
    put_le32(c + PCI_MSI_PENDING, get_le32(c + PCI_MSI_PENDING) & ~due);
    for (unsigned n = 0; n < 32; n++) {
        if (due >> n & 1)
            pci_msi_send(f, n);
    }
}

/* ---- MSI-X ---- */

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
    put_le16(body, (uint16_t)(vectors - 1));
    put_le32(body + 2, bar);
    put_le32(body + 6, PCI_MSIX_PBA_OFFSET | bar);
    f->msix_count = vectors;
    f->msix_cap = pci_add_cap(f, PCI_CAP_MSIX, body, sizeof body);
    put_le16(f->wmask + f->msix_cap + PCI_MSIX_CTRL, PCI_MSIX_CTRL_MASK | PCI_MSIX_CTRL_ENABLE);
    if (bar < 5)
        pci_add_bar64(f, bar, 4096, &msix_ops);
    else
        pci_add_bar32(f, bar, 4096, &msix_ops);
}

bool pci_msix_enabled(const struct pci_func *f)
{
    return f->msix_cap && get_le16(f->cfg + f->msix_cap + PCI_MSIX_CTRL) & PCI_MSIX_CTRL_ENABLE;
}

void pci_msix_send(struct pci_func *f, uint16_t vector)
{
    if (vector >= f->msix_count || !pci_msix_enabled(f))
        return;
    const uint32_t *const e = &f->msix_table[vector * 4];
    const uint16_t ctrl = get_le16(f->cfg + f->msix_cap + PCI_MSIX_CTRL);
    if ((ctrl & PCI_MSIX_CTRL_MASK) || (e[3] & PCI_MSIX_ENTRY_MASKED)) {
        f->msix_pending |= 1ull << vector;
        return;
    }
    if (is_master(f))
        msi_send(&f->msi, (uint64_t)e[1] << 32 | e[0], e[2]);
}

void pci_msi_written(struct pci_func *f, unsigned reg, unsigned size)
{
    if (f->msix_cap && reg < f->msix_cap + 4u && reg + size > f->msix_cap)
        msix_flush(f);
    if (f->msi_cap && reg < f->msi_cap + (unsigned)PCI_MSI_LEN && reg + size > f->msi_cap)
        msi_flush(f);
}
