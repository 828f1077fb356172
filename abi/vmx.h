/*
 * VT-x constants: capability MSRs, control bits, exit reasons, interruption words, EPT formats,
 * VM-instruction errors. No code; compiles freestanding and hosted.
 * SDM 3C chapters 24-30, SDM 3D appendices A (capability MSRs), B (fields), C (exit reasons).
 * Not modelled: SMM dual-monitor treatment, and controls marked OFF in vmx_ctl.def.
 */
#ifndef ABI_VMX_H
#define ABI_VMX_H

#include <stdint.h>

/* IA32_FEATURE_CONTROL */
#define MSR_IA32_FEATURE_CONTROL        0x3a
#define   FEATURE_CONTROL_LOCK          (1u << 0)
#define   FEATURE_CONTROL_VMX_SMX       (1u << 1)
#define   FEATURE_CONTROL_VMX           (1u << 2)   /* VMXON outside SMX */

#define CPUID_1_ECX_VMX                 (1u << 5)
#define CR4_BIT_VMXE                    (1u << 13)

/* Capability MSRs (SDM 3D, A.1-A.11). Control words: bits 31:0 allowed 0, bits 63:32 allowed 1. */
#define MSR_VMX_BASIC                   0x480
#define   VMX_BASIC_REVISION(v)         ((uint32_t)(v) & 0x7fffffffu)
#define   VMX_BASIC_SIZE_SHIFT          32          /* bits 44:32 */
#define   VMX_BASIC_PHYS32              (1ull << 48)
#define   VMX_BASIC_DUAL_MONITOR        (1ull << 49)
#define   VMX_BASIC_MEMTYPE_SHIFT       50          /* bits 53:50 */
#define   VMX_BASIC_INS_OUTS            (1ull << 54)
#define   VMX_BASIC_TRUE_CTLS           (1ull << 55)
#define   VMX_BASIC_ANY_ERROR_CODE      (1ull << 56)
#define MSR_VMX_PINBASED_CTLS           0x481
#define MSR_VMX_PROCBASED_CTLS          0x482
#define MSR_VMX_EXIT_CTLS               0x483
#define MSR_VMX_ENTRY_CTLS              0x484
#define MSR_VMX_MISC                    0x485
#define   VMX_MISC_TIMER_SHIFT(v)       ((uint32_t)(v) & 0x1f)
#define   VMX_MISC_STORE_LMA            (1ull << 5)
#define   VMX_MISC_ACTIVITY_HLT         (1ull << 6)
#define   VMX_MISC_ACTIVITY_SHUTDOWN    (1ull << 7)
#define   VMX_MISC_ACTIVITY_SIPI        (1ull << 8)
#define   VMX_MISC_CR3_TARGETS_SHIFT    16          /* bits 24:16 */
#define   VMX_MISC_MSR_LIST_SHIFT       25          /* bits 27:25: 512 * (n + 1) entries */
#define   VMX_MISC_VMWRITE_ALL          (1ull << 29)
#define   VMX_MISC_INJECT_ILEN0         (1ull << 30)
#define MSR_VMX_CR0_FIXED0              0x486
#define MSR_VMX_CR0_FIXED1              0x487
#define MSR_VMX_CR4_FIXED0              0x488
#define MSR_VMX_CR4_FIXED1              0x489
#define MSR_VMX_VMCS_ENUM               0x48a
#define MSR_VMX_PROCBASED_CTLS2         0x48b
#define MSR_VMX_EPT_VPID_CAP            0x48c
#define   VMX_EPTVPID_EXEC_ONLY         (1ull << 0)
#define   VMX_EPTVPID_WALK4             (1ull << 6)
#define   VMX_EPTVPID_WALK5             (1ull << 7)
#define   VMX_EPTVPID_UC                (1ull << 8)
#define   VMX_EPTVPID_WB                (1ull << 14)
#define   VMX_EPTVPID_2M                (1ull << 16)
#define   VMX_EPTVPID_1G                (1ull << 17)
#define   VMX_EPTVPID_INVEPT            (1ull << 20)
#define   VMX_EPTVPID_AD                (1ull << 21)
#define   VMX_EPTVPID_ADV_INFO          (1ull << 22)
#define   VMX_EPTVPID_INVEPT_SINGLE     (1ull << 25)
#define   VMX_EPTVPID_INVEPT_ALL        (1ull << 26)
#define   VMX_EPTVPID_INVVPID           (1ull << 32)
#define   VMX_EPTVPID_INVVPID_ADDR      (1ull << 40)
#define   VMX_EPTVPID_INVVPID_SINGLE    (1ull << 41)
#define   VMX_EPTVPID_INVVPID_ALL       (1ull << 42)
#define   VMX_EPTVPID_INVVPID_SINGLE_NG (1ull << 43)
#define MSR_VMX_TRUE_PINBASED_CTLS      0x48d
#define MSR_VMX_TRUE_PROCBASED_CTLS     0x48e
#define MSR_VMX_TRUE_EXIT_CTLS          0x48f
#define MSR_VMX_TRUE_ENTRY_CTLS         0x490
#define MSR_VMX_VMFUNC                  0x491
#define   VMX_VMFUNC_EPTP_SWITCHING     (1ull << 0)

/* Reserved bits that are 1 unless the TRUE MSRs say otherwise (SDM 3D A.2) */
#define VMX_PIN_DEFAULT1                0x00000016u
#define VMX_PROC_DEFAULT1               0x0401e172u
#define VMX_EXIT_DEFAULT1               0x00036dffu
#define VMX_ENTRY_DEFAULT1              0x000011ffu

/* Control bits: VMX_PIN_EXT_INT, VMX_PROC_HLT, VMX_PROC2_EPT, VMX_XCTL_..., VMX_NCTL_... */
#define VMX_CTL_PREFIX_PIN(n)           VMX_PIN_##n
#define VMX_CTL_PREFIX_PROC(n)          VMX_PROC_##n
#define VMX_CTL_PREFIX_PROC2(n)         VMX_PROC2_##n
#define VMX_CTL_PREFIX_EXIT(n)          VMX_XCTL_##n
#define VMX_CTL_PREFIX_ENTRY(n)         VMX_NCTL_##n
enum vmx_ctl_bits {
#define VMX_CTL(word, name, bit, kind, text) VMX_CTL_PREFIX_##word(name) = (int)(1u << (bit)),
#include "abi/vmx_ctl.def"
#undef VMX_CTL
};

enum vmx_exit_reason {
#define VMX_EXIT(name, number, text) VMX_EXIT_##name = (number),
#include "abi/vmx_exits.def"
#undef VMX_EXIT
    VMX_EXIT_COUNT = 65
};
#define VMX_EXIT_BASIC_MASK             0xffffu
#define VMX_EXIT_ENTRY_FAILURE          (1u << 31)

/* VMCS field encodings (SDM 3D B) */
enum vmcs_field {
#define VMCS_FIELD(member, name, enc, width, access, group, help) VMCS_##name = (enc),
#include "abi/vmcs.def"
#undef VMCS_FIELD
};
#define VMCS_ENC_HIGH                   0x1         /* access to the high half of a 64-bit field */
#define VMCS_ENC_INDEX(e)               (((e) >> 1) & 0x1ff)
#define VMCS_ENC_TYPE(e)                (((e) >> 10) & 3)    /* 0 control 1 info 2 guest 3 host */
#define VMCS_ENC_WIDTH(e)               (((e) >> 13) & 3)    /* 0 16 bit 1 64 2 32 3 natural */
#define VMCS_LINK_NONE                  UINT64_MAX
#define VMX_TSC_FRACTION                48          /* bits of the TSC multiplier */

/* Interruption words: entry (field 4016), exit (4404), IDT vectoring (4408). SDM 3C 25.8.3, 25.9 */
#define VMX_INTR_VECTOR_MASK            0xffu
#define VMX_INTR_TYPE_SHIFT             8
#define VMX_INTR_TYPE_MASK              (7u << 8)
#define   VMX_INTR_EXT                  (0u << 8)
#define   VMX_INTR_NMI                  (2u << 8)
#define   VMX_INTR_HW_EXC               (3u << 8)
#define   VMX_INTR_SW_INT               (4u << 8)   /* INT n */
#define   VMX_INTR_PRIV_SW_EXC          (5u << 8)   /* INT1 */
#define   VMX_INTR_SW_EXC               (6u << 8)   /* INT3, INTO */
#define   VMX_INTR_OTHER                (7u << 8)   /* entry only: pending MTF */
#define VMX_INTR_ERROR_CODE             (1u << 11)
#define VMX_INTR_NMI_UNBLOCK_IRET       (1u << 12)  /* exit and IDT vectoring */
#define VMX_INTR_ENTRY_RESERVED         0x7ffff000u
#define VMX_INTR_VALID                  (1u << 31)

/* Guest interruptibility and activity (SDM 3C 25.4.2) */
#define VMX_INT_BLOCK_STI               (1u << 0)
#define VMX_INT_BLOCK_MOVSS             (1u << 1)
#define VMX_INT_BLOCK_SMI               (1u << 2)
#define VMX_INT_BLOCK_NMI               (1u << 3)
#define VMX_INT_ENCLAVE                 (1u << 4)
#define VMX_INT_RESERVED                0xffffffe0u
#define VMX_ACTIVITY_ACTIVE             0
#define VMX_ACTIVITY_HLT                1
#define VMX_ACTIVITY_SHUTDOWN           2
#define VMX_ACTIVITY_SIPI               3

/* Pending debug exceptions (SDM 3C 25.4.2, table 25-4) */
#define VMX_PDBG_B                      0xfu
#define VMX_PDBG_ENABLED_BP             (1u << 12)
#define VMX_PDBG_BS                     (1u << 14)
#define VMX_PDBG_RTM                    (1u << 16)

/* Segment access rights in a VMCS (SDM 3C table 25-2) */
#define VMX_AR_TYPE                     0xfu
#define VMX_AR_S                        (1u << 4)
#define VMX_AR_DPL_SHIFT                5
#define VMX_AR_DPL                      (3u << 5)
#define VMX_AR_P                        (1u << 7)
#define VMX_AR_AVL                      (1u << 12)
#define VMX_AR_L                        (1u << 13)
#define VMX_AR_DB                       (1u << 14)
#define VMX_AR_G                        (1u << 15)
#define VMX_AR_UNUSABLE                 (1u << 16)
#define VMX_AR_RESERVED                 0xfffe0f00u

/* Exit qualifications (SDM 3C 28.2.1) */
/* CR access (reason 28) */
#define VMX_QUAL_CR_NUM(q)              ((uint32_t)(q) & 15)
#define VMX_QUAL_CR_TYPE(q)             (((uint32_t)(q) >> 4) & 3)
#define   VMX_QUAL_CR_MOV_TO            0
#define   VMX_QUAL_CR_MOV_FROM          1
#define   VMX_QUAL_CR_CLTS              2
#define   VMX_QUAL_CR_LMSW              3
#define VMX_QUAL_CR_LMSW_MEM            (1u << 6)
#define VMX_QUAL_CR_GPR(q)              (((uint32_t)(q) >> 8) & 15)
#define VMX_QUAL_CR_LMSW_SRC(q)         (((uint32_t)(q) >> 16) & 0xffff)
/* MOV DR (29) */
#define VMX_QUAL_DR_NUM(q)              ((uint32_t)(q) & 7)
#define VMX_QUAL_DR_FROM                (1u << 4)
#define VMX_QUAL_DR_GPR(q)              (((uint32_t)(q) >> 8) & 15)
/* I/O (30) */
#define VMX_QUAL_IO_SIZE(q)             (((uint32_t)(q) & 7) + 1)
#define VMX_QUAL_IO_IN                  (1u << 3)
#define VMX_QUAL_IO_STRING              (1u << 4)
#define VMX_QUAL_IO_REP                 (1u << 5)
#define VMX_QUAL_IO_IMM                 (1u << 6)
#define VMX_QUAL_IO_PORT(q)             (((uint32_t)(q) >> 16) & 0xffff)
/* EPT violation (48) */
#define VMX_QUAL_EPT_READ               (1u << 0)
#define VMX_QUAL_EPT_WRITE              (1u << 1)
#define VMX_QUAL_EPT_FETCH              (1u << 2)
#define VMX_QUAL_EPT_R                  (1u << 3)   /* EPT allowed reads (AND of all levels) */
#define VMX_QUAL_EPT_W                  (1u << 4)
#define VMX_QUAL_EPT_X                  (1u << 5)
#define VMX_QUAL_EPT_GLA_VALID          (1u << 7)
#define VMX_QUAL_EPT_FINAL              (1u << 8)   /* translation of the linear address itself */
#define VMX_QUAL_EPT_USER               (1u << 9)   /* advanced information, when announced */
#define VMX_QUAL_EPT_RW                 (1u << 10)
#define VMX_QUAL_EPT_NX                 (1u << 11)
#define VMX_QUAL_NMI_UNBLOCK_IRET       (1u << 12)
/* APIC access (44) */
#define VMX_QUAL_APIC_OFFSET(q)         ((uint32_t)(q) & 0xfff)
#define VMX_QUAL_APIC_TYPE(q)           (((uint32_t)(q) >> 12) & 15)
#define   VMX_QUAL_APIC_READ            0
#define   VMX_QUAL_APIC_WRITE           1
#define   VMX_QUAL_APIC_FETCH           2
#define   VMX_QUAL_APIC_EVENT           3           /* during event delivery */
#define   VMX_QUAL_APIC_PHYS_EVENT      10
#define   VMX_QUAL_APIC_PHYS            15
/* Task switch (9): bits 15:0 selector, 31:30 source */
#define   VMX_QUAL_TS_CALL              0
#define   VMX_QUAL_TS_IRET              1
#define   VMX_QUAL_TS_JMP               2
#define   VMX_QUAL_TS_GATE              3
/* Entry failure, guest state (33) */
#define VMX_QUAL_ENTRY_PDPTE            2
#define VMX_QUAL_ENTRY_NMI              3
#define VMX_QUAL_ENTRY_LINK             4

/* EPT pointer (SDM 3C 25.6.11) and entries (29.3.2) */
#define EPTP_MEMTYPE_MASK               7u
#define   EPT_MT_UC                     0
#define   EPT_MT_WB                     6
#define EPTP_WALK_MASK                  (7u << 3)   /* walk length - 1 */
#define   EPTP_WALK4                    (3u << 3)
#define EPTP_AD                         (1u << 6)
#define EPTP_RESERVED_LOW               0xf80u
#define EPT_R                           (1ull << 0)
#define EPT_W                           (1ull << 1)
#define EPT_X                           (1ull << 2)
#define EPT_MT_SHIFT                    3           /* leaf: bits 5:3 */
#define EPT_MT_MASK                     (7ull << 3)
#define EPT_IPAT                        (1ull << 6)
#define EPT_LEAF                        (1ull << 7) /* 1 GiB in a PDPTE, 2 MiB in a PDE */
#define EPT_A                           (1ull << 8)
#define EPT_D                           (1ull << 9)
#define EPT_XU                          (1ull << 10)
#define EPT_SUPPRESS_VE                 (1ull << 63)
#define VMX_EPTP_LIST_ENTRIES           512
#define VMX_PML_ENTRIES                 512
#define EPT_ADDR_MASK                   0x000ffffffffff000ull

/* Posted-interrupt descriptor (SDM 3C 30.6): 32 bytes of requests, then outstanding notification */
#define VMX_PID_ON_BYTE                 32
#define VMX_PID_ON                      (1u << 0)

/* INVEPT, INVVPID types; 128-bit descriptors (SDM 3C 31.3) */
#define INVEPT_SINGLE                   1
#define INVEPT_ALL                      2
#define INVVPID_ADDR                    0
#define INVVPID_SINGLE                  1
#define INVVPID_ALL                     2
#define INVVPID_SINGLE_NON_GLOBAL       3
struct invept_desc {
    uint64_t eptp, reserved;
};
struct invvpid_desc {
    uint64_t vpid;                      /* bits 15:0; the rest must be 0 */
    uint64_t gla;
};

/* Entry of the MSR-load and MSR-store lists (SDM 3C 25.7.2) */
struct vmx_msr_entry {
    uint32_t index, reserved;
    uint64_t value;
};

/* VM-instruction error numbers (SDM 3C 31.4) */
enum vmx_insn_error {
    VMX_ERR_VMCALL_IN_ROOT = 1,
    VMX_ERR_VMCLEAR_ADDR = 2,
    VMX_ERR_VMCLEAR_VMXON_PTR = 3,
    VMX_ERR_VMLAUNCH_NOT_CLEAR = 4,
    VMX_ERR_VMRESUME_NOT_LAUNCHED = 5,
    VMX_ERR_VMRESUME_AFTER_VMXOFF = 6,
    VMX_ERR_ENTRY_CONTROLS = 7,
    VMX_ERR_ENTRY_HOST_STATE = 8,
    VMX_ERR_VMPTRLD_ADDR = 9,
    VMX_ERR_VMPTRLD_VMXON_PTR = 10,
    VMX_ERR_VMPTRLD_REVISION = 11,
    VMX_ERR_UNSUPPORTED_FIELD = 12,
    VMX_ERR_VMWRITE_READ_ONLY = 13,
    VMX_ERR_VMXON_IN_ROOT = 15,
    VMX_ERR_ENTRY_MOV_SS = 26,
    VMX_ERR_INV_OPERAND = 28            /* INVEPT, INVVPID */
};

#endif
