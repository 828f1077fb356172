/*
 * devices/net/user.c: the guest on the host's network without privileges: NAT by libslirp, with
 * DHCP, DNS and forwarded ports. 10.0.2.0/24: gateway and host 10.0.2.2, DNS 10.0.2.3, the guest
 * gets 10.0.2.15. One of the back ends that may talk to the outside.
 *
 * libslirp sees virtual time only, and its frames enter through the card's input sink, so what the
 * guest sees happens at stamped positions. What the outside answers, and when, is the outside's
 * business: a run repeats exactly only as far as nothing was said to anything beyond the gateway.
 * Not modelled: IPv6 (libslirp sends router advertisements at times of its own random choice),
 * TFTP, frames above 1514 bytes.
 */
#include "devices/net/net.h"

#include <errno.h>

#include "lib/log.h"

#ifdef HAVE_SLIRP

#include <libslirp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define TIMERS_MAX 4
#define NS_PER_MS  1000000

struct timer {
    SlirpTimerCb cb;
    void *opaque;
    struct clock_event event;
    bool registered;
};

struct user {
    struct net_backend b; /* first */
    struct net_user_config cfg;
    struct net_side side;
    Slirp *slirp;
    uint64_t base_ns, last_ns; /* virtual time of all lives of the machine */
    struct timer timer[TIMERS_MAX];
    /* between add_fds and serve */
    struct pollfd *fd;
    const struct pollfd *polled;
    unsigned count, max;
};

/* ---- what libslirp asks of us ---- */

static ssize_t send_packet(const void *bytes, size_t len, void *opaque)
{
    const struct user *const u = opaque;
    net_push(&u->side, bytes, len);
    return (ssize_t)len;
}

static void guest_error(const char *message, void *opaque)
{
    (void)opaque;
    LOG_GUEST("net-user", "%s", message);
}

/* Never runs backwards: a machine that is reset starts its clock at zero again. */
static int64_t now_ns(void *opaque)
{
    struct user *const u = opaque;
    const uint64_t now = clock_now(u->side.clock);
    if (u->base_ns + now < u->last_ns)
        u->base_ns = u->last_ns - now;
    u->last_ns = u->base_ns + now;
    return (int64_t)u->last_ns;
}

static void timer_fire(void *opaque, uint64_t now)
{
    const struct timer *const t = opaque;
    (void)now;
    if (t->cb)
        t->cb(t->opaque);
}

static void *timer_new(SlirpTimerCb cb, void *cb_opaque, void *opaque)
{
    struct user *const u = opaque;
    for (unsigned i = 0; i < TIMERS_MAX; i++) {
        struct timer *const t = &u->timer[i];
        if (t->cb)
            continue;
        t->cb = cb;
        t->opaque = cb_opaque;
        if (!t->registered)
            clock_event_init(u->side.clock, &t->event, "net-user", 41, timer_fire, t);
        t->registered = true;
        return t;
    }
    LOG_ERROR("net-user", "libslirp wants more than %d timers", TIMERS_MAX);
    return NULL;
}

static void timer_free(void *timer, void *opaque)
{
    struct user *const u = opaque;
    struct timer *const t = timer;
    if (!t)
        return;
    clock_cancel(u->side.clock, &t->event);
    t->cb = NULL;
}

static void timer_mod(void *timer, int64_t expire_ms, void *opaque)
{
    struct user *const u = opaque;
    struct timer *const t = timer;
    const int64_t at = expire_ms * NS_PER_MS - (int64_t)u->base_ns;
    if (t)
        clock_arm(u->side.clock, &t->event, at > 0 ? (uint64_t)at : 0);
}

/* The front end polls all of them in every round. */
static void fd_changed(int fd, void *opaque)
{
    (void)fd;
    (void)opaque;
}
static void notify(void *opaque)
{
    (void)opaque;
}

static const SlirpCb callbacks = {
    .send_packet = send_packet,
    .guest_error = guest_error,
    .clock_get_ns = now_ns,
    .timer_new = timer_new,
    .timer_free = timer_free,
    .timer_mod = timer_mod,
    .register_poll_fd = fd_changed,
    .unregister_poll_fd = fd_changed,
    .notify = notify,
};

/* ---- the back end ---- */

static struct in_addr address(uint32_t host_order)
{
    return (struct in_addr){htonl(host_order)};
}

static int add_forwards(struct user *u, struct err *err)
{
    for (unsigned i = 0; i < u->cfg.forward_count; i++) {
        const struct net_forward *const f = &u->cfg.forward[i];
        if (slirp_add_hostfwd(u->slirp, f->udp, (struct in_addr){f->host_addr}, f->host_port,
                              address(0x0a00020f), f->guest_port) < 0) {
            err_set(err, "E-NET-002", -EADDRINUSE, "cannot listen on %s port %u of this host: %s",
                    f->udp ? "UDP" : "TCP", f->host_port, strerror(errno));
            return err_hint(err, "another program has the port; choose another in --forward");
        }
    }
    return 0;
}

static int user_attach(struct net_backend *b, const struct net_side *side, struct err *err)
{
    struct user *const u = (struct user *)b;
    const SlirpConfig cfg = {
        .version = 4,
        .restricted = u->cfg.restricted,
        .in_enabled = true,
        .vnetwork = address(0x0a000200),
        .vnetmask = address(0xffffff00),
        .vhost = address(0x0a000202),
        .vdhcp_start = address(0x0a00020f),
        .vnameserver = address(0x0a000203),
        .vhostname = "vitrine",
        .if_mtu = NET_MTU,
        .if_mru = NET_MTU,
    };
    if (u->slirp)
        return err_set(err, "E-NET-001", -EBUSY, "a user network takes one card");
    u->side = *side;
    u->slirp = slirp_new(&cfg, &callbacks, u);
    if (!u->slirp)
        return err_set(err, "E-NET-001", -ENOMEM, "libslirp did not start");
    return add_forwards(u, err);
}

static void user_detach(struct net_backend *b)
{
    struct user *const u = (struct user *)b;
    if (u->slirp)
        slirp_cleanup(u->slirp);
    u->slirp = NULL;
    memset(u->timer, 0, sizeof u->timer);
}

static void user_send(struct net_backend *b, const uint8_t *frame, size_t len)
{
    slirp_input(((struct user *)b)->slirp, frame, (int)len);
}

static int add_poll(int fd, int events, void *opaque)
{
    struct user *const u = opaque;
    if (u->count == u->max)
        return -1;
    short want = 0;
    want |= events & SLIRP_POLL_IN ? POLLIN : 0;
    want |= events & SLIRP_POLL_OUT ? POLLOUT : 0;
    want |= events & SLIRP_POLL_PRI ? POLLPRI : 0;
    u->fd[u->count] = (struct pollfd){.fd = fd, .events = want};
    return (int)u->count++;
}

static int get_events(int index, void *opaque)
{
    const struct user *const u = opaque;
    if (index < 0 || (unsigned)index >= u->count)
        return 0;
    const short got = u->polled[index].revents;
    int events = 0;
    events |= got & POLLIN ? SLIRP_POLL_IN : 0;
    events |= got & POLLOUT ? SLIRP_POLL_OUT : 0;
    events |= got & POLLPRI ? SLIRP_POLL_PRI : 0;
    events |= got & POLLERR ? SLIRP_POLL_ERR : 0;
    events |= got & POLLHUP ? SLIRP_POLL_HUP : 0;
    return events;
}

static unsigned user_add_fds(struct net_backend *b, struct pollfd *fd, unsigned max, int *ms)
{
    struct user *const u = (struct user *)b;
    uint32_t timeout = *ms < 0 ? UINT32_MAX : (uint32_t)*ms;
    u->fd = fd;
    u->max = max;
    u->count = 0;
    if (!u->slirp)
        return 0;
    slirp_pollfds_fill(u->slirp, &timeout, add_poll, u);
    *ms = timeout > INT32_MAX ? -1 : (int)timeout;
    return u->count;
}

static void user_serve(struct net_backend *b, const struct pollfd *fd, unsigned count, bool failed)
{
    struct user *const u = (struct user *)b;
    u->polled = fd;
    u->count = count;
    if (u->slirp)
        slirp_pollfds_poll(u->slirp, failed, get_events, u);
}

static void user_free(struct net_backend *b)
{
    user_detach(b);
    free(b);
}

static const struct net_backend_ops user_ops = {
    .kind = "user",
    .attach = user_attach,
    .detach = user_detach,
    .send = user_send,
    .add_fds = user_add_fds,
    .serve = user_serve,
    .free = user_free,
};

struct net_backend *net_user_new(const struct net_user_config *cfg, struct err *err)
{
    struct user *const u = calloc(1, sizeof *u);
    if (!u) {
        err_set(err, "E-MACH-002", -ENOMEM, "user network");
        return NULL;
    }
    u->b.ops = &user_ops;
    u->cfg = *cfg;
    return &u->b;
}

#else

struct net_backend *net_user_new(const struct net_user_config *cfg, struct err *err)
{
    (void)cfg;
    err_set(err, "E-CLI-007", -ENOSYS, "the user network is not part of this build");
    err_hint(err, "install libslirp-dev, run configure and make again");
    return NULL;
}

#endif
