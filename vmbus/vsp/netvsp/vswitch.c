/*
 * vmbus/vsp/netvsp/vswitch.c: the virtual switch (vswitch.h): IEEE 802.1D learning, 802.1Q access
 * and trunk ports.
 *
 * Learnt addresses live in sets of a few ways, so a guest that sends from many takes room from
 * some, no more. The addresses of ports themselves are not learnt but known.
 *
 * Not modelled: ageing (an address moves when it is seen elsewhere, and goes with its port),
 * spanning tree, multicast groups (they go to all ports, whose filters decide).
 */
#include <string.h>

#include "vmbus/vsp/netvsp/vswitch.h"

static bool same(const uint8_t *a, const uint8_t *b)
{
    uint32_t x, y;
    uint16_t u, v;
    __builtin_memcpy(&x, a, 4);
    __builtin_memcpy(&y, b, 4);
    __builtin_memcpy(&u, a + 4, 2);
    __builtin_memcpy(&v, b + 4, 2);
    return x == y && u == v;
}

static bool has_mac(const struct net_port *p)
{
    static const uint8_t none[6];
    return !same(p->mac, none);
}

static bool is_group(const uint8_t *mac)
{
    return mac[0] & 1;
}

static struct net_port *owner_of(const struct vswitch *sw, const uint8_t *mac)
{
    struct net_port *p = sw->ports;
    while (p && !same(p->mac, mac))
        p = p->next;
    return p;
}

/* ---- learnt addresses ---- */
static unsigned set_of(const uint8_t *mac, unsigned vlan)
{
    const unsigned h = mac[5] ^ (unsigned)mac[4] << 3 ^ (unsigned)mac[3] << 1 ^ vlan;
    return (h ^ h >> 6) % VSWITCH_SETS;
}

static struct vswitch_entry *find(struct vswitch *sw, const uint8_t *mac, unsigned vlan)
{
    struct vswitch_entry *const set = sw->learnt[set_of(mac, vlan)];
    for (unsigned i = 0; i < VSWITCH_WAYS; i++) {
        if (set[i].port && set[i].vlan == vlan && same(set[i].mac, mac))
            return &set[i];
    }
    return NULL;
}

static void learn(struct vswitch *sw, const uint8_t *mac, unsigned vlan, struct net_port *p)
{
    struct vswitch_entry *e = find(sw, mac, vlan);
    const unsigned set = set_of(mac, vlan);
    for (unsigned i = 0; i < VSWITCH_WAYS && !e; i++) {
        if (!sw->learnt[set][i].port)
            e = &sw->learnt[set][i];
    }
    if (!e)
        e = &sw->learnt[set][sw->victim[set]++ % VSWITCH_WAYS];
    e->port = p;
    e->vlan = (uint16_t)vlan;
    memcpy(e->mac, mac, sizeof(e->mac));
}

/* ---- ports ---- */
bool vswitch_has(const struct vswitch *sw, const uint8_t mac[6])
{
    return owner_of(sw, mac) != NULL;
}

bool vswitch_add(struct vswitch *sw, struct net_port *p)
{
    if (has_mac(p) && owner_of(sw, p->mac))
        return false;
    for (unsigned i = 0; i < VSWITCH_SETS * VSWITCH_WAYS; i++) {
        struct vswitch_entry *const e = &sw->learnt[i / VSWITCH_WAYS][i % VSWITCH_WAYS];
        if (e->port && same(e->mac, p->mac))
            e->port = NULL;
    }
    p->sw = sw;
    p->next = sw->ports;
    sw->ports = p;
    return true;
}

void vswitch_remove(struct net_port *p)
{
    struct vswitch *const sw = p->sw;
    if (!sw)
        return;
    struct net_port **link = &sw->ports;
    while (*link != p)
        link = &(*link)->next;
    *link = p->next;
    for (unsigned i = 0; i < VSWITCH_SETS * VSWITCH_WAYS; i++) {
        struct vswitch_entry *const e = &sw->learnt[i / VSWITCH_WAYS][i % VSWITCH_WAYS];
        if (e->port == p)
            e->port = NULL;
    }
    p->sw = NULL;
    p->is_dirty = false;
}

/* ---- frames ---- */
static void hand_over(struct net_port *to, struct net_frame *f)
{
    to->frames_out++;
    to->bytes_out += f->length;
    to->is_dirty = true;
    to->ops->deliver(to, f);
}

static void hand_piece(void *ctx, struct net_frame *piece)
{
    hand_over(ctx, piece);
}

static void deliver(struct net_port *to, struct net_frame *f)
{
    const unsigned vlan = f->tag & NET_VLAN_ID;
    const uint16_t tag = f->tag;
    if (!to->is_linked || (!to->is_trunk && to->vlan != vlan))
        return;
    if (!to->is_trunk)
        f->tag = 0;
    if (f->mss && !(to->takes & (f->is_v6 ? NET_TAKES_LONG6 : NET_TAKES_LONG4))) {
        net_frame_cut(f, to->sw->scratch, hand_piece, to);
    } else {
        if (f->csum_partial && !f->mss && !(to->takes & NET_TAKES_CSUM))
            net_frame_checksum(f);
        hand_over(to, f);
    }
    f->tag = tag;
}

/* The frame gets the tag of its VLAN. False: it may not come in here. */
static bool admit(struct net_port *from, struct net_frame *f)
{
    const uint8_t *const source = f->data + 6;
    if (is_group(source))
        return false;
    const struct net_port *const owner = owner_of(from->sw, source);
    if (owner != from && (owner || from->is_guarded))
        return false;
    if (from->is_trunk)
        return true;
    if (f->tag & NET_VLAN_ID) /* else it is but a priority */
        return false;
    f->tag |= from->vlan;
    return true;
}

void vswitch_send(struct net_port *from, struct net_frame *f)
{
    struct vswitch *const sw = from->sw;
    if (!sw || !from->is_linked)
        return;
    if (f->length < NET_HEADER || f->length > (f->mss ? NET_LONG_MAX : NET_FRAME_MAX) ||
        !admit(from, f)) {
        from->refused++;
        return;
    }
    const unsigned vlan = f->tag & NET_VLAN_ID;
    from->frames_in++;
    from->bytes_in += f->length;
    if (!same(f->data + 6, from->mac))
        learn(sw, f->data + 6, vlan, from);
    struct net_port *to = NULL;
    if (!is_group(f->data)) {
        const struct vswitch_entry *const e = find(sw, f->data, vlan);
        to = owner_of(sw, f->data);
        to = !to && e ? e->port : to;
        if (to && to != from)
            deliver(to, f);
    }
    for (struct net_port *p = sw->ports; p && !to; p = p->next) {
        if (p != from)
            deliver(p, f);
    }
}

void vswitch_flush(struct vswitch *sw)
{
    for (struct net_port *p = sw->ports; p; p = p->next) {
        if (p->is_dirty && p->ops->flush)
            p->ops->flush(p);
        p->is_dirty = false;
    }
}
