/*
 * VMX instructions (SDM 3C chapter 31): VMXON to INVVPID with their flags and error numbers.
 *
 * The current VMCS lives decoded in struct vmx; memory has it after VMCLEAR, VMPTRLD of another
 * region or VMXOFF.
 * Not modelled: SMM variants of VMCALL and VMXOFF.
 */
#include <string.h>

#include "cpu/mem.h"
#include "cpu/vmx/vmx_int.h"
#include "mmu/mmu.h"

static void succeed(struct cpu *c)
{
    vmx_set_flags(c, 0);
}

static void fail_invalid(struct cpu *c)
{
    vmx_set_flags(c, FL_CF);
}

static void fail(struct cpu *c, enum vmx_insn_error error)
{
    struct vmx *x = c->vmx;
    x->last_error = error;
    if (trace_on(c->trace, TP_vmx_fail))
        trace_emit(c->trace, TP_vmx_fail, (uint8_t)c->index, cpu_icount(c), clock_now(c->clock),
                   error, cpu_rip(c), 0, 0, 0, 0);
    if (x->current == VMX_NO_VMCS) {
        fail_invalid(c);
        return;
    }
    x->vmcs.insn_error = error;
    vmx_set_flags(c, FL_ZF);
}

static bool wrong_mode(const struct cpu *c)
{
    return cpu_real(c) || cpu_vm86(c) || (cpu_long_mode(c) && !cpu_code64(c));
}

/* The common head of all VMX instructions but VMXON and VMCALL. */
static void gate(struct cpu *c, const struct insn *i, uint32_t reason, bool has_operand,
                 unsigned reg2)
{
    if (!c->vmx_on || wrong_mode(c))
        cpu_fault_noerr(c, EXC_UD);
    if (c->non_root) {
        struct vmx_exit_info x = {.reason = reason, .ilen = i->len};
        if (has_operand) {
            x.qual = i->flags & INSN_MEM ? vmx_insn_disp(c, i) : 0;
            x.insn_info = vmx_insn_info(c, i, reg2);
        }
        vmx_exit_now(c, &x);
    }
    if (c->cpl > 0)
        cpu_fault(c, EXC_GP, 0);
}

static bool area_ok(const struct cpu *c, uint64_t pa)
{
    return !(pa & 0xfff) && !(pa & ~c->vmx->env.phys_mask);
}

void vmx_write_back(struct cpu *c)
{
    const struct vmx *x = c->vmx;
    uint8_t image[VMCS_REGION_SIZE] = {0};
    if (x->current == VMX_NO_VMCS)
        return;
    image[VMCS_IMAGE_LAUNCHED] = x->launched;
    vmcs_encode(&x->vmcs, image);
    ram_write(c->ram, hpa(x->current + VMCS_IMAGE_LAUNCHED), image + VMCS_IMAGE_LAUNCHED,
              VMCS_IMAGE_FIELDS + 8 * vmcs_field_count - VMCS_IMAGE_LAUNCHED);
}

void op_vmxon(struct cpu *c, const struct insn *i)
{
    struct vmx *x = c->vmx;
    if (wrong_mode(c) || !(c->cr4 & CR4_VMXE))
        cpu_fault_noerr(c, EXC_UD);
    if (c->vmx_on) {
        if (c->non_root)
            gate(c, i, VMX_EXIT_VMXON, true, 0);
        if (c->cpl > 0)
            cpu_fault(c, EXC_GP, 0);
        fail(c, VMX_ERR_VMXON_IN_ROOT);
        return;
    }
    const uint64_t need = FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX;
    if (c->cpl > 0 || c->a20_closed || !vmx_cr0_legal(c, c->cr0) || !vmx_cr4_legal(c, c->cr4) ||
        (c->feature_control & need) != need)
        cpu_fault(c, EXC_GP, 0);
    const uint64_t pa = mem_ld64(c, insn_la(c, i, 8, ACC_R));
    vmx_env_of(c, &x->env);
    uint32_t revision;
    if (!area_ok(c, pa) || !ram_read(c->ram, hpa(pa), &revision, 4) || revision != VMCS_REVISION) {
        fail_invalid(c);
        return;
    }
    x->vmxon_ptr = pa;
    x->current = VMX_NO_VMCS;
    c->vmx_on = true;
    succeed(c);
}

void op_vmxoff(struct cpu *c, const struct insn *i)
{
    gate(c, i, VMX_EXIT_VMXOFF, false, 0);
    vmx_write_back(c);
    c->vmx->current = VMX_NO_VMCS;
    c->vmx->vmxon_ptr = VMX_NO_VMCS;
    c->vmx_on = false;
    succeed(c);
}

void op_vmclear(struct cpu *c, const struct insn *i)
{
    struct vmx *x = c->vmx;
    gate(c, i, VMX_EXIT_VMCLEAR, true, 0);
    const uint64_t pa = mem_ld64(c, insn_la(c, i, 8, ACC_R));
    if (!area_ok(c, pa)) {
        fail(c, VMX_ERR_VMCLEAR_ADDR);
        return;
    }
    if (pa == x->vmxon_ptr) {
        fail(c, VMX_ERR_VMCLEAR_VMXON_PTR);
        return;
    }
    if (pa == x->current) {
        x->launched = 0;
        vmx_write_back(c);
        x->current = VMX_NO_VMCS;
    } else {
        vmx_phys_st(c, pa + VMCS_IMAGE_LAUNCHED, 1, 0);
    }
    succeed(c);
}

void op_vmptrld(struct cpu *c, const struct insn *i)
{
    struct vmx *x = c->vmx;
    uint8_t image[VMCS_REGION_SIZE];
    gate(c, i, VMX_EXIT_VMPTRLD, true, 0);
    const uint64_t pa = mem_ld64(c, insn_la(c, i, 8, ACC_R));
    if (!area_ok(c, pa)) {
        fail(c, VMX_ERR_VMPTRLD_ADDR);
        return;
    }
    if (pa == x->vmxon_ptr) {
        fail(c, VMX_ERR_VMPTRLD_VMXON_PTR);
        return;
    }
    const uint32_t revision = (uint32_t)vmx_phys_ld(c, pa, 4);
    if ((revision & ~VMCS_SHADOW_INDICATOR) != VMCS_REVISION ||
        !ram_read(c->ram, hpa(pa), image, VMCS_IMAGE_FIELDS + 8 * vmcs_field_count)) {
        fail(c, VMX_ERR_VMPTRLD_REVISION);
        return;
    }
    if (pa != x->current) {
        vmx_write_back(c);
        x->current = pa;
        x->launched = image[VMCS_IMAGE_LAUNCHED] == 1;
        x->shadow = revision != VMCS_REVISION;
        vmcs_decode(&x->vmcs, image);
        x->dirty = VMX_CG_ALL;
    }
    succeed(c);
}

void op_vmptrst(struct cpu *c, const struct insn *i)
{
    gate(c, i, VMX_EXIT_VMPTRST, true, 0);
    mem_st64(c, insn_la(c, i, 8, ACC_W), c->vmx->current);
    succeed(c);
}

static uint64_t operand_mask(const struct cpu *c)
{
    return cpu_code64(c) ? UINT64_MAX : UINT32_MAX;
}

/* Not for modes in which the instruction is undefined. */
static bool shadowed(const struct cpu *c, uint64_t enc, bool write)
{
    return c->non_root && !wrong_mode(c) && vmx_shadowed(c, enc, write);
}

static bool read_field(struct cpu *c, uint64_t enc, uint64_t *value)
{
    const struct vmx *x = c->vmx;
    if (x->current == VMX_NO_VMCS) {
        fail_invalid(c);
        return false;
    }
    const struct vmcs_field_info *f = vmcs_find(enc);
    if (!f) {
        fail(c, VMX_ERR_UNSUPPORTED_FIELD);
        return false;
    }
    *value = vmcs_part(enc, vmcs_get(&x->vmcs, f));
    return true;
}

void op_vmread(struct cpu *c, const struct insn *i)
{
    const uint64_t enc = c->r[i->d] & operand_mask(c);
    const bool shadow = shadowed(c, enc, false);
    uint64_t v;
    if (!shadow)
        gate(c, i, VMX_EXIT_VMREAD, true, i->d);
    if (!(shadow ? vmx_shadow_read(c, enc, &v) : read_field(c, enc, &v)))
        return;
    v &= operand_mask(c);
    const unsigned size = cpu_code64(c) ? 8 : 4;
    if (i->flags & INSN_MEM)
        mem_st(c, insn_la(c, i, size, ACC_W), size, v);
    else
        reg_set(c, i->s, size, v);
    succeed(c);
}

/* Fields of exit information can be written too (VMX_MISC bit 29). */
static void write_field(struct cpu *c, uint64_t enc, uint64_t v, unsigned size)
{
    struct vmx *x = c->vmx;
    const struct vmcs_field_info *f = vmcs_find(enc);
    if (!f) {
        fail(c, VMX_ERR_UNSUPPORTED_FIELD);
        return;
    }
    const uint64_t old = vmcs_get(&x->vmcs, f);
    v = vmcs_merge(f, enc, old, v, size);
    if (v != old) {
        vmcs_set(&x->vmcs, f, v);
        x->dirty |= (uint8_t)vmcs_dirties(f);
    }
    succeed(c);
}

void op_vmwrite(struct cpu *c, const struct insn *i)
{
    const uint64_t enc = c->r[i->d] & operand_mask(c);
    const bool shadow = shadowed(c, enc, true);
    if (!shadow)
        gate(c, i, VMX_EXIT_VMWRITE, true, i->d);
    else if (c->cpl > 0)
        cpu_fault(c, EXC_GP, 0);
    if (!shadow && c->vmx->current == VMX_NO_VMCS) {
        fail_invalid(c);
        return;
    }
    const unsigned size = cpu_code64(c) ? 8 : 4;
    const uint64_t v = i->flags & INSN_MEM ? mem_ld(c, insn_la(c, i, size, ACC_R), size)
                                           : reg_get(c, i->s, size);
    if (shadow)
        vmx_shadow_write(c, enc, v, size);
    else
        write_field(c, enc, v, size);
}

static void enter(struct cpu *c, const struct insn *i, bool launch)
{
    struct vmx *x = c->vmx;
    gate(c, i, launch ? VMX_EXIT_VMLAUNCH : VMX_EXIT_VMRESUME, false, 0);
    if (x->current == VMX_NO_VMCS || x->shadow)
        fail_invalid(c);
    else if (c->shadow & SHADOW_MOVSS)
        fail(c, VMX_ERR_ENTRY_MOV_SS);
    else if (launch && x->launched)
        fail(c, VMX_ERR_VMLAUNCH_NOT_CLEAR);
    else if (!launch && !x->launched)
        fail(c, VMX_ERR_VMRESUME_NOT_LAUNCHED);
    else
        goto enter;
    return;
enter:;
    x->env.lma = cpu_long_mode(c);
    x->env.current = x->current;
    /* Rules that read memory are not covered by the dirty bits. */
    unsigned again = x->dirty;
    if ((x->vmcs.proc_ctl & VMX_PROC_TPR_SHADOW) && x->vmcs.tpr_threshold)
        again |= VMX_CG_EXEC;
    if (x->vmcs.vmcs_link_ptr != VMCS_LINK_NONE)
        again |= VMX_CG_GNON;
    const unsigned host = again & (VMX_CG_CONTROLS | VMX_CG_HOST);
    const enum vmx_check failed = host ? vmx_check_run(&x->vmcs, &x->env, host) : VMX_CHECK_NONE;
    x->last_check = failed;
    if (failed != VMX_CHECK_NONE) {
        if (trace_on(c->trace, TP_vmx_entry_fail))
            trace_emit(c->trace, TP_vmx_entry_fail, (uint8_t)c->index, cpu_icount(c),
                       clock_now(c->clock), 0, 0, failed, 0, 0, 0);
        fail(c, vmx_checks[failed].group == VMX_CG_HOST ? VMX_ERR_ENTRY_HOST_STATE
                                                        : VMX_ERR_ENTRY_CONTROLS);
        return;
    }
    x->dirty = (uint8_t)((x->dirty | again) & VMX_CG_GUEST);
    vmx_enter(c, launch);
}

void op_vmlaunch(struct cpu *c, const struct insn *i)
{
    enter(c, i, true);
}

void op_vmresume(struct cpu *c, const struct insn *i)
{
    enter(c, i, false);
}

void op_vmcall(struct cpu *c, const struct insn *i)
{
    if (!c->vmx_on)
        cpu_fault_noerr(c, EXC_UD);
    if (c->non_root) {
        if (trace_on(c->trace, TP_vmx_vmcall))
            trace_emit(c->trace, TP_vmx_vmcall, (uint8_t)c->index, cpu_icount(c),
                       clock_now(c->clock), c->r[R_AX], c->r[R_CX], c->r[R_DX], c->r[R_8],
                       cpu_rip(c), vmx_vpid(c));
        const struct vmx_exit_info x = {.reason = VMX_EXIT_VMCALL, .ilen = i->len};
        vmx_exit_now(c, &x);
    }
    if (wrong_mode(c))
        cpu_fault_noerr(c, EXC_UD);
    if (c->cpl > 0)
        cpu_fault(c, EXC_GP, 0);
    fail(c, VMX_ERR_VMCALL_IN_ROOT);
}

void op_invept(struct cpu *c, const struct insn *i)
{
    struct invept_desc d;
    gate(c, i, VMX_EXIT_INVEPT, true, i->d);
    const uint64_t type = c->r[i->d] & operand_mask(c);
    if (type != INVEPT_SINGLE && type != INVEPT_ALL) {
        fail(c, VMX_ERR_INV_OPERAND);
        return;
    }
    mmu_ld_bytes(c, insn_la(c, i, sizeof d, ACC_R), &d, sizeof d);
    if (type == INVEPT_SINGLE && !vmx_eptp_ok(c->vmx, d.eptp)) {
        fail(c, VMX_ERR_INV_OPERAND);
        return;
    }
    mmu_invept(c, type == INVEPT_SINGLE, d.eptp);
    succeed(c);
}

void op_invvpid(struct cpu *c, const struct insn *i)
{
    struct invvpid_desc d;
    gate(c, i, VMX_EXIT_INVVPID, true, i->d);
    const uint64_t type = c->r[i->d] & operand_mask(c);
    if (type > INVVPID_SINGLE_NON_GLOBAL) {
        fail(c, VMX_ERR_INV_OPERAND);
        return;
    }
    mmu_ld_bytes(c, insn_la(c, i, sizeof d, ACC_R), &d, sizeof d);
    const bool canonical = la_canonical(d.gla, cpu_has(c, F_LA57) ? 57 : 48);
    if (d.vpid > 0xffff || (type != INVVPID_ALL && d.vpid == 0) ||
        (type == INVVPID_ADDR && !canonical)) {
        fail(c, VMX_ERR_INV_OPERAND);
        return;
    }
    mmu_invvpid(c, (unsigned)type, (uint16_t)d.vpid, d.gla);
    succeed(c);
}
