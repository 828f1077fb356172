/*
 * vmbus/server.h: the VMBus server of one partition, as the code around it sees it: it feeds
 * messages and events of the guest in, and gives memory, interrupts and messages to it.
 */
#ifndef VMBUS_SERVER_H
#define VMBUS_SERVER_H

#include "vmbus/vsp.h"

/* What the server needs from outside. ctx is the argument of vmbus_server_new. */
struct vmbus_host {
    /* Guest RAM at gpa as *got contiguous bytes, at most `want`; NULL: none. The pointer stays good
     * while the server lives. */
    void *(*ram)(void *ctx, uint64_t gpa, uint64_t want, uint64_t *got);
    uint64_t (*ram_pa)(void *ctx, uint64_t gpa, uint64_t want, uint64_t *got);
    /* A message to SINT 2 of a VP. False: no buffer now; the server keeps it, and
     * vmbus_server_run tries again. */
    bool (*post)(void *ctx, uint32_t vp, const void *msg, uint32_t size);
    /* Event flag `relid` of SINT 2 of a VP. */
    void (*signal)(void *ctx, uint32_t vp, uint32_t relid);
    /* Makes and removes the connection by which the guest signals a channel:
     * VMBUS_EVENT_CONNECTION + relid. False: not possible. */
    bool (*connect)(void *ctx, uint32_t relid);
    void (*disconnect)(void *ctx, uint32_t relid);
    void *(*alloc)(size_t bytes); /* zeroed; NULL: none */
    void (*free)(void *p);
    /* A line about the guest's sins; relid 0: about the connection. */
    void (*log)(void *ctx, uint32_t relid, const char *text);
    /* vmbus_server_run has work that came by none of the calls below. */
    void (*wake)(void *ctx);
    uint32_t vps;       /* of the partition */
    uint32_t relid_max; /* up to VMBUS_RELID_MAX */
};

struct vmbus_server *vmbus_server_new(const struct vmbus_host *host, void *ctx);
/* Closes everything: closed() and gone() of each channel, then frees all. */
void vmbus_server_free(struct vmbus_server *s);

/* A message of the guest (HvCallPostMessage's payload). */
void vmbus_server_message(struct vmbus_server *s, const void *msg, uint32_t size);
/* The guest signalled a channel. */
void vmbus_server_event(struct vmbus_server *s, uint32_t relid);
/* Does what is due: some packets of each channel that has any, waiting messages. */
enum vmbus_todo {
    VMBUS_IDLE,  /* until the next message or event */
    VMBUS_AGAIN, /* more to do at once */
    VMBUS_LATER, /* messages wait for room in the guest: try again in a millisecond */
};
enum vmbus_todo vmbus_server_run(struct vmbus_server *s);

#endif
