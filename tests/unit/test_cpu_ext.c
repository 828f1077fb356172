/* Processor models, and the system extensions that models other than the default one have. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/sys/cpuid.h"
#include "lib/err.h"
#include "tests/lib/rig.h"
#include "tests/lib/suite.h"

static struct rig r;

#define CODE     0x10000ull
#define STACK    0x9000ull
#define IDT      0x20000ull
#define HANDLERS 0x30000ull /* 16 bytes a vector */

static void put(uint64_t at, const void *bytes, unsigned len)
{
    ram_write(r.ram, hpa(at), bytes, len);
}
#define PUT(at, ...) put(at, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

/* 64-bit mode, memory one to one, each vector's handler a HLT in its own place. */
static struct cpu *start(const char *model)
{
    static const uint64_t gdt[] = {0, 0x00af9b000000ffff, 0x00cf93000000ffff};
    if (r.c)
        rig_free(&r);
    r = rig_new_cpu(16 << 20, model);
    rig_long_mode(&r);
    rig_map(&r, r.c->cr3, 0, 0, PTE_P | PTE_W | PTE_U, 30);
    put(0x8000, gdt, sizeof gdt);
    r.c->gdtr = (struct dtable){.base = 0x8000, .limit = sizeof gdt - 1};
    r.c->idtr = (struct dtable){.base = IDT, .limit = 0xfff};
    for (unsigned n = 0; n < 256; n++) {
        const uint64_t h = HANDLERS + n * 16;
        rig_st64(&r, IDT + n * 16, (h & 0xffff) | 8 << 16 | 0x8e00ull << 32 | (h >> 16) << 48);
        PUT(h, 0xf4);
    }
    r.c->rip = CODE;
    r.c->r[R_SP] = STACK;
    return r.c;
}

/* Runs to a HLT; the vector whose handler it was in, or -1 for the program itself. */
static int run(void)
{
    for (unsigned n = 0; n < 100; n++) {
        const enum cpu_stop s = cpu_run(r.c, 1000);
        if (s == CPU_STOP_SHUTDOWN)
            return -2;
        if (r.c->activity == CPU_HALTED && s == CPU_STOP_IDLE)
            break;
    }
    const uint64_t at = r.c->rip - 1 - HANDLERS;
    return at < 256 * 16 ? (int)(at / 16) : -1;
}

static bool announces(uint32_t leaf, uint32_t sub, unsigned reg, unsigned bit)
{
    uint32_t v[4];
    cpuid_query(r.c, leaf, sub, v);
    return v[reg] >> bit & 1;
}

START_TEST(a_model_is_a_level_with_features_added_and_taken_away)
{
    struct cpu_model m;
    struct err err;
    err_clear(&err);
    ck_assert_int_eq(cpu_model_parse("max,-sse3,+ssse3,-vmx", &m, &err), 0);
    uint64_t f[F_WORDS];
    cpuid_features(&m, f);
    ck_assert(f[0] >> F_SSE3 & 1); /* came back with what needs it */
    ck_assert(!(f[0] >> F_VMX & 1));
    ck_assert(!(f[0] >> F_SSE42 & 1)); /* fell with SSE3 */
    ck_assert_int_lt(cpu_model_parse("v5", &m, &err), 0);
    ck_assert_str_eq(err.id, "E-CLI-008");
    ck_assert_int_lt(cpu_model_parse("v2,-pae", &m, &err), 0);
    ck_assert_int_lt(cpu_model_parse("", &m, &err), 0);
    ck_assert_int_lt(cpu_model_parse("v2,", &m, &err), 0);
    ck_assert_int_lt(
        cpu_model_parse("v2,+a_feature_whose_name_is_far_too_long_for_any_table", &m, &err), 0);
}
END_TEST

START_TEST(a_feature_that_is_off_takes_its_instructions_with_it)
{
    start("v2,-popcnt");
    PUT(CODE, 0xf3, 0x0f, 0xb8, 0xc0, 0xf4); /* popcnt eax, eax */
    ck_assert_int_eq(run(), EXC_UD);
    ck_assert(!announces(1, 0, 2, 23));
    start("v2");
    PUT(CODE, 0xf3, 0x0f, 0xb8, 0xc0, 0xf4);
    ck_assert_int_eq(run(), -1);
    ck_assert(announces(1, 0, 2, 23));
}
END_TEST

START_TEST(a_feature_that_is_off_makes_its_control_bits_reserved)
{
    start("v2,-smep,-nx,-pcid,-vmx,-mtrr");
    ck_assert_int_eq(RIG_TRY(&r, cr_write(r.c, 4, r.c->cr4 | CR4_SMEP)), EXC_GP);
    ck_assert_int_eq(RIG_TRY(&r, cr_write(r.c, 4, r.c->cr4 | CR4_PCIDE)), EXC_GP);
    ck_assert_int_eq(RIG_TRY(&r, cr_write(r.c, 4, r.c->cr4 | CR4_VMXE)), EXC_GP);
    ck_assert_int_eq(RIG_TRY(&r, cr_write(r.c, 4, r.c->cr4 | CR4_SMAP)), -1);
    ck_assert(!msr_write(r.c, MSR_EFER, EFER_LME | EFER_LMA | EFER_SCE | EFER_NXE));
    ck_assert(msr_write(r.c, MSR_EFER, EFER_LME | EFER_LMA | EFER_SCE));
    ck_assert(!msr_write(r.c, MSR_MTRR_DEF_TYPE, 0));
    ck_assert(!msr_write(r.c, MSR_FEATURE_CONTROL, 0));
}
END_TEST

START_TEST(gigabyte_pages_are_reserved_without_their_feature)
{
    start("v2,-pdpe1gb");
    PUT(CODE, 0xf4);
    const uint64_t at = rig_leaf(&r, r.c->cr3, 0);
    rig_st64(&r, at, 0); /* only the table may map the code now */
    rig_map(&r, r.c->cr3, 0, 0, PTE_P | PTE_W, 21);
    rig_map(&r, r.c->cr3, 1ull << 30, 0, PTE_P | PTE_W, 30);
    mmu_flush_all(r.c);
    ck_assert_int_eq(RIG_TRY(&r, mem_ld8(r.c, 1ull << 30)), EXC_PF);
    ck_assert_uint_eq(r.c->fault_err, PFE_P | PFE_RSVD);
}
END_TEST

START_TEST(random_numbers_follow_the_seed_and_are_state)
{
    static const uint8_t code[] = {0x48, 0x0f, 0xc7, 0xf0, 0x0f, 0xc7, 0xf9, 0x66,
                                   0x0f, 0xc7, 0xf2, 0x0f, 0x92, 0xc3, 0xf4};
    uint64_t first[3];
    for (unsigned n = 0; n < 3; n++) {
        struct cpu *c = start("max");
        c->rng_seed = n == 2 ? 7 : 5;
        c->r[R_CX] = c->r[R_DX] = ~0ull;
        put(CODE, code, sizeof code); /* rdrand rax; rdseed ecx; rdrand dx; setc bl */
        const uint64_t hash = cpu_hash(c, 0);
        ck_assert_int_eq(run(), -1);
        ck_assert_uint_eq(c->r[R_CX] >> 32, 0);
        ck_assert_uint_eq(c->r[R_DX] >> 16, 0xffffffffffffull);
        ck_assert_uint_eq(c->r[R_BX] & 0xff, 1);
        ck_assert_uint_eq(c->rng_draws, 3);
        ck_assert_uint_ne(cpu_hash(c, 0), hash);
        first[n] = c->r[R_AX];
    }
    ck_assert_uint_eq(first[0], first[1]);
    ck_assert_uint_ne(first[0], first[2]);
}
END_TEST

START_TEST(rdpid_reads_tsc_aux)
{
    struct cpu *c = start("max");
    ck_assert(msr_write(c, MSR_TSC_AUX, 0x1234));
    c->r[R_AX] = ~0ull;
    PUT(CODE, 0xf3, 0x0f, 0xc7, 0xf8, 0xf4);
    ck_assert_int_eq(run(), -1);
    ck_assert_uint_eq(c->r[R_AX], 0x1234);
    start("v2");
    PUT(CODE, 0xf3, 0x0f, 0xc7, 0xf8, 0xf4);
    ck_assert_int_eq(run(), EXC_UD);
}
END_TEST

SUITE("processor extensions", a_model_is_a_level_with_features_added_and_taken_away,
      a_feature_that_is_off_takes_its_instructions_with_it,
      a_feature_that_is_off_makes_its_control_bits_reserved,
      gigabyte_pages_are_reserved_without_their_feature,
      random_numbers_follow_the_seed_and_are_state, rdpid_reads_tsc_aux)
