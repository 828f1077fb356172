/* Monitor command about the DMA-remapping unit (iommu/). */
#include <inttypes.h>

#include "debug/monitor_int.h"
#include "iommu/vtd.h"
#include "machine/machine.h"

static void show_context(struct monitor *mon, const struct vtd *v, uint16_t rid)
{
    const struct vtd_view c = vtd_view(v, rid);
    if (!c.present)
        return;
    monitor_printf(mon, "%02x:%02x.%x domain %u ", rid >> 8, rid >> 3 & 31, rid & 7, c.domain);
    if (c.pass_through)
        monitor_printf(mon, "pass-through\n");
    else
        monitor_printf(mon, "%u levels at 0x%" PRIx64 "\n", c.levels, c.table);
}

bool monitor_iommu(struct monitor *mon, unsigned argc, char **argv)
{
    const struct vtd *const v = machine_iommu(mon->machine);
    const char *name, *help;
    uint64_t value, rid, at;
    if (!v) {
        monitor_printf(mon, "no IOMMU: run with --iommu=on\n");
        return true;
    }
    if (argc == 0) {
        for (unsigned n = 0; vtd_register(v, n, &name, &help, &value); n++)
            monitor_printf(mon, "%-8s %016" PRIx64 "  %s\n", name, value, help);
        for (rid = 0; rid < 256; rid++)
            show_context(mon, v, (uint16_t)rid);
        return true;
    }
    if (!monitor_number(mon, argv[0], &rid) || rid > 0xffff)
        return false;
    if (argc == 1) {
        show_context(mon, v, (uint16_t)rid);
        return true;
    }
    if (!monitor_number(mon, argv[1], &at))
        return false;
    hpa_t to;
    for (unsigned write = 0; write < 2; write++) {
        monitor_printf(mon, "%s ", write ? "write" : "read ");
        if (vtd_peek(v, (uint16_t)rid, iova(at), write, &to))
            monitor_printf(mon, "to 0x%" PRIx64 "\n", to.v);
        else
            monitor_printf(mon, "blocked\n");
    }
    return true;
}
