/*
 * Sockets and packet framing of the gdb stub (GDB manual E.1): $data#checksum, acknowledgements
 * until no-ack mode, escapes, the interrupt byte 03. Listens on the loopback address only.
 *
 * Not modelled: run-length encoding of replies, notifications (non-stop mode).
 */
#include "debug/gdb_int.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int listen_unix(struct gdb_conn *c, const char *path, struct err *err)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof(addr.sun_path))
        return err_set(err, "E-GDB-001", -ENAMETOOLONG, "socket path %s is too long", path);
    strcpy(addr.sun_path, path);
    c->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->listener < 0)
        return err_set(err, "E-GDB-001", -errno, "no socket: %s", strerror(errno));
    struct stat st;
    if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
        unlink(path);
    const mode_t old = umask(0177);
    const int rc = bind(c->listener, (struct sockaddr *)&addr, sizeof(addr));
    umask(old);
    if (rc < 0)
        return err_set(err, "E-GDB-001", -errno, "cannot bind %s: %s", path, strerror(errno));
    c->unlink_path = strdup(path);
    return 0;
}

static int listen_tcp(struct gdb_conn *c, const char *where, struct err *err)
{
    const char *port_text = strrchr(where, ':') ? strrchr(where, ':') + 1 : where;
    char *end;
    const unsigned long port = strtoul(port_text, &end, 10);
    const int on = 1;

    if (end == port_text || *end || port == 0 || port > 65535) {
        err_set(err, "E-CLI-002", -EINVAL, "--gdb: '%s' is no port", where);
        return err_hint(err, "write --gdb=1234 or --gdb=unix:PATH");
    }
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)port),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    c->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->listener < 0)
        return err_set(err, "E-GDB-001", -errno, "no socket: %s", strerror(errno));
    setsockopt(c->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(c->listener, (struct sockaddr *)&addr, sizeof(addr)) < 0)
        return err_set(err, "E-GDB-001", -errno, "cannot listen on localhost:%lu: %s", port,
                       strerror(errno));
    return 0;
}

int gdb_conn_listen(struct gdb_conn *c, const char *where, struct err *err)
{
    memset(c, 0, sizeof(*c));
    c->listener = c->fd = -1;
    if (strncmp(where, "tcp:", 4) == 0)
        where += 4;
    int rc = strncmp(where, "unix:", 5) == 0 ? listen_unix(c, where + 5, err)
                                             : listen_tcp(c, where, err);
    if (rc == 0 && listen(c->listener, 1) < 0)
        rc = err_set(err, "E-GDB-001", -errno, "cannot listen on %s: %s", where, strerror(errno));
    if (rc < 0)
        gdb_conn_close(c);
    return rc;
}

void gdb_conn_drop(struct gdb_conn *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    c->no_ack = false;
    c->in_len = 0;
}

void gdb_conn_close(struct gdb_conn *c)
{
    gdb_conn_drop(c);
    if (c->listener >= 0)
        close(c->listener);
    c->listener = -1;
    if (c->unlink_path) {
        unlink(c->unlink_path);
        free(c->unlink_path);
        c->unlink_path = NULL;
    }
}

bool gdb_conn_accept(struct gdb_conn *c)
{
    struct pollfd pfd = {c->listener, POLLIN, 0};
    const int on = 1;

    if (c->fd >= 0 || poll(&pfd, 1, 0) <= 0)
        return false;
    c->fd = accept4(c->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (c->fd < 0)
        return false;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return true;
}

bool gdb_conn_wait(struct gdb_conn *c, int timeout_ms)
{
    struct pollfd pfd = {c->fd >= 0 ? c->fd : c->listener, POLLIN, 0};

    return poll(&pfd, 1, timeout_ms) > 0;
}

static bool write_all(struct gdb_conn *c, const char *data, size_t len)
{
    while (len && c->fd >= 0) {
        const ssize_t n = send(c->fd, data, len, MSG_NOSIGNAL);
        if (n > 0) {
            data += n;
            len -= (size_t)n;
        } else if (n < 0 && errno == EAGAIN) {
            struct pollfd pfd = {c->fd, POLLOUT, 0};
            poll(&pfd, 1, 5000);
        } else if (n < 0 && errno == EINTR) {
            continue;
        } else {
            return false;
        }
    }
    return true;
}

void gdb_conn_send(struct gdb_conn *c, const char *data, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    char out[GDB_PACKET + 32];
    uint8_t sum = 0;

    if (len > GDB_PACKET + 16)
        len = GDB_PACKET + 16;
    for (size_t i = 0; i < len; i++)
        sum = (uint8_t)(sum + (uint8_t)data[i]);
    out[0] = '$';
    memcpy(out + 1, data, len);
    out[len + 1] = '#';
    out[len + 2] = digits[sum >> 4];
    out[len + 3] = digits[sum & 15];
    write_all(c, out, len + 4);
}

/* Read what there is; false when the client is gone. */
static bool fill(struct gdb_conn *c)
{
    while (c->in_len < sizeof(c->in)) {
        const ssize_t n = recv(c->fd, c->in + c->in_len, sizeof(c->in) - c->in_len, 0);
        if (n > 0) {
            c->in_len += (size_t)n;
            continue;
        }
        if (n < 0 && errno == EINTR)
            continue;
        return n < 0 && errno == EAGAIN;
    }
    return true;
}

static void consume(struct gdb_conn *c, size_t n)
{
    memmove(c->in, c->in + n, c->in_len - n);
    c->in_len -= n;
}

static size_t unescape(const uint8_t *from, size_t len, char *to)
{
    size_t out = 0;

    for (size_t i = 0; i < len; i++) {
        if (from[i] == '}' && i + 1 < len)
            to[out++] = (char)(from[++i] ^ 0x20);
        else
            to[out++] = (char)from[i];
    }
    to[out] = 0;
    return out;
}

/* A complete packet at the start of the input? Checks the sum and acknowledges. */
static bool take_packet(struct gdb_conn *c, char *buf, size_t *len)
{
    const uint8_t *hash = memchr(c->in, '#', c->in_len);

    if (!hash || (size_t)(hash - c->in) + 3 > c->in_len)
        return false;
    const size_t n = (size_t)(hash - c->in) - 1;
    uint8_t sum = 0, wanted = 0;
    for (size_t i = 0; i < n; i++)
        sum = (uint8_t)(sum + c->in[1 + i]);
    const bool good = gdb_hex_byte((const char *)hash + 1, &wanted) && wanted == sum &&
                      n <= GDB_PACKET;
    if (good)
        *len = unescape(c->in + 1, n, buf);
    consume(c, n + 4);
    if (!c->no_ack)
        write_all(c, good ? "+" : "-", 1);
    return good;
}

enum gdb_received gdb_conn_receive(struct gdb_conn *c, char *buf, size_t *len)
{
    const bool alive = fill(c);

    while (c->in_len) {
        if (c->in[0] == 3) {
            consume(c, 1);
            return GDB_INTERRUPT;
        }
        if (c->in[0] != '$') { /* acknowledgements and noise */
            consume(c, 1);
            continue;
        }
        if (take_packet(c, buf, len))
            return GDB_PACKET_READY;
        if (c->in_len == sizeof(c->in))
            return GDB_CLOSED; /* longer than we said we take */
        if (!c->in_len || c->in[0] == '$')
            break;
    }
    return alive ? GDB_NOTHING : GDB_CLOSED;
}
