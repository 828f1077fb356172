/*
 * Static cycles of a stretch of code, one instruction at a time (costs.def, timing.h).
 *
 * The estimate is the greatest of three bounds, plus stalls: micro-operations over the width of the
 * front end, occupancy of the busiest port group, and the longest chain of latencies that leads
 * from a register to itself: what a loop over the stretch, or a longer one through it, cannot run
 * faster than. Chains that end in the stretch hide behind what comes next. CMP, TEST and simple
 * arithmetic fuse with the Jcc behind them; loads and stores fuse with what uses them.
 *
 * Not modelled: move elimination, partial registers, stack engine stalls, decoder limits, store
 * forwarding, dependencies through memory.
 */
#include "cpu/decode/decode.h"
#include "cpu/timing/timing_int.h"

enum dst { DST_R, DST_W, DST_RW, DST_AXDX };

struct cost {
    const char *pattern;
    uint8_t uops, latency, occupancy, port, dst;
    uint16_t stall;
};

static const struct cost costs[] = {
#define COST(pattern, uops, latency, occupancy, port, dst, stall) \
    {pattern, uops, latency, occupancy, PORT_##port, DST_##dst, stall},
#include "cpu/timing/costs.def"
#undef COST
};

/* What the mnemonic says about a row, looked up once. */
enum {
    ROW_NO_MEMORY = 1 << 0, /* its memory operand is only an address */
    ROW_PUSHES = 1 << 1,
    ROW_POPS = 1 << 2,
    ROW_ZEROES = 1 << 3, /* with itself as operand */
    ROW_FUSES = 1 << 4,  /* with a Jcc behind it */
    ROW_XCHG = 1 << 5,
    ROW_DIVIDES = 1 << 6,
};

struct row_info {
    const struct cost *cost;
    uint8_t bits;
};
static struct row_info row_infos[4096];

static bool matches(const char *pattern, const char *s)
{
    for (; *pattern; pattern++, s++) {
        if (*pattern == '*')
            return true;
        if (!*s || (*pattern != '?' && *pattern != *s))
            return false;
    }
    return !*s;
}

static uint8_t row_bits(const char *name)
{
    static const struct {
        const char *pattern;
        uint8_t bits;
    } known[] = {
        {"nop", ROW_NO_MEMORY}, {"prefetch*", ROW_NO_MEMORY},
        {"lea", ROW_NO_MEMORY}, {"push*", ROW_PUSHES},
        {"call*", ROW_PUSHES},  {"popcnt", 0},
        {"pop*", ROW_POPS},     {"ret*", ROW_POPS},
        {"leave", ROW_POPS},    {"xor", ROW_ZEROES},
        {"pxor", ROW_ZEROES},   {"xorp?", ROW_ZEROES},
        {"cmp", ROW_FUSES},     {"test", ROW_FUSES},
        {"add", ROW_FUSES},     {"and", ROW_FUSES},
        {"inc", ROW_FUSES},     {"dec", ROW_FUSES},
        {"xchg", ROW_XCHG},     {"div", ROW_DIVIDES},
        {"idiv", ROW_DIVIDES},  {"sub", ROW_ZEROES | ROW_FUSES},
    };
    for (unsigned n = 0; n < sizeof known / sizeof known[0]; n++) {
        if (matches(known[n].pattern, name))
            return known[n].bits;
    }
    return 0;
}

static const struct row_info *row_info(const struct insn *i)
{
    struct row_info *const w = &row_infos[i->op];
    if (!w->cost) {
        const struct isa_row *const r = &isa_rows[i->op];
        const char *const name = r->mnemonic + (r->vex && r->mnemonic[0] == 'v');
        const struct cost *k = costs;
        while (!matches(k->pattern, name))
            k++; /* the last row matches all */
        w->bits = row_bits(name);
        w->cost = k;
    }
    return w;
}

/* ---- registers ---- */

/* Register of the chain that an operand names, or CHAIN_NONE: memory, immediates, and those that
 * play no part. */
static unsigned operand_reg(const struct insn *i, unsigned op)
{
    const bool mem = i->flags & INSN_MEM;
    switch (op) {
    case OP_Eb:
        return mem ? CHAIN_NONE : i->s / 8u;
    case OP_Ew:
    case OP_Ed:
    case OP_Eq:
    case OP_Ev:
    case OP_Ey:
    case OP_Rd:
    case OP_Rq:
    case OP_Rv:
    case OP_Ry:
        return mem ? CHAIN_NONE : i->s & 15u;
    case OP_Gb:
    case OP_Zb:
        return i->d / 8u;
    case OP_Gw:
    case OP_Gd:
    case OP_Gq:
    case OP_Gv:
    case OP_Gy:
    case OP_Zv:
        return i->d & 15u;
    case OP_AL:
    case OP_AX:
    case OP_eAX:
    case OP_rAX:
        return R_AX;
    case OP_CL:
        return R_CX;
    case OP_DX:
        return R_DX;
    case OP_By:
        return VEX_V(i->aux);
    case OP_Vd:
    case OP_Vq:
    case OP_Vdq:
    case OP_Vx:
    case OP_Pq:
        return CHAIN_VEC + (i->d & 15u);
    case OP_Wd:
    case OP_Wq:
    case OP_Wdq:
    case OP_Ww:
    case OP_Wb:
    case OP_Wx:
    case OP_Whx:
    case OP_Wqx:
    case OP_Wex:
    case OP_Ud:
    case OP_Uq:
    case OP_Ux:
    case OP_Udq:
    case OP_Qd:
    case OP_Qq:
    case OP_Nq:
        return mem ? CHAIN_NONE : CHAIN_VEC + (i->s & 15u);
    case OP_Hd:
    case OP_Hq:
    case OP_Hdq:
    case OP_Hx:
        return CHAIN_VEC + VEX_V(i->aux);
    case OP_XMM0:
        return CHAIN_VEC;
    case OP_ST0:
    case OP_STi:
        return CHAIN_X87;
    default:
        return CHAIN_NONE;
    }
}

static bool is_immediate(unsigned op)
{
    return op >= OP_Ib && op <= OP_Iv;
}

/* Sources gathered so far: the deepest one, and the deepest one that began in `to`. */
struct sources {
    unsigned depth, origin;
    unsigned own;
    bool has_own;
};

static void add_source(const struct timing_chain *h, struct sources *s, unsigned reg, unsigned more,
                       unsigned to)
{
    if (reg == CHAIN_NONE)
        return;
    const unsigned depth = h->depth[reg] + more;
    if (s->origin == CHAIN_NONE || depth > s->depth) {
        s->depth = depth;
        s->origin = h->origin[reg];
    }
    if (h->origin[reg] == to && (!s->has_own || depth > s->own)) {
        s->own = depth;
        s->has_own = true;
    }
}

static void write_reg(struct timing_chain *h, unsigned reg, const struct sources *s,
                      unsigned latency)
{
    if (reg == CHAIN_NONE)
        return;
    const bool own = s->has_own && s->own + 1 >= s->depth;
    h->origin[reg] = own ? (uint8_t)reg : (uint8_t)s->origin;
    h->depth[reg] = (uint16_t)((own ? s->own : s->depth) + latency);
    if (s->has_own && s->own + latency > h->carried)
        h->carried = (uint16_t)(s->own + latency);
}

/* ---- one instruction ---- */

static bool is_zero_idiom(const struct isa_row *r, const struct row_info *w, const struct insn *i)
{
    if (!(w->bits & ROW_ZEROES) || (i->flags & INSN_MEM) || is_immediate(r->op[1]))
        return false;
    return r->vex ? VEX_V(i->aux) == i->s : i->d == i->s;
}

static void chain_registers(struct timing_chain *h, const struct isa_row *r,
                            const struct row_info *w, const struct insn *i, bool load)
{
    const struct cost *const k = w->cost;
    const bool x87 = r->feature == F_X87;
    const bool one = r->op[1] == OP_NONE;
    const bool axdx = k->dst == DST_AXDX && one;
    const bool three = k->dst == DST_AXDX && is_immediate(r->op[2]);
    const bool writes = k->dst != DST_R;
    const bool reads_first = k->dst == DST_R ||
                             ((k->dst == DST_RW || k->dst == DST_AXDX) && !three);
    const unsigned dst = axdx ? R_AX : x87 ? CHAIN_X87 : operand_reg(i, r->op[0]);
    const unsigned to = writes && dst != CHAIN_NONE ? dst
                        : r->fl_written             ? CHAIN_FLAGS
                                                    : CHAIN_NONE;
    struct sources s = {.origin = CHAIN_NONE};

    if (!is_zero_idiom(r, w, i)) {
        if (load || (i->flags & INSN_MEM)) {
            const unsigned more = load ? TIMING_L1_LATENCY : 0;
            add_source(h, &s, i->b < 16 ? i->b : CHAIN_NONE, more, to);
            add_source(h, &s, i->x < 16 ? i->x : CHAIN_NONE, more, to);
        }
        if (reads_first)
            add_source(h, &s, dst, 0, to);
        for (unsigned n = axdx ? 0 : 1; n < 4; n++)
            add_source(h, &s, operand_reg(i, r->op[n]), 0, to);
        if (axdx && (w->bits & ROW_DIVIDES))
            add_source(h, &s, R_DX, 0, to);
        if (r->fl_read)
            add_source(h, &s, CHAIN_FLAGS, 0, to);
    }
    if (writes)
        write_reg(h, dst, &s, k->latency);
    if (writes && axdx && i->osize > 1)
        write_reg(h, R_DX, &s, k->latency);
    if (r->fl_written | r->fl_undefined)
        write_reg(h, CHAIN_FLAGS, &s, k->latency);
}

static void take(struct timing_chain *h, enum timing_port port, unsigned ticks)
{
    h->port[port] = (uint16_t)(h->port[port] + ticks);
}

void chain_reset(struct timing_chain *h)
{
    memset(h, 0, sizeof *h);
    for (unsigned n = 0; n < CHAIN_REGS; n++)
        h->origin[n] = (uint8_t)n;
}

static uint32_t chain_cost(const struct timing_chain *h)
{
    uint32_t most = h->carried * TIMING_TICKS_PER_CYCLE;
    for (unsigned n = 0; n < PORT_COUNT; n++)
        most = h->port[n] > most ? h->port[n] : most;
    return most + h->stall;
}

uint32_t chain_add(struct timing_chain *h, const struct insn *i)
{
    const struct isa_row *r = insn_row(i);
    if (!r) { /* raises a fault */
        take(h, PORT_FRONT, 1);
        return chain_cost(h);
    }
    const struct row_info *const w = row_info(i);
    const struct cost *const k = w->cost;
    const bool mem = (i->flags & INSN_MEM) && !(w->bits & ROW_NO_MEMORY);
    const bool load = mem && !(r->attrs & A_STORE);
    const unsigned loads = load + ((w->bits & ROW_POPS) != 0);
    const unsigned stores = (mem && (r->attrs & (A_STORE | A_RMW))) + ((w->bits & ROW_PUSHES) != 0);
    const bool branch = (r->attrs & A_END) && isa_is_branch(r);
    const bool fused = branch && h->fuses && (r->attrs & A_COND);
    const unsigned uops = fused ? 0 : k->uops + (mem && (r->attrs & A_RMW));
    take(h, PORT_FRONT, uops * TIMING_TICKS_PER_CYCLE / TIMING_FETCH_WIDTH);
    take(h, (enum timing_port)k->port, k->port == PORT_NONE ? 0 : k->occupancy);
    take(h, PORT_LOAD, loads * 2);
    take(h, PORT_STORE, stores * TIMING_TICKS_PER_CYCLE);
    take(h, PORT_BRANCH, branch ? TIMING_TICKS_PER_CYCLE / 2 : 0);
    h->stall += (uint32_t)TICKS(k->stall);
    if ((i->flags & INSN_LOCK) || ((w->bits & ROW_XCHG) && mem))
        h->stall += (uint32_t)TICKS(TIMING_LOCKED);
    chain_registers(h, r, w, i, load);
    h->fuses = (w->bits & ROW_FUSES) && !(i->flags & INSN_LOCK);
    return chain_cost(h);
}

void timing_block_built(const struct block *b)
{
    uint32_t *const cost = timing_costs(b);
    struct timing_chain h;
    chain_reset(&h);
    cost[0] = 0;
    for (unsigned n = 0; n < b->n; n++)
        cost[n + 1] = chain_add(&h, &b->insn[n]);
}
