/*
 * Error chains with hints and ids; see err.h. The texts of `vitrine explain` are in errors.def.
 *
 * Not modelled: chains deeper than ERR_DEPTH; the outermost cause is then replaced.
 */
#include "lib/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct err_row {
    const char *id;
    const char *title;
    const char *text;
};

static const struct err_row err_rows[] = {
#define ERR(id, title, text) {id, title, text},
#include "lib/errors.def"
#undef ERR
};

#define ERR_ROW_COUNT (sizeof(err_rows) / sizeof(err_rows[0]))

void err_clear(struct err *err)
{
    if (!err)
        return;
    memset(err, 0, sizeof(*err));
}

bool err_is_set(const struct err *err)
{
    return err && err->code != 0;
}

int err_set(struct err *err, const char *id, int code, const char *fmt, ...)
{
    if (code >= 0)
        code = -EINVAL;
    if (!err)
        return code;
    err_clear(err);
    err->code = code;
    err->id = id;
    err->depth = 1;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(err->cause[0], ERR_TEXT, fmt, ap);
    va_end(ap);
    return code;
}

int err_wrap(struct err *err, const char *fmt, ...)
{
    if (!err)
        return -EINVAL;
    if (err->depth < ERR_DEPTH)
        err->depth++;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(err->cause[err->depth - 1], ERR_TEXT, fmt, ap);
    va_end(ap);
    return err->code;
}

int err_hint(struct err *err, const char *fmt, ...)
{
    if (!err)
        return -EINVAL;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(err->hint, ERR_TEXT, fmt, ap);
    va_end(ap);
    return err->code;
}

char *err_format(const struct err *err, char *buf, size_t size)
{
    size_t len = 0;

    buf[0] = 0;
    for (unsigned i = err->depth; i-- > 0 && len < size;) {
        int n = snprintf(buf + len, size - len, "%s%s", err->cause[i], i ? ": " : "");
        len += n > 0 ? (size_t)n : 0;
    }
    if (err->id && len < size)
        snprintf(buf + len, size - len, " [%s]", err->id);
    return buf;
}

void err_print(const struct err *err)
{
    char buf[ERR_DEPTH * ERR_TEXT + 64];

    fprintf(stderr, "vitrine: error: %s\n", err_format(err, buf, sizeof(buf)));
    if (err->hint[0])
        fprintf(stderr, "vitrine: hint: %s\n", err->hint);
}

const char *err_explain(const char *id, const char **title)
{
    for (size_t i = 0; i < ERR_ROW_COUNT; i++) {
        if (strcmp(err_rows[i].id, id) == 0) {
            if (title)
                *title = err_rows[i].title;
            return err_rows[i].text;
        }
    }
    return NULL;
}

const char *err_id_at(size_t index)
{
    return index < ERR_ROW_COUNT ? err_rows[index].id : NULL;
}
