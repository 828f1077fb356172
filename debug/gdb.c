/*
 * gdb remote stub: packets that read, change and resume the machine (GDB manual E.2, E.3).
 *
 * All-stop mode. A step names one LP; the machine decides in which order LPs run, as always, so
 * that stepping does not change the run; only the stop is ours.
 *
 * Not modelled: non-stop mode, several processes (partitions as inferiors), reverse execution,
 * conditions evaluated by the stub.
 */
#include "debug/gdb_int.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "debug/gdb_regs.h"
#include "machine/machine.h"
#include "mmu/mmu.h"
#include "mmu/ram.h"

#define NO_LP       UINT32_MAX
#define SIGNAL_INT  2
#define SIGNAL_TRAP 5

/* ---- reply ---- */

void gdb_put(struct gdb *g, const char *text)
{
    const size_t n = strlen(text);

    if (g->reply_len + n < sizeof(g->reply)) {
        memcpy(g->reply + g->reply_len, text, n);
        g->reply_len += n;
    }
}

void gdb_putf(struct gdb *g, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    gdb_put(g, text);
}

void gdb_put_hex(struct gdb *g, const uint8_t *bytes, size_t len)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < len && g->reply_len + 2 < sizeof(g->reply); i++) {
        g->reply[g->reply_len++] = digits[bytes[i] >> 4];
        g->reply[g->reply_len++] = digits[bytes[i] & 15];
    }
}

void gdb_put_hex_text(struct gdb *g, const char *text)
{
    gdb_put_hex(g, (const uint8_t *)text, strlen(text));
}

static int hex_digit(char ch)
{
    if (ch >= '0' && ch <= '9')
        return ch - '0';
    ch = (char)tolower((unsigned char)ch);
    return ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}

bool gdb_hex_byte(const char *p, uint8_t *byte)
{
    const int hi = hex_digit(p[0]);
    const int lo = hi < 0 ? -1 : hex_digit(p[1]);

    if (hi < 0 || lo < 0)
        return false;
    if (hi < 0 || lo < 0)
        return false;
    *byte = (uint8_t)(hi << 4 | lo);
    return true;
}

uint64_t gdb_hex_number(const char **p)
{
    uint64_t value = 0;

    for (; hex_digit(**p) >= 0; (*p)++)
        value = value << 4 | (uint64_t)hex_digit(**p);
    return value;
}

static void send_reply(struct gdb *g)
{
    gdb_conn_send(&g->conn, g->reply, g->reply_len);
    g->reply_len = 0;
}

/* ---- registers and memory ---- */

static struct cpu *cpu_g(struct gdb *g)
{
    return machine_lp(g->machine, g->thread_g);
}

static void read_registers(struct gdb *g)
{
    uint8_t bytes[GDB_REG_BYTES_MAX];

    for (unsigned i = 0; i < gdb_reg_count(); i++) {
        gdb_reg_read(cpu_g(g), i, bytes);
        gdb_put_hex(g, bytes, gdb_reg_size(i));
    }
}

static bool parse_bytes(const char *p, uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!gdb_hex_byte(p + 2 * i, &bytes[i]))
            return false;
    }
    return true;
}

static void write_registers(struct gdb *g, const char *p)
{
    uint8_t bytes[GDB_REG_BYTES_MAX];

    for (unsigned i = 0; i < gdb_reg_count() && *p; i++) {
        const unsigned size = gdb_reg_size(i);
        if (!parse_bytes(p, bytes, size)) {
            gdb_put(g, "E22");
            return;
        }
        gdb_reg_write(cpu_g(g), i, bytes);
        p += 2 * size;
    }
    gdb_put(g, "OK");
}

static void read_register(struct gdb *g, const char *p)
{
    uint8_t bytes[GDB_REG_BYTES_MAX];
    const uint64_t reg = gdb_hex_number(&p);

    if (reg >= gdb_reg_count()) {
        gdb_put(g, "E14");
        return;
    }
    gdb_reg_read(cpu_g(g), (unsigned)reg, bytes);
    gdb_put_hex(g, bytes, gdb_reg_size((unsigned)reg));
}

static void write_register(struct gdb *g, const char *p)
{
    uint8_t bytes[GDB_REG_BYTES_MAX];
    const uint64_t reg = gdb_hex_number(&p);

    if (reg >= gdb_reg_count() || *p++ != '=' ||
        !parse_bytes(p, bytes, gdb_reg_size((unsigned)reg)) ||
        !gdb_reg_write(cpu_g(g), (unsigned)reg, bytes)) {
        gdb_put(g, "E14");
        return;
    }
    gdb_put(g, "OK");
}

static bool memory_read(struct gdb *g, uint64_t at, uint8_t *to, unsigned len)
{
    if (g->physical)
        return ram_read(machine_ram(g->machine), hpa(at), to, len);
    return mmu_peek_read(cpu_g(g), at, to, len);
}

static bool memory_write(struct gdb *g, uint64_t at, const uint8_t *from, unsigned len)
{
    if (g->physical)
        return ram_write(machine_ram(g->machine), hpa(at), from, len);
    return mmu_peek_write(cpu_g(g), at, from, len);
}

/* gdb takes a short answer: give the readable bytes before the first unmapped page. */
static void read_memory(struct gdb *g, const char *p)
{
    static uint8_t bytes[GDB_PACKET / 2];
    const uint64_t at = gdb_hex_number(&p);
    uint64_t len = *p == ',' ? (p++, gdb_hex_number(&p)) : 0;
    unsigned done = 0;

    if (len > sizeof(bytes))
        len = sizeof(bytes);
    while (done < len) {
        uint64_t chunk = 4096 - ((at + done) & 4095);
        if (chunk > len - done)
            chunk = len - done;
        if (!memory_read(g, at + done, bytes + done, (unsigned)chunk))
            break;
        done += (unsigned)chunk;
    }
    if (done == 0 && len != 0)
        gdb_put(g, "E14");
    else
        gdb_put_hex(g, bytes, done);
}

static void write_memory(struct gdb *g, const char *p, size_t len, bool binary)
{
    static uint8_t bytes[GDB_PACKET];
    const char *start = p;
    const uint64_t at = gdb_hex_number(&p);
    const uint64_t count = *p == ',' ? (p++, gdb_hex_number(&p)) : 0;

    if (*p++ != ':' || count > sizeof(bytes)) {
        gdb_put(g, "E22");
        return;
    }
    const size_t rest = len - (size_t)(p - start);
    if (binary ? rest < count : rest < 2 * count) {
        gdb_put(g, "E22");
        return;
    }
    if (binary)
        memcpy(bytes, p, count);
    else if (!parse_bytes(p, bytes, count)) {
        gdb_put(g, "E22");
        return;
    }
    gdb_put(g, count == 0 || memory_write(g, at, bytes, (unsigned)count) ? "OK" : "E14");
}

/* ---- threads ---- */

/* Thread ids are LP numbers + 1; 0 and -1 (any, all) mean LP `any`. */
static bool parse_thread(struct gdb *g, const char **p, unsigned any, unsigned *lp)
{
    if (**p == '-') {
        *p += 2;
        *lp = any;
        return true;
    }
    const uint64_t id = gdb_hex_number(p);
    *lp = id ? (unsigned)id - 1 : any;
    return *lp < machine_lp_count(g->machine);
}

static void set_thread(struct gdb *g, const char *p)
{
    unsigned lp;
    const char op = *p++;

    if (!parse_thread(g, &p, op == 'g' ? g->thread_g : g->thread_c, &lp)) {
        gdb_put(g, "E22");
        return;
    }
    if (op == 'g')
        g->thread_g = lp;
    else
        g->thread_c = lp;
    gdb_put(g, "OK");
}

static void thread_alive(struct gdb *g, const char *p)
{
    unsigned lp;

    gdb_put(g, parse_thread(g, &p, 0, &lp) ? "OK" : "E22");
}

/* ---- resuming ---- */

static void resume(struct gdb *g)
{
    g->stopped = false;
    g->resuming = true;
    bp_resume_over(&g->bps);
}

static void step(struct gdb *g, unsigned lp, uint64_t range_start, uint64_t range_end)
{
    g->step_lp = lp;
    g->range_start = range_start;
    g->range_end = range_end;
    bp_set_step(&g->bps, lp, true);
    resume(g);
}

/* vCont;action[:thread]... : the first action that matches a thread holds for it. A step of one LP
 * with "continue" for the others and a plain continue are the two cases that matter. */
static void vcont(struct gdb *g, const char *p)
{
    unsigned step_lp = NO_LP;
    uint64_t start = 0, end = 0;

    while (*p == ';') {
        uint64_t lo = 0, hi = 0;
        unsigned lp = g->thread_c;
        const char action = *++p;
        p++;
        if (action == 'S' || action == 'C') {
            gdb_hex_number(&p); /* a signal number: nothing to deliver it to */
        } else if (action == 'r') {
            lo = gdb_hex_number(&p);
            hi = *p == ',' ? (p++, gdb_hex_number(&p)) : 0;
        }
        if (*p == ':' && (p++, !parse_thread(g, &p, g->thread_c, &lp))) {
            gdb_put(g, "E22");
            return;
        }
        if ((action == 's' || action == 'S' || action == 'r') && step_lp == NO_LP) {
            step_lp = lp;
            start = lo;
            end = hi;
        }
        while (*p && *p != ';')
            p++;
    }
    if (step_lp != NO_LP)
        step(g, step_lp, start, end);
    else
        resume(g);
}

/* s [addr], c [addr] */
static void resume_old(struct gdb *g, const char *p, bool is_step)
{
    if (hex_digit(*p) >= 0)
        machine_lp(g->machine, g->thread_c)->rip = gdb_hex_number(&p);
    if (is_step)
        step(g, g->thread_c, 0, 0);
    else
        resume(g);
}

/* ---- stops ---- */

static void stopped_at(struct gdb *g, unsigned lp, int signal, const char *reason)
{
    g->stopped = true;
    g->resuming = false;
    if (g->step_lp != NO_LP)
        bp_set_step(&g->bps, g->step_lp, false);
    g->step_lp = NO_LP;
    g->thread_g = g->thread_c = lp;
    snprintf(g->last_stop, sizeof(g->last_stop), "T%02xthread:%x;%s", signal, lp + 1, reason);
    if (g->conn.fd >= 0)
        gdb_conn_send(&g->conn, g->last_stop, strlen(g->last_stop));
}

void gdb_report_break(struct gdb *g)
{
    const unsigned lp = machine_break_lp(g->machine);
    struct cpu *c = machine_lp(g->machine, lp);
    char reason[64] = "";

    const bool step_done = c->dbg.hit_kind == 3;
    if (step_done && lp == g->step_lp && c->rip - g->range_start < g->range_end - g->range_start &&
        !bp_find(&g->bps, c->rip, false)) {
        return; /* still inside the range: go on stepping */
    }
    if (c->dbg.hit_kind == 2) {
        const struct bp *b = bp_find(&g->bps, c->dbg.hit_la, true);
        const uint8_t kind = b ? b->kind : BP_WRITE;
        snprintf(reason, sizeof(reason), "%s:%llx;",
                 kind == BP_WRITE  ? "watch"
                 : kind == BP_READ ? "rwatch"
                                   : "awatch",
                 (unsigned long long)c->dbg.hit_la);
    } else if (c->dbg.hit_kind == 1) {
        const struct bp *b = bp_find(&g->bps, c->rip, false);
        if (b && b->kind == BP_SOFTWARE && g->swbreak)
            strcpy(reason, "swbreak:;");
        else if (b && b->kind == BP_HARDWARE && g->hwbreak)
            strcpy(reason, "hwbreak:;");
    }
    c->dbg.hit_kind = 0;
    stopped_at(g, lp, SIGNAL_TRAP, reason);
}

void gdb_report_stop(struct gdb *g, int signal)
{
    if (!g->stopped)
        stopped_at(g, g->thread_c, signal, "");
}

void gdb_report_exit(struct gdb *g, int code)
{
    char text[16];

    if (g->conn.fd < 0)
        return;
    snprintf(text, sizeof(text), "W%02x", code & 0xff);
    gdb_conn_send(&g->conn, text, strlen(text));
    gdb_conn_drop(&g->conn);
    g->stopped = false;
}

static void detach(struct gdb *g)
{
    bp_clear(&g->bps);
    g->stopped = g->frozen = false;
    g->step_lp = NO_LP;
}

/* ---- packets ---- */

static void breakpoint(struct gdb *g, const char *p)
{
    const bool insert = *p++ == 'Z';
    const uint64_t kind = gdb_hex_number(&p);
    const uint64_t at = *p == ',' ? (p++, gdb_hex_number(&p)) : 0;
    const uint64_t len = *p == ',' ? (p++, gdb_hex_number(&p)) : 1;

    if (kind > BP_ACCESS)
        return; /* empty reply: not known */
    const int rc = insert ? bp_insert(&g->bps, (enum bp_kind)kind, at, len)
                          : bp_remove(&g->bps, (enum bp_kind)kind, at, len);
    gdb_put(g, rc == 0 ? "OK" : "E28");
}

static void v_packet(struct gdb *g, const char *p)
{
    if (strncmp(p, "vCont?", 6) == 0)
        gdb_put(g, "vCont;c;C;s;S;r");
    else if (strncmp(p, "vCont", 5) == 0)
        vcont(g, p + 5);
    else if (strncmp(p, "vKill", 5) == 0) {
        g->killed = true;
        gdb_put(g, "OK");
    }
}

static void handle(struct gdb *g, char *p, size_t len)
{
    const bool was_stopped = g->stopped;

    switch (p[0]) {
    case '?':
        gdb_put(g, g->last_stop);
        break;
    case 'g':
        read_registers(g);
        break;
    case 'G':
        write_registers(g, p + 1);
        break;
    case 'p':
        read_register(g, p + 1);
        break;
    case 'P':
        write_register(g, p + 1);
        break;
    case 'm':
        read_memory(g, p + 1);
        break;
    case 'M':
        write_memory(g, p + 1, len - 1, false);
        break;
    case 'X':
        write_memory(g, p + 1, len - 1, true);
        break;
    case 'H':
        set_thread(g, p + 1);
        break;
    case 'T':
        thread_alive(g, p + 1);
        break;
    case 's':
        resume_old(g, p + 1, true);
        break;
    case 'c':
        resume_old(g, p + 1, false);
        break;
    case 'z':
    case 'Z':
        breakpoint(g, p);
        break;
    case 'v':
        v_packet(g, p);
        break;
    case 'q':
    case 'Q':
        gdb_query(g, p, len);
        break;
    case '!':
        gdb_put(g, "OK");
        break;
    case 'D':
        gdb_put(g, "OK");
        send_reply(g);
        detach(g);
        gdb_conn_drop(&g->conn);
        return;
    case 'k':
        g->killed = true;
        return;
    default:
        break; /* unknown: empty reply */
    }
    if (was_stopped && !g->stopped && g->reply_len == 0)
        return; /* resumed: the stop will be the reply */
    send_reply(g);
}

/* ---- life ---- */

struct gdb *gdb_new(struct machine *m, const char *where, struct err *err)
{
    struct gdb *g = calloc(1, sizeof(*g));

    if (!g)
        return NULL;
    g->machine = m;
    g->step_lp = NO_LP;
    bp_init(&g->bps, m);
    if (gdb_conn_listen(&g->conn, where, err) < 0) {
        free(g);
        return NULL;
    }
    return g;
}

void gdb_free(struct gdb *g)
{
    if (!g)
        return;
    detach(g); /* the LPs point to its breakpoints */
    gdb_conn_close(&g->conn);
    free(g);
}

static void new_client(struct gdb *g)
{
    g->frozen = false;
    g->stopped = true;
    g->thread_g = g->thread_c = 0;
    g->physical = g->swbreak = g->hwbreak = false;
    snprintf(g->last_stop, sizeof(g->last_stop), "T%02xthread:1;", SIGNAL_TRAP);
}

void gdb_poll(struct gdb *g, int timeout_ms)
{
    static char packet[GDB_PACKET + 1];
    size_t len;

    if (!gdb_conn_wait(&g->conn, timeout_ms))
        return;
    if (g->conn.fd < 0) {
        if (gdb_conn_accept(&g->conn))
            new_client(g);
        return;
    }
    for (;;) {
        switch (gdb_conn_receive(&g->conn, packet, &len)) {
        case GDB_NOTHING:
            return;
        case GDB_CLOSED:
            detach(g);
            gdb_conn_drop(&g->conn);
            return;
        case GDB_INTERRUPT:
            if (!g->stopped)
                stopped_at(g, g->thread_c, SIGNAL_INT, "");
            break;
        case GDB_PACKET_READY:
            handle(g, packet, len);
            if (g->killed || g->conn.fd < 0 || !g->stopped)
                return; /* what follows belongs to after the stop */
            break;
        }
    }
}

bool gdb_is_stopped(const struct gdb *g)
{
    return g->stopped || g->frozen;
}

bool gdb_has_client(const struct gdb *g)
{
    return g->conn.fd >= 0;
}

bool gdb_killed(const struct gdb *g)
{
    return g->killed;
}

void gdb_freeze(struct gdb *g)
{
    g->frozen = true;
}
