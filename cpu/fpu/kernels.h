/*
 * cpu/fpu/kernels.h: private to cpu/fpu: packed-integer kernels that generic and chained handlers
 * share (vec.h has the form of a kernel).
 */
#ifndef CPU_FPU_KERNELS_H
#define CPU_FPU_KERNELS_H

#include "cpu/fpu/vec.h"

LANES(paddb, uint8_t, x + y)
LANES(paddw, uint16_t, x + y)
LANES(paddd, uint32_t, x + y)
LANES(paddq, uint64_t, x + y)
LANES(psubb, uint8_t, x - y)
LANES(psubw, uint16_t, x - y)
LANES(psubd, uint32_t, x - y)
LANES(psubq, uint64_t, x - y)
LANES(pand, uint64_t, x &y)
LANES(pandn, uint64_t, ~x &y)
LANES(por, uint64_t, x | y)
LANES(pxor, uint64_t, x ^ y)
LANES(pcmpeqb, uint8_t, -(x == y))
LANES(pcmpeqw, uint16_t, -(x == y))
LANES(pcmpeqd, uint32_t, -(x == y))
LANES(pcmpgtb, int8_t, -(x > y))
LANES(pminub, uint8_t, x < y ? x : y)
LANES(pmaxub, uint8_t, x > y ? x : y)

/* The top bits of the first 8 bytes of v */
static inline unsigned top_bits(uint64_t v)
{
    return (unsigned)((v & 0x8080808080808080ull) * 0x0002040810204081ull >> 56);
}

#endif
