/*
 * abi/fwcfg.h: the firmware configuration interface at ports 0x510-0x51b: selector, data, DMA.
 * Constants only.
 */
#ifndef ABI_FWCFG_H
#define ABI_FWCFG_H

#define FWCFG_PORT_SELECT 0x510
#define FWCFG_PORT_DATA   0x511
#define FWCFG_PORT_DMA    0x514 /* 8 bytes, big-endian address; low half starts */

#define FWCFG_SIGNATURE  0x00 /* "QEMU" */
#define FWCFG_ID         0x01 /* bit 0: traditional, bit 1: DMA */
#define FWCFG_RAM_SIZE   0x03
#define FWCFG_NB_CPUS    0x05
#define FWCFG_MAX_CPUS   0x0f
#define FWCFG_FILE_DIR   0x19
#define FWCFG_FILE_FIRST 0x20

/* Control word of a DMA access, big-endian in memory */
#define FWCFG_DMA_ERROR  1u
#define FWCFG_DMA_READ   2u
#define FWCFG_DMA_SKIP   4u
#define FWCFG_DMA_SELECT 8u
#define FWCFG_DMA_WRITE  16u

#endif
