/*
 * vmwp/i8042.c: the PS/2 controller of a VM with nothing plugged in: self-tests, command byte,
 * output port, reset by the pulse command. What is sent to a device times out, as without one.
 *
 * Not modelled: keyboard, mouse, A20 gate, interrupts (nothing ever comes by itself).
 */
#include "partitions/root/vmwp/models.h"

#define ST_OUTPUT  0x01u
#define ST_SYSTEM  0x04u
#define ST_COMMAND 0x08u
#define ST_UNLOCK  0x10u
#define ST_TIMEOUT 0x40u
#define CTR_SYSTEM 0x04u
#define CTR_KBD    0x10u /* clock off */
#define CTR_AUX    0x20u
#define PORT_RESET 0x01u /* of the output port, active low */
#define PORT_IDLE  0xdfu

void i8042_init(struct i8042 *k)
{
    *k = (struct i8042){.command_byte = CTR_KBD | CTR_AUX, .status = ST_UNLOCK};
}

static void answer(struct i8042 *k, uint8_t value)
{
    k->output = value;
    k->status |= ST_OUTPUT;
}

uint8_t i8042_in(struct i8042 *k, uint16_t port)
{
    if (port == 0x64)
        return k->status;
    k->status &= (uint8_t) ~(ST_OUTPUT | ST_TIMEOUT);
    return k->output;
}

static void set_command_byte(struct i8042 *k, uint8_t v)
{
    k->command_byte = v;
    k->status = (uint8_t)((k->status & ~ST_SYSTEM) | (v & CTR_SYSTEM ? ST_SYSTEM : 0));
}

/* False: the system is reset. */
static bool data(struct i8042 *k, uint8_t v)
{
    const uint8_t command = k->pending;
    k->pending = 0;
    switch (command) {
    case 0x60:
        set_command_byte(k, v);
        break;
    case 0xd1:
        return v & PORT_RESET;
    case 0xd2: /* as if a device had sent it */
    case 0xd3:
        answer(k, v);
        break;
    default: /* to the keyboard, or by d4 to the mouse */
        answer(k, 0xfe);
        k->status |= ST_TIMEOUT;
        break;
    }
    return true;
}

static bool command(struct i8042 *k, uint8_t v)
{
    switch (v) {
    case 0x20:
        answer(k, k->command_byte);
        break;
    case 0x60:
    case 0xd1 ... 0xd4:
        k->pending = v;
        break;
    case 0xa7:
        k->command_byte |= CTR_AUX;
        break;
    case 0xa8:
        k->command_byte &= (uint8_t)~CTR_AUX;
        break;
    case 0xad:
        k->command_byte |= CTR_KBD;
        break;
    case 0xae:
        k->command_byte &= (uint8_t)~CTR_KBD;
        break;
    case 0xa9: /* tests of the two ports */
    case 0xab:
        answer(k, 0);
        break;
    case 0xaa:
        set_command_byte(k, k->command_byte | CTR_SYSTEM);
        answer(k, 0x55);
        break;
    case 0xd0:
        answer(k, PORT_IDLE);
        break;
    case 0xf0 ... 0xff: /* pulses the lines whose bits are 0 */
        return v & PORT_RESET;
    default:
        break;
    }
    return true;
}

bool i8042_out(struct i8042 *k, uint16_t port, uint8_t v)
{
    if (port == 0x64) {
        k->status |= ST_COMMAND;
        k->pending = 0;
        return command(k, v);
    }
    k->status &= (uint8_t)~ST_COMMAND;
    return data(k, v);
}
