/*
 * abi/hv.h: the Hyper-V interface as published in the TLFS: CPUID leaves (TLFS 2), synthetic MSRs,
 * hypercalls (TLFS 3), SynIC (TLFS 11), synthetic timers (TLFS 12), intercept messages.
 *
 * Constants and memory layouts only, freestanding and hosted. Structures are laid out by natural
 * alignment; HV_ABI_SIZE checks each against the specification. Layouts of hypercall inputs are
 * named hv_in_CALL, those of outputs hv_out_CALL; a rep call's list follows the header directly.
 */
#ifndef ABI_HV_H
#define ABI_HV_H

#include <stdint.h>

#define HV_ABI_SIZE(type, size) _Static_assert(sizeof(struct type) == (size), #type)

/* ---- CPUID ---- */
#define HV_CPUID_VENDOR         0x40000000u
#define HV_CPUID_INTERFACE      0x40000001u
#define HV_CPUID_VERSION        0x40000002u
#define HV_CPUID_FEATURES       0x40000003u
#define HV_CPUID_HINTS          0x40000004u
#define HV_CPUID_LIMITS         0x40000005u
#define HV_CPUID_HARDWARE       0x40000006u
#define HV_CPUID_CPU_MANAGEMENT 0x40000007u
#define HV_CPUID_NESTED         0x4000000au
#define HV_CPUID_SIG_EBX        0x7263694du /* "Micr" */
#define HV_CPUID_SIG_ECX        0x666f736fu /* "osof" */
#define HV_CPUID_SIG_EDX        0x76482074u /* "t Hv" */
#define HV_CPUID_INTERFACE_HV1  0x31237648u /* "Hv#1" */

/* Leaf 3 EAX: privileges, low half */
#define HV_ACCESS_VP_RUNTIME      (1u << 0)
#define HV_ACCESS_REF_COUNTER     (1u << 1)
#define HV_ACCESS_SYNIC           (1u << 2)
#define HV_ACCESS_STIMER          (1u << 3)
#define HV_ACCESS_INTR_CTRL       (1u << 4)
#define HV_ACCESS_HYPERCALL       (1u << 5)
#define HV_ACCESS_VP_INDEX        (1u << 6)
#define HV_ACCESS_RESET           (1u << 7)
#define HV_ACCESS_STATS_REG       (1u << 8)
#define HV_ACCESS_REF_TSC         (1u << 9)
#define HV_ACCESS_GUEST_IDLE      (1u << 10)
#define HV_ACCESS_FREQUENCY       (1u << 11)
#define HV_ACCESS_DEBUG           (1u << 12)
#define HV_ACCESS_REENLIGHTENMENT (1u << 13)
#define HV_ACCESS_TSC_INVARIANT   (1u << 15)

/* Leaf 3 EBX: privileges, high half */
#define HV_CREATE_PARTITIONS      (1u << 0)
#define HV_ACCESS_PARTITION_ID    (1u << 1)
#define HV_ACCESS_MEMORY_POOL     (1u << 2)
#define HV_ADJUST_MESSAGE_BUFFERS (1u << 3)
#define HV_POST_MESSAGES          (1u << 4)
#define HV_SIGNAL_EVENTS          (1u << 5)
#define HV_CREATE_PORT            (1u << 6)
#define HV_CONNECT_PORT           (1u << 7)
#define HV_ACCESS_STATS           (1u << 8)
#define HV_DEBUGGING              (1u << 11)
#define HV_CPU_MANAGEMENT         (1u << 12)
#define HV_ACCESS_VP_REGISTERS    (1u << 17)
#define HV_EXTENDED_HYPERCALLS    (1u << 20)
#define HV_START_VP               (1u << 21)
#define HV_ISOLATION              (1u << 22)

/* Leaf 3 EDX: features */
#define HV_FEAT_XMM_INPUT      (1u << 4)
#define HV_FEAT_FREQUENCY_MSRS (1u << 8)
#define HV_FEAT_CRASH_MSRS     (1u << 10)
#define HV_FEAT_XMM_OUTPUT     (1u << 15)
#define HV_FEAT_HYPERCALL_LOCK (1u << 18)
#define HV_FEAT_DIRECT_STIMER  (1u << 19)

/* Leaf 4 EAX: hints */
#define HV_HINT_REMOTE_FLUSH       (1u << 2)
#define HV_HINT_APIC_MSRS          (1u << 3)
#define HV_HINT_RESET_MSR          (1u << 4)
#define HV_HINT_RELAXED_TIMING     (1u << 5)
#define HV_HINT_DEPRECATE_AUTO_EOI (1u << 9)
#define HV_HINT_CLUSTER_IPI        (1u << 10)
#define HV_HINT_EX_MASKS           (1u << 11)

/* Leaf 7 EAX */
#define HV_CPU_MGMT_START_LP          (1u << 0)
#define HV_CPU_MGMT_CREATE_ROOT_VP    (1u << 1)
#define HV_CPU_MGMT_RESERVED_IDENTITY (1u << 31)

/* ---- Synthetic MSRs ---- */
#define HV_MSR_GUEST_OS_ID           0x40000000u
#define HV_MSR_HYPERCALL             0x40000001u
#define HV_MSR_VP_INDEX              0x40000002u
#define HV_MSR_RESET                 0x40000003u
#define HV_MSR_VP_RUNTIME            0x40000010u
#define HV_MSR_TIME_REF_COUNT        0x40000020u
#define HV_MSR_REFERENCE_TSC         0x40000021u
#define HV_MSR_TSC_FREQUENCY         0x40000022u
#define HV_MSR_APIC_FREQUENCY        0x40000023u
#define HV_MSR_EOI                   0x40000070u
#define HV_MSR_ICR                   0x40000071u
#define HV_MSR_TPR                   0x40000072u
#define HV_MSR_VP_ASSIST_PAGE        0x40000073u
#define HV_MSR_SCONTROL              0x40000080u
#define HV_MSR_SVERSION              0x40000081u
#define HV_MSR_SIEFP                 0x40000082u
#define HV_MSR_SIMP                  0x40000083u
#define HV_MSR_EOM                   0x40000084u
#define HV_MSR_SIRBP                 0x40000085u
#define HV_MSR_SINT0                 0x40000090u
#define HV_MSR_SINT15                0x4000009fu
#define HV_MSR_STIMER0_CONFIG        0x400000b0u
#define HV_MSR_STIMER0_COUNT         0x400000b1u
#define HV_MSR_STIMER3_COUNT         0x400000b7u
#define HV_MSR_GUEST_IDLE            0x400000f0u
#define HV_MSR_CRASH_P0              0x40000100u
#define HV_MSR_CRASH_P4              0x40000104u
#define HV_MSR_CRASH_CTL             0x40000105u
#define HV_MSR_TSC_INVARIANT_CONTROL 0x40000118u
#define HV_MSR_FIRST                 0x40000000u
#define HV_MSR_LAST                  0x400010ffu

/* Bit 0 of HYPERCALL, REFERENCE_TSC, VP_ASSIST_PAGE, SIMP, SIEFP, SCONTROL */
#define HV_MSR_ENABLE       1ull
#define HV_HYPERCALL_LOCKED 2ull

#define HV_SINT_COUNT        16u
#define HV_SINT_VECTOR       0xffull
#define HV_SINT_MASKED       (1ull << 16)
#define HV_SINT_AUTO_EOI     (1ull << 17)
#define HV_SINT_POLLING      (1ull << 18)
#define HV_SINT_AS_INTERCEPT (1ull << 19)
#define HV_SINT_PROXY        (1ull << 20)
#define HV_SINT_INTERCEPT    0u /* SINT use by convention */
#define HV_SINT_VMBUS        2u

#define HV_STIMER_COUNT        4u
#define HV_STIMER_ENABLE       (1ull << 0)
#define HV_STIMER_PERIODIC     (1ull << 1)
#define HV_STIMER_LAZY         (1ull << 2)
#define HV_STIMER_AUTO_ENABLE  (1ull << 3)
#define HV_STIMER_VECTOR_SHIFT 4
#define HV_STIMER_DIRECT       (1ull << 12)
#define HV_STIMER_SINT_SHIFT   16
#define HV_STIMER_VALID        0xf1fffull

#define HV_CRASH_NOTIFY  (1ull << 63)
#define HV_CRASH_MESSAGE (1ull << 62)

/* ---- Hypercall control word and result ---- */
#define HV_HC_CODE              0xffffull
#define HV_HC_FAST              (1ull << 16)
#define HV_HC_VARHEAD_SHIFT     17
#define HV_HC_VARHEAD           (0x3ffull << HV_HC_VARHEAD_SHIFT)
#define HV_HC_RSVD              ((0xfull << 27) | (0xfull << 44) | (0xfull << 60))
#define HV_HC_NESTED            (1ull << 31)
#define HV_HC_REP_SHIFT         32
#define HV_HC_REP_MASK          0xfffull
#define HV_HC_START_SHIFT       48
#define HV_HC_REP(code, count)  ((uint64_t)(code) | ((uint64_t)(count) << HV_HC_REP_SHIFT))
#define HV_HC_STATUS(result)    ((uint16_t)(result))
#define HV_HC_REPS_DONE(result) ((uint32_t)((result) >> HV_HC_REP_SHIFT) & 0xfffu)

/* Status codes */
#define HV_STATUS_SUCCESS                     0x00u
#define HV_STATUS_INVALID_HYPERCALL_CODE      0x02u
#define HV_STATUS_INVALID_HYPERCALL_INPUT     0x03u
#define HV_STATUS_INVALID_ALIGNMENT           0x04u
#define HV_STATUS_INVALID_PARAMETER           0x05u
#define HV_STATUS_ACCESS_DENIED               0x06u
#define HV_STATUS_INVALID_PARTITION_STATE     0x07u
#define HV_STATUS_OPERATION_DENIED            0x08u
#define HV_STATUS_UNKNOWN_PROPERTY            0x09u
#define HV_STATUS_PROPERTY_VALUE_OUT_OF_RANGE 0x0au
#define HV_STATUS_INSUFFICIENT_MEMORY         0x0bu
#define HV_STATUS_PARTITION_TOO_DEEP          0x0cu
#define HV_STATUS_INVALID_PARTITION_ID        0x0du
#define HV_STATUS_INVALID_VP_INDEX            0x0eu
#define HV_STATUS_NOT_FOUND                   0x10u
#define HV_STATUS_INVALID_PORT_ID             0x11u
#define HV_STATUS_INVALID_CONNECTION_ID       0x12u
#define HV_STATUS_INSUFFICIENT_BUFFERS        0x13u
#define HV_STATUS_NOT_ACKNOWLEDGED            0x14u
#define HV_STATUS_INVALID_VP_STATE            0x15u
#define HV_STATUS_ACKNOWLEDGED                0x16u
#define HV_STATUS_INVALID_SYNIC_STATE         0x18u
#define HV_STATUS_OBJECT_IN_USE               0x19u
#define HV_STATUS_NO_DATA                     0x1bu
#define HV_STATUS_INACTIVE                    0x1cu
#define HV_STATUS_NO_RESOURCES                0x1du
#define HV_STATUS_FEATURE_UNAVAILABLE         0x1eu
#define HV_STATUS_INSUFFICIENT_BUFFER         0x33u
#define HV_STATUS_INVALID_REGISTER_VALUE      0x50u
#define HV_STATUS_UNKNOWN_REGISTER_NAME       0x87u

/* Special ids */
#define HV_PARTITION_ID_SELF    0xffffffffffffffffull
#define HV_PARTITION_ID_INVALID 0ull
#define HV_ANY_VP               0xffffffffu
#define HV_VP_INDEX_SELF        0xfffffffeu

/* Call codes */
#define HVCALL_FLUSH_VA_SPACE            0x0002u
#define HVCALL_FLUSH_VA_LIST             0x0003u
#define HVCALL_NOTIFY_LONG_SPIN_WAIT     0x0008u
#define HVCALL_SEND_CLUSTER_IPI          0x000bu
#define HVCALL_FLUSH_VA_SPACE_EX         0x0013u
#define HVCALL_FLUSH_VA_LIST_EX          0x0014u
#define HVCALL_SEND_CLUSTER_IPI_EX       0x0015u
#define HVCALL_CREATE_PARTITION          0x0040u
#define HVCALL_INITIALIZE_PARTITION      0x0041u
#define HVCALL_FINALIZE_PARTITION        0x0042u
#define HVCALL_DELETE_PARTITION          0x0043u
#define HVCALL_GET_PARTITION_PROPERTY    0x0044u
#define HVCALL_SET_PARTITION_PROPERTY    0x0045u
#define HVCALL_GET_PARTITION_ID          0x0046u
#define HVCALL_GET_NEXT_CHILD_PARTITION  0x0047u
#define HVCALL_DEPOSIT_MEMORY            0x0048u
#define HVCALL_WITHDRAW_MEMORY           0x0049u
#define HVCALL_GET_MEMORY_BALANCE        0x004au
#define HVCALL_MAP_GPA_PAGES             0x004bu
#define HVCALL_UNMAP_GPA_PAGES           0x004cu
#define HVCALL_INSTALL_INTERCEPT         0x004du
#define HVCALL_CREATE_VP                 0x004eu
#define HVCALL_DELETE_VP                 0x004fu
#define HVCALL_GET_VP_REGISTERS          0x0050u
#define HVCALL_SET_VP_REGISTERS          0x0051u
#define HVCALL_TRANSLATE_VIRTUAL_ADDRESS 0x0052u
#define HVCALL_DELETE_PORT               0x0058u
#define HVCALL_DISCONNECT_PORT           0x005bu
#define HVCALL_POST_MESSAGE              0x005cu
#define HVCALL_SIGNAL_EVENT              0x005du
#define HVCALL_GET_SYSTEM_PROPERTY       0x007bu
#define HVCALL_ASSERT_VIRTUAL_INTERRUPT  0x0094u
#define HVCALL_CREATE_PORT               0x0095u
#define HVCALL_CONNECT_PORT              0x0096u
#define HVCALL_SIGNAL_EVENT_DIRECT       0x00c0u
#define HVCALL_POST_MESSAGE_DIRECT       0x00c1u

/* ---- Hypercall layouts ---- */
/* 0x40 flags */
#define HV_PART_FLAG_SMT            (1ull << 0)
#define HV_PART_FLAG_EXO            (1ull << 8)
#define HV_PART_FLAG_LAPIC          (1ull << 13)
#define HV_PART_FLAG_INTERCEPT_PAGE (1ull << 19)
#define HV_PART_FLAG_X2APIC         (1ull << 22)

struct hv_in_create_partition {
    uint64_t flags;
    uint64_t proximity;
    uint32_t compat_version;
    uint32_t rsvd;
    uint64_t disabled_features[2];
    uint64_t disabled_xsave;
    uint64_t isolation;
};
HV_ABI_SIZE(hv_in_create_partition, 56);

/* 0x41, 0x42, 0x43, 0x48 header: partition id only */
struct hv_in_partition {
    uint64_t partition;
};

/* 0x44, 0x45 */
struct hv_in_partition_property {
    uint64_t partition;
    uint32_t code;
    uint32_t rsvd;
    uint64_t value; /* set only */
};
HV_ABI_SIZE(hv_in_partition_property, 24);

#define HV_PROP_PRIVILEGE_FLAGS          0x00010000u
#define HV_PROP_SYNTHETIC_FEATURES       0x00010001u
#define HV_PROP_SUSPEND                  0x00020000u
#define HV_PROP_CPU_RESERVE              0x00020001u
#define HV_PROP_CPU_CAP                  0x00020002u
#define HV_PROP_CPU_WEIGHT               0x00020003u
#define HV_PROP_TIME_FREEZE              0x00030003u
#define HV_PROP_APIC_FREQUENCY           0x00030004u
#define HV_PROP_REFERENCE_TIME           0x00030005u
#define HV_PROP_UNIMPLEMENTED_MSR_ACTION 0x00050017u
#define HV_PROP_REFERENCE_TSC_ACTIVE     0x00050019u
#define HV_PROP_PROCESSOR_VENDOR         0x00060000u
#define HV_PROP_COMPAT_VERSION           0x00060005u
#define HV_PROP_PROCESSOR_CLOCK          0x00060009u
#define HV_PROP_GUEST_OS_ID              0x00070000u
/* Vitrine's own range: the partition's name for the published description, eight bytes of it
 * per property, characters in memory order (code NAME + i carries bytes 8i to 8i+7). */
#define HV_PROP_VITRINE_NAME       0x7f000000u
#define HV_PROP_VITRINE_NAME_WORDS 4u

/* 0x47 */
struct hv_in_next_child {
    uint64_t parent;
    uint64_t previous;
};

/* 0x49, 0x4a */
struct hv_in_memory {
    uint64_t partition;
    uint64_t proximity;
};
struct hv_out_memory_balance {
    uint64_t available;
    uint64_t in_use;
};

/* 0x4b (list: uint64_t source page numbers of the caller), 0x4c (no list) */
struct hv_in_map_gpa {
    uint64_t partition;
    uint64_t gpfn;
    uint32_t flags;
    uint32_t rsvd;
};
HV_ABI_SIZE(hv_in_map_gpa, 24);
#define HV_MAP_READ     0x1u
#define HV_MAP_WRITE    0x2u
#define HV_MAP_KEXEC    0x4u
#define HV_MAP_UEXEC    0x8u
#define HV_MAP_LARGE    0x80000000u
#define HV_MAP_MAX_REPS 509u /* what fits the input page */

/* 0x4d */
struct hv_in_install_intercept {
    uint64_t partition;
    uint32_t access; /* HV_INTERCEPT_ACCESS_MASK_* */
    uint32_t type;   /* HV_INTERCEPT_TYPE_* */
    uint64_t parameter;
};
HV_ABI_SIZE(hv_in_install_intercept, 24);
#define HV_INTERCEPT_MASK_READ      1u
#define HV_INTERCEPT_MASK_WRITE     2u
#define HV_INTERCEPT_MASK_EXECUTE   4u
#define HV_INTERCEPT_TYPE_IO_PORT   0u
#define HV_INTERCEPT_TYPE_MSR       1u
#define HV_INTERCEPT_TYPE_CPUID     2u
#define HV_INTERCEPT_TYPE_EXCEPTION 3u

/* 0x4e */
struct hv_in_create_vp {
    uint64_t partition;
    uint32_t vp;
    uint8_t rsvd[3];
    uint8_t subnode_type;
    uint64_t subnode;
    uint64_t proximity;
    uint64_t flags;
};
HV_ABI_SIZE(hv_in_create_vp, 40);

/* 0x4f (fast16) */
struct hv_in_delete_vp {
    uint64_t partition;
    uint32_t vp;
    uint32_t rsvd;
};

/* 0x50 (list: uint32_t names; output list: struct hv_reg_value), 0x51 (list: hv_reg_assoc) */
struct hv_in_vp_registers {
    uint64_t partition;
    uint32_t vp;
    uint8_t vtl;
    uint8_t rsvd[3];
};
HV_ABI_SIZE(hv_in_vp_registers, 16);

struct hv_segment {
    uint64_t base;
    uint32_t limit;
    uint16_t selector;
    uint16_t attributes; /* layout of SA_* in abi/x86.h, without unusable: P clear means unusable */
};
HV_ABI_SIZE(hv_segment, 16);

struct hv_table {
    uint16_t pad[3];
    uint16_t limit;
    uint64_t base;
};
HV_ABI_SIZE(hv_table, 16);

union hv_reg_value {
    uint64_t q[2];
    struct hv_segment segment;
    struct hv_table table;
};

struct hv_reg_assoc {
    uint32_t name;
    uint32_t rsvd[3];
    union hv_reg_value value;
};
HV_ABI_SIZE(hv_reg_assoc, 32);

/* Register names */
#define HV_REG_EXPLICIT_SUSPEND     0x00000000u
#define HV_REG_INTERCEPT_SUSPEND    0x00000001u
#define HV_REG_PENDING_INTERRUPTION 0x00010002u
#define HV_REG_INTERRUPT_STATE      0x00010003u
#define HV_REG_RAX                  0x00020000u
#define HV_REG_RCX                  0x00020001u
#define HV_REG_RDX                  0x00020002u
#define HV_REG_RBX                  0x00020003u
#define HV_REG_RSP                  0x00020004u
#define HV_REG_RBP                  0x00020005u
#define HV_REG_RSI                  0x00020006u
#define HV_REG_RDI                  0x00020007u
#define HV_REG_R8                   0x00020008u
#define HV_REG_R15                  0x0002000fu
#define HV_REG_RIP                  0x00020010u
#define HV_REG_RFLAGS               0x00020011u
#define HV_REG_XMM0                 0x00030000u
#define HV_REG_XMM15                0x0003000fu
#define HV_REG_CR0                  0x00040000u
#define HV_REG_CR2                  0x00040001u
#define HV_REG_CR3                  0x00040002u
#define HV_REG_CR4                  0x00040003u
#define HV_REG_CR8                  0x00040004u
#define HV_REG_XFEM                 0x00040005u
#define HV_REG_DR0                  0x00050000u
#define HV_REG_DR3                  0x00050003u
#define HV_REG_DR6                  0x00050004u
#define HV_REG_DR7                  0x00050005u
#define HV_REG_ES                   0x00060000u
#define HV_REG_CS                   0x00060001u
#define HV_REG_SS                   0x00060002u
#define HV_REG_DS                   0x00060003u
#define HV_REG_FS                   0x00060004u
#define HV_REG_GS                   0x00060005u
#define HV_REG_LDTR                 0x00060006u
#define HV_REG_TR                   0x00060007u
#define HV_REG_IDTR                 0x00070000u
#define HV_REG_GDTR                 0x00070001u
#define HV_REG_TSC                  0x00080000u
#define HV_REG_EFER                 0x00080001u
#define HV_REG_KERNEL_GS_BASE       0x00080002u
#define HV_REG_APIC_BASE            0x00080003u
#define HV_REG_PAT                  0x00080004u
#define HV_REG_SYSENTER_CS          0x00080005u
#define HV_REG_SYSENTER_EIP         0x00080006u
#define HV_REG_SYSENTER_ESP         0x00080007u
#define HV_REG_STAR                 0x00080008u
#define HV_REG_LSTAR                0x00080009u
#define HV_REG_CSTAR                0x0008000au
#define HV_REG_SFMASK               0x0008000bu
#define HV_REG_VP_RUNTIME           0x00090000u
#define HV_REG_HYPERCALL            0x00090001u
#define HV_REG_GUEST_OS_ID          0x00090002u
#define HV_REG_VP_INDEX             0x00090003u
#define HV_REG_VP_ASSIST_PAGE       0x00090013u
#define HV_REG_REFERENCE_TSC        0x00090017u
#define HV_REG_CRASH_P0             0x00000210u
#define HV_REG_CRASH_CTL            0x00000215u
#define HV_REG_SINT0                0x000a0000u
#define HV_REG_SINT15               0x000a000fu
#define HV_REG_SCONTROL             0x000a0010u
#define HV_REG_SVERSION             0x000a0011u
#define HV_REG_SIEFP                0x000a0012u
#define HV_REG_SIMP                 0x000a0013u
#define HV_REG_EOM                  0x000a0014u
#define HV_REG_STIMER0_CONFIG       0x000b0000u
#define HV_REG_STIMER3_COUNT        0x000b0007u

/* PendingInterruption register */
#define HV_PENDING_INT_VALID        (1ull << 0)
#define HV_PENDING_INT_TYPE_SHIFT   1
#define HV_PENDING_INT_ERRCODE      (1ull << 4)
#define HV_PENDING_INT_LEN_SHIFT    5
#define HV_PENDING_INT_VECTOR_SHIFT 16
#define HV_PENDING_INT_ERROR_SHIFT  32
#define HV_PENDING_TYPE_INTERRUPT   0u
#define HV_PENDING_TYPE_NMI         2u
#define HV_PENDING_TYPE_EXCEPTION   3u

/* 0x52 */
struct hv_in_translate_va {
    uint64_t partition;
    uint32_t vp;
    uint32_t rsvd;
    uint64_t flags;
    uint64_t gva_page;
};
HV_ABI_SIZE(hv_in_translate_va, 32);
struct hv_out_translate_va {
    uint32_t result; /* HV_TRANSLATE_* */
    uint32_t cache_type;
    uint64_t gpfn;
};
HV_ABI_SIZE(hv_out_translate_va, 16);
#define HV_TRANSLATE_READ                1ull
#define HV_TRANSLATE_WRITE               2ull
#define HV_TRANSLATE_EXECUTE             4ull
#define HV_TRANSLATE_PRIV_EXEMPT         8ull
#define HV_TRANSLATE_SET_AD              0x10ull
#define HV_TRANSLATE_SUCCESS             0u
#define HV_TRANSLATE_PAGE_NOT_PRESENT    1u
#define HV_TRANSLATE_PRIVILEGE_VIOLATION 2u
#define HV_TRANSLATE_INVALID_PTE         3u
#define HV_TRANSLATE_GPA_UNMAPPED        4u

/* 0x94 */
struct hv_in_assert_interrupt {
    uint64_t partition;
    uint64_t control; /* [31:0] type, [32] level, [33] logical */
    uint64_t destination;
    uint32_t vector;
    uint8_t vtl;
    uint8_t rsvd[3];
};
HV_ABI_SIZE(hv_in_assert_interrupt, 32);
#define HV_INTERRUPT_FIXED           0u
#define HV_INTERRUPT_LOWEST_PRIORITY 1u
#define HV_INTERRUPT_SMI             2u
#define HV_INTERRUPT_REMOTE_READ     3u
#define HV_INTERRUPT_NMI             4u
#define HV_INTERRUPT_INIT            5u
#define HV_INTERRUPT_SIPI            6u
#define HV_INTERRUPT_EXTINT          7u
#define HV_INTERRUPT_LEVEL           (1ull << 32)
#define HV_INTERRUPT_LOGICAL         (1ull << 33)

/* 0x95 */
#define HV_PORT_TYPE_MESSAGE  1u
#define HV_PORT_TYPE_EVENT    2u
#define HV_PORT_TYPE_MONITOR  3u
#define HV_PORT_TYPE_DOORBELL 4u
struct hv_port_info {
    uint32_t type;
    uint32_t rsvd;
    uint32_t sint;
    uint32_t vp;
    uint16_t base_flag; /* event ports; a message port has zero here */
    uint16_t flag_count;
    uint32_t rsvd2;
};
HV_ABI_SIZE(hv_port_info, 24);

struct hv_in_create_port {
    uint64_t port_partition;
    uint32_t port;
    uint8_t vtl;
    uint8_t min_vtl;
    uint8_t rsvd[2];
    uint64_t connection_partition;
    struct hv_port_info info;
    uint64_t proximity;
};
HV_ABI_SIZE(hv_in_create_port, 56);

/* 0x58, 0x5b: port or connection id */
struct hv_in_delete_port {
    uint64_t partition;
    uint32_t id;
    uint32_t rsvd;
};

/* 0x96 */
struct hv_connection_info {
    uint32_t type;
    uint32_t rsvd;
    uint64_t u[3];
};
HV_ABI_SIZE(hv_connection_info, 32);

struct hv_in_connect_port {
    uint64_t connection_partition;
    uint32_t connection;
    uint8_t vtl;
    uint8_t rsvd[3];
    uint64_t port_partition;
    uint32_t port;
    uint32_t rsvd2;
    struct hv_connection_info info;
    uint64_t proximity;
};
HV_ABI_SIZE(hv_in_connect_port, 72);
#define HV_CONNECTION_ID_MAX 0x00ffffffu

/* 0x5c */
#define HV_MESSAGE_PAYLOAD 240u
struct hv_in_post_message {
    uint32_t connection;
    uint32_t rsvd;
    uint32_t type;
    uint32_t size;
    uint8_t payload[HV_MESSAGE_PAYLOAD];
};
HV_ABI_SIZE(hv_in_post_message, 256);

/* 0x5d (fast8) */
struct hv_in_signal_event {
    uint32_t connection;
    uint16_t flag;
    uint16_t rsvd;
};
HV_ABI_SIZE(hv_in_signal_event, 8);

/* 0x7b */
struct hv_in_system_property {
    uint32_t property;
    uint32_t rsvd;
};
#define HV_SYSTEM_PROPERTY_SCHEDULER 15u
#define HV_SCHEDULER_CLASSIC         1u

/* 0xc0 */
struct hv_in_signal_event_direct {
    uint64_t partition;
    uint32_t vp;
    uint8_t vtl;
    uint8_t sint;
    uint16_t flag;
};
HV_ABI_SIZE(hv_in_signal_event_direct, 16);

/* ---- SynIC pages ---- */
struct hv_message {
    uint32_t type; /* 0: slot is free */
    uint8_t size;
    uint8_t flags;
    uint16_t rsvd;
    uint64_t sender; /* port or partition id */
    uint8_t payload[HV_MESSAGE_PAYLOAD];
};
HV_ABI_SIZE(hv_message, 256);
#define HV_MESSAGE_FLAG_PENDING 1u
#define HV_EVENT_FLAGS_PER_SINT 2048u

/* 0xc1: the message starts at offset 16 (TLFS) */
struct hv_in_post_message_direct {
    uint64_t partition;
    uint32_t vp;
    uint8_t vtl;
    uint8_t sint;
    uint8_t rsvd[2];
    struct hv_message message;
};
HV_ABI_SIZE(hv_in_post_message_direct, 272);

/* Message types */
#define HV_MSG_NONE                    0u
#define HV_MSG_UNMAPPED_GPA            0x80000000u
#define HV_MSG_GPA_INTERCEPT           0x80000001u
#define HV_MSG_TIMER_EXPIRED           0x80000010u
#define HV_MSG_INVALID_VP_REGISTER     0x80000020u
#define HV_MSG_UNRECOVERABLE_EXCEPTION 0x80000021u
#define HV_MSG_UNSUPPORTED_FEATURE     0x80000022u
#define HV_MSG_IO_PORT                 0x80010000u
#define HV_MSG_MSR                     0x80010001u
#define HV_MSG_CPUID                   0x80010002u
#define HV_MSG_EXCEPTION               0x80010003u
#define HV_MSG_APIC_EOI                0x80010004u
#define HV_MSG_HALT                    0x80010007u

struct hv_timer_payload {
    uint32_t index;
    uint32_t rsvd;
    uint64_t expiration;
    uint64_t delivery;
};
HV_ABI_SIZE(hv_timer_payload, 24);

/* ---- Reference TSC page ---- */
struct hv_tsc_page {
    volatile uint32_t sequence; /* 0: invalid, read the MSR */
    uint32_t rsvd;
    volatile uint64_t scale;
    volatile int64_t offset;
};
HV_ABI_SIZE(hv_tsc_page, 24);

/* ---- Intercept messages ---- */
#define HV_INTERCEPT_READ    0u
#define HV_INTERCEPT_WRITE   1u
#define HV_INTERCEPT_EXECUTE 2u

struct hv_intercept {
    uint32_t vp;
    uint8_t length_cr8; /* [3:0] instruction length, [7:4] CR8 */
    uint8_t access;
    uint16_t state; /* HV_STATE_* */
    struct hv_segment cs;
    uint64_t rip;
    uint64_t rflags;
};
HV_ABI_SIZE(hv_intercept, 40);
#define HV_STATE_CPL          0x3u
#define HV_STATE_CR0_PE       (1u << 2)
#define HV_STATE_CR0_AM       (1u << 3)
#define HV_STATE_LMA          (1u << 4)
#define HV_STATE_DEBUG        (1u << 5)
#define HV_STATE_INTERRUPTION (1u << 6)
#define HV_STATE_SHADOW       (1u << 12)

struct hv_intercept_io {
    struct hv_intercept header;
    uint16_t port;
    uint8_t access; /* HV_IO_* */
    uint8_t byte_count;
    uint32_t rsvd;
    uint64_t rax;
    uint8_t bytes[16];
    struct hv_segment ds;
    struct hv_segment es;
    uint64_t rcx;
    uint64_t rsi;
    uint64_t rdi;
};
HV_ABI_SIZE(hv_intercept_io, 128);
#define HV_IO_SIZE   0x7u
#define HV_IO_STRING 0x8u
#define HV_IO_REP    0x10u

struct hv_intercept_gpa {
    struct hv_intercept header;
    uint32_t cache_type;
    uint8_t byte_count;
    uint8_t info; /* HV_GPA_* */
    uint8_t tpr;
    uint8_t rsvd;
    uint64_t gva;
    uint64_t gpa;
    uint8_t bytes[16];
};
HV_ABI_SIZE(hv_intercept_gpa, 80);
#define HV_GPA_GVA_VALID         1u
#define HV_GPA_TRANSLATION_VALID 2u

struct hv_intercept_msr {
    struct hv_intercept header;
    uint32_t msr;
    uint32_t rsvd;
    uint64_t rdx;
    uint64_t rax;
};
HV_ABI_SIZE(hv_intercept_msr, 64);

struct hv_intercept_cpuid {
    struct hv_intercept header;
    uint64_t rax, rcx, rdx, rbx;
    uint64_t result_rax, result_rcx, result_rdx, result_rbx;
};
HV_ABI_SIZE(hv_intercept_cpuid, 104);

struct hv_intercept_exception {
    struct hv_intercept header;
    uint16_t vector;
    uint8_t info;
    uint8_t byte_count;
    uint32_t error_code;
    uint64_t parameter;
    uint64_t rsvd;
    uint8_t bytes[16];
    struct hv_segment ds;
    struct hv_segment ss;
    uint64_t gpr[16]; /* RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8-R15 */
};
HV_ABI_SIZE(hv_intercept_exception, 240);

struct hv_apic_eoi {
    uint32_t vp;
    uint32_t vector;
};

#endif
