/*
 * Processor models by table (cpu/sys/cpuid.def): what a model has, and models written as text.
 *
 * Not modelled: differences of timing or family between the models; all have the signature of
 * family 6, model 42, or 43 with performance counters (cpuid.c).
 */
#include "cpu/sys/cpuid.h"

#include <errno.h>
#include <string.h>

#include "cpu/sys/sys.h"
#include "lib/err.h"
#include "lib/text.h"

enum { EAX, EBX, ECX, EDX };
#define LEVEL_V2  CPU_LEVEL_V2
#define LEVEL_V3  CPU_LEVEL_V3
#define LEVEL_MAX CPU_LEVEL_MAX

#define CPUID_BIT(leaf, sub, reg, bit, name, feature, level) \
    {leaf, sub, reg, bit, F_##feature, LEVEL_##level, name},
#define CPUID_NEEDS(name, other)
#define CPUID_WORD(leaf, sub, reg, value)
const struct cpuid_bit cpuid_bits[] = {
#include "cpu/sys/cpuid.def"
};
#undef CPUID_BIT
#undef CPUID_NEEDS
const unsigned cpuid_bit_count = sizeof cpuid_bits / sizeof cpuid_bits[0];
_Static_assert(sizeof cpuid_bits / sizeof cpuid_bits[0] <= CPUID_ROW_WORDS * 64, "flip is small");

static const struct need {
    const char *name, *other;
} needs[] = {
#define CPUID_BIT(...)
#define CPUID_NEEDS(name, other) {name, other},
#include "cpu/sys/cpuid.def"
#undef CPUID_BIT
#undef CPUID_NEEDS
#undef CPUID_WORD
};

#define GHZ 1000000000u
const struct cpu_model cpu_models[] = {
    {"v2",
     "x86-64-v2 with VT-x, PCID, SMEP, SMAP, XSAVE, FSGSBASE, x2APIC",
     "Vitrine x86-64-v2",
     GHZ,
     CPU_LEVEL_V2,
     {0}},
    {"v3",
     "v2 and what x86-64-v3 and its companions bring",
     "Vitrine x86-64-v3",
     GHZ,
     CPU_LEVEL_V3,
     {0}},
    {"max", "everything that is modelled", "Vitrine x86-64 max", GHZ, CPU_LEVEL_MAX, {0}},
};
const unsigned cpu_model_count = sizeof cpu_models / sizeof cpu_models[0];

const struct cpu_model *cpu_model_find(const char *name)
{
    for (unsigned n = 0; n < cpu_model_count; n++) {
        if (!strcmp(cpu_models[n].name, name))
            return &cpu_models[n];
    }
    return NULL;
}

bool cpu_model_has(const struct cpu_model *m, unsigned row)
{
    return (cpuid_bits[row].level <= m->level) != (m->flip[row / 64] >> (row % 64) & 1);
}

void cpuid_features(const struct cpu_model *m, uint64_t features[F_WORDS])
{
    memset(features, 0, F_WORDS * sizeof *features);
    features[F_BASE / 64] |= 1ull << F_BASE % 64;
    for (unsigned n = 0; n < cpuid_bit_count; n++) {
        const unsigned f = cpuid_bits[n].feature;
        if (cpu_model_has(m, n))
            features[f / 64] |= 1ull << f % 64;
    }
}

/* ---- models as text ---- */

static int find_row(const char *name)
{
    for (unsigned n = 0; n < cpuid_bit_count; n++) {
        if (!strcmp(cpuid_bits[n].name, name))
            return (int)n;
    }
    return -1;
}

/* Row `row` on or off, and what it needs or what needs it with it. */
static void set_row(struct cpu_model *m, unsigned row, bool on)
{
    const char *const name = cpuid_bits[row].name;
    if (cpu_model_has(m, row) == on)
        return;
    m->flip[row / 64] ^= 1ull << row % 64;
    for (unsigned n = 0; n < sizeof needs / sizeof needs[0]; n++) {
        if (on && !strcmp(needs[n].name, name))
            set_row(m, (unsigned)find_row(needs[n].other), true);
        else if (!on && !strcmp(needs[n].other, name))
            set_row(m, (unsigned)find_row(needs[n].name), false);
    }
}

static const char *model_name(size_t n)
{
    return n < cpu_model_count ? cpu_models[n].name : NULL;
}

static const char *feature_name(size_t n)
{
    return n < cpuid_bit_count ? cpuid_bits[n].name : NULL;
}

static int unknown(const char *what, const char *word, const char *(*get)(size_t), struct err *err)
{
    err_set(err, "E-CLI-008", -EINVAL, "no processor %s \"%s\"", what, word);
    const char *const near = text_nearest(word, get);
    return near ? err_hint(err, "did you mean %s?", near)
                : err_hint(err, "`vitrine info cpu` lists models and features");
}

static int apply_word(struct cpu_model *m, const char *word, struct err *err)
{
    if (*word != '+' && *word != '-') {
        err_set(err, "E-CLI-008", -EINVAL, "processor feature \"%s\" without + or -", word);
        return err_hint(err, "write +%s to add it, -%s to take it away", word, word);
    }
    const int row = find_row(word + 1);
    if (row < 0)
        return unknown("feature", word + 1, feature_name, err);
    if (*word == '-' && cpuid_bits[row].feature == F_FIXED)
        return err_set(err, "E-CLI-008", -EINVAL, "feature %s is part of every model", word + 1);
    set_row(m, (unsigned)row, *word == '+');
    return 0;
}

int cpu_model_parse(const char *text, struct cpu_model *m, struct err *err)
{
    char word[32];
    for (const char *p = text, *end; p; p = *end ? end + 1 : NULL) {
        end = p + strcspn(p, ",");
        const size_t len = (size_t)(end - p);
        memcpy(word, p, len < sizeof word ? len : sizeof word - 1);
        word[len < sizeof word ? len : sizeof word - 1] = 0;
        if (p == text) {
            const struct cpu_model *const base = cpu_model_find(word);
            if (!base)
                return unknown("model", word, model_name, err);
            *m = *base;
        } else if (apply_word(m, word, err)) {
            return -EINVAL;
        }
    }
    return 0;
}
