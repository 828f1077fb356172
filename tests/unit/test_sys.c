/* Events, MSRs, CPUID, XSAVE, I/O and resets of a processor, by small programs in machine code. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/sys/cpuid.h"
#include "tests/lib/rig.h"

static struct rig r;
static int ack_vector; /* what the APIC stand-in delivers */
static uint8_t port_bytes[8];
static unsigned port_count;

static int apic_ack(void *apic)
{
    (void)apic;
    cpu_signals.set_intr(r.c, false);
    return ack_vector;
}
static uint8_t cr8;
static uint8_t apic_get_cr8(void *apic)
{
    (void)apic;
    return cr8;
}
static void apic_set_cr8(void *apic, uint8_t v)
{
    (void)apic;
    cr8 = v;
}
static bool apic_msr_read(void *apic, uint32_t msr, uint64_t *v)
{
    (void)apic;
    *v = msr == MSR_APIC_BASE ? 0xfee00900 : 0;
    return msr == MSR_APIC_BASE;
}
static bool apic_msr_write(void *apic, uint32_t msr, uint64_t v)
{
    (void)apic, (void)msr, (void)v;
    return false;
}
static const struct lp_apic_ops apic_ops = {.ack = apic_ack,
                                            .get_cr8 = apic_get_cr8,
                                            .set_cr8 = apic_set_cr8,
                                            .msr_read = apic_msr_read,
                                            .msr_write = apic_msr_write};

static uint64_t port_read(void *dev, uint64_t offset, unsigned size)
{
    (void)dev, (void)offset, (void)size;
    return 0x40 + port_count++;
}
static void port_write(void *dev, uint64_t offset, unsigned size, uint64_t v)
{
    (void)dev, (void)offset, (void)size;
    port_bytes[port_count++ % 8] = (uint8_t)v;
}
static const struct bus_ops port_ops = {port_read, port_write, 0};

#define CODE RIG_CODE

#define PUT(at, ...) RIG_PUT(&r, at, __VA_ARGS__)

/* 64-bit mode, memory one to one, each vector's handler a HLT in its own place. */
static void setup(void)
{
    r = rig_new(16 << 20);
    rig_long_mode(&r);
    rig_map(&r, r.c->cr3, 0, 0, PTE_P | PTE_W, 30);
    rig_programs(&r);
    r.c->apic_ops = &apic_ops;
    port_count = 0;
    bus_map_port(r.bus, 0x300, 8, &port_ops, NULL, "test");
}

static void teardown(void)
{
    rig_free(&r);
}

static int run(void)
{
    return rig_run(&r);
}

START_TEST(an_interrupt_waits_for_the_instruction_after_sti)
{
    PUT(CODE, 0xfb, 0xff, 0xc0, 0xff, 0xc0, 0xf4); /* sti; inc eax; inc eax; hlt */
    ack_vector = 0x41;
    cpu_signals.set_intr(r.c, true);
    ck_assert_int_eq(run(), 0x41);
    ck_assert_uint_eq(r.c->r[R_AX], 1);
    ck_assert_uint_eq(rig_ld64(&r, r.c->r[R_SP]), CODE + 3);
    ck_assert_uint_eq(r.c->eflags & FL_IF, 0);
}
END_TEST

START_TEST(nmi_comes_before_an_interrupt_and_masks_further_ones)
{
    PUT(CODE, 0xfb, 0x90, 0x90, 0xf4);
    ack_vector = 0x41;
    cpu_signals.set_intr(r.c, true);
    cpu_signals.nmi(r.c);
    ck_assert_int_eq(run(), 2);
    ck_assert(r.c->nmi_masked);
    cpu_signals.nmi(r.c);
    ck_assert(!event_pending(r.c));
    PUT(RIG_HANDLERS + 2 * 16 + 1, 0x48, 0xcf); /* iretq after the handler's hlt */
    r.c->activity = CPU_ACTIVE;
    ck_assert_int_eq(run(), 2);
    ck_assert(r.c->nmi_masked);
}
END_TEST

START_TEST(hlt_wakes_by_an_interrupt_only_with_if_set)
{
    PUT(CODE, 0xf4, 0xfb, 0xf4); /* hlt; sti; hlt */
    ck_assert_int_eq(run(), -1);
    ack_vector = 0x50;
    cpu_signals.set_intr(r.c, true);
    ck_assert(!event_pending(r.c));
    r.c->activity = CPU_ACTIVE;
    ck_assert_int_eq(run(), 0x50);
}
END_TEST

START_TEST(a_fault_in_delivery_is_a_double_fault_and_one_more_shuts_down)
{
    PUT(CODE, 0x0f, 0x0b);             /* ud2 */
    rig_st64(&r, RIG_IDT + 6 * 16, 0); /* no gate: #GP; #UD is benign, so #GP is delivered */
    ck_assert_int_eq(run(), 13);
    r.c->activity = CPU_ACTIVE;
    r.c->rip = CODE + 0x100;
    PUT(CODE + 0x100, 0x8e, 0xd8); /* mov ds, ax with a bad selector: #GP */
    r.c->r[R_AX] = 0x1000;
    rig_st64(&r, RIG_IDT + 13 * 16, 0); /* #GP without gate: double fault */
    ck_assert_int_eq(run(), 8);
    r.c->activity = CPU_ACTIVE;
    r.c->rip = CODE + 0x100;
    rig_st64(&r, RIG_IDT + 8 * 16, 0);
    ck_assert_int_eq(run(), -2);
    ck_assert_int_eq(r.c->activity, CPU_SHUTDOWN);
}
END_TEST

START_TEST(init_and_sipi_start_a_processor_in_real_mode)
{
    PUT(0x12000, 0x8c, 0xc8, 0xf4); /* mov ax, cs; hlt */
    r.c->index = 1;
    cpu_signals.init(r.c);
    cpu_run(r.c, 10);
    ck_assert_int_eq(r.c->activity, CPU_WAIT_SIPI);
    cpu_signals.sipi(r.c, 0x12);
    ck_assert(event_pending(r.c));
    cpu_run(r.c, 10);
    ck_assert_uint_eq(r.c->r[R_AX], 0x1200);
    ck_assert_int_eq(r.c->activity, CPU_HALTED);
}
END_TEST

START_TEST(rep_outsb_and_insb_move_every_byte_and_retire_each)
{
    PUT(CODE, 0xf3, 0x6e, 0xf3, 0x6c, 0xf4); /* rep outsb; rep insb; hlt */
    PUT(0x5000, 'a', 'b', 'c');
    r.c->r[R_DX] = 0x301;
    r.c->r[R_CX] = 3;
    r.c->r[R_SI] = 0x5000;
    r.c->r[R_DI] = 0x5100;
    ck_assert_int_eq(run(), -1);
    ck_assert_mem_eq(port_bytes, "abc", 3);
    ck_assert_uint_eq(r.c->r[R_SI], 0x5003);
    r.c->activity = CPU_ACTIVE;
    r.c->rip = CODE + 2;
    r.c->r[R_CX] = 2;
    ck_assert_int_eq(run(), -1);
    ck_assert_uint_eq(rig_ld64(&r, 0x5100) & 0xffff, 0x4443);
    ck_assert_uint_eq(r.c->r[R_CX], 0);
}
END_TEST

START_TEST(xsave_and_xrstor_bring_back_registers_or_their_initial_state)
{
    cr4_set(r.c, r.c->cr4 | CR4_OSXSAVE | CR4_OSFXSR);
    r.c->xcr0 = 3;
    r.c->r[R_AX] = 3;
    r.c->r[R_DI] = 0x6000;
    r.c->xmm[3].q[0] = 0x1234;
    r.c->fpu.st[2].sig = 0x8000000000000001ull;
    PUT(CODE, 0x0f, 0xae, 0x27, 0xf4);        /* xsave [rdi]; hlt */
    PUT(CODE + 0x10, 0x0f, 0xae, 0x2f, 0xf4); /* xrstor [rdi]; hlt */
    ck_assert_int_eq(run(), -1);
    ck_assert_uint_eq(rig_ld64(&r, 0x6000 + 512), 3);
    ck_assert_uint_eq(rig_ld64(&r, 0x6000 + 160 + 3 * 16), 0x1234);
    r.c->xmm[3].q[0] = 0;
    r.c->rip = CODE + 0x10;
    r.c->activity = CPU_ACTIVE;
    ck_assert_int_eq(run(), -1);
    ck_assert_uint_eq(r.c->xmm[3].q[0], 0x1234);
    rig_st64(&r, 0x6000 + 512, 0);
    r.c->rip = CODE + 0x10;
    r.c->activity = CPU_ACTIVE;
    ck_assert_int_eq(run(), -1);
    ck_assert_uint_eq(r.c->xmm[3].q[0], 0);
    rig_st64(&r, 0x6000 + 512, 4); /* a component that XCR0 lacks */
    r.c->rip = CODE + 0x10;
    r.c->activity = CPU_ACTIVE;
    ck_assert_int_eq(run(), 13);
}
END_TEST

START_TEST(every_msr_that_reads_can_be_looked_up_and_unknown_ones_fail)
{
    static const uint32_t known[] = {
        0x10,       0x17,       0x3a,       0x3b,       0x48,       0x8b,
        0xce,       0xfe,       0x10a,      0x174,      0x175,      0x176,
        0x179,      0x17a,      0x1a0,      0x1d9,      0x200,      0x20f,
        0x250,      0x258,      0x259,      0x268,      0x26f,      0x277,
        0x2ff,      0x480,      0x491,      0xc0000080, 0xc0000081, 0xc0000082,
        0xc0000083, 0xc0000084, 0xc0000100, 0xc0000101, 0xc0000102, 0xc0000103};
    uint64_t v;
    for (unsigned n = 0; n < sizeof known / sizeof known[0]; n++) {
        if (known[n] != 0x491) /* VMFUNC controls: only when announced */
            ck_assert_msg(msr_read(r.c, known[n], &v), "msr %#x", known[n]);
    }
    ck_assert(!msr_read(r.c, 0x1234, &v));
    ck_assert(!msr_read(r.c, 0xc0000104, &v));
    ck_assert(!msr_write(r.c, 0xfe, 0));
    ck_assert(!msr_write(r.c, MSR_LSTAR, 1ull << 50));
    ck_assert(!msr_write(r.c, MSR_EFER, 1ull << 20));
    ck_assert(!msr_write(r.c, MSR_PAT, 2));
    ck_assert(msr_write(r.c, MSR_TSC_ADJUST, 1000));
    ck_assert_int_eq(r.c->tsc_offset, 1000);
}
END_TEST

START_TEST(cpuid_announces_what_the_instruction_table_has)
{
    uint32_t q[4];
    char brand[49] = "";
    for (unsigned n = 0; n < 3; n++) {
        cpuid_query(r.c, 0x80000002 + n, 0, q);
        memcpy(brand + n * 16, q, 16);
    }
    ck_assert_str_eq(brand, "Vitrine x86-64-v2");
    for (unsigned n = 0; n < cpuid_bit_count; n++)
        ck_assert(cpu_model_has(r.c->model, n) ==
                  cpu_has(r.c, (enum isa_feature)cpuid_bits[n].feature));
    ck_assert(!cpu_has(r.c, F_MONITOR));
    cpuid_query(r.c, 1, 0, q);
    ck_assert_uint_eq(q[2] >> 27 & 1, 0);
    cr4_set(r.c, r.c->cr4 | CR4_OSXSAVE);
    cpuid_query(r.c, 1, 0, q);
    ck_assert_uint_eq(q[2] >> 27 & 1, 1);
    r.c->lp_count = 3;
    cpuid_query(r.c, 0xb, 1, q);
    ck_assert_uint_eq(q[0], 2);
    ck_assert_uint_eq(q[1], 3);
}
END_TEST

START_TEST(the_hash_names_a_state_and_changes_with_it)
{
    const uint64_t h = cpu_hash(r.c, 1);
    ck_assert_uint_eq(cpu_hash(r.c, 1), h);
    r.c->xmm[15].q[1] ^= 1;
    ck_assert_uint_ne(cpu_hash(r.c, 1), h);
    r.c->xmm[15].q[1] ^= 1;
    ck_assert_uint_eq(cpu_hash(r.c, 1), h);
    r.c->seg[SEG_GS].base++;
    ck_assert_uint_ne(cpu_hash(r.c, 1), h);
    r.c->seg[SEG_GS].base--;
    mem_ld8(r.c, 0x1000); /* the TLB is no state */
    ck_assert_uint_eq(cpu_hash(r.c, 1), h);
}
END_TEST

START_TEST(reset_gives_the_state_of_the_manual)
{
    struct cpu *c = r.c;
    cpu_reset(c);
    ck_assert_uint_eq(c->seg[SEG_CS].base + c->rip, 0xfffffff0);
    ck_assert_uint_eq(c->cr0, 0x60000010);
    ck_assert_uint_eq(cpu_rflags(c), 2);
    ck_assert_uint_eq(c->dr[6], 0xffff0ff0);
    ck_assert_uint_eq(c->dr[7], 0x400);
    ck_assert_uint_eq(c->mode & MODE_CODE_MASK, MODE_CODE16);
    ck_assert_uint_eq(c->fpu.cw, 0x40);
}
END_TEST

START_TEST(mov_cr8_goes_to_the_apic)
{
    PUT(CODE, 0x44, 0x0f, 0x22, 0xc0, 0x44, 0x0f, 0x20, 0xc3, 0xf4); /* mov cr8,rax; mov rbx,cr8 */
    r.c->r[R_AX] = 9;
    ck_assert_int_eq(run(), -1);
    ck_assert_uint_eq(cr8, 9);
    ck_assert_uint_eq(r.c->r[R_BX], 9);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sys");
    TCase *t = tcase_create("sys");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, an_interrupt_waits_for_the_instruction_after_sti);
    tcase_add_test(t, nmi_comes_before_an_interrupt_and_masks_further_ones);
    tcase_add_test(t, hlt_wakes_by_an_interrupt_only_with_if_set);
    tcase_add_test(t, a_fault_in_delivery_is_a_double_fault_and_one_more_shuts_down);
    tcase_add_test(t, init_and_sipi_start_a_processor_in_real_mode);
    tcase_add_test(t, rep_outsb_and_insb_move_every_byte_and_retire_each);
    tcase_add_test(t, xsave_and_xrstor_bring_back_registers_or_their_initial_state);
    tcase_add_test(t, every_msr_that_reads_can_be_looked_up_and_unknown_ones_fail);
    tcase_add_test(t, cpuid_announces_what_the_instruction_table_has);
    tcase_add_test(t, the_hash_names_a_state_and_changes_with_it);
    tcase_add_test(t, reset_gives_the_state_of_the_manual);
    tcase_add_test(t, mov_cr8_goes_to_the_apic);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    const int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
