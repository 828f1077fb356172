/*
 * apic/net.c: destinations of interrupt messages: physical, logical flat and cluster, x2APIC,
 * shorthands, lowest priority (SDM 3A 11.6.2, 11.12.10), and MSI decoding (11.11).
 * Lowest priority goes to the candidate with the lowest task priority, ties to the lowest id.
 */
#include <stdlib.h>

#include "abi/lapic.h"
#include "abi/pci.h"
#include "apic/apic_int.h"
#include "core/trace.h"

#define NET_MAX 16

struct apic_net {
    struct lapic *l[NET_MAX];
    unsigned count;
    struct trace *trace;
    void (*eoi)(void *opaque, uint8_t vector);
    void *eoi_opaque;
};

struct apic_net *apic_net_new(struct trace *trace)
{
    struct apic_net *n = calloc(1, sizeof *n);
    if (n)
        n->trace = trace;
    return n;
}

void apic_net_free(struct apic_net *n)
{
    free(n);
}

void apic_net_add(struct apic_net *n, struct lapic *l)
{
    if (n->count < NET_MAX)
        n->l[n->count++] = l;
}

static bool logical_match(const struct lapic *l, uint32_t dest, bool x2)
{
    if (lapic_x2(l)) {
        if (!x2)
            dest = (dest & 0xff) << 24 >> 24; /* 8-bit messages name cluster 0 */
        return dest == 0xffffffff ||
               (dest >> 16 == l->id >> 4 && (dest & 0xffff) >> (l->id & 15) & 1);
    }
    const uint32_t mine = l->ldr >> 24;
    if (l->dfr >> 28 == 0xf)
        return mine & dest & 0xff;
    return (mine >> 4 == (dest >> 4 & 0xf) || (dest >> 4 & 0xf) == 0xf) && (mine & dest & 0xf);
}

static bool matches(const struct lapic *l, const struct apic_message *m)
{
    if (m->dest == 0xffffffff || (!m->x2apic_dest && m->dest == 0xff))
        return true;
    return m->logical ? logical_match(l, m->dest, m->x2apic_dest) : l->id == m->dest;
}

static void accept(struct apic_net *n, struct lapic *l, const struct apic_message *m)
{
    if (trace_on(n->trace, TP_apic_accept))
        trace_emit(n->trace, TP_apic_accept, (uint8_t)l->cfg.id, 0, clock_now(l->clock), l->cfg.id,
                   m->vector, m->delivery, 0, 0, 0);
    lapic_accept(l, m->vector, m->delivery, m->level);
}

void apic_net_send(struct apic_net *n, const struct apic_message *m)
{
    struct lapic *lowest = NULL;
    for (unsigned i = 0; i < n->count; i++) {
        struct lapic *l = n->l[i];
        if (!matches(l, m))
            continue;
        if (m->delivery != LAPIC_DM_LOWEST)
            accept(n, l, m);
        else if (lapic_enabled(l) && (!lowest || l->tpr < lowest->tpr))
            lowest = l;
    }
    if (lowest)
        accept(n, lowest, m);
}

void apic_net_ipi(struct apic_net *n, struct lapic *from, const struct apic_message *m,
                  unsigned shorthand)
{
    if (trace_on(n->trace, TP_apic_ipi))
        trace_emit(n->trace, TP_apic_ipi, (uint8_t)from->cfg.id, 0, clock_now(from->clock),
                   from->cfg.id, from->icr, 0, 0, 0, 0);
    if (shorthand == LAPIC_SH_NONE) {
        apic_net_send(n, m);
        return;
    }
    for (unsigned i = 0; i < n->count; i++) {
        struct lapic *l = n->l[i];
        if (shorthand == LAPIC_SH_ALL || (shorthand == LAPIC_SH_SELF) == (l == from))
            accept(n, l, m);
    }
}

void apic_net_on_eoi(struct apic_net *n, void (*eoi)(void *opaque, uint8_t vector), void *opaque)
{
    n->eoi = eoi;
    n->eoi_opaque = opaque;
}

void apic_net_eoi(struct apic_net *n, uint8_t vector)
{
    if (n->eoi)
        n->eoi(n->eoi_opaque, vector);
}

void apic_net_trace_eoi(const struct lapic *l, uint8_t vector)
{
    if (trace_on(l->net->trace, TP_apic_eoi))
        trace_emit(l->net->trace, TP_apic_eoi, (uint8_t)l->cfg.id, 0, clock_now(l->clock),
                   l->cfg.id, vector, 0, 0, 0, 0);
}

static void msi(void *opaque, uint16_t rid, uint64_t address, uint32_t data)
{
    (void)rid;
    const struct apic_message m = {
        .dest = address >> MSI_ADDR_DEST_SHIFT & 0xff,
        .vector = data & MSI_DATA_VECTOR,
        .delivery = data >> MSI_DATA_DELIVERY_SHIFT & 7,
        .logical = address & MSI_ADDR_LOGICAL,
        .level = data & MSI_DATA_LEVEL,
        .assert = true,
    };
    apic_net_send(opaque, &m);
}

struct msi_sink apic_net_msi(struct apic_net *n)
{
    return (struct msi_sink){.send = msi, .opaque = n};
}
