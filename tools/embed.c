/*
 * Build tool: writes an assembly file that embeds files with .incbin, and a C table of them.
 *
 *     embed OUT.S NAME=FILE...
 *
 * The result defines `const struct embed_file embed_files[]`, ended by an entry without name
 * (see frontends/cli/embed.h). A file that does not exist is left out, so that a binary without
 * guest images can be built while they are missing.
 *
 * Not modelled: assemblers other than GNU as (gcc, clang) for ELF targets of 64 bits.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct item {
    char *name;
    char *path;
    int present;
};

static int parse_item(struct item *item, char *arg)
{
    char *eq = strchr(arg, '=');

    if (!eq)
        return -1;
    *eq = 0;
    item->name = arg;
    item->path = eq + 1;
    FILE *f = fopen(item->path, "rb");
    item->present = f != NULL;
    if (f)
        fclose(f);
    return 0;
}

static void write_items(FILE *out, const struct item *items, int count)
{
    for (int i = 0; i < count; i++) {
        if (!items[i].present)
            continue;
        fprintf(out, "\t.section .rodata.embed,\"a\",%%progbits\n\t.balign 4096\n");
        fprintf(out, ".Ldata%d:\n\t.incbin \"%s\"\n.Lend%d:\n", i, items[i].path, i);
        fprintf(out, "\t.byte 0\n.Lname%d:\n\t.asciz \"%s\"\n", i, items[i].name);
    }
    fprintf(out, "\t.section .data.rel.ro.embed,\"aw\",%%progbits\n\t.balign 8\n");
    fprintf(out, "\t.globl embed_files\nembed_files:\n");
    for (int i = 0; i < count; i++) {
        if (items[i].present)
            fprintf(out, "\t.quad .Lname%d, .Ldata%d, .Lend%d - .Ldata%d\n", i, i, i, i);
    }
    fprintf(out, "\t.quad 0, 0, 0\n\t.section .note.GNU-stack,\"\",%%progbits\n");
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: embed OUT.S NAME=FILE...\n");
        return 2;
    }
    struct item *items = calloc((size_t)argc, sizeof(*items));
    if (!items)
        return 1;
    for (int i = 2; i < argc; i++) {
        if (parse_item(&items[i - 2], argv[i]) < 0) {
            fprintf(stderr, "embed: %s: NAME=FILE expected\n", argv[i]);
            return 2;
        }
    }
    FILE *out = fopen(argv[1], "w");
    if (!out) {
        perror(argv[1]);
        return 1;
    }
    write_items(out, items, argc - 2);
    int bad = ferror(out);
    if (fclose(out) != 0 || bad) {
        perror(argv[1]);
        return 1;
    }
    free(items);
    return 0;
}
