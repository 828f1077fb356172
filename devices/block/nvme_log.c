/*
 * devices/block/nvme_log.c: features (NVMe 5.21), log pages (5.14) and asynchronous events (5.2).
 *
 * The only events are errors of doorbells; temperature and health never change.
 */
#include <string.h>

#include "devices/block/nvme_int.h"
#include "lib/log.h"

#define TEMPERATURE 308 /* Kelvin */

/* ---- features ---- */

void nvme_features_reset(struct nvme *n)
{
    memset(n->feature, 0, sizeof n->feature);
    n->feature[NVME_FEAT_TEMPERATURE] = 343;
    n->feature[NVME_FEAT_WRITE_CACHE] = 1;
    n->feature[NVME_FEAT_QUEUES] = (NVME_QUEUES - 2) << 16 | (NVME_QUEUES - 2);
}

static bool is_feature(uint32_t id)
{
    return id >= NVME_FEAT_ARBITRATION && id < NVME_FEAT_COUNT && id != 3;
}

struct nvme_result nvme_get_features(struct nvme *n, const struct nvme_sqe *c)
{
    const uint32_t id = c->dw10 & 0xff;
    if (!is_feature(id))
        return NVME_FAIL(NVME_INVALID_FIELD);
    if (id == NVME_FEAT_VECTOR)
        return (c->dw11 & 0xffff) < NVME_QUEUES ? (struct nvme_result){.value = c->dw11 & 0xffff}
                                                : NVME_FAIL(NVME_INVALID_FIELD);
    return (struct nvme_result){.value = n->feature[id]};
}

struct nvme_result nvme_set_features(struct nvme *n, const struct nvme_sqe *c)
{
    const uint32_t id = c->dw10 & 0xff;
    if (!is_feature(id))
        return NVME_FAIL(NVME_INVALID_FIELD);
    if (c->dw10 >> 31)
        return NVME_FAIL(NVME_NOT_SAVEABLE);
    switch (id) {
    case NVME_FEAT_QUEUES: /* what was asked for, or what there is */
        if ((c->dw11 & 0xffff) == 0xffff || c->dw11 >> 16 == 0xffff)
            return NVME_FAIL(NVME_INVALID_FIELD);
        return (struct nvme_result){.value = n->feature[id]};
    case NVME_FEAT_VECTOR:
        return (c->dw11 & 0xffff) < NVME_QUEUES ? (struct nvme_result){0}
                                                : NVME_FAIL(NVME_INVALID_FIELD);
    case NVME_FEAT_POWER:
        if (c->dw11 & 31)
            return NVME_FAIL(NVME_INVALID_FIELD);
        break;
    default:
        break;
    }
    n->feature[id] = c->dw11;
    return (struct nvme_result){0};
}

/* ---- events ---- */

static void report_event(struct nvme *n)
{
    if (!n->events || !n->event_pending || n->event_masked)
        return;
    const struct nvme_cq *const q = &n->cq[0];
    if ((q->tail + 1) % q->size == q->head)
        return; /* no room; with the next event or request */
    const uint16_t cid = n->event_cid[--n->events];
    const struct nvme_result r = {.value = (uint32_t)(n->event_pending - 1) << 8 |
                                           (uint32_t)NVME_LOG_ERROR << 16};
    n->event_pending = 0;
    n->event_masked = 1;
    nvme_post(n, 0, cid, &r);
}

void nvme_error_event(struct nvme *n, uint8_t information)
{
    n->event_pending = (uint8_t)(information + 1);
    report_event(n);
}

struct nvme_result nvme_async_event(struct nvme *n, const struct nvme_sqe *c)
{
    if (n->events == NVME_EVENTS)
        return NVME_FAIL(NVME_TOO_MANY_EVENTS);
    n->event_cid[n->events++] = c->cid;
    report_event(n);
    return (struct nvme_result){.is_deferred = true};
}

bool nvme_abort_event(struct nvme *n, uint16_t cid)
{
    for (unsigned i = 0; i < n->events; i++) {
        if (n->event_cid[i] != cid)
            continue;
        const struct nvme_cq *const q = &n->cq[0];
        if ((q->tail + 2) % q->size == q->head || (q->tail + 1) % q->size == q->head)
            return false; /* Abort itself needs an entry too */
        n->event_cid[i] = n->event_cid[--n->events];
        const struct nvme_result r = NVME_FAIL(NVME_ABORT_REQUESTED);
        nvme_post(n, 0, cid, &r);
        return true;
    }
    return false;
}

/* ---- logs ---- */

void nvme_log_error(struct nvme *n, uint32_t sq, const struct nvme_sqe *c, uint16_t status)
{
    struct nvme_error_entry *const e = &n->error[n->errors % NVME_ERRORS];
    *e = (struct nvme_error_entry){
        .count = ++n->errors,
        .sq_id = (uint16_t)sq,
        .cid = c->cid,
        .status = (uint16_t)(status << 1),
        .location = 0xffff,
        .lba = sq ? (uint64_t)c->dw11 << 32 | c->dw10 : 0,
        .nsid = c->nsid,
    };
}

static size_t error_page(const struct nvme *n, uint8_t *p)
{
    const uint64_t there = n->errors < NVME_ERRORS ? n->errors : NVME_ERRORS;
    for (uint64_t i = 0; i < there; i++) /* newest first */
        memcpy(p + 64 * i, &n->error[(n->errors - 1 - i) % NVME_ERRORS], 64);
    return sizeof n->error;
}

static void put_units(uint8_t *p, uint64_t v)
{
    memcpy(p, &v, 8);
}

static size_t health_page(const struct nvme *n, uint8_t *p)
{
    const uint16_t t = TEMPERATURE;
    memcpy(p + 1, &t, 2);
    p[3] = 100; /* available spare */
    p[4] = 10;
    put_units(p + 32, (n->read_units + 999) / 1000);
    put_units(p + 48, (n->write_units + 999) / 1000);
    put_units(p + 64, n->reads);
    put_units(p + 80, n->writes);
    put_units(p + 112, 1); /* power cycles */
    put_units(p + 176, n->errors);
    return 512;
}

static size_t firmware_page(uint8_t *p)
{
    p[0] = 1; /* slot 1 runs */
    memcpy(p + 8, "1       ", 8);
    return 512;
}

static size_t commands_page(uint8_t *p)
{
    static const uint8_t admin[] = {
        NVME_ADM_DELETE_SQ,    NVME_ADM_CREATE_SQ,   NVME_ADM_GET_LOG, NVME_ADM_DELETE_CQ,
        NVME_ADM_CREATE_CQ,    NVME_ADM_IDENTIFY,    NVME_ADM_ABORT,   NVME_ADM_SET_FEATURES,
        NVME_ADM_GET_FEATURES, NVME_ADM_ASYNC_EVENT,
    };
    static const uint8_t io[] = {NVME_IO_FLUSH,   NVME_IO_WRITE,        NVME_IO_READ,
                                 NVME_IO_COMPARE, NVME_IO_WRITE_ZEROES, NVME_IO_DSM};
    for (size_t i = 0; i < sizeof admin; i++)
        p[4 * admin[i]] = 1;
    for (size_t i = 0; i < sizeof io; i++)
        p[1024 + 4 * io[i]] = 1;
    p[1024 + 4 * NVME_IO_WRITE] |= 2; /* changes contents */
    p[1024 + 4 * NVME_IO_WRITE_ZEROES] |= 2;
    p[1024 + 4 * NVME_IO_DSM] |= 2;
    return NVME_PAGE;
}

struct nvme_result nvme_get_log(struct nvme *n, const struct nvme_sqe *c)
{
    uint8_t page[NVME_PAGE] = {0};
    const uint64_t wanted = ((uint64_t)(c->dw11 & 0xffff) << 16 | c->dw10 >> 16) * 4 + 4;
    const uint64_t offset = (uint64_t)c->dw13 << 32 | c->dw12;
    size_t size;
    switch (c->dw10 & 0xff) {
    case NVME_LOG_ERROR:
        size = error_page(n, page);
        if (!(c->dw10 >> 15 & 1)) { /* retain event */
            n->event_masked = 0;
            report_event(n);
        }
        break;
    case NVME_LOG_HEALTH:
        size = health_page(n, page);
        break;
    case NVME_LOG_FIRMWARE:
        size = firmware_page(page);
        break;
    case NVME_LOG_COMMANDS:
        size = commands_page(page);
        break;
    default:
        return NVME_FAIL(NVME_INVALID_LOG);
    }
    if (offset > size || offset & 3)
        return NVME_FAIL(NVME_INVALID_FIELD);
    const uint64_t len = wanted < size - offset ? wanted : size - offset;
    return nvme_data(n, c, page + offset, len, false);
}
