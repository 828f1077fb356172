/*
 * tests/fuzz/fuzz.c: the driver of the fuzz targets: makes inputs from a seed number, mutates valid
 * ones, and saves the input that crashed or hung.
 *
 *   fuzz TARGET [--runs=N] [--time=SECONDS] [--seed=N] [FILE...]
 *
 * With files, only these are run. The same seed makes the same inputs; a long run uses another.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/log.h"
#include "tests/fuzz/fuzz.h"

#define HANG_SECONDS 30
#define SEEDS_MAX    16

static const struct fuzz_target *const targets[] = {
    &fuzz_boot,   &fuzz_decode,  &fuzz_devices, &fuzz_gdb,   &fuzz_guest,
    &fuzz_netvsp, &fuzz_options, &fuzz_storvsp, &fuzz_vmbus, &fuzz_vmx,
};
#define TARGETS (sizeof targets / sizeof targets[0])

/* The input that runs, for the signal handler. */
static struct {
    const struct fuzz_target *target;
    uint8_t data[FUZZ_INPUT_MAX];
    size_t len;
    unsigned long long number;
} now;

static struct {
    uint8_t *data;
    size_t len;
} seeds[SEEDS_MAX];
static unsigned seed_count;

/* ---- random numbers: xorshift64* ---- */

static uint64_t state;

static uint64_t rnd(void)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * 0x2545f4914f6cdd1dull;
}

static uint64_t below(uint64_t n)
{
    return n ? rnd() % n : 0;
}

/* ---- inputs ---- */

static const uint64_t telling[] = {
    0,
    1,
    2,
    3,
    4,
    7,
    8,
    15,
    16,
    31,
    32,
    63,
    64,
    127,
    128,
    255,
    256,
    511,
    512,
    4095,
    4096,
    4097,
    0x7fff,
    0x8000,
    0xffff,
    0x10000,
    0x100000,
    0x7fffffff,
    0x80000000,
    0xfffffff0,
    0xffffffff,
    0x100000000ull,
    0x7fffffffffffffffull,
    0x8000000000000000ull,
    ~0ull,
};

static void fill(uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        p[i] = (uint8_t)rnd();
}

/* One change: a bit, a number, a run of bytes, a piece moved, or the length. */
static void mutate_once(void)
{
    if (!now.len) {
        now.len = 1 + below(64);
        fill(now.data, now.len);
        return;
    }
    const size_t at = below(now.len), rest = now.len - at;
    switch (below(8)) {
    case 0:
        now.data[at] ^= (uint8_t)(1u << below(8));
        break;
    case 1:
        now.data[at] = (uint8_t)rnd();
        break;
    case 2: {
        const uint64_t v = telling[below(sizeof telling / sizeof telling[0])];
        const size_t size = (size_t)1 << below(4);
        memcpy(now.data + at, &v, size < rest ? size : rest);
        break;
    }
    case 3:
        fill(now.data + at, 1 + below(rest < 32 ? rest : 32));
        break;
    case 4: { /* copy a piece over another place */
        const size_t from = below(now.len), most = now.len - (at > from ? at : from);
        memmove(now.data + at, now.data + from, below(most + 1));
        break;
    }
    case 5: /* cut */
        now.len = below(4) ? now.len : at;
        break;
    case 6: { /* insert */
        const size_t n = 1 + below(64);
        if (now.len + n <= FUZZ_INPUT_MAX) {
            memmove(now.data + at + n, now.data + at, rest);
            fill(now.data + at, n);
            now.len += n;
        }
        break;
    }
    default: { /* take out */
        const size_t n = below(rest < 64 ? rest : 64);
        memmove(now.data + at, now.data + at + n, rest - n);
        now.len -= n;
        break;
    }
    }
}

static void make_input(void)
{
    const struct fuzz_target *const t = now.target;
    if (seed_count && below(8)) {
        const unsigned n = (unsigned)below(seed_count);
        memcpy(now.data, seeds[n].data, seeds[n].len);
        now.len = seeds[n].len;
        for (uint64_t changes = below(12); changes; changes--)
            mutate_once();
    } else {
        now.len = below(t->usual_len * 2);
        fill(now.data, now.len);
    }
}

/* ---- saving what fails ---- */

static void save(const char *what)
{
    char name[128];
    snprintf(name, sizeof name, "%s-%s-%llu", what, now.target->name, now.number);
    const int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (fd < 0 || write(fd, now.data, now.len) != (ssize_t)now.len)
        fprintf(stderr, "fuzz: cannot save %s\n", name);
    else
        fprintf(stderr, "fuzz: input saved: fuzz %s %s\n", now.target->name, name);
    if (fd >= 0)
        close(fd);
}

static void on_signal(int number)
{
    save(number == SIGALRM ? "hang" : "crash");
    signal(number, SIG_DFL);
    raise(number == SIGALRM ? SIGABRT : number);
}

#if defined(VITRINE_SANITIZE)
void __asan_on_error(void);
void __asan_on_error(void)
{
    save("crash");
}
#endif

static void run_now(void)
{
    alarm(HANG_SECONDS);
    now.target->one(now.data, now.len);
    alarm(0);
}

/* ---- command line ---- */

static int usage(void)
{
    fprintf(stderr, "usage: fuzz TARGET [--runs=N] [--time=SECONDS] [--seed=N] [FILE...]\n");
    for (size_t i = 0; i < TARGETS; i++)
        fprintf(stderr, "  %-10s %s\n", targets[i]->name, targets[i]->help);
    return 2;
}

static int run_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f) {
        fprintf(stderr, "fuzz: %s: %s\n", path, strerror(errno));
        return 1;
    }
    now.len = fread(now.data, 1, sizeof now.data, f);
    fclose(f);
    run_now();
    return 0;
}

static void get_seeds(void)
{
    static uint8_t room[FUZZ_INPUT_MAX];
    while (now.target->seed && seed_count < SEEDS_MAX) {
        const size_t len = now.target->seed(seed_count, room);
        if (!len)
            break;
        seeds[seed_count].data = malloc(len);
        if (!seeds[seed_count].data)
            break;
        memcpy(seeds[seed_count].data, room, len);
        seeds[seed_count++].len = len;
    }
}

int main(int argc, char **argv)
{
    unsigned long long runs = 0, seed = 1, seconds = 0;
    unsigned files = 0;
    for (size_t i = 0; argc > 1 && i < TARGETS; i++) {
        if (!strcmp(argv[1], targets[i]->name))
            now.target = targets[i];
    }
    if (!now.target)
        return usage();
    for (int i = 2; i < argc; i++) {
        if (argv[i][0] != '-')
            argv[2 + files++] = argv[i];
        else if (sscanf(argv[i], "--runs=%llu", &runs) != 1 &&
                 sscanf(argv[i], "--time=%llu", &seconds) != 1 &&
                 sscanf(argv[i], "--seed=%llu", &seed) != 1)
            return usage();
    }
    const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGALRM};
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        signal(signals[i], on_signal);
    log_set_level(LOG_LEVEL_ERROR);
    log_enable(LOG_LEVEL_WARN, false);
    if (now.target->setup)
        now.target->setup();
    if (files) {
        int bad = 0;
        for (unsigned i = 0; i < files; i++)
            bad |= run_file(argv[2 + i]);
        return bad;
    }
    get_seeds();
    state = seed * 0x9e3779b97f4a7c15ull + 1;
    const time_t end = time(NULL) + (time_t)seconds;
    const unsigned long long limit = runs ? runs : seconds ? ~0ull : 1000;
    while (now.number < limit && (!seconds || time(NULL) < end)) {
        now.number++;
        make_input();
        run_now();
    }
    printf("%s: %llu inputs, no crash, no hang\n", now.target->name, now.number);
    return 0;
}
