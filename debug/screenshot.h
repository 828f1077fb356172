/*
 * debug/screenshot.h: what the machine's display shows, as a PNG file or as lines of text.
 */
#ifndef DEBUG_SCREENSHOT_H
#define DEBUG_SCREENSHOT_H

#include "lib/err.h"

struct machine;

/* A name that ends in .txt gets the characters of a text mode in UTF-8, any other a PNG file.
 * E-DISP-001 when the machine has no display, E-DISP-004 when it shows no text, E-FILE-005 when the
 * file cannot be written. */
int screenshot_save(const struct machine *m, const char *path, struct err *err);

#endif
