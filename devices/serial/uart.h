/*
 * devices/serial/uart.h: a 16550A serial port. Output leaves at once through `out`; input comes
 * from the sink "serialN". PC16550D datasheet.
 */
#ifndef DEVICES_SERIAL_UART_H
#define DEVICES_SERIAL_UART_H

#include "core/bus.h"
#include "core/dev.h"
#include "core/input.h"
#include "core/irq.h"

struct uart_config {
    unsigned n; /* 0: COM1, 1: COM2 */
    uint16_t port;
    struct irq_line irq;
    void (*out)(void *opaque, const void *bytes, size_t len);
    void *opaque;
};

struct dev *uart_new(struct bus *bus, struct input *input, const struct uart_config *cfg);

#endif
