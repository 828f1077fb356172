/*
 * Entry point: finds the command and runs it.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "frontends/cli/cmd.h"

const struct command commands[] = {
    {"run", cmd_run, 'r', "[FILE] [options]",
     "boot children on the stack, a kernel on the bare machine (--bare), or without\n"
     "arguments the built-in demo: hypervisor, root partition and two small children"},
    {"trace", cmd_trace, 't', "[GLOB...] [run options]", "run with tracepoints on"},
    {"stat", cmd_stat, 's', "[run options]", "run and print counts and the exit histogram"},
    {"config", cmd_config, 'c', "show [--origin] [run options]",
     "the effective settings and where they came from"},
    {"vm", cmd_vm, 'v',
     "ls|start|stop|restart|reset|pause|resume|nmi|ic|type|set|console|new|rm|query|watch|"
     "power-off ...",
     "the VMs of a machine that was started with --name: ls, start VM, stop VM, console VM,\n"
     "ic VM, set VM net.link=off, query \"SELECT * FROM Msvm_ComputerSystem\", watch, power-off "
     "(of the machine)"},
    {"info", cmd_info, 0, "cpu", "what can be configured: processor models and their features"},
    {"img", cmd_img, 'i', "info|new|convert|check FILE... [options]",
     "disk images: info FILE, new FILE SIZE, convert FROM TO, check FILE"},
    {"doctor", cmd_doctor, 'd', "[--quick] [--json]",
     "what this host and this build have and lack, with advice, and a self-test"},
    {"explain", cmd_explain, 0, "E-...", "what an error id means, and what to do"},
    {"completion", cmd_completion, 0, "bash", "completion script for a shell"},
    {"version", cmd_version, 0, "", "version and build"},
    {"help", cmd_help, 0, "[COMMAND]", "this text, or the options of a command"},
    {NULL, NULL, 0, NULL, NULL},
};

const struct command *command_of_letter(char letter)
{
    const struct command *c = commands;

    while (c->letter != letter)
        c++;
    return c;
}

static const char *get_command(size_t i)
{
    return commands[i].help ? commands[i].name : NULL;
}

int main(int argc, char **argv)
{
    struct err err;

    signal(SIGXFSZ, SIG_IGN); /* beyond the limit a write fails, as on a full disk */
    if (argc < 2)
        return cmd_help(0, NULL), EXIT_CODE_USAGE;
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
        name = "version";
    for (const struct command *c = commands; c->name; c++) {
        if (strcmp(c->name, name) == 0)
            return c->run(argc - 2, argv + 2);
    }
    err_set(&err, "E-CLI-005", -1, "unknown command '%s'", name);
    const char *near = text_nearest(name, get_command);
    if (near)
        err_hint(&err, "did you mean `vitrine %s`?", near);
    else
        err_hint(&err, "see `vitrine help`");
    return usage_error(&err);
}
