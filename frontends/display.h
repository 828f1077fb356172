/*
 * frontends/display.h: a live view of the machine's display with keyboard and mouse: a window or a
 * text screen. Each looks at the machine between slices, at the pace of the host, and feeds keys
 * through core/input.h; so it never changes what a machine does without input.
 */
#ifndef FRONTENDS_DISPLAY_H
#define FRONTENDS_DISPLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"

struct display; /* its owner's */
struct machine;

struct display_ops {
    const char *name; /* as --display has it */
    bool owns_terminal;
    /* NULL with *err set, E-DISP-*: not built in, or no display server or terminal */
    struct display *(*open)(struct machine *m, struct err *err);
    /* Draw and hand on input; false: the user closed it. */
    bool (*poll)(struct display *d);
    void (*close)(struct display *d);
};

extern const struct display_ops display_window; /* frontends/sdl */
extern const struct display_ops display_text;   /* frontends/curses */

#define DISPLAY_REFRESH_NS 16666667ull

/* Input as the sinks "keyboard" and "mouse" take it (devices/chipset/chipset.h). */
void display_key(struct machine *m, uint8_t usage, bool down);
void display_mouse(struct machine *m, uint8_t buttons, int dx, int dy_up, int dz);

#endif
