/* Unit tests of lib/: error chains and logging. */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "lib/err.h"
#include "lib/log.h"

static unsigned sink_calls;

static void count_sink(void *opaque, enum log_level level, const char *module, const char *text)
{
    (void)opaque;
    (void)level;
    (void)module;
    (void)text;
    sink_calls++;
}

START_TEST(error_chain_reads_from_outer_to_inner)
{
    struct err err;
    char buf[512];

    err_set(&err, "E-FILE-001", -ENOENT, "cannot open %s", "k");
    ck_assert_int_eq(err_wrap(&err, "cannot load the kernel"), -ENOENT);
    ck_assert_str_eq(err_format(&err, buf, sizeof(buf)),
                     "cannot load the kernel: cannot open k [E-FILE-001]");
}
END_TEST

START_TEST(error_functions_accept_null)
{
    ck_assert_int_eq(err_set(NULL, "E-FILE-001", -EIO, "x"), -EIO);
    ck_assert_int_lt(err_wrap(NULL, "y"), 0);
    ck_assert(!err_is_set(NULL));
}
END_TEST

START_TEST(too_deep_a_chain_keeps_the_innermost_cause)
{
    struct err err;
    char buf[4096];

    err_set(&err, "E-FILE-002", -EIO, "innermost");
    for (int i = 0; i < 20; i++)
        err_wrap(&err, "level %d", i);
    err_format(&err, buf, sizeof(buf));
    ck_assert_ptr_nonnull(strstr(buf, "innermost"));
    ck_assert_ptr_nonnull(strstr(buf, "level 19"));
}
END_TEST

START_TEST(every_error_id_is_explained_once_and_sorted)
{
    const char *last = "";
    for (size_t i = 0; err_id_at(i); i++) {
        const char *title = NULL;
        ck_assert_int_lt(strcmp(last, err_id_at(i)), 0);
        ck_assert_ptr_nonnull(err_explain(err_id_at(i), &title));
        ck_assert_ptr_nonnull(title);
        last = err_id_at(i);
    }
    ck_assert_ptr_null(err_explain("E-NONE-999", NULL));
}
END_TEST

START_TEST(a_log_site_is_thinned_out_after_its_limit)
{
    log_set_sink(count_sink, NULL);
    log_set_site_limit(4);
    log_set_level(LOG_LEVEL_WARN);
    sink_calls = 0;
    for (int i = 0; i < 64; i++)
        LOG_WARN("test", "message %d", i);
    ck_assert_uint_eq(sink_calls, 4 + 4); /* 1..4, then 8, 16, 32, 64 */
    log_set_sink(NULL, NULL);
}
END_TEST

START_TEST(a_disabled_level_is_silent_and_can_be_enabled_alone)
{
    log_set_sink(count_sink, NULL);
    log_set_site_limit(0);
    log_set_level(LOG_LEVEL_WARN);
    sink_calls = 0;
    LOG_GUEST("test", "hidden");
    ck_assert_uint_eq(sink_calls, 0);
    log_enable(LOG_LEVEL_GUEST, true);
    LOG_GUEST("test", "shown");
    LOG_DEBUG("test", "hidden");
    ck_assert_uint_eq(sink_calls, 1);
    log_set_sink(NULL, NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("lib");
    TCase *tc = tcase_create("lib");

    tcase_add_test(tc, error_chain_reads_from_outer_to_inner);
    tcase_add_test(tc, error_functions_accept_null);
    tcase_add_test(tc, too_deep_a_chain_keeps_the_innermost_cause);
    tcase_add_test(tc, every_error_id_is_explained_once_and_sorted);
    tcase_add_test(tc, a_log_site_is_thinned_out_after_its_limit);
    tcase_add_test(tc, a_disabled_level_is_silent_and_can_be_enabled_alone);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
