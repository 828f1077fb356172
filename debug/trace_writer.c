/*
 * Trace writers; see trace_writer.h.
 *
 * Text:  position lp time point name=value ...
 * JSONL: {"pos":..,"lp":..,"t":..,"ev":"vmx:exit","reason":12,"reason_name":"HLT",...}
 * Values of formats with names carry the name beside the number. Nothing here changes the machine.
 *
 * Not modelled: Perfetto's format, filters on argument values.
 */
#include "debug/trace_writer.h"

#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/trace.h"
#include "cpu/cpu.h"
#include "debug/bp.h"
#include "debug/insn_trace.h"
#include "debug/trace_decode.h"
#include "debug/vmx_text.h"
#include "machine/machine.h"

struct arg_spec {
    char name[24];
    char format;
};

struct point_spec {
    unsigned count;
    struct arg_spec arg[6];
};

struct trace_writer {
    struct machine *machine;
    FILE *out;
    enum trace_format format;
    struct point_spec point[TP_COUNT];
};

bool trace_glob_match(const char *glob, const char *name)
{
    if (fnmatch(glob, name, 0) == 0)
        return true;
    const char *colon = strchr(name, ':');
    if (strchr(glob, ':') || !colon)
        return false;
    char group[32];
    const size_t len = (size_t)(colon - name);
    if (len >= sizeof(group))
        return false;
    memcpy(group, name, len);
    group[len] = 0;
    return fnmatch(glob, group, 0) == 0;
}

/* "reason:e qual:x" into names and formats. */
static void parse_args(struct point_spec *p, const char *text)
{
    while (*text && p->count < 6) {
        struct arg_spec *a = &p->arg[p->count];
        const size_t n = strcspn(text, ":");
        if (!text[n])
            break;
        snprintf(a->name, sizeof(a->name), "%.*s", (int)n, text);
        a->format = text[n + 1];
        p->count++;
        text += n + 2;
        while (*text && *text != ' ')
            text++;
        while (*text == ' ')
            text++;
    }
}

/* The exit in words, or an empty text. */
static const char *exit_text(const struct trace_record *r, char *buf, size_t size)
{
    buf[0] = 0;
    if (r->point == TP_vmx_exit)
        vmx_exit_text((uint32_t)r->arg[0], r->arg[1], r->arg[3], (uint32_t)r->arg[4], buf, size);
    return buf;
}

static void write_text(struct trace_writer *w, const struct trace_record *r)
{
    const struct trace_point_info *info = &trace_points[r->point];
    const struct point_spec *p = &w->point[r->point];
    char value[80], words[128];

    fprintf(w->out, "%12" PRIu64 " %u %12" PRIu64 " %s:%s", r->position, r->lp, r->time_ns,
            info->group, info->name);
    for (unsigned i = 0; i < p->count; i++)
        fprintf(w->out, " %s=%s", p->arg[i].name,
                trace_value_text(p->arg[i].format, r->arg[i], value, sizeof(value)));
    if (*exit_text(r, words, sizeof(words)))
        fprintf(w->out, "  [%s]", words);
    putc('\n', w->out);
}

static void write_jsonl(struct trace_writer *w, const struct trace_record *r)
{
    const struct trace_point_info *info = &trace_points[r->point];
    const struct point_spec *p = &w->point[r->point];

    fprintf(w->out, "{\"pos\":%" PRIu64 ",\"lp\":%u,\"t\":%" PRIu64 ",\"ev\":\"%s:%s\"",
            r->position, r->lp, r->time_ns, info->group, info->name);
    for (unsigned i = 0; i < p->count; i++) {
        const char *name = trace_value_name(p->arg[i].format, r->arg[i]);
        fprintf(w->out, ",\"%s\":%" PRIu64, p->arg[i].name, r->arg[i]);
        if (name)
            fprintf(w->out, ",\"%s_name\":\"%s\"", p->arg[i].name, name);
    }
    char words[128];
    if (*exit_text(r, words, sizeof(words)))
        fprintf(w->out, ",\"text\":\"%s\"", words);
    fputs("}\n", w->out);
}

static void sink(void *opaque, const struct trace_record *r)
{
    struct trace_writer *w = opaque;

    if (w->format == TRACE_JSONL)
        write_jsonl(w, r);
    else
        write_text(w, r);
}

static void put_json_text(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            putc('\\', out);
        putc(*text, out);
    }
}

static void on_insn(void *opaque, struct cpu *c)
{
    struct trace_writer *w = opaque;
    struct insn_text insn;
    char bytes[40] = "";

    insn_at_rip(c, &insn);
    for (unsigned i = 0; i < insn.len; i++)
        snprintf(bytes + 2 * i, sizeof(bytes) - 2 * i, "%02x", insn.bytes[i]);
    if (w->format == TRACE_JSONL) {
        fprintf(w->out,
                "{\"pos\":%" PRIu64 ",\"lp\":%u,\"ev\":\"insn\",\"cs\":%u,\"rip\":%" PRIu64
                ",\"bytes\":\"%s\",\"text\":\"",
                cpu_icount(c), c->index, c->seg[SEG_CS].sel, c->rip, bytes);
        put_json_text(w->out, insn.text);
        fputs("\"}\n", w->out);
        return;
    }
    fprintf(w->out, "%12" PRIu64 " %u %s cpl%u %04x:%016" PRIx64 " %-20s %s\n", cpu_icount(c),
            c->index,
            c->non_root ? "guest"
            : c->vmx_on ? "vmxroot"
                        : "bare",
            c->cpl, c->seg[SEG_CS].sel, c->rip, bytes, insn.text);
}

struct trace_writer *trace_writer_new(struct machine *m, const char *path, enum trace_format format,
                                      struct err *err)
{
    struct trace_writer *w = calloc(1, sizeof(*w));

    if (!w)
        return NULL;
    w->machine = m;
    w->format = format;
    w->out = path ? fopen(path, "we") : stderr;
    if (!w->out) {
        err_set(err, "E-FILE-005", -errno, "cannot write %s: %s", path, strerror(errno));
        free(w);
        return NULL;
    }
    if (path)
        setvbuf(w->out, NULL, _IOFBF, 1 << 18);
    for (unsigned i = 0; i < TP_COUNT; i++)
        parse_args(&w->point[i], trace_points[i].args);
    struct trace *t = machine_trace(m);
    t->sink = sink;
    t->opaque = w;
    return w;
}

static bool select_one(struct trace_writer *w, const char *glob)
{
    struct trace *t = machine_trace(w->machine);
    char name[64];
    bool any = false;

    if (strcmp(glob, "insn") == 0) {
        bp_set_trace(w->machine, on_insn, w);
        return true;
    }
    for (unsigned i = 0; i < TP_COUNT; i++) {
        snprintf(name, sizeof(name), "%s:%s", trace_points[i].group, trace_points[i].name);
        if (trace_glob_match(glob, name))
            t->on[i] = any = true;
    }
    return any;
}

int trace_writer_select(struct trace_writer *w, const char *globs, struct err *err)
{
    char glob[64];

    while (*globs) {
        const size_t n = strcspn(globs, ", ");
        snprintf(glob, sizeof(glob), "%.*s", (int)n, globs);
        if (n && !select_one(w, glob)) {
            err_set(err, "E-CLI-002", -EINVAL, "no tracepoint matches '%s'", glob);
            return err_hint(err, "`vitrine trace --list` shows all");
        }
        globs += n + (globs[n] != 0);
    }
    return 0;
}

void trace_writer_flush(struct trace_writer *w)
{
    if (w)
        fflush(w->out);
}

void trace_writer_free(struct trace_writer *w)
{
    if (!w)
        return;
    struct trace *t = machine_trace(w->machine);
    memset(t->on, 0, sizeof(t->on));
    t->sink = NULL;
    bp_set_trace(w->machine, NULL, NULL);
    if (w->out != stderr)
        fclose(w->out);
    free(w);
}
