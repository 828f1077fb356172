/*
 * vmbus/vsp.h: what a virtualization service provider (VSP) sees of the VMBus server: it offers
 * channels and moves packets. One server serves one partition.
 *
 * Everything under vmbus/ is freestanding and runs in the root's kernel or, for the unit tests, on
 * the host; what it needs from outside is struct vmbus_host (server.h).
 *
 * Rules. All calls come from one thread, or with it shut out (interrupt handlers on its processor):
 * there are no locks. Callbacks must not block. A channel is the VSP's until closed() of a channel
 * that was rescinded, or `gone`, has returned. What a packet shows was copied once and is valid
 * only during the callback.
 */
#ifndef VMBUS_VSP_H
#define VMBUS_VSP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/vmbus.h"

struct vmbus_channel;
struct vmbus_server;

/* Results below zero */
#define VMBUS_EFULL   (-1) /* the ring has no room now; writable() comes when it has */
#define VMBUS_ECLOSED (-2) /* the channel is not open */
#define VMBUS_ELENGTH (-3) /* never fits into this ring or into VMBUS_PACKET_MAX */
#define VMBUS_EBAD    (-4) /* no such GPADL, range or memory */
#define VMBUS_ENOMEM  (-5)

#define VMBUS_PACKET_MAX 32768u /* bytes of descriptor and data; longer ones close the channel */
#define VMBUS_SEGS_MAX   1024u  /* segments of a packet after merging */

/* A piece of guest memory. It is RAM; it may cross pages. */
struct vmbus_seg {
    uint64_t gpa;
    uint32_t length; /* bytes, not 0 */
};

struct vmbus_packet {
    uint16_t type;  /* VMBUS_PKT_* */
    uint16_t flags; /* VMBUS_PKT_F_COMPLETION: the guest waits for vmbus_complete */
    uint64_t id;
    const void *data; /* in-band part, 8-byte aligned */
    uint32_t length;  /* of data, a multiple of 8 */
    /* VMBUS_PKT_GPA_DIRECT: the ranges in order, flattened; neighbours are merged */
    const struct vmbus_seg *seg;
    unsigned segs;
    uint64_t seg_bytes;
    /* VMBUS_PKT_XFER_PAGES */
    uint16_t set;
    const struct vmbus_xfer_range *range;
    unsigned ranges;
};

struct vmbus_vsp_ops {
    /* The guest opened the channel. Returns 0, or an NTSTATUS that the guest gets: then it stays
     * closed. user: the 120 bytes of the guest's request. */
    uint32_t (*opened)(void *vsp, struct vmbus_channel *c, const uint8_t *user);
    void (*packet)(void *vsp, struct vmbus_channel *c, const struct vmbus_packet *p);
    /* The guest closed it, or it was rescinded, or broke the protocol, or the guest went away: no
     * access to the guest's memory after this returns. May be followed by opened() again. */
    void (*closed)(void *vsp, struct vmbus_channel *c);
    /* The rest may be 0. The ring that was full has room again. */
    void (*writable)(void *vsp, struct vmbus_channel *c);
    /* In place of packet(): packets wait, and the VSP takes them by vmbus_receive. */
    void (*readable)(void *vsp, struct vmbus_channel *c);
    /* The channel does not exist any more: after vmbus_rescind, when the guest has let go of it, or
     * with the server. closed() came before. */
    void (*gone)(void *vsp, struct vmbus_channel *c);
};

struct vmbus_offer {
    struct vmbus_guid class_id;
    struct vmbus_guid instance_id; /* unique in the partition, but for sub-channels */
    uint16_t flags;                /* VMBUS_OFFER_* */
    uint16_t mmio_megabytes;
    uint8_t user[120];            /* pipe offers: VMBUS_OFFER_NAMED_PIPE, and u32 mode first */
    uint16_t sub_index;           /* 1.. for sub-channels, with the primary's GUIDs */
    struct vmbus_channel *parent; /* of a sub-channel: the primary */
};

/* Offers a channel, at once if the guest has asked for offers, else when it asks. NULL: no memory
 * or no free relid. Sub-channels are rescinded with their primary. */
struct vmbus_channel *vmbus_offer(struct vmbus_server *s, const struct vmbus_offer *o,
                                  const struct vmbus_vsp_ops *ops, void *vsp);
/* Takes the offer back: closed() (if open), later gone(). */
void vmbus_rescind(struct vmbus_channel *c);

/* One packet to the guest. 0, or VMBUS_EFULL, VMBUS_ECLOSED, VMBUS_ELENGTH. */
int vmbus_send(struct vmbus_channel *c, uint16_t type, uint64_t id, uint16_t flags,
               const void *data, uint32_t length);
/* A packet of transfer pages: ranges of the buffer that the device protocol calls `set`. */
int vmbus_send_pages(struct vmbus_channel *c, uint16_t set, const struct vmbus_xfer_range *range,
                     unsigned ranges, uint64_t id, uint16_t flags, const void *data,
                     uint32_t length);
static inline int vmbus_complete(struct vmbus_channel *c, uint64_t id, const void *data,
                                 uint32_t length)
{
    return vmbus_send(c, VMBUS_PKT_COMPLETION, id, 0, data, length);
}
/* The next packet of a channel with readable(): 1 and *p, 0: none, VMBUS_ECLOSED. */
int vmbus_receive(struct vmbus_channel *c, struct vmbus_packet *p);
/* While paused no packet() comes; the guest's packets wait in its ring. */
void vmbus_pause(struct vmbus_channel *c, bool paused);
/* The guest broke the device protocol: one log line, closed(); the guest sees a dead channel. */
void vmbus_fail(struct vmbus_channel *c, const char *why);

/* The kernel's view of guest memory at gpa: *got contiguous bytes, at most `want`; NULL: no RAM. */
void *vmbus_gpa(struct vmbus_channel *c, uint64_t gpa, uint64_t want, uint64_t *got);
/* Physical address for DMA, contiguous for *got bytes; 0: no RAM. */
uint64_t vmbus_gpa_to_pa(struct vmbus_channel *c, uint64_t gpa, uint64_t want, uint64_t *got);
/* Between guest memory that a segment list names and a buffer, from byte `offset` of the list on.
 * Returns the bytes copied. */
uint64_t vmbus_seg_copy(struct vmbus_channel *c, const struct vmbus_seg *seg, unsigned segs,
                        uint64_t offset, void *buffer, uint64_t length, bool to_guest);
/* Between a GPADL of this channel and a buffer. 0, or VMBUS_EBAD. */
int vmbus_gpadl_copy(struct vmbus_channel *c, uint32_t gpadl, uint64_t offset, void *buffer,
                     uint64_t length, bool to_guest);
/* Bytes of a GPADL, 0: there is none of that number. */
uint64_t vmbus_gpadl_size(struct vmbus_channel *c, uint32_t gpadl);

uint32_t vmbus_version(const struct vmbus_server *s);     /* 0: no guest is connected */
uint32_t vmbus_relid(const struct vmbus_channel *c);      /* 1 to VMBUS_RELID_MAX */
uint32_t vmbus_channel_vp(const struct vmbus_channel *c); /* where its interrupts go */
struct vmbus_server *vmbus_server_of(struct vmbus_channel *c);
bool vmbus_is_open(const struct vmbus_channel *c);

#endif
