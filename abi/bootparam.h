/*
 * abi/bootparam.h: the Linux/x86 boot protocol (documented with the kernel, x86/boot and
 * x86/zero-page), as far as a loader that uses the 64-bit entry needs it.
 *
 * A bzImage is (setup_sects, or 4 if that is 0) + 1 sectors of 512 bytes, whose setup_header
 * stands at 0x1f1, followed by the protected-mode kernel. The loader puts the latter at an
 * address aligned to kernel_alignment (pref_address is best), copies the setup header (bytes
 * 0x1f1 up to 0x202 + the byte at 0x201) into a zeroed struct boot_params, fills in the loader's
 * fields, and enters at load address + 0x200 in 64-bit mode with RSI = &boot_params, IF = 0,
 * CS/DS/ES/SS = 0x10/0x18 flat descriptors, and identity paging over kernel, boot_params and
 * command line. init_size bytes from the load address must be free RAM.
 */
#ifndef ABI_BOOTPARAM_H
#define ABI_BOOTPARAM_H

#include <stdint.h>

#define BP_SECTOR         512u
#define BP_HEADER_OFFSET  0x1f1u
#define BP_BOOT_FLAG      0xaa55u
#define BP_MAGIC          0x53726448u /* "HdrS" */
#define BP_VERSION_64BIT  0x020cu
#define BP_ENTRY64_OFFSET 0x200u
#define BP_BOOT_CS        0x10u
#define BP_BOOT_DS        0x18u

/* loadflags */
#define BP_LOADED_HIGH   0x01u
#define BP_KASLR         0x02u
#define BP_QUIET         0x20u
#define BP_KEEP_SEGMENTS 0x40u
#define BP_CAN_USE_HEAP  0x80u

/* xloadflags */
#define BP_XLF_KERNEL_64 0x0001u
#define BP_XLF_ABOVE_4G  0x0002u
#define BP_XLF_5LEVEL    0x0020u

#define BP_LOADER_UNDEFINED 0xffu

struct bp_setup_header {
    uint8_t setup_sects;
    uint16_t root_flags;
    uint32_t syssize; /* protected-mode code in 16-byte units */
    uint16_t ram_size;
    uint16_t vid_mode;
    uint16_t root_dev;
    uint16_t boot_flag;
    uint16_t jump; /* second byte: length of the header from 0x202 on */
    uint32_t header;
    uint16_t version;
    uint32_t realmode_swtch;
    uint16_t start_sys_seg;
    uint16_t kernel_version;
    uint8_t type_of_loader; /* W */
    uint8_t loadflags;
    uint16_t setup_move_size;
    uint32_t code32_start;
    uint32_t ramdisk_image; /* W */
    uint32_t ramdisk_size;  /* W */
    uint32_t bootsect_kludge;
    uint16_t heap_end_ptr;
    uint8_t ext_loader_ver;
    uint8_t ext_loader_type;
    uint32_t cmd_line_ptr; /* W */
    uint32_t initrd_addr_max;
    uint32_t kernel_alignment;
    uint8_t relocatable_kernel;
    uint8_t min_alignment;
    uint16_t xloadflags;
    uint32_t cmdline_size; /* without the final NUL */
    uint32_t hardware_subarch;
    uint64_t hardware_subarch_data;
    uint32_t payload_offset;
    uint32_t payload_length;
    uint64_t setup_data;
    uint64_t pref_address;
    uint32_t init_size;
    uint32_t handover_offset;
    uint32_t kernel_info_offset;
} __attribute__((packed));

struct bp_e820 {
    uint64_t addr;
    uint64_t size;
    uint32_t type;
} __attribute__((packed));

/* screen_info */
#define BP_VIDEO_VGA_TEXT 1    /* is_vga: a VGA in a text mode */
#define BP_VIDEO_LINEAR   0x23 /* is_vga: linear frame buffer, as a VESA BIOS sets it */

struct bp_screen_info {
    uint8_t x, y; /* cursor */
    uint16_t ext_mem_k;
    uint16_t page;
    uint8_t mode, cols, flags, unused2;
    uint16_t ega_bx, unused3;
    uint8_t lines, is_vga;
    uint16_t points; /* scan lines of a character */
    uint16_t lfb_width, lfb_height, lfb_depth;
    uint32_t lfb_base;
    uint32_t lfb_size; /* BP_VIDEO_LINEAR: in units of 64 KiB */
    uint16_t cl_magic, cl_offset;
    uint16_t lfb_linelength;
    uint8_t red_size, red_pos, green_size, green_pos, blue_size, blue_pos, rsvd_size, rsvd_pos;
    uint16_t vesapm_seg, vesapm_off;
    uint16_t pages;
    uint16_t vesa_attributes;
    uint32_t capabilities;
    uint32_t ext_lfb_base;
    uint16_t reserved;
} __attribute__((packed));
_Static_assert(sizeof(struct bp_screen_info) == 0x40, "place in boot_params");

#define E820_RAM      1
#define E820_RESERVED 2
#define E820_ACPI     3
#define E820_NVS      4
#define E820_UNUSABLE 5
#define BP_E820_MAX   128

struct boot_params {
    struct bp_screen_info screen_info;
    uint8_t apm_bios_info[0x14];
    uint8_t pad0[4];
    uint64_t tboot_addr;
    uint8_t ist_info[16];
    uint64_t acpi_rsdp_addr; /* version >= 0x20e */
    uint8_t pad1[8];
    uint8_t hd_info[32];
    uint8_t sys_desc_table[16];
    uint8_t olpc[16];
    uint32_t ext_ramdisk_image; /* bits 63:32 */
    uint32_t ext_ramdisk_size;
    uint32_t ext_cmd_line_ptr;
    uint8_t pad2[0x13c - 0xcc];
    uint32_t cc_blob_address;
    uint8_t edid_info[128];
    uint8_t efi_info[32];
    uint32_t alt_mem_k;
    uint32_t scratch;
    uint8_t e820_entries;
    uint8_t eddbuf_entries;
    uint8_t edd_mbr_sig_entries;
    uint8_t kbd_status;
    uint8_t secure_boot;
    uint8_t pad3[2];
    uint8_t sentinel; /* must be 0 in a loader's copy */
    uint8_t pad4;
    struct bp_setup_header hdr;
    uint8_t pad5[0x290 - 0x26c];
    uint32_t edd_mbr_sig[16];
    struct bp_e820 e820[BP_E820_MAX];
    uint8_t pad6[0x1000 - 0xcd0];
} __attribute__((packed));

_Static_assert(sizeof(struct boot_params) == 4096, "boot_params");
_Static_assert(sizeof(struct bp_setup_header) == 0x26c - 0x1f1, "setup header");
_Static_assert(__builtin_offsetof(struct boot_params, acpi_rsdp_addr) == 0x70, "acpi_rsdp_addr");
_Static_assert(__builtin_offsetof(struct boot_params, hdr) == 0x1f1, "hdr");
_Static_assert(__builtin_offsetof(struct boot_params, e820) == 0x2d0, "e820");

#endif
