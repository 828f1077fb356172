/*
 * APIC virtualization (SDM 3C chapter 30): the virtual-APIC page, TPR, PPR, EOI and self-IPI
 * virtualization, virtual interrupts, accesses through the APIC-access page and by x2APIC MSRs,
 * posted interrupts.
 *
 * RVI and SVI are the two bytes of the guest interrupt status in the VMCS. A write to the page is
 * emulated at the next instruction boundary, first thing there (30.4.3.2); so are EOI and self-IPI
 * by WRMSR.
 * Not modelled: IPI virtualization, tertiary controls.
 */
#include "abi/lapic.h"
#include "cpu/vmx/vmx_int.h"

#define ICR_RESERVED 0xfff33000u /* and delivery status: must be 0 for a virtual self-IPI */

/* ---- the virtual-APIC page ---- */

static uint32_t page_ld(const struct cpu *c, uint32_t reg)
{
    return (uint32_t)vmx_phys_ld(c, c->vmx->vmcs.virtual_apic_addr + reg, 4);
}

static void page_st(const struct cpu *c, uint32_t reg, uint32_t v)
{
    vmx_phys_st(c, c->vmx->vmcs.virtual_apic_addr + reg, 4, v);
}

/* VIRR or VISR */
static void vector_set(struct cpu *c, uint32_t base, unsigned vector, bool on)
{
    const uint32_t reg = base + (vector >> 5) * 16, bit = 1u << (vector & 31);
    const uint32_t old = page_ld(c, reg);
    page_st(c, reg, on ? old | bit : old & ~bit);
}

/* Highest vector of VIRR or VISR; 0 when there is none. */
static unsigned vector_highest(const struct cpu *c, uint32_t base)
{
    for (unsigned n = 8; n-- > 0;) {
        const uint32_t bits = page_ld(c, base + n * 16);
        if (bits)
            return n * 32 + 31 - (unsigned)__builtin_clz(bits);
    }
    return 0;
}

static unsigned rvi(const struct vmx *x)
{
    return x->vmcs.guest_intr_status & 0xff;
}

static unsigned svi(const struct vmx *x)
{
    return x->vmcs.guest_intr_status >> 8;
}

static void set_status(struct vmx *x, unsigned new_rvi, unsigned new_svi)
{
    x->vmcs.guest_intr_status = (uint16_t)(new_rvi | new_svi << 8);
}

static bool delivers_virtually(const struct cpu *c)
{
    return c->vmx->proc2 & VMX_PROC2_VID;
}

/* Something is to be done at the next boundary. */
static void look_soon(struct cpu *c)
{
    c->attn |= ATTN_VMX;
    cpu_kick(c);
}

/* ---- virtualization of single registers (30.1) and pending virtual interrupts (30.2.1) ---- */

static void evaluate(struct cpu *c)
{
    struct vmx *x = c->vmx;
    const unsigned vppr = page_ld(c, LAPIC_PPR) & 0xff;
    x->vintr = !(x->vmcs.proc_ctl & VMX_PROC_INT_WINDOW) && rvi(x) >> 4 > vppr >> 4;
    if (x->vintr)
        look_soon(c);
}

static void virtualize_ppr(struct cpu *c)
{
    const unsigned vtpr = page_ld(c, LAPIC_TPR) & 0xff, in_service = svi(c->vmx);
    page_st(c, LAPIC_PPR, vtpr >> 4 >= in_service >> 4 ? vtpr : in_service & 0xf0);
}

/* Also what VM entry does: without virtual-interrupt delivery an exit may be due at once. */
void vmx_virtualize_tpr(struct cpu *c)
{
    struct vmx *x = c->vmx;
    if (delivers_virtually(c)) {
        virtualize_ppr(c);
        evaluate(c);
    } else if (x->vmcs.tpr_threshold && (vmx_vtpr(c) >> 4 & 15) < (x->vmcs.tpr_threshold & 15)) {
        x->tpr_exit = 1;
        look_soon(c);
    }
}

uint32_t vmx_vtpr(const struct cpu *c)
{
    return page_ld(c, LAPIC_TPR);
}

void vmx_set_vtpr(struct cpu *c, uint32_t v)
{
    page_st(c, LAPIC_TPR, v & 0xff);
    vmx_virtualize_tpr(c);
}

static void virtualize_eoi(struct cpu *c)
{
    struct vmx *x = c->vmx;
    const struct vmcs *v = &x->vmcs;
    const uint64_t exits[] = {v->eoi_exit0, v->eoi_exit1, v->eoi_exit2, v->eoi_exit3};
    const unsigned vector = svi(x);
    vector_set(c, LAPIC_ISR, vector, false);
    set_status(x, rvi(x), vector_highest(c, LAPIC_ISR));
    virtualize_ppr(c);
    if (exits[vector / 64] >> (vector % 64) & 1)
        vmx_exit(c, VMX_EXIT_VIRT_EOI, vector);
    evaluate(c);
}

static void virtualize_self_ipi(struct cpu *c, unsigned vector)
{
    struct vmx *x = c->vmx;
    vector_set(c, LAPIC_IRR, vector, true);
    if (vector > rvi(x))
        set_status(x, vector, svi(x));
    evaluate(c);
}

/* ---- emulation of a write at the boundary behind it (30.4.3.2, 30.5) ---- */

static bool icr_is_self_ipi(uint32_t icr)
{
    return !(icr & ICR_RESERVED) && icr >> LAPIC_SHORTHAND_SHIFT == LAPIC_SH_SELF &&
           !(icr & (LAPIC_TRIGGER_LEVEL | LAPIC_DELIVERY)) && (icr & 0xf0);
}

void vmx_apic_emulate(struct cpu *c)
{
    const uint32_t offset = c->vmx->apic_write, reg = offset & 0xff0;
    const bool vid = delivers_virtually(c);
    const uint32_t v = page_ld(c, reg);
    c->vmx->apic_write = 0;
    if (reg == LAPIC_TPR) {
        vmx_set_vtpr(c, v);
    } else if (reg == LAPIC_ICR_HIGH) {
        page_st(c, reg, v & 0xff000000u);
    } else if (reg == LAPIC_EOI && vid) {
        page_st(c, reg, 0);
        virtualize_eoi(c);
    } else if (reg == LAPIC_ICR && vid && icr_is_self_ipi(v)) {
        virtualize_self_ipi(c, v & 0xff);
    } else if (reg == LAPIC_SELF_IPI && vid && (v & 0xf0)) {
        virtualize_self_ipi(c, v & 0xff);
    } else {
        vmx_exit(c, VMX_EXIT_APIC_WRITE, offset);
    }
    vmx_update_attn(c);
}

static void emulate_soon(struct cpu *c, uint32_t offset)
{
    c->vmx->apic_write = (uint16_t)offset;
    look_soon(c);
}

/* ---- the APIC-access page (30.4) ---- */

_Noreturn void vmx_exit_apic_access(struct cpu *c, uint32_t offset, unsigned type, uint64_t gla)
{
    const unsigned kind = c->delivering >= 0 ? VMX_QUAL_APIC_EVENT : type;
    c->vmx->vmcs.guest_linear_addr = gla;
    vmx_exit(c, VMX_EXIT_APIC_ACCESS, (offset & 0xfff) | (uint64_t)kind << 12);
}

/* Registers that APIC-register virtualization serves. */
static bool reg_virtualized(uint32_t reg, bool write)
{
    switch (reg) {
    case LAPIC_ID:
    case LAPIC_TPR:
    case LAPIC_EOI:
    case LAPIC_LDR:
    case LAPIC_DFR:
    case LAPIC_SVR:
    case LAPIC_ESR:
    case LAPIC_ICR:
    case LAPIC_ICR_HIGH:
    case LAPIC_LVT_TIMER:
    case LAPIC_LVT_THERMAL:
    case LAPIC_LVT_PERF:
    case LAPIC_LVT_LINT0:
    case LAPIC_LVT_LINT1:
    case LAPIC_LVT_ERROR:
    case LAPIC_TIMER_INITIAL:
    case LAPIC_TIMER_DIVIDE: return true;
    case LAPIC_VERSION: return !write;
    default: return !write && reg >= LAPIC_ISR && reg < LAPIC_ESR; /* ISR, TMR, IRR */
    }
}

static bool access_virtualized(const struct cpu *c, uint32_t offset, unsigned size, bool write)
{
    const struct vmx *x = c->vmx;
    const uint32_t reg = offset & 0xff0;
    if (!(x->vmcs.proc_ctl & VMX_PROC_TPR_SHADOW) || c->delivering >= 0 || size > 4 ||
        (offset & 15) + size > 4)
        return false;
    if (x->proc2 & VMX_PROC2_APIC_REG)
        return reg_virtualized(reg, write);
    return reg == LAPIC_TPR || (delivers_virtually(c) && (reg == LAPIC_EOI || reg == LAPIC_ICR));
}

uint64_t vmx_apic_read(struct cpu *c, uint32_t offset, unsigned size, uint64_t gla)
{
    if (!access_virtualized(c, offset, size, false))
        vmx_exit_apic_access(c, offset, VMX_QUAL_APIC_READ, gla);
    return vmx_phys_ld(c, c->vmx->vmcs.virtual_apic_addr + offset, size);
}

void vmx_apic_write(struct cpu *c, uint32_t offset, unsigned size, uint64_t value, uint64_t gla)
{
    if (!access_virtualized(c, offset, size, true))
        vmx_exit_apic_access(c, offset, VMX_QUAL_APIC_WRITE, gla);
    vmx_phys_st(c, c->vmx->vmcs.virtual_apic_addr + offset, size, value);
    emulate_soon(c, offset);
}

/* ---- x2APIC MSRs (30.5) ---- */

static bool x2apic_msr(const struct cpu *c, uint32_t msr, uint32_t *reg)
{
    *reg = (msr & 0xff) << 4;
    return (c->vmx->proc2 & VMX_PROC2_X2APIC) && msr >> 8 == MSR_X2APIC_BASE >> 8;
}

bool vmx_msr_virtual_read(struct cpu *c, uint32_t msr, uint64_t *value)
{
    uint32_t reg;
    if (!x2apic_msr(c, msr, &reg) || !((c->vmx->proc2 & VMX_PROC2_APIC_REG) || reg == LAPIC_TPR))
        return false;
    *value = vmx_phys_ld(c, c->vmx->vmcs.virtual_apic_addr + reg, 8);
    return true;
}

bool vmx_msr_virtual_write(struct cpu *c, uint32_t msr, uint64_t value)
{
    uint32_t reg;
    if (!x2apic_msr(c, msr, &reg))
        return false;
    const bool vid = delivers_virtually(c);
    if (reg != LAPIC_TPR && !(vid && (reg == LAPIC_EOI || reg == LAPIC_SELF_IPI)))
        return false;
    if (value & (reg == LAPIC_EOI ? UINT64_MAX : ~0xffull))
        cpu_fault(c, EXC_GP, 0);
    vmx_phys_st(c, c->vmx->vmcs.virtual_apic_addr + reg, 8, value);
    if (reg == LAPIC_TPR)
        vmx_virtualize_tpr(c);
    else
        emulate_soon(c, reg);
    return true;
}

/* ---- virtual interrupts (30.2.2) ---- */

bool vmx_virtual_interrupt_ready(const struct cpu *c)
{
    return c->vmx->vintr && (c->eflags & FL_IF) && !c->shadow &&
           (c->activity == CPU_ACTIVE || c->activity == CPU_HALTED || c->activity == CPU_MWAIT);
}

void vmx_deliver_virtual_interrupt(struct cpu *c)
{
    struct vmx *x = c->vmx;
    const unsigned vector = rvi(x);
    vector_set(c, LAPIC_ISR, vector, true);
    page_st(c, LAPIC_PPR, vector & 0xf0);
    vector_set(c, LAPIC_IRR, vector, false);
    set_status(x, vector_highest(c, LAPIC_IRR), vector);
    x->vintr = 0;
    vmx_update_attn(c);
    event_deliver(c, (int)vector, EVT_EXT_INTR, false, 0, 0);
}

/* ---- posted interrupts (30.6) ---- */

bool vmx_posted_interrupt(struct cpu *c, int vector)
{
    struct vmx *x = c->vmx;
    const uint64_t desc = x->vmcs.posted_desc_addr;
    if (!(x->vmcs.pin_ctl & VMX_PIN_POSTED_INT) || vector != x->vmcs.posted_vector)
        return false;
    vmx_phys_st(c, desc + VMX_PID_ON_BYTE, 1,
                vmx_phys_ld(c, desc + VMX_PID_ON_BYTE, 1) & ~(uint64_t)VMX_PID_ON);
    c->apic_ops->eoi(c->apic);
    for (unsigned n = 0; n < 8; n++) {
        const uint32_t bits = (uint32_t)vmx_phys_ld(c, desc + 4 * n, 4);
        if (!bits)
            continue;
        const unsigned highest = n * 32 + 31 - (unsigned)__builtin_clz(bits);
        vmx_phys_st(c, desc + 4 * n, 4, 0);
        page_st(c, LAPIC_IRR + 16 * n, page_ld(c, LAPIC_IRR + 16 * n) | bits);
        if (highest > rvi(x))
            set_status(x, highest, svi(x));
    }
    evaluate(c);
    return true;
}
