/*
 * The cycle model: caches, translation, branches, chains of latencies, and the counters that see
 * them. Programs run on a bare processor with the model; times are cycles a round.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "abi/vmx.h"
#include "cpu/sys/cpuid.h"
#include "cpu/timing/timing_int.h"
#include "cpu/vmx/vmx.h"
#include "tests/lib/rig.h"
#include "tests/lib/suite.h"

#define CODE RIG_CODE
#define DATA 0x1000000ull /* 16 MiB; identity, in 2 MiB pages */
#define TOP  0x4000000ull

static struct rig r;
static struct timing_shared *shared;

#define PUT(at, ...) RIG_PUT(&r, at, __VA_ARGS__)

static struct timing *start(const char *model)
{
    if (r.c) {
        rig_free(&r);
        timing_shared_free(shared);
    }
    r = rig_new_cpu(TOP, model);
    shared = timing_shared_new();
    ck_assert(timing_attach(r.c, shared));
    engine_use_timing(r.engine);
    rig_long_mode(&r);
    for (uint64_t at = 0; at < TOP; at += 1 << 21)
        rig_map(&r, r.c->cr3, at, at, PTE_P | PTE_W | PTE_U, 21);
    rig_programs(&r);
    return r.c->timing;
}

/* Cycles of the program at CODE to its HLT. */
static uint64_t cycles(void)
{
    const uint64_t from = timing_ticks(r.c);
    rig_start(&r, CODE);
    while (r.c->activity == CPU_ACTIVE)
        ck_assert_int_ne(cpu_run(r.c, 1u << 20), CPU_STOP_SHUTDOWN);
    return (timing_ticks(r.c) - from) / TIMING_TICKS_PER_CYCLE;
}

/* Cycles of a round of the loop at CODE that counts ECX down, caches and predictors warm. */
static double per_round(uint32_t rounds)
{
    for (unsigned n = 0; n < 3; n++) {
        r.c->r[R_CX] = 200;
        cycles();
    }
    r.c->r[R_CX] = rounds;
    const uint64_t a = cycles();
    r.c->r[R_CX] = 3 * rounds;
    return (double)(cycles() - a) / (2 * rounds);
}

#define IN_RANGE(v, low, high)                                                               \
    do {                                                                                     \
        const double v_ = (v);                                                               \
        ck_assert_msg(v_ >= (low) && v_ <= (high), "%g is not in %g..%g", v_, (double)(low), \
                      (double)(high));                                                       \
    } while (0)

START_TEST(a_set_keeps_the_lines_used_last)
{
    struct timing *const t = start("v2");
    const uint64_t step = TIMING_L1D_SETS; /* lines of one set */
    for (uint64_t n = 0; n < TIMING_L1D_WAYS; n++)
        ck_assert_int_eq(cache_data(t, n * step), LEVEL_DRAM);
    for (uint64_t n = 0; n < TIMING_L1D_WAYS; n++)
        ck_assert_int_eq(cache_data(t, n * step), LEVEL_L1);
    ck_assert_int_eq(cache_data(t, 0), LEVEL_L1);
    ck_assert_int_eq(cache_data(t, 100 * step), LEVEL_DRAM); /* drops 1, not 0 */
    ck_assert_int_eq(cache_data(t, 0), LEVEL_L1);
    ck_assert_int_eq(cache_data(t, step), LEVEL_L2);
    ck_assert_int_eq(cache_code(t, step), LEVEL_L2);
    ck_assert_int_eq(cache_code(t, step), LEVEL_L1);
}
END_TEST

START_TEST(the_last_level_is_common_and_the_others_are_not)
{
    struct timing *const t = start("v2"), *const other = calloc(1, sizeof *other);
    other->shared = shared;
    ck_assert_int_eq(cache_data(t, 77), LEVEL_DRAM);
    ck_assert_int_eq(cache_data(other, 77), LEVEL_L3);
    ck_assert_int_eq(cache_data(other, 77), LEVEL_L1);
    free(other);
}
END_TEST

/* Pointers through `bytes` of memory, a line each, in an order that no prefetcher follows. */
static void make_chase(uint64_t bytes)
{
    const uint64_t lines = bytes / 64;
    uint64_t at = 0;
    for (uint64_t n = 0; n < lines; n++) { /* full period: lines is a power of two */
        const uint64_t next = (at * 5 + 2 * 4096 + 2001) & (lines - 1);
        rig_st64(&r, DATA + at * 64, DATA + next * 64);
        at = next;
    }
}

START_TEST(a_pointer_chase_shows_a_step_at_each_level)
{
    static const struct {
        uint64_t bytes;
        unsigned low, high;
    } steps[] = {
        {16 << 10, TIMING_L1_LATENCY, TIMING_L1_LATENCY + 1},
        {128 << 10, TIMING_L2_LATENCY, TIMING_L2_LATENCY + 2},
        {2 << 20, TIMING_L3_LATENCY - 12, TIMING_L3_LATENCY + 4},
        {32 << 20, TIMING_DRAM_LATENCY - 20, TIMING_DRAM_LATENCY + 40},
    };
    for (unsigned n = 0; n < 4; n++) {
        start("v2");
        PUT(CODE, 0x48, 0x8b, 0x00, 0xff, 0xc9, 0x75, 0xf9, 0xf4); /* mov rax,[rax]; dec; jnz */
        make_chase(steps[n].bytes);
        const uint32_t lines = (uint32_t)(steps[n].bytes / 64);
        r.c->r[R_AX] = DATA;
        r.c->r[R_CX] = lines < 40000 ? lines : 40000;
        cycles(); /* fills what it fits into */
        IN_RANGE(per_round(5000), steps[n].low, steps[n].high);
    }
}
END_TEST

START_TEST(misses_that_do_not_wait_for_each_other_overlap)
{
    start("v2");
    /* l: mov rdx,[rax]; add rax, 8192; dec ecx; jnz l: addresses do not depend on what is loaded */
    PUT(CODE, 0x48, 0x8b, 0x10, 0x48, 0x05, 0, 0x20, 0, 0, 0xff, 0xc9, 0x75, 0xf3, 0xf4);
    r.c->r[R_AX] = DATA;
    r.c->r[R_CX] = 4000;
    const double apart = (double)cycles() / 4000;
    IN_RANGE(apart, 20, 100); /* also page walks; a chain of them takes more than 250 */
    start("v2");
    /* neighbouring lines: prefetched */
    PUT(CODE, 0x48, 0x8b, 0x10, 0x48, 0x83, 0xc0, 64, 0xff, 0xc9, 0x75, 0xf5, 0xf4);
    r.c->r[R_AX] = DATA;
    r.c->r[R_CX] = 40000;
    IN_RANGE((double)cycles() / 40000, TIMING_DRAM_OVERLAP, TIMING_DRAM_OVERLAP + 14);
}
END_TEST

START_TEST(a_chain_takes_its_latency_and_independent_work_its_throughput)
{
    start("v2");
    PUT(CODE, 0x48, 0x0f, 0xaf, 0xc0, 0xff, 0xc9, 0x75, 0xf8, 0xf4); /* imul rax,rax; dec; jnz */
    IN_RANGE(per_round(1000), 2.95, 3.05);
    /* imul rax,rax; imul rdx,rdx; imul rsi,rsi: the multiplier takes one a cycle */
    PUT(CODE, 0x48, 0x0f, 0xaf, 0xc0, 0x48, 0x0f, 0xaf, 0xd2, 0x48, 0x0f, 0xaf, 0xf6, 0xff, 0xc9,
        0x75, 0xf0, 0xf4);
    mmu_flush_all(r.c);
    engine_flush(r.engine);
    IN_RANGE(per_round(1000), 2.95, 3.05);
    /* eight additions to different registers and a fused decrement: 9 micro-operations, 4 wide */
    PUT(CODE, 0x01, 0xd8, 0x01, 0xda, 0x01, 0xde, 0x01, 0xdf, 0x41, 0x01, 0xd8, 0x41, 0x01, 0xd9,
        0x41, 0x01, 0xda, 0x41, 0x01, 0xdb, 0xff, 0xc9, 0x75, 0xe8, 0xf4);
    engine_flush(r.engine);
    IN_RANGE(per_round(1000), 2.2, 3.1);
    /* eight additions to one register: a cycle each */
    PUT(CODE, 0x01, 0xd8, 0x01, 0xd8, 0x01, 0xd8, 0x01, 0xd8, 0x01, 0xd8, 0x01, 0xd8, 0x01, 0xd8,
        0x01, 0xd8, 0xff, 0xc9, 0x75, 0xec, 0xf4);
    engine_flush(r.engine);
    IN_RANGE(per_round(1000), 7.95, 8.05);
}
END_TEST

/* l: mov al,[rsi]; inc rsi; test al,1; jz skip; inc edx; skip: dec ecx; jnz l; hlt */
static double branches(void (*fill)(uint8_t *, unsigned))
{
    static uint8_t bytes[40000];
    start("v2");
    fill(bytes, sizeof bytes);
    ram_write(r.ram, hpa(DATA), bytes, sizeof bytes);
    PUT(CODE, 0x8a, 0x06, 0x48, 0xff, 0xc6, 0xa8, 0x01, 0x74, 0x02, 0xff, 0xc2, 0xff, 0xc9, 0x75,
        0xf1, 0xf4);
    r.c->r[R_SI] = DATA;
    r.c->r[R_CX] = 20000; /* learns */
    cycles();
    const uint64_t missed = timing_counts(r.c->timing)->branch_misses;
    r.c->r[R_CX] = 20000;
    cycles();
    return (double)(timing_counts(r.c->timing)->branch_misses - missed) / 20000;
}

static void fill_alternating(uint8_t *p, unsigned n)
{
    for (unsigned k = 0; k < n; k++)
        p[k] = k & 1;
}

static void fill_random(uint8_t *p, unsigned n)
{
    uint32_t x = 1;
    for (unsigned k = 0; k < n; k++) {
        x = x * 1664525u + 1013904223u;
        p[k] = (uint8_t)(x >> 24);
    }
}

START_TEST(patterns_are_predicted_and_chance_is_not)
{
    IN_RANGE(branches(fill_alternating), 0, 0.01);
    IN_RANGE(branches(fill_random), 0.35, 0.65);
}
END_TEST

START_TEST(returns_are_predicted_to_the_depth_of_the_stack)
{
    struct timing *const t = start("v2");
    /* call f; hlt; f: dec ecx; jz out; call f; out: ret */
    PUT(CODE, 0xe8, 0x01, 0, 0, 0, 0xf4, 0xff, 0xc9, 0x74, 0x05, 0xe8, 0xf7, 0xff, 0xff, 0xff,
        0xc3);
    for (unsigned n = 0; n < 3; n++) {
        r.c->r[R_CX] = TIMING_RETURNS - 1;
        cycles();
    }
    uint64_t before = t->counts.branch_misses;
    r.c->r[R_CX] = TIMING_RETURNS - 1;
    cycles();
    ck_assert_uint_le(t->counts.branch_misses - before, 1);
    r.c->r[R_CX] = 4 * TIMING_RETURNS;
    cycles();
    before = t->counts.branch_misses;
    r.c->r[R_CX] = 4 * TIMING_RETURNS;
    cycles();
    /* the stack wraps round: all return addresses but the outermost are the same here */
    ck_assert_uint_le(t->counts.branch_misses - before, 4);
    ck_assert_uint_ge(t->counts.branch_misses - before, 1);
}
END_TEST

/* ---- translation ---- */
#define LA 0x40000000ull

/* Walks and loads of walks by touching `pages` small pages, `rounds` times. */
static struct timing_counts touch_pages(unsigned pages, unsigned rounds)
{
    for (unsigned n = 0; n < pages; n++)
        rig_map(&r, r.c->cr3, LA + n * 4096ull, DATA + n * 4096ull, PTE_P | PTE_W, 12);
    const struct timing_counts before = *timing_counts(r.c->timing);
    for (unsigned k = 0; k < rounds; k++) {
        for (unsigned n = 0; n < pages; n++)
            mem_ld8(r.c, LA + n * 4096ull);
    }
    struct timing_counts d = *timing_counts(r.c->timing);
    d.walks -= before.walks;
    d.tlb_misses -= before.tlb_misses;
    d.walk_loads -= before.walk_loads;
    return d;
}

START_TEST(translations_are_walked_once_while_they_fit)
{
    start("v2");
    struct timing_counts d = touch_pages(TIMING_DTLB_SETS * TIMING_DTLB_WAYS, 4);
    ck_assert_uint_eq(d.walks, TIMING_DTLB_SETS * TIMING_DTLB_WAYS);
    ck_assert_uint_eq(d.tlb_misses, d.walks);
    start("v2");
    d = touch_pages(1024, 2); /* fits the second level only */
    ck_assert_uint_eq(d.walks, 1024);
    ck_assert_uint_eq(d.tlb_misses, 2 * 1024);
    ck_assert_uint_eq(d.walk_loads,
                      1024 + 2 * 3); /* two page tables: the first ones from the top */
    start("v2");
    d = touch_pages(4096, 2);
    ck_assert_uint_eq(d.walks, 2 * 4096);
}
END_TEST

START_TEST(invlpg_and_cr3_make_walks_necessary)
{
    struct timing *const t = start("v2");
    touch_pages(2, 1);
    uint64_t before = t->counts.walks;
    mmu_invlpg(r.c, LA);
    mem_ld8(r.c, LA + 4096);
    ck_assert_uint_eq(t->counts.walks, before);
    mem_ld8(r.c, LA);
    ck_assert_uint_eq(t->counts.walks, before + 1);
    cr_write(r.c, 3, r.c->cr3);
    mem_ld8(r.c, LA);
    mem_ld8(r.c, LA + 4096);
    ck_assert_uint_eq(t->counts.walks, before + 3);
}
END_TEST

START_TEST(a_walk_under_ept_loads_both_dimensions)
{
    struct timing *const t = start("v2");
    rig_map(&r, r.c->cr3, LA, DATA, PTE_P | PTE_W, 12);
    struct mmu_loads w;
    mmu_walk_loads(r.c, LA, &w);
    ck_assert_uint_eq(w.count, 4);
    ck_assert_uint_eq(w.shift, 12);
    const uint64_t eptp = rig_new_table(&r) | EPTP_WALK4 | EPT_MT_WB;
    for (uint64_t at = 0; at < TOP; at += 4096) {
        uint64_t table = eptp & EPT_ADDR_MASK;
        for (unsigned s = 39; s > 12; s -= 9) {
            const uint64_t e = table + (at >> s & 511) * 8;
            if (!rig_ld64(&r, e))
                rig_st64(&r, e, rig_new_table(&r) | 7);
            table = rig_ld64(&r, e) & EPT_ADDR_MASK;
        }
        rig_st64(&r, table + (at >> 12 & 511) * 8, at | 7 | EPT_MT_WB << EPT_MT_SHIFT);
    }
    r.c->non_root = true;
    r.c->vmx->proc2 = VMX_PROC2_EPT | VMX_PROC2_VPID;
    r.c->vmx->vmcs.eptp = eptp;
    r.c->vmx->vmcs.vpid = 1;
    cpu_update_mode(r.c);
    mmu_walk_loads(r.c, LA, &w);
    ck_assert_uint_eq(w.count, 4 * 5 + 4);
    ck_assert_uint_eq(w.load[23].hpa & 4095, (DATA >> 12 & 511) * 8);
    const uint64_t before = t->counts.walk_loads;
    mem_ld8(r.c, LA);
    ck_assert_uint_gt(t->counts.walk_loads - before, 4);
}
END_TEST

/* ---- counters ---- */

START_TEST(the_counters_tell_cycles_from_instructions)
{
    start("max");
    struct cpu *const c = r.c;
    uint64_t v[4];
    static const uint32_t events[4] = {0x3c, 0xc0, 0xc5, 0x412e};
    PUT(CODE, 0x48, 0x0f, 0xaf, 0xc0, 0xff, 0xc9, 0x75, 0xf8, 0xf4); /* imul rax,rax; dec; jnz */
    for (unsigned n = 0; n < 4; n++)
        ck_assert(msr_write(c, MSR_PERFEVTSEL0 + n, events[n] | 3u << 16 | 1u << 22));
    c->r[R_CX] = 10000;
    cycles();
    for (unsigned n = 0; n < 4; n++)
        ck_assert(msr_read(c, MSR_PMC0 + n, &v[n]));
    ck_assert_uint_eq(v[1], 30001);
    IN_RANGE((double)v[0], 30000, 32000);
    IN_RANGE((double)v[2], 1, 20);
    IN_RANGE((double)v[3], 1, 20);
    uint32_t leaf[4];
    cpuid_query(c, 0xa, 0, leaf);
    ck_assert_uint_eq(leaf[1], 0); /* all architectural events are there */
}
END_TEST

static uint64_t pmi_ticks, pmis;

static void fake_pmi(void *apic)
{
    struct cpu *c = apic;
    pmis++;
    pmi_ticks = timing_ticks(c);
}

START_TEST(a_counter_of_cycles_interrupts_at_the_same_time_in_any_slices)
{
    static const struct lp_apic_ops ops = {.pmi = fake_pmi};
    static const uint64_t slices[] = {1u << 20, 1000, 7, 1};
    uint64_t first = 0;
    for (unsigned n = 0; n < 4; n++) {
        start("max");
        r.c->apic = r.c;
        r.c->apic_ops = &ops;
        pmis = 0;
        PUT(CODE, 0x48, 0x0f, 0xaf, 0xc0, 0xff, 0xc9, 0x75, 0xf8, 0xf4);
        ck_assert(msr_write(r.c, MSR_A_PMC0, (1ull << 48) - 5000));
        ck_assert(msr_write(r.c, MSR_PERFEVTSEL0, 0x3c | 3u << 16 | 1u << 20 | 1u << 22));
        r.c->r[R_CX] = 4000;
        rig_start(&r, CODE);
        while (r.c->activity == CPU_ACTIVE)
            cpu_run(r.c, slices[n]);
        ck_assert_uint_eq(pmis, 1);
        IN_RANGE((double)pmi_ticks / TIMING_TICKS_PER_CYCLE, 5000, 5010);
        if (!n)
            first = pmi_ticks;
        ck_assert_uint_eq(pmi_ticks, first);
    }
}
END_TEST

START_TEST(reset_makes_all_state_new)
{
    struct timing *const t = start("v2");
    const uint64_t fresh = timing_hash(t, 1), fresh_shared = timing_shared_hash(shared, 1);
    touch_pages(100, 1);
    ck_assert_uint_ne(timing_hash(t, 1), fresh);
    ck_assert_uint_ne(timing_shared_hash(shared, 1), fresh_shared);
    timing_reset(t);
    timing_shared_reset(shared);
    ck_assert_uint_eq(timing_hash(t, 1), fresh);
    ck_assert_uint_eq(timing_shared_hash(shared, 1), fresh_shared);
}
END_TEST

SUITE("timing", a_set_keeps_the_lines_used_last, the_last_level_is_common_and_the_others_are_not,
      a_pointer_chase_shows_a_step_at_each_level, misses_that_do_not_wait_for_each_other_overlap,
      a_chain_takes_its_latency_and_independent_work_its_throughput,
      patterns_are_predicted_and_chance_is_not, returns_are_predicted_to_the_depth_of_the_stack,
      translations_are_walked_once_while_they_fit, invlpg_and_cr3_make_walks_necessary,
      a_walk_under_ept_loads_both_dimensions, the_counters_tell_cycles_from_instructions,
      a_counter_of_cycles_interrupts_at_the_same_time_in_any_slices, reset_makes_all_state_new)
