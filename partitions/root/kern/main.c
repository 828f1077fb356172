/*
 * kern/main.c: entry of the root kernel in 64-bit mode, and the order in which its parts start.
 */
#include "partitions/root/kern/kern.h"
#include "partitions/root/drv/drv.h"
#include "partitions/root/vid/bus.h"
#include "partitions/root/vid/vid.h"
#include "partitions/root/winhv/winhv.h"

struct rt_boot rt_boot;

void rt_main(uint64_t start_info);

static void boot_copy(const struct hvm_start_info *s)
{
    if (s->magic != HVM_START_MAGIC)
        rt_panic("not started by PVH (magic %x)", s->magic);
    if (s->cmdline_paddr)
        rt_strcpy(rt_boot.cmdline, phys_to_virt(s->cmdline_paddr), sizeof(rt_boot.cmdline));
    rt_boot.rsdp = s->rsdp_paddr;
    const struct hvm_memmap_entry *m = phys_to_virt(s->memmap_paddr);
    for (unsigned i = 0; s->version >= 1 && i < s->memmap_entries && i < RT_MAX_MEMMAP; i++)
        rt_boot.memmap[rt_boot.memmaps++] = m[i];
    const struct hvm_modlist_entry *e = phys_to_virt(s->modlist_paddr);
    for (unsigned i = 0; i < s->nr_modules && i < RT_MAX_MODULES; i++)
        rt_boot.module[rt_boot.modules++] = (struct rt_module){e[i].paddr, e[i].size};
    if (!rt_boot.memmaps)
        rt_panic("no memory map");
}

void rt_main(uint64_t start_info)
{
    boot_copy(phys_to_virt(start_info));
    uart_init();
    mm_init();
    trap_init();
    acpi_init();
    apic_init();
    winhv_init();
    sched_init();
    time_init();
    vid_init();
    rt_log("Vitrine root partition: %u module(s), %lu MiB free, %u processor(s), %s",
           rt_boot.modules, mm_free_bytes() >> 20, rt_acpi.cpus,
           winhv_present ? "on the Vitrine hypervisor" : "no hypervisor: self-tests only");
    irq_on();
    con_init();
    irq_off();
    nvme_init();
    net_init();
    screen_init();
    ramfs_init();
    char value[16];
    if (!winhv_present || rt_option(rt_boot.cmdline, "selftest", value, sizeof(value)))
        selftest_run();
    int64_t r = proc_spawn("bin/vmms", rt_boot.cmdline, 0);
    if (r < 0)
        rt_panic("can't start bin/vmms: error %ld", -r);
    for (;;)
        sched_wait(0, RT_NEVER);
}
