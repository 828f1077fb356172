/*
 * devices/block/nvme_int.h: the controller's struct and the parts of it: nvme.c registers, queues
 * and time; nvme_admin.c admin commands; nvme_log.c features, logs and events; nvme_io.c I/O
 * commands and PRP lists.
 */
#ifndef DEVICES_BLOCK_NVME_INT_H
#define DEVICES_BLOCK_NVME_INT_H

#include "abi/nvme.h"
#include "devices/block/nvme.h"
#include "devices/block/xfer.h"

#define NVME_QUEUES    17u   /* admin, and 16 pairs */
#define NVME_DEPTH     1024u /* entries of an I/O queue */
#define NVME_PAGE      4096u
#define NVME_MDTS      8 /* 1 MiB */
#define NVME_EVENTS    4
#define NVME_ERRORS    16
#define NVME_BROADCAST 0xffffffffu

#define NVME_PCI_VENDOR 0x1234
#define NVME_PCI_DEVICE 0x0804

struct nvme_sq {
    uint64_t base;
    uint32_t size; /* entries; 0: does not exist */
    uint32_t head, tail;
    uint32_t cq;
};

struct nvme_cq {
    uint64_t base;
    uint32_t size;
    uint32_t head, tail, phase;
    uint32_t vector, ien;
};

struct nvme {
    struct pci_func f; /* first */
    /* wiring */
    struct clock *clock;
    struct clock_event work;
    struct disk *disk[NVME_NAMESPACES_MAX];
    unsigned disks;
    /* state */
    uint32_t cc, csts, intms, aqa;
    uint64_t asq, acq;
    struct nvme_sq sq[NVME_QUEUES];
    struct nvme_cq cq[NVME_QUEUES];
    uint32_t turn;   /* submission queue that was served last */
    uint64_t due_ns; /* when the next command is done; CLOCK_NEVER */
    uint32_t feature[NVME_FEAT_COUNT];
    uint16_t event_cid[NVME_EVENTS]; /* waiting Asynchronous Event Requests */
    uint8_t events;                  /* how many */
    uint8_t event_pending;           /* 0, or 1 + information of an error event */
    uint8_t event_masked;            /* reported, and the log was not read yet */
    uint64_t errors;                 /* in all */
    struct nvme_error_entry error[NVME_ERRORS];
    uint64_t reads, writes, read_units, write_units; /* units: 512 bytes */
    uint64_t content[NVME_NAMESPACES_MAX];           /* digest of each disk */
};

/* What a command comes to. */
struct nvme_result {
    uint16_t status;  /* enum nvme_status, with DO_NOT_RETRY */
    uint32_t value;   /* first word of the completion */
    uint64_t bytes;   /* moved, for the time it takes */
    bool is_deferred; /* no completion now */
};

#define NVME_FAIL(code) ((struct nvme_result){.status = (uint16_t)((code) | NVME_DO_NOT_RETRY)})

/* nvme.c */
void nvme_post(struct nvme *n, uint32_t sq, uint16_t cid, const struct nvme_result *r);
void nvme_kick(struct nvme *n);

/* nvme_admin.c */
struct nvme_result nvme_admin(struct nvme *n, const struct nvme_sqe *c);

/* nvme_log.c */
struct nvme_result nvme_get_log(struct nvme *n, const struct nvme_sqe *c);
struct nvme_result nvme_set_features(struct nvme *n, const struct nvme_sqe *c);
struct nvme_result nvme_get_features(struct nvme *n, const struct nvme_sqe *c);
struct nvme_result nvme_async_event(struct nvme *n, const struct nvme_sqe *c);
bool nvme_abort_event(struct nvme *n, uint16_t cid);
void nvme_error_event(struct nvme *n, uint8_t information);
void nvme_log_error(struct nvme *n, uint32_t sq, const struct nvme_sqe *c, uint16_t status);
void nvme_features_reset(struct nvme *n);

/* nvme_io.c */
struct nvme_result nvme_io(struct nvme *n, const struct nvme_sqe *c);
/* Feed x the pages of a command; NVME_OK or a status. */
uint16_t nvme_prps(struct nvme *n, const struct nvme_sqe *c, uint64_t len, struct xfer *x);
/* A buffer of at most a page to the guest, or from it. */
struct nvme_result nvme_data(struct nvme *n, const struct nvme_sqe *c, void *buffer, uint64_t len,
                             bool to_buffer);

#endif
