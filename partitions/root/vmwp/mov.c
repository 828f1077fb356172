/*
 * vmwp/mov.c: decoder of the instructions that compilers and drivers use on MMIO: MOV register or
 * immediate to and from memory, MOVZX, MOVSX (SDM 2B). The address comes with the intercept, so
 * addressing forms only matter for the length.
 *
 * Not modelled: 16-bit addressing, read-modify-write instructions, strings, VEX.
 */
#include "partitions/root/vmwp/models.h"

/* Bytes of ModRM, SIB and displacement; 0 for a register form or too few bytes. */
static unsigned mov_modrm_length(const uint8_t *b, unsigned n)
{
    if (!n)
        return 0;
    unsigned mod = b[0] >> 6, rm = b[0] & 7, length = 1;
    if (mod == 3)
        return 0;
    if (rm == 4) {
        if (n < 2)
            return 0;
        length = 2;
        if (mod == 0 && (b[1] & 7) == 5)
            length += 4;
    } else if (mod == 0 && rm == 5) {
        length += 4;
    }
    length += mod == 1 ? 1 : mod == 2 ? 4 : 0;
    return length <= n ? length : 0;
}

static uint64_t mov_immediate(const uint8_t *b, unsigned bytes, unsigned size)
{
    uint32_t v = 0;
    for (unsigned i = 0; i < bytes; i++)
        v |= (uint32_t)b[i] << (8 * i);
    return size == 8 ? (uint64_t)(int64_t)(int32_t)v : v;
}

static bool mov_moffs(const uint8_t *b, unsigned at, unsigned n, bool is_64, unsigned size,
                      struct mov_insn *out)
{
    uint8_t op = b[at++];
    at += is_64 ? 8 : 4;
    out->write = op & 2;
    out->size = op & 1 ? size : 1;
    out->reg_size = out->size;
    out->length = at;
    return at <= n;
}

bool mov_decode(const uint8_t *b, unsigned n, bool is_64, struct mov_insn *out)
{
    unsigned at = 0, rex = 0;
    bool word = false;
    *out = (struct mov_insn){0};
    for (; at < n; at++) {
        if (b[at] == 0x66)
            word = true;
        else if (b[at] != 0x26 && b[at] != 0x2e && b[at] != 0x36 && b[at] != 0x3e &&
                 b[at] != 0x64 && b[at] != 0x65)
            break;
    }
    if (is_64 && at < n && (b[at] & 0xf0) == 0x40)
        rex = b[at++];
    if (at >= n)
        return false;
    unsigned size = rex & 8 ? 8 : word ? 2 : 4;
    if ((b[at] & 0xfc) == 0xa0)
        return mov_moffs(b, at, n, is_64, size, out);
    bool two = b[at] == 0x0f;
    if (two && ++at >= n)
        return false;
    uint8_t op = b[at++];
    unsigned modrm = mov_modrm_length(b + at, n - at);
    if (!modrm)
        return false;
    out->reg = (b[at] >> 3 & 7) | (rex & 4 ? 8 : 0);
    at += modrm;
    out->length = at;
    out->size = out->reg_size = op & 1 ? size : 1;
    if (two) {
        out->size = op & 1 ? 2 : 1;
        out->reg_size = size;
        out->sign_extend = op & 8;
        return op == 0xb6 || op == 0xb7 || op == 0xbe || op == 0xbf;
    }
    out->high_byte = out->size == 1 && !rex && out->reg >= 4;
    if (out->high_byte)
        out->reg -= 4;
    switch (op) {
    case 0x88:
    case 0x89:
        out->write = true;
        return true;
    case 0x8a:
    case 0x8b:
        return true;
    case 0xc6:
    case 0xc7: {
        unsigned bytes = out->size == 8 ? 4 : out->size;
        if (out->reg & 7 || out->high_byte || at + bytes > n)
            return false;
        out->write = out->immediate = true;
        out->value = mov_immediate(b + at, bytes, out->size);
        out->length += bytes;
        return true;
    }
    default:
        return false;
    }
}

uint64_t mov_result(const struct mov_insn *m, uint64_t old, uint64_t value)
{
    if (m->size < 8) {
        value &= (1ull << m->size * 8) - 1;
        if (m->sign_extend && value >> (m->size * 8 - 1))
            value |= ~0ull << m->size * 8;
    }
    if (m->high_byte)
        return (old & ~0xff00ull) | (value & 0xff) << 8;
    switch (m->reg_size) {
    case 1:
        return (old & ~0xffull) | (value & 0xff);
    case 2:
        return (old & ~0xffffull) | (value & 0xffff);
    case 4:
        return (uint32_t)value;
    default:
        return value;
    }
}
