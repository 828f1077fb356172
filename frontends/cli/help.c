/*
 * help and completion: printed from options.def.
 */
#include <stdio.h>
#include <string.h>

#include "frontends/cli/cmd.h"
#include "frontends/cli/options.h"

static void print_wrapped(const char *text, unsigned indent)
{
    unsigned column = indent;

    while (*text) {
        const size_t word = strcspn(text, " ");
        if (column + word > 96 && column > indent) {
            printf("\n%*s", (int)indent, "");
            column = indent;
        }
        printf("%.*s", (int)word, text);
        column += (unsigned)word + 1;
        text += word;
        while (*text == ' ')
            text++;
        if (*text)
            putchar(' ');
    }
    putchar('\n');
}

static void option_head(const struct opt_row *row, char *head, size_t size)
{
    const char *argument = row->argument;

    if (row->kind == OPT_FLAG)
        snprintf(head, size, "--%s", row->name);
    else if (row->kind == OPT_OPTIONAL)
        snprintf(head, size, "--%s[=%s]", row->name, argument);
    else
        snprintf(head, size, "--%s=%s", row->name, argument);
    if (row->letter) {
        const size_t n = strlen(head);
        snprintf(head + n, size - n, ", -%c", row->letter);
    }
}

void help_print_command(const struct command *cmd)
{
    const char *group = NULL;
    char head[96];

    printf("usage: vitrine %s %s\n%s\n", cmd->name, cmd->synopsis, cmd->help);
    for (unsigned i = 0; cmd->letter && i < OPT_ID_COUNT; i++) {
        const struct opt_row *row = &opt_rows[i];
        if (!strchr(row->commands, cmd->letter))
            continue;
        const char *title = opt_group_title(i);
        if (title != group)
            printf("\n%s\n", title);
        group = title;
        option_head(row, head, sizeof(head));
        printf("  %-30s%s", head, strlen(head) >= 30 ? "\n                                " : "");
        print_wrapped(row->help, 32);
    }
    if (cmd->letter && cmd->letter != 'i' && cmd->letter != 'd')
        printf("\nQEMU's spellings -kernel -initrd -append -m -smp -s -S -gdb -d -nographic work "
               "too.\nKeys at the console: Ctrl-A x leaves, Ctrl-A h lists the others.\n"
               "Exit codes: 0 ok, 1 error, 2 usage, 3 the guest said fail, 4 guest panic or triple "
               "fault,\n5 timeout.\n");
}

int cmd_help(int argc, char **argv)
{
    if (argc > 0) {
        for (const struct command *c = commands; c->name; c++) {
            if (strcmp(c->name, argv[0]) == 0 && c->help) {
                help_print_command(c);
                return EXIT_CODE_OK;
            }
        }
        struct err err;
        err_set(&err, "E-CLI-005", -1, "unknown command '%s'", argv[0]);
        return usage_error(&err);
    }
    printf("vitrine " VITRINE_VERSION ": a PC with VT-x in software, and a hypervisor to run on it"
           "\n\n");
    for (const struct command *c = commands; c->name; c++) {
        if (!c->help)
            continue;
        char head[64];
        snprintf(head, sizeof(head), "%s %s", c->name, c->synopsis);
        printf("  vitrine %s\n", head);
        for (const char *p = c->help; *p;) {
            const size_t n = strcspn(p, "\n");
            printf("        %.*s\n", (int)n, p);
            p += n + (p[n] == '\n');
        }
    }
    printf("\n`vitrine help COMMAND` lists a command's options. Start with: vitrine run\n");
    return EXIT_CODE_OK;
}

int cmd_completion(int argc, char **argv)
{
    if (argc > 0 && strcmp(argv[0], "bash") != 0) {
        struct err err;
        err_set(&err, "E-CLI-002", -1, "completion for '%s' is not known", argv[0]);
        err_hint(&err, "vitrine completion bash");
        return usage_error(&err);
    }
    printf("_vitrine()\n{\n    local word=${COMP_WORDS[COMP_CWORD]}\n"
           "    if [ \"$COMP_CWORD\" = 1 ]; then\n        COMPREPLY=($(compgen -W \"");
    for (const struct command *c = commands; c->name; c++) {
        if (c->help)
            printf("%s ", c->name);
    }
    printf("\" -- \"$word\"))\n    elif [[ $word == -* ]]; then\n        compopt -o nospace\n"
           "        COMPREPLY=($(compgen -W \"");
    for (unsigned i = 0; i < OPT_ID_COUNT; i++)
        printf("--%s%s ", opt_rows[i].name, opt_rows[i].kind == OPT_FLAG ? "" : "=");
    printf("\" -- \"$word\"))\n    else\n        COMPREPLY=($(compgen -f -- \"$word\"))\n"
           "    fi\n}\ncomplete -F _vitrine vitrine\n");
    return EXIT_CODE_OK;
}

int usage_error(const struct err *err)
{
    err_print(err);
    return EXIT_CODE_USAGE;
}

int exit_code_of(const struct err *err)
{
    return err->id && strncmp(err->id, "E-CLI-", 6) == 0 ? EXIT_CODE_USAGE : EXIT_CODE_ERROR;
}
