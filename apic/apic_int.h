/* apic/apic_int.h: between the local APIC and the interconnect. */
#ifndef APIC_APIC_INT_H
#define APIC_APIC_INT_H

#include "apic/apic.h"

enum { LVT_TIMER, LVT_THERMAL, LVT_PERF, LVT_LINT0, LVT_LINT1, LVT_ERROR, LVT_COUNT };

struct lapic {
    struct dev dev;
    /* configuration and wiring */
    struct lapic_config cfg;
    struct apic_net *net;
    struct clock *clock;
    struct clock_event timer;
    /* state */
    uint64_t base, icr, timer_start_ns, deadline;
    uint32_t id, ldr, dfr, svr, esr, esr_pending;
    uint32_t irr[8], isr[8], tmr[8];
    uint32_t lvt[LVT_COUNT];
    uint32_t timer_initial, timer_divide;
    uint8_t tpr, timer_expired;
    uint8_t lint[2];
    uint8_t extint; /* an ExtINT message waits for its INTA cycle */
};

bool lapic_enabled(const struct lapic *l);
bool lapic_x2(const struct lapic *l);
void lapic_accept(struct lapic *l, uint8_t vector, uint8_t delivery, bool level);

void apic_net_add(struct apic_net *n, struct lapic *l);
void apic_net_ipi(struct apic_net *n, struct lapic *from, const struct apic_message *m,
                  unsigned shorthand);
void apic_net_eoi(struct apic_net *n, uint8_t vector);
void apic_net_trace_eoi(const struct lapic *l, uint8_t vector);

#endif
