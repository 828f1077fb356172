/*
 * machine/board_video.c: the display's builder, and what a kernel that is started without firmware
 * finds on it: text mode 3, or a linear frame buffer of 32 bits a pixel.
 */
#include <errno.h>

#include "abi/bootparam.h"
#include "devices/video/vga.h"
#include "machine/machine_int.h"

#define TEXT_COLS   80
#define TEXT_ROWS   25
#define TEXT_POINTS 16

int board_vga(struct machine *m, struct err *err)
{
    if (!m->cfg.display)
        return 0;
    const struct vga_config cfg = {m->bus, m->clock, m->ram, m->cfg.vga_rom, m->cfg.vga_rom_len};
    m->vga = vga_new(&cfg);
    return board_plug(m, m->vga ? vga_func(m->vga) : NULL, PCI_DEVFN(1, 0), "display", err);
}

static void describe_text(struct bp_screen_info *s)
{
    s->mode = 3;
    s->cols = TEXT_COLS;
    s->lines = TEXT_ROWS;
    s->points = TEXT_POINTS;
    s->is_vga = BP_VIDEO_VGA_TEXT;
    s->ega_bx = 3; /* 256 KiB, colour */
}

static void describe_linear(const struct machine *m, struct bp_screen_info *s)
{
    const unsigned w = m->cfg.screen_width, h = m->cfg.screen_height;
    s->is_vga = BP_VIDEO_LINEAR;
    s->lfb_width = (uint16_t)w;
    s->lfb_height = (uint16_t)h;
    s->lfb_depth = 32;
    s->lfb_base = (uint32_t)vga_lfb_base(m->vga);
    s->lfb_size = VGA_VRAM_SIZE >> 16;
    s->lfb_linelength = (uint16_t)(w * 4);
    s->red_size = s->green_size = s->blue_size = s->rsvd_size = 8;
    s->red_pos = 16;
    s->green_pos = 8;
    s->rsvd_pos = 24;
    s->pages = (uint16_t)(VGA_VRAM_SIZE / (w * 4 * h) - 1);
}

int board_init_screen(struct machine *m, struct bp_screen_info *screen, struct err *err)
{
    if (!m->vga)
        return 0;
    if (!m->cfg.screen_width) {
        vga_set_text_mode(m->vga);
        describe_text(screen);
        return 0;
    }
    if (!vga_set_linear_mode(m->vga, m->cfg.screen_width, m->cfg.screen_height, 32))
        return err_set(err, "E-MACH-001", -EINVAL, "screen of %u x %u pixels; at most %u x %u",
                       m->cfg.screen_width, m->cfg.screen_height, VGA_MAX_WIDTH, VGA_MAX_HEIGHT);
    describe_linear(m, screen);
    return 0;
}
