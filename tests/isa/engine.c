/*
 * tests/isa/engine.c: a bare processor of ours in flat 64-bit user mode, with the memory of the
 * cases.
 *
 * Normal mode runs cpu_run for one instruction: decoder, fast handlers, fault delivery through an
 * IDT whose gates lead to HLT. Semantic mode calls decode() and the row's semantic function alone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/x86.h"
#include "core/bus.h"
#include "cpu/cpu.h"
#include "cpu/decode/decode.h"
#include "cpu/flags.h"
#include "cpu/fpu/fpu.h"
#include "cpu/sys/sys.h"
#include "mmu/mmu.h"
#include "mmu/ram.h"
#include "tests/isa/isatest.h"

/* guest-physical layout */
#define PA_PML4   0x1000ull
#define PA_TABLES 0x2000ull  /* further tables, given out in order */
#define PA_KERNEL 0x20000ull /* IDT, GDT, TSS, stubs, stack: 8 pages */
#define PA_CODE   0x100000ull
#define PA_DATA   0x110000ull
#define VA_KERNEL 0xffffff8000000000ull
#define K_IDT     0x0000u
#define K_GDT     0x1000u
#define K_TSS     0x2000u
#define K_STUBS   0x3000u
#define K_STACK   0x6000u /* top */
#define SEL_KCS   0x10
#define SEL_UDS   0x2b
#define SEL_UCS   0x33
#define SEL_TSS   0x40

struct engine_side {
    struct cpu *c;
    struct ram *ram;
    struct engine *engine;
    bool semantic;
    uint8_t pattern[DATA_SIZE];
    uint8_t *data, *code, *kernel;
    uint64_t next_table;
};

/* ---- guest memory ---------------------------------------------------------------------------- */

static void map_page(struct engine_side *e, uint64_t va, uint64_t pa, uint64_t bits)
{
    uint64_t table = PA_PML4;
    for (int shift = 39; shift > 12; shift -= 9) {
        uint64_t *entry = (uint64_t *)ram_host(e->ram, table) + (va >> shift & 511);
        if (!*entry) {
            *entry = e->next_table | PTE_P | PTE_W | PTE_U | PTE_A;
            e->next_table += 4096;
        }
        table = *entry & 0xffffffffff000ull;
    }
    ((uint64_t *)ram_host(e->ram, table))[va >> 12 & 511] = pa | bits | PTE_P | PTE_A | PTE_D;
}

static void build_kernel(struct engine_side *e)
{
    static const uint64_t gdt[9] = {[2] = 0x00af9b000000ffff,
                                    [3] = 0x00cf93000000ffff,
                                    [5] = 0x00cff3000000ffff,
                                    [6] = 0x00affb000000ffff,
                                    [8] = 0};
    memcpy(e->kernel + K_GDT, gdt, sizeof gdt);
    for (unsigned v = 0; v < 256; v++) {
        const uint64_t at = VA_KERNEL + K_STUBS + v * 16;
        uint8_t *g = e->kernel + K_IDT + v * 16;
        const uint64_t low = (at & 0xffff) | (uint64_t)SEL_KCS << 16 | 0xee00ull << 32 |
                             (at >> 16 & 0xffff) << 48;
        const uint64_t high = at >> 32;
        memcpy(g, &low, 8);
        memcpy(g + 8, &high, 8);
        memset(e->kernel + K_STUBS + v * 16, 0xf4, 16); /* HLT */
    }
    const uint64_t rsp0 = VA_KERNEL + K_STACK;
    memcpy(e->kernel + K_TSS + 4, &rsp0, 8);
}

static void build_memory(struct engine_side *e)
{
    e->next_table = PA_TABLES;
    for (uint64_t n = 0; n < 8; n++)
        map_page(e, VA_KERNEL + n * 4096, PA_KERNEL + n * 4096, PTE_W);
    for (uint64_t n = 0; n < CODE_SIZE / 4096; n++)
        map_page(e, CODE_VA + n * 4096, PA_CODE + n * 4096, PTE_U);
    for (uint64_t n = 0; n < DATA_SIZE / 4096; n++)
        map_page(e, DATA_VA + n * 4096, PA_DATA + n * 4096,
                 PTE_U | PTE_NX | (n < DATA_RW / 4096 ? PTE_W : 0));
    e->data = ram_host(e->ram, PA_DATA);
    e->code = ram_host(e->ram, PA_CODE);
    e->kernel = ram_host(e->ram, PA_KERNEL);
    build_kernel(e);
    memset(e->code, 0xcc, CODE_SIZE);
}

/* ---- processor state ------------------------------------------------------------------------- */

static struct seg flat(uint16_t sel, uint32_t attr)
{
    return (struct seg){.limit = 0xffffffff, .attr = attr, .sel = sel};
}

static void user_mode(struct cpu *c)
{
    const uint32_t data = SA_P | SA_S | SA_RW | SA_ACCESSED | SA_DB | SA_G | SA_DPL;
    c->seg[SEG_CS] = flat(SEL_UCS,
                          SA_P | SA_S | SA_CODE | SA_RW | SA_ACCESSED | SA_L | SA_G | SA_DPL);
    c->seg[SEG_SS] = c->seg[SEG_DS] = c->seg[SEG_ES] = flat(SEL_UDS, data);
    c->seg[SEG_FS] = c->seg[SEG_GS] = flat(SEL_UDS, data);
    c->seg[SEG_GS].base = GS_BASE;
    c->cpl = 3;
    c->shadow = 0;
    c->activity = CPU_ACTIVE;
    c->pending_db = 0;
    c->delivering = -1;
    c->cr2 = 0;
}

static void system_state(struct cpu *c)
{
    c->cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_PG;
    c->cr3 = PA_PML4;
    c->cr4 = CR4_PAE | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_FSGSBASE | CR4_OSXSAVE;
    c->xcr0 = 7;
    c->efer = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE;
    c->gdtr = (struct dtable){.base = VA_KERNEL + K_GDT, .limit = 9 * 8 - 1};
    c->idtr = (struct dtable){.base = VA_KERNEL + K_IDT, .limit = 256 * 16 - 1};
    c->seg[SEG_TR] = (struct seg){
        .base = VA_KERNEL + K_TSS, .limit = 103, .attr = SA_P | ST_TSS_BUSY, .sel = SEL_TSS};
}

struct engine_side *engine_side_new(bool semantic)
{
    struct engine_side *e = calloc(1, sizeof *e);
    e->semantic = semantic;
    e->ram = ram_new(4 << 20);
    e->c = cpu_new(0, cpu_model_find("max"));
    struct cpu *c = e->c;
    c->ram = e->ram;
    c->bus = bus_new();
    static struct cpu *list[1];
    list[0] = c;
    c->peers = list;
    e->ram->cpus = list;
    e->ram->cpu_count = 1;
    if (!semantic) {
        e->engine = engine_new(e->ram);
        c->engine = e->engine;
        e->ram->engine = e->engine;
    }
    cpu_reset(c);
    build_memory(e);
    system_state(c);
    user_mode(c);
    mmu_flush_all(c);
    cpu_update_mode(c);
    return e;
}

void engine_side_free(struct engine_side *e)
{
    bus_free(e->c->bus);
    cpu_free(e->c);
    engine_free(e->engine);
    ram_free(e->ram);
    free(e);
}

void engine_side_batch(struct engine_side *e, const uint8_t pattern[DATA_SIZE])
{
    memcpy(e->pattern, pattern, DATA_SIZE);
    memcpy(e->data, pattern, DATA_SIZE);
}

const struct isa_row *engine_side_decode(struct engine_side *e, const struct test_case *t,
                                         struct insn *i)
{
    if (decode(i, t->code, t->len, (unsigned)(t->rip & 4095), MODE_CODE64 | MODE_USER,
               e->c->features) != DECODE_OK)
        return NULL;
    return insn_row(i);
}

/* ---- one case -------------------------------------------------------------------------------- */

static void load_case(struct engine_side *e, const struct test_case *t)
{
    struct cpu *c = e->c;
    user_mode(c);
    memcpy(c->r, t->r, sizeof t->r);
    c->rip = t->rip;
    cpu_set_rflags(c, (t->flags & 0x40cd5) | 0x202);
    cpu_update_mode(c);
    fpu_load_x87(c, t->fx, true);
    fpu_load_xmm(c, t->fx);
    memcpy(&c->fpu.mxcsr, t->fx + FX_MXCSR, 4);
    for (unsigned n = 0; n < 16; n++)
        memcpy(c->xmm[n].b + 16, t->ymm[n], 16);
    ram_write(e->ram, hpa(PA_CODE + (t->rip - CODE_VA)), t->code, t->len);
}

static void store_result(struct engine_side *e, struct test_result *r)
{
    struct cpu *c = e->c;
    memcpy(r->r, c->r, sizeof r->r);
    memset(r->fx, 0, sizeof r->fx);
    fpu_save_x87(c, r->fx, true);
    memcpy(r->fx + FX_MXCSR, &c->fpu.mxcsr, 4);
    for (unsigned n = 0; n < 16; n++)
        memcpy(r->fx + FX_XMM + 16 * n, c->xmm[n].b, 16);
    for (unsigned n = 0; n < 16; n++)
        memcpy(r->ymm[n], c->xmm[n].b + 16, 16);
    r->mem_changed = memcmp(e->data, e->pattern, DATA_RW) != 0;
    if (r->mem_changed) {
        memcpy(r->mem, e->data, DATA_RW);
        memcpy(e->data, e->pattern, DATA_RW);
    }
}

/* In the HLT stub: the frame has what the user saw. */
static void read_frame(struct engine_side *e, struct test_result *r)
{
    struct cpu *c = e->c;
    r->vec = (int32_t)((c->rip - VA_KERNEL - K_STUBS) / 16);
    const uint8_t *sp = e->kernel + (c->r[R_SP] - VA_KERNEL);
    r->err = 0;
    if (r->vec == 8 || (r->vec >= 10 && r->vec <= 14) || r->vec == 17) {
        memcpy(&r->err, sp, 4);
        sp += 8;
    }
    memcpy(&r->rip, sp, 8);
    memcpy(&r->flags, sp + 16, 8);
    memcpy(&c->r[R_SP], sp + 24, 8);
    r->cr2 = r->vec == 14 ? c->cr2 : 0;
}

/* Until the INT3 behind the case or a fault leads to a stub, where HLT stops. */
static void run_engine(struct engine_side *e, const struct test_case *t, struct test_result *r)
{
    struct cpu *c = e->c;
    for (unsigned k = 0; k < 10000 && c->cpl != 0; k++)
        cpu_run(c, 64);
    if (c->cpl != 0) {
        r->vec = -2; /* runs away */
        return;
    }
    read_frame(e, r);
    if (r->vec == 3) {
        r->vec = VEC_NONE;
        r->rip--;
    } else if (r->vec == 14 && (r->err & 0x10) && r->rip != t->rip) {
        r->vec = VEC_NONE; /* the fetch behind a branch */
    }
    if (r->vec == VEC_NONE) {
        r->err = 0;
        r->cr2 = 0;
    }
}

static void run_semantic(struct engine_side *e, const struct test_case *t, struct test_result *r)
{
    struct cpu *c = e->c;
    static uint64_t room[(sizeof(struct block) + sizeof(struct insn) + 7) / 8];
    struct block *const block = (struct block *)room; /* of one instruction */
    struct insn *const i = block->insn;
    block->n = 1;
    block->mode = c->mode;
    r->vec = VEC_NONE;
    r->err = 0;
    r->cr2 = 0;
    static uint64_t rip;
    rip = t->rip;
    c->cur = i;
    c->in_insn = true;
    if (setjmp(c->leave)) {
        r->vec = c->fault_vec;
        r->err = c->fault_has_err ? c->fault_err : 0;
        r->cr2 = r->vec == 14 ? c->fault_addr : 0;
        c->rip = rip;
    } else {
        /* a repeated string instruction ends in a new RIP only when it is through */
        for (unsigned k = 0; k < 100000 && rip - t->rip < t->len; k++) {
            decode(i, t->code + (rip - t->rip), t->len - (unsigned)(rip - t->rip),
                   (unsigned)(rip & 4095), c->mode, c->features);
            c->r[R_PAGE] = rip & ~4095ull;
            c->rip = rip + i->len;
            insn_sem(i)(c, i);
            rip = c->rip;
        }
    }
    c->in_insn = false;
    r->rip = c->rip;
    r->flags = cpu_rflags(c);
}

void engine_side_run(struct engine_side *e, const struct test_case *t, struct test_result *r)
{
    load_case(e, t);
    if (e->semantic)
        run_semantic(e, t, r);
    else
        run_engine(e, t, r);
    static uint8_t cc[sizeof t->code];
    memset(cc, 0xcc, sizeof cc);
    ram_write(e->ram, hpa(PA_CODE + (t->rip - CODE_VA)), cc, t->len);
    store_result(e, r);
}
