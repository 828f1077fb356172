/*
 * abi/vtd.h: registers and memory structures of a DMA-remapping unit (VT-d 9 and 10, legacy mode).
 */
#ifndef ABI_VTD_H
#define ABI_VTD_H

#define VTD_BASE 0xfed90000u
#define VTD_SIZE 0x1000u

/* Registers */
#define VTD_VER     0x00
#define VTD_CAP     0x08
#define VTD_ECAP    0x10
#define VTD_GCMD    0x18
#define VTD_GSTS    0x1c
#define VTD_RTADDR  0x20
#define VTD_CCMD    0x28
#define VTD_FSTS    0x34
#define VTD_FECTL   0x38
#define VTD_FEDATA  0x3c
#define VTD_FEADDR  0x40
#define VTD_FEUADDR 0x44
#define VTD_IQH     0x80
#define VTD_IQT     0x88
#define VTD_IQA     0x90
#define VTD_ICS     0x9c
#define VTD_IECTL   0xa0
#define VTD_IEDATA  0xa4
#define VTD_IEADDR  0xa8
#define VTD_IEUADDR 0xac
#define VTD_IRTA    0xb8
#define VTD_IVA     0x100 /* where ECAP.IRO says */
#define VTD_IOTLB   0x108
#define VTD_FRCD    0x200 /* where CAP.FRO says, 16 bytes each */

/* Capability register */
#define VTD_CAP_ND_64K     6ull
#define VTD_CAP_SAGAW(n)   (1ull << (8 + (n))) /* 1: 39 bits, 3 levels; 2: 48, 4; 3: 57, 5 */
#define VTD_CAP_MGAW(bits) ((uint64_t)((bits)-1) << 16)
#define VTD_CAP_ZLR        (1ull << 22)
#define VTD_CAP_FRO(at)    ((uint64_t)(at) / 16 << 24)
#define VTD_CAP_SLLPS_2M   (1ull << 34)
#define VTD_CAP_SLLPS_1G   (1ull << 35)
#define VTD_CAP_PSI        (1ull << 39)
#define VTD_CAP_NFR(n)     ((uint64_t)((n)-1) << 40)
#define VTD_CAP_MAMV(n)    ((uint64_t)(n) << 48)
#define VTD_CAP_DWD        (1ull << 54)
#define VTD_CAP_DRD        (1ull << 55)
#define VTD_CAP_PI         (1ull << 59)

/* Extended capability register */
#define VTD_ECAP_C       (1ull << 0)
#define VTD_ECAP_QI      (1ull << 1)
#define VTD_ECAP_IR      (1ull << 3)
#define VTD_ECAP_EIM     (1ull << 4)
#define VTD_ECAP_PT      (1ull << 6)
#define VTD_ECAP_SC      (1ull << 7)
#define VTD_ECAP_IRO(at) ((uint64_t)(at) / 16 << 8)
#define VTD_ECAP_MHMV    (15ull << 20)

/* Global command and status: the same bits */
#define VTD_G_TE   (1u << 31)
#define VTD_G_RTP  (1u << 30)
#define VTD_G_FL   (1u << 29)
#define VTD_G_EAFL (1u << 28)
#define VTD_G_WBF  (1u << 27)
#define VTD_G_QIE  (1u << 26)
#define VTD_G_IRE  (1u << 25)
#define VTD_G_IRTP (1u << 24)
#define VTD_G_CFI  (1u << 23)

/* Context command: bits of the upper half */
#define VTD_CCMD_ICC        (1u << 31)
#define VTD_CCMD_CIRG_SHIFT 29
#define VTD_CCMD_CAIG_SHIFT 27
/* IOTLB invalidate: bits of the upper half */
#define VTD_IOTLB_IVT        (1u << 31)
#define VTD_IOTLB_IIRG_SHIFT 28
#define VTD_IOTLB_IAIG_SHIFT 25
/* Granularities of both, and of the descriptors */
#define VTD_INV_GLOBAL 1u
#define VTD_INV_DOMAIN 2u
#define VTD_INV_NARROW 3u /* a device's contexts; some pages */

/* Fault status */
#define VTD_FSTS_PFO       (1u << 0)
#define VTD_FSTS_PPF       (1u << 1)
#define VTD_FSTS_IQE       (1u << 4)
#define VTD_FSTS_FRI       (0xffu << 8)
#define VTD_FSTS_FRI_SHIFT 8
/* Fault event and invalidation event control */
#define VTD_EVENT_MASKED  (1u << 31)
#define VTD_EVENT_PENDING (1u << 30)
#define VTD_ICS_IWC       (1u << 0)
/* Fault record: bits of the upper 64 */
#define VTD_FRCD_F            (1ull << 63)
#define VTD_FRCD_READ         (1ull << 62)
#define VTD_FRCD_REASON_SHIFT 32
#define VTD_FRCD_INDEX_SHIFT  48 /* of the lower 64: interrupt index */

/* Invalidation queue address: log2 of the pages; tail and head count in bytes */
#define VTD_IQA_QS 7u
/* Interrupt-remapping table address: log2 of the entries, less 1; x2APIC destinations */
#define VTD_IRTA_S    15u
#define VTD_IRTA_EIME (1u << 11)

/* Root and context entries */
#define VTD_ENTRY_P         (1ull << 0)
#define VTD_CONTEXT_FPD     (1ull << 1)
#define VTD_CONTEXT_TT      (3ull << 2)
#define VTD_CONTEXT_PASS    (2ull << 2)
#define VTD_CONTEXT_AW      7ull
#define VTD_CONTEXT_DID(hi) ((uint16_t)((hi) >> 8))
#define VTD_ADDRESS         0xfffffffffffff000ull

/* Second-level page-table entry */
#define VTD_SL_R  (1ull << 0)
#define VTD_SL_W  (1ull << 1)
#define VTD_SL_PS (1ull << 7)

/* Invalidation descriptors: type in the lowest four bits */
#define VTD_QI_CONTEXT     1u
#define VTD_QI_IOTLB       2u
#define VTD_QI_IEC         4u
#define VTD_QI_WAIT        5u
#define VTD_QI_WAIT_IF     (1u << 4) /* interrupt */
#define VTD_QI_WAIT_SW     (1u << 5) /* status write */
#define VTD_QI_GRANULARITY 4         /* shift */
#define VTD_QI_AM          0x3fu     /* IOTLB: log2 of the pages, in the upper 64 bits */

/* Interrupt-remapping table entry, lower 64 bits */
#define VTD_IRTE_P         (1ull << 0)
#define VTD_IRTE_FPD       (1ull << 1)
#define VTD_IRTE_LOGICAL   (1ull << 2)
#define VTD_IRTE_LEVEL     (1ull << 4)
#define VTD_IRTE_DLM_SHIFT 5
#define VTD_IRTE_URG       (1ull << 14)
#define VTD_IRTE_POSTED    (1ull << 15)
#define VTD_IRTE_V_SHIFT   16
/* upper 64 bits */
#define VTD_IRTE_SQ_SHIFT  16
#define VTD_IRTE_SVT_SHIFT 18
/* Message in remappable format */
#define VTD_MSI_REMAPPABLE  (1u << 4)
#define VTD_MSI_SHV         (1u << 3) /* the data holds a subhandle */
#define VTD_MSI_INDEX_SHIFT 5
#define VTD_MSI_INDEX_15    (1u << 2)

/* Posted-interrupt descriptor, 64 bytes: 256 requests, then */
#define VTD_PID_CONTROL 32 /* byte */
#define VTD_PID_ON      1u
#define VTD_PID_SN      2u
#define VTD_PID_NV      34 /* byte: notification vector */
#define VTD_PID_NDST    36 /* dword: destination */

/* Fault reasons (VT-d 7.1.3, appendix A) */
enum vtd_fault {
    VTD_F_ROOT_NOT_PRESENT = 0x01,
    VTD_F_CONTEXT_NOT_PRESENT = 0x02,
    VTD_F_CONTEXT_INVALID = 0x03,
    VTD_F_ADDRESS_WIDTH = 0x04,
    VTD_F_WRITE = 0x05,
    VTD_F_READ = 0x06,
    VTD_F_TABLE = 0x07,
    VTD_F_ROOT_TABLE = 0x08,
    VTD_F_CONTEXT_TABLE = 0x09,
    VTD_F_ROOT_RESERVED = 0x0a,
    VTD_F_CONTEXT_RESERVED = 0x0b,
    VTD_F_TABLE_RESERVED = 0x0c,
    VTD_F_IR_REQUEST_RESERVED = 0x20,
    VTD_F_IR_INDEX = 0x21,
    VTD_F_IR_NOT_PRESENT = 0x22,
    VTD_F_IR_TABLE = 0x23,
    VTD_F_IR_RESERVED = 0x24,
    VTD_F_IR_COMPATIBILITY = 0x25,
    VTD_F_IR_SOURCE = 0x26,
};

#endif
