/* VM exits and control fields in words. */
#include <check.h>

#include "abi/vmx.h"
#include "debug/vmx_text.h"

static char buf[1024];

static const char *text(uint32_t reason, uint64_t qual, uint64_t gpa, uint32_t info)
{
    return vmx_exit_text(reason, qual, gpa, info, buf, sizeof buf);
}

START_TEST(qualifications_are_told_in_words)
{
    ck_assert_str_eq(text(VMX_EXIT_CR_ACCESS, 0x913, 0, 0), "mov r9, cr3");
    ck_assert_str_eq(text(VMX_EXIT_CR_ACCESS, 0x300, 0, 0), "mov cr0, rbx");
    ck_assert_str_eq(text(VMX_EXIT_IO, 0x12340003, 0, 0), "out 4 bytes, port 0x1234");
    ck_assert_str_eq(text(VMX_EXIT_EPT_VIOLATION, 0x18a, 0x1000, 0),
                     "write of gpa 0x1000, EPT has r--");
    ck_assert_str_eq(text(VMX_EXIT_EXCEPTION_NMI, 0x4000, 0, 0x80000b0e), "#PF at 0x4000");
    ck_assert_str_eq(text(VMX_EXIT_EXT_INT, 0, 0, 0x80000031), "interrupt vector 49");
    ck_assert_str_eq(text(VMX_EXIT_HLT, 0, 0, 0), "");
}
END_TEST

START_TEST(control_bits_have_names)
{
    ck_assert_str_eq(vmx_ctl_text(VMCS_PIN_CTL, 9, buf, sizeof buf),
                     "external-interrupt exiting, NMI exiting");
    ck_assert_ptr_null(vmx_ctl_text(VMCS_GUEST_RIP, 9, buf, sizeof buf));
}
END_TEST

START_TEST(a_short_buffer_is_never_overrun)
{
    char small[8];
    vmx_ctl_text(VMCS_PROC_CTL, UINT32_MAX, small, sizeof small);
    ck_assert_uint_lt(__builtin_strlen(small), sizeof small);
    vmx_exit_text(VMX_EXIT_EPT_VIOLATION, 0x18a, UINT64_MAX, 0, small, sizeof small);
    ck_assert_uint_lt(__builtin_strlen(small), sizeof small);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("vmx text");
    TCase *t = tcase_create("text");
    tcase_add_test(t, qualifications_are_told_in_words);
    tcase_add_test(t, control_bits_have_names);
    tcase_add_test(t, a_short_buffer_is_never_overrun);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
