/* Fuzz target: what a client sends to the gdb stub. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "debug/gdb.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/pc.h"

static char where[96];

static void setup(void)
{
    snprintf(where, sizeof where, "unix:%s/vitrine-fuzz-%d", getenv("TMPDIR") ?: "/tmp",
             (int)getpid());
}

/* Each line of the input is a packet's text, framed here; a line that starts with a backslash is
 * sent as it is. */
static void send_lines(int fd, struct gdb *g, const uint8_t *data, size_t len)
{
    char out[4096];
    while (len) {
        const uint8_t *const nl = memchr(data, '\n', len);
        size_t n = nl ? (size_t)(nl - data) : len, used = 0;
        const size_t next = nl ? n + 1 : n;
        n = n < 2000 ? n : 2000;
        if (n && data[0] == '\\') {
            memcpy(out, data + 1, used = n - 1);
        } else {
            uint8_t sum = 0;
            for (size_t i = 0; i < n; i++)
                sum = (uint8_t)(sum + data[i]);
            out[used++] = '$';
            memcpy(out + used, data, n);
            used += n;
            used += (size_t)sprintf(out + used, "#%02x", sum);
        }
        if (used && send(fd, out, used, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
            return;
        gdb_poll(g, 0);
        while (recv(fd, out, sizeof out, MSG_DONTWAIT) > 0)
            ;
        data += next;
        len -= next;
    }
}

static void one(const uint8_t *data, size_t len)
{
    struct machine *const m = pc_reset();
    struct err err;
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    err_clear(&err);
    struct gdb *const g = gdb_new(m, where, &err);
    if (!g) {
        err_print(&err);
        exit(1);
    }
    gdb_freeze(g);
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    memcpy(addr.sun_path, where + 5, strlen(where + 5));
    if (connect(fd, (struct sockaddr *)&addr, sizeof addr) == 0) {
        gdb_poll(g, 0);
        send_lines(fd, g, data, len);
        if (!gdb_is_stopped(g) && machine_run(m, 100, UINT64_MAX) == MACHINE_STOP_BREAK)
            gdb_report_break(g);
        gdb_poll(g, 0);
    }
    close(fd);
    gdb_free(g);
}

static size_t seed(unsigned n, uint8_t *to)
{
    static const char text[] =
        "qSupported:multiprocess+;swbreak+\nQStartNoAckMode\nqXfer:features:read:target.xml:0,ffb\n"
        "vCont?\nHg1\ng\nG00112233\np0\nP1=0011223344556677\nm100000,40\nM100000,4:90909090\n"
        "X100000,4:abcd\nZ0,100000,1\nZ2,100100,8\nz2,100100,8\nZ1,100000,1\nqfThreadInfo\n"
        "qsThreadInfo\nT1\nqRcmd,696e666f\nqRcmd,7265677320\nvCont;s:1\nvCont;r100000,100010:1\n"
        "?\ns\nqqemu.PhyMemMode\nQqemu.PhyMemMode:1\nmffffffffffffff00,1000\n\\+++$g#\nvCont;"
        "c\nD\n";
    if (n)
        return 0;
    memcpy(to, text, sizeof text - 1);
    return sizeof text - 1;
}

const struct fuzz_target fuzz_gdb = {"gdb", "packets of a gdb client", setup, one, seed, 300};
