/*
 * devices/block/nvme_admin.c: admin commands (NVMe 5): queues, Identify, Abort.
 */
#include <stdio.h>
#include <string.h>

#include "devices/block/nvme_int.h"
#include "lib/bytes.h"
#include "lib/log.h"

/* Text fields are padded with blanks. */
static void put_text(uint8_t *p, size_t size, const char *text)
{
    memset(p, ' ', size);
    memcpy(p, text, strlen(text));
}

/* ---- queues ---- */

static bool is_new_queue(uint32_t id, uint32_t size)
{
    return id && id < NVME_QUEUES && !size;
}

static uint16_t check_queue(const struct nvme_sqe *c)
{
    const uint32_t entries = (c->dw10 >> 16) + 1;
    if (entries < 2 || entries > NVME_DEPTH)
        return NVME_QUEUE_SIZE;
    if (!(c->dw11 & 1)) /* must be contiguous: CAP.CQR */
        return NVME_INVALID_FIELD;
    return c->prp1 & (NVME_PAGE - 1) || !c->prp1 ? NVME_PRP_OFFSET : NVME_OK;
}

static struct nvme_result create_cq(struct nvme *n, const struct nvme_sqe *c)
{
    const uint32_t id = c->dw10 & 0xffff, vector = c->dw11 >> 16;
    const uint16_t bad = check_queue(c);
    if (id >= NVME_QUEUES || !is_new_queue(id, n->cq[id].size))
        return NVME_FAIL(NVME_QUEUE_ID);
    if (bad || NVME_CC_IOCQES(n->cc) != 4)
        return NVME_FAIL(bad ? bad : NVME_QUEUE_SIZE);
    if (vector >= NVME_QUEUES || (vector && !pci_msix_enabled(&n->f)))
        return NVME_FAIL(NVME_INVALID_VECTOR);
    n->cq[id] = (struct nvme_cq){
        .base = c->prp1,
        .size = (c->dw10 >> 16) + 1,
        .phase = 1,
        .vector = vector,
        .ien = c->dw11 >> 1 & 1,
    };
    return (struct nvme_result){0};
}

static struct nvme_result create_sq(struct nvme *n, const struct nvme_sqe *c)
{
    const uint32_t id = c->dw10 & 0xffff, cq = c->dw11 >> 16;
    const uint16_t bad = check_queue(c);
    if (id >= NVME_QUEUES || !is_new_queue(id, n->sq[id].size))
        return NVME_FAIL(NVME_QUEUE_ID);
    if (cq == 0 || cq >= NVME_QUEUES || !n->cq[cq].size)
        return NVME_FAIL(NVME_CQ_INVALID);
    if (bad || NVME_CC_IOSQES(n->cc) != 6)
        return NVME_FAIL(bad ? bad : NVME_QUEUE_SIZE);
    n->sq[id] = (struct nvme_sq){.base = c->prp1, .size = (c->dw10 >> 16) + 1, .cq = cq};
    return (struct nvme_result){0};
}

static struct nvme_result delete_sq(struct nvme *n, const struct nvme_sqe *c)
{
    const uint32_t id = c->dw10 & 0xffff;
    if (!id || id >= NVME_QUEUES || !n->sq[id].size)
        return NVME_FAIL(NVME_QUEUE_ID);
    n->sq[id] = (struct nvme_sq){0};
    return (struct nvme_result){0};
}

static struct nvme_result delete_cq(struct nvme *n, const struct nvme_sqe *c)
{
    const uint32_t id = c->dw10 & 0xffff;
    if (!id || id >= NVME_QUEUES || !n->cq[id].size)
        return NVME_FAIL(NVME_QUEUE_ID);
    for (unsigned i = 1; i < NVME_QUEUES; i++) {
        if (n->sq[i].size && n->sq[i].cq == id)
            return NVME_FAIL(NVME_QUEUE_DELETION);
    }
    n->cq[id] = (struct nvme_cq){0};
    return (struct nvme_result){0};
}

/* ---- identify ---- */

static void identify_controller(const struct nvme *n, uint8_t *p)
{
    put_le16(p + NVME_IDC_VID, NVME_PCI_VENDOR);
    put_le16(p + NVME_IDC_SSVID, NVME_PCI_VENDOR);
    put_text(p + NVME_IDC_SERIAL, 20, "VITRINE0001");
    put_text(p + NVME_IDC_MODEL, 40, "Vitrine NVMe");
    put_text(p + NVME_IDC_FIRMWARE, 8, "1");
    p[NVME_IDC_RAB] = 6;
    p[NVME_IDC_OUI + 2] = 0x02; /* locally administered */
    p[NVME_IDC_MDTS] = NVME_MDTS;
    put_le32(p + NVME_IDC_VERSION, NVME_VERSION_1_4);
    p[NVME_IDC_TYPE] = 1; /* I/O controller */
    p[NVME_IDC_ACL] = 3;
    p[NVME_IDC_AERL] = NVME_EVENTS - 1;
    p[NVME_IDC_FRMW] = 1 << 1 | 1;     /* one slot, read-only */
    p[NVME_IDC_LPA] = 1 << 1 | 1 << 2; /* commands supported; offsets */
    p[NVME_IDC_ELPE] = NVME_ERRORS - 1;
    put_le16(p + NVME_IDC_WCTEMP, 343);
    put_le16(p + NVME_IDC_CCTEMP, 353);
    p[NVME_IDC_SQES] = 6 << 4 | 6;
    p[NVME_IDC_CQES] = 4 << 4 | 4;
    put_le32(p + NVME_IDC_NN, n->disks);
    put_le16(p + NVME_IDC_ONCS, NVME_ONCS_COMPARE | NVME_ONCS_DSM | NVME_ONCS_WRITE_ZEROES);
    p[NVME_IDC_VWC] = 3 << 1 | 1; /* a volatile cache; flush takes the broadcast identifier */
    strcpy((char *)p + NVME_IDC_SUBNQN,
           "nqn.2014-08.org.nvmexpress:uuid:76697472-696e-4500-8000-000000000001");
    put_le16(p + NVME_IDC_POWER0, 500); /* 5 W */
}

static void put_eui64(uint8_t *p, uint32_t nsid)
{
    static const uint8_t prefix[4] = {0x02, 'V', 'I', 'T'};
    memcpy(p, prefix, 4);
    p[4] = (uint8_t)(nsid >> 24);
    p[5] = (uint8_t)(nsid >> 16);
    p[6] = (uint8_t)(nsid >> 8);
    p[7] = (uint8_t)nsid;
}

static void identify_namespace(const struct nvme *n, uint32_t nsid, uint8_t *p)
{
    const struct disk *const d = n->disk[nsid - 1];
    put_le64(p + NVME_IDN_SIZE, d->size / DISK_SECTOR);
    put_le64(p + NVME_IDN_CAPACITY, d->size / DISK_SECTOR);
    put_le64(p + NVME_IDN_USED, d->size / DISK_SECTOR);
    p[NVME_IDN_DLFEAT] = 1 << 3 | 1; /* deallocated blocks read as zeros, Write Zeroes does it */
    p[NVME_IDN_NSATTR] = d->read_only;
    put_eui64(p + NVME_IDN_EUI64, nsid);
    p[NVME_IDN_LBAF0 + 2] = 9; /* 512 bytes, no metadata */
}

static struct nvme_result identify(struct nvme *n, const struct nvme_sqe *c)
{
    uint8_t page[NVME_PAGE] = {0};
    const uint32_t nsid = c->nsid;
    const bool is_there = nsid && nsid <= n->disks;
    switch (c->dw10 & 0xff) {
    case NVME_CNS_NAMESPACE:
        if (!is_there)
            return NVME_FAIL(NVME_INVALID_NAMESPACE);
        identify_namespace(n, nsid, page);
        break;
    case NVME_CNS_CONTROLLER:
        identify_controller(n, page);
        break;
    case NVME_CNS_ACTIVE:
        if (nsid >= NVME_BROADCAST - 1)
            return NVME_FAIL(NVME_INVALID_NAMESPACE);
        for (uint32_t i = nsid, at = 0; i < n->disks; i++, at += 4)
            put_le32(page + at, i + 1);
        break;
    case NVME_CNS_DESCRIPTORS:
        if (!is_there)
            return NVME_FAIL(NVME_INVALID_NAMESPACE);
        page[0] = 1; /* EUI64 */
        page[1] = 8;
        put_eui64(page + 4, nsid);
        break;
    default:
        return NVME_FAIL(NVME_INVALID_FIELD);
    }
    return nvme_data(n, c, page, sizeof page, false);
}

/* ---- all ---- */

/* Commands that wait in a queue are as good as executed; only event requests can be taken back. */
static struct nvme_result abort_command(struct nvme *n, const struct nvme_sqe *c)
{
    const bool done = (c->dw10 & 0xffff) == 0 && nvme_abort_event(n, (uint16_t)(c->dw10 >> 16));
    return (struct nvme_result){.value = !done};
}

struct nvme_result nvme_admin(struct nvme *n, const struct nvme_sqe *c)
{
    switch (c->opcode) {
    case NVME_ADM_DELETE_SQ:
        return delete_sq(n, c);
    case NVME_ADM_CREATE_SQ:
        return create_sq(n, c);
    case NVME_ADM_GET_LOG:
        return nvme_get_log(n, c);
    case NVME_ADM_DELETE_CQ:
        return delete_cq(n, c);
    case NVME_ADM_CREATE_CQ:
        return create_cq(n, c);
    case NVME_ADM_IDENTIFY:
        return identify(n, c);
    case NVME_ADM_ABORT:
        return abort_command(n, c);
    case NVME_ADM_SET_FEATURES:
        return nvme_set_features(n, c);
    case NVME_ADM_GET_FEATURES:
        return nvme_get_features(n, c);
    case NVME_ADM_ASYNC_EVENT:
        return nvme_async_event(n, c);
    default:
        LOG_STUB("nvme", "admin command 0x%02x", c->opcode);
        return NVME_FAIL(NVME_INVALID_OPCODE);
    }
}
