/*
 * --net, --forward, --pcap (net.h).
 *
 * Not modelled: streams and taps of the host, several guests behind one user network.
 */
#include "frontends/cli/net.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define POLL_MAX 512 /* descriptors of all back ends */

/* ---- parsing ---- */

/* One card as it is being parsed. */
struct spec {
    struct net *net;
    struct net_card_config *card;
    bool user;
    struct net_user_config cfg;
    char copy[512];
};

static int parse_port(const char *text, size_t len, uint16_t *port)
{
    uint32_t v = 0;
    if (!len || len > 5)
        return -EINVAL;
    for (size_t i = 0; i < len; i++) {
        if (!isdigit((unsigned char)text[i]))
            return -EINVAL;
        v = v * 10 + (uint32_t)(text[i] - '0');
    }
    *port = (uint16_t)v;
    return v == 0 || v > 65535 ? -EINVAL : 0;
}

int net_parse_forward(struct net_forward *f, const char *text, struct err *err)
{
    const char *at = text;
    char address[32] = "127.0.0.1";
    struct in_addr in;
    *f = (struct net_forward){.udp = strncmp(at, "udp:", 4) == 0};
    if (f->udp || strncmp(at, "tcp:", 4) == 0)
        at += 4;
    const char *const last = strrchr(at, ':');
    const char *host = at, *host_end = last;
    if (last && parse_port(last + 1, strlen(last + 1), &f->guest_port) == 0) {
        const char *const dash = memchr(at, '-', (size_t)(last - at));
        if (dash) /* QEMU's form has the guest's address, which is always the same here */
            host_end = dash;
        const char *const colon = memchr(at, ':', (size_t)(host_end - at));
        if (colon) {
            host = colon + 1;
            if (colon > at)
                snprintf(address, sizeof address, "%.*s", (int)(colon - at), at);
        }
        if (inet_pton(AF_INET, address, &in) == 1 &&
            parse_port(host, (size_t)(host_end - host), &f->host_port) == 0) {
            f->host_addr = in.s_addr;
            return 0;
        }
    }
    err_set(err, "E-CLI-002", -EINVAL, "'%s' is no forwarded port", text);
    return err_hint(err, "write tcp:2222:22 (port of this host, port of the guest), or "
                         "udp:ADDRESS:HOSTPORT:GUESTPORT");
}

int net_parse_mac(uint8_t mac[6], const char *text, struct err *err)
{
    unsigned v[6];
    char rest;
    bool zero = true;
    if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%c", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5],
               &rest) == 6) {
        for (unsigned i = 0; i < 6; i++) {
            mac[i] = (uint8_t)v[i];
            zero = zero && !mac[i];
        }
        if (!(mac[0] & 1) && !zero)
            return 0;
    }
    err_set(err, "E-CLI-002", -EINVAL, "mac=%s is no address of a card", text);
    return err_hint(err, "six bytes, the first one even: mac=52:56:54:00:00:10");
}

static int add_forward(struct net_user_config *u, const char *text, struct err *err)
{
    if (u->forward_count == NET_FORWARDS_MAX)
        return err_set(err, "E-CLI-002", -EINVAL, "more than %d forwarded ports", NET_FORWARDS_MAX);
    return net_parse_forward(&u->forward[u->forward_count++], text, err);
}

static const char *const keys[] = {"mac", "mtu", "forward", "hostfwd", "restrict", "pcap", "model"};

static const char *get_key(size_t i)
{
    return i < sizeof keys / sizeof keys[0] ? keys[i] : NULL;
}

static int set_capture(struct spec *s, const char *path, struct err *err)
{
    struct pcap **const p = &s->net->capture[s->card->index];
    if (*p)
        return err_set(err, "E-CLI-002", -EINVAL, "pcap= twice");
    *p = pcap_open(path, err);
    if (!*p)
        return err->code;
    s->card->tap = pcap_tap(*p);
    return 0;
}

static int set_key(struct spec *s, const char *key, const char *value, struct err *err)
{
    uint64_t number;
    if (strcmp(key, "mac") == 0)
        return net_parse_mac(s->card->mac, value, err);
    if (strcmp(key, "mtu") == 0) {
        if (value_parse_count(value, &number) < 0 || number < NET_MTU_MIN || number > NET_MTU)
            return err_set(err, "E-CLI-002", -EINVAL, "mtu=%s: %d to %d", value, NET_MTU_MIN,
                           NET_MTU);
        s->card->mtu = (uint16_t)number;
        return 0;
    }
    if (strcmp(key, "pcap") == 0)
        return set_capture(s, value, err);
    if (strcmp(key, "model") == 0 && strncmp(value, "virtio", 6) == 0)
        return 0;
    if (strcmp(key, "forward") == 0 || strcmp(key, "hostfwd") == 0 ||
        strcmp(key, "restrict") == 0) {
        if (!s->user)
            return err_set(err, "E-CLI-004", -EINVAL, "%s= belongs to the user network", key);
        if (key[0] != 'r')
            return add_forward(&s->cfg, value, err);
        s->cfg.restricted = strcmp(value, "off") != 0 && strcmp(value, "no") != 0;
        return 0;
    }
    err_set(err, "E-CLI-006", -EINVAL, "unknown key '%s'", key);
    const char *near = text_nearest(key, get_key);
    return near ? err_hint(err, "did you mean %s=?", near)
                : err_hint(err, "keys: mac mtu pcap; of user: forward restrict");
}

/* A port of the hub of this name, which is made when it is the first one. */
static int plug_hub(struct spec *s, const char *name, struct err *err)
{
    struct net_hubs *const n = s->net->hubs;
    unsigned i = 0;
    if (!*name || strlen(name) >= sizeof n->hub[0].name)
        return err_set(err, "E-CLI-002", -EINVAL, "hub:%s: a name of 1 to 31 letters", name);
    while (i < NET_HUBS_MAX && n->hub[i].hub && strcmp(n->hub[i].name, name) != 0)
        i++;
    if (i == NET_HUBS_MAX)
        return err_set(err, "E-CLI-002", -EINVAL, "more than %d hubs", NET_HUBS_MAX);
    if (!n->hub[i].hub) {
        n->hub[i].hub = net_hub_new();
        snprintf(n->hub[i].name, sizeof n->hub[i].name, "%s", name);
    }
    s->card->backend = n->hub[i].hub ? net_hub_port(n->hub[i].hub) : NULL;
    return s->card->backend ? 0 : err_set(err, "E-NET-001", -ENOSPC, "hub %s has no port", name);
}

static int parse_kind(struct spec *s, const char *kind, struct err *err)
{
    s->user = strcmp(kind, "user") == 0;
    if (s->user || strcmp(kind, "none") == 0)
        return 0;
    if (strncmp(kind, "hub:", 4) == 0)
        return plug_hub(s, kind + 4, err);
    err_set(err, "E-CLI-002", -EINVAL, "'%s' is no network", kind);
    return err_hint(err, "user, none or hub:NAME, e.g. --net user,forward=tcp:2222:22");
}

/* KIND[,KEY=VALUE...] */
static int parse_spec(struct spec *s, const char *text, struct err *err)
{
    if (strlen(text) >= sizeof s->copy)
        return err_set(err, "E-CLI-002", -EINVAL, "--net: too long");
    strcpy(s->copy, text);
    char *at = s->copy;
    for (bool first = true; at; first = false) {
        char *const word = at, *const comma = strchr(at, ',');
        at = comma ? comma + 1 : NULL;
        if (comma)
            *comma = 0;
        char *const eq = strchr(word, '=');
        if (eq && !first)
            *eq = 0;
        const int rc = first ? parse_kind(s, word, err) : set_key(s, word, eq ? eq + 1 : "", err);
        if (rc < 0)
            return err_wrap(err, "--net %s", text);
    }
    return 0;
}

/* ---- opening ---- */

/* --forward is the first user network's. */
static int take_forwards(const struct options *o, struct net_user_config *cfg, struct err *err)
{
    const char *text;
    for (unsigned i = 0; (text = opt_list(o, OPT_ID_FORWARD, i)); i++) {
        if (add_forward(cfg, text, err) < 0)
            return err_wrap(err, "--forward %s", text);
    }
    return 0;
}

static int open_card(struct net *n, unsigned machine, const struct options *o, const char *text,
                     struct err *err)
{
    struct spec s = {.net = n};
    if (n->count == NET_CARDS_MAX)
        return err_set(err, "E-CLI-002", -EINVAL, "--net more than %d times", NET_CARDS_MAX);
    s.card = &n->card[n->count];
    *s.card = (struct net_card_config){
        .index = n->count, .mac = {0x52, 0x56, 0x54, 0, (uint8_t)machine, (uint8_t)(n->count + 1)}};
    n->count++;
    if (parse_spec(&s, text, err) < 0)
        return err->code;
    if (!s.card->tap.frame)
        s.card->tap = pcap_tap(n->capture[NET_CARDS_MAX]);
    if (!s.user)
        return 0;
    if (!n->has_outside && take_forwards(o, &s.cfg, err) < 0)
        return err->code;
    n->has_outside = true;
    s.card->backend = net_user_new(&s.cfg, err);
    return s.card->backend ? 0 : err->code;
}

int net_open(struct net *n, struct net_hubs *hubs, unsigned machine, const struct options *o,
             bool wants_user, struct err *err)
{
    const char *const path = opt_text(o, OPT_ID_PCAP), *text;
    const bool has_cards = opt_list(o, OPT_ID_NET, 0) != NULL;
    memset(n, 0, sizeof *n);
    n->hubs = hubs;
    if (path && !has_cards && !wants_user) {
        err_set(err, "E-CLI-004", -EINVAL, "--pcap without a network");
        return err_hint(err, "add --net user or --net hub:NAME");
    }
    if (path && !(n->capture[NET_CARDS_MAX] = pcap_open(path, err)))
        return err_wrap(err, "--pcap");
    for (unsigned i = 0; (text = opt_list(o, OPT_ID_NET, i)); i++) {
        if (open_card(n, machine, o, text, err) < 0)
            return err->code;
    }
    if (!has_cards && wants_user && open_card(n, machine, o, "user", err) < 0)
        return err->code;
    if (opt_list(o, OPT_ID_FORWARD, 0) && !n->has_outside) {
        err_set(err, "E-CLI-004", -EINVAL, "--forward without a user network");
        return err_hint(err, "add --net user");
    }
    return 0;
}

void net_close(struct net *n)
{
    for (unsigned i = 0; i < n->count; i++)
        net_backend_free(n->card[i].backend);
    for (unsigned i = 0; i <= NET_CARDS_MAX; i++) {
        struct err err;
        err_clear(&err);
        if (pcap_close(n->capture[i], &err) < 0)
            err_print(&err);
    }
    memset(n, 0, sizeof *n);
}

void net_free_hubs(struct net_hubs *hubs)
{
    for (unsigned i = 0; i < NET_HUBS_MAX; i++)
        net_hub_free(hubs->hub[i].hub);
    memset(hubs, 0, sizeof *hubs);
}

/* ---- polling ---- */

unsigned net_poll(struct net *n, struct pollfd *more, unsigned more_count, int ms)
{
    struct pollfd fd[POLL_MAX + NET_POLL_MORE];
    unsigned from[NET_CARDS_MAX + 1], count = 0;
    for (unsigned i = 0; i < n->count; i++) {
        struct net_backend *const b = n->card[i].backend;
        from[i] = count;
        if (b && b->ops->add_fds)
            count += b->ops->add_fds(b, fd + count, POLL_MAX - count, &ms);
    }
    from[n->count] = count;
    n->live = count > 0;
    if (more_count)
        memcpy(fd + count, more, more_count * sizeof *more);
    const int got = poll(fd, count + more_count, ms);
    for (unsigned i = 0; i < n->count; i++) {
        struct net_backend *const b = n->card[i].backend;
        if (b && b->ops->serve)
            b->ops->serve(b, fd + from[i], from[i + 1] - from[i], got < 0);
    }
    for (unsigned i = 0; i < more_count; i++)
        more[i].revents = got > 0 ? fd[count + i].revents : 0;
    return got > 0 ? (unsigned)got : 0;
}
