/*
 * devices/video/vga.h: VGA-compatible PCI display with linear frame buffer: the device, what it
 * shows as pixels or text cells, and the modes that a machine without firmware starts in.
 *
 * Front ends look only: between slices, on the machine's thread.
 */
#ifndef DEVICES_VIDEO_VGA_H
#define DEVICES_VIDEO_VGA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bus.h"
#include "core/clock.h"
#include "devices/pci/pci.h"

#define VGA_VRAM_SIZE  0x1000000u
#define VGA_MAX_WIDTH  2560u
#define VGA_MAX_HEIGHT 1600u

struct ram;
struct vga;

struct vga_config {
    struct bus *bus;
    struct clock *clock;
    struct ram *ram; /* the frame buffer becomes a window of it */
    const void *rom; /* expansion ROM (a VGA BIOS), must outlive the device; NULL: none */
    size_t rom_len;
};

/* NULL: out of memory, or the legacy ports are taken. The board plugs vga_func. */
struct vga *vga_new(const struct vga_config *cfg);
struct pci_func *vga_func(struct vga *v);

/* The picture: size in pixels (never 0, never above VGA_MAX_*), then pixels as 0x00RRGGBB. */
void vga_size(const struct vga *v, unsigned *width, unsigned *height);
/* Fills width x height pixels, `stride` pixels a row; what vga_size said must still hold. */
void vga_render(const struct vga *v, uint32_t *xrgb, size_t stride);

/* Text modes as cells: character code in bits 7:0, attribute in bits 15:8. */
#define VGA_TEXT_COLS 256u
#define VGA_TEXT_ROWS 128u
struct vga_text {
    unsigned cols, rows;
    int cursor_col, cursor_row; /* -1: not shown */
    uint32_t palette[16];
    uint16_t cell[VGA_TEXT_ROWS][VGA_TEXT_COLS];
};
bool vga_text(const struct vga *v, struct vga_text *t); /* false: not in a text mode */

/* What a VGA BIOS would have done, for kernels that are started without one. */
void vga_set_text_mode(struct vga *v); /* 80 x 25, our font */
/* Linear mode of 8, 15, 16, 24 or 32 bits a pixel; false when the card cannot. */
bool vga_set_linear_mode(struct vga *v, unsigned width, unsigned height, unsigned bpp);
uint64_t vga_lfb_base(const struct vga *v); /* BAR 0 */

/* The font of vga_set_text_mode: 256 characters (code page 437) of 16 rows, bit 7 on the left. */
void vga_font(uint8_t font[256][16]);
/* Unicode of a code page 437 character, for terminals. */
uint16_t vga_unicode(uint8_t ch);

#endif
