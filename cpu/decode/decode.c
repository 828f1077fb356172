/*
 * The decoder (SDM 2A chapter 2, appendix A). At first use the rows of cpu/isa are sorted into
 * lists per (VEX or not, map, opcode byte, mandatory prefix), in order of precedence; decoding is
 * prefixes, one list, operands.
 *
 * VEX (SDM 2A 2.3): C4 and C5 are the prefix in 64-bit mode, and outside it when the byte behind
 * would be a ModRM byte with a register, which LES and LDS do not have.
 *
 * Not modelled: EVEX and XOP (62 is BOUND or #UD, 8F is POP).
 */
#include "cpu/decode/decode.h"

#include <string.h>

#include "cpu/cpu.h"

#define OPERANDS 4 /* of a row */

enum pfx { P_NONE, P_66, P_F3, P_F2, P_COUNT };

struct list {
    uint16_t first, count;
};

#define POOL_SIZE 16384
static struct list lists[2][MAP_COUNT][256][P_COUNT]; /* first index: VEX-encoded */
static uint16_t pool[POOL_SIZE];
static unsigned pool_used;
static bool has_modrm[2][MAP_COUNT][256];
static bool tables_ready;

static unsigned row_span(const struct isa_row *r)
{
    return r->attrs & A_COND ? 16 : r->attrs & A_REGOP ? 8 : 1;
}

static void list_add(struct list *l, unsigned row)
{
    if (pool_used < POOL_SIZE) {
        pool[pool_used++] = (uint16_t)row;
        l->count++;
    }
}

/* The rows of each opcode, in the order of the table. */
static struct list by_opcode[2][MAP_COUNT][256];
static uint16_t sorted[POOL_SIZE];

static void rows_sort(void)
{
    struct list *const all = &by_opcode[0][0][0];
    unsigned used = 0;
    for (unsigned n = 0; n < isa_row_count; n++) {
        const struct isa_row *r = &isa_rows[n];
        for (unsigned k = 0; k < row_span(r); k++)
            by_opcode[r->vex != 0][r->map][r->opcode + k].count++;
    }
    for (unsigned n = 0; n < sizeof by_opcode / sizeof *all; n++) {
        all[n].first = (uint16_t)used;
        used += all[n].count;
        all[n].count = 0; /* counts again as they are put in */
    }
    for (unsigned n = 0; n < isa_row_count && used <= POOL_SIZE; n++) {
        const struct isa_row *r = &isa_rows[n];
        for (unsigned k = 0; k < row_span(r); k++) {
            struct list *const l = &by_opcode[r->vex != 0][r->map][r->opcode + k];
            sorted[l->first + l->count++] = (uint16_t)n;
        }
    }
}

static void list_build(bool vex, unsigned map, unsigned opcode, unsigned pfx)
{
    static const uint8_t exact[P_COUNT] = {PX_NP, PX_66, PX_F3, PX_F2};
    const struct list *const from = &by_opcode[vex][map][opcode];
    struct list *l = &lists[vex][map][opcode][pfx];
    l->first = (uint16_t)pool_used;
    for (unsigned pass = 0; pass < 2; pass++) {
        for (unsigned k = 0; k < from->count; k++) {
            const unsigned n = sorted[from->first + k];
            const struct isa_row *r = &isa_rows[n];
            if ((pass == 0 && r->prefix == exact[pfx]) || (pass == 1 && r->prefix == PX_ANY))
                list_add(l, n);
            if (r->modrm != MR_N)
                has_modrm[vex][map][opcode] = true;
        }
    }
}

static void tables_build(void)
{
    rows_sort();
    for (unsigned map = 0; map < MAP_COUNT; map++) {
        for (unsigned opcode = 0; opcode < 256; opcode++) {
            for (unsigned pfx = 0; pfx < P_COUNT; pfx++) {
                list_build(false, map, opcode, pfx);
                list_build(true, map, opcode, pfx);
            }
        }
    }
    tables_ready = true;
}

/* Everything known about the instruction while its bytes are read. */
struct dec {
    const uint8_t *p;
    unsigned avail, pos;
    bool more, too_long;
    uint32_t code; /* MODE_CODE* */
    uint8_t rex, opcode, modrm, map;
    bool opsz, adsz, lock, have_modrm;
    uint8_t rep; /* 0, F2 or F3: the last one */
    int8_t seg;  /* override or -1 */
    bool rip_rel;
    /* VEX: fields as they are meant, not inverted; W is in rex too (64-bit mode only) */
    bool vex, vex_bad, vex_l, vex_w, vsib;
    uint8_t vex_v, vex_pp;
};

static uint8_t byte(struct dec *d)
{
    if (d->pos >= INSN_MAX_LEN) {
        d->too_long = true;
        return 0;
    }
    if (d->pos >= d->avail) {
        d->more = true;
        return 0;
    }
    return d->p[d->pos++];
}

static bool broken(const struct dec *d)
{
    return d->more || d->too_long;
}

static uint64_t bytes_le(struct dec *d, unsigned n)
{
    uint64_t v = 0;
    for (unsigned k = 0; k < n; k++)
        v |= (uint64_t)byte(d) << (8 * k);
    return v;
}

static int64_t signed_le(struct dec *d, unsigned n)
{
    const unsigned sh = 64 - 8 * n;
    return (int64_t)(bytes_le(d, n) << sh) >> sh;
}

/* Legacy prefixes in any order, then REX; leaves the first opcode byte in d->opcode. */
static void prefixes(struct dec *d)
{
    for (;;) {
        const uint8_t b = byte(d);
        if (broken(d))
            return;
        switch (b) {
        case 0x26:
        case 0x2e:
        case 0x36:
        case 0x3e:
            if (d->code != MODE_CODE64)
                d->seg = (int8_t)(b >> 3 & 3);
            d->rex = 0;
            break;
        case 0x64:
        case 0x65:
            d->seg = (int8_t)(b & 7);
            d->rex = 0;
            break;
        case 0x66:
            d->opsz = true;
            d->rex = 0;
            break;
        case 0x67:
            d->adsz = true;
            d->rex = 0;
            break;
        case 0xf0:
            d->lock = true;
            d->rex = 0;
            break;
        case 0xf2:
        case 0xf3:
            d->rep = b;
            d->rex = 0;
            break;
        default:
            if (d->code == MODE_CODE64 && (b & 0xf0) == 0x40) {
                d->rex = b;
                break;
            }
            d->opcode = b;
            return;
        }
    }
}

/* C4 or C5 has been read: is it VEX? Looks at the next byte without taking it. */
static bool is_vex(struct dec *d)
{
    if (d->opcode != 0xc4 && d->opcode != 0xc5)
        return false;
    if (d->code == MODE_CODE64)
        return true;
    if (d->pos >= d->avail || d->pos >= INSN_MAX_LEN)
        return false; /* LES and LDS will miss that byte too */
    return d->p[d->pos] >= 0xc0;
}

/* The prefix behind C4 or C5, then the opcode byte. */
static void vex_bytes(struct dec *d)
{
    static const uint8_t pfx[4] = {P_NONE, P_66, P_F3, P_F2};
    const bool is64 = d->code == MODE_CODE64, three = d->opcode == 0xc4;
    const uint8_t b1 = byte(d);
    const uint8_t b2 = three ? byte(d) : b1;
    d->vex = true;
    d->vex_bad = d->rex || d->opsz || d->rep || d->lock;
    d->rex = is64 && !(b1 & 0x80) ? 4 : 0;
    d->map = MAP_0F;
    if (three) {
        d->rex |= (uint8_t)(is64 ? (~b1 >> 5 & 3) | (b2 >> 4 & 8) : 0);
        d->vex_w = b2 >> 7;
        d->vex_bad |= (b1 & 31) < 1 || (b1 & 31) > 3;
        d->map = d->vex_bad ? MAP_0F : (uint8_t)(MAP_0F + (b1 & 31) - 1);
    }
    d->vex_v = ~b2 >> 3 & (is64 ? 15 : 7);
    d->vex_l = b2 >> 2 & 1;
    d->vex_pp = pfx[b2 & 3];
    d->opcode = byte(d);
}

static void opcode_bytes(struct dec *d)
{
    d->map = MAP_1;
    if (is_vex(d)) {
        vex_bytes(d);
    } else if (d->opcode == 0x0f) {
        d->opcode = byte(d);
        d->map = MAP_0F;
        if (d->opcode == 0x38 || d->opcode == 0x3a) {
            d->map = d->opcode == 0x38 ? MAP_0F38 : MAP_0F3A;
            d->opcode = byte(d);
        }
    }
    if (!broken(d) && has_modrm[d->vex][d->map][d->opcode]) {
        d->modrm = byte(d);
        d->have_modrm = true;
        if (!d->vex && d->map == MAP_0F && d->opcode >= 0x20 && d->opcode <= 0x23)
            d->modrm |= 0xc0; /* MOV CR/DR: mod is ignored */
    }
}

static bool modrm_matches(uint16_t form, uint8_t m)
{
    const bool mem = m < 0xc0;
    const unsigned digit = m >> 3 & 7;
    switch (form & 0xf00) {
    case MR_N:
    case MR_R:
        return true;
    case MR_RM:
        return mem;
    case MR_RR:
        return !mem;
    case MR_X0:
        return (form & 0xff) == digit;
    case MR_XM0:
        return mem && (form & 0xff) == digit;
    case MR_XR0:
        return !mem && (form & 0xff) == digit;
    default:
        return (form & 0xff) == m;
    }
}

static bool has_feature(const uint64_t *features, const struct isa_row *r)
{
    return features[r->feature / 64] >> (r->feature % 64) & 1;
}

static bool is_vvvv(uint8_t op)
{
    return op >= OP_Hd && op <= OP_By;
}

/* VEX.L and W as the row wants them, and vvvv unused when the row has no use for it. */
static bool vex_matches(const struct dec *d, const struct isa_row *r)
{
    if (!r->vex)
        return true;
    if (!(r->vex & (d->vex_l ? VX_L1 : VX_L0)) || !(r->vex & (d->vex_w ? VX_W1 : VX_W0)))
        return false;
    return !d->vex_v || is_vvvv(r->op[0]) || is_vvvv(r->op[1]) || is_vvvv(r->op[2]);
}

static const struct isa_row *find_row(const struct dec *d, const uint64_t *features)
{
    const bool xchg_r8 = d->map == MAP_1 && d->opcode == 0x90 && (d->rex & 1); /* no PAUSE then */
    const unsigned pfx = d->vex           ? d->vex_pp
                         : xchg_r8        ? P_NONE
                         : d->rep == 0xf3 ? P_F3
                         : d->rep == 0xf2 ? P_F2
                         : d->opsz        ? P_66
                                          : P_NONE;
    const struct list *l = &lists[d->vex][d->map][d->opcode][pfx];
    const uint16_t wrong = d->code == MODE_CODE64 ? A_I64 : A_O64;
    for (unsigned k = 0; k < l->count; k++) {
        const struct isa_row *r = &isa_rows[pool[l->first + k]];
        if (!(r->attrs & wrong) && modrm_matches(r->modrm, d->modrm) && vex_matches(d, r) &&
            has_feature(features, r))
            return r;
    }
    return NULL;
}

static uint8_t osize_of(const struct dec *d, const struct isa_row *r)
{
    const bool opsz = d->opsz && r->prefix != PX_66;
    if (d->vex)
        return d->rex & 8 ? 8 : 4;
    if (r->attrs & A_BYTE)
        return 1;
    if (d->code == MODE_CODE64) {
        if ((d->rex & 8) || (r->attrs & A_FORCE64))
            return 8;
        if (opsz && !(r->attrs & A_DWORD))
            return 2;
        return r->attrs & A_DEF64 ? 8 : 4;
    }
    const bool big = (d->code == MODE_CODE32) != opsz;
    return big || (r->attrs & A_DWORD) ? 4 : 2;
}

/* ---- operands ---- */
static uint8_t byte_reg(const struct dec *d, unsigned reg)
{
    if (!d->rex && reg >= 4)
        return (uint8_t)((reg - 4) * 8 + 1); /* AH CH DH BH */
    return (uint8_t)(reg * 8);
}

static void mem16(struct dec *d, struct insn *i, bool *bp)
{
    static const uint8_t base[8] = {R_BX, R_BX, R_BP, R_BP, R_SI, R_DI, R_BP, R_BX};
    static const uint8_t index[8] = {R_SI, R_DI, R_SI, R_DI, R_ZERO, R_ZERO, R_ZERO, R_ZERO};
    const unsigned mod = d->modrm >> 6, rm = d->modrm & 7;
    i->b = base[rm];
    i->x = index[rm];
    if (mod == 0 && rm == 6) {
        i->b = R_ZERO;
        i->disp = (int32_t)signed_le(d, 2);
    } else if (mod == 1) {
        i->disp = (int32_t)signed_le(d, 1);
    } else if (mod == 2) {
        i->disp = (int32_t)signed_le(d, 2);
    }
    *bp = i->b == R_BP;
}

static void mem32(struct dec *d, struct insn *i, bool *bp)
{
    const unsigned mod = d->modrm >> 6, rm = d->modrm & 7;
    const unsigned rex_b = (d->rex & 1u) << 3, rex_x = (d->rex & 2u) << 2;
    unsigned base = rm;
    i->b = (uint8_t)(rm | rex_b);
    i->x = R_ZERO;
    if (rm == 4) {
        const uint8_t sib = byte(d);
        base = sib & 7;
        i->b = (uint8_t)(base | rex_b);
        i->scale = sib >> 6;
        i->x = (uint8_t)((sib >> 3 & 7) | rex_x);
        if (i->x == R_SP && !d->vsib) {
            i->x = R_ZERO;
            i->scale = 0;
        }
    }
    if (mod == 0 && base == 5) {
        i->b = R_ZERO;
        i->disp = (int32_t)signed_le(d, 4);
        if (rm == 5 && d->code == MODE_CODE64) {
            i->b = R_PAGE;
            d->rip_rel = true;
        }
    } else if (mod == 1) {
        i->disp = (int32_t)signed_le(d, 1);
    } else if (mod == 2) {
        i->disp = (int32_t)signed_le(d, 4);
    }
    *bp = i->b == R_SP || i->b == R_BP;
}

static void mem_operand(struct dec *d, struct insn *i)
{
    bool bp = false;
    i->flags |= INSN_MEM;
    if (i->flags & INSN_A16)
        mem16(d, i, &bp);
    else
        mem32(d, i, &bp);
    i->seg = d->seg >= 0 ? (uint8_t)d->seg : bp ? SEG_SS : SEG_DS;
}

static void rm_operand(struct dec *d, struct insn *i, enum isa_operand op)
{
    const unsigned rex_b = (d->rex & 1u) << 3;
    unsigned reg = d->modrm & 7;
    if (d->modrm < 0xc0)
        return; /* mem_operand did it */
    if (op == OP_Eb)
        i->s = byte_reg(d, reg | rex_b);
    else if (op == OP_Qd || op == OP_Qq || op == OP_Nq || op == OP_STi)
        i->s = (uint8_t)reg;
    else
        i->s = (uint8_t)(reg | rex_b);
}

static void immediate(struct dec *d, struct insn *i, unsigned n, bool second)
{
    if (second)
        i->imm = (int32_t)((uint32_t)(uint16_t)i->imm | (uint32_t)bytes_le(d, n) << 16);
    else
        i->imm = (int32_t)signed_le(d, n);
}

static unsigned moffs_size(const struct insn *i)
{
    return i->flags & INSN_A32 ? 4 : i->flags & INSN_A16 ? 2 : 8;
}

static bool operand(struct dec *d, struct insn *i, enum isa_operand op, unsigned n, bool *imm_seen)
{
    const unsigned rex_r = (d->rex & 4u) << 1, rex_b = (d->rex & 1u) << 3;
    const unsigned reg = (d->modrm >> 3 & 7) | rex_r;
    switch (op) {
    case OP_Gb:
        i->d = byte_reg(d, reg);
        break;
    case OP_Gw:
    case OP_Gd:
    case OP_Gq:
    case OP_Gv:
    case OP_Gy:
    case OP_Cq:
    case OP_Dq:
    case OP_Vd:
    case OP_Vq:
    case OP_Vdq:
    case OP_Vx:
        i->d = (uint8_t)reg;
        break;
    case OP_Sw:
        i->d = reg & 7;
        return (reg & 7) < 6;
    case OP_Pq:
        i->d = reg & 7;
        break;
    case OP_Zb:
        i->d = byte_reg(d, (d->opcode & 7) | rex_b);
        break;
    case OP_Zv:
        i->d = (uint8_t)((d->opcode & 7) | rex_b);
        break;
    case OP_AL:
    case OP_AX:
    case OP_eAX:
    case OP_rAX:
        if (n == 0)
            i->d = R_AX;
        i->s = R_AX;
        break;
    case OP_1:
        i->imm = 1;
        break;
    case OP_Ib:
    case OP_Ibs:
    case OP_Lx:
        immediate(d, i, 1, *imm_seen);
        *imm_seen = true;
        break;
    case OP_Iw:
        immediate(d, i, 2, *imm_seen);
        *imm_seen = true;
        break;
    case OP_Iz:
        immediate(d, i, i->osize == 2 ? 2 : 4, *imm_seen);
        *imm_seen = true;
        break;
    case OP_Iv:
        i->imm64 = bytes_le(d, i->osize);
        break;
    case OP_Jb:
        i->imm = (int32_t)signed_le(d, 1);
        break;
    case OP_Jz:
        i->imm = (int32_t)signed_le(d, i->osize == 2 ? 2 : 4);
        break;
    case OP_Ap: {
        const uint64_t off = bytes_le(d, i->osize == 2 ? 2 : 4);
        i->imm64 = off | bytes_le(d, 2) << 32;
        break;
    }
    case OP_Ob:
    case OP_Ov:
        i->imm64 = bytes_le(d, moffs_size(i));
        break;
    case OP_NONE:
    case OP_CL:
    case OP_DX:
    case OP_ST0:
    case OP_XMM0:
    case OP_Hd:
    case OP_Hq:
    case OP_Hdq:
    case OP_Hx:
    case OP_By:
    case OP_Xb:
    case OP_Xv:
    case OP_Yb:
    case OP_Yv:
        break;
    default:
        rm_operand(d, i, op);
        break;
    }
    return true;
}

static bool is_y(uint8_t op)
{
    return op == OP_Ey || op == OP_Gy || op == OP_Ry;
}

static bool register_only(uint8_t op)
{
    return (op >= OP_Rd && op <= OP_Ry) || (op >= OP_Ud && op <= OP_Udq) || op == OP_Nq;
}

static bool memory_only(uint8_t op)
{
    return op >= OP_M && op <= OP_M512;
}

/* All operands of the row; false: #UD. */
static bool operands(struct dec *d, struct insn *i, const struct isa_row *r)
{
    const bool mem = d->have_modrm && r->modrm != MR_N && d->modrm < 0xc0;
    bool imm_seen = false;
    for (unsigned n = 0; n < OPERANDS; n++) {
        if (is_y(r->op[n]) && i->osize < 4)
            i->osize = 4;
        if (r->op[n] == OP_Cq || r->op[n] == OP_Dq)
            i->osize = d->code == MODE_CODE64 ? 8 : 4;
        if ((register_only(r->op[n]) && mem) || (memory_only(r->op[n]) && !mem))
            return false;
        d->vsib |= r->op[n] == OP_MVd || r->op[n] == OP_MVq;
    }
    if (mem)
        mem_operand(d, i);
    if (d->vsib && ((d->modrm & 7) != 4 || (i->flags & INSN_A16)))
        return false;
    for (unsigned n = 0; n < OPERANDS; n++) {
        if (!operand(d, i, r->op[n], n, &imm_seen))
            return false;
    }
    return true;
}

static bool lock_ok(const struct insn *i, const struct isa_row *r)
{
    return (r->attrs & A_LOCK) && (i->flags & INSN_MEM) && (r->attrs & (A_RMW | A_STORE));
}

static void set_flags(const struct dec *d, struct insn *i)
{
    if (d->code == MODE_CODE64)
        i->flags |= d->adsz ? INSN_A32 : 0;
    else
        i->flags |= (d->code == MODE_CODE32) != d->adsz ? INSN_A32 : INSN_A16;
    if (d->lock)
        i->flags |= INSN_LOCK;
    if (d->rep)
        i->flags |= d->rep == 0xf3 ? INSN_REP : INSN_REPNE;
    if (d->rex)
        i->flags |= INSN_REX;
    if (d->opsz)
        i->flags |= INSN_OPSZ;
}

static uint16_t aux_of(const struct dec *d, const struct isa_row *r)
{
    if (d->vex)
        return (uint16_t)(d->vex_v | d->vex_l << VEX_L_SHIFT);
    return r->attrs & A_COND ? d->opcode & 15 : d->have_modrm ? d->modrm : 0;
}

static enum decode_status finish(struct insn *i, const struct dec *d, uint16_t op, unsigned rip_off)
{
    i->op = op;
    i->len = (uint8_t)d->pos;
    i->rip_off = (uint16_t)rip_off;
    if (d->rip_rel) {
        int64_t disp = (int64_t)i->disp + rip_off + d->pos;
        if (disp > INT32_MAX) {
            i->x = R_8K;
            disp -= 8192;
        }
        i->disp = (int32_t)disp;
    }
    return DECODE_OK;
}

enum decode_status decode(struct insn *i, const uint8_t *p, unsigned avail, unsigned rip_off,
                          uint32_t mode, const uint64_t *features)
{
    if (!tables_ready)
        tables_build();
    struct dec d = {.p = p, .avail = avail, .code = mode & MODE_CODE_MASK, .seg = -1};
    memset(i, 0, sizeof *i);
    i->b = i->x = R_ZERO;
    prefixes(&d);
    if (!broken(&d))
        opcode_bytes(&d);
    if (d.too_long)
        return finish(i, &d, OPX_GP, rip_off);
    if (d.more)
        return DECODE_MORE;
    set_flags(&d, i);
    i->seg = d.seg >= 0 ? (uint8_t)d.seg : SEG_DS;
    const struct isa_row *r = find_row(&d, features);
    if (!r || (d.vex && (d.vex_bad || !(d.code == MODE_CODE64 || (mode & MODE_PROT)))))
        return finish(i, &d, OPX_UD, rip_off);
    i->osize = osize_of(&d, r);
    i->aux = aux_of(&d, r);
    const bool legal = operands(&d, i, r);
    if (d.too_long)
        return finish(i, &d, OPX_GP, rip_off);
    if (d.more)
        return DECODE_MORE;
    if (!legal || (d.lock && !lock_ok(i, r)))
        return finish(i, &d, OPX_UD, rip_off);
    return finish(i, &d, (uint16_t)(r - isa_rows), rip_off);
}

/* ---- what the engine asks about a decoded instruction ---- */
static void sem_ud(struct cpu *c, const struct insn *i)
{
    (void)i;
    cpu_fault_noerr(c, EXC_UD);
}

static void sem_gp(struct cpu *c, const struct insn *i)
{
    (void)i;
    cpu_fault(c, EXC_GP, 0);
}

op_fn *insn_sem(const struct insn *i)
{
    return i->op == OPX_UD ? sem_ud : i->op == OPX_GP ? sem_gp : isa_rows[i->op].sem;
}

const struct isa_row *insn_row(const struct insn *i)
{
    return i->op >= OPX_GP ? NULL : &isa_rows[i->op];
}

bool insn_ends(const struct insn *i)
{
    const struct isa_row *r = insn_row(i);
    return !r || (r->attrs & A_END) || ((r->attrs & A_REP) && (i->flags & (INSN_REP | INSN_REPNE)));
}
