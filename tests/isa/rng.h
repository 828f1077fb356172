/* tests/isa/rng.h: splitmix64, the only source of choice in the generator. */
#ifndef TESTS_ISA_RNG_H
#define TESTS_ISA_RNG_H

#include <stdbool.h>
#include <stdint.h>

struct rng {
    uint64_t s;
};

static inline uint64_t rnd(struct rng *r)
{
    uint64_t z = r->s += 0x9e3779b97f4a7c15ull;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

static inline unsigned below(struct rng *r, unsigned n)
{
    return (unsigned)((rnd(r) >> 32) * n >> 32);
}

static inline bool chance(struct rng *r, unsigned percent)
{
    return below(r, 100) < percent;
}

/* values.c: interesting numbers */
uint64_t value_int(struct rng *r);
uint32_t value_f32(struct rng *r);
uint64_t value_f64(struct rng *r);
void value_f80(struct rng *r, uint8_t out[10]);
void value_vec(struct rng *r, uint8_t out[16]);

#endif
