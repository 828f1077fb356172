/* Unit tests of the NVMe controller at register and queue level, and with hostile drivers. */
#include "tests/lib/suite.h"

#include <errno.h>
#include <string.h>

#include "abi/nvme.h"
#include "devices/block/nvme.h"
#include "devices/disk/disk.h"
#include "lib/log.h"
#include "tests/isa/rng.h"
#include "tests/lib/pci_rig.h"

#define ASQ  0x10000ull
#define ACQ  0x20000ull
#define SQ1  0x30000ull
#define CQ1  0x40000ull
#define DATA 0x100000ull
#define LIST 0x80000ull
#define SIZE (4u << 20)

static struct pci_rig rig;
static struct disk *disk[2];
static uint16_t tail[2], head[2], phase[2];

static void quiet(void *opaque, enum log_level level, const char *module, const char *text)
{
    (void)opaque;
    (void)level;
    (void)module;
    (void)text;
}

static void plug(void)
{
    pci_rig_init(&rig);
    log_set_sink(quiet, NULL);
    disk[0] = memdisk_new(SIZE);
    disk[1] = memdisk_new(SIZE);
    for (unsigned i = 0; i < SIZE; i += 8)
        disk_write(disk[0], i, (const uint64_t[]){i * 0x9e3779b97f4a7c15ull}, 8);
    pci_rig_plug(&rig, nvme_new(rig.clock, &rig.dma, &rig.msi, disk, 2), 0);
}
static void unplug(void)
{
    pci_rig_free(&rig);
    disk_close(disk[0]);
    disk_close(disk[1]);
}

static void enable(void)
{
    pci_rig_set(&rig, NVME_AQA, 31 << 16 | 31);
    pci_rig_set(&rig, NVME_ASQ, (uint32_t)ASQ);
    pci_rig_set(&rig, NVME_ACQ, (uint32_t)ACQ);
    pci_rig_set(&rig, NVME_CC, 4 << 20 | 6 << 16 | NVME_CC_EN);
    ck_assert_uint_eq(pci_rig_get(&rig, NVME_CSTS), NVME_CSTS_RDY);
    memset(tail, 0, sizeof tail);
    memset(head, 0, sizeof head);
    phase[0] = phase[1] = 1;
}

/* Puts a command into queue q (32 entries) and waits for its completion. */
static struct nvme_cqe command(unsigned q, struct nvme_sqe c)
{
    struct nvme_cqe e = {0};
    const uint64_t sq = q ? SQ1 : ASQ, cq = (q ? CQ1 : ACQ) + 16 * head[q];
    c.cid = (uint16_t)(0x100 + tail[q]);
    ram_write(rig.ram, hpa(sq + 64 * tail[q]), &c, sizeof c);
    tail[q] = (tail[q] + 1) % 32;
    pci_rig_set(&rig, NVME_DOORBELL + 8 * q, tail[q]);
    pci_rig_settle(&rig, 10);
    ram_read(rig.ram, hpa(cq), &e, sizeof e);
    ck_assert_uint_eq(e.status & 1, phase[q]);
    ck_assert_uint_eq(e.cid, c.cid);
    head[q] = (head[q] + 1) % 32;
    phase[q] ^= head[q] == 0;
    pci_rig_set(&rig, NVME_DOORBELL + 8 * q + 4, head[q]);
    return e;
}
static unsigned status(struct nvme_cqe e)
{
    return e.status >> 1 & 0x7ff;
}
static unsigned admin(uint8_t op, uint32_t nsid, uint64_t prp1, uint32_t dw10, uint32_t dw11)
{
    return status(command(
        0,
        (struct nvme_sqe){.opcode = op, .nsid = nsid, .prp1 = prp1, .dw10 = dw10, .dw11 = dw11}));
}
static void queues(void)
{
    enable();
    ck_assert_uint_eq(admin(NVME_ADM_CREATE_CQ, 0, CQ1, 31 << 16 | 1, 3), 0);
    ck_assert_uint_eq(admin(NVME_ADM_CREATE_SQ, 0, SQ1, 31 << 16 | 1, 1 << 16 | 1), 0);
}
static unsigned io(uint8_t op, uint32_t nsid, uint64_t lba, uint32_t blocks, uint64_t prp1,
                   uint64_t prp2)
{
    return status(command(1, (struct nvme_sqe){.opcode = op,
                                               .nsid = nsid,
                                               .prp1 = prp1,
                                               .prp2 = prp2,
                                               .dw10 = (uint32_t)lba,
                                               .dw11 = (uint32_t)(lba >> 32),
                                               .dw12 = blocks - 1}));
}
static bool same(uint64_t at, uint64_t where, size_t len)
{
    uint8_t a[4096], b[4096];
    for (size_t n = 0; n < len; n += 512) {
        ram_read(rig.ram, hpa(at + n), a, 512);
        disk_read(disk[0], where + n, b, 512);
        if (memcmp(a, b, 512) != 0)
            return false;
    }
    return true;
}

START_TEST(registers_say_what_it_is)
{
    plug();
    ck_assert_uint_eq(pci_rig_get(&rig, NVME_VS), NVME_VERSION_1_4);
    ck_assert_uint_eq(pci_rig_get(&rig, NVME_CAP) & 0xffff, 1023);
    ck_assert_uint_eq(pci_rig_get(&rig, NVME_CSTS), 0);
    ck_assert_uint_eq(pci_rig_cfg(&rig, PCI_REVISION) >> 8, 0x010802);
    ck_assert_uint_eq(bus_mmio_read(rig.bus, hpa(RIG_REGS + NVME_VS + 1), 1), 4);
    enable();
    pci_rig_set(&rig, NVME_CC, 0);
    ck_assert_uint_eq(pci_rig_get(&rig, NVME_CSTS), 0);
    pci_rig_set(&rig, NVME_CC, NVME_CC_EN | 1 << 7); /* pages of 8 KiB */
    ck_assert_uint_eq(pci_rig_get(&rig, NVME_CSTS), NVME_CSTS_CFS);
    pci_rig_set(&rig, NVME_CC, 1 << 14);
    ck_assert_uint_eq(pci_rig_get(&rig, NVME_CSTS), NVME_CSTS_SHST_DONE);
    unplug();
}
END_TEST

START_TEST(identify_lists_namespaces)
{
    uint8_t p[4096];
    uint32_t list[3];
    plug();
    enable();
    ck_assert_uint_eq(admin(NVME_ADM_IDENTIFY, 0, DATA, NVME_CNS_CONTROLLER, 0), 0);
    ram_read(rig.ram, hpa(DATA), p, sizeof p);
    ck_assert_int_eq(memcmp(p + NVME_IDC_MODEL, "Vitrine NVMe", 12), 0);
    ck_assert_uint_eq(p[NVME_IDC_NN], 2);
    ck_assert_uint_eq(admin(NVME_ADM_IDENTIFY, 2, DATA, NVME_CNS_NAMESPACE, 0), 0);
    ram_read(rig.ram, hpa(DATA), p, sizeof p);
    ck_assert_uint_eq(p[0] | p[1] << 8, SIZE / 512);
    ck_assert_uint_eq(p[NVME_IDN_LBAF0 + 2], 9);
    ck_assert_uint_eq(admin(NVME_ADM_IDENTIFY, 0, DATA, NVME_CNS_ACTIVE, 0), 0);
    ram_read(rig.ram, hpa(DATA), list, sizeof list);
    ck_assert(list[0] == 1 && list[1] == 2 && list[2] == 0);
    ck_assert_uint_eq(admin(NVME_ADM_IDENTIFY, 3, DATA, NVME_CNS_NAMESPACE, 0),
                      NVME_INVALID_NAMESPACE);
    ck_assert_uint_eq(admin(NVME_ADM_IDENTIFY, 1, DATA, 0x77, 0), NVME_INVALID_FIELD);
    ck_assert_uint_eq(admin(NVME_ADM_IDENTIFY, 1, 0x7ffffffff000ull, 1, 0), NVME_DATA_TRANSFER);
    ck_assert_uint_eq(admin(0x7f, 0, 0, 0, 0), NVME_INVALID_OPCODE);
    unplug();
}
END_TEST

START_TEST(queues_are_checked)
{
    plug();
    enable();
    ck_assert_uint_eq(admin(NVME_ADM_CREATE_SQ, 0, SQ1, 31 << 16 | 1, 1 << 16 | 1),
                      NVME_CQ_INVALID);
    ck_assert_uint_eq(admin(NVME_ADM_CREATE_CQ, 0, CQ1, 31 << 16 | 17, 3), NVME_QUEUE_ID);
    ck_assert_uint_eq(admin(NVME_ADM_CREATE_CQ, 0, CQ1, 0 << 16 | 1, 3), NVME_QUEUE_SIZE);
    ck_assert_uint_eq(admin(NVME_ADM_CREATE_CQ, 0, CQ1, 1024u << 16 | 1, 3), NVME_QUEUE_SIZE);
    ck_assert_uint_eq(admin(NVME_ADM_CREATE_CQ, 0, CQ1 + 8, 31 << 16 | 1, 3), NVME_PRP_OFFSET);
    ck_assert_uint_eq(admin(NVME_ADM_CREATE_CQ, 0, CQ1, 31 << 16 | 1, 99u << 16 | 3),
                      NVME_INVALID_VECTOR);
    ck_assert_uint_eq(admin(NVME_ADM_CREATE_CQ, 0, CQ1, 31 << 16 | 1, 3), 0);
    ck_assert_uint_eq(admin(NVME_ADM_CREATE_CQ, 0, CQ1, 31 << 16 | 1, 3), NVME_QUEUE_ID);
    ck_assert_uint_eq(admin(NVME_ADM_CREATE_SQ, 0, SQ1, 31 << 16 | 1, 1 << 16 | 1), 0);
    ck_assert_uint_eq(admin(NVME_ADM_DELETE_CQ, 0, 0, 1, 0), NVME_QUEUE_DELETION);
    ck_assert_uint_eq(admin(NVME_ADM_DELETE_SQ, 0, 0, 1, 0), 0);
    ck_assert_uint_eq(admin(NVME_ADM_DELETE_CQ, 0, 0, 1, 0), 0);
    ck_assert_uint_eq(admin(NVME_ADM_DELETE_CQ, 0, 0, 0, 0), NVME_QUEUE_ID);
    unplug();
}
END_TEST

START_TEST(reads_go_through_every_form_of_prp)
{
    uint64_t list[512];
    plug();
    queues();
    ck_assert_uint_eq(io(NVME_IO_READ, 1, 3, 1, DATA, 0), 0);
    ck_assert(same(DATA, 3 * 512, 512));
    ck_assert_uint_eq(io(NVME_IO_READ, 1, 100, 8, DATA + 0x204, DATA + 0x5000), 0);
    ck_assert(same(DATA + 0x204, 100 * 512, 0xc00));
    /* scattered pages by a list that ends at a page's end and goes on in another */
    for (unsigned i = 0; i < 512; i++)
        list[i] = DATA + 0x1000 * (i ^ 1);
    const uint64_t chain[2] = {DATA + 0x100000, LIST};
    ram_write(rig.ram, hpa(LIST), list, sizeof list);
    ram_write(rig.ram, hpa(LIST + 0x2ff0), chain, sizeof chain);
    ck_assert_uint_eq(io(NVME_IO_READ, 1, 0, 2048, DATA + 0x200000, LIST + 0x2ff0), 0);
    ck_assert(same(DATA + 0x200000, 0, 4096));
    ck_assert(same(DATA + 0x100000, 4096, 4096));
    ck_assert(same(DATA + 0x1000, 8192, 4096));
    ck_assert(same(DATA, 12288, 4096));
    ck_assert_uint_eq(io(NVME_IO_READ, 1, 0, 2049, DATA, LIST), NVME_INVALID_FIELD);
    ck_assert_uint_eq(io(NVME_IO_READ, 1, 0, 16, DATA, DATA + 8), NVME_PRP_OFFSET);
    ck_assert_uint_eq(io(NVME_IO_READ, 1, 0, 1, DATA + 2, 0), NVME_PRP_OFFSET);
    ck_assert_uint_eq(io(NVME_IO_READ, 1, 0, 64, DATA, LIST + 4), NVME_PRP_OFFSET);
    ck_assert_uint_eq(io(NVME_IO_READ, 1, 0, 64, DATA, 1ull << 60), NVME_DATA_TRANSFER);
    unplug();
}
END_TEST

START_TEST(a_list_that_points_at_itself_ends)
{
    uint64_t self[512];
    plug();
    queues();
    for (unsigned i = 0; i < 512; i++)
        self[i] = LIST;
    ram_write(rig.ram, hpa(LIST), self, sizeof self);
    ck_assert_uint_eq(io(NVME_IO_READ, 1, 0, 2048, LIST, LIST + 0xff8), 0);
    unplug();
}
END_TEST

START_TEST(what_is_written_is_there)
{
    uint8_t bytes[8192], got[8192];
    plug();
    queues();
    memset(bytes, 0x5a, sizeof bytes);
    ram_write(rig.ram, hpa(DATA), bytes, sizeof bytes);
    ck_assert_uint_eq(io(NVME_IO_WRITE, 2, 10, 16, DATA, DATA + 4096), 0);
    ck_assert_uint_eq(io(NVME_IO_FLUSH, NVME_OK - 1u, 0, 1, 0, 0), 0);
    disk_read(disk[1], 5120, got, sizeof got);
    ck_assert_int_eq(memcmp(bytes, got, sizeof got), 0);
    ck_assert_uint_eq(io(NVME_IO_COMPARE, 2, 10, 16, DATA, DATA + 4096), 0);
    ck_assert_uint_eq(io(NVME_IO_COMPARE, 2, 11, 16, DATA, DATA + 4096), NVME_COMPARE_FAILURE);
    ck_assert_uint_eq(io(NVME_IO_WRITE_ZEROES, 2, 11, 1, 0, 0), 0);
    disk_read(disk[1], 5120, got, 1536);
    ck_assert(got[511] == 0x5a && got[512] == 0 && got[1023] == 0 && got[1024] == 0x5a);
    const struct nvme_range r[2] = {{0, 2, 20}, {0, 1, 25}};
    ram_write(rig.ram, hpa(DATA), r, sizeof r);
    ck_assert_uint_eq(
        status(command(1,
                       (struct nvme_sqe){
                           .opcode = NVME_IO_DSM, .nsid = 2, .prp1 = DATA, .dw10 = 1, .dw11 = 4})),
        0);
    disk_read(disk[1], 20 * 512, got, 3072);
    ck_assert(got[0] == 0 && got[1023] == 0 && got[1024] == 0x5a && got[2560] == 0);
    ck_assert_uint_eq(io(NVME_IO_READ, 2, SIZE / 512, 1, DATA, 0), NVME_LBA_RANGE);
    ck_assert_uint_eq(io(NVME_IO_READ, 2, UINT64_MAX, 2, DATA, 0), NVME_LBA_RANGE);
    ck_assert_uint_eq(io(NVME_IO_READ, 5, 0, 1, DATA, 0), NVME_INVALID_NAMESPACE);
    ck_assert_uint_eq(io(0x7f, 1, 0, 1, DATA, 0), NVME_INVALID_OPCODE);
    disk[0]->read_only = true;
    ck_assert_uint_eq(io(NVME_IO_WRITE, 1, 0, 1, DATA, 0), NVME_READ_ONLY);
    ck_assert_uint_eq(io(NVME_IO_WRITE_ZEROES, 1, 0, 1, 0, 0), NVME_READ_ONLY);
    unplug();
}
END_TEST

static int broken_io(struct disk *d, uint64_t at, void *to, size_t len)
{
    (void)d;
    (void)at;
    (void)to;
    (void)len;
    return -EIO;
}
static int broken_write(struct disk *d, uint64_t at, const void *from, size_t len)
{
    (void)d;
    (void)at;
    (void)from;
    (void)len;
    return -ENOSPC;
}

START_TEST(a_failing_back_end_is_an_error_in_the_log)
{
    struct nvme_error_entry e[2];
    plug();
    queues();
    struct disk_ops ops = *disk[0]->ops;
    const struct disk_ops *const was = disk[0]->ops;
    ops.read = broken_io;
    ops.write = broken_write;
    disk[0]->ops = &ops;
    ck_assert_uint_eq(io(NVME_IO_READ, 1, 77, 1, DATA, 0), NVME_READ_ERROR);
    ck_assert_uint_eq(io(NVME_IO_WRITE, 1, 78, 1, DATA, 0), NVME_WRITE_FAULT);
    disk[0]->ops = was;
    ck_assert_uint_eq(admin(NVME_ADM_GET_LOG, 0, DATA, 31 << 16 | NVME_LOG_ERROR, 0), 0);
    ram_read(rig.ram, hpa(DATA), e, sizeof e);
    ck_assert_uint_eq(e[0].lba, 78);
    ck_assert_uint_eq(e[1].lba, 77);
    ck_assert_uint_eq(e[0].count, 2);
    ck_assert_uint_eq(e[1].status >> 1 & 0x7ff, NVME_READ_ERROR);
    unplug();
}
END_TEST

START_TEST(bad_doorbells_give_an_event)
{
    struct nvme_cqe e;
    plug();
    enable();
    const struct nvme_sqe c = {.opcode = NVME_ADM_ASYNC_EVENT, .cid = 0x55};
    ram_write(rig.ram, hpa(ASQ), &c, sizeof c);
    tail[0] = 1;
    pci_rig_set(&rig, NVME_DOORBELL, 1);
    pci_rig_settle(&rig, 5);
    pci_rig_set(&rig, NVME_DOORBELL + 8 * 5, 1); /* no such queue */
    ram_read(rig.ram, hpa(ACQ), &e, sizeof e);
    ck_assert_uint_eq(e.cid, 0x55);
    ck_assert_uint_eq(e.result, NVME_LOG_ERROR << 16);
    head[0] = 1;
    pci_rig_set(&rig, NVME_DOORBELL + 4, 1);
    pci_rig_set(&rig, NVME_DOORBELL, 9999);
    pci_rig_set(&rig, NVME_DOORBELL + 4, 7); /* entries that were never posted */
    pci_rig_set(&rig, NVME_DOORBELL + 0xffc, 1);
    ck_assert_uint_eq(admin(NVME_ADM_IDENTIFY, 0, DATA, NVME_CNS_CONTROLLER, 0), 0);
    unplug();
}
END_TEST

START_TEST(features_and_aborts)
{
    plug();
    enable();
    struct nvme_cqe e = command(0, (struct nvme_sqe){.opcode = NVME_ADM_SET_FEATURES,
                                                     .dw10 = NVME_FEAT_QUEUES,
                                                     .dw11 = 0x00ff00ff});
    ck_assert_uint_eq(e.result, 0x000f000f);
    ck_assert_uint_eq(admin(NVME_ADM_SET_FEATURES, 0, 0, NVME_FEAT_WRITE_CACHE, 0), 0);
    e = command(0,
                (struct nvme_sqe){.opcode = NVME_ADM_GET_FEATURES, .dw10 = NVME_FEAT_WRITE_CACHE});
    ck_assert_uint_eq(e.result, 0);
    ck_assert_uint_eq(admin(NVME_ADM_GET_FEATURES, 0, 0, 0xee, 0), NVME_INVALID_FIELD);
    e = command(0, (struct nvme_sqe){.opcode = NVME_ADM_ABORT, .dw10 = 0x9999u << 16 | 1});
    ck_assert_uint_eq(status(e), 0);
    ck_assert_uint_eq(e.result, 1);
    ck_assert_uint_eq(admin(NVME_ADM_GET_LOG, 0, DATA, 127 << 16 | NVME_LOG_HEALTH, 0), 0);
    ck_assert_uint_eq(admin(NVME_ADM_GET_LOG, 0, DATA, 127 << 16 | 0x99, 0), NVME_INVALID_LOG);
    unplug();
}
END_TEST

START_TEST(a_full_completion_queue_waits)
{
    plug();
    queues();
    const struct nvme_sqe c = {.opcode = NVME_IO_FLUSH, .nsid = 1};
    for (unsigned i = 0; i < 32; i++)
        ram_write(rig.ram, hpa(SQ1 + 64 * i), &c, sizeof c);
    pci_rig_set(&rig, NVME_DOORBELL + 8, 31);
    pci_rig_settle(&rig, 100);
    pci_rig_set(&rig, NVME_DOORBELL + 8, 10); /* 11 more, no entry was taken */
    pci_rig_settle(&rig, 100);
    struct nvme_cqe e;
    ram_read(rig.ram, hpa(CQ1 + 16 * 31), &e, sizeof e);
    ck_assert_uint_eq(e.status & 1, 0);
    pci_rig_set(&rig, NVME_DOORBELL + 12, 5);
    pci_rig_settle(&rig, 100);
    ram_read(rig.ram, hpa(CQ1 + 16 * 31), &e, sizeof e);
    ck_assert_uint_eq(e.status & 1, 1);
    ram_read(rig.ram, hpa(CQ1 + 16 * 3), &e, sizeof e);
    ck_assert_uint_eq(e.status & 1, 0); /* second lap */
    unplug();
}
END_TEST

START_TEST(completion_comes_by_time_and_by_message)
{
    plug();
    const unsigned cap = pci_rig_cap(&rig, PCI_CAP_MSIX);
    pci_rig_cfg_set(&rig, PCI_BAR0 + 16, (uint32_t)RIG_MSIX);
    pci_rig_cfg_set(&rig, cap, PCI_MSIX_CTRL_ENABLE << 16);
    bus_mmio_write(rig.bus, hpa(RIG_MSIX + 8), 4, 0x41);
    bus_mmio_write(rig.bus, hpa(RIG_MSIX + 12), 4, 0);
    enable();
    const struct nvme_sqe c = {.opcode = NVME_ADM_IDENTIFY, .prp1 = DATA, .dw10 = 1};
    ram_write(rig.ram, hpa(ASQ), &c, sizeof c);
    pci_rig_set(&rig, NVME_DOORBELL, 1);
    ck_assert_uint_eq(rig.messages, 0);
    pci_rig_run(&rig, 7999);
    ck_assert_uint_eq(rig.messages, 0);
    pci_rig_run(&rig, 1);
    ck_assert_uint_eq(rig.messages, 1);
    ck_assert_uint_eq(rig.last_data, 0x41);
    unplug();
}
END_TEST

START_TEST(queues_without_memory_are_fatal_for_the_controller_only)
{
    plug();
    pci_rig_set(&rig, NVME_AQA, 31 << 16 | 31);
    pci_rig_set(&rig, NVME_ASQ, 0xf0000000);
    pci_rig_set(&rig, NVME_CC, 4 << 20 | 6 << 16 | NVME_CC_EN);
    pci_rig_set(&rig, NVME_DOORBELL, 1);
    pci_rig_settle(&rig, 5);
    ck_assert(pci_rig_get(&rig, NVME_CSTS) & NVME_CSTS_CFS);
    pci_rig_set(&rig, NVME_CC, 0);
    enable();
    ck_assert_uint_eq(admin(NVME_ADM_IDENTIFY, 0, DATA, NVME_CNS_CONTROLLER, 0), 0);
    unplug();
}
END_TEST

/* Random registers and random commands: no crash, no hang, and a reset makes it usable again. */
START_TEST(hostile_drivers_do_no_harm)
{
    struct rng rng = {1234};
    plug();
    for (unsigned round = 0; round < 60; round++) {
        queues();
        for (unsigned i = 0; i < 400; i++) {
            const uint64_t r = rnd(&rng);
            if (r % 8 == 0) {
                const unsigned reg = below(&rng, r & 64 ? 0x40 : 0x4000);
                if (reg / 4 == NVME_CC / 4 && r & 128)
                    continue; /* or it would be off most of the time */
                bus_mmio_write(rig.bus, hpa(RIG_REGS + (r & 256 ? reg & ~3u : reg)),
                               r & 512 ? 4 : 1u << below(&rng, 3), rnd(&rng));
                bus_mmio_read(rig.bus, hpa(RIG_REGS + reg), 4);
            } else {
                const unsigned q = r >> 4 & 1;
                uint64_t words[8];
                for (unsigned n = 0; n < 8; n++)
                    words[n] = rnd(&rng) >> below(&rng, 64);
                struct nvme_sqe c;
                memcpy(&c, words, sizeof c);
                c.opcode = r & 32 ? (uint8_t)below(&rng, 13) : c.opcode;
                c.flags = r & 64 ? 0 : c.flags;
                c.nsid = r & 128 ? below(&rng, 4) : c.nsid;
                if (r & 256)
                    c.prp1 = DATA + (below(&rng, 1 << 16) & ~3u);
                if (r & 512)
                    c.prp2 = DATA + (r & 1024 ? below(&rng, 1 << 20) & ~7u : 0x7000);
                if (r & 2048) {
                    c.dw11 = 0;
                    c.dw12 = below(&rng, 3000);
                }
                ram_write(rig.ram, hpa((q ? SQ1 : ASQ) + 64 * below(&rng, 32)), &c, sizeof c);
                pci_rig_set(&rig, NVME_DOORBELL + 8 * q, below(&rng, 32));
                pci_rig_set(&rig, NVME_DOORBELL + 8 * q + 4, below(&rng, 32));
            }
            pci_rig_settle(&rig, below(&rng, 40));
        }
        dev_reset(&rig.f->dev);
        pci_rig_settle(&rig, 100);
        pci_rig_cfg_set(&rig, PCI_BAR0, (uint32_t)RIG_REGS);
        pci_rig_cfg_set(&rig, PCI_COMMAND, PCI_CMD_MEMORY | PCI_CMD_MASTER);
    }
    unplug();
}
END_TEST

SUITE("nvme", registers_say_what_it_is, identify_lists_namespaces, queues_are_checked,
      reads_go_through_every_form_of_prp, a_list_that_points_at_itself_ends,
      what_is_written_is_there, a_failing_back_end_is_an_error_in_the_log,
      bad_doorbells_give_an_event, features_and_aborts, a_full_completion_queue_waits,
      completion_comes_by_time_and_by_message,
      queues_without_memory_are_fatal_for_the_controller_only, hostile_drivers_do_no_harm)
