/*
 * vmbus/vsp/storvsp/scsi.c: which commands there are, and how each ends (SPC-4 4.5, 6; SBC-3 5).
 *
 * Not modelled: unit attentions, reservations, task management (the transport resets), MODE SELECT,
 * protection information, descriptor format sense, taking a medium out (DVDs).
 */
#include "vmbus/vsp/storvsp/scsi.h"

#include <string.h>

void scsi_good(struct scsi_command *c, uint32_t moved)
{
    c->status = SCSI_GOOD;
    c->moved = moved;
    c->transport->done(c);
}

/* Fixed format (SPC-4 4.5.3) */
static void put_sense(uint8_t *p, enum scsi_sense_key key, enum scsi_additional_sense code)
{
    memset(p, 0, SCSI_SENSE);
    p[0] = 0x70; /* current error */
    p[2] = (uint8_t)key;
    p[7] = SCSI_SENSE - 8;
    p[12] = (uint8_t)(code >> 8);
    p[13] = (uint8_t)code;
}

void scsi_check(struct scsi_command *c, enum scsi_sense_key key, enum scsi_additional_sense code)
{
    c->status = SCSI_CHECK_CONDITION;
    c->has_sense = true;
    c->moved = 0;
    put_sense(c->sense, key, code);
    c->transport->done(c);
}

void scsi_illegal(struct scsi_command *c, enum scsi_additional_sense code)
{
    scsi_check(c, SCSI_KEY_ILLEGAL, code);
}

void scsi_respond(struct scsi_command *c, void *data, uint32_t n, uint32_t allocation)
{
    if (n > allocation)
        n = allocation;
    if (n && c->direction != SCSI_DATA_IN) {
        scsi_illegal(c, SCSI_ASC_CDB_FIELD);
        return;
    }
    if (n > c->length)
        n = c->length;
    scsi_good(c, n ? c->transport->copy(c, data, n, true) : 0);
}

/* Nothing is wrong, and what was before is told with each command. Or: there is no unit. */
static void request_sense(struct scsi_command *c)
{
    uint8_t sense[SCSI_SENSE];
    if (c->cdb[1] & 1) { /* descriptor format */
        scsi_illegal(c, SCSI_ASC_CDB_FIELD);
        return;
    }
    if (c->dev)
        put_sense(sense, SCSI_KEY_NONE, SCSI_ASC_NONE);
    else
        put_sense(sense, SCSI_KEY_ILLEGAL, SCSI_ASC_NO_UNIT);
    scsi_respond(c, sense, sizeof(sense), c->cdb[4]);
}

/* START STOP UNIT (SBC-3 5.25): a disk that turns always; stopping it empties its cache. */
static void start_stop(struct scsi_command *c)
{
    const bool start = c->cdb[4] & 1, load_eject = c->cdb[4] & 2;
    if (load_eject)
        scsi_illegal(c, SCSI_ASC_CDB_FIELD); /* the medium can't be taken out */
    else if (start || c->cdb[4] & 4)
        scsi_good(c, 0);
    else
        scsi_synchronize(c);
}

static void service_action_in(struct scsi_command *c)
{
    if ((c->cdb[1] & 0x1f) == SCSI_SA_READ_CAPACITY_16)
        scsi_read_capacity(c);
    else
        scsi_illegal(c, SCSI_ASC_CDB_FIELD);
}

/* The control byte stands last (SAM-5 5.2): auto contingent allegiance is not offered. */
static bool has_naca(const struct scsi_command *c)
{
    static const uint8_t last[8] = {5, 9, 9, 0, 15, 11, 0, 0};
    const uint8_t at = last[c->cdb[0] >> 5];
    return at && c->cdb[at] & 4;
}

static void execute_disk(struct scsi_command *c)
{
    switch (c->cdb[0]) {
    case SCSI_TEST_UNIT_READY:
    case SCSI_PREVENT_ALLOW:
        scsi_good(c, 0);
        break;
    case SCSI_READ_6:
    case SCSI_READ_10:
    case SCSI_READ_12:
    case SCSI_READ_16:
    case SCSI_WRITE_6:
    case SCSI_WRITE_10:
    case SCSI_WRITE_12:
    case SCSI_WRITE_16:
        scsi_read_write(c);
        break;
    case SCSI_SYNCHRONIZE_CACHE_10:
    case SCSI_SYNCHRONIZE_CACHE_16:
        scsi_synchronize(c);
        break;
    case SCSI_UNMAP:
        scsi_unmap(c);
        break;
    case SCSI_WRITE_SAME_10:
    case SCSI_WRITE_SAME_16:
        scsi_write_same(c);
        break;
    case SCSI_READ_CAPACITY_10:
        scsi_read_capacity(c);
        break;
    case SCSI_SERVICE_ACTION_IN_16:
        service_action_in(c);
        break;
    case SCSI_MODE_SENSE_6:
    case SCSI_MODE_SENSE_10:
        scsi_mode_sense(c);
        break;
    case SCSI_START_STOP_UNIT:
        start_stop(c);
        break;
    default:
        scsi_illegal(c, SCSI_ASC_OPCODE);
        break;
    }
}

static void execute_dvd(struct scsi_command *c)
{
    switch (c->cdb[0]) {
    case SCSI_TEST_UNIT_READY:
    case SCSI_PREVENT_ALLOW:
    case SCSI_READ_10:
    case SCSI_READ_12:
    case SCSI_READ_CAPACITY_10:
    case SCSI_MODE_SENSE_6:
    case SCSI_MODE_SENSE_10:
    case SCSI_START_STOP_UNIT:
        execute_disk(c);
        break;
    default:
        if (!scsi_dvd(c))
            scsi_illegal(c, SCSI_ASC_OPCODE);
        break;
    }
}

/* A last block that is not whole is none. */
static void find_unit(struct scsi_target *t, unsigned lun, struct scsi_command *c)
{
    c->target = t;
    c->dev = lun < SCSI_LUNS ? t->unit[lun] : NULL;
    if (!c->dev)
        return;
    c->type = t->type[lun];
    c->block_size = c->type == SCSI_TYPE_DVD ? SCSI_DVD_BLOCK : c->dev->block_size;
    c->blocks = c->dev->blocks / (c->block_size / c->dev->block_size);
}

void scsi_execute(struct scsi_target *t, unsigned lun, struct scsi_command *c)
{
    find_unit(t, lun, c);
    c->no_unit = c->has_sense = false;
    c->moved = 0;
    c->pattern = NULL;
    if (has_naca(c)) {
        scsi_illegal(c, SCSI_ASC_CDB_FIELD);
    } else if (c->cdb[0] == SCSI_INQUIRY) {
        scsi_inquiry(c, lun);
    } else if (c->cdb[0] == SCSI_REPORT_LUNS) {
        scsi_report_luns(c);
    } else if (c->cdb[0] == SCSI_REQUEST_SENSE) {
        request_sense(c);
    } else if (!c->dev) {
        c->no_unit = true;
        scsi_illegal(c, SCSI_ASC_NO_UNIT);
    } else if (c->type == SCSI_TYPE_DVD) {
        execute_dvd(c);
    } else {
        execute_disk(c);
    }
}
