/*
 * devices/video/vga_modes.c: the state that a VGA BIOS leaves, for kernels that are started without
 * one: text mode 3 with our font, or a linear mode by the VBE registers.
 *
 * Register values of mode 3 with 400 lines: IBM PS/2 and PC BIOS Interface Technical Reference,
 * video parameter table.
 */
#include <string.h>

#include "devices/video/vga_int.h"

static const uint8_t mode3_seq[5] = {0x03, 0x00, 0x03, 0x00, 0x02};
static const uint8_t mode3_cr[25] = {
    0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00, 0x4f, 0x0d, 0x0e, 0x00,
    0x00, 0x00, 0x00, 0x9c, 0x8e, 0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff,
};
static const uint8_t mode3_gr[9] = {0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x0e, 0x00, 0xff};
static const uint8_t mode3_ar[AR_REGS] = {
    0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x14, 0x07, 0x38, 0x39, 0x3a,
    0x3b, 0x3c, 0x3d, 0x3e, 0x3f, 0x0c, 0x00, 0x0f, 0x08, 0x00,
};
#define MODE3_MISC 0x67

static uint8_t level(unsigned strong, unsigned weak)
{
    const unsigned six = (strong & 1) * 0x2a + (weak & 1) * 0x15;
    return (uint8_t)(six << 2 | six >> 4);
}

/* The 64 colours of the EGA: bits r g b R G B, small letters the weak ones. */
static void set_palette(struct vga *v)
{
    for (unsigned n = 0; n < 64; n++) {
        v->dac[n * 3] = level(n >> 2, n >> 5);
        v->dac[n * 3 + 1] = level(n >> 1, n >> 4);
        v->dac[n * 3 + 2] = level(n, n >> 3);
    }
    v->dac_mask = 0xff;
}

void vga_set_text_mode(struct vga *v)
{
    uint8_t font[256][16];
    v->vbe[VBE_ENABLE] = 0;
    v->misc = MODE3_MISC;
    memcpy(v->seq, mode3_seq, sizeof mode3_seq);
    memcpy(v->cr, mode3_cr, sizeof mode3_cr);
    memcpy(v->gr, mode3_gr, sizeof mode3_gr);
    memcpy(v->ar, mode3_ar, sizeof mode3_ar);
    v->ar_index = AR_PAS;
    v->ar_data = 0;
    set_palette(v);
    vga_font(font);
    for (unsigned i = 0; i < 0x4000; i++) { /* the 32 KiB at B8000 are even addresses */
        v->vram[i * 8] = ' ';
        v->vram[i * 8 + 1] = 0x07;
    }
    for (unsigned ch = 0; ch < 256; ch++) {
        for (unsigned y = 0; y < 16; y++)
            v->vram[(ch * 32 + y) * 4 + 2] = font[ch][y];
    }
}

bool vga_set_linear_mode(struct vga *v, unsigned width, unsigned height, unsigned bpp)
{
    struct vbe_mode m;
    if (width > VGA_MAX_WIDTH || height > VGA_MAX_HEIGHT)
        return false;
    vga_set_text_mode(v);
    vbe_write(v, VBE_XRES, (uint16_t)width);
    vbe_write(v, VBE_YRES, (uint16_t)height);
    vbe_write(v, VBE_BPP, (uint16_t)bpp);
    vbe_write(v, VBE_ENABLE, VBE_ENABLED | VBE_LFB);
    if (vbe_mode(v, &m) && m.bpp >= 8)
        return true;
    vga_set_text_mode(v);
    return false;
}
