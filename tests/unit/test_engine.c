/*
 * The engine on a bare processor: straight programs, self-modification, exact positions; and the
 * rule of engine.md that every optimisation can be switched off with the same result: random
 * programs run with all settings, in one slice or many, and must give one hash.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/flags.h"
#include "cpu/interp/engine.h"
#include "cpu/timing/timing.h"
#include "tests/lib/rig.h"

#define CODE     0x10000ull
#define DATA     0x40000ull
#define STACK    0x60000ull
#define RAM_SIZE (16u << 20)

static struct rig machine(void)
{
    struct rig r = rig_new(RAM_SIZE);
    rig_long_mode(&r);
    for (uint64_t at = 0; at < 0x80000; at += 4096)
        rig_map(&r, r.c->cr3, at, at, PTE_P | PTE_W | PTE_U, 12);
    r.c->rip = CODE;
    r.c->r[R_SP] = STACK;
    return r;
}

static void load(struct rig *r, uint64_t at, const void *code, size_t len)
{
    ck_assert(ram_write(r->ram, hpa(at), code, len));
}

/* Run to HLT. */
static void run(struct rig *r, uint64_t slice)
{
    for (unsigned n = 0; n < 1000000; n++) {
        const enum cpu_stop why = cpu_run(r->c, slice);
        ck_assert_int_ne(why, CPU_STOP_SHUTDOWN);
        if (why == CPU_STOP_IDLE)
            return;
    }
    ck_abort_msg("no HLT: rip=%#llx", (unsigned long long)r->c->rip);
}

START_TEST(a_counting_loop_retires_every_instruction)
{
    struct rig r = machine();
    /* mov ecx,1000; xor eax,eax; l: add rax,rcx; dec ecx; jnz l; hlt */
    static const uint8_t code[] = {0xb9, 0xe8, 3,    0,    0,    0x31, 0xc0, 0x48,
                                   0x01, 0xc8, 0xff, 0xc9, 0x75, 0xf9, 0xf4};
    load(&r, CODE, code, sizeof code);
    run(&r, 1u << 20);
    ck_assert_uint_eq(r.c->r[R_AX], 500500);
    ck_assert_uint_eq(cpu_icount(r.c), 2 + 3 * 1000 + 1);
    ck_assert_uint_eq(r.c->rip, CODE + sizeof code);
    rig_free(&r);
}
END_TEST

START_TEST(a_slice_ends_at_the_exact_instruction)
{
    struct rig r = machine();
    static const uint8_t code[] = {0xb9, 0xe8, 3,    0,    0,    0x31, 0xc0, 0x48,
                                   0x01, 0xc8, 0xff, 0xc9, 0x75, 0xf9, 0xf4};
    load(&r, CODE, code, sizeof code);
    ck_assert_int_eq(cpu_run(r.c, 100), CPU_STOP_BUDGET);
    ck_assert_uint_eq(cpu_icount(r.c), 100);
    /* 2 + 32 * 3 + 2: behind dec of the 33rd round */
    ck_assert_uint_eq(r.c->r[R_CX], 1000 - 33);
    ck_assert_uint_eq(r.c->rip, CODE + 12);
    rig_free(&r);
}
END_TEST

START_TEST(a_store_into_the_running_block_takes_effect_at_once)
{
    struct rig r = machine();
    /* mov byte [rip+1], 0x42 (imm of the next mov); mov al,0; hlt */
    static const uint8_t code[] = {0xc6, 0x05, 1, 0, 0, 0, 0x42, 0xb0, 0x00, 0xf4};
    load(&r, CODE, code, sizeof code);
    run(&r, 100);
    ck_assert_uint_eq(r.c->r[R_AX] & 0xff, 0x42);
    ck_assert_uint_eq(cpu_icount(r.c), 3);
    rig_free(&r);
}
END_TEST

START_TEST(patched_code_runs_as_patched_the_next_time)
{
    struct rig r = machine();
    /* l: mov eax,1 ; add ebx,eax ; mov dword [l+1],2 ; dec ecx ; jnz l ; hlt */
    static const uint8_t code[] = {0xb8, 1,    0, 0, 0, 0x01, 0xc3, 0xc7, 0x05, 0xf0, 0xff,
                                   0xff, 0xff, 2, 0, 0, 0,    0xff, 0xc9, 0x75, 0xeb, 0xf4};
    load(&r, CODE, code, sizeof code);
    r.c->r[R_CX] = 5;
    r.c->r[R_BX] = 0;
    run(&r, 1000);
    ck_assert_uint_eq(r.c->r[R_BX], 1 + 4 * 2);
    rig_free(&r);
}
END_TEST

START_TEST(an_instruction_across_pages_follows_the_mapping_of_the_second_page)
{
    struct rig r = machine();
    /* mov eax, imm32 with its last two bytes in the next page; hlt */
    const uint64_t at = CODE + 4096 - 3;
    static const uint8_t code[] = {0xb8, 0x11, 0x22, 0x33, 0x44, 0xf4};
    static const uint8_t other[] = {0x55, 0x66, 0xf4};
    load(&r, at, code, sizeof code);
    load(&r, 0x30000, other, sizeof other);
    r.c->rip = at;
    run(&r, 100);
    ck_assert_uint_eq(r.c->r[R_AX], 0x44332211);
    rig_map(&r, r.c->cr3, CODE + 4096, 0x30000, PTE_P | PTE_W, 12);
    mmu_invlpg(r.c, CODE + 4096);
    r.c->rip = at;
    r.c->activity = CPU_ACTIVE;
    run(&r, 100);
    ck_assert_uint_eq(r.c->r[R_AX], 0x66552211);
    rig_free(&r);
}
END_TEST

/* What the function at CODE2 returns when called from CODE, which is in the jump cache by then. */
static uint64_t call_across(struct rig *r)
{
    for (unsigned n = 0; n < 2; n++) {
        r->c->rip = CODE;
        r->c->r[R_SP] = STACK;
        r->c->activity = CPU_ACTIVE;
        run(r, 100);
    }
    return r->c->r[R_AX];
}

START_TEST(calls_across_pages_follow_every_change_of_the_mapping)
{
    struct rig r = machine();
    /* call CODE + 4096; hlt - and there: mov eax, 1 (or 2); ret */
    static const uint8_t caller[] = {0xe8, 0xfb, 0x0f, 0, 0, 0xf4};
    static const uint8_t one[] = {0xb8, 1, 0, 0, 0, 0xc3}, two[] = {0xb8, 2, 0, 0, 0, 0xc3};
    const uint64_t there = CODE + 4096;
    load(&r, CODE, caller, sizeof caller);
    load(&r, 0x30000, one, sizeof one);
    load(&r, 0x31000, two, sizeof two);
    cr4_set(r.c, r.c->cr4 | CR4_PGE);
    for (unsigned global = 0; global < 2; global++) {
        const uint64_t flags = PTE_P | PTE_W | (global ? PTE_G : 0);
        rig_map(&r, r.c->cr3, there, 0x30000, flags, 12);
        mmu_invlpg(r.c, there);
        ck_assert_uint_eq(call_across(&r), 1);
        rig_map(&r, r.c->cr3, there, 0x31000, flags, 12);
        ck_assert_uint_eq(call_across(&r), 1); /* still cached */
        mmu_invlpg(r.c, there);
        ck_assert_uint_eq(call_across(&r), 2);
        rig_map(&r, r.c->cr3, there, 0x30000, flags, 12);
        cr_write(r.c, 3, r.c->cr3);
        ck_assert_uint_eq(call_across(&r), global ? 2 : 1);
        cr4_set(r.c, r.c->cr4 & ~(uint64_t)CR4_PGE);
        ck_assert_uint_eq(call_across(&r), 1);
        cr4_set(r.c, r.c->cr4 | CR4_PGE);
    }
    rig_free(&r);
}
END_TEST

START_TEST(rep_movsb_copies_and_counts_a_chunk_as_one)
{
    struct rig r = machine();
    static const uint8_t code[] = {0xf3, 0xa4, 0xf4};
    load(&r, CODE, code, sizeof code);
    uint8_t buf[3000];
    for (unsigned n = 0; n < sizeof buf; n++)
        buf[n] = (uint8_t)(n * 7);
    load(&r, DATA + 3000, buf, sizeof buf);
    r.c->r[R_SI] = DATA + 3000;
    r.c->r[R_DI] = DATA + 10000;
    r.c->r[R_CX] = sizeof buf;
    run(&r, 100);
    uint8_t got[3000];
    ram_read(r.ram, hpa(DATA + 10000), got, sizeof got);
    ck_assert(memcmp(buf, got, sizeof buf) == 0);
    ck_assert_uint_eq(r.c->r[R_CX], 0);
    /* source page ends after 1096, destination page after 2288 */
    ck_assert_uint_eq(cpu_icount(r.c), 3 + 1);
    rig_free(&r);
}
END_TEST

/* ---- random programs ---- */
struct gen {
    uint8_t buf[0x8000];
    unsigned n;
    uint32_t seed;
};

static uint32_t rnd(struct gen *g, uint32_t below)
{
    g->seed = g->seed * 1664525u + 1013904223u;
    return (g->seed >> 8) % below;
}

static void emit(struct gen *g, unsigned b)
{
    g->buf[g->n++] = (uint8_t)b;
}

static void emit32(struct gen *g, uint32_t v)
{
    for (unsigned k = 0; k < 4; k++)
        emit(g, v >> (8 * k));
}

/* registers but RSP, RBX (data base) and RBP (loop counter) */
static unsigned any_reg(struct gen *g)
{
    static const uint8_t regs[] = {0, 1, 2, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    return regs[rnd(g, sizeof regs)];
}

/* ModRM with a register or [rbx + disp32] operand */
static void emit_modrm(struct gen *g, unsigned reg, unsigned rm, bool mem)
{
    if (mem) {
        emit(g, 0x83 | (reg & 7) << 3);
        emit32(g, rnd(g, 8) ? rnd(g, 0x1f00) : 4096 - rnd(g, 9));
    } else {
        emit(g, 0xc0 | (reg & 7) << 3 | (rm & 7));
    }
}

static void gen_insn(struct gen *g)
{
    static const uint8_t alu_rm[] = {0x01, 0x09, 0x11, 0x19, 0x21, 0x29, 0x31, 0x39, 0x85};
    static const uint8_t misc[] = {0xf8, 0xf9, 0xf5, 0x98, 0x99, 0x9f, 0x90, 0xac, 0xaa};
    const unsigned reg = any_reg(g), rm = any_reg(g), w = rnd(g, 2) ? 8 : 0;
    const bool mem = rnd(g, 3) == 0;
    const unsigned rex = 0x40 | w | reg >> 3 << 2 | (mem ? 0 : rm >> 3);
    const unsigned kind = rnd(g, 14);
    if (kind != 9 && kind != 10 && rnd(g, 10) == 0)
        emit(g, 0x66);
    switch (kind) {
    case 0:
    case 1:
    case 2:
        emit(g, rex);
        emit(g, alu_rm[rnd(g, sizeof alu_rm)] - (rnd(g, 4) == 0));
        emit_modrm(g, reg, rm, mem);
        break;
    case 3:
        emit(g, rex);
        emit(g, alu_rm[rnd(g, 8)] + 2 - (rnd(g, 4) == 0));
        emit_modrm(g, reg, rm, mem);
        break;
    case 4:
        emit(g, rex);
        emit(g, 0x83);
        emit_modrm(g, rnd(g, 8), rm, mem);
        emit(g, rnd(g, 256));
        break;
    case 5: /* shifts */
        emit(g, rex);
        emit(g, rnd(g, 2) ? 0xc1 : 0xd3);
        emit_modrm(g, rnd(g, 8), rm, mem);
        if (g->buf[g->n - (mem ? 6 : 2)] == 0xc1)
            emit(g, rnd(g, 70));
        break;
    case 6: /* inc dec not neg mul imul */
        emit(g, rex);
        emit(g, 0xf7 + (rnd(g, 2) ? 8 : 0));
        emit_modrm(g, g->buf[g->n - 1] == 0xff ? rnd(g, 2) : 2 + rnd(g, 4), rm, mem);
        break;
    case 7: /* 0f xx: imul bt bts btr movzx movsx cmov bsf xadd */
    {
        static const uint8_t ops[] = {0xaf, 0xb6, 0xb7, 0xbe, 0xbf, 0x42,
                                      0x44, 0x4f, 0xbc, 0xc1, 0xa5};
        emit(g, rex);
        emit(g, 0x0f);
        emit(g, ops[rnd(g, sizeof ops)]);
        emit_modrm(g, reg, rm, mem);
        break;
    }
    case 8: /* bt group, setcc */
        emit(g, rex);
        emit(g, 0x0f);
        if (rnd(g, 2)) {
            emit(g, 0xba);
            emit_modrm(g, 4 + rnd(g, 4), rm, mem);
            emit(g, rnd(g, 256));
        } else {
            emit(g, 0x90 + rnd(g, 16));
            emit_modrm(g, 0, rm, mem);
        }
        break;
    case 9: /* push, pop */
        emit(g, 0x40 | reg >> 3);
        emit(g, 0x50 | (reg & 7));
        emit(g, 0x40 | rm >> 3);
        emit(g, 0x58 | (rm & 7));
        break;
    case 10: /* jcc over a short instruction */
        if (rnd(g, 2)) {
            emit(g, rex & ~4u);
            emit(g, 0x83);
            emit_modrm(g, 7, rm, false);
            emit(g, rnd(g, 4));
        }
        emit(g, 0x70 + rnd(g, 16));
        emit(g, 3);
        emit(g, 0x48);
        emit(g, 0xff);
        emit(g, 0xc0);
        break;
    case 11:
        emit(g, rex);
        emit(g, rnd(g, 2) ? 0x89 : 0x8b);
        emit_modrm(g, reg, rm, mem);
        break;
    case 12: /* lea */
        emit(g, rex & ~1u);
        emit(g, 0x8d);
        emit_modrm(g, reg, 0, true);
        break;
    default: {
        const unsigned b = misc[rnd(g, 7)];
        emit(g, b);
        break;
    }
    }
}

/* A loop of `count` random instructions, run 40 times, then HLT. */
static void gen_program(struct gen *g, uint32_t seed, unsigned count)
{
    g->n = 0;
    g->seed = seed;
    emit(g, 0xbd); /* mov ebp, 40 */
    emit32(g, 40);
    const unsigned top = g->n;
    for (unsigned k = 0; k < count; k++)
        gen_insn(g);
    emit(g, 0xff); /* dec ebp */
    emit(g, 0xcd);
    emit(g, 0x0f); /* jnz top */
    emit(g, 0x85);
    emit32(g, top - (g->n + 4));
    emit(g, 0xf4);
}

struct setting {
    bool fast, fuse, link, dead;
    uint64_t slice;
};

static uint64_t run_program(const struct gen *g, const struct setting *s, uint64_t *icount)
{
    struct rig r = machine();
    r.engine->fast = s->fast;
    r.engine->fuse = s->fuse;
    r.engine->link = s->link;
    r.engine->dead_flags = s->dead;
    load(&r, CODE, g->buf, g->n);
    for (unsigned n = 0; n < 16; n++)
        r.c->r[n] = n * 0x123456789abcdefull;
    r.c->r[R_BX] = DATA;
    r.c->r[R_SP] = STACK;
    run(&r, s->slice);
    *icount = cpu_icount(r.c);
    const uint64_t h = ram_hash(r.ram, cpu_hash(r.c, 1));
    rig_free(&r);
    return h;
}

START_TEST(every_optimisation_can_be_off_with_the_same_result)
{
    static const struct setting settings[] = {
        {false, false, false, false, 1u << 20}, {true, true, true, true, 1u << 20},
        {true, false, false, false, 1u << 20},  {true, false, true, true, 1000},
        {true, true, true, false, 17},          {true, true, true, true, 1},
    };
    static struct gen g;
    gen_program(&g, (uint32_t)_i * 7919u + 1, 20u + (unsigned)_i * 5 % 900);
    uint64_t want_count, want = run_program(&g, &settings[0], &want_count);
    for (unsigned k = 1; k < sizeof settings / sizeof settings[0]; k++) {
        uint64_t count;
        const uint64_t got = run_program(&g, &settings[k], &count);
        ck_assert_msg(got == want && count == want_count,
                      "program %d, setting %u: hash %016llx, not %016llx (%llu, %llu instructions)",
                      _i, k, (unsigned long long)got, (unsigned long long)want,
                      (unsigned long long)count, (unsigned long long)want_count);
    }
}
END_TEST

/* Ways to look at a program while it runs. */
enum look { LOOK_NOT, LOOK_STEP, LOOK_BREAK, LOOK_WATCH };

static uint64_t run_timed(const struct gen *g, uint64_t slice, enum look look, uint64_t *ticks)
{
    struct rig r = machine();
    struct timing_shared *const shared = timing_shared_new();
    const uint64_t bp[] = {CODE + 40, CODE + 200};
    struct cpu_watch watch[] = {{DATA + 0x100, 0x200, 3}};
    ck_assert(timing_attach(r.c, shared));
    engine_use_timing(r.engine);
    load(&r, CODE, g->buf, g->n);
    for (unsigned n = 0; n < 16; n++)
        r.c->r[n] = n * 0x123456789abcdefull;
    r.c->r[R_BX] = DATA;
    r.c->r[R_SP] = STACK;
    r.c->dbg.bp = bp;
    r.c->dbg.bp_count = look == LOOK_BREAK ? 2 : 0;
    r.c->dbg.watch = watch;
    r.c->dbg.watch_count = look == LOOK_WATCH;
    r.c->dbg.step = look == LOOK_STEP;
    r.c->attn |= look ? ATTN_DEBUG : 0;
    mmu_watch_changed(r.c);
    while (r.c->activity == CPU_ACTIVE) {
        ck_assert_int_ne(cpu_run(r.c, slice), CPU_STOP_SHUTDOWN);
        r.c->dbg.resume_over = r.c->dbg.hit_kind == 1;
        r.c->dbg.hit_kind = 0;
    }
    *ticks = timing_ticks(r.c);
    const uint64_t h = timing_shared_hash(shared, cpu_hash(r.c, 1));
    rig_free(&r);
    timing_shared_free(shared);
    return h;
}

START_TEST(modelled_time_is_the_same_in_any_slices_and_under_a_debugger)
{
    static const struct {
        uint64_t slice;
        enum look look;
    } ways[] = {{1u << 20, LOOK_NOT},  {1000, LOOK_NOT},       {17, LOOK_NOT},        {1, LOOK_NOT},
                {1u << 20, LOOK_STEP}, {1u << 20, LOOK_BREAK}, {1u << 20, LOOK_WATCH}};
    static struct gen g;
    gen_program(&g, (uint32_t)_i * 7919u + 1, 20u + (unsigned)_i * 37 % 900);
    uint64_t want_ticks, want = run_timed(&g, ways[0].slice, ways[0].look, &want_ticks);
    ck_assert_uint_gt(want_ticks, 0);
    for (unsigned k = 1; k < sizeof ways / sizeof ways[0]; k++) {
        uint64_t ticks;
        const uint64_t got = run_timed(&g, ways[k].slice, ways[k].look, &ticks);
        ck_assert_msg(ticks == want_ticks, "program %d, way %u: %llu ticks, not %llu", _i, k,
                      (unsigned long long)ticks, (unsigned long long)want_ticks);
        ck_assert_msg(got == want, "program %d, way %u: another hash", _i, k);
    }
}
END_TEST

START_TEST(breakpoints_stop_exactly_and_other_pages_run_on)
{
    struct rig r = machine();
    /* l: call CODE+0x2000 ; dec ecx ; jnz l ; hlt      CODE+0x2000: inc eax ; ret */
    static const uint8_t code[] = {0xe8, 0xfb, 0x1f, 0, 0, 0xff, 0xc9, 0x75, 0xf7, 0xf4};
    static const uint8_t sub[] = {0xff, 0xc0, 0xc3};
    load(&r, CODE, code, sizeof code);
    load(&r, CODE + 0x2000, sub, sizeof sub);
    r.c->r[R_AX] = 0;
    r.c->r[R_CX] = 50;
    ck_assert_int_eq(cpu_run(r.c, 50), CPU_STOP_BUDGET); /* all is linked and cached */
    const uint64_t bp[] = {CODE + 0x2002};
    r.c->dbg.bp = bp;
    r.c->dbg.bp_count = 1;
    r.c->attn |= ATTN_DEBUG;
    for (unsigned n = 11; n <= 13; n++) {
        ck_assert_int_eq(cpu_run(r.c, 10000), CPU_STOP_BREAK);
        ck_assert_uint_eq(r.c->rip, bp[0]);
        ck_assert_uint_eq(r.c->r[R_AX], n);
        ck_assert_int_eq(r.c->dbg.hit_kind, 1);
        r.c->dbg.resume_over = true;
    }
    r.c->dbg.bp_count = 0;
    r.c->attn &= ~(uint32_t)ATTN_DEBUG;
    run(&r, 10000);
    ck_assert_uint_eq(r.c->r[R_AX], 50);
    ck_assert_uint_eq(cpu_icount(r.c), 50 * 5 + 1);
    rig_free(&r);
}
END_TEST

START_TEST(chains_do_not_grow_the_host_stack)
{
    struct rig r = machine();
    static const uint8_t code[] = {0xb9, 0x40, 0x42, 0x0f, 0, /* mov ecx, 1000000 */
                                   0x48, 0x01, 0xc8, 0xff, 0xc9, 0x75, 0xf9, 0xf4};
    load(&r, CODE, code, sizeof code);
    run(&r, 1u << 30); /* 3 M handlers; a frame each would be 48 MB or more */
    ck_assert_uint_eq(r.c->r[R_CX], 0);
    rig_free(&r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("engine");
    TCase *t = tcase_create("engine");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, a_counting_loop_retires_every_instruction);
    tcase_add_test(t, a_slice_ends_at_the_exact_instruction);
    tcase_add_test(t, a_store_into_the_running_block_takes_effect_at_once);
    tcase_add_test(t, patched_code_runs_as_patched_the_next_time);
    tcase_add_test(t, an_instruction_across_pages_follows_the_mapping_of_the_second_page);
    tcase_add_test(t, calls_across_pages_follow_every_change_of_the_mapping);
    tcase_add_test(t, rep_movsb_copies_and_counts_a_chunk_as_one);
    tcase_add_loop_test(t, every_optimisation_can_be_off_with_the_same_result, 0, 60);
    tcase_add_loop_test(t, modelled_time_is_the_same_in_any_slices_and_under_a_debugger, 0, 12);
    tcase_add_test(t, breakpoints_stop_exactly_and_other_pages_run_on);
    tcase_add_test(t, chains_do_not_grow_the_host_stack);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    const int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
