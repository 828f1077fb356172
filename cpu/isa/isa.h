/*
 * cpu/isa/isa.h: the instruction table: row format shared by decoder, interpreter, tests, docs.
 *
 * Rows are X-macros in cpu/isa/{int,sys,x87,sse,vex}.def:
 *
 *   INSN(map, opcode, prefix, modrm, "mnemonic", op1, op2, op3, feature, attrs, fl_read,
 *   fl_written,
 *        fl_undefined, sem)
 *
 *   map      1 | 0F | 0F38 | 0F3A                     -> MAP_1 ...
 *   opcode   byte; rows with a register in the low 3 bits use attrs A_REGOP and give the base
 *   prefix   ANY (66/F2/F3 are no part of the opcode) | NP | 66 | F3 | F2   -> PX_ANY ...
 *   modrm    N (none) | R (/r) | RM (/r, memory only) | RR (/r, register only) | X0..X7 (/digit) |
 *            XM0.. (memory only) | XR0.. (register only) | B(byte) (that ModRM byte exactly)
 *   op1-3    operand codes of SDM 2A A.2: enum isa_operand
 *   fl_*     masks of FL_* arithmetic flags read, written (defined), left undefined
 *   sem      suffix of `void op_<sem>(struct cpu *, const struct insn *)`
 *
 * The decoder fills: d <- the G/V/P/S/C/D operand or the opcode register; s or memory <- the
 * E/M/W/Q operand; imm; osize. Semantic functions read these, never instruction bytes.
 * For A_END rows c->rip is already the next instruction's address when sem runs, and sem may change
 * it (cpu_rip(c) and faults still name the instruction itself). The same holds for A_REP rows with
 * a repeat prefix (INSN_REP/INSN_REPNE): sem does one chunk (at least one iteration, at most to a
 * page boundary) and sets c->rip = insn_rip(c, i) while the counter is not yet 0; each chunk
 * retires as one. Control and debug register rows (Cq, Dq): d is the register number incl. REX.R;
 * Sw: d = 0..5. Far pointers (Ap): imm64 = selector << 32 | offset. x87 STi: s is the register
 * number. A row listed earlier wins when two match. Prefix rows: 66/F2/F3 rows win over NP/ANY
 * rows.
 *
 * VEX-encoded instructions (SDM 2A 2.3) are rows of vex.def:
 *
 *   VEX(map, opcode, pp, L, W, modrm, "mnemonic", op1, op2, op3, op4, feature, attrs, sem)
 *   VEXF(the same up to attrs, fl_read, fl_written, fl_undefined, sem)
 *
 *   pp       NP | 66 | F3 | F2, as PX_ANY is never meant
 *   L        L0 | L1 (the other one raises #UD) | LX (either: a vector length, or ignored)
 *   W        W0 | W1 (the other one is another row, or #UD) | WIG
 *
 * A row without an H or B operand demands vvvv = 1111b. For these rows insn.aux is VEX_V (register
 * number in vvvv) and VEX_L; osize is 8 with W in 64-bit mode, else 4; the register of an L
 * operand is in imm[7:4]; in a vector-index memory operand x is the number of the vector register.
 */
#ifndef CPU_ISA_ISA_H
#define CPU_ISA_ISA_H

#include <stdbool.h>
#include <stdint.h>

#include "cpu/insn.h"

enum isa_map { MAP_1, MAP_0F, MAP_0F38, MAP_0F3A, MAP_COUNT };
enum isa_prefix { PX_ANY, PX_NP, PX_66, PX_F3, PX_F2 };

/* ModRM forms: low byte is the digit or the exact byte */
enum isa_modrm {
    MR_N = 0x000,
    MR_R = 0x100,
    MR_RM = 0x200,
    MR_RR = 0x300,
    MR_X0 = 0x400,
    MR_X1,
    MR_X2,
    MR_X3,
    MR_X4,
    MR_X5,
    MR_X6,
    MR_X7,
    MR_XM0 = 0x500,
    MR_XM1,
    MR_XM2,
    MR_XM3,
    MR_XM4,
    MR_XM5,
    MR_XM6,
    MR_XM7,
    MR_XR0 = 0x600,
    MR_XR1,
    MR_XR2,
    MR_XR3,
    MR_XR4,
    MR_XR5,
    MR_XR6,
    MR_XR7,
    MR_BYTE = 0x700,
};
#define MR_B(byte) (MR_BYTE | (byte))

/* isa_row.vex: 0 for legacy rows */
enum {
    VX_L0 = 1 << 0, /* VEX.L = 0 is legal */
    VX_L1 = 1 << 1,
    VX_LX = VX_L0 | VX_L1,
    VX_W0 = 1 << 2,
    VX_W1 = 1 << 3,
    VX_WIG = VX_W0 | VX_W1,
};

/* insn.aux of VEX-encoded instructions */
#define VEX_V(aux)  ((aux)&15u)
#define VEX_L(aux)  ((aux) >> 4 & 1u)
#define VEX_L_SHIFT 4

/* Operand codes: letter = where, suffix = size. */
enum isa_operand {
    OP_NONE,
    OP_Eb,
    OP_Ew,
    OP_Ed,
    OP_Eq,
    OP_Ev,
    OP_Ey, /* r/m general register or memory */
    OP_Gb,
    OP_Gw,
    OP_Gd,
    OP_Gq,
    OP_Gv,
    OP_Gy, /* ModRM.reg general register */
    OP_Rd,
    OP_Rq,
    OP_Rv,
    OP_Ry, /* r/m, register only */
    OP_Zb,
    OP_Zv, /* register in the opcode's low bits */
    OP_AL,
    OP_AX,
    OP_eAX,
    OP_rAX,
    OP_CL,
    OP_DX,
    OP_1,
    OP_Ib,
    OP_Ibs,
    OP_Iw,
    OP_Iz,
    OP_Iv, /* Ibs: sign-extended; Iz: 16/32; Iv: up to 64 */
    OP_Jb,
    OP_Jz,
    OP_Ap, /* relative branch; far pointer */
    OP_Ob,
    OP_Ov, /* moffs */
    OP_Sw,
    OP_Cq,
    OP_Dq, /* segment, control, debug register */
    OP_M,
    OP_Mb,
    OP_Mw,
    OP_Md,
    OP_Mq,
    OP_Mdq,
    OP_Mx,  /* x: 16 or 32 bytes by VEX.L */
    OP_MVd, /* one element of 4 bytes per lane of a vector index */
    OP_MVq, /* of 8 bytes */
    OP_Mt,
    OP_Mp,
    OP_Ms, /* memory; t 80 bit, p far, s DT */
    OP_M14,
    OP_M28,
    OP_M94,
    OP_M108,
    OP_M512, /* x87/FXSAVE areas */
    OP_Xb,
    OP_Xv,
    OP_Yb,
    OP_Yv, /* string source DS:rSI, destination ES:rDI */
    OP_Vd,
    OP_Vq,
    OP_Vdq, /* ModRM.reg XMM: bits used */
    OP_Vx,
    OP_Wd,
    OP_Wq,
    OP_Wdq,
    OP_Ww,
    OP_Wb, /* r/m XMM or memory of that size */
    OP_Wx,
    OP_Whx,
    OP_Wqx,
    OP_Wex, /* half, quarter, eighth of the vector length */
    OP_Ud,
    OP_Uq,
    OP_Ux,
    OP_Udq, /* r/m XMM, register only */
    OP_Hd,
    OP_Hq,
    OP_Hdq,
    OP_Hx, /* VEX.vvvv: vector register */
    OP_By, /* VEX.vvvv: general register */
    OP_Lx, /* imm[7:4]: vector register */
    OP_Pq,
    OP_Qd,
    OP_Qq,
    OP_Nq, /* MMX: reg; r/m or memory; r/m register only */
    OP_ST0,
    OP_STi, /* x87: ST(0), ST(ModRM.rm) */
    OP_XMM0,
    OP_COUNT
};

/* Attributes */
enum {
    A_REGOP = 1 << 0, /* the register is in the opcode's low three bits */
    A_BYTE = 1 << 1,  /* byte operation: osize 1 */
    A_DEF64 = 1 << 2, /* 64-bit operand size by default in 64-bit mode (PUSH, POP, near RET ...) */
    A_FORCE64 = 1 << 3,  /* always 64-bit in 64-bit mode, 66 ignored (near branches, Intel) */
    A_I64 = 1 << 4,      /* #UD in 64-bit mode */
    A_O64 = 1 << 5,      /* #UD outside 64-bit mode */
    A_LOCK = 1 << 6,     /* LOCK allowed with a memory destination */
    A_END = 1 << 7,      /* ends the block: branches, anything that may change mode, masks, maps */
    A_REP = 1 << 8,      /* string instruction: F2/F3 are repeat prefixes */
    A_STORE = 1 << 9,    /* the memory operand is written only */
    A_RMW = 1 << 10,     /* the memory operand is read and written */
    A_ALIGN16 = 1 << 11, /* the 16-byte memory operand must be aligned: #GP(0) */
    A_PRIV = 1 << 12,    /* CPL 0 only (checked by sem; column for the docs and the tests) */
    A_NOTEST = 1 << 13,  /* not for the random user-mode test: system, or host-dependent result */
    A_COND = 1 << 14,    /* condition code in the opcode's low four bits */
    A_DWORD = 1 << 15,   /* osize at least 4: 66 ignored (MOV CR, BSWAP ...) */
};

/* Features: bit numbers of c->features[], filled from the CPU model. A row whose feature is off
 * does not exist: the bytes decode as a later row says (TZCNT as BSF), or raise #UD. */
enum isa_feature {
    F_BASE,
    F_X87,
    F_CMOV,
    F_CX8,
    F_MMX,
    F_FXSR,
    F_SSE,
    F_SSE2,
    F_SSE3,
    F_SSSE3,
    F_SSE41,
    F_SSE42,
    F_AVX,
    F_AVX2,
    F_FMA,
    F_F16C,
    F_BMI1,
    F_BMI2,
    F_LZCNT,
    F_POPCNT,
    F_CX16,
    F_LAHF64,
    F_SYSCALL,
    F_SYSENTER,
    F_RDTSCP,
    F_FSGSBASE,
    F_XSAVE,
    F_XSAVEOPT,
    F_XSAVEC,
    F_INVPCID,
    F_SMAP,
    F_VMX,
    F_MONITOR,
    F_CLFSH,
    F_CLFLUSHOPT,
    F_MOVBE,
    F_LM,
    F_RDPID,
    F_PREFETCHW,
    F_CLWB,
    F_ADX,
    F_RDRAND,
    F_RDSEED,
    F_AES,
    F_PCLMULQDQ,
    F_SHA,
    F_XSAVES,
    F_PKU,
    /* no instructions of their own: control bits, MSRs, entry bits */
    F_FIXED, /* what no model can be without */
    F_DE,
    F_PSE,
    F_PSE36,
    F_PGE,
    F_MCE,
    F_MCA,
    F_MTRR,
    F_PAT,
    F_NX,
    F_PDPE1GB,
    F_PCID,
    F_SMEP,
    F_X2APIC,
    F_TSC_DEADLINE,
    F_TSC_ADJUST,
    F_SPEC_CTRL,
    F_STIBP,
    F_SSBD,
    F_BHI_CTRL,
    F_ARCH_CAP,
    F_XGETBV1,
    F_UMIP,
    F_LA57,
    F_PMU,
    F_PDCM,
    F_COUNT
};
#define F_WORDS 2
_Static_assert(F_COUNT <= F_WORDS * 64, "more words of features are needed");

struct isa_row {
    const char *mnemonic;
    op_fn *sem;
    const char *sem_name;
    uint16_t modrm;
    uint16_t attrs;
    uint16_t fl_read, fl_written, fl_undefined;
    uint8_t map, opcode, prefix, feature;
    uint8_t vex; /* VX_* */
    uint8_t op[4];
};

/* Counted as a retired branch: near and far transfers, system calls and returns. */
bool isa_is_branch(const struct isa_row *r);

extern const struct isa_row isa_rows[];
extern const unsigned isa_row_count;

#endif
