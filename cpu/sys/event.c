/*
 * Which event comes next: faults with the double-fault rules (SDM 3A 6.15, tables 6-4 and 6-5),
 * debug traps, NMI, interrupts, INIT and SIPI in the order of SDM 3A table 6-2; the signals of the
 * local APIC.
 *
 * Not modelled: SMI (logged), machine checks.
 */
#include "cpu/sys/sys_int.h"

static bool is_contributory(int vec)
{
    return vec == EXC_DE || (vec >= EXC_TS && vec <= EXC_GP) || vec == 21;
}

static void triple_fault(struct cpu *c)
{
    c->delivering = -1;
    if (c->non_root)
        vmx_triple_fault(c);
    if (trace_on(c->trace, TP_cpu_triple_fault))
        trace_emit(c->trace, TP_cpu_triple_fault, (uint8_t)c->index, cpu_icount(c),
                   clock_now(c->clock), c->rip, 0, 0, 0, 0, 0);
    LOG_GUEST("cpu", "LP %u: triple fault at rip=%#llx (last vector %u, cr2=%#llx)", c->index,
              (unsigned long long)c->rip, c->fault_vec, (unsigned long long)c->fault_addr);
    c->activity = CPU_SHUTDOWN;
}

/* A #DB swallows what MOV SS had held back: breakpoints are merged, a single-step is lost. */
uint64_t event_merge_pending(struct cpu *c)
{
    const uint64_t bits = c->pending_db & 0xf;
    c->pending_db = 0;
    c->attn &= ~(uint32_t)ATTN_TRAP;
    return bits;
}

static void debug_exception(struct cpu *c, uint64_t bits)
{
    bits |= event_merge_pending(c);
    if (c->non_root)
        vmx_intercept_exception(c, EXC_DB, EVT_HW_EXC, false, 0, bits, 0);
    c->dr[6] = (c->dr[6] & ~0xfull) | bits;
    c->dr[7] &= ~(uint64_t)DR7_GD;
    c->debugctl &= ~3ull;
    event_deliver(c, EXC_DB, EVT_HW_EXC, false, 0, 0);
}

void event_fault(struct cpu *c)
{
    int vec = c->fault_vec;
    bool has_err = c->fault_has_err;
    uint32_t err = c->fault_err;
    const int first = c->delivering;
    if (first == EXC_DF && (is_contributory(vec) || vec == EXC_PF)) {
        triple_fault(c);
        return;
    }
    if ((is_contributory(first) && is_contributory(vec)) ||
        ((first == EXC_PF || first == EXC_VE) && (is_contributory(vec) || vec == EXC_PF))) {
        vec = EXC_DF;
        has_err = true;
        err = 0;
    }
    if (vec == EXC_DB) {
        debug_exception(c, err);
        return;
    }
    if (c->non_root)
        vmx_intercept_exception(c, vec, EVT_HW_EXC, has_err, err, vec == EXC_PF ? c->fault_addr : 0,
                                0);
    if (vec == EXC_PF)
        c->cr2 = c->fault_addr;
    event_deliver(c, vec, EVT_HW_EXC, has_err, err, 0);
}

void event_debug_trap(struct cpu *c, uint64_t dr6_bits)
{
    c->pending_db |= dr6_bits;
    c->attn |= ATTN_TRAP;
}

void event_check_code_bp(struct cpu *c, uint64_t la)
{
    uint64_t bits = 0;
    if ((c->eflags & FL_RF) || (c->shadow & SHADOW_MOVSS)) /* SDM 3A 6.8.3 */
        return;
    for (unsigned n = 0; n < 4; n++) {
        if ((c->dr[7] >> (2 * n) & 3) && !(c->dr[7] >> (16 + 4 * n) & 3) && c->dr[n] == la)
            bits |= DR6_B0 << n;
    }
    if (bits)
        fault_db(c, bits);
}

/* ---- polling at instruction boundaries ---- */

static void take_sipi(struct cpu *c)
{
    c->attn &= ~(uint32_t)ATTN_SIPI;
    if (c->non_root) {
        vmx_sipi(c, c->sipi_vector);
        return;
    }
    if (c->activity != CPU_WAIT_SIPI)
        return;
    c->seg[SEG_CS].sel = (uint16_t)(c->sipi_vector << 8);
    c->seg[SEG_CS].base = (uint64_t)c->sipi_vector << 12;
    c->rip = 0;
    c->activity = CPU_ACTIVE;
    cpu_update_mode(c);
    if (trace_on(c->trace, TP_cpu_reset))
        trace_emit(c->trace, TP_cpu_reset, (uint8_t)c->index, cpu_icount(c), clock_now(c->clock),
                   c->sipi_vector, 0, 0, 0, 0, 0);
}

static bool init_blocked(const struct cpu *c)
{
    return c->vmx_on && !c->non_root;
}

static bool trap_ready(const struct cpu *c)
{
    return (c->attn & ATTN_TRAP) && !(c->shadow & SHADOW_MOVSS);
}

static bool nmi_ready(const struct cpu *c)
{
    return (c->attn & ATTN_NMI) && !vmx_nmi_blocked(c) && !c->shadow;
}

static bool intr_ready(const struct cpu *c)
{
    return (c->attn & ATTN_INTR) && !c->shadow && ((c->eflags & FL_IF) || vmx_ext_int_exits(c));
}

/* A masked interrupt ends an MWAIT that asked for it. */
static bool mwait_breaks(const struct cpu *c)
{
    return c->activity == CPU_MWAIT && c->mwait_break && (c->attn & ATTN_INTR) && !intr_ready(c);
}

static void take_trap(struct cpu *c)
{
    const uint64_t bits = c->pending_db;
    event_merge_pending(c);
    if (bits)
        debug_exception(c, bits);
}

static void take_nmi(struct cpu *c)
{
    c->attn &= ~(uint32_t)ATTN_NMI;
    if (vmx_nmi_exits(c))
        vmx_nmi(c);
    event_deliver(c, EXC_NMI, EVT_NMI, false, 0, 0);
    c->nmi_masked = true;
}

static bool take_interrupt(struct cpu *c)
{
    if (vmx_ext_int_exits(c)) {
        vmx_external_interrupt(c);
        return true;
    }
    const int vector = c->apic_ops->ack(c->apic);
    if (vector < 0)
        return false;
    event_deliver(c, vector, EVT_EXT_INTR, false, 0, 0);
    return true;
}

bool event_poll(struct cpu *c)
{
    const bool vmx = c->non_root && (c->attn & ATTN_VMX);
    if (vmx && vmx_poll(c, VMX_POLL_FIRST))
        return true;
    if ((c->attn & ATTN_INIT) && !init_blocked(c)) {
        c->attn &= ~(uint32_t)ATTN_INIT;
        if (!vmx_init_signal(c))
            cpu_init_signal(c);
        return true;
    }
    if (c->attn & ATTN_SIPI) {
        take_sipi(c);
        return true;
    }
    if (c->activity == CPU_WAIT_SIPI && !c->non_root)
        return false;
    if (c->activity == CPU_SHUTDOWN && !c->non_root && !(c->attn & ATTN_NMI))
        return false;
    if (vmx && vmx_poll(c, VMX_POLL_TRAPS))
        return true;
    if (trap_ready(c)) {
        take_trap(c);
        return true;
    }
    if (vmx && vmx_poll(c, VMX_POLL_NMI))
        return true;
    if (nmi_ready(c)) {
        take_nmi(c);
        return true;
    }
    if (vmx && vmx_poll(c, VMX_POLL_INTR))
        return true;
    if (mwait_breaks(c)) {
        c->activity = CPU_ACTIVE;
        mmu_monitor_end(c);
        return true;
    }
    return intr_ready(c) && c->activity != CPU_SHUTDOWN && take_interrupt(c);
}

bool event_pending(const struct cpu *c)
{
    if ((c->attn & ATTN_INIT) && !init_blocked(c))
        return true;
    if (c->attn & ATTN_SIPI)
        return true;
    if (c->activity == CPU_WAIT_SIPI && !c->non_root)
        return false;
    if (c->activity == CPU_SHUTDOWN && !c->non_root)
        return nmi_ready(c);
    return trap_ready(c) || nmi_ready(c) || intr_ready(c) || mwait_breaks(c) || vmx_pending(c);
}

/* ---- signals from the local APIC (core/lp.h) ---- */

static void signal_intr(void *cpu, bool level)
{
    struct cpu *c = cpu;
    if (level)
        c->attn |= ATTN_INTR;
    else
        c->attn &= ~(uint32_t)ATTN_INTR;
}

static void signal_nmi(void *cpu)
{
    ((struct cpu *)cpu)->attn |= ATTN_NMI;
}

static void signal_smi(void *cpu)
{
    (void)cpu;
    LOG_STUB("cpu", "SMI: system management mode is not modelled");
}

static void signal_init(void *cpu)
{
    ((struct cpu *)cpu)->attn |= ATTN_INIT;
}

static void signal_sipi(void *cpu, uint8_t vector)
{
    struct cpu *c = cpu;
    c->sipi_vector = vector;
    c->attn |= ATTN_SIPI;
}

static void signal_apic_page(void *cpu, uint64_t hpa)
{
    struct cpu *c = cpu;
    if (c->apic_page == hpa)
        return;
    c->apic_page = hpa;
    if (c->mmu)
        mmu_watch_changed(c); /* empties the fast tags */
}

const struct lp_signals cpu_signals = {
    .set_intr = signal_intr,
    .nmi = signal_nmi,
    .smi = signal_smi,
    .init = signal_init,
    .sipi = signal_sipi,
    .set_apic_page = signal_apic_page,
};
