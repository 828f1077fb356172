/*
 * vmwp/chan.h: channels of the worker (sysabi.h, CHANNEL_OFFER): what integration components and
 * synthetic devices share.
 */
#ifndef RT_CHAN_H
#define RT_CHAN_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/vmbus.h"

#define CHAN_DATA_MAX 4064u /* of a packet from the guest; longer ones break the channel */

struct chan {
    void (*opened)(void *ctx);
    void (*closed)(void *ctx);
    void (*writable)(void *ctx); /* after a send that failed; may be 0 */
    void (*packet)(void *ctx, const uint8_t *data, uint32_t size); /* in-band data */
    void *ctx;
    uint32_t id; /* set by chan_offer */
};

struct rt_channel_news;

/* Offers it; false: not possible. c stays in use as long as the VM lives. mmio_mib: guest addresses
 * that the driver is to reserve, MiB. */
bool chan_offer(struct chan *c, const struct vmbus_guid *class_id,
                const struct vmbus_guid *instance_id, uint32_t flags, uint32_t mmio_mib);
bool chan_send(const struct chan *c, const void *data, uint32_t size); /* false: full, not open */
void chan_news(const struct rt_channel_news *news); /* to the channel it is about */

#endif
