/*
 * Delivery of exceptions and interrupts through IVT or IDT in every mode (SDM 3A 6.11-6.14,
 * 20.1.4, 20.2).
 *
 * All checks come first and the new frame is written to a stack under construction; registers
 * change only when nothing can fault any more.
 *
 * Not modelled: VME interrupt redirection (not announced), shadow stacks.
 */
#include "cpu/sys/sys_int.h"
#include "cpu/timing/timing.h"

struct event {
    int vector;
    enum event_type type;
    bool has_err;
    uint32_t err, ext;
    uint32_t flags; /* RFLAGS image to push */
};

static uint32_t idt_err(const struct event *e)
{
    return (uint32_t)e->vector * 8 + 2 + e->ext;
}

static bool is_software(const struct event *e)
{
    return e->type == EVT_SW_INT || e->type == EVT_SW_EXC;
}

static void clear_flags(struct cpu *c, bool interrupt_gate)
{
    const uint32_t old = c->eflags;
    c->eflags &= ~(uint32_t)(FL_TF | FL_NT | FL_VM | FL_RF | (interrupt_gate ? FL_IF : 0));
    if ((old ^ c->eflags) & FL_VM)
        cpu_update_mode(c);
}

static void deliver_real(struct cpu *c, const struct event *e)
{
    const uint32_t at = (uint32_t)e->vector * 4;
    if (at + 3 > c->idtr.limit)
        cpu_fault(c, EXC_GP, idt_err(e));
    const uint32_t entry = (uint32_t)mmu_ld_sys(c, c->idtr.base + at, 4);
    struct stk s = stk_current(c);
    stk_push(c, &s, 2, e->flags & 0xffff);
    stk_push(c, &s, 2, c->seg[SEG_CS].sel);
    stk_push(c, &s, 2, c->rip & 0xffff);
    stk_commit(c, &s);
    c->eflags &= ~(uint32_t)(FL_TF | FL_IF | FL_AC | FL_RF);
    seg_load_real(c, SEG_CS, (uint16_t)(entry >> 16));
    c->rip = entry & 0xffff;
    mmu_update_ctx(c);
}

static struct desc gate_fetch(struct cpu *c, const struct event *e)
{
    const bool lm = cpu_long_mode(c);
    const unsigned size = lm ? 16 : 8;
    const uint32_t at = (uint32_t)e->vector * size;
    struct desc g = {0};
    if (at + size - 1 > c->idtr.limit)
        cpu_fault(c, EXC_GP, idt_err(e));
    g.addr = c->idtr.base + at;
    if (!lm)
        g.addr = (uint32_t)g.addr;
    g.raw = mmu_ld_sys(c, g.addr, 8);
    if (lm)
        g.high = mmu_ld_sys(c, g.addr + 8, 8);
    const unsigned type = desc_type(&g);
    const bool ok = type == ST_INT || type == ST_TRAP ||
                    (!lm && (type == ST_INT16 || type == ST_TRAP16 || type == ST_TASK_GATE));
    if (desc_is_s(&g) || !ok || (is_software(e) && desc_dpl(&g) < c->cpl))
        cpu_fault(c, EXC_GP, idt_err(e));
    if (!desc_present(&g))
        cpu_fault(c, EXC_NP, idt_err(e));
    return g;
}

/* The handler's code segment; returns the new privilege level. */
static unsigned handler_fetch(struct cpu *c, const struct event *e, uint16_t sel, struct desc *cs)
{
    if (sel_null(sel))
        cpu_fault(c, EXC_GP, e->ext);
    if (!desc_fetch(c, sel, cs) || !desc_is_code(cs) || desc_dpl(cs) > c->cpl)
        cpu_fault(c, EXC_GP, sel_err(sel) | e->ext);
    if (cpu_long_mode(c) && (desc_attr(cs) & (SA_L | SA_DB)) != SA_L)
        cpu_fault(c, EXC_GP, sel_err(sel) | e->ext);
    if (!desc_present(cs))
        cpu_fault(c, EXC_NP, sel_err(sel) | e->ext);
    const unsigned cpl = desc_conforming(cs) ? c->cpl : desc_dpl(cs);
    if (cpu_vm86(c) && cpl != 0)
        cpu_fault(c, EXC_GP, sel_err(sel) | e->ext);
    return cpl;
}

static void deliver_long(struct cpu *c, const struct event *e, const struct desc *g)
{
    struct desc cs;
    const uint16_t sel = gate_sel(g);
    const unsigned cpl = handler_fetch(c, e, sel, &cs), ist = g->raw >> 32 & 7;
    const uint64_t target = gate_off(g) | (g->high & 0xffffffff) << 32;
    const bool inner = cpl != c->cpl;
    struct stk s = {.sp = c->r[R_SP], .mask = ~0ull, .err = e->ext, .sys = cpl != 3};
    if (ist)
        s.sp = tss64_rsp(c, 28 + ist * 8, e->ext);
    else if (inner)
        s.sp = tss64_rsp(c, 4 + cpl * 8, e->ext);
    s.sp &= ~15ull;
    if (!canonical(c, target))
        cpu_fault(c, EXC_GP, e->ext);
    stk_push(c, &s, 8, c->seg[SEG_SS].sel);
    stk_push(c, &s, 8, c->r[R_SP]);
    stk_push(c, &s, 8, e->flags);
    stk_push(c, &s, 8, c->seg[SEG_CS].sel);
    stk_push(c, &s, 8, c->rip);
    if (e->has_err)
        stk_push(c, &s, 8, e->err);
    desc_set_accessed(c, &cs);
    seg_set_cs(c, sel, &cs, cpl);
    if (inner) {
        seg_null(c, SEG_SS, (uint16_t)cpl);
        c->seg[SEG_SS].attr |= cpl << SA_DPL_SHIFT;
    }
    c->r[R_SP] = s.sp;
    c->rip = target;
}

static void push_frame(struct cpu *c, const struct event *e, struct stk *s, unsigned size,
                       bool inner)
{
    const bool vm = e->flags & FL_VM;
    if (vm) {
        stk_push(c, s, size, c->seg[SEG_GS].sel);
        stk_push(c, s, size, c->seg[SEG_FS].sel);
        stk_push(c, s, size, c->seg[SEG_DS].sel);
        stk_push(c, s, size, c->seg[SEG_ES].sel);
    }
    if (inner) {
        stk_push(c, s, size, c->seg[SEG_SS].sel);
        stk_push(c, s, size, c->r[R_SP]);
    }
    stk_push(c, s, size, e->flags);
    stk_push(c, s, size, c->seg[SEG_CS].sel);
    stk_push(c, s, size, c->rip);
    if (e->has_err)
        stk_push(c, s, size, e->err);
}

static void deliver_legacy(struct cpu *c, const struct event *e, const struct desc *g)
{
    struct desc cs, ss;
    uint16_t ss_sel = 0;
    const uint16_t sel = gate_sel(g);
    const unsigned cpl = handler_fetch(c, e, sel, &cs), size = desc_type(g) & 8 ? 4 : 2;
    const uint64_t target = size == 4 ? gate_off(g) : g->raw & 0xffff;
    const bool inner = cpl != c->cpl;
    struct stk s = inner ? stk_inner(c, cpl, e->ext, &ss_sel, &ss) : stk_current(c);
    if (!inner)
        s.err = e->ext;
    code_offset_check(c, &cs, target, e->ext);
    push_frame(c, e, &s, size, inner);
    desc_set_accessed(c, &cs);
    if (inner) {
        desc_set_accessed(c, &ss);
        seg_fill(c, SEG_SS, ss_sel, &ss);
    }
    if (e->flags & FL_VM) {
        seg_null(c, SEG_ES, 0);
        seg_null(c, SEG_DS, 0);
        seg_null(c, SEG_FS, 0);
        seg_null(c, SEG_GS, 0);
    }
    c->eflags &= ~(uint32_t)FL_VM;
    seg_set_cs(c, sel, &cs, cpl);
    stk_commit(c, &s);
    c->rip = (uint32_t)target;
}

static void deliver_protected(struct cpu *c, const struct event *e)
{
    const struct desc g = gate_fetch(c, e);
    const unsigned type = desc_type(&g);
    if (type == ST_TASK_GATE) {
        task_switch(c, gate_sel(&g), TASK_GATE, e->has_err, e->err, e->ext);
        return;
    }
    if (cpu_long_mode(c))
        deliver_long(c, e, &g);
    else
        deliver_legacy(c, e, &g);
    clear_flags(c, !(type & 1));
    cpu_update_mode(c);
}

void event_deliver(struct cpu *c, int vector, enum event_type type, bool has_err, uint32_t err,
                   unsigned insn_len)
{
    struct event e = {.vector = vector, .type = type, .has_err = has_err, .err = err};
    e.ext = !is_software(&e);
    timing_stall(c, TIMING_STALL_EVENT);
    e.flags = (uint32_t)cpu_rflags(c) & ~(uint32_t)FL_RF;
    if (type == EVT_HW_EXC && vector != EXC_DB && vector != EXC_DF && vector != EXC_MC)
        e.flags |= FL_RF;
    if (trace_on(c->trace, TP_cpu_event))
        trace_emit(c->trace, TP_cpu_event, (uint8_t)c->index, cpu_icount(c), clock_now(c->clock),
                   (uint64_t)vector, type, err, cpu_rip(c), 0, 0);
    /* only hardware exceptions count for the double-fault rules; 2 stands for what never does */
    c->delivering = (int8_t)(type == EVT_HW_EXC ? vector : EXC_NMI);
    if (c->non_root)
        vmx_delivery_begin(c, vector, type, has_err, err, insn_len);
    if (cpu_real(c))
        deliver_real(c, &e);
    else
        deliver_protected(c, &e);
    c->delivering = -1;
    c->shadow = 0;
    if (c->activity == CPU_MWAIT)
        mmu_monitor_end(c);
    c->activity = CPU_ACTIVE;
    if (c->non_root)
        vmx_delivery_done(c);
}
