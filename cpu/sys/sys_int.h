/*
 * cpu/sys/sys_int.h: private to cpu/sys: descriptors, stacks under construction, far-transfer
 * steps.
 */
#ifndef CPU_SYS_SYS_INT_H
#define CPU_SYS_SYS_INT_H

#include "core/bus.h"
#include "core/clock.h"
#include "core/trace.h"
#include "cpu/cpu.h"
#include "cpu/flags.h"
#include "cpu/mem.h"
#include "cpu/sys/sys.h"
#include "cpu/vmx/vmx.h"
#include "lib/log.h"
#include "mmu/mmu.h"

/* A descriptor as read from a table, and where it was. */
struct desc {
    uint64_t raw, high; /* high: second half of 16-byte descriptors */
    uint64_t addr;
};

static inline uint32_t desc_attr(const struct desc *d)
{
    return (uint32_t)(d->raw >> 40) & 0xf0ff;
}
static inline uint32_t desc_type(const struct desc *d)
{
    return (uint32_t)(d->raw >> 40) & 0xf;
}
static inline bool desc_is_s(const struct desc *d)
{
    return d->raw >> 44 & 1;
}
static inline bool desc_present(const struct desc *d)
{
    return d->raw >> 47 & 1;
}
static inline unsigned desc_dpl(const struct desc *d)
{
    return d->raw >> 45 & 3;
}
static inline bool desc_is_code(const struct desc *d)
{
    return desc_is_s(d) && (desc_type(d) & SA_CODE);
}
static inline bool desc_conforming(const struct desc *d)
{
    return desc_type(d) & SA_EXPDN;
}
static inline uint64_t desc_base(const struct desc *d)
{
    return (d->raw >> 16 & 0xffffff) | (d->raw >> 32 & 0xff000000);
}
static inline uint32_t desc_limit(const struct desc *d)
{
    const uint32_t l = (uint32_t)(d->raw & 0xffff) | (uint32_t)(d->raw >> 32 & 0xf0000);
    return d->raw >> 55 & 1 ? l << 12 | 0xfff : l;
}
/* Gates */
static inline uint16_t gate_sel(const struct desc *d)
{
    return (uint16_t)(d->raw >> 16);
}
static inline uint64_t gate_off(const struct desc *d)
{
    return (d->raw & 0xffff) | (d->raw >> 32 & 0xffff0000);
}

static inline bool sel_null(uint16_t sel)
{
    return !(sel & ~3u);
}
static inline uint32_t sel_err(uint16_t sel)
{
    return sel & ~3u;
}
static inline bool canonical(const struct cpu *c, uint64_t la)
{
    return cpu_canonical(c, la);
}
/* Bases and MSRs that hold addresses go by the width that the processor supports, whatever CR4
 * says now. */
static inline bool canonical_base(const struct cpu *c, uint64_t la)
{
    return la_canonical(la, cpu_has(c, F_LA57) ? 57 : 48);
}

/* semantic functions of the rows */
#define INSN(map, opcode, prefix, modrm, name, o1, o2, o3, feat, attrs, flr, flw, flu, sem) \
    op_fn op_##sem;
#include "cpu/isa/sys.def"
#undef INSN

/* leave.c: a #DB fault; the error word carries the DR6 bits to event_fault */
_Noreturn void fault_db(struct cpu *c, uint64_t dr6_bits);

/* seg.c */
bool desc_fetch(struct cpu *c, uint16_t sel, struct desc *d); /* false: outside its table */
void desc_fetch_high(struct cpu *c, struct desc *d);
void desc_set_accessed(struct cpu *c, struct desc *d);
void seg_fill(struct cpu *c, unsigned seg, uint16_t sel, const struct desc *d);
void seg_null(struct cpu *c, unsigned seg, uint16_t sel);
void seg_check_data(struct cpu *c, unsigned seg, uint16_t sel, const struct desc *d);
void seg_set_cs(struct cpu *c, uint16_t sel, const struct desc *d, unsigned cpl);
uint64_t code_offset_check(struct cpu *c, const struct desc *cs, uint64_t off, uint32_t err);
void outer_segs_check(
    struct cpu *c); /* after a return to an outer ring: drop inner data segments */

/* A stack that is being written or read while the registers still are the old ones. */
struct stk {
    uint64_t base, sp, mask;
    uint32_t limit, attr, err; /* err: error code of its #SS */
    bool sys;                  /* inner stack: accesses are the supervisor's */
};
struct stk stk_current(struct cpu *c);
void stk_push(struct cpu *c, struct stk *s, unsigned size, uint64_t v);
uint64_t stk_pop(struct cpu *c, struct stk *s, unsigned size);
void stk_commit(struct cpu *c, const struct stk *s); /* RSP, by the stack's address size */
/* Inner stack of a 32-bit or 16-bit TSS for new privilege cpl: checks (#TS, #SS with ext). */
struct stk stk_inner(struct cpu *c, unsigned cpl, uint32_t ext, uint16_t *ss_sel, struct desc *ss);
/* RSPn or ISTn (slot: byte offset in the 64-bit TSS) */
uint64_t tss64_rsp(struct cpu *c, unsigned offset, uint32_t ext);

/* task.c */
enum task_source { TASK_CALL, TASK_IRET, TASK_JMP, TASK_GATE }; /* as VMX_QUAL_TS_* */
void task_switch(struct cpu *c, uint16_t sel, enum task_source src, bool has_err, uint32_t err,
                 uint32_t ext);

/* event.c: DR6 bits of breakpoints held back by MOV SS, which a #DB now reports */
uint64_t event_merge_pending(struct cpu *c);

/* cr.c */
void dr_write(struct cpu *c, unsigned n, unsigned gpr, uint64_t v);
uint64_t dr_read(struct cpu *c, unsigned n, unsigned gpr);

/* io.c */
bool io_allowed(struct cpu *c, uint16_t port, unsigned size);

_Noreturn static inline void fault_gp(struct cpu *c)
{
    cpu_fault(c, EXC_GP, 0);
}
_Noreturn static inline void fault_ud(struct cpu *c)
{
    cpu_fault_noerr(c, EXC_UD);
}
static inline void need_cpl0(struct cpu *c)
{
    if (c->cpl)
        fault_gp(c);
}
static inline uint64_t next_rip(const struct cpu *c, const struct insn *i)
{
    const uint64_t rip = insn_next_rip(c, i);
    return cpu_code64(c) ? rip : (uint32_t)rip;
}

#endif
