/*
 * devices/chipset/i8042.c: keyboard controller with PS/2 keyboard and mouse: ports 60 and 64, IRQ 1
 * and 12 (IBM PS/2 Hardware Interface Technical Reference, Keyboard and Auxiliary Device
 * Controller; the keyboard is ps2_kbd.c, the mouse ps2_mouse.c).
 *
 * One output buffer: a byte of a device moves in when the buffer is empty and the device's clock is
 * not held; each byte is one interrupt edge. Keys and movements come from outside by the input
 * sinks "keyboard" (usage of the HID keyboard page, 1 down or 0 up) and "mouse" (buttons, dx, dy,
 * dz as signed bytes, y upwards). Without devices on it the controller still tests itself, resets
 * the machine, and says that its ports are dead: their tests fail, and what is sent to a device
 * comes back as FE with the general time-out bit, which stays until the next write.
 *
 * Not modelled: serial line timing (bytes come at once), passwords, writing the controller's
 * program memory.
 */
#include <stdlib.h>
#include <string.h>

#include "core/input.h"
#include "devices/chipset/chipset.h"
#include "devices/chipset/i8042_int.h"
#include "lib/log.h"

enum {
    ST_OBF = 0x01,
    ST_SYSTEM = 0x04,
    ST_COMMAND = 0x08,
    ST_UNLOCKED = 0x10,
    ST_AUX = 0x20,
    ST_TIMEOUT = 0x40
};
enum {
    CFG_IRQ1 = 0x01,
    CFG_IRQ12 = 0x02,
    CFG_SYSTEM = 0x04,
    CFG_KBD_OFF = 0x10,
    CFG_AUX_OFF = 0x20,
    CFG_TRANSLATE = 0x40,
};
enum { OUT_NO_RESET = 0x01, OUT_A20 = 0x02, OUT_KBD_FULL = 0x10, OUT_AUX_FULL = 0x20 };

enum source { SRC_NONE, SRC_CONTROLLER, SRC_KBD, SRC_AUX };

struct i8042 {
    struct dev dev;
    /* wiring */
    struct irq_line irq1, irq12;
    struct board_port board;
    struct clock *clock;
    struct clock_event repeat;
    bool devices; /* a keyboard and a mouse are plugged in */
    /* state */
    uint8_t out, full; /* output buffer and enum source of it */
    uint8_t ram[32];   /* ram[0] is the configuration byte */
    uint8_t command;   /* waits for its argument; 0: none */
    uint8_t last_was_command, output_port;
    uint8_t timed_out; /* the last byte for a device found none */
    uint8_t breaking;  /* the translation saw F0 */
    uint64_t repeat_at;
    struct ps2_kbd kbd;
    struct ps2_mouse mouse;
};

#define QUEUE_FIELDS(member)                                          \
    FIELD_ARRAY(struct i8042, member.bytes, 0, "bytes for the host"), \
        FIELD(struct i8042, member.head, 0, "first of them"),         \
        FIELD(struct i8042, member.count, 0, "how many")
#define KBD(member, help)   FIELD(struct i8042, kbd.member, 0, help)
#define MOUSE(member, help) FIELD(struct i8042, mouse.member, 0, help)

static const struct field fields[] = {
    FIELD(struct i8042, out, 0, "output buffer"),
    FIELD(struct i8042, full, 0, "where its byte came from; 0: empty"),
    FIELD_ARRAY(struct i8042, ram, 0, "controller memory; 0: configuration byte"),
    FIELD(struct i8042, command, 0, "command that waits for data"),
    FIELD(struct i8042, last_was_command, 1, "status bit 3"),
    FIELD(struct i8042, output_port, 0x03, "output port: no reset, A20 open"),
    FIELD(struct i8042, timed_out, 0, "status bit 6: the last byte for a device found none"),
    FIELD(struct i8042, breaking, 0, "translation is between F0 and its code"),
    FIELD(struct i8042, repeat_at, CLOCK_NEVER, "time of the next typematic repeat"),
    QUEUE_FIELDS(kbd.q),
    KBD(set, "scan code set"),
    KBD(scanning, "sends keys"),
    KBD(leds, "LEDs"),
    KBD(rate, "typematic rate and delay"),
    KBD(command, "command that waits for data"),
    KBD(last, "byte sent last"),
    KBD(repeat_key, "key that repeats"),
    FIELD_ARRAY(struct i8042, kbd.down, 0, "keys held"),
    QUEUE_FIELDS(mouse.q),
    MOUSE(id, "kind"),
    MOUSE(knock, "place in the sample-rate sequence"),
    MOUSE(knock_id, "kind that it leads to"),
    MOUSE(reporting, "data reporting"),
    MOUSE(remote, "remote mode"),
    MOUSE(wrap, "wrap mode"),
    MOUSE(scaling2, "scaling 2:1"),
    MOUSE(rate, "sample rate"),
    MOUSE(resolution, "resolution"),
    MOUSE(command, "command that waits for data"),
    MOUSE(last, "byte sent last"),
    MOUSE(buttons, "buttons held"),
    MOUSE(buttons_sent, "buttons reported"),
    MOUSE(dx, "movement not reported"),
    MOUSE(dy, "movement not reported"),
    MOUSE(dz, "wheel not reported"),
    FIELD_END,
};

/* ---- output buffer ---- */

static void update_irqs(struct i8042 *k)
{
    const bool aux = k->full == SRC_AUX;
    irq_set(&k->irq1, k->full && !aux && (k->ram[0] & CFG_IRQ1));
    irq_set(&k->irq12, aux && (k->ram[0] & CFG_IRQ12));
}

static void fill(struct i8042 *k, uint8_t byte, enum source from)
{
    k->out = byte;
    k->full = from;
    update_irqs(k);
}

/* Set 2 to set 1; false: the byte was a prefix that is swallowed. */
static bool translate(struct i8042 *k, uint8_t *byte)
{
    if (*byte == 0xf0) {
        k->breaking = 1;
        return false;
    }
    uint8_t one = *byte;
    if (one < 128)
        one = ps2_translation[one];
    else if (one == 0x83 || one == 0x84)
        one = one == 0x83 ? 0x41 : 0x54;
    *byte = (uint8_t)(one | (k->breaking ? 0x80 : 0));
    k->breaking = 0;
    return true;
}

/* Let the next byte of a device in. */
static void pull(struct i8042 *k)
{
    while (!k->full && k->kbd.q.count && !(k->ram[0] & CFG_KBD_OFF)) {
        uint8_t byte = ps2_kbd_read(&k->kbd);
        if (!(k->ram[0] & CFG_TRANSLATE) || translate(k, &byte))
            fill(k, byte, SRC_KBD);
    }
    if (!k->full && k->mouse.q.count && !(k->ram[0] & CFG_AUX_OFF))
        fill(k, ps2_mouse_read(&k->mouse), SRC_AUX);
    update_irqs(k);
}

static uint64_t data_read(void *dev, uint64_t offset, unsigned size)
{
    struct i8042 *k = dev;
    (void)offset;
    (void)size;
    const uint8_t byte = k->out;
    k->full = SRC_NONE;
    update_irqs(k); /* the line falls between two bytes: each is an edge */
    pull(k);
    return byte;
}

static uint64_t status_read(void *dev, uint64_t offset, unsigned size)
{
    const struct i8042 *k = dev;
    (void)offset;
    (void)size;
    return ST_UNLOCKED | (k->full ? ST_OBF : 0) | (k->full == SRC_AUX ? ST_AUX : 0) |
           (k->ram[0] & CFG_SYSTEM ? ST_SYSTEM : 0) | (k->last_was_command ? ST_COMMAND : 0) |
           (k->timed_out ? ST_TIMEOUT : 0);
}

/* ---- typematic ---- */

static void arm_repeat(struct i8042 *k, uint64_t at)
{
    k->repeat_at = at;
    if (at == CLOCK_NEVER)
        clock_cancel(k->clock, &k->repeat);
    else
        clock_arm(k->clock, &k->repeat, at);
}

static void on_repeat(void *opaque, uint64_t now)
{
    struct i8042 *k = opaque;
    if (!k->kbd.repeat_key) {
        arm_repeat(k, CLOCK_NEVER);
        return;
    }
    ps2_kbd_repeat(&k->kbd);
    pull(k);
    arm_repeat(k, now + ps2_kbd_period_ns(&k->kbd));
}

/* ---- input from outside ---- */

static size_t take_keys(void *opaque, const uint8_t *bytes, size_t len)
{
    struct i8042 *k = opaque;
    size_t took = 0;
    for (; took + 2 <= len; took += 2) {
        const uint8_t was = k->kbd.repeat_key;
        if (!ps2_kbd_key(&k->kbd, bytes[took], bytes[took + 1] & 1))
            break;
        if (!k->kbd.repeat_key)
            arm_repeat(k, CLOCK_NEVER);
        else if (k->kbd.repeat_key != was)
            arm_repeat(k, clock_now(k->clock) + ps2_kbd_delay_ns(&k->kbd));
        pull(k);
    }
    return took;
}

static size_t take_mouse(void *opaque, const uint8_t *bytes, size_t len)
{
    struct i8042 *k = opaque;
    size_t took = 0;
    for (; took + 4 <= len; took += 4) {
        const uint8_t *const b = bytes + took;
        const bool click = b[0] != k->mouse.buttons;
        if (click && k->mouse.reporting && k->mouse.q.count)
            break; /* a click is not folded into an earlier one */
        ps2_mouse_event(&k->mouse, b[0], (int8_t)b[1], (int8_t)b[2], (int8_t)b[3]);
        pull(k);
    }
    return took;
}

/* ---- what the guest writes ---- */

static void write_output_port(struct i8042 *k, uint8_t value)
{
    k->output_port = value & ~(OUT_KBD_FULL | OUT_AUX_FULL);
    k->board.request(k->board.opaque, BOARD_A20, !!(value & OUT_A20));
    if (!(value & OUT_NO_RESET))
        k->board.request(k->board.opaque, BOARD_RESET, 0);
}

static uint8_t read_output_port(const struct i8042 *k)
{
    return (uint8_t)(k->output_port | (k->full == SRC_AUX ? OUT_AUX_FULL : 0) |
                     (k->full && k->full != SRC_AUX ? OUT_KBD_FULL : 0));
}

/* A byte for a device that is not there: nobody clocks it out. */
static void time_out(struct i8042 *k, enum source from)
{
    k->timed_out = 1;
    fill(k, 0xfe, from);
}

/* Data for a command that waits for it. */
static void argument(struct i8042 *k, uint8_t value)
{
    const uint8_t command = k->command;
    k->command = 0;
    switch (command) {
    case 0xd1:
        write_output_port(k, value);
        break;
    case 0xd2:
        fill(k, value, SRC_KBD);
        break;
    case 0xd3:
        fill(k, value, SRC_AUX);
        break;
    case 0xd4:
        if (k->devices)
            ps2_mouse_write(&k->mouse, value);
        else
            time_out(k, SRC_AUX);
        break;
    default: /* 60-7f */
        k->ram[command & 31] = value;
        break;
    }
    pull(k);
}

static void data_write(void *dev, uint64_t offset, unsigned size, uint64_t v)
{
    struct i8042 *k = dev;
    (void)offset;
    (void)size;
    k->last_was_command = k->timed_out = 0;
    if (k->command) {
        argument(k, (uint8_t)v);
        return;
    }
    k->ram[0] &= (uint8_t)~CFG_KBD_OFF; /* talking to the keyboard frees its clock */
    if (!k->devices) {
        time_out(k, SRC_KBD);
        return;
    }
    ps2_kbd_write(&k->kbd, (uint8_t)v);
    k->breaking = 0;
    if (!k->kbd.repeat_key)
        arm_repeat(k, CLOCK_NEVER);
    pull(k);
}

static void switch_port(struct i8042 *k, uint8_t bit, bool off)
{
    k->ram[0] = (uint8_t)(off ? k->ram[0] | bit : k->ram[0] & ~bit);
    pull(k);
}

/* Tests of the lines: 0 fine, 1 the clock is stuck low: nothing there. */
static uint8_t line_test(const struct i8042 *k)
{
    return k->devices ? 0 : 1;
}

static void command(struct i8042 *k, uint8_t c)
{
    if (c >= 0x20 && c < 0x40) {
        fill(k, k->ram[c & 31], SRC_CONTROLLER);
        return;
    }
    if ((c >= 0x60 && c < 0x80) || (c >= 0xd1 && c <= 0xd4)) {
        k->command = c;
        return;
    }
    if (c >= 0xf0) { /* pulse output lines: bit 0 low resets */
        if (!(c & 1))
            k->board.request(k->board.opaque, BOARD_RESET, 0);
        return;
    }
    switch (c) {
    case 0xa4:
        fill(k, 0xf1, SRC_CONTROLLER); /* no password */
        break;
    case 0xa7:
    case 0xa8:
        switch_port(k, CFG_AUX_OFF, c == 0xa7);
        break;
    case 0xa9:
    case 0xab:
        fill(k, line_test(k), SRC_CONTROLLER);
        break;
    case 0xaa:
        k->ram[0] |= CFG_SYSTEM;
        fill(k, 0x55, SRC_CONTROLLER);
        break;
    case 0xad:
    case 0xae:
        switch_port(k, CFG_KBD_OFF, c == 0xad);
        break;
    case 0xc0:
        fill(k, 0xa0, SRC_CONTROLLER); /* input port: not locked, colour display */
        break;
    case 0xd0:
        fill(k, read_output_port(k), SRC_CONTROLLER);
        break;
    case 0xdd:
    case 0xdf:
        write_output_port(k, (uint8_t)((k->output_port & ~OUT_A20) | (c & OUT_A20)));
        break;
    case 0xe0:
        fill(k, 0, SRC_CONTROLLER);
        break;
    default:
        LOG_STUB("i8042", "command 0x%02x", c);
        break;
    }
}

static void command_write(void *dev, uint64_t offset, unsigned size, uint64_t v)
{
    struct i8042 *k = dev;
    (void)offset;
    (void)size;
    k->last_was_command = 1;
    k->timed_out = k->command = 0;
    command(k, (uint8_t)v);
}

static const struct bus_ops data_ops = {data_read, data_write, 1},
                            command_ops = {status_read, command_write, 1};

/* ---- life ---- */

static void i8042_reset(struct dev *d)
{
    struct i8042 *k = (struct i8042 *)d;
    /* with a keyboard as a BIOS leaves it, for kernels that do not set it up */
    k->ram[0] = k->devices ? CFG_IRQ1 | CFG_SYSTEM | CFG_TRANSLATE | CFG_AUX_OFF
                           : CFG_SYSTEM | CFG_KBD_OFF | CFG_AUX_OFF;
    ps2_kbd_reset(&k->kbd);
    ps2_mouse_reset(&k->mouse);
    arm_repeat(k, CLOCK_NEVER);
    update_irqs(k);
}

static void i8042_free(struct dev *d)
{
    free(d);
}
static const struct dev_class i8042_class = {"i8042", fields, i8042_reset, i8042_free, NULL};

static int add_sinks(struct i8042 *k, struct input *input)
{
    const struct input_sink keys = {"keyboard", take_keys, k}, mouse = {"mouse", take_mouse, k};
    const int rc = input_add_sink(input, &keys);
    return rc < 0 ? rc : input_add_sink(input, &mouse);
}

struct dev *i8042_new(const struct i8042_config *cfg)
{
    struct i8042 *k = calloc(1, sizeof *k);
    if (!k)
        return NULL;
    k->dev = (struct dev){.cls = &i8042_class, .id = "i8042"};
    k->irq1 = cfg->irq1;
    k->irq12 = cfg->irq12;
    k->board = cfg->board;
    k->clock = cfg->clock;
    k->devices = cfg->input != NULL;
    clock_event_init(k->clock, &k->repeat, "typematic", 100, on_repeat, k);
    if ((k->devices && add_sinks(k, cfg->input) < 0) ||
        bus_map_port(cfg->bus, 0x60, 1, &data_ops, k, "i8042") ||
        bus_map_port(cfg->bus, 0x64, 1, &command_ops, k, "i8042")) {
        free(k);
        return NULL;
    }
    return &k->dev;
}
