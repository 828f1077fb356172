/*
 * frontends/curses/curses.c: the display's text modes in a terminal by ncurses.
 *
 * Characters of code page 437 are shown in Unicode, colours by the 16 of the terminal. Letters that
 * are typed become the keys of a US keyboard that give them. Ctrl-A x leaves, Ctrl-A a sends
 * Ctrl-A.
 * Not modelled: mouse, keys that a terminal does not tell (key releases, lone modifiers), blinking.
 */
#include "frontends/display.h"

#ifdef HAVE_CURSES

#define _XOPEN_SOURCE_EXTENDED 1
#include <curses.h>
#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include "devices/video/vga.h"
#include "frontends/curses/keys.h"
#include "machine/machine.h"

#define LEAVE_PREFIX 1 /* Ctrl-A */

struct display {
    struct machine *machine;
    SCREEN *screen;
    bool prefix;   /* Ctrl-A came */
    bool graphics; /* said that there is nothing to see */
    unsigned cols, rows;
    struct vga_text text;
};

/* The nearest of the terminal's eight colours and brightness to a VGA attribute's. */
static short color_of(unsigned n)
{
    static const short ansi[8] = {COLOR_BLACK, COLOR_BLUE,    COLOR_GREEN,  COLOR_CYAN,
                                  COLOR_RED,   COLOR_MAGENTA, COLOR_YELLOW, COLOR_WHITE};
    return ansi[n & 7];
}

static void draw_cell(const struct vga_text *t, unsigned y, unsigned x)
{
    const uint8_t ch = (uint8_t)t->cell[y][x], attr = (uint8_t)(t->cell[y][x] >> 8);
    const wchar_t text[2] = {ch ? vga_unicode(ch) : L' ', 0};
    const short pair = (short)((attr & 7) << 3 | (attr >> 4 & 7));
    cchar_t c;
    setcchar(&c, text, attr & 8 ? A_BOLD : A_NORMAL, has_colors() ? pair : 0, NULL);
    mvadd_wch((int)y, (int)x, &c);
}

static void draw(struct display *d)
{
    struct vga_text *const t = &d->text;
    const bool is_text = vga_text(machine_vga(d->machine), t);
    if (!is_text || t->cols != d->cols || t->rows != d->rows) {
        if (is_text || !d->graphics)
            erase();
        d->cols = t->cols;
        d->rows = t->rows;
    }
    if (!is_text) {
        unsigned w, h;
        vga_size(machine_vga(d->machine), &w, &h);
        mvprintw(0, 0, "[graphics, %u x %u: see it with --display=window]", w, h);
        d->graphics = true;
    } else {
        d->graphics = false;
        for (unsigned y = 0; y < t->rows && (int)y < LINES; y++) {
            for (unsigned x = 0; x < t->cols && (int)x < COLS; x++)
                draw_cell(t, y, x);
        }
    }
    const bool cursor = is_text && t->cursor_row >= 0 && t->cursor_row < LINES &&
                        t->cursor_col < COLS;
    curs_set(cursor);
    if (cursor)
        move(t->cursor_row, t->cursor_col);
    refresh();
}

static void press(struct display *d, struct terminal_key k)
{
    static const uint8_t modifier[3] = {0xe1, 0xe0, 0xe2}; /* shift, ctrl, alt */
    if (!k.usage)
        return;
    for (unsigned i = 0; i < 3; i++) {
        if (k.modifiers >> i & 1)
            display_key(d->machine, modifier[i], true);
    }
    display_key(d->machine, k.usage, true);
    display_key(d->machine, k.usage, false);
    for (unsigned i = 0; i < 3; i++) {
        if (k.modifiers >> i & 1)
            display_key(d->machine, modifier[i], false);
    }
}

static struct terminal_key special_key(int code)
{
    static const struct {
        int code;
        uint8_t usage;
    } keys[] = {
        {KEY_UP, 0x52},        {KEY_DOWN, 0x51}, {KEY_LEFT, 0x50},  {KEY_RIGHT, 0x4f},
        {KEY_HOME, 0x4a},      {KEY_END, 0x4d},  {KEY_PPAGE, 0x4b}, {KEY_NPAGE, 0x4e},
        {KEY_IC, 0x49},        {KEY_DC, 0x4c},   {KEY_ENTER, 0x28}, {KEY_PRINT, 0x46},
        {KEY_BACKSPACE, 0x2a}, {KEY_BTAB, 0x2b},
    };
    for (unsigned i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (keys[i].code == code)
            return (struct terminal_key){keys[i].usage, code == KEY_BTAB ? TERMINAL_SHIFT : 0};
    }
    if (code >= KEY_F(1) && code <= KEY_F(12))
        return (struct terminal_key){(uint8_t)(0x3a + code - KEY_F(1)), 0};
    return (struct terminal_key){0, 0};
}

/* One character from the terminal; false: leave. */
static bool on_char(struct display *d, int c)
{
    if (d->prefix) {
        d->prefix = false;
        if (c == 'x' || c == 'X')
            return false;
    } else if (c == LEAVE_PREFIX) {
        d->prefix = true;
        return true;
    }
    if (c == 27) { /* a lone Esc, or Alt and a key */
        const int next = getch();
        struct terminal_key k = next > 0 && next < 256 ? terminal_key_of(next)
                                                       : terminal_key_of(27);
        if (next > 0 && next < 256)
            k.modifiers |= TERMINAL_ALT;
        press(d, k);
        return true;
    }
    press(d, c < 256 ? terminal_key_of(c) : special_key(c));
    return true;
}

static bool curses_poll(struct display *d)
{
    for (int c; (c = getch()) != ERR;) {
        if (c == KEY_RESIZE)
            clear();
        else if (!on_char(d, c))
            return false;
    }
    draw(d);
    return true;
}

static void curses_close(struct display *d)
{
    if (!d)
        return;
    if (d->screen) {
        endwin();
        delscreen(d->screen);
    }
    free(d);
}

static struct display *curses_open(struct machine *m, struct err *err)
{
    struct display *const d = calloc(1, sizeof *d);
    if (!d) {
        err_set(err, "E-MACH-002", -ENOMEM, "text screen");
        return NULL;
    }
    d->machine = m;
    setlocale(LC_CTYPE, "");
    if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
        d->screen = newterm(NULL, stdout, stdin);
    if (!d->screen) {
        err_set(err, "E-DISP-003", -ENOTTY, "--display=text: no terminal%s",
                isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) ? " that ncurses knows" : "");
        err_hint(err, "run it in a terminal with TERM set, or use --screenshot=FILE.png");
        curses_close(d);
        return NULL;
    }
    raw();
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    set_escdelay(25);
    if (has_colors()) {
        start_color();
        for (short i = 1; i < 64 && i < COLOR_PAIRS; i++)
            init_pair(i, color_of((unsigned)i >> 3), color_of((unsigned)i & 7));
    }
    return d;
}

const struct display_ops display_text = {"text", true, curses_open, curses_poll, curses_close};

#else

#include <errno.h>
#include <stddef.h>

static struct display *curses_open(struct machine *m, struct err *err)
{
    (void)m;
    err_set(err, "E-CLI-007", -ENOSYS, "--display=text: built without ncurses");
    err_hint(err, "apt-get install libncurses-dev, and configure and build again");
    return NULL;
}

const struct display_ops display_text = {"text", true, curses_open, NULL, NULL};

#endif
