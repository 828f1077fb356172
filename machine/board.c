/*
 * machine/board.c: builds the PC: the visible list of its devices, in order, and their wiring.
 */
#include <errno.h>
#include <stdlib.h>

#include "cpu/sys/sys.h"
#include "devices/acpi/acpi.h"
#include "devices/pci/pci.h"
#include "devices/serial/uart.h"
#include "devices/serial/vcons.h"
#include "machine/machine_int.h"
#include "mmu/mmu.h"

/* ---- time ---- */

static uint64_t hook_now(void *opaque)
{
    const struct machine *m = opaque;
    return m->running ? m->now_ns + (cpu_icount(m->running) - m->slice_start) : m->now_ns;
}

static void hook_kick(void *opaque)
{
    struct machine *m = opaque;
    if (m->running)
        cpu_kick(m->running);
}

/* ---- what devices ask of the machine ---- */

static void request(void *opaque, enum board_request what, uint32_t value)
{
    struct machine *m = opaque;
    static const enum machine_stop stop[] = {
        [BOARD_POWEROFF] = MACHINE_STOP_POWEROFF,
        [BOARD_RESET] = MACHINE_STOP_RESET,
        [BOARD_EXIT] = MACHINE_STOP_EXIT,
    };
    m->stopping = true;
    m->stop = stop[what];
    m->exit_value = value;
    hook_kick(m);
}

static void output(void *opaque, const char *source, const void *bytes, size_t len)
{
    const struct machine *m = opaque;
    if (m->cfg.output)
        m->cfg.output(m->cfg.opaque, source, bytes, len);
}

static void serial_out(void *opaque, const void *bytes, size_t len)
{
    output(opaque, "serial0", bytes, len);
}
static void serial1_out(void *opaque, const void *bytes, size_t len)
{
    output(opaque, "serial1", bytes, len);
}

/* ---- interrupt lines ---- */

/* ISA interrupt n: PIC pin n, and I/O APIC pin n (IRQ 0 on pin 2, as MADT says). */
static void isa_set(void *opaque, unsigned n, int level)
{
    struct machine *m = opaque;
    const struct irq_line pic = pic_pin(m->pic, n), pin = ioapic_pin(m->ioapic, n ? n : 2);
    irq_set(&pic, level);
    irq_set(&pin, level);
}

static struct irq_line isa(struct machine *m, unsigned n)
{
    return (struct irq_line){isa_set, m, n};
}

/* INTR of the PIC reaches LINT0 of every local APIC; only the BSP's is unmasked by default. */
static void intr_set(void *opaque, unsigned n, int level)
{
    struct machine *m = opaque;
    (void)n;
    for (unsigned i = 0; i < m->cfg.smp; i++)
        lapic_lint(m->lapic[i], 0, level);
}

static uint64_t lp_tsc(void *cpu)
{
    return cpu_tsc(cpu);
}
static int extint_ack(void *opaque)
{
    return pic_ack(((struct machine *)opaque)->pic);
}

/* ---- building ---- */

static int add(struct machine *m, struct dev *d, const char *name, struct err *err)
{
    if (!d)
        return err_set(err, "E-MACH-001", -EBUSY, "device %s", name);
    struct dev **at = &m->devs;
    while (*at)
        at = &(*at)->next;
    *at = d;
    return 0;
}

static int build_lps(struct machine *m, struct err *err)
{
    if (cpu_model_parse(m->cfg.cpu_model ? m->cfg.cpu_model : "v2", &m->model, err))
        return err->code;
    for (unsigned i = 0; i < m->cfg.smp; i++) {
        struct cpu *const c = cpu_new(i, &m->model);
        if (!c)
            return err_set(err, "E-MACH-002", -ENOMEM, "processor %u", i);
        m->cpu[i] = c;
        c->lp_count = m->cfg.smp;
        c->rng_seed = m->cfg.seed;
        c->ram = m->ram;
        c->bus = m->bus;
        c->clock = m->clock;
        c->trace = &m->trace;
        c->engine = m->engine;
        c->peers = m->cpu;
        const struct lapic_config lc = {
            .id = i,
            .bsp = i == 0,
            .timer_hz = CPU_CRYSTAL_HZ,
            .tsc_hz = c->tsc_hz,
            .signals = &cpu_signals,
            .cpu = c,
            .tsc = lp_tsc,
            .extint_ack = extint_ack,
            .extint_opaque = m,
            .no_x2apic = !cpu_has(c, F_X2APIC),
            .no_deadline = !cpu_has(c, F_TSC_DEADLINE),
        };
        m->lapic[i] = lapic_new(m->net, m->clock, &lc);
        if (!m->lapic[i])
            return err_set(err, "E-MACH-002", -ENOMEM, "local APIC %u", i);
        c->apic = m->lapic[i];
        c->apic_ops = &lapic_ops;
        if (add(m, lapic_dev(m->lapic[i]), "lapic", err))
            return err->code;
    }
    m->ram->cpus = m->cpu;
    m->ram->cpu_count = m->cfg.smp;
    return 0;
}

static int build_interrupts(struct machine *m, struct err *err)
{
    const struct irq_line intr = {intr_set, m, 0};
    m->pic = pic_new(m->bus, &intr);
    m->ioapic = ioapic_new(m->bus, m->net, 0);
    if (!m->pic || !m->ioapic)
        return err_set(err, "E-MACH-002", -ENOMEM, "interrupt controllers");
    const int rc = add(m, pic_dev(m->pic), "pic", err);
    return rc ? rc : add(m, ioapic_dev(m->ioapic), "ioapic", err);
}

static int build_chipset(struct machine *m, struct err *err)
{
    const struct board_port board = {request, output, m};
    struct irq_line irq0 = isa(m, 0), irq1 = isa(m, 1), irq8 = isa(m, 8), irq9 = isa(m, 9),
                    pins[24];
    struct irq_line gsi[24];
    for (unsigned i = 0; i < 24; i++) {
        pins[i] = ioapic_pin(m->ioapic, i);
        gsi[i] = i < 16 && i != 2 ? isa(m, i) : pins[i];
    }
    const struct uart_config com1 = {0, 0x3f8, isa(m, 4), serial_out, m};
    const struct uart_config com2 = {1, 0x2f8, isa(m, 3), serial1_out, m};
    int rc;
    if ((rc = add(m, pit_new(m->bus, m->clock, &irq0), "pit", err)) ||
        (rc = add(m,
                  rtc_new(m->bus, m->clock, &irq8, m->cfg.rtc_epoch, m->ram->low,
                          m->ram->size - m->ram->low),
                  "rtc", err)) ||
        (rc = add(m, hpet_new(m->bus, m->clock, pins, &irq0, &irq8), "hpet", err)) ||
        (rc = add(m, pm_new(m->bus, m->clock, &irq9, &board), "pm", err)) ||
        (rc = add(m, debugport_new(m->bus, &board), "debugport", err)) ||
        (rc = add(m, testdev_new(m->bus, gsi), "testdev", err)) ||
        (rc = add(m, i8042_new(m->bus, &irq1, &board), "i8042", err)) ||
        (rc = add(m, uart_new(m->bus, m->input, &com1), "serial0", err)) ||
        (rc = add(m, uart_new(m->bus, m->input, &com2), "serial1", err)) ||
        (rc = add(m, fwcfg_new(m->bus, &m->dma, NULL, 0, m->cfg.smp, m->cfg.memory), "fw_cfg",
                  err)))
        return rc;
    return 0;
}

static int build_pci(struct machine *m, struct err *err)
{
    const struct board_port board = {request, output, m};
    struct pci_host *const host = pci_host_new(m->bus, &board);
    const struct msi_sink msi = apic_net_msi(m->net);
    int rc = add(m, host ? pci_host_dev(host) : NULL, "pci-host", err);
    if (rc || !m->cfg.console_port_count)
        return rc;
    struct pci_func *const vc = vcons_new(m->input, &m->dma, &msi, &board, m->cfg.console_ports,
                                          (unsigned)m->cfg.console_port_count);
    rc = add(m, vc ? &vc->dev : NULL, "virtio-console", err);
    if (!rc && pci_host_plug(host, vc, 2 << 3))
        rc = err_set(err, "E-MACH-001", -EBUSY, "PCI slot 2");
    return rc;
}

int board_build(struct machine *m, struct err *err)
{
    m->clock = clock_new();
    m->bus = bus_new();
    m->input = input_new();
    m->ram = ram_new(m->cfg.memory);
    m->net = apic_net_new(&m->trace);
    m->engine = m->ram ? engine_new(m->ram) : NULL;
    if (!m->ram || !m->engine || !m->clock || !m->bus || !m->input || !m->net)
        return err_set(err, "E-MACH-002", -ENOMEM, "%llu MiB of guest memory",
                       (unsigned long long)(m->cfg.memory >> 20));
    m->ram->engine = m->engine;
    m->dma.ram = m->ram;
    clock_set_hooks(m->clock, hook_now, hook_kick, m);
    int rc;
    if ((rc = build_interrupts(m, err)) || (rc = build_lps(m, err)) ||
        (rc = build_chipset(m, err)) || (rc = build_pci(m, err)))
        return rc;
    return 0;
}

void board_free(struct machine *m)
{
    for (struct dev *d = m->devs, *next; d; d = next) {
        next = d->next;
        if (d->cls->free)
            d->cls->free(d);
    }
    for (unsigned i = 0; i < MACHINE_LPS_MAX; i++)
        cpu_free(m->cpu[i]);
    engine_free(m->engine);
    apic_net_free(m->net);
    ram_free(m->ram);
    input_free(m->input);
    bus_free(m->bus);
    clock_free(m->clock);
}
