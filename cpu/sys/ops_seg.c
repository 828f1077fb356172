/*
 * Instructions that load, store and inspect segment registers; far transfers; descriptor-table
 * registers (SDM 2A-2B).
 */
#include "cpu/sys/sys_int.h"

static uint16_t read_word(struct cpu *c, const struct insn *i)
{
    if (i->flags & INSN_MEM)
        return mem_ld16(c, insn_la(c, i, 2, ACC_R));
    return (uint16_t)c->r[i->s];
}

/* Store of a selector or machine status word: 16 bits to memory, operand size to a register. */
static void write_word(struct cpu *c, const struct insn *i, uint64_t v)
{
    if (i->flags & INSN_MEM)
        mem_st16(c, insn_la(c, i, 2, ACC_W), (uint16_t)v);
    else
        reg_set(c, i->s, i->osize, v);
}

static void set_zf(struct cpu *c, bool zf)
{
    const uint32_t fl = lf_flags(c->lf_res, c->lf_aux) & ~(uint32_t)FL_ZF;
    lf_from_flags(fl | (zf ? FL_ZF : 0), &c->lf_res, &c->lf_aux);
}

static void need_protected(struct cpu *c)
{
    if (cpu_real(c) || cpu_vm86(c))
        fault_ud(c);
}

/* ---- moves ---- */

void op_mov_es(struct cpu *c, const struct insn *i)
{
    if (i->d > SEG_GS)
        fault_ud(c);
    write_word(c, i, c->seg[i->d].sel);
}

void op_mov_se(struct cpu *c, const struct insn *i)
{
    if (i->d > SEG_GS || i->d == SEG_CS)
        fault_ud(c);
    seg_load(c, i->d, read_word(c, i));
    if (i->d == SEG_SS)
        c->shadow = SHADOW_MOVSS;
}

/* The whole slot is written, zero-extended (SDM 2B PUSH allows either). */
static void push_seg(struct cpu *c, const struct insn *i, unsigned seg)
{
    stack_push(c, i->osize, c->seg[seg].sel);
}

static void pop_seg(struct cpu *c, const struct insn *i, unsigned seg)
{
    struct stk s = stk_current(c);
    const uint16_t sel = (uint16_t)stk_pop(c, &s, i->osize);
    seg_load(c, seg, sel);
    stk_commit(c, &s); /* with the stack size before POP SS */
    if (seg == SEG_SS)
        c->shadow = SHADOW_MOVSS;
}

static void load_far(struct cpu *c, const struct insn *i, unsigned seg)
{
    const uint64_t la = insn_la(c, i, i->osize + 2u, ACC_R);
    const uint64_t off = mem_ld(c, la, i->osize);
    const uint16_t sel = mem_ld16(c, la + i->osize);
    seg_load(c, seg, sel);
    reg_set(c, i->d, i->osize, off);
}

#define SEG_OP(name, what, seg)                         \
    void op_##name(struct cpu *c, const struct insn *i) \
    {                                                   \
        what(c, i, seg);                                \
    }
SEG_OP(push_es, push_seg, SEG_ES)
SEG_OP(push_cs, push_seg, SEG_CS)
SEG_OP(push_ss, push_seg, SEG_SS)
SEG_OP(push_ds, push_seg, SEG_DS)
SEG_OP(push_fs, push_seg, SEG_FS)
SEG_OP(push_gs, push_seg, SEG_GS)
SEG_OP(pop_es, pop_seg, SEG_ES)
SEG_OP(pop_ss, pop_seg, SEG_SS)
SEG_OP(pop_ds, pop_seg, SEG_DS)
SEG_OP(pop_fs, pop_seg, SEG_FS)
SEG_OP(pop_gs, pop_seg, SEG_GS)
SEG_OP(les, load_far, SEG_ES)
SEG_OP(lds, load_far, SEG_DS)
SEG_OP(lss, load_far, SEG_SS)
SEG_OP(lfs, load_far, SEG_FS)
SEG_OP(lgs, load_far, SEG_GS)

/* ---- inspection ---- */

void op_arpl(struct cpu *c, const struct insn *i)
{
    need_protected(c);
    const uint16_t src = (uint16_t)c->r[i->d];
    uint64_t la = 0;
    uint16_t dst;
    if (i->flags & INSN_MEM) {
        la = insn_la(c, i, 2, ACC_W);
        dst = mem_ld16(c, la);
    } else {
        dst = (uint16_t)c->r[i->s];
    }
    const bool raise = (dst & 3) < (src & 3);
    if (raise)
        dst = (uint16_t)((dst & ~3u) | (src & 3));
    if (i->flags & INSN_MEM)
        mem_st16(c, la, dst);
    else
        reg_set(c, i->s, 2, dst);
    set_zf(c, raise);
}

/* Visible at this privilege and of a type that LAR (or LSL) accepts. */
static bool inspectable(struct cpu *c, uint16_t sel, bool lsl, struct desc *d)
{
    static const uint16_t lar_legacy = 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 9 |
                                       1 << 11 | 1 << 12;
    static const uint16_t lsl_legacy = 1 << 1 | 1 << 2 | 1 << 3 | 1 << 9 | 1 << 11;
    static const uint16_t lar_long = 1 << 2 | 1 << 9 | 1 << 11 | 1 << 12;
    static const uint16_t lsl_long = 1 << 2 | 1 << 9 | 1 << 11;
    if (sel_null(sel) || !desc_fetch(c, sel, d))
        return false;
    if (!desc_is_s(d)) {
        const uint16_t set = cpu_long_mode(c) ? (lsl ? lsl_long : lar_long)
                                              : (lsl ? lsl_legacy : lar_legacy);
        if (!(set >> desc_type(d) & 1))
            return false;
    } else if (desc_is_code(d) && desc_conforming(d)) {
        return true;
    }
    return desc_dpl(d) >= c->cpl && desc_dpl(d) >= (sel & 3u);
}

void op_lar(struct cpu *c, const struct insn *i)
{
    struct desc d;
    need_protected(c);
    const bool ok = inspectable(c, read_word(c, i), false, &d);
    if (ok)
        reg_set(c, i->d, i->osize, d.raw >> 32 & 0x00ffff00);
    set_zf(c, ok);
}

void op_lsl(struct cpu *c, const struct insn *i)
{
    struct desc d;
    need_protected(c);
    const bool ok = inspectable(c, read_word(c, i), true, &d);
    if (ok)
        reg_set(c, i->d, i->osize, desc_limit(&d));
    set_zf(c, ok);
}

static void verify(struct cpu *c, const struct insn *i, bool write)
{
    struct desc d;
    need_protected(c);
    const uint16_t sel = read_word(c, i);
    bool ok = !sel_null(sel) && desc_fetch(c, sel, &d) && desc_is_s(&d);
    if (ok) {
        const unsigned type = desc_type(&d);
        const bool conforming = (type & SA_CODE) && (type & SA_EXPDN);
        if (write)
            ok = !(type & SA_CODE) && (type & SA_RW);
        else
            ok = !(type & SA_CODE) || (type & SA_RW);
        if (!conforming && (desc_dpl(&d) < c->cpl || desc_dpl(&d) < (sel & 3u)))
            ok = false;
    }
    set_zf(c, ok);
}

void op_verr(struct cpu *c, const struct insn *i)
{
    verify(c, i, false);
}

void op_verw(struct cpu *c, const struct insn *i)
{
    verify(c, i, true);
}

/* ---- far transfers ---- */

void op_callf_ap(struct cpu *c, const struct insn *i)
{
    seg_far_call(c, (uint16_t)(i->imm64 >> 32), (uint32_t)i->imm64, i->osize, next_rip(c, i));
}

void op_jmpf_ap(struct cpu *c, const struct insn *i)
{
    seg_far_jump(c, (uint16_t)(i->imm64 >> 32), (uint32_t)i->imm64, i->osize);
}

void op_callf_m(struct cpu *c, const struct insn *i)
{
    const uint64_t la = insn_la(c, i, i->osize + 2u, ACC_R);
    const uint64_t off = mem_ld(c, la, i->osize);
    seg_far_call(c, mem_ld16(c, la + i->osize), off, i->osize, next_rip(c, i));
}

void op_jmpf_m(struct cpu *c, const struct insn *i)
{
    const uint64_t la = insn_la(c, i, i->osize + 2u, ACC_R);
    const uint64_t off = mem_ld(c, la, i->osize);
    seg_far_jump(c, mem_ld16(c, la + i->osize), off, i->osize);
}

void op_retf_i(struct cpu *c, const struct insn *i)
{
    seg_far_ret(c, i->osize, (uint16_t)i->imm);
}

void op_retf(struct cpu *c, const struct insn *i)
{
    seg_far_ret(c, i->osize, 0);
}

void op_iret(struct cpu *c, const struct insn *i)
{
    seg_iret(c, i->osize);
}

/* ---- descriptor-table registers ---- */

static void desc_intercept(struct cpu *c, const struct insn *i, enum vmx_desc_insn which)
{
    if (c->non_root)
        vmx_intercept_desc(c, i, which);
}

/* SGDT, SIDT, SLDT, SMSW, STR: #GP for user code that may not look (SDM 3A 2.5, CR4.UMIP). */
static void umip_check(struct cpu *c)
{
    if ((c->cr4 & CR4_UMIP) && c->cpl)
        fault_gp(c);
}

void op_sldt(struct cpu *c, const struct insn *i)
{
    need_protected(c);
    umip_check(c);
    desc_intercept(c, i, VMX_SLDT);
    write_word(c, i, c->seg[SEG_LDTR].sel);
}

void op_str(struct cpu *c, const struct insn *i)
{
    need_protected(c);
    umip_check(c);
    desc_intercept(c, i, VMX_STR);
    write_word(c, i, c->seg[SEG_TR].sel);
}

/* The second half of a 16-byte LDT or TSS descriptor: inside the GDT, type bits 0. */
static void fetch_wide(struct cpu *c, uint16_t sel, struct desc *d)
{
    if ((sel & ~7u) + 15 > c->gdtr.limit)
        cpu_fault(c, EXC_GP, sel_err(sel));
    desc_fetch_high(c, d);
    if (d->high >> 40 & 0x1f)
        cpu_fault(c, EXC_GP, sel_err(sel));
}

static void fill_system(struct cpu *c, unsigned seg, uint16_t sel, const struct desc *d)
{
    const uint64_t base = desc_base(d) | (d->high & 0xffffffff) << 32;
    if (cpu_long_mode(c) && !canonical_base(c, base))
        fault_gp(c);
    seg_fill(c, seg, sel, d);
    c->seg[seg].base = base;
}

void op_lldt(struct cpu *c, const struct insn *i)
{
    struct desc d;
    need_protected(c);
    need_cpl0(c);
    desc_intercept(c, i, VMX_LLDT);
    const uint16_t sel = read_word(c, i);
    if (sel_null(sel)) {
        seg_null(c, SEG_LDTR, sel);
        return;
    }
    if ((sel & 4) || !desc_fetch(c, sel, &d) || desc_is_s(&d) || desc_type(&d) != ST_LDT)
        cpu_fault(c, EXC_GP, sel_err(sel));
    if (!desc_present(&d))
        cpu_fault(c, EXC_NP, sel_err(sel));
    if (cpu_long_mode(c))
        fetch_wide(c, sel, &d);
    fill_system(c, SEG_LDTR, sel, &d);
}

void op_ltr(struct cpu *c, const struct insn *i)
{
    struct desc d;
    need_protected(c);
    need_cpl0(c);
    desc_intercept(c, i, VMX_LTR);
    const uint16_t sel = read_word(c, i);
    if (sel_null(sel))
        fault_gp(c);
    if ((sel & 4) || !desc_fetch(c, sel, &d) || desc_is_s(&d) ||
        (desc_type(&d) != ST_TSS_AVAIL && (cpu_long_mode(c) || desc_type(&d) != ST_TSS16_AVAIL)))
        cpu_fault(c, EXC_GP, sel_err(sel));
    if (!desc_present(&d))
        cpu_fault(c, EXC_NP, sel_err(sel));
    if (cpu_long_mode(c))
        fetch_wide(c, sel, &d);
    d.raw |= 2ull << 40; /* busy */
    mmu_st_sys(c, d.addr + 5, 1, d.raw >> 40 & 0xff);
    fill_system(c, SEG_TR, sel, &d);
}

static void store_dt(struct cpu *c, const struct insn *i, const struct dtable *t)
{
    const unsigned size = cpu_code64(c) ? 8 : 4;
    uint8_t image[10];
    memcpy(image, &t->limit, 2);
    memcpy(image + 2, &t->base, size);
    mmu_st_bytes(c, insn_la(c, i, size + 2, ACC_W), image, size + 2);
}

static void load_dt(struct cpu *c, const struct insn *i, struct dtable *t)
{
    const unsigned size = cpu_code64(c) ? 8 : 4;
    const uint64_t la = insn_la(c, i, size + 2, ACC_R);
    const uint16_t limit = mem_ld16(c, la);
    uint64_t base = mem_ld(c, la + 2, size);
    if (size == 4 && i->osize == 2)
        base &= 0xffffff;
    if (size == 8 && !canonical_base(c, base))
        fault_gp(c);
    *t = (struct dtable){.base = base, .limit = limit};
}

void op_sgdt(struct cpu *c, const struct insn *i)
{
    umip_check(c);
    desc_intercept(c, i, VMX_SGDT);
    store_dt(c, i, &c->gdtr);
}

void op_sidt(struct cpu *c, const struct insn *i)
{
    umip_check(c);
    desc_intercept(c, i, VMX_SIDT);
    store_dt(c, i, &c->idtr);
}

void op_lgdt(struct cpu *c, const struct insn *i)
{
    need_cpl0(c);
    desc_intercept(c, i, VMX_LGDT);
    load_dt(c, i, &c->gdtr);
}

void op_lidt(struct cpu *c, const struct insn *i)
{
    need_cpl0(c);
    desc_intercept(c, i, VMX_LIDT);
    load_dt(c, i, &c->idtr);
}

/* ---- machine status word ---- */

void op_smsw(struct cpu *c, const struct insn *i)
{
    umip_check(c);
    write_word(c, i, c->non_root ? vmx_guest_cr0(c) : c->cr0);
}

void op_lmsw(struct cpu *c, const struct insn *i)
{
    need_cpl0(c);
    const bool mem = i->flags & INSN_MEM;
    const uint64_t la = mem ? insn_la(c, i, 2, ACC_R) : 0;
    const uint16_t src = mem ? mem_ld16(c, la) : (uint16_t)c->r[i->s];
    uint64_t v = (c->cr0 & ~(uint64_t)(CR0_MP | CR0_EM | CR0_TS)) | (src & 0xf); /* PE: set only */
    if (c->non_root)
        v = vmx_lmsw(c, src, mem, la);
    cr_write(c, 0, v);
}
