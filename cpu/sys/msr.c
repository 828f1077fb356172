/*
 * RDMSR and WRMSR by table (cpu/sys/msr.def), with the checks that are due to values.
 *
 * Not modelled: machine-check banks; recording of branches (the registers of the records keep
 * what is written); what POWER_CTL governs. Memory types of the MTRRs and the PAT are kept but have
 * no effect: every access is coherent here.
 */
#include <stddef.h>

#include "cpu/sys/pmu.h"
#include "cpu/sys/sys_int.h"
#include "lib/log.h"

struct msr_row {
    uint32_t first, count;
    const char *name;
    bool (*rd)(struct cpu *c, const struct msr_row *r, uint32_t msr, uint64_t *v);
    bool (*wr)(struct cpu *c, const struct msr_row *r, uint32_t msr, uint64_t v);
    uint64_t arg;    /* value of constants, mask of members */
    uint32_t offset; /* of the member in struct cpu */
    uint8_t feature;
};
#define MSR_RD(name) \
    static bool msr_rd_##name(struct cpu *c, const struct msr_row *r, uint32_t msr, uint64_t *v)
#define MSR_WR(name) \
    static bool msr_wr_##name(struct cpu *c, const struct msr_row *r, uint32_t msr, uint64_t v)
#define UNUSED (void)c, (void)r, (void)msr, (void)v

static uint64_t *member(struct cpu *c, const struct msr_row *r, uint32_t msr)
{
    return (uint64_t *)((char *)c + r->offset) + (msr - r->first);
}

MSR_RD(none)
{
    UNUSED;
    return false;
}

MSR_WR(none)
{
    UNUSED;
    return false;
}

MSR_RD(const)
{
    (void)c, (void)msr;
    *v = r->arg;
    return true;
}

MSR_WR(ignore)
{
    UNUSED;
    return true;
}

MSR_RD(member)
{
    *v = *member(c, r, msr);
    return true;
}

static bool mtrr_type_ok(uint64_t type)
{
    return type < 7 && type != 2 && type != 3;
}

/* Types and reserved bits; fixed-range MSRs hold eight types. */
static bool mtrr_ok(uint32_t msr, uint64_t v)
{
    if (msr >= 0x200 && msr < 0x210) {
        if (v >> CPU_PHYS_BITS)
            return false;
        return msr & 1 ? !(v & 0x7ff) : mtrr_type_ok(v & 0xff) && !(v & 0xf00);
    }
    if (msr >= 0x250 && msr < 0x270) {
        for (unsigned n = 0; n < 64; n += 8) {
            if (!mtrr_type_ok(v >> n & 0xff))
                return false;
        }
    }
    return msr != MSR_MTRR_DEF_TYPE || mtrr_type_ok(v & 0xff);
}

MSR_WR(member)
{
    if ((v & ~r->arg) || !mtrr_ok(msr, v))
        return false;
    if (msr == MSR_FEATURE_CONTROL && (c->feature_control & 1)) /* locked */
        return false;
    *member(c, r, msr) = v;
    return true;
}

/* Variable ranges: base and mask MSRs alternate. */
static uint64_t *mtrr_var(struct cpu *c, uint32_t msr)
{
    const unsigned n = (msr - MSR_MTRR_PHYSBASE0) / 2;
    return msr & 1 ? &c->mtrr_mask[n] : &c->mtrr_base[n];
}

MSR_RD(mtrr_var)
{
    (void)r;
    *v = *mtrr_var(c, msr);
    return true;
}

MSR_WR(mtrr_var)
{
    (void)r;
    if (!mtrr_ok(msr, v))
        return false;
    *mtrr_var(c, msr) = v;
    return true;
}

MSR_WR(canonical)
{
    if (!canonical_base(c, v))
        return false;
    *member(c, r, msr) = v;
    return true;
}

MSR_RD(tsc)
{
    (void)r, (void)msr;
    *v = cpu_tsc(c);
    return true;
}

/* Writing the TSC moves TSC_ADJUST by the same amount (SDM 3B 17.17.3). */
MSR_WR(tsc)
{
    (void)r, (void)msr;
    const uint64_t delta = v - cpu_tsc(c);
    c->tsc_offset += (int64_t)delta;
    c->tsc_adjust += delta;
    return true;
}

MSR_RD(tsc_adjust)
{
    (void)r, (void)msr;
    *v = c->tsc_adjust;
    return true;
}

MSR_WR(tsc_adjust)
{
    (void)r, (void)msr;
    c->tsc_offset += (int64_t)(v - c->tsc_adjust);
    c->tsc_adjust = v;
    return true;
}

MSR_RD(platform_info)
{
    (void)r, (void)msr;
    *v = c->tsc_hz / 100000000u << 8 | c->tsc_hz / 100000000u << 40;
    return true;
}

MSR_RD(apic)
{
    (void)r;
    return c->apic_ops && c->apic_ops->msr_read(c->apic, msr, v);
}

MSR_WR(apic)
{
    (void)r;
    return c->apic_ops && c->apic_ops->msr_write(c->apic, msr, v);
}

MSR_RD(vmx)
{
    (void)r;
    return cpu_has(c, F_VMX) && vmx_msr_read(c, msr, v);
}

MSR_RD(pat)
{
    (void)r, (void)msr;
    *v = c->pat;
    return true;
}

MSR_WR(pat)
{
    (void)r, (void)msr;
    for (unsigned n = 0; n < 64; n += 8) {
        const unsigned type = v >> n & 0xff;
        if (type > 7 || type == 2 || type == 3)
            return false;
    }
    c->pat = v;
    return true;
}

MSR_RD(pmu)
{
    (void)r;
    return pmu_msr_read(c, msr, v);
}

MSR_WR(pmu)
{
    (void)r;
    return pmu_msr_write(c, msr, v);
}

MSR_RD(uncore)
{
    (void)r;
    return uncore_msr_read(c, msr, v);
}

MSR_WR(uncore)
{
    (void)r;
    return uncore_msr_write(c, msr, v);
}

MSR_RD(debugctl)
{
    (void)r, (void)msr;
    *v = c->debugctl;
    return true;
}

/* LBR (no effect), BTF, and with counters freezing on PMI. */
MSR_WR(debugctl)
{
    (void)r, (void)msr;
    if (v & ~(cpu_has(c, F_PMU) ? 0x1003ull : 3ull))
        return false;
    if (v & 1)
        LOG_STUB("cpu", "DebugCtl.LBR: branches are not recorded");
    c->debugctl = v;
    return true;
}

MSR_RD(spec_ctrl)
{
    (void)r, (void)msr;
    *v = c->spec_ctrl;
    return true;
}

MSR_WR(spec_ctrl)
{
    (void)r, (void)msr;
    const uint64_t valid = 1u | (cpu_has(c, F_STIBP) ? 2u : 0u) | (cpu_has(c, F_SSBD) ? 4u : 0u) |
                           (cpu_has(c, F_BHI_CTRL) ? 0x400u : 0u);
    if (v & ~valid)
        return false;
    c->spec_ctrl = v;
    return true;
}

MSR_RD(efer)
{
    (void)r, (void)msr;
    *v = c->efer;
    return true;
}

MSR_WR(efer)
{
    (void)r, (void)msr;
    if (v & ~efer_valid(c))
        return false;
    if (((v ^ c->efer) & EFER_LME) && (c->cr0 & CR0_PG))
        return false;
    efer_set(c, (v & ~(uint64_t)EFER_LMA) | (c->efer & EFER_LMA));
    return true;
}

MSR_RD(fs_base)
{
    (void)r, (void)msr;
    *v = c->seg[SEG_FS].base;
    return true;
}

MSR_WR(fs_base)
{
    (void)r, (void)msr;
    if (!canonical_base(c, v))
        return false;
    c->seg[SEG_FS].base = v;
    return true;
}

MSR_RD(gs_base)
{
    (void)r, (void)msr;
    *v = c->seg[SEG_GS].base;
    return true;
}

MSR_WR(gs_base)
{
    (void)r, (void)msr;
    if (!canonical_base(c, v))
        return false;
    c->seg[SEG_GS].base = v;
    return true;
}

#define MSR(first, count, name, feature, rd, wr, arg) \
    {first, count, #name, msr_rd_##rd, msr_wr_##wr, arg, 0, F_##feature},
#define MSRM(first, count, name, feature, field, mask)                                          \
    {first,      count, #name, msr_rd_member, msr_wr_member, mask, offsetof(struct cpu, field), \
     F_##feature},
#define MSRC(first, name, feature, field) \
    {first, 1, #name, msr_rd_member, msr_wr_canonical, 0, offsetof(struct cpu, field), F_##feature},
static const struct msr_row rows[] = {
#include "cpu/sys/msr.def"
};
#undef MSR
#undef MSRM
#undef MSRC

static const struct msr_row *msr_find(uint32_t msr)
{
    unsigned lo = 0, hi = sizeof rows / sizeof rows[0];
    while (lo < hi) {
        const unsigned mid = (lo + hi) / 2;
        if (msr < rows[mid].first)
            hi = mid;
        else if (msr - rows[mid].first >= rows[mid].count)
            lo = mid + 1;
        else
            return &rows[mid];
    }
    return NULL;
}

bool msr_read(struct cpu *c, uint32_t msr, uint64_t *v)
{
    const struct msr_row *r = msr_find(msr);
    return r && cpu_has(c, r->feature) && r->rd(c, r, msr, v);
}

bool msr_write(struct cpu *c, uint32_t msr, uint64_t v)
{
    const struct msr_row *r = msr_find(msr);
    return r && cpu_has(c, r->feature) && r->wr(c, r, msr, v);
}

/* ---- instructions ---- */

static void trace_msr(struct cpu *c, enum trace_point p, uint32_t msr, uint64_t v)
{
    if (trace_on(c->trace, p))
        trace_emit(c->trace, p, (uint8_t)c->index, cpu_icount(c), clock_now(c->clock), msr, v,
                   cpu_rip(c), 0, 0, 0);
}

void op_rdmsr(struct cpu *c, const struct insn *i)
{
    const uint32_t msr = (uint32_t)c->r[R_CX];
    uint64_t v = 0;
    (void)i;
    need_cpl0(c);
    if (c->non_root) {
        vmx_intercept_msr(c, msr, false);
        if (!vmx_msr_virtual_read(c, msr, &v) && !msr_read(c, msr, &v))
            fault_gp(c);
        if (msr == MSR_TSC)
            v = vmx_guest_tsc(c, v);
    } else if (!msr_read(c, msr, &v)) {
        LOG_GUEST("cpu", "rdmsr of unknown MSR %#x at rip=%#llx", msr,
                  (unsigned long long)cpu_rip(c));
        fault_gp(c);
    }
    trace_msr(c, TP_cpu_msr_read, msr, v);
    c->r[R_AX] = (uint32_t)v;
    c->r[R_DX] = v >> 32;
}

void op_wrmsr(struct cpu *c, const struct insn *i)
{
    const uint32_t msr = (uint32_t)c->r[R_CX];
    const uint64_t v = (uint32_t)c->r[R_AX] | c->r[R_DX] << 32;
    (void)i;
    need_cpl0(c);
    trace_msr(c, TP_cpu_msr_write, msr, v);
    if (c->non_root) {
        vmx_intercept_msr(c, msr, true);
        if (vmx_msr_virtual_write(c, msr, v))
            return;
    }
    if (!msr_write(c, msr, v)) {
        LOG_GUEST("cpu", "wrmsr of MSR %#x value %#llx at rip=%#llx", msr, (unsigned long long)v,
                  (unsigned long long)cpu_rip(c));
        fault_gp(c);
    }
}
