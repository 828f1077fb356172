/*
 * vid/uchan.c: channels of a process: it offers them, hears by message that one was opened, closed
 * or has packets, and reads and writes packets by system call. A packet is copied twice; these are
 * channels of a few packets a second.
 *
 * Not modelled: segments and transfer pages of packets.
 */
#include "partitions/root/vid/bus.h"
#include "partitions/root/vid/vid_int.h"

struct uchan {
    struct uchan *next;
    struct part *part;
    struct vmbus_channel *channel;
    uint32_t id;
    bool told; /* that there are packets; until a read finds none */
};

#define UCHANS_MAX 32u /* of a partition */

static bool tell(struct uchan *u, uint32_t event)
{
    const struct rt_channel_news news = {u->id, event};
    return !queue_send(u->part->bus_queue, RT_MSG_CHANNEL, 0, &news, sizeof(news));
}

static uint32_t on_opened(void *vsp, struct vmbus_channel *c, const uint8_t *user)
{
    struct uchan *u = vsp;
    (void)c;
    (void)user;
    u->told = false;
    return tell(u, RT_CHANNEL_OPENED) ? VMBUS_NT_SUCCESS : VMBUS_NT_NO_RESOURCES;
}

static void on_closed(void *vsp, struct vmbus_channel *c)
{
    (void)c;
    tell(vsp, RT_CHANNEL_CLOSED);
}

static void on_readable(void *vsp, struct vmbus_channel *c)
{
    struct uchan *u = vsp;
    (void)c;
    if (!u->told)
        u->told = tell(u, RT_CHANNEL_READABLE);
}

static void on_writable(void *vsp, struct vmbus_channel *c)
{
    (void)c;
    tell(vsp, RT_CHANNEL_WRITABLE);
}

static void on_gone(void *vsp, struct vmbus_channel *c)
{
    struct uchan *u = vsp, **link = &u->part->uchans;
    (void)c;
    while (*link != u)
        link = &(*link)->next;
    *link = u->next;
    kfree(u);
}

static struct uchan *uchan_find(struct part *p, uint64_t id)
{
    struct uchan *u = p->uchans;
    while (u && u->id != id)
        u = u->next;
    return u;
}

int64_t uchan_offer(struct part *p, const struct rt_channel_offer *offer)
{
    static const struct vmbus_vsp_ops ops = {.opened = on_opened,
                                             .closed = on_closed,
                                             .readable = on_readable,
                                             .writable = on_writable,
                                             .gone = on_gone};
    unsigned n = 0;
    for (const struct uchan *u = p->uchans; u; u = u->next)
        n++;
    if (!p->bus)
        return -RT_ENODEV;
    struct uchan *u = n < UCHANS_MAX ? kmalloc(sizeof(*u)) : 0;
    if (!u)
        return -RT_ENOMEM;
    const struct vmbus_offer o = {
        .class_id = offer->class_id,
        .instance_id = offer->instance_id,
        .flags = (uint16_t)offer->flags,
        .mmio_megabytes = (uint16_t)offer->mmio_megabytes,
        .user = {offer->flags & VMBUS_OFFER_NAMED_PIPE ? VMBUS_PIPE_MESSAGES : 0}};
    u->part = p;
    u->id = ++p->next_uchan;
    u->next = p->uchans;
    p->uchans = u;
    u->channel = vmbus_offer(p->bus, &o, &ops, u);
    if (u->channel)
        return u->id;
    on_gone(u, 0);
    return -RT_ENOMEM;
}

int64_t uchan_rescind(struct part *p, uint64_t id)
{
    struct uchan *u = uchan_find(p, id);
    if (!u)
        return -RT_EBADF;
    vmbus_rescind(u->channel);
    return 0;
}

int64_t uchan_read(struct part *p, uint64_t id, void *buffer, size_t size)
{
    struct uchan *u = uchan_find(p, id);
    struct vmbus_packet v;
    if (!u)
        return -RT_EBADF;
    int r = vmbus_receive(u->channel, &v);
    if (r < 0)
        return -RT_EIO;
    if (!r) {
        u->told = false;
        return 0;
    }
    const struct rt_packet head = {v.type, v.flags, v.length, v.id};
    if (size < sizeof(head) || v.length > size - sizeof(head)) {
        vmbus_fail(u->channel, "a packet is too long");
        return -RT_EINVAL;
    }
    memcpy(buffer, &head, sizeof(head));
    memcpy((uint8_t *)buffer + sizeof(head), v.data, v.length);
    return (int64_t)(sizeof(head) + v.length);
}

int64_t uchan_write(struct part *p, uint64_t id, const void *buffer, size_t size)
{
    struct uchan *u = uchan_find(p, id);
    struct rt_packet head;
    if (!u)
        return -RT_EBADF;
    if (size < sizeof(head))
        return -RT_EINVAL;
    memcpy(&head, buffer, sizeof(head));
    if (head.length > size - sizeof(head) || head.length > VMBUS_PACKET_MAX)
        return -RT_EINVAL;
    int r = vmbus_send(u->channel, head.type, head.id, head.flags,
                       (const uint8_t *)buffer + sizeof(head), head.length);
    return r == 0 ? 0 : r == VMBUS_EFULL ? -RT_EAGAIN : r == VMBUS_ELENGTH ? -RT_EINVAL : -RT_EIO;
}
