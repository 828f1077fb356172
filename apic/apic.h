/*
 * apic/apic.h: interrupt controllers: local APICs and the interconnect between them, I/O APIC, 8259
 * pair. SDM 3A 11; 82093AA; 8259A.
 */
#ifndef APIC_APIC_H
#define APIC_APIC_H

#include <stdbool.h>
#include <stdint.h>

#include "core/bus.h"
#include "core/clock.h"
#include "core/dev.h"
#include "core/irq.h"
#include "core/lp.h"

struct trace;

/* ---- interconnect: who gets an interrupt message (SDM 3A 11.6.2) ---- */
struct apic_net;
struct lapic;

struct apic_message {
    uint32_t dest; /* APIC id or logical mask */
    uint8_t vector;
    uint8_t delivery; /* LAPIC_DM_* */
    bool logical, level, assert, x2apic_dest;
};

struct apic_net *apic_net_new(struct trace *trace);
void apic_net_free(struct apic_net *n);
/* Messages of MSI capable devices and of the I/O APIC (SDM 3A 11.11), decoded. */
struct msi_sink apic_net_msi(struct apic_net *n);
void apic_net_send(struct apic_net *n, const struct apic_message *m);
/* A level interrupt's EOI is broadcast: the I/O APIC listens. */
void apic_net_on_eoi(struct apic_net *n, void (*eoi)(void *opaque, uint8_t vector), void *opaque);

/* ---- local APIC ---- */
struct lapic_config {
    uint32_t id;
    bool bsp;
    uint64_t timer_hz; /* input clock of the timer at divide-by-1 */
    uint64_t tsc_hz;
    const struct lp_signals *signals;
    void *cpu;
    uint64_t (*tsc)(void *cpu);      /* what RDTSC reads there now */
    int (*extint_ack)(void *opaque); /* INTA cycle to the 8259 pair for ExtINT */
    void *extint_opaque;
    bool no_x2apic, no_deadline; /* not announced: their bits are reserved */
};
struct lapic *lapic_new(struct apic_net *net, struct clock *clock, const struct lapic_config *cfg);
struct dev *lapic_dev(struct lapic *l);
extern const struct lp_apic_ops lapic_ops;
/* Level of the local pins: LINT0 (INTR of the 8259 pair), LINT1 (NMI). */
void lapic_lint(struct lapic *l, unsigned pin, int level);
void lapic_init_signal(struct lapic *l); /* INIT: all but id and APIC base */
uint64_t lapic_tsc_deadline(const struct lapic *l);

/* ---- I/O APIC ---- */
struct ioapic;
/* Its interrupts are messages to `msi`; the interconnect tells it of EOIs. */
struct ioapic *ioapic_new(struct bus *bus, struct apic_net *net, const struct msi_sink *msi,
                          uint8_t id);
struct dev *ioapic_dev(struct ioapic *io);
struct irq_line ioapic_pin(struct ioapic *io, unsigned pin);

/* ---- 8259 pair ---- */
struct pic;
struct pic *pic_new(struct bus *bus, const struct irq_line *intr); /* intr: to LINT0 of the BSP */
struct dev *pic_dev(struct pic *p);
struct irq_line pic_pin(struct pic *p, unsigned irq); /* 0..15 but 2 */
int pic_ack(void *pic);                               /* INTA: vector */

#endif
