/*
 * Generic moves, stack, flags and near branches (SDM 2A-2B). Branch rows end blocks: c->rip holds
 * the next instruction's address when they start.
 */
#include "cpu/interp/ops.h"

void op_mov_eg(struct cpu *c, const struct insn *i)
{
    rm_store(c, i, i->osize, reg_get(c, i->d, i->osize));
}

void op_mov_ge(struct cpu *c, const struct insn *i)
{
    reg_set(c, i->d, i->osize, rm_value(c, i, i->osize));
}

void op_mov_ei(struct cpu *c, const struct insn *i)
{
    rm_store(c, i, i->osize, (uint64_t)(int64_t)i->imm);
}

void op_mov_ri(struct cpu *c, const struct insn *i)
{
    reg_set(c, i->d, i->osize, (uint64_t)(int64_t)i->imm);
}

void op_mov_ri64(struct cpu *c, const struct insn *i)
{
    reg_set(c, i->d, i->osize, i->imm64);
}

void op_mov_ao(struct cpu *c, const struct insn *i)
{
    const uint64_t la = seg_linear(c, i->seg, i->imm64, i->osize, ACC_R);
    reg_set(c, R_AX, i->osize, mem_ld(c, la, i->osize));
}

void op_mov_oa(struct cpu *c, const struct insn *i)
{
    const uint64_t la = seg_linear(c, i->seg, i->imm64, i->osize, ACC_W);
    mem_st(c, la, i->osize, c->r[R_AX]);
}

void op_movzx8(struct cpu *c, const struct insn *i)
{
    reg_set(c, i->d, i->osize, rm_value(c, i, 1));
}

void op_movzx16(struct cpu *c, const struct insn *i)
{
    reg_set(c, i->d, i->osize, rm_value(c, i, 2));
}

void op_movsx8(struct cpu *c, const struct insn *i)
{
    reg_set(c, i->d, i->osize, alu_sext(rm_value(c, i, 1), 1));
}

void op_movsx16(struct cpu *c, const struct insn *i)
{
    reg_set(c, i->d, i->osize, alu_sext(rm_value(c, i, 2), 2));
}

void op_movsxd(struct cpu *c, const struct insn *i)
{
    reg_set(c, i->d, i->osize, i->osize == 2 ? rm_value(c, i, 2) : alu_sext(rm_value(c, i, 4), 4));
}

void op_xchg_ra(struct cpu *c, const struct insn *i)
{
    if (i->d == R_AX)
        return; /* NOP: does not clear the upper half */
    const uint64_t a = reg_get(c, R_AX, i->osize);
    reg_set(c, R_AX, i->osize, reg_get(c, i->d, i->osize));
    reg_set(c, i->d, i->osize, a);
}

void op_xchg_eg(struct cpu *c, const struct insn *i)
{
    const struct rm m = rm_open(c, i, i->osize, true);
    const uint64_t old = rm_get(c, &m), g = reg_get(c, i->d, i->osize);
    rm_put(c, &m, g);
    reg_set(c, i->d, i->osize, old);
}

void op_lea(struct cpu *c, const struct insn *i)
{
    reg_set(c, i->d, i->osize, insn_ea(c, i));
}

void op_cbw(struct cpu *c, const struct insn *i)
{
    reg_set(c, R_AX, i->osize, alu_sext(c->r[R_AX], i->osize / 2));
}

void op_cwd(struct cpu *c, const struct insn *i)
{
    reg_set(c, R_DX, i->osize, (uint64_t)((int64_t)alu_sext(c->r[R_AX], i->osize) >> 63));
}

void op_cmov(struct cpu *c, const struct insn *i)
{
    const uint64_t v = rm_value(c, i, i->osize); /* read, and may fault, in any case */
    const bool take = lf_cond(i->aux, c->lf_res, c->lf_aux);
    if (take || i->osize == 4)
        reg_set(c, i->d, i->osize, take ? v : c->r[i->d]);
}

void op_setcc(struct cpu *c, const struct insn *i)
{
    rm_store(c, i, 1, lf_cond(i->aux, c->lf_res, c->lf_aux));
}

void op_movnti(struct cpu *c, const struct insn *i)
{
    rm_store(c, i, i->osize, c->r[i->d]);
}

void op_movbe_ld(struct cpu *c, const struct insn *i)
{
    reg_set(c, i->d, i->osize, alu_bswap(rm_value(c, i, i->osize), i->osize));
}

void op_movbe_st(struct cpu *c, const struct insn *i)
{
    rm_store(c, i, i->osize, alu_bswap(c->r[i->d], i->osize));
}

void op_bswap_r(struct cpu *c, const struct insn *i)
{
    /* 16-bit form: undefined in the SDM; processors give 0 */
    reg_set(c, i->d, i->osize, i->osize == 2 ? 0 : alu_bswap(c->r[i->d], i->osize));
}

void op_xlat(struct cpu *c, const struct insn *i)
{
    const uint64_t ea = ea_wrap(i, c->r[R_BX] + (c->r[R_AX] & 0xff));
    reg_set(c, R_AX, 1, mem_ld8(c, seg_linear(c, i->seg, ea, 1, ACC_R)));
}

void op_nop(struct cpu *c, const struct insn *i)
{
    (void)c, (void)i;
}

void op_ud(struct cpu *c, const struct insn *i)
{
    (void)i;
    cpu_fault_noerr(c, EXC_UD);
}

void op_bound(struct cpu *c, const struct insn *i)
{
    const unsigned size = i->osize;
    const uint64_t la = insn_la(c, i, 2 * size, ACC_R);
    const int64_t low = (int64_t)alu_sext(mem_ld(c, la, size), size);
    const int64_t high = (int64_t)alu_sext(mem_ld(c, la + size, size), size);
    const int64_t v = (int64_t)alu_sext(c->r[i->d], size);
    if (v < low || v > high)
        cpu_fault_noerr(c, EXC_BR);
}

/* ---- stack ---- */
void op_push_r(struct cpu *c, const struct insn *i)
{
    stack_push(c, i->osize, reg_get(c, i->d, i->osize));
}

void op_push_i(struct cpu *c, const struct insn *i)
{
    stack_push(c, i->osize, (uint64_t)(int64_t)i->imm);
}

void op_push_e(struct cpu *c, const struct insn *i)
{
    stack_push(c, i->osize, rm_value(c, i, i->osize));
}

void op_pop_r(struct cpu *c, const struct insn *i)
{
    const uint64_t v = stack_pop(c, i->osize);
    reg_set(c, i->d, i->osize, v);
}

/* An address based on rSP uses its value after the pop. */
void op_pop_e(struct cpu *c, const struct insn *i)
{
    const uint64_t sp = c->r[R_SP];
    const uint64_t v = stack_pop(c, i->osize);
    if (!(i->flags & INSN_MEM)) {
        reg_set(c, i->s, i->osize, v);
        return;
    }
    const uint64_t ea = insn_ea(c, i), sp_after = c->r[R_SP];
    c->r[R_SP] = sp; /* in case the store faults */
    mem_st(c, seg_linear(c, i->seg, ea, i->osize, ACC_W), i->osize, v);
    c->r[R_SP] = sp_after;
}

void op_pusha(struct cpu *c, const struct insn *i)
{
    const uint64_t sp = c->r[R_SP];
    const unsigned size = i->osize;
    const uint64_t mask = c->seg[SEG_SS].attr & SA_DB ? 0xffffffffu : 0xffff;
    /* nothing may be stored when the last push would fault */
    for (unsigned n = 8; n > 0; n--)
        mmu_probe(c, seg_linear(c, SEG_SS, (sp - n * size) & mask, size, ACC_W), size, ACC_W);
    for (unsigned n = 0; n < 8; n++)
        stack_push(c, size, n == R_SP ? sp : c->r[n]);
}

void op_popa(struct cpu *c, const struct insn *i)
{
    const uint64_t sp = c->r[R_SP];
    const unsigned size = i->osize;
    const uint64_t mask = c->seg[SEG_SS].attr & SA_DB ? 0xffffffffu : 0xffff;
    uint64_t v[8];
    for (unsigned n = 0; n < 8; n++)
        v[7 - n] = mem_ld(c, seg_linear(c, SEG_SS, (sp + n * size) & mask, size, ACC_R), size);
    for (unsigned n = 0; n < 8; n++) {
        if (n != R_SP)
            reg_set(c, n, size, v[n]);
    }
    const uint64_t after = (sp + 8 * size) & mask;
    c->r[R_SP] = mask == 0xffff ? (sp & ~mask) | after : after;
}

static uint64_t stack_mask(const struct cpu *c)
{
    return cpu_code64(c) ? ~0ull : c->seg[SEG_SS].attr & SA_DB ? 0xffffffffu : 0xffff;
}

static void set_sp(struct cpu *c, uint64_t sp)
{
    reg_set(c, R_SP, cpu_code64(c) ? 8 : c->seg[SEG_SS].attr & SA_DB ? 4 : 2, sp);
}

void op_enter(struct cpu *c, const struct insn *i)
{
    const unsigned size = i->osize, alloc = (uint16_t)i->imm, level = i->imm >> 16 & 31;
    const uint64_t mask = stack_mask(c), sp0 = c->r[R_SP];
    const uint64_t frame = (sp0 - size) & mask;
    uint64_t bp = c->r[R_BP];
    for (unsigned n = 1; n < level; n++) /* only for the faults: the pushes may overlap the links */
        (void)mem_ld(c, seg_linear(c, SEG_SS, (bp - n * size) & mask, size, ACC_R), size);
    const unsigned pushes = 1 + (level > 0 ? level : 0);
    const uint64_t end = (sp0 - pushes * size - alloc) & mask;
    for (unsigned n = pushes; n > 0; n--)
        mmu_probe(c, seg_linear(c, SEG_SS, (sp0 - n * size) & mask, size, ACC_W), size, ACC_W);
    /* the SDM asks for a write check of the new top of the stack */
    mmu_probe(c, seg_linear(c, SEG_SS, end, size, ACC_W), size, ACC_W);
    stack_push(c, size, reg_get(c, R_BP, size));
    for (unsigned n = 1; n < level; n++) {
        bp -= size;
        stack_push(c, size, mem_ld(c, seg_linear(c, SEG_SS, bp & mask, size, ACC_R), size));
    }
    if (level > 0)
        stack_push(c, size, frame);
    reg_set(c, R_BP, size, frame);
    set_sp(c, end);
}

void op_leave(struct cpu *c, const struct insn *i)
{
    const uint64_t mask = stack_mask(c), bp = c->r[R_BP] & mask;
    const uint64_t v = mem_ld(c, seg_linear(c, SEG_SS, bp, i->osize, ACC_R), i->osize);
    set_sp(c, bp + i->osize);
    reg_set(c, R_BP, i->osize, v);
}

static unsigned iopl(const struct cpu *c)
{
    return c->eflags >> FL_IOPL_SHIFT & 3;
}

void op_pushf(struct cpu *c, const struct insn *i)
{
    if (cpu_vm86(c) && iopl(c) < 3)
        cpu_fault(c, EXC_GP, 0);
    stack_push(c, i->osize, cpu_rflags(c) & ~(uint64_t)(FL_VM | FL_RF));
}

void op_popf(struct cpu *c, const struct insn *i)
{
    if (cpu_vm86(c) && iopl(c) < 3)
        cpu_fault(c, EXC_GP, 0);
    uint32_t may = FL_ARITH | FL_TF | FL_DF | FL_NT;
    if (i->osize > 2)
        may |= FL_AC | FL_ID | FL_RF;
    if (c->cpl == 0)
        may |= FL_IOPL | FL_IF;
    else if (c->cpl <= iopl(c))
        may |= FL_IF;
    const uint32_t v = (uint32_t)stack_pop(c, i->osize) & ~FL_RF; /* RF always becomes 0 */
    cpu_set_rflags(c, (cpu_rflags(c) & ~(uint64_t)may) | (v & may));
}

/* ---- flags ---- */
void op_sahf(struct cpu *c, const struct insn *i)
{
    (void)i;
    struct lf f = lf_load(c);
    const uint32_t ah = c->r[R_AX] >> 8 & (FL_SF | FL_ZF | FL_AF | FL_PF | FL_CF);
    lf_from_flags((lf_flags(f.res, f.aux) & FL_OF) | ah, &f.res, &f.aux);
    lf_save(c, f);
}

void op_lahf(struct cpu *c, const struct insn *i)
{
    (void)i;
    const uint32_t fl = (lf_flags(c->lf_res, c->lf_aux) & ~(uint32_t)FL_OF) | FL_FIXED1;
    reg_set(c, R_AX, 2, (c->r[R_AX] & 0xff) | (fl & 0xff) << 8);
}

static void put_cf(struct cpu *c, bool cf)
{
    struct lf f = lf_load(c);
    lf_put_cf(&f, cf);
    lf_save(c, f);
}

void op_cmc(struct cpu *c, const struct insn *i)
{
    (void)i;
    put_cf(c, !lf_cf(c->lf_aux));
}

void op_clc(struct cpu *c, const struct insn *i)
{
    (void)i;
    put_cf(c, false);
}

void op_stc(struct cpu *c, const struct insn *i)
{
    (void)i;
    put_cf(c, true);
}

void op_cld(struct cpu *c, const struct insn *i)
{
    (void)i;
    c->eflags &= ~(uint32_t)FL_DF;
}

void op_std(struct cpu *c, const struct insn *i)
{
    (void)i;
    c->eflags |= FL_DF;
}

/* ---- decimal adjust ---- */
static void bcd_flags(struct cpu *c, uint8_t al, bool cf, bool af)
{
    struct lf f;
    f.res = alu_sext(al, 1);
    f.aux = (cf ? LF_CF | LF_PO : 0) | (af ? LF_AF : 0); /* OF = 0 */
    lf_save(c, f);
}

static void decimal_adjust(struct cpu *c, int sign)
{
    const uint8_t old = (uint8_t)c->r[R_AX];
    const bool old_cf = lf_cf(c->lf_aux);
    uint8_t al = old;
    bool cf = false, af = false;
    if ((old & 15) > 9 || lf_af(c->lf_aux)) {
        cf = old_cf || (sign > 0 ? al > 0xff - 6 : al < 6);
        al = (uint8_t)(al + sign * 6);
        af = true;
    }
    if (old > 0x99 || old_cf) {
        al = (uint8_t)(al + sign * 0x60);
        cf = true;
    }
    reg_set(c, R_AX, 1, al);
    bcd_flags(c, al, cf, af);
}

void op_daa(struct cpu *c, const struct insn *i)
{
    (void)i;
    decimal_adjust(c, 1);
}

void op_das(struct cpu *c, const struct insn *i)
{
    (void)i;
    decimal_adjust(c, -1);
}

static void ascii_adjust(struct cpu *c, int sign)
{
    uint16_t ax = (uint16_t)c->r[R_AX];
    const bool adjust = (ax & 15) > 9 || lf_af(c->lf_aux);
    if (adjust)
        ax = (uint16_t)(ax + sign * 0x106);
    reg_set(c, R_AX, 2, ax & 0xff0f);
    bcd_flags(c, ax & 0x0f, adjust, adjust);
}

void op_aaa(struct cpu *c, const struct insn *i)
{
    (void)i;
    ascii_adjust(c, 1);
}

void op_aas(struct cpu *c, const struct insn *i)
{
    (void)i;
    ascii_adjust(c, -1);
}

void op_aam(struct cpu *c, const struct insn *i)
{
    const uint8_t base = (uint8_t)i->imm, al = (uint8_t)c->r[R_AX];
    if (!base)
        cpu_fault_noerr(c, EXC_DE);
    reg_set(c, R_AX, 2, (uint64_t)(al / base) << 8 | al % base);
    bcd_flags(c, al % base, false, false);
}

void op_aad(struct cpu *c, const struct insn *i)
{
    const uint8_t al = (uint8_t)(c->r[R_AX] + (c->r[R_AX] >> 8) * (uint8_t)i->imm);
    reg_set(c, R_AX, 2, al);
    bcd_flags(c, al, false, false);
}

void op_salc(struct cpu *c, const struct insn *i)
{
    (void)i;
    reg_set(c, R_AX, 1, lf_cf(c->lf_aux) ? 0xff : 0);
}

/* ---- near branches ---- */
static uint64_t branch_to(struct cpu *c, const struct insn *i, uint64_t rip)
{
    if (i->osize == 2)
        rip &= 0xffff;
    else if (i->osize == 4)
        rip = (uint32_t)rip;
    return seg_branch_target(c, rip);
}

static void branch_rel(struct cpu *c, const struct insn *i)
{
    c->rip = branch_to(c, i, insn_next_rip(c, i) + (uint64_t)(int64_t)i->imm);
}

void op_jcc(struct cpu *c, const struct insn *i)
{
    if (lf_cond(i->aux, c->lf_res, c->lf_aux))
        branch_rel(c, i);
}

void op_jmp_rel(struct cpu *c, const struct insn *i)
{
    branch_rel(c, i);
}

void op_jmp_e(struct cpu *c, const struct insn *i)
{
    c->rip = branch_to(c, i, rm_value(c, i, i->osize));
}

void op_call_rel(struct cpu *c, const struct insn *i)
{
    const uint64_t to = branch_to(c, i, insn_next_rip(c, i) + (uint64_t)(int64_t)i->imm);
    stack_push(c, i->osize, c->rip);
    c->rip = to;
}

void op_call_e(struct cpu *c, const struct insn *i)
{
    const uint64_t to = branch_to(c, i, rm_value(c, i, i->osize));
    stack_push(c, i->osize, c->rip);
    c->rip = to;
}

static void ret_near(struct cpu *c, const struct insn *i, unsigned more)
{
    const uint64_t sp = c->r[R_SP];
    const uint64_t to = stack_pop(c, i->osize);
    const uint64_t after = c->r[R_SP];
    c->r[R_SP] = sp; /* in case the target faults */
    c->rip = branch_to(c, i, to);
    c->r[R_SP] = after;
    if (more)
        set_sp(c, after + more);
}

void op_ret(struct cpu *c, const struct insn *i)
{
    ret_near(c, i, 0);
}

void op_ret_i(struct cpu *c, const struct insn *i)
{
    ret_near(c, i, (uint16_t)i->imm);
}

/* rCX of LOOP and JCXZ has the address size. */
static void loop_count(struct cpu *c, const struct insn *i, bool more)
{
    const uint64_t left = c->r[R_CX] - 1;
    const unsigned size = asize(i);
    if (alu_zext(left, size) && more)
        branch_rel(c, i);
    reg_set(c, R_CX, size, left);
}

void op_loop(struct cpu *c, const struct insn *i)
{
    loop_count(c, i, true);
}

void op_loope(struct cpu *c, const struct insn *i)
{
    loop_count(c, i, lf_zf(c->lf_res));
}

void op_loopne(struct cpu *c, const struct insn *i)
{
    loop_count(c, i, !lf_zf(c->lf_res));
}

void op_jcxz(struct cpu *c, const struct insn *i)
{
    if (!reg_get(c, R_CX, asize(i)))
        branch_rel(c, i);
}
