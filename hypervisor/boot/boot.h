/*
 * Start-up: what the loader said, descriptor tables, the other processors, the root's image.
 */
#ifndef HYPERVISOR_BOOT_H
#define HYPERVISOR_BOOT_H

#include "hypervisor/mm/mm.h"

#define HV_MAX_MODULES 4u

struct hv_module {
    uint64_t base, size;
};

struct hv_boot_info {
    char cmdline[1024];
    struct hv_module module[HV_MAX_MODULES];
    uint32_t module_count;
    uint64_t rsdp;
};
extern struct hv_boot_info hv_boot;

/* The PVH start-of-day structure (public Xen header arch-x86/hvm/start_info.h, version 1) */
#define HV_PVH_MAGIC 0x336ec578u
struct hv_pvh_info {
    uint32_t magic, version, flags, nr_modules;
    uint64_t modlist, cmdline, rsdp, memmap;
    uint32_t memmap_entries, rsvd;
};
struct hv_pvh_module {
    uint64_t addr, size, cmdline, rsvd;
};
struct hv_pvh_memmap {
    uint64_t addr, size;
    uint32_t type, rsvd;
};

void hv_boot_parse(bool multiboot, uint64_t info); /* info.c: fills hv_boot, hv_memmap */
void hv_boot_memory(void);                         /* info.c: reserves image and heap */
uint8_t *hv_acpi_find(const char *signature);      /* info.c: an ACPI table, or NULL */
void hv_idt_init(void);                            /* idt.c: the table, once */
void hv_lp_tables(struct hv_lp *lp);               /* idt.c: GDT, TSS, IDT, GS of this LP */
void hv_smp_find(void);                            /* smp.c: LPs from the MADT */
void hv_smp_start(void);                           /* smp.c: APs to hv_ap_main */
void hv_smp_release(void);                         /* smp.c: and into the guest */
void hv_root_load(void);                           /* root.c: image, start info, VP 0 */

#endif
