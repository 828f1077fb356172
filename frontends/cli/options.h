/*
 * Options of the command line as a table of values (options.def): each has a text, a number where
 * the kind has one, and an origin. Pure text processing: knows neither machine nor files.
 */
#ifndef VITRINE_FRONTENDS_CLI_OPTIONS_H
#define VITRINE_FRONTENDS_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/text.h"

enum opt_kind {
    OPT_FLAG,
    OPT_STRING,
    OPT_FILE,
    OPT_COUNT,
    OPT_SIZE,
    OPT_DURATION,
    OPT_CHOICE,
    OPT_OPTIONAL,
    OPT_LIST,
};

enum opt_id {
#define OPT_GROUP(title)
#define OPT(id, ...) OPT_ID_##id,
#include "frontends/cli/options.def"
#undef OPT
#undef OPT_GROUP
    OPT_ID_COUNT
};

struct opt_row {
    const char *name;
    char letter;
    const char *key;
    enum opt_kind kind;
    const char *argument;
    const char *preset; /* default as text */
    uint64_t min, max;
    const char *commands;
    const char *help;
};

extern const struct opt_row opt_rows[OPT_ID_COUNT];

#define OPT_LIST_MAX  16 /* of one repeatable option */
#define OPT_ITEMS_MAX 64 /* of all of them */
#define OPT_ARGS_MAX  16

enum opt_origin { OPT_ORIGIN_DEFAULT, OPT_ORIGIN_FILE, OPT_ORIGIN_COMMAND_LINE };

struct opt_value {
    const char *text; /* NULL = unset */
    uint64_t number;
    enum opt_origin origin;
};

struct options {
    struct opt_value value[OPT_ID_COUNT];
    struct opt_item {
        enum opt_id id;
        const char *text;
    } item[OPT_ITEMS_MAX]; /* of the repeatable options, in the order given */
    unsigned item_count;
    const char *args[OPT_ARGS_MAX]; /* words that are no options */
    unsigned arg_count;
};

/* Parse words for a command (its letter in options.def). Texts are kept by pointer. */
int options_parse(struct options *o, char command, int argc, char **argv, struct err *err);

/* Set by dotted key, as -o key=value and machine files do. */
int options_set_key(struct options *o, const char *key, const char *value, enum opt_origin origin,
                    struct err *err);

/* A machine file: lines `key = value`, # comments. The text is modified and must stay alive. */
int options_parse_file(struct options *o, const char *path, char *text, struct err *err);

static inline bool opt_is_set(const struct options *o, enum opt_id id)
{
    return o->value[id].text != NULL && o->value[id].origin != OPT_ORIGIN_DEFAULT;
}

static inline const char *opt_text(const struct options *o, enum opt_id id)
{
    return o->value[id].text;
}

static inline uint64_t opt_number(const struct options *o, enum opt_id id)
{
    return o->value[id].number;
}

/* The values of a repeatable option: how many, and the i-th or NULL. */
unsigned opt_list_count(const struct options *o, enum opt_id id);
const char *opt_list(const struct options *o, enum opt_id id, unsigned i);
int opt_list_add(struct options *o, enum opt_id id, const char *text, struct err *err);

/* Cut the next KEY=VALUE or, when `words` is set, bare word (*value NULL then) off a keyed list.
 * Quotes '...' and "..." protect commas, ",," is a comma. Works in place. */
int keyed_next(char **at, char **key, char **value, bool words, struct err *err);

/* Values: 0 or -EINVAL. "512M", bare numbers in MiB; "90s"; "1.2e9", "0x100", "20k". */
int value_parse_size(const char *text, uint64_t *bytes);
int value_parse_duration(const char *text, uint64_t *ns);
int value_parse_count(const char *text, uint64_t *count);

/* Title of the group that an option stands in, or NULL. */
const char *opt_group_title(unsigned id);

#endif
