/*
 * tests/fuzz/fuzz.h: what a fuzz target is. A target takes any bytes and must neither crash, hang,
 * nor trip a sanitizer; what it thinks of the bytes does not matter. Each input starts from the
 * same state, so that a saved one reproduces.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FUZZ_INPUT_MAX 65536

struct fuzz_target {
    const char *name, *help;
    void (*setup)(void); /* may be NULL */
    void (*one)(const uint8_t *data, size_t len);
    /* A valid input to start from: fills `to` (FUZZ_INPUT_MAX bytes), returns its length. Called
     * with n = 0, 1, ... until it returns 0. NULL: random bytes only. */
    size_t (*seed)(unsigned n, uint8_t *to);
    size_t usual_len; /* of random inputs */
};

extern const struct fuzz_target fuzz_boot, fuzz_decode, fuzz_devices, fuzz_gdb, fuzz_guest,
    fuzz_netvsp, fuzz_options, fuzz_storvsp, fuzz_vmbus, fuzz_vmx;

/* Bytes of the input as numbers; zeros after its end. */
struct fuzz_reader {
    const uint8_t *p, *end;
};

static inline bool fuzz_more(const struct fuzz_reader *r)
{
    return r->p < r->end;
}

static inline uint64_t fuzz_take(struct fuzz_reader *r, unsigned bytes)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < bytes && r->p < r->end; i++)
        v |= (uint64_t)*r->p++ << 8 * i;
    return v;
}

#endif
