/* VMX instructions, entries and exits on a processor without its engine: instructions are called
 * as the engine calls them, and leave by c->leave. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "cpu/mem.h"
#include "cpu/sys/sys.h"
#include "cpu/vmx/vmx.h"
#include "mmu/mmu.h"
#include "mmu/ram.h"
#include "tests/lib/vmcs_good.h"

#define VMXON_AT 0x10000u
#define VMCS_AT 0x7000u /* what vmx_env_good calls current */
#define OTHER_AT 0x12000u
#define PTR_AT 0x20000u /* memory operands */

static struct cpu *c;
static struct ram *ram;
static struct clock *clk;

static void put64(uint64_t pa, uint64_t v)
{
    ck_assert(ram_write(ram, hpa(pa), &v, sizeof v));
}

/* 64-bit mode, CPL 0, identity map of the first 2 MiB: PML4 1000, PDPT 2000, PD 3000. */
static void setup(void)
{
    ram = ram_new(16 << 20);
    clk = clock_new();
    c = cpu_new(0, cpu_model_find("v2"));
    ck_assert(ram && clk && c && c->vmx);
    c->ram = ram;
    c->clock = clk;
    cpu_reset(c);
    put64(0x1000, 0x2003);
    put64(0x2000, 0x3003);
    put64(0x3000, 0x83);
    c->cr3 = 0x1000;
    c->cr4 = CR4_PAE | CR4_VMXE;
    c->efer = EFER_LME | EFER_LMA;
    c->cr0 = CR0_PE | CR0_NE | CR0_PG | CR0_ET;
    c->seg[SEG_CS] = (struct seg){.limit = UINT32_MAX, .attr = 0xa09b, .sel = 8};
    for (unsigned s = 0; s < SEG_LDTR; s++)
        if (s != SEG_CS)
            c->seg[s] = (struct seg){.limit = UINT32_MAX, .attr = 0xc093, .sel = 16};
    c->seg[SEG_TR] = (struct seg){.limit = 0x67, .attr = 0x8b, .sel = 24};
    c->feature_control = 5;
    c->cpl = 0;
    c->activity = CPU_ACTIVE;
    c->delivering = -1;
    cpu_set_rflags(c, 2);
    cpu_update_mode(c);
    mmu_update_ctx(c);
    const uint32_t revision = VMCS_REVISION;
    ram_write(ram, hpa(VMXON_AT), &revision, 4);
    ram_write(ram, hpa(VMCS_AT), &revision, 4);
    ram_write(ram, hpa(OTHER_AT), &revision, 4);
}

static void teardown(void)
{
    cpu_free(c);
    clock_free(clk);
    ram_free(ram);
}

enum how { RETIRED, LEFT };

/* One instruction in a block of its own, so that cur and rip_off mean what they say. */
static enum how call(op_fn *fn, struct insn i)
{
    static union {
        struct block b;
        uint8_t room[sizeof(struct block) + sizeof(struct insn)];
    } u;
    u.b.insn[0] = i;
    u.b.n = 1;
    c->cur = &u.b.insn[0];
    c->in_insn = true;
    c->r[R_PAGE] = 0x4000;
    if (setjmp(c->leave) == 0) {
        fn(c, c->cur);
        c->in_insn = false;
        return RETIRED;
    }
    c->in_insn = false;
    return LEFT;
}

static enum how call_ptr(op_fn *fn, uint64_t pointer)
{
    put64(PTR_AT, pointer);
    return call(fn, (struct insn){.flags = INSN_MEM, .b = R_ZERO, .x = R_ZERO, .seg = SEG_DS,
                                  .disp = PTR_AT, .len = 4});
}

static unsigned flags(void)
{
    return (unsigned)cpu_rflags(c) & (FL_CF | FL_ZF | FL_OF | FL_SF | FL_AF | FL_PF);
}

static void vmwrite(uint64_t field, uint64_t v)
{
    c->r[R_DX] = field;
    c->r[R_AX] = v;
    ck_assert_int_eq(call(op_vmwrite, (struct insn){.d = R_DX, .s = R_AX, .len = 3}), RETIRED);
}

static uint64_t vmread(uint64_t field)
{
    c->r[R_DX] = field;
    ck_assert_int_eq(call(op_vmread, (struct insn){.d = R_DX, .s = R_AX, .len = 3}), RETIRED);
    return c->r[R_AX];
}

static void vmx_on(void)
{
    ck_assert_int_eq(call_ptr(op_vmxon, VMXON_AT), RETIRED);
    ck_assert_uint_eq(flags(), 0);
    ck_assert_int_eq(call_ptr(op_vmptrld, VMCS_AT), RETIRED);
    ck_assert_uint_eq(flags(), 0);
}

/* The good VMCS by VMWRITE, as software makes it. */
static void write_good(void (*make)(struct vmcs *))
{
    struct vmcs v;
    make(&v);
    v.host_cr3 = v.guest_cr3 = 0x1000;
    for (unsigned i = 0; i < vmcs_field_count; i++)
        if (!vmcs_fields[i].read_only)
            vmwrite(vmcs_fields[i].encoding, vmcs_get(&v, &vmcs_fields[i]));
}

static enum how launch(void)
{
    return call(c->vmx->launched ? op_vmresume : op_vmlaunch, (struct insn){.len = 3});
}

static void exit_op(struct cpu *cpu, const struct insn *i)
{
    (void)i;
    vmx_exit(cpu, VMX_EXIT_CPUID, 0x1234);
}

START_TEST(vmread_returns_what_vmwrite_wrote_for_every_field)
{
    vmx_on();
    for (unsigned i = 0; i < vmcs_field_count; i++) {
        const struct vmcs_field_info *f = &vmcs_fields[i];
        const uint64_t v = 0x8123456789abcdefull * (i + 1);
        const uint64_t mask = f->size == 8 ? UINT64_MAX : (1ull << 8 * f->size) - 1;
        vmwrite(f->encoding, v);
        ck_assert_uint_eq(flags(), 0); /* read-only ones too: VMX_MISC says so */
        ck_assert_uint_eq(vmread(f->encoding), v & mask);
        if (VMCS_ENC_WIDTH(f->encoding) == 1)
            ck_assert_uint_eq(vmread(f->encoding | 1), v >> 32);
    }
}
END_TEST

START_TEST(vmread_of_unsupported_encodings_fails_with_error_12)
{
    unsigned supported = 0;
    vmx_on();
    for (uint64_t enc = 0; enc < 0x8000; enc++) {
        vmread(enc);
        if (flags() == 0)
            supported++;
        else
            ck_assert_uint_eq(c->vmx->vmcs.insn_error, VMX_ERR_UNSUPPORTED_FIELD);
    }
    unsigned rows = 0;
    for (unsigned i = 0; i < vmcs_field_count; i++)
        rows += VMCS_ENC_WIDTH(vmcs_fields[i].encoding) == 1 ? 2 : 1;
    ck_assert_uint_eq(supported, rows);
}
END_TEST

START_TEST(a_vmcs_survives_vmclear_and_another_vmptrld)
{
    vmx_on();
    vmwrite(VMCS_GUEST_RIP, 0x1122334455667788);
    vmwrite(VMCS_VPID, 0x4321);
    call_ptr(op_vmptrld, OTHER_AT);
    ck_assert_uint_eq(vmread(VMCS_GUEST_RIP), 0);
    call_ptr(op_vmptrld, VMCS_AT);
    ck_assert_uint_eq(vmread(VMCS_GUEST_RIP), 0x1122334455667788);
    call_ptr(op_vmclear, VMCS_AT);
    ck_assert_uint_eq(c->vmx->current, VMX_NO_VMCS);
    vmread(VMCS_GUEST_RIP);
    ck_assert_uint_eq(flags(), FL_CF);
    call_ptr(op_vmptrld, VMCS_AT);
    ck_assert_uint_eq(vmread(VMCS_VPID), 0x4321);
}
END_TEST

START_TEST(entry_loads_guest_state_and_exit_loads_host_state)
{
    vmx_on();
    write_good(vmcs_good64);
    vmwrite(VMCS_GUEST_RSP, 0x5555);
    vmwrite(VMCS_HOST_RSP, 0x6666);
    ck_assert_int_eq(launch(), LEFT);
    ck_assert(c->non_root);
    ck_assert_uint_eq(c->rip, 0xffffffff80002000);
    ck_assert_uint_eq(c->r[R_SP], 0x5555);
    ck_assert_uint_eq(c->vmx->launched, 1);
    c->r[R_SP] = 0x7777;
    ck_assert_int_eq(call(exit_op, (struct insn){.len = 2, .rip_off = 0x123}), LEFT);
    ck_assert(!c->non_root);
    ck_assert_uint_eq(c->rip, 0xffffffff80001000);
    ck_assert_uint_eq(c->r[R_SP], 0x6666);
    ck_assert_uint_eq(vmread(VMCS_GUEST_RSP), 0x7777);
    ck_assert_uint_eq(vmread(VMCS_GUEST_RIP), 0x4123);
    ck_assert_uint_eq(vmread(VMCS_EXIT_REASON), VMX_EXIT_CPUID);
    ck_assert_uint_eq(vmread(VMCS_EXIT_QUAL), 0x1234);
    ck_assert_uint_eq(vmread(VMCS_EXIT_INSN_LEN), 2);
    ck_assert_uint_eq(c->cpl, 0);
    ck_assert_uint_eq(c->seg[SEG_CS].attr, 0xa09b);
    ck_assert_uint_eq(c->seg[SEG_TR].limit, 0x67);
}
END_TEST

static void run_mode(void (*make)(struct vmcs *))
{
    uint64_t failing[VMX_CHECK_WORDS];
    vmx_on();
    write_good(make);
    ck_assert_int_eq(launch(), LEFT);
    ck_assert(c->non_root);
    ck_assert_int_eq(call(exit_op, (struct insn){.len = 2}), LEFT);
    ck_assert(!c->non_root);
    ck_assert_uint_eq(c->vmx->dirty, 0);
    c->vmx->env.lma = true;
    ck_assert_uint_eq(vmx_check_all(&c->vmx->vmcs, &c->vmx->env, failing), 0);
    ck_assert_int_eq(launch(), LEFT);
    ck_assert(c->non_root);
}

START_TEST(what_an_exit_saves_passes_the_checks_again)
{
    static void (*const make[])(struct vmcs *) = {vmcs_good64, vmcs_good64_plain, vmcs_good32_pae,
                                                  vmcs_good_v86, vmcs_good_real};
    run_mode(make[_i]);
}
END_TEST

START_TEST(failing_guest_state_exits_with_reason_33)
{
    vmx_on();
    write_good(vmcs_good64);
    vmwrite(VMCS_GUEST_RFLAGS, 0);
    ck_assert_int_eq(launch(), LEFT);
    ck_assert(!c->non_root);
    ck_assert_uint_eq(vmread(VMCS_EXIT_REASON),
                      VMX_EXIT_ENTRY_FAILURE | VMX_EXIT_ENTRY_GUEST_STATE);
    ck_assert_uint_eq(c->vmx->last_check, VMX_CHECK_RFLAGS_RESERVED);
    ck_assert_uint_eq(c->vmx->launched, 0);
    ck_assert_uint_eq(c->rip, 0xffffffff80001000);
}
END_TEST

START_TEST(failing_controls_and_host_state_set_error_numbers)
{
    vmx_on();
    write_good(vmcs_good64);
    vmwrite(VMCS_VPID, 0);
    ck_assert_int_eq(launch(), RETIRED);
    ck_assert_uint_eq(flags(), FL_ZF);
    ck_assert_uint_eq(vmread(VMCS_INSN_ERROR), VMX_ERR_ENTRY_CONTROLS);
    vmwrite(VMCS_VPID, 1);
    vmwrite(VMCS_HOST_TR_SEL, 0);
    ck_assert_int_eq(launch(), RETIRED);
    ck_assert_uint_eq(vmread(VMCS_INSN_ERROR), VMX_ERR_ENTRY_HOST_STATE);
    vmwrite(VMCS_HOST_TR_SEL, 0x18);
    c->shadow = SHADOW_MOVSS;
    ck_assert_int_eq(launch(), RETIRED);
    ck_assert_uint_eq(vmread(VMCS_INSN_ERROR), VMX_ERR_ENTRY_MOV_SS);
    c->shadow = 0;
    ck_assert_int_eq(call(op_vmresume, (struct insn){.len = 3}), RETIRED);
    ck_assert_uint_eq(vmread(VMCS_INSN_ERROR), VMX_ERR_VMRESUME_NOT_LAUNCHED);
}
END_TEST

START_TEST(a_changed_field_is_checked_again_after_clean_entries)
{
    vmx_on();
    write_good(vmcs_good64);
    for (unsigned n = 0; n < 3; n++) {
        ck_assert_int_eq(launch(), LEFT);
        ck_assert_int_eq(call(exit_op, (struct insn){.len = 2}), LEFT);
    }
    vmwrite(VMCS_GUEST_CS_AR, 0xe09b); /* L and D */
    launch();
    ck_assert_uint_eq(c->vmx->last_check, VMX_CHECK_CS_L_D);
}
END_TEST

START_TEST(capability_msrs_announce_just_what_the_table_says)
{
    static const uint32_t msr[] = {MSR_VMX_PINBASED_CTLS, MSR_VMX_PROCBASED_CTLS, MSR_VMX_EXIT_CTLS,
                                   MSR_VMX_ENTRY_CTLS};
    for (unsigned i = 0; i < 4; i++) {
        uint64_t plain, real;
        ck_assert(vmx_msr_read(c, msr[i], &plain));
        ck_assert(vmx_msr_read(c, MSR_VMX_TRUE_PINBASED_CTLS + i, &real));
        ck_assert_uint_eq(plain >> 32, real >> 32);
        ck_assert_uint_eq((uint32_t)real & ~(uint32_t)plain, 0);
        ck_assert_uint_eq((uint32_t)plain & ~(uint32_t)(plain >> 32), 0);
    }
    ck_assert_uint_eq((uint32_t)vmx_cap_pin(), VMX_PIN_DEFAULT1);
    ck_assert_uint_eq((uint32_t)vmx_cap_proc(),
                      VMX_PROC_DEFAULT1 & ~(uint32_t)(VMX_PROC_CR3_LOAD | VMX_PROC_CR3_STORE));
    ck_assert_uint_eq((uint32_t)vmx_cap_proc2(), 0);
    uint64_t v;
    ck_assert(vmx_msr_read(c, MSR_VMX_VMFUNC, &v));
    ck_assert_uint_eq(v, 1); /* EPTP switching */
}
END_TEST

int main(void)
{
    Suite *s = suite_create("vmx switch");
    TCase *t = tcase_create("switch");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, vmread_returns_what_vmwrite_wrote_for_every_field);
    tcase_add_test(t, vmread_of_unsupported_encodings_fails_with_error_12);
    tcase_add_test(t, a_vmcs_survives_vmclear_and_another_vmptrld);
    tcase_add_test(t, entry_loads_guest_state_and_exit_loads_host_state);
    tcase_add_loop_test(t, what_an_exit_saves_passes_the_checks_again, 0, 5);
    tcase_add_test(t, failing_guest_state_exits_with_reason_33);
    tcase_add_test(t, failing_controls_and_host_state_set_error_numbers);
    tcase_add_test(t, a_changed_field_is_checked_again_after_clean_entries);
    tcase_add_test(t, capability_msrs_announce_just_what_the_table_says);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
