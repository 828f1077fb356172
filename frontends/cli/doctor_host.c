/*
 * What doctor looks at without running a guest: host, build, faces, firmware and kernels.
 *
 * Nothing is changed: the only file that is made is an unlinked one where overlays would go.
 */
#include <capstone/capstone.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <zlib.h>

#include "frontends/cli/doctor.h"
#include "frontends/cli/embed.h"
#include "frontends/cli/images.h"

#define MIB           (1024ull * 1024)
#define MEMORY_LEAST  (64 * MIB)  /* not even the demo */
#define MEMORY_WANTED (700 * MIB) /* hypervisor, root and a child with a stock kernel */
#define DISK_WANTED   (1024 * MIB)
#define FILES_WANTED  64

#ifdef HAVE_LIBEDIT
#define WITH_LIBEDIT true
#else
#define WITH_LIBEDIT false
#endif
#ifdef HAVE_SLIRP
#define WITH_SLIRP true
#else
#define WITH_SLIRP false
#endif
#ifdef HAVE_CURSES
#define WITH_CURSES true
#else
#define WITH_CURSES false
#endif
#ifdef HAVE_SDL
#include <dlfcn.h>
#define WITH_SDL true
static bool can_load(const char *library)
{
    void *const lib = dlopen(library, RTLD_LAZY | RTLD_LOCAL);
    if (lib)
        dlclose(lib);
    return lib != NULL;
}
#else
#define WITH_SDL false
static bool can_load(const char *library)
{
    (void)library;
    return false;
}
#endif

/* ---- the host ---- */

/* What a new process may take, in bytes; the kernel's own estimate where there is one. */
static uint64_t memory_available(void)
{
    unsigned long long kib = 0;
    char line[128];
    FILE *const f = fopen("/proc/meminfo", "re");

    while (f && kib == 0 && fgets(line, sizeof(line), f)) {
        if (sscanf(line, "MemAvailable: %llu kB", &kib) != 1)
            kib = 0;
    }
    if (f)
        fclose(f);
    if (kib)
        return kib * 1024;
    const long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size : 0;
}

static void look_at_memory(struct doctor *d)
{
    const uint64_t have = memory_available();
    const size_t space = 4096 * MIB;
    void *const p = mmap(NULL, space, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    doctor_add(d,
               have < MEMORY_LEAST    ? FINDING_PROBLEM
               : have < MEMORY_WANTED ? FINDING_MISSING
                                      : FINDING_OK,
               "memory",
               have < MEMORY_WANTED ? "close other programs, or give guests less with --memory"
                                    : NULL,
               "%llu MiB available", (unsigned long long)(have / MIB));
    if (p == MAP_FAILED)
        doctor_add(d, FINDING_PROBLEM, "address space",
                   "`ulimit -v unlimited`, or allow overcommitting of memory",
                   "4 GiB cannot be reserved: %s", strerror(errno));
    else
        doctor_add(d, FINDING_OK, "address space", NULL, "4 GiB for guest memory");
    if (p != MAP_FAILED)
        munmap(p, space);
}

/* Where overlays of disks go (devices/disk/overlay.c), with room and without a limit. */
static void look_at_overlays(struct doctor *d)
{
    const char *const tmp = getenv("TMPDIR"), *const dir = tmp && *tmp ? tmp : "/var/tmp";
    char path[PATH_MAX];
    struct statvfs fs;
    struct rlimit limit;

    snprintf(path, sizeof(path), "%s/vitrine-doctor-XXXXXX", dir);
    const int fd = mkstemp(path);
    if (fd < 0) {
        doctor_add(d, FINDING_PROBLEM, "overlays of disks",
                   "set TMPDIR to a folder with room, or say --disk FILE,overlay=DIR", "%s: %s",
                   dir, strerror(errno));
        return;
    }
    unlink(path);
    const bool known = fstatvfs(fd, &fs) == 0;
    close(fd);
    const uint64_t room = known ? (uint64_t)fs.f_bavail * fs.f_frsize : 0;
    const bool little = room < DISK_WANTED;
    doctor_add(d, little ? FINDING_MISSING : FINDING_OK, "overlays of disks",
               little ? "what guests write to disks goes there: set TMPDIR to a folder with room"
                      : NULL,
               "%s, %llu MiB free", dir, (unsigned long long)(room / MIB));
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < DISK_WANTED)
        doctor_add(d, FINDING_MISSING, "size of files", "`ulimit -f unlimited`",
                   "limited to %llu MiB", (unsigned long long)(limit.rlim_cur / MIB));
}

void doctor_look_at_host(struct doctor *d)
{
    const uint16_t one = 1;
    const bool fits = sizeof(void *) == 8 && *(const uint8_t *)&one == 1;
    struct rlimit files;

    doctor_add(d, fits ? FINDING_OK : FINDING_PROBLEM, "processor",
               fits ? NULL : "a host with 64 bits and little-endian memory is needed",
               VITRINE_ARCH);
    look_at_memory(d);
    look_at_overlays(d);
    const bool enough = getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= FILES_WANTED;
    doctor_add(d, enough ? FINDING_OK : FINDING_MISSING, "open files",
               enough ? NULL : "`ulimit -n 1024`: disks, sockets and the network need some",
               "%llu at most", (unsigned long long)files.rlim_cur);
}

/* ---- the build ---- */

static void look_at_images(struct doctor *d)
{
    static const char *const names[] = {"hypervisor.elf", "root.elf", "rootfs.cpio"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const struct embed_file *const e = embed_find(names[i]);
        if (e)
            doctor_add(d, FINDING_OK, names[i], NULL, "%llu KiB, built in",
                       (unsigned long long)e->size >> 10);
        else
            doctor_add(d, FINDING_PROBLEM, names[i],
                       "configure with an x86-64 gcc (--guest-cc), or give the file to `vitrine "
                       "run` (--hypervisor, --root, --rootfs)",
                       "not in this binary; only --bare works");
    }
}

static void add_library(struct doctor *d, bool have, const char *name, const char *package,
                        const char *what)
{
    char advice[200];

    snprintf(advice, sizeof(advice), "apt-get install %s, then configure and build again", package);
    doctor_add(d, have ? FINDING_OK : FINDING_MISSING, name, have ? NULL : advice, "%s%s",
               have ? "" : "without it no ", what);
}

void doctor_look_at_build(struct doctor *d)
{
    int major, minor;

    cs_version(&major, &minor);
    doctor_add(d, FINDING_OK, "vitrine", NULL, VITRINE_VERSION ", built with %s", __VERSION__);
    const bool x86 = cs_support(CS_ARCH_X86);
    doctor_add(d, x86 ? FINDING_OK : FINDING_PROBLEM, "capstone",
               x86 ? NULL : "this library was built without x86: install Debian's libcapstone4",
               "%d.%d", major, minor);
    doctor_add(d, FINDING_OK, "jansson, zlib", NULL, "%s, %s", JANSSON_VERSION, zlibVersion());
    add_library(d, WITH_LIBEDIT, "libedit", "libedit-dev", "editing at the monitor's prompt");
    add_library(d, WITH_SLIRP, "libslirp", "libslirp-dev", "network to the outside (--net=user)");
    add_library(d, WITH_CURSES, "ncurses", "libncurses-dev", "text screen (--display=text)");
    add_library(d, WITH_SDL, "SDL2 (headers)", "libsdl2-dev", "window (--display=window)");
    look_at_images(d);
}

/* ---- faces ---- */

static bool in_path(const char *program)
{
    const char *at = getenv("PATH");
    char path[PATH_MAX];

    while (at && *at) {
        const size_t n = strcspn(at, ":");
        snprintf(path, sizeof(path), "%.*s/%s", (int)n, at, program);
        if (access(path, X_OK) == 0)
            return true;
        at += n + (at[n] == ':');
    }
    return false;
}

static void look_at_terminal(struct doctor *d)
{
    const char *const term = getenv("TERM");
    struct winsize size = {0};

    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
        doctor_add(d, FINDING_NOTE, "terminal", NULL,
                   "none here: consoles are printed, the keyboard is what stdin brings");
        return;
    }
    ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    if (!term || !*term || strcmp(term, "dumb") == 0)
        doctor_add(d, FINDING_MISSING, "terminal", "set TERM, e.g. TERM=xterm-256color",
                   "TERM is %s", term && *term ? term : "not set");
    else if (size.ws_col && (size.ws_col < 80 || size.ws_row < 25))
        doctor_add(d, FINDING_NOTE, "terminal", "--display=text wants 80 columns and 25 lines",
                   "%s, %u x %u", term, size.ws_col, size.ws_row);
    else
        doctor_add(d, FINDING_OK, "terminal", NULL, "%s, %u x %u", term, size.ws_col, size.ws_row);
}

static void look_at_window(struct doctor *d)
{
    const char *const x = getenv("DISPLAY"), *const wayland = getenv("WAYLAND_DISPLAY");

    if (!WITH_SDL)
        return;
    if (!can_load("libSDL2-2.0.so.0"))
        doctor_add(d, FINDING_MISSING, "SDL2", "apt-get install libsdl2-2.0-0",
                   "without it no window (--display=window)");
    else if ((!x || !*x) && (!wayland || !*wayland))
        doctor_add(d, FINDING_NOTE, "window", "--display=text or --screenshot work without",
                   "neither DISPLAY nor WAYLAND_DISPLAY is set");
    else
        doctor_add(d, FINDING_OK, "window", NULL, "SDL2 on %s", wayland && *wayland ? wayland : x);
}

static void look_at_sockets(struct doctor *d)
{
    const char *const dir = getenv("XDG_RUNTIME_DIR");
    struct stat st;

    if (!dir || !*dir)
        doctor_add(d, FINDING_NOTE, "sockets", "give full paths, e.g. --gdb=unix:/tmp/gdb",
                   "XDG_RUNTIME_DIR is not set");
    else if (stat(dir, &st) < 0 || !S_ISDIR(st.st_mode) || access(dir, W_OK | X_OK) < 0)
        doctor_add(d, FINDING_MISSING, "sockets", "log in again, or set XDG_RUNTIME_DIR",
                   "%s is no folder that this user may write", dir);
    else if (st.st_mode & 077)
        doctor_add(d, FINDING_NOTE, "sockets", "chmod 700 keeps other users out",
                   "%s is open to other users", dir);
    else
        doctor_add(d, FINDING_OK, "sockets", NULL, "%s", dir);
}

void doctor_look_at_faces(struct doctor *d)
{
    look_at_terminal(d);
    look_at_window(d);
    look_at_sockets(d);
    const bool gdb = in_path("gdb");
    doctor_add(d, gdb ? FINDING_OK : FINDING_MISSING, "gdb", gdb ? NULL : "apt-get install gdb",
               "%s", gdb ? "for --gdb" : "without it nothing talks to --gdb");
    if (!WITH_SLIRP)
        return;
    const bool names = access("/etc/resolv.conf", R_OK) == 0;
    doctor_add(d, names ? FINDING_OK : FINDING_MISSING, "name servers",
               names ? NULL : "guests on --net=user find no names without /etc/resolv.conf", "%s",
               names ? "/etc/resolv.conf" : "/etc/resolv.conf cannot be read");
}

/* ---- firmware and kernels ---- */

static void add_file(struct doctor *d, const char *path, const char *name, const char *package,
                     const char *what)
{
    char advice[200];

    snprintf(advice, sizeof(advice), "apt-get install %s", package);
    doctor_add(d, path ? FINDING_OK : FINDING_MISSING, name, path ? NULL : advice, "%s%s",
               path ? path : "without it no ", path ? "" : what);
}

/* The newest name by strcmp of a kernel that this user may read in `dir`; false: none. */
static bool find_kernel(char *out, size_t size, const char *dir)
{
    DIR *const list = opendir(dir);
    struct dirent *e;
    char path[PATH_MAX];
    bool found = false;

    while (list && (e = readdir(list))) {
        snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
        if (strncmp(e->d_name, "vmlinuz-", 8) != 0 || access(path, R_OK) < 0)
            continue;
        if (!found || strcmp(path, out) > 0)
            snprintf(out, size, "%s", path);
        found = true;
    }
    if (list)
        closedir(list);
    return found;
}

/* Kernels that the tests fetched: CACHE/linux-image-*.../boot. */
static bool find_cached_kernel(char *out, size_t size)
{
    const char *const own = getenv("VITRINE_CACHE"), *const xdg = getenv("XDG_CACHE_HOME");
    const char *const home = getenv("HOME");
    char cache[PATH_MAX - 300], dir[PATH_MAX];
    struct dirent *e;
    bool found = false;

    if (own && *own)
        snprintf(cache, sizeof(cache), "%s", own);
    else if (xdg && *xdg)
        snprintf(cache, sizeof(cache), "%s/vitrine", xdg);
    else
        snprintf(cache, sizeof(cache), "%s/.cache/vitrine", home ? home : "");
    DIR *const list = opendir(cache);
    while (list && !found && (e = readdir(list))) {
        if (strncmp(e->d_name, "linux-image-", 12) != 0)
            continue;
        snprintf(dir, sizeof(dir), "%s/%s/boot", cache, e->d_name);
        found = find_kernel(out, size, dir);
    }
    if (list)
        closedir(list);
    return found;
}

void doctor_look_at_guests(struct doctor *d)
{
    static const char vga_rom[] = "/usr/share/seabios/vgabios-stdvga.bin";
    char kernel[PATH_MAX];

    add_file(d, firmware_find("seabios"), "SeaBIOS", "seabios", "--firmware=seabios, no disks");
    add_file(d, access(vga_rom, R_OK) == 0 ? vga_rom : NULL, "VGA BIOS", "seabios",
             "screen under SeaBIOS");
    add_file(d, firmware_find("ovmf"), "OVMF", "ovmf", "--firmware=ovmf (UEFI)");
    if (find_kernel(kernel, sizeof(kernel), "/boot") || find_cached_kernel(kernel, sizeof(kernel)))
        doctor_add(d, FINDING_OK, "a Linux kernel", NULL, "%s", kernel);
    else
        doctor_add(d, FINDING_MISSING, "a Linux kernel",
                   "`./bootstrap run` of the source folder fetches one; apt-get install "
                   "linux-image-amd64 puts one in /boot",
                   "none in /boot that this user may read");
}
