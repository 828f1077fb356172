/*
 * devices/boot/boot.h: direct boot: put a kernel into memory and the boot processor at its entry.
 *
 * The image's kind is found by content: bzImage, ELF with multiboot 1 header, ELF with PVH note.
 * Every size and offset of the file is checked; a bad file is an error with id E-BOOT-*.
 * Low memory used: interrupt vectors and BIOS data below 0x500, 0x6000 GDT, 0x7000 boot
 * information, 0x9000-0xefff page tables, 0x10000 boot_params, 0x20000 command line; initrd and
 * modules lie at the top of the memory below 4 GiB.
 */
#ifndef DEVICES_BOOT_BOOT_H
#define DEVICES_BOOT_BOOT_H

#include <stddef.h>
#include <stdint.h>

#include "abi/bootparam.h"
#include "lib/err.h"

struct cpu;
struct ram;

struct boot_module {  /* multiboot or PVH module; a bzImage's initrd is the first */
    const char *name; /* its command line */
    const void *bytes;
    size_t len;
};

/* What to boot. */
struct boot_images {
    const void *kernel;
    size_t kernel_len;
    const char *kernel_name; /* for messages */
    const char *cmdline;
    const struct boot_module *modules;
    size_t module_count;
};

#define BOOT_E820_MAX 12
struct boot_e820 {
    uint64_t addr, size;
    uint32_t type;
};

struct boot {
    /* from the board */
    const struct boot_images *cfg;
    struct ram *ram;
    struct cpu *cpu;
    uint64_t rsdp; /* machine physical */
    struct boot_e820 e820[BOOT_E820_MAX];
    unsigned e820_count;
    struct bp_screen_info screen; /* zero: no display */
    /* the loader's own */
    uint64_t top; /* free memory below this, for modules */
    struct err *err;
};

/* 0 or -errno with *err set. */
int boot_load(struct boot *b);

/* The processor, just reset, at the waking vector of the FACS at that address: real mode, or flat
 * protected mode for the extended vector (ACPI 6.4 5.2.10, 16.3.2). */
void boot_resume(struct ram *ram, struct cpu *c, uint64_t facs);

/* shared by the loaders */
int boot_bzimage(struct boot *b);
int boot_elf(struct boot *b);
int boot_put(struct boot *b, uint64_t at, const void *bytes, uint64_t len, const char *what);
/* Place bytes page-aligned at the top of free memory, below `limit`; 0 when they do not fit. */
uint64_t boot_put_high(struct boot *b, const void *bytes, uint64_t len, uint64_t limit,
                       const char *what);
void boot_enter_32(struct boot *b, uint32_t eip); /* flat, paging off */
void boot_enter_64(struct boot *b, uint64_t rip); /* identity map of the first 4 GiB */

#define BOOT_GDT     0x6000
#define BOOT_INFO    0x7000
#define BOOT_TABLES  0x9000
#define BOOT_PARAMS  0x10000
#define BOOT_CMDLINE 0x20000

#endif
