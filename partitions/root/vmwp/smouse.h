/*
 * vmwp/smouse.h: the synthetic mouse's host side as a pure model: reports go out as packets by a
 * callback. What nobody listens to is dropped; what finds no room waits.
 */
#ifndef RT_SMOUSE_H
#define RT_SMOUSE_H

#include <stdbool.h>
#include <stdint.h>

#define SMOUSE_QUEUE   64u
#define SMOUSE_MAX     32767u /* right and bottom edge of the screen */
#define SMOUSE_BUTTONS 5u     /* left, right, middle, side, extra: bit 0 and on */

struct smouse_report {
    uint16_t x, y; /* 0 to SMOUSE_MAX */
    uint8_t buttons;
};

struct smouse {
    /* wiring */
    bool (*send)(void *ctx, const void *data, uint32_t size);
    void *ctx;
    /* state */
    bool agreed; /* the guest knows the device */
    bool ready;  /* and has said so */
    unsigned head, count;
    struct smouse_report queue[SMOUSE_QUEUE];
};

void smouse_reset(struct smouse *m);
void smouse_receive(struct smouse *m, const uint8_t *data, uint32_t size);
void smouse_flush(struct smouse *m); /* there may be room again */
/* Where it is now and which buttons are down. False: the guest does not hear of it. */
bool smouse_report(struct smouse *m, struct smouse_report r);

#endif
