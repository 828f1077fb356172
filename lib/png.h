/*
 * Pictures as PNG (ISO/IEC 15948): 8-bit RGB, no filter, one IDAT chunk; for screenshots.
 */
#ifndef VITRINE_LIB_PNG_H
#define VITRINE_LIB_PNG_H

#include <stddef.h>
#include <stdint.h>

/* Pixels are 0x00RRGGBB, `stride` of them a row. The file's bytes, to be freed by the caller; NULL:
 * out of memory, or no pixels. The same picture always gives the same bytes. */
uint8_t *png_encode(const uint32_t *xrgb, unsigned width, unsigned height, size_t stride,
                    size_t *len);

#endif
