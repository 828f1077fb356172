/*
 * Commands that only tell: version, explain, info, config show.
 */
#include <capstone/capstone.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "cpu/sys/cpuid.h"
#include "frontends/cli/cmd.h"

int cmd_version(int argc, char **argv)
{
    int major, minor;

    (void)argc;
    (void)argv;
    cs_version(&major, &minor);
    printf("vitrine " VITRINE_VERSION " (" VITRINE_ARCH ")\n");
    printf("built with %s; capstone %d.%d, jansson %s, zlib %s\n", __VERSION__, major, minor,
           JANSSON_VERSION, zlibVersion());
    return EXIT_CODE_OK;
}

int cmd_explain(int argc, char **argv)
{
    const char *title;
    struct err err;

    if (argc == 0) {
        for (size_t i = 0; err_id_at(i); i++) {
            err_explain(err_id_at(i), &title);
            printf("%s  %s\n", err_id_at(i), title);
        }
        return EXIT_CODE_OK;
    }
    const char *text = err_explain(argv[0], &title);
    if (!text) {
        err_set(&err, "E-CLI-002", -EINVAL, "no error has the id '%s'", argv[0]);
        const char *near = text_nearest(argv[0], err_id_at);
        if (near)
            err_hint(&err, "did you mean %s?", near);
        return usage_error(&err);
    }
    printf("%s: %s\n%s\n", argv[0], title, text);
    return EXIT_CODE_OK;
}

static void info_cpu(void)
{
    for (unsigned m = 0; m < cpu_model_count; m++)
        printf("%-6s %s%s\n", cpu_models[m].name, cpu_models[m].help, m ? "" : " (default)");
    printf("\n%-18s %s\n", "feature", "CPUID leaf.subleaf:register[bit], models that have it");
    for (unsigned n = 0; n < cpuid_bit_count; n++) {
        const struct cpuid_bit *b = &cpuid_bits[n];
        static const char *const reg[4] = {"EAX", "EBX", "ECX", "EDX"};
        char where[40];
        snprintf(where, sizeof where, "%X.%u:%s[%u]", b->leaf, b->sub, reg[b->reg], b->bit);
        printf("%-18s %-18s", b->name, where);
        for (unsigned m = 0; m < cpu_model_count; m++)
            printf(" %-3s", cpu_model_has(&cpu_models[m], n) ? cpu_models[m].name : "-");
        printf("%s\n", b->feature == F_FIXED ? " always" : "");
    }
}

int cmd_info(int argc, char **argv)
{
    struct err err;

    if (argc == 1 && strcmp(argv[0], "cpu") == 0) {
        info_cpu();
        return EXIT_CODE_OK;
    }
    err_set(&err, "E-CLI-005", -EINVAL, "info knows: cpu");
    return usage_error(&err);
}

static const char *origin_name(enum opt_origin origin)
{
    static const char *const names[] = {"default", "file", "command line"};

    return names[origin];
}

static void show_json(const struct options *o)
{
    json_t *root = json_object();

    for (unsigned i = 0; i < OPT_ID_COUNT; i++) {
        const struct opt_value *v = &o->value[i];
        json_t *entry = json_object();
        json_object_set_new(entry, "value", v->text ? json_string(v->text) : json_null());
        json_object_set_new(entry, "origin",
                            json_string(v->text ? origin_name(v->origin) : "unset"));
        json_object_set_new(root, opt_rows[i].key, entry);
    }
    char *text = json_dumps(root, JSON_INDENT(2) | JSON_SORT_KEYS);
    puts(text);
    free(text);
    json_decref(root);
}

int cmd_config(int argc, char **argv)
{
    struct options o;
    struct err err;

    err_clear(&err);
    if (argc == 0 || strcmp(argv[0], "show") != 0) {
        err_set(&err, "E-CLI-005", -EINVAL, "config knows: show");
        return usage_error(&err);
    }
    if (options_parse(&o, 'c', argc - 1, argv + 1, &err) < 0)
        return usage_error(&err);
    if (opt_text(&o, OPT_ID_JSON)) {
        show_json(&o);
        return EXIT_CODE_OK;
    }
    for (unsigned i = 0; i < OPT_ID_COUNT; i++) {
        const struct opt_value *v = &o.value[i];
        printf("%-20s = %-20s", opt_rows[i].key, v->text ? *v->text ? v->text : "yes" : "");
        if (opt_text(&o, OPT_ID_ORIGIN))
            printf(" # %s", v->text ? origin_name(v->origin) : "unset");
        putchar('\n');
    }
    return EXIT_CODE_OK;
}
