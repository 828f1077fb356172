/*
 * vmbus/vsp/storvsp/scsi_rw.c: commands that reach the medium (SBC-3 5): READ, WRITE, SYNCHRONIZE
 * CACHE, UNMAP, WRITE SAME. Data goes straight between the medium and the command's buffer.
 *
 * Not modelled: protection information, anchored blocks, WRITE SAME without a data buffer.
 */
#include <string.h>

#include "vmbus/vsp/storvsp/scsi.h"

/* ---- how block requests end ---- */

static void fail(struct scsi_command *c, enum blk_status status)
{
    switch (status) {
    case BLK_EINVAL:
        scsi_illegal(c, SCSI_ASC_CDB_FIELD);
        break;
    case BLK_ERANGE:
        scsi_illegal(c, SCSI_ASC_LBA);
        break;
    case BLK_EREADONLY:
        scsi_check(c, SCSI_KEY_PROTECT, SCSI_ASC_WRITE_PROTECTED);
        break;
    case BLK_EREAD:
        scsi_check(c, SCSI_KEY_MEDIUM, SCSI_ASC_READ_ERROR);
        break;
    case BLK_EWRITE:
        scsi_check(c, SCSI_KEY_MEDIUM, SCSI_ASC_WRITE_ERROR);
        break;
    case BLK_EABORTED:
        scsi_check(c, SCSI_KEY_ABORTED, SCSI_ASC_NONE);
        break;
    default:
        scsi_check(c, SCSI_KEY_HARDWARE, SCSI_ASC_TARGET_FAILURE);
        break;
    }
}

static void busy(struct scsi_command *c)
{
    c->status = SCSI_BUSY;
    c->transport->done(c);
}

static void on_done(struct blk_request *r, enum blk_status status)
{
    struct scsi_command *const c = r->owner;
    if (status)
        fail(c, status);
    else
        scsi_good(c, c->bytes);
}

static void submit(struct scsi_command *c, enum blk_op op,
                   void (*done)(struct blk_request *, enum blk_status))
{
    c->request.op = op;
    c->request.done = done;
    c->request.owner = c;
    c->dev->ops->submit(c->dev, &c->request);
}

/* ---- which blocks ---- */

/* Block address and count of the command; false: it has protection bits, which we can't serve. */
static bool get_range(const struct scsi_command *c, struct scsi_range *r)
{
    const uint8_t *const b = c->cdb;
    switch (b[0] >> 5) {
    case 0:
        r->lba = (uint64_t)(b[1] & 0x1f) << 16 | scsi_be16(b + 2);
        r->count = b[4] ? b[4] : 256;
        return true;
    case 1:
    case 2:
        r->lba = scsi_be32(b + 2);
        r->count = scsi_be16(b + 7);
        break;
    case 4:
        r->lba = scsi_be64(b + 2);
        r->count = scsi_be32(b + 10);
        break;
    default:
        r->lba = scsi_be32(b + 2);
        r->count = scsi_be32(b + 6);
        break;
    }
    return !(b[1] >> 5);
}

static bool is_inside(const struct scsi_command *c, const struct scsi_range *r)
{
    return r->lba <= c->blocks && r->count <= c->blocks - r->lba;
}

/* ---- commands ---- */

void scsi_read_write(struct scsi_command *c)
{
    const uint8_t op = c->cdb[0];
    const bool is_write = op == SCSI_WRITE_6 || op == SCSI_WRITE_10 || op == SCSI_WRITE_12 ||
                          op == SCSI_WRITE_16;
    const uint32_t per_block = c->block_size / c->dev->block_size;
    struct scsi_range r;
    if (!get_range(c, &r)) {
        scsi_illegal(c, SCSI_ASC_CDB_FIELD);
    } else if (!is_inside(c, &r)) {
        scsi_illegal(c, SCSI_ASC_LBA);
    } else if (is_write && c->dev->read_only) {
        scsi_check(c, SCSI_KEY_PROTECT, SCSI_ASC_WRITE_PROTECTED);
    } else if (!r.count) {
        scsi_good(c, 0);
    } else if (r.count > c->dev->max_blocks / per_block || r.count > c->length / c->block_size ||
               c->direction != (is_write ? SCSI_DATA_OUT : SCSI_DATA_IN)) {
        scsi_illegal(c, SCSI_ASC_CDB_FIELD);
    } else {
        c->bytes = r.count * c->block_size;
        if (!c->transport->map(c, c->bytes)) {
            busy(c);
            return;
        }
        c->request.lba = r.lba * per_block;
        c->request.count = r.count * per_block;
        c->request.seg = c->seg;
        c->request.segs = c->segs;
        c->request.force = is_write && op != SCSI_WRITE_6 && c->cdb[1] & 8;
        submit(c, is_write ? BLK_WRITE : BLK_READ, on_done);
    }
}

void scsi_synchronize(struct scsi_command *c)
{
    struct scsi_range r = {0, 0};
    if (c->cdb[0] != SCSI_START_STOP_UNIT)
        (void)get_range(c, &r);
    c->bytes = 0;
    if (!is_inside(c, &r))
        scsi_illegal(c, SCSI_ASC_LBA);
    else if (!c->dev->has_cache || c->dev->read_only)
        scsi_good(c, 0);
    else
        submit(c, BLK_FLUSH, on_done);
}

/* ---- UNMAP ---- */

static void next_unmap(struct blk_request *request, enum blk_status status)
{
    struct scsi_command *const c = request->owner;
    while (c->at < c->ranges && !c->range[c->at].count)
        c->at++;
    if (status) {
        fail(c, status);
    } else if (c->at == c->ranges) {
        scsi_good(c, c->bytes);
    } else {
        const struct scsi_range *const r = &c->range[c->at++];
        request->lba = r->lba;
        request->count = r->count;
        submit(c, BLK_UNMAP, next_unmap);
    }
}

/* The parameter list (SBC-3 5.28.2): a header of 8 bytes, descriptors of 16. */
void scsi_unmap(struct scsi_command *c)
{
    uint8_t list[8 + 16 * SCSI_UNMAP_MAX];
    const uint32_t length = scsi_be16(c->cdb + 7);
    if (!c->dev->has_unmap || c->cdb[1] & 1) { /* not offered; anchored */
        scsi_illegal(c, c->dev->has_unmap ? SCSI_ASC_CDB_FIELD : SCSI_ASC_OPCODE);
        return;
    }
    if (c->dev->read_only) {
        scsi_check(c, SCSI_KEY_PROTECT, SCSI_ASC_WRITE_PROTECTED);
        return;
    }
    c->bytes = length;
    c->at = c->ranges = 0;
    if (!length) {
        scsi_good(c, 0);
        return;
    }
    uint32_t n = length < sizeof(list) ? length : sizeof(list);
    if (length < 8 || length > c->length || c->direction != SCSI_DATA_OUT) {
        scsi_illegal(c, length < 8 ? SCSI_ASC_PARAMETER_LENGTH : SCSI_ASC_CDB_FIELD);
        return;
    }
    n = c->transport->copy(c, list, n, false);
    const uint32_t described = n < 8 ? 0 : scsi_be16(list + 2) & ~15u;
    if (described > 16 * SCSI_UNMAP_MAX) {
        scsi_illegal(c, SCSI_ASC_PARAMETER_FIELD);
        return;
    }
    for (uint32_t at = 8; at + 16 <= n && at + 16 <= 8 + described; at += 16) {
        struct scsi_range *const r = &c->range[c->ranges++];
        *r = (struct scsi_range){scsi_be64(list + at), scsi_be32(list + at + 8)};
        if (!is_inside(c, r)) {
            scsi_illegal(c, SCSI_ASC_LBA);
            return;
        }
    }
    c->request.owner = c;
    next_unmap(&c->request, BLK_OK);
}

/* ---- WRITE SAME ---- */

static void next_same(struct blk_request *request, enum blk_status status)
{
    struct scsi_command *const c = request->owner;
    struct scsi_range *const r = &c->range[0];
    const uint32_t chunk = SCSI_PATTERN / c->dev->block_size;
    uint32_t most = chunk < c->dev->max_blocks ? chunk : c->dev->max_blocks;
    if (status || !r->count) {
        c->transport->free(c, c->pattern, SCSI_PATTERN);
        c->pattern = NULL;
        if (status)
            fail(c, status);
        else
            scsi_good(c, c->bytes);
        return;
    }
    most = most < r->count ? most : r->count;
    c->pattern_seg.length = most * c->dev->block_size;
    request->lba = r->lba;
    request->count = most;
    r->lba += most;
    r->count -= most;
    submit(c, BLK_WRITE, next_same);
}

static void write_pattern(struct scsi_command *c, const uint8_t *block)
{
    c->pattern = c->transport->alloc(c, SCSI_PATTERN, &c->pattern_seg.pa);
    if (!c->pattern) {
        busy(c);
        return;
    }
    for (uint32_t at = 0; at < SCSI_PATTERN; at += c->dev->block_size)
        memcpy((uint8_t *)c->pattern + at, block, c->dev->block_size);
    c->request.seg = &c->pattern_seg;
    c->request.segs = 1;
    c->request.force = false;
    c->request.owner = c;
    next_same(&c->request, BLK_OK);
}

static bool is_zero(const uint8_t *p, uint32_t n)
{
    while (n && !p[n - 1])
        n--;
    return !n;
}

/* Zeros are written by unmapping when unmapped blocks read as zeros. */
void scsi_write_same(struct scsi_command *c)
{
    uint8_t block[4096];
    struct scsi_range *const r = &c->range[0];
    const uint8_t flags = c->cdb[1];
    const bool unmap = flags & 8;
    if (!get_range(c, r) || flags & 0x17 || (unmap && !c->dev->has_unmap) || !r->count ||
        r->count > SCSI_SAME_MAX || c->direction != SCSI_DATA_OUT ||
        c->length < c->dev->block_size) {
        scsi_illegal(c, SCSI_ASC_CDB_FIELD);
        return;
    }
    if (!is_inside(c, r)) {
        scsi_illegal(c, SCSI_ASC_LBA);
        return;
    }
    if (c->dev->read_only) {
        scsi_check(c, SCSI_KEY_PROTECT, SCSI_ASC_WRITE_PROTECTED);
        return;
    }
    c->bytes = c->transport->copy(c, block, c->dev->block_size, false);
    if (c->dev->has_unmap && c->dev->reads_zeros && is_zero(block, c->dev->block_size)) {
        c->request.lba = r->lba;
        c->request.count = r->count;
        submit(c, BLK_UNMAP, on_done);
    } else {
        write_pattern(c, block);
    }
}
