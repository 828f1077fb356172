/*
 * devices/video/vga_int.h: private to devices/video/: the device's state and its registers.
 *
 * Video memory is one array; byte `plane` of address `off` of the four planes is vram[off * 4 +
 * plane], which is also how the linear modes see it.
 */
#ifndef DEVICES_VIDEO_VGA_INT_H
#define DEVICES_VIDEO_VGA_INT_H

#include "devices/video/vga.h"

/* Bochs VBE extensions: index registers, at ports 1CE/1CF and in BAR 2 */
enum {
    VBE_ID,
    VBE_XRES,
    VBE_YRES,
    VBE_BPP,
    VBE_ENABLE,
    VBE_BANK,
    VBE_VIRT_WIDTH,
    VBE_VIRT_HEIGHT,
    VBE_X_OFFSET,
    VBE_Y_OFFSET,
    VBE_MEMORY_64K,
    VBE_REGS
};
enum {
    VBE_ENABLED = 0x01,
    VBE_GETCAPS = 0x02,
    VBE_8BIT_DAC = 0x20,
    VBE_LFB = 0x40,
    VBE_NOCLEAR = 0x80,
};
#define VBE_ID0 0xb0c0u
#define VBE_ID5 0xb0c5u

#define SEQ_REGS 8
#define GR_REGS  16
#define CR_REGS  32
#define AR_REGS  21

enum { SEQ_CLOCKING = 1, SEQ_MAP_MASK, SEQ_FONT, SEQ_MODE };
enum {
    GR_SET_RESET,
    GR_ENABLE_SET_RESET,
    GR_COMPARE,
    GR_ROTATE,
    GR_READ_MAP,
    GR_MODE,
    GR_MISC,
    GR_DONT_CARE,
    GR_BIT_MASK
};
enum { AR_MODE = 0x10, AR_OVERSCAN, AR_PLANES, AR_PAN, AR_COLOR_SELECT };
#define AR_PAS 0x20 /* in the attribute index: the palette belongs to the screen */

struct vga {
    struct pci_func pci;
    /* wiring */
    struct clock *clock;
    struct ram *ram;
    uint8_t *vram;
    int window; /* of the ram */
    /* state */
    uint8_t misc, feature;
    uint8_t seq_index, seq[SEQ_REGS];
    uint8_t gr_index, gr[GR_REGS];
    uint8_t cr_index, cr[CR_REGS];
    uint8_t ar_index, ar_data, ar[AR_REGS]; /* ar_data: the next write to 3C0 is data */
    uint8_t dac_mask, dac_read, dac_write, dac_sub, dac_reading;
    uint8_t dac_latch[3], dac[768];
    uint8_t latch[4];
    uint16_t vbe_index, vbe[VBE_REGS];
};

/* vga.c */
uint8_t vga_port_in(struct vga *v, uint16_t port);
void vga_port_out(struct vga *v, uint16_t port, uint8_t value);

/* vga_mem.c: the window at A0000 */
extern const struct bus_ops vga_mem_ops;

/* vbe.c */
extern const struct bus_ops vbe_port_ops;
uint16_t vbe_read(const struct vga *v, unsigned reg);
void vbe_write(struct vga *v, unsigned reg, uint16_t value);
struct vbe_mode {
    unsigned width, height, bpp; /* bpp 4: planar */
    size_t pitch, start;         /* bytes (of a plane when planar) */
};
/* The mode in force; false: VBE is off, or what the registers say is no mode. */
bool vbe_mode(const struct vga *v, struct vbe_mode *m);

#endif
