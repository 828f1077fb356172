/*
 * vmbus/client/client.h: the guest's side of VMBus, small: connects, lists offers, opens channels,
 * moves packets. Event driven: requests return at once, vmbus_client_message changes the states.
 *
 * It serves the tests of the server, and a guest of ours that wants channels.
 */
#ifndef VMBUS_CLIENT_H
#define VMBUS_CLIENT_H

#include "vmbus/ring.h"

#define VMBUS_CLIENT_CHANNELS   32u
#define VMBUS_CLIENT_RING_PAGES 64u /* both rings of a channel */
#define VMBUS_CLIENT_GPADL      0xe1e10u

struct vmbus_client_host {
    void (*post)(void *ctx, const void *msg, uint32_t size);
    void (*signal)(void *ctx, uint32_t connection);
};

struct vmbus_page {
    uint64_t gpa;
    uint8_t *va;
};

enum vmbus_client_state {
    VMBUS_C_NONE,
    VMBUS_C_OFFERED,
    VMBUS_C_GPADL, /* the ring's GPADL is on its way */
    VMBUS_C_OPENING,
    VMBUS_C_OPEN,
    VMBUS_C_REFUSED,
    VMBUS_C_RESCINDED,
};

struct vmbus_client_channel {
    enum vmbus_client_state state;
    struct vmbus_msg_offer offer;
    struct vmbus_ring in, out;
    uint8_t *page[VMBUS_CLIENT_RING_PAGES];
    uint32_t gpadl, downstream, target_vp;
    uint32_t refused; /* status of the refusal */
};

struct vmbus_client {
    struct vmbus_client_host host;
    void *ctx;
    uint32_t version, asked; /* version: 0 until the server agreed */
    bool answered, all_offers, unloaded;
    uint32_t next_gpadl;
    uint32_t torndown;     /* the last GPADL that is torn down */
    uint32_t gpadl_status; /* of the last that was created by vmbus_client_gpadl */
    uint32_t modified;     /* relid of the last answer to a modify message */
    uint32_t tl_status;
    struct vmbus_client_channel channel[VMBUS_CLIENT_CHANNELS];
};

void vmbus_client_init(struct vmbus_client *c, const struct vmbus_client_host *host, void *ctx);
void vmbus_client_connect(struct vmbus_client *c, uint32_t version);
void vmbus_client_request_offers(struct vmbus_client *c);
void vmbus_client_message(struct vmbus_client *c, const void *msg, uint32_t size);
/* An offer by class, the n-th of them; NULL: none. */
struct vmbus_client_channel *vmbus_client_find(struct vmbus_client *c,
                                               const struct vmbus_guid *class_id, unsigned n);
/* Sends a GPADL of these pages; returns its handle. */
uint32_t vmbus_client_gpadl(struct vmbus_client *c, uint32_t relid, const struct vmbus_page *page,
                            unsigned pages);
/* pages: both rings, the host's from `downstream` on; they are zeroed here. */
void vmbus_client_open(struct vmbus_client *c, struct vmbus_client_channel *ch,
                       const struct vmbus_page *page, unsigned pages, unsigned downstream,
                       uint32_t target_vp);
void vmbus_client_close(struct vmbus_client *c, struct vmbus_client_channel *ch);
void vmbus_client_release(struct vmbus_client *c, struct vmbus_client_channel *ch);
/* 0, or VMBUS_RING_*. ranges: bytes of a GPA-direct packet's ranges, with their count. */
int vmbus_client_send(struct vmbus_client *c, struct vmbus_client_channel *ch, uint64_t id,
                      uint16_t flags, const void *data, uint32_t length);
int vmbus_client_send_gpa(struct vmbus_client *c, struct vmbus_client_channel *ch, uint64_t id,
                          const void *ranges, uint32_t range_bytes, uint32_t range_count,
                          const void *data, uint32_t length);
/* The next packet with its descriptor: its length, 0: none, or VMBUS_RING_*. */
int vmbus_client_receive(struct vmbus_client *c, struct vmbus_client_channel *ch, void *buffer,
                         uint32_t room);

#endif
