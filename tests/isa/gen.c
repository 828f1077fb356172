/*
 * tests/isa/gen.c: a random instruction from a row of the table, with registers that make it work.
 *
 * Every operand form of the row is reached: register and memory, all addressing forms, REX,
 * operand-size, address-size, segment, repeat and LOCK prefixes where they apply (and sometimes
 * where they do not). Left out: FS (the C library's), and F2/F3 before two-byte opcodes that do
 * not define them (TZCNT, LZCNT on newer hosts).
 */
#include <string.h>

#include "abi/x86.h"
#include "cpu/fpu/fpu.h"
#include "tests/isa/isatest.h"
#include "tests/isa/rng.h"

#define OPERANDS 4

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI };

struct gen {
    struct rng r;
    const struct isa_row *row;
    const uint8_t *pattern;
    struct test_case *t;
    uint8_t buf[16];
    unsigned n;
    uint8_t rex, mod;
    bool opsz, adsz, gs, rep, mem, chained, fixed[16];
    unsigned osize;
    bool vex_l, vex_w;
    uint8_t vex_v; /* register number, not inverted */
    int vsib;      /* vector index register of the memory operand, or -1 */
    uint8_t vsib_scale;
    int rip_disp_at; /* where a RIP-relative displacement waits for the length, or -1 */
    uint64_t target; /* linear address of the memory operand */
};

static void put(struct gen *g, uint64_t v, unsigned bytes)
{
    for (unsigned k = 0; k < bytes && g->n < sizeof g->buf; k++)
        g->buf[g->n++] = (uint8_t)(v >> 8 * k);
}

static bool sem_is(const struct isa_row *row, const char *prefix)
{
    return !strncmp(row->sem_name, prefix, strlen(prefix));
}

/* ---- what the row says ----------------------------------------------------------------------- */

static unsigned operand_size(const struct gen *g, unsigned op)
{
    switch (op) {
    case OP_Eb:
    case OP_Mb:
    case OP_Wb:
    case OP_Ob:
        return 1;
    case OP_Ew:
    case OP_Mw:
    case OP_Ww:
        return 2;
    case OP_Ed:
    case OP_Md:
    case OP_Wd:
    case OP_Qd:
        return 4;
    case OP_Eq:
    case OP_Mq:
    case OP_Wq:
    case OP_Qq:
        return 8;
    case OP_Wdq:
    case OP_Mdq:
        return 16;
    case OP_Mt:
        return 10;
    case OP_M28:
    case OP_M14:
        return 28;
    case OP_M108:
    case OP_M94:
        return 108;
    case OP_M512:
        return 512;
    case OP_Ey:
        return g->rex & 8 ? 8 : 4;
    case OP_Ev:
    case OP_Ov:
        return g->osize;
    case OP_M:
        return 16;
    case OP_Wx:
    case OP_Mx:
        return 16u << g->vex_l;
    case OP_Whx:
        return 8u << g->vex_l;
    case OP_Wqx:
        return 4u << g->vex_l;
    case OP_Wex:
        return 2u << g->vex_l;
    case OP_MVd:
        return 4;
    case OP_MVq:
        return 8;
    default:
        return 0;
    }
}

static unsigned memory_size(const struct gen *g)
{
    for (unsigned k = 0; k < OPERANDS; k++) {
        const unsigned n = operand_size(g, g->row->op[k]);
        if (n)
            return n;
    }
    return 8;
}

static bool has_form(const struct isa_row *row, unsigned lo, unsigned hi)
{
    for (unsigned k = 0; k < OPERANDS; k++) {
        if (row->op[k] >= lo && row->op[k] <= hi)
            return true;
    }
    return false;
}

static bool register_only(const struct isa_row *row)
{
    const unsigned f = row->modrm & 0xf00;
    return f == MR_RR || f == MR_XR0 || has_form(row, OP_Rd, OP_Ry) ||
           has_form(row, OP_Ud, OP_Udq) || has_form(row, OP_Nq, OP_Nq);
}

static bool memory_only(const struct isa_row *row)
{
    const unsigned f = row->modrm & 0xf00;
    return f == MR_RM || f == MR_XM0 || has_form(row, OP_M, OP_M512);
}

bool gen_usable(const struct isa_row *row)
{
    return !(row->attrs & (A_NOTEST | A_I64)) && !(differ_of(row) & DF_SKIP) &&
           native_has(row->feature);
}

/* ---- prefixes -------------------------------------------------------------------------------- */

static bool has_memory(const struct gen *g)
{
    return g->mem || (g->row->attrs & A_REP) || has_form(g->row, OP_Ob, OP_Ov) ||
           sem_is(g->row, "xlat") || sem_is(g->row, "maskmov") || sem_is(g->row, "vmaskmovdqu");
}

static bool has_vvvv(const struct isa_row *row)
{
    return has_form(row, OP_Hd, OP_By);
}

/* Segment and address-size prefixes, rarely one that VEX forbids, then C4 or C5. */
static void choose_vex(struct gen *g)
{
    static const uint8_t pp[5] = {[PX_NP] = 0, [PX_66] = 1, [PX_F3] = 2, [PX_F2] = 3};
    static const uint8_t seg[5] = {0x26, 0x2e, 0x36, 0x3e, 0x65};
    static const uint8_t forbidden[5] = {0x66, 0xf2, 0xf3, 0xf0, 0x48};
    const struct isa_row *row = g->row;
    g->adsz = chance(&g->r, 12);
    if (g->adsz)
        put(g, 0x67, 1);
    if (chance(&g->r, 8)) {
        const unsigned k = below(&g->r, has_memory(g) ? 5 : 4);
        g->gs = k == 4;
        put(g, seg[k], 1);
    }
    if (!g->chained && chance(&g->r, 2))
        put(g, forbidden[below(&g->r, 5)], 1);
    const bool c5 = row->map == MAP_0F && !g->vex_w && chance(&g->r, 60);
    g->rex = (uint8_t)(below(&g->r, 8) & (c5 ? 4 : 7));
    if (has_vvvv(row))
        g->vex_v = (uint8_t)below(&g->r, 16);
    else if (!g->chained && chance(&g->r, 2))
        g->vex_v = (uint8_t)below(&g->r, 16);
    const unsigned last = (~(unsigned)g->vex_v & 15) << 3 | (unsigned)g->vex_l << 2 |
                          pp[row->prefix];
    if (c5) {
        put(g, 0xc5 | (last | (g->rex & 4 ? 0 : 0x80)) << 8, 2);
    } else {
        const unsigned rxb = ~(unsigned)g->rex & 7;
        put(g,
            0xc4 | (rxb << 5 | (unsigned)(row->map - MAP_0F + 1)) << 8 |
                (last | (unsigned)g->vex_w << 7) << 16,
            3);
    }
    g->rex |= g->vex_w ? 8 : 0;
    g->osize = g->vex_w ? 8 : 4;
}

/* Rarely what it must not be */
static bool one_of(struct gen *g, bool zero, bool one)
{
    if (zero && one)
        return chance(&g->r, 50);
    return one != (!g->chained && !(differ_of(g->row) & DF_VEX) && chance(&g->r, 1));
}

static void choose_length(struct gen *g)
{
    g->vex_l = one_of(g, g->row->vex & VX_L0, g->row->vex & VX_L1);
    g->vex_w = one_of(g, g->row->vex & VX_W0, g->row->vex & VX_W1);
}

static void choose_prefixes(struct gen *g)
{
    const struct isa_row *row = g->row;
    uint8_t p[6];
    unsigned n = 0;
    const bool branch = (row->attrs & (A_FORCE64 | A_END)) == (A_FORCE64 | A_END);
    if (row->prefix == PX_ANY && !branch && !(differ_of(row) & DF_NO66))
        g->opsz = chance(&g->r, row->attrs & A_BYTE ? 5 : 25);
    else if (row->prefix >= PX_F3)
        g->opsz = chance(&g->r, 10);
    if (g->opsz || row->prefix == PX_66)
        p[n++] = 0x66;
    if (row->prefix == PX_F3)
        p[n++] = 0xf3;
    if (row->prefix == PX_F2)
        p[n++] = 0xf2;
    if (row->prefix == PX_ANY && row->map == MAP_1 && row->opcode != 0x90 &&
        !(differ_of(row) & DF_NOREP) && chance(&g->r, row->attrs & A_REP ? 60 : 4)) {
        g->rep = true;
        p[n++] = chance(&g->r, 60) ? 0xf3 : 0xf2;
    }
    g->adsz = chance(&g->r, 12);
    if (g->adsz)
        p[n++] = 0x67;
    if (chance(&g->r, 8)) {
        static const uint8_t seg[5] = {0x26, 0x2e, 0x36, 0x3e, 0x65};
        const unsigned k = below(&g->r, has_memory(g) ? 5 : 4);
        g->gs = k == 4;
        p[n++] = seg[k];
    }
    if (chance(&g->r, (row->attrs & A_LOCK) && g->mem ? 25 : 2))
        p[n++] = 0xf0;
    while (n) { /* any order */
        const unsigned k = below(&g->r, n);
        put(g, p[k], 1);
        p[k] = p[--n];
    }
    if (chance(&g->r, 60))
        g->rex = (uint8_t)(0x40 | below(&g->r, 8) | (chance(&g->r, 45) ? 8 : 0));
    if (differ_of(row) & DF_NO_B)
        g->rex &= ~1u;
    if (g->rex)
        put(g, g->rex, 1);
    if (row->attrs & A_BYTE)
        g->osize = 1;
    else if ((g->rex & 8) || (row->attrs & A_FORCE64))
        g->osize = 8;
    else if (g->opsz && !(row->attrs & A_DWORD))
        g->osize = 2;
    else
        g->osize = row->attrs & A_DEF64 ? 8 : 4;
}

static uint8_t choose_opcode(struct gen *g)
{
    static const uint8_t map[MAP_COUNT][2] = {{0, 0}, {0x0f, 0}, {0x0f, 0x38}, {0x0f, 0x3a}};
    const struct isa_row *row = g->row;
    if (row->map != MAP_1 && !row->vex)
        put(g, map[row->map][0], 1);
    if (row->map >= MAP_0F38 && !row->vex)
        put(g, map[row->map][1], 1);
    uint8_t op = row->opcode;
    if (row->attrs & A_REGOP)
        op |= (uint8_t)below(&g->r, 8);
    else if (row->attrs & A_COND)
        op |= (uint8_t)below(&g->r, 16);
    put(g, op, 1);
    return op;
}

/* ---- memory operands ------------------------------------------------------------------------- */

static uint64_t choose_target(struct gen *g, unsigned size)
{
    const unsigned k = below(&g->r, 100);
    const unsigned room = DATA_RW - 64 > size ? (unsigned)(DATA_RW - 64 - size) : 64;
    uint64_t at = DATA_VA + 32 + below(&g->r, room);
    const bool aligned = (g->row->attrs & A_ALIGN16) ? chance(&g->r, 90) : chance(&g->r, 50);
    if (aligned)
        at &= g->vex_l && chance(&g->r, 80) ? ~31ull : ~15ull;
    if (k < 80)
        return at;
    if (k < 86) /* across the pages */
        return DATA_VA + 4096 - below(&g->r, size + 1);
    if (k < 92) /* read-only */
        return (at & 0xfff) + DATA_VA + DATA_RW;
    if (k < 97) /* across the ends */
        return chance(&g->r, 50) ? DATA_VA + DATA_SIZE - below(&g->r, size + 1)
                                 : DATA_VA - below(&g->r, size + 1);
    return k < 99 ? value_int(&g->r) : rnd(&g->r);
}

static void set_reg(struct gen *g, unsigned reg, uint64_t v)
{
    g->t->r[reg] = v;
    g->fixed[reg] = true;
}

/* Registers that make base + index * 2^scale + disp the offset; returns the displacement. */
static void solve(struct gen *g, int base, int index, unsigned scale, uint64_t off, int64_t disp)
{
    const uint64_t want = off - (uint64_t)disp;
    const uint64_t junk = g->adsz ? rnd(&g->r) << 32 : 0;
    if (base >= 0 && base == index) {
        set_reg(g, (unsigned)base, want / (1 + (1ull << scale)) | junk);
        return;
    }
    uint64_t iv = 0;
    if (index >= 0) {
        iv = base >= 0 ? value_int(&g->r) : want >> scale;
        set_reg(g, (unsigned)index, iv);
    }
    if (base >= 0)
        set_reg(g, (unsigned)base,
                (g->adsz ? (uint32_t)(want - (iv << scale)) : want - (iv << scale)) | junk);
}

/* Base and vector index; vsib_index makes the elements of the index. */
static void put_vsib(struct gen *g, unsigned reg)
{
    const uint64_t off = g->target - (g->gs ? GS_BASE : 0);
    const unsigned mod = below(&g->r, 3), sib = below(&g->r, 256), base = sib & 7;
    g->vsib = (int)((sib >> 3 & 7) | (g->rex & 2u) << 2);
    g->vsib_scale = (uint8_t)(sib >> 6);
    put(g, mod << 6 | reg << 3 | 4, 1);
    put(g, sib, 1);
    if (mod == 0 && base == 5) {
        put(g, (uint32_t)off, 4);
        return;
    }
    const int64_t disp = mod == 1 ? (int8_t)rnd(&g->r) : mod == 2 ? (int16_t)rnd(&g->r) : 0;
    solve(g, (int)(base | (g->rex & 1u) << 3), -1, 0, off, disp);
    put(g, (uint64_t)disp, mod == 1 ? 1 : mod == 2 ? 4 : 0);
}

static void put_memory(struct gen *g, unsigned reg)
{
    if (has_form(g->row, OP_MVd, OP_MVq)) {
        put_vsib(g, reg);
        return;
    }
    const uint64_t off = g->target - (g->gs ? GS_BASE : 0);
    const unsigned rex_b = (g->rex & 1u) << 3, rex_x = (g->rex & 2u) << 2;
    unsigned mod = below(&g->r, 3), rm = below(&g->r, 8);
    if (g->chained) {
        mod = 0;
        rm = 5;
    }
    int64_t disp = mod == 1 ? (int8_t)rnd(&g->r) : mod == 2 ? (int32_t)rnd(&g->r) : 0;
    if (mod == 2 && chance(&g->r, 50))
        disp >>= 16;
    if (mod == 0 && rm == 5) { /* RIP-relative */
        put(g, reg << 3 | 5, 1);
        g->rip_disp_at = (int)g->n;
        put(g, 0, 4);
        return;
    }
    put(g, mod << 6 | reg << 3 | rm, 1);
    if (rm != 4) {
        solve(g, (int)(rm | rex_b), -1, 0, off, disp);
    } else {
        const unsigned sib = below(&g->r, 256), base = sib & 7, scale = sib >> 6;
        int index = (int)((sib >> 3 & 7) | rex_x);
        put(g, sib, 1);
        if (index == 4)
            index = -1;
        if (mod == 0 && base == 5) {
            disp = index < 0 ? (int32_t)off : (int16_t)rnd(&g->r);
            solve(g, -1, index, scale, off, disp);
            put(g, (uint64_t)disp, 4);
            return;
        }
        solve(g, (int)(base | rex_b), index, scale, off, disp);
    }
    put(g, (uint64_t)disp, mod == 1 ? 1 : mod == 2 ? 4 : 0);
}

static void put_modrm(struct gen *g)
{
    const unsigned form = g->row->modrm & 0xf00, low = g->row->modrm & 0xff;
    if (form == MR_N)
        return;
    if (form == MR_BYTE) {
        put(g, low, 1);
        return;
    }
    const unsigned reg = form >= MR_X0 ? low : below(&g->r, 8);
    if (g->mem) {
        g->target = choose_target(g, memory_size(g));
        put_memory(g, reg);
    } else {
        put(g, 0xc0 | reg << 3 | below(&g->r, 8), 1);
    }
    g->mod = (uint8_t)reg;
}

/* ---- immediates, displacements --------------------------------------------------------------- */

/* Never into the instruction itself: the host would loop. */
static void put_branch(struct gen *g, unsigned bytes)
{
    int64_t d = bytes == 1 ? (int8_t)rnd(&g->r) : (int64_t)below(&g->r, 0x700) - 0x100;
    if (bytes > 1 && chance(&g->r, 10))
        d = (int32_t)rnd(&g->r);
    /* the longest chain is 64 bytes: LOOP back into it may take 2^64 turns */
    if (d < 0 && d >= (g->chained ? -128 : -16))
        d = 64;
    put(g, (uint64_t)d, bytes);
}

static void put_immediates(struct gen *g)
{
    for (unsigned k = 0; k < OPERANDS; k++) {
        const uint64_t v = value_int(&g->r);
        switch (g->row->op[k]) {
        case OP_Ib:
        case OP_Ibs:
        case OP_Lx:
            put(g, k && sem_is(g->row, "enter") ? below(&g->r, 40) : v, 1);
            break;
        case OP_Iw:
            put(g, chance(&g->r, 80) ? v & 0xff : v, 2);
            break;
        case OP_Iz:
            put(g, v, g->osize == 2 ? 2 : 4);
            break;
        case OP_Iv:
            put(g, v, g->osize);
            break;
        case OP_Jb:
            put_branch(g, 1);
            break;
        case OP_Jz:
            put_branch(g, g->osize == 2 ? 2 : 4);
            break;
        case OP_Ob:
        case OP_Ov:
            g->target = choose_target(g, g->osize);
            put(g, g->target - (g->gs ? GS_BASE : 0), g->adsz ? 4 : 8);
            break;
        default:
            break;
        }
    }
}

/* ---- registers ------------------------------------------------------------------------------- */

static void implicit(struct gen *g, unsigned reg, uint64_t v)
{
    if (!g->fixed[reg])
        set_reg(g, reg, v);
}

static uint64_t pointer(struct gen *g, unsigned size)
{
    const uint64_t at = choose_target(g, size) - (g->gs ? GS_BASE : 0);
    return g->adsz ? (uint32_t)at | rnd(&g->r) << 32 : at;
}

static bool is_string(const struct isa_row *row)
{
    return row->attrs & A_REP;
}

static void string_registers(struct gen *g)
{
    const unsigned span = g->osize * (g->rep ? 16 : 1);
    const uint64_t gs = g->gs ? GS_BASE : 0;
    implicit(g, RSI, pointer(g, span));
    implicit(g, RDI, pointer(g, span) + gs); /* ES: no override */
    const uint64_t count = chance(&g->r, 80) ? below(&g->r, 40) : below(&g->r, 1200);
    implicit(g, RCX, g->adsz ? count | rnd(&g->r) << 32 : count);
}

static void other_registers(struct gen *g)
{
    const struct isa_row *row = g->row;
    if (sem_is(row, "xlat"))
        implicit(g, RBX, pointer(g, 256));
    if (sem_is(row, "maskmov") || sem_is(row, "vmaskmovdqu"))
        implicit(g, RDI, pointer(g, 16));
    if ((sem_is(row, "div") || sem_is(row, "idiv")) && chance(&g->r, 75)) {
        const uint64_t hi = chance(&g->r, 60) ? 0 : chance(&g->r, 50) ? ~0ull : below(&g->r, 9);
        implicit(g, RDX, hi);
        if (g->osize == 1)
            implicit(g, RAX, chance(&g->r, 50) ? below(&g->r, 256) : rnd(&g->r) & 0xfff);
    }
    if (sem_is(row, "bt") && g->mem) {
        const unsigned reg = g->mod | (g->rex & 4u) << 1;
        if (chance(&g->r, 80))
            implicit(g, reg, (uint64_t)((int64_t)below(&g->r, 4096) - 2048));
    }
    if (sem_is(row, "cmpxchg") && g->mem && chance(&g->r, 50)) {
        const uint64_t o = g->target - DATA_VA;
        if (o < DATA_SIZE - 16) {
            memcpy(&g->t->r[RAX], g->pattern + o, 8);
            memcpy(&g->t->r[RDX], g->pattern + o + g->osize % 16, 8);
        }
    }
    if (row->feature >= F_BMI1 && row->vex && chance(&g->r, 50))
        implicit(g, g->vex_v, below(&g->r, 70) | below(&g->r, 70) << 8);
    if ((sem_is(row, "pcmpestr") || sem_is(row, "vpcmpestr")) && chance(&g->r, 75)) {
        implicit(g, RAX, (uint64_t)((int64_t)below(&g->r, 40) - 20));
        implicit(g, RDX, (uint64_t)((int64_t)below(&g->r, 40) - 20));
    }
    if ((sem_is(row, "call_e") || sem_is(row, "jmp_e")) && !g->mem && chance(&g->r, 85)) {
        const uint64_t at = CODE_VA + 0x1800 + below(&g->r, 0x700);
        for (unsigned n = 0; n < 16; n++)
            implicit(g, n, n == RSP ? g->t->r[RSP] : at);
    }
    if (sem_is(row, "leave") || sem_is(row, "enter"))
        implicit(g, RBP, choose_target(g, 64));
}

static void choose_registers(struct gen *g)
{
    for (unsigned n = 0; n < 16; n++) {
        if (!g->fixed[n])
            g->t->r[n] = value_int(&g->r);
    }
    if (!g->fixed[RSP]) {
        uint64_t sp = DATA_VA + 0x200 + below(&g->r, DATA_RW - 0x400);
        if (chance(&g->r, 85))
            sp &= ~7ull;
        if (chance(&g->r, 5))
            sp = choose_target(g, 8);
        g->t->r[RSP] = sp;
    }
    if (!g->fixed[RCX] && chance(&g->r, 50))
        g->t->r[RCX] = (g->t->r[RCX] & ~0xffull) | below(&g->r, 70);
    if (is_string(g->row))
        string_registers(g);
    else
        other_registers(g);
}

/* ---- floating-point state -------------------------------------------------------------------- */

static uint8_t choose_tags(struct gen *g, unsigned top)
{
    switch (below(&g->r, 8)) {
    case 0:
        return (uint8_t)rnd(&g->r);
    case 1:
        return 0;
    case 2:
    case 3:
    case 4:
        return (uint8_t) ~(1u << ((top + 7) & 7));
    default:
        return 0xff;
    }
}

/* Operands within the range that the function's manual page defines. */
static void x87_range(struct gen *g)
{
    const bool exp = sem_is(g->row, "f2xm1"), log1 = sem_is(g->row, "fyl2xp1");
    uint16_t se;
    memcpy(&se, g->t->fx + FX_ST + 8, 2);
    if ((!exp && !log1) || (se & 0x7fff) == 0 || (se & 0x7fff) == 0x7fff)
        return;
    const unsigned top = exp ? 16382 : 16380; /* below 1, below 1 - sqrt(1/2) */
    if ((se & 0x7fff) > top)
        se = (uint16_t)((se & 0x8000) | (top - below(&g->r, chance(&g->r, 50) ? 4 : 100)));
    memcpy(g->t->fx + FX_ST + 8, &se, 2);
}

static void choose_x87(struct gen *g)
{
    uint8_t *fx = g->t->fx;
    const unsigned top = below(&g->r, 8);
    uint16_t cw = 0x40 | 0x3f;
    if (chance(&g->r, 30))
        cw = (uint16_t)(0x40 | (rnd(&g->r) & 0x3f));
    cw |= (uint16_t)(below(&g->r, 4) << 10);
    cw |= (uint16_t)((chance(&g->r, 60) ? 3 : chance(&g->r, 50) ? 2 : 0) << 8);
    uint16_t sw = (uint16_t)(top << 11 | (rnd(&g->r) & 0x4700));
    if (chance(&g->r, 30))
        sw |= (uint16_t)(rnd(&g->r) & (chance(&g->r, 90) ? cw & 0x3f : 0x3f));
    if (chance(&g->r, 10))
        sw |= 0x40;
    if (sw & ~cw & 0x3f)
        sw |= 0x8080;
    memcpy(fx + FX_FCW, &cw, 2);
    memcpy(fx + FX_FSW, &sw, 2);
    fx[FX_FTW] = choose_tags(g, top);
    for (unsigned k = 0; k < 8; k++)
        value_f80(&g->r, fx + FX_ST + 16 * k);
    if (chance(&g->r, 15)) /* equal, or nearly so */
        memcpy(fx + FX_ST + 16, fx + FX_ST + (chance(&g->r, 50) ? 0 : 1), 9);
    x87_range(g);
}

static void choose_sse(struct gen *g)
{
    uint8_t *fx = g->t->fx;
    uint32_t mxcsr = 0x1f80;
    if (chance(&g->r, 30))
        mxcsr = (uint32_t)(rnd(&g->r) & 0x1f80);
    if (chance(&g->r, 50))
        mxcsr |= (uint32_t)(below(&g->r, 4) << 13);
    if (chance(&g->r, 15))
        mxcsr |= 0x8000;
    if (chance(&g->r, 15))
        mxcsr |= 0x40;
    if (chance(&g->r, 60))
        mxcsr |= (uint32_t)(rnd(&g->r) & 0x3f);
    memcpy(fx + FX_MXCSR, &mxcsr, 4);
    for (unsigned k = 0; k < 16; k++)
        value_vec(&g->r, fx + FX_XMM + 16 * k);
}

static void choose_ymm(struct gen *g)
{
    for (unsigned k = 0; k < 16; k++) {
        if (chance(&g->r, 10))
            memset(g->t->ymm[k], 0, 16);
        else
            value_vec(&g->r, g->t->ymm[k]);
    }
}

/* Elements near the target, most of them. */
static void vsib_index(struct gen *g)
{
    if (g->vsib < 0)
        return;
    const bool wide = sem_is(g->row, "vgather_q");
    const unsigned span = chance(&g->r, 70) ? 1000 : 9000;
    for (unsigned k = 0; k < (wide ? 4u : 8u); k++) {
        const int64_t near = ((int64_t)below(&g->r, span) - span / 2) >> g->vsib_scale;
        const int64_t v = chance(&g->r, 2) ? (int64_t)value_int(&g->r) : near;
        const unsigned size = wide ? 8 : 4, at = k * size;
        uint8_t *half = at < 16 ? g->t->fx + FX_XMM + 16 * g->vsib : g->t->ymm[g->vsib];
        memcpy(half + at % 16, &v, size);
    }
}

/* ---- the case -------------------------------------------------------------------------------- */

static void patch_rip(struct gen *g, uint64_t rip)
{
    if (g->rip_disp_at < 0)
        return;
    const uint64_t want = g->target - (g->gs ? GS_BASE : 0);
    const uint32_t d = (uint32_t)(want - (rip + g->n));
    memcpy(g->buf + g->rip_disp_at, &d, 4);
}

static void choose_place(struct gen *g)
{
    struct test_case *t = g->t;
    uint64_t off = 0x200 + below(&g->r, 0xc00);
    if (chance(&g->r, 5))
        off = 0x1000 - below(&g->r, g->n + 1); /* across the code pages */
    t->rip = CODE_VA + off;
    t->len = (uint8_t)g->n;
    t->target = g->target;
    patch_rip(g, t->rip);
    memcpy(t->code, g->buf, g->n);
}

static void build(struct gen *g)
{
    if (g->row->modrm != MR_N && (g->row->modrm & 0xf00) != MR_BYTE && !register_only(g->row))
        g->mem = memory_only(g->row) || chance(&g->r, 50);
    if (g->row->vex) {
        choose_length(g);
        choose_vex(g);
    } else {
        choose_prefixes(g);
    }
    choose_opcode(g);
    put_modrm(g);
    put_immediates(g);
}

bool gen_case(uint64_t seed, uint64_t number, const uint8_t *pattern, unsigned row,
              struct test_case *t)
{
    struct gen g = {.r = {seed * 0x2545f4914f6cdd1dull + number * 0x9e3779b97f4a7c15ull},
                    .row = &isa_rows[row],
                    .pattern = pattern,
                    .t = t,
                    .vsib = -1,
                    .rip_disp_at = -1};
    memset(t, 0, sizeof *t);
    t->row = row;
    build(&g);
    if (g.n > 15)
        return false;
    choose_registers(&g);
    if ((uint64_t)((int64_t)t->r[RSP] >> 47) + 1 > 1)
        return false; /* AMD's IRET refuses to start with a non-canonical RSP */
    t->flags = rnd(&g.r) & FL_ARITH;
    if (chance(&g.r, is_string(g.row) ? 15 : 4))
        t->flags |= FL_DF;
    choose_x87(&g);
    choose_sse(&g);
    choose_ymm(&g);
    vsib_index(&g);
    choose_place(&g);
    return true;
}

/* ---- chains ---------------------------------------------------------------------------------- */

/* Rows that can follow: nothing that the vendors disagree on, no implicit pointers. */
static bool chainable(const struct isa_row *row)
{
    return !differ_of(row) && !(row->attrs & A_REP) && !has_form(row, OP_Ob, OP_Ov) &&
           !sem_is(row, "xlat") && !has_form(row, OP_MVd, OP_MVq) && !sem_is(row, "vmaskmovdqu") &&
           !sem_is(row, "leave") && !sem_is(row, "ret") &&
           !(sem_is(row, "bt") && row->op[1] == OP_Gv);
}

static bool ends(const struct isa_row *row)
{
    return (row->attrs & A_END) || has_form(row, OP_Jb, OP_Jz);
}

void gen_chain(uint64_t seed, uint64_t number, const uint32_t *rows, unsigned row_count,
               const struct isa_row *first, struct test_case *t)
{
    struct rng r = {(seed ^ 0x5851f42d4c957f2dull) + number * 0x9e3779b97f4a7c15ull};
    const unsigned more = chance(&r, 40) ? 0 : 1 + below(&r, 3);
    t->insns = 1;
    t->undefined = first->fl_undefined;
    if (!chainable(first) || ends(first))
        return;
    for (unsigned k = 0; k < more; k++) {
        struct gen g = {.r = r,
                        .row = &isa_rows[rows[below(&r, row_count)]],
                        .t = t,
                        .vsib = -1,
                        .rip_disp_at = -1,
                        .chained = true};
        g.r.s = rnd(&r);
        if (!chainable(g.row) || (g.row->fl_read & t->undefined) || sem_is(g.row, "call_e") ||
            sem_is(g.row, "jmp_e"))
            continue;
        build(&g);
        if (g.n > 15 || t->len + g.n > sizeof t->code)
            continue;
        patch_rip(&g, t->rip + t->len);
        memcpy(t->code + t->len, g.buf, g.n);
        t->len = (uint8_t)(t->len + g.n);
        t->insns++;
        t->undefined = (t->undefined & ~(uint64_t)g.row->fl_written) | g.row->fl_undefined;
        if (ends(g.row))
            break;
    }
}
