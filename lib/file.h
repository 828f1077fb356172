/*
 * Whole files for front ends and tests. Model code never includes this (style.md 2.16).
 */
#ifndef VITRINE_LIB_FILE_H
#define VITRINE_LIB_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

struct file {
    uint8_t *data; /* one NUL byte beyond the end, not counted */
    size_t size;
};

/* Read a whole file. Directories, missing and unreadable files give E-FILE-001/002; an empty one
 * is E-FILE-003; more than limit bytes E-FILE-004. */
int file_read(struct file *f, const char *path, size_t limit, struct err *err);
void file_free(struct file *f);

#endif
