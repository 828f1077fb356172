/*
 * devices/serial/uart.c: 16550A (uart.h): registers, receive FIFO, interrupts by priority.
 *
 * The transmitter is always empty: what is written is sent in no time, so polling drivers never
 * wait. Not modelled: baud rate, break, parity and framing errors, modem lines but loop-back.
 */
#include "devices/serial/uart.h"

#include <stdlib.h>
#include <string.h>

#define FIFO 16

enum { RBR = 0, IER = 1, IIR = 2, LCR = 3, MCR = 4, LSR = 5, MSR = 6, SCR = 7 };
#define IER_RX    1
#define IER_THRE  2
#define IER_LINE  4
#define LSR_DR    0x01
#define LSR_OE    0x02
#define LSR_THRE  0x20
#define LSR_TEMT  0x40
#define LCR_DLAB  0x80
#define MCR_OUT2  0x08
#define MCR_LOOP  0x10
#define MSR_READY 0xb0 /* DCD, DSR, CTS */

struct uart {
    struct dev dev;
    struct uart_config cfg;
    struct input *input;
    /* state */
    uint8_t ier, lcr, mcr, scr, fcr, lsr_errors;
    uint8_t fifo[FIFO], count, thre_pending;
    uint16_t divisor;
};

static const struct field fields[] = {
    FIELD(struct uart, ier, 0, "interrupt enable"),
    FIELD(struct uart, lcr, 0, "line control"),
    FIELD(struct uart, mcr, 0, "modem control"),
    FIELD(struct uart, scr, 0, "scratch"),
    FIELD(struct uart, fcr, 0, "FIFO control"),
    FIELD(struct uart, lsr_errors, 0, "latched line errors"),
    FIELD_ARRAY(struct uart, fifo, 0, "receive FIFO"),
    FIELD(struct uart, count, 0, "bytes in the FIFO"),
    FIELD(struct uart, thre_pending, 0, "transmitter interrupt not yet read"),
    FIELD(struct uart, divisor, 12, "baud divisor"),
    FIELD_END,
};

static unsigned fifo_size(const struct uart *u)
{
    return u->fcr & 1 ? FIFO : 1;
}

static unsigned trigger(const struct uart *u)
{
    static const uint8_t level[4] = {1, 4, 8, 14};
    return u->fcr & 1 ? level[u->fcr >> 6] : 1;
}

/* Interrupt identification without the FIFO bits; 1: none. */
static uint8_t cause(const struct uart *u)
{
    if ((u->ier & IER_LINE) && u->lsr_errors)
        return 6;
    if ((u->ier & IER_RX) && u->count >= trigger(u))
        return 4;
    if ((u->ier & IER_RX) && u->count)
        return 0xc; /* character time-out: at once */
    if ((u->ier & IER_THRE) && u->thre_pending)
        return 2;
    return 1;
}

static void update(struct uart *u)
{
    irq_set(&u->cfg.irq, cause(u) != 1 && (u->mcr & MCR_OUT2) && !(u->mcr & MCR_LOOP));
}

static void receive(struct uart *u, uint8_t byte)
{
    if (u->count == fifo_size(u)) {
        u->lsr_errors |= LSR_OE;
        return;
    }
    u->fifo[u->count++] = byte;
}

static uint8_t take(struct uart *u)
{
    const uint8_t v = u->fifo[0];
    if (u->count) {
        memmove(u->fifo, u->fifo + 1, FIFO - 1);
        u->count--;
    }
    return v;
}

static uint8_t modem_status(const struct uart *u)
{
    if (!(u->mcr & MCR_LOOP))
        return MSR_READY;
    return (uint8_t)((u->mcr & 2) << 3 | (u->mcr & 1) << 5 | (u->mcr & 0xc) << 4);
}

static uint64_t uart_read(void *dev, uint64_t offset, unsigned size)
{
    struct uart *u = dev;
    uint8_t v = 0;
    (void)size;
    switch (offset) {
    case RBR:
        v = u->lcr & LCR_DLAB ? (uint8_t)u->divisor : take(u);
        break;
    case IER:
        v = u->lcr & LCR_DLAB ? (uint8_t)(u->divisor >> 8) : u->ier;
        break;
    case IIR:
        v = cause(u);
        if (v == 2)
            u->thre_pending = 0;
        v |= u->fcr & 1 ? 0xc0 : 0;
        break;
    case LCR:
        v = u->lcr;
        break;
    case MCR:
        v = u->mcr;
        break;
    case LSR:
        v = (uint8_t)(LSR_THRE | LSR_TEMT | u->lsr_errors | (u->count ? LSR_DR : 0));
        u->lsr_errors = 0;
        break;
    case MSR:
        v = modem_status(u);
        break;
    default:
        v = u->scr;
        break;
    }
    update(u);
    return v;
}

static void transmit(struct uart *u, uint8_t v)
{
    u->thre_pending = 1;
    if (u->mcr & MCR_LOOP)
        receive(u, v);
    else if (u->cfg.out)
        u->cfg.out(u->cfg.opaque, &v, 1);
}

static void uart_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    struct uart *u = dev;
    const uint8_t v = (uint8_t)value;
    (void)size;
    switch (offset) {
    case RBR:
        if (u->lcr & LCR_DLAB)
            u->divisor = (uint16_t)((u->divisor & 0xff00) | v);
        else
            transmit(u, v);
        break;
    case IER:
        if (u->lcr & LCR_DLAB) {
            u->divisor = (uint16_t)((u->divisor & 0xff) | v << 8);
        } else {
            if ((v & ~u->ier) & IER_THRE)
                u->thre_pending = 1;
            u->ier = v & 0xf;
        }
        break;
    case IIR:
        if ((v & 2) || ((v ^ u->fcr) & 1))
            u->count = 0;
        u->fcr = v & 0xc9;
        break;
    case LCR:
        u->lcr = v;
        break;
    case MCR:
        u->mcr = v & 0x1f;
        break;
    case SCR:
        u->scr = v;
        break;
    default:
        break;
    }
    update(u);
}

static const struct bus_ops ops = {uart_read, uart_write, 1};

static size_t accept(void *opaque, const uint8_t *bytes, size_t len)
{
    struct uart *u = opaque;
    size_t n = 0;
    while (n < len && u->count < fifo_size(u) && !(u->mcr & MCR_LOOP))
        receive(u, bytes[n++]);
    update(u);
    return n;
}

static void uart_free(struct dev *d)
{
    free(d);
}
static void uart_reset(struct dev *d)
{
    update((struct uart *)d);
}
static const struct dev_class uart_class = {"uart", fields, uart_reset, uart_free, NULL};

struct dev *uart_new(struct bus *bus, struct input *input, const struct uart_config *cfg)
{
    static const char *const ids[] = {"serial0", "serial1", "serial2", "serial3"};
    struct uart *u = calloc(1, sizeof *u);
    if (!u)
        return NULL;
    u->dev = (struct dev){.cls = &uart_class, .id = ids[cfg->n & 3]};
    u->cfg = *cfg;
    u->input = input;
    const struct input_sink sink = {u->dev.id, accept, u};
    if (bus_map_port(bus, cfg->port, 8, &ops, u, u->dev.id) || input_add_sink(input, &sink) < 0) {
        free(u);
        return NULL;
    }
    return &u->dev;
}
