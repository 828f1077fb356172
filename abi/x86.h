/*
 * abi/x86.h: architectural constants of the x86-64 processor.
 *
 * Control registers (SDM 3A 2.5), RFLAGS (SDM 3A 2.3), exceptions (SDM 3A 6.3), MSRs (SDM 4),
 * segment descriptors (SDM 3A 3.4.5), page-table entries (SDM 3A 4.3-4.5). Constants only: this
 * header compiles for the machine (hosted) and for the guest images (freestanding).
 */
#ifndef ABI_X86_H
#define ABI_X86_H

/* CR0 */
#define CR0_PE (1u << 0)
#define CR0_MP (1u << 1)
#define CR0_EM (1u << 2)
#define CR0_TS (1u << 3)
#define CR0_ET (1u << 4)
#define CR0_NE (1u << 5)
#define CR0_WP (1u << 16)
#define CR0_AM (1u << 18)
#define CR0_NW (1u << 29)
#define CR0_CD (1u << 30)
#define CR0_PG (1u << 31)

/* CR4 */
#define CR4_VME (1u << 0)
#define CR4_PVI (1u << 1)
#define CR4_TSD (1u << 2)
#define CR4_DE (1u << 3)
#define CR4_PSE (1u << 4)
#define CR4_PAE (1u << 5)
#define CR4_MCE (1u << 6)
#define CR4_PGE (1u << 7)
#define CR4_PCE (1u << 8)
#define CR4_OSFXSR (1u << 9)
#define CR4_OSXMMEXCPT (1u << 10)
#define CR4_UMIP (1u << 11)
#define CR4_LA57 (1u << 12)
#define CR4_VMXE (1u << 13)
#define CR4_SMXE (1u << 14)
#define CR4_FSGSBASE (1u << 16)
#define CR4_PCIDE (1u << 17)
#define CR4_OSXSAVE (1u << 18)
#define CR4_SMEP (1u << 20)
#define CR4_SMAP (1u << 21)
#define CR4_PKE (1u << 22)
#define CR4_CET (1u << 23)
#define CR4_PKS (1u << 24)
#define CR4_UINTR (1u << 25)

/* EFER */
#define EFER_SCE (1u << 0)
#define EFER_LME (1u << 8)
#define EFER_LMA (1u << 10)
#define EFER_NXE (1u << 11)

/* RFLAGS */
#define FL_CF (1u << 0)
#define FL_FIXED1 (1u << 1)
#define FL_PF (1u << 2)
#define FL_AF (1u << 4)
#define FL_ZF (1u << 6)
#define FL_SF (1u << 7)
#define FL_TF (1u << 8)
#define FL_IF (1u << 9)
#define FL_DF (1u << 10)
#define FL_OF (1u << 11)
#define FL_IOPL (3u << 12)
#define FL_IOPL_SHIFT 12
#define FL_NT (1u << 14)
#define FL_RF (1u << 16)
#define FL_VM (1u << 17)
#define FL_AC (1u << 18)
#define FL_VIF (1u << 19)
#define FL_VIP (1u << 20)
#define FL_ID (1u << 21)
#define FL_ARITH (FL_CF | FL_PF | FL_AF | FL_ZF | FL_SF | FL_OF)

/* Exceptions */
#define EXC_DE 0
#define EXC_DB 1
#define EXC_NMI 2
#define EXC_BP 3
#define EXC_OF 4
#define EXC_BR 5
#define EXC_UD 6
#define EXC_NM 7
#define EXC_DF 8
#define EXC_TS 10
#define EXC_NP 11
#define EXC_SS 12
#define EXC_GP 13
#define EXC_PF 14
#define EXC_MF 16
#define EXC_AC 17
#define EXC_MC 18
#define EXC_XM 19
#define EXC_VE 20

/* #PF error code */
#define PFE_P (1u << 0)
#define PFE_W (1u << 1)
#define PFE_U (1u << 2)
#define PFE_RSVD (1u << 3)
#define PFE_I (1u << 4)
#define PFE_PK (1u << 5)

/* DR6, DR7 */
#define DR6_B0 (1u << 0)
#define DR6_BD (1u << 13)
#define DR6_BS (1u << 14)
#define DR6_BT (1u << 15)
#define DR6_FIXED1 0xffff0ff0u
#define DR7_GD (1u << 13)
#define DR7_FIXED1 0x400u

/* Paging-structure entries */
#define PTE_P (1ull << 0)
#define PTE_W (1ull << 1)
#define PTE_U (1ull << 2)
#define PTE_PWT (1ull << 3)
#define PTE_PCD (1ull << 4)
#define PTE_A (1ull << 5)
#define PTE_D (1ull << 6)
#define PTE_PS (1ull << 7)
#define PTE_G (1ull << 8)
#define PTE_NX (1ull << 63)

/* Segment registers, in the order of the instruction encoding (SDM 2A B.1.4.5) */
enum { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_LDTR, SEG_TR, SEG_COUNT };

/* Segment attributes in the layout of bytes 5-6 of a descriptor, as VMX access rights
 * without the unusable bit: type[3:0] S[4] DPL[6:5] P[7] AVL[12] L[13] D/B[14] G[15]. */
#define SA_TYPE 0xfu
#define SA_ACCESSED 0x1u
#define SA_RW 0x2u   /* data: writable; code: readable */
#define SA_EXPDN 0x4u /* data: expand down; code: conforming */
#define SA_CODE 0x8u
#define SA_S (1u << 4)
#define SA_DPL_SHIFT 5
#define SA_DPL (3u << 5)
#define SA_P (1u << 7)
#define SA_AVL (1u << 12)
#define SA_L (1u << 13)
#define SA_DB (1u << 14)
#define SA_G (1u << 15)
#define SA_UNUSABLE (1u << 16)

/* System segment types */
#define ST_TSS16_AVAIL 1
#define ST_LDT 2
#define ST_TSS16_BUSY 3
#define ST_CALL16 4
#define ST_TASK_GATE 5
#define ST_INT16 6
#define ST_TRAP16 7
#define ST_TSS_AVAIL 9
#define ST_TSS_BUSY 11
#define ST_CALL 12
#define ST_INT 14
#define ST_TRAP 15

/* MSRs */
#define MSR_TSC 0x10
#define MSR_PLATFORM_ID 0x17
#define MSR_APIC_BASE 0x1b
#define MSR_FEATURE_CONTROL 0x3a
#define MSR_TSC_ADJUST 0x3b
#define MSR_SPEC_CTRL 0x48
#define MSR_BIOS_SIGN_ID 0x8b
#define MSR_PMC0 0xc1
#define MSR_MTRRCAP 0xfe
#define MSR_PERFEVTSEL0 0x186
#define MSR_FIXED_CTR0 0x309
#define MSR_PERF_CAPABILITIES 0x345
#define MSR_FIXED_CTR_CTRL 0x38d
#define MSR_PERF_GLOBAL_STATUS 0x38e
#define MSR_PERF_GLOBAL_CTRL 0x38f
#define MSR_PERF_GLOBAL_OVF 0x390
#define MSR_UNC_GLOBAL_CTRL 0x391
#define MSR_UNC_GLOBAL_STATUS 0x392
#define MSR_UNC_FIXED_CTRL 0x394
#define MSR_UNC_FIXED_CTR 0x395
#define MSR_UNC_CBO_CONFIG 0x396
#define MSR_UNC_ARB 0x3b0
#define MSR_UNC_CBO 0x700
#define MSR_A_PMC0 0x4c1
#define MSR_ARCH_CAPABILITIES 0x10a
#define MSR_SYSENTER_CS 0x174
#define MSR_SYSENTER_ESP 0x175
#define MSR_SYSENTER_EIP 0x176
#define MSR_MCG_CAP 0x179
#define MSR_MCG_STATUS 0x17a
#define MSR_MISC_ENABLE 0x1a0
#define MISC_ENABLE_PERFMON (1u << 7)
#define MISC_ENABLE_MONITOR (1u << 18)
#define MSR_DEBUGCTL 0x1d9
#define DEBUGCTL_BTF (1u << 1)
#define MSR_MTRR_PHYSBASE0 0x200
#define MSR_MTRR_FIX64K 0x250
#define MSR_MTRR_FIX16K_80000 0x258
#define MSR_MTRR_FIX4K_C0000 0x268
#define MSR_PAT 0x277
#define MSR_MTRR_DEF_TYPE 0x2ff
#define MSR_VMX_BASIC 0x480
#define MSR_TSC_DEADLINE 0x6e0
#define MSR_X2APIC_BASE 0x800
#define MSR_XSS 0xda0
#define MSR_EFER 0xc0000080
#define MSR_STAR 0xc0000081
#define MSR_LSTAR 0xc0000082
#define MSR_CSTAR 0xc0000083
#define MSR_SFMASK 0xc0000084
#define MSR_FS_BASE 0xc0000100
#define MSR_GS_BASE 0xc0000101
#define MSR_KERNEL_GS_BASE 0xc0000102
#define MSR_TSC_AUX 0xc0000103

#define APIC_BASE_BSP (1u << 8)
#define APIC_BASE_EXTD (1u << 10)
#define APIC_BASE_EN (1u << 11)

#define X86_PAGE_SHIFT 12
#define X86_PAGE_SIZE 4096ull
#define X86_PAGE_MASK (~4095ull)

#endif
