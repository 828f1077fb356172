/*
 * Choosing handlers for a new block: fast forms where the mode allows them, dead-flag variants by
 * backward liveness, fusion. Also the generic handlers that everything else runs through.
 *
 * A flag result is dead only when a later instruction overwrites it before anything can leave the
 * block: flags are exact wherever an interrupt or fault can look.
 */
#include "cpu/interp/fast.h"

#include "cpu/decode/decode.h"
#include "cpu/interp/ops.h"
#include "cpu/sys/pmu.h"

/* Generic handler: the semantic function, then the next instruction. */
__attribute__((noinline)) void h_sem(PARAMS)
{
    c->cur = i;
    c->budget = budget;
    c->lf_res = lf_res;
    c->lf_aux = lf_aux;
    isa_rows[i->op].sem(c, i);
    lf_res = c->lf_res;
    lf_aux = c->lf_aux;
    if (UNLIKELY(c->attn & ~c->attn_seen)) {
        budget += insn_block(i)->n - i->idx - 1;
        const uint64_t rip = insn_next_rip(c, i);
        LEAVE(cpu_code64(c) ? rip : (uint32_t)rip);
    }
    NEXT;
}

/* Generic handler of a block-ending row: leaves the chain. */
__attribute__((noinline)) void h_end(PARAMS)
{
    c->cur = i;
    c->budget = budget;
    c->lf_res = lf_res;
    c->lf_aux = lf_aux;
    c->rip = insn_next_rip(c, i);
    if (!cpu_code64(c))
        c->rip = (uint32_t)c->rip;
    insn_sem(i)(c, i);
    c->cur = NULL;
    c->in_insn = false;
}

/* h_end for branches while they are counted (MODE_COUNT). */
__attribute__((noinline)) void h_count(PARAMS)
{
    h_end(c, i, budget, lf_res, lf_aux);
    pmu_branch(c);
}

/* First handler of a killed block: links may still lead here. Undo the entry and look again. */
void h_dead(PARAMS)
{
    const struct block *const b = insn_block(i);
    budget += b->n;
    const uint64_t rip = c->r[R_PAGE] + b->start_off;
    LEAVE(cpu_code64(c) ? rip : (uint32_t)rip);
}

/* ---- forms by row ---- */
static const struct fast_forms *forms_of[4096];
static bool forms_leave[4096]; /* register forms too may fault */
static bool forms_ready;

static void forms_add(const struct fast_forms *list, bool leaves)
{
    for (; list->sem; list++) {
        for (unsigned n = 0; n < isa_row_count; n++) {
            if (isa_rows[n].sem == list->sem)
                forms_of[n] = list, forms_leave[n] = leaves;
        }
    }
}

static void forms_build(void)
{
    forms_add(fast_alu_forms, false);
    forms_add(fast_alu2_forms, false);
    forms_add(fast_mov_forms, false);
    forms_add(fast_sse_forms, true);
    forms_add(fast_avx_forms, true);
    forms_add(fast_x87_forms, true);
    forms_ready = true;
}

enum form { FORM_NONE, FORM_REG, FORM_BASE, FORM_FLAT, FORM_GEN };

static bool uses_stack(const struct isa_row *r)
{
    return r->attrs & A_DEF64;
}

/* Which kind of fast form the mode allows. */
static enum form form_of(uint32_t mode, const struct insn *i, const struct isa_row *r)
{
    const bool is64 = (mode & MODE_CODE_MASK) == MODE_CODE64;
    if (uses_stack(r) && (i->osize != (is64 ? 8 : 4) || (!is64 && !(mode & MODE_STACK32))))
        return FORM_NONE;
    if (!(i->flags & INSN_MEM))
        return FORM_REG;
    if (i->flags & INSN_A16)
        return FORM_NONE;
    if (r->sem == op_lea) /* no segment takes part */
        return i->flags & INSN_A32 ? FORM_GEN : FORM_FLAT;
    if (is64 && i->seg < SEG_FS && !(i->flags & INSN_A32))
        return i->x == R_ZERO ? FORM_BASE : FORM_FLAT;
    if (is64)
        return FORM_GEN;
    return i->seg < SEG_FS ? FORM_GEN : FORM_NONE;
}

static insn_fn *pick(const struct fast_forms *f, enum form form, unsigned osize, bool dead)
{
    const unsigned size = osize == 8 ? 3 : osize == 4 ? 2 : osize - 1;
    switch (form) {
    case FORM_REG:
        return f->reg[size][dead];
    case FORM_FLAT:
        return f->flat[size][dead];
    case FORM_BASE:
        return f->base[size][dead] ? f->base[size][dead] : f->flat[size][dead];
    case FORM_GEN:
        return f->gen[size][dead];
    default:
        return NULL;
    }
}

static bool flat_mode(uint32_t mode)
{
    const uint32_t code = mode & MODE_CODE_MASK;
    return code == MODE_CODE64 || (code == MODE_CODE32 && (mode & MODE_FLAT));
}

/* C0, C1: a shift by an immediate that is zero after masking leaves the flags alone. */
static bool keeps_flags(const struct isa_row *r, const struct insn *i)
{
    return r->map == MAP_1 && (r->opcode & 0xfe) == 0xc0 && !(i->imm & (i->osize == 8 ? 63 : 31));
}

/* live: flags that something later may read. Updated to those live before this instruction. */
static void assign_one(const struct engine *e, struct block *b, struct insn *i, uint32_t *live)
{
    const struct isa_row *r = &isa_rows[i->op];
    const enum form form = form_of(b->mode, i, r);
    const struct fast_forms *f = forms_of[i->op];
    const uint32_t changed = keeps_flags(r, i) ? 0 : (uint32_t)(r->fl_written | r->fl_undefined);
    const bool dead = e->dead_flags && !(changed & *live);
    i->fn = f ? pick(f, form, i->osize, dead) : NULL;
    if (r->sem == op_xchg_ra && i->d == R_AX)
        i->fn = h_nop;
    if (!i->fn) {
        i->fn = h_sem;
        *live = FL_ARITH;
    } else if (form == FORM_REG && !uses_stack(r) && !forms_leave[i->op]) {
        *live = (*live & ~changed) | r->fl_read;
    } else {
        *live = FL_ARITH; /* may fault or leave */
    }
}

void fast_assign(const struct engine *e, struct block *b)
{
    if (!forms_ready)
        forms_build();
    const bool fast = e->fast && flat_mode(b->mode);
    const bool counted = b->mode & MODE_COUNT;
    uint32_t live = FL_ARITH;
    for (unsigned n = b->n; n-- > 0;) {
        struct insn *i = &b->insn[n];
        i->fn = NULL;
        if (insn_ends(i)) {
            if (counted && i->op < isa_row_count && isa_is_branch(&isa_rows[i->op]))
                i->fn = h_count;
            else if (fast && e->link && i->op < isa_row_count && !(b->flags & BLOCK_SPLIT))
                i->fn = fast_branch(b, i);
            if (!i->fn)
                i->fn = h_end;
        } else if (fast) {
            assign_one(e, b, i, &live);
        } else {
            i->fn = h_sem;
        }
    }
    if (fast && e->fuse)
        fast_runs(b);
    if (fast && e->link && e->fuse && b->n >= 2 && !counted) {
        insn_fn *fn = fast_fused(b, &b->insn[b->n - 2]);
        if (fn)
            b->insn[b->n - 2].fn = fn;
    }
    if (fast && e->link && b->insn[b->n].rip_off == 4096 &&
        (b->mode & MODE_CODE_MASK) == MODE_CODE64)
        b->insn[b->n].fn = h_fall_out;
}
