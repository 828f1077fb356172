/*
 * devices/video/vga_draw.c: registers and memory into pixels, or into text cells (vga.h).
 *
 * The CRT controller is followed scan line by scan line: start address, offset, line compare, row
 * scan, byte/word/doubleword addressing, CGA row interleave, panning; doubled scan lines and
 * half-clock columns are shown once. Blinking follows virtual time, so a picture is a function of
 * the machine's state.
 * Not modelled: borders, cursor and display-enable skew, blinking of graphics pixels, the palette
 * registers in 256-colour modes, interlace, horizontal retrace tricks.
 */
#include <string.h>

#include "devices/video/vga_int.h"

#define FRAME_NS 16683333ull /* for blinking: 60 Hz */

enum kind { KIND_BLANK, KIND_TEXT, KIND_PLANAR, KIND_CGA, KIND_256, KIND_VBE };

struct view {
    enum kind kind;
    unsigned width, height;
    unsigned repeat; /* scan lines a row of pixels */
    unsigned chars;  /* character clocks a line */
    unsigned cell_width, cell_height;
    struct vbe_mode vbe;
};

/* Where the scan is. */
struct beam {
    unsigned row_addr, row_scan;
    unsigned pan;
    bool second; /* of a doubled line */
};

static unsigned cr_lines(const struct vga *v)
{
    return (v->cr[0x12] | (v->cr[7] & 2) << 7 | (v->cr[7] & 0x40) << 3) + 1u;
}

static unsigned line_compare(const struct vga *v)
{
    return v->cr[0x18] | (v->cr[7] & 0x10u) << 4 | (v->cr[9] & 0x40u) << 3;
}

static unsigned start_address(const struct vga *v)
{
    return ((unsigned)v->cr[0x0c] << 8 | v->cr[0x0d]) + (v->cr[8] >> 5 & 3);
}

static unsigned row_height(const struct vga *v)
{
    return (v->cr[9] & 31) + 1u;
}

static void legacy_view(const struct vga *v, struct view *w)
{
    const unsigned lines = cr_lines(v), twice = v->cr[9] & 0x80 ? 2 : 1;
    w->chars = v->cr[1] + 1u;
    w->cell_height = row_height(v);
    w->repeat = 1;
    if (!(v->gr[GR_MISC] & 1)) {
        w->kind = KIND_TEXT;
        w->cell_width = v->seq[SEQ_CLOCKING] & 1 ? 8 : 9;
        w->width = w->chars * w->cell_width;
        w->height = lines;
        return;
    }
    w->repeat = twice;
    if ((v->cr[0x17] & 3) == 3) /* rows of one address are equal lines */
        w->repeat *= w->cell_height;
    w->height = lines / w->repeat ? lines / w->repeat : 1;
    if (v->gr[GR_MODE] & 0x40) {
        w->kind = KIND_256;
        w->width = w->chars * 4;
    } else {
        w->kind = v->gr[GR_MODE] & 0x20 ? KIND_CGA : KIND_PLANAR;
        w->width = w->chars * 8;
    }
}

static void view_of(const struct vga *v, struct view *w)
{
    memset(w, 0, sizeof *w);
    w->repeat = 1;
    if (vbe_mode(v, &w->vbe)) {
        w->kind = KIND_VBE;
        w->width = w->vbe.width;
        w->height = w->vbe.height;
    } else {
        legacy_view(v, w);
    }
    if (!(v->ar_index & AR_PAS) || (w->kind != KIND_VBE && (v->seq[SEQ_CLOCKING] & 0x20)))
        w->kind = KIND_BLANK;
    if (w->width > VGA_MAX_WIDTH)
        w->width = VGA_MAX_WIDTH;
    if (w->height > VGA_MAX_HEIGHT)
        w->height = VGA_MAX_HEIGHT;
}

/* ---- colours ---- */

static uint32_t dac_color(const struct vga *v, uint8_t n)
{
    const uint8_t *const c = &v->dac[(n & v->dac_mask) * 3];
    return (uint32_t)c[0] << 16 | (uint32_t)c[1] << 8 | c[2];
}

static uint32_t color16(const struct vga *v, unsigned n)
{
    uint8_t c = v->ar[n & v->ar[AR_PLANES] & 15] & 63;
    if (v->ar[AR_MODE] & 0x80)
        c = (uint8_t)((c & 15) | (v->ar[AR_COLOR_SELECT] & 3) << 4);
    return dac_color(v, (uint8_t)(c | (v->ar[AR_COLOR_SELECT] & 12) << 4));
}

static void palette16(const struct vga *v, uint32_t pal[16])
{
    for (unsigned n = 0; n < 16; n++)
        pal[n] = color16(v, n);
}

static void palette256(const struct vga *v, uint32_t pal[256])
{
    for (unsigned n = 0; n < 256; n++)
        pal[n] = dac_color(v, (uint8_t)n);
}

/* ---- addresses ---- */

/* Memory address (within each plane) of a character clock. */
static const uint8_t *fetch(const struct vga *v, unsigned counter, unsigned row_scan)
{
    unsigned at = counter & 0xffff;
    if (v->cr[0x14] & 0x40)
        at = at << 2 | (at >> 14 & 3);
    else if (!(v->cr[0x17] & 0x40))
        at = at << 1 | (at >> (v->cr[0x17] & 0x20 ? 15 : 13) & 1);
    at &= 0xffff;
    if (!(v->cr[0x17] & 1))
        at = (at & ~0x2000u) | (row_scan & 1) << 13;
    if (!(v->cr[0x17] & 2))
        at = (at & ~0x4000u) | (row_scan >> 1 & 1) << 14;
    return v->vram + (size_t)at * 4;
}

static void beam_start(const struct vga *v, struct beam *b)
{
    *b = (struct beam){start_address(v), v->cr[8] & 31, v->ar[AR_PAN] & 15, false};
}

/* To the next scan line; `line` is the one just done. */
static void beam_next(const struct vga *v, struct beam *b, unsigned line)
{
    if (line == line_compare(v)) { /* the screen's lower part begins at address 0 */
        b->row_addr = b->row_scan = 0;
        b->second = false;
        if (v->ar[AR_MODE] & 0x20)
            b->pan = 0;
        return;
    }
    if ((v->cr[9] & 0x80) && !b->second) {
        b->second = true;
        return;
    }
    b->second = false;
    if (b->row_scan == row_height(v) - 1) {
        b->row_scan = 0;
        b->row_addr += v->cr[0x13] * 2u;
    } else {
        b->row_scan = (b->row_scan + 1) & 31;
    }
}

/* ---- text ---- */

struct text_look {
    uint32_t pal[16];
    size_t font[2];  /* address in plane 2; by attribute bit 3 */
    unsigned cursor; /* address */
    bool cursor_on, blink_off, blinks, lines9, underline;
};

static bool phase(const struct vga *v, unsigned frames)
{
    return clock_now(v->clock) / FRAME_NS / frames & 1;
}

static void text_look(const struct vga *v, struct text_look *t)
{
    const uint8_t s = v->seq[SEQ_FONT];
    palette16(v, t->pal);
    t->font[0] = (size_t)(s & 3) << 14 | (size_t)(s >> 4 & 1) << 13;
    t->font[1] = (size_t)(s >> 2 & 3) << 14 | (size_t)(s >> 5 & 1) << 13;
    t->cursor = (unsigned)v->cr[0x0e] << 8 | v->cr[0x0f];
    t->cursor_on = !(v->cr[0x0a] & 0x20) && !phase(v, 8);
    t->blinks = v->ar[AR_MODE] & 8;
    t->blink_off = phase(v, 16);
    t->lines9 = v->ar[AR_MODE] & 4;
    t->underline = v->ar[AR_MODE] & 2; /* monochrome attributes */
}

static uint32_t glyph_bits(const struct vga *v, const struct text_look *t, uint8_t ch, uint8_t attr,
                           unsigned row_scan, bool nine)
{
    const size_t at = t->font[attr >> 3 & 1] + ch * 32u + row_scan;
    uint32_t bits = v->vram[(at & 0xffff) * 4 + 2];
    if (nine)
        bits = bits << 1 | (t->lines9 && (ch & 0xe0) == 0xc0 ? bits & 1 : 0);
    return bits;
}

static void draw_text_line(const struct vga *v, const struct view *w, const struct text_look *t,
                           const struct beam *b, uint32_t *out)
{
    const bool nine = w->cell_width == 9;
    for (unsigned i = 0; i <= w->chars; i++) { /* one more, for panning */
        const unsigned addr = (b->row_addr + i) & 0xffff;
        const uint8_t *const cell = fetch(v, addr, b->row_scan);
        const uint8_t ch = cell[0], attr = cell[1];
        uint32_t bits = glyph_bits(v, t, ch, attr, b->row_scan, nine);
        uint32_t fg = t->pal[attr & 15], bg = t->pal[attr >> 4];
        if (t->blinks) {
            bg = t->pal[attr >> 4 & 7];
            if ((attr & 0x80) && t->blink_off)
                bits = 0;
        }
        if (t->underline && (attr & 7) == 1 && b->row_scan == (v->cr[0x14] & 31u))
            bits = 0x1ff;
        if (t->cursor_on && addr == (t->cursor & 0xffff) && b->row_scan >= (v->cr[0x0a] & 31u) &&
            b->row_scan <= (v->cr[0x0b] & 31u))
            bits = 0x1ff;
        for (unsigned x = 0; x < w->cell_width; x++)
            *out++ = bits >> (w->cell_width - 1 - x) & 1 ? fg : bg;
    }
}

static unsigned text_pan(const struct view *w, unsigned pan)
{
    if (w->cell_width == 9)
        return pan >= 8 ? 0 : pan + 1;
    return pan & 7;
}

/* ---- graphics ---- */

static void draw_planar_line(const struct vga *v, const struct view *w, const uint32_t pal[16],
                             const struct beam *b, uint32_t *out)
{
    for (unsigned i = 0; i <= w->chars; i++) {
        const uint8_t *const p = fetch(v, b->row_addr + i, b->row_scan);
        for (int bit = 7; bit >= 0; bit--)
            *out++ = pal[(p[0] >> bit & 1) | (p[1] >> bit & 1) << 1 | (p[2] >> bit & 1) << 2 |
                         (p[3] >> bit & 1) << 3];
    }
}

/* Shift registers interleaved: two bits of plane 0 (and 2) a pixel, then of plane 1 (and 3). */
static void draw_cga_line(const struct vga *v, const struct view *w, const uint32_t pal[16],
                          const struct beam *b, uint32_t *out)
{
    for (unsigned i = 0; i <= w->chars; i++) {
        const uint8_t *const p = fetch(v, b->row_addr + i, b->row_scan);
        for (unsigned half = 0; half < 2; half++) {
            for (int bit = 6; bit >= 0; bit -= 2)
                *out++ = pal[(p[half] >> bit & 3) | (p[half + 2] >> bit & 3) << 2];
        }
    }
}

static void draw_256_line(const struct vga *v, const struct view *w, const uint32_t pal[256],
                          const struct beam *b, uint32_t *out)
{
    for (unsigned i = 0; i <= w->chars; i++) {
        const uint8_t *const p = fetch(v, b->row_addr + i, b->row_scan);
        for (unsigned n = 0; n < 4; n++)
            *out++ = pal[p[n]];
    }
}

static void render_legacy(const struct vga *v, const struct view *w, uint32_t *xrgb, size_t stride)
{
    uint32_t line[256 * 9 + 16], pal[256];
    struct text_look look;
    struct beam b;
    beam_start(v, &b);
    if (w->kind == KIND_TEXT)
        text_look(v, &look);
    else if (w->kind == KIND_256)
        palette256(v, pal);
    else
        palette16(v, pal);
    for (unsigned s = 0; s < w->height * w->repeat; s++) {
        if (s % w->repeat == 0) {
            unsigned pan = b.pan & 7;
            if (w->kind == KIND_TEXT) {
                draw_text_line(v, w, &look, &b, line);
                pan = text_pan(w, b.pan);
            } else if (w->kind == KIND_256) {
                draw_256_line(v, w, pal, &b, line);
                pan = b.pan >> 1 & 3;
            } else if (w->kind == KIND_CGA) {
                draw_cga_line(v, w, pal, &b, line);
            } else {
                draw_planar_line(v, w, pal, &b, line);
            }
            memcpy(xrgb + s / w->repeat * stride, line + pan, w->width * sizeof *xrgb);
        }
        beam_next(v, &b, s);
    }
}

/* ---- linear ---- */

static uint32_t spread(unsigned value, unsigned bits)
{
    return value << (8 - bits) | value >> (2 * bits - 8);
}

static void vbe_row(const struct vga *v, const struct vbe_mode *m, const uint32_t *pal,
                    const uint8_t *p, uint32_t *out)
{
    for (unsigned x = 0; x < m->width; x++) {
        uint16_t w;
        switch (m->bpp) {
        case 8:
            out[x] = pal[p[x]];
            break;
        case 15:
            memcpy(&w, p + 2 * x, 2);
            out[x] = spread(w >> 10 & 31, 5) << 16 | spread(w >> 5 & 31, 5) << 8 |
                     spread(w & 31, 5);
            break;
        case 16:
            memcpy(&w, p + 2 * x, 2);
            out[x] = spread(w >> 11, 5) << 16 | spread(w >> 5 & 63, 6) << 8 | spread(w & 31, 5);
            break;
        case 24:
            out[x] = (uint32_t)p[3 * x + 2] << 16 | (uint32_t)p[3 * x + 1] << 8 | p[3 * x];
            break;
        default:
            memcpy(&out[x], p + 4 * x, 4);
            out[x] &= 0xffffff;
            break;
        }
    }
    (void)v;
}

static void vbe_planar_row(const struct vga *v, const struct vbe_mode *m, const uint32_t *pal,
                           size_t at, uint32_t *out)
{
    const unsigned first = v->vbe[VBE_X_OFFSET] & 7;
    for (unsigned x = 0; x < m->width; x++) {
        const uint8_t *const p = v->vram + ((at + (first + x) / 8) & (VGA_VRAM_SIZE / 4 - 1)) * 4;
        const unsigned bit = 7 - ((first + x) & 7);
        out[x] = pal[(p[0] >> bit & 1) | (p[1] >> bit & 1) << 1 | (p[2] >> bit & 1) << 2 |
                     (p[3] >> bit & 1) << 3];
    }
}

static void render_vbe(const struct vga *v, const struct vbe_mode *m, uint32_t *xrgb, size_t stride)
{
    uint32_t pal[256];
    if (m->bpp == 4)
        palette16(v, pal);
    else
        palette256(v, pal);
    for (unsigned y = 0; y < m->height; y++) {
        const size_t at = m->start + m->pitch * y;
        if (m->bpp == 4)
            vbe_planar_row(v, m, pal, at, xrgb + y * stride);
        else
            vbe_row(v, m, pal, v->vram + at, xrgb + y * stride);
    }
}

/* ---- the outside ---- */

void vga_size(const struct vga *v, unsigned *width, unsigned *height)
{
    struct view w;
    view_of(v, &w);
    *width = w.width;
    *height = w.height;
}

void vga_render(const struct vga *v, uint32_t *xrgb, size_t stride)
{
    struct view w;
    view_of(v, &w);
    if (w.kind == KIND_VBE) {
        render_vbe(v, &w.vbe, xrgb, stride);
    } else if (w.kind == KIND_BLANK) {
        for (unsigned y = 0; y < w.height; y++)
            memset(xrgb + y * stride, 0, w.width * sizeof *xrgb);
    } else {
        render_legacy(v, &w, xrgb, stride);
    }
}

bool vga_text(const struct vga *v, struct vga_text *t)
{
    struct view w;
    view_of(v, &w);
    memset(t, 0, sizeof *t);
    t->cursor_col = t->cursor_row = -1;
    if (w.kind != KIND_TEXT)
        return false;
    struct beam b;
    beam_start(v, &b);
    const unsigned cursor = (unsigned)v->cr[0x0e] << 8 | v->cr[0x0f];
    palette16(v, t->palette);
    t->cols = w.chars;
    for (unsigned s = 0; s < w.height; s++) {
        const bool fresh = s == 0 || (b.row_scan == 0 && !b.second);
        if (fresh && t->rows < VGA_TEXT_ROWS) {
            for (unsigned i = 0; i < w.chars; i++) {
                const uint8_t *const c = fetch(v, b.row_addr + i, 0);
                t->cell[t->rows][i] = (uint16_t)(c[0] | c[1] << 8);
                if (((b.row_addr + i) & 0xffff) == cursor && !(v->cr[0x0a] & 0x20)) {
                    t->cursor_col = (int)i;
                    t->cursor_row = (int)t->rows;
                }
            }
            t->rows++;
        }
        beam_next(v, &b, s);
    }
    return true;
}
