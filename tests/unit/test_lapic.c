/* Unit tests of apic/: local APIC, interconnect, I/O APIC, 8259 pair, with fake processors. */
#include "tests/lib/suite.h"

#include <string.h>

#include "abi/lapic.h"
#include "abi/pci.h"
#include "abi/x86.h"
#include "apic/apic.h"

#define LPS 2

struct fake_cpu {
    bool intr;
    unsigned nmis, inits, sipis;
    uint8_t sipi_vector;
    uint64_t page, tsc_base;
};

static struct fake_cpu cpu[LPS];
static struct clock *k;
static struct bus *bus;
static struct apic_net *net;
static struct lapic *lapic[LPS];
static struct ioapic *io;
static struct pic *pic;

static void set_intr(void *c, bool level)
{
    ((struct fake_cpu *)c)->intr = level;
}
static void nmi(void *c)
{
    ((struct fake_cpu *)c)->nmis++;
}
static void smi(void *c)
{
    (void)c;
}
static void init(void *c)
{
    ((struct fake_cpu *)c)->inits++;
}
static void sipi(void *c, uint8_t v)
{
    ((struct fake_cpu *)c)->sipis++;
    ((struct fake_cpu *)c)->sipi_vector = v;
}
static void set_page(void *c, uint64_t at)
{
    ((struct fake_cpu *)c)->page = at;
}
static const struct lp_signals signals = {set_intr, nmi, smi, init, sipi, set_page};
static uint64_t tsc(void *c)
{
    return clock_now(k) + ((struct fake_cpu *)c)->tsc_base;
}
static int extint(void *opaque)
{
    (void)opaque;
    return pic_ack(pic);
}
static void pic_intr(void *opaque, unsigned n, int level)
{
    (void)opaque;
    (void)n;
    lapic_lint(lapic[0], 0, level);
}

static void setup(void)
{
    memset(cpu, 0, sizeof cpu);
    k = clock_new();
    bus = bus_new();
    net = apic_net_new(NULL);
    const struct irq_line intr = {pic_intr, NULL, 0};
    pic = pic_new(bus, &intr);
    const struct msi_sink msi = apic_net_msi(net);
    io = ioapic_new(bus, net, &msi, 0);
    for (unsigned i = 0; i < LPS; i++) {
        const struct lapic_config cfg = {.id = i,
                                         .bsp = i == 0,
                                         .timer_hz = 1000000000,
                                         .tsc_hz = 1000000000,
                                         .signals = &signals,
                                         .cpu = &cpu[i],
                                         .tsc = tsc,
                                         .extint_ack = extint};
        lapic[i] = lapic_new(net, k, &cfg);
        dev_reset(lapic_dev(lapic[i]));
    }
    dev_reset(ioapic_dev(io));
    dev_reset(pic_dev(pic));
}

static uint32_t rd(unsigned lp, uint32_t reg)
{
    return (uint32_t)lapic_ops.mmio_read(lapic[lp], reg, 4);
}
static void wr(unsigned lp, uint32_t reg, uint32_t v)
{
    lapic_ops.mmio_write(lapic[lp], reg, 4, v);
}
static void enable(unsigned lp)
{
    wr(lp, LAPIC_SVR, LAPIC_SVR_ENABLE | 0xff);
}
static void io_entry(unsigned n, uint32_t low, uint32_t high)
{
    bus_mmio_write(bus, hpa(IOAPIC_BASE), 4, IOAPIC_REG_TABLE + 2 * n + 1);
    bus_mmio_write(bus, hpa(IOAPIC_BASE + IOAPIC_WINDOW), 4, high);
    bus_mmio_write(bus, hpa(IOAPIC_BASE), 4, IOAPIC_REG_TABLE + 2 * n);
    bus_mmio_write(bus, hpa(IOAPIC_BASE + IOAPIC_WINDOW), 4, low);
}

START_TEST(an_ipi_goes_through_irr_and_isr_to_eoi)
{
    setup();
    enable(0);
    enable(1);
    wr(0, LAPIC_ICR_HIGH, 1u << 24);
    wr(0, LAPIC_ICR, 0x41 | LAPIC_ASSERT);
    ck_assert(!cpu[0].intr);
    ck_assert(cpu[1].intr);
    ck_assert_uint_eq(rd(1, LAPIC_IRR + 0x20), 2);
    ck_assert_int_eq(lapic_ops.ack(lapic[1]), 0x41);
    ck_assert(!cpu[1].intr);
    ck_assert_uint_eq(rd(1, LAPIC_ISR + 0x20), 2);
    ck_assert_uint_eq(rd(1, LAPIC_PPR), 0x40);
    wr(1, LAPIC_EOI, 0);
    ck_assert_uint_eq(rd(1, LAPIC_ISR + 0x20), 0);
}
END_TEST

START_TEST(lower_classes_wait_for_tpr_and_isr)
{
    setup();
    enable(0);
    wr(0, LAPIC_TPR, 0x50);
    wr(0, LAPIC_ICR, 0x55 | LAPIC_SH_SELF << LAPIC_SHORTHAND_SHIFT);
    ck_assert(!cpu[0].intr);
    lapic_ops.set_cr8(lapic[0], 4);
    ck_assert(cpu[0].intr);
    ck_assert_int_eq(lapic_ops.ack(lapic[0]), 0x55);
    wr(0, LAPIC_ICR, 0x51 | LAPIC_SH_SELF << LAPIC_SHORTHAND_SHIFT);
    ck_assert(!cpu[0].intr);
    wr(0, LAPIC_ICR, 0x61 | LAPIC_SH_SELF << LAPIC_SHORTHAND_SHIFT);
    ck_assert_int_eq(lapic_ops.ack(lapic[0]), 0x61);
    wr(0, LAPIC_EOI, 0);
    wr(0, LAPIC_EOI, 0);
    ck_assert_int_eq(lapic_ops.ack(lapic[0]), 0x51);
}
END_TEST

START_TEST(init_and_startup_reach_the_others)
{
    setup();
    enable(0);
    wr(0, LAPIC_ICR, LAPIC_DM_INIT << 8 | LAPIC_ASSERT | LAPIC_SH_OTHERS << LAPIC_SHORTHAND_SHIFT);
    wr(0, LAPIC_ICR,
       LAPIC_DM_INIT << 8 | LAPIC_TRIGGER_LEVEL | LAPIC_SH_OTHERS << LAPIC_SHORTHAND_SHIFT);
    wr(0, LAPIC_ICR, LAPIC_DM_STARTUP << 8 | 0x9a | LAPIC_SH_OTHERS << LAPIC_SHORTHAND_SHIFT);
    ck_assert_uint_eq(cpu[0].inits, 0);
    ck_assert_uint_eq(cpu[1].inits, 1);
    ck_assert_uint_eq(cpu[1].sipis, 1);
    ck_assert_uint_eq(cpu[1].sipi_vector, 0x9a);
}
END_TEST

START_TEST(logical_destinations_flat_and_cluster)
{
    setup();
    enable(0);
    enable(1);
    wr(0, LAPIC_LDR, 1u << 24);
    wr(1, LAPIC_LDR, 2u << 24);
    wr(0, LAPIC_ICR_HIGH, 3u << 24);
    wr(0, LAPIC_ICR, 0x70 | LAPIC_LOGICAL);
    ck_assert(cpu[0].intr && cpu[1].intr);
    lapic_ops.ack(lapic[0]);
    lapic_ops.ack(lapic[1]);
    wr(0, LAPIC_EOI, 0);
    wr(1, LAPIC_EOI, 0);
    for (unsigned i = 0; i < LPS; i++)
        wr(i, LAPIC_DFR, 0x0fffffff);
    wr(1, LAPIC_LDR, 0x11u << 24);
    wr(0, LAPIC_ICR_HIGH, 0x11u << 24);
    wr(0, LAPIC_ICR, 0x70 | LAPIC_LOGICAL);
    ck_assert(!cpu[0].intr && cpu[1].intr);
}
END_TEST

START_TEST(illegal_vectors_are_errors)
{
    setup();
    enable(0);
    wr(0, LAPIC_LVT_ERROR, 0xe0);
    wr(0, LAPIC_ICR, 5 | LAPIC_SH_SELF << LAPIC_SHORTHAND_SHIFT);
    ck_assert_uint_eq(rd(0, LAPIC_ESR), 0);
    wr(0, LAPIC_ESR, 0);
    ck_assert_uint_eq(rd(0, LAPIC_ESR), LAPIC_ESR_SEND_ILLEGAL);
    ck_assert_int_eq(lapic_ops.ack(lapic[0]), 0xe0);
}
END_TEST

START_TEST(the_timer_counts_down_once_or_again_and_again)
{
    setup();
    enable(0);
    wr(0, LAPIC_TIMER_DIVIDE, 0xb);
    wr(0, LAPIC_LVT_TIMER, 0x40);
    wr(0, LAPIC_TIMER_INITIAL, 1000);
    ck_assert_uint_eq(clock_next(k), 1000);
    clock_advance(k, 400);
    ck_assert_uint_eq(rd(0, LAPIC_TIMER_CURRENT), 600);
    clock_advance(k, 1000);
    ck_assert_int_eq(lapic_ops.ack(lapic[0]), 0x40);
    wr(0, LAPIC_EOI, 0);
    ck_assert_uint_eq(rd(0, LAPIC_TIMER_CURRENT), 0);
    wr(0, LAPIC_LVT_TIMER, 0x40 | LAPIC_TIMER_PERIODIC);
    ck_assert_uint_eq(rd(0, LAPIC_TIMER_CURRENT), 0); /* ran out: stays so */
    wr(0, LAPIC_TIMER_DIVIDE, 0);                     /* by 2 */
    wr(0, LAPIC_TIMER_INITIAL, 100);
    ck_assert_uint_eq(clock_next(k), 1200);
    clock_advance(k, 1200);
    ck_assert_uint_eq(clock_next(k), 1400);
    ck_assert_int_eq(lapic_ops.ack(lapic[0]), 0x40);
}
END_TEST

START_TEST(a_new_divider_goes_on_from_the_current_count)
{
    setup();
    enable(0);
    wr(0, LAPIC_TIMER_DIVIDE, 0xb);
    wr(0, LAPIC_LVT_TIMER, 0x40);
    wr(0, LAPIC_TIMER_INITIAL, 1000);
    clock_advance(k, 500);
    wr(0, LAPIC_TIMER_DIVIDE, 1); /* by 4 */
    ck_assert_uint_eq(rd(0, LAPIC_TIMER_INITIAL), 1000);
    ck_assert_uint_eq(rd(0, LAPIC_TIMER_CURRENT), 500);
    ck_assert_uint_eq(clock_next(k), 500 + 4 * 500);
}
END_TEST

START_TEST(the_tsc_deadline_fires_when_the_tsc_gets_there)
{
    uint64_t v;
    setup();
    enable(0);
    cpu[0].tsc_base = 5000;
    ck_assert(lapic_ops.msr_write(lapic[0], MSR_TSC_DEADLINE, 9000));
    ck_assert_uint_eq(clock_next(k), CLOCK_NEVER); /* not in deadline mode: ignored */
    wr(0, LAPIC_LVT_TIMER, 0x40 | LAPIC_TIMER_DEADLINE);
    ck_assert(lapic_ops.msr_write(lapic[0], MSR_TSC_DEADLINE, 9000));
    ck_assert_uint_eq(clock_next(k), 4000);
    clock_advance(k, 4000);
    ck_assert(cpu[0].intr);
    ck_assert(lapic_ops.msr_read(lapic[0], MSR_TSC_DEADLINE, &v));
    ck_assert_uint_eq(v, 0);
}
END_TEST

START_TEST(x2apic_mode_has_msrs_no_page_and_strict_checks)
{
    uint64_t v;
    setup();
    ck_assert_uint_eq(cpu[1].page, LAPIC_BASE);
    ck_assert(!lapic_ops.msr_read(lapic[1], 0x802, &v));
    ck_assert(!lapic_ops.msr_write(lapic[1], MSR_APIC_BASE, LAPIC_BASE | APIC_BASE_EXTD));
    ck_assert(
        lapic_ops.msr_write(lapic[1], MSR_APIC_BASE, LAPIC_BASE | APIC_BASE_EXTD | APIC_BASE_EN));
    ck_assert_uint_eq(cpu[1].page, UINT64_MAX);
    ck_assert(lapic_ops.msr_read(lapic[1], 0x802, &v));
    ck_assert_uint_eq(v, 1);
    ck_assert(lapic_ops.msr_read(lapic[1], 0x80d, &v));
    ck_assert_uint_eq(v, 2);
    ck_assert(!lapic_ops.msr_write(lapic[1], 0x80b, 1));
    ck_assert(!lapic_ops.msr_write(lapic[1], 0x80d, 1));
    ck_assert(lapic_ops.msr_write(lapic[1], 0x80f, 0x1ff));
    ck_assert(lapic_ops.msr_write(lapic[1], 0x83f, 0x99));
    ck_assert_int_eq(lapic_ops.ack(lapic[1]), 0x99);
    ck_assert(!lapic_ops.msr_write(lapic[1], MSR_APIC_BASE, LAPIC_BASE | APIC_BASE_EN));
}
END_TEST

START_TEST(an_edge_pin_interrupts_once_per_edge)
{
    setup();
    enable(0);
    io_entry(4, 0x34, 0);
    const struct irq_line pin = ioapic_pin(io, 4);
    irq_set(&pin, 1);
    irq_set(&pin, 1);
    ck_assert_int_eq(lapic_ops.ack(lapic[0]), 0x34);
    wr(0, LAPIC_EOI, 0);
    ck_assert(!cpu[0].intr);
    irq_set(&pin, 0);
    irq_set(&pin, 1);
    ck_assert(cpu[0].intr);
}
END_TEST

START_TEST(a_level_pin_comes_back_after_eoi_until_it_falls)
{
    setup();
    enable(1);
    io_entry(9, 0x39 | LAPIC_TRIGGER_LEVEL, 1u << 24);
    const struct irq_line pin = ioapic_pin(io, 9);
    irq_set(&pin, 1);
    ck_assert_int_eq(lapic_ops.ack(lapic[1]), 0x39);
    ck_assert(!cpu[1].intr);
    wr(1, LAPIC_EOI, 0);
    ck_assert(cpu[1].intr);
    ck_assert_int_eq(lapic_ops.ack(lapic[1]), 0x39);
    irq_set(&pin, 0);
    wr(1, LAPIC_EOI, 0);
    ck_assert(!cpu[1].intr);
}
END_TEST

START_TEST(a_message_is_decoded_like_the_manual_says)
{
    setup();
    enable(1);
    const struct msi_sink s = apic_net_msi(net);
    msi_send(&s, MSI_ADDR_BASE | 1u << MSI_ADDR_DEST_SHIFT, 0x4051);
    ck_assert_int_eq(lapic_ops.ack(lapic[1]), 0x51);
    msi_send(&s, MSI_ADDR_BASE | 1u << MSI_ADDR_DEST_SHIFT,
             LAPIC_DM_NMI << MSI_DATA_DELIVERY_SHIFT);
    ck_assert_uint_eq(cpu[1].nmis, 1);
}
END_TEST

static void pic_setup(uint8_t mask0, uint8_t mask1)
{
    static const uint8_t icw0[] = {0x20, 0x04, 0x01}, icw1[] = {0x28, 0x02, 0x01};
    bus_port_write(bus, 0x20, 1, 0x11);
    bus_port_write(bus, 0xa0, 1, 0x11);
    for (unsigned i = 0; i < 3; i++) {
        bus_port_write(bus, 0x21, 1, icw0[i]);
        bus_port_write(bus, 0xa1, 1, icw1[i]);
    }
    bus_port_write(bus, 0x21, 1, mask0);
    bus_port_write(bus, 0xa1, 1, mask1);
}

START_TEST(the_8259_pair_interrupts_through_lint0)
{
    setup();
    pic_setup(0xf8, 0xfe);
    const struct irq_line irq0 = pic_pin(pic, 0), irq8 = pic_pin(pic, 8);
    irq_set(&irq8, 1);
    ck_assert(cpu[0].intr);
    ck_assert_int_eq(lapic_ops.ack(lapic[0]), 0x28);
    irq_set(&irq0, 1); /* higher priority: nests */
    ck_assert_int_eq(lapic_ops.ack(lapic[0]), 0x20);
    ck_assert(!cpu[0].intr);
    bus_port_write(bus, 0x20, 1, 0x20);
    bus_port_write(bus, 0xa0, 1, 0x20);
    bus_port_write(bus, 0x20, 1, 0x20);
    irq_set(&irq0, 0);
    irq_set(&irq0, 1);
    ck_assert(cpu[0].intr);
    bus_port_write(bus, 0x21, 1, 0xff);
    ck_assert(!cpu[0].intr);
}
END_TEST

START_TEST(the_8259_pair_interrupts_through_the_io_apic)
{
    setup();
    pic_setup(0xfe, 0xff);
    wr(0, LAPIC_LVT_LINT0, LAPIC_MASKED);
    io_entry(0, LAPIC_DM_EXTINT << LAPIC_DELIVERY_SHIFT, 1u << 24);
    const struct irq_line irq0 = pic_pin(pic, 0), pin = ioapic_pin(io, 0);
    irq_set(&irq0, 1);
    ck_assert(!cpu[0].intr);
    irq_set(&pin, 1);
    ck_assert(cpu[1].intr); /* though its APIC is not enabled by software */
    ck_assert_int_eq(lapic_ops.ack(lapic[1]), 0x20);
    ck_assert(!cpu[1].intr);
}
END_TEST

START_TEST(an_init_clears_registers_but_not_id_and_base)
{
    setup();
    enable(1);
    wr(1, LAPIC_TPR, 0x80);
    wr(1, LAPIC_LVT_TIMER, 0x40);
    wr(1, LAPIC_TIMER_INITIAL, 1000);
    lapic_ops.init(lapic[1]);
    ck_assert_uint_eq(rd(1, LAPIC_TPR), 0);
    ck_assert_uint_eq(rd(1, LAPIC_ID), 1u << 24);
    ck_assert_uint_eq(rd(1, LAPIC_SVR), 0xff);
    ck_assert_uint_eq(clock_next(k), CLOCK_NEVER);
}
END_TEST

START_TEST(switching_it_off_and_on_brings_back_the_id)
{
    setup();
    wr(1, LAPIC_ID, 7u << 24);
    ck_assert_uint_eq(rd(1, LAPIC_ID), 7u << 24);
    ck_assert(lapic_ops.msr_write(lapic[1], MSR_APIC_BASE, LAPIC_BASE));
    ck_assert(lapic_ops.msr_write(lapic[1], MSR_APIC_BASE, LAPIC_BASE | APIC_BASE_EN));
    ck_assert_uint_eq(rd(1, LAPIC_ID), 1u << 24);
}
END_TEST

START_TEST(a_performance_interrupt_masks_its_entry)
{
    setup();
    enable(0);
    lapic_ops.pmi(lapic[0]); /* masked: nothing */
    ck_assert(!cpu[0].intr);
    wr(0, LAPIC_LVT_PERF, 0x77);
    lapic_ops.pmi(lapic[0]);
    ck_assert(cpu[0].intr);
    ck_assert_int_eq(lapic_ops.ack(lapic[0]), 0x77);
    ck_assert_uint_eq(rd(0, LAPIC_LVT_PERF), LAPIC_MASKED | 0x77);
    wr(0, LAPIC_LVT_PERF, LAPIC_DM_NMI << LAPIC_DELIVERY_SHIFT);
    lapic_ops.pmi(lapic[0]);
    lapic_ops.pmi(lapic[0]);
    ck_assert_uint_eq(cpu[0].nmis, 1);
}
END_TEST

SUITE("lapic", an_ipi_goes_through_irr_and_isr_to_eoi, lower_classes_wait_for_tpr_and_isr,
      init_and_startup_reach_the_others, logical_destinations_flat_and_cluster,
      illegal_vectors_are_errors, the_timer_counts_down_once_or_again_and_again,
      a_new_divider_goes_on_from_the_current_count, the_tsc_deadline_fires_when_the_tsc_gets_there,
      x2apic_mode_has_msrs_no_page_and_strict_checks, an_edge_pin_interrupts_once_per_edge,
      a_level_pin_comes_back_after_eoi_until_it_falls, a_message_is_decoded_like_the_manual_says,
      the_8259_pair_interrupts_through_lint0, the_8259_pair_interrupts_through_the_io_apic,
      an_init_clears_registers_but_not_id_and_base, switching_it_off_and_on_brings_back_the_id,
      a_performance_interrupt_masks_its_entry)
