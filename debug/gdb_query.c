/*
 * q and Q packets of the gdb stub: features, target description, threads, monitor commands
 * (GDB manual E.4), and QEMU's switch between linear and physical memory.
 */
#include "debug/gdb_int.h"

#include <stdio.h>
#include <string.h>

#include "debug/gdb_regs.h"
#include "debug/monitor.h"
#include "machine/machine.h"

static bool starts(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

static void q_supported(struct gdb *g, const char *p)
{
    g->swbreak = strstr(p, "swbreak+") != NULL;
    g->hwbreak = strstr(p, "hwbreak+") != NULL;
    gdb_putf(g,
             "PacketSize=%x;QStartNoAckMode+;qXfer:features:read+;qXfer:threads:read+;"
             "vContSupported+;swbreak+;hwbreak+",
             GDB_PACKET);
}

/* A window of a text: m = more follows, l = the last part; binary bytes are escaped. */
static void put_window(struct gdb *g, const char *text, const char *p)
{
    const uint64_t offset = gdb_hex_number(&p);
    uint64_t len = *p == ',' ? (p++, gdb_hex_number(&p)) : 0;
    const size_t total = strlen(text);

    if (offset >= total) {
        gdb_put(g, "l");
        return;
    }
    if (len > GDB_PACKET / 2)
        len = GDB_PACKET / 2;
    const bool more = total - offset > len;
    gdb_put(g, more ? "m" : "l");
    for (size_t i = offset; i < total && i < offset + len; i++) {
        char one[3] = {text[i], 0, 0};
        if (strchr("#$}*", text[i])) {
            one[0] = '}';
            one[1] = (char)(text[i] ^ 0x20);
        }
        gdb_put(g, one);
    }
}

static const char *activity_name(const struct cpu *c)
{
    static const char *const names[] = {"running", "halted", "shut down", "waits for SIPI",
                                        "in MWAIT"};

    return c->activity < sizeof(names) / sizeof(names[0]) ? names[c->activity] : "?";
}

static void thread_text(struct gdb *g, unsigned lp, char *text, size_t size)
{
    const struct cpu *c = machine_lp(g->machine, lp);

    snprintf(text, size, "LP %u, %s%s", lp, activity_name(c),
             c->non_root ? ", VMX non-root"
             : c->vmx_on ? ", VMX root"
                         : "");
}

static void threads_xml(struct gdb *g, const char *p)
{
    char xml[1024], info[96];
    size_t n = (size_t)snprintf(xml, sizeof(xml), "<?xml version=\"1.0\"?><threads>");

    for (unsigned i = 0; i < machine_lp_count(g->machine); i++) {
        thread_text(g, i, info, sizeof(info));
        n += (size_t)snprintf(xml + n, sizeof(xml) - n,
                              "<thread id=\"%x\" core=\"%u\" name=\"LP%u\">%s</thread>", i + 1, i,
                              i, info);
    }
    snprintf(xml + n, sizeof(xml) - n, "</threads>");
    put_window(g, xml, p);
}

static void thread_list(struct gdb *g)
{
    for (unsigned i = 0; i < machine_lp_count(g->machine); i++)
        gdb_putf(g, "%c%x", i ? ',' : 'm', i + 1);
}

static void thread_extra(struct gdb *g, const char *p)
{
    char text[96];
    const uint64_t id = gdb_hex_number(&p);

    if (id == 0 || id > machine_lp_count(g->machine)) {
        gdb_put(g, "E22");
        return;
    }
    thread_text(g, (unsigned)id - 1, text, sizeof(text));
    gdb_put_hex_text(g, text);
}

static void monitor_output(void *opaque, const char *text)
{
    struct gdb *g = opaque;

    /* console output packets, 1 KiB of text each */
    for (size_t len = strlen(text); len;) {
        const size_t n = len < 1024 ? len : 1024;
        g->reply_len = 0;
        gdb_put(g, "O");
        gdb_put_hex(g, (const uint8_t *)text, n);
        gdb_conn_send(&g->conn, g->reply, g->reply_len);
        text += n;
        len -= n;
    }
    g->reply_len = 0;
}

static void remote_command(struct gdb *g, const char *p)
{
    char line[512];
    size_t n = 0;
    uint8_t byte;

    while (n + 1 < sizeof(line) && gdb_hex_byte(p + 2 * n, &byte)) {
        line[n++] = (char)byte;
        if (!p[2 * n])
            break;
    }
    line[n] = 0;
    struct monitor mon = {g->machine, g->thread_g, monitor_output, g};
    monitor_run(&mon, line);
    gdb_put(g, "OK");
}

void gdb_query(struct gdb *g, char *p, size_t len)
{
    static const char features[] = "qXfer:features:read:target.xml:";

    (void)len;
    if (starts(p, "qSupported"))
        q_supported(g, p);
    else if (starts(p, "QStartNoAckMode")) {
        gdb_put(g, "OK");
        g->conn.no_ack = true;
    } else if (starts(p, features))
        put_window(g, gdb_target_xml(), p + sizeof(features) - 1);
    else if (starts(p, "qXfer:threads:read::"))
        threads_xml(g, p + 20);
    else if (starts(p, "qfThreadInfo"))
        thread_list(g);
    else if (starts(p, "qsThreadInfo"))
        gdb_put(g, "l");
    else if (starts(p, "qThreadExtraInfo,"))
        thread_extra(g, p + 17);
    else if (strcmp(p, "qC") == 0)
        gdb_putf(g, "QC%x", g->thread_g + 1);
    else if (starts(p, "qAttached"))
        gdb_put(g, "1");
    else if (starts(p, "qRcmd,"))
        remote_command(g, p + 6);
    else if (starts(p, "qSymbol"))
        gdb_put(g, "OK");
    else if (strcmp(p, "qqemu.PhyMemMode") == 0)
        gdb_put(g, g->physical ? "1" : "0");
    else if (starts(p, "Qqemu.PhyMemMode:")) {
        g->physical = p[17] == '1';
        gdb_put(g, "OK");
    }
}
