/*
 * frontends/curses/keys.h: which key of a US keyboard gives a character that a terminal sent.
 */
#ifndef FRONTENDS_CURSES_KEYS_H
#define FRONTENDS_CURSES_KEYS_H

#include <stdint.h>

enum { TERMINAL_SHIFT = 1, TERMINAL_CTRL = 2, TERMINAL_ALT = 4 };

struct terminal_key {
    uint8_t usage; /* HID keyboard page; 0: no key gives this */
    uint8_t modifiers;
};

struct terminal_key terminal_key_of(int ch); /* 0-255 */

#endif
