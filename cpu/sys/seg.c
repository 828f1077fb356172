/*
 * Segments: descriptor fetch, loads of data segments, linear addresses with limit and type checks,
 * stacks (SDM 3A 3.4, 5.2-5.8; 3A 6.14 for the 64-bit stack rules).
 *
 * Workload: 64-bit code comes here only for FS/GS loads and non-canonical addresses.
 */
#include "cpu/sys/sys_int.h"

bool desc_fetch(struct cpu *c, uint16_t sel, struct desc *d)
{
    const struct seg *ldt = &c->seg[SEG_LDTR];
    uint64_t base = c->gdtr.base;
    uint32_t limit = c->gdtr.limit;
    if (sel & 4) {
        if (ldt->attr & SA_UNUSABLE)
            return false;
        base = ldt->base;
        limit = ldt->limit;
    }
    if ((sel | 7u) > limit)
        return false;
    d->addr = base + (sel & ~7u);
    if (!cpu_long_mode(c))
        d->addr = (uint32_t)d->addr;
    d->raw = mmu_ld_sys(c, d->addr, 8);
    d->high = 0;
    return true;
}

/* Upper half of a 16-byte system descriptor; the caller has checked the table's limit for it. */
void desc_fetch_high(struct cpu *c, struct desc *d)
{
    d->high = mmu_ld_sys(c, d->addr + 8, 8);
}

void desc_set_accessed(struct cpu *c, struct desc *d)
{
    if (d->raw & 1ull << 40)
        return;
    d->raw |= 1ull << 40;
    mmu_st_sys(c, d->addr + 5, 1, d->raw >> 40 & 0xff);
}

void seg_fill(struct cpu *c, unsigned seg, uint16_t sel, const struct desc *d)
{
    c->seg[seg] = (struct seg){
        .base = desc_base(d), .limit = desc_limit(d), .attr = desc_attr(d), .sel = sel};
}

void seg_null(struct cpu *c, unsigned seg, uint16_t sel)
{
    c->seg[seg] = (struct seg){.attr = SA_UNUSABLE, .sel = sel};
}

void seg_set_cs(struct cpu *c, uint16_t sel, const struct desc *d, unsigned cpl)
{
    seg_fill(c, SEG_CS, (uint16_t)((sel & ~3u) | cpl), d);
    c->cpl = (uint8_t)cpl;
}

void seg_load_real(struct cpu *c, unsigned seg, uint16_t sel)
{
    struct seg *s = &c->seg[seg];
    s->sel = sel;
    s->base = (uint64_t)sel << 4;
    if (cpu_vm86(c)) {
        s->limit = 0xffff;
        s->attr = 0xf3;
    } else {
        s->attr = (s->attr & ~(uint32_t)(SA_UNUSABLE | SA_DPL | SA_TYPE)) | SA_P | SA_S | 3;
        if (seg == SEG_CS)
            s->attr &= ~(uint32_t)SA_L;
    }
    cpu_update_mode(c);
}

/* SDM 2A MOV: rules for SS and for the data segments. */
void seg_check_data(struct cpu *c, unsigned seg, uint16_t sel, const struct desc *d)
{
    const unsigned rpl = sel & 3, dpl = desc_dpl(d), type = desc_type(d);
    if (seg == SEG_SS) {
        if (rpl != c->cpl || dpl != c->cpl || !desc_is_s(d) || (type & SA_CODE) || !(type & SA_RW))
            cpu_fault(c, EXC_GP, sel_err(sel));
        if (!desc_present(d))
            cpu_fault(c, EXC_SS, sel_err(sel));
        return;
    }
    if (!desc_is_s(d) || ((type & SA_CODE) && !(type & SA_RW)))
        cpu_fault(c, EXC_GP, sel_err(sel));
    const bool conforming = (type & SA_CODE) && (type & SA_EXPDN);
    if (!conforming && (rpl > dpl || c->cpl > dpl))
        cpu_fault(c, EXC_GP, sel_err(sel));
    if (!desc_present(d))
        cpu_fault(c, EXC_NP, sel_err(sel));
}

void seg_load(struct cpu *c, unsigned seg, uint16_t sel)
{
    if (cpu_real(c) || cpu_vm86(c)) {
        seg_load_real(c, seg, sel);
        return;
    }
    if (sel_null(sel)) {
        if (seg == SEG_SS && (!cpu_code64(c) || c->cpl == 3 || (sel & 3) != c->cpl))
            fault_gp(c);
        seg_null(c, seg, sel);
        if (seg == SEG_SS)
            c->seg[seg].attr |= (uint32_t)c->cpl << SA_DPL_SHIFT;
    } else {
        struct desc d;
        if (!desc_fetch(c, sel, &d))
            cpu_fault(c, EXC_GP, sel_err(sel));
        seg_check_data(c, seg, sel, &d);
        desc_set_accessed(c, &d);
        seg_fill(c, seg, sel, &d);
    }
    if (seg < SEG_FS)
        cpu_update_mode(c);
}

static bool seg_type_ok(const struct seg *s, int access)
{
    if (s->attr & SA_UNUSABLE)
        return false;
    if (access & ACC_W)
        return (s->attr & (SA_CODE | SA_RW)) == SA_RW;
    return !(s->attr & SA_CODE) || (s->attr & SA_RW);
}

static bool seg_limit_ok(const struct seg *s, uint64_t off, unsigned len)
{
    const uint64_t last = off + len - 1;
    if ((s->attr & (SA_CODE | SA_EXPDN)) == SA_EXPDN && (s->attr & SA_S)) {
        const uint64_t top = s->attr & SA_DB ? 0xffffffffu : 0xffff;
        return off > s->limit && last <= top;
    }
    return last <= s->limit || s->limit == 0xffffffffu; /* 4 GiB segments wrap */
}

uint64_t seg_linear_slow(struct cpu *c, unsigned seg, uint64_t off, unsigned len, int access)
{
    const struct seg *s = &c->seg[seg];
    const int vec = seg == SEG_SS ? EXC_SS : EXC_GP;
    if (cpu_code64(c)) {
        const uint64_t la = seg >= SEG_FS ? s->base + off : off;
        if (!canonical(c, la) || !canonical(c, la + len - 1))
            cpu_fault(c, vec, 0);
        return la;
    }
    if (!cpu_real(c) && !cpu_vm86(c) && !seg_type_ok(s, access))
        cpu_fault(c, vec, 0);
    if (!seg_limit_ok(s, (uint32_t)off, len))
        cpu_fault(c, vec, 0);
    return (uint32_t)(s->base + off);
}

/* ---- stacks ---- */

struct stk stk_current(struct cpu *c)
{
    const struct seg *s = &c->seg[SEG_SS];
    if (cpu_code64(c))
        return (struct stk){.sp = c->r[R_SP], .mask = ~0ull};
    return (struct stk){.base = s->base,
                        .sp = c->r[R_SP],
                        .mask = s->attr & SA_DB ? 0xffffffffu : 0xffff,
                        .limit = s->limit,
                        .attr = s->attr};
}

static uint64_t stk_linear(struct cpu *c, const struct stk *s, uint64_t sp, unsigned size)
{
    if (s->mask == ~0ull) {
        if (!canonical(c, sp) || !canonical(c, sp + size - 1))
            cpu_fault(c, EXC_SS, s->err);
        return sp;
    }
    const struct seg seg = {.limit = s->limit, .attr = s->attr};
    if (!seg_limit_ok(&seg, sp, size))
        cpu_fault(c, EXC_SS, s->err);
    return (uint32_t)(s->base + sp);
}

void stk_push(struct cpu *c, struct stk *s, unsigned size, uint64_t v)
{
    const uint64_t sp = (s->sp - size) & s->mask;
    const uint64_t la = stk_linear(c, s, sp, size);
    if (s->sys)
        mmu_st_sys(c, la, size, v);
    else
        mem_st(c, la, size, v);
    s->sp = (s->sp & ~s->mask) | sp;
}

uint64_t stk_pop(struct cpu *c, struct stk *s, unsigned size)
{
    const uint64_t sp = s->sp & s->mask;
    const uint64_t v = mem_ld(c, stk_linear(c, s, sp, size), size);
    s->sp = (s->sp & ~s->mask) | ((sp + size) & s->mask);
    return v;
}

void stk_commit(struct cpu *c, const struct stk *s)
{
    if (s->mask == 0xffff)
        c->r[R_SP] = (c->r[R_SP] & ~0xffffull) | (s->sp & 0xffff);
    else if (s->mask == 0xffffffffu)
        c->r[R_SP] = (uint32_t)s->sp;
    else
        c->r[R_SP] = s->sp;
}

void stack_push(struct cpu *c, unsigned size, uint64_t v)
{
    struct stk s = stk_current(c);
    stk_push(c, &s, size, v);
    stk_commit(c, &s);
}

uint64_t stack_pop(struct cpu *c, unsigned size)
{
    struct stk s = stk_current(c);
    const uint64_t v = stk_pop(c, &s, size);
    stk_commit(c, &s);
    return v;
}

struct stk stk_inner(struct cpu *c, unsigned cpl, uint32_t ext, uint16_t *ss_sel, struct desc *ss)
{
    const struct seg *tr = &c->seg[SEG_TR];
    const bool wide = (tr->attr & 8) != 0;
    const unsigned off = wide ? 4 + cpl * 8 : 2 + cpl * 4, size = wide ? 4 : 2;
    if ((tr->attr & SA_UNUSABLE) || off + size + 1 > tr->limit)
        cpu_fault(c, EXC_TS, sel_err(tr->sel) | ext);
    const uint64_t sp = mmu_ld_sys(c, tr->base + off, size);
    const uint16_t sel = (uint16_t)mmu_ld_sys(c, tr->base + off + size, 2);
    if (sel_null(sel))
        cpu_fault(c, EXC_TS, ext);
    if (!desc_fetch(c, sel, ss))
        cpu_fault(c, EXC_TS, sel_err(sel) | ext);
    if ((sel & 3) != cpl || desc_dpl(ss) != cpl || !desc_is_s(ss) || desc_is_code(ss) ||
        !(desc_type(ss) & SA_RW))
        cpu_fault(c, EXC_TS, sel_err(sel) | ext);
    if (!desc_present(ss))
        cpu_fault(c, EXC_SS, sel_err(sel) | ext);
    *ss_sel = sel;
    return (struct stk){.base = desc_base(ss),
                        .sp = sp,
                        .mask = desc_attr(ss) & SA_DB ? 0xffffffffu : 0xffff,
                        .limit = desc_limit(ss),
                        .attr = desc_attr(ss),
                        .err = sel_err(sel) | ext,
                        .sys = true};
}

uint64_t tss64_rsp(struct cpu *c, unsigned offset, uint32_t ext)
{
    const struct seg *tr = &c->seg[SEG_TR];
    if (offset + 7 > tr->limit)
        cpu_fault(c, EXC_TS, sel_err(tr->sel) | ext);
    const uint64_t rsp = mmu_ld_sys(c, tr->base + offset, 8);
    if (!canonical(c, rsp))
        cpu_fault(c, EXC_SS, ext);
    return rsp;
}

/* ---- branch targets ---- */

uint64_t seg_branch_target(struct cpu *c, uint64_t rip)
{
    if (cpu_code64(c)) {
        if (!canonical(c, rip))
            fault_gp(c);
        return rip;
    }
    if ((uint32_t)rip > c->seg[SEG_CS].limit)
        fault_gp(c);
    return (uint32_t)rip;
}

/* Target offset in a code segment that is about to be loaded. */
uint64_t code_offset_check(struct cpu *c, const struct desc *cs, uint64_t off, uint32_t err)
{
    if (cpu_long_mode(c) && (desc_attr(cs) & SA_L)) {
        if (!canonical(c, off))
            cpu_fault(c, EXC_GP, err);
        return off;
    }
    if ((uint32_t)off > desc_limit(cs))
        cpu_fault(c, EXC_GP, err);
    return (uint32_t)off;
}

/* The selector becomes null; base and limit stay: 64-bit code goes on using them in FS and GS. */
void outer_segs_check(struct cpu *c)
{
    static const uint8_t data[] = {SEG_ES, SEG_DS, SEG_FS, SEG_GS};
    for (unsigned n = 0; n < 4; n++) {
        struct seg *s = &c->seg[data[n]];
        const unsigned dpl = s->attr >> SA_DPL_SHIFT & 3;
        const bool conforming = (s->attr & (SA_CODE | SA_EXPDN)) == (SA_CODE | SA_EXPDN);
        if (!(s->attr & SA_UNUSABLE) && !conforming && dpl < c->cpl) {
            s->sel = 0;
            s->attr = SA_UNUSABLE;
        }
    }
}
