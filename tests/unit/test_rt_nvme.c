/*
 * The root's NVMe driver against a controller made of memory: it acts whenever the driver asks for
 * the time or waits. Its PRP lists, its queueing, and what it does when commands fail or never end.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/root_mem.h"
#include "tests/lib/suite.h"

/* In place of kern/kern.h: physical addresses are host addresses. */
#define RT_KERN_H
#define RT_NEVER     ~0ull
#define VEC_NVME     0x51
#define RT_ASSERT(c) ck_assert(c)

struct thread;
struct ktimer {
    struct ktimer *next;
    uint64_t deadline;
    void (*fn)(void *arg);
    void *arg;
    bool armed;
};
typedef void trap_handler(void *arg);
struct pci_device;

static struct {
    uint32_t reg[2048];
    uint8_t disk[1u << 20];
    uint64_t now;
    unsigned logs, prps, commands;
    uint16_t admin_phase;
    unsigned sq_head[2], cq_tail[2], phase[2];
    uint64_t sq[2], cq[2];
    unsigned entries[2];
    uint16_t fail;      /* status of the next I/O command */
    bool hangs, broken; /* I/O gets no answer; nothing works after the next stop */
    bool is_master;
    uint32_t last_dw12, last_opcode;
    struct ktimer *timer;
    trap_handler *interrupt;
} fake;

static void fake_step(void);
static void rt_log(const char *fmt, ...)
{
    (void)fmt;
    fake.logs++;
}
static uint64_t time_now(void)
{
    fake_step();
    return fake.now += 1000;
}
static void time_arm(struct ktimer *t, uint64_t deadline)
{
    t->deadline = deadline;
    t->armed = true;
    fake.timer = t;
}
static void cpu_pause(void)
{
    fake.now += 100000;
}
static void barrier(void)
{
}
static volatile void *vm_map_mmio(uint64_t pa, uint64_t size)
{
    (void)pa;
    (void)size;
    return fake.reg;
}
static void trap_handle(unsigned vector, trap_handler *fn, void *arg)
{
    (void)vector;
    (void)arg;
    fake.interrupt = fn;
}
static bool sched_wait(struct thread **slot, uint64_t deadline)
{
    (void)slot;
    (void)deadline;
    fake_step();
    fake.interrupt(0);
    return true;
}
static void sched_wake(struct thread *t)
{
    (void)t;
}

#include "partitions/root/drv/nvme.c"

bool pci_find_class(uint32_t class, struct pci_device *out)
{
    (void)out;
    return class == 0x010802;
}
uint16_t pci_read16(const struct pci_device *d, unsigned reg)
{
    (void)d;
    (void)reg;
    return PCI_CMD_MASTER;
}
void pci_write16(const struct pci_device *d, unsigned reg, uint16_t v)
{
    (void)d;
    (void)reg;
    fake.is_master = v & PCI_CMD_MASTER;
}
uint64_t pci_bar(const struct pci_device *d, unsigned bar)
{
    (void)d;
    return bar;
}
bool pci_msix(const struct pci_device *d, unsigned vector)
{
    (void)d;
    return vector == VEC_NVME;
}

/* ---- the controller ---- */

static void fake_page(uint64_t at, uint64_t n, uint64_t *disk, bool is_write)
{
    fake.prps++;
    if (is_write)
        memcpy(fake.disk + *disk, phys_to_virt(at), n);
    else
        memcpy(phys_to_virt(at), fake.disk + *disk, n);
    *disk += n;
}

static void fake_data(const struct nvme_sqe *c)
{
    uint64_t left = ((c->dw12 & 0xffff) + 1) * 512ull, disk = (uint64_t)c->dw10 * 512;
    const bool is_write = c->opcode == NVME_IO_WRITE;
    uint64_t n = 4096 - c->prp1 % 4096;
    n = n < left ? n : left;
    fake_page(c->prp1, n, &disk, is_write);
    left -= n;
    const uint64_t *const list = left > 4096 ? phys_to_virt(c->prp2) : &c->prp2;
    for (unsigned i = 0; left; i++) {
        n = left < 4096 ? left : 4096;
        ck_assert_uint_lt(i, 512);
        ck_assert_uint_eq(list[i] % 4096, 0);
        fake_page(list[i], n, &disk, is_write);
        left -= n;
    }
}

static uint16_t fake_io(const struct nvme_sqe *c)
{
    const uint16_t fail = fake.fail;
    fake.fail = 0;
    fake.last_dw12 = c->dw12;
    fake.last_opcode = c->opcode;
    fake.commands++;
    ck_assert_uint_eq(c->nsid, 7);
    if (fail)
        return fail;
    if (c->opcode == NVME_IO_READ || c->opcode == NVME_IO_WRITE) {
        fake_data(c);
    } else if (c->opcode == NVME_IO_DSM) {
        const struct nvme_range *const r = phys_to_virt(c->prp1);
        ck_assert(c->dw10 == 0 && c->dw11 == 4);
        memset(fake.disk + r->lba * 512, 0, r->blocks * 512ull);
    } else {
        ck_assert_uint_eq(c->opcode, NVME_IO_FLUSH);
    }
    return 0;
}

static void fake_identify(const struct nvme_sqe *c)
{
    uint8_t *const p = phys_to_virt(c->prp1);
    memset(p, 0, 4096);
    if (c->dw10 == NVME_CNS_CONTROLLER) {
        memcpy(p + NVME_IDC_SERIAL, "FAKE\x01                ", 20);
        p[NVME_IDC_MDTS] = 5;
        p[NVME_IDC_VWC] = 1;
        p[NVME_IDC_ONCS] = NVME_ONCS_DSM;
    } else if (c->dw10 == NVME_CNS_ACTIVE) {
        p[0] = 7;
        p[4] = 9;
    } else {
        const uint64_t blocks = sizeof(fake.disk) / 512;
        memcpy(p, &blocks, 8);
        p[NVME_IDN_LBAF0 + 2] = c->nsid == 7 ? 9 : 13; /* 8 KiB blocks: not for us */
    }
}

static uint16_t fake_admin(const struct nvme_sqe *c)
{
    if (c->opcode == NVME_ADM_IDENTIFY) {
        fake_identify(c);
    } else if (c->opcode == NVME_ADM_CREATE_CQ) {
        fake.cq[1] = c->prp1;
        fake.entries[1] = (c->dw10 >> 16) + 1;
    } else if (c->opcode == NVME_ADM_CREATE_SQ) {
        fake.sq[1] = c->prp1;
    } else {
        ck_assert_uint_eq(c->opcode, NVME_ADM_SET_FEATURES);
    }
    return 0;
}

static void fake_queue(unsigned q)
{
    const uint32_t tail = fake.reg[(NVME_DOORBELL + 8 * q) / 4];
    const struct nvme_sqe *const sq = phys_to_virt(fake.sq[q]);
    struct nvme_cqe *const cq = phys_to_virt(fake.cq[q]);
    while (fake.entries[q] && fake.sq_head[q] != tail && !(q && fake.hangs)) {
        const struct nvme_sqe *const c = &sq[fake.sq_head[q]];
        const uint16_t status = q ? fake_io(c) : fake_admin(c);
        fake.sq_head[q] = (fake.sq_head[q] + 1) % fake.entries[q];
        cq[fake.cq_tail[q]] = (struct nvme_cqe){.cid = c->cid,
                                                .status = (uint16_t)(status << 1 | fake.phase[q])};
        fake.cq_tail[q] = (fake.cq_tail[q] + 1) % fake.entries[q];
        fake.phase[q] ^= fake.cq_tail[q] == 0;
    }
}

static void fake_step(void)
{
    const bool on = fake.reg[NVME_CC / 4] & NVME_CC_EN, ready = fake.reg[NVME_CSTS / 4] & 1;
    if (!on && ready) {
        fake.reg[NVME_CSTS / 4] = 0;
        memset(fake.sq_head, 0, sizeof(fake.sq_head));
        memset(fake.cq_tail, 0, sizeof(fake.cq_tail));
        memset(fake.reg + NVME_DOORBELL / 4, 0, 64);
        fake.entries[1] = 0;
    } else if (on && !ready && !fake.broken) {
        fake.sq[0] = fake.reg[NVME_ASQ / 4] | (uint64_t)fake.reg[NVME_ASQ / 4 + 1] << 32;
        fake.cq[0] = fake.reg[NVME_ACQ / 4] | (uint64_t)fake.reg[NVME_ACQ / 4 + 1] << 32;
        fake.entries[0] = (fake.reg[NVME_AQA / 4] & 0xfff) + 1;
        fake.phase[0] = fake.phase[1] = 1;
        fake.reg[NVME_CSTS / 4] = NVME_CSTS_RDY;
    } else if (on && ready) {
        fake_queue(0);
        fake_queue(1);
    }
}

static void fake_begin(void)
{
    memset(&fake, 0, sizeof(fake));
    memset(&nv, 0, sizeof(nv));
    fake.reg[0] = 1023 | NVME_CAP_CQR | 4u << 24;
    for (unsigned i = 0; i < sizeof(fake.disk); i++)
        fake.disk[i] = (uint8_t)(i * 7 ^ i >> 9);
    nvme_init();
}

/* ---- requests ---- */

struct test_request {
    struct blk_request r;
    int status; /* -1: under way */
};

static void on_done(struct blk_request *r, enum blk_status status)
{
    struct test_request *const t = r->owner;
    ck_assert_int_eq(t->status, -1);
    t->status = status;
}

static void begin_io(struct test_request *t, enum blk_op op, uint64_t lba, uint32_t count,
                     const struct blk_seg *seg, unsigned segs)
{
    struct blk_device *const d = nvme_disk(7);
    *t = (struct test_request){
        {.op = op, .lba = lba, .count = count, .seg = seg, .segs = segs, .done = on_done}, -1};
    t->r.owner = t;
    d->ops->submit(d, &t->r);
}

static int run_io(enum blk_op op, uint64_t lba, uint32_t count, const struct blk_seg *seg,
                  unsigned segs)
{
    struct test_request t;
    struct blk_device *const d = nvme_disk(7);
    begin_io(&t, op, lba, count, seg, segs);
    for (unsigned i = 0; i < 100 && t.status < 0; i++) {
        fake_step();
        d->ops->poll(d);
    }
    return t.status;
}

START_TEST(the_driver_finds_the_namespaces_it_can_use)
{
    fake_begin();
    const struct blk_device *const d = nvme_disk(7);
    ck_assert_ptr_nonnull(d);
    ck_assert_ptr_null(nvme_disk(9));
    ck_assert_ptr_null(nvme_disk(1));
    ck_assert_uint_eq(d->blocks, 2048);
    ck_assert_uint_eq(d->max_blocks, 256);
    ck_assert_str_eq(d->serial, "FAKE?");
    ck_assert(d->has_cache && d->has_unmap && !d->reads_zeros && !d->read_only);
    root_mem_end();
}
END_TEST

START_TEST(data_goes_to_the_pages_that_the_request_names)
{
    fake_begin();
    uint8_t *const m = phys_to_virt(mm_alloc(6));
    const uint64_t pa = (uintptr_t)m;
    /* one piece in a page; over two; over many, from the middle of a page on and scattered */
    const struct blk_seg one = {pa + 512, 512}, two = {pa + 4096 - 4, 1024};
    const struct blk_seg many[3] = {
        {pa + 2048, 2048}, {pa + 40 * 4096, 3 * 4096}, {pa + 8 * 4096, 4096 + 512}};
    const struct blk_seg large = {pa + 4, 128 * 1024};
    ck_assert_int_eq(run_io(BLK_READ, 3, 1, &one, 1), BLK_OK);
    ck_assert_mem_eq(m + 512, fake.disk + 3 * 512, 512);
    ck_assert_int_eq(run_io(BLK_READ, 9, 2, &two, 1), BLK_OK);
    ck_assert_mem_eq(m + 4092, fake.disk + 9 * 512, 1024);
    ck_assert_uint_eq(fake.prps, 3);
    ck_assert_int_eq(run_io(BLK_READ, 100, 37, many, 3), BLK_OK);
    ck_assert_mem_eq(m + 2048, fake.disk + 51200, 2048);
    ck_assert_mem_eq(m + 40 * 4096, fake.disk + 51200 + 2048, 12288);
    ck_assert_mem_eq(m + 8 * 4096, fake.disk + 51200 + 2048 + 12288, 4608);
    ck_assert_int_eq(run_io(BLK_READ, 1000, 256, &large, 1), BLK_OK);
    ck_assert_mem_eq(m + 4, fake.disk + 512000, 128 * 1024);
    memset(m, 0x5a, 8192);
    ck_assert_int_eq(run_io(BLK_WRITE, 2047, 1, &one, 1), BLK_OK);
    ck_assert_mem_eq(fake.disk + 2047 * 512, m, 512);
    ck_assert_int_eq(run_io(BLK_UNMAP, 10, 20, 0, 0), BLK_OK);
    ck_assert(!fake.disk[5120] && !fake.disk[15359]);
    ck_assert_int_eq(run_io(BLK_FLUSH, 0, 0, 0, 0), BLK_OK);
    ck_assert_uint_eq(fake.last_opcode, NVME_IO_FLUSH);
    root_mem_end();
}
END_TEST

START_TEST(a_forced_write_says_so)
{
    fake_begin();
    struct blk_device *const d = nvme_disk(7);
    const struct blk_seg seg = {mm_alloc(0), 512};
    struct test_request t = {{.op = BLK_WRITE,
                              .force = true,
                              .count = 1,
                              .seg = &seg,
                              .segs = 1,
                              .done = on_done,
                              .owner = &t},
                             -1};
    d->ops->submit(d, &t.r);
    fake_step();
    d->ops->poll(d);
    ck_assert_int_eq(t.status, BLK_OK);
    ck_assert_uint_eq(fake.last_dw12, NVME_FORCE_UNIT_ACCESS);
    root_mem_end();
}
END_TEST

START_TEST(a_malformed_request_never_reaches_the_controller)
{
    fake_begin();
    const uint64_t pa = mm_alloc(2);
    const struct blk_seg good = {pa, 512}, odd = {pa + 2, 512}, shorter = {pa, 256};
    const struct blk_seg gap[2] = {{pa, 256}, {pa + 4096, 256}};
    const struct blk_seg middle[2] = {{pa + 3840, 256}, {pa + 4196, 256}};
    ck_assert_int_eq(run_io(BLK_READ, 2048, 1, &good, 1), BLK_ERANGE);
    ck_assert_int_eq(run_io(BLK_READ, ~0ull, 1, &good, 1), BLK_ERANGE);
    ck_assert_int_eq(run_io(BLK_UNMAP, 2040, 9, 0, 0), BLK_ERANGE);
    ck_assert_int_eq(run_io(BLK_READ, 0, 1, &odd, 1), BLK_EINVAL);
    ck_assert_int_eq(run_io(BLK_READ, 0, 1, &shorter, 1), BLK_EINVAL);
    ck_assert_int_eq(run_io(BLK_READ, 0, 0, &good, 0), BLK_EINVAL);
    ck_assert_int_eq(run_io(BLK_READ, 0, 257, &good, 1), BLK_EINVAL);
    ck_assert_int_eq(run_io(BLK_READ, 0, 1, gap, 2), BLK_EINVAL);
    ck_assert_int_eq(run_io(BLK_READ, 0, 1, middle, 2), BLK_EINVAL);
    nvme_disk(7)->read_only = true;
    ck_assert_int_eq(run_io(BLK_WRITE, 0, 1, &good, 1), BLK_EREADONLY);
    ck_assert_uint_eq(fake.commands, 0);
    root_mem_end();
}
END_TEST

START_TEST(statuses_are_told_apart)
{
    static const struct {
        uint16_t status;
        enum blk_op op;
        int wanted;
    } row[] = {{NVME_READ_ERROR, BLK_READ, BLK_EREAD},
               {NVME_WRITE_FAULT, BLK_WRITE, BLK_EWRITE},
               {NVME_INTERNAL, BLK_READ, BLK_EREAD},
               {NVME_INTERNAL, BLK_WRITE, BLK_EWRITE},
               {NVME_READ_ONLY, BLK_WRITE, BLK_EREADONLY},
               {NVME_LBA_RANGE, BLK_READ, BLK_ERANGE},
               {NVME_INVALID_FIELD, BLK_READ, BLK_EINVAL},
               {NVME_INVALID_NAMESPACE, BLK_READ, BLK_EGONE},
               {NVME_ABORT_REQUESTED, BLK_READ, BLK_EABORTED}};
    fake_begin();
    const struct blk_seg seg = {mm_alloc(0), 512};
    for (unsigned i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        fake.fail = row[i].status;
        ck_assert_int_eq(run_io(row[i].op, 0, 1, &seg, 1), row[i].wanted);
    }
    root_mem_end();
}
END_TEST

START_TEST(more_requests_than_slots_wait_in_order)
{
    fake_begin();
    static struct test_request t[200];
    static struct blk_seg seg[200];
    const uint64_t pa = mm_alloc(5);
    struct blk_device *const d = nvme_disk(7);
    fake.hangs = true;
    for (unsigned i = 0; i < 200; i++) {
        seg[i] = (struct blk_seg){pa + i * 512, 512};
        begin_io(&t[i], BLK_READ, i, 1, &seg[i], 1);
    }
    ck_assert_uint_eq(nv.busy, 63);
    fake.hangs = false;
    for (unsigned i = 0; i < 20; i++) {
        fake_step();
        d->ops->poll(d);
    }
    for (unsigned i = 0; i < 200; i++)
        ck_assert_int_eq(t[i].status, BLK_OK);
    ck_assert_mem_eq(phys_to_virt(pa), fake.disk, 200 * 512);
    ck_assert_uint_eq(nv.busy, 0);
    root_mem_end();
}
END_TEST

START_TEST(a_command_that_never_ends_leads_to_a_reset)
{
    fake_begin();
    static struct test_request t[100];
    const struct blk_seg seg = {mm_alloc(0), 512};
    struct blk_device *const d = nvme_disk(7);
    fake.hangs = true;
    for (unsigned i = 0; i < 100; i++)
        begin_io(&t[i], BLK_READ, 0, 1, &seg, 1);
    ck_assert(nv.timer.armed);
    fake.now += 9000000000ull;
    nv.timer.armed = false;
    nv.timer.fn(nv.timer.arg);
    ck_assert(nv.timer.armed && t[0].status == -1);
    fake.now += 2000000000ull;
    nv.timer.armed = false;
    nv.timer.fn(nv.timer.arg);
    ck_assert_int_eq(t[0].status, BLK_EABORTED);
    ck_assert_int_eq(t[62].status, BLK_EABORTED);
    ck_assert_int_eq(t[63].status, -1); /* it was not under way: now it is */
    ck_assert_uint_eq(nv.busy, 37);
    fake.hangs = false;
    fake_step();
    d->ops->poll(d);
    ck_assert_int_eq(t[99].status, BLK_OK);
    ck_assert_int_eq(run_io(BLK_READ, 0, 1, &seg, 1), BLK_OK);
    root_mem_end();
}
END_TEST

START_TEST(a_broken_controller_is_shut_off_from_memory)
{
    fake_begin();
    static struct test_request t[100];
    const struct blk_seg seg = {mm_alloc(0), 512};
    struct blk_device *const d = nvme_disk(7);
    fake.hangs = fake.broken = true;
    for (unsigned i = 0; i < 100; i++)
        begin_io(&t[i], BLK_READ, 0, 1, &seg, 1);
    fake.reg[NVME_CSTS / 4] |= NVME_CSTS_CFS;
    ck_assert(fake.is_master);
    d->ops->poll(d);
    for (unsigned i = 0; i < 100; i++)
        ck_assert_int_eq(t[i].status, BLK_EGONE);
    ck_assert(!fake.is_master);
    ck_assert_int_eq(run_io(BLK_READ, 0, 1, &seg, 1), BLK_EGONE);
    ck_assert_int_eq(run_io(BLK_FLUSH, 0, 0, 0, 0), BLK_EGONE);
    root_mem_end();
}
END_TEST

START_TEST(the_self_test_reads_every_disk)
{
    fake_begin();
    const unsigned logs = fake.logs;
    nvme_selftest();
    ck_assert_uint_eq(fake.logs, logs + 1);
    ck_assert_uint_eq(fake.commands, 1 + 128 + 1);
    root_mem_end();
}
END_TEST

SUITE("rt_nvme", the_driver_finds_the_namespaces_it_can_use,
      data_goes_to_the_pages_that_the_request_names, a_forced_write_says_so,
      a_malformed_request_never_reaches_the_controller, statuses_are_told_apart,
      more_requests_than_slots_wait_in_order, a_command_that_never_ends_leads_to_a_reset,
      a_broken_controller_is_shut_off_from_memory, the_self_test_reads_every_disk)
