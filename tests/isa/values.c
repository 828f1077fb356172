/*
 * tests/isa/values.c: numbers that find mistakes: corners of every format, and pairs that are
 * close.
 */
#include <string.h>

#include "tests/isa/isatest.h"
#include "tests/isa/rng.h"

uint64_t value_int(struct rng *r)
{
    const uint64_t v = rnd(r);
    switch (below(r, 10)) {
    case 0:
        return v & 0xff;
    case 1:
        return 0 - (v & 0xff);
    case 2:
        return 1ull << (v & 63);
    case 3:
        return (1ull << (v & 63)) - 1;
    case 4:
        return 0ull - (1ull << (v & 63));
    case 5:
        return (uint32_t)v;
    case 6:
        return (uint64_t)(int64_t)(int16_t)v;
    case 7:
        return (v & 0xff) * 0x0101010101010101ull;
    default:
        return v;
    }
}

/* sign, exponent, fraction of a format with `eb` exponent bits and `mb` fraction bits */
static uint64_t value_float(struct rng *r, unsigned eb, unsigned mb)
{
    const uint64_t emax = (1ull << eb) - 1, bias = emax >> 1, fmask = (1ull << mb) - 1;
    uint64_t exp = bias, frac = rnd(r) & fmask;
    switch (below(r, 16)) {
    case 0:
        exp = 0;
        frac = 0;
        break;
    case 1:
        exp = 0; /* denormal */
        break;
    case 2:
        exp = 0;
        frac = 1ull << below(r, mb);
        break;
    case 3:
        exp = emax;
        frac = 0;
        break;
    case 4:
        exp = emax;
        break; /* NaN of either kind */
    case 5:
        exp = 1 + below(r, 4); /* near underflow */
        break;
    case 6:
        exp = emax - 1 - below(r, 4);
        break;
    case 7:
        exp = rnd(r) % emax;
        break;
    case 8:
        exp = bias + below(r, 70); /* integers and what no longer fits one */
        frac &= ~(fmask >> below(r, mb));
        break;
    case 9:
        frac = 0; /* powers of two */
        exp = bias - 32 + below(r, 64);
        break;
    case 10:
        exp = bias - 1 + below(r, 3);
        frac = fmask - below(r, 3);
        break;
    case 11:
        exp = bias - mb + below(r, 2 * mb);
        break;
    case 12:
        exp = bias / 2 + below(r, 4); /* squares underflow */
        break;
    default:
        exp = bias - 4 + below(r, 8);
        frac &= chance(r, 50) ? fmask : ~(fmask >> 8);
        break;
    }
    return (rnd(r) & 1) << (eb + mb) | exp << mb | frac;
}

uint32_t value_f32(struct rng *r)
{
    return (uint32_t)value_float(r, 8, 23);
}

uint64_t value_f64(struct rng *r)
{
    return value_float(r, 11, 52);
}

void value_f80(struct rng *r, uint8_t out[10])
{
    const uint64_t v = value_float(r, 15, 48); /* exponent and the upper fraction bits */
    uint64_t sig = v << 15 >> 1;
    uint16_t se = (uint16_t)(v >> 48);
    if (chance(r, 60))
        sig |= rnd(r) & 0x7fff;
    if ((se & 0x7fff) != 0 || chance(r, 5))
        sig |= 1ull << 63;
    if (chance(r, 2))
        sig &= ~(1ull << 63); /* unsupported encodings */
    if (chance(r, 6)) {
        const uint64_t n = rnd(r) >> below(r, 64); /* an integer */
        const int z = n ? __builtin_clzll(n) : 0;
        sig = n << z;
        se = (uint16_t)((se & 0x8000) | (n ? 16383 + 63 - z : 0));
    }
    memcpy(out, &sig, 8);
    memcpy(out + 8, &se, 2);
}

void value_vec(struct rng *r, uint8_t out[16])
{
    const unsigned kind = below(r, 8);
    for (unsigned k = 0; k < 2; k++) {
        uint64_t v = rnd(r);
        if (kind < 3)
            v = value_f32(r) | (uint64_t)value_f32(r) << 32;
        else if (kind < 6)
            v = value_f64(r);
        else if (kind == 6)
            v = value_int(r);
        memcpy(out + 8 * k, &v, 8);
    }
}

void gen_pattern(uint64_t seed, uint8_t pattern[DATA_SIZE])
{
    struct rng r = {seed};
    for (unsigned at = 0; at < DATA_SIZE; at += 16) {
        value_vec(&r, pattern + at);
        if (chance(&r, 20))
            value_f80(&r, pattern + at);
        const uint64_t v = chance(&r, 60) ? CODE_VA + 0x1800 + below(&r, 0x700) : value_int(&r);
        if (chance(&r, 35))
            memcpy(pattern + at + 8 * below(&r, 2), &v, 8);
    }
}
