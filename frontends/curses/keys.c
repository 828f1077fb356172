/* frontends/curses/keys.c: characters of a terminal as keys of a US keyboard (keys.h). */
#include "frontends/curses/keys.h"

#include <string.h>

#define USAGE_A 0x04
#define USAGE_1 0x1e

/* Usages 0x2d-0x38 without and with shift; 0x31 and 0x32 are one key. */
static const char plain[] = "-=[]\\\\;'`,./", shifted[] = "_+{}||:\"~<>?";
static const char digits[] = "1234567890", above[] = "!@#$%^&*()";

static struct terminal_key control(int ch)
{
    switch (ch) {
    case 0:
        return (struct terminal_key){0x2c, TERMINAL_CTRL}; /* Ctrl-Space */
    case '\t':
        return (struct terminal_key){0x2b, 0};
    case '\r':
    case '\n':
        return (struct terminal_key){0x28, 0};
    case 27:
        return (struct terminal_key){0x29, 0};
    case 28:
        return (struct terminal_key){0x31, TERMINAL_CTRL};
    case 29:
        return (struct terminal_key){0x30, TERMINAL_CTRL};
    case 30:
        return (struct terminal_key){USAGE_1 + 5, TERMINAL_CTRL};
    case 31:
        return (struct terminal_key){0x2d, TERMINAL_CTRL};
    default:
        return (struct terminal_key){(uint8_t)(USAGE_A + ch - 1), TERMINAL_CTRL};
    }
}

static struct terminal_key in_list(const char *list, int ch, uint8_t first, uint8_t modifiers)
{
    const char *const at = strchr(list, ch);
    return at ? (struct terminal_key){(uint8_t)(first + (at - list)), modifiers}
              : (struct terminal_key){0, 0};
}

struct terminal_key terminal_key_of(int ch)
{
    struct terminal_key k = {0, 0};
    if (ch >= 0 && ch < 32)
        return control(ch);
    if (ch == ' ')
        return (struct terminal_key){0x2c, 0};
    if (ch == 127)
        return (struct terminal_key){0x2a, 0};
    if (ch >= 'a' && ch <= 'z')
        return (struct terminal_key){(uint8_t)(USAGE_A + ch - 'a'), 0};
    if (ch >= 'A' && ch <= 'Z')
        return (struct terminal_key){(uint8_t)(USAGE_A + ch - 'A'), TERMINAL_SHIFT};
    if (ch > 127)
        return k;
    const struct terminal_key found[] = {
        in_list(digits, ch, USAGE_1, 0), in_list(above, ch, USAGE_1, TERMINAL_SHIFT),
        in_list(plain, ch, 0x2d, 0), in_list(shifted, ch, 0x2d, TERMINAL_SHIFT)};
    for (unsigned i = 0; i < sizeof found / sizeof found[0] && !k.usage; i++)
        k = found[i];
    return k;
}
