/* Processor models, and the system extensions that models other than the default one have. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/sys/cpuid.h"
#include "lib/err.h"
#include "tests/lib/rig.h"
#include "tests/lib/suite.h"

static struct rig r;

#define CODE RIG_CODE

#define PUT(at, ...) RIG_PUT(&r, at, __VA_ARGS__)

/* 64-bit mode, memory one to one, each vector's handler a HLT in its own place. */
static struct cpu *start(const char *model)
{
    if (r.c)
        rig_free(&r);
    r = rig_new_cpu(16 << 20, model);
    rig_long_mode(&r);
    rig_map(&r, r.c->cr3, 0, 0, PTE_P | PTE_W | PTE_U, 30);
    rig_programs(&r);
    return r.c;
}

static int run(void)
{
    return rig_run(&r);
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

START_TEST(after_reset_edx_is_the_signature_that_cpuid_tells)
{
    static const char *const models[] = {"v2", "max"};
    for (unsigned n = 0; n < 2; n++) {
        uint32_t v[4];
        struct cpu *const c = start(models[n]);
        cpu_reset(c);
        cpuid_query(c, 1, 0, v);
        ck_assert_uint_eq(c->r[R_DX], v[0]);
    }
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
        rig_put(&r, CODE, code, sizeof code); /* rdrand rax; rdseed ecx; rdrand dx; setc bl */
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

#define AREA 0x40000ull

/* XCR0 with all components that the model has; EDX:EAX asks for all. */
static struct cpu *start_xsave(void)
{
    struct cpu *c = start("max");
    cr4_set(c, c->cr4 | CR4_OSFXSR | CR4_OSXSAVE | CR4_PKE);
    uint32_t v[4];
    cpuid_query(c, 0xd, 0, v);
    c->xcr0 = v[0];
    c->r[R_AX] = c->r[R_DX] = ~0u;
    c->r[R_BX] = AREA;
    return c;
}

START_TEST(cpuid_tells_the_components_and_the_size_of_the_xsave_area)
{
    uint32_t v[4], k[4];
    struct cpu *c = start_xsave();
    cpuid_query(c, 0xd, 0, v);
    ck_assert_uint_eq(v[0] & 0x203, 0x203);
    ck_assert_uint_eq(v[1], v[2]); /* all are on */
    cpuid_query(c, 0xd, 9, k);
    ck_assert_uint_eq(k[0], 8);
    ck_assert_uint_le(k[1] + k[0], v[2]);
    c->xcr0 = 3;
    cpuid_query(c, 0xd, 0, v);
    ck_assert_uint_eq(v[1], 576);
    cpuid_query(c, 0xd, 1, v);
    ck_assert_uint_eq(v[0] & 0xf, 0xf);
    ck_assert_uint_eq(v[1], 576);
    start("v2");
    cpuid_query(r.c, 0xd, 0, v);
    ck_assert_uint_eq(v[0], 3);
    ck_assert_uint_eq(v[2], 576);
}
END_TEST

START_TEST(xsave_keeps_pkru_at_its_offset_and_xrstor_brings_it_back)
{
    uint32_t k[4];
    struct cpu *c = start_xsave();
    cpuid_query(c, 0xd, 9, k);
    PUT(CODE, 0x0f, 0xae, 0x23, 0xf4, 0x0f, 0xae, 0x2b, 0xf4); /* xsave [rbx]; hlt; xrstor [rbx] */
    c->pkru = 0xabcd1234;
    ck_assert_int_eq(run(), -1);
    ck_assert_uint_eq((uint32_t)rig_ld64(&r, AREA + k[1]), 0xabcd1234);
    ck_assert_uint_eq(rig_ld64(&r, AREA + 512), c->xcr0);
    c->pkru = 0;
    c->activity = CPU_ACTIVE;
    ck_assert_int_eq(run(), -1);
    ck_assert_uint_eq(c->pkru, 0xabcd1234);
}
END_TEST

START_TEST(xsaves_packs_components_and_xrstors_wants_the_packed_form)
{
    struct cpu *c = start_xsave();
    const uint64_t mask = 0x201;
    PUT(CODE, 0x0f, 0xc7, 0x2b, 0xf4, 0x0f, 0xc7, 0x1b, 0xf4); /* xsaves; hlt; xrstors; hlt */
    c->pkru = 0x50;                                            /* key 0 is free */
    c->r[R_AX] = mask;
    ck_assert_int_eq(run(), -1);
    ck_assert_uint_eq(rig_ld64(&r, AREA + 512), mask);
    ck_assert_uint_eq(rig_ld64(&r, AREA + 520), 1ull << 63 | mask);
    ck_assert_uint_eq(rig_ld64(&r, AREA + 576), 0x50);
    c->pkru = 0;
    c->activity = CPU_ACTIVE;
    ck_assert_int_eq(run(), -1);
    ck_assert_uint_eq(c->pkru, 0x50);
    rig_st64(&r, AREA + 520, 0); /* the standard form */
    c->activity = CPU_ACTIVE;
    c->rip = CODE + 4;
    ck_assert_int_eq(run(), EXC_GP);
    ck_assert(msr_write(c, MSR_XSS, 0));
    ck_assert(!msr_write(c, MSR_XSS, 1 << 8));
}
END_TEST

START_TEST(protection_keys_deny_data_accesses_to_user_pages_only)
{
    struct cpu *c = start("max");
    const uint64_t user = 0x40000000, sup = 0x40200000;
    rig_map(&r, c->cr3, user, 0x50000, PTE_P | PTE_W | PTE_U | 5ull << 59, 12);
    rig_map(&r, c->cr3, sup, 0x51000, PTE_P | PTE_W | 5ull << 59, 12);
    c->pkru = 1u << 10;                                  /* key 5: no access */
    ck_assert_int_eq(RIG_TRY(&r, mem_ld8(c, user)), -1); /* CR4.PKE is clear */
    cr4_set(c, c->cr4 | CR4_PKE);
    ck_assert_int_eq(RIG_TRY(&r, mem_ld8(c, user)), EXC_PF);
    ck_assert_uint_eq(c->fault_err, PFE_P | PFE_PK);
    ck_assert_int_eq(RIG_TRY(&r, mem_ld8(c, sup)), -1);
    c->r[R_AX] = 2u << 10; /* writes denied */
    c->r[R_CX] = c->r[R_DX] = 0;
    PUT(CODE, 0x0f, 0x01, 0xef, 0x0f, 0x01, 0xee, 0xf4); /* wrpkru; rdpkru */
    ck_assert_int_eq(run(), -1);
    ck_assert_uint_eq(c->r[R_AX], 2u << 10);
    ck_assert_int_eq(RIG_TRY(&r, mem_ld8(c, user)), -1);
    ck_assert_int_eq(RIG_TRY(&r, mem_st8(c, user, 1)), EXC_PF);
    ck_assert_uint_eq(c->fault_err, PFE_P | PFE_W | PFE_PK);
    cr0_set(c, c->cr0 & ~(uint64_t)CR0_WP);
    ck_assert_int_eq(RIG_TRY(&r, mem_st8(c, user, 1)), -1);
    rig_set_cpl(&r, 3);
    ck_assert_int_eq(RIG_TRY(&r, mem_st8(c, user, 1)), EXC_PF);
    ck_assert_uint_eq(c->fault_err, PFE_P | PFE_W | PFE_U | PFE_PK);
}
END_TEST

START_TEST(umip_keeps_user_code_from_the_descriptor_tables)
{
    static const uint8_t code[5][4] = {{0x0f, 0x01, 0x03},
                                       {0x0f, 0x01, 0x0b},
                                       {0x0f, 0x00, 0x03},
                                       {0x0f, 0x00, 0x0b},
                                       {0x0f, 0x01, 0xe0}}; /* sgdt sidt sldt str smsw */
    for (unsigned n = 0; n < 5; n++) {
        for (unsigned umip = 0; umip < 2; umip++) {
            struct cpu *c = start("max");
            c->r[R_BX] = AREA;
            cr4_set(c, c->cr4 | (umip ? CR4_UMIP : 0));
            rig_put(&r, CODE, code[n], 4);
            rig_set_cpl(&r, 3);
            struct rig *const p = &r;
            const int vec = RIG_TRY(p, cpu_run(c, 1));
            (void)vec;
            ck_assert_uint_eq(c->rip == CODE + 3, !umip);
        }
    }
}
END_TEST

START_TEST(five_levels_reach_57_bits)
{
    struct cpu *c = start("max");
    const uint64_t la = 0x00ab000000123000ull, top = rig_new_table(&r), old = c->cr3;
    rig_st64(&r, top, old | PTE_P | PTE_W | PTE_U); /* the low 48 bits as before */
    const uint64_t sub = rig_new_table(&r);
    rig_st64(&r, top + (la >> 48 & 511) * 8, sub | PTE_P | PTE_W | PTE_U);
    rig_map(&r, sub, la & 0xffffffffffffull, 0x60000, PTE_P | PTE_W, 12);
    rig_st64(&r, 0x60000, 0x1122334455667788ull);
    ck_assert_int_eq(RIG_TRY(&r, cr_write(c, 4, c->cr4 | CR4_LA57)), EXC_GP); /* in long mode */
    ck_assert_int_eq(RIG_TRY(&r, (void)seg_linear(c, SEG_DS, la, 8, ACC_R)), EXC_GP);
    c->cr3 = top;
    cr4_set(c, c->cr4 | CR4_LA57);
    ck_assert_int_eq(RIG_TRY(&r, (void)seg_linear(c, SEG_DS, la, 8, ACC_R)), -1);
    ck_assert_uint_eq(mem_ld64(c, la), 0x1122334455667788ull);
    PUT(CODE, 0x48, 0x8b, 0x03, 0xf4); /* mov rax, [rbx] */
    c->r[R_BX] = la;
    ck_assert_int_eq(run(), -1);
    ck_assert_uint_eq(c->r[R_AX], 0x1122334455667788ull);
    ck_assert_int_eq(RIG_TRY(&r, (void)seg_linear(c, SEG_DS, 1ull << 56, 8, ACC_R)), EXC_GP);
    ck_assert(msr_write(c, MSR_KERNEL_GS_BASE, la));
    ck_assert(!msr_write(c, MSR_KERNEL_GS_BASE, 1ull << 57));
}
END_TEST

START_TEST(mwait_ends_with_a_store_to_the_armed_line)
{
    struct cpu *c = start("max");
    PUT(CODE, 0x0f, 0x01, 0xc8, 0x0f, 0x01, 0xc9, 0xff, 0xc3, 0xf4); /* monitor; mwait; inc ebx */
    c->r[R_AX] = AREA + 0x44;
    mem_st8(c, AREA, 1); /* a fast write tag that MONITOR must drop */
    ck_assert_int_eq(cpu_run(c, 100), CPU_STOP_IDLE);
    ck_assert_int_eq(c->activity, CPU_MWAIT);
    rig_st64(&r, AREA + 0x38, 1); /* the line before */
    ck_assert_int_eq(cpu_run(c, 100), CPU_STOP_IDLE);
    mem_st8(c, AREA + 0x7f, 1);
    ck_assert_int_eq(run(), -1);
    ck_assert_uint_eq(c->r[R_BX], 1);
    c->activity = CPU_ACTIVE; /* not armed any more: MWAIT does not wait */
    c->rip = CODE + 3;
    ck_assert_int_eq(run(), -1);
    ck_assert_uint_eq(c->r[R_BX], 2);
}
END_TEST

START_TEST(mwait_with_the_break_extension_ends_by_a_masked_interrupt)
{
    struct cpu *c = start("max");
    PUT(CODE, 0x0f, 0x01, 0xc8, 0xff, 0xc1, 0x0f, 0x01, 0xc9, 0xf4); /* ecx = 1 for mwait */
    c->r[R_AX] = AREA;
    ck_assert_int_eq(cpu_run(c, 100), CPU_STOP_IDLE);
    ck_assert(!event_pending(c));
    cpu_signals.set_intr(c, true);
    ck_assert(event_pending(c));
    ck_assert_int_eq(run(), -1);
}
END_TEST

START_TEST(btf_stops_single_steps_at_taken_branches_only)
{
    struct cpu *c = start("v2");
    /* nop; nop; jmp +2; ud2; hlt */
    PUT(CODE, 0x90, 0x90, 0xeb, 0x02, 0x0f, 0x0b, 0xf4);
    c->debugctl = DEBUGCTL_BTF;
    cpu_set_rflags(c, FL_TF);
    ck_assert_int_eq(run(), EXC_DB);
    ck_assert_uint_eq(rig_ld64(&r, c->r[R_SP]), CODE + 6);
    ck_assert_uint_eq(c->debugctl, 0);
}
END_TEST

static unsigned pmis;
static uint64_t pmi_at;
static void fake_pmi(void *apic)
{
    struct cpu *c = apic;
    pmis++;
    pmi_at = cpu_icount(c);
}

/* General counter 0 counts `event` at all levels from here on, overflowing after n events. */
static struct cpu *start_pmu(uint32_t event, uint64_t n)
{
    static const struct lp_apic_ops ops = {.pmi = fake_pmi};
    struct cpu *c = start("max");
    c->apic = c;
    c->apic_ops = &ops;
    pmis = 0;
    ck_assert(msr_write(c, MSR_A_PMC0, (1ull << 48) - n));
    ck_assert(msr_write(c, MSR_PERFEVTSEL0, event | 3u << 16 | 1u << 20 | 1u << 22));
    return c;
}

/* mov ecx, 1000; l: dec ecx; jnz l; hlt: 2001 instructions, 1000 branches */
static const uint8_t loop_code[] = {0xb9, 0xe8, 3, 0, 0, 0xff, 0xc9, 0x75, 0xfc, 0xf4};

START_TEST(a_counter_interrupts_exactly_behind_the_instruction_that_overflows_it)
{
    for (uint64_t n = 1; n < 2002; n += 333) {
        struct cpu *c = start_pmu(0xc0, n);
        rig_put(&r, CODE, loop_code, sizeof loop_code);
        const uint64_t from = cpu_icount(c);
        ck_assert_int_eq(run(), -1);
        ck_assert_uint_eq(pmis, 1);
        ck_assert_uint_eq(pmi_at - from, n);
        uint64_t v;
        ck_assert(msr_read(c, MSR_PMC0, &v));
        ck_assert_uint_eq(v, cpu_icount(c) - from - n);
        ck_assert(msr_read(c, MSR_PERF_GLOBAL_STATUS, &v));
        ck_assert_uint_eq(v, 1);
        ck_assert(msr_write(c, MSR_PERF_GLOBAL_OVF, 1));
        ck_assert(msr_read(c, MSR_PERF_GLOBAL_STATUS, &v));
        ck_assert_uint_eq(v, 0);
    }
}
END_TEST

START_TEST(retired_branches_are_counted_and_interrupt)
{
    struct cpu *c = start_pmu(0xc4, 600);
    rig_put(&r, CODE, loop_code, sizeof loop_code);
    const uint64_t from = cpu_icount(c);
    ck_assert_int_eq(run(), -1);
    ck_assert_uint_eq(pmis, 1);
    ck_assert_uint_eq(pmi_at - from, 1 + 2 * 600);
    uint64_t v;
    ck_assert(msr_read(c, MSR_PMC0, &v));
    ck_assert_uint_eq(v, 400);
}
END_TEST

START_TEST(fixed_counters_follow_their_privilege_levels_and_the_global_control)
{
    struct cpu *c = start("max");
    uint64_t v;
    rig_put(&r, CODE, loop_code, sizeof loop_code);
    ck_assert(msr_write(c, MSR_FIXED_CTR_CTRL, 0x231)); /* 0: OS, 1: OS and user, 2: user */
    ck_assert(msr_write(c, MSR_PERF_GLOBAL_CTRL, 7ull << 32));
    ck_assert_int_eq(run(), -1);
    static const uint64_t want[3] = {2002, 2002, 0};
    for (unsigned n = 0; n < 3; n++) {
        ck_assert(msr_read(c, MSR_FIXED_CTR0 + n, &v));
        ck_assert_uint_eq(v, want[n]);
    }
    ck_assert(msr_write(c, MSR_PERF_GLOBAL_CTRL, 0));
    c->activity = CPU_ACTIVE;
    c->rip = CODE;
    ck_assert_int_eq(run(), -1);
    c->r[R_CX] = 1u << 30;
    PUT(CODE, 0x0f, 0x33, 0xf4); /* rdpmc */
    c->activity = CPU_ACTIVE;
    c->rip = CODE;
    ck_assert_int_eq(run(), -1);
    ck_assert_uint_eq(c->r[R_AX], 2002);
    ck_assert(!msr_write(c, MSR_FIXED_CTR_CTRL, 4));
    ck_assert(!msr_write(c, MSR_FIXED_CTR0, 1ull << 48));
    ck_assert(!msr_write(c, MSR_PERF_GLOBAL_STATUS, 0));
    ck_assert(msr_write(c, MSR_PMC0, 0x80000000u));
    ck_assert(msr_read(c, MSR_PMC0, &v));
    ck_assert_uint_eq(v, 0xffff80000000ull);
}
END_TEST

START_TEST(without_the_pmu_there_are_no_counters)
{
    struct cpu *c = start("max,-pmu");
    uint32_t v[4];
    cpuid_query(c, 0xa, 0, v);
    ck_assert_uint_eq(v[0] | v[1] | v[2] | v[3], 0);
    ck_assert(!msr_write(c, MSR_PERF_GLOBAL_CTRL, 0));
    PUT(CODE, 0x0f, 0x33, 0xf4);
    ck_assert_int_eq(run(), EXC_GP);
}
END_TEST

START_TEST(the_uncore_counts_its_clock_for_the_whole_package)
{
    struct cpu *c = start("v2");
    struct cpu *const other = cpu_new(1, c->model);
    const uint64_t hash = cpu_hash(c, 0);
    uint64_t v, before;
    other->peers = c->peers;
    other->clock = c->clock;
    ck_assert(msr_write(c, MSR_UNC_FIXED_CTRL, 1u << 22));
    ck_assert(msr_write(c, MSR_UNC_FIXED_CTR, (1ull << 48) - 100));
    clock_advance(c->clock, clock_now(c->clock) + 1000);
    ck_assert(msr_read(c, MSR_UNC_FIXED_CTR, &v));
    ck_assert_uint_eq(v, (1ull << 48) - 100); /* not enabled globally */
    ck_assert(msr_write(other, MSR_UNC_GLOBAL_CTRL, 0x2000000f));
    ck_assert(msr_read(c, MSR_UNC_GLOBAL_CTRL, &v));
    ck_assert_uint_eq(v, 0x2000000f);
    ck_assert_uint_ne(cpu_hash(c, 0), hash);
    before = cpu_tsc(c);
    clock_advance(c->clock, clock_now(c->clock) + 1000);
    ck_assert(msr_write(c, MSR_TSC, 5)); /* is not its clock */
    ck_assert(msr_read(other, MSR_UNC_FIXED_CTR, &v));
    ck_assert_uint_eq(v, 1000 * (c->tsc_hz / 1000000) / 1000 - 100);
    ck_assert_uint_ne(before, 0);
    ck_assert(msr_read(other, MSR_UNC_GLOBAL_STATUS, &v));
    ck_assert_uint_eq(v, 1);
    ck_assert(msr_write(c, MSR_UNC_GLOBAL_STATUS, 0));
    ck_assert(msr_read(c, MSR_UNC_GLOBAL_STATUS, &v));
    ck_assert_uint_eq(v, 0);
    cpu_free(other);
}
END_TEST

START_TEST(uncore_registers_of_each_box_keep_their_values_and_refuse_reserved_bits)
{
    struct cpu *c = start("v2");
    uint64_t v;
    for (uint32_t box = 0; box < 4; box++) {
        const uint32_t at = MSR_UNC_CBO + 16 * box;
        ck_assert(msr_write(c, at, 0x1fd4ffff));
        ck_assert(msr_write(c, at + 6, 0x123456789abcull + box));
        ck_assert(msr_read(c, at, &v));
        ck_assert_uint_eq(v, 0x1fd4ffff);
        ck_assert(!msr_write(c, at, 1u << 21));
        ck_assert(!msr_write(c, at + 4, 0));
        ck_assert(!msr_read(c, at + 10, &v));
    }
    ck_assert(msr_read(c, MSR_UNC_CBO + 0x26, &v));
    ck_assert_uint_eq(v, 0x123456789abeull);
    ck_assert(!msr_read(c, MSR_UNC_CBO + 0x40, &v));
    ck_assert(msr_write(c, MSR_UNC_ARB + 1, (1ull << 48) - 1));
    ck_assert(!msr_write(c, MSR_UNC_ARB + 1, 1ull << 48));
    ck_assert(!msr_write(c, MSR_UNC_ARB + 3, 1ull << 32));
    ck_assert(!msr_write(c, MSR_UNC_GLOBAL_CTRL, 1ull << 32));
    ck_assert(!msr_write(c, MSR_UNC_FIXED_CTRL, 1));
    ck_assert(msr_read(c, MSR_UNC_CBO_CONFIG, &v));
    ck_assert_uint_eq(v, 4);
    ck_assert(!msr_write(c, MSR_UNC_CBO_CONFIG, 4));
    ck_assert(!msr_read(c, 0x393, &v));
}
END_TEST

START_TEST(registers_of_the_model_that_kernels_touch_unguarded_keep_their_values)
{
    struct cpu *c = start("max");
    static const uint32_t msr[] = {0x1c8, 0x1c9, 0x1fc, 0x680, 0x68f, 0x6c0, 0x6cf};
    uint64_t v;
    for (unsigned n = 0; n < sizeof msr / sizeof msr[0]; n++) {
        const uint64_t hash = cpu_hash(c, 0);
        ck_assert(msr_read(c, msr[n], &v));
        ck_assert_uint_eq(v, 0);
        ck_assert(msr_write(c, msr[n], n + 2));
        ck_assert_uint_ne(cpu_hash(c, 0), hash);
    }
    for (unsigned n = 0; n < sizeof msr / sizeof msr[0]; n++) {
        ck_assert(msr_read(c, msr[n], &v));
        ck_assert_uint_eq(v, n + 2);
    }
    ck_assert(!msr_write(c, 0x1c9, 16));
    ck_assert(!msr_write(c, 0x690, 0));
    cpu_reset(c);
    ck_assert(msr_read(c, 0x68f, &v));
    ck_assert_uint_eq(v, 0);
}
END_TEST

SUITE("processor extensions", a_model_is_a_level_with_features_added_and_taken_away,
      after_reset_edx_is_the_signature_that_cpuid_tells,
      a_feature_that_is_off_takes_its_instructions_with_it,
      a_feature_that_is_off_makes_its_control_bits_reserved,
      gigabyte_pages_are_reserved_without_their_feature,
      random_numbers_follow_the_seed_and_are_state, rdpid_reads_tsc_aux,
      cpuid_tells_the_components_and_the_size_of_the_xsave_area,
      xsave_keeps_pkru_at_its_offset_and_xrstor_brings_it_back,
      xsaves_packs_components_and_xrstors_wants_the_packed_form,
      protection_keys_deny_data_accesses_to_user_pages_only,
      umip_keeps_user_code_from_the_descriptor_tables, five_levels_reach_57_bits,
      mwait_ends_with_a_store_to_the_armed_line,
      mwait_with_the_break_extension_ends_by_a_masked_interrupt,
      btf_stops_single_steps_at_taken_branches_only,
      a_counter_interrupts_exactly_behind_the_instruction_that_overflows_it,
      retired_branches_are_counted_and_interrupt,
      fixed_counters_follow_their_privilege_levels_and_the_global_control,
      without_the_pmu_there_are_no_counters, the_uncore_counts_its_clock_for_the_whole_package,
      uncore_registers_of_each_box_keep_their_values_and_refuse_reserved_bits,
      registers_of_the_model_that_kernels_touch_unguarded_keep_their_values)
