/*
 * tests/perf/micro.c: runs a multiboot 1 ELF guest on a bare processor, without machine or devices:
 * RAM, the transmit side of COM1, and the debug-exit port. For measuring and profiling the engine.
 *
 * Usage: micro GUEST.ELF "kernel=alu n=1000" [nofast|nofuse|nolink|nodead ...]
 */
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cpu/interp/engine.h"
#include "tests/lib/rig.h"

#define RAM_SIZE (512ull << 20)
#define INFO     0x9000ull

static bool ended;

static uint64_t com_read(void *dev, uint64_t off, unsigned size)
{
    (void)dev, (void)size;
    return off == 5 ? 0x60 : 0; /* transmitter always empty */
}

static void com_write(void *dev, uint64_t off, unsigned size, uint64_t v)
{
    (void)dev, (void)size;
    if (off == 0 && v > 1)
        putchar((int)v);
}

static void exit_write(void *dev, uint64_t off, unsigned size, uint64_t v)
{
    (void)off, (void)size, (void)v;
    ended = true;
    cpu_kick(dev);
}

static uint64_t exit_read(void *dev, uint64_t off, unsigned size)
{
    (void)dev, (void)off, (void)size;
    return 0;
}

static uint64_t load_elf(struct rig *r, const char *path)
{
    FILE *f = fopen(path, "rb");
    static uint8_t image[8 << 20];
    if (!f || fread(image, 1, sizeof image, f) < sizeof(Elf64_Ehdr)) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(1);
    }
    fclose(f);
    const Elf64_Ehdr *h = (const Elf64_Ehdr *)image;
    const Elf64_Phdr *p = (const Elf64_Phdr *)(image + h->e_phoff);
    for (unsigned n = 0; n < h->e_phnum; n++, p++) {
        if (p->p_type == PT_LOAD)
            ram_write(r->ram, hpa(p->p_paddr), image + p->p_offset, p->p_filesz);
    }
    return h->e_entry;
}

/* Multiboot entry state: 32-bit flat protected mode. */
static void set_state(struct rig *r, uint64_t entry, const char *cmdline)
{
    struct cpu *c = r->c;
    const uint32_t attr = SA_P | SA_S | SA_RW | SA_ACCESSED | SA_DB | SA_G;
    const uint32_t info[22] = {4, 0, 0, 0, INFO + 0x100};
    ram_write(r->ram, hpa(INFO), info, sizeof info);
    ram_write(r->ram, hpa(INFO + 0x100), cmdline, strlen(cmdline) + 1);
    for (unsigned n = 0; n < 6; n++)
        c->seg[n] = (struct seg){.limit = 0xffffffff, .attr = attr, .sel = 16};
    c->seg[SEG_CS].attr |= SA_CODE;
    c->seg[SEG_CS].sel = 8;
    cr0_set(c, CR0_PE | CR0_ET);
    cpu_update_mode(c);
    mmu_update_ctx(c);
    c->r[R_AX] = 0x2badb002;
    c->r[R_BX] = INFO;
    c->rip = entry;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: micro GUEST.ELF CMDLINE [nofast|nofuse|nolink|nodead ...]\n");
        return 2;
    }
    struct rig r = rig_new(RAM_SIZE);
    static const struct bus_ops com = {.read = com_read, .write = com_write};
    static const struct bus_ops leave = {.read = exit_read, .write = exit_write};
    bus_map_port(r.bus, 0x3f8, 8, &com, NULL, "com1");
    bus_map_port(r.bus, 0xf4, 1, &leave, r.c, "exit");
    for (int n = 3; n < argc; n++) {
        r.engine->fast &= strcmp(argv[n], "nofast") != 0;
        r.engine->fuse &= strcmp(argv[n], "nofuse") != 0;
        r.engine->link &= strcmp(argv[n], "nolink") != 0;
        r.engine->dead_flags &= strcmp(argv[n], "nodead") != 0;
    }
    set_state(&r, load_elf(&r, argv[1]), argv[2]);
    struct timespec a, b;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
    enum cpu_stop why = CPU_STOP_BUDGET;
    while (!ended && (why == CPU_STOP_BUDGET || why == CPU_STOP_KICK))
        why = cpu_run(r.c, 1 << 16);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
    const double s = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) * 1e-9;
    printf("%s: %.3f s, %.1f M instructions, %.0f MIPS, stop %d at %#llx; built %llu killed %llu\n",
           argv[2], s, (double)cpu_icount(r.c) * 1e-6, (double)cpu_icount(r.c) * 1e-6 / s, why,
           (unsigned long long)r.c->rip, (unsigned long long)r.c->st.blocks_built,
           (unsigned long long)r.c->st.blocks_killed);
    rig_free(&r);
    return 0;
}
