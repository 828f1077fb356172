/*
 * Parsing of the command line and of machine files after options.def.
 *
 * Words: --name=value, --name value, -x value, -xvalue, QEMU's single-dash names (qemu.def) and
 * `--` before words that are no options.
 *
 * Not modelled: abbreviated long names; the nearest full name is offered instead.
 */
#include "frontends/cli/options.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The group titles stand between the rows, so the group of a row is found by line number. */
struct group_row {
    int line;
    const char *title;
};

static const struct group_row group_rows[] = {
#define OPT_GROUP(title) {__LINE__, title},
#define OPT(...)
#include "frontends/cli/options.def"
#undef OPT
#undef OPT_GROUP
};

static const int opt_lines[OPT_ID_COUNT] = {
#define OPT_GROUP(title)
#define OPT(id, ...) __LINE__,
#include "frontends/cli/options.def"
#undef OPT
#undef OPT_GROUP
};

const struct opt_row opt_rows[OPT_ID_COUNT] = {
#define OPT_GROUP(title)
#define OPT(id, name, letter, key, kind, argument, preset, min, max, commands, help) \
    {name, letter, key, OPT_##kind, argument, preset, min, max, commands, help},
#include "frontends/cli/options.def"
#undef OPT
#undef OPT_GROUP
};

struct qemu_row {
    const char *name, *option, *fixed;
};

static const struct qemu_row qemu_rows[] = {
#define QEMU(name, option, fixed) {name, option, fixed},
#include "frontends/cli/qemu.def"
#undef QEMU
    {NULL, NULL, NULL},
};

const char *opt_group_title(unsigned id)
{
    const char *title = NULL;

    for (size_t i = 0; i < sizeof(group_rows) / sizeof(group_rows[0]); i++) {
        if (group_rows[i].line < opt_lines[id])
            title = group_rows[i].title;
    }
    return title;
}

static const char *get_name(size_t i)
{
    return i < OPT_ID_COUNT ? opt_rows[i].name : NULL;
}

static const char *get_key(size_t i)
{
    return i < OPT_ID_COUNT ? opt_rows[i].key : NULL;
}

static int find_name(const char *name, size_t len)
{
    for (int i = 0; i < OPT_ID_COUNT; i++) {
        if (strlen(opt_rows[i].name) == len && strncmp(opt_rows[i].name, name, len) == 0)
            return i;
    }
    return -1;
}

static bool is_choice(const char *choices, const char *word)
{
    size_t len = strlen(word);

    for (const char *p = choices; p; p = strchr(p, '|') ? strchr(p, '|') + 1 : NULL) {
        if (len && strncmp(p, word, len) == 0 && (p[len] == '|' || p[len] == 0))
            return true;
    }
    return false;
}

static int check_number(const struct opt_row *row, const char *text, uint64_t *number,
                        struct err *err)
{
    int rc = row->kind == OPT_SIZE       ? value_parse_size(text, number)
             : row->kind == OPT_DURATION ? value_parse_duration(text, number)
                                         : value_parse_count(text, number);
    if (rc < 0) {
        err_set(err, "E-CLI-002", -EINVAL, "--%s: '%s' is no %s", row->name, text,
                row->kind == OPT_SIZE       ? "size"
                : row->kind == OPT_DURATION ? "time"
                                            : "number");
        return err_hint(err, "%s",
                        row->kind == OPT_SIZE       ? "write 512M or 2G"
                        : row->kind == OPT_DURATION ? "write 90s, 5m or 250ms"
                                                    : "write 1000, 0x3e8, 20k or 1.5e9");
    }
    if (*number < row->min || *number > row->max) {
        if (row->kind == OPT_SIZE)
            return err_set(err, "E-CLI-002", -EINVAL, "--%s: %s is not within %llu KiB to %llu GiB",
                           row->name, text, (unsigned long long)row->min >> 10,
                           (unsigned long long)row->max >> 30);
        return err_set(err, "E-CLI-002", -EINVAL, "--%s: %s is not within %llu to %llu", row->name,
                       text, (unsigned long long)row->min, (unsigned long long)row->max);
    }
    return 0;
}

const char *opt_list(const struct options *o, enum opt_id id, unsigned i)
{
    for (unsigned n = 0; n < o->item_count; n++) {
        if (o->item[n].id == id && i-- == 0)
            return o->item[n].text;
    }
    return NULL;
}

unsigned opt_list_count(const struct options *o, enum opt_id id)
{
    unsigned count = 0;

    while (opt_list(o, id, count))
        count++;
    return count;
}

int opt_list_add(struct options *o, enum opt_id id, const char *text, struct err *err)
{
    if (opt_list_count(o, id) == OPT_LIST_MAX || o->item_count == OPT_ITEMS_MAX)
        return err_set(err, "E-CLI-002", -EINVAL, "--%s more than %d times", opt_rows[id].name,
                       OPT_LIST_MAX);
    o->item[o->item_count++] = (struct opt_item){id, text};
    return 0;
}

static int set_value(struct options *o, int id, const char *text, enum opt_origin origin,
                     struct err *err)
{
    const struct opt_row *row = &opt_rows[id];
    struct opt_value *v = &o->value[id];

    switch (row->kind) {
    case OPT_FLAG:
        if (is_choice("no|off|false|0", text)) {
            *v = (struct opt_value){0};
            return 0;
        }
        if (*text && !is_choice("yes|on|true|1", text))
            return err_set(err, "E-CLI-002", -EINVAL, "--%s takes no value", row->name);
        v->number = 1;
        break;
    case OPT_COUNT:
    case OPT_SIZE:
    case OPT_DURATION:
        if (check_number(row, text, &v->number, err) < 0)
            return -EINVAL;
        break;
    case OPT_CHOICE:
        if (!is_choice(row->argument, text))
            return err_set(err, "E-CLI-002", -EINVAL, "--%s: '%s' is not one of %s", row->name,
                           text, row->argument);
        break;
    case OPT_LIST:
        if (opt_list_add(o, (enum opt_id)id, text, err) < 0)
            return -EINVAL;
        break;
    case OPT_FILE:
        if (!*text)
            return err_set(err, "E-CLI-003", -EINVAL, "--%s needs a file name", row->name);
        break;
    case OPT_STRING:
    case OPT_OPTIONAL:
        break;
    }
    v->text = text;
    v->origin = origin;
    return 0;
}

int options_set_key(struct options *o, const char *key, const char *value, enum opt_origin origin,
                    struct err *err)
{
    for (int i = 0; i < OPT_ID_COUNT; i++) {
        if (strcmp(opt_rows[i].key, key) == 0)
            return set_value(o, i, value, origin, err);
    }
    err_set(err, "E-CLI-001", -EINVAL, "unknown setting '%s'", key);
    const char *near = text_nearest(key, get_key);
    return near ? err_hint(err, "did you mean %s?", near)
                : err_hint(err, "`vitrine config show` lists all settings");
}

/* -o KEY=VALUE: the key is cut out of the word in place. */
static int set_dotted(struct options *o, char *word, struct err *err)
{
    char *eq = strchr(word, '=');

    *eq = 0;
    int rc = options_set_key(o, word, eq + 1, OPT_ORIGIN_COMMAND_LINE, err);
    return rc;
}

static int set_from_word(struct options *o, int id, char *text, char command, struct err *err)
{
    if (!strchr(opt_rows[id].commands, command)) {
        err_set(err, "E-CLI-001", -EINVAL, "--%s does not belong to this command",
                opt_rows[id].name);
        return err_hint(err, "add --help to see its options");
    }
    if (id == OPT_ID_OUTPUT && strchr(text, '='))
        return set_dotted(o, text, err);
    return set_value(o, id, text, OPT_ORIGIN_COMMAND_LINE, err);
}

static int unknown_option(const char *word, const char *name, struct err *err)
{
    err_set(err, "E-CLI-001", -EINVAL, "unknown option %s", word);
    const char *near = text_nearest(name, get_name);
    return near ? err_hint(err, "did you mean --%s?", near)
                : err_hint(err, "see `vitrine help run`");
}

struct words {
    int argc;
    char **argv;
    int at;
};

static char no_text[] = "";

/* The value of an option: what follows '=' or the next word. */
static int take_value(struct words *w, int id, char *inline_value, char **value, struct err *err)
{
    enum opt_kind kind = opt_rows[id].kind;

    if (inline_value) {
        *value = inline_value;
    } else if (kind == OPT_FLAG) {
        *value = no_text;
    } else if (kind == OPT_OPTIONAL) {
        *value = (char *)opt_rows[id].preset;
    } else if (w->at + 1 < w->argc) {
        *value = w->argv[++w->at];
    } else {
        return err_set(err, "E-CLI-003", -EINVAL, "--%s needs a value: %s", opt_rows[id].name,
                       opt_rows[id].argument);
    }
    return 0;
}

static int parse_long(struct options *o, struct words *w, char command, struct err *err)
{
    char *word = w->argv[w->at], *value;
    char *eq = strchr(word, '=');
    size_t len = eq ? (size_t)(eq - word) - 2 : strlen(word) - 2;
    int id = find_name(word + 2, len);

    if (id < 0) {
        char name[64];
        snprintf(name, sizeof(name), "%.*s", (int)(len < 63 ? len : 63), word + 2);
        return unknown_option(word, name, err);
    }
    if (take_value(w, id, eq ? eq + 1 : NULL, &value, err) < 0)
        return -EINVAL;
    return set_from_word(o, id, value, command, err);
}

/* QEMU's single-dash word; 1 when it was none. */
static int parse_qemu(struct options *o, struct words *w, char command, struct err *err)
{
    const char *name = w->argv[w->at] + 1;
    const struct qemu_row *row = qemu_rows;

    while (row->name && strcmp(row->name, name) != 0)
        row++;
    if (!row->name)
        return 1;
    if (row->option && strcmp(row->option, "!") == 0) {
        err_set(err, "E-CLI-007", -EINVAL, "-%s (%s) is not part of this build", name, row->fixed);
        return err_hint(err, "boot with -kernel, -initrd and -append");
    }
    if (!row->option) {
        if (!row->fixed && w->at + 1 < w->argc)
            w->at++;
        return 0;
    }
    int id = find_name(row->option, strlen(row->option));
    char *value = (char *)row->fixed;
    if (!value && take_value(w, id, NULL, &value, err) < 0)
        return -EINVAL;
    return set_from_word(o, id, value, command, err);
}

static int parse_short(struct options *o, struct words *w, char command, struct err *err)
{
    char *word = w->argv[w->at], *value;

    for (int id = 0; id < OPT_ID_COUNT; id++) {
        if (!opt_rows[id].letter || opt_rows[id].letter != word[1])
            continue;
        if (word[2] && opt_rows[id].kind == OPT_FLAG)
            break;
        if (take_value(w, id, word[2] ? word + 2 + (word[2] == '=') : NULL, &value, err) < 0)
            return -EINVAL;
        return set_from_word(o, id, value, command, err);
    }
    return unknown_option(word, word + 1, err);
}

static void set_presets(struct options *o)
{
    for (int i = 0; i < OPT_ID_COUNT; i++) {
        const struct opt_row *row = &opt_rows[i];
        if (row->preset[0] && row->kind != OPT_OPTIONAL)
            set_value(o, i, row->preset, OPT_ORIGIN_DEFAULT, NULL);
    }
}

int options_parse(struct options *o, char command, int argc, char **argv, struct err *err)
{
    struct words w = {argc, argv, 0};
    bool only_args = false;

    memset(o, 0, sizeof(*o));
    set_presets(o);
    for (; w.at < argc; w.at++) {
        char *word = argv[w.at];
        int rc;
        if (only_args || word[0] != '-' || word[1] == 0) {
            if (o->arg_count == OPT_ARGS_MAX)
                return err_set(err, "E-CLI-004", -EINVAL, "too many words");
            o->args[o->arg_count++] = word;
            continue;
        }
        if (strcmp(word, "--") == 0) {
            only_args = true;
            continue;
        }
        if (word[1] == '-') {
            rc = parse_long(o, &w, command, err);
        } else {
            rc = parse_qemu(o, &w, command, err);
            if (rc == 1)
                rc = parse_short(o, &w, command, err);
        }
        if (rc < 0)
            return rc;
    }
    return 0;
}

static char *strip(char *s)
{
    while (isspace((unsigned char)*s))
        s++;
    char *end = s + strlen(s);
    while (end > s && isspace((unsigned char)end[-1]))
        *--end = 0;
    return s;
}

int options_parse_file(struct options *o, const char *path, char *text, struct err *err)
{
    unsigned line = 0;

    for (char *p = text; p && *p;) {
        char *next = strchr(p, '\n');
        if (next)
            *next++ = 0;
        line++;
        char *s = strip(p);
        p = next;
        if (*s == 0 || *s == '#')
            continue;
        char *eq = strchr(s, '=');
        if (!eq)
            return err_set(err, "E-CLI-002", -EINVAL, "%s:%u: no 'key = value'", path, line);
        *eq = 0;
        if (options_set_key(o, strip(s), strip(eq + 1), OPT_ORIGIN_FILE, err) < 0)
            return err_wrap(err, "%s:%u", path, line);
    }
    return 0;
}
