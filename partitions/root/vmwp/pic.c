/*
 * vmwp/pic.c: the pair of 8259A interrupt controllers (Intel 8259A data sheet), fixed priority,
 * edge or level by the ELCR at 0x4d0.
 *
 * Not modelled: rotation of priorities, special mask mode, poll mode, special fully nested mode.
 */
#include "partitions/root/vmwp/models.h"

void pic_init(struct pic *p)
{
    *p = (struct pic){0};
    p->half[0].imr = p->half[1].imr = 0xff;
}

static int pic_highest(uint8_t bits)
{
    return bits ? __builtin_ctz(bits) : 8;
}

static bool pic_half_pending(const struct pic_half *h)
{
    return h->ready && pic_highest(h->irr & (uint8_t)~h->imr) < pic_highest(h->isr);
}

/* The slave's output is line 2 of the master. */
static void pic_cascade(struct pic *p)
{
    if (pic_half_pending(&p->half[1]))
        p->half[0].irr |= 4;
    else
        p->half[0].irr &= (uint8_t)~4;
}

bool pic_pending(const struct pic *p)
{
    return pic_half_pending(&p->half[0]);
}

void pic_line(struct pic *p, unsigned irq, bool high)
{
    struct pic_half *h = &p->half[irq >> 3 & 1];
    uint8_t bit = (uint8_t)(1u << (irq & 7));
    if (high) {
        if ((h->elcr & bit) || !(h->lines & bit))
            h->irr |= bit;
        h->lines |= bit;
    } else {
        h->lines &= (uint8_t)~bit;
        h->irr &= (uint8_t)~bit; /* a request withdrawn before its acknowledge is lost */
    }
    pic_cascade(p);
}

static uint8_t pic_half_acknowledge(struct pic_half *h)
{
    int n = pic_highest(h->irr & (uint8_t)~h->imr);
    if (n == 8)
        return (uint8_t)(h->base + 7);
    uint8_t bit = (uint8_t)(1u << n);
    if (!(h->elcr & bit))
        h->irr &= (uint8_t)~bit;
    if (!h->auto_eoi)
        h->isr |= bit;
    return (uint8_t)(h->base + n);
}

uint8_t pic_acknowledge(struct pic *p)
{
    uint8_t v = pic_half_acknowledge(&p->half[0]);
    if (v == (uint8_t)(p->half[0].base + 2))
        v = pic_half_acknowledge(&p->half[1]);
    pic_cascade(p);
    return v;
}

uint8_t pic_in(struct pic *p, uint16_t port)
{
    if (port == 0x4d0 || port == 0x4d1)
        return p->half[port & 1].elcr;
    const struct pic_half *h = &p->half[port >= 0xa0];
    if (port & 1)
        return h->imr;
    return h->read_isr ? h->isr : h->irr;
}

static void pic_command(struct pic_half *h, uint8_t v)
{
    if (v & 0x10) { /* ICW1 */
        uint8_t elcr = h->elcr, lines = h->lines;
        *h = (struct pic_half){.elcr = elcr, .lines = lines, .icw4 = v & 1, .init_step = 2};
    } else if (v & 8) { /* OCW3 */
        if (v & 2)
            h->read_isr = v & 1;
    } else if ((v & 0xe0) == 0x60) { /* specific EOI */
        h->isr &= (uint8_t) ~(1u << (v & 7));
    } else if ((v & 0xe0) == 0x20) { /* EOI */
        h->isr &= (uint8_t)(h->isr - 1);
    }
}

static void pic_data(struct pic_half *h, uint8_t v)
{
    switch (h->init_step) {
    case 2:
        h->base = v & 0xf8;
        h->init_step = 3;
        return;
    case 3:
        h->init_step = h->icw4 ? 4 : 0;
        h->ready = !h->icw4;
        return;
    case 4:
        h->auto_eoi = v & 2;
        h->init_step = 0;
        h->ready = true;
        return;
    default:
        h->imr = v;
    }
}

void pic_out(struct pic *p, uint16_t port, uint8_t v)
{
    if (port == 0x4d0 || port == 0x4d1) {
        p->half[port & 1].elcr = v & (port & 1 ? 0xde : 0xf8);
        return;
    }
    struct pic_half *h = &p->half[port >= 0xa0];
    if (port & 1)
        pic_data(h, v);
    else
        pic_command(h, v);
    pic_cascade(p);
}
