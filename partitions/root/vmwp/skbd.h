/*
 * vmwp/skbd.h: the synthetic keyboard's host side as a pure model: keys go out as packets by a
 * callback. Keys that nobody listens to are dropped; keys that find no room wait.
 */
#ifndef RT_SKBD_H
#define RT_SKBD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SKBD_QUEUE 512u

struct skbd {
    /* wiring */
    bool (*send)(void *ctx, const void *data, uint32_t size);
    void *ctx;
    /* state */
    bool ready; /* the guest's driver and we agree on the protocol */
    unsigned head, count;
    struct {
        uint16_t code;  /* make code of set 1 */
        uint16_t flags; /* VMBUS_KBD_F_* */
    } queue[SKBD_QUEUE];
};

void skbd_reset(struct skbd *k);
void skbd_receive(struct skbd *k, const uint8_t *data, uint32_t size);
void skbd_flush(struct skbd *k); /* there may be room again */
/* Bytes as a keyboard of set 1 sends them: E0 before, bit 7 for release. False: some were lost. */
bool skbd_scancodes(struct skbd *k, const uint8_t *codes, size_t n);
/* Presses and releases the keys of a US keyboard that make this text; other characters than ASCII's
 * printable ones, line end, tab, backspace and escape are left out. False: some were lost. */
bool skbd_type(struct skbd *k, const uint8_t *text, size_t n);

#endif
