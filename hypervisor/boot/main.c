/*
 * The order of start-up on the first processor.
 */
#include "hypervisor/apic/hv_apic.h"
#include "hypervisor/boot/boot.h"
#include "hypervisor/iommu/hv_iommu.h"
#include "hypervisor/sched/sched.h"
#include "hypervisor/vmx/hv_vmx.h"

void hv_main(uint32_t multiboot, uint32_t info);

void hv_main(uint32_t multiboot, uint32_t info)
{
    struct hv_lp *bsp = &hv_lps[0];
    hv_console_init();
    hv_boot_parse(multiboot, info);
    hv_log(HV_LOG_INFO, "Vitrine hypervisor, loaded by %s", multiboot ? "multiboot" : "PVH");
    hv_idt_init();
    hv_lp_tables(bsp);
    hv_boot_memory();
    hv_map_physical();
    hv_timer_init();
    hv_lapic_init();
    hv_vmx_probe();
    hv_smp_find();
    hv_vmx_on(bsp);
    hv_smp_start();
    hv_iommu_init();
    hv_root_create();
    hv_root_load();
    hv_smp_release();
    hv_lp_run(bsp);
}
