/*
 * Build tool: the man page from man/vitrine.1.in and the table of options.
 *
 *     mkman IN OUT
 */
#include <stdio.h>
#include <string.h>

enum {
    OPT_FLAG,
    OPT_STRING,
    OPT_FILE,
    OPT_COUNT,
    OPT_SIZE,
    OPT_DURATION,
    OPT_CHOICE,
    OPT_OPTIONAL,
    OPT_LIST
};

static void put_text(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '-' || *text == '\\')
            putc('\\', out);
        putc(*text, out);
    }
    putc('\n', out);
}

static void put_group(FILE *out, const char *title)
{
    fprintf(out, ".SS %s\n", title);
}

static void put_option(FILE *out, const char *name, char letter, int kind, const char *argument,
                       const char *help)
{
    fputs(".TP\n.B ", out);
    fprintf(out, "\\-\\-%s", name);
    if (kind == OPT_OPTIONAL)
        fprintf(out, "\\fR[=\\fI%s\\fR]", argument);
    else if (kind != OPT_FLAG)
        fprintf(out, "\\fR=\\fI%s\\fR", argument);
    if (letter)
        fprintf(out, "\\fR, \\fB\\-%c", letter);
    putc('\n', out);
    put_text(out, help);
}

static void put_options(FILE *out)
{
#define OPT_GROUP(title) put_group(out, title);
#define OPT(id, name, letter, key, kind, argument, preset, min, max, commands, help) \
    put_option(out, name, letter, OPT_##kind, argument, help);
#include "frontends/cli/options.def"
#undef OPT
#undef OPT_GROUP
}

int main(int argc, char **argv)
{
    char line[1024];

    if (argc != 3) {
        fprintf(stderr, "usage: mkman IN OUT\n");
        return 2;
    }
    FILE *in = fopen(argv[1], "r"), *out = fopen(argv[2], "w");
    if (!in || !out) {
        perror(in ? argv[2] : argv[1]);
        return 1;
    }
    while (fgets(line, sizeof(line), in)) {
        if (strcmp(line, "@OPTIONS@\n") == 0)
            put_options(out);
        else
            fputs(line, out);
    }
    fclose(in);
    return fclose(out) ? 1 : 0;
}
