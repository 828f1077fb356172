/* Unit tests of the PNG writer: what it writes is taken apart again with zlib. */
#include "tests/lib/suite.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "lib/bytes.h"
#include "lib/png.h"

/* The chunk at *at with its CRC checked; moves on. */
static const uint8_t *chunk(const uint8_t *bytes, size_t len, size_t *at, const char *type,
                            uint32_t *n)
{
    ck_assert_uint_le(*at + 12, len);
    *n = get_be32(bytes + *at);
    ck_assert_uint_le(*at + 12 + *n, len);
    ck_assert_mem_eq(bytes + *at + 4, type, 4);
    const uint8_t *const data = bytes + *at + 8;
    ck_assert_uint_eq(get_be32(data + *n), crc32(0, data - 4, *n + 4));
    *at += 12 + *n;
    return data;
}

START_TEST(a_picture_comes_back_from_its_file)
{
    enum { W = 61, H = 37, STRIDE = 64 };
    static uint32_t pixels[STRIDE * H];
    static uint8_t raw[(W * 3 + 1) * H];
    uint32_t seed = 1, n;
    size_t len, at = 8;
    uLongf got = sizeof raw;
    for (unsigned i = 0; i < STRIDE * H; i++)
        pixels[i] = (seed = seed * 1664525 + 1013904223) >> 4;
    uint8_t *const file = png_encode(pixels, W, H, STRIDE, &len);
    ck_assert_ptr_nonnull(file);
    ck_assert_mem_eq(file, "\x89PNG\r\n\x1a\n", 8);
    const uint8_t *p = chunk(file, len, &at, "IHDR", &n);
    ck_assert_uint_eq(n, 13);
    ck_assert_uint_eq(get_be32(p), W);
    ck_assert_uint_eq(get_be32(p + 4), H);
    ck_assert_mem_eq(p + 8, "\x08\x02\x00\x00\x00", 5);
    p = chunk(file, len, &at, "IDAT", &n);
    ck_assert_int_eq(uncompress(raw, &got, p, n), Z_OK);
    ck_assert_uint_eq(got, sizeof raw);
    chunk(file, len, &at, "IEND", &n);
    ck_assert_uint_eq(at, len);
    for (unsigned y = 0; y < H; y++) {
        const uint8_t *q = raw + y * (W * 3 + 1);
        ck_assert_uint_eq(*q++, 0);
        for (unsigned x = 0; x < W; x++, q += 3)
            ck_assert_uint_eq((uint32_t)q[0] << 16 | q[1] << 8 | q[2],
                              pixels[y * STRIDE + x] & 0xffffff);
    }
    free(file);
}
END_TEST

START_TEST(no_pixels_are_no_picture)
{
    const uint32_t pixel = 0;
    size_t len;
    ck_assert_ptr_null(png_encode(&pixel, 0, 1, 1, &len));
    ck_assert_ptr_null(png_encode(&pixel, 1, 0, 1, &len));
    ck_assert_ptr_null(png_encode(&pixel, 65536, 1, 65536, &len));
}
END_TEST

SUITE("png", a_picture_comes_back_from_its_file, no_pixels_are_no_picture)
