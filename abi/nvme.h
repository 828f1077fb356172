/*
 * abi/nvme.h: NVM Express 1.4: registers (3.1), queue entries (4.2, 4.6), commands (5, 6), status
 * codes (4.6.1.2) and the data structures that Identify and Get Log Page return (5.15, 5.14).
 */
#ifndef ABI_NVME_H
#define ABI_NVME_H

#include <stdint.h>

/* Registers in BAR 0 */
#define NVME_CAP      0x00u
#define NVME_VS       0x08u
#define NVME_INTMS    0x0cu
#define NVME_INTMC    0x10u
#define NVME_CC       0x14u
#define NVME_CSTS     0x1cu
#define NVME_NSSR     0x20u
#define NVME_AQA      0x24u
#define NVME_ASQ      0x28u
#define NVME_ACQ      0x30u
#define NVME_DOORBELL 0x1000u /* + 8 * queue: tail; + 4: head (CAP.DSTRD = 0) */

#define NVME_VERSION_1_4 0x00010400u

#define NVME_CAP_CQR     (1ull << 16)
#define NVME_CAP_TO(x)   ((uint64_t)(x) << 24) /* 500 ms */
#define NVME_CAP_CSS_NVM (1ull << 37)

#define NVME_CAP_MQES(c)    ((unsigned)((c)&0xffff))       /* entries of a queue - 1 */
#define NVME_CAP_TIMEOUT(c) ((unsigned)((c) >> 24 & 0xff)) /* to become ready, in 500 ms */
#define NVME_CAP_DSTRD(c)   ((unsigned)((c) >> 32 & 15))   /* doorbells are 4 << this apart */
#define NVME_CAP_MPSMIN(c)  ((unsigned)((c) >> 48 & 15))   /* pages of 4096 << this and more */

#define NVME_CC_EN        (1u << 0)
#define NVME_CC_CSS(cc)   ((cc) >> 4 & 7)
#define NVME_CC_MPS(cc)   ((cc) >> 7 & 15)
#define NVME_CC_AMS(cc)   ((cc) >> 11 & 7)
#define NVME_CC_SHN(cc)   ((cc) >> 14 & 3)
#define NVME_CC_IOSQES(c) ((c) >> 16 & 15)
#define NVME_CC_IOCQES(c) ((c) >> 20 & 15)
#define NVME_CC_MASK      0x00fffff1u
#define NVME_CC_ENTRIES   (6u << 16 | 4u << 20) /* I/O queue entries of 64 and of 16 bytes */

#define NVME_CSTS_RDY       (1u << 0)
#define NVME_CSTS_CFS       (1u << 1)
#define NVME_CSTS_SHST_DONE (2u << 2)
#define NVME_CSTS_SHST_MASK (3u << 2)

struct nvme_sqe {
    uint8_t opcode;
    uint8_t flags; /* 1:0 fused, 7:6 PRP or SGL */
    uint16_t cid;
    uint32_t nsid;
    uint32_t dw2, dw3;
    uint64_t metadata;
    uint64_t prp1, prp2;
    uint32_t dw10, dw11, dw12, dw13, dw14, dw15;
};

struct nvme_cqe {
    uint32_t result, reserved;
    uint16_t sq_head, sq_id;
    uint16_t cid;
    uint16_t status; /* phase in bit 0 */
};

enum nvme_admin_opcode {
    NVME_ADM_DELETE_SQ = 0x00,
    NVME_ADM_CREATE_SQ = 0x01,
    NVME_ADM_GET_LOG = 0x02,
    NVME_ADM_DELETE_CQ = 0x04,
    NVME_ADM_CREATE_CQ = 0x05,
    NVME_ADM_IDENTIFY = 0x06,
    NVME_ADM_ABORT = 0x08,
    NVME_ADM_SET_FEATURES = 0x09,
    NVME_ADM_GET_FEATURES = 0x0a,
    NVME_ADM_ASYNC_EVENT = 0x0c,
};

enum nvme_io_opcode {
    NVME_IO_FLUSH = 0x00,
    NVME_IO_WRITE = 0x01,
    NVME_IO_READ = 0x02,
    NVME_IO_COMPARE = 0x05,
    NVME_IO_WRITE_ZEROES = 0x08,
    NVME_IO_DSM = 0x09,
};

/* Status: code type << 8 | code, as in bits 11:1 of the completion's status word */
enum nvme_status {
    NVME_OK = 0x000,
    NVME_INVALID_OPCODE = 0x001,
    NVME_INVALID_FIELD = 0x002,
    NVME_DATA_TRANSFER = 0x004,
    NVME_INTERNAL = 0x006,
    NVME_ABORT_REQUESTED = 0x007,
    NVME_INVALID_NAMESPACE = 0x00b,
    NVME_PRP_OFFSET = 0x013,
    NVME_LBA_RANGE = 0x080,
    NVME_CQ_INVALID = 0x100,
    NVME_QUEUE_ID = 0x101,
    NVME_QUEUE_SIZE = 0x102,
    NVME_TOO_MANY_EVENTS = 0x105,
    NVME_INVALID_VECTOR = 0x108,
    NVME_INVALID_LOG = 0x109,
    NVME_QUEUE_DELETION = 0x10c,
    NVME_NOT_SAVEABLE = 0x10d,
    NVME_READ_ONLY = 0x182,
    NVME_WRITE_FAULT = 0x280,
    NVME_READ_ERROR = 0x281,
    NVME_COMPARE_FAILURE = 0x285,
};
#define NVME_DO_NOT_RETRY 0x4000u /* in the status word */
#define NVME_STATUS(word) ((word) >> 1 & 0x7ff)

/* Identify: CNS */
enum {
    NVME_CNS_NAMESPACE = 0,
    NVME_CNS_CONTROLLER = 1,
    NVME_CNS_ACTIVE = 2,
    NVME_CNS_DESCRIPTORS = 3,
};

/* Offsets in the controller's structure */
enum {
    NVME_IDC_VID = 0,
    NVME_IDC_SSVID = 2,
    NVME_IDC_SERIAL = 4,
    NVME_IDC_MODEL = 24,
    NVME_IDC_FIRMWARE = 64,
    NVME_IDC_RAB = 72,
    NVME_IDC_OUI = 73,
    NVME_IDC_MDTS = 77,
    NVME_IDC_VERSION = 80,
    NVME_IDC_TYPE = 111,
    NVME_IDC_ACL = 258,
    NVME_IDC_AERL = 259,
    NVME_IDC_FRMW = 260,
    NVME_IDC_LPA = 261,
    NVME_IDC_ELPE = 262,
    NVME_IDC_WCTEMP = 266,
    NVME_IDC_CCTEMP = 268,
    NVME_IDC_SQES = 512,
    NVME_IDC_CQES = 513,
    NVME_IDC_NN = 516,
    NVME_IDC_ONCS = 520,
    NVME_IDC_VWC = 525,
    NVME_IDC_SUBNQN = 768,
    NVME_IDC_POWER0 = 2048,
};
#define NVME_ONCS_COMPARE      (1u << 0)
#define NVME_ONCS_DSM          (1u << 2)
#define NVME_ONCS_WRITE_ZEROES (1u << 3)

/* Offsets in a namespace's structure */
enum {
    NVME_IDN_SIZE = 0,
    NVME_IDN_CAPACITY = 8,
    NVME_IDN_USED = 16,
    NVME_IDN_FLBAS = 26,
    NVME_IDN_DLFEAT = 33,
    NVME_IDN_NSATTR = 99,
    NVME_IDN_EUI64 = 120,
    NVME_IDN_LBAF0 = 128,
};

enum {
    NVME_LOG_ERROR = 1,
    NVME_LOG_HEALTH = 2,
    NVME_LOG_FIRMWARE = 3,
    NVME_LOG_COMMANDS = 5,
};

enum {
    NVME_FEAT_ARBITRATION = 1,
    NVME_FEAT_POWER = 2,
    NVME_FEAT_TEMPERATURE = 4,
    NVME_FEAT_ERROR_RECOVERY = 5,
    NVME_FEAT_WRITE_CACHE = 6,
    NVME_FEAT_QUEUES = 7,
    NVME_FEAT_COALESCING = 8,
    NVME_FEAT_VECTOR = 9,
    NVME_FEAT_ATOMICITY = 10,
    NVME_FEAT_EVENTS = 11,
    NVME_FEAT_COUNT = 12,
};

struct nvme_error_entry {
    uint64_t count;
    uint16_t sq_id, cid, status, location;
    uint64_t lba;
    uint32_t nsid;
    uint8_t vendor, transport, reserved[2];
    uint64_t specific;
    uint16_t transport_specific;
    uint8_t rest[22];
};

#define NVME_FORCE_UNIT_ACCESS (1u << 30) /* in a write's dword 12 */
#define NVME_DSM_DEALLOCATE    (1u << 2)  /* in dword 11 */

struct nvme_range {
    uint32_t attributes, blocks;
    uint64_t lba;
};

#endif
