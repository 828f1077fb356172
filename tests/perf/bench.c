/*
 * tests/perf/bench.c: runs the benchmark guest and kernel boots under Vitrine and, where installed,
 * Debian's qemu-system-x86_64 (TCG, and with -icount) and bochs, and prints ratios.
 *
 * A measurement is the CPU time (all threads) that the emulator process used between two marker
 * lines of the guest's serial output, read from /proc when the marker arrives; emulators take turns
 * within one round, and medians over the rounds are printed: on a noisy host only the
 * ratios mean something. Usage: bench --vitrine=PROGRAM --guest=ELF --work=DIR [--rounds=N]
 * [--cloud=BZIMAGE] [--full=BZIMAGE] [--initrd=CPIO] [--user=CPIO] [--only=NAME,...]; the full
 * kernel boots once whatever N is: it takes Bochs minutes. --user: an initramfs with user.c as
 * /bench; "user" in --only stands for all its programs.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_ROUNDS   9
#define TIME_LIMIT_S 600

enum emulator { VITRINE, QEMU, QEMU_ICOUNT, BOCHS, EMULATORS };

struct options {
    const char *vitrine, *guest, *guest32, *work, *cloud, *full, *initrd, *user, *only;
    int rounds;
    bool have[EMULATORS];
};

struct kernel {
    const char *name;
    unsigned n; /* iterations for Bochs; the others run `scale` times as many */
    unsigned scale;
    unsigned distance; /* pages, copy kernels */
    bool vmx;          /* QEMU without KVM has no VT-x */
};

static const struct kernel kernels[] = {
    {"alu", 4000, 8, 0, false},     {"mem", 150, 8, 0, false},  {"tlbm", 40, 4, 0, false},
    {"calls", 3000, 8, 0, false},   {"fib", 150, 8, 0, false},  {"sieve", 60, 8, 0, false},
    {"crc", 60, 8, 0, false},       {"sort", 10, 8, 0, false},  {"sha", 2000, 8, 0, false},
    {"fp", 2000, 4, 0, false},      {"smc", 1000, 1, 0, false}, {"cr3", 1000, 2, 0, false},
    {"repmovsb", 200, 2, 0, false}, {"exit", 5000, 4, 0, true}, {"exitept", 5000, 4, 0, true},
};
/* Programs of user.c under the cloud kernel: about 15 million instructions on Bochs. */
static const struct kernel programs[] = {
    {"getpid", 50000, 10, 0, false}, {"pipe", 1000, 10, 0, false},
    {"fork", 200, 8, 0, false},      {"exec", 60, 8, 0, false},
    {"mmap", 300, 6, 0, false},      {"fault", 4, 8, 0, false},
    {"usmc", 200000, 1, 0, false},   {"jitcode", 20000, 4, 0, false},
    {"mix", 50, 12, 0, false},       {"lz", 16, 12, 0, false},
    {"matmul", 16, 12, 0, false},    {"mandel", 400, 12, 0, false},
    {"nbody", 15000, 12, 0, false},  {"convert", 800000, 12, 0, false},
    {"x87", 1000000, 4, 0, false},   {"copy", 60, 12, 0, false},
    {"scan", 600, 12, 0, false},
};
enum { ROWS = sizeof programs / sizeof programs[0] };

struct boot_row {
    const char *name, *kernel;
    int max_rounds;
};

static const unsigned distances[] = {1024, 1025, 1536, 2047, 2048, 2049,
                                     3072, 4096, 4097, 6144, 8192, 8193};

struct sample {
    double cpu;   /* seconds between the markers; < 0: failed */
    uint64_t tsc; /* guest's own count: instructions on Vitrine (time=insn, 1 ns each) */
    uint64_t sum;
};

/* CPU nanoseconds of all threads of a process. */
static uint64_t process_cpu_ns(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *d = opendir(path);
    uint64_t total = 0;
    if (!d)
        return 0;
    for (struct dirent *e; (e = readdir(d));) {
        char file[400];
        unsigned long long run = 0;
        if (!isdigit((unsigned char)e->d_name[0]))
            continue;
        snprintf(file, sizeof file, "%s/%s/schedstat", path, e->d_name);
        FILE *f = fopen(file, "r");
        if (f) {
            if (fscanf(f, "%llu", &run) == 1)
                total += run;
            fclose(f);
        }
    }
    closedir(d);
    return total;
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Start argv with stdout (or the FIFO, when given) on a pipe and `c` for Bochs's debugger on
 * stdin. */
static pid_t start(char *const argv[], const char *fifo, int *out)
{
    int fd[2], in[2];
    if (pipe(fd) || pipe(in))
        return -1;
    const pid_t pid = fork();
    if (pid == 0) {
        const int null = open("/dev/null", O_RDWR);
        dup2(in[0], 0);
        dup2(fifo ? null : fd[1], 1);
        dup2(null, 2);
        close(fd[0]);
        close(in[1]);
        setpgid(0, 0);
        execvp(argv[0], argv);
        _exit(127);
    }
    close(fd[1]);
    close(in[0]);
    if (fifo) {
        close(fd[0]);
        fd[0] = open(fifo, O_RDONLY | O_NONBLOCK);
        if (write(in[1], "c\n", 2) != 2)
            fprintf(stderr, "bench: cannot start bochs's debugger\n");
    }
    if (!fifo)
        close(in[1]);
    *out = fd[0];
    return pid;
}

/* What lies between two marker lines; without `from`: since the start. */
struct span {
    char from[64], to[64];
    struct sample s;
    double begin, end; /* CPU seconds; < 0: not yet */
};

/* Advance over the spans that the output so far begins and ends; returns the first open one.
 * The workload ends where its end line begins: Bochs's UART is slow in virtual time, there the rest
 * of the line takes longer than a short workload. */
static unsigned spans_scan(struct span *span, unsigned k, unsigned count, const char *text,
                           double cpu)
{
    for (; k < count; k++) {
        struct span *const s = &span[k];
        const char *from = strstr(text, s->from);
        if (!from)
            break;
        from += strlen(s->from);
        if (s->begin < 0)
            s->begin = s->from[0] ? cpu : 0;
        if (s->end < 0 && (s->from[0] ? strchr(from, '@') : strstr(from, s->to)))
            s->end = cpu;
        const char *to = strstr(from, s->to);
        if (!to || !strchr(to, '\n'))
            break;
        const char *tsc = strstr(to, "tsc="), *sum = strstr(to, "sum=");
        s->s.cpu = s->end - s->begin;
        s->s.tsc = tsc ? strtoull(tsc + 4, NULL, 16) : 0;
        s->s.sum = sum ? strtoull(sum + 4, NULL, 16) : 0;
    }
    return k;
}

/* Run until the last span has ended. */
static void measure(char *const argv[], const char *fifo, struct span *span, unsigned count)
{
    int fd;
    const pid_t pid = start(argv, fifo, &fd);
    if (pid < 0)
        return;
    char text[65536];
    size_t len = 0;
    unsigned k = 0;
    const double limit = now_s() + TIME_LIMIT_S;
    while (k < count && now_s() < limit) {
        struct pollfd p = {fd, POLLIN, 0};
        if (poll(&p, 1, 200) <= 0 || len + 1 >= sizeof text) {
            if (waitpid(pid, NULL, WNOHANG) == pid)
                goto gone;
            if (len + 1 >= sizeof text)
                len = 0;
            continue;
        }
        const ssize_t n = read(fd, text + len, sizeof text - 1 - len);
        const uint64_t cpu = process_cpu_ns(pid);
        if (n <= 0) {
            if (!fifo || waitpid(pid, NULL, WNOHANG) == pid)
                break;
            usleep(1000);
            continue;
        }
        len += (size_t)n;
        text[len] = 0;
        k = spans_scan(span, k, count, text, (double)cpu * 1e-9);
    }
    kill(-pid, SIGKILL);
    waitpid(pid, NULL, 0);
gone:
    close(fd);
}

static void write_file(const char *path, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void write_file(const char *path, const char *fmt, ...)
{
    FILE *f = fopen(path, "w");
    if (!f) {
        fprintf(stderr, "bench: %s: %s\n", path, strerror(errno));
        exit(1);
    }
    va_list ap;
    va_start(ap, fmt);
    vfprintf(f, fmt, ap);
    va_end(ap);
    fclose(f);
}

/* What an emulator is to boot. */
struct guest {
    const char *image, *initrd; /* initrd NULL: a multiboot program */
    const char *image_qemu;     /* QEMU's loader wants ELF32 */
    const char *append;
    bool child; /* on Vitrine: in a partition of the hypervisor */
};

/* A GRUB CD image for Bochs that loads by multiboot (a program) or linux (a kernel). */
static bool make_iso(const struct options *o, const struct guest *g)
{
    char path[512], cmd[2048];
    snprintf(cmd, sizeof cmd, "mkdir -p '%s/iso/boot/grub' && cp '%s' '%s/iso/boot/image'", o->work,
             g->image, o->work);
    if (system(cmd))
        return false;
    snprintf(cmd, sizeof cmd, "cp '%s' '%s/iso/boot/initrd'", g->initrd, o->work);
    if (g->initrd && system(cmd))
        return false;
    snprintf(path, sizeof path, "%s/iso/boot/grub/grub.cfg", o->work);
    write_file(path, "set timeout=0\nmenuentry x {\n %s /boot/image %s\n%s}\n",
               g->initrd ? "linux" : "multiboot", g->append,
               g->initrd ? " initrd /boot/initrd\n" : "");
    snprintf(cmd, sizeof cmd, "cd '%s' && grub-mkrescue -o bench.iso iso >/dev/null 2>&1", o->work);
    if (system(cmd))
        return false;
    snprintf(path, sizeof path, "%s/serial", o->work);
    unlink(path);
    if (mkfifo(path, 0600))
        return false;
    snprintf(path, sizeof path, "%s/bochsrc", o->work);
    write_file(path,
               "cpu: model=corei7_haswell_4770, ips=1000000000\nmemory: guest=512, host=512\n"
               "romimage: file=/usr/share/bochs/BIOS-bochs-latest\n"
               "vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest\n"
               "ata0-master: type=cdrom, path=%s/bench.iso, status=inserted\nboot: cdrom\n"
               "com1: enabled=1, mode=file, dev=%s/serial\ndisplay_library: sdl2\nlog: /dev/null\n"
               "speaker: enabled=1, mode=none\nsound: waveoutdrv=dummy, waveindrv=dummy, "
               "midioutdrv=dummy\n"
               "panic: action=fatal\nclock: sync=none, time0=946684800\n",
               o->work, o->work);
    return true;
}

struct command {
    const char *argv[24];
    char rc[512], fifo[512], vm[2048];
    bool has_fifo;
};

static bool build_command(const struct options *o, enum emulator e, const struct guest *g,
                          struct command *c)
{
    const char *const vitrine[] = {o->vitrine, "run",     "--bare", "--kernel", g->image,
                                   "--append", g->append, "-m",     "512",      "--headless",
                                   "--initrd", g->initrd, NULL};
    const char *const child[] = {o->vitrine, "run", "--headless", "--vm", c->vm, NULL};
    const char *const qemu[] = {"qemu-system-x86_64",
                                "-m",
                                "512",
                                "-display",
                                "none",
                                "-serial",
                                "stdio",
                                "-kernel",
                                g->image_qemu,
                                "-append",
                                g->append,
                                "-accel",
                                "tcg,thread=single",
                                "-initrd",
                                g->initrd,
                                NULL};
    const char *const bochs[] = {"bochs", "-q", "-f", c->rc, NULL};
    const char *const *const from = e == BOCHS     ? bochs
                                    : e != VITRINE ? qemu
                                    : g->child     ? child
                                                   : vitrine;
    unsigned n = 0;
    while (from[n]) {
        c->argv[n] = from[n];
        n++;
    }
    if (from != bochs && from != child && !g->initrd)
        n--; /* the option whose value is missing */
    if (e == QEMU_ICOUNT) {
        c->argv[n++] = "-icount";
        c->argv[n++] = "shift=0,sleep=off";
    }
    c->argv[n] = NULL;
    snprintf(c->rc, sizeof c->rc, "%s/bochsrc", o->work);
    snprintf(c->fifo, sizeof c->fifo, "%s/serial", o->work);
    snprintf(c->vm, sizeof c->vm, "name=a,memory=512M,kernel=%s,initrd=%s,append='%s'", g->image,
             g->initrd ? g->initrd : "", g->append);
    c->has_fifo = e == BOCHS;
    return e != BOCHS || make_iso(o, g);
}

static void run_guest(const struct options *o, enum emulator e, const struct guest *g,
                      struct span *span, unsigned count)
{
    struct command c;
    for (unsigned k = 0; k < count; k++)
        span[k].s = (struct sample){-1, 0, 0}, span[k].begin = span[k].end = -1;
    if (build_command(o, e, g, &c))
        measure((char *const *)c.argv, c.has_fifo ? c.fifo : NULL, span, count);
}

static struct sample run_kernel(const struct options *o, enum emulator e, const struct kernel *k)
{
    char append[128];
    struct span span;
    const struct guest g = {o->guest, NULL, o->guest32, append, false};
    snprintf(append, sizeof append, "kernel=%s n=%u d=%u", k->name,
             k->n * (e == BOCHS ? 1 : k->scale), k->distance);
    snprintf(span.from, sizeof span.from, "@@start %s\n", k->name);
    snprintf(span.to, sizeof span.to, "@@end %s ", k->name);
    run_guest(o, e, &g, &span, 1);
    if (e != BOCHS)
        span.s.cpu /= k->scale;
    return span.s;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(double *v, int n)
{
    qsort(v, (size_t)n, sizeof *v, by_value);
    return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

/* A column "peer time / our time": above 1 Vitrine is ahead. */
static void print_ratio(double peer, double ours)
{
    if (peer > 0 && ours > 0)
        printf(" %11.2fx", peer / ours);
    else
        printf(" %12s", "-");
}

static bool wanted(const struct options *o, const char *name)
{
    if (!o->only)
        return true;
    const size_t n = strlen(name);
    for (const char *p = o->only; (p = strstr(p, name)); p += n) {
        if ((p == o->only || p[-1] == ',') && (p[n] == 0 || p[n] == ','))
            return true;
    }
    return false;
}

static void bench_kernel(const struct options *o, const struct kernel *k)
{
    double t[EMULATORS][MAX_ROUNDS], med[EMULATORS] = {0};
    uint64_t insns = 0, sum = 0;
    bool agree = true;
    for (int round = 0; round < o->rounds; round++) {
        for (int e = 0; e < EMULATORS; e++) {
            t[e][round] = -1;
            if (!o->have[e] || (k->vmx && (e == QEMU || e == QEMU_ICOUNT)))
                continue;
            const struct sample s = run_kernel(o, (enum emulator)e, k);
            t[e][round] = s.cpu;
            if (e == VITRINE)
                insns = s.tsc / k->scale, sum = s.sum;
            else if (e != BOCHS && s.cpu > 0 && s.sum != sum)
                agree = false;
        }
    }
    for (int e = 0; e < EMULATORS; e++)
        med[e] = median(t[e], o->rounds);
    printf("%-9s %8.0f", k->name, med[VITRINE] > 0 ? (double)insns / med[VITRINE] / 1e6 : 0.0);
    for (int e = QEMU; e < EMULATORS; e++)
        print_ratio(med[e], med[VITRINE]);
    printf("%s\n", agree ? "" : "  CHECKSUM DIFFERS");
    fflush(stdout);
}

/* The distances take turns, and the least of the rounds counts: what another load on the host adds
 * must not look like one distance being worse. */
static void bench_distances(const struct options *o, const char *name, unsigned scale)
{
    enum { N = sizeof distances / sizeof distances[0] };
    double t[N], best = 1e9, worst = 0;
    unsigned at = 0;
    for (int round = 0; round < o->rounds; round++) {
        for (unsigned i = 0; i < N; i++) {
            const struct kernel k = {name, 500, scale, distances[i], false};
            const double cpu = run_kernel(o, VITRINE, &k).cpu;
            t[i] = round == 0 || cpu < t[i] ? cpu : t[i];
        }
    }
    for (unsigned i = 0; i < N; i++) {
        best = t[i] < best ? t[i] : best;
        at = t[i] > worst ? i : at;
        worst = t[i] > worst ? t[i] : worst;
    }
    printf("%-9s worst/best over %d page distances: %.2f, at %u pages\n", name, (int)N,
           worst / best, distances[at]);
    fflush(stdout);
}

/* Boot to the marker that the initramfs prints; bare on every emulator, and as a child. */
static void bench_boot(const struct options *o, const struct boot_row *row)
{
    struct guest g = {row->kernel, o->initrd, row->kernel, "console=ttyS0 quiet panic=-1", false};
    double t[EMULATORS + 1][MAX_ROUNDS], med[EMULATORS + 1];
    const int rounds = o->rounds < row->max_rounds ? o->rounds : row->max_rounds;
    for (int round = 0; round < rounds; round++) {
        for (int e = 0; e <= EMULATORS; e++) {
            g.child = e == EMULATORS;
            t[e][round] = -1;
            if (!g.child && !o->have[e])
                continue;
            struct span span = {"", "@@init", {-1, 0, 0}, -1, -1};
            run_guest(o, g.child ? VITRINE : (enum emulator)e, &g, &span, 1);
            t[e][round] = span.s.cpu;
        }
    }
    for (int e = 0; e <= EMULATORS; e++)
        med[e] = median(t[e], rounds);
    printf("boot %-5s %7.2fs", row->name, med[VITRINE]);
    for (int e = QEMU; e < EMULATORS; e++)
        print_ratio(med[e], med[VITRINE]);
    printf("   as child %.2f s, %.2fx bare\n", med[EMULATORS], med[EMULATORS] / med[VITRINE]);
    fflush(stdout);
}

static void print_user(const struct options *o, const struct kernel *p,
                       struct sample got[EMULATORS][MAX_ROUNDS][ROWS], unsigned row)
{
    double t[MAX_ROUNDS], med[EMULATORS];
    bool agree = true;
    for (int e = 0; e < EMULATORS; e++) {
        for (int round = 0; round < o->rounds; round++) {
            const struct sample *s = &got[e][round][row];
            t[round] = s->cpu;
            if (e != BOCHS && s->cpu > 0 && s->sum != got[VITRINE][0][row].sum)
                agree = false;
        }
        med[e] = median(t, o->rounds);
    }
    const double insns = (double)got[VITRINE][0][row].tsc / p->scale;
    printf("%-9s %8.0f", p->name, med[VITRINE] > 0 ? insns / med[VITRINE] / 1e6 : 0.0);
    for (int e = QEMU; e < EMULATORS; e++)
        print_ratio(med[e], med[VITRINE]);
    printf("%s\n", agree ? "" : "  CHECKSUM DIFFERS");
    fflush(stdout);
}

/* All programs of user.c in one boot per emulator and round. */
static void bench_user(const struct options *o)
{
    static struct sample got[EMULATORS][MAX_ROUNDS][ROWS];
    struct span span[ROWS];
    unsigned row[ROWS], rows = 0;
    for (unsigned k = 0; k < ROWS; k++) {
        if (wanted(o, programs[k].name) || wanted(o, "user"))
            row[rows++] = k;
    }
    for (int round = 0; rows && round < o->rounds; round++) {
        for (int e = 0; e < EMULATORS; e++) {
            char append[1024] = "console=ttyS0 quiet panic=-1 rdinit=/bench --";
            const struct guest g = {o->cloud, o->user, o->cloud, append, false};
            for (unsigned k = 0; k < rows; k++) {
                const struct kernel *p = &programs[row[k]];
                const size_t n = strlen(append);
                snprintf(append + n, sizeof append - n, " %s=%u", p->name,
                         p->n * (e == BOCHS ? 1 : p->scale));
                snprintf(span[k].from, sizeof span[k].from, "@@start %s\n", p->name);
                snprintf(span[k].to, sizeof span[k].to, "@@end %s ", p->name);
                span[k].s = (struct sample){-1, 0, 0};
            }
            if (o->have[e]) /* else -1 stays */
                run_guest(o, (enum emulator)e, &g, span, rows);
            for (unsigned k = 0; k < rows; k++) {
                got[e][round][k] = span[k].s;
                got[e][round][k].cpu /= e == BOCHS ? 1 : programs[row[k]].scale;
            }
        }
    }
    for (unsigned k = 0; k < rows; k++)
        print_user(o, &programs[row[k]], got, k);
}

/* What a peer needs: commands, or files by pattern, and the Debian package that has them. */
static const struct {
    enum emulator peer;
    const char *name, *thing, *package;
} needs[] = {
    {QEMU, "qemu", "qemu-system-x86_64", "qemu-system-x86"},
    {BOCHS, "bochs", "bochs", "bochs"},
    {BOCHS, "bochs", "grub-mkrescue", "grub-common"},
    {BOCHS, "bochs", "xorriso", "xorriso"},
    {BOCHS, "bochs", "/usr/share/bochs/BIOS-bochs-latest", "bochsbios"},
    {BOCHS, "bochs", "/usr/share/bochs/VGABIOS-lgpl-latest", "vgabios"},
    {BOCHS, "bochs", "/usr/lib/*/bochs/plugins/libbx_sdl2_gui.so", "bochs-sdl"},
};

/* Which peers are here; says what is missing of the others. */
static void find_peers(bool have[EMULATORS])
{
    have[VITRINE] = have[QEMU] = have[BOCHS] = true;
    for (size_t k = 0; k < sizeof needs / sizeof needs[0]; k++) {
        char cmd[128];
        snprintf(cmd, sizeof cmd, needs[k].thing[0] == '/' ? "ls %s" : "command -v %s",
                 needs[k].thing);
        strcat(cmd, " >/dev/null 2>&1");
        if (system(cmd)) {
            fprintf(stderr, "bench: no row for %s: %s is missing (Debian package %s)\n",
                    needs[k].name, needs[k].thing, needs[k].package);
            have[needs[k].peer] = false;
        }
    }
    have[QEMU_ICOUNT] = have[QEMU];
}

int main(int argc, char **argv)
{
    struct options o = {.rounds = 3, .work = "bench-work"};
    for (int i = 1; i < argc; i++) {
        const char *v = strchr(argv[i], '=');
        const struct {
            const char *name;
            const char **to;
        } keys[] = {{"--vitrine", &o.vitrine}, {"--guest", &o.guest}, {"--guest32", &o.guest32},
                    {"--work", &o.work},       {"--cloud", &o.cloud}, {"--full", &o.full},
                    {"--initrd", &o.initrd},   {"--user", &o.user},   {"--only", &o.only}};
        for (size_t k = 0; v && k < sizeof keys / sizeof keys[0]; k++) {
            if (!strncmp(argv[i], keys[k].name, strlen(keys[k].name)) &&
                argv[i][strlen(keys[k].name)] == '=')
                *keys[k].to = v + 1;
        }
        if (v && !strncmp(argv[i], "--rounds=", 9))
            o.rounds = atoi(v + 1) < 1 ? 1 : atoi(v + 1) > MAX_ROUNDS ? MAX_ROUNDS : atoi(v + 1);
    }
    if (!o.vitrine || !o.guest || !o.guest32) {
        fprintf(stderr,
                "usage: bench --vitrine=PROGRAM --guest=ELF --guest32=ELF [--work=DIR] [--rounds=N]"
                " [--cloud=BZIMAGE] [--full=BZIMAGE] [--initrd=CPIO] [--user=CPIO] "
                "[--only=NAME,...]\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    setenv("SDL_VIDEODRIVER", "dummy", 1); /* Bochs has no headless display */
    find_peers(o.have);
    printf("medians of %d rounds; ratio = peer's CPU time / Vitrine's, above 1 Vitrine is ahead\n",
           o.rounds);
    printf("%-9s %8s %12s %12s %12s\n", "kernel", "MIPS", "qemu", "qemu-icount", "bochs");
    fflush(stdout);
    for (size_t i = 0; i < sizeof kernels / sizeof kernels[0]; i++) {
        if (wanted(&o, kernels[i].name))
            bench_kernel(&o, &kernels[i]);
    }
    if (wanted(&o, "distrep"))
        bench_distances(&o, "distrep", 32);
    if (wanted(&o, "distcpy"))
        bench_distances(&o, "distcpy", 1);
    if (o.cloud && o.user)
        bench_user(&o);
    const struct boot_row boots[] = {{"cloud", o.cloud, 3}, {"amd64", o.full, 1}};
    for (size_t i = 0; i < sizeof boots / sizeof boots[0]; i++) {
        if (boots[i].kernel && o.initrd && wanted(&o, boots[i].name))
            bench_boot(&o, &boots[i]);
    }
    return 0;
}
