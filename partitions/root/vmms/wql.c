/*
 * vmms/wql.c: see wql.h. An instance is the JSON object that the class writes, so a query needs to
 * know nothing of classes.
 *
 * Not modelled: OR, NOT, parentheses, LIKE, ISA, ASSOCIATORS OF, events.
 */
#include "partitions/root/vmms/wql.h"
#include "partitions/root/lib/rt_lib.h"

static bool is_name(char c)
{
    return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '_';
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

bool wql_same_name(const char *a, const char *b)
{
    while (*a && lower(*a) == lower(*b)) {
        a++;
        b++;
    }
    return !*a && !*b;
}

static void skip_blanks(const char **at)
{
    while (**at == ' ' || **at == '\t')
        (*at)++;
}

static bool take_name(const char **at, char out[WQL_NAME])
{
    size_t n = 0;
    skip_blanks(at);
    while (is_name(**at) && n < WQL_NAME - 1)
        out[n++] = *(*at)++;
    out[n] = 0;
    return n && !is_name(**at);
}

static bool take_char(const char **at, char c)
{
    skip_blanks(at);
    if (**at != c)
        return false;
    (*at)++;
    return true;
}

/* The next word if it is that keyword. */
static bool take_keyword(const char **at, const char *word)
{
    char name[WQL_NAME];
    const char *p = *at;
    if (!take_name(&p, name) || !wql_same_name(name, word))
        return false;
    *at = p;
    return true;
}

static bool take_op(const char **at, enum wql_op *op)
{
    static const struct {
        const char *text;
        enum wql_op op;
    } ops[] = {{"!=", WQL_NE}, {"<>", WQL_NE}, {"<=", WQL_LE}, {">=", WQL_GE},
               {"=", WQL_EQ},  {"<", WQL_LT},  {">", WQL_GT}};
    skip_blanks(at);
    for (unsigned i = 0; i < RT_COUNT(ops); i++) {
        const size_t n = strlen(ops[i].text);
        if (!strncmp(*at, ops[i].text, n)) {
            *op = ops[i].op;
            *at += n;
            return true;
        }
    }
    return false;
}

static bool take_value(const char **at, char out[WQL_NAME], bool *is_string)
{
    skip_blanks(at);
    const char quote = **at;
    *is_string = quote == '\'' || quote == '"';
    if (!*is_string)
        return take_name(at, out);
    size_t n = 0;
    for ((*at)++; **at && **at != quote; (*at)++) {
        if (n == WQL_NAME - 1)
            return false;
        out[n++] = **at;
    }
    out[n] = 0;
    return take_char(at, quote);
}

bool wql_parse(const char *text, struct wql *q)
{
    const char *at = text;
    q->props = q->terms = 0;
    if (!take_keyword(&at, "SELECT"))
        return false;
    if (!take_char(&at, '*')) {
        do {
            if (q->props == WQL_PROPS || !take_name(&at, q->prop[q->props++]))
                return false;
        } while (take_char(&at, ','));
    }
    if (!take_keyword(&at, "FROM") || !take_name(&at, q->class_name))
        return false;
    if (take_keyword(&at, "WHERE")) {
        do {
            if (q->terms == WQL_TERMS)
                return false;
            const unsigned k = q->terms++;
            if (!take_name(&at, q->term[k].name) || !take_op(&at, &q->term[k].op) ||
                !take_value(&at, q->term[k].value, &q->term[k].is_string))
                return false;
        } while (take_keyword(&at, "AND"));
    }
    skip_blanks(&at);
    return !*at;
}

/* A member by its name in any case. */
static bool find(struct rt_json instance, const char *name, char exact[WQL_NAME],
                 struct rt_json *out)
{
    size_t at = 0;
    struct rt_json key;
    while (rt_json_next_member(instance, &at, &key, out)) {
        if (rt_json_string(key, exact, WQL_NAME) && wql_same_name(exact, name))
            return true;
    }
    return false;
}

static bool holds(enum wql_op op, int order)
{
    switch (op) {
    case WQL_EQ:
        return order == 0;
    case WQL_NE:
        return order != 0;
    case WQL_LT:
        return order < 0;
    case WQL_LE:
        return order <= 0;
    case WQL_GT:
        return order > 0;
    case WQL_GE:
        return order >= 0;
    }
    return false;
}

bool wql_matches(const struct wql *q, struct rt_json instance)
{
    for (unsigned k = 0; k < q->terms; k++) {
        char exact[WQL_NAME], text[WQL_NAME];
        struct rt_json v;
        uint64_t have, want;
        if (!find(instance, q->term[k].name, exact, &v))
            return false;
        const struct rt_json wanted = {q->term[k].value, strlen(q->term[k].value)};
        int order;
        if (!q->term[k].is_string && rt_json_number(v, &have) && rt_json_number(wanted, &want)) {
            order = have < want ? -1 : have > want;
        } else {
            if (!rt_json_string(v, text, sizeof(text))) {
                if (v.length >= sizeof(text))
                    return false;
                memcpy(text, v.at, v.length); /* true, false */
                text[v.length] = 0;
            }
            if (q->term[k].op != WQL_EQ && q->term[k].op != WQL_NE)
                return false;
            order = !wql_same_name(text, q->term[k].value);
        }
        if (!holds(q->term[k].op, order))
            return false;
    }
    return true;
}

void wql_project(const struct wql *q, struct rt_json instance, struct rt_json_out *o)
{
    if (!q->props) {
        rt_json_put_raw(o, instance.at, instance.length);
        return;
    }
    rt_json_open(o, '{');
    for (unsigned k = 0; k < q->props; k++) {
        char exact[WQL_NAME];
        struct rt_json v;
        if (find(instance, q->prop[k], exact, &v)) {
            rt_json_key(o, exact);
            rt_json_put_raw(o, v.at, v.length);
        }
    }
    rt_json_close(o, '}');
}
