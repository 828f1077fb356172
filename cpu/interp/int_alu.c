/*
 * Generic integer arithmetic, logic, shifts, bits, multiplication and division (SDM 2A-2B).
 * Complete on its own for every operand form; chained handlers of the hot forms are in fast_*.c.
 */
#include "cpu/interp/ops.h"

/* E,G  G,E and E,imm forms; `store` is false for cmp and test */
#define OP_ALU(name, store)                                                                     \
    void op_##name##_eg(struct cpu *c, const struct insn *i)                                    \
    {                                                                                           \
        struct lf f = lf_load(c);                                                               \
        const struct rm m = rm_open(c, i, i->osize, store);                                     \
        const uint64_t r = alu_##name(&f, rm_get(c, &m), reg_get(c, i->d, i->osize), i->osize); \
        if (store)                                                                              \
            rm_put(c, &m, r);                                                                   \
        lf_save(c, f);                                                                          \
    }                                                                                           \
    void op_##name##_ge(struct cpu *c, const struct insn *i)                                    \
    {                                                                                           \
        struct lf f = lf_load(c);                                                               \
        const uint64_t b = rm_value(c, i, i->osize);                                            \
        const uint64_t r = alu_##name(&f, reg_get(c, i->d, i->osize), b, i->osize);             \
        if (store)                                                                              \
            reg_set(c, i->d, i->osize, r);                                                      \
        lf_save(c, f);                                                                          \
    }                                                                                           \
    void op_##name##_ei(struct cpu *c, const struct insn *i)                                    \
    {                                                                                           \
        struct lf f = lf_load(c);                                                               \
        const struct rm m = rm_open(c, i, i->osize, store);                                     \
        const uint64_t r = alu_##name(&f, rm_get(c, &m), (uint64_t)(int64_t)i->imm, i->osize);  \
        if (store)                                                                              \
            rm_put(c, &m, r);                                                                   \
        lf_save(c, f);                                                                          \
    }
OP_ALU(add, true)
OP_ALU(or, true)
OP_ALU(adc, true)
OP_ALU(sbb, true)
OP_ALU(and, true)
OP_ALU(sub, true)
OP_ALU(xor, true)
OP_ALU(cmp, false)
OP_ALU(test, false)

#define OP_UNARY(name)                                          \
    void op_##name##_e(struct cpu *c, const struct insn *i)     \
    {                                                           \
        struct lf f = lf_load(c);                               \
        const struct rm m = rm_open(c, i, i->osize, true);      \
        rm_put(c, &m, alu_##name(&f, rm_get(c, &m), i->osize)); \
        lf_save(c, f);                                          \
    }
OP_UNARY(inc)
OP_UNARY(dec)
OP_UNARY(neg)
OP_UNARY(not )

#define OP_UNARY_R(name)                                                                  \
    void op_##name##_r(struct cpu *c, const struct insn *i)                               \
    {                                                                                     \
        struct lf f = lf_load(c);                                                         \
        reg_set(c, i->d, i->osize, alu_##name(&f, reg_get(c, i->d, i->osize), i->osize)); \
        lf_save(c, f);                                                                    \
    }
OP_UNARY_R(inc)
OP_UNARY_R(dec)

#define OP_SHIFT(name)                                                           \
    void op_##name##_ei(struct cpu *c, const struct insn *i)                     \
    {                                                                            \
        struct lf f = lf_load(c);                                                \
        const struct rm m = rm_open(c, i, i->osize, true);                       \
        rm_put(c, &m, alu_##name(&f, rm_get(c, &m), (uint8_t)i->imm, i->osize)); \
        lf_save(c, f);                                                           \
    }                                                                            \
    void op_##name##_ecl(struct cpu *c, const struct insn *i)                    \
    {                                                                            \
        struct lf f = lf_load(c);                                                \
        const struct rm m = rm_open(c, i, i->osize, true);                       \
        rm_put(c, &m, alu_##name(&f, rm_get(c, &m), c->r[R_CX], i->osize));      \
        lf_save(c, f);                                                           \
    }
OP_SHIFT(rol)
OP_SHIFT(ror)
OP_SHIFT(rcl)
OP_SHIFT(rcr)
OP_SHIFT(shl)
OP_SHIFT(shr)
OP_SHIFT(sar)

#define OP_DSHIFT(name, suffix, count)                                             \
    void op_##name##_##suffix(struct cpu *c, const struct insn *i)                 \
    {                                                                              \
        struct lf f = lf_load(c);                                                  \
        const struct rm m = rm_open(c, i, i->osize, true);                         \
        rm_put(c, &m, alu_##name(&f, rm_get(c, &m), c->r[i->d], count, i->osize)); \
        lf_save(c, f);                                                             \
    }
OP_DSHIFT(shld, i, (uint8_t)i->imm)
OP_DSHIFT(shld, cl, c->r[R_CX])
OP_DSHIFT(shrd, i, (uint8_t)i->imm)
OP_DSHIFT(shrd, cl, c->r[R_CX])

/* ---- multiplication and division ---- */
void op_imul_ge(struct cpu *c, const struct insn *i)
{
    struct lf f = lf_load(c);
    const uint64_t b = rm_value(c, i, i->osize);
    reg_set(c, i->d, i->osize, alu_imul(&f, c->r[i->d], b, i->osize));
    lf_save(c, f);
}

void op_imul_gei(struct cpu *c, const struct insn *i)
{
    struct lf f = lf_load(c);
    const uint64_t a = rm_value(c, i, i->osize);
    reg_set(c, i->d, i->osize, alu_imul(&f, a, (uint64_t)(int64_t)i->imm, i->osize));
    lf_save(c, f);
}

/* rDX:rAX (AH:AL for bytes) */
static void set_pair(struct cpu *c, unsigned size, uint64_t low, uint64_t high)
{
    if (size == 1) {
        reg_set(c, R_AX, 2, (low & 0xff) | high << 8);
        return;
    }
    reg_set(c, R_AX, size, low);
    reg_set(c, R_DX, size, high);
}

void op_mul_e(struct cpu *c, const struct insn *i)
{
    struct lf f = lf_load(c);
    const unsigned size = i->osize;
    const uint64_t b = rm_value(c, i, size);
    const unsigned __int128 p = (unsigned __int128)reg_get(c, R_AX, size == 1 ? 1 : size) * b;
    const uint64_t high = size == 8 ? (uint64_t)(p >> 64) : (uint64_t)p >> (8 * size);
    lf_set_cf_of(&f, (uint64_t)p, high != 0, high != 0, size);
    set_pair(c, size, (uint64_t)p, high);
    lf_save(c, f);
}

void op_imul_e(struct cpu *c, const struct insn *i)
{
    struct lf f = lf_load(c);
    const unsigned size = i->osize;
    const int64_t b = (int64_t)alu_sext(rm_value(c, i, size), size);
    const __int128 p = (__int128)(int64_t)alu_sext(c->r[R_AX], size) * b;
    const uint64_t low = (uint64_t)p;
    const uint64_t high = size == 8 ? (uint64_t)((unsigned __int128)p >> 64) : low >> (8 * size);
    const bool over = (__int128)(int64_t)alu_sext(low, size) != p;
    lf_set_cf_of(&f, low, over, over, size);
    set_pair(c, size, low, high);
    lf_save(c, f);
}

static unsigned __int128 dividend(const struct cpu *c, unsigned size)
{
    if (size == 1)
        return (uint16_t)c->r[R_AX];
    if (size == 8)
        return (unsigned __int128)c->r[R_DX] << 64 | c->r[R_AX];
    return reg_get(c, R_DX, size) << (8 * size) | reg_get(c, R_AX, size);
}

void op_div_e(struct cpu *c, const struct insn *i)
{
    const unsigned size = i->osize;
    const uint64_t b = rm_value(c, i, size);
    const unsigned __int128 a = dividend(c, size);
    if (!b)
        cpu_fault_noerr(c, EXC_DE);
    if (!(a >> 64)) {
        const uint64_t q = (uint64_t)a / b;
        if (q != alu_zext(q, size))
            cpu_fault_noerr(c, EXC_DE);
        set_pair(c, size, q, (uint64_t)a % b);
        return;
    }
    if ((uint64_t)(a >> 64) >= b)
        cpu_fault_noerr(c, EXC_DE);
    set_pair(c, size, (uint64_t)(a / b), (uint64_t)(a % b));
}

void op_idiv_e(struct cpu *c, const struct insn *i)
{
    const unsigned size = i->osize;
    const int64_t b = (int64_t)alu_sext(rm_value(c, i, size), size);
    if (!b)
        cpu_fault_noerr(c, EXC_DE);
    __int128 a = (__int128)dividend(c, size);
    if (size < 8)
        a = (int64_t)alu_sext((uint64_t)a, 2 * size);
    if (b == -1) { /* avoids the one overflow of the host's division */
        const __int128 q = (__int128)-(unsigned __int128)a;
        if (q != (int64_t)alu_sext((uint64_t)q, size) || (a < 0 && q < 0))
            cpu_fault_noerr(c, EXC_DE);
        set_pair(c, size, (uint64_t)q, 0);
        return;
    }
    const __int128 q = a / b;
    if (q != (int64_t)alu_sext((uint64_t)q, size))
        cpu_fault_noerr(c, EXC_DE);
    set_pair(c, size, (uint64_t)q, (uint64_t)(a % b));
}

/* ---- bits ---- */
enum bit_op { BIT_TEST, BIT_SET, BIT_RESET, BIT_FLIP };

static void bit_op(struct cpu *c, const struct insn *i, enum bit_op op, uint64_t index,
                   bool reg_index)
{
    struct lf f = lf_load(c);
    const unsigned size = i->osize, bits = 8 * size;
    struct rm m;
    if ((i->flags & INSN_MEM) && reg_index) {
        /* a register index reaches beyond the operand: signed, in units of the operand */
        const int64_t n = (int64_t)alu_sext(index, size);
        const uint64_t ea = insn_ea_add(c, i,
                                        (uint64_t)((n >> (size == 8   ? 6
                                                          : size == 4 ? 5
                                                                      : 4)) *
                                                   size));
        m = (struct rm){seg_linear(c, i->seg, ea, size, op == BIT_TEST ? ACC_R : ACC_RW),
                        (uint8_t)size, true, 0};
        if (op != BIT_TEST)
            mmu_probe_w(c, m.la, size);
    } else {
        m = rm_open(c, i, size, op != BIT_TEST);
    }
    const uint64_t v = rm_get(c, &m), mask = 1ull << (index & (bits - 1));
    switch (op) {
    case BIT_TEST:
        break;
    case BIT_SET:
        rm_put(c, &m, v | mask);
        break;
    case BIT_RESET:
        rm_put(c, &m, v & ~mask);
        break;
    default:
        rm_put(c, &m, v ^ mask);
        break;
    }
    lf_put_cf(&f, v & mask);
    lf_save(c, f);
}

#define OP_BIT(name, op)                                     \
    void op_##name##_eg(struct cpu *c, const struct insn *i) \
    {                                                        \
        bit_op(c, i, op, c->r[i->d], true);                  \
    }                                                        \
    void op_##name##_ei(struct cpu *c, const struct insn *i) \
    {                                                        \
        bit_op(c, i, op, (uint8_t)i->imm, false);            \
    }
OP_BIT(bt, BIT_TEST)
OP_BIT(bts, BIT_SET)
OP_BIT(btr, BIT_RESET)
OP_BIT(btc, BIT_FLIP)

/* A zero source leaves the destination as it is (as processors do; undefined in the SDM). */
void op_bsf(struct cpu *c, const struct insn *i)
{
    struct lf f = lf_load(c);
    const uint64_t v = rm_value(c, i, i->osize);
    lf_set(&f, v, 0, i->osize);
    if (v)
        reg_set(c, i->d, i->osize, (uint64_t)__builtin_ctzll(v));
    lf_save(c, f);
}

void op_bsr(struct cpu *c, const struct insn *i)
{
    struct lf f = lf_load(c);
    const uint64_t v = rm_value(c, i, i->osize);
    lf_set(&f, v, 0, i->osize);
    if (v)
        reg_set(c, i->d, i->osize, 63 - (uint64_t)__builtin_clzll(v));
    lf_save(c, f);
}

void op_popcnt(struct cpu *c, const struct insn *i)
{
    struct lf f;
    const uint64_t v = rm_value(c, i, i->osize);
    lf_from_flags(v ? 0 : FL_ZF, &f.res, &f.aux);
    reg_set(c, i->d, i->osize, (uint64_t)__builtin_popcountll(v));
    lf_save(c, f);
}

/* d += s + flag; the carry goes into the flag, all other flags stay */
static void add_by_flag(struct cpu *c, const struct insn *i, uint32_t flag)
{
    const uint64_t a = reg_get(c, i->d, i->osize), b = rm_value(c, i, i->osize);
    const uint32_t fl = lf_flags(c->lf_res, c->lf_aux);
    const unsigned __int128 sum = (unsigned __int128)a + b + !!(fl & flag);
    const bool carry = sum >> (i->osize * 8) & 1;
    reg_set(c, i->d, i->osize, (uint64_t)sum);
    lf_from_flags(carry ? fl | flag : fl & ~flag, &c->lf_res, &c->lf_aux);
}

void op_adcx(struct cpu *c, const struct insn *i)
{
    add_by_flag(c, i, FL_CF);
}

void op_adox(struct cpu *c, const struct insn *i)
{
    add_by_flag(c, i, FL_OF);
}

/* CRC-32C, reflected polynomial 82F63B78 */
static void crc32_step(struct cpu *c, const struct insn *i, unsigned size)
{
    const uint64_t v = rm_value(c, i, size);
    uint32_t crc = (uint32_t)c->r[i->d];
    for (unsigned b = 0; b < size; b++) {
        crc ^= (uint8_t)(v >> (8 * b));
        for (unsigned k = 0; k < 8; k++)
            crc = crc >> 1 ^ (0x82f63b78u & -(crc & 1));
    }
    c->r[i->d] = crc;
}

void op_crc32_8(struct cpu *c, const struct insn *i)
{
    crc32_step(c, i, 1);
}

void op_crc32(struct cpu *c, const struct insn *i)
{
    crc32_step(c, i, i->osize);
}

/* ---- atomics: slices of the LPs are serial, so plain read-modify-write is atomic ---- */
void op_cmpxchg(struct cpu *c, const struct insn *i)
{
    struct lf f = lf_load(c);
    const unsigned size = i->osize;
    const struct rm m = rm_open(c, i, size, true);
    const uint64_t old = rm_get(c, &m), acc = reg_get(c, R_AX, size);
    alu_cmp(&f, acc, old, size);
    const bool equal = old == acc;
    if (equal || m.is_mem)
        rm_put(c, &m, equal ? reg_get(c, i->d, size) : old); /* memory is always written */
    if (!equal)
        reg_set(c, R_AX, size, old);
    lf_save(c, f);
}

void op_xadd(struct cpu *c, const struct insn *i)
{
    struct lf f = lf_load(c);
    const unsigned size = i->osize;
    const struct rm m = rm_open(c, i, size, true);
    const uint64_t old = rm_get(c, &m), b = reg_get(c, i->d, size);
    const uint64_t sum = alu_add(&f, old, b, size);
    if (m.is_mem) {
        rm_put(c, &m, sum);
        reg_set(c, i->d, size, old);
    } else { /* same register twice: the sum stays */
        reg_set(c, i->d, size, old);
        rm_put(c, &m, sum);
    }
    lf_save(c, f);
}

void op_cmpxchg8b(struct cpu *c, const struct insn *i)
{
    struct lf f = lf_load(c);
    const unsigned half = i->osize;
    if (half == 8 && !cpu_has(c, F_CX16))
        cpu_fault_noerr(c, EXC_UD);
    const uint64_t la = half == 8 ? insn_la16(c, i, ACC_RW) : insn_la(c, i, 8, ACC_RW);
    mmu_probe_w(c, la, 2 * half);
    uint64_t v[2] = {0, 0};
    mmu_ld_bytes(c, la, &v[0], half);
    mmu_ld_bytes(c, la + half, &v[1], half);
    const bool equal = v[0] == reg_get(c, R_AX, half) && v[1] == reg_get(c, R_DX, half);
    uint64_t w[2] = {v[0], v[1]};
    if (equal) {
        w[0] = reg_get(c, R_BX, half);
        w[1] = reg_get(c, R_CX, half);
    }
    uint8_t image[16];
    memcpy(image, &w[0], half);
    memcpy(image + half, &w[1], half);
    mmu_st_bytes(c, la, image, 2 * half);
    if (!equal) {
        reg_set(c, R_AX, half, v[0]);
        reg_set(c, R_DX, half, v[1]);
    }
    const uint32_t flags = lf_flags(f.res, f.aux) & ~(uint32_t)FL_ZF;
    lf_from_flags(flags | (equal ? FL_ZF : 0), &f.res, &f.aux);
    lf_save(c, f);
}
