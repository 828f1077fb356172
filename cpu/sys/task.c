/*
 * Hardware task switch (SDM 3A 7.3): 32-bit and 16-bit TSS, from JMP, CALL, IRET, task gates.
 *
 * Steps 1-10 fault in the old task, later ones in the new task's context; so do we.
 */
#include "cpu/sys/sys_int.h"

struct tss_layout {
    uint8_t cr3, eip, eflags, regs, segs, seg_step, seg_count, ldt, width;
    uint16_t min_limit;
};
static const struct tss_layout tss32 = {28, 32, 36, 40, 72, 4, 6, 96, 4, 103};
static const struct tss_layout tss16 = {0, 14, 16, 18, 34, 2, 4, 42, 2, 43};

struct new_task {
    uint64_t cr3, eip, flags, reg[8];
    uint16_t sel[6], ldt;
};

static void save_old(struct cpu *c, const struct tss_layout *t, uint64_t flags)
{
    const uint64_t base = c->seg[SEG_TR].base;
    mmu_st_sys(c, base + t->eip, t->width, c->rip);
    mmu_st_sys(c, base + t->eflags, t->width, flags);
    for (unsigned n = 0; n < 8; n++)
        mmu_st_sys(c, base + t->regs + n * t->width, t->width, c->r[n]);
    for (unsigned n = 0; n < t->seg_count; n++)
        mmu_st_sys(c, base + t->segs + n * t->seg_step, 2, c->seg[n].sel);
}

static void read_new(struct cpu *c, const struct tss_layout *t, uint64_t base, struct new_task *nt)
{
    *nt = (struct new_task){.eip = mmu_ld_sys(c, base + t->eip, t->width),
                            .flags = mmu_ld_sys(c, base + t->eflags, t->width),
                            .ldt = (uint16_t)mmu_ld_sys(c, base + t->ldt, 2)};
    if (t->cr3)
        nt->cr3 = mmu_ld_sys(c, base + t->cr3, 4);
    for (unsigned n = 0; n < 8; n++)
        nt->reg[n] = mmu_ld_sys(c, base + t->regs + n * t->width, t->width);
    for (unsigned n = 0; n < t->seg_count; n++)
        nt->sel[n] = (uint16_t)mmu_ld_sys(c, base + t->segs + n * t->seg_step, 2);
}

static void set_busy(struct cpu *c, uint16_t sel, bool busy)
{
    const uint64_t at = c->gdtr.base + (sel & ~7u) + 5;
    const uint64_t b = mmu_ld_sys(c, at, 1);
    mmu_st_sys(c, at, 1, busy ? b | 2 : b & ~2ull);
}

static void load_ldt(struct cpu *c, uint16_t sel)
{
    struct desc d;
    seg_null(c, SEG_LDTR, sel);
    if (sel_null(sel))
        return;
    if ((sel & 4) || !desc_fetch(c, sel, &d) || desc_is_s(&d) || desc_type(&d) != ST_LDT ||
        !desc_present(&d))
        cpu_fault(c, EXC_TS, sel_err(sel));
    seg_fill(c, SEG_LDTR, sel, &d);
}

static void load_code_and_stack(struct cpu *c, const struct new_task *nt)
{
    struct desc d;
    const uint16_t cs = nt->sel[SEG_CS], ss = nt->sel[SEG_SS];
    const unsigned cpl = cs & 3;
    c->cpl = (uint8_t)cpl;
    if (sel_null(ss) || !desc_fetch(c, ss, &d) || !desc_is_s(&d) || desc_is_code(&d) ||
        !(desc_type(&d) & SA_RW) || desc_dpl(&d) != cpl || (ss & 3u) != cpl)
        cpu_fault(c, EXC_TS, sel_err(ss));
    if (!desc_present(&d))
        cpu_fault(c, EXC_SS, sel_err(ss));
    desc_set_accessed(c, &d);
    seg_fill(c, SEG_SS, ss, &d);
    if (sel_null(cs) || !desc_fetch(c, cs, &d) || !desc_is_code(&d) ||
        (desc_conforming(&d) ? desc_dpl(&d) > cpl : desc_dpl(&d) != cpl))
        cpu_fault(c, EXC_TS, sel_err(cs));
    if (!desc_present(&d))
        cpu_fault(c, EXC_NP, sel_err(cs));
    desc_set_accessed(c, &d);
    seg_set_cs(c, cs, &d, cpl);
}

static void load_data(struct cpu *c, unsigned seg, uint16_t sel)
{
    struct desc d;
    seg_null(c, seg, sel);
    if (sel_null(sel))
        return;
    if (!desc_fetch(c, sel, &d))
        cpu_fault(c, EXC_TS, sel_err(sel));
    const unsigned type = desc_type(&d), dpl = desc_dpl(&d);
    const bool conforming = (type & SA_CODE) && (type & SA_EXPDN);
    if (!desc_is_s(&d) || ((type & SA_CODE) && !(type & SA_RW)) ||
        (!conforming && ((sel & 3u) > dpl || c->cpl > dpl)))
        cpu_fault(c, EXC_TS, sel_err(sel));
    if (!desc_present(&d))
        cpu_fault(c, EXC_NP, sel_err(sel));
    desc_set_accessed(c, &d);
    seg_fill(c, seg, sel, &d);
}

static void load_segments(struct cpu *c, const struct new_task *nt)
{
    load_ldt(c, nt->ldt);
    if (c->eflags & FL_VM) {
        c->cpl = 3;
        for (unsigned n = 0; n < 6; n++)
            seg_load_real(c, n, nt->sel[n]);
        return;
    }
    load_code_and_stack(c, nt);
    load_data(c, SEG_ES, nt->sel[SEG_ES]);
    load_data(c, SEG_DS, nt->sel[SEG_DS]);
    load_data(c, SEG_FS, nt->sel[SEG_FS]);
    load_data(c, SEG_GS, nt->sel[SEG_GS]);
}

static const struct tss_layout *check_new(struct cpu *c, uint16_t sel, enum task_source src,
                                          uint32_t ext, struct desc *d)
{
    const int vec = src == TASK_IRET ? EXC_TS : EXC_GP;
    if (sel_null(sel) || (sel & 4) || !desc_fetch(c, sel, d))
        cpu_fault(c, vec, sel_err(sel) | ext);
    const unsigned type = desc_type(d), want_busy = src == TASK_IRET ? 2 : 0;
    if (desc_is_s(d) || (type & 5) != 1 || (type & 2) != want_busy)
        cpu_fault(c, vec, sel_err(sel) | ext);
    if (!desc_present(d))
        cpu_fault(c, EXC_NP, sel_err(sel) | ext);
    const struct tss_layout *t = type & 8 ? &tss32 : &tss16;
    if (desc_limit(d) < t->min_limit)
        cpu_fault(c, EXC_TS, sel_err(sel) | ext);
    return t;
}

void task_switch(struct cpu *c, uint16_t sel, enum task_source src, bool has_err, uint32_t err,
                 uint32_t ext)
{
    struct desc d;
    struct new_task nt;
    const struct tss_layout *t = check_new(c, sel, src, ext, &d);
    const struct tss_layout *old = c->seg[SEG_TR].attr & 8 ? &tss32 : &tss16;
    const uint16_t old_sel = c->seg[SEG_TR].sel;
    const uint64_t base = desc_base(&d);
    if (c->non_root)
        vmx_exit_task_switch(c, sel, src);
    uint64_t flags = cpu_rflags(c);
    if (src == TASK_IRET)
        flags &= ~(uint64_t)FL_NT;
    read_new(c, t, base, &nt);
    save_old(c, old, flags);
    if (src == TASK_JMP || src == TASK_IRET)
        set_busy(c, old_sel, false);
    if (src == TASK_CALL || src == TASK_GATE) {
        mmu_st_sys(c, base, 2, old_sel);
        nt.flags |= FL_NT;
    }
    if (src != TASK_IRET)
        set_busy(c, sel, true);
    /* committed: what follows happens in the new task */
    seg_fill(c, SEG_TR, sel, &d);
    c->seg[SEG_TR].attr |= 2;
    cr0_set(c, c->cr0 | CR0_TS);
    if (t->cr3 && (c->cr0 & CR0_PG)) {
        c->cr3 = nt.cr3;
        if ((c->cr4 & CR4_PAE) && !mmu_load_pdptes(c, c->cr3, c->pdpte))
            cpu_fault(c, EXC_TS, sel_err(sel));
        mmu_cr3_written(c, false);
    }
    for (unsigned n = 0; n < 8; n++)
        c->r[n] = t->width == 4 ? (uint32_t)nt.reg[n] : (c->r[n] & 0xffff0000u) | nt.reg[n];
    if (t->width == 2)
        nt.flags |= c->eflags & 0xffff0000u & ~(uint32_t)FL_VM;
    cpu_set_rflags(c, nt.flags);
    c->rip = (uint32_t)nt.eip;
    c->in_insn = false; /* faults from here on belong to the new task's first instruction */
    c->dr[7] &= ~0x155ull;
    load_segments(c, &nt);
    cpu_update_mode(c);
    if (c->rip > c->seg[SEG_CS].limit)
        fault_gp(c);
    if (has_err)
        stack_push(c, t->width, err);
    if (t->width == 4 && (mmu_ld_sys(c, base + 100, 2) & 1))
        event_debug_trap(c, DR6_BT);
}
