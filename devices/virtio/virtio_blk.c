/*
 * devices/virtio/virtio_blk.c: virtio-blk (virtio 1.2 5.2): read, write, flush, discard, write
 * zeroes, serial number; one queue.
 *
 * A notification is answered LATENCY_NS later by a clock event, which takes all requests that are
 * there by then, in order.
 * Not modelled: several queues, topology, cache mode of the driver's choice, secure erase, zones,
 * requests of more than REQUEST_MAX bytes (I/O error).
 */
#include "devices/virtio/virtio_blk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/virtio/virtio.h"
#include "lib/log.h"

#define QUEUE_SIZE  256
#define VECTORS     2
#define LATENCY_NS  20000u
#define REQUEST_MAX (64ull << 20)
#define RANGES_MAX  16u
#define RANGE_MAX   (1u << 22) /* sectors: 2 GiB */
#define HEAD        sizeof(struct virtio_blk_req)

struct vblk {
    struct virtio v; /* first */
    /* configuration, wiring */
    struct clock *clock;
    struct clock_event event;
    struct disk *disk;
    struct virtio_blk_config config;
    char name[24];
    /* state */
    uint64_t due;    /* when the event fires; 0: it is not armed */
    uint64_t digest; /* of what was written to the disk */
    /* scratch */
    uint8_t bytes[65536];
};

static const struct field fields[] = {
    VIRTIO_FIELDS,
    FIELD(struct vblk, due, 0, "requests are looked at then"),
    FIELD(struct vblk, digest, 0, "contents written to the disk"),
    FIELD_END,
};

/* The sectors of a request lie on the disk. */
static bool on_disk(const struct vblk *b, uint64_t sector, uint64_t sectors)
{
    return sector <= b->config.capacity && sectors <= b->config.capacity - sector;
}

/* Data between disk and guest; -1: the device broke, else the status. */
static int transfer(struct vblk *b, const struct virtq_chain *c, uint64_t sector, uint64_t len,
                    bool to_disk)
{
    if (len % DISK_SECTOR || len > REQUEST_MAX || !on_disk(b, sector, len / DISK_SECTOR))
        return VIRTIO_BLK_S_IOERR;
    for (uint64_t at = 0; at < len;) {
        const size_t part = len - at < sizeof b->bytes ? (size_t)(len - at) : sizeof b->bytes;
        const uint64_t disk_at = sector * DISK_SECTOR + at;
        if (to_disk) {
            if (!virtq_read(&b->v, c, HEAD + at, b->bytes, part))
                return -1;
            if (disk_write(b->disk, disk_at, b->bytes, part) < 0)
                return VIRTIO_BLK_S_IOERR;
        } else {
            if (disk_read(b->disk, disk_at, b->bytes, part) < 0)
                return VIRTIO_BLK_S_IOERR;
            if (!virtq_write(&b->v, c, at, b->bytes, part))
                return -1;
        }
        at += part;
    }
    return VIRTIO_BLK_S_OK;
}

static int zero_ranges(struct vblk *b, const struct virtq_chain *c, uint64_t len, bool discard)
{
    struct virtio_blk_range r[RANGES_MAX];
    if (len == 0 || len % sizeof r[0] || len > sizeof r)
        return VIRTIO_BLK_S_IOERR;
    if (!virtq_read(&b->v, c, HEAD, r, (size_t)len))
        return -1;
    for (unsigned i = 0; i < len / sizeof r[0]; i++) {
        if (r[i].flags & (discard ? ~0u : ~(uint32_t)VIRTIO_BLK_RANGE_UNMAP))
            return VIRTIO_BLK_S_UNSUPP;
        if (!on_disk(b, r[i].sector, r[i].num_sectors) || r[i].num_sectors > RANGE_MAX)
            return VIRTIO_BLK_S_IOERR;
    }
    for (unsigned i = 0; i < len / sizeof r[0]; i++) {
        if (disk_zero(b->disk, r[i].sector * DISK_SECTOR,
                      (uint64_t)r[i].num_sectors * DISK_SECTOR) < 0)
            return VIRTIO_BLK_S_IOERR;
    }
    return VIRTIO_BLK_S_OK;
}

static int give_id(struct vblk *b, const struct virtq_chain *c, uint64_t room)
{
    char id[VIRTIO_BLK_ID_BYTES] = {0};
    memcpy(id, b->name, strnlen(b->name, sizeof id));
    const size_t len = room < sizeof id ? (size_t)room : sizeof id;
    return virtq_write(&b->v, c, 0, id, len) ? VIRTIO_BLK_S_OK : -1;
}

/* One request; returns its status, or -1 when the device broke. out, in: bytes of data. */
static int execute(struct vblk *b, const struct virtq_chain *c, uint64_t out, uint64_t in)
{
    struct virtio_blk_req r;
    if (!virtq_read(&b->v, c, 0, &r, HEAD))
        return -1;
    const bool writes = r.type == VIRTIO_BLK_T_OUT || r.type == VIRTIO_BLK_T_DISCARD ||
                        r.type == VIRTIO_BLK_T_WRITE_ZEROES;
    if (writes && b->disk->read_only)
        return VIRTIO_BLK_S_IOERR;
    switch (r.type) {
    case VIRTIO_BLK_T_IN:
        return transfer(b, c, r.sector, in, false);
    case VIRTIO_BLK_T_OUT:
        return transfer(b, c, r.sector, out, true);
    case VIRTIO_BLK_T_FLUSH:
        return disk_flush(b->disk) < 0 ? VIRTIO_BLK_S_IOERR : VIRTIO_BLK_S_OK;
    case VIRTIO_BLK_T_GET_ID:
        return give_id(b, c, in);
    case VIRTIO_BLK_T_DISCARD:
    case VIRTIO_BLK_T_WRITE_ZEROES:
        return zero_ranges(b, c, out, r.type == VIRTIO_BLK_T_DISCARD);
    default:
        LOG_GUEST("virtio-blk", "%s: request type %u", b->name, r.type);
        return VIRTIO_BLK_S_UNSUPP;
    }
}

static void serve(struct vblk *b, const struct virtq_chain *c)
{
    if (c->out_len < HEAD || c->in_len < 1) {
        virtio_break(&b->v, "a request without header or status");
        return;
    }
    const uint64_t in = c->in_len - 1;
    const int status = execute(b, c, c->out_len - HEAD, in);
    const uint8_t byte = (uint8_t)status;
    if (status < 0 || !virtq_write(&b->v, c, in, &byte, 1))
        return;
    virtq_return(&b->v, 0, c, (uint32_t)c->in_len);
}

static void fire(void *opaque, uint64_t now_ns)
{
    struct vblk *const b = opaque;
    struct virtq_chain c;
    (void)now_ns;
    b->due = 0;
    for (unsigned left = b->v.q[0].size; left && virtq_pop(&b->v, 0, &c); left--)
        serve(b, &c);
    b->digest = b->disk->digest;
}

static void kick(struct virtio *v, unsigned n)
{
    struct vblk *const b = (struct vblk *)v;
    (void)n;
    if (b->due)
        return;
    b->due = clock_now(b->clock) + LATENCY_NS;
    clock_arm(b->clock, &b->event, b->due);
}

static void forget(struct virtio *v)
{
    struct vblk *const b = (struct vblk *)v;
    clock_cancel(b->clock, &b->event);
    b->due = 0;
}

static const struct virtio_class virtio_class = {"virtio-blk", kick, forget, NULL};

static void vblk_reset(struct dev *d)
{
    struct vblk *const b = (struct vblk *)d;
    b->digest = b->disk->digest;
    virtio_reset(d);
}
static void vblk_free(struct dev *d)
{
    free(d);
}
static const struct dev_class vblk_class = {"virtio-blk", fields, vblk_reset, vblk_free, NULL};

struct pci_func *virtio_blk_new(struct clock *clock, const struct dma *dma,
                                const struct msi_sink *msi, struct disk *disk, unsigned index)
{
    struct vblk *const b = calloc(1, sizeof *b);
    if (!b)
        return NULL;
    snprintf(b->name, sizeof b->name, "vitrine-blk%u", index);
    b->clock = clock;
    b->disk = disk;
    b->config = (struct virtio_blk_config){
        .capacity = disk->size / DISK_SECTOR,
        .seg_max = VIRTQ_SEGS_MAX - 2,
        .blk_size = DISK_SECTOR,
        .max_discard_sectors = RANGE_MAX,
        .max_discard_seg = RANGES_MAX,
        .discard_sector_alignment = 1,
        .max_write_zeroes_sectors = RANGE_MAX,
        .max_write_zeroes_seg = RANGES_MAX,
        .write_zeroes_may_unmap = 1,
    };
    clock_event_init(clock, &b->event, "virtio-blk", 35, fire, b);
    b->v.f.dev = (struct dev){.cls = &vblk_class, .id = b->name};
    const struct virtio_setup setup = {
        .id = VIRTIO_ID_BLOCK,
        .class_rev = 0x01000001,
        .queues = 1,
        .queue_size = QUEUE_SIZE,
        .vectors = VECTORS,
        .features = VIRTIO_F_RING | VIRTIO_BLK_F_SEG_MAX | VIRTIO_BLK_F_BLK_SIZE |
                    VIRTIO_BLK_F_FLUSH |
                    (disk->read_only ? VIRTIO_BLK_F_RO
                                     : VIRTIO_BLK_F_DISCARD | VIRTIO_BLK_F_WRITE_ZEROES),
        .config = &b->config,
        .config_len = sizeof b->config,
    };
    virtio_init(&b->v, &virtio_class, &setup, dma, msi);
    return &b->v.f;
}
