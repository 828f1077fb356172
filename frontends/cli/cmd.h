/*
 * Commands of the command line; each gets the words after its name and returns an exit code.
 */
#ifndef VITRINE_FRONTENDS_CLI_CMD_H
#define VITRINE_FRONTENDS_CLI_CMD_H

#include "frontends/cli/options.h"

enum exit_code {
    EXIT_CODE_OK = 0,
    EXIT_CODE_ERROR = 1,
    EXIT_CODE_USAGE = 2,
    EXIT_CODE_GUEST_FAIL = 3,
    EXIT_CODE_PANIC = 4,
    EXIT_CODE_TIMEOUT = 5,
};

int cmd_run(int argc, char **argv);
int cmd_trace(int argc, char **argv);
int cmd_stat(int argc, char **argv);
int cmd_vm(int argc, char **argv);
int cmd_info(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_explain(int argc, char **argv);
int cmd_config(int argc, char **argv);
int cmd_img(int argc, char **argv);
int cmd_version(int argc, char **argv);
int cmd_help(int argc, char **argv);
int cmd_completion(int argc, char **argv);

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    char letter; /* in options.def, or 0 */
    const char *synopsis;
    const char *help;
};
extern const struct command commands[];               /* ends with name == NULL */
const struct command *command_of_letter(char letter); /* one of those in the table */

/* Options of one command as text, to stdout. */
void help_print_command(const struct command *cmd);
/* Print a usage error; returns EXIT_CODE_USAGE. */
int usage_error(const struct err *err);
/* The code that an error of preparing a run means: usage for E-CLI-*, else 1. */
int exit_code_of(const struct err *err);

#endif
