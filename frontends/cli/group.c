/*
 * `vitrine run --machine A --machine B`: several machines of one process, run in step
 * (machine_run_together), with the hubs that their files name between them.
 *
 * Each file is a machine as `vitrine run FILE` has it; what the command line says holds for all.
 * The run ends when every machine has ended, or with the first that fails. Nothing depends on the
 * host's time, so the hashes repeat as those of one machine do.
 *
 * Not modelled: --max-insns of several machines; the keyboard is the first machine's.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontends/cli/cmd.h"
#include "frontends/cli/session.h"

#define FILE_LIMIT (1u << 20)

/* A machine of the run. */
struct member {
    struct session s;
    struct file text;
    char name[32];
    uint64_t seen; /* instructions of all, when this one last asked whether they are quiet */
    int code;
};

struct group {
    struct member *member[OPT_LIST_MAX];
    unsigned count;
    struct net_hubs hubs;
};

static struct group the_group; /* of this process; sessions look at it between turns */

/* Options that name one file or one place of the host: one machine's. */
static const enum opt_id single[] = {
    OPT_ID_GDB,           OPT_ID_FREEZE, OPT_ID_SERIAL,     OPT_ID_PCAP,
    OPT_ID_FIRMWARE_SAVE, OPT_ID_OUTPUT, OPT_ID_SCREENSHOT, OPT_ID_DISPLAY,
};

static int check_options(const struct options *o, struct err *err)
{
    if (o->arg_count) {
        err_set(err, "E-CLI-004", -EINVAL, "--machine and '%s'", o->args[0]);
        return err_hint(err, "a kernel or image of one machine is named in its file");
    }
    for (size_t i = 0; i < sizeof(single) / sizeof(single[0]); i++) {
        if (!opt_is_set(o, single[i]))
            continue;
        err_set(err, "E-CLI-004", -EINVAL, "--%s is one machine's, not that of several",
                opt_rows[single[i]].name);
        return err_hint(err, "put `%s = ...` into the file of that machine",
                        opt_rows[single[i]].key);
    }
    return 0;
}

/* The file's name without folder and ending, made unique by a number. */
static void set_name(const struct group *g, struct member *m, const char *path)
{
    const char *base = strrchr(path, '/');

    base = base ? base + 1 : path;
    const size_t len = strcspn(base, ".");
    const int keep = len && len < sizeof(m->name) - 4 ? (int)len : (int)sizeof(m->name) - 4;
    snprintf(m->name, sizeof(m->name), "%.*s", keep, base);
    for (unsigned i = 0; i < g->count; i++) {
        if (g->member[i] != m && strcmp(g->member[i]->name, m->name) == 0) {
            char unique[sizeof(m->name)];
            snprintf(unique, sizeof(unique), "%.27s-%u", m->name, (g->count - 1) & 0xff);
            memcpy(m->name, unique, sizeof(unique));
            return;
        }
    }
}

static uint64_t all_insns(void)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < the_group.count; i++) {
        const struct session *const s = &the_group.member[i]->s;
        sum += s->end == END_NONE && s->machine ? machine_icount(s->machine) : 0;
    }
    return sum;
}

/* Only the first machine waits for the wall, and only when no other did anything meanwhile. */
static bool is_quiet(const struct session *s)
{
    struct member *const m = the_group.member[s->index];
    const uint64_t now = all_insns(), before = m->seen;

    m->seen = now;
    return s->index == 0 && now == before;
}

static int open_member(struct group *g, const struct options *o, const char *path, char letter,
                       bool want_stat, struct err *err)
{
    struct member *const m = calloc(1, sizeof(*m));

    if (!m)
        return err_set(err, "E-MACH-002", -ENOMEM, "%s: out of memory", path);
    g->member[g->count] = m;
    m->s.o = *o;
    m->s.index = g->count++;
    m->s.hubs = &g->hubs;
    m->s.is_quiet = is_quiet;
    m->s.want_stat = want_stat;
    set_name(g, m, path);
    m->s.name = m->name;
    if (file_read(&m->text, path, FILE_LIMIT, err) < 0)
        return err_wrap(err, "--machine %s", path);
    if (image_kind_of(m->text.data, m->text.size) != IMAGE_TEXT) {
        err_set(err, "E-CLI-002", -EINVAL, "%s is no machine file", path);
        return err_hint(err, "a text file of lines `key = value`; `vitrine config show` lists all");
    }
    if (session_add_file(&m->s.o, path, (char *)m->text.data, letter, err) < 0)
        return err->code;
    if (opt_text(&m->s.o, OPT_ID_MAX_INSNS))
        return err_set(err, "E-CLI-004", -EINVAL, "--max-insns does not go with --machine");
    return session_open(&m->s, err) < 0 ? err_wrap(err, "machine %s", m->name) : 0;
}

/* ---- running ---- */

static bool is_running(const struct session *s)
{
    return s->end == END_NONE;
}

static void turn_to_stop(struct session *s, enum machine_stop why)
{
    session_handle_stop(s, why);
    if (s->want_monitor)
        session_prompt(s);
}

/* One call of the crank, to the next stop of any machine. */
static void run_once(struct session *const *running, unsigned count)
{
    struct machine *machines[OPT_LIST_MAX];
    uint64_t until = UINT64_MAX;
    enum machine_stop why;

    for (unsigned i = 0; i < count; i++) {
        machines[i] = running[i]->machine;
        if (running[i]->screenshot_ns < until)
            until = running[i]->screenshot_ns;
    }
    const int which = machine_run_together(machines, count, NET_HUB_LATENCY_NS, until, &why);
    for (unsigned i = 0; i < count; i++) {
        if (which < 0)
            session_screenshot(running[i], false);
        else if (why == MACHINE_STOP_IDLE_FOREVER || (int)i == which)
            turn_to_stop(running[i], why);
    }
}

/* Machines that have ended are reported at once; the first that failed ends the others. */
static void collect(struct group *g, struct session *const *running, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct member *const m = g->member[running[i]->index];
        if (is_running(&m->s))
            continue;
        m->code = session_end(&m->s);
        if (m->code == EXIT_CODE_OK && m->s.end != END_USER)
            continue;
        for (unsigned k = 0; k < g->count; k++) {
            struct session *const other = &g->member[k]->s;
            if (is_running(other)) {
                other->end = m->s.end == END_USER ? END_USER : END_WITH_OTHERS;
                session_end(other);
            }
        }
        return;
    }
}

static void run_all(struct group *g)
{
    for (unsigned i = 0; i < g->count; i++)
        session_begin(&g->member[i]->s);
    for (;;) {
        struct session *running[OPT_LIST_MAX];
        unsigned count = 0;
        bool held = false;
        for (unsigned i = 0; i < g->count; i++) {
            struct session *const s = &g->member[i]->s;
            if (!is_running(s))
                continue;
            running[count++] = s;
            if (session_is_held(s)) { /* all stand still while gdb looks at one */
                session_serve_held(s);
                held = true;
            }
        }
        if (count == 0)
            return;
        if (!held)
            run_once(running, count);
        collect(g, running, count);
    }
}

/* ---- results ---- */

static int code_of(const struct group *g)
{
    for (unsigned i = 0; i < g->count; i++) {
        if (g->member[i]->code)
            return g->member[i]->code;
    }
    return EXIT_CODE_OK;
}

/* One number for all, in the order of the command line. */
static uint64_t hash_of(const struct group *g)
{
    uint64_t h = 0xcbf29ce484222325ull;

    for (unsigned i = 0; i < g->count; i++)
        h = (h ^ machine_hash(g->member[i]->s.machine)) * 0x9e3779b97f4a7c15ull;
    return h;
}

static void print_results(const struct group *g, const struct options *o, int code)
{
    char hash[20];

    snprintf(hash, sizeof(hash), "%016" PRIx64, hash_of(g));
    if (!opt_text(o, OPT_ID_JSON)) {
        if (opt_text(o, OPT_ID_HASH))
            printf("state-hash %s of %u machines\n", hash, g->count);
        return;
    }
    json_t *root = json_object(), *list = json_array();
    json_object_set_new(root, "exit_code", json_integer(code));
    json_object_set_new(root, "hash", json_string(hash));
    for (unsigned i = 0; i < g->count; i++) {
        json_t *entry = session_json(&g->member[i]->s, g->member[i]->code);
        json_object_set_new(entry, "name", json_string(g->member[i]->name));
        json_array_append_new(list, entry);
    }
    json_object_set_new(root, "machines", list);
    char *text = json_dumps(root, JSON_INDENT(2));
    puts(text ? text : "{}");
    free(text);
    json_decref(root);
}

int group_run(const struct options *o, char letter, bool want_stat)
{
    struct group *const g = &the_group;
    struct err err;
    const char *path;

    err_clear(&err);
    memset(g, 0, sizeof(*g));
    int rc = check_options(o, &err);
    struct options shared = *o;
    shared.item_count = 0; /* without the list of machines itself */
    for (unsigned i = 0; i < o->item_count && rc == 0; i++) {
        if (o->item[i].id != OPT_ID_MACHINE)
            rc = opt_list_add(&shared, o->item[i].id, o->item[i].text, &err);
    }
    for (unsigned i = 0; rc == 0 && (path = opt_list(o, OPT_ID_MACHINE, i)); i++)
        rc = open_member(g, &shared, path, letter, want_stat, &err);
    int code;
    if (rc < 0) {
        err_print(&err);
        code = exit_code_of(&err);
    } else {
        run_all(g);
        code = code_of(g);
        print_results(g, o, code);
    }
    for (unsigned i = 0; i < g->count; i++) {
        session_close(&g->member[i]->s);
        file_free(&g->member[i]->text);
    }
    net_free_hubs(&g->hubs);
    for (unsigned i = 0; i < g->count; i++)
        free(g->member[i]);
    return code;
}
