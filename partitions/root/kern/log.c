/*
 * kern/log.c: the root's log. Lines collect in a buffer until a sink (console port or COM1) is
 * chosen; a panic always goes to COM1 as well.
 */
#include "partitions/root/kern/kern.h"
#include "partitions/root/drv/drv.h"

#define LOG_BUFFER 8192u

static char log_early[LOG_BUFFER];
static size_t log_early_length;
static void (*log_sink)(const char *text, size_t n);

void rt_log_text(const char *text, size_t n)
{
    if (log_sink) {
        log_sink(text, n);
        return;
    }
    if (n > LOG_BUFFER - log_early_length)
        n = LOG_BUFFER - log_early_length;
    memcpy(log_early + log_early_length, text, n);
    log_early_length += n;
}

void rt_log_set_sink(void (*sink)(const char *text, size_t n))
{
    log_sink = sink;
    if (log_early_length)
        sink(log_early, log_early_length);
    log_early_length = 0;
}

static size_t log_line(char *buf, size_t size, const char *fmt, va_list ap)
{
    int n = rt_vformat(buf, size - 1, fmt, ap);
    size_t len = (size_t)n < size - 2 ? (size_t)n : size - 2;
    buf[len++] = '\n';
    buf[len] = 0;
    return len;
}

void rt_log(const char *fmt, ...)
{
    char buf[256];
    va_list ap;
    va_start(ap, fmt);
    size_t n = log_line(buf, sizeof(buf), fmt, ap);
    va_end(ap);
    rt_log_text(buf, n);
}

void rt_panic(const char *fmt, ...)
{
    irq_off();
    uart_write("\nroot: panic: ", 14);
    if (log_early_length)
        uart_write(log_early, log_early_length);
    char buf[256];
    va_list ap;
    va_start(ap, fmt);
    size_t n = log_line(buf, sizeof(buf), fmt, ap);
    va_end(ap);
    uart_write(buf, n);
    outb(0xf4, 1); /* debug-exit: the run failed, where such a port exists */
    for (;;)
        __asm__ volatile("hlt");
}
