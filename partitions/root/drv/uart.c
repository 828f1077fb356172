/*
 * drv/uart.c: COM1, a 16550 at 0x3f8, IRQ 4: polled output, input by interrupt.
 */
#include "partitions/root/drv/drv.h"
#include "partitions/root/kern/kern.h"

#define COM1      0x3f8
#define COM1_IRQ  4
#define UART_DATA (COM1 + 0)
#define UART_IER  (COM1 + 1)
#define UART_FCR  (COM1 + 2)
#define UART_LCR  (COM1 + 3)
#define UART_MCR  (COM1 + 4)
#define UART_LSR  (COM1 + 5)
#define LSR_READY 0x01
#define LSR_EMPTY 0x20

static bool uart_there;
static void (*uart_input)(uint8_t c);

void uart_init(void)
{
    uart_there = inb(UART_LSR) != 0xff;
    if (!uart_there)
        return;
    outb(UART_IER, 0);
    outb(UART_LCR, 0x80);
    outb(UART_DATA, 1); /* 115200 */
    outb(UART_IER, 0);
    outb(UART_LCR, 3); /* 8N1 */
    outb(UART_FCR, 0x07);
    outb(UART_MCR, 0x0b);
}

static void uart_put(char c)
{
    for (unsigned i = 0; i < 100000 && !(inb(UART_LSR) & LSR_EMPTY); i++)
        ;
    outb(UART_DATA, (uint8_t)c);
}

void uart_write(const char *text, size_t n)
{
    if (!uart_there)
        return;
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\n')
            uart_put('\r');
        uart_put(text[i]);
    }
}

static void uart_interrupt(void *arg)
{
    (void)arg;
    while (inb(UART_LSR) & LSR_READY)
        uart_input(inb(UART_DATA));
}

void uart_listen(void (*input)(uint8_t c))
{
    if (!uart_there)
        return;
    uart_input = input;
    trap_handle(VEC_IRQ_BASE + COM1_IRQ, uart_interrupt, 0);
    apic_ioapic_route(COM1_IRQ, VEC_IRQ_BASE + COM1_IRQ);
    outb(UART_IER, 1);
    uart_interrupt(0);
}
