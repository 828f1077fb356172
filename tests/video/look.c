/*
 * tests/video/look.c: reads a PNG file as the screenshots have it (8-bit RGB, no filter) and says
 * what is in it:
 *   look text FILE      characters of the machine's own font, line by line, `?` where none fits
 *   look cells FILE     exit 0 when every pixel of guest 1's text is as it must be
 *   look picture FILE   the same for guest 2's picture
 *   look size FILE      width, height, number of colours (at most 999)
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "devices/video/vga.h"
#include "lib/bytes.h"
#include "tests/video/picture.h"

static unsigned width, height;
static uint8_t *rows;

static int fail(const char *what)
{
    fprintf(stderr, "look: %s\n", what);
    exit(1);
}

static void read_png(const char *path)
{
    static uint8_t file[32 << 20];
    FILE *f = fopen(path, "rb");
    const size_t len = f ? fread(file, 1, sizeof file, f) : 0;
    if (len < 57 || memcmp(file, "\x89PNG\r\n\x1a\n", 8) || memcmp(file + 12, "IHDR", 4))
        fail("no PNG file");
    width = get_be32(file + 16);
    height = get_be32(file + 20);
    if (memcmp(file + 24, "\x08\x02\x00\x00\x00", 5) || memcmp(file + 37, "IDAT", 4))
        fail("not as it is written here");
    uLongf got = (uLongf)(width * 3 + 1) * height;
    const uLongf wanted = got;
    rows = malloc(got);
    if (uncompress(rows, &got, file + 41, get_be32(file + 33)) != Z_OK || got != wanted)
        fail("bad data");
}

static uint32_t pixel(unsigned x, unsigned y)
{
    const uint8_t *p = rows + y * (width * 3 + 1) + 1 + x * 3;
    return (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
}

/* Colours of the IBM PC's sixteen attributes. */
static uint32_t color(unsigned n)
{
    if (n == 6)
        return 0xaa5500;
    const uint32_t low = n & 8 ? 0x55 : 0, high = n & 8 ? 0xff : 0xaa;
    return (n & 4 ? high : low) << 16 | (n & 2 ? high : low) << 8 | (n & 1 ? high : low);
}

static bool cell_is(uint8_t font[256][16], unsigned ch, unsigned col, unsigned row, uint32_t fg,
                    uint32_t bg)
{
    for (unsigned y = 0; y < 16; y++) {
        for (unsigned x = 0; x < 9; x++) {
            const bool on = x < 8 ? font[ch][y] >> (7 - x) & 1
                                  : (ch & 0xe0) == 0xc0 && (font[ch][y] & 1);
            if (pixel(col * 9 + x, row * 16 + y) != (on ? fg : bg))
                return false;
        }
    }
    return true;
}

static int look_cells(uint8_t font[256][16])
{
    if (width != 720 || height != 400)
        fail("not 720 x 400");
    for (unsigned row = 0; row < TEXT_LINES; row++) {
        for (unsigned col = 0; col < 80; col++) {
            const unsigned a = ATTRIBUTE(row, col);
            if (!cell_is(font, TEXT(row, col), col, row, color(a & 15), color(a >> 4)))
                return fprintf(stderr, "look: row %u, column %u\n", row, col), 1;
        }
    }
    return 0;
}

static int look_picture(void)
{
    if (width != PICTURE_WIDTH || height != PICTURE_HEIGHT)
        fail("not the size of the picture");
    for (unsigned y = 0; y < height; y++) {
        for (unsigned x = 0; x < width; x++) {
            if (pixel(x, y) != (uint32_t)PICTURE(x, y))
                return fprintf(stderr, "look: pixel %u, %u is %06x\n", x, y, pixel(x, y)), 1;
        }
    }
    return 0;
}

/* Any two colours in a cell do. */
static int find_char(uint8_t font[256][16], unsigned col, unsigned row)
{
    const uint32_t bg = pixel(col * 9 + 8, row * 16);
    uint32_t fg = bg;
    for (unsigned y = 0; y < 16 && fg == bg; y++) {
        for (unsigned x = 0; x < 8 && fg == bg; x++)
            fg = pixel(col * 9 + x, row * 16 + y);
    }
    for (int ch = 32; fg != bg && ch < 127; ch++) {
        if (cell_is(font, (unsigned)ch, col, row, fg, bg))
            return ch;
    }
    return fg == bg ? ' ' : '?';
}

static int look_text(uint8_t font[256][16])
{
    for (unsigned row = 0; row < height / 16; row++) {
        for (unsigned col = 0; col < width / 9; col++)
            putchar(find_char(font, col, row));
        putchar('\n');
    }
    return 0;
}

static int look_size(void)
{
    static uint32_t seen[999];
    unsigned n = 0;
    for (unsigned i = 0; i < width * height && n < 999; i++) {
        const uint32_t c = pixel(i % width, i / width);
        unsigned k = 0;
        while (k < n && seen[k] != c)
            k++;
        if (k == n)
            seen[n++] = c;
    }
    printf("%u %u %u\n", width, height, n);
    return 0;
}

int main(int argc, char **argv)
{
    static uint8_t font[256][16];
    if (argc != 3)
        return 2;
    read_png(argv[2]);
    vga_font(font);
    if (!strcmp(argv[1], "text"))
        return look_text(font);
    if (!strcmp(argv[1], "cells"))
        return look_cells(font);
    if (!strcmp(argv[1], "picture"))
        return look_picture();
    return look_size();
}
