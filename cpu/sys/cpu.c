/*
 * A logical processor's life: creation, power-on and INIT state (SDM 3A 10.1, table 10-1), derived
 * mode, hash of its state by field table (cpu/cpu_fields.def).
 */
#include <stddef.h>
#include <stdlib.h>

#include "core/dev.h"
#include "cpu/fpu/fpu.h"
#include "cpu/sys/cpuid.h"
#include "cpu/sys/pmu.h"
#include "cpu/sys/sys_int.h"
#include "cpu/timing/timing.h"

static const struct field cpu_fields[] = {
#define CPU_FIELD(name, member, size, count, help) \
    {name, offsetof(struct cpu, member), size, count, 0, help},
#define CPU_FIELD_EXT(...)
#include "cpu/cpu_fields.def"
#undef CPU_FIELD
#undef CPU_FIELD_EXT
    FIELD_END,
};

static const struct field cpu_ext_fields[] = {
#define CPU_FIELD(...)
#define CPU_FIELD_EXT(name, member, size, count, reset, help) \
    {name, offsetof(struct cpu, member), size, count, reset, help},
#include "cpu/cpu_fields.def"
#undef CPU_FIELD
#undef CPU_FIELD_EXT
    FIELD_END,
};

struct cpu *cpu_new(uint32_t index, const struct cpu_model *model)
{
    struct cpu *c = aligned_alloc(64, (sizeof *c + 63) / 64 * 64);
    if (!c)
        return NULL;
    memset(c, 0, sizeof *c);
    c->index = index;
    c->lp_count = 1;
    c->model = model;
    c->tsc_hz = model->tsc_hz;
    c->apic_page = UINT64_MAX;
    c->delivering = -1;
    cpuid_features(model, c->features);
    if (!mmu_new(c) || !(c->vmx = vmx_new(c))) {
        cpu_free(c);
        return NULL;
    }
    return c;
}

void cpu_free(struct cpu *c)
{
    if (!c)
        return;
    vmx_free(c->vmx);
    mmu_free(c->mmu);
    timing_free(c->timing);
    free(c);
}

static void reset_segments(struct cpu *c)
{
    for (unsigned n = 0; n < 6; n++)
        c->seg[n] = (struct seg){.limit = 0xffff, .attr = SA_P | SA_S | SA_RW | SA_ACCESSED};
    c->seg[SEG_CS] = (struct seg){.base = 0xffff0000,
                                  .limit = 0xffff,
                                  .attr = SA_P | SA_S | SA_CODE | SA_RW | SA_ACCESSED,
                                  .sel = 0xf000};
    c->seg[SEG_LDTR] = (struct seg){.limit = 0xffff, .attr = SA_P | ST_LDT};
    c->seg[SEG_TR] = (struct seg){.limit = 0xffff, .attr = SA_P | ST_TSS_BUSY};
    c->gdtr = c->idtr = (struct dtable){.limit = 0xffff};
}

/* EDX after reset (SDM 3A 10.1.2) */
static uint32_t signature(const struct cpu *c)
{
    uint32_t r[4];
    cpuid_query(c, 1, 0, r);
    return r[0];
}

/* What reset and INIT have in common. */
static void reset_common(struct cpu *c)
{
    memset(c->r, 0, sizeof c->r);
    c->r[R_8K] = 8192;
    c->r[R_DX] = signature(c);
    c->rip = 0xfff0;
    c->cpl = 0;
    c->shadow = 0;
    c->nmi_masked = false;
    c->delivering = -1;
    c->pending_db = 0;
    c->attn &= ATTN_DEBUG | ATTN_STOP;
    reset_segments(c);
    c->cr2 = c->cr3 = c->cr4 = c->efer = 0;
    memset(c->dr, 0, sizeof c->dr);
    c->dr[6] = DR6_FIXED1;
    c->dr[7] = DR7_FIXED1;
    c->sysenter_cs = c->sysenter_esp = c->sysenter_eip = 0;
    c->star = c->lstar = c->cstar = c->sfmask = c->kernel_gs_base = c->tsc_aux = 0;
    c->debugctl = 0;
    c->mon_line = UINT64_MAX;
    c->activity = c->index == 0 ? CPU_ACTIVE : CPU_WAIT_SIPI;
    c->eflags = FL_FIXED1;
    lf_from_flags(0, &c->lf_res, &c->lf_aux);
    mmu_watch_changed(c);
    mmu_flush_all(c);
    cpu_update_mode(c);
}

void cpu_set_a20(struct cpu *c, bool open)
{
    if (c->a20_closed == !open)
        return;
    c->a20_closed = !open;
    mmu_memory_changed(c);
}

void cpu_reset(struct cpu *c)
{
    cpu_set_a20(c, true);
    c->ferr = c->ignne = false;
    c->non_root = c->vmx_on = false;
    c->cr0 = CR0_CD | CR0_NW | CR0_ET;
    c->xcr0 = 1;
    fpu_reset(c);
    memset(c->xmm, 0, sizeof c->xmm);
    c->pat = 0x0007040600070406ull;
    c->xss = c->spec_ctrl = c->mcg_status = c->feature_control = 0;
    c->misc_enable = 0x1801 | (cpu_has(c, F_MONITOR) ? MISC_ENABLE_MONITOR : 0) |
                     (cpu_has(c, F_PMU) ? MISC_ENABLE_PERFMON : 0);
    c->mtrr_def = 0;
    memset(c->mtrr_fix, 0, sizeof c->mtrr_fix);
    memset(c->mtrr_base, 0, sizeof c->mtrr_base);
    memset(c->mtrr_mask, 0, sizeof c->mtrr_mask);
    c->tsc_adjust = 0;
    c->tsc_offset = 0;
    if (c->clock)
        c->tsc_offset = -(int64_t)cpu_tsc(c);
    c->sipi_vector = 0;
    fields_reset(c, cpu_ext_fields);
    if (c->timing)
        timing_reset(c->timing);
    vmx_reset(c);
    pmu_reset(c);
    reset_common(c);
    c->attn &= ~(uint32_t)ATTN_INTR;
}

void cpu_init_signal(struct cpu *c)
{
    const uint32_t intr = c->attn & (ATTN_INTR | ATTN_SIPI); /* INIT and SIPI may come together */
    c->cr0 = (c->cr0 & (CR0_CD | CR0_NW)) | CR0_ET;
    reset_common(c);
    c->attn |= intr;
    if (c->apic_ops && c->apic_ops->init)
        c->apic_ops->init(c->apic);
}

static bool seg_is_flat(const struct seg *s, uint32_t need, uint32_t bad)
{
    return s->base == 0 && s->limit == 0xffffffffu && (s->attr & need) == need &&
           !(s->attr & (bad | SA_UNUSABLE));
}

static bool is_flat(const struct cpu *c)
{
    return seg_is_flat(&c->seg[SEG_DS], SA_RW, SA_CODE | SA_EXPDN) &&
           seg_is_flat(&c->seg[SEG_ES], SA_RW, SA_CODE | SA_EXPDN) &&
           seg_is_flat(&c->seg[SEG_SS], SA_RW, SA_CODE | SA_EXPDN) &&
           seg_is_flat(&c->seg[SEG_CS], SA_RW, 0);
}

void cpu_update_mode(struct cpu *c)
{
    uint32_t mode = c->mode & MODE_DEBUG;
    if (c->pmu_on)
        pmu_level_changed(c);
    const uint32_t cs = c->seg[SEG_CS].attr;
    if ((c->efer & EFER_LMA) && (cs & SA_L))
        mode |= MODE_CODE64 | MODE_FLAT;
    else if (cs & SA_DB)
        mode |= MODE_CODE32;
    if (!(mode & MODE_CODE64) && (c->seg[SEG_SS].attr & SA_DB))
        mode |= MODE_STACK32; /* in 64-bit mode it would only make a second copy of each block */
    if (!(mode & MODE_FLAT) && is_flat(c))
        mode |= MODE_FLAT;
    if ((c->cr0 & CR0_PE) && !cpu_vm86(c))
        mode |= MODE_PROT;
    if (c->cpl == 3)
        mode |= MODE_USER;
    if (c->non_root)
        mode |= MODE_VMX;
    if (c->pmu.branch_mask)
        mode |= MODE_COUNT;
    c->mode = mode;
    mmu_update_ctx(c);
}

uint64_t cpu_hash(const struct cpu *c, uint64_t seed)
{
    const uint64_t extra[3] = {
        cpu_rflags(c), c->attn & (ATTN_NMI | ATTN_INIT | ATTN_SIPI | ATTN_INTR), cpu_icount(c)};
    if (c->pmu_on)
        pmu_sync((struct cpu *)c); /* the same counters, brought up to date */
    uint64_t h = fields_hash(c, cpu_fields, seed ^ c->index);
    h = fields_hash_changed(c, cpu_ext_fields, h);
    for (unsigned n = 0; n < 3; n++)
        h = (h ^ extra[n]) * 0x9e3779b97f4a7c15ull;
    if (c->timing)
        h = timing_hash(c->timing, h);
    return vmx_hash(c, h);
}
