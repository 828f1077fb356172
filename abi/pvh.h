/*
 * abi/pvh.h: the PVH direct boot protocol (Xen, docs/misc/pvh.pandoc and public/arch-x86/hvm).
 *
 * A loader finds the entry point in the ELF note { name "Xen", type 18, desc u32 or u64 }, loads
 * the segments at their physical addresses and enters with: 32-bit flat protected mode, paging
 * off, CR0.PE only, CR4 = 0, CS/DS/ES/SS flat, TR a valid 32-bit TSS, EBX = address of struct
 * hvm_start_info, IF = 0. All addresses are guest physical and below 4 GiB where 32-bit code has
 * to follow them.
 */
#ifndef ABI_PVH_H
#define ABI_PVH_H

#include <stdint.h>

#define PVH_NOTE_NAME         "Xen"
#define PVH_NOTE_PHYS32_ENTRY 18

#define HVM_START_MAGIC   0x336ec578u
#define HVM_START_VERSION 1

struct hvm_start_info {
    uint32_t magic;
    uint32_t version; /* 1: memory map present */
    uint32_t flags;
    uint32_t nr_modules;
    uint64_t modlist_paddr; /* struct hvm_modlist_entry[nr_modules] */
    uint64_t cmdline_paddr; /* NUL-terminated, 0 = none */
    uint64_t rsdp_paddr;    /* 0 = search the BIOS areas */
    uint64_t memmap_paddr;  /* struct hvm_memmap_entry[memmap_entries] */
    uint32_t memmap_entries;
    uint32_t reserved;
};

struct hvm_modlist_entry {
    uint64_t paddr;
    uint64_t size;
    uint64_t cmdline_paddr;
    uint64_t reserved;
};

struct hvm_memmap_entry {
    uint64_t addr;
    uint64_t size;
    uint32_t type; /* HVM_MEM_*, the numbers of the E820 map */
    uint32_t reserved;
};

#define HVM_MEM_RAM      1
#define HVM_MEM_RESERVED 2
#define HVM_MEM_ACPI     3
#define HVM_MEM_NVS      4
#define HVM_MEM_UNUSABLE 5

_Static_assert(sizeof(struct hvm_start_info) == 56, "hvm_start_info");
_Static_assert(sizeof(struct hvm_modlist_entry) == 32, "hvm_modlist_entry");
_Static_assert(sizeof(struct hvm_memmap_entry) == 24, "hvm_memmap_entry");

#endif
