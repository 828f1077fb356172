/*
 * vmwp/ic.h: integration components (ICs): the host's side of the services that a guest's tools
 * offer over VMBus: heartbeat, shutdown, time synchronization, key-value exchange. Pure models like
 * models.h: packets go out by a callback, time comes in as nanoseconds.
 *
 * The frame (ic.c) is common: the host opens with a list of versions, the guest picks; then
 * requests and answers. A guest that answers nonsense is not asked again until it opens the channel
 * anew.
 */
#ifndef RT_IC_H
#define RT_IC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/vmbus.h"

#define IC_NEVER    ~0ull
#define IC_PACKET   (sizeof(struct vmbus_pipe) + sizeof(struct vmbus_ic)) /* before the body */
#define IC_BODY_MAX sizeof(struct vmbus_kvp_enumerate)
#define IC_SECOND   1000000000ull

struct ic;

struct ic_class {
    const char *name;
    struct vmbus_guid class_id, instance_id;
    uint16_t type;                           /* VMBUS_IC_* */
    const struct vmbus_ic_version *versions; /* best first */
    unsigned version_count;
    void (*ready)(struct ic *ic, uint64_t now); /* a version is agreed on */
    /* An answer of the guest to a request of ours. */
    void (*answer)(struct ic *ic, const struct vmbus_ic *h, const uint8_t *body, uint32_t size);
    void (*tick)(struct ic *ic, uint64_t now); /* `due` has come */
};

enum ic_state { IC_CLOSED, IC_NEGOTIATING, IC_READY, IC_FAILED };

struct ic {
    const struct ic_class *class;
    /* wiring */
    bool (*send)(void *ctx, struct ic *ic, const void *data, uint32_t size);
    void (*say)(void *ctx, struct ic *ic, const char *text);
    /* The time of the world in 100 ns since 1601 and, read together with it, the partition's
     * reference time. */
    void (*clock)(void *ctx, uint64_t *wall, uint64_t *reference);
    void *ctx;
    /* state */
    enum ic_state state;
    struct vmbus_ic_version framework, version;
    uint8_t transaction;
    unsigned failures; /* since the VM's start; after some no more is said */
    uint64_t due;      /* when tick() is wanted */
    uint64_t asked;    /* requests since the channel was opened */
    /* heartbeat */
    uint64_t answers;  /* how many of them have their answer */
    uint64_t sequence; /* answers in all */
    bool lost;         /* the guest has answered, and does so no more */
    struct kvp *kvp;   /* of ic_kvp, never 0 there */
    /* time sync */
    bool synced; /* the clock was set */
};

extern const struct ic_class ic_heartbeat, ic_shutdown, ic_time_sync, ic_kvp;

void ic_opened(struct ic *ic);
void ic_closed(struct ic *ic);
/* The data of a packet of the guest. */
void ic_receive(struct ic *ic, const uint8_t *data, uint32_t size, uint64_t now);
void ic_tick(struct ic *ic, uint64_t now); /* calls the class when `due` has come */
bool ic_request(struct ic *ic, const void *body, uint32_t size); /* false: not sent */

/* ic_shutdown.c: asks the guest to power off or to restart. False: it can't be asked. */
bool ic_shutdown_request(struct ic *ic, bool restart);

/* ic_kvp.c: what the guest says about itself (pool 2), one item per index. */
#define KVP_ITEMS 16u
#define KVP_KEY   48u
#define KVP_TEXT  128u
struct kvp_item {
    char key[KVP_KEY], value[KVP_TEXT]; /* ASCII, cut; empty: not known */
    bool fresh;                         /* for who tells others */
};
struct kvp {
    char host_key[KVP_KEY],
        host_value[KVP_TEXT]; /* configuration: what the guest is told, pool 3 */
    struct kvp_item item[KVP_ITEMS];
    unsigned index; /* the item that is asked for */
    bool told;      /* the guest knows ours */
    bool waiting;   /* for an answer */
};

#endif
