/*
 * Monitor: keys into the keyboard, by the names of devices/chipset/keys.def, and the power button;
 * see monitor.h.
 */
#include <string.h>

#include "core/input.h"
#include "debug/monitor_int.h"
#include "machine/machine.h"

#define KEYS_MAX 8

static const struct {
    const char *name;
    uint8_t usage;
} keys[] = {
#define KEY(usage, code, name) {name, usage},
#include "devices/chipset/keys.def"
#undef KEY
    {"print", 0x46},
    {"pause", 0x48},
};

static uint8_t find_key(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (strlen(keys[i].name) == len && memcmp(keys[i].name, name, len) == 0)
            return keys[i].usage;
    }
    return 0;
}

/* Down in order, up in reverse. */
bool monitor_sendkey(struct monitor *mon, unsigned argc, char **argv)
{
    uint8_t record[KEYS_MAX * 4];
    unsigned n = 0;

    if (argc != 2)
        return false;
    struct input *const in = machine_input(mon->machine);
    const int sink = input_find(in, "keyboard");
    if (sink < 0) {
        monitor_printf(mon, "the machine has no keyboard; give it one with --vga=std\n");
        return true;
    }
    uint8_t usage[KEYS_MAX];
    for (const char *p = argv[1]; *p;) {
        const size_t len = strcspn(p, "-");
        const uint8_t key = find_key(p, len);
        if (!key || n == KEYS_MAX) {
            monitor_printf(mon, "no key '%.*s'\n", (int)len, p);
            return true;
        }
        usage[n++] = key;
        p += len + (p[len] == '-');
    }
    for (unsigned i = 0; i < n; i++) {
        record[2 * i] = usage[i];
        record[2 * i + 1] = 1;
        record[4 * n - 2 * i - 2] = usage[i];
        record[4 * n - 2 * i - 1] = 0;
    }
    input_push(in, sink, record, 4 * n);
    return true;
}

bool monitor_powerbutton(struct monitor *mon, unsigned argc, char **argv)
{
    struct input *const in = machine_input(mon->machine);
    (void)argv;
    if (argc != 1)
        return false;
    input_push(in, input_find(in, "power-button"), "", 1);
    return true;
}
