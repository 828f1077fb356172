/*
 * vmwp/uart.c: 16550A UART (National PC16550D data sheet). Output is instantaneous; input waits in
 * a buffer far deeper than the FIFO, so nothing typed is lost.
 *
 * Not modelled: baud rate, receive trigger levels and time-outs (an interrupt as soon as there is
 * a byte), parity and framing errors, modem inputs that change.
 */
#include "partitions/root/vmwp/models.h"

#define IER_RX   1
#define IER_THR  2
#define LCR_DLAB 0x80
#define MCR_LOOP 0x10
#define MCR_OUT2 0x08
#define LSR_DR   0x01
#define LSR_OE   0x02
#define LSR_THRE 0x20
#define LSR_TEMT 0x40
#define IIR_NONE 1
#define IIR_THR  2
#define IIR_RX   4
#define IIR_LINE 6

static uint8_t uart_cause(const struct uart *u)
{
    if ((u->ier & 4) && u->overrun)
        return IIR_LINE;
    if ((u->ier & IER_RX) && u->rx_count)
        return IIR_RX;
    if ((u->ier & IER_THR) && u->thr_pending)
        return IIR_THR;
    return IIR_NONE;
}

static void uart_update(struct uart *u)
{
    bool high = uart_cause(u) != IIR_NONE && (u->mcr & MCR_OUT2) && !(u->mcr & MCR_LOOP);
    if (high == u->line)
        return;
    u->line = high;
    u->set_line(u->ctx, u->irq, high);
}

void uart_model_init(struct uart *u)
{
    u->lcr = 3;
    u->dll = 12;
    u->thr_pending = true;
}

size_t uart_receive(struct uart *u, const uint8_t *data, size_t n)
{
    size_t taken = 0;
    for (; taken < n && u->rx_count < UART_RX_ROOM; taken++)
        u->rx[(u->rx_head + u->rx_count++) % UART_RX_ROOM] = data[taken];
    uart_update(u);
    return taken;
}

static uint8_t uart_pop(struct uart *u)
{
    if (!u->rx_count)
        return 0;
    uint8_t c = u->rx[u->rx_head];
    u->rx_head = (u->rx_head + 1) % UART_RX_ROOM;
    u->rx_count--;
    return c;
}

static uint8_t uart_msr(const struct uart *u)
{
    if (!(u->mcr & MCR_LOOP))
        return 0xb0; /* DCD, DSR, CTS */
    return (uint8_t)((u->mcr & 2) << 3 | (u->mcr & 1) << 5 | (u->mcr & 0xc) << 4);
}

uint8_t uart_in(struct uart *u, unsigned reg)
{
    uint8_t v = 0;
    switch (reg) {
    case 0:
        if (u->lcr & LCR_DLAB)
            return u->dll;
        v = uart_pop(u);
        break;
    case 1:
        return u->lcr & LCR_DLAB ? u->dlm : u->ier;
    case 2:
        v = uart_cause(u);
        if (v == IIR_THR)
            u->thr_pending = false;
        v |= u->fifo ? 0xc0 : 0;
        break;
    case 3:
        return u->lcr;
    case 4:
        return u->mcr;
    case 5:
        v = (uint8_t)(LSR_THRE | LSR_TEMT | (u->rx_count ? LSR_DR : 0) | (u->overrun ? LSR_OE : 0));
        if (!u->overrun)
            return v;
        u->overrun = false;
        break;
    case 6:
        return uart_msr(u);
    case 7:
        return u->scr;
    }
    uart_update(u);
    return v;
}

static void uart_transmit(struct uart *u, uint8_t v)
{
    u->thr_pending = true;
    if (!(u->mcr & MCR_LOOP)) {
        u->transmit(u->ctx, v);
    } else {
        uart_receive(u, &v, 1);
    }
}

void uart_out(struct uart *u, unsigned reg, uint8_t v)
{
    switch (reg) {
    case 0:
        if (u->lcr & LCR_DLAB)
            u->dll = v;
        else
            uart_transmit(u, v);
        break;
    case 1:
        if (u->lcr & LCR_DLAB) {
            u->dlm = v;
            break;
        }
        if ((v & IER_THR) && !(u->ier & IER_THR))
            u->thr_pending = true;
        u->ier = v & 0x0f;
        break;
    case 2:
        u->fifo = v & 1;
        if (v & 2)
            u->rx_count = 0;
        break;
    case 3:
        u->lcr = v;
        break;
    case 4:
        u->mcr = v & 0x1f;
        break;
    case 7:
        u->scr = v;
        break;
    default:
        break;
    }
    uart_update(u);
}
