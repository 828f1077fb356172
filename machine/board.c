/*
 * machine/board.c: builds the PC: walks the list of its devices (machine/devices.def), whose
 * builders are here for processors and interrupts and in board_*.c for the rest.
 */
#include <errno.h>
#include <stdlib.h>

#include "cpu/sys/sys.h"
#include "machine/machine_int.h"
#include "mmu/mmu.h"

/* ---- time ---- */

static uint64_t hook_now(void *opaque)
{
    const struct machine *m = opaque;
    uint32_t part;
    return m->running ? m->now_ns + run_slice_ns(m, &part) : m->now_ns;
}

static void hook_kick(void *opaque)
{
    struct machine *m = opaque;
    m->event_kick = true;
    if (m->running)
        cpu_kick(m->running);
}

/* ---- what devices ask of the machine ---- */

static void set_a20(struct machine *m, bool open)
{
    for (unsigned i = 0; i < m->cfg.smp; i++)
        cpu_set_a20(m->cpu[i], open);
}

static void request(void *opaque, enum board_request what, uint32_t value)
{
    struct machine *m = opaque;
    if (what == BOARD_A20) {
        set_a20(m, value);
        return;
    }
    if (what == BOARD_PM_BASE) {
        if (m->pm)
            pm_move(m->pm, (uint16_t)value);
        return;
    }
    if (what == BOARD_SLEEP || what == BOARD_WAKE) {
        m->power = what == BOARD_SLEEP ? POWER_ASLEEP : POWER_WAKING;
        hook_kick(m);
        return;
    }
    static const enum machine_stop stop[] = {
        [BOARD_POWEROFF] = MACHINE_STOP_POWEROFF,
        [BOARD_RESET] = MACHINE_STOP_RESET,
        [BOARD_EXIT] = MACHINE_STOP_EXIT,
        [BOARD_PANIC] = MACHINE_STOP_PANIC,
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

struct board_port board_port(struct machine *m)
{
    return (struct board_port){request, output, m};
}

/* ---- helpers of the builders ---- */

int board_add(struct machine *m, struct dev *d, const char *name, struct err *err)
{
    if (!d)
        return err_set(err, "E-MACH-001", -EBUSY, "device %s", name);
    struct dev **at = &m->devs;
    while (*at)
        at = &(*at)->next;
    *at = d;
    return 0;
}

int board_plug(struct machine *m, struct pci_func *f, int devfn, const char *name, struct err *err)
{
    const int rc = board_add(m, f ? &f->dev : NULL, name, err);
    if (rc)
        return rc;
    if (devfn == BOARD_ANY_SLOT ? pci_host_plug_any(m->pci, f)
                                : pci_host_plug(m->pci, f, (uint8_t)devfn))
        return err_set(err, "E-MACH-001", -EBUSY, "no PCI slot for %s", name);
    return 0;
}

struct irq_line board_isa(struct machine *m, unsigned irq)
{
    return lpc_isa(m->lpc, irq);
}

/* ---- interrupts and processors ---- */

/* INTR of the PIC reaches LINT0 of every local APIC, only the BSP's is unmasked by default, and
 * input 0 of the I/O APIC, for those that want it as an ExtINT message. */
static void intr_set(void *opaque, unsigned n, int level)
{
    struct machine *m = opaque;
    const struct irq_line pin0 = ioapic_pin(m->ioapic, 0);
    (void)n;
    irq_set(&pin0, level);
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

int board_pic(struct machine *m, struct err *err)
{
    const struct irq_line intr = {intr_set, m, 0};
    m->pic = pic_new(m->bus, &intr);
    return board_add(m, m->pic ? pic_dev(m->pic) : NULL, "pic", err);
}

int board_iommu(struct machine *m, struct err *err)
{
    if (!m->cfg.iommu)
        return 0;
    const struct vtd_config cfg = {.bus = m->bus,
                                   .clock = m->clock,
                                   .ram = m->ram,
                                   .net = m->net,
                                   .trace = &m->trace,
                                   .phys_bits = CPU_PHYS_BITS};
    m->vtd = vtd_new(&cfg);
    if (!m->vtd)
        return board_add(m, NULL, "vtd", err);
    m->dma.filter = vtd_dma(m->vtd);
    m->msi = vtd_msi(m->vtd);
    return board_add(m, vtd_dev(m->vtd), "vtd", err);
}

int board_ioapic(struct machine *m, struct err *err)
{
    struct msi_sink msi = m->msi;
    msi.rid = PCI_RID_IOAPIC;
    m->ioapic = ioapic_new(m->bus, m->net, &msi, 0);
    return board_add(m, m->ioapic ? ioapic_dev(m->ioapic) : NULL, "ioapic", err);
}

int board_processors(struct machine *m, struct err *err)
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
        if (m->timing && !timing_attach(c, m->timing))
            return err_set(err, "E-MACH-002", -ENOMEM, "cycle model of processor %u", i);
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
        if (board_add(m, lapic_dev(m->lapic[i]), "lapic", err))
            return err->code;
    }
    m->ram->cpus = m->cpu;
    m->ram->cpu_count = m->cfg.smp;
    return 0;
}

/* ---- the list ---- */

static const struct {
    int (*build)(struct machine *m, struct err *err);
    const char *name;
} builders[] = {
#define DEV(builder, name) {board_##builder, name},
#include "machine/devices.def"
#undef DEV
};

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
    if (m->cfg.time == MACHINE_TIME_BLOCK) {
        m->timing = timing_shared_new();
        if (!m->timing)
            return err_set(err, "E-MACH-002", -ENOMEM, "cycle model");
        engine_use_timing(m->engine);
    }
    m->ram->engine = m->engine;
    m->dma.ram = m->ram;
    m->msi = apic_net_msi(m->net);
    clock_set_hooks(m->clock, hook_now, hook_kick, m);
    for (size_t i = 0; i < sizeof builders / sizeof builders[0]; i++) {
        if (builders[i].build(m, err))
            return err_wrap(err, "building the board: %s", builders[i].name);
    }
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
    acpi_tables_free(m->acpi);
    engine_free(m->engine);
    timing_shared_free(m->timing);
    apic_net_free(m->net);
    ram_free(m->ram);
    input_free(m->input);
    bus_free(m->bus);
    clock_free(m->clock);
}
