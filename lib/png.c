/* lib/png.c: writing PNG files with zlib (png.h). Not modelled: reading them. */
#include "lib/png.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "lib/bytes.h"

#define CHUNK_EXTRA 12 /* length, type, CRC */
#define HEADER_LEN  13

/* A chunk whose data is already at p + 8; returns its end. */
static uint8_t *finish_chunk(uint8_t *p, const char *type, size_t len)
{
    put_be32(p, (uint32_t)len);
    memcpy(p + 4, type, 4);
    put_be32(p + 8 + len, (uint32_t)crc32(crc32(0, NULL, 0), p + 4, (uInt)(len + 4)));
    return p + len + CHUNK_EXTRA;
}

/* Rows of filter byte and RGB. */
static uint8_t *raw_rows(const uint32_t *xrgb, unsigned width, unsigned height, size_t stride)
{
    uint8_t *const raw = malloc(((size_t)width * 3 + 1) * height), *p = raw;
    for (unsigned y = 0; raw && y < height; y++) {
        *p++ = 0;
        for (unsigned x = 0; x < width; x++) {
            const uint32_t c = xrgb[y * stride + x];
            *p++ = (uint8_t)(c >> 16);
            *p++ = (uint8_t)(c >> 8);
            *p++ = (uint8_t)c;
        }
    }
    return raw;
}

uint8_t *png_encode(const uint32_t *xrgb, unsigned width, unsigned height, size_t stride,
                    size_t *len)
{
    static const uint8_t signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    if (!width || !height || width > 65535 || height > 65535)
        return NULL;
    const uLong raw_len = ((uLong)width * 3 + 1) * height;
    uLongf packed = compressBound(raw_len);
    uint8_t *const raw = raw_rows(xrgb, width, height, stride);
    uint8_t *const out = malloc(sizeof signature + 3 * CHUNK_EXTRA + HEADER_LEN + packed);
    uint8_t *p = out;
    if (!raw || !out) {
        free(raw);
        free(out);
        return NULL;
    }
    memcpy(p, signature, sizeof signature);
    p += sizeof signature;
    memset(p + 8, 0, HEADER_LEN);
    put_be32(p + 8, width);
    put_be32(p + 12, height);
    p[16] = 8; /* bits a sample */
    p[17] = 2; /* RGB */
    p = finish_chunk(p, "IHDR", HEADER_LEN);
    const int rc = compress2(p + 8, &packed, raw, raw_len, 6);
    free(raw);
    if (rc != Z_OK) {
        free(out);
        return NULL;
    }
    p = finish_chunk(p, "IDAT", packed);
    p = finish_chunk(p, "IEND", 0);
    *len = (size_t)(p - out);
    return out;
}
