/*
 * vmbus/vsp/storvsp/storvsp.c: the storage protocol: the opening dialogue, SRBs to the SCSI target
 * and back, sub-channels, resets.
 *
 * A command's buffer is handed to the block device as it lies in the guest's memory. Only a buffer
 * whose pieces no device takes (blk_fits) goes through a copy. There are so many commands; when all
 * are under way the channels pause, and the guest's packets wait in its rings. An answer that finds
 * the ring full keeps its command until there is room.
 *
 * Logical units are at path 0, target 0. Not modelled: fibre channel adapters, DVDs, removing a
 * disk, versions before 5.1.
 */
#include <string.h>

#include "abi/vstor.h"
#include "vmbus/vsp/storvsp/scsi.h"
#include "vmbus/vsp/storvsp/storvsp.h"

#define PACKET_MIN 48u /* what the oldest guests send */
#define CHANNELS   (STORVSP_SUB_CHANNELS + 1)
#define SEGS_MAX   (STORVSP_MAX_TRANSFER / BLK_PAGE + 1)

enum storvsp_state { STOR_CLOSED, STOR_OPEN, STOR_BEGUN, STOR_VERSIONED, STOR_READY };

struct storvsp_channel {
    struct storvsp *owner;
    struct vmbus_channel *channel; /* NULL: not offered */
    bool open;
    struct storvsp_command *answers, **answers_end; /* that wait for room in the ring */
};

struct storvsp_command {
    struct scsi_command scsi; /* first */
    struct storvsp_command *next;
    struct storvsp_channel *via;
    bool is_busy, is_reset;
    uint64_t id;
    bool wants_answer;
    struct vstor_packet packet;
    struct vmbus_seg gpa[SEGS_MAX];
    struct blk_seg pa[SEGS_MAX];
    unsigned gpas;
    void *bounce;
    uint32_t bounce_bytes;
};

struct storvsp {
    struct storvsp_host host;
    struct vmbus_server *server;
    struct vmbus_offer offer;
    struct scsi_target target;
    enum storvsp_state state;
    uint16_t version;
    struct storvsp_channel channel[CHANNELS]; /* [0]: the primary */
    struct storvsp_command *command, *free;
    unsigned at_target; /* commands */
    uint64_t commands, bytes;
};

/* ---- commands come and go ---- */

static void pause_all(struct storvsp *v, bool paused)
{
    for (unsigned i = 0; i < CHANNELS; i++) {
        if (v->channel[i].open)
            vmbus_pause(v->channel[i].channel, paused);
    }
}

static struct storvsp_command *take_command(struct storvsp *v)
{
    struct storvsp_command *const k = v->free;
    if (!k)
        return NULL;
    v->free = k->next;
    k->is_busy = true;
    k->is_reset = false;
    k->bounce = NULL;
    if (!v->free)
        pause_all(v, true);
    return k;
}

static void free_command(struct storvsp *v, struct storvsp_command *k)
{
    const bool was_empty = !v->free;
    k->is_busy = false;
    k->next = v->free;
    v->free = k;
    if (was_empty)
        pause_all(v, false);
}

/* ---- answers ---- */

static bool send(struct storvsp_command *k)
{
    struct storvsp_channel *const ch = k->via;
    return !ch->open || !k->wants_answer ||
           vmbus_complete(ch->channel, k->id, &k->packet, sizeof(k->packet)) != VMBUS_EFULL;
}

static void answer(struct storvsp_command *k)
{
    struct storvsp_channel *const ch = k->via;
    k->packet.op = VSTOR_COMPLETE_IO;
    if (!ch->answers && send(k)) {
        free_command(ch->owner, k);
        return;
    }
    k->next = NULL;
    *ch->answers_end = k;
    ch->answers_end = &k->next;
}

static void send_waiting(struct storvsp_channel *ch)
{
    while (ch->answers && send(ch->answers)) {
        struct storvsp_command *const k = ch->answers;
        ch->answers = k->next;
        if (!ch->answers)
            ch->answers_end = &ch->answers;
        free_command(ch->owner, k);
    }
}

static void answer_status(struct storvsp_command *k, uint32_t status)
{
    k->packet.status = status;
    answer(k);
}

/* Resets are answered when the target is idle: then nothing that came before is under way. */
static void answer_resets(struct storvsp *v)
{
    for (unsigned i = 0; i < STORVSP_COMMANDS && !v->at_target; i++) {
        struct storvsp_command *const k = &v->command[i];
        if (k->is_busy && k->is_reset) {
            k->is_reset = false;
            answer_status(k, VMBUS_NT_SUCCESS);
        }
    }
}

/* ---- what the SCSI target needs ---- */

static uint32_t transport_copy(struct scsi_command *c, void *data, uint32_t n, bool to_guest)
{
    struct storvsp_command *const k = (struct storvsp_command *)c;
    if (n > c->length)
        n = c->length;
    if (!k->via->open)
        return 0;
    return (uint32_t)vmbus_seg_copy(k->via->channel, k->gpa, k->gpas, 0, data, n, to_guest);
}

/* The pieces of the buffer by physical address. False: more than there may be. */
static bool find_pages(struct storvsp_command *k, uint32_t n)
{
    struct scsi_command *const c = &k->scsi;
    c->segs = 0;
    for (unsigned i = 0; i < k->gpas && n; i++) {
        uint64_t gpa = k->gpa[i].gpa;
        uint32_t left = k->gpa[i].length < n ? k->gpa[i].length : n;
        n -= left;
        while (left) {
            uint64_t got = 0;
            const uint64_t pa = vmbus_gpa_to_pa(k->via->channel, gpa, left, &got);
            if (!got || got > left || c->segs == SEGS_MAX)
                return false;
            k->pa[c->segs++] = (struct blk_seg){pa, (uint32_t)got};
            gpa += got;
            left -= (uint32_t)got;
        }
    }
    c->seg = k->pa;
    return !n;
}

static bool transport_map(struct scsi_command *c, uint32_t n)
{
    struct storvsp_command *const k = (struct storvsp_command *)c;
    if (find_pages(k, n) && blk_fits(c->seg, c->segs))
        return true;
    k->bounce = k->via->owner->host.alloc_dma(n, &k->pa[0].pa);
    if (!k->bounce)
        return false;
    k->bounce_bytes = n;
    k->pa[0].length = n;
    c->seg = k->pa;
    c->segs = 1;
    if (c->direction == SCSI_DATA_OUT)
        transport_copy(c, k->bounce, n, false);
    return true;
}

static void *transport_alloc(struct scsi_command *c, uint32_t bytes, uint64_t *pa)
{
    return ((struct storvsp_command *)c)->via->owner->host.alloc_dma(bytes, pa);
}

static void transport_free(struct scsi_command *c, void *p, uint32_t bytes)
{
    ((struct storvsp_command *)c)->via->owner->host.free_dma(p, bytes);
}

static void put_result(struct storvsp_command *k)
{
    const struct scsi_command *const c = &k->scsi;
    struct vstor_srb *const srb = &k->packet.srb;
    const bool autosense = c->has_sense && !(srb->flags & VSTOR_F_NO_AUTOSENSE);
    uint8_t room = srb->sense_length < VSTOR_SENSE_MAX ? srb->sense_length : VSTOR_SENSE_MAX;
    srb->scsi_status = c->status;
    srb->transfer = c->moved;
    srb->srb_status = c->status == SCSI_GOOD ? VSTOR_SRB_SUCCESS
                      : c->no_unit           ? VSTOR_SRB_INVALID_LUN
                                             : VSTOR_SRB_ERROR;
    srb->sense_length = 0;
    if (autosense && !c->no_unit) {
        srb->srb_status |= VSTOR_SRB_AUTOSENSE;
        room = room < SCSI_SENSE ? room : SCSI_SENSE;
        memset(srb->sense, 0, sizeof(srb->sense));
        memcpy(srb->sense, c->sense, room);
        srb->sense_length = room;
    }
    k->packet.status = c->status == SCSI_GOOD ? VMBUS_NT_SUCCESS : VMBUS_NT_UNSUCCESSFUL;
}

static void transport_done(struct scsi_command *c)
{
    struct storvsp_command *const k = (struct storvsp_command *)c;
    struct storvsp *const v = k->via->owner;
    if (k->bounce) {
        if (c->direction == SCSI_DATA_IN)
            transport_copy(c, k->bounce, c->moved, true);
        v->host.free_dma(k->bounce, k->bounce_bytes);
    }
    put_result(k);
    v->at_target--;
    v->commands++;
    v->bytes += c->moved;
    answer(k);
    answer_resets(v);
}

static const struct scsi_transport transport = {transport_copy, transport_map, transport_done,
                                                transport_alloc, transport_free};

/* ---- SRBs ---- */

static void refuse_srb(struct storvsp_command *k)
{
    struct vstor_srb *const srb = &k->packet.srb;
    srb->srb_status = VSTOR_SRB_INVALID_REQUEST;
    srb->scsi_status = 0;
    srb->transfer = 0;
    srb->sense_length = 0;
    answer_status(k, VMBUS_NT_INVALID_PARAMETER);
}

static void execute(struct storvsp_command *k, const struct vmbus_packet *p)
{
    struct storvsp *const v = k->via->owner;
    const struct vstor_srb *const srb = &k->packet.srb;
    struct scsi_command *const c = &k->scsi;
    const bool has_data = srb->direction != VSTOR_DATA_NONE && srb->transfer;
    if (srb->cdb_length > VSTOR_CDB_MAX || srb->direction > VSTOR_DATA_NONE || p->segs > SEGS_MAX ||
        (has_data && srb->transfer > p->seg_bytes)) {
        refuse_srb(k);
        return;
    }
    memset(c->cdb, 0, sizeof(c->cdb));
    memcpy(c->cdb, srb->cdb, srb->cdb_length);
    c->transport = &transport;
    c->direction = !has_data                          ? SCSI_DATA_NONE
                   : srb->direction == VSTOR_DATA_OUT ? SCSI_DATA_OUT
                                                      : SCSI_DATA_IN;
    c->length = has_data ? srb->transfer : 0;
    k->gpas = has_data ? p->segs : 0;
    for (unsigned i = 0; i < k->gpas; i++)
        k->gpa[i] = p->seg[i];
    v->at_target++;
    scsi_execute(&v->target, srb->path || srb->target ? SCSI_LUNS : srb->lun, c);
}

/* ---- the other requests ---- */

static void version(struct storvsp_command *k)
{
    const uint16_t wanted = k->packet.version[0];
    struct storvsp *const v = k->via->owner;
    if (wanted != VSTOR_VERSION_WIN8_1 && wanted != VSTOR_VERSION_WIN10 &&
        wanted != VSTOR_VERSION_6_2) {
        answer_status(k, VSTOR_NT_REVISION_MISMATCH);
        return;
    }
    v->version = wanted;
    v->state = STOR_VERSIONED;
    answer_status(k, VMBUS_NT_SUCCESS);
}

static void properties(struct storvsp_command *k)
{
    k->packet.properties = (struct vstor_properties){.sub_channels = STORVSP_SUB_CHANNELS,
                                                     .flags = VSTOR_MULTI_CHANNEL,
                                                     .max_transfer = STORVSP_MAX_TRANSFER};
    answer_status(k, VMBUS_NT_SUCCESS);
}

static const struct vmbus_vsp_ops storvsp_ops;

/* All that were asked for, or none. */
static bool offer_sub_channels(struct storvsp *v, unsigned count)
{
    struct vmbus_offer o = v->offer;
    o.parent = v->channel[0].channel;
    for (unsigned i = 1; i <= count; i++) {
        o.sub_index = (uint16_t)i;
        v->channel[i].channel = vmbus_offer(v->server, &o, &storvsp_ops, v);
        if (v->channel[i].channel)
            continue;
        while (--i)
            vmbus_rescind(v->channel[i].channel);
        return false;
    }
    return true;
}

static void create_sub_channels(struct storvsp_command *k)
{
    struct storvsp *const v = k->via->owner;
    const unsigned count = k->packet.sub_channels;
    bool none = true;
    for (unsigned i = 1; i < CHANNELS; i++)
        none &= !v->channel[i].channel;
    if (!count || count > STORVSP_SUB_CHANNELS || !none)
        answer_status(k, VMBUS_NT_INVALID_PARAMETER);
    else
        answer_status(k, offer_sub_channels(v, count) ? VMBUS_NT_SUCCESS : VMBUS_NT_NO_RESOURCES);
}

/* Which state of the dialogue each request belongs to; the dialogue is the primary channel's. */
static bool is_due(const struct storvsp_command *k)
{
    const enum storvsp_state state = k->via->owner->state;
    const bool is_primary = k->via == &k->via->owner->channel[0];
    switch (k->packet.op) {
    case VSTOR_BEGIN_INITIALIZATION:
        return is_primary && state == STOR_OPEN;
    case VSTOR_QUERY_PROTOCOL_VERSION:
        return is_primary && state == STOR_BEGUN;
    case VSTOR_QUERY_PROPERTIES:
    case VSTOR_END_INITIALIZATION:
        return is_primary && state == STOR_VERSIONED;
    case VSTOR_CREATE_SUB_CHANNELS:
        return is_primary && state == STOR_READY;
    default:
        return state == STOR_READY;
    }
}

static void dispatch(struct storvsp_command *k, const struct vmbus_packet *p)
{
    struct storvsp *const v = k->via->owner;
    if (!is_due(k)) {
        answer_status(k, VSTOR_NT_INVALID_DEVICE_STATE);
        return;
    }
    switch (k->packet.op) {
    case VSTOR_EXECUTE_SRB:
        execute(k, p);
        break;
    case VSTOR_RESET_LUN:
    case VSTOR_RESET_ADAPTER:
    case VSTOR_RESET_BUS:
        k->is_reset = true;
        answer_resets(v);
        break;
    case VSTOR_BEGIN_INITIALIZATION:
        v->state = STOR_BEGUN;
        answer_status(k, VMBUS_NT_SUCCESS);
        break;
    case VSTOR_END_INITIALIZATION:
        v->state = STOR_READY;
        answer_status(k, VMBUS_NT_SUCCESS);
        break;
    case VSTOR_QUERY_PROTOCOL_VERSION:
        version(k);
        break;
    case VSTOR_QUERY_PROPERTIES:
        properties(k);
        break;
    case VSTOR_CREATE_SUB_CHANNELS:
        create_sub_channels(k);
        break;
    case VSTOR_ENUMERATE_BUS:
        answer_status(k, VMBUS_NT_SUCCESS);
        break;
    default: /* fibre channel data; what only hosts send */
        answer_status(k, VSTOR_NT_NOT_SUPPORTED);
        break;
    }
}

/* ---- the channel ---- */

static struct storvsp_channel *find(struct storvsp *v, const struct vmbus_channel *c)
{
    unsigned i = 0;
    while (v->channel[i].channel != c)
        i++;
    return &v->channel[i];
}

static uint32_t on_opened(void *vsp, struct vmbus_channel *c, const uint8_t *user)
{
    struct storvsp *const v = vsp;
    struct storvsp_channel *const ch = find(v, c);
    (void)user;
    if (ch == &v->channel[0])
        v->state = STOR_OPEN;
    ch->open = true;
    vmbus_pause(c, !v->free);
    return VMBUS_NT_SUCCESS;
}

static void on_packet(void *vsp, struct vmbus_channel *c, const struct vmbus_packet *p)
{
    struct storvsp *const v = vsp;
    if ((p->type != VMBUS_PKT_INBAND && p->type != VMBUS_PKT_GPA_DIRECT) ||
        p->length < PACKET_MIN) {
        vmbus_fail(c, "a packet that is no storage request");
        return;
    }
    struct storvsp_command *const k = take_command(v);
    if (!k) {
        vmbus_fail(c, "a packet while the channel is paused");
        return;
    }
    memset(&k->packet, 0, sizeof(k->packet));
    memcpy(&k->packet, p->data, p->length < sizeof(k->packet) ? p->length : sizeof(k->packet));
    k->via = find(v, c);
    k->id = p->id;
    k->wants_answer = p->flags & VMBUS_PKT_F_COMPLETION;
    dispatch(k, p);
}

static bool is_at_target(const struct storvsp *v, const struct storvsp_channel *ch)
{
    for (unsigned i = 0; i < STORVSP_COMMANDS; i++) {
        const struct storvsp_command *const k = &v->command[i];
        if (k->is_busy && k->via == ch && !k->is_reset)
            return true;
    }
    return false;
}

/* Nothing may reach the guest's memory after this: what is under way is waited for. A device that
 * does not answer is reset by its driver, so the wait ends. */
static void on_closed(void *vsp, struct vmbus_channel *c)
{
    struct storvsp *const v = vsp;
    struct storvsp_channel *const ch = find(v, c);
    ch->open = false;
    if (ch == &v->channel[0])
        v->state = STOR_CLOSED;
    send_waiting(ch);
    while (is_at_target(v, ch)) {
        for (unsigned i = 0; i < SCSI_LUNS; i++) {
            if (v->target.unit[i])
                v->target.unit[i]->ops->poll(v->target.unit[i]);
        }
    }
    for (unsigned i = 0; i < STORVSP_COMMANDS; i++) {
        struct storvsp_command *const k = &v->command[i];
        if (k->is_busy && k->via == ch) { /* a reset that nobody waits for */
            k->is_reset = false;
            answer(k);
        }
    }
}

static void on_writable(void *vsp, struct vmbus_channel *c)
{
    send_waiting(find(vsp, c));
}

static void release(struct storvsp *v)
{
    const struct storvsp_host host = v->host;
    for (unsigned i = 0; i < SCSI_LUNS; i++) {
        if (v->target.unit[i])
            v->target.unit[i]->user = NULL;
    }
    host.free(v->command);
    host.free(v);
}

static void on_gone(void *vsp, struct vmbus_channel *c)
{
    struct storvsp *const v = vsp;
    find(v, c)->channel = NULL;
    for (unsigned i = 0; i < CHANNELS; i++) {
        if (v->channel[i].channel)
            return;
    }
    release(v);
}

static const struct vmbus_vsp_ops storvsp_ops = {.opened = on_opened,
                                                 .packet = on_packet,
                                                 .closed = on_closed,
                                                 .writable = on_writable,
                                                 .gone = on_gone};

/* ---- from outside ---- */

struct storvsp *storvsp_new(struct vmbus_server *s, const struct storvsp_host *host,
                            const struct vmbus_guid *instance)
{
    struct storvsp *const v = host->alloc(sizeof(*v));
    struct storvsp_command *const k = host->alloc(STORVSP_COMMANDS * sizeof(*k));
    if (v && k) {
        v->host = *host;
        v->server = s;
        v->command = k;
        v->target.max_transfer = STORVSP_MAX_TRANSFER;
        v->offer = (struct vmbus_offer){
            .class_id = VMBUS_CLASS_SCSI, .instance_id = *instance, .flags = VMBUS_OFFER_ENUMERATE};
        for (unsigned i = 0; i < CHANNELS; i++) {
            v->channel[i].owner = v;
            v->channel[i].answers_end = &v->channel[i].answers;
        }
        for (unsigned i = STORVSP_COMMANDS; i--;)
            free_command(v, &k[i]);
        v->channel[0].channel = vmbus_offer(s, &v->offer, &storvsp_ops, v);
        if (v->channel[0].channel)
            return v;
    }
    host->free(k);
    host->free(v);
    return NULL;
}

int storvsp_attach(struct storvsp *v, struct blk_device *dev, enum scsi_type type)
{
    const struct vstor_packet look = {.op = VSTOR_ENUMERATE_BUS};
    unsigned lun = 0;
    while (lun < SCSI_LUNS && v->target.unit[lun])
        lun++;
    if (lun == SCSI_LUNS || dev->user)
        return -1;
    if (type == SCSI_TYPE_DVD &&
        (dev->block_size > SCSI_DVD_BLOCK || dev->blocks < SCSI_DVD_BLOCK / dev->block_size))
        return -1;
    dev->user = v;
    v->target.unit[lun] = dev;
    v->target.type[lun] = type;
    if (v->state == STOR_READY)
        vmbus_send(v->channel[0].channel, VMBUS_PKT_INBAND, 0, 0, &look, sizeof(look));
    return (int)lun;
}

void storvsp_counts(const struct storvsp *v, uint64_t *commands, uint64_t *bytes)
{
    *commands = v->commands;
    *bytes = v->bytes;
}
