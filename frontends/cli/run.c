/*
 * Commands that run a machine: run, trace, stat.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/trace.h"
#include "frontends/cli/cmd.h"
#include "frontends/cli/session.h"

#define CONFIG_LIMIT (1u << 20)

int session_add_file(struct options *o, const char *path, char *text, char letter, struct err *err)
{
    static struct options from_file;

    if (options_parse(&from_file, letter, 0, NULL, err) < 0 ||
        options_parse_file(&from_file, path, text, err) < 0)
        return err->code;
    if (opt_list_count(&from_file, OPT_ID_MACHINE))
        return err_set(err, "E-CLI-004", -EINVAL, "%s: a machine file names no others", path);
    for (unsigned i = 0; i < OPT_ID_COUNT; i++) {
        if (!opt_is_set(o, i) && opt_is_set(&from_file, i))
            o->value[i] = from_file.value[i];
    }
    for (unsigned i = 0; i < from_file.item_count; i++) {
        if (opt_list_add(o, from_file.item[i].id, from_file.item[i].text, err) < 0)
            return err->code;
    }
    return 0;
}

/* `vitrine run FILE` with a text file: its settings, then those of the command line again. */
static int apply_machine_file(struct session *s, struct file *text, char letter, struct err *err)
{
    const char *path = s->o.args[0];

    const enum image_kind kind = image_kind_of_file(path);
    if (kind == IMAGE_DISK || kind == IMAGE_CDROM)
        return 0; /* may be larger than memory */
    if (file_read(text, path, 1u << 30, err) < 0)
        return err_wrap(err, "cannot load %s", path);
    if (text->size > CONFIG_LIMIT || image_kind_of(text->data, text->size) != IMAGE_TEXT) {
        file_free(text);
        return 0;
    }
    if (session_add_file(&s->o, path, (char *)text->data, letter, err) < 0)
        return err->code;
    s->o.arg_count = 0;
    return 0;
}

static int run_session(struct session *s, struct err *err)
{
    struct net_hubs hubs = {0};
    int code;

    s->hubs = &hubs;
    if (session_open(s, err) < 0) {
        err_print(err);
        code = exit_code_of(err);
    } else {
        code = session_run(s);
    }
    session_close(s);
    net_free_hubs(&hubs);
    return code;
}

static int run(char letter, int argc, char **argv, bool want_stat)
{
    static struct session s; /* large: consoles keep their last lines */
    static char globs[512];
    struct file text = {0};
    struct err err;

    err_clear(&err);
    memset(&s, 0, sizeof(s));
    if (options_parse(&s.o, letter, argc, argv, &err) < 0)
        return usage_error(&err);
    if (opt_text(&s.o, OPT_ID_HELP)) {
        help_print_command(command_of_letter(letter));
        return EXIT_CODE_OK;
    }
    if (opt_list_count(&s.o, OPT_ID_MACHINE))
        return group_run(&s.o, letter, want_stat || opt_text(&s.o, OPT_ID_STAT));
    s.want_stat = want_stat || opt_text(&s.o, OPT_ID_STAT);
    if (letter == 't') { /* the words are globs */
        size_t n = 0;
        for (unsigned i = 0; i < s.o.arg_count; i++)
            n += (size_t)snprintf(globs + n, n < sizeof(globs) ? sizeof(globs) - n : 0, "%s%s",
                                  i ? "," : "", s.o.args[i]);
        if (s.o.arg_count)
            s.o.value[OPT_ID_TRACE] = (struct opt_value){globs, 0, OPT_ORIGIN_COMMAND_LINE};
        s.o.arg_count = 0;
    }
    int code;
    if (s.o.arg_count == 1 && apply_machine_file(&s, &text, letter, &err) < 0) {
        err_print(&err);
        code = exit_code_of(&err);
    } else {
        code = run_session(&s, &err);
    }
    file_free(&text);
    return code;
}

int cmd_run(int argc, char **argv)
{
    return run('r', argc, argv, false);
}

int cmd_stat(int argc, char **argv)
{
    return run('s', argc, argv, true);
}

static void list_tracepoints(void)
{
    for (unsigned i = 0; i < TP_COUNT; i++)
        printf("%s:%-16s %s\n", trace_points[i].group, trace_points[i].name, trace_points[i].args);
    printf("insn             every instruction, disassembled\n");
}

int cmd_trace(int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--list") == 0) {
            list_tracepoints();
            return EXIT_CODE_OK;
        }
    }
    if (argc == 0) {
        struct err err;
        err_set(&err, "E-CLI-003", -EINVAL, "trace needs a glob");
        err_hint(&err, "vitrine trace 'vmx:*' -o t.jsonl; `vitrine trace --list` shows all");
        return usage_error(&err);
    }
    return run('t', argc, argv, false);
}
