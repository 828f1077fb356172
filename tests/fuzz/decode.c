/* Fuzz target: the decoder, in every mode; lengths and operands must stay within bounds. */
#include <stdlib.h>

#include "cpu/cpu.h"
#include "cpu/decode/decode.h"
#include "tests/fuzz/fuzz.h"

static void require(bool ok)
{
    if (!ok)
        abort();
}

static void one(const uint8_t *data, size_t len)
{
    static const uint32_t modes[] = {MODE_CODE16, MODE_CODE32, MODE_CODE64};
    static const uint64_t all[4] = {~0ull, ~0ull, ~0ull, ~0ull};
    for (size_t at = 0; at < len; at++) {
        const unsigned avail = len - at < 16 ? (unsigned)(len - at) : 16;
        for (unsigned m = 0; m < 3; m++) {
            struct insn i = {0};
            if (decode(&i, data + at, avail, (unsigned)(at & 4095), modes[m], all) == DECODE_MORE) {
                require(avail <= INSN_MAX_LEN);
                continue;
            }
            require(i.len <= avail && (i.len >= 1 || i.op >= OPX_GP));
            require(!(i.flags & INSN_MEM) || (i.b < R_COUNT && i.x < R_COUNT && i.scale < 4));
            require(insn_sem(&i) != NULL);
        }
    }
}

const struct fuzz_target fuzz_decode = {
    "decode", "bytes as instructions of every mode", NULL, one, NULL, 256};
