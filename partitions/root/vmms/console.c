/*
 * vmms/console.c: lines typed on the console "root": ls, start, stop, restart, turn-off, help. With
 * COM1 alone there is no such console: what is typed there goes to the first VM.
 *
 * Not modelled: editing but backspace.
 */
#include "partitions/root/vmms/vmms.h"

#define COMMAND_MAX 80u

static int64_t console = -1;
static char typed[COMMAND_MAX];
static size_t length;

void console_open(uint64_t queue)
{
    console = u_call2(SYS_CON_OPEN, (uint64_t) "root", queue);
}

static void say(const char *text)
{
    u_call3(SYS_CON_WRITE, (uint64_t)console, (uint64_t)text, strlen(text));
}

static void list(void)
{
    char line[80];
    for (unsigned i = 0; i < vm_count; i++) {
        rt_format(line, sizeof(line), "%s %s\n", vms[i].name, vm_state_names[vms[i].state]);
        say(line);
    }
}

static void with_vm(const char *verb, struct vm *v)
{
    static const struct {
        const char *verb;
        enum rt_vm_stop how;
    } stops[] = {
        {"stop", RT_STOP_SHUTDOWN}, {"restart", RT_STOP_RESTART}, {"turn-off", RT_STOP_TURN_OFF}};
    if (!strcmp(verb, "start")) {
        if (v->state == RT_VM_OFF)
            vm_start(v);
        else
            say("it is not off\n");
        return;
    }
    for (unsigned i = 0; i < RT_COUNT(stops); i++) {
        if (strcmp(verb, stops[i].verb))
            continue;
        if (v->state == RT_VM_OFF)
            say("it is off\n");
        else
            vm_stop(v, stops[i].how);
        return;
    }
    say("ls, start NAME, stop NAME, restart NAME, turn-off NAME\n");
}

static void command(char *line)
{
    char *name = line;
    while (*name && *name != ' ')
        name++;
    while (*name == ' ')
        *name++ = 0;
    if (!*line)
        return;
    if (!strcmp(line, "ls")) {
        list();
        return;
    }
    for (unsigned i = 0; i < vm_count; i++) {
        if (!strcmp(vms[i].name, name)) {
            with_vm(line, &vms[i]);
            return;
        }
    }
    say(*name ? "no such VM\n" : "ls, start NAME, stop NAME, restart NAME, turn-off NAME\n");
}

static void key(char c)
{
    const char echo[2] = {c, 0};
    if (c == '\r' || c == '\n') {
        say("\n");
        typed[length] = 0;
        length = 0;
        command(typed);
    } else if ((c == '\b' || c == 0x7f) && length) {
        length--;
        say("\b \b");
    } else if (c >= ' ' && c < 0x7f && length < COMMAND_MAX - 1) {
        typed[length++] = c;
        say(echo);
    }
}

void console_input(const uint8_t *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        key((char)text[i]);
}
