/*
 * lib/text.c: number formatting and option strings of the form `key=value key="a b"`.
 *
 * Not modelled: floating point, precision, left alignment.
 */
#include "partitions/root/lib/rt_lib.h"

void rt_strcpy(char *dst, const char *src, size_t size)
{
    if (!size)
        return;
    while (--size && *src)
        *dst++ = *src++;
    *dst = 0;
}

struct rt_sink {
    char *buf;
    size_t size;
    size_t len;
};

static void rt_put(struct rt_sink *s, char c)
{
    if (s->len + 1 < s->size)
        s->buf[s->len] = c;
    s->len++;
}

static void rt_put_number(struct rt_sink *s, uint64_t v, unsigned base, unsigned width, char pad)
{
    char digits[24];
    unsigned n = 0;
    do {
        digits[n++] = "0123456789abcdef"[v % base];
        v /= base;
    } while (v);
    while (n < width && n < sizeof(digits))
        digits[n++] = pad;
    while (n)
        rt_put(s, digits[--n]);
}

static void rt_put_string(struct rt_sink *s, const char *str, unsigned width)
{
    if (!str)
        str = "(null)";
    for (size_t n = strlen(str); n < width; n++)
        rt_put(s, ' ');
    while (*str)
        rt_put(s, *str++);
}

int rt_vformat(char *buf, size_t size, const char *fmt, va_list ap)
{
    struct rt_sink s = {buf, size, 0};
    for (; *fmt; fmt++) {
        if (*fmt != '%') {
            rt_put(&s, *fmt);
            continue;
        }
        char pad = *++fmt == '0' ? '0' : ' ';
        unsigned width = 0, longs = 0;
        for (; *fmt >= '0' && *fmt <= '9'; fmt++)
            width = width * 10 + (unsigned)(*fmt - '0');
        for (; *fmt == 'l' || *fmt == 'z'; fmt++)
            longs++;
        switch (*fmt) {
        case 'd': {
            int64_t v = longs ? va_arg(ap, int64_t) : va_arg(ap, int);
            if (v < 0)
                rt_put(&s, '-');
            rt_put_number(&s, v < 0 ? -(uint64_t)v : (uint64_t)v, 10, width, pad);
            break;
        }
        case 'u':
        case 'x': {
            uint64_t v = longs ? va_arg(ap, uint64_t) : va_arg(ap, unsigned);
            rt_put_number(&s, v, *fmt == 'x' ? 16 : 10, width, pad);
            break;
        }
        case 'p':
            rt_put_number(&s, (uintptr_t)va_arg(ap, void *), 16, 16, '0');
            break;
        case 's':
            rt_put_string(&s, va_arg(ap, const char *), width);
            break;
        case 'c':
            rt_put(&s, (char)va_arg(ap, int));
            break;
        case 0:
            fmt--;
            break;
        default:
            rt_put(&s, *fmt);
        }
    }
    if (size)
        buf[s.len < size ? s.len : size - 1] = 0;
    return (int)s.len;
}

int rt_format(char *buf, size_t size, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = rt_vformat(buf, size, fmt, ap);
    va_end(ap);
    return n;
}

uint64_t rt_parse_u64(const char *s)
{
    uint64_t v = 0;
    if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
        for (s += 2;; s++) {
            unsigned d;
            if (*s >= '0' && *s <= '9')
                d = (unsigned)(*s - '0');
            else if ((*s | 32) >= 'a' && (*s | 32) <= 'f')
                d = (unsigned)((*s | 32) - 'a') + 10;
            else
                return v;
            v = v * 16 + d;
        }
    }
    for (; *s >= '0' && *s <= '9'; s++)
        v = v * 10 + (uint64_t)(*s - '0');
    return v;
}

bool rt_option(const char *line, const char *key, char *out, size_t size)
{
    size_t key_len = strlen(key);
    while (*line) {
        while (*line == ' ' || *line == '\t')
            line++;
        bool hit = !strncmp(line, key, key_len) && line[key_len] == '=';
        size_t n = 0;
        bool quoted = false, in_value = false;
        for (; *line && (quoted || (*line != ' ' && *line != '\t')); line++) {
            if (!in_value) {
                in_value = *line == '=';
            } else if (*line == '"') {
                quoted = !quoted;
            } else if (hit && n + 1 < size) {
                out[n++] = *line;
            }
        }
        if (hit) {
            if (size)
                out[n] = 0;
            return true;
        }
    }
    return false;
}
