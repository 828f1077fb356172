/* Unit tests of the root partition's JSON and WQL; jansson is the oracle of the former. */
#include "tests/lib/suite.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "partitions/root/lib/json.c"
#include "partitions/root/lib/text.c"
#include "partitions/root/vmms/wql.c"

static struct rt_json parse(const char *text)
{
    struct rt_json v = {0};
    ck_assert_msg(rt_json_parse(text, strlen(text), &v), "%s", text);
    return v;
}

START_TEST(members_strings_and_numbers_are_found)
{
    const struct rt_json v = parse(
        " { \"a\" : [1, \"two\", {\"x\":null}] ,\"\\u0062\":\"\\\"\\u00e9"
        "\\ud83d\\ude00\\n\", \"n\":18446744073709551615,\"t\":true } ");
    struct rt_json m, e;
    size_t at = 0;
    char text[32];
    uint64_t n;
    bool b;
    ck_assert(rt_json_member(v, "a", &m));
    ck_assert(rt_json_next(m, &at, &e) && rt_json_number(e, &n) && n == 1);
    ck_assert(rt_json_next(m, &at, &e) && rt_json_string(e, text, sizeof text));
    ck_assert_str_eq(text, "two");
    ck_assert(rt_json_next(m, &at, &e) && rt_json_member(e, "x", &e) && e.length == 4);
    ck_assert(!rt_json_next(m, &at, &e));
    ck_assert(rt_json_member(v, "b", &m) && rt_json_string(m, text, sizeof text));
    ck_assert_str_eq(text, "\"\xc3\xa9\xf0\x9f\x98\x80\n");
    ck_assert(!rt_json_string(m, text, 8)); /* eight bytes and the end */
    ck_assert(rt_json_string(m, text, 9));
    ck_assert(rt_json_member(v, "n", &m) && rt_json_number(m, &n) && n == ~0ull);
    ck_assert(!rt_json_string(m, text, sizeof text));
    ck_assert(rt_json_member(v, "t", &m) && rt_json_bool(m, &b) && b);
    ck_assert(!rt_json_member(v, "c", &m));
    ck_assert(!rt_json_number(parse("18446744073709551616"), &n));
    ck_assert(!rt_json_number(parse("-1"), &n));
    ck_assert(!rt_json_string(parse("\"a\\u0000b\""), text, sizeof text));
}
END_TEST

START_TEST(depth_has_a_limit)
{
    char text[2 * RT_JSON_DEPTH + 3];
    struct rt_json v;
    for (unsigned depth = 1; depth <= RT_JSON_DEPTH + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        ck_assert_int_eq(rt_json_parse(text, 2 * depth, &v), depth <= RT_JSON_DEPTH);
    }
}
END_TEST

/* Every truncation, and every byte replaced by every character of the grammar: as jansson says. */
START_TEST(documents_are_accepted_as_jansson_does)
{
    static const char good[] = "{\"a\":[1,-2.5e+3,true,false,null,\"s\\n\\u0041\\ud800\\udc00\"],"
                               "\"b\":{\"c\":{}},\"d\":[]}";
    static const char letters[] = "{}[]:,\"\\ 0a9-+.eEutfn\t\x01";
    const size_t n = sizeof good - 1;
    unsigned accepted = 0, refused = 0;
    for (size_t cut = 0; cut <= n; cut++) {
        for (const char *c = letters; *c; c++) {
            char *const copy = malloc(n);
            memcpy(copy, good, n);
            if (cut < n)
                copy[cut] = *c;
            struct rt_json v;
            const size_t flags = JSON_DECODE_ANY | JSON_ALLOW_NUL;
            json_t *const theirs = json_loadb(copy, n, flags, NULL);
            const bool ours = rt_json_parse(copy, n, &v);
            ck_assert_msg(ours == (theirs != NULL), "%.*s: %d", (int)n, copy, ours);
            ours ? accepted++ : refused++;
            json_decref(theirs);
            free(copy);
        }
        char *const part = malloc(cut + 1);
        struct rt_json v;
        memcpy(part, good, cut);
        ck_assert_int_eq(rt_json_parse(part, cut, &v), cut == n);
        free(part);
    }
    ck_assert_uint_gt(accepted, 100);
    ck_assert_uint_gt(refused, 100);
}
END_TEST

START_TEST(what_is_written_is_read_back)
{
    char buffer[256];
    struct rt_json_out o;
    rt_json_begin(&o, buffer, sizeof buffer);
    rt_json_open(&o, '{');
    rt_json_key(&o, "text");
    rt_json_put_string(&o, "a\"b\\c\n\x1f");
    rt_json_key(&o, "list");
    rt_json_open(&o, '[');
    rt_json_put_number(&o, ~0ull);
    rt_json_put_bool(&o, false);
    rt_json_put_raw(&o, "null", 4);
    rt_json_open(&o, '{');
    rt_json_close(&o, '}');
    rt_json_close(&o, ']');
    rt_json_close(&o, '}');
    ck_assert(!o.full);
    json_t *const theirs = json_loadb(buffer, o.length, 0, NULL);
    /* the largest number is more than jansson's integers hold */
    ck_assert_ptr_null(theirs);
    ck_assert_str_eq((buffer[o.length] = 0, buffer),
                     "{\"text\":\"a\\\"b\\\\c\\u000a\\u001f\",\"list\":[18446744073709551615,false,"
                     "null,{}]}");
    for (size_t size = 0; size < o.length; size++) {
        struct rt_json_out small;
        char *const room = malloc(size + 1);
        rt_json_begin(&small, room, size);
        rt_json_open(&small, '{');
        rt_json_key(&small, "text");
        rt_json_put_string(&small, "a\"b\\c\n\x1f");
        rt_json_close(&small, '}');
        ck_assert_int_eq(small.full, size < 30);
        free(room);
    }
}
END_TEST

static bool matches(const char *where, const char *instance)
{
    char text[160];
    struct wql q;
    snprintf(text, sizeof text, "SELECT * FROM Msvm_ComputerSystem WHERE %s", where);
    ck_assert_msg(wql_parse(text, &q), "%s", text);
    ck_assert_str_eq(q.class_name, "Msvm_ComputerSystem");
    return wql_matches(&q, parse(instance));
}

START_TEST(queries_select_and_compare)
{
    static const char vm[] = "{\"ElementName\":\"web one\",\"EnabledState\":10,\"On\":true}";
    ck_assert(matches("ElementName = 'web one'", vm));
    ck_assert(matches("elementname=\"WEB ONE\" AND EnabledState=10", vm));
    ck_assert(!matches("ElementName='web'", vm));
    ck_assert(!matches("ElementName='web one' and EnabledState=9", vm));
    ck_assert(matches("EnabledState>9 AND EnabledState >=10 AND EnabledState<11", vm));
    ck_assert(!matches("EnabledState<9", vm)); /* as numbers, not as text */
    ck_assert(matches("EnabledState<>2 AND EnabledState != 3 AND EnabledState<=10", vm));
    ck_assert(matches("On=TRUE", vm));
    ck_assert(!matches("On=FALSE", vm));
    ck_assert(!matches("Missing=1", vm));
    ck_assert(!matches("ElementName>'a'", vm));
    struct wql q;
    char buffer[80];
    struct rt_json_out o;
    ck_assert(wql_parse("select enabledstate , ElementName from X", &q));
    rt_json_begin(&o, buffer, sizeof buffer);
    wql_project(&q, parse(vm), &o);
    buffer[o.length] = 0;
    ck_assert_str_eq(buffer, "{\"EnabledState\":10,\"ElementName\":\"web one\"}");
}
END_TEST

START_TEST(queries_of_another_form_are_refused)
{
    static const char *const bad[] = {
        "",
        "SELECT",
        "SELECT *",
        "SELECT * FROM",
        "SELECT FROM X",
        "SELECT a,, b FROM X",
        "SELECT * FROM X WHERE",
        "SELECT * FROM X WHERE a",
        "SELECT * FROM X WHERE a=",
        "SELECT * FROM X WHERE a='b",
        "SELECT * FROM X WHERE a=1 AND",
        "SELECT * FROM X WHERE a=1 OR b=2",
        "SELECT * FROM X Y",
        "DELETE * FROM X",
        "SELECTED * FROM X",
    };
    struct wql q;
    char text[2000];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(!wql_parse(bad[i], &q), "%s", bad[i]);
    memset(text, 'a', sizeof text);
    memcpy(text, "SELECT ", 7);
    text[sizeof text - 1] = 0;
    ck_assert(!wql_parse(text, &q));
    strcpy(text, "SELECT a");
    for (unsigned i = 1; i < WQL_PROPS; i++)
        strcat(text, ",a");
    strcat(text, " FROM X");
    ck_assert(wql_parse(text, &q));
    memcpy(strstr(text, " FROM"), ",a FROM X", 10);
    ck_assert(!wql_parse(text, &q));
}
END_TEST

SUITE("json", queries_select_and_compare, queries_of_another_form_are_refused,
      members_strings_and_numbers_are_found, depth_has_a_limit,
      documents_are_accepted_as_jansson_does, what_is_written_is_read_back)
