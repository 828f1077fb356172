/*
 * devices/video/font.c: our 8 x 16 font for text modes, and code page 437 in Unicode.
 *
 * Letters come from font.def: the rows of the grid are stretched to the ten lines above the base
 * line, its columns to seven. Accents, box lines and blocks are made by rule.
 */
#include <string.h>

#include "devices/video/vga_int.h"

#define GRID_COLS 5
#define GRID_ROWS 9 /* 7 above the base line */

struct glyph {
    uint8_t code;
    const char *rows;
};
static const struct glyph glyphs[] = {
#define GLYPH(code, rows) {code, rows},
#include "devices/video/font.def"
#undef GLYPH
};

enum accent { GRA, ACU, CIR, DIA, RING, TIL, CED };
static const char *const accents[] = {
    [GRA] = ".#..."
            "..#..",
    [ACU] = "...#."
            "..#..",
    [CIR] = "..#.."
            "##.##",
    [DIA] = ".#.#."
            ".....",
    [RING] = "..#.."
             ".#.#.",
    [TIL] = ".##.#"
            "#.##.",
    [CED] = "..#.."
            "##...",
};
static const struct {
    uint8_t code;
    char base;
    uint8_t accent;
} accented[] = {
    {0x80, 'C', CED},  {0x81, 'u', DIA},  {0x82, 'e', ACU}, {0x83, 'a', CIR}, {0x84, 'a', DIA},
    {0x85, 'a', GRA},  {0x86, 'a', RING}, {0x87, 'c', CED}, {0x88, 'e', CIR}, {0x89, 'e', DIA},
    {0x8a, 'e', GRA},  {0x8b, 'i', DIA},  {0x8c, 'i', CIR}, {0x8d, 'i', GRA}, {0x8e, 'A', DIA},
    {0x8f, 'A', RING}, {0x90, 'E', ACU},  {0x93, 'o', CIR}, {0x94, 'o', DIA}, {0x95, 'o', GRA},
    {0x96, 'u', CIR},  {0x97, 'u', GRA},  {0x98, 'y', DIA}, {0x99, 'O', DIA}, {0x9a, 'U', DIA},
    {0xa0, 'a', ACU},  {0xa1, 'i', ACU},  {0xa2, 'o', ACU}, {0xa3, 'u', ACU}, {0xa4, 'n', TIL},
    {0xa5, 'N', TIL},
};

/* Box lines B3-DA: strokes up, right, down, left: 0 none, 1 single, 2 double. */
static const char boxes[][5] = {
    "1010", "1011", "1012", "2021", "0021", "0012", "2022", "2020", "0022", "2002",
    "2001", "1002", "0011", "1100", "1101", "0111", "1110", "0101", "1111", "1210",
    "2120", "2200", "0220", "2202", "0222", "2220", "0202", "2222", "1202", "2101",
    "0212", "0121", "2100", "1200", "0210", "0120", "2121", "1212", "1001", "0110",
};

static const uint16_t unicode_low[] = {
    0x0020, 0x263a, 0x263b, 0x2665, 0x2666, 0x2663, 0x2660, 0x2022, 0x25d8, 0x25cb, 0x25d9,
    0x2642, 0x2640, 0x266a, 0x266b, 0x263c, 0x25ba, 0x25c4, 0x2195, 0x203c, 0x00b6, 0x00a7,
    0x25ac, 0x21a8, 0x2191, 0x2193, 0x2192, 0x2190, 0x221f, 0x2194, 0x25b2, 0x25bc,
};
static const uint16_t unicode_high[] = {
    0x00c7, 0x00fc, 0x00e9, 0x00e2, 0x00e4, 0x00e0, 0x00e5, 0x00e7, 0x00ea, 0x00eb, 0x00e8, 0x00ef,
    0x00ee, 0x00ec, 0x00c4, 0x00c5, 0x00c9, 0x00e6, 0x00c6, 0x00f4, 0x00f6, 0x00f2, 0x00fb, 0x00f9,
    0x00ff, 0x00d6, 0x00dc, 0x00a2, 0x00a3, 0x00a5, 0x20a7, 0x0192, 0x00e1, 0x00ed, 0x00f3, 0x00fa,
    0x00f1, 0x00d1, 0x00aa, 0x00ba, 0x00bf, 0x2310, 0x00ac, 0x00bd, 0x00bc, 0x00a1, 0x00ab, 0x00bb,
    0x2591, 0x2592, 0x2593, 0x2502, 0x2524, 0x2561, 0x2562, 0x2556, 0x2555, 0x2563, 0x2551, 0x2557,
    0x255d, 0x255c, 0x255b, 0x2510, 0x2514, 0x2534, 0x252c, 0x251c, 0x2500, 0x253c, 0x255e, 0x255f,
    0x255a, 0x2554, 0x2569, 0x2566, 0x2560, 0x2550, 0x256c, 0x2567, 0x2568, 0x2564, 0x2565, 0x2559,
    0x2558, 0x2552, 0x2553, 0x256b, 0x256a, 0x2518, 0x250c, 0x2588, 0x2584, 0x258c, 0x2590, 0x2580,
    0x03b1, 0x00df, 0x0393, 0x03c0, 0x03a3, 0x03c3, 0x00b5, 0x03c4, 0x03a6, 0x0398, 0x03a9, 0x03b4,
    0x221e, 0x03c6, 0x03b5, 0x2229, 0x2261, 0x00b1, 0x2265, 0x2264, 0x2320, 0x2321, 0x00f7, 0x2248,
    0x00b0, 0x2219, 0x00b7, 0x221a, 0x207f, 0x00b2, 0x25a0, 0x00a0,
};

/* The grid stretched: one of its columns and rows for each pixel. */
static void stretch(const char *grid, uint8_t out[16])
{
    static const uint8_t col[7] = {0, 1, 1, 2, 3, 3, 4};
    static const uint8_t row[12] = {0, 1, 1, 2, 3, 3, 4, 5, 5, 6, 7, 8};
    for (unsigned y = 0; y < sizeof row; y++) {
        for (unsigned x = 0; x < sizeof col; x++) {
            if (grid[row[y] * GRID_COLS + col[x]] == '#')
                out[y + 2] |= (uint8_t)(0x80 >> x);
        }
    }
}

static bool grid_of(uint8_t code, char grid[GRID_COLS * GRID_ROWS])
{
    for (unsigned i = 0; i < sizeof glyphs / sizeof glyphs[0]; i++) {
        if (glyphs[i].code != code)
            continue;
        memset(grid, '.', GRID_COLS * GRID_ROWS);
        memcpy(grid, glyphs[i].rows, strlen(glyphs[i].rows));
        return true;
    }
    return false;
}

/* Capitals make room: their rows 1 and 4 go. */
static void put_accent(char *grid, char base, enum accent a)
{
    static const uint8_t kept[5] = {0, 2, 3, 5, 6};
    if (a == CED) {
        memcpy(grid + 7 * GRID_COLS, accents[a], 2 * GRID_COLS);
        return;
    }
    if (base < 'a') {
        char small[5 * GRID_COLS];
        for (unsigned i = 0; i < 5; i++)
            memcpy(small + i * GRID_COLS, grid + kept[i] * GRID_COLS, GRID_COLS);
        memcpy(grid + 2 * GRID_COLS, small, sizeof small);
    }
    memcpy(grid, accents[a], 2 * GRID_COLS);
}

static void fill(uint8_t out[16], unsigned x, unsigned y, unsigned w, unsigned h)
{
    for (unsigned j = y; j < y + h; j++)
        out[j] |= (uint8_t)((0xff00 >> w & 0xff) >> x);
}

/* Strokes run to the middle and over it, so that they join. */
static void draw_box(const char *strokes, uint8_t out[16])
{
    static const uint8_t vertical[3][2] = {{0, 0}, {3, 3}, {2, 5}},
                         horizontal[3][2] = {{0, 0}, {7, 7}, {6, 9}};
    for (unsigned k = 0; k < 2; k++) {
        if (strokes[0] > '0')
            fill(out, vertical[strokes[0] - '0'][k], 0, 1, 8);
        if (strokes[1] > '0')
            fill(out, 3, horizontal[strokes[1] - '0'][k], 5, 1);
        if (strokes[2] > '0')
            fill(out, vertical[strokes[2] - '0'][k], 7, 1, 9);
        if (strokes[3] > '0')
            fill(out, 0, horizontal[strokes[3] - '0'][k], 4, 1);
    }
}

static void draw_blocks(uint8_t font[256][16])
{
    static const uint8_t shade[3][2] = {{0x22, 0x88}, {0x55, 0xaa}, {0xdd, 0x77}};
    for (unsigned n = 0; n < 3; n++) {
        for (unsigned y = 0; y < 16; y++)
            font[0xb0 + n][y] = shade[n][y & 1];
    }
    fill(font[0xdb], 0, 0, 8, 16);
    fill(font[0xdc], 0, 8, 8, 8);
    fill(font[0xdd], 0, 0, 4, 16);
    fill(font[0xde], 4, 0, 4, 16);
    fill(font[0xdf], 0, 0, 8, 8);
}

void vga_font(uint8_t font[256][16])
{
    char grid[GRID_COLS * GRID_ROWS];
    memset(font, 0, 256 * 16);
    for (unsigned i = 0; i < sizeof glyphs / sizeof glyphs[0]; i++) {
        if (grid_of(glyphs[i].code, grid))
            stretch(grid, font[glyphs[i].code]);
    }
    for (unsigned i = 0; i < sizeof accented / sizeof accented[0]; i++) {
        if (!grid_of((uint8_t)accented[i].base, grid))
            continue;
        put_accent(grid, accented[i].base, accented[i].accent);
        stretch(grid, font[accented[i].code]);
    }
    for (unsigned i = 0; i < sizeof boxes / sizeof boxes[0]; i++)
        draw_box(boxes[i], font[0xb3 + i]);
    draw_blocks(font);
}

uint16_t vga_unicode(uint8_t ch)
{
    if (ch < 0x20)
        return unicode_low[ch];
    if (ch == 0x7f)
        return 0x2302;
    return ch < 0x80 ? ch : unicode_high[ch - 0x80];
}
