/*
 * abi/fwcfg.h: the firmware configuration interface at ports 0x510-0x51b: selector, data, DMA; the
 * table loader's script.
 */
#ifndef ABI_FWCFG_H
#define ABI_FWCFG_H

#include <stdint.h>

#define FWCFG_PORT_SELECT 0x510
#define FWCFG_PORT_DATA   0x511
#define FWCFG_PORT_DMA    0x514 /* 8 bytes, big-endian address; low half starts */

#define FWCFG_SIGNATURE  0x00 /* "QEMU" */
#define FWCFG_ID         0x01 /* bit 0: traditional, bit 1: DMA */
#define FWCFG_RAM_SIZE   0x03
#define FWCFG_NB_CPUS    0x05
#define FWCFG_KERNEL_SIZE 0x08
#define FWCFG_INITRD_SIZE 0x0b
#define FWCFG_MAX_CPUS   0x0f
#define FWCFG_KERNEL_DATA 0x11
#define FWCFG_INITRD_DATA 0x12
#define FWCFG_CMDLINE_SIZE 0x14
#define FWCFG_CMDLINE_DATA 0x15
#define FWCFG_SETUP_SIZE 0x17
#define FWCFG_SETUP_DATA 0x18
#define FWCFG_FILE_DIR   0x19
#define FWCFG_FILE_FIRST 0x20

/* Control word of a DMA access, big-endian in memory */
#define FWCFG_DMA_ERROR  1u
#define FWCFG_DMA_READ   2u
#define FWCFG_DMA_SKIP   4u
#define FWCFG_DMA_SELECT 8u
#define FWCFG_DMA_WRITE  16u

/* Entry of etc/table-loader: 128 bytes, little-endian */
#define FWCFG_LOADER_ALLOCATE     1u
#define FWCFG_LOADER_ADD_POINTER  2u
#define FWCFG_LOADER_ADD_CHECKSUM 3u
#define FWCFG_ZONE_HIGH           1
#define FWCFG_ZONE_FSEG           2
struct fwcfg_loader {
    uint32_t command;
    union {
        struct {
            char file[56];
            uint32_t align;
            uint8_t zone;
        } __attribute__((packed)) allocate;
        struct { /* add the address of `to` to the pointer at `offset` of `in` */
            char in[56], to[56];
            uint32_t offset;
            uint8_t size;
        } __attribute__((packed)) pointer;
        struct {
            char file[56];
            uint32_t offset, start, len;
        } __attribute__((packed)) checksum;
        uint8_t pad[124];
    };
} __attribute__((packed));

/* Entry of etc/e820 */
struct fwcfg_e820 {
    uint64_t addr, len;
    uint32_t type; /* 1: RAM */
} __attribute__((packed));

#endif
