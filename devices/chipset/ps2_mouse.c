/*
 * devices/chipset/ps2_mouse.c: the PS/2 mouse: stream and remote mode, three-byte packets; after
 * the sample rates 200, 100, 80 an IntelliMouse with a wheel (four bytes), after 200, 200, 80 also
 * with five buttons (IBM PS/2 Hardware Interface Technical Reference, Mouse; Microsoft's wheel
 * extension).
 *
 * Not modelled: the pace of samples (a packet goes out when the last one was taken), resolution's
 * effect on counts.
 */
#include <string.h>

#include "devices/chipset/i8042_int.h"

enum {
    CMD_SCALE_1 = 0xe6,
    CMD_SCALE_2 = 0xe7,
    CMD_RESOLUTION = 0xe8,
    CMD_STATUS = 0xe9,
    CMD_STREAM = 0xea,
    CMD_POLL = 0xeb,
    CMD_UNWRAP = 0xec,
    CMD_WRAP = 0xee,
    CMD_REMOTE = 0xf0,
    CMD_IDENTIFY = 0xf2,
    CMD_RATE = 0xf3,
    CMD_ENABLE = 0xf4,
    CMD_DISABLE = 0xf5,
    CMD_DEFAULTS = 0xf6,
    CMD_RESEND = 0xfe,
    CMD_RESET = 0xff,
};
#define PACKET_MAX 4

static int clamp(int32_t v, int low, int high)
{
    return v < low ? low : v > high ? high : v;
}

/* Scaling 2:1 of small movements, in stream mode. */
static int scaled(const struct ps2_mouse *m, int v)
{
    static const int8_t small[6] = {0, 1, 1, 3, 6, 9};
    const int size = v < 0 ? -v : v;
    if (!m->scaling2 || m->remote)
        return v;
    const int out = size < 6 ? small[size] : size * 2;
    return clamp(v < 0 ? -out : out, -255, 255);
}

static void send_packet(struct ps2_mouse *m)
{
    const int x = clamp(m->dx, -255, 255), y = clamp(m->dy, -255, 255);
    const int z = m->id ? clamp(m->dz, -8, 7) : 0;
    const int sx = scaled(m, x), sy = scaled(m, y);
    ps2_put(&m->q, (uint8_t)(8 | (m->buttons & 7) | (sx < 0 ? 0x10 : 0) | (sy < 0 ? 0x20 : 0)));
    ps2_put(&m->q, (uint8_t)sx);
    ps2_put(&m->q, (uint8_t)sy);
    if (m->id == 3)
        ps2_put(&m->q, (uint8_t)z);
    else if (m->id == 4)
        ps2_put(&m->q, (uint8_t)((z & 15) | (m->buttons & 0x18) << 1));
    m->dx -= x;
    m->dy -= y;
    m->dz = m->id ? m->dz - z : 0;
    m->buttons_sent = m->buttons;
}

/* Stream mode: something to tell, and the last packet is on its way. */
static void stream(struct ps2_mouse *m)
{
    if (!m->reporting || m->remote || m->wrap || m->q.count)
        return;
    if (m->dx || m->dy || (m->id && m->dz) || m->buttons != m->buttons_sent)
        send_packet(m);
}

void ps2_mouse_event(struct ps2_mouse *m, uint8_t buttons, int dx, int dy, int dz)
{
    m->dx = clamp(m->dx + dx, -4096, 4096); /* what nobody asks for is forgotten */
    m->dy = clamp(m->dy + dy, -4096, 4096);
    m->dz = clamp(m->dz + dz, -64, 64);
    m->buttons = buttons & (m->id == 4 ? 0x1f : 7);
    stream(m);
}

static void defaults(struct ps2_mouse *m)
{
    m->rate = 100;
    m->resolution = 2;
    m->scaling2 = m->reporting = m->remote = 0;
    m->dx = m->dy = m->dz = 0;
    ps2_clear(&m->q);
}

void ps2_mouse_reset(struct ps2_mouse *m)
{
    defaults(m);
    m->wrap = m->id = m->knock = m->knock_id = m->command = 0;
    m->buttons = m->buttons_sent = 0;
}

/* 200, then 100 or 200, then 80. */
static void knock(struct ps2_mouse *m, uint8_t rate)
{
    if (m->knock == 1 && (rate == 100 || rate == 200)) {
        m->knock = 2;
        m->knock_id = rate == 100 ? 3 : 4;
    } else if (m->knock == 2 && rate == 80) {
        m->id = m->knock_id;
        m->knock = 0;
    } else {
        m->knock = rate == 200;
    }
}

static bool argument(struct ps2_mouse *m, uint8_t byte)
{
    const uint8_t command = m->command;
    m->command = 0;
    if (!command || byte >= CMD_SCALE_1)
        return false;
    if (command == CMD_RATE) {
        m->rate = byte;
        knock(m, byte);
    } else {
        m->resolution = byte & 3;
    }
    ps2_put(&m->q, PS2_ACK);
    return true;
}

static void put_status(struct ps2_mouse *m)
{
    const uint8_t buttons = (uint8_t)((m->buttons & 1) << 2 | (m->buttons & 2) >> 1 |
                                      (m->buttons & 4) >> 1);
    ps2_put(&m->q, (uint8_t)(buttons | m->scaling2 << 4 | m->reporting << 5 | m->remote << 6));
    ps2_put(&m->q, m->resolution);
    ps2_put(&m->q, m->rate);
}

/* Commands that set one thing; false: not one of them. */
static bool setting(struct ps2_mouse *m, uint8_t byte)
{
    switch (byte) {
    case CMD_SCALE_1:
    case CMD_SCALE_2:
        m->scaling2 = byte == CMD_SCALE_2;
        break;
    case CMD_STREAM:
    case CMD_REMOTE:
        m->remote = byte == CMD_REMOTE;
        m->dx = m->dy = m->dz = 0;
        break;
    case CMD_WRAP:
        m->wrap = 1;
        break;
    case CMD_ENABLE:
    case CMD_DISABLE:
        m->reporting = byte == CMD_ENABLE;
        m->dx = m->dy = m->dz = 0;
        break;
    case CMD_DEFAULTS:
        defaults(m);
        break;
    case CMD_RESOLUTION:
    case CMD_RATE:
        m->command = byte;
        break;
    default:
        return false;
    }
    return true;
}

void ps2_mouse_write(struct ps2_mouse *m, uint8_t byte)
{
    if (m->wrap && byte != CMD_RESET && byte != CMD_UNWRAP) {
        ps2_put(&m->q, byte);
        return;
    }
    if (argument(m, byte))
        return;
    if (byte == CMD_RESEND) {
        ps2_put(&m->q, m->last);
        return;
    }
    ps2_clear(&m->q); /* a command stops what was being sent */
    if (setting(m, byte)) {
        ps2_put(&m->q, PS2_ACK);
        return;
    }
    switch (byte) {
    case CMD_UNWRAP:
        m->wrap = 0;
        ps2_put(&m->q, PS2_ACK);
        break;
    case CMD_STATUS:
        ps2_put(&m->q, PS2_ACK);
        put_status(m);
        break;
    case CMD_POLL:
        ps2_put(&m->q, PS2_ACK);
        send_packet(m);
        break;
    case CMD_IDENTIFY:
        ps2_put(&m->q, PS2_ACK);
        ps2_put(&m->q, m->id);
        break;
    case CMD_RESET:
        ps2_mouse_reset(m);
        ps2_put(&m->q, PS2_ACK);
        ps2_put(&m->q, PS2_SELF_TEST_OK);
        ps2_put(&m->q, 0);
        break;
    default:
        ps2_put(&m->q, PS2_RESEND);
        break;
    }
}

uint8_t ps2_mouse_read(struct ps2_mouse *m)
{
    m->last = ps2_get(&m->q);
    if (!m->q.count)
        stream(m);
    return m->last;
}
