/*
 * tests/isa/native.c: the host's processor runs the cases, in a child process.
 *
 * Each case is entered by returning from a signal handler with all registers set, and left by the
 * INT3 behind it or by its fault: the next signal brings every register, and sets up the next case.
 * The code page is written through a second mapping. Only x86-64 Linux hosts.
 */
#include "tests/isa/isatest.h"

#if defined(__x86_64__) && defined(__linux__)

#include <asm/prctl.h>
#include <cpuid.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "cpu/sys/cpuid.h"

#define FLAGS_CASE 0x40cd5u /* AC DF and the arithmetic six */

static struct shared *sh;
static pid_t child;
static int to_child[2], from_child[2];

/* child's own */
static uint8_t *code_rw;
static int64_t now;
static greg_t home[NGREG];
static uint8_t home_fx[FX_USED];

/* XSAVE image in signal frames: standard form */
#define XS_BV  512
#define XS_YMM 576
static bool have_ymm;

static const int greg_of[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                                REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                REG_R12, REG_R13, REG_R14, REG_R15};

static void collect_ymm(const uint8_t *image, struct test_result *r)
{
    if (have_ymm && (image[XS_BV] & 4))
        memcpy(r->ymm, image + XS_YMM, sizeof r->ymm);
    else
        memset(r->ymm, 0, sizeof r->ymm);
}

static void collect(const ucontext_t *uc, const struct test_case *t, struct test_result *r)
{
    const greg_t *g = uc->uc_mcontext.gregs;
    for (unsigned n = 0; n < 16; n++)
        r->r[n] = (uint64_t)g[greg_of[n]];
    r->rip = (uint64_t)g[REG_RIP];
    r->flags = (uint64_t)g[REG_EFL];
    r->vec = (int32_t)g[REG_TRAPNO];
    r->err = (uint32_t)g[REG_ERR];
    r->cr2 = (uint64_t)g[REG_CR2];
    if (r->vec == 3) {
        r->vec = VEC_NONE;
        r->rip--;
    } else if (r->vec == 14 && (r->err & 0x10) && r->rip != t->rip) {
        r->vec = VEC_NONE; /* the fetch behind a branch */
    }
    if (r->vec != 14)
        r->cr2 = 0;
    memcpy(r->fx, uc->uc_mcontext.fpregs, FX_USED);
    collect_ymm((const uint8_t *)uc->uc_mcontext.fpregs, r);
    r->mem_changed = memcmp((void *)DATA_VA, sh->pattern, DATA_RW) != 0;
    if (r->mem_changed) {
        memcpy(r->mem, (void *)DATA_VA, DATA_RW);
        memcpy((void *)DATA_VA, sh->pattern, DATA_RW);
    }
    memset(code_rw + (t->rip - CODE_VA), 0xcc, t->len);
}

static void load_fx(ucontext_t *uc, const uint8_t *fx, const void *ymm)
{
    uint8_t *image = (uint8_t *)uc->uc_mcontext.fpregs;
    memcpy(image, fx, FX_USED);
    uint64_t bv; /* XSAVE header: x87 and SSE state present */
    memcpy(&bv, image + XS_BV, 8);
    bv |= have_ymm ? 7 : 3;
    memcpy(image + XS_BV, &bv, 8);
    if (have_ymm)
        memcpy(image + XS_YMM, ymm, 256);
}

static void enter(ucontext_t *uc, const struct test_case *t)
{
    greg_t *g = uc->uc_mcontext.gregs;
    memcpy(code_rw + (t->rip - CODE_VA), t->code, t->len);
    for (unsigned n = 0; n < 16; n++)
        g[greg_of[n]] = (greg_t)t->r[n];
    g[REG_RIP] = (greg_t)t->rip;
    g[REG_EFL] = (greg_t)((t->flags & FLAGS_CASE) | 0x202);
    load_fx(uc, t->fx, t->ymm);
}

__attribute__((used)) static void on_trap(int sig, siginfo_t *info, void *ctx)
{
    (void)sig;
    (void)info;
    ucontext_t *uc = ctx;
    if (now < 0) {
        memcpy(home, uc->uc_mcontext.gregs, sizeof home);
        memcpy(home_fx, uc->uc_mcontext.fpregs, FX_USED);
    } else {
        collect(uc, &sh->cases[now], &sh->results[now]);
    }
    now++;
    sh->at = (uint32_t)now;
    if (now < (int64_t)sh->count) {
        enter(uc, &sh->cases[now]);
        return;
    }
    memcpy(uc->uc_mcontext.gregs, home, sizeof home);
    static const uint8_t zero[256];
    load_fx(uc, home_fx, zero);
}

/* AC, NT and ID survive into handlers: clear them before C code runs. */
__asm__(".text\n.type trap_entry, @function\ntrap_entry:\n"
        "    pushfq\n    andq $~0x244000, (%rsp)\n    popfq\n    jmp on_trap\n");
extern void trap_entry(int, siginfo_t *, void *);

static bool map_regions(void)
{
    const int fd = (int)syscall(SYS_memfd_create, "code", 0);
    if (fd < 0 || ftruncate(fd, (off_t)CODE_SIZE) < 0)
        return false;
    code_rw = mmap(NULL, CODE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    void *code = mmap((void *)CODE_VA, CODE_SIZE, PROT_READ | PROT_EXEC,
                      MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);
    void *data = mmap((void *)DATA_VA, DATA_SIZE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (code_rw == MAP_FAILED || code != (void *)CODE_VA || data != (void *)DATA_VA)
        return false;
    memset(code_rw, 0xcc, CODE_SIZE);
    return syscall(SYS_arch_prctl, ARCH_SET_GS, GS_BASE) == 0;
}

static bool catch_signals(void)
{
    static uint8_t stack[64 * 1024] __attribute__((aligned(64)));
    const stack_t ss = {.ss_sp = stack, .ss_size = sizeof stack};
    if (sigaltstack(&ss, NULL) < 0)
        return false;
    static const int sigs[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
    struct sigaction sa = {.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    sa.sa_sigaction = trap_entry;
    for (unsigned n = 0; n < sizeof sigs / sizeof sigs[0]; n++) {
        if (sigaction(sigs[n], &sa, NULL) < 0)
            return false;
    }
    return true;
}

static void child_main(void)
{
    if (!map_regions() || !catch_signals())
        _exit(3);
    char c;
    while (read(to_child[0], &c, 1) == 1) {
        mprotect((void *)DATA_VA, DATA_SIZE, PROT_READ | PROT_WRITE);
        memcpy((void *)DATA_VA, sh->pattern, DATA_SIZE);
        mprotect((void *)(DATA_VA + DATA_RW), DATA_SIZE - DATA_RW, PROT_READ);
        now = -1;
        __asm__ volatile("int3" ::: "memory", "cc");
        if (write(from_child[1], &c, 1) != 1)
            break;
    }
    _exit(0);
}

const char *native_missing(void)
{
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("sse4.2") || !__builtin_cpu_supports("popcnt"))
        return "the host's processor has no SSE4.2";
    return NULL;
}

static bool os_saves_ymm(void)
{
    unsigned a, b, c, d, lo, hi;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c >> 27 & 1))
        return false;
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return (lo & 6) == 6;
}

/* The host has what the CPUID table says about the feature, and its system what that needs. */
bool native_has(unsigned feature)
{
    for (unsigned n = 0; n < cpuid_bit_count; n++) {
        const struct cpuid_bit *b = &cpuid_bits[n];
        uint32_t r[4] = {0};
        if (b->feature != feature || feature == F_BASE)
            continue;
        if (!__get_cpuid_count(b->leaf, b->sub, &r[0], &r[1], &r[2], &r[3]) ||
            !(r[b->reg] >> b->bit & 1))
            return false;
    }
    return feature < F_AVX || feature > F_F16C || os_saves_ymm();
}

struct shared *native_start(void)
{
    have_ymm = native_has(F_AVX);
    sh = mmap(NULL, sizeof *sh, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (sh == MAP_FAILED || pipe(to_child) < 0 || pipe(from_child) < 0)
        return NULL;
    child = fork();
    if (child == 0) {
        close(to_child[1]);
        close(from_child[0]);
        child_main();
    }
    close(to_child[0]);
    close(from_child[1]);
    return child > 0 ? sh : NULL;
}

bool native_run(struct shared *s)
{
    char c = 'r';
    s->at = 0;
    return write(to_child[1], &c, 1) == 1 && read(from_child[0], &c, 1) == 1;
}

void native_stop(void)
{
    close(to_child[1]);
    close(from_child[0]);
    waitpid(child, NULL, 0);
    munmap(sh, sizeof *sh);
}

#else

const char *native_missing(void)
{
    return "needs an x86-64 Linux host";
}

bool native_has(unsigned feature)
{
    (void)feature;
    return false;
}

struct shared *native_start(void)
{
    return NULL;
}

bool native_run(struct shared *s)
{
    (void)s;
    return false;
}

void native_stop(void)
{
}

#endif
