/*
 * vmwp/chan.c: channels of the worker over system calls (chan.h). Callers hold vm.lock.
 */
#include "partitions/root/vmwp/chan.h"
#include "partitions/root/vmwp/vmwp.h"

#define CHANS     16u
#define WRITE_MAX 4064u

static struct chan *chans[CHANS];
static unsigned chan_count;

bool chan_offer(struct chan *c, const struct vmbus_guid *class_id,
                const struct vmbus_guid *instance_id, uint32_t flags, uint32_t mmio_mib)
{
    const struct rt_channel_offer o = {*class_id, *instance_id, flags, mmio_mib};
    if (chan_count == CHANS)
        return false;
    const int64_t r = u_call2(SYS_CHANNEL_OFFER, vm.part, (uint64_t)&o);
    if (r < 0)
        return false;
    c->id = (uint32_t)r;
    chans[chan_count++] = c;
    return true;
}

bool chan_send(const struct chan *c, const void *data, uint32_t size)
{
    static uint8_t packet[sizeof(struct rt_packet) + WRITE_MAX];
    const struct rt_packet head = {.type = VMBUS_PKT_INBAND, .length = size};
    if (size > WRITE_MAX)
        return false;
    memcpy(packet, &head, sizeof(head));
    memcpy(packet + sizeof(head), data, size);
    return !u_call(SYS_CHANNEL_WRITE, vm.part, c->id, (uint64_t)packet, sizeof(head) + size);
}

static void read_packets(const struct chan *c)
{
    static union {
        struct rt_packet head;
        uint8_t bytes[sizeof(struct rt_packet) + CHAN_DATA_MAX];
    } packet;
    while (u_call(SYS_CHANNEL_READ, vm.part, c->id, (uint64_t)&packet, sizeof(packet)) > 0)
        if (packet.head.type == VMBUS_PKT_INBAND)
            c->packet(c->ctx, packet.bytes + sizeof(packet.head), packet.head.length);
}

void chan_news(const struct rt_channel_news *news)
{
    for (unsigned i = 0; i < chan_count; i++) {
        const struct chan *c = chans[i];
        if (c->id != news->channel)
            continue;
        if (news->event == RT_CHANNEL_OPENED)
            c->opened(c->ctx);
        else if (news->event == RT_CHANNEL_CLOSED)
            c->closed(c->ctx);
        else if (news->event == RT_CHANNEL_READABLE)
            read_packets(c);
        else if (news->event == RT_CHANNEL_WRITABLE && c->writable)
            c->writable(c->ctx);
    }
}
