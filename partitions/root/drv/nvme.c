/*
 * drv/nvme.c: the first NVM Express controller (NVMe 1.4: 3.1 registers, 4 queues and PRP lists, 5
 * and 6 commands, 7.6.1 start) as one blk_device per namespace.
 *
 * One pair of I/O queues: the root has one processor. Data moves straight between the disk and the
 * pages that a request names; longer requests have a PRP list in a page of their slot. Requests
 * that find no free slot wait in order. Completions come by MSI-X, or without it by a timer. A
 * command that takes longer than 10 s, or a controller that declares itself broken, leads to a
 * reset: what was under way completes with BLK_EABORTED; when the reset fails too, the disks are
 * gone and so is the controller's access to memory.
 *
 * Not modelled: further controllers, metadata, SGLs, events, namespaces that come or go, power
 * states.
 */
#include "partitions/root/drv/drv.h"
#include "partitions/root/kern/kern.h"
#include "abi/nvme.h"
#include "abi/pci.h"
#include "vmbus/vsp/blk.h"

#define NVME_CLASS      0x010802u
#define ADMIN_ENTRIES   16u
#define IO_ENTRIES      64u
#define IO_SLOTS        (IO_ENTRIES - 1)
#define MAX_BYTES       (1u << 20) /* of a request: its PRP list fits into one page */
#define COMMAND_NS      10000000000ull
#define ADMIN_NS        2000000000ull
#define READY_NS        500000000ull /* unit of CAP.TO */
#define TICK_NS         1000000000ull
#define TICK_NO_MSIX_NS 1000000ull

struct nvme_queue {
    volatile struct nvme_sqe *sq;
    volatile struct nvme_cqe *cq;
    uint64_t sq_pa, cq_pa;
    unsigned id, entries, tail, head, phase;
};

struct nvme_slot {
    struct blk_request *r; /* 0: free */
    uint64_t since;
    uint64_t list_pa; /* page of the PRP list, taken at first need */
};

struct nvme_disk {
    struct blk_device blk;
    uint32_t nsid;
};

static struct {
    struct pci_device pci;
    volatile uint8_t *regs;
    uint64_t cap;
    struct nvme_queue admin, io;
    uint32_t max_bytes;
    bool dead, resetting;
    bool has_cache, has_dsm;
    char serial[21];
    struct nvme_slot slot[IO_SLOTS];
    unsigned busy;
    struct blk_request *waiting, **waiting_end;
    struct ktimer timer;
    uint64_t tick_ns;
    struct nvme_disk *disk[NVME_DISKS];
    unsigned disks;
} nv;

/* ---- registers ---- */
static uint32_t reg_read(unsigned reg)
{
    return *(volatile uint32_t *)(nv.regs + reg);
}

static void reg_write(unsigned reg, uint32_t v)
{
    *(volatile uint32_t *)(nv.regs + reg) = v;
}

static void reg_write64(unsigned reg, uint64_t v)
{
    reg_write(reg, (uint32_t)v);
    reg_write(reg + 4, (uint32_t)(v >> 32));
}

static void doorbell(const struct nvme_queue *q, unsigned is_cq, unsigned value)
{
    barrier();
    reg_write(NVME_DOORBELL + ((2 * q->id + is_cq) * 4 << NVME_CAP_DSTRD(nv.cap)), value);
}

/* ---- queues ---- */
static void queue_reset(struct nvme_queue *q)
{
    q->tail = q->head = 0;
    q->phase = 1;
    memset((void *)q->cq, 0, q->entries * sizeof(struct nvme_cqe));
}

static bool queue_init(struct nvme_queue *q, unsigned id, unsigned entries)
{
    q->id = id;
    q->entries = entries;
    q->sq_pa = mm_alloc_zeroed(); /* 64 entries are a page */
    q->cq_pa = mm_alloc_zeroed();
    if (!q->sq_pa || !q->cq_pa)
        return false;
    q->sq = phys_to_virt(q->sq_pa);
    q->cq = phys_to_virt(q->cq_pa);
    queue_reset(q);
    return true;
}
_Static_assert(IO_ENTRIES * sizeof(struct nvme_sqe) <= 4096, "a page holds a submission queue");

static void queue_post(struct nvme_queue *q, const struct nvme_sqe *c)
{
    q->sq[q->tail] = *c;
    q->tail = (q->tail + 1) % q->entries;
    doorbell(q, 0, q->tail);
}

/* Takes the next completion out of the queue; the caller rings the doorbell. */
static bool queue_take(struct nvme_queue *q, struct nvme_cqe *e)
{
    volatile const struct nvme_cqe *at = &q->cq[q->head];
    if ((at->status & 1u) != q->phase)
        return false;
    barrier();
    *e = *at;
    q->head = (q->head + 1) % q->entries;
    q->phase ^= q->head == 0;
    return true;
}

/* One admin command, waited for. False: refused, or no answer. */
static bool admin(const struct nvme_sqe *c)
{
    struct nvme_cqe e;
    uint64_t start = time_now();
    queue_post(&nv.admin, c);
    while (!queue_take(&nv.admin, &e)) {
        if (time_now() - start > ADMIN_NS) {
            rt_log("nvme: admin command %x: no answer", c->opcode);
            return false;
        }
        cpu_pause();
    }
    doorbell(&nv.admin, 1, nv.admin.head);
    if (NVME_STATUS(e.status))
        rt_log("nvme: admin command %x: status %x", c->opcode, NVME_STATUS(e.status));
    return !NVME_STATUS(e.status);
}

/* ---- start and stop (NVMe 7.6.1) ---- */
static bool wait_ready(uint32_t want)
{
    uint64_t start = time_now();
    for (;;) {
        uint32_t csts = reg_read(NVME_CSTS);
        if (csts == 0xffffffff || (want && (csts & NVME_CSTS_CFS)))
            return false;
        if ((csts & NVME_CSTS_RDY) == want)
            return true;
        if (time_now() - start > (NVME_CAP_TIMEOUT(nv.cap) + 1) * READY_NS)
            return false;
        cpu_pause();
    }
}

static bool controller_stop(void)
{
    reg_write(NVME_CC, 0);
    return wait_ready(0);
}

static bool controller_start(void)
{
    queue_reset(&nv.admin);
    queue_reset(&nv.io);
    reg_write(NVME_AQA, (ADMIN_ENTRIES - 1) << 16 | (ADMIN_ENTRIES - 1));
    reg_write64(NVME_ASQ, nv.admin.sq_pa);
    reg_write64(NVME_ACQ, nv.admin.cq_pa);
    reg_write(NVME_CC, NVME_CC_ENTRIES | NVME_CC_EN);
    return wait_ready(NVME_CSTS_RDY);
}

static bool controller_queues(void)
{
    const struct nvme_sqe count = {.opcode = NVME_ADM_SET_FEATURES, .dw10 = NVME_FEAT_QUEUES};
    const uint32_t what = (nv.io.entries - 1) << 16 | nv.io.id;
    const struct nvme_sqe cq = {.opcode = NVME_ADM_CREATE_CQ,
                                .prp1 = nv.io.cq_pa,
                                .dw10 = what,
                                .dw11 = 3}; /* vector 0, interrupts, contiguous */
    const struct nvme_sqe sq = {.opcode = NVME_ADM_CREATE_SQ,
                                .prp1 = nv.io.sq_pa,
                                .dw10 = what,
                                .dw11 = nv.io.id << 16 | 1};
    return admin(&count) && admin(&cq) && admin(&sq);
}

/* ---- requests ---- */
static enum blk_status status_of(unsigned status, enum blk_op op)
{
    switch (status) {
    case NVME_OK:
        return BLK_OK;
    case NVME_INVALID_OPCODE:
    case NVME_INVALID_FIELD:
    case NVME_PRP_OFFSET:
        return BLK_EINVAL;
    case NVME_LBA_RANGE:
        return BLK_ERANGE;
    case NVME_READ_ONLY:
        return BLK_EREADONLY;
    case NVME_INVALID_NAMESPACE:
        return BLK_EGONE;
    case NVME_ABORT_REQUESTED:
        return BLK_EABORTED;
    default:
        return op == BLK_READ ? BLK_EREAD : BLK_EWRITE;
    }
}

static bool slot_list(struct nvme_slot *s)
{
    if (!s->list_pa)
        s->list_pa = mm_alloc(0);
    return s->list_pa != 0;
}

/* PRP entries (NVMe 4.3): the first page, then the second or the list of all others. */
static bool put_pages(struct nvme_slot *s, struct nvme_sqe *c)
{
    const struct blk_request *r = s->r;
    uint64_t *list = 0;
    unsigned n = 0;
    for (unsigned i = 0; i < r->segs; i++) {
        uint64_t at = r->seg[i].pa, end = at + r->seg[i].length;
        for (; at < end; at = (at & ~(uint64_t)(BLK_PAGE - 1)) + BLK_PAGE, n++) {
            if (n == 0) {
                c->prp1 = at;
            } else if (n == 1) {
                c->prp2 = at;
            } else {
                if (n == 2) {
                    if (!slot_list(s))
                        return false;
                    list = phys_to_virt(s->list_pa);
                    list[0] = c->prp2;
                    c->prp2 = s->list_pa;
                }
                list[n - 1] = at;
            }
        }
    }
    return true;
}

static bool put_unmap(struct nvme_slot *s, struct nvme_sqe *c)
{
    if (!slot_list(s))
        return false;
    struct nvme_range *range = phys_to_virt(s->list_pa);
    *range = (struct nvme_range){.blocks = s->r->count, .lba = s->r->lba};
    c->opcode = NVME_IO_DSM;
    c->prp1 = s->list_pa;
    c->dw11 = NVME_DSM_DEALLOCATE;
    return true;
}

static bool put_command(struct nvme_slot *s, struct nvme_sqe *c)
{
    const struct blk_request *r = s->r;
    if (r->op == BLK_FLUSH) {
        c->opcode = NVME_IO_FLUSH;
        return true;
    }
    if (r->op == BLK_UNMAP)
        return put_unmap(s, c);
    c->opcode = r->op == BLK_WRITE ? NVME_IO_WRITE : NVME_IO_READ;
    c->dw10 = (uint32_t)r->lba;
    c->dw11 = (uint32_t)(r->lba >> 32);
    c->dw12 = (r->count - 1) | (r->op == BLK_WRITE && r->force ? NVME_FORCE_UNIT_ACCESS : 0);
    return put_pages(s, c);
}

static void arm_tick(void)
{
    if (!nv.timer.armed)
        time_arm(&nv.timer, time_now() + nv.tick_ns);
}

/* Waiting requests into free slots. */
static void issue(void)
{
    for (unsigned i = 0; i < nv.io.entries - 1 && nv.waiting && !nv.resetting; i++) {
        struct nvme_slot *s = &nv.slot[i];
        if (s->r)
            continue;
        struct blk_request *r = nv.waiting;
        nv.waiting = r->next;
        if (!nv.waiting)
            nv.waiting_end = &nv.waiting;
        s->r = r;
        struct nvme_sqe c = {.cid = (uint16_t)i, .nsid = ((struct nvme_disk *)r->device)->nsid};
        if (!put_command(s, &c)) {
            s->r = 0;
            r->done(r, BLK_EABORTED);
            continue;
        }
        s->since = time_now();
        nv.busy++;
        queue_post(&nv.io, &c);
        arm_tick();
    }
}

static enum blk_status check(const struct blk_device *d, const struct blk_request *r)
{
    uint64_t bytes = 0;
    if (nv.dead)
        return BLK_EGONE;
    if (r->op == BLK_FLUSH)
        return BLK_OK;
    if (r->lba > d->blocks || r->count > d->blocks - r->lba)
        return BLK_ERANGE;
    if (r->op != BLK_READ && d->read_only)
        return BLK_EREADONLY;
    if (r->op == BLK_UNMAP)
        return d->has_unmap && r->count ? BLK_OK : BLK_EINVAL;
    for (unsigned i = 0; i < r->segs; i++)
        bytes += r->seg[i].length;
    if (!r->count || r->count > d->max_blocks || bytes != (uint64_t)r->count * d->block_size ||
        !blk_fits(r->seg, r->segs))
        return BLK_EINVAL;
    return BLK_OK;
}

static void submit(struct blk_device *d, struct blk_request *r)
{
    enum blk_status bad = check(d, r);
    if (bad) {
        r->done(r, bad);
        return;
    }
    r->device = d;
    r->next = 0;
    *nv.waiting_end = r;
    nv.waiting_end = &r->next;
    issue();
}

static void reap(void)
{
    struct nvme_cqe e;
    bool any = false;
    if (nv.dead || nv.resetting)
        return;
    while (queue_take(&nv.io, &e)) {
        any = true;
        struct nvme_slot *s = e.cid < IO_SLOTS ? &nv.slot[e.cid] : 0;
        if (!s || !s->r) {
            rt_log("nvme: completion of command %u, which is not under way", e.cid);
            continue;
        }
        struct blk_request *r = s->r;
        unsigned status = NVME_STATUS(e.status);
        s->r = 0;
        nv.busy--;
        if (status)
            rt_log("nvme: namespace %u: block %lu: status %x",
                   ((struct nvme_disk *)r->device)->nsid, r->lba, status);
        r->done(r, status_of(status, r->op));
    }
    if (any)
        doorbell(&nv.io, 1, nv.io.head);
    issue();
}

/* ---- errors ---- */
static void fail_all(enum blk_status status)
{
    for (unsigned i = 0; i < IO_SLOTS; i++) {
        struct blk_request *r = nv.slot[i].r;
        if (!r)
            continue;
        nv.slot[i].r = 0;
        nv.busy--;
        r->done(r, status);
    }
    while (nv.dead && nv.waiting) {
        struct blk_request *r = nv.waiting;
        nv.waiting = r->next;
        r->done(r, status);
    }
    if (!nv.waiting)
        nv.waiting_end = &nv.waiting;
}

static void recover(const char *why)
{
    rt_log("nvme: %s: reset, %u request(s) are lost", why, nv.busy);
    nv.resetting = true;
    nv.dead = !controller_stop() || !controller_start() || !controller_queues();
    if (nv.dead) {
        rt_log("nvme: the controller does not come back: its disks are gone");
        pci_write16(&nv.pci, PCI_COMMAND,
                    (uint16_t)(pci_read16(&nv.pci, PCI_COMMAND) & ~PCI_CMD_MASTER));
    }
    fail_all(nv.dead ? BLK_EGONE : BLK_EABORTED);
    nv.resetting = false;
    issue();
}

/* Looks at the clock and at the controller's health. */
static void look(void)
{
    uint64_t now = time_now();
    if (nv.dead || nv.resetting || !nv.busy)
        return;
    if (reg_read(NVME_CSTS) & NVME_CSTS_CFS) {
        recover("fatal status");
        return;
    }
    for (unsigned i = 0; i < IO_SLOTS; i++) {
        if (nv.slot[i].r && now - nv.slot[i].since > COMMAND_NS) {
            recover("a command takes too long");
            return;
        }
    }
}

static void interrupt(void *arg)
{
    (void)arg;
    reap();
}

static void tick(void *arg)
{
    (void)arg;
    reap();
    look();
    if (nv.busy)
        arm_tick();
}

static void poll(struct blk_device *d)
{
    (void)d;
    reap();
    look();
}

static const struct blk_ops nvme_ops = {submit, poll};

/* ---- namespaces ---- */
static bool identify(uint32_t nsid, uint32_t cns, uint64_t pa)
{
    const struct nvme_sqe c = {.opcode = NVME_ADM_IDENTIFY, .nsid = nsid, .prp1 = pa, .dw10 = cns};
    return admin(&c);
}

static uint64_t get(const uint8_t *p, unsigned bytes)
{
    uint64_t v = 0;
    memcpy(&v, p, bytes);
    return v;
}

static bool read_controller(uint64_t pa)
{
    const uint8_t *p = phys_to_virt(pa);
    if (!identify(0, NVME_CNS_CONTROLLER, pa))
        return false;
    unsigned mdts = p[NVME_IDC_MDTS];
    uint32_t page = BLK_PAGE << NVME_CAP_MPSMIN(nv.cap);
    nv.max_bytes = mdts && mdts < 8 ? page << mdts : MAX_BYTES;
    if (nv.max_bytes > MAX_BYTES)
        nv.max_bytes = MAX_BYTES;
    nv.has_cache = p[NVME_IDC_VWC] & 1;
    nv.has_dsm = get(p + NVME_IDC_ONCS, 2) & NVME_ONCS_DSM;
    unsigned n = 20;
    while (n && (p[NVME_IDC_SERIAL + n - 1] == ' ' || !p[NVME_IDC_SERIAL + n - 1]))
        n--;
    for (unsigned i = 0; i < n; i++) {
        uint8_t ch = p[NVME_IDC_SERIAL + i];
        nv.serial[i] = (char)(ch >= 0x20 && ch < 0x7f ? ch : '?');
    }
    return true;
}

static void add_namespace(uint32_t nsid, uint64_t pa)
{
    const uint8_t *p = phys_to_virt(pa);
    if (nv.disks == NVME_DISKS || !identify(nsid, NVME_CNS_NAMESPACE, pa))
        return;
    const uint8_t *format = p + NVME_IDN_LBAF0 + 4 * (p[NVME_IDN_FLBAS] & 15);
    unsigned shift = format[2];
    uint64_t blocks = get(p + NVME_IDN_SIZE, 8);
    if (shift < 9 || shift > 12 || get(format, 2) || !blocks || blocks >> 54) {
        rt_log("nvme: namespace %u: blocks of 2^%u bytes, metadata %lu: not used", nsid, shift,
               get(format, 2));
        return;
    }
    struct nvme_disk *d = kmalloc(sizeof(*d));
    if (!d)
        return;
    d->nsid = nsid;
    d->blk = (struct blk_device){.ops = &nvme_ops,
                                 .blocks = blocks,
                                 .block_size = 1u << shift,
                                 .max_blocks = nv.max_bytes >> shift,
                                 .read_only = p[NVME_IDN_NSATTR] & 1,
                                 .has_unmap = nv.has_dsm,
                                 .reads_zeros = (p[NVME_IDN_DLFEAT] & 7) == 1,
                                 .has_cache = nv.has_cache};
    memcpy(d->blk.eui64, p + NVME_IDN_EUI64, 8);
    memcpy(d->blk.serial, nv.serial, sizeof(d->blk.serial));
    nv.disk[nv.disks++] = d;
}

static bool bring_up(void)
{
    uint64_t pa = mm_alloc_zeroed(), list = mm_alloc_zeroed();
    unsigned entries = NVME_CAP_MQES(nv.cap) + 1;
    bool ok = pa && list && queue_init(&nv.admin, 0, ADMIN_ENTRIES) &&
              queue_init(&nv.io, 1, entries < IO_ENTRIES ? entries : IO_ENTRIES) &&
              !NVME_CAP_MPSMIN(nv.cap) && controller_stop() && controller_start() &&
              read_controller(pa) && controller_queues() && identify(0, NVME_CNS_ACTIVE, list);
    const uint32_t *nsid = phys_to_virt(list);
    for (unsigned i = 0; ok && i < BLK_PAGE / 4 && nsid[i]; i++)
        add_namespace(nsid[i], pa);
    if (pa)
        mm_free(pa, 0);
    if (list)
        mm_free(list, 0);
    return ok;
}

void nvme_init(void)
{
    if (!pci_find_class(NVME_CLASS, &nv.pci))
        return;
    pci_write16(&nv.pci, PCI_COMMAND,
                pci_read16(&nv.pci, PCI_COMMAND) | PCI_CMD_MEMORY | PCI_CMD_MASTER);
    nv.regs = vm_map_mmio(pci_bar(&nv.pci, 0), 2 * BLK_PAGE);
    nv.cap = *(volatile uint32_t *)(nv.regs + NVME_CAP) | (uint64_t)reg_read(NVME_CAP + 4) << 32;
    nv.waiting_end = &nv.waiting;
    nv.timer.fn = tick;
    trap_handle(VEC_NVME, interrupt, 0);
    nv.tick_ns = pci_msix(&nv.pci, VEC_NVME) ? TICK_NS : TICK_NO_MSIX_NS;
    if (!bring_up()) {
        rt_log("nvme: the controller does not start");
        controller_stop();
        nv.dead = true;
        return;
    }
    rt_log("nvme: %u disk(s), serial number %s, requests of %u KiB", nv.disks, nv.serial,
           nv.max_bytes >> 10);
}

struct blk_device *nvme_disk(uint32_t nsid)
{
    for (unsigned i = 0; i < nv.disks; i++)
        if (nv.disk[i]->nsid == nsid)
            return &nv.disk[i]->blk;
    return 0;
}

/* ---- self-test ---- */
#define TEST_PAGES 16u

struct nvme_test {
    struct blk_request r;
    struct thread *waiter;
    bool over;
    enum blk_status status;
};

static void test_done(struct blk_request *r, enum blk_status status)
{
    struct nvme_test *t = r->owner;
    t->over = true;
    t->status = status;
    if (t->waiter)
        sched_wake(t->waiter);
}

static enum blk_status test_io(struct blk_device *d, enum blk_op op, uint64_t lba, uint32_t count,
                               const struct blk_seg *seg, unsigned segs)
{
    struct nvme_test t = {.r = {.op = op,
                                .lba = lba,
                                .count = count,
                                .seg = seg,
                                .segs = segs,
                                .done = test_done,
                                .owner = &t}};
    d->ops->submit(d, &t.r);
    while (!t.over)
        sched_wait(&t.waiter, RT_NEVER);
    return t.status;
}

/* The start of the disk in one request over scattered pages, and block by block. */
static void test_disk(struct nvme_disk *n)
{
    struct blk_device *d = &n->blk;
    struct blk_seg seg[TEST_PAGES + 1];
    uint32_t per_page = BLK_PAGE / d->block_size;
    uint32_t pages = d->blocks < TEST_PAGES * per_page ? 1 : TEST_PAGES;
    uint32_t count = pages * per_page < d->blocks ? pages * per_page : (uint32_t)d->blocks;
    uint64_t first = mm_alloc(0), base = mm_alloc(5), one = mm_alloc(1);
    RT_ASSERT(first && base && one && count * d->block_size >= 1024);
    /* From the middle of a page on, then whole pages downwards. */
    uint32_t left = count * d->block_size, segs = 1;
    seg[0] = (struct blk_seg){first + 2048, left < 2048 ? left : 2048};
    for (left -= seg[0].length; left; segs++) {
        seg[segs].pa = base + (uint64_t)(2 * TEST_PAGES - 2 * segs) * BLK_PAGE;
        seg[segs].length = left < BLK_PAGE ? left : BLK_PAGE;
        left -= seg[segs].length;
    }
    RT_ASSERT(!test_io(d, BLK_READ, 0, count, seg, segs));
    uint64_t start = *(uint64_t *)phys_to_virt(seg[0].pa);
    uint32_t i = 0, at = 0;
    const struct blk_seg small = {one + BLK_PAGE - 4, d->block_size};
    for (uint32_t lba = 0; lba < count; lba++) {
        RT_ASSERT(!test_io(d, BLK_READ, lba, 1, &small, 1));
        for (uint32_t k = 0; k < d->block_size; k += 512, at += 512) {
            if (at == seg[i].length) {
                i++;
                at = 0;
            }
            RT_ASSERT(!memcmp(phys_to_virt(small.pa + k), phys_to_virt(seg[i].pa + at), 512));
        }
    }
    RT_ASSERT(!test_io(d, BLK_FLUSH, 0, 0, 0, 0));
    RT_ASSERT(test_io(d, BLK_READ, d->blocks, 1, &small, 1) == BLK_ERANGE);
    rt_log("selftest: nvme: namespace %u: %lu blocks of %u bytes, starts with %lx", n->nsid,
           d->blocks, d->block_size, start);
    mm_free(first, 0);
    mm_free(base, 5);
    mm_free(one, 1);
}

void nvme_selftest(void)
{
    for (unsigned i = 0; i < nv.disks; i++)
        test_disk(nv.disk[i]);
}
