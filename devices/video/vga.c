/*
 * devices/video/vga.c: the display adapter: PCI function 1234:1111 with a 16 MiB linear frame
 * buffer (BAR 0, RAM to the processor) and its registers as memory (BAR 2); the standard VGA
 * registers at ports 3B4-3DF (IBM PS/2 Hardware Interface Technical Reference, Video Subsystem).
 *
 * Memory is vga_mem.c, the Bochs VBE registers vbe.c, the picture vga_draw.c, start modes
 * vga_modes.c.
 * Not modelled: the vertical interrupt (IRQ 2), light pen, the monitor's sense lines, decoding of
 * the legacy ports switched off by COMMAND, bandwidth: memory never waits.
 */
#include "devices/video/vga.h"

#include <stdlib.h>
#include <string.h>

#include "devices/video/vga_int.h"
#include "mmu/ram.h"

#define LEGACY_MEM  0xa0000u
#define LEGACY_SIZE 0x20000u
#define BAR2_SIZE   0x1000u
/* in BAR 2 */
#define MMIO_VGA    0x400u /* ports 3C0-3DF */
#define MMIO_VBE    0x500u
#define MMIO_EXT    0x600u /* length of this block, byte order */
#define MMIO_LITTLE 0x1e1e1e1eu

static const struct field fields[] = {
    PCI_FUNC_FIELDS,
    FIELD(struct vga, misc, 0, "miscellaneous output"),
    FIELD(struct vga, feature, 0, "feature control"),
    FIELD(struct vga, seq_index, 0, "sequencer index"),
    FIELD_ARRAY(struct vga, seq, 0, "sequencer"),
    FIELD(struct vga, gr_index, 0, "graphics controller index"),
    FIELD_ARRAY(struct vga, gr, 0, "graphics controller"),
    FIELD(struct vga, cr_index, 0, "CRT controller index"),
    FIELD_ARRAY(struct vga, cr, 0, "CRT controller"),
    FIELD(struct vga, ar_index, 0, "attribute controller index and PAS"),
    FIELD(struct vga, ar_data, 0, "the next write to 3C0 is data"),
    FIELD_ARRAY(struct vga, ar, 0, "attribute controller"),
    FIELD(struct vga, dac_mask, 0xff, "PEL mask"),
    FIELD(struct vga, dac_read, 0, "DAC read index"),
    FIELD(struct vga, dac_write, 0, "DAC write index"),
    FIELD(struct vga, dac_sub, 0, "colour of the entry that comes next"),
    FIELD(struct vga, dac_reading, 0, "DAC is in read mode"),
    FIELD_ARRAY(struct vga, dac_latch, 0, "colours written so far"),
    FIELD_ARRAY(struct vga, dac, 0, "palette"),
    FIELD_ARRAY(struct vga, latch, 0, "plane latches"),
    FIELD(struct vga, vbe_index, 0, "VBE index"),
    FIELD_ARRAY(struct vga, vbe, 0, "VBE registers"),
    FIELD_END,
};

/* ---- DAC ---- */

static unsigned dac_shift(const struct vga *v)
{
    return v->vbe[VBE_ENABLE] & VBE_8BIT_DAC ? 0 : 2; /* entries are kept with 8 bits */
}

static uint8_t dac_in(struct vga *v)
{
    const uint8_t value = v->dac[v->dac_read * 3 + v->dac_sub] >> dac_shift(v);
    if (++v->dac_sub == 3) {
        v->dac_sub = 0;
        v->dac_read++;
    }
    return value;
}

static void dac_out(struct vga *v, uint8_t value)
{
    const unsigned shift = dac_shift(v);
    /* six bits become eight so that full is full */
    v->dac_latch[v->dac_sub] = shift ? (uint8_t)((value & 63) << 2 | (value & 63) >> 4) : value;
    if (++v->dac_sub == 3) {
        memcpy(v->dac + v->dac_write * 3, v->dac_latch, 3);
        v->dac_sub = 0;
        v->dac_write++;
    }
}

/* ---- input status: where the beam is, from virtual time ---- */

static uint8_t input_status1(const struct vga *v)
{
    static const uint64_t line_ns = 31778; /* 31.47 kHz */
    struct vbe_mode m;
    unsigned shown, total, sync, sync_len = 2;
    if (vbe_mode(v, &m)) {
        shown = m.height;
        total = shown + 45;
        sync = shown + 10;
    } else {
        const uint8_t o = v->cr[7];
        total = (v->cr[6] | (o & 1) << 8 | (o & 0x20) << 4) + 2u;
        shown = (v->cr[0x12] | (o & 2) << 7 | (o & 0x40) << 3) + 1u;
        sync = v->cr[0x10] | (o & 4) << 6 | (unsigned)(o & 0x80) << 2;
        sync_len = ((v->cr[0x11] - sync) & 15) ? (v->cr[0x11] - sync) & 15 : 2;
    }
    const uint64_t now = clock_now(v->clock);
    const unsigned line = (unsigned)(now / line_ns % total);
    const bool in_line = now % line_ns < line_ns * 4 / 5;
    uint8_t status = 0;
    if (line >= shown || !in_line)
        status |= 1;
    if (line >= sync && line < sync + sync_len)
        status |= 8;
    return status;
}

/* ---- ports ---- */

static bool is_mono(const struct vga *v)
{
    return !(v->misc & 1);
}

static uint8_t cr_in(const struct vga *v)
{
    return v->cr_index < 0x19 ? v->cr[v->cr_index] : 0xff;
}

static void cr_out(struct vga *v, uint8_t value)
{
    const unsigned n = v->cr_index;
    if (n >= 0x19)
        return;
    if (n < 8 && (v->cr[0x11] & 0x80)) { /* protected but for line compare's bit */
        if (n == 7)
            v->cr[7] = (uint8_t)((v->cr[7] & ~0x10) | (value & 0x10));
        return;
    }
    v->cr[n] = value;
}

static void ar_out(struct vga *v, uint8_t value)
{
    v->ar_data ^= 1;
    if (v->ar_data) {
        v->ar_index = value & 0x3f;
        return;
    }
    const unsigned n = v->ar_index & 0x1f;
    if (n < 16 && !(v->ar_index & AR_PAS)) /* the palette can be written while the screen is off */
        v->ar[n] = value & 0x3f;
    else if (n >= 16 && n < AR_REGS)
        v->ar[n] = value;
}

static const uint8_t seq_mask[SEQ_REGS] = {0x03, 0x3d, 0x0f, 0x3f, 0x0e};
static const uint8_t gr_mask[GR_REGS] = {0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff};

static uint8_t common_in(struct vga *v, uint16_t port)
{
    switch (port) {
    case 0x3c0:
        return v->ar_index;
    case 0x3c1:
        return (v->ar_index & 0x1f) < AR_REGS ? v->ar[v->ar_index & 0x1f] : 0;
    case 0x3c2:
        return 0x10; /* switch sense: a colour monitor; no interrupt pending */
    case 0x3c4:
        return v->seq_index;
    case 0x3c5:
        return v->seq_index < SEQ_REGS ? v->seq[v->seq_index] : 0xff;
    case 0x3c6:
        return v->dac_mask;
    case 0x3c7:
        return v->dac_reading ? 3 : 0;
    case 0x3c8:
        return v->dac_write;
    case 0x3c9:
        return dac_in(v);
    case 0x3ca:
        return v->feature;
    case 0x3cc:
        return v->misc;
    case 0x3ce:
        return v->gr_index;
    case 0x3cf:
        return v->gr_index < GR_REGS ? v->gr[v->gr_index] : 0xff;
    default:
        return 0xff;
    }
}

uint8_t vga_port_in(struct vga *v, uint16_t port)
{
    if (port >= 0x3c0 && port <= 0x3cf)
        return common_in(v, port);
    if ((port < 0x3c0) != is_mono(v))
        return 0xff;
    switch (port & 0xf) {
    case 4:
        return v->cr_index;
    case 5:
        return cr_in(v);
    case 0xa:
        v->ar_data = 0;
        return input_status1(v);
    default:
        return 0xff;
    }
}

static void common_out(struct vga *v, uint16_t port, uint8_t value)
{
    switch (port) {
    case 0x3c0:
    case 0x3c1:
        ar_out(v, value);
        break;
    case 0x3c2:
        v->misc = value;
        break;
    case 0x3c4:
        v->seq_index = value;
        break;
    case 0x3c5:
        if (v->seq_index < SEQ_REGS)
            v->seq[v->seq_index] = value & seq_mask[v->seq_index];
        break;
    case 0x3c6:
        v->dac_mask = value;
        break;
    case 0x3c7:
        v->dac_read = value;
        v->dac_sub = 0;
        v->dac_reading = 1;
        break;
    case 0x3c8:
        v->dac_write = value;
        v->dac_sub = 0;
        v->dac_reading = 0;
        break;
    case 0x3c9:
        dac_out(v, value);
        break;
    case 0x3ce:
        v->gr_index = value;
        break;
    case 0x3cf:
        if (v->gr_index < GR_REGS)
            v->gr[v->gr_index] = value & gr_mask[v->gr_index];
        break;
    default:
        break;
    }
}

void vga_port_out(struct vga *v, uint16_t port, uint8_t value)
{
    if (port >= 0x3c0 && port <= 0x3cf) {
        common_out(v, port, value);
        return;
    }
    if ((port < 0x3c0) != is_mono(v))
        return;
    switch (port & 0xf) {
    case 4:
        v->cr_index = value;
        break;
    case 5:
        cr_out(v, value);
        break;
    case 0xa:
        v->feature = value;
        break;
    default:
        break;
    }
}

static uint64_t ports_read(void *dev, uint64_t offset, unsigned size)
{
    (void)size;
    return vga_port_in(dev, (uint16_t)(0x3c0 + offset));
}
static void ports_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    (void)size;
    vga_port_out(dev, (uint16_t)(0x3c0 + offset), (uint8_t)value);
}
static uint64_t mono_read(void *dev, uint64_t offset, unsigned size)
{
    (void)size;
    return vga_port_in(dev, (uint16_t)(0x3b4 + offset));
}
static void mono_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    (void)size;
    vga_port_out(dev, (uint16_t)(0x3b4 + offset), (uint8_t)value);
}
static const struct bus_ops ports_ops = {ports_read, ports_write, 1},
                            mono_ops = {mono_read, mono_write, 1};

/* ---- BARs ---- */

/* BAR 0 is a window of the machine's memory; the bus sees it only to keep the range. */
static uint64_t lfb_read(void *dev, uint64_t offset, unsigned size)
{
    uint64_t value = 0;
    memcpy(&value, ((const struct vga *)dev)->vram + offset, size);
    return value;
}
static void lfb_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    memcpy(((const struct vga *)dev)->vram + offset, &value, size);
}
static const struct bus_ops lfb_ops = {lfb_read, lfb_write, 8};

static uint8_t mmio_byte(struct vga *v, unsigned at)
{
    if (at >= MMIO_VGA && at < MMIO_VGA + 0x20)
        return vga_port_in(v, (uint16_t)(at - MMIO_VGA + 0x3c0));
    if (at >= MMIO_VBE && at < MMIO_VBE + 2 * VBE_REGS)
        return (uint8_t)(vbe_read(v, (at - MMIO_VBE) / 2) >> (at & 1) * 8);
    if (at >= MMIO_EXT && at < MMIO_EXT + 8)
        return (uint8_t)((at < MMIO_EXT + 4 ? 8u : MMIO_LITTLE) >> (at & 3) * 8);
    return at < MMIO_VGA ? 0 : 0xff; /* no EDID: its block reads zero */
}

static uint64_t mmio_read(void *dev, uint64_t offset, unsigned size)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)mmio_byte(dev, (unsigned)offset + i) << 8 * i;
    return value;
}

static void mmio_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    struct vga *v = dev;
    const unsigned at = (unsigned)offset;
    if (at >= MMIO_VGA && at < MMIO_VGA + 0x20) {
        for (unsigned i = 0; i < size; i++)
            vga_port_out(v, (uint16_t)(at - MMIO_VGA + 0x3c0 + i), (uint8_t)(value >> 8 * i));
    } else if (at >= MMIO_VBE && at < MMIO_VBE + 2 * VBE_REGS && size >= 2 && !(at & 1)) {
        for (unsigned i = 0; i < size; i += 2)
            vbe_write(v, (at - MMIO_VBE + i) / 2, (uint16_t)(value >> 8 * i));
    }
}
static const struct bus_ops mmio_ops = {mmio_read, mmio_write, 4};

/* The frame buffer follows BAR 0. */
static void place_window(struct pci_func *f)
{
    const struct vga *v = (const struct vga *)f;
    ram_window_move(v->ram, v->window, f->bar[0].mapped ? f->bar[0].mapped_at : UINT64_MAX);
}

/* ---- life ---- */

static void vga_reset(struct dev *d)
{
    struct vga *v = (struct vga *)d;
    pci_func_reset(&v->pci);
    v->vbe[VBE_ID] = VBE_ID5;
    v->vbe[VBE_BPP] = 8;
    v->cr[6] = v->cr[0x12] = 0xff; /* a beam that moves, before anybody sets a mode */
}

static void vga_free(struct dev *d)
{
    free(d);
}
static const struct dev_class vga_class = {"vga", fields, vga_reset, vga_free, NULL};

struct vga *vga_new(const struct vga_config *cfg)
{
    struct vga *v = calloc(1, sizeof *v);
    if (!v)
        return NULL;
    struct pci_func *const f = &v->pci;
    f->dev = (struct dev){.cls = &vga_class, .id = "vga0"};
    f->dma.ram = cfg->ram;
    f->bus = cfg->bus;
    f->remapped = place_window;
    v->clock = cfg->clock;
    v->ram = cfg->ram;
    v->window = ram_window_add(cfg->ram, VGA_VRAM_SIZE);
    pci_func_init(f, 0x1234, 0x1111, 0x03000002, 0x1af4, 0x1100);
    pci_add_bar32(f, 0, VGA_VRAM_SIZE, &lfb_ops);
    pci_add_bar32(f, 2, BAR2_SIZE, &mmio_ops);
    if (cfg->rom)
        pci_add_rom(f, cfg->rom, cfg->rom_len);
    if (v->window < 0 ||
        bus_map_mmio(cfg->bus, hpa(LEGACY_MEM), LEGACY_SIZE, &vga_mem_ops, v, "vga-window") ||
        bus_map_port(cfg->bus, 0x3b4, 8, &mono_ops, v, "vga-mono") ||
        bus_map_port(cfg->bus, 0x3c0, 0x20, &ports_ops, v, "vga") ||
        bus_map_port(cfg->bus, 0x1ce, 3, &vbe_port_ops, v, "vbe")) {
        free(v);
        return NULL;
    }
    v->vram = ram_window_bytes(cfg->ram, v->window);
    return v;
}

struct pci_func *vga_func(struct vga *v)
{
    return &v->pci;
}

uint64_t vga_lfb_base(const struct vga *v)
{
    return v->pci.bar[0].mapped ? v->pci.bar[0].mapped_at : 0;
}
