/*
 * Running a machine for the command line: builds it from the options, turns the crank, serves
 * terminal and gdb between slices, and turns the stop reason into an exit code (ux.md).
 *
 * Host time is used here for --timeout, for pacing and to poll rarely; it never enters the machine.
 */
#include "frontends/cli/ports.h"
#include "frontends/cli/session.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "abi/vitrine_info.h"
#include "cpu/cpu.h"
#include "debug/gdb.h"
#include "debug/trace_writer.h"
#include "frontends/cli/cmd.h"
#include "frontends/display.h"
#include "lib/log.h"

#define POLL_EVERY_NS   2000000ull    /* terminal and gdb are looked at this often */
#define PANIC_LINGER_NS 2000000000ull /* virtual time for the rest of a panic message */
#define IDLE_STEP_NS    5000000ull    /* idle virtual time between looks at the wall */
#define RESET_LIMIT     100
#define SIGNAL_SEGV     11
#define INPUT_LIMIT     (1ull << 20)

uint64_t host_now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

static void finish(struct session *s, enum end_reason end)
{
    if (s->end == END_NONE)
        s->end = end;
    machine_request_stop(s->machine);
}

/* ---- callbacks on the machine's thread ---- */

static void on_output(void *opaque, const char *source, const void *bytes, size_t len)
{
    struct session *s = opaque;
    struct consoles *cs = &s->consoles;

    if (s->ports)
        ports_output(s->ports, source, bytes, len);
    if (strcmp(source, "console/vmms") == 0)
        return; /* talks to programs */
    const bool news = consoles_output(cs, source, bytes, len);
    if (s->interactive || memchr(bytes, '\n', len))
        fflush(cs->out); /* a person waits for the echo, a pipe's reader for the line */
    if (!news || !s->machine)
        return;
    if (cs->until_seen)
        finish(s, END_UNTIL);
    if (strcmp(opt_text(&s->o, OPT_ID_ON_PANIC), "exit") != 0)
        return;
    if (cs->panic_ended)
        finish(s, END_PANIC);
    else if (cs->panic_seen && !s->panic_at_ns)
        s->panic_at_ns = machine_now_ns(s->machine) + 1;
}

/* Whether anything from outside can still reach the guest. */
static bool input_may_come(const struct session *s)
{
    return s->reads_stdin || s->pending_len || s->typed_at < s->typed.size || s->gdb ||
           s->net.live || s->display || s->ports;
}

static bool on_slice(void *opaque)
{
    struct session *s = opaque;

    session_poll_input(s);
    if (s->net.has_outside)
        net_poll(&s->net, NULL, 0, 0);
    if (s->panic_at_ns && machine_now_ns(s->machine) > s->panic_at_ns + PANIC_LINGER_NS)
        finish(s, END_PANIC);
    session_draw(s);
    session_pace(s);
    const uint64_t now = host_now_ns();
    if (now < s->next_poll_ns)
        return input_may_come(s);
    s->next_poll_ns = now + POLL_EVERY_NS;
    if (s->ports)
        ports_serve(s->ports, machine_input(s->machine));
    if (s->interactive)
        consoles_show_prompts(&s->consoles);
    fflush(s->consoles.out);
    if (s->deadline_ns && now >= s->deadline_ns)
        finish(s, END_TIMEOUT);
    if (term_signal_pending())
        finish(s, END_SIGNAL);
    if (s->gdb) {
        gdb_poll(s->gdb, 0);
        if (gdb_is_stopped(s->gdb))
            machine_request_stop(s->machine);
    }
    if (s->end != END_NONE)
        machine_request_stop(s->machine);
    return input_may_come(s);
}

/* ---- opening ---- */

static int set_log(const char *text, struct err *err)
{
    char word[32];
    enum log_level level;
    bool first = true;

    while (text && *text) {
        const size_t n = strcspn(text, ",");
        snprintf(word, sizeof(word), "%.*s", (int)n, text);
        if (!log_level_parse(word, &level)) {
            err_set(err, "E-CLI-002", -EINVAL, "--log: '%s' is no level", word);
            return err_hint(err, "levels: error warn stub guest info debug");
        }
        if (first)
            log_set_level(level);
        else
            log_enable(level, true);
        first = false;
        text += n + (text[n] != 0);
    }
    return 0;
}

static int choose_output(struct session *s, FILE **out, struct err *err)
{
    const char *serial = opt_text(&s->o, OPT_ID_SERIAL);

    if (!serial && s->display_ops && s->display_ops->owns_terminal)
        serial = "none";
    *out = opt_text(&s->o, OPT_ID_JSON) ? stderr : stdout;
    if (!serial || strcmp(serial, "stdio") == 0 || strcmp(serial, "mon:stdio") == 0 ||
        strcmp(serial, "none") == 0 || strcmp(serial, "null") == 0)
        return 0;
    if (strncmp(serial, "file:", 5) != 0) {
        err_set(err, "E-CLI-002", -EINVAL, "--serial: '%s' is not known", serial);
        return err_hint(err, "stdio, none or file:PATH");
    }
    *out = fopen(serial + 5, "we");
    if (!*out)
        return err_set(err, "E-FILE-005", -errno, "cannot write %s: %s", serial + 5,
                       strerror(errno));
    return 0;
}

static int open_consoles(struct session *s, struct err *err)
{
    const char *show = opt_text(&s->o, OPT_ID_CONSOLES);
    const char *serial = opt_text(&s->o, OPT_ID_SERIAL);
    enum console_show how = s->images.plan == PLAN_DEMO ? CONSOLE_SHOW_ALL : CONSOLE_SHOW_FIRST;
    char source[64];
    FILE *out;

    if (show)
        how = strcmp(show, "all") == 0    ? CONSOLE_SHOW_ALL
              : strcmp(show, "none") == 0 ? CONSOLE_SHOW_NONE
                                          : CONSOLE_SHOW_FIRST;
    if (serial ? strcmp(serial, "none") == 0 || strcmp(serial, "null") == 0
               : s->display_ops && s->display_ops->owns_terminal)
        how = CONSOLE_SHOW_NONE;
    if (choose_output(s, &out, err) < 0)
        return err->code;
    consoles_init(&s->consoles, how, out, s->name);
    s->consoles.until_text = opt_text(&s->o, OPT_ID_UNTIL);
    s->consoles.after_text = opt_text(&s->o, OPT_ID_INPUT_AFTER);
    for (unsigned i = 0; i < s->images.port_count; i++) {
        if (strncmp(s->images.port[i], "vm.", 3) != 0)
            continue;
        snprintf(source, sizeof(source), "console/%s", s->images.port[i]);
        consoles_add(&s->consoles, source, false);
    }
    if (s->images.plan == PLAN_BARE) {
        consoles_add(&s->consoles, "serial0", false);
        return 0;
    }
    /* the demo shows its children; the logs of hypervisor and root only when asked for */
    const bool all_asked = show && how == CONSOLE_SHOW_ALL;
    struct console *root = consoles_add(&s->consoles, "console/root", true);
    struct console *hypervisor = consoles_add(&s->consoles, "serial0", true);
    const char *const name = s->name ? s->name : "", *const slash = s->name ? "/" : "";
    snprintf(root->label, sizeof(root->label), "%s%sroot", name, slash);
    snprintf(hypervisor->label, sizeof(hypervisor->label), "%s%shypervisor", name, slash);
    root->shown = hypervisor->shown = all_asked;
    return 0;
}

static int open_trace(struct session *s, struct err *err)
{
    const char *globs = opt_text(&s->o, OPT_ID_TRACE);
    const char *path = opt_text(&s->o, OPT_ID_OUTPUT);
    const char *format = opt_text(&s->o, OPT_ID_TRACE_FORMAT);
    bool json = false;

    if (!globs)
        return 0;
    if (path) {
        const size_t n = strlen(path);
        json = (n > 5 && strcmp(path + n - 5, ".json") == 0) ||
               (n > 6 && strcmp(path + n - 6, ".jsonl") == 0);
    }
    if (format)
        json = strcmp(format, "jsonl") == 0;
    s->trace = trace_writer_new(s->machine, path, json ? TRACE_JSONL : TRACE_TEXT, err);
    if (!s->trace)
        return err->code;
    return trace_writer_select(s->trace, globs, err);
}

static int open_machine(struct session *s, struct err *err)
{
    s->config.nics = s->net.card;
    s->config.nic_count = s->net.count;
    s->config.output = on_output;
    s->config.opaque = s;
    s->machine = machine_new(&s->config, err);
    if (!s->machine) {
        if (!err_is_set(err))
            err_set(err, "E-MACH-001", -ENOMEM, "the machine cannot be built");
        return err->code;
    }
    machine_set_slice_hook(s->machine, on_slice, s);
    consoles_bind_input(&s->consoles, machine_input(s->machine));
    return 0;
}

static int open_gdb(struct session *s, struct err *err)
{
    const char *where = opt_text(&s->o, OPT_ID_GDB);

    if (!where) {
        if (!opt_text(&s->o, OPT_ID_FREEZE))
            return 0;
        where = opt_rows[OPT_ID_GDB].preset;
    }
    s->gdb = gdb_new(s->machine, where, err);
    if (!s->gdb)
        return err->code;
    if (opt_text(&s->o, OPT_ID_FREEZE)) {
        gdb_freeze(s->gdb);
        fprintf(stderr, "vitrine: waiting for gdb: target remote %s%s\n",
                strncmp(where, "unix:", 5) == 0 ? "" : "localhost:",
                strncmp(where, "unix:", 5) == 0 ? where + 5 : where);
    }
    return 0;
}

/* --name: the consoles can be reached from outside. */
static int open_ports(struct session *s, struct err *err)
{
    const char *name = opt_text(&s->o, OPT_ID_NAME);

    if (!name)
        return 0;
    if (s->images.plan == PLAN_BARE)
        return err_set(err, "E-CLI-004", -EINVAL,
                       "--name is for machines with VMs, not for --bare");
    s->ports = ports_open(name, s->images.port, s->images.port_count, err);
    if (!s->ports)
        return err->code;
    ports_bind_input(s->ports, machine_input(s->machine));
    return 0;
}

int session_open(struct session *s, struct err *err)
{
    const char *typed = opt_text(&s->o, OPT_ID_INPUT);

    if (set_log(opt_text(&s->o, OPT_ID_LOG), err) < 0 ||
        net_open(&s->net, s->hubs, s->index, &s->o, vms_want_user_net(&s->o), err) < 0 ||
        images_prepare(&s->images, &s->o, &s->config, err) < 0)
        return err->code;
    if (typed && file_read(&s->typed, typed, INPUT_LIMIT, err) < 0)
        return err_wrap(err, "--input");
    if (session_open_display(s, err) < 0 || open_consoles(s, err) < 0 || open_machine(s, err) < 0 ||
        open_ports(s, err) < 0 || open_trace(s, err) < 0 || open_gdb(s, err) < 0 ||
        session_start_display(s, err) < 0)
        return err->code;
    const bool headless = opt_text(&s->o, OPT_ID_HEADLESS) || s->images.plan == PLAN_DEMO;
    s->reads_stdin = !headless && s->index == 0 && !typed &&
                     !(s->display && s->display_ops->owns_terminal);
    s->interactive = s->reads_stdin && term_is_tty();
    if (s->net.has_outside || s->interactive || s->display || s->name || s->ports ||
        opt_text(&s->o, OPT_ID_REALTIME))
        machine_set_idle_step(s->machine, IDLE_STEP_NS);
    s->start_ns = host_now_ns();
    if (opt_text(&s->o, OPT_ID_TIMEOUT))
        s->deadline_ns = s->start_ns + opt_number(&s->o, OPT_ID_TIMEOUT);
    return 0;
}

/* ---- running ---- */

static void stop_for_reset(struct session *s)
{
    struct err err;

    err_clear(&err);
    if (++s->resets > RESET_LIMIT) {
        fprintf(stderr, "vitrine: the guest resets itself again and again\n");
        s->end = END_ERROR;
    } else if (machine_reset(s->machine, &err) < 0) {
        err_print(&err);
        s->end = END_ERROR;
    }
}

/* Look at a fault with gdb before giving up; true when the machine is to stay. */
static bool hold_for_gdb(struct session *s)
{
    if (!s->gdb || !gdb_has_client(s->gdb))
        return false;
    gdb_report_stop(s->gdb, SIGNAL_SEGV);
    while (gdb_is_stopped(s->gdb) && !gdb_killed(s->gdb))
        gdb_poll(s->gdb, 1000);
    return false;
}

void session_handle_stop(struct session *s, enum machine_stop stop)
{
    switch (stop) {
    case MACHINE_STOP_POSITION:
        if (!session_screenshot(s, false))
            s->end = END_MAX_INSNS;
        break;
    case MACHINE_STOP_POWEROFF:
        s->end = END_POWEROFF;
        break;
    case MACHINE_STOP_RESET:
        stop_for_reset(s);
        break;
    case MACHINE_STOP_EXIT:
        s->end = END_EXIT_PORT;
        break;
    case MACHINE_STOP_PANIC:
        if (strcmp(opt_text(&s->o, OPT_ID_ON_PANIC), "exit") != 0)
            break;
        hold_for_gdb(s);
        s->end = END_PANIC;
        break;
    case MACHINE_STOP_SHUTDOWN:
        hold_for_gdb(s);
        s->end = END_TRIPLE_FAULT;
        break;
    case MACHINE_STOP_REQUEST:
        break;
    case MACHINE_STOP_BREAK:
        if (s->gdb)
            gdb_report_break(s->gdb);
        break;
    case MACHINE_STOP_IDLE_FOREVER:
        s->end = END_HALTED;
        break;
    }
}

bool session_is_held(const struct session *s)
{
    return s->gdb && gdb_is_stopped(s->gdb);
}

void session_serve_held(struct session *s)
{
    trace_writer_flush(s->trace);
    gdb_poll(s->gdb, 100);
    if (gdb_killed(s->gdb))
        s->end = END_KILLED;
    if (s->deadline_ns && host_now_ns() >= s->deadline_ns)
        s->end = END_TIMEOUT;
    if (term_signal_pending())
        s->end = END_SIGNAL;
    session_poll_input(s);
}

static int end_code(const struct session *s)
{
    switch (s->end) {
    case END_EXIT_PORT:
        if (s->images.plan != PLAN_BARE && machine_exit_value(s->machine) == VITRINE_EXIT_CRASHED)
            return EXIT_CODE_PANIC;
        if (s->images.plan != PLAN_BARE && machine_exit_value(s->machine) == VITRINE_EXIT_ERROR)
            return EXIT_CODE_ERROR;
        if (machine_exit_value(s->machine))
            return EXIT_CODE_GUEST_FAIL;
        return opt_text(&s->o, OPT_ID_UNTIL) ? EXIT_CODE_ERROR : EXIT_CODE_OK;
    case END_TRIPLE_FAULT:
    case END_HALTED:
    case END_PANIC:
        return EXIT_CODE_PANIC;
    case END_TIMEOUT:
        return EXIT_CODE_TIMEOUT;
    case END_MAX_INSNS:
        return opt_text(&s->o, OPT_ID_UNTIL) ? EXIT_CODE_TIMEOUT : EXIT_CODE_OK;
    case END_SIGNAL:
    case END_ERROR:
        return EXIT_CODE_ERROR;
    case END_POWEROFF:
        return opt_text(&s->o, OPT_ID_UNTIL) ? EXIT_CODE_ERROR : EXIT_CODE_OK;
    default:
        return EXIT_CODE_OK;
    }
}

static const char *end_text(enum end_reason end)
{
    static const char *const texts[] = {
        [END_NONE] = "running",
        [END_POWEROFF] = "powered off",
        [END_EXIT_PORT] = "guest wrote the debug-exit port",
        [END_TRIPLE_FAULT] = "triple fault",
        [END_HALTED] = "halted for ever: every processor sleeps and nothing can wake one",
        [END_UNTIL] = "text of --until seen",
        [END_PANIC] = "guest kernel panic",
        [END_TIMEOUT] = "timeout",
        [END_MAX_INSNS] = "instruction limit reached",
        [END_USER] = "left by the user",
        [END_SIGNAL] = "interrupted by a signal",
        [END_KILLED] = "killed by gdb",
        [END_ERROR] = "error",
        [END_WITH_OTHERS] = "ended because another machine failed",
    };
    return texts[end];
}

static void describe_triple_fault(const struct session *s)
{
    for (unsigned i = 0; i < machine_lp_count(s->machine); i++) {
        const struct cpu *c = machine_lp(s->machine, i);
        if (c->activity == CPU_SHUTDOWN)
            fprintf(stderr,
                    "vitrine: LP %u at %04x:%016" PRIx64 " cr0=%" PRIx64 " cr3=%" PRIx64
                    " cr4=%" PRIx64 " cr2=%" PRIx64 "\n",
                    i, c->seg[SEG_CS].sel, c->rip, c->cr0, c->cr3, c->cr4, c->cr2);
    }
}

json_t *session_json(const struct session *s, int code)
{
    json_t *root = json_object();
    char hash[20];

    snprintf(hash, sizeof(hash), "%016" PRIx64, machine_hash(s->machine));
    json_object_set_new(root, "exit_code", json_integer(code));
    json_object_set_new(root, "end", json_string(end_text(s->end)));
    json_object_set_new(root, "hash", json_string(hash));
    json_object_set_new(root, "instructions", json_integer((json_int_t)machine_icount(s->machine)));
    json_object_set_new(root, "virtual_ns", json_integer((json_int_t)machine_now_ns(s->machine)));
    if (s->want_stat)
        json_object_set_new(root, "stat", stat_json(s));
    return root;
}

static void print_json(const struct session *s, int code)
{
    json_t *root = session_json(s, code);
    char *text = json_dumps(root, JSON_INDENT(2));
    puts(text);
    free(text);
    json_decref(root);
}

static void print_result(const struct session *s, int code)
{
    const char *const name = s->name ? s->name : "vitrine";
    const bool quiet_end = s->end == END_POWEROFF || s->end == END_UNTIL || s->end == END_USER ||
                           s->end == END_MAX_INSNS;

    if (!quiet_end || code != EXIT_CODE_OK)
        fprintf(stderr, "%s: %s%s\n", name, end_text(s->end),
                s->end == END_POWEROFF && code ? " before the text of --until came" : "");
    if (s->end == END_EXIT_PORT)
        fprintf(stderr, "%s: value %u\n", name, machine_exit_value(s->machine));
    if (s->end == END_TRIPLE_FAULT)
        describe_triple_fault(s);
    if (code != EXIT_CODE_OK && s->end != END_SIGNAL)
        consoles_print_tails(&s->consoles);
    if (opt_text(&s->o, OPT_ID_JSON)) {
        if (!s->name)
            print_json(s, code);
        return;
    }
    if (opt_text(&s->o, OPT_ID_HASH))
        printf("%s%sstate-hash %016" PRIx64 " at %" PRIu64 " instructions, %" PRIu64 " ns\n",
               s->name ? s->name : "", s->name ? ": " : "", machine_hash(s->machine),
               machine_icount(s->machine), machine_now_ns(s->machine));
    if (s->want_stat)
        stat_print(s, stdout);
}

void session_begin(struct session *s)
{
    term_catch_signals();
    if (!s->interactive)
        return;
    term_enter_raw();
    fprintf(stderr, "vitrine: keyboard goes to [%s]; Ctrl-A x leaves, Ctrl-A h for help\n",
            s->consoles.c[0].label);
}

int session_end(struct session *s)
{
    struct err err;

    session_close_display(s);
    consoles_newline(&s->consoles);
    term_restore();
    session_screenshot(s, true);
    int code = end_code(s);
    err_clear(&err);
    if (firmware_save(&s->o, s->machine, &err) < 0) {
        err_print(&err);
        code = code ? code : EXIT_CODE_ERROR;
    }
    if (s->gdb)
        gdb_report_exit(s->gdb, code);
    print_result(s, code);
    return code;
}

int session_run(struct session *s)
{
    const uint64_t max = opt_text(&s->o, OPT_ID_MAX_INSNS) ? opt_number(&s->o, OPT_ID_MAX_INSNS)
                                                           : UINT64_MAX;

    session_begin(s);
    while (s->end == END_NONE) {
        if (session_is_held(s)) {
            session_serve_held(s);
            continue;
        }
        if (s->want_monitor)
            session_prompt(s);
        const uint64_t done = machine_icount(s->machine);
        const uint64_t left = max == UINT64_MAX ? max : done < max ? max - done : 0;
        if (left == 0) {
            s->end = END_MAX_INSNS;
            break;
        }
        if (s->end == END_NONE)
            session_handle_stop(s, machine_run(s->machine, left, s->screenshot_ns));
        if (s->gdb && gdb_killed(s->gdb) && s->end == END_NONE)
            s->end = END_KILLED;
    }
    return session_end(s);
}

void session_close(struct session *s)
{
    session_close_display(s);
    trace_writer_free(s->trace);
    gdb_free(s->gdb);
    ports_close(s->ports);
    if (s->machine)
        machine_free(s->machine);
    net_close(&s->net);
    images_free(&s->images);
    file_free(&s->typed);
}
