/*
 * Monitor commands that show translations level by level: guest tables of every paging mode and
 * EPT (SDM 3A 4, 3C 29.3). The levels are data: shift, index bits and entry size of each mode.
 *
 * This walk is for showing and independent of the mmu's; the result line is mmu_peek's, so that a
 * difference between the two is seen.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cpu/vmx/vmx.h"
#include "debug/monitor_int.h"
#include "machine/machine.h"
#include "mmu/mmu.h"
#include "mmu/ram.h"

struct level {
    const char *name;
    uint8_t shift, bits;
    bool may_map; /* bit 7 makes it a page */
};

struct paging {
    const struct level *levels;
    unsigned count, entry_size;
};

static const struct level levels4[] = {
    {"PML4E", 39, 9, false}, {"PDPTE", 30, 9, true}, {"PDE", 21, 9, true}, {"PTE", 12, 9, false}};
static const struct level levels5[] = {{"PML5E", 48, 9, false},
                                       {"PML4E", 39, 9, false},
                                       {"PDPTE", 30, 9, true},
                                       {"PDE", 21, 9, true},
                                       {"PTE", 12, 9, false}};
static const struct level levels_pae[] = {
    {"PDPTE", 30, 2, false}, {"PDE", 21, 9, true}, {"PTE", 12, 9, false}};
static const struct level levels2[] = {{"PDE", 22, 10, true}, {"PTE", 12, 10, false}};

static const struct paging paging4 = {levels4, 4, 8};
static const struct paging paging5 = {levels5, 5, 8};
static const struct paging paging_pae = {levels_pae, 3, 8};
static const struct paging paging2 = {levels2, 2, 4};

#define ADDRESS_MASK 0x000ffffffffff000ull

static void entry_flags(uint64_t e, bool ept, char *text)
{
    static const char guest[] = "PWUwcADSG", nested[] = "RWX--";
    unsigned n = 0;

    if (ept) {
        for (unsigned i = 0; i < 3; i++)
            text[n++] = e >> i & 1 ? nested[i] : '-';
        text[n++] = ' ';
        text[n++] = (char)('0' + (e >> 3 & 7)); /* memory type */
        text[n++] = e >> 8 & 1 ? 'A' : '-';
        text[n++] = e >> 9 & 1 ? 'D' : '-';
    } else {
        for (unsigned i = 0; i < 9; i++)
            text[n++] = e >> i & 1 ? guest[i] : '-';
        if (e >> 63)
            text[n++] = 'N';
    }
    text[n] = 0;
}

/* Read a table entry; guest tables lie in guest-physical space. */
static bool read_entry(struct monitor *mon, uint64_t at, unsigned size, bool ept, uint64_t *entry)
{
    uint64_t machine_at = at;

    *entry = 0;
    if (!ept && !mmu_peek_gpa(monitor_cpu(mon), at, &machine_at))
        return false;
    return ram_read(machine_ram(mon->machine), hpa(machine_at), entry, size);
}

static void walk(struct monitor *mon, const struct paging *p, uint64_t table, uint64_t address,
                 bool ept)
{
    for (unsigned i = 0; i < p->count; i++) {
        const struct level *l = &p->levels[i];
        const uint64_t index = address >> l->shift & ((1u << l->bits) - 1);
        const uint64_t at = table + index * p->entry_size;
        char flags[16];
        uint64_t e;
        if (!read_entry(mon, at, p->entry_size, ept, &e)) {
            monitor_printf(mon, "%-6s at %012" PRIx64 ": not memory\n", l->name, at);
            return;
        }
        entry_flags(e, ept, flags);
        monitor_printf(mon, "%-6s[%3" PRIu64 "] at %012" PRIx64 " = %016" PRIx64 " %s\n", l->name,
                       index, at, e, flags);
        if (ept ? !(e & 7) : !(e & 1)) {
            monitor_printf(mon, "not present\n");
            return;
        }
        if (i + 1 == p->count || (l->may_map && e >> 7 & 1))
            return;
        table = e & ADDRESS_MASK;
    }
}

static const struct paging *mode_of(const struct cpu *c)
{
    if (!(c->cr0 & CR0_PG))
        return NULL;
    if (cpu_long_mode(c))
        return c->cr4 & CR4_LA57 ? &paging5 : &paging4;
    return c->cr4 & CR4_PAE ? &paging_pae : &paging2;
}

bool monitor_pt(struct monitor *mon, unsigned argc, char **argv)
{
    const struct cpu *c = monitor_cpu(mon);
    const struct paging *p = mode_of(c);
    struct mmu_view v;
    uint64_t la;

    if (argc != 1 || !monitor_number(mon, argv[0], &la))
        return false;
    if (!p) {
        monitor_printf(mon, "paging is off\n");
    } else {
        const uint64_t low = p == &paging_pae ? 31 : 4095;
        walk(mon, p, c->cr3 & (p == &paging4 || p == &paging5 ? ADDRESS_MASK : 0xffffffff & ~low),
             la, false);
    }
    if (!mmu_peek(c, la, &v)) {
        monitor_printf(mon, "%016" PRIx64 " is not mapped\n", la);
        return true;
    }
    monitor_printf(
        mon, "linear %" PRIx64 " -> gpa %" PRIx64 " -> machine %" PRIx64 " (%u KiB page, %s%s%s)\n",
        la, v.gpa, v.hpa, 1u << (v.page_shift - 10), v.writable ? "w" : "r", v.user ? "u" : "s",
        v.executable ? "x" : "");
    return true;
}

bool monitor_ept(struct monitor *mon, unsigned argc, char **argv)
{
    const struct cpu *c = monitor_cpu(mon);
    struct mmu_view v;
    uint64_t gpa_value, machine_at;

    if (argc != 1)
        return false;
    if (strncmp(argv[0], "VA=", 3) == 0) {
        if (!monitor_number(mon, argv[0] + 3, &gpa_value))
            return false;
        if (!mmu_peek(c, gpa_value, &v)) {
            monitor_printf(mon, "that linear address is not mapped\n");
            return true;
        }
        gpa_value = v.gpa;
    } else if (!monitor_number(mon, argv[0], &gpa_value)) {
        return false;
    }
    if (!c->vmx || !c->vmx_on || c->vmx->current == VMX_NO_VMCS) {
        monitor_printf(mon, "no current VMCS on LP %u\n", c->index);
        return true;
    }
    walk(mon, &paging4, c->vmx->vmcs.eptp & ADDRESS_MASK, gpa_value, true);
    if (c->non_root && mmu_peek_gpa(c, gpa_value, &machine_at))
        monitor_printf(mon, "gpa %" PRIx64 " -> machine %" PRIx64 "\n", gpa_value, machine_at);
    return true;
}
