/*
 * cpu/fpu/x87.h: private to cpu/fpu: register stack, gates and exception delivery of the x87.
 *
 * SDM 1 8.1 (registers, status, control, tags), 8.5 (exceptions). The life of an instruction:
 * x87_begin (#NM, pending #MF), memory operand, x87_note (last-instruction pointers), the work,
 * x87_finish (status word, unmasked response). Nothing changes before the last memory fault.
 */
#ifndef CPU_FPU_X87_H
#define CPU_FPU_X87_H

#include "cpu/cpu.h"
#include "cpu/fpu/softfloat.h"
#include "cpu/mem.h"
#include "cpu/sys/sys.h"

#define SW_SF  0x0040u
#define SW_ES  0x0080u
#define SW_C0  0x0100u
#define SW_C1  0x0200u
#define SW_C2  0x0400u
#define SW_TOP 0x3800u
#define SW_C3  0x4000u
#define SW_B   0x8000u
#define SW_CC  (SW_C0 | SW_C1 | SW_C2 | SW_C3)

static inline unsigned x87_top(const struct fpu *f)
{
    return f->sw >> 11 & 7;
}

static inline unsigned x87_phys(const struct fpu *f, unsigned i)
{
    return (x87_top(f) + i) & 7;
}

static inline bool x87_empty(const struct fpu *f, unsigned i)
{
    return !(f->valid >> x87_phys(f, i) & 1);
}

static inline struct f80 x87_get(const struct fpu *f, unsigned i)
{
    return f->st[x87_phys(f, i)];
}

static inline void x87_set(struct fpu *f, unsigned i, struct f80 v)
{
    const unsigned n = x87_phys(f, i);
    f->st[n] = v;
    f->valid |= (uint8_t)(1u << n);
}

static inline void x87_move_top(struct fpu *f, int by)
{
    f->sw = (uint16_t)((f->sw & ~SW_TOP) | ((x87_top(f) + (unsigned)by) & 7) << 11);
}

static inline void x87_pop(struct fpu *f)
{
    f->valid &= (uint8_t) ~(1u << x87_top(f));
    x87_move_top(f, 1);
}

static inline void x87_push(struct fpu *f, struct f80 v)
{
    x87_move_top(f, -1);
    x87_set(f, 0, v);
}

static inline struct f80 x87_indefinite(void)
{
    return (struct f80){.sig = F80_QNAN_SIG, .se = F80_QNAN_SE};
}

static inline struct fp_env x87_env(const struct fpu *f)
{
    static const uint8_t prec[4] = {24, 64, 53, 64};
    return (struct fp_env){
        .rc = f->cw >> 10 & 3, .prec = prec[f->cw >> 8 & 3], .masked = f->cw & FX_ALL, .x87 = true};
}

/* #NM, then a pending unmasked exception: #MF, or FERR# with CR0.NE clear. */
struct fpu *x87_begin(struct cpu *c);
/* Last instruction pointer and, for memory operands, last data pointer. */
void x87_note(struct cpu *c, const struct insn *i);
/* Raise exceptions: sticky bits, C1 from `up`, ES and B when unmasked (then FOP is recorded).
 * Returns whether the result is to be delivered. */
bool x87_raise(struct cpu *c, const struct insn *i, unsigned flags, bool up);
/* Same from an environment. */
bool x87_finish(struct cpu *c, const struct insn *i, const struct fp_env *e);
/* Stack overflow (C1 = 1) or underflow: returns whether the masked response is due. */
bool x87_stack_fault(struct cpu *c, const struct insn *i, bool overflow);
/* ES and B after CW or SW were loaded. */
void x87_update_es(struct fpu *f);

/* x87_trans.c: values of the transcendental functions, correct to about 2^-100 before rounding */
struct fpw trans_sin(struct fp a); /* |a| < 2^63, FC_NUM */
struct fpw trans_cos(struct fp a);
struct fpw trans_tan(struct fp a);
struct fpw trans_atan2(struct fp y, struct fp x);   /* both FC_NUM */
struct fpw trans_exp2m1(struct fp a);               /* |a| < 1 */
struct fpw trans_ylog2(struct fp y, struct fp x);   /* x > 0, FC_NUM, not 1 */
struct fpw trans_ylog2p1(struct fp y, struct fp x); /* x > -1, FC_NUM */

#endif
