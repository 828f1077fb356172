/* State of AVX: what enables it, upper halves, XSAVE, partly done gathers. The results of the
 * instructions are compared with a real processor in tests/isa. */
#include <check.h>
#include <string.h>

#include "tests/lib/rig.h"

static struct rig r;

#define CODE     RIG_CODE
#define AREA     0x6000ull
#define UNMAPPED 0x40000000ull /* the first GiB is mapped */

#define PUT(at, ...) RIG_PUT(&r, at, __VA_ARGS__)

static void start(const char *model)
{
    r = rig_new_cpu(16 << 20, model);
    rig_long_mode(&r);
    rig_map(&r, r.c->cr3, 0, 0, PTE_P | PTE_W, 30);
    rig_programs(&r);
    cr4_set(r.c, r.c->cr4 | CR4_OSXSAVE | CR4_OSFXSR | CR4_OSXMMEXCPT);
    r.c->xcr0 = 7;
}

static void setup(void)
{
    start("v3");
}

static void teardown(void)
{
    rig_free(&r);
}

static int run_at(uint64_t at)
{
    rig_start(&r, at);
    return rig_run(&r);
}

/* vpaddb ymm0, ymm1, ymm2; hlt */
#define VPADDB PUT(CODE, 0xc5, 0xf5, 0xfc, 0xc2, 0xf4)
/* andn rcx, rbx, rax; hlt */
#define ANDN PUT(CODE, 0xc4, 0xe2, 0xe0, 0xf2, 0xc8, 0xf4)

START_TEST(vector_registers_must_be_enabled_by_the_system)
{
    VPADDB;
    ck_assert_int_eq(run_at(CODE), -1);
    r.c->xcr0 = 3;
    ck_assert_int_eq(run_at(CODE), 6);
    r.c->xcr0 = 7;
    cr4_set(r.c, r.c->cr4 & ~(uint64_t)CR4_OSXSAVE);
    ck_assert_int_eq(run_at(CODE), 6);
    cr4_set(r.c, r.c->cr4 | CR4_OSXSAVE);
    r.c->cr0 |= CR0_TS;
    ck_assert_int_eq(run_at(CODE), 7);
}
END_TEST

START_TEST(general_register_instructions_need_no_enabling)
{
    ANDN;
    r.c->xcr0 = 1;
    r.c->cr0 |= CR0_TS;
    r.c->r[R_BX] = 0xff;
    r.c->r[R_AX] = 0xfff;
    ck_assert_int_eq(run_at(CODE), -1);
    ck_assert_uint_eq(r.c->r[R_CX], 0xf00);
}
END_TEST

START_TEST(the_default_model_has_none_of_it)
{
    teardown();
    start("v2");
    VPADDB;
    ck_assert_int_eq(run_at(CODE), 6);
    ANDN;
    ck_assert_int_eq(run_at(CODE), 6);
    PUT(CODE, 0xf3, 0x0f, 0xbc, 0xc8, 0xf4); /* tzcnt ecx, eax is bsf */
    r.c->r[R_AX] = 0;
    r.c->r[R_CX] = 77;
    ck_assert_int_eq(run_at(CODE), -1);
    ck_assert_uint_eq(r.c->r[R_CX], 77);
    PUT(CODE, 0x0f, 0x01, 0xd1, 0xf4); /* xsetbv */
    r.c->r[R_AX] = 7;
    r.c->r[R_CX] = r.c->r[R_DX] = 0;
    ck_assert_int_eq(run_at(CODE), 13);
}
END_TEST

START_TEST(flags_before_a_vector_instruction_that_faults_are_exact)
{
    /* add rbx, rax; vpxor xmm0, xmm0, xmm0; sub rdx, rcx; hlt */
    PUT(CODE, 0x48, 0x01, 0xc3, 0xc5, 0xf9, 0xef, 0xc0, 0x48, 0x29, 0xca, 0xf4);
    r.c->cr0 |= CR0_TS;
    r.c->r[R_AX] = ~0ull;
    r.c->r[R_BX] = 1;
    ck_assert_int_eq(run_at(CODE), 7);
    ck_assert_uint_eq(rig_ld64(&r, r.c->r[R_SP] + 16) & FL_ARITH, FL_CF | FL_ZF | FL_PF | FL_AF);
}
END_TEST

START_TEST(legacy_instructions_leave_upper_halves_and_vex_clears_them)
{
    /* paddb xmm0, xmm2; vpaddb xmm3, xmm1, xmm2; hlt */
    PUT(CODE, 0x66, 0x0f, 0xfc, 0xc2, 0xc5, 0xf1, 0xfc, 0xda, 0xf4);
    r.c->xmm[0].q[3] = r.c->xmm[3].q[3] = r.c->xmm[1].q[3] = 99;
    ck_assert_int_eq(run_at(CODE), -1);
    ck_assert_uint_eq(r.c->xmm[0].q[3], 99);
    ck_assert_uint_eq(r.c->xmm[3].q[3], 0);
}
END_TEST

START_TEST(xsave_keeps_upper_halves_apart)
{
    PUT(CODE, 0x0f, 0xae, 0x27, 0xf4);        /* xsave [rdi]; hlt */
    PUT(CODE + 0x10, 0x0f, 0xae, 0x2f, 0xf4); /* xrstor [rdi]; hlt */
    PUT(CODE + 0x20, 0x0f, 0xc7, 0x27, 0xf4); /* xsavec [rdi]; hlt */
    r.c->r[R_DI] = AREA;
    r.c->r[R_DX] = 0;
    r.c->r[R_AX] = 7;
    r.c->xmm[5].q[0] = 0x55;
    r.c->xmm[5].q[2] = 0x1234;
    r.c->xmm[15].q[3] = 0x5678;
    ck_assert_int_eq(run_at(CODE), -1);
    ck_assert_uint_eq(rig_ld64(&r, AREA + 512), 7);
    ck_assert_uint_eq(rig_ld64(&r, AREA + 576 + 5 * 16), 0x1234);
    ck_assert_uint_eq(rig_ld64(&r, AREA + 576 + 15 * 16 + 8), 0x5678);
    rig_st64(&r, AREA + 576 + 5 * 16, 0x4321);
    r.c->r[R_AX] = 4; /* only they come back */
    r.c->xmm[5].q[0] = 0x66;
    ck_assert_int_eq(run_at(CODE + 0x10), -1);
    ck_assert_uint_eq(r.c->xmm[5].q[2], 0x4321);
    ck_assert_uint_eq(r.c->xmm[5].q[0], 0x66);
    rig_st64(&r, AREA + 512, 3); /* or their initial state */
    ck_assert_int_eq(run_at(CODE + 0x10), -1);
    ck_assert_uint_eq(r.c->xmm[5].q[2], 0);
    ck_assert_uint_eq(r.c->xmm[15].q[3], 0);
    r.c->xmm[1].q[2] = 0x77;
    r.c->r[R_AX] = 6;
    ck_assert_int_eq(run_at(CODE + 0x20), -1);
    ck_assert_uint_eq(rig_ld64(&r, AREA + 520), 1ull << 63 | 6);
    ck_assert_uint_eq(rig_ld64(&r, AREA + 576 + 16), 0x77);
}
END_TEST

START_TEST(xcr0_has_no_upper_halves_without_lower_ones)
{
    PUT(CODE, 0x0f, 0x01, 0xd1, 0xf4); /* xsetbv */
    r.c->r[R_CX] = r.c->r[R_DX] = 0;
    r.c->r[R_AX] = 5;
    ck_assert_int_eq(run_at(CODE), 13);
    r.c->r[R_AX] = 7;
    r.c->xcr0 = 1;
    ck_assert_int_eq(run_at(CODE), -1);
    ck_assert_uint_eq(r.c->xcr0, 7);
    uint32_t q[4];
    cpuid_query(r.c, 0xd, 0, q);
    ck_assert_uint_eq(q[0], 7);
    ck_assert_uint_eq(q[1], 832);
    cpuid_query(r.c, 0xd, 2, q);
    ck_assert_uint_eq(q[0], 256);
    ck_assert_uint_eq(q[1], 576);
}
END_TEST

START_TEST(a_gather_that_faults_keeps_what_it_has_and_goes_on_from_there)
{
    PUT(CODE, 0xc4, 0xe2, 0x65, 0x90, 0x0c, 0x93, 0xf4); /* vpgatherdd ymm1, [rbx+ymm2*4], ymm3 */
    r.c->r[R_BX] = AREA;
    for (unsigned k = 0; k < 8; k++) {
        rig_st64(&r, AREA + 8 * k, 100 + k);
        r.c->xmm[2].d[k] = 2 * k;
        r.c->xmm[3].d[k] = k == 1 ? 0 : 0x80000000u;
        r.c->xmm[1].d[k] = 7;
    }
    r.c->xmm[2].d[3] = (uint32_t)((UNMAPPED - AREA) / 4);
    ck_assert_int_eq(run_at(CODE), 14);
    ck_assert_uint_eq(r.c->cr2, UNMAPPED);
    ck_assert_uint_eq(r.c->xmm[1].d[0], 100);
    ck_assert_uint_eq(r.c->xmm[1].d[1], 7);
    ck_assert_uint_eq(r.c->xmm[1].d[2], 102);
    ck_assert_uint_eq(r.c->xmm[1].d[3], 7);
    ck_assert_uint_eq(r.c->xmm[3].d[2], 0);
    ck_assert_uint_eq(r.c->xmm[3].d[3] >> 31, 1);
    r.c->xmm[2].d[3] = 6;
    rig_st64(&r, AREA, 1); /* the first one is not read again */
    ck_assert_int_eq(run_at(CODE), -1);
    ck_assert_uint_eq(r.c->xmm[1].d[0], 100);
    ck_assert_uint_eq(r.c->xmm[1].d[3], 103);
    ck_assert_uint_eq(r.c->xmm[1].d[7], 107);
    ck_assert_uint_eq(r.c->xmm[3].q[3], 0);
}
END_TEST

START_TEST(masked_moves_do_not_touch_what_is_masked_off)
{
    /* vmaskmovps ymm0, ymm1, [rbx]; vmaskmovps [rbx], ymm1, ymm0; hlt */
    PUT(CODE, 0xc4, 0xe2, 0x75, 0x2c, 0x03, 0xc4, 0xe2, 0x75, 0x2e, 0x03, 0xf4);
    rig_map(&r, r.c->cr3, UNMAPPED - 4096 + (1ull << 39), 0x100000, PTE_P | PTE_W, 12);
    r.c->r[R_BX] = UNMAPPED + (1ull << 39) - 8; /* two elements before the page's end */
    memset(&r.c->xmm[1], 0, sizeof r.c->xmm[1]);
    r.c->xmm[1].d[0] = r.c->xmm[1].d[1] = 0x80000000u;
    rig_st64(&r, 0x100ff8, 0x2222222211111111ull);
    ck_assert_int_eq(run_at(CODE), -1);
    ck_assert_uint_eq(r.c->xmm[0].q[0], 0x2222222211111111ull);
    ck_assert_uint_eq(r.c->xmm[0].q[1], 0);
    r.c->xmm[1].d[2] = 0x80000000u;
    ck_assert_int_eq(run_at(CODE), 14);
    ck_assert_uint_eq(r.c->cr2, UNMAPPED + (1ull << 39));
}
END_TEST

START_TEST(a_store_that_faults_writes_nothing)
{
    PUT(CODE, 0xc5, 0xfc, 0x11, 0x03, 0xf4);        /* vmovups [rbx], ymm0 */
    PUT(CODE + 0x10, 0xc5, 0xfc, 0x29, 0x03, 0xf4); /* vmovaps [rbx], ymm0 */
    rig_map(&r, r.c->cr3, UNMAPPED - 4096 + (1ull << 39), 0x100000, PTE_P | PTE_W, 12);
    r.c->r[R_BX] = UNMAPPED + (1ull << 39) - 16;
    memset(&r.c->xmm[0], 0x5a, sizeof r.c->xmm[0]);
    ck_assert_int_eq(run_at(CODE), 14);
    ck_assert_uint_eq(rig_ld64(&r, 0x100ff8), 0);
    ck_assert_int_eq(run_at(CODE + 0x10), 13);
    r.c->r[R_BX] -= 16;
    ck_assert_int_eq(run_at(CODE + 0x10), -1);
    ck_assert_uint_eq(rig_ld64(&r, 0x100ff8), 0x5a5a5a5a5a5a5a5aull);
}
END_TEST

START_TEST(fused_multiply_add_rounds_once)
{
    PUT(CODE, 0xc4, 0xe2, 0xf1, 0xa9, 0xc2, 0xf4); /* vfmadd213sd xmm0, xmm1, xmm2 */
    const double a = 1 + 0x1p-52, b = 1 - 0x1p-52, minus_one = -1;
    memcpy(&r.c->xmm[0], &a, 8);
    memcpy(&r.c->xmm[1], &b, 8);
    memcpy(&r.c->xmm[2], &minus_one, 8);
    r.c->fpu.mxcsr = 0x1f80;
    ck_assert_int_eq(run_at(CODE), -1);
    double d;
    memcpy(&d, &r.c->xmm[0], 8);
    ck_assert(d == -0x1p-104);
    ck_assert_uint_eq(r.c->fpu.mxcsr, 0x1f80);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("avx");
    TCase *t = tcase_create("avx");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, vector_registers_must_be_enabled_by_the_system);
    tcase_add_test(t, general_register_instructions_need_no_enabling);
    tcase_add_test(t, the_default_model_has_none_of_it);
    tcase_add_test(t, flags_before_a_vector_instruction_that_faults_are_exact);
    tcase_add_test(t, legacy_instructions_leave_upper_halves_and_vex_clears_them);
    tcase_add_test(t, xsave_keeps_upper_halves_apart);
    tcase_add_test(t, xcr0_has_no_upper_halves_without_lower_ones);
    tcase_add_test(t, a_gather_that_faults_keeps_what_it_has_and_goes_on_from_there);
    tcase_add_test(t, masked_moves_do_not_touch_what_is_masked_off);
    tcase_add_test(t, a_store_that_faults_writes_nothing);
    tcase_add_test(t, fused_multiply_add_rounds_once);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    const int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
