/*
 * devices/block/nvme.c: NVM Express 1.4 controller (NVMe 3, 4, 7): registers, doorbells, queues,
 * interrupts, and when things happen.
 *
 * Time: one command at a time. A doorbell of an idle controller is answered after 8 us, each
 * command takes 2 us and its bytes 2 GB/s of virtual time; data and completion appear at the end.
 * Nothing is read from guest memory while an instruction runs, only in the event.
 *
 * Hostile guests: queue addresses, sizes, heads and tails are checked when set; memory that is not
 * there gives the fatal status of the specification (CSTS.CFS) or a failed command.
 * Not modelled: memory pages other than 4 KiB, SGLs, metadata, controller memory buffer, namespace
 * management, firmware download, weighted arbitration, interrupt coalescing (stored), NVM sets.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/block/nvme_int.h"
#include "lib/log.h"

#define START_NS     8000u
#define COMMAND_NS   2000u
#define BYTES_PER_NS 2u
#define BAR_SIZE     0x4000u
#define CAPABILITIES ((NVME_DEPTH - 1) | NVME_CAP_CQR | NVME_CAP_TO(20) | NVME_CAP_CSS_NVM)

static const struct field fields[] = {
    PCI_FUNC_FIELDS,
    FIELD(struct nvme, cc, 0, "controller configuration"),
    FIELD(struct nvme, csts, 0, "controller status"),
    FIELD(struct nvme, intms, 0, "interrupt mask"),
    FIELD(struct nvme, aqa, 0, "admin queue sizes"),
    FIELD(struct nvme, asq, 0, "admin submission queue"),
    FIELD(struct nvme, acq, 0, "admin completion queue"),
    {"sq", offsetof(struct nvme, sq), 4, sizeof(struct nvme_sq) / 4 * NVME_QUEUES, 0,
     "submission queues, word by word"},
    {"cq", offsetof(struct nvme, cq), 4, sizeof(struct nvme_cq) / 4 * NVME_QUEUES, 0,
     "completion queues, word by word"},
    FIELD(struct nvme, turn, 0, "queue served last"),
    FIELD(struct nvme, due_ns, CLOCK_NEVER, "time of the next command"),
    FIELD_ARRAY(struct nvme, feature, 0, "features"),
    FIELD_ARRAY(struct nvme, event_cid, 0, "waiting event requests"),
    FIELD(struct nvme, events, 0, "how many"),
    FIELD(struct nvme, event_pending, 0, "event not reported yet"),
    FIELD(struct nvme, event_masked, 0, "event reported, log not read"),
    FIELD(struct nvme, errors, 0, "entries ever logged"),
    {"error", offsetof(struct nvme, error), 8, sizeof(struct nvme_error_entry) / 8 * NVME_ERRORS, 0,
     "error log"},
    FIELD(struct nvme, reads, 0, "read commands"),
    FIELD(struct nvme, writes, 0, "write commands"),
    FIELD(struct nvme, read_units, 0, "512-byte units read"),
    FIELD(struct nvme, write_units, 0, "512-byte units written"),
    FIELD_ARRAY(struct nvme, content, 0, "what was written to each disk"),
    FIELD_END,
};

/* ---- interrupts ---- */

static bool cq_waits(const struct nvme_cq *q)
{
    return q->size && q->ien && q->head != q->tail;
}

/* The pin is a level: some queue has entries that the guest has not taken. */
static void update_pin(struct nvme *n)
{
    int level = 0;
    for (unsigned i = 0; i < NVME_QUEUES; i++)
        level |= cq_waits(&n->cq[i]) && !(n->intms >> (n->cq[i].vector & 31) & 1);
    pci_intx_set(&n->f, level);
}

static void fatal(struct nvme *n, const char *what, uint64_t at)
{
    LOG_GUEST("nvme", "%s at 0x%llx: the controller gives up", what, (unsigned long long)at);
    n->csts |= NVME_CSTS_CFS;
    n->due_ns = CLOCK_NEVER;
    clock_cancel(n->clock, &n->work);
}

static bool is_running(const struct nvme *n)
{
    return (n->csts & (NVME_CSTS_RDY | NVME_CSTS_CFS)) == NVME_CSTS_RDY;
}

/* ---- queues ---- */

static bool cq_is_full(const struct nvme_cq *q)
{
    return (q->tail + 1) % q->size == q->head;
}

void nvme_post(struct nvme *n, uint32_t sq, uint16_t cid, const struct nvme_result *r)
{
    struct nvme_cq *const q = &n->cq[n->sq[sq].cq];
    const struct nvme_cqe e = {
        .result = r->value,
        .sq_head = (uint16_t)n->sq[sq].head,
        .sq_id = (uint16_t)sq,
        .cid = cid,
        .status = (uint16_t)(r->status << 1 | q->phase),
    };
    const uint64_t at = q->base + q->tail * sizeof e;
    if (!dma_write(&n->f.dma, iova(at), &e, sizeof e)) {
        fatal(n, "no memory behind a completion queue", at);
        return;
    }
    q->tail = (q->tail + 1) % q->size;
    q->phase ^= q->tail == 0;
    if (q->ien)
        pci_msix_send(&n->f, (uint16_t)q->vector);
    update_pin(n);
}

/* The next queue with a command that can be completed: admin first, the others in turn. */
static int find_work(const struct nvme *n)
{
    for (unsigned k = 0; k < NVME_QUEUES; k++) {
        const unsigned i = k == 0 ? 0 : (n->turn + k - 1) % (NVME_QUEUES - 1) + 1;
        const struct nvme_sq *const q = &n->sq[i];
        if (q->size && q->head != q->tail && !cq_is_full(&n->cq[q->cq]))
            return (int)i;
    }
    return -1;
}

static void arm(struct nvme *n, uint64_t when)
{
    n->due_ns = when;
    clock_arm(n->clock, &n->work, when);
}

void nvme_kick(struct nvme *n)
{
    if (is_running(n) && n->due_ns == CLOCK_NEVER && find_work(n) >= 0)
        arm(n, clock_now(n->clock) + START_NS);
}

static struct nvme_result execute(struct nvme *n, unsigned sq, const struct nvme_sqe *c)
{
    struct nvme_result r;
    if (c->flags & 0xc3) /* SGLs, fused commands */
        r = NVME_FAIL(NVME_INVALID_FIELD);
    else
        r = sq ? nvme_io(n, c) : nvme_admin(n, c);
    for (unsigned i = 0; i < n->disks; i++)
        n->content[i] = n->disk[i]->digest;
    return r;
}

/* The event: one command from fetch to completion. */
static void work(void *opaque, uint64_t now)
{
    struct nvme *const n = opaque;
    struct nvme_sqe c;
    n->due_ns = CLOCK_NEVER;
    const int i = is_running(n) ? find_work(n) : -1;
    if (i < 0)
        return;
    struct nvme_sq *const q = &n->sq[i];
    const uint64_t at = q->base + q->head * sizeof c;
    if (!dma_read(&n->f.dma, iova(at), &c, sizeof c)) {
        fatal(n, "no memory behind a submission queue", at);
        return;
    }
    q->head = (q->head + 1) % q->size;
    n->turn = i ? (uint32_t)i : n->turn;
    const struct nvme_result r = execute(n, (unsigned)i, &c);
    if (r.status)
        nvme_log_error(n, (uint32_t)i, &c, r.status);
    if (!r.is_deferred)
        nvme_post(n, (uint32_t)i, c.cid, &r);
    if (is_running(n) && find_work(n) >= 0)
        arm(n, now + COMMAND_NS + r.bytes / BYTES_PER_NS);
}

/* ---- registers ---- */

static void stop(struct nvme *n)
{
    memset(n->sq, 0, sizeof n->sq);
    memset(n->cq, 0, sizeof n->cq);
    n->csts = 0;
    n->turn = 0;
    n->due_ns = CLOCK_NEVER;
    clock_cancel(n->clock, &n->work);
    n->events = n->event_pending = n->event_masked = 0;
    nvme_features_reset(n);
    update_pin(n);
}

static void start(struct nvme *n)
{
    const uint32_t sq = (n->aqa & 0xfff) + 1, cq = (n->aqa >> 16 & 0xfff) + 1;
    if (NVME_CC_MPS(n->cc) || NVME_CC_CSS(n->cc) || NVME_CC_AMS(n->cc) || sq < 2 || cq < 2) {
        fatal(n, "impossible configuration", n->cc);
        return;
    }
    n->sq[0] = (struct nvme_sq){.base = n->asq, .size = sq};
    n->cq[0] = (struct nvme_cq){.base = n->acq, .size = cq, .phase = 1, .ien = 1};
    n->csts |= NVME_CSTS_RDY;
}

static void cc_write(struct nvme *n, uint32_t v)
{
    const uint32_t was = n->cc;
    n->cc = v & NVME_CC_MASK;
    if (!(was & NVME_CC_EN) && (v & NVME_CC_EN))
        start(n);
    else if ((was & NVME_CC_EN) && !(v & NVME_CC_EN))
        stop(n);
    n->csts &= ~NVME_CSTS_SHST_MASK;
    if (NVME_CC_SHN(v)) {
        for (unsigned i = 0; i < n->disks; i++)
            disk_flush(n->disk[i]);
        n->csts |= NVME_CSTS_SHST_DONE;
    }
}

static void doorbell(struct nvme *n, unsigned index, uint32_t value)
{
    const unsigned i = index / 2;
    const bool is_cq = index & 1;
    const uint32_t size = i >= NVME_QUEUES ? 0 : is_cq ? n->cq[i].size : n->sq[i].size;
    if (!is_running(n))
        return;
    if (!size) {
        LOG_GUEST("nvme", "doorbell of queue %u, which does not exist", i);
        nvme_error_event(n, 0);
        return;
    }
    bool is_good = value < size;
    if (is_cq && is_good) { /* only entries that were posted can be taken */
        struct nvme_cq *const q = &n->cq[i];
        is_good = (value + size - q->head) % size <= (q->tail + size - q->head) % size;
        if (is_good)
            q->head = value;
    } else if (is_good) {
        n->sq[i].tail = value;
    }
    if (!is_good) {
        LOG_GUEST("nvme", "doorbell of queue %u: value %u", i, value);
        nvme_error_event(n, 1);
        return;
    }
    update_pin(n);
    nvme_kick(n);
}

static uint32_t reg_read(const struct nvme *n, unsigned reg)
{
    switch (reg) {
    case NVME_CAP:
        return (uint32_t)CAPABILITIES;
    case NVME_CAP + 4:
        return (uint32_t)(CAPABILITIES >> 32);
    case NVME_VS:
        return NVME_VERSION_1_4;
    case NVME_INTMS:
    case NVME_INTMC:
        return n->intms;
    case NVME_CC:
        return n->cc;
    case NVME_CSTS:
        return n->csts;
    case NVME_AQA:
        return n->aqa;
    case NVME_ASQ:
        return (uint32_t)n->asq;
    case NVME_ASQ + 4:
        return (uint32_t)(n->asq >> 32);
    case NVME_ACQ:
        return (uint32_t)n->acq;
    case NVME_ACQ + 4:
        return (uint32_t)(n->acq >> 32);
    default:
        return 0;
    }
}

static void set_half(uint64_t *to, unsigned half, uint32_t v)
{
    *to = half ? (*to & 0xffffffffu) | (uint64_t)v << 32 : (*to & ~0xffffffffull) | v;
    *to &= ~(uint64_t)(NVME_PAGE - 1);
}

static void reg_write(struct nvme *n, unsigned reg, uint32_t v)
{
    switch (reg) {
    case NVME_INTMS:
        n->intms |= v;
        update_pin(n);
        break;
    case NVME_INTMC:
        n->intms &= ~v;
        update_pin(n);
        break;
    case NVME_CC:
        cc_write(n, v);
        break;
    case NVME_AQA:
        n->aqa = v & 0x0fff0fff;
        break;
    case NVME_ASQ:
    case NVME_ASQ + 4:
        set_half(&n->asq, reg - NVME_ASQ, v);
        break;
    case NVME_ACQ:
    case NVME_ACQ + 4:
        set_half(&n->acq, reg - NVME_ACQ, v);
        break;
    default:
        LOG_GUEST("nvme", "write of register 0x%x", reg);
        break;
    }
}

/* The registers are words; narrower reads give a part, narrower writes are illegal (NVMe 3.1). */
static uint64_t bar_read(void *dev, uint64_t offset, unsigned size)
{
    const struct nvme *const n = dev;
    const uint32_t v = offset < NVME_DOORBELL ? reg_read(n, (unsigned)offset & ~3u) : 0;
    (void)size;
    return v >> 8 * (offset & 3);
}

static void bar_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    struct nvme *const n = dev;
    if (size != 4 || offset & 3)
        LOG_GUEST("nvme", "write of %u bytes at 0x%x", size, (unsigned)offset);
    else if (offset >= NVME_DOORBELL)
        doorbell(n, (unsigned)(offset - NVME_DOORBELL) / 4, (uint32_t)value & 0xffff);
    else
        reg_write(n, (unsigned)offset, (uint32_t)value);
}
static const struct bus_ops bar_ops = {bar_read, bar_write, 4};

/* ---- life ---- */

static void nvme_reset(struct dev *d)
{
    struct nvme *const n = (struct nvme *)d;
    stop(n);
    for (unsigned i = 0; i < n->disks; i++)
        n->content[i] = n->disk[i]->digest; /* a reset does not erase disks */
    pci_func_reset(&n->f);
}

static void nvme_free(struct dev *d)
{
    free(d);
}

static const struct dev_class nvme_class = {"nvme", fields, nvme_reset, nvme_free, NULL};

struct pci_func *nvme_new(struct clock *clock, const struct dma *dma, const struct msi_sink *msi,
                          struct disk *const *disks, unsigned count)
{
    struct nvme *const n = calloc(1, sizeof *n);
    if (!n)
        return NULL;
    n->f.dev = (struct dev){.cls = &nvme_class, .id = "nvme"};
    n->f.dma = *dma;
    n->f.msi = *msi;
    n->clock = clock;
    n->disks = count < NVME_NAMESPACES_MAX ? count : NVME_NAMESPACES_MAX;
    memcpy(n->disk, disks, n->disks * sizeof *disks);
    clock_event_init(clock, &n->work, "nvme", 50, work, n);
    pci_func_init(&n->f, NVME_PCI_VENDOR, NVME_PCI_DEVICE, 0x01080200, NVME_PCI_VENDOR,
                  NVME_PCI_DEVICE);
    pci_add_bar64(&n->f, 0, BAR_SIZE, &bar_ops);
    pci_add_msix(&n->f, 4, NVME_QUEUES);
    pci_add_intx(&n->f, 1);
    return &n->f;
}
