/*
 * lib/json.c: see json.h. The grammar is RFC 8259's; a document is checked to the end before
 * anything of it is used, so the functions behind rt_json_parse may trust the text.
 *
 * Not modelled: numbers with a fraction, an exponent or a sign as values.
 */
#include "partitions/root/lib/json.h"
#include "partitions/root/lib/rt_lib.h"

struct reader {
    const char *at, *end;
    unsigned depth;
};

static bool rt_json_value(struct reader *r);

static void skip_space(struct reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r'))
        r->at++;
}

static bool take(struct reader *r, char c)
{
    if (r->at == r->end || *r->at != c)
        return false;
    r->at++;
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 32;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool hex4(struct reader *r, uint32_t *out)
{
    *out = 0;
    for (unsigned i = 0; i < 4; i++) {
        const int d = r->at < r->end ? hex_digit(*r->at++) : -1;
        if (d < 0)
            return false;
        *out = *out << 4 | (uint32_t)d;
    }
    return true;
}

/* Behind a backslash: the character it stands for. */
static bool escape(struct reader *r, uint32_t *out)
{
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    uint32_t low;
    if (r->at == r->end)
        return false;
    const char c = *r->at++;
    for (unsigned i = 0; names[i]; i++) {
        if (c == names[i]) {
            *out = (uint8_t)values[i];
            return true;
        }
    }
    if (c != 'u' || !hex4(r, out))
        return false;
    if (*out < 0xd800 || *out > 0xdfff)
        return true;
    /* a pair of surrogates */
    if (*out > 0xdbff || !take(r, '\\') || !take(r, 'u') || !hex4(r, &low) || low < 0xdc00 ||
        low > 0xdfff)
        return false;
    *out = 0x10000 + ((*out - 0xd800) << 10) + (low - 0xdc00);
    return true;
}

/* One character of a string; false: something that does not belong there. */
static bool string_char(struct reader *r, uint32_t *out)
{
    if (r->at == r->end || (uint8_t)*r->at < 0x20)
        return false;
    *out = (uint8_t)*r->at++;
    return *out != '\\' || escape(r, out);
}

static bool skip_string(struct reader *r)
{
    uint32_t c;
    if (!take(r, '"'))
        return false;
    while (r->at < r->end && *r->at != '"') {
        if (!string_char(r, &c))
            return false;
    }
    return take(r, '"');
}

static bool skip_digits(struct reader *r)
{
    const char *const start = r->at;
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9')
        r->at++;
    return r->at > start;
}

static bool skip_number(struct reader *r)
{
    take(r, '-');
    if (!take(r, '0') && !skip_digits(r))
        return false;
    if (take(r, '.') && !skip_digits(r))
        return false;
    if (take(r, 'e') || take(r, 'E')) {
        if (!take(r, '+'))
            take(r, '-');
        return skip_digits(r);
    }
    return true;
}

static bool skip_word(struct reader *r, const char *word)
{
    while (*word)
        if (!take(r, *word++))
            return false;
    return true;
}

/* Object or array behind its opening bracket. */
static bool skip_members(struct reader *r, char close)
{
    if (++r->depth > RT_JSON_DEPTH)
        return false;
    skip_space(r);
    if (!take(r, close)) {
        do {
            skip_space(r);
            if (close == '}') {
                if (!skip_string(r))
                    return false;
                skip_space(r);
                if (!take(r, ':'))
                    return false;
            }
            if (!rt_json_value(r))
                return false;
            skip_space(r);
        } while (take(r, ','));
        if (!take(r, close))
            return false;
    }
    r->depth--;
    return true;
}

static bool rt_json_value(struct reader *r)
{
    skip_space(r);
    if (r->at == r->end)
        return false;
    switch (*r->at) {
    case '{':
        r->at++;
        return skip_members(r, '}');
    case '[':
        r->at++;
        return skip_members(r, ']');
    case '"':
        return skip_string(r);
    case 't':
        return skip_word(r, "true");
    case 'f':
        return skip_word(r, "false");
    case 'n':
        return skip_word(r, "null");
    default:
        return skip_number(r);
    }
}

/* The value at the reader, which moves behind it. */
static struct rt_json value_at(struct reader *r)
{
    skip_space(r);
    struct rt_json v = {r->at, 0};
    rt_json_value(r);
    v.length = (size_t)(r->at - v.at);
    return v;
}

bool rt_json_parse(const char *text, size_t length, struct rt_json *out)
{
    struct reader r = {text, text + length, 0};
    if (!rt_json_value(&r))
        return false;
    skip_space(&r);
    if (r.at != r.end)
        return false;
    r = (struct reader){text, text + length, 0};
    *out = value_at(&r);
    return true;
}

static struct reader inside(struct rt_json v, char bracket)
{
    struct reader r = {v.at, v.at, 0};
    if (v.at && v.length && *v.at == bracket) {
        r.at++;
        r.end = v.at + v.length - 1;
    }
    return r;
}

static size_t put_utf8(uint32_t c, char *out)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    const size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n; --i; c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)((0xf00 >> n & 0xff) | c);
    return n;
}

bool rt_json_string(struct rt_json v, char *out, size_t size)
{
    struct reader r = inside(v, '"');
    size_t n = 0;
    uint32_t c;
    if (r.at == v.at)
        return false;
    while (r.at < r.end) {
        const bool escaped = *r.at == '\\';
        char bytes[4];
        if (!string_char(&r, &c) || !c)
            return false;
        /* a byte that is not escaped is part of a character in UTF-8 already */
        bytes[0] = (char)c;
        const size_t len = escaped ? put_utf8(c, bytes) : 1;
        if (n + len >= size)
            return false;
        memcpy(out + n, bytes, len);
        n += len;
    }
    out[n] = 0;
    return true;
}

/* At the next element or key; false: the end. */
static bool resume(struct reader *r, struct rt_json v, char bracket, size_t at)
{
    *r = inside(v, bracket);
    if (r->at == v.at)
        return false;
    if (at)
        r->at = v.at + at;
    skip_space(r);
    return r->at < r->end;
}

static void leave(struct reader *r, struct rt_json v, size_t *at)
{
    skip_space(r);
    take(r, ',');
    *at = (size_t)(r->at - v.at);
}

bool rt_json_next(struct rt_json v, size_t *at, struct rt_json *out)
{
    struct reader r;
    if (!resume(&r, v, '[', *at))
        return false;
    *out = value_at(&r);
    leave(&r, v, at);
    return true;
}

bool rt_json_next_member(struct rt_json v, size_t *at, struct rt_json *key, struct rt_json *out)
{
    struct reader r;
    if (!resume(&r, v, '{', *at))
        return false;
    *key = value_at(&r);
    skip_space(&r);
    take(&r, ':');
    *out = value_at(&r);
    leave(&r, v, at);
    return true;
}

bool rt_json_member(struct rt_json v, const char *name, struct rt_json *out)
{
    struct rt_json key, value;
    char text[64];
    size_t at = 0;
    while (rt_json_next_member(v, &at, &key, &value)) {
        if (rt_json_string(key, text, sizeof(text)) && !strcmp(text, name)) {
            *out = value;
            return true;
        }
    }
    return false;
}

bool rt_json_number(struct rt_json v, uint64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < v.length; i++) {
        const char c = v.at[i];
        if (c < '0' || c > '9' || *out > (~0ull - (uint64_t)(c - '0')) / 10)
            return false;
        *out = *out * 10 + (uint64_t)(c - '0');
    }
    return v.length > 0;
}

bool rt_json_bool(struct rt_json v, bool *out)
{
    *out = v.length == 4;
    return v.length && (*v.at == 't' || *v.at == 'f');
}

/* ---- writer ---- */

static void put(struct rt_json_out *o, const char *text, size_t n)
{
    if (o->full || n > o->size - o->length) {
        o->full = true;
        return;
    }
    memcpy(o->buffer + o->length, text, n);
    o->length += n;
}

/* What comes before a value or a key. */
static void separate(struct rt_json_out *o)
{
    if (o->comma)
        put(o, ",", 1);
    o->comma = true;
}

static void put_quoted(struct rt_json_out *o, const char *text)
{
    put(o, "\"", 1);
    for (; *text; text++) {
        char code[8];
        if (*text == '"' || *text == '\\') {
            put(o, "\\", 1);
        } else if ((uint8_t)*text < 0x20) {
            put(o, code, (size_t)rt_format(code, sizeof(code), "\\u%04x", (uint8_t)*text));
            continue;
        }
        put(o, text, 1);
    }
    put(o, "\"", 1);
}

void rt_json_begin(struct rt_json_out *o, char *buffer, size_t size)
{
    *o = (struct rt_json_out){.buffer = buffer, .size = size};
}

void rt_json_open(struct rt_json_out *o, char bracket)
{
    separate(o);
    put(o, &bracket, 1);
    o->comma = false;
}

void rt_json_close(struct rt_json_out *o, char bracket)
{
    put(o, &bracket, 1);
    o->comma = true;
}

void rt_json_key(struct rt_json_out *o, const char *name)
{
    separate(o);
    put_quoted(o, name);
    put(o, ":", 1);
    o->comma = false;
}

void rt_json_put_string(struct rt_json_out *o, const char *text)
{
    separate(o);
    put_quoted(o, text);
}

void rt_json_put_number(struct rt_json_out *o, uint64_t value)
{
    char text[24];
    separate(o);
    put(o, text, (size_t)rt_format(text, sizeof(text), "%lu", value));
}

void rt_json_put_bool(struct rt_json_out *o, bool value)
{
    separate(o);
    put(o, value ? "true" : "false", value ? 4 : 5);
}

void rt_json_put_raw(struct rt_json_out *o, const char *text, size_t length)
{
    separate(o);
    put(o, text, length);
}
