/*
 * `vitrine doctor`: looks at this host and this build, says what is there, what is missing and
 * what to do about it. Exit code 0 when `vitrine run` can work, 1 when something keeps it from it.
 */
#include "frontends/cli/doctor.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontends/cli/cmd.h"

static const struct {
    const char *group;
    void (*look)(struct doctor *d);
    bool is_self_test;
} parts[] = {
    {"this host", doctor_look_at_host, false},
    {"this build", doctor_look_at_build, false},
    {"terminal, display and network", doctor_look_at_faces, false},
    {"firmware and kernels", doctor_look_at_guests, false},
    {"self-test", doctor_run_self_test, true},
};

static const char *const words[] = {
    [FINDING_OK] = "ok",
    [FINDING_NOTE] = "note",
    [FINDING_MISSING] = "missing",
    [FINDING_PROBLEM] = "problem",
};

void doctor_add(struct doctor *d, enum finding_level level, const char *name, const char *advice,
                const char *detail, ...)
{
    va_list args;

    if (d->count == DOCTOR_MAX)
        return;
    struct finding *const f = &d->found[d->count++];
    f->level = level;
    f->group = d->group;
    snprintf(f->name, sizeof(f->name), "%s", name);
    snprintf(f->advice, sizeof(f->advice), "%s", advice ? advice : "");
    va_start(args, detail);
    vsnprintf(f->detail, sizeof(f->detail), detail, args);
    va_end(args);
}

static unsigned count_of(const struct doctor *d, enum finding_level level)
{
    unsigned n = 0;

    for (unsigned i = 0; i < d->count; i++)
        n += d->found[i].level == level;
    return n;
}

static void print_text(const struct doctor *d, unsigned from)
{
    if (from < d->count)
        printf("%s%s\n", from ? "\n" : "", d->found[from].group);
    for (unsigned i = from; i < d->count; i++) {
        const struct finding *const f = &d->found[i];
        printf("  %-8s %-26s%s%s\n", words[f->level], f->name, *f->detail ? " " : "", f->detail);
        if (*f->advice)
            printf("  %-8s -> %s\n", "", f->advice);
    }
    fflush(stdout);
}

static void print_json(const struct doctor *d, int code)
{
    json_t *root = json_object(), *list = json_array();

    json_object_set_new(root, "exit_code", json_integer(code));
    json_object_set_new(root, "missing", json_integer(count_of(d, FINDING_MISSING)));
    json_object_set_new(root, "problems", json_integer(count_of(d, FINDING_PROBLEM)));
    for (unsigned i = 0; i < d->count; i++) {
        const struct finding *const f = &d->found[i];
        json_t *entry = json_object();
        json_object_set_new(entry, "group", json_string(f->group));
        json_object_set_new(entry, "name", json_string(f->name));
        json_object_set_new(entry, "level", json_string(words[f->level]));
        json_object_set_new(entry, "detail", json_string(f->detail));
        json_object_set_new(entry, "advice", *f->advice ? json_string(f->advice) : json_null());
        json_array_append_new(list, entry);
    }
    json_object_set_new(root, "findings", list);
    char *text = json_dumps(root, JSON_INDENT(2));
    puts(text ? text : "{}");
    free(text);
    json_decref(root);
}

int cmd_doctor(int argc, char **argv)
{
    static struct doctor d;
    struct options o;
    struct err err;

    err_clear(&err);
    memset(&d, 0, sizeof(d));
    if (options_parse(&o, 'd', argc, argv, &err) < 0)
        return usage_error(&err);
    if (opt_text(&o, OPT_ID_HELP)) {
        help_print_command(command_of_letter('d'));
        return EXIT_CODE_OK;
    }
    if (o.arg_count) {
        err_set(&err, "E-CLI-004", -1, "doctor takes no '%s'", o.args[0]);
        return usage_error(&err);
    }
    const bool json = opt_text(&o, OPT_ID_JSON);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        const unsigned from = d.count;
        if (parts[i].is_self_test && opt_text(&o, OPT_ID_QUICK))
            continue;
        d.group = parts[i].group;
        parts[i].look(&d);
        if (!json)
            print_text(&d, from);
    }
    const unsigned problems = count_of(&d, FINDING_PROBLEM);
    const unsigned missing = count_of(&d, FINDING_MISSING);
    const int code = problems ? EXIT_CODE_ERROR : EXIT_CODE_OK;
    if (json)
        print_json(&d, code);
    else
        printf("\n%u problem%s, %u thing%s missing\n", problems, problems == 1 ? "" : "s", missing,
               missing == 1 ? "" : "s");
    return code;
}
