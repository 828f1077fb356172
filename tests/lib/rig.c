/*
 * A bare processor for unit tests: no devices, page tables by hand.
 */
#include "tests/lib/rig.h"

#include <stdlib.h>

#include "cpu/sys/cpuid.h"

struct rig rig_new(uint64_t ram_size)
{
    return rig_new_cpu(ram_size, "v2");
}

struct rig rig_new_cpu(uint64_t ram_size, const char *model)
{
    static struct cpu_model m;
    if (cpu_model_parse(model, &m, NULL))
        abort();
    struct rig r = {.ram = ram_new(ram_size), .bus = bus_new(), .clock = clock_new()};
    static struct cpu *peers[1];
    r.c = cpu_new(0, &m);
    r.engine = engine_new(r.ram);
    r.c->ram = r.ram;
    r.c->bus = r.bus;
    r.c->clock = r.clock;
    r.c->engine = r.engine;
    peers[0] = r.c;
    r.c->peers = peers;
    r.ram->engine = r.engine;
    r.ram->cpus = peers;
    r.ram->cpu_count = 1;
    r.next_table = 0x100000;
    cpu_reset(r.c);
    return r;
}

void rig_free(struct rig *r)
{
    cpu_free(r->c);
    engine_free(r->engine);
    ram_free(r->ram);
    clock_free(r->clock);
    bus_free(r->bus);
}

uint64_t rig_ld64(struct rig *r, uint64_t pa)
{
    uint64_t v = 0;
    ram_read(r->ram, hpa(pa), &v, 8);
    return v;
}

void rig_st64(struct rig *r, uint64_t pa, uint64_t v)
{
    ram_write(r->ram, hpa(pa), &v, 8);
}

uint64_t rig_new_table(struct rig *r)
{
    const uint64_t t = r->next_table;
    r->next_table += 4096;
    for (unsigned n = 0; n < 512; n++)
        rig_st64(r, t + n * 8, 0);
    return t;
}

void rig_map(struct rig *r, uint64_t cr3, uint64_t la, uint64_t pa, uint64_t flags, unsigned shift)
{
    uint64_t table = cr3 & ~0xfffull;
    for (unsigned s = 39; s > shift; s -= 9) {
        const uint64_t at = table + (la >> s & 511) * 8;
        uint64_t e = rig_ld64(r, at);
        if (!(e & PTE_P)) {
            e = rig_new_table(r) | PTE_P | PTE_W | PTE_U;
            rig_st64(r, at, e);
        }
        table = e & 0xffffffffff000ull;
    }
    rig_st64(r, table + (la >> shift & 511) * 8, pa | flags | (shift > 12 ? PTE_PS : 0));
}

uint64_t rig_leaf(struct rig *r, uint64_t cr3, uint64_t la)
{
    uint64_t table = cr3 & ~0xfffull;
    for (unsigned s = 39;; s -= 9) {
        const uint64_t at = table + (la >> s & 511) * 8, e = rig_ld64(r, at);
        if (!(e & PTE_P))
            return 0;
        if (s == 12 || (e & PTE_PS))
            return at;
        table = e & 0xffffffffff000ull;
    }
}

void rig_long_mode(struct rig *r)
{
    struct cpu *c = r->c;
    static const uint32_t data = SA_P | SA_S | SA_RW | SA_ACCESSED | SA_G | SA_DB;
    for (unsigned n = 0; n < 6; n++)
        c->seg[n] = (struct seg){.limit = 0xffffffff, .attr = data, .sel = 0x10};
    c->seg[SEG_CS] = (struct seg){.limit = 0xffffffff,
                                  .attr = SA_P | SA_S | SA_CODE | SA_RW | SA_ACCESSED | SA_G | SA_L,
                                  .sel = 8};
    c->efer = EFER_LME | EFER_SCE | EFER_NXE;
    c->cr4 = CR4_PAE | CR4_PGE;
    c->cr3 = rig_new_table(r);
    cr0_set(c, CR0_PE | CR0_PG | CR0_WP | CR0_NE | CR0_ET);
}

void rig_set_cpl(struct rig *r, unsigned cpl)
{
    r->c->cpl = (uint8_t)cpl;
    cpu_update_mode(r->c);
}

#define RIG_GDT   0x8000ull
#define RIG_STACK 0x9000ull

void rig_put(struct rig *r, uint64_t at, const void *bytes, unsigned len)
{
    ram_write(r->ram, hpa(at), bytes, len);
}

void rig_programs(struct rig *r)
{
    static const uint64_t gdt[] = {0, 0x00af9b000000ffff, 0x00cf93000000ffff};
    rig_put(r, RIG_GDT, gdt, sizeof gdt);
    r->c->gdtr = (struct dtable){.base = RIG_GDT, .limit = sizeof gdt - 1};
    r->c->idtr = (struct dtable){.base = RIG_IDT, .limit = 0xfff};
    for (unsigned n = 0; n < 256; n++) {
        const uint64_t h = RIG_HANDLERS + n * 16;
        rig_st64(r, RIG_IDT + n * 16, (h & 0xffff) | 8 << 16 | 0x8e00ull << 32 | (h >> 16) << 48);
        rig_st64(r, RIG_IDT + n * 16 + 8, 0);
        RIG_PUT(r, h, 0xf4);
    }
    rig_start(r, RIG_CODE);
}

void rig_start(struct rig *r, uint64_t rip)
{
    r->c->rip = rip;
    r->c->r[R_SP] = RIG_STACK;
    r->c->activity = CPU_ACTIVE;
}

int rig_run(struct rig *r)
{
    for (unsigned n = 0; n < 100; n++) {
        const enum cpu_stop s = cpu_run(r->c, 1000);
        if (s == CPU_STOP_SHUTDOWN)
            return -2;
        if (r->c->activity == CPU_HALTED && s == CPU_STOP_IDLE)
            break;
    }
    const uint64_t at = r->c->rip - 1 - RIG_HANDLERS;
    return at < 256 * 16 ? (int)(at / 16) : -1;
}
