/*
 * devices/video/vga_mem.c: the window at A0000-BFFFF: planes, latches, write modes 0-3, read modes,
 * odd/even and chain-4 addressing (IBM PS/2 Hardware Interface Technical Reference, Video
 * Subsystem: Graphics Controller); in linear VBE modes a 64 KiB bank of the frame buffer.
 *
 * Workload: text consoles write a few bytes at a time here; everything faster uses the linear
 * frame buffer, which is RAM to the processor.
 */
#include "devices/video/vga_int.h"

/* Where an access goes; planes: which ones addressing allows. */
struct place {
    size_t off; /* address within each plane */
    unsigned planes;
    unsigned read_plane;
};

/* Offset within the window that GR6 opens; false: outside. */
static bool in_window(const struct vga *v, uint32_t *at)
{
    static const struct {
        uint32_t base, len;
    } map[4] = {{0, 0x20000}, {0, 0x10000}, {0x10000, 0x8000}, {0x18000, 0x8000}};
    const unsigned n = v->gr[GR_MISC] >> 2 & 3;
    if (!(v->misc & 2) || *at - map[n].base >= map[n].len)
        return false;
    *at -= map[n].base;
    return true;
}

static struct place place_of(const struct vga *v, uint32_t at, bool odd_even)
{
    struct place p;
    size_t bank = 0;
    if (v->vbe[VBE_ENABLE] & VBE_ENABLED) /* planar VBE modes are larger than one window */
        bank = (size_t)v->vbe[VBE_BANK] << 16;
    if (v->seq[SEQ_MODE] & 8) { /* chain-4 */
        p = (struct place){at & ~3u, 1u << (at & 3), at & 3};
    } else if (odd_even) {
        p = (struct place){at & ~1u, 5u << (at & 1), (v->gr[GR_READ_MAP] & 2) | (at & 1)};
    } else {
        p = (struct place){at, 15, v->gr[GR_READ_MAP] & 3};
    }
    p.off = (p.off & 0xffff) + bank;
    p.off &= VGA_VRAM_SIZE / 4 - 1;
    return p;
}

static uint8_t read_byte(struct vga *v, uint32_t at)
{
    struct vbe_mode m;
    if (vbe_mode(v, &m) && m.bpp > 4)
        return at < 0x10000 ? v->vram[(size_t)v->vbe[VBE_BANK] << 16 | at] : 0xff;
    if (!in_window(v, &at))
        return 0xff;
    const struct place p = place_of(v, at, v->gr[GR_MODE] & 0x10);
    for (unsigned n = 0; n < 4; n++)
        v->latch[n] = v->vram[p.off * 4 + n];
    if (!(v->gr[GR_MODE] & 8))
        return v->latch[p.read_plane];
    uint8_t differ = 0; /* read mode 1: bits whose colour is the compare colour */
    for (unsigned n = 0; n < 4; n++) {
        const uint8_t wanted = v->gr[GR_COMPARE] >> n & 1 ? 0xff : 0;
        if (v->gr[GR_DONT_CARE] >> n & 1)
            differ |= v->latch[n] ^ wanted;
    }
    return (uint8_t)~differ;
}

static uint8_t rotate(const struct vga *v, uint8_t value)
{
    const unsigned n = v->gr[GR_ROTATE] & 7;
    return (uint8_t)(value >> n | value << (8 - n));
}

static uint8_t logic(const struct vga *v, uint8_t data, uint8_t latch)
{
    switch (v->gr[GR_ROTATE] >> 3 & 3) {
    case 1:
        return data & latch;
    case 2:
        return data | latch;
    case 3:
        return data ^ latch;
    default:
        return data;
    }
}

/* What write mode `mode` makes of a byte for one plane. */
static uint8_t plane_value(const struct vga *v, unsigned mode, unsigned n, uint8_t value)
{
    const uint8_t latch = v->latch[n];
    const uint8_t set = v->gr[GR_SET_RESET] >> n & 1 ? 0xff : 0;
    uint8_t mask = v->gr[GR_BIT_MASK], data = rotate(v, value);
    switch (mode) {
    case 0:
        if (v->gr[GR_ENABLE_SET_RESET] >> n & 1)
            data = set;
        break;
    case 1:
        return latch;
    case 2:
        data = value >> n & 1 ? 0xff : 0;
        break;
    default:
        mask &= data;
        data = set;
        break;
    }
    data = logic(v, data, latch);
    return (uint8_t)((data & mask) | (latch & ~mask));
}

static void write_byte(struct vga *v, uint32_t at, uint8_t value)
{
    struct vbe_mode m;
    if (vbe_mode(v, &m) && m.bpp > 4) {
        if (at < 0x10000)
            v->vram[(size_t)v->vbe[VBE_BANK] << 16 | at] = value;
        return;
    }
    if (!in_window(v, &at))
        return;
    const struct place p = place_of(v, at, !(v->seq[SEQ_MODE] & 4));
    const unsigned planes = p.planes & v->seq[SEQ_MAP_MASK];
    for (unsigned n = 0; n < 4; n++) {
        if (planes >> n & 1)
            v->vram[p.off * 4 + n] = plane_value(v, v->gr[GR_MODE] & 3, n, value);
    }
}

static uint64_t mem_read(void *dev, uint64_t offset, unsigned size)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)read_byte(dev, (uint32_t)offset + i) << 8 * i;
    return value;
}

static void mem_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    for (unsigned i = 0; i < size; i++)
        write_byte(dev, (uint32_t)offset + i, (uint8_t)(value >> 8 * i));
}

const struct bus_ops vga_mem_ops = {mem_read, mem_write, 8};
