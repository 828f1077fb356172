/*
 * Values as people write them: sizes, durations, counts.
 *
 * Not modelled: locale; the decimal separator is a point.
 */
#include "frontends/cli/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Parse "12", "1.5", "0x10", "1.2e9" and return the rest of the text. */
static int parse_number(const char *text, long double *value, const char **rest)
{
    char *end;

    if (!((*text >= '0' && *text <= '9') || *text == '.'))
        return -EINVAL;
    errno = 0;
    if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
        *value = (long double)strtoull(text, &end, 16);
    else
        *value = strtold(text, &end);
    if (end == text || errno == ERANGE || *value > 1.8e19L)
        return -EINVAL;
    *rest = end;
    return 0;
}

struct unit {
    const char *name;
    long double factor;
};

static int parse_with_units(const char *text, const struct unit *units, long double bare,
                            uint64_t *out)
{
    long double value;
    const char *rest;

    if (parse_number(text, &value, &rest) < 0)
        return -EINVAL;
    long double factor = 0;
    if (*rest == 0)
        factor = bare;
    for (; units->name && factor == 0; units++) {
        if (strcasecmp(rest, units->name) == 0)
            factor = units->factor;
    }
    value *= factor;
    if (factor == 0 || value > 1.8e19L)
        return -EINVAL;
    *out = (uint64_t)value;
    return 0;
}

int value_parse_size(const char *text, uint64_t *bytes)
{
    static const struct unit units[] = {
        {"b", 1},
        {"k", 1024},
        {"kb", 1024},
        {"kib", 1024},
        {"m", 1048576},
        {"mb", 1048576},
        {"mib", 1048576},
        {"g", 1073741824},
        {"gb", 1073741824},
        {"gib", 1073741824},
        {"t", 1099511627776.0L},
        {NULL, 0},
    };
    return parse_with_units(text, units, 1048576, bytes);
}

int value_parse_duration(const char *text, uint64_t *ns)
{
    static const struct unit units[] = {
        {"ns", 1},    {"us", 1e3L},   {"ms", 1e6L},   {"s", 1e9L},
        {"m", 60e9L}, {"min", 60e9L}, {"h", 3600e9L}, {NULL, 0},
    };
    return parse_with_units(text, units, 1e9L, ns);
}

int value_parse_count(const char *text, uint64_t *count)
{
    static const struct unit units[] = {
        {"k", 1e3L}, {"m", 1e6L}, {"g", 1e9L}, {"t", 1e12L}, {NULL, 0},
    };
    return parse_with_units(text, units, 1, count);
}

int keyed_next(char **at, char **key, char **value, bool words, struct err *err)
{
    char *p = *at, *out;
    char quote = 0;

    *key = p;
    while (*p && *p != '=' && *p != ',')
        p++;
    if (*p != '=') {
        if (!words)
            return err_set(err, "E-CLI-006", -EINVAL, "'%.*s' is not KEY=VALUE", (int)(p - *key),
                           *key);
        *value = NULL;
        *at = *p ? p + 1 : p;
        *p = 0;
        return 0;
    }
    *p++ = 0;
    *value = out = p;
    for (; *p; p++) {
        if (quote && *p == quote) {
            quote = 0;
        } else if (!quote && (*p == '\'' || *p == '"')) {
            quote = *p;
        } else if (!quote && *p == ',' && p[1] == ',') {
            *out++ = *p++;
        } else if (!quote && *p == ',') {
            break;
        } else {
            *out++ = *p;
        }
    }
    if (quote)
        return err_set(err, "E-CLI-006", -EINVAL, "quote %c is not closed in %s=", quote, *key);
    *at = *p ? p + 1 : p;
    *out = 0;
    return 0;
}
