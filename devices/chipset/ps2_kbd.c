/*
 * devices/chipset/ps2_kbd.c: the PS/2 keyboard: commands, scan code sets 1 and 2, typematic repeat
 * (IBM PS/2 Hardware Interface Technical Reference, Keyboard).
 *
 * Not modelled: scan code set 3 and its commands that change single keys (refused with RESEND, or
 * acknowledged without effect where that is what set 2 means), serial line timing.
 */
#include <string.h>

#include "devices/chipset/i8042_int.h"

enum {
    CMD_LEDS = 0xed,
    CMD_ECHO = 0xee,
    CMD_SCAN_SET = 0xf0,
    CMD_IDENTIFY = 0xf2,
    CMD_RATE = 0xf3,
    CMD_ENABLE = 0xf4,
    CMD_DISABLE = 0xf5,
    CMD_DEFAULTS = 0xf6,
    CMD_ALL_FIRST = 0xf7, /* set all keys: set 3 only */
    CMD_ALL_LAST = 0xfa,
    CMD_RESEND = 0xfe,
    CMD_RESET = 0xff,
};
#define USAGE_PRINT 0x46
#define USAGE_PAUSE 0x48
#define RATE_RESET  0x2b /* 10.9 a second after 500 ms */

const uint8_t ps2_translation[128] = {
    0xff, 0x43, 0x41, 0x3f, 0x3d, 0x3b, 0x3c, 0x58, 0x64, 0x44, 0x42, 0x40, 0x3e, 0x0f, 0x29, 0x59,
    0x65, 0x38, 0x2a, 0x70, 0x1d, 0x10, 0x02, 0x5a, 0x66, 0x71, 0x2c, 0x1f, 0x1e, 0x11, 0x03, 0x5b,
    0x67, 0x2e, 0x2d, 0x20, 0x12, 0x05, 0x04, 0x5c, 0x68, 0x39, 0x2f, 0x21, 0x14, 0x13, 0x06, 0x5d,
    0x69, 0x31, 0x30, 0x23, 0x22, 0x15, 0x07, 0x5e, 0x6a, 0x72, 0x32, 0x24, 0x16, 0x08, 0x09, 0x5f,
    0x6b, 0x33, 0x25, 0x17, 0x18, 0x0b, 0x0a, 0x60, 0x6c, 0x34, 0x35, 0x26, 0x27, 0x19, 0x0c, 0x61,
    0x6d, 0x73, 0x28, 0x74, 0x1a, 0x0d, 0x62, 0x6e, 0x3a, 0x36, 0x1c, 0x1b, 0x75, 0x2b, 0x63, 0x76,
    0x55, 0x56, 0x77, 0x78, 0x79, 0x7a, 0x0e, 0x7b, 0x7c, 0x4f, 0x7d, 0x4b, 0x47, 0x7e, 0x7f, 0x6f,
    0x52, 0x53, 0x50, 0x4c, 0x4d, 0x48, 0x01, 0x45, 0x57, 0x4e, 0x51, 0x4a, 0x37, 0x49, 0x46, 0x54,
};

static const uint16_t codes[256] = {
#define KEY(usage, code, name) [usage] = code,
#include "devices/chipset/keys.def"
#undef KEY
};

/* ---- queues ---- */

void ps2_put(struct ps2_queue *q, uint8_t byte)
{
    if (q->count < PS2_QUEUE)
        q->bytes[(q->head + q->count++) % PS2_QUEUE] = byte;
}

uint8_t ps2_get(struct ps2_queue *q)
{
    const uint8_t byte = q->bytes[q->head % PS2_QUEUE];
    q->head = (uint8_t)((q->head + 1) % PS2_QUEUE);
    q->count--;
    return byte;
}

void ps2_clear(struct ps2_queue *q)
{
    memset(q, 0, sizeof *q);
}

/* ---- keys ---- */

/* Bytes of a code going down or up; set 1 has a break bit, set 2 a prefix. */
static unsigned encode(const struct ps2_kbd *k, uint16_t code, bool down, uint8_t out[8])
{
    const uint8_t byte = (uint8_t)code;
    unsigned n = 0;
    if (code >= 0xe000)
        out[n++] = 0xe0;
    if (k->set == 1) {
        const uint8_t one = byte < 128 ? ps2_translation[byte] : 0x41; /* 83 is F7 */
        out[n++] = (uint8_t)(one | (down ? 0 : 0x80));
        return n;
    }
    if (!down)
        out[n++] = 0xf0;
    out[n++] = byte;
    return n;
}

/* Pause has no break code and sends all when it goes down. */
static unsigned encode_pause(const struct ps2_kbd *k, bool down, uint8_t out[8])
{
    static const uint8_t set1[6] = {0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5},
                         set2[8] = {0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77};
    if (!down)
        return 0;
    memcpy(out, k->set == 1 ? set1 : set2, k->set == 1 ? sizeof set1 : sizeof set2);
    return k->set == 1 ? sizeof set1 : sizeof set2;
}

static unsigned encode_print(const struct ps2_kbd *k, bool down, uint8_t out[8])
{
    const uint16_t first = down ? 0xe012 : 0xe07c, second = down ? 0xe07c : 0xe012;
    const unsigned n = encode(k, first, down, out);
    return n + encode(k, second, down, out + n);
}

static unsigned encode_key(const struct ps2_kbd *k, uint8_t usage, bool down, uint8_t out[8])
{
    if (usage == USAGE_PAUSE)
        return encode_pause(k, down, out);
    if (usage == USAGE_PRINT)
        return encode_print(k, down, out);
    return codes[usage] ? encode(k, codes[usage], down, out) : 0;
}

static bool send_key(struct ps2_kbd *k, uint8_t usage, bool down)
{
    uint8_t bytes[8];
    const unsigned n = encode_key(k, usage, down, bytes);
    if (n > ps2_room(&k->q))
        return false;
    for (unsigned i = 0; i < n; i++)
        ps2_put(&k->q, bytes[i]);
    return true;
}

bool ps2_kbd_key(struct ps2_kbd *k, uint8_t usage, bool down)
{
    uint8_t *const held = &k->down[usage / 8];
    const uint8_t bit = (uint8_t)(1u << usage % 8);
    if (!codes[usage] && usage != USAGE_PAUSE && usage != USAGE_PRINT)
        return true;
    if (down == !!(*held & bit))
        return true; /* nothing new: a host's own repeat */
    if (k->scanning && !send_key(k, usage, down))
        return false;
    *held = (uint8_t)(down ? *held | bit : *held & ~bit);
    if (down && usage != USAGE_PAUSE)
        k->repeat_key = usage;
    else if (usage == k->repeat_key)
        k->repeat_key = 0;
    return true;
}

void ps2_kbd_repeat(struct ps2_kbd *k)
{
    if (k->repeat_key && k->scanning && k->q.count == 0)
        send_key(k, k->repeat_key, true);
}

uint64_t ps2_kbd_delay_ns(const struct ps2_kbd *k)
{
    return 250000000ull * ((k->rate >> 5 & 3) + 1u);
}

/* Period = (8 + A) * 2^B * 0.00417 s */
uint64_t ps2_kbd_period_ns(const struct ps2_kbd *k)
{
    return ((8ull + (k->rate & 7)) << (k->rate >> 3 & 3)) * 4170000ull;
}

/* ---- commands ---- */

static void defaults(struct ps2_kbd *k)
{
    k->set = 2;
    k->rate = RATE_RESET;
    k->leds = 0;
    k->repeat_key = 0;
    k->command = 0;
    ps2_clear(&k->q);
}

void ps2_kbd_reset(struct ps2_kbd *k)
{
    defaults(k);
    k->scanning = 1;
    memset(k->down, 0, sizeof k->down);
}

static bool argument(struct ps2_kbd *k, uint8_t byte)
{
    const uint8_t command = k->command;
    k->command = 0;
    if (!command || byte >= CMD_LEDS) /* a new command breaks the old one off */
        return false;
    uint8_t answer = PS2_ACK;
    switch (command) {
    case CMD_LEDS:
        k->leds = byte & 7;
        break;
    case CMD_RATE:
        k->rate = byte & 0x7f;
        break;
    default: /* CMD_SCAN_SET */
        if (byte == 1 || byte == 2)
            k->set = byte;
        else if (byte)
            answer = PS2_RESEND;
        break;
    }
    ps2_put(&k->q, answer);
    if (command == CMD_SCAN_SET && byte == 0)
        ps2_put(&k->q, k->set);
    return true;
}

static void acknowledge(struct ps2_kbd *k)
{
    ps2_put(&k->q, PS2_ACK);
}

void ps2_kbd_write(struct ps2_kbd *k, uint8_t byte)
{
    if (argument(k, byte))
        return;
    switch (byte) {
    case CMD_ECHO:
        ps2_put(&k->q, CMD_ECHO);
        break;
    case CMD_LEDS:
    case CMD_SCAN_SET:
    case CMD_RATE:
        k->command = byte;
        acknowledge(k);
        break;
    case CMD_IDENTIFY:
        acknowledge(k);
        ps2_put(&k->q, 0xab);
        ps2_put(&k->q, 0x83);
        break;
    case CMD_ENABLE:
        ps2_clear(&k->q);
        k->scanning = 1;
        acknowledge(k);
        break;
    case CMD_DISABLE:
        defaults(k);
        k->scanning = 0;
        acknowledge(k);
        break;
    case CMD_DEFAULTS:
        defaults(k);
        acknowledge(k);
        break;
    case CMD_RESEND:
        ps2_put(&k->q, k->last);
        break;
    case CMD_RESET:
        ps2_kbd_reset(k);
        acknowledge(k);
        ps2_put(&k->q, PS2_SELF_TEST_OK);
        break;
    default:
        if (byte >= CMD_ALL_FIRST && byte <= CMD_ALL_LAST)
            acknowledge(k);
        else
            ps2_put(&k->q, PS2_RESEND);
        break;
    }
}

uint8_t ps2_kbd_read(struct ps2_kbd *k)
{
    return k->last = ps2_get(&k->q);
}
