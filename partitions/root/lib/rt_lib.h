/*
 * lib/rt_lib.h: helpers shared by the root kernel and its user programs: memory and string
 * functions under their standard names, number formatting, option strings. Pure: no system calls,
 * also compiled on the host for the unit tests (where the standard names come from libc).
 */
#ifndef RT_LIB_H
#define RT_LIB_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RT_COUNT(a) (sizeof(a) / sizeof((a)[0]))

void *memcpy(void *restrict dst, const void *restrict src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);

/* Copies with truncation; always terminates when size > 0. */
void rt_strcpy(char *dst, const char *src, size_t size);

/* %d %u %x %llu/%lu/%llx %s %c %p %%, with 0-padding and width; returns the untruncated length. */
int rt_vformat(char *buf, size_t size, const char *fmt, va_list ap);
int rt_format(char *buf, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

uint64_t rt_parse_u64(const char *s);

/* Value of `key=` in a line of space-separated options; values may be "quoted". False if absent. */
bool rt_option(const char *line, const char *key, char *out, size_t size);

/* One entry of a cpio archive (newc). */
struct rt_cpio_entry {
    const char *name;
    const void *data;
    uint64_t size;
};
/* Steps through an archive: *pos starts at 0; false at the trailer or at a damaged header. */
bool rt_cpio_next(const void *archive, uint64_t archive_size, uint64_t *pos,
                  struct rt_cpio_entry *out);

#endif
