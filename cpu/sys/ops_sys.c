/*
 * Privileged and waiting instructions, software interrupts, system calls, FSGSBASE, time (SDM
 * 2A-2C).
 */
#include "cpu/sys/pmu.h"
#include "cpu/sys/sys_int.h"

/* ---- control and debug registers ---- */

static unsigned wide(const struct cpu *c)
{
    return cpu_code64(c) ? 8 : 4;
}

static void cr_number(struct cpu *c, unsigned n)
{
    if (n != 0 && n != 2 && n != 3 && n != 4 && !(n == 8 && cpu_code64(c)))
        fault_ud(c);
    need_cpl0(c);
}

void op_mov_rc(struct cpu *c, const struct insn *i)
{
    cr_number(c, i->d);
    reg_set(c, i->s, wide(c), c->non_root ? vmx_mov_from_cr(c, i->d, i->s) : cr_read(c, i->d));
}

void op_mov_cr(struct cpu *c, const struct insn *i)
{
    bool done = false;
    cr_number(c, i->d);
    uint64_t v = reg_get(c, i->s, wide(c));
    if (c->non_root)
        v = vmx_mov_to_cr(c, i->d, i->s, v, &done);
    if (!done)
        cr_write(c, i->d, v);
}

void op_mov_rd(struct cpu *c, const struct insn *i)
{
    reg_set(c, i->s, wide(c), dr_read(c, i->d, i->s));
}

void op_mov_dr(struct cpu *c, const struct insn *i)
{
    dr_write(c, i->d, i->s, reg_get(c, i->s, wide(c)));
}

void op_clts(struct cpu *c, const struct insn *i)
{
    (void)i;
    need_cpl0(c);
    if (c->non_root && !vmx_clts(c))
        return;
    c->cr0 &= ~(uint64_t)CR0_TS;
}

/* ---- TLB and caches ---- */

void op_invlpg(struct cpu *c, const struct insn *i)
{
    need_cpl0(c);
    uint64_t la = insn_ea(c, i);
    if (!cpu_code64(c))
        la = (uint32_t)(la + c->seg[i->seg].base);
    else if (i->seg >= SEG_FS)
        la += c->seg[i->seg].base;
    if (c->non_root)
        vmx_intercept_insn(c, VMX_EXIT_INVLPG, la);
    if (canonical_base(c, la))
        mmu_invlpg(c, la);
}

void op_invpcid(struct cpu *c, const struct insn *i)
{
    uint64_t desc[2];
    if (vmx_invpcid_ud(c))
        fault_ud(c);
    need_cpl0(c);
    if (c->non_root)
        vmx_intercept_invpcid(c, i);
    const uint64_t type = reg_get(c, i->d, wide(c));
    mmu_ld_bytes(c, insn_la(c, i, 16, ACC_R), desc, 16);
    if (type > 3 || desc[0] >> 12 || (type < 2 && (desc[0] & 0xfff) && !(c->cr4 & CR4_PCIDE)) ||
        (type == 0 && !canonical_base(c, desc[1])))
        fault_gp(c);
    mmu_invpcid(c, (unsigned)type, (uint16_t)desc[0], desc[1]);
}

void op_invd(struct cpu *c, const struct insn *i)
{
    (void)i;
    need_cpl0(c);
    if (c->non_root)
        vmx_intercept_insn(c, VMX_EXIT_INVD, 0);
}

void op_wbinvd(struct cpu *c, const struct insn *i)
{
    (void)i;
    need_cpl0(c);
    if (c->non_root)
        vmx_intercept_insn(c, VMX_EXIT_WBINVD, 0);
}

void op_clflush(struct cpu *c, const struct insn *i)
{
    mmu_probe(c, insn_la(c, i, 1, ACC_R), 1, ACC_R);
}

/* ---- interrupts by software ---- */

static void software_exception(struct cpu *c, const struct insn *i, int vec, enum event_type type)
{
    if (c->non_root)
        vmx_intercept_exception(c, vec, type, false, 0, 0, i->len);
    event_deliver(c, vec, type, false, 0, i->len);
}

void op_int3(struct cpu *c, const struct insn *i)
{
    software_exception(c, i, EXC_BP, EVT_SW_EXC);
}

void op_int1(struct cpu *c, const struct insn *i)
{
    c->dr[6] |= event_merge_pending(c);
    software_exception(c, i, EXC_DB, EVT_PRIV_SW_EXC);
}

void op_into(struct cpu *c, const struct insn *i)
{
    if (lf_of(c->lf_aux))
        software_exception(c, i, EXC_OF, EVT_SW_EXC);
}

void op_int(struct cpu *c, const struct insn *i)
{
    if (cpu_vm86(c) && (c->eflags & FL_IOPL) != FL_IOPL)
        fault_gp(c);
    event_deliver(c, (uint8_t)i->imm, EVT_SW_INT, false, 0, i->len);
}

/* ---- system calls ---- */

static void flat_cs(struct cpu *c, uint16_t sel, unsigned cpl, bool code64)
{
    c->cpl = (uint8_t)cpl;
    c->seg[SEG_CS] = (struct seg){.limit = 0xffffffff,
                                  .attr = SA_P | SA_S | SA_CODE | SA_RW | SA_ACCESSED | SA_G |
                                          cpl << SA_DPL_SHIFT | (code64 ? SA_L : SA_DB),
                                  .sel = sel};
}

static void flat_ss(struct cpu *c, uint16_t sel, unsigned cpl)
{
    c->seg[SEG_SS] = (struct seg){.limit = 0xffffffff,
                                  .attr = SA_P | SA_S | SA_RW | SA_ACCESSED | SA_G | SA_DB |
                                          cpl << SA_DPL_SHIFT,
                                  .sel = sel};
}

void op_syscall(struct cpu *c, const struct insn *i)
{
    if (!(c->efer & EFER_SCE) || !cpu_code64(c))
        fault_ud(c);
    const uint32_t flags = (uint32_t)cpu_rflags(c);
    const uint16_t sel = (uint16_t)(c->star >> 32 & 0xfffc);
    c->r[R_CX] = insn_next_rip(c, i);
    c->r[R_11] = flags & ~(uint32_t)FL_RF;
    c->rip = c->lstar;
    flat_cs(c, sel, 0, true);
    flat_ss(c, (uint16_t)(sel + 8), 0);
    cpu_set_rflags(c, flags & ~c->sfmask & ~(uint64_t)FL_RF);
    cpu_update_mode(c);
}

void op_sysret(struct cpu *c, const struct insn *i)
{
    const bool code64 = i->osize == 8;
    if (!(c->efer & EFER_SCE) || !cpu_code64(c))
        fault_ud(c);
    if (c->cpl || (code64 && !canonical(c, c->r[R_CX])))
        fault_gp(c);
    const uint16_t sel = (uint16_t)(c->star >> 48);
    c->rip = code64 ? c->r[R_CX] : (uint32_t)c->r[R_CX];
    flat_cs(c, (uint16_t)((sel + (code64 ? 16 : 0)) | 3), 3, code64);
    flat_ss(c, (uint16_t)((sel + 8) | 3), 3);
    cpu_set_rflags(c, (c->r[R_11] & 0x3c7fd7) | FL_FIXED1);
    cpu_update_mode(c);
}

void op_sysenter(struct cpu *c, const struct insn *i)
{
    const bool lm = cpu_long_mode(c);
    const uint16_t sel = (uint16_t)(c->sysenter_cs & 0xfffc);
    (void)i;
    if (cpu_real(c) || !sel)
        fault_gp(c);
    c->eflags &= ~(uint32_t)(FL_VM | FL_IF | FL_RF);
    c->r[R_SP] = lm ? c->sysenter_esp : (uint32_t)c->sysenter_esp;
    c->rip = lm ? c->sysenter_eip : (uint32_t)c->sysenter_eip;
    flat_cs(c, sel, 0, lm);
    flat_ss(c, (uint16_t)(sel + 8), 0);
    cpu_update_mode(c);
}

void op_sysexit(struct cpu *c, const struct insn *i)
{
    const bool code64 = i->osize == 8;
    const uint16_t sel = (uint16_t)(c->sysenter_cs & 0xfffc);
    if (cpu_real(c) || !sel || c->cpl)
        fault_gp(c);
    if (code64 && (!canonical(c, c->r[R_CX]) || !canonical(c, c->r[R_DX])))
        fault_gp(c);
    c->r[R_SP] = code64 ? c->r[R_CX] : (uint32_t)c->r[R_CX];
    c->rip = code64 ? c->r[R_DX] : (uint32_t)c->r[R_DX];
    flat_cs(c, (uint16_t)((sel + (code64 ? 32 : 16)) | 3), 3, code64);
    flat_ss(c, (uint16_t)((sel + (code64 ? 40 : 24)) | 3), 3);
    cpu_update_mode(c);
}

void op_swapgs(struct cpu *c, const struct insn *i)
{
    (void)i;
    need_cpl0(c);
    const uint64_t base = c->seg[SEG_GS].base;
    c->seg[SEG_GS].base = c->kernel_gs_base;
    c->kernel_gs_base = base;
}

static void need_fsgsbase(struct cpu *c)
{
    if (!(c->cr4 & CR4_FSGSBASE))
        fault_ud(c);
}

static void read_base(struct cpu *c, const struct insn *i, unsigned seg)
{
    need_fsgsbase(c);
    reg_set(c, i->s, i->osize, c->seg[seg].base);
}

static void write_base(struct cpu *c, const struct insn *i, unsigned seg)
{
    need_fsgsbase(c);
    const uint64_t v = reg_get(c, i->s, i->osize);
    if (!canonical_base(c, v))
        fault_gp(c);
    c->seg[seg].base = v;
}

void op_rdfsbase(struct cpu *c, const struct insn *i)
{
    read_base(c, i, SEG_FS);
}

void op_rdgsbase(struct cpu *c, const struct insn *i)
{
    read_base(c, i, SEG_GS);
}

void op_wrfsbase(struct cpu *c, const struct insn *i)
{
    write_base(c, i, SEG_FS);
}

void op_wrgsbase(struct cpu *c, const struct insn *i)
{
    write_base(c, i, SEG_GS);
}

/* ---- time and counters ---- */

static void read_tsc(struct cpu *c, uint32_t exit_reason)
{
    if ((c->cr4 & CR4_TSD) && c->cpl && !cpu_real(c))
        fault_gp(c);
    if (c->non_root)
        vmx_intercept_insn(c, exit_reason, 0);
    const uint64_t t = vmx_guest_tsc(c, cpu_tsc(c));
    c->r[R_AX] = (uint32_t)t;
    c->r[R_DX] = t >> 32;
}

void op_rdtsc(struct cpu *c, const struct insn *i)
{
    (void)i;
    read_tsc(c, VMX_EXIT_RDTSC);
}

void op_rdtscp(struct cpu *c, const struct insn *i)
{
    (void)i;
    if (vmx_rdtscp_ud(c))
        fault_ud(c);
    read_tsc(c, VMX_EXIT_RDTSCP);
    c->r[R_CX] = (uint32_t)c->tsc_aux;
}

void op_rdpid(struct cpu *c, const struct insn *i)
{
    if (vmx_rdtscp_ud(c))
        fault_ud(c);
    reg_set(c, i->s, cpu_code64(c) ? 8 : 4, c->tsc_aux);
}

/* Draw n of this processor: a function of the machine's seed, the processor and n (SplitMix64). */
static uint64_t random_draw(struct cpu *c)
{
    uint64_t v = c->rng_seed + (c->rng_draws++ * 256 + c->index + 1) * 0x9e3779b97f4a7c15ull;
    v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9ull;
    v = (v ^ v >> 27) * 0x94d049bb133111ebull;
    return v ^ v >> 31;
}

/* RDRAND and RDSEED never fail here. */
static void random_to_register(struct cpu *c, const struct insn *i, uint32_t exit_reason)
{
    if (c->non_root)
        vmx_intercept_random(c, i, exit_reason);
    reg_set(c, i->s, i->osize, random_draw(c));
    lf_from_flags(FL_CF, &c->lf_res, &c->lf_aux);
}

void op_rdrand(struct cpu *c, const struct insn *i)
{
    random_to_register(c, i, VMX_EXIT_RDRAND);
}

void op_rdseed(struct cpu *c, const struct insn *i)
{
    random_to_register(c, i, VMX_EXIT_RDSEED);
}

void op_rdpmc(struct cpu *c, const struct insn *i)
{
    (void)i;
    if (c->cpl && !(c->cr4 & CR4_PCE))
        fault_gp(c);
    if (c->non_root)
        vmx_intercept_insn(c, VMX_EXIT_RDPMC, 0);
    uint64_t v;
    if (!pmu_rdpmc(c, (uint32_t)c->r[R_CX], &v))
        fault_gp(c);
    c->r[R_AX] = (uint32_t)v;
    c->r[R_DX] = v >> 32;
}

/* ---- flags and waiting ---- */

static bool may_set_if(const struct cpu *c)
{
    return cpu_real(c) || c->cpl <= (c->eflags & FL_IOPL) >> FL_IOPL_SHIFT;
}

void op_cli(struct cpu *c, const struct insn *i)
{
    (void)i;
    if (!may_set_if(c))
        fault_gp(c);
    c->eflags &= ~(uint32_t)FL_IF;
}

void op_sti(struct cpu *c, const struct insn *i)
{
    (void)i;
    if (!may_set_if(c))
        fault_gp(c);
    if (!(c->eflags & FL_IF))
        c->shadow = SHADOW_STI;
    c->eflags |= FL_IF;
}

static void set_ac(struct cpu *c, bool on)
{
    if (c->cpl)
        fault_ud(c);
    c->eflags = on ? c->eflags | FL_AC : c->eflags & ~(uint32_t)FL_AC;
    mmu_update_ctx(c);
}

void op_stac(struct cpu *c, const struct insn *i)
{
    (void)i;
    set_ac(c, true);
}

void op_clac(struct cpu *c, const struct insn *i)
{
    (void)i;
    set_ac(c, false);
}

void op_hlt(struct cpu *c, const struct insn *i)
{
    (void)i;
    need_cpl0(c);
    if (c->non_root)
        vmx_intercept_insn(c, VMX_EXIT_HLT, 0);
    if (trace_on(c->trace, TP_cpu_halt))
        trace_emit(c->trace, TP_cpu_halt, (uint8_t)c->index, cpu_icount(c), clock_now(c->clock),
                   cpu_rip(c), 0, 0, 0, 0, 0);
    c->activity = CPU_HALTED;
}

static void need_monitor(struct cpu *c)
{
    if (c->cpl || !(c->misc_enable & MISC_ENABLE_MONITOR))
        fault_ud(c);
}

void op_monitor(struct cpu *c, const struct insn *i)
{
    need_monitor(c);
    if (c->non_root)
        vmx_intercept_insn(c, VMX_EXIT_MONITOR, 0);
    if ((uint32_t)c->r[R_CX])
        fault_gp(c);
    const uint64_t off = i->flags & INSN_A32   ? (uint32_t)c->r[R_AX]
                         : i->flags & INSN_A16 ? (uint16_t)c->r[R_AX]
                                               : c->r[R_AX];
    mmu_monitor_arm(c, seg_linear(c, i->seg, off, 1, ACC_R));
}

/* A wait for a store to the armed line or an event; not armed: nothing. */
void op_mwait(struct cpu *c, const struct insn *i)
{
    const bool armed = c->mon_line != UINT64_MAX;
    (void)i;
    need_monitor(c);
    if (c->non_root)
        vmx_intercept_insn(c, VMX_EXIT_MWAIT, armed);
    if ((uint32_t)c->r[R_CX] & ~1u)
        fault_gp(c);
    if (!armed)
        return;
    c->mwait_break = c->r[R_CX] & 1;
    c->activity = CPU_MWAIT;
}

op_fn op_xchg_ra; /* cpu/interp */

/* Spinning LPs give their turn to the others (design.md 2.3). */
void op_pause(struct cpu *c, const struct insn *i)
{
    if (i->d) { /* REX.B: XCHG R8, rAX */
        op_xchg_ra(c, i);
        return;
    }
    if (c->non_root)
        vmx_intercept_pause(c);
    if (c->lp_count > 1)
        cpu_kick(c);
}
