/*
 * machine/board_chipset.c: builders of the chipset's devices: bridges, timers, power management,
 * serial ports (machine/devices.def).
 */
#include "abi/pci.h"
#include "cpu/cpu.h"
#include "devices/pci/test.h"
#include "devices/serial/uart.h"
#include "devices/serial/vcons.h"
#include "machine/machine_int.h"

/* ---- PCI ---- */

int board_pci(struct machine *m, struct err *err)
{
    const struct board_port board = board_port(m);
    m->pci = pci_host_new(m->bus, &board);
    return board_add(m, m->pci ? pci_host_dev(m->pci) : NULL, "pci-host", err);
}

int board_lpc(struct machine *m, struct err *err)
{
    struct irq_line pic[16], ioapic[24], pirq[PCI_PIRQS];
    for (unsigned i = 0; i < 16; i++)
        pic[i] = pic_pin(m->pic, i);
    for (unsigned i = 0; i < 24; i++)
        ioapic[i] = ioapic_pin(m->ioapic, i);
    const struct board_port board = board_port(m);
    m->lpc = lpc_new(pic, ioapic, &board);
    const int rc = board_plug(m, m->lpc ? lpc_func(m->lpc) : NULL, PCI_DEVFN(31, 0), "lpc", err);
    for (unsigned i = 0; !rc && i < PCI_PIRQS; i++)
        pirq[i] = lpc_pirq(m->lpc, i);
    if (!rc)
        pci_host_route(m->pci, pirq);
    return rc;
}

void board_init_pci(struct machine *m)
{
    static const uint8_t irq[PCI_PIRQS] = {10, 10, 11, 11, 10, 10, 11, 11};
    lpc_route(m->lpc, irq);
    pci_host_assign(m->pci, irq);
    bus_port_write(m->bus, 0x4d1, 1, 3 << 2); /* interrupts 10 and 11 are level-triggered */
}

int board_vcons(struct machine *m, struct err *err)
{
    const struct board_port board = board_port(m);
    if (!m->cfg.console_port_count)
        return 0;
    struct pci_func *const vc = vcons_new(m->input, &m->dma, &m->msi, &board, m->cfg.console_ports,
                                          (unsigned)m->cfg.console_port_count);
    return board_plug(m, vc, PCI_DEVFN(2, 0), "virtio-console", err);
}

int board_test_pci(struct machine *m, struct err *err)
{
    if (!m->cfg.test_devices)
        return 0;
    const int rc = board_plug(m, pci_testdev_new(), BOARD_ANY_SLOT, "pci-testdev", err);
    return rc ? rc : board_plug(m, edu_new(m->clock, &m->dma, &m->msi), BOARD_ANY_SLOT, "edu", err);
}

/* ---- timers ---- */

int board_pit(struct machine *m, struct err *err)
{
    const struct irq_line irq = board_isa(m, 0);
    return board_add(m, pit_new(m->bus, m->clock, &irq), "pit", err);
}

int board_rtc(struct machine *m, struct err *err)
{
    const struct irq_line irq = board_isa(m, 8), alarm = pm_rtc_alarm(m->pm);
    struct dev *const rtc = rtc_new(m->bus, m->clock, &irq, &alarm, m->cfg.rtc_epoch, m->ram->low,
                                    m->ram->size - m->ram->low);
    return board_add(m, rtc, "rtc", err);
}

int board_hpet(struct machine *m, struct err *err)
{
    const struct irq_line irq0 = board_isa(m, 0), irq8 = board_isa(m, 8);
    struct irq_line pins[24];
    for (unsigned i = 0; i < 24; i++)
        pins[i] = i < PCI_GSI_BASE ? ioapic_pin(m->ioapic, i) : lpc_gsi(m->lpc, i);
    struct msi_sink msi = m->msi;
    msi.rid = PCI_RID_HPET;
    return board_add(m, hpet_new(m->bus, m->clock, pins, &irq0, &irq8, &msi), "hpet", err);
}

int board_pm(struct machine *m, struct err *err)
{
    const struct irq_line sci = board_isa(m, 9);
    const struct board_port board = board_port(m);
    m->pm = pm_new(m->bus, m->clock, &sci, &board, m->input);
    return board_add(m, m->pm, "pm", err);
}

static void ignne_set(void *opaque, unsigned n, int level)
{
    struct machine *const m = opaque;
    (void)n;
    for (unsigned i = 0; i < m->cfg.smp; i++)
        m->cpu[i]->ignne = level;
}

int board_ferr(struct machine *m, struct err *err)
{
    const struct irq_line irq13 = board_isa(m, 13), ignne = {ignne_set, m, 0};
    struct dev *const d = ferr_new(m->bus, &irq13, &ignne);
    for (unsigned i = 0; d && i < m->cfg.smp; i++)
        m->cpu[i]->ferr_line = ferr_line(d, i);
    return board_add(m, d, "ferr", err);
}

/* ---- small ones ---- */

int board_debugport(struct machine *m, struct err *err)
{
    const struct board_port board = board_port(m);
    return board_add(m, debugport_new(m->bus, &board), "debugport", err);
}

int board_testdev(struct machine *m, struct err *err)
{
    struct irq_line gsi[24];
    for (unsigned i = 0; i < 24; i++)
        gsi[i] = lpc_gsi(m->lpc, i);
    return board_add(m, testdev_new(m->bus, gsi), "testdev", err);
}

int board_pvpanic(struct machine *m, struct err *err)
{
    const struct board_port board = board_port(m);
    return board_add(m, pvpanic_new(m->bus, &board), "pvpanic", err);
}

/* Firmware expects one: that of UEFI waits a second for it at each of its attempts. */
bool board_has_keyboard(const struct machine *m)
{
    return m->cfg.display || m->cfg.firmware;
}

int board_i8042(struct machine *m, struct err *err)
{
    const struct i8042_config cfg = {m->bus,          m->clock,
                                     board_isa(m, 1), board_isa(m, 12),
                                     board_port(m),   board_has_keyboard(m) ? m->input : NULL};
    return board_add(m, i8042_new(&cfg), "i8042", err);
}

static void serial_out(void *opaque, const void *bytes, size_t len)
{
    const struct board_port board = board_port(opaque);
    board.output(board.opaque, "serial0", bytes, len);
}
static void serial1_out(void *opaque, const void *bytes, size_t len)
{
    const struct board_port board = board_port(opaque);
    board.output(board.opaque, "serial1", bytes, len);
}

int board_serial(struct machine *m, struct err *err)
{
    const struct uart_config com1 = {0, 0x3f8, board_isa(m, 4), serial_out, m};
    const struct uart_config com2 = {1, 0x2f8, board_isa(m, 3), serial1_out, m};
    const int rc = board_add(m, uart_new(m->bus, m->input, &com1), "serial0", err);
    return rc ? rc : board_add(m, uart_new(m->bus, m->input, &com2), "serial1", err);
}
