/*
 * The self-test of doctor: runs machines whose results are known.
 *
 * roms/selftest.S computes a sum over integer, x87, SSE and string instructions; sum and count of
 * instructions are the same whatever host and compiler, and stand here. The demo (hypervisor, root
 * and two children) checks itself; its images depend on the compiler that built them, so its state
 * hash is compared with that of a second run.
 */
#include <inttypes.h>
#include <string.h>

#include "cpu/cpu.h"
#include "frontends/cli/doctor.h"
#include "frontends/cli/embed.h"
#include "frontends/cli/images.h"
#include "lib/err.h"
#include "machine/machine.h"

#define SUM          "cda4fad5"
#define INSNS        2900064ull
#define SELF_LIMIT   (2 * INSNS)
#define SELF_MEMORY  (16u << 20)
#define DEMO_LIMIT   4000000000ull /* instructions; it takes a tenth of it */
#define WRONG_ADVICE "this binary computes wrongly here: build it again, and report it"

struct sum {
    char text[32];
    unsigned len;
};

static void on_output(void *opaque, const char *source, const void *bytes, size_t len)
{
    struct sum *const s = opaque;

    if (!s || strcmp(source, "debugcon") != 0)
        return;
    for (size_t i = 0; i < len && s->len < sizeof(s->text) - 1; i++)
        s->text[s->len++] = ((const char *)bytes)[i];
}

/* Runs until the guest says that all is well; false: something else happened. */
static bool run(struct machine_config *cfg, uint64_t limit, uint64_t *hash, uint64_t *insns,
                struct err *err)
{
    struct machine *const m = machine_new(cfg, err);

    if (!m)
        return false;
    const enum machine_stop why = machine_run(m, limit, UINT64_MAX);
    const bool good = why == MACHINE_STOP_POWEROFF ||
                      (why == MACHINE_STOP_EXIT && machine_exit_value(m) == 0);
    *hash = machine_hash(m);
    *insns = machine_icount(m);
    machine_free(m);
    return good;
}

static void test_processor(struct doctor *d)
{
    const struct embed_file *const e = embed_find("selftest.elf");
    struct sum sum = {.len = 0};
    uint64_t hash, insns = 0;
    struct err err;

    err_clear(&err);
    if (!e) {
        doctor_add(d, FINDING_MISSING, "processor", "configure with an x86-64 gcc (--guest-cc)",
                   "the test program is not in this binary");
        return;
    }
    struct machine_config cfg = {.memory = SELF_MEMORY,
                                 .smp = 1,
                                 .kernel = e->data,
                                 .kernel_len = e->size,
                                 .kernel_name = e->name,
                                 .cmdline = "",
                                 .output = on_output,
                                 .opaque = &sum};
    if (!run(&cfg, SELF_LIMIT, &hash, &insns, &err))
        doctor_add(d, FINDING_PROBLEM, "processor", WRONG_ADVICE, "%s",
                   err_is_set(&err) ? err.cause[0] : "the test program did not end well");
    else if (strcmp(sum.text, SUM) != 0 || insns != INSNS)
        doctor_add(d, FINDING_PROBLEM, "processor", WRONG_ADVICE,
                   "sum %s after %" PRIu64 " instructions, expected " SUM " after %llu", sum.text,
                   insns, INSNS);
    else
        doctor_add(d, FINDING_OK, "processor", NULL,
                   "%" PRIu64 " instructions, sum " SUM " as on every host", insns);
}

static void test_demo(struct doctor *d)
{
    static struct images im;
    static struct options o;
    uint64_t hash[2] = {0, 0}, insns[2] = {0, 0};
    bool good = true;
    struct err err;

    err_clear(&err);
    if (!embed_find("hypervisor.elf"))
        return; /* said already */
    struct machine_config cfg = {.memory = 0};
    if (options_parse(&o, 'r', 0, NULL, &err) < 0 || images_prepare(&im, &o, &cfg, &err) < 0)
        good = false;
    for (unsigned i = 0; i < 2 && good; i++)
        good = run(&cfg, DEMO_LIMIT, &hash[i], &insns[i], &err);
    if (!good)
        doctor_add(d, FINDING_PROBLEM, "demo", "`vitrine run --consoles=all` shows what happens",
                   "%s", err_is_set(&err) ? err.cause[0] : "its checks do not pass");
    else if (hash[0] != hash[1] || insns[0] != insns[1])
        doctor_add(d, FINDING_PROBLEM, "demo", WRONG_ADVICE,
                   "two runs differ: %016" PRIx64 " and %016" PRIx64, hash[0], hash[1]);
    else
        doctor_add(d, FINDING_OK, "demo", NULL,
                   "passes; two runs, one state hash: %016" PRIx64 " at %" PRIu64, hash[0],
                   insns[0]);
    images_free(&im);
}

void doctor_run_self_test(struct doctor *d)
{
    test_processor(d);
    test_demo(d);
}
