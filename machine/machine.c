/* machine/machine.c: life of a machine, reset and loading, looking, state hash (machine.h). */
#include "machine/machine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "abi/bootparam.h"
#include "devices/acpi/acpi.h"
#include "devices/boot/boot.h"
#include "machine/machine_int.h"

#define MIB       (1ull << 20)
#define ACPI_AREA 0xe0000ull /* tables, to 1 MiB */

static int check_config(struct machine_config *cfg, struct err *err)
{
    if (cfg->memory < 4 * MIB || cfg->memory % MIB || cfg->memory > 64ull << 30)
        return err_set(err, "E-MACH-001", -EINVAL,
                       "memory of %llu bytes; 4 MiB to 64 GiB in whole MiB",
                       (unsigned long long)cfg->memory);
    if (cfg->smp < 1 || cfg->smp > MACHINE_LPS_MAX)
        return err_set(err, "E-MACH-001", -EINVAL, "%u processors; 1 to %d", cfg->smp,
                       MACHINE_LPS_MAX);
    if (!cfg->quantum)
        cfg->quantum = MACHINE_QUANTUM;
    if (!cfg->rtc_epoch)
        cfg->rtc_epoch = MACHINE_RTC_EPOCH;
    return 0;
}

struct machine *machine_new(const struct machine_config *cfg, struct err *err)
{
    struct machine *m = calloc(1, sizeof *m);
    if (!m) {
        err_set(err, "E-MACH-002", -ENOMEM, "machine");
        return NULL;
    }
    m->cfg = *cfg;
    if (check_config(&m->cfg, err) || board_build(m, err) || machine_reset(m, err)) {
        machine_free(m);
        return NULL;
    }
    return m;
}

void machine_free(struct machine *m)
{
    if (!m)
        return;
    board_free(m);
    free(m);
}

static unsigned e820_fill(const struct machine *m, struct boot_e820 *e)
{
    const struct ram *r = m->ram;
    unsigned n = 0;
    e[n++] = (struct boot_e820){0, 0x9fc00, E820_RAM};
    e[n++] = (struct boot_e820){0x9fc00, 0x400, E820_RESERVED};
    e[n++] = (struct boot_e820){ACPI_AREA, 0x100000 - ACPI_AREA, E820_RESERVED};
    e[n++] = (struct boot_e820){0x100000, r->low - 0x100000, E820_RAM};
    e[n++] = (struct boot_e820){PCI_ECAM_BASE, PCI_ECAM_SIZE, E820_RESERVED};
    e[n++] = (struct boot_e820){0xfec00000, 0x400000, E820_RESERVED};
    if (r->size > r->low)
        e[n++] = (struct boot_e820){0x100000000ull, r->size - r->low, E820_RAM};
    return n;
}

int machine_reset(struct machine *m, struct err *err)
{
    ram_clear(m->ram);
    engine_flush(m->engine);
    m->now_ns = m->icount = m->hook_at = 0;
    m->part_ticks = 0;
    m->event_kick = false;
    if (m->timing)
        timing_shared_reset(m->timing);
    m->turn = 0;
    m->quantum_left = m->cfg.quantum;
    m->stopping = false;
    m->power = POWER_ON;
    clock_advance(m->clock, 0);
    for (unsigned i = 0; i < m->cfg.smp; i++)
        cpu_reset(m->cpu[i]);
    for (struct dev *d = m->devs; d; d = d->next)
        dev_reset(d);
    if (m->cfg.firmware)
        return 0;
    board_init_pci(m);
    m->rsdp = acpi_tables_place(m->acpi, m->ram, ACPI_AREA, 0x100000 - ACPI_AREA);
    const struct boot_images images = {
        .kernel = m->cfg.kernel,
        .kernel_len = m->cfg.kernel_len,
        .kernel_name = m->cfg.kernel_name,
        .cmdline = m->cfg.cmdline,
        .modules = m->cfg.modules,
        .module_count = m->cfg.module_count,
    };
    struct boot b = {.cfg = &images, .ram = m->ram, .cpu = m->cpu[0], .rsdp = m->rsdp, .err = err};
    b.e820_count = e820_fill(m, b.e820);
    if (board_init_screen(m, &b.screen, err))
        return err->code;
    if (!m->cfg.kernel)
        return err_set(err, "E-BOOT-001", -EINVAL, "no kernel given");
    return boot_load(&b);
}

void machine_wake(struct machine *m)
{
    m->power = POWER_ON;
    engine_flush(m->engine);
    for (unsigned i = 0; i < m->cfg.smp; i++)
        cpu_reset(m->cpu[i]);
    for (struct dev *d = m->devs; d; d = d->next) {
        if (!d->cls->wake)
            dev_reset(d);
    }
    for (struct dev *d = m->devs; d; d = d->next) {
        if (d->cls->wake)
            d->cls->wake(d);
    }
    if (m->cfg.firmware)
        return;
    board_init_pci(m);
    boot_resume(m->ram, m->cpu[0], acpi_tables_facs(m->rsdp));
}

void machine_set_slice_hook(struct machine *m, bool (*hook)(void *opaque), void *opaque)
{
    m->slice_hook = hook;
    m->slice_opaque = opaque;
}

void machine_set_idle_step(struct machine *m, uint64_t ns)
{
    m->idle_step_ns = ns;
}

unsigned machine_lp_count(const struct machine *m)
{
    return m->cfg.smp;
}
struct cpu *machine_lp(struct machine *m, unsigned i)
{
    return m->cpu[i];
}
struct ram *machine_ram(struct machine *m)
{
    return m->ram;
}
struct input *machine_input(struct machine *m)
{
    return m->input;
}
struct trace *machine_trace(struct machine *m)
{
    return &m->trace;
}
struct vtd *machine_iommu(const struct machine *m)
{
    return m->vtd;
}
struct vga *machine_vga(const struct machine *m)
{
    return m->vga;
}
uint64_t machine_icount(const struct machine *m)
{
    return m->icount;
}
uint64_t machine_now_ns(const struct machine *m)
{
    return clock_now(m->clock);
}
uint32_t machine_exit_value(const struct machine *m)
{
    return m->exit_value;
}
unsigned machine_break_lp(const struct machine *m)
{
    return m->break_lp;
}
bool machine_is_idle(const struct machine *m)
{
    return m->idle;
}
bool machine_is_waiting(const struct machine *m)
{
    return m->idle && clock_next(m->clock) == CLOCK_NEVER;
}

uint64_t machine_hash(const struct machine *m)
{
    uint64_t h = ram_hash(m->ram, m->now_ns ^ m->icount << 1);
    for (unsigned i = 0; i < m->cfg.smp; i++)
        h = cpu_hash(m->cpu[i], h);
    for (const struct dev *d = m->devs; d; d = d->next)
        h = fields_hash(d, d->cls->fields, h);
    if (m->timing)
        h = timing_shared_hash(m->timing, h ^ m->part_ticks);
    return h;
}
