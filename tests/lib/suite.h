/* tests/lib/suite.h: main() of a test program that is one list of tests, and a counting line. */
#ifndef TESTS_LIB_SUITE_H
#define TESTS_LIB_SUITE_H

#include <check.h>

#include "core/irq.h"

#define SUITE(title, ...)                                           \
    int main(void)                                                  \
    {                                                               \
        const TTest *const tests[] = {__VA_ARGS__};                 \
        Suite *suite = suite_create(title);                         \
        TCase *tc = tcase_create(title);                            \
        for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) \
            tcase_add_test(tc, tests[i]);                           \
        suite_add_tcase(suite, tc);                                 \
        SRunner *runner = srunner_create(suite);                    \
        srunner_run_all(runner, CK_ENV);                            \
        const int failed = srunner_ntests_failed(runner);           \
        srunner_free(runner);                                       \
        return failed != 0;                                         \
    }

/* An interrupt line that counts its rising edges. */
struct fake_line {
    int level;
    unsigned rises;
};

static inline void fake_line_set(void *opaque, unsigned n, int level)
{
    struct fake_line *f = (struct fake_line *)opaque + n;
    f->rises += level && !f->level;
    f->level = !!level;
}

static inline struct irq_line fake_line(struct fake_line *f)
{
    return (struct irq_line){fake_line_set, f, 0};
}

#endif
