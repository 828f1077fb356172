/*
 * Host and user errors: a chain of causes from the outermost action to the innermost reason, one
 * hint and one stable id (E-XXX-NNN) that `vitrine explain` expands. Guest faults are never errors
 * of this kind.
 *
 * Usage: functions that can fail take a `struct err *` as last parameter and return -errno:
 *
 *     if (fd < 0)
 *         return err_set(err, "E-FILE-001", -errno, "cannot open %s", path);
 *     ...
 *     if (load(..., err) < 0)
 *         return err_wrap(err, "cannot load the kernel of VM %s", name);
 *
 * A struct err is plain storage of fixed size, so no freeing; NULL is accepted everywhere.
 */
#ifndef VITRINE_LIB_ERR_H
#define VITRINE_LIB_ERR_H

#include <stdbool.h>
#include <stddef.h>

#define ERR_DEPTH 6
#define ERR_TEXT  320

struct err {
    int code;       /* negative errno, 0 = no error */
    const char *id; /* static string, E-XXX-NNN */
    unsigned depth; /* number of causes; cause[0] is the innermost */
    char cause[ERR_DEPTH][ERR_TEXT];
    char hint[ERR_TEXT];
};

void err_clear(struct err *err);
bool err_is_set(const struct err *err);

/* Start a chain. `code` is -errno. Returns code. */
int err_set(struct err *err, const char *id, int code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Put an outer description around an existing chain. Returns err->code. */
int err_wrap(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Set the hint ("try ..."). Returns err->code. */
int err_hint(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* "outer: inner: innermost [E-XXX-NNN]" without newline. Returns buf. */
char *err_format(const struct err *err, char *buf, size_t size);

/* Print the chain and the hint to stderr in the manner of ux.md. */
void err_print(const struct err *err);

/* The long text of an id from lib/errors.def, or NULL. `title` may be NULL. */
const char *err_explain(const char *id, const char **title);
/* Iterate over known ids: returns NULL when index is past the end. */
const char *err_id_at(size_t index);

#endif
