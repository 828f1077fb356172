/* frontends/display.c: what all live displays share: keys and movements into the machine. */
#include "frontends/display.h"

#include "core/input.h"
#include "machine/machine.h"

void display_key(struct machine *m, uint8_t usage, bool down)
{
    const uint8_t record[2] = {usage, down};
    struct input *const in = machine_input(m);
    const int sink = input_find(in, "keyboard");
    if (sink >= 0)
        input_push(in, sink, record, sizeof record);
}

static int step(int *left)
{
    const int n = *left < -127 ? -127 : *left > 127 ? 127 : *left;
    *left -= n;
    return n;
}

void display_mouse(struct machine *m, uint8_t buttons, int dx, int dy_up, int dz)
{
    struct input *const in = machine_input(m);
    const int sink = input_find(in, "mouse");
    do {
        const uint8_t record[4] = {buttons, (uint8_t)step(&dx), (uint8_t)step(&dy_up),
                                   (uint8_t)step(&dz)};
        if (sink >= 0)
            input_push(in, sink, record, sizeof record);
    } while (dx || dy_up || dz);
}
