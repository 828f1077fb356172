/*
 * Control registers, EFER and debug registers: checks, side effects (SDM 3A 2.5, 4.1, 4.10.4.1; 3B
 * 17.2).
 */
#include "cpu/sys/sys_int.h"

#define CR0_DEFINED                                                                            \
    (CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | \
     CR0_PG)

/* Bits of CR4 that come with a feature. */
static const struct {
    uint32_t bit;
    uint8_t feature;
} cr4_bits[] = {
    {CR4_TSD, F_FIXED},      {CR4_DE, F_DE},     {CR4_PSE, F_PSE},           {CR4_PAE, F_FIXED},
    {CR4_MCE, F_MCE},        {CR4_PGE, F_PGE},   {CR4_PCE, F_FIXED},         {CR4_OSFXSR, F_FXSR},
    {CR4_OSXMMEXCPT, F_SSE}, {CR4_VMXE, F_VMX},  {CR4_FSGSBASE, F_FSGSBASE}, {CR4_PCIDE, F_PCID},
    {CR4_OSXSAVE, F_XSAVE},  {CR4_UMIP, F_UMIP}, {CR4_LA57, F_LA57},         {CR4_PKE, F_PKU},
    {CR4_SMEP, F_SMEP},      {CR4_SMAP, F_SMAP},
};

uint64_t cr4_valid(const struct cpu *c)
{
    uint64_t m = 0;
    for (unsigned n = 0; n < sizeof cr4_bits / sizeof cr4_bits[0]; n++)
        m |= cpu_has(c, cr4_bits[n].feature) ? cr4_bits[n].bit : 0;
    return m;
}

uint64_t efer_valid(const struct cpu *c)
{
    return (cpu_has(c, F_SYSCALL) ? EFER_SCE : 0u) | (cpu_has(c, F_LM) ? EFER_LME | EFER_LMA : 0u) |
           (cpu_has(c, F_NX) ? EFER_NXE : 0u);
}

static bool is_pae(uint64_t cr0, uint64_t cr4, uint64_t efer)
{
    return (cr0 & CR0_PG) && (cr4 & CR4_PAE) && !(efer & EFER_LME);
}

static void load_pdptes(struct cpu *c, uint64_t cr3)
{
    uint64_t pdpte[4];
    if (!mmu_load_pdptes(c, cr3, pdpte))
        fault_gp(c);
    memcpy(c->pdpte, pdpte, sizeof pdpte);
}

void cr0_set(struct cpu *c, uint64_t v)
{
    const uint64_t old = c->cr0;
    c->cr0 = (v & CR0_DEFINED) | CR0_ET;
    if ((old ^ c->cr0) & CR0_PG) {
        if (c->efer & EFER_LME)
            c->efer = (c->efer & ~(uint64_t)EFER_LMA) | (c->cr0 & CR0_PG ? EFER_LMA : 0);
        mmu_flush_guest(c);
    }
    if (((old ^ c->cr0) & CR0_PE) && !(c->cr0 & CR0_PE))
        c->cpl = 0;
    cpu_update_mode(c);
}

static void cr0_write(struct cpu *c, uint64_t v)
{
    const uint64_t old = c->cr0;
    if (v >> 32 || ((v & CR0_PG) && !(v & CR0_PE)) || ((v & CR0_NW) && !(v & CR0_CD)))
        fault_gp(c);
    v = (v & CR0_DEFINED) | CR0_ET;
    if (c->vmx_on && !vmx_cr0_legal(c, v))
        fault_gp(c);
    if ((v & CR0_PG) && !(old & CR0_PG) && (c->efer & EFER_LME)) {
        if (!(c->cr4 & CR4_PAE) || (c->seg[SEG_CS].attr & SA_L) ||
            !(c->seg[SEG_TR].attr & 8)) /* 16-bit TSS */
            fault_gp(c);
    }
    if (!(v & CR0_PG) && (old & CR0_PG) && (cpu_code64(c) || (c->cr4 & CR4_PCIDE)))
        fault_gp(c);
    if (is_pae(v, c->cr4, c->efer) && ((v ^ old) & (CR0_PG | CR0_CD | CR0_NW)))
        load_pdptes(c, c->cr3);
    cr0_set(c, v);
}

static void cr3_write(struct cpu *c, uint64_t v)
{
    bool keep = false;
    if (cpu_code64(c)) {
        if (c->cr4 & CR4_PCIDE) {
            keep = v >> 63;
            v &= ~(1ull << 63);
        }
        if (v >> CPU_PHYS_BITS)
            fault_gp(c);
    } else {
        v = (uint32_t)v;
    }
    if (is_pae(c->cr0, c->cr4, c->efer))
        load_pdptes(c, v);
    c->cr3 = v;
    mmu_cr3_written(c, keep);
}

void cr4_set(struct cpu *c, uint64_t v)
{
    const uint64_t old = c->cr4;
    c->cr4 = v;
    if ((old ^ v) & (CR4_PAE | CR4_PSE | CR4_PGE | CR4_PCIDE | CR4_SMEP | CR4_LA57))
        mmu_flush_guest(c);
    if ((old ^ v) & CR4_PKE)
        mmu_rights_changed(c);
    cpu_update_mode(c);
}

static void cr4_write(struct cpu *c, uint64_t v)
{
    const uint64_t old = c->cr4;
    if (v & ~cr4_valid(c))
        fault_gp(c);
    if (cpu_long_mode(c) && (!(v & CR4_PAE) || ((v ^ old) & CR4_LA57)))
        fault_gp(c);
    if ((v & ~old & CR4_PCIDE) && (!cpu_long_mode(c) || (c->cr3 & 0xfff)))
        fault_gp(c);
    if (c->vmx_on && !vmx_cr4_legal(c, v))
        fault_gp(c);
    if (is_pae(c->cr0, v, c->efer) && ((v ^ old) & (CR4_PAE | CR4_PSE | CR4_PGE | CR4_SMEP)))
        load_pdptes(c, c->cr3);
    cr4_set(c, v);
}

void cr_write(struct cpu *c, unsigned n, uint64_t v)
{
    switch (n) {
    case 0:
        cr0_write(c, v);
        return;
    case 2:
        c->cr2 = v;
        return;
    case 3:
        cr3_write(c, v);
        return;
    case 4:
        cr4_write(c, v);
        return;
    case 8:
        if (v > 15)
            fault_gp(c);
        if (c->apic_ops)
            c->apic_ops->set_cr8(c->apic, (uint8_t)v);
        return;
    default:
        fault_ud(c);
    }
}

uint64_t cr_read(struct cpu *c, unsigned n)
{
    switch (n) {
    case 0:
        return c->cr0;
    case 2:
        return c->cr2;
    case 3:
        return c->cr3;
    case 4:
        return c->cr4;
    case 8:
        return c->apic_ops ? c->apic_ops->get_cr8(c->apic) : 0;
    default:
        fault_ud(c);
    }
}

void efer_set(struct cpu *c, uint64_t v)
{
    c->efer = v;
    cpu_update_mode(c);
}

/* ---- debug registers ---- */

static unsigned dr_number(struct cpu *c, unsigned n)
{
    if (n > 7 || ((n == 4 || n == 5) && (c->cr4 & CR4_DE)))
        fault_ud(c);
    return n == 4 || n == 5 ? n + 2 : n;
}

static void dr_general_detect(struct cpu *c)
{
    if (c->dr[7] & DR7_GD)
        fault_db(c, DR6_BD);
}

uint64_t dr_read(struct cpu *c, unsigned n, unsigned gpr)
{
    n = dr_number(c, n);
    need_cpl0(c);
    if (c->non_root)
        vmx_intercept_dr(c, n, true, gpr);
    dr_general_detect(c);
    return c->dr[n];
}

void dr_write(struct cpu *c, unsigned n, unsigned gpr, uint64_t v)
{
    n = dr_number(c, n);
    need_cpl0(c);
    if (c->non_root)
        vmx_intercept_dr(c, n, false, gpr);
    dr_general_detect(c);
    if (n >= 6 && v >> 32)
        fault_gp(c);
    if (n == 6)
        v = (v & 0xe00f) | DR6_FIXED1;
    else if (n == 7)
        v = (v & 0xffff23ff) | DR7_FIXED1;
    const bool watched = n == 7 || (c->dr[7] & 0xff);
    c->dr[n] = v;
    if (n != 6 && watched)
        mmu_watch_changed(c);
}
