/*
 * CPUID by table (cpu/sys/cpuid.def) plus the leaves that depend on machine and state.
 *
 * Not modelled: cache parameters have no effect; leaf 2 refers to leaf 4; no performance
 * monitoring.
 */
#include <string.h>

#include "cpu/sys/cpuid.h"
#include "cpu/sys/sys_int.h"

enum { EAX, EBX, ECX, EDX };

#define CPUID_BIT(leaf, sub, reg, bit, name, feature) {leaf, sub, reg, bit, name, F_##feature},
#define CPUID_WORD(leaf, sub, reg, value)
const struct cpuid_bit cpuid_bits[] = {
#include "cpu/sys/cpuid.def"
};
#undef CPUID_BIT
#undef CPUID_WORD
const unsigned cpuid_bit_count = sizeof cpuid_bits / sizeof cpuid_bits[0];

static const struct cpuid_word {
    uint32_t leaf, sub, reg, value;
} words[] = {
#define CPUID_BIT(leaf, sub, reg, bit, name, feature)
#define CPUID_WORD(leaf, sub, reg, value) {leaf, sub, reg, value},
#include "cpu/sys/cpuid.def"
#undef CPUID_BIT
#undef CPUID_WORD
};

static const struct cpu_model models[] = {
    {"v2", "x86-64-v2 with VT-x, PCID, SMEP, SMAP, XSAVE, FSGSBASE, x2APIC", 1000000000u},
};

const struct cpu_model *cpu_model_find(const char *name)
{
    for (unsigned n = 0; n < sizeof models / sizeof models[0]; n++) {
        if (!strcmp(models[n].name, name))
            return &models[n];
    }
    return NULL;
}

void cpuid_features(const struct cpu_model *m, uint64_t features[1])
{
    (void)m;
    features[0] = 1ull << F_BASE;
    for (unsigned n = 0; n < cpuid_bit_count; n++)
        features[0] |= 1ull << cpuid_bits[n].feature;
}

static bool has_subleaves(uint32_t leaf)
{
    return leaf == 4 || leaf == 7 || leaf == 0xb || leaf == 0xd;
}

static void add_table(uint32_t leaf, uint32_t sub, uint32_t r[4])
{
    for (unsigned n = 0; n < sizeof words / sizeof words[0]; n++) {
        if (words[n].leaf == leaf && words[n].sub == sub)
            r[words[n].reg] = words[n].value;
    }
    for (unsigned n = 0; n < cpuid_bit_count; n++) {
        const struct cpuid_bit *b = &cpuid_bits[n];
        if (b->leaf == leaf && b->sub == sub)
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
    r[EBX] |= c->index << 24;
    if (c->lp_count > 1) {
        r[EBX] |= (1u << id_bits(c->lp_count)) << 16;
        r[EDX] |= 1u << 28;
    }
    if (c->cr4 & CR4_OSXSAVE)
        r[ECX] |= 1u << 27;
    if (c->apic_ops && c->apic_ops->msr_read(c->apic, MSR_APIC_BASE, &base) &&
        !(base & APIC_BASE_EN))
        r[EDX] &= ~(1u << 9);
}

static void leaf_4(const struct cpu *c, uint32_t sub, uint32_t r[4])
{
    if (sub <= 2 && c->lp_count > 1)
        r[EAX] |= ((1u << id_bits(c->lp_count)) - 1) << 26;
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

void cpuid_query(const struct cpu *c, uint32_t leaf, uint32_t sub, uint32_t r[4])
{
    memset(r, 0, 4 * sizeof *r);
    if (leaf > 0x16 && leaf < 0x80000000u)
        leaf = 0x16; /* beyond the highest basic leaf: that leaf's data */
    if (leaf > 0x80000008u)
        leaf = 0x16;
    add_table(leaf, has_subleaves(leaf) ? sub : 0, r);
    switch (leaf) {
    case 1:
        leaf_1(c, r);
        break;
    case 4:
        leaf_4(c, sub, r);
        break;
    case 0xb:
        leaf_b(c, sub, r);
        break;
    case 0x15:
        r[EAX] = 1;
        r[EBX] = (uint32_t)(c->tsc_hz / CPU_CRYSTAL_HZ);
        r[ECX] = CPU_CRYSTAL_HZ;
        break;
    case 0x16:
        r[EAX] = r[EBX] = (uint32_t)(c->tsc_hz / 1000000u);
        r[ECX] = 100;
        break;
    case 0x80000001:
        if (!cpu_code64(c))
            r[EDX] &= ~(1u << 11);
        break;
    case 0x80000008:
        r[EAX] = CPU_PHYS_BITS | CPU_LINEAR_BITS << 8;
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
