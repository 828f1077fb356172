/*
 * A Linux program of vector code: the C library's string and mathematical functions (which choose
 * AVX2 and FMA variants at run time), loops that the compiler vectorises, and vector registers
 * across signals and context switches. Prints one line; the same on every x86-64-v3 processor.
 */
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t state = 88172645463325252ull;

static uint64_t rnd(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static uint64_t mix(uint64_t h, uint64_t v)
{
    return (h ^ v) * 0x9e3779b97f4a7c15ull;
}

static uint64_t mix_double(uint64_t h, double d)
{
    uint64_t v;
    memcpy(&v, &d, 8);
    return mix(h, v);
}

static uint64_t strings(void)
{
    static char a[5000], b[5000];
    uint64_t h = 1;
    for (unsigned k = 0; k < 3000; k++) {
        const unsigned from = rnd() % 70, to = rnd() % 70, n = rnd() % (k % 10 ? 300 : 4000);
        for (unsigned j = 0; j < n; j++)
            a[from + j] = (char)(1 + rnd() % 250);
        a[from + n] = 0;
        memcpy(b + to, a + from, n + 1);
        h = mix(h, strlen(b + to) == n);
        h = mix(h, strcmp(a + from, b + to) == 0);
        if (n) {
            b[to + rnd() % n] ^= 3;
            const int d = memcmp(a + from, b + to, n);
            h = mix(h, d < 0 ? 1 : d > 0 ? 2 : 3);
            const char *p = memchr(b + to, a[from + n / 2], n);
            h = mix(h, p ? (uint64_t)(p - b - to) : 9999);
            const char *q = strrchr(a + from, b[to + n / 3]);
            h = mix(h, q ? (uint64_t)(q - a - from) : 9999);
        }
        memmove(b + to + 1, b + to, n);
        memset(a + from, (int)k, n / 2);
        for (unsigned j = 0; j < n; j += 7)
            h = mix(h, (unsigned char)b[to + j] << 8 | (unsigned char)a[from + j]);
    }
    return h;
}

static uint64_t numbers(void)
{
    static double x[64][64], y[64][64], z[64][64];
    static float f[4096];
    static int32_t w[4096];
    uint64_t h = 2;
    for (unsigned i = 0; i < 64; i++) {
        for (unsigned j = 0; j < 64; j++) {
            x[i][j] = (double)(int64_t)rnd() / 1e15;
            y[i][j] = (double)(int64_t)rnd() / 1e17;
        }
    }
    for (unsigned i = 0; i < 64; i++)
        for (unsigned k = 0; k < 64; k++)
            for (unsigned j = 0; j < 64; j++)
                z[i][j] += x[i][k] * y[k][j];
    for (unsigned i = 0; i < 64; i++)
        for (unsigned j = 0; j < 64; j++)
            h = mix_double(h, z[i][j]);
    for (unsigned k = 0; k < 4096; k++) {
        w[k] = (int32_t)rnd();
        f[k] = (float)w[k] / 1024;
    }
    for (unsigned k = 0; k < 4096; k++) {
        f[k] = f[k] * 1.5f - (float)(w[k] >> (k & 31));
        w[k] = (w[k] << (k & 7)) + (int32_t)f[k] / 3;
    }
    for (unsigned k = 0; k < 4096; k++)
        h = mix_double(mix(h, (uint32_t)w[k]), f[k]);
    for (unsigned k = 1; k < 2000; k++) {
        const double v = (double)(rnd() >> 20) / 1e12;
        h = mix_double(h, sin(v) + exp(-v / 40) * log(v + k) - pow(v / 900, 1.7) + atan(v));
    }
    return h;
}

static volatile sig_atomic_t ticks;

static void on_tick(int sig)
{
    (void)sig;
    ticks++;
    __asm__ volatile("vpcmpeqb %%ymm0, %%ymm0, %%ymm0\n vmovdqa %%ymm0, %%ymm7\n vzeroupper" ::
                         : "xmm0", "xmm7");
}

/* A value kept in YMM registers while others run. */
static int keeps_registers(uint64_t id)
{
    uint64_t in[4] = {id, ~id, id << 7, id * 77}, out[4];
    for (unsigned k = 0; k < 400; k++) {
        unsigned long left = 3000;
        __asm__ volatile("vmovdqu %[in], %%ymm7\n"
                         "1: vpaddq %%ymm7, %%ymm7, %%ymm6\n"
                         "   vpsubq %%ymm7, %%ymm6, %%ymm7\n"
                         "   dec %[left]\n   jnz 1b\n"
                         "vmovdqu %%ymm7, %[out]\n"
                         : [left] "+r"(left), [out] "=m"(out)
                         : [in] "m"(in)
                         : "xmm6", "xmm7", "cc");
        if (memcmp(in, out, sizeof in))
            return 1;
        sched_yield();
    }
    return 0;
}

int main(void)
{
    const struct itimerval every = {{0, 2000}, {0, 2000}};
    int bad = 0;
    signal(SIGALRM, on_tick);
    setitimer(ITIMER_REAL, &every, NULL);
    for (unsigned n = 0; n < 2; n++) {
        if (fork() == 0) {
            setitimer(ITIMER_REAL, &every, NULL);
            _exit(keeps_registers(n + 5));
        }
    }
    bad += keeps_registers(99);
    for (unsigned n = 0; n < 2; n++) {
        int status = 1;
        while (wait(&status) < 0)
            ;
        bad += status != 0;
    }
    const uint64_t s = strings(), v = numbers();
    printf("vector: %016llx %016llx, registers %s\n", (unsigned long long)s, (unsigned long long)v,
           bad ? "lost" : "kept");
    return 0;
}
