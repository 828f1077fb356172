/*
 * Fuzz target: accesses to every port and device register, with time going on between. All PCI
 * functions are enabled with their BARs in place; memory is full of small numbers and pointers
 * into itself, so that descriptor tables mean something. An operation is 12 bytes: what, size,
 * offset (2), value (8).
 */
#include <stdlib.h>

#include "abi/pci.h"
#include "abi/vtd.h"
#include "devices/pci/pci.h"
#include "devices/video/vga.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/pc.h"

#define OP_BYTES   12
#define BAR_STRIDE 0x1000000u

static uint64_t window[64]; /* MMIO ranges that inputs reach */
static unsigned windows;

static uint64_t config(unsigned devfn, unsigned reg)
{
    return PCI_ECAM_BASE + ((uint64_t)devfn << 12) + reg;
}

/* BARs in place, decoding and bus mastering on. */
static void enable_functions(struct machine *m)
{
    uint32_t mem = PCI_MMIO_BASE, io = 0xc000;
    windows = 0;
    window[windows++] = 0xfed00000;
    window[windows++] = 0xfec00000;
    window[windows++] = 0xff000000;
    window[windows++] = 0xa0000;
    window[windows++] = VTD_BASE;
    for (unsigned devfn = 0; devfn < 256; devfn++) {
        if ((uint16_t)bus_mmio_read(m->bus, hpa(config(devfn, 0)), 2) == 0xffff)
            continue;
        window[windows < 60 ? windows++ : 0] = config(devfn, 0);
        for (unsigned bar = 0; bar < 6; bar++) {
            const unsigned reg = PCI_BAR0 + 4 * bar;
            bus_mmio_write(m->bus, hpa(config(devfn, reg)), 4, ~0u);
            const uint32_t mask = (uint32_t)bus_mmio_read(m->bus, hpa(config(devfn, reg)), 4);
            if (!mask)
                continue;
            bus_mmio_write(m->bus, hpa(config(devfn, reg)), 4, mask & 1 ? io : mem);
            if (mask & 1) {
                io += 0x100;
                continue;
            }
            window[windows < 60 ? windows++ : 0] = mem;
            mem += BAR_STRIDE;
            if (mask & PCI_BAR_TYPE_64)
                bus_mmio_write(m->bus, hpa(config(devfn, PCI_BAR0 + 4 * ++bar)), 4, 0);
        }
        bus_mmio_write(m->bus, hpa(config(devfn, PCI_COMMAND)), 2,
                       PCI_CMD_IO | PCI_CMD_MEMORY | PCI_CMD_MASTER);
    }
}

static void fill_memory(struct machine *m, uint64_t seed)
{
    uint64_t block[512];
    for (uint64_t at = 0x10000; at < 0x40000; at += sizeof block) {
        for (unsigned i = 0; i < 512; i++) {
            seed = seed * 6364136223846793005ull + 1442695040888963407ull;
            const uint64_t v = seed >> 24;
            block[i] = v & 1 ? 0x10000 + (v >> 8) % 0x30000 : v & 2 ? v >> 36 : v << 40 | v >> 30;
        }
        pc_write(m, at, block, sizeof block);
    }
}

static void operate(struct machine *m, const uint8_t *op)
{
    struct fuzz_reader r = {op, op + OP_BYTES};
    const unsigned what = (unsigned)fuzz_take(&r, 1), size = 1u << (fuzz_take(&r, 1) & 3);
    const uint16_t offset = (uint16_t)fuzz_take(&r, 2);
    uint64_t value = fuzz_take(&r, 8);
    if (what & 0x40)
        value = 0x10000 + value % 0x30000;
    const hpa_t at = hpa(window[(what >> 3) % windows] + (what & 0x80 ? offset : offset & 0xff));
    switch (what & 7) {
    case 0:
        bus_port_read(m->bus, offset, size > 4 ? 4 : size);
        break;
    case 1:
        bus_port_write(m->bus, offset, size > 4 ? 4 : size, value);
        break;
    case 2:
    case 3:
        bus_mmio_read(m->bus, at, size);
        break;
    case 4:
        m->now_ns += value % 20000000;
        clock_advance(m->clock, m->now_ns);
        break;
    default:
        bus_mmio_write(m->bus, at, size, value);
        break;
    }
}

/* What a front end does with the display, whatever its registers say. */
static void show(struct machine *m)
{
    static uint32_t pixels[VGA_MAX_WIDTH * VGA_MAX_HEIGHT];
    static struct vga_text text;
    unsigned w, h;
    vga_size(m->vga, &w, &h);
    if (w > VGA_MAX_WIDTH || h > VGA_MAX_HEIGHT || !w || !h)
        abort();
    vga_render(m->vga, pixels, w);
    vga_text(m->vga, &text);
}

static void one(const uint8_t *data, size_t len)
{
    struct machine *const m = pc_reset();
    fill_memory(m, len ? data[0] : 0);
    enable_functions(m);
    for (size_t at = 0; at + OP_BYTES <= len; at += OP_BYTES)
        operate(m, data + at);
    m->stopping = false;
    show(m);
    machine_hash(m);
}

const struct fuzz_target fuzz_devices = {
    "devices", "accesses to ports and device registers", NULL, one, NULL, 600};
