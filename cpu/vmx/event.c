/*
 * Events in non-root operation: exception bitmap, injection, windows, MTF, the VMX-preemption
 * timer, external interrupts and NMIs (SDM 3C 26.2, 26.5, 27.6, 27.7).
 *
 * The preemption timer is a named event of the virtual clock, so it fires at an exact boundary and
 * costs nothing while it runs.
 */
#include "cpu/vmx/vmx_int.h"


static uint32_t intr_word(int vector, unsigned type, bool has_err)
{
    return (uint32_t)vector | type << VMX_INTR_TYPE_SHIFT | (has_err ? VMX_INTR_ERROR_CODE : 0) |
           VMX_INTR_VALID;
}

static bool bitmap_hit(const struct vmcs *v, int vector, uint32_t err)
{
    const bool bit = v->exception_bitmap >> vector & 1;
    if (vector != EXC_PF)
        return bit;
    return bit == ((err & v->pf_ec_mask) == v->pf_ec_match);
}

void vmx_intercept_exception(struct cpu *c, int vector, unsigned type, bool has_err, uint32_t err,
                             uint64_t qual, unsigned ilen)
{
    struct vmx *x = c->vmx;
    if (x->inject_ilen && c->delivering >= 0) { /* injection of a software event faulted */
        c->rip -= x->inject_ilen;
        x->inject_ilen = 0;
    }
    if (!bitmap_hit(&x->vmcs, vector, err))
        return;
    const bool hardware = type == EVT_HW_EXC;
    const struct vmx_exit_info e = {
        .reason = VMX_EXIT_EXCEPTION_NMI,
        .qual = vector == EXC_PF || vector == EXC_DB ? qual : 0,
        .intr_info = intr_word(vector, type, has_err),
        .intr_error = has_err ? err : 0,
        .ilen = hardware ? 0 : ilen,
        .hides_delivery = vector == EXC_DF,
        .set_rf = hardware && vector != EXC_DB && vector != EXC_DF && vector != EXC_MC,
    };
    vmx_exit_now(c, &e);
}

void vmx_delivery_begin(struct cpu *c, int vector, unsigned type, bool has_err, uint32_t err,
                        unsigned ilen)
{
    struct vmx *x = c->vmx;
    const bool soft = type >= EVT_SW_INT;
    x->idt_info = intr_word(vector, type, has_err);
    x->idt_error = has_err ? err : 0;
    x->idt_ilen = soft ? ilen : 0;
}

void vmx_delivery_done(struct cpu *c)
{
    struct vmx *x = c->vmx;
    x->inject_ilen = 0;
    if (x->mtf == VMX_MTF_ARMED) {
        x->mtf = VMX_MTF_PENDING;
        c->attn |= ATTN_VMX;
    }
}

/* ---- what waits for an instruction boundary ---- */

static bool nmi_window_open(const struct cpu *c)
{
    return (c->vmx->vmcs.proc_ctl & VMX_PROC_NMI_WINDOW) && !c->nmi_masked &&
           !(c->shadow & SHADOW_MOVSS) && c->activity != CPU_WAIT_SIPI;
}

static bool int_window_open(const struct cpu *c)
{
    return (c->vmx->vmcs.proc_ctl & VMX_PROC_INT_WINDOW) && (c->eflags & FL_IF) && !c->shadow &&
           (c->activity == CPU_ACTIVE || c->activity == CPU_HALTED || c->activity == CPU_MWAIT);
}

void vmx_update_attn(struct cpu *c)
{
    const struct vmx *x = c->vmx;
    const bool windows = x->vmcs.proc_ctl & (VMX_PROC_INT_WINDOW | VMX_PROC_NMI_WINDOW);
    if (windows || x->inject || x->mtf != VMX_MTF_OFF || x->tpr_exit || x->timer_expired ||
        x->vintr || x->apic_write)
        c->attn |= ATTN_VMX;
    else
        c->attn &= ~(uint32_t)ATTN_VMX;
}

bool vmx_pending(const struct cpu *c)
{
    const struct vmx *x = c->vmx;
    if (!c->non_root)
        return false;
    if (x->inject || x->tpr_exit || x->apic_write || x->mtf == VMX_MTF_PENDING ||
        (x->timer_expired && c->activity != CPU_WAIT_SIPI))
        return true;
    return nmi_window_open(c) || int_window_open(c) || vmx_virtual_interrupt_ready(c);
}

static void inject(struct cpu *c)
{
    struct vmx *x = c->vmx;
    const uint32_t info = x->vmcs.entry_intr_info;
    const int vector = (int)(info & VMX_INTR_VECTOR_MASK);
    const unsigned type = (info & VMX_INTR_TYPE_MASK) >> VMX_INTR_TYPE_SHIFT;
    const bool has_err = info & VMX_INTR_ERROR_CODE;
    const unsigned ilen = type >= EVT_SW_INT ? x->vmcs.entry_insn_len : 0;

    x->inject = 0;
    if (type == VMX_INTR_OTHER >> VMX_INTR_TYPE_SHIFT) {
        x->mtf = VMX_MTF_PENDING;
        return;
    }
    vmx_update_attn(c);
    c->shadow = 0;
    c->activity = CPU_ACTIVE;
    x->inject_ilen = (uint8_t)ilen;
    c->rip += ilen;
    event_deliver(c, vector, (enum event_type)type, has_err, x->vmcs.entry_error_code, ilen);
    if (type == EVT_NMI)
        c->nmi_masked = true;
    x->inject_ilen = 0;
}

static bool poll_first(struct cpu *c)
{
    struct vmx *x = c->vmx;
    if (x->apic_write)
        vmx_apic_emulate(c);
    if (x->inject) {
        inject(c);
        if (x->mtf != VMX_MTF_PENDING)
            return true;
    }
    if (x->tpr_exit)
        vmx_exit(c, VMX_EXIT_TPR_BELOW, 0);
    return false;
}

static void poll_mtf(struct cpu *c)
{
    struct vmx *x = c->vmx;
    if (x->mtf == VMX_MTF_ARMED && cpu_icount(c) != x->mtf_pos)
        x->mtf = VMX_MTF_PENDING;
    if (x->mtf == VMX_MTF_PENDING)
        vmx_exit(c, VMX_EXIT_MTF, 0);
}

bool vmx_poll(struct cpu *c, enum vmx_poll_stage stage)
{
    const struct vmx *x = c->vmx;
    switch (stage) {
    case VMX_POLL_FIRST: return poll_first(c);
    case VMX_POLL_TRAPS: poll_mtf(c); return false;
    case VMX_POLL_NMI:
        if (x->timer_expired && c->activity != CPU_WAIT_SIPI)
            vmx_exit(c, VMX_EXIT_PREEMPTION_TIMER, 0);
        if (nmi_window_open(c))
            vmx_exit(c, VMX_EXIT_NMI_WINDOW, 0);
        return false;
    default:
        if (int_window_open(c))
            vmx_exit(c, VMX_EXIT_INT_WINDOW, 0);
        if (!vmx_virtual_interrupt_ready(c))
            return false;
        vmx_deliver_virtual_interrupt(c);
        return true;
    }
}

void vmx_external_interrupt(struct cpu *c)
{
    struct vmx_exit_info e = {.reason = VMX_EXIT_EXT_INT, .hides_delivery = true};
    if (c->vmx->vmcs.exit_ctl & VMX_XCTL_ACK_INT) {
        const int vector = c->apic_ops->ack(c->apic);
        if (vmx_posted_interrupt(c, vector))
            return;
        e.intr_info = intr_word(vector < 0 ? 0xff : vector, EVT_EXT_INTR, false);
    }
    vmx_exit_now(c, &e);
}

_Noreturn void vmx_nmi(struct cpu *c)
{
    const struct vmx_exit_info e = {.reason = VMX_EXIT_EXCEPTION_NMI, .hides_delivery = true,
                                    .intr_info = intr_word(EXC_NMI, EVT_NMI, false), .nmi = true};
    vmx_exit_now(c, &e);
}

/* ---- VMX-preemption timer (26.5.1) ---- */

static uint64_t timer_now(const struct cpu *c)
{
    return cpu_raw_tsc(c) >> VMX_TIMER_SHIFT;
}

static void timer_fire(void *opaque, uint64_t now_ns)
{
    struct cpu *c = opaque;
    (void)now_ns;
    if (!c->vmx->timer_on)
        return;
    c->vmx->timer_expired = 1;
    c->attn |= ATTN_VMX;
}

/* First nanosecond at which the raw TSC is at least `tsc`. */
static uint64_t tsc_to_ns(const struct cpu *c, uint64_t tsc)
{
    __extension__ typedef unsigned __int128 u128;
    return (uint64_t)(((u128)tsc * 1000000000u + c->tsc_hz - 1) / c->tsc_hz);
}

void vmx_timer_start(struct cpu *c)
{
    struct vmx *x = c->vmx;
    x->timer_expired = 0;
    x->timer_on = (x->vmcs.pin_ctl & VMX_PIN_PREEMPTION_TIMER) != 0;
    if (!x->timer_on)
        return;
    if (!x->timer_wired) {
        clock_event_init(c->clock, &x->timer_event, "vmx-preemption", 8, timer_fire, c);
        x->timer_wired = true;
    }
    x->timer_deadline = timer_now(c) + x->vmcs.preemption_timer;
    if (x->vmcs.preemption_timer == 0)
        x->timer_expired = 1;
    else
        clock_arm(c->clock, &x->timer_event, tsc_to_ns(c, x->timer_deadline << VMX_TIMER_SHIFT));
}

void vmx_timer_stop(struct cpu *c)
{
    struct vmx *x = c->vmx;
    if (x->timer_on && x->timer_wired)
        clock_cancel(c->clock, &x->timer_event);
    x->timer_on = x->timer_expired = 0;
}

uint32_t vmx_timer_left(const struct cpu *c)
{
    const struct vmx *x = c->vmx;
    const uint64_t now = timer_now(c);
    return x->timer_expired || now >= x->timer_deadline ? 0 : (uint32_t)(x->timer_deadline - now);
}
