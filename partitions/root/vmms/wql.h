/*
 * vmms/wql.h: the subset of the WMI query language that the management endpoint takes:
 *
 *   SELECT * | PROPERTY[, PROPERTY...] FROM CLASS [WHERE PROPERTY OP VALUE [AND ...]]
 *
 * OP: = != <> < <= > >=; VALUE: a number, TRUE, FALSE, or a string in ' or ". Keywords and names
 * in any case. Numbers are compared as numbers, all else as text and only for equality.
 */
#ifndef RT_WQL_H
#define RT_WQL_H

#include "partitions/root/lib/json.h"

#define WQL_NAME  64
#define WQL_PROPS 16 /* names behind SELECT */
#define WQL_TERMS 8  /* comparisons behind WHERE */

enum wql_op { WQL_EQ, WQL_NE, WQL_LT, WQL_LE, WQL_GT, WQL_GE };

struct wql {
    char class_name[WQL_NAME];
    unsigned props; /* 0: all */
    char prop[WQL_PROPS][WQL_NAME];
    unsigned terms;
    struct {
        char name[WQL_NAME];
        enum wql_op op;
        char value[WQL_NAME];
        bool is_string;
    } term[WQL_TERMS];
};

bool wql_parse(const char *text, struct wql *q); /* false: not of that form, or too long */
bool wql_matches(const struct wql *q, struct rt_json instance);
/* The instance, or what SELECT names of it. */
void wql_project(const struct wql *q, struct rt_json instance, struct rt_json_out *o);
bool wql_same_name(const char *a, const char *b); /* in any case */

#endif
