/* tests/lib/blk_fake.c: see blk_fake.h. */
#include "tests/lib/blk_fake.h"

#include <stdlib.h>
#include <string.h>

#define RIG_BASE 0x100000000ull

static uint8_t *memory(struct blk_fake *f, uint64_t pa)
{
    if (pa >= RIG_BASE && pa < RIG_BASE + VMBUS_RIG_RAM)
        return vmbus_rig_ram(f->rig, pa - RIG_BASE);
    return (uint8_t *)(uintptr_t)pa;
}

static enum blk_status check(const struct blk_fake *f, const struct blk_request *r)
{
    uint64_t bytes = 0;
    if (r->op == BLK_FLUSH)
        return BLK_OK;
    if (r->lba > f->dev.blocks || r->count > f->dev.blocks - r->lba)
        return BLK_ERANGE;
    if (r->op == BLK_UNMAP)
        return r->count ? BLK_OK : BLK_EINVAL;
    for (unsigned i = 0; i < r->segs; i++)
        bytes += r->seg[i].length;
    return r->count && r->count <= f->dev.max_blocks && blk_fits(r->seg, r->segs) &&
                   bytes == (uint64_t)r->count * f->dev.block_size
               ? BLK_OK
               : BLK_EINVAL;
}

static void move(struct blk_fake *f, const struct blk_request *r)
{
    uint8_t *disk = f->bytes + r->lba * f->dev.block_size;
    f->segs = r->segs;
    for (unsigned i = 0; i < r->segs; disk += r->seg[i++].length) {
        if (i < BLK_FAKE_SEGS)
            f->seg[i] = r->seg[i];
        if (r->op == BLK_READ)
            memcpy(memory(f, r->seg[i].pa), disk, r->seg[i].length);
        else
            memcpy(disk, memory(f, r->seg[i].pa), r->seg[i].length);
    }
}

static void run(struct blk_fake *f, struct blk_request *r)
{
    const enum blk_status status = f->fail ? f->fail : check(f, r);
    f->count[r->op]++;
    f->forced += r->force && r->op == BLK_WRITE;
    f->refused += status == BLK_EINVAL && !f->fail;
    f->fail = BLK_OK;
    if (!status && (r->op == BLK_READ || r->op == BLK_WRITE))
        move(f, r);
    else if (!status && r->op == BLK_UNMAP)
        memset(f->bytes + r->lba * f->dev.block_size, 0, (size_t)r->count * f->dev.block_size);
    r->done(r, status);
}

static void submit(struct blk_device *d, struct blk_request *r)
{
    struct blk_fake *const f = (struct blk_fake *)d;
    if (!f->slow) {
        run(f, r);
        return;
    }
    r->next = NULL;
    *f->last = r;
    f->last = &r->next;
    f->waiting++;
}

void blk_fake_step(struct blk_fake *f)
{
    struct blk_request *const r = f->first;
    if (!r)
        return;
    f->first = r->next;
    if (!f->first)
        f->last = &f->first;
    f->waiting--;
    run(f, r);
}

static void poll(struct blk_device *d)
{
    blk_fake_step((struct blk_fake *)d);
}

void blk_fake_init(struct blk_fake *f, struct vmbus_rig *r)
{
    static const struct blk_ops ops = {submit, poll};
    *f = (struct blk_fake){
        .dev = {.ops = &ops,
                .blocks = BLK_FAKE_BLOCKS,
                .block_size = 512,
                .max_blocks = 2048,
                .has_unmap = true,
                .reads_zeros = true,
                .has_cache = true,
                .eui64 = {2, 'V', 'I', 'T', 0, 0, 0, 1},
                .serial = "SERIAL1"},
        .rig = r,
    };
    f->last = &f->first;
    f->bytes = malloc(BLK_FAKE_BLOCKS * 512);
    for (unsigned i = 0; i < BLK_FAKE_BLOCKS * 512; i++)
        f->bytes[i] = (uint8_t)(i * 13 ^ i >> 9);
}

void blk_fake_free(struct blk_fake *f)
{
    free(f->bytes);
}
