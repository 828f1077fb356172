/*
 * SHA-1 and SHA-256 rounds and schedules (FIPS 180-4; SDM 2B SHA1RNDS4 ...).
 *
 * d[3] of a register is the first word that the manual names.
 */
#include "cpu/fpu/sse.h"

static uint32_t rol(uint32_t v, unsigned n)
{
    return v << n | v >> (32 - n);
}

static uint32_t ror(uint32_t v, unsigned n)
{
    return rol(v, 32 - n);
}

static uint32_t choose(uint32_t x, uint32_t y, uint32_t z)
{
    return (x & y) ^ (~x & z);
}

static uint32_t majority(uint32_t x, uint32_t y, uint32_t z)
{
    return (x & y) ^ (x & z) ^ (y & z);
}

static uint32_t sha1_f(unsigned part, uint32_t x, uint32_t y, uint32_t z)
{
    return part == 0 ? choose(x, y, z) : part == 2 ? majority(x, y, z) : x ^ y ^ z;
}

OP(sha1rnds4)
{
    static const uint32_t k[4] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
    fpu_check_sse(c);
    const union vreg w = src128(c, i);
    const unsigned part = i->imm & 3;
    uint32_t *const r = c->xmm[i->d].d;
    uint32_t a = r[3], b = r[2], cc = r[1], d = r[0], e = 0; /* e is part of the first word */
    for (int n = 3; n >= 0; n--) {
        const uint32_t t = sha1_f(part, b, cc, d) + rol(a, 5) + w.d[n] + e + k[part];
        e = d;
        d = cc;
        cc = rol(b, 30);
        b = a;
        a = t;
    }
    r[3] = a;
    r[2] = b;
    r[1] = cc;
    r[0] = d;
}

OP(sha1nexte)
{
    fpu_check_sse(c);
    union vreg s = src128(c, i);
    s.d[3] += rol(c->xmm[i->d].d[3], 30);
    memcpy(c->xmm[i->d].b, s.b, 16);
}

OP(sha1msg1)
{
    fpu_check_sse(c);
    const union vreg s = src128(c, i);
    uint32_t *const r = c->xmm[i->d].d;
    const uint32_t w2 = r[1], w3 = r[0];
    r[3] ^= w2;
    r[2] ^= w3;
    r[1] ^= s.d[3];
    r[0] ^= s.d[2];
}

OP(sha1msg2)
{
    fpu_check_sse(c);
    const union vreg s = src128(c, i);
    uint32_t *const r = c->xmm[i->d].d;
    r[3] = rol(r[3] ^ s.d[2], 1);
    r[2] = rol(r[2] ^ s.d[1], 1);
    r[1] = rol(r[1] ^ s.d[0], 1);
    r[0] = rol(r[0] ^ r[3], 1);
}

OP(sha256rnds2)
{
    fpu_check_sse(c);
    const union vreg s = src128(c, i);
    uint32_t *const r = c->xmm[i->d].d;
    const uint32_t wk[2] = {c->xmm[0].d[0], c->xmm[0].d[1]};
    uint32_t a = s.d[3], b = s.d[2], cc = r[3], d = r[2], e = s.d[1], f = s.d[0], g = r[1],
             h = r[0];
    for (unsigned n = 0; n < 2; n++) {
        const uint32_t t = choose(e, f, g) + (ror(e, 6) ^ ror(e, 11) ^ ror(e, 25)) + wk[n] + h;
        const uint32_t a1 = t + majority(a, b, cc) + (ror(a, 2) ^ ror(a, 13) ^ ror(a, 22));
        h = g;
        g = f;
        f = e;
        e = t + d;
        d = cc;
        cc = b;
        b = a;
        a = a1;
    }
    r[3] = a;
    r[2] = b;
    r[1] = e;
    r[0] = f;
}

OP(sha256msg1)
{
    fpu_check_sse(c);
    const union vreg s = src128(c, i);
    uint32_t *const r = c->xmm[i->d].d;
    for (unsigned n = 0; n < 4; n++) {
        const uint32_t w = n < 3 ? r[n + 1] : s.d[0];
        r[n] += ror(w, 7) ^ ror(w, 18) ^ w >> 3;
    }
}

OP(sha256msg2)
{
    fpu_check_sse(c);
    const union vreg s = src128(c, i);
    uint32_t *const r = c->xmm[i->d].d;
    for (unsigned n = 0; n < 4; n++) {
        const uint32_t w = n < 2 ? s.d[n + 2] : r[n - 2];
        r[n] += ror(w, 17) ^ ror(w, 19) ^ w >> 10;
    }
}
