/*
 * Far JMP, CALL, RET and IRET in all modes: direct, through call gates, to tasks (SDM 2A/2B, 3A
 * 5.8).
 *
 * Nothing changes before the last check; frames go to stacks under construction (struct stk).
 *
 * Not modelled: shadow stacks.
 */
#include "cpu/sys/sys_int.h"

static bool is_real_like(const struct cpu *c)
{
    return cpu_real(c) || cpu_vm86(c);
}

/* A target code segment for JMP or CALL without a gate: DPL, RPL, conforming, present, L and D. */
static void check_code(struct cpu *c, uint16_t sel, const struct desc *d)
{
    const unsigned dpl = desc_dpl(d), rpl = sel & 3;
    const bool ok = desc_conforming(d) ? dpl <= c->cpl : rpl <= c->cpl && dpl == c->cpl;
    if (!ok || (cpu_long_mode(c) && (desc_attr(d) & (SA_L | SA_DB)) == (SA_L | SA_DB)))
        cpu_fault(c, EXC_GP, sel_err(sel));
    if (!desc_present(d))
        cpu_fault(c, EXC_NP, sel_err(sel));
}

static void fetch_or_gp(struct cpu *c, uint16_t sel, struct desc *d)
{
    if (sel_null(sel))
        fault_gp(c);
    if (!desc_fetch(c, sel, d))
        cpu_fault(c, EXC_GP, sel_err(sel));
}

static uint64_t mask_offset(uint64_t off, unsigned osize)
{
    return osize == 2 ? off & 0xffff : osize == 4 ? off & 0xffffffff : off;
}

/* A call gate: privilege and presence; 64-bit gates bring their second half. */
static void check_gate(struct cpu *c, uint16_t sel, struct desc *g)
{
    if (desc_dpl(g) < c->cpl || (sel & 3u) > desc_dpl(g))
        cpu_fault(c, EXC_GP, sel_err(sel));
    if (!desc_present(g))
        cpu_fault(c, EXC_NP, sel_err(sel));
    if (!cpu_long_mode(c))
        return;
    const struct seg *ldt = &c->seg[SEG_LDTR];
    const uint32_t limit = sel & 4 ? ldt->limit : c->gdtr.limit;
    if ((sel & ~7u) + 15 > limit)
        cpu_fault(c, EXC_GP, sel_err(sel));
    desc_fetch_high(c, g);
    if (g->high >> 40 & 0x1f)
        cpu_fault(c, EXC_GP, sel_err(sel));
}

static bool is_call_gate(const struct cpu *c, const struct desc *d)
{
    const unsigned type = desc_type(d);
    return type == ST_CALL || (type == ST_CALL16 && !cpu_long_mode(c));
}

static uint64_t call_gate_target(const struct cpu *c, const struct desc *g)
{
    if (cpu_long_mode(c))
        return gate_off(g) | (g->high & 0xffffffff) << 32;
    return desc_type(g) == ST_CALL ? gate_off(g) : g->raw & 0xffff;
}

/* The code segment behind a call gate. */
static void gate_code(struct cpu *c, const struct desc *g, struct desc *cs)
{
    const uint16_t sel = gate_sel(g);
    fetch_or_gp(c, sel, cs);
    if (!desc_is_code(cs) || desc_dpl(cs) > c->cpl ||
        (cpu_long_mode(c) && (desc_attr(cs) & (SA_L | SA_DB)) != SA_L))
        cpu_fault(c, EXC_GP, sel_err(sel));
    if (!desc_present(cs))
        cpu_fault(c, EXC_NP, sel_err(sel));
}

static void enter_code(struct cpu *c, uint16_t sel, struct desc *cs, unsigned cpl, uint64_t rip)
{
    desc_set_accessed(c, cs);
    seg_set_cs(c, sel, cs, cpl);
    c->rip = rip;
    cpu_update_mode(c);
}

static bool to_task(struct cpu *c, uint16_t sel, const struct desc *d, enum task_source src)
{
    const unsigned type = desc_type(d);
    if (cpu_long_mode(c) || desc_is_s(d))
        return false;
    if (type != ST_TASK_GATE && type != ST_TSS16_AVAIL && type != ST_TSS_AVAIL)
        return false;
    if (desc_dpl(d) < c->cpl || (sel & 3u) > desc_dpl(d))
        cpu_fault(c, EXC_GP, sel_err(sel));
    if (!desc_present(d))
        cpu_fault(c, EXC_NP, sel_err(sel));
    task_switch(c, type == ST_TASK_GATE ? gate_sel(d) : sel, src, false, 0, 0);
    return true;
}

void seg_far_jump(struct cpu *c, uint16_t sel, uint64_t off, unsigned osize)
{
    struct desc d, cs;
    off = mask_offset(off, osize);
    if (is_real_like(c)) {
        if (off > c->seg[SEG_CS].limit)
            fault_gp(c);
        seg_load_real(c, SEG_CS, sel);
        c->rip = off;
        return;
    }
    fetch_or_gp(c, sel, &d);
    if (desc_is_code(&d)) {
        check_code(c, sel, &d);
        const uint64_t rip = code_offset_check(c, &d, off, 0);
        enter_code(c, sel, &d, c->cpl, rip);
        return;
    }
    if (to_task(c, sel, &d, TASK_JMP))
        return;
    if (desc_is_s(&d) || !is_call_gate(c, &d))
        cpu_fault(c, EXC_GP, sel_err(sel));
    check_gate(c, sel, &d);
    gate_code(c, &d, &cs);
    if (!desc_conforming(&cs) && desc_dpl(&cs) != c->cpl)
        cpu_fault(c, EXC_GP, sel_err(gate_sel(&d)));
    const uint64_t rip = code_offset_check(c, &cs, call_gate_target(c, &d), 0);
    enter_code(c, gate_sel(&d), &cs, c->cpl, rip);
}

/* CALL through a gate to an inner ring, legacy: new stack from the TSS, parameters copied. */
static void call_inner_legacy(struct cpu *c, const struct desc *g, struct desc *cs, uint64_t rip,
                              uint64_t ret_rip)
{
    struct desc ss;
    uint16_t ss_sel;
    const unsigned cpl = desc_dpl(cs), size = desc_type(g) == ST_CALL ? 4 : 2;
    const unsigned count = g->raw >> 32 & 31;
    struct stk s = stk_inner(c, cpl, 0, &ss_sel, &ss), old = stk_current(c);
    uint64_t param[31];
    for (unsigned n = 0; n < count; n++)
        param[n] = stk_pop(c, &old, size);
    stk_push(c, &s, size, c->seg[SEG_SS].sel);
    stk_push(c, &s, size, c->r[R_SP]);
    for (unsigned n = count; n-- > 0;)
        stk_push(c, &s, size, param[n]);
    stk_push(c, &s, size, c->seg[SEG_CS].sel);
    stk_push(c, &s, size, ret_rip);
    desc_set_accessed(c, &ss);
    seg_fill(c, SEG_SS, ss_sel, &ss);
    enter_code(c, gate_sel(g), cs, cpl, rip);
    stk_commit(c, &s);
}

static void call_inner_long(struct cpu *c, const struct desc *g, struct desc *cs, uint64_t rip,
                            uint64_t ret_rip)
{
    const unsigned cpl = desc_dpl(cs);
    struct stk s = {.sp = tss64_rsp(c, 4 + cpl * 8, 0), .mask = ~0ull, .sys = true};
    stk_push(c, &s, 8, c->seg[SEG_SS].sel);
    stk_push(c, &s, 8, c->r[R_SP]);
    stk_push(c, &s, 8, c->seg[SEG_CS].sel);
    stk_push(c, &s, 8, ret_rip);
    enter_code(c, gate_sel(g), cs, cpl, rip);
    seg_null(c, SEG_SS, (uint16_t)cpl);
    c->seg[SEG_SS].attr |= cpl << SA_DPL_SHIFT;
    c->r[R_SP] = s.sp;
    cpu_update_mode(c);
}

static void call_gate(struct cpu *c, uint16_t sel, struct desc *g, uint64_t ret_rip)
{
    struct desc cs;
    check_gate(c, sel, g);
    gate_code(c, g, &cs);
    const uint64_t rip = code_offset_check(c, &cs, call_gate_target(c, g), 0);
    if (!desc_conforming(&cs) && desc_dpl(&cs) < c->cpl) {
        if (cpu_long_mode(c))
            call_inner_long(c, g, &cs, rip, ret_rip);
        else
            call_inner_legacy(c, g, &cs, rip, ret_rip);
        return;
    }
    const unsigned size = cpu_long_mode(c) ? 8 : desc_type(g) == ST_CALL ? 4 : 2;
    struct stk s = stk_current(c);
    if (cpu_long_mode(c) && !cpu_code64(c)) { /* 64-bit target: the frame is written flat */
        s.base = 0;
        s.sp &= s.mask;
        s.mask = ~0ull;
    }
    stk_push(c, &s, size, c->seg[SEG_CS].sel);
    stk_push(c, &s, size, ret_rip);
    enter_code(c, gate_sel(g), &cs, c->cpl, rip);
    stk_commit(c, &s);
}

void seg_far_call(struct cpu *c, uint16_t sel, uint64_t off, unsigned osize, uint64_t ret_rip)
{
    struct desc d;
    struct stk s = stk_current(c);
    off = mask_offset(off, osize);
    if (is_real_like(c)) {
        stk_push(c, &s, osize, c->seg[SEG_CS].sel);
        stk_push(c, &s, osize, ret_rip);
        if (off > c->seg[SEG_CS].limit)
            fault_gp(c);
        stk_commit(c, &s);
        seg_load_real(c, SEG_CS, sel);
        c->rip = off;
        return;
    }
    fetch_or_gp(c, sel, &d);
    if (!desc_is_code(&d)) {
        if (to_task(c, sel, &d, TASK_CALL))
            return;
        if (desc_is_s(&d) || !is_call_gate(c, &d))
            cpu_fault(c, EXC_GP, sel_err(sel));
        call_gate(c, sel, &d, ret_rip);
        return;
    }
    check_code(c, sel, &d);
    stk_push(c, &s, osize, c->seg[SEG_CS].sel);
    stk_push(c, &s, osize, ret_rip);
    const uint64_t rip = code_offset_check(c, &d, off, 0);
    stk_commit(c, &s); /* with the old stack's address size */
    enter_code(c, sel, &d, c->cpl, rip);
}

/* The code segment a RET or IRET goes to. */
static void return_code(struct cpu *c, uint16_t sel, struct desc *cs)
{
    const unsigned rpl = sel & 3;
    fetch_or_gp(c, sel, cs);
    const bool dpl_ok = desc_conforming(cs) ? desc_dpl(cs) <= rpl : desc_dpl(cs) == rpl;
    if (!desc_is_code(cs) || rpl < c->cpl || !dpl_ok ||
        (cpu_long_mode(c) && (desc_attr(cs) & (SA_L | SA_DB)) == (SA_L | SA_DB)))
        cpu_fault(c, EXC_GP, sel_err(sel));
    if (!desc_present(cs))
        cpu_fault(c, EXC_NP, sel_err(sel));
}

/* The stack segment of an outer return; NULL selectors are legal for 64-bit code below CPL 3. */
static void return_stack(struct cpu *c, uint16_t sel, unsigned cpl, bool code64, struct desc *ss)
{
    ss->raw = 0;
    if (sel_null(sel)) {
        if (!code64 || cpl == 3 || (sel & 3u) != cpl)
            fault_gp(c);
        return;
    }
    if (!desc_fetch(c, sel, ss) || (sel & 3u) != cpl || !desc_is_s(ss) || desc_is_code(ss) ||
        !(desc_type(ss) & SA_RW) || desc_dpl(ss) != cpl)
        cpu_fault(c, EXC_GP, sel_err(sel));
    if (!desc_present(ss))
        cpu_fault(c, EXC_SS, sel_err(sel));
}

static void load_return_stack(struct cpu *c, uint16_t sel, unsigned cpl, struct desc *ss)
{
    if (sel_null(sel)) {
        seg_null(c, SEG_SS, sel);
        c->seg[SEG_SS].attr |= cpl << SA_DPL_SHIFT;
        return;
    }
    desc_set_accessed(c, ss);
    seg_fill(c, SEG_SS, sel, ss);
}

/* RSP after a return, in the new mode's stack width. */
static void set_return_sp(struct cpu *c, uint64_t sp)
{
    if (cpu_code64(c))
        c->r[R_SP] = sp;
    else if (c->seg[SEG_SS].attr & SA_DB)
        c->r[R_SP] = (uint32_t)sp;
    else
        c->r[R_SP] = (c->r[R_SP] & ~0xffffull) | (sp & 0xffff);
}

void seg_far_ret(struct cpu *c, unsigned osize, unsigned pop_bytes)
{
    struct stk s = stk_current(c);
    struct desc cs, ss;
    const uint64_t off = stk_pop(c, &s, osize);
    const uint16_t sel = (uint16_t)stk_pop(c, &s, osize);
    if (is_real_like(c)) {
        if (off > c->seg[SEG_CS].limit)
            fault_gp(c);
        s.sp += pop_bytes;
        stk_commit(c, &s);
        seg_load_real(c, SEG_CS, sel);
        c->rip = off;
        return;
    }
    return_code(c, sel, &cs);
    const unsigned cpl = sel & 3;
    const uint64_t rip = code_offset_check(c, &cs, off, 0);
    s.sp += pop_bytes;
    if (cpl == c->cpl) {
        stk_commit(c, &s);
        enter_code(c, sel, &cs, cpl, rip);
        return;
    }
    const uint64_t sp = stk_pop(c, &s, osize);
    const uint16_t ss_sel = (uint16_t)stk_pop(c, &s, osize);
    return_stack(c, ss_sel, cpl, cpu_long_mode(c) && (desc_attr(&cs) & SA_L), &ss);
    load_return_stack(c, ss_sel, cpl, &ss);
    enter_code(c, sel, &cs, cpl, rip);
    set_return_sp(c, sp + pop_bytes);
    outer_segs_check(c);
    cpu_update_mode(c);
}

/* ---- IRET ---- */

/* Flags that IRET may change, by privilege and operand size. */
static void iret_flags(struct cpu *c, uint64_t image, unsigned osize, unsigned cpl)
{
    const unsigned iopl = (c->eflags & FL_IOPL) >> FL_IOPL_SHIFT;
    uint32_t mask = FL_ARITH | FL_TF | FL_DF | FL_NT;
    if (osize > 2)
        mask |= FL_RF | FL_AC | FL_ID;
    if (cpl <= iopl)
        mask |= FL_IF;
    if (cpl == 0) {
        mask |= FL_IOPL;
        if (osize > 2)
            mask |= FL_VIF | FL_VIP;
    }
    cpu_set_rflags(c, (cpu_rflags(c) & ~(uint64_t)mask) | (image & mask));
    /* RF lasts for one instruction; it matters only when an instruction breakpoint is armed */
    if (!(c->dr[7] & 0xff))
        c->eflags &= ~(uint32_t)FL_RF;
}

static void iret_real(struct cpu *c, unsigned osize)
{
    struct stk s = stk_current(c);
    if (cpu_vm86(c) && (c->eflags & FL_IOPL) != FL_IOPL)
        fault_gp(c);
    const uint64_t off = stk_pop(c, &s, osize);
    const uint16_t sel = (uint16_t)stk_pop(c, &s, osize);
    const uint64_t flags = stk_pop(c, &s, osize);
    if (off > c->seg[SEG_CS].limit)
        fault_gp(c);
    stk_commit(c, &s);
    seg_load_real(c, SEG_CS, sel);
    c->rip = off;
    if (cpu_vm86(c)) {
        const uint32_t mask = FL_ARITH | FL_TF | FL_IF | FL_DF | FL_NT |
                              (osize > 2 ? FL_RF | FL_AC | FL_ID : 0);
        cpu_set_rflags(c, (cpu_rflags(c) & ~(uint64_t)mask) | (flags & mask));
    } else {
        iret_flags(c, flags, osize, 0);
    }
}

/* Return from CPL 0 to virtual-8086 mode: nine words, no checks but the stack's. */
static void iret_to_vm86(struct cpu *c, struct stk *s, uint64_t off, uint16_t cs, uint64_t flags)
{
    static const uint8_t order[] = {SEG_ES, SEG_DS, SEG_FS, SEG_GS};
    uint16_t sel[4];
    const uint64_t sp = stk_pop(c, s, 4);
    const uint16_t ss = (uint16_t)stk_pop(c, s, 4);
    for (unsigned n = 0; n < 4; n++)
        sel[n] = (uint16_t)stk_pop(c, s, 4);
    cpu_set_rflags(c, flags);
    c->cpl = 3;
    for (unsigned n = 0; n < 4; n++)
        seg_load_real(c, order[n], sel[n]);
    seg_load_real(c, SEG_CS, cs);
    seg_load_real(c, SEG_SS, ss);
    c->r[R_SP] = (uint32_t)sp;
    c->rip = off & 0xffff;
    cpu_update_mode(c);
}

static void iret_protected(struct cpu *c, unsigned osize)
{
    const bool from64 = cpu_code64(c);
    struct stk s = stk_current(c);
    struct desc cs, ss;
    const uint64_t off = stk_pop(c, &s, osize);
    const uint16_t sel = (uint16_t)stk_pop(c, &s, osize);
    const uint64_t flags = stk_pop(c, &s, osize);
    const unsigned old_cpl = c->cpl;
    if ((flags & FL_VM) && osize == 4 && old_cpl == 0 && !cpu_long_mode(c)) {
        iret_to_vm86(c, &s, off, sel, flags);
        return;
    }
    return_code(c, sel, &cs);
    const unsigned cpl = sel & 3;
    const bool to64 = cpu_long_mode(c) && (desc_attr(&cs) & SA_L);
    if (cpl == old_cpl && !from64) {
        const uint64_t rip = code_offset_check(c, &cs, off, 0);
        stk_commit(c, &s);
        enter_code(c, sel, &cs, cpl, rip);
    } else {
        const uint64_t sp = stk_pop(c, &s, osize);
        const uint16_t ss_sel = (uint16_t)stk_pop(c, &s, osize);
        return_stack(c, ss_sel, cpl, to64, &ss);
        const uint64_t rip = code_offset_check(c, &cs, off, 0);
        load_return_stack(c, ss_sel, cpl, &ss);
        enter_code(c, sel, &cs, cpl, rip);
        set_return_sp(c, sp);
        if (cpl != old_cpl)
            outer_segs_check(c);
    }
    iret_flags(c, flags, osize, old_cpl);
    cpu_update_mode(c);
}

void seg_iret(struct cpu *c, unsigned osize)
{
    if (is_real_like(c)) {
        iret_real(c, osize);
    } else if (c->eflags & FL_NT) {
        if (cpu_long_mode(c))
            fault_gp(c);
        const uint16_t link = (uint16_t)mmu_ld_sys(c, c->seg[SEG_TR].base, 2);
        task_switch(c, link, TASK_IRET, false, 0, 0);
    } else {
        iret_protected(c, osize);
    }
    if (vmx_iret_unmasks_nmi(c))
        c->nmi_masked = false;
}
