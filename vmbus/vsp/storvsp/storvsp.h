/*
 * vmbus/vsp/storvsp/storvsp.h: a virtual SCSI controller: the host's end of the storage protocol
 * (abi/vstor.h) on a VMBus channel, with disks and DVD drives that are block
 * devices.
 */
#ifndef VMBUS_VSP_STORVSP_H
#define VMBUS_VSP_STORVSP_H

#include "abi/scsi.h"
#include "vmbus/vsp.h"
#include "vmbus/vsp/blk.h"

#define STORVSP_SUB_CHANNELS 7u
#define STORVSP_MAX_TRANSFER 0x40000u /* bytes of a request, as the guest is told */
#define STORVSP_COMMANDS     64u      /* under way at a time, all channels together */

struct storvsp;

struct storvsp_host {
    void *(*alloc)(size_t bytes); /* zeroed; NULL: none */
    void (*free)(void *p);
    /* Physically contiguous, page aligned. */
    void *(*alloc_dma)(uint32_t bytes, uint64_t *pa);
    void (*free_dma)(void *p, uint32_t bytes);
};

/* Offers a controller to the server's guest. It lives as long as its channels do, so at most as
 * long as the server; then its disks are free for others. NULL: no memory, or no channel. */
struct storvsp *storvsp_new(struct vmbus_server *s, const struct storvsp_host *host,
                            const struct vmbus_guid *instance);
/* The device becomes the next logical unit, of that type; its number, or -1: no more, or the device
 * is in use or not fit for a DVD (blocks of at most 2048 bytes, at least one such). A guest that
 * has opened the controller is told to look. */
int storvsp_attach(struct storvsp *v, struct blk_device *dev, enum scsi_type type);
/* Commands that were completed, and bytes moved, since the controller exists. */
void storvsp_counts(const struct storvsp *v, uint64_t *commands, uint64_t *bytes);

#endif
