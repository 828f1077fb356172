/*
 * abi/multiboot.h: Multiboot 1 (specification 0.6.96): image header and boot information.
 */
#ifndef ABI_MULTIBOOT_H
#define ABI_MULTIBOOT_H

#include <stdint.h>

#define MULTIBOOT_MAGIC            0x1badb002u
#define MULTIBOOT_BOOTLOADER_MAGIC 0x2badb002u
#define MULTIBOOT_SEARCH           8192u
#define MULTIBOOT_PAGE_ALIGN       (1u << 0)
#define MULTIBOOT_MEMORY_INFO      (1u << 1)
#define MULTIBOOT_AOUT_KLUDGE      (1u << 16)

struct multiboot_header {
    uint32_t magic, flags, checksum;
    uint32_t header_addr, load_addr, load_end_addr, bss_end_addr, entry_addr; /* AOUT_KLUDGE */
};

#define MBI_MEMORY      (1u << 0)
#define MBI_CMDLINE     (1u << 2)
#define MBI_MODS        (1u << 3)
#define MBI_MMAP        (1u << 6)
#define MBI_LOADER_NAME (1u << 9)

struct multiboot_info {
    uint32_t flags;
    uint32_t mem_lower, mem_upper; /* KiB */
    uint32_t boot_device;
    uint32_t cmdline;
    uint32_t mods_count, mods_addr;
    uint32_t syms[4];
    uint32_t mmap_length, mmap_addr;
    uint32_t drives_length, drives_addr;
    uint32_t config_table;
    uint32_t boot_loader_name;
};

struct multiboot_module {
    uint32_t start, end, string, reserved;
};

struct multiboot_mmap {
    uint32_t size; /* of the rest: 20 */
    uint64_t addr, len;
    uint32_t type;
} __attribute__((packed));

#endif
