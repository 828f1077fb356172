/*
 * debug/screenshot.h: what the machine's display shows, as a PNG file.
 */
#ifndef DEBUG_SCREENSHOT_H
#define DEBUG_SCREENSHOT_H

#include "lib/err.h"

struct machine;

/* E-DISP-001 when the machine has no display, E-FILE-005 when the file cannot be written. */
int screenshot_save(const struct machine *m, const char *path, struct err *err);

#endif
