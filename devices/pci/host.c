/*
 * devices/pci/host.c: host bridge: configuration space by ports CF8/CFC and by ECAM, bus 0 only.
 * PCI Local Bus 3.0 3.2.2.3.2, PCI Express Base 7.2.2. The bridge itself is function 0:0.0.
 * Not modelled: the q35's chipset registers (PCIEXBAR is fixed), PCI interrupt routing.
 */
#include <errno.h>
#include <stdlib.h>

#include "abi/pci.h"
#include "devices/pci/pci.h"
#include "devices/pci/pci_int.h"

struct pci_host {
    struct pci_func self;
    /* wiring */
    struct pci_func *func[256]; /* by devfn */
    struct board_port board;
    /* state */
    uint32_t address; /* CF8 */
    uint8_t reset_control;
};

static const struct field host_fields[] = {
    PCI_FUNC_FIELDS,
    FIELD(struct pci_host, address, 0, "CONFIG_ADDRESS"),
    FIELD(struct pci_host, reset_control, 0, "port CF9"),
    FIELD_END,
};

static void host_reset(struct dev *d)
{
    pci_func_reset((struct pci_func *)d);
}
static void host_free(struct dev *d)
{
    free(d);
}
static const struct dev_class host_class = {"pci-host", host_fields, host_reset, host_free};

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

/* Byte accesses to CF9 are the chipset's reset control register, not CONFIG_ADDRESS. */
static void reset_write(struct pci_host *h, uint8_t v)
{
    const uint8_t was = h->reset_control;
    h->reset_control = v & 0x0a;
    if ((v & 4) && !(was & 4))
        h->board.request(h->board.opaque, BOARD_RESET, 0);
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
    return pci_func_read(f, (h->address & 0xfc) + ((unsigned)offset & 3), size);
}

static void port_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    struct pci_host *h = dev;
    if (offset < 4) {
        if (offset == 0 && size == 4)
            h->address = (uint32_t)value & 0x80fffffcu;
        else if (offset == 1 && size == 1)
            reset_write(h, (uint8_t)value);
        return;
    }
    struct pci_func *f = find(h, h->address >> 16 & 0xff, h->address >> 8 & 0xff);
    if ((h->address & PCI_CONFIG_ENABLE) && f)
        pci_func_write(f, (h->address & 0xfc) + ((unsigned)offset & 3), size, (uint32_t)value);
}
static const struct bus_ops port_ops = {port_read, port_write, 4};

struct pci_host *pci_host_new(struct bus *bus, const struct board_port *board)
{
    struct pci_host *h = calloc(1, sizeof *h);
    if (!h)
        return NULL;
    h->self.dev = (struct dev){.cls = &host_class, .id = "pci-host"};
    h->self.bus = bus;
    h->board = *board;
    pci_func_init(&h->self, 0x8086, 0x29c0, 0x06000000, 0x1af4, 0x1100);
    h->func[0] = &h->self;
    if (bus_map_port(bus, PCI_CONFIG_ADDRESS, 8, &port_ops, h, "pci-config") ||
        bus_map_mmio(bus, hpa(PCI_ECAM_BASE), PCI_ECAM_SIZE, &ecam_ops, h, "ecam")) {
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
    f->dma.rid = devfn;
    f->bus = h->self.bus;
    return 0;
}
