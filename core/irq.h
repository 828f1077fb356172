/*
 * core/irq.h: interrupt lines and messages. A device knows an irq_line or an msi_sink; whether a
 * PIC, an I/O APIC or (for messages) an interrupt-remapping unit listens is wiring of the board.
 */
#ifndef CORE_IRQ_H
#define CORE_IRQ_H

#include <stdint.h>

struct irq_line {
    void (*set)(void *opaque, unsigned n, int level);
    void *opaque;
    unsigned n;
};

static inline void irq_set(const struct irq_line *l, int level)
{
    if (l->set)
        l->set(l->opaque, l->n, level);
}

/* A message is a write to memory by the requester `rid` (bus << 8 | devfn). */
struct msi_sink {
    void (*send)(void *opaque, uint16_t rid, uint64_t address, uint32_t data);
    void *opaque;
    uint16_t rid;
};

static inline void msi_send(const struct msi_sink *s, uint64_t address, uint32_t data)
{
    if (s->send)
        s->send(s->opaque, s->rid, address, data);
}

#endif
