/*
 * devices/pci/func.c: one PCI function: header, capabilities, BAR mapping, interrupt pin (pci.h).
 *
 * A BAR that all ones were written to is being sized and decodes nothing. A memory BAR decodes
 * from 2 GiB up (below is RAM) and below 1 TiB.
 */
#include "devices/pci/pci_int.h"
#include "lib/log.h"

#define DECODE_MIN 0x80000000ull
#define DECODE_END (1ull << 40)

void pci_func_init(struct pci_func *f, uint16_t vendor, uint16_t device, uint32_t class_rev,
                   uint16_t subsys_vendor, uint16_t subsys)
{
    uint8_t *const c = f->cfg_reset;
    put_le16(c + PCI_VENDOR_ID, vendor);
    put_le16(c + PCI_DEVICE_ID, device);
    put_le32(c + PCI_REVISION, class_rev);
    put_le16(c + PCI_SUBSYS_VENDOR, subsys_vendor);
    put_le16(c + PCI_SUBSYS_ID, subsys);
    put_le16(f->wmask + PCI_COMMAND,
             PCI_CMD_IO | PCI_CMD_MEMORY | PCI_CMD_MASTER | PCI_CMD_INTX_DISABLE);
    f->wmask[PCI_CACHE_LINE] = 0xff;
    f->wmask[PCI_LATENCY] = 0xff;
    f->wmask[PCI_INT_LINE] = 0xff;
}

static void add_bar(struct pci_func *f, unsigned n, uint64_t size, const struct bus_ops *ops,
                    uint32_t flags)
{
    const uint64_t mask = ~(size - 1);
    f->bar[n] = (struct pci_bar){
        .size = size, .ops = ops, .io = flags == PCI_BAR_IO, .wide = flags == PCI_BAR_TYPE_64};
    put_le32(f->cfg_reset + PCI_BAR0 + 4 * n, flags);
    put_le32(f->wmask + PCI_BAR0 + 4 * n, (uint32_t)mask & ~(flags == PCI_BAR_IO ? 3u : 15u));
    if (f->bar[n].wide)
        put_le32(f->wmask + PCI_BAR0 + 4 * n + 4, (uint32_t)(mask >> 32));
}

void pci_add_bar64(struct pci_func *f, unsigned n, uint64_t size, const struct bus_ops *ops)
{
    add_bar(f, n, size, ops, PCI_BAR_TYPE_64);
}
void pci_add_bar32(struct pci_func *f, unsigned n, uint32_t size, const struct bus_ops *ops)
{
    add_bar(f, n, size, ops, 0);
}
void pci_add_bar_io(struct pci_func *f, unsigned n, uint32_t size, const struct bus_ops *ops)
{
    add_bar(f, n, size, ops, PCI_BAR_IO);
}

static uint64_t rom_read(void *dev, uint64_t offset, unsigned size)
{
    const struct pci_func *const f = dev;
    uint64_t v = 0;
    if (offset + size <= f->rom_len)
        memcpy(&v, f->rom + offset, size);
    return v;
}
static void rom_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    (void)dev;
    (void)offset;
    (void)size;
    (void)value;
}
static const struct bus_ops rom_ops = {rom_read, rom_write, 8};

void pci_add_rom(struct pci_func *f, const void *bytes, size_t len)
{
    uint64_t size = 2048;
    while (size < len)
        size <<= 1;
    f->rom = bytes;
    f->rom_len = len;
    f->bar[PCI_BAR_ROM] = (struct pci_bar){.size = size, .ops = &rom_ops};
    put_le32(f->wmask + PCI_ROM, ((uint32_t) ~(size - 1) & PCI_ROM_MASK) | PCI_ROM_ENABLE);
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

/* ---- BARs ---- */

/* Where BAR n wants to be; false: nowhere. */
static bool bar_wants(const struct pci_func *f, unsigned n, uint64_t *at)
{
    const struct pci_bar *const b = &f->bar[n];
    const uint16_t command = get_le16(f->cfg + PCI_COMMAND);
    const unsigned reg = n == PCI_BAR_ROM ? PCI_ROM : PCI_BAR0 + 4 * n;
    const uint32_t low = get_le32(f->cfg + reg);
    if (!b->size || !(command & (b->io ? PCI_CMD_IO : PCI_CMD_MEMORY)))
        return false;
    if (n == PCI_BAR_ROM && !(low & PCI_ROM_ENABLE))
        return false;
    if (b->io) {
        *at = low & PCI_BAR_IO_MASK;
        return *at != 0 && *at + b->size <= 65536;
    }
    *at = low & ~(b->size - 1) & (n == PCI_BAR_ROM ? PCI_ROM_MASK : PCI_BAR_MEM_MASK);
    if (b->wide)
        *at |= (uint64_t)get_le32(f->cfg + reg + 4) << 32;
    else if (*at == (uint32_t) ~(b->size - 1))
        return false;
    return *at >= DECODE_MIN && *at + b->size <= DECODE_END;
}

static void bar_unmap(struct pci_func *f, struct pci_bar *b)
{
    if (b->io)
        bus_unmap_port(f->bus, (uint16_t)b->mapped_at, (unsigned)b->size);
    else
        bus_unmap_mmio(f->bus, hpa(b->mapped_at), b->size);
    b->mapped = false;
}

static int bar_map(struct pci_func *f, struct pci_bar *b, uint64_t at)
{
    const int rc = b->io
                       ? bus_map_port(f->bus, (uint16_t)at, (unsigned)b->size, b->ops, f, f->dev.id)
                       : bus_map_mmio(f->bus, hpa(at), b->size, b->ops, f, f->dev.id);
    b->mapped = rc == 0;
    b->mapped_at = at;
    return rc;
}

bool pci_remap(struct pci_func *f)
{
    bool left = false;
    for (unsigned n = 0; f->bus && n < 7; n++) {
        struct pci_bar *const b = &f->bar[n];
        uint64_t at = 0;
        const bool want = bar_wants(f, n, &at);
        if (b->mapped && (!want || at != b->mapped_at)) {
            bar_unmap(f, b);
            left = true;
        }
        if (want && !b->mapped && bar_map(f, b, at))
            LOG_GUEST("pci", "%s: BAR %u at 0x%llx overlaps another range", f->dev.id, n,
                      (unsigned long long)at);
    }
    if (f->remapped)
        f->remapped(f);
    return left;
}

/* ---- interrupt pin ---- */

void pci_add_intx(struct pci_func *f, unsigned pin)
{
    f->cfg_reset[PCI_INT_PIN] = (uint8_t)pin;
}

void pci_intx_update(struct pci_func *f)
{
    const bool drive = f->intx && f->cfg[PCI_INT_PIN] && !pci_msi_enabled(f) &&
                       !pci_msix_enabled(f) &&
                       !(get_le16(f->cfg + PCI_COMMAND) & PCI_CMD_INTX_DISABLE);
    if (drive == f->intx_driven)
        return;
    f->intx_driven = drive;
    if (f->host)
        pci_host_intx(f->host, f, drive);
}

void pci_intx_set(struct pci_func *f, int level)
{
    f->intx = level != 0;
    f->cfg[PCI_STATUS] = (uint8_t)((f->cfg[PCI_STATUS] & ~PCI_STS_INTX) |
                                   (level ? PCI_STS_INTX : 0));
    pci_intx_update(f);
}

/* ---- the header as the guest sees it ---- */

void pci_func_reset(struct pci_func *f)
{
    memcpy(f->cfg, f->cfg_reset, sizeof f->cfg);
    for (unsigned v = 0; v < f->msix_count; v++)
        f->msix_table[v * 4 + 3] = PCI_MSIX_ENTRY_MASKED;
    pci_remap(f);
}

uint32_t pci_func_read(const struct pci_func *f, unsigned reg, unsigned size)
{
    uint32_t v = 0; /* no extended capabilities */
    if (reg + size <= sizeof f->cfg)
        memcpy(&v, f->cfg + reg, size);
    return v;
}

static bool touches(unsigned reg, unsigned size, unsigned first, unsigned len)
{
    return reg < first + len && first < reg + size;
}

void pci_func_write(struct pci_func *f, unsigned reg, unsigned size, uint32_t value)
{
    if (reg + size > sizeof f->cfg)
        return;
    for (unsigned i = 0; i < size; i++) {
        const uint8_t m = f->wmask[reg + i], v = (uint8_t)(value >> 8 * i);
        f->cfg[reg + i] = (uint8_t)((f->cfg[reg + i] & ~m) | (v & m));
    }
    if (touches(reg, size, PCI_COMMAND, 2) || touches(reg, size, PCI_BAR0, 24) ||
        touches(reg, size, PCI_ROM, 4)) {
        if (pci_remap(f) && f->host)
            pci_host_retry(f->host);
    }
    pci_msi_written(f, reg, size);
    pci_intx_update(f);
    if (f->cfg_written)
        f->cfg_written(f, reg, size);
}
