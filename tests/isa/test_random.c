/*
 * tests/isa/test_random.c: random instructions on the host's processor and on the engine, compared.
 *
 *   test_random [--seed=N] [--count=N] [--rows=TEXT] [--semantic] [--failures=N] [--list] [--page]
 *
 * count 0 runs for ever. --rows takes rows whose mnemonic or semantic name has TEXT in it, or
 * equals it when written =TEXT. --page writes all instructions with their counts as Markdown to
 * standard output, and the verdict to standard error. Without arguments: 500,000 cases through the
 * engine and 100,000 through the semantic functions, seed 1.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/x86.h"
#include "cpu/fpu/fpu.h"
#include "tests/isa/isatest.h"
#include "tests/isa/rng.h"

struct options {
    uint64_t seed, count;
    const char *rows;
    bool semantic, list, page;
    unsigned failures;
};

static const struct differ differs[] = {
#define DIFFER(sem_, mnemonic_, what_, reason_) \
    {.sem = sem_, .mnemonic = mnemonic_, .what = what_, .reason = reason_},
#include "tests/isa/differ.def"
#undef DIFFER
};

static bool is_about(const struct differ *d, const struct isa_row *row)
{
    return (d->sem && !strcmp(d->sem, row->sem_name)) ||
           (d->mnemonic && !strcmp(d->mnemonic, row->mnemonic));
}

unsigned differ_of(const struct isa_row *row)
{
    unsigned what = 0;
    for (unsigned n = 0; n < sizeof differs / sizeof differs[0]; n++) {
        if (is_about(&differs[n], row))
            what |= differs[n].what;
    }
    return what;
}

const char *differ_reason(const struct isa_row *row, unsigned n)
{
    for (unsigned k = 0; k < sizeof differs / sizeof differs[0]; k++) {
        if (is_about(&differs[k], row) && n-- == 0)
            return differs[k].reason;
    }
    return NULL;
}

/* ---- comparison ------------------------------------------------------------------------------ */

static const char *const reg_name[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                         "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};

struct report {
    char text[2048];
    size_t n;
};

__attribute__((format(printf, 2, 3))) static void note(struct report *rep, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    if (rep->n < sizeof rep->text)
        rep->n += (size_t)vsnprintf(rep->text + rep->n, sizeof rep->text - rep->n, fmt, ap);
    va_end(ap);
}

static void hex(char *to, const uint8_t *b, unsigned n)
{
    for (unsigned k = 0; k < n; k++)
        sprintf(to + 2 * k, "%02x", b[n - 1 - k]);
}

static void compare_bytes(struct report *rep, const char *what, const uint8_t *host,
                          const uint8_t *ours, unsigned n)
{
    char a[40], b[40];
    if (!memcmp(host, ours, n))
        return;
    hex(a, host, n);
    hex(b, ours, n);
    note(rep, "    %-8s host %s ours %s\n", what, a, b);
}

/* Distance of two extended values with the same sign and neighbouring exponents. */
static bool close_f80(const uint8_t *a, const uint8_t *b)
{
    uint64_t x, y;
    uint16_t ex, ey;
    memcpy(&x, a, 8);
    memcpy(&y, b, 8);
    memcpy(&ex, a + 8, 2);
    memcpy(&ey, b + 8, 2);
    /* Tiny results: an exponent of 0 is scaled like 1; a trap leaves it 24576 too high. */
    const unsigned sx = ex & 0x8000, sy = ey & 0x8000;
    int kx = ex & 0x7fff, ky = ey & 0x7fff;
    kx += kx == 0;
    ky += ky == 0;
    if (kx - ky > 0x5f00)
        kx -= 0x6000;
    else if (ky - kx > 0x5f00)
        ky -= 0x6000;
    if (sx != sy)
        return false;
    if (kx == ky)
        return (x > y ? x - y : y - x) <= 2;
    return kx - ky == 1 ? y - x * 2 + 4 <= 8 : ky - kx == 1 && x - y * 2 + 4 <= 8;
}

/* Equal but for NaNs, by elements of 32 or, all, of 64 bits. */
static bool nans(const uint8_t *a, const uint8_t *b, unsigned bytes)
{
    bool all32 = true, all64 = true;
    for (unsigned k = 0; k < bytes; k += 4) {
        uint32_t x, y;
        memcpy(&x, a + k, 4);
        memcpy(&y, b + k, 4);
        all32 &= x == y || ((x & 0x7fffffff) > 0x7f800000 && (y & 0x7fffffff) > 0x7f800000);
    }
    for (unsigned k = 0; k < bytes; k += 8) {
        uint64_t x, y;
        memcpy(&x, a + k, 8);
        memcpy(&y, b + k, 8);
        const uint64_t inf = 0x7ff0000000000000ull;
        all64 &= x == y || ((x & ~(1ull << 63)) > inf && (y & ~(1ull << 63)) > inf);
    }
    return all32 || all64;
}

/* One half, xmm or ymmh, of vector register k. */
static void compare_vector(struct report *rep, const char *half, unsigned k, const uint8_t *a,
                           const uint8_t *b, unsigned df)
{
    char name[8];
    sprintf(name, "%s%u", half, k);
    if (!(df & DF_NAN) || !nans(a, b, 16))
        compare_bytes(rep, name, a, b, 16);
}

static void compare_x87(struct report *rep, const struct test_result *h,
                        const struct test_result *o, unsigned df)
{
    uint16_t hs, os;
    memcpy(&hs, h->fx + FX_FSW, 2);
    memcpy(&os, o->fx + FX_FSW, 2);
    const uint16_t free_sw = df & DF_ULP ? 0x82b0 : df & DF_C1 ? 0x0200 : 0;
    os = (uint16_t)((os & ~free_sw) | (hs & free_sw));
    compare_bytes(rep, "fcw", h->fx + FX_FCW, o->fx + FX_FCW, 2);
    compare_bytes(rep, "fsw", (uint8_t *)&hs, (uint8_t *)&os, 2);
    compare_bytes(rep, "ftw", h->fx + FX_FTW, o->fx + FX_FTW, 1);
    compare_bytes(rep, "mxcsr", h->fx + FX_MXCSR, o->fx + FX_MXCSR, 4);
    for (unsigned k = 0; k < 8; k++) {
        char name[8];
        const uint8_t *a = h->fx + FX_ST + 16 * k, *b = o->fx + FX_ST + 16 * k;
        sprintf(name, "st%u", k);
        if (!(df & DF_ULP) || !close_f80(a, b))
            compare_bytes(rep, name, a, b, 10);
    }
}

/* Bytes of a stored environment that differ between vendors. */
static bool env_byte(const struct isa_row *row, unsigned at, bool wide)
{
    if (!strcmp(row->sem_name, "fxsave"))
        return (at >= 6 && at < 24) || (at >= 28 && at < 32);
    return wide ? at >= 12 && at < 28 : at >= 6 && at < 14;
}

static void compare_memory(struct report *rep, const uint8_t *pattern, const struct test_result *h,
                           const struct test_result *o, const struct isa_row *row, unsigned df,
                           bool wide)
{
    const uint8_t *a = h->mem_changed ? h->mem : pattern, *b = o->mem_changed ? o->mem : pattern;
    if (a == b || !memcmp(a, b, DATA_RW))
        return;
    unsigned first = 0, shown = 0;
    if (df & DF_FX_MEM) {
        while (first < DATA_RW && b[first] == pattern[first] && a[first] == pattern[first])
            first++;
    }
    for (unsigned k = first; k < DATA_RW && shown < 16; k++) {
        if (a[k] == b[k] || ((df & DF_FX_MEM) && env_byte(row, k - first, wide)))
            continue;
        note(rep, "    [%llx]  host %02x ours %02x was %02x\n", (unsigned long long)(DATA_VA + k),
             a[k], b[k], pattern[k]);
        shown++;
    }
}

/* spare: a bit for each half that is not compared, XMM0 the lowest, the upper ones from bit 16. */
static void compare_vectors(struct report *rep, const struct test_result *h,
                            const struct test_result *o, unsigned df, uint32_t spare)
{
    for (unsigned k = 0; k < 16; k++) {
        const unsigned at = FX_XMM + 16 * k;
        if (!(spare >> k & 1))
            compare_vector(rep, "xmm", k, h->fx + at, o->fx + at, df);
        if (!(spare >> (16 + k) & 1))
            compare_vector(rep, "ymmh", k, h->ymm[k], o->ymm[k], df);
    }
}

static void compare(struct report *rep, const struct test_case *t, const uint8_t *pattern,
                    const struct test_result *h, const struct test_result *o,
                    const struct isa_row *row, const struct insn *i)
{
    const unsigned df = row ? differ_of(row) : 0;
    if (h->vec != o->vec)
        note(rep, "    vector   host %d (error %x, cr2 %llx) ours %d (error %x, cr2 %llx)\n",
             h->vec, h->err, (unsigned long long)h->cr2, o->vec, o->err,
             (unsigned long long)o->cr2);
    const bool fault = h->vec != VEC_NONE;
    if (fault && h->vec == o->vec) {
        const uint32_t free_bits = h->vec == 14 && h->cr2 >> 40 >= 0x7f
                                       ? 1
                                       : 0; /* the kernel's: P is its own */
        if (((h->err ^ o->err) & ~free_bits) && !(df & DF_FAULT) &&
            (h->vec == 14 || h->vec == 13 || h->vec == 12))
            note(rep, "    error    host %x ours %x\n", h->err, o->err);
        const bool wrapped = (df & DF_WRAP) && !((h->cr2 ^ o->cr2) & 0xffffffff);
        if (h->cr2 != o->cr2 && !(df & DF_FAULT) && !wrapped)
            note(rep, "    cr2      host %llx ours %llx\n", (unsigned long long)h->cr2,
                 (unsigned long long)o->cr2);
    }
    if (h->rip != o->rip)
        note(rep, "    rip      host %llx ours %llx\n", (unsigned long long)h->rip,
             (unsigned long long)o->rip);
    const bool narrow = (df & DF_FAULT_HIGH) && (fault || !(uint32_t)t->r[1]) &&
                        (i->flags & INSN_A32);
    const uint32_t low = narrow ? 1u << 1 | 1u << 6 | 1u << 7 : 0;
    for (unsigned n = 0; n < 16; n++) {
        const bool same = low >> n & 1 ? (uint32_t)h->r[n] == (uint32_t)o->r[n]
                                       : h->r[n] == o->r[n];
        if (!same)
            note(rep, "    %-8s host %016llx ours %016llx was %016llx\n", reg_name[n],
                 (unsigned long long)h->r[n], (unsigned long long)o->r[n],
                 (unsigned long long)t->r[n]);
    }
    const bool stale = fault && (t->insns > 1 || (df & DF_FAULT_FLAGS));
    const uint64_t undefined = row && (!fault || stale) ? t->undefined | (stale ? FL_ARITH : 0) : 0;
    const uint64_t diff = (h->flags ^ o->flags) & (FL_ARITH | FL_DF | FL_AC | FL_NT | FL_ID) &
                          ~undefined;
    if (diff)
        note(rep, "    flags    host %llx ours %llx was %llx differ %llx\n",
             (unsigned long long)h->flags, (unsigned long long)o->flags,
             (unsigned long long)t->flags, (unsigned long long)diff);
    const bool mem = t->target != 0;
    if (!((df & (DF_FAULT | DF_FAULT_FPU)) && fault) && !((df & DF_MEM_X87) && mem))
        compare_x87(rep, h, o, df);
    compare_vectors(rep, h, o, df,
                    (df & DF_FAULT_MASK) && fault ? 0x10001u << VEX_V(i->aux) | 0x10000u << i->d
                                                  : 0);
    bool wide = true;
    for (unsigned k = 0; k < t->len && t->code[k] < 0xd8; k++)
        wide &= t->code[k] != 0x66 || (t->len > k + 1 && (t->code[k + 1] & 0xf8) == 0x48);
    if (!((df & DF_FAULT) && fault))
        compare_memory(rep, pattern, h, o, row, df, wide);
}

static void print_case(const struct test_case *t, const struct isa_row *row, uint64_t number)
{
    printf("case %llu: %s (%s):", (unsigned long long)number, row ? row->mnemonic : "(bad)",
           row ? row->sem_name : "-");
    for (unsigned k = 0; k < t->len; k++)
        printf(" %02x", t->code[k]);
    uint16_t cw, sw;
    uint32_t mxcsr;
    memcpy(&cw, t->fx + FX_FCW, 2);
    memcpy(&sw, t->fx + FX_FSW, 2);
    memcpy(&mxcsr, t->fx + FX_MXCSR, 4);
    printf("\n    before: rip %llx flags %llx mxcsr %x fcw %x fsw %x ftw %x\n",
           (unsigned long long)t->rip, (unsigned long long)t->flags, mxcsr, cw, sw, t->fx[FX_FTW]);
    char b[40];
    hex(b, t->fx + FX_ST, 10);
    printf("    st0 %s", b);
    hex(b, t->fx + FX_ST + 16, 10);
    printf(" st1 %s\n", b);
    for (unsigned n = 0; n < 16; n++)
        printf("    %s %016llx%s", reg_name[n], (unsigned long long)t->r[n],
               n % 4 == 3 ? "\n" : "");
    if (row && row->feature >= F_SSE && row->feature <= F_F16C && t->len >= 2) {
        const unsigned modrm = t->code[t->len - 1];
        for (unsigned k = 0; k < 16; k++) {
            if (!row->vex && (k & 7) != (modrm & 7) && (k & 7) != (modrm >> 3 & 7))
                continue;
            hex(b, t->fx + FX_XMM + 16 * k, 16);
            printf("    xmm%u %s\n", k, b);
            if (row->vex) {
                hex(b, t->ymm[k], 16);
                printf("    ymmh%u %s\n", k, b);
            }
        }
    }
}

/* Operands for which the result is the vendor's. */
static bool is_free(const struct isa_row *row, const struct insn *i, const struct test_case *t,
                    const struct test_result *h, const struct test_result *o)
{
    const unsigned df = row ? differ_of(row) : 0;
    if ((df & DF_ZERO_SRC) && h->vec == VEC_NONE && (h->flags & FL_ZF))
        return true;
    if ((df & DF_ORDER) && h->vec != VEC_NONE && o->vec != VEC_NONE &&
        (h->vec != o->vec || (h->cr2 != o->cr2 && (uint32_t)h->r[1] == (uint32_t)o->r[1])))
        return true;
    if (i->seg == SEG_GS && h->vec == 13 && o->vec == 14)
        return true; /* AMD wants the offset canonical too, not only the linear address */
    if ((df & DF_MXCSR) && h->vec == VEC_NONE && o->vec == 13)
        return true;
    if ((df & DF_LOAD16) && i->osize == 2 && h->vec == 14)
        return true;
    if ((df & DF_MASKED) && (h->vec != VEC_NONE || o->vec != VEC_NONE))
        return true;
    if ((df & DF_MEM_X87) && o->vec == 16)
        return true;
    if ((df & DF_NO_STORE) && h->vec == VEC_NONE && o->vec != VEC_NONE &&
        (h->fx[FX_FSW] & 0x80)) /* FSW.ES */
        return true;
    /* alignment against canonical form: AMD finds the former first */
    if (row && (row->attrs & A_ALIGN16) && h->vec == 13 && o->vec == 12)
        return true;
    const unsigned count = row && row->op[2] == OP_CL ? (unsigned)t->r[1] : (unsigned)i->imm;
    return (df & DF_COUNT) && i->osize == 2 && (count & 31) > 16;
}

/* ---- runs ------------------------------------------------------------------------------------ */

static bool row_wanted(const struct isa_row *row, const char *filter)
{
    if (!filter)
        return true;
    if (*filter == '=')
        return !strcmp(row->mnemonic, filter + 1) || !strcmp(row->sem_name, filter + 1);
    return strstr(row->mnemonic, filter) || strstr(row->sem_name, filter);
}

/* One line for each feature that keeps rows from being tested. */
static void report_missing(const char *filter)
{
    for (unsigned f = 0; f < F_COUNT; f++) {
        unsigned n = 0;
        const char *first = NULL;
        for (unsigned k = 0; k < isa_row_count && !native_has(f); k++) {
            const struct isa_row *r = &isa_rows[k];
            if (r->feature == f && row_wanted(r, filter) && !n++)
                first = r->mnemonic;
        }
        if (n)
            printf("skip %u rows like %s: the host's processor has no such instructions\n", n,
                   first);
    }
}

static unsigned choose_rows(const struct options *o, uint32_t *rows)
{
    unsigned n = 0;
    for (unsigned k = 0; k < isa_row_count; k++) {
        if (gen_usable(&isa_rows[k]) && native_has(isa_rows[k].feature) &&
            row_wanted(&isa_rows[k], o->rows))
            rows[n++] = k;
    }
    return n;
}

static void fill_batch(struct shared *s, struct engine_side *e, const struct options *o,
                       const uint32_t *rows, unsigned row_count, uint64_t *number,
                       uint64_t *numbers)
{
    gen_pattern(o->seed ^ *number * 0x632be59bd9b4e019ull, s->pattern);
    engine_side_batch(e, s->pattern);
    s->count = 0;
    while (s->count < BATCH) {
        struct test_case *t = &s->cases[s->count];
        const uint64_t k = (*number)++;
        struct insn i;
        if (!gen_case(o->seed, k, s->pattern, rows[k % row_count], t))
            continue;
        /* prefixes may have made it another row: that one must be usable too */
        const struct isa_row *row = engine_side_decode(e, t, &i);
        if (row && (!gen_usable(row) || !native_has(row->feature)))
            continue;
        if (row)
            gen_chain(o->seed, k, rows, row_count, row, t);
        numbers[s->count++] = k;
    }
}

/* Is the difference still there when the host runs the case once more, alone? Code is written just
 * before it runs; under a hypervisor the host has been seen to execute stale bytes, once in
 * millions. */
static bool differs_again(struct shared *s, const struct test_case *t,
                          const struct test_result *ours, const struct isa_row *row,
                          const struct insn *i)
{
    static struct test_case first_case;
    static struct test_result first_result;
    const uint32_t count = s->count;
    const struct test_case again = *t;
    first_case = s->cases[0];
    first_result = s->results[0];
    s->cases[0] = again;
    s->count = 1;
    struct report rep = {.n = 0};
    if (native_run(s))
        compare(&rep, &again, s->pattern, &s->results[0], ours, row, i);
    else
        note(&rep, "the host's side died");
    s->cases[0] = first_case;
    s->results[0] = first_result;
    s->count = count;
    return rep.n != 0;
}

/* Under AddressSanitizer the cases run on our side alone: its own memory lies in the host process
 * where cases expect none. */
#if defined(VITRINE_SANITIZE)
enum { COMPARED = false };
#else
enum { COMPARED = true };
#endif

static int run(const struct options *o, const char *name)
{
    static uint32_t rows[8192];
    static uint64_t numbers[BATCH];
    static struct test_result ours;
    const unsigned row_count = choose_rows(o, rows);
    struct shared *s = native_start();
    struct engine_side *e = engine_side_new(o->semantic);
    uint64_t done = 0, number = 0;
    unsigned failures = 0, unsteady = 0;
    while (row_count && s && (o->count == 0 || done < o->count) && failures < o->failures) {
        fill_batch(s, e, o, rows, row_count, &number, numbers);
        if (COMPARED && !native_run(s)) {
            printf("the host's side died\n");
            print_case(&s->cases[s->at ? s->at - 1 : 0], &isa_rows[s->cases[s->at].row], s->at);
            failures++;
            break;
        }
        for (unsigned k = 0; k < s->count && failures < o->failures; k++, done++) {
            const struct test_case *t = &s->cases[k];
            struct insn i;
            const struct isa_row *row = engine_side_decode(e, t, &i);
            struct report rep = {.n = 0};
            if (row)
                page_count(row);
            engine_side_run(e, t, &ours);
            if (COMPARED && !is_free(row, &i, t, &s->results[k], &ours))
                compare(&rep, t, s->pattern, &s->results[k], &ours, row, &i);
            if (rep.n && !differs_again(s, t, &ours, row, &i)) {
                unsteady++;
            } else if (rep.n) {
                print_case(t, row, numbers[k]);
                printf("%s", rep.text);
                failures++;
            }
        }
    }
    engine_side_free(e);
    native_stop();
    /* the host's flukes are rare; more of them would be a fault of the test or of the engine */
    const bool failed = failures || !row_count || unsteady > 3 + done / 100000;
    FILE *const out = o->page ? stderr : stdout;
    fprintf(out, "%s %s: %llu cases of %u rows, %u differ", failed ? "not ok" : "ok", name,
            (unsigned long long)done, row_count, failures);
    if (!COMPARED)
        fprintf(out, " (sanitizer build: not compared with the host)");
    if (unsteady)
        fprintf(out, ", %u differed once and not again", unsteady);
    fprintf(out, "\n");
    if (o->page && !failed)
        page_write(done, o->seed);
    return failed;
}

static void list_rows(const struct options *o)
{
    for (unsigned k = 0; k < isa_row_count; k++) {
        const struct isa_row *r = &isa_rows[k];
        if (row_wanted(r, o->rows))
            printf("%-12s %-14s %s\n", r->mnemonic, r->sem_name,
                   gen_usable(r)            ? "tested"
                   : r->attrs & A_I64       ? "not in 64-bit mode"
                   : differ_of(r) & DF_SKIP ? "host differs"
                                            : "system or host-dependent");
    }
    for (unsigned n = 0; n < sizeof differs / sizeof differs[0]; n++)
        printf("differs: %s: %s\n", differs[n].sem ? differs[n].sem : differs[n].mnemonic,
               differs[n].reason);
}

static bool parse(struct options *o, int argc, char **argv)
{
    for (int k = 1; k < argc; k++) {
        const char *a = argv[k];
        if (!strncmp(a, "--seed=", 7))
            o->seed = strtoull(a + 7, NULL, 0);
        else if (!strncmp(a, "--count=", 8))
            o->count = strtoull(a + 8, NULL, 0);
        else if (!strncmp(a, "--rows=", 7))
            o->rows = a + 7;
        else if (!strncmp(a, "--failures=", 11))
            o->failures = (unsigned)strtoul(a + 11, NULL, 0);
        else if (!strcmp(a, "--semantic"))
            o->semantic = true;
        else if (!strcmp(a, "--page"))
            o->page = true;
        else if (!strcmp(a, "--list"))
            o->list = true;
        else
            return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    struct options o = {.seed = 1, .count = 500000, .failures = 10};
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!parse(&o, argc, argv)) {
        fprintf(stderr, "usage: test_random [--seed=N] [--count=N] [--rows=TEXT] [--semantic] "
                        "[--failures=N] [--list] [--page]\n");
        return 2;
    }
    if (o.list) {
        list_rows(&o);
        return 0;
    }
    if (native_missing()) {
        printf("skip random instructions: %s\n", native_missing());
        return 0;
    }
    if (!o.page)
        report_missing(o.rows);
    if (argc > 1)
        return run(&o, o.semantic ? "random semantics" : "random instructions");
    int rc = run(&o, "random instructions");
    o.semantic = true;
    o.count = 100000;
    rc |= run(&o, "random semantics");
    return rc;
}
