/*
 * The hypervisor's console: COM1 at 0x3f8, polled, and port 0xe9. Used at boot and for errors;
 * the root partition owns COM1 after that, so nothing is logged on ordinary paths.
 * Not modelled: floating-point and left-justified formats.
 */
#include "hypervisor/core/hv_core.h"

#define COM1     0x3f8
#define LSR_THRE 0x20

static unsigned max_level = HV_LOG_INFO;

void hv_console_init(void)
{
    hv_outb(COM1 + 1, 0);
    hv_outb(COM1 + 3, 0x80); /* divisor latch */
    hv_outb(COM1 + 0, 1);    /* 115200 baud */
    hv_outb(COM1 + 1, 0);
    hv_outb(COM1 + 3, 3); /* 8n1 */
    hv_outb(COM1 + 2, 7);
    hv_outb(COM1 + 4, 3);
}

void hv_console_putc(char c)
{
    if (c == '\n')
        hv_console_putc('\r');
    for (unsigned i = 0; i < 10000 && !(hv_inb(COM1 + 5) & LSR_THRE); i++)
        hv_pause();
    hv_outb(COM1, (uint8_t)c);
    if (c != '\r')
        hv_outb(0xe9, (uint8_t)c);
}

void hv_log_set_level(unsigned level)
{
    max_level = level;
}

static void put_string(const char *s)
{
    while (*s)
        hv_console_putc(*s++);
}

static void put_number(uint64_t v, unsigned base, int width, char pad, bool negative)
{
    char buf[24];
    int n = 0;
    do {
        buf[n++] = "0123456789abcdef"[v % base];
        v /= base;
    } while (v);
    if (negative)
        buf[n++] = '-';
    while (width-- > n)
        hv_console_putc(pad);
    while (n-- > 0)
        hv_console_putc(buf[n]);
}

/* One conversion after '%'; returns the first character behind it. */
static const char *format_one(const char *f, va_list *ap)
{
    char pad = ' ';
    int width = 0, longs = 0;
    if (*f == '0')
        pad = '0';
    while (*f >= '0' && *f <= '9')
        width = width * 10 + *f++ - '0';
    for (; *f == 'l' || *f == 'z'; f++)
        longs++;
    switch (*f) {
    case 's':
        put_string(va_arg(*ap, const char *));
        break;
    case 'c':
        hv_console_putc((char)va_arg(*ap, int));
        break;
    case 'd': {
        const int64_t v = longs ? va_arg(*ap, int64_t) : va_arg(*ap, int);
        put_number(v < 0 ? -(uint64_t)v : (uint64_t)v, 10, width, pad, v < 0);
        break;
    }
    case 'u':
    case 'x': {
        const uint64_t v = longs ? va_arg(*ap, uint64_t) : va_arg(*ap, unsigned);
        put_number(v, *f == 'x' ? 16 : 10, width, pad, false);
        break;
    }
    case '%':
        hv_console_putc('%');
        break;
    default:
        return f;
    }
    return f + 1;
}

static void vformat(const char *fmt, va_list ap)
{
    va_list args;
    va_copy(args, ap);
    while (*fmt) {
        if (*fmt == '%')
            fmt = format_one(fmt + 1, &args);
        else
            hv_console_putc(*fmt++);
    }
    va_end(args);
}

void hv_log(enum hv_log_level level, const char *fmt, ...)
{
    if ((unsigned)level > max_level)
        return;
    va_list ap;
    va_start(ap, fmt);
    put_string("hv: ");
    vformat(fmt, ap);
    hv_console_putc('\n');
    va_end(ap);
}

void hv_panic(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    put_string("hv: panic: ");
    vformat(fmt, ap);
    hv_console_putc('\n');
    va_end(ap);
    hv_stop_all();
}
