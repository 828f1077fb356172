/*
 * Fuzz target: bytes as guest code, in real, protected and 64-bit mode. A triple fault is no end:
 * the processor goes on elsewhere in the code with the state that it has. The first byte chooses
 * the mode, the next eight the registers.
 */
#include "cpu/sys/sys.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/pc.h"

#define ROUNDS         12
#define INSNS_A_ROUND  2000
#define CODE_REAL_MODE 0x7c00u

static void one(const uint8_t *data, size_t len)
{
    struct fuzz_reader r = {data, data + len};
    struct machine *const m = pc_reset();
    struct cpu *const c = m->cpu[0];
    const unsigned mode = (unsigned)fuzz_take(&r, 1) % 3;
    const uint32_t code = mode == 2 ? CODE_REAL_MODE : PC_CODE;
    uint64_t seed = fuzz_take(&r, 8);
    pc_write(m, code, r.p, (size_t)(r.end - r.p));
    if (mode == 0)
        pc_enter_64(m, code);
    else if (mode == 2)
        pc_enter_16(m, code);
    for (unsigned i = 0; i < 16; i++) {
        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        c->r[i] = (mode == 0 ? seed : (uint32_t)seed) >> (seed >> 58);
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        c->rip = code + (len > 9 ? (seed >> 33) % (len - 9) : 0);
        c->activity = CPU_ACTIVE;
        machine_run(m, INSNS_A_ROUND, m->now_ns + 1000000);
    }
}

/* Some of everything: port and string I/O, CR and MSR writes, far transfers, IRET. */
static size_t seed(unsigned n, uint8_t *to)
{
    static const uint8_t code[] = {
        0,    1,    2,    3,    4,    5,    6,    7,    8,    0x0f, 0x20, 0xc0, 0x0f, 0x22,
        0xc0, 0x0f, 0x30, 0x0f, 0x32, 0xec, 0xee, 0xef, 0x6c, 0xf3, 0x6e, 0xcf, 0xcb, 0xf3,
        0xa4, 0xf0, 0x0f, 0xb1, 0x0b, 0x0f, 0x01, 0xd0, 0xfb, 0xf4, 0x9c, 0x9d, 0xcd, 0x80,
        0x0f, 0xae, 0x01, 0x0f, 0xae, 0x09, 0xd9, 0x01, 0xdd, 0x3b, 0x66, 0x0f, 0x6f, 0x06,
        0x0f, 0xa2, 0x0f, 0x01, 0x10, 0x0f, 0x01, 0x18, 0x0f, 0x00, 0xd8, 0x8e, 0xd8, 0xc8,
        0x10, 0,    3,    0xc9, 0xff, 0x2b, 0xff, 0x1b, 0xeb, 0xb0,
    };
    if (n > 2)
        return 0;
    for (size_t i = 0; i < sizeof code; i++)
        to[i] = code[i];
    to[0] = (uint8_t)n;
    return sizeof code;
}

const struct fuzz_target fuzz_guest = {
    "guest", "bytes as guest code on the whole machine", NULL, one, seed, 128};
