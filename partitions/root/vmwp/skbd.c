/*
 * vmwp/skbd.c: synthetic keyboard (abi/vmbus.h; Linux drivers/input/serio/hyperv-keyboard.c):
 * protocol version 1.0, key events with make codes of set 1.
 *
 * Not modelled: Unicode events, the guest's indicator lights.
 */
#include "partitions/root/vmwp/skbd.h"
#include "partitions/root/lib/rt_lib.h"
#include "abi/vmbus.h"

#define SHIFT      0x80u /* in the table: with the left shift key */
#define SHIFT_CODE 0x2au
#define BREAK      0x80u

/* Make codes of a US keyboard for printable ASCII, from the space on */
static const uint8_t us[95] = {
    0x39,         0x02 | SHIFT, 0x28 | SHIFT, 0x04 | SHIFT, 0x05 | SHIFT, 0x06 | SHIFT, /*  !"#$% */
    0x08 | SHIFT, 0x28,         0x0a | SHIFT, 0x0b | SHIFT, 0x09 | SHIFT, 0x0d | SHIFT, /* &'()*+ */
    0x33,         0x0c,         0x34,         0x35,         0x0b,         0x02,         /* ,-./01 */
    0x03,         0x04,         0x05,         0x06,         0x07,         0x08,         /* 234567 */
    0x09,         0x0a,         0x27 | SHIFT, 0x27,         0x33 | SHIFT, 0x0d,         /* 89:;<= */
    0x34 | SHIFT, 0x35 | SHIFT, 0x03 | SHIFT, 0x1e | SHIFT, 0x30 | SHIFT, 0x2e | SHIFT, /* >?@ABC */
    0x20 | SHIFT, 0x12 | SHIFT, 0x21 | SHIFT, 0x22 | SHIFT, 0x23 | SHIFT, 0x17 | SHIFT, /* DEFGHI */
    0x24 | SHIFT, 0x25 | SHIFT, 0x26 | SHIFT, 0x32 | SHIFT, 0x31 | SHIFT, 0x18 | SHIFT, /* JKLMNO */
    0x19 | SHIFT, 0x10 | SHIFT, 0x13 | SHIFT, 0x1f | SHIFT, 0x14 | SHIFT, 0x16 | SHIFT, /* PQRSTU */
    0x2f | SHIFT, 0x11 | SHIFT, 0x2d | SHIFT, 0x15 | SHIFT, 0x2c | SHIFT, 0x1a,         /* VWXYZ[ */
    0x2b,         0x1b,         0x07 | SHIFT, 0x0c | SHIFT, 0x29,         0x1e,         /* \]^_`a */
    0x30,         0x2e,         0x20,         0x12,         0x21,         0x22,         /* bcdefg */
    0x23,         0x17,         0x24,         0x25,         0x26,         0x32,         /* hijklm */
    0x31,         0x18,         0x19,         0x10,         0x13,         0x1f,         /* nopqrs */
    0x14,         0x16,         0x2f,         0x11,         0x2d,         0x15,         /* tuvwxy */
    0x2c,         0x1a | SHIFT, 0x2b | SHIFT, 0x1b | SHIFT, 0x29 | SHIFT,               /* z{|}~ */
};

void skbd_reset(struct skbd *k)
{
    k->ready = false;
    k->head = k->count = 0;
}

void skbd_flush(struct skbd *k)
{
    while (k->count) {
        const struct vmbus_kbd_key m = {VMBUS_KBD_KEY, k->queue[k->head].code, 0,
                                        k->queue[k->head].flags};
        if (!k->send(k->ctx, &m, sizeof(m)))
            return;
        k->head = (k->head + 1) % SKBD_QUEUE;
        k->count--;
    }
}

void skbd_receive(struct skbd *k, const uint8_t *data, uint32_t size)
{
    struct vmbus_kbd_request m;
    if (size < sizeof(m))
        return;
    memcpy(&m, data, sizeof(m));
    if (m.type != VMBUS_KBD_REQUEST)
        return;
    const bool good = m.version == VMBUS_KBD_VERSION;
    const struct vmbus_kbd_response answer = {VMBUS_KBD_RESPONSE, good ? VMBUS_KBD_ACCEPTED : 0};
    k->ready = k->send(k->ctx, &answer, sizeof(answer)) && good;
}

static bool key(struct skbd *k, unsigned code, unsigned flags)
{
    const unsigned at = (k->head + k->count) % SKBD_QUEUE;
    if (!k->ready || k->count == SKBD_QUEUE)
        return false;
    k->queue[at].code = (uint16_t)code;
    k->queue[at].flags = (uint16_t)flags;
    k->count++;
    skbd_flush(k);
    return true;
}

bool skbd_scancodes(struct skbd *k, const uint8_t *codes, size_t n)
{
    unsigned prefix = 0;
    bool all = true;
    for (size_t i = 0; i < n; i++) {
        if (codes[i] == 0xe0 || codes[i] == 0xe1) {
            prefix = codes[i] == 0xe0 ? VMBUS_KBD_F_E0 : VMBUS_KBD_F_E1;
            continue;
        }
        all &= key(k, codes[i] & 0x7fu, prefix | (codes[i] & BREAK ? VMBUS_KBD_F_BREAK : 0));
        prefix = 0;
    }
    return all;
}

static uint8_t us_code(uint8_t c)
{
    if (c >= ' ' && c <= '~')
        return us[c - ' '];
    switch (c) {
    case '\b':
    case 0x7f:
        return 0x0e;
    case '\t':
        return 0x0f;
    case '\n':
    case '\r':
        return 0x1c;
    case 0x1b:
        return 0x01;
    default:
        return 0;
    }
}

bool skbd_type(struct skbd *k, const uint8_t *text, size_t n)
{
    bool all = true;
    for (size_t i = 0; i < n; i++) {
        const uint8_t code = us_code(text[i]), plain = code & 0x7f;
        const uint8_t keys[4] = {SHIFT_CODE, plain, plain | BREAK, SHIFT_CODE | BREAK};
        if (!code)
            continue;
        all &= code & SHIFT ? skbd_scancodes(k, keys, 4) : skbd_scancodes(k, keys + 1, 2);
    }
    return all;
}
