/*
 * lib/json.h: JSON (RFC 8259) for the root's processes: a reader that walks the text without
 * memory of its own, and a writer into a buffer.
 *
 * Reader: rt_json_parse checks a whole document once; all other functions take values that came
 * from it. Numbers: integers from 0 to 2^64 - 1 are understood, others only skipped.
 */
#ifndef RT_JSON_H
#define RT_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RT_JSON_DEPTH 16 /* nested objects and arrays in a document */

/* A value: its text, without white space around it. at == 0: absent. */
struct rt_json {
    const char *at;
    size_t length;
};

/* Is [text, text + length) one JSON document? Its value in *out. */
bool rt_json_parse(const char *text, size_t length, struct rt_json *out);
/* The member of an object; false: v is no object or has no such member. */
bool rt_json_member(struct rt_json v, const char *name, struct rt_json *out);
/* The string without quotes and escapes, as UTF-8, with a 0 at the end; false: v is no string, or
 * longer than size - 1 bytes, or contains a 0. */
bool rt_json_string(struct rt_json v, char *out, size_t size);
bool rt_json_number(struct rt_json v, uint64_t *out); /* false: no integer from 0 to 2^64 - 1 */
bool rt_json_bool(struct rt_json v, bool *out);
/* Elements of an array, members of an object in order: start with *at = 0; false: no more, or v is
 * something else. */
bool rt_json_next(struct rt_json v, size_t *at, struct rt_json *out);
bool rt_json_next_member(struct rt_json v, size_t *at, struct rt_json *key, struct rt_json *out);

/* Writer. `full`: the buffer was too small, what is in it is useless. */
struct rt_json_out {
    char *buffer;
    size_t size, length;
    bool comma, full;
};
void rt_json_begin(struct rt_json_out *o, char *buffer, size_t size);
void rt_json_open(struct rt_json_out *o, char bracket);  /* '{' or '[' */
void rt_json_close(struct rt_json_out *o, char bracket); /* '}' or ']' */
void rt_json_key(struct rt_json_out *o, const char *name);
void rt_json_put_string(struct rt_json_out *o, const char *text);
void rt_json_put_number(struct rt_json_out *o, uint64_t value);
void rt_json_put_bool(struct rt_json_out *o, bool value);
void rt_json_put_raw(struct rt_json_out *o, const char *text, size_t length); /* a value as text */

#endif
