/*
 * devices/video/vbe.c: the Bochs VBE extensions ("dispi"): linear modes by nine 16-bit registers,
 * as Bochs' documentation of its VBE extension describes them and as the drivers of Linux
 * (bochs-drm), OVMF and SeaBIOS use them.
 *
 * Registers keep what was written; the mode is checked where it is used, so no order of writes and
 * no value can leave the memory.
 * Not modelled: reading an EDID.
 */
#include <string.h>

#include "devices/video/vga_int.h"

/* Bits of a pixel in memory; of one plane when planar. */
static unsigned pixel_bits(unsigned bpp)
{
    return bpp == 4 ? 1 : bpp == 15 ? 16 : bpp;
}

static size_t bits_per_line(const struct vga *v, unsigned bpp)
{
    return (size_t)v->vbe[VBE_VIRT_WIDTH] * pixel_bits(bpp);
}

static size_t memory_of(unsigned bpp)
{
    return VGA_VRAM_SIZE / (bpp == 4 ? 4 : 1);
}

bool vbe_mode(const struct vga *v, struct vbe_mode *m)
{
    const unsigned w = v->vbe[VBE_XRES], h = v->vbe[VBE_YRES], bpp = v->vbe[VBE_BPP];
    const unsigned x = v->vbe[VBE_X_OFFSET], y = v->vbe[VBE_Y_OFFSET];
    if (!(v->vbe[VBE_ENABLE] & VBE_ENABLED) || !w || !h || w > VGA_MAX_WIDTH || h > VGA_MAX_HEIGHT)
        return false;
    if (bpp != 4 && bpp != 8 && bpp != 15 && bpp != 16 && bpp != 24 && bpp != 32)
        return false;
    const size_t pitch = bits_per_line(v, bpp) / 8;
    const size_t start = pitch * y + (size_t)x * pixel_bits(bpp) / 8;
    const size_t line = ((size_t)w * pixel_bits(bpp) + 7) / 8;
    if (start + pitch * (h - 1) + line > memory_of(bpp))
        return false;
    *m = (struct vbe_mode){w, h, bpp, pitch, start};
    return true;
}

/* Turned on: the virtual screen is the real one, the bank is 0, memory is cleared if wanted. */
static void enable(struct vga *v, uint16_t value)
{
    const bool was = v->vbe[VBE_ENABLE] & VBE_ENABLED;
    v->vbe[VBE_ENABLE] = value & (VBE_ENABLED | VBE_GETCAPS | VBE_8BIT_DAC | VBE_LFB | VBE_NOCLEAR);
    if (!(value & VBE_ENABLED) || was)
        return;
    v->vbe[VBE_VIRT_WIDTH] = v->vbe[VBE_XRES];
    v->vbe[VBE_X_OFFSET] = v->vbe[VBE_Y_OFFSET] = v->vbe[VBE_BANK] = 0;
    struct vbe_mode m;
    if (!(value & VBE_NOCLEAR) && vbe_mode(v, &m))
        memset(v->vram, 0, m.pitch * m.height * (m.bpp == 4 ? 4 : 1));
}

/* As many lines as the memory has. */
static uint16_t virtual_height(const struct vga *v)
{
    const size_t bits = bits_per_line(v, v->vbe[VBE_BPP]);
    const size_t lines = bits ? memory_of(v->vbe[VBE_BPP]) * 8 / bits : 0;
    return lines > UINT16_MAX ? UINT16_MAX : (uint16_t)lines;
}

uint16_t vbe_read(const struct vga *v, unsigned reg)
{
    static const uint16_t most[] = {
        [VBE_XRES] = VGA_MAX_WIDTH, [VBE_YRES] = VGA_MAX_HEIGHT, [VBE_BPP] = 32};
    if (reg >= VBE_REGS)
        return 0;
    if (reg >= VBE_XRES && reg <= VBE_BPP && (v->vbe[VBE_ENABLE] & VBE_GETCAPS))
        return most[reg];
    if (reg == VBE_VIRT_HEIGHT)
        return virtual_height(v);
    if (reg == VBE_MEMORY_64K)
        return VGA_VRAM_SIZE >> 16;
    return v->vbe[reg];
}

void vbe_write(struct vga *v, unsigned reg, uint16_t value)
{
    switch (reg) {
    case VBE_ID:
        if (value >= VBE_ID0 && value <= VBE_ID5)
            v->vbe[VBE_ID] = value;
        break;
    case VBE_ENABLE:
        enable(v, value);
        break;
    case VBE_BANK:
        v->vbe[VBE_BANK] = value & ((VGA_VRAM_SIZE >> 16) - 1);
        break;
    case VBE_VIRT_WIDTH:
        v->vbe[reg] = value < v->vbe[VBE_XRES] ? v->vbe[VBE_XRES] : value;
        break;
    case VBE_VIRT_HEIGHT:
    case VBE_MEMORY_64K:
        break;
    default:
        if (reg < VBE_REGS)
            v->vbe[reg] = value;
    }
}

/* Ports 1CE (index) and 1CF (data), 16 bits each. A byte access reaches the low byte; the high
 * byte of the data is at 1D0 for reads, as an unaligned PC bus has it. */
static uint64_t port_read(void *dev, uint64_t offset, unsigned size)
{
    const struct vga *v = dev;
    (void)size;
    if (offset == 0)
        return v->vbe_index;
    const uint16_t data = vbe_read(v, v->vbe_index);
    return offset == 1 ? data : data >> 8;
}

static void port_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    struct vga *v = dev;
    (void)size;
    if (offset == 0)
        v->vbe_index = (uint16_t)value;
    else if (offset == 1)
        vbe_write(v, v->vbe_index, (uint16_t)value);
}

const struct bus_ops vbe_port_ops = {port_read, port_write, 2};
