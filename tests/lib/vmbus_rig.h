/*
 * tests/lib/vmbus_rig.h: a VMBus server and a client in one process, with 4 MiB of guest RAM
 * between them in two blocks that are not neighbours for the server. Messages and signals wait
 * until vmbus_rig_pump delivers them.
 */
#ifndef TESTS_LIB_VMBUS_RIG_H
#define TESTS_LIB_VMBUS_RIG_H

#include "vmbus/client/client.h"
#include "vmbus/server.h"

#define VMBUS_RIG_RAM   (4u << 20)
#define VMBUS_RIG_BLOCK (2u << 20)
#define VMBUS_RIG_VPS   4u
#define VMBUS_RIG_FIFO  8192u

struct vmbus_rig_msg {
    uint32_t size;
    uint8_t data[VMBUS_MESSAGE_MAX];
};

struct vmbus_rig {
    struct vmbus_server *server;
    struct vmbus_client client;
    uint8_t *block[2];
    /* to the server and to the guest */
    struct vmbus_rig_msg *up, *down;
    unsigned up_count, down_count;
    unsigned slots;         /* messages that the guest's SynIC still takes */
    bool client_off;        /* messages stay in down[] */
    uint32_t message_vp;    /* of the last message */
    unsigned signals[2048]; /* interrupts per relid */
    uint32_t signal_vp;
    bool pending[2048]; /* the guest's signals */
    bool connected[2048];
    unsigned logs, wakes, allocated;
    char last_log[128];
    uint32_t next_page;
};

struct vmbus_rig *vmbus_rig_new(void);
void vmbus_rig_free(struct vmbus_rig *r);
/* Delivers messages and events until both sides are quiet. */
void vmbus_rig_pump(struct vmbus_rig *r);
/* Guest pages nobody has, scattered over both blocks. */
void vmbus_rig_pages(struct vmbus_rig *r, struct vmbus_page *page, unsigned n);
uint8_t *vmbus_rig_ram(struct vmbus_rig *r, uint64_t gpa);
/* A message of the guest that the client did not make. */
void vmbus_rig_message(struct vmbus_rig *r, const void *msg, uint32_t size);

#endif
