/*
 * frontends/sdl/sdl.c: the machine's display in a window by SDL2.
 *
 * Keys go by position (SDL's scancodes are the usages of the HID keyboard page), so the guest's own
 * keyboard layout applies. A click into the window gives the mouse to the guest, Ctrl+Alt+G takes
 * it back. The picture is scaled to the window with its proportions kept.
 * Not modelled: clipboard, full-screen switching, absolute pointers, sound.
 */
#include "frontends/display.h"

#ifdef HAVE_SDL

#include <SDL.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/video/vga.h"
#include "machine/machine.h"

#define TITLE_FREE  "Vitrine: click to use the mouse in the guest"
#define TITLE_GRAB  "Vitrine: Ctrl+Alt+G gives the mouse back"
#define SMALLEST    640
#define USAGE_COUNT 0xe8

static struct {
#define SDL_CALL(name) __typeof__(&SDL_##name) name;
#include "frontends/sdl/functions.def"
#undef SDL_CALL
} sdl;

struct display {
    struct machine *machine;
    SDL_Window *window;
    SDL_Renderer *renderer;
    SDL_Texture *texture;
    uint32_t *pixels, *shown; /* the new picture, and what the texture has */
    unsigned width, height;
    bool grabbed, closed, stale;
    uint8_t down[USAGE_COUNT];
    uint8_t buttons;
};

static void set_grab(struct display *d, bool on)
{
    d->grabbed = on && sdl.SetRelativeMouseMode(SDL_TRUE) == 0;
    if (!d->grabbed)
        sdl.SetRelativeMouseMode(SDL_FALSE);
    sdl.SetWindowTitle(d->window, d->grabbed ? TITLE_GRAB : TITLE_FREE);
}

static void send_key(struct display *d, unsigned usage, bool down)
{
    if (usage >= USAGE_COUNT || d->down[usage] == down)
        return; /* also the host's repeats: the guest's keyboard repeats by itself */
    d->down[usage] = down;
    display_key(d->machine, (uint8_t)usage, down);
}

/* The window does not see keys go up while another has the keyboard. */
static void release_all(struct display *d)
{
    for (unsigned usage = 0; usage < USAGE_COUNT; usage++)
        send_key(d, usage, false);
    set_grab(d, false);
}

static void on_key(struct display *d, const SDL_KeyboardEvent *e)
{
    const SDL_Keymod mod = sdl.GetModState();
    const bool down = e->type == SDL_KEYDOWN;
    if (down && e->keysym.scancode == SDL_SCANCODE_G && (mod & KMOD_CTRL) && (mod & KMOD_ALT)) {
        set_grab(d, !d->grabbed);
        return;
    }
    send_key(d, (unsigned)e->keysym.scancode, down);
}

static void on_button(struct display *d, const SDL_MouseButtonEvent *e)
{
    static const uint8_t bits[6] = {0, 1, 4, 2, 8, 16}; /* left, middle, right, X1, X2 */
    const bool down = e->type == SDL_MOUSEBUTTONDOWN;
    if (!d->grabbed) {
        if (down && e->button == SDL_BUTTON_LEFT)
            set_grab(d, true);
        return;
    }
    const uint8_t bit = e->button < sizeof bits ? bits[e->button] : 0;
    d->buttons = (uint8_t)(down ? d->buttons | bit : d->buttons & ~bit);
    display_mouse(d->machine, d->buttons, 0, 0, 0);
}

static void on_event(struct display *d, const SDL_Event *e)
{
    switch (e->type) {
    case SDL_QUIT:
        d->closed = true;
        break;
    case SDL_KEYDOWN:
    case SDL_KEYUP:
        on_key(d, &e->key);
        break;
    case SDL_MOUSEBUTTONDOWN:
    case SDL_MOUSEBUTTONUP:
        on_button(d, &e->button);
        break;
    case SDL_MOUSEMOTION:
        if (d->grabbed)
            display_mouse(d->machine, d->buttons, e->motion.xrel, -e->motion.yrel, 0);
        break;
    case SDL_MOUSEWHEEL:
        if (d->grabbed)
            display_mouse(d->machine, d->buttons, 0, 0, -e->wheel.y);
        break;
    case SDL_WINDOWEVENT:
        if (e->window.event == SDL_WINDOWEVENT_FOCUS_LOST)
            release_all(d);
        d->stale = true;
        break;
    default:
        break;
    }
}

/* A new mode: new buffers, and a window of that size unless the user made it another. */
static bool set_size(struct display *d, unsigned w, unsigned h)
{
    free(d->pixels);
    free(d->shown);
    if (d->texture)
        sdl.DestroyTexture(d->texture);
    d->pixels = calloc((size_t)w * h, sizeof *d->pixels);
    d->shown = calloc((size_t)w * h, sizeof *d->shown);
    d->texture = sdl.CreateTexture(d->renderer, SDL_PIXELFORMAT_ARGB8888,
                                   SDL_TEXTUREACCESS_STREAMING, (int)w, (int)h);
    d->width = w;
    d->height = h;
    d->stale = true;
    if (!d->pixels || !d->shown || !d->texture)
        return false;
    const unsigned zoom = w < SMALLEST ? 2 : 1;
    if (!(sdl.GetWindowFlags(d->window) & (SDL_WINDOW_MAXIMIZED | SDL_WINDOW_FULLSCREEN)))
        sdl.SetWindowSize(d->window, (int)(w * zoom), (int)(h * zoom));
    sdl.RenderSetLogicalSize(d->renderer, (int)w, (int)h);
    return true;
}

static bool draw(struct display *d)
{
    const struct vga *const v = machine_vga(d->machine);
    unsigned w, h;
    vga_size(v, &w, &h);
    if ((w != d->width || h != d->height) && !set_size(d, w, h))
        return false;
    vga_render(v, d->pixels, w);
    const size_t bytes = (size_t)w * h * sizeof *d->pixels;
    if (!d->stale && memcmp(d->pixels, d->shown, bytes) == 0)
        return true;
    uint32_t *const swap = d->shown;
    d->shown = d->pixels;
    d->pixels = swap;
    d->stale = false;
    sdl.UpdateTexture(d->texture, NULL, d->shown, (int)(w * sizeof *d->shown));
    sdl.RenderClear(d->renderer);
    sdl.RenderCopy(d->renderer, d->texture, NULL, NULL);
    sdl.RenderPresent(d->renderer);
    return true;
}

static bool sdl_poll(struct display *d)
{
    SDL_Event e;
    while (sdl.PollEvent(&e))
        on_event(d, &e);
    return draw(d) && !d->closed;
}

static void sdl_close(struct display *d)
{
    if (!d)
        return;
    if (d->texture)
        sdl.DestroyTexture(d->texture);
    if (d->renderer)
        sdl.DestroyRenderer(d->renderer);
    if (d->window)
        sdl.DestroyWindow(d->window);
    sdl.QuitSubSystem(SDL_INIT_VIDEO);
    sdl.Quit();
    free(d->pixels);
    free(d->shown);
    free(d);
}

/* The library is looked up when a window is wanted: linked in, it would slow down every start. */
static int load_library(struct err *err)
{
    static const struct {
        const char *name;
        void **to;
    } symbols[] = {
#define SDL_CALL(name) {"SDL_" #name, (void **)&sdl.name},
#include "frontends/sdl/functions.def"
#undef SDL_CALL
    };
    void *const lib = dlopen("libSDL2-2.0.so.0", RTLD_NOW | RTLD_LOCAL);
    if (!lib) {
        err_set(err, "E-DISP-002", -ENOENT, "no window: %s", dlerror());
        return err_hint(err, "apt-get install libsdl2-2.0-0");
    }
    for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++) {
        *symbols[i].to = dlsym(lib, symbols[i].name);
        if (!*symbols[i].to)
            return err_set(err, "E-DISP-002", -ENOSYS, "no window: libSDL2 has no %s",
                           symbols[i].name);
    }
    return 0;
}

static struct display *fail(struct display *d, struct err *err)
{
    err_set(err, "E-DISP-002", -ENODEV, "no window: %s", sdl.GetError());
    err_hint(err, "is DISPLAY or WAYLAND_DISPLAY set? --display=text needs a terminal only");
    sdl_close(d);
    return NULL;
}

static struct display *sdl_open(struct machine *m, struct err *err)
{
    struct display *const d = calloc(1, sizeof *d);
    if (!d) {
        err_set(err, "E-MACH-002", -ENOMEM, "window");
        return NULL;
    }
    d->machine = m;
    if (load_library(err)) {
        free(d);
        return NULL;
    }
    sdl.SetHint(SDL_HINT_NO_SIGNAL_HANDLERS, "1");
    sdl.SetHint(SDL_HINT_RENDER_SCALE_QUALITY, "linear");
    sdl.SetHint(SDL_HINT_VIDEO_ALLOW_SCREENSAVER, "1");
    if (sdl.Init(SDL_INIT_VIDEO))
        return fail(d, err);
    d->window = sdl.CreateWindow(TITLE_FREE, SDL_WINDOWPOS_UNDEFINED, SDL_WINDOWPOS_UNDEFINED, 720,
                                 400, SDL_WINDOW_RESIZABLE);
    if (d->window)
        d->renderer = sdl.CreateRenderer(d->window, -1, 0);
    if (d->window && !d->renderer)
        d->renderer = sdl.CreateRenderer(d->window, -1, SDL_RENDERER_SOFTWARE);
    return d->renderer ? d : fail(d, err);
}

const struct display_ops display_window = {"window", false, sdl_open, sdl_poll, sdl_close};

#else

#include <errno.h>
#include <stddef.h>

static struct display *sdl_open(struct machine *m, struct err *err)
{
    (void)m;
    err_set(err, "E-CLI-007", -ENOSYS, "--display=window: built without SDL2");
    err_hint(err, "apt-get install libsdl2-dev, and configure and build again");
    return NULL;
}

const struct display_ops display_window = {"window", false, sdl_open, NULL, NULL};

#endif
