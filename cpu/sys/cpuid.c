/*
 * CPUID by table (cpu/sys/cpuid.def) plus the leaves that depend on machine and state.
 *
 * Not modelled: cache parameters have no effect; leaf 2 refers to leaf 4.
 */
#include <string.h>

#include "cpu/sys/cpuid.h"
#include "cpu/sys/pmu.h"
#include "cpu/sys/sys_int.h"
#include "cpu/sys/xsave.h"
#include "cpu/timing/timing.h"

enum { EAX, EBX, ECX, EDX };

/* Family 6, model 2BH, which Intel has given to no processor. Software that finds performance
 * counters in a model it knows also uses events and last-branch records of that model by number,
 * without asking; in an unknown one it keeps to what leaf 10 announces. */
#define SIGNATURE_PMU 0x000206b0u

static const struct cpuid_word {
    uint32_t leaf, sub, reg, value;
} words[] = {
#define CPUID_BIT(...)
#define CPUID_NEEDS(...)
#define CPUID_WORD(leaf, sub, reg, value) {leaf, sub, reg, value},
#include "cpu/sys/cpuid.def"
#undef CPUID_BIT
#undef CPUID_NEEDS
#undef CPUID_WORD
};

static bool has_subleaves(uint32_t leaf)
{
    return leaf == 4 || leaf == 7 || leaf == 0xb || leaf == 0xd;
}

static void add_table(const struct cpu *c, uint32_t leaf, uint32_t sub, uint32_t r[4])
{
    for (unsigned n = 0; n < sizeof words / sizeof words[0]; n++) {
        if (words[n].leaf == leaf && words[n].sub == sub)
            r[words[n].reg] = words[n].value;
    }
    for (unsigned n = 0; n < cpuid_bit_count; n++) {
        const struct cpuid_bit *b = &cpuid_bits[n];
        if (b->leaf == leaf && b->sub == sub && cpu_model_has(c->model, n))
            r[b->reg] |= 1u << b->bit;
    }
}

/* Smallest shift that makes room for n ids. */
static unsigned id_bits(uint32_t n)
{
    unsigned bits = 0;
    while (1u << bits < n)
        bits++;
    return bits;
}

static void leaf_1(const struct cpu *c, uint32_t r[4])
{
    uint64_t base;
    if (cpu_has(c, F_PMU))
        r[EAX] = SIGNATURE_PMU;
    r[EBX] |= c->index << 24;
    if (c->lp_count > 1) {
        r[EBX] |= (1u << id_bits(c->lp_count)) << 16;
        r[EDX] |= 1u << 28;
    }
    if (c->cr4 & CR4_OSXSAVE)
        r[ECX] |= 1u << 27;
    if (!(c->misc_enable & MISC_ENABLE_MONITOR))
        r[ECX] &= ~(1u << 3);
    if (c->apic_ops && c->apic_ops->msr_read(c->apic, MSR_APIC_BASE, &base) &&
        !(base & APIC_BASE_EN))
        r[EDX] &= ~(1u << 9);
}

static void leaf_4(const struct cpu *c, uint32_t sub, uint32_t r[4])
{
    const unsigned others = (1u << id_bits(c->lp_count)) - 1;
    if (c->timing && sub == 3) { /* the L3 of the cycle model */
        r[EAX] = 0x163 | others << 14;
        r[EBX] = (TIMING_L3_WAYS - 1) << 22 | 63;
        r[ECX] = TIMING_L3_SETS - 1;
    }
    if (c->lp_count > 1 && (r[EAX] & 0x1f))
        r[EAX] |= others << 26;
}

/* Levels: one thread a core; all cores in one package. */
static void leaf_b(const struct cpu *c, uint32_t sub, uint32_t r[4])
{
    r[ECX] = sub & 0xff;
    r[EDX] = c->index;
    if (sub == 0) {
        r[EBX] = 1;
        r[ECX] |= 1 << 8;
    } else if (sub == 1) {
        r[EAX] = id_bits(c->lp_count);
        r[EBX] = c->lp_count;
        r[ECX] |= 2 << 8;
    }
}

/* 48 bytes of name in three leaves. */
static void leaf_brand(const struct cpu *c, uint32_t leaf, uint32_t r[4])
{
    char text[48] = {0};
    strncpy(text, c->model->brand, sizeof text - 1);
    memcpy(r, text + (leaf - 0x80000002u) * 16, 16);
}

/* MONITOR and MWAIT: lines of 64 bytes; interrupts may end a wait with IF = 0; one C1. */
static void leaf_5(const struct cpu *c, uint32_t r[4])
{
    if (!cpu_has(c, F_MONITOR))
        return;
    r[EAX] = r[EBX] = 64;
    r[ECX] = 3;
    r[EDX] = 0x10;
}

void cpuid_query(const struct cpu *c, uint32_t leaf, uint32_t sub, uint32_t r[4])
{
    memset(r, 0, 4 * sizeof *r);
    if (leaf > 0x16 && leaf < 0x80000000u)
        leaf = 0x16; /* beyond the highest basic leaf: that leaf's data */
    if (leaf > 0x80000008u)
        leaf = 0x16;
    add_table(c, leaf, has_subleaves(leaf) ? sub : 0, r);
    switch (leaf) {
    case 1:
        leaf_1(c, r);
        break;
    case 4:
        leaf_4(c, sub, r);
        break;
    case 5:
        leaf_5(c, r);
        break;
    case 7:
        if (sub == 0 && (c->cr4 & CR4_PKE))
            r[ECX] |= 1u << 4; /* OSPKE */
        break;
    case 0xa:
        if (cpu_has(c, F_PMU))
            pmu_cpuid(c, r);
        break;
    case 0xb:
        leaf_b(c, sub, r);
        break;
    case 0xd:
        if (cpu_has(c, F_XSAVE))
            xsave_cpuid(c, sub, r);
        break;
    case 0x15:
        r[EAX] = 1;
        r[EBX] = (uint32_t)(c->tsc_hz / CPU_CRYSTAL_HZ);
        r[ECX] = CPU_CRYSTAL_HZ;
        break;
    case 0x16:
        r[EAX] = r[EBX] = (uint32_t)(c->tsc_hz / 1000000u);
        if (c->timing)
            r[EBX] = TIMING_CYCLES_PER_NS * 1000;
        r[ECX] = 100;
        break;
    case 0x80000001:
        if (!cpu_code64(c))
            r[EDX] &= ~(1u << 11);
        break;
    case 0x80000002:
    case 0x80000003:
    case 0x80000004:
        leaf_brand(c, leaf, r);
        break;
    case 0x80000008:
        r[EAX] = CPU_PHYS_BITS | (cpu_has(c, F_LA57) ? 57u : CPU_LINEAR_BITS) << 8;
        break;
    default:
        break;
    }
}

void op_cpuid(struct cpu *c, const struct insn *i)
{
    uint32_t r[4];
    (void)i;
    if (c->non_root)
        vmx_intercept_insn(c, VMX_EXIT_CPUID, 0);
    cpuid_query(c, (uint32_t)c->r[R_AX], (uint32_t)c->r[R_CX], r);
    c->r[R_AX] = r[EAX];
    c->r[R_BX] = r[EBX];
    c->r[R_CX] = r[ECX];
    c->r[R_DX] = r[EDX];
}
