/*
 * Console ports as UNIX sockets; see ports.h.
 *
 * A client that does not read is dropped when a mebibyte waits for it; what a port says without a
 * client is not kept. What clients send enters the machine through core/input.h like any key.
 */
#include "frontends/cli/ports.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/input.h"

#define OUTPUT_MAX  (1u << 20)
#define INPUT_CHUNK 4096

struct port {
    char source[64]; /* "console/vm.a" */
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    int listener, client; /* -1: none */
    int sink;             /* input sink, or negative */
    char *out;            /* waits for the client */
    size_t out_len, out_cap;
    char in[INPUT_CHUNK]; /* waits for the machine */
    size_t in_len;
};

struct ports {
    struct port port[PORTS_MAX];
    unsigned count;
    char folder[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

/* ---- names ---- */

static void base_folder(char *out, size_t size)
{
    const char *const runtime = getenv("XDG_RUNTIME_DIR");

    if (runtime && *runtime == '/')
        snprintf(out, size, "%s/vitrine", runtime);
    else
        snprintf(out, size, "/tmp/vitrine-%u", (unsigned)getuid());
}

static int check_name(const char *machine, struct err *err)
{
    size_t n = 0;

    while (isalnum((unsigned char)machine[n]) || (n && strchr("-_.", machine[n]) && machine[n]))
        n++;
    if (n == 0 || machine[n] || n >= PORTS_NAME)
        return err_set(err, "E-CLI-002", -EINVAL,
                       "'%s' is no name of a machine: 1 to %d letters, digits, - _ and .", machine,
                       PORTS_NAME - 1);
    return 0;
}

int ports_path(char *out, size_t size, const char *machine, const char *port, struct err *err)
{
    char base[512];

    if (check_name(machine, err) < 0)
        return err->code;
    base_folder(base, sizeof(base));
    const int n = snprintf(out, size, "%s/%s%s%s", base, machine, *port ? "/" : "", port);
    if (n < 0 || (size_t)n >= size)
        return err_set(err, "E-FILE-005", -ENAMETOOLONG, "%s: the path of a socket is too long",
                       base);
    return 0;
}

/* A folder of this user's, which nobody else may enter. */
static int make_folder(const char *path, struct err *err)
{
    struct stat st;

    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return err_set(err, "E-FILE-005", -errno, "cannot make %s: %s", path, strerror(errno));
    if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != getuid() || st.st_mode & 077) {
        err_set(err, "E-FILE-005", -EACCES, "%s is not a private folder of this user", path);
        return err_hint(err, "it holds sockets that control machines: chmod 700, or remove it");
    }
    return 0;
}

/* ---- listening ---- */

static int address_of(struct sockaddr_un *a, const char *path)
{
    memset(a, 0, sizeof(*a));
    a->sun_family = AF_UNIX;
    strcpy(a->sun_path, path);
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

/* A socket that nobody answers was left by a run that was killed. */
static bool is_answered(const char *path)
{
    struct sockaddr_un a;
    const int fd = address_of(&a, path);
    const bool answered = fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0;

    if (fd >= 0)
        close(fd);
    return answered;
}

static int listen_at(struct port *p, const char *machine, struct err *err)
{
    struct sockaddr_un a;

    if (is_answered(p->path)) {
        err_set(err, "E-CLI-004", -EADDRINUSE, "a machine with the name %s runs already", machine);
        return err_hint(err, "give this one another --name");
    }
    unlink(p->path);
    p->listener = address_of(&a, p->path);
    if (p->listener < 0 || bind(p->listener, (struct sockaddr *)&a, sizeof(a)) < 0 ||
        chmod(p->path, 0600) < 0 || listen(p->listener, 4) < 0 ||
        fcntl(p->listener, F_SETFL, O_NONBLOCK) < 0)
        return err_set(err, "E-FILE-005", -errno, "cannot listen at %s: %s", p->path,
                       strerror(errno));
    return 0;
}

struct ports *ports_open(const char *machine, const char *const *names, unsigned count,
                         struct err *err)
{
    struct ports *const p = calloc(1, sizeof(*p));
    char base[512];

    if (!p) {
        err_set(err, "E-MACH-002", -ENOMEM, "out of memory");
        return NULL;
    }
    base_folder(base, sizeof(base));
    if (ports_path(p->folder, sizeof(p->folder), machine, "", err) < 0 ||
        make_folder(base, err) < 0 || make_folder(p->folder, err) < 0) {
        p->folder[0] = 0;
        ports_close(p);
        return NULL;
    }
    for (unsigned i = 0; i < count && i < PORTS_MAX; i++) {
        struct port *const port = &p->port[p->count];
        port->listener = port->client = port->sink = -1;
        snprintf(port->source, sizeof(port->source), "console/%s", names[i]);
        if (ports_path(port->path, sizeof(port->path), machine, names[i], err) < 0 ||
            listen_at(port, machine, err) < 0) {
            if (port->listener >= 0)
                close(port->listener);
            ports_close(p);
            return NULL;
        }
        p->count++;
    }
    return p;
}

static void drop_client(struct port *port)
{
    if (port->client >= 0)
        close(port->client);
    port->client = -1;
    port->out_len = 0;
}

void ports_close(struct ports *p)
{
    if (!p)
        return;
    for (unsigned i = 0; i < p->count; i++) {
        drop_client(&p->port[i]);
        close(p->port[i].listener);
        unlink(p->port[i].path);
        free(p->port[i].out);
    }
    if (p->count)
        rmdir(p->folder);
    free(p);
}

void ports_bind_input(struct ports *p, const struct input *in)
{
    for (unsigned i = 0; i < p->count; i++)
        p->port[i].sink = input_find(in, p->port[i].source);
}

/* ---- bytes ---- */

static void flush(struct port *port)
{
    size_t sent = 0;

    while (port->client >= 0 && sent < port->out_len) {
        const ssize_t n = send(port->client, port->out + sent, port->out_len - sent,
                               MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
            drop_client(port);
            return;
        }
        if (n < 0)
            break;
        sent += (size_t)n;
    }
    if (port->client >= 0) {
        memmove(port->out, port->out + sent, port->out_len - sent);
        port->out_len -= sent;
    }
}

static bool keep(struct port *port, const void *bytes, size_t len)
{
    if (len > OUTPUT_MAX - port->out_len)
        return false;
    if (port->out_len + len > port->out_cap) {
        const size_t cap = port->out_len + len + 4096;
        char *const more = realloc(port->out, cap);
        if (!more)
            return false;
        port->out = more;
        port->out_cap = cap;
    }
    memcpy(port->out + port->out_len, bytes, len);
    port->out_len += len;
    return true;
}

void ports_output(struct ports *p, const char *source, const void *bytes, size_t len)
{
    for (unsigned i = 0; i < p->count; i++) {
        struct port *const port = &p->port[i];
        if (port->client < 0 || strcmp(port->source, source) != 0)
            continue;
        if (keep(port, bytes, len))
            flush(port);
        else
            drop_client(port);
    }
}

static void take_input(struct port *port, struct input *in)
{
    if (!port->in_len) {
        const ssize_t n = recv(port->client, port->in, sizeof(port->in), MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) {
            drop_client(port);
            return;
        }
        port->in_len = n > 0 ? (size_t)n : 0;
    }
    if (port->in_len && (port->sink < 0 || input_push(in, port->sink, port->in, port->in_len) == 0))
        port->in_len = 0;
}

void ports_serve(struct ports *p, struct input *in)
{
    for (unsigned i = 0; i < p->count; i++) {
        struct port *const port = &p->port[i];
        if (port->client < 0)
            port->client = accept(port->listener, NULL, NULL);
        if (port->client < 0)
            continue;
        flush(port);
        if (port->client >= 0)
            take_input(port, in);
    }
}

unsigned ports_add_fds(const struct ports *p, struct pollfd fd[PORTS_FDS_MAX])
{
    unsigned n = 0;

    for (unsigned i = 0; i < p->count; i++) {
        const struct port *const port = &p->port[i];
        const short out = port->out_len ? POLLOUT : 0;
        if (port->client < 0)
            fd[n++] = (struct pollfd){.fd = port->listener, .events = POLLIN};
        else
            fd[n++] = (struct pollfd){.fd = port->client, .events = POLLIN | out};
    }
    return n;
}

/* ---- clients ---- */

int ports_connect(const char *machine, const char *port, struct err *err)
{
    struct sockaddr_un a;
    char path[sizeof(a.sun_path)];

    if (ports_path(path, sizeof(path), machine, port, err) < 0)
        return err->code;
    const int fd = address_of(&a, path);
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
        const int code = -errno;
        if (fd >= 0)
            close(fd);
        err_set(err, "E-VM-001", code, "cannot reach %s of machine %s: %s", port, machine,
                strerror(-code));
        return err_hint(err, "start it with: vitrine run --name %s --vm ...", machine);
    }
    return fd;
}

int ports_find_machine(char name[PORTS_NAME], struct err *err)
{
    char base[512], path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    unsigned found = 0;

    base_folder(base, sizeof(base));
    DIR *const d = opendir(base);
    for (const struct dirent *e; d && (e = readdir(d));) {
        struct err ignored;
        err_clear(&ignored);
        if (ports_path(path, sizeof(path), e->d_name, "vmms", &ignored) < 0 || !is_answered(path))
            continue;
        if (!found++)
            strcpy(name, e->d_name);
    }
    if (d)
        closedir(d);
    if (found == 1)
        return 0;
    err_set(err, "E-VM-001", -ENOENT,
            found ? "%u machines run under a name" : "no machine runs under a name", found);
    return found ? err_hint(err, "say which: vitrine vm --name NAME ...")
                 : err_hint(err, "start one with: vitrine run --name lab --vm ...");
}
