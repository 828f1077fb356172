/*
 * The hypervisor's objects: logical processors (LP), partitions, virtual processors (VP).
 *
 * Locking: one lock, hv_lock, guards everything here. An LP takes it right after a VM exit and
 * drops it right before VM entry, so code between runs alone. Host interrupts stay off except in
 * idle. A VP lives on one LP for all its life (vp->lp): its VMCS is only ever active there. Another
 * LP that needs its registers asks that LP to copy them to memory (hv_vp_fetch).
 *
 * The structures are public within the hypervisor on purpose.
 */
#ifndef HYPERVISOR_CORE_H
#define HYPERVISOR_CORE_H

#include "abi/hv.h"
#include "abi/vitrine_info.h"
#include "abi/vmx.h"
#include "abi/x86.h"
#include "hypervisor/libk/libk.h"

#define HV_MAX_LPS        8u
#define HV_MAX_VPS        VITRINE_INFO_VPS
#define HV_MAX_PARTITIONS VITRINE_INFO_PARTITIONS
#define HV_LP_VPS         64u
#define HV_ROOT_ID        1u
#define HV_NO_DEADLINE    UINT64_MAX
#define HV_VLAPIC_HZ      200000000ull /* input clock of every virtual LAPIC timer */

/* Vectors that the hypervisor owns on each LP; device interrupts of the root stay below 0xf0. */
#define HV_VECTOR_IOMMU    0xfcu /* fault event, on the first LP */
#define HV_VECTOR_KICK     0xfdu
#define HV_VECTOR_TIMER    0xfeu
#define HV_VECTOR_SPURIOUS 0xffu

enum { HV_RAX, HV_RCX, HV_RDX, HV_RBX, HV_RSP, HV_RBP, HV_RSI, HV_RDI, HV_R8, HV_R15 = 15 };

struct hv_partition;
struct hv_vp;

/* A message on its way to a slot of a message page. */
struct hv_msg {
    struct hv_msg *next;
    bool queued;
    void (*delivered)(struct hv_msg *m); /* or NULL */
    struct hv_message msg;
};

struct hv_msg_queue {
    struct hv_msg *head, *tail;
};

/* A guest page that the hypervisor reads and writes; `va` is valid while `gen` is current. */
struct hv_guest_page {
    uint64_t gpfn;
    uint64_t gen;
    void *va;
};

struct hv_stimer {
    uint64_t config;
    uint64_t count;
    uint64_t expiry;   /* reference time; HV_NO_DEADLINE: not running */
    uint64_t deadline; /* the same as host TSC */
    struct hv_msg msg;
};

struct hv_synic {
    uint64_t scontrol, siefp, simp;
    uint64_t sint[HV_SINT_COUNT];
    uint64_t auto_eoi[4];    /* vectors of AutoEOI SINTs */
    uint64_t sint_vector[4]; /* vectors of any unmasked SINT: their EOI re-scans the queues */
    struct hv_msg_queue queue[HV_SINT_COUNT];
    uint32_t queued_sints; /* bit n: queue n has messages */
    struct hv_guest_page message_page, event_page;
};

enum { HV_LVT_TIMER, HV_LVT_THERMAL, HV_LVT_PERF, HV_LVT_LINT0, HV_LVT_LINT1, HV_LVT_ERROR };

struct hv_vlapic {
    uint64_t base; /* IA32_APIC_BASE */
    uint32_t id, tpr, ldr, dfr, svr, esr, esr_next;
    uint32_t icr_lo, icr_hi;
    uint32_t lvt[6];
    uint32_t ticr, tdcr;
    uint64_t irr[4], isr[4], tmr[4];
    uint64_t tsc_deadline; /* IA32_TSC_DEADLINE in guest TSC */
    uint64_t timer_period; /* host TSC ticks, periodic mode */
    uint64_t deadline;     /* host TSC; HV_NO_DEADLINE: stopped */
};

/* The part of the register state that a plain exit does not read: see hv_vp_fetch. */
struct hv_regs {
    uint64_t cr0, cr3, cr4, efer, pat, dr7;
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
    struct hv_segment seg[8]; /* order of SEG_* in abi/x86.h */
    uint64_t gdt_base, idt_base;
    uint16_t gdt_limit, idt_limit;
};

/* MSRs that hardware does not switch with the VMCS; written under an intercept, so the copy
 * holds. */
enum {
    HV_SWMSR_STAR,
    HV_SWMSR_LSTAR,
    HV_SWMSR_CSTAR,
    HV_SWMSR_SFMASK,
    HV_SWMSR_TSC_AUX,
    HV_SWMSR_COUNT
};

struct hv_mtrrs {
    uint64_t def_type;
    uint64_t var[16];
    uint64_t fixed[11];
};

struct hv_vp {
    uint64_t gpr[16]; /* first: the entry code uses these offsets; gpr[HV_RSP] mirrors the VMCS */
    uint64_t rip, rflags;
    uint32_t interruptibility;
    bool vmcs_ready, launched;
    bool dirty_rip, dirty_rsp, dirty_rflags, dirty_interruptibility;
    bool regs_valid, regs_dirty;

    struct hv_partition *partition;
    struct hv_lp *lp;
    uint32_t index;
    uint32_t state; /* enum vitrine_vp_state */
    bool explicit_suspend, intercept_suspend, wait_sipi, halted;
    bool flush_tlb;
    uint64_t ept_gen; /* of the partition, as last invalidated on this LP */

    uint32_t exit_reason;
    uint32_t epoch; /* bumped when someone else rewrites where the VP is */
    uint32_t event; /* VM-entry interruption word to deliver next, 0: none */
    uint32_t event_error;
    uint32_t event_len;
    bool nmi_pending;
    int extint; /* vector of a pending ExtINT, -1: none */

    struct hv_regs regs;
    uint64_t vmcs; /* physical address */
    uint8_t *fpu;  /* XSAVE image */
    uint64_t xcr0;
    uint64_t cr2, dr[4], dr6;
    uint64_t kernel_gs_base;
    uint64_t swmsr[HV_SWMSR_COUNT];
    uint32_t proc_ctl;
    uint32_t vpid;
    uint64_t tsc_offset;

    struct hv_vlapic apic;
    struct hv_synic synic;
    struct hv_stimer stimer[HV_STIMER_COUNT];
    uint64_t deadline; /* earliest of the VP's timers, host TSC */
    uint64_t assist_page;
    uint64_t tsc_adjust;
    struct hv_mtrrs mtrr;
    uint64_t run_start, run_time; /* host TSC */
    struct hv_guest_page hcall_page[2];
    uint64_t eoi_pending[4];
    struct hv_msg eoi_msg;
    struct hv_msg icept;
    struct vitrine_vp *info;
};
_Static_assert(sizeof(struct hv_vp) <= 4096, "a VP fits a page");

/* A page of ours that hides the guest's own at one GPFN. */
struct hv_overlay {
    bool active;
    uint64_t gpfn;
    uint64_t saved_entry;
    uint64_t page; /* physical, allocated once */
};

enum hv_partition_state { HV_PART_CREATED, HV_PART_ACTIVE, HV_PART_FINALIZED };

#define HV_MAX_INTERCEPTS 8u

struct hv_partition {
    uint64_t id; /* 0: free row */
    enum hv_partition_state state;
    bool is_root;
    uint64_t flags;
    uint64_t privileges; /* leaf 3 EAX, EBX */
    uint32_t features;   /* leaf 3 EDX */
    uint32_t hints;      /* leaf 4 EAX */
    struct hv_vp *vp[HV_MAX_VPS];
    uint32_t vp_count;

    uint64_t ept_root; /* physical */
    uint64_t eptp;
    uint64_t ept_gen; /* bumped whenever a translation is taken away or changed */
    uint64_t msr_bitmap;
    uint64_t pool; /* free deposited pages, linked through their first word; 0 ends */
    uint64_t pool_free, pool_total;

    uint64_t guest_os_id;
    uint64_t hypercall_msr;
    uint64_t reference_tsc_msr;
    uint64_t crash[5], crash_ctl;
    struct hv_overlay hypercall_overlay;
    uint64_t tsc_base; /* host TSC at creation: the guest's TSC and reference time start at 0 */
    bool tsc_written;  /* a VP set its own TSC: the reference page is withdrawn */
    bool msr_intercept;
    uint32_t exception_intercepts;
    uint32_t cpuid_intercept[HV_MAX_INTERCEPTS];
    uint32_t cpuid_intercepts;
    uint64_t property[16];
    uint32_t sins; /* log lines about what its guest did, see hv_log_sin */
    struct vitrine_partition *info;
};

/* What a guest did wrong, or what is not modelled for it: a warning, but only a few per partition,
 * since a guest could repeat it for ever. */
#define HV_MAX_SINS 16u
#define hv_log_sin(p, ...)                    \
    do {                                      \
        if ((p)->sins < HV_MAX_SINS) {        \
            (p)->sins++;                      \
            hv_log(HV_LOG_WARN, __VA_ARGS__); \
        }                                     \
    } while (0)

struct hv_descriptor_tables {
    uint64_t gdt[8];
    uint32_t tss[26];
};

struct hv_lp {
    struct hv_lp *self; /* GS:0 */
    uint32_t index;
    uint32_t apic_id;
    volatile uint32_t online;
    volatile uint32_t in_guest;
    volatile bool resched;
    bool idle;
    struct hv_vp *current;        /* whose VMCS and switched state are loaded */
    struct hv_vp *volatile fetch; /* another LP waits for this VP's registers */
    volatile uint64_t clear;      /* another LP waits for this VMCS to be cleared */
    struct hv_vp *vps[HV_LP_VPS];
    uint32_t vp_count;
    uint32_t next; /* round robin */
    uint64_t slice_end;
    bool timer_stale; /* a deadline changed since it was programmed */
    uint64_t timer;   /* deadline in the LAPIC, HV_NO_DEADLINE: none */
    uint64_t xcr0;
    uint64_t swmsr[HV_SWMSR_COUNT];
    uint64_t held[4];     /* level interrupts in service in the physical LAPIC */
    uint64_t held_eoi[4]; /* of those: the root has ended them */
    uint64_t vmxon;
    struct hv_descriptor_tables tables;
    uint8_t *stack_top;
};

extern struct hv_lp hv_lps[HV_MAX_LPS];
extern uint32_t hv_lp_count;
extern struct hv_partition hv_partitions[HV_MAX_PARTITIONS];
extern struct hv_partition *hv_root;
extern struct vitrine_info hv_vitrine_info;
extern uint64_t hv_tsc_hz;

static inline struct hv_lp *hv_this_lp(void)
{
    struct hv_lp *lp;
    __asm__ volatile("mov %%gs:0, %0" : "=r"(lp));
    return lp;
}

static inline void *hv_va(uint64_t hpa)
{
    __asm__("" : "+r"(hpa)); /* the compiler must not reason about low addresses */
    return (void *)hpa;      /* the hypervisor runs on an identity map */
}

static inline uint64_t hv_pa(const void *va)
{
    return (uint64_t)va;
}

/* lock.c */
void hv_lock(void);
void hv_unlock(void);
void hv_lp_service(struct hv_lp *lp);
void hv_stop_all(void) __attribute__((noreturn)); /* after a panic */

/* partition.c */
struct hv_partition *hv_partition_find(uint64_t id);
struct hv_partition *hv_partition_create(uint64_t flags);
void hv_partition_delete(struct hv_partition *p);
uint64_t hv_partition_page(struct hv_partition *p); /* zeroed page of its pool, 0: none left */
void hv_partition_free_page(struct hv_partition *p, uint64_t hpa);
int hv_partition_add_intercept(struct hv_partition *p, const struct hv_in_install_intercept *in);
void hv_partition_set_name(struct hv_partition *p, uint32_t word, uint64_t chars);
void hv_root_create(void);

/* vp.c */
uint32_t hv_vp_create(struct hv_partition *p, uint32_t index, struct hv_lp *lp); /* HV_STATUS_* */
void hv_vp_destroy(struct hv_vp *vp);
void hv_vp_reset(struct hv_vp *vp);
void hv_vp_init(struct hv_vp *vp); /* INIT */
void hv_vp_sipi(struct hv_vp *vp, uint32_t vector);
void hv_vp_update(struct hv_vp *vp); /* recompute state after any flag changed */
void hv_vp_kick(struct hv_vp *vp);   /* make its LP look at it */
void hv_vp_stop(struct hv_vp *vp);   /* returns with the VP out of guest mode */
void hv_vp_fetch(struct hv_vp *vp);  /* afterwards vp->regs holds the registers */
void hv_vp_advance(struct hv_vp *vp);
void hv_vp_inject(struct hv_vp *vp, uint32_t vector, bool has_error, uint32_t error);
static inline void hv_vp_gp(struct hv_vp *vp)
{
    hv_vp_inject(vp, EXC_GP, true, 0);
}
static inline void hv_vp_ud(struct hv_vp *vp)
{
    hv_vp_inject(vp, EXC_UD, false, 0);
}
unsigned hv_vp_cpl(struct hv_vp *vp);

static inline void hv_vp_set_rip(struct hv_vp *vp, uint64_t rip)
{
    vp->rip = rip;
    vp->dirty_rip = true;
}

/* cpuid.c, msr.c */
void hv_cpuid_emulate(struct hv_vp *vp);
bool hv_msr_read(struct hv_vp *vp, uint32_t msr, uint64_t *value);
bool hv_msr_write(struct hv_vp *vp, uint32_t msr, uint64_t value);
void hv_msr_bitmap_init(uint8_t *bitmap);
bool hv_synth_msr_read(struct hv_vp *vp, uint32_t msr, uint64_t *value);
/* A write that was done here and is for the parent to act upon: it gets an MSR intercept. */
bool hv_msr_wants_parent(const struct hv_vp *vp, uint32_t msr, uint64_t value);
bool hv_synth_msr_write(struct hv_vp *vp, uint32_t msr, uint64_t value);

/* lp.c */
void hv_lp_init(struct hv_lp *lp);
void hv_lp_run(struct hv_lp *lp) __attribute__((noreturn));
void hv_lp_interrupt(struct hv_lp *lp, uint32_t vector);
void hv_lp_kick(struct hv_lp *lp);

#endif
