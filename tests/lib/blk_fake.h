/*
 * tests/lib/blk_fake.h: a block device in memory for the tests of service providers. Its physical
 * addresses are those of a vmbus_rig (guest address + 4 GiB), all others host pointers.
 */
#ifndef TESTS_LIB_BLK_FAKE_H
#define TESTS_LIB_BLK_FAKE_H

#include "tests/lib/vmbus_rig.h"
#include "vmbus/vsp/blk.h"

#define BLK_FAKE_BLOCKS 4096u
#define BLK_FAKE_SEGS   80u

struct blk_fake {
    struct blk_device dev; /* first */
    struct vmbus_rig *rig;
    uint8_t *bytes;
    bool slow;            /* requests wait for poll() */
    enum blk_status fail; /* of the next request */
    struct blk_request *first, **last;
    unsigned count[4]; /* requests by enum blk_op */
    unsigned forced, refused, waiting;
    /* of the last request with data */
    struct blk_seg seg[BLK_FAKE_SEGS];
    unsigned segs;
};

void blk_fake_init(struct blk_fake *f, struct vmbus_rig *r);
void blk_fake_free(struct blk_fake *f);
/* The oldest request that waits ends. */
void blk_fake_step(struct blk_fake *f);

#endif
