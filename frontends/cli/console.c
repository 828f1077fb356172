/*
 * Guest consoles on one terminal; see console.h.
 *
 * One console is shown as it comes; several, and those of several machines, are shown line by line
 * behind "[name] ". Text is
 * matched byte by byte on each console of its own.
 *
 * Not modelled: terminal emulation; escape sequences pass through.
 */
#include "frontends/cli/console.h"

#include <string.h>

#include "core/input.h"

static const char panic_text[] = "Kernel panic - not syncing";
static const char panic_end_text[] = "end Kernel panic";

void matcher_init(struct matcher *m, const char *text)
{
    m->text = text;
    m->len = text ? strlen(text) : 0;
    m->at = 0;
}

/* Naive restart: find the longest prefix that is also a suffix of what was matched. Texts are
 * short and mismatches rare. */
bool matcher_feed(struct matcher *m, char ch)
{
    if (m->len == 0)
        return false;
    for (;;) {
        if (m->text[m->at] == ch) {
            m->at++;
            break;
        }
        if (m->at == 0)
            return false;
        size_t keep = m->at - 1;
        while (keep && memcmp(m->text, m->text + m->at - keep, keep) != 0)
            keep--;
        m->at = keep;
    }
    if (m->at < m->len)
        return false;
    m->at = 0;
    return true;
}

void consoles_init(struct consoles *cs, enum console_show show, FILE *out, const char *machine)
{
    memset(cs, 0, sizeof(*cs));
    cs->show = show;
    cs->out = out;
    cs->machine = machine;
    cs->at_line_start = true;
}

struct console *consoles_add(struct consoles *cs, const char *source, bool is_log)
{
    struct console *c = &cs->c[cs->count];

    if (cs->count == CONSOLE_MAX)
        return NULL;
    const bool first = cs->count == 0;
    memset(c, 0, sizeof(*c));
    snprintf(c->source, sizeof(c->source), "%s", source);
    const char *label = strncmp(source, "console/", 8) == 0 ? source + 8 : source;
    if (strncmp(label, "vm.", 3) == 0)
        label += 3;
    if (cs->machine)
        snprintf(c->label, sizeof(c->label), first ? "%s" : "%s/%s", cs->machine, label);
    else
        snprintf(c->label, sizeof(c->label), "%s", label);
    c->sink = -1;
    c->is_log = is_log;
    c->shown = cs->show == CONSOLE_SHOW_ALL || (cs->show == CONSOLE_SHOW_FIRST && first);
    matcher_init(&c->until, is_log ? NULL : cs->until_text);
    matcher_init(&c->after, is_log ? NULL : cs->after_text);
    matcher_init(&c->panic, panic_text);
    matcher_init(&c->panic_end, panic_end_text);
    cs->count++;
    return c;
}

void consoles_bind_input(struct consoles *cs, const struct input *in)
{
    for (unsigned i = 0; i < cs->count; i++)
        cs->c[i].sink = input_find(in, cs->c[i].source);
}

void consoles_next(struct consoles *cs)
{
    for (unsigned i = 1; i <= cs->count; i++) {
        const unsigned n = (cs->focus + i) % cs->count;
        if (cs->c[n].sink < 0)
            continue;
        if (cs->show == CONSOLE_SHOW_FIRST) {
            cs->c[cs->focus].shown = false;
            cs->c[n].shown = true;
        }
        cs->focus = n;
        return;
    }
}

static void put(struct consoles *cs, char ch)
{
    putc(ch, cs->out);
    cs->at_line_start = ch == '\n';
}

/* Several consoles: whole lines, so that they do not cut into each other. */
static void flush_line(struct consoles *cs, struct console *c)
{
    if (!c->line_len)
        return;
    fprintf(cs->out, "[%s] %.*s\n", c->label, (int)c->line_len, c->line);
    c->line_len = 0;
}

static void show_byte(struct consoles *cs, struct console *c, char ch)
{
    if (cs->show != CONSOLE_SHOW_ALL && !cs->machine) {
        put(cs, ch);
        return;
    }
    if (ch == '\r')
        return;
    if (ch == '\n' && c->line_len == 0)
        fprintf(cs->out, "[%s]\n", c->label);
    else if (ch == '\n')
        flush_line(cs, c);
    else
        c->line[c->line_len++] = ch;
    if (c->line_len == sizeof(c->line))
        flush_line(cs, c);
}

void consoles_show_prompts(struct consoles *cs)
{
    for (unsigned i = 0; i < cs->count; i++) {
        struct console *c = &cs->c[i];
        if (c->line_len && c->line_len == c->line_seen)
            flush_line(cs, c);
        c->line_seen = c->line_len;
    }
}

static bool look(struct consoles *cs, struct console *c, char ch)
{
    bool news = false;

    c->tail[c->written++ % CONSOLE_TAIL] = ch;
    if (matcher_feed(&c->until, ch) && !cs->until_seen)
        news = cs->until_seen = true;
    if (matcher_feed(&c->after, ch) && !cs->after_seen)
        news = cs->after_seen = true;
    if (matcher_feed(&c->panic, ch) && !cs->panic_seen)
        news = cs->panic_seen = true;
    if (matcher_feed(&c->panic_end, ch) && !cs->panic_ended)
        news = cs->panic_ended = true;
    return news;
}

bool consoles_output(struct consoles *cs, const char *source, const void *bytes, size_t len)
{
    struct console *c = NULL;
    bool news = false;

    for (unsigned i = 0; i < cs->count && !c; i++) {
        if (strcmp(cs->c[i].source, source) == 0)
            c = &cs->c[i];
    }
    if (!c)
        c = consoles_add(cs, source, true); /* a port nobody asked for: only its tail is kept */
    if (!c)
        return false;
    const char *p = bytes;
    for (size_t i = 0; i < len; i++) {
        news |= look(cs, c, p[i]);
        if (c->shown)
            show_byte(cs, c, p[i]);
    }
    return news;
}

void consoles_newline(struct consoles *cs)
{
    if (!cs->at_line_start)
        put(cs, '\n');
    for (unsigned i = 0; i < cs->count; i++)
        flush_line(cs, &cs->c[i]);
    fflush(cs->out);
}

static void print_tail(const struct console *c)
{
    const uint64_t keep = c->written < 1500 ? c->written : 1500;
    bool at_start = true;

    fprintf(stderr, "vitrine: last lines of %s:\n", c->label);
    for (uint64_t i = c->written - keep; i < c->written; i++) {
        const char ch = c->tail[i % CONSOLE_TAIL];
        if (ch == '\r')
            continue;
        if (at_start)
            fputs("  | ", stderr);
        putc(ch, stderr);
        at_start = ch == '\n';
    }
    if (!at_start)
        putc('\n', stderr);
}

void consoles_print_tails(const struct consoles *cs)
{
    for (unsigned i = 0; i < cs->count; i++) {
        if (cs->c[i].written && !cs->c[i].shown)
            print_tail(&cs->c[i]);
    }
}
