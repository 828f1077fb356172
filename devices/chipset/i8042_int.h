/*
 * devices/chipset/i8042_int.h: between the keyboard controller and the two PS/2 devices on it.
 *
 * A device has a queue of bytes for the host; the controller takes them one at a time, when its
 * output buffer is empty and the device's clock line is free.
 */
#ifndef DEVICES_CHIPSET_I8042_INT_H
#define DEVICES_CHIPSET_I8042_INT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/clock.h"
#include "core/dev.h"

#define PS2_QUEUE 32

struct ps2_queue {
    uint8_t bytes[PS2_QUEUE];
    uint8_t head, count;
};

void ps2_put(struct ps2_queue *q, uint8_t byte); /* lost when full; see ps2_room */
uint8_t ps2_get(struct ps2_queue *q);            /* only when count > 0 */
void ps2_clear(struct ps2_queue *q);
static inline unsigned ps2_room(const struct ps2_queue *q)
{
    return PS2_QUEUE - q->count;
}

enum ps2_answer { PS2_ACK = 0xfa, PS2_RESEND = 0xfe, PS2_SELF_TEST_OK = 0xaa };

struct ps2_kbd {
    struct ps2_queue q;
    uint8_t set;        /* scan code set 1 or 2 */
    uint8_t scanning;   /* sends keys */
    uint8_t leds, rate; /* as ED and F3 set them */
    uint8_t command;    /* waits for its argument; 0: none */
    uint8_t last;       /* byte sent last, for RESEND */
    uint8_t repeat_key; /* usage of the key that repeats; 0: none */
    uint8_t down[32];   /* bit per usage: keys held */
    uint8_t overrun;
};

struct ps2_mouse {
    struct ps2_queue q;
    uint8_t id;        /* 0, 3 IntelliMouse, 4 with five buttons */
    uint8_t knock;     /* how far the sample-rate sequence got */
    uint8_t knock_id;  /* where it leads */
    uint8_t reporting; /* data reporting is on */
    uint8_t remote, wrap, scaling2;
    uint8_t rate, resolution;
    uint8_t command;
    uint8_t last;
    uint8_t buttons, buttons_sent;
    int32_t dx, dy, dz; /* moved and not reported */
};

void ps2_kbd_reset(struct ps2_kbd *k);
void ps2_kbd_write(struct ps2_kbd *k, uint8_t byte);
uint8_t ps2_kbd_read(struct ps2_kbd *k);
/* A key (usage of the HID keyboard page) goes down or up; false: no room, try again later. */
bool ps2_kbd_key(struct ps2_kbd *k, uint8_t usage, bool down);
void ps2_kbd_repeat(struct ps2_kbd *k); /* typematic: the key that is held once more */
uint64_t ps2_kbd_delay_ns(const struct ps2_kbd *k);
uint64_t ps2_kbd_period_ns(const struct ps2_kbd *k);

void ps2_mouse_reset(struct ps2_mouse *m);
void ps2_mouse_write(struct ps2_mouse *m, uint8_t byte);
uint8_t ps2_mouse_read(struct ps2_mouse *m);
/* Buttons: bit 0 left, 1 right, 2 middle, 3, 4; y grows upwards. */
void ps2_mouse_event(struct ps2_mouse *m, uint8_t buttons, int dx, int dy, int dz);

/* Scan code set 2 into set 1, as the controller translates one byte (without the break bit). */
extern const uint8_t ps2_translation[128];

#endif
