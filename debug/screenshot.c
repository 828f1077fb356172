/* debug/screenshot.c: the display's picture or text into a file (screenshot.h). */
#include "debug/screenshot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/video/vga.h"
#include "lib/png.h"
#include "machine/machine.h"

static int write_file(const char *path, const void *bytes, size_t len, struct err *err)
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

static void put_char(FILE *f, uint16_t c)
{
    if (c >= 0x800)
        fprintf(f, "%c%c%c", 0xe0 | c >> 12, 0x80 | (c >> 6 & 63), 0x80 | (c & 63));
    else if (c >= 0x80)
        fprintf(f, "%c%c", 0xc0 | c >> 6, 0x80 | (c & 63));
    else
        fputc(c, f);
}

/* Lines without the spaces at their ends. */
static void put_lines(FILE *f, const struct vga_text *t)
{
    for (unsigned y = 0; y < t->rows; y++) {
        unsigned end = t->cols;
        while (end && (uint8_t)(t->cell[y][end - 1] | 0x20) == 0x20)
            end--;
        for (unsigned x = 0; x < end; x++)
            put_char(f, vga_unicode((uint8_t)t->cell[y][x]));
        fputc('\n', f);
    }
}

static int save_text(const struct vga *v, const char *path, struct err *err)
{
    char *bytes = NULL;
    size_t len = 0;
    struct vga_text *const t = malloc(sizeof *t);
    FILE *const f = t ? open_memstream(&bytes, &len) : NULL;
    const bool is_text = f && vga_text(v, t);
    if (is_text)
        put_lines(f, t);
    free(t);
    if (!f || fclose(f)) {
        free(bytes);
        return err_set(err, "E-MACH-002", -ENOMEM, "screenshot");
    }
    int rc;
    if (is_text)
        rc = write_file(path, bytes, len, err);
    else
        rc = err_set(err, "E-DISP-004", -EINVAL, "screenshot %s: the display is in a graphics mode",
                     path);
    free(bytes);
    return rc;
}

static bool wants_text(const char *path)
{
    const size_t n = strlen(path);
    return n >= 4 && strcmp(path + n - 4, ".txt") == 0;
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
    if (wants_text(path))
        return save_text(v, path, err);
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
