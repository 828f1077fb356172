/*
 * abi/sata.h: AHCI 1.3.1 registers (3.1, 3.3), command list and tables (4.2), FISes (Serial ATA
 * 3.0, 10.3), ATA commands (ACS-2) and MMC-5 packet commands.
 */
#ifndef ABI_SATA_H
#define ABI_SATA_H

#include <stdint.h>

/* Generic host control */
#define AHCI_CAP  0x00u
#define AHCI_GHC  0x04u
#define AHCI_IS   0x08u
#define AHCI_PI   0x0cu
#define AHCI_VS   0x10u
#define AHCI_PORT 0x100u /* + 0x80 * port */

#define AHCI_CAP_NP(n)  ((n)-1u)
#define AHCI_CAP_NCS(n) (((n)-1u) << 8)
#define AHCI_CAP_SAM    (1u << 18)
#define AHCI_CAP_GEN3   (3u << 20)
#define AHCI_CAP_SCLO   (1u << 24)
#define AHCI_CAP_SNCQ   (1u << 30)
#define AHCI_CAP_S64A   (1u << 31)
#define AHCI_GHC_HR     (1u << 0)
#define AHCI_GHC_IE     (1u << 1)
#define AHCI_GHC_AE     (1u << 31)
#define AHCI_VERSION    0x00010300u

/* Port registers */
#define AHCI_PX_CLB  0x00u
#define AHCI_PX_CLBU 0x04u
#define AHCI_PX_FB   0x08u
#define AHCI_PX_FBU  0x0cu
#define AHCI_PX_IS   0x10u
#define AHCI_PX_IE   0x14u
#define AHCI_PX_CMD  0x18u
#define AHCI_PX_TFD  0x20u
#define AHCI_PX_SIG  0x24u
#define AHCI_PX_SSTS 0x28u
#define AHCI_PX_SCTL 0x2cu
#define AHCI_PX_SERR 0x30u
#define AHCI_PX_SACT 0x34u
#define AHCI_PX_CI   0x38u

#define AHCI_IS_DHRS (1u << 0)  /* device to host register FIS */
#define AHCI_IS_PSS  (1u << 1)  /* PIO setup FIS */
#define AHCI_IS_SDBS (1u << 3)  /* set device bits FIS */
#define AHCI_IS_HBFS (1u << 29) /* host bus fatal error */
#define AHCI_IS_TFES (1u << 30) /* task file error */
#define AHCI_IS_RW1C 0xfd8000afu
#define AHCI_IE_MASK 0xfdc000ffu

#define AHCI_CMD_ST    (1u << 0)
#define AHCI_CMD_SUD   (1u << 1)
#define AHCI_CMD_POD   (1u << 2)
#define AHCI_CMD_CLO   (1u << 3)
#define AHCI_CMD_FRE   (1u << 4)
#define AHCI_CMD_FR    (1u << 14)
#define AHCI_CMD_CR    (1u << 15)
#define AHCI_CMD_ATAPI (1u << 24)
#define AHCI_CMD_WRITE 0x03000011u /* ST, FRE, ATAPI, DLAE */

#define AHCI_SSTS_UP      0x133u /* device there, 6 Gbit/s, active */
#define AHCI_SIG_DISK     0x00000101u
#define AHCI_SIG_ATAPI    0xeb140101u
#define AHCI_SIG_NONE     0xffffffffu
#define AHCI_HDR_ATAPI    (1u << 5)
#define AHCI_HDR_CFL      31u
#define AHCI_HDR_BYTES    32u
#define AHCI_TABLE_PACKET 0x40u
#define AHCI_TABLE_PRDT   0x80u

/* Received FIS area */
#define AHCI_RX_PIO 0x20u
#define AHCI_RX_D2H 0x40u
#define AHCI_RX_SDB 0x58u

#define FIS_H2D 0x27
#define FIS_D2H 0x34
#define FIS_PIO 0x5f
#define FIS_SDB 0xa1

#define ATA_ERR  0x01u /* status */
#define ATA_DRQ  0x08u
#define ATA_DSC  0x10u
#define ATA_DRDY 0x40u
#define ATA_BSY  0x80u
#define ATA_ABRT 0x04u /* error */
#define ATA_IDNF 0x10u
#define ATA_UNC  0x40u

enum ata_command {
    ATA_DSM = 0x06,
    ATA_DEVICE_RESET = 0x08,
    ATA_READ_SECTORS = 0x20,
    ATA_READ_SECTORS_EXT = 0x24,
    ATA_READ_DMA_EXT = 0x25,
    ATA_READ_MULTIPLE_EXT = 0x29,
    ATA_READ_LOG_EXT = 0x2f,
    ATA_WRITE_SECTORS = 0x30,
    ATA_WRITE_SECTORS_EXT = 0x34,
    ATA_WRITE_DMA_EXT = 0x35,
    ATA_WRITE_MULTIPLE_EXT = 0x39,
    ATA_WRITE_DMA_FUA_EXT = 0x3d,
    ATA_VERIFY = 0x40,
    ATA_VERIFY_EXT = 0x42,
    ATA_READ_LOG_DMA_EXT = 0x47,
    ATA_READ_FPDMA = 0x60,
    ATA_WRITE_FPDMA = 0x61,
    ATA_PACKET = 0xa0,
    ATA_IDENTIFY_PACKET = 0xa1,
    ATA_SMART = 0xb0,
    ATA_READ_MULTIPLE = 0xc4,
    ATA_WRITE_MULTIPLE = 0xc5,
    ATA_SET_MULTIPLE = 0xc6,
    ATA_READ_DMA = 0xc8,
    ATA_WRITE_DMA = 0xca,
    ATA_STANDBY_NOW = 0xe0,
    ATA_IDLE_NOW = 0xe1,
    ATA_STANDBY = 0xe2,
    ATA_IDLE = 0xe3,
    ATA_CHECK_POWER = 0xe5,
    ATA_SLEEP = 0xe6,
    ATA_FLUSH = 0xe7,
    ATA_FLUSH_EXT = 0xea,
    ATA_IDENTIFY = 0xec,
    ATA_SET_FEATURES = 0xef,
};

enum mmc_command {
    MMC_TEST_UNIT_READY = 0x00,
    MMC_REQUEST_SENSE = 0x03,
    MMC_INQUIRY = 0x12,
    MMC_START_STOP = 0x1b,
    MMC_PREVENT_REMOVAL = 0x1e,
    MMC_READ_CAPACITY = 0x25,
    MMC_READ_10 = 0x28,
    MMC_SEEK = 0x2b,
    MMC_SYNCHRONIZE = 0x35,
    MMC_READ_TOC = 0x43,
    MMC_GET_CONFIGURATION = 0x46,
    MMC_EVENT_STATUS = 0x4a,
    MMC_DISC_INFORMATION = 0x51,
    MMC_MODE_SENSE_10 = 0x5a,
    MMC_READ_12 = 0xa8,
    MMC_MECHANISM_STATUS = 0xbd,
};

/* Sense: key << 16 | additional code << 8 | qualifier */
#define SENSE_NONE       0x000000u
#define SENSE_NO_MEDIUM  0x023a00u
#define SENSE_READ_ERROR 0x031100u
#define SENSE_BAD_OPCODE 0x052000u
#define SENSE_BAD_LBA    0x052100u
#define SENSE_BAD_FIELD  0x052400u

#endif
