/*
 * Monitor: table-driven commands that look at a standing machine; see monitor.h. Commands about
 * VT-x are in monitor_vmx.c, about translations in monitor_walk.c.
 *
 * Not modelled: breaking on exit reasons and hypercalls; breakpoints belong to gdb.
 */
#include "debug/monitor.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/vitrine_info.h"
#include "core/lp.h"
#include "debug/gdb_regs.h"
#include "debug/insn_trace.h"
#include "debug/monitor_int.h"
#include "debug/screenshot.h"
#include "lib/log.h"
#include "machine/machine.h"
#include "mmu/mmu.h"
#include "mmu/ram.h"

struct monitor_row {
    const char *name;
    monitor_fn *run;
    const char *arguments, *help;
};

static const struct monitor_row rows[] = {
#define MONITOR(name, arguments, help) {#name, monitor_##name, arguments, help},
#include "debug/commands.def"
#undef MONITOR
};

#define ROW_COUNT (sizeof(rows) / sizeof(rows[0]))

void monitor_printf(struct monitor *mon, const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    mon->print(mon->opaque, text);
}

struct cpu *monitor_cpu(struct monitor *mon)
{
    return machine_lp(mon->machine, mon->lp);
}

bool monitor_number(struct monitor *mon, const char *text, uint64_t *value)
{
    char *end;

    if (text[0] == '$') {
        for (unsigned i = 0; i < gdb_reg_count(); i++) {
            uint8_t bytes[GDB_REG_BYTES_MAX] = {0};
            if (strcmp(gdb_reg_name(i), text + 1) != 0 || gdb_reg_size(i) > 8)
                continue;
            gdb_reg_read(monitor_cpu(mon), i, bytes);
            *value = 0;
            for (unsigned b = 0; b < gdb_reg_size(i); b++)
                *value |= (uint64_t)bytes[b] << (8 * b);
            return true;
        }
        return false;
    }
    *value = strtoull(text, &end, 0);
    if (*end) /* hexadecimal without 0x, as it stands in dumps */
        *value = strtoull(text, &end, 16);
    return end != text && *end == 0;
}

static const struct monitor_row *find_row(const char *name)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    }
    return NULL;
}

bool monitor_run(struct monitor *mon, const char *line)
{
    char copy[512], *argv[MONITOR_ARGS + 1], *save = NULL;
    unsigned argc = 0;

    snprintf(copy, sizeof(copy), "%s", line);
    for (char *p = strtok_r(copy, " \t\n", &save); p && argc <= MONITOR_ARGS;
         p = strtok_r(NULL, " \t\n", &save))
        argv[argc++] = p;
    if (argc == 0)
        return monitor_help(mon, 0, NULL);
    const struct monitor_row *row = find_row(argv[0]);
    if (!row) {
        monitor_printf(mon, "unknown command '%s'; `help` lists all\n", argv[0]);
        return false;
    }
    if (row->run(mon, argc - 1, argv + 1))
        return true;
    monitor_printf(mon, "usage: %s %s\n", row->name, row->arguments);
    return false;
}

bool monitor_help(struct monitor *mon, unsigned argc, char **argv)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (argc == 0 || strcmp(argv[0], rows[i].name) == 0)
            monitor_printf(mon, "%-10s %-20s %s\n", rows[i].name, rows[i].arguments, rows[i].help);
    }
    return true;
}

bool monitor_info(struct monitor *mon, unsigned argc, char **argv)
{
    static const char *const activity[] = {"active", "halted", "shutdown", "wait-SIPI", "mwait"};

    (void)argc;
    (void)argv;
    monitor_printf(mon, "virtual time %" PRIu64 " ns, %" PRIu64 " instructions\n",
                   machine_now_ns(mon->machine), machine_icount(mon->machine));
    for (unsigned i = 0; i < machine_lp_count(mon->machine); i++) {
        const struct cpu *c = machine_lp(mon->machine, i);
        struct insn_text insn;
        insn_at_rip(c, &insn);
        monitor_printf(mon, "%cLP %u %-9s %-8s cpl %u %04x:%016" PRIx64 " at %" PRIu64 "  %s\n",
                       i == mon->lp ? '*' : ' ', i, c->activity < 5 ? activity[c->activity] : "?",
                       c->non_root ? "non-root"
                       : c->vmx_on ? "vmx-root"
                                   : "bare",
                       c->cpl, c->seg[SEG_CS].sel, c->rip, cpu_icount(c), insn.text);
    }
    return true;
}

static bool pick_lp(struct monitor *mon, unsigned argc, char **argv, struct cpu **c)
{
    uint64_t n = mon->lp;

    if (argc > 0 && !monitor_number(mon, argv[0], &n))
        return false;
    if (n >= machine_lp_count(mon->machine))
        return false;
    *c = machine_lp(mon->machine, (unsigned)n);
    return true;
}

bool monitor_regs(struct monitor *mon, unsigned argc, char **argv)
{
    static const char *const seg_names[] = {"es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr"};
    struct cpu *c;

    if (!pick_lp(mon, argc, argv, &c))
        return false;
    monitor_printf(mon, "rip %016" PRIx64 " rflags %08" PRIx64 " cpl %u\n", c->rip, cpu_rflags(c),
                   c->cpl);
    monitor_printf(mon,
                   "cr0 %08" PRIx64 " cr2 %016" PRIx64 " cr3 %016" PRIx64 " cr4 %08" PRIx64
                   " efer %" PRIx64 " xcr0 %" PRIx64 "\n",
                   c->cr0, c->cr2, c->cr3, c->cr4, c->efer, c->xcr0);
    for (unsigned i = 0; i < SEG_COUNT; i++)
        monitor_printf(mon, "%-4s %04x base %016" PRIx64 " limit %08x attr %05x\n", seg_names[i],
                       c->seg[i].sel, c->seg[i].base, c->seg[i].limit, c->seg[i].attr);
    monitor_printf(mon, "gdt  %016" PRIx64 " %04x   idt %016" PRIx64 " %04x\n", c->gdtr.base,
                   c->gdtr.limit, c->idtr.base, c->idtr.limit);
    monitor_printf(mon, "dr6 %08" PRIx64 " dr7 %08" PRIx64 " attn %x%s%s\n", c->dr[6], c->dr[7],
                   c->attn, c->shadow ? " shadow" : "", c->nmi_masked ? " nmi-masked" : "");
    return true;
}

static bool dump(struct monitor *mon, unsigned argc, char **argv, bool physical)
{
    uint64_t at, len = 64;

    if (argc < 1 || !monitor_number(mon, argv[0], &at) ||
        (argc > 1 && !monitor_number(mon, argv[1], &len)))
        return false;
    if (len > 4096)
        len = 4096;
    for (uint64_t done = 0; done < len; done += 16) {
        const unsigned n = len - done < 16 ? (unsigned)(len - done) : 16;
        uint8_t bytes[16];
        char text[17] = "", hex[52] = "";
        const bool good = physical ? ram_read(machine_ram(mon->machine), hpa(at + done), bytes, n)
                                   : mmu_peek_read(monitor_cpu(mon), at + done, bytes, n);
        if (!good) {
            monitor_printf(mon, "%016" PRIx64 ": not memory\n", at + done);
            return true;
        }
        for (unsigned i = 0; i < n; i++) {
            snprintf(hex + 3 * i, sizeof(hex) - 3 * i, " %02x", bytes[i]);
            text[i] = bytes[i] >= 0x20 && bytes[i] < 0x7f ? (char)bytes[i] : '.';
        }
        monitor_printf(mon, "%016" PRIx64 ":%-48s  %s\n", at + done, hex, text);
    }
    return true;
}

bool monitor_x(struct monitor *mon, unsigned argc, char **argv)
{
    return dump(mon, argc, argv, false);
}

bool monitor_xp(struct monitor *mon, unsigned argc, char **argv)
{
    return dump(mon, argc, argv, true);
}

bool monitor_dis(struct monitor *mon, unsigned argc, char **argv)
{
    const struct cpu *c = monitor_cpu(mon);
    uint64_t at = c->rip + (cpu_code64(c) ? 0 : c->seg[SEG_CS].base), count = 8;

    if ((argc > 0 && !monitor_number(mon, argv[0], &at)) ||
        (argc > 1 && !monitor_number(mon, argv[1], &count)))
        return false;
    for (; count && count <= 1000; count--) {
        struct insn_text insn;
        char hex[32] = "";
        insn_at(c, at, &insn);
        for (unsigned i = 0; i < insn.len; i++)
            snprintf(hex + 2 * i, sizeof(hex) - 2 * i, "%02x", insn.bytes[i]);
        monitor_printf(mon, "%016" PRIx64 "  %-30s  %s\n", at, hex, insn.text);
        if (!insn.len)
            break;
        at += insn.len;
    }
    return true;
}

bool monitor_lapic(struct monitor *mon, unsigned argc, char **argv)
{
    static const struct {
        const char *name;
        uint32_t offset;
    } regs[] = {{"id", 0x20},     {"version", 0x30},  {"tpr", 0x80},         {"ppr", 0xa0},
                {"ldr", 0xd0},    {"svr", 0xf0},      {"esr", 0x280},        {"icr", 0x300},
                {"timer", 0x320}, {"thermal", 0x330}, {"perf", 0x340},       {"lint0", 0x350},
                {"lint1", 0x360}, {"error", 0x370},   {"timer init", 0x380}, {"timer now", 0x390},
                {"divide", 0x3e0}};
    static const char *const vectors[] = {"isr", "tmr", "irr"};
    struct cpu *c;
    uint64_t base = 0;

    if (!pick_lp(mon, argc, argv, &c))
        return false;
    if (!c->apic_ops || !c->apic_ops->mmio_read)
        return true;
    c->apic_ops->msr_read(c->apic, MSR_APIC_BASE, &base);
    monitor_printf(mon, "LP %u apic base %" PRIx64 " (%s)\n", c->index, base,
                   !(base >> 11 & 1) ? "disabled"
                   : base >> 10 & 1  ? "x2APIC"
                                     : "xAPIC");
    for (size_t i = 0; i < sizeof(regs) / sizeof(regs[0]); i++)
        monitor_printf(mon, "%-11s %08" PRIx64 "%s", regs[i].name,
                       c->apic_ops->mmio_read(c->apic, regs[i].offset, 4),
                       i % 4 == 3 ? "\n" : "  ");
    monitor_printf(mon, "\n");
    for (unsigned k = 0; k < 3; k++) {
        monitor_printf(mon, "%s:", vectors[k]);
        for (unsigned v = 0; v < 256; v++) {
            const uint64_t word = c->apic_ops->mmio_read(c->apic, 0x100 + 0x80 * k + v / 32 * 16,
                                                         4);
            if (word >> (v % 32) & 1)
                monitor_printf(mon, " %02x", v);
        }
        monitor_printf(mon, "\n");
    }
    return true;
}

bool monitor_hash(struct monitor *mon, unsigned argc, char **argv)
{
    (void)argc;
    (void)argv;
    monitor_printf(mon, "state-hash %016" PRIx64 " at %" PRIu64 " instructions, %" PRIu64 " ns\n",
                   machine_hash(mon->machine), machine_icount(mon->machine),
                   machine_now_ns(mon->machine));
    return true;
}

bool monitor_screenshot(struct monitor *mon, unsigned argc, char **argv)
{
    struct err err;
    char text[ERR_TEXT * 2];
    if (argc != 2)
        return false;
    err_clear(&err);
    if (screenshot_save(mon->machine, argv[1], &err) < 0)
        monitor_printf(mon, "%s\n", err_format(&err, text, sizeof(text)));
    return true;
}

bool monitor_log(struct monitor *mon, unsigned argc, char **argv)
{
    enum log_level level;

    (void)mon;
    if (argc != 1 || !log_level_parse(argv[0], &level))
        return false;
    log_set_level(level);
    return true;
}

/* The hypervisor's description of itself is found by its magic, on 16-byte boundaries. */
static bool find_info(struct monitor *mon, struct vitrine_info *info)
{
    const struct ram *ram = machine_ram(mon->machine);

    for (uint64_t at = 0; at < ram->low; at += 4096) {
        const uint8_t *page = ram_host(ram, at);
        for (unsigned i = 0; page && i < 4096; i += 16) {
            if (memcmp(page + i, VITRINE_INFO_MAGIC, 8) == 0 &&
                ram_read(ram, hpa(at + i), info, sizeof(*info)) &&
                info->version == VITRINE_INFO_VERSION &&
                info->partition_count <= VITRINE_INFO_PARTITIONS)
                return true;
        }
    }
    return false;
}

bool monitor_partitions(struct monitor *mon, unsigned argc, char **argv)
{
    static const char *const states[] = {"absent", "ready",     "running",
                                         "halted", "suspended", "wait-SIPI"};
    static struct vitrine_info info;

    (void)argc;
    (void)argv;
    if (!find_info(mon, &info)) {
        monitor_printf(mon, "no hypervisor of ours describes its partitions here\n");
        return true;
    }
    for (unsigned i = 0; i < VITRINE_INFO_PARTITIONS; i++) {
        const struct vitrine_partition *p = &info.partition[i];
        if (!p->id)
            continue;
        monitor_printf(mon, "partition %" PRIu64 " %.31s, %u VPs\n", p->id, p->name, p->vp_count);
        for (unsigned v = 0; v < p->vp_count && v < VITRINE_INFO_VPS; v++) {
            const struct vitrine_vp *vp = &p->vp[v];
            monitor_printf(mon, "  VP %u %-9s VMCS %" PRIx64 " EPT %" PRIx64 "\n", vp->index,
                           vp->state < 6 ? states[vp->state] : "?", vp->vmcs_hpa, vp->ept_root_hpa);
        }
    }
    return true;
}
