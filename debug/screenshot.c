/* debug/screenshot.c: the display's picture into a PNG file (screenshot.h). */
#include "debug/screenshot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/video/vga.h"
#include "lib/png.h"
#include "machine/machine.h"

static int write_file(const char *path, const uint8_t *bytes, size_t len, struct err *err)
{
    FILE *f = fopen(path, "wbe");
    bool ok = f && fwrite(bytes, 1, len, f) == len;
    int cause = errno;
    if (f && fclose(f) && ok) {
        ok = false;
        cause = errno;
    }
    return ok ? 0
              : err_set(err, "E-FILE-005", -cause, "cannot write %s: %s", path, strerror(cause));
}

int screenshot_save(const struct machine *m, const char *path, struct err *err)
{
    const struct vga *const v = machine_vga(m);
    unsigned w, h;
    size_t len = 0;
    if (!v) {
        err_set(err, "E-DISP-001", -ENODEV, "screenshot: the machine has no display");
        return err_hint(err, "give it one with --vga=std");
    }
    vga_size(v, &w, &h);
    uint32_t *const pixels = calloc((size_t)w * h, sizeof *pixels);
    if (pixels)
        vga_render(v, pixels, w);
    uint8_t *const png = pixels ? png_encode(pixels, w, h, w, &len) : NULL;
    free(pixels);
    const int rc = png ? write_file(path, png, len, err)
                       : err_set(err, "E-MACH-002", -ENOMEM, "screenshot of %u x %u pixels", w, h);
    free(png);
    return rc;
}
