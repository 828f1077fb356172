/*
 * vmbus/ring.h: one direction of a channel: a producer and a consumer that don't trust each other
 * share a control page and data pages. Used by the server, which is the producer of one ring and
 * the consumer of the other, and by the client, the other way round.
 *
 * Each side keeps its own index to itself; what it finds in the control page is checked each time.
 */
#ifndef VMBUS_RING_H
#define VMBUS_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/vmbus.h"

void *memcpy(void *restrict dst, const void *restrict src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);

struct vmbus_ring {
    volatile struct vmbus_ring_control *control;
    uint8_t *const *page; /* data pages */
    uint32_t size;        /* bytes of data: a multiple of 4096 */
    uint32_t own;         /* our index: the producer's write index, the consumer's read index */
};

/* Results below zero */
#define VMBUS_RING_FULL (-1)
#define VMBUS_RING_BAD  (-2) /* the other side's index or descriptor is nonsense */
#define VMBUS_RING_LONG (-3) /* the packet can never fit */

/* A part of a packet that is written. */
struct vmbus_piece {
    const void *data;
    uint32_t length;
};

/* page[0] is the control page, the others are data. False: indexes that make no sense. */
bool vmbus_ring_init(struct vmbus_ring *r, uint8_t *const *page, unsigned pages, bool producer);

/* Bytes that may be written, one more than the largest packet with trailer; or VMBUS_RING_BAD. */
int64_t vmbus_ring_free(const struct vmbus_ring *r);
/* Writes descriptor, header and data (pieces) with padding and trailer. 1: the consumer wants an
 * interrupt, 0: it does not, or an error. lengths: those of d, not 8-byte rounded, in bytes. */
int vmbus_ring_write(struct vmbus_ring *r, struct vmbus_desc d, const struct vmbus_piece *piece,
                     unsigned pieces);
/* Asks the consumer to say when more than `bytes` are free; 0: no more. */
void vmbus_ring_want(struct vmbus_ring *r, uint32_t bytes);

/* Bytes that wait to be read, or VMBUS_RING_BAD. */
int64_t vmbus_ring_used(const struct vmbus_ring *r);
/* Copies the next packet, descriptor included and trailer not. Returns its length, 0: none,
 * VMBUS_RING_BAD, VMBUS_RING_LONG. *signal is set if the producer waits for the room. */
int vmbus_ring_read(struct vmbus_ring *r, void *buffer, uint32_t room, bool *signal);
/* While masked the producer sends no interrupts. */
void vmbus_ring_mask(struct vmbus_ring *r, bool masked);

#endif
