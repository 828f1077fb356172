/*
 * vmbus/vmbus_int.h: the server's inner structures.
 */
#ifndef VMBUS_INT_H
#define VMBUS_INT_H

#include "vmbus/ring.h"
#include "vmbus/server.h"

#define VMBUS_GPADL_PAGES_MAX 16384u /* of one: 64 MiB */
#define VMBUS_PAGES_MAX       65536u /* of all GPADLs of a partition */
#define VMBUS_GPADLS_MAX      1024u
#define VMBUS_RING_PAGES_MAX  4096u /* both rings of a channel */
#define VMBUS_QUEUE_MAX       4096u /* messages that the guest does not take */
#define VMBUS_LOG_MAX         64u   /* lines about one guest's sins */
#define VMBUS_BATCH           32u   /* packets of a channel before others have their turn */

struct vmbus_gpadl {
    struct vmbus_gpadl *next;
    struct vmbus_channel *owner;
    uint32_t id;
    uint32_t bytes, offset; /* offset in the first page */
    uint32_t pages, filled; /* page numbers wanted, and here so far */
    uint64_t *pfn;
};

enum vmbus_state {
    VMBUS_OFFERED,
    VMBUS_OPEN,
    VMBUS_RESCINDED, /* until the guest lets go of the relid */
    VMBUS_DEAD,      /* only waits to be freed */
};

struct vmbus_channel {
    struct vmbus_server *server;
    struct vmbus_channel *next_ready, *next_dead;
    struct vmbus_offer offer;
    const struct vmbus_vsp_ops *ops;
    void *vsp;
    uint32_t relid;
    enum vmbus_state state;
    bool seen;          /* the guest got the offer */
    bool ready;         /* stands in the list of those that want service */
    bool paused;        /* by the VSP */
    bool blocked;       /* a send found the ring full */
    uint32_t wanted;    /* bytes that the blocked packet takes */
    const char *broken; /* why the channel is to be closed */
    bool failed;        /* and that is done; dead until the guest closes it */
    bool opening;       /* opened() runs: its interrupts wait for the guest's answer */
    bool signal;        /* one waits */
    uint32_t target_vp;
    struct vmbus_ring in, out;
    uint8_t **page; /* of both rings */
};

struct vmbus_queued {
    struct vmbus_queued *next;
    uint32_t size;
    uint8_t data[VMBUS_MESSAGE_MAX];
};

struct vmbus_server {
    struct vmbus_host host;
    void *ctx;
    uint32_t version; /* 0: not connected */
    uint32_t vp;      /* where messages go */
    bool offers_asked;
    unsigned log_lines;
    struct vmbus_channel **channel; /* by relid; [0] is unused */
    struct vmbus_channel *ready, **ready_tail;
    struct vmbus_channel *dead;
    struct vmbus_gpadl *gpadls;
    unsigned gpadl_count;
    uint32_t gpadl_pages;
    struct vmbus_queued *queue, **queue_tail;
    unsigned queued;
    /* the packet that is shown to a VSP */
    uint64_t packet[VMBUS_PACKET_MAX / 8];
    struct vmbus_seg seg[VMBUS_SEGS_MAX];
};

/* ---- server.c ---- */
void vmbus_log(struct vmbus_server *s, uint32_t relid, const char *text);
void vmbus_post(struct vmbus_server *s, const void *msg, uint32_t size);

/* ---- gpadl.c: each answers the guest itself ---- */
void vmbus_gpadl_header(struct vmbus_server *s, const uint8_t *msg, uint32_t size);
void vmbus_gpadl_body(struct vmbus_server *s, const uint8_t *msg, uint32_t size);
void vmbus_gpadl_teardown(struct vmbus_server *s, const struct vmbus_msg_gpadl_teardown *m);
struct vmbus_gpadl *vmbus_gpadl_find(struct vmbus_server *s, uint32_t id);
void vmbus_gpadl_forget(struct vmbus_server *s, const struct vmbus_channel *c); /* 0: all */

/* ---- packet.c ---- */
/* Checks a packet copied to s->packet. False: it is malformed, *why says how. */
bool vmbus_packet_parse(struct vmbus_server *s, uint32_t length, struct vmbus_packet *p,
                        const char **why);

/* ---- channel.c ---- */
struct vmbus_channel *vmbus_channel_find(struct vmbus_server *s, uint32_t relid);
void vmbus_channel_offer(struct vmbus_channel *c); /* tells the guest */
void vmbus_channel_open(struct vmbus_server *s, const struct vmbus_msg_open *m);
void vmbus_channel_close(struct vmbus_channel *c); /* closed(), if it is open */
void vmbus_channel_gone(struct vmbus_channel *c);
void vmbus_channel_reap(struct vmbus_server *s);

/* ---- flow.c ---- */
static inline bool vmbus_is_alive(const struct vmbus_channel *c)
{
    return c->state == VMBUS_OPEN && !c->broken && !c->failed;
}
void vmbus_channel_ready(struct vmbus_channel *c);
void vmbus_channel_interrupt(struct vmbus_channel *c);
bool vmbus_channel_service(struct vmbus_channel *c); /* true: there is more */

#endif
