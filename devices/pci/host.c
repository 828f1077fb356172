/*
 * devices/pci/host.c: host bridge: configuration space by ports CF8/CFC and by ECAM, bus 0 only.
 * PCI Local Bus 3.0 3.2.2.3.2, PCI Express Base 7.2.2; identity and registers of Intel's 82Q35 MCH
 * (datasheet 316966, chapter 5), which is function 0:0.0. Interrupt pins are wired to PIRQA-H
 * as the root complex does by default: devices 25-31 INTA-D to A-D, others rotated over E-H.
 * PCIEXBAR starts enabled at 0xb0000000, where firmware puts it. The PAM registers switch each
 * quarter of C0000-FFFFF between RAM and what is behind it: the end of the firmware's ROM for
 * E0000-FFFFF, nothing below.
 * Not modelled: PCIEXBAR sizes but 256 MiB, SMRAM (there is no SMM), TOLUD and the like (RAM is
 * where it is).
 */
#include <errno.h>
#include <stdlib.h>

#include "devices/pci/pci_int.h"
#include "lib/log.h"
#include "mmu/ram.h"

#define MCH_PCIEXBAR    0x60
#define MCH_PAM0        0x90 /* PAM0-PAM6 */
#define MCH_PAM_END     0x97
#define MCH_SMRAM       0x9d
#define SMRAM_OPEN      0x48u
#define PAM_READ        1u
#define PAM_WRITE       2u
#define PAM_BASE        0xc0000u
#define PAM_SIZE        0x40000u
#define PCIEXBAR_ENABLE 1u
#define PCIEXBAR_SIZE   6u

struct pci_host {
    struct pci_func self;
    /* wiring */
    struct pci_func *func[256]; /* by devfn */
    struct board_port board;
    struct irq_line pirq[PCI_PIRQS];
    struct ram *ram; /* NULL: PAM registers do nothing */
    bool retrying;
    uint64_t ecam_at; /* 0: not on the bus; derived */
    /* state */
    uint32_t address; /* CF8 */
    uint8_t reset_control;
    uint8_t asserted[PCI_PIRQS]; /* functions that drive each PIRQ */
};

static const struct field host_fields[] = {
    PCI_FUNC_FIELDS,
    FIELD(struct pci_host, address, 0, "CONFIG_ADDRESS"),
    FIELD(struct pci_host, reset_control, 0, "port CF9"),
    FIELD_ARRAY(struct pci_host, asserted, 0, "functions that drive PIRQA-H"),
    FIELD_END,
};

static struct pci_func *find(const struct pci_host *h, unsigned bus, unsigned devfn)
{
    return bus ? NULL : h->func[devfn];
}

static uint64_t ecam_read(void *dev, uint64_t offset, unsigned size)
{
    const struct pci_func *f = find(dev, (unsigned)(offset >> 20), offset >> 12 & 0xff);
    return f && size <= 4 ? pci_func_read(f, offset & 0xfff, size) : UINT64_MAX;
}

static void ecam_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    struct pci_func *f = find(dev, (unsigned)(offset >> 20), offset >> 12 & 0xff);
    if (f && size <= 4)
        pci_func_write(f, offset & 0xfff, size, (uint32_t)value);
}
static const struct bus_ops ecam_ops = {ecam_read, ecam_write, 4};

/* Put the ECAM window where PCIEXBAR says. */
static void ecam_remap(struct pci_host *h)
{
    const uint8_t *const reg = h->self.cfg + MCH_PCIEXBAR;
    const uint32_t low = get_le32(reg);
    uint64_t at = 0;
    if (low & PCIEXBAR_ENABLE) {
        at = ((uint64_t)get_le32(reg + 4) << 32 | low) & ~(PCI_ECAM_SIZE - 1);
        if (low & PCIEXBAR_SIZE)
            LOG_STUB("pci", "PCIEXBAR 0x%x: only windows of 256 MiB", low);
    }
    if (at == h->ecam_at)
        return;
    if (h->ecam_at)
        bus_unmap_mmio(h->self.bus, hpa(h->ecam_at), PCI_ECAM_SIZE);
    h->ecam_at = 0;
    if (at && bus_map_mmio(h->self.bus, hpa(at), PCI_ECAM_SIZE, &ecam_ops, h, "ecam") == 0)
        h->ecam_at = at;
    else if (at)
        LOG_GUEST("pci", "ECAM window at 0x%llx overlaps another range", (unsigned long long)at);
}

/* ---- PAM ---- */

/* Attribute bits of an address in C0000-FFFFF. */
static unsigned pam_of(const struct pci_host *h, uint64_t at)
{
    const uint8_t *const pam = h->self.cfg + MCH_PAM0;
    if (at >= 0xf0000)
        return pam[0] >> 4 & 3;
    const unsigned segment = (unsigned)(at - PAM_BASE) >> 14;
    return pam[1 + segment / 2] >> (segment & 1 ? 4 : 0) & 3;
}

static void pam_update(struct pci_host *h)
{
    for (uint64_t at = PAM_BASE; h->ram && at < PAM_BASE + PAM_SIZE; at += 4096) {
        const unsigned pam = pam_of(h, at);
        const enum ram_legacy behind = at >= 0xe0000 ? RAM_IS_ROM : RAM_IS_NOTHING;
        ram_legacy_set(h->ram, at, pam & PAM_READ ? RAM_IS_RAM : behind, pam & PAM_WRITE);
    }
}

/* What the RAM layer does not serve itself: reads of nothing, stores that were not taken. */
static uint64_t pam_read(void *dev, uint64_t offset, unsigned size)
{
    (void)dev;
    (void)offset;
    (void)size;
    return UINT64_MAX;
}
static void pam_write(void *dev, uint64_t offset, unsigned size, uint64_t v)
{
    const struct pci_host *const h = dev;
    if (pam_of(h, PAM_BASE + offset) & PAM_WRITE)
        memcpy(h->ram->base + PAM_BASE + offset, &v, size);
}
static const struct bus_ops pam_ops = {pam_read, pam_write, 8};

int pci_host_memory(struct pci_host *h, struct ram *ram, bool firmware)
{
    uint8_t *const pam = h->self.cfg_reset + MCH_PAM0;
    h->ram = ram;
    pam[0] = firmware ? 0 : 0x30; /* without firmware: all RAM, as it leaves it */
    memset(pam + 1, firmware ? 0 : 0x33, 6);
    return bus_map_mmio(h->self.bus, hpa(PAM_BASE), PAM_SIZE, &pam_ops, h, "pam");
}

static void host_written(struct pci_func *f, unsigned reg, unsigned size)
{
    if (reg < MCH_PCIEXBAR + 8 && reg + size > MCH_PCIEXBAR)
        ecam_remap((struct pci_host *)f);
    if (reg < MCH_PAM_END && reg + size > MCH_PAM0)
        pam_update((struct pci_host *)f);
    if (reg <= MCH_SMRAM && reg + size > MCH_SMRAM && (f->cfg[MCH_SMRAM] & SMRAM_OPEN))
        LOG_STUB("pci", "SMRAM register 0x%02x: there is no SMM", f->cfg[MCH_SMRAM]);
}

static void host_reset(struct dev *d)
{
    pci_func_reset((struct pci_func *)d);
    ecam_remap((struct pci_host *)d);
    pam_update((struct pci_host *)d);
}
static void host_free(struct dev *d)
{
    free(d);
}

/* As a reset, but the shadow of the firmware stays mapped: SeaBIOS finds in it that it has run. */
static void host_wake(struct dev *d)
{
    struct pci_host *const h = (struct pci_host *)d;
    uint8_t pam[MCH_PAM_END - MCH_PAM0];
    memcpy(pam, h->self.cfg + MCH_PAM0, sizeof pam);
    dev_reset(d);
    memcpy(h->self.cfg + MCH_PAM0, pam, sizeof pam);
    pam_update(h);
}

static const struct dev_class host_class = {"pci-host", host_fields, host_reset, host_free,
                                            host_wake};

/* Byte accesses to CF9 are the chipset's reset control register, not CONFIG_ADDRESS. */
static void reset_write(struct pci_host *h, uint8_t v)
{
    const uint8_t was = h->reset_control;
    h->reset_control = v & 0x0a;
    if ((v & 4) && !(was & 4))
        h->board.request(h->board.opaque, BOARD_RESET, 0);
}

/* CONFIG_ADDRESS should have zeros in bits 1:0; programs written for emulators name a register of
 * one or two bytes there and read it at CONFIG_DATA itself. */
static unsigned config_register(const struct pci_host *h, uint64_t offset, unsigned size)
{
    const unsigned low = (h->address | (unsigned)offset) & 3;
    return (h->address & 0xfc) + (low + size <= 4 ? low : (unsigned)offset & 3);
}

static uint64_t port_read(void *dev, uint64_t offset, unsigned size)
{
    const struct pci_host *h = dev;
    if (offset == 1 && size == 1)
        return h->reset_control;
    if (offset < 4)
        return offset == 0 && size == 4 ? h->address : UINT32_MAX;
    const struct pci_func *f = find(h, h->address >> 16 & 0xff, h->address >> 8 & 0xff);
    if (!(h->address & PCI_CONFIG_ENABLE) || !f)
        return UINT32_MAX;
    return pci_func_read(f, config_register(h, offset, size), size);
}

static void port_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    struct pci_host *h = dev;
    if (offset < 4) {
        if (offset == 0 && size == 4)
            h->address = (uint32_t)value & 0x80ffffffu;
        else if (offset == 1 && size == 1)
            reset_write(h, (uint8_t)value);
        return;
    }
    struct pci_func *f = find(h, h->address >> 16 & 0xff, h->address >> 8 & 0xff);
    if ((h->address & PCI_CONFIG_ENABLE) && f)
        pci_func_write(f, config_register(h, offset, size), size, (uint32_t)value);
}
static const struct bus_ops port_ops = {port_read, port_write, 4};

/* ---- interrupt pins ---- */

unsigned pci_pirq_of(unsigned dev, unsigned pin)
{
    return dev >= 25 ? (pin - 1) & 3 : 4 + ((dev + pin - 1) & 3);
}

void pci_host_route(struct pci_host *h, const struct irq_line pirq[PCI_PIRQS])
{
    memcpy(h->pirq, pirq, sizeof h->pirq);
}

void pci_host_intx(struct pci_host *h, const struct pci_func *f, int level)
{
    const unsigned n = pci_pirq_of(f->devfn >> 3, f->cfg_reset[PCI_INT_PIN]);
    const bool was = h->asserted[n] != 0;
    if (level)
        h->asserted[n]++;
    else if (h->asserted[n])
        h->asserted[n]--;
    const bool is = h->asserted[n] != 0;
    if (is != was)
        irq_set(&h->pirq[n], is);
}

void pci_host_retry(struct pci_host *h)
{
    if (h->retrying)
        return;
    h->retrying = true;
    for (unsigned i = 0; i < 256; i++) {
        if (h->func[i])
            pci_remap(h->func[i]);
    }
    h->retrying = false;
}

/* ---- what firmware does, for kernels that are started without one ---- */

struct windows {
    uint64_t mem, io;
};

static void assign_bar(struct pci_func *f, unsigned n, struct windows *w)
{
    const struct pci_bar *const b = &f->bar[n];
    uint64_t *const next = b->io ? &w->io : &w->mem;
    const uint64_t align = b->io || b->size > 4096 ? b->size : 4096;
    const uint64_t at = (*next + align - 1) & ~(align - 1);
    if (!b->size || at + b->size > (b->io ? PCI_IO_END : PCI_MMIO_END))
        return;
    *next = at + b->size;
    uint8_t *const reg = f->cfg + (n == PCI_BAR_ROM ? PCI_ROM : PCI_BAR0 + 4 * n);
    put_le32(reg, get_le32(reg) | (uint32_t)at);
    f->cfg[PCI_COMMAND] |= b->io ? PCI_CMD_IO : PCI_CMD_MEMORY;
}

void pci_host_assign(struct pci_host *h, const uint8_t irq[PCI_PIRQS])
{
    struct windows w = {PCI_MMIO_BASE, PCI_IO_BASE};
    for (unsigned i = 0; i < 256; i++) {
        struct pci_func *const f = h->func[i];
        if (!f)
            continue;
        for (unsigned n = 0; n < 7; n++)
            assign_bar(f, n, &w);
        if (f->cfg[PCI_INT_PIN])
            f->cfg[PCI_INT_LINE] = irq[pci_pirq_of(i >> 3, f->cfg[PCI_INT_PIN])];
        pci_remap(f);
    }
}

/* ---- building ---- */

struct pci_host *pci_host_new(struct bus *bus, const struct board_port *board)
{
    struct pci_host *h = calloc(1, sizeof *h);
    if (!h)
        return NULL;
    h->self.dev = (struct dev){.cls = &host_class, .id = "pci-host"};
    h->self.bus = bus;
    h->board = *board;
    pci_func_init(&h->self, 0x8086, 0x29c0, 0x06000000, 0x1af4, 0x1100);
    put_le32(h->self.cfg_reset + MCH_PCIEXBAR, (uint32_t)PCI_ECAM_BASE | PCIEXBAR_ENABLE);
    put_le32(h->self.wmask + MCH_PCIEXBAR, 0xf0000007);
    put_le32(h->self.wmask + MCH_PCIEXBAR + 4, 0xf);
    h->self.wmask[MCH_PAM0] = 0x30;
    memset(h->self.wmask + MCH_PAM0 + 1, 0x33, 6);
    h->self.cfg_reset[MCH_SMRAM] = 2;
    h->self.wmask[MCH_SMRAM] = 0x78;
    h->self.wmask[MCH_SMRAM + 1] = 0x3f;
    h->self.cfg_written = host_written;
    h->func[0] = &h->self;
    if (bus_map_port(bus, PCI_CONFIG_ADDRESS, 8, &port_ops, h, "pci-config")) {
        free(h);
        return NULL;
    }
    return h;
}

struct dev *pci_host_dev(struct pci_host *h)
{
    return &h->self.dev;
}

int pci_host_plug(struct pci_host *h, struct pci_func *f, uint8_t devfn)
{
    if (h->func[devfn])
        return -EBUSY;
    h->func[devfn] = f;
    f->devfn = devfn;
    f->dma.rid = f->msi.rid = devfn;
    f->bus = h->self.bus;
    f->host = h;
    for (unsigned fn = 1; fn < 8; fn++) {
        struct pci_func *const first = h->func[devfn & 0xf8];
        if (first && h->func[(devfn & 0xf8) + fn])
            first->cfg_reset[PCI_HEADER_TYPE] |= PCI_HEADER_MULTI;
    }
    return 0;
}

int pci_host_plug_any(struct pci_host *h, struct pci_func *f)
{
    for (unsigned dev = 2; dev < 31; dev++) {
        if (pci_host_plug(h, f, PCI_DEVFN(dev, 0)) == 0)
            return 0;
    }
    return -ENOSPC;
}
