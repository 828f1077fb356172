/*
 * vitrine vm: the partitions of a running machine (one started with --name), by VMMS's management
 * endpoint: JSON-RPC with the names of the WMI classes (partitions/root/vmms/rpc.c).
 *
 * Commands that change a state wait until it is reached, as long as --timeout says.
 */
#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frontends/cli/cmd.h"
#include "frontends/cli/ports.h"
#include "frontends/cli/session.h"
#include "frontends/cli/term.h"

#define ANSWER_MS    10000
#define POLL_MS      50
#define WAIT_DEFAULT 60000000000ull

struct client {
    const struct options *o;
    char machine[PORTS_NAME];
    int fd;
    char *buffer; /* bytes that came, from the start of a line */
    size_t length, capacity;
    unsigned id;
};

/* ---- the endpoint ---- */

static int lost(const struct client *c, struct err *err)
{
    err_set(err, "E-VM-002", -EPIPE, "machine %s does not answer", c->machine);
    return err_hint(err, "it may have ended, or stand still in a debugger");
}

/* The next line as a document; NULL with *err: nothing came in time (ms; -1: for ever). */
static json_t *receive(struct client *c, int ms, struct err *err)
{
    for (;;) {
        char *const end = c->length ? memchr(c->buffer, '\n', c->length) : NULL;
        if (end) {
            const size_t n = (size_t)(end - c->buffer) + 1;
            json_t *const doc = json_loadb(c->buffer, n - 1, 0, NULL);
            c->length -= n;
            memmove(c->buffer, end + 1, c->length);
            if (doc)
                return doc;
            continue; /* a line that began before we came */
        }
        if (c->length == c->capacity) {
            char *const more = realloc(c->buffer, c->capacity + 65536);
            if (!more) {
                err_set(err, "E-MACH-002", -ENOMEM, "out of memory");
                return NULL;
            }
            c->buffer = more;
            c->capacity += 65536;
        }
        struct pollfd fd = {.fd = c->fd, .events = POLLIN};
        const ssize_t n = poll(&fd, 1, ms) > 0
                              ? recv(c->fd, c->buffer + c->length, c->capacity - c->length, 0)
                              : 0;
        if (n <= 0) {
            lost(c, err);
            return NULL;
        }
        c->length += (size_t)n;
    }
}

static bool send_all(int fd, const char *text, size_t len)
{
    while (len) {
        const ssize_t n = send(fd, text, len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        text += n;
        len -= (size_t)n;
    }
    return true;
}

/* Takes params. The result, or NULL with *err. */
static json_t *call(struct client *c, const char *method, json_t *params, struct err *err)
{
    const json_int_t id = (json_int_t)++c->id;
    json_t *const request = json_pack("{s:s,s:I,s:s,s:o}", "jsonrpc", "2.0", "id", id, "method",
                                      method, "params", params);
    char *const text = json_dumps(request, JSON_COMPACT);

    json_decref(request);
    const bool sent = text && send_all(c->fd, text, strlen(text)) && send_all(c->fd, "\n", 1);
    free(text);
    if (!sent) {
        lost(c, err);
        return NULL;
    }
    for (;;) {
        json_t *const doc = receive(c, ANSWER_MS, err), *result, *error;
        if (!doc)
            return NULL;
        if (json_integer_value(json_object_get(doc, "id")) != id) {
            json_decref(doc); /* an event, or an answer to somebody before us */
            continue;
        }
        result = json_incref(json_object_get(doc, "result"));
        error = json_object_get(doc, "error");
        if (!result)
            err_set(err, "E-VM-003", -EINVAL, "%s: %s", method,
                    json_string_value(json_object_get(error, "message")));
        json_decref(doc);
        return result;
    }
}

static json_t *query(struct client *c, const char *class_name, const char *vm, struct err *err)
{
    char text[160];

    snprintf(text, sizeof(text),
             vm ? "SELECT * FROM %s WHERE ElementName='%s'" : "SELECT * FROM %s", class_name, vm);
    return call(c, "ExecQuery", json_pack("{s:s}", "Query", text), err);
}

static const char *return_text(json_int_t value)
{
    switch (value) {
    case 1:
        return "not supported";
    case 32773:
        return "there is no such VM, or a value is wrong";
    case 32775:
        return "not possible in its present state";
    default:
        return "failed";
    }
}

/* A method that acts; takes params. 0 or -errno with *err. */
static int act(struct client *c, const char *method, json_t *params, struct err *err)
{
    json_t *const result = call(c, method, params, err);

    if (!result)
        return err->code;
    const json_int_t value = json_integer_value(json_object_get(result, "ReturnValue"));
    json_decref(result);
    if (value == 0 || value == 4096)
        return 0;
    return err_set(err, "E-VM-003", -EINVAL, "%s: %s (ReturnValue %lld)", method,
                   return_text(value), (long long)value);
}

/* ---- commands ---- */

static int print_json(json_t *v)
{
    char *const text = json_dumps(v, JSON_INDENT(2));

    puts(text);
    free(text);
    return 0;
}

static const char *text_of(const json_t *v, const char *key)
{
    const char *const s = json_string_value(json_object_get(v, key));
    return s ? s : "";
}

static long long number_of(const json_t *v, const char *key)
{
    return (long long)json_integer_value(json_object_get(v, key));
}

/* Msvm_SummaryInformation.Heartbeat */
static const char *heart(long long status)
{
    return status == 2 ? "ok" : status == 13 ? "lost" : "-";
}

/* Msvm_SummaryInformation.HealthState */
static const char *crash(long long health)
{
    return health == 25 ? "guest crashed " : "";
}

static int list(struct client *c, const char *vm, struct err *err)
{
    json_t *const all = query(c, "Msvm_SummaryInformation", vm, err), *v;
    size_t i;

    if (!all)
        return err->code;
    if (opt_text(c->o, OPT_ID_JSON)) {
        print_json(all);
    } else {
        printf("%-20s %-10s %4s %8s %10s  %-5s %s\n", "NAME", "STATE", "CPUS", "MEMORY", "UP",
               "HEART", "ENDED");
        json_array_foreach(all, i, v)
            printf("%-20s %-10s %4lld %7lldM %9.1fs  %-5s %s%s\n", text_of(v, "ElementName"),
                   text_of(v, "StatusDescriptions"), number_of(v, "NumberOfProcessors"),
                   number_of(v, "MemoryUsage"), (double)number_of(v, "UpTime") / 1000.0,
                   heart(number_of(v, "Heartbeat")), crash(number_of(v, "HealthState")),
                   text_of(v, "LastEnd"));
    }
    json_decref(all);
    return 0;
}

/* Until the VM's state is `state` and, for a restart, it has another worker. */
static int wait_for(struct client *c, const char *vm, json_int_t state, json_int_t old_process,
                    struct err *err)
{
    const uint64_t limit = opt_text(c->o, OPT_ID_TIMEOUT) ? opt_number(c->o, OPT_ID_TIMEOUT)
                                                          : WAIT_DEFAULT;
    const uint64_t start = host_now_ns();

    for (;;) {
        json_t *const found = query(c, "Msvm_ComputerSystem", vm, err);
        if (!found)
            return err->code;
        const json_t *const v = json_array_get(found, 0);
        const bool there = json_integer_value(json_object_get(v, "EnabledState")) == state &&
                           json_integer_value(json_object_get(v, "ProcessID")) != old_process;
        json_decref(found);
        if (there)
            return 0;
        if (host_now_ns() - start > limit) {
            err_set(err, "E-VM-004", -ETIMEDOUT, "VM %s: its state has not changed in time", vm);
            return err_hint(err, "a guest without hv_utils does not hear a shutdown request: "
                                 "--turn-off does not ask it");
        }
        poll(NULL, 0, POLL_MS);
    }
}

static json_int_t process_of(struct client *c, const char *vm, struct err *err)
{
    json_t *const found = query(c, "Msvm_ComputerSystem", vm, err);
    const json_int_t id = json_integer_value(
        json_object_get(json_array_get(found, 0), "ProcessID"));

    json_decref(found);
    return id;
}

enum {
    STATE_ENABLED = 2,
    STATE_DISABLED = 3,
    STATE_SHUTTING = 4,
    STATE_QUIESCE = 9,
    STATE_RESET = 11
};

static int change(struct client *c, const char *vm, int requested, int reached, struct err *err)
{
    const json_int_t before = requested == STATE_RESET ? process_of(c, vm, err) : -1;

    if (act(c, "Msvm_ComputerSystem.RequestStateChange",
            json_pack("{s:s,s:i}", "ElementName", vm, "RequestedState", requested), err) < 0)
        return err->code;
    return wait_for(c, vm, reached, before, err);
}

static int start(struct client *c, const char *vm, struct err *err)
{
    return change(c, vm, STATE_ENABLED, STATE_ENABLED, err);
}

static int stop(struct client *c, const char *vm, struct err *err)
{
    const bool hard = opt_text(c->o, OPT_ID_TURN_OFF);
    return change(c, vm, hard ? STATE_DISABLED : STATE_SHUTTING, STATE_DISABLED, err);
}

static int suspend(struct client *c, const char *vm, struct err *err)
{
    return change(c, vm, STATE_QUIESCE, STATE_QUIESCE, err);
}

static int reset(struct client *c, const char *vm, struct err *err)
{
    return change(c, vm, STATE_RESET, STATE_ENABLED, err);
}

static int restart(struct client *c, const char *vm, struct err *err)
{
    const json_int_t before = process_of(c, vm, err);

    if (act(c, "Msvm_ShutdownComponent.InitiateReboot", json_pack("{s:s}", "ElementName", vm),
            err) < 0)
        return err->code;
    return wait_for(c, vm, STATE_ENABLED, before, err);
}

static int nmi(struct client *c, const char *vm, struct err *err)
{
    return act(c, "Msvm_ComputerSystem.InjectNonMaskableInterrupt",
               json_pack("{s:s}", "ElementName", vm), err);
}

static int type(struct client *c, const char *vm, struct err *err)
{
    return act(c, "Msvm_Keyboard.TypeText",
               json_pack("{s:s,s:s}", "ElementName", vm, "AsciiText", c->o->args[2]), err);
}

/* KEY=VALUE: net.link=on|off */
static int set(struct client *c, const char *vm, struct err *err)
{
    const char *const text = c->o->args[2];
    const bool on = strcmp(text, "net.link=on") == 0;

    if (!on && strcmp(text, "net.link=off") != 0) {
        err_set(err, "E-CLI-006", -EINVAL, "'%s' is no setting that can be changed", text);
        return err_hint(err, "net.link=on or net.link=off: the VM's network cable");
    }
    return act(c, "Msvm_VirtualSystemManagementService.ModifyResourceSettings",
               json_pack("{s:s,s:s,s:i}", "ElementName", vm, "ClassName",
                         "Msvm_EthernetPortAllocationSettingData", "EnabledState",
                         on ? STATE_ENABLED : STATE_DISABLED),
               err);
}

/* "X,Y" or "X,Y,BUTTON": pixels of the guest's screen */
static int mouse(struct client *c, const char *vm, struct err *err)
{
    unsigned x, y, button;
    char rest;
    const int n = sscanf(c->o->args[2], "%5u,%5u,%1u%c", &x, &y, &button, &rest);

    if (n != 2 && n != 3)
        return err_set(err, "E-CLI-002", -EINVAL, "vm mouse: '%s' is not X,Y[,BUTTON]",
                       c->o->args[2]);
    json_t *const params = json_pack("{s:s,s:i,s:i}", "ElementName", vm, "HorizontalPosition",
                                     (int)x, "VerticalPosition", (int)y);
    if (n == 3)
        json_object_set_new(params, "ButtonIndex", json_integer((json_int_t)button));
    return act(c, "Msvm_SyntheticMouse.SetAbsolutePosition", params, err);
}

static int define(struct client *c, const char *settings, struct err *err)
{
    return act(c, "Msvm_VirtualSystemManagementService.DefineSystem",
               json_pack("{s:s}", "SystemSettings", settings), err);
}

static int destroy(struct client *c, const char *vm, struct err *err)
{
    return act(c, "Msvm_VirtualSystemManagementService.DestroySystem",
               json_pack("{s:s}", "ElementName", vm), err);
}

static int power_off(struct client *c, const char *unused, struct err *err)
{
    (void)unused;
    return act(c, "Win32_OperatingSystem.Shutdown", json_object(), err);
}

static int ask(struct client *c, const char *text, struct err *err)
{
    json_t *const result = call(c, "ExecQuery", json_pack("{s:s}", "Query", text), err);

    if (!result)
        return err_hint(err, "SELECT * FROM Msvm_ComputerSystem WHERE EnabledState = 2");
    print_json(result);
    json_decref(result);
    return 0;
}

/* Changes of state as they come, a line each, to the end of the machine. */
static int watch(struct client *c, const char *unused, struct err *err)
{
    struct err end;

    (void)unused;
    json_t *doc = call(c, "ExecNotificationQuery",
                       json_pack("{s:s}", "Query", "SELECT * FROM __InstanceModificationEvent"),
                       err);
    if (!doc)
        return err->code;
    json_decref(doc);
    err_clear(&end);
    while ((doc = receive(c, -1, &end))) {
        const json_t *const v = json_object_get(json_object_get(doc, "params"), "TargetInstance");
        if (v && opt_text(c->o, OPT_ID_JSON)) {
            char *const text = json_dumps(v, JSON_COMPACT);
            puts(text);
            free(text);
        } else if (v) {
            printf("%s: %s\n", text_of(v, "ElementName"), text_of(v, "StatusDescriptions"));
        }
        fflush(stdout);
        json_decref(doc);
    }
    return 0;
}

/* ---- integration components ---- */

static int components(struct client *c, const char *vm, struct err *err)
{
    static const char *const parts[][2] = {{"heartbeat", "Msvm_HeartbeatComponent"},
                                           {"shutdown", "Msvm_ShutdownComponent"},
                                           {"time sync", "Msvm_TimeSyncComponent"},
                                           {"key-value exchange", "Msvm_KvpExchangeComponent"}};
    json_t *const all = json_array();

    for (unsigned i = 0; i < sizeof(parts) / sizeof(parts[0]) && !err_is_set(err); i++) {
        json_t *const found = query(c, parts[i][1], vm, err);
        if (found && !json_array_size(found))
            err_set(err, "E-VM-003", -EINVAL, "there is no VM %s", vm);
        json_array_extend(all, found);
        json_decref(found);
    }
    if (!err_is_set(err) && opt_text(c->o, OPT_ID_JSON)) {
        print_json(all);
    } else if (!err_is_set(err)) {
        const char *key;
        json_t *v, *item;
        size_t i;
        json_array_foreach(all, i, v)
        {
            printf("%-20s %s\n", parts[i][0], text_of(v, "StatusDescriptions"));
            json_object_foreach(json_object_get(v, "GuestIntrinsicExchangeItems"), key, item)
                printf("  %-30s %s\n", key, json_string_value(item));
        }
    }
    json_decref(all);
    return err_is_set(err) ? err->code : 0;
}

/* ---- console ---- */

/* Keys to the VM; false: Ctrl-A x, or the end of the input. */
static bool send_keys(int fd, struct term_escape *esc)
{
    uint8_t bytes[64], out;
    enum term_command command = TERM_NONE;
    const int n = term_read(bytes, sizeof(bytes));

    for (int i = 0; i < n; i++) {
        if (term_escape_feed(esc, bytes[i], &out, &command) && !send_all(fd, (char *)&out, 1))
            return false;
        if (command == TERM_EXIT)
            return false;
        if (command == TERM_HELP)
            fprintf(stderr, "\nCtrl-A x  leave    Ctrl-A a  send Ctrl-A\n");
    }
    return n >= 0;
}

static int console(struct client *c, const char *vm, struct err *err)
{
    char port[64];
    struct term_escape esc = {false};

    snprintf(port, sizeof(port), "vm.%s", vm);
    const int fd = ports_connect(c->machine, port, err);
    if (fd < 0)
        return fd;
    fprintf(stderr, "vitrine: console of %s; Ctrl-A x leaves\n", vm);
    term_enter_raw();
    struct pollfd fds[2] = {{.fd = fd, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
    while (poll(fds, 2, -1) > 0 || errno == EINTR) {
        if (fds[0].revents) {
            uint8_t bytes[4096];
            const ssize_t n = recv(fd, bytes, sizeof(bytes), 0);
            if (n <= 0)
                break;
            term_write(bytes, (size_t)n);
        }
        if (fds[1].revents && !send_keys(fd, &esc)) {
            if (term_is_tty())
                break;
            fds[1].fd = -1; /* a script's input has ended; its answers are still to come */
        }
    }
    term_restore();
    close(fd);
    return 0;
}

/* ---- the command ---- */

static const struct verb {
    const char *name;
    const char *argument; /* the word or two behind it; NULL: none; "[...]": may be missing */
    int (*run)(struct client *c, const char *argument, struct err *err);
} verbs[] = {
    {"ls", "[VM]", list},         {"start", "VM", start},
    {"stop", "VM", stop},         {"restart", "VM", restart},
    {"reset", "VM", reset},       {"pause", "VM", suspend},
    {"resume", "VM", start},      {"nmi", "VM", nmi},
    {"console", "VM", console},   {"new", "SETTINGS", define},
    {"rm", "VM", destroy},        {"query", "WQL", ask},
    {"ic", "VM", components},     {"type", "VM TEXT", type},
    {"set", "VM KEY=VALUE", set}, {"mouse", "VM X,Y[,BUTTON]", mouse},
    {"watch", NULL, watch},       {"power-off", NULL, power_off},
};

static const char *get_verb(size_t i)
{
    return i < sizeof(verbs) / sizeof(verbs[0]) ? verbs[i].name : NULL;
}

static const struct verb *find_verb(const struct options *o, struct err *err)
{
    if (!o->arg_count) {
        err_set(err, "E-CLI-003", -EINVAL, "vm needs a command");
        err_hint(err, "vitrine help vm");
        return NULL;
    }
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        const struct verb *const v = &verbs[i];
        const unsigned most = !v->argument ? 0 : strchr(v->argument, ' ') ? 2 : 1;
        const unsigned least = most && *v->argument == '[' ? 0 : most;
        if (strcmp(v->name, o->args[0]) != 0)
            continue;
        if (o->arg_count - 1 < least || o->arg_count - 1 > most) {
            err_set(err, "E-CLI-003", -EINVAL, "vm %s: %s", v->name,
                    most == 2   ? "two arguments, please"
                    : most == 1 ? "one argument, please"
                                : "no arguments, please");
            err_hint(err, "vitrine vm %s %s", v->name, most ? v->argument : "");
            return NULL;
        }
        return v;
    }
    err_set(err, "E-CLI-005", -EINVAL, "unknown command 'vm %s'", o->args[0]);
    const char *const near = text_nearest(o->args[0], get_verb);
    err_hint(err, near ? "did you mean `vitrine vm %s`?" : "see `vitrine help vm`", near);
    return NULL;
}

int cmd_vm(int argc, char **argv)
{
    static struct options o;
    struct client c = {.o = &o, .fd = -1};
    struct err err;

    err_clear(&err);
    if (options_parse(&o, 'v', argc, argv, &err) < 0)
        return usage_error(&err);
    if (opt_text(&o, OPT_ID_HELP)) {
        help_print_command(command_of_letter('v'));
        return EXIT_CODE_OK;
    }
    const struct verb *const verb = find_verb(&o, &err);
    if (!verb)
        return usage_error(&err);
    if (opt_text(&o, OPT_ID_NAME))
        snprintf(c.machine, sizeof(c.machine), "%s", opt_text(&o, OPT_ID_NAME));
    else
        ports_find_machine(c.machine, &err);
    if (!err_is_set(&err) && (c.fd = ports_connect(c.machine, "vmms", &err)) >= 0)
        verb->run(&c, o.arg_count > 1 ? o.args[1] : NULL, &err);
    if (c.fd >= 0)
        close(c.fd);
    free(c.buffer);
    if (!err_is_set(&err))
        return EXIT_CODE_OK;
    err_print(&err);
    return err.code == -ETIMEDOUT ? EXIT_CODE_TIMEOUT : exit_code_of(&err);
}
