/*
 * cpu/flags.h: lazy arithmetic flags as a result and a carry vector.
 *
 * lf_res: the result, sign-extended to 64 bits: ZF = (lf_res == 0), SF = bit 63, PF from its low
 * byte (all three unless overridden by the aux deltas below).
 * lf_aux: carry-out vector of the operation, aligned so that bit 63 is the carry out of the most
 * significant bit, bit 62 the carry into it (so OF = bit63 ^ bit62), bit 3 the carry out of bit 3
 * (AF). Deltas for flag images that no result can give (POPF, SAHF, IRET): bit 8..15 of lf_aux is
 * xor-ed into the low byte for PF; bit 16 is xor-ed into SF.
 * For 64-bit operations bit 63/62/3 come straight from the carry vector; every other bit is zero.
 */
#ifndef CPU_FLAGS_H
#define CPU_FLAGS_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/x86.h"

#define LF_CF (1ull << 63)
#define LF_PO (1ull << 62) /* carry into the top bit: OF = CF ^ PO */
#define LF_AF (1ull << 3)
#define LF_SD (1ull << 16)
#define LF_PD_SHIFT 8

static inline bool lf_cf(uint64_t aux) { return aux >> 63; }
static inline bool lf_of(uint64_t aux) { return (aux ^ aux << 1) >> 63; }
static inline bool lf_zf(uint64_t res) { return res == 0; }
static inline bool lf_sf(uint64_t res, uint64_t aux) { return (res >> 63 ^ aux >> 16) & 1; }
static inline bool lf_af(uint64_t aux) { return aux >> 3 & 1; }
static inline bool lf_pf(uint64_t res, uint64_t aux)
{
    return !__builtin_parity((unsigned)(res ^ aux >> LF_PD_SHIFT) & 0xff);
}

/* The six flags as an RFLAGS image. */
static inline uint32_t lf_flags(uint64_t res, uint64_t aux)
{
    return (uint32_t)lf_cf(aux) | (uint32_t)lf_pf(res, aux) << 2 | (uint32_t)lf_af(aux) << 4 |
           (uint32_t)lf_zf(res) << 6 | (uint32_t)lf_sf(res, aux) << 7 | (uint32_t)lf_of(aux) << 11;
}

/* Lazy words that give the six flags of an RFLAGS image. */
static inline void lf_from_flags(uint32_t fl, uint64_t *res, uint64_t *aux)
{
    const bool cf = fl & FL_CF, of = fl & FL_OF, sf = fl & FL_SF;
    uint64_t a = (cf ? LF_CF : 0) | (cf != of ? LF_PO : 0) | (fl & FL_AF ? LF_AF : 0);
    uint64_t r = fl & FL_ZF ? 0 : 1; /* zero has even parity, one has odd */
    const bool pf_of_r = r == 0;
    if (pf_of_r != !!(fl & FL_PF))
        a |= 1ull << LF_PD_SHIFT;
    if (sf)
        a |= LF_SD;
    *res = r;
    *aux = a;
}

#endif
