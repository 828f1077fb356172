/*
 * vmwp/svideo.h: the synthetic video device's host side as a pure model: answers go out as packets,
 * memory and picture are others' by callbacks. All numbers in struct svideo_screen are checked.
 */
#ifndef RT_SVIDEO_H
#define RT_SVIDEO_H

#include <stdbool.h>
#include <stdint.h>

#define SVIDEO_VRAM_MIB   8u
#define SVIDEO_VRAM       (SVIDEO_VRAM_MIB << 20)
#define SVIDEO_MAX_WIDTH  1920u
#define SVIDEO_MAX_HEIGHT 1200u
#define SVIDEO_PIXEL      4u /* bytes: blue, green, red, nothing */

struct svideo_screen {
    bool active;
    uint32_t offset; /* in VRAM, bytes; every line lies inside of VRAM */
    uint32_t width, height;
    uint32_t pitch; /* bytes */
};

struct svideo_rect { /* not empty, inside of the screen */
    uint32_t left, top, right, bottom;
};

struct svideo {
    /* wiring */
    bool (*send)(void *ctx, const void *data, uint32_t size);
    bool (*vram)(void *ctx, uint64_t gpa); /* SVIDEO_VRAM bytes there; false: not possible */
    void (*situation)(void *ctx, const struct svideo_screen *s);
    void (*dirt)(void *ctx, const struct svideo_screen *s, struct svideo_rect r);
    void *ctx;
    /* state */
    bool agreed;  /* on a version */
    bool located; /* there is VRAM */
    struct svideo_screen screen;
};

void svideo_reset(struct svideo *v);
void svideo_receive(struct svideo *v, const uint8_t *data, uint32_t size);

#endif
