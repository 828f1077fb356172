/*
 * cpu/cpu.h: one logical processor. Public on purpose: the engine, the memory fast path, system
 * code, VT-x and the debugger all work on it.
 *
 * Position (design.md 2.1) is the number of retired instructions. RIP is not kept while a block
 * runs: it is R_PAGE + insn->rip_off; c->rip is exact whenever no instruction is executing.
 */
#ifndef CPU_CPU_H
#define CPU_CPU_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

#include "abi/x86.h"
#include "core/addr.h"
#include "core/irq.h"
#include "core/lp.h"
#include "cpu/insn.h"
#include "cpu/isa/isa.h"
#include "mmu/tlb.h"

struct bus;
struct clock;
struct engine;
struct ram;
struct timing;
struct trace;
struct vmx;

enum {
    R_AX,
    R_CX,
    R_DX,
    R_BX,
    R_SP,
    R_BP,
    R_SI,
    R_DI,
    R_8,
    R_9,
    R_10,
    R_11,
    R_12,
    R_13,
    R_14,
    R_15,
    R_ZERO, /* always 0: absent base or index */
    R_PAGE, /* RIP (minus CS base) of the first byte of the running block's page */
    R_8K,   /* always 8192: keeps the displacement of RIP-relative addresses within 32 bits */
    R_COUNT = 24
};

struct seg {
    uint64_t base;
    uint32_t limit; /* in bytes, granularity applied */
    uint32_t attr;  /* SA_*; SA_UNUSABLE for a null selector */
    uint16_t sel;
};

struct dtable {
    uint64_t base;
    uint16_t limit;
};

struct f80 {
    uint64_t sig;
    uint16_t se; /* sign and exponent */
};

/* x87 and SSE state. st[] are the physical registers R0-R7 (MMX MMn aliases st[n].sig). */
struct fpu {
    struct f80 st[8];
    uint16_t cw, sw; /* sw includes TOP */
    uint8_t valid;   /* abridged tag word: bit n set = Rn not empty */
    uint16_t op, cs, ds;
    uint64_t ip, dp;
    uint32_t mxcsr;
};

union vreg {
    uint8_t b[32];
    uint16_t w[16];
    uint32_t d[8];
    uint64_t q[4];
};

/* Why the run loop must look before the next block (c->attn). */
enum {
    ATTN_INTR = 1 << 0, /* level: INTR from the APIC */
    ATTN_NMI = 1 << 1,
    ATTN_INIT = 1 << 2,
    ATTN_SIPI = 1 << 3,
    ATTN_TRAP = 1 << 4,  /* c->pending_db holds a debug trap to deliver before the next insn */
    ATTN_VMX = 1 << 5,   /* windows, MTF, preemption timer, TPR threshold: vmx_window_check */
    ATTN_DEBUG = 1 << 6, /* debugger: breakpoints, single-step, instruction trace (slow loop) */
    ATTN_STOP = 1 << 7,  /* leave cpu_run at the next boundary: kick, PAUSE, exit request */
    ATTN_CODE = 1 << 8,  /* engine's own: the running block was overwritten */
    ATTN_PMU = 1 << 9,   /* pmu_poll: a counter overflowed, or what counts has changed */
};

enum cpu_activity { CPU_ACTIVE, CPU_HALTED, CPU_SHUTDOWN, CPU_WAIT_SIPI, CPU_MWAIT };

/* longjmp values of c->leave */
enum { LEAVE_FAULT = 1, LEAVE_RETRY, LEAVE_RETIRED };

/* Why cpu_run returned. */
enum cpu_stop {
    CPU_STOP_BUDGET,   /* retired what it was given */
    CPU_STOP_KICK,     /* cpu_kick: an event came nearer, a device asked, PAUSE */
    CPU_STOP_IDLE,     /* halted, waiting for an interrupt / SIPI */
    CPU_STOP_SHUTDOWN, /* triple fault outside VMX non-root operation */
    CPU_STOP_BREAK,    /* debugger: breakpoint, watchpoint or step; c->dbg says which */
};

#define SHADOW_STI   1
#define SHADOW_MOVSS 2

/* Debugger's wishes for this processor; never part of the state. */
struct cpu_debug {
    const uint64_t *bp; /* sorted linear addresses */
    unsigned bp_count;
    struct cpu_watch {
        uint64_t la;
        uint64_t len;
        uint8_t access; /* 1 r, 2 w, 3 both */
    } * watch;
    unsigned watch_count;
    bool step;                                 /* stop after one instruction */
    uint64_t hit_la;                           /* of the watchpoint that stopped us */
    uint8_t hit_kind;                          /* 0 none, 1 breakpoint, 2 watchpoint, 3 step */
    bool resume_over;                          /* do not stop at a breakpoint on the first insn */
    void (*insn)(void *opaque, struct cpu *c); /* instruction trace: before each instruction */
    void *opaque;
};

struct cpu {
    /* hot: engine */
    uint64_t r[R_COUNT];
    uint64_t ctx;            /* TLB context in tag position (mmu/tlb.h) */
    uint64_t lf_res, lf_aux; /* lazy flags while not pinned (cpu/flags.h) */
    int64_t budget;          /* instructions left in this slice */
    uint64_t icount_end;     /* position when budget reaches 0 */
    uint64_t slice_end;      /* position where cpu_run returns; budget may end before (PMU) */
    bool pmu_on;             /* a performance counter is enabled */
    const struct insn *cur;  /* instruction being executed by a slow path; NULL outside of blocks */
    struct jump_entry *jump; /* jump cache (cpu/interp/engine.h) */
    uint64_t jump_key;       /* what its entries must carry to be current ... */
    uint64_t jump_key_g;     /* ... or this one: code in global pages, any address space */
    struct block *link_from; /* block to link to the next one looked up, or NULL */
    uint32_t link_slot;
    insn_fn *next_fn; /* DISPATCH=loop builds: what the trampoline calls next, and its args */
    const struct insn *next;
    uint32_t attn_seen; /* ATTN_* that were polled in vain when the chain was entered */
    uint64_t rip;
    uint32_t attn; /* ATTN_* */
    uint32_t mode; /* block key: MODE_* (cpu_update_mode) */
    struct tlb_entry tlb_r[TLB_ENTRIES], tlb_w[TLB_ENTRIES]; /* loads, stores */

    /* system state */
    uint32_t eflags; /* all flags but the arithmetic six, which are lazy */
    uint8_t cpl;
    uint8_t shadow;  /* SHADOW_*: interrupts inhibited for the next instruction */
    bool in_insn;    /* an instruction is executing: its RIP is that of c->cur */
    bool nmi_masked; /* until IRET */
    bool non_root;   /* VMX non-root operation */
    bool vmx_on;
    struct seg seg[SEG_COUNT];
    struct dtable gdtr, idtr;
    uint64_t cr0, cr2, cr3, cr4, efer, xcr0;
    uint64_t dr[8];
    struct fpu fpu;
    union vreg xmm[16];
    /* MSRs without a home elsewhere */
    uint64_t star, lstar, cstar, sfmask, kernel_gs_base, tsc_aux, pat, xss;
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
    int64_t tsc_offset; /* guest-visible TSC = clock + this (TSC writes, TSC_ADJUST) */
    uint64_t tsc_adjust, misc_enable, debugctl, feature_control, spec_ctrl;
    uint64_t mtrr_def, mtrr_fix[11], mtrr_base[8], mtrr_mask[8];
    uint64_t mcg_status;
    uint64_t power_ctl, lbr_select, lbr_tos, lbr_from[16], lbr_to[16]; /* kept, without effect */
    uint32_t pkru;
    uint64_t mon_line;   /* MONITOR: machine address of the armed line, or UINT64_MAX */
    uint8_t mwait_break; /* MWAIT: interrupts end it even when masked */
    struct cpu_pmu {     /* cpu/sys/pmu.c; counters 0-3 are general, 4-6 fixed */
        uint64_t counter[7], sel[4], fixed_ctrl, global_ctrl, global_status;
        uint64_t at, branches; /* position and branches since the counters were right */
        uint8_t pmi;           /* an overflow has yet to interrupt */
        /* derived */
        uint8_t insn_mask, branch_mask; /* counters that count now */
        uint64_t branch_left;           /* branches until an overflow interrupts */
        /* with a cycle model, for cycles and what else it counts: counters, the count when they
         * were right, and the count at which one of them interrupts */
        uint8_t model_mask[5], model_used;
        uint64_t model_at[5], model_limit[5];
    } pmu;
    struct cpu_uncore { /* cpu/sys/uncore.c; only that of processor 0 is used */
        uint64_t global_ctrl, global_status, fixed_ctrl, fixed_ctr;
        uint64_t at;         /* ticks since power-on when fixed_ctr was right */
        uint64_t arb[4];     /* counters, selects */
        uint64_t cbo[4][10]; /* by place: selects 0-3, status 5, counters 6-9 */
    } uncore;
    bool a20_closed;    /* A20M#: bit 20 of physical addresses is 0 */
    bool ferr;          /* FERR# is asserted: an x87 error with CR0.NE clear */
    bool ignne;         /* IGNNE#: such errors are ignored */
    uint64_t rng_draws; /* RDRAND and RDSEED done */
    uint8_t activity;   /* enum cpu_activity */
    uint8_t sipi_vector;
    uint64_t pending_db; /* DR6 bits of a debug trap not yet delivered */
    uint64_t pdpte[4];   /* PAE: loaded at CR3 writes */

    /* fault in flight */
    uint64_t fault_addr; /* linear address of a #PF, becomes CR2 on delivery */
    uint8_t fault_vec;
    bool fault_has_err;
    uint32_t fault_err;
    int8_t delivering; /* vector being delivered, or -1: double-fault logic */
    jmp_buf leave;     /* target of cpu_fault / cpu_abort_insn */

    /* configuration and wiring */
    uint32_t index; /* LP number = initial APIC id */
    uint32_t lp_count;
    uint64_t tsc_hz;
    uint64_t rng_seed;
    uint64_t features[F_WORDS];    /* bit per enum isa_feature */
    struct cpu_model const *model; /* CPUID (cpu/sys/cpuid.h) */
    struct ram *ram;
    struct bus *bus;
    struct clock *clock;
    struct trace *trace;
    struct engine *engine; /* decoded blocks: shared by the LPs of a machine */
    struct vmx *vmx;
    struct mmu *mmu;       /* L2 TLB, contexts, paging-structure caches of this LP */
    struct timing *timing; /* cycle model (cpu/timing/timing.h); NULL: a nanosecond each */
    uint64_t code_gen;     /* bumped when a fetch translation may have changed within a ctx */
    struct irq_line ferr_line;
    void *apic;
    const struct lp_apic_ops *apic_ops;
    uint64_t apic_page; /* machine address of the xAPIC page, or UINT64_MAX */
    struct cpu **peers; /* all LPs, for shoot-downs of code and TLB write tags */
    struct cpu_debug dbg;

    /* statistics, not state */
    struct cpu_stats {
        uint64_t blocks_built, blocks_killed, tlb_miss, walks, slow_exits, exits;
    } st;
};

/* c->mode: everything the decoder's output depends on. */
enum {
    MODE_CODE16 = 0,
    MODE_CODE32 = 1,
    MODE_CODE64 = 2,
    MODE_CODE_MASK = 3,
    MODE_STACK32 = 1 << 2, /* SS.B; ignored in 64-bit mode */
    MODE_FLAT = 1 << 3,    /* ES, CS, SS, DS: base 0, limit 4G, readable/writable: no checks */
    MODE_PROT = 1 << 4,    /* CR0.PE and not VM86 */
    MODE_USER = 1 << 5,    /* CPL 3 */
    MODE_DEBUG = 1 << 6,   /* blocks built for the debugger's slow loop */
    MODE_VMX = 1 << 7,     /* non-root: intercepted instructions take the slow form */
    MODE_COUNT = 1 << 8,   /* retired branches are counted (cpu/sys/pmu.h) */
};

/* engine (cpu/interp) */
struct engine *engine_new(struct ram *ram);
void engine_free(struct engine *e);
enum cpu_stop cpu_run(struct cpu *c, uint64_t insns); /* at most this many instructions */
void cpu_kick(struct cpu *c);                         /* leave cpu_run at the next boundary */
uint64_t cpu_icount(const struct cpu *c);             /* exact position, also mid-block */
uint64_t cpu_rip(const struct cpu *c);                /* of the current or next instruction */
/* Kill blocks decoded from these bytes; called by mmu on stores and DMA to frames with code. */
void engine_code_written(struct engine *e, struct cpu *running, hpa_t at, uint64_t len);
void engine_flush(struct engine *e);
void engine_use_timing(struct engine *e); /* before the first block; see cpu/timing/timing.h */

/* life (cpu/sys) */
struct cpu_model;
struct cpu *cpu_new(uint32_t index, const struct cpu_model *model);
void cpu_free(struct cpu *c);
void cpu_reset(struct cpu *c); /* power-on / RESET# */
void cpu_set_a20(struct cpu *c, bool open);
void cpu_init_signal(struct cpu *c); /* INIT */
extern const struct lp_signals cpu_signals;
uint64_t cpu_hash(const struct cpu *c, uint64_t seed); /* architectural state incl. VMX */

/* Leave the current instruction. RIP is restored to its first byte for faults. */
_Noreturn void cpu_fault(struct cpu *c, int vector, uint32_t error); /* with an error code */
_Noreturn void cpu_fault_noerr(struct cpu *c, int vector);
_Noreturn void cpu_page_fault(struct cpu *c, uint64_t la, uint32_t error);
/* Leave the instruction without a fault; state and c->rip already say what comes next
 * (VM exits, task switches, shutdown). `retired` counts the instruction. */
_Noreturn void cpu_leave(struct cpu *c, bool retired);

/* Recompute c->mode / c->ctx after a change of CS, SS.., CR0, CR4, EFER, CPL, AC, VMX state. */
void cpu_update_mode(struct cpu *c);
void mmu_update_ctx(struct cpu *c);

/* flags: whole RFLAGS image; setting the arithmetic six makes the lazy words agree */
uint64_t cpu_rflags(const struct cpu *c);
void cpu_set_rflags(struct cpu *c, uint64_t value); /* raw, no checks; updates mode/ctx/attn */

uint64_t cpu_tsc(const struct cpu *c);     /* what RDTSC reads outside VMX offsets */
uint64_t cpu_raw_tsc(const struct cpu *c); /* ticks since power-on, whatever was written to it */
uint64_t cpu_tsc_ticks(const struct cpu *c, uint64_t ns); /* of so much virtual time */

/* After a change of mode, ctx or code_gen. `guest` names the set of global translations in use. */
static inline void cpu_jump_keys(struct cpu *c, unsigned guest)
{
    c->jump_key = c->code_gen << 24 | (uint64_t)c->mode << 12 | c->ctx;
    c->jump_key_g = 1ull << 63 | c->code_gen << 24 | (uint64_t)c->mode << 12 | guest;
}

static inline bool cpu_has(const struct cpu *c, enum isa_feature f)
{
    return c->features[f / 64] >> (f % 64) & 1;
}
static inline bool cpu_long_mode(const struct cpu *c)
{
    return c->efer & EFER_LMA;
}
static inline bool cpu_code64(const struct cpu *c)
{
    return (c->mode & MODE_CODE_MASK) == MODE_CODE64;
}
static inline bool la_canonical(uint64_t la, unsigned bits)
{
    return (uint64_t)(((int64_t)la >> (bits - 1)) + 1) <= 1;
}
/* in the paging mode that CR4 asks for */
static inline bool cpu_canonical(const struct cpu *c, uint64_t la)
{
    return la_canonical(la, 48) || ((c->cr4 & CR4_LA57) && la_canonical(la, 57));
}
static inline bool cpu_real(const struct cpu *c)
{
    return !(c->cr0 & CR0_PE);
}
static inline bool cpu_vm86(const struct cpu *c)
{
    return c->eflags & FL_VM;
}
static inline uint64_t insn_rip(const struct cpu *c, const struct insn *i)
{
    return c->r[R_PAGE] + i->rip_off;
}
static inline uint64_t insn_next_rip(const struct cpu *c, const struct insn *i)
{
    return c->r[R_PAGE] + i->rip_off + i->len;
}

#endif
